/* read_index.c - `mailsled index`: what the store has and search cannot find
 * yet. `fetch`, `run` and `tend` start it behind a visit. */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "cli/read.h"
#include "mailsled/clock.h"

static void
show_progress(void *ctx, uint64_t done, uint64_t total)
{
	char text[80];

	if (done % 256 != 0)
		return;
	(void)snprintf(text, sizeof(text),
	               "index: %" PRIu64 " of %" PRIu64 " messages", done,
	               total);
	sled_cli_live(ctx, text);
}

/* An index that turns out to be damaged is made anew, once. */
static bool
feed(struct sled_cli *cli, struct sled_index *index, struct sled_feed *feed,
     struct sled_err *err)
{
	bool ok = sled_index_feed(index, feed, show_progress, cli, err);

	if (!ok && err->kind == SLED_ERR_DAMAGED) {
		*err = (struct sled_err){ 0 };
		ok = sled_index_mend(index, err) &&
		     sled_index_feed(index, feed, show_progress, cli, err);
	}
	sled_cli_live(cli, "");
	return ok;
}

bool
sled_cli_read_open(struct sled_cli *cli, uint64_t ms, struct sled_index **out,
                   uint64_t *missing, struct sled_err *err)
{
	struct sled_feed want = { .ms = ms };
	struct sled_err why = { 0 };

	*missing = 0;
	if (!sled_index_open(out, cli->store, err))
		return false;
	if (!feed(cli, *out, &want, &why))
		sled_cli_complain(cli, &why);
	*missing = want.missing;
	return true;
}

static bool
print_result(struct sled_cli *cli, const struct sled_feed *want, int64_t ms,
             struct sled_err *err)
{
	struct sled_json *json = NULL;
	char bytes[SLED_CLI_WORD], span[SLED_CLI_WORD];

	if (cli->json) {
		if (!sled_json_new(&json, err))
			return false;
		sled_json_u64(json, "added", want->added);
		sled_json_u64(json, "missing", want->missing);
		sled_json_u64(json, "unread", want->unread);
		sled_json_u64(json, "text_bytes", want->octets);
		sled_json_i64(json, "ms", ms);
		return sled_json_print(&json, stdout, err);
	}
	if (cli->quiet)
		return true;
	sled_cli_bytes(bytes, want->octets);
	sled_cli_span(span, ms);
	(void)printf("indexed: %" PRIu64 " message%s, %s of text, %s",
	             want->added, want->added == 1 ? "" : "s", bytes, span);
	if (want->unread > 0)
		(void)printf("; %" PRIu64 " could not be read", want->unread);
	if (want->missing > 0)
		(void)printf("; %" PRIu64 " are still missing%s", want->missing,
		             want->busy ? ": another process adds them" : "");
	(void)puts("");
	return true;
}

/* It goes with the one who started it, and leaves the machine to others. */
static void
stay_behind(void)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	(void)setpriority(PRIO_PROCESS, 0, 10);
}

static bool
index_mail(struct sled_cli *cli, struct sled_err *err)
{
	struct sled_feed want = { .thorough = true };
	struct sled_index *index = NULL;
	const int64_t began = sled_clock_ms();
	bool ok;

	if (!sled_cli_seconds(cli, 1, &want.ms, err) ||
	    !sled_cli_store(cli, SLED_STORE_READ, err))
		return false;
	ok = sled_index_open(&index, cli->store, err) &&
	     (sled_cli_flag(cli, "anew") == NULL ||
	      sled_index_clear(index, err)) &&
	     feed(cli, index, &want, err);
	sled_index_close(&index);
	return ok && print_result(cli, &want, sled_clock_ms() - began, err);
}

static int
run(struct sled_cli *cli)
{
	struct sled_err err = { 0 };

	if (sled_cli_flag(cli, "behind-visit") != NULL)
		stay_behind();
	return index_mail(cli, &err) ? 0 : sled_cli_fail(cli, &err);
}

static const struct sled_cli_flag flags[] = {
	{ "seconds", "N", "no longer than this; without: until all is in" },
	{ "anew", NULL, "throw the index away first" },
	{ "behind-visit", NULL, "a visit started this: give way to all else" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_read_index = {
	.name = "index",
	.args = "",
	.about = "bring the index that search uses up to date",
	.more = "`fetch`, `run` and `tend` do this behind a visit, for 20 "
		"seconds at most, and\n`search` for 2. The index is a cache of "
		"the archives, beside the ledger: it may\nbe deleted, and is "
		"made again.\n",
	.examples = "  mailsled index\n"
		    "  mailsled index --seconds 60\n",
	.flags = flags,
	.run = run,
};
