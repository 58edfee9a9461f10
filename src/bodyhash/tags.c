/* tags.c - a DKIM-Signature field's tag-list: RFC 6376 sections 3.2 and 3.5. */
#include <string.h>

#include "bodyhash/parts.h"
#include "mailsled/text.h"

#define BASE64_LEN 44 /* of SLED_HASH_LEN octets, with the "=" */
#define DIGITS_MAX 76 /* of l= */

struct tags {
	struct sled_span names[SLED_BODYHASH_TAGS];
	struct sled_span values[SLED_BODYHASH_TAGS];
	size_t len;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static struct sled_span
trim(struct sled_span text)
{
	while (text.len > 0 && is_blank(*text.data)) {
		text.data++;
		text.len--;
	}
	while (text.len > 0 && is_blank(text.data[text.len - 1]))
		text.len--;
	return text;
}

static bool
is_name(struct sled_span text)
{
	if (text.len == 0 || !is_letter(*text.data))
		return false;
	for (size_t i = 1; i < text.len; i++)
		if (!is_letter(text.data[i]) && !is_digit(text.data[i]) &&
		    text.data[i] != '_')
			return false;
	return true;
}

/* VALCHARs and blanks; beyond ASCII too (RFC 8616). */
static bool
is_value(struct sled_span text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static bool
same(struct sled_span a, struct sled_span b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static bool
is(struct sled_span text, const char *word)
{
	return same(text, (struct sled_span){ word, strlen(word) });
}

/* NAME=VALUE; no tag may come twice. */
static bool
add_tag(struct tags *tags, struct sled_span spec)
{
	const char *equals = memchr(spec.data, '=', spec.len);
	struct sled_span name, value;

	if (equals == NULL || tags->len == SLED_BODYHASH_TAGS)
		return false;
	name.data = spec.data;
	name.len = (size_t)(equals - spec.data);
	value.data = equals + 1;
	value.len = spec.len - name.len - 1;
	name = trim(name);
	value = trim(value);
	if (!is_name(name) || !is_value(value))
		return false;
	for (size_t i = 0; i < tags->len; i++)
		if (same(tags->names[i], name))
			return false;
	tags->names[tags->len] = name;
	tags->values[tags->len++] = value;
	return true;
}

/* The last tag may have a ";" behind it. */
static bool
read_tags(struct tags *tags, struct sled_span list)
{
	tags->len = 0;
	list = trim(list);
	while (list.len > 0) {
		const char *end = memchr(list.data, ';', list.len);
		struct sled_span spec = list;

		if (end != NULL)
			spec.len = (size_t)(end - list.data);
		if (!add_tag(tags, spec))
			return false;
		if (end == NULL)
			break;
		list.data += spec.len + 1;
		list.len -= spec.len + 1;
	}
	return true;
}

/* Empty when there is no such tag. */
static struct sled_span
value_of(const struct tags *tags, const char *name)
{
	for (size_t i = 0; i < tags->len; i++)
		if (is(tags->names[i], name))
			return tags->values[i];
	return (struct sled_span){ NULL, 0 };
}

static int
sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (is_digit(c))
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* Base64 of exactly a SHA-256, with blanks anywhere. */
static bool
read_hash(struct sled_hash *out, struct sled_span text)
{
	uint8_t *to = out->b;
	uint32_t bits = 0;
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		int six = sextet(text.data[i]);

		if (is_blank(text.data[i]))
			continue;
		if (len++ == BASE64_LEN - 1 ? text.data[i] != '=' : six < 0)
			return false;
		if (len > BASE64_LEN)
			return false;
		bits = bits << 6 | (six < 0 ? 0 : (uint32_t)six);
		if (len % 4 != 0)
			continue;
		*to++ = (uint8_t)(bits >> 16);
		*to++ = (uint8_t)(bits >> 8);
		if (len < BASE64_LEN)
			*to++ = (uint8_t)bits;
	}
	return len == BASE64_LEN;
}

/* A count beyond what 64 bits hold limits no message. */
static bool
read_limit(uint64_t *out, struct sled_span text)
{
	*out = UINT64_MAX;
	if (text.data == NULL)
		return true;
	if (text.len == 0 || text.len > DIGITS_MAX)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (!is_digit(text.data[i]))
			return false;
	if (!sled_text_u64(text, out))
		*out = UINT64_MAX;
	return true;
}

static bool
read_form(enum sled_canon_form *out, struct sled_span text)
{
	*out = is(text, "relaxed") ? SLED_CANON_RELAXED : SLED_CANON_SIMPLE;
	return *out == SLED_CANON_RELAXED || is(text, "simple");
}

/* HEADER[/BODY]; simple is what stands for what is not there. */
static bool
read_forms(enum sled_canon_form *out, struct sled_span text)
{
	struct sled_span head = text, body = { "simple", 6 };
	enum sled_canon_form unused;
	const char *slash;

	*out = SLED_CANON_SIMPLE;
	if (text.data == NULL)
		return true;
	slash = memchr(text.data, '/', text.len);
	if (slash != NULL) {
		head.len = (size_t)(slash - text.data);
		body.data = slash + 1;
		body.len = text.len - head.len - 1;
	}
	return read_form(&unused, head) && read_form(out, body);
}

void
sled_signature_read(struct sled_signature *out, struct sled_span value)
{
	struct tags tags;
	struct sled_span method, domain;

	*out = (struct sled_signature){ .judged = false };
	if (!read_tags(&tags, value))
		return;
	method = value_of(&tags, "a");
	domain = value_of(&tags, "d");
	if (domain.len > 0)
		sled_text_clip(out->domain, sizeof(out->domain), domain);
	out->judged =
	    is(value_of(&tags, "v"), "1") &&
	    (is(method, "rsa-sha256") || is(method, "ed25519-sha256")) &&
	    domain.len > 0 && value_of(&tags, "h").len > 0 &&
	    read_hash(&out->hash, value_of(&tags, "bh")) &&
	    read_forms(&out->form, value_of(&tags, "c")) &&
	    read_limit(&out->limit, value_of(&tags, "l"));
}
