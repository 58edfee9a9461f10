/* names.h - private to archive: names and fields as they are read. */
#ifndef ARCHIVE_NAMES_H
#define ARCHIVE_NAMES_H

#include "mailsled/archive.h"

/* May this stand in a tar header and be extracted anywhere? See archive.h. */
bool sled_entry_name_ok(const char name[SLED_ENTRY_NAME]);

/* The account, the volume and the number in a receipts entry's name. */
SLED_CHECK bool sled_receipts_name_parse(const char *name, char label[25],
                                         char volume[SLED_VOLUME_NAME],
                                         unsigned *seq);

/* A percent-escaped field into OUT, with a NUL; DAMAGED when it is none, does
 * not fit or has a NUL in it. SCRATCH is the caller's, from field to field. */
SLED_CHECK bool sled_field_text(char *out, size_t room, struct sled_span in,
                                struct sled_buf *scratch, struct sled_err *err);

#endif
