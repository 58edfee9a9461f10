/* cmd_init.c - `mailsled init`: a first configuration, and whether it works. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/check.h"
#include "mailsled/file.h"
#include "mailsled/text.h"

enum field {
	ACCOUNT,
	SERVER,
	PORT,
	USER,
	PATH,
	COPIES,
	SECRET_COMMAND,
	SECRET_FILE,
	TLS,
	CA_FILE,
	DELETE,
	FIELDS,
};

/* Those with a question come first, in the order they are asked. */
static const struct {
	const char *flag, *question, *suggestion;
	bool needed; /* no default that would surprise nobody */
	bool path;   /* may be relative to here */
} fields[FIELDS] = {
	[ACCOUNT] = { "account", "Name for the account", "home", false, false },
	[SERVER] = { "server", "POP3 server", "", true, false },
	[PORT] = { "port", "Port (995: TLS at once, 110: STARTTLS)", "995",
	           false, false },
	[USER] = { "user", "User name there", "", true, false },
	[PATH] = { "path", "Folder for the mail", "~/mail", true, true },
	[COPIES] = { "copies",
	             "Folder for a copy, best on another disk (empty: none)",
	             "", false, true },
	[SECRET_COMMAND] = { "password-command", NULL, NULL, false, false },
	[SECRET_FILE] = { "password-file", NULL, NULL, false, true },
	[TLS] = { "tls", NULL, NULL, false, false },
	[CA_FILE] = { "ca-file", NULL, NULL, false, true },
	[DELETE] = { "delete", NULL, NULL, false, false },
};

struct init {
	struct sled_cli *cli;
	struct sled_buf values[FIELDS]; /* data NULL: not given */
	struct sled_buf secret;         /* typed; empty: none was */
	struct sled_buf folder;         /* of the configuration; absolute */
	const char *name;               /* of its file there */
	struct sled_buf text;
};

static const char *
value(const struct init *init, enum field field, const char *otherwise)
{
	const char *data = init->values[field].data;

	return data == NULL ? otherwise : data;
}

static bool
is_given(const struct init *init, enum field field)
{
	return init->values[field].data != NULL;
}

/* ---- paths ---- */

/* One path made absolute; "~", "$HOME" and "rclone:" stay as they are. */
static bool
add_absolute(struct sled_buf *out, const char *path, size_t len,
             struct sled_err *err)
{
	char here[PATH_MAX];

	if (len > 0 && strchr("/~$", *path) == NULL &&
	    strncmp(path, "rclone:", 7) != 0) {
		if (getcwd(here, sizeof(here)) == NULL)
			return sled_fail_sys(err, errno, "this folder");
		if (!sled_buf_printf(out, err, "%s/", here))
			return false;
	}
	return sled_buf_add(out, path, len, err);
}

/* Paths parted by commas. */
static bool
add_paths(struct sled_buf *out, const char *list, struct sled_err *err)
{
	for (;;) {
		size_t len, rest;

		list += strspn(list, " ");
		len = rest = strcspn(list, ",");
		while (len > 0 && list[len - 1] == ' ')
			len--;
		if (!add_absolute(out, list, len, err))
			return false;
		list += rest;
		if (*list == '\0')
			return true;
		if (!sled_buf_addstr(out, ", ", err))
			return false;
		list++;
	}
}

static bool
set(struct init *init, enum field field, const char *text, struct sled_err *err)
{
	struct sled_buf *buf = &init->values[field];

	sled_buf_free(buf);
	if (field == COPIES && *text == '\0')
		return true; /* none */
	if (field == COPIES)
		return add_paths(buf, text, err);
	return fields[field].path ? add_absolute(buf, text, strlen(text), err)
	                          : sled_buf_addstr(buf, text, err);
}

/* Where the configuration goes, as FOLDER and NAME. */
static bool
find_folder(struct init *init, struct sled_err *err)
{
	const char *path, *slash;
	char *real;

	if (!sled_cli_conf_path(init->cli, err))
		return false;
	path = init->cli->conf_path.data;
	slash = strrchr(path, '/');
	init->name = slash == NULL ? path : slash + 1;
	if (*init->name == '\0')
		return sled_fail(err, SLED_ERR_USAGE, "-c %s: that is a folder",
		                 path);
	if (slash == NULL)
		path = ".";
	if (!add_absolute(&init->folder, path,
	                  slash == NULL   ? 1
	                  : slash == path ? 1
	                                  : (size_t)(slash - path),
	                  err))
		return false;
	real = realpath(init->folder.data, NULL);
	if (real == NULL)
		return true; /* to be made */
	init->folder.len = 0;
	if (!sled_buf_addstr(&init->folder, real, err)) {
		free(real);
		return false;
	}
	free(real);
	return true;
}

