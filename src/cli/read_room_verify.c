/* read_room_verify.c - `mailsled verify`, started from the page of health: a
 * program of its own that only reads, and how it goes. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/read_room.h"
#include "mailsled/clock.h"
#include "mailsled/text.h"

#define VERIFY_MS  INT64_C(604800000) /* a week: disks may be large and slow */
#define LINE_MOST  (8u << 20) /* of what it prints: longer ones are left out */
#define FAULTS_MAX 50         /* that are kept to be shown */

struct fault {
	char place[256], volume[64], text[300];
	uint64_t messages;
};

/* Filled by the thread that runs it, under the lock. */
struct sled_room_check {
	struct sled_worker *worker;
	pthread_mutex_t lock;
	char program[4096];
	const char *argv[8];
	struct sled_buf line;
	bool skipping; /* the rest of a line that is too long */
	bool over, ok; /* it has ended; it could be run to its end */
	int64_t began, ended;
	uint64_t percent, faults, messages, octets, volumes, absent;
	bool deep;
	int status;
	char why[512];
	struct fault list[FAULTS_MAX];
	size_t list_len;
};

/* ---- what it prints ---- */

static void
copy(char *out, size_t room, const char *text)
{
	sled_text_clip(out, room,
	               (struct sled_span){ text == NULL ? "" : text,
	                                   text == NULL ? 0 : strlen(text) });
}

static void
keep_fault(struct sled_room_check *check, const struct sled_json *json)
{
	struct fault *fault = &check->list[check->list_len];

	if (check->list_len == FAULTS_MAX)
		return;
	check->list_len++;
	copy(fault->place, sizeof(fault->place),
	     sled_json_get_text(json, "place"));
	copy(fault->volume, sizeof(fault->volume),
	     sled_json_get_text(json, "volume"));
	copy(fault->text, sizeof(fault->text),
	     sled_json_get_text(json, "fault"));
	(void)sled_json_get_u64(json, "messages", &fault->messages);
}

/* The last line has the sums. */
static void
keep_sums(struct sled_room_check *check, const struct sled_json *json)
{
	if (!sled_json_get_u64(json, "damaged", &check->faults))
		return;
	(void)sled_json_get_u64(json, "volumes", &check->volumes);
	(void)sled_json_get_u64(json, "messages", &check->messages);
	(void)sled_json_get_u64(json, "mail_bytes", &check->octets);
	(void)sled_json_get_u64(json, "absent", &check->absent);
}

static void
take_line(struct sled_room_check *check)
{
	struct sled_json *json = NULL;
	struct sled_err err = { 0 };

	if (!sled_json_read(&json, sled_buf_span(&check->line), &err))
		return;
	if (sled_json_get_u64(json, "percent", &check->percent))
		(void)sled_json_get_u64(json, "faults", &check->faults);
	else if (sled_json_get_text(json, "fault") != NULL)
		keep_fault(check, json);
	else if (sled_json_get_text(json, "error") != NULL)
		copy(check->why, sizeof(check->why),
		     sled_json_get_text(json, "error"));
	else
		keep_sums(check, json);
	sled_json_free(&json);
}

static bool
take_piece(struct sled_room_check *check, struct sled_span in, bool ends,
           struct sled_err *err)
{
	bool ok = true;

	check->skipping =
	    check->skipping || check->line.len + in.len > LINE_MOST;
	if (!check->skipping)
		ok = sled_buf_add(&check->line, in.data, in.len, err);
	if (!ends)
		return ok;
	if (ok && !check->skipping)
		take_line(check);
	check->line.len = 0;
	check->skipping = false;
	return ok;
}

static bool
take_output(void *ctx, struct sled_span in, struct sled_err *err)
{
	struct sled_room_check *check = ctx;
	bool ok = true;

	(void)pthread_mutex_lock(&check->lock);
	while (ok && in.len > 0) {
		const char *end = memchr(in.data, '\n', in.len);
		size_t len = end == NULL ? in.len : (size_t)(end - in.data);

		ok = take_piece(check, (struct sled_span){ in.data, len },
		                end != NULL, err);
		len += end != NULL;
		in.data += len;
		in.len -= len;
	}
	(void)pthread_mutex_unlock(&check->lock);
	return ok;
}

