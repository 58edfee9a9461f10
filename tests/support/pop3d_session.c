/* pop3d_session.c - the commands of RFC 1939 and friends; see pop3d.h. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

#include "pop3d.h"

enum where {
	BEFORE = 1, /* AUTHORIZATION */
	WITHIN = 2, /* TRANSACTION */
	ALWAYS = 3,
};

struct session {
	struct pop3d_conn *conn;
	struct pop3d_server *server;
	const struct pop3d_conf *conf;
	const struct pop3d_fault *fault; /* of the command at hand */
	struct pop3d_view view;
	enum where state;
	bool done;
	char user[256];
};

__attribute__((format(printf, 2, 3))) static void
reply(struct session *s, const char *fmt, ...)
{
	struct pop3d_conn *conn = s->conn;
	const struct pop3d_fault *fault = s->fault;
	char line[1024];
	va_list ap;

	if (fault != NULL && fault->act == POP3D_ACT_DROP) {
		pop3d_wire_flush(conn);
		conn->dead = true;
		return;
	}
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	pop3d_log(s->server, "%u< %s", conn->id, line);
	pop3d_wire_send(conn, line, strlen(line));
	pop3d_wire_send(conn, "\r\n", 2);
	if (s->conf->flush_each)
		pop3d_wire_flush(conn);
	if (fault != NULL && fault->act == POP3D_ACT_INJECT) {
		pop3d_wire_send(conn, fault->text, strlen(fault->text));
		pop3d_wire_send(conn, "\r\n", 2);
		s->fault = NULL;
	}
}

/* A line of a listing; these are not logged. */
__attribute__((format(printf, 2, 3))) static void
say(struct session *s, const char *fmt, ...)
{
	char line[POP3D_UID_MAX + 64];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(line, sizeof(line) - 2, fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= sizeof(line) - 2)
		return;
	memcpy(line + len, "\r\n", 2);
	pop3d_wire_send(s->conn, line, (size_t)len + 2);
}

/* What a fault says of the octets behind the status line. */
static void
begin_part(struct session *s)
{
	const struct pop3d_fault *fault = s->fault;

	if (fault == NULL || (fault->act != POP3D_ACT_CLOSE_AFTER &&
	                      fault->act != POP3D_ACT_STALL_AFTER))
		return;
	s->conn->part_left = fault->number;
	s->conn->stall_at_end = fault->act == POP3D_ACT_STALL_AFTER;
}

static void
end_part(struct session *s)
{
	pop3d_wire_send(s->conn, ".\r\n", 3);
	if (s->conf->flush_each)
		pop3d_wire_flush(s->conn);
	s->conn->part_left = UINT64_MAX;
}

static bool
is_off(const struct pop3d_conf *conf, const char *line)
{
	size_t len = strcspn(line, " ");

	for (size_t i = 0; i < conf->capa_offs; i++)
		if (strncasecmp(line, conf->capa_off[i], len) == 0 &&
		    conf->capa_off[i][len] == '\0')
			return true;
	return false;
}

static void
run_capa(struct session *s, char *arg)
{
	const struct pop3d_conf *conf = s->conf;
	bool clear = conf->tls == POP3D_STARTTLS && s->conn->ssl == NULL;
	char sasl[128];
	const char *lines[] = {
		clear ? NULL : "USER",
		clear || s->conn->no_sasl ? NULL : sasl,
		clear ? "STLS" : NULL,
		conf->no_top ? NULL : "TOP",
		conf->no_uidl ? NULL : "UIDL",
		s->conn->no_pipelining ? NULL : "PIPELINING",
		"RESP-CODES",
		"AUTH-RESP-CODE",
		conf->expire0 ? "EXPIRE 0" : NULL,
		"IMPLEMENTATION pop3d",
	};

	(void)arg;
	if (conf->no_capa) {
		reply(s, "-ERR unknown command");
		return;
	}
	(void)snprintf(sasl, sizeof(sasl), "SASL %s", conf->sasl);
	reply(s, "+OK");
	begin_part(s);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (lines[i] != NULL && !is_off(conf, lines[i]))
			say(s, "%s", lines[i]);
	for (size_t i = 0; i < conf->capa_adds; i++)
		say(s, "%s", conf->capa_add[i]);
	end_part(s);
}

static void
run_stls(struct session *s, char *arg)
{
	struct pop3d_conn *conn = s->conn;

	(void)arg;
	if (s->conf->tls != POP3D_STARTTLS || conn->ssl != NULL) {
		reply(s, "-ERR no TLS here");
		return;
	}
	reply(s, "+OK begin TLS");
	pop3d_wire_flush(conn);
	if (conn->in_at < conn->in_len) {
		pop3d_log(s->server, "CONN %u early", conn->id);
		conn->dead = true;
	}
	if (!conn->dead)
		(void)pop3d_wire_tls(conn);
	s->user[0] = '\0';
}

