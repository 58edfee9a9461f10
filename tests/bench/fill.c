/*
 * fill.c - a store with as much mail as a bench wants, without a server: made
 * of the lines of real mail, each message other than all before.
 *
 * usage: fill STORE COUNT SECONDS FOLDER [ACCOUNT DAYS]
 *   COUNT messages, received SECONDS apart up to DAYS ago (0), into the store,
 *   as mail of ACCOUNT ("home"), which is new. Their words are those of the
 *   *.eml in FOLDER; where there are none, made-up ones.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mailsled/store.h"

#define VISIT   20000 /* messages of one */
#define GROUP   60    /* of one commit, about */
#define PEOPLE  4000
#define LINES   200000
#define WORDY   40 /* columns that a line of text has at least */

static char *lines[LINES];
static size_t lines_len;
static uint64_t dice = 88172645463325252u;

static uint64_t
roll(uint64_t sides)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (dice >> 11) % sides;
}

static void
die(const struct sled_err *err, const char *what)
{
	(void)fprintf(stderr, "fill: %s: %s\n", what,
	              err == NULL ? "failed" : err->text);
	exit(1);
}

/* ---- words ---- */

/* Text, and neither base64 nor a header's: it has blanks enough. */
static bool
is_text(const char *line, size_t len)
{
	size_t blanks = 0;

	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)line[i] >= 0x7f ||
		    (unsigned char)line[i] < 0x20)
			return false;
		blanks += line[i] == ' ';
	}
	return len >= WORDY && len < 100 && blanks * 9 > len;
}

static void
read_lines(const char *path)
{
	char line[4096];
	bool body = false;
	FILE *in = fopen(path, "r");

	if (in == NULL)
		return;
	while (lines_len < LINES && fgets(line, sizeof(line), in) != NULL) {
		size_t len = strcspn(line, "\r\n");

		line[len] = '\0';
		if (len == 0)
			body = true;
		else if (body && is_text(line, len))
			lines[lines_len++] = strdup(line);
	}
	(void)fclose(in);
}

static void
make_up_lines(void)
{
	static const char *const parts[] = { "ba", "ce", "do", "fa", "gi",
		                             "hu", "ka", "le", "mi", "no",
		                             "pa", "ra", "so", "ta", "ve" };
	char line[128];

	while (lines_len < 20000) {
		size_t at = 0;

		while (at < 70) {
			for (uint64_t n = 1 + roll(4); n > 0 && at < 90; n--)
				at += (size_t)snprintf(line + at,
				                       sizeof(line) - at, "%s",
				                       parts[roll(15)]);
			line[at++] = ' ';
		}
		line[at] = '\0';
		lines[lines_len++] = strdup(line);
	}
}

static void
read_words(const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *at;
	char path[4096];

	while (dir != NULL && (at = readdir(dir)) != NULL) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, at->d_name);
		if (strstr(at->d_name, ".eml") != NULL)
			read_lines(path);
	}
	if (dir != NULL)
		(void)closedir(dir);
	if (lines_len < 100)
		make_up_lines();
}

/* ---- letters ---- */

/* A few words out of some line. */
static void
some_words(char out[80])
{
	const char *line = lines[roll(lines_len)];
	size_t from = roll(strlen(line) / 2);

	while (from > 0 && line[from - 1] != ' ')
		from--;
	(void)snprintf(out, 48, "%s", line + from);
}

static bool
add_head(struct sled_buf *out, uint64_t number, const char *date,
         struct sled_err *err)
{
	unsigned long long who = roll(PEOPLE), n = number;
	char words[80];

	some_words(words);
	return sled_buf_printf(
		   out, err,
		   "Received: from relay.example (relay [203.0.113.%llu])\r\n"
		   "From: \"Person %llu Field\" <person%llu@field.example>\r\n"
		   "To: Base <base%d@base.example>\r\n"
		   "Subject: %s\r\nDate: %s\r\n"
		   "Message-ID: <m%llu@field.example>\r\n",
		   n % 250, who, who, (int)roll(9), words, date, n) &&
	       (number < 11 || roll(3) > 0 ||
	        sled_buf_printf(out, err,
	                        "References: <m%llu@field.example>\r\n",
	                        n - 1 - roll(9))) &&
	       sled_buf_addstr(
		   out, "Content-Type: text/plain; charset=utf-8\r\n\r\n",
		   err);
}

