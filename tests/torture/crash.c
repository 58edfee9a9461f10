/*
 * crash.c - crash states and mutants, to be run; see crash.h.
 *
 * usage: crash check             about 500 states, spread over all scenes
 *        crash torture           all of them: every cut, its ways up to CUTS
 *        crash matrix [WORD]     killed at each call, or each sync failed, then
 *                                cut (STEP=n: each nth, WANT=n states each);
 *                                WORD: of scenes that have it in their name
 *        crash mutants [WORD]    the table of mistakes: which state saw each
 *        crash SCENE [STATE]     one scene; one state, and say what it is
 * Environment: SEED=n (1), CUTS=n (most ways a cut), JOBS=n.
 * With SCENE also DIE_AT=n (killed there first), FDATASYNC=n or FSYNC=n (this
 * one is lost): what the matrix names of a failure, to look at its state again.
 * It ends with 0 when every law held in every state, and each mutant was seen.
 */
#include <errno.h>
#include <fcntl.h>
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

#define STATES_MAX 400000
#define WHY        512
#define ENDED      "ended by signal " /* so begins a reason that is no law's */
#define PATIENCE_S 600 /* of a loaded machine */

/* ---- children ---- */

static void
insist(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "crash: %s: %s\n", what, strerror(errno));
	exit(70);
}

/* Memory of zeros that children share. */
static void *
shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
	                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	insist(memory != MAP_FAILED, "mmap");
	return memory;
}

/* What a child said on stderr, its last line that is no cmocka trailer. */
static void
last_words(int fd, char why[WHY])
{
	char text[8192], *line, *save = NULL;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	why[0] = '\0';
	text[n < 0 ? 0 : n] = '\0';
	for (line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save))
		if (strstr(line, "error: Failure!") == NULL) {
			size_t len = strlen(why);

			(void)snprintf(why + len, WHY - len, "%s%.200s",
			               len > 0 ? " | " : "", line);
		}
}

static int words_fd = -1;

/* Run WHAT in a child; its exit status, or 256 + the signal that ended it. */
static int
in_child(void (*what)(void *), void *ctx, char why[WHY])
{
	int status = 0, words = words_fd;
	pid_t pid;

	if (words == -1)
		words = words_fd = memfd_create("words", MFD_CLOEXEC);
	insist(words != -1 && ftruncate(words, 0) == 0, "memfd");
	(void)fflush(NULL);
	pid = fork();
	insist(pid != -1, "fork");
	if (pid == 0) {
		(void)lseek(words, 0, SEEK_SET);
		(void)dup2(words, 2);
		(void)dup2(words, 1);
		(void)alarm(PATIENCE_S);
		what(ctx);
		_exit(0);
	}
	insist(waitpid(pid, &status, 0) == pid, "waitpid");
	last_words(words, why);
	return WIFSIGNALED(status) ? 256 + WTERMSIG(status)
	                           : WEXITSTATUS(status);
}

static void
do_prepare(void *ctx)
{
	scene_prepare(ctx);
}

static void
do_run(void *ctx)
{
	const struct world *world = ctx;
	const struct mutant *mutant = world->mutant;

	crash_hashes_equal = mutant != NULL && mutant->hashes_equal;
	crash_members_hold = mutant != NULL && mutant->members_hold;
	crash_holds_on = mutant != NULL && mutant->holds_on;
	scene_run(ctx);
}

/* ---- one scene: its log and its states ---- */

struct state {
	uint32_t after, way;
};

struct play {
	const struct scene *scene;
	const struct mutant *mutant;
	size_t most; /* ways a cut */
	uint64_t seed;
	struct fx_log *log;
	struct fx_tree *base;
	struct state *states;
	size_t len;
	struct readings *readings;
	bool quiet; /* only failures are told of */
	bool over;  /* it ended before the kill that it was to have */
	char why[WHY];
};

