/* name.c - a name for a file out of what a sender called it. */
#include <string.h>
#include <strings.h>

#include "mailsled/text.h"
#include "reader/internal.h"

#define NAME_MOST   200 /* octets: below every file system's 255, with room */
#define ENDING_MOST 16  /* of them, an ending like ".tar.gz" that is kept */

/* Not in any name: what divides paths here or elsewhere, what shells, drives
 * and FAT take for something else. */
static bool
is_refused(gunichar c)
{
	return c < 0x20 || c == 0x7f || c > 0x10ffff ||
	       (c < 0x80 && strchr("/\\:*?\"<>|", (int)c) != NULL) ||
	       !g_unichar_isprint(c) || g_unichar_type(c) == G_UNICODE_FORMAT;
}

/* Only the last part of a path, whoever's path it is. */
static const char *
last_of_path(const char *name)
{
	const char *last = name;

	for (; *name != '\0'; name++)
		if ((*name == '/' || *name == '\\') && name[1] != '\0')
			last = name + 1;
	return last;
}

static bool
add_characters(struct sled_buf *out, const char *name, struct sled_err *err)
{
	size_t len;

	for (; *name != '\0'; name += len) {
		gunichar c = g_utf8_get_char(name);
		bool ok;

		len = sled_character_octets(name);
		ok = is_refused(c)          ? sled_buf_add(out, "_", 1, err)
		     : g_unichar_isspace(c) ? sled_buf_add(out, " ", 1, err)
		                            : sled_buf_add(out, name, len, err);

		if (!ok)
			return false;
	}
	return sled_buf_reserve(out, 1, err);
}

/* Hidden files, and ends that some systems drop. */
static void
trim(struct sled_buf *name)
{
	size_t from = strspn(name->data, ". ~-");

	sled_buf_shift(name, from);
	while (name->len > 0 && strchr(". ", name->data[name->len - 1]) != NULL)
		name->len--;
	name->data[name->len] = '\0';
}

/* Cut in the middle, where a character ends; the ending stays. */
static void
shorten(struct sled_buf *name)
{
	const char *dot;
	size_t ending = 0, keep;

	if (name->len <= NAME_MOST)
		return;
	dot = memrchr(name->data, '.', name->len);
	if (dot != NULL &&
	    name->len - (size_t)(dot - name->data) <= ENDING_MOST)
		ending = name->len - (size_t)(dot - name->data);
	keep = NAME_MOST - ending;
	while (keep > 0 && ((unsigned char)name->data[keep] & 0xc0) == 0x80)
		keep--;
	memmove(name->data + keep, name->data + name->len - ending, ending);
	name->len = keep + ending;
	name->data[name->len] = '\0';
}

/* Names of devices, on disks that a Windows machine will read. */
static bool
is_reserved(const char *name)
{
	static const char *const devices[] = { "con", "prn", "aux", "nul" };
	size_t len = strcspn(name, ".");

	for (size_t i = 0; i < 4; i++)
		if (len == 3 && strncasecmp(name, devices[i], 3) == 0)
			return true;
	return len == 4 &&
	       (strncasecmp(name, "com", 3) == 0 ||
	        strncasecmp(name, "lpt", 3) == 0) &&
	       g_ascii_isdigit(name[3]);
}

static const char *
ending_of(const char *type)
{
	static const char *const known[][2] = {
		{ "text/plain", "txt" },
		{ "text/html", "html" },
		{ "text/calendar", "ics" },
		{ "text/csv", "csv" },
		{ "image/jpeg", "jpg" },
		{ "image/png", "png" },
		{ "image/gif", "gif" },
		{ "application/pdf", "pdf" },
		{ "application/zip", "zip" },
		{ "message/rfc822", "eml" },
		{ "application/pgp-signature", "asc" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strcasecmp(type, known[i][0]) == 0)
			return known[i][1];
	return "bin";
}

bool
sled_name_safe(struct sled_buf *out, const char *name, const char *type,
               size_t part, struct sled_err *err)
{
	struct sled_buf valid = { 0 }, clean = { 0 };
	bool ok = sled_text_utf8(
		      &valid, (struct sled_span){ name, strlen(name) }, err) &&
	          add_characters(&clean, last_of_path(valid.data), err);

	if (ok) {
		trim(&clean);
		shorten(&clean);
		ok = clean.len == 0
		         ? sled_buf_printf(out, err, "part-%zu.%s", part,
		                           ending_of(type))
		         : sled_buf_printf(out, err, "%s%s",
		                           is_reserved(clean.data) ? "_" : "",
		                           clean.data);
	}
	sled_buf_free(&valid);
	sled_buf_free(&clean);
	return ok;
}
