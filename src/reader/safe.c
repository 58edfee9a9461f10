/*
 * safe.c - a document that is harmless, made of one that may be anything; see
 * mailsled/reader.h.
 *
 * Nothing of the message's markup is copied: each tag is written anew from the
 * tables below, each value escaped, each element that was begun is ended. There
 * is no element among them whose content a browser reads by other rules (script,
 * title, textarea, svg, math, noscript; <style> is ours, of css.c), so the
 * browser sees the tags that are written here and no others.
 */
#include "reader/safe.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mailsled/reader.h"
#include "mailsled/text.h"
#include "reader/markup.h"

#define DEPTH_MOST    200    /* elements inside each other that are kept */
#define ELEMENTS_MOST 200000 /* of one document */
#define OUT_MOST      (32u << 20)
#define IN_MOST       (16u << 20)
#define VALUE_MOST    4096 /* octets of a value that is no picture */
#define TINY          3    /* pixels; a picture so small is not to be seen */
#define SMALL_WIDTH   60   /* pixels that words do not fit in */
#define SMALL_HEIGHT  14
#define UNKNOWN       UINT32_MAX

/* What is in it that is not of the message. The policy holds without a server
 * that says the same. */
static const char head_begin[] =
    "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\">"
    "<meta http-equiv=\"Content-Security-Policy\" content=\""
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'\">"
    "<meta name=\"referrer\" content=\"no-referrer\">"
    /* Browsers look up the names of links that nobody followed. */
    "<meta http-equiv=\"x-dns-prefetch-control\" content=\"off\">"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<style>\n";
static const char style_ours[] =
    "html{font:15px system-ui,sans-serif;overflow-wrap:break-word}\n"
    "body{margin:0;padding:12px}\n"
    "img,.sled-gap,.sled-picture{max-width:100%}\n"
    "pre{white-space:pre-wrap}\n"
    ".sled-gap,.sled-picture{display:inline-block;box-sizing:border-box}\n"
    ".sled-picture{overflow:hidden;padding:2px 6px;margin:1px;"
    "border:1px dashed #7a8794;border-radius:4px;font:12px/1.4 "
    "system-ui,sans-serif;color:#4a5662;background:#f1f4f7;"
    "text-align:left;vertical-align:middle;overflow-wrap:anywhere}\n"
    ".sled-sized{padding:0 3px;margin:0;font-size:11px;line-height:1.2}\n";
/* A letter that sets no colour takes those of the reader's choice; it has them
 * all, whatever is behind its frame. */
static const char style_plain[] =
    ":root{color-scheme:light dark;background:Canvas;color:CanvasText}\nbody{line-height:1.45}\n"
    "blockquote{margin:0.5em 0;padding-left:0.8em;"
    "border-left:3px solid #9ab}\n";
static const char style_coloured[] =
    ":root{color-scheme:light;background:#fff;color:#000}\n";

enum kind {
	DROPPED, /* the tags, not what is between them */
	KEPT,
	EMPTY,  /* nothing is ever between them */
	HIDDEN, /* with all that is in it */
	EMBED,  /* that too, and counted */
	SCRIPT,
	STYLE,
	FORM,
	PICTURE,
	BODY,
};

