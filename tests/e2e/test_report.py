"""report tells what each use of a link brought and cost, on lines that fit,
and the same to programs, with the sums and the budgets."""
import contextlib
import re
import sqlite3
import time

from harness import Pop3d, Sled, fill_folder, message

LINK = """
[link wwan0]
cost = 0.48 USD/20s, min 5KiB
budget = 1MiB/day, 20 USD/month
"""


def course(tmp, conf=LINK):
    folder = fill_folder(tmp / "mail", [message(n) for n in range(1, 4)])
    server = Pop3d(tmp, folder=folder)
    sled = Sled(tmp, {"home": server})
    sled.config.write_text(sled.config.read_text() + conf)
    return server, sled


def put(sled, table, **row):
    with contextlib.closing(sqlite3.connect(
            sled.path / ".mailsled" / "ledger.db")) as ledger:
        ledger.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES "
                       f"({', '.join(':' + k for k in row)})", row)
        ledger.commit()


def put_round(sled, number, **more):
    row = {"id": number, "began": int(time.time()), "ms": 33000,
           "link": "wwan0", "path": "wwan0", "dialled": 0, "ended": 1,
           "wire": 4000, "billed_bytes": 5120, "steps": 2, "money": 960000,
           "currency": "USD", "places": ""}
    put(sled, "round", **{**row, **more})


def test_nothing_yet_is_said(tmp):
    server, sled = course(tmp)
    with server:
        assert sled.fetch().status == 0
    out = sled.run("report", "--since", "2099-01-01")
    assert out.status == 0 and "no visits since 2099-01-01" in out.out, out
    rows = sled.run("--json", "report", "--since", "2099-01-01").json
    assert len(rows) == 1 and rows[0]["rounds"] == 0, rows


def test_a_visit_is_in_the_report(tmp):
    server, sled = course(tmp)
    with server:
        assert sled.fetch().status == 0
    rows = sled.run("--json", "report").json
    *rounds, total = rows
    assert len(rounds) == 1 and rounds[0]["fetched"] == 3, rows
    visit, = rounds[0]["visits"]
    assert visit["account"] == "home" and visit["fetched"] == 3
    assert total["fetched"] == 3 and total["visits"] == 1
    assert [d["fetched"] for d in total["days"]] == [3]
    text = sled.run("report")
    assert text.status == 0 and "a message cost" in text.out, text


def test_rounds_have_their_bill_and_sums_add_up(tmp):
    server, sled = course(tmp)
    with server:
        assert sled.fetch().status == 0
    put_round(sled, 101)
    put_round(sled, 102, ended=0, places="/media/usb absent")
    text = sled.run("report").out
    assert text.count("2 steps, 5.1 kB billed, 0.96 USD") == 2, text
    assert "ended abruptly; /media/usb absent" in text, text
    assert "1.92 USD" in text, text
    *_, total = sled.run("--json", "report").json
    assert total["money"][0]["amount"] == 1.92, total
    assert abs(total["money"][0]["a_message"] - 0.64) < 1e-9, total
    link, = [n for n in total["links"] if n["link"] == "wwan0"]
    assert link["rounds"] == 2 and link["wire_bytes"] == 8000, total
    day, month = total["budgets"]
    assert (day["unit"], day["used"]) == ("bytes", 10240), day
    assert (month["unit"], month["used"], month["left"]) == (
        "USD", 1.92, 18.08), month


def test_only_rounds_of_the_accounts_asked_for(tmp):
    server, sled = course(tmp)
    with server:
        assert sled.fetch().status == 0
    put_round(sled, 101)
    rows = sled.run("--json", "report", "home").json
    assert len(rows) == 2 and rows[0]["fetched"] == 3, rows
    assert sled.run("report", "nobody").status != 0


def test_options_are_refused_with_the_reason(tmp):
    server, sled = course(tmp)
    with server:
        for args in (["--days", "0"], ["--days", "x"], ["--since", "soon"],
                     ["--since", "2026-02-31"],
                     ["--days", "3", "--since", "2026-11-01"]):
            out = sled.run("report", *args)
            assert out.status == 64, (args, out)


def test_status_tells_budgets_and_when_a_place_is_full(tmp):
    server, sled = course(tmp)
    with server:
        assert sled.fetch().status == 0
    assert "full in" not in sled.run("status").out
    put_round(sled, 101, billed_bytes=2 << 20)
    place = next(o for o in sled.run("--json", "status").json if "place" in o)
    assert place["full_in_days"] is None and place["total_bytes"] > 0, place
    # Ten days ago the first visit brought enough for about 50 more of them.
    with contextlib.closing(sqlite3.connect(
            sled.path / ".mailsled" / "ledger.db")) as ledger:
        stored, = ledger.execute("SELECT sum(octets) FROM message").fetchone()
        packed, = ledger.execute("SELECT sum(committed) FROM volume"
                                 ).fetchone()
        mail = place["free_bytes"] / 50 / 2 * 10 * stored / packed
        ledger.execute("UPDATE visit SET began = began - 864060, "
                       "mail_bytes = ?", (int(mail),))
        ledger.commit()
    text, rows = sled.run("status").out, sled.run("--json", "status").json
    place = next(o for o in rows if "place" in o)
    assert 45 <= place["full_in_days"] <= 110, place
    # The disk is in use by others meanwhile: about the same days.
    days = int(re.search(r"full in about (\d+) days", text)[1])
    assert abs(days - place["full_in_days"]) <= 5, (days, place)
    assert "1 MiB/day: 2 used, none left; begins anew" in text, text
    budgets, = [o["budgets"] for o in rows if "budgets" in o]
    assert budgets[0]["used"] == 2 << 20 and budgets[0]["left"] == 0, budgets
    assert all(len(n) <= 80 for n in text.split("budgets\n")[1].splitlines())


def test_status_warns_of_a_maildrop_that_is_nearly_full(tmp):
    server, sled = course(tmp)
    with server:
        assert sled.fetch().status == 0
    text = sled.config.read_text()
    sled.config.write_text(text.replace("[account home]",
                                        "[account home]\nquota = 100MiB"))

    def told(octets):
        with contextlib.closing(sqlite3.connect(
                sled.path / ".mailsled" / "ledger.db")) as ledger:
            ledger.execute("UPDATE maildrop SET octets = ?", (octets,))
            ledger.commit()
        row, = [o for o in sled.run("--json", "status").json
                if o.get("account") == "home"]
        assert row["server_bytes"] == octets and row["quota"] == 100 << 20, row
        return sled.run("status").out, row["quota_low"]

    out, low = told(83_000_000)
    assert "83 MB of 104 MB at the last visit: 79 %\n" in out and not low, out
    assert "refuses mail" not in out
    out, low = told(84_000_000)
    assert "soon refuses mail\n" in out and low, out
    sled.copies[0].rename(tmp / "away")
    out, low = told(84_000_000)
    assert "soon refuses mail, AND A COPY IS ABSENT" in out and low, out
    assert all(len(n) <= 80 for n in out.splitlines() if "/" not in n), out
