/* fx_member.c - see fx_member.h. */
#include "fx_member.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fx_mem.h"
#include "mailsled/hash.h"

struct sled_receipt
fx_receipt(const struct fx_member *member, size_t i, struct sled_span message)
{
	struct sled_receipt receipt = { 0 };
	struct sled_sha256 *sha = NULL;
	struct sled_err err = { 0 };

	assert_true(sled_sha256_new(&sha, &err));
	sled_sha256_add(sha, message.data, message.len);
	receipt.sha256 = sled_sha256_end(sha);
	sled_sha256_free(&sha);
	receipt.octets = message.len;
	receipt.listed = message.len + 7;
	receipt.received = FX_RECEIVED + (int64_t)i;
	receipt.number = member->first + i;
	(void)snprintf(receipt.uid, sizeof(receipt.uid), "uid-%zu", i);
	(void)snprintf(receipt.record, sizeof(receipt.record),
	               "0123456789abcdef-%zu", i);
	sled_entry_name(receipt.entry, member->label, receipt.received,
	                receipt.number, &receipt.sha256);
	return receipt;
}

void
fx_entry_add(struct sled_member *member, const char *name,
             struct sled_span data)
{
	struct sled_entry entry = { .size = data.len, .mtime = FX_RECEIVED };
	struct sled_err err = { 0 };

	assert_in_range(strlen(name), 1, sizeof(entry.name) - 1);
	memcpy(entry.name, name, strlen(name) + 1);
	assert_true(sled_member_entry(member, &entry, &err));
	assert_true(sled_member_data(member, data.data, data.len, &err));
}

void
fx_header_put(struct sled_buf *buf, size_t at, uint64_t length)
{
	uint8_t head[SLED_MEMBER_HEAD];

	assert_true(at + sizeof(head) <= buf->len);
	sled_member_header(head, length);
	memcpy(buf->data + at, head, sizeof(head));
}

static void
add_info(struct sled_member *out, const struct fx_member *member)
{
	struct sled_volume_info info = { .server = "pop.example.org",
		                         .user = "joe" };
	struct sled_err err = { 0 };
	struct sled_buf text = { 0 };
	char name[SLED_ENTRY_NAME];

	(void)snprintf(info.label, sizeof(info.label), "%s", member->label);
	(void)snprintf(info.volume, sizeof(info.volume), "%s", member->volume);
	(void)snprintf(info.store, sizeof(info.store), "%032d", 7);
	assert_true(sled_volume_info_format(&text, &info, &err));
	sled_volume_info_name(name, member->label, member->volume);
	fx_entry_add(out, name, sled_buf_span(&text));
	sled_buf_free(&text);
}

static void
add_receipts(struct sled_member *out, const struct fx_member *member,
             const struct sled_span *messages, size_t count)
{
	struct sled_err err = { 0 };
	struct sled_buf text = { 0 };
	char name[SLED_ENTRY_NAME];

	assert_true(sled_receipts_head(&text, &err));
	for (size_t i = 0; i < count; i++) {
		struct sled_receipt receipt =
		    fx_receipt(member, i, messages[i]);

		assert_true(sled_receipts_add(&text, &receipt, &err));
	}
	sled_receipts_name(name, member->label, member->volume, member->seq);
	fx_entry_add(out, name, sled_buf_span(&text));
	sled_buf_free(&text);
}

struct sled_member_sum
fx_member_add(struct sled_buf *out, const struct fx_member *member,
              const struct sled_span *messages, size_t count)
{
	struct sled_member *building = NULL;
	struct sled_member_sum sum;
	struct sled_err err = { 0 };
	size_t at = out->len;

	assert_true(sled_member_begin(&building, fx_mem_sink, out, &err));
	if (member->info)
		add_info(building, member);
	add_receipts(building, member, messages, count);
	for (size_t i = 0; i < count; i++)
		fx_entry_add(building, fx_receipt(member, i, messages[i]).entry,
		             messages[i]);
	assert_true(sled_member_end(building, &sum, &err));
	sled_member_free(&building);
	assert_int_equal(sum.length, out->len - at);
	fx_header_put(out, at, sum.length);
	return sum;
}
