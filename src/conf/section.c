/* section.c - which section a line opens; each may come once. */
#include <stdio.h>
#include <string.h>

#include "conf/parse.h"

static const char *const kinds[] = { "store", "account", "schedule", "link" };

struct sled_conf_account *
sled_conf_this_account(struct sled_conf_parse *p)
{
	return &p->conf->accounts[p->conf->accounts_len - 1];
}

struct sled_conf_link *
sled_conf_this_link(struct sled_conf_parse *p)
{
	return &p->conf->links[p->conf->links_len - 1];
}

static bool
doubled(struct sled_conf_parse *p, const char *text, unsigned first)
{
	return sled_conf_bad(p, "[%s] is doubled: it began on line %u already",
	                     sled_conf_show(text).text, first);
}

static bool
open_once(struct sled_conf_parse *p, const char *kind, const char *name,
          unsigned *line)
{
	if (*name != '\0')
		return sled_conf_bad(p, "[%s] takes no name", kind);
	if (*line != 0)
		return doubled(p, kind, *line);
	*line = p->line;
	return true;
}

bool
sled_conf_is_account_name(const char *name)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	static const char more[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = strlen(name);

	return len >= 1 && len < SLED_CONF_ACCOUNT_NAME &&
	       strchr(first, name[0]) != NULL && strspn(name, more) == len;
}

static bool
open_account(struct sled_conf_parse *p, const char *name)
{
	struct sled_conf *conf = p->conf;
	const struct sled_conf_account *old = sled_conf_account(conf, name);
	struct sled_conf_account *account;

	if (!sled_conf_is_account_name(name))
		return sled_conf_bad(
		    p,
		    "\"%s\" is no account name, as in [account home]: "
		    "at most 24 of a-z 0-9 . _ -, a letter or digit first",
		    sled_conf_show(name).text);
	if (strcmp(name, "journal") == 0 || strcmp(name, "mailsled") == 0)
		return sled_conf_bad(p,
		                     "\"%s\" cannot be an account: the store "
		                     "has a folder of that name for itself",
		                     name);
	if (old != NULL) {
		char text[SLED_CONF_SHOW];

		(void)snprintf(text, sizeof(text), "account %s", name);
		return doubled(p, text, old->line);
	}
	account = sled_conf_grow(conf, conf->accounts, conf->accounts_len,
	                         sizeof(*account), p->err);
	if (account == NULL)
		return false;
	conf->accounts = account;
	account += conf->accounts_len++;
	account->line = p->line;
	account->timeout_ms = 120000;
	account->hold_larger.bytes = SLED_CONF_NO_LIMIT;
	account->name = sled_conf_keep(conf, name, strlen(name), p->err);
	return account->name != NULL;
}

static bool
open_link(struct sled_conf_parse *p, const char *name)
{
	struct sled_conf *conf = p->conf;
	struct sled_conf_link *link;

	if (*name == '\0')
		return sled_conf_bad(p,
		                     "[link] needs a name, as in [link wwan0]");
	for (size_t i = 0; i < conf->links_len; i++)
		if (strcmp(conf->links[i].name, name) == 0) {
			char text[SLED_CONF_SHOW];

			(void)snprintf(text, sizeof(text), "link %s", name);
			return doubled(p, text, conf->links[i].line);
		}
	link = sled_conf_grow(conf, conf->links, conf->links_len, sizeof(*link),
	                      p->err);
	if (link == NULL)
		return false;
	conf->links = link;
	link += conf->links_len++;
	link->line = p->line;
	link->hold_larger.bytes = SLED_CONF_NO_LIMIT;
	link->up_timeout_s = 90;
	link->down_timeout_s = 30;
	link->name = sled_conf_keep(conf, name, strlen(name), p->err);
	return link->name != NULL;
}

static bool
unknown(struct sled_conf_parse *p, const char *kind)
{
	bool close = false;
	size_t near = sled_conf_nearest(
	    kind, kinds, sizeof(kinds) / sizeof(kinds[0]), &close);

	if (close)
		return sled_conf_bad(p,
		                     "unknown section [%s]: did you mean [%s]?",
		                     sled_conf_show(kind).text, kinds[near]);
	return sled_conf_bad(p,
	                     "unknown section [%s]: there are [store], "
	                     "[account NAME], [schedule] and [link NAME]",
	                     sled_conf_show(kind).text);
}

static bool
open_kind(struct sled_conf_parse *p, const char *kind, const char *name)
{
	struct sled_conf *conf = p->conf;

	if (strcmp(kind, "store") == 0) {
		p->section = SLED_CONF_STORE;
		return open_once(p, kind, name, &conf->store.line);
	}
	if (strcmp(kind, "schedule") == 0) {
		p->section = SLED_CONF_SCHEDULE;
		return open_once(p, kind, name, &conf->schedule.line);
	}
	if (strcmp(kind, "account") == 0) {
		p->section = SLED_CONF_ACCOUNT;
		return open_account(p, name);
	}
	if (strcmp(kind, "link") == 0) {
		p->section = SLED_CONF_LINK;
		return open_link(p, name);
	}
	return unknown(p, kind);
}

bool
sled_conf_open_section(struct sled_conf_parse *p, struct sled_span text)
{
	char kind[SLED_CONF_ITEM];
	char *name;

	if (!sled_conf_close_section(p))
		return false;
	memset(p->key_line, 0, sizeof(p->key_line));
	p->section = SLED_CONF_NONE;
	if (text.len >= sizeof(kind))
		return sled_conf_bad(p, "a section that is too long");
	memcpy(kind, text.data, text.len);
	kind[text.len] = '\0';
	name = kind + strcspn(kind, " \t");
	if (*name != '\0') {
		*name++ = '\0';
		name += strspn(name, " \t");
	}
	return open_kind(p, kind, name);
}

bool
sled_conf_close_section(struct sled_conf_parse *p)
{
	switch (p->section) {
	case SLED_CONF_STORE:
		return sled_conf_check_store(p);
	case SLED_CONF_ACCOUNT:
		return sled_conf_check_account(p);
	case SLED_CONF_SCHEDULE:
		return sled_conf_check_schedule(p);
	case SLED_CONF_LINK:
		return sled_conf_check_link(p);
	case SLED_CONF_NONE:
		break;
	}
	return true;
}
