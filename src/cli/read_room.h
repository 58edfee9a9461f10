/*
 * read_room.h - the pages of `mailsled serve`; private to cli.
 *
 * Contract
 *   A page is one function of sled_serve_fn's form but that it writes to a
 *   struct sled_page. What is foreign goes through sled_page_add()'s %s or
 *   sled_page_text(), so it is escaped; <bdi> or dir=auto stands around what may
 *   run from right to left. Ids and classes are those of page.css and page.js.
 */
#ifndef CLI_READ_ROOM_H
#define CLI_READ_ROOM_H

#include "cli/read.h"
#include "cli/status.h"
#include "mailsled/serve.h"

#define SLED_ROOM_PAGE 50 /* messages at a time */

struct sled_room_check;
struct sled_room_asking;

struct sled_room {
	struct sled_cli *cli;
	struct sled_serve *serve;
	/* The store is opened anew when what is known of it is old. */
	int64_t opened_ms, took_ms;
	struct sled_index *index; /* of the open store, or NULL */
	uint64_t missing;         /* messages that it lacks */
	struct sled_room_check
	    *check; /* the verify that runs or ran, or NULL */
	struct sled_room_asking *asking; /* of the scheduler, or NULL */
	struct sled_mail_sum sum;
};

/* What the page at hand is made of. */
struct sled_room_ask {
	struct sled_room *room;
	struct sled_serve_request *request;
	struct sled_serve_answer *answer;
	struct sled_page page; /* writes to answer->body */
	int64_t now;
	const char *rest; /* of the path, behind the name of the page */
};

typedef bool sled_room_fn(struct sled_room_ask *ask, struct sled_err *err);

/* ---- read_room.c ---- */

/* The open store, not older than it may be. */
SLED_CHECK bool sled_room_store(struct sled_room *room, struct sled_err *err);
/* ... with its index, which is brought up to date for a moment. */
SLED_CHECK bool sled_room_index(struct sled_room *room, struct sled_err *err);
/* CTX is the room: the store is closed until the next page. */
void sled_room_close(void *ctx);

/* A page from its beginning to <main>; HERE is the entry of the navigation that
 * it belongs to, or "". */
void sled_room_begin(struct sled_room_ask *ask, const char *title,
                     const char *here);
void sled_room_end(struct sled_room_ask *ask);
/* <input type=hidden>: the token of the form. */
void sled_room_token(struct sled_room_ask *ask);
/* Go there, as the answer to a form. */
SLED_CHECK bool sled_room_go(struct sled_room_ask *ask, const char *path,
                             struct sled_err *err);
/* <time>: near ones short, all of it in the title. */
void sled_room_time(struct sled_room_ask *ask, int64_t when);
/* "3 messages"; PLURAL NULL: ONE and an s. */
void sled_room_count(struct sled_page *page, uint64_t count, const char *one);
/* <span class="state CLASS">WORD</span>: never colour alone. */
void sled_room_state(struct sled_page *page, const char *class,
                     const char *word);
/* Sender and subject of a row as they were meant, on one line each. */
SLED_CHECK bool sled_room_decode(struct sled_span from,
                                 struct sled_span subject, bool name,
                                 struct sled_buf texts[2],
                                 struct sled_err *err);

/* ---- the pages ---- */

sled_room_fn sled_room_home, sled_room_another; /* read_room_home.c */
sled_room_fn sled_room_history;                 /* read_room_history.c */
sled_room_fn sled_room_mail;                    /* read_room_mail.c */
sled_room_fn sled_room_letter;                  /* read_room_letter.c */
sled_room_fn sled_room_held, sled_room_want, sled_room_drop; /* ..._held.c */
sled_room_fn sled_room_health;                        /* read_room_health.c */
sled_room_fn sled_room_verify, sled_room_verify_json; /* ..._verify.c */

/* read_room_next.c: a paragraph. */
void sled_room_next(struct sled_room_ask *ask);
void sled_room_next_free(struct sled_room *room);

/* read_room_health.c: as sled_store_place(), with what verify found. */
SLED_CHECK bool sled_room_place(struct sled_room *room, size_t i,
                                struct sled_place_status *out,
                                struct sled_err *err);
/* In a word, as a state. */
void sled_room_place_state(struct sled_page *page,
                           const struct sled_place_status *place);

/* read_room_letter.c: "LABEL/NUMBER" or an id, and what stands behind it. */
enum sled_room_part {
	SLED_ROOM_WHOLE,
	SLED_ROOM_HTML,
	SLED_ROOM_RAW,
	SLED_ROOM_FILE,
};

struct sled_room_at {
	char id[SLED_HASH_HEX + 32];
	enum sled_room_part part;
	size_t file; /* FILE: from 0 */
};

bool sled_room_at(const char *path, struct sled_room_at *out);

/* read_room_verify.c: faults that the last verify found in a place. */
uint64_t sled_room_check_faults(struct sled_room *room, const char *place);
/* How it stands, for the page of health. */
void sled_room_check_show(struct sled_room_ask *ask);
void sled_room_check_free(struct sled_room *room);

#endif
