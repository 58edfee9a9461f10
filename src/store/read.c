/* read.c - stored messages' bytes, from whichever place still has them. */
#include <stdlib.h>
#include <string.h>

#include "store/store.h"

struct wanted {
	struct sled_store *store;
	const struct sled_message *message; /* NULL: all of the member */
	const struct sled_member_reader *reader;
	bool matches; /* the message that is coming is the one */
	bool done;
	bool refused; /* by READER: no other place mends that */
};

static bool
on_begin(void *ctx, const struct sled_receipt *receipt, uint64_t tar_at,
         struct sled_err *err)
{
	struct wanted *wanted = ctx;
	const struct sled_message *message = wanted->message;
	uint64_t number = receipt->number;
	bool known = false;

	(void)tar_at;
	/* Another record is another message, whatever its number is. */
	wanted->matches =
	    message == NULL || strcmp(receipt->record, message->record) == 0;
	if (!wanted->matches)
		return true;
	if (!sled_ledger_record_number(wanted->store->ledger, receipt->record,
	                               &number, &known, err))
		return false;
	wanted->matches = message == NULL || number == message->number;
	wanted->refused = wanted->matches &&
	                  !wanted->reader->begin(wanted->reader->ctx, number,
	                                         receipt->octets, err);
	return !wanted->refused;
}

static bool
on_data(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	struct wanted *wanted = ctx;

	wanted->refused =
	    wanted->matches &&
	    !wanted->reader->data(wanted->reader->ctx, data, len, err);
	return !wanted->refused;
}

static bool
on_end(void *ctx, const struct sled_receipt *receipt, struct sled_err *err)
{
	struct wanted *wanted = ctx;

	(void)receipt;
	(void)err;
	wanted->done =
	    wanted->done || (wanted->matches && wanted->message != NULL);
	wanted->matches = false;
	return true;
}

/* ---- one place ---- */

/* Does the member hold here, byte for byte? Only then is it read out. */
static bool
read_from(struct sled_reading *reading, const struct sled_member_row *row,
          struct wanted *wanted, struct sled_err *err)
{
	const struct sled_member_visitor visitor = {
		wanted, NULL, NULL, on_begin, on_data, on_end,
	};
	const struct sled_member_sum expected = { row->length, row->tar_octets,
		                                  row->body_sha256 };
	struct sled_member_sum sum;
	unsigned seq = 0;

	if (!sled_member_compare(&reading->source, row->at, &expected, err) ||
	    !sled_member_check(&reading->source, row->at, &visitor, &sum, &seq,
	                       err))
		return false;
	wanted->done = wanted->done || wanted->message == NULL;
	return true;
}

static bool
try_seat(struct sled_seat *seat, const struct sled_volume_row *volume,
         const struct sled_member_row *row, struct wanted *wanted,
         struct sled_err *err)
{
	struct sled_reading reading;
	bool ok;

	if (!sled_seat_read(&reading, seat, volume, false, err))
		return false;
	ok = read_from(&reading, row, wanted, err);
	sled_reading_close(&reading);
	if (!ok && !wanted->refused)
		(void)sled_note(err, "%s", seat->place.path);
	return ok;
}

/* False: no other place would do better. */
static bool
ask_seat(struct sled_seat *seat, const struct sled_volume_row *volume,
         const struct sled_member_row *row, struct wanted *wanted,
         struct sled_err *err)
{
	struct sled_err why = { 0 };
	bool holds = try_seat(seat, volume, row, wanted, &why);

	if (holds && !wanted->done)
		(void)sled_fail(&why, SLED_ERR_DAMAGED,
		                "not in the member that it was in");
	*err = why;
	if (wanted->refused)
		return false;
	return wanted->done || why.kind == SLED_ERR_DAMAGED ||
	       why.kind == SLED_ERR_IO || why.kind == SLED_ERR_MISSING;
}

/* Place after place, until one gives what is wanted. */
static bool
ask_seats(struct sled_store *store, int64_t member, struct wanted *wanted,
          struct sled_err *err)
{
	struct sled_member_row row;
	struct sled_volume_row volume;

	if (!sled_ledger_member_get(store->ledger, member, &row, err) ||
	    !sled_ledger_volume_get(store->ledger, row.volume, &volume, err))
		return false;
	(void)sled_fail(err, SLED_ERR_PLACE, "no place is there");
	for (size_t i = 0; i < store->len && !wanted->done; i++)
		if (store->seats[i].present &&
		    !ask_seat(&store->seats[i], &volume, &row, wanted, err))
			return false;
	if (wanted->done)
		*err = (struct sled_err){ 0 };
	return wanted->done;
}

bool
sled_store_read(struct sled_store *store, const struct sled_message *message,
                const struct sled_member_reader *reader, struct sled_err *err)
{
	struct wanted wanted = { store, .message = message, .reader = reader };

	return ask_seats(store, message->member, &wanted, err) ||
	       sled_note(err, "message %llu of %s",
	                 (unsigned long long)message->number, message->label);
}

bool
sled_store_read_member(struct sled_store *store, int64_t member,
                       const struct sled_member_reader *reader,
                       struct sled_err *err)
{
	struct wanted wanted = { store, .reader = reader };

	return ask_seats(store, member, &wanted, err);
}
