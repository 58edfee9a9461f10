/*
 * pop3.h - POP3 client engine: bytes in, events and bytes out.
 * RFC 1939, RFC 2449 (CAPA, response codes), RFC 5034 (AUTH), RFC 2595 (STLS).
 *
 * Contract
 *   The engine owns no descriptor, clock, thread or global. It never blocks.
 *   The caller moves bytes, in this loop:
 *
 *       pending/sent   engine -> peer     feed   peer -> engine
 *       next           engine -> caller, until SLED_POP3_HUNGRY
 *
 *   Fed bytes are borrowed until next() says HUNGRY; by then all are used.
 *   Commands may be queued at any time; replies are matched first in, first
 *   out [pop3-fifo]. The first reply is taken for the greeting whatever it is: of
 *   a server that answers early commands before it, all comes one too early, and
 *   STAT with .bad shows it. Behind a REFUSED greeting, and behind a CHALLENGE
 *   while more is queued, no reply means what it says.
 *   Bodies stream through; none is held whole [pop3-stream]:
 *   exact bytes, any byte, any line length, only the stuffed dots taken out.
 *   A body ends at "." alone on a line [pop3-end]. Its first line end tells
 *   what its lines end with: where that is CRLF, a bare LF begins no line, so
 *   that no message can end itself early and answer the next command. After
 *   such an LF only a doubled dot loses one. Other lines end with CRLF or LF.
 *   Failure is sticky: after SLED_POP3_FAILED only free() is of use.
 *   A span handed out is valid until the next call on the same engine.
 *   The engine deletes nothing of its own accord [pop3-dele].
 *   Text in events is the server's: escape it before it is shown.
 */
#ifndef MAILSLED_POP3_H
#define MAILSLED_POP3_H

#include <stddef.h>
#include <stdint.h>

#include "mailsled/err.h"
#include "mailsled/types.h"

#define SLED_POP3_LINE_MAX    4096    /* octets kept of a reply line */
#define SLED_POP3_STATUS_MAX  65536   /* a longer status line is a fault */
#define SLED_POP3_ARG_MAX     16384   /* octets of a command's argument */
#define SLED_POP3_QUEUE_MAX   1024    /* commands in flight */
#define SLED_POP3_CAPA_MAX    512     /* capability lines */
#define SLED_POP3_LISTING_MAX 2000000 /* lines of LIST or UIDL */
/* Octets of a listing: so many, and so many more for each line. */
#define SLED_POP3_LISTED_MAX 8388608
#define SLED_POP3_LISTED_PER 512

struct sled_pop3; /* opaque */

enum sled_pop3_step {
	SLED_POP3_FAILED = -1, /* *err says why: PROTO, INTERNAL for misuse */
	SLED_POP3_HUNGRY = 0,  /* feed me; no event was stored */
	SLED_POP3_EVENT = 1,   /* *event is filled */
};

enum sled_pop3_kind {
	SLED_POP3_GREETING, /* +OK on connect; .text */
	SLED_POP3_ACCEPTED, /* +OK to .verb; .text. Body or listing may follow */
	SLED_POP3_REFUSED,  /* -ERR to .verb, or as the greeting (.verb NONE) */
	SLED_POP3_CHALLENGE, /* "+ text" to AUTH: answer with respond() */
	SLED_POP3_LISTED,    /* a line of CAPA, LIST or UIDL, see below */
	SLED_POP3_BODY,      /* the next bytes of .msg (RETR, TOP) in .text */
	SLED_POP3_END,       /* end of the listing or body of .verb, .msg */
};

enum sled_pop3_verb {
	SLED_POP3_NONE,
	SLED_POP3_CAPA,
	SLED_POP3_STLS,
	SLED_POP3_AUTH,
	SLED_POP3_USER,
	SLED_POP3_PASS,
	SLED_POP3_STAT,
	SLED_POP3_LIST,
	SLED_POP3_UIDL,
	SLED_POP3_TOP,
	SLED_POP3_RETR,
	SLED_POP3_DELE,
	SLED_POP3_RSET,
	SLED_POP3_NOOP,
	SLED_POP3_QUIT,
};

/*
 * LISTED and the replies to STAT, LIST n, UIDL n fill .msg, .size and .text:
 *   CAPA  .text is the whole capability line
 *   LIST  .msg and .size; what follows a space is ignored. A line that is not
 *         "number size" has .bad set
 *   UIDL  .msg and .text (the unique-id, any length up to LINE_MAX, perhaps
 *         empty: all of the line behind the number, without the blanks around
 *         it); .bad when there is no number
 *   STAT  (ACCEPTED) .count messages of .size octets together; .bad otherwise
 *   A message-number is 1 to 2^32-1. A bad line has .msg and .size 0 and all
 *   of itself in .text; the reply to LIST n or UIDL n keeps n, and is bad too
 *   when it tells of another message.
 * GREETING, ACCEPTED, REFUSED: .text is what follows "+OK " or "-ERR ", the
 * response code included; .code is set only by a well-formed one right there.
 */
