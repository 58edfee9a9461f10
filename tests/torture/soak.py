#!/usr/bin/env python3
"""Thirty days of `mailsled run` while everything around it fails: soak.py

  --days N        so many (30)
  --from N        the first of them (1)
  --seed N        what happens on a day follows from the seed and its number:
                  "--seed 7 --from 12 --days 1" is that day once more, from an
                  empty store
  --keep          what was made stays in /tmp
  -v              each fault as it begins and ends

A simulated hour is a leap of the clock (tests/support/fast_clock.c), the visits
in it run at SPEED times the true one. Mail comes all the time to three
maildrops: one is emptied at once, one after two days, in one it stays. The link
goes up and down, is slow, is cut in the middle of a visit, and leads to a
sign-in page; servers refuse, lie, are busy, die before and after QUIT, give
all ids anew, and lose mail to another client; disks, a tmpfs each, go away and
come back, are read-only, full, wiped, damaged, lost with another put in; the
daemon is killed; the clock is set, by hours, days or 20 years; an account is
taken out of the configuration and put back, the budget is cut to less than a
day needs, the configuration is broken. Of places one at a time is destroyed,
and mended before the next: as many as `min-copies` promises to outlive. Each
day somebody looks after it: sync, repair.

Who wrote the mail knows each message ever placed on a server. Each day
  - what no server has any more is whole in an archive, and in none twice;
  - no day's budget was passed, by what the lines carried;
  - the daemon's memory and descriptors are what they were, no child is left;
and at the end, when nothing fails any more,
  - each message is in each place exactly once, by GNU tar, with its receipt;
  - the maildrops that are emptied are empty; verify --deep is content;
  - no login went to the sign-in page.
How often messages were asked for is told: a spool that goes with its disk has
to be fetched again. The last line is "N passed, N failed": days, and the end.
It needs root."""
import argparse
import collections
import concurrent.futures
import ctypes
import io
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

from cutter import Cut, Cutter  # noqa: E402
from harness import (BUILD, Account, Pop3d, Skip, Sled, Time,  # noqa: E402
                     check_receipts, fill_folder, volumes, wait_for, wire)
from test_run import CLONE_NEWNET, CLONE_NEWNS, sh, unshare  # noqa: E402

SPEED = 60
HOUR_MS = 3600 * 1000
DAY_S = 86400
QUIET = 0.06  # seconds without any sign of work
KIB, MIB = 1 << 10, 1 << 20
PLACE_SIZE = 48 * MIB
PLACES = 3
DELETES = {"home": "verified", "lag": "after 2d", "keep": "never"}
BUDGET = 128 * KIB  # a day; most days need less
# What a kill leaves out of account: what came since the last row.
UNTOLD = 64 * KIB
A_DAY = {"home": 40, "lag": 16, "keep": 6}  # messages
PR_SET_CHILD_SUBREAPER = 36
FAR, NEAR = "10.77.0.1", "10.77.0.2"


# ---- what is there: link, servers, places -----------------------------------


class Line(Cutter):
    """The way to one server, good or bad; each connection is chosen for."""

    def __init__(self, server_port, portal_port):
        super().__init__(server_port, FAR)
        self.portal_port, self.mode = portal_port, "good"
        self.dice = random.Random(0)
        self.date = None  # what says today's
        self.octets = collections.Counter()  # both ways, by the date

    def run(self, pair):
        date = self.date()
        super().run(pair)
        with self.lock:
            self.octets[date] += sum(pair.passed.values())

    def take(self):
        if self.mode == "captive":
            return self.portal_port, None, None
        if self.mode == "slow":
            return self.server_port, None, 200 * KIB
        if self.mode == "cut" and self.dice.random() < 0.7:
            return self.server_port, Cut(
                self.dice.choice(("down", "up")),
                self.dice.choice(("close", "reset", "silent")),
                int(2 ** self.dice.uniform(0, 15))), None
        return self.server_port, None, None


