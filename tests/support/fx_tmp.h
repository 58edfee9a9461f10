/* fx_tmp.h - a folder for one test, gone with all it holds at the end. */
#ifndef FX_TMP_H
#define FX_TMP_H

#include <stddef.h>
#include <stdint.h>

#define FX_TMP_PATH 256

struct fx_tmp {
	char path[FX_TMP_PATH]; /* absolute */
	int dir;                /* the folder, open */
};

/* Made below $TMPDIR or /tmp. Failures abort the test's process. */
void fx_tmp_make(struct fx_tmp *tmp);
void fx_tmp_drop(struct fx_tmp *tmp);
/* Remove all that is in it. */
void fx_tmp_empty(struct fx_tmp *tmp);

/* Whole small files, by plain system calls. fx_tmp_read() gives the file's
 * length, at most ROOM bytes in DATA; SIZE_MAX when there is no such file. */
void fx_tmp_write(struct fx_tmp *tmp, const char *name, const void *data,
                  size_t len);
size_t fx_tmp_read(struct fx_tmp *tmp, const char *name, void *data,
                   size_t room);
/* Descriptors that this process has open. */
unsigned fx_tmp_open_fds(void);

#endif
