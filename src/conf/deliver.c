/* deliver.c - deliver and deliver-to of [account NAME]. */
#include <string.h>

#include "conf/parse.h"

#define COUNT(a)      (sizeof(a) / sizeof((a)[0]))
#define LMTP_PORT_MAX 65535

/* HOST:PORT, an IPv6 address in brackets. */
static bool
take_address(struct sled_conf_parse *p, const char *key, const char *text,
             struct sled_conf_target *target)
{
	const char *colon = strrchr(text, ':');
	const char *at = colon == NULL ? "" : colon + 1;
	size_t len = colon == NULL ? 0 : (size_t)(colon - text);
	char host[SLED_CONF_ITEM];
	uint64_t port = 0;

	if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (len == 0 || !sled_conf_number(&at, &port) || *at != '\0' ||
	    port < 1 || port > LMTP_PORT_MAX)
		return sled_conf_bad(p,
		                     "%s: lmtp: takes the path of a socket, or "
		                     "HOST:PORT",
		                     key);
	memcpy(host, text, len);
	host[len] = '\0';
	target->port = (uint16_t)port;
	return sled_conf_want_text(p, host, &target->where);
}

static bool
name_target(struct sled_conf_parse *p, const char *kind, const char *value,
            struct sled_conf_target *target)
{
	struct sled_buf name = { 0 };
	bool ok = sled_buf_printf(&name, p->err, "%s%s", kind, value) &&
	          (name.len < SLED_CONF_TARGET_NAME ||
	           sled_conf_bad(p, "deliver: a path that is too long")) &&
	          sled_conf_want_text(p, name.data, &target->name);

	sled_buf_free(&name);
	return ok;
}

static const char *const kinds[] = {
	[SLED_CONF_MAILDIR] = "maildir:",
	[SLED_CONF_MBOX] = "mbox:",
	[SLED_CONF_COMMAND] = "command:",
	[SLED_CONF_LMTP] = "lmtp:",
};

/* The kind that ITEM begins with, and what follows it; false for none. */
static bool
take_kind(const char *item, size_t *kind, const char **value)
{
	for (*kind = 0; *kind < COUNT(kinds); ++*kind) {
		size_t len = strlen(kinds[*kind]);

		if (strncmp(item, kinds[*kind], len) != 0)
			continue;
		*value = item + len + strspn(item + len, " \t");
		return **value != '\0';
	}
	return false;
}

/* A command goes to the line's end. Its name goes to the journal, and so to each
 * place: it is "command" whatever it does, for it may tell a secret, and stays
 * the same target when it is mended. */
static bool
take_command(struct sled_conf_parse *p, const char *value,
             struct sled_conf_target *target)
{
	return sled_conf_want_text(p, value, &target->where) &&
	       sled_conf_want_text(p, "command", &target->name);
}

/* The name is that of what is written, a path as it was made absolute. */
static bool
take_target(struct sled_conf_parse *p, const char *key, const char *item,
            struct sled_conf_target *target)
{
	const char *value = "";
	size_t kind = 0;

	if (!take_kind(item, &kind, &value)) {
		(void)sled_conf_bad(p, "%s: \"%s\" is no target", key,
		                    sled_conf_show(item).text);
		(void)sled_hint(p->err, "maildir:PATH, mbox:PATH, lmtp:SOCKET, "
		                        "lmtp:HOST:PORT or command:TEXT");
		return false;
	}
	target->kind = (enum sled_conf_target_kind)kind;
	if (kind == SLED_CONF_COMMAND)
		return take_command(p, value, target);
	if (kind == SLED_CONF_LMTP && strchr("/~$", *value) == NULL)
		return take_address(p, key, value, target) &&
		       name_target(p, kinds[kind], value, target);
	return sled_conf_want_path(p, key, value, &target->where) &&
	       name_target(p, kinds[kind], target->where, target);
}

static bool
add_target(struct sled_conf_parse *p, const char *key, const char *item)
{
	struct sled_conf_account *account = sled_conf_this_account(p);
	struct sled_conf_target *target =
	    sled_conf_grow(p->conf, account->targets, account->targets_len,
	                   sizeof(*target), p->err);

	if (target == NULL)
		return false;
	account->targets = target;
	target += account->targets_len;
	*target = (struct sled_conf_target){ 0 };
	if (!take_target(p, key, item, target))
		return false;
	for (size_t i = 0; i < account->targets_len; i++)
		if (strcmp(account->targets[i].name, target->name) == 0)
			return sled_conf_bad(p, "%s: %s is named twice", key,
			                     sled_conf_show(item).text);
	account->targets_len++;
	return true;
}

/* A command may have commas in it: it is the last, and goes to the line's end. */
bool
sled_conf_set_deliver(struct sled_conf_parse *p, const char *key,
                      const char *value)
{
	char item[SLED_CONF_ITEM];

	while (value != NULL) {
		value += strspn(value, " \t");
		if (strncmp(value, "command:", 8) == 0)
			return add_target(p, key, value);
		if (!sled_conf_next_item(&value, ",", item))
			break;
		if (item[0] == '\0')
			return sled_conf_bad(p, "%s: a comma without a target",
			                     key);
		if (!add_target(p, key, item))
			return false;
	}
	return true;
}

/* As RFC 5321 has a path: it goes between < and >. */
bool
sled_conf_is_mailbox(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > SLED_CONF_MAILBOX_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] >= 127 || text[i] == '<' ||
		    text[i] == '>')
			return false;
	return true;
}

bool
sled_conf_set_deliver_to(struct sled_conf_parse *p, const char *key,
                         const char *value)
{
	if (!sled_conf_is_mailbox(value))
		return sled_conf_bad(p, "%s: \"%s\" is no address", key,
		                     sled_conf_show(value).text);
	return sled_conf_want_text(p, value,
	                           &sled_conf_this_account(p)->deliver_to);
}
