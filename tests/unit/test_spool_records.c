/* test_spool_records.c - what was ended is found again, exactly; what was not
 * is never taken for mail. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fx_spool.h"
#include "fx_sys.h"
#include "fx_tmp.h"
#include "mailsled/hash.h"
#include "spool/format.h"

#define UID70                                                               \
	"7890123456789012345678901234567890123456789012345678901234567890~" \
	"!#$%&"

static const struct fx_mail small[] = {
	{ "uid-1", 10, 1 },
	{ "", 0, 2 },
	{ UID70, 300, 3 },
};
#define SMALL (sizeof(small) / sizeof(small[0]))

struct world {
	struct fx_tmp tmp;
	struct fx_sys fx;
	struct sled_err err;
	struct sled_spool *spool;
	char name[SLED_SPOOL_NAME];
};

static struct world world;

static int
set_up(void **state)
{
	memset(&world, 0, sizeof(world));
	fx_tmp_make(&world.tmp);
	fx_sys_init(&world.fx, world.tmp.path);
	*state = &world;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;
	int left;

	sled_spool_close(&w->spool);
	left = fx_sys_open_fds(&w->fx);
	fx_sys_done(&w->fx);
	fx_tmp_drop(&w->tmp);
	return left;
}

static void
create(struct world *w)
{
	assert_true(sled_spool_create(&w->spool, &w->fx.sys, w->tmp.dir,
	                              &fx_spool_owner, &w->err));
	assert_true(fx_spool_only(w->tmp.dir, w->name));
}

static void
reopen(struct world *w)
{
	struct sled_spool_owner owner;

	sled_spool_close(&w->spool);
	assert_true(sled_spool_open(&w->spool, &owner, &w->fx.sys, w->tmp.dir,
	                            w->name, &w->err));
	assert_string_equal(owner.label, fx_spool_owner.label);
	assert_string_equal(owner.server, fx_spool_owner.server);
	assert_string_equal(owner.user, fx_spool_owner.user);
}

static void
put_all(struct world *w, const struct fx_mail *mail, size_t count,
        struct sled_record *record)
{
	for (size_t i = 0; i < count; i++)
		assert_true(
		    fx_spool_put(w->spool, &mail[i], &record[i], &w->err));
}

static bool
same_record(const struct sled_record *a, const struct sled_record *b)
{
	return strcmp(a->id, b->id) == 0 && strcmp(a->uid, b->uid) == 0 &&
	       a->listed == b->listed && a->received == b->received &&
	       a->at == b->at && a->octets == b->octets &&
	       sled_hash_equal(&a->sha256, &b->sha256);
}

static void
test_ended_messages_are_found_again_exactly(void **state)
{
	static const struct fx_mail mail[] = {
		{ "uid-1", 10, 1 },
		{ "", 0, 2 },
		{ UID70, 300, 3 },
		{ "gather-less-1", 65536 - 128 - 1, 4 },
		{ "gather-exact", 65536 - 128, 5 },
		{ "gather-more-1", 65536 - 128 + 1, 6 },
		{ "two", 2 * 65536, 7 },
		{ "large", 3000000, 8 },
		{ "after", 1, 9 },
	};

	enum {
		N = sizeof(mail) / sizeof(mail[0])
	};
	struct world *w = *state;
	struct sled_record record[N];
	static struct fx_found found;

	create(w);
	put_all(w, mail, N, record);
	for (int round = 0; round < 2; round++) {
		assert_true(fx_spool_found(w->spool, &found));
		assert_int_equal(found.count, N);
		assert_int_equal(found.torn, 0);
		for (size_t i = 0; i < N; i++) {
			assert_true(same_record(&found.record[i], &record[i]));
			assert_true(
			    fx_spool_holds(w->spool, &record[i], &mail[i]));
		}
		reopen(w);
	}
}

static void
test_a_record_id_is_the_nonce_and_a_number(void **state)
{
	struct world *w = *state;
	struct sled_record record[SMALL];
	char want[SLED_RECORD_ID + SLED_SPOOL_NAME];

	create(w);
	put_all(w, small, SMALL, record);
	for (size_t i = 0; i < SMALL; i++) {
		(void)snprintf(want, sizeof(want), "home-%.16s.spool",
		               record[i].id);
		assert_string_equal(want, w->name);
		(void)snprintf(want, sizeof(want), "-%zu", i + 1);
		assert_string_equal(record[i].id + 16, want);
	}
}

/* The law of performance: no call but the one write for a small message. */
static void
test_a_small_message_costs_one_write(void **state)
{
	struct world *w = *state;
	struct sled_record record;
	unsigned before;

	create(w);
	before = fx_sys_count(&w->fx, FX_ANY);
	for (unsigned i = 0; i < 200; i++)
		assert_true(fx_spool_put(w->spool,
		                         &(struct fx_mail){ "u", 2000, i },
		                         &record, &w->err));
	assert_int_equal(fx_sys_count(&w->fx, FX_PWRITE), 1 + 200);
	assert_int_equal(fx_sys_count(&w->fx, FX_ANY), before + 200);
}