struct sled_pop3_event {
	enum sled_pop3_kind kind;
	enum sled_pop3_verb verb; /* the command this answers */
	uint32_t msg;             /* 0 where there is none */
	uint32_t count;
	uint64_t size;
	bool bad;              /* this line could not be understood */
	bool cut;              /* .text lost what was beyond LINE_MAX */
	struct sled_span code; /* response code without its brackets: IN-USE */
	struct sled_span text;
};

SLED_CHECK bool sled_pop3_new(struct sled_pop3 **out, struct sled_err *err);
void sled_pop3_free(struct sled_pop3 **pop);

/* "RETR" for SLED_POP3_RETR; "greeting" for NONE. */
const char *sled_pop3_word(enum sled_pop3_verb verb);

/* How many commands may be queued now; 0 while STLS waits for its answer. */
size_t sled_pop3_room(const struct sled_pop3 *pop);
/* How many are queued and not fully answered. */
size_t sled_pop3_waiting(const struct sled_pop3 *pop);
/* The message-number of the oldest of them; 0: it has none. */
uint32_t sled_pop3_due(const struct sled_pop3 *pop);

/* Queue a command. INTERNAL when the queue is full or a message-number is 0;
 * USAGE when an argument holds CR or LF, is over ARG_MAX, or is empty or holds
 * a space where the command is made of words. NOMEM. Nothing is queued then.
 * Arguments are copied; each byte sent is wiped at once, the rest by free(). */
SLED_CHECK bool sled_pop3_capa(struct sled_pop3 *pop, struct sled_err *err);
/* Nothing may be queued behind STLS until its +OK was seen; bytes that came
 * with that +OK are a fault (PROTO): they would cross the handshake. */
SLED_CHECK bool sled_pop3_stls(struct sled_pop3 *pop, struct sled_err *err);
/* INITIAL is base64 or NULL ("=" stands for an empty one). */
SLED_CHECK bool sled_pop3_auth(struct sled_pop3 *pop, const char *mechanism,
                               const char *initial, struct sled_err *err);
/* Answer a CHALLENGE; "*" gives up, "" is an empty answer. INTERNAL when none
 * is open, or when a command was queued behind AUTH: the server has taken that
 * one for the answer already, and only closing is left. */
SLED_CHECK bool sled_pop3_respond(struct sled_pop3 *pop, const char *base64,
                                  struct sled_err *err);
SLED_CHECK bool sled_pop3_user(struct sled_pop3 *pop, const char *user,
                               struct sled_err *err);
SLED_CHECK bool sled_pop3_pass(struct sled_pop3 *pop, const char *pass,
                               struct sled_err *err);
SLED_CHECK bool sled_pop3_stat(struct sled_pop3 *pop, struct sled_err *err);
/* MSG 0: the whole listing; else the one-line form. */
SLED_CHECK bool sled_pop3_list(struct sled_pop3 *pop, uint32_t msg,
                               struct sled_err *err);
SLED_CHECK bool sled_pop3_uidl(struct sled_pop3 *pop, uint32_t msg,
                               struct sled_err *err);
SLED_CHECK bool sled_pop3_top(struct sled_pop3 *pop, uint32_t msg,
                              uint32_t lines, struct sled_err *err);
SLED_CHECK bool sled_pop3_retr(struct sled_pop3 *pop, uint32_t msg,
                               struct sled_err *err);
SLED_CHECK bool sled_pop3_dele(struct sled_pop3 *pop, uint32_t msg,
                               struct sled_err *err);
SLED_CHECK bool sled_pop3_rset(struct sled_pop3 *pop, struct sled_err *err);
SLED_CHECK bool sled_pop3_noop(struct sled_pop3 *pop, struct sled_err *err);
SLED_CHECK bool sled_pop3_quit(struct sled_pop3 *pop, struct sled_err *err);

/* Lend IN to the engine; allowed only when the last next() said HUNGRY. */
void sled_pop3_feed(struct sled_pop3 *pop, struct sled_span in);
SLED_CHECK enum sled_pop3_step sled_pop3_next(struct sled_pop3 *pop,
                                              struct sled_pop3_event *event,
                                              struct sled_err *err);

/* Bytes due to the peer, and how many of them the caller has now sent. */
struct sled_span sled_pop3_pending(const struct sled_pop3 *pop);
void sled_pop3_sent(struct sled_pop3 *pop, size_t len);

#endif
