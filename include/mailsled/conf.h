/*
 * conf.h - the configuration: INI text in, checked values out.
 *
 * Contract
 *   An engine: the caller opens the file, looks at its mode and hands in the
 *   bytes, the name for messages and the few environment values that paths may
 *   use. Everything is checked here that can be checked without a disk or a
 *   server. Unknown keys and sections, doubled ones, and each line that the
 *   INI library would damage are refused: CONFIG, "FILE:LINE: what is wrong",
 *   with the nearest known word. No message holds the value of a key that can
 *   bear a secret; the configuration itself holds no password.
 *   Strings are owned by the sled_conf, NUL-ended, never empty; a key that was
 *   not written is NULL or its default. Paths are absolute, without "//", "."
 *   and a "/" at the end. Durations are seconds unless the name says
 *   otherwise; money is in millionths of its currency.
 *
 * Form of a file
 *   Lines of at most SLED_CONF_LINE_MAX bytes, LF or CRLF, a UTF-8 BOM is
 *   skipped. Keys and sections begin in the first column. `;` after a blank
 *   begins a comment, as `;` and `#` do at the start of a line. In the
 *   *-command keys and in deliver two blanks must stand before the `;` of a
 *   comment.
 */
#ifndef MAILSLED_CONF_H
#define MAILSLED_CONF_H

#include "mailsled/buf.h"
#include "mailsled/err.h"
#include "mailsled/types.h"

#define SLED_CONF_MAX          262144      /* bytes of a file */
#define SLED_CONF_LINE_MAX     197         /* bytes, without the line's end */
#define SLED_CONF_TRIAL_S      (7 * 86400) /* how long an unwritten delete waits */
#define SLED_CONF_NO_LIMIT     UINT64_MAX
#define SLED_CONF_DAY_MIN      1440
#define SLED_CONF_ACCOUNT_NAME 25 /* room for [a-z0-9][a-z0-9._-]{0,23} */

/* What paths may begin with. NULL or a relative path: not set. */
struct sled_conf_env {
	const char *home;
	const char *xdg_config, *xdg_data, *xdg_state;
};

/* hold-larger: mail of more bytes stays on the server. */
struct sled_conf_hold {
	bool set;       /* false: not written here */
	uint64_t bytes; /* SLED_CONF_NO_LIMIT for "none", and when not set */
};

/* One place of the store. */
struct sled_conf_place {
	const char *where; /* absolute path, or "REMOTE:PATH" for rclone */
	const char *name;  /* where, or "rclone:REMOTE:PATH" */
	bool rclone;
};

struct sled_conf_store {
	unsigned line;                  /* of [store] */
	const char *path;               /* the first place */
	struct sled_conf_place *copies; /* in the order written */
	size_t copies_len;
	unsigned min_copies; /* path counts; 1 to copies_len + 1 */
	bool min_copies_set;
	bool distinct_devices;
	bool rotate_month;
	uint64_t rotate_bytes;  /* SLED_CONF_NO_LIMIT: by month only */
	const char *state;      /* NULL: PATH/.mailsled */
	uint64_t far_bandwidth; /* octets a second to far places; 0: no limit */
};

enum sled_conf_tls {
	SLED_CONF_TLS_IMPLICIT, /* port 995 */
	SLED_CONF_TLS_STARTTLS, /* port 110 */
};

enum sled_conf_auth {
	SLED_CONF_AUTH_AUTO,
	SLED_CONF_AUTH_PLAIN,
	SLED_CONF_AUTH_LOGIN,
	SLED_CONF_AUTH_USER, /* USER and PASS */
};

enum sled_conf_delete {
	SLED_CONF_DELETE_UNWRITTEN, /* SLED_CONF_TRIAL_S of trial, then verified */
	SLED_CONF_DELETE_VERIFIED,
	SLED_CONF_DELETE_AFTER, /* delete_after_s after it was stored */
	SLED_CONF_DELETE_NEVER,
};

/* deliver: who is given a copy of what comes. */
enum sled_conf_target_kind {
	SLED_CONF_MAILDIR,
	SLED_CONF_MBOX,
	SLED_CONF_COMMAND,
	SLED_CONF_LMTP,
};

#define SLED_CONF_TARGET_NAME 1024 /* room for a name, with the NUL */
#define SLED_CONF_MAILBOX_MAX 254  /* octets of an address */

