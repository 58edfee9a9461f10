/* engine.h - what the parts of the engine share; see mailsled/pop3.h. */
#ifndef POP3_ENGINE_H
#define POP3_ENGINE_H

#include "mailsled/buf.h"
#include "mailsled/pop3.h"

struct pop3_command {
	enum sled_pop3_verb verb;
	uint32_t msg;
};

enum pop3_state {
	POP3_GREETING, /* nothing was heard yet */
	POP3_STATUS,   /* the next line is +OK or -ERR */
	POP3_LISTING,
	POP3_BODY,
	POP3_FAILED,
};

enum pop3_at {
	POP3_AT_LINE, /* where a line starts, or after a bare LF */
	POP3_AT_DOT,  /* behind a dot there, which is held back */
	POP3_AT_CR,   /* behind a dot and CR there, both held back */
	POP3_IN_LINE,
};

/* Where a body stands. A zeroed struct is its beginning. */
struct pop3_body {
	enum pop3_at at;
	bool bare;     /* AT_*: what came before was a bare LF */
	bool cr;       /* IN_LINE: the last octet was CR */
	bool known;    /* a line end was seen ... */
	bool lf_lines; /* ... and the first was a bare LF */
};

struct sled_pop3 {
	enum pop3_state state;
	struct pop3_command queue[SLED_POP3_QUEUE_MAX]; /* ring */
	size_t head, queued; /* oldest, and how many */
	bool stls;           /* one is queued: nothing may follow */
	bool challenged;     /* AUTH waits for respond() */
	struct sled_buf out; /* unsent from sent on; before it, zeros */
	size_t sent;
	struct sled_span in;           /* what is left of the lent bytes */
	char line[SLED_POP3_LINE_MAX]; /* the head of a line cut by feeding */
	size_t line_len;               /* its length so far, kept or not */
	char line_last;                /* its last octet, kept or not */
	size_t listed;                 /* lines of this listing, ... */
	uint64_t listed_octets;        /* ... and what they hold */
	struct pop3_body body;
	struct sled_err failed;
};

enum pop3_part {
	POP3_NONE, /* all input is used */
	POP3_BYTES,
	POP3_END,
};

/* Take the next bytes of a body off IN: *out points into IN or is static. */
enum pop3_part sled_pop3_unstuff(struct pop3_body *body, struct sled_span *in,
                                 struct sled_span *out);

/* Drop the oldest command: it is answered. */
void sled_pop3_answered(struct sled_pop3 *pop);

/* Fill EVENT from the text of a line or reply; .bad says it made no sense. */
void sled_pop3_parse_scan(struct sled_pop3_event *event);
void sled_pop3_parse_uid(struct sled_pop3_event *event);
void sled_pop3_parse_drop(struct sled_pop3_event *event);
/* Set .code from .text. */
void sled_pop3_parse_code(struct sled_pop3_event *event);

#endif
