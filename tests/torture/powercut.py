#!/usr/bin/env python3
"""The power is cut under a real file system, and mailsled starts again.

usage: powercut.py [--cuts N] [--seed N] [--fs ext4,xfs,btrfs] [--no-sync]

A loop device stands on a disk of ours (forgetful.c) that keeps, of what was
not flushed at the cut, each sector or not. On it a real file system, on that a
store of two places, which had a visit before. During the next visit the disk
is cut at one of its writes or flushes. Then the file system is mounted from
what is left, and:
  - whatever the server has no more is whole in both places, read by Python's
    zlib and tarfile alone
  - the next visit brings the rest, exit status 0, and empties the server; it
    asks for nothing that is left whole in the archives or the spool
  - every message is in both places once, by GNU tar; verify --deep is content
--no-sync is the control: with a program whose syncs are swallowed (by strace),
cuts must be seen to lose mail, or this test proves nothing.

It needs root, loop devices, FUSE and the mkfs of each file system; what is not
there is skipped, and said; with none of them it ends with 77. A visit that is over
before its cut is none: another one is made. The last line
counts.
"""
import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from harness import (BUILD, Pop3d, Sled, fill_folder, message, same_mail,
                     untar, wait_for, wire)  # noqa: E402
from test_fetch_kill import Disk, digest  # noqa: E402

MEBI = 1 << 20
KINDS = {"ext4": (64 * MEBI, ["mkfs.ext4", "-q", "-F"]),
         "xfs": (320 * MEBI, ["mkfs.xfs", "-q", "-f"]),
         "btrfs": (160 * MEBI, ["mkfs.btrfs", "-q", "-f"])}
# ext4's superblock is two sectors, and of a write of it one may be lost: it is
# not mounted then before what each boot does was done.
MENDS = {"ext4": ["e2fsck", "-fy"]}
MAILS = 9
SKIPPED = 77


class Lost(Exception):
    """A law did not hold."""