class Box:
    """A maildrop with all that was ever placed in it: in DIR, by .server."""

    def __init__(self, tmp, name):
        self.name, self.dir = name, tmp / f"mail-{name}"
        fill_folder(self.dir, {})
        self.server = Pop3d(tmp, folder=self.dir, user=name,
                            name=f"server-{name}")
        self.placed = {}  # file name: octets as the wire has them
        self.taken = set()  # names that another client deleted

    def put(self, number, dice, data=None):
        name = f"{number:05d}.eml"
        data = data or letter(number, dice)
        (self.dir / "tmp").write_bytes(data)
        (self.dir / "tmp").rename(self.dir / name)
        self.placed[name] = wire(data)

    def left(self):
        return set(self.server.left())

    def take_away(self, dice):
        """Another client deletes one."""
        name = dice.choice(sorted(self.left()) or [None])
        if name is not None:
            (self.dir / name).unlink()
            self.taken.add(name)

    def again(self, *args):
        """The server, told to behave otherwise."""
        self.server.stop()
        self.server.args = list(args)
        self.server.start(0)


def letter(number, dice):
    lines = [dice.randbytes(dice.randint(3, 36)).hex()
             for _ in range(int(2 ** dice.uniform(0, 7)))]
    head = (f"From: s{number % 9}@example.org\nTo: base@example.net\n"
            f"Subject: Note {number}\nMessage-ID: <{number}@example.org>\n\n")
    return (head + f"{number}\n" + "\n".join(lines) + "\n").encode()


class Place:
    """A disk of its own. It hangs at .disk too, so that it can go away from
    .path, as a stick does that is pulled out, and come back."""

    def __init__(self, tmp, number):
        self.disk = tmp / f"disk{number}"
        self.path = tmp / f"place{number}"
        self.number, self.here, self.adopt = number, False, False
        for folder in (self.disk, self.path):
            folder.mkdir()
        sh(f"mount -t tmpfs -o size={PLACE_SIZE} none {self.disk}")
        self.plug()

    def plug(self):
        if not self.here:
            sh(f"mount --bind {self.disk} {self.path}")
        self.here = True

    def unplug(self):
        sh(f"umount -l {self.path}")
        self.here = False

    def fill(self, spare):
        """No room but for so many octets."""
        stat = os.statvfs(self.disk)
        used = (stat.f_blocks - stat.f_bfree) * stat.f_frsize
        # Refused while somebody writes: it is not full then.
        sh(f"mount -o remount,size={used + spare} {self.disk}", check=False)

    def drain(self):
        sh(f"mount -o remount,size={PLACE_SIZE} {self.disk}")

    def lock(self):
        """Read-only, as a file system makes itself upon an error."""
        sh(f"mount -o remount,ro {self.disk}", check=False)

    def unlock(self):
        sh(f"mount -o remount,rw {self.disk}")

    def replace(self):
        """The disk is lost, and a new one put in."""
        was = self.here
        if was:
            self.unplug()
        sh(f"umount -l {self.disk} && "
           f"mount -t tmpfs -o size={PLACE_SIZE} none {self.disk}")
        if was:
            self.plug()
        self.adopt = self.number > 0

    def wipe(self):
        for path in self.disk.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.adopt = self.number > 0

    def damage(self, dice):
        """A sector of an archive, or the end of one, is not what it was."""
        found = [v for v in volumes(self.disk) if v.stat().st_size > 0]
        if not found:
            return
        volume = dice.choice(found)
        volume.chmod(0o644)
        size = volume.stat().st_size
        with open(volume, "r+b") as file:
            if dice.random() < 0.3:
                file.truncate(dice.randrange(size))
            else:
                file.seek(dice.randrange(size))
                file.write(dice.randbytes(dice.choice((1, 512))))


def connected():
    """Has somebody on this side a connection, or tries to get one?"""
    rows = Path("/proc/self/net/tcp").read_text().splitlines()[1:]
    return any(r.split()[3] in ("01", "02") and r.split()[9] != "0"
               for r in rows)