static const struct element {
	const char *name;
	enum kind kind;
} elements[] = {
	{ "a", KEPT },          { "abbr", KEPT },       { "acronym", KEPT },
	{ "address", KEPT },    { "applet", EMBED },    { "area", DROPPED },
	{ "article", KEPT },    { "aside", KEPT },      { "audio", EMBED },
	{ "b", KEPT },          { "bdi", KEPT },        { "bdo", KEPT },
	{ "big", KEPT },        { "blockquote", KEPT }, { "body", BODY },
	{ "br", EMPTY },        { "canvas", EMBED },    { "caption", KEPT },
	{ "center", KEPT },     { "cite", KEPT },       { "code", KEPT },
	{ "col", EMPTY },       { "colgroup", KEPT },   { "datalist", HIDDEN },
	{ "dd", KEPT },         { "del", KEPT },        { "details", KEPT },
	{ "dfn", KEPT },        { "div", KEPT },        { "dl", KEPT },
	{ "dt", KEPT },         { "em", KEPT },         { "figcaption", KEPT },
	{ "figure", KEPT },     { "font", KEPT },       { "footer", KEPT },
	{ "form", FORM },       { "frameset", EMBED },  { "h1", KEPT },
	{ "h2", KEPT },         { "h3", KEPT },         { "h4", KEPT },
	{ "h5", KEPT },         { "h6", KEPT },         { "header", KEPT },
	{ "hr", EMPTY },        { "i", KEPT },          { "iframe", EMBED },
	{ "image", PICTURE },   { "img", PICTURE },     { "ins", KEPT },
	{ "kbd", KEPT },        { "li", KEPT },         { "main", KEPT },
	{ "mark", KEPT },       { "math", EMBED },      { "nav", KEPT },
	{ "noembed", HIDDEN },  { "noframes", HIDDEN }, { "object", EMBED },
	{ "ol", KEPT },         { "p", KEPT },          { "pre", KEPT },
	{ "q", KEPT },          { "rp", KEPT },         { "rt", KEPT },
	{ "ruby", KEPT },       { "s", KEPT },          { "samp", KEPT },
	{ "script", SCRIPT },   { "section", KEPT },    { "select", HIDDEN },
	{ "small", KEPT },      { "span", KEPT },       { "strike", KEPT },
	{ "strong", KEPT },     { "style", STYLE },     { "sub", KEPT },
	{ "summary", KEPT },    { "sup", KEPT },        { "svg", EMBED },
	{ "table", KEPT },      { "tbody", KEPT },      { "td", KEPT },
	{ "template", HIDDEN }, { "tfoot", KEPT },      { "th", KEPT },
	{ "thead", KEPT },      { "title", HIDDEN },    { "tr", KEPT },
	{ "tt", KEPT },         { "u", KEPT },          { "ul", KEPT },
	{ "var", KEPT },        { "video", EMBED },     { "wbr", EMPTY },
};

enum form {
	TEXT,   /* of any kind */
	SIZE,   /* 12, 12%, +1 */
	WORD,   /* letters, digits, "-" */
	COLOUR, /* a word, or # and digits */
	MARK,   /* an id */
	MARKS,  /* classes */
	DECLARATIONS,
	LINK,
	LOADS, /* left out and counted */
};

static const struct attribute {
	const char *name;
	enum form form;
} attributes[] = {
	{ "abbr", TEXT },        { "align", WORD },
	{ "alt", TEXT },         { "aria-hidden", WORD },
	{ "background", LOADS }, { "bgcolor", COLOUR },
	{ "border", SIZE },      { "bordercolor", COLOUR },
	{ "cellpadding", SIZE }, { "cellspacing", SIZE },
	{ "class", MARKS },      { "clear", WORD },
	{ "color", COLOUR },     { "cols", SIZE },
	{ "colspan", SIZE },     { "compact", WORD },
	{ "datetime", TEXT },    { "dir", WORD },
	{ "face", TEXT },        { "height", SIZE },
	{ "href", LINK },        { "hspace", SIZE },
	{ "id", MARK },          { "lang", WORD },
	{ "noshade", WORD },     { "nowrap", WORD },
	{ "open", WORD },        { "reversed", WORD },
	{ "role", WORD },        { "rowspan", SIZE },
	{ "rules", WORD },       { "scope", WORD },
	{ "size", SIZE },        { "span", SIZE },
	{ "start", SIZE },       { "style", DECLARATIONS },
	{ "text", COLOUR },      { "title", TEXT },
	{ "type", WORD },        { "valign", WORD },
	{ "value", SIZE },       { "vspace", SIZE },
	{ "width", SIZE },
};

struct page {
	struct sled_html_safe *how;
	struct sled_err *err;
	struct sled_buf text, body, sheet, raw; /* raw: of a <style> */
	struct sled_css css;
	bool failed, stop;               /* stop: failed, or enough */
	unsigned open;                   /* elements, kept or not */
	unsigned hidden;                 /* the outermost hidden one, or 0 */
	bool sheets;                     /* that is a <style> */
	bool begun;                      /* the body */
	unsigned kept;                   /* elements so far */
	const char *end[DEPTH_MOST + 1]; /* of each that is open: how it ends */
};

