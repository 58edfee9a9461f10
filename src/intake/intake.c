/*
 * intake.c - see mailsled/intake.h for the contract.
 *
 * A line of the header block is not known as a field before its colon: its
 * first octets wait in `start`. A CR waits in `held` until it is known whether
 * a LF follows. What is decided goes to the hash at once, so lines may be of
 * any length. Behind the header block only line ends are looked for.
 */
#include "mailsled/intake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/hash.h"

#define START_MAX 32 /* longer than every name that matters */

struct kept {
	bool done; /* the first such field has been seen */
	size_t len;
	char text[SLED_FIELD_MAX];
};

enum {
	FROM,
	SUBJECT,
	DATE,
	KEPT,
};

struct sled_intake {
	struct sled_sha256 *whole, *head;
	struct sled_bodyhash *body;
	uint64_t octets, lines, head_octets;
	bool in_head;
	bool after_cr; /* the octet before this one was a CR */
	/* The line at hand. */
	bool empty;   /* nothing of it has come yet */
	bool decided; /* its name is known */
	bool held;    /* a CR of it waits */
	bool dropped; /* its field is not hashed; holds for what continues it */
	int keep;     /* its field's place in kept, or KEPT; likewise */
	size_t start_len;
	char start[START_MAX];
	struct kept kept[KEPT];
};

bool
sled_intake_new(struct sled_intake **out, struct sled_err *err)
{
	struct sled_intake *intake = calloc(1, sizeof(*intake));

	*out = NULL;
	if (intake == NULL)
		return sled_fail_sys(err, ENOMEM, "intake");
	if (!sled_sha256_new(&intake->whole, err) ||
	    !sled_sha256_new(&intake->head, err) ||
	    !sled_bodyhash_new(&intake->body, err)) {
		sled_intake_free(&intake);
		return false;
	}
	sled_intake_begin(intake);
	*out = intake;
	return true;
}

void
sled_intake_free(struct sled_intake **intake)
{
	if (*intake == NULL)
		return;
	sled_sha256_free(&(*intake)->whole);
	sled_sha256_free(&(*intake)->head);
	sled_bodyhash_free(&(*intake)->body);
	free(*intake);
	*intake = NULL;
}

static void
begin_line(struct sled_intake *intake)
{
	intake->empty = true;
	intake->decided = false;
	intake->held = false;
	intake->start_len = 0;
}