class World:
    """Namespaces of its own: the servers are on the far side of dial0."""

    def __init__(self, tmp, seed):
        self.tmp, self.log = tmp, tmp / "run.log"
        unshare(CLONE_NEWNS | CLONE_NEWNET)
        sh("mount --make-rprivate /")
        (tmp / "hosts").write_text(f"{FAR} localhost\n")
        if sh(f"mount --bind {tmp}/hosts /etc/hosts && ip link set lo up && "
              "ip link add far0 type veth peer name dial0 && "
              f"ip addr add {FAR}/24 dev far0 && ip link set far0 up",
              check=False).returncode != 0:
            raise Skip("no veth here")
        # Threads stay where they began: this one is on the far side.
        self.far = concurrent.futures.ThreadPoolExecutor(1)
        self.boxes = {name: self.there(Box, tmp, name) for name in DELETES}
        self.portal = self.there(Pop3d, tmp, "--sample", name="portal")
        self.lines = {name: self.there(Line, box.server.port, self.portal.port)
                      for name, box in self.boxes.items()}
        unshare(CLONE_NEWNET)
        self.there(sh, f"ip link set dial0 netns {os.getpid()}")
        sh(f"ip addr add {NEAR}/24 dev dial0 && ip link set lo up")
        self.places = [Place(tmp, n) for n in range(PLACES)]
        self.time = Time(tmp / "time", SPEED)
        for line in self.lines.values():
            line.date = self.time.date
        self.wrong_dates = set()  # that the clock was wrong on, or set
        self.kills = collections.Counter()
        self.budget, self.removed, self.broken = BUDGET, set(), False
        self.daemon = None
        self.sled = self.prepare()
        self.configure()
        self.starts, self.ends = 0, collections.Counter()
        self.number = 0
        self.link(True)

    def there(self, function, *args, **more):
        return self.far.submit(function, *args, **more).result()

    def prepare(self):
        accounts = {name: Account("localhost", line.port, name, "demo",
                                  self.boxes[name].server.ca, "implicit")
                    for name, line in self.lines.items()}
        sled = Sled(self.tmp, accounts, store={
            "path": self.places[0].path, "min-copies": 2,
            "copies": ", ".join(str(p.path) for p in self.places[1:]),
            "rotate": "month, 256KiB"}, account={"timeout": "40s"})
        self.text = sled.config.read_text()
        for name, when in DELETES.items():
            self.text = re.sub(
                rf"(\[account {name}\](?:\n.+)*\ndelete = ).*",
                rf"\g<1>{when}", self.text)
        return sled

    def configure(self):
        """As it is to be now; a daemon that runs is told."""
        text = self.text
        for name in self.removed:
            text = re.sub(rf"\[account {name}\](?:\n.+)*\n", "", text)
        text += ("\n[schedule]\nevery = 1h\njitter = 0s\non-link = yes\n"
                 f"\n[link dial0]\nbudget = {self.budget // KIB}KiB/day\n")
        if self.broken:
            text += "every = = nonsense\n"
        self.sled.config.write_text(text)
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGHUP)

    def set_clock(self, wrong):
        self.note_wrong()
        self.time.set_wrong(wrong)
        self.note_wrong()
        self.wake()

    def note_wrong(self):
        """Of today nobody can tell which day's budget it was for."""
        today = self.time.date()
        self.wrong_dates |= {today, today + self.time.wrong // DAY_S,
                             today + self.time.wrong // DAY_S + 1}

    def link(self, up):
        sh("ip link set dial0 up && ip route replace default via " + FAR
           if up else "ip link set dial0 down")

    # ---- the daemon ----

    def argv(self, *args):
        argv = self.sled.argv(*args)
        argv[0] = str(BUILD / "mailsled-fast")
        return argv

    def start(self):
        with open(self.log, "a") as log:
            self.daemon = subprocess.Popen(
                self.argv("-v", "run"), env=self.time.env, stderr=log,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.starts += 1

    def keep_alive(self):
        """As a service manager does."""
        if self.daemon is not None and self.daemon.poll() is None:
            return
        if self.daemon is not None:
            self.ends[self.daemon.returncode] += 1
        self.start()

    def signs(self):
        """What changes while the daemon works; None: it works."""
        pid = self.daemon.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
            ran = [p.read_text().split()[0]
                   for p in Path(f"/proc/{pid}/task").glob("*/schedstat")]
        except (OSError, IndexError):
            return ()
        if children or connected():
            return None
        return ran, self.log.stat().st_size

    def settle(self, deadline=60):
        """Until the daemon waits for the next hour."""
        end = time.monotonic() + deadline
        was, since = None, time.monotonic()
        while time.monotonic() < end:
            now = self.signs()
            if now == ():
                return
            if now is None or now != was:
                was, since = now, time.monotonic()
            elif time.monotonic() - since > QUIET:
                return
            time.sleep(0.008)
        raise AssertionError(f"{deadline} s of work without an end")

    def wake(self):
        if self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGURG)

    def in_a_visit(self, dice):
        """Somewhere in the next one, if there is one soon."""
        end = time.monotonic() + 0.4
        while time.monotonic() < end and not connected():
            time.sleep(0.001)
        time.sleep(dice.random() * 0.05)

    def command(self, *args):
        """What a person would say, again while the store is held."""
        for _ in range(20):
            done = subprocess.run(self.argv(*args), env=self.time.env,
                                  capture_output=True, text=True,
                                  errors="surrogateescape", timeout=120)
            if done.returncode != 75:
                break
            self.settle()
        return done

    def look(self):
        """(kB of memory, descriptors) of the daemon."""
        proc = f"/proc/{self.daemon.pid}"
        status = Path(f"{proc}/status").read_text()
        # The store is open now and then, for a moment.
        files = []
        while len(files) < 20:
            files.append(len(os.listdir(f"{proc}/fd")))
            time.sleep(0.02)
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]), min(files)

    def close(self):
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait()
        for line in self.lines.values():
            line.__exit__()
        for server in [b.server for b in self.boxes.values()] + [self.portal]:
            server.stop()
        self.far.shutdown()
        for place in self.places:
            sh(f"umount -l {place.path} ; umount -l {place.disk}", check=False)


