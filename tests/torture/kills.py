#!/usr/bin/env python3
"""[R1] [R5] SIGKILL at each call by which mailsled changes a disk, or says
something to the network.

usage: kills.py [--every N] [--offset N] [--twice N] [--jobs N]
                [--scenes NAME,...]
       kills.py --scenes NAME --at N[,M]      one kill again, or two

For each scene (a command on a store, see below) the program is run and killed
at its Nth such call, N = 1, 2, 3 ... until a run comes through (killer.c): each
(--every 1), or every so manieth (without it, as the scene says: most make all).
At each --twiceth (0: none) the run that goes on from there is killed too, at a
call that N picks. Behind the kill:
  - what the server has no more, and what was there before, is whole in as many
    places as it must be, read by Python alone;
  - the same command, run again, ends with 0; a visit brings nothing that was
    whole before, and leaves the server empty;
  - every message is in each place, once, by GNU tar; verify --deep finds
    nothing, a visit finds nothing to do.
The last line counts. Where programs cannot be traced it ends with 77.
"""
import argparse
import collections
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import hung  # noqa: E402
from far_peer import Far  # noqa: E402
from harness import (BUILD, Pop3d, Sled, fill_folder, message,  # noqa: E402
                     same_mail, untar, volumes, wire)
from ready import ReadySled  # noqa: E402
from test_fetch_kill import Disk, digest  # noqa: E402

EARLY = [message(n, f"line {n}\n" * 40) for n in (1, 2, 3)]
SKIPPED = 77
LONGEST = 120  # seconds, for a run of less than one
AWAY = [message(n, f"line {n}\n" * 90) for n in (7, 8)]
READING = ("index", "search")  # commands that are another program's
LATE = [message(n, f"line {n}\n" * ((n - 9) ** 3 * 40)) for n in (10, 11, 12)]


def damage(path, at):
    path.chmod(0o644)
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(b"\0" * 40)


