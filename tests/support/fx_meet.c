/* fx_meet.c - see fx_meet.h. */
#include "fx_meet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void
fx_meet_open_at(struct fx_meet *m, const struct sled_tls_trust *trust,
                const char *host, const struct fx_tls_id *id, int most,
                int64_t now, enum sled_tls_hello hello)
{
	*m = (struct fx_meet){ 0 };
	fx_tls_server_open(&m->server, id, 0, most);
	assert_true(sled_tls_new(&m->tls, trust, host, now, hello, &m->err));
}

void
fx_meet_open(struct fx_meet *m, const struct sled_tls_trust *trust,
             const char *host, const struct fx_tls_id *id, int most)
{
	fx_meet_open_at(m, trust, host, id, most, FX_TLS_NOW,
	                SLED_TLS_HELLO_SLIM);
}

void
fx_meet_close(struct fx_meet *m)
{
	sled_tls_free(&m->tls);
	fx_tls_server_close(&m->server);
	sled_buf_free(&m->wire);
	sled_buf_free(&m->sent);
}

void
fx_meet_deliver(struct fx_meet *m)
{
	struct sled_err err = { 0 };
	struct sled_span out = sled_tls_pending(m->tls);

	if (out.len > 0)
		assert_true(sled_buf_add(&m->sent, out.data, out.len, &err));
	fx_tls_server_feed(&m->server, out);
	sled_tls_sent(m->tls, out.len);
	fx_tls_server_take(&m->server, &m->wire);
}

char *
fx_meet_lend(struct fx_meet *m, size_t chunk)
{
	size_t len = m->wire.len < chunk ? m->wire.len : chunk;
	char *copy = malloc(len + 1);

	assert_non_null(copy);
	if (len > 0)
		memcpy(copy, m->wire.data, len);
	sled_buf_shift(&m->wire, len);
	sled_tls_feed(m->tls, (struct sled_span){ copy, len });
	return copy;
}

enum sled_tls_step
fx_meet_shake(struct fx_meet *m, size_t chunk)
{
	enum sled_tls_step step;
	char *lent = NULL;
	char byte[1];
	size_t got;

	while ((step = sled_tls_handshake(m->tls, &m->err)) ==
	       SLED_TLS_HUNGRY) {
		free(lent);
		fx_meet_deliver(m);
		assert_true(m->wire.len > 0);
		lent = fx_meet_lend(m, chunk);
	}
	if (step == SLED_TLS_READY)
		assert_int_equal(sled_tls_read(m->tls, byte, 1, &got, &m->err),
		                 SLED_TLS_HUNGRY);
	free(lent);
	return step;
}

enum sled_tls_step
fx_meet_drain(struct fx_meet *m, size_t chunk, size_t room,
              struct sled_buf *text)
{
	enum sled_tls_step step = SLED_TLS_HUNGRY;
	struct sled_err err = { 0 };
	char *lent = NULL;
	char out[512];
	size_t got;

	assert_true(room <= sizeof(out));
	for (;;) {
		step = sled_tls_read(m->tls, out, room, &got, &m->err);
		if (step == SLED_TLS_READY) {
			assert_true(got > 0 && got <= room);
			assert_true(sled_buf_add(text, out, got, &err));
			continue;
		}
		assert_int_equal(got, 0);
		if (step != SLED_TLS_HUNGRY || m->wire.len == 0)
			break;
		free(lent);
		lent = fx_meet_lend(m, chunk);
	}
	free(lent);
	return step;
}
