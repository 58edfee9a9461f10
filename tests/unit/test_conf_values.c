/* test_conf_values.c - what is written arrives, typed, with its defaults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fx_conf.h"

#define MIB (UINT64_C(1) << 20)

/* The example of the contract, as it stands there. */
static const char contract[] =
    "[store]\n"
    "path       = ~/mail                      ; the first place\n"
    "copies     = /media/usb/mail, /srv/mail  ; more places, or "
    "rclone:REMOTE:PATH\n"
    "min-copies = 2                           ; places (path included) that "
    "must hold a message before it may be deleted; default 2, 1 is warned "
    "about\n"
    "distinct-devices = no                    ; yes: places on one disk count "
    "as one (no: the report line ends \"(1 disk)\")\n"
    "rotate     = month, 256MiB               ; a new volume each month (UTC) "
    "or at this size\n"
    "; state    = DIR                         ; ledger, spool, tickets; "
    "default PATH/.mailsled, elsewhere where the file system cannot carry "
    "them\n"
    "\n"
    "[account home]                           ; [a-z0-9][a-z0-9._-]{0,23}; a "
    "label: the maildrop is server name + user\n"
    "server     = pop.example.org             ; port = 995, tls = implicit | "
    "starttls (port 110)\n"
    "user       = ada\n"
    "password-command = secret-tool lookup mail home   ; or password-file =, "
    "or credential = (systemd)\n"
    "ca-file    = /etc/ssl/private-ca.pem     ; default: the system's\n"
    "delete     = verified                    ; verified | after 14d | never; "
    "unwritten: 7 days of trial that deletes nothing, then verified\n"
    "hold-larger = 200KiB                     ; leave larger mail on the "
    "server, show its head, ask\n"
    "timeout    = 120s                        ; no byte for so long: the link "
    "is gone\n"
    "\n"
    "[schedule]\n"
    "every      = 30m\n"
    "windows    = Mon-Fri 06:00-06:20, Sat,Sun 08:00-09:00\n"
    "on-link    = yes\n"
    "\n"
    "[link wwan0]                             ; per link: what this link may "
    "carry\n"
    "hold-larger = 20KiB\n"
    "budget      = 5MiB/day, 100MiB/month, 30m/day, 20 USD/month     ; m is "
    "minutes\n"
    "cost        = 5.00 USD/MiB               ; or 0.48 USD/20s, 1.44 "
    "USD/min; min 5KiB\n"
    "up-command  = pon provider\n"
    "down-command = poff provider\n"
    "[link wlan0]\n"
    "hold-larger = none\n";

static void
check_contract_store(const struct sled_conf_store *store)
{
	assert_string_equal(store->path, "/home/ada/mail");
	assert_int_equal(store->copies_len, 2);
	assert_string_equal(store->copies[0].where, "/media/usb/mail");
	assert_string_equal(store->copies[1].where, "/srv/mail");
	assert_false(store->copies[0].rclone);
	assert_int_equal(store->min_copies, 2);
	assert_true(store->min_copies_set);
	assert_false(store->distinct_devices);
	assert_true(store->rotate_month);
	assert_int_equal(store->rotate_bytes, 256 * MIB);
	assert_null(store->state);
}

static void
check_contract_account(const struct sled_conf_account *account)
{
	assert_string_equal(account->server, "pop.example.org");
	assert_int_equal(account->port, 995);
	assert_int_equal(account->tls, SLED_CONF_TLS_IMPLICIT);
	assert_int_equal(account->auth, SLED_CONF_AUTH_AUTO);
	assert_string_equal(account->user, "ada");
	assert_string_equal(account->password_command,
	                    "secret-tool lookup mail home");
	assert_null(account->password_file);
	assert_null(account->credential);
	assert_string_equal(account->ca_file, "/etc/ssl/private-ca.pem");
	assert_int_equal(account->del, SLED_CONF_DELETE_VERIFIED);
	assert_true(account->hold_larger.set);
	assert_int_equal(account->hold_larger.bytes, 200 << 10);
	assert_int_equal(account->timeout_ms, 120000);
}

