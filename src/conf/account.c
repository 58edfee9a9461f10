/* account.c - the keys of [account NAME]. */
#include <string.h>

#include "conf/parse.h"

#define COUNT(a)       (sizeof(a) / sizeof((a)[0]))
#define SERVER_MAX     253
#define TIMEOUT_MAX_S  86400
#define CREDENTIAL_MAX 128

static const char letters[] =
    "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

static bool
only(const char *text, const char *more)
{
	for (; *text != '\0'; text++)
		if (strchr(letters, *text) == NULL &&
		    strchr(more, *text) == NULL)
			return false;
	return true;
}

static size_t
count(const char *text, char c)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += *text == c;
	return n;
}

/* One colon is a port that has a key of its own; two are an IPv6 address. */
static bool
check_server(struct sled_conf_parse *p, const char *key, const char *value)
{
	size_t len = strlen(value), colons = count(value, ':');

	if (strstr(value, "://") != NULL)
		return sled_conf_bad(
		    p, "%s: a host name alone, without \"://\"", key);
	if (strchr(value, '@') != NULL)
		return sled_conf_bad(p,
		                     "%s: a host name; the user has a key "
		                     "of its own",
		                     key);
	if (colons == 1)
		return sled_conf_bad(p,
		                     "%s: a host name; the port has a key "
		                     "of its own",
		                     key);
	if (value[0] == '[')
		return sled_conf_bad(p,
		                     "%s: an IPv6 address is written "
		                     "without brackets",
		                     key);
	if (colons == 0 ? !only(value, ".-_")
	                : strspn(value, "0123456789abcdefABCDEF:.") != len)
		return sled_conf_bad(p,
		                     "%s: \"%s\" is no host name (a name with "
		                     "other letters is written as xn--...)",
		                     key, sled_conf_show(value).text);
	if (len > SERVER_MAX || value[0] == '.' || value[0] == '-' ||
	    value[len - 1] == '.' || strstr(value, "..") != NULL)
		return sled_conf_bad(p, "%s: \"%s\" is no host name", key,
		                     sled_conf_show(value).text);
	return true;
}

/* Lower case: the maildrop is this name and the user, however it is written. */
bool
sled_conf_set_server(struct sled_conf_parse *p, const char *key,
                     const char *value)
{
	char name[SERVER_MAX + 1] = "";
	size_t len = strlen(value);

	if (!check_server(p, key, value))
		return false;
	for (size_t i = 0; i < len && i < SERVER_MAX; i++)
		name[i] = (char)(value[i] >= 'A' && value[i] <= 'Z'
		                     ? value[i] - 'A' + 'a'
		                     : value[i]);
	return sled_conf_want_text(p, name, &sled_conf_this_account(p)->server);
}

bool
sled_conf_set_port(struct sled_conf_parse *p, const char *key,
                   const char *value)
{
	const char *at = value;
	uint64_t number = 0;

	if (!sled_conf_number(&at, &number) || *at != '\0' || number < 1 ||
	    number > 65535)
		return sled_conf_bad(p, "%s: \"%s\" is no port: 1 to 65535",
		                     key, sled_conf_show(value).text);
	sled_conf_this_account(p)->port = (uint16_t)number;
	return true;
}

bool
sled_conf_set_tls(struct sled_conf_parse *p, const char *key, const char *value)
{
	static const char *const words[] = { "implicit", "starttls" };

	static const enum sled_conf_tls tls[] = { SLED_CONF_TLS_IMPLICIT,
		                                  SLED_CONF_TLS_STARTTLS };

	size_t word = 0;

	if (!sled_conf_want_word(p, key, value, words, COUNT(words), &word))
		return sled_hint(p->err, "there is no way to go without TLS");
	sled_conf_this_account(p)->tls = tls[word];
	return true;
}

