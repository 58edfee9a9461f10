/* login.c - what is answered to those who have no session yet. */
#include <string.h>

#include "mailsled/clock.h"
#include "serve/internal.h"

static enum MHD_Result
let_in(struct sled_visitor *visitor)
{
	struct sled_serve_answer answer = { .fd = -1 };
	char cookie[SLED_GUARD_WORD];
	struct sled_err err = { 0 };

	/* Not to where the ticket stood: that may be written by anyone. */
	if (!sled_guard_begin(&visitor->serve->guard, cookie, &err) ||
	    !sled_buf_addstr(&answer.location, "/", &err)) {
		sled_buf_free(&answer.location);
		return sled_answer_word(visitor, 500, "Not now", err.text);
	}
	return sled_answer_send(visitor, &answer, cookie);
}

static enum MHD_Result
ask_password(struct sled_visitor *visitor, unsigned status, const char *why)
{
	struct sled_serve_answer answer = { .status = status, .fd = -1 };
	struct sled_err err = { 0 };
	struct sled_page page = { &answer.body, &err, false };

	(void)!sled_answer_begin(&page, "Reading room");
	if (why != NULL)
		sled_page_add(&page, "<p class=\"bad\" role=\"alert\">%s</p>\n",
		              why);
	sled_page_add(&page,
	              "<form method=\"post\" action=\"/login\">"
	              "<p><label for=\"password\">Password</label> "
	              "<input id=\"password\" name=\"password\" "
	              "type=\"password\" autocomplete=\"current-password\" "
	              "required autofocus></p>"
	              "<p><button>Open</button></p></form>\n"
	              "</main></body></html>\n");
	return sled_answer_send(visitor, &answer, NULL);
}

static enum MHD_Result
try_password(struct sled_visitor *visitor)
{
	const char *word = sled_serve_arg(&visitor->request, "password");
	bool wait = false;

	if (word != NULL && sled_guard_password(&visitor->serve->guard, word,
	                                        sled_clock_ms(), &wait))
		return let_in(visitor);
	return ask_password(visitor, wait ? 429 : 403,
	                    wait ? "One password a second. Try again."
	                         : "That is not the password.");
}

enum MHD_Result
sled_login_again(struct sled_visitor *visitor, const char *ticket)
{
	struct sled_serve_answer answer = { .fd = -1 };
	struct sled_err err = { 0 };

	(void)sled_guard_use_ticket(&visitor->serve->guard, ticket);
	if (!sled_buf_addstr(&answer.location, "/", &err))
		return sled_answer_word(visitor, 500, "Not now", err.text);
	return sled_answer_send(visitor, &answer, NULL);
}

enum MHD_Result
sled_login(struct sled_visitor *visitor)
{
	struct sled_serve *serve = visitor->serve;
	const char *ticket = sled_serve_arg(&visitor->request, "ticket");

	if (!visitor->request.post && ticket != NULL &&
	    sled_guard_use_ticket(&serve->guard, ticket))
		return let_in(visitor);
	if (serve->guard.has_password && visitor->request.post &&
	    strcmp(visitor->request.path, "/login") == 0)
		return try_password(visitor);
	if (serve->guard.has_password)
		return ask_password(visitor, 401, NULL);
	return sled_answer_word(
	    visitor, 403, "Not open",
	    ticket != NULL
		? "This address was used already, or is not of this run. "
		  "Each opens one browser. Start `mailsled serve` anew, or "
		  "choose \"another browser\" where the room is open."
		: "Open the whole address that `mailsled serve` printed, "
		  "once; this browser is remembered then.");
}
