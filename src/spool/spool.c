/*
 * spool.c - a spool's life and its writer; see mailsled/spool.h.
 *
 * What a crash can leave, and what the next start makes of it:
 *   F0  no file                            nothing was begun
 *   F1  shorter than the file's header     create() was cut; no message: MISSING
 *   F2  header whole                       create() returned, or nearly
 * and of each record
 *   R0  none of it                         it was not begun, or only gathered
 *   R1  header with octets open ‖ bytes    streaming; torn
 *   R2  header closed ‖ bytes ‖ a trailer not there, or in part; torn
 *   R3  header closed ‖ bytes ‖ trailer    whole
 * After kill -9 only the last record can be R1 or R2. After a power cut every
 * record since the last sync() can be any mix of old and new blocks; the CRCs
 * and the SHA-256 tell, and only R3 passes them.
 *
 * The instant: a message is whole when the one write that ends with its trailer
 * has returned, in sled_spool_end(): from there on kill -9 does not lose it.
 * It is durable when an fdatasync that began after that instant returned true.
 *
 * Invariants
 *   [s1] The trailer is the last byte range written of a record.
 *   [s2] A header says its octets only when no byte of the message is missing
 *        from what was written or goes out with the trailer.
 *   [s3] Nothing is written in front of `end` after end() moved it.
 *   [s4] A failed sync is remembered and never tried again.
 *   [s5] The name goes first, the folder's sync after: finish() reports true
 *        only when the file cannot come back.
 */
#include "spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/hash.h"
#include "mailsled/text.h"

static bool
title_fill(struct sled_spool_title *title, const struct sled_spool_owner *owner,
           struct sled_err *err)
{
	size_t server = strlen(owner->server), user = strlen(owner->user);
	char label[SLED_LABEL_MAX * 4];

	if (!sled_spool_label_ok(owner->label)) {
		sled_text_clip(
		    label, sizeof(label),
		    (struct sled_span){ owner->label, strlen(owner->label) });
		return sled_fail(err, SLED_ERR_USAGE,
		                 "spool: no account label: %s", label);
	}
	if (server > SLED_OWNER_MAX || user > SLED_OWNER_MAX)
		return sled_fail(err, SLED_ERR_USAGE,
		                 "spool: server or user is longer than %d",
		                 SLED_OWNER_MAX);
	memcpy(title->label, owner->label, strlen(owner->label) + 1);
	memcpy(title->server, owner->server, server + 1);
	memcpy(title->user, owner->user, user + 1);
	return sled_hash_random((uint8_t *)&title->nonce, sizeof(title->nonce),
	                        err);
}

/* NULL when there is no memory. */
static struct sled_spool *
spool_new(int dir, struct sled_err *err)
{
	struct sled_spool *spool = calloc(1, sizeof(*spool));

	if (spool == NULL) {
		(void)sled_fail_sys(err, ENOMEM, "spool");
		return NULL;
	}
	spool->file.fd = -1;
	spool->dir = dir;
	spool->end = SPOOL_FILE_HEAD;
	spool->flushed = SPOOL_FILE_HEAD;
	return spool;
}

/* F0 to F2: the header is durable before the name that leads to it. */
static bool
write_title(struct sled_spool *spool, struct sled_err *err)
{
	uint8_t block[SPOOL_FILE_HEAD];

	sled_spool_title_pack(block, &spool->title);
	return sled_file_write(&spool->file, block, sizeof(block), 0, err) &&
	       sled_file_sync(&spool->file, err) &&
	       sled_dir_sync(spool->file.sys, spool->dir, spool->name, err);
}

/* The file's name is away and its folder knows it durably. */
static bool
remove_file(struct sled_spool *spool, struct sled_err *err)
{
	const struct sled_sys *sys = spool->file.sys;

	if (sys->unlinkat(sys->ctx, spool->dir, spool->name, 0) == -1 &&
	    errno != ENOENT)
		return sled_fail_sys(err, errno, "unlink %s", spool->name);
	return sled_dir_sync(sys, spool->dir, spool->name, err);
}

static bool
create_file(struct sled_spool *spool, const struct sled_sys *sys,
            struct sled_err *err)
{
	struct sled_err ignored = { 0 };

