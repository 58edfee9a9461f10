/* answer.c - what leaves, and what each kind of answer forbids. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "serve/internal.h"

/* Pages of ours may ask this server alone, and nothing may stand in them. */
#define PAGE_CSP                                                    \
	"default-src 'none'; script-src 'self'; style-src 'self'; " \
	"img-src 'self'; connect-src 'self'; frame-src 'self'; "    \
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
/* A sender's HTML may ask nobody for anything: its pictures are in it. */
#define MAIL_CSP                                          \
	"default-src 'none'; img-src data:; "             \
	"style-src 'unsafe-inline'; form-action 'none'; " \
	"base-uri 'none'; frame-ancestors 'self'; "       \
	"sandbox allow-popups allow-popups-to-escape-sandbox"
#define FILE_CSP "default-src 'none'; frame-ancestors 'none'; sandbox"

static const struct {
	const char *type, *csp;
} kinds[] = {
	[SLED_SERVE_PAGE] = { "text/html; charset=utf-8", PAGE_CSP },
	[SLED_SERVE_MAIL] = { "text/html; charset=utf-8", MAIL_CSP },
	[SLED_SERVE_JSON] = { "application/json", FILE_CSP },
	[SLED_SERVE_FILE] = { "application/octet-stream", FILE_CSP },
};

static const char *const headers[][2] = {
	{ "X-Content-Type-Options", "nosniff" },
	/* Not no-referrer: forms would say Origin: null then. */
	{ "Referrer-Policy", "same-origin" },
	{ "Cross-Origin-Resource-Policy", "same-origin" },
	{ "Cross-Origin-Opener-Policy", "same-origin" },
	{ "Permissions-Policy",
	  "camera=(), geolocation=(), microphone=(), payment=(), usb=()" },
	{ "X-DNS-Prefetch-Control", "off" },
};

static bool
add_headers(struct MHD_Response *response,
            const struct sled_serve_answer *answer, const char *type)
{
	bool ok = MHD_add_response_header(response, "Content-Type", type) ==
	              MHD_YES &&
	          MHD_add_response_header(response, "Content-Security-Policy",
	                                  kinds[answer->kind].csp) == MHD_YES &&
	          MHD_add_response_header(response, "X-Frame-Options",
	                                  answer->kind == SLED_SERVE_MAIL
	                                      ? "SAMEORIGIN"
	                                      : "DENY") == MHD_YES;

	for (size_t i = 0; ok && i < sizeof(headers) / sizeof(*headers); i++)
		ok = MHD_add_response_header(response, headers[i][0],
		                             headers[i][1]) == MHD_YES;
	return ok;
}

static bool
is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._ ", c) != NULL);
}

/* RFC 6266: a name in ASCII, and as it is meant (RFC 8187). */
static bool
add_name(struct MHD_Response *response, const char *name, struct sled_err *err)
{
	struct sled_buf out = { 0 };
	bool ok = sled_buf_addstr(&out, "attachment; filename=\"", err);

	for (const char *at = name; ok && *at != '\0'; at++)
		ok = sled_buf_add(&out, is_plain(*at) ? at : "_", 1, err);
	ok = ok && sled_buf_addstr(&out, "\"; filename*=UTF-8''", err);
	for (const char *at = name; ok && *at != '\0'; at++)
		ok = is_plain(*at) && *at != ' '
		         ? sled_buf_add(&out, at, 1, err)
		         : sled_buf_printf(&out, err, "%%%02X",
		                           (unsigned)(unsigned char)*at);
	ok = ok && MHD_add_response_header(response, "Content-Disposition",
	                                   out.data) == MHD_YES;
	sled_buf_free(&out);
	return ok;
}

/* Behind something that speaks TLS for us it is not for plain HTTP. */
static bool
add_cookie(struct sled_visitor *visitor, struct MHD_Response *response,
           const char *cookie)
{
	const char *origin = MHD_lookup_connection_value(
	    visitor->http, MHD_HEADER_KIND, "Origin");
	bool tls = origin != NULL && strncasecmp(origin, "https:", 6) == 0;
	char text[256];

	(void)snprintf(text, sizeof(text),
	               "mailsled-%u=%s; Path=/; Max-Age=604800; HttpOnly; "
	               "SameSite=Strict%s",
	               visitor->serve->port, cookie, tls ? "; Secure" : "");
	return MHD_add_response_header(response, "Set-Cookie", text) == MHD_YES;
}

