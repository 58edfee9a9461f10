/* forecast_mail.c - which mail waits, from listings or from a list of sizes. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/forecast.h"
#include "mailsled/clock.h"
#include "mailsled/file.h"
#include "mailsled/text.h"

#define SIZES_MOST (16u << 20) /* octets of a list */
#define PIECE      65536u
#define SIZE_MOST  (UINT64_C(1) << 40)

bool
sled_forecast_add(struct sled_forecast *f, uint32_t account, uint64_t size,
                  bool wanted, struct sled_err *err)
{
	size_t cap = f->cap == 0 ? 64 : 2 * f->cap;
	struct sled_forecast_item *more;

	if (f->len == f->cap) {
		more = reallocarray(f->items, cap, sizeof(*more));
		if (more == NULL)
			return sled_fail(err, SLED_ERR_NOMEM, "plan");
		f->items = more;
		f->cap = cap;
	}
	f->items[f->len++] = (struct sled_forecast_item){ .size = size,
		                                          .account = account,
		                                          .wanted = wanted };
	if (size > f->accounts[account].hold && !wanted)
		f->items[f->len - 1].fate = SLED_FORECAST_HELD;
	return true;
}

/* ---- a list of sizes ---- */

static bool
unit_of(const char *text, uint64_t *unit)
{
	static const struct {
		const char *name;
		uint64_t octets;
	} units[] = {
		{ "", 1 },
		{ "B", 1 },
		{ "kB", 1000 },
		{ "MB", 1000000 },
		{ "GB", 1000000000 },
		{ "KiB", UINT64_C(1) << 10 },
		{ "MiB", 1U << 20 },
		{ "GiB", 1U << 30 },
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text, units[i].name) != 0)
			continue;
		*unit = units[i].octets;
		return true;
	}
	return false;
}

/* "5000", "4.2KiB": rounded down to an octet. */
static bool
read_size(const char *text, uint64_t *size)
{
	uint64_t whole = 0, part = 0, scale = 1, unit = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++) {
		whole = whole * 10 + (uint64_t)(*at - '0');
		if (whole > SIZE_MOST)
			return false;
	}
	if (at == text)
		return false;
	if (*at == '.') {
		const char *point = at++;

		for (; *at >= '0' && *at <= '9' && scale < 1000000; at++) {
			part = part * 10 + (uint64_t)(*at - '0');
			scale *= 10;
		}
		if (at == point + 1)
			return false;
	}
	if (!unit_of(at, &unit) || (scale > 1 && unit == 1) ||
	    whole > SIZE_MOST / unit)
		return false;
	*size = whole * unit + part * unit / scale;
	return true;
}

struct line {
	const char *file;
	unsigned long number;
};

static bool
refuse(const struct line *line, const char *text, const char *what,
       struct sled_err *err)
{
	char file[128], shown[64];

	sled_text_clip(file, sizeof(file),
	               (struct sled_span){ line->file, strlen(line->file) });
	sled_text_clip(shown, sizeof(shown),
	               (struct sled_span){ text, strlen(text) });
	return sled_fail(err, SLED_ERR_USAGE, "%s:%lu: \"%s\": %s", file,
	                 line->number, shown, what);
}

static bool
take_line(struct sled_forecast *f, const struct line *line, char *text,
          struct sled_err *err)
{
	static const char blanks[] = " \t\r";
	char *rest = NULL, *first = strtok_r(text, blanks, &rest);
	char *second = first == NULL ? NULL : strtok_r(NULL, blanks, &rest);
	uint32_t account = 0;
	uint64_t size = 0;

	if (first == NULL || first[0] == '#')
		return true;
	if (second != NULL) {
		while (account < f->accounts_len &&
		       strcmp(f->accounts[account].conf->name, first) != 0)
			account++;
		if (account == f->accounts_len)
			return refuse(line, first, "no such account here", err);
		first = second;
		if (strtok_r(NULL, blanks, &rest) != NULL)
			return refuse(line, first,
			              "one word too many behind it", err);
	}
	if (!read_size(first, &size))
		return refuse(line, first,
		              "a size such as 5000, 4.2KiB or 1MiB is wanted",
		              err);
	return sled_forecast_add(f, account, size, false, err);
}