	sled_spool_name(spool->name, spool->title.label, spool->title.nonce);
	if (!sled_file_open(&spool->file, sys, spool->dir, spool->name,
	                    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, err))
		return false;
	if (write_title(spool, err))
		return true;
	sled_file_drop(&spool->file);
	(void)!remove_file(spool, &ignored);
	return false;
}

bool
sled_spool_create(struct sled_spool **out, const struct sled_sys *sys, int dir,
                  const struct sled_spool_owner *owner, struct sled_err *err)
{
	struct sled_spool *spool = spool_new(dir, err);

	if (spool == NULL)
		return false;
	if (!title_fill(&spool->title, owner, err) ||
	    !create_file(spool, sys, err)) {
		sled_spool_close(&spool);
		return sled_note(err, "create spool");
	}
	*out = spool;
	return true;
}

/* NAME comes from a folder's listing: fit to be opened and to be shown? */
static bool
check_name(struct sled_spool *spool, const char *name, struct sled_err *err)
{
	static const char set[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	char clip[SLED_SPOOL_NAME];
	size_t len = strlen(name);

	if (len < sizeof(spool->name) && strspn(name, set) == len) {
		memcpy(spool->name, name, len + 1);
		return true;
	}
	sled_text_clip(clip, sizeof(clip), (struct sled_span){ name, len });
	return sled_fail(err, SLED_ERR_DAMAGED, "no spool's name: %s", clip);
}

static bool
read_title(struct sled_spool *spool, struct sled_err *err)
{
	uint8_t block[SPOOL_FILE_HEAD];
	char name[SLED_SPOOL_NAME];
	size_t got = 0;

	if (!sled_file_read(&spool->file, block, sizeof(block), 0, &got, err))
		return false;
	if (got < sizeof(block))
		return sled_fail(err, SLED_ERR_MISSING,
		                 "%s: ends in its header, no message in it",
		                 spool->name);
	if (!sled_spool_title_unpack(&spool->title, block))
		return sled_fail(err, SLED_ERR_DAMAGED,
		                 "%s: header does not hold", spool->name);
	sled_spool_name(name, spool->title.label, spool->title.nonce);
	if (strcmp(name, spool->name) != 0)
		return sled_fail(err, SLED_ERR_DAMAGED,
		                 "%s: header is that of %s", spool->name, name);
	return true;
}

bool
sled_spool_open(struct sled_spool **out, struct sled_spool_owner *owner,
                const struct sled_sys *sys, int dir, const char *name,
                struct sled_err *err)
{
	struct sled_spool *spool = spool_new(dir, err);

	if (spool == NULL)
		return false;
	spool->readonly = true;
	if (!check_name(spool, name, err) ||
	    !sled_file_open(&spool->file, sys, dir, spool->name,
	                    O_RDONLY | O_NOFOLLOW, 0, err) ||
	    !read_title(spool, err)) {
		sled_spool_close(&spool);
		return sled_note(err, "open spool");
	}
	owner->label = spool->title.label;
	owner->server = spool->title.server;
	owner->user = spool->title.user;
	*out = spool;
	return true;
}

void
sled_spool_close(struct sled_spool **spool)
{
	if (*spool == NULL)
		return;
	sled_file_drop(&(*spool)->file);
	free(*spool);
	*spool = NULL;
}

bool
sled_spool_finish(struct sled_spool **spool, struct sled_err *err)
{
	bool ok = remove_file(*spool, err);

	/* What close() would say of a file that is gone changes nothing. */
	sled_spool_close(spool);
	return ok || sled_note(err, "finish spool");
}

/* May the appending thread go on? */
static bool
check_state(const struct sled_spool *spool, bool begun, struct sled_err *err)
{
	if (spool->write_failed || atomic_load(&spool->sync_failed))
		return sled_fail(err, SLED_ERR_IO, "%s: failed before",
		                 spool->name);
	if (spool->readonly || spool->begun != begun)
		return sled_fail(err, SLED_ERR_INTERNAL,
		                 "%s: called out of order", spool->name);
	return true;
}

static bool
write_at(struct sled_spool *spool, const void *data, size_t len, uint64_t at,
         struct sled_err *err)
{
	if (sled_file_write(&spool->file, data, len, at, err))
		return true;
	spool->write_failed = true;
	return false;
}

static bool
flush(struct sled_spool *spool, struct sled_err *err)
{
	if (!write_at(spool, spool->bytes, spool->gathered, spool->flushed,
	              err))
		return false;
	spool->flushed += spool->gathered;
	spool->gathered = 0;
	return true;
}

bool
sled_spool_begin(struct sled_spool *spool, const char *uid, uint64_t listed,
                 int64_t received, struct sled_err *err)
{
	size_t len = strlen(uid);

	if (!check_state(spool, false, err))
		return false;
	if (len > SLED_UID_MAX)
		return sled_fail(err, SLED_ERR_USAGE,
		                 "%s: unique-id of %zu octets", spool->name,
		                 len);
	spool->begun = true;
	spool->number++;
	spool->octets = 0;
	spool->head = (struct sled_spool_head){
		.nonce = spool->title.nonce,
		.number = spool->number,
		.listed = listed,
		.octets = SPOOL_OPEN,
		.received = received,
	};
	memcpy(spool->head.uid, uid, len + 1);
	sled_spool_head_pack(spool->bytes, &spool->head);
	spool->gathered = SPOOL_HEAD;
	return true;
}

void
sled_spool_alone(struct sled_spool *spool)
{
	spool->head.alone = true;
}

bool
sled_spool_append(struct sled_spool *spool, const void *data, size_t len,
                  struct sled_err *err)
{
	const uint8_t *from = data;

	if (!check_state(spool, true, err))
		return false;
	while (len > 0) {
		size_t n = SPOOL_GATHER - spool->gathered;

		if (n > len)
			n = len;
		memcpy(spool->bytes + spool->gathered, from, n);
		spool->gathered += n;
		spool->octets += n;
		from += n;
		len -= n;
		if (spool->gathered == SPOOL_GATHER && !flush(spool, err))
			return false;
	}
	return true;
}

/* [s2] The header gets its octets: in place while it is only gathered. */
static bool
close_head(struct sled_spool *spool, uint8_t head[SPOOL_HEAD],
           struct sled_err *err)
{
	spool->head.octets = spool->octets;
	sled_spool_head_pack(head, &spool->head);
	if (spool->flushed > spool->end)
		return write_at(spool, head, SPOOL_HEAD, spool->end, err);
	memcpy(spool->bytes, head, SPOOL_HEAD);
	return true;
}

bool
sled_spool_end(struct sled_spool *spool, const struct sled_hash *sha256,
               struct sled_record *out, struct sled_err *err)
{
	uint8_t head[SPOOL_HEAD];

	if (!check_state(spool, true, err) || !close_head(spool, head, err))
		return false;
	sled_spool_tail_pack(spool->bytes + spool->gathered, head,
	                     spool->octets, sha256);
	spool->gathered += SPOOL_TAIL;
	if (!flush(spool, err)) /* [s1] R2 to R3 when it returns */
		return false;
	sled_spool_record(out, &spool->head, spool->end + SPOOL_HEAD, sha256);
	spool->end = spool->flushed;
	spool->begun = false;
	return true;
}

bool
sled_spool_abort(struct sled_spool *spool, struct sled_err *err)
{
	bool cut = spool->flushed > spool->end || spool->write_failed;

	if (!spool->begun)
		return true;
	spool->begun = false;
	spool->gathered = 0;
	spool->flushed = spool->end;
	if (!cut || sled_file_truncate(&spool->file, spool->end, err))
		return true;
	/* What stands behind `end` would look like a record of this spool. */
	spool->write_failed = true;
	return sled_note(err, "abort message");
}

bool
sled_spool_sync(struct sled_spool *spool, struct sled_err *err)
{
	if (atomic_load(&spool->sync_failed)) /* [s4] */
		return sled_fail(err, SLED_ERR_IO, "%s: a sync failed before",
		                 spool->name);
	if (sled_file_sync(&spool->file, err))
		return true;
	atomic_store(&spool->sync_failed, true);
	return false;
}

bool
sled_spool_read(struct sled_spool *spool, void *data, size_t len, uint64_t at,
                struct sled_err *err)
{
	size_t got = 0;

	if (!sled_file_read(&spool->file, data, len, at, &got, err))
		return false;
	if (got < len)
		return sled_fail(err, SLED_ERR_DAMAGED,
		                 "%s: ends at %llu, wanted %zu at %llu",
		                 spool->name, (unsigned long long)(at + got),
		                 len, (unsigned long long)at);
	return true;
}
