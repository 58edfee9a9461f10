/*
 * parse.h - what the files of conf share: one parse under way, its memory,
 * its errors, and the readers of single values.
 *
 * Contract
 *   A setter or check that fails has filled p->err by sled_conf_bad() or one
 *   like it, and returns false; the parse ends there. Nothing is freed by
 *   hand: all memory is the pool's, and goes with the sled_conf.
 */
#ifndef SLED_CONF_PARSE_H
#define SLED_CONF_PARSE_H

#include "mailsled/conf.h"
#include "mailsled/text.h"

#define SLED_CONF_KEYS 16 /* the most keys that a section may know */
#define SLED_CONF_SHOW 64 /* room for a foreign word in a message */

enum sled_conf_section {
	SLED_CONF_NONE,
	SLED_CONF_STORE,
	SLED_CONF_ACCOUNT,
	SLED_CONF_SCHEDULE,
	SLED_CONF_LINK,
};

struct sled_conf_parse {
	struct sled_conf *conf;
	const struct sled_conf_env *env;
	struct sled_span rest; /* bytes not yet handed to the library */
	char file[160];        /* printable */
	unsigned line;         /* of the line that was handed out last */
	enum sled_conf_section section;
	unsigned key_line[SLED_CONF_KEYS]; /* of this section; 0: not seen */
	bool pending; /* a key was handed to the library, not come back yet */
	bool failed;
	struct sled_err *err;
};

/* pool.c: zeroed memory; NULL and NOMEM in *err when there is none. */
void *sled_conf_alloc(struct sled_conf *conf, size_t size,
                      struct sled_err *err);
const char *sled_conf_keep(struct sled_conf *conf, const char *text, size_t len,
                           struct sled_err *err);
/* Room for one more in an array of LEN elements: the array, maybe moved. */
void *sled_conf_grow(struct sled_conf *conf, void *array, size_t len,
                     size_t size, struct sled_err *err);

/* fault.c: CONFIG at this line, or at another one. Always false. */
bool sled_conf_bad(struct sled_conf_parse *p, const char *fmt, ...)
    SLED_PRINTF(2, 3);
bool sled_conf_bad_at(struct sled_conf_parse *p, unsigned line, const char *fmt,
                      ...) SLED_PRINTF(3, 4);
SLED_CHECK bool sled_conf_warn(struct sled_conf_parse *p, unsigned line,
                               const char *fmt, ...) SLED_PRINTF(3, 4);

/* line.c: what the library calls for a line, as fgets() would be. */
char *sled_conf_read_line(char *out, int room, void *parse);
/* May the value of KEY be, or hold, a text for sh -c? */
bool sled_conf_bears_command(struct sled_span key);

/* section.c: a section begins; the one before it, or the last one, ends. */
SLED_CHECK bool sled_conf_open_section(struct sled_conf_parse *p,
                                       struct sled_span text);
SLED_CHECK bool sled_conf_close_section(struct sled_conf_parse *p);
/* check.c: the same, what the sections need; then what the whole file needs. */
SLED_CHECK bool sled_conf_check_store(struct sled_conf_parse *p);
SLED_CHECK bool sled_conf_check_account(struct sled_conf_parse *p);
SLED_CHECK bool sled_conf_check_whole(struct sled_conf_parse *p);
/* limits.c: the same for what the scheduler goes by. */
SLED_CHECK bool sled_conf_check_schedule(struct sled_conf_parse *p);
SLED_CHECK bool sled_conf_check_link(struct sled_conf_parse *p);
SLED_CHECK bool sled_conf_check_links(struct sled_conf_parse *p);

/* key.c: one key of the section that is open. */
SLED_CHECK bool sled_conf_set_key(struct sled_conf_parse *p, const char *key,
                                  const char *value);
/* The line of KEY in the section that is open, or that section's. */
unsigned sled_conf_line_of(const struct sled_conf_parse *p, const char *key);

