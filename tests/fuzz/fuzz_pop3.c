/*
 * fuzz_pop3.c - a server that says anything, in any pieces.
 *
 * The first byte picks the size of the pieces, the second the commands that
 * are queued. The rest is fed twice, whole and in pieces: what is told must be
 * the same, counts must add up, and spans must lie in the lent bytes, the
 * engine or its constants (ASan sees it).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/pop3.h"

struct told {
	uint64_t sum; /* of all events, bodies without their seams */
	uint64_t events;
	bool failed;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool promise)
{
	if (!promise)
		abort();
}

static void
mix(struct told *told, const void *data, size_t len)
{
	const uint8_t *byte = data;

	for (size_t i = 0; i < len; i++)
		told->sum = (told->sum ^ byte[i]) * 0x100000001b3;
}

static void
mix_number(struct told *told, uint64_t number)
{
	mix(told, &number, sizeof(number));
}

static void
queue_auth(struct sled_pop3 *pop, struct sled_err *err)
{
	must(sled_pop3_auth(pop, "PLAIN", "AGEAYg==", err));
	must(sled_pop3_user(pop, "ada", err));
	must(sled_pop3_pass(pop, "secret", err));
}

static void
queue_all(struct sled_pop3 *pop, uint8_t pick, struct sled_err *err)
{
	if (pick & 1)
		must(sled_pop3_capa(pop, err));
	if (pick & 2)
		queue_auth(pop, err);
	if (pick & 4)
		must(sled_pop3_stat(pop, err) && sled_pop3_list(pop, 0, err) &&
		     sled_pop3_uidl(pop, 0, err));
	if (pick & 8)
		must(sled_pop3_list(pop, 2, err) &&
		     sled_pop3_uidl(pop, 2, err));
	for (uint32_t msg = 1; msg <= (pick >> 4 & 3); msg++)
		must(sled_pop3_retr(pop, msg, err));
	if (pick & 64)
		must(sled_pop3_top(pop, 3, 5, err) &&
		     sled_pop3_dele(pop, 3, err) && sled_pop3_quit(pop, err));
	if (pick & 128)
		must(sled_pop3_stls(pop, err));
	sled_pop3_sent(pop, sled_pop3_pending(pop).len / 2);
}

static void
on_event(struct sled_pop3 *pop, struct told *told,
         const struct sled_pop3_event *event)
{
	struct sled_err err = { 0 };

	mix(told, event->text.data, event->text.len);
	if (event->kind == SLED_POP3_BODY) {
		must(event->text.len > 0 && event->msg != 0);
		return;
	}
	told->events++;
	must(event->text.len <= SLED_POP3_LINE_MAX);
	must(event->code.len <= event->text.len);
	mix(told, event->code.data, event->code.len);
	mix_number(told, (uint64_t)event->kind << 32 | event->verb);
	mix_number(told, (uint64_t)event->msg << 32 | event->count);
	mix_number(told, event->size);
	mix_number(told, event->bad | event->cut << 1);
	if (event->kind == SLED_POP3_CHALLENGE && sled_pop3_waiting(pop) == 1)
		must(sled_pop3_respond(pop, "c2VjcmV0", &err));
}

/* Feed IN from memory of its own; false when the engine failed. */
static bool
feed(struct sled_pop3 *pop, struct told *told, const uint8_t *in, size_t len)
{
	struct sled_err err = { 0 };
	struct sled_pop3_event event;
	enum sled_pop3_step step;
	char *lent = malloc(len);

	must(lent != NULL);
	memcpy(lent, in, len);
	sled_pop3_feed(pop, (struct sled_span){ lent, len });
	while ((step = sled_pop3_next(pop, &event, &err)) == SLED_POP3_EVENT)
		on_event(pop, told, &event);
	free(lent);
	must(step != SLED_POP3_FAILED || err.kind == SLED_ERR_PROTO);
	must(strpbrk(err.text, "\r\n\033") == NULL);
	return step == SLED_POP3_HUNGRY;
}

static struct told
serve(const uint8_t *in, size_t len, size_t piece, uint8_t pick)
{
	struct told told = { 0xcbf29ce484222325, 0, false };
	struct sled_err err = { 0 };
	struct sled_pop3 *pop = NULL;

	must(sled_pop3_new(&pop, &err));
	queue_all(pop, pick, &err);
	for (size_t at = 0; at < len && !told.failed; at += piece) {
		size_t now = len - at < piece ? len - at : piece;

		told.failed = !feed(pop, &told, in + at, now);
		must(sled_pop3_waiting(pop) + sled_pop3_room(pop) <=
		     SLED_POP3_QUEUE_MAX);
	}
	sled_pop3_free(&pop);
	return told;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct told whole, pieces;

	if (size < 3)
		return 0;
	whole = serve(data + 2, size - 2, size, data[1]);
	pieces = serve(data + 2, size - 2, 1 + data[0] % 64u, data[1]);
	if (data[1] & 128) /* STLS: what came with its +OK depends on pieces */
		return 0;
	must(whole.sum == pieces.sum && whole.events == pieces.events &&
	     whole.failed == pieces.failed);
	return 0;
}
