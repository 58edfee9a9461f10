/*
 * thread.c - a conversation, by Message-ID and References (RFC 5322, 3.6.4).
 *
 * All messages that name one of the ids known so far belong to it; each brings
 * ids of its own, until none is new. The index only proposes: what it finds is
 * read, and must truly have the id.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reader/internal.h"
#include "reader/marks.h"

#define MEMBERS_MOST 300 /* that are read for one conversation */
#define IDS_MOST     2000
#define ASKED_MOST   40 /* ids of one query */

struct member {
	struct sled_message message; /* without its strings */
	size_t own;                  /* among ids; SIZE_MAX: it has none */
	size_t *refs;                /* oldest first */
	size_t refs_len;
	size_t parent; /* among members; SIZE_MAX: none */
};

struct weaving {
	struct sled_index *index;
	struct member *members;
	size_t len, cap;
	GPtrArray *ids;     /* char *, each once */
	GHashTable *places; /* id -> its place + 1 */
	bool cut;
	/* The message that is being read: */
	struct member *reading;
	bool shares, first;
};

static size_t
place_of(struct weaving *w, const char *id)
{
	return GPOINTER_TO_SIZE(g_hash_table_lookup(w->places, id));
}

static size_t
add_id(struct weaving *w, const char *id)
{
	size_t place = place_of(w, id);
	char *kept;

	if (place > 0)
		return place - 1;
	if (w->ids->len >= IDS_MOST)
		return SIZE_MAX;
	kept = g_strdup(id);
	g_ptr_array_add(w->ids, kept);
	g_hash_table_insert(w->places, kept, GSIZE_TO_POINTER(w->ids->len));
	return w->ids->len - 1;
}

/* ---- one message ---- */

static bool
look_for_shared(void *ctx, const char *id, struct sled_err *err)
{
	struct weaving *w = ctx;

	(void)err;
	w->shares = w->shares || (*id != '\0' && place_of(w, id) > 0);
	return true;
}

static bool
note_id(void *ctx, const char *id, struct sled_err *err)
{
	struct weaving *w = ctx;
	struct member *member = w->reading;
	size_t place = *id == '\0' ? SIZE_MAX : add_id(w, id);
	size_t *more;

	if (w->first) {
		w->first = false;
		member->own = place;
		return true;
	}
	if (place == SIZE_MAX)
		return true;
	more = reallocarray(member->refs, member->refs_len + 1, sizeof(*more));
	if (more == NULL)
		return sled_fail_sys(err, ENOMEM, "references");
	member->refs = more;
	member->refs[member->refs_len++] = place;
	return true;
}

static bool
add_member(struct weaving *w, const struct sled_message *message,
           const struct sled_letter *letter, struct sled_err *err)
{
	size_t cap = w->cap == 0 ? 16 : w->cap * 2;
	struct member *more;

	if (w->len == w->cap) {
		more = reallocarray(w->members, cap, sizeof(*more));
		if (more == NULL)
			return sled_fail_sys(err, ENOMEM, "conversation");
		w->members = more;
		w->cap = cap;
	}
	w->reading = &w->members[w->len++];
	*w->reading = (struct member){ .message = *message,
		                       .own = SIZE_MAX,
		                       .parent = SIZE_MAX };
	w->first = true;
	return sled_letter_marks(letter, note_id, w, err);
}

/* Read it; it is one of them when it names an id that is known. */
static bool
consider(struct weaving *w, const struct sled_message *message,
         struct sled_err *err)
{
	const struct sled_sys *sys = NULL;
	struct sled_letter *letter = NULL;
	struct sled_err why = { 0 };
	bool ok;

	for (size_t i = 0; i < w->len; i++)
		if (w->members[i].message.id == message->id)
			return true;
	if (w->len >= MEMBERS_MOST) {
		w->cut = true;
		return true;
	}
	if (!sled_letter_new(&letter, sled_store_state(w->index->store, &sys),
	                     err))
		return false;
	ok = sled_letter_read(letter, w->index->store, message, &why) &&
	     sled_letter_parse(letter, &why);
	w->shares = w->len == 0;
	if (ok)
		ok = sled_letter_marks(letter, look_for_shared, w, &why);
	if (ok && w->shares)
		ok = add_member(w, message, letter, &why);
	sled_letter_free(&letter);
	/* One that cannot be read now is left out, but for the first. */
	if (!ok && (w->len == 0 || why.kind == SLED_ERR_NOMEM))
		*err = why;
	return ok || (w->len > 0 && why.kind != SLED_ERR_NOMEM);
}

/* ---- all of them ---- */

struct found {
	struct sled_message *list;
	size_t len;
	size_t cap;
};

