/*
 * parity.c - 5 % of parity for each sealed volume, made by par2 when no link
 * waits, and copied like the volume.
 *
 * Blocks are 64 KiB; smaller for a volume below 96 MiB, so that 64 single
 * damaged bytes can be mended in any (each costs a block, and there are 75 to
 * spare in the smallest), and larger above 256 MiB, so that it takes minutes at
 * most.
 *
 * States of the set in a place (L: the list, FILE.par2.sha256)
 *   S0  no L                       what there is of the set is begun again
 *   S1  all of it, each file synced under its name
 *   S2  L
 */
#include "store/parity.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/text.h"
#include "store/repair.h"

#define FOLDER      "parity"
#define LIST_MAX    65536
#define BLOCK       65536U
#define BLOCKS      1500 /* at least, but for the smallest */
#define BLOCKS_MOST 4096
#define SPARE       75 /* of parity, at least */
#define BLOCK_LEAST 512U
#define HOUR_MS     3600000U
#define NAME_MOST   (SLED_VOLUME_FILE + 32)

bool
sled_is_parity(const char *file, const char *sealed)
{
	size_t len = strlen(sealed), all = strlen(file);

	return strncmp(file, sealed, len) == 0 && file[len] == '.' &&
	       all >= len + 5 && all < NAME_MOST &&
	       strcmp(file + all - 5, ".par2") == 0;
}

static void
list_name(char out[NAME_MOST], const char *sealed)
{
	(void)snprintf(out, NAME_MOST, "%.39s.par2.sha256", sealed);
}

static void
sealed_name(char out[SLED_VOLUME_FILE], const struct sled_volume_row *volume)
{
	sled_volume_sealed_file(out, volume->name, volume->revision);
}

static bool
has_list(struct sled_place *place, const struct sled_volume_row *volume)
{
	char sealed[SLED_VOLUME_FILE], list[NAME_MOST];
	struct sled_err why = { 0 };
	uint64_t size = 0;
	bool there = false;

	sealed_name(sealed, volume);
	list_name(list, sealed);
	return sled_place_size(place, volume->label, list, &size, &there,
	                       &why) &&
	       there;
}

/* ---- the program ---- */

bool
sled_shell_word(struct sled_buf *out, const char *text, struct sled_err *err)
{
	bool ok = sled_buf_add(out, " '", 2, err);

	for (; ok && *text != '\0'; text++)
		ok = *text == '\'' ? sled_buf_add(out, "'\\''", 4, err)
		                   : sled_buf_add(out, text, 1, err);
	return ok && sled_buf_addstr(out, "'", err);
}

/* It must not outlive us: a link may come up, and our scratch folder be used
 * again. */
bool
sled_par2_run(struct sled_store *store, const char *folder,
              const char *arguments, struct sled_err *err)
{
	struct sled_buf command = { 0 }, printed = { 0 };
	bool ok =
	    sled_buf_addstr(&command, "cd", err) &&
	    sled_shell_word(&command, store->state, err) &&
	    sled_buf_printf(&command, err,
	                    "/%s && if command -v setpriv >/dev/null; then "
	                    "set -- setpriv --pdeathsig KILL; fi && "
	                    "exec \"$@\" nice -n 10",
	                    folder) &&
	    sled_shell_word(&command, store->conf.par2, err) &&
	    sled_buf_printf(&command, err, " %s >/dev/null 2>&1", arguments) &&
	    sled_child_capture(&printed, command.data, SLED_CHILD_MAX, HOUR_MS,
	                       err);

	sled_buf_free(&command);
	sled_buf_free(&printed);
	return ok || sled_note(err, "par2");
}

static uint64_t
block_size(uint64_t octets)
{
	uint64_t size = octets / BLOCKS;

	if (size > BLOCK)
		size = BLOCK;
	if (octets / BLOCK > BLOCKS_MOST)
		size = octets / BLOCKS_MOST;
	if (size < BLOCK_LEAST)
		size = BLOCK_LEAST;
	return (size + 3) / 4 * 4;
}

