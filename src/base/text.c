/* text.c - see mailsled/text.h for the contract. */
#include "mailsled/text.h"

#include <stdio.h>
#include <string.h>

/* How long a character that begins with C is; 0 when none does. */
static size_t
length_of(unsigned char c)
{
	if (c < 0x80)
		return 1;
	if (c < 0xc0 || c > 0xf7)
		return 0;
	return c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/* A code point in its shortest form, in range, and no surrogate? */
static bool
is_valid(int32_t point, size_t len)
{
	static const int32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };

	return point >= least[len] && point <= 0x10ffff &&
	       (point < 0xd800 || point > 0xdfff);
}

/* The code point at IN, its length in *used; -1 and 1 for a stray byte. */
static int32_t
decode(struct sled_span in, size_t *used)
{
	unsigned char c = (unsigned char)in.data[0];
	size_t len = length_of(c);
	int32_t point = len == 1 ? c : c & (0x7f >> len);

	*used = 1;
	if (len == 0 || len > in.len)
		return -1;
	for (size_t i = 1; i < len; i++) {
		unsigned char next = (unsigned char)in.data[i];
		if ((next & 0xc0) != 0x80)
			return -1;
		point = point << 6 | (next & 0x3f);
	}
	if (!is_valid(point, len))
		return -1;
	*used = len;
	return point;
}

/* Joiners shape the letters of many scripts, and pictures: there, they are part
 * of what was written. */
static bool
is_joiner(int32_t point, int32_t before)
{
	return (point == 0x200c || point == 0x200d) && before >= 0xa0;
}

/* Would this code point move a cursor, hide text or turn its direction? */
static bool
is_unsafe(int32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0) ||
	       point == 0x61c || (point >= 0x200b && point <= 0x200f) ||
	       (point >= 0x2028 && point <= 0x202e) ||
	       (point >= 0x2060 && point <= 0x206f) || point == 0xfeff ||
	       (point >= 0xfff9 && point <= 0xfffb) ||
	       (point >= 0xe0000 && point <= 0xe007f);
}

static bool
add_escape(struct sled_buf *out, int32_t point, struct sled_err *err)
{
	return sled_buf_printf(
	    out, err, point < 0x100 ? "\\x%02x" : "\\u{%04x}", (unsigned)point);
}

bool
sled_text_printable(struct sled_buf *out, struct sled_span in,
                    struct sled_err *err)
{
	int32_t before = 0;

	while (in.len > 0) {
		size_t used = 1;
		int32_t point = decode(in, &used);
		bool ok;

		if (point < 0)
			ok = add_escape(out, (unsigned char)in.data[0], err);
		else if (is_unsafe(point) && !is_joiner(point, before))
			ok = add_escape(out, point, err);
		else
			ok = sled_buf_add(out, in.data, used, err);
		if (!ok)
			return false;
		before = is_unsafe(point) ? 0 : point;
		in.data += used;
		in.len -= used;
	}
	return sled_buf_reserve(out, 1, err);
}

