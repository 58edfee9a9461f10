/* check.c - what no single key shows: what is missing, what cannot be. */
#include <string.h>

#include "conf/parse.h"

/* The line of KEY when it was written, else that of its section. */
static unsigned
blame(const struct sled_conf_parse *p, const char *key, unsigned section_line)
{
	unsigned line = sled_conf_line_of(p, key);

	return line != 0 ? line : section_line;
}

static bool
is_inside(const char *path, const char *outer)
{
	size_t len = strlen(outer);

	if (strcmp(outer, "/") == 0)
		return true;
	return strncmp(path, outer, len) == 0 &&
	       (path[len] == '\0' || path[len] == '/');
}

/* Two places that are one, or one in the other, are not two copies. */
static bool
check_pair(struct sled_conf_parse *p, unsigned line,
           const struct sled_conf_place *a, const struct sled_conf_place *b)
{
	if (a->rclone != b->rclone)
		return true;
	if (strcmp(a->where, b->where) == 0)
		return sled_conf_bad_at(p, line,
		                        "%s is named twice: each copy "
		                        "needs its own place",
		                        sled_conf_show(a->where).text);
	if (!a->rclone &&
	    (is_inside(a->where, b->where) || is_inside(b->where, a->where)))
		return sled_conf_bad_at(p, line,
		                        "%s and %s lie one inside the other",
		                        sled_conf_show(a->where).text,
		                        sled_conf_show(b->where).text);
	return true;
}

static bool
check_places(struct sled_conf_parse *p)
{
	const struct sled_conf_store *store = &p->conf->store;
	const struct sled_conf_place first = { .where = store->path };
	unsigned line = blame(p, "copies", store->line);

	for (size_t i = 0; i < store->copies_len; i++) {
		if (!check_pair(p, line, &first, &store->copies[i]))
			return false;
		for (size_t j = 0; j < i; j++)
			if (!check_pair(p, line, &store->copies[j],
			                &store->copies[i]))
				return false;
	}
	return true;
}

bool
sled_conf_check_store(struct sled_conf_parse *p)
{
	const struct sled_conf_store *store = &p->conf->store;
	unsigned line = blame(p, "min-copies", store->line);

	if (store->path == NULL)
		return sled_conf_bad_at(p, store->line,
		                        "[store] lacks path, as in "
		                        "path = ~/mail");
	if (!check_places(p))
		return false;
	if (store->min_copies > store->copies_len + 1) {
		(void)sled_conf_bad_at(
		    p, line, "min-copies is %u%s, but there %s %zu place%s",
		    store->min_copies,
		    store->min_copies_set ? "" : " when it is not written",
		    store->copies_len == 0 ? "is" : "are",
		    store->copies_len + 1, store->copies_len == 0 ? "" : "s");
		return sled_hint(p->err,
		                 "name more places in copies, or write a "
		                 "smaller min-copies");
	}
	if (store->min_copies == 1)
		return sled_conf_warn(
		    p, line,
		    "min-copies = 1: mail is deleted from the "
		    "server when one disk alone holds it");
	return true;
}

static bool
lacks(struct sled_conf_parse *p, const char *what)
{
	const struct sled_conf_account *account = sled_conf_this_account(p);

	return sled_conf_bad_at(p, account->line, "[account %s] lacks %s",
	                        account->name, what);
}

static bool
check_secret(struct sled_conf_parse *p)
{
	static const char *const keys[] = { "password-command", "password-file",
		                            "credential" };
	unsigned seen = 0, last = 0;

	for (size_t i = 0; i < 3; i++) {
		unsigned line = sled_conf_line_of(p, keys[i]);

		seen += line != 0;
		last = line > last ? line : last;
	}
	if (seen == 0)
		return lacks(p,
		             "password-command, password-file or credential");
	if (seen > 1)
		return sled_conf_bad_at(p, last,
		                        "more than one of password-command, "
		                        "password-file and credential");
	return true;
}

static bool
is_near(const char *host)
{
	return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
	       strncmp(host, "127.", 4) == 0;
}

