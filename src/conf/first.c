/* first.c - the first configuration, as `init` writes it. */
#include <string.h>

#include "mailsled/conf.h"

struct text {
	struct sled_buf buf;
	struct sled_err *err;
	bool failed; /* sticky, so that the writer reads as the file does */
};

static void
line(struct text *t, const char *text)
{
	t->failed = t->failed || !sled_buf_addstr(&t->buf, text, t->err) ||
	            !sled_buf_addstr(&t->buf, "\n", t->err);
}

/* What would change its meaning on the way through the file. */
static const char *
misfit(const char *value)
{
	size_t len = strlen(value);

	if (len == 0)
		return "is empty";
	if (value[0] == ' ' || value[len - 1] == ' ')
		return "begins or ends with a blank";
	if (strstr(value, " ;") != NULL)
		return "holds \" ;\", where a comment would begin";
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
			return "holds a control character";
	return NULL;
}

/* KEY is padded by the caller. Without a VALUE the EXAMPLE is a comment. */
static void
key(struct text *t, const char *name, const char *value, const char *example)
{
	const char *why;

	if (t->failed)
		return;
	if (value == NULL) {
		t->failed = !sled_buf_printf(&t->buf, t->err, "; %s = %s\n",
		                             name, example);
		return;
	}
	why = misfit(value);
	if (why != NULL) {
		t->failed = true;
		(void)sled_fail(t->err, SLED_ERR_CONFIG, "%.*s: the value %s",
		                (int)strcspn(name, " "), name, why);
		return;
	}
	t->failed = !sled_buf_printf(&t->buf, t->err, "%s = %s\n", name, value);
}

static void
write_store(struct text *t, const struct sled_conf_first *first)
{
	line(t, "# The configuration of mailsled; mailsled.conf(5) tells all.");
	line(t,
	     "# Keys begin in the first column. \";\" after a blank begins a "
	     "comment.");
	line(t, "");
	line(t, "[store]");
	line(t, "# The first place where mail is kept.");
	key(t, "path      ", first->path, "~/mail");
	line(t, "# More places, parted by commas; best each on its own disk.");
	key(t, "copies    ", first->copies, "/media/usb/mail");
	line(t, "# Places (path counts) that must hold a message before the "
	        "server may lose it.");
	key(t, "min-copies", first->copies == NULL ? "1" : "2", "");
	line(t, "# A new archive each month and at this size.");
	key(t, "rotate    ", "month, 256MiB", "");
}

static void
write_account(struct text *t, const struct sled_conf_first *first)
{
	bool implicit = first->tls == SLED_CONF_TLS_IMPLICIT;

	line(t, "");
	t->failed =
	    t->failed ||
	    !sled_buf_printf(&t->buf, t->err, "[account %s]\n",
	                     first->account == NULL ? "home" : first->account);
	key(t, "server    ", first->server, "pop.example.org");
	line(t, "# TLS from the first byte, port 995; or starttls, port 110.");
	key(t, "tls       ", implicit ? "implicit" : "starttls", "");
	if (first->port != 0 && !t->failed)
		t->failed = !sled_buf_printf(&t->buf, t->err,
		                             "port       = %u\n", first->port);
	key(t, "user      ", first->user, "ada");
	line(t,
	     "# One of: a command that prints the password, a file with mode "
	     "0600 that");
	line(t, "# holds it, or the name of a systemd credential.");
	if (first->password_command != NULL || first->password_file == NULL)
		key(t, "password-command", first->password_command,
		    "secret-tool lookup mail home");
	if (first->password_file != NULL)
		key(t, "password-file", first->password_file, "");
	if (first->ca_file != NULL)
		key(t, "ca-file   ", first->ca_file, "");
	line(t, "# When the server may lose a message: verified | after 14d | "
	        "never.");
	line(t, "# Unwritten: 7 days of trial that delete nothing, then "
	        "verified.");
	key(t, "delete    ", first->del, "verified");
	line(t, "# Larger mail stays on the server until you ask for it.");
	key(t, "hold-larger", NULL, "200KiB");
}

static void
write_rest(struct text *t)
{
	line(t, "");
	line(t, "# When `mailsled run` visits.");
	line(t, "; [schedule]");
	line(t, "; every     = 30m");
	line(t, "; windows   = Mon-Fri 06:00-06:20, Sat,Sun 08:00-09:00");
}

/* Does the file say what it was meant to say? */
static bool
prove(struct sled_span text, const struct sled_conf_env *env,
      struct sled_err *err)
{
	struct sled_conf *conf = NULL;

	if (!sled_conf_parse(&conf, text, "new configuration", env, err))
		return false;
	sled_conf_free(&conf);
	return true;
}

static bool
check_name(const struct sled_conf_first *first, struct sled_err *err)
{
	const char *why =
	    first->account == NULL ? NULL : misfit(first->account);

	if (why != NULL)
		return sled_fail(err, SLED_ERR_CONFIG, "account name: %s", why);
	return true;
}

bool
sled_conf_write_first(struct sled_buf *out, const struct sled_conf_first *first,
                      const struct sled_conf_env *env, struct sled_err *err)
{
	struct text t = { .err = err };
	bool ok;

	if (!check_name(first, err))
		return false;
	write_store(&t, first);
	write_account(&t, first);
	write_rest(&t);
	ok = !t.failed && prove(sled_buf_span(&t.buf), env, err) &&
	     sled_buf_add(out, t.buf.data, t.buf.len, err);
	sled_buf_free(&t.buf);
	return ok;
}
