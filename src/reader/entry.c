/* entry.c - a message as the index keeps it: its words, column by column. */
#include <string.h>
#include <time.h>

#include "reader/internal.h"
#include "reader/marks.h"

#define TEXT_MOST (1u << 20) /* octets of a message's text that are searched */
#define IDS_MOST  50         /* of a message's references */
#define AHEAD_S   INT64_C(172800) /* a Date may lie so far ahead of the clock */

enum column {
	BODY,
	SUBJECT,
	SENDER,
	RCPT,
	FILES,
	MARKS,
	COLUMNS
};

struct entry {
	struct sled_buf column[COLUMNS];
	unsigned ids;
};

/* The field, decoded, added to COLUMN. */
static bool
add_field(struct entry *entry, enum column column,
          const struct sled_letter *letter, const char *name,
          struct sled_err *err)
{
	struct sled_buf raw = { 0 }, text = { 0 };
	bool there = false, ok;

	ok = sled_letter_field(letter, name, &raw, &there, err);
	if (ok && there)
		ok = (column == SUBJECT
		          ? sled_words_text(&text, sled_buf_span(&raw), err)
		          : sled_words_people(&text, sled_buf_span(&raw),
		                              err)) &&
		     sled_mark_split(&entry->column[column],
		                     sled_buf_span(&text), err) &&
		     sled_buf_addstr(&entry->column[column], " ", err);
	sled_buf_free(&raw);
	sled_buf_free(&text);
	return ok;
}

static bool
add_body(struct entry *entry, const struct sled_letter *letter,
         struct sled_err *err)
{
	struct sled_letter_text want = { .form = SLED_LETTER_INDEX,
		                         .max = TEXT_MOST };
	struct sled_buf text = { 0 };
	bool ok =
	    sled_letter_text(letter, &want, &text, err) &&
	    sled_mark_split(&entry->column[BODY], sled_buf_span(&text), err);

	sled_buf_free(&text);
	return ok;
}

static bool
add_files(struct entry *entry, const struct sled_letter *letter,
          struct sled_err *err)
{
	bool attached = false, ok = true;

	for (size_t i = 0; ok && i < sled_letter_parts(letter); i++) {
		struct sled_letter_part part;

		sled_letter_part(letter, i, &part);
		attached = attached || part.attached;
		if (part.name[0] != '\0')
			ok = sled_mark_split(&entry->column[FILES],
			                     (struct sled_span){
						 part.name, strlen(part.name) },
			                     err) &&
			     sled_buf_addstr(&entry->column[FILES], " ", err);
	}
	return ok &&
	       (!attached || sled_mark_attachment(&entry->column[MARKS], err));
}

static bool
add_id(void *ctx, const char *id, struct sled_err *err)
{
	struct entry *entry = ctx;

	if (*id == '\0' || entry->ids++ >= IDS_MOST)
		return true;
	return sled_mark_id(&entry->column[MARKS], id, err);
}

/* When it was written, if that can be; else when it was received. */
static int64_t
date_of(const struct sled_letter *letter, int64_t received)
{
	struct sled_buf raw = { 0 };
	struct sled_err err = { 0 };
	GDateTime *date = NULL;
	bool there = false;
	int64_t when = received;

	if (sled_letter_field(letter, "Date", &raw, &there, &err) && there)
		date = g_mime_utils_header_decode_date(raw.data);
	if (date != NULL) {
		int64_t told = g_date_time_to_unix(date);

		if (told > 0 && told <= received + AHEAD_S)
			when = told;
		g_date_time_unref(date);
	}
	sled_buf_free(&raw);
	return when;
}

static bool
fill(struct entry *entry, const struct sled_entry_row *row,
     const struct sled_letter *letter, struct sled_err *err)
{
	struct sled_buf *marks = &entry->column[MARKS];

	return add_field(entry, SUBJECT, letter, "Subject", err) &&
	       add_field(entry, SENDER, letter, "From", err) &&
	       add_field(entry, SENDER, letter, "Sender", err) &&
	       add_field(entry, SENDER, letter, "Reply-To", err) &&
	       add_field(entry, RCPT, letter, "To", err) &&
	       add_field(entry, RCPT, letter, "Cc", err) &&
	       add_field(entry, RCPT, letter, "Bcc", err) &&
	       add_body(entry, letter, err) && add_files(entry, letter, err) &&
	       sled_mark_every(marks, err) &&
	       sled_mark_account(marks, row->label, err) &&
	       sled_mark_day(marks, sled_day_of(date_of(letter, row->received)),
	                     err) &&
	       sled_letter_marks(letter, add_id, entry, err);
}

bool
sled_entry_prepare(struct sled_index *index, sqlite3_stmt **out,
                   struct sled_err *err)
{
	return sled_index_prepare(
	    index,
	    "INSERT INTO text (rowid, body, subject, sender, rcpt, files,"
	    " marks) VALUES (?7, ?1, ?2, ?3, ?4, ?5, ?6)",
	    out, err);
}

static bool
insert(struct sled_index *index, sqlite3_stmt *stmt, struct entry *entry,
       int64_t rowid, struct sled_err *err)
{
	int code;

	for (int i = 0; i < COLUMNS; i++)
		(void)sqlite3_bind_text64(
		    stmt, i + 1,
		    entry->column[i].data == NULL ? "" : entry->column[i].data,
		    entry->column[i].len, SQLITE_STATIC, SQLITE_UTF8);
	(void)sqlite3_bind_int64(stmt, COLUMNS + 1, rowid);
	code = sqlite3_step(stmt);
	(void)sqlite3_reset(stmt);
	(void)sqlite3_clear_bindings(stmt);
	return code == SQLITE_DONE || sled_index_fail(index, code, err);
}

bool
sled_entry_add(struct sled_index *index, sqlite3_stmt *stmt,
               const struct sled_entry_row *row,
               const struct sled_letter *letter, uint64_t *octets,
               struct sled_err *err)
{
	struct entry entry = { 0 };
	bool ok = fill(&entry, row, letter, err) &&
	          insert(index, stmt, &entry, row->rowid, err);

	*octets = 0;
	for (int i = 0; i < COLUMNS; i++) {
		*octets += i == MARKS ? 0 : entry.column[i].len;
		sled_buf_free(&entry.column[i]);
	}
	return ok;
}
