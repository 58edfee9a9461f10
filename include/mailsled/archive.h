/*
 * archive.h - the archive format: volumes of gzip members of tar entries.
 * STORE.md has the decisions; plain ustar (POSIX.1-1988), gzip (RFC 1952).
 *
 * Contract
 *   No file is opened here: bytes leave through a sink and come in through a
 *   source. A member is one complete gzip stream whose header is always 24
 *   bytes: FEXTRA with the subfield `MS`, the length of the whole member as 8
 *   bytes LE; no name, no time, no FHCRC. It holds whole tar entries and no
 *   end-of-archive blocks. DAMAGED is the kind of every fault in what is read,
 *   USAGE of every value that could not be read back if it were written;
 *   failures of sinks, sources and visitors pass through as they are.
 *   Names here are 1-100 bytes of 0x21-0x7E, relative, without "." and "..".
 */
#ifndef MAILSLED_ARCHIVE_H
#define MAILSLED_ARCHIVE_H

#include "mailsled/buf.h"
#include "mailsled/err.h"
#include "mailsled/types.h"

#define SLED_ENTRY_NAME   101 /* tar names: at most 100 bytes, and a NUL */
#define SLED_VOLUME_NAME  16  /* "2026-11-001" with its NUL, and room */
#define SLED_VOLUME_FILE  40  /* the file's name with its NUL */
#define SLED_MEMBER_HEAD  24
#define SLED_RECEIPTS_MAX (16U << 20) /* octets of a receipts entry */

/* ---- names ---- */

/* "2026-11-001" from a month (12 * year + month - 1) and a count from 1 (three
 * digits or more, at most 9999999). Parsing takes that very form only. */
void sled_volume_name(char out[SLED_VOLUME_NAME], int month, unsigned seq);
SLED_CHECK bool sled_volume_name_parse(const char *name, int *month,
                                       unsigned *seq);
/* In time, as strcmp() tells it; what is no such name comes first. */
int sled_volume_name_compare(const char *a, const char *b);
/* "2026-11-001.open.tar.gz", or "2026-11-001.tar.gz" once sealed. */
void sled_volume_file(char out[SLED_VOLUME_FILE], const char *name, bool open);
/* The sealed file of a REVISION: 0 as above; from 1 on, made by a repair that
 * lost something, "2026-11-001.r1.tar.gz". */
void sled_volume_sealed_file(char out[SLED_VOLUME_FILE], const char *name,
                             unsigned revision);
/* The name, openness and revision of a volume's file; false for any other. */
SLED_CHECK bool sled_volume_file_parse(const char *file,
                                       char name[SLED_VOLUME_NAME], bool *open,
                                       unsigned *revision);
/* "home/2026/11/23/20261123T145031Z-00000123-<16 hex>.eml"; of a label, here
 * and below, no more than 24 bytes are taken. */
void sled_entry_name(char out[SLED_ENTRY_NAME], const char *label,
                     int64_t received, uint64_t number,
                     const struct sled_hash *sha256);
/* "mailsled/home/2026-11-001/receipts-000123.tsv" and ".../VOLUME.txt" */
void sled_receipts_name(char out[SLED_ENTRY_NAME], const char *label,
                        const char *volume, unsigned seq);
void sled_volume_info_name(char out[SLED_ENTRY_NAME], const char *label,
                           const char *volume);

/* ---- receipts ---- */

enum {
	/* Fewer octets than the server's habit allows. */
	SLED_RECEIPT_SHORT = 1,
	/* The server gave no usable unique-id. */
	SLED_RECEIPT_NOID = 2,
	/* Not a message here: QUIT confirmed it gone. */
	SLED_RECEIPT_GONE = 4,
};

/* One line. A GONE line, and no other, has no entry: its number and hash say
 * which of the account's messages is gone. RECEIVED is in the years 1970-9999. */
struct sled_receipt {
	struct sled_hash sha256;
	uint64_t octets;
	uint64_t listed;
	char uid[SLED_UID_MAX + 1];
	char record[40];
	int64_t received;
	uint64_t number;
	char entry[SLED_ENTRY_NAME]; /* "" for GONE */
	unsigned flags;
};

/* The header line, then a line a receipt, tab-separated, LF:
 * sha256 octets listed uid record received number entry flags
 * uid, record, entry are percent-escaped (text.h); received is RFC 3339; flags
 * are "-" or words of "short", "noid", "gone" with commas. A line that parse()
 * would refuse is not added. */
