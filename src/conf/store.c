/* store.c - the keys of [store]. */
#include <string.h>

#include "conf/parse.h"

/* FAT32 ends at 4 GiB, and a volume may still grow by one commit. */
#define ROTATE_MAX_MIB 3993
#define RCLONE         "rclone:"

static bool
is_far(const char *value)
{
	return strncmp(value, RCLONE, strlen(RCLONE)) == 0;
}

bool
sled_conf_set_store_path(struct sled_conf_parse *p, const char *key,
                         const char *value)
{
	if (is_far(value))
		return sled_conf_bad(p,
		                     "%s: the first place is a folder of "
		                     "this machine; rclone: goes into copies",
		                     key);
	if (strchr(value, ',') != NULL)
		return sled_conf_bad(p,
		                     "%s is one place: more of them go into "
		                     "copies, parted by commas",
		                     key);
	return sled_conf_want_path(p, key, value, &p->conf->store.path);
}

bool
sled_conf_set_state(struct sled_conf_parse *p, const char *key,
                    const char *value)
{
	return sled_conf_want_path(p, key, value, &p->conf->store.state);
}

/* rclone:REMOTE:PATH; rclone knows what they mean, we know that both are there.
 */
static bool
set_rclone(struct sled_conf_parse *p, const char *key, const char *whole,
           struct sled_conf_place *place)
{
	const char *value = whole + strlen(RCLONE);
	const char *colon = strchr(value, ':');

	if (colon == NULL || colon == value || value[0] == '-')
		return sled_conf_bad(
		    p,
		    "%s: a far place is rclone:REMOTE:PATH, as "
		    "in rclone:box:mail",
		    key);
	if (!sled_conf_want_text(p, whole, &place->name))
		return false;
	place->rclone = true;
	place->where = place->name + (value - whole);
	return true;
}

bool
sled_conf_set_copies(struct sled_conf_parse *p, const char *key,
                     const char *value)
{
	struct sled_conf_store *store = &p->conf->store;
	char item[SLED_CONF_ITEM];

	while (sled_conf_next_item(&value, ",", item)) {
		struct sled_conf_place *place;
		bool ok;

		if (item[0] == '\0')
			return sled_conf_bad(p, "%s: a comma without a place",
			                     key);
		place =
		    sled_conf_grow(p->conf, store->copies, store->copies_len,
		                   sizeof(*place), p->err);
		if (place == NULL)
			return false;
		store->copies = place;
		place += store->copies_len++;
		ok = is_far(item)
		         ? set_rclone(p, key, item, place)
		         : sled_conf_want_path(p, key, item, &place->where);
		if (ok && !place->rclone)
			place->name = place->where;
		if (!ok)
			return false;
	}
	return true;
}

bool
sled_conf_set_min_copies(struct sled_conf_parse *p, const char *key,
                         const char *value)
{
	const char *at = value;
	uint64_t number = 0;

	if (!sled_conf_number(&at, &number) || *at != '\0' || number < 1 ||
	    number > 99)
		return sled_conf_bad(p, "%s: \"%s\" is no number of places",
		                     key, sled_conf_show(value).text);
	p->conf->store.min_copies = (unsigned)number;
	p->conf->store.min_copies_set = true;
	return true;
}

bool
sled_conf_set_distinct(struct sled_conf_parse *p, const char *key,
                       const char *value)
{
	return sled_conf_want_yes_no(p, key, value,
	                             &p->conf->store.distinct_devices);
}

bool
sled_conf_set_far_bandwidth(struct sled_conf_parse *p, const char *key,
                            const char *value)
{
	uint64_t *rate = &p->conf->store.far_bandwidth;

	if (sled_conf_rate(value, rate) && *rate > 0)
		return true;
	return sled_conf_bad(p,
	                     "%s: \"%s\" is no rate: a whole number with "
	                     "bit/s, kbit/s or Mbit/s, as in 512kbit/s",
	                     key, sled_conf_show(value).text);
}

static bool
set_rotate_size(struct sled_conf_parse *p, const char *key, const char *item)
{
	struct sled_conf_store *store = &p->conf->store;

	if (store->rotate_bytes != SLED_CONF_NO_LIMIT)
		return sled_conf_bad(p, "%s: two sizes", key);
	if (!sled_conf_want_size(p, key, item, &store->rotate_bytes))
		return false;
	if (store->rotate_bytes > (uint64_t)ROTATE_MAX_MIB << 20)
		return sled_conf_bad(p,
		                     "%s: a volume is at most %dMiB, so that "
		                     "any disk can hold it",
		                     key, ROTATE_MAX_MIB);
	return true;
}

bool
sled_conf_set_rotate(struct sled_conf_parse *p, const char *key,
                     const char *value)
{
	struct sled_conf_store *store = &p->conf->store;
	static const char *const words[] = { "month" };
	char item[SLED_CONF_ITEM];
	size_t word = 0;

	store->rotate_month = false;
	store->rotate_bytes = SLED_CONF_NO_LIMIT;
	while (sled_conf_next_item(&value, ",", item)) {
		if (item[0] >= '0' && item[0] <= '9') {
			if (!set_rotate_size(p, key, item))
				return false;
			continue;
		}
		if (!sled_conf_want_word(p, key, item, words, 1, &word))
			return sled_hint(p->err, "rotate takes month, a size, "
			                         "or both: month, 256MiB");
		if (store->rotate_month)
			return sled_conf_bad(p, "%s: month is doubled", key);
		store->rotate_month = true;
	}
	return true;
}
