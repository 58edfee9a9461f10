/*
 * query.c - what people type, as an FTS5 expression; see mailsled/reader.h.
 *
 *   query  = clause...          all of them
 *   clause = unit [OR unit]...  one of them
 *   unit   = ["-"] ( word | "words" | field ":" value | "(" query ")" )
 *
 * Nothing that was typed reaches FTS5 but letters inside quotes, and it is bound
 * as a value: SQL never sees it.
 */
#include <ctype.h>
#include <string.h>
#include <time.h>

#include "mailsled/text.h"
#include "reader/internal.h"
#include "reader/marks.h"

#define TEXT_MOST  4096
#define TERMS_MOST 64
#define DEPTH_MOST 16

enum field {
	ANY,
	FROM,
	TO,
	SUBJECT,
	BODY,
	ATTACHED,
	HAS,
	ACCOUNT,
	BEFORE,
	AFTER,
	ON,
};

static const struct {
	const char *name;
	enum field field;
} fields[] = {
	{ "from", FROM },       { "to", TO },           { "cc", TO },
	{ "subject", SUBJECT }, { "body", BODY },       { "file", ATTACHED },
	{ "has", HAS },         { "account", ACCOUNT }, { "before", BEFORE },
	{ "after", AFTER },     { "since", AFTER },     { "on", ON },
};

#define FIELDS (sizeof(fields) / sizeof(*fields))

struct parse {
	struct sled_query *query;
	const char *text;
	size_t at;
	int64_t now;
	unsigned terms, depth;
	struct sled_err *err;
};

static bool
refuse(struct parse *p, size_t at, const char *what)
{
	p->query->fault = at;
	return sled_fail(p->err, SLED_ERR_USAGE, "query: %s", what);
}

static void
skip_blanks(struct parse *p)
{
	while (isspace((unsigned char)p->text[p->at]))
		p->at++;
}

/* Is the word W here, alone? Then it is taken. */
static bool
take_operator(struct parse *p, const char *w)
{
	size_t len = strlen(w);
	char next = p->text[p->at + len < strlen(p->text) ? p->at + len
	                                                  : strlen(p->text)];

	if (strncmp(p->text + p->at, w, len) != 0 ||
	    (next != '\0' && !isspace((unsigned char)next) && next != '('))
		return false;
	p->at += len;
	skip_blanks(p);
	return true;
}

/* ---- values ---- */

/* In quotes or up to a blank or bracket; *at is where it begins. */
static bool
take_value(struct parse *p, struct sled_span *out, size_t *at)
{
	const char *from;
	size_t len;

	if (p->text[p->at] == '"') {
		*at = ++p->at;
		from = p->text + p->at;
		len = strcspn(from, "\"");
		if (from[len] == '\0')
			return refuse(p, *at - 1, "this quote has no end");
		p->at += len + 1;
	} else {
		*at = p->at;
		from = p->text + p->at;
		len = strcspn(from, " \t\r\n\f\v()\"");
		p->at += len;
	}
	*out = (struct sled_span){ from, len };
	return true;
}

static bool
has_letters(const char *text)
{
	for (; *text != '\0'; text += sled_character_octets(text))
		if (g_unichar_isalnum(g_utf8_get_char(text)))
			return true;
	return false;
}

/* COLUMN : "words", with a * behind it for the beginning of a word. */
static bool
add_words(struct parse *p, struct sled_buf *out, const char *column,
          struct sled_span value, size_t at)
{
	struct sled_buf valid = { 0 }, words = { 0 };
	bool prefix = value.len > 0 && value.data[value.len - 1] == '*';
	bool ok;

	ok = sled_text_utf8(&valid, value, p->err) &&
	     sled_mark_split(&words, sled_buf_span(&valid), p->err);
	if (ok && !has_letters(words.data))
		ok = refuse(p, at, "there is no word in this");
	ok = ok && sled_buf_addstr(out, column, p->err) &&
	     sled_buf_addstr(out, "\"", p->err) &&
	     sled_buf_add(out, words.data, words.len, p->err) &&
	     sled_buf_addstr(out, prefix ? "\" *" : "\"", p->err);
	sled_buf_free(&valid);
	sled_buf_free(&words);
	return ok;
}

