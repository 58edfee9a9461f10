/* far.c - rclone as a child, and what its failures mean; see mailsled/far.h. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "far/internal.h"
#include "mailsled/file.h"
#include "mailsled/loop.h"
#include "mailsled/text.h"

#define STALL_S 60
#define SAID    300 /* octets of rclone's words in a message */

static const char no_rclone[] = "install it (apt-get install rclone), or take "
				"the far place out of `copies =`";

bool
sled_far_name_ok(const char *text)
{
	static const char fine[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789._+-/";
	size_t len = strlen(text);

	return len > 0 && len < SLED_FAR_FILE && strspn(text, fine) == len &&
	       text[0] != '/' && text[0] != '-' && text[len - 1] != '/' &&
	       text[0] != '.' && strstr(text, "//") == NULL &&
	       strstr(text, "/.") == NULL;
}

bool
sled_far_open(struct sled_far **out, const struct sled_far_conf *conf,
              struct sled_err *err)
{
	struct sled_far *far;

	if (!sled_program_exists("rclone")) {
		(void)sled_fail(err, SLED_ERR_CONFIG,
		                "rclone is not installed");
		return sled_hint(err, no_rclone);
	}
	far = calloc(1, sizeof(*far));
	if (far == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "far place");
	far->sys = conf->sys;
	far->bandwidth = conf->bandwidth;
	far->stall_s = conf->stall_s == 0 ? STALL_S : conf->stall_s;
	far->scratch_dir = -1;
	far->remote = strdup(conf->remote);
	far->scratch = strdup(conf->scratch == NULL ? "" : conf->scratch);
	if (far->remote == NULL || far->scratch == NULL) {
		(void)sled_fail(err, SLED_ERR_NOMEM, "far place");
	} else if (conf->scratch == NULL ||
	           sled_dir_open(&far->scratch_dir, far->sys, AT_FDCWD,
	                         far->scratch, err)) {
		*out = far;
		return true;
	}
	sled_far_close(&far);
	return false;
}

void
sled_far_close(struct sled_far **far_p)
{
	struct sled_far *far = *far_p;

	if (far == NULL)
		return;
	if (far->scratch_dir != -1)
		(void)far->sys->close(far->sys->ctx, far->scratch_dir);
	free(far->remote);
	free(far->scratch);
	sled_buf_free(&far->names);
	free(far->list);
	free(far);
	*far_p = NULL;
}

/* ---- its words ---- */

void
sled_far_word(struct far_words *words, const char *word)
{
	if (words->len + 1 < FAR_WORDS)
		words->word[words->len++] = word;
}

/* It never asks, tries each thing again but little (the next push goes on), and
 * says only what is wrong. */
void
sled_far_begin(struct far_words *words, const struct sled_far *far,
               const char *verb)
{
	static const char *const all[] = {
		"--ask-password=false", "--retries=1", "--low-level-retries=3",
		"--contimeout=30s",     "--stats=0",   "--log-level=NOTICE",
	};

	memset(words, 0, sizeof(*words));
	sled_far_word(words, "rclone");
	sled_far_word(words, verb);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		sled_far_word(words, all[i]);
	(void)snprintf(words->timeout, sizeof(words->timeout), "--timeout=%us",
	               far->stall_s);
	sled_far_word(words, words->timeout);
	if (far->bandwidth == 0)
		return;
	(void)snprintf(words->bandwidth, sizeof(words->bandwidth),
	               "--bwlimit=%lluB", (unsigned long long)far->bandwidth);
	sled_far_word(words, words->bandwidth);
}

/* ---- its failures ---- */

struct meaning {
	const char *says; /* in lower case */
	enum sled_err_kind kind;
	const char *hint;
};

static const char hint_remote[] = "`rclone listremotes` names those there are, "
				  "`rclone config` makes one";
static const char hint_login[] = "`rclone config reconnect` or `rclone "
				 "config` mends the remote's credentials";
static const char hint_room[] = "make room there; what is missing goes there "
				"behind a later visit";
static const char hint_link[] = "it goes on behind a later visit";
static const char hint_pass[] = "rclone's own configuration is encrypted: set "
				"RCLONE_CONFIG_PASS or "
				"RCLONE_PASSWORD_COMMAND";

static const struct meaning meanings[] = {
	{ "didn't find section in config", SLED_ERR_CONFIG, hint_remote },
	{ "didn't find backend called", SLED_ERR_CONFIG, hint_remote },
	{ "decrypt configuration", SLED_ERR_CONFIG, hint_pass },
	{ "unable to authenticate", SLED_ERR_LOGIN, hint_login },
	{ "unauthorized", SLED_ERR_LOGIN, hint_login },
	{ "accessdenied", SLED_ERR_LOGIN, hint_login },
	{ "invalid_grant", SLED_ERR_LOGIN, hint_login },
	{ "invalidaccesskey", SLED_ERR_LOGIN, hint_login },
	{ "forbidden", SLED_ERR_LOGIN, hint_login },
	{ "no space", SLED_ERR_PLACE, hint_room },
	{ "insufficient storage", SLED_ERR_PLACE, hint_room },
	{ "quota", SLED_ERR_PLACE, hint_room },
	{ "connection refused", SLED_ERR_LINK, hint_link },
	{ "no such host", SLED_ERR_LINK, hint_link },
	{ "no route to host", SLED_ERR_LINK, hint_link },
	{ "unreachable", SLED_ERR_LINK, hint_link },
	{ "connection reset", SLED_ERR_LINK, hint_link },
	{ "connection lost", SLED_ERR_LINK, hint_link },
	{ "broken pipe", SLED_ERR_LINK, hint_link },
	{ "timeout", SLED_ERR_LINK, hint_link },
	{ "eof", SLED_ERR_LINK, hint_link },
	{ "failed to create file system", SLED_ERR_CONFIG, hint_remote },
};

/* The line that tells most: the last one that says what failed, else the last.
 * The date before it is left out. */
static struct sled_span
pick_line(const char *text)
{
	struct sled_span best = { "it says nothing", 15 };
	bool failed = false;

	while (*text != '\0') {
		size_t len = strcspn(text, "\n");
		size_t date = strspn(text, "0123456789/: ");
		bool fails = strncmp(text + date, "Failed to", 9) == 0;

		if (date < len && (fails || !failed))
			best = (struct sled_span){ text + date, len - date };
		failed = failed || fails;
		text += len + (text[len] == '\n');
	}
	return best;
}

static const struct meaning *
find_meaning(const char *lower)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (strstr(lower, meanings[i].says) != NULL)
			return &meanings[i];
	return NULL;
}

