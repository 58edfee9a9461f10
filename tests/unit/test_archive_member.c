/* test_archive_member.c - members: there and back, and nothing damaged gets by
 * [C2].
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#define ZLIB_CONST
#include <zlib.h>

#include "fx_mem.h"
#include "fx_member.h"
#include "mailsled/archive.h"
#include "mailsled/hash.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define BIG         (5U << 20)

static const struct fx_member home = { "home", "2024-02-001", 123, 1, false };
static const struct fx_member first = { "home", "2024-02-001", 1, 1, true };

/* ---- a visitor that holds what it gets against what went in ---- */

struct audit {
	const struct fx_member *member;
	const struct sled_span *messages;
	size_t count;
	size_t volumes, receipts, begun, ended;
	size_t at; /* in the message at hand */
	uint64_t tar_at;
	bool wrong;
};

static bool
on_volume(void *ctx, const struct sled_volume_info *info, struct sled_err *err)
{
	struct audit *audit = ctx;

	(void)err;
	audit->volumes++;
	audit->wrong |= strcmp(info->label, audit->member->label) != 0 ||
	                strcmp(info->volume, audit->member->volume) != 0 ||
	                audit->receipts > 0;
	return true;
}

static bool
on_receipt(void *ctx, const struct sled_receipt *receipt, struct sled_err *err)
{
	struct audit *audit = ctx;

	(void)err;
	audit->wrong |=
	    audit->begun > 0 || audit->receipts >= audit->count ||
	    receipt->number != audit->member->first + audit->receipts;
	audit->receipts++;
	return true;
}

static bool
on_begin(void *ctx, const struct sled_receipt *receipt, uint64_t tar_at,
         struct sled_err *err)
{
	struct audit *audit = ctx;

	(void)err;
	audit->wrong |= audit->begun != audit->ended ||
	                audit->begun >= audit->count || tar_at % 512 != 0 ||
	                tar_at <= audit->tar_at ||
	                receipt->number != audit->member->first + audit->begun;
	audit->tar_at = tar_at;
	audit->begun++;
	audit->at = 0;
	return true;
}

static bool
on_data(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	struct audit *audit = ctx;
	const struct sled_span *message = &audit->messages[audit->begun - 1];

	(void)err;
	audit->wrong |= len == 0 || len > message->len - audit->at ||
	                memcmp(message->data + audit->at, data, len) != 0;
	audit->at += len;
	return true;
}

static bool
on_end(void *ctx, const struct sled_receipt *receipt, struct sled_err *err)
{
	struct audit *audit = ctx;

	(void)err;
	(void)receipt;
	audit->wrong |= audit->at != audit->messages[audit->begun - 1].len;
	audit->ended++;
	return true;
}

static bool
check_at(struct sled_buf *file, uint64_t at, struct audit *audit,
         struct sled_member_sum *sum, unsigned *seq, struct sled_err *err)
{
	const struct sled_member_visitor visitor = {
		audit, on_volume, on_receipt, on_begin, on_data, on_end,
	};
	struct sled_source source = fx_mem_source(file);

	*err = (struct sled_err){ 0 };
	return sled_member_check(&source, at, &visitor, sum, seq, err);
}

static void
assert_same_sum(const struct sled_member_sum *a,
                const struct sled_member_sum *b)
{
	assert_int_equal(a->length, b->length);
	assert_int_equal(a->tar_octets, b->tar_octets);
	assert_true(sled_hash_equal(&a->body_sha256, &b->body_sha256));
}

/* All of MESSAGES comes back from the member at AT, and no more. */
static void
assert_holds(struct sled_buf *file, uint64_t at, const struct fx_member *member,
             const struct sled_span *messages, size_t count,
             const struct sled_member_sum *wanted)
{
	struct sled_source source = fx_mem_source(file);
	struct audit audit = { .member = member,
		               .messages = messages,
		               .count = count };
	struct sled_member_sum sum;
	struct sled_err err;
	uint64_t length = 0;
	bool whole = false, torn = true;
	unsigned seq = 0;

	if (!check_at(file, at, &audit, &sum, &seq, &err))
		fail_msg("%s", err.text);
	assert_false(audit.wrong);
	assert_int_equal(audit.volumes, member->info ? 1 : 0);
	assert_int_equal(audit.receipts, count);
	assert_int_equal(audit.begun, count);
	assert_int_equal(audit.ended, count);
	assert_int_equal(seq, member->seq);
	assert_same_sum(&sum, wanted);
	assert_true(sled_member_peek(&source, at, &length, &whole, &err));
	assert_int_equal(length, wanted->length);
	assert_true(whole);
	assert_true(sled_member_torn(&source, at, &torn, &err));
	assert_false(torn);
	assert_true(sled_member_compare(&source, at, wanted, &err));
}

