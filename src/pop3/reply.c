/* reply.c - cuts the server's bytes into lines and bodies, and tells of them. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine.h"
#include "mailsled/text.h"

#define SHOWN 160 /* of a strange line, in an error */

struct line {
	struct sled_span text; /* without its CRLF or LF */
	size_t len;            /* of all of it */
	bool cut;              /* there was more than LINE_MAX */
};

enum taken {
	TAKEN_PART, /* all input is used, the line goes on */
	TAKEN_LINE,
	TAKEN_LONG, /* the line is beyond LIMIT already */
};

static enum sled_pop3_step
stop(struct sled_pop3 *pop, struct sled_err *err)
{
	pop->state = POP3_FAILED;
	pop->in.len = 0;
	*err = pop->failed;
	return SLED_POP3_FAILED;
}

/* Was a secret sent whose answer is due? */
static bool
is_secret_out(const struct sled_pop3 *pop)
{
	for (size_t i = 0; i < pop->queued; i++) {
		size_t slot = (pop->head + i) % SLED_POP3_QUEUE_MAX;
		enum sled_pop3_verb verb = pop->queue[slot].verb;

		if (verb == SLED_POP3_AUTH || verb == SLED_POP3_PASS)
			return true;
	}
	return false;
}

/* A line that cannot be: WHAT is wrong, and the line, escaped. What comes
 * during a login is not told: servers are known to echo what they got. */
static enum sled_pop3_step
stop_at(struct sled_pop3 *pop, const char *what, struct sled_span line,
        struct sled_err *err)
{
	const struct pop3_command *oldest = &pop->queue[pop->head];
	const char *word = "POP3";
	char shown[SHOWN] = "(not shown: it may repeat the secret)";
	char number[16] = "";

	if (pop->state == POP3_GREETING) {
		word = sled_pop3_word(SLED_POP3_NONE);
	} else if (pop->queued > 0) {
		word = sled_pop3_word(oldest->verb);
		if (oldest->msg != 0)
			(void)snprintf(number, sizeof(number), " %lu",
			               (unsigned long)oldest->msg);
	}
	if (!is_secret_out(pop))
		sled_text_clip(shown, sizeof(shown), line);
	(void)sled_fail(&pop->failed, SLED_ERR_PROTO, "%s%s: %s: %s", word,
	                number, what, shown);
	return stop(pop, err);
}

/* Keep the head of a line that the next feeding goes on with. */
static void
keep(struct sled_pop3 *pop, const char *data, size_t len)
{
	size_t room = 0;

	if (len == 0)
		return;
	if (pop->line_len < sizeof(pop->line))
		room = sizeof(pop->line) - pop->line_len;
	memcpy(pop->line + sizeof(pop->line) - room, data,
	       len < room ? len : room);
	pop->line_len += len;
	pop->line_last = data[len - 1];
}

/* Cut one line off the input; it is whole when its LF is there. */
static enum taken
take_line(struct sled_pop3 *pop, size_t limit, struct line *line)
{
	const char *lf = memchr(pop->in.data, '\n', pop->in.len);
	size_t len = lf == NULL ? pop->in.len : (size_t)(lf - pop->in.data);
	const char *data = pop->in.data;
	char last = pop->line_last;

	if (len > limit || pop->line_len > limit - len)
		return TAKEN_LONG;
	if (len > 0)
		last = data[len - 1];
	if (lf == NULL || pop->line_len > 0) {
		keep(pop, data, len);
		data = pop->line;
	}
	pop->in.data += len;
	pop->in.len -= len;
	if (lf == NULL)
		return TAKEN_PART;
	pop->in.data++;
	pop->in.len--;
	if (pop->line_len > 0)
		len = pop->line_len;
	if (len > 0 && last == '\r')
		len--;
	line->len = len;
	line->cut = len > SLED_POP3_LINE_MAX;
	line->text =
	    (struct sled_span){ data, line->cut ? SLED_POP3_LINE_MAX : len };
	pop->line_len = 0;
	return TAKEN_LINE;
}

static bool
starts(struct sled_span line, const char *word)
{
	size_t len = strlen(word);

	return line.len >= len && strncasecmp(line.data, word, len) == 0;
}

