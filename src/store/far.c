/*
 * far.c - far places: when something is sent there, and what is known of them.
 *
 * A far place is a seat that is never present: nothing is appended to it, and
 * what it holds is what the ledger says was checked there. So it counts as an
 * absent place does, for 30 days after each check, and mail is deleted from its
 * server in a visit behind the check, never in the one that brought it.
 */
#include "store/far.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mailsled/clock.h"
#include "mailsled/text.h"

#define PREFIX  "rclone:"
#define SCRATCH "far"
#define REST_S  86400L       /* whole so lately: not asked for nothing */
#define STUCK_S (3 * 86400L) /* not whole for so long: something is wrong */

bool
sled_far_is(const char *path)
{
	return strncmp(path, PREFIX, strlen(PREFIX)) == 0;
}

bool
sled_far_connect(struct sled_far **out, const struct sled_sys *sys,
                 const char *path, uint64_t bandwidth, const char *scratch,
                 struct sled_err *err)
{
	const struct sled_far_conf conf = { .sys = sys,
		                            .remote = path + strlen(PREFIX),
		                            .scratch = scratch,
		                            .bandwidth = bandwidth };

	return sled_far_open(out, &conf, err);
}

/* ---- scratch ---- */

static bool
empty_folder(const struct sled_sys *sys, int dir, const char *folder,
             struct sled_err *err)
{
	struct sled_buf names = { 0 };
	char path[SLED_FAR_FILE * 2];
	bool ok = sled_dir_list(&names, sys, dir, folder, err);

	for (size_t at = 0; ok && at < names.len;
	     at += strlen(names.data + at) + 1) {
		(void)snprintf(path, sizeof(path), "%.100s/%.100s", folder,
		               names.data + at);
		if (sys->unlinkat(sys->ctx, dir, path, 0) == -1 &&
		    errno != EISDIR && errno != EPERM && errno != ENOENT)
			ok = sled_fail_sys(err, errno, "unlink %s", path);
	}
	sled_buf_free(&names);
	return ok;
}

/* What a run that was cut off left is of no use: it is made anew. */
static bool
empty_all(const struct sled_sys *sys, int dir, struct sled_err *err)
{
	struct sled_buf names = { 0 };
	bool ok = sled_dir_list(&names, sys, dir, ".", err);

	for (size_t at = 0; ok && at < names.len;
	     at += strlen(names.data + at) + 1) {
		struct sled_err why = { 0 };

		ok = empty_folder(sys, dir, names.data + at, &why) ||
		     why.sys == ENOTDIR;
		if (!ok)
			*err = why;
	}
	sled_buf_free(&names);
	return ok && empty_folder(sys, dir, ".", err);
}

/* The one who has the lock has one; a reader makes one of its own. */
static void
scratch_name(const struct sled_store *store, char out[32])
{
	if (store->mode == SLED_STORE_READ)
		(void)snprintf(out, 32, SCRATCH "-%ld", (long)getpid());
	else
		(void)snprintf(out, 32, SCRATCH);
}

bool
sled_far_scratch(struct sled_store *store, char **path, int *dir,
                 struct sled_err *err)
{
	struct sled_buf text = { 0 };

	char name[32];

	scratch_name(store, name);
	if (!sled_dir_make(store->sys, store->state_dir, name, 0700, err) ||
	    !sled_dir_open(dir, store->sys, store->state_dir, name, err))
		return false;
	if (!empty_all(store->sys, *dir, err) ||
	    !sled_buf_printf(&text, err, "%s/%s", store->state, name))
		return false;
	*path = text.data;
	return true;
}

bool
sled_far_stage(struct far_job *job, const char *file, struct sled_span text,
               struct sled_far_file *out, struct sled_err *err)
{
	const struct sled_sys *sys = job->store->sys;
	struct sled_sha256 *sha = NULL;
	struct sled_file stage;
	bool ok;

	*out = (struct sled_far_file){ .octets = text.len };
	(void)snprintf(out->file, sizeof(out->file), "%s", file);
	if ((strncmp(file, "journal/", 8) == 0 &&
	     !sled_dir_make(sys, job->scratch, "journal", 0700, err)) ||
	    !sled_sha256_new(&sha, err))
		return false;
	sled_sha256_add(sha, text.data, text.len);
	out->sha256 = sled_sha256_end(sha);
	sled_sha256_free(&sha);
	if (!sled_file_open(&stage, sys, job->scratch, file,
	                    O_WRONLY | O_CREAT | O_TRUNC, 0600, err))
		return false;
	ok = sled_file_write(&stage, text.data, text.len, 0, err);
	if (ok)
		return sled_file_close(&stage, err);
	sled_file_drop(&stage);
	return false;
}

