/* request.c - what is asked by the control socket; the words are in
 * control.c. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/internal.h"
#include "mailsled/clock.h"
#include "mailsled/text.h"

/* ---- clients ---- */

static struct sled_daemon_client *
new_client(struct sled_daemon *d, struct sled_control_reply *reply,
           enum sled_daemon_wish wish)
{
	for (size_t i = 0; i < SLED_CONTROL_PEERS; i++) {
		struct sled_daemon_client *client = &d->clients[i];

		if (client->wish != SLED_DAEMON_FREE)
			continue;
		*client =
		    (struct sled_daemon_client){ .reply = reply, .wish = wish };
		return client;
	}
	return NULL;
}

static void
free_client(struct sled_daemon_client *client)
{
	free(client->wants);
	*client = (struct sled_daemon_client){ 0 };
}

void
sled_daemon_gone(void *ctx, struct sled_control_reply *reply)
{
	struct sled_daemon *d = ctx;

	for (size_t i = 0; i < SLED_CONTROL_PEERS; i++) {
		struct sled_daemon_client *client = &d->clients[i];
		bool granted = client->granted;

		if (client->reply != reply)
			continue;
		free_client(client);
		if (!sled_daemon_leased(d))
			sled_scheduler_hold(d->scheduler, false);
		/* Who had the store may have made visits of his own. */
		if (granted)
			sled_daemon_facts(d, NULL);
	}
	sled_daemon_turn(d);
}

bool
sled_daemon_has_clients(const struct sled_daemon *d)
{
	for (size_t i = 0; i < SLED_CONTROL_PEERS; i++)
		if (d->clients[i].wish != SLED_DAEMON_FREE)
			return true;
	return false;
}

bool
sled_daemon_leased(const struct sled_daemon *d)
{
	for (size_t i = 0; i < SLED_CONTROL_PEERS; i++)
		if (d->clients[i].wish == SLED_DAEMON_LEASE)
			return true;
	return false;
}

/* One has the store at a time; the others wait for their turn. */
void
sled_daemon_grant(struct sled_daemon *d)
{
	struct sled_daemon_client *first = NULL;

	if (d->round != NULL || d->command != NULL ||
	    !sled_scheduler_idle(d->scheduler))
		return;
	for (size_t i = 0; i < SLED_CONTROL_PEERS; i++) {
		struct sled_daemon_client *client = &d->clients[i];

		if (client->wish != SLED_DAEMON_LEASE)
			continue;
		if (client->granted)
			return;
		if (first == NULL)
			first = client;
	}
	if (first == NULL)
		return;
	sled_daemon_tend_stop(d);
	first->granted = true;
	sled_control_out(first->reply, "granted");
}

/* ---- those who asked for a visit ---- */

static bool
waits(const struct sled_daemon *d, const struct sled_daemon_client *client)
{
	for (size_t i = 0; i < d->conf->accounts_len; i++)
		if (client->wants[i])
			return true;
	return false;
}

static bool
is_watching(const struct sled_daemon_client *client, size_t account)
{
	return client->wish == SLED_DAEMON_VISITING && client->joined &&
	       client->wants[account];
}

void
sled_daemon_join(struct sled_daemon *d)
{
	for (size_t i = 0; i < SLED_CONTROL_PEERS; i++)
		if (d->clients[i].wish == SLED_DAEMON_VISITING)
			d->clients[i].joined = true;
}

void
sled_daemon_client_ends(struct sled_daemon *d)
{
	for (size_t i = 0; i < SLED_CONTROL_PEERS; i++) {
		struct sled_daemon_client *client = &d->clients[i];
		struct sled_control_reply *reply = client->reply;
		int status = sled_err_exit(client->worst);

		if (client->wish != SLED_DAEMON_VISITING)
			continue;
		client->joined = false;
		if (waits(d, client))
			continue;
		free_client(client);
		sled_control_end(reply, status);
	}
}

/* Each line by itself. */
static void
send_lines(struct sled_control_reply *reply, char *text)
{
	char *line;

	while ((line = strsep(&text, "\n")) != NULL)
		sled_control_out(reply, line);
}

