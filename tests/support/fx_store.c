/* fx_store.c - see fx_store.h. */
#include "fx_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mailsled/archive.h"
#include "mailsled/file.h"
#include "mailsled/hash.h"

const struct sled_spool_owner fx_store_owner = { "home", "pop.example.org",
	                                         "ada" };

_Atomic int fx_store_busy;

/* ---- the store ---- */

static void
hear(void *ctx, const char *text)
{
	struct fx_store *w = ctx;
	struct sled_err err = { 0 };

	fx_store_busy++;
	(void)pthread_mutex_lock(&w->lock);
	assert_true(sled_buf_printf(&w->said, &err, "%s\n", text));
	(void)pthread_mutex_unlock(&w->lock);
	fx_store_busy--;
}

void
fx_store_make(struct fx_store *w, size_t copies)
{
	*w = (struct fx_store){ .now = FX_STORE_NOW };
	(void)pthread_mutex_init(&w->lock, NULL);
	fx_tmp_make(&w->tmp);
	fx_sys_init(&w->fx, w->tmp.path);
	(void)snprintf(w->path, sizeof(w->path), "%s/store", w->tmp.path);
	(void)snprintf(w->state, sizeof(w->state), "%s/state", w->tmp.path);
	for (size_t i = 0; i < copies; i++) {
		(void)snprintf(w->copy[i], sizeof(w->copy[i]), "%s/copy%zu",
		               w->tmp.path, i + 1);
		w->copies[i] = w->copy[i];
	}
	w->conf = (struct sled_store_conf){
		.path = w->path,
		.copies = w->copies,
		.copies_len = copies,
		.min_copies = (unsigned)copies + 1,
		.rotate_bytes = UINT64_MAX,
		.say = hear,
		.say_ctx = w,
	};
}

void
fx_store_drop(struct fx_store *w)
{
	sled_store_close(&w->store);
	fx_sys_done(&w->fx);
	fx_tmp_drop(&w->tmp);
	sled_buf_free(&w->said);
	(void)pthread_mutex_destroy(&w->lock);
}

bool
fx_store_try(struct fx_store *w, enum sled_store_mode mode)
{
	assert_null(w->store);
	w->err = (struct sled_err){ 0 };
	w->said.len = 0;
	return sled_store_open(&w->store, &w->fx.sys, &w->conf, mode, &w->err);
}

void
fx_store_open(struct fx_store *w)
{
	if (!fx_store_try(w, SLED_STORE_WRITE))
		fail_msg("%s (%s)", w->err.text, w->err.where);
}

void
fx_store_close(struct fx_store *w)
{
	sled_store_close(&w->store);
}

bool
fx_store_has_said(struct fx_store *w, const char *text)
{
	return w->said.len > 0 && strstr(w->said.data, text) != NULL;
}