/* RFC 1939 4: the maildrop is locked from here to the end. */
static void
log_in(struct session *s, const char *user, const char *pass)
{
	bool recent = s->conf->hide_read && strncmp(user, "recent:", 7) == 0;

	if (recent)
		user += 7;
	if (strcmp(user, s->conf->user) != 0 ||
	    strcmp(pass, s->conf->pass) != 0) {
		reply(s, "-ERR [AUTH] wrong user or password");
		return;
	}
	if (!pop3d_drop_open(&s->server->drop, recent, &s->view)) {
		reply(s, "-ERR [IN-USE] the maildrop is locked");
		return;
	}
	s->state = WITHIN;
	s->conn->logged_in = true;
	reply(s, "+OK %zu messages", s->view.count);
}

/* RFC 2595 4: before TLS there is no login where TLS is offered. */
static bool
in_clear(struct session *s)
{
	if (s->conf->tls != POP3D_STARTTLS || s->conn->ssl != NULL)
		return false;
	reply(s, "-ERR [SYS/PERM] TLS first");
	return true;
}

static void
run_user(struct session *s, char *arg)
{
	if (in_clear(s))
		return;
	if (*arg == '\0' || strlen(arg) >= sizeof(s->user)) {
		reply(s, "-ERR no such user");
		return;
	}
	memcpy(s->user, arg, strlen(arg) + 1);
	reply(s, "+OK");
}

static void
run_pass(struct session *s, char *arg)
{
	if (in_clear(s))
		return;
	if (s->user[0] == '\0') {
		reply(s, "-ERR USER first");
		return;
	}
	log_in(s, s->user, arg);
	s->user[0] = '\0';
}

/* Base64 in place; the bytes end with a NUL. "=" is nothing at all. */
static bool
decode(char *text, size_t *len)
{
	size_t in = strlen(text), pad = 0;
	unsigned char out[POP3D_LINE_MAX];
	int got;

	*len = 0;
	if (strcmp(text, "=") == 0)
		*text = '\0';
	if (*text == '\0')
		return true;
	while (pad < 2 && pad < in && text[in - 1 - pad] == '=')
		pad++;
	if (in % 4 != 0 || in / 4 * 3 >= sizeof(out))
		return false;
	got = EVP_DecodeBlock(out, (const unsigned char *)text, (int)in);
	if (got < (int)pad)
		return false;
	*len = (size_t)got - pad;
	memcpy(text, out, *len);
	text[*len] = '\0';
	return true;
}

/* One step of SASL: the answer to CHALLENGE, decoded; NULL when refused. */
static char *
ask(struct session *s, const char *challenge, size_t *len)
{
	char *line;

	reply(s, "+ %s", challenge);
	line = pop3d_wire_line(s->conn);
	if (line == NULL)
		return NULL;
	pop3d_log(s->server, "%u> ***", s->conn->id);
	if (strcmp(line, "*") != 0 && decode(line, len))
		return line;
	reply(s, "-ERR [AUTH] given up");
	return NULL;
}

/* RFC 4616: authorization identity NUL user NUL password. */
static void
auth_plain(struct session *s, char *initial)
{
	size_t len = 0, first, second;
	bool ask_all = initial == NULL || s->conn->no_initial;

	if (ask_all) {
		initial = ask(s, "", &len);
		if (initial == NULL)
			return;
	} else if (!decode(initial, &len)) {
		reply(s, "-ERR [AUTH] no base64");
		return;
	}
	first = strlen(initial);
	if (first >= len) {
		reply(s, "-ERR [AUTH] no SASL PLAIN");
		return;
	}
	second = first + 1 + strlen(initial + first + 1);
	if (second >= len || second + 1 + strlen(initial + second + 1) != len) {
		reply(s, "-ERR [AUTH] no SASL PLAIN");
		return;
	}
	log_in(s, initial + first + 1, initial + second + 1);
}

static void
auth_login(struct session *s, char *initial)
{
	char user[256];
	size_t len = 0;
	bool ask_all = initial == NULL || s->conn->no_initial;
	char *line = initial;

	if (ask_all) {
		line = ask(s, "VXNlcm5hbWU6", &len);
		if (line == NULL)
			return;
	} else if (!decode(initial, &len)) {
		reply(s, "-ERR [AUTH] no base64");
		return;
	}
	(void)snprintf(user, sizeof(user), "%s", line);
	line = ask(s, "UGFzc3dvcmQ6", &len);
	if (line != NULL)
		log_in(s, user, line);
}

