/* test_conf_deliver.c - deliver and deliver-to: what is written arrives, and
 * what cannot be meant is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "fx_conf.h"

#define WITH(lines) FX_CONF_STORE FX_CONF_ACCOUNT lines

static const struct sled_conf_target *
targets(const struct sled_conf *conf, size_t len)
{
	assert_int_equal(conf->accounts[0].targets_len, len);
	return conf->accounts[0].targets;
}

static void
each_kind_arrives(void **state)
{
	struct sled_conf *conf = fx_conf_good(
	    WITH("deliver = maildir:~/Maildir/, mbox: /var/mail/ada,"
	         "lmtp:/run/lmtp , lmtp:[::1]:24, lmtp:localhost:2424,"
	         "command: a, b 'c'; d  ; a comment\ndeliver-to = b@c\n"));
	const struct sled_conf_target *t = targets(conf, 6);

	(void)state;
	assert_int_equal(t[0].kind, SLED_CONF_MAILDIR);
	assert_string_equal(t[0].where, "/home/ada/Maildir");
	assert_string_equal(t[0].name, "maildir:/home/ada/Maildir");
	assert_int_equal(t[1].kind, SLED_CONF_MBOX);
	assert_string_equal(t[1].where, "/var/mail/ada");
	assert_int_equal(t[2].kind, SLED_CONF_LMTP);
	assert_string_equal(t[2].where, "/run/lmtp");
	assert_int_equal(t[2].port, 0);
	assert_string_equal(t[3].where, "::1");
	assert_int_equal(t[3].port, 24);
	assert_string_equal(t[4].where, "localhost");
	assert_string_equal(t[4].name, "lmtp:localhost:2424");
	assert_int_equal(t[5].kind, SLED_CONF_COMMAND);
	assert_string_equal(t[5].where, "a, b 'c'; d");
	assert_string_equal(conf->accounts[0].deliver_to, "b@c");
	assert_int_equal(conf->warnings_len, 0);
	sled_conf_free(&conf);
}

/* A journal goes to places that others may read. */
static void
a_command_s_name_does_not_tell_it(void **state)
{
	struct sled_conf *conf =
	    fx_conf_good(WITH("deliver = command:x --password hunter2\n"));

	(void)state;
	assert_string_equal(targets(conf, 1)->name, "command");
	sled_conf_free(&conf);
}

static void
nor_does_the_copy_of_the_configuration(void **state)
{
	static const char text[] = "deliver = command:x --password hunter2\n";
	struct sled_buf out = { 0 };
	struct sled_err err = { 0 };

	(void)state;
	assert_true(sled_conf_strip_secrets(
	    &out, (struct sled_span){ text, sizeof(text) - 1 }, &err));
	assert_null(strstr(out.data, "hunter2"));
	sled_buf_free(&out);
}

static void
what_cannot_be_meant_is_refused(void **state)
{
	(void)state;
	fx_conf_bad(WITH("deliver = ~/Maildir\n"),
	            "f.ini:8: deliver: \"~/Maildir\" is no target");
	fx_conf_bad(WITH("deliver = maildir:\n"),
	            "f.ini:8: deliver: \"maildir:\" is no target");
	fx_conf_bad(WITH("deliver = maildir:~/M,,mbox:/b\n"),
	            "f.ini:8: deliver: a comma without a target");
	fx_conf_bad(WITH("deliver = maildir:~/M, maildir:/home/ada/M\n"),
	            "f.ini:8: deliver: maildir:/home/ada/M is named twice");
	fx_conf_bad(WITH("deliver = lmtp:host\n"),
	            "f.ini:8: deliver: lmtp: takes the path of a socket, or "
	            "HOST:PORT");
	fx_conf_bad(WITH("deliver = lmtp:host:70000\n"),
	            "f.ini:8: deliver: lmtp: takes the path of a socket, or "
	            "HOST:PORT");
	fx_conf_bad(WITH("deliver = maildir:/a/M\n"),
	            "f.ini:4: [account home] delivers to /a/M, which lies in a "
	            "place of the store");
	fx_conf_bad(WITH("deliver-to = a b\n"),
	            "f.ini:8: deliver-to: \"a b\" is no address");
	fx_conf_bad(
	    WITH("deliver = command:a ; b\n"),
	    "f.ini:8: would be cut at \" ;\": write \";\" without a blank "
	    "before it, or put the command into a script; two blanks "
	    "before \";\" begin a comment");
}

static void
mail_in_the_clear_is_warned_about(void **state)
{
	struct sled_conf *conf =
	    fx_conf_good(WITH("deliver = lmtp:mail.lan:24\n"));

	(void)state;
	assert_int_equal(conf->warnings_len, 1);
	assert_non_null(strstr(conf->warnings[0], "in the clear"));
	sled_conf_free(&conf);
}

static void
a_user_that_is_no_address_needs_one(void **state)
{
	(void)state;
	fx_conf_bad(
	    FX_CONF_STORE "[account home]\nserver = s\nuser = a b\n"
			  "password-file = /p\n"
			  "deliver = lmtp:/run/l\n",
	    "f.ini:8: deliver: the user is no address for lmtp: name one "
	    "in deliver-to");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_arrives),
		cmocka_unit_test(a_command_s_name_does_not_tell_it),
		cmocka_unit_test(nor_does_the_copy_of_the_configuration),
		cmocka_unit_test(what_cannot_be_meant_is_refused),
		cmocka_unit_test(mail_in_the_clear_is_warned_about),
		cmocka_unit_test(a_user_that_is_no_address_needs_one),
	};

	return cmocka_run_group_tests_name("conf_deliver", tests, NULL, NULL);
}