static void
test_a_spool_without_records_is_empty_not_torn(void **state)
{
	static struct fx_found found;
	struct world *w = *state;

	create(w);
	reopen(w);
	assert_true(fx_spool_found(w->spool, &found));
	assert_int_equal(found.count + found.torn, 0);
}

/* ---- cut and flipped ---- */

static char image[20000], bent[20000];

static size_t
make_image(struct world *w, struct sled_record *record)
{
	size_t len;

	create(w);
	put_all(w, small, SMALL, record);
	sled_spool_close(&w->spool);
	len = fx_tmp_read(&w->tmp, w->name, image, sizeof(image));
	assert_true(len < sizeof(image));
	return len;
}

static void
test_cut_at_each_byte_what_was_whole_before_is_found(void **state)
{
	static struct fx_found found;
	struct world *w = *state;
	struct sled_record record[SMALL];
	struct sled_spool_owner owner;
	size_t len = make_image(w, record), opened = 0;

	for (size_t cut = 0; cut <= len; cut++) {
		size_t whole = 0, edge = SPOOL_FILE_HEAD;

		fx_tmp_write(&w->tmp, w->name, image, cut);
		if (!sled_spool_open(&w->spool, &owner, &w->fx.sys, w->tmp.dir,
		                     w->name, &w->err)) {
			assert_true(cut < SPOOL_FILE_HEAD);
			assert_int_equal(w->err.kind, SLED_ERR_MISSING);
			assert_null(w->spool);
			continue;
		}
		opened++;
		while (whole < SMALL &&
		       record[whole].at + record[whole].octets + SPOOL_TAIL <=
		           cut) {
			edge = record[whole].at + record[whole].octets +
			       SPOOL_TAIL;
			whole++;
		}
		assert_true(fx_spool_found(w->spool, &found));
		assert_int_equal(found.count, whole);
		assert_int_equal(found.torn, cut > edge);
		for (size_t i = 0; i < whole; i++)
			assert_true(same_record(&found.record[i], &record[i]));
		sled_spool_close(&w->spool);
	}
	assert_int_equal(opened, len - SPOOL_FILE_HEAD + 1);
}

/* Each found record must be one that was put, bytes and all. */
static void
check_no_wrong_record(struct world *w, const struct fx_found *found,
                      const struct sled_record *record)
{
	size_t next = 0;

	for (unsigned i = 0; i < found->count; i++) {
		while (next < SMALL &&
		       !same_record(&found->record[i], &record[next]))
			next++;
		assert_true(next < SMALL);
		assert_true(
		    fx_spool_holds(w->spool, &found->record[i], &small[next]));
		next++;
	}
}