/* ---- messages ---- */

static struct sled_span
noise(size_t len)
{
	char *data = malloc(len + 1);
	uint32_t x = 12345;

	assert_non_null(data);
	for (size_t i = 0; i < len; i++) {
		x = x * 1664525 + 1013904223;
		data[i] = (char)(x >> 24);
	}
	return (struct sled_span){ data, len };
}

static void
odd_messages_come_back(void **state)
{
	static char zeros[3 * 512];
	struct sled_span random = noise(BIG);
	struct sled_span big = random, block = { zeros, 512 };
	struct sled_span messages[] = {
		{ "", 0 },
		{ "\n", 1 },
		{ "Subject: x\r\n\r\n.\r\n", 17 },
		{ "a\0b\0\0c", 6 },
		block,
		{ zeros, sizeof(zeros) },
		{ random.data, 511 },
		{ random.data, 512 },
		{ random.data, 513 },
		{ random.data, 65536 },
		{ random.data, 1024 * 1024 },
		big,
	};
	struct sled_buf file = { 0 };
	struct sled_member_sum sum[3];

	(void)state;
	sum[0] = fx_member_add(&file, &first, messages, COUNT(messages));
	sum[1] = fx_member_add(&file, &home, messages, 1);
	sum[2] = fx_member_add(&file, &home, NULL, 0);
	assert_holds(&file, 0, &first, messages, COUNT(messages), &sum[0]);
	assert_holds(&file, sum[0].length, &home, messages, 1, &sum[1]);
	assert_holds(&file, sum[0].length + sum[1].length, &home, NULL, 0,
	             &sum[2]);
	for (size_t i = 0; i < COUNT(messages); i++) {
		struct sled_member_sum one;

		file.len = 0;
		one = fx_member_add(&file, &home, &messages[i], 1);
		assert_holds(&file, 0, &home, &messages[i], 1, &one);
	}
	sled_buf_free(&file);
	free((void *)(uintptr_t)random.data);
}

struct chunks {
	struct sled_buf bytes;
	size_t calls, longest;
};

static bool
count_chunks(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	struct chunks *chunks = ctx;

	chunks->calls++;
	if (len > chunks->longest)
		chunks->longest = len;
	return sled_buf_add(&chunks->bytes, data, len, err);
}

/* Bytes given one at a time make the same member as all at once. */
static void
members_do_not_depend_on_how_data_comes(void **state)
{
	struct sled_span random = noise(200000);
	struct sled_buf whole = { 0 };
	struct chunks chunks = { .calls = 0 };
	struct sled_member *member = NULL;
	struct sled_member_sum sum[2];
	struct sled_entry entry = { "home/x.eml", random.len, FX_RECEIVED };
	struct sled_err err = { 0 };

	(void)state;
	assert_true(sled_member_begin(&member, fx_mem_sink, &whole, &err));
	assert_true(sled_member_entry(member, &entry, &err));
	assert_true(sled_member_data(member, random.data, random.len, &err));
	assert_true(sled_member_end(member, &sum[0], &err));
	sled_member_free(&member);
	assert_true(sled_member_begin(&member, count_chunks, &chunks, &err));
	assert_true(sled_member_entry(member, &entry, &err));
	for (size_t i = 0; i < random.len; i++)
		assert_true(sled_member_data(member, random.data + i, 1, &err));
	assert_true(sled_member_end(member, &sum[1], &err));
	sled_member_free(&member);
	assert_same_sum(&sum[0], &sum[1]);
	assert_int_equal(whole.len, chunks.bytes.len);
	assert_memory_equal(whole.data, chunks.bytes.data, whole.len);
	assert_in_range(chunks.longest, 1000, 65536);
	assert_in_range(chunks.calls, 4, 7);
	sled_buf_free(&whole);
	sled_buf_free(&chunks.bytes);
	free((void *)(uintptr_t)random.data);
}

/* ---- what is refused ---- */