/* ---- what is known of it ---- */

static void
health_kind(const struct sled_seat *seat, char out[64])
{
	(void)snprintf(out, 64, "far %.59s", seat->place.path);
}

struct known {
	struct sled_seat *seat;
};

static bool
match_row(void *ctx, const struct sled_place_row *row, struct sled_err *err)
{
	struct sled_seat *seat = ((struct known *)ctx)->seat;

	(void)err;
	if (strcmp(row->path, seat->place.path) != 0 || row->seen < seat->seen)
		return true;
	memcpy(seat->id, row->id, sizeof(seat->id));
	seat->seen = row->seen;
	seat->suspect = row->suspect;
	return true;
}

static bool
recall_health(struct sled_store *store, struct sled_seat *seat,
              struct sled_err *err)
{
	struct sled_health_row row;
	char kind[64];
	bool found = false;

	health_kind(seat, kind);
	if (!sled_ledger_health(store->ledger, kind, &row, &found, err))
		return false;
	seat->fails = found && !row.fine;
	(void)snprintf(seat->why, sizeof(seat->why), "%s",
	               found ? row.text
	                     : "nothing was sent there yet: it is sent behind "
	                       "a visit, or by `mailsled sync`");
	return true;
}

/* A store that lost its ledger knows its far places by what a COPY.txt of
 * another place tells; seats.c has found that. */
bool
sled_far_recall(struct sled_store *store, struct sled_seat *seat,
                struct sled_err *err)
{
	struct known known = { seat };

	return sled_ledger_places(store->ledger, match_row, &known, err) &&
	       recall_health(store, seat, err);
}

bool
sled_far_keep(struct sled_store *store, struct sled_seat *seat,
              struct sled_err *err)
{
	struct sled_place_row row = { .seen = seat->seen,
		                      .suspect = seat->suspect };

	(void)snprintf(row.id, sizeof(row.id), "%s", seat->id);
	(void)snprintf(row.path, sizeof(row.path), "%s", seat->place.path);
	return sled_ledger_place_put(store->ledger, &row, err);
}

static bool
keep_health(struct far_job *job, bool fine, const char *text,
            struct sled_err *err)
{
	struct sled_health_row row = { .at = job->now, .fine = fine };

	health_kind(job->seat, row.kind);
	(void)snprintf(row.text, sizeof(row.text), "%s", text);
	(void)snprintf(job->seat->why, sizeof(job->seat->why), "%s", text);
	job->seat->fails = !fine;
	return sled_ledger_health_put(job->store->ledger, &row, err);
}

/* ---- its mark ---- */

static bool
is_twin(const struct far_job *job, const char *id)
{
	for (size_t i = 0; i < job->store->len; i++)
		if (&job->store->seats[i] != job->seat &&
		    strcmp(job->store->seats[i].id, id) == 0)
			return true;
	return false;
}

/* It is known not to be what it was: nothing counts that was seen there. */
static bool
suspect(struct far_job *job, struct sled_err *err)
{
	if (job->seat->id[0] == '\0' || job->seat->suspect)
		return true;
	job->seat->suspect = true;
	return sled_far_keep(job->store, job->seat, err);
}

static bool
take_mark(struct far_job *job, const struct sled_mark *mark,
          struct sled_err *why, struct sled_err *err)
{
	struct sled_seat *seat = job->seat;

	if (strcmp(mark->store, job->store->id) != 0) {
		(void)sled_fail(why, SLED_ERR_PLACE,
		                "it belongs to another store");
		(void)sled_hint(why, "name another folder in `copies =`");
		return suspect(job, err);
	}
	if (is_twin(job, mark->id)) {
		(void)sled_fail(why, SLED_ERR_PLACE,
		                "it is another way to a place already counted");
		return true;
	}
	if (strcmp(seat->id, mark->id) == 0)
		return true;
	memcpy(seat->id, mark->id, sizeof(seat->id));
	seat->seen = job->now;
	return sled_far_keep(job->store, seat, err);
}

