/*
 * html.c - what a person would read of an HTML part; see mailsled/reader.h.
 *
 * Layout is that of a letter: paragraphs, lists, quotes; the tables of mail are
 * mostly layout, so a row is a line and a cell a gap.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mailsled/reader.h"
#include "reader/markup.h"

#define DEPTH_MOST 64   /* lists and quotes deeper than this look alike */
#define LINKS_MOST 500  /* that are listed */
#define OPEN_MOST  4096 /* elements inside each other that are counted */

enum kind {
	INLINE,
	BREAK,  /* a line of its own */
	BLOCK,  /* set off by an empty line */
	HIDDEN, /* with all that is in it */
	QUOTE,
	LIST,
	ITEM,
	CELL,
	PRE,
	RULE,
	LINK,
	IMAGE,
	NEXT_LINE,
};

static const struct element {
	const char *name;
	enum kind kind;
} elements[] = {
	{ "a", LINK },        { "address", BREAK },    { "article", BLOCK },
	{ "aside", BLOCK },   { "blockquote", QUOTE }, { "br", NEXT_LINE },
	{ "caption", BREAK }, { "center", BREAK },     { "dd", BREAK },
	{ "div", BREAK },     { "dl", BLOCK },         { "dt", BREAK },
	{ "figure", BLOCK },  { "footer", BLOCK },     { "form", BREAK },
	{ "h1", BLOCK },      { "h2", BLOCK },         { "h3", BLOCK },
	{ "h4", BLOCK },      { "h5", BLOCK },         { "h6", BLOCK },
	{ "header", BLOCK },  { "hr", RULE },          { "iframe", HIDDEN },
	{ "img", IMAGE },     { "li", ITEM },          { "main", BLOCK },
	{ "nav", BLOCK },     { "object", HIDDEN },    { "ol", LIST },
	{ "p", BLOCK },       { "pre", PRE },          { "script", HIDDEN },
	{ "section", BLOCK }, { "select", HIDDEN },    { "style", HIDDEN },
	{ "svg", HIDDEN },    { "table", BREAK },      { "tbody", BREAK },
	{ "td", CELL },       { "template", HIDDEN },  { "th", CELL },
	{ "title", HIDDEN },  { "tr", BREAK },         { "ul", LIST },
};

struct page {
	struct sled_buf *out;
	struct sled_err *err;
	bool failed, links;
	bool stop;       /* failed, or enough */
	size_t end;      /* of out: then it is enough */
	bool begun;      /* some text is there */
	unsigned lines;  /* line ends owed before the next text */
	bool blank, gap; /* a space, or the gap of a cell, owed */
	bool fresh;      /* at the beginning of a line */
	unsigned quotes, pre;
	unsigned lists;
	int count[DEPTH_MOST]; /* of the items so far; -1: not numbered */
	unsigned open, hidden; /* elements; the outermost hidden one, or 0 */
	struct sled_buf where; /* links, each with its NUL */
	unsigned links_len;
	const char *link; /* of the <a> we are in: its place in where + 1 */
	size_t text_from; /* where its text begins */
};

static void
put(struct page *page, const char *data, size_t len)
{
	if (page->stop)
		return;
	page->failed = !sled_buf_add(page->out, data, len, page->err);
	page->stop = page->failed || page->out->len > page->end;
}

static void
puts_to(struct page *page, const char *text)
{
	put(page, text, strlen(text));
}

static void
owe_lines(struct page *page, unsigned lines)
{
	if (page->lines < lines)
		page->lines = lines;
	page->blank = page->gap = false;
}

static void
put_times(struct page *page, const char *text, unsigned times)
{
	for (unsigned i = 0; i < times && i < DEPTH_MOST; i++)
		puts_to(page, text);
}

/* What stands before text: the line ends owed, quote marks, indents. */
static void
begin_text(struct page *page)
{
	bool start = !page->begun || page->lines > 0;

	for (; page->begun && page->lines > 0 && !page->stop; page->lines--) {
		puts_to(page, "\n");
		if (page->lines > 1)
			put_times(page, ">", page->quotes);
	}
	page->lines = 0;
	page->begun = true;
	if (start) {
		put_times(page, ">", page->quotes);
		puts_to(page, page->quotes > 0 ? " " : "");
		put_times(page, "   ", page->lists - (page->lists > 0));
	}
	if (!start && (page->gap || page->blank))
		puts_to(page, page->gap ? "  " : " ");
	page->gap = page->blank = false;
}

