/* internal.h - what the files of this module share; see mailsled/far.h. */
#ifndef FAR_INTERNAL_H
#define FAR_INTERNAL_H

#include "mailsled/far.h"

#define FAR_WORDS   32     /* most words of a command line */
#define FAR_LIST_MS 600000 /* for what moves little */
#define FAR_SLOWEST 1024   /* octets a second, that a transfer is granted */
#define FAR_PRINTS  (16U << 20) /* most octets that are taken from it */

struct far_entry {
	char *file; /* in .names */
	uint64_t octets;
};

struct sled_far {
	const struct sled_sys *sys;
	char *remote;
	char *scratch;
	int scratch_dir;
	uint64_t bandwidth;
	unsigned stall_s;
	bool knows_sha256,
	    asked_sha256;       /* the remote tells it; that was asked */
	struct sled_buf names;  /* of .list */
	struct far_entry *list; /* as of the last probe */
	size_t len;
};

/* A command line being made: "rclone", a verb, what all of them have. */
struct far_words {
	const char *word[FAR_WORDS];
	size_t len;
	char timeout[24], bandwidth[32];
};

void sled_far_begin(struct far_words *words, const struct sled_far *far,
                    const char *verb);
void sled_far_word(struct far_words *words, const char *word);

/* What is run: OCTETS that move are what its time is measured by. */
struct far_run {
	const struct far_words *words;
	uint64_t octets;
	bool (*output)(void *ctx, struct sled_span in, struct sled_err *err);
	void *ctx;
	bool watched; /* its output must go on */
};

/* Run it; what failed is told in rclone's words. STATUS is its exit status, and
 * may be NULL. */
SLED_CHECK bool sled_far_run(const struct sled_far *far,
                             const struct far_run *run, int *status,
                             struct sled_err *err);
/* All that it prints, at most FAR_PRINTS octets; OCTETS as above. */
SLED_CHECK bool sled_far_capture(const struct sled_far *far,
                                 const struct far_words *words, uint64_t octets,
                                 struct sled_buf *out, int *status,
                                 struct sled_err *err);
/* "REMOTE:PATH/FILE" */
SLED_CHECK bool sled_far_path(const struct sled_far *far, const char *file,
                              struct sled_buf *out, struct sled_err *err);

/* rclone's exit statuses */
enum {
	FAR_NO_FOLDER = 3,
	FAR_NO_FILE = 4,
};

#endif