void
sled_intake_begin(struct sled_intake *intake)
{
	/* A message that was given up half-way leaves its octets behind. */
	(void)sled_sha256_end(intake->whole);
	(void)sled_sha256_end(intake->head);
	sled_bodyhash_begin(intake->body);
	intake->octets = intake->lines = intake->head_octets = 0;
	intake->in_head = true;
	intake->after_cr = false;
	intake->dropped = false;
	intake->keep = KEPT;
	for (int i = 0; i < KEPT; i++) {
		intake->kept[i].done = false;
		intake->kept[i].len = 0;
	}
	begin_line(intake);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static unsigned
lower(char c)
{
	unsigned code = (unsigned char)c;

	return code >= 'A' && code <= 'Z' ? code - 'A' + 'a' : code;
}

/* NAME is in lower case; field names have no case. */
static bool
is_named(struct sled_span field, const char *name)
{
	if (strlen(name) != field.len)
		return false;
	for (size_t i = 0; i < field.len; i++)
		if (lower(field.data[i]) != (unsigned char)name[i])
			return false;
	return true;
}

static bool
is_rewritten(struct sled_span field)
{
	static const char *const names[] = {
		"status", "x-status",           "x-uid",  "x-keywords",
		"x-uidl", "x-imapbase",         "x-imap", "content-length",
		"lines",  "x-expire-timestamp",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (is_named(field, names[i]))
			return true;
	return false;
}

static int
place_of(struct sled_span field)
{
	static const char *const names[KEPT] = { "from", "subject", "date" };

	for (int i = 0; i < KEPT; i++)
		if (is_named(field, names[i]))
			return i;
	return KEPT;
}

static void
keep(struct sled_intake *intake, const char *data, size_t len)
{
	struct kept *kept;
	size_t room;

	if (intake->keep == KEPT)
		return;
	kept = &intake->kept[intake->keep];
	while (kept->len == 0 && len > 0 && is_blank(*data)) {
		data++;
		len--;
	}
	room = sizeof(kept->text) - kept->len;
	if (len > room)
		len = room;
	if (len > 0)
		memcpy(kept->text + kept->len, data, len);
	kept->len += len;
}

static void
hash_head(struct sled_intake *intake, const char *data, size_t len)
{
	if (intake->dropped)
		return;
	sled_sha256_add(intake->head, data, len);
	intake->head_octets += len;
}

/* The line begins with NAME_LEN octets of a name, or it is no field (0). */
static void
decide(struct sled_intake *intake, size_t name_len)
{
	struct sled_span name = { intake->start, name_len };

	while (name.len > 0 && is_blank(name.data[name.len - 1]))
		name.len--; /* RFC 5322 section 4.5: "Status :" was allowed */
	intake->decided = true;
	intake->dropped = is_rewritten(name);
	intake->keep = place_of(name);
	if (intake->keep != KEPT && intake->kept[intake->keep].done)
		intake->keep = KEPT;
	if (intake->keep != KEPT)
		intake->kept[intake->keep].done = true;
	hash_head(intake, intake->start, intake->start_len);
}

/* Gather the start of a line until its name is known; how many of LEN octets
 * went there. */
static size_t
gather(struct sled_intake *intake, const char *data, size_t len)
{
	size_t used = 0;

	while (used < len && !intake->decided) {
		char c = data[used++];

		intake->start[intake->start_len++] = c;
		if (c == ':')
			decide(intake, intake->start_len - 1);
		else if (intake->start_len == START_MAX)
			decide(intake, 0);
	}
	return used;
}

/* Octets of a header line without its end; LEN is not 0. */
static void
line_octets(struct sled_intake *intake, const char *data, size_t len)
{
	size_t used;

	if (intake->empty && is_blank(*data))
		intake->decided = true; /* it continues the field before */
	intake->empty = false;
	used = gather(intake, data, len);
	if (used == len)
		return;
	hash_head(intake, data + used, len - used);
	keep(intake, data + used, len - used);
}

static void
end_line(struct sled_intake *intake)
{
	if (intake->empty) {
		intake->in_head = false;
		return;
	}
	if (!intake->decided)
		decide(intake, 0);
	hash_head(intake, "\r\n", 2);
	begin_line(intake);
}

/* Octets up to a LF, which ENDED says is there, or up to the end of a chunk. */
static void
head_octets(struct sled_intake *intake, const char *data, size_t len,
            bool ended)
{
	bool cr = len > 0 && data[len - 1] == '\r';

	if (intake->held && len > 0) {
		line_octets(intake, "\r", 1);
		intake->held = false;
	}
	if (len > (cr ? 1 : 0))
		line_octets(intake, data, len - (cr ? 1 : 0));
	if (cr)
		intake->held = true;
	if (ended) {
		intake->held = false;
		end_line(intake);
	}
}

bool
sled_intake_feed(struct sled_intake *intake, struct sled_span bytes,
                 struct sled_err *err)
{
	(void)err;
	if (bytes.len == 0)
		return true;
	sled_sha256_add(intake->whole, bytes.data, bytes.len);
	sled_bodyhash_feed(intake->body, bytes);
	intake->octets += bytes.len;
	while (bytes.len > 0) {
		const char *lf = memchr(bytes.data, '\n', bytes.len);
		size_t len = lf == NULL ? bytes.len : (size_t)(lf - bytes.data);

		if (intake->in_head)
			head_octets(intake, bytes.data, len, lf != NULL);
		if (len > 0)
			intake->after_cr = bytes.data[len - 1] == '\r';
		if (lf == NULL)
			return true;
		intake->lines += intake->after_cr ? 1 : 0;
		intake->after_cr = false;
		bytes.data += len + 1;
		bytes.len -= len + 1;
	}
	return true;
}

static struct sled_span
value_of(const struct sled_intake *intake, int place)
{
	const struct kept *kept = &intake->kept[place];
	struct sled_span value = { kept->text, kept->len };

	while (value.len > 0 && is_blank(value.data[value.len - 1]))
		value.len--;
	return value;
}

struct sled_digest
sled_intake_end(struct sled_intake *intake)
{
	/* A header block may end with the message, without a line end. */
	if (intake->in_head && intake->held)
		line_octets(intake, "\r", 1);
	if (intake->in_head && !intake->empty)
		end_line(intake);
	intake->in_head = false;
	return (struct sled_digest){
		.sha256 = sled_sha256_end(intake->whole),
		.head_sha256 = sled_sha256_end(intake->head),
		.octets = intake->octets,
		.lines = intake->lines,
		.head_octets = intake->head_octets,
		.from = value_of(intake, FROM),
		.subject = value_of(intake, SUBJECT),
		.date = value_of(intake, DATE),
		.body = sled_bodyhash_end(intake->body),
	};
}
