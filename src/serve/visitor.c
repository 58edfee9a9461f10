/* visitor.c - one request: what it may be, what it brings, who answers it. */
#include "serve/visitor.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mailsled/clock.h"
#include "mailsled/text.h"
#include "serve/internal.h"

static const char *
header(struct sled_visitor *visitor, const char *name)
{
	return MHD_lookup_connection_value(visitor->http, MHD_HEADER_KIND,
	                                   name);
}

static const char *
cookie_of(struct sled_visitor *visitor)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "mailsled-%u", visitor->serve->port);
	return MHD_lookup_connection_value(visitor->http, MHD_COOKIE_KIND,
	                                   name);
}

/* ---- what it brings ---- */

static bool
is_valid(const char *text)
{
	struct sled_buf clean = { 0 };
	struct sled_err err = { 0 };
	bool same =
	    sled_text_utf8(&clean, (struct sled_span){ text, strlen(text) },
	                   &err) &&
	    strcmp(clean.data, text) == 0;

	sled_buf_free(&clean);
	return same;
}

const char *
sled_serve_arg(const struct sled_serve_request *request, const char *name)
{
	const struct sled_visitor *visitor = (const void *)request;
	const char *value = NULL;

	for (size_t i = 0; request->post && i < visitor->fields_len; i++)
		if (strcmp(visitor->fields[i].name, name) == 0)
			value = visitor->fields[i].value.data;
	if (!request->post)
		value = MHD_lookup_connection_value(
		    visitor->http, MHD_GET_ARGUMENT_KIND, name);
	return value != NULL && is_valid(value) ? value : NULL;
}

static struct sled_field *
find_field(struct sled_visitor *visitor, const char *name)
{
	for (size_t i = 0; i < visitor->fields_len; i++)
		if (strcmp(visitor->fields[i].name, name) == 0)
			return &visitor->fields[i];
	return NULL;
}

/* The field that begins, or goes on, AT this octet of its value. Twice the same
 * one, too many, or too long a name: no form of ours, NULL. */
static struct sled_field *
field_of(struct sled_visitor *visitor, const char *name, uint64_t at)
{
	struct sled_field *field = find_field(visitor, name);

	if (field != NULL)
		return at > 0 ? field : NULL;
	if (visitor->fields_len == SLED_FIELDS_MAX ||
	    strlen(name) >= sizeof(field->name))
		return NULL;
	field = &visitor->fields[visitor->fields_len++];
	(void)snprintf(field->name, sizeof(field->name), "%s", name);
	return field;
}

static bool
add_piece(struct sled_field *field, const char *data, size_t size)
{
	struct sled_err err = { 0 };

	if (memchr(data, '\0', size) != NULL ||
	    !sled_buf_add(&field->value, data, size, &err) ||
	    !sled_buf_reserve(&field->value, 1, &err))
		return false;
	field->value.data[field->value.len] = '\0';
	return true;
}

/* NOLINTBEGIN(readability-function-size): the form is libmicrohttpd's */
static enum MHD_Result
take_field(void *ctx, enum MHD_ValueKind kind, const char *key,
           const char *filename, const char *type, const char *encoding,
           const char *data, uint64_t at, size_t size)
{
	struct sled_visitor *visitor = ctx;
	struct sled_field *field =
	    visitor->spoilt || key == NULL ? NULL : field_of(visitor, key, at);

	(void)kind;
	(void)filename;
	(void)type;
	(void)encoding;
	visitor->spoilt = field == NULL || !add_piece(field, data, size);
	return visitor->spoilt ? MHD_NO : MHD_YES;
}

/* NOLINTEND(readability-function-size) */

static void
take_body(struct sled_visitor *visitor, const char *data, size_t size)
{
	visitor->octets += size;
	visitor->spoilt = visitor->spoilt || visitor->form == NULL ||
	                  visitor->octets > SLED_BODY_MAX;
	if (!visitor->spoilt &&
	    MHD_post_process(visitor->form, data, size) != MHD_YES)
		visitor->spoilt = true;
}

/* ---- what it may be ---- */

static bool
is_welcome(struct sled_visitor *visitor)
{
	const struct sled_guard_from from = {
		.host = header(visitor, "Host"),
		.origin = header(visitor, "Origin"),
		.site = header(visitor, "Sec-Fetch-Site"),
		.local = visitor->caller->local,
		.port = visitor->serve->port,
		.name = visitor->serve->name,
		.post = visitor->request.post,
	};

	return sled_guard_origin(&from);
}

static bool
is_too_long(struct sled_visitor *visitor)
{
	const char *text = header(visitor, "Content-Length");
	uint64_t len = 0;

	return text != NULL &&
	       (!sled_text_u64((struct sled_span){ text, strlen(text) },
	                       &len) ||
	        len > SLED_BODY_MAX);
}

/* No page here sends parts, which may be nested, and without names. */
static bool
is_form(struct sled_visitor *visitor)
{
	static const char plain[] = MHD_HTTP_POST_ENCODING_FORM_URLENCODED;
	const char *type = header(visitor, "Content-Type");

	return type != NULL && strncasecmp(type, plain, sizeof(plain) - 1) == 0;
}

