#!/usr/bin/env python3
"""Run the end-to-end tests: run.py [-t SECONDS] [-j N] [--slow] [WORD...]

Each function test_* of tests/e2e/test_*.py runs in a process of its own with
a fresh folder, begun in the order of the files, N at once: most of a test is
waiting, so that N is twice the cores if nothing else is said. WORDs select by
file or name. A test may set its own limit, test_x.timeout = 300, and one that
takes all of the machine, or shares a folder, says test_x.alone = True. With
--slow (or E2E_SLOW=1) tests that ask for it run longer, and those that always
take long run too.
"""
import argparse
import importlib
import multiprocessing
import multiprocessing.connection
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


class Running:
    """One test under way."""

    def __init__(self, label, function, limit):
        self.label = label
        self.alone = getattr(function, "alone", False)
        self.limit = limit or getattr(function, "timeout", TIMEOUT)
        self.began = time.monotonic()
        self.tmp = tempfile.mkdtemp(prefix="e2e.")
        os.chmod(self.tmp, 0o755)
        self.pipe, theirs = multiprocessing.Pipe(duplex=False)
        self.process = multiprocessing.Process(
            target=child, args=(function, self.tmp, theirs))
        self.process.start()
        theirs.close()

    def seconds(self):
        return time.monotonic() - self.began

    def left(self):
        return max(0, self.limit - self.seconds())

    def result(self):
        """Verdict, reason, story; it has told them, died, or is over time."""
        try:
            if not self.pipe.poll():
                return "not ok", f"still running after {self.limit} s", ""
            return self.pipe.recv()
        except EOFError:
            self.process.join()
            return "not ok", f"ended by itself ({self.process.exitcode})", ""
        finally:
            end_group(self.process)
            self.pipe.close()
            shutil.rmtree(self.tmp, ignore_errors=True)


def end_group(process):
    """The children that a test left behind go with it."""
    process.join(5)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.join()


def wait_for_some(running):
    """Those of them that have ended, or are over their time."""
    told = multiprocessing.connection.wait(
        [test.pipe for test in running], min(test.left() for test in running))
    return [test for test in running if test.pipe in told or not test.left()]


def run_all(tests, limit, jobs):
    """Yields each with its result as it ends."""
    waiting = list(tests)
    running = []
    while waiting or running:
        while waiting and len(running) < jobs:
            label, function = waiting[0]
            alone = getattr(function, "alone", False)
            if running and (alone or running[-1].alone):
                break
            running.append(Running(label, function, limit))
            del waiting[0]
        for test in wait_for_some(running):
            running.remove(test)
            yield test, test.result()


def tell(test, verdict, why, story):
    reason = why.splitlines()[0] if why else ""
    took = f" ({test.seconds():.1f} s)"
    print(f"{verdict} {test.label}" + (f": {reason}" if reason else took),
          flush=True)
    if story:
        print("".join(f"    {line}\n" for line in story.splitlines()),
              end="", file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("-t", type=int, default=None, metavar="SECONDS")
    parser.add_argument("-j", type=int, default=2 * os.cpu_count(),
                        metavar="N")
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("words", nargs="*")
    args = parser.parse_args()
    if args.slow:
        os.environ["E2E_SLOW"] = "1"
    counts = {"ok": 0, "not ok": 0, "skip": 0}
    tests = find_tests(args.words)
    for test, result in run_all(tests, args.t, max(1, args.j)):
        tell(test, *result)
        counts[result[0]] += 1
    skipped = f", {counts['skip']} skipped" if counts["skip"] else ""
    print(f"{counts['ok']} passed, {counts['not ok']} failed{skipped}")
    return 1 if counts["not ok"] or not sum(counts.values()) else 0


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    sys.exit(main())
