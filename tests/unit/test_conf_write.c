/* test_conf_write.c - paths, the first file, and the copy without secrets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fx_conf.h"

static const struct sled_conf_first full = {
	.path = "~/mail",
	.copies = "/media/usb/mail, /srv/mail",
	.account = "home",
	.server = "pop.example.org",
	.port = 11995,
	.user = "ada",
	.password_command = "secret-tool lookup mail home",
	.ca_file = "/ca.pem",
	.del = "after 14d",
};

static struct sled_conf *
write_and_parse(const struct sled_conf_first *first)
{
	struct sled_buf buf = { 0 };
	struct sled_err err = { 0 };
	struct sled_conf *conf;

	if (!sled_conf_write_first(&buf, first, &fx_conf_env, &err))
		fail_msg("refused: %s", err.text);
	conf = fx_conf_good(buf.data);
	sled_buf_free(&buf);
	return conf;
}

static void
the_first_file_says_what_was_asked_for_without_a_warning(void **state)
{
	struct sled_conf *conf = write_and_parse(&full);
	const struct sled_conf_account *account = &conf->accounts[0];

	(void)state;
	assert_int_equal(conf->warnings_len, 0);
	assert_string_equal(conf->store.path, "/home/ada/mail");
	assert_int_equal(conf->store.copies_len, 2);
	assert_int_equal(conf->store.min_copies, 2);
	assert_string_equal(account->name, "home");
	assert_string_equal(account->server, "pop.example.org");
	assert_int_equal(account->port, 11995);
	assert_string_equal(account->user, "ada");
	assert_string_equal(account->password_command,
	                    "secret-tool lookup mail home");
	assert_null(account->password_file);
	assert_string_equal(account->ca_file, "/ca.pem");
	assert_int_equal(account->del, SLED_CONF_DELETE_AFTER);
	sled_conf_free(&conf);
}

static void
the_first_file_leaves_what_was_not_asked_for_to_its_default(void **state)
{
	const struct sled_conf_first first = {
		.path = "/m",
		.account = "a",
		.server = "s",
		.tls = SLED_CONF_TLS_STARTTLS,
		.user = "u",
		.password_file = "/p",
	};
	struct sled_conf *conf = write_and_parse(&first);
	const struct sled_conf_account *account = &conf->accounts[0];

	(void)state;
	assert_int_equal(conf->warnings_len, 1); /* one place alone */
	assert_int_equal(conf->store.min_copies, 1);
	assert_int_equal(account->tls, SLED_CONF_TLS_STARTTLS);
	assert_int_equal(account->port, 110);
	assert_string_equal(account->password_file, "/p");
	assert_int_equal(account->del, SLED_CONF_DELETE_UNWRITTEN);
	assert_false(account->hold_larger.set);
	sled_conf_free(&conf);
}

static void
refuse_first(const struct sled_conf_first *first, const char *words)
{
	struct sled_buf buf = { 0 };
	struct sled_err err = { 0 };

	assert_false(sled_conf_write_first(&buf, first, &fx_conf_env, &err));
	assert_int_equal(err.kind, SLED_ERR_CONFIG);
	if (strstr(err.text, words) == NULL)
		fail_msg("\"%s\" is not in: %s", words, err.text);
	assert_int_equal(buf.len, 0);
	sled_buf_free(&buf);
}

static void
a_value_that_the_file_cannot_carry_is_refused_at_once(void **state)
{
	struct sled_conf_first first = full;

	(void)state;
	first.user = "ada\nserver = evil";
	refuse_first(&first, "user: the value holds a control character");
	first.user = "ada ;x";
	refuse_first(&first, "user: the value holds \" ;\"");
	first.user = "ada ";
	refuse_first(&first, "user: the value begins or ends with a blank");
	first.user = "";
	refuse_first(&first, "user: the value is empty");
	first.user = NULL;
	refuse_first(&first, "lacks user");
	first = full;
	first.account = "a]\n[store";
	refuse_first(&first, "account name: holds a control character");
	first.account = "Ada";
	refuse_first(&first, "is no account name");
	first = full;
	first.path = "mail";
	refuse_first(&first, "path: a relative path");
	first = full;
	first.password_file = "/p";
	refuse_first(&first, "more than one of");
}