static bool
create(struct sled_store *store, const struct sled_volume_row *volume,
       const char *sealed, struct sled_err *err)
{
	struct sled_buf folder = { 0 }, arguments = { 0 };
	uint64_t octets = volume->end + SLED_MEMBER_LAST;
	uint64_t size = block_size(octets), spare = octets / size / 20 + 1;
	bool ok = sled_buf_printf(&folder, err, "%s/%s", store->conf.path,
	                          volume->label) &&
	          sled_buf_printf(&arguments, err,
	                          "create " SLED_PAR2_OPTIONS " -s%" PRIu64
	                          " -c%" PRIu64 " -n1 -B",
	                          size, spare < SPARE ? SPARE : spare) &&
	          sled_shell_word(&arguments, folder.data, err) &&
	          sled_buf_printf(&arguments, err, " -a %s.par2 --", sealed) &&
	          sled_buf_printf(&folder, err, "/%s", sealed) &&
	          sled_shell_word(&arguments, folder.data, err) &&
	          sled_par2_run(store, FOLDER, arguments.data, err);

	sled_buf_free(&folder);
	sled_buf_free(&arguments);
	return ok;
}

/* ---- one file, into a place ---- */

/* Written anew, synced, and read from the disk. */
static bool
copy_file(struct sled_place *to, const char *label, const char *file,
          struct sled_reading *from, struct sled_hash *sha256,
          struct sled_err *err)
{
	struct sled_append append;

	sled_append_undo(to, label, file, 0);
	if (sled_place_is_out(to, err))
		return false;
	if (!sled_append_begin(&append, to, label, file, 0, err))
		return false;
	if (sled_append_from(&append, from, 0, from->source.size, err) &&
	    sled_append_commit(&append, err))
		return sled_place_hash(to, label, file, sha256, err);
	sled_append_abort(&append);
	return false;
}

static bool
put_list(struct sled_place *place, const char *label, const char *sealed,
         const struct sled_buf *text, struct sled_err *err)
{
	char name[NAME_MOST];
	int folder = -1;
	bool ok;

	list_name(name, sealed);
	ok = sled_dir_open(&folder, place->sys, place->dir, label, err) &&
	     sled_file_replace(place->sys, folder, name, 0444,
	                       sled_buf_span(text), err);
	if (folder != -1)
		(void)place->sys->close(place->sys->ctx, folder);
	return ok;
}

static bool
add_line(struct sled_buf *list, const char *file,
         const struct sled_hash *sha256, struct sled_err *err)
{
	char hex[SLED_HASH_HEX];

	sled_hash_hex(hex, sha256);
	return sled_buf_printf(list, err, "%s  %s\n", hex, file);
}

/* ---- making it ---- */

/* A file that par2 made, out of the scratch folder. */
static bool
take_made(struct sled_store *store, const struct sled_volume_row *volume,
          const char *file, struct sled_buf *list, struct sled_err *err)
{
	struct sled_place scratch = { .sys = store->sys,
		                      .path = store->state,
		                      .dir = store->state_dir };
	struct sled_hash was, is;
	struct sled_reading from;
	bool ok = sled_place_hash(&scratch, FOLDER, file, &was, err) &&
	          sled_reading_open(&from, &scratch, FOLDER, file, false, err);

	if (!ok)
		return false;
	ok = copy_file(sled_store_first(store), volume->label, file, &from, &is,
	               err);
	sled_reading_close(&from);
	return ok &&
	       (sled_hash_equal(&was, &is) ||
	        sled_fail(err, SLED_ERR_IO,
	                  "%s was read back other than it "
	                  "was written",
	                  file)) &&
	       add_line(list, file, &is, err);
}

