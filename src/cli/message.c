/* message.c - one stored message: how it is named, shown and found. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "mailsled/clock.h"
#include "mailsled/text.h"

#define ID_LEN     12
#define ID_LEAST   4  /* hex digits that may name a message */
#define ID_NARROW  8  /* digits shown on a narrow terminal */
#define NARROW     64 /* columns; fewer are a narrow one */
#define FROM_WIDTH 28 /* columns of the sender at most */

/* ---- names ---- */

struct alike {
	const struct sled_hash *hash;
	char hex[SLED_HASH_HEX];
	size_t len; /* digits that tell it from all others */
};

static bool
tell_apart(void *ctx, const struct sled_message *other, struct sled_err *err)
{
	struct alike *alike = ctx;
	char hex[SLED_HASH_HEX];
	size_t same = 0;

	(void)err;
	sled_text_hex(hex, other->sha256.b, SLED_HASH_LEN);
	if (strcmp(hex, alike->hex) == 0)
		return true;
	while (hex[same] == alike->hex[same])
		same++;
	if (same + 1 > alike->len)
		alike->len = same + 1;
	return true;
}

bool
sled_cli_id(struct sled_ledger *ledger, const struct sled_hash *hash,
            char out[SLED_HASH_HEX], struct sled_err *err)
{
	struct alike alike = { hash, "", ID_LEN };

	sled_text_hex(alike.hex, hash->b, SLED_HASH_LEN);
	memcpy(out, alike.hex, sizeof(alike.hex));
	out[ID_LEN] = '\0';
	if (!sled_ledger_by_prefix(ledger, out, tell_apart, &alike, err))
		return false;
	memcpy(out, alike.hex, sizeof(alike.hex));
	out[alike.len] = '\0';
	return true;
}

bool
sled_cli_rows_add(struct sled_cli_rows *rows, int64_t id, struct sled_err *err)
{
	size_t cap = rows->cap == 0 ? 16 : rows->cap * 2;
	int64_t *ids;

	if (rows->len == rows->cap) {
		ids = reallocarray(rows->ids, cap, sizeof(*ids));
		if (ids == NULL)
			return sled_fail_sys(err, ENOMEM, "message list");
		rows->ids = ids;
		rows->cap = cap;
	}
	rows->ids[rows->len++] = id;
	return true;
}

void
sled_cli_rows_free(struct sled_cli_rows *rows)
{
	free(rows->ids);
	*rows = (struct sled_cli_rows){ 0 };
}

/* ---- shown ---- */

static bool
add_column(struct sled_buf *out, struct sled_span text, unsigned columns,
           bool pad, struct sled_err *err)
{
	struct sled_buf shown = { 0 };
	bool ok = sled_text_printable(&shown, text, err);

	if (columns == 0)
		columns = UINT32_MAX;
	ok = ok && sled_cli_fit(out, shown.data, columns, pad, err);
	sled_buf_free(&shown);
	return ok;
}

/* FROM and SUBJECT as the reader understands them, or as they came. */
static bool
get_texts(struct sled_cli *cli, const struct sled_message *message, bool name,
          struct sled_buf texts[2], struct sled_err *err)
{
	if (cli->reading != NULL)
		return cli->reading->decode(message, name, &texts[0], &texts[1],
		                            err);
	return sled_buf_add(&texts[0], message->from.data, message->from.len,
	                    err) &&
	       sled_buf_add(&texts[1], message->subject.data,
	                    message->subject.len, err);
}

static bool
add_line(const struct sled_message *message, const char *id,
         const struct sled_buf texts[2], unsigned columns, struct sled_buf *out,
         struct sled_err *err)
{
	char when[SLED_CLI_WORD];
	unsigned left, from = FROM_WIDTH;
	bool narrow = columns > 0 && columns < NARROW;

	sled_cli_time(when, message->received);
	if (narrow && strlen(when) == 16)
		when[10] = '\0'; /* the day alone */
	if (!sled_buf_printf(out, err, "%s  %s  ", id,
	                     narrow ? when + 2 : when))
		return false;
	left = (unsigned)(strlen(id) + strlen(when)) + (narrow ? 4 : 6);
	left = columns > left ? columns - left : 0;
	if (columns > 0 && left < 2 * FROM_WIDTH)
		from = left / 2;
	if (!add_column(out, sled_buf_span(&texts[0]), from == 0 ? 1 : from,
	                true, err) ||
	    !sled_buf_addstr(out, "  ", err))
		return false;
	left = left > from ? left - from : 1;
	return add_column(out, sled_buf_span(&texts[1]),
	                  columns == 0 ? 0 : left, false, err);
}

