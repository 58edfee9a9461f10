/* command.c - the queue of commands, and the bytes due to the server. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

bool
sled_pop3_new(struct sled_pop3 **out, struct sled_err *err)
{
	*out = calloc(1, sizeof(**out));
	if (*out == NULL)
		return sled_fail_sys(err, ENOMEM, "POP3 engine");
	return true;
}

void
sled_pop3_free(struct sled_pop3 **pop)
{
	if (*pop == NULL)
		return;
	sled_buf_wipe(&(*pop)->out);
	explicit_bzero(*pop, sizeof(**pop));
	free(*pop);
	*pop = NULL;
}

const char *
sled_pop3_word(enum sled_pop3_verb verb)
{
	static const char *const word[] = {
		[SLED_POP3_NONE] = "greeting", [SLED_POP3_CAPA] = "CAPA",
		[SLED_POP3_STLS] = "STLS",     [SLED_POP3_AUTH] = "AUTH",
		[SLED_POP3_USER] = "USER",     [SLED_POP3_PASS] = "PASS",
		[SLED_POP3_STAT] = "STAT",     [SLED_POP3_LIST] = "LIST",
		[SLED_POP3_UIDL] = "UIDL",     [SLED_POP3_TOP] = "TOP",
		[SLED_POP3_RETR] = "RETR",     [SLED_POP3_DELE] = "DELE",
		[SLED_POP3_RSET] = "RSET",     [SLED_POP3_NOOP] = "NOOP",
		[SLED_POP3_QUIT] = "QUIT",
	};
	return word[verb];
}

size_t
sled_pop3_room(const struct sled_pop3 *pop)
{
	if (pop->stls || pop->state == POP3_FAILED)
		return 0;
	return SLED_POP3_QUEUE_MAX - pop->queued;
}

size_t
sled_pop3_waiting(const struct sled_pop3 *pop)
{
	return pop->queued;
}

uint32_t
sled_pop3_due(const struct sled_pop3 *pop)
{
	return pop->queued == 0 ? 0 : pop->queue[pop->head].msg;
}

void
sled_pop3_answered(struct sled_pop3 *pop)
{
	if (pop->queue[pop->head].verb == SLED_POP3_STLS)
		pop->stls = false;
	pop->challenged = false;
	pop->head = (pop->head + 1) % SLED_POP3_QUEUE_MAX;
	pop->queued--;
}

/* Move what is unsent to the front; nothing of it stays behind. */
static void
close_gap(struct sled_pop3 *pop)
{
	size_t left = pop->out.len - pop->sent;

	if (pop->sent == 0)
		return;
	memmove(pop->out.data, pop->out.data + pop->sent, left);
	explicit_bzero(pop->out.data + left, pop->sent);
	pop->out.len = left;
	pop->sent = 0;
}

/* WORD and up to two arguments, each NULL where there is none. */
static bool
put_line(struct sled_pop3 *pop, const char *word, const char *one,
         const char *two, struct sled_err *err)
{
	const char *const part[] = { word, one, two };
	size_t len = 4 + strlen(word);

	len += one == NULL ? 0 : strlen(one);
	len += two == NULL ? 0 : strlen(two);
	close_gap(pop);
	if (!sled_buf_reserve(&pop->out, len, err))
		return false;
	for (size_t i = 0; i < 3; i++) {
		if (part[i] == NULL)
			continue;
		if (i > 0 && !sled_buf_add(&pop->out, " ", 1, err))
			return false;
		if (!sled_buf_addstr(&pop->out, part[i], err))
			return false;
	}
	return sled_buf_add(&pop->out, "\r\n", 2, err);
}

/* The argument itself is not told: it may be a secret. */
static bool
check_arg(const char *word, const char *arg, struct sled_err *err)
{
	if (strpbrk(arg, "\r\n") != NULL)
		return sled_fail(err, SLED_ERR_USAGE,
		                 "%s: line break in the argument", word);
	if (strlen(arg) > SLED_POP3_ARG_MAX)
		return sled_fail(err, SLED_ERR_USAGE,
		                 "%s: argument of more than %d octets", word,
		                 SLED_POP3_ARG_MAX);
	return true;
}

static bool
check_word(const char *word, const char *arg, struct sled_err *err)
{
	if (!check_arg(word, arg, err))
		return false;
	if (*arg == '\0' || strpbrk(arg, " \t") != NULL)
		return sled_fail(err, SLED_ERR_USAGE,
		                 "%s: argument is empty or holds a blank",
		                 word);
	return true;
}

static bool
enqueue(struct sled_pop3 *pop, struct pop3_command command, const char *one,
        const char *two, struct sled_err *err)
{
	const char *word = sled_pop3_word(command.verb);
	size_t slot = (pop->head + pop->queued) % SLED_POP3_QUEUE_MAX;

	if (sled_pop3_room(pop) == 0)
		return sled_fail(err, SLED_ERR_INTERNAL,
		                 "%s: the queue takes no more commands%s", word,
		                 pop->stls ? " behind STLS" : "");
	if (!put_line(pop, word, one, two, err))
		return false;
	pop->queue[slot] = command;
	pop->queued++;
	return true;
}

static bool
enqueue_plain(struct sled_pop3 *pop, enum sled_pop3_verb verb,
              struct sled_err *err)
{
	return enqueue(pop, (struct pop3_command){ verb, 0 }, NULL, NULL, err);
}