static bool
check_targets(struct sled_conf_parse *p)
{
	const struct sled_conf_account *account = sled_conf_this_account(p);
	unsigned line = sled_conf_line_of(p, "deliver");

	for (size_t i = 0; i < account->targets_len; i++) {
		const struct sled_conf_target *target = &account->targets[i];

		if (target->kind != SLED_CONF_LMTP)
			continue;
		if (account->deliver_to == NULL &&
		    !sled_conf_is_mailbox(account->user))
			return sled_conf_bad_at(p, line,
			                        "deliver: the user is no "
			                        "address for lmtp: name one "
			                        "in deliver-to");
		if (target->port != 0 && !is_near(target->where) &&
		    !sled_conf_warn(p, line,
		                    "deliver: LMTP has no TLS: mail goes to "
		                    "%s in the clear",
		                    sled_conf_show(target->where).text))
			return false;
	}
	return true;
}

bool
sled_conf_check_account(struct sled_conf_parse *p)
{
	struct sled_conf_account *account = sled_conf_this_account(p);

	if (account->server == NULL)
		return lacks(p, "server, as in server = pop.example.org");
	if (account->user == NULL)
		return lacks(p, "user");
	if (account->port == 0)
		account->port =
		    account->tls == SLED_CONF_TLS_IMPLICIT ? 995 : 110;
	return check_secret(p) && check_targets(p);
}

static bool
check_outside(struct sled_conf_parse *p,
              const struct sled_conf_account *account, const char *path,
              const char *place)
{
	if (!is_inside(path, place))
		return true;
	return sled_conf_bad_at(p, account->line,
	                        "[account %s] delivers to %s, which lies in a "
	                        "place of the store",
	                        account->name, sled_conf_show(path).text);
}

/* A place has archives, and nothing else. */
static bool
check_deliveries(struct sled_conf_parse *p,
                 const struct sled_conf_account *account)
{
	const struct sled_conf_store *store = &p->conf->store;
	bool ok = true;

	for (size_t i = 0; ok && i < account->targets_len; i++) {
		const struct sled_conf_target *target = &account->targets[i];

		if (target->kind != SLED_CONF_MAILDIR &&
		    target->kind != SLED_CONF_MBOX)
			continue;
		ok = check_outside(p, account, target->where, store->path);
		for (size_t k = 0; ok && k < store->copies_len; k++)
			ok = store->copies[k].rclone ||
			     check_outside(p, account, target->where,
			                   store->copies[k].where);
	}
	return ok;
}

static bool
check_maildrops(struct sled_conf_parse *p, const struct sled_conf_account *a,
                const struct sled_conf_account *b)
{
	if (strcmp(a->server, b->server) != 0 || strcmp(a->user, b->user) != 0)
		return true;
	if (a->port == b->port)
		return sled_conf_bad_at(p, b->line,
		                        "[account %s] is the maildrop of "
		                        "[account %s], line %u: one server and "
		                        "one user",
		                        b->name, a->name, a->line);
	return sled_conf_warn(
	    p, b->line,
	    "[account %s] and [account %s], line %u, have one "
	    "server and one user: they count as one maildrop, "
	    "whatever the port",
	    b->name, a->name, a->line);
}

bool
sled_conf_check_whole(struct sled_conf_parse *p)
{
	const struct sled_conf *conf = p->conf;

	if (conf->store.line == 0)
		return sled_conf_bad_at(p, 0,
		                        "no [store] section: say where "
		                        "the mail goes, as in path = "
		                        "~/mail");
	for (size_t i = 0; i < conf->accounts_len; i++) {
		if (!check_deliveries(p, &conf->accounts[i]))
			return false;
		for (size_t j = 0; j < i; j++)
			if (!check_maildrops(p, &conf->accounts[j],
			                     &conf->accounts[i]))
				return false;
	}
	if (conf->accounts_len == 0)
		return sled_conf_warn(p, 0,
		                      "no [account NAME] section: there is "
		                      "nothing to fetch");
	return sled_conf_check_links(p);
}
