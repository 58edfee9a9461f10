/* fx_mem.c - see fx_mem.h. */
#include "fx_mem.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

bool
fx_mem_sink(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	struct sled_buf *buf = ctx;

	return sled_buf_add(buf, data, len, err);
}

static bool
read_mem(void *ctx, void *data, size_t len, uint64_t at, size_t *got,
         struct sled_err *err)
{
	const struct sled_buf *buf = ctx;

	(void)err;
	*got = at >= buf->len        ? 0
	       : buf->len - at < len ? (size_t)(buf->len - at)
	                             : len;
	if (*got > 0)
		memcpy(data, buf->data + at, *got);
	return true;
}

struct sled_source
fx_mem_source(struct sled_buf *buf)
{
	return (struct sled_source){ read_mem, buf, buf->len };
}

void
fx_dir_make(char out[FX_PATH])
{
	const char *base = getenv("TMPDIR");
	int len = snprintf(out, FX_PATH, "%s/mailsled-XXXXXX",
	                   base == NULL || *base == '\0' ? "/tmp" : base);

	assert_in_range(len, 1, FX_PATH - 1);
	assert_non_null(mkdtemp(out));
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void
fx_dir_remove(const char *path)
{
	assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void
fx_file_write(const char *path, struct sled_span data)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(data.data, 1, data.len, file), data.len);
	assert_int_equal(fclose(file), 0);
}

void
fx_file_slurp(struct sled_buf *out, const char *path)
{
	FILE *file = fopen(path, "rb");
	struct sled_err err = { 0 };
	char chunk[4096];
	size_t got;

	assert_non_null(file);
	while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0)
		assert_true(sled_buf_add(out, chunk, got, &err));
	assert_false(ferror(file));
	(void)fclose(file);
}