static bool
run_once(struct play *play, struct world *world, size_t die_at)
{
	int status;

	world->die_at = die_at;
	status = in_child(do_run, world, play->why);
	if (status == (die_at > 0 ? 9 : 0))
		return true;
	play->over = die_at > 0 && status == 0;
	if (play->over)
		return false;
	(void)fprintf(stderr, "crash: %s: the scene ended with %d: %s\n",
	              play->scene->name, status, play->why);
	return false;
}

/* The recorder must not have missed anything. */
static bool
log_is_whole(const struct play *play, const struct world *world)
{
	struct fx_cut *cut = malloc(sizeof(*cut));
	struct fx_tree *now = fx_tree_read(world->w.tmp.path), *built;
	bool ok;

	insist(cut != NULL, "memory");
	fx_cut_begin(cut, play->log, play->log->len);
	built = fx_cut_build(cut, play->log, play->base);
	ok = fx_tree_hash(now) == fx_tree_hash(built);
	if (!ok)
		(void)fprintf(stderr,
		              "crash: %s, killed at %zu: the log does not give "
		              "what is there: %s\n",
		              play->scene->name, play->scene->die_at,
		              fx_tree_difference(now, built));
	fx_tree_free(&built);
	fx_tree_free(&now);
	free(cut);
	return ok;
}

static bool
has_flips(const struct play *play)
{
	return play->scene->rule.trick == FX_FLIP;
}

static bool
record(struct play *play)
{
	struct world world;
	bool ok;

	play->log = fx_log_new();
	world_make(&world, play->scene, play->mutant);
	world.log = play->log;
	ok = in_child(do_prepare, &world, play->why) == 0;
	if (!ok)
		(void)fprintf(stderr, "crash: %s: not prepared: %s\n",
		              play->scene->name, play->why);
	play->base = fx_tree_read(world.w.tmp.path);
	if (ok && play->scene->die_at > 0)
		ok = run_once(play, &world, play->scene->die_at);
	ok = ok && run_once(play, &world, 0) &&
	     (has_flips(play) || log_is_whole(play, &world));
	world_drop(&world);
	return ok;
}

struct seen {
	uint64_t *hash;
	size_t room, len;
};

static bool
is_new(struct seen *seen, uint64_t hash)
{
	size_t i = (size_t)hash % seen->room;

	hash += hash == 0;
	while (seen->hash[i] != 0 && seen->hash[i] != hash)
		i = (i + 1) % seen->room;
	if (seen->hash[i] == hash)
		return false;
	seen->hash[i] = hash;
	return ++seen->len < seen->room / 2;
}

static void
list_ways(struct play *play, struct fx_cut *cut, struct seen *seen)
{
	const struct moment now = moment_at(play->log, cut->after);
	size_t ways = fx_cut_ways(cut, play->most);

	for (size_t n = 0; n < ways && play->len < STATES_MAX; n++) {
		struct fx_tree *tree;
		uint64_t hash;

		fx_cut_choose(cut, play->log, n, play->most, play->seed);
		tree = fx_cut_build(cut, play->log, play->base);
		hash = fx_tree_hash(tree) ^
		       now.gone * 0x9e3779b97f4a7c15 ^ (now.known << 7);
		fx_tree_free(&tree);
		if (is_new(seen, hash))
			play->states[play->len++] = (struct state){
				(uint32_t)cut->after, (uint32_t)n
			};
	}
}

/* Each state that differs from all before it. */
static void
list_states(struct play *play)
{
	struct seen seen = { .room = 2 * STATES_MAX + 1 };
	struct fx_cut *cut = malloc(sizeof(*cut));

	seen.hash = calloc(seen.room, sizeof(*seen.hash));
	play->states = calloc(STATES_MAX, sizeof(*play->states));
	insist(cut != NULL && seen.hash != NULL && play->states != NULL,
	       "memory");
	for (size_t after = 0; after <= play->log->len; after++) {
		fx_cut_begin(cut, play->log, after);
		list_ways(play, cut, &seen);
	}
	free(seen.hash);
	free(cut);
}

