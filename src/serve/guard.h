/*
 * guard.h - who may come in. Values in, a verdict out: no socket, no clock.
 *
 * Of a ticket, a session and the password only SHA-256 is kept, and hashes are
 * compared in a time that does not depend on them.
 */
#ifndef SERVE_GUARD_H
#define SERVE_GUARD_H

#include "mailsled/hash.h"

#define SLED_GUARD_WORD     65   /* 32 bytes of chance in hex, and the NUL */
#define SLED_GUARD_SESSIONS 8    /* browsers at once; the oldest one ends */
#define SLED_GUARD_WAIT_MS  1000 /* between two wrong passwords */

struct sled_guard {
	struct sled_sha256 *sha;
	struct sled_hash ticket, password;
	bool has_ticket, has_password;
	struct sled_hash sessions[SLED_GUARD_SESSIONS];
	uint64_t made;    /* sessions so far */
	int64_t again_ms; /* a password is looked at from then on */
};

SLED_CHECK bool sled_guard_new(struct sled_guard *guard,
                               struct sled_span password, struct sled_err *err);
void sled_guard_free(struct sled_guard *guard);

/* A new ticket in hex; the one before is worth nothing. */
SLED_CHECK bool sled_guard_ticket(struct sled_guard *guard,
                                  char out[SLED_GUARD_WORD],
                                  struct sled_err *err);
/* Is it the ticket? It is used up then. */
bool sled_guard_use_ticket(struct sled_guard *guard, const char *word);
/* Is it the password? False as well while one must wait: *wait. */
bool sled_guard_password(struct sled_guard *guard, const char *word,
                         int64_t now_ms, bool *wait);

/* A new session's cookie. */
SLED_CHECK bool sled_guard_begin(struct sled_guard *guard,
                                 char out[SLED_GUARD_WORD],
                                 struct sled_err *err);
bool sled_guard_is_session(struct sled_guard *guard, const char *cookie);
/* The form token of the session with this cookie. */
void sled_guard_token(struct sled_guard *guard, const char *cookie,
                      char out[SLED_GUARD_WORD]);
bool sled_guard_is_token(struct sled_guard *guard, const char *cookie,
                         const char *token);

/* What the header says of where a request is to, and from. */
struct sled_guard_from {
	const char *host, *origin, *site; /* fields' values, or NULL */
	const char *local; /* where it came in: "127.0.0.1", "[::1]" */
	uint16_t port;
	const char *name; /* allowed as well, or NULL */
	bool post;
};

/* Is Host one of ours? */
bool sled_guard_host(const struct sled_guard_from *from);
/* ... and is no other site behind it? */
bool sled_guard_origin(const struct sled_guard_from *from);

#endif
