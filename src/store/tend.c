/* tend.c - what a store needs now and then, when no link waits for it. */
#include "store/store.h"

bool
sled_store_tend(struct sled_store *store, uint64_t scrub_ms,
                struct sled_tended *out, struct sled_err *err)
{
	struct sled_err second = { 0 };
	bool sealed;

	*out = (struct sled_tended){ 0 };
	sealed = sled_store_seal(store, NULL, false, &out->sealed, err);
	/* A volume that cannot be sealed keeps no other from being read. */
	if (!sled_store_scrub(store, scrub_ms, &out->scrubbed,
	                      sealed ? err : &second))
		return false;
	if (sealed && out->scrubbed.damaged > 0)
		sealed = sled_fail(err, SLED_ERR_DAMAGED,
		                   "%llu damaged members were found",
		                   (unsigned long long)out->scrubbed.damaged);
	return sled_drill_if_due(store, sealed ? err : &second) && sealed;
}
