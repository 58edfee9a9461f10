/*
 * quote.c - what the server says, where others read it: on the terminal, in
 * logs, in the journal of each place.
 *
 * Servers are known to repeat a line that they do not know, cut or in capitals;
 * and where replies are out of order, it is not the login that is refused so.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "mailsled/text.h"
#include "session/session.h"

#define TELLING 8 /* octets of a secret that tell of the rest */
#define HIDDEN  "(not shown: it repeats the secret)"

bool
sled_quote_plain(const struct sled_session *s, struct sled_buf *out,
                 struct sled_err *err)
{
	struct sled_buf raw = { 0 };
	const char *user = s->conf.account->user, *secret = s->conf.secret;
	bool ok = sled_buf_add(&raw, "", 1, err) &&
	          sled_buf_add(&raw, user, strlen(user) + 1, err) &&
	          sled_buf_add(&raw, secret, strlen(secret), err) &&
	          sled_text_base64(out, sled_buf_span(&raw), err);

	sled_buf_wipe(&raw);
	return ok;
}

static bool
holds(struct sled_span text, const char *part, size_t len)
{
	len = len < TELLING ? len : TELLING;
	for (size_t at = 0; len > 0 && at + len <= text.len; at++)
		if (strncasecmp(text.data + at, part, len) == 0)
			return true;
	return false;
}

static bool
repeats_secret(const struct sled_session *s, struct sled_span text)
{
	const char *secret = s->conf.secret;
	size_t len = strlen(secret);
	struct sled_buf line = { 0 }, word = { 0 };
	struct sled_err err = { 0 };
	bool found =
	    !sled_quote_plain(s, &line, &err) ||
	    !sled_text_base64(&word, (struct sled_span){ secret, len }, &err) ||
	    holds(text, secret, len) || holds(text, line.data, line.len) ||
	    holds(text, word.data, word.len);

	sled_buf_wipe(&line);
	sled_buf_wipe(&word);
	return found;
}

void
sled_quote(const struct sled_session *s, char *out, size_t room,
           struct sled_span text)
{
	if (repeats_secret(s, text))
		(void)snprintf(out, room, "%s", HIDDEN);
	else
		sled_text_clip(out, room, text);
}

/* The text is escaped, so the secret is looked for as it would be, too. */
void
sled_quote_failure(const struct sled_session *s, struct sled_err *err)
{
	struct sled_span text = { err->text, strlen(err->text) };
	const char *secret = s->conf.secret;
	char shown[8 * TELLING];

	sled_text_clip(shown, sizeof(shown),
	               (struct sled_span){ secret, strnlen(secret, TELLING) });
	if (repeats_secret(s, text) || holds(text, shown, strlen(shown)))
		(void)sled_fail(err, err->kind,
		                "%s answers what cannot be: " HIDDEN,
		                s->conf.account->server);
	explicit_bzero(shown, sizeof(shown));
}