/* ---- written ---- */

static void
check(struct page *page, bool ok)
{
	page->failed = page->failed || !ok;
	page->stop = page->stop || page->failed;
}

static void
puts_to(struct page *page, const char *text)
{
	if (!page->failed)
		check(page, sled_buf_addstr(&page->text, text, page->err));
}

/* What stands for CHAR in text and in quoted values; NULL: itself. */
static const char *
reference(char c)
{
	if (c == '`')
		return "&#96;";
	if (((unsigned char)c < ' ' && c != '\n' && c != '\t') || c == 0x7f)
		return " ";
	return sled_text_reference(c);
}

static bool
add_escaped(struct sled_buf *out, struct sled_span in, struct sled_err *err)
{
	size_t done = 0;

	for (size_t i = 0; i < in.len; i++) {
		const char *other = reference(in.data[i]);

		if (other == NULL)
			continue;
		if (!sled_buf_add(out, in.data + done, i - done, err) ||
		    !sled_buf_addstr(out, other, err))
			return false;
		done = i + 1;
	}
	return sled_buf_add(out, in.data + done, in.len - done, err);
}

static void
put_escaped(struct page *page, struct sled_span in)
{
	if (!page->failed)
		check(page, add_escaped(&page->text, in, page->err));
}

static struct sled_span
span_of(const char *text)
{
	return (struct sled_span){ text, strlen(text) };
}

/* ---- attributes ---- */

static bool
is_form(enum form form, const char *value)
{
	static const char digits[] = "0123456789";
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t len = strlen(value), n;

	if (form == SIZE) {
		value += *value == '+' || *value == '-';
		n = strspn(value, "0123456789.");
		return n > 0 && n <= 6 &&
		       (value[n] == '\0' || strcmp(value + n, "%") == 0 ||
		        strcasecmp(value + n, "px") == 0);
	}
	value += form == COLOUR && *value == '#';
	for (n = 0; value[n] != '\0'; n++)
		if (strchr(digits, value[n]) == NULL &&
		    strchr(letters, value[n]) == NULL && value[n] != '-')
			return false;
	return len <= 40;
}

/* Names of classes or one of an id, each with our prefix. */
static bool
add_marks(struct sled_buf *out, const char *value, struct sled_err *err)
{
	static const char blanks[] = " \t\r\n\f";

	while (*(value += strspn(value, blanks)) != '\0') {
		size_t len = strcspn(value, blanks);

		if (!sled_buf_addstr(out, out->len > 0 ? " " : "", err) ||
		    !sled_buf_addstr(out, SLED_SAFE_PREFIX, err) ||
		    !sled_buf_add(out, value, len, err))
			return false;
		value += len;
	}
	return sled_buf_reserve(out, 1, err);
}

/* What VALUE becomes; empty: the attribute goes. */
static bool
make_value(struct page *page, enum form form, const char *value,
           struct sled_buf *out)
{
	switch (form) {
	case TEXT:
		return sled_buf_addstr(out, value, page->err);
	case SIZE:
	case WORD:
	case COLOUR:
		page->css.coloured = page->css.coloured || form == COLOUR;
		return !is_form(form, value) ||
		       sled_buf_addstr(out, value, page->err);
	case MARK:
	case MARKS:
		return add_marks(out, value, page->err);
	case DECLARATIONS:
		return sled_css_style(&page->css, span_of(value), out,
		                      page->err);
	case LINK:
		page->how->scripts += sled_url_runs(span_of(value));
		if (*value == '#')
			return sled_buf_addstr(out, "#" SLED_SAFE_PREFIX,
			                       page->err) &&
			       sled_buf_addstr(out, value + 1, page->err);
		return sled_url_link(span_of(value), out, page->err);
	case LOADS:
		page->how->pictures++;
		break;
	}
	return true;
}

static void
put_attribute(struct page *page, const char *name, struct sled_span value)
{
	puts_to(page, " ");
	puts_to(page, name);
	puts_to(page, "=\"");
	put_escaped(page, value);
	puts_to(page, "\"");
}