static bool
play_begin(struct play *play, const struct scene *scene,
           const struct mutant *mutant, size_t most, uint64_t seed)
{
	if (scene->cuts > 0 && scene->cuts < most)
		most = scene->cuts;
	*play = (struct play){
		.scene = scene, .mutant = mutant, .most = most, .seed = seed
	};
	play->readings = shared(sizeof(*play->readings));
	if (!record(play))
		return false;
	list_states(play);
	return true;
}

static void
play_end(struct play *play)
{
	(void)munmap(play->readings, sizeof(*play->readings));
	free(play->states);
	fx_tree_free(&play->base);
	if (play->log != NULL)
		fx_log_free(&play->log);
}

/* ---- one state ---- */

struct look {
	struct play *play;
	struct world *world;
	struct fx_cut *cut;
	size_t n;
};

static void
do_look(void *ctx)
{
	struct look *look = ctx;
	const struct state *state = &look->play->states[look->n];
	struct moment now = moment_at(look->play->log, state->after);

	state_check(look->world, &now, look->play->readings);
}

static bool
look_at(struct look *look, size_t n, char why[WHY])
{
	struct play *play = look->play;
	const struct state *state = &play->states[n];
	struct fx_tree *tree;
	int status;

	fx_cut_begin(look->cut, play->log, state->after);
	fx_cut_choose(look->cut, play->log, state->way, play->most,
	              play->seed);
	tree = fx_cut_build(look->cut, play->log, play->base);
	fx_tree_write(tree, look->world->w.tmp.path);
	fx_tree_free(&tree);
	look->n = n;
	status = in_child(do_look, look, why);
	if (status >= 256)
		(void)snprintf(why, WHY, ENDED "%d", status - 256);
	else if (status != 0 && why[0] == '\0')
		(void)snprintf(why, WHY, "ended with %d, without a word",
		               status);
	if (status != 0 && getenv("KEEP") != NULL) {
		(void)printf("kept: %s\n", look->world->w.tmp.path);
		(void)fflush(stdout);
		_exit(1);
	}
	fx_tmp_empty(&look->world->w.tmp);
	return status == 0;
}

/* What became of each pending op; the last ones that were begun. */
static void
describe(struct look *look, size_t n)
{
	static const char *const words[] = { "there", "lost", "length only",
		                             "front only", "back only" };
	const struct play *play = look->play;
	const struct fx_cut *cut = look->cut;
	size_t from = play->states[n].after;

	from = from > 6 ? from - 6 : 0;
	for (size_t i = from; i < play->states[n].after; i++)
		(void)printf("    %5zu %s\n", i, fx_op_text(&play->log->op[i]));
	for (size_t i = cut->pending; i-- > 0;)
		(void)printf("    pending %5u %s: %s\n", cut->op[i],
		             fx_op_text(&play->log->op[cut->op[i]]),
		             words[cut->choice[i]]);
}

/* ---- many of them, by several processes ---- */

#define SAMPLES 8

struct tally {
	atomic_size_t next, looked, failed;
	atomic_size_t broken; /* of these, by no law: a signal, a worker */
	atomic_size_t first; /* the lowest state that failed, or SIZE_MAX */
	struct {
		size_t n;
		char why[WHY];
	} sample[SAMPLES];
};

static void
note_failure(struct tally *tally, size_t n, const char *why)
{
	size_t slot = atomic_fetch_add(&tally->failed, 1);
	size_t first = atomic_load(&tally->first);

	while (n < first &&
	       !atomic_compare_exchange_weak(&tally->first, &first, n))
		;
	if (slot >= SAMPLES)
		return;
	(void)snprintf(tally->sample[slot].why, WHY, "%s", why);
	tally->sample[slot].n = n;
}

