/*
 * check.c - a member proved by its own receipts; see mailsled/archive.h.
 *
 * Order in a member: VOLUME.txt (first member only), receipts, messages. Each
 * message must have one receipt, and each receipt that names one its message.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/hash.h"
#include "names.h"
#include "tar.h"
#include "unpack.h"

#define CHUNK      65536
#define VOLUME_MAX 8192 /* octets of a VOLUME.txt, all of it escaped */

struct expected {
	struct sled_receipt receipt;
	bool seen;
};

struct check {
	const struct sled_source *source;
	uint64_t at;
	struct sled_unpack *unpack;
	const struct sled_member_visitor *visitor;
	struct sled_sha256 *sha;
	struct expected *list; /* sorted by entry once receipts are read */
	size_t count, cap, seen;
	struct sled_buf text;
	char label[25], volume[SLED_VOLUME_NAME];
	unsigned seq;
	/* The entry at hand. */
	bool end;
	uint64_t tar_at;
	struct sled_entry entry;
};

/* A member that begins with a zero block is the end member, the very bytes. */
static bool
prove_last(struct check *check, struct sled_err *err)
{
	struct sled_buf last = { 0 };
	uint8_t found[SLED_TAR_BLOCK];
	struct sled_span rest = { NULL, 1 };
	bool ok =
	    sled_member_last(&last, err) &&
	    sled_source_exact(check->source, check->at, found, last.len, err);

	if (ok && memcmp(found, last.data, last.len) != 0)
		ok = sled_fail(err, SLED_ERR_DAMAGED,
		               "tar: zero block, but no end member");
	sled_buf_free(&last);
	while (ok && rest.len > 0)
		ok = sled_unpack_take(check->unpack, CHUNK, &rest, err);
	check->end = true;
	return ok;
}

/* The next header into check->entry, or check->end. */
static bool
next_entry(struct check *check, struct sled_err *err)
{
	uint8_t block[SLED_TAR_BLOCK];
	struct sled_span part;

	check->tar_at = sled_unpack_at(check->unpack);
	if (!sled_unpack_take(check->unpack, sizeof(block), &part, err))
		return false;
	if (part.len == 0) {
		check->end = true;
		return true;
	}
	memcpy(block, part.data, part.len);
	if (!sled_unpack_exact(check->unpack, block + part.len,
	                       sizeof(block) - part.len, err))
		return false;
	if (check->tar_at == 0 && sled_tar_is_zero(block, sizeof(block)))
		return prove_last(check, err);
	return sled_tar_parse(block, &check->entry, err);
}

static bool
skip_padding(struct check *check, struct sled_err *err)
{
	uint8_t pad[SLED_TAR_BLOCK];
	size_t len = (size_t)(-check->entry.size % SLED_TAR_BLOCK);

	if (!sled_unpack_exact(check->unpack, pad, len, err))
		return false;
	if (!sled_tar_is_zero(pad, len))
		return sled_fail(err, SLED_ERR_DAMAGED,
		                 "tar: padding is not zero");
	return true;
}

/* All of a small entry into check->text. */
static bool
slurp(struct check *check, size_t max, struct sled_err *err)
{
	struct sled_buf *text = &check->text;
	size_t size = (size_t)check->entry.size;

	if (check->entry.size > max)
		return sled_fail(err, SLED_ERR_DAMAGED, "%s is too large",
		                 check->entry.name);
	text->len = 0;
	while (text->len < size) {
		struct sled_span part;

		if (!sled_unpack_take(check->unpack, size - text->len, &part,
		                      err))
			return false;
		if (part.len == 0)
			return sled_fail(err, SLED_ERR_DAMAGED,
			                 "tar: ends inside an entry");
		if (!sled_buf_add(text, part.data, part.len, err))
			return false;
	}
	return skip_padding(check, err);
}

