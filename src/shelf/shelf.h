/* shelf.h - what the files of the shelf share; private to shelf. */
#ifndef SHELF_SHELF_H
#define SHELF_SHELF_H

#include "mailsled/file.h"
#include "mailsled/shelf.h"

/* An open file as a source for archive.h; .source.ctx is this struct. */
struct sled_shelf_source {
	struct sled_file file;
	struct sled_source source;
};

bool sled_shelf_source_open(struct sled_shelf_source *out,
                            const struct sled_sys *sys, const char *path,
                            struct sled_err *err);
void sled_shelf_source_close(struct sled_shelf_source *source);

#endif