static void
send_result(struct sled_daemon *d, struct sled_daemon_client *client,
            size_t account, const struct sled_visit_result *result)
{
	const struct sled_daemon_calls *calls = &d->my->calls;
	struct sled_err err = { 0 };
	struct sled_buf text = { 0 };
	char line[sizeof(result->err.text) + SLED_CONF_ACCOUNT_NAME + 2];
	const char *name = d->conf->accounts[account].name;

	client->wants[account] = false;
	client->worst = sled_err_worse(client->worst, result->err.kind);
	if (calls->visit(calls->ctx, &text, client->form,
	                 &d->conf->accounts[account], result, d->store, &err) &&
	    text.len > 0)
		send_lines(client->reply, text.data);
	sled_buf_free(&text);
	if (result->err.kind == SLED_ERR_NONE)
		return;
	(void)snprintf(line, sizeof(line), "%s: %s", name, result->err.text);
	sled_control_err(client->reply,
	                 strncmp(result->err.text, name, strlen(name)) == 0
	                     ? result->err.text
	                     : line);
}

void
sled_daemon_client_result(struct sled_daemon *d, size_t account,
                          const struct sled_visit_result *result)
{
	for (size_t i = 0; i < SLED_CONTROL_PEERS; i++)
		if (is_watching(&d->clients[i], account))
			send_result(d, &d->clients[i], account, result);
}

void
sled_daemon_client_progress(struct sled_daemon *d, size_t account,
                            const struct sled_visit_progress *now)
{
	const struct sled_daemon_calls *calls = &d->my->calls;

	for (size_t i = 0; i < SLED_CONTROL_PEERS; i++) {
		struct sled_err err = { 0 };
		struct sled_buf text = { 0 };

		if (!is_watching(&d->clients[i], account) ||
		    d->clients[i].form != SLED_DAEMON_JSON)
			continue;
		if (calls->progress(calls->ctx, &text,
		                    &d->conf->accounts[account], now, &err) &&
		    text.len > 0)
			sled_control_out(d->clients[i].reply, text.data);
		sled_buf_free(&text);
	}
}

void
sled_daemon_client_bill(struct sled_daemon *d, const char *link,
                        const char *bill)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "%s: %s", link, bill);
	for (size_t i = 0; i < SLED_CONTROL_PEERS; i++)
		if (d->clients[i].joined &&
		    (d->clients[i].form == SLED_DAEMON_TEXT ||
		     d->clients[i].form == SLED_DAEMON_VERBOSE))
			sled_control_out(d->clients[i].reply, text);
}

void
sled_daemon_refuse(struct sled_daemon *d, const char *why)
{
	struct sled_err err = { 0 };

	(void)sled_fail(&err, SLED_ERR_LINK, "no visit: %s", why);
	sled_daemon_say(d, SLED_DAEMON_WARNING, "%s", err.text);
	sled_daemon_turn_down(d, &err);
}

void
sled_daemon_turn_down(struct sled_daemon *d, const struct sled_err *why)
{
	struct sled_visit_result result = { .err = *why };

	result.row.exit = sled_err_exit(why->kind);
	for (size_t i = 0; i < SLED_CONTROL_PEERS; i++) {
		struct sled_daemon_client *client = &d->clients[i];

		if (client->wish != SLED_DAEMON_VISITING)
			continue;
		for (size_t j = 0; j < d->conf->accounts_len; j++)
			if (client->wants[j])
				send_result(d, client, j, &result);
	}
	sled_daemon_client_ends(d);
}

/* ---- visit ---- */

static size_t
account_index(const struct sled_conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->accounts_len; i++)
		if (strcmp(conf->accounts[i].name, name) == 0)
			return i;
	return SIZE_MAX;
}

/* Does the round that runs bring all that the client asked for? */
static bool
runs_already(const struct sled_daemon *d,
             const struct sled_daemon_client *client)
{
	for (size_t i = 0; i < d->conf->accounts_len; i++) {
		bool there = false;

		for (size_t j = 0; j < d->visit.accounts_len; j++)
			there = there || (d->accounts[j] == i && !d->over[i]);
		if (client->wants[i] && !there)
			return false;
	}
	return d->round != NULL && !d->round_over && !d->person_stopped;
}

struct words {
	enum sled_daemon_form form;
	const char *link;
	bool any;
};

static bool
take_word(const struct sled_daemon *d, const char *word,
          struct sled_daemon_client *client, struct words *words)
{
	size_t account;

	if (strcmp(word, "json") == 0) {
		words->form = SLED_DAEMON_JSON;
	} else if (strcmp(word, "quiet") == 0) {
		words->form = SLED_DAEMON_QUIET;
	} else if (strcmp(word, "verbose") == 0) {
		words->form = SLED_DAEMON_VERBOSE;
	} else if (strncmp(word, "link=", 5) == 0) {
		words->link = word + 5;
	} else {
		account = account_index(d->conf, word);
		if (account == SIZE_MAX)
			return false;
		client->wants[account] = words->any = true;
	}
	return true;
}

