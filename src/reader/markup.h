/*
 * markup.h - the tags and the text of HTML, by libxml2; private to reader.
 *
 * Contract
 *   libxml2 recovers from whatever is broken, and no tree is made: memory stays
 *   flat. Nothing is ever fetched. Names come in lower case, references
 *   resolved; each end belongs to the last beginning without one. HTML is valid
 *   UTF-8 without NUL. Its time is bounded too: where a page is made to take
 *   for ever, the rest of it is cut off. Only memory fails.
 */
#ifndef READER_MARKUP_H
#define READER_MARKUP_H

#include <libxml/HTMLparser.h>

#include "mailsled/err.h"
#include "mailsled/types.h"

struct sled_markup {
	startElementSAXFunc begin;
	endElementSAXFunc end;
	charactersSAXFunc text, raw; /* raw: inside <script> and <style> */
	const bool *stop;            /* no more, please */
	const unsigned *open;        /* elements that are, by begin and end */
	bool cut;                    /* outcome: there was more */
};

/* CTX is what the four get. */
SLED_CHECK bool sled_markup_parse(struct sled_markup *events, void *ctx,
                                  struct sled_span html, struct sled_err *err);

/* Its value, or NULL. */
const char *sled_markup_attribute(const xmlChar **list, const char *name);

/* Previews and trackers hide what they have from who reads the page. */
bool sled_markup_hidden(const xmlChar **list);

/* White space, as HTML and CSS know it. */
bool sled_markup_blank(char c);

/* For bsearch() of a name in a table whose rows begin with theirs. */
int sled_markup_compare(const void *name, const void *row);

#endif
