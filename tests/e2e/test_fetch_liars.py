"""[W4] Liars made by lot: some lies at once, by a seed, visit after visit; then
the server is honest. Each message is here, none was lost; in the end the
maildrop is empty; each visit is bounded, told, and has its status. A seed that
fails is played again by LIARS=SEED."""
import collections
import itertools
import os
import random

from harness import Sled, message, slow, untar, wire
from liar import Liar, lines, stuffed
from lying import fetch

FINE = {0, 69, 73, 75, 76, 77}


def mail_of(lot):
    """Of few sizes, so that some are equal, and of many."""
    same = lot.random() < 0.5
    return [message(i, "text\n" * (3 if same else lot.choice((3, 3, 9, i, 300))))
            for i in range(1, lot.randrange(3, 14))]


def other(s, lot, arg):
    """Of another size: one of the same nothing can tell but a look at it. Two
    octets more are what servers add where a final line end lacks."""
    size = int(s.size(int(arg)))
    found = [n for n in s.live() if int(s.size(n)) not in (size, size + 2)]
    if not found:
        return None
    n = lot.choice(found)
    return b"+OK\r\n" + stuffed(s.mail[n - 1][1])


def junk(lot):
    return bytes(lot.randrange(256) for _ in range(lot.randrange(1, 60))
                 ) + b"\r\n"


def hang_up(s, _, arg):
    s.done = True
    return b""


def cut(s, lot, arg):
    whole = s.honest("RETR", arg)
    s.done = True
    return whole[:lot.randrange(len(whole))]


def shorter(s, lot, arg):
    """Not all of them: where none is whole, the sizes may be wrong."""
    if int(arg) % 3:
        return None
    body = s.mail[int(arg) - 1][1]
    return b"+OK\r\n" + stuffed(body[:lot.randrange(1, len(body))] + b"\r\n")


def endless(s, lot, arg):
    return itertools.chain([b"+OK\r\n"], itertools.repeat(b"more\r\n" * 500))


RETRS = [other, other, hang_up, cut, shorter, endless,
         lambda s, lot, arg: b"-ERR not now\r\n",
         lambda s, lot, arg: b"",
         lambda s, lot, arg: 2 * s.honest("RETR", arg),
         lambda s, lot, arg: junk(lot),
         lambda s, lot, arg: s.honest("RETR", arg) + junk(lot)]


def shuffled(verb):
    def answer(s, lot, arg):
        if arg:
            return None
        rows = s.honest(verb, "").split(b"\r\n")[1:-2]
        lot.shuffle(rows)
        return lines(*rows)
    return answer


def without_one(verb):
    def answer(s, lot, arg):
        if arg or not s.live():
            return None
        rows = s.honest(verb, "").split(b"\r\n")[1:-2]
        rows.pop(lot.randrange(len(rows)))
        return lines(*rows)
    return answer


def bad_line(verb):
    def answer(s, lot, arg):
        if arg:
            return None
        rows = s.honest(verb, "").split(b"\r\n")[1:-2]
        rows.insert(lot.randrange(len(rows) + 1), junk(lot)[:-2].replace(
            b"\r", b"").replace(b"\n", b""))
        return lines(*rows)
    return answer


def ids(change):
    def answer(s, lot, arg):
        def of(n):
            return change(s, lot, n)
        return s.one(arg, of) if arg else s.listed(of)
    return answer


LISTS = [("UIDL", shuffled("UIDL")), ("LIST", shuffled("LIST")),
         ("UIDL", without_one("UIDL")), ("LIST", without_one("LIST")),
         ("UIDL", bad_line("UIDL")), ("LIST", bad_line("LIST")),
         ("UIDL", lambda s, lot, arg: b"-ERR no ids\r\n"),
         ("UIDL", ids(lambda s, lot, n: s.uid((n + 1) // 2))),
         ("UIDL", ids(lambda s, lot, n: b"v%d-%d" % (s.number, n))),
         ("LIST", ids(lambda s, lot, n: b"-1" if lot.random() < 0.3
                      else s.size(n))),
         ("STAT", lambda s, lot, arg: b"+OK %d %d\r\n" % (
             lot.randrange(20), lot.randrange(9999))),
         ("TOP", lambda s, lot, arg: b"-ERR no\r\n"),
         ("TOP", lambda s, lot, arg: other(s, lot, arg)),
         ("DELE", lambda s, lot, arg: b"-ERR no\r\n"),
         ("DELE", lambda s, lot, arg: b""),
         ("QUIT", lambda s, lot, arg: b"-ERR no\r\n"),
         ("QUIT", hang_up),
         ("CAPA", lambda s, lot, arg: junk(lot)),
         ("AUTH", lambda s, lot, arg: b"-ERR [IN-USE] later\r\n"),
         ("greeting", lambda s, lot, arg: junk(lot))]


def at_times(lot, lie, often):
    """LIE for some of its calls; else the honest answer."""
    return lambda s, arg: lie(s, lot, arg) if lot.random() < often else None


def lies_of(lot):
    found = {}
    for _ in range(lot.randrange(1, 4)):
        if lot.random() < 0.6:
            found["RETR"] = at_times(lot, lot.choice(RETRS),
                                     lot.choice((0.1, 0.3, 1)))
        else:
            verb, lie = lot.choice(LISTS)
            found[verb] = at_times(lot, lie, lot.choice((0.3, 1)))
    return found


def home(sled, tmp):
    """What the store has, each as often as it does."""
    return collections.Counter(untar(sled.path, tmp / "out").values())


def play(tmp, seed):
    lot = random.Random(seed)
    mail = mail_of(lot)
    keys = {"timeout": "1s", "delete": lot.choice(("verified", "never"))}
    if lot.random() < 0.2:
        keys["hold-larger"] = "1KiB"
    with Liar(tmp, mail) as liar:
        sled = Sled(tmp, {"home": liar}, account=keys)
        sent = collections.Counter(map(wire, mail))
        for visit in range(lot.randrange(1, 4)):
            liar.lies = lies_of(lot)
            if lot.random() < 0.3:
                late = wire(message(50 + visit, "text\n" * 3))
                liar.mail[f"late{visit}"] = late
                sent[late] += 1
            done = fetch(sled)
            assert done.status in FINE, done
        liar.lies = {}
        sled.account_keys.update({"delete": "verified", "hold-larger": "none"})
        sled.write()
        for _ in range(6):
            last = fetch(sled)
            held = sled.run("--json", "held").json
            if held:
                assert sled.run("want", *(o["id"] for o in held)).status == 0
            if not liar.mail:
                break
        assert not liar.mail, (liar.mail.keys(), last)
        lost = sent - home(sled, tmp)
        assert not lost, f"{sum(lost.values())} lost"
        assert sled.run("verify", "--deep").status == 0


def test_liars_by_lot(tmp):
    first = int(os.environ.get("LIARS", "1"))
    count = 1 if "LIARS" in os.environ else 200 if slow() else 6
    for seed in range(first, first + count):
        here = tmp / str(seed)
        here.mkdir()
        try:
            play(here, seed)
        except Exception as why:
            raise AssertionError(f"LIARS={seed}: {why}") from why


test_liars_by_lot.timeout = 1500
