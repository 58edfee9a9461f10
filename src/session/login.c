/* login.c - greeting, CAPA, STLS and AUTH (RFC 2449, 2595, 5034). */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "mailsled/text.h"
#include "session/session.h"

/* AUTH lines over 255 octets wait for the challenge (RFC 5034, 4). */
#define INITIAL_MAX 240
/* LOGIN asks two questions, PLAIN one; some servers greet by one more. */
#define CHALLENGES_MAX 4

static bool
auth_plain(struct sled_session *s, struct sled_err *err)
{
	struct sled_buf line = { 0 };
	bool ok = sled_quote_plain(s, &line, err);
	bool fits = line.len <= INITIAL_MAX;

	ok =
	    ok && sled_pop3_auth(s->pop, "PLAIN", fits ? line.data : NULL, err);
	s->form = fits ? SLED_FORM_PLAIN : NULL;
	sled_buf_wipe(&line);
	return ok;
}

static bool
answer(struct sled_session *s, struct sled_span prompt, struct sled_err *err)
{
	struct sled_buf line = { 0 };
	const char *part = s->conf.account->user;
	bool ok;

	if (sled_can(s, SLED_PEER_PLAIN)) {
		ok = sled_quote_plain(s, &line, err);
	} else {
		/* LOGIN asks "VXNlcm5hbWU6", then "UGFzc3dvcmQ6". */
		if (prompt.len >= 2 && strncmp(prompt.data, "UG", 2) == 0)
			part = s->conf.secret;
		ok = sled_text_base64(
		    &line, (struct sled_span){ part, strlen(part) }, err);
	}
	ok = ok && sled_pop3_respond(s->pop, line.data, err);
	sled_buf_wipe(&line);
	return ok;
}

/* The announced means, but for those that the configuration rules out. */
static unsigned
pick_mechanism(const struct sled_session *s)
{
	switch (s->conf.account->auth) {
	case SLED_CONF_AUTH_PLAIN:
		return SLED_PEER_PLAIN;
	case SLED_CONF_AUTH_LOGIN:
		return SLED_PEER_LOGIN;
	case SLED_CONF_AUTH_USER:
		return SLED_PEER_USER;
	case SLED_CONF_AUTH_AUTO:
	default:
		if (sled_can(s, SLED_PEER_PLAIN))
			return SLED_PEER_PLAIN;
		return sled_can(s, SLED_PEER_LOGIN) ? SLED_PEER_LOGIN
		                                    : SLED_PEER_USER;
	}
}

/* Where commands may be pipelined PASS follows USER at once, and the listing's
 * follow PASS: no reply of theirs can be taken for another's. */
static bool
user_pass(struct sled_session *s, struct sled_err *err)
{
	bool ok = sled_pop3_user(s->pop, s->conf.account->user, err);

	s->form = SLED_FORM_USER;
	if (!ok || !sled_can(s, SLED_PEER_PIPELINING))
		return ok;
	ok = sled_pop3_pass(s->pop, s->conf.secret, err);
	if (ok)
		sled_list_ask(s);
	return ok;
}

static bool
send_login(struct sled_session *s, unsigned mechanism, struct sled_err *err)
{
	/* Law 5 [L1]: no byte of a credential leaves before TLS is verified. */
	if (!s->secure)
		return sled_fail(err, SLED_ERR_INTERNAL, "login without TLS");
	s->form = NULL;
	s->challenges = 0;
	if (mechanism == SLED_PEER_PLAIN)
		return auth_plain(s, err);
	if (mechanism == SLED_PEER_LOGIN)
		return sled_pop3_auth(s->pop, "LOGIN", NULL, err);
	return user_pass(s, err);
}

static void
log_in(struct sled_session *s)
{
	struct sled_err err = { 0 };
	unsigned mechanism = pick_mechanism(s);

	s->caps &= ~(unsigned)(SLED_PEER_PLAIN | SLED_PEER_LOGIN);
	s->caps |= mechanism;
	(void)sled_session_did(s, send_login(s, mechanism, &err), &err);
}

bool
sled_login_may_take(const struct sled_session *s, const char *form)
{
	size_t raw = strlen(s->conf.account->user) + strlen(s->conf.secret) + 2;

	return strcmp(form, SLED_FORM_PLAIN) != 0 ||
	       (raw + 2) / 3 * 4 <= INITIAL_MAX;
}

static unsigned
mechanism_of(const char *form)
{
	return strcmp(form, SLED_FORM_PLAIN) == 0 ? SLED_PEER_PLAIN
	                                          : SLED_PEER_USER;
}

