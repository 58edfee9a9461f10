"""[C6] [R1] kill -9 at any moment: nothing is lost, nothing is stored twice, and what
was whole on disk is never fetched again."""
import hashlib
import io
import random
import re
import tarfile
import time
import zlib

from harness import (Pop3d, Sled, check_receipts, fill_folder, message,
                     same_mail, slow, untar, volumes, wire)

MESSAGES = 400


def digest(data):
    return hashlib.sha256(data).digest()


class Disk:
    """What a killed run left, read without the program's help."""

    def __init__(self, sled):
        self.sled, self.seen = sled, {}

    def archived(self, place):
        """SHA-256 of each message in a complete member of PLACE."""
        found = set()
        for volume in volumes(place):
            data, at = volume.read_bytes(), 0
            while (size := self.member_size(data, at)) is not None:
                key = (str(volume), at, data[at + size - 8:at + size])
                if key not in self.seen:
                    self.seen[key] = self.messages(data[at:at + size])
                if self.seen[key] is None:
                    break
                found |= self.seen[key]
                at += size
        return found

    @staticmethod
    def member_size(data, at):
        """From the gzip extra field MS; None when it is not all there."""
        head = data[at:at + 24]
        if len(head) < 24 or head[:4] != b"\x1f\x8b\x08\x04":
            return None
        assert head[12:16] == b"MS\x08\0", head
        size = int.from_bytes(head[16:24], "little")
        return size if 24 < size <= len(data) - at else None

    @staticmethod
    def messages(member):
        try:
            engine = zlib.decompressobj(31)
            plain = engine.decompress(member)
        except zlib.error:
            return None
        if not engine.eof or engine.unused_data:
            return None
        with tarfile.open(fileobj=io.BytesIO(plain + bytes(1024))) as tar:
            return {digest(tar.extractfile(entry).read()) for entry in tar
                    if entry.name.endswith(".eml")}

    def spooled(self):
        """SHA-256 of each message whose trailer was written."""
        found = set()
        for path in self.sled.path.glob(".mailsled/spool/*.spool"):
            data = path.read_bytes()
            for end in re.finditer(rb"END\n.{8}(.{32})", data, re.S):
                octets = int.from_bytes(end[0][4:12], "little")
                body = data[max(0, end.start() - octets):end.start()]
                if digest(body) == end[1]:
                    found.add(end[1])
        return found


class Ordeal:
    """A maildrop, refilled when it is empty, and a client that gets killed."""

    def __init__(self, tmp, seed):
        self.random = random.Random(seed)
        self.folder = tmp / "mail"
        self.mail, self.names = [], {}
        self.fill()
        self.server = Pop3d(tmp, folder=self.folder)
        self.sled = Sled(tmp, {"home": self.server})
        self.disk = Disk(self.sled)
        self.whole, self.read_log = set(), 0
        self.adopting = set()  # behind c6, or counted before
        self.kills = self.behind_c3 = 0

    def fill(self):
        """MESSAGES more, of many sizes."""
        more = {}
        for _ in range(MESSAGES):
            number = len(self.mail)
            lines = self.random.choice((1, 20, 60, 60, 200, 900))
            text = message(number, f"{self.random.random()} text\n" * lines)
            more[f"n{number:06d}"] = text
            self.mail.append(text)
            self.names[digest(wire(text))] = f"n{number:06d}"
        fill_folder(self.folder, more)

    def refill(self):
        self.server.stop()
        self.fill()
        self.server.start(self.server.port)

    def check_retrs(self):
        """Nothing that was whole before has been asked for since."""
        self.server.wait_closed()
        with open(self.server.log, encoding="ascii") as log:
            log.seek(self.read_log)
            said = log.read()
            self.read_log = log.tell()
        names = re.findall(r"(?m)^MAIL \d+ RETR (\S+)\.eml$", said)
        assert len(names) == len(set(names)), "fetched twice in one run"
        twice = self.whole & set(names)
        assert not twice, f"whole before, fetched again: {sorted(twice)[:9]}"
        return len(names)

    def moment(self, spread):
        """When to kill: at a random time, or as soon as an archive grows."""
        place = self.random.choice(self.sled.places + [None, None])
        if place is None:
            end = time.monotonic() + self.random.uniform(0, spread)
            return lambda: time.monotonic() >= end
        before = self.sizes(place)
        wait = self.random.choice((0, 0, 0.001, 0.003))

        def grown():
            if self.sizes(place) == before:
                return False
            time.sleep(wait)
            return True
        return grown

    @staticmethod
    def sizes(place):
        return [(v.name, v.stat().st_size) for v in volumes(place)]

    def rows(self):
        """What the ledger knows; nothing as long as none was made (66)."""
        done = self.sled.run("--json", "list")
        if done.status == 66:
            return set()
        assert done.status == 0, done
        return {bytes.fromhex(row["sha256"]) for row in done.json}

    def kill_once(self, spread):
        if self.sled.killed("fetch", when=self.moment(spread)) == 0:
            self.check_retrs()  # it was faster
            assert self.server.left() == []
            self.refill()
            return
        self.kills += 1
        self.check_retrs()
        archived = self.disk.archived(self.sled.path)
        rows = self.rows()
        assert rows <= archived, "a row without its bytes"
        self.behind_c3 += bool(archived - rows - self.adopting)
        self.adopting = archived
        self.whole |= {self.names[sha]
                       for sha in archived | self.disk.spooled()}


def ordeal(tmp, kills, lose_every, seed):
    """KILLS of them; the ledger is removed after each LOSE_EVERYth."""
    test = Ordeal(tmp, seed)
    with test.server:
        while test.kills < kills:
            before = test.kills
            test.kill_once(spread=0.12)
            if test.kills > before and test.kills % lose_every == 0:
                for path in test.sled.path.glob(".mailsled/ledger.db*"):
                    path.unlink()
        done = test.sled.fetch()
        assert done.status == 0, done
        test.check_retrs()
        assert test.server.left() == []
    assert test.behind_c3 > 0, "no kill between c3 and c6"
    shas = [row["sha256"] for row in test.sled.list()]
    assert len(shas) == len(set(shas)) == len(test.mail)
    for number, place in enumerate(test.sled.places):
        same_mail(untar(place, tmp / f"out{number}"),
                  [wire(m) for m in test.mail])
        assert check_receipts(place, tmp / f"out{number}") == len(test.mail)
    print(f"# {test.kills} kills, {test.behind_c3} of them between c3 and c6,"
          f" {len(test.mail)} messages", flush=True)


def test_kills_lose_nothing_and_fetch_nothing_twice(tmp):
    ordeal(tmp, kills=200 if slow() else 12, lose_every=10 if slow() else 4,
           seed=20261123)


test_kills_lose_nothing_and_fetch_nothing_twice.timeout = 900
