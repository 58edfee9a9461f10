/* internal.h - what the parts of serve share. */
#ifndef SERVE_INTERNAL_H
#define SERVE_INTERNAL_H

#include <microhttpd.h>
#include <stdio.h>

#include "mailsled/hash.h"
#include "mailsled/serve.h"
#include "serve/callers.h"
#include "serve/guard.h"

#define SLED_BODY_MAX   16384 /* octets of a form */
#define SLED_FIELDS_MAX 16    /* of a form */

/* A form's field, whole: it may come in pieces. */
struct sled_field {
	char name[32];
	struct sled_buf value;
};

/* One request, from its header to its answer. */
struct sled_visitor {
	struct sled_serve_request request; /* what pages see */
	struct sled_serve *serve;
	struct MHD_Connection *http;
	char *path;
	struct sled_caller *caller;
	char token[SLED_GUARD_WORD];
	/* A POST's: */
	struct MHD_PostProcessor *form;
	struct sled_field fields[SLED_FIELDS_MAX];
	size_t fields_len, octets;
	bool judged;          /* by its header */
	bool refused, spoilt; /* answered already; the form is none of ours */
	/* A program: */
	bool waits; /* suspended until it has ended */
	struct sled_serve_ran ran;
};

struct sled_serve {
	struct sled_serve_conf conf;
	char *name;
	struct sled_guard guard;
	struct sled_callers callers;
	struct MHD_Daemon *daemon;
	char address[64]; /* "127.0.0.1", "[::1]" */
	uint16_t port;
	int signals, ended; /* signalfd; eventfd of a program that has ended */
	struct sled_errand *errand; /* the program that runs, or NULL */
	bool busy_since_idle;
};

/* ---- files.c: what is compiled in ---- */

struct sled_serve_file {
	const char *path, *type;
	const char *data, *end;
};

/* NULL: there is no such one. */
const struct sled_serve_file *sled_serve_file(const char *path);

/* ---- answer.c ---- */

/* Queue it; what ANSWER holds is gone. */
enum MHD_Result sled_answer_send(struct sled_visitor *visitor,
                                 struct sled_serve_answer *answer,
                                 const char *cookie);
/* One of ours. */
enum MHD_Result sled_answer_file(struct sled_visitor *visitor,
                                 const struct sled_serve_file *file);
/* The beginning of a page that stands alone, up to its headline. */
bool sled_answer_begin(struct sled_page *page, const char *title);
/* A page of a line: STATUS says what it is. */
enum MHD_Result sled_answer_word(struct sled_visitor *visitor, unsigned status,
                                 const char *title, const char *text);

/* ---- login.c: what is asked of those who have no session ---- */

enum MHD_Result sled_login(struct sled_visitor *visitor);
/* One who has a session came with TICKET: it is used up, and leaves the address
 * that the browser shows. */
enum MHD_Result sled_login_again(struct sled_visitor *visitor,
                                 const char *ticket);

/* ---- errand.c ---- */

/* The eventfd was written: *visitor waited for it, NULL when none does. */
struct sled_visitor *sled_errand_end(struct sled_serve *serve);
/* VISITOR goes away, whatever it waits for. */
void sled_errand_forget(struct sled_serve *serve,
                        const struct sled_visitor *visitor);
/* Leave it to itself, as this process ends; who waited for it, or NULL. */
struct sled_visitor *sled_errand_drop(struct sled_serve *serve);

#endif
