"""Memory is flat: neither a large message nor many of them raise it by more
than their listing. What counts is what the run or any program it starts behind
the visit holds: those for the index of search, and for parity."""
import subprocess
import sys

from harness import Pop3d, Sled, only_slow

MIB = 1 << 20
LISTED = 150  # bytes a listed message may take


# A child's peak is at least what its parent held when it was made: so a small
# Python of its own starts the program, not this one.
MEASURE = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[
    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
_, status, used = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), used.ru_maxrss)
"""


def peak(sled, *args, timeout=300):
    """Exit status and the most memory that one run held, or a child of it, in
    bytes."""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", MEASURE,
                           *sled.argv(*args)], check=True, text=True,
                          stdout=subprocess.PIPE, timeout=timeout)
    status, used = (int(word) for word in done.stdout.split())
    return status, used * 1024


def measure(tmp, count, octets, limit):
    with Pop3d(tmp, "--generate", f"{count},{octets}",
               name=f"s{count}-{octets}") as server:
        sled = Sled(tmp, {"home": server}, name=f"c{count}-{octets}")
        status, used = peak(sled, "--json", "fetch")
        assert status == 0
        print(f"# {count} of {octets} bytes: {used / MIB:.1f} MiB "
              f"(limit {limit / MIB:.1f})", flush=True)
        assert used <= limit, f"{used / MIB:.1f} MiB"
        assert server.retrs() == count
        status, used = peak(sled, "--json", "fetch")
        assert status == 0 and used <= limit, f"{used / MIB:.1f} MiB"
        print(f"# the visit behind it: {used / MIB:.1f} MiB", flush=True)


def test_a_large_message(tmp):
    measure(tmp, 1, 30_000_000, 24 * MIB)


def test_many_messages(tmp):
    measure(tmp, 5000, 300, 24 * MIB + 5000 * LISTED)


def test_megabytes_of_text_to_search(tmp):
    measure(tmp, 80, 1_000_000, 32 * MIB)


def test_a_message_of_100_mb(tmp):
    only_slow()
    measure(tmp, 1, 100_000_000, 24 * MIB)


def test_a_maildrop_of_100000(tmp):
    only_slow()
    measure(tmp, 100_000, 300, 24 * MIB + 100_000 * LISTED)


def test_leave_mode_of_100000(tmp):
    """All stay on the server, and the next visit knows them all."""
    only_slow()
    limit = 24 * MIB + 100_000 * LISTED
    with Pop3d(tmp, "--generate", "100000,300") as server:
        sled = Sled(tmp, {"home": server}, account={"delete": "never"})
        for turn in ("first", "second"):
            status, used = peak(sled, "--json", "fetch")
            print(f"# {turn} visit that leaves 100000: "
                  f"{used / MIB:.1f} MiB", flush=True)
            assert status == 0 and used <= limit
        assert server.retrs() == 100_000
        (sled.path / ".mailsled/ledger.db").unlink()
        status, used = peak(sled, "--json", "rebuild")
        print(f"# rebuild: {used / MIB:.1f} MiB", flush=True)
        assert status == 0 and used <= limit


test_a_message_of_100_mb.timeout = 400
test_a_maildrop_of_100000.timeout = 900
test_leave_mode_of_100000.timeout = 900
