/* letter.c - a message and its parts, by GMime; see mailsled/reader.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mailsled/text.h"
#include "reader/internal.h"

#define SMALL_MOST  (1u << 20)
#define PARTS_MOST  2000 /* of one message; more are a mistake or a trap */
#define PLAIN_LEAST 256  /* octets; less may only tell of another form */
#define DEPTH_MOST  100  /* parts inside parts */

bool
sled_letter_new(struct sled_letter **out, int dir, struct sled_err *err)
{
	struct sled_letter *letter = calloc(1, sizeof(*letter));

	*out = letter;
	if (letter == NULL)
		return sled_fail_sys(err, ENOMEM, "message");
	sled_gmime_begin();
	letter->dir = dir;
	letter->fd = -1;
	letter->parts = g_ptr_array_new();
	letter->names = g_ptr_array_new_with_free_func(g_free);
	letter->types = g_ptr_array_new_with_free_func(g_free);
	letter->attached = g_array_new(FALSE, FALSE, sizeof(gboolean));
	return true;
}

void
sled_letter_free(struct sled_letter **freeing)
{
	struct sled_letter *letter = *freeing;

	*freeing = NULL;
	if (letter == NULL)
		return;
	if (letter->message != NULL)
		g_object_unref(letter->message);
	g_ptr_array_free(letter->parts, TRUE);
	g_ptr_array_free(letter->names, TRUE);
	g_ptr_array_free(letter->types, TRUE);
	g_array_free(letter->attached, TRUE);
	if (letter->fd != -1)
		(void)close(letter->fd);
	sled_buf_free(&letter->small);
	free(letter);
}

/* ---- its bytes ---- */

static bool
write_all(int fd, const char *data, size_t len, struct sled_err *err)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n == -1 && errno != EINTR)
			return sled_fail_sys(err, errno,
			                     "keep a large message");
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return true;
}