/* All that may leave on trust, in one flight. */
static void
log_in_on_trust(struct sled_session *s)
{
	const char *form = sled_box_peer(s->box)->eager;
	struct sled_err err = { 0 };

	if (sled_session_did(s, send_login(s, mechanism_of(form), &err), &err))
		sled_list_ask(s);
}

static void
ask_capabilities(struct sled_session *s)
{
	struct sled_err err = { 0 };

	s->caps = 0;
	s->limits = (struct sled_capa_limits){ 0 };
	s->caps_known = false;
	(void)sled_session_did(s, sled_pop3_capa(s->pop, &err), &err);
}

static void
start_tls(struct sled_session *s)
{
	struct sled_err err = { 0 };

	if (s->mode == SLED_MODE_STRICT && s->caps_known &&
	    !sled_can(s, SLED_PEER_STLS)) {
		(void)sled_fail(
		    &err, SLED_ERR_PROTO, "%s offers no STLS on port %u",
		    s->conf.account->server, (unsigned)s->conf.account->port);
		(void)sled_hint(&err, "try `tls = implicit` (port 995); "
		                      "passwords never go in the clear");
		sled_session_fail(s, &err);
		return;
	}
	(void)sled_session_did(s, sled_pop3_stls(s->pop, &err), &err);
}

/* A login that left on trust was refused. The same means are there still, so
 * it is the secret; or they are gone, and another login may do. */
static bool
is_refusal_final(const struct sled_session *s)
{
	const char *form = s->form;

	if (s->refusal.kind == SLED_ERR_NONE || form == NULL)
		return false;
	return sled_can(s, SLED_PEER_PIPELINING) &&
	       pick_mechanism(s) == mechanism_of(form);
}

static void
capabilities_known(struct sled_session *s)
{
	if (!s->secure) {
		start_tls(s);
	} else if (is_refusal_final(s)) {
		sled_session_fail(s, &s->refusal);
	} else {
		s->refusal.kind = SLED_ERR_NONE;
		s->list_asked = false;
		if (!sled_list_may_pipeline(s))
			s->caps &= ~(unsigned)SLED_PEER_PIPELINING;
		log_in(s);
	}
}

/* The handshake is done, and the certificate verified. */
void
sled_login_secure(struct sled_session *s)
{
	bool greeted = s->conf.account->tls == SLED_CONF_TLS_STARTTLS;

	sled_session_phase(s, SLED_PHASE_LOGIN);
	if (sled_eager_due(s))
		log_in_on_trust(s);
	else if (greeted)
		ask_capabilities(s);
}

static void
on_greeting(struct sled_session *s, struct sled_span text)
{
	s->greeted = true;
	sled_quote(s, s->result.greeting, sizeof(s->result.greeting), text);
	if (sled_eager_due(s))
		log_in_on_trust(s);
	else if (s->mode == SLED_MODE_STRICT)
		ask_capabilities(s);
	else if (!s->secure)
		start_tls(s);
}

static enum sled_err_kind
refusal_kind(const struct sled_pop3_event *event)
{
	static const struct {
		const char *code;
		enum sled_err_kind kind;
	} codes[] = {
		{ "IN-USE", SLED_ERR_SERVER }, { "LOGIN-DELAY", SLED_ERR_LINK },
		{ "SYS/TEMP", SLED_ERR_LINK }, { "SYS/PERM", SLED_ERR_SERVER },
		{ "AUTH", SLED_ERR_LOGIN },
	};
	struct sled_span code = event->code;
	enum sled_err_kind kind = SLED_ERR_LOGIN;

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (code.len == strlen(codes[i].code) &&
		    strncasecmp(code.data, codes[i].code, code.len) == 0)
			kind = codes[i].kind;
	/* A greeting knows of no login. */
	if (event->verb == SLED_POP3_NONE && kind == SLED_ERR_LOGIN)
		return SLED_ERR_SERVER;
	return kind;
}

/* ---- what the server says of a login ---- */

static void
say_refused(struct sled_session *s, const struct sled_pop3_event *event,
            struct sled_err *err)
{
	enum sled_err_kind kind = refusal_kind(event);
	char text[200];

	sled_quote(s, text, sizeof(text), event->text);
	(void)sled_fail(err, kind, "%s: %s refuses %s: %s",
	                s->conf.account->name, s->conf.account->server,
	                event->verb == SLED_POP3_NONE ? "the connection"
	                                              : "the login",
	                text);
	if (kind == SLED_ERR_LOGIN)
		(void)sled_hint(err, "look at `user` and the password, then "
		                     "`mailsled check`");
	else
		(void)sled_hint(err, "try again later");
}