class Scene:
    """A command, what was there before it, and what has to be there behind.

    EARLY mail came with an earlier visit, and more on the server is LATE; a
    message has to be in LEAST places right behind the kill (0: all)."""

    argv = ("fetch",)
    early, late = EARLY, LATE
    copies, least = 1, 0
    store, account, server_args = {}, {}, ()
    once = True  # what was whole does not come again
    keeps = False  # the account leaves its mail on the server
    # Faults of a server that has them until the kill; then what the command
    # ends with where it is not killed.
    faults, ends = (), (0,)
    sled = None
    cuts = ()  # of this trial: what was whole at a kill, what was asked till then
    every = 1  # of so many kills one is made

    def __init__(self, tmp):
        self.tmp = Path(tmp)
        self.odd = self.tmp / "odd"  # while it is there the server is
        faults = [w for one in self.faults for w in ("--fault", one)]
        self.server = Pop3d(
            self.tmp, *self.server_args, *faults, "--fault-while", self.odd,
            folder=fill_folder(self.tmp / "mail", self.named(self.early)))
        try:
            self.begin()
        except BaseException:
            self.end()  # a server that stays keeps our own output open
            raise

    def begin(self):
        self.sled = ReadySled(self.tmp, {"home": self.server},
                              copies=self.copies, store=self.store,
                              account=self.account)
        if self.early:
            for _ in range(2):  # the second one makes the server known
                self.expect("fetch")
        self.prepare()
        shutil.copytree(self.sled.dir, self.tmp / "kept", symlinks=True)

    def end(self):
        self.server.stop()
        if self.sled is not None:
            self.sled.end()

    @staticmethod
    def named(mails):
        """By names of their own, twins too."""
        out = {}
        for mail in mails:
            name = f"m{digest(mail).hex()[:12]}"
            while name in out:
                name += "t"
            out[name] = mail
        return out

    def prepare(self):
        """Once, behind the earlier visit."""

    def expect(self, *argv):
        kind = Sled if argv[0] in READING else ReadySled
        done = kind.run(self.sled, *argv)
        self.server.wait_closed()
        assert done.status == 0, done
        return done

    # ---- one kill ----

    def begin_again(self):
        shutil.rmtree(self.server.folder)
        fill_folder(self.server.folder, self.named(self.late))
        shutil.rmtree(self.sled.dir)
        shutil.copytree(self.tmp / "kept", self.sled.dir, symlinks=True)
        if self.server.log.exists():
            os.truncate(self.server.log, 0)
        self.cuts = []

    def kill(self, nth):
        """The call it was killed at, or None."""
        note = self.tmp / "note"
        argv = [BUILD / "torture/killer", note, str(nth),
                *self.sled.argv(*self.argv)]
        self.odd.touch()
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT) as process:
            try:
                said = process.communicate(timeout=LONGEST)[0]
            except subprocess.TimeoutExpired:
                where = hung.tell(process.pid)
                process.kill()  # and with the tracer what it traces
                raise AssertionError(f"{argv}: still there after {LONGEST} s"
                                     f"\n{where}") from None
        self.server.wait_closed()
        words = note.read_text().split()
        if words[0] == "killed":
            return words[2]
        assert process.returncode in self.ends, (process.returncode, said)
        return None

    def check_law(self, disk):
        """What came before, and what the server has no more; of twins one at
        least, the end counts them."""
        left = set(self.server.left())
        gone = {digest(wire(mail)) for mail in self.early +
                [m for name, m in self.named(self.late).items()
                 if f"{name}.eml" not in left]}
        held = collections.Counter()
        for place in self.sled.places:
            held.update(disk.archived(place))
        for sha in gone:
            assert held[sha] >= (self.least or len(self.sled.places)), (
                f"{sha.hex()[:12]} is in {held[sha]} places")

    def note_whole(self, disk):
        """What was whole at a kill, or at the command's end."""
        self.cuts.append((disk.archived(self.sled.path) | disk.spooled(),
                          len(self.server.mails("RETR"))))

    def check_twice(self):
        """Behind each kill, the first of two too."""
        all_asked = self.server.mails("RETR")
        for whole, before in self.cuts:
            asked = all_asked[before:]
            twice = [name for name, m in self.named(self.late).items()
                     if digest(wire(m)) in whole and f"{name}.eml" in asked]
            assert not (self.once and twice), (
                f"whole before, and fetched again: {twice}")

    def check(self):
        self.odd.unlink(missing_ok=True)
        self.note_whole(Disk(self.sled))
        before = len(self.server.mails("RETR"))
        self.expect(*self.argv)
        self.check_again()
        self.expect("fetch")
        self.check_twice()
        asked = self.server.mails("RETR")[before:]
        assert len(asked) == len(set(asked)), asked
        assert bool(self.server.left()) == self.keeps, self.server.left()
        self.check_end()

    def check_again(self):
        """Behind the command's second run."""

    def mails(self):
        return self.early + self.late

    def check_tar(self, place):
        folder = self.tmp / "out"
        shutil.rmtree(folder, ignore_errors=True)
        same_mail(untar(place, folder), [wire(m) for m in self.mails()])

    def check_end(self):
        for place in self.sled.places:
            self.check_tar(place)
        self.expect("verify", "--deep")


class First(Scene):
    """A visit to a store that is not there yet."""
    early = []


class Next(Scene):
    """A visit to a server that is known."""


class LostLedger(Scene):
    """A visit that finds the ledger gone."""

    def prepare(self):
        for path in self.sled.path.glob(".mailsled/ledger.db*"):
            path.unlink()


class Large(Scene):
    """A message that streams through a member of its own."""
    late = [message(20, "a long line of a large message\n" * 45000), LATE[0]]


class Turning(Scene):
    """The volume is full, so that the visit's end seals it; so is the next."""
    store = {"rotate": "1KiB"}


class NoIds(Scene):
    """A server without UIDL, and two messages alike: what was stored and not
    deleted has to come again, and is the same one."""
    server_args = ("--no-uidl",)
    late = [LATE[0], LATE[0], LATE[1]]
    once = False


class Renumbered(Scene):
    """A server that gives new ids in each session."""
    server_args = ("--uid-mode", "renumber")


class Expires(Scene):
    """QUIT removes what was RETRieved, and the server says so."""
    server_args = ("--expire0",)


class ExpiresUnsaid(Scene):
    """The same, and it does not say so."""
    server_args = ("--expire0-silent",)


class Plain(Scene):
    """A server without CAPA, AUTH and pipelining: USER and PASS, and one
    command at a time."""
    every = 4
    server_args = ("--no-capa", "--no-sasl", "--no-pipelining")


class QuitLost(Scene):
    """The line ends at QUIT, and nothing was deleted."""
    every = 4
    faults, ends = ("QUIT:close",), (0, 75)


