/* restore_fault.c - what an archive does not give any more, told exactly. It is
 * told at the end: another file may have had the same messages. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/restore.h"
#include "mailsled/clock.h"
#include "mailsled/hash.h"
#include "mailsled/text.h"

bool
sled_cli_restore_key(struct sled_hash *out, const struct sled_receipt *receipt,
                     struct sled_err *err)
{
	struct sled_sha256 *sha = NULL;

	if (!sled_sha256_new(&sha, err))
		return false;
	sled_sha256_add(sha, receipt->entry, strlen(receipt->entry) + 1);
	sled_sha256_add(sha, receipt->sha256.b, SLED_HASH_LEN);
	*out = sled_sha256_end(sha);
	sled_sha256_free(&sha);
	return true;
}

static bool
keep_lost(struct sled_cli_fault *out, const struct sled_shelf_fault *fault,
          const struct sled_cli_pick *pick, struct sled_err *err)
{
	out->lost = calloc(fault->lost_len + 1, sizeof(*out->lost));
	if (out->lost == NULL)
		return sled_fail_sys(err, ENOMEM, "lost messages");
	for (size_t i = 0; i < fault->lost_len; i++)
		if (sled_cli_pick_receipt(pick, &fault->lost[i]))
			out->lost[out->lost_len++] = fault->lost[i];
	return true;
}

bool
sled_cli_faults_add(struct sled_cli_faults *faults, const char *path,
                    const struct sled_shelf_fault *fault,
                    const struct sled_cli_pick *pick, struct sled_err *err)
{
	size_t cap = faults->cap == 0 ? 16 : faults->cap * 2;
	struct sled_cli_fault *list, *out;

	if (faults->len == faults->cap) {
		list = reallocarray(faults->list, cap, sizeof(*list));
		if (list == NULL)
			return sled_fail_sys(err, ENOMEM, "damage");
		faults->list = list;
		faults->cap = cap;
	}
	out = &faults->list[faults->len];
	*out = (struct sled_cli_fault){ .path = path,
		                        .at = fault->at,
		                        .octets = fault->octets,
		                        .none = fault->none };
	sled_text_clip(out->text, sizeof(out->text),
	               (struct sled_span){ fault->text, strlen(fault->text) });
	if (!keep_lost(out, fault, pick, err))
		return false;
	faults->len++;
	return true;
}

/* Only those that came from nowhere stay. */
static bool
take_out_met(struct sled_cli_fault *fault, const struct sled_tally *met,
             struct sled_err *err)
{
	size_t lost = 0;

	for (size_t i = 0; i < fault->lost_len; i++) {
		struct sled_hash key;

		if (!sled_cli_restore_key(&key, &fault->lost[i], err))
			return false;
		if (!sled_tally_met(met, &key))
			fault->lost[lost++] = fault->lost[i];
	}
	fault->lost_len = lost;
	return true;
}

static bool
lost_json(struct sled_json *json, const struct sled_receipt *lost,
          struct sled_err *err)
{
	struct sled_json *one = NULL;
	char hex[SLED_HASH_HEX], when[SLED_TIME_TEXT];

	if (!sled_json_new(&one, err))
		return false;
	sled_text_hex(hex, lost->sha256.b, SLED_HASH_LEN);
	sled_clock_rfc3339(lost->received, when);
	sled_json_u64(one, "number", lost->number);
	sled_json_text(one, "uidl", lost->uid[0] == '\0' ? NULL : lost->uid);
	sled_json_text(one, "received", when);
	sled_json_u64(one, "size", lost->octets);
	sled_json_text(one, "sha256", hex);
	sled_json_text(one, "entry", lost->entry);
	sled_json_add(json, "lost", &one);
	return true;
}

static bool
print_json(const struct sled_cli_fault *fault, struct sled_err *err)
{
	struct sled_json *json = NULL;

	if (!sled_json_new(&json, err))
		return false;
	sled_json_text(json, "event", "damaged");
	sled_json_text(json, "file", fault->path);
	sled_json_u64(json, "at", fault->at);
	sled_json_u64(json, "octets", fault->octets);
	sled_json_text(json, "fault", fault->text);
	sled_json_bool(json, "messages_known", !fault->none);
	if (fault->lost_len == 0)
		sled_json_add(json, "lost", NULL);
	for (size_t i = 0; i < fault->lost_len; i++)
		if (!lost_json(json, &fault->lost[i], err)) {
			sled_json_free(&json);
			return false;
		}
	return sled_json_print(&json, stdout, err);
}

static void
say_lost(struct sled_cli *cli, const struct sled_receipt *lost)
{
	char text[512], when[SLED_TIME_TEXT], uid[3 * SLED_UID_MAX];

	sled_clock_rfc3339(lost->received, when);
	sled_text_clip(uid, sizeof(uid),
	               (struct sled_span){ lost->uid, strlen(lost->uid) });
	(void)snprintf(text, sizeof(text),
	               "  lost: %s, received %s, %" PRIu64 " octets%s%s",
	               lost->entry, when, lost->octets,
	               uid[0] == '\0' ? "" : ", unique-id ", uid);
	sled_cli_say(cli, text);
}

static void
say_fault(struct sled_cli *cli, const struct sled_cli_fault *fault)
{
	struct sled_buf path = { 0 };
	struct sled_err ignored = { 0 };
	char text[900];

	(void)!sled_text_printable(
	    &path, (struct sled_span){ fault->path, strlen(fault->path) },
	    &ignored);
	(void)snprintf(text, sizeof(text),
	               "%.400s: %" PRIu64 " bytes at %" PRIu64
	               " do not hold: %s%s",
	               path.data == NULL ? "?" : path.data, fault->octets,
	               fault->at, fault->text,
	               fault->none ? "; its receipts cannot be read either"
	               : fault->lost_len == 0 ? "; nothing is lost by it"
	                                      : "");
	sled_cli_say(cli, text);
	for (size_t i = 0; i < fault->lost_len; i++)
		say_lost(cli, &fault->lost[i]);
	sled_buf_free(&path);
}

bool
sled_cli_faults_print(struct sled_cli *cli, struct sled_cli_faults *faults,
                      const struct sled_tally *met, struct sled_err *err)
{
	for (size_t i = 0; i < faults->len; i++) {
		struct sled_cli_fault *fault = &faults->list[i];

		if (!take_out_met(fault, met, err))
			return false;
		faults->lost += fault->lost_len;
		faults->unknown += fault->none ? fault->octets : 0;
		if (!cli->json)
			say_fault(cli, fault);
		else if (!print_json(fault, err))
			return false;
	}
	return true;
}

void
sled_cli_faults_free(struct sled_cli_faults *faults)
{
	for (size_t i = 0; i < faults->len; i++)
		free(faults->list[i].lost);
	free(faults->list);
	*faults = (struct sled_cli_faults){ 0 };
}
