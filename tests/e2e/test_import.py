"""The past moves in: Maildir, mbox and files of other programs, exact, once,
whatever cuts it off."""
import calendar
import collections
import email.utils
import mailbox
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

from harness import (Pop3d, Sled, Skip, check_receipts, fill_folder, message,
                     odd_messages, only_slow, same_mail, slow, untar, volumes,
                     wait_for, wire)
from test_restore import emls, numbered, snapshot

CORPUS = Path(os.environ.get("MAIL_CORPUS", "/nonexistent"))


def sled_without_server(tmp, **keys):
    return Sled(tmp, {}, **keys)


def bring(sled, *args, account="past"):
    return sled.run("--json", "import", *args, "--account", account)


def maildir(path, messages, **folders):
    """By Python's own module, which other programs agree with."""
    box = mailbox.Maildir(path)
    for m in messages:
        box.add(m)
    for name, inner in folders.items():
        below = box.add_folder(name)
        for m in inner:
            below.add(m)
    return Path(path)


def mbox(path, messages):
    box = mailbox.mbox(path)
    for m in messages:
        box.add(mailbox.mboxMessage(m))
    box.flush()
    box.close()
    return Path(path)


def stored(sled, tmp, name="tar"):
    got = untar(sled.copies[0], tmp / name)
    assert check_receipts(sled.copies[0], tmp / name) == len(got)
    return got


def test_a_maildir_comes_whole_with_its_subfolders(tmp):
    inbox, sent = list(odd_messages().values()), numbered(20)
    source = maildir(tmp / "M", inbox, Sent=sent)
    flagged = next((source / "new").iterdir())
    flagged.rename(source / "cur" / (flagged.name + ":2,RS"))
    before = snapshot(source)
    sled = sled_without_server(tmp)
    done = bring(sled, source)
    assert done.status == 0 and "no [account" in done.err, done
    assert [o["kind"] for o in done.json if "event" in o] == ["maildir"] * 2
    assert done.json[-1]["added"] == 30, done
    same_mail(stored(sled, tmp), [wire(m) for m in inbox + sent])
    assert snapshot(source) == before
    again = bring(sled, source)
    assert again.status == 0 and again.json[-1]["added"] == 0, again
    assert again.json[-1]["present"] == 30, again
    assert sled.run("verify", "--deep").status == 0
    flat = sled_without_server(tmp, name="flat")
    assert bring(flat, source, "--no-subfolders").json[-1]["added"] == 10


def test_an_mbox_comes_back_as_it_went_in(tmp):
    odd = odd_messages()
    bodies = ["From me to you\n\n>From quoted\n", "\nFrom \n\n", "no end",
              ">>From twice\n", "From x Mon Nov  2 08:00:00 2026\n",
              "\n\n\n", "a\n\nFrom here on it goes\n"]
    mails = [*odd.values(), *(message(100 + i, b)
                              for i, b in enumerate(bodies))]
    first = sled_without_server(tmp, name="first")
    assert bring(first, maildir(tmp / "M", mails)).status == 0
    assert first.run("export", "--to", tmp / "out", "--format",
                     "mbox").status == 0
    second = sled_without_server(tmp, name="second")
    done = bring(second, tmp / "out/past.mbox")
    assert done.status == 0, done
    # A lone CR at a line's end is what an mbox with LF lines cannot tell.
    same_mail(stored(second, tmp), stored(first, tmp, "tar1"))
    assert sorted((r["sha256"], r["received"]) for r in second.list()) == \
        sorted((r["sha256"], r["received"]) for r in first.list())


def test_an_mbox_of_python(tmp):
    mails = numbered(50) + [message(90, "From here\n>From there\n")]
    sled = sled_without_server(tmp)
    done = bring(sled, mbox(tmp / "box", mails), "--mboxo")
    assert done.status == 0 and done.json[-1]["added"] == 51, done
    expected = [wire(m) for m in numbered(50)]
    # ">From there" and "From here" look the same in an mboxo file.
    expected.append(wire(message(90, "From here\nFrom there\n")))
    same_mail(stored(sled, tmp), expected)