static void
paths_begin_at_the_home_that_was_handed_in(void **state)
{
	static const char *const cases[][2] = {
		{ "~", "/home/ada" },
		{ "~/a", "/home/ada/a" },
		{ "$HOME//a/./b/", "/home/ada/a/b" },
		{ "$XDG_CONFIG_HOME/x", "/cfg/x" },
		{ "$XDG_DATA_HOME/x", "/home/ada/.local/share/x" },
		{ "$XDG_STATE_HOME", "/home/ada/.local/state" },
		{ "/", "/" },
		{ "//.//", "/" },
		{ "/a $HOME ~/..b", "/a $HOME ~/..b" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sled_buf out = { 0 };
		struct sled_err err = { 0 };

		assert_true(
		    sled_conf_expand(&out, cases[i][0], &fx_conf_env, &err));
		assert_string_equal(out.data, cases[i][1]);
		sled_buf_free(&out);
	}
}

static void
paths_that_depend_on_more_are_refused(void **state)
{
	static const struct sled_conf_env homeless = { .xdg_data = "rel" };
	static const char *const bad[][2] = {
		{ "a/b", "a relative path" },
		{ "", "a relative path" },
		{ "./a", "a relative path" },
		{ "~bob/a", "only ~/ is known" },
		{ "$HOMER/a", "of variables only" },
		{ "/a/../b", "\"..\" in a path" },
		{ "~/a", "~ is not set" },
		{ "$XDG_DATA_HOME/a", "$XDG_DATA_HOME is not set" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct sled_buf out = { 0 };
		struct sled_err err = { 0 };

		assert_true(sled_buf_addstr(&out, "kept", &err));
		assert_false(
		    sled_conf_expand(&out, bad[i][0], &homeless, &err));
		assert_int_equal(err.kind, SLED_ERR_CONFIG);
		assert_non_null(strstr(err.text, bad[i][1]));
		assert_string_equal(out.data, "kept");
		sled_buf_free(&out);
	}
}

static void
default_path(const struct sled_conf_env *env, bool is_root, const char *want)
{
	struct sled_buf out = { 0 };
	struct sled_err err = { 0 };

	if (want == NULL) {
		assert_false(sled_conf_default_path(&out, env, is_root, &err));
		assert_int_equal(err.kind, SLED_ERR_CONFIG);
	} else {
		assert_true(sled_conf_default_path(&out, env, is_root, &err));
		assert_string_equal(out.data, want);
	}
	sled_buf_free(&out);
}

static void
the_file_is_where_the_contract_says(void **state)
{
	static const struct sled_conf_env plain = { .home = "/home/ada" };
	static const struct sled_conf_env relative = { .home = "/home/ada",
		                                       .xdg_config = "cfg" };
	static const struct sled_conf_env none = { 0 };

	(void)state;
	default_path(&fx_conf_env, false, "/cfg/mailsled/config.ini");
	default_path(&plain, false, "/home/ada/.config/mailsled/config.ini");
	default_path(&relative, false, "/home/ada/.config/mailsled/config.ini");
	default_path(&fx_conf_env, true, "/etc/mailsled/config.ini");
	default_path(&none, true, "/etc/mailsled/config.ini");
	default_path(&none, false, NULL);
}

#define NOTICE "; not copied: this line may tell of a secret"

static void
strip(const char *text, const char *want)
{
	struct sled_buf out = { 0 };
	struct sled_err err = { 0 };

	assert_true(sled_conf_strip_secrets(
	    &out, (struct sled_span){ text, strlen(text) }, &err));
	assert_string_equal(out.data, want);
	sled_buf_free(&out);
}

static void
the_copy_beside_the_mail_holds_no_secret(void **state)
{
	static const char *const lines[] = {
		"password-command = printf hunter2",
		"password-file=/home/ada/hunter2",
		"credential\t= hunter2",
		"; password-command = printf hunter2",
		"#old Password: hunter2",
		"  ;; PASSWORD=hunter2",
		"up-command = mmcli --pin=hunter2",
		"down-command = curl -d token=hunter2",
		"password hunter2",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char text[256];

		(void)snprintf(text, sizeof(text), "[store]\n%s\nuser = u\n",
		               lines[i]);
		strip(text, "[store]\n" NOTICE "\nuser = u\n");
		(void)snprintf(text, sizeof(text), "\xef\xbb\xbf%s\r\n",
		               lines[i]);
		strip(text, NOTICE "\r\n");
		strip(lines[i], NOTICE);
	}
	strip("user = ada ; password hunter2\r\n", "user = ada \r\n");
}

static void
the_copy_beside_the_mail_keeps_all_else(void **state)
{
	static const char text[] =
	    "# mine\r\n\r\n[account secret] ; of mine\nserver = "
	    "pass.example.org\nuser = token\ncopies = rclone:secret:mail\n"
	    "up-command = pon provider ; x\n\n\nca-file = /x";

	(void)state;
	strip(text, text);
	strip("", "");
}

static void
the_copy_of_a_first_file_names_neither_command_nor_file(void **state)
{
	struct sled_buf text = { 0 }, out = { 0 };
	struct sled_err err = { 0 };

	(void)state;
	assert_true(sled_conf_write_first(&text, &full, &fx_conf_env, &err));
	assert_non_null(strstr(text.data, "secret-tool"));
	assert_true(sled_conf_strip_secrets(&out, sled_buf_span(&text), &err));
	assert_null(strstr(out.data, "secret-tool"));
	assert_non_null(strstr(out.data, "server     = pop.example.org\n"));
	assert_non_null(strstr(out.data, "copies     = /media/usb/mail, "));
	sled_buf_free(&text);
	sled_buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    the_first_file_says_what_was_asked_for_without_a_warning),
		cmocka_unit_test(
		    the_first_file_leaves_what_was_not_asked_for_to_its_default),
		cmocka_unit_test(
		    a_value_that_the_file_cannot_carry_is_refused_at_once),
		cmocka_unit_test(paths_begin_at_the_home_that_was_handed_in),
		cmocka_unit_test(paths_that_depend_on_more_are_refused),
		cmocka_unit_test(the_file_is_where_the_contract_says),
		cmocka_unit_test(the_copy_beside_the_mail_holds_no_secret),
		cmocka_unit_test(the_copy_beside_the_mail_keeps_all_else),
		cmocka_unit_test(
		    the_copy_of_a_first_file_names_neither_command_nor_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
