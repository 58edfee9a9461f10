/* faults_cli.c - see faults_cli.h. */
#include "faults_cli.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/cli.h"

#define SAID  8192
#define LARGE 180000 /* octets: more than an export holds back */

/* ---- one command ---- */

struct said {
	int status;
	char out[SAID], err[SAID];
};

/* What goes to a stream meanwhile, in a file of its own. */
struct capture {
	FILE *stream;
	int fd, kept, file;
};

static void
capture(struct capture *c, FILE *stream)
{
	assert_int_equal(fflush(stream), 0);
	*c = (struct capture){ .stream = stream, .fd = fileno(stream) };
	c->kept = fcntl(c->fd, F_DUPFD_CLOEXEC, 3);
	c->file = memfd_create("said", MFD_CLOEXEC);
	assert_true(c->kept != -1 && c->file != -1);
	assert_int_not_equal(dup2(c->file, c->fd), -1);
}

static void
give_back(struct capture *c, char text[SAID])
{
	ssize_t len;

	assert_int_equal(fflush(c->stream), 0);
	len = pread(c->file, text, SAID - 1, 0);
	assert_true(len >= 0 && len < SAID - 1);
	text[len] = '\0';
	assert_int_not_equal(dup2(c->kept, c->fd), -1);
	assert_true(close(c->kept) == 0 && close(c->file) == 0);
}

static int
run_main(struct sled_cli *cli, char **argv)
{
	static const struct sled_cli_command *const table[] = {
		&sled_cli_export, &sled_cli_restore, NULL
	};
	struct sled_err err = { 0 };
	int argc = 0, status;

	while (argv[argc] != NULL)
		argc++;
	if (sled_cli_parse(cli, table, argc, argv, &err))
		status = cli->command->run(cli);
	else
		status = sled_cli_fail(cli, &err);
	sled_cli_close(cli);
	return status;
}

/* ARGV ends with NULL. No other process has the store's lease to give. */
static void
run(struct world *world, struct said *said, char **argv)
{
	struct sled_cli cli = { .sys = &world->w.fx.sys,
		                .scheduler = true,
		                .saying = PTHREAD_MUTEX_INITIALIZER };
	unsigned fds = fx_tmp_open_fds();
	struct capture out, err;

	capture(&out, stdout);
	capture(&err, stderr);
	said->status = run_main(&cli, argv);
	give_back(&err, said->err);
	give_back(&out, said->out);
	if (fx_tmp_open_fds() != fds)
		fail_msg("%u descriptors were open, %u are: %s", fds,
		         fx_tmp_open_fds(), said->err);
}

/* ---- which one ---- */

struct words {
	char conf[FX_STORE_PATH], to[FX_STORE_PATH], from[FX_STORE_PATH];
	char *argv[10];
};

static void
words_of(struct words *words, const struct world *world, bool restore,
         const char *format, const char *to)
{
	char **at = words->argv;

	(void)snprintf(words->conf, FX_STORE_PATH, "%s/config.ini",
	               world->w.tmp.path);
	(void)snprintf(words->to, FX_STORE_PATH, "%s/%s", world->w.tmp.path,
	               to);
	(void)snprintf(words->from, FX_STORE_PATH, "%s/%s", world->w.tmp.path,
	               format == NULL ? "old" : "copy1");
	*at++ = (char *)(uintptr_t) "mailsled";
	*at++ = (char *)(uintptr_t) "-c";
	*at++ = words->conf;
	*at++ = (char *)(uintptr_t)(restore ? "restore" : "export");
	if (restore)
		*at++ = words->from;
	*at++ = (char *)(uintptr_t)(format == NULL ? "--into-store" : "--to");
	if (format != NULL) {
		*at++ = words->to;
		*at++ = (char *)(uintptr_t) "--format";
		*at++ = (char *)(uintptr_t)format;
	}
	*at = NULL;
}

/* ---- what it said ---- */

static bool
has_counted(const struct said *said, unsigned *done, unsigned *present)
{
	return sscanf(said->out, "%*[a-z] %u messages; %u were there already",
	              done, present) == 2;
}

