/* fx_ledger.c - see fx_ledger.h. */
#include "fx_ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
insist(bool ok, const struct sled_err *err)
{
	if (ok)
		return;
	(void)fprintf(stderr, "%s (%s)\n", err->text, err->where);
	abort();
}

const char *
fx_ledger_path(const struct fx_tmp *tmp, char out[512])
{
	(void)snprintf(out, 512, "%s/ledger.db", tmp->path);
	return out;
}

struct sled_ledger *
fx_ledger_open(const struct fx_tmp *tmp, const struct sled_sys *sys,
               enum sled_ledger_mode mode)
{
	struct sled_ledger *ledger = NULL;
	struct sled_err err = { 0 };
	char path[512];

	insist(sled_ledger_open(&ledger, sys == NULL ? sled_sys_posix() : sys,
	                        fx_ledger_path(tmp, path), mode, &err),
	       &err);
	return ledger;
}

struct sled_message
fx_ledger_message(uint64_t number)
{
	struct sled_message message = { 0 };

	message.maildrop = 1;
	message.number = number;
	message.octets = 1000 + number;
	message.listed = 1000 + number;
	message.received = 1700000000 + (int64_t)number;
	message.on_server = true;
	(void)snprintf(message.label, sizeof(message.label), "home");
	(void)snprintf(message.uid, sizeof(message.uid), "uid-%llu",
	               (unsigned long long)number);
	(void)snprintf(message.record, sizeof(message.record), "rec-%llu",
	               (unsigned long long)number);
	(void)snprintf(message.entry, sizeof(message.entry), "home/%llu.eml",
	               (unsigned long long)number);
	for (size_t i = 0; i < 8; i++)
		message.sha256.b[i] = (uint8_t)(number >> (8 * (7 - i)));
	message.from = (struct sled_span){ "ada", 3 };
	return message;
}

bool
fx_ledger_put(struct sled_ledger *ledger, uint64_t number, struct sled_err *err)
{
	struct sled_message message = fx_ledger_message(number);

	return sled_ledger_message_put(ledger, &message, err);
}

uint64_t
fx_ledger_count(struct sled_ledger *ledger)
{
	struct sled_message_counts counts;
	struct sled_err err = { 0 };

	insist(sled_ledger_counts(ledger, NULL, &counts, &err), &err);
	return counts.messages;
}

static void
keep(char *out, size_t room, struct sled_span span)
{
	(void)snprintf(out, room, "%.*s", (int)span.len, span.data);
}

bool
fx_ledger_collect(void *ctx, const struct sled_message *message,
                  struct sled_err *err)
{
	struct fx_numbers *numbers = ctx;
	size_t len = strlen(numbers->text);

	(void)err;
	(void)snprintf(numbers->text + len, sizeof(numbers->text) - len,
	               "%s%llu", len == 0 ? "" : " ",
	               (unsigned long long)message->number);
	numbers->last = *message;
	keep(numbers->from, sizeof(numbers->from), message->from);
	keep(numbers->subject, sizeof(numbers->subject), message->subject);
	return true;
}