def test_messages_of_an_mbox_without_an_empty_line_between(tmp):
    """As other readers tell them, by a date and a header."""
    line = b"From a@b Sat Jan  3 01:05:34 1998\n"
    text = message(2, b"I quote:\n" + line + b"and no more.\n"
                   b"From here on\nSubject: text\n" + line)
    long = message(3, b"x" * 70000 + b"\n" + b"y" * 1500 + b"\n")
    mails = [message(1), text, long, message(4, "a\n\n\n"), message(5)]
    box = b"".join(line + m for m in mails[:4]) + b"\n" + line + mails[4]
    for name, data in (("lf", box), ("crlf", wire(box))):
        (tmp / name).write_bytes(data)
        sled = sled_without_server(tmp, name=f"s-{name}")
        done = bring(sled, tmp / name)
        assert done.status == 0 and done.json[-1]["added"] == 5, done
        # The last empty line of a message without one is part of it.
        same_mail(stored(sled, tmp, f"t-{name}"), [
            wire(m) for m in (*mails[:3], message(4, "a\n\n\n"), mails[4])])


def test_files_in_folders_and_one_by_one(tmp):
    folder = tmp / "letters"
    fill_folder(folder / "deep/er", numbered(5))
    (folder / "crlf.eml").write_bytes(wire(message(50)))
    (folder / "lf-from.eml").write_bytes(b"From here\n" + message(51))
    (folder / "7").write_bytes(message(52))  # as MH has it
    (folder / "note.txt").write_text("no mail\n")
    (folder / "empty.eml").touch()
    maildir(folder / "box", numbered(3))
    mbox(folder / "old", [message(60), message(61)])
    lone = tmp / "lone"
    lone.write_bytes(message(70))
    sled = sled_without_server(tmp)
    done = bring(sled, folder, lone)
    assert done.status == 0, done
    assert done.json[-1]["passed"] == 2, done
    same_mail(stored(sled, tmp), [
        *map(wire, numbered(5)), *map(wire, numbered(3)),
        wire(message(50)), b"From here\r\n" + wire(message(51)),
        *(wire(message(i)) for i in (52, 60, 61, 70))])


def test_equal_bytes_twice_are_two_messages_and_no_more(tmp):
    source = maildir(tmp / "M", [message(1), message(1), message(2)])
    sled = sled_without_server(tmp)
    for added in (3, 0):
        assert bring(sled, source).json[-1]["added"] == added
    (source / "new" / "1790000000.x").write_bytes(message(1))
    assert bring(sled, source).json[-1]["added"] == 1
    shutil.copytree(source, tmp / "M2")
    assert bring(sled, source, tmp / "M2").json[-1]["added"] == 4
    uidls = collections.Counter(r["uidl"] for r in sled.list())
    assert len(uidls) == 8 and all(u.startswith("import-") for u in uidls)


def test_when_it_was_received(tmp):
    source = maildir(tmp / "M", [])
    head = b"Subject: x%d\n"
    received = (b"Received: from a by b; (x) Tue, 3 Mar 2009\n"
                b"\t10:00:00 +0200 (CEST)\nReceived: from c; Mon, 2 Mar 2009"
                b" 01:00:00 +0000\n")
    future = b"Received: from a; Fri, 1 Jan 2100 00:00:00 +0000\n"
    date = b"Date: Sun, 1 Mar 2009 06:00:00 +0000\n"
    cases = {
        "1234567890.M1.x": (head % 1, "2009-02-13T23:31:30Z"),
        "99.M1.x": (received + date + head % 2, "2009-03-03T08:00:00Z"),
        "a": (head % 3 + date, "2009-03-01T06:00:00Z"),
        "b": (head % 4, "2011-11-11T11:11:11Z"),
        "c": (future + date + head % 5, "2009-03-01T06:00:00Z"),
        "4000000000.M1.x": (head % 6 + date, "2009-03-01T06:00:00Z"),
    }
    for name, (text, _) in cases.items():
        path = source / "cur" / name
        path.write_bytes(text + b"\nbody\n")
        when = calendar.timegm((2011, 11, 11, 11, 11, 11))
        os.utime(path, (when, when))
    (tmp / "box").write_bytes(
        b"From a@b Sat Jan  3 01:05:34 1998\nSubject: x7\n\none\n\n"
        b"From - Wed Feb 04 09:30 1998 +0100\nSubject: x8\n\ntwo\n\n"
        b"From c d Wed Feb 04 09:30:01 EST 1998\nSubject: x9\n\n3\n")
    sled = sled_without_server(tmp)
    assert bring(sled, source, tmp / "box").status == 0
    got = {r["subject"]: r["received"] for r in sled.list()}
    assert got == {
        **{f"x{i}": case[1] for i, case in enumerate(cases.values(), 1)},
        "x7": "1998-01-03T01:05:34Z", "x8": "1998-02-04T08:30:00Z",
        "x9": "1998-02-04T09:30:01Z"}, got