static void
end_badly(struct sled_control_reply *reply, const char *word,
          enum sled_err_kind kind)
{
	char shown[64], text[128];

	sled_text_clip(shown, sizeof(shown),
	               (struct sled_span){ word, strlen(word) });
	(void)snprintf(text, sizeof(text), "%s: %s", shown,
	               kind == SLED_ERR_MISSING ? "no such account"
	                                        : "not understood");
	sled_control_err(reply, text);
	sled_control_end(reply, sled_err_exit(kind));
}

static void
visit(struct sled_daemon *d, struct sled_control_reply *reply,
      const char *const *words, size_t len)
{
	struct sled_daemon_client *client =
	    new_client(d, reply, SLED_DAEMON_VISITING);
	struct words said = { .form = SLED_DAEMON_TEXT };

	if (client != NULL)
		client->wants =
		    calloc(d->conf->accounts_len + 1, sizeof(*client->wants));
	if (client == NULL || client->wants == NULL || d->stopping) {
		if (client != NULL)
			free_client(client);
		sled_control_err(reply, "the scheduler ends");
		sled_control_end(reply, sled_err_exit(SLED_ERR_LINK));
		return;
	}
	for (size_t i = 1; i < len; i++)
		if (!take_word(d, words[i], client, &said)) {
			free_client(client);
			end_badly(reply, words[i], SLED_ERR_MISSING);
			return;
		}
	client->form = said.form;
	for (size_t i = 0; !said.any && i < d->conf->accounts_len; i++)
		client->wants[i] = true;
	client->joined = said.link == NULL && runs_already(d, client);
	for (size_t i = 0; !client->joined && i < d->conf->accounts_len; i++)
		if (client->wants[i])
			sled_scheduler_ask(d->scheduler, i, said.link);
	sled_daemon_turn(d);
}

/* ---- the others ---- */

static uint64_t
number_of(const char *text)
{
	uint64_t value = 0;

	return sled_text_u64((struct sled_span){ text, strlen(text) }, &value)
	           ? value
	           : 0;
}

static void
take_event_word(struct sled_link_event *event, const char *word)
{
	const char *value = strchr(word, '=');

	if (value++ == NULL)
		return;
	if (strncmp(word, "if=", 3) == 0)
		(void)snprintf(event->name, sizeof(event->name), "%.*s",
		               (int)sizeof(event->name) - 1, value);
	else if (strncmp(word, "connection=", 11) == 0)
		sled_text_clip(event->connection, sizeof(event->connection),
		               (struct sled_span){ value, strlen(value) });
	else if (strncmp(word, "metered=", 8) == 0)
		event->metered = strcmp(value, "yes") == 0;
	else if (strncmp(word, "connect-time=", 13) == 0)
		event->connect_s = number_of(value);
	else if (strncmp(word, "sent=", 5) == 0)
		event->bytes_sent = number_of(value);
	else if (strncmp(word, "received=", 9) == 0)
		event->bytes_received = number_of(value);
}

static void
event(struct sled_daemon *d, struct sled_control_reply *reply,
      const char *const *words, size_t len)
{
	struct sled_link_event told = { .metered = -1 };

	if (len < 2 ||
	    (strcmp(words[1], "up") != 0 && strcmp(words[1], "down") != 0)) {
		end_badly(reply, len < 2 ? "event" : words[1], SLED_ERR_USAGE);
		return;
	}
	told.up = strcmp(words[1], "up") == 0;
	for (size_t i = 2; i < len; i++)
		take_event_word(&told, words[i]);
	sled_links_event(d->links, &told);
	sled_daemon_receipt(d, &told);
	sled_control_end(reply, 0);
}

static void
stop(struct sled_daemon *d, struct sled_control_reply *reply,
     const char *const *words, size_t len)
{
	bool now = len > 1 && strcmp(words[1], "hang-up") == 0;

	if (d->round != NULL) {
		d->person_stopped = true;
		sled_round_stop(d->round, now);
	} else if (d->line != NULL && d->hanging == NULL) {
		sled_scheduler_line_failed(d->scheduler);
	} else {
		sled_control_err(reply, "no visit runs");
		sled_control_end(reply, sled_err_exit(SLED_ERR_LINK));
		return;
	}
	sled_control_end(reply, 0);
	sled_daemon_turn(d);
}

