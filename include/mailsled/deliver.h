/*
 * deliver.h - a copy of what comes, for the programs that people read mail
 * with: a Maildir, an mbox, an LMTP server, a command.
 *
 * Contract
 *   Delivery is for convenience, the archive is the truth. A message is given
 *   out of the archive, after its commit and never before, when no link waits
 *   for it; CRLF becomes LF, nothing else changes. Nothing here can harm the
 *   archive, and no failure here keeps mail on a server or off the archive.
 *   An account's targets are apart from each other: what one does not take
 *   waits for that one alone, and is tried again.
 *
 *   What is given: mail whose number is above those that the account had when
 *   the target was first named (sled_deliver_begin()), in order of number, and
 *   that a visit brought. What was there before comes only when it is asked
 *   for; what import and restore bring never does.
 *
 * What is remembered, in the ledger and its journal (ledger.h, delivery)
 *   through   numbers above it wait
 *   lacking   numbers up to it that the target did not take, or not yet
 *   trying    the one that is being given, where the target itself cannot
 *             tell later whether it got it
 *
 * States of one message and one target
 *   d0  it waits
 *   d1  `trying` is noted (not for a Maildir, where its name tells)
 *   d2  it is there, in part
 *   d3  it is there, whole and durable      <- the commit instant of a delivery
 *   d4  that is noted: `through` or lacking, `trying` is 0, in one transaction
 *   cut off in  Maildir                   mbox                   LMTP, command
 *   d0, d1      given anew                given anew             given anew
 *   d2          tmp is written anew       cut back, given anew   given anew, as
 *                                                                far as we know
 *   d3          its name is in new or     its bytes are where    given twice
 *               cur: noted                they were to be: noted
 *   So a Maildir gets each message once, unless its reader moved or deleted it
 *   between d3 and d4; an mbox, unless another program wrote the file anew
 *   then; LMTP and commands may get the one message twice that was at d3, and
 *   that is said. None is left out.
 */
#ifndef MAILSLED_DELIVER_H
#define MAILSLED_DELIVER_H

#include "mailsled/conf.h"
#include "mailsled/err.h"
#include "mailsled/store.h"

/* The account's targets are known from now on: what comes later is for them.
 * Before a visit, the store open to WRITE. */
SLED_CHECK bool sled_deliver_begin(struct sled_store *store,
                                   const struct sled_conf_account *account,
                                   int64_t now, struct sled_err *err);

/* What became of one target; valid during the call. */
struct sled_delivered {
	const char *account, *target;
	uint64_t delivered; /* now */
	uint64_t waiting;   /* still */
	/* Why, NONE when nothing waits: LINK the target did not take it, try
	 * again; DAMAGED the archive did not give a message. */
	const struct sled_err *why;
};

struct sled_deliver_conf {
	struct sled_store *store; /* open to WRITE */
	const struct sled_conf_account *account;
	bool all; /* also what was there before the target was */
	bool now; /* also what failed a short time ago */
	void *ctx;
	sled_say_fn *say; /* what else is to be told; or NULL */
	/* Asked now and then; the message that is under way is then ended, if
	 * it does not take long, and no other is begun. */
	bool (*stop)(void *ctx); /* or NULL */
	void (*done)(void *ctx, const struct sled_delivered *delivered);
};

/* Give each target what waits for it. True also when something still waits:
 * done() tells of each target. False is for the ledger, the places and
 * memory. */
SLED_CHECK bool sled_deliver_run(const struct sled_deliver_conf *conf,
                                 struct sled_err *err);

/* Can the target be reached, and is it what its name says? Nothing is given to
 * it, no command is run. CONFIG or LINK when not. */
SLED_CHECK bool sled_deliver_check(const struct sled_sys *sys,
                                   const struct sled_conf_target *target,
                                   struct sled_err *err);

#endif
