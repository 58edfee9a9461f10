/* fx_stops.c - see fx_stops.h. */
#include "fx_stops.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

/* ---- the files ---- */

/* What is looked at: all but the ledger's own files. */
#define FIND \
	"find . -name 'ledger.db*' -prune -o -name '*-ledger.db*' -prune -o "
#define HASHES "-type f -print0 | sort -z | xargs -0r sha256sum; "

static const char files_exact[] = FIND "-printf '%P %y %m\\n' | sort; " FIND
				       "-path '*/journal/*' -prune -o " HASHES;

/* A volume by what tar takes out of it, with its place's name before. */
static const char files_loose[] =
    FIND "-printf '%P %y %m\\n' | sort; " FIND
	 "-path '*/journal/*' -prune -o -name '*.tar.gz*' -prune -o " HASHES
	 "for d in */; do for f in \"$d\"*/*.tar.gz; do "
	 "test ! -e \"$f\" || tar xzf \"$f\" --wildcards '*.eml' "
	 "--to-command='sha256sum | tr -d \"\\n\"; echo \" $TAR_FILENAME\"' "
	 "2>&1 | sed \"s,^,$d ,\"; done; done | sort; ";

/* A line's first field is its time, and its last checks the line. */
static const char journals[] =
    "for f in */journal/*; do test ! -e \"$f\" || "
    "sed -E \"s,^[^\\t]*\\t(.*)\\t[0-9a-f]{8}$,$f \\1,\" \"$f\"; "
    "done | sort -u;";

static void
add_output(struct sled_buf *out, struct fx_store *w, const char *command)
{
	struct sled_err err = { 0 };
	struct sled_buf line = { 0 };
	char piece[4096];
	FILE *pipe;
	size_t n;

	assert_true(sled_buf_printf(&line, &err,
	                            "cd '%s' && export LC_ALL=C && { %s }",
	                            w->tmp.path, command));
	pipe = popen(line.data, "r");
	assert_non_null(pipe);
	while ((n = fread(piece, 1, sizeof(piece), pipe)) > 0)
		assert_true(sled_buf_add(out, piece, n, &err));
	if (pclose(pipe) != 0)
		fail_msg("failed: %s", line.data);
	sled_buf_free(&line);
}

/* ---- the ledger ---- */

/* Rows are told by what they stand for, never by their number. */
#define MEMBER                                                                \
	"(SELECT v.label || '/' || v.name || '@' || m.at FROM member m JOIN " \
	"volume v ON v.id = m.volume WHERE m.id = member)"
#define VOLUME "(SELECT label || '/' || name FROM volume WHERE id = volume)"

static const char *const answers_exact[] = {
	"SELECT 'fact', key, value FROM fact",
	"SELECT 'volume', label, name, committed, receipts, turned,"
	" hex(sha256) FROM volume",
	"SELECT 'member', " VOLUME ", at, length, tar_octets,"
	" hex(body_sha256) FROM member",
	"SELECT 'holding', place, " MEMBER " FROM holding",
	"SELECT 'pruned', place, " VOLUME " FROM pruned",
	"SELECT 'fault', place, " MEMBER ", text FROM fault",
	"SELECT 'far', place, file, octets, hex(sha256) FROM far",
	"SELECT 'in', label, number, " MEMBER ", record, entry FROM message",
	"SELECT 'place', id, path, suspect FROM place",
	"SELECT 'delivery', label, target, since, through, delivered, trying,"
	" told FROM delivery",
	"SELECT 'undelivered', label, target, number FROM undelivered",
};

static const char *const answers_loose[] = {
	"SELECT 'maildrop', server, user, exact, lf_counted, loose, reuses_ids"
	" FROM maildrop",
	"SELECT 'counter', label, used FROM counter",
	"SELECT 'message', label, number, uid, hex(sha256), octets, listed,"
	" hex(head_sha256), head_octets, received, flags, safe, dele_sent,"
	" gone, on_server, sender, subject, date FROM message",
	"SELECT 'known', hex(sha256), k.uid, size FROM known k JOIN message"
	" ON message.id = k.message",
	"SELECT 'held', id, uid, size, decision FROM held",
	"SELECT 'visit', label, began, listed, fetched, deleted FROM visit",
	"SELECT 'round', began, link, wire FROM round",
};

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct lines {
	char **list;
	size_t len;
};

static int
take_row(void *ctx, int columns, char **values, char **names)
{
	struct lines *lines = ctx;
	struct sled_buf line = { 0 };
	struct sled_err err = { 0 };

	(void)names;
	for (int i = 0; i < columns; i++)
		assert_true(
		    sled_buf_printf(&line, &err, "%s%s", i == 0 ? "" : "|",
		                    values[i] == NULL ? "-" : values[i]));
	lines->list =
	    realloc(lines->list, (lines->len + 1) * sizeof(*lines->list));
	assert_non_null(lines->list);
	lines->list[lines->len++] = line.data;
	return 0;
}

