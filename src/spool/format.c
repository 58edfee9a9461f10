/* format.c - blocks to bytes and back; see format.h. */
#include "spool/format.h"

#include <stdio.h>
#include <string.h>

/* The magic words; the file's one ends with the version. */
static const char title_magic[8] = "SLEDSP\0\1";
static const char head_magic[4] = "MSG\n";
static const char tail_magic[4] = "END\n";

/* Where the fields lie. */
enum {
	TITLE_NONCE = 8,
	TITLE_LABEL = 16,
	TITLE_SERVER = 64,
	TITLE_USER = 1152,
	TITLE_CRC = SPOOL_FILE_HEAD - 4,

	HEAD_UID_LEN = 4,
	HEAD_ALONE = 5,
	HEAD_NONCE = 8,
	HEAD_NUMBER = 16,
	HEAD_LISTED = 24,
	HEAD_RECEIVED = 32,
	HEAD_OCTETS = 40,
	HEAD_UID = 48,
	HEAD_CRC = SPOOL_HEAD - 4,

	TAIL_OCTETS = 4,
	TAIL_SHA256 = 12,
	TAIL_CRC = SPOOL_TAIL - 4,
};

_Static_assert(HEAD_UID + SLED_UID_MAX <= HEAD_CRC, "a unique-id fits");
_Static_assert(TAIL_SHA256 + SLED_HASH_LEN <= TAIL_CRC, "a hash fits");
_Static_assert(TITLE_SERVER + SLED_OWNER_MAX < TITLE_USER, "a server fits");
_Static_assert(TITLE_USER + SLED_OWNER_MAX < TITLE_CRC, "a user fits");

/* Four bits at a time: a table of 16 is enough for blocks this small. */
uint32_t
sled_spool_crc(uint32_t crc, const void *data, size_t len)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
		0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	const uint8_t *byte = data;

	crc = ~crc;
	for (size_t i = 0; i < len; i++) {
		crc = crc >> 4 ^ table[(crc ^ byte[i]) & 15];
		crc = crc >> 4 ^ table[(crc ^ (uint32_t)(byte[i] >> 4)) & 15];
	}
	return ~crc;
}

