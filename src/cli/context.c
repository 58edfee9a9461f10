/* context.c - the configuration and the store that a command works with. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/scheduler.h"
#include "mailsled/clock.h"
#include "mailsled/control.h"
#include "mailsled/file.h"
#include "mailsled/text.h"

#define DAY_S     INT64_C(86400)
#define LATE_DAYS 14   /* a place that is away for longer is warned about */
#define LEASE_MS  5000 /* for a visit that runs to let go of the store */

bool
sled_cli_conf_path(struct sled_cli *cli, struct sled_err *err)
{
	if (cli->conf_path.len > 0)
		return true;
	cli->env =
	    (struct sled_conf_env){ getenv("HOME"), getenv("XDG_CONFIG_HOME"),
		                    getenv("XDG_DATA_HOME"),
		                    getenv("XDG_STATE_HOME") };
	if (cli->file != NULL)
		return sled_buf_addstr(&cli->conf_path, cli->file, err);
	return sled_conf_default_path(&cli->conf_path, &cli->env,
	                              geteuid() == 0, err);
}

static bool
read_conf(struct sled_cli *cli, const char *shown, struct sled_err *err)
{
	if (sled_file_slurp(&cli->conf_text, cli->sys, AT_FDCWD,
	                    cli->conf_path.data, SLED_CONF_MAX, err))
		return true;
	if (err->kind == SLED_ERR_MISSING) {
		(void)sled_fail(err, SLED_ERR_CONFIG,
		                "%s: there is no configuration", shown);
		return sled_hint(err, "mailsled init");
	}
	if (err->kind != SLED_ERR_NOMEM)
		err->kind = SLED_ERR_CONFIG;
	return false;
}

bool
sled_cli_conf(struct sled_cli *cli, struct sled_err *err)
{
	char shown[256];

	if (cli->conf != NULL)
		return true;
	if (!sled_cli_conf_path(cli, err))
		return false;
	sled_text_clip(shown, sizeof(shown), sled_buf_span(&cli->conf_path));
	if (!read_conf(cli, shown, err) ||
	    !sled_conf_parse(&cli->conf, sled_buf_span(&cli->conf_text), shown,
	                     &cli->env, err))
		return false;
	for (size_t i = 0; !cli->quiet && i < cli->conf->warnings_len; i++)
		sled_cli_say(cli, cli->conf->warnings[i]);
	return true;
}

static bool
take_copies(struct sled_cli *cli, struct sled_err *err)
{
	const struct sled_conf_store *store = &cli->conf->store;

	cli->copies = calloc(store->copies_len + 1, sizeof(*cli->copies));
	if (cli->copies == NULL)
		return sled_fail_sys(err, ENOMEM, "places");
	for (size_t i = 0; i < store->copies_len; i++)
		cli->copies[i] = store->copies[i].name;
	return true;
}

/* Beside the configuration, or where systemd has a folder for us: a service may
 * not write in /etc. */
static bool
name_memo(struct sled_cli *cli, struct sled_err *err)
{
	const char *state = getenv("STATE_DIRECTORY");
	const char *file = cli->conf_path.data;
	const char *slash = strrchr(file, '/');

	cli->memo.len = 0;
	if (state == NULL || state[0] != '/' || strchr(state, ':') != NULL)
		return sled_buf_printf(&cli->memo, err, "%s.places", file);
	return sled_buf_printf(&cli->memo, err, "%s/%s.places", state,
	                       slash == NULL ? file : slash + 1);
}

bool
sled_cli_has_program(const char *name)
{
	const char *path = getenv("PATH");
	bool found = false;

	while (!found && path != NULL && *path != '\0') {
		size_t len = strcspn(path, ":");
		char file[4096];

		(void)snprintf(file, sizeof(file), "%.*s/%s", (int)len, path,
		               name);
		found = len > 0 && access(file, X_OK) == 0;
		path += len + (path[len] == ':');
	}
	return found;
}

static void
map_store_conf(struct sled_cli *cli)
{
	const struct sled_conf_store *store = &cli->conf->store;

	cli->store_conf = (struct sled_store_conf){
		.path = store->path,
		.copies = cli->copies,
		.copies_len = store->copies_len,
		.min_copies = store->min_copies,
		.distinct_devices = store->distinct_devices,
		.rotate_month = store->rotate_month,
		.rotate_bytes = store->rotate_bytes,
		.state = store->state,
		.memo = cli->memo.data,
		.far_bandwidth = store->far_bandwidth,
		.found_new = cli->store_conf.found_new,
		.adopt = cli->store_conf.adopt,
		.par2 = sled_cli_has_program("par2") ? "par2" : NULL,
		.say = sled_cli_say,
		.say_ctx = cli,
	};
}

