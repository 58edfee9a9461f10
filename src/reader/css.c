/*
 * css.c - the harmless part of a message's styles; see safe.h.
 *
 * What is kept is written anew, token by token: properties of a list, values of
 * names, numbers, colours, plain strings and a few functions. There is no
 * backslash in it, no "url(", no "@" but "@media", no position: so nothing is
 * loaded, and nothing leaves its place.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "reader/markup.h"
#include "reader/safe.h"

#define NAME_MOST  40 /* octets of a property's or a function's name */
#define NEST_MOST  16 /* brackets inside brackets */
#define SHEET_MOST (1u << 20)

static const char *const properties[] = {
	"background",
	"background-color",
	"background-image",
	"background-position",
	"background-repeat",
	"background-size",
	"border",
	"border-bottom",
	"border-bottom-color",
	"border-bottom-left-radius",
	"border-bottom-right-radius",
	"border-bottom-style",
	"border-bottom-width",
	"border-collapse",
	"border-color",
	"border-left",
	"border-left-color",
	"border-left-style",
	"border-left-width",
	"border-radius",
	"border-right",
	"border-right-color",
	"border-right-style",
	"border-right-width",
	"border-spacing",
	"border-style",
	"border-top",
	"border-top-color",
	"border-top-left-radius",
	"border-top-right-radius",
	"border-top-style",
	"border-top-width",
	"border-width",
	"box-sizing",
	"caption-side",
	"clear",
	"color",
	"column-count",
	"column-gap",
	"column-width",
	"columns",
	"direction",
	"display",
	"empty-cells",
	"float",
	"font",
	"font-family",
	"font-size",
	"font-style",
	"font-variant",
	"font-weight",
	"height",
	"hyphens",
	"letter-spacing",
	"line-height",
	"list-style",
	"list-style-position",
	"list-style-type",
	"margin",
	"margin-bottom",
	"margin-left",
	"margin-right",
	"margin-top",
	"max-height",
	"max-width",
	"min-height",
	"min-width",
	"opacity",
	"orphans",
	"outline",
	"overflow",
	"overflow-wrap",
	"overflow-x",
	"overflow-y",
	"padding",
	"padding-bottom",
	"padding-left",
	"padding-right",
	"padding-top",
	"page-break-after",
	"page-break-before",
	"page-break-inside",
	"quotes",
	"tab-size",
	"table-layout",
	"text-align",
	"text-decoration",
	"text-decoration-color",
	"text-decoration-line",
	"text-decoration-style",
	"text-indent",
	"text-overflow",
	"text-transform",
	"unicode-bidi",
	"vertical-align",
	"visibility",
	"white-space",
	"widows",
	"width",
	"word-break",
	"word-spacing",
	"word-wrap",
};

static const char *const functions[] = {
	"calc", "clamp", "hsl", "hsla", "linear-gradient",
	"max",  "min",   "rgb", "rgba",
};

static const char *const pseudos[] = {
	"active",        "first-child", "first-letter", "first-line",
	"first-of-type", "focus",       "hover",        "last-child",
	"last-of-type",  "link",        "only-child",   "visited",
};

/* ---- characters ---- */

