"""[W4] A message whose answer ends visits blocks no other: it is asked for
behind all of them, waits longer each time, and is told until it comes or is
dropped."""
import itertools
from collections import Counter

from harness import Pop3d, Sled, days_ahead, message, untar, wire
from liar import Liar, stuffed
from lying import MAIL, MIB, MOST, QUEUED, fetch, said, whole

BAD = "id2"


def endless(s, _):
    return itertools.chain([b"+OK\r\n"], itertools.repeat(b"line\r\n" * 2000))


def only(uid, answer):
    """ANSWER for the message of this id, whatever its number is."""
    def reply(s, arg):
        number = int(arg.split()[0])
        return answer(s, arg) if s.mail[number - 1][0] == uid else None
    return reply


def hang_up(s, _):
    s.done = True
    return b""


def add(liar, *numbers):
    for n in numbers:
        liar.mail[f"new{n}"] = wire(message(n, "late\n"))


def row_of(sled, uid=BAD):
    rows = [o for o in sled.run("--json", "held").json if o["uidl"] == uid]
    assert len(rows) == 1, rows
    return rows[0]


def test_a_message_without_end_is_set_aside(tmp):
    with Liar(tmp, MAIL, RETR=only(BAD, endless)) as liar:
        sled = Sled(tmp, {"home": liar}, account={"timeout": "20s"})
        first = fetch(sled)
        assert first.status == 76, first
        said(first, "has no end")
        row = row_of(sled)
        assert "no end" in row["aside"] and row["again"], row
        for visit in range(2):
            add(liar, 70 + visit)
            done = fetch(sled)
            assert done.status == 0, done
            assert list(liar.mail) == [BAD], done
            assert done.reports[-1]["held"] == 1, done
            said(done, "is set aside until")
            assert liar.wanted.count(BAD) == 1, liar.wanted
        out = sled.run("held").out
        assert "it has no end; asked for again from" in out, out
        # Its time has come: alone, behind what is new and what is deleted.
        add(liar, 80)
        later = fetch(sled, env=days_ahead(1, tmp))
        assert later.status == 76 and list(liar.mail) == [BAD], later
        assert later.reports[-1]["deleted"] == 1, later
        assert liar.wanted[-2:] == ["new80", BAD], liar.wanted
        # Wanted, it is asked for at once; then what was decided is over.
        assert sled.run("want", row["id"]).status == 0
        done = fetch(sled)
        assert done.status == 76, done
        assert row_of(sled)["decision"] is None
        assert fetch(sled).status == 0
        liar.lies.clear()
        assert sled.run("want", row["id"]).status == 0
        done = fetch(sled)
        assert done.status == 0 and not liar.mail, done
        assert sled.run("--json", "held").json == []
        whole(sled, [*MAIL, *(message(n, "late\n")
                                   for n in (70, 71, 80))], future=True)


def test_a_message_without_end_costs_little_where_sizes_are_exact(tmp):
    """Twice its size and 1 MiB, not 64: the message before it was exact."""
    with Liar(tmp, MAIL, RETR=only("id4", endless)) as liar:
        sled = Sled(tmp, {"home": liar}, account={"timeout": "20s"})
        assert fetch(sled, sent=QUEUED + 2 * MIB).status == 76
        said(sled.run("report"), "no end")


def test_a_message_without_end_costs_little_as_the_first_too(tmp):
    """64 MiB where nothing is known of the server's sizes; what two kernels
    hold is more."""
    with Liar(tmp, MAIL, RETR=only("id1", endless)) as liar:
        sled = Sled(tmp, {"home": liar}, account={"timeout": "20s"})
        first = fetch(sled, sent=MOST)
        assert first.status == 76 and first.reports[-1]["deleted"] == 0, first
        assert fetch(sled).status == 0 and list(liar.mail) == ["id1"]


def test_it_is_dropped_unread(tmp):
    with Liar(tmp, MAIL, RETR=only(BAD, endless)) as liar:
        sled = Sled(tmp, {"home": liar}, account={"timeout": "20s"})
        assert fetch(sled).status == 76
        done = sled.run("drop", "--yes", row_of(sled)["id"])
        assert done.status == 0, done
        done = fetch(sled)
        assert done.status == 0 and not liar.mail, done
        assert liar.wanted.count(BAD) == 1, liar.wanted
        assert sled.run("--json", "held").json == []