def test_a_server_never_hears_of_imported_mail(tmp):
    mails = numbered(10)
    with Pop3d(tmp, folder=fill_folder(tmp / "mail", mails)) as server:
        sled = Sled(tmp, {"home": server})
        source = maildir(tmp / "M", [*mails[:3], *numbered(7)])
        assert bring(sled, source, account="home").status == 0
        assert {r["on_server"] for r in sled.list()} == {False}
        done = sled.fetch()
        assert done.status == 0, done
        assert done.reports[-1]["listed"] == 10
        assert server.retrs() == 10 and server.deles() == 10
        rows = sled.list("home")
        assert len(rows) == 20, len(rows)
        # What was fetched counts: the same bytes are not imported again.
        assert bring(sled, maildir(tmp / "N", mails),
                     account="home").json[-1]["added"] == 0
        assert sled.fetch().status == 0
        assert server.deles() == 10
        before = sled.list()
        assert sled.run("rebuild").status == 0
        after = sled.list()

        def of(rows):
            return [{k: v for k, v in r.items() if k != "on_server" or
                     r["uidl"].startswith("import-")} for r in rows]
        assert of(after) == of(before)
        assert sled.fetch().status == 0 and server.deles() == 10
        status = sled.run("status")
        assert status.status == 0, status


def test_what_cannot_be_read_is_named_and_the_rest_comes(tmp):
    source = maildir(tmp / "M", numbered(5))
    os.symlink(source, source / ".Loop")
    os.symlink(source / "cur", source / "cur" / "link")
    os.mkfifo(source / "cur" / "pipe")
    sled = sled_without_server(tmp)
    done = bring(sled, source, "-v")
    assert done.status == 0 and done.json[-1]["added"] == 5, done
    assert "links are not followed" in done.err, done
    for path, status in ((tmp / "none", 66), (tmp, 0), ("/dev/null", 66)):
        done = bring(sled, path)
        assert done.status == status, done
        assert status == 0 or str(path) in done.err, done
    os.mkfifo(tmp / "pipe\x1b")
    done = bring(sled, tmp / "pipe\x1b")
    assert done.status == 66 and f"{tmp}/pipe\\x1b: " in done.err, done
    assert "try: name a Maildir" in done.err, done
    (tmp / "void/sub").mkdir(parents=True)
    done = bring(sled, tmp / "void")
    assert done.status == 66 and "no mail is there" in done.err, done
    for own in (sled.path, sled.copies[0] / "past", sled.path / ".mailsled"):
        done = bring(sled, own)
        assert done.status == 64 and "restore" in done.err, done
    for label in ("", "Home", "a b", "../x", "journal", "x" * 25, ".a"):
        assert bring(sled, source, account=label).status == 64, label
    assert sled.run("import", source).status == 64