def call(*argv, **otherwise):
    """What it said; OTHERWISE when it failed."""
    done = subprocess.run([str(a) for a in argv], capture_output=True,
                          text=True)
    if done.returncode != 0 and otherwise:
        return otherwise["otherwise"]
    if done.returncode != 0:
        raise OSError(f"{argv[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


class Mounted:
    """A file as a loop device, mounted."""

    def __init__(self, image, folder, mend=()):
        self.folder = folder
        self.loop = call("losetup", "--find", "--show", image)
        try:
            if call("mount", self.loop, folder, otherwise=None) is None:
                if mend:  # it corrects, and says so by its status
                    call(*mend, self.loop, otherwise="")
                call("mount", self.loop, folder)
        except OSError:
            call("losetup", "-d", self.loop)
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        wait_for(self.is_unmounted, f"{self.folder} to be unmounted", 60)
        call("losetup", "-d", self.loop)
        backing = Path("/sys/block", Path(self.loop).name,
                       "loop/backing_file")
        wait_for(lambda: not backing.exists(), f"{self.loop} to end", 60)

    def is_unmounted(self):
        """A file system that was cut off may be busy for a while yet."""
        return call("umount", self.folder, otherwise=None) is not None


class Forgetful:
    """The disk that is cut: .done after the end tells its writes."""

    def __init__(self, base, out, cut, seed, folder):
        self.folder, self.done = folder, 0
        self.process = subprocess.Popen(
            [BUILD / "torture/forgetful", base, out, str(cut), str(seed),
             folder], stdout=subprocess.PIPE, text=True)
        wait_for(lambda: (folder / "disk").exists() or
                 self.process.poll() is not None, "the disk")
        if self.process.poll() is not None:
            raise OSError("FUSE does not mount here")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.done = int(self.process.communicate(timeout=60)[0] or 0)


class Trial:
    """One file system; many cuts from one beginning."""

    def __init__(self, tmp, kind, no_sync):
        self.tmp, self.kind, self.no_sync = tmp, kind, no_sync
        self.base, self.out = tmp / "base.img", tmp / "out.img"
        self.mount, self.fuse = tmp / "mnt", tmp / "fuse"
        self.mount.mkdir()
        self.fuse.mkdir()
        self.early = [message(n) for n in (1, 2, 3)]
        self.late = [message(n, f"line {n}\n" * (1 + n * n * 9))
                     for n in range(10, 10 + MAILS)]
        self.server = None

    def sled(self):
        return Sled(self.tmp, {"home": self.server}, copies=1,
                    store={"path": self.mount / "store",
                           "copies": self.mount / "copy"})

    def serve(self, mails):
        if self.server is not None:
            self.server.stop()
            shutil.rmtree(self.server.folder)
        folder = fill_folder(self.tmp / "mail",
                             {f"m{digest(m).hex()[:12]}": m for m in mails})
        self.server = Pop3d(self.tmp, folder=folder)

    def begin(self):
        size, mkfs = KINDS[self.kind]
        with open(self.base, "wb") as image:
            image.truncate(size)
        call(*mkfs, self.base)
        self.serve(self.early)
        with Mounted(self.base, self.mount):
            done = self.sled_at(self.mount).fetch()
            if done.status != 0 or self.server.left():
                raise Lost(f"the first visit: {done}")

    def sled_at(self, mount):
        sled = self.sled()
        sled.path, sled.copies = mount / "store", [mount / "copy"]
        return sled

    def visit(self, cut, seed):
        """Until the cut, or its end; how much the disk had to do."""
        self.serve(self.late)
        call("cp", "--sparse=always", self.base, self.out)
        with Forgetful(self.base, self.out, cut, seed, self.fuse) as disk:
            try:
                with Mounted(self.fuse / "disk", self.mount):
                    self.fetch_once()
            except OSError:
                if cut == 0:  # else the cut came in the mount, or before
                    raise
        return disk.done

    def fetch_once(self):
        argv = self.sled().argv("fetch")
        if self.no_sync:
            argv = ["strace", "-f", "-qq", "-o", "/dev/null", "-e",
                    "inject=fsync,fdatasync,syncfs:retval=0", *argv]
        subprocess.run(argv, capture_output=True, timeout=300, check=False)

    def check(self):
        """On what is left."""
        gone = ({f"m{digest(m).hex()[:12]}.eml" for m in self.late} -
                set(self.server.left()))
        with Mounted(self.out, self.mount, MENDS.get(self.kind, ())):
            sled = self.sled_at(self.mount)
            self.check_law(sled, gone)
            disk, before = Disk(sled), len(self.server.mails("RETR"))
            whole = disk.archived(sled.path) | disk.spooled()
            done = sled.fetch()
            if done.status != 0 or self.server.left():
                raise Lost(f"the next visit: {done}")
            self.check_twice(whole, self.server.mails("RETR")[before:])
            self.check_end(sled)

    def check_twice(self, whole, asked):
        twice = [m for m in self.late if digest(wire(m)) in whole and
                 f"m{digest(m).hex()[:12]}.eml" in asked]
        if twice:
            raise Lost(f"{len(twice)} messages were whole, and are fetched "
                       "again")

    def check_law(self, sled, gone):
        must = {digest(wire(m)) for m in self.early}
        must |= {digest(wire(m)) for m in self.late
                 if f"m{digest(m).hex()[:12]}.eml" in gone}
        for place in sled.places:
            lacks = must - Disk(sled).archived(place)
            if lacks:
                raise Lost(f"{place.name} lacks {len(lacks)} messages that "
                           "the server has no more")

    def check_end(self, sled):
        everything = [wire(m) for m in self.early + self.late]
        for place in sled.places:
            folder = self.tmp / "out"
            try:
                same_mail(untar(place, folder), everything)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        done = sled.run("verify", "--deep")
        if done.status != 0:
            raise Lost(f"verify: {done}")


def try_cut(trial, cut, seed):
    """(was it cut, what was lost or None)"""
    return trial.visit(cut, seed) >= cut, what_is_lost(trial)


def what_is_lost(trial):
    try:
        trial.check()
    except (Lost, AssertionError) as why:
        return str(why)
    except OSError as why:
        return f"not mounted: {why}"
    return None


def run_kind(tmp, kind, options):
    trial = Trial(tmp, kind, options.no_sync)
    chance = random.Random(options.seed)
    try:
        trial.begin()
        length = trial.visit(0, 0)
        trial.check()
        lost = number = late = 0
        while number < options.cuts:
            cut, seed = chance.randrange(1, length + 1), chance.getrandbits(32)
            was_cut, why = try_cut(trial, cut, seed)
            number += was_cut
            late += not was_cut
            if late > options.cuts:
                raise AssertionError(f"{kind}: {late} visits were not cut")
            lost += why is not None
            if why is not None and not options.no_sync:
                print(f"  {kind} cut {number} at {cut} of {length}, seed "
                      f"{seed}: {why}", flush=True)
        print(f"{kind}: {length} writes and flushes a visit, {options.cuts} "
              f"cuts, {late} visits over before theirs, {lost} with a loss",
              flush=True)
        return lost
    finally:
        if trial.server is not None:
            trial.server.stop()


def lacks(kind, no_sync):
    """Why this cannot be run here, or ''."""
    tools = ["losetup", "mount", KINDS[kind][1][0]]
    for tool in tools + (["strace"] if no_sync else []):
        if shutil.which(tool) is None:
            return f"no {tool}"
    if os.geteuid() != 0:
        return "needs root"
    if not os.access("/dev/fuse", os.W_OK):
        return "no /dev/fuse"
    if not os.access("/dev/loop-control", os.W_OK):
        return "no loop devices"
    if not (BUILD / "torture/forgetful").exists():
        return "built without libfuse3-dev"
    known = Path("/proc/filesystems").read_text().split()
    return "" if kind in known else f"the kernel has no {kind}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fs", default=",".join(KINDS))
    parser.add_argument("--no-sync", action="store_true")
    options = parser.parse_args()
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    lost = ran = skipped = 0
    for kind in options.fs.split(","):
        why = lacks(kind, options.no_sync)
        if why:
            print(f"{kind}: skipped: {why}")
            skipped += 1
            continue
        tmp = Path(tempfile.mkdtemp(prefix="powercut.", dir=where))
        try:
            lost += run_kind(tmp, kind, options)
            ran += options.cuts
        finally:
            shutil.rmtree(tmp, ignore_errors=True)
    print(f"power cuts: {ran} made, {lost} with a loss, {skipped} file "
          "systems skipped")
    if ran == 0:
        return SKIPPED
    if options.no_sync:
        return 0 if lost > 0 else 1
    return 0 if lost == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