static void
make_letter(struct sled_buf *out, uint64_t number, int64_t when)
{
	struct sled_err err = { 0 };
	char date[64];
	time_t t = (time_t)(when - 60);
	struct tm tm;
	uint64_t count = 15 + roll(50);
	bool ok;

	out->len = 0;
	(void)gmtime_r(&t, &tm);
	(void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	ok = add_head(out, number, date, &err);
	while (ok && count > 0)
		for (uint64_t at = roll(lines_len), run = 1 + roll(4);
		     ok && run > 0 && count > 0 && at < lines_len;
		     run--, count--)
			ok = sled_buf_printf(out, &err, "%s\r\n", lines[at++]);
	if (!ok || !sled_buf_printf(out, &err, "reference %llu\r\n",
	                            (unsigned long long)number * 7919))
		die(&err, "letter");
}

/* ---- the store ---- */

static void
commit(struct sled_box *box, bool flush)
{
	struct sled_err err = { 0 };

	while (sled_box_commit_take(box, flush)) {
		sled_box_commit(box);
		if (!sled_box_commit_apply(box, &err))
			die(&err, "commit");
	}
}

static void
take_letter(struct sled_box *box, size_t item, const struct sled_buf *letter,
            int64_t now)
{
	struct sled_err err = { 0 };

	if (!sled_box_begin(box, item, now, &err) ||
	    !sled_box_data(box, sled_buf_span(letter), &err) ||
	    !sled_box_end(box, &err))
		die(&err, "letter");
	if (item % GROUP == 0)
		commit(box, false);
}

static void
visit(struct sled_store *store, const char *label, uint64_t first, size_t count,
      int64_t now, int64_t step)
{
	const struct sled_spool_owner owner = { label, "mx.example", label };
	struct sled_buf letter = { 0 };
	struct sled_listing listing = { 0 };
	struct sled_box *box = NULL;
	struct sled_err err = { 0 };
	uint64_t kept = dice;
	char uid[32];
	bool ok = sled_listing_new(&listing, count, &err);

	listing.has_uidl = true;
	for (size_t i = 0; ok && i < count; i++) {
		make_letter(&letter, first + i, now + (int64_t)i * step);
		(void)snprintf(uid, sizeof(uid), "u%llu",
		               (unsigned long long)(first + i));
		ok = sled_listing_size(&listing, (uint32_t)i + 1, letter.len,
		                       &err) &&
		     sled_listing_uid(&listing, (uint32_t)i + 1,
		                      (struct sled_span){ uid, strlen(uid) },
		                      &err);
	}
	dice = kept;
	if (!ok || !sled_box_open(&box, store, &owner, now, &err) ||
	    !sled_box_listed(box, &listing, 0, now, &err))
		die(&err, "listing");
	for (size_t i = 0; i < count; i++) {
		make_letter(&letter, first + i, now + (int64_t)i * step);
		take_letter(box, i, &letter, now + (int64_t)i * step);
	}
	commit(box, true);
	if (!sled_box_close(&box, NULL, &err))
		die(&err, "end");
	sled_listing_free(&listing);
	sled_buf_free(&letter);
}

int
main(int argc, char **argv)
{
	struct sled_store_conf conf = { .min_copies = 1,
		                        .rotate_bytes = 256u << 20 };
	struct sled_store *store = NULL;
	struct sled_err err = { 0 };
	uint64_t count, done = 0;
	int64_t step, now = (int64_t)time(NULL);

	if (argc != 5 && argc != 7)
		die(NULL, "usage: fill STORE COUNT SECONDS FOLDER "
		          "[ACCOUNT DAYS]");
	count = strtoull(argv[2], NULL, 10);
	step = strtoll(argv[3], NULL, 10);
	if (argc == 7)
		now -= strtoll(argv[6], NULL, 10) * 86400;
	conf.path = argv[1];
	read_words(argv[4]);
	if (!sled_store_open(&store, sled_sys_posix(), &conf, SLED_STORE_WRITE,
	                     &err))
		die(&err, "store");
	while (done < count) {
		size_t part = count - done < VISIT ? count - done : VISIT;

		visit(store, argc == 7 ? argv[5] : "home", done + 1, part,
		      now - (int64_t)(count - done) * step, step);
		done += part;
	}
	sled_store_close(&store);
	(void)printf("filled: %llu messages\n", (unsigned long long)done);
	return 0;
}
