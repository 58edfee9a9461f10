/* pop3d_fault.c - what is scripted to go wrong; see pop3d.h. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pop3d.h"

enum argument {
	NONE,
	MAY, /* =TEXT may follow */
	TEXT,
	NUMBER,
};

static const struct {
	const char *word;
	enum pop3d_act act;
	enum argument argument;
} actions[] = {
	{ "close", POP3D_ACT_CLOSE, NONE },
	{ "close-after", POP3D_ACT_CLOSE_AFTER, NUMBER },
	{ "close-after-bytes", POP3D_ACT_CLOSE_AFTER_BYTES, NUMBER },
	{ "end-after-bytes", POP3D_ACT_END_AFTER_BYTES, NUMBER },
	{ "reset", POP3D_ACT_RESET, NONE },
	{ "err", POP3D_ACT_ERR, MAY },
	{ "endless", POP3D_ACT_ENDLESS, NONE },
	{ "stall", POP3D_ACT_STALL, NONE },
	{ "stall-after", POP3D_ACT_STALL_AFTER, NUMBER },
	{ "short", POP3D_ACT_SHORT, NUMBER },
	{ "other", POP3D_ACT_OTHER, NUMBER },
	{ "say", POP3D_ACT_SAY, TEXT },
	{ "inject", POP3D_ACT_INJECT, TEXT },
	{ "drop", POP3D_ACT_DROP, NONE },
	{ "skip", POP3D_ACT_SKIP, NONE },
	{ "delay", POP3D_ACT_DELAY, NUMBER },
	{ "keys", POP3D_ACT_KEYS, NUMBER },
};

static bool
parse_number(const char *text, char **end, uint64_t *out)
{
	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*out = strtoull(text, end, 10);
	return errno == 0;
}

static bool
parse_action(struct pop3d_fault *out, const char *spec)
{
	size_t len = strcspn(spec, "="), i = 0;
	size_t count = sizeof(actions) / sizeof(actions[0]);
	bool given = spec[len] == '=';
	char *end = NULL;

	while (i < count && (strncmp(actions[i].word, spec, len) != 0 ||
	                     actions[i].word[len] != '\0'))
		i++;
	if (i == count)
		return false;
	out->act = actions[i].act;
	out->text = given ? spec + len + 1 : "";
	switch (actions[i].argument) {
	case NONE:
		return !given;
	case MAY:
		return true;
	case TEXT:
		return given;
	case NUMBER:
		return given && parse_number(out->text, &end, &out->number) &&
		       *end == '\0';
	}
	return false;
}

/* VERB[:N[+]]:ACTION[=ARGUMENT] */
bool
pop3d_fault_parse(struct pop3d_fault *out, const char *spec)
{
	size_t len = strcspn(spec, ":");
	uint64_t nth = 0;
	char *end = NULL;

	*out = (struct pop3d_fault){ .spec = spec };
	if (len == 0 || len >= sizeof(out->verb) || spec[len] != ':')
		return false;
	for (size_t i = 0; i < len; i++)
		out->verb[i] = (char)toupper((unsigned char)spec[i]);
	spec += len + 1;
	if (parse_number(spec, &end, &nth)) {
		out->onwards = *end == '+';
		if (nth == 0 || nth > UINT32_MAX || end[out->onwards] != ':')
			return false;
		spec = end + out->onwards + 1;
	}
	out->nth = (unsigned)nth;
	return parse_action(out, spec);
}

void
pop3d_fault_begin(struct pop3d_server *server)
{
	const char *path = server->conf.fault_while;

	if (path == NULL)
		return;
	(void)pthread_mutex_lock(&server->lock);
	server->fault_free = access(path, F_OK) != 0;
	for (size_t i = 0; i < server->conf.fault_count; i++)
		server->conf.faults[i].seen = 0;
	(void)pthread_mutex_unlock(&server->lock);
}

const struct pop3d_fault *
pop3d_fault_take(struct pop3d_server *server, const char *verb)
{
	const struct pop3d_fault *due = NULL;

	(void)pthread_mutex_lock(&server->lock);
	for (size_t i = 0; !server->fault_free && i < server->conf.fault_count;
	     i++) {
		struct pop3d_fault *fault = &server->conf.faults[i];

		if (strcmp(fault->verb, verb) != 0)
			continue;
		fault->seen++;
		if (due == NULL &&
		    (fault->nth == 0 || fault->seen == fault->nth ||
		     (fault->onwards && fault->seen > fault->nth)))
			due = fault;
	}
	(void)pthread_mutex_unlock(&server->lock);
	return due;
}
