/* fuzz_html.c - libFuzzer: any HTML becomes a document in which there is nothing
 * but what is allowed, and text that is UTF-8. */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

#include "fx_safe.h"
#include "mailsled/reader.h"

#define END    4096 /* octets of text, and ... */
#define LITTLE 1024 /* ... what may stand before one piece of it */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
insist(bool ok)
{
	if (!ok)
		abort();
}

static bool
find_picture(void *ctx, const char *cid, struct sled_buf *url,
             struct sled_err *err)
{
	(void)ctx;
	return *cid == '?' ||
	       sled_buf_printf(url, err, FX_SAFE_PICTURE "%s", cid);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sled_span html = { (const char *)data, size };
	struct sled_html_safe how = { .picture = find_picture };
	const struct sled_html_want want = { .links = true, .end = END };
	struct sled_buf out = { 0 }, utf8 = { 0 }, text = { 0 };
	struct sled_err err = { 0 };
	const char *fault;

	insist(sled_html_safe(&out, html, &how, &err));
	insist(g_utf8_validate(out.data, (gssize)out.len, NULL));
	fault = fx_safe_fault(sled_buf_span(&out));
	if (fault != NULL)
		(void)fprintf(stderr, "%s in:\n%s\n", fault, out.data);
	insist(fault == NULL);
	insist(sled_charset_utf8(&utf8, html, NULL, &err));
	insist(sled_html_text(&text, sled_buf_span(&utf8), &want, &err));
	insist(text.len <= END + utf8.len + LITTLE);
	insist(g_utf8_validate(text.data, (gssize)text.len, NULL));
	sled_buf_free(&out);
	sled_buf_free(&utf8);
	sled_buf_free(&text);
	return 0;
}
