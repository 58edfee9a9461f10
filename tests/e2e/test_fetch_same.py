"""Is it the same message? Servers whose unique-ids and sizes cannot be
trusted: nothing is deleted unseen, and nothing known is fetched again."""
import shutil

from harness import (Mailutils, Pop3d, Sled, fill_folder, message, same_mail,
                     untar, wire)
from lying import fetch
from test_fetch_mail import report, stored_whole

KEEP = {"delete": "never"}


def serve(tmp, mail, *args):
    return Pop3d(tmp, *args, folder=fill_folder(tmp / "mail", mail))


def exchange(server, mail, *args):
    """The server anew, with other mail in the same folder."""
    server.stop()
    shutil.rmtree(server.folder)
    fill_folder(server.folder, mail)
    server.args = list(args)
    server.start(server.port)


def kept(sled):
    """What the first place holds, read by tar."""
    folder = sled.dir / f"out{len(list(sled.dir.glob('out*')))}"
    return list(untar(sled.path, folder).values())


def delete_now(sled):
    sled.account_keys["delete"] = "verified"
    sled.write()


def sized(number, text, octets=300):
    """Messages of one size, each with another head."""
    start = message(number, "", subject=text)
    return start + b"x" * (octets - len(start) - 1) + b"\n"


def test_reused_ids_with_another_size(tmp):
    """[S1]"""
    old = {"a": message(1, "old\n"), "b": message(2, "two\n")}
    new = {"a": message(3, "a new one, and longer\n"), "b": old["b"]}
    with serve(tmp, old) as server:
        sled = Sled(tmp, {"home": server}, account=KEEP)
        report(fetch(sled))
        exchange(server, new)
        delete_now(sled)
        row = report(fetch(sled))
        assert (row["fetched"], row["deleted"], row["kept"]) == (1, 1, 1), row
        # The other one needs its header first, now that an id was used again.
        row = report(fetch(sled))
        assert (row["fetched"], row["deleted"]) == (0, 1), row
        assert server.left() == []
        same_mail(kept(sled), [wire(m) for m in
                               (old["a"], old["b"], new["a"])])


def test_what_a_proof_shows_to_be_new_is_held_where_it_is_large(tmp):
    old = {"a": sized(1, "first"), "b": sized(2, "second")}
    new = {"a": sized(3, "third", 9000), "b": sized(4, "fourth", 400)}
    with serve(tmp, old) as server:
        sled = Sled(tmp, {"home": server},
                    account={**KEEP, "hold-larger": "4KiB"})
        report(fetch(sled))
        exchange(server, new)
        row = report(fetch(sled))
        assert (row["fetched"], row["held"], row["kept"]) == (1, 1, 1), row
        assert "a" not in server.mails("RETR")[2:], server.mails("RETR")


def test_reused_ids_with_the_same_size_and_rows_made_anew(tmp):
    """The ledger is gone, so a TOP is asked for before any DELE."""
    old = {"a": sized(1, "first"), "b": sized(2, "second")}
    new = {"a": sized(3, "third"), "b": old["b"]}
    assert len(wire(old["a"])) == len(wire(new["a"]))
    with serve(tmp, old) as server:
        sled = Sled(tmp, {"home": server}, account=KEEP)
        report(fetch(sled))
        exchange(server, new)
        (sled.path / ".mailsled/ledger.db").unlink()
        delete_now(sled)
        row = report(fetch(sled))
        assert (row["fetched"], row["deleted"]) == (1, 2), row
        assert server.count("TOP") >= 2 and server.left() == []
        same_mail(kept(sled), [wire(m) for m in
                               (old["a"], old["b"], new["a"])])


def test_an_id_of_the_same_size_behind_a_lost_quit(tmp):
    """[Q2] [S1]"""
    """That a DELE was sent is known, though its QUIT was answered to nobody:
    what is listed under the id now may be other mail."""
    old = {"a": sized(1, "first"), "b": sized(2, "second")}
    new = {"a": sized(3, "third"), "b": old["b"]}
    with serve(tmp, old, "--drop-quit") as server:
        sled = Sled(tmp, {"home": server})
        row = report(sled.fetch(), 75)
        assert row["deleted"] == 0 and server.left() == [], row
        exchange(server, new)
        row = report(fetch(sled))
        assert (row["fetched"], row["deleted"]) == (1, 2), row
        assert server.count("TOP") == 2 and server.left() == []
        same_mail(kept(sled), [wire(m) for m in
                               (old["a"], old["b"], new["a"])])