# ---- what fails ------------------------------------------------------------

# Faults of a server that its next sessions meet, as pop3d takes them; {n} is
# one of the first commands of that kind.
SERVER_FAULTS = {
    "busy": ["--fault", "LOGIN:err=[IN-USE] another session"],
    "full": ["--fault", "GREETING:err=[SYS/TEMP] try again later"],
    "login refused": ["--fault", "LOGIN:err=[AUTH] no"],
    "dies after QUIT": ["--drop-quit"],
    "dies before QUIT": ["--lose-quit"],
    "silent in RETR": ["--fault", "RETR:{n}:stall"],
    "silent in RETR, half-way": ["--fault", "RETR:{n}:stall-after=90"],
    "dies in RETR": ["--fault", "RETR:{n}:close-after-bytes=300"],
    "dies in DELE": ["--fault", "DELE:{n}:close"],
    "dies behind DELE": ["--fault", "DELE:{n}:drop"],
    "refuses RETR": ["--fault", "RETR:{n}:err=no"],
    "refuses DELE": ["--fault", "DELE:{n}:err=no"],
    "cuts a message short": ["--fault", "RETR:{n}:short=60"],
    "gives another message": ["--fault", "RETR:{n}:other=1"],
    "silent at UIDL": ["--fault", "UIDL:stall"],
    "no listing": ["--fault", "LIST:err=not now"],
    "counts wrong": ["--fault", "STAT:say=+OK 999 7"],
    "other sizes": ["--size-mode", "lf"],
    "all ids anew": ["--uid-mode", "hash"],
    "one command at a time": ["--no-pipelining", "--no-sasl", "--flush-each"],
    "no CAPA": ["--no-capa", "--no-tickets"],
    "forgets tickets": ["--forget-tickets"],
    "drops what comes early": ["--drop-early"],
}
# What a lie may leave in the archives beside the messages.
LIES = {"cuts a message short", "gives another message"}
PLACE_FAULTS = ("away", "read-only", "full")
DESTROYS = ("wiped", "damaged", "ledger lost", "replaced")
CONFIGS = ("less budget", "account removed", "broken")
CLOCKS = (-3 * 3600, -30 * 3600, 5 * 3600, 30 * 3600, -20 * 365 * DAY_S)
LINK_FAULTS = ("down", "slow", "cut", "captive")

Event = collections.namedtuple("Event", "begin end kind on what midst")


