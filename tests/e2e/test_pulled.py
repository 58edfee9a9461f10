"""A copy's disk that is pulled in the middle of a visit: real mounts, in a
namespace of the test's own."""
import contextlib
import subprocess

from harness import Pop3d, Sled, fill_folder, message, untar, volumes, \
    wait_for, wire
from test_fetch_mail import report, stored_whole
from test_fetch_places import noise
from test_fetch_tickets import own_mounts

EARLY, LATE = 90, 30  # messages before and behind the pull


def mount(*words):
    return subprocess.run(["mount", *map(str, words)], capture_output=True,
                          text=True)


class Disk:
    """A tmpfs that is plugged in at PLACE, and stays when it is pulled."""

    def __init__(self, tmp, place):
        self.whole, self.place = tmp / "disk", place
        for folder in (self.whole, place):
            folder.mkdir()
        assert mount("-t", "tmpfs", "-o", "size=64m", "none",
                     self.whole).returncode == 0
        self.plug()

    def plug(self):
        done = mount("--bind", self.whole, self.place)
        assert done.returncode == 0, done.stderr

    def pull(self):
        subprocess.run(["umount", "-l", self.place], check=True)

    def read_only(self, yes):
        """Refused for the moment in which a file is open to be written."""
        wait_for(lambda: mount("-o", f"remount,{'ro' if yes else 'rw'}",
                               self.whole).returncode == 0, "the remount")


@contextlib.contextmanager
def visit_under_way(tmp, copies, min_copies):
    """The disk of the last copy, and what ends the visit: its report. It has
    appended to every place, and the server keeps it waiting."""
    own_mounts()
    mail = noise(EARLY + LATE)
    server = Pop3d(tmp, "--fault", f"RETR:{EARLY}:delay=4000",
                   folder=fill_folder(tmp / "mail", mail))
    sled = Sled(tmp, {"home": server}, copies=copies,
                store={"min-copies": min_copies})
    disk = Disk(tmp, sled.copies[-1])
    with server:
        process = subprocess.Popen(
            sled.argv("--json", "fetch"), text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        wait_for(lambda: all(v and v[0].stat().st_size > 100_000 for v in
                             map(volumes, sled.places)), "an append")

        def end():
            out, err = process.communicate(timeout=60)
            sled.said = err
            from harness import Result
            return Result(process.args, process.returncode, out, err)
        yield sled, server, mail, disk, end
        if process.poll() is None:
            process.kill()


def gone(server, mail):
    left = server.left()
    return {wire(m) for i, m in enumerate(mail, 1)
            if f"m{i:05d}.eml" not in left}


def heals(sled, server, mail, tmp):
    """Nothing is fetched again, all is deleted, every place has all of it."""
    row = report(sled.fetch())
    assert (row["fetched"], row["kept"]) == (0, 0), row
    assert server.left() == [] and server.retrs() == len(mail)
    assert sled.run("sync").status == 0
    assert sled.run("verify", "--deep").status == 0
    stored_whole(sled, mail, tmp)


def test_a_copy_remounted_read_only_half_way_keeps_mail_on_the_server(tmp):
    with visit_under_way(tmp, 1, 2) as (sled, server, mail, disk, end):
        disk.read_only(True)
        row = report(end(), 73)
        assert row["fetched"] == len(mail) and row["kept"] >= LATE, row
        assert "ead-only" in row["error"], row
        assert gone(server, mail) <= set(untar(disk.place,
                                               tmp / "held").values())
        assert len(gone(server, mail)) == row["deleted"]
        disk.read_only(False)
        heals(sled, server, mail, tmp)


def test_a_copy_that_is_one_too_many_may_go_read_only(tmp):
    with visit_under_way(tmp, 2, 2) as (sled, server, mail, disk, end):
        disk.read_only(True)
        done = end()
        row = report(done)
        assert row["deleted"] == len(mail) and server.left() == [], row
        assert str(disk.place) in done.err, done
        disk.read_only(False)
        heals(sled, server, mail, tmp)


def test_a_copy_unplugged_half_way_loses_nothing_and_catches_up(tmp):
    """A lazy unmount: what is open is still written to the disk that is going;
    its folder on the disk below is never touched."""
    with visit_under_way(tmp, 1, 2) as (sled, server, mail, disk, end):
        disk.pull()
        done = end()
        assert done.status in (0, 73), done
        (row,) = done.reports
        assert row["fetched"] == len(mail), row
        held = [set(untar(p, tmp / f"held-{p.name}").values())
                for p in (sled.path, disk.whole)]
        assert gone(server, mail) <= held[0] & held[1]
        # While it is away: said, and nothing in its place.
        more = message(9001)
        fill_folder(server.folder, {"more": more})
        done = sled.fetch()
        (row,) = done.reports
        assert row["fetched"] == 1 and row["deleted"] == 0, done
        assert done.status == 73 and "more.eml" in server.left(), done
        assert list(disk.place.iterdir()) == [], "the disk below was written"
        disk.plug()
        heals(sled, server, mail + [more], tmp)
