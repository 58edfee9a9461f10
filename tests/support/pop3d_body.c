/* pop3d_body.c - messages made ready for the wire; see pop3d.h. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pop3d.h"

void
pop3d_body_init(struct pop3d_body *body)
{
	*body = (struct pop3d_body){
		.raw_left = UINT64_MAX,
		.lines_left = UINT64_MAX,
	};
}

static void
put(struct pop3d_body *body, const char *data, size_t len)
{
	if (len == 0)
		return;
	body->size += len;
	if (body->emit != NULL)
		body->emit(body->ctx, data, len);
}

/* An empty line ends the head; behind it TOP counts. */
static void
end_line(struct pop3d_body *body, bool empty)
{
	put(body, "\r\n", 2);
	body->lines++;
	if (body->in_text && body->lines_left != UINT64_MAX)
		body->lines_left--;
	body->in_text = body->in_text || empty;
	body->stop = body->in_text && body->lines_left == 0;
	body->in_line = body->last_cr = false;
}

/* A CR is held back until what follows it is known: CRLF is one line end. */
static void
feed_part(struct pop3d_body *body, const char *data, size_t len, bool ended)
{
	bool at_start = !body->in_line && !body->last_cr;

	if (at_start && len > 0 && *data == '.' && body->stuff &&
	    body->emit != NULL)
		body->emit(body->ctx, ".", 1);
	if (len > 0 && body->last_cr) {
		put(body, "\r", 1);
		body->in_line = true;
		body->last_cr = false;
	}
	if (len > 0 && data[len - 1] == '\r') {
		body->last_cr = true;
		len--;
	}
	put(body, data, len);
	body->in_line = body->in_line || len > 0;
	if (ended)
		end_line(body, !body->in_line);
}

void
pop3d_body_feed(struct pop3d_body *body, const char *data, size_t len)
{
	if (len > body->raw_left)
		len = (size_t)body->raw_left;
	body->raw_left -= len;
	while (len > 0 && !body->stop) {
		const char *end = memchr(data, '\n', len);
		size_t part = end == NULL ? len : (size_t)(end - data);

		feed_part(body, data, part, end != NULL);
		part += end != NULL;
		data += part;
		len -= part;
	}
	body->stop = body->stop || body->raw_left == 0;
}

void
pop3d_body_end(struct pop3d_body *body)
{
	if (body->in_line || body->last_cr)
		end_line(body, false);
}

static bool
run_file(struct pop3d_body *body, const char *folder, const char *name)
{
	char path[4096], chunk[32768];
	ssize_t got = 0;
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >=
	    (int)sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return false;
	while (!body->stop && (got = read(fd, chunk, sizeof(chunk))) > 0)
		pop3d_body_feed(body, chunk, (size_t)got);
	(void)close(fd);
	return got != -1;
}

static bool
run_generated(struct pop3d_body *body, uint32_t index, size_t bytes)
{
	size_t len = 0;
	char *text = pop3d_generate(index, bytes, &len);

	if (text == NULL)
		return false;
	pop3d_body_feed(body, text, len);
	free(text);
	return true;
}

/* As mailutils does in an mbox: the head grows by 22 octets in the second
 * session and by 44 more in the third. */
static void
run_grown(struct pop3d_body *body, unsigned session)
{
	static const char uid[] = "X-UID: 0000000000001\r\n";
	static const char base[] =
	    "X-IMAPbase: 00000000000000000000 000000001\r\n";

	if (session >= 2)
		pop3d_body_feed(body, uid, sizeof(uid) - 1);
	if (session >= 3)
		pop3d_body_feed(body, base, sizeof(base) - 1);
}

bool
pop3d_body_run(struct pop3d_body *body, const struct pop3d_drop *drop,
               const struct pop3d_view *view, size_t at)
{
	const struct pop3d_conf *conf = drop->conf;
	const struct pop3d_mail *mail = &view->mails[at];
	const char *text;
	bool ok = true;

	if (conf->size_mode == POP3D_SIZE_GROW)
		run_grown(body, view->session);
	if (conf->generate > 0) {
		ok = run_generated(body, mail->index, conf->generate_bytes);
	} else if (conf->sample) {
		text = pop3d_sample_text(mail->index);
		pop3d_body_feed(body, text, strlen(text));
	} else {
		ok = run_file(body, conf->folder, mail->name);
	}
	pop3d_body_end(body);
	return ok;
}