def plan_day(dice):
    """What fails on a day: hours of it, and whether in the middle of a
    visit."""
    events = []

    def add(kind, on, what, longest):
        begin = dice.randrange(0, 23)
        events.append(Event(begin, min(24, begin + dice.randint(1, longest)),
                            kind, on, what, dice.random() < 0.4))

    for _ in range(dice.randint(1, 3)):
        add("link", None, dice.choice(LINK_FAULTS), 6)
    for name in DELETES:
        for _ in range(dice.randint(0, 2)):
            add("server", name, dice.choice([*SERVER_FAULTS, "gone"]), 4)
        if dice.random() < 0.2:
            add("server", name, "mail taken away", 1)
    for _ in range(dice.randint(0, 2)):
        add("place", dice.randrange(PLACES), dice.choice(PLACE_FAULTS), 9)
    if dice.random() < 0.8:
        add("destroy", dice.randrange(PLACES), dice.choice(DESTROYS), 1)
    for _ in range(dice.randint(0, 2)):
        add("daemon", None, dice.choice(("killed", "ended")), 1)
    if dice.random() < 0.5:
        add("config", None, dice.choice(CONFIGS), 12)
    if dice.random() < 0.3:
        add("clock", None, "set", 6)
    return sorted(without_clashes(events), key=lambda e: e[0])


def without_clashes(events):
    """One thing at a time for one server, one place, the link."""
    kept = []
    for e in events:
        same = {"destroy": "place"}.get(e.kind, e.kind)
        if not any({"destroy": "place"}.get(k.kind, k.kind) == same and
                   k.on == e.on and k.begin < e.end and e.begin < k.end
                   for k in kept) or e.kind == "daemon":
            kept.append(e)
    return kept


class Faults:
    """Begins and ends them."""

    def __init__(self, world, dice, verbose):
        self.world, self.dice, self.verbose = world, dice, verbose
        self.destroyed = False
        self.made = collections.Counter()
        self.lies = collections.Counter()  # by account

    def begin(self, event):
        if event.kind == "destroy" and self.destroyed:
            return
        self.made[f"{event.kind} {event.what}"] += 1
        self.lies[event.on] += event.what in LIES
        self.say("+", event)
        getattr(self, f"begin_{event.kind}")(event)

    def end(self, event):
        self.say("-", event)
        {"link": self.end_link, "server": self.end_server,
         "place": self.end_place, "config": self.end_config,
         "clock": self.end_clock}.get(event.kind, lambda e: None)(event)

    def say(self, sign, event):
        if self.verbose:
            text = (f"{sign} {event.kind} {event.on or ''} {event.what}" +
                    (" in a visit" if event.midst else ""))
            print(f"#   {event.begin if sign == '+' else event.end:02} h "
                  f"{text}", flush=True)
            with open(self.world.log, "a") as log:
                log.write(f"---- {text}\n")

    def begin_link(self, event):
        if event.what == "down":
            return self.world.link(False)
        for line in self.world.lines.values():
            line.dice.seed(self.dice.random())
            line.mode = event.what

    def end_link(self, event):
        """Who met a sign-in page waits for the link to change."""
        for line in self.world.lines.values():
            line.mode = "good"
        if event.what == "captive":
            self.world.link(False)
        self.world.link(True)
        # A server gives up one that is silent, and the lock on its maildrop.
        for line in self.world.lines.values():
            line.hang_up()

    def begin_server(self, event):
        box = self.world.boxes[event.on]
        if event.what == "mail taken away":
            return box.take_away(self.dice)
        if event.what == "gone":
            return box.server.stop()
        args = [a.format(n=self.dice.randint(1, 3))
                for a in SERVER_FAULTS[event.what]]
        self.again(event.on, *args)

    def end_server(self, event):
        if event.what != "mail taken away":
            self.again(event.on)

    def again(self, name, *args):
        box = self.world.boxes[name]
        self.world.there(box.again, *args)
        self.world.lines[name].server_port = box.server.port

    def begin_place(self, event):
        place = self.world.places[event.on]
        if event.what == "away":
            place.unplug()
        elif event.what == "full":
            place.fill(self.dice.choice((0, 4 * KIB, 40 * KIB)))
        else:
            place.lock()

    def end_place(self, event):
        place = self.world.places[event.on]
        {"away": place.plug, "full": place.drain,
         "read-only": place.unlock}[event.what]()

    def begin_destroy(self, event):
        place = self.world.places[event.on]
        self.destroyed = True
        if event.what == "wiped":
            place.wipe()
        elif event.what == "replaced":
            place.replace()
        elif event.what == "damaged":
            place.damage(self.dice)
        else:
            for path in self.world.places[0].disk.glob(".mailsled/ledger.db*"):
                path.unlink()

    def begin_daemon(self, event):
        daemon = self.world.daemon
        if daemon.poll() is not None:
            return
        if event.what == "killed":
            self.world.kills[self.world.time.date()] += 1
            daemon.kill()
        else:
            daemon.terminate()
        daemon.wait(60)


    def begin_config(self, event):
        world = self.world
        if event.what == "less budget":
            world.budget = self.dice.choice((20, 50, 100)) * KIB
        elif event.what == "broken":
            world.broken = True
        else:
            world.removed = {self.dice.choice(sorted(DELETES))}
        world.configure()

    def end_config(self, event):
        world = self.world
        world.budget, world.removed, world.broken = BUDGET, set(), False
        world.configure()

    def begin_clock(self, event):
        self.world.set_clock(self.dice.choice(CLOCKS))

    def end_clock(self, event):
        self.world.set_clock(0)