/* What follows a word of LEN octets and one blank. */
static struct sled_span
behind(struct sled_span line, size_t len)
{
	if (len < line.len && line.data[len] == ' ')
		len++;
	return (struct sled_span){ line.data + len, line.len - len };
}

static enum sled_pop3_step
on_challenge(struct sled_pop3 *pop, struct sled_span line,
             struct sled_pop3_event *event, struct sled_err *err)
{
	if (pop->challenged)
		return stop_at(pop, "a challenge before the answer to the last",
		               line, err);
	pop->challenged = true;
	event->kind = SLED_POP3_CHALLENGE;
	event->text = behind(line, 1);
	return SLED_POP3_EVENT;
}

/* Is +OK to this followed by lines up to a dot? */
static enum pop3_state
what_follows(const struct pop3_command *command)
{
	bool whole = command->msg == 0;

	switch (command->verb) {
	case SLED_POP3_CAPA:
		return POP3_LISTING;
	case SLED_POP3_LIST:
	case SLED_POP3_UIDL:
		return whole ? POP3_LISTING : POP3_STATUS;
	case SLED_POP3_TOP:
	case SLED_POP3_RETR:
		return POP3_BODY;
	case SLED_POP3_NONE:
	case SLED_POP3_STLS:
	case SLED_POP3_AUTH:
	case SLED_POP3_USER:
	case SLED_POP3_PASS:
	case SLED_POP3_STAT:
	case SLED_POP3_DELE:
	case SLED_POP3_RSET:
	case SLED_POP3_NOOP:
	case SLED_POP3_QUIT:
		break;
	}
	return POP3_STATUS;
}

static enum sled_pop3_step
on_accepted(struct sled_pop3 *pop, struct sled_pop3_event *event,
            struct sled_err *err)
{
	const struct pop3_command *command = &pop->queue[pop->head];

	/* [L2] */
	if (command->verb == SLED_POP3_STLS && pop->in.len > 0)
		return stop_at(pop, "bytes came with the +OK, before TLS",
		               pop->in, err);
	event->kind = SLED_POP3_ACCEPTED;
	if (command->verb == SLED_POP3_STAT)
		sled_pop3_parse_drop(event);
	pop->listed = 0;
	pop->listed_octets = 0;
	pop->body = (struct pop3_body){ 0 };
	pop->state = what_follows(command);
	if (pop->state != POP3_STATUS)
		return SLED_POP3_EVENT;
	if (command->verb == SLED_POP3_LIST)
		sled_pop3_parse_scan(event);
	if (command->verb == SLED_POP3_UIDL)
		sled_pop3_parse_uid(event);
	sled_pop3_answered(pop);
	return SLED_POP3_EVENT;
}

static enum sled_pop3_step
on_refused(struct sled_pop3 *pop, struct sled_pop3_event *event)
{
	event->kind = SLED_POP3_REFUSED;
	sled_pop3_parse_code(event);
	if (pop->state == POP3_GREETING)
		pop->state = POP3_STATUS;
	else
		sled_pop3_answered(pop);
	return SLED_POP3_EVENT;
}

static enum sled_pop3_step
on_status(struct sled_pop3 *pop, const struct line *line,
          struct sled_pop3_event *event, struct sled_err *err)
{
	const struct pop3_command *command = &pop->queue[pop->head];
	bool greeting = pop->state == POP3_GREETING;
	bool ok = starts(line->text, "+OK");

	/* [W5] */
	if (!greeting && pop->queued == 0)
		return stop_at(pop, "a reply to no command", line->text, err);
	if (!greeting) {
		event->verb = command->verb;
		event->msg = command->msg;
	}
	event->cut = line->cut;
	if (event->verb == SLED_POP3_AUTH && !ok &&
	    (starts(line->text, "+ ") ||
	     (line->text.len == 1 && starts(line->text, "+"))))
		return on_challenge(pop, line->text, event, err);
	if (!ok && !starts(line->text, "-ERR"))
		return stop_at(pop, "neither +OK nor -ERR", line->text, err);
	event->text = behind(line->text, ok ? 3 : 4);
	if (!ok)
		return on_refused(pop, event);
	if (!greeting)
		return on_accepted(pop, event, err);
	event->kind = SLED_POP3_GREETING;
	pop->state = POP3_STATUS;
	return SLED_POP3_EVENT;
}