static enum sled_err_kind
kind_of(int status)
{
	unsigned kind = SLED_ERR_NONE;

	while (kind < SLED_ERR_CONFIG &&
	       sled_err_exit((enum sled_err_kind)kind) != status)
		kind++;
	return (enum sled_err_kind)kind;
}

/* Where, and what to do; only memory is nowhere. */
static bool
judge(const struct world *world, const struct said *said, struct sled_err *err)
{
	unsigned done = 0, present = 0;
	bool counted = has_counted(said, &done, &present);

	if (said->status == 0 && !counted)
		fail_msg("no sums: %s%s", said->out, said->err);
	if (said->status == 0)
		return true;
	(void)sled_fail(err, kind_of(said->status), "%s", said->err);
	if (strncmp(said->err, "mailsled: ", 10) != 0 ||
	    (err->kind != SLED_ERR_NOMEM &&
	     strstr(said->err, world->w.tmp.path) == NULL))
		fail_msg("where? %d: %s%s", said->status, said->out, said->err);
	if (counted && strstr(said->err, "\nmailsled: try: ") == NULL)
		fail_msg("what to do? %s%s", said->out, said->err);
	return false;
}

/* ---- what it wrote ---- */

/* Nobody takes these for mail. */
static bool
is_temp(const char *name)
{
	size_t len = strlen(name);

	return strstr(name, "/tmp/") != NULL ||
	       (len > 4 && strcmp(name + len - 4, ".tmp") == 0);
}

static void
insist_same(struct world *world, const char *name, const char *format)
{
	static char is[4 * LARGE], want[4 * LARGE];
	char path[2][2 * FX_STORE_PATH];
	size_t len;

	(void)snprintf(path[0], sizeof(path[0]), "to/%s", name);
	(void)snprintf(path[1], sizeof(path[1]), "want/%s/%s", format, name);
	len = fx_tmp_read(&world->w.tmp, path[0], is, sizeof(is));
	assert_true(len < sizeof(is));
	if (fx_tmp_read(&world->w.tmp, path[1], want, sizeof(want)) != len ||
	    memcmp(is, want, len) != 0)
		fail_msg("%s is not what it should be: %zu octets", name, len);
}

/* Files below TMP/FOLDER that pass for mail; those in "to" are whole, where
 * FORMAT is not NULL. */
static unsigned
count_files(struct world *world, const char *folder, const char *format,
            bool temps_too)
{
	char root[2 * FX_STORE_PATH];
	char *roots[] = { root, NULL };
	unsigned count = 0;
	FTSENT *entry;
	FTS *fts;

	(void)snprintf(root, sizeof(root), "%s/%s", world->w.tmp.path, folder);
	fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	assert_non_null(fts);
	while ((entry = fts_read(fts)) != NULL) {
		const char *name = entry->fts_path + strlen(root) + 1;

		if (entry->fts_info != FTS_F)
			continue;
		if (is_temp(name)) {
			if (!temps_too)
				fail_msg("%s is left", name);
			continue;
		}
		count++;
		if (strcmp(folder, "to") == 0 && format != NULL)
			insist_same(world, name, format);
	}
	assert_int_equal(fts_close(fts), 0);
	return count;
}

/* What is said to be there is; all of an mbox comes at once, but for what the
 * archive did not give (65). */
static void
compare_counts(struct world *world, const struct said *said, const char *format)
{
	bool mbox = strcmp(format, "mbox") == 0;
	unsigned files = count_files(
	    world, "to",
	    mbox && kind_of(said->status) == SLED_ERR_DAMAGED ? NULL : format,
	    true);
	unsigned done = 0, present = 0;

	if (!has_counted(said, &done, &present)) {
		assert_int_equal(files, 0);
		return;
	}
	if (mbox)
		assert_true(done == 0 || files == 1);
	else
		assert_int_equal(files, done + present);
}

static bool
write_out(struct world *world, bool restore, const char *format,
          struct sled_err *err)
{
	struct words words;
	struct said said;
	bool ok;

	words_of(&words, world, restore, format, "to");
	run(world, &said, words.argv);
	ok = judge(world, &said, err);
	compare_counts(world, &said, format);
	return ok;
}

