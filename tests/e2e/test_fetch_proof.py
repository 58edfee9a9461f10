"""[D1] What is deleted was proved: servers whose answers, or what another
client did between two visits, would have a message deleted that never came; and
what nothing can prove is not paid for at each visit."""
from collections import Counter

from harness import Sled, message, untar, wire
from liar import CAPA, Liar, stuffed
from lying import MAIL, fetch, said
from test_fetch_aside import hang_up, only, skip, with_a_field
from test_fetch_doubt import (all_home, behind, by_id, half, hold, keep_back,
                              kill_waiting)


def held_back(verb):
    """The honest answer, one command late: what came before it goes first."""
    def reply(s, arg):
        back, s.back = getattr(s, "back", b""), s.honest(verb, arg)
        return back
    return reply


def late(s):
    """From now on each answer waits for the next command, whichever it is."""
    s.liar.lies.update({verb: held_back(verb)
                        for verb in ("TOP", "RETR", "DELE", "STAT", "QUIT")})


def refuse(*_):
    return b"-ERR not this one\r\n"


def forget(sled):
    for ledger in sled.path.glob(".mailsled/ledger.db*"):
        ledger.unlink()


def stored(tmp, mail, **keys):
    """A server whose mail was fetched, and is to be deleted from now on."""
    liar = Liar(tmp, mail, **keys)
    sled = Sled(tmp, {"home": liar}, account={"delete": "never"})
    assert fetch(sled).status == 0
    sled.account_keys["delete"] = "verified"
    sled.write()
    return liar, sled


# ---- the order of replies ----

def test_a_refusal_of_a_header_that_came_twice(tmp):
    """[W5] The second one answers what is asked next: of the others each gets
    the answer of the one before it, and the last one none."""
    for number in ("1", "5"):
        here = tmp / number
        liar, sled = stored(here, MAIL)
        with liar:
            forget(sled)
            later = [message(10 + i, "text\n" * 4) for i in range(5)]
            liar.mail = dict(zip(liar.mail, map(wire, later)))

            def top(s, arg):
                if arg != number + " 0":
                    return None
                late(s)
                s.back = b"-ERR not now\r\n"
                return s.back
            liar.lies["TOP"] = top
            fetch(sled)
            assert liar.count("TOP") == len(MAIL)
            all_home(here, sled, liar, later)


def test_an_answer_too_many_before_messages_of_one_size(tmp):
    """[W5] Of no size that is listed: the message seems to be cut, and those
    behind it whole. The last one never came."""
    for known in (False, True):
        here = tmp / str(known)

        def more(s, arg):
            if s.mail[int(arg) - 1][0] != "id2":
                return None
            late(s)
            s.back = s.honest("RETR", arg)
            return b"+OK\r\nno message at all\r\n.\r\n"
        with Liar(here, MAIL[:1] if known else MAIL) as liar:
            sled = Sled(here, {"home": liar})
            if known:
                assert fetch(sled).status == 0
                liar.mail = {f"id{i}": wire(m)
                             for i, m in enumerate(MAIL[1:], 2)}
            liar.lies["RETR"] = more
            done = fetch(sled)
            assert done.status == 76, done
            said(done, "may have answered other commands")
            all_home(here, sled, liar, MAIL[1:] if known else MAIL)


def test_an_answer_that_comes_behind_others(tmp):
    """[W5] None is too few or too many, but that of the second, refused or cut,
    stands behind the next one's or all: what has its size shows its header."""
    for wrong in (refuse, lambda s, _: half(s, "2")):
        for behind_it in ("id3", "id5"):
            here = tmp / str(len(list(tmp.iterdir())))
            with Liar(here, MAIL, RETR=by_id(id2=skip, **{
                    behind_it: lambda s, a: s.honest("RETR", a) + wrong(s, a)
                    })) as liar:
                sled = Sled(here, {"home": liar})
                done = fetch(sled)
                said(done, "may have answered other commands")
                all_home(here, sled, liar, MAIL)


def test_a_refusal_that_is_one_answer_too_many(tmp):
    """[W5] In other words than the first, or before the message itself: the
    last one's answer is still on its way when all seems to have come."""
    for more in (lambda s, a: b"-ERR nor ever\r\n",
                 lambda s, a: s.honest("RETR", a)):
        here = tmp / str(len(list(tmp.iterdir())))
        with Liar(here, MAIL, DELE=hold, STAT=behind("STAT"),
                  QUIT=behind("QUIT"), RETR=by_id(
                      id2=lambda s, a: refuse() + more(s, a), id5=keep_back)
                  ) as liar:
            sled = Sled(here, {"home": liar})
            assert fetch(sled).status == 76
            all_home(here, sled, liar, MAIL)


