/* test_archive_names.c - names, receipts and VOLUME.txt: there and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mailsled/archive.h"
#include "mailsled/text.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static void
volume_names_come_back(void **state)
{
	static const unsigned seqs[] = { 1, 9, 999, 1000, 9999999 };
	char name[SLED_VOLUME_NAME], file[SLED_VOLUME_FILE];
	char back[SLED_VOLUME_NAME];

	(void)state;
	sled_volume_name(name, 12 * 2026 + 10, 1);
	assert_string_equal(name, "2026-11-001");
	for (int month = 12 * 1999; month < 12 * 2040; month += 5)
		for (size_t i = 0; i < COUNT(seqs); i++) {
			int month_back = 0;
			unsigned seq_back = 0;
			unsigned revision = 7;
			bool open = false;

			sled_volume_name(name, month, seqs[i]);
			assert_true(sled_volume_name_parse(name, &month_back,
			                                   &seq_back));
			assert_int_equal(month_back, month);
			assert_int_equal(seq_back, seqs[i]);
			sled_volume_file(file, name, true);
			assert_true(sled_volume_file_parse(file, back, &open,
			                                   &revision));
			assert_string_equal(back, name);
			assert_true(open);
			sled_volume_file(file, name, false);
			assert_true(sled_volume_file_parse(file, back, &open,
			                                   &revision));
			assert_string_equal(back, name);
			assert_false(open);
			assert_int_equal(revision, 0);
			sled_volume_sealed_file(file, name, 12);
			assert_true(sled_volume_file_parse(file, back, &open,
			                                   &revision));
			assert_string_equal(back, name);
			assert_false(open);
			assert_int_equal(revision, 12);
		}
}

static void
other_files_are_no_volumes(void **state)
{
	static const char *const files[] = {
		"",
		".",
		".tar.gz",
		"2026-11-001",
		"2026-11-001.tar",
		"2026-11-01.tar.gz",
		"2026-11-000.tar.gz",
		"2026-13-001.tar.gz",
		"2026-00-001.tar.gz",
		"2026-11-0001.tar.gz",
		"2026-11-001.r0.tar.gz",
		"2026-11-001.r01.tar.gz",
		"2026-11-001.r.tar.gz",
		"2026-11-001.rx.tar.gz",
		"2026-11-001.r1",
		"2026-11-001.r1.tsv",
		"2026-11-001.r1.open.tar.gz",
		"2026-11-001.r99999999999.tar.gz",
		"2026-11-001.tar.gz.sha256",
		"2026-11-001.tar.gz.par2",
		"2026-11-001.open.tar.gz.tmp",
		"2026-11-99999999.tar.gz",
		"2026-11-0x1.tar.gz",
		"2026-11--01.tar.gz",
		" 2026-11-001.tar.gz",
		"2026/11/001.tar.gz",
		"2026-11-00111111111111111111.tar.gz",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++) {
		char name[SLED_VOLUME_NAME];
		unsigned revision;
		bool open;

		if (sled_volume_file_parse(files[i], name, &open, &revision))
			fail_msg("taken for a volume: %s", files[i]);
	}
}

static void
entry_names_say_when_which_and_what(void **state)
{
	struct sled_hash hash = { { 0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4 } };
	char name[SLED_ENTRY_NAME];

	(void)state;
	sled_entry_name(name, "home", 1795445431, 123, &hash);
	assert_string_equal(name, "home/2026/11/23/20261123T145031Z-00000123-"
	                          "deadbeef01020304.eml");
	/* The longest there can be still fits, end and all. */
	sled_entry_name(name, "abcdefghijklmnopqrstuvwxyz", 253402300799,
	                UINT64_MAX, &hash);
	assert_in_range(strlen(name), 90, 100);
	assert_string_equal(name + strlen(name) - 21, "-deadbeef01020304.eml");
	sled_receipts_name(name, "home", "2026-11-001", 123);
	assert_string_equal(name,
	                    "mailsled/home/2026-11-001/receipts-000123.tsv");
	sled_volume_info_name(name, "home", "2026-11-001");
	assert_string_equal(name, "mailsled/home/2026-11-001/VOLUME.txt");
}

/* ---- receipts ---- */

struct seen {
	struct sled_receipt list[16];
	size_t count;
};

