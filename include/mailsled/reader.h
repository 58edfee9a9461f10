/*
 * reader.h - mail as it was meant: decoded, found again, taken out. Never needed
 * to fetch: it is in the program mailsled-reader alone.
 *
 * Contract
 *   Text that comes out is valid UTF-8 without NUL, but not fit for a terminal:
 *   whoever prints it escapes it (text.h). Whatever bytes come in, something is
 *   made of them: only memory, disk and output fail. One thread.
 */
#ifndef MAILSLED_READER_H
#define MAILSLED_READER_H

#include "mailsled/buf.h"
#include "mailsled/err.h"
#include "mailsled/store.h"
#include "mailsled/types.h"

/* ---- header fields: words.c ---- */

/* A field's value on one line, encoded words (RFC 2047) decoded, bytes that are
 * no UTF-8 taken for Windows-1252. */
SLED_CHECK bool sled_words_text(struct sled_buf *out, struct sled_span raw,
                                struct sled_err *err);
/* A list of addresses: "Ada Lovelace <ada@example.org>, ..."; what is none is
 * decoded as text. */
SLED_CHECK bool sled_words_people(struct sled_buf *out, struct sled_span raw,
                                  struct sled_err *err);
/* The name of the first of them, or its address: for a narrow column. */
SLED_CHECK bool sled_words_name(struct sled_buf *out, struct sled_span raw,
                                struct sled_err *err);

/* ---- text: charset.c, flowed.c, html.c ---- */

/* Bytes of CHARSET (NULL, unknown, or wrong: UTF-8 if they are, else
 * Windows-1252) added as UTF-8; what has no meaning is U+FFFD. NUL is dropped. */
SLED_CHECK bool sled_charset_utf8(struct sled_buf *out, struct sled_span in,
                                  const char *charset, struct sled_err *err);
/* format=flowed (RFC 3676): paragraphs on one line each. UTF-8, LF. */
SLED_CHECK bool sled_flowed_join(struct sled_buf *out, struct sled_span in,
                                 bool delsp, struct sled_err *err);

struct sled_html_want {
	bool links; /* "[1]" behind each, and where they lead below the text */
	size_t end; /* of OUT; little is added behind it: quotes make much of
	             * nothing */
};

/* What a person would read of HTML in UTF-8. */
SLED_CHECK bool sled_html_text(struct sled_buf *out, struct sled_span html,
                               const struct sled_html_want *want,
                               struct sled_err *err);

/* ---- HTML to be shown by a browser: safe.c, css.c ---- */

/* Add to URL where the picture with this Content-ID (without <>) is; nothing
 * when there is none. */
typedef bool sled_picture_fn(void *ctx, const char *cid, struct sled_buf *url,
                             struct sled_err *err);

/* What is asked for, and what was left out. */
struct sled_html_safe {
	sled_picture_fn *picture; /* NULL: there are none */
	void *ctx;
	/* Outcome: */
	unsigned pictures; /* elsewhere, not loaded: each left a box that names
	                    * its host, or was a style's */
	unsigned trackers; /* of them: too small to be seen, no box */
	unsigned scripts;  /* and event handlers, and links to scripts */
	unsigned forms;    /* that would have sent something */
	unsigned embeds;   /* frames, objects, drawings, sound, film */
	bool cut;          /* there is more of it than can be shown */
};

/* A whole document of what is harmless in HTML (UTF-8), made anew from lists of
 * elements, attributes and properties that are allowed: nothing in it runs,
 * loads, sends or leads anywhere but by links of http, https and mailto, each
 * to a page of its own that is not told where it was called from. Pictures are
 * those that PICTURE has and "data:" of pixels. Its own policy says so too, and
 * it is as well shown in a frame with
 *     sandbox="allow-popups allow-popups-to-escape-sandbox"
 * (and allow-same-origin where a cookie guards the pictures; never
 * allow-scripts). */
SLED_CHECK bool sled_html_safe(struct sled_buf *out, struct sled_span html,
                               struct sled_html_safe *how,
                               struct sled_err *err);

/* ---- one message: letter.c ---- */

struct sled_letter; /* opaque */

/* new, add the message's bytes in any pieces, parse; then ask. A message over
 * 1 MiB is kept in an unnamed file of the folder DIR (-1: in memory). */
SLED_CHECK bool sled_letter_new(struct sled_letter **out, int dir,
                                struct sled_err *err);
void sled_letter_free(struct sled_letter **freeing);
SLED_CHECK bool sled_letter_add(struct sled_letter *letter, const void *data,
                                size_t len, struct sled_err *err);
/* All of MESSAGE, out of the archive. */
SLED_CHECK bool sled_letter_read(struct sled_letter *letter,
                                 struct sled_store *store,
                                 const struct sled_message *message,
                                 struct sled_err *err);
SLED_CHECK bool sled_letter_parse(struct sled_letter *letter,
                                  struct sled_err *err);
/* Is there more of it than was taken apart? A message of many thousand parts,
 * or with a header without end, was made to take all memory. */
bool sled_letter_cut(const struct sled_letter *letter);

/* The first field of this name, as it came but on one line; *there false when
 * there is none. */
