/* fx_spool.h - made mail into a spool, and back out of it. */
#ifndef FX_SPOOL_H
#define FX_SPOOL_H

#include "mailsled/spool.h"

/* A message whose bytes follow from SEED and LEN. */
struct fx_mail {
	const char *uid;
	size_t len;
	unsigned seed;
};

#define FX_FOUND 256

struct fx_found {
	struct sled_record record[FX_FOUND];
	unsigned count, torn;
	struct sled_err err;
};

extern const struct sled_spool_owner fx_spool_owner; /* "home" */

/* LEN bytes: lines with CRLF, and any other byte too. */
void fx_mail_bytes(char *out, const struct fx_mail *mail);
/* begin, append in uneven pieces, end. The hash is computed here. */
SLED_CHECK bool fx_spool_put(struct sled_spool *spool,
                             const struct fx_mail *mail,
                             struct sled_record *out, struct sled_err *err);
/* begin and append, without end. */
SLED_CHECK bool fx_spool_put_half(struct sled_spool *spool,
                                  const struct fx_mail *mail,
                                  struct sled_err *err);
/* All whole records of an open spool; false when the scan failed. */
bool fx_spool_found(struct sled_spool *spool, struct fx_found *found);
/* Does RECORD describe MAIL, and do its bytes stand where it says? */
bool fx_spool_holds(struct sled_spool *spool, const struct sled_record *record,
                    const struct fx_mail *mail);
/* The name of the one spool file in DIR, into NAME; false when there is not
 * exactly one. */
bool fx_spool_only(int dir, char name[SLED_SPOOL_NAME]);

#endif