static bool
remember(void *ctx, const struct sled_receipt *receipt, struct sled_err *err)
{
	struct seen *seen = ctx;

	(void)err;
	assert_in_range(seen->count, 0, COUNT(seen->list) - 1);
	seen->list[seen->count++] = *receipt;
	return true;
}

static struct sled_receipt
sample(const char *uid)
{
	struct sled_receipt receipt = {
		.octets = 1234,
		.listed = UINT64_MAX,
		.record = "0123456789abcdef-18446744073709551615",
		.received = 1795445431,
		.number = 7,
	};

	memset(receipt.sha256.b, 0xa5, sizeof(receipt.sha256.b));
	memcpy(receipt.uid, uid, strlen(uid) + 1);
	sled_entry_name(receipt.entry, "home", receipt.received, receipt.number,
	                &receipt.sha256);
	return receipt;
}

static void
receipts_come_back_whatever_the_uid(void **state)
{
	static const char *const uids[] = {
		"",
		"-",
		"--",
		"%",
		"%41",
		"a\tb",
		"\x7f",
		"a b\n",
		"\xff\x80",
		"1234567890123456789012345678901234567890123456789012345678901"
		"234567890",
	};
	struct sled_err err = { 0 };
	struct sled_buf text = { 0 };
	struct seen seen = { .count = 0 };

	(void)state;
	assert_true(sled_receipts_head(&text, &err));
	for (size_t i = 0; i < COUNT(uids); i++) {
		struct sled_receipt receipt = sample(uids[i]);

		receipt.flags = (unsigned)i % 4;
		assert_true(sled_receipts_add(&text, &receipt, &err));
	}
	assert_true(
	    sled_receipts_parse(sled_buf_span(&text), remember, &seen, &err));
	assert_int_equal(seen.count, COUNT(uids));
	for (size_t i = 0; i < COUNT(uids); i++) {
		struct sled_receipt wanted = sample(uids[i]);

		wanted.flags = (unsigned)i % 4;
		assert_memory_equal(&seen.list[i].sha256, &wanted.sha256,
		                    sizeof(wanted.sha256));
		assert_string_equal(seen.list[i].uid, wanted.uid);
		assert_string_equal(seen.list[i].record, wanted.record);
		assert_string_equal(seen.list[i].entry, wanted.entry);
		assert_int_equal(seen.list[i].octets, wanted.octets);
		assert_int_equal(seen.list[i].listed, wanted.listed);
		assert_int_equal(seen.list[i].received, wanted.received);
		assert_int_equal(seen.list[i].number, wanted.number);
		assert_int_equal(seen.list[i].flags, wanted.flags);
	}
	sled_buf_free(&text);
}

static void
gone_lines_come_back_without_an_entry(void **state)
{
	struct sled_receipt receipt = sample("u");
	struct sled_err err = { 0 };
	struct sled_buf text = { 0 };
	struct seen seen = { .count = 0 };

	(void)state;
	receipt.flags = SLED_RECEIPT_GONE | SLED_RECEIPT_SHORT;
	receipt.entry[0] = '\0';
	assert_true(sled_receipts_head(&text, &err));
	assert_true(sled_receipts_add(&text, &receipt, &err));
	assert_string_equal(text.data + text.len - 14, "\t-\tshort,gone\n");
	assert_true(
	    sled_receipts_parse(sled_buf_span(&text), remember, &seen, &err));
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.list[0].flags, receipt.flags);
	assert_string_equal(seen.list[0].entry, "");
	sled_buf_free(&text);
}

static void
refused_to_add(const struct sled_receipt *receipt)
{
	struct sled_err err = { 0 };
	struct sled_buf text = { 0 };

	assert_true(sled_buf_addstr(&text, "before", &err));
	assert_false(sled_receipts_add(&text, receipt, &err));
	assert_int_equal(err.kind, SLED_ERR_USAGE);
	assert_string_equal(text.data, "before");
	sled_buf_free(&text);
}

