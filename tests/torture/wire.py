#!/usr/bin/env python3
"""Cut the line of a visit after every octet [W1]: wire.py [OPTION...]

  -j N          processes at once (default: the cores)
  --seed N --sample N   so many cuts, picked by the seed; 0: every one
  --share K/N           every Nth of them, from the Kth on; 1/N to N/N are all
  --only KIND:WAY:MODE[:AT]   "first:down:close:812" does one cut again

A visit brings 20 messages of at most 200 octets, from build/pop3d through a
line that counts octets (cutter.py). Behind the cut, one more visit must end
well, and then
  - each message is in each place, exactly once, by GNU tar (and its receipt, at
    every tenth cut);
  - the maildrop is empty, and each message was deleted once;
  - no message that had come whole before the cut was asked for again: the
    server tells which octets of the wire hold its end;
  - the archives could be read between the two as well;
  - the cut visit ended with 0 (it was over, or began anew and went well) or 75;
    with 76 only where the server itself sees what came up end half-way through
    a record of TLS, and says so by an alert.

KINDs: first, a first visit; known, one to a server that is known (TLS resumed,
login ahead of the greeting), whose replies each come by themselves; refused, the
same, but the ticket is not taken any more; session, a first visit whose server
ends behind so many octets of the session, in order, by a close_notify, or
without one; told, a first visit whose server fails at a certain command.
Of refused those of the handshake are made: all else is as in a first visit.
The program is loaded once and forked for each visit (ready.c), without the
reading side: what the line does to a visit is not its concern.
"""
import argparse
import collections
import multiprocessing
import os
import queue
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

from cutter import Cut, Cutter  # noqa: E402
from harness import (Account, Pop3d, check_receipts,  # noqa: E402
                     fill_folder, message, same_mail, untar, volumes, wire)
from ready import ReadySled  # noqa: E402

MESSAGES = 20
MAIL = {f"m{i:02d}": message(i, f"{i}\n", f"Note {i}")
        for i in range(MESSAGES)}
WIRED = [wire(m) for m in MAIL.values()]
assert max(map(len, WIRED)) <= 200
EARLIER = [message(100, "before\n")]
WAYS = ("down", "up")
MODES = ("close", "reset", "silent")
HANDSHAKE = 1500  # octets of one, and what is around it
SPARE = 64  # octets above the longest visit that was seen; the ends of these
# are multiples of it, so that the cuts are the same ones each time
SILENT = ("silent", "stall")
HASTE = 20  # a second of silence is over so many times sooner
SILENCE = 5  # seconds, by the true clock
MOST_SILENT = 3  # visits a process that wait for their time-outs together
VERBS = {"GREETING": 1, "CAPA": 1, "AUTH": 1, "STAT": 1, "UIDL": 1, "LIST": 1,
         "RETR": MESSAGES, "DELE": MESSAGES, "QUIT": 1}
FAULTS = ("close", "reset", "drop", "stall")

Case = collections.namedtuple("Case", "kind way mode at")


def name_of(case):
    return ":".join(str(part) for part in case)


