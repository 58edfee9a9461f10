/* status_deliver.c - `mailsled status`: what waits for other programs. */
#include <inttypes.h>
#include <string.h>

#include "cli/status.h"
#include "mailsled/clock.h"
#include "mailsled/text.h"

struct target {
	struct sled_delivery_row row;
	uint64_t waiting;
	char why[512]; /* printable, or "" */
};

static bool
take_why(void *ctx, const struct sled_undelivered_row *row,
         struct sled_err *err)
{
	(void)err;
	(void)snprintf(ctx, sizeof(row->why), "%s", row->why);
	return true;
}

/* One that no visit has met yet has nothing, and nothing waits for it. */
static bool
look_up(struct status *status, const struct sled_conf_account *conf,
        const struct sled_conf_target *target, struct target *out,
        struct sled_err *err)
{
	const struct sled_undelivered_query first = { .limit = 1 };
	bool found = false;

	*out = (struct target){ .waiting = 0 };
	if (!sled_ledger_delivery(status->ledger, conf->name, target->name,
	                          &out->row, &found, err))
		return false;
	if (!found)
		return true;
	if (!sled_ledger_waiting(status->ledger, &out->row, &out->waiting, err))
		return false;
	if (out->waiting == 0)
		return true;
	(void)snprintf(out->why, sizeof(out->why), "%s", out->row.why);
	return out->why[0] != '\0' ||
	       sled_ledger_undelivered(status->ledger, &out->row, &first,
	                               take_why, out->why, err);
}

static void
print(const struct sled_conf_target *target, const struct target *t)
{
	char name[200];

	sled_text_clip(
	    name, sizeof(name),
	    (struct sled_span){ target->name, strlen(target->name) });
	(void)printf("  delivered %" PRIu64 " message%s to %s\n",
	             t->row.delivered, t->row.delivered == 1 ? "" : "s", name);
	if (t->waiting > 0)
		(void)printf("  waits     %" PRIu64 " message%s for it%s%s\n",
		             t->waiting, t->waiting == 1 ? "" : "s",
		             t->why[0] == '\0' ? "" : ": ", t->why);
}

bool
sled_status_deliver(struct status *status, const struct sled_conf_account *conf,
                    struct sled_err *err)
{
	for (size_t i = 0; conf != NULL && i < conf->targets_len; i++) {
		struct target target;

		if (!look_up(status, conf, &conf->targets[i], &target, err))
			return false;
		print(&conf->targets[i], &target);
	}
	return true;
}

bool
sled_status_deliver_json(struct status *status,
                         const struct sled_conf_account *conf,
                         struct sled_json *json, struct sled_err *err)
{
	for (size_t i = 0; conf != NULL && i < conf->targets_len; i++) {
		struct sled_json *one = NULL;
		struct target target;
		char when[SLED_TIME_TEXT];

		if (!look_up(status, conf, &conf->targets[i], &target, err) ||
		    !sled_json_new(&one, err))
			return false;
		sled_clock_rfc3339(target.row.last, when);
		sled_json_text(one, "target", conf->targets[i].name);
		sled_json_u64(one, "delivered", target.row.delivered);
		sled_json_text(one, "last", target.row.last == 0 ? NULL : when);
		sled_json_u64(one, "waiting", target.waiting);
		sled_json_text(one, "error",
		               target.why[0] == '\0' ? NULL : target.why);
		sled_json_add(json, "deliver", &one);
	}
	if (conf == NULL || conf->targets_len == 0)
		sled_json_add(json, "deliver", NULL);
	return true;
}