static void
refused_entry(const char *name, uint64_t size, int64_t mtime)
{
	struct sled_entry entry = { .size = size, .mtime = mtime };
	struct sled_member *member = NULL;
	struct sled_member_sum sum;
	struct sled_buf out = { 0 };
	struct sled_err err = { 0 };

	assert_in_range(strlen(name), 0, sizeof(entry.name));
	memcpy(entry.name, name, strlen(name));
	assert_true(sled_member_begin(&member, fx_mem_sink, &out, &err));
	if (sled_member_entry(member, &entry, &err))
		fail_msg("taken: %s", name);
	assert_int_equal(err.kind, SLED_ERR_USAGE);
	/* And that is final. */
	memcpy(entry.name, "a", 2);
	entry.size = 0;
	entry.mtime = 0;
	assert_false(sled_member_entry(member, &entry, &err));
	assert_false(sled_member_end(member, &sum, &err));
	sled_member_free(&member);
	sled_buf_free(&out);
}

static void
entries_that_ustar_cannot_hold_are_refused(void **state)
{
	static const char *const names[] = {
		"",     "/a",  "a/",  "a//b",  "../a",
		"a/..", "./a", "a b", "a\x7f", "\xc3\xa9",
	};
	char name[SLED_ENTRY_NAME + 1];

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		refused_entry(names[i], 1, 1);
	memset(name, 'n', sizeof(name));
	name[SLED_ENTRY_NAME] = '\0';
	refused_entry(name, 1, 1);
	refused_entry("a", 1, -1);
	refused_entry("a", 1, 077777777777 + 1LL);
	refused_entry("a", 077777777777 + 1ULL, 1);
}

static void
a_name_of_100_bytes_is_taken(void **state)
{
	struct sled_member *member = NULL;
	struct sled_member_sum sum;
	struct sled_entry entry = { .size = 0 };
	struct sled_buf out = { 0 };
	struct sled_err err = { 0 };

	(void)state;
	memset(entry.name, 'n', 100);
	assert_true(sled_member_begin(&member, fx_mem_sink, &out, &err));
	assert_true(sled_member_entry(member, &entry, &err));
	assert_true(sled_member_end(member, &sum, &err));
	assert_int_equal(sum.tar_octets, 512);
	sled_member_free(&member);
	sled_buf_free(&out);
}

static void
data_must_be_just_the_size(void **state)
{
	struct sled_entry entry = { "a", 3, 1 };
	struct sled_member *member = NULL;
	struct sled_member_sum sum;
	struct sled_buf out = { 0 };
	struct sled_err err = { 0 };

	(void)state;
	for (int way = 0; way < 4; way++) {
		bool ok = true;

		assert_true(
		    sled_member_begin(&member, fx_mem_sink, &out, &err));
		assert_true(sled_member_entry(member, &entry, &err));
		assert_true(sled_member_data(member, "xy", 2, &err));
		if (way == 0)
			ok = sled_member_data(member, "xy", 2, &err);
		if (way == 1)
			ok = sled_member_entry(member, &entry, &err);
		if (way == 2)
			ok = sled_member_end(member, &sum, &err);
		if (way == 3) {
			assert_true(sled_member_data(member, "z", 1, &err));
			assert_true(sled_member_end(member, &sum, &err));
			ok = sled_member_end(member, &sum, &err);
		}
		assert_false(ok);
		assert_int_equal(err.kind, SLED_ERR_USAGE);
		sled_member_free(&member);
	}
	sled_buf_free(&out);
}

struct leaky {
	size_t left;
	unsigned failures;
};

static bool
full_sink(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	struct leaky *leaky = ctx;

	(void)data;
	if (len > leaky->left) {
		leaky->failures++;
		return sled_fail(err, SLED_ERR_PLACE, "full");
	}
	leaky->left -= len;
	return true;
}

static bool
build_noise(struct sled_member *member, struct sled_span random,
            struct sled_err *err)
{
	struct sled_entry entry = { "home/x.eml", random.len, FX_RECEIVED };
	struct sled_member_sum sum;

	return sled_member_entry(member, &entry, err) &&
	       sled_member_data(member, random.data, random.len, err) &&
	       sled_member_end(member, &sum, err);
}

