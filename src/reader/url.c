/* url.c - what the links and pictures of mail lead to; see safe.h. */
#include <string.h>
#include <strings.h>

#include "mailsled/text.h"
#include "reader/safe.h"

/* As browsers do: blanks and controls at both ends, and line ends and tabs
 * anywhere, are not there; a control or a blank inside is escaped. */
static bool
clean(struct sled_span in, struct sled_buf *out, struct sled_err *err)
{
	while (in.len > 0 && (unsigned char)*in.data <= ' ')
		in.data++, in.len--;
	while (in.len > 0 && (unsigned char)in.data[in.len - 1] <= ' ')
		in.len--;
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.data[i];

		if (c == '\t' || c == '\n' || c == '\r')
			continue;
		if (c <= ' ' || c == 0x7f || strchr("\"'<>`", c) != NULL) {
			if (!sled_buf_printf(out, err, "%%%02X", c))
				return false;
		} else if (!sled_buf_add(out, in.data + i, 1, err)) {
			return false;
		}
	}
	return sled_buf_reserve(out, 1, err);
}

static bool
begins(const struct sled_buf *url, const char *with)
{
	return url->len >= strlen(with) &&
	       strncasecmp(url->data, with, strlen(with)) == 0;
}

bool
sled_url_link(struct sled_span in, struct sled_buf *out, struct sled_err *err)
{
	struct sled_buf url = { 0 };
	bool ok = clean(in, &url, err);

	if (ok && begins(&url, "//"))
		ok = sled_buf_addstr(out, "https:", err);
	if (ok && (begins(&url, "//") || begins(&url, "http://") ||
	           begins(&url, "https://") || begins(&url, "mailto:")))
		ok = sled_buf_add(out, url.data, url.len, err);
	sled_buf_free(&url);
	return ok && sled_buf_reserve(out, 1, err);
}

/* ---- pictures in the page itself ---- */

static bool
is_pixels(const struct sled_buf *url, size_t *head)
{
	static const char *const types[] = {
		"data:image/png;base64,",  "data:image/gif;base64,",
		"data:image/jpeg;base64,", "data:image/jpg;base64,",
		"data:image/webp;base64,", "data:image/bmp;base64,",
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (begins(url, types[i])) {
			*head = strlen(types[i]);
			return true;
		}
	return false;
}

/* A line that was broken may have one. */
static void
drop_blanks(struct sled_buf *url)
{
	size_t to = 0;

	for (size_t i = 0; i < url->len; i++)
		if (url->len - i >= 3 && memcmp(url->data + i, "%20", 3) == 0)
			i += 2;
		else
			url->data[to++] = url->data[i];
	url->len = to;
	if (url->data != NULL)
		url->data[to] = '\0';
}

bool
sled_url_data(struct sled_span in, struct sled_buf *out, struct sled_err *err)
{
	static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/=%";
	struct sled_buf url = { 0 };
	size_t head = 0;
	bool ok = clean(in, &url, err);

	drop_blanks(&url);
	if (ok && is_pixels(&url, &head) &&
	    strspn(url.data + head, base64) == url.len - head)
		ok = sled_buf_add(out, url.data, url.len, err);
	sled_buf_free(&url);
	return ok && sled_buf_reserve(out, 1, err);
}

/* ---- pictures of the message ---- */

static int
hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c == '\0' ? NULL : strchr(digits, c | 0x20);

	return at == NULL ? -1 : (int)(at - digits);
}

bool
sled_url_cid(struct sled_span in, struct sled_buf *out, struct sled_err *err)
{
	struct sled_buf url = { 0 }, cid = { 0 };
	bool ok = clean(in, &url, err);

	for (size_t i = 4; ok && begins(&url, "cid:") && i < url.len; i++) {
		char c = url.data[i];

		if (c == '%' && hex_digit(url.data[i + 1]) >= 0 &&
		    hex_digit(url.data[i + 2]) >= 0) {
			c = (char)(hex_digit(url.data[i + 1]) * 16 +
			           hex_digit(url.data[i + 2]));
			i += 2;
		}
		ok = c == '\0' || sled_buf_add(&cid, &c, 1, err);
	}
	ok = ok && sled_text_utf8(out, sled_buf_span(&cid), err) &&
	     sled_buf_reserve(out, 1, err);
	sled_buf_free(&url);
	sled_buf_free(&cid);
	return ok;
}

/* ---- what is told of them ---- */

bool
sled_url_host(struct sled_span url, struct sled_buf *out, struct sled_err *err)
{
	const char *host = memmem(url.data, url.len, "://", 3), *end;
	const char *last = url.data + url.len;

	if (host == NULL)
		return sled_buf_reserve(out, 1, err);
	host += 3;
	for (end = host; end < last && strchr("/\\?#", *end) == NULL;)
		end++;
	for (const char *at = host; at < end; at++)
		if (*at == '@')
			host = at + 1;
	return sled_buf_add(out, host, (size_t)(end - host), err);
}

bool
sled_url_runs(struct sled_span in)
{
	static const char *const schemes[] = { "javascript:", "vbscript:",
		                               "livescript:", "data:text/",
		                               "data:image/svg" };
	struct sled_buf url = { 0 };
	struct sled_err err = { 0 };
	bool runs = false;

	if (clean(in, &url, &err))
		for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
			runs = runs || begins(&url, schemes[i]);
	sled_buf_free(&url);
	return runs;
}