static bool
has_suffix(const char *text, const char *suffix)
{
	size_t len = strlen(text), tail = strlen(suffix);

	return len >= tail && strcmp(text + len - tail, suffix) == 0;
}

static bool
read_volume_info(struct check *check, struct sled_err *err)
{
	const struct sled_member_visitor *visitor = check->visitor;
	struct sled_volume_info info;
	char wanted[SLED_ENTRY_NAME];

	if (!slurp(check, VOLUME_MAX, err) ||
	    !sled_volume_info_parse(sled_buf_span(&check->text), &info, err))
		return false;
	sled_volume_info_name(wanted, info.label, info.volume);
	if (strcmp(wanted, check->entry.name) != 0)
		return sled_fail(err, SLED_ERR_DAMAGED,
		                 "VOLUME.txt is that of %s", wanted);
	memcpy(check->label, info.label, sizeof(info.label));
	memcpy(check->volume, info.volume, sizeof(info.volume));
	if (visitor->volume != NULL &&
	    !visitor->volume(visitor->ctx, &info, err))
		return false;
	return next_entry(check, err);
}

static bool
in_label(const struct check *check, const char *entry)
{
	size_t len = strlen(check->label);

	return strncmp(entry, check->label, len) == 0 && entry[len] == '/';
}

static bool
on_receipt(void *ctx, const struct sled_receipt *receipt, struct sled_err *err)
{
	struct check *check = ctx;
	const struct sled_member_visitor *visitor = check->visitor;

	if ((receipt->flags & SLED_RECEIPT_GONE) == 0) {
		if (!in_label(check, receipt->entry))
			return sled_fail(err, SLED_ERR_DAMAGED,
			                 "receipt of another account: %s",
			                 receipt->entry);
		if (check->count == check->cap) {
			size_t cap = check->cap == 0 ? 64 : 2 * check->cap;
			struct expected *list = reallocarray(
			    check->list, cap, sizeof(*check->list));

			if (list == NULL)
				return sled_fail_sys(err, ENOMEM, "receipts");
			check->list = list;
			check->cap = cap;
		}
		check->list[check->count++] =
		    (struct expected){ .receipt = *receipt };
	}
	return visitor->receipt == NULL ||
	       visitor->receipt(visitor->ctx, receipt, err);
}

static int
by_entry(const void *a, const void *b)
{
	const struct expected *x = a, *y = b;

	return strcmp(x->receipt.entry, y->receipt.entry);
}

static bool
read_receipts(struct check *check, struct sled_err *err)
{
	char label[25], volume[SLED_VOLUME_NAME];

	if (!sled_receipts_name_parse(check->entry.name, label, volume,
	                              &check->seq) ||
	    (check->label[0] != '\0' && (strcmp(label, check->label) != 0 ||
	                                 strcmp(volume, check->volume) != 0)))
		return sled_fail(err, SLED_ERR_DAMAGED, "no receipts, but %s",
		                 check->entry.name);
	memcpy(check->label, label, sizeof(label));
	if (!slurp(check, SLED_RECEIPTS_MAX, err) ||
	    !sled_receipts_parse(sled_buf_span(&check->text), on_receipt, check,
	                         err))
		return false;
	if (check->count > 1)
		qsort(check->list, check->count, sizeof(*check->list),
		      by_entry);
	for (size_t i = 1; i < check->count; i++)
		if (by_entry(&check->list[i - 1], &check->list[i]) == 0)
			return sled_fail(err, SLED_ERR_DAMAGED,
			                 "two receipts for %s",
			                 check->list[i].receipt.entry);
	return next_entry(check, err);
}

/* The receipt of the entry at hand, taken once. */
static bool
find_receipt(struct check *check, const struct sled_receipt **out,
             struct sled_err *err)
{
	struct expected key = { .seen = false }, *found = NULL;

