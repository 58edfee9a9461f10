/* read_safe.c - a message's HTML as a page that any browser may open: harmless,
 * and whole, its own pictures in it. */
#include <string.h>
#include <strings.h>

#include "cli/read.h"
#include "mailsled/text.h"

#define PICTURE_MOST  (4u << 20) /* octets of one */
#define PICTURES_MOST (16u << 20)
#define WORK_MOST     (64u << 20) /* octets that are decoded for them */
#define LOOK          64 /* what a look at a part counts for, of these */

struct pictures {
	const struct sled_letter *letter;
	size_t room;   /* octets that they may still have */
	uint64_t work; /* octets that may still be decoded */
};

/* A page may name one picture a hundred thousand times, and it may be one that
 * is too large. */
static bool
spend(struct pictures *pictures, uint64_t octets)
{
	bool enough = pictures->work >= octets;

	pictures->work = enough ? pictures->work - octets : 0;
	return enough;
}

static bool
is_picture(const char *type)
{
	static const char *const known[] = { "image/png", "image/jpeg",
		                             "image/gif", "image/webp" };

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strcasecmp(type, known[i]) == 0)
			return true;
	return false;
}

struct gathering {
	struct sled_buf bytes;
	size_t most;
	bool over;
};

static bool
gather(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	struct gathering *g = ctx;

	g->over = g->over || len > g->most - g->bytes.len;
	return g->over || sled_buf_add(&g->bytes, data, len, err);
}

static bool
add_picture(struct pictures *pictures, size_t i, const char *type,
            struct sled_buf *url, struct sled_err *err)
{
	struct gathering g = { .most = pictures->room < PICTURE_MOST
		                           ? pictures->room
		                           : PICTURE_MOST };
	bool ok = sled_letter_save(pictures->letter, i, gather, &g, err);

	if (ok && !g.over) {
		pictures->room -= g.bytes.len;
		ok = sled_buf_printf(url, err, "data:%s;base64,", type) &&
		     sled_text_base64(url, sled_buf_span(&g.bytes), err);
	}
	sled_buf_free(&g.bytes);
	return ok;
}

/* It stands in the page itself, which then needs nobody: a file by itself, or a
 * frame that has no cookie to ask by. */
static bool
find_picture(void *ctx, const char *cid, struct sled_buf *url,
             struct sled_err *err)
{
	struct pictures *pictures = ctx;

	for (size_t i = 0;
	     i < sled_letter_parts(pictures->letter) && spend(pictures, LOOK);
	     i++) {
		struct sled_letter_part part;

		sled_letter_part(pictures->letter, i, &part);
		if (*part.cid != '\0' && strcmp(part.cid, cid) == 0 &&
		    is_picture(part.type))
			return !spend(pictures, part.octets) ||
			       add_picture(pictures, i, part.type, url, err);
	}
	return true;
}

bool
sled_cli_read_safe(const struct sled_letter *letter, struct sled_span html,
                   struct sled_buf *out, struct sled_html_safe *how,
                   struct sled_err *err)
{
	struct pictures pictures = { letter, PICTURES_MOST, WORK_MOST };

	*how = (struct sled_html_safe){ .picture = find_picture,
		                        .ctx = &pictures };
	return sled_html_safe(out, html, how, err);
}
