#!/usr/bin/env python3
"""mailsled beside other fetchers, on emulated links: bench.py [WORK...|all]

Each work runs the same visits by each program, on the same link, in one run,
checks what came, and prints ratios. Works with a link need root: they run in
namespaces of their own and change nothing else on the machine. Records are
kept in BUILD/bench/DATE.jsonl. Exit status: 0, 1 when a result was wrong, 64
usage, 69 something is missing, 70 the bench failed, 77 root is needed.
"""
import argparse
import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import letters  # noqa: E402
import peers  # noqa: E402
import shelf  # noqa: E402
import table  # noqa: E402
from harness import BUILD, Pop3d  # noqa: E402
from world import (PROFILES, Fault, Link, Server, apart,  # noqa: E402
                   congestion, measure, needs, server_needs)

ALL = peers.NAMES
BRIEF = ("floor", "mailsled", "mpop")
WARM = 4  # small messages of the second warm visit
LIMIT = 2400  # seconds for one visit; none may take so long
Work = collections.namedtuple(
    "Work", "name link mail peers tries kept resume does",
    defaults=(1, 0, False, ""))


def none(seed):
    return []


def some(kind, count):
    return lambda seed: kind(seed, count)


WORKS = [
    Work("smoke", "lan", some(letters.small, 3), ("floor", "mailsled")),
    Work("poll", "geo", none, ALL, does="an empty maildrop"),
    Work("poll-resume", "geo", none, ALL, resume=True,
         does="an empty maildrop, on a server that resumes TLS"),
    Work("small", "geo", some(letters.small, 100), ALL),
    Work("mixed", "geo", some(letters.mixed, 60),
         tuple(n for n in ALL if n != "floor-strict")),
    Work("left-1000", "geo", some(letters.small, 5), ALL, kept=1000),
    Work("left-2000", "geo", some(letters.small, 5), BRIEF, kept=2000),
    Work("certus", "certus", some(letters.small, 50), ALL, tries=3),
    Work("iridium", "iridium", some(letters.small, 20), BRIEF),
    Work("bgan", "bgan", some(letters.small, 100), BRIEF, tries=3),
    Work("dialup", "dialup", some(letters.small, 50), BRIEF),
    Work("edge", "edge", some(letters.small, 50), BRIEF, tries=3),
]
# On a link that is up and down by turns; windows: how many are waited for.
Flaky = collections.namedtuple("Flaky", "name link mail up down windows")
FLAKY = [
    Flaky("flaky", "geo", some(letters.small, 500), 20, 10, 14),
    Flaky("flaky-short", "geo", some(letters.small, 200), 20, 10, 14),
    Flaky("flaky-certus", "certus", some(letters.mixed, 40), 30, 10, 10),
    Flaky("flaky-dialup", "dialup", some(letters.small, 60), 8, 5, 14),
]
FAMILIES = {"poll": ("poll", "poll-resume"),
            "left": ("left-1000", "left-2000"),
            "flaky": tuple(f.name for f in FLAKY)}
SHELF = tuple(shelf.WORKS)  # what the store costs: no link, no peers
OTHERS = ("loopback", "many")  # with a way of their own
ROOTLESS = ("loopback", "many", *SHELF)
DEFAULT = ("poll", "small", "mixed", "left", "loopback")
LISTED = ("poll", "small", "mixed", "left", "certus", "iridium", "bgan",
          "dialup", "edge", "loopback", "many", "flaky", *SHELF)


def size(mail):
    return sum(letters.wire_size(letter) for letter in mail)


