"""The bench measures what it says, and leaves nothing behind."""
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from harness import BUILD, ROOT, Skip, wait_for

BENCH = [sys.executable, str(ROOT / "tests/bench/bench.py")]


def run(tmp, *args, **more):
    env = {**os.environ, "BUILD": str(BUILD), "TMPDIR": str(tmp)}
    return subprocess.Popen([*BENCH, "--records", str(tmp / "records"),
                             *args], env=env, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            **more)


def finish(process):
    """Its output; skipped where it said what it lacks."""
    out, err = process.communicate(timeout=110)
    if process.returncode in (69, 77):
        assert "Traceback" not in err, err
        raise Skip(err.strip().splitlines()[0])
    return out, err


def spaces():
    folder = Path("/run/netns")
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_poll_of_three_messages_is_counted_and_checked(tmp):
    before = spaces(), Path("/etc/hosts").read_bytes()
    process = run(tmp, "smoke", "--peers", "floor,mailsled")
    out, err = finish(process)
    assert process.returncode == 0, out + err
    record, = re.findall(r"records: (.*)\)", err)
    mail = int(re.search(r"smoke: 3 messages, ([\d,]+) B",
                         out)[1].replace(",", ""))
    for name in ("floor", "mailsled"):
        line, = re.findall(rf"(?m)^  {name} +(\d+\.\d\d .*)$", out)
        down = int(line.split()[1].replace(",", ""))
        assert mail < down < mail + 12000, line
    assert (spaces(), Path("/etc/hosts").read_bytes()) == before
    assert names(tmp) == ["records"], "it left files behind"
    again = run(tmp, "--show", record)
    assert finish(again)[0] == out, "--show prints another table"


def test_a_wrong_result_is_never_shown_as_a_figure(tmp):
    sys.path.insert(0, str(ROOT / "tests/bench"))
    import table
    rows = [{"machine": "Measured: here."},
            {"work": "w", "heading": "h"},
            {"work": "w", "peer": "floor", "seconds": 2.0, "down": 100,
             "up": 50, "mail": 80},
            {"work": "w", "peer": "mpop", "seconds": 123.0, "down": 45678,
             "up": 9, "mail": 80, "wrong": "1 of 2 delivered"},
            {"work": "w", "peer": "mailsled", "seconds": 3.0, "down": 150,
             "up": 50, "mail": 80}]
    for shown in (table.plain(rows), table.markdown(rows)):
        assert "WRONG: 1 of 2 delivered" in shown
        assert "123" not in shown and "45,678" not in shown
        line = next(x for x in shown.splitlines() if "3.00" in x)
        assert "1.50" in line and "1.88" in line, line
    assert all(len(x) <= 100 for x in table.plain(rows).splitlines())


def test_a_table_of_several_days_says_of_which_day_a_work_is(tmp):
    sys.path.insert(0, str(ROOT / "tests/bench"))
    import table
    rows = [{"machine": "Measured: 2026-01-01, here."},
            {"work": "old", "heading": "an old one"},
            {"machine": "Measured: 2026-01-01, here."},
            {"work": "same", "heading": "of that day"},
            {"machine": "Measured: 2026-01-02, here."},
            {"work": "new", "heading": "a new one"},
            {"machine": "Measured: 2026-01-03, there."},
            {"work": "far", "heading": "another machine"}]
    assert [part[1] for part in table.works(rows)] == [
        "an old one", "of that day", "a new one; measured: 2026-01-02",
        "another machine; measured: 2026-01-03, there"]


def test_a_bench_that_is_stopped_takes_its_children_along(tmp):
    before = spaces()
    process = run(tmp, "poll", "--peers", "floor,mailsled",
                  start_new_session=True)

    def measuring():
        return process.poll() is not None or [
            p for p in tmp.glob("bench.*/p*/config.ini")]
    wait_for(measuring, "the first visit of mailsled")
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    out, err = finish(process)
    assert process.returncode == 128 + signal.SIGTERM, (out, err)
    assert time.monotonic() - began < 30 and "bench: stopped" in err
    assert names(tmp) == ["records"] and spaces() == before
    running = subprocess.run(["ps", "-eo", "args"], text=True,
                             stdout=subprocess.PIPE, check=True).stdout
    assert f"{tmp}/" not in running, "children are still there"