static void
work(struct play *play, struct tally *tally, size_t stride, bool one_is_enough)
{
	struct world world;
	struct look look = { .play = play, .world = &world };
	char why[WHY];

	look.cut = malloc(sizeof(*look.cut));
	insist(look.cut != NULL, "memory");
	world_make(&world, play->scene, play->mutant);
	for (;;) {
		size_t n = atomic_fetch_add(&tally->next, 1) * stride;

		if (n < play->len && one_is_enough)
			n = n * 7919 % play->len; /* here and there first */
		if (n >= play->len ||
		    (one_is_enough && atomic_load(&tally->failed) > 0))
			break;
		atomic_fetch_add(&tally->looked, 1);
		if (look_at(&look, n, why))
			continue;
		note_failure(tally, n, why);
		if (strncmp(why, ENDED, strlen(ENDED)) == 0)
			atomic_fetch_add(&tally->broken, 1);
	}
	world_drop(&world);
	free(look.cut);
}

static size_t
jobs(void)
{
	const char *text = getenv("JOBS");
	long n = text != NULL ? atol(text) : sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : (size_t)n;
}

static struct tally *
look_at_all(struct play *play, size_t stride, bool one_is_enough)
{
	struct tally *tally = shared(sizeof(*tally));
	size_t n = jobs();

	atomic_store(&tally->first, SIZE_MAX);
	(void)fflush(NULL);
	for (size_t i = 0; i < n; i++) {
		pid_t pid = fork();

		insist(pid != -1, "fork");
		if (pid == 0) {
			words_fd = -1; /* the others' too */
			work(play, tally, stride, one_is_enough);
			_exit(0);
		}
	}
	while (n-- > 0) {
		int status = 0;

		insist(wait(&status) != -1, "wait");
		if (status != 0) {
			note_failure(tally, 0, "a worker broke down");
			atomic_fetch_add(&tally->broken, 1);
		}
	}
	return tally;
}

/* ---- commands ---- */

static size_t
number_of(const char *name, size_t otherwise)
{
	const char *text = getenv(name);

	return text == NULL ? otherwise : (size_t)strtoull(text, NULL, 10);
}

struct sum {
	size_t states, failed;
};

static void
tell_failures(const struct play *play, const struct tally *tally)
{
	for (size_t i = 0; i < tally->failed && i < SAMPLES; i++)
		(void)printf("  %s %zu: %s\n", play->scene->name,
		             tally->sample[i].n, tally->sample[i].why);
}

static void
tell_fault(const struct play *play)
{
	const struct fx_rule *rule = &play->scene->rule;

	(void)printf("  CUTS=%zu", play->most);
	if (play->scene->die_at > 0)
		(void)printf(" DIE_AT=%zu", play->scene->die_at);
	if (rule->trick != 0)
		(void)printf(" %s=%u",
		             rule->call == FX_FSYNC ? "FSYNC" : "FDATASYNC",
		             rule->nth);
	(void)printf(" crash %s\n", play->scene->name);
}

/* WANT states of it, 0: all. */
static void
look_at_some(struct play *play, size_t want, struct sum *sum)
{
	size_t stride = want == 0 || want >= play->len ? 1 : play->len / want;
	struct tally *tally = look_at_all(play, stride, false);

	if (!play->quiet || tally->failed > 0)
		(void)printf("%-18s %5zu calls %7zu states, %6zu tried, %zu "
		             "failed, %zu places by tar\n",
		             play->scene->name, play->log->len, play->len,
		             tally->looked, tally->failed,
		             atomic_load(&play->readings->made));
	if (play->quiet && tally->failed > 0)
		tell_fault(play);
	tell_failures(play, tally);
	(void)fflush(stdout);
	sum->states += tally->looked;
	sum->failed += tally->failed;
	(void)munmap(tally, sizeof(*tally));
}

static void
play_scene(const struct scene *scene, size_t most, size_t want,
           struct sum *sum)
{
	struct play play;

	if (play_begin(&play, scene, NULL, most, number_of("SEED", 1)))
		look_at_some(&play, want, sum);
	else
		sum->failed++;
	play_end(&play);
}

/* The power is cut behind a kill -9, after which another run went on: what it
 * found in the pages was not yet on the disk. For each op to be killed at. */
