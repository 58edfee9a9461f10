/* tickets.c - see mailsled/tickets.h for the contract. */
#include "mailsled/tickets.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mailsled/file.h"
#include "mailsled/hash.h"
#include "mailsled/text.h"

/*
 * A file: "mailsled-kept 1 ENDS BINDING SUM" LF, then the ticket. ENDS has 20
 * digits, BINDING is the SHA-256 of the caller's text, SUM that of all that
 * stands before it and of the ticket.
 */
#define MAGIC     "mailsled-kept 1 "
#define MAGIC_LEN (sizeof(MAGIC) - 1)
#define ENDS_LEN  20
#define HEX_LEN   (SLED_HASH_HEX - 1)
#define BOUND_AT  (MAGIC_LEN + ENDS_LEN + 1)
#define SUM_AT    (BOUND_AT + HEX_LEN + 1)
#define HEAD_LEN  (SUM_AT + HEX_LEN + 1)

#define LABEL_MAX 24
#define NAME_ROOM 64 /* for a label, a sequence, ".ticket.tmp", NUL */

enum shape {
	SHAPE_OTHER, /* not of this account, or not a name of ours */
	SHAPE_TICKET,
	SHAPE_TEMP,
};

/* The folder, open, and what is in it. */
struct shelf {
	const struct sled_tickets *whose;
	int fd;                /* -1: there is none */
	struct sled_buf names; /* sorted, each with its NUL */
	char bound[SLED_HASH_HEX];
};

/* --- names --- */

static bool
is_label(const char *text)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t len = strlen(text);

	return len > 0 && len <= LABEL_MAX && strspn(text, first) > 0 &&
	       text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789._-")] ==
	           '\0';
}

static enum shape
shape_of(const struct shelf *shelf, const char *name, uint64_t *sequence)
{
	size_t label = strlen(shelf->whose->account);
	const char *digits = name + label + 1;
	uint8_t value[8];

	if (strncmp(name, shelf->whose->account, label) != 0 ||
	    name[label] != '-' ||
	    strspn(digits, "0123456789abcdef") != 2 * sizeof(value) ||
	    !sled_text_unhex(value, digits, sizeof(value)))
		return SHAPE_OTHER;
	*sequence = 0;
	for (size_t i = 0; i < sizeof(value); i++)
		*sequence = *sequence << 8 | value[i];
	if (strcmp(digits + 16, ".ticket") == 0)
		return SHAPE_TICKET;
	return strcmp(digits + 16, ".ticket.tmp") == 0 ? SHAPE_TEMP
	                                               : SHAPE_OTHER;
}

/* --- the folder --- */

static void
shelf_close(struct shelf *shelf)
{
	const struct sled_sys *sys = shelf->whose->sys;

	if (shelf->fd != -1)
		(void)sys->close(sys->ctx, shelf->fd);
	sled_buf_free(&shelf->names);
}

/* Not for others, whatever the umask or an older folder says. */
static bool
make_folder(const struct sled_tickets *whose, struct sled_err *err)
{
	const struct sled_sys *sys = whose->sys;

	if (sys->mkdirat(sys->ctx, whose->state, SLED_TICKETS_DIR, 0700) == 0 ||
	    errno == EEXIST)
		return true;
	return sled_fail_sys(err, errno, "make folder %s", SLED_TICKETS_DIR);
}

static bool
close_to_others(struct shelf *shelf, struct sled_err *err)
{
	const struct sled_sys *sys = shelf->whose->sys;
	struct stat st;

	if (sys->fstat(sys->ctx, shelf->fd, &st) == 0 &&
	    ((st.st_mode & 0777) == 0700 ||
	     sys->fchmod(sys->ctx, shelf->fd, 0700) == 0))
		return true;
	return sled_fail_sys(err, errno, "mode of folder %s", SLED_TICKETS_DIR);
}

static bool
open_folder(struct shelf *shelf, bool make, struct sled_err *err)
{
	const struct sled_tickets *whose = shelf->whose;
	struct sled_err why = { 0 };
	struct sled_file folder;

	if (make && !make_folder(whose, err))
		return false;
	if (!sled_file_open(&folder, whose->sys, whose->state, SLED_TICKETS_DIR,
	                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &why)) {
		if (!make && why.kind == SLED_ERR_MISSING)
			return true;
		*err = why;
		return false;
	}
	shelf->fd = folder.fd;
	return (!make || close_to_others(shelf, err)) &&
	       sled_dir_list(&shelf->names, whose->sys, whose->state,
	                     SLED_TICKETS_DIR, err);
}

