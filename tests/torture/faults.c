/*
 * faults.c - each operation on a store, with each call failing in turn.
 *
 * usage: faults check            every so manieth fault of every row
 *        faults torture          every one
 *        faults OPERATION [ROW [N]]   one operation, one row, one fault
 * Environment: JOBS=n, STRIDE=n.
 *
 * A row is an operation and a way to fail: the Nth call of a kind is answered
 * with an errno, once, twice or from then on, the Nth write is a short one, or
 * the Nth allocation gives nothing, for N = 1, 2, 3 ... until a run meets no
 * fault. Each fault has a process of its own, which says no word but of what is
 * wrong: the operation ends in time, with success or an error that names itself,
 * no descriptor is left, and the next start makes all good (state_check() of
 * crash.h), with nothing that was whole fetched again.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "crash.h"
#include "faults_cli.h"
#ifdef WITH_READER
#include "mailsled/reader.h"
#endif

#define PATIENCE_S 600 /* of a loaded machine */
#define WHY        1024

/* ---- allocations ---- */

static unsigned alloc_left; /* until one fails; 0: none does */
static bool alloc_failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

static bool
no_memory(void)
{
	if (fx_store_busy > 0 || alloc_left == 0 || --alloc_left > 0)
		return false;
	alloc_failed = true;
	errno = ENOMEM;
	return true;
}

void *
__wrap_malloc(size_t size)
{
	return no_memory() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return no_memory() ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *old, size_t size)
{
	return no_memory() ? NULL : __real_realloc(old, size);
}

char *
__wrap_strdup(const char *text)
{
	return no_memory() ? NULL : __real_strdup(text);
}

/* ---- operations ---- */

struct outcome {
	const struct operation *operation;
	bool ok;
	struct moment moment;
	struct sled_err err;
	uint64_t sources; /* what may not change */
};

typedef void step_fn(struct world *world, struct outcome *out);

struct operation {
	const char *name;
	const char *scene; /* whose store it is, and who checks it */
	step_fn *run;
	step_fn *before;    /* or NULL: no fault in it */
	step_fn *behind;    /* or NULL: it has to go well now */
	const char *format; /* of what is written beside the store, which is
	                     * read alone */
};

static bool
open_for(struct world *world, enum sled_store_mode mode, struct outcome *out)
{
	if (fx_store_try(&world->w, mode))
		return true;
	out->err = world->w.err;
	return false;
}

static void
run_visit(struct world *world, struct outcome *out)
{
	const struct scene *scene = world->scene;
	static struct fx_visit room;
	struct fx_visit *v = &room;

	if (!open_for(world, SLED_STORE_WRITE, out))
		return;
	out->ok = fx_visit_run(v, &world->w, scene->mails, scene->len,
	                       scene->group, true);
	for (size_t i = 0; i < scene->len; i++) {
		uint64_t bit = (uint64_t)1 << i;

		out->moment.known |= v->whole[i] ? bit : 0;
		out->moment.gone |= v->may[i] && v->deleted > 0 ? bit : 0;
	}
	out->err = v->err;
}

static void
run_sync(struct world *world, struct outcome *out)
{
	uint64_t octets = 0;

	if (open_for(world, SLED_STORE_WRITE, out))
		out->ok = sled_store_sync(world->w.store, NULL, &octets,
		                          &out->err);
}

static void
run_seal(struct world *world, struct outcome *out)
{
	uint64_t sealed = 0;

	if (open_for(world, SLED_STORE_WRITE, out))
		out->ok = sled_store_seal(world->w.store, NULL, true, &sealed,
		                          &out->err);
}

static void
see_pruned(void *ctx, const struct sled_pruned *volume)
{
	(void)ctx;
	(void)volume;
}

static void
run_prune(struct world *world, struct outcome *out)
{
	const struct sled_prune_conf conf = { .before = FX_STORE_NOW +
		                                        90 * 86400 };

	if (open_for(world, SLED_STORE_WRITE, out))
		out->ok = sled_store_prune(world->w.store, &conf, see_pruned,
		                           NULL, &out->err);
}

static void
run_rebuild(struct world *world, struct outcome *out)
{
	out->ok = open_for(world, SLED_STORE_REBUILD, out);
}

