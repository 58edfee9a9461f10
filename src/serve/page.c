/* page.c - HTML, built up; see mailsled/serve.h. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mailsled/serve.h"
#include "mailsled/text.h"

bool
sled_page_ok(struct sled_page *page, bool ok)
{
	page->failed = page->failed || !ok;
	return !page->failed;
}

void
sled_page_text(struct sled_page *page, struct sled_span text)
{
	(void)(!page->failed &&
	       sled_page_ok(page, sled_text_html(page->out, text, page->err)));
}

void
sled_page_markup(struct sled_page *page, struct sled_span markup)
{
	(void)(!page->failed &&
	       sled_page_ok(page, sled_buf_add(page->out, markup.data,
	                                       markup.len, page->err)));
}

static void
add_number(struct sled_page *page, bool negative, uint64_t value)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%s%" PRIu64,
	                   negative ? "-" : "", value);

	sled_page_markup(page, (struct sled_span){ text, (size_t)len });
}

static void
add_signed(struct sled_page *page, int64_t value)
{
	add_number(page, value < 0,
	           value < 0 ? (uint64_t) - (value + 1) + 1 : (uint64_t)value);
}

/* NOLINTBEGIN(bugprone-branch-clone): alike on some machines, not on others */
static int64_t
next_signed(char size, va_list *args)
{
	switch (size) {
	case 'L':
		return va_arg(*args, long long);
	case 'l':
		return va_arg(*args, long);
	default:
		return va_arg(*args, int);
	}
}

static uint64_t
next_unsigned(char size, va_list *args)
{
	switch (size) {
	case 'L':
		return va_arg(*args, unsigned long long);
	case 'l':
		return va_arg(*args, unsigned long);
	case 'z':
		return va_arg(*args, size_t);
	default:
		return va_arg(*args, unsigned);
	}
}

/* NOLINTEND(bugprone-branch-clone) */

/* What stands behind a '%'; returns where it ends. */
static const char *
add_value(struct sled_page *page, const char *fmt, va_list *args)
{
	const char *text;
	char size = '\0'; /* 'l', 'z', or 'L' for "ll" */

	for (; *fmt == 'l' || *fmt == 'z'; fmt++)
		size = (char)(size == 'l' ? 'L' : *fmt);
	switch (*fmt) {
	case 's':
		text = va_arg(*args, const char *);
		if (text != NULL)
			sled_page_text(
			    page, (struct sled_span){ text, strlen(text) });
		break;
	case 'd':
		add_signed(page, next_signed(size, args));
		break;
	case 'u':
		add_number(page, false, next_unsigned(size, args));
		break;
	default:
		sled_page_markup(page, (struct sled_span){ fmt, 1 });
		break;
	}
	return *fmt == '\0' ? fmt : fmt + 1;
}

void
sled_page_add(struct sled_page *page, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	while (*fmt != '\0') {
		size_t len = strcspn(fmt, "%");

		sled_page_markup(page, (struct sled_span){ fmt, len });
		fmt += len;
		if (*fmt == '%')
			fmt = add_value(page, fmt + 1, &args);
	}
	va_end(args);
}

void
sled_page_head(struct sled_page *page, const char *title)
{
	sled_page_add(page,
	              "<!doctype html>\n<html lang=\"en\"><head>"
	              "<meta charset=\"utf-8\">"
	              "<meta name=\"viewport\" "
	              "content=\"width=device-width, initial-scale=1\">"
	              "<meta name=\"color-scheme\" content=\"light dark\">"
	              "<title>%s - mailsled</title>"
	              "<link rel=\"icon\" href=\"/icon.svg\">"
	              "<link rel=\"stylesheet\" href=\"/page.css\">",
	              title);
}