static bool
make_mark(struct far_job *job, struct sled_err *why, struct sled_err *err)
{
	struct sled_mark mark;
	struct sled_buf knows = { 0 };
	uint8_t id[16];
	bool ok = sled_hash_random(id, sizeof(id), err);

	if (!ok)
		return false;
	sled_text_hex(mark.id, id, sizeof(id));
	memcpy(mark.store, job->store->id, sizeof(mark.store));
	ok = sled_seats_telling(job->store, mark.id, &knows, err);
	if (ok && sled_far_mark(job->far, job->store->conf.path, &mark,
	                        sled_buf_span(&knows), why)) {
		memcpy(job->seat->id, mark.id, sizeof(job->seat->id));
		job->seat->seen = job->now;
		job->seat->suspect = false;
		ok = sled_far_keep(job->store, job->seat, err);
	}
	sled_buf_free(&knows);
	return ok;
}

/* As for a folder: marked once, when it was never used; no mark, no write. */
static bool
settle(struct far_job *job, struct sled_err *why, struct sled_err *err)
{
	const char *adopt = job->run->adopt;
	bool named = adopt != NULL && strcmp(adopt, job->seat->place.path) == 0;
	enum sled_far_found found = SLED_FAR_UNMARKED;
	struct sled_mark mark;

	if (!sled_far_probe(job->far, &found, &mark, why))
		return true;
	if (found == SLED_FAR_MARKED)
		return take_mark(job, &mark, why, err);
	if (named || (found == SLED_FAR_EMPTY && job->seat->id[0] == '\0'))
		return make_mark(job, why, err);
	(void)sled_fail(why, SLED_ERR_PLACE,
	                "it has no mark (COPY.txt); if it is the right one: "
	                "mailsled sync --adopt %s",
	                job->seat->place.path);
	return suspect(job, err);
}

/* ---- what is gone there ---- */

/* Rows whose file is not in the list any more, or has another size. */
static bool
compare_list(struct far_job *job, struct sled_err *err)
{
	for (size_t i = job->rows_len; i > 0; i--) {
		char file[SLED_FAR_FILE];
		uint64_t octets = 0;
		bool there;

		memcpy(file, job->rows[i - 1].file, sizeof(file));
		there = sled_far_has(job->far, file, &octets);
		if (there && octets == job->rows[i - 1].octets)
			continue;
		if (!sled_far_lost(job, file,
		                   there ? "has another size than was sent"
		                         : "is gone there",
		                   err))
			return false;
		if (there)
			sled_far_put_by(job, file);
	}
	return true;
}

/* ---- one place ---- */

bool
sled_far_over(struct far_job *job)
{
	job->over =
	    job->over || (job->run->ms != 0 && sled_clock_ms() >= job->end_ms);
	return job->over;
}

static bool
lacks_nothing(struct far_job *job, bool *whole, struct sled_err *err)
{
	struct sled_place_status status;
	size_t index = (size_t)(job->seat - job->store->seats);

	if (!sled_store_place(job->store, index, &status, err))
		return false;
	*whole = status.lacks == 0;
	return true;
}

/* A volume that is damaged here keeps nothing else from being sent. */
static void
send_all(struct far_job *job, struct sled_err *why)
{
	struct sled_err second = { 0 };
	bool ok = sled_far_volumes(job, why);

	if (!ok && why->kind != SLED_ERR_DAMAGED)
		return;
	if (!sled_far_papers(job, &second) || !sled_far_flush(job, &second) ||
	    !sled_far_tidy_papers(job, &second))
		*why = second;
}

/* Its own failures are in *why, and none of ours. */
static bool
work(struct far_job *job, struct sled_err *why, struct sled_err *err)
{
	job->staged = calloc(1, sizeof(*job->staged));
	if (job->staged == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "far place");
	if (!sled_far_scratch(job->store, &job->scratch_path, &job->scratch,
	                      err))
		return false;
	if (!sled_far_connect(&job->far, job->store->sys, job->seat->place.path,
	                      job->store->conf.far_bandwidth, job->scratch_path,
	                      why))
		return true;
	if (!settle(job, why, err))
		return false;
	if (why->kind != SLED_ERR_NONE)
		return true;
	if (!sled_far_load(job, err) || !compare_list(job, err))
		return false;
	if (sled_far_recheck(job, why))
		send_all(job, why);
	return true;
}

