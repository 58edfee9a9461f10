"""Far copies by rclone: what is there counts once it was checked there, each
file opens alone, and a store of which nothing else is left comes back."""
import os
import shutil
import signal
import subprocess
from pathlib import Path

from far_peer import Far, ranges, sealed
from harness import (Pop3d, Sled, fill_folder, message, only_slow, same_mail,
                     untar, wait_for, wire)
from test_fetch_mail import report
from test_fetch_places import noise


def serve(tmp, mail, *args):
    return Pop3d(tmp, *args, folder=fill_folder(tmp / "mail", mail))


def sled_of(tmp, server, far, copies=0, **store):
    sled = Sled(tmp, {"home": server}, copies=copies)
    places = [str(c) for c in sled.copies] + [far.place]
    sled.store_keys.update({"copies": ", ".join(places), "min-copies": 2,
                            **{k.replace("_", "-"): v
                               for k, v in store.items()}})
    sled.write()
    return sled


def check_far(far, mail, tmp):
    """Every archive there opens alone by GNU tar, and together they are all."""
    got = untar(far.mirror(tmp / "mirror"), tmp / "untarred")
    same_mail(got, [wire(m) for m in mail])
    shutil.rmtree(tmp / "mirror")
    shutil.rmtree(tmp / "untarred")


def counts_once_checked(tmp, kind):
    mail = noise(12)
    with serve(tmp, mail) as server, Far(tmp, kind) as far:
        sled = sled_of(tmp, server, far)
        row = report(sled.fetch())
        assert (row["fetched"], row["deleted"], row["kept"]) == (12, 0, 12)
        assert server.deles() == 0, "deleted before its far copy was checked"
        assert {"COPY.txt", "STORE.txt"} < set(far.files())
        check_far(far, mail, tmp)
        row = report(sled.fetch())
        assert (row["fetched"], row["deleted"]) == (0, 12), row
        assert server.left() == [] and server.retrs() == 12
        before = far.files()
        out = sled.run("sync")
        assert out.status == 0 and "whole, and checked there" in out.out
        assert ranges(far.files()) == ranges(before), "sent again"


def test_webdav_counts_once_checked(tmp):
    only_slow()  # crypt goes by WebDAV, too
    counts_once_checked(tmp, "webdav")


def test_sftp_counts_once_checked(tmp):
    counts_once_checked(tmp, "sftp")


def test_crypt_counts_once_checked(tmp):
    counts_once_checked(tmp, "crypt")


def test_a_store_comes_back_from_far_alone(tmp):
    mail = noise(30, octets=20_000)
    with serve(tmp, mail) as server, Far(tmp, "webdav") as far:
        sled = sled_of(tmp, server, far, rotate="256KiB")
        assert report(sled.fetch())["kept"] == 30
        assert report(sled.fetch())["deleted"] == 30
        assert sled.run("seal").status == 0
        assert sled.run("sync").status == 0
        files = far.files()
        assert sealed(files) and ranges(files) == [], files
        assert all(f"{f}.sha256" in files for f in sealed(files))
        before = sled.list()
        shutil.rmtree(sled.path)
        out = sled.fetch()
        assert out.status == 73 and "rebuild" in out.err, out
        assert not sled.path.exists()
        out = sled.run("rebuild")
        assert out.status == 0, out
        assert sled.list() == [{**m, "on_server": n["on_server"]} for m, n in
                               zip(before, sled.list())]
        same_mail(untar(sled.path, tmp / "back"), [wire(m) for m in mail])
        out = sled.run("verify", "--deep")
        assert out.status == 0, out
        assert sled.fetch().status == 0 and server.retrs() == 30