def test_an_answer_too_many_that_looks_like_the_one_to_stat(tmp):
    """[W5] But for its figures; the rest of it comes later."""
    def numbered(s, arg):
        return b"+OK %s 0" % s.size(int(arg)) + s.honest("RETR", arg)[3:]

    def more(s, arg):
        s.liar.lies["RETR"] = one_late
        s.back = numbered(s, arg)
        return b"+OK\r\nno message at all\r\n.\r\n"

    def one_late(s, arg):
        back, s.back = s.back, numbered(s, arg)
        return back

    def stat(s, arg):
        first, end, s.back = getattr(s, "back", b"").partition(b"\r\n")
        return first + end or None
    # No header tells: then only the order of the answers does.
    with Liar(tmp, MAIL, RETR=only("id2", more), STAT=stat,
              DELE=behind("DELE"), TOP=refuse,
              capa=[c for c in CAPA if c != "TOP"]) as liar:
        sled = Sled(tmp, {"home": liar})
        done = fetch(sled)
        assert done.status == 76 and not liar.count("DELE"), done
        said(done, "STAT is answered by")
        all_home(tmp, sled, liar, MAIL)


def test_one_message_given_for_another_of_its_size(tmp):
    """[W5] As from an index that is damaged: its own octets never came, and
    those that did are another's, which came as well."""
    for wrong, given in (("id4", "2"), ("id2", "4"), ("id2", "3")):
        here = tmp / (wrong + given)
        with Liar(here, MAIL, RETR=only(
                wrong, lambda s, a: s.honest("RETR", given))) as liar:
            sled = Sled(here, {"home": liar})
            for _ in range(2):
                done = fetch(sled)
                assert wrong in liar.mail, done
            assert sled.run("want", *(
                r["id"] for r in sled.run("--json", "held").json)).status == 0
            all_home(here, sled, liar, MAIL)


def test_twins_that_lie_apart_are_deleted(tmp):
    """Delivered twice: a header each is what it costs."""
    mail = [MAIL[0], MAIL[1], MAIL[2], MAIL[1]]
    with Liar(tmp, mail) as liar:
        sled = Sled(tmp, {"home": liar})
        done = fetch(sled)
        assert done.status == 0 and not liar.mail, done
        assert liar.count("TOP") <= 2, liar.commands
        assert len(untar(sled.path, tmp / "out")) == 4


def test_twins_whose_headers_top_rewrites_are_deleted(tmp):
    """Both show the same one: neither was given for the other."""
    mail = [*MAIL, message(7, "twin\n"), message(7, "twin\n")]
    with Liar(tmp, mail, TOP=with_a_field("TOP")) as liar:
        sled = Sled(tmp, {"home": liar})
        done = fetch(sled)
        assert done.status == 0 and not liar.mail, done
        said(done, "")
        assert len(liar.wanted) == 7 and liar.count("TOP") == 2, liar.commands
        assert len(untar(sled.path, tmp / "out")) == 7


def test_one_given_for_another_where_top_rewrites_headers(tmp):
    """[W5] Beside two that are twins: each shows its own, or no header at all,
    or the line ends at it."""
    mail = [*MAIL, MAIL[0]]
    add = with_a_field("TOP")
    for visits, top in ((2, add), (1, only("id4", refuse)),
                        (1, only("id1", refuse)), (1, only("id4", hang_up))):
        here = tmp / str(len(list(tmp.iterdir())))
        with Liar(here, mail, TOP=lambda s, a, t=top: t(s, a) or add(s, a),
                  RETR=only("id4", lambda s, a: s.honest("RETR", "1"))
                  ) as liar:
            sled = Sled(here, {"home": liar})
            for _ in range(visits):
                done = fetch(sled)
                assert "id4" in liar.mail, done
            sled.run("want", *(
                r["id"] for r in sled.run("--json", "held").json))
            all_home(here, sled, liar, mail)


def renumbered(tmp, top, order):
    """All ids are new, one message is gone and one is new, all of one size: each
    shows its header, and TOP lies; then the server is honest."""
    liar, sled = stored(tmp, MAIL)
    with liar:
        more = message(9, "text 9\n" * 3)
        old = list(liar.mail.values())
        liar.mail = {f"new{i}": m for i, m in enumerate(
            [*(old[n] for n in order), wire(more), old[4]], 1)}
        liar.lies["TOP"] = top
        sled.account_keys["timeout"] = "1s"
        sled.write()
        assert fetch(sled).status
        assert liar.count("TOP") == len(MAIL)
        all_home(tmp, sled, liar, [*MAIL, more])


def test_a_header_too_few_under_new_ids(tmp):
    """[S4] That of the next one was taken for it, and proved what never came."""
    renumbered(tmp, only("new4", skip), (1, 0, 2))