static void
run_verify(struct world *world, struct outcome *out)
{
	struct sled_verify_report report;
	struct fx_store *w = &world->w;

	if (open_for(world, SLED_STORE_READ, out))
		out->ok = sled_store_verify(w->store, true, NULL, NULL, &report,
		                            &out->err);
}

static void
run_repair(struct world *world, struct outcome *out)
{
	out->ok = open_for(world, SLED_STORE_REPAIR, out) &&
	          scene_repair(world, &out->err);
}

/* What it says is safe has to be in all places from then on. */
static void
run_import(struct world *world, struct outcome *out)
{
	out->ok = open_for(world, SLED_STORE_WRITE, out) &&
	          scene_import(world, &out->err);
	if (out->ok)
		out->moment.gone = ((uint64_t)1 << world->scene->len) - 1;
}

static void
run_deliver(struct world *world, struct outcome *out)
{
	out->ok = open_for(world, SLED_STORE_WRITE, out) &&
	          scene_deliver(world, true, &out->err);
}

static void
deliver_rest(struct world *world, struct outcome *out)
{
	struct fx_store *w = &world->w;
	struct sled_err err = { 0 };

	(void)out;
	fx_store_open(w);
	if (!scene_deliver(world, true, &err))
		fail_msg("the next delivery: %s", err.text);
	fx_store_close(w);
	scene_delivered(world, true);
}

/* ---- export and restore ---- */

static void
look_at_sources(struct world *world, struct outcome *out)
{
	out->sources = cli_sources(world);
}

static void
run_export(struct world *world, struct outcome *out)
{
	out->ok = cli_export(world, out->operation->format, &out->err);
}

static void
run_restore(struct world *world, struct outcome *out)
{
	out->ok = cli_restore(world, out->operation->format, &out->err);
}

static void
complete(struct world *world, struct outcome *out)
{
	cli_complete(world, out->operation->run == run_restore,
	             out->operation->format);
	if (cli_sources(world) != out->sources)
		fail_msg("what was read is not as it was");
}

/* As for an import. */
static void
run_restore_into(struct world *world, struct outcome *out)
{
	out->ok = cli_restore_into(world, &out->err);
	if (out->ok)
		out->moment.gone = ((uint64_t)1 << world->scene->len) - 1;
}

#ifdef WITH_READER
static bool
feed_index(struct world *world, struct sled_err *err)
{
	struct sled_feed feed = { .thorough = true };
	struct sled_index *index = NULL;
	bool ok = sled_index_open(&index, world->w.store, err) &&
	          sled_index_feed(index, &feed, NULL, NULL, err);

	sled_index_close(&index);
	return ok;
}

static void
run_index(struct world *world, struct outcome *out)
{
	out->ok = open_for(world, SLED_STORE_READ, out) &&
	          feed_index(world, &out->err);
}

static bool
count_found(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	(void)message;
	(void)err;
	++*(size_t *)ctx;
	return true;
}

/* A search finds each message, once. */
static void
find_all(struct world *world, struct outcome *out)
{
	struct fx_store *w = &world->w;
	struct sled_index *index = NULL;
	struct sled_err err = { 0 };
	struct sled_query query;
	size_t found = 0;

	(void)out;
	if (!fx_store_try(w, SLED_STORE_READ) || !feed_index(world, &err))
		fail_msg("the next index: %s%s", w->err.text, err.text);
	if (!sled_query_parse(&query, "-nowhere", w->now, &err) ||
	    !sled_index_open(&index, w->store, &err) ||
	    !sled_index_find(index, &query, 0, count_found, &found, &err))
		fail_msg("the next search: %s", err.text);
	sled_index_close(&index);
	sled_query_free(&query);
	fx_store_close(w);
	assert_int_equal(found, world->scene->before);
}
#endif

static void
plug_copy(struct world *world, struct outcome *out)
{
	(void)out;
	fx_store_sh(&world->w, "mv copy1.away copy1");
}

