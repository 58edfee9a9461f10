/* markup.c - the tags and the text of HTML; see markup.h. */
#include "reader/markup.h"

#include <string.h>
#include <strings.h>

#define PIECE 16384 /* octets given to the parser at once */
#define ATTRIBUTES_MOST \
	1000 /* libxml2 compares each of a tag with all others */
/* It looks through all open elements for the one that a tag ends: octets times
 * elements. That is 8 MiB at 250 elements inside each other, or a second. */
#define WORK_MOST (UINT64_C(1) << 31)

const char *
sled_markup_attribute(const xmlChar **list, const char *name)
{
	for (; list != NULL && list[0] != NULL; list += 2)
		if (strcmp((const char *)list[0], name) == 0)
			return (const char *)list[1];
	return NULL;
}

bool
sled_markup_hidden(const xmlChar **list)
{
	const char *style = sled_markup_attribute(list, "style");
	const char *at;

	if (style == NULL)
		return false;
	at = strcasestr(style, "display");
	if (at == NULL)
		return false;
	at += strlen("display");
	at += strspn(at, " \t\r\n:");
	return strncasecmp(at, "none", 4) == 0;
}

bool
sled_markup_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

int
sled_markup_compare(const void *name, const void *row)
{
	return strcmp(name, *(const char *const *)row);
}

/* ---- what would take for ever ---- */

/* Behind the value that an attribute's "=" at AT begins. */
static const char *
skip_value(const char *at, const char *end)
{
	const char *close;

	for (at++; at < end && sled_markup_blank(*at);)
		at++;
	if (at == end || (*at != '"' && *at != '\''))
		return at;
	close = memchr(at + 1, *at, (size_t)(end - at - 1));
	return close == NULL ? end : close + 1;
}

/* Behind the tag whose name is at AT, or where it has too many attributes.
 * Each of them has a blank, a slash or a quote before it. */
static const char *
skip_tag(const char *at, const char *end, bool *many)
{
	unsigned attributes = 0;

	while (at < end && *at != '>' && attributes <= ATTRIBUTES_MOST)
		if (*at == '=') {
			at = skip_value(at, end);
			attributes++;
		} else {
			attributes += sled_markup_blank(*at) && at + 1 < end &&
			              !sled_markup_blank(at[1]);
			attributes += *at == '/' || *at == '"' || *at == '\'';
			at++;
		}
	*many = attributes > ATTRIBUTES_MOST;
	return at;
}

/* Octets before the first tag that no one wrote by hand. */
static size_t
tame_length(struct sled_span html)
{
	const char *at = html.data, *end = html.data + html.len;
	bool many = false;

	while (at < end) {
		const char *tag = memchr(at, '<', (size_t)(end - at));

		if (tag == NULL || tag + 1 == end)
			break;
		at = tag + 1;
		if ((*at | 0x20) >= 'a' && (*at | 0x20) <= 'z')
			at = skip_tag(at, end, &many);
		if (many)
			return (size_t)(tag - html.data);
	}
	return html.len;
}

/* ---- the page ---- */

static void
feed(htmlParserCtxtPtr parser, struct sled_markup *events,
     struct sled_span html)
{
	uint64_t work = 0;

	while (!*events->stop && html.len > 0) {
		size_t len = html.len < PIECE ? html.len : PIECE;

		work += (uint64_t)len * *events->open;
		if (work > WORK_MOST) {
			events->cut = true;
			break;
		}
		(void)htmlParseChunk(parser, html.data, (int)len, 0);
		html.data += len;
		html.len -= len;
	}
	(void)htmlParseChunk(parser, NULL, 0, 1);
}

bool
sled_markup_parse(struct sled_markup *events, void *ctx, struct sled_span html,
                  struct sled_err *err)
{
	xmlSAXHandler handler = { .startElement = events->begin,
		                  .endElement = events->end,
		                  .characters = events->text,
		                  .ignorableWhitespace = events->text,
		                  .cdataBlock = events->raw };
	htmlParserCtxtPtr parser = htmlCreatePushParserCtxt(
	    &handler, ctx, NULL, 0, NULL, XML_CHAR_ENCODING_UTF8);
	size_t tame = tame_length(html);
	bool ok;

	events->cut = tame < html.len;
	html.len = tame;
	if (parser == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "HTML");
	(void)htmlCtxtUseOptions(parser,
	                         HTML_PARSE_RECOVER | HTML_PARSE_NOERROR |
	                             HTML_PARSE_NOWARNING | HTML_PARSE_NONET |
	                             HTML_PARSE_IGNORE_ENC);
	feed(parser, events, html);
	ok = parser->errNo != XML_ERR_NO_MEMORY ||
	     sled_fail(err, SLED_ERR_NOMEM, "HTML");
	if (parser->myDoc != NULL)
		xmlFreeDoc(parser->myDoc);
	htmlFreeParserCtxt(parser);
	return ok;
}
