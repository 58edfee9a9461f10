"""Servers that lie: one case for each way. Each ends by a limit of the protocol [W2]
(what the server got rid of is counted, no clock is read), takes little memory,
touches the message it is about and no other, is told, and has its exit status.
Behind each lie the server is honest again, and all mail comes home. Messages
without end, and replies out of step: see test_fetch_aside.py."""
import base64
import collections
import itertools
import subprocess
import sys

from harness import (Result, Sled, message, same_mail, untar, wire)
from liar import Liar, asked, lines, stuffed

MIB = 1 << 20
# What two kernels may hold between the ends of one connection.
QUEUED = 16 * MIB
MAIL = [message(i, f"text {i}\n" * 3) for i in range(1, 6)]

# A child's peak is at least what its parent held: see test_fetch_memory.py.
MEASURE = """
import os, sys
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(pid, 0)
with open(sys.argv[1], "w") as out:
    out.write(f"{os.waitstatus_to_exitcode(status)} {used.ru_maxrss}")
"""


def fetch(sled):
    """One visit, with little memory."""
    note = sled.dir / "measured"
    argv = sled.argv("--json", "fetch")
    done = subprocess.run([sys.executable, "-I", "-S", "-c", MEASURE,
                           str(note), *argv], capture_output=True, text=True,
                          timeout=100, errors="surrogateescape")
    status, used = (int(word) for word in note.read_text().split())
    assert used * 1024 <= 32 * MIB, f"{used / 1024:.1f} MiB"
    result = Result(argv, status, done.stdout, done.stderr)
    row = result.reports[-1]
    assert "listed" in row and row["exit"] == status, result
    assert row["listed"] == sum(row[k] for k in (
        "deleted", "kept", "held", "left", "failed")), result
    return result


def said(result, word):
    assert word in result.out + result.err, (word, result)


def lie(tmp, status, word, mail=None, sent=1 * MIB, keys=None, capa=None,
        **lies):
    """A visit to a server with these lies, what it came to, and a visit to it
    when it is honest; (first row, second row, liar, sled). STATUS None: 75 or
    76, as the line's end is met first or the reply. WORD is what is told of it;
    "": it is no trouble, and nothing is."""
    mail = MAIL if mail is None else mail
    more = {} if capa is None else {"capa": capa}
    with Liar(tmp, mail, **more, **lies) as liar:
        sled = Sled(tmp, {"home": liar}, account={"timeout": "20s",
                                                  **(keys or {})})
        first = fetch(sled)
        assert first.status == status or (
            status is None and first.status in (75, 76)), first
        if word:
            said(first, word)
        else:
            row = first.reports[-1]
            assert not row.get("error") and not row.get("warnings"), first
        most = liar.rest()
        assert most <= sent, f"{most} octets were sent"
        liar.lies.clear()
        again = fetch(sled)
        assert again.status == 0, (first, again)
        assert not liar.mail, (first, again)
        return first.reports[-1], again.reports[-1], liar, sled


def whole(tmp, sled, mail=None):
    """All of it, once, in each place."""
    mail = MAIL if mail is None else mail
    for number, place in enumerate(sled.places):
        same_mail(untar(place, tmp / f"out{number}"), [wire(m) for m in mail])


def nothing_came(tmp, *args, **more):
    first, again, liar, sled = lie(tmp, *args, **more)
    assert first["fetched"] == first["deleted"] == 0, first
    assert again["fetched"] == len(MAIL), again
    whole(tmp, sled)


def all_came(tmp, *args, fetched=len(MAIL), **more):
    """The lie costs nothing but words."""
    first, again, liar, sled = lie(tmp, *args, **more)
    assert first["fetched"] == fetched, first
    assert set(asked(liar).values()) == {1}, asked(liar)
    whole(tmp, sled)
    return first, again, liar


def forever(part):
    return itertools.repeat(part)


# ---- the greeting ----

def test_a_greeting_without_end(tmp):
    nothing_came(tmp, 76, "does not end", sent=QUEUED,
                 greeting=lambda s, a: forever(b"+OK and on " * 100))


def test_lines_before_the_greeting(tmp):
    nothing_came(tmp, 76, "neither +OK nor -ERR",
                 greeting=lambda s, a: b"Welcome to the mail\r\n+OK\r\n")


def test_empty_lines_before_the_greeting_without_end(tmp):
    nothing_came(tmp, 76, "neither +OK nor -ERR", sent=QUEUED,
                 greeting=lambda s, a: forever(b"\r\n" * 100))


