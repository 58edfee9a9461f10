/*
 * text.h - what comes from outside, made fit for a terminal, a file or JSON.
 *
 * Contract
 *   Each function adds to a buffer and fails only for want of memory.
 */
#ifndef MAILSLED_TEXT_H
#define MAILSLED_TEXT_H

#include "mailsled/buf.h"
#include "mailsled/err.h"
#include "mailsled/types.h"

/* For terminals and logs: printable UTF-8 stays; controls (C0, DEL, C1), bidi
 * and line separators, and bytes that are no UTF-8 become \xHH or \u{HHHH}. */
SLED_CHECK bool sled_text_printable(struct sled_buf *out, struct sled_span in,
                                    struct sled_err *err);
/* The same into a fixed array, cut with "..." when it does not fit. */
void sled_text_clip(char *out, size_t room, struct sled_span in);

/* Valid UTF-8: each byte that is none becomes U+FFFD. */
SLED_CHECK bool sled_text_utf8(struct sled_buf *out, struct sled_span in,
                               struct sled_err *err);

/* What stands for an octet that marks up in HTML and XML; NULL: itself. */
const char *sled_text_reference(char c);
/* For HTML and XML, between tags and in quoted attributes: what marks up becomes
 * a reference. Tab, LF and the joiners that emoji and Indic scripts are written
 * with stay; what else printable() escapes is escaped likewise, but that bytes
 * which are no UTF-8, and code points that XML forbids, become U+FFFD. */
SLED_CHECK bool sled_text_html(struct sled_buf *out, struct sled_span in,
                               struct sled_err *err);

/* Receipt fields: bytes outside 0x21-0x7E and '%' as %XX, empty as "-",
 * a lone "-" as %2D, so that one field is always one word. */
SLED_CHECK bool sled_text_percent(struct sled_buf *out, struct sled_span in,
                                  struct sled_err *err);
/* The way back; USAGE when IN is not of that form. */
SLED_CHECK bool sled_text_unpercent(struct sled_buf *out, struct sled_span in,
                                    struct sled_err *err);

/* Lower-case hex of LEN bytes, with a NUL: 2 * LEN + 1 bytes. */
void sled_text_hex(char *out, const uint8_t *in, size_t len);
/* Exactly 2 * LEN hex digits to LEN bytes. */
SLED_CHECK bool sled_text_unhex(uint8_t *out, const char *in, size_t len);

/* Standard base64 (RFC 4648), no line breaks. */
SLED_CHECK bool sled_text_base64(struct sled_buf *out, struct sled_span in,
                                 struct sled_err *err);

/* 'it'\''s' for the shell. */
SLED_CHECK bool sled_text_shell(struct sled_buf *out, const char *in,
                                struct sled_err *err);

/* Decimal digits only, the whole of IN, at most UINT64_MAX. */
SLED_CHECK bool sled_text_u64(struct sled_span in, uint64_t *out);

#endif
