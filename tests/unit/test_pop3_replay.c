/*
 * test_pop3_replay.c - golden transcripts of servers and their habits.
 *
 * A transcript is transcripts/pop3/<server>-<case>.txt, of lines
 *   # text      a comment
 *   C: line     queue this command; exactly this line must then be due. After
 *               a challenge it is the answer
 *   S: text     the server's bytes and CRLF, or what \c or \l end the text with
 *   E: event    what the engine tells, in the words of tell() below
 * In S, \r \n \t \0 \\ and \xHH are bytes, \c at the end means no line end, \l
 * a bare LF, and \{N*TEXT} is TEXT, N times. All S up to the next C are one
 * feeding; the E up to there must be all that came of it.
 *
 * Each is fed whole, in pieces of 1 to 40 bytes, and cut in two at every byte
 * (long ones near both ends), always with the same events; and at every such
 * cut what was told is the beginning of what is told in the end.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mailsled/buf.h"
#include "mailsled/pop3.h"

#define FOLDER     "tests/unit/transcripts/pop3"
#define LINES      2000
#define LONG       4096 /* server bytes; above, cut near the ends only */
#define LONG_TEXT  200
#define SHOWN_TEXT 24
#define CHUNKS     40

struct script {
	char name[128];

	struct {
		char kind; /* C, S or E */
		struct sled_buf bytes;
	} line[LINES];

	size_t lines, server_len;
};

struct run {
	const struct script *script;
	struct sled_pop3 *pop;
	struct sled_buf log, body;
	struct sled_pop3_event of; /* whose body it is */
	size_t chunk;              /* feed at most so much */
	size_t cut;                /* and end a feeding at this byte */
	size_t fed;
	bool challenged, failed;
	const char *expected; /* all E lines, or NULL */
};

static struct sled_err err;

static void
add(struct sled_buf *buf, const char *data, size_t len)
{
	assert_true(sled_buf_add(buf, data, len, &err));
}

static void
add_text(struct sled_buf *buf, const char *text)
{
	add(buf, text, strlen(text));
}

/* Reading a transcript. */

static char
escaped(const char **at)
{
	char hex[3] = "";
	char c = *(*at)++;

	switch (c) {
	case 'r':
		return '\r';
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case '0':
		return '\0';
	case '\\':
		return '\\';
	case 'x':
		memcpy(hex, *at, 2);
		*at += 2;
		return (char)strtoul(hex, NULL, 16);
	default:
		fail_msg("unknown escape \\%c", c);
		return 0;
	}
}

static void
repeat(struct sled_buf *out, const char **at)
{
	char *star;
	unsigned long times = strtoul(*at + 1, &star, 10);
	const char *end = strchr(star, '}');

	assert_true(*star == '*' && end != NULL);
	for (; times > 0; times--)
		add(out, star + 1, (size_t)(end - star - 1));
	*at = end + 1;
}

static void
server_bytes(struct sled_buf *out, const char *text)
{
	while (*text != '\0') {
		char c = *text++;

		if (c == '\\' && strcmp(text, "c") == 0)
			return;
		if (c == '\\' && strcmp(text, "l") == 0) {
			add(out, "\n", 1);
			return;
		}
		if (c == '\\' && *text == '{') {
			repeat(out, &text);
			continue;
		}
		if (c == '\\')
			c = escaped(&text);
		add(out, &c, 1);
	}
	add(out, "\r\n", 2);
}

static void
read_line(struct script *script, const char *line)
{
	struct sled_buf *bytes = &script->line[script->lines].bytes;

	if (line[0] == '\0' || line[0] == '#')
		return;
	assert_true(strchr("CSE", line[0]) != NULL && line[1] == ':');
	assert_true(script->lines < LINES);
	script->line[script->lines++].kind = line[0];
	line += line[2] == ' ' ? 3 : 2;
	if (line[-1] == ':')
		assert_int_equal(*line, 0);
	switch (script->line[script->lines - 1].kind) {
	case 'S':
		server_bytes(bytes, line);
		script->server_len += bytes->len;
		break;
	default:
		add_text(bytes, line);
		add(bytes, "\n", 1);
	}
}