# ---- who knows all messages ------------------------------------------------


def entries(volume):
    """[(name, octets)] of the mail in an archive, by zlib and tarfile; what
    cannot be read is left out."""
    data, plain = volume.read_bytes(), b""
    while data:
        inflate = zlib.decompressobj(31)
        try:
            plain += inflate.decompress(data)
        except zlib.error:
            break
        if not inflate.eof:
            break
        data = inflate.unused_data
    out = []
    try:
        with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
            for entry in tar:
                if entry.name.endswith(".eml"):
                    out.append((entry.name, tar.extractfile(entry).read()))
    except tarfile.TarError:
        pass
    return out


class Oracle:
    """Every message that was placed, against what is where."""

    def __init__(self, world, faults):
        self.world, self.faults = world, faults

    def stored(self, place, account):
        return dict(e for v in volumes(place, account) for e in entries(v))

    def day(self):
        """Nothing is lost, nothing doubled; how many extra entries lies have
        left."""
        extras = 0
        for account, box in self.world.boxes.items():
            wanted = collections.Counter(box.placed.values())
            left = collections.Counter(box.placed[n] for n in box.left())
            taken = collections.Counter(box.placed[n] for n in box.taken)
            union = {}
            for place in self.world.places:
                mail = self.stored(place.disk, account)
                union.update(mail)
                extra = self.not_doubled(place, account, mail, wanted)
                assert extra <= self.faults.lies[account], (
                    f"{account}: {extra} entries of no message")
                extras = max(extras, extra)
            lost = wanted - left - taken - collections.Counter(union.values())
            assert not lost, (f"{account}: {lost.total()} lost, first: "
                              f"{self.names(box, lost)}")
        return extras

    def budgets(self):
        """What each date's connections carried, but for the headers of their
        packets, is within the budget of one."""
        world, spent = self.world, collections.Counter()
        for line in world.lines.values():
            spent.update(line.octets)
        for date, octets in spent.items():
            most = BUDGET + UNTOLD * world.kills[date]
            assert octets <= most or date in world.wrong_dates, (
                f"{octets} octets on day {date} of {most}")
        return max(spent.values(), default=0)

    def not_doubled(self, place, account, mail, wanted):
        got = collections.Counter(mail.values())
        real = collections.Counter({m: n for m, n in got.items()
                                    if m in wanted})
        doubled = real - wanted
        assert doubled.total() <= self.faults.lies[account], (
            f"{account}: {doubled.total()} doubled in place {place.number}, "
            f"first: {self.names(self.world.boxes[account], doubled)}: "
            f"{[n for n, m in mail.items() if m in doubled]}")
        return (got - real).total() + doubled.total()

    @staticmethod
    def names(box, some):
        return [name for name, m in box.placed.items() if m in some][:5]

    def end(self):
        """Exactly once, in each place, by GNU tar; the others empty."""
        for account, box in self.world.boxes.items():
            if account != "keep":
                assert not box.left(), (account, box.left())
            wanted = collections.Counter(box.placed.values())
            taken = collections.Counter(box.placed[n] for n in box.taken)
            for place in self.world.places:
                out = self.world.tmp / f"out-{account}-{place.number}"
                got = collections.Counter(untar(place.path, out, account))
                missing, extra = wanted - got, got - wanted
                assert not missing - taken, self.names(box, missing - taken)
                assert extra.total() <= self.faults.lies[account], (
                    self.names(box, extra), extra.total())
                assert check_receipts(place.path, out) == got.total()
                shutil.rmtree(out)
        said = {verb for _, verb, _ in self.world.portal.commands()}
        assert not said & {"AUTH", "USER", "PASS"}, said


