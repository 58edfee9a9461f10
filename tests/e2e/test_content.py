"""Is the text the one that was signed? Body hashes, held against those of
python3-dkim on mail that it signed."""
import base64
import functools
import hashlib
import itertools
import json
import random
import subprocess
import sys
from pathlib import Path

from harness import (Pop3d, Skip, Sled, fill_folder, message, untar, volumes,
                     wire)
from test_fetch_mail import report

PEER = Path(__file__).with_name("dkim_peer.py")
KEEP = {"delete": "never"}
BODIES = {
    "none": b"",
    "ends": b"\r\n\r\n\r\n",
    "blanks": b" \t\r\n\t\r\n",
    "text": b"Hello.\r\n\r\n  two  words\tmore\r\n",
    "trailing": b"a \t \r\nb  c \r\n \r\n\r\n\r\n",
    "dots": b".\r\n..\r\n.a\r\n\r\n.\r\n",
}
# What becomes of a body on its way, and whether BODIES["text"] is what was
# signed then.
CHANGES = {
    "nothing": (lambda b: b, lambda form, length: True),
    "blank lines": (lambda b: b + b"\r\n\r\n", lambda form, length: True),
    "footer": (lambda b: b + b"-- \r\nlist\r\n",
               lambda form, length: length),
    "blanks": (lambda b: b.replace(b"o w", b"o \tw").replace(
        b"\r\n", b" \r\n"), lambda form, length: form == "relaxed"),
    "other text": (lambda b: b"x" + b, lambda form, length: False),
}


@functools.cache
def python():
    for name in (sys.executable, "/usr/bin/python3"):
        found = Path(name).exists() and subprocess.run(
            [name, "-c", "import dkim"], capture_output=True)
        if found and found.returncode == 0:
            return name
    raise Skip("python3-dkim is not installed")


def has_ed25519():
    return subprocess.run([python(), "-c", "import nacl.signing"],
                          capture_output=True).returncode == 0