struct cursor {
	const char *at, *end;
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_name(char c)
{
	return is_letter(c) || is_digit(c) || c == '-' || c == '_';
}

static void
skip_blanks(struct cursor *in)
{
	while (in->at < in->end && sled_markup_blank(*in->at))
		in->at++;
}

/* Of a name at IN, which is gone past; empty when there is none. */
static struct sled_span
take_name(struct cursor *in)
{
	struct sled_span name = { in->at, 0 };

	while (in->at < in->end && is_name(*in->at))
		in->at++;
	name.len = (size_t)(in->at - name.data);
	return name;
}

/* The one of a table, which is in lower case, or NULL. */
static const char *
find_among(struct sled_span name, const char *const *table, size_t count)
{
	char lower[NAME_MOST] = { 0 };
	const char *const *found;

	if (name.len == 0 || name.len >= sizeof(lower))
		return NULL;
	for (size_t i = 0; i < name.len; i++)
		lower[i] = (char)tolower((unsigned char)name.data[i]);
	found =
	    bsearch(lower, table, count, sizeof(*table), sled_markup_compare);
	return found == NULL ? NULL : *found;
}

#define FIND_AMONG(name, table) \
	find_among(name, table, sizeof(table) / sizeof(*(table)))

static bool
is_word(struct sled_span name, const char *word)
{
	return name.len == strlen(word) &&
	       strncasecmp(name.data, word, name.len) == 0;
}

/* IN without its comments, each a blank. */
static bool
drop_comments(struct sled_span in, struct sled_buf *out, struct sled_err *err)
{
	while (in.len > 0) {
		const char *open = memmem(in.data, in.len, "/*", 2), *close;
		size_t len = open == NULL ? in.len : (size_t)(open - in.data);

		if (!sled_buf_add(out, in.data, len, err))
			return false;
		if (open == NULL)
			break;
		close = len + 2 > in.len
		            ? NULL
		            : memmem(open + 2, in.len - len - 2, "*/", 2);
		if (close == NULL)
			break;
		if (!sled_buf_add(out, " ", 1, err))
			return false;
		in.len -= (size_t)(close + 2 - in.data);
		in.data = close + 2;
	}
	return sled_buf_reserve(out, 1, err);
}

/* Behind the string whose quote is at IN. */
static void
skip_string(struct cursor *in)
{
	char quote = *in->at++;

	while (in->at < in->end && *in->at != quote && *in->at != '\n')
		in->at += *in->at == '\\' && in->at + 1 < in->end ? 2 : 1;
	in->at += in->at < in->end;
}

/* To the first of STOPS that is in no string and no bracket. */
static void
skip_to(struct cursor *in, const char *stops)
{
	unsigned deep = 0;

	while (in->at < in->end) {
		char c = *in->at;

		if (deep == 0 && c != '\0' && strchr(stops, c) != NULL)
			return;
		if (c == '"' || c == '\'') {
			skip_string(in);
			continue;
		}
		if (c == '\\' && in->at + 1 < in->end)
			in->at++;
		deep += c == '(' || c == '{' || c == '[';
		deep -= deep > 0 && (c == ')' || c == '}' || c == ']');
		in->at++;
	}
}

/* ---- one value ---- */

struct value {
	struct sled_css *css;
	struct sled_buf *out;
	struct sled_err *err;
	unsigned deep; /* brackets that are open */
	bool bad, failed;
};

static void
put(struct value *value, const char *data, size_t len)
{
	if (!value->failed)
		value->failed =
		    !sled_buf_add(value->out, data, len, value->err);
}

/* The name of a font, in quotes of one kind. */
static void
put_string(struct value *value, struct cursor *in)
{
	const char *from = in->at + 1;
	size_t len;

	skip_string(in);
	len = (size_t)(in->at - from) - (in->at > from);
	put(value, "'", 1);
	for (size_t i = 0; i < len; i++)
		value->bad =
		    value->bad || from[i] == '\0' ||
		    (!is_name(from[i]) && strchr(" .,", from[i]) == NULL &&
		     (from[i] & 0x80) == 0);
	put(value, from, len);
	put(value, "'", 1);
}

/* A picture is left out and the rest of the value kept. */
static void
skip_url(struct value *value, struct cursor *in)
{
	const char *from = in->at;

	skip_to(in, ")");
	value->css->loads +=
	    memmem(from, (size_t)(in->at - from), "//", 2) != NULL;
	in->at += in->at < in->end;
}

static void
put_name(struct value *value, struct cursor *in)
{
	struct sled_span name = take_name(in);

	if (in->at == in->end || *in->at != '(') {
		put(value, name.data, name.len);
		return;
	}
	in->at++;
	if (is_word(name, "url")) {
		skip_url(value, in);
		return;
	}
	value->bad = value->bad || FIND_AMONG(name, functions) == NULL ||
	             ++value->deep > NEST_MOST;
	put(value, name.data, name.len);
	put(value, "(", 1);
}

static void
put_important(struct value *value, struct cursor *in)
{
	in->at++;
	skip_blanks(in);
	value->bad = value->bad || !is_word(take_name(in), "important");
	put(value, "!important", 10);
}

/* No comment begins where a url() stood between its signs. */
static void
put_sign(struct value *value, struct cursor *in)
{
	const struct sled_buf *out = value->out;
	char c = *in->at++;

	if (c == ')' && value->deep > 0)
		value->deep--;
	else if (c == '(' && value->deep > 0 && value->deep < NEST_MOST)
		value->deep++;
	else if (c == '\0' || strchr("#%.,+/*", c) == NULL ||
	         (strchr("/*", c) != NULL && out->data[out->len - 1] == '/'))
		value->bad = true;
	put(value, &c, 1);
}

static void
put_value(struct value *value, struct cursor *in)
{
	while (in->at < in->end && !value->bad && !value->failed)
		if (sled_markup_blank(*in->at)) {
			skip_blanks(in);
			put(value, " ", in->at < in->end);
		} else if (*in->at == '"' || *in->at == '\'') {
			put_string(value, in);
		} else if (*in->at == '!') {
			put_important(value, in);
		} else if (is_name(*in->at)) {
			put_name(value, in);
		} else {
			put_sign(value, in);
		}
	value->bad = value->bad || value->deep > 0;
}

/* ---- declarations ---- */

static bool
sets_colour(const char *property)
{
	return strcmp(property, "color") == 0 ||
	       strcmp(property, "background") == 0 ||
	       strcmp(property, "background-color") == 0;
}

static bool
is_empty(const struct sled_buf *out, size_t from)
{
	for (; from < out->len; from++)
		if (out->data[from] != ' ')
			return false;
	return true;
}

/* "name: value" at IN, up to a semicolon or the end. */
static bool
add_declaration(struct sled_css *css, struct cursor *in, struct sled_buf *out,
                struct sled_err *err)
{
	size_t from = out->len, behind;
	struct value value = { .css = css, .out = out, .err = err };
	const char *property;
	struct cursor whole;

