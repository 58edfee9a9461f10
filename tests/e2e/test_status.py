"""status and check say what a visit cost and what the next one saves, as it
was: the same to people and to programs, on one screen."""
import contextlib
import re
import sqlite3

from harness import Pop3d, Sled, days_ahead, fill_folder, message
from test_fetch_mail import report

NOTES = {"account", "error", "warnings"}  # not of the visit's row


def course(tmp, *args):
    """A server with mail and a store."""
    folder = fill_folder(tmp / "mail", [message(n) for n in range(1, 6)])
    server = Pop3d(tmp, *args, folder=folder)
    return server, Sled(tmp, {"home": server}, account={"timeout": "3s"})


def told(sled, account="home"):
    """status of ACCOUNT: its lines, and its object."""
    people, machine = sled.run("status"), sled.run("--json", "status")
    assert people.status == machine.status == 0, (people, machine)
    part = re.search(rf"(?ms)^{account}\n(.*?)(?=^\S)", people.out)[1]
    assert all(len(line) <= 80 for line in part.splitlines()), part
    row, = [o for o in machine.json if o.get("account") == account]
    return part, row


def learn(sled, **path):
    """Loopback is too quick to be measured: a path put into the ledger."""
    with contextlib.closing(sqlite3.connect(
            sled.path / ".mailsled" / "ledger.db")) as ledger:
        ledger.execute(
            "INSERT OR REPLACE INTO path (name, rate, rtt_ms, visits, seen) "
            "VALUES (:name, :rate, :rtt_ms, :visits, 1)", path)
        ledger.commit()


def date_visits(sled, seconds):
    """All that were made so far, as by a clock that was ahead."""
    with contextlib.closing(sqlite3.connect(
            sled.path / ".mailsled" / "ledger.db")) as ledger:
        ledger.execute("UPDATE visit SET began = began + ?", (seconds,))
        ledger.commit()


def checked(sled):
    people, machine = sled.run("check"), sled.run("--json", "check")
    assert people.status == machine.status == 0, (people, machine)
    row, = [o for o in machine.json if "account" in o]
    return people.out, row


def test_status_has_the_fields_of_fetch_with_their_values(tmp):
    server, sled = course(tmp)
    with server:
        for _ in range(2):
            row = report(sled.fetch())
            part, kept = told(sled)
            for key in set(row) - NOTES:
                assert kept[key] == row[key], key
            assert f" in {row['round_trips']} round trips" in part, part


def test_status_tells_what_was_saved_only_when_it_was(tmp):
    server, sled = course(tmp)
    with server:
        row = report(sled.fetch())
        assert not row["resumed"] and not row["eager"], row
        assert "saved" not in told(sled)[0]
        row = report(sled.fetch())
        assert row["resumed"] and row["eager"], row
        assert re.search(r"(?m)^  saved +TLS was resumed; the login did not "
                         r"wait for the greeting$", told(sled)[0])


def test_an_account_never_visited_makes_no_noise(tmp):
    server, sled = course(tmp)
    with server:
        report(sled.fetch())
        sled.config.write_text(
            sled.config.read_text() + "\n[account new]\n"
            "server = localhost\nuser = new\npassword-command = echo x\n")
        part, row = told(sled, "new")
        assert [line.split()[0] for line in part.splitlines()] == [
            "visited", "stored"], part
        assert row["last_visit"] is row["path"] is None, row


def test_status_tells_the_path_that_was_learned(tmp):
    server, sled = course(tmp)
    with server:
        report(sled.fetch())
        for visits, words in ((0, r"perhaps 61 kB/s down, round trip 604 ms"),
                              (1, r"61 kB/s down, round trip 604 ms; learned "
                                  r"from 1 visit"),
                              (9, r"61 kB/s down, round trip 604 ms; learned "
                                  r"from 9 visits")):
            learn(sled, name="lo", rate=61440, rtt_ms=604, visits=visits)
            part, row = told(sled)
            assert re.search(rf"(?m)^  link +lo: {words}$", part), part
            assert (row["path"], row["path_rate"], row["path_rtt_ms"],
                    row["path_visits"]) == ("lo", 61440, 604, visits), row


def test_fetch_tells_its_cost_when_asked_to(tmp):
    server, sled = course(tmp)
    with server:
        report(sled.fetch())
        done = sled.run("fetch")
        assert "greeting" not in done.out and "cost" not in done.out, done
        done = sled.run("-v", "fetch")
        assert re.search(r"(?m)^  cost +.* round trips", done.out), done
        assert "the login did not wait for the greeting" in done.out, done


def test_check_tells_that_visits_are_short(tmp):
    server, sled = course(tmp)
    with server:
        out, row = checked(sled)
        assert "ahead of the greeting" not in out, "nothing is known yet"
        assert not row["eager"] and not row["resumed"], row
        report(sled.fetch())
        report(sled.fetch())
        out, row = checked(sled)
        assert "visits send the login ahead of the greeting" in out, out
        assert "resumes TLS" in out, out
        assert row["eager"] and row["resumed"], row
        assert row["eager_retry"] is row["tickets_retry"] is None, row


def test_check_tells_since_when_they_are_not_and_why(tmp):
    server, sled = course(tmp, "--close-early", "--forget-tickets")
    with server:
        for _ in range(4):
            report(sled.fetch())
        out, row = checked(sled)
        assert re.search(r"sent ahead of the greeting failed on 2\S+ \S+: "
                         r"until 2", out), out
        assert re.search(r"did not resume TLS on 2\S+ \S+: until 2", out), out
        assert not row["eager"] and not row["resumed"], row
        assert row["eager_retry"] and row["tickets_retry"], row


def test_check_tells_what_a_server_cannot_do(tmp):
    server, sled = course(tmp, "--slim-refused", "--auth-challenge")
    with server:
        report(sled.fetch())
        out, row = checked(sled)
        assert "not seen to take a login of one line" in out, out
        assert "refuses a short TLS hello" in out, out
        assert row["tls_default"] and not row["eager"], row


def test_status_tells_what_was_not_read_for_long_and_what_scrubbing_found(tmp):
    later = days_ahead(40, tmp)
    with Pop3d(tmp, "--generate", "9,4000") as server:
        sled = Sled(tmp, {"home": server})
        assert sled.fetch().status == 0
    assert "not read for" not in sled.run("status").out
    said = sled.run("status", env=later).out
    assert said.count("some of it was not read for 40 days") == 2, said
    assert sled.run("tend", env=later).status == 0
    assert "not read for" not in sled.run("status", env=later).out
    volume, = (sled.copies[0] / "home").glob("*.tar.gz")
    data = bytearray(volume.read_bytes())
    data[len(data) // 2] ^= 1
    volume.write_bytes(data)
    later = days_ahead(60, tmp)
    assert sled.run("tend", env=later).status == 65
    said = sled.run("status", env=later).out
    assert said.count("DAMAGED: 1 member; try: mailsled repair") == 1, said


def test_a_visit_dated_by_a_wrong_clock_is_not_the_last_for_ever(tmp):
    server, sled = course(tmp)
    with server:
        assert sled.fetch().status == 0
        date_visits(sled, 10 * 365 * 86400)
        ahead = told(sled)[1]["last_visit"]  # there is no other yet
        fill_folder(tmp / "mail", {"new": message(50)})
        row = report(sled.fetch())
    part, kept = told(sled)
    assert kept["last_visit"] < ahead, kept
    assert kept["fetched"] == row["fetched"] == 1, kept
    assert "came      1 message," in part, part
    # What came in the same second may be told with it.
    assert "new" in {m["uidl"] for m in sled.list("--new")}