/* A running scheduler keeps off the store until close(). */
static bool
take_lease(struct sled_cli *cli, struct sled_err *err)
{
	struct sled_buf path = { 0 };
	bool ok;

	if (cli->scheduler || cli->leased)
		return true;
	cli->lease = -1;
	ok = sled_cli_socket(cli, &path, err) &&
	     (path.len == 0 ||
	      sled_control_lease(path.data, LEASE_MS, &cli->lease, err));
	cli->leased = ok && cli->lease != -1;
	sled_buf_free(&path);
	return ok;
}

bool
sled_cli_of_store(const struct sled_cli *cli, struct sled_err *err)
{
	const char *path = cli->conf->store.path;
	char shown[256];

	sled_text_clip(shown, sizeof(shown),
	               (struct sled_span){ path, strlen(path) });
	if (err->kind != SLED_ERR_NOMEM && strstr(err->text, path) == NULL)
		(void)sled_note(err, "%s", shown);
	if (err->hint == NULL && (err->sys == EACCES || err->sys == EPERM))
		return sled_hint(err, "run it as the user whose store that is");
	if (err->hint == NULL && (err->sys == ENOTDIR || err->sys == EISDIR))
		return sled_hint(err, "move what is there out of the way, then "
		                      "`mailsled rebuild`");
	return false;
}

bool
sled_cli_store(struct sled_cli *cli, enum sled_store_mode mode,
               struct sled_err *err)
{
	if (cli->store != NULL)
		return true;
	if (!sled_cli_conf(cli, err))
		return false;
	if (mode != SLED_STORE_READ && !take_lease(cli, err))
		return sled_cli_of_store(cli, err);
	if (cli->copies == NULL &&
	    (!take_copies(cli, err) || !name_memo(cli, err)))
		return false;
	map_store_conf(cli);
	return sled_store_open(&cli->store, cli->sys, &cli->store_conf, mode,
	                       err) ||
	       sled_cli_of_store(cli, err);
}

static bool
keep_config(struct sled_cli *cli, struct sled_err *err)
{
	struct sled_buf text = { 0 };
	bool ok = sled_conf_strip_secrets(&text, sled_buf_span(&cli->conf_text),
	                                  err) &&
	          sled_store_keep_config(cli->store, sled_buf_span(&text), err);

	sled_buf_free(&text);
	return ok;
}

/* A copy that is away for long is no copy of what came since. */
static bool
add_lag(struct sled_buf *line, const struct sled_place_status *place,
        struct sled_err *err)
{
	int64_t days = (sled_clock_now() - place->seen) / DAY_S;
	char lacks[SLED_CLI_WORD];

	if (place->seen == 0 || days < LATE_DAYS)
		return true;
	sled_cli_bytes(lacks, place->lacks);
	return sled_buf_printf(line, err,
	                       "; LATE: away for %lld days, it lacks %s: plug "
	                       "it in and run `mailsled sync`",
	                       (long long)days, lacks);
}

/* A far place is told of when it is behind for another cause than that its time
 * is after the visit. */
static bool
add_far(struct sled_buf *line, const struct sled_place_status *place,
        struct sled_err *err)
{
	int64_t days = (sled_clock_now() - place->seen) / DAY_S;
	char lacks[SLED_CLI_WORD];

	if (!place->fails && !place->late)
		return true;
	sled_cli_bytes(lacks, place->lacks);
	return sled_buf_printf(line, err, "%s lacks %s", place->path, lacks) &&
	       (place->seen == 0 || days == 0 ||
	        sled_buf_printf(line, err, "%s not whole for %lld day%s",
	                        place->late ? "; LATE:" : ",", (long long)days,
	                        days == 1 ? "" : "s")) &&
	       (place->why[0] == '\0' ||
	        sled_buf_printf(line, err, ": %s", place->why));
}

/* A place that is not there is said before it is needed. */
static bool
tell_absent(struct sled_cli *cli, struct sled_err *err)
{
	for (size_t i = 0; i < sled_store_places(cli->store); i++) {
		struct sled_place_status place;
		struct sled_buf line = { 0 };
		bool ok;

		if (!sled_store_place(cli->store, i, &place, err))
			return false;
		if (place.present || cli->quiet)
			continue;
		ok = place.far ? add_far(&line, &place, err)
		               : sled_buf_printf(&line, err, "%s is absent: %s",
		                                 place.path, place.why) &&
		                     add_lag(&line, &place, err);
		if (ok && line.len > 0)
			sled_cli_say(cli, line.data);
		sled_buf_free(&line);
		if (!ok)
			return false;
	}
	return true;
}

