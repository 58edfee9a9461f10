"""Mail is found, read and taken out, offline: whatever its senders made of it."""
import email
import email.policy
import hashlib
import json
import os
import pty
import random
import re
import select
import signal
import sqlite3
import subprocess
import time

from harness import (BUILD, Pop3d, Skip, Sled, fill_folder, slow, untar,
                     wire)
from lying import MIB, measured
from test_fetch_mail import corpus

KEEP = {"delete": "never"}
BAD_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f"
                      "\u2028-\u202e\u2066-\u2069]")


def needs_reader():
    if not (BUILD / "mailsled-reader").exists():
        raise Skip("built without the reading side")


def fetched(tmp, mail, name="sled", bare=False):
    """A store that holds MAIL, and nothing of a server any more."""
    if not bare:
        needs_reader()
    folder = fill_folder(tmp / f"in-{name}", mail)
    with Pop3d(tmp, folder=folder, name=f"pop3d-{name}") as server:
        sled = Sled(tmp, {"home": server}, copies=0, account=KEEP, name=name)
        assert sled.fetch().status == 0
    return sled


def letter(subject="s", sender="Ada <ada@example.org>", body="text\n", head="",
           number=1):
    return (f"From: {sender}\nTo: bo@example.net\nSubject: {subject}\n"
            f"Message-ID: <m{number}@example.org>\n{head}\n{body}").encode()


def found(sled, *words, **more):
    result = sled.run("--json", "search", *words, **more)
    assert result.status == 0, result
    return [row["subject"] for row in result.json if "event" not in row]


# ---- what Python's email package makes of it ----

def succeeded(text, defects):
    """Python understood all of it: nothing is left as it came."""
    return not defects and not re.search(
        "=\\?|\ufffd|[\ud800-\udfff\x00-\x1f\x7f]", text.replace("\t", " "))


def squeezed(text):
    return " ".join(text.split())


def python_subject(parsed):
    header = parsed["subject"]
    if header is None:
        return None
    return squeezed(str(header)) if succeeded(str(header),
                                              header.defects) else None


def people(header):
    return [(squeezed(a.display_name), a.addr_spec) for a in header.addresses]


def python_people(parsed):
    header = parsed["from"]
    if header is None or not succeeded(str(header), header.defects):
        return None
    listed = people(header)
    if not all(a[1] and "@" in a[1] and "<>" not in a[1] for a in listed):
        return None
    return listed or None


def parse(data):
    """Subject and sender; None for what Python fails on, or where bytes that
    no header may have leave it to guess."""
    raw = email.message_from_bytes(data)
    told = []
    for name, read in (("subject", python_subject), ("from", python_people)):
        try:
            plain = isinstance(raw[name], str) and raw[name].isascii()
            told.append(plain and read(email.message_from_bytes(
                data, policy=email.policy.default)) or None)
        except Exception:  # it fails on some, in many ways
            told.append(None)
    return told


def compare(sled, mail):
    """Each row of list against Python; how many subjects and senders were."""
    by_bytes = {}
    for row in sled.list():
        by_bytes.setdefault(row["sha256"], row)
    subjects = senders = 0
    for data in untar(sled.path, sled.dir / "untar").values():
        row = by_bytes[hashlib.sha256(data).hexdigest()]
        subject, sender = parse(data)
        if subject is not None:
            subjects += 1
            ours = squeezed(row["subject"])
            # The ledger keeps the beginning of an endless one.
            assert (ours == subject or len(ours) > 500 and
                    subject.startswith(ours)), (ours[:300], subject[:300])
        if sender is not None:
            senders += 1
            ours = people(email.policy.default.header_factory(
                "From", row["from"]))
            assert [a[1] for a in ours] == [a[1] for a in sender], row
            # "ada@example.org (Ada)": Python sees no name in the comment.
            for mine, his in zip(ours, sender):
                assert mine[0] == his[0] or not his[0], (row["from"], sender)
    return subjects, senders


def show_all(sled, rows):
    for row in rows:
        shown = sled.run("show", f"home/{row['number']}")
        assert shown.status == 0, shown
        assert not BAD_TEXT.search(shown.out), (row, shown.out)