bool
sled_conf_set_auth(struct sled_conf_parse *p, const char *key,
                   const char *value)
{
	static const char *const words[] = { "auto", "plain", "login", "user" };

	static const enum sled_conf_auth auth[] = { SLED_CONF_AUTH_AUTO,
		                                    SLED_CONF_AUTH_PLAIN,
		                                    SLED_CONF_AUTH_LOGIN,
		                                    SLED_CONF_AUTH_USER };

	size_t word = 0;

	if (!sled_conf_want_word(p, key, value, words, COUNT(words), &word))
		return false;
	sled_conf_this_account(p)->auth = auth[word];
	return true;
}

bool
sled_conf_set_user(struct sled_conf_parse *p, const char *key,
                   const char *value)
{
	(void)key;
	return sled_conf_want_text(p, value, &sled_conf_this_account(p)->user);
}

bool
sled_conf_set_password_command(struct sled_conf_parse *p, const char *key,
                               const char *value)
{
	(void)key;
	return sled_conf_want_text(
	    p, value, &sled_conf_this_account(p)->password_command);
}

bool
sled_conf_set_password_file(struct sled_conf_parse *p, const char *key,
                            const char *value)
{
	return sled_conf_want_path(p, key, value,
	                           &sled_conf_this_account(p)->password_file);
}

/* A file name below $CREDENTIALS_DIRECTORY: it must not lead out of it. */
bool
sled_conf_set_credential(struct sled_conf_parse *p, const char *key,
                         const char *value)
{
	if (!only(value, "._-@:") || value[0] == '.' ||
	    strlen(value) > CREDENTIAL_MAX)
		return sled_conf_bad(p,
		                     "%s: not the name of a credential, as in "
		                     "systemd's LoadCredential=NAME:FILE",
		                     key);
	return sled_conf_want_text(p, value,
	                           &sled_conf_this_account(p)->credential);
}

bool
sled_conf_set_ca_file(struct sled_conf_parse *p, const char *key,
                      const char *value)
{
	return sled_conf_want_path(p, key, value,
	                           &sled_conf_this_account(p)->ca_file);
}

static bool
set_delete_after(struct sled_conf_parse *p, const char *key, const char *value)
{
	struct sled_conf_account *account = sled_conf_this_account(p);
	uint64_t seconds = 0;

	if (!sled_conf_want_time(p, key, value, &seconds))
		return sled_hint(p->err, "as in delete = after 14d");
	account->del = SLED_CONF_DELETE_AFTER;
	account->delete_after_s = (int64_t)seconds;
	return true;
}

bool
sled_conf_set_delete(struct sled_conf_parse *p, const char *key,
                     const char *value)
{
	static const char *const words[] = { "verified", "never", "after 14d" };
	struct sled_conf_account *account = sled_conf_this_account(p);
	size_t word = 0;

	if (strncmp(value, "after", 5) == 0 &&
	    (value[5] == ' ' || value[5] == '\t'))
		return set_delete_after(p, key,
		                        value + 5 + strspn(value + 5, " \t"));
	if (!sled_conf_want_word(p, key, value, words, COUNT(words), &word))
		return false;
	account->del =
	    word == 0 ? SLED_CONF_DELETE_VERIFIED : SLED_CONF_DELETE_NEVER;
	return true;
}

bool
sled_conf_set_account_hold(struct sled_conf_parse *p, const char *key,
                           const char *value)
{
	return sled_conf_want_hold(p, key, value,
	                           &sled_conf_this_account(p)->hold_larger);
}

bool
sled_conf_set_quota(struct sled_conf_parse *p, const char *key,
                    const char *value)
{
	return sled_conf_want_size(p, key, value,
	                           &sled_conf_this_account(p)->quota);
}

bool
sled_conf_set_timeout(struct sled_conf_parse *p, const char *key,
                      const char *value)
{
	uint64_t seconds = 0;

	if (!sled_conf_want_time(p, key, value, &seconds))
		return false;
	if (seconds > TIMEOUT_MAX_S)
		return sled_conf_bad(p, "%s: a day is the most", key);
	sled_conf_this_account(p)->timeout_ms = (uint32_t)(seconds * 1000);
	return true;
}