static bool
is_value(struct sled_span value, const char *word)
{
	return value.len == strlen(word) &&
	       strncasecmp(value.data, word, value.len) == 0;
}

static bool
add_has(struct parse *p, struct sled_buf *out, struct sled_span value,
        size_t at)
{
	if (!is_value(value, "attachment") && !is_value(value, "attachments") &&
	    !is_value(value, "file"))
		return refuse(p, at, "has: knows only \"attachment\"");
	return sled_buf_addstr(out, "marks : \"", p->err) &&
	       sled_mark_attachment(out, p->err) &&
	       sled_buf_addstr(out, "\"", p->err);
}

static bool
add_account(struct parse *p, struct sled_buf *out, struct sled_span value)
{
	char label[64];

	(void)snprintf(
	    label, sizeof(label), "%.*s",
	    (int)(value.len < sizeof(label) ? value.len : sizeof(label) - 1),
	    value.data);
	return sled_buf_addstr(out, "marks : \"", p->err) &&
	       sled_mark_account(out, label, p->err) &&
	       sled_buf_addstr(out, "\"", p->err);
}

/* ---- dates ---- */

static bool
take_digits(const char **at, const char *end, int digits, int *out)
{
	*out = 0;
	for (int i = 0; i < digits; i++, ++*at) {
		if (*at == end || !isdigit((unsigned char)**at))
			return false;
		*out = *out * 10 + (**at - '0');
	}
	return true;
}

struct date {
	int year, month, day; /* 0: not given */
};

/* "-03": nothing, or two digits from 1 to MOST. */
static bool
take_more(const char **at, const char *end, int most, int *out)
{
	*out = 0;
	if (*at == end)
		return true;
	return *(*at)++ == '-' && take_digits(at, end, 2, out) && *out >= 1 &&
	       *out <= most;
}

static int64_t
month_behind(const struct date *date)
{
	return date->month == 12
	           ? sled_day_from(date->year + 1, 1, 1)
	           : sled_day_from(date->year, date->month + 1, 1);
}

/* "2026", "2026-03", "2026-03-14": the days FIRST up to before NEXT. */
static bool
read_date(struct sled_span value, int64_t *first, int64_t *next)
{
	const char *at = value.data, *end = at + value.len;
	struct date date;

	if (!take_digits(&at, end, 4, &date.year) || date.year < 1970 ||
	    date.year > 2099 || !take_more(&at, end, 12, &date.month) ||
	    !take_more(&at, end, 31, &date.day) || at != end)
		return false;
	*first = sled_day_from(date.year, date.month + (date.month == 0),
	                       date.day + (date.day == 0));
	if (date.month == 0)
		*next = sled_day_from(date.year + 1, 1, 1);
	else if (date.day == 0)
		*next = month_behind(&date);
	else
		*next = *first + 1;
	return date.month == 0 || *next <= month_behind(&date);
}

static int
days_of(struct sled_span value)
{
	static const struct {
		char unit;
		int days;
	} units[] = { { 'd', 1 }, { 'w', 7 }, { 'm', 30 }, { 'y', 365 } };

	for (size_t i = 0; value.len > 1 && i < 4; i++)
		if (value.data[value.len - 1] == units[i].unit)
			return units[i].days;
	return 0;
}

/* "30d", "6w", "3m", "5y" ago; "today", "yesterday". */
static bool
read_ago(const struct parse *p, struct sled_span value, int64_t *first,
         int64_t *next)
{
	uint64_t number = 0;
	int64_t today = sled_day_of(p->now);
	int days = days_of(value);

	if (is_value(value, "today") || is_value(value, "yesterday")) {
		*first = today - (is_value(value, "yesterday") ? 1 : 0);
		*next = *first + 1;
		return true;
	}
	if (days == 0 || value.len > 6 ||
	    !sled_text_u64((struct sled_span){ value.data, value.len - 1 },
	                   &number))
		return false;
	*first = today - (int64_t)number * days;
	*next = *first + 1;
	return true;
}

