/* crash_wrap.c - what the linker's --wrap puts between the modules. */
#include <errno.h>
#include <stdlib.h>

#include "crash.h"
#include "mailsled/archive.h"
#include "mailsled/hash.h"
#include "mailsled/ledger.h"
#include "mailsled/loop.h"

bool crash_hashes_equal, crash_members_hold, crash_holds_on;

bool __real_sled_hash_equal(const struct sled_hash *a,
                            const struct sled_hash *b);
bool __wrap_sled_hash_equal(const struct sled_hash *a,
                            const struct sled_hash *b);
bool __real_sled_member_compare(const struct sled_source *source, uint64_t at,
                                const struct sled_member_sum *sum,
                                struct sled_err *err);
bool __wrap_sled_member_compare(const struct sled_source *source, uint64_t at,
                                const struct sled_member_sum *sum,
                                struct sled_err *err);
bool __real_sled_ledger_unhold(struct sled_ledger *ledger, int64_t member,
                               const char *place, struct sled_err *err);
bool __wrap_sled_ledger_unhold(struct sled_ledger *ledger, int64_t member,
                               const char *place, struct sled_err *err);
bool __wrap_sled_worker_new(struct sled_worker **out, struct sled_err *err);
bool __wrap_sled_worker_submit(struct sled_worker *worker, sled_loop_fn *job,
                               void *ctx, struct sled_err *err);
bool __wrap_sled_worker_wait(struct sled_worker *worker, uint64_t timeout_ms);
void __wrap_sled_worker_free(struct sled_worker **worker);

bool
__wrap_sled_hash_equal(const struct sled_hash *a, const struct sled_hash *b)
{
	return crash_hashes_equal || __real_sled_hash_equal(a, b);
}

bool
__wrap_sled_member_compare(const struct sled_source *source, uint64_t at,
                           const struct sled_member_sum *sum,
                           struct sled_err *err)
{
	return crash_members_hold ||
	       __real_sled_member_compare(source, at, sum, err);
}

bool
__wrap_sled_ledger_unhold(struct sled_ledger *ledger, int64_t member,
                          const char *place, struct sled_err *err)
{
	return crash_holds_on ||
	       __real_sled_ledger_unhold(ledger, member, place, err);
}

/* A job is done when it is handed in: one order of all calls, each time. */
bool
__wrap_sled_worker_new(struct sled_worker **out, struct sled_err *err)
{
	*out = malloc(1);
	return *out != NULL || sled_fail_sys(err, ENOMEM, "worker");
}

bool
__wrap_sled_worker_submit(struct sled_worker *worker, sled_loop_fn *job,
                          void *ctx, struct sled_err *err)
{
	(void)worker;
	(void)err;
	job(ctx);
	return true;
}

bool
__wrap_sled_worker_wait(struct sled_worker *worker, uint64_t timeout_ms)
{
	(void)worker;
	(void)timeout_ms;
	return true;
}

void
__wrap_sled_worker_free(struct sled_worker **worker)
{
	free(*worker);
	*worker = NULL;
}
