/* login.c - greeting, CAPA, STLS and AUTH (RFC 2449, 2595, 5034). */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "mailsled/text.h"
#include "session/session.h"

static bool
has_word(struct sled_span line, const char *word)
{
	size_t len = strlen(word);

	for (size_t at = 0; at + len <= line.len; at++)
		if ((at == 0 || line.data[at - 1] == ' ') &&
		    strncasecmp(line.data + at, word, len) == 0 &&
		    (at + len == line.len || line.data[at + len] == ' '))
			return true;
	return false;
}

static bool
begins(struct sled_span line, const char *word)
{
	size_t len = strlen(word);

	return line.len >= len && strncasecmp(line.data, word, len) == 0 &&
	       (line.len == len || line.data[len] == ' ');
}

static void
note_capability(struct sled_caps *caps, struct sled_span line)
{
	caps->pipelining = caps->pipelining || begins(line, "PIPELINING");
	caps->top = caps->top || begins(line, "TOP");
	caps->uidl = caps->uidl || begins(line, "UIDL");
	caps->stls = caps->stls || begins(line, "STLS");
	caps->user = caps->user || begins(line, "USER");
	if (begins(line, "SASL")) {
		caps->plain = has_word(line, "PLAIN");
		caps->login = has_word(line, "LOGIN");
	}
	/* mailutils writes EXPIRE0 */
	caps->expire_0 = caps->expire_0 || begins(line, "EXPIRE0") ||
	                 (begins(line, "EXPIRE") && has_word(line, "0"));
}

/* base64 of NUL user NUL password (RFC 4616). */
static bool
plain_line(struct sled_session *s, struct sled_buf *out, struct sled_err *err)
{
	struct sled_buf raw = { 0 };
	const char *user = s->conf.account->user, *secret = s->conf.secret;
	bool ok = sled_buf_add(&raw, "", 1, err) &&
	          sled_buf_add(&raw, user, strlen(user) + 1, err) &&
	          sled_buf_add(&raw, secret, strlen(secret), err) &&
	          sled_text_base64(out, sled_buf_span(&raw), err);

	sled_buf_wipe(&raw);
	return ok;
}

static bool
auth_plain(struct sled_session *s, struct sled_err *err)
{
	struct sled_buf line = { 0 };
	bool ok = plain_line(s, &line, err);

	/* AUTH lines over 255 octets wait for the challenge (RFC 5034, 4). */
	ok = ok && sled_pop3_auth(s->pop, "PLAIN",
	                          line.len <= 240 ? line.data : NULL, err);
	sled_buf_wipe(&line);
	return ok;
}

static bool
answer(struct sled_session *s, struct sled_span prompt, struct sled_err *err)
{
	struct sled_buf line = { 0 };
	const char *part = s->conf.account->user;
	bool ok;

	if (s->caps.plain) {
		ok = plain_line(s, &line, err);
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

static void
pick_mechanism(struct sled_session *s)
{
	struct sled_caps *caps = &s->caps;

	switch (s->conf.account->auth) {
	case SLED_CONF_AUTH_PLAIN:
		caps->plain = true;
		break;
	case SLED_CONF_AUTH_LOGIN:
		caps->plain = false;
		caps->login = true;
		break;
	case SLED_CONF_AUTH_USER:
		caps->plain = caps->login = false;
		break;
	case SLED_CONF_AUTH_AUTO:
	default:
		break;
	}
}

/* Law 5: no byte of a credential leaves before TLS is verified. */
static void
log_in(struct sled_session *s)
{
	struct sled_err err = { 0 };
	bool ok;

	if (!s->secure) {
		(void)sled_fail(&err, SLED_ERR_INTERNAL, "login without TLS");
		sled_session_fail(s, &err);
		return;
	}
	pick_mechanism(s);
	if (s->caps.plain)
		ok = auth_plain(s, &err);
	else if (s->caps.login)
		ok = sled_pop3_auth(s->pop, "LOGIN", NULL, &err);
	else
		ok = sled_pop3_user(s->pop, s->conf.account->user, &err);
	(void)sled_session_did(s, ok, &err);
}

static void
ask_capabilities(struct sled_session *s)
{
	struct sled_err err = { 0 };

	s->caps = (struct sled_caps){ 0 };
	(void)sled_session_did(s, sled_pop3_capa(s->pop, &err), &err);
}

static void
capabilities_known(struct sled_session *s)
{
	struct sled_err err = { 0 };

	if (s->secure) {
		log_in(s);
		return;
	}
	if (s->caps.known && !s->caps.stls) {
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

/* The handshake is done, and the certificate verified. */
void
sled_login_secure(struct sled_session *s)
{
	bool greeted = s->conf.account->tls == SLED_CONF_TLS_STARTTLS;

	sled_session_phase(s, SLED_PHASE_LOGIN);
	if (greeted)
		ask_capabilities(s);
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

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (code.len == strlen(codes[i].code) &&
		    strncasecmp(code.data, codes[i].code, code.len) == 0)
			return codes[i].kind;
	return event->verb == SLED_POP3_NONE ? SLED_ERR_SERVER : SLED_ERR_LOGIN;
}

static void
refuse(struct sled_session *s, const struct sled_pop3_event *event)
{
	enum sled_err_kind kind = refusal_kind(event);
	struct sled_err err = { 0 };
	char text[200];

	sled_text_clip(text, sizeof(text), event->text);
	(void)sled_fail(&err, kind, "%s: %s refuses %s: %s",
	                s->conf.account->name, s->conf.account->server,
	                event->verb == SLED_POP3_NONE ? "the connection"
	                                              : "the login",
	                text);
	if (kind == SLED_ERR_LOGIN)
		(void)sled_hint(&err, "look at `user` and the password, then "
		                      "`mailsled check`");
	else
		(void)sled_hint(&err, "try again later");
	sled_session_fail(s, &err);
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
		ok = sled_pop3_pass(s->pop, s->conf.secret, &err);
		break;
	case SLED_POP3_AUTH:
	case SLED_POP3_PASS:
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

	if (event->verb == SLED_POP3_CAPA) {
		capabilities_known(s); /* an old server: USER and PASS */
	} else if (event->verb == SLED_POP3_STLS) {
		(void)sled_fail(&err, SLED_ERR_PROTO, "%s refuses STLS",
		                s->conf.account->server);
		(void)sled_hint(&err, "try `tls = implicit` (port 995); "
		                      "passwords never go in the clear");
		sled_session_fail(s, &err);
	} else {
		refuse(s, event);
	}
}

void
sled_login_event(struct sled_session *s, const struct sled_pop3_event *event)
{
	struct sled_err err = { 0 };

	switch (event->kind) {
	case SLED_POP3_GREETING:
		sled_text_clip(s->result.greeting, sizeof(s->result.greeting),
		               event->text);
		ask_capabilities(s);
		break;
	case SLED_POP3_LISTED:
		note_capability(&s->caps, event->text);
		break;
	case SLED_POP3_END:
		s->caps.known = true;
		capabilities_known(s);
		break;
	case SLED_POP3_CHALLENGE:
		(void)sled_session_did(s, answer(s, event->text, &err), &err);
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
}