def test_real_mail_is_decoded_as_python_does(tmp):
    mail = corpus()
    sled = fetched(tmp, mail)
    subjects, senders = compare(sled, mail)
    print(f"# {subjects} subjects, {senders} senders of {len(mail)}")
    assert subjects > len(mail) * 0.8 and senders > len(mail) * 0.7
    show_all(sled, sled.list()[::1 if slow() else 12])


test_real_mail_is_decoded_as_python_does.timeout = 600


# ---- mail that is broken ----

def nested(dice):
    depth = dice.choice((3, 30, 300))
    return b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n"
                    % (i, i) for i in range(depth)) + b"\nat the bottom\n"


def broken_word(dice):
    return dice.choice((
        "=?utf-8?B?w6k?=", "=?utf-8?Q?=C3?= =?utf-8?Q?=A9?=", "=?x?y?z?=",
        "=?utf-8?B?" + "A" * 9000, "=?iso-2022-jp?B?GyRC?=", "=??Q?a?=",
        "=?utf-8?Q?=1B[2J=07?=", "=?utf-8?Q?a=0Ab?=", "\x00nul\x00",
        "=?utf-8?Q?=E2=80=AEgpj.exe?=", "x" * 30000, "\t", ""))


def cut(data, dice):
    return data[:dice.randrange(len(data))]