static bool
take_all(struct sled_store *store, const struct sled_volume_row *volume,
         const char *sealed, struct sled_err *err)
{
	struct sled_buf files = { 0 }, list = { 0 };
	unsigned count = 0;
	bool ok =
	    sled_dir_list(&files, store->sys, store->state_dir, FOLDER, err);

	for (size_t at = 0; ok && at < files.len;
	     at += strlen(files.data + at) + 1)
		if (sled_is_parity(files.data + at, sealed)) {
			count++;
			ok = take_made(store, volume, files.data + at, &list,
			               err);
		}
	if (ok && count < 2)
		ok = sled_fail(err, SLED_ERR_IO, "par2 made %u files", count);
	ok = ok && put_list(sled_store_first(store), volume->label, sealed,
	                    &list, err);
	sled_buf_free(&files);
	sled_buf_free(&list);
	return ok;
}

/* Of bytes that are not the volume's there is nothing to be made. */
static bool
is_sound(struct sled_store *store, const struct sled_volume_row *volume,
         const char *sealed, struct sled_err *err)
{
	struct sled_hash now;

	return sled_place_hash(sled_store_first(store), volume->label, sealed,
	                       &now, err) &&
	       (sled_hash_equal(&now, &volume->sha256) ||
	        sled_fail(err, SLED_ERR_DAMAGED,
	                  "it has other bytes than were stored: `mailsled "
	                  "repair`"));
}

static bool
make(struct sled_store *store, const struct sled_volume_row *volume,
     struct sled_err *err)
{
	char sealed[SLED_VOLUME_FILE];
	struct sled_err why = { 0 };
	int dir = -1;
	bool ok;

	sealed_name(sealed, volume);
	ok = is_sound(store, volume, sealed, err) &&
	     sled_folder_empty(store, FOLDER, &dir, err) &&
	     create(store, volume, sealed, err) &&
	     take_all(store, volume, sealed, err);
	if (dir != -1)
		(void)store->sys->close(store->sys->ctx, dir);
	dir = -1;
	(void)!sled_folder_empty(store, FOLDER, &dir, &why);
	if (dir != -1)
		(void)store->sys->close(store->sys->ctx, dir);
	return ok;
}

bool
sled_parity_make(struct sled_store *store, const struct sled_volume_row *volume,
                 bool *made, struct sled_err *err)
{
	struct sled_err why = { 0 };
	bool pruned = false;

	*made = false;
	if (store->conf.par2 == NULL || !volume->sealed)
		return true;
	if (!sled_ledger_pruned(store->ledger, volume->id, store->seats[0].id,
	                        &pruned, err))
		return false;
	if (pruned || has_list(sled_store_first(store), volume))
		return true;
	*made = make(store, volume, &why);
	if (!*made)
		sled_store_say(store, "%s/%s: no parity: %s", volume->label,
		               volume->name, why.text);
	return true;
}

/* ---- the list, read ---- */

struct listed {
	char file[NAME_MOST];
	struct sled_hash sha256;
};

/* The next line of TEXT at *AT: false at the end, and where it is damaged. */
static bool
next_listed(const struct sled_buf *text, size_t *at, struct listed *out)
{
	const char *line = text->data + *at;
	const char *end;
	size_t len;

	if (*at >= text->len)
		return false;
	end = memchr(line, '\n', text->len - *at);
	len = end == NULL ? 0 : (size_t)(end - line);
	if (len < 67 || len - 66 >= sizeof(out->file) || line[64] != ' ')
		return false;
	memcpy(out->file, line + 66, len - 66);
	out->file[len - 66] = '\0';
	*at += len + 1;
	return sled_text_unhex(out->sha256.b, line, sizeof(out->sha256.b));
}

static bool
read_list(struct sled_place *place, const struct sled_volume_row *volume,
          struct sled_buf *text, struct sled_err *err)
{
	char sealed[SLED_VOLUME_FILE], list[NAME_MOST], name[160];

	sealed_name(sealed, volume);
	list_name(list, sealed);
	(void)snprintf(name, sizeof(name), "%s/%s", volume->label, list);
	return sled_file_slurp(text, place->sys, place->dir, name, LIST_MAX,
	                       err);
}

/* ---- copying ---- */

