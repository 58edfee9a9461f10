/*
 * pop3d.h - the parts of pop3d, the small POP3 server of demo and tests.
 * RFC 1939, 2449 (CAPA), 2595 (STLS), 5034 (AUTH PLAIN, LOGIN).
 *
 * Contract
 *   pop3d stands alone: it shares no code with mailsled, so that a fault of
 *   one is not hidden by the same fault in the other. One thread serves one
 *   connection; one session at a time holds the maildrop. What is scripted to
 *   go wrong is a fault (pop3d_fault.c); all else follows the RFCs.
 */
#ifndef POP3D_H
#define POP3D_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#define POP3D_LINE_MAX  8192 /* a longer command line ends the connection */
#define POP3D_OUT_MAX   65536
#define POP3D_CONN_MAX  128
#define POP3D_FAULT_MAX 64
#define POP3D_CAPA_MAX  16
#define POP3D_UID_MAX   512 /* bytes of a unique-id, its NUL included */
#define POP3D_MARK_MAX  16  /* TCP reads told apart before the greeting */

enum pop3d_tls_mode {
	POP3D_IMPLICIT,
	POP3D_STARTTLS,
	POP3D_PLAIN,
};

/* In the order of the words that --uid-mode takes. */
enum pop3d_uid_mode {
	POP3D_UID_NAME,
	POP3D_UID_HASH,
	POP3D_UID_REUSE,
	POP3D_UID_RENUMBER,
	POP3D_UID_EMPTY,
	POP3D_UID_DOUBLE,
	POP3D_UID_LONG,
	POP3D_UID_CONTROL,
	POP3D_UID_SPACES,
};

/* In the order of the words that --size-mode takes. */
enum pop3d_size_mode {
	POP3D_SIZE_EXACT,
	POP3D_SIZE_LF,
	POP3D_SIZE_GROW,
	POP3D_SIZE_ZERO,
	POP3D_SIZE_HUGE,
};

/* In the order of the words that --cert takes. */
enum pop3d_cert {
	POP3D_CERT_GOOD,
	POP3D_CERT_EXPIRED,
	POP3D_CERT_NAME,
};

/* What becomes of commands that come before the greeting. */
enum pop3d_early {
	POP3D_EARLY_TAKEN, /* answered behind it, in order */
	POP3D_EARLY_DROPPED,
	POP3D_EARLY_FIRST, /* answered before it */
	POP3D_EARLY_CLOSES,
	POP3D_EARLY_RESETS,
};

enum pop3d_tickets {
	POP3D_TICKETS_KEPT,
	POP3D_TICKETS_FORGOTTEN, /* given, and known no more */
	POP3D_TICKETS_NONE,
};

enum pop3d_act {
	POP3D_ACT_CLOSE,
	POP3D_ACT_CLOSE_AFTER,
	POP3D_ACT_CLOSE_AFTER_BYTES,
	POP3D_ACT_END_AFTER_BYTES,
	POP3D_ACT_RESET,
	POP3D_ACT_ERR,
	POP3D_ACT_ENDLESS,
	POP3D_ACT_STALL,
	POP3D_ACT_STALL_AFTER,
	POP3D_ACT_SHORT,
	POP3D_ACT_OTHER,
	POP3D_ACT_SAY,
	POP3D_ACT_INJECT,
	POP3D_ACT_DROP,
	POP3D_ACT_SKIP,
	POP3D_ACT_DELAY,
	POP3D_ACT_KEYS,
};

struct pop3d_fault {
	const char *spec; /* as written, borrowed from argv */
	char verb[16];    /* upper case; "GREETING", "CONN", "LOGIN" too */
	unsigned nth;     /* 0: every time */
	bool onwards;     /* nth and all after it */
	enum pop3d_act act;
	uint64_t number;
	const char *text; /* behind '=', or "" */
	unsigned seen;    /* over the life of the server, or see .fault_while */
};