def test_a_file_that_may_not_be_read(tmp):
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        raise Skip("needs root and setpriv")
    source = maildir(tmp / "M", numbered(3))
    next((source / "new").iterdir()).chmod(0)
    sled = sled_without_server(tmp)
    sled.dir.chmod(0o777)
    for path in [sled.config, source, *source.rglob("*")]:
        shutil.chown(path, 65534)
    argv = ["setpriv", "--reuid=65534", "--clear-groups",
            *sled.argv("import", source, "--account", "past")]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 66, done
    assert "Permission denied" in done.stderr
    assert "2 messages" in done.stdout, done.stdout
    # Another user's store tells whose it is to be used by.
    for words in (["status"], ["import", source, "--account", "past"]):
        shutil.chown(sled.path / ".mailsled", 0)
        done = subprocess.run([*argv[:3], *sled.argv(*words)], text=True,
                              capture_output=True)
        assert done.returncode in (73, 78), done
        assert "try: run it as the user whose store that is" in done.stderr


def spools(sled):
    return list((sled.path / ".mailsled").rglob("*.spool"))


def check_after_kills(sled, tmp, mails, source):
    done = bring(sled, source)
    assert done.status == 0, done
    same_mail(stored(sled, tmp), [wire(m) for m in mails])
    assert len(sled.list()) == len(mails)
    assert not spools(sled)
    before = sled.list()
    assert bring(sled, source).json[-1]["added"] == 0
    assert sled.list() == before
    assert sled.run("verify", "--deep").status == 0


def test_killed_at_random_moments_it_goes_on(tmp):
    mails = [*numbered(2500 if slow() else 400, 4000), message(1), message(1)]
    source = maildir(tmp / "M", mails)
    (tmp / "whole").mkdir()
    whole = sled_without_server(tmp / "whole", store={"rotate": "512KiB"})
    begun = time.monotonic()
    bring(whole, source)
    share = (time.monotonic() - begun) / (40 if slow() else 8)
    sled = sled_without_server(tmp, store={"rotate": "512KiB"})
    chance, kills = random.Random(8), 0
    for i in range(60 if slow() else 12):
        process = sled.popen("import", source, "--account", "past")
        try:
            process.wait(chance.uniform(0, share))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
    assert kills > 3, kills
    print(f"{kills} kills")
    check_after_kills(sled, tmp, mails, source)


def test_the_corpus_and_a_large_one(tmp):
    if not CORPUS.is_dir():
        raise Skip("MAIL_CORPUS is not set")
    files = sorted(p for p in CORPUS.rglob("*") if p.is_file())
    mails = [p.read_bytes() for p in files]
    folder = tmp / "all"
    fill_folder(folder, mails)
    sled = sled_without_server(tmp)
    done = bring(sled, folder)
    assert done.status == 0 and done.json[-1]["added"] == len(mails), done
    same_mail(stored(sled, tmp), [wire(m) for m in mails])
    assert bring(sled, maildir(tmp / "M", mails)).json[-1]["added"] == 0
    assert sled.run("export", "--to", tmp / "out", "--format", "eml").status \
        == 0
    fresh = sled_without_server(tmp, name="fresh")
    assert bring(fresh, tmp / "out").json[-1]["added"] == len(mails)
    same_mail(stored(fresh, tmp, "tar2"), emls(tmp / "out"))


def peak(sled, *args):
    """The most memory that it had, in KiB."""
    process = subprocess.Popen(
        ["/usr/bin/env", "python3", "-c",
         "import resource,subprocess,sys\n"
         "s=subprocess.run(sys.argv[1:],stdout=subprocess.DEVNULL)\n"
         "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
         "sys.exit(s.returncode)", *sled.argv(*args)],
        stdout=subprocess.PIPE, text=True)
    out = process.communicate()[0]
    assert process.returncode == 0, process.returncode
    return int(out)