/* By its header alone. */
static enum MHD_Result
judge(struct sled_visitor *visitor, const char *method)
{
	visitor->request.post = strcmp(method, "POST") == 0;
	if (visitor->caller == NULL)
		return MHD_NO;
	if (!is_welcome(visitor))
		return sled_answer_word(visitor, 403, "Refused",
		                        "This page answers only to its own "
		                        "address, and to no other site.");
	if (!visitor->request.post && strcmp(method, "GET") != 0 &&
	    strcmp(method, "HEAD") != 0)
		return sled_answer_word(visitor, 405, "Refused",
		                        "There is nothing of that kind here.");
	if (is_too_long(visitor))
		return sled_answer_word(visitor, 413, "Refused",
		                        "That is more than any form here "
		                        "has.");
	if (visitor->request.post && is_form(visitor))
		visitor->form = MHD_create_post_processor(visitor->http, 1024,
		                                          take_field, visitor);
	sled_callers_state(visitor->caller, SLED_CALLER_BODY, sled_clock_ms());
	return MHD_YES;
}

/* ---- who answers it ---- */

static unsigned
status_of(enum sled_err_kind kind)
{
	switch ((int)kind) {
	case SLED_ERR_MISSING:
		return 404;
	case SLED_ERR_USAGE:
		return 400;
	case SLED_ERR_LINK:
	case SLED_ERR_NOMEM:
		return 503;
	default:
		return 500;
	}
}

static enum MHD_Result
tell_fault(struct sled_visitor *visitor, const struct sled_err *err)
{
	unsigned status = status_of(err->kind);
	char text[1200];

	(void)snprintf(text, sizeof(text), "%s%s%s%s", err->text,
	               err->hint == NULL ? "" : ". What to do: ",
	               err->hint == NULL ? "" : err->hint,
	               err->text[0] == '\0' ? "nothing more is known" : "");
	return sled_answer_word(visitor, status,
	                        status == 404   ? "Not here"
	                        : status == 400 ? "Not understood"
	                        : status == 503 ? "Not now"
	                                        : "Something is wrong",
	                        text);
}

static enum MHD_Result
ask_page(struct sled_visitor *visitor)
{
	struct sled_serve *serve = visitor->serve;
	struct sled_serve_answer answer = { .fd = -1 };
	struct sled_err err = { 0 };
	bool ok =
	    serve->conf.page(serve->conf.ctx, &visitor->request, &answer, &err);

	if (ok && !visitor->waits)
		return sled_answer_send(visitor, &answer, NULL);
	sled_buf_free(&answer.body);
	sled_buf_free(&answer.name);
	sled_buf_free(&answer.location);
	if (!ok)
		return tell_fault(visitor, &err);
	MHD_suspend_connection(visitor->http);
	return MHD_YES;
}

static enum MHD_Result
answer(struct sled_visitor *visitor)
{
	struct sled_guard *guard = &visitor->serve->guard;
	const struct sled_serve_file *file =
	    visitor->request.post ? NULL
				  : sled_serve_file(visitor->request.path);
	const char *cookie = cookie_of(visitor);
	const char *ticket;

	sled_callers_state(visitor->caller, SLED_CALLER_ANSWER,
	                   sled_clock_ms());
	if (visitor->spoilt)
		return sled_answer_word(visitor, 413, "Refused",
		                        "That is no form of this page.");
	if (file != NULL)
		return sled_answer_file(visitor, file);
	if (!sled_guard_is_session(guard, cookie))
		return sled_login(visitor);
	ticket = visitor->request.post
	             ? NULL
	             : sled_serve_arg(&visitor->request, "ticket");
	if (ticket != NULL)
		return sled_login_again(visitor, ticket);
	sled_guard_token(guard, cookie, visitor->token);
	if (visitor->request.post &&
	    !sled_guard_is_token(guard, cookie,
	                         sled_serve_arg(&visitor->request, "token")))
		return sled_answer_word(visitor, 403, "Refused",
		                        "This form is not of this session. Go "
		                        "back, load the page anew, and send it "
		                        "again.");
	return ask_page(visitor);
}

struct sled_visitor *
sled_visitor_new(struct sled_serve *serve, struct MHD_Connection *http,
                 const char *path)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(http, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct sled_visitor *visitor = calloc(1, sizeof(*visitor));

	if (visitor == NULL)
		return NULL;
	visitor->path = strdup(path);
	if (visitor->path == NULL) {
		free(visitor);
		return NULL;
	}
	visitor->serve = serve;
	visitor->http = http;
	visitor->caller = info == NULL ? NULL : info->socket_context;
	visitor->request.path = visitor->path;
	visitor->request.token = visitor->token;
	return visitor;
}

void
sled_visitor_free(struct sled_visitor *visitor)
{
	sled_errand_forget(visitor->serve, visitor);
	if (visitor->form != NULL)
		(void)MHD_destroy_post_processor(visitor->form);
	for (size_t i = 0; i < visitor->fields_len; i++)
		sled_buf_wipe(&visitor->fields[i].value);
	if (visitor->caller != NULL)
		sled_callers_state(visitor->caller, SLED_CALLER_NEXT,
		                   sled_clock_ms());
	free(visitor->path);
	free(visitor);
}

enum MHD_Result
sled_visitor_go_on(struct sled_visitor *visitor, const char *method,
                   const char *data, size_t *size)
{
	if (!visitor->judged) {
		visitor->judged = true;
		return judge(visitor, method);
	}
	if (*size > 0) {
		take_body(visitor, data, *size);
		*size = 0;
		/* Nobody reads on for what is refused in any case. */
		return visitor->octets > (size_t)2 * SLED_BODY_MAX ? MHD_NO
		                                                   : MHD_YES;
	}
	return visitor->refused ? MHD_YES : answer(visitor);
}