static bool
keep_found(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	struct found *found = ctx;
	size_t cap = found->cap == 0 ? 16 : found->cap * 2;
	struct sled_message *more;

	if (found->len == found->cap) {
		more = reallocarray(found->list, cap, sizeof(*more));
		if (more == NULL)
			return sled_fail_sys(err, ENOMEM, "conversation");
		found->list = more;
		found->cap = cap;
	}
	found->list[found->len] = *message;
	found->list[found->len].from = found->list[found->len].subject =
	    found->list[found->len].date = (struct sled_span){ "", 0 };
	found->len++;
	return true;
}

/* Who names one of the ids FROM up to before TO? */
static bool
ask(struct weaving *w, size_t from, size_t to, struct sled_err *err)
{
	struct sled_query query = { 0 };
	struct found found = { 0 };
	bool ok = sled_buf_addstr(&query.match, "marks : (", err);

	for (size_t i = from; ok && i < to; i++)
		ok = sled_buf_addstr(&query.match, i > from ? " OR \"" : "\"",
		                     err) &&
		     sled_mark_id(&query.match,
		                  g_ptr_array_index(w->ids, (guint)i), err) &&
		     sled_buf_addstr(&query.match, "\"", err);
	ok = ok && sled_buf_addstr(&query.match, ")", err) &&
	     sled_index_find(w->index, &query, MEMBERS_MOST + 1, keep_found,
	                     &found, err);
	for (size_t i = 0; ok && i < found.len; i++)
		ok = consider(w, &found.list[i], err);
	sled_query_free(&query);
	free(found.list);
	return ok;
}

static bool
gather(struct weaving *w, struct sled_err *err)
{
	size_t asked = 0;

	while (asked < w->ids->len && !w->cut) {
		size_t to = w->ids->len - asked > ASKED_MOST
		                ? asked + ASKED_MOST
		                : w->ids->len;

		if (!ask(w, asked, to, err))
			return false;
		asked = to;
	}
	return true;
}

/* ---- who answers whom ---- */

static bool
is_above(const struct weaving *w, size_t above, size_t member)
{
	for (size_t steps = 0; member != SIZE_MAX && steps <= w->len; steps++) {
		if (member == above)
			return true;
		member = w->members[member].parent;
	}
	return false;
}

/* The last of what it refers to that is here; never in a circle. */
static void
find_parent(struct weaving *w, size_t at)
{
	struct member *member = &w->members[at];

	for (size_t r = member->refs_len; r-- > 0;)
		for (size_t i = 0; i < w->len; i++)
			if (i != at && w->members[i].own == member->refs[r] &&
			    !is_above(w, at, i)) {
				member->parent = i;
				return;
			}
}

static int
oldest_first(const void *a, const void *b)
{
	const struct sled_message *left = &((const struct member *)a)->message;
	const struct sled_message *right = &((const struct member *)b)->message;

	if (left->received != right->received)
		return left->received < right->received ? -1 : 1;
	return left->id < right->id ? -1 : 1;
}

/* NOLINTBEGIN(misc-no-recursion): MEMBERS_MOST deep at most */
static void
put_answers(const struct weaving *w, size_t parent, unsigned depth,
            struct sled_thread *out)
{
	for (size_t i = 0; i < w->len; i++) {
		if (w->members[i].parent != parent)
			continue;
		out->list[out->len++] =
		    (struct sled_thread_entry){ w->members[i].message.id,
			                        depth };
		put_answers(w, i, depth + 1, out);
	}
}

/* NOLINTEND(misc-no-recursion) */

static bool
put_in_order(struct weaving *w, struct sled_thread *out, struct sled_err *err)
{
	out->list = calloc(w->len + 1, sizeof(*out->list));
	if (out->list == NULL)
		return sled_fail_sys(err, ENOMEM, "conversation");
	if (w->len > 1)
		qsort(w->members, w->len, sizeof(*w->members), oldest_first);
	for (size_t i = 0; i < w->len; i++)
		find_parent(w, i);
	put_answers(w, SIZE_MAX, 0, out);
	out->cut = w->cut;
	return true;
}

bool
sled_index_thread(struct sled_index *index, const struct sled_message *message,
                  struct sled_thread *out, struct sled_err *err)
{
	struct weaving w = { .index = index };
	bool ok;

	*out = (struct sled_thread){ 0 };
	w.ids = g_ptr_array_new_with_free_func(g_free);
	w.places = g_hash_table_new(g_str_hash, g_str_equal);
	ok = consider(&w, message, err) && gather(&w, err) &&
	     put_in_order(&w, out, err);
	for (size_t i = 0; i < w.len; i++)
		free(w.members[i].refs);
	free(w.members);
	g_hash_table_destroy(w.places);
	g_ptr_array_free(w.ids, TRUE);
	return ok;
}

void
sled_thread_free(struct sled_thread *thread)
{
	free(thread->list);
	*thread = (struct sled_thread){ 0 };
}
