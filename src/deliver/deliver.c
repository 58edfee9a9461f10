/* deliver.c - what waits for each target, and what became of it. See
 * mailsled/deliver.h, which has the states. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "deliver/internal.h"
#include "mailsled/clock.h"
#include "mailsled/places.h"

#define IN_A_ROW   3   /* messages that are not taken: no more are tried */
#define AGAIN_S    300 /* a message is tried again; doubled each time */
#define AGAIN_MOST 86400

static const struct sled_deliverer *const deliverers[] = {
	[SLED_CONF_MAILDIR] = &sled_deliver_maildir,
	[SLED_CONF_MBOX] = &sled_deliver_mbox,
	[SLED_CONF_COMMAND] = &sled_deliver_command,
	[SLED_CONF_LMTP] = &sled_deliver_lmtp,
};

/* One target's turn. */
struct turn {
	struct sled_delivery d;
	const struct sled_deliverer *how;
	bool opened;
	bool over; /* nothing more is to be tried */
	unsigned in_a_row;
	uint64_t given;
	struct sled_err why;   /* of the message at hand, when it failed */
	struct sled_err worst; /* ... of all that failed now */
};

/* The message at hand. */
struct piece {
	uint64_t number;
	unsigned tries; /* before now */
	int64_t last;
	bool found, imported;
};

static struct sled_ledger *
ledger_of(const struct turn *t)
{
	return sled_store_ledger(t->d.conf->store);
}

/* ---- for the targets ---- */

bool
sled_delivery_stopped(const struct sled_delivery *d)
{
	return d->conf->stop != NULL && d->conf->stop(d->conf->ctx);
}

bool
sled_delivery_shut(struct sled_delivery *d)
{
	if (d->reach == SLED_REACH_MESSAGE)
		d->reach = SLED_REACH_TARGET;
	return false;
}

bool
sled_delivery_try(struct sled_delivery *d, uint64_t number, uint64_t at,
                  uint64_t node, struct sled_err *err)
{
	d->row.trying = number;
	d->row.trying_at = at;
	d->row.trying_node = node;
	if (sled_ledger_delivery_put(sled_store_ledger(d->conf->store), &d->row,
	                             err))
		return true;
	d->reach = SLED_REACH_STORE;
	return false;
}

bool
sled_delivery_mounted(struct sled_delivery *d, const char *path,
                      struct sled_err *err)
{
	(void)d;
	return !sled_mounts_expected(path) ||
	       sled_fail(err, SLED_ERR_LINK, "its disk is not mounted");
}

bool
sled_delivery_parent(struct sled_delivery *d, const char *path,
                     struct sled_err *err)
{
	struct sled_buf folder = { 0 };
	const char *slash = strrchr(path, '/');
	struct stat st;
	bool ok;

	*err = (struct sled_err){ 0 };
	if (slash == path)
		return true;
	if (!sled_buf_add(&folder, path, (size_t)(slash - path), err))
		return false;
	ok = d->sys->fstatat(d->sys->ctx, AT_FDCWD, folder.data, &st, 0) == 0 &&
	     S_ISDIR(st.st_mode);
	if (!ok)
		(void)sled_fail(err, SLED_ERR_CONFIG,
		                "the folder it is to be made in is not there");
	sled_buf_free(&folder);
	return ok;
}

/* ---- one message ---- */

/* d3 to d4, in the caller's transaction. */
static bool
note_taken(struct turn *t, const struct piece *piece, bool counts,
           struct sled_err *err)
{
	struct sled_delivery_row *row = &t->d.row;

	row->trying = 0;
	row->failed = 0;
	row->why[0] = '\0';
	if (counts) {
		row->delivered++;
		row->last = sled_clock_now();
	}
	if (piece->number > row->through) {
		row->through = piece->number;
		return true;
	}
	return sled_ledger_undelivered_drop(ledger_of(t), row, piece->number,
	                                    err);
}