/* ---- what it comes to ---- */

static bool
parse_port(const struct init *init, uint16_t *port, struct sled_err *err)
{
	const char *text = value(init, PORT, "0");
	uint64_t number = 0;
	char shown[64];

	if (sled_text_u64((struct sled_span){ text, strlen(text) }, &number) &&
	    number <= UINT16_MAX && (number > 0 || !is_given(init, PORT))) {
		*port = (uint16_t)number;
		return true;
	}
	sled_text_clip(shown, sizeof(shown),
	               (struct sled_span){ text, strlen(text) });
	return sled_fail(err, SLED_ERR_USAGE,
	                 "--port: \"%s\" is no port: 1 to 65535", shown);
}

/* A port of 110 that says nothing of TLS means STARTTLS. */
static bool
parse_tls(const struct init *init, uint16_t *port, enum sled_conf_tls *tls,
          struct sled_err *err)
{
	const char *text =
	    value(init, TLS, *port == 110 ? "starttls" : "implicit");

	*tls = strcmp(text, "starttls") == 0 ? SLED_CONF_TLS_STARTTLS
	                                     : SLED_CONF_TLS_IMPLICIT;
	if (*port == (*tls == SLED_CONF_TLS_STARTTLS ? 110 : 995))
		*port = 0;
	if (*tls == SLED_CONF_TLS_STARTTLS || strcmp(text, "implicit") == 0)
		return true;
	(void)sled_fail(err, SLED_ERR_USAGE,
	                "--tls: it is implicit or starttls");
	return sled_hint(err, "there is no way to go without TLS");
}

/* The text of the file. What is still to be asked is made up meanwhile, so
 * that an answer can be judged when it comes. */
static bool
compose(const struct init *init, struct sled_buf *out, struct sled_err *err)
{
	static const char where[] = "new configuration:";
	struct sled_conf_first first = {
		.path = value(init, PATH, "/nowhere"),
		.copies = value(init, COPIES, NULL),
		.account = value(init, ACCOUNT, fields[ACCOUNT].suggestion),
		.server = value(init, SERVER, "pop.example.org"),
		.user = value(init, USER, "ada"),
		.password_command = value(init, SECRET_COMMAND, NULL),
		.password_file = value(init, SECRET_FILE, NULL),
		.ca_file = value(init, CA_FILE, NULL),
		.del = value(init, DELETE, NULL),
	};
	const char *text;

	if (first.password_command == NULL && first.password_file == NULL)
		first.password_file = "/nowhere";
	if (!parse_port(init, &first.port, err) ||
	    !parse_tls(init, &first.port, &first.tls, err))
		return false;
	if (sled_conf_write_first(out, &first, &init->cli->env, err))
		return true;
	/* Its lines are nobody's: there is no such file yet. */
	text = strstr(err->text, ": ");
	if (strncmp(err->text, where, sizeof(where) - 1) == 0 && text != NULL)
		memmove(err->text, text + 2, strlen(text + 2) + 1);
	return false;
}

/* ---- questions ---- */

static bool
judge_answer(struct init *init, enum field field, struct sled_err *err)
{
	struct sled_buf ignored = { 0 };
	struct sled_err why = { 0 };
	bool ok = compose(init, &ignored, &why);

	sled_buf_free(&ignored);
	if (ok)
		return true;
	if (why.kind == SLED_ERR_NOMEM) {
		*err = why;
		return false;
	}
	sled_buf_free(&init->values[field]);
	(void)fprintf(stderr, "  %s\n", why.text);
	return true;
}

static bool
ask_field(struct init *init, enum field field, struct sled_err *err)
{
	struct sled_buf answer = { 0 };
	bool ok = true;

	while (ok && !is_given(init, field)) {
		ok = sled_ask(&answer, fields[field].question,
		              fields[field].suggestion, err);
		if (ok && answer.len == 0 && !fields[field].needed)
			break;
		ok = ok &&
		     (answer.len == 0 || (set(init, field, answer.data, err) &&
		                          judge_answer(init, field, err)));
	}
	sled_buf_free(&answer);
	return ok;
}

