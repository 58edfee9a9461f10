/* fuzz_html.c - libFuzzer: any HTML becomes a document in which there is nothing
 * but what is allowed, and text that is UTF-8. */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

#include "fx_safe.h"
#include "mailsled/reader.h"

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
	struct sled_buf out = { 0 }, text = { 0 };
	struct sled_err err = { 0 };
	const char *fault;

	insist(sled_html_safe(&out, html, &how, &err));
	insist(g_utf8_validate(out.data, (gssize)out.len, NULL));
	fault = fx_safe_fault(sled_buf_span(&out));
	if (fault != NULL)
		(void)fprintf(stderr, "%s in:\n%s\n", fault, out.data);
	insist(fault == NULL);
	insist(sled_html_text(&text, html, true, &err));
	sled_buf_free(&out);
	sled_buf_free(&text);
	return 0;
}
