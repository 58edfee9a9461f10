/*
 * probe.c - looking at a place that may never answer: a dead network mount
 * holds whoever touches it in the kernel. A thread of its own looks; when it
 * stays silent the place is absent, and the thread is left behind with all
 * that it touches.
 */
#include <stdlib.h>
#include <string.h>

#include "store/store.h"

struct probe {
	const struct sled_sys *sys;
	char *path;
	struct sled_place place;
	struct sled_err err;
	bool ok;
};

static void
free_probe(void *ctx)
{
	struct probe *probe = ctx;

	free(probe->path);
	free(probe);
}

static void
forget_probe(void *ctx)
{
	struct probe *probe = ctx;

	sled_place_close(&probe->place);
	free_probe(probe);
}

static void
look(void *ctx)
{
	struct probe *probe = ctx;

	probe->ok = sled_place_probe(&probe->place, probe->sys, probe->path,
	                             &probe->err);
}

/* As sled_place_probe() would say it of a place that cannot be read. */
static bool
call_absent(struct sled_place *out, const struct sled_sys *sys,
            const char *path, uint64_t wait_ms, struct sled_err *err)
{
	*out = (struct sled_place){ .sys = sys,
		                    .path = strdup(path),
		                    .found = SLED_PLACE_BROKEN,
		                    .dir = -1 };
	if (out->path == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "place %s", path);
	(void)sled_fail(&out->why, SLED_ERR_PLACE, "has not answered for %u s",
	                (unsigned)(wait_ms / 1000));
	return true;
}

static struct probe *
new_probe(const struct sled_sys *sys, const char *path, struct sled_err *err)
{
	struct probe *probe = calloc(1, sizeof(*probe));

	if (probe != NULL) {
		probe->sys = sys;
		probe->place.dir = -1;
		probe->path = strdup(path);
		if (probe->path != NULL)
			return probe;
	}
	free(probe);
	(void)sled_fail(err, SLED_ERR_NOMEM, "place %s", path);
	return NULL;
}

bool
sled_probe_patiently(struct sled_place *out, const struct sled_sys *sys,
                     const char *path, uint64_t wait_ms, struct sled_err *err)
{
	struct probe *probe = new_probe(sys, path, err);
	struct sled_worker *worker = NULL;
	bool ok;

	if (probe == NULL)
		return false;
	if (!sled_worker_new(&worker, err) ||
	    !sled_worker_submit(worker, look, probe, err)) {
		sled_worker_free(&worker);
		free_probe(probe);
		return false;
	}
	if (!sled_worker_wait(worker, wait_ms)) {
		sled_worker_abandon(&worker, forget_probe);
		return call_absent(out, sys, path, wait_ms, err);
	}
	sled_worker_free(&worker);
	ok = probe->ok;
	*out = probe->place;
	if (!ok)
		*err = probe->err;
	free_probe(probe);
	return ok;
}
