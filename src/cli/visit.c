/* visit.c - what a visit came to; see visit.h. */
#include "cli/visit.h"

#define SHOWN_MAX 20 /* messages named under the report line */

const char *
sled_cli_phase(enum sled_phase phase)
{
	static const char *const words[] = {
		[SLED_PHASE_CONNECT] = "connecting",
		[SLED_PHASE_TLS] = "securing",
		[SLED_PHASE_LOGIN] = "logging in",
		[SLED_PHASE_LIST] = "listing",
		[SLED_PHASE_FETCH] = "fetching",
		[SLED_PHASE_SAVE] = "saving",
		[SLED_PHASE_DELETE] = "deleting",
		[SLED_PHASE_DONE] = "done",
	};

	return words[phase];
}

bool
sled_cli_visit_event(FILE *out, const char *account,
                     const struct sled_visit_progress *now,
                     struct sled_err *err)
{
	struct sled_json *json = NULL;

	if (!sled_json_new(&json, err))
		return false;
	sled_json_text(json, "event", sled_cli_phase(now->phase));
	sled_json_text(json, "account", account);
	sled_json_u64(json, "listed", now->listed);
	sled_json_u64(json, "wanted", now->wanted);
	sled_json_u64(json, "fetched", now->fetched);
	sled_json_u64(json, "safe", now->safe);
	return sled_json_print(&json, out, err);
}

bool
sled_cli_visit_object(FILE *out, const char *account,
                      const struct sled_visit_result *result,
                      struct sled_err *err)
{
	struct sled_json *json = NULL;

	if (!sled_json_new(&json, err))
		return false;
	sled_json_text(json, "account", account);
	sled_cli_visit_json(json, &result->row);
	if (result->err.kind != SLED_ERR_NONE)
		sled_json_text(json, "error", result->err.text);
	if (result->warnings[0] != '\0')
		sled_json_text(json, "warnings", result->warnings);
	return sled_json_print(&json, out, err);
}

static bool
add_count(struct sled_buf *out, uint64_t count, const char *what,
          struct sled_err *err)
{
	return count == 0 || sled_buf_printf(out, err, ", %llu %s",
	                                     (unsigned long long)count, what);
}

static uint64_t
held_longer(const struct sled_visit_result *result)
{
	return result->held_longer < result->row.held ? result->held_longer
	                                              : result->row.held;
}

static bool
add_left(struct sled_buf *out, const struct sled_visit_result *result,
         struct sled_err *err)
{
	uint64_t left = result->row.left;
	uint64_t time = result->left_time, budget = result->left_budget;

	if (left == 0 || time + budget != left)
		return add_count(out, left, "left for later", err);
	return add_count(out, time, "left: no time", err) &&
	       add_count(out, budget, "left: no budget", err);
}

static bool
add_spent(struct sled_buf *out, const struct sled_visit_row *row,
          struct sled_err *err)
{
	char down[SLED_CLI_WORD], up[SLED_CLI_WORD], took[SLED_CLI_WORD];

	sled_cli_bytes(down, row->wire_down);
	sled_cli_bytes(up, row->wire_up);
	sled_cli_span(took, row->ms);
	return sled_buf_printf(out, err, "; %s%s%s, %s down, %s up", took,
	                       row->path[0] != '\0' ? " by " : "", row->path,
	                       down, up);
}

static bool
add_copies(struct sled_buf *out, struct sled_store *store, struct sled_err *err)
{
	for (size_t i = 0; store != NULL && i < sled_store_places(store); i++) {
		struct sled_place_status place;

		if (!sled_store_place(store, i, &place, err) ||
		    (!place.present &&
		     !sled_buf_printf(out, err, "; %s is absent", place.path)))
			return false;
	}
	return store == NULL || !sled_store_one_disk(store) ||
	       sled_buf_addstr(out, " (1 disk)", err);
}

bool
sled_cli_visit_line(struct sled_buf *out, const char *account,
                    const struct sled_visit_result *result,
                    struct sled_store *store, struct sled_err *err)
{
	const struct sled_visit_row *row = &result->row;
	char mail[SLED_CLI_WORD];

	sled_cli_bytes(mail, row->mail_bytes);
	return sled_buf_printf(out, err, "%s: %llu came", account,
	                       (unsigned long long)row->fetched) &&
	       (row->fetched == 0 ||
	        sled_buf_printf(out, err, " (%s)", mail)) &&
	       add_count(out, row->deleted, "deleted from the server", err) &&
	       add_count(out, row->kept, "kept there", err) &&
	       add_count(out, row->held - held_longer(result),
	                 "held (too large)", err) &&
	       add_count(out, held_longer(result),
	                 "held (longer than this link's windows)", err) &&
	       add_left(out, result, err) &&
	       add_count(out, row->failed, "failed", err) &&
	       add_spent(out, row, err) &&
	       (!result->trial ||
	        sled_buf_addstr(out, "; trial: nothing is deleted yet", err)) &&
	       add_copies(out, store, err);
}

struct came {
	struct sled_cli *cli;
	struct sled_buf *out;
	unsigned columns;
	uint64_t seen;
};

static bool
add_one(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	struct came *came = ctx;

	if (came->seen++ >= SHOWN_MAX)
		return true;
	return sled_buf_addstr(came->out, "  ", err) &&
	       sled_cli_message_line(came->cli, message,
	                             came->columns > 2 ? came->columns - 2 : 0,
	                             came->out, err) &&
	       sled_buf_addstr(came->out, "\n", err);
}

bool
sled_cli_visit_came(struct sled_cli *cli, struct sled_buf *out,
                    const char *account, const struct sled_visit_row *row,
                    unsigned columns, struct sled_err *err)
{
	struct came came = { cli, out, columns, 0 };
	const struct sled_message_query query = { .label = account,
		                                  .since = row->began,
		                                  .limit = row->fetched };

	if (row->fetched == 0)
		return true;
	return sled_ledger_messages(sled_store_ledger(cli->store), &query,
	                            add_one, &came, err) &&
	       (came.seen <= SHOWN_MAX ||
	        sled_buf_printf(out, err,
	                        "  and %llu more: mailsled list --new\n",
	                        (unsigned long long)(came.seen - SHOWN_MAX)));
}
