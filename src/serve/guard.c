/* guard.c - who may come in; see guard.h. */
#include "serve/guard.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "mailsled/text.h"

#define CHANCE 32 /* bytes */

/* Each byte is looked at, whatever the others are. */
static bool
is_same(const struct sled_hash *a, const struct sled_hash *b)
{
	unsigned differ = 0;

	for (size_t i = 0; i < SLED_HASH_LEN; i++)
		differ |= (unsigned)(a->b[i] ^ b->b[i]);
	return differ == 0;
}

/* WHAT keeps a ticket from being taken for a session. */
static struct sled_hash
hash_of(struct sled_guard *guard, const char *what, struct sled_span word)
{
	sled_sha256_add(guard->sha, what, strlen(what) + 1);
	sled_sha256_add(guard->sha, word.data, word.len);
	return sled_sha256_end(guard->sha);
}

static struct sled_span
span_of(const char *word)
{
	return (struct sled_span){ word, strlen(word) };
}

static bool
make_word(char out[SLED_GUARD_WORD], struct sled_err *err)
{
	uint8_t chance[CHANCE];

	if (!sled_hash_random(chance, sizeof(chance), err))
		return false;
	sled_text_hex(out, chance, sizeof(chance));
	return true;
}

bool
sled_guard_new(struct sled_guard *guard, struct sled_span password,
               struct sled_err *err)
{
	*guard = (struct sled_guard){ .has_password = password.len > 0 };
	if (!sled_sha256_new(&guard->sha, err))
		return false;
	if (guard->has_password)
		guard->password = hash_of(guard, "password", password);
	return true;
}

void
sled_guard_free(struct sled_guard *guard)
{
	sled_sha256_free(&guard->sha);
}

/* ---- the way in ---- */

bool
sled_guard_ticket(struct sled_guard *guard, char out[SLED_GUARD_WORD],
                  struct sled_err *err)
{
	if (!make_word(out, err))
		return false;
	guard->ticket = hash_of(guard, "ticket", span_of(out));
	guard->has_ticket = true;
	return true;
}

bool
sled_guard_use_ticket(struct sled_guard *guard, const char *word)
{
	struct sled_hash hash = hash_of(guard, "ticket", span_of(word));
	bool same = is_same(&hash, &guard->ticket) && guard->has_ticket;

	guard->has_ticket = guard->has_ticket && !same;
	return same;
}

bool
sled_guard_password(struct sled_guard *guard, const char *word, int64_t now_ms,
                    bool *wait)
{
	struct sled_hash hash;

	*wait = now_ms < guard->again_ms;
	if (*wait || !guard->has_password)
		return false;
	hash = hash_of(guard, "password", span_of(word));
	if (is_same(&hash, &guard->password))
		return true;
	guard->again_ms = now_ms + SLED_GUARD_WAIT_MS;
	return false;
}

/* ---- sessions ---- */

bool
sled_guard_begin(struct sled_guard *guard, char out[SLED_GUARD_WORD],
                 struct sled_err *err)
{
	if (!make_word(out, err))
		return false;
	guard->sessions[guard->made % SLED_GUARD_SESSIONS] =
	    hash_of(guard, "session", span_of(out));
	guard->made++;
	return true;
}

bool
sled_guard_is_session(struct sled_guard *guard, const char *cookie)
{
	uint64_t count = guard->made < SLED_GUARD_SESSIONS
	                     ? guard->made
	                     : SLED_GUARD_SESSIONS;
	struct sled_hash hash;
	bool found = false;

	if (cookie == NULL)
		return false;
	hash = hash_of(guard, "session", span_of(cookie));
	for (uint64_t i = 0; i < count; i++)
		found = is_same(&hash, &guard->sessions[i]) || found;
	return found;
}

void
sled_guard_token(struct sled_guard *guard, const char *cookie,
                 char out[SLED_GUARD_WORD])
{
	struct sled_hash hash = hash_of(guard, "form", span_of(cookie));

	sled_text_hex(out, hash.b, sizeof(hash.b));
}

bool
sled_guard_is_token(struct sled_guard *guard, const char *cookie,
                    const char *token)
{
	struct sled_hash given, want;
	char word[SLED_GUARD_WORD];

	if (cookie == NULL || token == NULL)
		return false;
	sled_guard_token(guard, cookie, word);
	want = hash_of(guard, "token", span_of(word));
	given = hash_of(guard, "token", span_of(token));
	return is_same(&given, &want);
}

/* ---- where to, where from ---- */

/* "HOST:PORT", or HOST alone for the port that is http's own. */
static bool
is_host(const char *given, const char *host, uint16_t port)
{
	char whole[300];

	(void)snprintf(whole, sizeof(whole), "%s:%u", host, port);
	return strcasecmp(given, whole) == 0 ||
	       (port == 80 && strcasecmp(given, host) == 0);
}

static bool
is_loopback(const char *local)
{
	return strncmp(local, "127.", 4) == 0 || strcmp(local, "[::1]") == 0;
}

bool
sled_guard_host(const struct sled_guard_from *from)
{
	if (from->host == NULL)
		return false;
	return is_host(from->host, from->local, from->port) ||
	       (is_loopback(from->local) &&
	        is_host(from->host, "localhost", from->port)) ||
	       (from->name != NULL &&
	        (strcasecmp(from->host, from->name) == 0 ||
	         is_host(from->host, from->name, from->port)));
}

/* A site is a scheme and a host: behind something that speaks TLS for us, it is
 * https. */
static bool
is_own_site(const struct sled_guard_from *from)
{
	const char *rest = from->origin;

	if (strncasecmp(rest, "http://", 7) == 0)
		rest += 7;
	else if (strncasecmp(rest, "https://", 8) == 0 && from->name != NULL)
		rest += 8;
	else
		return false;
	return strcasecmp(rest, from->host) == 0;
}

bool
sled_guard_origin(const struct sled_guard_from *from)
{
	const bool asked = from->site != NULL;

	if (!sled_guard_host(from))
		return false;
	if (from->origin != NULL && !is_own_site(from))
		return false;
	if (asked && strcmp(from->site, "same-origin") != 0 &&
	    (strcmp(from->site, "none") != 0 || from->post))
		return false;
	return !from->post || asked || from->origin != NULL;
}
