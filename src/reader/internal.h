/*
 * internal.h - what the files of the reader share; private to reader.
 *
 * Contract
 *   GMime and GLib end the process when memory is short: that is why they are
 *   in a program of their own.
 */
#ifndef READER_INTERNAL_H
#define READER_INTERNAL_H

#include <gmime/gmime.h>

#include <sqlite3.h>

#include "mailsled/reader.h"

/* GMime, ready for use; called at each entrance. */
void sled_gmime_begin(void);
/* What is read may be broken: everything in the most lenient way. */
GMimeParserOptions *sled_gmime_options(void);

/* Of the character at TEXT, valid UTF-8. GLib's macro for the next one takes
 * away the const. */
static inline size_t
sled_character_octets(const char *text)
{
	return (size_t)g_utf8_skip[*(const guchar *)text];
}

struct sled_letter {
	struct sled_buf small; /* the bytes, as long as they are few */
	int dir, fd;           /* and the file for more; -1 */
	uint64_t octets;
	GMimeMessage *message; /* NULL: no message could be made of it */
	GPtrArray *parts;      /* GMimePart, borrowed from message */
	GPtrArray *names;      /* char *, one a part, and the types */
	GPtrArray *types;
	GArray *attached; /* gboolean */
	bool cut;         /* there is more of it: ration.c */
};

/* Bytes to read the letter from; a stream to unref. */
GMimeStream *sled_letter_stream(const struct sled_letter *letter,
                                struct sled_err *err);

/* ---- ration.c ---- */

/* Of a field: GMime goes as deep into groups of addresses. */
#define SLED_COLONS_MOST 500

/* Octets of BELOW, which is its own now, until GMime makes too much of them. */
GMimeStream *sled_ration_new(GMimeStream *below);
/* Has it ended before its end? */
bool sled_ration_cut(GMimeStream *stream);

/* ---- index.c ---- */

struct sled_index {
	sqlite3 *db;
	struct sled_vfs *vfs;
	struct sled_store *store;
	struct sled_buf path;
	char shown[128];
	bool writing; /* it was opened for that */
	bool broken;  /* SQLite calls the file damaged */
};

/* From now on it may be written: opened anew unless it was for that. No
 * statement of it may be left. */
SLED_CHECK bool sled_index_to_write(struct sled_index *index,
                                    struct sled_err *err);

/* What SQLite's last failure CODE was, as ours. Always returns false. */
bool sled_index_fail(struct sled_index *index, int code, struct sled_err *err);
SLED_CHECK bool sled_index_run(struct sled_index *index, const char *sql,
                               struct sled_err *err);
SLED_CHECK bool sled_index_prepare(struct sled_index *index, const char *sql,
                                   sqlite3_stmt **out, struct sled_err *err);
/* One number of one row; 0 when there is none. */
SLED_CHECK bool sled_index_number(struct sled_index *index, const char *sql,
                                  int64_t *out, struct sled_err *err);
/* BEGIN IMMEDIATE; *busy when another process is writing. */
SLED_CHECK bool sled_index_begin(struct sled_index *index, bool *busy,
                                 struct sled_err *err);
/* COMMIT, or ROLLBACK unless OK; false then, with what *err says. */
SLED_CHECK bool sled_index_end(struct sled_index *index, bool ok,
                               struct sled_err *err);

/* A row of doc, with its account's name. */
struct sled_hit {
	int64_t id, received;
	uint64_t number;
	char label[25];
};

#define SLED_HIT      "doc.id, doc.number, doc.received, label.name"
#define SLED_HIT_JOIN " JOIN label ON label.id = doc.label"
/* The row of a statement whose first columns are SLED_HIT. */
void sled_index_hit(sqlite3_stmt *stmt, struct sled_hit *out);
/* Its message; EACH is not called when the archive is gone. */
SLED_CHECK bool sled_index_message(struct sled_index *index,
                                   const struct sled_hit *hit,
                                   sled_message_fn *each, void *ctx,
                                   struct sled_err *err);

/* ---- stream.c: what the index lacks of an account ---- */

struct sled_stream_row {
	uint64_t number, octets;
	int64_t received, member;
	struct sled_letter *letter; /* once loaded; NULL: no place gave it */
	bool loaded;
};

struct sled_stream {
	char name[25];
	int64_t label;
	uint64_t done, last; /* all up to done are in; last: of the account */
	/* A window that is being added: numbers above done, up to upto. Of it
	 * is in what is no later than this. */
	uint64_t upto, in_number;
	int64_t in_received;
	struct sled_stream_row *rows; /* the window, sorted */
	size_t len, cap, at;
	uint64_t held; /* octets of letters */
	bool read;     /* rows are there */
};

/* The next row, if there is one: at < len then. */
SLED_CHECK bool sled_stream_fill(struct sled_stream *stream,
                                 struct sled_ledger *ledger,
                                 struct sled_err *err);
/* Its letter, unless no place has it; of COUNT streams that are there. */
SLED_CHECK bool sled_stream_load(struct sled_stream *stream, size_t count,
                                 struct sled_store *store,
                                 struct sled_err *err);
/* It is in. */
void sled_stream_next(struct sled_stream *stream);
void sled_stream_drop(struct sled_stream *stream);
/* Numbers have gaps where mail was forgotten, so this is at most. */
uint64_t sled_stream_missing(const struct sled_stream *stream);
/* The next COUNT rows were all received before THAN. */
bool sled_stream_older(const struct sled_stream *stream, size_t count,
                       int64_t than);

/* ---- entry.c: one message on its way in ---- */

struct sled_entry_row {
	int64_t rowid;
	const char *label;
	int64_t received;
};

/* The statement of sled_entry_prepare() is run once. *octets: of its text. */
SLED_CHECK bool sled_entry_prepare(struct sled_index *index, sqlite3_stmt **out,
                                   struct sled_err *err);
SLED_CHECK bool sled_entry_add(struct sled_index *index, sqlite3_stmt *stmt,
                               const struct sled_entry_row *row,
                               const struct sled_letter *letter,
                               uint64_t *octets, struct sled_err *err);

#endif