/* True with fd -1: there is no folder, and MAKE was not asked for. */
static bool
shelf_open(struct shelf *out, const struct sled_tickets *whose, bool make,
           struct sled_err *err)
{
	*out = (struct shelf){ .whose = whose, .fd = -1 };
	if (!is_label(whose->account))
		return sled_fail(err, SLED_ERR_INTERNAL, "no account's name");
	if (open_folder(out, make, err))
		return true;
	shelf_close(out);
	return false;
}

/* NULL begins, and ends. */
static const char *
next_name(const struct shelf *shelf, const char *name)
{
	size_t at = 0;

	if (name != NULL)
		at = (size_t)(name - shelf->names.data) + strlen(name) + 1;
	return at < shelf->names.len ? shelf->names.data + at : NULL;
}

static bool
remove_file(struct shelf *shelf, const char *name, struct sled_err *err)
{
	const struct sled_sys *sys = shelf->whose->sys;

	if (sys->unlinkat(sys->ctx, shelf->fd, name, 0) == 0)
		return true;
	return sled_fail_sys(err, errno, "unlink %s", name);
}

/* One that is gone already is fine too, and a folder is nobody's ticket. */
static bool
sweep(struct shelf *shelf, const char *name, struct sled_err *err)
{
	struct sled_err why = { 0 };

	if (remove_file(shelf, name, &why) || why.sys == ENOENT ||
	    why.sys == EISDIR)
		return true;
	*err = why;
	return false;
}

/* --- what a file says --- */

static bool
hash_hex(char out[SLED_HASH_HEX], struct sled_span a, struct sled_span b,
         struct sled_err *err)
{
	struct sled_sha256 *sha = NULL;
	struct sled_hash hash;

	if (!sled_sha256_new(&sha, err))
		return false;
	sled_sha256_add(sha, a.data, a.len);
	sled_sha256_add(sha, b.data, b.len);
	hash = sled_sha256_end(sha);
	sled_sha256_free(&sha);
	sled_hash_hex(out, &hash);
	return true;
}

static bool
bind(struct shelf *shelf, struct sled_err *err)
{
	const char *text = shelf->whose->binding;

	return hash_hex(shelf->bound, (struct sled_span){ text, strlen(text) },
	                (struct sled_span){ "", 0 }, err);
}

static bool
compose(struct sled_buf *out, const struct shelf *shelf,
        struct sled_span ticket, int64_t ends, struct sled_err *err)
{
	char sum[SLED_HASH_HEX];

	/* In one piece, so that growing leaves no copy of the secret behind. */
	return sled_buf_reserve(out, HEAD_LEN + ticket.len, err) &&
	       sled_buf_printf(out, err, MAGIC "%020" PRId64 " %s ", ends,
	                       shelf->bound) &&
	       hash_hex(sum, sled_buf_span(out), ticket, err) &&
	       sled_buf_printf(out, err, "%s\n", sum) &&
	       sled_buf_add(out, ticket.data, ticket.len, err);
}

/* Whole, bound as asked for, and good for a while yet? A time more than a
 * ticket's life away was written by another clock. */
static bool
is_good(const struct shelf *shelf, const struct sled_buf *file)
{
	struct sled_err unused = { 0 };
	int64_t now = shelf->whose->now;
	char sum[SLED_HASH_HEX];
	uint64_t ends = 0;

	if (file->len <= HEAD_LEN || file->data[HEAD_LEN - 1] != '\n' ||
	    memcmp(file->data, MAGIC, MAGIC_LEN) != 0)
		return false;
	return hash_hex(sum, (struct sled_span){ file->data, SUM_AT },
	                (struct sled_span){ file->data + HEAD_LEN,
	                                    file->len - HEAD_LEN },
	                &unused) &&
	       memcmp(sum, file->data + SUM_AT, HEX_LEN) == 0 &&
	       memcmp(shelf->bound, file->data + BOUND_AT, HEX_LEN) == 0 &&
	       sled_text_u64(
		   (struct sled_span){ file->data + MAGIC_LEN, ENDS_LEN },
		   &ends) &&
	       ends <= INT64_MAX && (int64_t)ends > now &&
	       (int64_t)ends - now <= SLED_TICKETS_LIFE;
}

