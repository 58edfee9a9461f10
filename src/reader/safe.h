/*
 * safe.h - what the files of sled_html_safe() share; private to reader.
 *
 * Contract
 *   What is added to OUT is made anew, octet by octet, of what is known to be
 *   harmless; what is not is left out. Only memory fails.
 */
#ifndef READER_SAFE_H
#define READER_SAFE_H

#include "mailsled/reader.h"

/* Before each class and id of a message, so that none is one of ours. */
#define SLED_SAFE_PREFIX "m-"

/* ---- css.c ---- */

struct sled_css {
	unsigned loads; /* url()s that were left out */
	bool coloured;  /* a colour was set */
};

/* The declarations of a style="..." without what loads, moves or acts. Neither
 * of < > & " is in them. */
SLED_CHECK bool sled_css_style(struct sled_css *css, struct sled_span in,
                               struct sled_buf *out, struct sled_err *err);
/* The rules of a <style>, the same; no < is in them. */
SLED_CHECK bool sled_css_sheet(struct sled_css *css, struct sled_span in,
                               struct sled_buf *out, struct sled_err *err);

/* ---- url.c ---- */

/* A link's target, whole; nothing where it leads to no page and no mailbox. */
SLED_CHECK bool sled_url_link(struct sled_span in, struct sled_buf *out,
                              struct sled_err *err);
/* "data:" of a picture made of pixels; else nothing. */
SLED_CHECK bool sled_url_data(struct sled_span in, struct sled_buf *out,
                              struct sled_err *err);
/* The Content-ID of "cid:...", decoded; else nothing. */
SLED_CHECK bool sled_url_cid(struct sled_span in, struct sled_buf *out,
                             struct sled_err *err);
/* The host's name of a whole link; nothing when it has none. */
SLED_CHECK bool sled_url_host(struct sled_span url, struct sled_buf *out,
                              struct sled_err *err);
/* Does a browser take it for a script? */
bool sled_url_runs(struct sled_span in);

#endif
