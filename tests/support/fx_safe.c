/* fx_safe.c - is this document harmless? See fx_safe.h. */
#include "fx_safe.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEPTH_MOST 300
#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

struct scan {
	const char *at, *end;
	const char *fault;
	struct sled_span open[DEPTH_MOST]; /* elements */
	size_t depth;
	bool body; /* we are in it */
};

static void
refuse(struct scan *scan, const char *fault)
{
	if (scan->fault == NULL)
		scan->fault = fault;
	scan->at = scan->end;
}

static bool
is(struct sled_span name, const char *word)
{
	return name.len == strlen(word) &&
	       memcmp(name.data, word, name.len) == 0;
}

static bool
is_one(struct sled_span name, const char *const *words)
{
	for (; *words != NULL; words++)
		if (is(name, *words))
			return true;
	return false;
}

static bool
begins(struct sled_span text, const char *with)
{
	return text.len >= strlen(with) &&
	       strncasecmp(text.data, with, strlen(with)) == 0;
}

static bool
begins_one(struct sled_span text, const char *const *words)
{
	for (; *words != NULL; words++)
		if (begins(text, *words))
			return true;
	return false;
}

static bool
has(struct sled_span text, const char *needle)
{
	return memmem(text.data, text.len, needle, strlen(needle)) != NULL;
}

/* Gone past at AT: of the octets in SET. */
static struct sled_span
take(struct scan *scan, const char *set)
{
	struct sled_span word = { scan->at, 0 };

	while (scan->at < scan->end && *scan->at != '\0' &&
	       strchr(set, *scan->at) != NULL)
		scan->at++;
	word.len = (size_t)(scan->at - word.data);
	return word;
}

#define LETTERS "abcdefghijklmnopqrstuvwxyz"
#define NAME    LETTERS "0123456789-"

static bool
took(struct scan *scan, const char *text)
{
	struct sled_span rest = { scan->at, (size_t)(scan->end - scan->at) };

	if (!begins(rest, text))
		return false;
	scan->at += strlen(text);
	return true;
}

/* ---- styles ---- */

static void
check_property(struct scan *scan, struct sled_span name)
{
	static const char *const never[] = { "list-style-image",
		                             "background-attachment",
		                             "border-image", NULL };
	static const char *const groups[] = {
		"background", "border", "column", "font",       "list-style",
		"margin",     "max-",   "min-",   "outline",    "overflow",
		"padding",    "text-",  "word-",  "page-break", NULL
	};

	if (begins_one(name, never) ||
	    (!begins_one(name, groups) &&
	     !is_one(name,
	             WORDS("box-sizing", "caption-side", "clear", "color",
	                   "color-scheme", "direction", "display",
	                   "empty-cells", "float", "height", "hyphens",
	                   "letter-spacing", "line-height", "opacity",
	                   "orphans", "quotes", "tab-size", "table-layout",
	                   "unicode-bidi", "vertical-align", "visibility",
	                   "white-space", "widows", "width"))))
		refuse(scan, "a property");
}

/* Each bracket is one of arithmetic, a colour, or a medium's. */
static void
check_functions(struct scan *scan, struct sled_span css)
{
	for (size_t i = 0; i < css.len; i++) {
		struct sled_span name = { css.data + i, 0 };

		if (css.data[i] != '(')
			continue;
		while (name.data > css.data &&
		       strchr(NAME "_\\", name.data[-1] | 0x20) != NULL)
			name.data--, name.len++;
		if (name.len++ > 0 &&
		    !begins_one(name, WORDS("calc(", "clamp(", "hsl(", "hsla(",
		                            "linear-gradient(", "max(", "min(",
		                            "rgb(", "rgba(", "media(")))
			refuse(scan, "a function");
	}
}

static void
check_declarations(struct scan *scan, struct sled_span css)
{
	while (css.len > 0) {
		const char *end = memchr(css.data, ';', css.len);
		size_t len = end == NULL ? css.len : (size_t)(end - css.data);
		const char *colon = memchr(css.data, ':', len);
		struct sled_span name = css;

		if (colon == NULL) {
			refuse(scan, "no declaration");
			return;
		}
		name.len = (size_t)(colon - css.data);
		while (name.len > 0 && strchr(" \n", *name.data) != NULL)
			name.data++, name.len--;
		if (name.len > 0 && (*name.data & 0x20) != 0)
			check_property(scan, name);
		len += end != NULL;
		css.data += len;
		css.len -= len;
	}
}