/* All of a plain file that is only ours, when it is not too large. */
static bool
read_private(struct sled_file *file, struct sled_buf *out, struct sled_err *err)
{
	struct stat st;
	size_t got = 0;

	if (file->sys->fstat(file->sys->ctx, file->fd, &st) != 0 ||
	    !S_ISREG(st.st_mode) || (st.st_mode & 077) != 0 ||
	    st.st_size > SLED_TICKETS_MAX + (off_t)HEAD_LEN ||
	    !sled_buf_reserve(out, (size_t)st.st_size, err) ||
	    !sled_file_read(file, out->data, (size_t)st.st_size, 0, &got, err))
		return false;
	out->len = got;
	return true;
}

/* Why not does not matter: what cannot be used is unlinked. */
static bool
load(const struct shelf *shelf, const char *name, struct sled_buf *out)
{
	struct sled_err unused = { 0 };
	struct sled_file file;
	bool good;

	if (!sled_file_open(&file, shelf->whose->sys, shelf->fd, name,
	                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, &unused))
		return false;
	good = read_private(&file, out, &unused) && is_good(shelf, out);
	sled_file_drop(&file);
	return good;
}

/* --- take --- */

/* The names are sorted, so the last good one is the newest. */
static bool
choose(struct shelf *shelf, const char **best, struct sled_buf *ticket,
       struct sled_err *err)
{
	uint64_t sequence;

	for (const char *name = next_name(shelf, NULL); name != NULL;
	     name = next_name(shelf, name)) {
		enum shape shape = shape_of(shelf, name, &sequence);
		struct sled_buf file = { 0 };

		if (shape == SHAPE_TICKET && load(shelf, name, &file)) {
			sled_buf_wipe(ticket);
			*ticket = file;
			*best = name;
			continue;
		}
		sled_buf_wipe(&file);
		if (shape != SHAPE_OTHER && !sweep(shelf, name, err))
			return false;
	}
	return true;
}

/* What another one unlinked first is his. */
static bool
use(struct shelf *shelf, const char *name, bool *won, struct sled_err *err)
{
	struct sled_err why = { 0 };

	*won = remove_file(shelf, name, &why);
	if (*won || why.sys == ENOENT)
		return true;
	*err = why;
	return false;
}

static bool
take(struct shelf *shelf, struct sled_buf *out, bool *found,
     struct sled_err *err)
{
	struct sled_buf ticket = { 0 };
	const char *name = NULL;
	bool won = false;
	bool ok = bind(shelf, err) && choose(shelf, &name, &ticket, err) &&
	          (name == NULL || use(shelf, name, &won, err));

	if (ok && won) {
		ok = sled_buf_add(out, ticket.data + HEAD_LEN,
		                  ticket.len - HEAD_LEN, err);
		*found = ok;
	}
	sled_buf_wipe(&ticket);
	return ok;
}

bool
sled_tickets_take(const struct sled_tickets *whose, struct sled_buf *out,
                  bool *found, struct sled_err *err)
{
	struct shelf shelf;
	bool ok;

	*found = false;
	if (!shelf_open(&shelf, whose, false, err))
		return sled_note(err, "TLS tickets");
	ok = shelf.fd == -1 || take(&shelf, out, found, err);
	shelf_close(&shelf);
	return ok || sled_note(err, "TLS tickets");
}

/* --- keep --- */

static bool
fill(struct shelf *shelf, const char *name, const struct sled_buf *text,
     struct sled_err *err)
{
	const struct sled_sys *sys = shelf->whose->sys;
	struct sled_file file;
	bool ok;

	if (!sled_file_open(&file, sys, shelf->fd, name,
	                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600,
	                    err))
		return false;
	ok = sys->fchmod(sys->ctx, file.fd, 0600) == 0 ||
	     sled_fail_sys(err, errno, "mode of %s", name);
	ok = ok && sled_file_write(&file, text->data, text->len, 0, err) &&
	     sled_file_close(&file, err);
	sled_file_drop(&file);
	return ok;
}

