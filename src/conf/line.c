/*
 * line.c - the line reader under the INI library.
 *
 * The library, as Debian builds it, splits a line at 199 bytes, cuts names at
 * 49, appends an indented line to the value before it, ends a value at " ;",
 * takes `:` for `=`, drops what follows a `]`, and merges sections of one
 * name. Each of these would change what the user wrote without a word, so such
 * a line never gets there. Comments are handed on as empty lines: they may be
 * as long as they like.
 */
#include <string.h>

#include "conf/parse.h"

#define NAME_MAX_BYTES 49

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct sled_span
trim(struct sled_span text)
{
	while (text.len > 0 && is_blank(text.data[0])) {
		text.data++;
		text.len--;
	}
	while (text.len > 0 && is_blank(text.data[text.len - 1]))
		text.len--;
	return text;
}

/* The next line without its end, LF or CRLF. */
static struct sled_span
take_line(struct sled_conf_parse *p)
{
	const char *end = memchr(p->rest.data, '\n', p->rest.len);
	struct sled_span line = p->rest;
	size_t used = p->rest.len;

	if (end != NULL) {
		line.len = (size_t)(end - p->rest.data);
		used = line.len + 1;
	}
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	p->rest.data += used;
	p->rest.len -= used;
	p->line++;
	return line;
}

static bool
check_bytes(struct sled_conf_parse *p, struct sled_span line)
{
	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.data[i];

		if (c == '\0')
			return sled_conf_bad(
			    p, "a NUL byte: save the file as plain UTF-8 text");
		if (c == '\r')
			return sled_conf_bad(p,
			                     "a carriage return inside a line: "
			                     "lines end in LF or CRLF");
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return sled_conf_bad(p, "a control character (0x%02x)",
			                     c);
	}
	return true;
}

/* Where " ;" begins a comment, or NULL. */
static const char *
find_comment(struct sled_span text)
{
	for (size_t i = 1; i < text.len; i++)
		if (text.data[i] == ';' && is_blank(text.data[i - 1]))
			return text.data + i;
	return NULL;
}

/* Does END lie inside quotes, as a shell would see them? */
static bool
in_quotes(const char *at, const char *end)
{
	char open = '\0';

	for (; at < end; at++) {
		if (*at == '\\' && open != '\'')
			at++;
		else if (open == '\0' && (*at == '\'' || *at == '"'))
			open = *at;
		else if (open != '\0' && *at == open)
			open = '\0';
	}
	return open != '\0';
}

/* A command may hold ` ;` of its own, and half a command is worse than none. */
static bool
check_command(struct sled_conf_parse *p, struct sled_span value)
{
	const char *cut = find_comment(value);

	if (cut == NULL)
		return true;
	if (cut - value.data >= 2 && is_blank(cut[-2]) &&
	    !in_quotes(value.data, cut))
		return true;
	return sled_conf_bad(p,
	                     "would be cut at \" ;\": write \";\" without a "
	                     "blank before it, or put the command into a "
	                     "script; two blanks before \";\" begin a comment");
}

bool
sled_conf_bears_command(struct sled_span key)
{
	static const char tail[] = "-command", deliver[] = "deliver";
	size_t len = sizeof(tail) - 1;

	key = trim(key);
	return (key.len > len &&
	        memcmp(key.data + key.len - len, tail, len) == 0) ||
	       (key.len == sizeof(deliver) - 1 &&
	        memcmp(key.data, deliver, key.len) == 0);
}

static bool
check_key(struct sled_conf_parse *p, struct sled_span line)
{
	const char *equals = memchr(line.data, '=', line.len);
	struct sled_span name = line, value;
	size_t at;

	if (equals == NULL)
		return sled_conf_bad(p, "neither [section] nor key = value");
	at = (size_t)(equals - line.data);
	name.len = at;
	if (memchr(name.data, ':', at) != NULL || find_comment(name) != NULL)
		return sled_conf_bad(
		    p, "a key is followed by \"=\", as in key = value");
	name = trim(name);
	if (name.len == 0)
		return sled_conf_bad(p, "no key before \"=\"");
	if (name.len > NAME_MAX_BYTES)
		return sled_conf_bad(p, "a key of %zu bytes; none has over %d",
		                     name.len, NAME_MAX_BYTES);
	value = (struct sled_span){ equals + 1, line.len - at - 1 };
	if (sled_conf_bears_command(name) && !check_command(p, value))
		return false;
	p->pending = true;
	return true;
}

static bool
check_section(struct sled_conf_parse *p, struct sled_span line)
{
	const char *end = memchr(line.data, ']', line.len);
	struct sled_span name, after;

	if (end == NULL)
		return sled_conf_bad(p, "a section without its \"]\"");
	name =
	    (struct sled_span){ line.data + 1, (size_t)(end - line.data) - 1 };
	after = (struct sled_span){ end + 1, line.len - name.len - 2 };
	after = trim(after);
	if (after.len > 0 && after.data[0] != ';' && after.data[0] != '#')
		return sled_conf_bad(p, "text after \"]\": begin a new line");
	if (name.len > NAME_MAX_BYTES)
		return sled_conf_bad(p,
		                     "a section of %zu bytes; %d are the most",
		                     name.len, NAME_MAX_BYTES);
	if (find_comment(name) != NULL)
		return sled_conf_bad(p, "a comment inside [section]");
	return sled_conf_open_section(p, trim(name));
}

static bool
check_line(struct sled_conf_parse *p, struct sled_span line)
{
	if (is_blank(line.data[0]))
		return sled_conf_bad(p,
		                     "an indented line: it would be taken as "
		                     "more of the line before; begin it in the "
		                     "first column");
	if (line.len > SLED_CONF_LINE_MAX)
		return sled_conf_bad(p, "a line of %zu bytes; %d are the most",
		                     line.len, SLED_CONF_LINE_MAX);
	if (line.data[0] == '[')
		return check_section(p, line);
	return check_key(p, line);
}

static bool
is_comment(struct sled_span line)
{
	line = trim(line);
	return line.len == 0 || line.data[0] == ';' || line.data[0] == '#';
}

/* NULL ends the library's work: the text is done, or the parse has failed. */
char *
sled_conf_read_line(char *out, int room, void *parse)
{
	struct sled_conf_parse *p = parse;
	struct sled_span line;

	if (p->failed || p->rest.len == 0)
		return NULL;
	line = take_line(p);
	if (!check_bytes(p, line))
		return NULL;
	if (is_comment(line))
		line.len = 0;
	else if (!check_line(p, line)) {
		p->failed = true;
		return NULL;
	}
	if (room <= 0 || line.len >= (size_t)room) {
		(void)sled_conf_bad(p, "a line of %zu bytes is too long",
		                    line.len);
		return NULL;
	}
	memcpy(out, line.data, line.len);
	out[line.len] = '\0';
	return out;
}
