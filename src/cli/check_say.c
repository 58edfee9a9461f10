/* check_say.c - what was found, for people and for programs. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/check.h"
#include "mailsled/text.h"

#define INDENT 11 /* columns before the text of a line */

enum mark {
	MARK_OK,
	MARK_WARNING,
	MARK_ERROR,
};

static bool
is_coloured(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) != 0 && getenv("NO_COLOR") == NULL &&
	       term != NULL && strcmp(term, "dumb") != 0;
}

/* Columns of the LEN bytes of a word; wide letters are not worth more here. */
static unsigned
count_columns(const char *word, size_t len)
{
	unsigned columns = 0;

	for (size_t i = 0; i < len; i++)
		columns += ((unsigned char)word[i] & 0xc0) != 0x80;
	return columns;
}

/* From column INDENT on; on a terminal broken between words. */
static void
print_wrapped(const char *text)
{
	unsigned columns = sled_cli_columns(STDOUT_FILENO), at = INDENT;

	while (*text != '\0') {
		size_t len = strcspn(text, " ");
		unsigned width = count_columns(text, len);

		if (columns > 0 && at > INDENT && at + 1 + width > columns) {
			(void)printf("\n%*s", INDENT, "");
			at = INDENT;
		} else if (at > INDENT) {
			(void)putchar(' ');
			at++;
		}
		(void)fwrite(text, 1, len, stdout);
		at += width;
		text += len + strspn(text + len, " ");
	}
	(void)putchar('\n');
}

static void
print_title(struct sled_check *check)
{
	bool bold = is_coloured();

	if (strcmp(check->title, check->shown) == 0)
		return;
	memcpy(check->shown, check->title, sizeof(check->shown));
	(void)printf("%s%s%s\n", bold ? "\033[1m" : "", check->title,
	             bold ? "\033[0m" : "");
}

static void
print_line(struct sled_check *check, enum mark mark, const char *text,
           const char *hint)
{
	static const struct {
		const char *word, *colour;
	} marks[] = {
		[MARK_OK] = { "ok", "\033[32m" },
		[MARK_WARNING] = { "warning", "\033[33m" },
		[MARK_ERROR] = { "error", "\033[31m" },
	};

	bool coloured = is_coloured();

	if (check->cli->json || (mark == MARK_OK && check->cli->quiet))
		return;
	sled_cli_live(check->cli, "");
	print_title(check);
	(void)printf("  %s%-7s%s  ", coloured ? marks[mark].colour : "",
	             marks[mark].word, coloured ? "\033[0m" : "");
	print_wrapped(text);
	if (hint != NULL) {
		(void)printf("%*s", INDENT, "-> ");
		print_wrapped(hint);
	}
	(void)fflush(stdout);
}

void
sled_check_begin(struct sled_check *check, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(check->title, sizeof(check->title), fmt, ap);
	va_end(ap);
	check->kind = SLED_ERR_NONE;
	check->first = (struct sled_err){ 0 };
	check->warnings.len = 0;
}

void
sled_check_ok(struct sled_check *check, const char *fmt, ...)
{
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	print_line(check, MARK_OK, text, NULL);
}

void
sled_check_warn(struct sled_check *check, const char *hint, const char *fmt,
                ...)
{
	struct sled_err err = { 0 };
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	print_line(check, MARK_WARNING, text, hint);
	if (!sled_buf_printf(&check->warnings, &err, "%s%s",
	                     check->warnings.len > 0 ? "; " : "", text))
		sled_check_error(check, &err);
}

void
sled_check_error(struct sled_check *check, const struct sled_err *err)
{
	if (sled_err_worse(check->kind, err->kind) != check->kind) {
		check->kind = err->kind;
		check->first = *err;
	}
	check->worst = sled_err_worse(check->worst, err->kind);
	print_line(check, MARK_ERROR, err->text, err->hint);
	if (check->cli->verbose && err->where != NULL && !check->cli->json)
		(void)printf("%*s(noticed at %s)\n", INDENT, "", err->where);
}

void
sled_check_end(struct sled_check *check, struct sled_json **json)
{
	const struct sled_err *first = &check->first;
	bool failed = check->kind != SLED_ERR_NONE;
	struct sled_err err = { 0 };

	if (json == NULL || *json == NULL)
		return;
	sled_json_bool(*json, "ok", !failed);
	sled_json_i64(*json, "exit", sled_err_exit(check->kind));
	sled_json_text(*json, "error", failed ? first->text : NULL);
	sled_json_text(*json, "hint", first->hint);
	sled_json_text(*json, "warnings",
	               check->warnings.len == 0 ? NULL : check->warnings.data);
	if (!sled_json_print(json, stdout, &err))
		sled_cli_complain(check->cli, &err);
	(void)fflush(stdout);
}

void
sled_check_next(struct sled_check *check)
{
	struct sled_cli *cli = check->cli;
	const char *option = cli->file == NULL ? "" : " -c ";
	char file[400] = "";

	if (cli->json || cli->quiet)
		return;
	if (cli->file != NULL)
		sled_text_clip(
		    file, sizeof(file),
		    (struct sled_span){ cli->file, strlen(cli->file) });
	if (check->worst == SLED_ERR_NONE)
		(void)printf("next: mailsled%s%s fetch\n", option, file);
	else
		(void)printf("next: mend what is marked error, then mailsled"
		             "%s%s check\n",
		             option, file);
}