static void
add_answers(struct sled_buf *out, sqlite3 *db, const char *const *queries,
            size_t len)
{
	struct sled_err err = { 0 };

	for (size_t i = 0; i < len; i++) {
		struct lines lines = { 0 };

		if (sqlite3_exec(db, queries[i], take_row, &lines, NULL) !=
		    SQLITE_OK)
			fail_msg("%s: %s", queries[i], sqlite3_errmsg(db));
		if (lines.len > 0)
			qsort(lines.list, lines.len, sizeof(*lines.list),
			      by_text);
		for (size_t n = 0; n < lines.len; n++) {
			assert_true(
			    sled_buf_printf(out, &err, "%s\n", lines.list[n]));
			free(lines.list[n]);
		}
		free(lines.list);
	}
}

/* What the triggers keep is what counting gives. */
static void
assert_tallied(sqlite3 *db)
{
	static const char tally[] =
	    "SELECT volume, place, members FROM tally WHERE members <> 0";
	static const char counted[] =
	    "SELECT volume, '', count(*) FROM member GROUP BY volume UNION ALL"
	    " SELECT volume, place, count(*) FROM holding JOIN member ON"
	    " member.id = member GROUP BY volume, place";
	char sql[sizeof(tally) + sizeof(counted) + 128];
	struct lines lines = { 0 };

	(void)snprintf(sql, sizeof(sql),
	               "SELECT * FROM (%s) EXCEPT SELECT * FROM (%s)", tally,
	               counted);
	assert_int_equal(sqlite3_exec(db, sql, take_row, &lines, NULL),
	                 SQLITE_OK);
	(void)snprintf(sql, sizeof(sql),
	               "SELECT * FROM (%s) EXCEPT SELECT * FROM (%s)", counted,
	               tally);
	assert_int_equal(sqlite3_exec(db, sql, take_row, &lines, NULL),
	                 SQLITE_OK);
	if (lines.len > 0)
		fail_msg("the tally is wrong for %s", lines.list[0]);
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
add_ledger(struct sled_buf *out, struct fx_store *w, bool loose)
{
	char path[FX_STORE_PATH + 32];
	sqlite3 *db = NULL;

	(void)snprintf(path, sizeof(path), "%s%s/ledger.db",
	               w->conf.state == NULL ? w->path : w->conf.state,
	               w->conf.state == NULL ? "/.mailsled" : "");
	assert_int_equal(
	    sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	assert_tallied(db);
	if (!loose)
		add_answers(out, db, answers_exact, COUNT(answers_exact));
	add_answers(out, db, answers_loose, COUNT(answers_loose));
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

struct sled_buf
fx_stops_state(struct fx_store *w, bool loose)
{
	struct sled_buf out = { 0 };

	add_output(&out, w, loose ? files_loose : files_exact);
	add_output(&out, w, journals);
	add_ledger(&out, w, loose);
	return out;
}

/* ---- the stops ---- */

/* One operation under way. */
struct work {
	struct fx_store *w;
	const struct fx_stops *stops;
	struct fx_tmp kept;    /* TMP as it was */
	struct sled_buf whole; /* the state behind a run that nobody stopped */
};

static void
copy_all(const char *from, const char *to)
{
	char command[3 * FX_STORE_PATH];

	(void)snprintf(command, sizeof(command), "cp -a '%s/.' '%s'", from, to);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static void
begin_again(struct work *work)
{
	fx_tmp_empty(&work->w->tmp);
	copy_all(work->kept.path, work->w->tmp.path);
}

static struct sled_buf
state_of(struct work *work)
{
	struct sled_buf out = { 0 };

	if (work->stops->only == NULL)
		return fx_stops_state(work->w, work->stops->loose);
	add_output(&out, work->w, work->stops->only);
	return out;
}

static void
write_state(struct work *work, const char *name, const struct sled_buf *state)
{
	fx_tmp_write(&work->kept, name, state->data, state->len);
}

/* Say what differs, and end the test. */
static void
assert_same(struct work *work, const struct sled_buf *now, const char *when,
            unsigned n)
{
	char command[2 * FX_STORE_PATH];

	if (now->len == work->whole.len &&
	    memcmp(now->data, work->whole.data, now->len) == 0)
		return;
	write_state(work, "without", &work->whole);
	write_state(work, "with", now);
	(void)snprintf(command, sizeof(command),
	               "cd '%s' && diff -U0 without with | sed 1,2d >&2",
	               work->kept.path);
	(void)!system(command);
	fail_msg("%s, %s %u: another result", work->stops->name, when, n);
}

static void
run_whole(struct work *work, const char *when, unsigned n)
{
	struct fx_store *w = work->w;

	if (!work->stops->run(w))
		fail_msg("%s, %s %u: %s (%s)", work->stops->name, when, n,
		         w->err.text, w->err.where);
	assert_null(w->store);
	assert_int_equal(fx_sys_open_fds(&w->fx), 0);
	if (work->stops->check != NULL)
		work->stops->check(w);
}

/* To be run again, and once more. */
static void
run_to_the_end(struct work *work, const char *when, unsigned n)
{
	for (int i = 0; i < 2; i++) {
		struct sled_buf now;

		run_whole(work, when, n);
		now = state_of(work);
		assert_same(work, &now, i == 0 ? when : "a further run behind",
		            n);
		sled_buf_free(&now);
	}
}

/* False when it came through. */
static bool
stop_at(struct work *work, unsigned n, bool torn)
{
	struct fx_store *w = work->w;
	int status = 0;
	pid_t pid;

	begin_again(work);
	(void)fflush(NULL);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		if (torn)
			fx_sys_tear(&w->fx, n);
		else
			fx_sys_kill(&w->fx, FX_ANY, n);
		_exit(work->stops->run(w) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status) && status != 0)
		fail_msg("%s: a child that was not stopped failed",
		         work->stops->name);
	assert_true(status == 0 || WTERMSIG(status) == SIGKILL);
	return status != 0;
}

static unsigned
stop_at_each(struct work *work, bool torn, unsigned step)
{
	const char *when = torn ? "torn at write" : "stopped at call";
	unsigned stops = 0;

	for (unsigned n = 1; stop_at(work, n, torn); n += step) {
		stops++;
		run_to_the_end(work, when, n);
	}
	return stops;
}

static unsigned
stride(unsigned step)
{
	return getenv("CHECK_ALL") != NULL || step == 0 ? 1 : step;
}

static void
begin(struct work *work)
{
	fx_tmp_make(&work->kept);
	copy_all(work->w->tmp.path, work->kept.path);
	run_whole(work, "the run", 1);
	work->whole = state_of(work);
	run_to_the_end(work, "the run", 2);
}

unsigned
fx_stops_run(struct fx_store *w, const struct fx_stops *stops)
{
	struct work work = { .w = w, .stops = stops };
	unsigned step = stride(stops->step), killed, torn;

	begin(&work);
	killed = stop_at_each(&work, false, step);
	torn = stop_at_each(&work, true, step < 4 ? 1 : step / 4);
	print_message("%s: stopped before %u calls and in the middle of %u "
	              "writes\n",
	              stops->name, killed, torn);
	sled_buf_free(&work.whole);
	fx_tmp_drop(&work.kept);
	return killed + torn;
}

/* ---- by hand ---- */

unsigned
fx_attempt_kill(struct fx_store *w, const struct fx_attempt *attempt,
                unsigned step)
{
	unsigned kills = 0;
	int status = 1;

	for (unsigned n = 1; status != 0; n += stride(step)) {
		pid_t pid;

		attempt->again(attempt->ctx);
		(void)fflush(NULL);
		pid = fork();
		assert_true(pid != -1);
		if (pid == 0) {
			fx_sys_kill(&w->fx, FX_ANY, n);
			attempt->attempt(attempt->ctx);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(status == 0 || WIFSIGNALED(status));
		kills += status != 0;
		attempt->check(attempt->ctx, n);
	}
	print_message("%u kills\n", kills);
	return kills;
}

static unsigned
fail_each(struct fx_store *w, const struct fx_attempt *attempt,
          const struct fx_fault *fault)
{
	unsigned faults = 0;
	bool fired = true;

	for (unsigned n = 1; fired; n += stride(fault->step)) {
		attempt->again(attempt->ctx);
		fx_sys_fail(&w->fx, fault->call, n, fault->errnum, false);
		attempt->attempt(attempt->ctx);
		fired = fx_sys_fired(&w->fx);
		fx_sys_calm(&w->fx);
		faults += fired;
		attempt->check(attempt->ctx, n);
	}
	return faults;
}

unsigned
fx_attempt_fail(struct fx_store *w, const struct fx_attempt *attempt,
                const struct fx_fault *faults, size_t len)
{
	unsigned count = 0;

	for (size_t i = 0; i < len; i++)
		count += fail_each(w, attempt, &faults[i]);
	print_message("%u faults\n", count);
	return count;
}

/* ---- the faults ---- */

static void
again(void *ctx)
{
	begin_again(ctx);
}

static void
try_it(void *ctx)
{
	const struct work *work = ctx;

	(void)work->stops->run(work->w);
}

static void
must_end(void *ctx, unsigned n)
{
	struct work *work = ctx;

	work->w->err = (struct sled_err){ 0 };
	run_to_the_end(work, "behind a failure of call", n);
}

unsigned
fx_stops_fail(struct fx_store *w, const struct fx_stops *stops,
              const struct fx_fault *faults, size_t len)
{
	struct work work = { .w = w, .stops = stops };
	const struct fx_attempt attempt = { &work, again, try_it, must_end };
	unsigned count;

	begin(&work);
	count = fx_attempt_fail(w, &attempt, faults, len);
	sled_buf_free(&work.whole);
	fx_tmp_drop(&work.kept);
	return count;
}
