/* conf.c - one parse from text to values; see mailsled/conf.h. */
#include "mailsled/conf.h"

#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "conf/parse.h"

/* What the library calls for a key. The section is the reader's affair. */
static int
take_key(void *parse, const char *section, const char *key, const char *value)
{
	struct sled_conf_parse *p = parse;

	(void)section;
	p->pending = false;
	if (p->failed)
		return 0;
	if (!sled_conf_set_key(p, key, value))
		p->failed = true;
	return !p->failed;
}

static bool
skip_mark(struct sled_conf_parse *p)
{
	const char *data = p->rest.data;
	size_t len = p->rest.len;

	if (len >= 2 && (memcmp(data, "\xff\xfe", 2) == 0 ||
	                 memcmp(data, "\xfe\xff", 2) == 0))
		return sled_conf_bad_at(p, 0, "UTF-16: save the file as UTF-8");
	if (len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) {
		p->rest.data += 3;
		p->rest.len -= 3;
	}
	return true;
}

static bool
parse_text(struct sled_conf_parse *p)
{
	int line;

	if (p->rest.len > SLED_CONF_MAX)
		return sled_conf_bad_at(p, 0, "%zu bytes; %d are the most",
		                        p->rest.len, SLED_CONF_MAX);
	if (!skip_mark(p))
		return false;
	line = ini_parse_stream(sled_conf_read_line, p, take_key, p);
	if (p->failed)
		return false;
	if (line != 0 || p->pending)
		return sled_conf_bad_at(p, line > 0 ? (unsigned)line : p->line,
		                        "not understood");
	return sled_conf_close_section(p) && sled_conf_check_whole(p);
}

static void
set_defaults(struct sled_conf *conf)
{
	conf->store.min_copies = 2;
	conf->store.rotate_month = true;
	conf->store.rotate_bytes = (uint64_t)256 << 20;
}

bool
sled_conf_parse(struct sled_conf **out, struct sled_span text, const char *file,
                const struct sled_conf_env *env, struct sled_err *err)
{
	struct sled_conf *conf = calloc(1, sizeof(*conf));
	struct sled_conf_parse p = {
		.conf = conf, .env = env, .rest = text, .err = err
	};

	if (conf == NULL)
		return sled_fail_sys(err, ENOMEM, "configuration");
	sled_text_clip(p.file, sizeof(p.file),
	               (struct sled_span){ file, strlen(file) });
	set_defaults(conf);
	if (!parse_text(&p)) {
		sled_conf_free(&conf);
		return false;
	}
	*out = conf;
	return true;
}

const struct sled_conf_account *
sled_conf_account(const struct sled_conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->accounts_len; i++)
		if (strcmp(conf->accounts[i].name, name) == 0)
			return &conf->accounts[i];
	return NULL;
}
