/* fx_conf.c - see fx_conf.h. */
#include "fx_conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

const struct sled_conf_env fx_conf_env = { .home = "/home/ada",
	                                   .xdg_config = "/cfg" };

struct sled_conf *
fx_conf_good(const char *text)
{
	struct sled_err err = { 0 };
	struct sled_conf *conf = NULL;
	struct sled_span span = { text, strlen(text) };

	if (!sled_conf_parse(&conf, span, "f.ini", &fx_conf_env, &err))
		fail_msg("refused: %s", err.text);
	return conf;
}

static void
refuse(struct sled_span text, struct sled_err *err)
{
	struct sled_conf *conf = NULL;

	assert_false(sled_conf_parse(&conf, text, "f.ini", &fx_conf_env, err));
	assert_null(conf);
	assert_int_equal(err->kind, SLED_ERR_CONFIG);
	assert_int_equal(sled_err_exit(err->kind), 78);
}

void
fx_conf_bad_span(struct sled_span text, const char *message)
{
	struct sled_err err = { 0 };

	refuse(text, &err);
	assert_string_equal(err.text, message);
}

void
fx_conf_bad(const char *text, const char *message)
{
	fx_conf_bad_span((struct sled_span){ text, strlen(text) }, message);
}

void
fx_conf_bad_about(const char *text, const char *words, const char *secret)
{
	struct sled_err err = { 0 };

	refuse((struct sled_span){ text, strlen(text) }, &err);
	if (strstr(err.text, words) == NULL)
		fail_msg("\"%s\" is not in: %s", words, err.text);
	if (secret != NULL)
		assert_null(strstr(err.text, secret));
}
