/*
 * lookup.c - addresses, and finding those of a name; see mailsled/loop.h.
 *
 * A look-up in the thread pool cannot be called back. So what its owner holds
 * is a query that can be dropped: it goes adrift and frees itself at its end.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/internal.h"
#include "mailsled/loop.h"
#include "mailsled/text.h"

#define HOST_MAX 256 /* a name has at most 253 octets */

/* ---- addresses ---- */

void
sled_addr_text(char out[static LOOP_ADDRESS_MAX], const struct sockaddr *addr)
{
	socklen_t len = addr->sa_family == AF_INET6
	                    ? sizeof(struct sockaddr_in6)
	                    : sizeof(struct sockaddr_in);

	if (getnameinfo(addr, len, out, LOOP_ADDRESS_MAX, NULL, 0,
	                NI_NUMERICHOST) != 0)
		(void)snprintf(out, LOOP_ADDRESS_MAX, "-");
}

bool
sled_addr_same(const struct sockaddr_storage *a,
               const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const struct sockaddr_in *)a;
	const struct sockaddr_in *b4 = (const struct sockaddr_in *)b;
	const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)a;
	const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *)b;

	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return a6->sin6_scope_id == b6->sin6_scope_id &&
	       memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr)) ==
	           0;
}

bool
sled_addr_parse(struct sockaddr_storage *out, const char *text, uint16_t port)
{
	memset(out, 0, sizeof(*out));
	return uv_ip4_addr(text, port, (struct sockaddr_in *)out) == 0 ||
	       uv_ip6_addr(text, port, (struct sockaddr_in6 *)out) == 0;
}

void
sled_addrs_parse(struct sled_addrs *out, const char *text, uint16_t port)
{
	out->count = 0;
	while (*text != '\0' && out->count < SLED_DIAL_MAX) {
		size_t len = strcspn(text, " ");
		char word[LOOP_ADDRESS_MAX];

		if (len > 0 && len < sizeof(word)) {
			memcpy(word, text, len);
			word[len] = '\0';
			if (sled_addr_parse(&out->at[out->count], word, port))
				out->count++;
		}
		text += len;
		text += strspn(text, " ");
	}
}

static void
add_text(char out[static LOOP_LIST_MAX], const struct sockaddr_storage *addr)
{
	size_t len = strlen(out);
	char text[LOOP_ADDRESS_MAX];

	sled_addr_text(text, (const struct sockaddr *)addr);
	(void)snprintf(out + len, LOOP_LIST_MAX - len, "%s%s",
	               len == 0 ? "" : " ", text);
}

void
sled_addrs_text(char out[static LOOP_LIST_MAX], const struct sled_addrs *addrs,
                const struct sockaddr_storage *winner)
{
	size_t first = addrs->count;

	out[0] = '\0';
	for (size_t i = 0; winner != NULL && i < addrs->count; i++) {
		if (sled_addr_same(&addrs->at[i], winner))
			first = i;
	}
	if (first < addrs->count)
		add_text(out, &addrs->at[first]);
	for (size_t i = 0; i < addrs->count; i++) {
		if (i != first)
			add_text(out, &addrs->at[i]);
	}
}

/* ---- queries ---- */

struct sled_query {
	uv_getaddrinfo_t req;
	struct sled_loop *loop;
	sled_query_fn *fn; /* NULL: adrift */
	void *ctx;
};

static bool
is_there(const struct sled_addrs *addrs, const struct sockaddr *addr)
{
	for (size_t i = 0; i < addrs->count; i++) {
		if (sled_addr_same(&addrs->at[i],
		                   (const struct sockaddr_storage *)addr))
			return true;
	}
	return false;
}

static const struct addrinfo *
add_next(struct sled_addrs *out, const struct addrinfo *at, bool six)
{
	while (at != NULL && at->ai_family != (six ? AF_INET6 : AF_INET))
		at = at->ai_next;
	if (at == NULL)
		return NULL;
	if (out->count < SLED_DIAL_MAX && !is_there(out, at->ai_addr))
		memcpy(&out->at[out->count++], at->ai_addr, at->ai_addrlen);
	return at->ai_next;
}

/* RFC 8305 section 4, with a First Address Family Count of one. */
static void
take_turns(struct sled_addrs *out, const struct addrinfo *found)
{
	bool six = found != NULL && found->ai_family == AF_INET6;
	const struct addrinfo *own = found, *other = found;

	while (own != NULL || other != NULL) {
		own = add_next(out, own, six);
		other = add_next(out, other, !six);
	}
}