/* A link leads to a page of its own, and says where. */
static void
put_link(struct page *page, struct sled_span to)
{
	put_attribute(page, "href", to);
	if (*to.data == '#')
		return;
	put_attribute(page, "title", to);
	puts_to(page, " target=\"_blank\" rel=\"noreferrer noopener\"");
}

static void
take_attribute(struct page *page, const char *element, const char *name,
               const char *value)
{
	const struct attribute *known =
	    bsearch(name, attributes, sizeof(attributes) / sizeof(*attributes),
	            sizeof(*attributes), sled_markup_compare);
	struct sled_buf made = { 0 };

	page->how->scripts += strncmp(name, "on", 2) == 0;
	if (known == NULL || page->failed)
		return;
	if (value == NULL)
		value = name; /* <td nowrap> */
	if (strlen(value) > VALUE_MOST && known->form != DECLARATIONS)
		return;
	check(page, make_value(page, known->form, value, &made));
	if (made.len > 0 && known->form != LINK)
		put_attribute(page, name, sled_buf_span(&made));
	else if (made.len > 0 && strcmp(element, "a") == 0)
		put_link(page, sled_buf_span(&made));
	sled_buf_free(&made);
}

/* A link's own title could tell of another place than the one it leads to. */
static void
take_attributes(struct page *page, const char *element, const xmlChar **list)
{
	bool link = strcmp(element, "a") == 0 &&
	            sled_markup_attribute(list, "href") != NULL;

	for (; list != NULL && list[0] != NULL && !page->stop; list += 2)
		if (!link || strcmp((const char *)list[0], "title") != 0)
			take_attribute(page, element, (const char *)list[0],
			               (const char *)list[1]);
}

/* ---- pictures ---- */

/* So many pixels; UNKNOWN: not said. */
static unsigned
pixels(const xmlChar **list, const char *name)
{
	const char *value = sled_markup_attribute(list, name);
	char *end;
	unsigned long n;

	if (value == NULL || *value < '0' || *value > '9')
		return UNKNOWN;
	n = strtoul(value, &end, 10);
	return *end == '%' || n > 10000 ? UNKNOWN : (unsigned)n;
}

struct size {
	unsigned width, height; /* UNKNOWN: not said */
};

static struct size
size_of(const xmlChar **list)
{
	return (struct size){ pixels(list, "width"), pixels(list, "height") };
}

static bool
is_known(struct size size)
{
	return size.width != UNKNOWN && size.height != UNKNOWN;
}

/* Not to be seen, only to be fetched. */
static bool
is_tracker(const xmlChar **list, struct size size)
{
	unsigned larger = size.width > size.height ? size.width : size.height;
	unsigned smaller = size.width < size.height ? size.width : size.height;

	return sled_markup_hidden(list) || smaller == 0 || larger <= TINY ||
	       (smaller <= TINY && larger == UNKNOWN);
}

/* As large as the picture would have been, where that is known. */
static void
put_box_size(struct page *page, struct size size)
{
	struct sled_buf style = { 0 };

	if (!is_known(size) || page->failed)
		return;
	check(page, sled_buf_printf(&style, page->err, "width:%upx;height:%upx",
	                            size.width, size.height));
	if (style.len > 0)
		put_attribute(page, "style", sled_buf_span(&style));
	sled_buf_free(&style);
}

static void
put_box_text(struct page *page, const char *alt, const struct sled_buf *host)
{
	if (alt != NULL && strlen(alt) <= VALUE_MOST)
		put_escaped(page, span_of(alt));
	puts_to(page, alt != NULL && *alt != '\0' ? " (" : "(");
	puts_to(page, host->len > 0 ? "picture at " : "no picture");
	put_escaped(page, sled_buf_span(host));
	puts_to(page, ")");
}

/* In the place of the picture at URL, a whole one or empty. Where it was only
 * to fill a gap, the gap is kept. */
