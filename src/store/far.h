/* far.h - what the files of far copies share; private to store. */
#ifndef STORE_FAR_H
#define STORE_FAR_H

#include "store/store.h"

#define FAR_RANGE (8U << 20)  /* octets of a range of an open volume, about */
#define FAR_BATCH 64          /* files that are sent and checked together */
#define FAR_STAGE (32U << 20) /* octets of them, about */

/* One far place, brought up to date. */
struct far_job {
	struct sled_store *store;
	struct sled_seat *seat;
	const struct sled_far_run *run;
	struct sled_far_sent *out;
	struct sled_far *far;
	char *scratch_path;
	int scratch;
	int64_t now, end_ms;
	struct sled_far_row *rows; /* by file: what is there and was right */
	size_t rows_len, rows_cap;
	struct sled_volume_row *volumes;
	size_t volumes_len;
	struct far_batch *staged; /* below the scratch folder, and to be sent */
	bool over;                /* its time is; more next time */
};

/* Which part of a volume a file of a far place holds. */
struct far_cover {
	const struct sled_volume_row *volume; /* NULL: of none */
	uint64_t from, to;
};

/* Files on their way, below one local folder. */
struct far_batch {
	struct sled_far_file files[FAR_BATCH];
	struct far_cover covers[FAR_BATCH];
	size_t len;
	uint64_t octets;
};

/* ---- far_rows.c: what the ledger says is there ---- */
bool sled_far_load(struct far_job *job, struct sled_err *err);
void sled_far_unload(struct far_job *job);
const struct sled_far_row *sled_far_row(const struct far_job *job,
                                        const char *file);
/* It is there, and right now. */
bool sled_far_note(struct far_job *job, const struct sled_far_file *file,
                   const struct far_cover *cover, struct sled_err *err);
/* It is not there any more, or other bytes: WHAT says which. */
bool sled_far_lost(struct far_job *job, const char *file, const char *what,
                   struct sled_err *err);
/* It is not needed there any more. */
bool sled_far_drop(struct far_job *job, const char *file, struct sled_err *err);
/* Set aside there what has other bytes; that it could not be is only said. */
void sled_far_put_by(struct far_job *job, const char *file);
/* What of which volume FILE holds, by its name; .volume NULL for others. */
struct far_cover sled_far_cover(const struct far_job *job, const char *file);
/* "home/2026-11-001.0-4096.tar.gz" */
void sled_far_range_name(char out[SLED_FAR_FILE],
                         const struct far_cover *cover);

/* Its label, volume and range; false for any other file. */
struct far_range {
	char label[25], name[SLED_VOLUME_NAME];
	uint64_t from, to;
};

bool sled_far_range_parse(struct far_range *out, const char *file);

/* ---- far_send.c ---- */
bool sled_far_add(struct far_batch *batch, const struct sled_far_file *file,
                  const struct far_cover *cover);
/* Send what is below FROM, check it, note it. What cannot be made right is an
 * error; what was is noted all the same. Empties the batch. */
bool sled_far_send(struct far_job *job, struct far_batch *batch,
                   const char *from, struct sled_err *err);
/* One more file of the scratch folder; what is there is sent first when it would
 * become too much. flush() sends the rest. What was sent is removed here. */
bool sled_far_staged(struct far_job *job, const struct sled_far_file *file,
                     const struct far_cover *cover, struct sled_err *err);
bool sled_far_flush(struct far_job *job, struct sled_err *err);
/* Read again what was checked long ago. */
bool sled_far_recheck(struct far_job *job, struct sled_err *err);

/* ---- far_plan.c ---- */
bool sled_far_volumes(struct far_job *job, struct sled_err *err);

/* ---- far_journal.c ---- */
/* Stage what is new of them; once it is there, remove what is old. */
bool sled_far_papers(struct far_job *job, struct sled_err *err);
bool sled_far_tidy_papers(struct far_job *job, struct sled_err *err);
/* "journal/2026-11.0-4096.1a2b3c4d.tsv": its month, "2026-11"; else false. */
bool sled_far_is_journal(const char *file, char month[8]);
bool sled_far_is_config(const char *file);

/* Has the time of this run gone? Then the job is over. */
bool sled_far_over(struct far_job *job);
/* Whatever was opened of it. */
void sled_far_clean(struct far_job *job);
/* The scratch folder below the state, made and emptied. */
bool sled_far_scratch(struct sled_store *store, char **path, int *dir,
                      struct sled_err *err);
/* TEXT as scratch file FILE ("journal/x"), and its name, size and hash. */
bool sled_far_stage(struct far_job *job, const char *file,
                    struct sled_span text, struct sled_far_file *out,
                    struct sled_err *err);

#endif
