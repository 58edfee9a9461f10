/*
 * json.h - one JSON object a line (RFC 8259), always valid UTF-8.
 *
 * Contract
 *   new, then a member a call in the order wanted, then print, which frees.
 *   Setters that run out of memory say so in print(): no call between needs a
 *   check. Keys are ASCII, static and each used once, but for add(). A byte that is no UTF-8
 *   becomes U+FFFD. Controls, DEL, C1 and what turns or breaks lines leave as
 *   \uXXXX, so that a line may be shown on a terminal.
 *   Errors: NOMEM; IO when the stream failed. What is read is as deep as jansson
 *   allows, 2,048.
 */
#ifndef MAILSLED_JSON_H
#define MAILSLED_JSON_H

#include <stdio.h>

#include "mailsled/buf.h"
#include "mailsled/err.h"
#include "mailsled/types.h"

struct sled_json; /* opaque */

SLED_CHECK bool sled_json_new(struct sled_json **out, struct sled_err *err);
void sled_json_free(struct sled_json **json);

/* TEXT NULL: null. */
void sled_json_text(struct sled_json *json, const char *key, const char *text);
void sled_json_span(struct sled_json *json, const char *key,
                    struct sled_span text);
void sled_json_i64(struct sled_json *json, const char *key, int64_t value);
/* Above INT64_MAX the number is written rounded, as a real one. */
void sled_json_u64(struct sled_json *json, const char *key, uint64_t value);
void sled_json_real(struct sled_json *json, const char *key, double value);
void sled_json_bool(struct sled_json *json, const char *key, bool value);
/* *CHILD is freed and NULL: it is the last of the objects in the array KEY,
 * which it makes when it is the first. CHILD NULL: the array as it is. */
void sled_json_add(struct sled_json *json, const char *key,
                   struct sled_json **child);
void sled_json_null(struct sled_json *json, const char *key);

/* The object and a LF, added to OUT; *json is freed and NULL whatever comes of
 * it. */
SLED_CHECK bool sled_json_line(struct sled_json **json, struct sled_buf *out,
                               struct sled_err *err);
/* The same to a stream. */
SLED_CHECK bool sled_json_print(struct sled_json **json, FILE *out,
                                struct sled_err *err);

/* One object that another mailsled printed; PROTO when it is none. */
SLED_CHECK bool sled_json_read(struct sled_json **out, struct sled_span line,
                               struct sled_err *err);
/* NULL when there is no such text; it lives as long as the object. */
const char *sled_json_get_text(const struct sled_json *json, const char *key);
/* False and 0 when there is no such whole number. */
bool sled_json_get_u64(const struct sled_json *json, const char *key,
                       uint64_t *out);

#endif
