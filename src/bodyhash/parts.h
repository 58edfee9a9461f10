/* parts.h - a signature field's tags, and the two forms of a body that are
 * hashed; private to bodyhash. */
#ifndef BODYHASH_PARTS_H
#define BODYHASH_PARTS_H

#include "mailsled/bodyhash.h"
#include "mailsled/hash.h"

/* ---- tags.c ---- */

enum sled_canon_form {
	SLED_CANON_SIMPLE,
	SLED_CANON_RELAXED,
	SLED_CANON_FORMS,
};

struct sled_signature {
	bool judged; /* form, limit and hash are known */
	enum sled_canon_form form;
	uint64_t limit; /* l=; UINT64_MAX without one */
	struct sled_hash hash;
	char domain[SLED_BODYHASH_DOMAIN]; /* d=, printable, or "" */
	size_t at; /* of its hash in the form; set by the caller */
};

/* VALUE is the field's value without its line ends. */
void sled_signature_read(struct sled_signature *out, struct sled_span value);

/* ---- canon.c ---- */

struct sled_canon_hash {
	struct sled_sha256 *sha; /* made at first use, kept for the next */
	uint64_t limit, left;    /* octets; of the canonical body */
	struct sled_hash hash;   /* after end() */
};

/* One form of the body; a zeroed struct but for .form is an empty one. */
struct sled_canon {
	enum sled_canon_form form;
	bool cr;       /* a CR waits: is it a line's end? */
	bool blank;    /* relaxed: blanks wait: are they within a line? */
	bool any;      /* something was given out */
	uint64_t ends; /* line ends wait: are they the body's last? */
	struct sled_canon_hash hashes[SLED_BODYHASH_MAX];
	size_t len;
	size_t used; /* of out */
	char out[1024];
};

void sled_canon_begin(struct sled_canon *canon);
/* *at is the place in hashes of that of the first LIMIT octets; false: no
 * memory. At most SLED_BODYHASH_MAX times a message, before what is fed. */
bool sled_canon_add(struct sled_canon *canon, uint64_t limit, size_t *at);
void sled_canon_feed(struct sled_canon *canon, struct sled_span bytes);
void sled_canon_end(struct sled_canon *canon);
void sled_canon_free(struct sled_canon *canon);

#endif
