/*
 * err.h - one error object, owned by the caller, that keeps its whole story.
 *
 * Contract
 *   A function that can fail returns false and fills *err. The lowest frame
 *   calls sled_fail() once; each frame above may call sled_note() once. Both
 *   return false, so failing is one line: return sled_fail(err, ...);
 *   A zeroed struct is ready for use. Nothing here allocates, so running out
 *   of memory can be reported too. When the text is full the outer notes are
 *   cut; the root cause survives. Text that came from a server is escaped by
 *   the one who puts it in (text.h).
 */
#ifndef MAILSLED_ERR_H
#define MAILSLED_ERR_H

#include <stdbool.h>

#define SLED_CHECK        __attribute__((warn_unused_result))
#define SLED_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Each kind has one exit status (sysexits.h); see err.c. */
enum sled_err_kind {
	SLED_ERR_NONE = 0,
	SLED_ERR_USAGE,    /* 64 */
	SLED_ERR_DAMAGED,  /* 65 our own disk state is not what we wrote */
	SLED_ERR_MISSING,  /* 66 no such message, account or volume */
	SLED_ERR_HOST,     /* 68 no such host */
	SLED_ERR_SERVER,   /* 69 there, but not serving */
	SLED_ERR_INTERNAL, /* 70 */
	SLED_ERR_NOMEM,    /* 71 */
	SLED_ERR_PLACE,    /* 73 a place is missing or full */
	SLED_ERR_IO,       /* 74 */
	SLED_ERR_LINK,     /* 75 dropped, timed out, no route, lock held */
	SLED_ERR_PROTO,    /* 76 the server broke the protocol; any TLS fault */
	SLED_ERR_LOGIN,    /* 77 */
	SLED_ERR_CONFIG,   /* 78 */
};

struct sled_err {
	enum sled_err_kind kind;
	int sys;           /* errno at the failure, or 0 */
	const char *where; /* "file.c:123" of the root cause */
	const char *hint;  /* what to do next; static text, or NULL */
	char text[512];    /* "outer note: inner note: root cause" */
};

#define SLED_STR2(x) #x
#define SLED_STR(x)  SLED_STR2(x)
#define SLED_HERE    __FILE__ ":" SLED_STR(__LINE__)

#define sled_fail(err, kind, ...) \
	sled_fail_at(err, SLED_HERE, kind, 0, __VA_ARGS__)
#define sled_fail_sys(err, errnum, ...)                                \
	sled_fail_at(err, SLED_HERE, sled_err_kind_of(errnum), errnum, \
	             __VA_ARGS__)

/* Record the root cause. Always returns false. */
bool sled_fail_at(struct sled_err *err, const char *where,
                  enum sled_err_kind kind, int sys, const char *fmt, ...)
    SLED_PRINTF(5, 6);

/* Say what was being done when the cause came up. Always returns false. */
bool sled_note(struct sled_err *err, const char *fmt, ...) SLED_PRINTF(2, 3);

/* Say what mends it. HINT is static text. Always returns false. */
bool sled_hint(struct sled_err *err, const char *hint);

enum sled_err_kind sled_err_kind_of(int errnum);

/* The sysexits status that a command ends with. */
int sled_err_exit(enum sled_err_kind kind);

/* Of two failures of one run, the kind that decides the exit status:
 * the first that applies of 65 74 73 77 76 78 69 68 75, then the rest. */
enum sled_err_kind sled_err_worse(enum sled_err_kind a, enum sled_err_kind b);

#endif