def test_a_header_too_many_under_new_ids(tmp):
    """[S4] The same, the other way."""
    def twice(s, arg):
        if arg != "1 0":
            return None
        late(s)
        s.back = s.honest("TOP", arg)
        return s.back
    renumbered(tmp, twice, (0, 1, 2))


def test_a_line_that_drops_among_many_headers(tmp):
    """[S4] Each proved the row of its own id: it stays proved, and mail that is
    new gets its turn."""
    mail = [message(i, f"text {i}\n" * 3) for i in range(10, 30)]
    liar, sled = stored(tmp, mail)

    def some(s, _):
        s.tops = getattr(s, "tops", 0) + 1
        return hang_up(s, _) if s.tops > 12 else None
    with liar:
        liar.lies["QUIT"] = hang_up
        fetch(sled)
        assert len(liar.mail) == 20 and liar.count("DELE") == 20
        new = message(30, "new\n")
        liar.mail["new"] = wire(new)
        liar.lies = {"TOP": some}
        assert fetch(sled).status == 75
        done = fetch(sled)
        assert done.status == 0 and not liar.mail, done
        assert liar.count("TOP") <= 13 + 9, liar.commands
        # But that at which the line ended: no TOP is tried for it again [W4].
        assert len(liar.wanted) <= 20 + 1 + 1, liar.wanted
        assert len(untar(sled.path, tmp / "out")) == 21


# ---- a visit that was killed ----

def test_killed_and_the_other_one_of_its_size_is_taken_away(tmp):
    """By another client, before the next visit: the last that came may be that
    one all the same."""
    mail = [*MAIL[:2], *(message(i, "text\n" * i) for i in (7, 8))]
    with Liar(tmp, mail, RETR=only("id1", skip)) as liar:
        sled = Sled(tmp, {"home": liar})
        liar.mail = dict(list(liar.mail.items())[:2])
        kill_waiting(sled, 1)
        del liar.mail["id2"]
        all_home(tmp, sled, liar, mail[:1])


def test_killed_where_another_one_has_two_octets_more(tmp):
    """Those are what servers add to a message without a last line end."""
    mail = [message(1, "same\n"), message(2, "same..\n")]
    with Liar(tmp, mail, RETR=only("id1", skip)) as liar:
        sled = Sled(tmp, {"home": liar})
        kill_waiting(sled, 1)
        all_home(tmp, sled, liar, mail)


# ---- what a header does not prove ----

def test_a_message_that_is_cut_and_a_ledger_that_is_lost(tmp):
    """[S3] Its header is whole: from the archives alone it must not be taken
    for the message."""
    mail = [message(i, f"text {i}\n" * 40 * i) for i in range(1, 6)]
    with Liar(tmp, mail, RETR=only("id1", half)) as liar:
        sled = Sled(tmp, {"home": liar})
        done = fetch(sled)
        assert done.status == 76 and list(liar.mail) == ["id1"], done
        forget(sled)
        all_home(tmp, sled, liar, mail)


def test_a_message_that_grew(tmp):
    """[S1] Listed and fetched while it was being delivered: it has its header
    by then, and most of its text later."""
    whole = message(3, "text\n" * 2000)
    mail = [*MAIL[:2], whole[:400]]
    liar, sled = stored(tmp, mail)
    with liar:
        liar.mail["id3"] = wire(whole)
        all_home(tmp, sled, liar, [*MAIL[:2], whole])


# ---- what is not paid for again and again ----

def another(swap):
    def reply(s, arg):
        number = swap.get(int(arg))
        return number and s.honest("RETR", str(number))
    return reply


def test_the_same_lie_at_each_visit_is_paid_twice(tmp):
    """[W4] Each message is another one, and a TOP shows it: not asked for a
    third time but when it is wanted."""
    mail = [message(i, f"text {i}\n" * i) for i in range(1, 5)]
    lie = another({1: 2, 2: 3, 3: 2, 4: 1})
    with Liar(tmp, mail, RETR=lie) as liar:
        sled = Sled(tmp, {"home": liar})
        for _ in range(2):
            done = fetch(sled)
            assert done.status == 76 and len(liar.mail) == 4, done
        said(done, "mailsled want")
        for _ in range(3):
            done = fetch(sled)
            assert done.status == 0, done
            assert done.reports[-1]["held"] == 4, done
            said(done, "is set aside")
            said(done, "mailsled want")
        assert max(Counter(liar.wanted).values()) == 2, liar.wanted
        out = sled.run("held").out
        assert "mailsled want" in out, out
        rows = sled.run("--json", "held").json
        assert len(rows) == 4 and not any(r["again"] for r in rows), rows
        # New mail is not kept back by them.
        liar.mail["new"] = wire(message(9, "new\n"))
        done = fetch(sled)
        assert done.status == 0 and len(liar.mail) == 4, done
        # Still lying: one more try, and back to the server it goes.
        assert sled.run("want", rows[0]["id"]).status == 0
        done = fetch(sled)
        assert done.status == 76 and len(liar.mail) == 4, done
        assert fetch(sled).status == 0
        assert max(Counter(liar.wanted).values()) == 3, liar.wanted
        liar.lies.clear()
        ids = [r["id"] for r in sled.run("--json", "held").json]
        assert sled.run("want", *ids).status == 0
        all_home(tmp, sled, liar, [*mail, message(9, "new\n")])


