/* pick.c - messages chosen by when they came, who sent them, and words. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cli/restore.h"
#include "mailsled/text.h"

#define ID_LEAST 8 /* hex digits: fewer may be a word */

/* ---- dates ---- */

/* Up to MAX digits at *at; -1 for anything else. */
static int
take_digits(const char **at, unsigned len)
{
	int value = 0;

	for (unsigned i = 0; i < len; i++, ++*at) {
		if (**at < '0' || **at > '9')
			return -1;
		value = value * 10 + (**at - '0');
	}
	return value;
}

/* "2026", "2026-03" or "2026-03-05": its first second in UTC; and that of the
 * next year, month or day. */
static bool
parse_date(const char *text, int64_t *begins, int64_t *next)
{
	struct tm tm = { .tm_mday = 1 }, same;
	const char *at = text;
	int year = take_digits(&at, 4), month = 0, day = 0;

	if (*at == '-' && year >= 0) {
		at++;
		month = take_digits(&at, 2);
		if (month < 1 || month > 12)
			return false;
	}
	if (*at == '-' && month > 0) {
		at++;
		day = take_digits(&at, 2);
		if (day < 1)
			return false;
	}
	if (year < 1970 || *at != '\0')
		return false;
	tm.tm_year = year - 1900;
	tm.tm_mon = month > 0 ? month - 1 : 0;
	tm.tm_mday = day > 0 ? day : 1;
	same = tm;
	*begins = (int64_t)timegm(&same);
	if (same.tm_mday != tm.tm_mday)
		return false; /* a 30th of February */
	tm.tm_mday += day > 0;
	tm.tm_mon += day == 0 && month > 0;
	tm.tm_year += month == 0;
	*next = (int64_t)timegm(&tm);
	return true;
}

static bool
take_dates(struct sled_cli_pick *pick, struct sled_cli *cli,
           struct sled_err *err)
{
	const char *since = sled_cli_flag(cli, "since");
	const char *until = sled_cli_flag(cli, "until");
	int64_t ignored = 0, next = 0;

	pick->since = INT64_MIN;
	pick->until = INT64_MAX;
	if ((since == NULL || parse_date(since, &pick->since, &ignored)) &&
	    (until == NULL || parse_date(until, &ignored, &next))) {
		if (until != NULL)
			pick->until = next - 1;
		return true;
	}
	(void)sled_fail(err, SLED_ERR_USAGE,
	                "--since and --until: a year, a month or a day");
	return sled_hint(err, "write it as 2026, 2026-03 or 2026-03-05");
}

/* ---- words and ids ---- */

/* What `list` shows as a message's id, or ACCOUNT/NUMBER: those alone. */
static bool
is_id(const char *arg)
{
	size_t len = strlen(arg);
	const char *slash = strchr(arg, '/');

	if (slash != NULL)
		return slash[1] != '\0' &&
		       strspn(slash + 1, "0123456789") == strlen(slash + 1);
	return len >= ID_LEAST && len < SLED_HASH_HEX &&
	       strspn(arg, "0123456789abcdefABCDEF") == len;
}

static bool
has_id(const char *arg, const struct sled_receipt *receipt)
{
	const char *slash = strchr(arg, '/');
	size_t label = slash == NULL ? 0 : (size_t)(slash - arg) + 1;
	char hex[SLED_HASH_HEX];
	uint64_t number = 0;

	if (slash == NULL) {
		sled_text_hex(hex, receipt->sha256.b, SLED_HASH_LEN);
		return strncasecmp(hex, arg, strlen(arg)) == 0;
	}
	return strncmp(receipt->entry, arg, label) == 0 &&
	       sled_text_u64((struct sled_span){ slash + 1, strlen(slash + 1) },
	                     &number) &&
	       number == receipt->number;
}

static bool
has_word(struct sled_span text, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i + len <= text.len; i++)
		if (strncasecmp(text.data + i, word, len) == 0)
			return true;
	return false;
}

bool
sled_cli_pick_new(struct sled_cli_pick *pick, struct sled_cli *cli,
                  unsigned skip, struct sled_err *err)
{
	*pick = (struct sled_cli_pick){ .from = sled_cli_flag(cli, "from"),
		                        .args = cli->args + skip,
		                        .args_len = cli->args_len - skip };
	pick->needs_head = pick->from != NULL;
	for (unsigned i = 0; i < pick->args_len; i++)
		pick->needs_head = pick->needs_head || !is_id(pick->args[i]);
	return take_dates(pick, cli, err) &&
	       sled_intake_new(&pick->intake, err);
}

void
sled_cli_pick_free(struct sled_cli_pick *pick)
{
	sled_intake_free(&pick->intake);
}

/* Of ids any one will do; of words all must be there. */
bool
sled_cli_pick_receipt(const struct sled_cli_pick *pick,
                      const struct sled_receipt *receipt)
{
	bool named = false, ids = false;

	if (receipt->received < pick->since || receipt->received > pick->until)
		return false;
	for (unsigned i = 0; i < pick->args_len; i++)
		if (is_id(pick->args[i])) {
			ids = true;
			named = named || has_id(pick->args[i], receipt);
		}
	return named || !ids;
}

bool
sled_cli_pick_head(struct sled_cli_pick *pick, struct sled_span head,
                   bool *chosen, struct sled_err *err)
{
	struct sled_digest digest;

	sled_intake_begin(pick->intake);
	if (!sled_intake_feed(pick->intake, head, err))
		return false;
	digest = sled_intake_end(pick->intake);
	*chosen = pick->from == NULL || has_word(digest.from, pick->from);
	for (unsigned i = 0; *chosen && i < pick->args_len; i++)
		*chosen = is_id(pick->args[i]) ||
		          has_word(digest.from, pick->args[i]) ||
		          has_word(digest.subject, pick->args[i]);
	return true;
}
