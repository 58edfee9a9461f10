/* cost.c - what a visit cost on the wire, for people and for programs. */
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"

#define COLUMNS 80
#define LABEL   12 /* columns before the text */
#define NOTED   50 /* ms; a shorter phase is not worth its word */

void
sled_cli_visit_json(struct sled_json *json, const struct sled_visit_row *row)
{
	sled_json_u64(json, "listed", row->listed);
	sled_json_u64(json, "fetched", row->fetched);
	sled_json_u64(json, "deleted", row->deleted);
	sled_json_u64(json, "kept", row->kept);
	sled_json_u64(json, "held", row->held);
	sled_json_u64(json, "left", row->left);
	sled_json_u64(json, "failed", row->failed);
	sled_json_u64(json, "mail_bytes", row->mail_bytes);
	sled_json_u64(json, "wire_down", row->wire_down);
	sled_json_u64(json, "wire_up", row->wire_up);
	sled_json_real(json, "seconds", (double)row->ms / 1000.0);
	sled_json_bool(json, "resumed", row->resumed);
	sled_json_i64(json, "exit", row->exit);
	sled_json_bool(json, "offered", row->offered);
	sled_json_bool(json, "eager", row->eager);
	sled_json_u64(json, "round_trips", row->round_trips);
	sled_json_u64(json, "rtt_ms", row->rtt_ms);
	sled_json_u64(json, "segs_down", row->segs_down);
	sled_json_u64(json, "segs_up", row->segs_up);
	sled_json_u64(json, "retrans", row->retrans);
	sled_json_i64(json, "ms_connect", row->ms_connect);
	sled_json_i64(json, "ms_tls", row->ms_tls);
	sled_json_i64(json, "ms_login", row->ms_login);
	sled_json_i64(json, "ms_list", row->ms_list);
	sled_json_i64(json, "ms_fetch", row->ms_fetch);
	sled_json_i64(json, "ms_save", row->ms_save);
	sled_json_i64(json, "ms_delete", row->ms_delete);
}

/* Octets up to the next blank behind a comma or semicolon. */
static size_t
part_len(const char *text)
{
	size_t len = strcspn(text, ",;");

	return text[len] == '\0' ? len : len + 1;
}

/* "  LABEL     TEXT" in lines of at most COLUMNS, broken between its parts. */
static bool
add_lines(struct sled_buf *out, const char *label, const char *text,
          struct sled_err *err)
{
	size_t at = LABEL;

	if (!sled_buf_printf(out, err, "  %-*s", LABEL - 2, label))
		return false;
	while (*text != '\0') {
		size_t len = part_len(text);
		const char *gap = at > LABEL ? " " : "";

		if (at > LABEL && at + 1 + len > COLUMNS) {
			if (!sled_buf_printf(out, err, "\n%*s", LABEL, ""))
				return false;
			at = LABEL;
			gap = "";
		}
		if (!sled_buf_printf(out, err, "%s%.*s", gap, (int)len, text))
			return false;
		at += strlen(gap) + len;
		text += len + strspn(text + len, " ");
	}
	return sled_buf_add(out, "\n", 1, err);
}

static bool
add_bytes(struct sled_buf *out, const struct sled_visit_row *row,
          struct sled_err *err)
{
	char down[SLED_CLI_WORD], up[SLED_CLI_WORD];

	sled_cli_bytes(down, row->wire_down);
	sled_cli_bytes(up, row->wire_up);
	return sled_buf_printf(out, err, "%s down, %s up", down, up) &&
	       (row->round_trips == 0 ||
	        sled_buf_printf(out, err, " in %" PRIu32 " round trip%s",
	                        row->round_trips,
	                        row->round_trips == 1 ? "" : "s")) &&
	       (row->rtt_ms == 0 ||
	        sled_buf_printf(out, err, " of %" PRIu32 " ms", row->rtt_ms));
}

static bool
add_phases(struct sled_buf *out, const struct sled_visit_row *row,
           struct sled_err *err)
{
	const struct {
		const char *word;
		int64_t ms;
	} phases[] = {
		{ "connect", row->ms_connect }, { "TLS", row->ms_tls },
		{ "login", row->ms_login },     { "list", row->ms_list },
		{ "fetch", row->ms_fetch },     { "save", row->ms_save },
		{ "delete", row->ms_delete },
	};

	const char *before = "; ";

	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
		char took[SLED_CLI_WORD];

		if (phases[i].ms < NOTED)
			continue;
		/* It drops what is below a tenth: rounded. */
		sled_cli_span(took, phases[i].ms + NOTED);
		if (!sled_buf_printf(out, err, "%s%s %s", before, took,
		                     phases[i].word))
			return false;
		before = ", ";
	}
	return true;
}

static bool
add_spent(struct sled_buf *out, const struct sled_visit_row *row,
          struct sled_err *err)
{
	struct sled_buf text = { 0 };
	bool ok =
	    add_bytes(&text, row, err) && add_phases(&text, row, err) &&
	    (row->retrans == 0 ||
	     sled_buf_printf(&text, err, "; %" PRIu64 " packet%s again",
	                     row->retrans, row->retrans == 1 ? "" : "s")) &&
	    add_lines(out, "cost", text.data, err);

	sled_buf_free(&text);
	return ok;
}

bool
sled_cli_cost(struct sled_buf *out, const struct sled_visit_row *row,
              struct sled_err *err)
{
	static const char resumed[] = "TLS was resumed";
	static const char eager[] = "the login did not wait for the greeting";
	char saved[sizeof(resumed) + sizeof(eager) + 2];

	if (row->wire_down == 0 && row->wire_up == 0)
		return true;
	if (!add_spent(out, row, err))
		return false;
	(void)snprintf(
	    saved, sizeof(saved), "%s%s%s", row->resumed ? resumed : "",
	    row->resumed && row->eager ? "; " : "", row->eager ? eager : "");
	return saved[0] == '\0' || add_lines(out, "saved", saved, err);
}

/* ---- which one ---- */

struct latest {
	struct sled_visit_row *row;
	int64_t now;
};

static bool
take_first(void *ctx, const struct sled_visit_row *row, struct sled_err *err)
{
	const struct latest *latest = ctx;
	bool ahead = latest->row->began > latest->now;

	(void)err;
	if (latest->row->id == 0 || (ahead && row->began <= latest->now))
		*latest->row = *row;
	return true;
}

bool
sled_cli_last_visit(struct sled_ledger *ledger, const char *label, int64_t now,
                    struct sled_visit_row *out, struct sled_err *err)
{
	struct latest latest = { out, now };

	out->id = 0;
	return sled_ledger_visits(ledger, label, 1, take_first, &latest, err) &&
	       (out->id == 0 || out->began <= now ||
	        sled_ledger_visits(ledger, label, 0, take_first, &latest, err));
}