/* store.c, account.c, schedule.c, link.c, passage.c: the setters that key.c names in its table. */
typedef bool sled_conf_setter(struct sled_conf_parse *p, const char *key,
                              const char *value);
sled_conf_setter sled_conf_set_store_path, sled_conf_set_copies,
    sled_conf_set_min_copies, sled_conf_set_distinct, sled_conf_set_rotate,
    sled_conf_set_state, sled_conf_set_far_bandwidth;
sled_conf_setter sled_conf_set_server, sled_conf_set_port, sled_conf_set_tls,
    sled_conf_set_auth, sled_conf_set_user, sled_conf_set_password_command,
    sled_conf_set_password_file, sled_conf_set_credential,
    sled_conf_set_ca_file, sled_conf_set_delete, sled_conf_set_account_hold,
    sled_conf_set_timeout, sled_conf_set_quota, sled_conf_set_deliver,
    sled_conf_set_deliver_to;
sled_conf_setter sled_conf_set_every, sled_conf_set_windows,
    sled_conf_set_on_link, sled_conf_set_jitter;
sled_conf_setter sled_conf_set_link_hold, sled_conf_set_budget,
    sled_conf_set_cost, sled_conf_set_up_command, sled_conf_set_down_command;
sled_conf_setter sled_conf_set_accounts, sled_conf_set_visit, sled_conf_set_far,
    sled_conf_set_rate, sled_conf_set_rtt, sled_conf_set_window,
    sled_conf_set_up_timeout, sled_conf_set_down_timeout;

/* The section that is open. */
struct sled_conf_account *sled_conf_this_account(struct sled_conf_parse *p);
struct sled_conf_link *sled_conf_this_link(struct sled_conf_parse *p);

/* value.c: the next item of a list into ITEM, blanks trimmed; false after the
 * last. An empty item comes as "". */
#define SLED_CONF_ITEM (SLED_CONF_LINE_MAX + 1)
bool sled_conf_next_item(const char **rest, const char *separators,
                         char item[SLED_CONF_ITEM]);
/* Digits at *AT, moved behind them; false for none or too many. */
bool sled_conf_number(const char **at, uint64_t *out);
/* All of TEXT: a number and KiB, MiB or GiB; a number and s, m, h or d. */
bool sled_conf_size(const char *text, uint64_t *bytes);
bool sled_conf_time(const char *text, uint64_t *seconds);
/* A number and bit/s, kbit/s or Mbit/s; a number and ms or s. */
bool sled_conf_rate(const char *text, uint64_t *octets_s);
bool sled_conf_delay(const char *text, uint64_t *ms);
/* TEXT begins with "12.50 USD"; *TEXT is moved behind it. */
bool sled_conf_money(const char **text, uint64_t *millionths, char currency[4]);

/* value.c: the same for a key, with the message. */
SLED_CHECK bool sled_conf_want_size(struct sled_conf_parse *p, const char *key,
                                    const char *value, uint64_t *out);
SLED_CHECK bool sled_conf_want_time(struct sled_conf_parse *p, const char *key,
                                    const char *value, uint64_t *out);
SLED_CHECK bool sled_conf_want_word(struct sled_conf_parse *p, const char *key,
                                    const char *value, const char *const *words,
                                    size_t count, size_t *out);
SLED_CHECK bool sled_conf_want_yes_no(struct sled_conf_parse *p,
                                      const char *key, const char *value,
                                      bool *out);
SLED_CHECK bool sled_conf_want_path(struct sled_conf_parse *p, const char *key,
                                    const char *value, const char **out);
SLED_CHECK bool sled_conf_want_text(struct sled_conf_parse *p,
                                    const char *value, const char **out);
SLED_CHECK bool sled_conf_want_hold(struct sled_conf_parse *p, const char *key,
                                    const char *value,
                                    struct sled_conf_hold *out);

/* VALUE made printable and cut, for a message. */
struct sled_conf_shown {
	char text[SLED_CONF_SHOW];
};
struct sled_conf_shown sled_conf_show(const char *value);

#endif