def test_two_greetings(tmp):
    """The second stands for an answer: what follows is odd lines of a list."""
    all_came(tmp, 0, "", greeting=lambda s, a: b"+OK one\r\n+OK two\r\n")


# ---- capabilities ----

def test_capabilities_without_end(tmp):
    nothing_came(tmp, 76, "too many lines", sent=QUEUED,
                 CAPA=lambda s, a: itertools.chain(
                     [b"+OK\r\n"], forever(b"X-MORE and more\r\n" * 100)))


def test_a_capability_without_end(tmp):
    nothing_came(tmp, 76, "the listing does not end", sent=QUEUED + 9 * MIB,
                 CAPA=lambda s, a: itertools.chain(
                     [b"+OK\r\n"], forever(b"SASL PLAIN " * 100)))


def test_a_login_delay_that_is_no_number(tmp):
    all_came(tmp, 0, "", capa=["UIDL", "PIPELINING", "SASL PLAIN",
                               "LOGIN-DELAY -1", "LOGIN-DELAY " + "9" * 40,
                               "EXPIRE never and 0", "EXPIRE -3"])


# ---- the listing ----

def test_a_listing_without_end(tmp):
    for number, verb in enumerate(("UIDL", "LIST")):
        here = tmp / verb
        here.mkdir()
        nothing_came(here, 76, "goes on behind", sent=QUEUED,
                     **{verb: lambda s, a: itertools.chain(
                         [b"+OK\r\n"], forever(b"1 100\r\n" * 100))})


def test_a_line_of_a_listing_without_end(tmp):
    for verb in ("UIDL", "LIST"):
        here = tmp / verb
        here.mkdir()
        nothing_came(here, 76, "the listing does not end",
                     sent=QUEUED + 9 * MIB,
                     **{verb: lambda s, a: itertools.chain(
                         [b"+OK\r\n1 "], forever(b"x" * 1000))})


def test_stat_counts_more_than_is_listed(tmp):
    first, again, liar, sled = lie(tmp, 76, "counts more",
                                   STAT=lambda s, a: b"+OK 9 9000\r\n")
    assert first["deleted"] == len(MAIL), first
    whole(tmp, sled)


def test_stat_counts_fewer_than_are_listed(tmp):
    """What it did not count is not touched, and comes next time."""
    first, again, liar, sled = lie(tmp, 0, "not understood",
                                   STAT=lambda s, a: b"+OK 3 100\r\n")
    assert (first["fetched"], again["fetched"]) == (3, 2), (first, again)
    whole(tmp, sled)


def test_stat_octets_are_no_number(tmp):
    for number, text in enumerate(("5 -100", "5 18446744073709551616",
                                   "-5 100", "five 100", "", "99999999999 1")):
        here = tmp / str(number)
        here.mkdir()
        nothing_came(here, 76, "STAT",
                     STAT=lambda s, a: b"+OK %s\r\n" % text.encode())


def with_size(size):
    """LIST says SIZE of the third message."""
    def answer(s, arg):
        def of(n):
            return size if n == 3 else s.size(n)
        return s.one(arg, of) if arg else s.listed(of)
    return answer


def test_a_listed_size_that_is_no_number(tmp):
    """The other four come; that one waits for a size."""
    for number, size in enumerate((b"-1", b"18446744073709551616", b"1e3",
                                   b"", b"0x20", b"\0", b"9" * 5000)):
        here = tmp / str(number)
        here.mkdir()
        first, again, liar, sled = lie(here, 76, "not understood",
                                       LIST=with_size(size))
        assert (first["fetched"], again["fetched"]) == (4, 1), (first, again)
        whole(here, sled)


def test_a_listed_size_that_is_far_too_large(tmp):
    """No place has room for it, it is said: 73. The other four come. A sum
    that runs over must not make room."""
    for size in (b"8589934592", b"18446744073709551615"):
        here = tmp / size.decode()
        here.mkdir()
        first, again, liar, sled = lie(here, 73, "room", LIST=with_size(size))
        assert (first["fetched"], again["fetched"]) == (4, 1), (first, again)
        whole(here, sled)


def test_numbers_that_were_not_counted(tmp):
    def more(what):
        return lambda s, a: lines(b"0 zero", b"4294967297 big", b"-1 x",
                                  b"7 seven", b"1", b"", b" ",
                                  *(b"%d %s" % (n, what(s, n))
                                    for n in s.live()))
    all_came(tmp, 0, "not understood", UIDL=more(lambda s, n: s.uid(n)),
             LIST=more(lambda s, n: s.size(n)))