def test_what_is_damaged_there_is_found_and_sent_again(tmp):
    mail = noise(20)
    with serve(tmp, mail) as server, Far(tmp, "local") as far:
        sled = sled_of(tmp, server, far)
        report(sled.fetch())
        assert sled.run("verify", "--far").status == 0
        volume, = far.folder.glob("home/*.tar.gz")
        data = bytearray(volume.read_bytes())
        data[len(data) // 2] ^= 1
        volume.chmod(0o644)
        volume.write_bytes(data)
        out = sled.run("verify", "--far")
        assert out.status == 65 and "other bytes" in out.out, out
        volume.write_bytes(data[:-5])
        out = sled.run("sync")
        assert out.status == 73 and "another size" in out.err, out
        out = sled.run("sync")
        assert out.status == 0, out
        assert list(far.folder.glob("quarantine/home/*")), far.files()
        shutil.rmtree(far.folder / "quarantine")
        check_far(far, mail, tmp)
        assert report(sled.fetch())["deleted"] == 20


def test_a_far_place_that_lost_a_file_does_not_count(tmp):
    """Not before what is missing was sent again, and all of it checked."""
    mail = noise(20)
    with serve(tmp, mail) as server, Far(tmp, "local") as far:
        sled = sled_of(tmp, server, far)
        report(sled.fetch())
        shutil.rmtree(far.folder / "home")
        (far.folder / "COPY.txt").rename(far.dir / "COPY.txt")
        out = sled.run("sync")
        assert out.status == 73 and "no mark" in out.err, out
        assert list(far.folder.glob("home/*")) == []
        row = report(sled.fetch(), 73)
        assert row["deleted"] == 0, row
        (far.dir / "COPY.txt").rename(far.folder / "COPY.txt")
        sled.run("sync")
        assert sled.run("sync").status == 0
        assert report(sled.fetch())["deleted"] == 20


def test_another_store_s_place_is_never_written(tmp):
    mail = noise(3)
    with serve(tmp, mail) as server, Far(tmp, "local") as far:
        first = sled_of(tmp, server, far)
        report(first.fetch())
        before = sorted(far.folder.rglob("*"))
        other = Sled(tmp, {"home": server}, copies=1, name="other")
        report(other.fetch())
        other.store_keys["copies"] = f"{other.copies[0]}, {far.place}"
        other.write()
        out = other.run("sync")
        assert out.status == 73 and "another store" in out.err, out
        assert sorted(far.folder.rglob("*")) == before
        assert report(other.fetch())["fetched"] == 0


def test_far_failures_harm_no_visit_and_say_what_to_do(tmp):
    """Two local places are enough: what the far one does is said, no more."""
    mail = noise(3)
    with serve(tmp, mail) as server, Far(tmp, "webdav") as far:
        sled = sled_of(tmp, server, far, copies=1)
        report(sled.fetch())
        nowhere = tmp / "bin"
        nowhere.mkdir()

        def said(*words, env=None):
            fill_folder(tmp / "mail", {f"n{len(said.seen)}":
                                       message(100 + len(said.seen))})
            said.seen.append(words)
            out = sled.run("--json", "fetch", env=env)
            row = report(out)
            assert (row["fetched"], row["deleted"]) == (1, 1), row
            for word in words:
                assert word in out.err, (word, out)
            status = sled.run("status")
            assert status.status == 0 and words[0] in status.out, status
        said.seen = []
        said("not installed", "apt-get install rclone",
             env={"PATH": str(nowhere)})
        far.write(password="wrong")
        said("401", "rclone config")
        far.config.write_text("[other]\ntype = alias\nremote = /tmp\n")
        said("didn't find section", "rclone listremotes")
        far.write()
        far.stop()
        said("refused", "later visit")
        far.start()
        out = sled.run("sync")
        assert out.status == 0 and "whole, and checked there" in out.out, out


def test_mail_that_needs_the_far_place_stays_and_is_said(tmp):
    with serve(tmp, noise(3)) as server, Far(tmp, "webdav") as far:
        sled = sled_of(tmp, server, far)
        report(sled.fetch())
        far.stop()
        fill_folder(tmp / "mail", {"later": message(77)})
        out = sled.fetch()
        row = report(out)
        assert (row["fetched"], row["deleted"]) == (1, 3), row
        row = report(sled.fetch(), 73)
        assert row["kept"] == 1 and "refused" in row["error"], row
        far.start()
        assert report(sled.fetch(), 73)["kept"] == 1
        assert report(sled.fetch())["deleted"] == 1


def test_a_dear_link_carries_no_copies_unless_told(tmp):
    link = "\n[link lo]\nbudget = 100MiB/month\n"
    with serve(tmp, noise(3)) as server, Far(tmp, "local") as far:
        sled = sled_of(tmp, server, far, copies=1)
        sled.config.write_text(sled.config.read_text() + link)
        out = sled.fetch("--link", "lo")
        report(out)
        assert not list(far.folder.glob("home/*"))
        out = sled.run("status")
        assert "far = yes" in out.out, out
        sled.config.write_text(sled.config.read_text() + "far = yes\n")
        report(sled.fetch("--link", "lo"))
        assert list(far.folder.glob("home/*"))
        text = sled.config.read_text()
        sled.config.write_text(text.replace("far = yes", "far = no").replace(
            "budget = 100MiB/month\n", ""))
        fill_folder(tmp / "mail", {"later": message(9)})
        report(sled.fetch("--link", "lo"))
        assert len(list(far.folder.glob("home/*"))) == 1
        assert "far = no" in sled.run("status").out


def test_the_scheduler_sends_behind_its_visit(tmp):

    from test_run import Run
    with serve(tmp, noise(5)) as server, Far(tmp, "local") as far:
        sled = sled_of(tmp, server, far, copies=1)
        with Run(sled, config="\n[schedule]\nevery = 1h\n") as run:
            run.wait("home: 5 came")
            wait_for(lambda: list(far.folder.glob("home/*")), "a far copy")
            assert run.stop() == 0
        assert sled.run("sync").status == 0
        check_far(far, noise(5), tmp)


def rclones(far):
    """Process ids of the rclone that sends there."""
    found = []
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = cmdline.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:2] == [b"rclone", b"copy"] and \
                far.remote.encode() in words:
            found.append(int(cmdline.parent.name))
    return found


