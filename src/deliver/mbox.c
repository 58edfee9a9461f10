/*
 * mbox.c - behind what an mbox holds, locked as its other writers lock it.
 *
 * States of one message, `trying` noting the file and its length before
 *   b0  the file as it was
 *   b1  longer by a part of the message   cut back, as long as every octet
 *                                         behind that length is ours or zero
 *   b2  longer by all of it, not synced   as b3 when it is there, else as b1
 *   b3  ... synced                        <- the message is delivered
 * Behind a cut-off run the file is looked at under its lock. What another
 * program wrote there meanwhile is never cut: where it stands behind half a
 * message of ours, the half stays, and the whole comes behind it. A file with
 * another number, or one that is shorter, was written anew by its reader:
 * nothing in it tells, and the message is given again.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "deliver/internal.h"
#include "mailsled/clock.h"

struct mbox {
	struct sled_delivery *d;
	struct sled_letter *letter;
	struct sled_file file;
	struct sled_mbox_lock lock;
	struct stat st; /* before anything was done */
	uint64_t size;
};

/* ---- the bytes ---- */

typedef bool piece_fn(void *ctx, struct sled_span piece, struct sled_err *err);

struct record {
	struct sled_mailbox_lines lines;
	struct sled_buf buf;
	piece_fn *each;
	void *ctx;
};

/* An empty line stands before a "From " line. */
static bool
add_gap(struct mbox *m, uint64_t at, struct sled_buf *out, struct sled_err *err)
{
	char tail[2] = "";
	size_t len = at < 2 ? (size_t)at : 2, got = 0;

	if (!sled_file_read(&m->file, tail, len, at - len, &got, err))
		return false;
	if (got == 0 || (got == 2 && memcmp(tail, "\n\n", 2) == 0))
		return true;
	return sled_buf_addstr(out, tail[got - 1] == '\n' ? "\n" : "\n\n", err);
}

static bool
hand_on(struct record *r, size_t least, struct sled_err *err)
{
	bool ok = r->buf.len < least || r->buf.len == 0 ||
	          r->each(r->ctx, sled_buf_span(&r->buf), err);

	if (r->buf.len >= least)
		r->buf.len = 0;
	return ok;
}

static bool
quote(void *ctx, struct sled_span bytes, struct sled_err *err)
{
	struct record *r = ctx;

	return sled_mailbox_lines_add(&r->lines, bytes, &r->buf, err) &&
	       hand_on(r, SLED_DELIVER_CHUNK, err);
}

/* What stands in the file at AT when it is there: the same each time. */
static bool
each_piece(struct mbox *m, uint64_t at, piece_fn *each, void *ctx,
           struct sled_err *err)
{
	struct record r = { .each = each, .ctx = ctx };
	bool ok;

	sled_mailbox_lines_begin(&r.lines, true);
	ok = add_gap(m, at, &r.buf, err) &&
	     sled_mailbox_from_line(&r.buf, m->letter->received, err) &&
	     sled_letter_each(m->letter, quote, &r, err) &&
	     sled_mailbox_lines_end(&r.lines, &r.buf, err) &&
	     sled_buf_add(&r.buf, "\n", 1, err) && hand_on(&r, 0, err);
	sled_buf_free(&r.buf);
	return ok;
}

/* ---- is it there? ---- */

struct comparing {
	struct mbox *m;
	uint64_t at;
	bool zeros, other; /* octets that are not ours */
};

static bool
compare(void *ctx, struct sled_span piece, struct sled_err *err)
{
	struct comparing *c = ctx;
	char there[4096];

	while (piece.len > 0) {
		size_t len =
		    piece.len < sizeof(there) ? piece.len : sizeof(there);
		size_t got = 0;

		if (!sled_file_read(&c->m->file, there, len, c->at, &got, err))
			return false;
		for (size_t i = 0; i < got; i++)
			if (there[i] != piece.data[i]) {
				c->zeros = c->zeros || there[i] == '\0';
				c->other = c->other || there[i] != '\0';
			}
		c->at += len;
		piece.data += len;
		piece.len -= len;
	}
	return true;
}

static bool
cut(struct mbox *m, uint64_t size, struct sled_err *err)
{
	if (!sled_file_truncate(&m->file, size, err) ||
	    !sled_file_sync(&m->file, err))
		return false;
	m->size = size;
	return true;
}

