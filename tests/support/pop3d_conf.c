/* pop3d_conf.c - the options of pop3d; see pop3d.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pop3d.h"

enum kind {
	HELP,
	SET,    /* an int becomes .value */
	TEXT,   /* a string */
	NUMBER, /* an int, 0 to 65535 */
	WORD,   /* an int: the place of the word in .words */
	CAPA_OFF,
	CAPA_ADD,
	FAULT,
	SCRIPT, /* the fault .words[0] */
	GENERATE,
};

struct option {
	const char *name, *arg, *help;
	enum kind kind;
	size_t at;
	int value;
	const char *const *words;
};

#define AT(field) offsetof(struct pop3d_conf, field)

static const char *const uid_words[] = { "name",     "hash",    "reuse",
	                                 "renumber", "empty",   "double",
	                                 "long",     "control", "spaces",
	                                 NULL };
static const char *const size_words[] = { "exact", "lf",   "grow",
	                                  "zero",  "huge", NULL };
static const char *const cert_words[] = { "good", "expired", "name", NULL };
static const char *const drop_quit[] = { "QUIT:drop" };
static const char *const lose_quit[] = { "QUIT:close" };

static const struct option options[] = {
	{ "help", NULL, "this list", HELP, 0, 0, NULL },
	{ "sample", NULL, "serve the built-in sample mail", SET, AT(sample), 1,
	  NULL },
	{ "generate", "N[,BYTES]", "serve N made-up messages", GENERATE, 0, 0,
	  NULL },
	{ "port", "N", "default: any free port", NUMBER, AT(port), 0, NULL },
	{ "listen", "ADDRESS", "default 127.0.0.1", TEXT, AT(listen), 0, NULL },
	{ "port-file", "FILE", "the port goes there too", TEXT, AT(port_file),
	  0, NULL },
	{ "ca-out", "FILE", "the CA certificate of this run", TEXT, AT(ca_out),
	  0, NULL },
	{ "log", "FILE", "each command and event, a line", TEXT, AT(log), 0,
	  NULL },
	{ "log-wire", NULL, "octets that left go to the log too", SET,
	  AT(log_wire), 1, NULL },
	{ "flush-each", NULL, "each reply leaves by itself", SET,
	  AT(flush_each), 1, NULL },
	{ "user", "NAME", "default demo", TEXT, AT(user), 0, NULL },
	{ "pass", "WORD", "default demo", TEXT, AT(pass), 0, NULL },
	{ "starttls", NULL, "plain port, STLS before any login", SET, AT(tls),
	  POP3D_STARTTLS, NULL },
	{ "plain", NULL, "no TLS at all", SET, AT(tls), POP3D_PLAIN, NULL },
	{ "tls-version", "1.1|1.2|1.3", "only this one", TEXT, AT(tls_version),
	  0, NULL },
	{ "cert", "good|expired|name", "what is wrong with it", WORD, AT(cert),
	  0, cert_words },
	{ "once", NULL, "end after one session", SET, AT(once), 1, NULL },
	{ "uid-mode", "MODE",
	  "name|hash|reuse|renumber|empty|double|long|control|spaces", WORD,
	  AT(uid_mode), 0, uid_words },
	{ "size-mode", "MODE", "exact|lf|grow|zero|huge", WORD, AT(size_mode),
	  0, size_words },
	{ "sasl", "WORDS", "default \"PLAIN LOGIN\"", TEXT, AT(sasl), 0, NULL },
	{ "capa-off", "NAME", "hide a capability", CAPA_OFF, 0, 0, NULL },
	{ "capa-add", "LINE", "announce one more", CAPA_ADD, 0, 0, NULL },
	{ "no-capa", NULL, "no CAPA command", SET, AT(no_capa), 1, NULL },
	{ "no-uidl", NULL, "no UIDL command", SET, AT(no_uidl), 1, NULL },
	{ "no-top", NULL, "no TOP command", SET, AT(no_top), 1, NULL },
	{ "no-sasl", NULL, "no AUTH command", SET, AT(no_sasl), 1, NULL },
	{ "no-pipelining", NULL, "PIPELINING is not announced", SET,
	  AT(no_pipelining), 1, NULL },
	{ "false-pipelining", NULL, "announced, but drops what came along", SET,
	  AT(false_pipelining), 1, NULL },
	{ "pipelining-until", "N", "false and not announced behind CONN N",
	  NUMBER, AT(pipelining_until), 0, NULL },
	{ "sasl-until", "N", "no AUTH command behind CONN N", NUMBER,
	  AT(sasl_until), 0, NULL },
	{ "initial-until", "N", "initial responses ignored behind CONN N",
	  NUMBER, AT(initial_until), 0, NULL },
	{ "drop-early", NULL, "commands before the greeting are lost", SET,
	  AT(early), POP3D_EARLY_DROPPED, NULL },
	{ "early-first", NULL, "answered first, then the greeting follows", SET,
	  AT(early), POP3D_EARLY_FIRST, NULL },
	{ "close-early", NULL, "such commands end the connection", SET,
	  AT(early), POP3D_EARLY_CLOSES, NULL },
	{ "reset-early", NULL, "the same, by a reset", SET, AT(early),
	  POP3D_EARLY_RESETS, NULL },
	{ "no-tickets", NULL, "no TLS session is resumed", SET, AT(tickets),
	  POP3D_TICKETS_NONE, NULL },
	{ "forget-tickets", NULL, "the same, but tickets are given", SET,
	  AT(tickets), POP3D_TICKETS_FORGOTTEN, NULL },
	{ "slim-refused", NULL, "no TLS for a hello without session id", SET,
	  AT(slim_refused), 1, NULL },
	{ "auth-challenge", NULL, "initial responses are ignored", SET,
	  AT(auth_challenge), 1, NULL },
	{ "expire0", NULL, "EXPIRE 0: QUIT removes what was RETRieved", SET,
	  AT(expire0), 1, NULL },
	{ "expire0-silent", NULL, "the same, not announced", SET,
	  AT(expire0_silent), 1, NULL },
	{ "hide-read", NULL, "after QUIT, hide what was RETRieved", SET,
	  AT(hide_read), 1, NULL },
	{ "drop-quit", NULL, "QUIT commits, its answer is lost", SCRIPT, 0, 0,
	  drop_quit },
	{ "lose-quit", NULL, "QUIT is lost, nothing is committed", SCRIPT, 0, 0,
	  lose_quit },
	{ "fault", "VERB[:N[+]]:ACTION", "at the Nth VERB (see below)", FAULT,
	  0, 0, NULL },
	{ "fault-while", "FILE",
	  "faults only in sessions that begin while it is there, counted in "
	  "each of them",
	  TEXT, AT(fault_while), 0, NULL },
};