static void
check_contract_schedule(const struct sled_conf_schedule *schedule)
{
	assert_int_equal(schedule->every_s, 1800);
	assert_true(schedule->on_link);
	assert_int_equal(schedule->windows_len, 2);
	assert_int_equal(schedule->windows[0].days, 0x1f);
	assert_int_equal(schedule->windows[0].from_min, 360);
	assert_int_equal(schedule->windows[0].to_min, 380);
	assert_int_equal(schedule->windows[1].days, 0x60);
	assert_int_equal(schedule->windows[1].from_min, 480);
	assert_int_equal(schedule->windows[1].to_min, 540);
}

static void
check_contract_link(const struct sled_conf_link *link)
{
	static const struct sled_conf_budget budgets[] = {
		{ SLED_CONF_BYTES, 5 * MIB, false },
		{ SLED_CONF_BYTES, 100 * MIB, true },
		{ SLED_CONF_SECONDS, 1800, false },
		{ SLED_CONF_MONEY, 20000000, true },
	};

	assert_string_equal(link->name, "wwan0");
	assert_int_equal(link->hold_larger.bytes, 20 << 10);
	assert_int_equal(link->budgets_len, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(link->budgets[i].unit, budgets[i].unit);
		assert_int_equal(link->budgets[i].amount, budgets[i].amount);
		assert_int_equal(link->budgets[i].monthly, budgets[i].monthly);
	}
	assert_int_equal(link->costs_len, 1);
	assert_int_equal(link->costs[0].unit, SLED_CONF_BYTES);
	assert_int_equal(link->costs[0].amount, 5000000);
	assert_int_equal(link->costs[0].step, MIB);
	assert_string_equal(link->currency, "USD");
	assert_string_equal(link->up_command, "pon provider");
	assert_string_equal(link->down_command, "poff provider");
}

static void
the_example_of_the_contract_arrives_whole(void **state)
{
	struct sled_conf *conf = fx_conf_good(contract);

	(void)state;
	check_contract_store(&conf->store);
	assert_int_equal(conf->accounts_len, 1);
	check_contract_account(&conf->accounts[0]);
	check_contract_schedule(&conf->schedule);
	assert_int_equal(conf->links_len, 2);
	check_contract_link(&conf->links[0]);
	assert_true(conf->links[1].hold_larger.set);
	assert_true(conf->links[1].hold_larger.bytes == SLED_CONF_NO_LIMIT);
	assert_int_equal(conf->warnings_len, 0);
	sled_conf_free(&conf);
	assert_null(conf);
}

static void
what_is_not_written_has_the_defaults_of_the_contract(void **state)
{
	struct sled_conf *conf = fx_conf_good(FX_CONF_STORE FX_CONF_ACCOUNT);
	const struct sled_conf_account *account = &conf->accounts[0];

	(void)state;
	assert_int_equal(conf->store.min_copies, 2);
	assert_false(conf->store.min_copies_set);
	assert_true(conf->store.rotate_month);
	assert_int_equal(conf->store.rotate_bytes, 256 * MIB);
	assert_int_equal(account->line, 4);
	assert_int_equal(account->port, 995);
	assert_int_equal(account->del, SLED_CONF_DELETE_UNWRITTEN);
	assert_false(account->hold_larger.set);
	assert_true(account->hold_larger.bytes == SLED_CONF_NO_LIMIT);
	assert_int_equal(account->timeout_ms, 120000);
	assert_null(account->ca_file);
	assert_int_equal(conf->schedule.line, 0);
	assert_int_equal(conf->schedule.windows_len, 0);
	sled_conf_free(&conf);
}

static void
starttls_brings_port_110_unless_a_port_is_written(void **state)
{
	struct sled_conf *conf = fx_conf_good(FX_CONF_STORE FX_CONF_ACCOUNT
	                                      "tls = starttls\nauth = login\n"
	                                      "[account other]\n"
	                                      "port = 10995\n"
	                                      "tls = starttls\nserver = s2\n"
	                                      "user = u\ncredential = pop\n");

	(void)state;
	assert_int_equal(conf->accounts[0].tls, SLED_CONF_TLS_STARTTLS);
	assert_int_equal(conf->accounts[0].port, 110);
	assert_int_equal(conf->accounts[0].auth, SLED_CONF_AUTH_LOGIN);
	assert_int_equal(conf->accounts[1].port, 10995);
	assert_string_equal(conf->accounts[1].credential, "pop");
	sled_conf_free(&conf);
}

