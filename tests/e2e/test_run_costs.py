"""`mailsled run` and money: what is paid for in vain, what a kill, a wrong clock
and a night's sleep do to budgets and windows; and what may hang without an end
for all others."""
import contextlib
import fcntl
import os
import re
import socket
import sqlite3
import subprocess
import threading
import time

from harness import BUILD, DEADLINE, Account, Pop3d, Sled, Time, wait_for
from test_run import CLONE_NEWNS, Away, Run, schedule, sh, unshare
from test_run_rules import Minutes, rows

BUDGET = "\n[link lo]\nbudget = 200KiB/day\n"


@contextlib.contextmanager
def locked(sled):
    """Another mailsled has the store."""
    with open(sled.path / ".mailsled" / "lock") as lock:
        wait_for(lambda: took(lock), "the lock")
        yield


def took(lock):
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def first_visit(run, away):
    run.wait("home: 1 came")
    wait_for(lambda: away.calls() == ["up", "down"], "its end")


def test_no_line_is_dialled_while_the_store_cannot_be_opened(tmp):
    """It was, each minute."""
    with Away(tmp, "--generate", "1") as away:
        sled = Sled(tmp, {"home": away.server})
        config = schedule("5m") + away.line().replace("10s", "5m")
        with Minutes(sled, config=config) as run:
            first_visit(run, away)
            with locked(sled):
                run.wait("dial0 is not dialled", 2)
                assert away.calls() == ["up", "down"], run.text
                said = sled.run("status").out
                assert "dialling failed" in said, said
            run.wait("home: 0 came")
            assert run.stop() == 0
        assert away.calls() == ["up", "down"] * 2, away.calls()


def test_who_asks_is_told_why_no_line_is_dialled(tmp):
    with Away(tmp, "--generate", "1") as away:
        sled = Sled(tmp, {"home": away.server})
        with Run(sled, config=schedule() + away.line()) as run:
            first_visit(run, away)
            with locked(sled):
                done = sled.fetch()
                assert done.status == 75, done
                assert "is writing this store" in done.err, done
            assert away.calls() == ["up", "down"], away.calls()
            assert run.stop() == 0


def test_a_line_has_its_up_timeout_when_the_store_took_that_long(tmp):
    """It was closed at once, and never dialled at all."""
    with Away(tmp, "--generate", "1") as away:
        sled = Sled(tmp, {"home": away.server})
        config = schedule("5s") + away.line().replace("10s", "3s")
        with Run(sled, config=config) as run:
            first_visit(run, away)
            with locked(sled):  # it waits 5 s for that
                run.wait("dial0: dialling", 2)
                until = time.monotonic() + 3.5
                wait_for(lambda: time.monotonic() > until, "up-timeout")
            run.wait("home: 0 came")
            assert "did not come up" not in run.text, run.text
            assert run.stop() == 0
        assert away.calls()[:4] == ["up", "down"] * 2, away.calls()


def test_once_ends_where_the_store_cannot_be_opened_for_a_dial(tmp):
    """It waited for another visit, and another."""
    with Away(tmp, "--generate", "1") as away:
        sled = Sled(tmp, {"home": away.server})
        sled.config.write_text(sled.config.read_text() + schedule("15m") +
                               away.line().replace("10s", "5m"))
        assert sled.run("run", "--once").status == 0
        with Minutes(sled, "--once") as run:
            wait_for(lambda: "by `every`" in sled.run("status").out,
                     "the scheduler")
            with locked(sled):
                assert run.process.wait(DEADLINE) == 75, run.text
        assert "dial0 is not dialled" in run.text, run.text
        assert away.calls() == ["up", "down"], away.calls()


def test_what_no_rest_of_a_window_carries_is_asked_for_once(tmp):
    """Each minute of the window cost a visit."""
    now = int(time.time())
    opens, closes = (time.strftime("%H:%M", time.gmtime(now + s))
                     for s in (-600, 1200))
    with Pop3d(tmp, "--generate", "1,4000000") as server:
        sled = Sled(tmp, {"home": server})
        config = (f"\n[schedule]\nwindows = {opens}-{closes}\n"
                  "[link lo]\nrate = 4kbit/s\n")
        with Minutes(sled, config=config) as run:
            run.wait("want of time")
            wait_for(lambda: run.count("want of time") > 1 or
                     re.search(r"in \d\d h .*when the window opens",
                               sled.run("status").out), "the next one")
            assert run.count("want of time") == 1, run.text
            assert run.stop() == 0
        assert not server.retrs()