class Slot:
    """A server with its line, and a store that is made anew for each cut."""

    def __init__(self, tmp, kind):
        self.dir = Path(tmp)
        self.kind = kind
        self.server = self.line = None
        if kind not in ("session", "told"):
            self.begin(*{"known": ["--flush-each"],
                         "refused": ["--forget-tickets"]}.get(kind, []))

    def begin(self, *options):
        self.server = Pop3d(self.dir, "--log-wire", *options,
                            folder=fill_folder(self.dir / "mail", {}))
        self.line = Cutter(self.server.port)
        self.sled = self.new_sled()
        self.known = None
        if self.kind in ("known", "refused"):
            self.make_known()

    def end(self):
        if self.server is not None:
            self.sled.end()
            self.line.__exit__()
            self.server.stop()
            self.server = None

    def new_sled(self):
        account = Account("localhost", self.line.port, self.server.user,
                          self.server.password, self.server.ca, "implicit")
        return ReadySled(self.dir, {"home": account})

    def make_known(self):
        fill_folder(self.server.folder, {"e": EARLIER[0]})
        self.set_timeout(60)
        for _ in range(2):
            done = self.sled.fetch()
            assert done.status == 0, done
        self.known = self.dir / "known"
        self.known.mkdir()
        for place in self.sled.places:
            shutil.copytree(place, self.known / place.name)
        self.line.rest()
        self.server.wait_closed()

    def set_timeout(self, seconds):
        self.sled.account_keys["timeout"] = f"{seconds}s"
        self.sled.write()

    def renew(self):
        for place in self.sled.places:
            shutil.rmtree(place, ignore_errors=True)
            if self.known:
                shutil.copytree(self.known / place.name, place)
        shutil.rmtree(self.server.folder)
        fill_folder(self.server.folder, MAIL)
        os.truncate(self.server.log, 0) if self.server.log.exists() else None

    def settle(self):
        self.line.rest()
        self.server.wait_closed()

    def visit(self):
        done = self.sled.fetch()
        self.settle()
        return done

    # ---- what had come ----

    def whole(self, conn, wired):
        """Names whose end is within so many octets of the wire, by the log of
        the server; WIRED None: all that left."""
        said, ends = 0, []
        for line in self.server.lines():
            if m := re.match(rf"CONN {conn} sent said=(\d+) wire=(\d+)", line):
                if wired is None or int(m[2]) <= wired:
                    said = max(said, int(m[1]))
            elif m := re.match(rf"MAIL {conn} whole (\S+) said=(\d+)", line):
                ends.append((int(m[2]), m[1]))
        return {name for end, name in ends if end <= said}

    def retrs(self):
        """{connection: names} that were asked for."""
        out = collections.defaultdict(list)
        for line in self.server.lines():
            if m := re.match(r"MAIL (\d+) RETR (\S+)", line):
                out[int(m[1])].append(m[2])
        return out

    def came(self, case, row):
        """Names that had come whole, of which the client was bound to know.
        What a reset had in its queue may be lost; it was told as fetched if it
        was not."""
        conns = self.server.events("open")
        if not conns:
            return set()
        first = conns[0]
        if case.mode == "reset":
            names = self.retrs()[first]
            return set(names[:row["fetched"]]) if len(conns) == 1 else set()
        wired = self.line.passed
        return self.whole(first, wired["down"] if wired else None)

    def check_twice(self, first, whole):
        asked = collections.Counter()
        for conn, names in self.retrs().items():
            if conn != first:
                asked.update(names)
        twice = sorted(whole & set(asked))
        assert not twice, f"whole, and asked for again: {twice}"

    # ---- one cut ----

    def unlike(self):
        """Places whose volumes differ, octet by octet: what one reader says
        of one of them is true of all that are like it."""
        seen = {}
        for place in self.sled.places:
            seen.setdefault(tuple((v.name, v.read_bytes())
                                  for v in volumes(place)), place)
        return seen.values()

    def check_tar(self):
        for place in self.unlike():
            for volume in volumes(place):
                done = subprocess.run(["tar", "tzf", str(volume)], text=True,
                                      capture_output=True)
                assert done.returncode == 0 and not done.stderr, done.stderr

    def check_end(self, receipts=True):
        wanted = WIRED + ([wire(EARLIER[0])] if self.known else [])
        for place in self.unlike():
            out = self.dir / "out"
            same_mail(untar(place, out), wanted)
            if receipts:
                assert check_receipts(place, out) == len(wanted)
            shutil.rmtree(out)
        assert self.server.left() == [], self.server.left()
        gone = collections.Counter(self.server.mails("gone"))
        assert set(gone.values()) == {1} and len(gone) == MESSAGES, gone

    def begin_cut(self, case):
        """The line, or the server, is told what is to come."""
        if case.kind == "session":
            self.begin("--flush-each", "--fault",
                       f"CONN:1:{case.mode}-after-bytes={case.at}")
        elif case.kind == "told":
            self.begin("--fault", f"{case.at}:{case.mode}")
        self.renew()
        self.line.arm(Cut(case.way, case.mode, case.at)
                      if case.way in WAYS else None)

    def cut(self, case, haste):
        """One case; what it was like."""
        self.begin_cut(case)
        timeout = 1 if haste > 1 else SILENCE
        self.set_timeout(timeout if case.mode in SILENT else 60)
        self.sled.haste = haste
        done = self.visit()
        self.sled.haste = 1
        alert = case.way == "up" and case.mode == "close" and (
            "the alert" in done.err)
        # Its second try may come before the server let go of the first.
        locked = case.kind != "first" and "[IN-USE]" in done.err
        assert done.status in (0, 75) or (alert and done.status == 76) or (
            locked and done.status == 69), done
        row = done.reports[-1]
        assert row["exit"] == done.status, row
        cut = self.line.was_cut if case.way in WAYS else done.status != 0
        assert cut or case.mode not in SILENT or done.status == 0, (
            f"silence before the cut\n{done}")
        conns = self.server.events("open")
        whole = self.came(case, row)
        self.check_tar()
        self.set_timeout(60)
        again = self.visit()
        assert again.status == 0, f"{done}\n--- again:\n{again}"
        total = row["fetched"] + again.reports[-1]["fetched"]
        assert total == MESSAGES, f"{total} fetched\n{done}\n{again}"
        if conns:
            self.check_twice(conns[0], whole)
        self.check_end(not isinstance(case.at, int) or case.at % 10 == 0)
        return {"cut": cut, "status": done.status, "whole": len(whole),
                "fetched": row["fetched"], "quit": row["deleted"]}

    def run_once(self, case, haste):
        try:
            return self.cut(case, haste)
        finally:
            if case.kind in ("session", "told"):
                self.end()
                shutil.rmtree(self.dir)
                self.dir.mkdir()

    def run(self, case):
        """Silence is told by a clock: on a busy machine what is only late is
        taken for it when the clock is fast, so the true one has the word."""
        if case.mode in SILENT:
            try:
                return self.run_once(case, HASTE)
            except AssertionError as why:
                # Told, so that nothing hides behind the second try.
                print(f"# {name_of(case)}, by the true clock now: "
                      f"{str(why)[:300]!r}", flush=True)
        return self.run_once(case, 1)

    def reach(self):
        """The most octets of three visits that nothing cut, by way; how many
        octets the session itself has."""
        most = {"up": 0, "down": 0}
        for _ in range(3):
            self.begin_cut(Case(self.kind, "down", "close", 1 << 40))
            self.set_timeout(60)
            done = self.visit()
            assert done.status == 0, done
            for way in WAYS:
                most[way] = max(most[way], self.line.passed[way])
            said = max(int(n) for n in re.findall(
                r"said=(\d+)", self.server.log.read_text()))
        return most, said


