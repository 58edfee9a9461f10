/*
 * body.c - takes the stuffing out of a body and finds its end [pop3-end].
 *
 * Two kinds of server differ behind a bare LF: one sees a line start there and
 * stuffs, the other sends the dot as it is. "\n.x" can only come from the
 * second kind and stays; "\n..x" loses a dot, right for the first kind and
 * rare in the second. "\n.\r\n" ends a body only where lines end with LF: in
 * the mail of the second kind it is content, and whoever wrote that mail would
 * else choose where it ends and what the server seems to say next. The first
 * line is the server's own, so a stranger's mail does not decide on the kind.
 */
#include <string.h>

#include "engine.h"

static struct sled_span
held(const char *text)
{
	return (struct sled_span){ text, strlen(text) };
}

static void
take(struct sled_span *in, size_t len)
{
	in->data += len;
	in->len -= len;
}

static bool
may_end(const struct pop3_body *body)
{
	return !body->bare || body->lf_lines;
}

static void
enter_line(struct pop3_body *body, bool cr)
{
	body->at = POP3_IN_LINE;
	body->cr = cr;
}

/* Behind a dot: the end of the body, stuffing, or content. */
static enum pop3_part
after_dot(struct pop3_body *body, struct sled_span *in, struct sled_span *out)
{
	char c = in->data[0];

	if (c == '\r') {
		take(in, 1);
		body->at = POP3_AT_CR;
		return POP3_NONE;
	}
	if (c == '\n' && may_end(body)) {
		take(in, 1);
		return POP3_END;
	}
	enter_line(body, false);
	if (!body->bare || c == '.')
		return POP3_NONE;
	*out = held(".");
	return POP3_BYTES;
}

/* Behind a dot and CR. */
static enum pop3_part
after_cr(struct pop3_body *body, struct sled_span *in, struct sled_span *out)
{
	if (in->data[0] == '\n' && may_end(body)) {
		take(in, 1);
		return POP3_END;
	}
	enter_line(body, true);
	*out = held(body->bare ? ".\r" : "\r");
	return POP3_BYTES;
}

/* Hand out all up to a dot behind a line end, or all there is. */
static void
in_line(struct pop3_body *body, struct sled_span *in, struct sled_span *out)
{
	const char *at = in->data, *end = in->data + in->len, *lf;

	while ((lf = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		bool cr = lf > in->data ? lf[-1] == '\r' : body->cr;

		at = lf + 1;
		if (!body->known) {
			body->known = true;
			body->lf_lines = !cr;
		}
		if (at == end || *at == '.') {
			body->at = POP3_AT_LINE;
			body->bare = !cr;
			break;
		}
	}
	if (lf == NULL)
		at = end;
	body->cr = at[-1] == '\r';
	*out = (struct sled_span){ in->data, (size_t)(at - in->data) };
	take(in, out->len);
}

/* Where a dot may mean something. */
static enum pop3_part
at_line(struct pop3_body *body, struct sled_span *in)
{
	if (in->data[0] == '.') {
		take(in, 1);
		body->at = POP3_AT_DOT;
	} else {
		enter_line(body, false);
	}
	return POP3_NONE;
}

static enum pop3_part
step(struct pop3_body *body, struct sled_span *in, struct sled_span *out)
{
	switch (body->at) {
	case POP3_AT_LINE:
		return at_line(body, in);
	case POP3_AT_DOT:
		return after_dot(body, in, out);
	case POP3_AT_CR:
		return after_cr(body, in, out);
	case POP3_IN_LINE:
		break;
	}
	in_line(body, in, out);
	return POP3_BYTES;
}

enum pop3_part
sled_pop3_unstuff(struct pop3_body *body, struct sled_span *in,
                  struct sled_span *out)
{
	enum pop3_part part = POP3_NONE;

	while (in->len > 0 && part == POP3_NONE)
		part = step(body, in, out);
	return part;
}
