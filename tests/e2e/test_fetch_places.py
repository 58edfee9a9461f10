"""Law 1 where places fail: what is not in enough of them stays on the server,
and nothing is downloaded again once they are mended."""
import contextlib
import os
import random
import re
import shutil
import sqlite3
import subprocess

from harness import (Dovecot, Pop3d, Skip, Sled, fill_folder, message, untar,
                     volumes, wire)
from test_fetch_mail import report, stored_whole


def noise(count, octets=4000, seed=1):
    """Mail that does not get smaller, so that a small disk is soon full."""
    luck = random.Random(seed)
    return [message(i, luck.randbytes(octets).hex() + "\n")
            for i in range(count)]


def serve(tmp, mail, *args):
    return Pop3d(tmp, *args, folder=fill_folder(tmp / "mail", mail))


def again(server, *args):
    """The server anew, with other options."""
    server.stop()
    server.args = list(args)
    server.start(server.port)


def wipe(place):
    for entry in place.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


@contextlib.contextmanager
def small_disk(place, size):
    """PLACE on a tmpfs of its own; yields what gives it another size."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        raise Skip("mounting needs root")
    place.mkdir()

    def mount(options, what=()):
        done = subprocess.run(["mount", *what, "-o", options, str(place)],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise Skip(f"no mount here: {done.stderr.strip()}")
    mount(f"size={size}", ("-t", "tmpfs", "none"))
    try:
        yield lambda size: mount(f"remount,size={size}")
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_copy_keeps_mail_on_the_server(tmp):
    """[D1]"""
    mail = noise(120)
    with serve(tmp, mail) as server:
        sled = Sled(tmp, {"home": server})
        with small_disk(sled.copies[0], "256k") as resize:
            row = report(sled.fetch(), 73)
            assert row["fetched"] == 120 and row["kept"] > 0, row
            assert "No space left" in row["error"], row
            held = set(untar(sled.copies[0], tmp / "held").values())
            gone = {wire(m) for i, m in enumerate(mail, 1)
                    if f"m{i:05d}.eml" not in server.left()}
            assert gone <= held, "deleted, and not in the copy"
            assert len(gone) == row["deleted"]
            assert report(sled.fetch(), 73)["fetched"] == 0
            resize("8m")
            row = report(sled.fetch())
            assert (row["fetched"], row["kept"]) == (0, 0), row
            assert server.left() == [] and server.retrs() == 120
            stored_whole(sled, mail, tmp)


def test_a_full_copy_gives_back_what_it_cannot_hold(tmp):
    """Messages of 100 kB: some fit. Archives can be read all along."""
    mail = noise(8, octets=50_000)
    with serve(tmp, mail) as server:
        sled = Sled(tmp, {"home": server})
        with small_disk(sled.copies[0], "256k") as resize:
            for i in range(3):
                report(sled.fetch(), 73)
                held = untar(sled.copies[0], tmp / f"held{i}")
                assert len(held) >= 8 - len(server.left())
            resize("4m")
            report(sled.fetch())
            assert server.left() == [] and server.retrs() == 8
            stored_whole(sled, mail, tmp)


def test_a_full_first_place_takes_nothing_it_cannot_keep(tmp):
    mail = noise(10, octets=400_000)
    with serve(tmp, mail) as server:
        sled = Sled(tmp, {"home": server})
        with small_disk(sled.path, "18m") as resize:
            row = report(sled.fetch(), 73)
            assert row["left"] > 0 and row["fetched"] < 10, row
            held = set(untar(sled.path, tmp / "held").values())
            assert len(held) == row["fetched"] == row["deleted"], row
            resize("80m")
            report(sled.fetch())
            assert server.left() == [] and server.retrs() == 10
            stored_whole(sled, mail, tmp)


def test_a_lost_quit_and_a_wiped_copy(tmp):
    mail = noise(50)
    with serve(tmp, mail, "--lose-quit") as server:
        sled = Sled(tmp, {"home": server})
        row = report(sled.fetch(), 75)
        assert (row["fetched"], row["deleted"]) == (50, 0), row
        assert len(server.left()) == 50 and server.deles() == 50
        wipe(sled.copies[0])
        again(server)
        row = report(sled.fetch(), 73)
        assert (row["fetched"], row["deleted"]) == (0, 0), row
        assert "sync" in row["error"], row
        assert server.deles() == 50 and len(server.left()) == 50
        assert sled.run("sync").status == 0
        row = report(sled.fetch())
        assert (row["fetched"], row["deleted"]) == (0, 50), row
        assert server.left() == [] and server.retrs() == 50
        stored_whole(sled, mail, tmp)


def test_a_wiped_volume_is_not_counted(tmp):
    """[D2]"""
    """The mark is there, the archive is not: it is made anew at the start."""
    mail = noise(20)
    with serve(tmp, mail, "--lose-quit") as server:
        sled = Sled(tmp, {"home": server})
        report(sled.fetch(), 75)
        for volume in volumes(sled.copies[0]):
            volume.unlink()
        again(server)
        row = report(sled.fetch())
        assert (row["fetched"], row["deleted"]) == (0, 20), row
        stored_whole(sled, mail, tmp)


def test_a_damaged_copy_is_not_counted(tmp):
    """A byte of it has turned since it was read back, two days ago."""
    mail = noise(20)
    with serve(tmp, mail, "--lose-quit") as server:
        sled = Sled(tmp, {"home": server})
        report(sled.fetch(), 75)
        (volume,) = volumes(sled.copies[0])
        data = bytearray(volume.read_bytes())
        data[len(data) // 2] ^= 1
        volume.write_bytes(data)
        with contextlib.closing(sqlite3.connect(
                sled.path / ".mailsled/ledger.db")) as ledger:
            ledger.execute("UPDATE holding SET verified = verified - 180000")
            ledger.commit()
        again(server)
        row = report(sled.fetch(), 73)
        assert (row["fetched"], row["deleted"]) == (0, 0), row
        assert len(server.left()) == 20 and server.deles() == 20
        sled.run("sync")
        row = report(sled.fetch())
        assert (row["fetched"], row["deleted"]) == (0, 20), row
        stored_whole(sled, mail, tmp)


def test_damage_that_verify_met_is_not_counted(tmp):
    """Read back well an hour ago, but verify saw it since: it is mended, from
    the place that holds it, before anything is deleted for its sake."""
    mail = noise(20)
    with serve(tmp, mail, "--lose-quit") as server:
        sled = Sled(tmp, {"home": server})
        report(sled.fetch(), 75)
        (volume,) = volumes(sled.copies[0])
        data = bytearray(volume.read_bytes())
        data[len(data) // 2] ^= 1
        volume.write_bytes(data)
        assert sled.run("verify", "--deep").status == 65
        again(server)
        row = report(sled.fetch())
        assert (row["fetched"], row["deleted"]) == (0, 20), row
        assert sled.run("verify", "--deep").status == 0
        stored_whole(sled, mail, tmp)


def test_what_is_lost_in_every_place_is_65(tmp):
    mail = noise(20)
    with serve(tmp, mail) as server:
        sled = Sled(tmp, {"home": server})
        report(sled.fetch())
        for place in sled.places:
            (volume,) = volumes(place)
            volume.write_bytes(volume.read_bytes()[:100])
        done = sled.fetch()
        assert done.status == 65, done
        assert "in no place" in done.err, done


def test_a_quit_whose_answer_is_lost(tmp):
    """[Q1] [Q2]"""
    """The server did delete; the next listing tells."""
    mail = noise(20)
    with serve(tmp, mail, "--drop-quit") as server:
        sled = Sled(tmp, {"home": server})
        row = report(sled.fetch(), 75)
        assert row["deleted"] == 0 and "QUIT" in row["error"], row
        assert server.left() == []
        again(server)
        assert report(sled.fetch())["listed"] == 0
        assert not any(r["on_server"] for r in sled.list())
        stored_whole(sled, mail, tmp)


def test_an_absent_copy_is_said(tmp):
    mail = noise(5)
    with serve(tmp, mail) as server:
        sled = Sled(tmp, {"home": server}, copies=2,
                    store={"min-copies": 2})
        report(sled.fetch())
        wipe(sled.copies[1])
        fill_folder(tmp / "mail", {"x": message(99)})
        again(server)
        done = sled.fetch()
        row = report(done)
        assert (row["fetched"], row["deleted"]) == (1, 1), row
        assert f"{sled.copies[1]} is absent" in done.err, done
        assert list(sled.copies[1].iterdir()) == [], "was written"
        assert sled.run("sync").status == 0
        stored_whole(sled, mail + [message(99)], tmp)


def test_a_copy_that_is_away_for_long_is_late(tmp):
    mail = noise(5)
    with serve(tmp, mail) as server:
        sled = Sled(tmp, {"home": server}, copies=2,
                    store={"min-copies": 2})
        report(sled.fetch())
        away = sled.copies[1]
        away.rename(tmp / "away")
        fill_folder(tmp / "mail", {"x": message(99)})
        again(server)
        done = sled.fetch()
        assert "LATE" not in done.err + sled.run("status").out, done
        with contextlib.closing(sqlite3.connect(
                sled.path / ".mailsled/ledger.db")) as ledger:
            ledger.execute("UPDATE place SET seen = seen - 15 * 86400 "
                           "WHERE path = ?", (str(away),))
            ledger.commit()
        done = sled.fetch()
        assert "LATE: away for 15 days, it lacks" in done.err, done
        assert "LATE: 15 days ago" in sled.run("status").out
        (tmp / "away").rename(away)
        done = sled.run("sync")
        assert f"{away}: whole, safe to unplug" in done.out, done
        assert f"{sled.path}: whole\n" in done.out, done


def test_the_first_store_is_removed(tmp):
    """[R3]"""
    mail = noise(60)
    for how in ("rebuild", "fetch"):
        here = tmp / how
        here.mkdir(mode=0o755)
        with Dovecot() as server:
            server.fill("u1", mail)
            sled = Sled(here, {"home": server}, account={"delete": "never"})
            assert report(sled.fetch())["kept"] == 60
            before = {(r["number"], r["sha256"]) for r in sled.list()}
            shutil.rmtree(sled.path)
            if how == "rebuild":
                done = sled.run("rebuild")
                assert done.status == 0, done
            row = report(sled.fetch())
            assert (row["fetched"], row["kept"]) == (0, 60), row
            assert before == {(r["number"], r["sha256"])
                              for r in sled.list()}
            stored_whole(sled, mail, here)
            sled.account_keys["delete"] = "verified"
            sled.write()
            row = report(sled.fetch())
            assert (row["fetched"], row["deleted"]) == (0, 60), row
            assert server.left("u1") == 0


def test_one_place_alone_deletes_nothing_that_wants_two(tmp):
    mail = noise(5)
    with serve(tmp, mail) as server:
        sled = Sled(tmp, {"home": server}, copies=0,
                    store={"min-copies": 2})
        done = sled.fetch()
        assert done.status in (73, 78), done
        assert server.deles() == 0 and len(server.left()) == 5


def on_another_file_system(sled):
    """So the places were, by what is remembered of them."""
    sled.memo.write_text(re.sub(r"(?m)^([0-9a-f]{32}) [0-9a-f]{16} ",
                                r"\1 00000000000000ff ",
                                sled.memo.read_text()))


def lose_the_places(sled, away):
    """The disk with the first place is lost, the stick is not plugged in."""
    shutil.rmtree(sled.path)
    sled.copies[0].rename(away)
    on_another_file_system(sled)


def test_what_check_says_of_a_disk_made_anew_leads_out_of_73(tmp):
    """It said that `sync` would fill it, which does so on the same one only."""
    folder = fill_folder(tmp / "mail", [message(n) for n in range(3)])
    with Pop3d(tmp, folder=folder) as server:
        sled = Sled(tmp, {"home": server})
        with small_disk(sled.copies[0], "8m"):
            assert sled.fetch().status == 0
        sled.copies[0].rmdir()
        with small_disk(sled.copies[0], "8m"):
            fill_folder(folder, {"more": message(9)})
            assert sled.fetch().status == 73
            said = sled.run("check").out
            hint = re.search(r"-> .*: mailsled (sync \S+) with its path", said)
            assert hint, said
            done = sled.run(*hint[1].split(), sled.copies[0])
            assert done.status == 0, done
            assert sled.fetch().status == 0
            assert not server.left() and sled.run("check").status == 0


def test_no_other_store_is_made_while_the_places_are_away(tmp):
    mail = noise(5)
    with serve(tmp, mail) as server:
        sled = Sled(tmp, {"home": server})
        report(sled.fetch())
        lose_the_places(sled, tmp / "away")
        for args in (["fetch"], ["rebuild"], ["sync"], ["repair"], ["tend"]):
            done = sled.run(*args)
            assert done.status == 73, done
            assert "nothing was created" in done.err, done
            assert "plug it in" in done.err and "init --new" in done.err, done
            assert not any(p.exists() for p in sled.places), args
        done = sled.run("check")
        assert done.status == 73 and "first fetch" not in done.out, done
        assert sled.run("status").status == 73
        (tmp / "away").rename(sled.copies[0])
        report(sled.fetch())
        stored_whole(sled, mail, tmp)


def test_the_way_back_from_a_second_store_loses_nothing_of_either(tmp):
    """As `sync --adopt` tells it."""
    old, new = noise(3), noise(2, seed=9)
    with serve(tmp, old) as server:
        sled = Sled(tmp, {"home": server})
        report(sled.fetch())
        lose_the_places(sled, tmp / "away")
        fill_folder(tmp / "mail", new)
        sled.store_keys["min-copies"] = 1
        sled.write()
        done = sled.run("init", "--new")
        assert done.status == 0, done
        sled.fetch()
        assert server.left() == []
        (tmp / "away").rename(sled.copies[0])
        done = sled.run("sync", "--adopt", sled.copies[0])
        assert done.status == 73 and "belongs to another" in done.err, done
        for word in ("export --format eml", "rebuild", "import"):
            assert f"mailsled {word}" in done.err, done
        assert sled.run("export", "--format", "eml", "--to",
                        tmp / "out").status == 0
        sled.path.rename(tmp / "second")
        assert sled.run("rebuild").status == 0
        done = sled.run("import", tmp / "out" / "home", "--account", "home")
        assert done.status == 0, done
        stored_whole(sled, old + new, tmp)
