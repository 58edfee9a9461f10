/* test_loop_worker.c - a thread that hangs holds nobody up. */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "mailsled/loop.h"

struct disk {
	sem_t entered, awake, gone;
	pthread_t thread;
	int jobs;
};

static void
setup(struct disk *disk)
{
	disk->jobs = 0;
	assert_int_equal(sem_init(&disk->entered, 0, 0), 0);
	assert_int_equal(sem_init(&disk->awake, 0, 0), 0);
	assert_int_equal(sem_init(&disk->gone, 0, 0), 0);
}

static void
do_quick(void *ctx)
{
	struct disk *disk = ctx;

	disk->thread = pthread_self();
	disk->jobs++;
}

static void
do_hang(void *ctx)
{
	struct disk *disk = ctx;

	(void)sem_post(&disk->entered);
	(void)sem_wait(&disk->awake);
	disk->jobs++;
}

static void
on_late(void *ctx)
{
	struct disk *disk = ctx;

	(void)sem_post(&disk->gone);
}

static void
jobs_run_on_one_other_thread(void **state)
{
	struct sled_worker *worker;
	struct sled_err err = { 0 };
	struct disk disk;
	pthread_t first;

	(void)state;
	setup(&disk);
	assert_true(sled_worker_new(&worker, &err));
	assert_true(sled_worker_wait(worker, 0));
	assert_true(sled_worker_submit(worker, do_quick, &disk, &err));
	assert_true(sled_worker_wait(worker, UINT64_MAX));
	assert_int_equal(disk.jobs, 1);
	first = disk.thread;
	assert_false(pthread_equal(first, pthread_self()));
	assert_true(sled_worker_submit(worker, do_quick, &disk, &err));
	assert_true(sled_worker_wait(worker, UINT64_MAX));
	assert_int_equal(disk.jobs, 2);
	assert_true(pthread_equal(first, disk.thread));
	sled_worker_free(&worker);
	assert_null(worker);
}

static void
a_silent_job_is_told_and_may_come_back(void **state)
{
	struct sled_worker *worker;
	struct sled_err err = { 0 };
	struct disk disk;

	(void)state;
	setup(&disk);
	assert_true(sled_worker_new(&worker, &err));
	assert_true(sled_worker_submit(worker, do_hang, &disk, &err));
	assert_false(sled_worker_wait(worker, 0));
	assert_false(sled_worker_wait(worker, 10));
	assert_false(sled_worker_submit(worker, do_quick, &disk, &err));
	assert_int_equal(err.kind, SLED_ERR_INTERNAL);
	(void)sem_post(&disk.awake);
	assert_true(sled_worker_wait(worker, UINT64_MAX));
	assert_int_equal(disk.jobs, 1);
	assert_true(sled_worker_submit(worker, do_quick, &disk, &err));
	sled_worker_free(&worker);
	assert_int_equal(disk.jobs, 2);
}

static void
an_abandoned_job_cleans_up_when_it_wakes(void **state)
{
	struct sled_worker *worker;
	struct sled_err err = { 0 };
	struct disk disk;

	(void)state;
	setup(&disk);
	assert_true(sled_worker_new(&worker, &err));
	assert_true(sled_worker_submit(worker, do_hang, &disk, &err));
	(void)sem_wait(&disk.entered);
	sled_worker_abandon(&worker, on_late);
	assert_null(worker);
	assert_int_equal(disk.jobs, 0);
	assert_int_equal(sem_trywait(&disk.gone), -1);
	(void)sem_post(&disk.awake);
	(void)sem_wait(&disk.gone);
	assert_int_equal(disk.jobs, 1);
}

static void
an_abandoned_idle_worker_ends_without_late(void **state)
{
	struct sled_worker *worker;
	struct sled_err err = { 0 };
	struct disk disk;

	(void)state;
	setup(&disk);
	assert_true(sled_worker_new(&worker, &err));
	assert_true(sled_worker_submit(worker, do_quick, &disk, &err));
	assert_true(sled_worker_wait(worker, UINT64_MAX));
	sled_worker_abandon(&worker, on_late);
	assert_null(worker);
	assert_int_equal(sem_trywait(&disk.gone), -1);
	sled_worker_abandon(&worker, on_late);
	sled_worker_free(&worker);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs_run_on_one_other_thread),
		cmocka_unit_test(a_silent_job_is_told_and_may_come_back),
		cmocka_unit_test(an_abandoned_job_cleans_up_when_it_wakes),
		cmocka_unit_test(an_abandoned_idle_worker_ends_without_late),
	};

	(void)alarm(120); /* what hangs fails */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