static void
on_found(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
	struct sled_query *query = req->data;
	struct sled_addrs addrs = { 0 };
	sled_query_fn *fn = query->fn;
	void *ctx = query->ctx;

	if (fn == NULL)
		query->loop->adrift--;
	else if (status == 0)
		take_turns(&addrs, found);
	uv_freeaddrinfo(found);
	free(query);
	if (status == 0 && addrs.count == 0)
		status = UV_EAI_NODATA;
	if (fn != NULL)
		fn(ctx, status, &addrs);
}

int
sled_query_start(struct sled_query **out, struct sled_loop *loop,
                 const char *host, uint16_t port, sled_query_fn *fn, void *ctx)
{
	static const struct addrinfo hints = { .ai_family = AF_UNSPEC,
		                               .ai_socktype = SOCK_STREAM,
		                               .ai_flags = AI_NUMERICSERV };
	struct sled_query *query = malloc(sizeof(*query));
	char service[8];
	int code;

	*out = NULL;
	if (query == NULL)
		return UV_ENOMEM;
	*query = (struct sled_query){ .loop = loop, .fn = fn, .ctx = ctx };
	query->req.data = query;
	(void)snprintf(service, sizeof(service), "%u", (unsigned)port);
	code = uv_getaddrinfo(&loop->uv, &query->req, on_found, host, service,
	                      &hints);
	if (code < 0) {
		free(query);
		/* All but this says that it can be nobody's name. */
		return code == UV_ENOMEM ? code : UV_EAI_NONAME;
	}
	*out = query;
	return 0;
}

void
sled_query_drop(struct sled_query **query)
{
	if (*query == NULL)
		return;
	(*query)->fn = NULL;
	(*query)->loop->adrift++;
	(void)uv_cancel((uv_req_t *)&(*query)->req);
	*query = NULL;
}

bool
sled_query_fail(const char *host, int code, struct sled_err *err)
{
	if (code == UV_EAI_MEMORY || code == UV_ENOMEM)
		return sled_fail_sys(err, ENOMEM, "look up %s", host);
	if (code == UV_EAI_NONAME || code == UV_EAI_NODATA ||
	    code == UV_EAI_ADDRFAMILY) {
		(void)sled_fail(err, SLED_ERR_HOST, "no such host %s", host);
		return sled_hint(err, "check the server's name");
	}
	(void)sled_fail(err, SLED_ERR_LINK, "look up %s: %s", host,
	                uv_strerror(code));
	return sled_hint(err, "is the link up? no name server answered");
}

/* ---- a look-up alone ---- */

struct sled_lookup {
	struct sled_loop *loop;
	struct sled_query *query;
	sled_lookup_fn *fn;
	void *ctx;
	char host[HOST_MAX]; /* fit for a terminal */
};

static void
on_answer(void *ctx, int code, const struct sled_addrs *found)
{
	struct sled_lookup *lookup = ctx;
	struct sled_err err = { 0 };
	char text[LOOP_LIST_MAX];

	lookup->query = NULL;
	if (code < 0) {
		(void)sled_query_fail(lookup->host, code, &err);
		lookup->fn(lookup->ctx, NULL, &err);
		return;
	}
	sled_addrs_text(text, found, NULL);
	lookup->fn(lookup->ctx, text, NULL);
}

bool
sled_lookup_new(struct sled_lookup **out, struct sled_loop *loop,
                const char *host, sled_lookup_fn *fn, void *ctx,
                struct sled_err *err)
{
	struct sled_lookup *lookup = calloc(1, sizeof(*lookup));
	int code;

	*out = NULL;
	if (lookup == NULL)
		return sled_fail_sys(err, ENOMEM, "look-up");
	lookup->loop = loop;
	lookup->fn = fn;
	lookup->ctx = ctx;
	sled_text_clip(lookup->host, sizeof(lookup->host),
	               (struct sled_span){ host, strlen(host) });
	code =
	    sled_query_start(&lookup->query, loop, host, 0, on_answer, lookup);
	if (code < 0) {
		(void)sled_query_fail(lookup->host, code, err);
		free(lookup);
		return false;
	}
	loop->live++;
	*out = lookup;
	return true;
}

void
sled_lookup_free(struct sled_lookup **lookup)
{
	if (*lookup == NULL)
		return;
	sled_query_drop(&(*lookup)->query);
	(*lookup)->loop->live--;
	free(*lookup);
	*lookup = NULL;
}