/* A new operation of the store is one row more. */
static const struct operation operations[] = {
	{ "visit", "next", run_visit, NULL, NULL, NULL },
	{ "found", "first", run_visit, NULL, NULL, NULL },
	{ "large", "large", run_visit, NULL, NULL, NULL },
	{ "sync", "late", run_sync, plug_copy, NULL, NULL },
	{ "seal", "next", run_seal, NULL, NULL, NULL },
	{ "prune", "prune", run_prune, NULL, NULL, NULL },
	{ "rebuild", "next", run_rebuild, NULL, NULL, NULL },
	{ "verify", "next", run_verify, NULL, NULL, NULL },
	{ "repair", "repair", run_repair, NULL, NULL, NULL },
	{ "import", "import", run_import, NULL, NULL, NULL },
	{ "deliver", "deliver", run_deliver, NULL, deliver_rest, NULL },
#ifdef WITH_READER
	{ "index", "next", run_index, NULL, find_all, NULL },
#endif
	{ "export", "export", run_export, look_at_sources, complete,
	  "maildir" },
	{ "mbox", "export", run_export, look_at_sources, complete, "mbox" },
	{ "eml", "export", run_export, look_at_sources, complete, "eml" },
	{ "restore", "export", run_restore, look_at_sources, complete,
	  "maildir" },
	{ "to-eml", "export", run_restore, look_at_sources, complete, "eml" },
	{ "into", "restore", run_restore_into, NULL, NULL, NULL },
};

/* ---- ways to fail ---- */

/* Instead of an errno. */
enum {
	ALLOCATION = -1,
	HALF = -2, /* a short write, and all is well */
	FULL = -3, /* a short write, and then there is no room any more */
	TWICE = -4, /* EIO, and EIO once more in what it does about that */
};

struct way {
	const char *name;
	enum fx_call call;
	int errnum;
	bool forever;
	unsigned stride; /* of `check` */
};

static const struct way ways[] = {
	{ "any call: EIO, once", FX_ANY, EIO, false, 61 },
	{ "any call: EIO, for ever", FX_ANY, EIO, true, 97 },
	{ "any call: EIO, twice", FX_ANY, TWICE, false, 83 },
	{ "any call: ENOMEM, once", FX_ANY, ENOMEM, false, 151 },
	{ "any call: EINTR, once", FX_ANY, EINTR, false, 89 },
	{ "pwrite: ENOSPC, once", FX_PWRITE, ENOSPC, false, 29 },
	{ "pwrite: ENOSPC, for ever", FX_PWRITE, ENOSPC, true, 31 },
	{ "pwrite: EDQUOT, for ever", FX_PWRITE, EDQUOT, true, 41 },
	{ "openat: ENOSPC, once", FX_OPENAT, ENOSPC, false, 47 },
	{ "openat: EMFILE, once", FX_OPENAT, EMFILE, false, 43 },
	{ "openat: EMFILE, for ever", FX_OPENAT, EMFILE, true, 53 },
	{ "openat: EROFS, for ever", FX_OPENAT, EROFS, true, 59 },
	{ "mkdirat: ENOSPC, once", FX_MKDIRAT, ENOSPC, false, 5 },
	{ "renameat: EROFS, once", FX_RENAMEAT, EROFS, false, 5 },
	{ "unlinkat: EROFS, once", FX_UNLINKAT, EROFS, false, 5 },
	{ "fdatasync: EIO, once", FX_FDATASYNC, EIO, false, 13 },
	{ "fdatasync: ENOSPC, once", FX_FDATASYNC, ENOSPC, false, 17 },
	{ "fsync: EIO, once", FX_FSYNC, EIO, false, 13 },
	{ "fsync: EIO, for ever", FX_FSYNC, EIO, true, 17 },
	{ "pwrite: short, once", FX_PWRITE, HALF, false, 67 },
	{ "pwrite: short, then ENOSPC", FX_PWRITE, FULL, false, 73 },
	{ "allocation, once", FX_ANY, ALLOCATION, false, 71 },
};

#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))
#define WAYS       (sizeof(ways) / sizeof(ways[0]))

/* ---- one fault ---- */

struct trial {
	const struct operation *operation;
	const struct way *way;
	struct fx_tree *base;
	struct world *world;
	int words;
	unsigned n;
	/* In shared memory, the child's answer. */
	struct answer {
		bool fired, ok;
	} *answer;
};

static void
arm(const struct trial *trial)
{
	struct fx_sys *fx = &trial->world->w.fx;

	if (trial->way->errnum == ALLOCATION) {
		alloc_left = trial->n;
		return;
	}
	if (trial->way->errnum > 0) {
		fx_sys_fail(fx, trial->way->call, trial->n, trial->way->errnum,
		            trial->way->forever);
		return;
	}
	if (trial->way->errnum == TWICE) {
		fx_sys_fail(fx, FX_ANY, trial->n, EIO, false);
		fx_sys_fail(fx, FX_ANY, trial->n + 1 + trial->n % 7, EIO,
		            false);
		return;
	}
	fx_sys_halve(fx, trial->n);
	if (trial->way->errnum == FULL)
		fx_sys_fail(fx, FX_PWRITE, trial->n + 1, ENOSPC, true);
}