struct sled_conf_target {
	enum sled_conf_target_kind kind;
	const char *name; /* "maildir:/home/ada/Maildir": what it is known by */
	const char *where; /* a path, a text for sh -c, or a host */
	uint16_t port;     /* of the host; 0: .where is a socket's path */
};

struct sled_conf_account {
	unsigned line;      /* of [account NAME] */
	const char *name;   /* a label; the maildrop is server and user */
	const char *server; /* lower case */
	uint16_t port;
	enum sled_conf_tls tls;
	enum sled_conf_auth auth;
	const char *user;
	/* Exactly one of the three is not NULL. */
	const char *password_command; /* for sh -c */
	const char *password_file;
	const char *credential; /* a name in $CREDENTIALS_DIRECTORY */
	const char *ca_file;    /* NULL: the system's */
	enum sled_conf_delete del;
	int64_t delete_after_s; /* for AFTER */
	struct sled_conf_hold hold_larger;
	uint64_t quota;      /* octets the maildrop may hold; 0: not written */
	uint32_t timeout_ms; /* default 120,000 */
	struct sled_conf_target *targets; /* of deliver, in the order written */
	size_t targets_len;
	const char *deliver_to; /* whom LMTP is told; unwritten: the user */
};

/* One window of the week in local time. to_min <= from_min: it ends the day
 * after. */
struct sled_conf_window {
	uint8_t days; /* days it begins on: bit 0 Monday ... bit 6 Sunday */
	uint16_t from_min; /* of the day, 0 to 1439 */
	uint16_t to_min;   /* 1 to 1440, never from_min */
};

struct sled_conf_schedule {
	unsigned line;   /* of [schedule]; 0: not written */
	int64_t every_s; /* 0: not written */
	struct sled_conf_window *windows;
	size_t windows_len; /* 0: at any time */
	bool on_link;
	int64_t
	    jitter_s; /* a visit of `every` comes up to so much later; unwritten
	                   * a tenth of every_s, 300 at most */
};

enum sled_conf_unit {
	SLED_CONF_BYTES,
	SLED_CONF_SECONDS,
	SLED_CONF_MONEY,
};

struct sled_conf_budget {
	enum sled_conf_unit unit;
	uint64_t amount; /* bytes, seconds or millionths */
	bool monthly;    /* false: a day */
};

/* AMOUNT is due for each step of STEP bytes or seconds that was begun; pro
 * rata, for a part of the step its part of it. */
struct sled_conf_cost {
	enum sled_conf_unit unit; /* BYTES or SECONDS */
	uint64_t amount;          /* millionths */
	uint64_t step;
	bool pro_rata; /* bytes, with no number before the unit: "/MiB" */
};

enum sled_conf_visit {
	SLED_CONF_VISIT_YES, /* unwritten */
	SLED_CONF_VISIT_NO,  /* nothing passes here, `fetch --link` but for */
	SLED_CONF_VISIT_ASK, /* only when a person asks: fetch, SIGUSR1 */
};

enum sled_conf_far {
	SLED_CONF_FAR_UNWRITTEN, /* as sled_conf_link_far() has it */
	SLED_CONF_FAR_YES,
	SLED_CONF_FAR_NO,
};

#define SLED_CONF_BUDGETS 6 /* three units, a day and a month */
#define SLED_CONF_COSTS   2 /* by bytes, by time */

/* What one visit to an empty maildrop takes at least, with a full handshake;
 * five round trips, where those are longer. */
#define SLED_CONF_VISIT_BYTES 6000
#define SLED_CONF_VISIT_MS    3000
#define SLED_CONF_VISIT_TRIPS UINT64_C(5)
/* A dialled line counts from its dialling on, until it is hung up; until it
 * was seen how long that takes, so long. */
#define SLED_CONF_DIAL_MS    20000
#define SLED_CONF_HANG_UP_MS 3000

struct sled_conf_link {
	unsigned line; /* of [link NAME] */
	/* An interface or connection, * and ? in it; "metered" and "default"
	 * are for links that no other section names. */
	const char *name;
	const char **accounts; /* that may pass; none written: all */
	size_t accounts_len;
	unsigned accounts_line; /* of that key; 0: not written */
	enum sled_conf_visit visit;
	enum sled_conf_far far; /* far copies may pass */
	struct sled_conf_hold hold_larger;
	/* Hints until a visit has measured it; 0: not written. */
	uint64_t rate_down, rate_up; /* octets a second */
	uint32_t rtt_ms;
	int64_t window_s; /* how long it is up at a time; 0: not written */
	struct sled_conf_budget budgets[SLED_CONF_BUDGETS];
	size_t budgets_len;
	struct sled_conf_cost costs[SLED_CONF_COSTS];
	size_t costs_len;
	uint64_t cost_min_bytes; /* least that a visit is billed; 0: none */
	uint64_t cost_min_s;
	char currency[4]; /* of budgets and costs; "" without money */
	const char *up_command, *down_command; /* for sh -c */
	int64_t up_timeout_s;   /* until the link must be there; default 90 */
	int64_t down_timeout_s; /* until down-command must have ended; 30 */
};

