/* test_places_disk.c - which disk a file system is on, whatever lies between,
 * as a sysfs of our own tells it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#include "fx_tmp.h"
#include "places/mounts.h"

static struct fx_tmp tmp;

static void
sh(const char *text)
{
	char line[4096];

	(void)snprintf(line, sizeof(line), "cd '%s' && { %s; }", tmp.path,
	               text);
	assert_int_equal(system(line), 0); /* NOLINT(cert-env33-c) */
}

/* sda with a partition, a LUKS mapping on it and a volume of LVM on that; sdb,
 * a stick, with one partition; loop0 on its own. */
static int
set_up(void **state)
{
	(void)state;
	fx_tmp_make(&tmp);
	sh("mkdir -p dev/block devices/pci/ata1/sda/sda1"
	   " devices/pci/usb1/1-1/sdb/sdb1 devices/virtual/dm-0/dm"
	   " devices/virtual/dm-0/slaves devices/virtual/dm-1/dm"
	   " devices/virtual/dm-1/slaves devices/virtual/loop0 && "
	   "echo 8:0 >devices/pci/ata1/sda/dev && "
	   "echo 0 >devices/pci/ata1/sda/removable && "
	   "echo 8:1 >devices/pci/ata1/sda/sda1/dev && "
	   "echo 1 >devices/pci/ata1/sda/sda1/partition && "
	   "echo 8:16 >devices/pci/usb1/1-1/sdb/dev && "
	   "echo 1 >devices/pci/usb1/1-1/sdb/removable && "
	   "echo 8:17 >devices/pci/usb1/1-1/sdb/sdb1/dev && "
	   "echo 1 >devices/pci/usb1/1-1/sdb/sdb1/partition && "
	   "echo 254:0 >devices/virtual/dm-0/dev && "
	   "echo CRYPT-LUKS2-0a-x >devices/virtual/dm-0/dm/uuid && "
	   "ln -s ../../../pci/ata1/sda/sda1 devices/virtual/dm-0/slaves/ && "
	   "echo 254:1 >devices/virtual/dm-1/dev && "
	   "echo LVM-xyz >devices/virtual/dm-1/dm/uuid && "
	   "ln -s ../../dm-0 devices/virtual/dm-1/slaves/ && "
	   "echo 7:0 >devices/virtual/loop0/dev && "
	   "ln -s ../../devices/pci/ata1/sda dev/block/8:0 && "
	   "ln -s ../../devices/pci/ata1/sda/sda1 dev/block/8:1 && "
	   "ln -s ../../devices/pci/usb1/1-1/sdb dev/block/8:16 && "
	   "ln -s ../../devices/pci/usb1/1-1/sdb/sdb1 dev/block/8:17 && "
	   "ln -s ../../devices/virtual/dm-0 dev/block/254:0 && "
	   "ln -s ../../devices/virtual/dm-1 dev/block/254:1 && "
	   "ln -s ../../devices/virtual/loop0 dev/block/7:0");
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	fx_tmp_drop(&tmp);
	return 0;
}

static struct sled_disk
disk_of(unsigned high, unsigned low)
{
	struct sled_disk disk;

	sled_mounts_disk(tmp.path, makedev(high, low), &disk);
	return disk;
}

static void
a_partition_is_on_its_disk(void **state)
{
	(void)state;
	assert_int_equal(disk_of(8, 1).id, makedev(8, 0));
	assert_int_equal(disk_of(8, 0).id, makedev(8, 0));
	assert_false(disk_of(8, 1).removable);
	assert_false(disk_of(8, 1).encrypted);
}

static void
layers_are_on_the_disk_below_them(void **state)
{
	(void)state;
	assert_int_equal(disk_of(254, 0).id, makedev(8, 0));
	assert_int_equal(disk_of(254, 1).id, makedev(8, 0));
	assert_true(disk_of(254, 1).encrypted);
	assert_false(disk_of(254, 1).removable);
}

static void
a_stick_can_be_carried_off(void **state)
{
	(void)state;
	assert_int_equal(disk_of(8, 17).id, makedev(8, 16));
	assert_true(disk_of(8, 17).removable);
	assert_false(disk_of(8, 17).encrypted);
}

static void
what_is_not_known_is_a_disk_of_its_own(void **state)
{
	(void)state;
	assert_int_equal(disk_of(7, 0).id, makedev(7, 0));
	assert_int_equal(disk_of(99, 3).id, makedev(99, 3));
	assert_int_equal(disk_of(0, 42).id, makedev(0, 42));
}

/* A loop of slaves, as no kernel has it. */
static void
a_ring_ends(void **state)
{
	(void)state;
	sh("ln -s ../../dm-1 devices/virtual/dm-0/slaves/aaa && "
	   "rm devices/virtual/dm-0/slaves/sda1");
	assert_true(disk_of(254, 1).id != 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_partition_is_on_its_disk),
		T(layers_are_on_the_disk_below_them),
		T(a_stick_can_be_carried_off),
		T(what_is_not_known_is_a_disk_of_its_own),
		T(a_ring_ends),
	};

	return cmocka_run_group_tests_name("places_disk", tests, NULL, NULL);
}
