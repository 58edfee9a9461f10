"""Much mail: many accounts, many bytes, one huge message. Memory stays flat,
and each message is in each place once. Slow; SLED_LOAD_DIR is where to put it
(a disk with 30 GB), else the test's own folder. The maildrop of 100,000 is in
test_fetch_memory.py."""
import collections
import json
import os
import subprocess
import time
from pathlib import Path

from harness import (Dovecot, Pop3d, Sled, message, only_slow,
                     volumes, wait_for)
from test_fetch_memory import MIB, peak

MB = 1_000_000


def room(tmp):
    where = os.environ.get("SLED_LOAD_DIR")
    return Path(where) if where else tmp


def counted(place):
    """Entries of mail by GNU tar, and how many names are there twice."""
    names = collections.Counter()
    for volume in volumes(place):
        done = subprocess.run(["tar", "tzf", str(volume)], text=True,
                              check=True, capture_output=True)
        assert not done.stderr, done.stderr
        names.update(n for n in done.stdout.splitlines()
                     if n.endswith(".eml"))
    return len(names), sum(n - 1 for n in names.values())


def load(tmp, count, octets, timeout):
    """One visit with so much mail."""
    where = room(tmp)
    with Pop3d(tmp, "--generate", f"{count},{octets}") as server:
        sled = Sled(where, {"home": server}, name=f"load-{count}")
        began = time.monotonic()
        status, used = peak(sled, "--json", "fetch", timeout=timeout)
        took = time.monotonic() - began
        visits = 1
        if status == 75 and server.retrs() == count:
            # Stored for longer than a server waits (10 min): deleted later.
            status, _ = peak(sled, "--json", "fetch", timeout=timeout)
            visits = 2
        assert status == 0
        server.wait_closed()
        assert server.retrs() == server.deles() == count
        assert len(server.mails("gone")) == count
        print(f"# {count} of {octets} octets: {took:.0f} s, "
              f"{count * octets / MB / took:.1f} MB/s, {used / MIB:.1f} MiB, "
              f"{visits} visits", flush=True)
        assert used <= 32 * MIB + count * 150
        for place in sled.places:
            assert counted(place) == (count, 0)
        assert sled.run("verify", timeout=timeout).status == 0


def test_five_gigabytes_in_one_visit(tmp):
    only_slow()
    load(tmp, 5000, MB, 3000)


def test_a_message_of_two_gigabytes(tmp):
    only_slow()
    load(tmp, 1, 2_000_000_000, 3000)


def test_two_hundred_accounts(tmp):
    """One run for all; what one cannot do costs the others nothing."""
    only_slow()
    users = [f"u{i}" for i in range(200)]
    with Dovecot(users=users, service_count=0) as server:
        for i, user in enumerate(users):
            server.fill(user, [message(i, f"{user} {n}\n") for n in range(3)])
        accounts = {user: server.account(user) for user in users}
        accounts["u7"] = accounts["u7"]._replace(password="wrong")
        sled = Sled(tmp, accounts)
        done = sled.fetch(timeout=600)
        assert done.status == 77, done
        rows = {r["account"]: r for r in done.reports}
        assert len(rows) == 200
        assert rows["u7"]["exit"] == 77 and rows["u7"]["fetched"] == 0
        assert sum(r["deleted"] for r in rows.values()) == 199 * 3
        for place in sled.places:
            assert counted(place) == (199 * 3, 0)
        begun = json.dumps([r["seconds"] for r in rows.values()])
        print(f"# 200 accounts, seconds: {begun[:60]}...", flush=True)


def test_a_second_mailsled_waits_and_then_says_who_has_the_store(tmp):
    with Pop3d(tmp, "--generate", "5", "--fault", "RETR:3:stall") as server:
        sled = Sled(tmp, {"home": server})
        first = sled.popen("fetch")
        wait_for(lambda: server.retrs() >= 3, "the third RETR")
        began = time.monotonic()
        second = sled.fetch()
        assert second.status == 75, second
        assert f"pid {first.pid}" in second.err, second
        assert time.monotonic() - began >= 4, "it did not wait"
        first.kill()
        first.wait()
        last = sled.fetch()
        assert last.status == 0, last
        for place in sled.places:
            assert counted(place) == (5, 0)


def test_another_state_folder_is_no_way_round_the_lock(tmp):
    """As of root's configuration, or of another machine over NFS: both wrote
    where each thought the end to be, and what was deleted was overwritten."""
    for turn in (0, 1):
        here = tmp / str(turn)
        with Pop3d(here, "--generate", "5", "--fault",
                   "RETR:3:stall") as server:
            sled = Sled(here, {"home": server})
            assert sled.run("sync").status == 0  # there is a store
            other = Sled(here, {"home": server}, name="other", store={
                "path": sled.path, "copies": sled.copies[0],
                "state": here / "state"})
            first, second = (sled, other)[::1 - 2 * turn]
            process = first.popen("fetch")
            server.wait_line("RETR 3")
            done = second.fetch()
            assert done.status == 75, done
            assert f"pid {process.pid}" in done.err, done
            process.kill()
            process.wait()


def test_mailsleds_at_once_bring_each_message_once(tmp):
    with Pop3d(tmp, "--generate", "40") as server:
        sled = Sled(tmp, {"home": server})
        assert sled.run("sync").status == 0  # there is a store
        all_of_them = [sled.popen("fetch") for _ in range(4)]
        ends = [process.wait(120) for process in all_of_them]
        assert 0 in ends and set(ends) <= {0, 75}, ends
        assert sled.fetch().status == 0
        server.wait_closed()
        assert server.retrs() == server.deles() == 40
        for place in sled.places:
            assert counted(place) == (40, 0)


for test in (test_five_gigabytes_in_one_visit, test_a_message_of_two_gigabytes,
             test_two_hundred_accounts):
    test.timeout = 3600