/* ---- characters ---- */

/* Octets of a blank at AT, or of something invisible that pads a preview. */
static size_t
blank_at(const char *at, size_t left, bool *invisible)
{
	static const char *const padding[] = {
		"\xc2\xad",     "\xcd\x8f",     "\xe2\x80\x8b", "\xe2\x80\x8c",
		"\xe2\x80\x8d", "\xe2\x81\xa0", "\xef\xbb\xbf",
	};

	*invisible = false;
	if (strchr(" \t\r\n\f", *at) != NULL && *at != '\0')
		return 1;
	if (left >= 2 && memcmp(at, "\xc2\xa0", 2) == 0)
		return 2;
	*invisible = true;
	for (size_t i = 0; i < sizeof(padding) / sizeof(*padding); i++) {
		size_t len = strlen(padding[i]);

		if (left >= len && memcmp(at, padding[i], len) == 0)
			return len;
	}
	return 0;
}

static void
take_text(struct page *page, const char *text, size_t len)
{
	size_t done = 0;

	while (done < len) {
		size_t from = done, used = 0;
		bool invisible = false;

		while (done < len && (used = blank_at(text + done, len - done,
		                                      &invisible)) == 0)
			done++;
		if (done > from) {
			begin_text(page);
			put(page, text + from, done - from);
		}
		if (used > 0 && !invisible)
			page->blank = page->begun && page->lines == 0;
		done += used;
	}
}

static void
take_pre(struct page *page, const char *text, size_t len)
{
	while (len > 0) {
		const char *lf = memchr(text, '\n', len);
		size_t line = lf == NULL ? len : (size_t)(lf - text);

		if (line > 0 && text[line - 1] == '\r')
			begin_text(page), put(page, text, line - 1);
		else if (line > 0)
			begin_text(page), put(page, text, line);
		if (lf != NULL && page->begun)
			page->lines++;
		line += lf != NULL;
		text += line;
		len -= line;
	}
}

static void
on_text(void *ctx, const xmlChar *text, int len)
{
	struct page *page = ctx;

	if (page->hidden > 0 || len <= 0)
		return;
	if (page->pre > 0)
		take_pre(page, (const char *)text, (size_t)len);
	else
		take_text(page, (const char *)text, (size_t)len);
}

/* ---- elements ---- */

static enum kind
kind_of(const char *name)
{
	const struct element *found =
	    bsearch(name, elements, sizeof(elements) / sizeof(*elements),
	            sizeof(*elements), sled_markup_compare);

	return found == NULL ? INLINE : found->kind;
}

/* Where the last link leads, kept behind the ones that are listed. */
static const char *
last_link(const struct page *page)
{
	size_t at = page->where.len - 1;

	while (at > 0 && page->where.data[at - 1] != '\0')
		at--;
	return page->where.data + at;
}

/* A link whose text is itself, or that has none, needs no number. */
static void
end_link(struct page *page)
{
	struct sled_buf *out = page->out;
	const char *to;
	char mark[16];

	if (page->link == NULL || page->stop)
		return;
	page->link = NULL;
	to = last_link(page);
	if (out->len > page->text_from && page->links_len < LINKS_MOST &&
	    memmem(out->data + page->text_from, out->len - page->text_from, to,
	           strlen(to)) == NULL) {
		(void)snprintf(mark, sizeof(mark), "[%u]", ++page->links_len);
		puts_to(page, mark);
		return;
	}
	page->where.len = (size_t)(to - page->where.data);
}

/* One ends where another begins, as it does in browsers. */
static void
begin_link(struct page *page, const char *to)
{
	end_link(page);
	if (page->stop || to == NULL || strncasecmp(to, "http", 4) != 0)
		return;
	page->link = to;
	page->text_from = page->out->len;
	page->failed = !sled_buf_addstr(&page->where, to, page->err) ||
	               !sled_buf_add(&page->where, "", 1, page->err);
	page->stop = page->failed;
}

static void
begin_item(struct page *page)
{
	char mark[16] = "* ";
	unsigned at = page->lists - 1;

	if (page->lists > 0 && page->lists <= DEPTH_MOST &&
	    page->count[at] >= 0 && page->count[at] < 100000)
		(void)snprintf(mark, sizeof(mark), "%d. ", ++page->count[at]);
	begin_text(page);
	puts_to(page, mark);
}

