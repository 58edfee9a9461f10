/* fx_mem.h - for tests: sinks and sources in memory, folders that go away. */
#ifndef FX_MEM_H
#define FX_MEM_H

#include "mailsled/archive.h"
#include "mailsled/buf.h"
#include "mailsled/err.h"
#include "mailsled/types.h"

#define FX_PATH 256

/* A sled_sink that adds to the struct sled_buf at CTX. */
bool fx_mem_sink(void *ctx, const void *data, size_t len, struct sled_err *err);
/* A source over what BUF (borrowed) holds now. */
struct sled_source fx_mem_source(struct sled_buf *buf);

/* A new empty folder below $TMPDIR or /tmp; a failure ends the test. */
void fx_dir_make(char out[FX_PATH]);
/* The folder and all in it. */
void fx_dir_remove(const char *path);
/* Whole files; a failure ends the test. slurp() adds to OUT. */
void fx_file_write(const char *path, struct sled_span data);
void fx_file_slurp(struct sled_buf *out, const char *path);

#endif