static void
check_css(struct scan *scan, struct sled_span css)
{
	if (has(css, "\\") || has(css, "<") || has(css, "/*") ||
	    has(css, "//") || has(css, "[") || has(css, "\""))
		refuse(scan, "a sign in a style");
	check_functions(scan, css);
}

/* Blocks in blocks: the inner ones are declarations. */
static void
check_sheet(struct scan *scan, struct sled_span css)
{
	const char *open = NULL;
	unsigned deep = 0;

	check_css(scan, css);
	for (size_t i = 0; i < css.len; i++) {
		char c = css.data[i];

		if (c == '@' &&
		    !begins((struct sled_span){ css.data + i, css.len - i },
		            "@media"))
			refuse(scan, "an at-rule");
		if (c == '{') {
			open = css.data + i + 1;
			deep++;
		}
		if (c == '}' && open != NULL)
			check_declarations(
			    scan, (struct sled_span){
				      open, (size_t)(css.data + i - open) });
		if (c == '}') {
			open = NULL;
			deep--;
		}
		if (deep > 2)
			refuse(scan, "a block in a block in a block");
	}
	if (deep != 0)
		refuse(scan, "an open block");
}

/* ---- attributes ---- */

static bool
is_link(struct sled_span value)
{
	return begins_one(value,
	                  WORDS("http://", "https://", "mailto:", "#m-"));
}

static bool
is_picture(struct sled_span value)
{
	return begins_one(
	    value, WORDS(FX_SAFE_PICTURE, "data:image/png;base64,",
	                 "data:image/gif;base64,", "data:image/jpeg;base64,",
	                 "data:image/jpg;base64,", "data:image/webp;base64,",
	                 "data:image/bmp;base64,"));
}

static bool
is_plain(struct sled_span name)
{
	return is_one(
	    name,
	    WORDS("abbr", "align", "alt", "aria-hidden", "bgcolor", "border",
	          "bordercolor", "cellpadding", "cellspacing", "class", "clear",
	          "color", "cols", "colspan", "compact", "datetime", "dir",
	          "face", "height", "hspace", "id", "lang", "noshade", "nowrap",
	          "open", "reversed", "role", "rowspan", "rules", "scope",
	          "size", "span", "start", "style", "text", "title", "type",
	          "valign", "value", "vspace", "width"));
}

static void
check_attribute(struct scan *scan, struct sled_span element,
                struct sled_span name, struct sled_span value)
{
	bool ok = is_plain(name);

	if (is(name, "href"))
		ok = is(element, "a") && is_link(value);
	else if (is(name, "src"))
		ok = is(element, "img") && is_picture(value);
	else if (is(name, "target"))
		ok = is(element, "a") && is(value, "_blank");
	else if (is(name, "rel"))
		ok = is(element, "a") && is(value, "noreferrer noopener");
	else if (is(name, "class") || is(name, "id"))
		ok =
		    begins(value, "m-") ||
		    is_one(value, WORDS("sled-picture",
		                        "sled-picture sled-sized", "sled-gap"));
	if (is(element, "meta") && !scan->body)
		ok = is_one(name,
		            WORDS("charset", "name", "content", "http-equiv"));
	if (!ok)
		refuse(scan, "an attribute");
}

/* A value with its quotes' references resolved, for a style. */
static void
check_style(struct scan *scan, struct sled_span value)
{
	char *text = malloc(value.len + 1);
	struct sled_span css = { text, 0 };

	if (text == NULL)
		abort();
	for (size_t i = 0; i < value.len; i++) {
		struct sled_span rest = { value.data + i, value.len - i };

		if (begins(rest, "&#39;")) {
			text[css.len++] = '\'';
			i += 4;
		} else if (value.data[i] == '&') {
			refuse(scan, "a reference in a style");
		} else {
			text[css.len++] = value.data[i];
		}
	}
	check_css(scan, css);
	check_declarations(scan, css);
	free(text);
}

