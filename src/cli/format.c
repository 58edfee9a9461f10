/* format.c - sizes, times and columns for people. */
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "cli/cli.h"

#define COLUMNS_LEAST   40
#define COLUMNS_UNKNOWN 80

unsigned
sled_cli_columns(int fd)
{
	struct winsize size = { 0 };

	if (isatty(fd) == 0)
		return 0;
	if (ioctl(fd, TIOCGWINSZ, &size) == -1 || size.ws_col == 0)
		return COLUMNS_UNKNOWN;
	return size.ws_col < COLUMNS_LEAST ? COLUMNS_LEAST : size.ws_col;
}

/* Octets and columns of the first character of TEXT. */
static size_t
measure(const char *text, unsigned *columns)
{
	mbstate_t state = { 0 };
	wchar_t wide = 0;
	size_t most = strnlen(text, MB_LEN_MAX);
	size_t used = mbrtowc(&wide, text, most, &state);
	int width;

	*columns = 1;
	if (used == 0 || used > most)
		return 1;
	width = wcwidth(wide);
	if (width >= 0)
		*columns = (unsigned)width;
	return used;
}

unsigned
sled_cli_width(const char *text)
{
	unsigned sum = 0, columns = 0;

	for (; *text != '\0'; sum += columns)
		text += measure(text, &columns);
	return sum;
}

/* The octets of TEXT that fit into COLUMNS, and what they take. */
static size_t
take_what_fits(const char *text, unsigned columns, unsigned *taken)
{
	size_t len = 0;

	*taken = 0;
	while (text[len] != '\0') {
		unsigned width = 0;
		size_t used = measure(text + len, &width);

		if (*taken + width > columns)
			break;
		*taken += width;
		len += used;
	}
	return len;
}

size_t
sled_cli_fitting(const char *text, unsigned columns)
{
	unsigned taken = 0;

	return take_what_fits(text, columns, &taken);
}

bool
sled_cli_fit(struct sled_buf *out, const char *text, unsigned columns, bool pad,
             struct sled_err *err)
{
	static const char dots[] = "...";
	unsigned taken = 0, mark = 0;
	size_t len = take_what_fits(text, columns, &taken);

	if (text[len] != '\0') {
		mark = columns < 3 ? columns : 3;
		len = take_what_fits(text, columns - mark, &taken);
	}
	if (!sled_buf_add(out, text, len, err) ||
	    !sled_buf_add(out, dots, mark, err))
		return false;
	for (taken += mark; pad && taken < columns; taken++)
		if (!sled_buf_add(out, " ", 1, err))
			return false;
	return true;
}

void
sled_cli_bytes(char out[SLED_CLI_WORD], uint64_t bytes)
{
	static const char *const units[] = {
		"B", "kB", "MB", "GB", "TB", "PB"
	};
	size_t unit = 0;
	uint64_t whole = bytes, rest = 0;

	/* Up to 9.9 with one decimal, from 10 on without. */
	while (whole >= 1000 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		rest = whole % 1000;
		whole /= 1000;
		unit++;
	}
	if (unit > 0 && whole < 10)
		(void)snprintf(out, SLED_CLI_WORD, "%" PRIu64 ".%u %s", whole,
		               (unsigned)(rest / 100), units[unit]);
	else
		(void)snprintf(out, SLED_CLI_WORD, "%" PRIu64 " %s", whole,
		               units[unit]);
}

void
sled_cli_span(char out[SLED_CLI_WORD], int64_t ms)
{
	int64_t s = ms / 1000;

	if (s < 10)
		(void)snprintf(out, SLED_CLI_WORD, "%d.%d s", (int)s,
		               (int)(ms % 1000 / 100));
	else if (s < 60)
		(void)snprintf(out, SLED_CLI_WORD, "%d s", (int)s);
	else if (s < 3600)
		(void)snprintf(out, SLED_CLI_WORD, "%d min %d s", (int)(s / 60),
		               (int)(s % 60));
	else if (s < 2 * INT64_C(86400))
		(void)snprintf(out, SLED_CLI_WORD, "%d h %d min",
		               (int)(s / 3600), (int)(s % 3600 / 60));
	else
		(void)snprintf(out, SLED_CLI_WORD, "%" PRId64 " days",
		               s / 86400);
}

void
sled_cli_time(char out[SLED_CLI_WORD], int64_t when)
{
	time_t t = (time_t)when;
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL ||
	    strftime(out, SLED_CLI_WORD, "%Y-%m-%d %H:%M", &tm) == 0)
		(void)snprintf(out, SLED_CLI_WORD, "-");
}
