/*
 * revision.c - what a repair could not save, beside the file that it made:
 * NAME.rN.tsv. Tab-separated:
 *   format  1
 *   old     SHA-256 of the volume as it was first sealed, or "-"
 *   new     SHA-256 of NAME.rN.tar.gz
 *   member  INDEX LENGTH TAR_OCTETS SHA-256     the original of one that has
 *                                               lost something
 * an empty line, and the receipts (archive.h) of the messages that are lost.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/text.h"
#include "store/repair.h"

void
sled_revision_file(char out[SLED_VOLUME_FILE], const char *name,
                   unsigned revision)
{
	(void)snprintf(out, SLED_VOLUME_FILE, "%.15s.r%u.tsv", name, revision);
}

void
sled_revision_free(struct sled_revision *revision)
{
	free(revision->odd);
	free(revision->lost);
	memset(revision, 0, sizeof(*revision));
}

bool
sled_revision_add_odd(struct sled_revision *revision, size_t index,
                      const struct sled_member_sum *was, struct sled_err *err)
{
	struct sled_odd *odd =
	    realloc(revision->odd, (revision->odd_len + 1) * sizeof(*odd));

	if (odd == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "revision");
	revision->odd = odd;
	odd[revision->odd_len++] = (struct sled_odd){ index, *was };
	return true;
}

bool
sled_revision_add_lost(struct sled_revision *revision,
                       const struct sled_receipt *receipt, struct sled_err *err)
{
	struct sled_receipt *lost =
	    realloc(revision->lost, (revision->lost_len + 1) * sizeof(*lost));

	if (lost == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "revision");
	revision->lost = lost;
	lost[revision->lost_len++] = *receipt;
	return true;
}

static bool
format_odd(struct sled_buf *out, const struct sled_odd *odd,
           struct sled_err *err)
{
	char hex[SLED_HASH_HEX];

	sled_hash_hex(hex, &odd->was.body_sha256);
	return sled_buf_printf(
	    out, err, "member\t%zu\t%" PRIu64 "\t%" PRIu64 "\t%s\n", odd->index,
	    odd->was.length, odd->was.tar_octets, hex);
}

bool
sled_revision_format(struct sled_buf *out, const struct sled_revision *revision,
                     struct sled_err *err)
{
	char old[SLED_HASH_HEX] = "-", now[SLED_HASH_HEX];
	bool ok;

	if (revision->known_before)
		sled_hash_hex(old, &revision->before);
	sled_hash_hex(now, &revision->now);
	ok = sled_buf_printf(out, err, "format\t1\nold\t%s\nnew\t%s\n", old,
	                     now);
	for (size_t i = 0; ok && i < revision->odd_len; i++)
		ok = format_odd(out, &revision->odd[i], err);
	ok = ok && sled_buf_add(out, "\n", 1, err) &&
	     sled_receipts_head(out, err);
	for (size_t i = 0; ok && i < revision->lost_len; i++)
		ok = sled_receipts_add(out, &revision->lost[i], err);
	return ok;
}

static bool
take_hash(const char *hex, struct sled_hash *out)
{
	return strlen(hex) == 2 * sizeof(out->b) &&
	       sled_text_unhex(out->b, hex, sizeof(out->b));
}

/* A number, and the tab behind it. */
static bool
take_number(const char **at, uint64_t *out)
{
	size_t len = strcspn(*at, "\t");
	struct sled_span digits = { *at, len };

	*at += len + ((*at)[len] == '\t');
	return sled_text_u64(digits, out);
}

static bool
take_odd(struct sled_revision *out, const char *text, struct sled_err *err)
{
	struct sled_member_sum was = { 0 };
	uint64_t index = 0;

	if (!take_number(&text, &index) || !take_number(&text, &was.length) ||
	    !take_number(&text, &was.tar_octets) ||
	    !take_hash(text, &was.body_sha256))
		return sled_fail(err, SLED_ERR_DAMAGED, "a member's line");
	return sled_revision_add_odd(out, (size_t)index, &was, err);
}

static bool
take_line(struct sled_revision *out, const char *line, struct sled_err *err)
{
	if (strcmp(line, "format\t1") == 0)
		return true;
	if (strncmp(line, "old\t", 4) == 0) {
		out->known_before = take_hash(line + 4, &out->before);
		return out->known_before || strcmp(line + 4, "-") == 0 ||
		       sled_fail(err, SLED_ERR_DAMAGED, "the old hash");
	}
	if (strncmp(line, "new\t", 4) == 0)
		return take_hash(line + 4, &out->now) ||
		       sled_fail(err, SLED_ERR_DAMAGED, "the new hash");
	if (strncmp(line, "member\t", 7) == 0)
		return take_odd(out, line + 7, err);
	return sled_fail(err, SLED_ERR_DAMAGED, "a line of another kind");
}

static bool
take_lost(void *ctx, const struct sled_receipt *receipt, struct sled_err *err)
{
	return sled_revision_add_lost(ctx, receipt, err);
}

bool
sled_revision_parse(struct sled_span text, struct sled_revision *out,
                    struct sled_err *err)
{
	size_t at = 0;

	*out = (struct sled_revision){ 0 };
	while (at < text.len && text.data[at] != '\n') {
		const char *end = memchr(text.data + at, '\n', text.len - at);
		char line[256];
		size_t len =
		    end == NULL ? sizeof(line) : (size_t)(end - text.data) - at;

		if (len >= sizeof(line))
			return sled_fail(err, SLED_ERR_DAMAGED,
			                 "a line without its end");
		memcpy(line, text.data + at, len);
		line[len] = '\0';
		if (!take_line(out, line, err))
			return false;
		at += len + 1;
	}
	if (at >= text.len)
		return sled_fail(err, SLED_ERR_DAMAGED, "no receipts");
	return sled_receipts_parse(
	    (struct sled_span){ text.data + at + 1, text.len - at - 1 },
	    take_lost, out, err);
}

static bool
load_from(struct sled_place *place, const char *name, struct sled_revision *out)
{
	struct sled_buf text = { 0 };
	struct sled_err why = { 0 };
	bool ok = sled_file_slurp(&text, place->sys, place->dir, name,
	                          SLED_REVISION_MAX, &why) &&
	          sled_revision_parse(sled_buf_span(&text), out, &why);

	sled_buf_free(&text);
	if (!ok)
		sled_revision_free(out);
	return ok;
}

bool
sled_revision_load(struct sled_store *store,
                   const struct sled_volume_row *volume,
                   struct sled_revision *out, struct sled_err *err)
{
	char file[SLED_VOLUME_FILE], name[128];

	(void)err;
	*out = (struct sled_revision){ 0 };
	if (volume->revision == 0)
		return true;
	sled_revision_file(file, volume->name, volume->revision);
	(void)snprintf(name, sizeof(name), "%s/%s", volume->label, file);
	for (size_t i = 0; i < store->len; i++)
		if (store->seats[i].present &&
		    load_from(&store->seats[i].place, name, out))
			break;
	return true;
}
