/* key.c - the table of all keys, and what is wrong with one not in it. */
#include <string.h>

#include "conf/parse.h"

struct row {
	enum sled_conf_section section;
	const char *key;
	sled_conf_setter *set;
};

static const struct row rows[] = {
	{ SLED_CONF_STORE, "path", sled_conf_set_store_path },
	{ SLED_CONF_STORE, "copies", sled_conf_set_copies },
	{ SLED_CONF_STORE, "min-copies", sled_conf_set_min_copies },
	{ SLED_CONF_STORE, "distinct-devices", sled_conf_set_distinct },
	{ SLED_CONF_STORE, "rotate", sled_conf_set_rotate },
	{ SLED_CONF_STORE, "far-bandwidth", sled_conf_set_far_bandwidth },
	{ SLED_CONF_STORE, "state", sled_conf_set_state },
	{ SLED_CONF_ACCOUNT, "server", sled_conf_set_server },
	{ SLED_CONF_ACCOUNT, "port", sled_conf_set_port },
	{ SLED_CONF_ACCOUNT, "tls", sled_conf_set_tls },
	{ SLED_CONF_ACCOUNT, "auth", sled_conf_set_auth },
	{ SLED_CONF_ACCOUNT, "user", sled_conf_set_user },
	{ SLED_CONF_ACCOUNT, "password-command",
	  sled_conf_set_password_command },
	{ SLED_CONF_ACCOUNT, "password-file", sled_conf_set_password_file },
	{ SLED_CONF_ACCOUNT, "credential", sled_conf_set_credential },
	{ SLED_CONF_ACCOUNT, "ca-file", sled_conf_set_ca_file },
	{ SLED_CONF_ACCOUNT, "delete", sled_conf_set_delete },
	{ SLED_CONF_ACCOUNT, "hold-larger", sled_conf_set_account_hold },
	{ SLED_CONF_ACCOUNT, "timeout", sled_conf_set_timeout },
	{ SLED_CONF_ACCOUNT, "quota", sled_conf_set_quota },
	{ SLED_CONF_ACCOUNT, "deliver", sled_conf_set_deliver },
	{ SLED_CONF_ACCOUNT, "deliver-to", sled_conf_set_deliver_to },
	{ SLED_CONF_SCHEDULE, "every", sled_conf_set_every },
	{ SLED_CONF_SCHEDULE, "windows", sled_conf_set_windows },
	{ SLED_CONF_SCHEDULE, "on-link", sled_conf_set_on_link },
	{ SLED_CONF_SCHEDULE, "jitter", sled_conf_set_jitter },
	{ SLED_CONF_LINK, "accounts", sled_conf_set_accounts },
	{ SLED_CONF_LINK, "visit", sled_conf_set_visit },
	{ SLED_CONF_LINK, "far", sled_conf_set_far },
	{ SLED_CONF_LINK, "hold-larger", sled_conf_set_link_hold },
	{ SLED_CONF_LINK, "budget", sled_conf_set_budget },
	{ SLED_CONF_LINK, "cost", sled_conf_set_cost },
	{ SLED_CONF_LINK, "up-command", sled_conf_set_up_command },
	{ SLED_CONF_LINK, "down-command", sled_conf_set_down_command },
	{ SLED_CONF_LINK, "up-timeout", sled_conf_set_up_timeout },
	{ SLED_CONF_LINK, "down-timeout", sled_conf_set_down_timeout },
	{ SLED_CONF_LINK, "rate", sled_conf_set_rate },
	{ SLED_CONF_LINK, "rtt", sled_conf_set_rtt },
	{ SLED_CONF_LINK, "window", sled_conf_set_window },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const char *
title(enum sled_conf_section section)
{
	static const char *const titles[] = {
		[SLED_CONF_NONE] = "",
		[SLED_CONF_STORE] = "[store]",
		[SLED_CONF_ACCOUNT] = "[account NAME]",
		[SLED_CONF_SCHEDULE] = "[schedule]",
		[SLED_CONF_LINK] = "[link NAME]",
	};
	return titles[section];
}

/* The row of KEY in SECTION; *index counts the rows of that section alone. */
static const struct row *
find_row(enum sled_conf_section section, const char *key, size_t *index)
{
	*index = 0;
	for (size_t i = 0; i < ROWS; i++) {
		if (rows[i].section != section)
			continue;
		if (strcmp(rows[i].key, key) == 0)
			return &rows[i];
		++*index;
	}
	return NULL;
}

static bool
is_password(const char *key)
{
	static const char *const words[] = { "password", "passwd", "pass",
		                             "secret" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], key) == 0)
			return true;
	return false;
}

/* The value is never shown: it may be what someone meant to keep secret. */
static bool
unknown(struct sled_conf_parse *p, const char *key)
{
	struct sled_conf_shown shown = sled_conf_show(key);
	const char *words[SLED_CONF_KEYS];
	size_t count = 0, near;
	bool close = false;

	if (p->section == SLED_CONF_NONE)
		return sled_conf_bad(p, "%s stands before the first [section]",
		                     shown.text);
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].section != p->section &&
		    strcmp(rows[i].key, key) == 0)
			return sled_conf_bad(p, "%s belongs in %s, not in %s",
			                     key, title(rows[i].section),
			                     title(p->section));
	for (size_t i = 0; i < ROWS && count < SLED_CONF_KEYS; i++)
		if (rows[i].section == p->section)
			words[count++] = rows[i].key;
	near = sled_conf_nearest(key, words, count, &close);
	if (close)
		return sled_conf_bad(
		    p, "unknown key %s in %s: did you mean %s?", shown.text,
		    title(p->section), words[near]);
	return sled_conf_bad(
	    p, "unknown key %s in %s: the nearest one known is %s", shown.text,
	    title(p->section), words[near]);
}

static bool
check_value(struct sled_conf_parse *p, const char *key, const char *value)
{
	bool command =
	    sled_conf_bears_command((struct sled_span){ key, strlen(key) });

	if (*value == '\0')
		return sled_conf_bad(p, "%s has no value", key);
	if (!command &&
	    (strstr(value, " #") != NULL || strstr(value, "\t#") != NULL))
		return sled_conf_bad(p,
		                     "%s: a comment behind a value begins with "
		                     "\";\", not with \"#\"",
		                     key);
	return true;
}

bool
sled_conf_set_key(struct sled_conf_parse *p, const char *key, const char *value)
{
	size_t index;
	const struct row *row = find_row(p->section, key, &index);

	if (row == NULL && is_password(key)) {
		(void)sled_conf_bad(p,
		                    "%s: a password does not belong in "
		                    "this file",
		                    key);
		return sled_hint(p->err, "use password-command, password-file "
		                         "or credential");
	}
	if (row == NULL)
		return unknown(p, key);
	if (p->key_line[index] != 0)
		return sled_conf_bad(p, "%s is doubled: line %u has it already",
		                     key, p->key_line[index]);
	p->key_line[index] = p->line;
	return check_value(p, key, value) && row->set(p, key, value);
}

unsigned
sled_conf_line_of(const struct sled_conf_parse *p, const char *key)
{
	size_t index;

	if (find_row(p->section, key, &index) == NULL)
		return 0;
	return p->key_line[index];
}
