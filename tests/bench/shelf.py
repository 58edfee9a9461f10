"""What the store costs, with no link and no other fetcher beside it.

    verify   `verify --deep` against `gzip -t` and `sha256sum` of the volumes
    append   a visit of a few messages to a store of 5 GB, and to a new one
    size     the archives against one `tar | gzip -6` of the same messages

Each yields a heading and notes for the table, all of one run, and raises Wrong
when a result is no figure."""
import contextlib
import gzip
import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import time
import zlib
from pathlib import Path

import letters
from harness import BUILD, Pop3d, Sled, fill_folder, volumes, wire

LABEL = "home"
FEW = 4  # messages of a small visit


class Wrong(Exception):
    """A result that is no figure."""


def real(octets, seed):
    """At least OCTETS of mail: that of MAIL_CORPUS, or made up; LF lines. Once
    as it is, then each header with the body of another: equal messages would
    lie side by side, small ones first, and be nothing to a compressor."""
    named = os.environ.get("MAIL_CORPUS")
    mail = [p.read_bytes() for p in sorted(Path(named).glob("*.eml"))] \
        if named else letters.mixed(seed, 600)
    parts = [m.partition(b"\n\n") for m in mail]
    out, size, turn = [], 0, 0
    while size < octets:
        more = [head + gap + parts[(i + 37 * turn) % len(parts)][2]
                for i, (head, gap, _) in enumerate(parts)]
        out += more
        size += sum(len(wire(m)) for m in more)
        turn += 1
    return out, f"{'real' if named else 'made-up'} (mixed {turn} times)"


def fetch(sled, expected):
    """One visit; its seconds."""
    began = time.monotonic()
    done = sled.fetch(timeout=1800)
    seconds = time.monotonic() - began
    if done.status != 0 or done.reports[0]["fetched"] != expected:
        raise Wrong(f"a visit of {expected} messages: {done}")
    return seconds


@contextlib.contextmanager
def store_of(folder, mail, copies=1, **keys):
    """A store that has fetched MAIL in one visit, and its server."""
    box = fill_folder(folder / "mail", mail)
    with Pop3d(folder, folder=box) as server:
        sled = Sled(folder, {LABEL: server}, copies=copies, store=keys)
        fetch(sled, len(mail))
        yield sled, server


def deliver(server, mail, turn):
    """MAIL is what waits there next."""
    server.stop()
    fill_folder(server.folder, {f"t{turn:03d}-{i}": m
                                for i, m in enumerate(mail)})
    server.start()


# ---- verify ----------------------------------------------------------------