/* A full disk at every chunk: reported as it is, once asked for, once told. */
static void
a_failed_sink_is_final(void **state)
{
	struct sled_span random = noise(300000);

	(void)state;
	for (size_t room = 0; room < 300000; room += 50000) {
		struct leaky leaky = { room, 0 };
		struct sled_member *member = NULL;
		struct sled_err err = { 0 };

		if (sled_member_begin(&member, full_sink, &leaky, &err)) {
			assert_false(build_noise(member, random, &err));
			assert_false(build_noise(member, random, &err));
		}
		assert_int_equal(err.kind, SLED_ERR_PLACE);
		assert_int_equal(leaky.failures, 1);
		sled_member_free(&member);
	}
	free((void *)(uintptr_t)random.data);
}

/* ---- damage ---- */

static const struct sled_span small[] = {
	{ "Subject: one\r\n\r\nfirst\r\n", 23 },
	{ "Subject: two\r\n\r\nsecond, which is longer\r\n", 41 },
};

static void
every_changed_byte_is_found(void **state)
{
	struct sled_buf file = { 0 };
	struct sled_member_sum wanted, sum;
	unsigned lived = 0, tried = 0, seq;

	(void)state;
	wanted = fx_member_add(&file, &first, small, COUNT(small));
	for (size_t i = 0; i < file.len; i++) {
		for (int how = 0; how < 9; how++) {
			struct sled_source source = fx_mem_source(&file);
			struct audit audit = { .member = &first,
				               .messages = small,
				               .count = COUNT(small) };
			char mask = (char)(how == 8 ? 0xff : 1 << how);
			struct sled_err err = { 0 };

			file.data[i] ^= mask;
			tried++;
			assert_false(
			    sled_member_compare(&source, 0, &wanted, &err));
			assert_int_equal(err.kind, SLED_ERR_DAMAGED);
			if (check_at(&file, 0, &audit, &sum, &seq, &err)) {
				/* Deflate said the same in another way. */
				lived++;
				assert_false(audit.wrong);
				assert_int_equal(audit.ended, COUNT(small));
				assert_false(sled_hash_equal(
				    &sum.body_sha256, &wanted.body_sha256));
				assert_true(how < 8 && i >= SLED_MEMBER_HEAD);
			} else {
				assert_int_equal(err.kind, SLED_ERR_DAMAGED);
			}
			file.data[i] ^= mask;
		}
	}
	assert_true(tried > 9 * 400);
	assert_true(lived < tried / 50);
	assert_holds(&file, 0, &first, small, COUNT(small), &wanted);
	sled_buf_free(&file);
}

static void
every_cut_is_found(void **state)
{
	struct sled_buf file = { 0 };
	struct sled_member_sum wanted, sum;
	size_t len;
	unsigned seq;

	(void)state;
	wanted = fx_member_add(&file, &first, small, COUNT(small));
	len = file.len;
	for (file.len = 0; file.len < len; file.len++) {
		struct sled_source source = fx_mem_source(&file);
		struct sled_err err = { 0 };
		uint64_t length = 0;
		bool whole = true, torn = false;

		assert_true(sled_member_torn(&source, 0, &torn, &err));
		assert_true(torn);
		assert_false(
		    sled_member_check(&source, 0, NULL, &sum, &seq, &err));
		assert_int_equal(err.kind, SLED_ERR_DAMAGED);
		assert_false(sled_member_compare(&source, 0, &wanted, &err));
		assert_int_equal(err.kind, SLED_ERR_DAMAGED);
		if (sled_member_peek(&source, 0, &length, &whole, &err)) {
			assert_false(whole);
			assert_int_equal(length, len);
		} else {
			assert_in_range(file.len, 0, SLED_MEMBER_HEAD - 1);
		}
		/* A file that got shorter behind our back. */
		source.size = len;
		assert_false(
		    sled_member_check(&source, 0, NULL, &sum, &seq, &err));
		assert_int_equal(err.kind, SLED_ERR_DAMAGED);
	}
	assert_holds(&file, 0, &first, small, COUNT(small), &wanted);
	sled_buf_free(&file);
}

