/* tend.c - what a store needs now and then, when no link waits for it. */
#include <stdlib.h>

#include "store/parity.h"

struct sealed {
	struct sled_volume_row *rows;
	size_t len;
};

static bool
take_sealed(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	struct sealed *sealed = ctx;
	struct sled_volume_row *rows;

	if (!row->sealed)
		return true;
	rows = reallocarray(sealed->rows, sealed->len + 1, sizeof(*rows));
	if (rows == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "volumes");
	sealed->rows = rows;
	rows[sealed->len++] = *row;
	return true;
}

/* What was sealed now or before, by a mailsled without par2. */
static bool
make_parity(struct sled_store *store, uint64_t *count, struct sled_err *err)
{
	struct sealed sealed = { 0 };
	bool ok =
	    store->conf.par2 == NULL ||
	    sled_ledger_volumes(store->ledger, NULL, take_sealed, &sealed, err);

	for (size_t v = 0; ok && v < sealed.len; v++) {
		bool made = false;

		ok = sled_parity_make(store, &sealed.rows[v], &made, err);
		*count += made;
		for (size_t i = 1; ok && made && i < store->len; i++)
			sled_beside_give(store, &store->seats[i],
			                 &sealed.rows[v]);
	}
	free(sealed.rows);
	return ok;
}

bool
sled_store_tend(struct sled_store *store, uint64_t scrub_ms,
                struct sled_tended *out, struct sled_err *err)
{
	struct sled_scrubbed copies = { 0 };
	struct sled_err second = { 0 };
	bool sealed;

	*out = (struct sled_tended){ 0 };
	sealed = sled_seal(store, NULL, false, &out->sealed, &copies, err);
	if (!make_parity(store, &out->parity, sealed ? err : &second))
		return false;
	/* A volume that cannot be sealed keeps no other from being read. */
	if (!sled_store_scrub(store, scrub_ms, &out->scrubbed,
	                      sealed ? err : &second))
		return false;
	out->scrubbed.members += copies.members;
	out->scrubbed.octets += copies.octets;
	out->scrubbed.damaged += copies.damaged;
	if (sealed && out->scrubbed.damaged > 0)
		sealed = sled_fail(err, SLED_ERR_DAMAGED,
		                   "%llu damaged members were found",
		                   (unsigned long long)out->scrubbed.damaged);
	return sled_drill_if_due(store, sealed ? err : &second) && sealed;
}