SLED_CHECK bool sled_letter_field(const struct sled_letter *letter,
                                  const char *name, struct sled_buf *out,
                                  bool *there, struct sled_err *err);

/* A part that has no parts: number i + 1 for people. Strings live as long as
 * the letter. */
struct sled_letter_part {
	const char *type; /* "text/plain" */
	const char
	    *name; /* the file's, decoded, as the sender wrote it; or "" */
	const char *cid; /* Content-ID without <>, as it came; or "" */
	bool attached;   /* not to be read with the text */
	uint64_t octets; /* about, decoded: exact after save() only */
};

size_t sled_letter_parts(const struct sled_letter *letter);
void sled_letter_part(const struct sled_letter *letter, size_t i,
                      struct sled_letter_part *out);
/* The part's decoded bytes, in pieces. */
SLED_CHECK bool sled_letter_save(const struct sled_letter *letter, size_t i,
                                 sled_bytes_fn *each, void *ctx,
                                 struct sled_err *err);

enum sled_letter_form {
	SLED_LETTER_READ,  /* text to be read, links numbered below it */
	SLED_LETTER_INDEX, /* text to be searched: no links */
	SLED_LETTER_HTML, /* the HTML part as UTF-8; nothing when there is none */
};

/* Text of at most MAX octets, LF lines; *cut when there was more. */
struct sled_letter_text {
	enum sled_letter_form form;
	size_t max;
	bool cut;
};

SLED_CHECK bool sled_letter_text(const struct sled_letter *letter,
                                 struct sled_letter_text *want,
                                 struct sled_buf *out, struct sled_err *err);
/* Each Message-ID without its <>: its own first (empty when it has none), then
 * those of References and In-Reply-To, oldest first. */
typedef bool sled_mark_fn(void *ctx, const char *id, struct sled_err *err);
SLED_CHECK bool sled_letter_marks(const struct sled_letter *letter,
                                  sled_mark_fn *each, void *ctx,
                                  struct sled_err *err);

/* A name for a file that holds part PART: of NAME, which a sender chose, or
 * made up from TYPE. Never a path, hidden, reserved, or longer than 200 octets;
 * no control, no mark that turns text around. */
SLED_CHECK bool sled_name_safe(struct sled_buf *out, const char *name,
                               const char *type, size_t part,
                               struct sled_err *err);

/* ---- queries: query.c ---- */

struct sled_query {
	struct sled_buf match; /* for FTS5: nothing but words in quotes, the
	                        * index's own columns and operators */
	size_t fault;          /* when it was refused: the octet, from 0 */
	uint64_t skip;         /* so many of the newest are passed over */
};

/* from:ada subject:pump before:2026-03 has:attachment "exact words" -word, OR,
 * ( ). Days are local, and counted back from NOW. USAGE: .fault says where. */
SLED_CHECK bool sled_query_parse(struct sled_query *out, const char *text,
                                 int64_t now, struct sled_err *err);
void sled_query_free(struct sled_query *query);

/* ---- the index: index.c, feed.c, find.c, thread.c ---- */

struct sled_index; /* opaque */

/* Of an open store; made when there is none, and made anew when it is damaged,
 * of another store or of another version. */
SLED_CHECK bool sled_index_open(struct sled_index **out,
                                struct sled_store *store, struct sled_err *err);
/* One that was found to be damaged is thrown away: the next is made anew. */
void sled_index_close(struct sled_index **closing);
/* After a DAMAGED: throw the file away, begin an empty one. */
SLED_CHECK bool sled_index_mend(struct sled_index *index, struct sled_err *err);
/* Throw away what it holds. */
SLED_CHECK bool sled_index_clear(struct sled_index *index,
                                 struct sled_err *err);

struct sled_feed {
	uint64_t ms;   /* at most about so long; 0: until all is in */
	bool thorough; /* also look for what came or went out of order */
	/* Outcome: */
	uint64_t added;   /* messages */
	uint64_t unread;  /* of them: no place gave their bytes now */
	uint64_t missing; /* not in the index yet */
	uint64_t octets;  /* of text that went in */
	bool busy;        /* another process is adding to it */
};

typedef void sled_feed_fn(void *ctx, uint64_t done, uint64_t total);
/* Add what the store has and the index lacks. EACH (or NULL) hears how it
 * goes. What was added stays, however this ends. */
SLED_CHECK bool sled_index_feed(struct sled_index *index,
                                struct sled_feed *feed, sled_feed_fn *each,
                                void *ctx, struct sled_err *err);

/* Messages that match, the last received first; LIMIT 0: all. */
SLED_CHECK bool sled_index_find(struct sled_index *index,
                                const struct sled_query *query, uint64_t limit,
                                sled_message_fn *each, void *ctx,
                                struct sled_err *err);

/* One of a conversation, DEPTH answers below its beginning. */
struct sled_thread_entry {
	int64_t message; /* its row in the ledger */
	unsigned depth;
};

struct sled_thread {
	struct sled_thread_entry *list; /* each behind what it answers */
	size_t len;
	bool cut; /* there are more: too many to look at */
};

SLED_CHECK bool sled_index_thread(struct sled_index *index,
                                  const struct sled_message *message,
                                  struct sled_thread *out,
                                  struct sled_err *err);
void sled_thread_free(struct sled_thread *thread);

#endif
