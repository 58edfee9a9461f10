/*
 * unjudged.c - the verdict that a killed visit did not come to [W5].
 *
 * A visit that ends says which of the messages that it brought are short [S3],
 * and which may be another one (session/shift.c). One that was killed, or that
 * could not commit what it brought, leaves its spool, and there all that came,
 * in order, what was committed too. From that:
 *   - what came with other octets than listed is short, where most was exact; or
 *     where any came so, line ends counted as you like;
 *   - the last one speaks for those before it, as where the line ended: where a
 *     reply was left out or came twice, it is another message, a TOP shows that,
 *     and from then on each has to be proved;
 *   - where any is short the order may be lost anywhere: none speaks for others.
 * Which of them another one could be, by its size, the spool tells: the listing
 * of that visit is gone, and of the next one any may be missing.
 *
 * It is one transaction, before the spool goes: cut before that, it is done again.
 */
#include <string.h>

#include "store/store.h"

struct came {
	char id[SLED_RECORD_ID];
	bool alone; /* no other has its size */
	bool odd;   /* not the octets listed */
	bool loose; /* ... nor less by one a line */
};

bool
sled_unjudged_add(struct sled_unjudged *u, const struct sled_record *record,
                  const struct sled_digest *digest, struct sled_err *err)
{
	struct sled_maildrop one = { 0 };
	/* Of one that is in an archive the lines are not known. */
	struct sled_digest plain = { .octets = record->octets };
	struct came came = { .loose = false };

	if (digest == NULL && record->octets > record->listed)
		plain.lines = record->octets - record->listed;
	sled_box_learn(&one, digest == NULL ? &plain : digest, record->listed);
	u->exact += one.exact;
	u->lf_counted += one.lf_counted;
	u->loose += one.loose;
	memcpy(came.id, record->id, sizeof(came.id));
	came.alone = record->alone;
	came.loose = one.loose > 0;
	came.odd = came.loose || (one.lf_counted > 0 && digest == NULL);
	u->any_odd = u->any_odd || came.odd;
	return sled_buf_add(&u->came, &came, sizeof(came), err);
}

/* *found when it is in the ledger. One that is gone, or was proved since, is in
 * no doubt. */
static bool
mark(struct sled_ledger *ledger, const struct came *came, unsigned flags,
     bool *found, struct sled_err *err)
{
	struct sled_row_copy copy = { .found = false };

	if (!sled_ledger_by_record(ledger, came->id, sled_row_take, &copy, err))
		return false;
	*found = *found || copy.found;
	if (!copy.found || copy.row.gone != 0 ||
	    (copy.row.flags & SLED_MESSAGE_PROVED) != 0 ||
	    (copy.row.flags & flags) == flags)
		return true;
	copy.row.flags |= flags;
	return sled_ledger_message_update(ledger, &copy.row, err);
}

static bool
is_short(const struct sled_maildrop *habit, const struct came *came)
{
	return sled_box_is_exact(habit) ? came->odd
	                                : sled_box_tells(habit) && came->loose;
}

static bool
any_short(const struct sled_unjudged *u, const struct sled_maildrop *habit)
{
	return sled_box_is_exact(habit) ? u->any_odd
	                                : sled_box_tells(habit) && u->loose > 0;
}

/* One whose size is that of no other is what it seems to be, where sizes tell. */
static unsigned
flags_of(const struct sled_maildrop *habit, const struct came *came)
{
	if (is_short(habit, came))
		return SLED_MESSAGE_UNSURE | SLED_MESSAGE_SHORT;
	return came->alone && habit->loose == 0 ? 0 : SLED_MESSAGE_UNSURE;
}

static bool
mark_all(const struct sled_unjudged *u, struct sled_ledger *ledger,
         const struct sled_maildrop *habit, struct sled_err *err)
{
	bool shorts = any_short(u, habit), found = false;
	struct came came;

	for (size_t at = u->came.len; at > 0 && (shorts || !found);) {
		at -= sizeof(came);
		memcpy(&came, u->came.data + at, sizeof(came));
		if (!mark(ledger, &came, flags_of(habit, &came), &found, err))
			return false;
	}
	return true;
}

/* What a first visit learned of the server's sizes, but for what is short. */
static bool
learn(const struct sled_unjudged *u, struct sled_ledger *ledger,
      struct sled_maildrop *maildrop, const struct sled_maildrop *habit,
      struct sled_err *err)
{
	if (maildrop->exact + maildrop->lf_counted + maildrop->loose > 0)
		return true;
	maildrop->exact = u->exact;
	maildrop->lf_counted = u->lf_counted;
	maildrop->loose = any_short(u, habit) ? 0 : u->loose;
	return sled_ledger_maildrop_put(ledger, maildrop, err);
}

bool
sled_unjudged_settle(const struct sled_unjudged *u, struct sled_ledger *ledger,
                     struct sled_maildrop *maildrop, struct sled_err *err)
{
	struct sled_maildrop habit = *maildrop;

	habit.exact += u->exact;
	habit.lf_counted += u->lf_counted;
	habit.loose += u->loose;
	if (u->came.len == 0)
		return true;
	if (!sled_ledger_begin(ledger, err))
		return false;
	if (!mark_all(u, ledger, &habit, err) ||
	    !learn(u, ledger, maildrop, &habit, err)) {
		sled_ledger_drop(ledger);
		return false;
	}
	return sled_ledger_commit(ledger, err);
}
