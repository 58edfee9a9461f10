/*
 * floor.c - the least that POP3S allows on a server: the bench's measure of
 * the possible. It stores nothing and proves nothing: it is no mail program.
 *
 *     floor [-e] [-k KNOWN] [-r BYTES] [-s FILE] HOST PORT USER PASSWORD CA
 *
 *   -e          eager: the first commands leave with the TLS Finished, before
 *               the greeting came; else they wait for it (strict)
 *   -k KNOWN    leave all on the server; of its messages the first KNOWN are
 *               known, the others are fetched
 *   -r BYTES    receive buffer of the socket, set before it connects
 *   -s FILE     resume the TLS session in FILE, and keep the next one there
 *
 * Without -k everything is fetched and deleted. One flight logs in and lists,
 * one fetches, one deletes and quits; a QUIT that deletes nothing is not
 * awaited. It prints one line of JSON. Exit status: 0, 64 usage, 69 -ERR, 70
 * system or TLS library, 75 connection, 76 protocol or certificate.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#define CHUNK  16384
#define INPUT  (8 * CHUNK)
#define WINDOW 1000 /* commands on their way; their bytes fit any socket */
#define OUTPUT (WINDOW * 18 + 64)

enum {
	USAGE = 64,
	REFUSED = 69,
	SYSTEM = 70,
	CUT = 75,
	PROTOCOL = 76,
};

struct options {
	bool eager, leave;
	unsigned long known;
	int receive_buffer;
	const char *session, *port, *user, *password, *ca;
	char *host; /* OpenSSL's macro would have it so */
};

struct probe {
	const struct options *opt;
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *from_wire, *to_wire; /* owned by ssl */
	char *in;                 /* INPUT bytes of plain text */
	size_t in_at, in_len;
	char out[OUTPUT]; /* commands, until they leave in one record */
	size_t out_len;
	unsigned long messages;
	uint64_t bytes;
	double started, tls_s, listed_s;
};

static double
now(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts) != 0)
		abort();
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static _Noreturn void
give_up(int status, const char *what, const char *why)
{
	(void)fprintf(stderr, "floor: %s: %s\n", what, why);
	exit(status);
}

static _Noreturn void
give_up_tls(int status, const char *what)
{
	char why[256];

	ERR_error_string_n(ERR_get_error(), why, sizeof(why));
	give_up(status, what, why);
}

/* All that TLS wants to send, in as few segments as it takes. */
static void
send_wire(struct probe *p)
{
	char *data;
	long len = BIO_get_mem_data(p->to_wire, &data);

	while (len > 0) {
		ssize_t sent = write(p->fd, data, (size_t)len);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			give_up(CUT, "write", strerror(errno));
		data += sent;
		len -= sent;
	}
	if (BIO_reset(p->to_wire) != 1)
		give_up(SYSTEM, "TLS", "no reset");
}

static void
receive_wire(struct probe *p)
{
	char data[CHUNK];
	ssize_t len;

	do
		len = read(p->fd, data, sizeof(data));
	while (len < 0 && errno == EINTR);
	if (len <= 0)
		give_up(CUT, "read", len < 0 ? strerror(errno) : "closed");
	if (BIO_write(p->from_wire, data, (int)len) != (int)len)
		give_up(SYSTEM, "TLS", "memory");
}

static void
flush(struct probe *p)
{
	if (p->out_len > 0 &&
	    SSL_write(p->ssl, p->out, (int)p->out_len) != (int)p->out_len)
		give_up_tls(PROTOCOL, "TLS write");
	p->out_len = 0;
	send_wire(p);
}

static void
put(struct probe *p, const char *text)
{
	size_t len = strlen(text);

	if (len > sizeof(p->out) - p->out_len)
		give_up(SYSTEM, "commands", "too long");
	memcpy(p->out + p->out_len, text, len);
	p->out_len += len;
}