def ask(verb, given):
    done = subprocess.run([python(), str(PEER), verb], text=True,
                          input=json.dumps(given), capture_output=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def plain(mail):
    return base64.b64encode(mail).decode()


def judged(mails):
    return ask("judge", [plain(mail) for mail in mails])


def made(verb, cases):
    return [base64.b64decode(mail) for mail in
            ask(verb, [[plain(mail), *rest] for mail, *rest in cases])]


def numbered(number, body):
    return wire(message(number, "", subject=f"s{number}")) + body


def fetched(sled, mails):
    """{SHA-256: body_hash} of all that was stored, and what tar reads."""
    row = report(sled.fetch())
    assert row["fetched"] == len(mails), row
    rows = {r["sha256"]: r["body_hash"] for r in sled.list()}
    stored = list(untar(sled.path, sled.dir / "out").values())
    assert len(stored) == len(mails)
    return rows, stored


def digest(mail):
    return hashlib.sha256(mail).hexdigest()


def agree(sled, mails):
    """Is what mailsled says of each stored message what python3-dkim says?"""
    rows, stored = fetched(sled, mails)
    for mail, outcome in zip(stored, judged(stored), strict=True):
        assert rows[digest(mail)] == outcome, (rows[digest(mail)], outcome,
                                               mail)
    return rows


def altered(mail, change):
    head, mark, body = mail.partition(b"\r\n\r\n")
    return wire(head + mark + CHANGES[change][0](body))


def test_signed_mail_is_told_from_altered_mail(tmp):
    algorithms = ["rsa-sha256"] + ["ed25519-sha256"] * has_ed25519()
    cases = list(itertools.product(BODIES, ("simple", "relaxed"),
                                   (False, True), CHANGES, algorithms))
    heads = itertools.cycle(("simple", "relaxed"))
    signed = made("sign", [[numbered(i, BODIES[case[0]]), next(heads),
                            case[1], case[2], case[4]]
                           for i, case in enumerate(cases)])
    mails = [altered(mail, case[3])
             for mail, case in zip(signed, cases, strict=True)]
    with Pop3d(tmp, folder=fill_folder(tmp / "mail", mails)) as server:
        rows = agree(Sled(tmp, {"home": server}, account=KEEP), mails)
    for (body, form, length, change, _), mail in zip(cases, mails):
        holds = rows[digest(mail)] == "holds"
        if change == "nothing":
            assert holds, mail
        if body == "text":
            assert holds == CHANGES[change][1](form, length), mail


def random_body(chance):
    parts = (b" ", b"\t", b"\r\n", b"a", b"b c", b"\r\n\r\n", b".", b" \r\n",
             b"\xff", b"long " * 50)
    return b"".join(chance.choices(parts, k=chance.randrange(40)))


def test_any_body_has_the_hash_that_python_dkim_gives_it(tmp):
    chance = random.Random(6376)
    cases = []
    for i in range(600):
        octets = chance.choice((None, None, 0, 1, 2, chance.randrange(300)))
        body = random_body(chance)
        if not body.endswith(b"\r\n"):
            body += b"\r\n"
        cases.append([numbered(i, body),
                      chance.choice(("simple", "relaxed")), octets])
    mails = made("craft", cases)
    with Pop3d(tmp, folder=fill_folder(tmp / "mail", mails)) as server:
        rows = agree(Sled(tmp, {"home": server}, account=KEEP), mails)
    assert set(rows.values()) == {"holds"}, rows


def hashed(body, length=""):
    bh = base64.b64encode(hashlib.sha256(body).digest()).decode()
    return (f"DKIM-Signature: v=1; a=rsa-sha256; d=signer.example; s=k;\r\n"
            f" c=relaxed/relaxed; h=From; b=AAAA;{length} bh={bh}\r\n"
            ).encode()


def four():
    """A message of each outcome, by it."""
    return {
        "holds": hashed(b"one\r\n") + numbered(1, b"one \r\n\r\n"),
        "other": hashed(b"two\r\n") + numbered(2, b"two\r\nfooter\r\n"),
        "unknown": b"DKIM-Signature: v=9\r\n" + numbered(3, b"three\r\n"),
        "none": numbered(4, b"four\r\n"),
    }


def outcomes(sled, mails):
    rows = {r["sha256"]: r["body_hash"] for r in sled.list()}
    return {name: rows[digest(mail)] for name, mail in mails.items()}


def content(sled, *args):
    done = sled.run("--json", "verify", "--content", *args)
    *named, sums = [json.loads(line) for line in done.out.splitlines()]
    return done.status, [row for row in named if "signed_by" in row], sums


def serve_four(tmp):
    server = Pop3d(tmp, folder=fill_folder(tmp / "mail", four()))
    return server, Sled(tmp, {"home": server}, account=KEEP)


def test_what_was_found_is_shown_and_is_no_fault(tmp):
    server, sled = serve_four(tmp)
    with server:
        report(sled.fetch())
    mails = four()
    assert outcomes(sled, mails) == {name: name for name in mails}
    shown = {"holds": "Body hash: as signed", "unknown": "Body hash: unknown",
             "other": "Body hash: not as signed"}
    for name, mail in mails.items():
        text = sled.run("show", digest(mail)[:12]).out
        lines = [x for x in text.splitlines() if "Body hash" in x]
        assert len(lines) == (name != "none"), text
        assert not lines or lines[0].startswith(shown[name]), text
        raw = sled.run("show", "--raw", digest(mail)[:12]).out
        assert raw.encode() == mail.replace(b"\r\n", b"\n"), raw
    status, named, sums = content(sled)
    assert status == 0
    assert [row["sha256"] for row in named] == [digest(mails["other"])]
    assert named[0]["signed_by"] == "signer.example", named
    assert named[0]["body_hash"] == "other", named
    assert [sums[k] for k in mails] == [1, 1, 1, 1], sums
    done = sled.run("verify", "--content")
    assert done.status == 0, done
    line, = [x for x in done.out.splitlines() if "signer.example" in x]
    assert line.startswith(digest(mails["other"])[:12]), line
    assert "1 as signed, 1 not, 1 cannot be judged, 1 without" in done.out


def test_a_ledger_made_anew_knows_it_again(tmp):
    server, sled = serve_four(tmp)
    with server:
        report(sled.fetch())
    (sled.path / ".mailsled/ledger.db").unlink()
    assert sled.run("rebuild").status == 0
    mails = four()
    assert outcomes(sled, mails) == {name: name for name in mails}


def damage(place):
    volume, = volumes(place)
    data = bytearray(volume.read_bytes())
    data[len(data) // 2] ^= 0x20
    volume.write_bytes(data)


def test_a_copy_is_read_where_a_place_is_damaged(tmp):
    server, sled = serve_four(tmp)
    with server:
        report(sled.fetch())
    damage(sled.path)
    status, named, sums = content(sled)
    assert (status, len(named)) == (65, 1), (status, named, sums)
    assert [sums[k] for k in four()] == [1, 1, 1, 1], sums
    assert (sums["damaged"], sums["unread_members"]) == (1, 0), sums
    damage(sled.copies[0])
    status, named, sums = content(sled)
    assert (status, len(named)) == (65, 0), (status, named, sums)
    assert (sums["damaged"], sums["unread_members"]) == (2, 1), sums