/* A file without a name goes with this process. */
static bool
move_to_file(struct sled_letter *letter, struct sled_err *err)
{
	if (letter->dir != -1)
		letter->fd = openat(letter->dir, ".",
		                    O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (letter->fd == -1)
		letter->fd = memfd_create("mailsled", MFD_CLOEXEC);
	if (letter->fd == -1)
		return sled_fail_sys(err, errno, "keep a large message");
	if (!write_all(letter->fd, letter->small.data, letter->small.len, err))
		return false;
	sled_buf_free(&letter->small);
	return true;
}

bool
sled_letter_add(struct sled_letter *letter, const void *data, size_t len,
                struct sled_err *err)
{
	letter->octets += len;
	if (letter->fd == -1 && letter->small.len + len <= SMALL_MOST)
		return sled_buf_add(&letter->small, data, len, err);
	return (letter->fd != -1 || move_to_file(letter, err)) &&
	       write_all(letter->fd, data, len, err);
}

static bool
begin(void *ctx, uint64_t number, uint64_t octets, struct sled_err *err)
{
	struct sled_letter *letter = ctx;

	(void)number;
	(void)octets;
	(void)err;
	if (letter->fd != -1)
		(void)close(letter->fd);
	letter->fd = -1;
	letter->small.len = 0;
	letter->octets = 0;
	return true;
}

static bool
take_bytes(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	return sled_letter_add(ctx, data, len, err);
}

bool
sled_letter_read(struct sled_letter *letter, struct sled_store *store,
                 const struct sled_message *message, struct sled_err *err)
{
	const struct sled_member_reader reader = { letter, begin, take_bytes };

	return sled_store_read(store, message, &reader, err);
}

GMimeStream *
sled_letter_stream(const struct sled_letter *letter, struct sled_err *err)
{
	GByteArray *bytes;
	int fd;

	if (letter->fd == -1) {
		bytes = g_byte_array_new();
		g_byte_array_append(bytes,
		                    (const guint8 *)(letter->small.data == NULL
		                                         ? ""
		                                         : letter->small.data),
		                    (guint)letter->small.len);
		return g_mime_stream_mem_new_with_byte_array(bytes);
	}
	fd = fcntl(letter->fd, F_DUPFD_CLOEXEC, 3);
	if (fd == -1) {
		(void)sled_fail_sys(err, errno, "read a large message");
		return NULL;
	}
	(void)lseek(fd, 0, SEEK_SET);
	return g_mime_stream_fs_new_with_bounds(fd, 0, (gint64)letter->octets);
}

/* ---- its parts ---- */

static gboolean
is_attached(GMimeObject *part, const char *name)
{
	GMimeContentDisposition *how =
	    g_mime_object_get_content_disposition(part);
	GMimeContentType *type = g_mime_object_get_content_type(part);
	bool text = g_mime_content_type_is_type(type, "text", "plain") ||
	            g_mime_content_type_is_type(type, "text", "html");

	if (how != NULL && g_mime_content_disposition_is_attachment(how))
		return TRUE;
	if (text)
		return *name != '\0' && how == NULL ? TRUE : FALSE;
	/* Pictures that HTML refers to are part of it. */
	return how == NULL || *name != '\0' ||
	       g_mime_object_get_content_id(part) == NULL;
}

static void
note_part(struct sled_letter *letter, GMimeObject *part)
{
	GMimeContentType *type = g_mime_object_get_content_type(part);
	const char *name = NULL;
	char *kept;
	gboolean attached;

	if (letter->parts->len >= PARTS_MOST) {
		letter->cut = true;
		return;
	}
	if (GMIME_IS_PART(part))
		name = g_mime_part_get_filename(GMIME_PART(part));
	kept = g_utf8_make_valid(name == NULL ? "" : name, -1);
	attached = is_attached(part, kept);
	g_ptr_array_add(letter->parts, part);
	g_ptr_array_add(letter->names, kept);
	g_ptr_array_add(letter->types, g_mime_content_type_get_mime_type(type));
	g_array_append_val(letter->attached, attached);
}

enum shape {
	MANY,   /* multipart/... */
	NESTED, /* message/rfc822 */
	LEAF,
	OTHER,
};

static bool
is_a(GMimeObject *at, GType type)
{
	return g_type_check_instance_is_a((GTypeInstance *)at, type) != FALSE;
}

static enum shape
shape_of(GMimeObject *at)
{
	if (at == NULL)
		return OTHER;
	if (is_a(at, GMIME_TYPE_MULTIPART))
		return MANY;
	if (is_a(at, GMIME_TYPE_MESSAGE_PART))
		return NESTED;
	return is_a(at, GMIME_TYPE_PART) ? LEAF : OTHER;
}

static GMimeObject *
inner_of(GMimeObject *at)
{
	GMimeMessage *inner =
	    g_mime_message_part_get_message((GMimeMessagePart *)at);

	return inner == NULL ? NULL : g_mime_message_get_mime_part(inner);
}

/* NOLINTBEGIN(misc-no-recursion): parts inside parts, DEPTH_MOST deep */
static void
note_parts(struct sled_letter *letter, GMimeObject *at, int depth)
{
	enum shape shape = depth > DEPTH_MOST ? OTHER : shape_of(at);
	int count;

	if (shape == LEAF)
		note_part(letter, at);
	if (shape == NESTED)
		note_parts(letter, inner_of(at), depth + 1);
	if (shape != MANY)
		return;
	count = g_mime_multipart_get_count((GMimeMultipart *)at);
	for (int i = 0; i < count; i++)
		note_parts(letter,
		           g_mime_multipart_get_part((GMimeMultipart *)at, i),
		           depth + 1);
}

/* NOLINTEND(misc-no-recursion) */

bool
sled_letter_parse(struct sled_letter *letter, struct sled_err *err)
{
	GMimeStream *stream = sled_letter_stream(letter, err);
	GMimeParser *parser;

	if (stream == NULL)
		return false;
	stream = sled_ration_new(stream);
	parser = g_mime_parser_new_with_stream(stream);
	g_mime_parser_set_persist_stream(parser, TRUE);
	letter->message =
	    g_mime_parser_construct_message(parser, sled_gmime_options());
	letter->cut = sled_ration_cut(stream);
	g_object_unref(parser);
	g_object_unref(stream);
	if (letter->message != NULL)
		note_parts(letter,
		           g_mime_message_get_mime_part(letter->message), 0);
	return true;
}

bool
sled_letter_cut(const struct sled_letter *letter)
{
	return letter->cut;
}

size_t
sled_letter_parts(const struct sled_letter *letter)
{
	return letter->parts->len;
}

void
sled_letter_part(const struct sled_letter *letter, size_t i,
                 struct sled_letter_part *out)
{
	GMimeDataWrapper *content =
	    g_mime_part_get_content(g_ptr_array_index(letter->parts, (guint)i));
	GMimeStream *stream =
	    content == NULL ? NULL : g_mime_data_wrapper_get_stream(content);
	gint64 octets = stream == NULL ? 0 : g_mime_stream_length(stream);
	const char *cid = g_mime_object_get_content_id(
	    g_ptr_array_index(letter->parts, (guint)i));

	if (octets > 0 && g_mime_data_wrapper_get_encoding(content) ==
	                      GMIME_CONTENT_ENCODING_BASE64)
		octets = octets / 78 * 57 + octets % 78 * 3 / 4;
	out->type = g_ptr_array_index(letter->types, (guint)i);
	out->name = g_ptr_array_index(letter->names, (guint)i);
	out->cid = cid == NULL ? "" : cid;
	out->attached = g_array_index(letter->attached, gboolean, (guint)i);
	out->octets = octets < 0 ? 0 : (uint64_t)octets;
}

/* The part's content, its transfer encoding taken off. */
static GMimeStream *
open_content(GMimePart *part)
{
	GMimeDataWrapper *content = g_mime_part_get_content(part);
	GMimeStream *below, *stream;
	GMimeContentEncoding encoding;
	GMimeFilter *filter;

	if (content == NULL)
		return NULL;
	below = g_mime_data_wrapper_get_stream(content);
	if (below == NULL)
		return NULL;
	(void)g_mime_stream_reset(below);
	stream = g_mime_stream_filter_new(below);
	encoding = g_mime_data_wrapper_get_encoding(content);
	if (encoding == GMIME_CONTENT_ENCODING_BASE64 ||
	    encoding == GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE ||
	    encoding == GMIME_CONTENT_ENCODING_UUENCODE) {
		filter = g_mime_filter_basic_new(encoding, FALSE);
		(void)g_mime_stream_filter_add(GMIME_STREAM_FILTER(stream),
		                               filter);
		g_object_unref(filter);
	}
	return stream;
}

bool
sled_letter_save(const struct sled_letter *letter, size_t i,
                 sled_bytes_fn *each, void *ctx, struct sled_err *err)
{
	GMimeStream *stream =
	    open_content(g_ptr_array_index(letter->parts, (guint)i));
	char piece[16384];
	bool ok = true;

	while (ok && stream != NULL) {
		ssize_t got = g_mime_stream_read(stream, piece, sizeof(piece));

		if (got <= 0)
			break;
		ok = each(ctx, piece, (size_t)got, err);
	}
	if (stream != NULL)
		g_object_unref(stream);
	return ok;
}

/* ---- its header ---- */

bool
sled_letter_field(const struct sled_letter *letter, const char *name,
                  struct sled_buf *out, bool *there, struct sled_err *err)
{
	GMimeHeaderList *list;
	GMimeHeader *header = NULL;
	const char *raw;

	*there = false;
	if (letter->message != NULL) {
		list = g_mime_object_get_header_list(
		    GMIME_OBJECT(letter->message));
		header = g_mime_header_list_get_header(list, name);
	}
	if (header == NULL)
		return sled_buf_reserve(out, 1, err);
	*there = true;
	raw = g_mime_header_get_raw_value(header);
	while (raw != NULL && *raw != '\0') {
		size_t len = strcspn(raw, "\r\n");

		if (!sled_buf_add(out, raw, len, err))
			return false;
		raw += len + strspn(raw + len, "\r\n");
	}
	return sled_buf_reserve(out, 1, err);
}

static bool
give_references(const struct sled_letter *letter, const char *field,
                sled_mark_fn *each, void *ctx, struct sled_err *err)
{
	struct sled_buf raw = { 0 };
	GMimeReferences *list;
	bool there = false, ok;

	ok = sled_letter_field(letter, field, &raw, &there, err);
	if (ok && there) {
		list = g_mime_references_parse(sled_gmime_options(), raw.data);
		for (int i = 0; ok && i < g_mime_references_length(list); i++)
			ok =
			    each(ctx, g_mime_references_get_message_id(list, i),
			         err);
		g_mime_references_free(list);
	}
	sled_buf_free(&raw);
	return ok;
}

bool
sled_letter_marks(const struct sled_letter *letter, sled_mark_fn *each,
                  void *ctx, struct sled_err *err)
{
	const char *own = letter->message == NULL
	                      ? NULL
	                      : g_mime_message_get_message_id(letter->message);

	return each(ctx, own == NULL ? "" : own, err) &&
	       give_references(letter, "References", each, ctx, err) &&
	       give_references(letter, "In-Reply-To", each, ctx, err);
}

/* ---- its text ---- */

struct reading {
	struct sled_letter_text *want;
	struct sled_buf *out;
	size_t end; /* of out, at most */
	struct sled_err *err;
};

struct gathered {
	struct sled_buf bytes;
	size_t max;
	bool cut;
};

static bool
gather(GMimePart *part, struct gathered *all, struct sled_err *err)
{
	GMimeStream *stream = open_content(part);
	char piece[16384];
	bool ok = true;

	while (ok && stream != NULL && !all->cut) {
		ssize_t got = g_mime_stream_read(stream, piece, sizeof(piece));

		if (got <= 0)
			break;
		all->cut = (size_t)got > all->max - all->bytes.len;
		if (all->cut)
			got = (ssize_t)(all->max - all->bytes.len);
		ok = sled_buf_add(&all->bytes, piece, (size_t)got, err);
	}
	if (stream != NULL)
		g_object_unref(stream);
	return ok && sled_buf_reserve(&all->bytes, 1, err);
}

/* What tells the order of octets is none of the text. */
static void
drop_order_mark(struct sled_buf *text)
{
	static const char mark[] = "\xef\xbb\xbf";

	if (text->len >= 3 && memcmp(text->data, mark, 3) == 0)
		sled_buf_shift(text, 3);
}

/* LF for CRLF; a CR alone too was meant to end a line. */
static void
drop_carriage(struct sled_buf *text)
{
	size_t to = 0;

	for (size_t i = 0; i < text->len; i++)
		if (text->data[i] != '\r')
			text->data[to++] = text->data[i];
		else if (i + 1 == text->len || text->data[i + 1] != '\n')
			text->data[to++] = '\n';
	text->len = to;
	if (text->data != NULL)
		text->data[to] = '\0';
}

static bool
add_end(struct reading *r)
{
	return r->out->len == 0 || r->out->data[r->out->len - 1] == '\n' ||
	       sled_buf_add(r->out, "\n", 1, r->err);
}

static bool
add_plain(struct reading *r, GMimeContentType *type, struct sled_buf *text)
{
	const char *format = g_mime_content_type_get_parameter(type, "format");
	const char *delsp = g_mime_content_type_get_parameter(type, "delsp");

	drop_carriage(text);
	if (format != NULL && strcasecmp(format, "flowed") == 0)
		return sled_flowed_join(
		    r->out, sled_buf_span(text),
		    delsp != NULL && strcasecmp(delsp, "yes") == 0, r->err);
	return sled_buf_add(r->out, text->data, text->len, r->err) &&
	       add_end(r);
}

static bool
add_html(struct reading *r, struct sled_span text)
{
	const struct sled_html_want want = {
		.links = r->want->form == SLED_LETTER_READ, .end = r->end
	};

	return sled_html_text(r->out, text, &want, r->err);
}

static bool
add_leaf(struct reading *r, GMimePart *part)
{
	GMimeContentType *type =
	    g_mime_object_get_content_type(GMIME_OBJECT(part));
	bool html = g_mime_content_type_is_type(type, "text", "html");
	struct gathered all = { .max = r->want->max };
	struct sled_buf text = { 0 };
	bool ok;

	if (r->out->len >= r->end) {
		r->want->cut = true;
		return true;
	}
	ok = gather(part, &all, r->err) &&
	     sled_charset_utf8(
		 &text, sled_buf_span(&all.bytes),
		 g_mime_content_type_get_parameter(type, "charset"), r->err);
	r->want->cut = r->want->cut || all.cut;
	drop_order_mark(&text);
	if (ok && r->want->form == SLED_LETTER_HTML)
		ok = sled_buf_add(r->out, text.data, text.len, r->err);
	else if (ok && html)
		ok = add_html(r, sled_buf_span(&text));
	else if (ok)
		ok = add_plain(r, type, &text);
	sled_buf_free(&all.bytes);
	sled_buf_free(&text);
	return ok;
}

/* NOLINTBEGIN(misc-no-recursion): parts inside parts, DEPTH_MOST deep */
static bool add_object(struct reading *r, GMimeObject *at, int depth);

/* Text to be read here; alone in its message, whatever kind of text it is. */
static bool
is_wanted(const struct reading *r, GMimeObject *part, int depth)
{
	GMimeContentType *type = g_mime_object_get_content_type(part);
	const char *name = g_mime_part_get_filename(GMIME_PART(part));

	if (g_mime_content_type_is_type(type, "text", "html"))
		return !is_attached(part, name == NULL ? "" : name);
	if (r->want->form == SLED_LETTER_HTML)
		return false;
	if (depth == 0)
		return g_mime_content_type_is_type(type, "text", "*");
	return g_mime_content_type_is_type(type, "text", "plain") &&
	       !is_attached(part, name == NULL ? "" : name);
}

static bool
is_plain(GMimeObject *part)
{
	return g_mime_content_type_is_type(g_mime_object_get_content_type(part),
	                                   "text", "plain");
}

static bool
is_blank(const struct sled_buf *text, size_t from)
{
	return text->data == NULL ||
	       strspn(text->data + from, " \t\r\n") == text->len - from;
}

/* The best of the forms but for plain text: the last one with any text. */
static bool
add_richest(struct reading *r, GMimeMultipart *all, int depth)
{
	size_t from = r->out->len;

	for (int i = g_mime_multipart_get_count(all) - 1; i >= 0; i--) {
		GMimeObject *part = g_mime_multipart_get_part(all, i);

		if (!is_plain(part) && !add_object(r, part, depth + 1))
			return false;
		if (!is_blank(r->out, from))
			return true;
		r->out->len = from;
	}
	return true;
}

/* Plain text, unless another form says much more. */
static bool
add_alternative(struct reading *r, GMimeMultipart *all, int depth)
{
	int count = g_mime_multipart_get_count(all);
	size_t from = r->out->len, middle, least;

	for (int i = 0; i < count && r->out->len == from; i++) {
		GMimeObject *part = g_mime_multipart_get_part(all, i);

		if (is_plain(part) && !add_object(r, part, depth + 1))
			return false;
	}
	middle = r->out->len;
	least = is_blank(r->out, from) ? 0 : 4 * (middle - from);
	if (middle - from >= PLAIN_LEAST && least > 0)
		return true;
	if (!add_richest(r, all, depth))
		return false;
	/* Text that only says that there is another form says nothing. */
	if (r->out->len - middle <= least) {
		r->out->len = middle;
		return true;
	}
	memmove(r->out->data + from, r->out->data + middle,
	        r->out->len - middle);
	r->out->len -= middle - from;
	return true;
}

static bool
add_multipart(struct reading *r, GMimeMultipart *all, int depth)
{
	GMimeContentType *type =
	    g_mime_object_get_content_type(GMIME_OBJECT(all));
	int count = g_mime_multipart_get_count(all);

	if (g_mime_content_type_is_type(type, "multipart", "alternative"))
		return add_alternative(r, all, depth);
	for (int i = 0; i < count; i++) {
		size_t before = r->out->len;

		if (before > 0 && !sled_buf_add(r->out, "\n", 1, r->err))
			return false;
		if (!add_object(r, g_mime_multipart_get_part(all, i),
		                depth + 1))
			return false;
		if (before > 0 && r->out->len == before + 1)
			r->out->len = before; /* it had no text */
	}
	return true;
}

static bool
add_inner_field(struct reading *r, GMimeMessage *inner, const char *name)
{
	GMimeHeader *header = g_mime_header_list_get_header(
	    g_mime_object_get_header_list(GMIME_OBJECT(inner)), name);
	struct sled_buf text = { 0 };
	const char *raw;
	bool ok;

	if (header == NULL)
		return true;
	raw = g_mime_header_get_raw_value(header);
	ok = sled_words_text(&text, (struct sled_span){ raw, strlen(raw) },
	                     r->err) &&
	     sled_buf_printf(r->out, r->err, "%s: %s\n", name, text.data);
	sled_buf_free(&text);
	return ok;
}

/* A message in the message: forwarded, or returned. */
static bool
add_message(struct reading *r, GMimeMessagePart *part, int depth)
{
	static const char *const names[] = { "From", "Date", "Subject" };
	GMimeMessage *inner = g_mime_message_part_get_message(part);

	if (inner == NULL || r->want->form == SLED_LETTER_HTML)
		return true;
	for (size_t i = 0; i < 3; i++)
		if (!add_inner_field(r, inner, names[i]))
			return false;
	return sled_buf_add(r->out, "\n", 1, r->err) &&
	       add_object(r, g_mime_message_get_mime_part(inner), depth + 1);
}

static bool
add_object(struct reading *r, GMimeObject *at, int depth)
{
	switch (depth > DEPTH_MOST ? OTHER : shape_of(at)) {
	case MANY:
		return add_multipart(r, (GMimeMultipart *)at, depth);
	case NESTED:
		return add_message(r, (GMimeMessagePart *)at, depth);
	case LEAF:
		return !is_wanted(r, at, depth) || add_leaf(r, (GMimePart *)at);
	case OTHER:
		break;
	}
	return true;
}

/* NOLINTEND(misc-no-recursion) */

/* Octets that GMime makes no message of: text, for want of anything better. */
static bool
add_bytes(struct reading *r, const struct sled_letter *letter)
{
	struct sled_buf text = { 0 };
	struct sled_span bytes = sled_buf_span(&letter->small);
	bool ok;

	if (r->want->form == SLED_LETTER_HTML)
		return true;
	ok = sled_charset_utf8(&text, bytes, NULL, r->err);
	if (ok)
		drop_carriage(&text);
	ok = ok && sled_buf_add(r->out, text.data, text.len, r->err) &&
	     add_end(r);
	sled_buf_free(&text);
	return ok;
}

bool
sled_letter_text(const struct sled_letter *letter,
                 struct sled_letter_text *want, struct sled_buf *out,
                 struct sled_err *err)
{
	struct reading r = { want, out, out->len + want->max, err };
	bool ok;

	want->cut = letter->cut;
	ok = letter->message == NULL
	         ? add_bytes(&r, letter)
	         : add_object(&r, g_mime_message_get_mime_part(letter->message),
	                      0);
	if (!ok || !sled_buf_reserve(out, 1, err))
		return false;
	if (out->len > r.end) {
		want->cut = true;
		while (r.end > 0 &&
		       ((unsigned char)out->data[r.end] & 0xc0) == 0x80)
			r.end--;
		out->len = r.end;
	}
	out->data[out->len] = '\0';
	return true;
}