/* More plain text behind what is there. */
static void
fill(struct probe *p)
{
	if (p->in_at > 0) {
		memmove(p->in, p->in + p->in_at, p->in_len - p->in_at);
		p->in_len -= p->in_at;
		p->in_at = 0;
	}
	if (p->in_len == INPUT)
		give_up(PROTOCOL, "line", "too long");
	for (;;) {
		int got = SSL_read(p->ssl, p->in + p->in_len,
		                   (int)(INPUT - p->in_len));

		if (got > 0) {
			p->in_len += (size_t)got;
			return;
		}
		if (SSL_get_error(p->ssl, got) != SSL_ERROR_WANT_READ)
			give_up_tls(CUT, "TLS read");
		receive_wire(p);
	}
}

/* A line without its CRLF, valid until the next one. */
static const char *
line(struct probe *p, size_t *len)
{
	size_t seen = 0;
	char *start, *end;

	for (;;) {
		start = p->in + p->in_at;
		end = memchr(start + seen, '\n', p->in_len - p->in_at - seen);
		if (end != NULL)
			break;
		seen = p->in_len - p->in_at;
		fill(p);
	}
	p->in_at += (size_t)(end - start) + 1;
	if (end > start && end[-1] == '\r')
		end--;
	*end = '\0';
	*len = (size_t)(end - start);
	return start;
}

static const char *
reply(struct probe *p)
{
	size_t len;
	const char *text = line(p, &len);

	if (strncmp(text, "+OK", 3) != 0)
		give_up(REFUSED, "server", text);
	return text;
}

/* Lines up to the dot; their octets as a message's size has them. */
static unsigned long
body(struct probe *p, uint64_t *bytes)
{
	unsigned long lines = 0;
	size_t len;

	for (;; lines++) {
		const char *text = line(p, &len);

		if (text[0] == '.' && len == 1)
			return lines;
		*bytes += len + 2 - (text[0] == '.');
	}
}

static void
take_message(struct probe *p)
{
	(void)reply(p);
	(void)body(p, &p->bytes);
	p->messages++;
}

static void
take_reply(struct probe *p)
{
	(void)reply(p);
}

/* VERB for each number, WINDOW of them on their way, LAST behind the end. */
static void
pipeline(struct probe *p, const char *verb, unsigned long first,
         unsigned long count, const char *last, void (*take)(struct probe *p))
{
	unsigned long asked = 0;
	char command[48];

	for (unsigned long done = 0; done < count; done++) {
		if (asked < count && asked - done <= WINDOW / 2) {
			while (asked < count && asked - done < WINDOW) {
				(void)snprintf(command, sizeof(command),
				               "%s %lu\r\n", verb,
				               first + asked++);
				put(p, command);
			}
			if (asked == count)
				put(p, last);
			flush(p);
		}
		take(p);
	}
}

static int
dial(const struct options *opt)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	int fd, one = 1, status;

	status = getaddrinfo(opt->host, opt->port, &hints, &found);
	if (status != 0)
		give_up(CUT, opt->host, gai_strerror(status));
	fd = socket(found->ai_family, found->ai_socktype, 0);
	if (fd < 0)
		give_up(SYSTEM, "socket", strerror(errno));
	if (opt->receive_buffer > 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &opt->receive_buffer,
	               sizeof(opt->receive_buffer)) != 0)
		give_up(SYSTEM, "receive buffer", strerror(errno));
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0)
		give_up(SYSTEM, "TCP_NODELAY", strerror(errno));
	if (connect(fd, found->ai_addr, found->ai_addrlen) != 0)
		give_up(CUT, opt->host, strerror(errno));
	freeaddrinfo(found);
	return fd;
}

/* Called for each ticket; the last one stays. */
static int
keep_session(SSL *ssl, SSL_SESSION *session)
{
	const struct options *opt = SSL_get_app_data(ssl);
	FILE *file = fopen(opt->session, "w");

	if (file == NULL)
		give_up(SYSTEM, opt->session, strerror(errno));
	if (PEM_write_SSL_SESSION(file, session) != 1 || fclose(file) != 0)
		give_up(SYSTEM, opt->session, "not written");
	return 0;
}