SLED_CHECK bool sled_receipts_head(struct sled_buf *out, struct sled_err *err);
SLED_CHECK bool sled_receipts_add(struct sled_buf *out,
                                  const struct sled_receipt *receipt,
                                  struct sled_err *err);
typedef bool sled_receipt_fn(void *ctx, const struct sled_receipt *receipt,
                             struct sled_err *err);
SLED_CHECK bool sled_receipts_parse(struct sled_span text,
                                    sled_receipt_fn *each, void *ctx,
                                    struct sled_err *err);

/* ---- VOLUME.txt ---- */

/* "key: value" lines, values percent-escaped, in this order: format (1),
 * account, server, user, store, volume, before, before-sha256. */
struct sled_volume_info {
	char label[25];
	char server[256], user[256]; /* the maildrop */
	char store[33];              /* store id */
	char volume[SLED_VOLUME_NAME];
	char before[SLED_VOLUME_NAME];  /* "" for the first */
	struct sled_hash before_sha256; /* of that volume once sealed */
};

SLED_CHECK bool sled_volume_info_format(struct sled_buf *out,
                                        const struct sled_volume_info *info,
                                        struct sled_err *err);
SLED_CHECK bool sled_volume_info_parse(struct sled_span text,
                                       struct sled_volume_info *info,
                                       struct sled_err *err);

/* ---- writing a member ---- */

struct sled_entry {
	char name[SLED_ENTRY_NAME];
	uint64_t size;
	int64_t mtime;
};

/* What a member is once it ended. The hash is that of the bytes behind the
 * header: the header is fixed by the length and compared byte by byte. */
struct sled_member_sum {
	uint64_t length;     /* of the whole gzip member */
	uint64_t tar_octets; /* inflated */
	struct sled_hash body_sha256;
};

typedef bool sled_sink(void *ctx, const void *data, size_t len,
                       struct sled_err *err);

struct sled_member; /* opaque, about 350 KiB */

/* Calling sequence: begin, then for each entry entry() and data() until its
 * size is reached, then end(). The first failure is final for the member: each
 * later call reports it again. Entries that plain ustar cannot hold (8 GiB and
 * more, a time before 1970) are refused. Chunks are at most 64 KiB. The sink first gets a header with length 0: when the member has ended, put
 * sled_member_header(sum.length) over it, before the data is synced. */
SLED_CHECK bool sled_member_begin(struct sled_member **out, sled_sink *sink,
                                  void *ctx, struct sled_err *err);
SLED_CHECK bool sled_member_entry(struct sled_member *member,
                                  const struct sled_entry *entry,
                                  struct sled_err *err);
/* The entry's bytes; together exactly entry->size. */
SLED_CHECK bool sled_member_data(struct sled_member *member, const void *data,
                                 size_t len, struct sled_err *err);
SLED_CHECK bool sled_member_end(struct sled_member *member,
                                struct sled_member_sum *sum,
                                struct sled_err *err);
void sled_member_free(struct sled_member **member); /* ended or not */
void sled_member_header(uint8_t out[SLED_MEMBER_HEAD], uint64_t length);

/* The member that ends a sealed volume: tar's two zero blocks. The same bytes
 * each time, so the hash of a volume once sealed is known before the seal. */
SLED_CHECK bool sled_member_last(struct sled_buf *out, struct sled_err *err);
#define SLED_MEMBER_LAST (SLED_MEMBER_HEAD + 19) /* its length */

/* ---- reading ---- */

/* Up to LEN bytes at AT; *got is less only at the end. */
typedef bool sled_source_fn(void *ctx, void *data, size_t len, uint64_t at,
                            size_t *got, struct sled_err *err);

struct sled_source {
	sled_source_fn *read;
	void *ctx;
	uint64_t size; /* bytes there are */
};

/* The member's length from its header at AT, without inflating. *whole says
 * whether that many bytes are there. DAMAGED when it is no member's header:
 * also one that is cut off, or whose length was not yet put in. */
SLED_CHECK bool sled_member_peek(const struct sled_source *source, uint64_t at,
                                 uint64_t *length, bool *whole,
                                 struct sled_err *err);

/* Is all that SOURCE has from AT on what an append left that was cut off: the
 * beginning of one member that ends behind the source or has no length yet, or
 * zeros? Never when a whole member could begin there. */