static bool
copy_listed(struct sled_place *from, struct sled_place *to, const char *label,
            const struct listed *listed, struct sled_err *err)
{
	struct sled_reading reading;
	struct sled_hash now;
	bool ok;

	if (!sled_reading_open(&reading, from, label, listed->file, false, err))
		return false;
	ok = copy_file(to, label, listed->file, &reading, &now, err);
	sled_reading_close(&reading);
	if (!ok || sled_hash_equal(&now, &listed->sha256))
		return ok;
	sled_append_undo(to, label, listed->file, 0);
	return sled_fail(err, SLED_ERR_DAMAGED, "%s/%s/%s is damaged",
	                 from->path, label, listed->file);
}

static bool
copy_set(struct sled_place *from, struct sled_place *to,
         const struct sled_volume_row *volume, struct sled_err *err)
{
	char sealed[SLED_VOLUME_FILE];
	struct sled_buf text = { 0 };
	struct listed listed;
	size_t at = 0;
	bool ok = read_list(from, volume, &text, err);

	sealed_name(sealed, volume);
	while (ok && next_listed(&text, &at, &listed))
		ok =
		    !sled_is_parity(listed.file, sealed)
			? sled_fail(err, SLED_ERR_DAMAGED, "list of %s", sealed)
			: copy_listed(from, to, volume->label, &listed, err);
	if (ok && at != text.len)
		ok = sled_fail(err, SLED_ERR_DAMAGED, "list of %s", sealed);
	ok = ok && put_list(to, volume->label, sealed, &text, err);
	sled_buf_free(&text);
	return ok;
}

static void
copy_parity(struct sled_store *store, struct sled_seat *seat,
            const struct sled_volume_row *volume)
{
	if (has_list(&seat->place, volume))
		return;
	for (size_t i = 0; i < store->len && !seat->place.out; i++) {
		struct sled_seat *from = &store->seats[i];
		struct sled_err why = { 0 };

		if (from == seat || !sled_seat_usable(from) ||
		    !has_list(&from->place, volume))
			continue;
		if (copy_set(&from->place, &seat->place, volume, &why))
			return;
		sled_store_say(store, "%s: parity of %s/%s: %s",
		               seat->place.path, volume->label, volume->name,
		               why.text);
	}
}

static bool
put_tsv(struct sled_place *place, const char *label, const char *file,
        const struct sled_buf *text, struct sled_err *err)
{
	int folder = -1;
	bool ok = sled_dir_open(&folder, place->sys, place->dir, label, err) &&
	          sled_file_replace(place->sys, folder, file, 0444,
	                            sled_buf_span(text), err);

	if (folder != -1)
		(void)place->sys->close(place->sys->ctx, folder);
	return ok;
}

static void
copy_tsv(struct sled_store *store, struct sled_seat *seat,
         const struct sled_volume_row *volume)
{
	struct sled_revision revision = { 0 };
	struct sled_buf text = { 0 };
	struct sled_err why = { 0 };
	char file[SLED_VOLUME_FILE];
	uint64_t size = 0;
	bool there = true;

	sled_revision_file(file, volume->name, volume->revision);
	if (!sled_place_size(&seat->place, volume->label, file, &size, &there,
	                     &why) ||
	    there)
		return;
	if (!sled_revision_load(store, volume, &revision, &why) ||
	    !sled_revision_format(&text, &revision, &why) ||
	    !put_tsv(&seat->place, volume->label, file, &text, &why))
		sled_store_say(store, "%s: %s: %s", seat->place.path, file,
		               why.text);
	sled_buf_free(&text);
	sled_revision_free(&revision);
}

void
sled_beside_copy(struct sled_store *store, struct sled_seat *seat,
                 const struct sled_volume_row *volume)
{
	copy_parity(store, seat, volume);
	if (volume->revision > 0)
		copy_tsv(store, seat, volume);
}

void
sled_beside_give(struct sled_store *store, struct sled_seat *seat,
                 const struct sled_volume_row *volume)
{
	struct sled_volume_found found;
	struct sled_err why = { 0 };

	if (sled_seat_usable(seat) &&
	    sled_seat_volume(seat, volume, &found, &why) && found.there &&
	    found.sealed)
		sled_beside_copy(store, seat, volume);
}

/* ---- holding it against its list ---- */