def half_there(far, size):
    """Some archive lies there, and not all of it."""
    return [p for p in far.folder.glob("home/*.tar.gz")
            if 0 < p.stat().st_size < size and rclones(far)]


def cut_off(tmp, kind, cut):
    """CUT ends a push that is half done; the next one goes on, and sends
    nothing that lies there whole."""
    only_slow()
    mail = noise(100, octets=200_000)
    with serve(tmp, mail) as server, Far(tmp, kind) as far:
        sled = sled_of(tmp, server, far, far_bandwidth="20Mbit/s")
        process = sled.popen("--json", "fetch")
        wait_for(lambda: half_there(far, 9 << 20), "a push that is half done")
        whole = wait_for(lambda: [p for p in far.folder.glob("home/*.tar.gz")
                                  if p.stat().st_size > 7 << 20],
                         "a range that is there")
        cut(process, far)
        process.wait(60)
        wait_for(lambda: not rclones(far), "rclone to be gone", 5)
        assert server.deles() == 0
        sizes = {p.name: (p.stat().st_size, p.stat().st_mtime_ns)
                 for p in whole}
        sled.store_keys.pop("far-bandwidth")
        sled.write()
        if far.process is None and kind != "local":
            far.start()
        assert sled.run("sync").status == 0
        for name, (size, mtime) in sizes.items():
            first, last = ranges([name])[0]
            now = (far.folder / "home" / name).stat()
            assert now.st_size == last - first
            assert size != last - first or now.st_mtime_ns == mtime, (
                f"{name} was sent again")
        check_far(far, mail, tmp)
        assert report(sled.fetch())["deleted"] == 100
        assert server.retrs() == 100


def test_a_push_whose_mailsled_is_killed_goes_on(tmp):
    cut_off(tmp, "webdav", lambda process, far: process.kill())


def test_a_push_whose_rclone_is_killed_goes_on(tmp):
    cut_off(tmp, "sftp", lambda process, far: [
        os.kill(pid, signal.SIGKILL) for pid in rclones(far)])


def test_a_push_whose_server_goes_away_goes_on(tmp):
    cut_off(tmp, "webdav", lambda process, far: far.stop())


def test_a_store_that_comes_back_may_be_cut_off(tmp):
    """Killed again and again while it comes from far: in the end all is here,
    and till then nothing is taken for a store that is whole."""
    only_slow()
    mail = noise(60, octets=100_000)
    with serve(tmp, mail) as server, Far(tmp, "webdav") as far:
        sled = sled_of(tmp, server, far, rotate="1MiB")
        for _ in range(3):
            report(sled.fetch())
        before = {m["sha256"] for m in sled.list()}
        shutil.rmtree(sled.path)
        for wait in range(6):
            process = sled.popen("rebuild")
            try:
                process.wait(0.2 + 0.3 * wait)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.returncode == 0:
                break
            out = sled.run("fetch")
            assert out.status == 73 and "rebuild" in out.err, out
        assert sled.run("rebuild").status == 0
        assert {m["sha256"] for m in sled.list()} == before
        same_mail(untar(sled.path, tmp / "back"), [wire(m) for m in mail])
        assert server.retrs() == 60