def test_memory_is_flat(tmp):
    sled = sled_without_server(tmp)
    small = peak(sled, "import", maildir(tmp / "M", numbered(20)),
                 "--account", "a")
    with open(tmp / "large.eml", "wb") as f:
        f.write(b"Subject: large\n\n")
        line = random.Random(1).randbytes(30).hex().encode() + b"\n"
        f.write(line * ((100 << 20) // len(line) if slow() else 400000))
    large = peak(sled, "import", tmp / "large.eml", "--account", "b")
    with open(tmp / "many.mbox", "wb") as f:
        count = 100000 if slow() else 8000
        for i in range(count):
            f.write(b"From a@b Sat Jan  3 01:05:34 1998\n"
                    b"Subject: m%d\n\nbody %d\n\n" % (i, i))
    many = peak(sled, "import", tmp / "many.mbox", "--account", "c")
    print(f"20 messages: {small} KiB; one large: {large}; many: {many}")
    assert large < small + 4096, (small, large)
    # What tells one message from another, and SQLite's pages.
    assert many < small + 4096 + count * 64 // 1024, (small, many)


test_memory_is_flat.timeout = 600
test_killed_at_random_moments_it_goes_on.timeout = 600


def test_a_full_disk_leaves_the_rest_for_later(tmp):
    if os.geteuid() != 0:
        raise Skip("needs root to mount a tmpfs")
    disk = tmp / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "none", disk],
                   check=True)
    try:
        mails = numbered(600, 6000)
        sled = Sled(tmp, {}, copies=0, store={"path": disk / "store",
                                              "min-copies": 1})
        (disk / "fill").write_bytes(b"x" * (2 << 20))
        source = maildir(tmp / "M", mails)
        done = bring(sled, source)
        sums = done.json[-1]
        assert done.status == 73 == sums["exit"], done
        assert "no room" in sums["error"] and "try: make room" in done.err, done
        assert 0 < sums["added"] + sums["waiting"] < 600, done
        assert sums["added"] == len(sled.list()), done
        shown = sled.run("import", source, "--account", "past")
        assert shown.status == 73, shown
        assert re.search(r"(?m)^imported into past: .*; NOT FINISHED$",
                         shown.out), shown
        (disk / "fill").unlink()
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        done = bring(sled, source)
        assert done.status == 0, done
        assert done.json[-1]["added"] + done.json[-1]["present"] == 600, done
        same_mail(untar(disk / "store", tmp / "tar"), [wire(m) for m in mails])
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_copy_that_is_away_is_said(tmp):
    sled = sled_without_server(tmp, copies=2)
    assert bring(sled, maildir(tmp / "M", numbered(3))).status == 0
    shutil.move(sled.copies[0], tmp / "away")
    sled.copies[0].mkdir()
    (sled.copies[0] / "other").touch()
    assert bring(sled, maildir(tmp / "N", numbered(4))).status == 0
    shutil.move(sled.copies[1], tmp / "away2")
    sled.copies[1].mkdir()
    (sled.copies[1] / "other").touch()
    done = bring(sled, maildir(tmp / "O", numbered(5)))
    assert done.status == 73 and "keep the old mailbox" in done.err, done
    assert done.json[-1]["added"] == 5 == done.json[-1]["unsafe"], done
    # It is there by now, and in too few places as before.
    again = bring(sled, tmp / "O")
    assert again.json[-1]["present"] == 5, again
    assert again.status == 73 and "keep the old mailbox" in again.err, again
    shutil.rmtree(sled.copies[1])
    shutil.move(tmp / "away2", sled.copies[1])
    assert bring(sled, tmp / "O").status == 0


def test_damage_that_the_store_has_is_told_with_the_sums(tmp):
    sled = sled_without_server(tmp)
    assert bring(sled, maildir(tmp / "M", numbered(30))).status == 0
    for place in sled.places:
        (volume,) = volumes(place)
        os.truncate(volume, volume.stat().st_size - 100)
    done = bring(sled, maildir(tmp / "N", [message(900)]))
    assert done.status == 65 == done.json[-1]["exit"], done
    assert done.json[-1]["added"] == 1, done


def test_a_file_that_cannot_be_read_ends_nothing(tmp):
    sled = sled_without_server(tmp)
    done = bring(sled, "/proc/self/mem", maildir(tmp / "M", numbered(3)))
    assert done.status == 74 and "/proc/self/mem: " in done.err, done
    assert done.json[-1]["added"] == 3 and done.json[-1]["failed"] == 1, done


