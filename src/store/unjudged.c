/*
 * unjudged.c - the verdict that a killed visit did not come to [W5].
 *
 * A visit that ends says which of the messages that it brought are short [S3],
 * and which may be another one (session/shift.c). One that was killed, or that
 * could not commit what it brought, leaves its spool, and there all that came,
 * in order, what was committed too. From that:
 *   - what came with other octets than listed is short, where most was exact;
 *   - the last one speaks for those before it, as where the line ended: where a
 *     reply was left out or came twice, it is another message, a TOP shows that,
 *     and from then on each has to be proved;
 *   - where any is short the order may be lost anywhere: none speaks for others.
 * Whether one has a twin that it could be, the next listing tells (match.c).
 *
 * It is one transaction, before the spool goes: cut before that, it is done again.
 */
#include <string.h>

#include "store/store.h"

struct came {
	char id[SLED_RECORD_ID];
	bool odd; /* neither the octets listed, nor less by one a line */
};

bool
sled_unjudged_add(struct sled_unjudged *u, const struct sled_record *record,
                  const struct sled_digest *digest, struct sled_err *err)
{
	struct sled_maildrop one = { 0 };
	/* Of one that is in an archive the lines are not known. */
	struct sled_digest plain = { .octets = record->octets };
	struct came came = { .odd = false };

	if (digest == NULL && record->octets > record->listed)
		plain.lines = record->octets - record->listed;
	sled_box_learn(&one, digest == NULL ? &plain : digest, record->listed);
	u->exact += one.exact;
	u->lf_counted += one.lf_counted;
	u->loose += one.loose;
	memcpy(came.id, record->id, sizeof(came.id));
	came.odd = one.exact == 0 && (one.lf_counted == 0 || digest == NULL);
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
mark_all(const struct sled_unjudged *u, struct sled_ledger *ledger, bool exact,
         struct sled_err *err)
{
	bool shorts = exact && u->any_odd, found = false;
	struct came came;

	for (size_t at = u->came.len; at > 0 && (shorts || !found);) {
		at -= sizeof(came);
		memcpy(&came, u->came.data + at, sizeof(came));
		if (!mark(ledger, &came,
		          SLED_MESSAGE_UNSURE |
		              (exact && came.odd ? SLED_MESSAGE_SHORT : 0U),
		          &found, err))
			return false;
	}
	return true;
}

/* What a first visit learned of the server's sizes, but for what is short. */
static bool
learn(const struct sled_unjudged *u, struct sled_ledger *ledger,
      struct sled_maildrop *maildrop, bool exact, struct sled_err *err)
{
	if (maildrop->exact + maildrop->lf_counted + maildrop->loose > 0)
		return true;
	maildrop->exact = u->exact;
	maildrop->lf_counted = u->lf_counted;
	maildrop->loose = exact ? 0 : u->loose;
	return sled_ledger_maildrop_put(ledger, maildrop, err);
}

bool
sled_unjudged_settle(const struct sled_unjudged *u, struct sled_ledger *ledger,
                     struct sled_maildrop *maildrop, struct sled_err *err)
{
	bool exact = maildrop->exact + u->exact > maildrop->lf_counted +
	                                              maildrop->loose +
	                                              u->lf_counted + u->loose;

	if (u->came.len == 0)
		return true;
	if (!sled_ledger_begin(ledger, err))
		return false;
	if (!mark_all(u, ledger, exact, err) ||
	    !learn(u, ledger, maildrop, exact, err)) {
		sled_ledger_drop(ledger);
		return false;
	}
	return sled_ledger_commit(ledger, err);
}