	skip_blanks(in);
	property = FIND_AMONG(take_name(in), properties);
	skip_blanks(in);
	whole = *in;
	skip_to(in, ";");
	if (whole.at == whole.end || *whole.at != ':')
		return true;
	whole.at++;
	whole.end = in->at;
	skip_blanks(&whole);
	if (property != NULL)
		put(&value, property, strlen(property));
	put(&value, ":", 1);
	behind = out->len;
	put_value(&value, &whole);
	if (value.failed)
		return false;
	if (property == NULL || value.bad || is_empty(out, behind)) {
		out->len = from;
		return true;
	}
	css->coloured = css->coloured || sets_colour(property);
	return sled_buf_add(out, ";", 1, err);
}

static bool
add_declarations(struct sled_css *css, struct cursor *in, struct sled_buf *out,
                 struct sled_err *err)
{
	while (in->at < in->end) {
		if (!add_declaration(css, in, out, err))
			return false;
		in->at += in->at < in->end;
	}
	return sled_buf_reserve(out, 1, err);
}

bool
sled_css_style(struct sled_css *css, struct sled_span in, struct sled_buf *out,
               struct sled_err *err)
{
	struct sled_buf text = { 0 };
	struct cursor all;
	bool ok = drop_comments(in, &text, err);

	all = (struct cursor){ text.data, text.data + text.len };
	ok = ok && add_declarations(css, &all, out, err);
	sled_buf_free(&text);
	return ok;
}

/* ---- selectors ---- */

/* ".name", "#name" or ":name" at IN. */
static bool
add_marked(struct cursor *in, struct sled_buf *out, struct sled_err *err)
{
	char mark = *in->at++;
	struct sled_span name;

	if (mark == ':' && in->at < in->end && *in->at == ':')
		in->at++;
	name = take_name(in);
	if (mark == ':' ? FIND_AMONG(name, pseudos) == NULL : name.len == 0)
		in->at = NULL; /* none of ours */
	return sled_buf_add(out, &mark, 1, err) &&
	       (mark == ':' || sled_buf_addstr(out, SLED_SAFE_PREFIX, err)) &&
	       sled_buf_add(out, name.data, name.len, err);
}

/* One selector of a list; *known false when it has more than we know. */
static bool
add_selector(struct cursor in, struct sled_buf *out, bool *known,
             struct sled_err *err)
{
	bool ok = true;

	skip_blanks(&in);
	*known = in.at < in.end;
	while (ok && in.at != NULL && in.at < in.end) {
		struct sled_span part = { in.at, 1 };

		if (*in.at == '.' || *in.at == '#' || *in.at == ':') {
			ok = add_marked(&in, out, err);
			continue;
		}
		if (is_name(*in.at))
			part = take_name(&in);
		else if (sled_markup_blank(*in.at) ||
		         strchr("*>+~", *in.at) != NULL)
			in.at++;
		else
			in.at = NULL;
		ok = sled_buf_add(
		    out, sled_markup_blank(*part.data) ? " " : part.data,
		    part.len, err);
	}
	*known = *known && in.at != NULL;
	return ok;
}

static bool
add_selectors(struct cursor in, struct sled_buf *out, struct sled_err *err)
{
	size_t from = out->len;

	while (in.at < in.end) {
		struct cursor one = in;
		size_t before = out->len;
		bool known;

		skip_to(&in, ",");
		one.end = in.at;
		in.at += in.at < in.end;
		if ((out->len > from && !sled_buf_add(out, ",", 1, err)) ||
		    !add_selector(one, out, &known, err))
			return false;
		if (!known)
			out->len = before;
	}
	return sled_buf_reserve(out, 1, err);
}

/* ---- rules ---- */

/* "selectors { declarations }" at IN, whose brace is at BRACE. */
static bool
add_rule(struct sled_css *css, struct cursor head, struct cursor block,
         struct sled_buf *out, struct sled_err *err)
{
	size_t from = out->len, middle;

