/* read_main.c - mailsled-reader: the commands that decode mail. It is run by
 * mailsled, with the same words. */
#include "cli/read.h"

static const struct sled_cli_command *const table[] = {
	&sled_cli_list,       &sled_cli_read_search,
	&sled_cli_read_show,  &sled_cli_read_extract,
	&sled_cli_export,     &sled_cli_read_index,
	&sled_cli_read_serve, NULL,
};

static bool
decode(const struct sled_message *message, bool name, struct sled_buf *from,
       struct sled_buf *subject, struct sled_err *err)
{
	return (name ? sled_words_name(from, message->from, err)
	             : sled_words_people(from, message->from, err)) &&
	       sled_words_text(subject, message->subject, err);
}

static const struct sled_cli_reading reading = { decode, sled_cli_read_query };

int
main(int argc, char **argv)
{
	struct sled_cli cli = { .sys = sled_sys_posix(),
		                .reading = &reading,
		                .saying = PTHREAD_MUTEX_INITIALIZER };

	sled_cli_main(&cli, table, argc, argv);
}