static void
test_a_flipped_byte_never_makes_a_wrong_record(void **state)
{
	static const unsigned char masks[] = { 0x01, 0x80, 0xff };
	static struct fx_found found;
	struct world *w = *state;
	struct sled_record record[SMALL];
	struct sled_spool_owner owner;
	size_t len = make_image(w, record), refused = 0, torn = 0;

	for (size_t i = 0; i < len * 3; i++) {
		size_t at = i / 3;

		memcpy(bent, image, len);
		bent[at] = (char)(bent[at] ^ masks[i % 3]);
		fx_tmp_write(&w->tmp, w->name, bent, len);
		if (!sled_spool_open(&w->spool, &owner, &w->fx.sys, w->tmp.dir,
		                     w->name, &w->err)) {
			assert_true(at < SPOOL_FILE_HEAD);
			assert_int_equal(w->err.kind, SLED_ERR_DAMAGED);
			refused++;
			continue;
		}
		assert_true(at >= SPOOL_FILE_HEAD);
		assert_true(fx_spool_found(w->spool, &found));
		assert_true(found.count < SMALL);
		assert_int_equal(found.torn, 1);
		torn++;
		check_no_wrong_record(w, &found, record);
		sled_spool_close(&w->spool);
	}
	assert_int_equal(refused, 3 * SPOOL_FILE_HEAD);
	assert_int_equal(torn, 3 * (len - SPOOL_FILE_HEAD));
}

static void
test_behind_bad_bytes_the_next_record_is_found(void **state)
{
	static struct fx_found found;
	struct world *w = *state;
	struct sled_record record[SMALL];
	size_t len = make_image(w, record);

	image[record[0].at + 3] ^= 4;
	fx_tmp_write(&w->tmp, w->name, image, len);
	reopen(w);
	assert_true(fx_spool_found(w->spool, &found));
	assert_int_equal(found.count, SMALL - 1);
	assert_int_equal(found.torn, 1);
	assert_true(same_record(&found.record[0], &record[1]));
}

/* ---- hostile mail ---- */

/* A message that carries a whole spool with two records is one message, and
 * when it is cut, none. */
static void
test_a_message_cannot_forge_a_record(void **state)
{
	static struct fx_found found;
	struct world *w = *state;
	struct sled_record record[SMALL], outer;
	size_t len = make_image(w, record);
	struct sled_sha256 *sha = NULL;
	struct sled_hash hash;
	char old[SLED_SPOOL_NAME];

	memcpy(old, w->name, sizeof(old));
	assert_int_equal(unlinkat(w->tmp.dir, old, 0), 0);
	create(w);
	assert_true(sled_sha256_new(&sha, &w->err));
	sled_sha256_add(sha, image, len);
	hash = sled_sha256_end(sha);
	sled_sha256_free(&sha);
	assert_true(sled_spool_begin(w->spool, "u", len, 0, &w->err));
	assert_true(sled_spool_append(w->spool, image, len, &w->err));
	assert_true(sled_spool_end(w->spool, &hash, &outer, &w->err));
	assert_true(fx_spool_found(w->spool, &found));
	assert_int_equal(found.count, 1);
	assert_true(same_record(&found.record[0], &outer));
	/* A file that ends inside, and one whose outer header is gone and in
	 * whose place a foreign spool's record stands. */
	sled_spool_close(&w->spool);
	assert_true(fx_tmp_read(&w->tmp, w->name, bent, sizeof(bent)) <
	            sizeof(bent));
	fx_tmp_write(&w->tmp, w->name, bent, outer.at + len);
	reopen(w);
	assert_true(fx_spool_found(w->spool, &found));
	assert_int_equal(found.count, 0);
	assert_int_equal(found.torn, 1);
	memcpy(bent + SPOOL_FILE_HEAD, image + SPOOL_FILE_HEAD,
	       len - SPOOL_FILE_HEAD);
	sled_spool_close(&w->spool);
	fx_tmp_write(&w->tmp, w->name, bent, len);
	reopen(w);
	assert_true(fx_spool_found(w->spool, &found));
	assert_int_equal(found.count, 0);
	assert_int_equal(found.torn, 1);
}