def test_a_message_at_which_the_server_hangs_up(tmp):
    """The first visit ends there, so may the second, behind all others; from
    then on what came is deleted first, and the line ends for it alone."""
    with Liar(tmp, MAIL, RETR=only(BAD, hang_up)) as liar:
        sled = Sled(tmp, {"home": liar}, account={"timeout": "20s"})
        assert fetch(sled).status == 75
        second = fetch(sled)
        assert second.status == 75, second
        assert second.reports[-1]["kept"] == 4, second
        for visit in range(2):
            add(liar, 70 + visit)
            done = fetch(sled)
            assert list(liar.mail) == [BAD], done
            assert done.reports[-1]["failed"] == 0, done
        assert done.status == 0, done
        said(done, "is set aside until")
        assert row_of(sled)["aside"], row_of(sled)
        liar.lies.clear()
        later = fetch(sled, env=days_ahead(1, tmp))
        assert later.status == 0 and not liar.mail, later
        whole(sled, [*MAIL, *(message(n, "late\n") for n in (70, 71))], future=True)


def test_a_message_without_end_and_without_an_id(tmp):
    """It is known by its number and size."""
    with Liar(tmp, MAIL, UIDL=lambda s, a: b"-ERR what\r\n",
              capa=["TOP", "PIPELINING", "SASL PLAIN"],
              RETR=only(BAD, endless)) as liar:
        sled = Sled(tmp, {"home": liar}, account={"timeout": "20s"})
        assert fetch(sled).status == 76
        for _ in range(2):
            fetch(sled)
        assert list(liar.mail) == [BAD]
        done = fetch(sled)
        assert done.status in (0, 76), done
        liar.lies.pop("RETR")
        later = fetch(sled, env=days_ahead(1, tmp))
        assert later.status == 0 and not liar.mail, later
        whole(sled, MAIL, future=True)


def test_a_head_without_end(tmp):
    """A preview that does not end must not keep each visit from deleting."""
    big = message(9, "text\n" * 9000)
    with Liar(tmp, [*MAIL, big], TOP=endless) as liar:
        sled = Sled(tmp, {"home": liar},
                    account={"timeout": "20s", "hold-larger": "10KiB"})
        first = fetch(sled)
        assert first.status == 76, first
        said(first, "TOP of message 6 has no end")
        done = fetch(sled)
        assert done.status == 0 and list(liar.mail) == ["id6"], done
        assert sled.run("want", row_of(sled, "id6")["id"]).status == 0
        done = fetch(sled)
        assert done.status == 0 and not liar.mail, done
        whole(sled, [*MAIL, big])


def test_a_line_that_drops_sets_nothing_aside(tmp):
    """Silence behind the first octet of a message is the line's: it is asked
    for again as ever."""
    with Pop3d(tmp, "--generate", "3,20000", "--fault",
               "RETR:2+:stall-after=3000") as server:
        sled = Sled(tmp, {"home": server}, account={"timeout": "1s"})
        for _ in range(4):
            done = fetch(sled)
            assert "set aside" not in done.out + done.err, done
        assert sled.run("--json", "held").json == []


# ---- one reply too few, or too many, among messages of one size ----

def skip(s, _):
    """No answer to this one; those behind it are answered."""
    return b""


def all_home(tmp, status, mail, visits=3, **lies):
    """A visit to a server that lies so; then to an honest one, until its
    maildrop is empty: each message is here."""
    with Liar(tmp, mail, **lies) as liar:
        sled = Sled(tmp, {"home": liar}, account={"timeout": "1s"})
        first = fetch(sled)
        assert first.status == status, first
        del liar.lies["RETR"]
        sled.be_patient()
        for _ in range(visits):
            fetch(sled)
        assert not liar.mail, liar.mail.keys()
        got = untar(sled.path, tmp / "out").values()
        missing = Counter(map(wire, mail)) - Counter(got)
        assert not missing, (first, len(missing))
        return first, liar