static bool
put(struct shelf *shelf, uint64_t sequence, const struct sled_buf *text,
    struct sled_err *err)
{
	const struct sled_sys *sys = shelf->whose->sys;
	char name[NAME_ROOM], temp[NAME_ROOM];

	(void)snprintf(name, sizeof(name), "%.*s-%016" PRIx64 ".ticket",
	               LABEL_MAX, shelf->whose->account, sequence);
	(void)snprintf(temp, sizeof(temp), "%.*s-%016" PRIx64 ".ticket.tmp",
	               LABEL_MAX, shelf->whose->account, sequence);
	if (fill(shelf, temp, text, err)) {
		if (sys->renameat(sys->ctx, shelf->fd, temp, shelf->fd, name) ==
		    0)
			return true;
		(void)sled_fail_sys(err, errno, "rename to %s", name);
	} else if (err->sys == EEXIST) {
		return false; /* another one's */
	}
	(void)sys->unlinkat(sys->ctx, shelf->fd, temp, 0);
	return false;
}

/* Sweep what a killed run left; *count tickets are there, the newest of them
 * *last. */
static bool
survey(struct shelf *shelf, size_t *count, uint64_t *last, struct sled_err *err)
{
	uint64_t sequence;

	for (const char *name = next_name(shelf, NULL); name != NULL;
	     name = next_name(shelf, name)) {
		enum shape shape = shape_of(shelf, name, &sequence);

		if (shape == SHAPE_TEMP && !sweep(shelf, name, err))
			return false;
		if (shape == SHAPE_TICKET) {
			++*count;
			*last = sequence;
		}
	}
	return true;
}

/* Unlink the first, which are the oldest, until at most MOST are left. */
static bool
prune(struct shelf *shelf, size_t count, size_t most, struct sled_err *err)
{
	uint64_t sequence;

	for (const char *name = next_name(shelf, NULL);
	     name != NULL && count > most; name = next_name(shelf, name)) {
		if (shape_of(shelf, name, &sequence) != SHAPE_TICKET)
			continue;
		if (!sweep(shelf, name, err))
			return false;
		count--;
	}
	return true;
}

static bool
keep(struct shelf *shelf, struct sled_span ticket, int64_t ends,
     struct sled_err *err)
{
	struct sled_buf text = { 0 };
	size_t count = 0;
	uint64_t last = 0;
	bool ok = bind(shelf, err) &&
	          compose(&text, shelf, ticket, ends, err) &&
	          survey(shelf, &count, &last, err) &&
	          prune(shelf, count, SLED_TICKETS_KEEP - 1, err) &&
	          put(shelf, last + 1, &text, err);

	sled_buf_wipe(&text);
	return ok;
}

bool
sled_tickets_keep(const struct sled_tickets *whose, struct sled_span ticket,
                  int64_t ends, struct sled_err *err)
{
	struct shelf shelf;
	bool ok;

	if (ends <= whose->now)
		return true;
	if (ends - whose->now > SLED_TICKETS_LIFE)
		ends = whose->now + SLED_TICKETS_LIFE;
	if (ticket.len == 0 || ticket.len > SLED_TICKETS_MAX)
		return sled_fail(err, SLED_ERR_INTERNAL,
		                 "a TLS ticket of %zu bytes", ticket.len);
	if (!shelf_open(&shelf, whose, true, err))
		return sled_note(err, "TLS tickets");
	ok = keep(&shelf, ticket, ends, err);
	shelf_close(&shelf);
	return ok || sled_note(err, "TLS tickets");
}

/* --- drop --- */

bool
sled_tickets_drop(const struct sled_tickets *whose, struct sled_err *err)
{
	struct shelf shelf;
	uint64_t sequence;
	bool ok = true;

	if (!shelf_open(&shelf, whose, false, err))
		return sled_note(err, "TLS tickets");
	for (const char *name = next_name(&shelf, NULL); ok && name != NULL;
	     name = next_name(&shelf, name))
		if (shape_of(&shelf, name, &sequence) != SHAPE_OTHER)
			ok = sweep(&shelf, name, err);
	shelf_close(&shelf);
	return ok || sled_note(err, "TLS tickets");
}
