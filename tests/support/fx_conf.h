/* fx_conf.h - configurations in tests: the one home, good texts and bad. */
#ifndef FX_CONF_H
#define FX_CONF_H

#include "mailsled/conf.h"

/* HOME is /home/ada, XDG_CONFIG_HOME is /cfg, the others are not set. */
extern const struct sled_conf_env fx_conf_env;

/* A store of two places and an account that lacks nothing. */
#define FX_CONF_STORE "[store]\npath = /a\ncopies = /b\n"
#define FX_CONF_ACCOUNT \
	"[account home]\nserver = s\nuser = u\npassword-file = /p\n"

/* Parse what must be good; the test ends when it is not. */
struct sled_conf *fx_conf_good(const char *text);
/* Parse what must be refused with 78, in exactly these words. */
void fx_conf_bad(const char *text, const char *message);
/* The same, by bytes. */
void fx_conf_bad_span(struct sled_span text, const char *message);
/* Refused with 78, and the message holds WORDS but not SECRET. */
void fx_conf_bad_about(const char *text, const char *words, const char *secret);

#endif