/* ---- running it ---- */

static void
run(void *ctx)
{
	struct sled_room_check *check = ctx;
	struct sled_program program = { .argv = check->argv,
		                        .deadline_ms = VERIFY_MS,
		                        .output = take_output,
		                        .ctx = check };
	struct sled_program_end end = { 0 };
	struct sled_err err = { 0 };
	bool ok = sled_program_run(&program, &end, &err);

	(void)pthread_mutex_lock(&check->lock);
	check->over = true;
	check->status = end.status;
	check->ok = ok && (end.status == 0 || end.status == 65);
	check->ended = sled_clock_now();
	if (!ok)
		copy(check->why, sizeof(check->why), err.text);
	(void)pthread_mutex_unlock(&check->lock);
}

void
sled_room_check_free(struct sled_room *room)
{
	struct sled_room_check *check = room->check;

	room->check = NULL;
	if (check == NULL)
		return;
	if (check->worker != NULL && !sled_worker_wait(check->worker, 0)) {
		/* This process ends, and the program with it. */
		sled_worker_abandon(&check->worker, NULL);
		return;
	}
	sled_worker_free(&check->worker);
	(void)pthread_mutex_destroy(&check->lock);
	sled_buf_free(&check->line);
	free(check);
}

static bool
start(struct sled_room *room, bool deep, struct sled_err *err)
{
	struct sled_room_check *check = calloc(1, sizeof(*check));
	size_t len = 0;

	if (check == NULL)
		return sled_fail_sys(err, ENOMEM, "verify");
	(void)pthread_mutex_init(&check->lock, NULL);
	room->check = check;
	check->deep = deep;
	check->began = sled_clock_now();
	if (!sled_cli_main_there(check->program))
		return sled_fail(err, SLED_ERR_INTERNAL,
		                 "mailsled is not beside its reader");
	check->argv[len++] = check->program;
	check->argv[len++] = "--json";
	check->argv[len++] = "verify";
	if (deep)
		check->argv[len++] = "--deep";
	if (room->cli->file != NULL) {
		check->argv[len++] = "-c";
		check->argv[len++] = room->cli->file;
	}
	return sled_worker_new(&check->worker, err) &&
	       sled_worker_submit(check->worker, run, check, err);
}

static bool
is_running(const struct sled_room *room)
{
	return room->check != NULL && room->check->worker != NULL &&
	       !sled_worker_wait(room->check->worker, 0);
}

bool
sled_room_verify(struct sled_room_ask *ask, struct sled_err *err)
{
	const char *how = sled_serve_arg(ask->request, "how");
	struct sled_room *room = ask->room;

	if (!ask->request->post)
		return sled_fail(err, SLED_ERR_USAGE, "that is a form's");
	if (!is_running(room)) {
		sled_room_check_free(room);
		if (!start(room, how != NULL && strcmp(how, "deep") == 0,
		           err)) {
			sled_room_check_free(room);
			return false;
		}
	}
	return sled_room_go(ask, "/health#verify", err);
}

/* ---- shown ---- */

uint64_t
sled_room_check_faults(struct sled_room *room, const char *place)
{
	struct sled_room_check *check = room->check;
	uint64_t count = 0;
	char shown[256];

	if (check == NULL)
		return 0;
	copy(shown, sizeof(shown), place);
	(void)pthread_mutex_lock(&check->lock);
	for (size_t i = 0; i < check->list_len; i++)
		count += strcmp(check->list[i].place, shown) == 0;
	(void)pthread_mutex_unlock(&check->lock);
	return count;
}