/* The length must be that of the stream, to the byte. */
static void
a_length_that_is_not_the_streams_is_damaged(void **state)
{
	static const uint64_t lengths[] = {
		0, 1, 24, 33, 34, UINT64_MAX, UINT64_MAX - 23, 1ULL << 63,
	};
	struct sled_buf file = { 0 };
	struct sled_member_sum one, sum;
	struct sled_source source;
	struct sled_err err = { 0 };
	unsigned seq;

	(void)state;
	one = fx_member_add(&file, &home, small, 1);
	(void)fx_member_add(&file, &home, small, 2);
	source = fx_mem_source(&file);
	for (uint64_t length = 0; length <= file.len; length++) {
		if (length == one.length)
			continue;
		fx_header_put(&file, 0, length);
		assert_false(
		    sled_member_check(&source, 0, NULL, &sum, &seq, &err));
		assert_int_equal(err.kind, SLED_ERR_DAMAGED);
	}
	for (size_t i = 0; i < COUNT(lengths); i++) {
		fx_header_put(&file, 0, lengths[i]);
		assert_false(
		    sled_member_check(&source, 0, NULL, &sum, &seq, &err));
		assert_int_equal(err.kind, SLED_ERR_DAMAGED);
	}
	fx_header_put(&file, 0, one.length);
	assert_true(sled_member_check(&source, 0, NULL, &sum, &seq, &err));
	/* At the end, and beyond it, there is no member. */
	assert_false(
	    sled_member_check(&source, file.len, NULL, &sum, &seq, &err));
	assert_false(
	    sled_member_check(&source, UINT64_MAX, NULL, &sum, &seq, &err));
	sled_buf_free(&file);
}

/* The stream ends early, and the trailer is where the length says. */
static void
bytes_between_stream_and_trailer_are_damaged(void **state)
{
	static const size_t gaps[] = { 1, 8, 65536, 200000 };

	(void)state;
	for (size_t i = 0; i < COUNT(gaps); i++) {
		struct sled_buf file = { 0 }, junk = { 0 };
		struct sled_member_sum sum =
		    fx_member_add(&file, &home, small, COUNT(small));
		struct sled_source source;
		struct sled_err err = { 0 };
		char trailer[8];
		unsigned seq;

		memcpy(trailer, file.data + file.len - 8, 8);
		assert_true(sled_buf_reserve(&junk, gaps[i], &err));
		memset(junk.data, 0, gaps[i]);
		file.len -= 8;
		assert_true(sled_buf_add(&file, junk.data, gaps[i], &err) &&
		            sled_buf_add(&file, trailer, 8, &err));
		fx_header_put(&file, 0, sum.length + gaps[i]);
		source = fx_mem_source(&file);
		assert_false(
		    sled_member_check(&source, 0, NULL, &sum, &seq, &err));
		assert_int_equal(err.kind, SLED_ERR_DAMAGED);
		sled_buf_free(&file);
		sled_buf_free(&junk);
	}
}

/* ---- gzip right, tar wrong ---- */

static void
unpack_tar(const struct sled_buf *file, uint8_t *tar, size_t len)
{
	z_stream z = { .next_in =
		           (const uint8_t *)file->data + SLED_MEMBER_HEAD,
		       .avail_in = (uInt)file->len - SLED_MEMBER_HEAD,
		       .next_out = tar,
		       .avail_out = (uInt)len };

	assert_int_equal(inflateInit2(&z, -15), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.avail_out, 0);
	assert_int_equal(inflateEnd(&z), Z_OK);
}

/* TAR in one stored block, so that all but the tar holds. */
static bool
tar_is_taken(const uint8_t *tar, size_t len, const char *why)
{
	struct sled_buf file = { 0 };
	struct sled_source source;
	struct sled_member_sum sum;
	struct sled_err err = { 0 };
	uint8_t head[SLED_MEMBER_HEAD], block[5] = { 1 }, tail[8];
	uint64_t crc = crc32_z(0, tar, len);
	unsigned seq;
	bool ok;

	assert_in_range(len, 1, 65535);
	for (int i = 0; i < 4; i++) {
		tail[i] = (uint8_t)(crc >> 8 * i);
		tail[4 + i] = (uint8_t)(len >> 8 * i);
		block[1 + i] =
		    (uint8_t)((len ^ (i < 2 ? 0 : 0xffff)) >> 8 * (i % 2));
	}
	sled_member_header(head, sizeof(head) + 5 + len + 8);
	assert_true(sled_buf_add(&file, head, sizeof(head), &err) &&
	            sled_buf_add(&file, block, sizeof(block), &err) &&
	            sled_buf_add(&file, tar, len, &err) &&
	            sled_buf_add(&file, tail, sizeof(tail), &err));
	source = fx_mem_source(&file);
	ok = sled_member_check(&source, 0, NULL, &sum, &seq, &err);
	if (!ok) {
		assert_int_equal(err.kind, SLED_ERR_DAMAGED);
		if (strstr(err.text, why) == NULL)
			fail_msg("not \"%s\" but: %s", why, err.text);
	}
	sled_buf_free(&file);
	return ok;
}