static void
begin_list(struct page *page, bool numbered)
{
	if (page->lists < DEPTH_MOST)
		page->count[page->lists] = numbered ? 0 : -1;
	page->lists++;
}

static void
show_image(struct page *page, const char *alt)
{
	if (alt == NULL || strspn(alt, " \t\r\n") == strlen(alt))
		return;
	begin_text(page);
	puts_to(page, "[");
	take_text(page, alt, strlen(alt));
	page->blank = false;
	puts_to(page, "]");
}

/* What stands on lines of its own does so at both its ends. */
static void
set_off(struct page *page, enum kind kind)
{
	if (kind == BREAK || kind == ITEM)
		owe_lines(page, 1);
	if (kind == BLOCK || kind == QUOTE || kind == PRE || kind == RULE)
		owe_lines(page, 2);
	if (kind == LIST)
		owe_lines(page, page->lists == 0 ? 2 : 1);
}

static void
begin_kind(struct page *page, enum kind kind, const char *name,
           const xmlChar **list)
{
	set_off(page, kind);
	page->quotes += kind == QUOTE;
	page->pre += kind == PRE;
	if (kind == LIST)
		begin_list(page, strcmp(name, "ol") == 0);
	if (kind == ITEM)
		begin_item(page);
	if (kind == CELL)
		page->gap = page->begun && page->lines == 0;
	if (kind == RULE) {
		begin_text(page);
		puts_to(page, "----");
	}
	if (kind == LINK && page->links)
		begin_link(page, sled_markup_attribute(list, "href"));
	if (kind == IMAGE)
		show_image(page, sled_markup_attribute(list, "alt"));
	if (kind == NEXT_LINE) {
		page->lines += page->begun && page->lines < 4;
		page->blank = page->gap = false;
	}
}

static void
on_begin(void *ctx, const xmlChar *name, const xmlChar **list)
{
	struct page *page = ctx;
	enum kind kind = kind_of((const char *)name);

	page->open++;
	if (page->hidden > 0)
		return;
	if (page->open < OPEN_MOST &&
	    (kind == HIDDEN || sled_markup_hidden(list)))
		page->hidden = page->open;
	else
		begin_kind(page, kind, (const char *)name, list);
}

static void
end_kind(struct page *page, enum kind kind)
{
	page->quotes -= kind == QUOTE && page->quotes > 0;
	page->pre -= kind == PRE && page->pre > 0;
	page->lists -= kind == LIST && page->lists > 0;
	if (kind == LINK)
		end_link(page);
	set_off(page, kind);
}

static void
on_end(void *ctx, const xmlChar *name)
{
	struct page *page = ctx;

	if (page->hidden == 0)
		end_kind(page, kind_of((const char *)name));
	else if (page->hidden == page->open)
		page->hidden = 0;
	page->open -= page->open > 0;
}

/* ---- the page ---- */

static void
list_links(struct page *page)
{
	const char *at = page->where.data;
	char mark[16];

	for (unsigned i = 1; i <= page->links_len; i++) {
		owe_lines(page, i == 1 ? 2 : 1);
		begin_text(page);
		(void)snprintf(mark, sizeof(mark), "[%u] ", i);
		puts_to(page, mark);
		puts_to(page, at);
		at += strlen(at) + 1;
	}
}

static bool
parse(struct page *page, struct sled_span html)
{
	struct sled_markup events = { .begin = on_begin,
		                      .end = on_end,
		                      .text = on_text,
		                      .raw = on_text,
		                      .stop = &page->stop,
		                      .open = &page->open };

	return sled_markup_parse(&events, page, html, page->err);
}

bool
sled_html_text(struct sled_buf *out, struct sled_span html,
               const struct sled_html_want *want, struct sled_err *err)
{
	struct page page = {
		.out = out, .err = err, .links = want->links, .end = want->end
	};
	bool ok = parse(&page, html);

	page.quotes = page.lists = 0;
	page.hidden = 0;
	if (ok && page.links_len > 0)
		list_links(&page);
	if (page.begun)
		puts_to(&page, "\n");
	sled_buf_free(&page.where);
	return !page.failed && ok && sled_buf_reserve(out, 1, err);
}