class QuitUnheard(Scene):
    """All was deleted, but the line ends before the answer to QUIT."""
    every = 4
    faults, ends = ("QUIT:drop",), (0, 75)


class Twins(Scene):
    """Messages alike, and new ids in each session: of two alike one may have
    to come again, where the other had come whole."""
    every = 4
    server_args = ("--uid-mode", "renumber")
    late = [LATE[0], LATE[0], LATE[1], LATE[1]]
    once = False


class Stays(Scene):
    """A server without UIDL, and nothing is to be deleted: what had come whole
    is known by its header."""
    every = 4
    server_args = ("--no-uidl",)
    account = {"delete": "never"}
    keeps = True


class LeftOut(Scene):
    """Of messages of one size the server leaves out the reply to the second:
    the others come under wrong ids, which must be found out before any is
    deleted. Then it is fetched, and may be here twice."""
    every = 8
    faults, ends = ("RETR:2:skip",), (75,)
    account = {"timeout": "1s"}
    late = [message(n, f"line {n}\n" * 40) for n in range(10, 15)]
    once = False

    def check_law(self, disk):
        """That comes later, with the first visit that deletes."""
        assert len(self.server.left()) == len(self.late), "a DELE in doubt"

    def check_tar(self, place):
        folder = self.tmp / "out"
        shutil.rmtree(folder, ignore_errors=True)
        lost = collections.Counter(map(wire, self.mails()))
        lost.subtract(untar(place, folder).values())
        assert max(lost.values()) <= 0, "lost"


class CatchUp(Scene):
    """A place that was away for a visit, and is there again at this one."""
    copies, least = 2, 2

    def prepare(self):
        copy = self.sled.copies[0]
        copy.rename(self.tmp / "away")
        fill_folder(self.server.folder, self.named(AWAY))
        self.expect("fetch")
        (self.tmp / "away").rename(copy)

    def mails(self):
        return EARLY + AWAY + LATE


class Drop(Scene):
    """A held message is dropped; nothing else may go with it."""
    account = {"hold-larger": "1KiB"}
    early, late = [message(n) for n in (4, 5)], LATE[2:]

    def prepare(self):
        fill_folder(self.server.folder, self.named(self.late))
        self.expect("fetch")
        held, = self.expect("held", "--json").json
        self.argv = ("drop", "--yes", held["id"])

    def check_law(self, disk):
        assert self.server.left(), "a drop made no visit"

    def mails(self):
        return self.early


class Dropped(Drop):
    """The visit that deletes it."""

    def prepare(self):
        super().prepare()
        self.expect(*self.argv)
        self.argv = ("fetch",)

    def check_law(self, disk):
        """There is no other mail that could go."""


class Sync(Scene):
    """A place that was away for a visit, and holds nothing new."""
    argv = ("sync",)
    copies, least = 2, 2
    late = []

    def prepare(self):
        copy = self.sled.copies[0]
        copy.rename(self.tmp / "away")
        fill_folder(self.server.folder, self.named(LATE))
        self.expect("fetch")
        (self.tmp / "away").rename(copy)

    def mails(self):
        return EARLY + LATE


class Emptied(Sync):
    """A place that was emptied, but for its mark."""

    def prepare(self):
        super().prepare()
        self.expect("sync")
        for volume in volumes(self.sled.copies[1]):
            volume.unlink()


class FarSync(Scene):
    """What a far place lacks is sent there: a sealed volume, and ranges of an
    open one."""
    argv = ("sync",)
    late = []

    def prepare(self):
        self.far = Far(self.sled.dir, "local")
        self.sled.end()  # the next one has its RCLONE_CONFIG
        self.sled.store_keys["copies"] += f", {self.far.place}"
        self.sled.write()
        self.expect("seal", "--now")
        fill_folder(self.server.folder, self.named(LATE))
        self.expect("fetch")

    def mails(self):
        return EARLY + LATE

    def check_again(self):
        shutil.rmtree(self.tmp / "mirror", ignore_errors=True)
        self.check_tar(self.far.mirror(self.tmp / "mirror"))


class Seal(Scene):
    """A volume that still has room; the next visit begins another."""
    argv = ("seal", "--now")


