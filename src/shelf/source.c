/* source.c - a volume's file. */
#include <fcntl.h>

#include "shelf/shelf.h"

static bool
read_at(void *ctx, void *data, size_t len, uint64_t at, size_t *got,
        struct sled_err *err)
{
	struct sled_shelf_source *source = ctx;

	return sled_file_read(&source->file, data, len, at, got, err);
}

bool
sled_shelf_source_open(struct sled_shelf_source *out,
                       const struct sled_sys *sys, const char *path,
                       struct sled_err *err)
{
	if (!sled_file_open(&out->file, sys, AT_FDCWD, path,
	                    O_RDONLY | O_NONBLOCK, 0, err))
		return false;
	out->source = (struct sled_source){ read_at, out, 0 };
	if (sled_file_size(&out->file, &out->source.size, err))
		return true;
	sled_file_drop(&out->file);
	return false;
}

void
sled_shelf_source_close(struct sled_shelf_source *source)
{
	sled_file_drop(&source->file);
}