def test_ids_that_come_back_after_they_were_gone(tmp):
    """id-1, id-2, ... each time: the next mail takes the ids of the last."""
    with serve(tmp, [sized(i, "one") for i in range(10)],
               "--uid-mode", "reuse") as server:
        sled = Sled(tmp, {"home": server})
        mail = [sized(i, "one") for i in range(10)]
        assert report(fetch(sled))["deleted"] == 10
        for turn in ("two", "six"):
            more = [sized(i, turn) for i in range(7)]
            exchange(server, more, "--uid-mode", "reuse")
            mail += more
            row = report(fetch(sled))
            assert (row["fetched"], row["deleted"]) == (7, 7), row
        same_mail(kept(sled), [wire(m) for m in mail])


def test_ids_that_move_up_are_seen(tmp):
    """By position: what was m2 is m1 once m1 is gone, of one size."""
    mail = [sized(i, f"mail {i}") for i in range(6)]
    with serve(tmp, mail, "--uid-mode", "reuse") as server:
        sled = Sled(tmp, {"home": server}, account=KEEP)
        assert report(fetch(sled))["fetched"] == 6
        more = [sized(i, f"mail {i}") for i in range(3, 9)]
        exchange(server, more, "--uid-mode", "reuse")
        (sled.path / ".mailsled/ledger.db").unlink()
        delete_now(sled)
        row = report(fetch(sled))
        assert row["deleted"] == 6, row
        have = set(kept(sled))
        assert {wire(m) for m in mail + more} <= have, "deleted unseen"


def renumbered(tmp, step):
    """Sizes in the order of the listing for STEP 1, mixed for others: a visit
    fetches the small ones first."""
    mail = [message(i, "line\n" * (i * step % 45)) for i in range(45)]
    with serve(tmp, mail, "--uid-mode", "renumber") as server:
        sled = Sled(tmp, {"home": server}, account=KEEP)
        assert report(fetch(sled))["fetched"] == 45
        for _ in range(2):
            row = report(fetch(sled))
            assert (row["fetched"], row["kept"]) == (0, 45), row
        # First, last, every 20th; without the order, each one.
        assert server.count("TOP") <= 2 * (5 if step == 1 else 45)
        delete_now(sled)
        row = report(fetch(sled))
        assert (row["fetched"], row["deleted"]) == (0, 45), row
        assert server.retrs() == 45 and server.left() == []
        stored_whole(sled, mail, tmp)


def test_renumbered_ids_fetch_nothing(tmp):
    renumbered(tmp, 1)


def test_renumbered_ids_of_mail_in_another_order_fetch_nothing(tmp):
    renumbered(tmp, 7)


def test_renumbered_ids_with_new_mail_behind(tmp):
    """Whatever it takes, nothing is lost; what was known is not kept twice."""
    mail = [message(i, "line\n" * i) for i in range(20)]
    with serve(tmp, mail, "--uid-mode", "renumber") as server:
        sled = Sled(tmp, {"home": server}, account=KEEP)
        report(fetch(sled))
        mail += [message(i, "more\n" * (i % 7)) for i in range(20, 25)]
        exchange(server, mail, "--uid-mode", "renumber")
        delete_now(sled)
        row = report(fetch(sled))
        assert row["deleted"] == 25 and server.left() == [], row
        same_mail(kept(sled), [wire(m) for m in mail])


def test_growing_sizes_fetch_nothing(tmp):
    mail = [message(i, "line\n" * i) for i in range(30)]
    with serve(tmp, mail, "--size-mode", "grow") as server:
        sled = Sled(tmp, {"home": server}, account=KEEP)
        assert report(fetch(sled))["fetched"] == 30
        for _ in range(3):
            row = report(fetch(sled))
            assert (row["fetched"], row["kept"]) == (0, 30), row
        delete_now(sled)
        row = report(fetch(sled))
        assert (row["fetched"], row["deleted"]) == (0, 30), row
        assert server.retrs() == 30 and server.left() == []


def test_mailutils_over_an_mbox(tmp):
    """It adds X-UID and X-IMAPbase, so that its sizes grow."""
    mail = [message(i, "line\n" * i) for i in range(25)]
    with Mailutils(mail) as server:
        sled = Sled(tmp, {"home": server}, account=KEEP)
        assert report(fetch(sled))["fetched"] == 25
        for _ in range(3):
            row = report(fetch(sled))
            assert (row["fetched"], row["kept"]) == (0, 25), row
        delete_now(sled)
        row = report(fetch(sled))
        assert (row["fetched"], row["deleted"]) == (0, 25), row
        assert server.left() == 0
        assert len(kept(sled)) == len(sled.list()) == 25


