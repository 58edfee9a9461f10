/*
 * serve.h - pages for one person, by HTTP on loopback.
 *
 * Contract
 *   One thread: pages are made by FN, called from sled_serve_run(). Before FN
 *   hears of a request, it is known that
 *     - its Host names what the connection came in by, or .name, so that no
 *       other name that leads here (DNS rebinding) is answered;
 *     - no other site asked for it: Origin and Sec-Fetch-Site, where they stand,
 *       and one of them must stand in a POST;
 *     - it has the cookie of a session, which is begun by the ticket in the
 *       first address (each ticket once), or by the password;
 *     - a POST has the session's form token, .token.
 *   All else is refused here, with a page that tells nothing. Headers, bodies,
 *   connections, their number and their time have limits (callers.c): who knocks a
 *   thousand times, or slowly, is shut out, and the one who reads is not.
 *   Every answer forbids what it does not need (answer.c): no page asks anyone
 *   but this server for anything, runs inline script, or may be framed.
 *   Errors: SERVER the port is taken; CONFIG the address is not ours; NOMEM; IO.
 */
#ifndef MAILSLED_SERVE_H
#define MAILSLED_SERVE_H

#include "mailsled/buf.h"
#include "mailsled/err.h"
#include "mailsled/loop.h"
#include "mailsled/types.h"

/* ---- page.c: HTML ---- */

/* Text is added to *out; after the first failure, which *err tells, nothing
 * is: only sled_page_ok() needs to be asked, at the end. */
struct sled_page {
	struct sled_buf *out;
	struct sled_err *err;
	bool failed;
};

/* FMT is ours and stands as it is. What %s brings is foreign, and is escaped
 * (sled_text_html()); NULL is nothing. Of printf() there are also %d %u %zu %ld
 * %lu %lld %llu and %%. */
void sled_page_add(struct sled_page *page, const char *fmt, ...)
    SLED_PRINTF(2, 3);
/* From the doctype on; <head> is still open. */
void sled_page_head(struct sled_page *page, const char *title);
/* Foreign text. */
void sled_page_text(struct sled_page *page, struct sled_span text);
/* Markup that was made elsewhere, and is safe. */
void sled_page_markup(struct sled_page *page, struct sled_span markup);
/* OK false: *err tells why. */
bool sled_page_ok(struct sled_page *page, bool ok);

/* ---- requests and answers ---- */

struct sled_serve_request {
	const char *path; /* decoded, "/mail/home/17" */
	bool post;
	const char *token; /* for the hidden field "token" of each form */
	/* A program that FN asked for has ended: FN is called again. */
	const struct sled_serve_ran *ran; /* or NULL */
};

/* Of the query, or of the form when it is a POST; NULL: not there, or no valid
 * UTF-8. It lives as long as the request. */
const char *sled_serve_arg(const struct sled_serve_request *request,
                           const char *name);

struct sled_serve_ran {
	bool started;  /* else .why */
	int status;    /* as in struct sled_program_end */
	char why[512]; /* what it said last, or why it did not end; printable */
};

/* What the answer is, and so what it may do. */
enum sled_serve_kind {
	SLED_SERVE_PAGE, /* HTML of ours: own style sheet, script and frames */
	SLED_SERVE_MAIL, /* a sender's HTML, made safe: sandboxed, no address may
	                  * be asked for anything, may stand in our frame */
	SLED_SERVE_JSON,
	SLED_SERVE_FILE, /* to be saved, never shown */
};

struct sled_serve_answer {
	enum sled_serve_kind kind;
	unsigned status;      /* 200 */
	struct sled_buf body; /* freed when it was sent, as the others */
	int fd;               /* FILE: in place of body when not -1; closed */
	uint64_t size;        /* ... its octets */
	struct sled_buf name; /* FILE: of it, safe (sled_name_safe()) */
	struct sled_buf location; /* not empty: go there (303) */
};

/* False: *err becomes a page. */
typedef bool sled_serve_fn(void *ctx, struct sled_serve_request *request,
                           struct sled_serve_answer *answer,
                           struct sled_err *err);

/* Inside FN: run ARGV (copied, without a shell) for DEADLINE_MS at most, with
 * others waiting on nothing; FN is called again when it has ended, and what
 * ANSWER holds now is dropped. LINK while another one runs. */
SLED_CHECK bool sled_serve_run_program(struct sled_serve_request *request,
                                       const char *const *argv,
                                       uint64_t deadline_ms,
                                       struct sled_err *err);

/* ---- the server ---- */

struct sled_serve; /* opaque */

struct sled_serve_conf {
	const char *address; /* numeric; NULL: 127.0.0.1 */
	uint16_t port;       /* 0: any that is free */
	const char *name;    /* the Host of another name than that, or NULL */
	struct sled_span password; /* empty: the first address has a ticket */
	const char *style;         /* added to the style sheet; it lives on */
	sled_serve_fn *page;
	void (*idle)(void *ctx); /* nothing happened for a second; or NULL */
	void *ctx;
};

/* Does ADDRESS need a password: is it none of this machine alone? */
bool sled_serve_is_open(const char *address);
/* It listens when this returns. CONF's strings are copied. */
SLED_CHECK bool sled_serve_new(struct sled_serve **out,
                               const struct sled_serve_conf *conf,
                               struct sled_err *err);
void sled_serve_free(struct sled_serve **freeing);
/* "http://127.0.0.1:4711/", with "?ticket=..." where that lets one in; each call
 * makes a new ticket, and the one before is worth nothing. */
SLED_CHECK bool sled_serve_address(struct sled_serve *serve,
                                   struct sled_buf *out, struct sled_err *err);
/* Until SIGTERM, SIGINT or SIGHUP; they are blocked from sled_serve_new() on. */
SLED_CHECK bool sled_serve_run(struct sled_serve *serve, struct sled_err *err);

#endif