def test_other_octets_at_each_visit_are_paid_twice(tmp):
    """[W4] Never those that are listed."""
    def worse(s, arg):
        octets = s.mail[int(arg) - 1][1]
        return b"+OK\r\n" + stuffed(octets[:-40 * s.number] + b"\r\n")
    mail = [message(i, f"text {i}\n" * 40 * i) for i in range(1, 6)]
    with Liar(tmp, mail, RETR=only("id2", worse)) as liar:
        sled = Sled(tmp, {"home": liar})
        for _ in range(5):
            done = fetch(sled)
            assert list(liar.mail) == ["id2"], done
        assert done.status == 0, done
        said(done, "mailsled want")
        assert liar.wanted.count("id2") == 2, liar.wanted
        liar.lies.clear()
        row, = sled.run("--json", "held").json
        assert sled.run("want", row["id"]).status == 0
        all_home(tmp, sled, liar, mail)


def test_one_that_is_always_refused_costs_no_other_a_third_time(tmp):
    """[W4] Those of its size go when their header is shown; where none is, or
    another one, they are paid for once more at most."""
    for visits, paid, top, gone in ((1, 1, None, True), (2, 2, refuse, True),
                                    (4, 2, with_a_field("TOP"), False)):
        here = tmp / str(len(list(tmp.iterdir())))
        with Liar(here, MAIL, RETR=only("id2", refuse)) as liar:
            if top is not None:
                liar.lies["TOP"] = top
            sled = Sled(here, {"home": liar})
            for _ in range(visits):
                done = fetch(sled)
            assert not gone or list(liar.mail) == ["id2"], done
            times = Counter(liar.wanted)
            del times["id2"]
            assert set(times.values()) == {paid}, liar.wanted
            assert len(untar(sled.path, here / "out")) == 4


def test_one_that_was_in_doubt_and_came_cut_once(tmp):
    """[W4] No TOP tells, and it is fetched again, for the doubt alone: that is
    no second time that it came wrong."""
    with Liar(tmp, MAIL, TOP=refuse, RETR=only("id2", skip)) as liar:
        sled = Sled(tmp, {"home": liar}, account={"timeout": "1s"})
        assert fetch(sled).status
        assert "id4" in liar.mail
        liar.lies["RETR"] = only("id4", half)
        liar.wanted.clear()
        done = fetch(sled)
        assert "id4" in liar.wanted and "id4" in liar.mail, done
        all_home(tmp, sled, liar, MAIL)


def test_a_first_visit_in_which_most_came_cut(tmp):
    """[S3] One that is as long as it was listed shows how long the others are."""
    for count, whole in ((2, "1"), (2, "2"), (3, "1"), (3, "3")):
        here = tmp / f"{count}-{whole}"
        mail = [message(i, f"text {i}\n" * 9 * i) for i in range(count)]

        def cut(s, arg):
            return None if arg == whole else half(s, arg)
        with Liar(here, mail, RETR=cut) as liar:
            sled = Sled(here, {"home": liar})
            done = fetch(sled)
            assert done.status == 76 and len(liar.mail) == count - 1, done
            assert f"{count - 1} whose answers" in sled.run("status").out
            all_home(here, sled, liar, mail)
            assert "on server" not in sled.run("status").out


def test_no_ids_and_a_place_that_is_away(tmp):
    """[S2] It cannot be deleted before the place is back: until then it is not
    fetched again."""
    with Liar(tmp, MAIL, capa=[c for c in CAPA if c != "UIDL"],
              UIDL=lambda s, a: b"-ERR what\r\n") as liar:
        sled = Sled(tmp, {"home": liar})
        liar.mail, mail = {}, liar.mail
        assert fetch(sled).status == 0
        away = sled.copies[0].rename(tmp / "away")
        liar.mail = mail
        for _ in range(3):
            done = fetch(sled)
            assert done.status == 73 and len(liar.mail) == 5, done
        assert max(Counter(liar.wanted).values()) == 1, liar.wanted
        away.rename(sled.copies[0])
        done = fetch(sled)
        assert done.status == 0 and not liar.mail, done
        assert max(Counter(liar.wanted).values()) == 2, liar.wanted
        assert len(untar(sled.path, tmp / "out")) == 5