# ---- many ----

def home():
    """Memory where there is some: a cut costs a hundred files."""
    shm = Path("/dev/shm")
    return str(shm) if os.access(shm, os.W_OK) else None


def all_cases():
    """Each cut there is, by what visits were seen to take."""
    cases = []
    for kind in ("first", "known", "refused"):
        with tempfile.TemporaryDirectory(dir=home()) as tmp:
            slot = Slot(tmp, kind)
            try:
                most, said = slot.reach()
            finally:
                slot.end()
        print(f"# {kind}: {most['down']} octets down, {most['up']} up, "
              f"{said} of the session", flush=True)
        if kind == "refused":
            most = {way: HANDSHAKE for way in WAYS}
        cases += [Case(kind, way, mode, at) for way in WAYS for mode in MODES
                  for at in range(-(-most[way] // SPARE) * SPARE + SPARE)]
        if kind == "first":
            cases += [Case("session", "server", mode, at)
                      for mode in ("end", "close") for at in range(said + 1)]
    cases += [Case("told", "server", fault, f"{verb}:{n}")
              for verb, count in VERBS.items() for n in range(1, count + 1)
              for fault in FAULTS]
    return cases


def work(cases, results):
    """A process: silent ones wait together."""
    todo = queue.SimpleQueue()
    for case in sorted(cases, key=lambda c: (c.mode in SILENT, c.kind)):
        todo.put(case)
    silent = sum(case.mode in SILENT for case in cases)
    threads = [threading.Thread(target=take, args=(todo, results), daemon=True)
               for _ in range(2 if silent < 50 else MOST_SILENT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def take(todo, results):
    slots = {}
    with tempfile.TemporaryDirectory(dir=home()) as tmp:
        while True:
            try:
                case = todo.get_nowait()
            except queue.Empty:
                break
            try:
                if case.kind not in slots:
                    where = Path(tmp) / case.kind
                    where.mkdir()
                    slots[case.kind] = Slot(where, case.kind)
                results.put((case, slots[case.kind].run(case), None))
            except BaseException:
                results.put((case, None, traceback.format_exc()))
                broken = slots.pop(case.kind, None)
                if broken is not None:
                    broken.end()
                shutil.rmtree(Path(tmp) / case.kind, ignore_errors=True)
        for slot in slots.values():
            slot.end()


def run_all(cases, jobs):
    """[(case, facts, failure)]"""
    results = multiprocessing.Queue()
    # Dealt like cards: each has its share of what is slow.
    children = [multiprocessing.Process(target=work, args=(cases[n::jobs],
                                                           results))
                for n in range(min(jobs, len(cases)))]
    for child in children:
        child.start()
    out, began = [], time.monotonic()
    for n in range(1, len(cases) + 1):
        out.append(results.get(timeout=600))
        if out[-1][2]:
            print(f"not ok {name_of(out[-1][0])}\n{out[-1][2]}", flush=True)
        if n % 2000 == 0:
            print(f"# {n} of {len(cases)}, {time.monotonic() - began:.0f} s",
                  flush=True)
    for child in children:
        child.join()
    return out


def tell(out):
    """Counts, a line a kind, and what visits ended with."""
    groups = collections.defaultdict(list)
    for case, facts, _ in out:
        groups[f"{case.kind} {case.way} {case.mode}"].append(facts)
    for name, facts in sorted(groups.items()):
        good = [f for f in facts if f]
        statuses = collections.Counter(f["status"] for f in good)
        print(f"# {name}: {len(facts)} cuts, {sum(f['cut'] for f in good)} of "
              f"them within the visit, {sum(f['whole'] for f in good)} "
              "messages whole by then; statuses " +
              ", ".join(f"{s}: {n}" for s, n in sorted(statuses.items())))
    failed = sum(failure is not None for _, _, failure in out)
    print(f"{len(out) - failed} passed, {failed} failed", flush=True)
    return failed


def pick(cases, seed, sample):
    if sample == 0:
        return cases
    return random.Random(seed).sample(cases, min(sample, len(cases)))


def sampled(seed, sample, jobs=2):
    """How many of so many cuts failed."""
    return tell(run_all(pick(all_cases(), seed, sample), jobs))


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("-j", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("--share", default="1/1")
    args = parser.parse_args()
    cases = [c for c in all_cases()
             if f"{name_of(c)}:".startswith(args.only + ":")
             or not args.only]
    first, step = map(int, args.share.split("/"))
    out = run_all(pick(cases, args.seed, args.sample)[first - 1::step], args.j)
    return 1 if tell(out) or not out else 0


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    sys.exit(main())
