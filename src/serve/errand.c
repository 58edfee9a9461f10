/* errand.c - one program at a time, on a thread of its own, while pages go on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mailsled/text.h"
#include "serve/internal.h"

struct sled_errand {
	struct sled_worker *worker;
	struct sled_visitor *visitor; /* NULL: it went away */
	char **argv;
	struct sled_program program;
	struct sled_program_end end;
	struct sled_err err;
	bool ok;
	int ended;
};

static void
free_errand(struct sled_errand *errand)
{
	for (size_t i = 0; errand->argv != NULL && errand->argv[i] != NULL; i++)
		free(errand->argv[i]);
	free(errand->argv);
	free(errand);
}

static void
run(void *ctx)
{
	struct sled_errand *errand = ctx;
	const uint64_t one = 1;

	errand->ok =
	    sled_program_run(&errand->program, &errand->end, &errand->err);
	(void)!write(errand->ended, &one, sizeof(one));
}

static bool
copy_words(struct sled_errand *errand, const char *const *argv,
           struct sled_err *err)
{
	size_t len = 0;

	while (argv[len] != NULL)
		len++;
	errand->argv = calloc(len + 1, sizeof(*errand->argv));
	for (size_t i = 0; errand->argv != NULL && i < len; i++) {
		errand->argv[i] = strdup(argv[i]);
		if (errand->argv[i] == NULL)
			return sled_fail_sys(err, ENOMEM, "%s", argv[0]);
	}
	return errand->argv != NULL ||
	       sled_fail_sys(err, ENOMEM, "%s", argv[0]);
}

static bool
begin(struct sled_errand *errand, const char *const *argv, struct sled_err *err)
{
	if (!copy_words(errand, argv, err))
		return false;
	errand->program.argv = (const char *const *)errand->argv;
	return sled_worker_new(&errand->worker, err) &&
	       sled_worker_submit(errand->worker, run, errand, err);
}

bool
sled_serve_run_program(struct sled_serve_request *request,
                       const char *const *argv, uint64_t deadline_ms,
                       struct sled_err *err)
{
	/* The request is the visitor's first member. */
	struct sled_visitor *visitor = (struct sled_visitor *)request;
	struct sled_serve *serve = visitor->serve;
	struct sled_errand *errand;

	if (serve->errand != NULL)
		return sled_fail(err, SLED_ERR_LINK,
		                 "something else is being done: try again");
	errand = calloc(1, sizeof(*errand));
	if (errand == NULL)
		return sled_fail_sys(err, ENOMEM, "%s", argv[0]);
	errand->visitor = visitor;
	errand->ended = serve->ended;
	errand->program.deadline_ms = deadline_ms;
	if (!begin(errand, argv, err)) {
		sled_worker_free(&errand->worker);
		free_errand(errand);
		return false;
	}
	serve->errand = errand;
	visitor->waits = true;
	return true;
}

static void
tell(struct sled_serve_ran *ran, const struct sled_errand *errand)
{
	const struct sled_program_end *end = &errand->end;
	size_t from = 0, len = end->said_len;

	*ran = (struct sled_serve_ran){ errand->ok, end->status, "" };
	if (!errand->ok) {
		(void)snprintf(ran->why, sizeof(ran->why), "%s",
		               errand->err.text);
		return;
	}
	while (len > 0 && end->said[len - 1] == '\n')
		len--;
	if (len > sizeof(ran->why) / 2)
		from = len - sizeof(ran->why) / 2;
	sled_text_clip(ran->why, sizeof(ran->why),
	               (struct sled_span){ end->said + from, len - from });
}

struct sled_visitor *
sled_errand_end(struct sled_serve *serve)
{
	struct sled_errand *errand = serve->errand;
	struct sled_visitor *visitor;
	uint64_t count = 0;

	(void)!read(serve->ended, &count, sizeof(count));
	if (errand == NULL)
		return NULL;
	visitor = errand->visitor;
	sled_worker_free(&errand->worker);
	if (visitor != NULL) {
		tell(&visitor->ran, errand);
		visitor->request.ran = &visitor->ran;
		visitor->waits = false;
	}
	free_errand(errand);
	serve->errand = NULL;
	return visitor;
}

void
sled_errand_forget(struct sled_serve *serve, const struct sled_visitor *visitor)
{
	if (serve->errand != NULL && serve->errand->visitor == visitor)
		serve->errand->visitor = NULL;
}

struct sled_visitor *
sled_errand_drop(struct sled_serve *serve)
{
	struct sled_visitor *visitor = serve->errand->visitor;

	sled_worker_abandon(&serve->errand->worker, NULL);
	serve->errand = NULL;
	return visitor;
}
