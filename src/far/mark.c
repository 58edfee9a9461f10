/*
 * mark.c - what is there, and whether it is ours; see mailsled/far.h.
 *
 * States of a far place being marked
 *   F0  nothing
 *   F1  STORE.txt, or a COPY.txt that was cut off: counts as nothing
 *   F2  STORE.txt, COPY.txt as it was meant: marked
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "far/internal.h"
#include "mailsled/file.h"
#include "mailsled/text.h"

/* ---- the list ---- */

static int
by_file(const void *a, const void *b)
{
	return strcmp(((const struct far_entry *)a)->file,
	              ((const struct far_entry *)b)->file);
}

static int
against(const void *file, const void *entry)
{
	return strcmp(file, ((const struct far_entry *)entry)->file);
}

/* "SIZE;FILE" lines; a name that is none of ours is not looked at, but counted:
 * the place is not empty. */
static bool
take_list(struct sled_far *far, bool *strange, struct sled_err *err)
{
	size_t lines = 0;
	char *at = far->names.data;

	for (size_t i = 0; i < far->names.len; i++)
		lines += far->names.data[i] == '\n';
	far->list = calloc(lines + 1, sizeof(*far->list));
	if (far->list == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "list");
	for (size_t i = 0; i < lines; i++) {
		char *end = strchr(at, '\n');
		char *file = memchr(at, ';', (size_t)(end - at));
		struct far_entry *entry = &far->list[far->len];

		*end = '\0';
		if (file != NULL && sled_far_name_ok(file + 1) &&
		    sled_text_u64((struct sled_span){ at, (size_t)(file - at) },
		                  &entry->octets)) {
			entry->file = file + 1;
			far->len++;
		} else {
			*strange = true;
		}
		at = end + 1;
	}
	qsort(far->list, far->len, sizeof(*far->list), by_file);
	return true;
}

static bool
list_all(struct sled_far *far, bool *strange, struct sled_err *err)
{
	struct far_words words;
	int status = 0;

	free(far->list);
	far->list = NULL;
	far->len = far->names.len = 0;
	sled_far_begin(&words, far, "lsf");
	sled_far_word(&words, "--recursive");
	sled_far_word(&words, "--files-only");
	sled_far_word(&words, "--format=sp");
	sled_far_word(&words, "--separator=;");
	sled_far_word(&words, far->remote);
	if (!sled_far_capture(far, &words, 0, &far->names, &status, err)) {
		if (err->kind != SLED_ERR_MISSING || status != FAR_NO_FOLDER)
			return false;
		*err = (struct sled_err){ 0 };
	}
	return take_list(far, strange, err);
}

bool
sled_far_list(struct sled_far *far, sled_far_each_fn *each, void *ctx,
              struct sled_err *err)
{
	for (size_t i = 0; i < far->len; i++)
		if (!each(ctx, far->list[i].file, far->list[i].octets, err))
			return false;
	return true;
}

bool
sled_far_has(const struct sled_far *far, const char *file, uint64_t *octets)
{
	const struct far_entry *found =
	    far->len == 0 ? NULL
			  : bsearch(file, far->list, far->len,
	                            sizeof(*far->list), against);

	if (found != NULL && octets != NULL)
		*octets = found->octets;
	return found != NULL;
}

/* ---- the mark ---- */

static bool
read_mark(struct sled_far *far, struct sled_mark *mark, struct sled_err *err)
{
	struct sled_buf path = { 0 }, text = { 0 };
	struct far_words words;
	bool ok = sled_far_path(far, "COPY.txt", &path, err);

	if (ok) {
		sled_far_begin(&words, far, "cat");
		sled_far_word(&words, path.data);
		ok = sled_far_capture(far, &words, 0, &text, NULL, err) &&
		     sled_mark_parse(mark, text.len == 0 ? "" : text.data, NULL,
		                     err);
	}
	sled_buf_free(&path);
	sled_buf_free(&text);
	return ok;
}

bool
sled_far_probe(struct sled_far *far, enum sled_far_found *found,
               struct sled_mark *mark, struct sled_err *err)
{
	bool strange = false, copy, store;

	*mark = (struct sled_mark){ .id = "" };
	if (!list_all(far, &strange, err))
		return sled_note(err, "rclone:%s", far->remote);
	copy = sled_far_has(far, "COPY.txt", NULL);
	store = sled_far_has(far, "STORE.txt", NULL);
	strange = strange || far->len > (size_t)copy + (size_t)store;
	*found = strange ? SLED_FAR_UNMARKED : SLED_FAR_EMPTY;
	if (!copy)
		return true;
	if (read_mark(far, mark, err)) {
		*found = SLED_FAR_MARKED;
		return true;
	}
	*mark = (struct sled_mark){ .id = "" };
	if (err->kind != SLED_ERR_DAMAGED)
		return sled_note(err, "rclone:%s", far->remote);
	*err = (struct sled_err){ 0 };
	return true;
}

static bool
push_text(struct sled_far *far, const char *from, const char *file,
          struct sled_err *err)
{
	struct sled_far_file what = { .octets = SLED_MARK_MAX };

	(void)snprintf(what.file, sizeof(what.file), "%s", file);
	return sled_far_push(far, from, &what, 1, err);
}

static bool
write_mark(struct sled_far *far, const struct sled_mark *mark,
           struct sled_span knows, struct sled_err *err)
{
	struct sled_buf text = { 0 };
	bool ok = sled_mark_text(&text, mark, knows, err) &&
	          sled_file_replace(far->sys, far->scratch_dir, "COPY.txt",
	                            0600, sled_buf_span(&text), err) &&
	          push_text(far, far->scratch, "COPY.txt", err);

	sled_buf_free(&text);
	return ok;
}

bool
sled_far_mark(struct sled_far *far, const char *from,
              const struct sled_mark *mark, struct sled_span knows,
              struct sled_err *err)
{
	struct sled_mark now;

	if (sled_far_has(far, "COPY.txt", NULL) &&
	    !sled_far_remove(far, "COPY.txt", err))
		return false;
	if ((!sled_far_has(far, "STORE.txt", NULL) &&
	     !push_text(far, from, "STORE.txt", err)) ||
	    !write_mark(far, mark, knows, err) || !read_mark(far, &now, err))
		return sled_note(err, "mark rclone:%s", far->remote);
	return strcmp(now.id, mark->id) == 0 ||
	       sled_fail(err, SLED_ERR_PLACE,
	                 "rclone:%s: another mark came there meanwhile",
	                 far->remote);
}
