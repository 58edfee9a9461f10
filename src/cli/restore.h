/* restore.h - the parts of `mailsled restore`; private to cli. */
#ifndef CLI_RESTORE_H
#define CLI_RESTORE_H

#include "cli/export.h"
#include "mailsled/intake.h"
#include "mailsled/shelf.h"
#include "mailsled/tally.h"

/* ---- pick.c: which messages ---- */

struct sled_cli_pick {
	const char *from;        /* words in the sender; NULL: any */
	const char *const *args; /* QUERY */
	unsigned args_len;
	int64_t since, until;       /* received, both inclusive */
	bool needs_head;            /* sender and subject are asked about */
	struct sled_intake *intake; /* owned */
};

/* From --since, --until, --from and the arguments behind the first SKIP.
 * USAGE. Freed by the caller on false too. */
SLED_CHECK bool sled_cli_pick_new(struct sled_cli_pick *pick,
                                  struct sled_cli *cli, unsigned skip,
                                  struct sled_err *err);
void sled_cli_pick_free(struct sled_cli_pick *pick);
/* By what a receipt tells. */
bool sled_cli_pick_receipt(const struct sled_cli_pick *pick,
                           const struct sled_receipt *receipt);
/* By the first bytes of the message: its header, or much of it. */
SLED_CHECK bool sled_cli_pick_head(struct sled_cli_pick *pick,
                                   struct sled_span head, bool *chosen,
                                   struct sled_err *err);

/* ---- restore_fault.c: what did not hold ---- */

struct sled_cli_fault {
	const char *path; /* of the file; borrowed */
	uint64_t at, octets;
	bool none; /* nothing is known of its messages */
	char text[256];
	struct sled_receipt *lost; /* owned */
	size_t lost_len;
};

struct sled_cli_faults {
	struct sled_cli_fault *list;
	size_t len, cap;
	uint64_t lost;    /* messages that no other file had */
	uint64_t unknown; /* octets of what tells nothing of its messages */
};

SLED_CHECK bool sled_cli_faults_add(struct sled_cli_faults *faults,
                                    const char *path,
                                    const struct sled_shelf_fault *fault,
                                    const struct sled_cli_pick *pick,
                                    struct sled_err *err);
/* At the end: each is named, with the messages that are not in MET. */
SLED_CHECK bool sled_cli_faults_print(struct sled_cli *cli,
                                      struct sled_cli_faults *faults,
                                      const struct sled_tally *met,
                                      struct sled_err *err);
void sled_cli_faults_free(struct sled_cli_faults *faults);
/* What tells a message from all others of a store: its name and its hash. */
SLED_CHECK bool sled_cli_restore_key(struct sled_hash *out,
                                     const struct sled_receipt *receipt,
                                     struct sled_err *err);

#endif