bool
sled_cli_ready(struct sled_cli *cli, struct sled_err *err)
{
	return tell_absent(cli, err) && keep_config(cli, err);
}

bool
sled_cli_whole(const struct sled_cli *cli, struct sled_err *err)
{
	uint64_t lost = sled_store_lost(cli->store);

	if (lost == 0)
		return true;
	(void)sled_fail(err, SLED_ERR_DAMAGED,
	                "%llu bytes of archives are in no place that is there",
	                (unsigned long long)lost);
	return sled_hint(err, "plug in the other places, then `mailsled sync`");
}

void
sled_cli_add_lost(struct sled_cli *cli, struct sled_err *why)
{
	struct sled_err lost = { 0 };

	(void)!sled_cli_whole(cli, &lost);
	sled_cli_add_failure(cli, why, &lost);
}

/* By the rule for a DELETE: one that is away counts for a while. */
static bool
has_all(const struct sled_place_status *place, int64_t now)
{
	bool counts = place->present || place->far ||
	              (place->seen > 0 && now - place->seen < SLED_ABSENT_S);

	return counts && place->lacks == 0 && place->damaged == 0;
}

static bool
are_whole(struct sled_cli *cli, struct sled_err *err)
{
	struct sled_place_status place, behind = { .path = NULL };
	int64_t now = sled_clock_now();
	char lacks[SLED_CLI_WORD];
	unsigned whole = 0;

	for (size_t i = 0; i < sled_store_places(cli->store); i++) {
		if (!sled_store_place(cli->store, i, &place, err))
			return false;
		if (has_all(&place, now))
			whole++;
		else
			behind = place;
	}
	if (whole >= cli->conf->store.min_copies)
		return true;
	if (behind.path == NULL)
		return sled_fail(err, SLED_ERR_PLACE,
		                 "there are fewer places than min-copies");
	if (behind.lacks == 0)
		return sled_fail(err, SLED_ERR_PLACE,
		                 "fewer than min-copies places have all mail: "
		                 "%s is damaged, or was not seen for long",
		                 behind.path);
	sled_cli_bytes(lacks, behind.lacks);
	return sled_fail(err, SLED_ERR_PLACE,
	                 "fewer than min-copies places have all mail: %s lacks "
	                 "%s",
	                 behind.path, lacks);
}

bool
sled_cli_in_places(struct sled_cli *cli, const struct sled_import_sums *came,
                   bool already, struct sled_err *err)
{
	if (came->unsafe > 0)
		return sled_fail(err, SLED_ERR_PLACE,
		                 "%" PRIu64 " messages are in fewer than "
		                 "min-copies places: %s",
		                 came->unsafe, came->unsafe_why);
	return !already || are_whole(cli, err);
}

static bool
note_volume(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	(void)row;
	(void)err;
	*(bool *)ctx = true;
	return true;
}

bool
sled_cli_known(struct sled_cli *cli, const char *name, struct sled_err *err)
{
	const char *near = sled_conf_account_near(cli->conf, name);
	char shown[64];
	bool found = sled_conf_account(cli->conf, name) != NULL;

	if (!found && cli->store != NULL &&
	    !sled_ledger_volumes(sled_store_ledger(cli->store), name,
	                         note_volume, &found, err))
		return false;
	if (found)
		return true;
	sled_text_clip(shown, sizeof(shown),
	               (struct sled_span){ name, strlen(name) });
	if (near == NULL)
		return sled_fail(err, SLED_ERR_MISSING, "%s: no such account",
		                 shown);
	return sled_fail(err, SLED_ERR_MISSING,
	                 "%s: no such account; did you mean %s?", shown, near);
}

void
sled_cli_close(struct sled_cli *cli)
{
	sled_cli_live(cli, "");
	sled_store_close(&cli->store);
	if (cli->leased)
		sled_control_release(&cli->lease);
	cli->leased = false;
	sled_conf_free(&cli->conf);
	sled_buf_free(&cli->conf_path);
	sled_buf_free(&cli->conf_text);
	sled_buf_free(&cli->memo);
	free(cli->copies);
	free(cli->args);
	cli->copies = NULL;
	cli->args = NULL;
}
