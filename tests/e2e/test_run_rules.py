"""`mailsled run` in the wrong network, when it may not, with mail that no
window carries, and after it was killed: what it leaves alone, and says."""
import contextlib
import signal
import socket
import sqlite3
import threading

from harness import Account, Pop3d, Sled, fill_folder, message, wait_for
from test_fetch_places import small_disk
from test_run import Away, FastRun, Run, schedule, sh

PORTAL = "captive portal or wrong network"


class Portal:
    """What a network's sign-in page does to a TLS hello."""

    def __init__(self, address="127.0.0.1"):
        self.socket = socket.create_server((address, 0))
        self.port = self.socket.getsockname()[1]
        self.came = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            peer, _ = self.socket.accept()
            with peer, contextlib.suppress(OSError):  # who may be gone
                self.came.append(peer.recv(65536))
                peer.sendall(b"HTTP/1.1 302 Found\r\nLocation: "
                             b"http://login.example/\r\n\r\n")

    def account(self, ca):
        return Account("localhost", self.port, "demo", "demo", ca, "implicit")


class Minutes(FastRun):
    """A simulated minute is 0.6 s."""

    speed = 100


def leaves_alone(tmp, away, server, met):
    """SERVER stands behind dial0, another one on this machine is visited all
    the while. MET: how often SERVER was called."""
    sh("ip link set lo up")
    with Pop3d(tmp, "--generate", "1", name="here") as here:
        here.host = "127.0.0.1"
        sled = Sled(tmp, {"far": server, "here": here})
        with Minutes(sled, config=schedule("1m")) as run:
            sh(f"sh {away.up}")
            run.wait(PORTAL)
            said = sled.run("status").out
            assert "no visit until the link changes" in said, said
            run.wait("here: 0 came", run.count("here: 0 came") + 5)
            assert met() == 1, run.text
            for command in (away.down, away.up):
                sh(f"sh {command}")
                wait_for(lambda: (command == away.up) ==
                         ("link up   dial0" in sled.run("status").out),
                         "the link to change")
            run.wait(PORTAL, 2)
            run.wait("here: 0 came", run.count("here: 0 came") + 5)
            assert met() == 2, run.text
            assert run.stop() == 0
        return run.text


def test_a_sign_in_page_is_left_alone_until_the_link_changes(tmp):
    with Away(tmp, "--generate", "1", also=Portal) as away:
        portal = away.also
        said = leaves_alone(tmp, away, portal.account(away.server.ca),
                            lambda: len(portal.came))
        assert "it speaks HTTP, not TLS" in said, said
        assert all(hello[0] == 0x16 for hello in portal.came), "no TLS hello"


def test_a_server_of_another_name_gets_no_secret_and_no_second_try(tmp):
    with Away(tmp, "--generate", "1", "--cert", "name") as away:
        said = leaves_alone(tmp, away, away.server,
                            lambda: len(away.server.events("open")))
        assert "its certificate is for other names" in said, said
        assert not away.server.commands(), away.server.lines()


def test_a_portal_ends_a_single_visit_with_76(tmp):
    portal = Portal()
    with Pop3d(tmp, "--generate", "1") as server:
        sled = Sled(tmp, {"home": portal.account(server.ca)})
        done = sled.run("run", "--once")
        assert done.status == 76 and "HTTP, not TLS" in done.err, done
        assert PORTAL in done.err and len(portal.came) == 1, done


def test_an_expired_certificate_is_tried_again(tmp):
    with Pop3d(tmp, "--generate", "1", "--cert", "expired") as server:
        sled = Sled(tmp, {"home": server})
        with Minutes(sled, config=schedule("1m")) as run:
            run.wait("expired on", 3)
            assert PORTAL not in run.text, run.text
            assert run.stop() == 0


def test_a_reload_while_a_line_is_open_lets_the_visit_go_on(tmp):
    with Away(tmp, "--generate", "30,20000", "--fault",
              "RETR:20:delay=1500") as away:
        sled = Sled(tmp, {"home": away.server})
        with Run(sled, config=schedule() + away.line()) as run:
            wait_for(lambda: away.server.retrs() >= 20, "the 20th RETR")
            run.configure(schedule("7s") + away.line())
            run.signal(signal.SIGHUP)
            run.wait("home: 30 came")
            run.wait("the configuration was read again")
            assert away.calls() == ["up", "down"], away.calls()
            run.wait("home: 0 came")
            assert run.stop() == 0
        assert away.calls() == ["up", "down"] * 2, away.calls()