static void
put_box(struct page *page, const xmlChar **list, const struct sled_buf *url)
{
	struct size size = size_of(list);
	bool gap = size.width <= TINY || size.height <= TINY;
	bool small = size.width < SMALL_WIDTH || size.height < SMALL_HEIGHT;
	struct sled_buf host = { 0 };

	check(page, sled_url_host(sled_buf_span(url), &host, page->err));
	if (page->failed)
		return;
	puts_to(page, gap ? "<span class=\"sled-gap\""
	              : is_known(size)
	                  ? "<span class=\"sled-picture sled-sized\""
	                  : "<span class=\"sled-picture\"");
	put_box_size(page, size);
	if (!gap && url->len > 0 && url->len <= VALUE_MOST)
		put_attribute(page, "title", sled_buf_span(url));
	puts_to(page, ">");
	if (!gap && !small)
		put_box_text(page, sled_markup_attribute(list, "alt"), &host);
	puts_to(page, "</span>");
	sled_buf_free(&host);
}

static void
put_picture(struct page *page, const xmlChar **list, const struct sled_buf *url)
{
	puts_to(page, "<img src=\"");
	put_escaped(page, sled_buf_span(url));
	puts_to(page, "\"");
	take_attributes(page, "img", list);
	puts_to(page, ">");
}

/* Where the message's own picture SRC is; empty: it is not one. */
static bool
find_own(struct page *page, struct sled_span src, struct sled_buf *url)
{
	struct sled_html_safe *how = page->how;
	struct sled_buf cid = { 0 };
	bool ok = sled_url_data(src, url, page->err) &&
	          (url->len > 0 || sled_url_cid(src, &cid, page->err));

	if (ok && cid.len > 0 && how->picture != NULL)
		ok = how->picture(how->ctx, cid.data, url, page->err);
	sled_buf_free(&cid);
	return ok;
}

static void
take_picture(struct page *page, const xmlChar **list)
{
	const char *src = sled_markup_attribute(list, "src");
	struct sled_buf own = { 0 }, far = { 0 };

	if (src == NULL)
		src = "";
	check(page, find_own(page, span_of(src), &own) &&
	                sled_url_link(span_of(src), &far, page->err));
	page->how->scripts += sled_url_runs(span_of(src));
	page->how->pictures += far.len > 0;
	if (page->failed)
		; /* said at the end */
	else if (own.len > 0)
		put_picture(page, list, &own);
	else if (is_tracker(list, size_of(list)))
		page->how->trackers += far.len > 0;
	else
		put_box(page, list, &far);
	sled_buf_free(&own);
	sled_buf_free(&far);
}

/* ---- elements ---- */

static void
put_element(struct page *page, const struct element *element,
            const xmlChar **list)
{
	if (page->open > DEPTH_MOST)
		return;
	puts_to(page, "<");
	puts_to(page, element->name);
	take_attributes(page, element->name, list);
	puts_to(page, ">");
	if (element->kind == KEPT)
		page->end[page->open] = element->name;
}

/* What stands in <body ...> goes into ours, of the first one. */
static void
take_body(struct page *page, const xmlChar **list)
{
	struct sled_buf text = page->text;

	if (page->begun)
		return;
	page->begun = true;
	page->text = page->body;
	take_attributes(page, "body", list);
	page->body = page->text;
	page->text = text;
}

static void
hide(struct page *page, enum kind kind)
{
	page->how->scripts += kind == SCRIPT;
	page->how->embeds += kind == EMBED;
	page->hidden = page->open;
	page->sheets = kind == STYLE;
}

static void
take_element(struct page *page, const struct element *element,
             const xmlChar **list)
{
	switch (element->kind) {
	case KEPT:
	case EMPTY:
		put_element(page, element, list);
		break;
	case HIDDEN:
	case EMBED:
	case SCRIPT:
	case STYLE:
		hide(page, element->kind);
		break;
	case FORM:
		page->how->forms++;
		break;
	case PICTURE:
		take_picture(page, list);
		break;
	case BODY:
		take_body(page, list);
		break;
	case DROPPED:
		break;
	}
}

