/* files.c - put there, checked there, brought back; see mailsled/far.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "far/internal.h"
#include "mailsled/clock.h"
#include "mailsled/file.h"
#include "mailsled/hash.h"
#include "mailsled/text.h"

#define LIST_FILE "files.txt"
#define SUMS_FILE "sums.txt"

/* Write TEXT to a scratch file; *path is where. */
static bool
scratch(struct sled_far *far, const char *name, const struct sled_buf *text,
        struct sled_buf *path, struct sled_err *err)
{
	return sled_file_replace(far->sys, far->scratch_dir, name, 0600,
	                         sled_buf_span(text), err) &&
	       sled_buf_printf(path, err, "%s/%s", far->scratch, name);
}

static bool
list_files(struct sled_far *far, const struct sled_far_file *files, size_t len,
           struct sled_buf *path, struct sled_err *err)
{
	struct sled_buf text = { 0 };
	bool ok = true;

	for (size_t i = 0; ok && i < len; i++)
		ok = sled_buf_printf(&text, err, "%s\n", files[i].file);
	ok = ok && scratch(far, LIST_FILE, &text, path, err);
	sled_buf_free(&text);
	return ok;
}

static uint64_t
sum_octets(const struct sled_far_file *files, size_t len)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += files[i].octets;
	return sum;
}

bool
sled_far_push(struct sled_far *far, const char *from,
              const struct sled_far_file *files, size_t len,
              struct sled_err *err)
{
	struct sled_buf list = { 0 };
	struct far_words words;
	bool ok = len == 0 || list_files(far, files, len, &list, err);

	if (ok && len > 0) {
		const struct far_run run = { .words = &words,
			                     .octets = sum_octets(files, len) };

		sled_far_begin(&words, far, "copy");
		sled_far_word(&words, "--immutable");
		sled_far_word(&words, "--checksum");
		sled_far_word(&words, "--no-update-modtime");
		sled_far_word(&words, "--no-traverse");
		sled_far_word(&words, "--transfers=2");
		sled_far_word(&words, "--files-from-raw");
		sled_far_word(&words, list.data);
		sled_far_word(&words, from);
		sled_far_word(&words, far->remote);
		ok = sled_far_run(far, &run, NULL, err) ||
		     sled_note(err, "rclone:%s", far->remote);
	}
	sled_buf_free(&list);
	return ok;
}

/* ---- checking ---- */

/* Can the remote tell SHA-256? */
static bool
ask_hashes(struct sled_far *far, struct sled_err *err)
{
	struct sled_buf text = { 0 };
	struct far_words words;

	if (far->asked_sha256)
		return true;
	sled_far_begin(&words, far, "backend");
	sled_far_word(&words, "features");
	sled_far_word(&words, far->remote);
	if (!sled_far_capture(far, &words, 0, &text, NULL, err)) {
		sled_buf_free(&text);
		return false;
	}
	far->asked_sha256 = true;
	far->knows_sha256 =
	    text.len > 0 && strstr(text.data, "\"sha256\"") != NULL;
	sled_buf_free(&text);
	return true;
}

static bool
write_sums(struct sled_far *far, const struct sled_far_file *files, size_t len,
           struct sled_buf *path, struct sled_err *err)
{
	struct sled_buf text = { 0 };
	char hex[SLED_HASH_HEX];
	bool ok = true;

	for (size_t i = 0; ok && i < len; i++) {
		sled_hash_hex(hex, &files[i].sha256);
		ok =
		    sled_buf_printf(&text, err, "%s  %s\n", hex, files[i].file);
	}
	ok = ok && scratch(far, SUMS_FILE, &text, path, err);
	sled_buf_free(&text);
	return ok;
}

/* "= FILE" as it must be, "* FILE" other, "+ FILE" only in the sums, "! FILE"
 * could not be read. */
static void
take_state(struct sled_far_file *files, size_t len, const char *line,
           size_t line_len)
{
	static const char signs[] = "!=*+";
	const char *sign = line_len < 3 ? NULL : strchr(signs, line[0]);

	for (size_t i = 0; sign != NULL && i < len; i++)
		if (strlen(files[i].file) == line_len - 2 &&
		    memcmp(files[i].file, line + 2, line_len - 2) == 0)
			files[i].state = (enum sled_far_state)(sign - signs);
}

static bool
take_states(struct sled_far_file *files, size_t len,
            const struct sled_buf *said)
{
	bool any = false;

	for (size_t i = 0; i < len; i++)
		files[i].state = SLED_FAR_UNKNOWN;
	for (size_t at = 0; at < said->len;) {
		size_t line = strcspn(said->data + at, "\n");

		take_state(files, len, said->data + at, line);
		at += line + 1;
	}
	for (size_t i = 0; i < len; i++)
		any = any || files[i].state != SLED_FAR_UNKNOWN;
	return any;
}

/* What it prints is believed, not its exit status, which is 1 for any file
 * that is not right. */
static bool
compare(struct sled_far *far, struct sled_far_file *files, size_t len,
        const char *sums, const char *list, struct sled_err *err)
{
	struct sled_buf said = { 0 };
	struct far_words words;
	struct sled_err why = { 0 };
	bool ok;

	sled_far_begin(&words, far, "checksum");
	sled_far_word(&words, "--one-way");
	sled_far_word(&words, "--combined=-");
	sled_far_word(&words, "--files-from-raw");
	sled_far_word(&words, list);
	if (!far->knows_sha256)
		sled_far_word(&words, "--download");
	sled_far_word(&words, "sha256");
	sled_far_word(&words, sums);
	sled_far_word(&words, far->remote);
	ok = sled_far_capture(far, &words, sum_octets(files, len), &said, NULL,
	                      &why);
	if (take_states(files, len, &said) || ok) {
		sled_buf_free(&said);
		return true;
	}
	sled_buf_free(&said);
	*err = why;
	return sled_note(err, "rclone:%s", far->remote);
}