static void
receipts_that_could_not_be_read_are_not_written(void **state)
{
	struct sled_receipt receipt = sample("u");

	(void)state;
	receipt.flags = SLED_RECEIPT_GONE;
	refused_to_add(&receipt);
	receipt = sample("u");
	receipt.entry[0] = '\0';
	refused_to_add(&receipt);
	receipt = sample("u");
	receipt.flags = 8;
	refused_to_add(&receipt);
	receipt = sample("u");
	receipt.received = -1;
	refused_to_add(&receipt);
	receipt.received = 253402300800;
	refused_to_add(&receipt);
	receipt = sample("u");
	memset(receipt.uid, 'u', sizeof(receipt.uid));
	refused_to_add(&receipt);
	receipt = sample("u");
	memset(receipt.entry, 'e', sizeof(receipt.entry));
	refused_to_add(&receipt);
	receipt = sample("u");
	memcpy(receipt.entry, "../x", 5);
	refused_to_add(&receipt);
}

#define HASH "a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5"
#define WHEN "2026-11-23T14:50:31Z"

static bool
parses(const char *lines, struct sled_err *err)
{
	struct sled_buf text = { 0 };
	struct seen seen = { .count = 0 };
	bool ok;

	*err = (struct sled_err){ 0 };
	assert_true(sled_receipts_head(&text, err));
	assert_true(sled_buf_addstr(&text, lines, err));
	ok = sled_receipts_parse(sled_buf_span(&text), remember, &seen, err);
	sled_buf_free(&text);
	return ok;
}

static void
malformed_receipts_are_damaged(void **state)
{
	static const char *const lines[] = {
		"\n",
		HASH "\n",
		HASH "\t1\t1\tu\tr\t" WHEN "\t1\ta/b\t-",
		HASH "\t1\t1\tu\tr\t" WHEN "\t1\ta/b\t-\t\n",
		HASH "\t1\t1\tu\tr\t" WHEN "\t1\ta/b\n",
		HASH "\t1\t1\tu\tr\t" WHEN "\t1\ta/b\t-\r\n",
		HASH "\t1\t1\t\tr\t" WHEN "\t1\ta/b\t-\n",
		HASH "\t1\t1\tu u\tr\t" WHEN "\t1\ta/b\t-\n",
		HASH "\t1\t1\t%\tr\t" WHEN "\t1\ta/b\t-\n",
		HASH "\t1\t1\t%4\tr\t" WHEN "\t1\ta/b\t-\n",
		HASH "\t1\t1\t%00\tr\t" WHEN "\t1\ta/b\t-\n",
		HASH "\t-1\t1\tu\tr\t" WHEN "\t1\ta/b\t-\n",
		HASH "\t18446744073709551616\t1\tu\tr\t" WHEN "\t1\ta/b\t-\n",
		HASH "\t1\t1\tu\tr\t2026-11-23\t1\ta/b\t-\n",
		HASH "\t1\t1\tu\tr\t2026-1-3T4:5:6Z\t1\ta/b\t-\n",
		HASH "\t1\t1\tu\tr\t2026-02-30T04:05:06Z\t1\ta/b\t-\n",
		HASH "\t1\t1\tu\tr\t" WHEN "\t\ta/b\t-\n",
		HASH "\t1\t1\tu\tr\t" WHEN "\t1\t-\t-\n",
		HASH "\t1\t1\tu\tr\t" WHEN "\t1\t/b\t-\n",
		HASH "\t1\t1\tu\tr\t" WHEN "\t1\ta/%20\t-\n",
		HASH "\t1\t1\tu\tr\t" WHEN "\t1\ta/../b\t-\n",
		HASH "\t1\t1\tu\tr\t" WHEN "\t1\ta/b\t\n",
		HASH "\t1\t1\tu\tr\t" WHEN "\t1\ta/b\tgone\n",
		HASH "\t1\t1\tu\tr\t" WHEN "\t1\ta/b\tshort,\n",
		HASH "\t1\t1\tu\tr\t" WHEN "\t1\ta/b\tshort,short\n",
		HASH "\t1\t1\tu\tr\t" WHEN "\t1\ta/b\tlong\n",
		"x" HASH "\t1\t1\tu\tr\t" WHEN "\t1\ta/b\t-\n",
	};
	struct sled_err err = { 0 };

	(void)state;
	assert_true(parses("", &err));
	assert_true(parses(HASH "\t1\t1\tu\tr\t" WHEN "\t1\ta/b\t-\n", &err));
	for (size_t i = 0; i < COUNT(lines); i++) {
		if (parses(lines[i], &err))
			fail_msg("taken: %s", lines[i]);
		assert_int_equal(err.kind, SLED_ERR_DAMAGED);
	}
}