void
sled_text_clip(char *out, size_t room, struct sled_span in)
{
	struct sled_buf buf = { 0 };
	struct sled_err err = { 0 };
	size_t dots = room > 3 ? 3 : 0, len;

	if (room == 0)
		return;
	if (in.len > room)
		in.len = room;
	if (!sled_text_printable(&buf, in, &err)) {
		(void)snprintf(out, room, "?");
		return;
	}
	len = buf.len;
	if (len < room) {
		dots = 0;
	} else {
		len = room - 1 - dots;
		while (len > 0 && ((unsigned char)buf.data[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(out, buf.data, len);
	memcpy(out + len, "...", dots);
	out[len + dots] = '\0';
	sled_buf_free(&buf);
}

bool
sled_text_utf8(struct sled_buf *out, struct sled_span in, struct sled_err *err)
{
	while (in.len > 0) {
		struct sled_span rest = in;
		size_t used = 1;

		while (rest.len > 0 && decode(rest, &used) >= 0) {
			rest.data += used;
			rest.len -= used;
		}
		if (!sled_buf_add(out, in.data, in.len - rest.len, err) ||
		    (rest.len > 0 &&
		     !sled_buf_add(out, "\xef\xbf\xbd", 3, err)))
			return false;
		used = rest.len > 0 ? 1 : 0;
		in.data = rest.data + used;
		in.len = rest.len - used;
	}
	return sled_buf_reserve(out, 1, err);
}

const char *
sled_text_reference(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

/* What stands for POINT in markup; NULL: itself. */
static const char *
reference_of(int32_t point)
{
	if (point < 0 || point == 0xfffe || point == 0xffff)
		return "\xef\xbf\xbd";
	return point < 0x80 ? sled_text_reference((char)point) : NULL;
}

static bool
may_stay(int32_t point)
{
	return point == '\t' || point == '\n' || point == 0x200c ||
	       point == 0x200d || !is_unsafe(point);
}

bool
sled_text_html(struct sled_buf *out, struct sled_span in, struct sled_err *err)
{
	while (in.len > 0) {
		size_t used = 1;
		int32_t point = decode(in, &used);
		const char *reference = reference_of(point);

		if (reference != NULL ? !sled_buf_addstr(out, reference, err)
		    : may_stay(point) ? !sled_buf_add(out, in.data, used, err)
		                      : !add_escape(out, point, err))
			return false;
		in.data += used;
		in.len -= used;
	}
	return sled_buf_reserve(out, 1, err);
}

bool
sled_text_percent(struct sled_buf *out, struct sled_span in,
                  struct sled_err *err)
{
	if (in.len == 0)
		return sled_buf_add(out, "-", 1, err);
	if (in.len == 1 && in.data[0] == '-')
		return sled_buf_add(out, "%2D", 3, err);
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.data[i];
		if (c > 0x20 && c < 0x7f && c != '%'
		        ? !sled_buf_add(out, in.data + i, 1, err)
		        : !sled_buf_printf(out, err, "%%%02X", c))
			return false;
	}
	return true;
}

bool
sled_text_unpercent(struct sled_buf *out, struct sled_span in,
                    struct sled_err *err)
{
	if (in.len == 1 && in.data[0] == '-')
		return sled_buf_reserve(out, 1, err);
	if (in.len == 0)
		return sled_fail(err, SLED_ERR_USAGE, "not a field");
	for (size_t i = 0; i < in.len; i++) {
		uint8_t byte = (uint8_t)in.data[i];

		if (byte <= 0x20 || byte >= 0x7f)
			return sled_fail(err, SLED_ERR_USAGE, "not a field");
		if (byte == '%') {
			if (in.len - i < 3 ||
			    !sled_text_unhex(&byte, in.data + i + 1, 1))
				return sled_fail(err, SLED_ERR_USAGE,
				                 "not a %%XX escape");
			i += 2;
		}
		if (!sled_buf_add(out, &byte, 1, err))
			return false;
	}
	return sled_buf_reserve(out, 1, err);
}

void
sled_text_hex(char *out, const uint8_t *in, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		*out++ = digits[in[i] >> 4];
		*out++ = digits[in[i] & 15];
	}
	*out = '\0';
}

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
sled_text_unhex(uint8_t *out, const char *in, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		int high = digit(in[2 * i]);
		int low = high < 0 ? -1 : digit(in[2 * i + 1]);
		if (low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

bool
sled_text_base64(struct sled_buf *out, struct sled_span in,
                 struct sled_err *err)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqr"
				  "stuvwxyz0123456789+/";

	for (size_t i = 0; i < in.len; i += 3) {
		size_t have = in.len - i;
		uint32_t v = (uint32_t)(unsigned char)in.data[i] << 16;
		char quad[4];

		if (have > 1)
			v |= (uint32_t)(unsigned char)in.data[i + 1] << 8;
		if (have > 2)
			v |= (unsigned char)in.data[i + 2];
		quad[0] = set[v >> 18];
		quad[1] = set[v >> 12 & 63];
		quad[2] = '=';
		quad[3] = '=';
		if (have > 1)
			quad[2] = set[v >> 6 & 63];
		if (have > 2)
			quad[3] = set[v & 63];
		if (!sled_buf_add(out, quad, 4, err))
			return false;
	}
	return sled_buf_reserve(out, 1, err);
}

bool
sled_text_u64(struct sled_span in, uint64_t *out)
{
	uint64_t value = 0;

	if (in.len == 0)
		return false;
	for (size_t i = 0; i < in.len; i++) {
		unsigned d = (unsigned)(unsigned char)in.data[i] - '0';
		if (d > 9 || value > (UINT64_MAX - d) / 10)
			return false;
		value = value * 10 + d;
	}
	*out = value;
	return true;
}

bool
sled_text_shell(struct sled_buf *out, const char *in, struct sled_err *err)
{
	bool ok = sled_buf_addstr(out, "'", err);

	for (; ok && *in != '\0'; in++)
		ok = *in == '\'' ? sled_buf_addstr(out, "'\\''", err)
		                 : sled_buf_add(out, in, 1, err);
	return ok && sled_buf_addstr(out, "'", err);
}