static void
check_outcome(const struct trial *trial, const struct outcome *out)
{
	struct fx_store *w = &trial->world->w;

	if (!out->ok && !trial->answer->fired)
		fail_msg("it fails without a fault: %s", out->err.text);
	if (!out->ok && (out->err.kind == SLED_ERR_NONE ||
	                 out->err.kind == SLED_ERR_INTERNAL ||
	                 out->err.text[0] == '\0'))
		fail_msg("an error that does not name itself: kind %d \"%s\"",
		         (int)out->err.kind, out->err.text);
	if (fx_sys_open_fds(&w->fx) != 0)
		fail_msg("%d descriptors are left open",
		         fx_sys_open_fds(&w->fx));
}

static void
in_the_child(struct trial *trial)
{
	struct world *world = trial->world;
	struct fx_store *w = &world->w;
	struct outcome *out = calloc(1, sizeof(*out));

	assert_non_null(out);
	out->operation = trial->operation;
	w->now += 600;
	if (trial->operation->before != NULL)
		trial->operation->before(world, out);
	arm(trial);
	trial->operation->run(world, out);
	fx_store_close(w);
	trial->answer->fired = fx_sys_fired(&w->fx) || alloc_failed;
	trial->answer->ok = out->ok;
	alloc_left = 0;
	fx_sys_calm(&w->fx);
	check_outcome(trial, out);
	if (trial->operation->behind != NULL)
		trial->operation->behind(world, out);
	if (trial->operation->format == NULL)
		state_check(world, &out->moment, NULL);
	free(out);
}

/* Did the laws hold? */
static bool
try_fault(struct trial *trial, char why[WHY])
{
	int status = 0;
	ssize_t len;
	pid_t pid;

	fx_tree_write(trial->base, trial->world->w.tmp.path);
	*trial->answer = (struct answer){ false, false };
	assert_true(ftruncate(trial->words, 0) == 0);
	(void)fflush(NULL);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		(void)lseek(trial->words, 0, SEEK_SET);
		(void)dup2(trial->words, 1);
		(void)dup2(trial->words, 2);
		(void)alarm(PATIENCE_S);
		in_the_child(trial);
		(void)fflush(NULL);
		_exit(0);
	}
	assert_true(waitpid(pid, &status, 0) == pid);
	len = pread(trial->words, why, WHY - 1, 0);
	why[len < 0 ? 0 : len] = '\0';
	if (WIFSIGNALED(status))
		(void)snprintf(why, WHY, "ended by signal %d",
		               WTERMSIG(status));
	else if (status != 0 && why[0] == '\0')
		(void)snprintf(why, WHY, "ended with %d, without a word",
		               WEXITSTATUS(status));
	for (char *at = why; *at != '\0'; at++)
		*at = *at == '\n' ? ' ' : *at;
	fx_tmp_empty(&trial->world->w.tmp);
	return status == 0;
}

/* ---- one row ---- */

struct sum {
	atomic_size_t next, faults, failed;
};

static void
run_row(struct trial *trial, unsigned stride, struct sum *sum)
{
	unsigned faults = 0, failed = 0;
	char why[WHY];

	for (unsigned n = 1;; n += stride) {
		trial->n = n;
		if (!try_fault(trial, why)) {
			if (failed++ < 3)
				(void)printf("  %s, %s, %u: %s\n",
				             trial->operation->name,
				             trial->way->name, n, why);
			/* It may have died before it could tell. */
			if (failed >= 100)
				break;
		} else if (!trial->answer->fired) {
			break;
		}
		faults++;
	}
	(void)printf("%-8s %-26s %5u faults, %u failed\n",
	             trial->operation->name, trial->way->name, faults, failed);
	(void)fflush(stdout);
	atomic_fetch_add(&sum->faults, faults);
	atomic_fetch_add(&sum->failed, failed);
}

