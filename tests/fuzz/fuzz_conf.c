/* fuzz_conf.c - any bytes as a configuration: no crash, no half result, and
 * nothing that was accepted breaks its own contract. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
check_good(const struct sled_conf *conf)
{
	must(conf->store.path != NULL && conf->store.path[0] == '/');
	must(conf->store.min_copies >= 1);
	must(conf->store.min_copies <= conf->store.copies_len + 1);
	for (size_t i = 0; i < conf->accounts_len; i++) {
		const struct sled_conf_account *account = &conf->accounts[i];
		int secrets = (account->password_command != NULL) +
		              (account->password_file != NULL) +
		              (account->credential != NULL);

		must(sled_conf_account(conf, account->name) == account);
		must(account->server != NULL && account->user != NULL);
		must(account->port != 0 && account->timeout_ms >= 1000);
		must(secrets == 1);
	}
	for (size_t i = 0; i < conf->schedule.windows_len; i++)
		must(conf->schedule.windows[i].days != 0 &&
		     conf->schedule.windows[i].from_min < SLED_CONF_DAY_MIN &&
		     conf->schedule.windows[i].to_min <= SLED_CONF_DAY_MIN);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sled_conf_env env = { .home = "/home/ada" };
	struct sled_span text = { (const char *)data, size };
	struct sled_conf *conf = NULL;
	struct sled_buf copy = { 0 };
	struct sled_err err = { 0 };

	if (sled_conf_parse(&conf, text, "f.ini", &env, &err)) {
		check_good(conf);
	} else {
		must(conf == NULL && err.kind == SLED_ERR_CONFIG);
		must(strncmp(err.text, "f.ini:", 6) == 0);
	}
	sled_conf_free(&conf);
	must(sled_conf_strip_secrets(&copy, text, &err));
	sled_buf_free(&copy);
	return 0;
}