def test_a_window_ends_while_the_machine_sleeps(tmp):
    clock = Time(tmp / "time")
    opens, closes = (time.strftime("%H:%M", time.gmtime(time.time() + s))
                     for s in (-600, 1200))
    with Pop3d(tmp, "--generate", "3", "--fault", "RETR:2:stall") as server:
        sled = Sled(tmp, {"home": server}, account={"timeout": "300s"})
        with Run(sled, config=f"\n[schedule]\nwindows = {opens}-{closes}\n",
                 env=clock.env) as run:
            run.process.kill()
            run.process.wait()
            run.program = "mailsled-fast"
            run.start()
            wait_for(lambda: server.retrs() >= 2, "the second RETR")
            clock.leap_to(2 * 3600 * 1000)
            run.wait("the window ended")
            run.wait("home: 1 came")
            assert run.stop() == 0


def test_a_visit_counts_before_it_is_spent(tmp):
    with Pop3d(tmp, "--generate", "1", "--fault", "LOGIN:stall") as server:
        sled = Sled(tmp, {"home": server})
        with Run(sled, config=schedule() + BUDGET) as run:
            wait_for(lambda: server.events("tls"), "the handshake")
            run.process.kill()
            run.process.wait()
        (spent, _, over), = rows(sled)
        assert not over and 4000 <= spent <= 8000, rows(sled)


def test_a_download_does_not_wait_for_the_disk_each_second(tmp):
    """A budget's row did, each time on the thread that reads."""
    with Pop3d(tmp, "--generate", "20,80000", "--fault",
               "RETR:delay=400") as server:
        sled = Sled(tmp, {"home": server}, copies=1)
        config = schedule() + BUDGET.replace("200KiB", "1GiB")
        spent = [0]
        with Run(sled, config=config) as run:
            def is_over():
                row = rows(sled)
                if row and row[-1][0] != spent[-1]:
                    spent.append(row[-1][0])
                return run.count("home: 20 came")
            wait_for(lambda: server.retrs() > 0, "the first RETR")
            began = time.monotonic()
            wait_for(is_over, "its end")
            took = time.monotonic() - began
            assert run.stop() == 0
        # The first row, and the last two.
        assert took > 6 and len(spent) - 1 <= took / 2 + 3, (took, spent)


def spend(sled, ahead_s, octets):
    """A round of LO that began so many seconds from now on."""
    with contextlib.closing(sqlite3.connect(
            sled.path / ".mailsled" / "ledger.db")) as ledger, ledger:
        ledger.execute(
            "INSERT INTO round (id, began, ms, link, path, dialled, ended, "
            "wire, billed_bytes, steps, money, currency, places) VALUES "
            "((SELECT 1 + max(id) FROM round), ?, 1000, 'lo', 'lo', 0, 1, ?, "
            "?, 0, 0, '', '')", (int(time.time()) + ahead_s, octets, octets))


def budgeted(tmp, server):
    sled = Sled(tmp, {"home": server})
    sled.config.write_text(sled.config.read_text() + BUDGET)
    assert sled.fetch("--link", "lo").status == 0
    return sled


def test_what_a_clock_gone_wrong_dated_ahead_blocks_no_budget(tmp):
    """It did, each day until then."""
    with Pop3d(tmp, "--generate", "1") as server:
        sled = budgeted(tmp, server)
        spend(sled, 10 * 365 * 86400, 300 << 10)
        done = sled.fetch("--link", "lo")
        assert done.status == 0, done
        used, = [o["budgets"] for o in sled.run("--json", "status").json
                 if "budgets" in o]
        assert 0 < used[0]["used"] < 100 << 10, used


def test_budgets_stand_still_while_the_clock_is_doubtful(tmp):
    """All that was ever spent was counted, and what was spent then was not."""
    clock = Time(tmp / "time")
    with Pop3d(tmp, "--generate", "1") as server:
        sled = budgeted(tmp, server)
        spend(sled, -3 * 86400, 300 << 10)
        clock.set_wrong(-20 * 365 * 86400)

        def fetch():
            argv = sled.argv("fetch", "--link", "lo")
            argv[0] = str(BUILD / "mailsled-fast")
            return subprocess.run(argv, env=clock.env, capture_output=True,
                                  text=True, timeout=60)
        before = sum(row[0] for row in rows(sled)) - (300 << 10)
        done = fetch()  # as far as a certificate of these days
        assert done.returncode == 76, done
        used, = [o["budgets"] for o in sled.run("--json", "status").json
                 if "budgets" in o]
        assert used[0]["used"] > before, (used, before)
        spend(sled, 0, 200 << 10)
        done = fetch()
        assert done.returncode == 75 and "budget" in done.stderr, done


