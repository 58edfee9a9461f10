/* usual.c - how long a link's windows are, from the visits it has seen. */
#include "mailsled/plan.h"

#define DAY_S       86400
#define ACCIDENT_MS 5000u
#define LATELY      2u /* cuts */

static void
raise_to(uint64_t *most, uint64_t value)
{
	if (value > *most)
		*most = value;
}

uint64_t
sled_plan_usual(const struct sled_plan_life *lives, size_t len, int64_t now)
{
	uint64_t since = 0;   /* the longest life after the last cut */
	uint64_t between = 0; /* ... after the cut before the one met next */
	uint64_t cut = 0, uncut = 0;
	size_t cuts = 0;

	for (size_t i = 0; i < len; i++) {
		const struct sled_plan_life *life = &lives[i];

		if (life->began < now - DAY_S)
			break;
		if (!life->cut) {
			raise_to(cuts == 0 ? &since : &between, life->alive_ms);
			continue;
		}
		cuts++;
		raise_to(&cut, life->alive_ms);
		/* What lies between two cuts is known only at the older. */
		raise_to(&uncut, between);
	}
	raise_to(&cut, uncut);
	if (cuts == 0 || since > cut || (cuts == 1 && cut < ACCIDENT_MS))
		return SLED_PLAN_NO_END;
	return cut;
}

uint64_t
sled_plan_lately(const struct sled_plan_life *lives, size_t len, int64_t now)
{
	size_t last = 0;

	for (size_t cuts = 0; last < len && cuts < LATELY; last++)
		cuts += lives[last].cut;
	return sled_plan_usual(lives, last, now);
}