static bool
check_listed(struct sled_seat *seat, const char *label,
             const struct listed *listed, bool deep, bool *holds,
             struct sled_err *err)
{
	struct sled_hash now;
	uint64_t size = 0;

	*holds = true;
	if (!sled_place_size(&seat->place, label, listed->file, &size, holds,
	                     err))
		return false;
	if (!*holds || !deep)
		return true;
	*holds =
	    sled_place_hash(&seat->place, label, listed->file, &now, err) &&
	    sled_hash_equal(&now, &listed->sha256);
	*err = (struct sled_err){ 0 };
	return true;
}

bool
sled_parity_check(struct sled_seat *seat, const struct sled_volume_row *volume,
                  bool deep, char fault[256], struct sled_err *err)
{
	struct sled_buf text = { 0 };
	struct listed listed;
	size_t at = 0;
	bool holds = true, ok = true;

	fault[0] = '\0';
	if (!has_list(&seat->place, volume))
		return true;
	if (!read_list(&seat->place, volume, &text, err)) {
		(void)snprintf(fault, 256, "the list of its parity: %.200s",
		               err->text);
		*err = (struct sled_err){ 0 };
	}
	while (ok && holds && next_listed(&text, &at, &listed)) {
		ok = check_listed(seat, volume->label, &listed, deep, &holds,
		                  err);
		if (ok && !holds)
			(void)snprintf(fault, 256,
			               "its parity does not hold: %s",
			               listed.file);
	}
	if (ok && holds && at != text.len)
		(void)snprintf(fault, 256, "the list of its parity is damaged");
	sled_buf_free(&text);
	return ok;
}

/* ---- mending it ---- */

static bool
tsv_holds(struct sled_seat *seat, const char *label, const char *file)
{
	struct sled_revision revision = { 0 };
	struct sled_buf text = { 0 };
	struct sled_err why = { 0 };
	char name[128];
	bool ok;

	(void)snprintf(name, sizeof(name), "%s/%s", label, file);
	ok = !sled_file_slurp(&text, seat->place.sys, seat->place.dir, name,
	                      SLED_REVISION_MAX, &why)
	         ? why.kind == SLED_ERR_MISSING
	         : sled_revision_parse(sled_buf_span(&text), &revision, &why);
	sled_revision_free(&revision);
	sled_buf_free(&text);
	return ok;
}

/* What does not hold goes to quarantine: the list, or the .tsv. */
static bool
put_aside(struct sled_seat *seat, const struct sled_volume_row *volume,
          bool *damaged, struct sled_err *err)
{
	char sealed[SLED_VOLUME_FILE], name[NAME_MOST], fault[256];
	bool ok = sled_parity_check(seat, volume, true, fault, err);

	*damaged = ok && fault[0] != '\0';
	if (*damaged) {
		sealed_name(sealed, volume);
		list_name(name, sealed);
		ok = sled_place_quarantine(&seat->place, volume->label, name,
		                           err);
	}
	sled_revision_file(sealed, volume->name, volume->revision);
	if (!ok || volume->revision == 0 ||
	    tsv_holds(seat, volume->label, sealed))
		return ok;
	*damaged = true;
	return sled_place_quarantine(&seat->place, volume->label, sealed, err);
}

bool
sled_beside_mend(struct sled_store *store, const struct sled_volume_row *volume,
                 uint64_t *mended, struct sled_err *err)
{
	bool any = false, made = false;

	for (size_t i = 0; i < store->len; i++) {
		bool damaged = false;

		if (!sled_seat_usable(&store->seats[i]))
			continue;
		if (!put_aside(&store->seats[i], volume, &damaged, err))
			return false;
		*mended += damaged;
		any = any || damaged;
	}
	if (!any)
		return true;
	for (size_t i = 0; i < store->len; i++)
		sled_beside_give(store, &store->seats[i], volume);
	if (!sled_parity_make(store, volume, &made, err))
		return false;
	for (size_t i = 1; made && i < store->len; i++)
		sled_beside_give(store, &store->seats[i], volume);
	return true;
}