static bool
offers(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (*list != '\0') {
		size_t span = strcspn(list, " ");

		if (span == len && strncasecmp(list, word, len) == 0)
			return true;
		list += span;
		list += strspn(list, " ");
	}
	return false;
}

static void
run_auth(struct session *s, char *arg)
{
	char *initial = strchr(arg, ' ');

	if (in_clear(s))
		return;
	if (initial != NULL)
		*initial++ = '\0';
	if (s->conn->no_sasl || !offers(s->conf->sasl, arg))
		reply(s, "-ERR no such mechanism");
	else if (strcasecmp(arg, "PLAIN") == 0)
		auth_plain(s, initial);
	else if (strcasecmp(arg, "LOGIN") == 0)
		auth_login(s, initial);
	else
		reply(s, "-ERR no such mechanism");
}

static void
run_stat(struct session *s, char *arg)
{
	uint64_t size = 0;
	size_t count = 0;

	(void)arg;
	for (size_t i = 0; i < s->view.count; i++) {
		uint64_t more = pop3d_mail_size(&s->server->drop, &s->view, i);

		if (s->view.mails[i].deleted)
			continue;
		count++;
		size = more > UINT64_MAX - size ? UINT64_MAX : size + more;
	}
	reply(s, "+OK %zu %llu", count, (unsigned long long)size);
}

/* The message that ARG begins with; *rest is what follows. False: refused. */
static bool
find_mail(struct session *s, char *arg, size_t *at, char **rest)
{
	unsigned long number = 0;

	*rest = arg;
	if (isdigit((unsigned char)*arg))
		number = strtoul(arg, rest, 10);
	if (number < 1 || number > s->view.count ||
	    s->view.mails[number - 1].deleted) {
		reply(s, "-ERR no such message");
		return false;
	}
	*at = number - 1;
	return true;
}

typedef void entry_fn(struct session *s, size_t at, char *out, size_t room);

static void
list_entry(struct session *s, size_t at, char *out, size_t room)
{
	uint64_t size = pop3d_mail_size(&s->server->drop, &s->view, at);

	(void)snprintf(out, room, "%llu", (unsigned long long)size);
}

static void
uidl_entry(struct session *s, size_t at, char *out, size_t room)
{
	char uid[POP3D_UID_MAX];

	pop3d_mail_uid(&s->server->drop, &s->view, at, uid);
	(void)snprintf(out, room, "%s", uid);
}

static void
listing(struct session *s, char *arg, entry_fn *entry)
{
	const char *gap = s->conf->uid_mode == POP3D_UID_SPACES ? "   " : " ";
	char text[POP3D_UID_MAX], *rest;
	size_t at = 0;

	if (*arg != '\0') {
		if (!find_mail(s, arg, &at, &rest))
			return;
		entry(s, at, text, sizeof(text));
		reply(s, "+OK %zu%s%s", at + 1, gap, text);
		return;
	}
	reply(s, "+OK");
	begin_part(s);
	for (; at < s->view.count && !s->conn->dead; at++) {
		if (s->view.mails[at].deleted)
			continue;
		entry(s, at, text, sizeof(text));
		say(s, "%zu%s%s", at + 1, gap, text);
	}
	end_part(s);
}

static void
run_list(struct session *s, char *arg)
{
	listing(s, arg, list_entry);
}

static void
run_uidl(struct session *s, char *arg)
{
	if (s->conf->no_uidl)
		reply(s, "-ERR unknown command");
	else
		listing(s, arg, uidl_entry);
}

static void
to_wire(void *ctx, const char *data, size_t len)
{
	pop3d_wire_send(ctx, data, len);
}

static void
send_mail(struct session *s, const char *verb, size_t at, uint64_t lines)
{
	struct pop3d_mail *mail = &s->view.mails[at];
	struct pop3d_body body;

	pop3d_log(s->server, "MAIL %u %s %s", s->conn->id, verb, mail->name);
	pop3d_body_init(&body);
	body.emit = to_wire;
	body.ctx = s->conn;
	body.stuff = true;
	body.lines_left = lines;
	if (s->fault != NULL && s->fault->act == POP3D_ACT_SHORT)
		body.raw_left = s->fault->number;
	if (s->fault != NULL && s->fault->act == POP3D_ACT_OTHER &&
	    s->fault->number >= 1 && s->fault->number <= s->view.count)
		at = (size_t)s->fault->number - 1;
	reply(s, "+OK %llu octets", (unsigned long long)mail->size);
	begin_part(s);
	/* Too late for -ERR: a body that broke off can only be cut. */
	if (!pop3d_body_run(&body, &s->server->drop, &s->view, at))
		s->conn->dead = true;
	end_part(s);
	if (s->conf->log_wire && !s->conn->dead)
		pop3d_log(s->server, "MAIL %u whole %s said=%llu", s->conn->id,
		          mail->name, (unsigned long long)s->conn->said);
}

