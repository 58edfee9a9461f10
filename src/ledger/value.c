/* value.c - values in and columns out; see sql.h. */
#include <string.h>

#include "sql.h"

struct sled_value
sled_value_int(int64_t number)
{
	return (struct sled_value){ .kind = SLED_VALUE_INT, .number = number };
}

struct sled_value
sled_value_u64(uint64_t number)
{
	return sled_value_int((int64_t)number);
}

struct sled_value
sled_value_id(int64_t id)
{
	if (id == 0)
		return (struct sled_value){ .kind = SLED_VALUE_NULL };
	return sled_value_int(id);
}

struct sled_value
sled_value_text(const char *text)
{
	if (text == NULL)
		return (struct sled_value){ .kind = SLED_VALUE_NULL };
	return (struct sled_value){ .kind = SLED_VALUE_TEXT,
		                    .bytes = { text, strlen(text) } };
}

struct sled_value
sled_value_span(struct sled_span bytes)
{
	return (struct sled_value){ .kind = SLED_VALUE_BLOB, .bytes = bytes };
}

struct sled_value
sled_value_hash(const struct sled_hash *hash)
{
	return sled_value_span(
	    (struct sled_span){ (const char *)hash->b, SLED_HASH_LEN });
}

int64_t
sled_row_int(struct sled_row *row)
{
	return sqlite3_column_int64(row->stmt, row->column++);
}

uint64_t
sled_row_u64(struct sled_row *row)
{
	return (uint64_t)sled_row_int(row);
}

bool
sled_row_bool(struct sled_row *row)
{
	return sled_row_int(row) != 0;
}

struct sled_span
sled_row_span(struct sled_row *row)
{
	int column = row->column++;
	const char *data = sqlite3_column_blob(row->stmt, column);
	int len = sqlite3_column_bytes(row->stmt, column);

	if (data == NULL)
		return (struct sled_span){ "", 0 };
	return (struct sled_span){ data, (size_t)len };
}

void
sled_row_text(struct sled_row *row, char *out, size_t room)
{
	struct sled_span text = sled_row_span(row);

	out[0] = '\0';
	if (text.len >= room || memchr(text.data, '\0', text.len) != NULL) {
		row->bad = true;
		return;
	}
	memcpy(out, text.data, text.len);
	out[text.len] = '\0';
}

void
sled_row_hash(struct sled_row *row, struct sled_hash *out)
{
	struct sled_span bytes = sled_row_span(row);

	memset(out, 0, sizeof(*out));
	if (bytes.len == SLED_HASH_LEN)
		memcpy(out->b, bytes.data, SLED_HASH_LEN);
	else
		row->bad = true;
}

bool
sled_row_end(const struct sled_row *row, struct sled_err *err)
{
	if (!row->bad)
		return true;
	(void)sled_fail(err, SLED_ERR_DAMAGED,
	                "ledger: a row holds what mailsled never writes");
	return sled_hint(err, SLED_REBUILD_HINT);
}
