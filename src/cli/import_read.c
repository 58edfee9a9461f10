/* import_read.c - a message of another program's, read once before it is taken:
 * its hash tells whether it is there, its header when it came. */
#include <string.h>
#include <strings.h>

#include "cli/import.h"

bool
sled_cli_letter_new(struct sled_cli_letter *letter, struct sled_err *err)
{
	*letter = (struct sled_cli_letter){ 0 };
	return sled_intake_new(&letter->intake, err);
}

void
sled_cli_letter_free(struct sled_cli_letter *letter)
{
	sled_intake_free(&letter->intake);
	sled_buf_free(&letter->head);
}

static bool
take_bytes(void *ctx, struct sled_span bytes, struct sled_err *err)
{
	struct sled_cli_letter *letter = ctx;
	size_t room = SLED_IMPORT_HEAD - letter->head.len;

	if (!sled_intake_feed(letter->intake, bytes, err))
		return false;
	return room == 0 ||
	       sled_buf_add(&letter->head, bytes.data,
	                    bytes.len < room ? bytes.len : room, err);
}

/* The value of the first Received field, folds and all; none: length 0. */
static struct sled_span
find_received(const struct sled_buf *head)
{
	static const char name[] = "\r\nReceived:";
	struct sled_span value = { "", 0 };
	size_t len = sizeof(name) - 1, at = 0, begin;

	/* The first line has none before it. */
	if (head->len < len || strncasecmp(head->data, name + 2, len - 2) != 0)
		while (at + len <= head->len &&
		       strncasecmp(head->data + at, name, len) != 0) {
			if (at + 4 <= head->len &&
			    memcmp(head->data + at, "\r\n\r\n", 4) == 0)
				return value;
			at++;
		}
	else
		len -= 2;
	if (at + len > head->len)
		return value;
	begin = at += len;
	while (at + 2 < head->len &&
	       (memcmp(head->data + at, "\r\n", 2) != 0 ||
	        head->data[at + 2] == ' ' || head->data[at + 2] == '\t'))
		at++;
	return (struct sled_span){ head->data + begin, at - begin };
}

/* The date stands behind its last semicolon. */
static bool
received_at(const struct sled_buf *head, int64_t *when)
{
	struct sled_span value = find_received(head);
	const char *semicolon =
	    value.len == 0 ? NULL : memrchr(value.data, ';', value.len);
	struct sled_span date;

	if (semicolon == NULL)
		return false;
	date.data = semicolon + 1;
	date.len = (size_t)(value.data + value.len - date.data);
	return sled_cli_date_parse(date, when);
}

static int64_t
when_received(const struct sled_cli_letter *letter,
              const struct sled_mailbox_item *item, int64_t now)
{
	int64_t when = sled_mailbox_stamp(item);

	if (when > 0 && when <= now)
		return when;
	if (received_at(&letter->head, &when) && when > 0 && when <= now)
		return when;
	if (sled_cli_date_parse(letter->digest.date, &when) && when > 0 &&
	    when <= now)
		return when;
	return sled_mailbox_changed(item);
}

bool
sled_cli_letter_read(struct sled_cli_letter *letter,
                     struct sled_mailbox_item *item, int64_t now,
                     struct sled_err *err)
{
	sled_intake_begin(letter->intake);
	letter->head.len = 0;
	if (!sled_mailbox_read(item, take_bytes, letter, err))
		return false;
	letter->digest = sled_intake_end(letter->intake);
	letter->received = when_received(letter, item, now);
	return true;
}