static void
offer_session(struct probe *p)
{
	FILE *file = fopen(p->opt->session, "r");
	SSL_SESSION *session;

	if (file == NULL)
		return;
	session = PEM_read_SSL_SESSION(file, NULL, NULL, NULL);
	(void)fclose(file);
	if (session == NULL || SSL_set_session(p->ssl, session) != 1)
		give_up_tls(SYSTEM, p->opt->session);
	SSL_SESSION_free(session);
}

static void
make_tls(struct probe *p)
{
	const struct options *opt = p->opt;

	p->ctx = SSL_CTX_new(TLS_client_method());
	p->from_wire = BIO_new(BIO_s_mem());
	p->to_wire = BIO_new(BIO_s_mem());
	if (p->ctx == NULL || p->from_wire == NULL || p->to_wire == NULL)
		give_up_tls(SYSTEM, "TLS");
	SSL_CTX_set_verify(p->ctx, SSL_VERIFY_PEER, NULL);
	if (opt->session != NULL) {
		(void)SSL_CTX_set_session_cache_mode(
		    p->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(p->ctx, keep_session);
	}
	if (SSL_CTX_load_verify_locations(p->ctx, opt->ca, NULL) != 1)
		give_up_tls(SYSTEM, opt->ca);
	p->ssl = SSL_new(p->ctx);
	if (p->ssl == NULL || SSL_set1_host(p->ssl, opt->host) != 1 ||
	    SSL_set_tlsext_host_name(p->ssl, opt->host) != 1 ||
	    SSL_set_app_data(p->ssl, (void *)(uintptr_t)opt) != 1)
		give_up_tls(SYSTEM, "TLS");
	SSL_set_bio(p->ssl, p->from_wire, p->to_wire);
	SSL_set_connect_state(p->ssl);
	if (opt->session != NULL)
		offer_session(p);
}

/* The client's Finished stays behind, to leave with what follows it. */
static void
shake_hands(struct probe *p)
{
	for (;;) {
		int done = SSL_do_handshake(p->ssl);

		if (done == 1)
			break;
		if (SSL_get_error(p->ssl, done) != SSL_ERROR_WANT_READ)
			give_up_tls(PROTOCOL, "handshake");
		send_wire(p);
		receive_wire(p);
	}
	p->tls_s = now() - p->started;
}

static void
put_login(struct probe *p)
{
	unsigned char plain[512], encoded[sizeof(plain) / 3 * 4 + 8];
	size_t user = strlen(p->opt->user), pass = strlen(p->opt->password);

	if (user + pass + 2 > sizeof(plain))
		give_up(USAGE, "user and password", "too long");
	plain[0] = '\0';
	memcpy(plain + 1, p->opt->user, user);
	plain[1 + user] = '\0';
	memcpy(plain + 2 + user, p->opt->password, pass);
	if (EVP_EncodeBlock(encoded, plain, (int)(2 + user + pass)) < 0)
		give_up_tls(SYSTEM, "base64");
	put(p, "AUTH PLAIN ");
	put(p, (const char *)encoded);
	put(p, "\r\n");
}

/* How many messages there are. */
static unsigned long
list(struct probe *p)
{
	unsigned long count;
	uint64_t ignored = 0;

	if (!p->opt->eager) {
		send_wire(p);
		(void)reply(p);
	}
	put_login(p);
	put(p, p->opt->leave ? "STAT\r\n" : "UIDL\r\nLIST\r\n");
	flush(p);
	if (p->opt->eager)
		(void)reply(p);
	(void)reply(p);
	if (p->opt->leave) {
		count = strtoul(reply(p) + 3, NULL, 10);
	} else {
		(void)reply(p);
		count = body(p, &ignored);
		(void)reply(p);
		if (body(p, &ignored) != count)
			give_up(PROTOCOL, "UIDL and LIST", "they differ");
	}
	p->listed_s = now() - p->started;
	return count;
}

static void
fetch_all(struct probe *p, unsigned long count)
{
	if (count == 0) {
		put(p, "QUIT\r\n");
		return;
	}
	pipeline(p, "RETR", 1, count, "", take_message);
	pipeline(p, "DELE", 1, count, "QUIT\r\n", take_reply);
	(void)reply(p);
}

/* The last known message shows whether the numbers still hold; ids, sizes and
 * texts of the new ones come in the same flight. */
static void
fetch_tail(struct probe *p, unsigned long count)
{
	unsigned long known = p->opt->known;
	char commands[96];

	if (known == 0 || count < known)
		give_up(PROTOCOL, "STAT", "fewer messages than are known");
	(void)snprintf(commands, sizeof(commands), "UIDL %lu\r\n", known);
	put(p, commands);
	for (unsigned long n = known + 1; n <= count; n++) {
		(void)snprintf(commands, sizeof(commands),
		               "UIDL %lu\r\nLIST %lu\r\nRETR %lu\r\n", n, n, n);
		put(p, commands);
	}
	flush(p);
	(void)reply(p);
	for (unsigned long n = known + 1; n <= count; n++) {
		(void)reply(p);
		(void)reply(p);
		take_message(p);
	}
	put(p, "QUIT\r\n");
}

static void
visit(struct probe *p)
{
	unsigned long count;

	p->started = now();
	p->fd = dial(p->opt);
	make_tls(p);
	shake_hands(p);
	count = list(p);
	if (p->opt->leave)
		fetch_tail(p, count);
	else
		fetch_all(p, count);
	if (p->out_len > 0 &&
	    SSL_write(p->ssl, p->out, (int)p->out_len) != (int)p->out_len)
		give_up_tls(PROTOCOL, "TLS write");
	(void)SSL_shutdown(p->ssl);
	send_wire(p);
}

static bool
read_options(struct options *opt, int argc, char **argv)
{
	int letter;

	while ((letter = getopt(argc, argv, "ek:r:s:")) != -1) {
		switch (letter) {
		case 'e':
			opt->eager = true;
			break;
		case 'k':
			opt->leave = true;
			opt->known = strtoul(optarg, NULL, 10);
			break;
		case 'r':
			opt->receive_buffer = (int)strtol(optarg, NULL, 10);
			break;
		case 's':
			opt->session = optarg;
			break;
		default:
			return false;
		}
	}
	if (argc - optind != 5)
		return false;
	opt->host = argv[optind];
	opt->port = argv[optind + 1];
	opt->user = argv[optind + 2];
	opt->password = argv[optind + 3];
	opt->ca = argv[optind + 4];
	return true;
}

int
main(int argc, char **argv)
{
	struct options opt = { 0 };
	struct probe *p;

	if (!read_options(&opt, argc, argv)) {
		(void)fputs("usage: floor [-e] [-k KNOWN] [-r BYTES] [-s FILE]"
		            " HOST PORT USER PASSWORD CA\n",
		            stderr);
		return USAGE;
	}
	p = calloc(1, sizeof(*p));
	if (p == NULL || (p->in = malloc(INPUT)) == NULL)
		give_up(SYSTEM, "memory", strerror(ENOMEM));
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		give_up(SYSTEM, "SIGPIPE", strerror(errno));
	p->opt = &opt;
	visit(p);
	if (printf("{\"resumed\":%s,\"tls\":%.3f,\"listed\":%.3f,"
	           "\"seconds\":%.3f,\"messages\":%lu,\"bytes\":%llu}\n",
	           SSL_session_reused(p->ssl) ? "true" : "false", p->tls_s,
	           p->listed_s, now() - p->started, p->messages,
	           (unsigned long long)p->bytes) < 0 ||
	    fflush(stdout) != 0)
		give_up(SYSTEM, "output", strerror(errno));
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	(void)close(p->fd);
	free(p->in);
	free(p);
	return 0;
}