static bool
conclude(struct far_job *job, const struct sled_err *why, struct sled_err *err)
{
	struct sled_seat *seat = job->seat;
	char text[512] = "";
	bool whole = false;

	if (!lacks_nothing(job, &whole, err))
		return false;
	job->out->whole =
	    job->out->whole && whole && why->kind == SLED_ERR_NONE;
	if (why->kind != SLED_ERR_NONE)
		(void)snprintf(text, sizeof(text), "%.380s%s%.110s", why->text,
		               why->hint == NULL ? "" : "; try: ",
		               why->hint == NULL ? "" : why->hint);
	else if (!whole)
		(void)snprintf(text, sizeof(text),
		               "the rest goes there behind a later visit");
	if (text[0] != '\0')
		sled_store_say(job->store, "%s: %s", seat->place.path, text);
	if (whole && why->kind == SLED_ERR_NONE && seat->id[0] != '\0') {
		seat->seen = job->now;
		if (!sled_far_keep(job->store, seat, err))
			return false;
	}
	return keep_health(job, why->kind == SLED_ERR_NONE, text, err);
}

void
sled_far_clean(struct far_job *job)
{
	const struct sled_sys *sys = job->store->sys;
	struct sled_err ignored = { 0 };
	char name[32];

	sled_far_close(&job->far);
	sled_far_unload(job);
	if (job->scratch != -1) {
		(void)!empty_all(sys, job->scratch, &ignored);
		(void)sys->close(sys->ctx, job->scratch);
		scratch_name(job->store, name);
		if (job->store->mode == SLED_STORE_READ)
			(void)sys->unlinkat(sys->ctx, job->store->state_dir,
			                    name, AT_REMOVEDIR);
	}
	free(job->scratch_path);
	free(job->staged);
}

/* Behind a visit that brought nothing there is no need to ask it each time. */
static bool
may_rest(struct far_job *job, bool *rests, struct sled_err *err)
{
	const struct sled_seat *seat = job->seat;

	*rests = false;
	if (job->run->ms == 0 || seat->fails || seat->suspect ||
	    seat->seen > job->now || job->now - seat->seen >= REST_S)
		return true;
	return lacks_nothing(job, rests, err);
}

static bool
forbid(struct far_job *job, struct sled_err *err)
{
	bool whole = false;

	if (!lacks_nothing(job, &whole, err))
		return false;
	job->out->whole = job->out->whole && whole;
	return whole || keep_health(job, false, job->run->forbidden, err);
}

static bool
bring_up(struct far_job *job, struct sled_err *err)
{
	struct sled_err why = { 0 };
	bool ok, rests = false;

	if (job->run->forbidden != NULL)
		return forbid(job, err);
	if (!may_rest(job, &rests, err))
		return false;
	if (rests)
		return true;
	ok = work(job, &why, err) && conclude(job, &why, err);
	sled_far_clean(job);
	return ok;
}

bool
sled_store_far(struct sled_store *store, const struct sled_far_run *run,
               struct sled_far_sent *out, struct sled_err *err)
{
	int64_t began = sled_clock_ms();
	bool ok = true;

	*out = (struct sled_far_sent){ .whole = true };
	for (size_t i = 0; ok && i < store->len; i++) {
		struct far_job job = { .store = store,
			               .seat = &store->seats[i],
			               .run = run,
			               .out = out,
			               .scratch = -1,
			               .now = sled_clock_now(),
			               .end_ms = began + (int64_t)run->ms };

		if (!store->seats[i].far)
			continue;
		out->places++;
		/* What was checked when cannot be told by a clock that is
		 * wrong. */
		ok = sled_clock_doubtful(job.now) || bring_up(&job, err);
	}
	return ok;
}

/* ---- for others that count copies ---- */

bool
sled_far_will_do(const struct sled_store *store)
{
	int64_t now = sled_clock_now();
	bool *held = calloc(store->len, sizeof(*held));
	bool enough = false, far = false;

	for (size_t i = 0; held != NULL && i < store->len; i++) {
		const struct sled_seat *seat = &store->seats[i];
		bool stuck = seat->seen != 0 && now - seat->seen > STUCK_S;

		held[i] = seat->far ? !seat->fails && !seat->suspect && !stuck
		                    : sled_seat_usable(seat);
		far = far || (seat->far && held[i]);
	}
	if (far)
		enough =
		    sled_seats_count(store, held) >= store->conf.min_copies;
	free(held);
	return enough;
}