def drop_pages(files):
    """From the disk, as verify reads them."""
    os.sync()
    for name in files:
        fd = os.open(name, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def timed(argv, files):
    """Seconds, and the most memory held, in KiB."""
    drop_pages(files)
    began = time.monotonic()
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise Wrong(f"{argv[0]}: status {child.returncode}")
    return time.monotonic() - began, used.ru_maxrss


def verify(folder, seed, turns=5):
    """What verify --deep costs."""
    mail, kind = real(100 << 20, seed)
    with store_of(folder, mail) as (sled, _):
        files = [str(v) for place in sled.places for v in volumes(place)]
        octets = sum(os.path.getsize(f) for f in files)
        rows = []
        for _ in range(turns):
            test, sums, ours = (timed(argv, files) for argv in (
                ["gzip", "-t", *files], ["sha256sum", *files],
                sled.argv("verify", "--deep")))
            rows.append((ours[0] / (test[0] + sums[0]), test[0], sums[0],
                         *ours))
    ratio, test, sums, ours, peak = sorted(rows)[turns // 2]
    yield (f"{len(mail):,} {kind} messages in two places, {octets:,} B of "
           f"volumes, from the disk; median of {turns} turns")
    yield (f"gzip -t {test:.2f} s and sha256sum {sums:.2f} s; verify --deep "
           f"{ours:.2f} s: {ratio:.2f} times both; it held "
           f"{peak / 1024:.0f} MiB")


# ---- append ----------------------------------------------------------------

def column(ledger, table):
    return [row[1] for row in ledger.execute(f"PRAGMA table_info({table})")]


def insert(ledger, table, rows):
    """ROWS are dicts of one shape."""
    first = next(rows)
    names = list(first)
    marks = ", ".join("?" * len(names))
    sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"
    ledger.execute(sql, list(first.values()))
    ledger.executemany(sql, (list(row.values()) for row in rows))


def like(ledger, table, where="1"):
    """A row of TABLE to make others from, without its id."""
    names = [n for n in column(ledger, table) if n != "id"]
    row = ledger.execute(
        f"SELECT {', '.join(names)} FROM {table} WHERE {where}").fetchone()
    return dict(zip(names, row))


MEMBER, IN_MEMBER = 120_000, 12  # octets of one, messages in it


def grow(sled, octets, seed):
    """Older volumes of OCTETS in each place: files that have their size, their
    end and their sidecar, and nothing between; the ledger has all the rows
    that real ones have. Whoever reads what is old meets zeros."""
    dice = random.Random(seed)
    last = sled.run("seal", "--now")
    assert last.status == 0, last
    ledger = sqlite3.connect(sled.path / ".mailsled/ledger.db")
    with contextlib.closing(ledger):
        end, _ = ledger.execute("SELECT committed, id FROM volume").fetchone()
        sealed = volumes(sled.path)[0].read_bytes()[end:]
        ledger.execute("PRAGMA synchronous = OFF")
        base = {t: like(ledger, t) for t in ("volume", "member", "message")}
        places = [p for p, in ledger.execute("SELECT id FROM place")]
        each = 1750 * MEMBER
        count = -(-octets // each)
        for i in range(count):
            year, month = divmod(2026 * 12 + 9 - count + i, 12)
            one = {"name": f"{year}-{month + 1:02d}-001", "id": 1000 + i,
                   "committed": each, "receipts": 1750, "turned": 2,
                   "sha256": dice.randbytes(32)}
            insert(ledger, "volume", iter([{**base["volume"], **one}]))
            grow_rows(ledger, base, places, i, dice)
            for place in sled.places:
                grow_file(place / LABEL / f"{one['name']}.tar.gz", each,
                          sealed, one["sha256"])
        ledger.execute("UPDATE counter SET used = 10000000")
        ledger.commit()
    return count


def grow_rows(ledger, base, places, volume, dice):
    now = int(time.time())
    ids = range(10_000 + volume * 1750, 10_000 + (volume + 1) * 1750)
    insert(ledger, "member", (
        {**base["member"], "id": m, "volume": 1000 + volume,
         "at": (m - ids[0]) * MEMBER, "length": MEMBER,
         "body_sha256": dice.randbytes(32)} for m in ids))
    insert(ledger, "holding", ({"member": m, "place": p, "verified": now}
                               for m in ids for p in places))
    numbers = [(m * IN_MEMBER + k, m) for m in ids for k in range(IN_MEMBER)]
    insert(ledger, "message", (
        {**base["message"], "id": n, "number": n, "uid": f"old-{n}",
         "sha256": dice.randbytes(32), "head_sha256": dice.randbytes(32),
         "record": f"{n:x}.old", "entry": f"{LABEL}/old/{n}.eml",
         "member": m, "gone": now, "on_server": 0, "told": 1}
        for n, m in numbers))
    insert(ledger, "known", ({"message": n, "uid": f"old-{n}", "size": 10_000}
                             for n, _ in numbers))


def grow_file(path, octets, end, sha256):
    with open(path, "wb") as file:
        file.truncate(octets)
        file.seek(octets)
        file.write(end)
    path.chmod(0o444)
    Path(f"{path}.sha256").write_text(f"{sha256.hex()}  {path.name}\n")


def system_calls(sled, folder):
    """Of one visit; None where strace is not here."""
    if shutil.which("strace") is None:
        return None
    said = folder / "strace"
    subprocess.run(["strace", "-f", "-c", "-o", said, *sled.argv("fetch")],
                   check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    # % time, seconds, usecs/call, calls, errors, "total"
    total, = (line.split() for line in said.read_text().splitlines()
              if line.endswith(" total"))
    return int(total[3])


def append(folder, seed, octets=5 * 10**9, turns=15):
    """Visits to an old store and to a new one, by turns."""
    mail = letters.small(seed, (turns + 3) * FEW)
    with contextlib.ExitStack() as stack:
        both = []
        for name in ("new", "old"):
            (folder / name).mkdir()
            both.append(stack.enter_context(
                store_of(folder / name, letters.small(seed, 50))))
        made = grow(both[1][0], octets, seed)
        again = both[0][0].run("seal", "--now")
        assert again.status == 0, again
        times, calls = ([], []), []
        for turn in range(turns + 2):
            few = mail[turn * FEW:(turn + 1) * FEW]
            for (sled, server), seconds in zip(both, times):
                deliver(server, few, turn)
                sled.write()
                if turn < turns:
                    seconds.append(fetch(sled, FEW))
                elif turn == turns:
                    calls.append(system_calls(sled, folder))
        rows = both[1][0].path / ".mailsled/ledger.db"
        ledger = rows.stat().st_size
    # The first visits open the next volume.
    new, old = (statistics.median(t[2:]) for t in times)
    ratio = statistics.median(b / a for a, b in zip(times[0][2:],
                                                    times[1][2:]))
    yield (f"visits of {FEW} messages by turns to a new store and to one of "
           f"{made * 1750 * MEMBER:,} B in {made} more volumes, two places, a "
           f"ledger of {ledger:,} B; median of {turns - 2}")
    yield f"new {new:.3f} s, old {old:.3f} s: {ratio:.2f} times"
    if None not in calls:
        yield (f"system calls of a visit: new {calls[0]:,}, old "
               f"{calls[1]:,}: {calls[1] / calls[0]:.2f} times")


# ---- size ------------------------------------------------------------------

def one_stream(folder):
    """Octets of one tar of the files there, in order, by gzip -6."""
    tar = subprocess.Popen(
        ["tar", "c", "--format=ustar", "--sort=name", "--owner=0", "--group=0",
         "-C", folder, "."], stdout=subprocess.PIPE)
    pipe = subprocess.Popen(["gzip", "-6n"], stdin=tar.stdout,
                            stdout=subprocess.PIPE)
    tar.stdout.close()
    octets = 0
    while piece := pipe.stdout.read(1 << 20):
        octets += len(piece)
    if (pipe.wait(), tar.wait()) != (0, 0):
        raise Wrong("tar | gzip -6 failed")
    return octets


def sizes(sled, folder):
    """Octets: of the archives, of one stream of their messages, of one stream
    of all that they hold, receipts too, in the order that they have."""
    folder.mkdir()
    whole = b""
    for volume in volumes(sled.path):
        subprocess.run(["tar", "xzf", volume, "-C", folder, "--wildcards",
                        "*.eml"], check=True)
        whole += gzip.decompress(volume.read_bytes())
    squeeze = zlib.compressobj(6, zlib.DEFLATED, 31)
    return (sum(v.stat().st_size for v in volumes(sled.path)),
            one_stream(folder),
            len(squeeze.compress(whole)) + len(squeeze.flush()))


def told(what, ours, messages, whole):
    return (f"{what}: {ours:,} B; one stream of the messages {messages:,} B: "
            f"{(ours / messages - 1) * 100:+.2f} %; of messages and receipts "
            f"{whole:,} B: {(ours / whole - 1) * 100:+.2f} %")


def size_in_one(folder, mail):
    with store_of(folder, mail) as (sled, _):
        return sizes(sled, folder / "out")


def size_by_few(folder, mail):
    """Of visits of FEW messages each."""
    with store_of(folder, mail[:FEW]) as (sled, server):
        for turn, at in enumerate(range(FEW, len(mail), FEW)):
            few = mail[at:at + FEW]
            deliver(server, few, turn)
            sled.write()
            fetch(sled, len(few))
        return sizes(sled, folder / "out")


def size(folder, seed, octets=50 << 20, few=600):
    """Archives beside one stream."""
    mail, kind = real(octets, seed)
    for name in ("one", "few"):
        (folder / name).mkdir()
    yield (f"{len(mail):,} {kind} messages, "
           f"{sum(len(wire(m)) for m in mail):,} B, beside one ustar stream "
           "of the same by gzip -6")
    yield told("one visit", *size_in_one(folder / "one", mail))
    yield told(f"{-(-few // FEW)} visits of {FEW}",
               *size_by_few(folder / "few", mail[:few]))


WORKS = {"verify": verify, "append": append, "size": size}


def lacking():
    return [f"{tool} is not installed" for tool in ("gzip", "sha256sum", "tar")
            if shutil.which(tool) is None] + \
        [f"{BUILD / tool} (make bench builds it)"
         for tool in ("mailsled", "pop3d") if not (BUILD / tool).exists()]