/* On trust, a bare -ERR may mean that the command is not known any more. */
static void
refuse(struct sled_session *s, const struct sled_pop3_event *event)
{
	struct sled_err err = { 0 };

	say_refused(s, event, &err);
	if (s->mode == SLED_MODE_STRICT || err.kind != SLED_ERR_LOGIN ||
	    event->code.len > 0) {
		sled_session_fail(s, &err);
		return;
	}
	if (s->refusal.kind == SLED_ERR_NONE)
		s->refusal = err;
}

/* All that left on trust is answered: ask what the server can today. */
static void
ask_again(struct sled_session *s)
{
	s->mode = SLED_MODE_STRICT;
	s->caps_due = false;
	ask_capabilities(s);
}

static void
on_accepted(struct sled_session *s, const struct sled_pop3_event *event)
{
	struct sled_err err = { 0 };
	bool ok = true;

	switch ((int)event->verb) {
	case SLED_POP3_STLS:
		sled_session_phase(s, SLED_PHASE_TLS);
		ok = sled_wire_start_tls(s, &err);
		break;
	case SLED_POP3_USER:
		if (!sled_can(s, SLED_PEER_PIPELINING))
			ok = sled_pop3_pass(s->pop, s->conf.secret, &err);
		break;
	case SLED_POP3_AUTH:
	case SLED_POP3_PASS:
		s->refusal.kind = SLED_ERR_NONE;
		sled_eager_accepted(s);
		sled_list_start(s);
		break;
	default:
		break;
	}
	(void)sled_session_did(s, ok, &err);
}

static void
on_refused(struct sled_session *s, const struct sled_pop3_event *event)
{
	struct sled_err err = { 0 };

	switch ((int)event->verb) {
	case SLED_POP3_CAPA:
		capabilities_known(s); /* an old server: USER and PASS */
		break;
	case SLED_POP3_STLS:
		(void)sled_fail(&err, SLED_ERR_PROTO, "%s refuses STLS",
		                s->conf.account->server);
		(void)sled_hint(&err, "try `tls = implicit` (port 995); "
		                      "passwords never go in the clear");
		sled_session_fail(s, &err);
		break;
	case SLED_POP3_STAT:
	case SLED_POP3_UIDL:
	case SLED_POP3_LIST:
		break; /* of a login that was refused */
	default:
		refuse(s, event);
		break;
	}
}

/* An initial response that is asked for again proves nothing; with commands
 * behind it, they were taken for the answer. */
static void
on_challenge(struct sled_session *s, struct sled_span text)
{
	struct sled_err err = { 0 };

	if (s->list_asked) {
		(void)sled_fail(&err, SLED_ERR_PROTO,
		                "%s answers AUTH by a challenge",
		                s->conf.account->server);
		sled_session_fail(s, &err);
		return;
	}
	if (++s->challenges > CHALLENGES_MAX) { /* [W2] */
		(void)sled_fail(&err, SLED_ERR_PROTO,
		                "%s asks more than %d questions of one login",
		                s->conf.account->server, CHALLENGES_MAX);
		sled_session_fail(s, &err);
		return;
	}
	s->form = NULL;
	(void)sled_session_did(s, answer(s, text, &err), &err);
}

/* Any other listing went along with a login that was refused. */
static void
on_listing(struct sled_session *s, const struct sled_pop3_event *event)
{
	if (event->verb != SLED_POP3_CAPA)
		return;
	if (event->kind == SLED_POP3_LISTED) {
		s->caps |= sled_capa_of(event->text);
		sled_capa_limit(&s->limits, event->text);
		return;
	}
	s->caps_known = true;
	capabilities_known(s);
}

void
sled_login_event(struct sled_session *s, const struct sled_pop3_event *event)
{
	/* It went along with a login that was refused. */
	if (event->verb == SLED_POP3_CAPA && s->mode != SLED_MODE_STRICT)
		return;
	switch (event->kind) {
	case SLED_POP3_GREETING:
		on_greeting(s, event->text);
		break;
	case SLED_POP3_LISTED:
	case SLED_POP3_END:
		on_listing(s, event);
		break;
	case SLED_POP3_CHALLENGE:
		on_challenge(s, event->text);
		break;
	case SLED_POP3_ACCEPTED:
		on_accepted(s, event);
		break;
	case SLED_POP3_REFUSED:
		on_refused(s, event);
		break;
	case SLED_POP3_BODY:
	default:
		break;
	}
	if (!s->closed && s->refusal.kind != SLED_ERR_NONE &&
	    s->mode != SLED_MODE_STRICT && sled_pop3_waiting(s->pop) == 0)
		ask_again(s);
}