static void
read_script(struct script *script, const char *name)
{
	char path[512];
	char *line = NULL;
	size_t room = 0;
	FILE *file;

	memset(script, 0, sizeof(*script));
	(void)snprintf(script->name, sizeof(script->name), "%s", name);
	(void)snprintf(path, sizeof(path), "%s/%s", FOLDER, name);
	file = fopen(path, "r");
	assert_non_null(file);
	while (getline(&line, &room, file) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		read_line(script, line);
	}
	free(line);
	assert_int_equal(fclose(file), 0);
	assert_true(script->lines > 0);
}

static void
free_script(struct script *script)
{
	for (size_t i = 0; i < script->lines; i++)
		sled_buf_free(&script->line[i].bytes);
}

/* Telling events. */

static const char *const kinds[] = {
	"GREETING", "ACCEPTED", "REFUSED", "CHALLENGE", "LISTED", "BODY", "END",
};

/* In quotes, escaped; of a long one the beginning, length and a checksum. */
static void
tell_text(struct sled_buf *log, struct sled_span text)
{
	size_t len = text.len > LONG_TEXT ? SHOWN_TEXT : text.len;
	unsigned long sum = 5381;

	add_text(log, " \"");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (c == '\r' || c == '\n')
			add_text(log, c == '\r' ? "\\r" : "\\n");
		else if (c < ' ' || c > '~' || c == '"' || c == '\\')
			assert_true(sled_buf_printf(log, &err, "\\x%02x", c));
		else
			add(log, text.data + i, 1);
	}
	add_text(log, "\"");
	if (len == text.len)
		return;
	for (size_t i = 0; i < text.len; i++)
		sum = (sum * 33 + (unsigned char)text.data[i]) & 0xffffffff;
	assert_true(
	    sled_buf_printf(log, &err, "... of %zu sum %08lx", text.len, sum));
}

static void
tell(struct sled_buf *log, const struct sled_pop3_event *event)
{
	add_text(log, kinds[event->kind]);
	if (event->verb != SLED_POP3_NONE)
		assert_true(sled_buf_printf(log, &err, " %s",
		                            sled_pop3_word(event->verb)));
	if (event->msg != 0)
		assert_true(sled_buf_printf(log, &err, " %u", event->msg));
	if (event->count != 0)
		assert_true(
		    sled_buf_printf(log, &err, " count=%u", event->count));
	if (event->size != 0)
		assert_true(sled_buf_printf(log, &err, " size=%llu",
		                            (unsigned long long)event->size));
	add_text(log, event->bad ? " bad" : "");
	add_text(log, event->cut ? " cut" : "");
	if (event->code.len > 0) {
		add_text(log, " code");
		tell_text(log, event->code);
	}
	if (event->kind != SLED_POP3_END)
		tell_text(log, event->text);
	add_text(log, "\n");
}

static void
tell_body(struct run *run)
{
	if (run->body.len == 0)
		return;
	run->of.text = sled_buf_span(&run->body);
	tell(&run->log, &run->of);
	run->body.len = 0;
}

static void
on_event(struct run *run, const struct sled_pop3_event *event)
{
	if (event->kind == SLED_POP3_BODY) {
		assert_true(event->text.len > 0);
		add(&run->body, event->text.data, event->text.len);
		run->of = *event;
		return;
	}
	tell_body(run);
	tell(&run->log, event);
	run->challenged = event->kind == SLED_POP3_CHALLENGE;
}

/* Running. */

