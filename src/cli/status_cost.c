/* status_cost.c - of `mailsled status`: budgets, and the maildrop's quota. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/status.h"

#define NEARLY 80 /* percent of the quota that is warned at */

bool
sled_status_budgets(struct status *status, struct sled_err *err)
{
	struct sled_buf text = { 0 };
	struct sled_json *json = NULL;
	bool ok;

	if (!status->cli->json) {
		ok = sled_cli_budgets(status->cli, status->now, &text, err);
		if (ok && text.len > 0)
			(void)fputs(text.data, stdout);
		sled_buf_free(&text);
		return ok;
	}
	if (!sled_json_new(&json, err))
		return false;
	if (sled_cli_budgets_json(status->cli, status->now, json, err))
		return sled_json_print(&json, stdout, err);
	sled_json_free(&json);
	return false;
}

/* ---- quota ---- */

static unsigned
percent_of(uint64_t bytes, uint64_t quota)
{
	double share = 100.0 * (double)bytes / (double)quota;

	return share > 999.0 ? 999 : (unsigned)share;
}

static bool
count_absent(struct status *status, size_t *absent, struct sled_err *err)
{
	struct sled_store *store = status->cli->store;

	*absent = 0;
	for (size_t i = 0; i < sled_store_places(store); i++) {
		struct sled_place_status place = { 0 };

		if (!sled_store_place(store, i, &place, err))
			return false;
		*absent += !place.present && (!place.far || place.fails);
	}
	return true;
}

bool
sled_status_quota(struct status *status, const struct sled_conf_account *conf,
                  uint64_t bytes, struct sled_err *err)
{
	char used[SLED_CLI_WORD], all[SLED_CLI_WORD];
	unsigned percent;
	size_t absent = 0;

	if (conf == NULL || conf->quota == 0)
		return true;
	percent = percent_of(bytes, conf->quota);
	sled_cli_bytes(used, bytes);
	sled_cli_bytes(all, conf->quota);
	(void)printf("  quota     %s of %s at the last visit: %u %%\n", used,
	             all, percent);
	if (percent < NEARLY)
		return true;
	if (!count_absent(status, &absent, err))
		return false;
	(void)printf("            the server soon refuses mail%s\n",
	             absent == 0 ? "" : ", AND A COPY IS ABSENT: what comes");
	if (absent > 0)
		(void)printf("            is not deleted there: plug it in\n");
	return true;
}

void
sled_status_quota_json(struct sled_json *json,
                       const struct sled_conf_account *conf, uint64_t bytes)
{
	bool has = conf != NULL && conf->quota != 0;

	sled_json_u64(json, "server_bytes", bytes);
	if (has)
		sled_json_u64(json, "quota", conf->quota);
	else
		sled_json_null(json, "quota");
	sled_json_bool(json, "quota_low",
	               has && percent_of(bytes, conf->quota) >= NEARLY);
}
