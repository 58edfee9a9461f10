/* letter.c - a message taken out of the archive before anybody is given any of
 * it: what the archive does not give whole is given to none. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "deliver/internal.h"

#define TEMP     "deliver.tmp"
#define HEAD_MAX 4096 /* octets that are looked through for a Return-Path */

struct taking {
	struct sled_letter *letter;
	struct sled_mailbox_lines lines;
	struct sled_buf buf;
	uint64_t octets; /* as received */
	bool failed;     /* by us, not by the archive */
};

struct found {
	struct sled_message message;
	bool there;
};

static bool
take_row(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	struct found *found = ctx;

	(void)err;
	found->message = *message;
	found->message.from = found->message.subject = found->message.date =
	    (struct sled_span){ "", 0 };
	found->there = true;
	return true;
}

static bool
flush(struct taking *t, size_t least, struct sled_err *err)
{
	struct sled_letter *letter = t->letter;

	if (t->buf.len < least || t->buf.len == 0)
		return true;
	if (!sled_file_write(&letter->file, t->buf.data, t->buf.len,
	                     letter->octets, err))
		return false;
	letter->octets += t->buf.len;
	t->buf.len = 0;
	return true;
}

/* It may begin again, out of another place: what came before is forgotten. */
static bool
begin(void *ctx, uint64_t number, uint64_t octets, struct sled_err *err)
{
	struct taking *t = ctx;

	(void)number;
	(void)octets;
	(void)err;
	t->octets = t->letter->octets = 0;
	t->buf.len = 0;
	sled_mailbox_lines_begin(&t->lines, false);
	return true;
}

static bool
take_bytes(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	struct taking *t = ctx;

	t->octets += len;
	t->failed =
	    !sled_mailbox_lines_add(&t->lines, (struct sled_span){ data, len },
	                            &t->buf, err) ||
	    !flush(t, SLED_DELIVER_CHUNK, err);
	return !t->failed;
}

/* Nobody else can see it, and nothing is left of it whatever happens. */
static bool
open_temp(struct sled_letter *letter, struct sled_store *store,
          struct sled_err *err)
{
	const struct sled_sys *sys = NULL;
	int dir = sled_store_state(store, &sys);

	if (!sled_file_open(&letter->file, sys, dir, TEMP,
	                    O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600, err))
		return false;
	if (sys->unlinkat(sys->ctx, dir, TEMP, 0) == 0)
		return true;
	return sled_fail_sys(err, errno, "unlink %s", TEMP);
}

static bool
fill(struct taking *t, struct sled_store *store,
     const struct sled_message *message, struct sled_err *err)
{
	const struct sled_member_reader reader = { t, begin, take_bytes };
	bool ok = sled_store_read(store, message, &reader, err);

	if (!ok && !t->failed && err->kind != SLED_ERR_NOMEM)
		err->kind = SLED_ERR_DAMAGED;
	if (ok && t->octets != message->octets)
		ok = sled_fail(err, SLED_ERR_DAMAGED,
		               "%" PRIu64 " octets instead of %" PRIu64,
		               t->octets, message->octets);
	return ok && sled_mailbox_lines_end(&t->lines, &t->buf, err) &&
	       flush(t, 0, err);
}

/* "Return-Path: <ada@example.org>", at its line's start. */
static bool
take_path(struct sled_letter *letter, const char *line, size_t len)
{
	static const char name[] = "Return-Path:";
	size_t at = sizeof(name) - 1;

	if (len < at || strncasecmp(line, name, at) != 0)
		return false;
	while (at < len && (line[at] == ' ' || line[at] == '\t'))
		at++;
	if (len - at < 2 || line[at] != '<' || line[len - 1] != '>' ||
	    len - at - 2 >= sizeof(letter->sender))
		return true;
	memcpy(letter->sender, line + at + 1, len - at - 2);
	letter->sender[len - at - 2] = '\0';
	if (!sled_conf_is_mailbox(letter->sender))
		letter->sender[0] = '\0';
	return true;
}

static bool
find_sender(struct sled_letter *letter, struct sled_err *err)
{
	char head[HEAD_MAX];
	const char *line = head, *end;
	size_t got = 0;

	if (!sled_file_read(&letter->file, head, sizeof(head), 0, &got, err))
		return false;
	while ((end = memchr(line, '\n', got - (size_t)(line - head))) !=
	           NULL &&
	       end > line && !take_path(letter, line, (size_t)(end - line)))
		line = end + 1;
	return true;
}

bool
sled_letter_open(struct sled_letter *out, struct sled_store *store,
                 const char *label, uint64_t number, bool *there,
                 struct sled_err *err)
{
	struct found found = { .there = false };
	struct taking t = { .letter = out };
	bool ok;

	*out = (struct sled_letter){ .number = number, .file.fd = -1 };
	if (!sled_ledger_by_number(sled_store_ledger(store), label, number,
	                           take_row, &found, err))
		return false;
	*there = found.there;
	if (!found.there)
		return true;
	out->received = found.message.received;
	out->sha256 = found.message.sha256;
	out->wire = found.message.octets;
	ok = open_temp(out, store, err) &&
	     fill(&t, store, &found.message, err) && find_sender(out, err);
	sled_buf_free(&t.buf);
	if (!ok)
		sled_letter_close(out);
	return ok;
}

void
sled_letter_close(struct sled_letter *letter)
{
	sled_file_drop(&letter->file);
}

bool
sled_letter_each(struct sled_letter *letter,
                 bool (*each)(void *ctx, struct sled_span bytes,
                              struct sled_err *err),
                 void *ctx, struct sled_err *err)
{
	struct sled_buf buf = { 0 };
	size_t got = 0;
	bool ok = sled_buf_reserve(&buf, SLED_DELIVER_CHUNK, err);

	for (uint64_t at = 0; ok && at < letter->octets; at += got) {
		ok = sled_file_read(&letter->file, buf.data, SLED_DELIVER_CHUNK,
		                    at, &got, err) &&
		     (got > 0 || sled_fail(err, SLED_ERR_IO,
		                           "the message's file ended early"));
		ok = ok && each(ctx, (struct sled_span){ buf.data, got }, err);
	}
	sled_buf_free(&buf);
	return ok;
}
