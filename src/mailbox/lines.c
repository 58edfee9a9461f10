/*
 * lines.c - a message's bytes as POP3 would have brought them. One buffer of
 * the file at a time; a line that is longer than a buffer comes in pieces, of
 * which only the first can be one that means something.
 */
#include <string.h>

#include "mailbox/mailbox.h"

/* Octets of a line, and of the next, that its meaning is looked for in. */
#define LOOK 2048

struct lines {
	struct sled_mailbox_item *item;
	sled_mailbox_bytes_fn *each;
	void *ctx;
	char in[SLED_MAILBOX_CHUNK];
	uint64_t at;       /* in the file, of in[0] */
	size_t have, next; /* bytes in it; the next to be looked at */
	bool last;         /* no more follow those */
	bool blank;        /* mbox: an empty line was held back */
	bool inside;       /* of a line: its beginning was given out */
	bool carriage;     /* the last byte that was given out was a CR */
	bool over;         /* the next message begins */
};

/* Keep what was not looked at, and fill up behind it. */
static bool
refill(struct lines *l, struct sled_err *err)
{
	size_t got = 0;

	memmove(l->in, l->in + l->next, l->have - l->next);
	l->at += l->next;
	l->have -= l->next;
	l->next = 0;
	if (l->last)
		return true;
	if (!sled_file_read(l->item->file, l->in + l->have,
	                    sizeof(l->in) - l->have, l->at + l->have, &got,
	                    err))
		return false;
	l->last = got < sizeof(l->in) - l->have;
	l->have += got;
	return true;
}

static bool
give(struct lines *l, const char *data, size_t len, struct sled_err *err)
{
	if (len == 0)
		return true;
	l->carriage = data[len - 1] == '\r';
	return l->each(l->ctx, (struct sled_span){ data, len }, err);
}

/* A line's end, in place of its LF; a CR before it was given out. */
static bool
give_end(struct lines *l, struct sled_err *err)
{
	const char *end = l->carriage ? "\n" : "\r\n";

	l->inside = l->carriage = false;
	return l->each(l->ctx, (struct sled_span){ end, strlen(end) }, err);
}

static bool
give_blank(struct lines *l, struct sled_err *err)
{
	bool held = l->blank;

	l->blank = false;
	return !held || l->each(l->ctx, (struct sled_span){ "\r\n", 2 }, err);
}

/* Octets of ">" to take off this line. */
static size_t
quotes(const struct lines *l, const char *line, size_t len)
{
	size_t angles = 0;

	while (angles < len && line[angles] == '>')
		angles++;
	if (angles == 0 || (l->item->mboxo && angles > 1) || len - angles < 5 ||
	    memcmp(line + angles, "From ", 5) != 0)
		return 0;
	return 1;
}

/* A message may follow another without an empty line between them: it has a
 * date then, and a header. */
static bool
begins_next(const struct lines *l, const char *line, size_t len, size_t shown)
{
	size_t room = l->have - l->next, next = len + 1;
	int64_t when;

	if (!sled_mailbox_from((struct sled_span){ line, shown },
	                       l->blank && l->item->undated, &when))
		return false;
	return l->blank ||
	       (next < room && sled_mailbox_field((struct sled_span){
				   line + next, room - next }));
}

/* What a line of an mbox begins with: is there more to be given out of it? */
static bool
begin_line(struct lines *l, const char *line, size_t len, bool ended,
           size_t *skip, struct sled_err *err)
{
	size_t shown = len > 0 && line[len - 1] == '\r' ? len - 1 : len;

	*skip = 0;
	if (ended && shown == 0) {
		if (!give_blank(l, err))
			return false;
		l->blank = true;
		*skip = len + 1;
		return true;
	}
	if (begins_next(l, line, len, shown)) {
		l->over = true;
		l->item->end = l->at + l->next;
		return true;
	}
	*skip = quotes(l, line, len);
	return give_blank(l, err);
}

/* One line, or a piece of a long one, from .next on. */
static bool
take_line(struct lines *l, struct sled_err *err)
{
	const char *line = l->in + l->next;
	size_t room = l->have - l->next, len = room, skip = 0;
	const char *end = memchr(line, '\n', room);
	bool ended = end != NULL, begins = !l->inside;

	if (ended)
		len = (size_t)(end - line);
	if (l->item->mbox && begins &&
	    !begin_line(l, line, len, ended, &skip, err))
		return false;
	if (l->over)
		return true;
	l->next += len + ended;
	if (skip > len)
		return true; /* an empty line, held back */
	l->inside = true;
	return give(l, line + skip, len - skip, err) &&
	       (!ended || give_end(l, err));
}

static bool
is_from(const char *line, size_t room)
{
	return room < 5 || memcmp(line, "From ", 5) == 0;
}

/* Is there a line to be looked at, or as much of it as its meaning needs? */
static bool
can_take(const struct lines *l)
{
	const char *line = l->in + l->next;
	size_t room = l->have - l->next;

	return room > 0 &&
	       (l->last || room >= LOOK ||
	        (!is_from(line, room) && memchr(line, '\n', room) != NULL));
}

bool
sled_mailbox_lines(struct sled_mailbox_item *item, sled_mailbox_bytes_fn *each,
                   void *ctx, struct sled_err *err)
{
	struct lines l = { .item = item, .each = each, .ctx = ctx };

	l.at = item->at;
	do {
		if (!refill(&l, err))
			return false;
		while (!l.over && can_take(&l))
			if (!take_line(&l, err))
				return false;
	} while (!l.over && (!l.last || l.next < l.have));
	if (!l.over)
		item->end = l.at + l.have;
	return !l.inside || give_end(&l, err);
}