/* From memory of its own, so that a late use of lent bytes is seen. */
static void
feed(struct run *run, const char *data, size_t len)
{
	struct sled_pop3_event event;
	enum sled_pop3_step step;
	char *lent = malloc(len);

	assert_non_null(lent);
	memcpy(lent, data, len);
	sled_pop3_feed(run->pop, (struct sled_span){ lent, len });
	while ((step = sled_pop3_next(run->pop, &event, &err)) ==
	       SLED_POP3_EVENT)
		on_event(run, &event);
	free(lent);
	run->fed += len;
	if (step != SLED_POP3_FAILED || run->failed)
		return;
	run->failed = true;
	tell_body(run);
	assert_int_equal(err.kind, SLED_ERR_PROTO);
	assert_true(sled_buf_printf(&run->log, &err, "FAILED %s\n", err.text));
}

/* What was told up to the cut is the beginning of it all. */
static void
check_beginning(const struct run *run)
{
	if (run->expected == NULL || run->log.len == 0)
		return;
	if (strncmp(run->expected, run->log.data, run->log.len) != 0)
		fail_msg("%s: cut at %zu: told\n%s", run->script->name,
		         run->cut, run->log.data);
}

static void
feed_pieces(struct run *run, struct sled_span in)
{
	while (in.len > 0) {
		size_t len = in.len < run->chunk ? in.len : run->chunk;

		if (run->fed < run->cut && run->fed + len > run->cut)
			len = run->cut - run->fed;
		feed(run, in.data, len);
		in.data += len;
		in.len -= len;
		if (run->fed == run->cut)
			check_beginning(run);
	}
}

static bool
queue_message(struct sled_pop3 *pop, const char *word, unsigned msg,
              unsigned lines)
{
	if (strcmp(word, "LIST") == 0)
		return sled_pop3_list(pop, msg, &err);
	if (strcmp(word, "UIDL") == 0)
		return sled_pop3_uidl(pop, msg, &err);
	if (strcmp(word, "TOP") == 0)
		return sled_pop3_top(pop, msg, lines, &err);
	if (strcmp(word, "RETR") == 0)
		return sled_pop3_retr(pop, msg, &err);
	if (strcmp(word, "DELE") == 0)
		return sled_pop3_dele(pop, msg, &err);
	fail_msg("unknown command %s", word);
	return false;
}

static bool
queue_plain(struct sled_pop3 *pop, const char *word)
{
	if (strcmp(word, "CAPA") == 0)
		return sled_pop3_capa(pop, &err);
	if (strcmp(word, "STLS") == 0)
		return sled_pop3_stls(pop, &err);
	if (strcmp(word, "STAT") == 0)
		return sled_pop3_stat(pop, &err);
	if (strcmp(word, "RSET") == 0)
		return sled_pop3_rset(pop, &err);
	if (strcmp(word, "NOOP") == 0)
		return sled_pop3_noop(pop, &err);
	if (strcmp(word, "QUIT") == 0)
		return sled_pop3_quit(pop, &err);
	return queue_message(pop, word, 0, 0);
}

static bool
queue(struct run *run, char *line)
{
	char *word = line, *one, *two = NULL;

	if (run->challenged)
		return sled_pop3_respond(run->pop, line, &err);
	one = strchr(line, ' ');
	if (one == NULL)
		return queue_plain(run->pop, word);
	*one++ = '\0';
	if (strcmp(word, "USER") == 0)
		return sled_pop3_user(run->pop, one, &err);
	if (strcmp(word, "PASS") == 0)
		return sled_pop3_pass(run->pop, one, &err);
	two = strchr(one, ' ');
	if (two != NULL)
		*two++ = '\0';
	if (strcmp(word, "AUTH") == 0)
		return sled_pop3_auth(run->pop, one, two, &err);
	return queue_message(run->pop, word, (unsigned)atoi(one),
	                     two == NULL ? 0 : (unsigned)atoi(two));
}