/* It is tried again, and those behind it do not wait for it. */
static bool
note_lacking(struct turn *t, const struct piece *piece, struct sled_err *err)
{
	struct sled_undelivered_row lacks = { .number = piece->number,
		                              .tries = piece->tries + 1,
		                              .last = sled_clock_now() };

	(void)snprintf(lacks.why, sizeof(lacks.why), "%s", t->why.text);
	t->d.row.trying = 0;
	if (piece->number > t->d.row.through)
		t->d.row.through = piece->number;
	return sled_ledger_undelivered_put(ledger_of(t), &t->d.row, &lacks,
	                                   err);
}

/* What was tried stays noted: nobody knows what became of it. */
static void
note_shut(struct turn *t)
{
	struct sled_delivery_row *row = &t->d.row;

	if (row->failed == 0)
		row->failed = sled_clock_now();
	(void)snprintf(row->why, sizeof(row->why), "%s", t->why.text);
	t->over = true;
}

enum outcome {
	TAKEN,
	PASSED, /* it is not to be given, or is not there any more */
	LACKING,
	SHUT,
};

static bool
note(struct turn *t, const struct piece *piece, enum outcome outcome,
     struct sled_err *err)
{
	struct sled_ledger *ledger = ledger_of(t);
	bool ok = true;

	if (!sled_ledger_begin(ledger, err))
		return false;
	if (outcome == TAKEN || outcome == PASSED)
		ok = note_taken(t, piece, outcome == TAKEN, err);
	else if (outcome == LACKING)
		ok = note_lacking(t, piece, err);
	else
		note_shut(t);
	t->d.row.told = t->d.row.told && outcome == SHUT;
	if (!ok || !sled_ledger_delivery_put(ledger, &t->d.row, err)) {
		sled_ledger_drop(ledger);
		return false;
	}
	t->given += outcome == TAKEN;
	t->in_a_row = outcome == LACKING ? t->in_a_row + 1 : 0;
	t->over = t->over || t->in_a_row == IN_A_ROW;
	return sled_ledger_commit(ledger, err);
}

/* What failed is the target's, or the message's; false: ours. */
static bool
note_failed(struct turn *t, const struct piece *piece, struct sled_err *err)
{
	enum outcome outcome =
	    t->d.reach == SLED_REACH_MESSAGE ? LACKING : SHUT;

	if (t->d.reach == SLED_REACH_STORE || t->why.kind == SLED_ERR_NOMEM) {
		*err = t->why;
		return false;
	}
	if (t->why.kind != SLED_ERR_DAMAGED && t->why.kind != SLED_ERR_CONFIG)
		t->why.kind = SLED_ERR_LINK;
	if (sled_err_worse(t->worst.kind, t->why.kind) == t->why.kind)
		t->worst = t->why;
	return note(t, piece, outcome, err);
}

static bool
give(struct turn *t, struct sled_letter *letter)
{
	if (!t->opened && !t->how->open(&t->d, &t->why))
		return sled_delivery_shut(&t->d);
	t->opened = true;
	return t->how->give(&t->d, letter, &t->why);
}

static bool
deliver(struct turn *t, const struct piece *piece, struct sled_err *err)
{
	struct sled_letter letter;
	bool there = false, given;

	t->d.reach = SLED_REACH_MESSAGE;
	t->why = (struct sled_err){ 0 };
	if (!sled_letter_open(&letter, t->d.conf->store, t->d.row.label,
	                      piece->number, &there, &t->why)) {
		if (t->why.kind != SLED_ERR_DAMAGED)
			t->d.reach = SLED_REACH_STORE;
		return note_failed(t, piece, err);
	}
	if (!there)
		return note(t, piece, PASSED, err);
	given = give(t, &letter);
	sled_letter_close(&letter);
	return given ? note(t, piece, TAKEN, err) : note_failed(t, piece, err);
}

/* ---- all that waits ---- */

static bool
take_lacking(void *ctx, const struct sled_undelivered_row *row,
             struct sled_err *err)
{
	struct piece *piece = ctx;

	(void)err;
	*piece =
	    (struct piece){ row->number, row->tries, row->last, true, false };
	return true;
}