def test_visit_ask_waits_for_a_person(tmp):
    with Pop3d(tmp, "--generate", "2") as server:
        sled = Sled(tmp, {"home": server})
        config = schedule("1s") + "[link lo]\nvisit = ask\n"
        with Run(sled, config=config) as run:
            wait_for(lambda: "visit = ask: only when you ask for it" in
                     sled.run("status").out, "the reason")
            assert not server.hellos(), run.text
            done = sled.fetch("--link", "lo")
            assert done.status == 0 and done.reports[0]["fetched"] == 2, done
            assert not run.count("visiting"), run.text
            assert run.stop() == 0


def test_a_section_holds_from_the_first_visit_on(tmp):
    for name, args in (("once", ("run", "--once")), ("fetch", ("fetch",))):
        with Pop3d(tmp, "--generate", "1", name=f"at-{name}") as server:
            sled = Sled(tmp, {"home": server}, name=name)
            sled.config.write_text(sled.config.read_text() +
                                   "[link lo]\nbudget = 1MiB/day\n")
            assert sled.run(*args).status == 0
            row, = [o for o in sled.run("--json", "report").json
                    if "began" in o]
            assert row["link"] == row["path"] == "lo", row


def test_a_full_maildrop_is_warned_of_while_a_copy_is_absent(tmp):
    folder = fill_folder(tmp / "mail", [message(n, "x" * 900 + "\n")
                                        for n in range(10)])
    with Pop3d(tmp, folder=folder) as server:
        sled = Sled(tmp, {"home": server}, account={"quota": "11KiB"})
        assert sled.fetch().status == 0
        assert not server.left()
        assert "soon refuses" not in sled.run("status").out
        fill_folder(folder, {f"n{n}": message(n + 20, "y" * 900 + "\n")
                             for n in range(10)})
        sled.copies[0].rename(tmp / "unplugged")
        sled.fetch()
        said = sled.run("status").out
        assert "soon refuses mail, AND A COPY IS ABSENT" in said, said
        (tmp / "unplugged").rename(sled.copies[0])
        assert sled.fetch().status == 0
        assert not server.left()
        row, = [o for o in sled.run("--json", "status").json
                if o.get("account") == "home"]
        assert row["quota"] == 11264, row


def test_mail_that_no_window_carries_is_held(tmp):
    folder = fill_folder(tmp / "mail", [message(1, "x\n" * 100000)])
    with Pop3d(tmp, folder=folder) as server:
        sled = Sled(tmp, {"home": server})
        sled.config.write_text(sled.config.read_text() +
                               "[link lo]\nrate = 16kbit/s\nwindow = 10s\n")
        done = sled.fetch()
        assert done.status == 0, done
        row, = done.reports
        assert (row["held"], row["left"], row["fetched"]) == (1, 0, 0), row
        held, = sled.run("--json", "held").json
        assert held["size"] > 200000 and server.left(), held
        assert sled.run("want", held["id"]).status == 0
        assert sled.fetch().reports[0]["fetched"] == 1


def test_a_place_that_is_nearly_full_is_told(tmp):
    with Pop3d(tmp, "--generate", "3") as server:
        sled = Sled(tmp, {"home": server})
        with small_disk(sled.copies[0], "4m"):
            assert sled.fetch().status == 0
            assert "LOW" not in sled.run("status").out
            (sled.copies[0] / "filler").write_bytes(b"x" * (3800 << 10))
            said = sled.run("status")
            assert f"{sled.copies[0]}" in said.out and "LOW: " in said.out, said
            low = {o["place"]: o["low"] for o in
                   sled.run("--json", "status").json if "place" in o}
            assert low[str(sled.copies[0])] is True, low


def rows(sled):
    """(billed bytes, ms, whether it came to its end) of each round."""
    with contextlib.closing(sqlite3.connect(
            sled.path / ".mailsled" / "ledger.db")) as ledger:
        return ledger.execute(
            "SELECT billed_bytes, ms, ended FROM round ORDER BY id").fetchall()