static struct answer *
shared_answer(void)
{
	void *answer = mmap(NULL, sizeof(struct answer), PROT_READ | PROT_WRITE,
	                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(answer != MAP_FAILED);
	return answer;
}

/* What the scene begins with; made in a child, as all is. */
static struct fx_tree *
prepare(struct world *world)
{
	struct fx_tree *base;
	int status = 0;
	pid_t pid = fork();

	assert_true(pid != -1);
	if (pid == 0) {
		scene_prepare(world);
		_exit(0);
	}
	assert_true(waitpid(pid, &status, 0) == pid && status == 0);
	base = fx_tree_read(world->w.tmp.path);
	fx_tmp_empty(&world->w.tmp);
	return base;
}

static const struct scene *
scene_of(const struct operation *operation)
{
	if (strcmp(operation->scene, "export") == 0)
		return &cli_scene_export;
	if (strcmp(operation->scene, "restore") == 0)
		return &cli_scene_restore;
	return crash_scene(operation->scene);
}

static void
run_rows(const struct operation *operation, const struct way *way,
         unsigned stride, unsigned only, struct sum *sum)
{
	struct world world;
	struct trial trial = { .operation = operation,
		               .way = way,
		               .world = &world,
		               .words = memfd_create("words", MFD_CLOEXEC),
		               .answer = shared_answer() };
	char why[WHY];

	world_make(&world, scene_of(operation), NULL);
	trial.base = prepare(&world);
	if (only > 0) {
		trial.n = only;
		(void)printf("%s\n", try_fault(&trial, why) ? "holds" : why);
	} else {
		run_row(&trial, stride, sum);
	}
	fx_tree_free(&trial.base);
	world_drop(&world);
	(void)close(trial.words);
}

/* ---- all rows, by several processes ---- */

static void
work(struct sum *sum, bool all)
{
	for (;;) {
		size_t n = atomic_fetch_add(&sum->next, 1);
		const struct way *way = &ways[n % WAYS];

		if (n >= OPERATIONS * WAYS)
			break;
		run_rows(&operations[n / WAYS], way, all ? 1 : way->stride, 0,
		         sum);
	}
}

static int
run_all(bool all)
{
	struct sum *sum = mmap(NULL, sizeof(*sum), PROT_READ | PROT_WRITE,
	                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const char *text = getenv("JOBS");
	long jobs = text != NULL ? atol(text) : sysconf(_SC_NPROCESSORS_ONLN);

	assert_true(sum != MAP_FAILED);
	(void)fflush(NULL);
	for (long i = 0; i < jobs; i++) {
		pid_t pid = fork();

		assert_true(pid != -1);
		if (pid == 0) {
			work(sum, all);
			_exit(0);
		}
	}
	while (jobs-- > 0) {
		int status = 0;

		assert_true(wait(&status) != -1);
		sum->failed += status != 0;
	}
	(void)printf("faults by call: %zu made, %zu failed\n", sum->faults,
	             sum->failed);
	return sum->failed == 0 ? 0 : 1;
}

static int
run_some(int argc, char **argv)
{
	struct sum *sum = calloc(1, sizeof(*sum));
	const char *stride = getenv("STRIDE");
	size_t rows = 0, failed;

	assert_non_null(sum);
	for (size_t i = 0; i < OPERATIONS * WAYS; i++) {
		const struct operation *operation = &operations[i / WAYS];
		const struct way *way = &ways[i % WAYS];

		if (strcmp(operation->name, argv[1]) != 0 ||
		    (argc > 2 && strcmp(way->name, argv[2]) != 0))
			continue;
		rows++;
		run_rows(operation, way,
		         stride == NULL ? 1 : (unsigned)atoi(stride),
		         argc > 3 ? (unsigned)atoi(argv[3]) : 0, sum);
	}
	failed = sum->failed;
	free(sum);
	if (rows == 0)
		(void)fprintf(stderr, "faults: there is no such row\n");
	return rows == 0 ? 64 : failed == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	if (getenv("TMPDIR") == NULL && access("/dev/shm", W_OK) == 0)
		(void)setenv("TMPDIR", "/dev/shm", 1);
	if (argc == 2 && strcmp(argv[1], "check") == 0)
		return run_all(false);
	if (argc == 2 && strcmp(argv[1], "torture") == 0)
		return run_all(true);
	if (argc > 1)
		return run_some(argc, argv);
	(void)fprintf(stderr,
	              "usage: faults check|torture|OPERATION [ROW [N]]\n");
	return 64;
}