static bool
take_new(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	struct piece *piece = ctx;

	(void)err;
	*piece = (struct piece){
		.number = message->number,
		.found = true,
		.imported = (message->flags & SLED_MESSAGE_IMPORTED) != 0,
	};
	return true;
}

static bool
is_due(const struct turn *t, const struct piece *piece)
{
	int64_t now = sled_clock_now(), wait = AGAIN_S;

	for (unsigned i = 1; i < piece->tries && wait < AGAIN_MOST; i++)
		wait *= 2;
	if (wait > AGAIN_MOST)
		wait = AGAIN_MOST;
	return t->d.conf->now || piece->tries == 0 || piece->last > now ||
	       now - piece->last >= wait;
}

static bool
goes_on(struct turn *t)
{
	if (!t->over && sled_delivery_stopped(&t->d)) {
		t->over = true;
		if (t->worst.kind == SLED_ERR_NONE)
			(void)sled_fail(&t->worst, SLED_ERR_LINK, "stopped");
	}
	return !t->over;
}

/* What was cut off comes first: the target looks for what is left of it, and
 * nothing else must have come behind that. */
static bool
deliver_tried(struct turn *t, struct sled_err *err)
{
	struct piece piece = { .number = t->d.row.trying };
	bool guess = t->d.target->kind == SLED_CONF_COMMAND ||
	             t->d.target->kind == SLED_CONF_LMTP;
	char text[200];

	if (piece.number == 0 || !goes_on(t))
		return true;
	if (piece.number <= t->d.row.through) {
		const struct sled_undelivered_query one = { piece.number - 1,
			                                    1 };

		if (!sled_ledger_undelivered(ledger_of(t), &t->d.row, &one,
		                             take_lacking, &piece, err))
			return false;
		if (!piece.found || piece.number != t->d.row.trying)
			return true;
	}
	if (guess && t->d.conf->say != NULL) {
		(void)snprintf(text, sizeof(text),
		               "%s: message %" PRIu64 " may come twice: the "
		               "last run was cut off while it was handed over",
		               t->d.row.label, piece.number);
		t->d.conf->say(t->d.conf->ctx, text);
	}
	return deliver(t, &piece, err);
}

static bool
deliver_lacking(struct turn *t, struct sled_err *err)
{
	struct piece piece = { .found = true };

	while (piece.found && goes_on(t)) {
		const struct sled_undelivered_query one = { piece.number, 1 };

		piece = (struct piece){ .found = false };
		if (!sled_ledger_undelivered(ledger_of(t), &t->d.row, &one,
		                             take_lacking, &piece, err))
			return false;
		if (piece.found && is_due(t, &piece) &&
		    !deliver(t, &piece, err))
			return false;
	}
	return true;
}

static bool
deliver_new(struct turn *t, struct sled_err *err)
{
	struct piece piece = { .found = true };

	while (piece.found && goes_on(t)) {
		const struct sled_message_mark mark = { t->d.row.label,
			                                t->d.row.through, 1 };

		piece = (struct piece){ .found = false };
		if (!sled_ledger_after(ledger_of(t), &mark, take_new, &piece,
		                       err))
			return false;
		if (piece.found &&
		    !(piece.imported ? note(t, &piece, PASSED, err)
		                     : deliver(t, &piece, err)))
			return false;
	}
	return true;
}

/* ---- one target ---- */

static bool
find_row(struct sled_store *store, const char *label, const char *target,
         struct sled_delivery_row *row, int64_t now, struct sled_err *err)
{
	struct sled_ledger *ledger = sled_store_ledger(store);
	uint64_t next = 0;
	bool found = false;

	if (!sled_ledger_delivery(ledger, label, target, row, &found, err))
		return false;
	if (found)
		return true;
	*row = (struct sled_delivery_row){ .trying = 0 };
	(void)snprintf(row->label, sizeof(row->label), "%s", label);
	(void)snprintf(row->target, sizeof(row->target), "%s", target);
	if (!sled_ledger_number_next(ledger, label, &next, err))
		return false;
	row->since = row->through = next - 1;
	return sled_store_delivery(store, row, now, err);
}