static void
mend_checksum(uint8_t *header)
{
	unsigned sum = 8 * ' ';

	for (int i = 0; i < 512; i++)
		if (i < 148 || i >= 156)
			sum += header[i];
	(void)snprintf((char *)header + 148, 7, "%06o", sum);
}

/* Every octet of a message's entry, its padding too, with a CRC that holds. */
static void
every_changed_byte_of_an_entry_is_found(void **state)
{
	struct sled_buf file = { 0 };
	struct sled_member_sum sum;
	uint8_t *tar, header[512];
	size_t at;

	(void)state;
	sum = fx_member_add(&file, &home, small, COUNT(small));
	tar = malloc(sum.tar_octets);
	assert_non_null(tar);
	unpack_tar(&file, tar, sum.tar_octets);
	assert_true(tar_is_taken(tar, sum.tar_octets, ""));
	at = sum.tar_octets - 1024; /* the last message's header */
	for (size_t i = at; i < sum.tar_octets; i++) {
		tar[i] ^= 1;
		assert_false(tar_is_taken(tar, sum.tar_octets, ""));
		tar[i] ^= 1;
	}
	memcpy(header, tar + at, sizeof(header));
	for (size_t i = 0; i < sizeof(header); i++) {
		bool mtime = i >= 136 && i < 147;

		if (i >= 148 && i < 156)
			continue;
		tar[at + i] ^= 1;
		mend_checksum(tar + at);
		if (tar_is_taken(tar, sum.tar_octets, "") != mtime)
			fail_msg("header octet %zu", i);
		memcpy(tar + at, header, sizeof(header));
	}
	for (size_t len = at - 512; len < sum.tar_octets; len++)
		assert_false(tar_is_taken(tar, len, ""));
	free(tar);
	sled_buf_free(&file);
}

/* What stands behind end blocks would be hidden from tar: never taken. */
static void
zero_blocks_are_for_the_end_member_only(void **state)
{
	struct sled_buf file = { 0 };
	struct sled_member_sum sum;
	uint8_t *tar;

	(void)state;
	sum = fx_member_add(&file, &home, small, COUNT(small));
	tar = calloc(1, sum.tar_octets + 2048);
	assert_non_null(tar);
	unpack_tar(&file, tar, sum.tar_octets);
	for (size_t zeros = 512; zeros <= 2048; zeros += 512) {
		assert_false(tar_is_taken(tar, sum.tar_octets + zeros,
		                          "tar: no header"));
		assert_false(
		    tar_is_taken(tar + sum.tar_octets, zeros, "no end member"));
	}
	memmove(tar + 1024, tar, sum.tar_octets);
	memset(tar, 0, 1024);
	assert_false(tar_is_taken(tar, sum.tar_octets + 1024, "no end member"));
	free(tar);
	sled_buf_free(&file);
}

/* ---- whole gzip members whose contents are wrong ---- */

struct made_up {
	const char *name;
	struct sled_span data;
};

static void
assert_refused(const struct made_up *entries, size_t count, const char *why)
{
	struct sled_buf file = { 0 };
	struct sled_member *member = NULL;
	struct sled_member_sum sum;
	struct sled_source source;
	struct sled_err err = { 0 };
	unsigned seq;

	assert_true(sled_member_begin(&member, fx_mem_sink, &file, &err));
	for (size_t i = 0; i < count; i++)
		fx_entry_add(member, entries[i].name, entries[i].data);
	assert_true(sled_member_end(member, &sum, &err));
	sled_member_free(&member);
	fx_header_put(&file, 0, sum.length);
	source = fx_mem_source(&file);
	assert_false(sled_member_check(&source, 0, NULL, &sum, &seq, &err));
	assert_int_equal(err.kind, SLED_ERR_DAMAGED);
	if (strstr(err.text, why) == NULL)
		fail_msg("not \"%s\" but: %s", why, err.text);
	sled_buf_free(&file);
}

static struct sled_span
receipts_of(struct sled_buf *text, const struct sled_receipt *list,
            size_t count)
{
	struct sled_err err = { 0 };

	text->len = 0;
	assert_true(sled_receipts_head(text, &err));
	for (size_t i = 0; i < count; i++)
		assert_true(sled_receipts_add(text, &list[i], &err));
	return sled_buf_span(text);
}

