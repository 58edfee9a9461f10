/* names.c - names and fields; see names.h and mailsled/archive.h. */
#include "names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mailsled/clock.h"
#include "mailsled/text.h"

#define SEQ_MAX      9999999U
#define LABEL_MAX    24
#define REVISION_MAX 999999U

static const char open_suffix[] = ".open.tar.gz";
static const char sealed_suffix[] = ".tar.gz";

void
sled_volume_name(char out[SLED_VOLUME_NAME], int month, unsigned seq)
{
	unsigned m = (unsigned)month;

	(void)snprintf(out, SLED_VOLUME_NAME, "%04u-%02u-%03u", m / 12 % 10000,
	               m % 12 + 1, seq % (SEQ_MAX + 1));
}

static bool
number(const char *digits, size_t len, unsigned max, unsigned *out)
{
	uint64_t value = 0;

	if (!sled_text_u64((struct sled_span){ digits, len }, &value) ||
	    value > max)
		return false;
	*out = (unsigned)value;
	return true;
}

bool
sled_volume_name_parse(const char *name, int *month, unsigned *seq)
{
	char again[SLED_VOLUME_NAME];
	unsigned year, mon, count;

	if (strnlen(name, SLED_VOLUME_NAME) < 11 ||
	    !number(name, 4, 9999, &year) || !number(name + 5, 2, 12, &mon) ||
	    mon == 0 ||
	    !number(name + 8, strnlen(name + 8, 8), SEQ_MAX, &count) ||
	    count == 0)
		return false;
	*month = (int)(year * 12 + mon - 1);
	*seq = count;
	sled_volume_name(again, *month, count);
	return strcmp(again, name) == 0;
}

static void
order_of(const char *name, int *month, unsigned *seq)
{
	if (!sled_volume_name_parse(name, month, seq)) {
		*month = 0;
		*seq = 0;
	}
}

int
sled_volume_name_compare(const char *a, const char *b)
{
	int month[2];
	unsigned seq[2];

	order_of(a, &month[0], &seq[0]);
	order_of(b, &month[1], &seq[1]);
	if (month[0] != month[1])
		return month[0] < month[1] ? -1 : 1;
	return seq[0] == seq[1] ? 0 : seq[0] < seq[1] ? -1 : 1;
}

void
sled_volume_file(char out[SLED_VOLUME_FILE], const char *name, bool open)
{
	(void)snprintf(out, SLED_VOLUME_FILE, "%.15s%s", name,
	               open ? open_suffix : sealed_suffix);
}

void
sled_volume_sealed_file(char out[SLED_VOLUME_FILE], const char *name,
                        unsigned revision)
{
	if (revision == 0)
		sled_volume_file(out, name, false);
	else
		(void)snprintf(out, SLED_VOLUME_FILE, "%.15s.r%u%s", name,
		               revision, sealed_suffix);
}

bool
sled_volume_file_parse(const char *file, char name[SLED_VOLUME_NAME],
                       bool *open, unsigned *revision)
{
	char again[SLED_VOLUME_FILE];
	size_t len = strcspn(file, ".");
	int month;
	unsigned seq;

	if (len >= SLED_VOLUME_NAME)
		return false;
	*revision = 0;
	if (file[len] == '.' && file[len + 1] == 'r' &&
	    !number(file + len + 2, strspn(file + len + 2, "0123456789"),
	            REVISION_MAX, revision))
		return false;
	memcpy(name, file, len);
	name[len] = '\0';
	*open = strcmp(file + len, open_suffix) == 0;
	sled_volume_sealed_file(again, name, *revision);
	return (*open || strcmp(file, again) == 0) &&
	       sled_volume_name_parse(name, &month, &seq);
}

void
sled_entry_name(char out[SLED_ENTRY_NAME], const char *label, int64_t received,
                uint64_t number_in_label, const struct sled_hash *sha256)
{
	char when[SLED_TIME_TEXT] = "", hex[17];

	sled_clock_compact(received, when);
	sled_text_hex(hex, sha256->b, 8);
	(void)snprintf(out, SLED_ENTRY_NAME,
	               "%.24s/%.4s/%.2s/%.2s/%.16s-%08" PRIu64 "-%s.eml", label,
	               when, when + 4, when + 6, when, number_in_label, hex);
}

void
sled_receipts_name(char out[SLED_ENTRY_NAME], const char *label,
                   const char *volume, unsigned seq)
{
	(void)snprintf(out, SLED_ENTRY_NAME,
	               "mailsled/%.24s/%.15s/receipts-%06u.tsv", label, volume,
	               seq);
}

void
sled_volume_info_name(char out[SLED_ENTRY_NAME], const char *label,
                      const char *volume)
{
	(void)snprintf(out, SLED_ENTRY_NAME, "mailsled/%.24s/%.15s/VOLUME.txt",
	               label, volume);
}

/* Neither empty nor a way out of the folder. */
static bool
component_ok(const char *at, size_t len)
{
	return len > 0 && !(len == 1 && at[0] == '.') &&
	       !(len == 2 && at[0] == '.' && at[1] == '.');
}

bool
sled_entry_name_ok(const char name[SLED_ENTRY_NAME])
{
	size_t len = strnlen(name, SLED_ENTRY_NAME), from = 0;

	if (len == SLED_ENTRY_NAME)
		return false;
	for (size_t i = 0; i <= len; i++) {
		unsigned char c = (unsigned char)name[i];

		if (i < len && (c < 0x21 || c > 0x7e))
			return false;
		if (i < len && c != '/')
			continue;
		if (!component_ok(name + from, i - from))
			return false;
		from = i + 1;
	}
	return true;
}

bool
sled_receipts_name_parse(const char *name, char label[LABEL_MAX + 1],
                         char volume[SLED_VOLUME_NAME], unsigned *seq)
{
	char again[SLED_ENTRY_NAME];
	int month, used = 0;
	unsigned count;

	/* What sscanf lets through, the comparison below does not. */
	if (sscanf(name, "mailsled/%24[^/]/%15[^/]/receipts-%n", label, volume,
	           &used) != 2 ||
	    used == 0 || !sled_volume_name_parse(volume, &month, &count) ||
	    !number(name + used, strcspn(name + used, "."), UINT32_MAX, seq) ||
	    *seq == 0)
		return false;
	sled_receipts_name(again, label, volume, *seq);
	return strcmp(again, name) == 0;
}

bool
sled_field_text(char *out, size_t room, struct sled_span in,
                struct sled_buf *scratch, struct sled_err *err)
{
	scratch->len = 0;
	if (in.len == 0 || in.len > 3 * room)
		return sled_fail(err, SLED_ERR_DAMAGED, "field of bad length");
	if (!sled_text_unpercent(scratch, in, err)) {
		if (err->kind == SLED_ERR_USAGE)
			err->kind = SLED_ERR_DAMAGED;
		return false;
	}
	if (scratch->len >= room ||
	    (scratch->len > 0 &&
	     memchr(scratch->data, '\0', scratch->len) != NULL))
		return sled_fail(err, SLED_ERR_DAMAGED, "field of bad length");
	if (scratch->len > 0)
		memcpy(out, scratch->data, scratch->len);
	out[scratch->len] = '\0';
	return true;
}