	memcpy(key.receipt.entry, check->entry.name, SLED_ENTRY_NAME);
	if (check->count > 0)
		found = bsearch(&key, check->list, check->count,
		                sizeof(*check->list), by_entry);
	if (found == NULL)
		return sled_fail(err, SLED_ERR_DAMAGED, "no receipt for %s",
		                 check->entry.name);
	if (found->seen)
		return sled_fail(err, SLED_ERR_DAMAGED, "%s is there twice",
		                 check->entry.name);
	if (found->receipt.octets != check->entry.size)
		return sled_fail(err, SLED_ERR_DAMAGED, "%s: size is wrong",
		                 check->entry.name);
	found->seen = true;
	check->seen++;
	*out = &found->receipt;
	return true;
}

static bool
read_data(struct check *check, struct sled_err *err)
{
	const struct sled_member_visitor *visitor = check->visitor;
	uint64_t left = check->entry.size;

	while (left > 0) {
		struct sled_span part;

		if (!sled_unpack_take(check->unpack,
		                      left > CHUNK ? CHUNK : (size_t)left,
		                      &part, err))
			return false;
		if (part.len == 0)
			return sled_fail(err, SLED_ERR_DAMAGED,
			                 "tar: ends inside an entry");
		sled_sha256_add(check->sha, part.data, part.len);
		left -= part.len;
		if (visitor->data != NULL &&
		    !visitor->data(visitor->ctx, part.data, part.len, err))
			return false;
	}
	return skip_padding(check, err);
}

static bool
read_message(struct check *check, struct sled_err *err)
{
	const struct sled_member_visitor *visitor = check->visitor;
	const struct sled_receipt *receipt = NULL;
	struct sled_hash hash;

	if (!find_receipt(check, &receipt, err))
		return false;
	if (visitor->begin != NULL &&
	    !visitor->begin(visitor->ctx, receipt, check->tar_at, err))
		return false;
	if (!read_data(check, err))
		return false;
	hash = sled_sha256_end(check->sha);
	if (!sled_hash_equal(&hash, &receipt->sha256))
		return sled_fail(err, SLED_ERR_DAMAGED, "%s: SHA-256 is wrong",
		                 check->entry.name);
	if (visitor->end != NULL && !visitor->end(visitor->ctx, receipt, err))
		return false;
	return next_entry(check, err);
}

static bool
read_entries(struct check *check, struct sled_err *err)
{
	if (!next_entry(check, err))
		return false;
	if (check->end && sled_unpack_at(check->unpack) > 0)
		return true; /* of a sealed volume */
	if (!check->end && has_suffix(check->entry.name, "/VOLUME.txt") &&
	    !read_volume_info(check, err))
		return false;
	if (check->end)
		return sled_fail(err, SLED_ERR_DAMAGED, "no receipts");
	if (!read_receipts(check, err))
		return false;
	while (!check->end)
		if (!read_message(check, err))
			return false;
	if (check->seen != check->count)
		return sled_fail(err, SLED_ERR_DAMAGED,
		                 "%zu messages for %zu receipts", check->seen,
		                 check->count);
	return true;
}

bool
sled_member_check(const struct sled_source *source, uint64_t at,
                  const struct sled_member_visitor *visitor,
                  struct sled_member_sum *sum, unsigned *receipts_seq,
                  struct sled_err *err)
{
	static const struct sled_member_visitor nobody = { 0 };
	struct check check = {
		.source = source,
		.at = at,
		.visitor = visitor == NULL ? &nobody : visitor,
	};
	bool ok = sled_unpack_open(&check.unpack, source, at, err) &&
	          sled_sha256_new(&check.sha, err) && read_entries(&check, err);

	if (ok) {
		*sum = sled_unpack_sum(check.unpack);
		*receipts_seq = check.seq;
	}
	sled_unpack_free(&check.unpack);
	sled_sha256_free(&check.sha);
	sled_buf_free(&check.text);
	free(check.list);
	return ok || sled_note(err, "member at %" PRIu64, at);
}
