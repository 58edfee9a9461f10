/* test_archive_tar.c - nobody needs mailsled to read the mail: GNU tar, gzip
 * and Python read volumes, open and sealed, in silence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "fx_mem.h"
#include "fx_member.h"
#include "mailsled/archive.h"
#include "mailsled/hash.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static char zeros[70000];

static const struct sled_span messages[] = {
	{ "", 0 },
	{ "x", 1 },
	{ "Subject: a\r\n\r\nb\r\n", 17 },
	{ zeros, 512 },
	{ zeros, sizeof(zeros) },
	{ "a\0\xff\n\rb", 6 },
};

struct reader {
	const char *program; /* what must be there, else the test is skipped */
	const char *command; /* two %s: the volume, the folder to fill */
};

static const struct reader gnu_tar = {
	"tar",
	"cd '%2$s' && tar xzf '%1$s'",
};
static const struct reader gzip_and_tar = {
	"gzip",
	"gzip -t '%1$s' && gzip -dc '%1$s' | tar xf - -C '%2$s'",
};
static const struct reader python = {
	"python3",
	"python3 -W error -c '\n"
	"import os, sys, tarfile\n"
	"with tarfile.open(sys.argv[1]) as volume:\n"
	"    for member in volume:\n"
	"        assert member.isreg() and member.uid == member.gid == 0\n"
	"        assert member.mode == 0o644 and not member.uname\n"
	"        path = os.path.join(sys.argv[2], member.name)\n"
	"        os.makedirs(os.path.dirname(path), exist_ok=True)\n"
	"        with open(path, \"xb\") as out:\n"
	"            out.write(volume.extractfile(member).read())\n"
	"        os.utime(path, (member.mtime, member.mtime))\n"
	"' '%1$s' '%2$s'",
};

/* The shell's status, and what it said on either stream. */
static int
shell(const char *command, const char *dir, struct sled_buf *said)
{
	char line[4096], log[FX_PATH + 8];
	int len;

	(void)snprintf(log, sizeof(log), "%s/log", dir);
	len = snprintf(line, sizeof(line), "{ %s ; } >'%s' 2>&1", command, log);
	assert_in_range(len, 1, sizeof(line) - 1);
	len = system(line);
	fx_file_slurp(said, log);
	return len;
}

static void
need(const char *program, const char *dir)
{
	char command[64];
	struct sled_buf said = { 0 };
	int status;

	(void)snprintf(command, sizeof(command), "%s --version", program);
	status = shell(command, dir, &said);
	sled_buf_free(&said);
	if (status != 0) {
		print_message("no %s on this machine: not tested\n", program);
		fx_dir_remove(dir);
		skip();
	}
}

static void
assert_extracted(const char *dir, const struct fx_member *member)
{
	for (size_t i = 0; i < COUNT(messages); i++) {
		struct sled_receipt receipt =
		    fx_receipt(member, i, messages[i]);
		struct sled_buf found = { 0 };
		struct stat st;
		char path[2 * FX_PATH];

		(void)snprintf(path, sizeof(path), "%s/out/%s", dir,
		               receipt.entry);
		fx_file_slurp(&found, path);
		assert_int_equal(found.len, messages[i].len);
		if (found.len > 0)
			assert_memory_equal(found.data, messages[i].data,
			                    found.len);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mtime, FX_RECEIVED);
		sled_buf_free(&found);
	}
}

/* Three members, the first with VOLUME.txt, and the end member when sealed. */
static void
reads(const struct reader *reader, bool sealed)
{
	const struct fx_member member[] = {
		{ "home", "2024-02-001", 1, 1, true },
		{ "home", "2024-02-001", 2, 101, false },
		{ "home", "2024-02-001", 3, 201, false },
	};
	struct sled_buf file = { 0 }, said = { 0 };
	struct sled_err err = { 0 };
	char dir[FX_PATH], volume[FX_PATH + 32], out[FX_PATH + 8], line[3072];

	fx_dir_make(dir);
	need(reader->program, dir);
	for (size_t i = 0; i < COUNT(member); i++)
		(void)fx_member_add(&file, &member[i], messages,
		                    COUNT(messages));
	if (sealed)
		assert_true(sled_member_last(&file, &err));
	(void)snprintf(volume, sizeof(volume), "%s/2024-02-001%s", dir,
	               sealed ? ".tar.gz" : ".open.tar.gz");
	fx_file_write(volume, sled_buf_span(&file));
	(void)snprintf(out, sizeof(out), "%s/out", dir);
	assert_int_equal(mkdir(out, 0700), 0);
	(void)snprintf(line, sizeof(line), reader->command, volume, out);
	if (shell(line, dir, &said) != 0 || said.len != 0)
		fail_msg("%s: %s", line, said.len > 0 ? said.data : "failed");
	for (size_t i = 0; i < COUNT(member); i++)
		assert_extracted(dir, &member[i]);
	sled_buf_free(&said);
	sled_buf_free(&file);
	fx_dir_remove(dir);
}

static void
gnu_tar_reads_an_open_volume(void **state)
{
	(void)state;
	reads(&gnu_tar, false);
}

static void
gnu_tar_reads_a_sealed_volume(void **state)
{
	(void)state;
	reads(&gnu_tar, true);
}

static void
gzip_finds_a_volume_whole(void **state)
{
	(void)state;
	reads(&gzip_and_tar, false);
	reads(&gzip_and_tar, true);
}

static void
python_reads_an_open_volume(void **state)
{
	(void)state;
	reads(&python, false);
}

static void
python_reads_a_sealed_volume(void **state)
{
	(void)state;
	reads(&python, true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gnu_tar_reads_an_open_volume),
		cmocka_unit_test(gnu_tar_reads_a_sealed_volume),
		cmocka_unit_test(gzip_finds_a_volume_whole),
		cmocka_unit_test(python_reads_an_open_volume),
		cmocka_unit_test(python_reads_a_sealed_volume),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
