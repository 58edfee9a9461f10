/* flowed.c - paragraphs that were broken for old terminals (RFC 3676). */
#include <string.h>

#include "reader/internal.h"

/* A line taken apart: quote marks, then text without its stuffed blank. */
struct line {
	size_t depth;
	struct sled_span text;
	bool soft; /* the next line of the same depth goes on with it */
};

static struct line
read_line(struct sled_span *in, bool delsp)
{
	const char *lf = memchr(in->data, '\n', in->len);
	size_t len = lf == NULL ? in->len : (size_t)(lf - in->data);
	struct line line = { 0, { in->data, len }, false };

	in->data += len + (lf != NULL);
	in->len -= len + (lf != NULL);
	if (line.text.len > 0 && line.text.data[line.text.len - 1] == '\r')
		line.text.len--;
	while (line.text.len > 0 && *line.text.data == '>') {
		line.depth++;
		line.text.data++;
		line.text.len--;
	}
	if (line.text.len > 0 && *line.text.data == ' ') {
		line.text.data++;
		line.text.len--;
	}
	/* "-- " is the mark of a signature (section 4.3), not a soft end. */
	line.soft =
	    line.text.len > 0 && line.text.data[line.text.len - 1] == ' ' &&
	    !(line.text.len == 3 && memcmp(line.text.data, "-- ", 3) == 0);
	if (line.soft && delsp)
		line.text.len--;
	return line;
}

static bool
add_quotes(struct sled_buf *out, size_t depth, struct sled_err *err)
{
	for (size_t i = 0; i < depth; i++)
		if (!sled_buf_add(out, ">", 1, err))
			return false;
	return depth == 0 || sled_buf_add(out, " ", 1, err);
}

bool
sled_flowed_join(struct sled_buf *out, struct sled_span in, bool delsp,
                 struct sled_err *err)
{
	struct line before = { 0 };
	bool first = true;

	while (in.len > 0) {
		struct line line = read_line(&in, delsp);
		bool sign =
		    line.text.len == 3 && memcmp(line.text.data, "-- ", 3) == 0;

		if (first || !before.soft || before.depth != line.depth || sign)
			if ((!first && !sled_buf_add(out, "\n", 1, err)) ||
			    !add_quotes(out, line.depth, err))
				return false;
		if (!sled_buf_add(out, line.text.data, line.text.len, err))
			return false;
		before = line;
		first = false;
	}
	return first || sled_buf_add(out, "\n", 1, err);
}