static bool
add_date(struct parse *p, struct sled_buf *out, enum field field,
         struct sled_span value, size_t at)
{
	int64_t first = 0, next = 0;

	if (!read_date(value, &first, &next) &&
	    !read_ago(p, value, &first, &next))
		return refuse(p, at,
		              "no such day: 2026, 2026-03, 2026-03-14, today, "
		              "yesterday, 30d, 6w, 3m or 5y");
	if (field == BEFORE)
		return sled_mark_days(out, SLED_DAY_FIRST, first - 1, p->err);
	if (field == AFTER)
		return sled_mark_days(out, first, SLED_DAY_LAST, p->err);
	return sled_mark_days(out, first, next - 1, p->err);
}

/* ---- units ---- */

static bool
add_field(struct parse *p, struct sled_buf *out, enum field field)
{
	static const char *const columns[] = {
		[FROM] = "sender : ",     [TO] = "rcpt : ",
		[SUBJECT] = "subject : ", [BODY] = "body : ",
		[ATTACHED] = "files : ",
	};
	struct sled_span value = { "", 0 };
	size_t at = p->at;

	if (!take_value(p, &value, &at))
		return false;
	if (value.len == 0)
		return refuse(p, at, "something is missing here");
	switch (field) {
	case HAS:
		return add_has(p, out, value, at);
	case ACCOUNT:
		return add_account(p, out, value);
	case BEFORE:
	case AFTER:
	case ON:
		return add_date(p, out, field, value, at);
	case ANY:
		return add_words(p, out, "", value, at);
	case FROM:
	case TO:
	case SUBJECT:
	case BODY:
	case ATTACHED:
		break;
	}
	return add_words(p, out, columns[field], value, at);
}