def test_a_reply_too_few_among_messages_of_one_size(tmp):
    """[W5] What came next was taken for it. The last that came shows that, by
    one TOP, before anything is deleted."""
    assert len({len(m) for m in MAIL}) == 1
    first, liar = all_home(tmp, 75, MAIL, RETR=only("id2", skip))
    said(first, "may have answered other commands")


def test_a_reply_too_few_where_sizes_tell_nothing(tmp):
    """Counted in blocks: any may be any other."""
    def sizes(s, arg):
        def size(n):
            return b"%d" % (len(s.mail[n - 1][1]) // 512 * 512)
        return s.one(arg, size) if arg else s.listed(size)
    mail = [message(i, f"text {i}\n" * i) for i in range(1, 7)]
    first, liar = all_home(tmp, 75, mail, LIST=sizes, RETR=only("id3", skip))
    said(first, "may have answered other commands")


def with_bare_lf(s, arg):
    """As some servers count: what lies on their disk."""
    def size(n):
        octets = s.mail[n - 1][1]
        return b"%d" % (len(octets) - octets.count(b"\n"))
    return s.one(arg, size) if arg else s.listed(size)


def test_a_reply_too_few_where_lines_end_with_bare_lf(tmp):
    """[S3] Each that came has another size than it must: fetched once more."""
    mail = [message(i, f"text {i}\n" * i) for i in range(1, 7)]
    all_home(tmp, 76, mail, LIST=with_bare_lf, RETR=only("id4", skip))


def test_a_message_that_is_cut_where_lines_end_with_bare_lf(tmp):
    """[S3] Not taken for whole, though it is the first of all."""
    def cut(s, arg):
        return b"+OK\r\n" + stuffed(s.mail[int(arg) - 1][1][:-5] + b"\r\n")
    mail = [message(i, f"text {i}\n" * i) for i in range(1, 7)]
    first, liar = all_home(tmp, 76, mail, LIST=with_bare_lf,
                           RETR=only("id1", cut))
    said(first, "another size than the server lists")


def test_a_reply_too_few_before_one_of_two_octets_more(tmp):
    """Two more than listed is what servers add: but that is the size of the one
    that did not come."""
    mail = [message(i, "same\n") for i in range(1, 6)] + [
        message(6, "same..\n")]
    first, liar = all_home(tmp, 75, mail, RETR=only("id3", skip))
    said(first, "may have answered other commands")


def test_the_very_first_reply_is_left_out(tmp):
    """Nothing is known of this server's sizes yet, and all look wrong."""
    mail = [message(i, f"text {i}\n" * i) for i in range(1, 7)]
    first, liar = all_home(tmp, 75, mail, RETR=only("id1", skip))
    said(first, "may have answered other commands")


def test_a_reply_too_few_and_a_line_that_ends(tmp):
    def end(s, _):
        s.done = True
        return b""

    def two(s, arg):
        return {"id2": skip, "id5": end}.get(
            s.mail[int(arg) - 1][0], lambda *_: None)(s, arg)
    all_home(tmp, 75, MAIL, RETR=two)


def test_a_first_message_that_is_cut_and_a_line_that_ends(tmp):
    """It is judged by those behind it, though the visit is cut too."""
    def two(s, arg):
        name, octets = s.mail[int(arg) - 1]
        if name == "id1":
            return b"+OK\r\n" + stuffed(octets[:-9] + b"\r\n")
        s.done = s.done or name == "id5"
        return b"" if s.done else None
    all_home(tmp, 76, MAIL, RETR=two)


def test_a_reply_too_few_and_one_without_end(tmp):
    """What it is blamed for says nothing of those before it."""
    def two(s, arg):
        return {"id1": skip, "id5": endless}.get(
            s.mail[int(arg) - 1][0], lambda *_: None)(s, arg)
    mail = [*MAIL[:3], *(message(i, "text\n" * 9 * i) for i in (4, 5))]
    with Liar(tmp, mail, RETR=two) as liar:
        sled = Sled(tmp, {"home": liar})
        first = fetch(sled)
        assert first.status == 76, first
        del liar.lies["RETR"]
        for _ in range(3):
            fetch(sled)
        assert liar.mail.keys() <= {"id4"}, liar.mail.keys()
        got = untar(sled.path, tmp / "out").values()
        missing = Counter(map(wire, mail[:3])) - Counter(got)
        assert not missing, first


def test_a_reply_too_few_and_the_one_that_shows_it_is_taken_away(tmp):
    """By another client, before the next visit: nobody speaks for those that
    came before it, so each is proved."""
    with Liar(tmp, MAIL, RETR=only("id2", skip)) as liar:
        sled = Sled(tmp, {"home": liar}, account={"timeout": "1s"})
        assert fetch(sled).status == 75
        taken = liar.mail.pop(f"id{len(MAIL) - 1}")
        del liar.lies["RETR"]
        sled.be_patient()
        for _ in range(3):
            fetch(sled)
        assert not liar.mail, liar.mail.keys()
        got = untar(sled.path, tmp / "out").values()
        missing = Counter(map(wire, MAIL)) - Counter(got) - Counter([taken])
        assert not missing, len(missing)


def test_a_reply_too_many_among_messages_of_one_size(tmp):
    """The second is given twice, each behind it late by one, and the last one
    answers nothing: each is proved before it is deleted."""
    first, liar = all_home(tmp, 76, MAIL, RETR=only(
        "id2", lambda s, a: 2 * s.honest("RETR", a)))
    said(first, "may have answered other commands")


def late_by_one(late):
    """The second is given twice, each behind it late by one; the LATE one's own
    reply comes when the next command does."""
    def reply(s, arg):
        s.owed = s.owed or arg == "3"
        return b"+OK\r\n" + stuffed(s.mail[int(arg) - 1 - s.owed][1])

    def owed(s, arg):
        s.owed, due = False, s.owed
        return s.honest("RETR", late) + b"+OK\r\n" if due else None
    return {"greeting": lambda s, a: setattr(s, "owed", False),
            "RETR": reply, "DELE": owed, "STAT": owed}


def test_a_reply_too_many_that_shows_late(tmp):
    """[W5] The same octets twice running: nothing is deleted before the server
    answered once more, in order."""
    first, liar = all_home(tmp, 76, MAIL, **late_by_one("5"))
    said(first, "may have answered other commands")
    assert first.reports[-1]["deleted"] == 0, first
    assert not liar.count("DELE") - len(MAIL), liar.commands


def test_a_reply_too_many_where_nothing_is_deleted_yet(tmp):
    """[W5] In the days of trial: what came twice must not be believed when they
    are over."""
    with Liar(tmp, MAIL, **late_by_one("5")) as liar:
        sled = Sled(tmp, {"home": liar}, account={"delete": "never"})
        first = fetch(sled)
        assert first.status == 76, first
        said(first, "may have answered other commands")
        liar.lies.clear()
        sled.account_keys["delete"] = "verified"
        sled.write()
        for _ in range(3):
            fetch(sled)
        assert not liar.mail, liar.mail.keys()
        got = untar(sled.path, tmp / "out").values()
        missing = Counter(map(wire, MAIL)) - Counter(got)
        assert not missing, len(missing)


def test_twins_side_by_side_are_deleted(tmp):
    """Nothing is wrong with a message that was delivered twice: one STAT more
    is what it costs."""
    with Liar(tmp, [MAIL[0], MAIL[1], MAIL[1], MAIL[2]]) as liar:
        sled = Sled(tmp, {"home": liar})
        done = fetch(sled)
        assert done.status == 0 and not liar.mail, done
        assert liar.count("STAT") == 2, liar.commands
        whole(sled, [MAIL[0], MAIL[1], MAIL[1], MAIL[2]])


def test_two_of_one_size_crossed_behind_a_third(tmp):
    """Three in a ring: two of one size, and one whose size tells."""
    mail = [*MAIL[:4], message(5, "text 5\n" * 9)]

    def ring(s, arg):
        other = {"3": 4, "4": 5, "5": 3}.get(arg)
        return other and b"+OK\r\n" + stuffed(s.mail[other - 1][1])
    first, liar = all_home(tmp, 76, mail, RETR=ring)
    said(first, "may have answered other commands")
    assert first.reports[-1]["deleted"] <= 2, first


def another(swap):
    """For each of these numbers the message of another number."""
    def reply(s, arg):
        number = swap.get(int(arg))
        return number and s.honest("RETR", number)
    return reply


def test_each_message_is_another_from_the_first_visit_on(tmp):
    """[W5] No size is as listed, so that sizes seem to tell nothing: but each is
    that of another one. Some came twice, some never."""
    mail = [message(i, f"text {i}\n" * i) for i in range(1, 7)]
    first, liar = all_home(tmp, 76, mail, RETR=another(
        {1: 2, 2: 3, 3: 2, 4: 1, 5: 1, 6: 2}))
    said(first, "another size than the server lists")
    assert first.reports[-1]["deleted"] == 0, first
    assert liar.count("TOP") >= 6, liar.commands


def test_each_message_is_another_and_no_top_tells(tmp):
    """[W5] It is fetched once more."""
    mail = [message(i, f"text {i}\n" * i) for i in range(1, 5)]
    first, liar = all_home(tmp, 0, mail, RETR=another(
        {1: 2, 2: 3, 3: 2, 4: 1}), TOP=lambda s, a: b"-ERR no\r\n")
    assert first.reports[-1]["deleted"] == 0, first
    assert liar.count("TOP") >= 1, liar.commands


def test_a_doubt_where_quit_deletes_what_was_fetched(tmp):
    """[Q3] [W5] EXPIRE 0: the connection is closed without it."""
    mail = [message(i, f"text {i}\n" * i) for i in range(1, 5)]
    with Liar(tmp, mail, RETR=another({1: 2, 2: 3, 3: 2, 4: 1}),
              TOP=lambda s, a: b"-ERR no\r\n") as liar:
        liar.capa.append("EXPIRE 0")
        sled = Sled(tmp, {"home": liar})
        fetch(sled)
        assert liar.count("QUIT") == 0 and len(liar.mail) == 4, liar.commands


def test_each_message_is_another_and_the_line_ends_at_a_look_at_one(tmp):
    """[W5] Each such look ends a line: then it is fetched without [W4]."""
    mail = [message(i, f"text {i}\n" * i) for i in range(1, 5)]
    first, liar = all_home(tmp, 75, mail, 6, RETR=another(
        {1: 2, 2: 3, 3: 2, 4: 1}), TOP=hang_up)
    assert first.reports[-1]["deleted"] == 0, first


def with_a_field(verb):
    """As servers do that add to the header on its way."""
    def reply(s, arg):
        ok, octets = s.honest(verb, arg).split(b"\r\n", 1)
        return ok + b"\r\nX-Spring: ice melts\r\n" + octets
    return reply


def test_a_server_that_adds_a_field_pays_one_flight(tmp):
    """Two of its messages are of the size that another is listed with: a TOP
    each, in the visit that fetches them, which deletes all; and none once it is
    known that its sizes tell nothing."""
    extra = len("X-Spring: ice melts\r\n")
    mail = [message(i, "text" + "." * (i * extra) + "\n")
            for i in (1, 2, 3, 9, 12)]
    with Liar(tmp, mail, **{v: with_a_field(v) for v in ("RETR", "TOP")}
              ) as liar:
        sled = Sled(tmp, {"home": liar})
        done = fetch(sled)
        assert done.status == 0 and not liar.mail, done
        assert liar.count("TOP") == 2, liar.commands
        assert liar.count("TOP", "1 0") == liar.count("TOP", "2 0") == 1
        liar.mail = {f"more{i}": wire(m) for i, m in enumerate(mail)}
        done = fetch(sled)
        assert done.status == 0 and not liar.mail, done
        assert liar.count("TOP") == 2, liar.commands


def test_a_line_that_drops_between_equal_sizes_costs_one_top(tmp):
    """[W1] Nothing is fetched again for it."""
    with Pop3d(tmp, "--generate", "6,3000", "--fault",
               "RETR:4:close-after=1500") as server:
        sled = Sled(tmp, {"home": server}, account={"timeout": "5s"})
        assert fetch(sled).status == 75
        done = fetch(sled)
        assert done.status == 0 and done.reports[-1]["deleted"] == 6, done
        assert len(server.commands("TOP")) <= 1, server.lines()
        assert max(server.retrs_by_name().values()) <= 2