static void
play_killed(const char *name, size_t step, size_t want, struct sum *sum)
{
	struct scene scene = *crash_scene(name);
	size_t kills = 0, before = sum->states;
	bool over = false;

	for (scene.die_at = 1; !over; scene.die_at += step) {
		struct play play;

		if (play_begin(&play, &scene, NULL, 6, number_of("SEED", 1))) {
			play.quiet = true;
			look_at_some(&play, want, sum);
			kills++;
		} else if (!play.over) {
			sum->failed++;
		}
		over = play.over;
		play_end(&play);
	}
	(void)printf("%-18s killed at %zu calls, then %zu states\n", name,
	             kills, sum->states - before);
	(void)fflush(stdout);
}

static bool
has_lost_sync(const struct fx_log *log)
{
	for (size_t i = 0; i < log->len; i++)
		if (log->op[i].kind == FX_OP_SYNC_LOST)
			return true;
	return false;
}

static struct fx_rule
lost_sync(enum fx_call call, size_t nth)
{
	return (struct fx_rule){ call, "/", FX_LOSE, (unsigned)nth, 0 };
}

/* Each sync of a kind fails once, and what it should have kept is lost though
 * later syncs succeed; it goes on as it can; then the power is cut. */
static void
play_lost_syncs(const char *name, enum fx_call call, size_t step, size_t want,
                struct sum *sum)
{
	struct scene scene = *crash_scene(name);
	size_t faults = 0, before = sum->states;
	bool more = true;

	scene.rule = lost_sync(call, 1);
	for (; more; scene.rule.nth += (unsigned)step) {
		struct play play;

		more = play_begin(&play, &scene, NULL, 6,
		                  number_of("SEED", 1));
		sum->failed += !more;
		if (more && (more = has_lost_sync(play.log))) {
			play.quiet = true;
			look_at_some(&play, want, sum);
			faults++;
		}
		play_end(&play);
	}
	(void)printf("%-18s %s fails at %zu calls, then %zu states\n", name,
	             call == FX_FSYNC ? "fsync" : "fdatasync", faults,
	             sum->states - before);
	(void)fflush(stdout);
}

static int
play_matrix(size_t step, size_t want, const char *word)
{
	static const char *const names[] = { "next",   "seal",   "beside",
		                             "three",  "repair", "import",
		                             "prune",  "late",   "wiped",
		                             "rebuild" };
	static const size_t names_often = 6, syncs_often = 4;
	static const char *const syncs[] = { "sync-fails", "seal",  "repair",
		                             "import",     "prune", "late",
		                             "wiped",      "rebuild" };
	size_t seldom = step == 1 ? 1 : 3; /* the others: of all, or a third */
	struct sum sum = { 0, 0 };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strstr(names[i], word) != NULL)
			play_killed(names[i],
			            i < names_often ? step : step * seldom,
			            want, &sum);
	step = step > 4 ? step / 4 : 1;
	for (size_t i = 0; i < sizeof(syncs) / sizeof(syncs[0]); i++) {
		size_t nth = i < syncs_often ? step : step * seldom;

		if (strstr(syncs[i], word) == NULL)
			continue;
		play_lost_syncs(syncs[i], FX_FDATASYNC, nth, want, &sum);
		play_lost_syncs(syncs[i], FX_FSYNC, nth, want, &sum);
	}
	(void)printf("crash states behind kills and lost syncs: %zu tried, %zu "
	             "failed\n",
	             sum.states, sum.failed);
	return sum.failed == 0 ? 0 : 1;
}

static int
play_all(size_t most, size_t want)
{
	struct sum sum = { 0, 0 };

	for (size_t i = 0; i < crash_scenes_len; i++)
		play_scene(&crash_scenes[i], most, want / crash_scenes_len,
		           &sum);
	(void)printf("crash states: %zu tried, %zu failed (seed %zu)\n",
	             sum.states, sum.failed, number_of("SEED", 1));
	return sum.failed == 0 ? 0 : 1;
}