def test_what_a_killed_scheduler_spent_is_known_at_the_next_start(tmp):
    with Pop3d(tmp, "--generate", "50,20000", "--fault",
               "RETR:20:stall") as server:
        sled = Sled(tmp, {"home": server})
        config = schedule() + "[link lo]\nbudget = 500KiB/day\n"
        with Minutes(sled, config=config) as run:
            wait_for(lambda: server.retrs() >= 20, "the 20th RETR")
            wait_for(lambda: rows(sled) and rows(sled)[0][0] > 300000 and
                     rows(sled)[0][1] > 20000, "the row")
            run.process.kill()
            run.process.wait()
        (spent, _, over), = rows(sled)
        assert not over, rows(sled)
        used, = [o["budgets"] for o in sled.run("--json", "status").json
                 if "budgets" in o]
        assert used[0]["used"] == spent, used
        assert sled.fetch().reports[0]["left"] > 0
        assert sum(row[0] for row in rows(sled)) <= 500 << 10, rows(sled)


def test_what_the_line_counted_settles_the_receipt(tmp):
    with Away(tmp, "--generate", "2") as away:
        sled = Sled(tmp, {"home": away.server})
        line = away.line("cost = 0.60 USD/min\n")
        with Run(sled, config=schedule() + line) as run:
            run.wait("home: 2 came")
            wait_for(lambda: away.calls() == ["up", "down"] and
                     not away.is_up(), "the line to close")
            event = sled.run("event", "down", "if=dial0", "connect-time=61",
                             "sent=4000", "received=90000")
            assert event.status == 0, event
            row, = [o for o in sled.run("--json", "report").json
                    if "began" in o]
            assert (row["wire_bytes"], row["seconds"]) == (94000, 61), row
            assert row["money"] == 1.2, row
            assert sled.run("event", "down", "if=dial0",
                            "connect-time=99").status == 0
            assert rows(sled)[0][1] == 61000, "settled twice"
            assert run.stop() == 0


def test_dialling_and_hanging_up_are_billed_where_no_hook_knows(tmp):
    with Away(tmp, "--generate", "2") as away:
        away.script(away.up, "sleep 2; ip link set dial0 up && "
                    "ip route add default via 10.77.0.1\n")
        away.script(away.down, "ip link set dial0 down; sleep 1\n")
        sled = Sled(tmp, {"home": away.server})
        line = away.line("cost = 0.10 USD/1s\nbudget = 5m/day\n")
        with Run(sled, config=schedule() + line) as run:
            run.wait("home: 2 came")
            wait_for(lambda: rows(sled)[0][1] >= 3000, "the whole line's time")
            row, = [o for o in sled.run("--json", "report").json
                    if "began" in o]
            assert row["steps"] >= 3 and row["money"] >= 0.3, row
            assert row["wire_bytes"] > 0 and row["over"], row
            assert run.stop() == 0


def test_one_line_tells_the_whole_visit(tmp):
    folder = fill_folder(tmp / "mail", [message(n) for n in range(3)] +
                         [message(3, "x\n" * 9000)])
    with Pop3d(tmp, folder=folder) as server:
        sled = Sled(tmp, {"home": server}, copies=2,
                    account={"hold-larger": "8KiB"})
        assert sled.run("run", "--once").status == 0
        sled.copies[1].rename(tmp / "unplugged")
        fill_folder(folder, {"new": message(9)})
        sled.config.write_text(sled.config.read_text() + "[link lo]\n"
                               "cost = 0.48 USD/20s\nbudget = 1m/day\n")
        done = sled.run("run", "--once")
        line, = [text for text in done.err.splitlines() if "came" in text]
        for words in ("home: 1 came (", "1 deleted from the server",
                      "1 held (too large)", " s by lo, ", "B down, ", "B up",
                      f"; {sled.copies[1]} is absent", " (1 disk)",
                      "; 1 step, 0.48 USD"):
            assert words in line, (words, line)
        said = sled.run("fetch").out
        assert f"; {sled.copies[1]} is absent (1 disk)" in said, said


def test_accounts_that_share_a_line_share_its_bill(tmp):
    with Pop3d(tmp, "--generate", "2") as one, \
            Pop3d(tmp, "--generate", "1", "--user", "two", name="two") as two:
        two.user = "two"
        sled = Sled(tmp, {"one": one, "two": two})
        sled.config.write_text(sled.config.read_text() + "[link lo]\n"
                               "cost = 0.48 USD/20s\n")
        assert sled.run("run", "--once").status == 0
        said = sled.run("run", "--once").err
        assert said.count("USD") == 1 and "lo: 1 step, 0.48 USD" in said, said
