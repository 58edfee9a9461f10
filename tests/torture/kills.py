#!/usr/bin/env python3
"""SIGKILL at each system call of a whole `mailsled fetch`.

usage: kills.py [--every N] [--offset N] [--jobs N]

strace kills the program at the Nth call of a kind, N = 1, 2, 3 ... until a
run comes through: for the calls that change a disk or the link, each (--every
1) or some of them. Behind each kill:
  - what the server has no more is whole in both places, read by Python alone
  - the next visit ends with 0, brings nothing that was whole before, and
    empties the server; every message is in both places once, by GNU tar
The last line counts.
"""
import argparse
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from harness import Pop3d, Sled, fill_folder, message, same_mail, untar, wire  # noqa: E402
from test_fetch_kill import Disk, digest  # noqa: E402

CALLS = ("pwrite64", "fdatasync", "fsync", "openat", "close", "renameat",
         "unlinkat", "mkdirat", "ftruncate", "fchmod", "pread64", "fadvise64",
         "write", "sendto", "read", "recvfrom", "futex", "mmap", "fcntl")
MAILS = 6


class Trial:
    """One store and its server, laid out anew for each kill."""

    def __init__(self, tmp):
        self.tmp = Path(tmp)
        self.early = [message(n) for n in (1, 2)]
        self.late = [message(n, f"line {n}\n" * (n * n * 30))
                     for n in range(10, 10 + MAILS)]
        self.folder = self.tmp / "mail"
        self.fill(self.early)
        self.server = Pop3d(self.tmp, folder=self.folder)
        self.sled = Sled(self.tmp, {"home": self.server}, copies=1)
        done = self.sled.fetch()
        assert done.status == 0, done
        shutil.copytree(self.sled.dir, self.tmp / "kept", symlinks=True)

    @staticmethod
    def name(mail):
        return f"m{digest(mail).hex()[:12]}"

    def fill(self, mails):
        shutil.rmtree(self.folder, ignore_errors=True)
        fill_folder(self.folder, {self.name(m): m for m in mails})

    def begin_again(self):
        self.server.stop()
        self.fill(self.late)
        self.server.start(self.server.port)
        shutil.rmtree(self.sled.dir)
        shutil.copytree(self.tmp / "kept", self.sled.dir, symlinks=True)
        self.sled.write()

    def kill(self, call, nth):
        """Whether it came to that call."""
        argv = ["strace", "-f", "-qq", "-o", "/dev/null", "-e",
                f"trace={call}", "-e",
                f"inject={call}:signal=SIGKILL:when={nth}",
                *self.sled.argv("fetch")]
        done = subprocess.run(argv, capture_output=True, timeout=300,
                              check=False)
        self.server.wait_closed()
        return done.returncode != 0

    def check(self):
        left = set(self.server.left())
        gone = [m for m in self.late if f"{self.name(m)}.eml" not in left]
        must = {digest(wire(m)) for m in self.early + gone}
        disk = Disk(self.sled)
        for place in self.sled.places:
            lacks = must - disk.archived(place)
            assert not lacks, f"{place.name} lacks {len(lacks)} messages"
        whole = disk.archived(self.sled.path) | disk.spooled()
        before = len(self.server.mails("RETR"))
        done = self.sled.fetch()
        assert done.status == 0, done
        twice = [name for name in self.server.mails("RETR")[before:]
                 if name in {f"{self.name(m)}.eml" for m in self.late
                             if digest(wire(m)) in whole}]
        assert not twice, f"whole before, and fetched again: {twice}"
        assert not self.server.left(), self.server.left()
        for place in self.sled.places:
            folder = self.tmp / "out"
            same_mail(untar(place, folder),
                      [wire(m) for m in self.early + self.late])
            shutil.rmtree(folder)


def run_call(task):
    """(kills, failures) of one call."""
    call, every, offset = task
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    tmp = tempfile.mkdtemp(prefix="kills.", dir=where)
    kills, failures, trial = 0, [], None
    try:
        trial = Trial(tmp)
        nth = 1 + offset % every
        while True:
            trial.begin_again()
            killed = trial.kill(call, nth)
            try:
                trial.check()
            except AssertionError as why:
                failures.append(f"{call} {nth}: {why}")
            if not killed:
                break
            kills += 1
            nth += every
    except Exception as why:  # of the test itself: a failure all the same
        failures.append(f"{call}: {type(why).__name__}: {why}")
    finally:
        if trial is not None:
            trial.server.stop()
        shutil.rmtree(tmp, ignore_errors=True)
    return call, kills, failures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--offset", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--calls", default=",".join(CALLS))
    options = parser.parse_args()
    if shutil.which("strace") is None:
        print("kills: skipped: strace is not installed")
        return 0
    tasks = [(call, options.every, options.offset)
             for call in options.calls.split(",")]
    kills = failed = 0
    with multiprocessing.Pool(options.jobs) as pool:
        for call, count, failures in pool.imap_unordered(run_call, tasks, 1):
            print(f"{call:10} {count:5} kills, {len(failures)} failed",
                  flush=True)
            for failure in failures[:5]:
                print(f"  {failure[:600]}")
            kills += count
            failed += len(failures)
    print(f"kills: {kills} made, {failed} failed")
    return 0 if failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
