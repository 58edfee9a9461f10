/*
 * parity.h - private to store: what stands beside a sealed volume in each place
 * but its sidecar: parity, made by the program par2, and a revision's .tsv.
 *
 * FILE.par2 and FILE.volNNN+NN.par2 are there as one set when FILE.par2.sha256
 * is, a list for `sha256sum -c` that is written last.
 */
#ifndef STORE_PARITY_H
#define STORE_PARITY_H

#include "store/store.h"

/* Make the set in the first place, unless it is there, pruned, or there is no
 * par2. What cannot be made is said, and is no failure: nothing depends on it.
 * *made says whether it was. */
bool sled_parity_make(struct sled_store *store,
                      const struct sled_volume_row *volume, bool *made,
                      struct sled_err *err);
/* Give the seat, which has the volume sealed, what others have beside it. The
 * same: what fails is said. */
void sled_beside_copy(struct sled_store *store, struct sled_seat *seat,
                      const struct sled_volume_row *volume);
/* The same, where the seat has it at all. */
void sled_beside_give(struct sled_store *store, struct sled_seat *seat,
                      const struct sled_volume_row *volume);

/* Hold the set against its list, with DEEP every byte of it; *fault is "" when
 * it holds, and when there is none. */
bool sled_parity_check(struct sled_seat *seat,
                       const struct sled_volume_row *volume, bool deep,
                       char fault[256], struct sled_err *err);

/* What stands beside the volume, in each place: what does not hold is put aside
 * and given again, by another place or by par2. *mended counts places. */
bool sled_beside_mend(struct sled_store *store,
                      const struct sled_volume_row *volume, uint64_t *mended,
                      struct sled_err *err);

/* Of each run: in silence; and with so many MiB for the blocks it makes, where
 * it would take what they are together, a twentieth of the volume. They fit for
 * one of 256 MiB; more of them take another pass over it. */
#define SLED_PAR2_OPTIONS "-q -q -m16"

/* par2 with these arguments, in FOLDER of the state folder. Its exit status is
 * told as *err, and means nothing: look at what it made. */
bool sled_par2_run(struct sled_store *store, const char *folder,
                   const char *arguments, struct sled_err *err);
/* Does FILE belong to the set of SEALED? */
bool sled_is_parity(const char *file, const char *sealed);
/* TEXT as one word of the shell, added to OUT. */
bool sled_shell_word(struct sled_buf *out, const char *text,
                     struct sled_err *err);

#endif
