/* receipts.c - lines of receipts; see mailsled/archive.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mailsled/clock.h"
#include "mailsled/hash.h"
#include "mailsled/text.h"
#include "names.h"

#define FIELDS   9
#define TIME_MAX 253402300799 /* 9999-12-31T23:59:59Z */

static const char head[] =
    "sha256\toctets\tlisted\tuid\trecord\treceived\tnumber\tentry\tflags\n";

static const struct {
	unsigned bit;
	const char *word;
} flag_words[] = {
	{ SLED_RECEIPT_SHORT, "short" },
	{ SLED_RECEIPT_NOID, "noid" },
	{ SLED_RECEIPT_GONE, "gone" },
};

#define FLAG_WORDS (sizeof(flag_words) / sizeof(flag_words[0]))
#define FLAGS_ALL  (SLED_RECEIPT_SHORT | SLED_RECEIPT_NOID | SLED_RECEIPT_GONE)

/* What is wrong with a receipt, or NULL. */
static const char *
fault(const struct sled_receipt *r)
{
	bool gone = (r->flags & SLED_RECEIPT_GONE) != 0;

	if (strnlen(r->uid, sizeof(r->uid)) == sizeof(r->uid))
		return "uid is too long";
	if (strnlen(r->record, sizeof(r->record)) == sizeof(r->record))
		return "record id is too long";
	if (r->received < 0 || r->received > TIME_MAX)
		return "time is out of range";
	if ((r->flags & ~(unsigned)FLAGS_ALL) != 0)
		return "unknown flag";
	if (gone != (r->entry[0] == '\0'))
		return "entry and flags do not agree";
	if (!gone && !sled_entry_name_ok(r->entry))
		return "bad entry name";
	return NULL;
}

bool
sled_receipts_head(struct sled_buf *out, struct sled_err *err)
{
	return sled_buf_addstr(out, head, err);
}

static bool
add_text(struct sled_buf *out, const char *text, struct sled_err *err)
{
	struct sled_span span = { text, strlen(text) };

	return sled_text_percent(out, span, err) &&
	       sled_buf_add(out, "\t", 1, err);
}

static bool
add_flags(struct sled_buf *out, unsigned flags, struct sled_err *err)
{
	const char *comma = "";

	if (flags == 0)
		return sled_buf_addstr(out, "-\n", err);
	for (size_t i = 0; i < FLAG_WORDS; i++) {
		if ((flags & flag_words[i].bit) == 0)
			continue;
		if (!sled_buf_addstr(out, comma, err) ||
		    !sled_buf_addstr(out, flag_words[i].word, err))
			return false;
		comma = ",";
	}
	return sled_buf_addstr(out, "\n", err);
}

static bool
add_line(struct sled_buf *out, const struct sled_receipt *r,
         struct sled_err *err)
{
	char hex[SLED_HASH_HEX], when[SLED_TIME_TEXT];

	sled_hash_hex(hex, &r->sha256);
	sled_clock_rfc3339(r->received, when);
	return sled_buf_printf(out, err, "%s\t%" PRIu64 "\t%" PRIu64 "\t", hex,
	                       r->octets, r->listed) &&
	       add_text(out, r->uid, err) && add_text(out, r->record, err) &&
	       sled_buf_printf(out, err, "%s\t%" PRIu64 "\t", when,
	                       r->number) &&
	       add_text(out, r->entry, err) && add_flags(out, r->flags, err);
}

bool
sled_receipts_add(struct sled_buf *out, const struct sled_receipt *receipt,
                  struct sled_err *err)
{
	const char *why = fault(receipt);
	size_t len = out->len;

	if (why != NULL)
		return sled_fail(err, SLED_ERR_USAGE, "receipt: %s", why);
	if (add_line(out, receipt, err))
		return true;
	out->len = len;
	if (out->data != NULL)
		out->data[len] = '\0';
	return false;
}

/* Cut the line in exactly FIELDS fields. */
static bool
split(struct sled_span line, struct sled_span field[FIELDS])
{
	for (size_t i = 0; i < FIELDS; i++) {
		const char *tab = memchr(line.data, '\t', line.len);

		if ((tab == NULL) != (i == FIELDS - 1))
			return false;
		field[i] = line;
		if (tab == NULL)
			return true;
		field[i].len = (size_t)(tab - line.data);
		line.data += field[i].len + 1;
		line.len -= field[i].len + 1;
	}
	return true;
}