static void
contents_that_receipts_do_not_prove_are_damaged(void **state)
{
	static const char rname[] = "mailsled/home/2024-02-001/receipts-000123"
				    ".tsv";
	struct sled_receipt two[2] = { fx_receipt(&home, 0, small[0]),
		                       fx_receipt(&home, 1, small[1]) };
	struct sled_receipt same[2] = { two[0], two[0] };
	struct sled_receipt bad;
	struct sled_buf text = { 0 };
	struct sled_span both = receipts_of(&text, two, 2);
	struct sled_span short_by_one = { small[1].data, small[1].len - 1 };
	struct sled_span other = { "Subject: one\r\n\r\nfirsT\r\n", 23 };
	struct made_up missing[] = { { rname, both },
		                     { two[0].entry, small[0] } };
	struct made_up twice[] = { { rname, both },
		                   { two[0].entry, small[0] },
		                   { two[0].entry, small[0] } };
	struct made_up unknown[] = { { rname, both }, { "home/x", small[0] } };
	struct made_up size[] = { { rname, both },
		                  { two[1].entry, short_by_one } };
	struct made_up hash[] = { { rname, both }, { two[0].entry, other } };
	struct made_up late[] = { { two[0].entry, small[0] }, { rname, both } };
	struct made_up empty[] = { { rname, { "", 0 } } };
	struct made_up lone = { rname, { NULL, 0 } };
	struct made_up volume = { "mailsled/home/2024-02-001/VOLUME.txt",
		                  { "format: 1\n", 10 } };

	(void)state;
	assert_refused(missing, COUNT(missing), "1 messages for 2 receipts");
	assert_refused(twice, COUNT(twice), "twice");
	assert_refused(unknown, COUNT(unknown), "no receipt for home/x");
	assert_refused(size, COUNT(size), "size is wrong");
	assert_refused(hash, COUNT(hash), "SHA-256 is wrong");
	assert_refused(late, COUNT(late), "no receipts, but");
	assert_refused(empty, COUNT(empty), "unknown header line");
	assert_refused(NULL, 0, "no receipts");
	assert_refused(&volume, 1, "no account line");
	lone.data = receipts_of(&text, same, 2);
	assert_refused(&lone, 1, "two receipts for");
	bad = two[0];
	bad.entry[0] = 'x';
	lone.data = receipts_of(&text, &bad, 1);
	assert_refused(&lone, 1, "another account");
	lone.data = receipts_of(&text, NULL, 0);
	lone.name = "mailsled/home/2024-02-001/receipts-123.tsv";
	assert_refused(&lone, 1, "no receipts, but");
	lone.name = "mailsled/home/2024-02-001/receipts-000000.tsv";
	assert_refused(&lone, 1, "no receipts, but");
	sled_buf_free(&text);
}

static void
volume_info_must_be_that_of_its_place(void **state)
{
	struct sled_volume_info info = { .label = "home",
		                         .volume = "2024-02-001" };
	struct sled_err err = { 0 };
	struct sled_buf text = { 0 }, receipts = { 0 };
	struct made_up entries[2];

	(void)state;
	assert_true(sled_volume_info_format(&text, &info, &err));
	entries[0].name = "mailsled/home/2024-02-002/VOLUME.txt";
	entries[0].data = sled_buf_span(&text);
	entries[1].name = "mailsled/home/2024-02-002/receipts-000001.tsv";
	entries[1].data = receipts_of(&receipts, NULL, 0);
	assert_refused(entries, 2, "VOLUME.txt is that of");
	entries[0].name = "mailsled/home/2024-02-001/VOLUME.txt";
	assert_refused(entries, 2, "no receipts, but");
	assert_refused(entries, 1, "no receipts");
	sled_buf_free(&text);
	sled_buf_free(&receipts);
}

static void
receipts_above_16_mib_are_refused(void **state)
{
	struct sled_span huge = noise(SLED_RECEIPTS_MAX + 1);
	struct made_up entry = {
		"mailsled/home/2024-02-001/receipts-000001.tsv", huge
	};

	(void)state;
	assert_refused(&entry, 1, "too large");
	free((void *)(uintptr_t)huge.data);
}

/* ---- visitors and the end ---- */