def test_a_listing_in_another_order(tmp):
    def turned(what):
        return lambda s, a: None if a else lines(
            *(b"%d   %s \t" % (n, what(s, n)) for n in reversed(s.live())))
    all_came(tmp, 0, "", UIDL=turned(lambda s, n: s.uid(n)),
             LIST=turned(lambda s, n: s.size(n)))


# ---- unique-ids ----

def with_uid(uid):
    """UIDL says UID of the third message."""
    def answer(s, arg):
        def of(n):
            return uid if n == 3 else s.uid(n)
        return s.one(arg, of) if arg else s.listed(of)
    return answer


def test_unique_ids_of_no_use(tmp):
    """Empty, of 5 MB, with NUL, escapes, blanks: fetched and deleted in one
    visit, as mail without an id is."""
    for number, uid in enumerate((b"", b"u" * 5 * MIB, b"a\0b", b"\x1b[31mred",
                                  b"two words", b"\xff\xfe", b"x" * 71)):
        here = tmp / str(number)
        here.mkdir()
        first, again, liar = all_came(here, 0, "1 message is of no use",
                                      sent=6 * MIB, UIDL=with_uid(uid))
        assert first["deleted"] == len(MAIL), first
        assert asked(liar)["3"] == 1, asked(liar)


def test_unique_ids_that_look_like_paths(tmp):
    for number, uid in enumerate((b"../../../../tmp/x", b"/etc/passwd",
                                  b"..", b"%s%n%00", b"';--", b"C:\\x")):
        here = tmp / str(number)
        here.mkdir()
        all_came(here, 0, "", UIDL=with_uid(uid))
        names = {p.name for p in here.rglob("*") if p.is_file()}
        assert not names & {"x", "passwd"}, names


def test_a_unique_id_twice_in_one_listing(tmp):
    """Neither is taken for the other."""
    all_came(tmp, 0, "2 messages are of no use", UIDL=with_uid(b"id2"))


def test_a_number_twice_in_one_listing(tmp):
    """Two ids, two sizes for one number: none of them is a proof."""
    all_came(tmp, 0, "1 message is of no use", UIDL=lambda s, a: lines(
        b"1 id1", b"1 other", *(b"%d %s" % (n, s.uid(n))
                                for n in (2, 3, 4, 5))))


# ---- messages ----

def retr(number, answer):
    return lambda s, a: answer(s) if a == str(number) else None