static enum sled_pop3_step
on_listed(struct sled_pop3 *pop, const struct line *line,
          struct sled_pop3_event *event, struct sled_err *err)
{
	size_t most = SLED_POP3_LISTING_MAX;

	event->kind = SLED_POP3_LISTED;
	event->verb = pop->queue[pop->head].verb;
	if (line->text.len == 1 && line->text.data[0] == '.') {
		event->kind = SLED_POP3_END;
		pop->state = POP3_STATUS;
		sled_pop3_answered(pop);
		return SLED_POP3_EVENT;
	}
	if (event->verb == SLED_POP3_CAPA)
		most = SLED_POP3_CAPA_MAX;
	if (++pop->listed > most)
		return stop_at(pop, "too many lines", line->text, err);
	pop->listed_octets += line->len;
	event->cut = line->cut;
	event->text = line->text;
	if (line->text.len > 0 && line->text.data[0] == '.') {
		event->text.data++;
		event->text.len--;
	}
	if (event->verb == SLED_POP3_LIST)
		sled_pop3_parse_scan(event);
	if (event->verb == SLED_POP3_UIDL)
		sled_pop3_parse_uid(event);
	return SLED_POP3_EVENT;
}

static enum sled_pop3_step
next_body(struct sled_pop3 *pop, struct sled_pop3_event *event)
{
	event->verb = pop->queue[pop->head].verb;
	event->msg = pop->queue[pop->head].msg;
	switch (sled_pop3_unstuff(&pop->body, &pop->in, &event->text)) {
	case POP3_NONE:
		break;
	case POP3_BYTES:
		event->kind = SLED_POP3_BODY;
		return SLED_POP3_EVENT;
	case POP3_END:
		event->kind = SLED_POP3_END;
		pop->state = POP3_STATUS;
		sled_pop3_answered(pop);
		return SLED_POP3_EVENT;
	}
	return SLED_POP3_HUNGRY;
}

/* How long the next line may be [W2]. */
static size_t
room_for_line(const struct sled_pop3 *pop)
{
	uint64_t most =
	    SLED_POP3_LISTED_MAX + (uint64_t)SLED_POP3_LISTED_PER * pop->listed;

	if (pop->state != POP3_LISTING)
		return SLED_POP3_STATUS_MAX;
	return pop->listed_octets < most ? (size_t)(most - pop->listed_octets)
	                                 : 0;
}

static enum sled_pop3_step
next_line(struct sled_pop3 *pop, struct sled_pop3_event *event,
          struct sled_err *err)
{
	bool listing = pop->state == POP3_LISTING;
	struct line line = { .text = { "", 0 } };

	if (pop->in.len == 0)
		return SLED_POP3_HUNGRY;
	switch (take_line(pop, room_for_line(pop), &line)) {
	case TAKEN_PART:
		return SLED_POP3_HUNGRY;
	case TAKEN_LONG:
		return stop_at(pop,
		               listing ? "the listing does not end"
		                       : "the status line does not end",
		               (struct sled_span){ "", 0 }, err);
	case TAKEN_LINE:
		break;
	}
	if (listing)
		return on_listed(pop, &line, event, err);
	return on_status(pop, &line, event, err);
}

void
sled_pop3_feed(struct sled_pop3 *pop, struct sled_span in)
{
	if (pop->state == POP3_FAILED)
		return;
	if (pop->in.len > 0) {
		(void)sled_fail(&pop->failed, SLED_ERR_INTERNAL,
		                "POP3 engine fed before it was hungry");
		pop->state = POP3_FAILED;
		return;
	}
	pop->in = in;
}

enum sled_pop3_step
sled_pop3_next(struct sled_pop3 *pop, struct sled_pop3_event *event,
               struct sled_err *err)
{
	struct sled_pop3_event none = { .text = { "", 0 } };

	none.code = none.text;
	*event = none;
	if (pop->state == POP3_FAILED)
		return stop(pop, err);
	if (pop->state == POP3_BODY)
		return next_body(pop, event);
	return next_line(pop, event, err);
}
