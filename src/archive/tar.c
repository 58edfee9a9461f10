/* tar.c - see tar.h. */
#include "tar.h"

#include <string.h>

#include "names.h"

/* Where the fields of a ustar header lie. */
enum {
	NAME = 0,
	MODE = 100,
	UID = 108,
	GID = 116,
	SIZE = 124,
	MTIME = 136,
	CHKSUM = 148,
	TYPE = 156,
	LINKNAME = 157,
	MAGIC = 257,
	UNAME = 265,
	DEVMAJOR = 329,
	DEVMINOR = 337,
	PREFIX = 345,
};

bool
sled_tar_is_zero(const uint8_t *data, size_t len)
{
	uint8_t any = 0;

	for (size_t i = 0; i < len; i++)
		any |= data[i];
	return any == 0;
}

/* Octal digits up to a space or NUL; nothing else may follow. */
static bool
octal(const uint8_t *in, size_t len, uint64_t *out)
{
	size_t i = 0;

	*out = 0;
	while (i < len && in[i] >= '0' && in[i] <= '7')
		*out = *out << 3 | (uint64_t)(in[i++] - '0');
	if (i == 0)
		return false;
	for (; i < len; i++)
		if (in[i] != ' ' && in[i] != '\0')
			return false;
	return true;
}

static bool
is_octal(const uint8_t *in, size_t len, uint64_t wanted)
{
	uint64_t value;

	return octal(in, len, &value) && value == wanted;
}

static uint64_t
checksum(const uint8_t block[SLED_TAR_BLOCK])
{
	uint64_t sum =
	    8 * (uint64_t)' '; /* the field itself counts as spaces */

	for (size_t i = 0; i < SLED_TAR_BLOCK; i++)
		if (i < CHKSUM || i >= TYPE)
			sum += block[i];
	return sum;
}

/* What all our entries have in common. */
static bool
is_ours(const uint8_t block[SLED_TAR_BLOCK])
{
	return is_octal(block + MODE, 8, 0644) && is_octal(block + UID, 8, 0) &&
	       is_octal(block + GID, 8, 0) && block[TYPE] == '0' &&
	       sled_tar_is_zero(block + LINKNAME, MAGIC - LINKNAME) &&
	       memcmp(block + MAGIC,
	              "ustar\0"
	              "00",
	              8) == 0 &&
	       sled_tar_is_zero(block + UNAME, DEVMAJOR - UNAME) &&
	       is_octal(block + DEVMAJOR, 8, 0) &&
	       is_octal(block + DEVMINOR, 8, 0) &&
	       sled_tar_is_zero(block + PREFIX, SLED_TAR_BLOCK - PREFIX);
}

bool
sled_tar_parse(const uint8_t block[SLED_TAR_BLOCK], struct sled_entry *out,
               struct sled_err *err)
{
	uint64_t mtime;
	size_t len = strnlen((const char *)block, MODE);

	if (!is_octal(block + CHKSUM, 8, checksum(block)))
		return sled_fail(err, SLED_ERR_DAMAGED, "tar: no header");
	memcpy(out->name, block + NAME, len);
	out->name[len] = '\0';
	if (!sled_tar_is_zero(block + len, MODE - len) ||
	    !sled_entry_name_ok(out->name))
		return sled_fail(err, SLED_ERR_DAMAGED, "tar: bad name");
	if (!octal(block + SIZE, 12, &out->size) ||
	    !octal(block + MTIME, 12, &mtime) || !is_ours(block))
		return sled_fail(err, SLED_ERR_DAMAGED,
		                 "tar: not an entry of ours: %s", out->name);
	out->mtime = (int64_t)mtime;
	return true;
}
