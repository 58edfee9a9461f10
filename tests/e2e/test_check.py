"""The count at the end of `make check` is true: whatever goes wrong on the
way, it is a failure there, and the status is not 0."""
import os
import subprocess

from harness import ROOT

GOOD = """[==========] a: Running 2 test(s).
[ RUN      ] one
[       OK ] one
[ RUN      ] two
[  SKIPPED ] two
[==========] a: 2 test(s) run.
[  PASSED  ] 1 test(s).
"""
BAD = GOOD.replace("[  SKIPPED ] two", "[  FAILED  ] two") + """
[  FAILED  ] a: 1 test(s), listed below:
[  FAILED  ] two
"""
CRASH = "\n".join(GOOD.splitlines()[:2]) + "\n"


def count(text, want=1):
    done = subprocess.run(
        ["awk", "-v", f"want={want}", "-f",
         str(ROOT / "tests/lint/count_units.awk")],
        input=text, text=True, capture_output=True, check=True)
    return tuple(int(word) for word in done.stdout.split())


def test_units_are_counted_once(tmp):
    assert count(GOOD) == (1, 0, 1)
    assert count(BAD) == (1, 1, 0)
    assert count(GOOD + GOOD, 2) == (2, 0, 2)


def test_a_crash_counts_all_that_did_not_end(tmp):
    assert count(CRASH) == (0, 2, 0)
    assert count(CRASH + GOOD, 2) == (1, 2, 1)
    assert count("", 1) == (0, 1, 0)
    assert count(GOOD, 2) == (1, 1, 1)


def run(tmp, script):
    """run.sh with a make that does as SCRIPT says; (status, last line)."""
    make = tmp / "make"
    groups = len(list((ROOT / "tests/unit").glob("test_*.c")))
    (tmp / "good").write_text(GOOD * groups)
    make.write_text("#!/bin/sh\n"
                    'for target; do :; done\n'
                    f'good="{tmp}/good"\n'
                    f'case "$*" in {script}\n'
                    '*check-unit*) cat "$good" ;;\n'
                    '*check-e2e*) echo "7 passed, 0 failed, 1 skipped" ;;\n'
                    '*check-crash*) echo "3 passed, 0 failed" ;;\n'
                    "*) true ;; esac\n")
    make.chmod(0o755)
    env = {k: v for k, v in os.environ.items() if k != "CI"}
    done = subprocess.run(
        ["sh", str(ROOT / "tests/run.sh"), "check", str(make), str(tmp / "b")],
        env=env, text=True, capture_output=True, timeout=100)
    lines = done.stdout.splitlines()
    assert sum(" passed, " in line and " failed" in line and
               line[0].isdigit() for line in lines) == 1, lines
    return done.returncode, lines[-1].split(", ")


def test_a_clean_run_ends_with_0(tmp):
    status, (passed, failed, skipped) = run(tmp, "")
    assert status == 0 and failed == "0 failed"
    assert int(passed.split()[0]) > 7 and int(skipped.split()[0]) > 1


def test_each_fault_fails_the_run(tmp):
    _, clean = run(tmp, "")
    for fault in ("*check-layers*) echo layers; exit 1 ;;",
                  '*check-unit*) cat "$good"; exit 2 ;;',
                  "*check-unit*) true ;;",
                  "*check-e2e*) true ;;",
                  "*check-crash*) true ;;",
                  '*check-e2e*) echo "7 passed, 0 failed"; exit 1 ;;',
                  '*check-e2e*) echo "0 passed, 0 failed" ;;',
                  '*check-e2e*) kill -9 $$ ;;',
                  '*check-dele*) kill -11 $$ ;;'):
        status, line = run(tmp, fault)
        assert status == 1 and line[1] != "0 failed", (fault, line)
        assert line != clean
    status, line = run(tmp, '*check-e2e*) echo "5 passed, 2 failed"; exit 1;;')
    assert status == 1 and line[1] == "2 failed"