static void
command(struct run *run, const struct sled_buf *bytes)
{
	char line[512];
	struct sled_span due;

	(void)snprintf(line, sizeof(line), "%.*s", (int)bytes->len - 1,
	               bytes->data);
	if (!queue(run, line))
		fail_msg("%s: %s", run->script->name, err.text);
	run->challenged = false;
	due = sled_pop3_pending(run->pop);
	assert_int_equal(due.len, bytes->len + 1);
	assert_memory_equal(due.data, bytes->data, bytes->len - 1);
	assert_memory_equal(due.data + due.len - 2, "\r\n", 2);
	sled_pop3_sent(run->pop, due.len);
	assert_int_equal(sled_pop3_pending(run->pop).len, 0);
}

/* All S lines from line I on, up to the next C, as one feeding. */
static void
serve(struct run *run, size_t i)
{
	struct sled_buf bytes = { 0 };

	for (; i < run->script->lines && run->script->line[i].kind != 'C'; i++)
		if (run->script->line[i].kind == 'S')
			add(&bytes, run->script->line[i].bytes.data,
			    run->script->line[i].bytes.len);
	feed_pieces(run, sled_buf_span(&bytes));
	sled_buf_free(&bytes);
}

static void
check_log(const struct run *run, const struct sled_buf *want)
{
	const char *told = run->log.len == 0 ? "" : run->log.data;

	if (strcmp(told, want->len == 0 ? "" : want->data) != 0)
		fail_msg("%s: pieces of %zu, cut at %zu: told\n%s",
		         run->script->name, run->chunk, run->cut, told);
}

static void
replay(const struct script *script, size_t chunk, size_t cut,
       const char *expected)
{
	struct run run = { .script = script, .chunk = chunk, .cut = cut };
	struct sled_buf want = { 0 };
	bool served = false;

	run.expected = expected;
	assert_true(sled_pop3_new(&run.pop, &err));
	for (size_t i = 0; i < script->lines; i++) {
		const struct sled_buf *bytes = &script->line[i].bytes;

		if (script->line[i].kind == 'E') {
			add(&want, bytes->data, bytes->len);
		} else if (script->line[i].kind == 'C') {
			check_log(&run, &want);
			command(&run, bytes);
			served = false;
		} else if (!served) {
			serve(&run, i);
			served = true;
		}
	}
	tell_body(&run);
	check_log(&run, &want);
	assert_int_equal(run.fed, script->server_len);
	sled_buf_free(&want);
	sled_buf_free(&run.log);
	sled_buf_free(&run.body);
	sled_pop3_free(&run.pop);
}

static void
replay_in_all_ways(const struct script *script)
{
	struct sled_buf all = { 0 };
	size_t len = script->server_len;

	for (size_t i = 0; i < script->lines; i++)
		if (script->line[i].kind == 'E')
			add(&all, script->line[i].bytes.data,
			    script->line[i].bytes.len);
	replay(script, SIZE_MAX, SIZE_MAX, NULL);
	for (size_t chunk = 1; chunk <= CHUNKS; chunk++)
		replay(script, chunk, SIZE_MAX, NULL);
	for (size_t cut = 1; cut < len; cut++) {
		if (len > LONG && cut == LONG / 8)
			cut = len - LONG / 8;
		replay(script, SIZE_MAX, cut, all.data);
	}
	sled_buf_free(&all);
}

static int
is_transcript(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot != NULL && strcmp(dot, ".txt") == 0;
}

static void
test_events_do_not_depend_on_how_bytes_arrive(void **state)
{
	static struct script script;
	struct dirent **entries = NULL;
	int count = scandir(FOLDER, &entries, is_transcript, alphasort);

	(void)state;
	assert_true(count >= 64);
	for (int i = 0; i < count; i++) {
		read_script(&script, entries[i]->d_name);
		replay_in_all_ways(&script);
		free_script(&script);
		free(entries[i]);
	}
	free(entries);
	print_message("%d transcripts\n", count);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events_do_not_depend_on_how_bytes_arrive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
