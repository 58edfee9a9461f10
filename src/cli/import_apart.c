/* import_apart.c - PATHs that are the same, or lie in each other: what both have
 * would be read twice by one run, and be two messages of the archive. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/import.h"
#include "mailsled/text.h"

struct paths {
	char **real; /* sorted, owned */
	size_t len;
};

static int
compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool
has(const struct paths *paths, const char *path)
{
	return bsearch(&path, paths->real, paths->len, sizeof(*paths->real),
	               compare) != NULL;
}

/* Is one of the folders above PATH named too? *outer: its length. */
static bool
find_outer(const struct paths *paths, const char *path, size_t *outer,
           struct sled_err *err)
{
	struct sled_buf above = { 0 };
	bool ok = true;

	*outer = 0;
	for (size_t i = 1; ok && *outer == 0 && path[i] != '\0'; i++) {
		if (i > 1 && path[i] != '/')
			continue;
		above.len = 0;
		ok = sled_buf_add(&above, path, i, err);
		if (ok && has(paths, above.data))
			*outer = i;
	}
	sled_buf_free(&above);
	return ok;
}

static bool
check_one(const struct paths *paths, size_t at, struct sled_err *err)
{
	const char *path = paths->real[at];
	char shown[200], outer[200];
	size_t len = 0;

	sled_text_clip(shown, sizeof(shown),
	               (struct sled_span){ path, strlen(path) });
	if (at > 0 && strcmp(paths->real[at - 1], path) == 0)
		return sled_fail(err, SLED_ERR_USAGE, "%s: it is named twice",
		                 shown);
	if (!find_outer(paths, path, &len, err))
		return false;
	if (len == 0)
		return true;
	sled_text_clip(outer, sizeof(outer), (struct sled_span){ path, len });
	(void)sled_fail(err, SLED_ERR_USAGE,
	                "%s: it lies in %s, which is named too", shown, outer);
	return sled_hint(err, "name the outer one alone; with --no-subfolders, "
	                      "one import each");
}

static bool
resolve(struct paths *paths, const struct sled_cli *cli, struct sled_err *err)
{
	paths->real = calloc(cli->args_len + 1, sizeof(*paths->real));
	if (paths->real == NULL)
		return sled_fail_sys(err, ENOMEM, "paths");
	for (unsigned a = 0; a < cli->args_len; a++) {
		char *real = realpath(cli->args[a], NULL);

		if (real == NULL && errno == ENOMEM)
			return sled_fail_sys(err, ENOMEM, "paths");
		/* What else is wrong with it is told by who reads it. */
		if (real != NULL)
			paths->real[paths->len++] = real;
	}
	qsort(paths->real, paths->len, sizeof(*paths->real), compare);
	return true;
}

bool
sled_cli_import_apart(const struct sled_cli *cli, struct sled_err *err)
{
	struct paths paths = { 0 };
	bool ok = resolve(&paths, cli, err);

	for (size_t i = 0; ok && i < paths.len; i++)
		ok = check_one(&paths, i, err);
	for (size_t i = 0; i < paths.len; i++)
		free(paths.real[i]);
	free(paths.real);
	return ok;
}