/* Typed, it goes to a file of its own beside the configuration. */
static bool
ask_password(struct init *init, struct sled_err *err)
{
	struct sled_buf answer = { 0 };
	bool ok = sled_ask_secret(&init->secret,
	                          "Password (not shown; empty: a command is to "
	                          "print it)",
	                          err);

	if (ok && init->secret.len > 0)
		return sled_buf_addstr(&init->secret, "\n", err) &&
		       sled_buf_printf(&init->values[SECRET_FILE], err,
		                       "%s/%s.password", init->folder.data,
		                       value(init, ACCOUNT, "home"));
	while (ok && !is_given(init, SECRET_COMMAND)) {
		ok = sled_ask(&answer, "Command that prints it", "", err);
		ok = ok && (answer.len == 0 ||
		            (set(init, SECRET_COMMAND, answer.data, err) &&
		             judge_answer(init, SECRET_COMMAND, err)));
	}
	sled_buf_free(&answer);
	return ok;
}

static bool
ask(struct init *init, struct sled_err *err)
{
	bool all = !is_given(init, SERVER);
	char shown[256];

	sled_text_clip(shown, sizeof(shown),
	               sled_buf_span(&init->cli->conf_path));
	(void)fprintf(stderr,
	              "A first configuration, %s.\n"
	              "Enter takes what stands in [ ]; Ctrl-C ends, and "
	              "nothing is written.\n\n",
	              shown);
	for (enum field field = ACCOUNT; field <= COPIES; field++) {
		if ((all || fields[field].needed) &&
		    !ask_field(init, field, err))
			return false;
		if (field == USER && !is_given(init, SECRET_COMMAND) &&
		    !is_given(init, SECRET_FILE) && !ask_password(init, err))
			return false;
	}
	(void)fputs("\n", stderr);
	return true;
}

/* ---- flags ---- */

static bool
take_flags(struct init *init, struct sled_err *err)
{
	for (enum field field = 0; field < FIELDS; field++) {
		const char *text = sled_cli_flag(init->cli, fields[field].flag);

		if (text != NULL && !set(init, field, text, err))
			return false;
	}
	if (is_given(init, SECRET_COMMAND) && is_given(init, SECRET_FILE))
		return sled_fail(err, SLED_ERR_USAGE,
		                 "--password-command and --password-file: one "
		                 "of them");
	return true;
}

static bool
fill(struct init *init, struct sled_err *err)
{
	char missing[200] = "";
	size_t len = 0;

	if (!take_flags(init, err))
		return false;
	for (enum field field = ACCOUNT; field <= COPIES; field++)
		if (fields[field].needed && !is_given(init, field))
			len += (size_t)snprintf(missing + len,
			                        sizeof(missing) - len, " --%s,",
			                        fields[field].flag);
	if (!is_given(init, SECRET_COMMAND) && !is_given(init, SECRET_FILE))
		len +=
		    (size_t)snprintf(missing + len, sizeof(missing) - len,
		                     " --password-file or --password-command,");
	if (len == 0)
		return true;
	if (sled_ask_can())
		return ask(init, err);
	(void)sled_fail(err, SLED_ERR_USAGE,
	                "no terminal to ask on, and missing:%.*s", (int)len - 1,
	                missing);
	return sled_hint(err, "mailsled init --help");
}

/* ---- writing ---- */

/* Each folder of PATH that is not there yet, for this user alone. */
static bool
make_folders(const struct sled_sys *sys, char *path, struct sled_err *err)
{
	struct stat st;
	char *at = path;
	bool ok = true;

	while (ok && at != NULL) {
		at = strchr(at + 1, '/');
		if (at != NULL)
			*at = '\0';
		if (sys->fstatat(sys->ctx, AT_FDCWD, path, &st, 0) == -1)
			ok = sled_dir_make_path(sys, path, 0700, err);
		if (at != NULL)
			*at = '/';
	}
	return ok;
}

static bool
write_files(struct init *init, int dir, struct sled_err *err)
{
	const struct sled_sys *sys = init->cli->sys;
	const char *file = value(init, SECRET_FILE, NULL);
	const char *name = NULL;

	if (init->secret.len > 0) {
		name = strrchr(file, '/') + 1;
		if (!sled_file_replace(sys, dir, name, 0600,
		                       sled_buf_span(&init->secret), err))
			return false;
	}
	if (sled_file_replace(sys, dir, init->name, 0600,
	                      sled_buf_span(&init->text), err))
		return true;
	if (name != NULL)
		(void)sys->unlinkat(sys->ctx, dir, name, 0);
	return false;
}

static bool
write_all(struct init *init, struct sled_err *err)
{
	const struct sled_sys *sys = init->cli->sys;
	int dir = -1;
	bool ok;

	if (!make_folders(sys, init->folder.data, err) ||
	    !sled_dir_open(&dir, sys, AT_FDCWD, init->folder.data, err))
		return sled_note(err, "configuration");
	ok = write_files(init, dir, err) ||
	     sled_note(err, "%s", init->folder.data);
	(void)sys->close(sys->ctx, dir);
	return ok;
}