static void
put(uint8_t *out, uint64_t value, size_t width)
{
	for (size_t i = 0; i < width; i++)
		out[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t
get(const uint8_t *in, size_t width)
{
	uint64_t value = 0;

	for (size_t i = width; i-- > 0;)
		value = value << 8 | in[i];
	return value;
}

/* A string that fills none of ROOM's last byte, out of a foreign block. */
static bool
get_text(char *out, const uint8_t *in, size_t room)
{
	memcpy(out, in, room);
	return memchr(out, '\0', room) != NULL;
}

void
sled_spool_title_pack(uint8_t out[SPOOL_FILE_HEAD],
                      const struct sled_spool_title *title)
{
	memset(out, 0, SPOOL_FILE_HEAD);
	memcpy(out, title_magic, sizeof(title_magic));
	put(out + TITLE_NONCE, title->nonce, 8);
	memcpy(out + TITLE_LABEL, title->label, strlen(title->label));
	memcpy(out + TITLE_SERVER, title->server, strlen(title->server));
	memcpy(out + TITLE_USER, title->user, strlen(title->user));
	put(out + TITLE_CRC, sled_spool_crc(0, out, TITLE_CRC), 4);
}

bool
sled_spool_title_unpack(struct sled_spool_title *title,
                        const uint8_t in[SPOOL_FILE_HEAD])
{
	if (memcmp(in, title_magic, sizeof(title_magic)) != 0 ||
	    get(in + TITLE_CRC, 4) != sled_spool_crc(0, in, TITLE_CRC))
		return false;
	title->nonce = get(in + TITLE_NONCE, 8);
	return get_text(title->label, in + TITLE_LABEL, SLED_LABEL_MAX + 1) &&
	       get_text(title->server, in + TITLE_SERVER, SLED_OWNER_MAX + 1) &&
	       get_text(title->user, in + TITLE_USER, SLED_OWNER_MAX + 1) &&
	       sled_spool_label_ok(title->label);
}

/* Not isalnum(): it would ask the locale. */
static bool
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool
sled_spool_label_ok(const char *label)
{
	size_t len = strlen(label);

	if (len == 0 || len > SLED_LABEL_MAX || !is_word(label[0]))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!is_word(label[i]) && strchr("._-", label[i]) == NULL)
			return false;
	return true;
}

void
sled_spool_name(char out[SLED_SPOOL_NAME], const char *label, uint64_t nonce)
{
	(void)snprintf(out, SLED_SPOOL_NAME, "%.*s-%016llx.spool",
	               SLED_LABEL_MAX, label, (unsigned long long)nonce);
}

void
sled_spool_head_pack(uint8_t out[SPOOL_HEAD],
                     const struct sled_spool_head *head)
{
	size_t len = strlen(head->uid);

	memset(out, 0, SPOOL_HEAD);
	memcpy(out, head_magic, sizeof(head_magic));
	put(out + HEAD_UID_LEN, len, 1);
	put(out + HEAD_ALONE, head->alone, 1);
	put(out + HEAD_NONCE, head->nonce, 8);
	put(out + HEAD_NUMBER, head->number, 8);
	put(out + HEAD_LISTED, head->listed, 8);
	put(out + HEAD_RECEIVED, (uint64_t)head->received, 8);
	put(out + HEAD_OCTETS, head->octets, 8);
	memcpy(out + HEAD_UID, head->uid, len);
	put(out + HEAD_CRC, sled_spool_crc(0, out, HEAD_CRC), 4);
}

bool
sled_spool_head_unpack(struct sled_spool_head *head,
                       const uint8_t in[SPOOL_HEAD])
{
	size_t len = (size_t)get(in + HEAD_UID_LEN, 1);

	if (memcmp(in, head_magic, sizeof(head_magic)) != 0 ||
	    get(in + HEAD_CRC, 4) != sled_spool_crc(0, in, HEAD_CRC) ||
	    len > SLED_UID_MAX || memchr(in + HEAD_UID, '\0', len) != NULL)
		return false;
	head->alone = get(in + HEAD_ALONE, 1) == 1;
	head->nonce = get(in + HEAD_NONCE, 8);
	head->number = get(in + HEAD_NUMBER, 8);
	head->listed = get(in + HEAD_LISTED, 8);
	head->received = (int64_t)get(in + HEAD_RECEIVED, 8);
	head->octets = get(in + HEAD_OCTETS, 8);
	memcpy(head->uid, in + HEAD_UID, len);
	head->uid[len] = '\0';
	return true;
}

/* Carried on from the header's own, so it covers both. */
static uint32_t
tail_crc(const uint8_t tail[SPOOL_TAIL], const uint8_t head[SPOOL_HEAD])
{
	return sled_spool_crc((uint32_t)get(head + HEAD_CRC, 4), tail,
	                      TAIL_CRC);
}

void
sled_spool_tail_pack(uint8_t out[SPOOL_TAIL], const uint8_t head[SPOOL_HEAD],
                     uint64_t octets, const struct sled_hash *sha256)
{
	memset(out, 0, SPOOL_TAIL);
	memcpy(out, tail_magic, sizeof(tail_magic));
	put(out + TAIL_OCTETS, octets, 8);
	memcpy(out + TAIL_SHA256, sha256->b, SLED_HASH_LEN);
	put(out + TAIL_CRC, tail_crc(out, head), 4);
}

bool
sled_spool_tail_unpack(uint64_t *octets, struct sled_hash *sha256,
                       const uint8_t in[SPOOL_TAIL],
                       const uint8_t head[SPOOL_HEAD])
{
	if (memcmp(in, tail_magic, sizeof(tail_magic)) != 0 ||
	    get(in + TAIL_CRC, 4) != tail_crc(in, head))
		return false;
	*octets = get(in + TAIL_OCTETS, 8);
	memcpy(sha256->b, in + TAIL_SHA256, SLED_HASH_LEN);
	return true;
}

void
sled_spool_record(struct sled_record *out, const struct sled_spool_head *head,
                  uint64_t at, const struct sled_hash *sha256)
{
	*out = (struct sled_record){
		.listed = head->listed,
		.received = head->received,
		.alone = head->alone,
		.at = at,
		.octets = head->octets,
		.sha256 = *sha256,
	};
	(void)snprintf(out->id, sizeof(out->id), "%016llx-%llu",
	               (unsigned long long)head->nonce,
	               (unsigned long long)head->number);
	memcpy(out->uid, head->uid, sizeof(out->uid));
}