def test_a_message_that_is_cut(tmp):
    """Half of it, then a dot as if it were whole: it is short, is kept there,
    and fetched once more; the first one too, of a server not known before."""
    mail = [message(i, "text\n" * 9) for i in range(1, 9)]
    for number in (2, 1):
        here = tmp / str(number)
        here.mkdir()

        def half(s):
            body = s.mail[number - 1][1]
            return b"+OK\r\n" + stuffed(body[:len(body) // 2] + b"\r\n")
        first, again, liar, sled = lie(here, 76, "another size", mail=mail,
                                       RETR=retr(number, half))
        assert first["deleted"] == len(mail) - 1, first
        assert again["fetched"] == 1, again
        assert liar.wanted.count(f"id{number}") == 2, liar.wanted
        for n, place in enumerate(sled.places):
            kept = list(untar(place, here / f"out{n}").values())
            assert not collections.Counter(map(wire, mail)) - (
                collections.Counter(kept)), "lost"


def test_another_message_than_was_asked_for(tmp):
    """Its size betrays it: nothing is deleted on its word."""
    mail = [message(i, "text\n" * (9 + i)) for i in range(1, 9)]
    first, again, liar, sled = lie(
        tmp, 76, "another size", mail=mail,
        RETR=retr(7, lambda s: b"+OK\r\n" + stuffed(s.mail[4][1])))
    assert first["deleted"] == len(mail) - 1, first
    for number, place in enumerate(sled.places):
        kept = list(untar(place, tmp / f"out{number}").values())
        assert not collections.Counter(map(wire, mail)) - (
            collections.Counter(kept)), "lost"


def test_a_message_that_is_refused_each_time(tmp):
    with Liar(tmp, MAIL, RETR=retr(2, lambda s: b"-ERR gone\r\n")) as liar:
        sled = Sled(tmp, {"home": liar})
        first = fetch(sled)
        assert first.status == 69, first
        said(first, "gone")
        row = first.reports[-1]
        assert (row["deleted"], row["failed"]) == (4, 1), row
        assert list(liar.mail) == ["id2"]


def test_a_body_of_strange_lines(tmp):
    """A line of 3 MB, bare CR, NUL, dots: byte by byte as they came."""
    odd = (b"Subject: odd\r\n\r\n" + b"x" * 3 * MIB + b"\r\n..\r\n.\rmore\r\n"
           b"\0\x1a\r\n")
    mail = [*MAIL[:2], odd]
    first, again, liar, sled = lie(tmp, 0, "", mail=mail, sent=4 * MIB)
    assert first["deleted"] == 3, first
    whole(tmp, sled, mail)


# ---- replies ----

def test_replies_in_another_order(tmp):
    """Of two in flight the second is answered first: the sizes tell."""
    mail = [message(i, "text\n" * (5 + 3 * i)) for i in range(1, 9)]

    def crossed(s, arg):
        other = {"5": 6, "6": 5}.get(arg)
        return other and b"+OK\r\n" + stuffed(s.mail[other - 1][1])
    first, again, liar, sled = lie(tmp, 76, "another size", mail=mail,
                                   RETR=crossed)
    assert first["deleted"] == len(mail) - 2, first
    for number, place in enumerate(sled.places):
        kept = list(untar(place, tmp / f"out{number}").values())
        assert not collections.Counter(map(wire, mail)) - (
            collections.Counter(kept)), "lost"


def twice(verb):
    return {verb: lambda s, a: s.honest(verb, a) + b"+OK once more\r\n"}


def test_one_reply_too_many(tmp):
    """[W5] Behind STAT or DELE it stands for the next answer."""
    for verb in ("STAT", "DELE"):
        here = tmp / verb
        here.mkdir()
        all_came(here, 0, {"STAT": "not understood: +OK",
                           "DELE": ""}[verb], **twice(verb))


def test_one_reply_too_many_behind_each_message(tmp):
    """It begins the next message, whose octets are too many then: none of
    those is deleted for it, and each comes whole from an honest server."""
    first, again, liar, sled = lie(tmp, None, "answered other",
                                   **twice("RETR"))
    assert first["deleted"] == 0, first
    for number, place in enumerate(sled.places):
        kept = list(untar(place, tmp / f"out{number}").values())
        assert not collections.Counter(map(wire, MAIL)) - (
            collections.Counter(kept)), "lost"


def test_one_reply_too_few(tmp):
    """The line is silent where an answer is due: the time-out ends it."""
    for verb, came, word in (("UIDL", 0, "timed out"),
                             ("RETR", 0, "timed out"),
                             ("DELE", 5, "was not answered"),
                             ("QUIT", 5, "timed out")):
        here = tmp / verb
        here.mkdir()
        first, again, liar, sled = lie(here, 75, word, keys={
            "timeout": "1s"}, **{verb: lambda s, a: b""})
        assert first["deleted"] == 0 and first["fetched"] == came, first
        assert again["fetched"] == len(MAIL) - came, again
        whole(here, sled)


def test_a_quit_that_is_refused(tmp):
    """-ERR to QUIT: some were not removed. What is gone, the next listing
    tells; nothing is fetched again."""
    for commits in (True, False):
        here = tmp / str(commits)
        here.mkdir()

        def refuse(s, arg):
            if commits and s.deleted:
                s.commit()
            s.done = True
            return b"-ERR some messages were not removed\r\n"
        first, again, liar, sled = lie(here, 69, "not removed", QUIT=refuse)
        assert first["deleted"] == 0, first
        assert again["fetched"] == 0, again
        assert set(asked(liar).values()) == {1}
        whole(here, sled)


def test_a_dele_for_another_message(tmp):
    """The server deletes its neighbour: what was not stored is never among
    what can go, for all are stored first."""
    def wrong(s, arg):
        s.deleted.add(int(arg) % len(MAIL) + 1)
        return b"+OK\r\n"
    with Liar(tmp, MAIL, DELE=wrong,
              RETR=retr(3, lambda s: b"-ERR [SYS/TEMP] later\r\n")) as liar:
        sled = Sled(tmp, {"home": liar})
        first = fetch(sled)
        assert first.status == 69, first
        # A server can lose what it holds; the client must not claim it.
        kept = untar(sled.path, tmp / "out")
        assert len(kept) == 4


# ---- between visits ----

def test_the_maildrop_is_locked(tmp):
    """For ten minutes, say: each visit is turned away with 69, and none
    counts as a wrong password."""
    busy = {"AUTH": lambda s, a: b"-ERR [IN-USE] do not disturb\r\n"}
    with Liar(tmp, MAIL, **busy) as liar:
        sled = Sled(tmp, {"home": liar})
        for _ in range(4):
            done = fetch(sled)
            assert done.status == 69, done
            said(done, "do not disturb")
        assert liar.count("AUTH") == 4, liar.commands
        liar.lies.clear()
        assert fetch(sled).status == 0 and not liar.mail
        whole(tmp, sled)


def test_a_login_that_comes_too_soon(tmp):
    """[LOGIN-DELAY] is no wrong password: 75, and told."""
    with Liar(tmp, MAIL, capa=["UIDL", "PIPELINING", "SASL PLAIN",
                               "LOGIN-DELAY 600"],
              AUTH=lambda s, a: b"-ERR [LOGIN-DELAY] wait\r\n") as liar:
        sled = Sled(tmp, {"home": liar})
        done = fetch(sled)
        assert done.status == 75, done
        said(done, "wait")
        liar.lies.clear()
        assert fetch(sled).status == 0 and not liar.mail
        whole(tmp, sled)


def test_a_maildrop_that_changes_within_a_visit(tmp):
    """STAT, UIDL and LIST each see another one: nothing that was not stored
    is deleted, and in the end all of it is here, once."""
    late = {f"new{i}": wire(message(90 + i, "late\n")) for i in range(3)}

    def grow(s, arg):
        if arg == "" and late:
            name, data = late.popitem()
            s.liar.mail[name] = data
            s.mail.append((name, data))
    mail = [*MAIL, *(message(90 + i, "late\n") for i in range(3))]
    with Liar(tmp, MAIL, UIDL=grow, LIST=grow, STAT=grow) as liar:
        sled = Sled(tmp, {"home": liar})
        for _ in range(3):
            fetch(sled)
        liar.lies.clear()
        liar.mail.update(late)
        assert fetch(sled).status == 0 and not liar.mail
        assert fetch(sled).status == 0
        whole(tmp, sled, mail)


def test_a_maildrop_that_changes_between_visits(tmp):
    """Other mail under the old ids, all but one of the old sizes: that one
    shows that ids are used again, so that all of it is proved, and fetched."""
    other = [m.replace(b"text", b"TEXT").replace(b"Note", b"NOTE")
             for m in MAIL]
    other[3] += b"more\n"
    with Liar(tmp, MAIL) as liar:
        sled = Sled(tmp, {"home": liar}, account={"delete": "never"})
        assert fetch(sled).status == 0
        liar.mail = {f"id{i}": wire(m) for i, m in enumerate(other, 1)}
        sled.account_keys["delete"] = "verified"
        sled.write()
        done = fetch(sled)
        said(done, "to other mail")
        row = done.reports[-1]
        assert (row["fetched"], row["deleted"], row["kept"]) == (1, 1, 4), row
        done = fetch(sled)
        assert done.reports[-1]["fetched"] == 4 and not liar.mail, done
        whole(tmp, sled, [*MAIL, *other])


def test_a_reply_that_repeats_the_secret_is_not_told(tmp):
    """[L1] Whatever it answers: an order that is lost makes the refusal of a
    login that of another command. Neither on the terminal nor in a place."""
    secret = "pass\\w\"rd-1"
    plain = base64.b64encode(f"\0demo\0{secret}".encode())
    for reply, words in (
            (b"-ERR what is AUTH PLAIN %s?\r\n" % plain,
             ("STAT", "UIDL", "LIST", "RETR", "DELE", "QUIT")),
            (b"PASS %s?\r\n" % secret.encode(), ("STAT", "RETR"))):
        for word in words:
            here = tmp / f"{word}{len(reply)}"
            with Liar(here, MAIL, **{word: lambda s, a: reply}) as liar:
                liar.password = secret
                sled = Sled(here, {"home": liar})
                done = fetch(sled)
                assert done.status in (69, 75, 76), done
                said(done, "not shown")
                told = [done.out.encode(), done.err.encode(), *(
                    p.read_bytes() for place in sled.places
                    for p in place.rglob("*")
                    if p.is_file() and "ticket" not in str(p))]
                for part in (b"pass\\", plain[:12]):
                    assert not any(part in text for text in told), done