static void
an_account_is_found_by_its_name_or_its_nearest(void **state)
{
	struct sled_conf *conf = fx_conf_good(FX_CONF_STORE FX_CONF_ACCOUNT
	                                      "[account work]\nserver = w\n"
	                                      "user = u\npassword-file = /q\n"
	                                      "[account x.y_z-1]\nserver = x\n"
	                                      "user = u\npassword-file = /q\n");

	(void)state;
	assert_ptr_equal(sled_conf_account(conf, "work"), &conf->accounts[1]);
	assert_ptr_equal(sled_conf_account(conf, "x.y_z-1"),
	                 &conf->accounts[2]);
	assert_null(sled_conf_account(conf, "wor"));
	assert_string_equal(sled_conf_account_near(conf, "wrok"), "work");
	assert_null(sled_conf_account_near(conf, "quarterly"));
	sled_conf_free(&conf);
}

static void
delete_takes_its_three_forms(void **state)
{
	static const struct {
		const char *text;
		enum sled_conf_delete del;
		int64_t after;
	} cases[] = {
		{ "verified", SLED_CONF_DELETE_VERIFIED, 0 },
		{ "never", SLED_CONF_DELETE_NEVER, 0 },
		{ "after 14d", SLED_CONF_DELETE_AFTER, 14 * 86400 },
		{ "after  36 h", SLED_CONF_DELETE_AFTER, 36 * 3600 },
	};

	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sled_conf *conf;

		(void)snprintf(text, sizeof(text), "%sdelete = %s\n",
		               FX_CONF_STORE FX_CONF_ACCOUNT, cases[i].text);
		conf = fx_conf_good(text);
		assert_int_equal(conf->accounts[0].del, cases[i].del);
		assert_int_equal(conf->accounts[0].delete_after_s,
		                 cases[i].after);
		sled_conf_free(&conf);
	}
}

static void
costs_take_bytes_steps_minutes_and_a_minimum(void **state)
{
	struct sled_conf *conf =
	    fx_conf_good(FX_CONF_STORE "[link a]\n"
	                               "cost = 0.48 USD/20s; min 5KiB\n"
	                               "[link b]\n"
	                               "cost = 1.44 EUR/min, 0.000001 EUR/5KiB,"
	                               " min 30s\n"
	                               "[link ppp*]\nbudget = 1 GiB / month\n");
	const struct sled_conf_link *a = &conf->links[0], *b = &conf->links[1];

	(void)state;
	assert_int_equal(a->costs_len, 1);
	assert_int_equal(a->costs[0].unit, SLED_CONF_SECONDS);
	assert_int_equal(a->costs[0].amount, 480000);
	assert_int_equal(a->costs[0].step, 20);
	assert_int_equal(a->cost_min_bytes, 5 << 10);
	assert_int_equal(b->costs_len, 2);
	assert_int_equal(b->costs[0].amount, 1440000);
	assert_int_equal(b->costs[0].step, 60);
	assert_int_equal(b->costs[1].amount, 1);
	assert_int_equal(b->costs[1].step, 5 << 10);
	assert_int_equal(b->cost_min_s, 30);
	assert_string_equal(b->currency, "EUR");
	assert_string_equal(conf->links[2].name, "ppp*");
	assert_int_equal(conf->links[2].budgets[0].amount, MIB << 10);
	sled_conf_free(&conf);
}

static void
windows_go_over_midnight_and_over_the_weeks_end(void **state)
{
	struct sled_conf *conf =
	    fx_conf_good(FX_CONF_STORE "[schedule]\n"
	                               "windows = 23:30-00:30, Sat-Mon "
	                               "00:00-24:00, Wed,Fri 12:00-12:01\n");
	const struct sled_conf_window *windows = conf->schedule.windows;

	(void)state;
	assert_int_equal(conf->schedule.windows_len, 3);
	assert_int_equal(windows[0].days, 0x7f);
	assert_int_equal(windows[0].from_min, 1410);
	assert_int_equal(windows[0].to_min, 30);
	assert_int_equal(windows[1].days, 0x61);
	assert_int_equal(windows[1].to_min, 1440);
	assert_int_equal(windows[2].days, 0x14);
	sled_conf_free(&conf);
}