class Bench:
    """One run: its options, its folder, its records."""

    def __init__(self, args, folder):
        self.args, self.folder, self.records = args, folder, []
        self.made, self.wrong, self.server = 0, 0, None
        self.cc = "of the system"
        args.records.mkdir(parents=True, exist_ok=True)
        stamp = time.strftime("%Y-%m-%dT%H%M%S")
        self.path = args.records / f"{stamp}.jsonl"
        try:
            self.path.touch(exist_ok=False)
        except FileExistsError:  # another bench of this second
            self.path = args.records / f"{stamp}-{os.getpid()}.jsonl"

    def record(self, **fields):
        self.records.append(fields)
        with open(self.path, "a") as file:
            file.write(json.dumps(fields) + "\n")
        if fields.get("wrong"):
            self.wrong += 1

    def say(self, words):
        print(f"# {time.strftime('%H:%M:%S')} {words}", file=sys.stderr,
              flush=True)

    def names(self, wanted):
        return [n for n in wanted if n in self.args.peers]

    def peer(self, name, account, keep=0):
        self.made += 1
        return peers.make(name, self.folder / f"p{self.made}", account, keep)

    # ---- visits over a link ------------------------------------------------

    def judge(self, peer, run, delivered, left, user):
        """What is wrong with a visit, or None."""
        if isinstance(peer, peers.Floor):
            peer.said = run.out
        if run.status not in peer.fine:
            said = (run.err.strip().splitlines() or [""])[-1]
            return f"exit status {run.status} {said[:60]}".strip()
        got = peer.delivered()
        there = self.server.wait_left(user, left)
        if got != delivered or there != left:
            return (f"{got} of {delivered} delivered, {there} instead of "
                    f"{left} left on the server")
        return None

    def visit(self, link, peer, user, mail, came, kept):
        """Deliver MAIL and let PEER fetch it; CAME had come before. The row's
        figures, with "wrong" when the result is."""
        self.server.deliver(user, mail)
        run, used = link.run(peer.argv, peer.env, LIMIT, self.folder)
        # The floor keeps nothing, so that it cannot have come before.
        delivered = len(mail) + (0 if isinstance(peer, peers.Floor) else came)
        left = kept + len(mail) if kept else 0
        return {"seconds": round(run.seconds, 3), "down": used["down_bytes"],
                "up": used["up_bytes"], "lost": used["lost"],
                "overflow": used["overflow"], "peak_kib": run.peak_kib,
                "packets_down": used["down_packets"],
                "packets_up": used["up_packets"],
                "wrong": self.judge(peer, run, delivered, left, user)}

    def warm(self, link, peer, user, kept):
        """What came in the visits that come first: those that are left, on a
        fast link; nothing; a few. The last two on the link that counts."""
        came, plan = 0, [(link.profile, none),
                         (link.profile, some(letters.small, WARM))]
        if kept:
            plan.insert(0, (PROFILES["lan"], some(letters.tiny, kept)))
        for turn, (profile, make) in enumerate(plan):
            mail = make(self.args.seed + 100 + turn)
            link.set(profile)
            here = came if kept else 0
            if kept and not mail and came:
                fault = self.visit(link, peer, user, [], came, here)["wrong"]
            elif kept and came == 0:
                self.server.deliver(user, mail)
                link.run(peer.argv, peer.env, LIMIT, self.folder)
                fault = None
            else:
                fault = self.visit(link, peer, user, mail, came, here)[
                    "wrong"]
            if fault:
                return came, f"warm visit {turn + 1}: {fault}"
            came += len(mail)
        return came, None

    def measure_peer(self, work, name, user):
        """The best of the tries by time; the first that is wrong ends it."""
        mail = work.mail(self.args.seed)
        self.server.empty(user)
        with Link(work.link, self.folder, self.args.ipv6) as link:
            account = self.server.account_at(user)
            floor = name.startswith("floor")
            kept = work.kept + WARM if work.kept else 0
            peer = self.peer(name, account, kept)
            came = 0
            if floor and work.resume:
                peer.resume()
                self.visit(link, peer, user, [], 0, 0)
            if not floor:
                came, fault = self.warm(link, peer, user, work.kept)
                if fault:
                    return {"wrong": fault}
            elif kept:
                self.server.deliver(user, letters.tiny(1, kept))
            tries = []
            for turn in range(work.tries):
                link.set(link.profile, self.args.seed + turn)
                tries.append(self.visit(link, peer, user, mail, came, kept))
                came += len(mail)
                if tries[-1]["wrong"]:
                    return tries[-1]
        best = min(tries, key=lambda t: t["seconds"])
        return {**best, "tries": [t["seconds"] for t in tries],
                "mail": size(mail) or None}

    def over_link(self, work):
        resume = {"yes": True, "no": False}.get(self.args.resume, work.resume)
        mail, p = work.mail(self.args.seed), PROFILES[work.link]
        says = [work.does or f"{len(mail)} messages, {size(mail):,} B"]
        if work.kept:
            says.append(f"{work.kept:,} older ones are left on the server")
        says.append(f"{work.link}: {p.down / 1e3:g}/{p.up / 1e3:g} kbit/s, "
                    f"RTT {2 * p.delay_ms:g} ms, loss {p.loss:g} %, queue "
                    f"{p.queue >> 10} KiB, {self.cc}")
        says.append("learned path: two warm visits before")
        if work.tries > 1:
            says.append(f"best of {work.tries}")
        if resume:
            says.append("Dovecot with service_count = 0")
        self.record(work=work.name, heading="; ".join(says))
        names = self.names(work.peers)
        users = [f"u{i}" for i in range(len(names))]
        with Server(self.folder, users, resume) as self.server:
            for name, user in zip(names, users):
                self.say(f"{work.name}: {name}")
                row = self.measure_peer(work._replace(resume=resume), name,
                                        user)
                self.record(work=work.name, peer=name, **row)

    # ---- a link that comes and goes ----------------------------------------

    def flaky(self, f):
        p, mail = PROFILES[f.link], f.mail(self.args.seed)
        # What no window can carry, even with nothing else in it.
        fits = [m for m in mail if letters.wire_size(m) * 8 < p.down * f.up]
        limit = -(-size(fits) * 8 // int(p.down * f.up))
        says = [f"{len(mail)} messages, {size(mail):,} B",
                f"{f.link}, up {f.up} s, down {f.down} s, {self.cc}",
                "visits from each link-up on, one after the other, stopped "
                "3 s after link-down",
                f"the rate alone takes {limit} windows"]
        if len(fits) < len(mail):
            says.insert(1, f"{len(mail) - len(fits)} of them, "
                        f"{size(mail) - size(fits):,} B, are longer than any "
                        "window")
        self.record(work=f.name, heading="; ".join(says))
        names = self.names(("mailsled", "mpop", "fetchmail", "getmail"))
        with Server(self.folder, names) as self.server:
            for name in names:
                self.say(f"{f.name}: {name}")
                with Link(f.link, self.folder, self.args.ipv6) as link:
                    row, note = self.drain(link, name, f, mail, len(fits))
                self.record(work=f.name, peer=name, mail=size(mail), **row)
                self.record(work=f.name, note=f"{name}: {note}")

    def drain(self, link, name, f, mail, fits):
        peer = self.peer(name, self.server.account_at(name))
        came, fault = self.warm(link, peer, name, 0)
        if fault:
            return {"wrong": fault}, "no windows"
        self.server.deliver(name, mail)
        before, windows, stays = link.quiet(), 0, len(mail) - fits
        link.cycle(f.up, f.down)
        began = time.monotonic()
        while windows < f.windows and self.server.left(name) > stays:
            self.window(link, peer, name, f, began + windows * (f.up + f.down),
                        stays)
            windows += 1
        seconds = time.monotonic() - began
        link.cycle(0, 0)
        after = link.quiet()
        left = self.server.left(name)
        twice = peer.twice()
        got = peer.delivered() - came - twice
        row = {"seconds": round(seconds, 1), "wrong": None,
               "down": after["down_bytes"] - before["down_bytes"],
               "up": after["up_bytes"] - before["up_bytes"]}
        if left > stays or got < fits:
            row["wrong"] = (f"{got} of {fits} that fit delivered, {left} left "
                            f"after {windows} windows")
        note = f"{windows} windows, {twice} messages twice"
        return row, f"{note}, {left} left" if stays else note

    def window(self, link, peer, user, f, opens, stays):
        """Visits until the window has ended or but STAYS messages are gone."""
        closes = opens + f.up
        time.sleep(max(0, opens + 0.05 - time.monotonic()))
        while time.monotonic() < closes - 1 and \
                self.server.left(user) > stays:
            process = subprocess.Popen(
                [*link.inside(), *peer.argv], env=peer.env,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                process.wait(max(0.1, closes + 3 - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.terminate()
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            time.sleep(0.5)

    # ---- no link at all ----------------------------------------------------

    def loopback(self):
        count, turns = 2000, 7
        mail = letters.small(self.args.seed, count)
        self.record(work="loopback", heading=(
            f"{count:,} messages, {size(mail):,} B, Dovecot on 127.0.0.1; "
            f"median of {turns} alternating turns; mailsled into two verified "
            "places, the others into one Maildir; without getmail, which "
            "may miss the end of a quick delivery and then gives up"))
        names = self.names(("floor", "mailsled", "mpop", "fetchmail"))
        runs = {name: [] for name in names}
        with Server(self.folder, names) as self.server:
            for turn in range(turns):
                for name in names:
                    if runs[name] and runs[name][-1]["wrong"]:
                        continue
                    self.say(f"loopback: {name}, turn {turn + 1}")
                    runs[name].append(self.turn(name, mail))
        for name in names:
            rows = sorted(runs[name], key=lambda r: (not r["wrong"],
                                                     r["seconds"]))
            row = rows[0] if rows[0]["wrong"] else rows[len(rows) // 2]
            self.record(work="loopback", peer=name, mail=size(mail), **row,
                        tries=[r["seconds"] for r in runs[name]])

    def turn(self, name, mail):
        self.server.empty(name)
        self.server.deliver(name, mail)
        peer = self.peer(name, self.server.account_at(name, "localhost"))
        run = measure(peer.argv, peer.env, LIMIT, self.folder)
        fault = self.judge(peer, run, len(mail), 0, name)
        shutil.rmtree(peer.folder)
        return {"seconds": round(run.seconds, 3), "peak_kib": run.peak_kib,
                "wrong": fault}

    def many(self):
        few, lots, octets = 2000, 50_000, 4000
        self.record(work="many", heading=(
            f"{few:,} and {lots:,} messages of {octets:,} B from build/pop3d "
            "on 127.0.0.1; seconds and memory are those of "
            f"{lots:,}"))
        for name in self.names(BRIEF):
            rows = {}
            for count in (few, lots):
                self.say(f"many: {name}, {count:,}")
                rows[count] = self.generated(name, count, octets)
            self.record(work="many", peer=name, mail=lots * octets,
                        **rows[lots])
            if rows[few]["wrong"] or rows[lots]["wrong"]:
                self.record(work="many", note=f"{name}: {rows[few]['wrong']}")
                continue
            each = {n: rows[n]["seconds"] / n * 1e6 for n in rows}
            self.record(work="many", note=(
                f"{name}: {each[lots]:.0f} us a message, {each[few]:.0f} us "
                f"of {few:,}: {each[lots] / each[few]:.2f} times; peak "
                f"{rows[lots]['peak_kib'] / 1024:.1f} MiB, of {few:,} "
                f"{rows[few]['peak_kib'] / 1024:.1f} MiB"))

    def generated(self, name, count, octets):
        with Pop3d(self.folder, "--generate", f"{count},{octets}",
                   name=f"pop3d{self.made}") as server:
            account = peers.Account("localhost", server.port, server.user,
                                    server.password, server.ca, "implicit")
            peer = self.peer(name, account)
            run = measure(peer.argv, peer.env, LIMIT, self.folder)
            if isinstance(peer, peers.Floor):
                peer.said = run.out
            fault = None
            if run.status not in peer.fine:
                fault = f"exit status {run.status}"
            elif (peer.delivered(), len(server.mails("gone"))) != (count,
                                                                   count):
                fault = (f"{peer.delivered()} of {count} delivered, "
                         f"{len(server.mails('gone'))} gone")
        shutil.rmtree(peer.folder)
        return {"seconds": round(run.seconds, 3), "peak_kib": run.peak_kib,
                "wrong": fault}

    # ---- the store alone ---------------------------------------------------

    def shelf(self, name):
        self.say(name)
        folder = self.folder / name
        folder.mkdir()
        try:
            heading, *notes = shelf.WORKS[name](folder, self.args.seed)
        except shelf.Wrong as why:
            heading, notes = shelf.WORKS[name].__doc__, [f"WRONG: {why}"]
            self.wrong += 1
        shutil.rmtree(folder)
        self.record(work=name, heading=heading)
        for note in notes:
            self.record(work=name, note=note)

    # ---- all of it ---------------------------------------------------------

    def run(self, names):
        if self.args.links:
            self.cc = congestion(os.environ.get("BENCH_CC", "cubic"))
        self.record(machine=machine(self.args.peers))
        by_name = {work.name: work for work in [*WORKS, *FLAKY]}
        for name in names:
            if name in OTHERS:
                getattr(self, name)()
            elif name in SHELF:
                self.shelf(name)
            elif isinstance(by_name[name], Flaky):
                self.flaky(by_name[name])
            else:
                self.over_link(by_name[name])
            # What is known so far outlives whatever comes next.
            part = [r for r in self.records if r.get("work") == name]
            self.say(f"{name} is done" + "".join(
                f"\n    {r['peer']}: " + (table.wrong(r) if r.get("wrong")
                                          else f"{r['seconds']} s")
                for r in part if "peer" in r))
        show = table.markdown if self.args.markdown else table.plain
        print(show(self.records))
        print(f"(records: {self.path})", file=sys.stderr)
        return 1 if self.wrong else 0


def said(*argv):
    try:
        return subprocess.run(argv, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL).stdout.strip()
    except OSError:
        return ""


def machine(names):
    cpu = next((line.split(":")[1].strip()
                for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), os.uname().machine)
    parts = [time.strftime("%Y-%m-%d"),
             f"{os.cpu_count()} x {cpu}", f"Linux {os.uname().release}",
             f"Dovecot {said('dovecot', '--version').split(' ')[0]}",
             " ".join(said("openssl", "version").split()[:2])]
    parts += [f"{n} {v}" for n, v in peers.versions(names).items()]
    return "Measured: " + ", ".join(parts) + "."


def chosen(words):
    """Work names for the words of the command line; None: unknown."""
    words = [w for word in words for w in word.split()] or list(DEFAULT)
    if "all" in words:
        words = list(LISTED)
    known = ({w.name for w in [*WORKS, *FLAKY]} | set(OTHERS) | set(SHELF) |
             set(FAMILIES))
    strange = [w for w in words if w not in known]
    if strange:
        print(f"bench: no such work: {', '.join(strange)}; there are "
              f"{', '.join(LISTED)} and all", file=sys.stderr)
        return None
    return [n for w in words for n in FAMILIES.get(w, (w,))]


def lacking(names, args):
    """Say what is missing; the exit status, 0 when nothing is."""
    status, lacks = needs() if args.links else (0, [])
    if set(names) & set(SHELF):
        lacks += shelf.lacking()
        status = 69 if lacks else status
    if set(names) - {"many", *SHELF}:
        other, more = server_needs()
        status, lacks = status or other, lacks + more
    for tool in ("mailsled", "pop3d", "bench/link", "bench/floor"):
        if not (BUILD / tool).exists():
            lacks.append(f"{BUILD / tool} (make bench builds it)")
            status = status or 69
    if not lacks:
        return 0
    print("bench: this needs " + "; ".join(lacks) + ".", file=sys.stderr)
    if args.links and status:
        print(f"bench: without root there are: make bench "
              f"W=\"{' '.join(ROOTLESS)}\"", file=sys.stderr)
    return status


def read_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("works", nargs="*", metavar="WORK",
                        help=f"of {', '.join(LISTED)}, all\n"
                        f"(default: {' '.join(DEFAULT)})")
    parser.add_argument("--peers", default=",".join(ALL), metavar="NAME,...",
                        help=f"default {','.join(ALL)}")
    parser.add_argument("--resume", choices=("yes", "no"), default="",
                        help="let Dovecot resume TLS sessions, or not, in "
                        "every work")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ipv6", action="store_true")
    parser.add_argument("--records", metavar="FOLDER", type=Path,
                        default=BUILD / "bench", help="where they are kept")
    parser.add_argument("--markdown", action="store_true",
                        help="print the table so")
    parser.add_argument("--show", metavar="FILE", action="append",
                        help="print the table of an earlier run; several\n"
                        "times: of these runs together")
    parser.add_argument("--readme", metavar="FILE", type=Path,
                        help="put the table of --show, or of the newest run,\n"
                        "between the bench comments of FILE")
    return parser.parse_args()


def show(args):
    """--show and --readme: nothing is measured."""
    files = sorted(args.records.glob("*.jsonl"))
    if not args.show and not files:
        print("bench: there is no earlier run", file=sys.stderr)
        return 66
    records = []
    try:
        for path in args.show or files[-1:]:
            records += table.load(path)
        assert "machine" in records[0]
    except (OSError, ValueError, IndexError, AssertionError) as why:
        print(f"bench: {path}: no records of a run ({why})", file=sys.stderr)
        return 66
    if args.readme:
        if not table.rewrite(args.readme, records):
            print(f"bench: {args.readme}: it has not one {table.BEGIN} and "
                  f"one {table.END}", file=sys.stderr)
            return 65
        return 0
    print((table.markdown if args.markdown else table.plain)(records))
    return 0


def choose_peers(args):
    wanted = args.peers.split(",")
    strange = [n for n in wanted if n not in ALL]
    if strange:
        print(f"bench: no such program: {', '.join(strange)}; there are "
              f"{', '.join(ALL)}", file=sys.stderr)
        return False
    gone = peers.absent(wanted)
    for name in gone:
        if name not in ("floor", "floor-strict", "mailsled"):
            print(f"bench: {name} is not installed: skipped", file=sys.stderr)
    args.peers = [n for n in wanted if n not in gone]
    return True


def main():
    args = read_arguments()
    if args.show or args.readme:
        return show(args)
    names = chosen(args.works)
    if names is None or not choose_peers(args):
        return 64
    args.links = any(n not in ROOTLESS for n in names)
    status = lacking(names, args)
    if status:
        return status
    folder = Path(tempfile.mkdtemp(prefix="bench."))
    folder.chmod(0o755)
    try:
        bench = Bench(args, folder)
        if os.geteuid() == 0 and not needs()[0]:
            return apart(folder, lambda: bench.run(names))
        return bench.run(names)
    except KeyboardInterrupt:
        print("bench: stopped", file=sys.stderr)
        return 130
    except Fault as why:
        print(f"bench: {why}", file=sys.stderr)
        return why.status
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