static bool
refuse_receipt(void *ctx, const struct sled_receipt *receipt,
               struct sled_err *err)
{
	(void)ctx;
	(void)receipt;
	return sled_fail(err, SLED_ERR_NOMEM, "visitor");
}

static bool
refuse_data(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	(void)ctx;
	(void)data;
	(void)len;
	return sled_fail(err, SLED_ERR_NOMEM, "visitor");
}

static bool
broken_source(void *ctx, void *data, size_t len, uint64_t at, size_t *got,
              struct sled_err *err)
{
	(void)ctx;
	(void)data;
	(void)len;
	(void)at;
	*got = 0;
	return sled_fail(err, SLED_ERR_IO, "source");
}

static void
failures_of_others_pass_through(void **state)
{
	struct sled_member_visitor visitor = { .receipt = refuse_receipt };
	struct sled_buf file = { 0 };
	struct sled_member_sum sum;
	struct sled_source source;
	struct sled_err err = { 0 };
	unsigned seq;

	(void)state;
	(void)fx_member_add(&file, &home, small, COUNT(small));
	source = fx_mem_source(&file);
	assert_false(sled_member_check(&source, 0, &visitor, &sum, &seq, &err));
	assert_int_equal(err.kind, SLED_ERR_NOMEM);
	visitor = (struct sled_member_visitor){ .data = refuse_data };
	assert_false(sled_member_check(&source, 0, &visitor, &sum, &seq, &err));
	assert_int_equal(err.kind, SLED_ERR_NOMEM);
	assert_string_equal(err.text, "member at 0: visitor");
	source.read = broken_source;
	assert_false(sled_member_check(&source, 0, &visitor, &sum, &seq, &err));
	assert_int_equal(err.kind, SLED_ERR_IO);
	sled_buf_free(&file);
}

static void
the_end_member_is_always_the_same(void **state)
{
	static const char hex[] = "1f8b080400000000"
				  "00ff0c004d530800"
				  "2b00000000000000"
				  "63601805a360148c"
				  "5400002eafb5ef00"
				  "040000";
	char found[2 * 43 + 1];
	struct audit audit = { .member = &home };
	struct sled_buf file = { 0 };
	struct sled_member_sum sum, other;
	struct sled_err err = { 0 };
	unsigned seq = 7;
	size_t at;

	(void)state;
	(void)fx_member_add(&file, &home, small, 1);
	at = file.len;
	assert_true(sled_member_last(&file, &err));
	assert_int_equal(file.len - at, 43);
	for (size_t i = 0; i < 43; i++)
		(void)snprintf(found + 2 * i, 3, "%02x",
		               (unsigned char)file.data[at + i]);
	assert_string_equal(found, hex);
	assert_true(check_at(&file, at, &audit, &sum, &seq, &err));
	assert_int_equal(sum.length, 43);
	assert_int_equal(sum.tar_octets, 1024);
	assert_int_equal(seq, 0);
	assert_int_equal(audit.receipts + audit.begun, 0);
	for (size_t i = at; i < file.len; i++) {
		file.data[i] ^= 0x10;
		assert_false(check_at(&file, at, &audit, &other, &seq, &err));
		assert_int_equal(err.kind, SLED_ERR_DAMAGED);
		file.data[i] ^= 0x10;
	}
	sled_buf_free(&file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(odd_messages_come_back),
		cmocka_unit_test(members_do_not_depend_on_how_data_comes),
		cmocka_unit_test(entries_that_ustar_cannot_hold_are_refused),
		cmocka_unit_test(a_name_of_100_bytes_is_taken),
		cmocka_unit_test(data_must_be_just_the_size),
		cmocka_unit_test(a_failed_sink_is_final),
		cmocka_unit_test(every_changed_byte_is_found),
		cmocka_unit_test(every_cut_is_found),
		cmocka_unit_test(a_length_that_is_not_the_streams_is_damaged),
		cmocka_unit_test(bytes_between_stream_and_trailer_are_damaged),
		cmocka_unit_test(every_changed_byte_of_an_entry_is_found),
		cmocka_unit_test(zero_blocks_are_for_the_end_member_only),
		cmocka_unit_test(
		    contents_that_receipts_do_not_prove_are_damaged),
		cmocka_unit_test(volume_info_must_be_that_of_its_place),
		cmocka_unit_test(receipts_above_16_mib_are_refused),
		cmocka_unit_test(failures_of_others_pass_through),
		cmocka_unit_test(the_end_member_is_always_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