/* "from:" is a field; "12:30" and "http://..." are words. */
static bool
take_field(struct parse *p, enum field *field)
{
	const char *names[FIELDS];
	const char *at = p->text + p->at;
	size_t len = strspn(at, "abcdefghijklmnopqrstuvwxyz"
	                        "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

	*field = ANY;
	if (len == 0 || at[len] != ':' || strncmp(at + len, "://", 3) == 0)
		return true;
	for (size_t i = 0; i < FIELDS; i++) {
		names[i] = fields[i].name;
		if (strlen(names[i]) == len &&
		    strncasecmp(names[i], at, len) == 0) {
			*field = fields[i].field;
			p->at += len + 1;
			return true;
		}
	}
	return refuse(p, p->at,
	              "no such field; there are from, to, subject, body, file, "
	              "has, account, before, after, on");
}

/* NOLINTBEGIN(misc-no-recursion): brackets in each other, DEPTH_MOST deep */
static bool add_all(struct parse *p, struct sled_buf *out);

static bool
add_group(struct parse *p, struct sled_buf *out)
{
	size_t from = p->at++;

	if (++p->depth > DEPTH_MOST)
		return refuse(p, from, "too many brackets in each other");
	if (!add_all(p, out))
		return false;
	p->depth--;
	if (p->text[p->at] != ')')
		return refuse(p, from, "this bracket has no end");
	p->at++;
	return true;
}

/* *negative: it is what must not be there. */
static bool
add_unit(struct parse *p, struct sled_buf *out, bool *negative)
{
	enum field field = ANY;
	const size_t from = p->at;

	if (take_operator(p, "OR"))
		return refuse(p, from, "OR stands between two things");
	*negative = take_operator(p, "NOT");
	if (p->text[p->at] == '-') {
		*negative = !*negative;
		p->at++;
	}
	if (p->text[p->at] == '\0' || p->text[p->at] == ')' ||
	    isspace((unsigned char)p->text[p->at]))
		return refuse(p, p->at, "something is missing here");
	if (++p->terms > TERMS_MOST)
		return refuse(p, p->at, "too many words");
	if (p->text[p->at] == '(')
		return add_group(p, out);
	return take_field(p, &field) && add_field(p, out, field);
}

static bool
add_every(struct sled_buf *out, struct sled_err *err)
{
	return sled_buf_addstr(out, "marks : \"", err) &&
	       sled_mark_every(out, err) && sled_buf_addstr(out, "\"", err);
}

static bool
add_text(struct sled_buf *out, const struct sled_buf *text,
         struct sled_err *err)
{
	return sled_buf_add(out, text->data, text->len, err);
}

/* One of several: what must not be there stands for all that lacks it. */
static bool
add_choice(struct parse *p, struct sled_buf *out, const struct sled_buf *unit,
           bool negative)
{
	struct sled_err *err = p->err;

	if (out->len > 0 && !sled_buf_addstr(out, " OR ", err))
		return false;
	if (!negative)
		return add_text(out, unit, err);
	return sled_buf_addstr(out, "(", err) && add_every(out, err) &&
	       sled_buf_addstr(out, " NOT ", err) && add_text(out, unit, err) &&
	       sled_buf_addstr(out, ")", err);
}

/* A clause, added to the ones that must hold or to those that must not. */
static bool
add_clause(struct parse *p, struct sled_buf *must, struct sled_buf *mustnt)
{
	struct sled_buf unit = { 0 }, choice = { 0 };
	struct sled_buf *to = must;
	bool negative = false, more, ok = true;

	do {
		unit.len = 0;
		ok = add_unit(p, &unit, &negative);
		skip_blanks(p);
		more = ok && take_operator(p, "OR");
		if (ok && !more && choice.len == 0 && negative) {
			to = mustnt;
			negative = false;
		}
		ok = ok && add_choice(p, &choice, &unit, negative);
	} while (more && ok);
	if (ok && to->len > 0)
		ok = sled_buf_addstr(to, to == must ? " AND " : " OR ", p->err);
	ok = ok && sled_buf_addstr(to, "(", p->err) &&
	     add_text(to, &choice, p->err) && sled_buf_addstr(to, ")", p->err);
	sled_buf_free(&unit);
	sled_buf_free(&choice);
	return ok;
}

/* Up to the end, or to the bracket that closes this group. */
static bool
add_clauses(struct parse *p, struct sled_buf *must, struct sled_buf *mustnt)
{
	skip_blanks(p);
	if (p->text[p->at] == '\0' || p->text[p->at] == ')')
		return refuse(p, p->at, "something is missing here");
	while (p->text[p->at] != '\0' && p->text[p->at] != ')') {
		const size_t from = p->at;

		if (take_operator(p, "OR"))
			return refuse(p, from, "OR stands between two things");
		(void)take_operator(p, "AND");
		if (!add_clause(p, must, mustnt))
			return false;
		skip_blanks(p);
	}
	return true;
}

static bool
add_all(struct parse *p, struct sled_buf *out)
{
	struct sled_buf must = { 0 }, mustnt = { 0 };
	struct sled_err *err = p->err;
	bool ok =
	    add_clauses(p, &must, &mustnt) && sled_buf_addstr(out, "(", err);

	if (ok && must.len == 0)
		ok = add_every(out, err);
	else if (ok)
		ok = sled_buf_addstr(out, "(", err) &&
		     add_text(out, &must, err) &&
		     sled_buf_addstr(out, ")", err);
	if (ok && mustnt.len > 0)
		ok = sled_buf_addstr(out, " NOT (", err) &&
		     add_text(out, &mustnt, err) &&
		     sled_buf_addstr(out, ")", err);
	ok = ok && sled_buf_addstr(out, ")", err);
	sled_buf_free(&must);
	sled_buf_free(&mustnt);
	return ok;
}

/* NOLINTEND(misc-no-recursion) */

bool
sled_query_parse(struct sled_query *out, const char *text, int64_t now,
                 struct sled_err *err)
{
	struct parse p = { .query = out, .text = text, .now = now, .err = err };

	*out = (struct sled_query){ 0 };
	if (strlen(text) > TEXT_MOST)
		return refuse(&p, TEXT_MOST, "too long");
	if (!add_all(&p, &out->match))
		return false;
	if (text[p.at] == ')')
		return refuse(&p, p.at, "this bracket was never opened");
	return true;
}

void
sled_query_free(struct sled_query *query)
{
	sled_buf_free(&query->match);
}
