/* names.h - private to archive: names as they are read. */
#ifndef ARCHIVE_NAMES_H
#define ARCHIVE_NAMES_H

#include "mailsled/archive.h"

/* May this stand in a tar header and be extracted anywhere? See archive.h. */
bool sled_entry_name_ok(const char name[SLED_ENTRY_NAME]);

/* The account, the volume and the number in a receipts entry's name. */
SLED_CHECK bool sled_receipts_name_parse(const char *name, char label[25],
                                         char volume[SLED_VOLUME_NAME],
                                         unsigned *seq);

#endif