bool
sled_cli_message_line(struct sled_cli *cli, const struct sled_message *message,
                      unsigned columns, struct sled_buf *out,
                      struct sled_err *err)
{
	char id[SLED_HASH_HEX];
	struct sled_buf texts[2] = { 0 };
	bool ok = sled_cli_id(sled_store_ledger(cli->store), &message->sha256,
	                      id, err) &&
	          get_texts(cli, message, true, texts, err);

	/* Fewer digits still are a name, where there is room for little. */
	if (ok && columns > 0 && columns < NARROW && strlen(id) == ID_LEN)
		id[ID_NARROW] = '\0';
	ok = ok && add_line(message, id, texts, columns, out, err);
	sled_buf_free(&texts[0]);
	sled_buf_free(&texts[1]);
	return ok;
}

static bool
find_archive(struct sled_ledger *ledger, const struct sled_message *message,
             struct sled_buf *out, struct sled_err *err)
{
	struct sled_member_row member = { 0 };
	struct sled_volume_row volume = { 0 };
	char file[SLED_VOLUME_FILE];

	if (!sled_ledger_member_get(ledger, message->member, &member, err) ||
	    !sled_ledger_volume_get(ledger, member.volume, &volume, err))
		return false;
	if (volume.sealed)
		sled_volume_sealed_file(file, volume.name, volume.revision);
	else
		sled_volume_file(file, volume.name, true);
	return sled_buf_printf(out, err, "%s/%s", volume.label, file);
}

static void
put_times(struct sled_json *json, const struct sled_message *message)
{
	char text[SLED_TIME_TEXT];
	int64_t date = 0;

	sled_clock_rfc3339(message->received, text);
	sled_json_text(json, "received", text);
	if (sled_cli_date_parse(message->date, &date)) {
		sled_clock_rfc3339(date, text);
		sled_json_text(json, "date", text);
	} else {
		sled_json_null(json, "date");
	}
}

static const char *
body_word(unsigned flags)
{
	if (flags & SLED_MESSAGE_BODY_HOLDS)
		return "holds";
	if (flags & SLED_MESSAGE_BODY_OTHER)
		return "other";
	return flags & SLED_MESSAGE_BODY_UNKNOWN ? "unknown" : "none";
}

bool
sled_cli_message_json(struct sled_cli *cli, const struct sled_message *message,
                      struct sled_json *json, struct sled_err *err)
{
	struct sled_ledger *ledger = sled_store_ledger(cli->store);
	struct sled_buf archive = { 0 }, texts[2] = { 0 };
	char id[SLED_HASH_HEX], hex[SLED_HASH_HEX];

	if (!sled_cli_id(ledger, &message->sha256, id, err) ||
	    !find_archive(ledger, message, &archive, err) ||
	    !get_texts(cli, message, false, texts, err)) {
		sled_buf_free(&archive);
		sled_buf_free(&texts[0]);
		sled_buf_free(&texts[1]);
		return false;
	}
	sled_text_hex(hex, message->sha256.b, SLED_HASH_LEN);
	sled_json_text(json, "id", id);
	sled_json_u64(json, "number", message->number);
	sled_json_text(json, "account", message->label);
	sled_json_text(json, "uidl",
	               message->uid[0] == '\0' ? NULL : message->uid);
	sled_json_text(json, "sha256", hex);
	sled_json_u64(json, "size", message->octets);
	put_times(json, message);
	sled_json_span(json, "from", sled_buf_span(&texts[0]));
	sled_json_span(json, "subject", sled_buf_span(&texts[1]));
	sled_json_text(json, "archive", archive.data);
	sled_json_text(json, "body_hash", body_word(message->flags));
	if ((message->flags & SLED_MESSAGE_UNSEEN) != 0)
		sled_json_null(json, "on_server");
	else
		sled_json_bool(json, "on_server",
		               message->on_server && message->gone == 0);
	sled_buf_free(&archive);
	sled_buf_free(&texts[0]);
	sled_buf_free(&texts[1]);
	return true;
}

static bool
print_json(struct sled_cli *cli, const struct sled_message *message,
           struct sled_err *err)
{
	struct sled_json *json = NULL;

	if (!sled_json_new(&json, err))
		return false;
	if (sled_cli_message_json(cli, message, json, err))
		return sled_json_print(&json, stdout, err);
	sled_json_free(&json);
	return false;
}

bool
sled_cli_print_message(struct sled_cli *cli,
                       const struct sled_cli_screen *screen,
                       const struct sled_message *message, struct sled_err *err)
{
	struct sled_buf line = { 0 };
	size_t id;
	bool ok;

	if (cli->json)
		return print_json(cli, message, err);
	ok = sled_cli_message_line(cli, message, screen->columns, &line, err);
	if (ok) {
		id = strcspn(line.data, " ");
		ok = printf("%s%.*s%s%s\n", screen->faint, (int)id, line.data,
		            screen->plain, line.data + id) > 0 ||
		     sled_fail(err, SLED_ERR_IO, "output: cannot be written");
	}
	sled_buf_free(&line);
	return ok;
}