bool
cli_export(struct world *world, const char *format, struct sled_err *err)
{
	return write_out(world, false, format, err);
}

bool
cli_restore(struct world *world, const char *format, struct sled_err *err)
{
	return write_out(world, true, format, err);
}

bool
cli_restore_into(struct world *world, struct sled_err *err)
{
	struct words words;
	struct said said;

	words_of(&words, world, true, NULL, "to");
	run(world, &said, words.argv);
	return judge(world, &said, err);
}

/* ---- and the next run ---- */

void
cli_complete(struct world *world, bool restore, const char *format)
{
	unsigned before = count_files(world, "to", NULL, true), done = 0,
		 present = 0, all;
	char want[64];
	struct words words;
	struct said said;

	(void)snprintf(want, sizeof(want), "want/%s", format);
	all = count_files(world, want, format, false);
	words_of(&words, world, restore, format, "to");
	run(world, &said, words.argv);
	if (said.status != 0 || !has_counted(&said, &done, &present))
		fail_msg("the next run: %d: %s%s", said.status, said.out,
		         said.err);
	assert_int_equal(count_files(world, "to", format, false), all);
	if (strcmp(format, "mbox") != 0) {
		assert_int_equal(present, before);
		assert_int_equal(done, all - before);
	}
}

uint64_t
cli_sources(struct world *world)
{
	static const char *const folders[] = { "store/home", "copy1" };
	uint64_t sum = 0;

	for (size_t i = 0; i < 2; i++) {
		char path[2 * FX_STORE_PATH];
		struct fx_tree *tree;

		(void)snprintf(path, sizeof(path), "%s/%s", world->w.tmp.path,
		               folders[i]);
		tree = fx_tree_read(path);
		sum = sum * 31 + fx_tree_hash(tree);
		fx_tree_free(&tree);
	}
	return sum;
}

/* ---- scenes ---- */

static void
write_config(struct world *world)
{
	char text[4 * FX_STORE_PATH];
	int len = snprintf(text, sizeof(text),
	                   "[store]\npath = %s\ncopies = %s\nrotate = 3GiB\n"
	                   "[account home]\nserver = pop.example.org\n"
	                   "user = ada\npassword-command = true\n",
	                   world->w.path, world->w.copy[0]);

	fx_tmp_write(&world->w.tmp, "config.ini", text, (size_t)len);
}

static void
prepare_export(struct world *world)
{
	static const char *const formats[] = { "maildir", "mbox", "eml" };
	static const struct fx_mail large = { "large", LARGE, 24 };

	scene_before(world);
	scene_bring(world, &large, 1);
	write_config(world);
	fx_store_sh(&world->w, "mkdir want");
	for (size_t i = 0; i < 3; i++) {
		char to[32];
		struct words words;
		struct said said;

		(void)snprintf(to, sizeof(to), "want/%s", formats[i]);
		words_of(&words, world, false, formats[i], to);
		run(world, &said, words.argv);
		if (said.status != 0)
			fail_msg("%s%s", said.out, said.err);
	}
}

/* The other store is away, but for its copy. */
static void
prepare_restore(struct world *world)
{
	scene_bring(world, world->scene->mails, world->scene->len);
	fx_store_sh(&world->w, "mv copy1 old && rm -rf store");
	scene_before(world);
	write_config(world);
}

static void
restore_again(struct world *world)
{
	struct sled_err err = { 0 };

	if (!cli_restore_into(world, &err))
		fail_msg("the next restore: %s", err.text);
}

static const struct fx_mail brought[] = { { "u1", 100, 1 },
	                                  { "u2", 3000, 2 },
	                                  { "u3", 700, 3 } };

const struct scene cli_scene_export = { .name = "export",
	                                .before = 2,
	                                .copies = 1,
	                                .mails = brought,
	                                .prepare = prepare_export };
const struct scene cli_scene_restore = { .name = "restore",
	                                 .before = 2,
	                                 .copies = 1,
	                                 .mails = brought,
	                                 .len = 3,
	                                 .prepare = prepare_restore,
	                                 .again = restore_again,
	                                 .imported = true };