bool
sled_deliver_begin(struct sled_store *store,
                   const struct sled_conf_account *account, int64_t now,
                   struct sled_err *err)
{
	struct sled_delivery_row row;

	for (size_t i = 0; i < account->targets_len; i++)
		/* What was passed over is untold, and a cut-off run's. */
		if (!find_row(store, account->name, account->targets[i].name,
		              &row, now, err) ||
		    (!row.told && !sled_store_delivery(store, &row, now, err)))
			return false;
	return true;
}

/* All that was there before it waits for it from now on. */
static bool
add_old(struct turn *t, struct sled_err *err)
{
	struct sled_delivery_row *row = &t->d.row;
	struct sled_ledger *ledger = ledger_of(t);
	uint64_t since = row->since;

	if (!t->d.conf->all || since == 0)
		return true;
	if (!sled_ledger_begin(ledger, err))
		return false;
	row->since = 0;
	row->told = false;
	if (sled_ledger_undelivered_add(ledger, row, 1, since, err) &&
	    sled_ledger_delivery_put(ledger, row, err))
		return sled_ledger_commit(ledger, err);
	sled_ledger_drop(ledger);
	return false;
}

static bool
take_why(void *ctx, const struct sled_undelivered_row *row,
         struct sled_err *err)
{
	struct sled_err *why = ctx;

	(void)err;
	if (row->why[0] == '\0')
		return true;
	return sled_fail(why, SLED_ERR_LINK, "%s", row->why) || true;
}

static bool
tell(struct turn *t, struct sled_err *err)
{
	const struct sled_undelivered_query first = { .limit = 1 };
	struct sled_delivered out = { .account = t->d.row.label,
		                      .target = t->d.target->name,
		                      .delivered = t->given,
		                      .why = &t->worst };

	if (!sled_ledger_waiting(ledger_of(t), &t->d.row, &out.waiting, err))
		return false;
	if (out.waiting == 0)
		t->worst = (struct sled_err){ 0 };
	else if (t->worst.kind == SLED_ERR_NONE) {
		(void)sled_fail(&t->worst, SLED_ERR_LINK, "it is not due yet");
		if (!sled_ledger_undelivered(ledger_of(t), &t->d.row, &first,
		                             take_why, &t->worst, err))
			return false;
	}
	t->d.conf->done(t->d.conf->ctx, &out);
	return true;
}

static bool
run_target(const struct sled_deliver_conf *conf,
           const struct sled_conf_target *target, struct sled_err *err)
{
	struct turn t = { .how = deliverers[target->kind],
		          .d = { .conf = conf, .target = target, .dir = -1 } };
	int64_t now = sled_clock_now();
	bool ok;

	(void)sled_store_state(conf->store, &t.d.sys);
	ok = find_row(conf->store, conf->account->name, target->name, &t.d.row,
	              now, err) &&
	     add_old(&t, err) && deliver_tried(&t, err) &&
	     deliver_lacking(&t, err) && deliver_new(&t, err);
	if (t.how->close != NULL)
		t.how->close(&t.d);
	if (ok && !t.d.row.told)
		ok = sled_store_delivery(conf->store, &t.d.row, now, err);
	return ok && tell(&t, err);
}

bool
sled_deliver_run(const struct sled_deliver_conf *conf, struct sled_err *err)
{
	const struct sled_conf_account *account = conf->account;

	for (size_t i = 0; i < account->targets_len; i++)
		if (!run_target(conf, &account->targets[i], err))
			return sled_note(err, "%s: deliver", account->name);
	return true;
}

bool
sled_deliver_check(const struct sled_sys *sys,
                   const struct sled_conf_target *target, struct sled_err *err)
{
	const struct sled_deliver_conf none = { .stop = NULL };
	struct sled_delivery d = {
		.conf = &none, .target = target, .sys = sys, .dir = -1
	};

	return deliverers[target->kind]->check(&d, err);
}