static void
add_result(struct sled_room_ask *ask, const struct sled_room_check *check)
{
	struct sled_page *page = &ask->page;
	char bytes[SLED_CLI_WORD];

	sled_page_add(page, "<p id=\"outcome\" role=\"status\">");
	if (!check->ok) {
		sled_room_state(page, "bad", "Not done");
		sled_page_add(page, " %s</p>\n", check->why);
		return;
	}
	sled_room_state(page, check->faults > 0 ? "bad" : "good",
	                check->faults > 0 ? "Damaged" : "Whole");
	sled_cli_bytes(bytes, check->octets);
	sled_page_add(page, " ");
	sled_room_time(ask, check->ended);
	sled_page_add(page, ": ");
	sled_room_count(page, check->faults, "fault");
	if (check->deep)
		sled_page_add(page,
		              "; %llu messages, %s hold, counted in each "
		              "place",
		              (unsigned long long)check->messages, bytes);
	else
		sled_page_add(page,
		              "; %llu archives have their size, counted "
		              "in each place",
		              (unsigned long long)check->volumes);
	if (check->absent > 0)
		sled_page_add(page, "; %llu copies were not there",
		              (unsigned long long)check->absent);
	sled_page_add(page, "</p>\n");
}

static void
add_faults(struct sled_page *page, const struct sled_room_check *check)
{
	if (check->list_len == 0)
		return;
	sled_page_add(page, "<ul class=\"faults\" id=\"found\">\n");
	for (size_t i = 0; i < check->list_len; i++) {
		const struct fault *fault = &check->list[i];

		sled_page_add(page,
		              "<li><bdi>%s</bdi>: <strong>%s</strong>: %s "
		              "<span class=\"faint\">(",
		              fault->place, fault->volume, fault->text);
		sled_room_count(page, fault->messages, "message");
		sled_page_add(page, ")</span></li>\n");
	}
	sled_page_add(page, "</ul>\n<p class=\"note bad\"><code>mailsled "
	                    "repair</code> brings back what any copy still "
	                    "has.</p>\n");
}

static void
add_running(struct sled_page *page, const struct sled_room_check *check)
{
	sled_page_add(page,
	              "<p id=\"running\" data-state=\"running\"><label "
	              "for=\"progress\">Verifying</label> <progress "
	              "id=\"progress\" max=\"100\" value=\"%llu\"></progress> "
	              "<span id=\"percent\" role=\"status\">%llu %%, ",
	              (unsigned long long)check->percent,
	              (unsigned long long)check->percent);
	sled_room_count(page, check->faults, "fault");
	sled_page_add(page, "</span></p>\n<noscript><p><a "
	                    "href=\"/health#verify\">Load the page anew to see "
	                    "how it goes</a></p></noscript>\n");
}

static void
add_form(struct sled_room_ask *ask)
{
	sled_page_add(&ask->page,
	              "<form method=\"post\" action=\"/health/verify\" "
	              "class=\"actions\">");
	sled_room_token(ask);
	sled_page_add(&ask->page,
	              "<button name=\"how\" value=\"deep\" id=\"deep\">Verify "
	              "every byte</button><button name=\"how\" value=\"sizes\" "
	              "class=\"quiet\">Sizes only</button></form>\n");
}

void
sled_room_check_show(struct sled_room_ask *ask)
{
	struct sled_room *room = ask->room;
	bool running = is_running(room);

	sled_page_add(&ask->page,
	              "<section aria-labelledby=\"verify\">"
	              "<h2 id=\"verify\">Verify</h2>\n<p>Every copy that is "
	              "there is read and held against what was stored. Nothing "
	              "is changed.</p>\n");
	if (room->check != NULL) {
		(void)pthread_mutex_lock(&room->check->lock);
		if (running) {
			add_running(&ask->page, room->check);
		} else {
			add_result(ask, room->check);
			add_faults(&ask->page, room->check);
		}
		(void)pthread_mutex_unlock(&room->check->lock);
	}
	if (!running)
		add_form(ask);
	sled_page_add(&ask->page, "</section>\n");
}

/* {"running","percent","faults"}: what the script asks for now and then. */
bool
sled_room_verify_json(struct sled_room_ask *ask, struct sled_err *err)
{
	struct sled_room *room = ask->room;
	struct sled_json *json = NULL;

	if (!sled_json_new(&json, err))
		return false;
	sled_json_bool(json, "running", is_running(room));
	if (room->check != NULL) {
		(void)pthread_mutex_lock(&room->check->lock);
		sled_json_u64(json, "percent", room->check->percent);
		sled_json_u64(json, "faults", room->check->faults);
		(void)pthread_mutex_unlock(&room->check->lock);
	}
	ask->answer->kind = SLED_SERVE_JSON;
	return sled_json_line(&json, ask->page.out, err);
}