static void
out_line(struct sled_control_reply *reply, const char *key, const char *value)
{
	char text[SLED_SCHEDULER_WHY + 128];

	(void)snprintf(text, sizeof(text), "%s=%s", key, value);
	sled_control_out(reply, text);
}

static void
tell_why(struct sled_daemon *d, struct sled_control_reply *reply,
         const struct sled_scheduler_now *now)
{
	char why[SLED_SCHEDULER_WHY], text[SLED_SCHEDULER_WHY + 64];
	const struct sled_link *up;
	size_t len = 0;

	up = sled_links_up(d->links, &len);
	for (size_t i = 0; i < len; i++) {
		const struct sled_conf_link *profile =
		    sled_link_profile(d->conf, &up[i], NULL);
		bool other =
		    profile != NULL && strcmp(profile->name, up[i].name) != 0;

		(void)snprintf(text, sizeof(text), "%s%s%s%s", up[i].name,
		               other ? ", [link " : "",
		               other ? profile->name : "", other ? "]" : "");
		out_line(reply, "link", text);
		sled_scheduler_link_why(d->scheduler, i, now, why);
		if (why[0] != '\0')
			out_line(reply, "held-off", why);
	}
	for (size_t i = 0; i < d->conf->accounts_len; i++) {
		sled_scheduler_account_why(d->scheduler, i, now, why);
		if (why[0] == '\0')
			continue;
		(void)snprintf(text, sizeof(text), "%s: %s",
		               d->conf->accounts[i].name, why);
		out_line(reply, "held-off", text);
	}
}

static void
status(struct sled_daemon *d, struct sled_control_reply *reply)
{
	struct sled_scheduler_now now = sled_daemon_now();
	struct sled_scheduler_next next;
	char text[32], when[SLED_TIME_TEXT];

	sled_scheduler_next(d->scheduler, &now, &next);
	(void)snprintf(text, sizeof(text), "%ld", (long)getpid());
	out_line(reply, "pid", text);
	out_line(reply, "doing",
	         d->round != NULL        ? "visiting"
	         : d->hanging != NULL    ? "hanging up"
	         : d->line != NULL       ? "dialling"
	         : sled_daemon_leased(d) ? "leased"
	                                 : "waiting");
	if (next.visit) {
		(void)snprintf(text, sizeof(text), "%" PRId64,
		               next.in_ms / 1000);
		out_line(reply, "next-in", text);
		sled_clock_rfc3339(now.wall + next.in_ms / 1000, when);
		if (!now.doubtful)
			out_line(reply, "next", when);
	}
	out_line(reply, "why", next.why);
	if (now.doubtful)
		out_line(reply, "clock", "doubtful");
	tell_why(d, reply, &now);
	sled_control_end(reply, 0);
}

static void
lease(struct sled_daemon *d, struct sled_control_reply *reply)
{
	if (new_client(d, reply, SLED_DAEMON_LEASE) == NULL || d->stopping) {
		sled_daemon_gone(d, reply);
		sled_control_end(reply, sled_err_exit(SLED_ERR_LINK));
		return;
	}
	sled_scheduler_hold(d->scheduler, true);
	sled_daemon_turn(d);
}

static void
reload(struct sled_daemon *d, struct sled_control_reply *reply)
{
	struct sled_err err = { 0 };

	if (!sled_daemon_reload(d, &err)) {
		sled_control_err(reply, err.text);
		sled_control_end(reply, sled_err_exit(err.kind));
		return;
	}
	sled_control_end(reply, 0);
	sled_daemon_turn(d);
}

void
sled_daemon_request(void *ctx, struct sled_control_reply *reply,
                    const char *const *words, size_t len)
{
	struct sled_daemon *d = ctx;

	if (strcmp(words[0], "visit") == 0)
		visit(d, reply, words, len);
	else if (strcmp(words[0], "event") == 0)
		event(d, reply, words, len);
	else if (strcmp(words[0], "status") == 0)
		status(d, reply);
	else if (strcmp(words[0], "stop") == 0)
		stop(d, reply, words, len);
	else if (strcmp(words[0], "lease") == 0)
		lease(d, reply);
	else if (strcmp(words[0], "reload") == 0)
		reload(d, reply);
	else
		end_badly(reply, words[0], SLED_ERR_USAGE);
}