static void
on_begin(void *ctx, const xmlChar *name, const xmlChar **list)
{
	struct page *page = ctx;
	const struct element *element =
	    bsearch(name, elements, sizeof(elements) / sizeof(*elements),
	            sizeof(*elements), sled_markup_compare);

	page->open++;
	if (page->open <= DEPTH_MOST)
		page->end[page->open] = NULL;
	if (page->stop || page->hidden > 0 || element == NULL)
		return;
	if (++page->kept > ELEMENTS_MOST || page->text.len > OUT_MOST)
		page->stop = page->how->cut = true;
	else
		take_element(page, element, list);
}

static void
end_element(struct page *page)
{
	const char *name =
	    page->open <= DEPTH_MOST ? page->end[page->open] : NULL;

	if (page->hidden == page->open)
		page->hidden = 0;
	if (name != NULL) {
		puts_to(page, "</");
		puts_to(page, name);
		puts_to(page, ">");
	}
	page->open--;
}

/* The sheet of a <style>, as far as it is harmless. */
static void
take_sheet(struct page *page)
{
	if (!page->failed)
		check(page,
		      sled_css_sheet(&page->css, sled_buf_span(&page->raw),
		                     &page->sheet, page->err));
	page->raw.len = 0;
	page->sheets = false;
}

static void
on_end(void *ctx, const xmlChar *name)
{
	struct page *page = ctx;

	(void)name;
	if (page->open == 0)
		return;
	if (page->hidden == page->open && page->sheets)
		take_sheet(page);
	end_element(page);
}

static void
on_text(void *ctx, const xmlChar *text, int len)
{
	struct page *page = ctx;

	if (page->hidden > 0 || page->stop || len <= 0)
		return;
	if (page->text.len > OUT_MOST)
		page->stop = page->how->cut = true;
	else
		put_escaped(page, (struct sled_span){ (const char *)text,
		                                      (size_t)len });
}

static void
on_raw(void *ctx, const xmlChar *text, int len)
{
	struct page *page = ctx;

	if (page->sheets && page->hidden == page->open && !page->stop &&
	    len > 0)
		check(page,
		      sled_buf_add(&page->raw, text, (size_t)len, page->err));
}

/* ---- the document ---- */

static bool
parse(struct page *page, struct sled_span html)
{
	struct sled_markup events = { .begin = on_begin,
		                      .end = on_end,
		                      .text = on_text,
		                      .raw = on_raw,
		                      .stop = &page->stop,
		                      .open = &page->open };
	struct sled_buf text = { 0 };
	bool ok =
	    sled_charset_utf8(&text, html, NULL, page->err) &&
	    sled_markup_parse(&events, page, sled_buf_span(&text), page->err);

	page->how->cut = page->how->cut || events.cut;
	while (page->open > 0)
		end_element(page);
	sled_buf_free(&text);
	return ok && !page->failed;
}

static bool
join(struct page *page, struct sled_buf *out)
{
	const char *scheme = page->css.coloured ? style_coloured : style_plain;

	return sled_buf_addstr(out, head_begin, page->err) &&
	       sled_buf_addstr(out, scheme, page->err) &&
	       sled_buf_addstr(out, style_ours, page->err) &&
	       sled_buf_add(out, page->sheet.data, page->sheet.len,
	                    page->err) &&
	       sled_buf_addstr(out, "</style></head>\n<body", page->err) &&
	       sled_buf_add(out, page->body.data, page->body.len, page->err) &&
	       sled_buf_addstr(out, ">\n", page->err) &&
	       sled_buf_add(out, page->text.data, page->text.len, page->err) &&
	       sled_buf_addstr(out, "\n</body></html>\n", page->err);
}

bool
sled_html_safe(struct sled_buf *out, struct sled_span html,
               struct sled_html_safe *how, struct sled_err *err)
{
	struct page page = { .how = how, .err = err };
	bool ok;

	*how =
	    (struct sled_html_safe){ .picture = how->picture, .ctx = how->ctx };
	how->cut = html.len > IN_MOST;
	if (how->cut)
		html.len = IN_MOST;
	ok = parse(&page, html) && join(&page, out);
	how->pictures += page.css.loads;
	sled_buf_free(&page.text);
	sled_buf_free(&page.body);
	sled_buf_free(&page.sheet);
	sled_buf_free(&page.raw);
	return ok;
}