static bool
read_stdin(struct sled_buf *out, struct sled_err *err)
{
	size_t got;

	do {
		if (!sled_buf_reserve(out, PIECE, err))
			return false;
		got = fread(out->data + out->len, 1, PIECE, stdin);
		out->len += got;
		out->data[out->len] = '\0';
		if (out->len > SIZES_MOST)
			return sled_fail(err, SLED_ERR_USAGE,
			                 "-: longer than 16 MiB");
	} while (got > 0);
	return ferror(stdin) == 0 || sled_fail_sys(err, errno, "stdin");
}

bool
sled_forecast_sizes(struct sled_forecast *f, const char *file,
                    struct sled_err *err)
{
	struct line line = { file, 0 };
	struct sled_buf text = { 0 };
	char *at, *rest;
	bool ok = strcmp(file, "-") == 0
	              ? read_stdin(&text, err)
	              : sled_file_slurp(&text, f->cli->sys, AT_FDCWD, file,
	                                SIZES_MOST, err);

	if (ok && text.len > 0 && strlen(text.data) != text.len) {
		line.number = 1;
		ok = refuse(&line, "\\0", "this is not a text", err);
	}
	at = text.data;
	for (; ok && at != NULL; at = rest) {
		rest = strchr(at, '\n');
		if (rest != NULL)
			*rest++ = '\0';
		line.number++;
		ok = take_line(f, &line, at, err);
	}
	for (uint32_t i = 0; i < f->accounts_len; i++)
		f->accounts[i].known = true;
	sled_buf_free(&text);
	return ok;
}

/* ---- listings ---- */

struct held {
	char uid[SLED_UID_MAX + 1];
	uint64_t size;
	enum sled_decision decision;
	bool used;
};

struct look {
	struct sled_forecast *forecast;
	struct sled_ledger *ledger;
	uint32_t account;
	int64_t maildrop;
	struct held *held; /* by unique-id */
	size_t held_len, held_cap;
	uint64_t seen;
	struct sled_visit_row visit;
};

static bool
take_held(void *ctx, const struct sled_held_row *row, struct sled_err *err)
{
	struct look *look = ctx;
	size_t cap = look->held_cap == 0 ? 16 : 2 * look->held_cap;
	struct held *more;

	if (!row->listed)
		return true;
	if (look->held_len == look->held_cap) {
		more = reallocarray(look->held, cap, sizeof(*more));
		if (more == NULL)
			return sled_fail(err, SLED_ERR_NOMEM, "plan");
		look->held = more;
		look->held_cap = cap;
	}
	look->held[look->held_len] =
	    (struct held){ "", row->size, row->decision, false };
	(void)snprintf(look->held[look->held_len++].uid, SLED_UID_MAX + 1, "%s",
	               row->uid);
	return true;
}

static int
by_uid(const void *a, const void *b)
{
	return strcmp(((const struct held *)a)->uid,
	              ((const struct held *)b)->uid);
}

static bool
add_one(struct look *look, uint64_t size, enum sled_decision decision,
        struct sled_err *err)
{
	struct sled_forecast *f = look->forecast;

	if (!sled_forecast_add(f, look->account, size,
	                       decision == SLED_DECIDE_WANT, err))
		return false;
	if (decision == SLED_DECIDE_DROP)
		f->items[f->len - 1].fate = SLED_FORECAST_DROP;
	return true;
}

static bool
note_row(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	(void)message;
	(void)err;
	*(bool *)ctx = true;
	return true;
}

/* One of the remembered listing: it waits, unless it is stored. */
static bool
take_seen(void *ctx, uint32_t number, const char *uid, uint64_t size,
          struct sled_err *err)
{
	struct look *look = ctx;
	struct held key = { .uid = "" }, *held = NULL;
	bool stored = false;