static void
test_a_hash_that_is_not_the_bytes_own_is_torn(void **state)
{
	static struct fx_found found;
	struct world *w = *state;
	struct sled_hash hash = { { 1, 2, 3 } };
	struct sled_record record;

	create(w);
	assert_true(sled_spool_begin(w->spool, "u", 1, 0, &w->err));
	assert_true(sled_spool_append(w->spool, "x", 1, &w->err));
	assert_true(sled_spool_end(w->spool, &hash, &record, &w->err));
	assert_true(fx_spool_found(w->spool, &found));
	assert_int_equal(found.count, 0);
	assert_int_equal(found.torn, 1);
}

/* Of a long one too, whose header is written before it ends. */
static void
test_what_is_alone_is_known_as_that(void **state)
{
	static const struct fx_mail other = { "other", 5, 2 };
	static const char bytes[3 * 65536];
	static struct fx_found found;
	struct world *w = *state;
	struct sled_record record;
	struct sled_sha256 *sha;
	struct sled_hash hash;

	create(w);
	assert_true(sled_sha256_new(&sha, &w->err));
	sled_sha256_add(sha, bytes, sizeof(bytes));
	hash = sled_sha256_end(sha);
	sled_sha256_free(&sha);
	assert_true(sled_spool_begin(w->spool, "u", 1, 0, &w->err));
	sled_spool_alone(w->spool);
	assert_true(sled_spool_append(w->spool, bytes, sizeof(bytes), &w->err));
	assert_true(sled_spool_end(w->spool, &hash, &record, &w->err));
	assert_true(record.alone);
	assert_true(fx_spool_put(w->spool, &other, &record, &w->err));
	assert_false(record.alone);
	assert_true(fx_spool_found(w->spool, &found));
	assert_int_equal(found.count, 2);
	assert_true(found.record[0].alone);
	assert_false(found.record[1].alone);
}

