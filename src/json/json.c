/* json.c - see mailsled/json.h for the contract. */
#include "mailsled/json.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/text.h"

struct sled_json {
	json_t *object;
	bool failed;
};

bool
sled_json_new(struct sled_json **out, struct sled_err *err)
{
	struct sled_json *json = calloc(1, sizeof(*json));

	if (json != NULL)
		json->object = json_object();
	if (json == NULL || json->object == NULL) {
		free(json);
		return sled_fail_sys(err, ENOMEM, "json");
	}
	*out = json;
	return true;
}

void
sled_json_free(struct sled_json **json)
{
	if (*json == NULL)
		return;
	json_decref((*json)->object);
	free(*json);
	*json = NULL;
}

/* VALUE is taken, NULL included: it could not be made. */
static void
put(struct sled_json *json, const char *key, json_t *value)
{
	if (json_object_set_new(json->object, key, value) == -1)
		json->failed = true;
}

void
sled_json_span(struct sled_json *json, const char *key, struct sled_span text)
{
	struct sled_buf valid = { 0 };
	struct sled_err err = { 0 };

	if (sled_text_utf8(&valid, text, &err))
		put(json, key, json_stringn(valid.data, valid.len));
	else
		json->failed = true;
	sled_buf_free(&valid);
}

void
sled_json_text(struct sled_json *json, const char *key, const char *text)
{
	if (text == NULL)
		sled_json_null(json, key);
	else
		sled_json_span(json, key,
		               (struct sled_span){ text, strlen(text) });
}

void
sled_json_add(struct sled_json *json, const char *key, struct sled_json **child)
{
	json_t *array = json_object_get(json->object, key);

	if (array == NULL) {
		put(json, key, json_array());
		array = json_object_get(json->object, key);
	}
	if (child == NULL)
		return;
	if ((*child)->failed ||
	    json_array_append(array, (*child)->object) == -1)
		json->failed = true;
	sled_json_free(child);
}

void
sled_json_i64(struct sled_json *json, const char *key, int64_t value)
{
	put(json, key, json_integer(value));
}

void
sled_json_u64(struct sled_json *json, const char *key, uint64_t value)
{
	put(json, key,
	    value <= INT64_MAX ? json_integer((json_int_t)value)
	                       : json_real((double)value));
}

void
sled_json_real(struct sled_json *json, const char *key, double value)
{
	put(json, key, json_real(value));
}

void
sled_json_bool(struct sled_json *json, const char *key, bool value)
{
	put(json, key, json_boolean(value));
}

void
sled_json_null(struct sled_json *json, const char *key)
{
	put(json, key, json_null());
}

/* The code point at TEXT, which is valid UTF-8, and its length. */
static uint32_t
decode(const char *text, size_t *len)
{
	unsigned char c = (unsigned char)*text;
	uint32_t point;

	*len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	point = *len == 1 ? c : c & (0x7fU >> *len);
	for (size_t i = 1; i < *len; i++)
		point = point << 6 | ((unsigned char)text[i] & 0x3f);
	return point;
}

/* Might a terminal act on it, or show the line in another order? */
static bool
is_unsafe(uint32_t point)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0x7f, 0x9f },     { 0x61c, 0x61c },     { 0x200b, 0x200f },
		{ 0x2028, 0x202e }, { 0x2060, 0x206f },   { 0xfeff, 0xfeff },
		{ 0xfff9, 0xfffb }, { 0xe0000, 0xe007f },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (point >= ranges[i].first && point <= ranges[i].last)
			return true;
	return false;
}

static bool
escape(struct sled_buf *out, uint32_t point, struct sled_err *err)
{
	uint32_t above = point - 0x10000;

	if (point < 0x10000)
		return sled_buf_printf(out, err, "\\u%04" PRIx32, point);
	return sled_buf_printf(out, err, "\\u%04" PRIx32 "\\u%04" PRIx32,
	                       0xd800 + (above >> 10),
	                       0xdc00 + (above & 0x3ff));
}

/* Unsafe code points stand in strings only, where an escape means the same. */
static bool
make_line(struct sled_buf *out, const char *dump, struct sled_err *err)
{
	while (*dump != '\0') {
		size_t len = 1;
		uint32_t point = decode(dump, &len);

		if (is_unsafe(point) ? !escape(out, point, err)
		                     : !sled_buf_add(out, dump, len, err))
			return false;
		dump += len;
	}
	return sled_buf_add(out, "\n", 1, err);
}

bool
sled_json_line(struct sled_json **json, struct sled_buf *out,
               struct sled_err *err)
{
	char *dump = NULL;
	bool ok;

	if (!(*json)->failed)
		dump = json_dumps((*json)->object,
		                  JSON_COMPACT | JSON_REAL_PRECISION(15));
	sled_json_free(json);
	if (dump == NULL)
		return sled_fail_sys(err, ENOMEM, "json");
	ok = make_line(out, dump, err);
	free(dump);
	return ok;
}

bool
sled_json_print(struct sled_json **json, FILE *out, struct sled_err *err)
{
	struct sled_buf line = { 0 };
	bool ok = sled_json_line(json, &line, err);

	if (ok && fwrite(line.data, 1, line.len, out) != line.len)
		ok = sled_fail(err, SLED_ERR_IO, "output: %s", strerror(errno));
	sled_buf_free(&line);
	return ok;
}

/* ---- read ---- */

bool
sled_json_read(struct sled_json **out, struct sled_span line,
               struct sled_err *err)
{
	struct sled_json *json = calloc(1, sizeof(*json));

	*out = json;
	if (json == NULL)
		return sled_fail_sys(err, ENOMEM, "json");
	json->object =
	    json_loadb(line.data, line.len, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(json->object))
		return true;
	sled_json_free(out);
	return sled_fail(err, SLED_ERR_PROTO, "no JSON object");
}

const char *
sled_json_get_text(const struct sled_json *json, const char *key)
{
	return json_string_value(json_object_get(json->object, key));
}

bool
sled_json_get_u64(const struct sled_json *json, const char *key, uint64_t *out)
{
	const json_t *value = json_object_get(json->object, key);
	json_int_t number = json_integer_value(value);

	*out = number < 0 ? 0 : (uint64_t)number;
	return json_is_integer(value) && number >= 0;
}
