/* out.c - mail as other programs are to read it: LF lines, "From " quoted as
 * mboxrd, and the names of a Maildir. See mailsled/mailbox.h. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mailsled/file.h"
#include "mailsled/mailbox.h"

static const char from_line[] = "From ";

#define FROM_LEN (sizeof(from_line) - 1)

void
sled_mailbox_lines_begin(struct sled_mailbox_lines *lines, bool quote)
{
	*lines = (struct sled_mailbox_lines){ .quote = quote,
		                              .at_start = quote,
		                              .ended = true };
}

/* What was counted at a line's start goes out. */
static bool
put_start(struct sled_mailbox_lines *lines, struct sled_buf *out,
          struct sled_err *err)
{
	static const char angles[] = ">>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>";
	const uint64_t most = sizeof(angles) - 1;
	unsigned from = lines->from;

	if (from == FROM_LEN)
		lines->angles++;
	while (lines->angles > 0) {
		uint64_t now = lines->angles < most ? lines->angles : most;

		if (!sled_buf_add(out, angles, (size_t)now, err))
			return false;
		lines->angles -= now;
	}
	lines->at_start = false;
	lines->from = 0;
	return sled_buf_add(out, from_line, from, err);
}

/* One octet at a line's start. *taken: nothing is left to do with it. */
static bool
look_at(struct sled_mailbox_lines *lines, char c, bool *taken,
        struct sled_buf *out, struct sled_err *err)
{
	*taken = true;
	if (c == '>' && lines->from == 0) {
		lines->angles++;
		return true;
	}
	if (c == from_line[lines->from]) {
		lines->from++;
		return lines->from < FROM_LEN || put_start(lines, out, err);
	}
	*taken = false;
	return put_start(lines, out, err);
}

/* Text without a LF. */
static bool
put(struct sled_mailbox_lines *lines, struct sled_span text,
    struct sled_buf *out, struct sled_err *err)
{
	if (text.len > 0)
		lines->ended = false;
	while (lines->at_start && text.len > 0) {
		bool taken = false;

		if (!look_at(lines, *text.data, &taken, out, err))
			return false;
		if (taken) {
			text.data++;
			text.len--;
		}
	}
	return sled_buf_add(out, text.data, text.len, err);
}

static bool
put_end(struct sled_mailbox_lines *lines, struct sled_buf *out,
        struct sled_err *err)
{
	if (lines->at_start && !put_start(lines, out, err))
		return false;
	lines->at_start = lines->quote;
	lines->ended = true;
	return sled_buf_add(out, "\n", 1, err);
}

static bool
put_carriage(struct sled_mailbox_lines *lines, struct sled_buf *out,
             struct sled_err *err)
{
	lines->carriage = false;
	return put(lines, (struct sled_span){ "\r", 1 }, out, err);
}

bool
sled_mailbox_lines_add(struct sled_mailbox_lines *lines, struct sled_span in,
                       struct sled_buf *out, struct sled_err *err)
{
	while (in.len > 0) {
		const char *lf = memchr(in.data, '\n', in.len);
		struct sled_span text = { in.data, in.len };
		size_t used = in.len;

		if (lf != NULL) {
			text.len = (size_t)(lf - in.data);
			used = text.len + 1;
		}
		if (lines->carriage && lf != in.data &&
		    !put_carriage(lines, out, err))
			return false;
		lines->carriage =
		    text.len > 0 && text.data[text.len - 1] == '\r';
		if (lines->carriage)
			text.len--;
		if (!put(lines, text, out, err) ||
		    (lf != NULL && !put_end(lines, out, err)))
			return false;
		if (lf != NULL)
			lines->carriage = false;
		in.data += used;
		in.len -= used;
	}
	return true;
}

bool
sled_mailbox_lines_end(struct sled_mailbox_lines *lines, struct sled_buf *out,
                       struct sled_err *err)
{
	if (lines->carriage && !put_carriage(lines, out, err))
		return false;
	if (lines->at_start && !put_start(lines, out, err))
		return false;
	return !lines->quote || lines->ended || put_end(lines, out, err);
}

bool
sled_mailbox_from_line(struct sled_buf *out, int64_t received,
                       struct sled_err *err)
{
	time_t t = (time_t)received;
	char when[32] = "Thu Jan  1 00:00:00 1970";
	struct tm tm;

	if (gmtime_r(&t, &tm) != NULL)
		(void)strftime(when, sizeof(when), "%a %b %e %H:%M:%S %Y", &tm);
	return sled_buf_printf(out, err, "From MAILER-DAEMON %s\n", when);
}

/* ---- a Maildir's names ---- */

static int
compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool
sort_names(struct sled_mailbox_names *names, struct sled_err *err)
{
	size_t at = 0, count = 0;

	for (size_t i = 0; i < names->text.len; i++)
		count += names->text.data[i] == '\0';
	names->list = calloc(count + 1, sizeof(*names->list));
	if (names->list == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "names");
	names->len = count;
	for (size_t i = 0; i < count; i++) {
		char *name = names->text.data + at;

		at += strlen(name) + 1;
		name[strcspn(name, ":")] = '\0'; /* flags follow it */
		names->list[i] = name;
	}
	qsort(names->list, count, sizeof(*names->list), compare);
	return true;
}

bool
sled_mailbox_names_read(struct sled_mailbox_names *out,
                        const struct sled_sys *sys, int dir,
                        struct sled_err *err)
{
	*out = (struct sled_mailbox_names){ 0 };
	if (sled_dir_list(&out->text, sys, dir, "cur", err) &&
	    sled_dir_list(&out->text, sys, dir, "new", err) &&
	    sort_names(out, err))
		return true;
	sled_mailbox_names_free(out);
	return false;
}

bool
sled_mailbox_names_have(const struct sled_mailbox_names *names,
                        const char *name)
{
	return bsearch(&name, names->list, names->len, sizeof(*names->list),
	               compare) != NULL;
}

void
sled_mailbox_names_free(struct sled_mailbox_names *names)
{
	sled_buf_free(&names->text);
	free(names->list);
	*names = (struct sled_mailbox_names){ 0 };
}