static void
print_help(void)
{
	(void)printf("usage: pop3d [OPTION...] [FOLDER]\n"
	             "Serve FOLDER/*.eml by POP3. Once ready it prints:\n"
	             "listening PORT\n\n");
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		char left[48];

		(void)snprintf(left, sizeof(left), "--%s %s", options[i].name,
		               options[i].arg == NULL ? "" : options[i].arg);
		(void)printf("  %-30s %s\n", left, options[i].help);
	}
	(void)printf(
	    "\nVERB is a command, LOGIN (AUTH or PASS), GREETING or CONN. N\n"
	    "counts over the life of the server; without it, every time.\n"
	    "ACTION: close  close-after=BYTES  close-after-bytes=BYTES\n"
	    "  end-after-bytes=BYTES (the same, with a close_notify)\n"
	    "  reset  err[=TEXT]  endless  stall  stall-after=BYTES\n"
	    "  short=BYTES  other=NUMBER  say=TEXT  inject=TEXT\n"
	    "  drop (done, but the connection ends before the answer)\n"
	    "  skip (not done and not answered; what comes behind it is)\n"
	    "  delay=MS (what was said so far leaves, the rest later)\n"
	    "  keys=NUMBER (so many new keys of TLS are asked for, none read)\n");
}

static bool
number(const char *text, unsigned long max, unsigned long *out)
{
	char *end;

	errno = 0;
	*out = strtoul(text, &end, 10);
	return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' &&
	       *out <= max;
}