static bool
play_mutant(const struct mutant *mutant, size_t most)
{
	struct play play;
	struct tally *tally;
	bool seen;

	if (!play_begin(&play, crash_scene(mutant->scene), mutant, most,
	                number_of("SEED", 1)))
		return false;
	tally = look_at_all(&play, 1, true);
	seen = tally->failed > tally->broken;
	if (seen)
		(void)printf("%-40s %-12s state %5zu of %5zu: %.90s\n",
		             mutant->name, mutant->scene, tally->first,
		             play.len, tally->sample[0].why);
	else
		(void)printf("%-40s %-12s NOT SEEN in %zu states\n",
		             mutant->name, mutant->scene, play.len);
	(void)fflush(stdout);
	(void)munmap(tally, sizeof(*tally));
	play_end(&play);
	return seen;
}

static int
play_mutants(size_t most, const char *word)
{
	size_t seen = 0, all = 0;

	for (size_t i = 0; i < crash_mutants_len; i++)
		if (strstr(crash_mutants[i].name, word) != NULL) {
			seen += play_mutant(&crash_mutants[i], most);
			all++;
		}
	(void)printf("mutants: %zu of %zu seen\n", seen, all);
	return seen == all ? 0 : 1;
}

static int
play_state(const struct scene *scene, size_t most, size_t n)
{
	struct world world;
	struct play play;
	struct look look = { .play = &play, .world = &world };
	char why[WHY];
	bool ok;

	if (!play_begin(&play, scene, NULL, most, number_of("SEED", 1)))
		return 1;
	if (n >= play.len) {
		(void)fprintf(stderr, "crash: %s has %zu states\n", scene->name,
		              play.len);
		return 64;
	}
	look.cut = malloc(sizeof(*look.cut));
	insist(look.cut != NULL, "memory");
	world_make(&world, scene, NULL);
	fx_cut_begin(look.cut, play.log, play.states[n].after);
	fx_cut_choose(look.cut, play.log, play.states[n].way, play.most,
	              play.seed);
	describe(&look, n);
	ok = look_at(&look, n, why);
	(void)printf("%s %zu: %s\n", scene->name, n, ok ? "holds" : why);
	world_drop(&world);
	free(look.cut);
	play_end(&play);
	return ok ? 0 : 1;
}

/* One scene, with the fault that the environment asks for. */
static int
play_one(struct scene scene, const char *state)
{
	size_t data = number_of("FDATASYNC", 0), most = number_of("CUTS", 64);
	size_t all = number_of("FSYNC", 0);
	struct sum sum = { 0, 0 };

	scene.die_at = number_of("DIE_AT", scene.die_at);
	if (data > 0)
		scene.rule = lost_sync(FX_FDATASYNC, data);
	if (all > 0)
		scene.rule = lost_sync(FX_FSYNC, all);
	if (state != NULL)
		return play_state(&scene, most,
		                  (size_t)strtoull(state, NULL, 10));
	play_scene(&scene, most, 0, &sum);
	return sum.failed == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "check";
	const struct scene *scene = crash_scene(what);

	if (getenv("TMPDIR") == NULL && access("/dev/shm", W_OK) == 0)
		(void)setenv("TMPDIR", "/dev/shm", 1);
	if (strcmp(what, "check") == 0)
		return play_all(number_of("CUTS", 8), 500);
	if (strcmp(what, "torture") == 0)
		return play_all(number_of("CUTS", 32), 0);
	if (strcmp(what, "matrix") == 0)
		return play_matrix(number_of("STEP", 1), number_of("WANT", 24),
		                   argc > 2 ? argv[2] : "");
	if (strcmp(what, "mutants") == 0)
		return play_mutants(number_of("CUTS", 16),
		                    argc > 2 ? argv[2] : "");
	if (scene == NULL) {
		(void)fprintf(stderr, "usage: crash check|torture|matrix|mutants|"
		                      "SCENE [STATE]\n");
		return 64;
	}
	return play_one(*scene, argc > 2 ? argv[2] : NULL);
}
