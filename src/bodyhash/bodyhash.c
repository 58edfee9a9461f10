/* bodyhash.c - see mailsled/bodyhash.h for the contract: finds the fields in
 * the header block, and has the body hashed as they ask for. */
#include "mailsled/bodyhash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bodyhash/parts.h"

static const char field_name[] = "dkim-signature";

#define NAME_LEN (sizeof(field_name) - 1)

struct sled_bodyhash {
	enum {
		AT_NAME,  /* .matched octets are those of the field's name */
		IN_VALUE, /* of such a field */
		IN_OTHER,
		IN_BODY,
	} at;

	/* The header line at hand. */
	uint64_t octets;
	char first;
	size_t matched;
	/* The field at hand, which the next line may continue. */
	bool gathers;
	bool too_long;
	size_t field_len;
	char field[SLED_BODYHASH_FIELD];
	struct sled_signature list[SLED_BODYHASH_MAX];
	size_t len;
	struct sled_canon canons[SLED_CANON_FORMS];
};

bool
sled_bodyhash_new(struct sled_bodyhash **out, struct sled_err *err)
{
	struct sled_bodyhash *body = calloc(1, sizeof(*body));

	*out = body;
	if (body == NULL)
		return sled_fail_sys(err, ENOMEM, "body hash");
	body->canons[SLED_CANON_RELAXED].form = SLED_CANON_RELAXED;
	sled_bodyhash_begin(body);
	return true;
}

void
sled_bodyhash_free(struct sled_bodyhash **body)
{
	if (*body == NULL)
		return;
	for (int i = 0; i < SLED_CANON_FORMS; i++)
		sled_canon_free(&(*body)->canons[i]);
	free(*body);
	*body = NULL;
}

void
sled_bodyhash_begin(struct sled_bodyhash *body)
{
	body->at = IN_OTHER;
	body->octets = 0;
	body->gathers = false;
	body->len = 0;
	for (int i = 0; i < SLED_CANON_FORMS; i++)
		sled_canon_begin(&body->canons[i]);
}

/* ---- the header block ---- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static char
lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

static void
end_field(struct sled_bodyhash *body)
{
	struct sled_span value = { body->field, body->field_len };

	if (!body->gathers)
		return;
	body->gathers = false;
	if (body->too_long)
		body->list[body->len] = (struct sled_signature){ 0 };
	else
		sled_signature_read(&body->list[body->len], value);
	body->len++;
}

static void
begin_line(struct sled_bodyhash *body, char first)
{
	body->first = first;
	if (is_blank(first)) {
		body->at = body->gathers ? IN_VALUE : IN_OTHER;
		return;
	}
	end_field(body);
	body->matched = 0;
	body->at = body->len < SLED_BODYHASH_MAX ? AT_NAME : IN_OTHER;
}

/* How many of LEN octets were looked at for the name. */
static size_t
match_name(struct sled_bodyhash *body, const char *data, size_t len)
{
	size_t used = 0;

	while (used < len && body->at == AT_NAME) {
		char c = data[used++];

		if (body->matched < NAME_LEN &&
		    lower(c) == field_name[body->matched]) {
			body->matched++;
		} else if (body->matched == NAME_LEN && c == ':') {
			body->at = IN_VALUE;
			body->gathers = true;
			body->too_long = false;
			body->field_len = 0;
		} else if (body->matched < NAME_LEN || !is_blank(c)) {
			body->at = IN_OTHER;
		}
	}
	return used;
}

static void
gather(struct sled_bodyhash *body, const char *data, size_t len)
{
	if (len > sizeof(body->field) - body->field_len) {
		body->too_long = true;
		return;
	}
	memcpy(body->field + body->field_len, data, len);
	body->field_len += len;
}

static void
begin_body(struct sled_bodyhash *body)
{
	end_field(body);
	body->at = IN_BODY;
	for (size_t i = 0; i < body->len; i++) {
		struct sled_signature *one = &body->list[i];

		one->judged =
		    one->judged && sled_canon_add(&body->canons[one->form],
		                                  one->limit, &one->at);
	}
}

static void
end_line(struct sled_bodyhash *body)
{
	if (body->octets == 0 || (body->octets == 1 && body->first == '\r')) {
		begin_body(body);
		return;
	}
	if (body->at == IN_VALUE && body->field_len > 0 &&
	    body->field[body->field_len - 1] == '\r')
		body->field_len--;
	body->octets = 0;
}

/* Octets up to a LF, which ENDED says is there, or up to the end of a piece. */
static void
head_octets(struct sled_bodyhash *body, const char *data, size_t len,
            bool ended)
{
	size_t used = 0;

	if (len > 0 && body->octets == 0)
		begin_line(body, *data);
	body->octets += len;
	if (body->at == AT_NAME)
		used = match_name(body, data, len);
	if (body->at == IN_VALUE && len > used)
		gather(body, data + used, len - used);
	if (ended)
		end_line(body);
}

/* ---- the whole ---- */

void
sled_bodyhash_feed(struct sled_bodyhash *body, struct sled_span bytes)
{
	while (bytes.len > 0 && body->at != IN_BODY) {
		const char *lf = memchr(bytes.data, '\n', bytes.len);
		size_t len = lf == NULL ? bytes.len : (size_t)(lf - bytes.data);

		head_octets(body, bytes.data, len, lf != NULL);
		len += lf != NULL ? 1 : 0;
		bytes.data += len;
		bytes.len -= len;
	}
	for (int i = 0; i < SLED_CANON_FORMS; i++)
		sled_canon_feed(&body->canons[i], bytes);
}

static enum sled_bodyhash_outcome
judge(const struct sled_bodyhash *body, const struct sled_signature *one)
{
	if (!one->judged)
		return SLED_BODYHASH_UNKNOWN;
	return sled_hash_equal(&one->hash,
	                       &body->canons[one->form].hashes[one->at].hash)
	           ? SLED_BODYHASH_HOLDS
	           : SLED_BODYHASH_OTHER;
}

struct sled_bodyhash_found
sled_bodyhash_end(struct sled_bodyhash *body)
{
	struct sled_bodyhash_found found = { SLED_BODYHASH_NONE, "" };

	if (body->at != IN_BODY)
		begin_body(body);
	for (int i = 0; i < SLED_CANON_FORMS; i++)
		sled_canon_end(&body->canons[i]);
	for (size_t i = 0; i < body->len; i++) {
		const struct sled_signature *one = &body->list[i];
		enum sled_bodyhash_outcome now = judge(body, one);

		/* As declared: the lower outcome counts, but for NONE. */
		if (found.outcome == SLED_BODYHASH_NONE || now < found.outcome)
			found =
			    (struct sled_bodyhash_found){ now, one->domain };
	}
	return found;
}
