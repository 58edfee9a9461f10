/* mbox.c - the messages of an mbox, one behind the other. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mailbox/mailbox.h"

#define LINE 4096 /* of a "From " line, at most */

struct mbox {
	const struct sled_mailbox_walk *walk;
	struct sled_file *file;
	const char *path;
	int64_t changed;
	uint64_t size, at; /* of the next "From " line */
	uint64_t number;
	bool undated;
};

static bool
ignore(void *ctx, struct sled_span bytes, struct sled_err *err)
{
	(void)ctx;
	(void)bytes;
	(void)err;
	return true;
}

/* The line at .at, and where its message begins. A line without an end is one
 * whose file was cut there. */
static bool
read_from(struct mbox *m, struct sled_mailbox_item *item, struct sled_err *err)
{
	char line[LINE];
	const char *end;
	size_t got = 0, len;

	if (!sled_file_read(m->file, line, sizeof(line), m->at, &got, err))
		return false;
	end = memchr(line, '\n', got);
	len = end == NULL ? got : (size_t)(end - line);
	item->at = m->at + len + (end != NULL);
	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (!sled_mailbox_from((struct sled_span){ line, len }, true,
	                       &item->stamp))
		item->at = m->at; /* no such line: it begins at once */
	if (m->number == 1)
		m->undated = item->stamp == -1;
	return true;
}

/* Behind what cannot be read nothing can be found: the file ends there. */
static bool
give_up(struct mbox *m, struct sled_mailbox_item *item,
        const struct sled_err *why, struct sled_err *err)
{
	const struct sled_mailbox_visitor *visitor = m->walk->visitor;
	struct sled_err mine = *why;

	item->end = m->size;
	(void)sled_note(&mine, "not read from message %" PRIu64 " on",
	                m->number);
	return visitor->fault(visitor->ctx, m->path, &mine, err);
}

static bool
visit(struct mbox *m, struct sled_mailbox_item *item, struct sled_err *err)
{
	const struct sled_mailbox_visitor *visitor = m->walk->visitor;
	struct sled_err why = { 0 };

	/* Found out here when the visitor did not get as far. */
	item->end = 0;
	if (!visitor->message(visitor->ctx, item, err))
		return false;
	return item->end != 0 || sled_mailbox_read(item, ignore, NULL, &why) ||
	       give_up(m, item, &why, err);
}

static bool
next(struct mbox *m, struct sled_err *err)
{
	struct sled_mailbox_item item = { .file = m->file,
		                          .changed = m->changed,
		                          .mbox = true,
		                          .mboxo = m->walk->options->mboxo };
	struct sled_buf where = { 0 };
	struct sled_err why = { 0 };
	bool ok;

	m->number++;
	ok = sled_buf_printf(&where, err, "%s, message %" PRIu64, m->path,
	                     m->number);
	item.where = where.data;
	if (ok && !read_from(m, &item, &why)) {
		ok = give_up(m, &item, &why, err);
	} else if (ok) {
		item.undated = m->undated;
		ok = visit(m, &item, err);
	}
	m->at = item.end;
	sled_buf_free(&where);
	return ok;
}

bool
sled_mailbox_mbox(const struct sled_mailbox_walk *walk, struct sled_file *file,
                  const struct stat *st, const char *path, struct sled_err *err)
{
	const struct sled_mailbox_visitor *visitor = walk->visitor;
	struct mbox m = { .walk = walk,
		          .file = file,
		          .path = path,
		          .changed = st->st_mtime,
		          .size = (uint64_t)st->st_size };
	bool ok = visitor->begin(visitor->ctx, SLED_MAILBOX_MBOX, path, err);

	while (ok && m.at < m.size)
		ok = next(&m, err);
	return ok && visitor->end(visitor->ctx, err);
}