static bool
blame(const struct sled_program_end *end, const char *verb,
      struct sled_err *err)
{
	char text[SLED_PROGRAM_SAID + 1], shown[SAID];
	const struct meaning *meaning;

	memset(text, ' ', sizeof(text));
	for (size_t i = 0; i < end->said_len; i++)
		if (end->said[i] != '\0')
			text[i] = end->said[i];
	text[end->said_len] = '\0';
	sled_text_clip(shown, sizeof(shown), pick_line(text));
	for (char *at = text; *at != '\0'; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at - 'A' + 'a');
	meaning = find_meaning(text);
	if (end->status >= 128)
		return sled_fail(err, SLED_ERR_LINK,
		                 "rclone %s was killed by signal %d", verb,
		                 end->status - 128);
	if (meaning != NULL) {
		(void)sled_fail(err, meaning->kind, "rclone %s: %s", verb,
		                shown);
		return sled_hint(err, meaning->hint);
	}
	if (end->status == FAR_NO_FOLDER || end->status == FAR_NO_FILE)
		return sled_fail(err, SLED_ERR_MISSING, "rclone %s: %s", verb,
		                 shown);
	(void)sled_fail(err, SLED_ERR_PLACE, "rclone %s: %s (exit status %d)",
	                verb, shown, end->status);
	return sled_hint(err, "run it by hand to see why: rclone -v lsf "
	                      "REMOTE:PATH");
}

/* ---- running it ---- */

static uint64_t
deadline_of(const struct sled_far *far, uint64_t octets)
{
	uint64_t rate = FAR_SLOWEST;

	if (far->bandwidth > 0 && far->bandwidth / 2 < rate)
		rate = far->bandwidth / 2 + 1;
	return FAR_LIST_MS + octets / rate * 1000;
}

bool
sled_far_run(const struct sled_far *far, const struct far_run *run, int *status,
             struct sled_err *err)
{
	const struct sled_program program = {
		.argv = run->words->word,
		.deadline_ms = deadline_of(far, run->octets),
		.silent_ms = run->watched ? far->stall_s * UINT64_C(3000) : 0,
		.output = run->output,
		.ctx = run->ctx,
	};
	struct sled_program_end end;

	if (status != NULL)
		*status = -1;
	if (!sled_program_run(&program, &end, err)) {
		if (err->kind != SLED_ERR_MISSING)
			return false;
		err->kind = SLED_ERR_CONFIG;
		return sled_hint(err, no_rclone);
	}
	if (status != NULL)
		*status = end.status;
	return end.status == 0 || blame(&end, run->words->word[1], err);
}

static bool
keep(void *ctx, struct sled_span in, struct sled_err *err)
{
	struct sled_buf *out = ctx;

	if (in.len > FAR_PRINTS - out->len)
		return sled_fail(err, SLED_ERR_PLACE,
		                 "rclone printed more than %u bytes",
		                 FAR_PRINTS);
	return sled_buf_add(out, in.data, in.len, err);
}

bool
sled_far_capture(const struct sled_far *far, const struct far_words *words,
                 uint64_t octets, struct sled_buf *out, int *status,
                 struct sled_err *err)
{
	const struct far_run run = { words, octets, keep, out, false };

	return sled_far_run(far, &run, status, err);
}

bool
sled_far_path(const struct sled_far *far, const char *file,
              struct sled_buf *out, struct sled_err *err)
{
	size_t len = strlen(far->remote);
	bool joined =
	    far->remote[len - 1] == ':' || far->remote[len - 1] == '/';

	return sled_buf_printf(out, err, "%s%s%s", far->remote,
	                       joined ? "" : "/", file);
}