def test_ids_of_no_use(tmp):
    """[S2]"""
    """Empty, double, too long, or none at all: DELE only what was fetched."""
    mail = [message(i) for i in range(7)]
    for option in (("--uid-mode", "empty"), ("--uid-mode", "double"),
                   ("--uid-mode", "long"), ("--uid-mode", "control"),
                   ("--no-uidl",)):
        here = tmp / option[-1].strip("-")
        here.mkdir()
        with serve(here, mail, *option, "--lose-quit") as server:
            sled = Sled(here, {"home": server})
            row = report(fetch(sled), 75)
            assert (row["fetched"], row["deleted"]) == (7, 0), (option, row)
            exchange(server, mail, *option)
            row = report(fetch(sled))
            assert row["deleted"] == 7 and server.left() == [], (option, row)
            stored_whole(sled, mail, here)


def test_without_ids_what_stays_is_fetched_once(tmp):
    """[S2] By its size and header; a TOP for each is not needed."""
    mail = [message(i, "line\n" * (i % 5)) for i in range(50)]
    with serve(tmp, mail[:48], "--no-uidl") as server:
        sled = Sled(tmp, {"home": server}, account=KEEP)
        assert report(fetch(sled))["fetched"] == 48
        exchange(server, mail, "--no-uidl")
        row = report(fetch(sled))
        assert (row["fetched"], row["kept"]) == (2, 50), row
        assert server.count("TOP") <= 5, server.lines()
        assert report(fetch(sled))["fetched"] == 0
        delete_now(sled)
        assert report(fetch(sled))["deleted"] == 50 and not server.left()
        stored_whole(sled, mail, tmp)


def test_sizes_of_no_use(tmp):
    mail = [message(i, "line\n" * i) for i in range(30)]
    for mode in ("lf", "zero"):
        here = tmp / mode
        here.mkdir()
        with serve(here, mail, "--size-mode", mode) as server:
            sled = Sled(here, {"home": server}, account=KEEP)
            assert report(fetch(sled))["fetched"] == 30
            assert report(fetch(sled))["fetched"] == 0
            delete_now(sled)
            assert report(fetch(sled))["deleted"] == 30
            stored_whole(sled, mail, here)


def test_a_message_that_came_short(tmp):
    """[S3]"""
    """Kept on the server, fetched once more; then taken as it is."""
    mail = [message(i, "line of text\n" * 9) for i in range(30)]
    with serve(tmp, mail, "--fault", "RETR:25:short=100") as server:
        sled = Sled(tmp, {"home": server})
        row = report(fetch(sled), 76)
        assert row["deleted"] == 29 and row["kept"] == 1, row
        assert len(server.left()) == 1
        row = report(fetch(sled))
        assert (row["fetched"], row["deleted"]) == (1, 1), row
        assert {wire(m) for m in mail} <= set(kept(sled))
        assert server.left() == []


def expire_0(here, option, first):
    """A store that has met this server; then mail, and a wiped copy."""
    mail = {f"n{i}": message(i) for i in range(20, 32)}
    here.mkdir()
    with serve(here, first, option) as server:
        sled = Sled(here, {"home": server}, account=KEEP)
        report(fetch(sled))
        report(fetch(sled))
        assert server.left() == [] and server.deles() == 0
        exchange(server, mail, option)
        delete_now(sled)
        shutil.rmtree(sled.copies[0])
        row = report(fetch(sled), 73)
        assert (row["fetched"], row["kept"]) == (12, 12), row
        server.wait_closed()
        assert len(server.left()) == 12, "QUIT has deleted"
        assert sled.run("sync").status == 0
        row = report(fetch(sled))
        assert (row["fetched"], row["deleted"]) == (0, 12), row
        assert server.left() == []
        stored_whole(sled, [*first, *mail.values()], here)


def test_expire_0_keeps_quit_back_until_all_is_safe(tmp):
    """[Q3]"""
    expire_0(tmp / "announced", "--expire0", first=[])


def test_expire_0_that_nobody_announced_is_learned(tmp):
    """What was RETRieved in the first visit is gone, though never DELEd."""
    expire_0(tmp / "silent", "--expire0-silent",
             first=[message(i) for i in range(5)])


def test_expire_0_that_was_learned_outlives_a_kill(tmp):
    """In the visit that learns it: the rows that told are gone by then."""
    with serve(tmp, [message(i) for i in range(4)], "--expire0-silent",
               "--fault", "RETR:6:stall") as server:
        sled = Sled(tmp, {"home": server}, account=KEEP)
        report(sled.fetch())
        assert server.left() == []
        fill_folder(server.folder, {f"n{i}": message(20 + i)
                                    for i in range(4)})
        assert sled.killed("fetch", when=lambda: server.retrs() == 6) == -9
        server.wait_closed()
        shutil.rmtree(sled.copies[0])
        delete_now(sled)
        report(sled.fetch(), 73)
        server.wait_closed()
        assert len(server.left()) == 4, "QUIT has deleted"