/* The body is the response's from here on. */
static struct MHD_Response *
make_response(struct sled_serve_answer *answer)
{
	struct MHD_Response *response;

	if (answer->kind == SLED_SERVE_FILE && answer->fd != -1) {
		response =
		    MHD_create_response_from_fd64(answer->size, answer->fd);
		if (response != NULL)
			answer->fd = -1;
		return response;
	}
	response = MHD_create_response_from_buffer(
	    answer->body.len, answer->body.data, MHD_RESPMEM_MUST_FREE);
	if (response != NULL)
		answer->body = (struct sled_buf){ 0 };
	return response;
}

static void
free_answer(struct sled_serve_answer *answer)
{
	if (answer->fd != -1)
		(void)close(answer->fd);
	sled_buf_free(&answer->body);
	sled_buf_free(&answer->name);
	sled_buf_free(&answer->location);
}

enum MHD_Result
sled_answer_send(struct sled_visitor *visitor, struct sled_serve_answer *answer,
                 const char *cookie)
{
	struct MHD_Response *response = make_response(answer);
	unsigned status = answer->location.len > 0 ? 303
	                  : answer->status == 0    ? 200
	                                           : answer->status;
	enum MHD_Result done = MHD_NO;
	struct sled_err err = { 0 };

	if (response != NULL &&
	    add_headers(response, answer, kinds[answer->kind].type) &&
	    MHD_add_response_header(response, "Cache-Control", "no-store") ==
	        MHD_YES &&
	    (answer->name.len == 0 ||
	     add_name(response, answer->name.data, &err)) &&
	    (answer->location.len == 0 ||
	     MHD_add_response_header(response, "Location",
	                             answer->location.data) == MHD_YES) &&
	    (cookie == NULL || add_cookie(visitor, response, cookie)))
		done = MHD_queue_response(visitor->http, status, response);
	if (response != NULL)
		MHD_destroy_response(response);
	free_answer(answer);
	return done;
}

enum MHD_Result
sled_answer_file(struct sled_visitor *visitor,
                 const struct sled_serve_file *file)
{
	const struct sled_serve_answer plain = { .kind = SLED_SERVE_JSON };
	struct MHD_Response *response = NULL;
	struct sled_buf copy = { 0 };
	enum MHD_Result done = MHD_NO;
	struct sled_err err = { 0 };

	if (sled_buf_add(&copy, file->data, (size_t)(file->end - file->data),
	                 &err) &&
	    (strcmp(file->path, "/page.css") != 0 ||
	     sled_buf_addstr(&copy, visitor->serve->conf.style, &err)))
		response = MHD_create_response_from_buffer(
		    copy.len, copy.data, MHD_RESPMEM_MUST_FREE);
	if (response == NULL) {
		sled_buf_free(&copy);
		return MHD_NO;
	}
	if (add_headers(response, &plain, file->type) &&
	    MHD_add_response_header(response, "Cache-Control", "no-cache") ==
	        MHD_YES)
		done = MHD_queue_response(visitor->http, 200, response);
	MHD_destroy_response(response);
	return done;
}

bool
sled_answer_begin(struct sled_page *page, const char *title)
{
	sled_page_head(page, title);
	sled_page_add(page, "</head><body class=\"word\"><main><h1>%s</h1>\n",
	              title);
	return !page->failed;
}

enum MHD_Result
sled_answer_word(struct sled_visitor *visitor, unsigned status,
                 const char *title, const char *text)
{
	struct sled_serve_answer answer = { .status = status, .fd = -1 };
	struct sled_err err = { 0 };
	struct sled_page page = { &answer.body, &err, false };

	visitor->refused = true;
	(void)!sled_answer_begin(&page, title);
	sled_page_add(&page, "<p>%s</p>\n", text);
	if (visitor->token[0] != '\0')
		sled_page_add(&page, "<p><a href=\"/\">Overview</a></p>\n");
	sled_page_add(&page, "</main></body></html>\n");
	return sled_answer_send(visitor, &answer, NULL);
}
