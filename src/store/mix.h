/*
 * mix.h - a member of several damaged files, of which each has some of it
 * right; private to mix.c and mix_guess.c.
 */
#ifndef STORE_MIX_H
#define STORE_MIX_H

#include "store/repair.h"

#define SLED_MIX_FILES   8    /* looked at for one member, at most */
#define SLED_MIX_REGIONS 1024 /* places where they differ */
#define SLED_MIX_CHUNK   16384

struct sled_mix_region {
	uint64_t from, to;             /* behind the header */
	size_t choice[SLED_MIX_FILES]; /* files that differ, the best first */
	size_t choices, now;
};

struct sled_mix_file {
	struct sled_origin *origin;
	uint64_t at; /* of the member's body */
};

struct sled_mix {
	struct sled_repair *r;
	struct sled_member_sum sum;
	struct sled_mix_file files[SLED_MIX_FILES];
	size_t files_len;
	struct sled_mix_region regions[SLED_MIX_REGIONS];
	size_t len;
	uint64_t work; /* octets that may still be inflated for guesses */
	uint8_t chunk[SLED_MIX_FILES][SLED_MIX_CHUNK];
};

/* LEN octets of a file's body; what cannot be read is zeros. */
void sled_mix_read(struct sled_mix *m, size_t file, uint8_t *out, uint64_t at,
                   size_t len);
/* Have the member's SHA-256 tell which combination of the regions FROM and on is
 * right, those before as they are chosen. */
bool sled_mix_try(struct sled_mix *m, size_t from, bool *found,
                  struct sled_err *err);

/* mix_guess.c: choose region by region, as far as the messages of member INDEX
 * tell of themselves. *found: the regions are as the SHA-256 says. */
bool sled_mix_guess(struct sled_mix *m, size_t index, bool *found,
                    struct sled_err *err);

#endif