def test_folders_between_maildirs_are_gone_through(tmp):
    """As KMail and Dovecot's LAYOUT=fs have them."""
    source = maildir(tmp / "M", [message(1)])
    (source / ".inbox.directory").mkdir()
    (source / "Archive/2009").mkdir(parents=True)
    maildir(source / ".inbox.directory/sub", [message(2)])
    maildir(source / "Archive/2009/Work", [message(3)])
    mbox(source / "Archive/box", [message(4)])
    sled = sled_without_server(tmp)
    done = bring(sled, source)
    assert done.status == 0 and done.json[-1]["added"] == 4, done
    flat = sled_without_server(tmp, name="flat")
    assert bring(flat, source, "--no-subfolders").json[-1]["added"] == 1


def test_what_is_no_mail_does_not_come(tmp):
    """A shell's * brings more than mail."""
    (tmp / "in").mkdir()
    mbox(tmp / "in/Inbox", [message(1)])
    (tmp / "in/Inbox.msf").write_text("// <!-- <mdb:mork:z v=\"1.4\"/> -->\n")
    (tmp / "in/photo.jpg").write_bytes(bytes(range(256)) * 40)
    (tmp / "in/Drafts").touch()
    (tmp / "in/plain").write_bytes(wire(message(2)))
    sled = sled_without_server(tmp)
    done = bring(sled, *sorted((tmp / "in").iterdir()), "-v")
    assert done.status == 66 and done.json[-1]["added"] == 2, done
    for name in ("Inbox.msf", "photo.jpg"):
        assert f"in/{name}: no mail is there" in done.err, done
    assert "Drafts" not in done.err, done
    same_mail(stored(sled, tmp), [wire(message(1)), wire(message(2))])


def test_no_mail_comes_twice_by_paths_that_share_it(tmp):
    source = maildir(tmp / "M", [message(1)], Sent=[message(2)])
    mbox(tmp / "in", [message(3)])
    os.symlink(source, tmp / "L")
    sled = sled_without_server(tmp)
    for paths in ((source, source), (source, tmp / "L"), (tmp, tmp / "in"),
                  (source / ".Sent", tmp / "in", source)):
        done = bring(sled, *paths)
        assert done.status == 64, done
        assert "named twice" in done.err or "named too" in done.err, done
    done = bring(sled, source, tmp / "in")
    assert done.status == 0 and done.json[-1]["added"] == 3, done


def test_any_message_survives_an_mboxrd(tmp):
    chance = random.Random(4155)
    parts = (b"From ", b">From x\n", b"\n", b"\n\n", b"a", b" b\n", b"\r",
             b"From a@b Sat Jan  3 01:05:34 1998\n", b">", b"\xff",
             b"y" * 65530, b"z" * 1020, b"x" * 500 + b"\n")
    mails, box = [], b""
    for i in range(300):
        body = b"".join(chance.choices(parts, [9, 9, 9, 9, 9, 9, 3, 9, 9, 3,
                                               1, 3, 3],
                                       k=chance.randrange(40)))
        # What ends in a CR has no line end of its own that LF lines can tell.
        body = re.sub(rb"\r(?=\n|$)", b"", body)
        mail = message(i, body)
        mail += b"" if mail.endswith(b"\n") else b"\n"
        mails.append(mail)
        box += (b"From a@b Sat Jan  3 01:05:34 1998\n" +
                re.sub(rb"(?m)^(>*From )", rb">\1", mail) + b"\n")
    (tmp / "lf").write_bytes(box)
    (tmp / "crlf").write_bytes(re.sub(rb"(?<!\r)\n", b"\r\n", box))
    for name in ("lf", "crlf"):
        sled = sled_without_server(tmp, name=f"s-{name}")
        done = bring(sled, tmp / name)
        assert done.status == 0 and done.json[-1]["added"] == 300, done
        same_mail(stored(sled, tmp, f"t-{name}"), [wire(m) for m in mails])
