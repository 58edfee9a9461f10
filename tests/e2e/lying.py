"""A visit to a server that lies, and the four things that must hold of it,
whatever the lie is:

  time     it ends by a limit of the protocol [W2] or by `timeout` [W3]: a few
           connections, none of which got rid of more octets than that limit,
           and little time of the CPU; no clock is read
  memory   32 MiB at most, as the kernel measured it
  touched  the message that the lie is about, and no other [W4]: those are
           deleted at once, and in the end each message is in each place, once
  said     with an exit status, and no octet of the server's reaches a terminal

fetch() holds time, memory and that a failure is said; lie() all four."""
import collections
import os
import re
import subprocess
import sys

from harness import BUILD, Result, Sled, message, same_mail, untar, wire
from liar import Liar

MIB = 1 << 20
MEMORY = 32 * MIB
CPU = 10  # seconds; the longest here needs two
CONNECTIONS = 3  # of one visit: one that fails on trust, one more try
# What two kernels may hold between the ends of one connection.
QUEUED = 16 * MIB
# Of a body, where the server's sizes are not known to be exact; and that.
MOST = 96 * MIB
MAIL = [message(i, f"text {i}\n" * 3) for i in range(1, 6)]
ALL = object()

# A child's peak is at least what its parent held: see test_fetch_memory.py.
MEASURE = """
import os, sys
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(pid, 0)
with open(sys.argv[1], "w") as out:
    print(os.waitstatus_to_exitcode(status), used.ru_maxrss,
          used.ru_utime + used.ru_stime, file=out)
"""
# Controls, and what is not UTF-8.
HARMFUL = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def is_sanitized():
    """Its memory and its time are the sanitizer's, or valgrind's."""
    program = (BUILD / "mailsled").read_bytes()
    return any(word in program
               for word in (b"__asan_init", b"__tsan_init", b"valgrind"))


def measured(sled, *args, env=None, memory=MEMORY):
    """Run, with little memory and little time of the CPU."""
    note = sled.dir / "measured"
    argv = sled.argv(*args)
    done = subprocess.run([sys.executable, "-I", "-S", "-c", MEASURE,
                           str(note), *argv], capture_output=True, text=True,
                          timeout=100, errors="surrogateescape",
                          env={**os.environ, **(env or {})})
    status, peak, seconds = note.read_text().split()
    result = Result(argv, int(status), done.stdout, done.stderr)
    if not is_sanitized():
        assert int(peak) * 1024 <= memory, f"{int(peak) / 1024:.1f} MiB"
        assert float(seconds) <= CPU, f"{seconds} s of CPU"
    return result


def fetch(sled, *args, sent=MOST, env=None):
    """One visit to whatever server, in bounds, with its end told; liars sent no
    connection more than SENT octets."""
    liars = {s: s.opened for s in sled.accounts.values()
             if isinstance(s, Liar)}
    result = measured(sled, "--json", "fetch", *args, env=env)
    for liar, before in liars.items():
        most = liar.rest(before)
        assert most <= sent, f"{most} octets were sent"
        assert liar.opened - before <= CONNECTIONS, result
    found = HARMFUL.search(result.out + result.err)
    assert not found, (found, result)
    assert not result.status or result.err, result
    assert result.status in [r["exit"] for r in result.reports], result
    for row in result.reports:
        assert not row["exit"] or row["error"], result
        assert row["listed"] == sum(row[k] for k in (
            "deleted", "kept", "held", "left", "failed")), result
    return result


def said(result, word):
    """It is told; "": it is no trouble, and nothing is."""
    if word:
        assert word in result.out + result.err, (word, result)
        return
    row = result.reports[-1]
    assert not row.get("error") and not row.get("warnings"), result


def whole(sled, mail=MAIL, spare=0, future=False):
    """All of it, once, in each place; and at most SPARE more of what came and
    was in doubt. FUTURE: some visit's clock was ahead."""
    for place in sled.places:
        number = len(list(sled.dir.glob("out*")))
        got = untar(place, sled.dir / f"out{number}", future=future)
        if not spare:
            same_mail(got, map(wire, mail))
            continue
        lost = collections.Counter(map(wire, mail)) - (
            collections.Counter(got.values()))
        assert not lost, f"{lost.total()} lost"
        assert len(got) <= len(mail) + spare, (len(got), len(mail), spare)


def lie(tmp, status, word, left=(), spare=0, mail=None, sent=1 * MIB,
        keys=None, capa=None, known=False, **lies):
    """A visit to a server with these LIES, and one to it when it is honest; the
    row of the first, that of the second, the liar and the sled.

    Of the first: its STATUS (None: 75 or 76, as the line's end is met first or
    the reply), the WORD that tells it, the numbers of the messages that are
    LEFT there, ALL or none; no other is asked for twice. KNOWN: an honest visit
    comes before both, so that the first takes what shortcuts there are."""
    mail = MAIL if mail is None else mail
    left = range(1, len(mail) + 1) if left is ALL else left
    more = {} if capa is None else {"capa": capa}
    with Liar(tmp, mail, **({} if known else {**more, **lies})) as liar:
        sled = Sled(tmp, {"home": liar}, account={"timeout": "20s",
                                                  **(keys or {})})
        if known:
            meet(sled, liar, **more, **lies)
        first = fetch(sled, sent=sent)
        assert first.status == status or (
            status is None and first.status in (75, 76)), first
        said(first, word)
        names = [f"id{n}" for n in left]
        assert list(liar.mail) == names, (list(liar.mail), first)
        liar.lies.clear()
        sled.be_patient()
        again = fetch(sled)
        assert again.status == 0 and not liar.mail, (first, again)
        asked = collections.Counter(liar.wanted)
        assert {asked[f"id{n}"] for n in range(1, len(mail) + 1)
                if n not in left} <= {1}, (asked, first)
        whole(sled, [*mail, message(0)] if known else mail, spare)
        return first.reports[-1], again.reports[-1], liar, sled


def meet(sled, liar, capa=None, **lies):
    """An honest visit, for one other message; then it lies."""
    mail, liar.mail = liar.mail, {"met": wire(message(0))}
    assert fetch(sled).status == 0 and not liar.mail
    liar.mail, liar.lies = mail, lies
    liar.wanted.clear()
    if capa is not None:
        liar.capa = list(capa)


def nothing_came(tmp, *args, **more):
    """The visit ended, and not one message was touched."""
    first, again, liar, sled = lie(tmp, *args, left=ALL, **more)
    assert first["fetched"] == first["deleted"] == 0, first
    assert again["fetched"] == len(MAIL), again
    return first, again, liar, sled


def each(tmp, cases):
    """(a folder, its case) for each."""
    for number, case in enumerate(cases):
        here = tmp / str(number)
        here.mkdir()
        yield here, case
