/* charset.c - text of any charset as UTF-8; see mailsled/reader.h. */
#include <errno.h>
#include <iconv.h>
#include <string.h>
#include <strings.h>

#include "mailsled/text.h"
#include "reader/internal.h"

#define NO_MEANING "\xef\xbf\xbd" /* U+FFFD */

/* NUL ends a string for most who handle it, and says nothing. */
static bool
add_without_nul(struct sled_buf *out, struct sled_span in, struct sled_err *err)
{
	while (in.len > 0) {
		const char *nul = memchr(in.data, '\0', in.len);
		size_t len = nul == NULL ? in.len : (size_t)(nul - in.data);

		if (!sled_buf_add(out, in.data, len, err))
			return false;
		len += nul != NULL;
		in.data += len;
		in.len -= len;
	}
	return sled_buf_reserve(out, 1, err);
}

/* What is called ASCII or Latin-1 is Windows-1252 wherever they differ: no mail
 * has C1 controls for a purpose. */
static const char *
pick_charset(struct sled_span in, const char *charset)
{
	bool utf8 = g_utf8_validate(in.data, (gssize)in.len, NULL);
	const char *known;

	if (charset == NULL || *charset == '\0' || strlen(charset) > 64 ||
	    strcasecmp(charset, "us-ascii") == 0 ||
	    strcasecmp(charset, "ascii") == 0 ||
	    strcasecmp(charset, "unknown-8bit") == 0)
		return utf8 ? "UTF-8" : "WINDOWS-1252";
	if (strcasecmp(charset, "utf-8") == 0 ||
	    strcasecmp(charset, "utf8") == 0)
		return "UTF-8";
	sled_gmime_begin();
	known = g_mime_charset_iconv_name(charset);
	if (known == NULL || strcasecmp(known, "iso-8859-1") == 0)
		return "WINDOWS-1252";
	return known;
}

/* One step of the conversion: FALSE once nothing is left. */
static bool
convert_some(iconv_t cd, struct sled_span *in, struct sled_buf *out,
             struct sled_err *err)
{
	char piece[4096], *to = piece;
	char *from;
	size_t room = sizeof(piece);
	int why;

	memcpy(&from, &in->data, sizeof(from)); /* iconv writes nothing there */
	why = iconv(cd, &from, &in->len, &to, &room) == SIZE_MAX ? errno : 0;
	in->data = from;
	if (!add_without_nul(
		out, (struct sled_span){ piece, (size_t)(to - piece) }, err))
		return false;
	if (why == 0 || why == E2BIG)
		return true;
	if (in->len > 0) { /* no character, or the half of one */
		in->data++;
		in->len--;
		(void)iconv(cd, NULL, NULL, NULL, NULL);
	}
	return sled_buf_addstr(out, NO_MEANING, err);
}

static bool
open_iconv(const char *name, iconv_t *out)
{
	/* iconv_open() tells of a failure by a pointer of all ones. */
	*out = iconv_open("UTF-8", name);
	if ((uintptr_t)*out == UINTPTR_MAX)
		*out = iconv_open("UTF-8", "WINDOWS-1252");
	return (uintptr_t)*out != UINTPTR_MAX;
}

bool
sled_charset_utf8(struct sled_buf *out, struct sled_span in,
                  const char *charset, struct sled_err *err)
{
	struct sled_buf valid = { 0 };
	const char *name = pick_charset(in, charset);
	iconv_t cd = NULL;
	bool ok = strcmp(name, "UTF-8") != 0 && open_iconv(name, &cd);

	if (!ok) {
		ok = sled_text_utf8(&valid, in, err) &&
		     add_without_nul(out, sled_buf_span(&valid), err);
		sled_buf_free(&valid);
		return ok;
	}
	while (ok && in.len > 0)
		ok = convert_some(cd, &in, out, err);
	(void)iconv_close(cd);
	return ok && sled_buf_reserve(out, 1, err);
}