static void
copies_may_be_far_away_and_many(void **state)
{
	struct sled_conf *conf =
	    fx_conf_good("[store]\npath = /a\nrotate = 1GiB\nstate = ~/s\n"
	                 "copies = /b//c/./, rclone:box:mail/x, /d, /e\n"
	                 "min-copies = 5\ndistinct-devices = yes\n"
	                 "[account h]\nserver = s\nuser = u\n"
	                 "password-file = ~/.p\n");

	(void)state;
	assert_int_equal(conf->store.copies_len, 4);
	assert_string_equal(conf->store.copies[0].where, "/b/c");
	assert_string_equal(conf->store.copies[1].where, "box:mail/x");
	assert_true(conf->store.copies[1].rclone);
	assert_false(conf->store.copies[2].rclone);
	assert_string_equal(conf->store.copies[3].where, "/e");
	assert_true(conf->store.distinct_devices);
	assert_false(conf->store.rotate_month);
	assert_int_equal(conf->store.rotate_bytes, MIB << 10);
	assert_string_equal(conf->store.state, "/home/ada/s");
	assert_string_equal(conf->accounts[0].password_file, "/home/ada/.p");
	sled_conf_free(&conf);
}

static void
far_copies_go_by_links_that_cost_nothing(void **state)
{
	static const bool unwritten[] = { true,  false, false, false,
		                          false, true,  false };
	struct sled_conf *conf = fx_conf_good(
	    "[store]\npath = /a\ncopies = rclone:box:mail\n"
	    "far-bandwidth = 512kbit/s\n" FX_CONF_ACCOUNT "[link free]\n"
	    "[link dear]\ncost = 1 USD/MiB\n[link kept]\nbudget = 1MiB/day\n"
	    "[link asked]\nvisit = ask\n[link metered]\n"
	    "[link yes]\ncost = 1 USD/MiB\nfar = yes\n[link no]\nfar = no\n");

	(void)state;
	assert_int_equal(conf->store.far_bandwidth, 64000);
	assert_string_equal(conf->store.copies[0].name, "rclone:box:mail");
	for (size_t i = 0; i < conf->links_len; i++)
		assert_int_equal(sled_conf_link_far(&conf->links[i], false),
		                 unwritten[i]);
	assert_true(sled_conf_link_far(NULL, false));
	assert_false(sled_conf_link_far(NULL, true));
	assert_false(sled_conf_link_far(&conf->links[0], true));
	assert_true(sled_conf_link_far(&conf->links[5], true));
	sled_conf_free(&conf);
}

static void
one_copy_and_one_maildrop_on_two_ports_are_warned_about(void **state)
{
	struct sled_conf *conf =
	    fx_conf_good("[store]\npath = /a\nmin-copies = 1\n" FX_CONF_ACCOUNT
	                 "[account b]\nserver = S\nport = 1\nuser = u\n"
	                 "credential = c\n");

	(void)state;
	assert_int_equal(conf->warnings_len, 2);
	assert_string_equal(conf->warnings[0],
	                    "f.ini:3: min-copies = 1: mail is deleted from the "
	                    "server when one disk alone holds it");
	assert_non_null(strstr(conf->warnings[1], "f.ini:8: [account b]"));
	assert_non_null(strstr(conf->warnings[1], "one maildrop"));
	sled_conf_free(&conf);
	conf = fx_conf_good(FX_CONF_STORE);
	assert_int_equal(conf->warnings_len, 1);
	assert_string_equal(conf->warnings[0],
	                    "f.ini: no [account NAME] section: there is "
	                    "nothing to fetch");
	sled_conf_free(&conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_the_contract_arrives_whole),
		cmocka_unit_test(
		    what_is_not_written_has_the_defaults_of_the_contract),
		cmocka_unit_test(
		    starttls_brings_port_110_unless_a_port_is_written),
		cmocka_unit_test(
		    an_account_is_found_by_its_name_or_its_nearest),
		cmocka_unit_test(delete_takes_its_three_forms),
		cmocka_unit_test(costs_take_bytes_steps_minutes_and_a_minimum),
		cmocka_unit_test(
		    windows_go_over_midnight_and_over_the_weeks_end),
		cmocka_unit_test(copies_may_be_far_away_and_many),
		cmocka_unit_test(far_copies_go_by_links_that_cost_nothing),
		cmocka_unit_test(
		    one_copy_and_one_maildrop_on_two_ports_are_warned_about),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
