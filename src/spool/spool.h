/* spool.h - what the writer and the scanner of a spool share. */
#ifndef SPOOL_SPOOL_H
#define SPOOL_SPOOL_H

#include <stdatomic.h>

#include "mailsled/file.h"
#include "mailsled/spool.h"
#include "spool/format.h"

#define SPOOL_GATHER 65536

/*
 * The file, its name and its nonce never change once the spool is open, so
 * sync(), read() and scan() need no lock; sync_failed is the one word that two
 * threads write and read. All else belongs to the thread that appends.
 */
struct sled_spool {
	struct sled_file file;
	int dir; /* borrowed */
	char name[SLED_SPOOL_NAME];
	struct sled_spool_title title;
	atomic_bool sync_failed;

	bool readonly;     /* opened for recovery */
	bool write_failed; /* final */
	bool begun;        /* a message is being appended */
	uint64_t number;   /* of the last message begun */
	uint64_t end;      /* the file's end behind the last whole record */
	uint64_t octets;   /* of the message begun */
	uint64_t flushed;  /* the file's length: the gathered bytes go there */
	size_t gathered;
	struct sled_spool_head head;
	uint8_t bytes[SPOOL_GATHER + SPOOL_TAIL]; /* a trailer always fits */
};

#endif