static void
take_attribute(struct scan *scan, struct sled_span element)
{
	struct sled_span name = take(scan, NAME), value;
	const char *close;

	if (name.len == 0 || !took(scan, "=\"")) {
		refuse(scan, "a tag's form");
		return;
	}
	close = memchr(scan->at, '"', (size_t)(scan->end - scan->at));
	if (close == NULL) {
		refuse(scan, "a value without an end");
		return;
	}
	value = (struct sled_span){ scan->at, (size_t)(close - scan->at) };
	if (memchr(value.data, '<', value.len) != NULL ||
	    memchr(value.data, '>', value.len) != NULL)
		refuse(scan, "a bracket in a value");
	check_attribute(scan, element, name, value);
	if (is(name, "style"))
		check_style(scan, value);
	if (scan->fault == NULL)
		scan->at = close + 1;
}

/* ---- elements ---- */

static bool
is_head(struct sled_span name)
{
	return is_one(name, WORDS("html", "head", "meta", "style", "body"));
}

static bool
is_allowed(struct sled_span name)
{
	return is_one(
	    name,
	    WORDS("a", "abbr", "acronym", "address", "article", "aside", "b",
	          "bdi", "bdo", "big", "blockquote", "br", "caption", "center",
	          "cite", "code", "col", "colgroup", "dd", "del", "details",
	          "dfn", "div", "dl", "dt", "em", "figcaption", "figure",
	          "font", "footer", "h1", "h2", "h3", "h4", "h5", "h6",
	          "header", "hr", "i", "img", "ins", "kbd", "li", "main",
	          "mark", "nav", "ol", "p", "pre", "q", "rp", "rt", "ruby", "s",
	          "samp", "section", "small", "span", "strike", "strong", "sub",
	          "summary", "sup", "table", "tbody", "td", "tfoot", "th",
	          "thead", "tr", "tt", "u", "ul", "var", "wbr"));
}

static void
begin_element(struct scan *scan)
{
	struct sled_span name = take(scan, NAME);
	const char *close;

	if (scan->body ? !is_allowed(name) : !is_head(name))
		refuse(scan, "an element");
	while (scan->fault == NULL && took(scan, " "))
		if (*scan->at != '>' && *scan->at != ' ')
			take_attribute(scan, name);
	if (!took(scan, ">"))
		refuse(scan, "a tag's end");
	scan->body = scan->body || is(name, "body");
	if (scan->fault == NULL && is(name, "style")) {
		close = memmem(scan->at, (size_t)(scan->end - scan->at),
		               "</style>", 8);
		if (close == NULL) {
			refuse(scan, "an open style");
			return;
		}
		check_sheet(scan, (struct sled_span){
				      scan->at, (size_t)(close - scan->at) });
		if (scan->fault == NULL)
			scan->at = close;
	}
	if (is_one(name, WORDS("br", "col", "hr", "img", "meta", "wbr")))
		return;
	if (scan->depth == DEPTH_MOST)
		refuse(scan, "too deep");
	else
		scan->open[scan->depth++] = name;
}

static void
end_element(struct scan *scan)
{
	struct sled_span name = take(scan, NAME), last;

	if (scan->depth == 0 || !took(scan, ">")) {
		refuse(scan, "an end");
		return;
	}
	last = scan->open[--scan->depth];
	if (last.len != name.len || memcmp(last.data, name.data, name.len) != 0)
		refuse(scan, "an end of another element");
}

const char *
fx_safe_fault(struct sled_span document)
{
	struct scan scan = { .at = document.data,
		             .end = document.data + document.len };

	if (!took(&scan, "<!DOCTYPE html>\n<html><head><meta charset"))
		return "no beginning";
	scan.at = document.data + strlen("<!DOCTYPE html>");
	if (!has(document, "content=\"default-src 'none'; "))
		return "no policy";
	while (scan.at < scan.end) {
		char c = *scan.at++;

		if (c == '>' || c == '"' || c == '\0')
			refuse(&scan, "a sign in the text");
		else if (c == '<' && took(&scan, "/"))
			end_element(&scan);
		else if (c == '<')
			begin_element(&scan);
	}
	if (scan.fault == NULL && scan.depth > 0)
		return "an element is open";
	return scan.fault;
}
