"""[W5] A visit that is killed judged nothing of what it brought: where a reply
was left out, or came twice, among messages of one size, the next one finds it
out all the same, before it deletes anything. An honest server costs it a TOP at
most, and no message again."""
import os
import signal
import subprocess
from collections import Counter

from harness import Pop3d, Sled, fill_folder, message, untar, wire
from liar import CAPA, Liar, stuffed
from test_fetch_aside import hang_up, only, skip
from test_fetch_kill import Disk
from test_fetch_lies import MAIL, fetch, said

assert len({len(m) for m in MAIL}) == 1
RING = [*MAIL[:4], message(5, "text 5\n" * 9), message(6, "text 6\n" * 30)]


def twice(s, arg):
    return 2 * s.honest("RETR", arg)


def by_id(**answers):
    """An answer to RETR for each of these ids, the honest one for others."""
    def reply(s, arg):
        name = s.mail[int(arg) - 1][0]
        return answers[name](s, arg) if name in answers else None
    return reply


def ring(s, arg):
    """Three answers in a ring: two of one size, and one whose size tells."""
    other = {"3": 4, "4": 5, "5": 3}.get(arg)
    return other and b"+OK\r\n" + stuffed(s.mail[other - 1][1])


def half(s, arg):
    octets = s.mail[int(arg) - 1][1]
    return b"+OK\r\n" + stuffed(octets[:len(octets) // 2] + b"\r\n")


def kill_waiting(sled, came, archived=0):
    """While it waits for an answer; so many messages came by then."""
    disk = Disk(sled)

    def there():
        return (len(disk.spooled()) == came and
                len(disk.archived(sled.path)) >= archived)
    assert sled.killed("fetch", when=there) == -9


def missing(tmp, sled, mail):
    got = untar(sled.path, tmp / "out").values()
    return len(list((Counter(map(wire, mail)) - Counter(got)).elements()))


def all_home(tmp, sled, liar, mail):
    """The server is honest from now on: each message is here in the end."""
    liar.lies.clear()
    done = fetch(sled)
    for _ in range(2):
        fetch(sled)
    assert not liar.mail, (done, liar.mail.keys())
    assert not missing(tmp, sled, mail), done
    return done


def killed(tmp, mail, came, retr, archived=0):
    with Liar(tmp, mail, RETR=retr) as liar:
        sled = Sled(tmp, {"home": liar})
        kill_waiting(sled, came, archived)
        return all_home(tmp, sled, liar, mail), liar


def test_killed_while_it_waits_for_a_reply_that_was_left_out(tmp):
    """Whichever it was: what came next was taken for it."""
    for number in (1, 2, 4):
        here = tmp / str(number)
        here.mkdir()
        killed(here, MAIL, 4, only(f"id{number}", skip))


def test_what_was_committed_by_then_is_in_doubt_too(tmp):
    mail = [message(i, f"{i} a line\n" * 4000) for i in range(10, 22)]
    killed(tmp, mail, 11, only("id2", skip), archived=5)


def test_the_power_failed_while_it_waited(tmp):
    """The last that came was not on the disk yet."""
    with Liar(tmp, MAIL, RETR=only("id2", skip)) as liar:
        sled = Sled(tmp, {"home": liar})
        kill_waiting(sled, 4)
        spool, = sled.path.glob(".mailsled/spool/*.spool")
        os.truncate(spool, spool.stat().st_size - 20)
        all_home(tmp, sled, liar, MAIL)


def test_killed_behind_a_reply_that_came_twice(tmp):
    """Before the next size could tell. Two of the four are the same one."""
    mail = [*MAIL[:4], message(5, "text 5\n" * 9)]
    killed(tmp, mail, 3, by_id(id2=twice, id4=lambda s, a: b"", id5=skip))


def test_killed_behind_replies_out_of_order(tmp):
    """One has another size than was listed: of the others any may be wrong."""
    killed(tmp, RING, 5, by_id(id3=ring, id4=ring, id5=ring, id6=skip))


def test_a_first_visit_that_was_killed_tells_what_is_short(tmp):
    """[S3] By the sizes of all that came: the server was not known before."""
    done, liar = killed(tmp, [*MAIL[:4], RING[5]], 4,
                        by_id(id1=half, id5=skip))
    said(done, "")
    assert liar.wanted.count("id1") == 2, liar.wanted
    assert max(liar.wanted.count(f"id{n}") for n in (2, 3, 4)) == 1


def test_replies_out_of_order_and_no_archive_to_write(tmp):
    """Nothing could be committed: the doubt outlives that."""
    with Liar(tmp, RING[:5], RETR=ring) as liar:
        sled = Sled(tmp, {"home": liar})
        assert sled.run("status").status in (0, 66)
        sled.path.mkdir(exist_ok=True)
        assert fetch_into_a_file(sled).status != 0
        all_home(tmp, sled, liar, RING[:5])


def fetch_into_a_file(sled):
    """A visit whose commits fail: the account's folder is none."""
    folder = sled.path / "home"
    folder.touch()
    done = fetch(sled)
    folder.unlink()
    return done


def test_a_line_that_ends_behind_a_reply_that_came_twice(tmp):
    """Not killed, only cut off, before the next size could tell."""
    mail = [*MAIL[:4], message(5, "text 5\n" * 9)]
    with Liar(tmp, mail, RETR=by_id(id2=twice, id4=hang_up)) as liar:
        sled = Sled(tmp, {"home": liar})
        assert fetch(sled).status == 75
        all_home(tmp, sled, liar, mail)


def keep_back(s, arg):
    """Until the next command, whichever it is."""
    s.back = s.honest("RETR", arg)
    return b""


def behind(verb):
    return lambda s, arg: getattr(s, "back", b"") + s.honest(verb, arg)


def test_a_visit_that_deletes_nothing_asks_for_the_order_too(tmp):
    """The next one would delete what never came."""
    with Liar(tmp, MAIL, QUIT=behind("QUIT"), STAT=behind("STAT"),
              RETR=by_id(id2=twice, id5=keep_back)) as liar:
        sled = Sled(tmp, {"home": liar}, account={"delete": "never"})
        assert fetch(sled).status == 76
        sled.account_keys["delete"] = "verified"
        sled.write()
        all_home(tmp, sled, liar, MAIL)


def test_a_visit_that_may_not_quit_asks_for_the_order_too(tmp):
    """[Q3] One place is away, and QUIT would delete what is not safe."""
    with Liar(tmp, MAIL, capa=[*CAPA, "EXPIRE 0"], STAT=behind("STAT"),
              RETR=by_id(id2=twice, id5=keep_back)) as liar:
        sled = Sled(tmp, {"home": liar})
        liar.mail, later = {}, liar.mail
        assert fetch(sled).status == 0
        liar.mail = later
        away = sled.copies[0].rename(tmp / "away")
        assert fetch(sled).status and liar.mail
        away.rename(sled.copies[0])
        all_home(tmp, sled, liar, MAIL)


def hold(s, arg):
    s.back = getattr(s, "back", b"") + s.honest("DELE", arg)
    return b""


def test_a_refusal_that_came_twice(tmp):
    """The second one answered the next message, and so on to the last."""
    with Liar(tmp, MAIL, DELE=hold, STAT=behind("STAT"), QUIT=behind("QUIT"),
              RETR=by_id(id2=lambda s, a: 2 * b"-ERR not now\r\n",
                         id5=keep_back)) as liar:
        sled = Sled(tmp, {"home": liar})
        assert fetch(sled).status
        all_home(tmp, sled, liar, MAIL)


def test_a_header_that_came_twice_shifts_what_is_fetched_behind_it(tmp):
    """Other mail has the ids now. The header of the first, or of the last one
    of them, comes twice: the last message never does."""
    for number in ("1", "5"):
        here = tmp / number
        with Liar(here, MAIL) as liar:
            sled = Sled(here, {"home": liar}, account={"delete": "never"})
            assert fetch(sled).status == 0
            for ledger in sled.path.glob(".mailsled/ledger.db*"):
                ledger.unlink()
            later = [message(10 + i, "text\n" * 4) for i in range(5)]
            liar.mail = dict(zip(liar.mail, map(wire, later)))
            sled.account_keys["delete"] = "verified"
            sled.write()

            def late(verb):
                """Each answer waits for the next command."""
                def reply(s, arg):
                    back, s.back = getattr(s, "back", b""), b""
                    if s.lied:
                        s.back = s.honest(verb, arg)
                        return back
                    return None
                return reply

            def top(s, arg):
                s.lied = getattr(s, "lied", False)
                if s.lied:
                    return late("TOP")(s, arg)
                s.lied = arg == number + " 0"
                return s.honest("TOP", arg) * (1 + s.lied)
            liar.lies.update(TOP=top, RETR=late("RETR"), DELE=behind("DELE"),
                             STAT=behind("STAT"))
            fetch(sled)
            assert len({a for _, v, a in liar.commands if v == "TOP"}) == 5
            all_home(here, sled, liar, later)


def test_a_line_that_ends_when_all_seems_to_have_come(tmp):
    """A reply came twice, and the line was lost before STAT could tell."""
    with Liar(tmp, MAIL, RETR=by_id(id2=twice, id5=hang_up)) as liar:
        sled = Sled(tmp, {"home": liar})
        assert fetch(sled).status == 75
        all_home(tmp, sled, liar, MAIL)


def honest(tmp, mail, keep=True):
    """Kills on an honest server: (TOPs, RETRs of what had come whole)."""
    names = {f"m{n}": m for n, m in enumerate(mail)}
    with Pop3d(tmp, "--fault", "RETR:5:stall-after=100",
               folder=fill_folder(tmp / "mail", names)) as server:
        sled = Sled(tmp, {"home": server})
        kill_waiting(sled, 4)
        done = fetch(sled)
        assert done.status == 0 and not server.left(), done
        assert not missing(tmp, sled, mail), done
        again = [n for n, count in server.retrs_by_name().items()
                 if count > 1 and n not in ("m4.eml", "m5.eml")]
        return server.count("TOP"), again


def test_a_kill_costs_one_top_between_equal_sizes(tmp):
    """[W1] Nothing is fetched again for it."""
    tops, again = honest(tmp, [*MAIL, message(6, "text 6\n" * 3)])
    assert tops == 1 and not again, (tops, again)


def test_a_kill_costs_nothing_where_sizes_differ(tmp):
    tops, again = honest(tmp, [message(i, "text\n" * i) for i in range(1, 7)])
    assert tops == 0 and not again, (tops, again)


def test_one_that_spoke_for_others_and_is_refused(tmp):
    """Its TOP shows that it is another message, and it does not come: then each
    of its size is in doubt, and none is deleted on the word of its id."""
    refuse = only("id4", lambda s, a: b"-ERR not now\r\n")
    with Liar(tmp, MAIL, RETR=only("id2", skip)) as liar:
        sled = Sled(tmp, {"home": liar}, account={"timeout": "1s"})
        assert fetch(sled).status == 75
        liar.lies["RETR"] = refuse
        sled.be_patient()
        done = fetch(sled)
        assert done.status == 69, done
        said(done, "may have answered other commands")
        assert liar.mail.keys() >= {"id1", "id2", "id3", "id4"}, liar.mail
        all_home(tmp, sled, liar, MAIL)


def test_told_to_stop_before_a_header_could_tell(tmp):
    """What came with the octets of another one is not deleted for the haste."""
    def stop(s, _):
        run.send_signal(signal.SIGTERM)
        while b"stopping" not in run.stdout.readline():
            pass
    with Liar(tmp, MAIL, RETR=by_id(id4=lambda s, a: s.honest("RETR", "2"),
                                    id5=stop)) as liar:
        sled = Sled(tmp, {"home": liar})
        run = subprocess.Popen(sled.argv("fetch"), stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
        assert run.wait(60) == 75
        assert liar.count("TOP") == 0 and "id4" in liar.mail, liar.commands
        all_home(tmp, sled, liar, MAIL)


def test_a_line_that_ends_behind_a_message_that_is_cut(tmp):
    """It is fetched again, and speaks for none of those before it: there a reply
    was left out."""
    def last(s, arg):
        s.done = True
        return half(s, arg)
    with Liar(tmp, MAIL, RETR=by_id(id2=skip, id5=last)) as liar:
        sled = Sled(tmp, {"home": liar})
        assert fetch(sled).status == 76
        all_home(tmp, sled, liar, MAIL)


def test_a_line_that_ends_where_another_one_has_two_octets_more(tmp):
    """The size that it came with is that of the one that did not come."""
    mail = [message(1, "same\n"), message(2, "same..\n")]
    with Liar(tmp, mail, RETR=only("id1", skip)) as liar:
        sled = Sled(tmp, {"home": liar}, account={"timeout": "1s"})
        assert fetch(sled).status == 75
        sled.be_patient()
        all_home(tmp, sled, liar, mail)


def test_a_reply_to_no_command(tmp):
    """All is committed by then; nobody knows from where on the order is lost."""
    two = b"-ERR not now\r\n-ERR not at all\r\n"
    with Liar(tmp, MAIL, RETR=only("id2", lambda s, a: two)) as liar:
        sled = Sled(tmp, {"home": liar})
        done = fetch(sled)
        assert done.status == 76, done
        said(done, "may have answered other commands")
        all_home(tmp, sled, liar, MAIL)


def test_one_in_doubt_that_is_a_row_whose_id_was_taken_away(tmp):
    """[S1] Another client deleted the one before it: its header proves that row,
    and so that the ids of this visit are not to be believed."""
    with Liar(tmp, MAIL, RETR=only("id2", skip)) as liar:
        sled = Sled(tmp, {"home": liar}, account={"timeout": "1s"})
        assert fetch(sled).status == 75
        del liar.mail["id3"]
        sled.be_patient()
        all_home(tmp, sled, liar, MAIL)


def test_a_reply_too_few_where_no_size_is_as_listed(tmp):
    """[W5] Any may be any other: the line ends, or the visit is killed; and the
    one that would show it may be taken away by another client."""
    def sizes(s, arg):
        def size(n):
            name, octets = s.mail[n - 1]
            return b"%d" % (len(octets) + 1000 * int(name[2:]))
        return s.one(arg, size) if arg else s.listed(size)
    mail = [message(i, f"text {i}\n" * i) for i in range(1, 7)]
    for kill, taken in ((False, None), (True, None), (False, "id5")):
        here = tmp / f"{kill}{taken}"
        with Liar(here, mail, LIST=sizes, RETR=only("id3", skip)) as liar:
            sled = Sled(here, {"home": liar}, account={
                "timeout": "20s" if kill else "1s"})
            if kill:
                kill_waiting(sled, 5)
            else:
                assert fetch(sled).status == 75
            sled.be_patient()
            liar.mail.pop(taken, None)
            del liar.lies["RETR"]
            for _ in range(2):
                fetch(sled)
            all_home(here, sled, liar, mail)