/* Strings are borrowed from argv. Switches are int for the option table. */
struct pop3d_conf {
	const char *folder, *user, *pass, *ca_out, *port_file, *log, *listen;
	const char *sasl, *tls_version;
	int port, tls, uid_mode, size_mode, cert;
	int sample, once, no_capa, no_uidl, no_top, no_sasl;
	int no_pipelining, false_pipelining, auth_challenge;
	int pipelining_until, sasl_until, initial_until; /* 0: for ever */
	int early, tickets, slim_refused;
	int expire0, expire0_silent, hide_read, log_wire, flush_each;
	uint32_t generate;
	size_t generate_bytes;
	const char *capa_off[POP3D_CAPA_MAX], *capa_add[POP3D_CAPA_MAX];
	size_t capa_offs, capa_adds;
	struct pop3d_fault faults[POP3D_FAULT_MAX];
	size_t fault_count;
	const char *fault_while; /* a file, or NULL: each session counts anew */
};

struct pop3d_mail {
	char *name;
	uint64_t size, lines; /* CRLF lines, not stuffed */
	uint32_t index;       /* of a built-in message */
	bool deleted, read;
};

/* What one session sees; message number n is mails[n - 1]. */
struct pop3d_view {
	struct pop3d_mail *mails;
	size_t count, cap;
	unsigned session; /* first 1 */
};

struct pop3d_drop {
	const struct pop3d_conf *conf;
	pthread_mutex_t lock;
	pthread_cond_t left; /* it is not busy any more */
	bool busy;
	unsigned sessions;
	bool *gone; /* of built-in messages, by index */
	size_t built_in;
	size_t generated_size; /* octets of each generated message */
	char **hidden;         /* names, for --hide-read */
	size_t hidden_count, hidden_cap;
};

struct pop3d_conn;

struct pop3d_server {
	struct pop3d_conf conf;
	struct pop3d_drop drop;
	SSL_CTX *ctx; /* NULL with --plain */
	int log_fd;   /* -1: none */
	int listen_fd, wake_fd, signal_fd;
	bool fault_free;      /* this session has none */
	pthread_mutex_t lock; /* conns, live, faults */
	pthread_cond_t idle;
	struct pop3d_conn *conns; /* each thread takes itself out */
	unsigned live, opened;
};

/* The octets of .in up to END came with TCP read READ or an earlier one. */
struct pop3d_mark {
	size_t end;
	unsigned read;
};

struct pop3d_conn {
	struct pop3d_server *server;
	struct pop3d_conn *next;
	unsigned id;
	int fd;
	SSL *ssl;
	size_t in_at, in_len, out_len;
	uint64_t out_left;  /* octets until the scripted end of all */
	uint64_t part_left; /* the same, for the reply that is being sent */
	uint64_t said;      /* octets so far, those that wait in .out too */
	bool stall_at_end;  /* at that end fall silent, rather than close */
	bool dead;          /* nothing more can be sent or read */
	bool reset;         /* end by RST */
	bool polite;        /* a scripted end says close_notify too */
	bool logged_in;
	bool no_pipelining, no_sasl, no_initial; /* as of this connection */
	bool drops_along; /* what came with a command is lost */
	unsigned reads;   /* TCP reads that brought something, from TLS on */
	size_t line_end;  /* in .in, of the line that was read last */
	size_t early_len; /* octets of .in that came before the greeting */
	size_t hello_size;
	struct pop3d_mark marks[POP3D_MARK_MAX];
	size_t mark_count;
	char in[POP3D_LINE_MAX];
	char out[POP3D_OUT_MAX];
};

/* pop3d_conf.c: argv to *conf; false when it was told to end (*status). */
bool pop3d_conf_read(struct pop3d_conf *conf, char **argv, int *status);

/* pop3d_fault.c */
bool pop3d_fault_parse(struct pop3d_fault *out, const char *spec);
/* A session begins: does it have faults? */
void pop3d_fault_begin(struct pop3d_server *server);
/* Count one VERB; the fault that is due now, or NULL. */
const struct pop3d_fault *pop3d_fault_take(struct pop3d_server *server,
                                           const char *verb);

