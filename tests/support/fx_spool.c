/* fx_spool.c - see fx_spool.h. */
#include "fx_spool.h"

#include <stdlib.h>
#include <string.h>

#include "mailsled/file.h"
#include "mailsled/hash.h"

const struct sled_spool_owner fx_spool_owner = { "home", "pop.example.org",
	                                         "ada" };

static int64_t
received_of(const struct fx_mail *mail)
{
	return 1795445431 + (int64_t)mail->seed;
}

void
fx_mail_bytes(char *out, const struct fx_mail *mail)
{
	uint32_t x = mail->seed * 2654435761U + 1;

	for (size_t i = 0; i < mail->len; i++) {
		x = x * 1664525U + 1013904223U;
		out[i] = i % 64 == 62   ? '\r'
		         : i % 64 == 63 ? '\n'
		                        : (char)(x >> 24);
	}
}

static bool
append_pieces(struct sled_spool *spool, const struct fx_mail *mail,
              struct sled_hash *hash, struct sled_err *err)
{
	struct sled_sha256 *sha = NULL;
	char *bytes = malloc(mail->len + 1);
	size_t at = 0, piece = 1;
	bool ok = bytes != NULL && sled_sha256_new(&sha, err);

	if (!ok)
		abort();
	fx_mail_bytes(bytes, mail);
	while (ok && at < mail->len) {
		size_t n = mail->len - at < piece ? mail->len - at : piece;

		ok = sled_spool_append(spool, bytes + at, n, err);
		sled_sha256_add(sha, bytes + at, n);
		at += n;
		piece = piece * 3 % 20011;
	}
	*hash = sled_sha256_end(sha);
	sled_sha256_free(&sha);
	free(bytes);
	return ok;
}

bool
fx_spool_put(struct sled_spool *spool, const struct fx_mail *mail,
             struct sled_record *out, struct sled_err *err)
{
	struct sled_hash hash;

	return sled_spool_begin(spool, mail->uid, mail->len + 3,
	                        received_of(mail), err) &&
	       append_pieces(spool, mail, &hash, err) &&
	       sled_spool_end(spool, &hash, out, err);
}

bool
fx_spool_put_half(struct sled_spool *spool, const struct fx_mail *mail,
                  struct sled_err *err)
{
	struct sled_hash hash;

	return sled_spool_begin(spool, mail->uid, mail->len + 3,
	                        received_of(mail), err) &&
	       append_pieces(spool, mail, &hash, err);
}

static bool
keep(void *ctx, const struct sled_record *record, struct sled_err *err)
{
	struct fx_found *found = ctx;

	(void)err;
	if (found->count >= FX_FOUND)
		abort();
	found->record[found->count++] = *record;
	return true;
}

bool
fx_spool_found(struct sled_spool *spool, struct fx_found *found)
{
	found->count = 0;
	found->torn = 0;
	found->err = (struct sled_err){ 0 };
	return sled_spool_scan(spool, keep, found, &found->torn, &found->err);
}

bool
fx_spool_holds(struct sled_spool *spool, const struct sled_record *record,
               const struct fx_mail *mail)
{
	char *is = malloc(mail->len + 1), *want = malloc(mail->len + 1);
	struct sled_err err = { 0 };
	bool ok;

	if (is == NULL || want == NULL)
		abort();
	fx_mail_bytes(want, mail);
	ok = strcmp(record->uid, mail->uid) == 0 &&
	     record->octets == mail->len && record->listed == mail->len + 3 &&
	     record->received == received_of(mail) &&
	     sled_spool_read(spool, is, mail->len, record->at, &err) &&
	     memcmp(is, want, mail->len) == 0;
	free(is);
	free(want);
	return ok;
}

bool
fx_spool_only(int dir, char name[SLED_SPOOL_NAME])
{
	struct sled_buf names = { 0 };
	struct sled_err err = { 0 };
	bool ok = sled_dir_list(&names, sled_sys_posix(), dir, ".", &err) &&
	          names.len > 0 && strlen(names.data) + 1 == names.len &&
	          names.len <= SLED_SPOOL_NAME;

	if (ok)
		memcpy(name, names.data, names.len);
	sled_buf_free(&names);
	return ok;
}
