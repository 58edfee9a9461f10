"""Mail that is left on the server: a visit asks for what changed, and what it
remembers of the rest is never the ground for a DELE or a RETR."""
import contextlib
import sqlite3

from harness import Pop3d, Sled, fill_folder, message, same_mail, wire
from test_fetch_mail import report
from test_fetch_same import kept

NEVER = {"delete": "never"}


def named(first, count):
    return {f"{n:05}": message(n) for n in range(first, first + count)}


def serve(tmp, mail):
    return Pop3d(tmp, folder=fill_folder(tmp / "mail", mail))


def asked(server, since):
    """(whole listings, numbers) asked for by UIDL since then."""
    args = [a for _, _, a in server.commands("UIDL")[since:]]
    return args.count(""), [int(a) for a in args if a]


def age(sled, count):
    """The first COUNT messages came two hours ago."""
    ledger = sled.path / ".mailsled/ledger.db"
    with contextlib.closing(sqlite3.connect(ledger)) as db:
        db.execute("UPDATE message SET received = received - 7200"
                   " WHERE number <= ?", (count,))
        db.commit()


def visit(sled, server):
    """The report of one visit, and what it asked for by UIDL."""
    since = server.count("UIDL")
    row = report(sled.fetch())
    return row, *asked(server, since)


def test_nothing_new_asks_for_the_last_one_only(tmp):
    with serve(tmp, named(0, 200)) as server:
        sled = Sled(tmp, {"home": server}, account=NEVER)
        assert visit(sled, server)[1:] == (1, [])
        row, whole, numbers = visit(sled, server)
        assert (row["kept"], row["fetched"]) == (200, 0), row
        assert (whole, numbers) == (0, [200])


def test_new_mail_is_asked_for_alone(tmp):
    mail = named(0, 200)
    with serve(tmp, mail) as server:
        sled = Sled(tmp, {"home": server}, account=NEVER)
        report(sled.fetch())
        more = named(200, 5)
        fill_folder(server.folder, more)
        row, whole, numbers = visit(sled, server)
        assert (row["kept"], row["fetched"]) == (205, 5), row
        assert (whole, numbers) == (0, list(range(200, 206)))
        same_mail(kept(sled), [wire(m) for m in (mail | more).values()])
        assert visit(sled, server)[1:] == (0, [205])


def test_what_another_client_deleted_is_found_by_a_search(tmp):
    mail = named(0, 300)
    with serve(tmp, mail) as server:
        sled = Sled(tmp, {"home": server}, account=NEVER)
        report(sled.fetch())
        for n in range(120, 140):
            (server.folder / f"{n:05}.eml").unlink()
        fill_folder(server.folder, named(300, 5))
        row, whole, numbers = visit(sled, server)
        assert (row["kept"], row["fetched"]) == (285, 5), row
        assert whole == 0 and len(numbers) < 100, (whole, numbers)
        there = sum(m["on_server"] is True for m in sled.list())
        assert there == 285, there


def test_other_ids_are_listed_whole(tmp):
    with serve(tmp, named(0, 200)) as server:
        sled = Sled(tmp, {"home": server}, account=NEVER)
        report(sled.fetch())
        server.stop()
        server.args += ["--uid-mode", "hash"]
        server.start(server.port)
        row, whole, _ = visit(sled, server)
        assert (row["kept"], row["fetched"], whole) == (200, 0, 1), row


def test_what_is_due_is_asked_for_before_it_is_deleted(tmp):
    with serve(tmp, named(0, 200)) as server:
        sled = Sled(tmp, {"home": server}, account=NEVER)
        report(sled.fetch())
        sled.account_keys["delete"] = "verified"
        sled.write()
        row, whole, numbers = visit(sled, server)
        assert row["deleted"] == 200 and server.left() == [], row
        assert whole == 1 or numbers == list(range(1, 201)), numbers


def test_a_few_that_are_due_are_asked_for_by_number(tmp):
    with serve(tmp, named(0, 10)) as server:
        sled = Sled(tmp, {"home": server}, account=NEVER)
        report(sled.fetch())
        fill_folder(server.folder, named(10, 190))
        report(sled.fetch())
        sled.account_keys["delete"] = "after 1h"
        sled.write()
        age(sled, 10)
        row, whole, numbers = visit(sled, server)
        assert (row["deleted"], row["kept"]) == (10, 190), row
        assert (whole, sorted(numbers)) == (0, [*range(1, 11), 200])
        assert server.left() == [f"{n:05}.eml" for n in range(10, 200)]
        assert visit(sled, server)[1:] == (0, [190])


def test_a_message_left_by_a_cut_is_asked_for_and_fetched(tmp):
    mail = named(0, 100)
    with serve(tmp, mail) as server:
        sled = Sled(tmp, {"home": server}, account=NEVER)
        server.stop()
        server.args += ["--fault", "RETR:95:close"]
        server.start(server.port)
        row = sled.fetch().reports[0]
        assert row["fetched"] == 94 and row["exit"] == 75, row
        row, whole, numbers = visit(sled, server)
        assert (row["kept"], row["fetched"]) == (100, 6), row
        # The last that came is proved: those behind it have its size.
        assert (whole, sorted(numbers)) == (0, list(range(94, 101)))
        same_mail(kept(sled), [wire(m) for m in mail.values()])