	(void)number;
	look->seen++;
	(void)snprintf(key.uid, sizeof(key.uid), "%s", uid);
	if (look->held_len > 0)
		held = bsearch(&key, look->held, look->held_len, sizeof(key),
		               by_uid);
	if (held != NULL && held->size == size) {
		held->used = true;
		return add_one(look, size, held->decision, err);
	}
	return sled_ledger_by_uid(look->ledger, look->maildrop, uid, note_row,
	                          &stored, err) &&
	       (stored || add_one(look, size, SLED_DECIDE_NONE, err));
}

static void
say_unknown(const struct look *look, bool visited)
{
	const struct sled_forecast *f = look->forecast;
	const char *name = f->accounts[look->account].conf->name;
	const struct sled_visit_row *row = &look->visit;
	char text[256], mail[SLED_CLI_WORD];

	sled_cli_bytes(mail, row->left_bytes);
	if (!visited)
		(void)snprintf(text, sizeof(text),
		               "%s: nothing is known of it before a first "
		               "visit; --sizes FILE plans without one",
		               name);
	else
		(void)snprintf(
		    text, sizeof(text),
		    "%s: %" PRIu64 " message%s (%s) were left, but a "
		    "listing of fewer than 64 is not kept; --sizes "
		    "FILE plans without one",
		    name, row->left, row->left == 1 ? "" : "s", mail);
	sled_cli_say(f->cli, text);
}

static bool
read_listing(struct look *look, struct sled_err *err)
{
	struct sled_forecast_account *account =
	    &look->forecast->accounts[look->account];
	bool ok = sled_cli_last_visit(look->ledger, account->conf->name,
	                              sled_clock_now(), &look->visit, err) &&
	          sled_ledger_held(look->ledger, look->maildrop, NULL,
	                           take_held, look, err);

	if (ok && look->held_len > 0)
		qsort(look->held, look->held_len, sizeof(*look->held), by_uid);
	ok = ok && sled_ledger_seen(look->ledger, look->maildrop, take_seen,
	                            look, err);
	for (size_t i = 0; ok && i < look->held_len; i++)
		if (!look->held[i].used)
			ok = add_one(look, look->held[i].size,
			             look->held[i].decision, err);
	account->known = look->seen > 0 ||
	                 (look->visit.id != 0 && look->visit.exit == 0 &&
	                  look->visit.left == 0 && look->visit.failed == 0);
	return ok;
}

static bool
take_account(struct sled_forecast *f, uint32_t index, struct sled_err *err)
{
	struct sled_forecast_account *account = &f->accounts[index];
	struct look look = { .forecast = f, .account = index };
	struct sled_maildrop drop = { 0 };
	bool ok;

	look.ledger = sled_store_ledger(f->cli->store);
	if (!sled_ledger_maildrop(look.ledger, account->conf->server,
	                          account->conf->user, &drop, err)) {
		if (err->kind != SLED_ERR_MISSING)
			return false;
		*err = (struct sled_err){ 0 };
		say_unknown(&look, false);
		return true;
	}
	look.maildrop = drop.id;
	account->listed = drop.listed_count;
	ok = read_listing(&look, err);
	if (ok && !account->known)
		say_unknown(&look, look.visit.id != 0);
	free(look.held);
	return ok;
}

bool
sled_forecast_listings(struct sled_forecast *f, struct sled_err *err)
{
	bool known = false;

	for (uint32_t i = 0; i < f->accounts_len; i++) {
		if (!take_account(f, i, err))
			return false;
		known = known || f->accounts[i].known;
	}
	if (known || f->len > 0)
		return true;
	(void)sled_fail(err, SLED_ERR_MISSING,
	                "it is not known what waits on the server");
	return sled_hint(err, "mailsled plan --sizes FILE, one size a line");
}
