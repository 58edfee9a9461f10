/*
 * format.h - the bytes of a spool file; see mailsled/spool.h for the layout.
 *
 * Each _pack fills the whole of its block; each _unpack says whether the block
 * is one that _pack made. All numbers are little endian.
 */
#ifndef SPOOL_FORMAT_H
#define SPOOL_FORMAT_H

#include "mailsled/spool.h"

#define SPOOL_FILE_HEAD 4096
#define SPOOL_HEAD      128
#define SPOOL_TAIL      48
#define SPOOL_OPEN      UINT64_MAX /* octets of a message that goes on */

/* The file's header; the strings end with a NUL. */
struct sled_spool_title {
	uint64_t nonce;
	char label[SLED_LABEL_MAX + 1];
	char server[SLED_OWNER_MAX + 1];
	char user[SLED_OWNER_MAX + 1];
};

/* A record's header. */
struct sled_spool_head {
	uint64_t nonce, number, listed, octets;
	int64_t received;
	bool alone; /* see struct sled_record */
	char uid[SLED_UID_MAX + 1];
};

/* CRC-32 of RFC 1952, section 8, carried on from CRC (0 to start). */
uint32_t sled_spool_crc(uint32_t crc, const void *data, size_t len);

void sled_spool_title_pack(uint8_t out[SPOOL_FILE_HEAD],
                           const struct sled_spool_title *title);
SLED_CHECK bool sled_spool_title_unpack(struct sled_spool_title *title,
                                        const uint8_t in[SPOOL_FILE_HEAD]);
/* [a-z0-9][a-z0-9._-]{0,23} */
SLED_CHECK bool sled_spool_label_ok(const char *label);
void sled_spool_name(char out[SLED_SPOOL_NAME], const char *label,
                     uint64_t nonce);

void sled_spool_head_pack(uint8_t out[SPOOL_HEAD],
                          const struct sled_spool_head *head);
SLED_CHECK bool sled_spool_head_unpack(struct sled_spool_head *head,
                                       const uint8_t in[SPOOL_HEAD]);
/* A trailer vouches for the header that it was made with. */
void sled_spool_tail_pack(uint8_t out[SPOOL_TAIL],
                          const uint8_t head[SPOOL_HEAD], uint64_t octets,
                          const struct sled_hash *sha256);
SLED_CHECK bool sled_spool_tail_unpack(uint64_t *octets,
                                       struct sled_hash *sha256,
                                       const uint8_t in[SPOOL_TAIL],
                                       const uint8_t head[SPOOL_HEAD]);

/* The record that HEAD and SHA256 describe, whose bytes begin at AT. */
void sled_spool_record(struct sled_record *out,
                       const struct sled_spool_head *head, uint64_t at,
                       const struct sled_hash *sha256);

#endif
