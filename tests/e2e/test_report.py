"""report tells what each use of a link brought and cost, on lines that fit,
and the same to programs, with the sums and the budgets; and as one page."""
import contextlib
import os
import pty
import re
import sqlite3
import subprocess
import time
import xml.etree.ElementTree as ET

from harness import (DEADLINE, Pop3d, Sled, days_ahead, fill_folder, message,
                     volumes)

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


# ---- the page ----


def page(sled, *args, env=None):
    """The page on stdout: its text, and its tree, by a strict parser."""
    done = sled.run("report", "--html", *args, env=env)
    assert done.status == 0 and not done.err, done
    return done.out, ET.fromstring(done.out)


def numbers(tree, title):
    """The table of the figure that is titled so: {row: [cells]}."""
    table, = [t for t in tree.iter("table")
              if t.findtext("caption") == title]
    return {row[0].text: [cell.text for cell in row[1:]]
            for row in table.find("tbody")}


def test_the_page_stands_alone_and_is_well_formed(tmp):
    server, sled = course(tmp)
    with server:
        assert sled.fetch().status == 0
    put_round(sled, 101)
    text, tree = page(sled)
    assert tree.tag == "html" and "://" not in text, "no outside reference"
    for node in tree.iter():
        assert node.tag not in ("script", "link", "img", "iframe", "object",
                                "embed", "base", "form", "image", "use")
        for name, value in node.items():
            assert not name.startswith("on") and name != "style", node.items()
            assert name != "src" and (name != "href" or value[0] == "#")
    style = "".join(n.text for n in tree.iter("style"))
    for word in ("@media print", "prefers-color-scheme:dark", "max-width:"):
        assert word in style, word
    assert "url(" not in style and "@import" not in style
    policy, = [n.get("content") for n in tree.iter("meta")
               if n.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'"), policy
    ids = [n.get("id") for n in tree.iter() if n.get("id")]
    assert len(ids) == len(set(ids)), ids
    for name in ("mail", "cost", "visits", "links", "archive", "health"):
        assert name in ids and f'href="#{name}"' in text, name
    pictures = [n for n in tree.iter("svg") if n.get("role") == "img"]
    assert len(pictures) >= 7, len(pictures)
    for picture in pictures:
        assert picture.findtext("title") and picture.findtext("desc")


def test_the_page_has_the_numbers_of_report(tmp):
    server, sled = course(tmp)
    with server:
        assert sled.fetch().status == 0
    day = 86400
    put_round(sled, 101, began=int(time.time()) - 3 * day)
    put(sled, "visit", label="home", maildrop=1, round=101, path="wwan0",
        began=int(time.time()) - 3 * day, ms=9000, listed=7, fetched=7,
        deleted=7, kept=0, held=0, left_there=0, failed=0, mail_bytes=30000,
        wire_down=32000, wire_up=900, resumed=1, exit=0, error="",
        ms_connect=1000, ms_tls=2000, ms_login=1000, ms_list=500,
        ms_fetch=4000, ms_save=200, ms_delete=300, rtt_ms=640, segs_down=40,
        segs_up=10, retrans=1)
    *_, total = sled.run("--json", "report").json
    text, tree = page(sled)
    rows = numbers(tree, "Messages a day")
    assert sum(int(n) for row in rows.values() for n in row) == \
        total["fetched"] == 10, rows
    assert [n for n, row in sorted(rows.items()) if row[0] != "0"] == \
        sorted(d["day"] for d in total["days"])
    assert ["0.96 USD"] in numbers(tree, "USD a day").values()
    phases = numbers(tree, "Time of a visit, mean of each day")
    assert ["1.0 s", "2.0 s", "1.0 s", "500 ms", "4.0 s", "200 ms", "300 ms"
            ] in phases.values() and ["-"] * 7 in phases.values(), phases
    assert ["640 ms"] in numbers(tree, "Round trip").values()
    assert any("7.5 kB/s" in row
               for row in numbers(tree, "Rate of mail").values())
    again = numbers(tree, "Packets sent again")
    assert any("2.0 %" in row for row in again.values()), again
    assert "1 MiB/day: 0 used" in text and "20 USD/month" in text
    places = numbers(tree, "When each copy was last read back")
    assert set(places) == {str(p) for p in sled.places}, places
    assert all(row[0] != "0 B" and row[4] == "0 B"
               for row in places.values()), places
    # The accounts asked for, as in the report that is text.
    assert "Visits to home" in page(sled, "home")[0]


def test_nothing_yet_makes_a_page_of_sentences(tmp):
    server, sled = course(tmp, "")
    with server:
        assert sled.fetch().status == 0
    text, tree = page(sled, "--since", "2099-01-01")
    none = [n.text for n in tree.iter("p") if n.get("class") == "chart-none"]
    assert "No mail came in this time." in none, none
    assert any(n.startswith("No link that was used has a price")
               for n in none), none
    # What is stored is shown whenever it came.
    assert "3 messages of" in text and "Messages a day" not in text


def test_what_came_from_outside_is_only_text(tmp):
    tmp = tmp / "a&b<i>\"'"
    tmp.mkdir()
    server, sled = course(tmp)
    with server:
        assert sled.fetch().status == 0
    evil = "</style><script>alert(1)</script>\u202e\x1b[2J&amp;"
    put_round(sled, 101, link=evil[:60], places=evil)
    put(sled, "visit", label="home", maildrop=1, round=101, path="<b>\"'",
        began=int(time.time()), ms=9000, listed=0, fetched=0, deleted=0,
        kept=0, held=0, left_there=0, failed=0, mail_bytes=0, wire_down=1,
        wire_up=1, resumed=0, exit=76, error=evil, rtt_ms=5)
    text, tree = page(sled)
    assert "<script" not in text and "\u202e" not in text
    assert "\x1b" not in text and "alert(1)" in text
    assert len(list(tree.iter("style"))) == 1
    words = "".join(tree.itertext())
    assert "</style><script>alert(1)</script>\\u{202e}" in words
    assert str(sled.path) in words, "the path as it is"


def test_a_damaged_copy_turns_the_page_red(tmp):
    server, sled = course(tmp)
    with server:
        assert sled.fetch().status == 0
    text, tree = page(sled)
    assert not [n for n in tree.iter() if n.get("class") == "bad"], text
    assert sled.run("tend", env=days_ahead(40, tmp)).status == 0
    volume, = volumes(sled.copies[0])
    data = bytearray(volume.read_bytes())
    data[len(data) // 2] ^= 1
    volume.chmod(0o644)
    volume.write_bytes(data)
    later = days_ahead(60, tmp)
    done = sled.run("tend", env=later)
    assert done.status == 65, done
    text, tree = page(sled, env=later)
    notices, = [n for n in tree.iter("ul")
                if (n.get("class") or "").startswith("notices")]
    assert notices.get("class") == "notices bad", text
    assert "DAMAGED: 1 member, try: mailsled repair" in \
        "".join(notices.itertext()), text
    assert "Found damaged" in text
    assert "lacks mail" in text


def test_the_page_is_written_whole_or_not_at_all(tmp):
    server, sled = course(tmp)
    with server:
        assert sled.fetch().status == 0
    target = tmp / "out" / "report.html"
    target.parent.mkdir()
    done = sled.run("report", "--html", "--output", str(target))
    assert done.status == 0 and not done.out, done
    assert str(target) in done.err, done
    assert target.stat().st_mode & 0o777 == 0o600
    ET.parse(target)
    # Again: what is there is replaced, and stays as open as it was.
    target.write_text("old")
    target.chmod(0o644)
    assert sled.run("-q", "report", "--html", "--output", str(target)).err \
        == ""
    assert target.stat().st_mode & 0o777 == 0o644
    ET.parse(target)
    assert [p.name for p in target.parent.iterdir()] == ["report.html"]
    # No room for it: the old one stays, and nothing else.
    old = target.read_text()
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 8; exec "$@"', "-",
         *sled.argv("report", "--html", "--output", str(target))],
        capture_output=True, text=True)
    assert done.returncode != 0, done
    assert target.read_text() == old
    # What is no page is never replaced.
    link = target.parent / "link"
    link.symlink_to(target)
    for path in (link, target.parent, "/dev/null", tmp / "no" / "x.html", ""):
        done = sled.run("report", "--html", "--output", str(path))
        assert done.status in (64, 66), done
    assert link.is_symlink() and target.read_text() == old


def test_a_page_is_not_for_a_terminal_nor_for_json(tmp):
    server, sled = course(tmp)
    with server:
        assert sled.fetch().status == 0
    for args in (("--json", "report", "--html"),
                 ("report", "--output", str(tmp / "x"))):
        done = sled.run(*args)
        assert done.status == 64 and "--html" in done.err, done
    assert not (tmp / "x").exists()
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(sled.argv("report", "--html"), stdout=theirs,
                              stderr=subprocess.PIPE, text=True,
                              timeout=DEADLINE)
        assert done.returncode == 64, done
        assert "mailsled report --html --output report.html" in done.stderr
    finally:
        os.close(ours)
        os.close(theirs)
