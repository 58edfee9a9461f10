/*
 * shelf.h - the mail in archives that lie somewhere: a copy of a store, a
 * folder with some volumes, or one volume's file, read with nothing else.
 *
 * Contract
 *   Nothing is written, and no ledger, mark or sidecar is needed. A file is
 *   known by what is in it; what its name tells is only its order. The same
 *   message may come from several files (an open volume and its ranges, a
 *   volume and what a repair made of it): the caller passes over what it has.
 *   Errors: MISSING nothing of a volume is there; NOMEM; IO.
 */
#ifndef MAILSLED_SHELF_H
#define MAILSLED_SHELF_H

#include "mailsled/archive.h"
#include "mailsled/err.h"
#include "mailsled/sys.h"

struct sled_shelf_file {
	char *path;     /* owned */
	char label[25]; /* the account, or "": nothing of it could be read */
	char volume[SLED_VOLUME_NAME]; /* by its name, or "" */
	uint64_t from;                 /* of a range: where it begins */
	uint64_t size;
	bool has_info; /* its VOLUME.txt was read: */
	struct sled_volume_info info;
};

struct sled_shelf {
	const struct sled_sys *sys;
	struct sled_shelf_file *files; /* by account, volume and range */
	size_t len, cap;
	uint64_t octets; /* of all files */
};

/* FROM is a file, or a folder: it and those in it are looked through. */
SLED_CHECK bool sled_shelf_open(struct sled_shelf *out,
                                const struct sled_sys *sys, const char *from,
                                struct sled_err *err);
void sled_shelf_close(struct sled_shelf *shelf);

/* A part of a file that does not hold. */
struct sled_shelf_fault {
	uint64_t at, octets;
	const char *text;
	/* Messages that its receipts tell of and that were not given out; the
	 * receipts may be damaged too. NONE says that nothing is known. */
	const struct sled_receipt *lost;
	size_t lost_len;
	bool none;
};

/* The receipt is valid during the call.
 * begin, data and end for each message; drop in place of end when its bytes are
 * not those of its receipt. data, end and drop do not come when begin set
 * *wanted to false. A false of any ends the reading. done() may be NULL. */
struct sled_shelf_reader {
	void *ctx;
	bool (*begin)(void *ctx, const struct sled_receipt *receipt,
	              bool *wanted, struct sled_err *err);
	bool (*data)(void *ctx, const void *data, size_t len,
	             struct sled_err *err);
	bool (*end)(void *ctx, const struct sled_receipt *receipt,
	            struct sled_err *err);
	bool (*drop)(void *ctx, struct sled_err *err);
	bool (*fault)(void *ctx, const struct sled_shelf_fault *fault,
	              struct sled_err *err);
	void (*done)(void *ctx, uint64_t octets);
};

/* All messages of one file that hold, and what does not. */
SLED_CHECK bool sled_shelf_read(const struct sled_shelf *shelf,
                                const struct sled_shelf_file *file,
                                const struct sled_shelf_reader *reader,
                                struct sled_err *err);

#endif