static void
run_retr(struct session *s, char *arg)
{
	size_t at = 0;
	char *rest;

	if (!find_mail(s, arg, &at, &rest))
		return;
	send_mail(s, "RETR", at, UINT64_MAX);
	s->view.mails[at].read = true;
}

static void
run_top(struct session *s, char *arg)
{
	size_t at = 0;
	char *rest, *end;
	unsigned long lines;

	if (s->conf->no_top) {
		reply(s, "-ERR unknown command");
		return;
	}
	if (!find_mail(s, arg, &at, &rest))
		return;
	lines = strtoul(rest, &end, 10);
	if (*rest != ' ' || !isdigit((unsigned char)rest[1]) || *end != '\0')
		reply(s, "-ERR TOP message lines");
	else
		send_mail(s, "TOP", at, lines);
}

static void
run_dele(struct session *s, char *arg)
{
	size_t at = 0;
	char *rest;

	if (!find_mail(s, arg, &at, &rest))
		return;
	s->view.mails[at].deleted = true;
	pop3d_log(s->server, "MAIL %u DELE %s", s->conn->id,
	          s->view.mails[at].name);
	reply(s, "+OK marked");
}

static void
run_rset(struct session *s, char *arg)
{
	(void)arg;
	for (size_t i = 0; i < s->view.count; i++)
		s->view.mails[i].deleted = s->view.mails[i].read = false;
	reply(s, "+OK");
}

static void
run_noop(struct session *s, char *arg)
{
	(void)arg;
	reply(s, "+OK");
}

/* The maildrop is free before the answer leaves: who has read it can come
 * back at once. */
static void
run_quit(struct session *s, char *arg)
{
	(void)arg;
	if (s->state == WITHIN) {
		pop3d_drop_commit(s->server, s->conn->id, &s->view);
		pop3d_drop_close(&s->server->drop, &s->view);
		s->state = BEFORE;
	}
	s->done = true;
	reply(s, "+OK bye");
}

static const struct command {
	const char *verb;
	enum where where;
	void (*run)(struct session *s, char *arg);
} commands[] = {
	{ "CAPA", ALWAYS, run_capa }, { "STLS", BEFORE, run_stls },
	{ "AUTH", BEFORE, run_auth }, { "USER", BEFORE, run_user },
	{ "PASS", BEFORE, run_pass }, { "STAT", WITHIN, run_stat },
	{ "LIST", WITHIN, run_list }, { "UIDL", WITHIN, run_uidl },
	{ "TOP", WITHIN, run_top },   { "RETR", WITHIN, run_retr },
	{ "DELE", WITHIN, run_dele }, { "RSET", WITHIN, run_rset },
	{ "NOOP", WITHIN, run_noop }, { "QUIT", ALWAYS, run_quit },
};

/* Lines that never end where the verb has lines, else one such line. */
static void
endless(struct session *s, const char *verb)
{
	static const char *const listings[] = { "CAPA", "LIST", "UIDL", "RETR",
		                                "TOP" };
	bool lines = false;

	for (size_t i = 0; i < sizeof(listings) / sizeof(listings[0]); i++)
		lines = lines || strcmp(verb, listings[i]) == 0;
	s->fault = NULL;
	if (lines)
		reply(s, "+OK");
	else
		pop3d_wire_send(s->conn, "+OK ", 4);
	for (size_t i = 1; !s->conn->dead; i++) {
		if (lines)
			say(s, "%zu %zu", i, i + 1000);
		else
			pop3d_wire_send(s->conn, "and on ", 7);
	}
}