static void
receipts_need_their_header_line(void **state)
{
	struct sled_span empty = { "", 0 }, other = { "sha256\toctets\n", 14 };
	struct sled_err err = { 0 };
	struct seen seen = { .count = 0 };

	(void)state;
	assert_false(sled_receipts_parse(empty, remember, &seen, &err));
	assert_int_equal(err.kind, SLED_ERR_DAMAGED);
	assert_false(sled_receipts_parse(other, remember, &seen, &err));
	assert_int_equal(err.kind, SLED_ERR_DAMAGED);
}

/* ---- VOLUME.txt ---- */

static const struct sled_volume_info info_sample = {
	.label = "home",
	.server = "pop.example.org:995",
	.user = "joe %40\t\xff@example.org",
	.store = "0123456789abcdef0123456789abcdef",
	.volume = "2026-11-002",
	.before = "2026-11-001",
	.before_sha256 = { { 1, 2, 3, 0xff } },
};

static void
volume_info_comes_back(void **state)
{
	struct sled_volume_info first = info_sample, back;
	struct sled_err err = { 0 };
	struct sled_buf text = { 0 };

	(void)state;
	assert_true(sled_volume_info_format(&text, &info_sample, &err));
	assert_memory_equal(text.data, "format: 1\naccount: home\n", 24);
	assert_true(sled_volume_info_parse(sled_buf_span(&text), &back, &err));
	assert_memory_equal(&back, &info_sample, sizeof(back));

	memset(first.before, 0, sizeof(first.before));
	memset(&first.before_sha256, 0, sizeof(first.before_sha256));
	memset(first.user, 0, sizeof(first.user));
	text.len = 0;
	assert_true(sled_volume_info_format(&text, &first, &err));
	assert_true(sled_volume_info_parse(sled_buf_span(&text), &back, &err));
	assert_memory_equal(&back, &first, sizeof(back));
	sled_buf_free(&text);
}

static void
volume_info_cut_or_changed_is_damaged(void **state)
{
	struct sled_volume_info back;
	struct sled_err err = { 0 };
	struct sled_buf text = { 0 };

	(void)state;
	assert_true(sled_volume_info_format(&text, &info_sample, &err));
	for (size_t len = 0; len < text.len; len++) {
		struct sled_span cut = { text.data, len };

		err = (struct sled_err){ 0 };
		assert_false(sled_volume_info_parse(cut, &back, &err));
		assert_int_equal(err.kind, SLED_ERR_DAMAGED);
	}
	text.data[8] = '2';
	assert_false(sled_volume_info_parse(sled_buf_span(&text), &back, &err));
	text.data[8] = '1';
	assert_true(sled_buf_addstr(&text, "more: 1\n", &err));
	assert_false(sled_volume_info_parse(sled_buf_span(&text), &back, &err));
	assert_int_equal(err.kind, SLED_ERR_DAMAGED);
	sled_buf_free(&text);
}

static void
volume_info_of_bad_values_is_not_written(void **state)
{
	struct sled_volume_info info = info_sample;
	struct sled_err err = { 0 };
	struct sled_buf text = { 0 };

	(void)state;
	memcpy(info.volume, "2026-11", 8);
	assert_false(sled_volume_info_format(&text, &info, &err));
	assert_int_equal(err.kind, SLED_ERR_USAGE);
	info = info_sample;
	memcpy(info.label, "a/b", 4);
	assert_false(sled_volume_info_format(&text, &info, &err));
	info = info_sample;
	memset(info.user, 'u', sizeof(info.user));
	assert_false(sled_volume_info_format(&text, &info, &err));
	assert_int_equal(text.len, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(volume_names_come_back),
		cmocka_unit_test(other_files_are_no_volumes),
		cmocka_unit_test(entry_names_say_when_which_and_what),
		cmocka_unit_test(receipts_come_back_whatever_the_uid),
		cmocka_unit_test(gone_lines_come_back_without_an_entry),
		cmocka_unit_test(
		    receipts_that_could_not_be_read_are_not_written),
		cmocka_unit_test(malformed_receipts_are_damaged),
		cmocka_unit_test(receipts_need_their_header_line),
		cmocka_unit_test(volume_info_comes_back),
		cmocka_unit_test(volume_info_cut_or_changed_is_damaged),
		cmocka_unit_test(volume_info_of_bad_values_is_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
