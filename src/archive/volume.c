/* volume.c - VOLUME.txt; see mailsled/archive.h. */
#include <stddef.h>
#include <string.h>

#include "mailsled/hash.h"
#include "mailsled/text.h"
#include "names.h"

static const char format_line[] = "format: 1\n";
static const char hash_key[] = "before-sha256";

struct field {
	const char *key;
	size_t at, room;
};

#define FIELD(key, member)                                                   \
	{                                                                    \
		key, offsetof(struct sled_volume_info, member),              \
		    sizeof(((const struct sled_volume_info *)NULL)->member), \
	}

static const struct field fields[] = {
	FIELD("account", label), FIELD("server", server),
	FIELD("user", user),     FIELD("store", store),
	FIELD("volume", volume), FIELD("before", before),
};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))

/* What is wrong with it, or NULL. */
static const char *
fault(const struct sled_volume_info *info)
{
	char name[SLED_ENTRY_NAME];
	int month;
	unsigned seq;

	for (size_t i = 0; i < FIELDS; i++)
		if (memchr((const char *)info + fields[i].at, '\0',
		           fields[i].room) == NULL)
			return "value too long";
	if (!sled_volume_name_parse(info->volume, &month, &seq) ||
	    (info->before[0] != '\0' &&
	     !sled_volume_name_parse(info->before, &month, &seq)))
		return "bad volume name";
	sled_volume_info_name(name, info->label, info->volume);
	if (strchr(info->label, '/') != NULL || !sled_entry_name_ok(name))
		return "bad account name";
	return NULL;
}

static bool
add_field(struct sled_buf *out, const char *key, const char *value,
          struct sled_err *err)
{
	struct sled_span span = { value, strlen(value) };

	return sled_buf_printf(out, err, "%s: ", key) &&
	       sled_text_percent(out, span, err) &&
	       sled_buf_add(out, "\n", 1, err);
}

static bool
add_fields(struct sled_buf *out, const struct sled_volume_info *info,
           struct sled_err *err)
{
	char hex[SLED_HASH_HEX] = "";

	if (!sled_buf_addstr(out, format_line, err))
		return false;
	for (size_t i = 0; i < FIELDS; i++)
		if (!add_field(out, fields[i].key,
		               (const char *)info + fields[i].at, err))
			return false;
	if (info->before[0] != '\0')
		sled_hash_hex(hex, &info->before_sha256);
	return add_field(out, hash_key, hex, err);
}

bool
sled_volume_info_format(struct sled_buf *out,
                        const struct sled_volume_info *info,
                        struct sled_err *err)
{
	const char *why = fault(info);
	struct sled_buf text = { 0 };
	bool ok;

	if (why != NULL)
		return sled_fail(err, SLED_ERR_USAGE, "VOLUME.txt: %s", why);
	ok = add_fields(&text, info, err) &&
	     sled_buf_add(out, text.data, text.len, err);
	sled_buf_free(&text);
	return ok;
}

/* The rest of the text, and where fields are unescaped. */
struct rest {
	struct sled_span text;
	struct sled_buf scratch;
};

/* The value of the next line, which must be KEY's. */
static bool
take_field(struct rest *rest, const char *key, char *out, size_t room,
           struct sled_err *err)
{
	struct sled_span *text = &rest->text, value;
	size_t skip = strlen(key) + 2, len = 0;
	const char *end = NULL;

	if (text->len > 0)
		end = memchr(text->data, '\n', text->len);
	if (end != NULL)
		len = (size_t)(end - text->data);
	if (len < skip || memcmp(text->data, key, skip - 2) != 0 ||
	    memcmp(text->data + skip - 2, ": ", 2) != 0)
		return sled_fail(err, SLED_ERR_DAMAGED, "no %s line", key);
	value = (struct sled_span){ text->data + skip, len - skip };
	text->data += len + 1;
	text->len -= len + 1;
	if (!sled_field_text(out, room, value, &rest->scratch, err))
		return sled_note(err, "%s", key);
	return true;
}

static bool
take_hash(struct rest *rest, struct sled_volume_info *info,
          struct sled_err *err)
{
	size_t len = info->before[0] == '\0' ? 0 : SLED_HASH_LEN;
	char hex[SLED_HASH_HEX] = "";

	if (!take_field(rest, hash_key, hex, sizeof(hex), err))
		return false;
	if (strlen(hex) != 2 * len ||
	    !sled_text_unhex(info->before_sha256.b, hex, len))
		return sled_fail(err, SLED_ERR_DAMAGED, "bad %s", hash_key);
	return true;
}

static bool
parse_fields(struct rest *rest, struct sled_volume_info *info,
             struct sled_err *err)
{
	const char *why;
	char format[2] = "";

	if (!take_field(rest, "format", format, sizeof(format), err))
		return false;
	if (strcmp(format, "1") != 0)
		return sled_fail(err, SLED_ERR_DAMAGED, "format is not 1");
	for (size_t i = 0; i < FIELDS; i++)
		if (!take_field(rest, fields[i].key,
		                (char *)info + fields[i].at, fields[i].room,
		                err))
			return false;
	if (!take_hash(rest, info, err))
		return false;
	if (rest->text.len > 0)
		return sled_fail(err, SLED_ERR_DAMAGED, "too many lines");
	why = fault(info);
	if (why != NULL)
		return sled_fail(err, SLED_ERR_DAMAGED, "%s", why);
	return true;
}

bool
sled_volume_info_parse(struct sled_span text, struct sled_volume_info *info,
                       struct sled_err *err)
{
	struct rest rest = { .text = text };
	bool ok;

	*info = (struct sled_volume_info){ 0 };
	ok = parse_fields(&rest, info, err);
	sled_buf_free(&rest.scratch);
	if (!ok)
		return sled_note(err, "VOLUME.txt");
	return true;
}
