/* internal.h - what the files of deliver share; private to it. */
#ifndef DELIVER_INTERNAL_H
#define DELIVER_INTERNAL_H

#include "mailsled/deliver.h"
#include "mailsled/file.h"
#include "mailsled/mailbox.h"

#define SLED_DELIVER_CHUNK 65536

/* ---- letter.c: one message, out of the archive ---- */

/* Whole, with LF lines, in a file without a name. */
struct sled_letter {
	struct sled_file file;
	uint64_t octets, wire; /* of it here; as received, with CRLF */
	uint64_t number;
	int64_t received;
	struct sled_hash sha256;                /* of the bytes as received */
	char sender[SLED_CONF_MAILBOX_MAX + 1]; /* of Return-Path, or "" */
};

/* NUMBER of LABEL. *there false: the ledger has no such message any more.
 * False with DAMAGED: the archive does not give it. */
SLED_CHECK bool sled_letter_open(struct sled_letter *out,
                                 struct sled_store *store, const char *label,
                                 uint64_t number, bool *there,
                                 struct sled_err *err);
void sled_letter_close(struct sled_letter *letter);
/* All of it. */
SLED_CHECK bool sled_letter_each(struct sled_letter *letter,
                                 bool (*each)(void *ctx, struct sled_span bytes,
                                              struct sled_err *err),
                                 void *ctx, struct sled_err *err);

/* ---- targets ---- */

/* How far what failed reaches. */
enum sled_reach {
	SLED_REACH_MESSAGE, /* another one may be taken */
	SLED_REACH_TARGET,  /* no other is, for now */
	SLED_REACH_STORE,   /* the ledger: all ends */
};

struct sled_delivery {
	const struct sled_deliver_conf *conf;
	const struct sled_conf_target *target;
	const struct sled_sys *sys;
	struct sled_delivery_row row;
	enum sled_reach reach; /* of a failure */
	/* maildir.c */
	int dir;
	struct sled_mailbox_names names;
	/* lmtp.c */
	struct sled_lmtp *lmtp;
};

/* Give LETTER to the target. True: it has it, whole and durable. False: .reach
 * says what that means for others. */
struct sled_deliverer {
	bool (*open)(struct sled_delivery *d, struct sled_err *err);
	bool (*give)(struct sled_delivery *d, struct sled_letter *letter,
	             struct sled_err *err);
	/* Whether it was opened, and whether that succeeded; or NULL. */
	void (*close)(struct sled_delivery *d);
	/* sled_deliver_check() */
	bool (*check)(struct sled_delivery *d, struct sled_err *err);
};

extern const struct sled_deliverer sled_deliver_maildir, sled_deliver_mbox,
    sled_deliver_command, sled_deliver_lmtp;

/* ---- deliver.c ---- */

/* Note what is tried, before it is: see d1. */
SLED_CHECK bool sled_delivery_try(struct sled_delivery *d, uint64_t number,
                                  uint64_t at, uint64_t node,
                                  struct sled_err *err);
bool sled_delivery_stopped(const struct sled_delivery *d);
/* The failure is of the target, not of this message. Always false. */
bool sled_delivery_shut(struct sled_delivery *d);
/* Is PATH on a disk that is not mounted? LINK then. */
SLED_CHECK bool sled_delivery_mounted(struct sled_delivery *d, const char *path,
                                      struct sled_err *err);

/* Is the folder that PATH is to be made in there? CONFIG when not. */
SLED_CHECK bool sled_delivery_parent(struct sled_delivery *d, const char *path,
                                     struct sled_err *err);

/* ---- lock.c: an mbox that others write too ---- */

struct sled_mbox_lock {
	int folder; /* where the lock file is, or -1 */
	const struct sled_sys *sys;
	char name[300];
	bool dotted;
};

/* Open PATH (made with mode 0600 when MAKE), lock it by fcntl(), then by
 * PATH.lock. LINK when others hold it for 5 s, or STOPPED says so. */
SLED_CHECK bool sled_mbox_open(struct sled_file *out,
                               struct sled_mbox_lock *lock,
                               struct sled_delivery *d, struct sled_err *err);
void sled_mbox_close(struct sled_file *file, struct sled_mbox_lock *lock);

#endif