static bool
get_time(struct sled_span in, int64_t *out)
{
	char text[SLED_TIME_TEXT], again[SLED_TIME_TEXT];

	if (in.len >= sizeof(text))
		return false;
	memcpy(text, in.data, in.len);
	text[in.len] = '\0';
	if (!sled_clock_parse(text, out))
		return false;
	sled_clock_rfc3339(*out, again);
	return strcmp(again, text) == 0;
}

static bool
get_flags(struct sled_span in, unsigned *out)
{
	*out = 0;
	if (in.len == 1 && in.data[0] == '-')
		return true;
	for (size_t i = 0; i < FLAG_WORDS; i++) {
		size_t len = strlen(flag_words[i].word);

		if (in.len < len ||
		    memcmp(in.data, flag_words[i].word, len) != 0)
			continue;
		*out |= flag_words[i].bit;
		in.data += len;
		in.len -= len;
		if (in.len == 0)
			return true;
		if (in.data[0] != ',')
			return false;
		in.data++;
		in.len--;
	}
	return false;
}

static bool
get_numbers(const struct sled_span field[FIELDS], struct sled_receipt *r)
{
	return field[0].len == SLED_HASH_HEX - 1 &&
	       sled_text_unhex(r->sha256.b, field[0].data, SLED_HASH_LEN) &&
	       sled_text_u64(field[1], &r->octets) &&
	       sled_text_u64(field[2], &r->listed) &&
	       get_time(field[5], &r->received) &&
	       sled_text_u64(field[6], &r->number) &&
	       get_flags(field[8], &r->flags);
}

static bool
parse_line(struct sled_span line, struct sled_receipt *r,
           struct sled_buf *scratch, struct sled_err *err)
{
	struct sled_span field[FIELDS];
	const char *why;

	*r = (struct sled_receipt){ 0 };
	if (!split(line, field))
		return sled_fail(err, SLED_ERR_DAMAGED, "not %d fields",
		                 FIELDS);
	if (!get_numbers(field, r))
		return sled_fail(err, SLED_ERR_DAMAGED, "bad field");
	if (!sled_field_text(r->uid, sizeof(r->uid), field[3], scratch, err) ||
	    !sled_field_text(r->record, sizeof(r->record), field[4], scratch,
	                     err) ||
	    !sled_field_text(r->entry, sizeof(r->entry), field[7], scratch,
	                     err))
		return false;
	why = fault(r);
	if (why != NULL)
		return sled_fail(err, SLED_ERR_DAMAGED, "%s", why);
	return true;
}

static bool
parse_lines(struct sled_span text, sled_receipt_fn *each, void *ctx,
            struct sled_buf *scratch, struct sled_err *err)
{
	for (unsigned line = 2; text.len > 0; line++) {
		const char *end = memchr(text.data, '\n', text.len);
		struct sled_span span = { text.data, 0 };
		struct sled_receipt receipt;

		if (end == NULL)
			return sled_fail(err, SLED_ERR_DAMAGED,
			                 "receipts line %u: torn", line);
		span.len = (size_t)(end - text.data);
		if (!parse_line(span, &receipt, scratch, err))
			return sled_note(err, "receipts line %u", line);
		if (!each(ctx, &receipt, err))
			return false;
		text.data += span.len + 1;
		text.len -= span.len + 1;
	}
	return true;
}

bool
sled_receipts_parse(struct sled_span text, sled_receipt_fn *each, void *ctx,
                    struct sled_err *err)
{
	struct sled_buf scratch = { 0 };
	bool ok;

	if (text.len < sizeof(head) - 1 ||
	    memcmp(text.data, head, sizeof(head) - 1) != 0)
		return sled_fail(err, SLED_ERR_DAMAGED,
		                 "receipts: unknown header line");
	text.data += sizeof(head) - 1;
	text.len -= sizeof(head) - 1;
	ok = parse_lines(text, each, ctx, &scratch, err);
	sled_buf_free(&scratch);
	return ok;
}