SLED_CHECK bool sled_member_torn(const struct sled_source *source, uint64_t at,
                                 bool *torn, struct sled_err *err);
/* Where the next header of a member begins, from AT on; the size when there is
 * none. */
SLED_CHECK bool sled_member_next(const struct sled_source *source, uint64_t at,
                                 uint64_t *out, struct sled_err *err);
/* Where to go on behind a member at AT that does not hold: where its header
 * leads when that is believed, else to the next one, or the size. */
SLED_CHECK bool sled_member_behind(const struct sled_source *source,
                                   uint64_t at, uint64_t *out,
                                   struct sled_err *err);

/* One member read again and proved: header, inflated to exactly its length,
 * CRC-32 and ISIZE, tar structure, names unique to it and in the account's
 * folder, each message's SHA-256 and octets against the member's own receipts,
 * every receipt's entry present. What it delivers is what was written; that the
 * compressed bytes are those of another copy, only compare() tells (deflate can
 * say one thing in two ways). Memory is flat: 128 KiB, zlib, and receipts. */
struct sled_member_visitor {
	void *ctx;
	/* Each may be NULL. volume() comes once, for a volume's first member;
	 * receipt() for each line, before any message; begin/data/end for each
	 * message; tar_at is the entry's header in the inflated member. END
	 * comes only when the message's hash held. Nothing that came is proved
	 * as a whole before sled_member_check() returns true. */
	bool (*volume)(void *ctx, const struct sled_volume_info *info,
	               struct sled_err *err);
	bool (*receipt)(void *ctx, const struct sled_receipt *receipt,
	                struct sled_err *err);
	bool (*begin)(void *ctx, const struct sled_receipt *receipt,
	              uint64_t tar_at, struct sled_err *err);
	bool (*data)(void *ctx, const void *data, size_t len,
	             struct sled_err *err);
	bool (*end)(void *ctx, const struct sled_receipt *receipt,
	            struct sled_err *err);
};

/* *receipts_seq is the number in the receipts' entry name, counted from 1. The
 * end member of a sealed volume is accepted, and it alone gives 0 here (its
 * tar_octets, 1024, are also those of short receipts without messages).
 * VISITOR may be NULL. */
SLED_CHECK bool sled_member_check(const struct sled_source *source, uint64_t at,
                                  const struct sled_member_visitor *visitor,
                                  struct sled_member_sum *sum,
                                  unsigned *receipts_seq, struct sled_err *err);

/* What can still be read of a member that does not hold, of LENGTH bytes at AT.
 * Its header is not looked at; it is inflated as far as that goes, and each
 * entry met is handed out. Nothing of it is proved: hold it against a hash. END
 * comes when all octets of the entry came. Only NOMEM and visitors fail. */
struct sled_scrape {
	void *ctx;
	bool (*begin)(void *ctx, const struct sled_entry *entry,
	              struct sled_err *err);
	bool (*data)(void *ctx, const void *data, size_t len,
	             struct sled_err *err);
	bool (*end)(void *ctx, struct sled_err *err);
};

SLED_CHECK bool sled_member_scrape(const struct sled_source *source,
                                   uint64_t at, uint64_t length,
                                   const struct sled_scrape *visitor,
                                   struct sled_err *err);

/* The same piece by piece, for who tries one byte and then another: a copy goes
 * on from where its original was, with the same VISITOR (borrowed). */
struct sled_scraper; /* opaque, about 45 KiB */

SLED_CHECK bool sled_scraper_new(struct sled_scraper **out,
                                 const struct sled_scrape *visitor,
                                 struct sled_err *err);
/* LEN more bytes of the deflate stream. *holds is false when no member of ours
 * goes on so: zlib gave up, or tar's header or padding is none. */
SLED_CHECK bool sled_scraper_feed(struct sled_scraper *scraper,
                                  const uint8_t *data, size_t len, bool *holds,
                                  struct sled_err *err);
SLED_CHECK bool sled_scraper_copy(struct sled_scraper **out,
                                  struct sled_scraper *from,
                                  struct sled_err *err);
void sled_scraper_free(struct sled_scraper **scraper);

/* The member's bytes as they are: header against LENGTH, hash of the rest. */
SLED_CHECK bool sled_member_compare(const struct sled_source *source,
                                    uint64_t at,
                                    const struct sled_member_sum *sum,
                                    struct sled_err *err);

#endif