struct sled_conf {
	struct sled_conf_store store;
	struct sled_conf_account *accounts; /* in the order written */
	size_t accounts_len;
	struct sled_conf_schedule schedule;
	struct sled_conf_link *links; /* in the order written */
	size_t links_len;
	const char **warnings; /* "FILE:LINE: text", printable */
	size_t warnings_len;
	struct sled_conf_pool *pool; /* what owns the strings */
};

/* FILE is for messages only. On failure *out stays as it was. */
SLED_CHECK bool sled_conf_parse(struct sled_conf **out, struct sled_span text,
                                const char *file,
                                const struct sled_conf_env *env,
                                struct sled_err *err);
void sled_conf_free(struct sled_conf **conf);

/* Is it of the form of a label? */
bool sled_conf_is_account_name(const char *name);

/* May it stand between < and > in a protocol of mail? */
bool sled_conf_is_mailbox(const char *text);

/* The account of that name; NULL when there is none. */
const struct sled_conf_account *sled_conf_account(const struct sled_conf *conf,
                                                  const char *name);
/* The known account name nearest to NAME, for messages; NULL: none is near. */
const char *sled_conf_account_near(const struct sled_conf *conf,
                                   const char *name);

/* May copies go to far places by this link? Unwritten: where it costs nothing,
 * has no budget, and visits pass without being asked for. LINK NULL: no section
 * is for it. */
bool sled_conf_link_far(const struct sled_conf_link *link, bool metered);

/* The index of the word nearest to TEXT; *close tells whether it looks like a
 * slip of the pen. COUNT is 1 or more. */
size_t sled_conf_nearest(const char *text, const char *const *words,
                         size_t count, bool *close);

/* Where the configuration is when -c names none: for root
 * /etc/mailsled/config.ini, else $XDG_CONFIG_HOME/mailsled/config.ini.
 * CONFIG when neither HOME nor XDG_CONFIG_HOME is set. */
SLED_CHECK bool sled_conf_default_path(struct sled_buf *out,
                                       const struct sled_conf_env *env,
                                       bool is_root, struct sled_err *err);

/* PATH made absolute and tidy, added to OUT: `~`, $HOME, $XDG_CONFIG_HOME,
 * $XDG_DATA_HOME and $XDG_STATE_HOME may stand at its start. CONFIG for a
 * relative path, "..", another variable, or one that is not set. The error
 * says what is wrong, but does not hold PATH. */
SLED_CHECK bool sled_conf_expand(struct sled_buf *out, const char *path,
                                 const struct sled_conf_env *env,
                                 struct sled_err *err);

/* What `init` asks for. NULL: not given; then the key stays a comment. */
struct sled_conf_first {
	const char *path;
	const char *copies; /* as in the file: "/media/usb/mail, /srv/mail" */
	const char *account;
	const char *server;
	uint16_t port; /* 0: that of tls */
	enum sled_conf_tls tls;
	const char *user;
	const char *password_command, *password_file; /* one of the two */
	const char *ca_file;
	const char *del; /* as in the file; NULL: the trial */
};

/* A first commented file, added to OUT; parsed before it is handed out, so a
 * value that the file cannot carry is CONFIG here and not tomorrow. Without
 * copies it says min-copies = 1, which is warned about. */
SLED_CHECK bool sled_conf_write_first(struct sled_buf *out,
                                      const struct sled_conf_first *first,
                                      const struct sled_conf_env *env,
                                      struct sled_err *err);

/* The text of a configuration for STORE/config.ini, added to OUT: a line whose
 * key bears a secret, a command that may hold one, and a comment that speaks of
 * one give way to a comment that says so. The rest stays as it is, but for a
 * BOM. What is left out is missing: the copy is to be read, not parsed. */
SLED_CHECK bool sled_conf_strip_secrets(struct sled_buf *out,
                                        struct sled_span text,
                                        struct sled_err *err);

#endif
