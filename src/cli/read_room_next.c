/* read_room_next.c - the next visit, as a scheduler tells it. It is asked on a
 * thread of its own: one that does not answer keeps no page waiting. */
#include <stdlib.h>
#include <string.h>

#include "cli/read_room.h"
#include "cli/scheduler.h"
#include "cli/status.h"
#include "mailsled/clock.h"

#define WAIT_MS 150 /* of a page, for what is answered in one or two */
#define OLD_MS  2000

struct sled_room_asking {
	struct sled_worker *worker;
	struct sled_buf socket;
	struct sled_next next; /* the worker's, while a job is there */
	struct sled_err err;
	bool ok, asked;
	int64_t asked_ms;
};

static void
ask_it(void *ctx)
{
	struct sled_room_asking *asking = ctx;

	sled_next_free(&asking->next);
	asking->err = (struct sled_err){ 0 };
	asking->ok =
	    sled_next_ask(&asking->next, asking->socket.data, &asking->err);
}

static bool
make(struct sled_room *room, struct sled_err *err)
{
	struct sled_room_asking *asking;

	if (room->asking != NULL)
		return true;
	asking = calloc(1, sizeof(*asking));
	if (asking == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "the scheduler");
	if (sled_worker_new(&asking->worker, err) &&
	    sled_cli_socket(room->cli, &asking->socket, err)) {
		room->asking = asking;
		return true;
	}
	sled_worker_free(&asking->worker);
	free(asking);
	return false;
}

/* True: .next is what it answered, just now or a moment ago. */
static bool
find_out(struct sled_room *room, struct sled_err *err)
{
	struct sled_room_asking *asking;
	int64_t now = sled_clock_ms();

	if (!make(room, err))
		return false;
	asking = room->asking;
	if (asking->socket.len == 0)
		return true; /* none can be there */
	if (!sled_worker_wait(asking->worker, 0))
		return false; /* still asked by a page before */
	if (!asking->asked || now - asking->asked_ms > OLD_MS) {
		asking->asked = true;
		asking->asked_ms = now;
		if (!sled_worker_submit(asking->worker, ask_it, asking, err))
			return false;
	}
	return sled_worker_wait(asking->worker, WAIT_MS) && asking->ok;
}

static void
add_when(struct sled_room_ask *ask, const struct sled_next *next)
{
	struct sled_page *page = &ask->page;
	char in[SLED_CLI_WORD], when[SLED_CLI_WORD], iso[SLED_TIME_TEXT];
	int64_t at = 0;

	if (next->doing != NULL && strcmp(next->doing, "waiting") != 0)
		sled_page_add(page, "<strong>Now: %s.</strong> ", next->doing);
	if (next->when != NULL && sled_clock_parse(next->when, &at) &&
	    at > ask->now) {
		sled_cli_span(in, (at - ask->now) * 1000);
		sled_cli_time(when, at);
		sled_clock_rfc3339(at, iso);
		sled_page_add(page,
		              "Next visit <strong><time datetime=\"%s\">%s"
		              "</time></strong>, in %s",
		              iso, when, in);
	} else {
		sled_page_add(page, "Next visit");
	}
	sled_page_add(page, ": %s", next->why == NULL ? "?" : next->why);
	if (next->clock != NULL)
		sled_page_add(page,
		              ". The clock is %s: windows and budgets "
		              "stand still",
		              next->clock);
}

void
sled_room_next(struct sled_room_ask *ask)
{
	struct sled_page *page = &ask->page;
	struct sled_err err = { 0 };
	bool known = find_out(ask->room, &err);

	sled_page_add(page, "<p class=\"lead\" id=\"next\">");
	if (!known)
		sled_page_add(page, "A scheduler is there, but it has told "
		                    "nothing yet.");
	else if (ask->room->asking->next.there)
		add_when(ask, &ask->room->asking->next);
	else
		sled_page_add(page, "No scheduler runs: <code>mailsled "
		                    "run</code> starts one, <code>mailsled "
		                    "fetch</code> visits now.");
	sled_page_add(page, "</p>\n");
}

void
sled_room_next_free(struct sled_room *room)
{
	struct sled_room_asking *asking = room->asking;

	room->asking = NULL;
	if (asking == NULL)
		return;
	if (!sled_worker_wait(asking->worker, 0)) {
		sled_worker_abandon(&asking->worker, NULL);
		return; /* this process ends */
	}
	sled_worker_free(&asking->worker);
	sled_next_free(&asking->next);
	sled_buf_free(&asking->socket);
	free(asking);
}