def flip(data, dice):
    data = bytearray(data)
    for _ in range(1 + len(data) // 50):
        data[dice.randrange(len(data))] = dice.randrange(256)
    return bytes(data)


def shuffled(data, dice):
    lines = data.split(b"\n")
    dice.shuffle(lines)
    return b"\n".join(lines)


def parted(dice):
    """A multipart whose parts lie about themselves."""
    kinds = ("text/plain; charset=utf-16", "text/html; charset=koi8-r", "text",
             "text/plain; charset=\"", "message/rfc822", "image/png; name=\"..",
             "multipart/alternative; boundary=inner", "application/x; a*0=b",
             "text/plain; charset=no-such; format=flowed", "")
    codes = ("base64", "quoted-printable", "uuencode", "x-mystery", "7bit", "")
    text = [f"Subject: {broken_word(dice)}\nFrom: {broken_word(dice)} <a@b.org"
            f"\nMIME-Version: 1.0\nContent-Type: multipart/"
            f"{dice.choice(('mixed', 'alternative', 'related', 'x'))};"
            f" boundary=\"{dice.choice(('q', '', 'q' * 90))}\"\n\n"]
    for _ in range(dice.randrange(1, 6)):
        text.append(f"--q{dice.choice(('', '--', ' '))}\n"
                    f"Content-Type: {dice.choice(kinds)}\n"
                    f"Content-Transfer-Encoding: {dice.choice(codes)}\n"
                    f"Content-Disposition: {dice.choice(('inline', 'attachment; filename=../x', ''))}"
                    "\n\n")
        text.append(dice.choice((
            "aGVsbG8", "=3D=\n=zz", "<html><b>\x1b[31m<table><td>" * 40,
            "begin 644 x\n#86)C\nend\n", "\x00\x01\x02", "> a \n>> b \n" * 9)))
    return "".join(text).encode("latin-1", "replace")


def malformed(count=200):
    """The same each time: COUNT messages that break the rules of mail."""
    dice = random.Random(7)
    base = [letter("=?utf-8?Q?caf=C3=A9?=", number=i,
                   body="one two three\n" * 20) for i in range(5)]
    makers = (lambda: cut(dice.choice(base), dice),
              lambda: flip(dice.choice(base), dice),
              lambda: shuffled(dice.choice(base), dice),
              lambda: parted(dice), lambda: parted(dice),
              lambda: cut(parted(dice), dice),
              lambda: flip(parted(dice), dice), lambda: nested(dice),
              lambda: letter(broken_word(dice), broken_word(dice)),
              lambda: bytes(dice.randrange(256) for _ in range(2000)))
    made = []
    while len(made) < count:
        data = makers[len(made) % len(makers)]()
        # Of its own, and not empty: the server's folder wants no more.
        made.append(data + b"\nmark %d\n" % len(made))
    return made


def test_malformed_mail_is_shown_all_the_same(tmp):
    mail = malformed()
    sled = fetched(tmp, mail)
    rows = sled.list()
    assert len(rows) == len(mail) == 200
    subjects, senders = compare(sled, mail)
    print(f"# {subjects} subjects, {senders} senders that Python understands")
    assert subjects > 20 and senders > 20
    show_all(sled, rows)
    # All of them are in the index.
    assert len(found(sled, "--limit", "0", "-nosuchword")) == len(mail)


test_malformed_mail_is_shown_all_the_same.timeout = 600


# ---- search ----

def test_search_finds_newest_first_and_says_what_is_wrong(tmp):
    mail = [letter(f"Pump {i}", number=i, body=f"word{i} naïve café\n",
                   head=f"Date: Mon, 0{i} Mar 2026 10:00:00 +0000\n"
                        "Content-Type: text/plain; charset=utf-8\n")
            for i in range(1, 6)]
    sled = fetched(tmp, mail)
    assert found(sled, "pump") == [f"Pump {i}" for i in (5, 4, 3, 2, 1)]
    assert found(sled, "--limit", "2", "cafe") == ["Pump 5", "Pump 4"]
    assert found(sled, "WORD3") == ["Pump 3"]
    assert found(sled, "before:2026-03-03", "pump") == ["Pump 2", "Pump 1"]
    assert found(sled, "pump", "-word5", "after:2026-03-04") == ["Pump 4"]
    nothing = sled.run("search", "nosuchword")
    assert nothing.status == 0 and not nothing.out
    assert "nothing was found" in nothing.err
    wrong = sled.run("search", "pump", "form:ada")
    assert wrong.status == 64 and "no such field" in wrong.err, wrong
    lines = wrong.err.splitlines()
    at = lines.index("  pump form:ada")
    assert lines[at + 1] == "       ^", lines
    assert sled.run("search").status == 64


def spoil_words(index):
    """Damage that is met by a question alone: the file's frame is whole."""
    with sqlite3.connect(index) as db:
        db.execute("UPDATE text_data SET block = X'FFFFFFFFFF'"
                   " WHERE id > 10")
    db.close()


def test_a_search_catches_up_and_outlives_its_index(tmp):
    sled = fetched(tmp, [letter("One", number=1)])
    index = sled.path / ".mailsled/index.db"
    assert index.exists(), "fetch leaves an index behind a visit"
    for damage in (index.unlink, lambda: index.write_bytes(b"rubbish" * 999),
                   lambda: spoil_words(index)):
        damage()
        assert found(sled, "one") == ["One"]
    result = sled.run("--json", "index", "--anew").json
    assert result[-1]["added"] == 1 and result[-1]["missing"] == 0


# ---- show, extract ----

EVIL = "\x1b]0;owned\x07 \u202egpj.exe\u2066"


def with_files(*names):
    parts = "".join(
        "--q\nContent-Type: application/octet-stream\n"
        f"Content-Disposition: attachment; filename=\"{name}\"\n"
        f"Content-Transfer-Encoding: base64\n\naGVsbG8g{i:02d}==\n"
        for i, name in enumerate(names))
    head = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=q\n"
    return letter("files", head=head, body="--q\n\nhello\n" + parts + "--q--\n")


def test_attachments_stay_in_their_folder(tmp):
    names = ("../../up.txt", "/etc/passwd", "a.txt", "a.txt", ".hidden", "CON",
             "b/../../c", "", "x" * 400 + ".pdf", "..", "a\\..\\d.exe")
    sled = fetched(tmp, [with_files(*names)])
    folder = tmp / "out"
    folder.mkdir()
    (folder / "a.txt").write_text("mine")
    (folder / "passwd").symlink_to(tmp / "victim")
    done = sled.run("--json", "extract", "home/1", "--to", folder)
    assert done.status == 0 and len(done.json) == len(names), done
    assert (folder / "a.txt").read_text() == "mine"
    assert not (tmp / "victim").exists()
    assert {p.name for p in tmp.iterdir()} == {
        "out", "sled", "in-sled", "pop3d-sled"}
    for row in done.json:
        path = os.path.realpath(row["file"])
        assert os.path.dirname(path) == str(folder.resolve()), row
        assert not os.path.basename(path).startswith("."), row
        assert os.path.getsize(path) == row["size"] > 0, row
    assert (folder / "a-2.txt").exists() and (folder / "a-3.txt").exists()
    one = sled.run("extract", "home/1", "1", "--to", folder)
    assert one.status == 0 and (folder / "part-1.txt").read_text() == "hello"
    assert sled.run("extract", "home/1", "99", "--to", folder).status == 66


def test_nothing_of_a_sender_reaches_the_terminal(tmp):
    body = f"text {EVIL} more\n"
    mail = [letter(EVIL, f"{EVIL} <a@example.org>", body, number=1,
                   head="Content-Type: text/plain; charset=utf-8\n"),
            letter("h", body=f"<p>{EVIL}<b>bold", number=2,
                   head="Content-Type: text/html; charset=utf-8\n"),
            with_files("evil\x1b[2J\u202e.txt")]
    sled = fetched(tmp, mail)
    for args in (("list",), ("search", "text"), ("show", "home/1"),
                 ("show", "home/2"), ("show", "home/3"),
                 ("show", "--thread", "home/1"), ("--json", "list"),
                 ("--json", "show", "home/1"),
                 ("extract", "home/3", "--to", tmp / "out")):
        done = sled.run(*args)
        assert done.status == 0 and done.out, done
        assert not BAD_TEXT.search(done.out + done.err), (args, done.out)
    assert not BAD_TEXT.search("".join(os.listdir(tmp / "out")))


def test_mail_that_is_made_to_end_the_reader_is_read_up_to_there(tmp):
    """It ended the index at each run, so that no later mail was found."""
    many = "Content-Type: multipart/mixed; boundary=x\n"
    mail = [letter("groups", "a:" * 300000, number=1),
            letter("parts", head=many, body="--x\n\n" * 500000, number=2),
            letter("headers", head="X: y\n" * 500000, number=3),
            letter("quotes", head="Content-Type: text/html\n", number=4,
                   body="<blockquote><ul>" * 60 + "a<br>" * 500000),
            letter("the last", number=5)]
    sled = fetched(tmp, mail)
    assert measured(sled, "index", memory=128 * MIB).status == 0
    subjects = sorted(found(sled, "from:ada"))
    assert subjects == ["headers", "parts", "quotes", "the last"], subjects
    number = {row["subject"]: row["number"] for row in sled.list()}
    for subject in number:
        shown = measured(sled, "show", f"home/{number[subject]}",
                         memory=96 * MIB)
        assert shown.status == 0 and ("cut here" in shown.out) == (
            subject != "the last"), (subject, shown.out[-200:], shown.err)
    done = sled.run("extract", f"home/{number['parts']}", "--to", tmp / "out")
    assert "more in it" in done.err and done.status == 66, done


def test_html_is_shown_as_text_and_given_whole(tmp):
    page = "<html><p>Hello <b>caf\xe9</b><script>bad()</script>"
    mail = [b"Subject: h\nContent-Type: text/html; charset=iso-8859-1\n\n" +
            page.encode("latin-1")]
    sled = fetched(tmp, mail)
    shown = sled.run("show", "home/1")
    assert "Hello café" in shown.out and "bad()" not in shown.out
    # Each line once, the empty ones too.
    plain = fetched(tmp, [letter(body="one\n\ntwo\n\n\nthree\n")], "plain")
    assert plain.run("show", "home/1").out.endswith(
        "\n\none\n\ntwo\n\n\nthree\n")
    assert page in sled.run("show", "--html", "home/1").out
    raw = subprocess.run(sled.argv("show", "--raw", "home/1"),
                         capture_output=True)
    assert raw.stdout == wire(mail[0])
    assert sled.run("show", "--html", "--raw", "home/1").status == 64
    assert sled.run("show", "nothing").status == 66


def test_html_made_safe_is_a_page_by_itself(tmp):
    html = ("<p onclick=x>Hello<img src='cid:a@b'><img src=http://p.example/i>"
            "<script>bad()</script><form action=//f.example></form>")
    mail = [b"Subject: h\nMIME-Version: 1.0\nContent-Type: multipart/related; "
            b"boundary=b\n\n--b\nContent-Type: text/html\n\n" +
            html.encode() + b"\n--b\nContent-Type: image/png\nContent-ID: "
            b"<a@b>\nContent-Transfer-Encoding: base64\n\nUE5H\n--b--\n"]
    sled = fetched(tmp, mail)
    page = sled.run("show", "--safe", "home/1")
    assert page.status == 0 and page.out.startswith("<!DOCTYPE html>"), page
    assert "<p>Hello<img src=\"data:image/png;base64,UE5H\">" in page.out, page
    assert "(picture at p.example)" in page.out
    # No name of a link is looked up before somebody follows it.
    assert 'http-equiv="x-dns-prefetch-control" content="off"' in page.out
    for word in ("bad()", "onclick", "<script", "<form", "f.example"):
        assert word not in page.out, word
    assert ("left out: remote pictures 1, scripts 2, forms 1, embedded "
            "objects 0" in page.err), page
    assert sled.run("-q", "show", "--safe", "home/1").err == ""
    for other in ("--html", "--raw", "--thread", "--json"):
        assert sled.run("show", "--safe", other, "home/1").status == 64
    plain = fetched(tmp, [letter()], "plain")
    assert plain.run("show", "--safe", "home/1").status == 66


def test_a_thread_is_all_that_refers_to_each_other(tmp):
    def answer(number, *refs):
        return letter(f"T{number}", number=number, head="References: " + " ".join(
            f"<m{r}@example.org>" for r in refs) + "\n")
    mail = [letter("T1", number=1), answer(2, 1), answer(3, 1, 2),
            answer(4, 1), letter("alone", number=9), answer(5, 77)]
    sled = fetched(tmp, mail)
    ids = {row["subject"]: row["id"] for row in sled.list()}
    rows = sled.run("--json", "show", "--thread", ids["T3"]).json
    assert [r["subject"] for r in rows] == ["T1", "T2", "T3", "T4"], rows
    text = sled.run("show", "--thread", ids["T3"]).out.splitlines()
    assert [len(line) - len(line[1:].lstrip()) for line in text[:4]] == [
        2, 4, 6, 4], text[:4]
    assert text[2].startswith(">")
    alone = sled.run("--json", "show", "--thread", ids["alone"]).json
    assert [r["subject"] for r in alone] == ["alone"]


def test_export_takes_a_query(tmp):
    mail = [letter(f"N{i}", f"P{i % 2} <p{i % 2}@x.org>", number=i)
            for i in range(6)]
    sled = fetched(tmp, mail)
    done = sled.run("--json", "export", "--to", tmp / "x", "--format", "eml",
                    "from:p1")
    assert done.json[-1]["exported"] == 3, done
    none = sled.run("--json", "export", "--to", tmp / "y", "--format", "eml",
                    "from:nobody")
    assert none.status == 0 and none.json[-1]["exported"] == 0, none
    wrong = sled.run("export", "--to", tmp / "z", "--format", "eml", "form:x")
    assert wrong.status == 64, wrong


# ---- the terminal, and the other program ----

def on_terminal(argv, columns, env):
    pid, fd = pty.fork()
    if pid == 0:
        import fcntl
        import struct
        import termios
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns,
                                                       0, 0))
        os.execve(argv[0], argv, {**os.environ, **env})
    out = b""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if select.select([fd], [], [], 1)[0]:
            try:
                data = os.read(fd, 65536)
            except OSError:
                break
            if not data:
                break
            out += data
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), out.decode()