static void
tell_written(const struct init *init)
{
	struct sled_cli *cli = init->cli;
	const char *file =
	    init->secret.len > 0 ? value(init, SECRET_FILE, NULL) : NULL;
	struct sled_json *json = NULL;
	struct sled_err err = { 0 };

	if (!cli->json && !cli->quiet) {
		(void)printf("wrote %s/%s\n", init->folder.data, init->name);
		if (file != NULL)
			(void)printf("wrote %s: the password; only you can "
			             "read it\n",
			             file);
	}
	if (!cli->json)
		return;
	if (!sled_json_new(&json, &err)) {
		sled_cli_complain(cli, &err);
		return;
	}
	sled_json_text(json, "event", "written");
	sled_json_text(json, "config", cli->conf_path.data);
	sled_json_text(json, "password_file", file);
	if (!sled_json_print(&json, stdout, &err))
		sled_cli_complain(cli, &err);
}

/* ---- the command ---- */

/* *there: the configuration exists, and is only to be used (--new alone). */
static bool
check_old(struct init *init, bool *there, struct sled_err *err)
{
	struct sled_cli *cli = init->cli;
	bool alone = sled_cli_flag(cli, "new") != NULL;
	struct stat st;
	char shown[256];

	*there = cli->sys->fstatat(cli->sys->ctx, AT_FDCWD, cli->conf_path.data,
	                           &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	         sled_cli_flag(cli, "force") == NULL;
	for (enum field field = 0; field < FIELDS; field++)
		alone = alone && sled_cli_flag(cli, fields[field].flag) == NULL;
	if (!*there || alone)
		return true;
	sled_text_clip(shown, sizeof(shown), sled_buf_span(&cli->conf_path));
	(void)sled_fail(err, SLED_ERR_CONFIG, "%s is there already", shown);
	return sled_hint(err, "edit it, then mailsled check; init --force "
	                      "overwrites it");
}

static bool
write_config(struct init *init, struct sled_err *err)
{
	bool there = false, ok;

	if (!find_folder(init, err) || !check_old(init, &there, err))
		return false;
	if (there)
		return true;
	ok = fill(init, err) && compose(init, &init->text, err) &&
	     write_all(init, err);
	if (ok)
		tell_written(init);
	return ok;
}

/* --new: with the places that are there. */
static bool
make_store(struct sled_cli *cli, struct sled_err *err)
{
	if (sled_cli_flag(cli, "new") == NULL)
		return true;
	cli->store_conf.found_new = true;
	return sled_check_conf(cli, err) &&
	       sled_cli_store(cli, SLED_STORE_WRITE, err);
}

static int
run(struct sled_cli *cli)
{
	struct init init = { .cli = cli };
	struct sled_check check = { .cli = cli };
	struct sled_err err = { 0 };
	bool ok = write_config(&init, &err) && make_store(cli, &err);

	for (size_t i = 0; i < FIELDS; i++)
		sled_buf_free(&init.values[i]);
	sled_buf_wipe(&init.secret);
	sled_buf_free(&init.folder);
	sled_buf_free(&init.text);
	return ok ? sled_check_all(&check) : sled_cli_fail(cli, &err);
}

static const struct sled_cli_flag flags[] = {
	{ "account", "NAME", "a label for the account; default home" },
	{ "server", "HOST", "the POP3 server" },
	{ "port", "N", "default 995, or 110 with starttls" },
	{ "tls", "WORD", "implicit or starttls" },
	{ "user", "NAME", "the name at the server" },
	{ "password-command", "CMD", "prints the password" },
	{ "password-file", "FILE", "holds it; mode 0600" },
	{ "ca-file", "FILE", "certificates to trust for this server" },
	{ "path", "DIR", "the first place for mail" },
	{ "copies", "DIRS", "more places, parted by commas" },
	{ "delete", "WHEN", "verified, \"after 14d\" or never" },
	{ "new", NULL, "make the store though a copy is absent" },
	{ "force", NULL, "overwrite a configuration" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_init = {
	.name = "init",
	.args = "",
	.about = "write a first configuration, and try it",
	.more =
	    "What the options leave open is asked on a terminal; elsewhere nothing is "
	    "asked.\nA password that is typed is kept in a file of its own, mode 0600. Then "
	    "places\nand server are tried, as `mailsled check` does. With --new alone, the "
	    "store of\nthe configuration that is there is made.\n",
	.examples = "  mailsled init\n"
		    "  mailsled init --server pop.example.org --user ada \\\n"
		    "      --password-command 'secret-tool lookup mail home' "
		    "\\\n"
		    "      --path ~/mail --copies /media/usb/mail\n",
	.flags = flags,
	.run = run,
};
