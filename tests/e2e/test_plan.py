"""plan tells what a visit would fetch, without one: from sizes or from the
last listing, by the planner itself, on lines that fit."""
import contextlib
import sqlite3

from harness import Pop3d, Sled, fill_folder, message

LINK = """
[link lo]
hold-larger = none
cost = 0.50 USD/20s
"""


def course(tmp, sizes=(), conf="", **keys):
    """A server with mail of SIZES octets or so, and a store."""
    folder = fill_folder(tmp / "mail", [
        message(n, "x" * 60 + "\n") + b"z\n" * (size // 2)
        for n, size in enumerate(sizes, 1)])
    server = Pop3d(tmp, folder=folder)
    sled = Sled(tmp, {"home": server}, account=keys)
    sled.config.write_text(sled.config.read_text() + conf)
    return server, sled


def learn(sled, rate=10000, rtt_ms=500):
    """Loopback is too quick to be measured: a path put into the ledger."""
    with contextlib.closing(sqlite3.connect(
            sled.path / ".mailsled" / "ledger.db")) as ledger:
        ledger.execute("INSERT OR REPLACE INTO path (name, rate, rtt_ms, "
                       "visits, seen) VALUES ('lo', ?, ?, 3, 1)",
                       (rate, rtt_ms))
        ledger.commit()


def forget(sled):
    """A busy machine may be slow enough for loopback to be measured."""
    with contextlib.closing(sqlite3.connect(
            sled.path / ".mailsled" / "ledger.db")) as ledger:
        ledger.execute("DELETE FROM path")
        ledger.commit()


def planned(sled, *args, stdin=""):
    """The rows of the messages, and the sums."""
    done = sled.run("--json", "plan", *args, stdin=stdin)
    assert done.status == 0, done
    *rows, total = done.json
    assert total["sum"] is True
    return rows, total


def test_a_rate_that_is_not_known_is_asked_for(tmp):
    server, sled = course(tmp)
    with server:
        assert sled.fetch().status == 0
    forget(sled)
    done = sled.run("plan", "--sizes", "-", stdin="100\n")
    assert done.status == 66 and "rate =" in done.err, done


def test_sizes_are_planned_smallest_first_and_summed(tmp):
    server, sled = course(tmp, conf=LINK)
    with server:
        assert sled.fetch().status == 0
    learn(sled)
    sizes = "5000\n4.2KiB\n# no size\n\nhome 1MiB\n900\n"
    rows, total = planned(sled, "--sizes", "-", stdin=sizes)
    assert [r["octets"] for r in rows] == [900, 4300, 5000, 1 << 20], rows
    assert [r["order"] for r in rows] == [1, 2, 3, 4]
    assert all(r["fate"] == "comes" for r in rows)
    for a, b in zip(rows, rows[1:]):
        assert a["until"] <= b["from"] + 1e-9, rows
        assert a["wire_bytes"] < b["wire_bytes"], rows
        assert a["money"] <= b["money"], rows
    assert total["comes"] == 4 and total["mail_bytes"] == 900 + 4300 + 5000 + (
        1 << 20)
    # About a megabyte at 10 kB/s, each 20 s begun at half a dollar.
    assert 105 < total["seconds"] < 120, total
    assert total["steps"] == 6 and total["money"] == 3.0, total
    assert rows[-1]["until"] < total["seconds"]


def test_what_cannot_end_in_the_window_is_left_and_said(tmp):
    server, sled = course(tmp, conf=LINK)
    with server:
        assert sled.fetch().status == 0
    learn(sled)
    sizes = "75000\n75000\n2000\n900000\n"
    rows, total = planned(sled, "--sizes", "-", "--window", "20s", stdin=sizes)
    assert [r["fate"] for r in rows] == ["comes", "comes", "time", "time"]
    assert total["comes"] == 2 and total["time"] == 2
    assert total["seconds"] < 20, total
    people = sled.run("plan", "--sizes", "-", "--window", "20s", stdin=sizes)
    assert people.status == 0
    assert all(len(line) <= 80 for line in people.out.splitlines()), people
    assert "2 of 4 messages" in people.out and "2 (975 kB) left" in people.out


def test_the_budget_that_leaves_mail_is_named(tmp):
    server, sled = course(tmp, conf=LINK + "budget = 100KiB/day\n")
    with server:
        assert sled.fetch("--link", "lo").status == 0
    learn(sled)
    said = sled.run("plan", "--sizes", "-", stdin="2000\n200000\n").out
    assert "1 (200 kB) left: over the budget\n100 KiB/day on link lo ends: " \
        in said and "of 100 KiB; begins anew" in said, said


def test_bad_lines_are_refused_with_their_number(tmp):
    server, sled = course(tmp, conf=LINK)
    with server:
        assert sled.fetch().status == 0
    learn(sled)
    for bad in ("12x", "nobody 12", "-5", "1.5", "home 12 13", ".5KiB",
                "99999999999999999999"):
        done = sled.run("plan", "--sizes", "-", stdin=f"100\n{bad}\n")
        assert done.status == 64 and "-:2:" in done.err, done
        assert done.out == ""
    for bad in ("0", "x", "20d", "20 s", "99999999h"):
        done = sled.run("plan", "--sizes", "-", "--window", bad, stdin="1\n")
        assert done.status == 64 and "--window" in done.err, done


def test_the_last_listing_is_enough_and_nothing_is_sent(tmp):
    server, sled = course(tmp, sizes=[100] * 40 + [5000] * 30,
                          **{"hold-larger": "2KiB", "delete": "never"})
    with server:
        assert sled.fetch().status == 0
        learn(sled)
        said = len(server.lines())
        rows, total = planned(sled)
        assert total["held"] == len(rows) == 30, total
        assert total["comes"] == 0 and total["known"] is True
        sled.config.write_text(sled.config.read_text() + LINK)
        rows, total = planned(sled)
        assert total["comes"] == len(rows) == 30, total
        assert len(server.lines()) == said


def test_an_account_never_visited_is_told(tmp):
    server, sled = course(tmp, conf=LINK)
    with server:
        assert sled.fetch().status == 0
    learn(sled)
    sled.config.write_text(sled.config.read_text() + "\n[account new]\n"
                           "server = localhost\nuser = new\n"
                           "password-command = echo x\n")
    done = sled.run("plan")
    assert done.status == 0 and "new: nothing is known" in done.err, done
    done = sled.run("plan", "--link", "lo", "new")
    assert done.status == 66 and "--sizes" in done.err, done
    done = sled.run("plan", "nwe")
    assert done.status == 66 and "did you mean new?" in done.err, done


def test_without_a_store_sizes_need_hints(tmp):
    server, sled = course(tmp, conf=LINK)
    done = sled.run("plan", "--link", "lo", "--sizes", "-", stdin="1\n")
    assert done.status == 66 and "`rate =`" in done.err, done
    done = sled.run("plan", "--link", "nix", "--sizes", "-", stdin="1\n")
    assert done.status == 64 and "no [link] section is for nix" in done.err
