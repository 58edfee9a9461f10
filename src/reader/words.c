/* words.c - header fields as people wrote them (RFC 2047, RFC 5322). */
#include <signal.h>
#include <string.h>

#include "mailsled/text.h"
#include "reader/internal.h"

#define FIELD_MOST (64u << 10) /* octets of a field that are looked at */

void
sled_gmime_begin(void)
{
	static gsize once;
	struct sigaction pipe;

	if (g_once_init_enter(&once)) {
		/* A library below it would have SIGPIPE ignored for good. */
		(void)sigaction(SIGPIPE, NULL, &pipe);
		g_mime_init();
		(void)sigaction(SIGPIPE, &pipe, NULL);
		g_once_init_leave(&once, 1);
	}
}

GMimeParserOptions *
sled_gmime_options(void)
{
	static GMimeParserOptions *options;
	const char *charsets[] = { "utf-8", "windows-1252", NULL };

	sled_gmime_begin();
	if (options != NULL)
		return options;
	options = g_mime_parser_options_new();
	g_mime_parser_options_set_rfc2047_compliance_mode(
	    options, GMIME_RFC_COMPLIANCE_LOOSE);
	g_mime_parser_options_set_address_compliance_mode(
	    options, GMIME_RFC_COMPLIANCE_LOOSE);
	g_mime_parser_options_set_parameter_compliance_mode(
	    options, GMIME_RFC_COMPLIANCE_LOOSE);
	g_mime_parser_options_set_allow_addresses_without_domain(options, TRUE);
	g_mime_parser_options_set_fallback_charsets(options, charsets);
	return options;
}

/* What stands between "=?" or a "?" and the next "?": letters of a word. */
static size_t
token_at(const char *text)
{
	size_t len = strcspn(text, "? \t");

	return text[len] == '?' ? len : SIZE_MAX;
}

/* An encoded word at TEXT: what it lacks is put in. *used: its octets; 0 when
 * there is none. GMime would leave a word without a charset, and drop the text
 * of one whose base64 was cut before its padding. */
static bool
mend_word(const char *text, size_t *used, struct sled_buf *out,
          struct sled_err *err)
{
	size_t charset, code, data;
	const char *at = text + 2;

	*used = 0;
	if (strncmp(text, "=?", 2) != 0)
		return true;
	charset = token_at(at);
	if (charset > 64)
		return true;
	code = token_at(at + charset + 1);
	if (code != 1)
		return true;
	data = token_at(at + charset + 3);
	if (data == SIZE_MAX || at[charset + 3 + data + 1] != '=')
		return true;
	*used = 2 + charset + 3 + data + 2;
	if (!sled_buf_printf(out, err, "=?%.*s?%c?%.*s",
	                     charset == 0 ? 5 : (int)charset,
	                     charset == 0 ? "utf-8" : at, at[charset + 1],
	                     (int)data, at + charset + 3))
		return false;
	for (; (at[charset + 1] | 0x20) == 'b' && data % 4 > 1; data++)
		if (!sled_buf_add(out, "=", 1, err))
			return false;
	return sled_buf_addstr(out, "?=", err);
}

static bool
mend_words(struct sled_buf *out, const char *text, struct sled_err *err)
{
	while (*text != '\0') {
		const char *next = strstr(text, "=?");
		size_t used = 0;

		if (next == NULL)
			next = text + strlen(text);
		if (!sled_buf_add(out, text, (size_t)(next - text), err) ||
		    !mend_word(next, &used, out, err))
			return false;
		text = next + used;
		if (used == 0 && *text != '\0' &&
		    !sled_buf_add(out, text++, 1, err))
			return false;
	}
	return sled_buf_reserve(out, 1, err);
}

/* On one line: line ends go, blanks behind them stay; no NUL, as UTF-8. */
static bool
unfold(struct sled_buf *out, struct sled_span raw, struct sled_err *err)
{
	struct sled_buf line = { 0 }, text = { 0 };
	bool ok;

	if (raw.len > FIELD_MOST)
		raw.len = FIELD_MOST;
	ok = sled_buf_reserve(&line, raw.len, err);
	for (size_t i = 0; ok && i < raw.len; i++)
		if (raw.data[i] != '\r' && raw.data[i] != '\n' &&
		    raw.data[i] != '\0')
			line.data[line.len++] = raw.data[i];
	ok = ok && sled_charset_utf8(&text, sled_buf_span(&line), NULL, err) &&
	     mend_words(out, text.data, err);
	sled_buf_free(&line);
	sled_buf_free(&text);
	return ok;
}