def columns_of(line):
    import unicodedata
    return sum(0 if unicodedata.combining(c) or c in "\u200c\u200d" else
               2 if unicodedata.east_asian_width(c) in "WF" else 1
               for c in line)


def test_lines_fit_the_terminal(tmp):
    mail = [letter("\u9577\u3044\u984c\u540d" * 30, "\u592a\u90ce <t@x.org>",
                   number=1, head="Content-Type: text/plain; charset=utf-8\n",
                   body="long words " * 60 + "\n> quoted " * 30 + "\n"),
            letter("x" * 300, number=2),
            letter("no blank", body="x" * 200000 + "\n" + "\t" * 5000 + "\n",
                   number=3),
            letter("nothing but blanks", body="a b " * 50000 + "\n", number=4),
            letter("\u0645\u06cc\u200c\u062e\u0648 e\u0301" * 20, number=5,
                   body="\ufeff" + "\U0001f469\u200d\U0001f467 \u05e9\u05dc " * 60,
                   head="Content-Type: text/plain; charset=utf-8\n"),
            with_files("long name " * 30, "x" * 150)]
    sled = fetched(tmp, mail)
    for columns in (40, 60, 80, 200):
        for args in (["list"], ["search", "long"],
                     *(["show", f"home/{n}"] for n in range(1, 7))):
            status, out = on_terminal(sled.argv(*args), columns,
                                      {"PAGER": "cat", "NO_COLOR": "1",
                                       "TERM": "xterm"})
            assert status == 0, out
            lines = out.replace("\r\n", "\n").split("\n")
            body = [line for line in lines
                    if not line.startswith("mailsled")]
            widest = max(body, key=columns_of)
            assert columns_of(widest) <= columns, (columns, widest)
            assert "\x1b" not in out
            assert "\\u{" not in out, out
    # The caret stands below the mistake, whatever stands before it.
    for before in ("", "\u65e5\u672c\u8a9e ", "e\u0301 " * 9, "word " * 40,
                   "\u9577" * 90 + " "):
        status, out = on_terminal(sled.argv(
            "search", before + "form:x" + " tail" * 30), 60, {"TERM": "xterm"})
        told, caret = out.replace("\r\n", "\n").split("\n")[:2]
        assert status == 64 and columns_of(told) <= 60, out
        assert caret.strip() == "^", out
        assert columns_of(told[:told.index("form:x")]) == len(caret) - 1, out
    # Who leaves the pager, or takes a few lines only, has not failed.
    (row,) = [row for row in sled.list() if row["subject"] == "no blank"]
    status, out = on_terminal(sled.argv("show", row["id"]), 80,
                              {"PAGER": "head -n 1", "TERM": "xterm"})
    assert status == 0 and "output" not in out, out
    with subprocess.Popen(sled.argv("show", row["id"]), text=True,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        assert process.stdout.readline().startswith("From")
        process.stdout.close()
        assert "output" not in process.stderr.read()
    assert process.returncode == -signal.SIGPIPE, process.returncode
    _, coloured = on_terminal(sled.argv("list"), 80, {
        "PAGER": "cat", "TERM": "xterm", "NO_COLOR": ""})
    assert "\x1b[" in coloured
    _, paged = on_terminal(sled.argv("list"), 80, {"PAGER": "sed s/^/P:/",
                                                   "TERM": "xterm"})
    assert "\nP:" in paged.replace("\r", ""), paged


def test_a_visit_never_loads_what_decodes_mail(tmp):
    needs_reader()
    needed = subprocess.run(["ldd", str(BUILD / "mailsled")], text=True,
                            capture_output=True).stdout
    assert "libsqlite3" in needed
    assert not re.search("glib|gmime|gobject|libgio", needed), needed
    other = subprocess.run(["ldd", str(BUILD / "mailsled-reader")], text=True,
                           capture_output=True).stdout
    assert "libgmime" in other


def test_without_the_reader_mail_is_still_listed_and_shown(tmp):
    subject = "=?utf-8?Q?caf=C3=A9?="
    sled = fetched(tmp, [letter(subject, body="plain\n")], bare=True)
    alone = tmp / "alone"
    alone.mkdir()
    binary = alone / "bin"
    binary.write_bytes((BUILD / "mailsled").read_bytes())
    binary.chmod(0o755)

    def run(*args):
        return subprocess.run([str(binary), "-c", str(sled.config), *args],
                              capture_output=True, text=True)
    (row,) = [json.loads(line) for line in
              run("--json", "list").stdout.splitlines()]
    assert row["subject"] == subject
    shown = run("show", "home/1")
    assert shown.returncode == 0 and "plain" in shown.stdout
    assert subject in run("list").stdout
    for args in (("search", "x"), ("search", "--limit", "3", "x"),
                 ("extract", "home/1"), ("index",)):
        refused = run(*args)
        assert refused.returncode == 64, refused
        assert "mailsled-reader" in refused.stderr, refused
    assert run("help", "search").returncode == 0