void
fx_store_sh(struct fx_store *w, const char *fmt, ...)
{
	char command[2048];
	va_list ap;
	int len =
	    snprintf(command, sizeof(command), "cd '%s' && ", w->tmp.path);

	va_start(ap, fmt);
	(void)vsnprintf(command + len, sizeof(command) - (size_t)len, fmt, ap);
	va_end(ap);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

void
fx_store_damage(struct fx_store *w, const char *file, unsigned at)
{
	fx_store_sh(
	    w,
	    "f=$(echo %s) && chmod u+w $f && b=$(od -An -tu1 -j%u -N1 "
	    "$f) && printf \"$(printf '\\\\%%03o' $((255 - b)))\" | dd of=$f "
	    "bs=1 seek=%u conv=notrunc 2>/dev/null",
	    file, at, at);
}

size_t
fx_store_size(struct fx_store *w, const char *name)
{
	return fx_tmp_read(&w->tmp, name, NULL, 0);
}

struct sled_buf
fx_store_slurp(struct fx_store *w, const char *name)
{
	struct sled_buf out = { 0 };
	struct sled_err err = { 0 };
	size_t len = fx_store_size(w, name);

	assert_int_not_equal(len, SIZE_MAX);
	assert_true(sled_buf_reserve(&out, len, &err));
	assert_int_equal(fx_tmp_read(&w->tmp, name, out.data, len), len);
	out.len = len;
	out.data[len] = '\0';
	return out;
}

/* ---- mail ---- */

void
fx_store_bytes(struct sled_buf *out, const struct fx_mail *mail)
{
	struct sled_err err = { 0 };

	fx_store_busy++;
	assert_true(sled_buf_printf(
	    out, &err,
	    "From: Sender %u <s%u@example.org>\r\n"
	    "Subject: letter %u\r\n"
	    "Date: Mon, 23 Nov 2026 14:%02u:00 +0000\r\n"
	    "Message-ID: <%u@example.org>\r\n\r\n",
	    mail->seed, mail->seed, mail->seed, mail->seed % 60, mail->seed));
	assert_true(sled_buf_reserve(out, mail->len, &err));
	fx_mail_bytes(out->data + out->len, mail);
	out->len += mail->len;
	out->data[out->len] = '\0';
	fx_store_busy--;
}

static struct sled_hash
hash_of(struct sled_span bytes)
{
	struct sled_sha256 *sha = NULL;
	struct sled_err err = { 0 };
	struct sled_hash hash;

	assert_true(sled_sha256_new(&sha, &err));
	sled_sha256_add(sha, bytes.data, bytes.len);
	hash = sled_sha256_end(sha);
	sled_sha256_free(&sha);
	return hash;
}

struct sled_hash
fx_store_hash(const struct fx_mail *mail)
{
	struct sled_buf bytes = { 0 };
	struct sled_hash hash;

	fx_store_busy++;
	fx_store_bytes(&bytes, mail);
	hash = hash_of(sled_buf_span(&bytes));
	sled_buf_free(&bytes);
	fx_store_busy--;
	return hash;
}

/* ---- a visit ---- */

static bool
list(struct fx_visit *v)
{
	if (!sled_listing_new(&v->listing, v->len, &v->err))
		return false;
	for (size_t i = 0; i < v->len; i++) {
		struct sled_buf bytes = { 0 };
		const char *uid = v->mails[i].uid;
		bool ok;

		fx_store_bytes(&bytes, &v->mails[i]);
		ok = sled_listing_size(&v->listing, (uint32_t)i + 1, bytes.len,
		                       &v->err) &&
		     (uid == NULL ||
		      sled_listing_uid(&v->listing, (uint32_t)i + 1,
		                       (struct sled_span){ uid, strlen(uid) },
		                       &v->err));
		sled_buf_free(&bytes);
		if (!ok)
			return false;
	}
	return true;
}

/* TOP n 0: the header and the empty line. */
bool
fx_visit_prove(struct fx_visit *v, size_t item)
{
	struct sled_intake *intake = NULL;
	struct sled_buf bytes = { 0 };
	struct sled_digest top;
	char *end;
	bool ok;

	fx_store_busy++;
	fx_store_bytes(&bytes, &v->mails[item]);
	end = memmem(bytes.data, bytes.len, "\r\n\r\n", 4);
	assert_non_null(end);
	bytes.len = (size_t)(end - bytes.data) + 4;
	assert_true(sled_intake_new(&intake, &v->err));
	sled_intake_begin(intake);
	assert_true(sled_intake_feed(intake, sled_buf_span(&bytes), &v->err));
	top = sled_intake_end(intake);
	fx_store_busy--;
	ok = sled_box_proof(v->box, item, &top, v->w->now, &v->err);
	sled_intake_free(&intake);
	sled_buf_free(&bytes);
	return ok;
}

bool
fx_visit_begin(struct fx_visit *v, struct fx_store *w,
               const struct fx_mail *mails, size_t len)
{
	*v = (struct fx_visit){ .w = w, .mails = mails, .len = len };
	assert_true(len <= FX_STORE_MAILS);
	if (!list(v) ||
	    !sled_box_open(&v->box, w->store, &fx_store_owner, w->now,
	                   &v->err) ||
	    !sled_box_listed(v->box, &v->listing, INT64_MAX, w->now, &v->err))
		return false;
	for (size_t i = 0; i < len; i++)
		if (v->listing.items[i].verdict == SLED_ITEM_PROVE &&
		    !fx_visit_prove(v, i))
			return false;
	for (size_t i = 0; i < len; i++)
		v->verdict[i] = v->listing.items[i].verdict;
	return true;
}

static bool
feed(struct fx_visit *v, struct sled_span bytes)
{
	size_t piece = 1;

	while (bytes.len > 0) {
		size_t n = bytes.len < piece ? bytes.len : piece;

		if (!sled_box_data(v->box, (struct sled_span){ bytes.data, n },
		                   &v->err))
			return false;
		bytes.data += n;
		bytes.len -= n;
		piece = piece * 5 % 65537;
	}
	return true;
}

bool
fx_visit_fetch_one(struct fx_visit *v, size_t item)
{
	struct sled_buf bytes = { 0 };
	bool ok;

	fx_store_bytes(&bytes, &v->mails[item]);
	ok = sled_box_begin(v->box, item, v->w->now, &v->err) &&
	     feed(v, sled_buf_span(&bytes)) && sled_box_end(v->box, &v->err);
	if (!ok)
		sled_box_cancel(v->box);
	sled_buf_free(&bytes);
	v->whole[item] = ok;
	v->fetched += ok;
	return ok;
}

bool
fx_visit_fetch(struct fx_visit *v, size_t group)
{
	for (size_t i = 0, n = 0; i < v->len; i++) {
		if (v->listing.items[i].verdict != SLED_ITEM_NEW)
			continue;
		if (!fx_visit_fetch_one(v, i))
			return false;
		if (++n % group == 0 && !fx_visit_commit(v, true))
			return false;
	}
	return true;
}

bool
fx_visit_commit(struct fx_visit *v, bool flush)
{
	if (!sled_box_commit_take(v->box, flush))
		return true;
	sled_box_commit(v->box);
	return sled_box_commit_apply(v->box, &v->err);
}

bool
fx_visit_count(struct fx_visit *v)
{
	bool ok = sled_box_recheck_take(v->box, &v->err);

	if (ok) {
		sled_box_recheck(v->box, v->w->now);
		ok = sled_box_recheck_apply(v->box, &v->err);
	}
	for (size_t i = 0; i < v->len; i++)
		v->may[i] = sled_box_may_delete(v->box, i);
	return ok;
}

bool
fx_visit_delete(struct fx_visit *v)
{
	if (!sled_box_dele_sent(v->box, v->w->now, &v->err))
		return false;
	for (size_t i = 0; i < v->len; i++)
		if (sled_box_may_delete(v->box, i)) {
			v->listing.items[i].flags |= SLED_ITEM_DELE;
			v->deleted++;
		}
	return sled_box_gone(v->box, v->w->now, &v->err);
}

bool
fx_visit_end(struct fx_visit *v, bool note)
{
	struct sled_visit_row row = { .began = v->w->now,
		                      .listed = v->len,
		                      .fetched = v->fetched,
		                      .deleted = v->deleted };
	struct sled_err err = { 0 };
	bool ok;

	(void)snprintf(row.error, sizeof(row.error), "%s", v->err.text);
	ok = sled_box_close(&v->box, note ? &row : NULL, &err);
	if (!ok && v->err.kind == SLED_ERR_NONE)
		v->err = err;
	sled_listing_free(&v->listing);
	return ok;
}

bool
fx_visit_run(struct fx_visit *v, struct fx_store *w,
             const struct fx_mail *mails, size_t len, size_t group,
             bool deleting)
{
	bool ok = fx_visit_begin(v, w, mails, len);

	ok = ok && fx_visit_fetch(v, group);
	if (v->box != NULL && v->listing.items != NULL &&
	    v->err.kind == SLED_ERR_NONE)
		ok = fx_visit_commit(v, true) && ok;
	if (ok)
		ok = fx_visit_count(v) && (!deleting || fx_visit_delete(v));
	return fx_visit_end(v, true) && ok;
}

/* ---- mail that no visit brings ---- */

const struct sled_spool_owner fx_import_owner = { "home", SLED_IMPORTED,
	                                          "home" };

bool
fx_store_import_one(struct fx_store *w, struct sled_import *import,
                    const struct fx_mail *mail)
{
	struct sled_buf bytes = { 0 };
	struct sled_incoming incoming = { .sha256 = fx_store_hash(mail),
		                          .received = FX_STORE_NOW - 86400 };
	bool wanted = false, ok;

	fx_store_bytes(&bytes, mail);
	incoming.octets = incoming.listed = bytes.len;
	ok = sled_import_begin(import, &incoming, &wanted, &w->err);
	if (ok && wanted)
		ok = sled_import_data(import,
		                      (struct sled_span){ bytes.data, 7 },
		                      &w->err) &&
		     sled_import_data(
			 import,
			 (struct sled_span){ bytes.data + 7, bytes.len - 7 },
			 &w->err) &&
		     sled_import_end(import, &w->err);
	sled_buf_free(&bytes);
	return ok;
}

bool
fx_store_import(struct fx_store *w, const struct fx_mail *mails, size_t len,
                struct sled_import_sums *sums)
{
	const struct sled_spool_owner other = { "home", SLED_IMPORTED, "b" };
	struct sled_import *import = NULL;
	struct sled_import_sums ignored;
	bool ok = sled_import_open(&import, w->store, &w->err);

	for (size_t i = 0; ok && i < len; i++) {
		/* Another maildrop's turn commits what is there. */
		if (i == len / 2)
			ok = sled_import_whose(import, &other, &w->err);
		ok = ok &&
		     sled_import_whose(import, &fx_import_owner, &w->err) &&
		     fx_store_import_one(w, import, &mails[i]);
	}
	return sled_import_close(&import, ok, sums != NULL ? sums : &ignored,
	                         &w->err) &&
	       ok;
}

/* ---- promises ---- */

static bool
count_row(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	(void)row;
	(void)err;
	++*(size_t *)ctx;
	return true;
}

struct look {
	struct sled_hash hash;
	size_t count;
};

static bool
same_hash(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	struct look *look = ctx;

	(void)err;
	look->count += sled_hash_equal(&row->sha256, &look->hash);
	return true;
}

size_t
fx_store_rows(struct fx_store *w, const struct fx_mail *mail)
{
	const struct sled_message_query all = { 0 };

	struct look look = { fx_store_hash(mail), 0 };

	assert_true(sled_ledger_messages(sled_store_ledger(w->store), &all,
	                                 same_hash, &look, &w->err));
	return look.count;
}

static bool
keep_bytes(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	return sled_buf_add(ctx, data, len, err);
}

static bool
begin_bytes(void *ctx, uint64_t number, uint64_t octets, struct sled_err *err)
{
	struct sled_buf *bytes = ctx;

	(void)number;
	(void)octets;
	(void)err;
	bytes->len = 0;
	return true;
}

/* Rows whose bytes were asked for: a walk's callback may not read members. */
struct rows {
	struct sled_message list[FX_STORE_MAILS + 1];
	size_t len;
};

static bool
keep_row(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	struct rows *rows = ctx;

	(void)err;
	assert_true(rows->len <= FX_STORE_MAILS);
	rows->list[rows->len++] = *row;
	return true;
}

static void
assert_reads_back(struct fx_store *w, const struct sled_message *row)
{
	struct sled_buf bytes = { 0 };
	const struct sled_member_reader reader = { &bytes, begin_bytes,
		                                   keep_bytes };
	struct sled_hash hash;

	if (!sled_store_read(w->store, row, &reader, &w->err))
		fail_msg("%s", w->err.text);
	hash = hash_of(sled_buf_span(&bytes));
	assert_int_equal(bytes.len, row->octets);
	assert_true(sled_hash_equal(&hash, &row->sha256));
	sled_buf_free(&bytes);
}

void
assert_store_has(struct fx_store *w, const struct fx_mail *mails, size_t len)
{
	const struct sled_message_query all = { 0 };
	struct rows *rows = calloc(1, sizeof(*rows));
	size_t count = 0;

	assert_non_null(rows);
	for (size_t i = 0; i < len; i++)
		if (fx_store_rows(w, &mails[i]) != 1)
			fail_msg("mail %s has %zu rows", mails[i].uid,
			         fx_store_rows(w, &mails[i]));
	assert_true(sled_ledger_messages(sled_store_ledger(w->store), &all,
	                                 count_row, &count, &w->err));
	assert_int_equal(count, len);
	assert_true(sled_ledger_messages(sled_store_ledger(w->store), &all,
	                                 keep_row, rows, &w->err));
	for (size_t i = 0; i < rows->len; i++)
		assert_reads_back(w, &rows->list[i]);
	free(rows);
}

static void
on_fault(void *ctx, const char *place, const char *volume, uint64_t at,
         const char *fault, uint64_t done, uint64_t total)
{
	(void)ctx;
	(void)done;
	(void)total;
	if (fault != NULL)
		print_error("%s %s at %llu: %s\n", place, volume,
		            (unsigned long long)at, fault);
}

void
assert_store_verifies(struct fx_store *w)
{
	struct sled_verify_report report;

	assert_true(sled_store_verify(w->store, true, on_fault, NULL, &report,
	                              &w->err));
	assert_int_equal(report.damaged, 0);
}

/* ---- a place without its store ---- */

struct shelf {
	const struct fx_mail *mails;
	struct sled_hash *hashes;
	size_t *seen;
	size_t len;
};

static bool
see(void *ctx, const struct sled_receipt *receipt, struct sled_err *err)
{
	struct shelf *shelf = ctx;

	for (size_t i = 0; i < shelf->len; i++)
		if (sled_hash_equal(&shelf->hashes[i], &receipt->sha256)) {
			shelf->seen[i]++;
			return true;
		}
	return sled_fail(err, SLED_ERR_INTERNAL, "%s: nobody sent that",
	                 receipt->entry);
}

static bool
read_file(void *ctx, void *data, size_t len, uint64_t at, size_t *got,
          struct sled_err *err)
{
	return sled_file_read(ctx, data, len, at, got, err);
}

static void
see_volume(struct shelf *shelf, int dir, const char *name)
{
	const struct sled_member_visitor visitor = { .ctx = shelf, .end = see };
	struct sled_err err = { 0 };
	struct sled_file file;
	struct sled_source source = { read_file, &file, 0 };
	struct sled_member_sum sum;
	uint64_t at = 0;
	unsigned seq;

	assert_true(
	    sled_file_open(&file, sled_sys_posix(), dir, name, 0, 0, &err));
	assert_true(sled_file_size(&file, &source.size, &err));
	assert_true(source.size > 0);
	while (at < source.size) {
		if (!sled_member_check(&source, at, &visitor, &sum, &seq, &err))
			fail_msg("%s: %s", name, err.text);
		at += sum.length;
	}
	sled_file_drop(&file);
}

static void
see_place(struct shelf *shelf, const char *path)
{
	struct sled_buf names = { 0 };
	struct sled_err err = { 0 };
	char volume[SLED_VOLUME_NAME];
	unsigned revision;
	bool open;
	int top = -1, dir = -1;

	assert_true(sled_dir_open(&top, sled_sys_posix(), -100, path, &err));
	if (sled_dir_open(&dir, sled_sys_posix(), top, fx_store_owner.label,
	                  &err)) {
		assert_true(
		    sled_dir_list(&names, sled_sys_posix(), dir, ".", &err));
		for (size_t at = 0; at < names.len;
		     at += strlen(names.data + at) + 1)
			if (sled_volume_file_parse(names.data + at, volume,
			                           &open, &revision))
				see_volume(shelf, dir, names.data + at);
		(void)sled_sys_posix()->close(NULL, dir);
	}
	(void)sled_sys_posix()->close(NULL, top);
	sled_buf_free(&names);
}

void
assert_place_has(const char *path, const struct fx_mail *mails, size_t len,
                 const bool *in)
{
	struct shelf shelf = { mails, calloc(len + 1, sizeof(struct sled_hash)),
		               calloc(len + 1, sizeof(size_t)), len };

	for (size_t i = 0; i < len; i++)
		shelf.hashes[i] = fx_store_hash(&mails[i]);
	see_place(&shelf, path);
	for (size_t i = 0; i < len; i++) {
		bool must = in == NULL || in[i];

		if (shelf.seen[i] > 1 || (must && shelf.seen[i] == 0))
			fail_msg("%s has mail %s %zu times", path, mails[i].uid,
			         shelf.seen[i]);
	}
	free(shelf.hashes);
	free(shelf.seen);
}

/* The one line that a command printed; "" for none. */
static void
ask(const char *command, char out[128])
{
	FILE *pipe = popen(command, "r");

	assert_non_null(pipe);
	out[0] = '\0';
	if (fgets(out, 128, pipe) != NULL)
		out[strcspn(out, "\n")] = '\0';
	assert_int_equal(pclose(pipe), 0);
}

/* The lines of a file that begin with WORD. */
static size_t
count_lines(const char *path, const char *word)
{
	char line[4 * FX_STORE_PATH];
	FILE *file = fopen(path, "re");
	size_t count = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL)
		count += strncmp(line, word, strlen(word)) == 0;
	assert_int_equal(fclose(file), 0);
	return count;
}

