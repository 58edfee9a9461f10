/* test_plot_figure.c - a figure is well-formed, refers to nothing, escapes what
 * it is given, and shows the numbers that it has. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mailsled/plot.h"

static const double first[] = { 10, 0, NAN, 5 };
static const double second[] = { 20, 7, 1, NAN };
static const struct sled_plot_series series[] = {
	{ "<home>", first, SLED_PLOT_PLAIN, 0 },
	{ "work\" & 'play'", second, SLED_PLOT_BAD, 0 },
};
static const char *const words[] = { "/media/<b>", "C:\xff", "x\xe2\x80\xaey",
	                             "rclone:far:" };

static struct sled_plot
plot_of(enum sled_plot_kind kind)
{
	return (struct sled_plot){
		.id = "mail",
		.title = "Mail & <more>",
		.about = "\"1 < 2\" \xe2\x80\xae",
		.kind = kind,
		.scale = { SLED_PLOT_COUNT, NULL },
		.across = { .from = 20780,
		            .step = 1,
		            .words = words,
		            .name = "day <d>" },
		.len = 4,
		.series = series,
		.series_len = 2,
	};
}

static void
draw(struct sled_buf *out, enum sled_plot_kind kind)
{
	struct sled_plot plot = plot_of(kind);
	struct sled_err err = { 0 };

	*out = (struct sled_buf){ 0 };
	assert_true(sled_plot_figure(out, &plot, &err));
}

static unsigned
count(const char *text, const char *what)
{
	unsigned sum = 0;

	for (; (text = strstr(text, what)) != NULL; text += strlen(what))
		sum++;
	return sum;
}

/* Every tag that opens is closed, in order; every & is of a reference. */
static void
expect_well_formed(const char *text)
{
	const char *open[32];
	size_t lens[32], depth = 0;

	for (const char *p = text; *p != '\0'; p++) {
		const char *end = strchr(p, '>');
		size_t len = strcspn(p + 1, " />\n");

		if (*p == '&')
			assert_true(strncmp(p, "&lt;", 4) == 0 ||
			            strncmp(p, "&gt;", 4) == 0 ||
			            strncmp(p, "&amp;", 5) == 0 ||
			            strncmp(p, "&quot;", 6) == 0 ||
			            strncmp(p, "&#39;", 5) == 0);
		if (*p != '<')
			continue;
		assert_non_null(end);
		if (p[1] == '/') {
			len = strcspn(p + 2, ">");
			assert_true(depth > 0);
			depth--;
			assert_int_equal(lens[depth], len);
			assert_memory_equal(open[depth], p + 2, len);
		} else if (end[-1] != '/') {
			assert_true(depth < 32);
			open[depth] = p + 1;
			lens[depth++] = len;
		}
		assert_null(memchr(p + 1, '<', (size_t)(end - p) - 1));
		p = end;
	}
	assert_int_equal(depth, 0);
}

static void
every_kind_is_well_formed_and_alone(void **state)
{
	static const char *const never[] = { "<script", "style=",      "http",
		                             " on",     "<b>",         "<home>",
		                             "href",    "url(",        "nan",
		                             "inf",     "\xe2\x80\xae" };

	(void)state;
	for (int kind = SLED_PLOT_BARS; kind <= SLED_PLOT_ROWS; kind++) {
		struct sled_buf out;

		draw(&out, (enum sled_plot_kind)kind);
		expect_well_formed(out.data);
		for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
			assert_null(strstr(out.data, never[i]));
		assert_int_equal(count(out.data, "<title id=\"mail-t\">"), 1);
		assert_int_equal(count(out.data, "<desc id=\"mail-d\">"), 1);
		assert_non_null(strstr(out.data, "role=\"img\" aria-labelledby="
		                                 "\"mail-t mail-d\""));
		sled_buf_free(&out);
	}
}

/* The y and height of the bar after MARK. */
static void
bar_after(const char *text, const char *mark, double *y, double *height)
{
	const char *at = strstr(text, mark);

	assert_non_null(at);
	at = strstr(at, "y=\"");
	assert_non_null(at);
	*y = strtod(at + 3, NULL);
	at = strstr(at, "height=\"");
	assert_non_null(at);
	*height = strtod(at + strlen("height=\""), NULL);
}