/* LINES is a second argument, or NULL. */
static bool
enqueue_msg(struct sled_pop3 *pop, enum sled_pop3_verb verb, uint32_t msg,
            const char *lines, struct sled_err *err)
{
	char number[16];

	if (msg == 0)
		return sled_fail(err, SLED_ERR_INTERNAL, "%s: no message 0",
		                 sled_pop3_word(verb));
	(void)snprintf(number, sizeof(number), "%lu", (unsigned long)msg);
	return enqueue(pop, (struct pop3_command){ verb, msg }, number, lines,
	               err);
}

bool
sled_pop3_capa(struct sled_pop3 *pop, struct sled_err *err)
{
	return enqueue_plain(pop, SLED_POP3_CAPA, err);
}

bool
sled_pop3_stls(struct sled_pop3 *pop, struct sled_err *err)
{
	if (!enqueue_plain(pop, SLED_POP3_STLS, err))
		return false;
	pop->stls = true;
	return true;
}

bool
sled_pop3_auth(struct sled_pop3 *pop, const char *mechanism,
               const char *initial, struct sled_err *err)
{
	struct pop3_command command = { SLED_POP3_AUTH, 0 };

	if (!check_word("AUTH", mechanism, err) ||
	    (initial != NULL && !check_word("AUTH", initial, err)))
		return false;
	return enqueue(pop, command, mechanism, initial, err);
}

bool
sled_pop3_respond(struct sled_pop3 *pop, const char *base64,
                  struct sled_err *err)
{
	if (pop->state == POP3_FAILED || !pop->challenged)
		return sled_fail(err, SLED_ERR_INTERNAL,
		                 "AUTH: no challenge to answer");
	if (pop->queued > 1)
		return sled_fail(err, SLED_ERR_INTERNAL,
		                 "AUTH: a command was sent as the answer");
	if (!check_arg("AUTH", base64, err) ||
	    !put_line(pop, base64, NULL, NULL, err))
		return false;
	pop->challenged = false;
	return true;
}

bool
sled_pop3_user(struct sled_pop3 *pop, const char *user, struct sled_err *err)
{
	struct pop3_command command = { SLED_POP3_USER, 0 };

	return check_arg("USER", user, err) &&
	       enqueue(pop, command, user, NULL, err);
}

bool
sled_pop3_pass(struct sled_pop3 *pop, const char *pass, struct sled_err *err)
{
	struct pop3_command command = { SLED_POP3_PASS, 0 };

	return check_arg("PASS", pass, err) &&
	       enqueue(pop, command, pass, NULL, err);
}

bool
sled_pop3_stat(struct sled_pop3 *pop, struct sled_err *err)
{
	return enqueue_plain(pop, SLED_POP3_STAT, err);
}

bool
sled_pop3_list(struct sled_pop3 *pop, uint32_t msg, struct sled_err *err)
{
	if (msg == 0)
		return enqueue_plain(pop, SLED_POP3_LIST, err);
	return enqueue_msg(pop, SLED_POP3_LIST, msg, NULL, err);
}

bool
sled_pop3_uidl(struct sled_pop3 *pop, uint32_t msg, struct sled_err *err)
{
	if (msg == 0)
		return enqueue_plain(pop, SLED_POP3_UIDL, err);
	return enqueue_msg(pop, SLED_POP3_UIDL, msg, NULL, err);
}

bool
sled_pop3_top(struct sled_pop3 *pop, uint32_t msg, uint32_t lines,
              struct sled_err *err)
{
	char number[16];

	(void)snprintf(number, sizeof(number), "%lu", (unsigned long)lines);
	return enqueue_msg(pop, SLED_POP3_TOP, msg, number, err);
}

bool
sled_pop3_retr(struct sled_pop3 *pop, uint32_t msg, struct sled_err *err)
{
	return enqueue_msg(pop, SLED_POP3_RETR, msg, NULL, err);
}

bool
sled_pop3_dele(struct sled_pop3 *pop, uint32_t msg, struct sled_err *err)
{
	return enqueue_msg(pop, SLED_POP3_DELE, msg, NULL, err);
}

bool
sled_pop3_rset(struct sled_pop3 *pop, struct sled_err *err)
{
	return enqueue_plain(pop, SLED_POP3_RSET, err);
}

bool
sled_pop3_noop(struct sled_pop3 *pop, struct sled_err *err)
{
	return enqueue_plain(pop, SLED_POP3_NOOP, err);
}

bool
sled_pop3_quit(struct sled_pop3 *pop, struct sled_err *err)
{
	return enqueue_plain(pop, SLED_POP3_QUIT, err);
}

struct sled_span
sled_pop3_pending(const struct sled_pop3 *pop)
{
	if (pop->out.len == pop->sent)
		return (struct sled_span){ "", 0 };
	return (struct sled_span){ pop->out.data + pop->sent,
		                   pop->out.len - pop->sent };
}

void
sled_pop3_sent(struct sled_pop3 *pop, size_t len)
{
	if (len > pop->out.len - pop->sent)
		len = pop->out.len - pop->sent;
	if (len == 0)
		return;
	explicit_bzero(pop->out.data + pop->sent, len);
	pop->sent += len;
	if (pop->sent == pop->out.len)
		pop->sent = pop->out.len = 0;
}
