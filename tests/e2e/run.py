#!/usr/bin/env python3
"""Run the end-to-end tests: run.py [-t SECONDS] [--slow] [WORD...]

Each function test_* of tests/e2e/test_*.py runs in a process of its own with
a fresh folder, in the order of the files. WORDs select by file or name. A
test may set its own limit: test_x.timeout = 300. With --slow (or E2E_SLOW=1)
tests that ask for it run longer, and those that always take long run too.
"""
import argparse
import importlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
TIMEOUT = 120


def find_tests(words):
    for path in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(path.stem)
        for name, function in vars(module).items():
            if not name.startswith("test_") or not callable(function):
                continue
            label = f"{path.stem[5:]}.{name[5:]}"
            full = f"{path.stem}.py {label} {name}"
            if not words or any(word in full for word in words):
                yield label, function


def child(function, tmp, pipe):
    """A group of its own, so that a time-out ends the servers as well."""
    from harness import Skip
    os.setpgid(0, 0)
    try:
        function(Path(tmp))
        pipe.send(("ok", "", ""))
    except Skip as why:
        pipe.send(("skip", str(why), ""))
    except BaseException as why:
        text = str(why) or type(why).__name__
        pipe.send(("not ok", text, traceback.format_exc()))


def run_one(function, limit):
    tmp = tempfile.mkdtemp(prefix="e2e.")
    os.chmod(tmp, 0o755)
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=child,
                                      args=(function, tmp, theirs))
    process.start()
    theirs.close()
    try:
        if not ours.poll(limit):
            return "not ok", f"still running after {limit} s", ""
        return ours.recv()
    except EOFError:
        process.join()
        return "not ok", f"ended by itself ({process.exitcode})", ""
    finally:
        end_group(process)
        shutil.rmtree(tmp, ignore_errors=True)


def end_group(process):
    """The children that a test left behind go with it."""
    process.join(5)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.join()


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("-t", type=int, default=None, metavar="SECONDS")
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("words", nargs="*")
    args = parser.parse_args()
    if args.slow:
        os.environ["E2E_SLOW"] = "1"
    counts = {"ok": 0, "not ok": 0, "skip": 0}
    for label, function in find_tests(args.words):
        limit = args.t or getattr(function, "timeout", TIMEOUT)
        began = time.monotonic()
        verdict, why, story = run_one(function, limit)
        counts[verdict] += 1
        took = f"({time.monotonic() - began:.1f} s)"
        reason = why.splitlines()[0] if why else ""
        print(f"{verdict} {label}" + (f": {reason}" if reason else f" {took}"),
              flush=True)
        if story:
            print("".join(f"    {line}\n" for line in story.splitlines()),
                  end="", file=sys.stderr, flush=True)
    skipped = f", {counts['skip']} skipped" if counts["skip"] else ""
    print(f"{counts['ok']} passed, {counts['not ok']} failed{skipped}")
    return 1 if counts["not ok"] or not sum(counts.values()) else 0


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    sys.exit(main())