class Repair(Scene):
    """In a sealed volume one place has damage in one member, the other one in
    another; in the open volume the one has."""
    argv = ("repair",)
    late = []

    def prepare(self):
        fill_folder(self.server.folder, self.named(LATE[:1]))
        self.expect("fetch")
        self.expect("seal", "--now")
        fill_folder(self.server.folder, self.named(LATE[1:]))
        self.expect("fetch")
        sealed, still_open = volumes(self.sled.path)
        damage(sealed, sealed.stat().st_size * 7 // 8)
        damage(still_open, still_open.stat().st_size // 2)
        damage(volumes(self.sled.copies[0])[0], 100)

    def check_law(self, disk):
        """What reads without a ledger ends at damage: that nothing is lost is
        seen when all is mended."""

    def mails(self):
        return EARLY + LATE


class Rebuild(Scene):
    """The ledger is made anew."""
    argv = ("rebuild",)

    def prepare(self):
        self.expect("seal", "--now")


class Import(Scene):
    """Mail of another program comes in; stopped, and run again."""
    late = []

    def __init__(self, tmp):
        box = fill_folder(Path(tmp) / "box", self.named(LATE))
        self.argv = ("import", str(box), "--account", "past")
        super().__init__(tmp)

    def mails(self):
        return EARLY + LATE


class Export(Scene):
    """A Maildir beside the store: each message once, and whole."""
    late = []

    def __init__(self, tmp):
        self.argv = ("export", "--to", str(Path(tmp) / "sled/Maildir"),
                     "--format", "maildir")
        super().__init__(tmp)

    def check_again(self):
        box = self.sled.dir / "Maildir/home"
        same_mail([p.read_bytes() for name in ("cur", "new")
                   for p in (box / name).iterdir()], EARLY)


class Restore(Scene):
    """Out of a copy alone, under the archive's names: once, and exact."""
    late = []

    def __init__(self, tmp):
        self.argv = ("restore", str(Path(tmp) / "sled/copy1"), "--to",
                     str(Path(tmp) / "sled/out"), "--format", "eml")
        super().__init__(tmp)

    def check_again(self):
        files = [p for p in (self.sled.dir / "out").rglob("*") if p.is_file()]
        assert all(p.suffix == ".eml" for p in files), files
        same_mail([p.read_bytes() for p in files], [wire(m) for m in EARLY])


class Into(Scene):
    """Another store's copy comes into this one."""
    late = []

    def prepare(self):
        box = fill_folder(self.tmp / "box", self.named(LATE))
        other = Sled(self.tmp, {}, name="other")
        done = other.run("import", box, "--account", "past")
        assert done.status == 0, done
        self.argv = ("restore", str(other.copies[0]), "--into-store")

    def mails(self):
        return EARLY + LATE


class Deliver(Scene):
    """What is there goes to a Maildir and to an mbox, each message once."""
    argv = ("deliver", "--all")
    late = []

    def prepare(self):
        maildir, box = self.sled.dir / "M", self.sled.dir / "box"
        self.sled.account_keys["deliver"] = f"maildir:{maildir}, mbox:{box}"
        self.sled.write()

    def check_again(self):
        letters = sorted(wire(m).replace(b"\r\n", b"\n") for m in EARLY)
        assert letters == sorted(
            p.read_bytes() for part in ("new", "cur")
            for p in (self.sled.dir / "M" / part).iterdir())
        assert not any((self.sled.dir / "M/tmp").iterdir())
        box = (self.sled.dir / "box").read_bytes()
        assert box.count(b"\nFrom ") + 1 == len(EARLY), box
        assert all(box.count(m) == 1 for m in letters), box


class Index(Scene):
    """The index of the reading side."""
    argv = ("index",)
    late = []

    def prepare(self):
        for path in self.sled.path.glob(".mailsled/*index*"):
            path.unlink()

    def check_again(self):
        done = self.expect("search", "--json", "Note", "--limit", "0")
        found = sorted(row["sha256"] for row in done.json)
        assert found == sorted(digest(wire(m)).hex() for m in EARLY), done


SCENES = {kind.__name__.lower(): kind
          for kind in (First, Next, Large, Turning, CatchUp, LostLedger,
                       NoIds, Stays, Renumbered, Twins, Plain, QuitLost,
                       QuitUnheard, LeftOut, Expires, ExpiresUnsaid, Drop,
                       Dropped, FarSync, Sync, Emptied, Seal, Repair,
                       Rebuild, Import, Export, Restore, Into, Deliver,
                       Index)}


# ---- many ----

def try_kills(scene, *moments):
    """(calls it was killed at; why a law did not hold, or None)"""
    calls = []
    scene.begin_again()
    try:
        for nth in moments:
            call = scene.kill(nth)
            if call is None:
                break
            calls.append(call)
            disk = Disk(scene.sled)
            scene.note_whole(disk)
            scene.check_law(disk)
        scene.check()
    except AssertionError as why:
        return calls, str(why)
    return calls, None


def second(nth, last):
    """A call of the run behind the kill at NTH, which had LAST at most."""
    return 1 + nth * 7919 % max(1, last)


def run_share(task):
    """Of one scene, the kills first, first + step ...: [(nth, calls, why)]"""
    name, first, step, twice = task
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    out = []
    with tempfile.TemporaryDirectory(prefix="kills.", dir=where) as tmp:
        scene = None
        try:
            scene = SCENES[name](tmp)
            nth, calls = first, True
            while calls:
                calls, why = try_kills(scene, nth)
                out.append((nth, calls, why))
                nth += step
            last = nth - step
            for nth in range(first, last, step):
                if twice and (nth - first) // step % twice == 0:
                    pair = nth, second(nth, last)
                    out.append((pair, *try_kills(scene, *pair)))
        except Exception as why:  # of the test itself: a failure all the same
            out.append((0, [], f"{type(why).__name__}: {why}"))
        finally:
            if scene is not None:
                scene.end()
    return name, out


def tell(name, got):
    """(kills, failures) of a scene; one in which nothing was killed failed."""
    kills = collections.Counter(call for _, calls, _ in got for call in calls)
    failures = [one for one in got if one[2]]
    if not kills:
        failures.append((0, [], "nothing was killed"))
    print(f"{name:10} {kills.total():5} kills, {len(failures)} failed: " +
          ", ".join(f"{call} {n}" for call, n in kills.most_common()),
          flush=True)
    for at, calls, why in failures[:5]:
        print(f"  {name} {at} ({', '.join(calls)}): {why[:1500]}", flush=True)
    return kills.total(), len(failures)


def tasks_of(name, shares, options):
    every = options.every or SCENES[name].every
    return [(name, 1 + options.offset % every + share * every, every * shares,
             options.twice) for share in range(shares)]


def kill_all(names, options):
    jobs = options.jobs
    shares = max(1, jobs)
    tasks = [one for name in names for one in tasks_of(name, shares, options)]
    got = collections.defaultdict(list)
    ended = collections.Counter()
    kills = failed = 0
    with multiprocessing.Pool(jobs) as pool:
        for name, out in pool.imap_unordered(run_share, tasks, 1):
            got[name] += out
            ended[name] += 1
            if ended[name] == shares:
                more = tell(name, got[name])
                kills, failed = kills + more[0], failed + more[1]
    print(f"kills: {kills} made, {failed} failed")
    return 0 if kills and not failed else 1


def can_trace():
    with tempfile.TemporaryDirectory() as tmp:
        return subprocess.run(
            [BUILD / "torture/killer", Path(tmp) / "note", "0", "true"],
            capture_output=True, check=False).returncode == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int)
    parser.add_argument("--offset", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=int(
        os.environ.get("JOBS") or os.cpu_count() or 1))
    parser.add_argument("--scenes", default=",".join(SCENES))
    parser.add_argument("--twice", type=int, default=0)
    parser.add_argument("--at")
    options = parser.parse_args()
    names = options.scenes.split(",")
    if not can_trace():
        print("kills: skipped: programs cannot be traced here")
        return SKIPPED
    for name, there, why in (
            ("index", (BUILD / "mailsled-reader").exists(),
             "built without the reading side"),
            ("farsync", shutil.which("rclone"), "rclone is not installed")):
        if name in names and not there:
            print(f"{name}: skipped: {why}")
            names.remove(name)
    if options.at is None:
        return kill_all(names, options)
    with tempfile.TemporaryDirectory() as tmp:
        scene = SCENES[names[0]](tmp)
        try:
            calls, why = try_kills(scene, *map(int, options.at.split(",")))
        finally:
            scene.end()
    print(f"{names[0]} {options.at} ({', '.join(calls)}): {why or 'holds'}")
    return 0 if why is None else 1


if __name__ == "__main__":
    sys.exit(main())