/* A run was cut off while it gave this message to this file. */
static bool
recover(struct mbox *m, bool *there, struct sled_err *err)
{
	const struct sled_delivery_row *row = &m->d->row;
	struct comparing c = { .m = m, .at = row->trying_at };

	if (row->trying != m->letter->number ||
	    row->trying_node != (uint64_t)m->st.st_ino ||
	    row->trying_at >= m->size)
		return true;
	if (!each_piece(m, row->trying_at, compare, &c, err))
		return false;
	*there = !c.zeros && !c.other && c.at <= m->size;
	if (*there)
		return sled_file_sync(&m->file, err) &&
		       sled_dir_sync(m->d->sys, m->lock.folder, "its folder",
		                     err);
	return c.other || c.at < m->size || cut(m, row->trying_at, err);
}

/* ---- the append ---- */

struct writing {
	struct mbox *m;
	uint64_t at;
};

static bool
write_piece(void *ctx, struct sled_span piece, struct sled_err *err)
{
	struct writing *w = ctx;

	if (!sled_file_write(&w->m->file, piece.data, piece.len, w->at, err))
		return false;
	w->at += piece.len;
	return true;
}

/* Readers tell new mail by a file that was written after it was read. */
static void
set_time(const struct mbox *m)
{
	int64_t before = sled_clock_now() - 1;
	const struct timespec times[] = {
		{ m->st.st_atim.tv_sec < before ? m->st.st_atim.tv_sec
		                                : (time_t)before,
		  0 },
		{ 0, UTIME_NOW },
	};

	(void)futimens(m->file.fd, times);
}

/* By another descriptor: one whose sync failed is not to be believed. It is
 * closed behind the cut, for with it the lock goes, and what another program
 * wrote meanwhile would be cut, too. */
static void
take_back(struct mbox *m)
{
	struct sled_err ignored = { 0 };
	struct sled_file failed = m->file;
	uint64_t size = m->size;

	if (cut(m, size, &ignored))
		return;
	if (sled_file_open(&m->file, m->d->sys, AT_FDCWD, m->d->target->where,
	                   O_RDWR | O_NOFOLLOW, 0, &ignored))
		(void)!cut(m, size, &ignored);
	/* If not even that: the next run finds b1. */
	sled_file_drop(&failed);
}

static bool
append(struct mbox *m, struct sled_err *err)
{
	struct writing w = { m, m->size };

	if (!sled_delivery_try(m->d, m->letter->number, m->size,
	                       (uint64_t)m->st.st_ino, err))
		return false;
	if (!each_piece(m, m->size, write_piece, &w, err)) {
		take_back(m);
		return false;
	}
	set_time(m);
	if (!sled_file_sync(&m->file, err)) {
		take_back(m);
		return false;
	}
	return m->size > 0 ||
	       sled_dir_sync(m->d->sys, m->lock.folder, "its folder", err);
}

static bool
look(struct mbox *m, struct sled_err *err)
{
	char head[5] = "";
	size_t got = 0;

	if (m->d->sys->fstat(m->d->sys->ctx, m->file.fd, &m->st) == -1)
		return sled_fail_sys(err, errno, "stat %s", m->file.name);
	m->size = (uint64_t)m->st.st_size;
	if (!sled_file_read(&m->file, head, sizeof(head), 0, &got, err))
		return false;
	if (got == 0 || memcmp(head, "From ", got) == 0)
		return true;
	(void)sled_fail(err, SLED_ERR_CONFIG, "it is no mbox");
	return sled_hint(err, "name an mbox, or a file that is not there yet");
}

static bool
give(struct sled_delivery *d, struct sled_letter *letter, struct sled_err *err)
{
	struct mbox m = { .d = d, .letter = letter };
	bool there = false, ok;

	ok = sled_mbox_open(&m.file, &m.lock, d, err);
	if (ok) {
		ok = look(&m, err) && recover(&m, &there, err) &&
		     (there || append(&m, err)) &&
		     sled_file_close(&m.file, err);
		sled_mbox_close(&m.file, &m.lock);
	}
	return ok || sled_delivery_shut(d);
}

static bool
open_mbox(struct sled_delivery *d, struct sled_err *err)
{
	return sled_delivery_mounted(d, d->target->where, err);
}

static bool
check(struct sled_delivery *d, struct sled_err *err)
{
	struct mbox m = { .d = d };
	bool ok;

	if (!sled_delivery_mounted(d, d->target->where, err))
		return false;
	if (!sled_file_open(&m.file, d->sys, AT_FDCWD, d->target->where,
	                    O_RDWR | O_NOFOLLOW, 0, err))
		return err->kind == SLED_ERR_MISSING
		           ? sled_delivery_parent(d, d->target->where, err)
		           : false;
	ok = look(&m, err);
	sled_file_drop(&m.file);
	return ok;
}

const struct sled_deliverer sled_deliver_mbox = {
	.open = open_mbox,
	.give = give,
	.check = check,
};