void
assert_place_untars(struct fx_store *w, const char *path,
                    const struct fx_mail *mails, size_t len)
{
	char command[4 * FX_STORE_PATH], said[128], hex[SLED_HASH_HEX];

	(void)snprintf(command, sizeof(command),
	               "cd '%s' && rm -rf out && mkdir out && for f in "
	               "'%s'/*/*.tar.gz; do tar xzf \"$f\" -C out "
	               "--keep-old-files 2>&1; done",
	               w->tmp.path, path);
	ask(command, said);
	assert_string_equal(said, "");
	(void)snprintf(command, sizeof(command),
	               "cd '%s/out' && find . -name '*.eml' | wc -l",
	               w->tmp.path);
	ask(command, said);
	assert_int_equal(atoi(said), len);
	/* STORE.txt's own line */
	(void)snprintf(command, sizeof(command),
	               "cd '%s/out' && awk -F'\\t' '$8 ~ /\\.eml$/ {print $1 "
	               "\"  \" $8}' mailsled/*/*/receipts-*.tsv | sha256sum -c "
	               "--quiet 2>&1",
	               w->tmp.path);
	ask(command, said);
	assert_string_equal(said, "");
	(void)snprintf(command, sizeof(command),
	               "cd '%s/out' && find . -name '*.eml' -exec sha256sum {} "
	               "+ >../sums",
	               w->tmp.path);
	ask(command, said);
	(void)snprintf(command, sizeof(command), "%s/sums", w->tmp.path);
	for (size_t i = 0; i < len; i++) {
		struct sled_hash hash = fx_store_hash(&mails[i]);

		sled_hash_hex(hex, &hash);
		assert_int_equal(count_lines(command, hex), 1);
	}
}
