/* profile.c - which section a link has; see mailsled/link.h. */
#include <net/if.h>
#include <string.h>

#include "mailsled/link.h"

static bool
is_glob(const char *name)
{
	return strpbrk(name, "*?") != NULL;
}

/* Only the last star can need another try: what the ones before it took is
 * as good as any. */
static bool
matches(const char *glob, const char *name)
{
	const char *star = NULL, *again = NULL;

	while (*name != '\0') {
		if (*glob == '*') {
			star = ++glob;
			again = name;
		} else if (*glob == '?' || *glob == *name) {
			glob++;
			name++;
		} else if (star != NULL) {
			glob = star;
			name = ++again;
		} else {
			return false;
		}
	}
	return glob[strspn(glob, "*")] == '\0';
}

/* "metered" and "default" are no interfaces. */
static bool
is_word(const char *name)
{
	return strcmp(name, "metered") == 0 || strcmp(name, "default") == 0;
}

static const struct sled_conf_link *
find_plain(const struct sled_conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->links_len; i++)
		if (strcmp(conf->links[i].name, name) == 0)
			return &conf->links[i];
	return NULL;
}

static const struct sled_conf_link *
find_named(const struct sled_conf *conf, const char *name)
{
	const struct sled_conf_link *plain = find_plain(conf, name);

	if (plain != NULL || name[0] == '\0')
		return plain;
	for (size_t i = 0; i < conf->links_len; i++)
		if (is_glob(conf->links[i].name) &&
		    matches(conf->links[i].name, name))
			return &conf->links[i];
	return NULL;
}

const struct sled_conf_link *
sled_link_profile(const struct sled_conf *conf, const struct sled_link *link,
                  const char *asked)
{
	const struct sled_conf_link *found = NULL;

	if (asked != NULL)
		found = find_named(conf, asked);
	if (found == NULL && link != NULL && !is_word(link->connection))
		found = find_named(conf, link->connection);
	if (found == NULL && link != NULL)
		found = find_named(conf, link->name);
	if (found == NULL && link != NULL && link->metered)
		found = find_plain(conf, "metered");
	return found != NULL ? found : find_plain(conf, "default");
}

bool
sled_link_exists(const char *pattern)
{
	struct if_nameindex *all;
	bool found = false;

	if (!is_glob(pattern))
		return if_nametoindex(pattern) != 0;
	all = if_nameindex();
	for (const struct if_nameindex *at = all;
	     at != NULL && at->if_name != NULL && !found; at++)
		found = matches(pattern, at->if_name);
	if (all != NULL)
		if_freenameindex(all);
	return found;
}