class Manager:
    """A service manager's end of NOTIFY_SOCKET; FN(text) for each message."""

    def __init__(self, path, fn):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.fn, self.env = fn, {"NOTIFY_SOCKET": str(path)}
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            self.fn(self.socket.recv(4096).decode())


def test_passwords_that_hang_do_not_keep_the_watchdog_waiting(tmp):
    """Of three accounts: it ended us in each round."""
    calls, heard = tmp / "calls", []

    def hear(text):
        begun = calls.read_text().count("x") if calls.exists() else 0
        heard.append((begun, text))

    manager = Manager(tmp / "notify", hear)
    with Pop3d(tmp, "--generate", "1") as server:
        sled = Sled(tmp, {name: Account("localhost", server.port, name, "",
                                        server.ca, "implicit")
                          for name in ("a", "b", "c", "d")})
        text = re.sub(r"password-file = .*", "password-command = "
                      f"echo x >>{calls}; sleep 300", sled.config.read_text())
        sled.config.write_text(text)
        env = {**manager.env, "WATCHDOG_USEC": "120000000",
               "FAST_CLOCK": "100"}
        with Run(sled, config=schedule(), env=env) as run:
            run.process.kill()
            run.process.wait()
            heard.clear()
            calls.unlink(missing_ok=True)
            run.program = "mailsled-fast"
            run.start()
            run.wait("did not end in time", 4)
            assert run.stop() == 0
    pings = {begun for begun, text in heard if text == "WATCHDOG=1"}
    assert {1, 2, 3} & pings, heard


def test_a_store_that_takes_long_to_open_is_given_the_time(tmp):
    heard = []
    manager = Manager(tmp / "notify", heard.append)
    with Pop3d(tmp, "--generate", "1") as server:
        sled = Sled(tmp, {"home": server})
        env = {**manager.env, "WATCHDOG_USEC": "90000000"}
        with Run(sled, config=schedule(), env=env) as run:
            run.wait("home: 1 came")
            assert run.stop() == 0
    longest = "WATCHDOG_USEC=21600000000"
    assert heard[0] == "EXTEND_TIMEOUT_USEC=21600000000", heard
    assert heard.index("READY=1") < heard.index(longest), heard
    assert heard[heard.index(longest) + 1] == \
        "WATCHDOG_USEC=90000000\nWATCHDOG=1", heard


def test_the_end_of_the_scheduler_lets_a_delivery_end(tmp):
    """Else the message went out, and nobody had noted it."""
    log = tmp / "log"

    def delivered():
        return log.read_text().split() if log.exists() else []

    with Pop3d(tmp, "--generate", "3") as server:
        sled = Sled(tmp, {"home": server}, account={
            "deliver": "command:cat >/dev/null; echo $MAILSLED_NUMBER "
                       f">>{log}; sleep 0.5"})
        with Run(sled, config=schedule()) as run:
            wait_for(delivered, "the first delivery", 60)
            assert run.stop() == 0
        assert len(delivered()) < 3
        assert sled.run("deliver").status == 0
        assert delivered() == ["1", "2", "3"], delivered()


def test_a_machine_that_travels_keeps_the_windows_of_where_it_is(tmp):
    unshare(CLONE_NEWNS)
    sh("mount --make-rprivate /")
    hour = int(time.strftime("%H", time.gmtime()))
    there = f"Etc/GMT-{5}"
    opens = f"{(hour + 4) % 24:02}:00-{(hour + 7) % 24:02}:00"
    with Pop3d(tmp, "--generate", "1") as server:
        sled = Sled(tmp, {"home": server})
        sh("mount --bind /usr/share/zoneinfo/Etc/UTC "
           "$(readlink -f /etc/localtime)")
        run = Run.__new__(Run)
        run.sled, run.log = sled, sled.dir / "run.log"
        run.base, run.args = sled.config.read_text(), ()
        run.configure(f"\n[schedule]\nwindows = {opens}\n")
        run.env = {k: v for k, v in os.environ.items() if k != "TZ"}
        run.start()
        with run:
            wait_for(lambda: "when the window opens" in
                     sled.run("status").out, "the wait")
            assert not server.events("open"), run.text
            sh(f"mount --bind /usr/share/zoneinfo/{there} "
               "$(readlink -f /etc/localtime)")
            run.signal(1)  # any event; an hour later at the latest
            run.wait("home: 1 came")
            assert run.stop() == 0