/* ---- found ---- */

struct search {
	struct sled_cli_rows *rows;
	size_t first; /* rows of this search begin here */
	struct sled_hash hash;
	bool differ;
};

static bool
note_found(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	struct search *search = ctx;
	struct sled_cli_rows *rows = search->rows;

	for (size_t i = search->first; i < rows->len; i++)
		if (rows->ids[i] == message->id)
			return true;
	if (rows->len == search->first)
		search->hash = message->sha256;
	else if (memcmp(search->hash.b, message->sha256.b, SLED_HASH_LEN) != 0)
		search->differ = true;
	return sled_cli_rows_add(rows, message->id, err);
}

struct numbered {
	struct sled_ledger *ledger;
	struct search *search;
	uint64_t number;
	char before[25]; /* volumes come sorted by label */
};

static bool
look_in_label(void *ctx, const struct sled_volume_row *volume,
              struct sled_err *err)
{
	struct numbered *numbered = ctx;

	if (strcmp(numbered->before, volume->label) == 0)
		return true;
	memcpy(numbered->before, volume->label, sizeof(numbered->before));
	return sled_ledger_by_number(numbered->ledger, volume->label,
	                             numbered->number, note_found,
	                             numbered->search, err);
}

/* ACCOUNT/NUMBER, or NUMBER in whichever account. */
static bool
search_number(struct sled_ledger *ledger, const char *id, struct search *search,
              struct sled_err *err)
{
	const char *slash = strchr(id, '/');
	const char *digits = slash == NULL ? id : slash + 1;
	struct numbered numbered = { ledger, search, 0, "" };
	char label[25];

	if (!sled_text_u64((struct sled_span){ digits, strlen(digits) },
	                   &numbered.number))
		return true;
	if (slash == NULL)
		return sled_ledger_volumes(ledger, NULL, look_in_label,
		                           &numbered, err);
	if ((size_t)(slash - id) >= sizeof(label))
		return true;
	memcpy(label, id, (size_t)(slash - id));
	label[slash - id] = '\0';
	return sled_ledger_by_number(ledger, label, numbered.number, note_found,
	                             search, err);
}

static bool
search_prefix(struct sled_ledger *ledger, const char *id, struct search *search,
              struct sled_err *err)
{
	char hex[SLED_HASH_HEX];
	size_t len = strlen(id);

	if (len < ID_LEAST || len >= sizeof(hex) ||
	    strspn(id, "0123456789abcdefABCDEF") != len)
		return true;
	for (size_t i = 0; i <= len; i++)
		hex[i] =
		    (char)(id[i] >= 'A' && id[i] <= 'F' ? id[i] | 0x20 : id[i]);
	return sled_ledger_by_prefix(ledger, hex, note_found, search, err);
}

static bool
print_candidate(void *ctx, const struct sled_message *message,
                struct sled_err *err)
{
	struct sled_buf line = { 0 };
	bool ok = sled_cli_message_line(
	    ctx, message, sled_cli_columns(fileno(stderr)), &line, err);

	if (ok)
		(void)fprintf(stderr, "%s/%llu  %s\n", message->label,
		              (unsigned long long)message->number, line.data);
	sled_buf_free(&line);
	return ok;
}

static bool
refuse_many(struct sled_cli *cli, const char *shown, struct search *search,
            struct sled_err *err)
{
	struct sled_ledger *ledger = sled_store_ledger(cli->store);
	size_t count = search->rows->len - search->first;

	for (size_t i = search->first; i < search->rows->len && i < 20; i++)
		if (!sled_ledger_by_id(ledger, search->rows->ids[i],
		                       print_candidate, cli, err))
			return false;
	(void)sled_fail(err, SLED_ERR_MISSING,
	                "%s: %zu messages have this name", shown, count);
	return sled_hint(err, "more digits, or ACCOUNT/NUMBER");
}

bool
sled_cli_find(struct sled_cli *cli, const char *id, struct sled_cli_rows *rows,
              struct sled_err *err)
{
	struct sled_ledger *ledger = sled_store_ledger(cli->store);
	struct search search = { .rows = rows, .first = rows->len };
	char shown[100];

	if (!search_prefix(ledger, id, &search, err) ||
	    !search_number(ledger, id, &search, err))
		return false;
	sled_text_clip(shown, sizeof(shown),
	               (struct sled_span){ id, strlen(id) });
	if (search.differ)
		return refuse_many(cli, shown, &search, err);
	if (rows->len > search.first)
		return true;
	(void)sled_fail(err, SLED_ERR_MISSING, "%s: no such message", shown);
	return sled_hint(err, "mailsled list");
}