def untar(place, folder, account):
    """By GNU tar, whose clock is behind ours: a list of messages."""
    folder.mkdir()
    for volume in volumes(place, account):
        done = subprocess.run(
            ["tar", "xzf", str(volume), "--warning=no-timestamp", "-C",
             str(folder)], capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, done.stderr
    return [p.read_bytes() for p in folder.rglob("*.eml")]


# ---- days ------------------------------------------------------------------


class Soak:
    def __init__(self, world, seed, verbose):
        self.world, self.seed, self.verbose = world, seed, verbose
        self.faults = Faults(world, random.Random(seed), verbose)
        self.oracle = Oracle(world, self.faults)
        self.looks, self.hour = [], 0

    def mail_comes(self, dice):
        for name, count in A_DAY.items():
            box = self.world.boxes[name]
            for _ in range(sum(dice.random() < count / 96 for _ in range(4))):
                self.world.number += 1
                box.put(self.world.number, dice)
                if dice.random() < 0.03:  # the same octets once more
                    data = (box.dir / f"{self.world.number:05d}.eml"
                            ).read_bytes()
                    self.world.number += 1
                    box.put(self.world.number, dice, data)

    def an_hour(self, begins=(), midst=()):
        for event in begins:
            self.faults.begin(event)
        self.world.keep_alive()
        self.hour += 1
        self.world.time.leap_to(self.hour * HOUR_MS)
        self.world.wake()
        for event in midst:
            self.world.in_a_visit(self.faults.dice)
            self.faults.begin(event)
        self.world.settle()

    def day(self, number):
        """One seed a day."""
        dice = random.Random(f"{self.seed}/{number}")
        self.faults.dice = random.Random(f"{self.seed}/{number}/faults")
        events = plan_day(dice)
        for hour in range(24):
            for event in events:
                if event.end == hour and event.kind != "destroy":
                    self.faults.end(event)
            self.mail_comes(dice)
            now = [e for e in events if e.begin == hour]
            self.an_hour([e for e in now if not e.midst],
                         [e for e in now if e.midst])
        for event in events:
            if event.end == 24:
                self.faults.end(event)
        self.an_hour()
        self.look_after()
        self.world.keep_alive()
        self.an_hour()
        extras = self.oracle.day()
        most = self.oracle.budgets()
        self.look(number, events, extras, most)

    def look_after(self):
        """What a person does who reads what mailsled says."""
        first = self.world.places[0]
        if first.here and not (first.disk / "COPY.txt").exists():
            first.wipe()  # "mount it, or empty the folder"
        for place in self.world.places:
            if place.adopt and self.world.places[0].here:
                done = self.world.command("sync", "--adopt", str(place.path))
                assert done.returncode in (0, 65, 73), done
                place.adopt = False
        done = self.world.command("sync")
        if done.returncode != 0 or self.faults.destroyed:
            done = self.world.command("repair")
            assert done.returncode == 0, done
            done = self.world.command("sync")
        assert done.returncode == 0, done
        done = self.world.command("verify")
        assert done.returncode == 0, done
        self.faults.destroyed = False

    def look(self, number, events, extras, most):
        rss, files = self.world.look()
        self.looks.append((self.world.starts, rss, files))
        placed = sum(len(b.placed) for b in self.world.boxes.values())
        left = sum(len(b.left()) for b in self.world.boxes.values())
        print(f"ok day {number}: {len(events)} faults, {placed} messages so "
              f"far, {left} on servers, {extras} entries by lies; {rss} kB, "
              f"{files} descriptors, start {self.world.starts}; at most "
              f"{most >> 10} KiB a day", flush=True)

    def finish(self):
        """Nothing fails any more: four days for what stays two."""
        for _ in range(4 * 24):
            self.an_hour()
        self.world.daemon.terminate()
        assert self.world.daemon.wait(60) == 0
        self.look_after()
        done = self.world.command("verify", "--deep")
        assert done.returncode == 0, done
        self.oracle.end()
        self.check_flat()
        for server in [b.server for b in self.world.boxes.values()]:
            server.stop()
        self.world.portal.stop()
        wait_for(lambda: not children_left(), "the last child to end")
        self.tell()

    def check_flat(self):
        """Of each daemon that lived for days, the last against the first: one
        looked at before its first visit has a few MB less than is usual."""
        lives = collections.defaultdict(list)
        usual = statistics.median(rss for _, rss, _ in self.looks)
        for start, rss, files in self.looks:
            lives[start].append((rss, files))
        for looks in lives.values():
            rss, files = zip(*looks)
            assert max(rss) < max(rss[0], usual) * 1.15 + 1024, rss
            # One look may come while the store is open for something.
            assert min(files[len(files) // 2:]) < files[0] + 8, files
        first, last = self.looks[0], self.looks[-1]
        assert last[1] < first[1] * 1.3 + 2048, self.looks
        assert last[2] < first[2] + 8, self.looks

    def tell(self):
        boxes = self.world.boxes.values()
        retrs = collections.Counter(
            (b.name, n) for b in boxes for n in b.server.mails("RETR"))
        rows = [json.loads(line) for line in
                self.world.command("--json", "report").stdout.splitlines()]
        visits = [v for r in rows if "began" in r for v in r["visits"]]
        placed = sum(len(b.placed) for b in boxes)
        fetched = sum(v["fetched"] for v in visits)
        ends = collections.Counter(v["exit"] for v in visits)
        print(f"# {self.hour} hours, {sum(self.faults.made.values())} faults of "
              f"{len(self.faults.made)} kinds; {placed} messages placed, "
              f"{len(set(retrs))} asked for, {retrs.total()} times, {fetched} "
              f"whole by {len(visits)} visits ({dict(sorted(ends.items()))}); "
              f"{self.world.starts} starts, ended by itself: "
              f"{dict(self.world.ends)}; {min(x[1] for x in self.looks)} to "
              f"{max(x[1] for x in self.looks)} kB, "
              f"{min(x[2] for x in self.looks)} to "
              f"{max(x[2] for x in self.looks)} descriptors")


def children_left():
    """Who lives still; what outlives its parent becomes ours."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return []
        if pid == 0:
            tasks = Path("/proc/self/task").glob("*/children")
            return " ".join(p.read_text() for p in tasks).split()


def run(tmp, args):
    world = World(tmp, args.seed)
    soak = Soak(world, args.seed, args.v)
    passed = 0
    try:
        for number in range(args.first, args.first + args.days):
            soak.day(number)
            passed += 1
        soak.finish()
        return passed + 1, 0
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        print("".join(world.log.read_text().splitlines(True)[-60:]))
        print(f"not ok day {args.first + passed}: again by --seed {args.seed} "
              f"--from {args.first} --days {passed + 1}", flush=True)
        return passed, 1
    finally:
        world.close()


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--from", type=int, default=1, dest="first")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("-v", action="store_true")
    args = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    tmp = Path(tempfile.mkdtemp(prefix="soak.", dir="/tmp"))
    tmp.chmod(0o755)
    began = time.monotonic()
    try:
        passed, failed = run(tmp, args)
    except Skip as why:
        print(f"skipped: {why}\n0 passed, 0 failed, 1 skipped")
        return 77
    finally:
        if not args.keep:
            shutil.rmtree(tmp, ignore_errors=True)
    print(f"# {time.monotonic() - began:.0f} s")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