/* 10 below 20, of ticks up to 30: a third, and the rest on top of it. */
static void
bars_stand_on_each_other_in_their_proportion(void **state)
{
	double low_y, low, high_y, high;
	struct sled_buf out;

	(void)state;
	draw(&out, SLED_PLOT_BARS);
	bar_after(out.data, "<g class=\"plot-0\">", &low_y, &low);
	bar_after(out.data, "<g class=\"plot-bad\">", &high_y, &high);
	assert_true(fabs(2 * low - high) < 0.3);
	assert_true(fabs(high_y + high - low_y) < 0.3);
	/* Two of the one, three of the other; what is 0 or not there is no
	 * bar; four columns say their numbers. */
	assert_int_equal(count(out.data, "<rect "), 2 + 3 + 4);
	sled_buf_free(&out);
}

static void
a_line_goes_past_what_is_not_there(void **state)
{
	static const double values[] = { 4, NAN, 2, 4 };
	struct sled_plot_series one = { "a", values, SLED_PLOT_PLAIN, 3 };
	struct sled_plot plot = plot_of(SLED_PLOT_LINES);
	struct sled_err err = { 0 };
	struct sled_buf out = { 0 };

	(void)state;
	plot.series = &one;
	plot.series_len = 1;
	assert_true(sled_plot_svg(&out, &plot, &err));
	assert_non_null(strstr(out.data, "class=\"plot-line\" d=\"M125.0 10.0"
	                                 "L625.0 94.0L875.0 10.0\""));
	assert_int_equal(count(out.data, "<circle "), 3);
	assert_int_equal(count(out.data, "class=\"plot-area\""), 1);
	assert_non_null(strstr(out.data, "<g class=\"plot-2\">"));
	sled_buf_free(&out);
}

static void
the_table_has_every_number(void **state)
{
	struct sled_plot plot = plot_of(SLED_PLOT_BARS);
	struct sled_err err = { 0 };
	struct sled_buf out = { 0 };

	(void)state;
	assert_true(sled_plot_table(&out, &plot, &err));
	assert_non_null(
	    strstr(out.data, "<tr><th scope=\"row\">2026-11-23</th><td>10</td>"
	                     "<td>20</td></tr>\n"
	                     "<tr><th scope=\"row\">2026-11-24</th><td>0</td>"
	                     "<td>7</td></tr>\n"
	                     "<tr><th scope=\"row\">2026-11-25</th><td>-</td>"
	                     "<td>1</td></tr>\n"
	                     "<tr><th scope=\"row\">2026-11-26</th><td>5</td>"
	                     "<td>-</td></tr>\n"));
	assert_non_null(strstr(out.data,
	                       "<th scope=\"col\">day &lt;d&gt;</th>"
	                       "<th scope=\"col\">&lt;home&gt;</th>"));
	sled_buf_free(&out);
}

static void
a_plot_of_nothing_is_refused(void **state)
{
	struct sled_plot plot = plot_of(SLED_PLOT_BARS);
	struct sled_err err = { 0 };
	struct sled_buf out = { 0 };

	(void)state;
	plot.len = 0;
	assert_false(sled_plot_svg(&out, &plot, &err));
	assert_int_equal(err.kind, SLED_ERR_INTERNAL);
	plot = plot_of(SLED_PLOT_BARS);
	plot.series_len = SLED_PLOT_SERIES + 1;
	err = (struct sled_err){ 0 };
	assert_false(sled_plot_svg(&out, &plot, &err));
	assert_int_equal(err.kind, SLED_ERR_INTERNAL);
	sled_buf_free(&out);
}

/* Each class that a figure can have is in the style sheet. */
static void
the_style_knows_every_class(void **state)
{
	const char *style = sled_plot_style();

	(void)state;
	for (int kind = SLED_PLOT_BARS; kind <= SLED_PLOT_ROWS; kind++) {
		struct sled_buf out;

		draw(&out, (enum sled_plot_kind)kind);
		for (const char *p = out.data;
		     (p = strstr(p, "class=\"")) != NULL;) {
			char name[64];

			p += strlen("class=\"");
			assert_true(strcspn(p, "\"") < sizeof(name) - 1);
			(void)snprintf(name, sizeof(name), ".%.*s",
			               (int)strcspn(p, "\" "), p);
			assert_non_null(strstr(style, name));
		}
		sled_buf_free(&out);
	}
	assert_null(strstr(style, "url("));
	assert_null(strstr(style, "@import"));
	assert_null(strpbrk(style, "<&"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_well_formed_and_alone),
		cmocka_unit_test(bars_stand_on_each_other_in_their_proportion),
		cmocka_unit_test(a_line_goes_past_what_is_not_there),
		cmocka_unit_test(the_table_has_every_number),
		cmocka_unit_test(a_plot_of_nothing_is_refused),
		cmocka_unit_test(the_style_knows_every_class),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