/* pop3d_log.c: one line, written at once; nothing when there is no log. */
void pop3d_log(const struct pop3d_server *server, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* pop3d_tls.c: a new CA (to conf->ca_out) and certificate, or NULL. */
SSL_CTX *pop3d_tls_new(const struct pop3d_conf *conf);

/* pop3d_hello.c: what becomes of a ClientHello and of tickets. */
void pop3d_hello_init(SSL_CTX *ctx, const struct pop3d_conf *conf);
/* Watch the handshake of CONN, whose ssl and descriptor are set. */
bool pop3d_hello_watch(struct pop3d_conn *conn);

/* pop3d_early.c: between the handshake and the greeting. */
/* Take in what is there, and do with it as told. */
void pop3d_early_begin(struct pop3d_conn *conn);
/* Log the command VERB when the line last read came early. */
void pop3d_early_log(const struct pop3d_conn *conn, const char *verb);
/* Is the next line one of those that came early, and whole? */
bool pop3d_early_waits(const struct pop3d_conn *conn);

/* pop3d_sample.c: text with LF lines; NULL behind the last. */
const char *pop3d_sample_name(size_t index);
const char *pop3d_sample_text(size_t index);

/* pop3d_drop.c */
bool pop3d_drop_init(struct pop3d_drop *drop, const struct pop3d_conf *conf);
void pop3d_drop_free(struct pop3d_drop *drop);
/* Take the maildrop and list it; false when another session has it, and still
 * has it a moment later: one that did not wait for the answer to its QUIT may
 * come again before that is done. RECENT shows what --hide-read hides. */
bool pop3d_drop_open(struct pop3d_drop *drop, bool recent,
                     struct pop3d_view *view);
/* UPDATE: what is marked goes for good; each is logged. */
void pop3d_drop_commit(struct pop3d_server *server, unsigned conn,
                       struct pop3d_view *view);
void pop3d_drop_close(struct pop3d_drop *drop, struct pop3d_view *view);
uint64_t pop3d_mail_size(const struct pop3d_drop *drop,
                         const struct pop3d_view *view, size_t at);
void pop3d_mail_uid(const struct pop3d_drop *drop,
                    const struct pop3d_view *view, size_t at,
                    char out[POP3D_UID_MAX]);

/* pop3d_body.c: a message as it goes over the wire. */
struct pop3d_body {
	void (*emit)(void *ctx, const char *data, size_t len);
	void *ctx;
	bool stuff;
	uint64_t raw_left;    /* stop behind so many octets of the source */
	uint64_t lines_left;  /* of the body, for TOP; UINT64_MAX: all */
	uint64_t size, lines; /* filled: octets without stuffing, line ends */
	bool in_line, in_text, last_cr, stop;
};

void pop3d_body_init(struct pop3d_body *body);
void pop3d_body_feed(struct pop3d_body *body, const char *data, size_t len);
/* The last line gets the CRLF that it lacks. */
void pop3d_body_end(struct pop3d_body *body);
/* All of view->mails[at] through BODY, its end included; false when it cannot
 * be read. */
bool pop3d_body_run(struct pop3d_body *body, const struct pop3d_drop *drop,
                    const struct pop3d_view *view, size_t at);

/* pop3d_generate.c: message INDEX of about BYTES octets, CRLF lines, ASCII;
 * all of one BYTES are equally long. NULL without memory; the caller frees. */
char *pop3d_generate(uint32_t index, size_t bytes, size_t *len);

/* pop3d_wire.c: after a failure the connection is dead, and calls do nothing. */
bool pop3d_wire_tls(struct pop3d_conn *conn);
void pop3d_wire_send(struct pop3d_conn *conn, const void *data, size_t len);
void pop3d_wire_flush(struct pop3d_conn *conn);
/* The next line without its end, valid until the next call; NULL at the end.
 * What waits to be sent goes out before it blocks. */
char *pop3d_wire_line(struct pop3d_conn *conn);
/* Is there input within so many milliseconds? The end of it counts too. */
bool pop3d_wire_ready(const struct pop3d_conn *conn, int ms);
/* Read once into the buffer; false at the end, or when it is full. */
bool pop3d_wire_fill(struct pop3d_conn *conn);
/* What is buffered, and what has come by now, is lost; how much it was. */
size_t pop3d_wire_discard(struct pop3d_conn *conn);
/* Say no more, and wait until the peer gives up. */
void pop3d_wire_stall(struct pop3d_conn *conn);
void pop3d_wire_delay(struct pop3d_conn *conn, uint64_t ms);
/* Ask for new keys of TLS, COUNT times, and read none of the answers. */
void pop3d_wire_keys(struct pop3d_conn *conn, uint64_t count);
void pop3d_wire_close(struct pop3d_conn *conn);

/* pop3d_session.c: greeting to goodbye. */
void pop3d_session_run(struct pop3d_conn *conn);

#endif