/* What GMime made, which a hostile charset could have left invalid; on one
 * line: a sender may hide a line end in an encoded word. */
static bool
add_made(struct sled_buf *out, const char *made, struct sled_err *err)
{
	size_t from = out->len;

	if (made == NULL)
		return sled_buf_reserve(out, 1, err);
	while (*made == ' ' || *made == '\t')
		made++;
	if (!sled_text_utf8(out, (struct sled_span){ made, strlen(made) }, err))
		return false;
	for (size_t i = from; i < out->len; i++)
		if (out->data[i] == '\n' || out->data[i] == '\r')
			out->data[i] = ' ';
	while (out->len > from && out->data[out->len - 1] == ' ')
		out->len--;
	out->data[out->len] = '\0';
	return true;
}

bool
sled_words_text(struct sled_buf *out, struct sled_span raw,
                struct sled_err *err)
{
	struct sled_buf line = { 0 };
	char *made;
	bool ok;

	if (!unfold(&line, raw, err))
		return false;
	made = g_mime_utils_header_decode_text(sled_gmime_options(), line.data);
	ok = add_made(out, made, err);
	g_free(made);
	sled_buf_free(&line);
	return ok;
}

/* The same, as GMime can take it apart: ration.c tells of colons. */
static bool
unfold_people(struct sled_buf *out, struct sled_span raw, struct sled_err *err)
{
	size_t colons = 0;

	if (!unfold(out, raw, err))
		return false;
	for (size_t i = 0; i < out->len; i++)
		if (out->data[i] == ':' && ++colons > SLED_COLONS_MOST)
			out->data[i] = ' ';
	return true;
}

/* A name without an address looks like an address, and is left encoded. */
static char *
decode_rest(char *made)
{
	char *decoded;

	if (made == NULL || strstr(made, "=?") == NULL)
		return made;
	decoded = g_mime_utils_header_decode_text(sled_gmime_options(), made);
	g_free(made);
	return decoded;
}

bool
sled_words_people(struct sled_buf *out, struct sled_span raw,
                  struct sled_err *err)
{
	InternetAddressList *list;
	struct sled_buf line = { 0 };
	char *made = NULL;
	bool ok;

	if (!unfold_people(&line, raw, err))
		return false;
	list = internet_address_list_parse(sled_gmime_options(), line.data);
	if (list != NULL && internet_address_list_length(list) > 0)
		made = decode_rest(
		    internet_address_list_to_string(list, NULL, FALSE));
	if (list != NULL)
		g_object_unref(list);
	sled_buf_free(&line);
	ok = made != NULL ? add_made(out, made, err)
	                  : sled_words_text(out, raw, err);
	g_free(made);
	return ok;
}

/* Its name, or its address, or what stands there. */
static const char *
name_of(InternetAddress *address)
{
	const char *name = internet_address_get_name(address);

	if ((name == NULL || *name == '\0') &&
	    INTERNET_ADDRESS_IS_MAILBOX(address))
		name = internet_address_mailbox_get_addr(
		    INTERNET_ADDRESS_MAILBOX(address));
	return name;
}

bool
sled_words_name(struct sled_buf *out, struct sled_span raw,
                struct sled_err *err)
{
	InternetAddressList *list;
	struct sled_buf line = { 0 };
	const char *name = NULL;
	bool ok;

	if (!unfold_people(&line, raw, err))
		return false;
	list = internet_address_list_parse(sled_gmime_options(), line.data);
	if (list != NULL && internet_address_list_length(list) > 0)
		name = name_of(internet_address_list_get_address(list, 0));
	ok = name != NULL && *name != '\0' ? add_made(out, name, err)
	                                   : sled_words_text(out, raw, err);
	if (list != NULL)
		g_object_unref(list);
	sled_buf_free(&line);
	return ok;
}