static void
test_any_bytes_are_a_unique_id_and_71_are_none(void **state)
{
	static const char *const uids[] = { "\x01\x1b[2J\x7f\xff", "a b\t%",
		                            "../../etc", UID70 };
	static struct fx_found found;
	struct world *w = *state;
	struct sled_record record;

	create(w);
	for (unsigned i = 0; i < 4; i++)
		assert_true(fx_spool_put(w->spool,
		                         &(struct fx_mail){ uids[i], 5, i },
		                         &record, &w->err));
	assert_false(sled_spool_begin(w->spool, UID70 "x", 1, 0, &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_USAGE);
	assert_true(fx_spool_put(w->spool, &small[0], &record, &w->err));
	assert_true(fx_spool_found(w->spool, &found));
	assert_int_equal(found.count, 5);
	for (unsigned i = 0; i < 4; i++)
		assert_string_equal(found.record[i].uid, uids[i]);
}

static void
test_values_of_any_size_come_back(void **state)
{
	static struct fx_found found;
	struct world *w = *state;
	struct sled_hash hash;
	struct sled_record record;
	struct sled_sha256 *sha = NULL;

	create(w);
	assert_true(sled_sha256_new(&sha, &w->err));
	hash = sled_sha256_end(sha);
	sled_sha256_free(&sha);
	assert_true(
	    sled_spool_begin(w->spool, "", UINT64_MAX, INT64_MIN, &w->err));
	assert_true(sled_spool_end(w->spool, &hash, &record, &w->err));
	assert_true(fx_spool_found(w->spool, &found));
	assert_int_equal(found.count, 1);
	assert_true(found.record[0].listed == UINT64_MAX);
	assert_true(found.record[0].received == INT64_MIN);
}

/* ---- owners and names ---- */

static void
test_a_label_that_is_no_file_name_is_refused(void **state)
{
	static const char *const bad[] = {
		"",   "../x", "a/b",   "Home",     "-a",
		".a", "a b",  "a\x1b", "\xc3\xa4", "aaaaaaaaaaaaaaaaaaaaaaaaa"
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct sled_spool_owner owner = { bad[i], "s", "u" };

		assert_false(sled_spool_create(&w->spool, &w->fx.sys,
		                               w->tmp.dir, &owner, &w->err));
		assert_int_equal(w->err.kind, SLED_ERR_USAGE);
		assert_null(strchr(w->err.text, '\x1b'));
		assert_null(w->spool);
	}
	assert_int_equal(fx_sys_count(&w->fx, FX_ANY), 0);
}

static void
test_the_longest_owner_fits_and_comes_back(void **state)
{
	static char server[SLED_OWNER_MAX + 2], user[SLED_OWNER_MAX + 1];
	struct sled_spool_owner owner = { "abcdefghijklmnopqrstu._-", server,
		                          user },
				back;
	struct world *w = *state;

	memset(server, 's', SLED_OWNER_MAX);
	memset(user, 0xff, SLED_OWNER_MAX);
	assert_true(sled_spool_create(&w->spool, &w->fx.sys, w->tmp.dir, &owner,
	                              &w->err));
	assert_true(fx_spool_only(w->tmp.dir, w->name));
	sled_spool_close(&w->spool);
	assert_true(sled_spool_open(&w->spool, &back, &w->fx.sys, w->tmp.dir,
	                            w->name, &w->err));
	assert_string_equal(back.label, owner.label);
	assert_string_equal(back.server, server);
	assert_string_equal(back.user, user);
	sled_spool_close(&w->spool);
	server[SLED_OWNER_MAX] = 's';
	assert_false(sled_spool_create(&w->spool, &w->fx.sys, w->tmp.dir,
	                               &owner, &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_USAGE);
}

static void
test_a_foreign_name_is_refused_and_shown_safely(void **state)
{
	static const char *const bad[] = {
		"../x", "a\x1b[2Jb", "",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	};
	struct sled_spool_owner owner;
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(sled_spool_open(&w->spool, &owner, &w->fx.sys,
		                             w->tmp.dir, bad[i], &w->err));
		assert_true(w->err.kind == SLED_ERR_DAMAGED ||
		            bad[i][0] == '\0');
		assert_null(strchr(w->err.text, '\x1b'));
	}
	assert_false(sled_spool_open(&w->spool, &owner, &w->fx.sys, w->tmp.dir,
	                             "home-0123456789abcdef.spool", &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_MISSING);
	create(w);
	sled_spool_close(&w->spool);
	assert_int_equal(renameat(w->tmp.dir, w->name, w->tmp.dir,
	                          "home-0123456789abcdef.spool"),
	                 0);
	assert_false(sled_spool_open(&w->spool, &owner, &w->fx.sys, w->tmp.dir,
	                             "home-0123456789abcdef.spool", &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_DAMAGED);
}

/* ---- abort, order, reading ---- */

static void
test_abort_leaves_earlier_records_whole_and_no_trace(void **state)
{
	static const struct fx_mail halves[] = { { "short", 100, 7 },
		                                 { "long", 200000, 8 } };
	static struct fx_found found;
	struct world *w = *state;
	struct sled_record record[3];
	char byte[1];

	create(w);
	assert_true(sled_spool_abort(w->spool, &w->err)); /* none begun */
	assert_true(fx_spool_put(w->spool, &small[0], &record[0], &w->err));
	for (int i = 0; i < 2; i++) {
		assert_true(fx_spool_put_half(w->spool, &halves[i], &w->err));
		assert_true(sled_spool_abort(w->spool, &w->err));
		assert_int_equal(fx_tmp_read(&w->tmp, w->name, byte, 1),
		                 record[0].at + record[0].octets + SPOOL_TAIL);
	}
	assert_true(fx_spool_put(w->spool, &small[2], &record[1], &w->err));
	assert_string_equal(record[1].id + 16, "-4"); /* no number twice */
	reopen(w);
	assert_true(fx_spool_found(w->spool, &found));
	assert_int_equal(found.count, 2);
	assert_int_equal(found.torn, 0);
	assert_true(same_record(&found.record[0], &record[0]));
	assert_true(same_record(&found.record[1], &record[1]));
}

static void
test_calls_out_of_order_are_internal_errors(void **state)
{
	struct world *w = *state;
	struct sled_hash hash = { { 0 } };
	struct sled_record record;

	create(w);
	assert_false(sled_spool_append(w->spool, "x", 1, &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_INTERNAL);
	assert_false(sled_spool_end(w->spool, &hash, &record, &w->err));
	assert_true(sled_spool_begin(w->spool, "u", 1, 0, &w->err));
	assert_false(sled_spool_begin(w->spool, "u", 1, 0, &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_INTERNAL);
	reopen(w);
	w->err.kind = SLED_ERR_NONE;
	assert_false(sled_spool_begin(w->spool, "u", 1, 0, &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_INTERNAL);
	assert_true(sled_spool_sync(w->spool, &w->err));
	sled_spool_close(&w->spool);
	sled_spool_close(&w->spool);
}

static void
test_reading_beyond_the_end_is_damage(void **state)
{
	struct world *w = *state;
	struct sled_record record;
	char data[200];

	create(w);
	assert_true(fx_spool_put(w->spool, &small[0], &record, &w->err));
	assert_true(sled_spool_read(w->spool, data, record.octets + SPOOL_TAIL,
	                            record.at, &w->err));
	assert_false(sled_spool_read(w->spool, data,
	                             record.octets + SPOOL_TAIL + 1, record.at,
	                             &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_DAMAGED);
}

static bool
refuse_second(void *ctx, const struct sled_record *record, struct sled_err *err)
{
	unsigned *calls = ctx;

	(void)record;
	return ++*calls < 2 || sled_fail(err, SLED_ERR_PLACE, "no room");
}

static void
test_a_scan_ends_when_its_caller_fails(void **state)
{
	struct world *w = *state;
	struct sled_record record[SMALL];
	unsigned calls = 0, torn = 9;

	create(w);
	put_all(w, small, SMALL, record);
	assert_false(
	    sled_spool_scan(w->spool, refuse_second, &calls, &torn, &w->err));
	assert_int_equal(calls, 2);
	assert_int_equal(torn, 0);
	assert_int_equal(w->err.kind, SLED_ERR_PLACE);
	assert_string_equal(w->err.text, "scan spool: no room");
}

/* The check value of CRC-32, and that it can be carried on with. */
static void
test_the_crc_is_that_of_gzip(void **state)
{
	(void)state;
	assert_int_equal(sled_spool_crc(0, "123456789", 9), 0xcbf43926);
	assert_int_equal(
	    sled_spool_crc(sled_spool_crc(0, "1234", 4), "56789", 5),
	    0xcbf43926);
	assert_int_equal(sled_spool_crc(0, "", 0), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ended_messages_are_found_again_exactly),
		TEST(test_a_record_id_is_the_nonce_and_a_number),
		TEST(test_a_small_message_costs_one_write),
		TEST(test_a_spool_without_records_is_empty_not_torn),
		TEST(test_cut_at_each_byte_what_was_whole_before_is_found),
		TEST(test_a_flipped_byte_never_makes_a_wrong_record),
		TEST(test_behind_bad_bytes_the_next_record_is_found),
		TEST(test_a_message_cannot_forge_a_record),
		TEST(test_a_hash_that_is_not_the_bytes_own_is_torn),
		TEST(test_what_is_alone_is_known_as_that),
		TEST(test_any_bytes_are_a_unique_id_and_71_are_none),
		TEST(test_values_of_any_size_come_back),
		TEST(test_a_label_that_is_no_file_name_is_refused),
		TEST(test_the_longest_owner_fits_and_comes_back),
		TEST(test_a_foreign_name_is_refused_and_shown_safely),
		TEST(test_abort_leaves_earlier_records_whole_and_no_trace),
		TEST(test_calls_out_of_order_are_internal_errors),
		TEST(test_reading_beyond_the_end_is_damage),
		TEST(test_a_scan_ends_when_its_caller_fails),
		TEST(test_the_crc_is_that_of_gzip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