	if (!add_selectors(head, out, err))
		return false;
	middle = out->len;
	if (!sled_buf_add(out, "{", 1, err) ||
	    !add_declarations(css, &block, out, err))
		return false;
	if (middle == from || out->len == middle + 1) {
		out->len = from;
		return true;
	}
	return sled_buf_add(out, "}\n", 2, err);
}

/* Words, and features in brackets of their own: no function. */
static bool
is_query(struct cursor in)
{
	const char *from = in.at;

	for (; in.at < in.end; in.at++)
		if ((*in.at == '(' && in.at > from && is_name(in.at[-1])) ||
		    (!is_name(*in.at) && !sled_markup_blank(*in.at) &&
		     (*in.at == '\0' || strchr("():,.", *in.at) == NULL)))
			return false;
	return true;
}

/* The block whose brace is at IN, which goes behind it. */
static struct cursor
take_block(struct cursor *in)
{
	struct cursor block = { in->at + 1, in->at + 1 };

	in->at++;
	skip_to(in, "}");
	block.end = in->at;
	in->at += in->at < in->end;
	return block;
}

static bool add_rules(struct sled_css *css, struct cursor in, bool inside,
                      struct sled_buf *out, struct sled_err *err);

/* "@media ... { rules }" is kept where it stands alone; each other at-rule
 * goes. */
/* NOLINTBEGIN(misc-no-recursion): once, and not inside itself */
static bool
add_at_rule(struct sled_css *css, struct cursor *in, bool inside,
            struct sled_buf *out, struct sled_err *err)
{
	struct cursor head, block;
	struct sled_span name;
	size_t from, middle;

	in->at++;
	name = take_name(in);
	head = *in;
	skip_to(in, "{;");
	head.end = in->at;
	css->loads += is_word(name, "import");
	if (in->at == in->end || *in->at == ';') {
		in->at += in->at < in->end;
		return true;
	}
	block = take_block(in);
	if (inside || !is_word(name, "media") || !is_query(head))
		return true;
	from = out->len;
	if (!sled_buf_addstr(out, "@media", err) ||
	    !sled_buf_add(out, head.at, (size_t)(head.end - head.at), err) ||
	    !sled_buf_add(out, "{\n", 2, err))
		return false;
	middle = out->len;
	if (!add_rules(css, block, true, out, err))
		return false;
	if (out->len > middle)
		return sled_buf_add(out, "}\n", 2, err);
	out->len = from;
	return true;
}

static bool
add_rules(struct sled_css *css, struct cursor in, bool inside,
          struct sled_buf *out, struct sled_err *err)
{
	bool ok = true;

	while (ok && in.at < in.end) {
		struct cursor head = in;

		if (sled_markup_blank(*in.at) || *in.at == ';' ||
		    *in.at == '}') {
			in.at++;
			continue;
		}
		if (*in.at == '@') {
			ok = add_at_rule(css, &in, inside, out, err);
			continue;
		}
		skip_to(&in, "{");
		head.end = in.at;
		if (in.at < in.end)
			ok = add_rule(css, head, take_block(&in), out, err);
	}
	return ok;
}

/* NOLINTEND(misc-no-recursion) */

/* <!-- and -->, which a sheet may stand in. */
static void
blank_marks(struct sled_buf *text)
{
	char *at = text->data;

	while ((at = strstr(at, "<!--")) != NULL)
		memset(at, ' ', 4);
	for (at = text->data; (at = strstr(at, "-->")) != NULL;)
		memset(at, ' ', 3);
}

bool
sled_css_sheet(struct sled_css *css, struct sled_span in, struct sled_buf *out,
               struct sled_err *err)
{
	struct sled_buf text = { 0 };
	bool ok;

	if (in.len > SHEET_MOST)
		in.len = SHEET_MOST;
	ok = drop_comments(in, &text, err);
	if (ok) {
		blank_marks(&text);
		ok = add_rules(
		    css, (struct cursor){ text.data, text.data + text.len },
		    false, out, err);
	}
	sled_buf_free(&text);
	return ok && sled_buf_reserve(out, 1, err);
}