static bool
add_fault(struct pop3d_conf *conf, const char *spec)
{
	return conf->fault_count < POP3D_FAULT_MAX &&
	       pop3d_fault_parse(&conf->faults[conf->fault_count++], spec);
}

static bool
add_text(const char **list, size_t *count, const char *text)
{
	if (*count == POP3D_CAPA_MAX)
		return false;
	list[(*count)++] = text;
	return true;
}

static bool
set_generate(struct pop3d_conf *conf, const char *value)
{
	char count[16];
	size_t len = strcspn(value, ",");
	unsigned long many = 0, bytes = 1500;

	if (len >= sizeof(count))
		return false;
	memcpy(count, value, len);
	count[len] = '\0';
	if (!number(count, 9999999, &many) || many == 0)
		return false;
	if (value[len] == ',' && !number(value + len + 1, 1UL << 32, &bytes))
		return false;
	conf->generate = (uint32_t)many;
	conf->generate_bytes = bytes;
	return true;
}

static bool
set_word(int *field, const char *const *words, const char *value)
{
	for (int i = 0; words[i] != NULL; i++) {
		if (strcmp(words[i], value) == 0) {
			*field = i;
			return true;
		}
	}
	return false;
}

static bool
set(struct pop3d_conf *conf, const struct option *option, const char *value)
{
	void *field = (char *)conf + option->at;
	unsigned long read = 0;

	switch (option->kind) {
	case SET:
		*(int *)field = option->value;
		return true;
	case TEXT:
		*(const char **)field = value;
		return true;
	case NUMBER:
		if (!number(value, 65535, &read))
			return false;
		*(int *)field = (int)read;
		return true;
	case WORD:
		return set_word(field, option->words, value);
	case CAPA_OFF:
		return add_text(conf->capa_off, &conf->capa_offs, value);
	case CAPA_ADD:
		return add_text(conf->capa_add, &conf->capa_adds, value);
	case FAULT:
		return add_fault(conf, value);
	case SCRIPT:
		return add_fault(conf, option->words[0]);
	case GENERATE:
		return set_generate(conf, value);
	case HELP:
		break;
	}
	return false;
}

static const struct option *
find(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strncmp(options[i].name, name, len) == 0 &&
		    options[i].name[len] == '\0')
			return &options[i];
	return NULL;
}

/* --NAME=VALUE or --NAME VALUE; *argv moves on by what was used. */
static bool
read_option(struct pop3d_conf *conf, char ***argv, bool *help)
{
	const char *name = **argv + 2, *value = NULL;
	size_t len = strcspn(name, "=");
	const struct option *option = find(name, len);

	(*argv)++;
	if (option == NULL)
		return false;
	*help = option->kind == HELP;
	if (*help)
		return true;
	if (option->arg != NULL && name[len] == '=')
		value = name + len + 1;
	else if (option->arg != NULL && **argv != NULL)
		value = *(*argv)++;
	if ((option->arg != NULL) != (value != NULL))
		return false;
	return set(conf, option, value);
}

static bool
is_whole(const struct pop3d_conf *conf)
{
	int sources =
	    (conf->folder != NULL) + conf->sample + (conf->generate > 0);

	return sources == 1;
}

bool
pop3d_conf_read(struct pop3d_conf *conf, char **argv, int *status)
{
	bool help = false;

	*conf = (struct pop3d_conf){ .user = "demo",
		                     .pass = "demo",
		                     .listen = "127.0.0.1",
		                     .sasl = "PLAIN LOGIN" };
	*status = 64;
	for (argv++; *argv != NULL;) {
		const char *word = *argv;

		if (strncmp(word, "--", 2) != 0 && conf->folder == NULL) {
			conf->folder = *argv++;
		} else if (strncmp(word, "--", 2) != 0 ||
		           !read_option(conf, &argv, &help)) {
			(void)fprintf(stderr, "pop3d: cannot use %s\n", word);
			return false;
		}
		if (help) {
			print_help();
			*status = 0;
			return false;
		}
	}
	if (is_whole(conf))
		return true;
	(void)fprintf(stderr, "pop3d: give a FOLDER, --sample or --generate\n");
	return false;
}
