/* fault.c - "FILE:LINE: what is wrong", as an error or as a warning. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "conf/parse.h"

static bool fail_at_line(struct sled_conf_parse *p, unsigned line,
                         const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

static bool
fail_at_line(struct sled_conf_parse *p, unsigned line, const char *fmt,
             va_list ap)
{
	char text[sizeof(p->err->text)];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	p->failed = true;
	if (line == 0)
		return sled_fail(p->err, SLED_ERR_CONFIG, "%s: %s", p->file,
		                 text);
	return sled_fail(p->err, SLED_ERR_CONFIG, "%s:%u: %s", p->file, line,
	                 text);
}

bool
sled_conf_bad(struct sled_conf_parse *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)fail_at_line(p, p->line, fmt, ap);
	va_end(ap);
	return false;
}

bool
sled_conf_bad_at(struct sled_conf_parse *p, unsigned line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)fail_at_line(p, line, fmt, ap);
	va_end(ap);
	return false;
}

bool
sled_conf_warn(struct sled_conf_parse *p, unsigned line, const char *fmt, ...)
{
	struct sled_conf *conf = p->conf;
	char text[512];
	const char **list;
	va_list ap;
	int len;

	len = line == 0
	          ? snprintf(text, sizeof(text), "%s: ", p->file)
	          : snprintf(text, sizeof(text), "%s:%u: ", p->file, line);
	va_start(ap, fmt);
	(void)vsnprintf(text + len, sizeof(text) - (size_t)len, fmt, ap);
	va_end(ap);
	list = sled_conf_grow(conf, conf->warnings, conf->warnings_len,
	                      sizeof(*list), p->err);
	if (list == NULL)
		return false;
	conf->warnings = list;
	list[conf->warnings_len] =
	    sled_conf_keep(conf, text, strlen(text), p->err);
	return list[conf->warnings_len++] != NULL;
}

struct sled_conf_shown
sled_conf_show(const char *value)
{
	struct sled_conf_shown shown;

	sled_text_clip(shown.text, sizeof(shown.text),
	               (struct sled_span){ value, strlen(value) });
	return shown;
}