bool
sled_far_check(struct sled_far *far, struct sled_far_file *files, size_t len,
               struct sled_err *err)
{
	struct sled_buf sums = { 0 }, list = { 0 };
	bool ok =
	    len == 0 ||
	    (ask_hashes(far, err) && write_sums(far, files, len, &sums, err) &&
	     list_files(far, files, len, &list, err) &&
	     compare(far, files, len, sums.data, list.data, err));

	sled_buf_free(&sums);
	sled_buf_free(&list);
	return ok;
}

/* ---- out of the way ---- */

bool
sled_far_set_aside(struct sled_far *far, const char *file, int64_t now,
                   struct sled_err *err)
{
	struct sled_buf from = { 0 }, to = { 0 }, name = { 0 };
	char when[SLED_TIME_TEXT];
	struct far_words words;
	bool ok;

	sled_clock_compact(now, when);
	ok = sled_buf_printf(&name, err, "quarantine/%s.%s", file, when) &&
	     sled_far_path(far, file, &from, err) &&
	     sled_far_path(far, name.data, &to, err);
	if (ok) {
		sled_far_begin(&words, far, "moveto");
		sled_far_word(&words, from.data);
		sled_far_word(&words, to.data);
		ok = sled_far_run(
		    far, &(const struct far_run){ .words = &words }, NULL, err);
	}
	sled_buf_free(&from);
	sled_buf_free(&to);
	sled_buf_free(&name);
	return ok;
}

bool
sled_far_remove(struct sled_far *far, const char *file, struct sled_err *err)
{
	struct sled_buf path = { 0 };
	struct far_words words;
	bool ok = sled_far_path(far, file, &path, err);

	if (ok) {
		sled_far_begin(&words, far, "deletefile");
		sled_far_word(&words, path.data);
		ok = sled_far_run(
		    far, &(const struct far_run){ .words = &words }, NULL, err);
	}
	sled_buf_free(&path);
	return ok;
}

/* ---- bringing ---- */

struct bringing {
	struct sled_file file;
	uint64_t at;
};

static bool
write_down(void *ctx, struct sled_span in, struct sled_err *err)
{
	struct bringing *b = ctx;

	if (!sled_file_write(&b->file, in.data, in.len, b->at, err))
		return false;
	b->at += in.len;
	return true;
}

static bool
ask_size(struct sled_far *far, const char *path, uint64_t *size,
         struct sled_err *err)
{
	struct sled_buf text = { 0 };
	struct far_words words;
	bool ok;

	sled_far_begin(&words, far, "lsf");
	sled_far_word(&words, "--format=s");
	sled_far_word(&words, path);
	ok = sled_far_capture(far, &words, 0, &text, NULL, err);
	if (ok) {
		size_t len = text.len == 0 ? 0 : strcspn(text.data, "\n");

		ok =
		    sled_text_u64((struct sled_span){ text.data, len }, size) ||
		    sled_fail(err, SLED_ERR_MISSING, "no such file there");
	}
	sled_buf_free(&text);
	return ok;
}

static bool
download(struct sled_far *far, const char *path, struct bringing *b,
         struct sled_err *err)
{
	struct far_run run = { .output = write_down,
		               .ctx = b,
		               .watched = true };
	struct far_words words;

	if (!ask_size(far, path, &run.octets, err))
		return false;
	sled_far_begin(&words, far, "cat");
	sled_far_word(&words, path);
	run.words = &words;
	if (!sled_far_run(far, &run, NULL, err))
		return false;
	return b->at == run.octets ||
	       sled_fail(err, SLED_ERR_LINK, "%llu of %llu bytes came",
	                 (unsigned long long)b->at,
	                 (unsigned long long)run.octets);
}

static bool
bring(struct sled_far *far, const char *path, int dir, const char *temp,
      struct sled_err *err)
{
	const struct sled_sys *sys = far->sys;
	struct bringing b = { .at = 0 };

	if (sys->unlinkat(sys->ctx, dir, temp, 0) == -1 && errno != ENOENT)
		return sled_fail_sys(err, errno, "unlink %s", temp);
	if (!sled_file_open(&b.file, sys, dir, temp,
	                    O_WRONLY | O_CREAT | O_EXCL, 0644, err))
		return false;
	if (download(far, path, &b, err) && sled_file_sync(&b.file, err))
		return sled_file_close(&b.file, err);
	sled_file_drop(&b.file);
	return false;
}

bool
sled_far_fetch(struct sled_far *far, const char *file, int dir_fd,
               const char *name, struct sled_err *err)
{
	const struct sled_sys *sys = far->sys;
	struct sled_buf path = { 0 }, temp = { 0 };
	bool ok = sled_far_path(far, file, &path, err) &&
	          sled_buf_printf(&temp, err, "%s.far", name) &&
	          bring(far, path.data, dir_fd, temp.data, err);

	if (ok &&
	    sys->renameat(sys->ctx, dir_fd, temp.data, dir_fd, name) == -1)
		ok = sled_fail_sys(err, errno, "rename %s", temp.data);
	if (ok)
		ok = sled_dir_sync(sys, dir_fd, name, err);
	else if (temp.data != NULL)
		(void)sys->unlinkat(sys->ctx, dir_fd, temp.data, 0);
	sled_buf_free(&path);
	sled_buf_free(&temp);
	return ok || sled_note(err, "rclone:%s: %s", far->remote, file);
}
