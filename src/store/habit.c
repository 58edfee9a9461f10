/*
 * habit.c - how a server counts the octets that it lists: as they come, or each
 * line's end as one, or so that they tell nothing [S3].
 */
#include "store/store.h"

#define HABIT_LEAST 3 /* messages of other sizes than octets make a habit */

/* A message without a final line end gets one on the wire: Dovecot lists it
 * two octets short of what it sends. */
static bool
is_exact(uint64_t octets, uint64_t listed)
{
	return octets == listed || octets == listed + 2;
}

/* Counted with bare LF; of one without a final line end one octet less. */
static bool
is_lf_counted(const struct sled_digest *digest, uint64_t listed)
{
	uint64_t counted = digest->octets - digest->lines;

	return counted == listed || counted == listed + 1;
}

bool
sled_box_is_exact(const struct sled_maildrop *maildrop)
{
	return maildrop->exact > maildrop->lf_counted + maildrop->loose;
}

/* One alone may be so by chance, where a reply is another message's. */
bool
sled_box_counts_lf(const struct sled_maildrop *maildrop)
{
	return maildrop->lf_counted >= HABIT_LEAST &&
	       maildrop->lf_counted > maildrop->exact + maildrop->loose;
}

bool
sled_box_is_loose(const struct sled_maildrop *maildrop)
{
	return maildrop->loose >= HABIT_LEAST &&
	       maildrop->loose > maildrop->exact + maildrop->lf_counted;
}

/* One that came as it was listed shows what the others lack, until most of many
 * were not: a first visit may be two messages, one of them cut. */
bool
sled_box_tells(const struct sled_maildrop *maildrop)
{
	return maildrop->exact + maildrop->lf_counted > 0 &&
	       !sled_box_is_loose(maildrop);
}

uint64_t
sled_box_count(const struct sled_maildrop *maildrop,
               const struct sled_digest *digest)
{
	return sled_box_counts_lf(maildrop) ? digest->octets - digest->lines
	                                    : digest->octets;
}

/*
 * Not the octets that this server's habit allows [S3]. Longer counts too: a server
 * that ends a body without a line end of its own makes the next reply part of
 * it, and where a reply comes too often it begins the next message. Both are
 * doubtful as soon as what came was exact, fewer octets where most was: a habit
 * of many comes too late for a first visit that deletes. So it is where lines are
 * counted as one octet less.
 */
bool
sled_box_is_short(const struct sled_maildrop *maildrop,
                  const struct sled_digest *digest, uint64_t listed)
{
	bool lf = sled_box_counts_lf(maildrop);
	uint32_t habit = lf ? maildrop->lf_counted : maildrop->exact;
	uint32_t others =
	    (lf ? maildrop->exact : maildrop->lf_counted) + maildrop->loose;

	if (sled_box_count(maildrop, digest) < listed)
		return habit > others;
	return habit > 0 && others == 0 &&
	       !(lf ? is_lf_counted(digest, listed)
	            : is_exact(digest->octets, listed));
}

/* Empty, or of two lines: that fits either way of counting. */
static bool
fits_both(const struct sled_digest *digest, uint64_t listed)
{
	return digest->octets == 0 ||
	       (digest->octets != listed && is_lf_counted(digest, listed));
}

void
sled_box_learn(struct sled_maildrop *maildrop, const struct sled_digest *digest,
               uint64_t listed)
{
	if (is_exact(digest->octets, listed) && fits_both(digest, listed))
		return;
	if (is_exact(digest->octets, listed))
		maildrop->exact++;
	else if (is_lf_counted(digest, listed))
		maildrop->lf_counted++;
	else
		maildrop->loose++;
}