/* True when the fault took the place of the command. */
static bool
faulted(struct session *s, const char *verb)
{
	const struct pop3d_fault *fault = s->fault;

	if (fault == NULL)
		return false;
	pop3d_log(s->server, "CONN %u fault %s", s->conn->id, fault->spec);
	switch (fault->act) {
	case POP3D_ACT_CLOSE:
	case POP3D_ACT_RESET:
		pop3d_wire_flush(s->conn);
		s->conn->reset = fault->act == POP3D_ACT_RESET;
		s->conn->dead = true;
		return true;
	case POP3D_ACT_ERR:
		reply(s, "-ERR %s",
		      *fault->text == '\0' ? "scripted failure" : fault->text);
		return true;
	case POP3D_ACT_SAY:
		reply(s, "%s", fault->text);
		return true;
	case POP3D_ACT_STALL:
		pop3d_wire_stall(s->conn);
		return true;
	case POP3D_ACT_KEYS:
		pop3d_wire_keys(s->conn, fault->number);
		return false;
	case POP3D_ACT_SKIP:
		return true;
	case POP3D_ACT_ENDLESS:
		endless(s, verb);
		return true;
	case POP3D_ACT_CLOSE_AFTER_BYTES:
	case POP3D_ACT_END_AFTER_BYTES:
		s->conn->out_left = fault->number;
		s->conn->polite = fault->act == POP3D_ACT_END_AFTER_BYTES;
		return false;
	case POP3D_ACT_DELAY:
		pop3d_wire_delay(s->conn, fault->number);
		return false;
	case POP3D_ACT_CLOSE_AFTER:
	case POP3D_ACT_STALL_AFTER:
	case POP3D_ACT_SHORT:
	case POP3D_ACT_OTHER:
	case POP3D_ACT_INJECT:
	case POP3D_ACT_DROP:
		break;
	}
	return false;
}

static void
log_command(struct session *s, const char *verb, const char *arg)
{
	const char *gap = *arg == '\0' ? "" : " ";
	const char *space = strchr(arg, ' ');

	if (strcmp(verb, "PASS") == 0)
		arg = "***";
	if (strcmp(verb, "AUTH") == 0 && space != NULL)
		pop3d_log(s->server, "%u> AUTH %.*s ***", s->conn->id,
		          (int)(space - arg), arg);
	else
		pop3d_log(s->server, "%u> %s%s%s", s->conn->id, verb, gap, arg);
}

static const struct pop3d_fault *
find_fault(struct session *s, const char *verb)
{
	const struct pop3d_fault *fault, *login = NULL;

	fault = pop3d_fault_take(s->server, verb);
	if (strcmp(verb, "AUTH") == 0 || strcmp(verb, "PASS") == 0)
		login = pop3d_fault_take(s->server, "LOGIN");
	return fault != NULL ? fault : login;
}

static void
run_line(struct session *s, char *line)
{
	size_t len = strcspn(line, " "), i = 0;
	size_t count = sizeof(commands) / sizeof(commands[0]);
	char *arg = line + len + (line[len] == ' ');

	line[len] = '\0';
	for (char *at = line; *at != '\0'; at++)
		*at = (char)toupper((unsigned char)*at);
	pop3d_early_log(s->conn, line);
	log_command(s, line, arg);
	s->fault = find_fault(s, line);
	if (faulted(s, line))
		return;
	while (i < count && strcmp(commands[i].verb, line) != 0)
		i++;
	if (i == count)
		reply(s, "-ERR unknown command");
	else if (!(commands[i].where & s->state))
		reply(s, "-ERR not in this state");
	else
		commands[i].run(s, arg);
}

static void
early(struct session *s)
{
	char *line;

	pop3d_early_begin(s->conn);
	while (s->conf->early == POP3D_EARLY_FIRST && !s->done &&
	       pop3d_early_waits(s->conn) &&
	       (line = pop3d_wire_line(s->conn)) != NULL)
		run_line(s, line);
}

/* What is scripted for the connection itself comes before TLS. */
static void
greet(struct session *s)
{
	struct pop3d_conn *conn = s->conn;

	s->fault = pop3d_fault_take(s->server, "CONN");
	if (faulted(s, "CONN")) {
		pop3d_wire_flush(conn);
		conn->dead = true;
	}
	s->fault = NULL;
	if (!conn->dead && s->conf->tls == POP3D_IMPLICIT)
		(void)pop3d_wire_tls(conn);
	if (!conn->dead)
		early(s);
	if (conn->dead || s->done)
		return;
	s->fault = pop3d_fault_take(s->server, "GREETING");
	if (!faulted(s, "GREETING"))
		reply(s, "+OK pop3d ready");
	else if (s->fault != NULL && s->fault->act == POP3D_ACT_ERR)
		s->done = true;
}

void
pop3d_session_run(struct pop3d_conn *conn)
{
	struct session s = {
		.conn = conn,
		.server = conn->server,
		.conf = &conn->server->conf,
		.state = BEFORE,
	};
	char *line;

	pop3d_fault_begin(conn->server);
	greet(&s);
	while (!s.done && (line = pop3d_wire_line(conn)) != NULL)
		run_line(&s, line);
	if (s.state == WITHIN)
		pop3d_drop_close(&s.server->drop, &s.view);
}
