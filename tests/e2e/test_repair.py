"""Damaged archives are made whole by hand: `mailsled repair`."""
import json
import os
import random
import shutil
import time

from far_peer import Far
from harness import Pop3d, Sled, fill_folder, message, only_slow
from test_far import serve, sled_of
from test_fetch_places import noise

SECTOR = 4096


def volume(place, name="*.tar.gz"):
    return next(iter(sorted((place / "home").glob(name))))


def write_at(path, at, data):
    os.chmod(path, 0o644)
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(data)


def repair(sled, *args):
    result = sled.run("--json", "repair", *args, timeout=300)
    rows = [json.loads(line) for line in result.out.splitlines()]
    return result.status, rows


def sealed(tmp, server, **more):
    sled = Sled(tmp, {"home": server}, **more)
    assert sled.fetch(timeout=900).status == 0
    assert sled.run("seal", "--now", timeout=300).status == 0
    return sled


def test_what_is_damaged_is_found_and_mended(tmp):
    with Pop3d(tmp, "--generate", "30,20000") as server:
        sled = sealed(tmp, server)
        good = volume(sled.path).read_bytes()
        write_at(volume(sled.path), 1000, b"\0" * 100)
        write_at(volume(sled.copies[0]), len(good) - 5000, b"\0" * 100)
        assert sled.run("verify", "--deep").status == 65
        status, rows = repair(sled, "--dry-run")
        assert status == 65 and rows[0]["outcome"] == "mended", rows
        assert volume(sled.path).read_bytes() != good
        status, rows = repair(sled)
        assert status == 0, rows
        assert rows[-1]["mended"] == 1 and rows[-1]["messages_lost"] == 0
        for place in sled.places:
            assert volume(place).read_bytes() == good
        assert sled.run("verify", "--deep").status == 0
        status, rows = repair(sled)
        assert status == 0 and rows[0]["outcome"] == "whole", rows


def test_what_is_lost_is_named_and_fetched_again(tmp):
    with Pop3d(tmp, "--generate", "30,20000") as server:
        sled = Sled(tmp, {"home": server}, account={"delete": "never"})
        assert sled.fetch().status == 0
        before = {row["number"]: row for row in sled.list()}
        for place in sled.places:
            path = volume(place)
            write_at(path, path.stat().st_size // 2, b"\0" * 200)
        result = sled.run("repair", "home/nothing")
        assert result.status == 66, result
        status, rows = repair(sled)
        assert status == 65, rows
        assert rows[0]["outcome"] == "revised" and rows[0]["lost"], rows
        for lost in rows[0]["lost"]:
            was = before[lost["number"]]
            assert lost["uidl"] == was["uidl"] and lost["wanted"], lost
            assert lost["from"] and lost["date"], lost
        assert len(sled.list()) == 30 - len(rows[0]["lost"])
        assert sled.run("verify", "--deep").status == 0
        got = sled.fetch()
        assert got.status == 0
        assert sorted(row["sha256"] for row in sled.list()) == sorted(
            row["sha256"] for row in before.values())


def test_a_running_scheduler_is_asked(tmp):
    from test_run import Run
    with Pop3d(tmp, "--generate", "5,2000") as server:
        sled = Sled(tmp, {"home": server})
        with Run(sled, config="\n[schedule]\nevery = 1h\n") as run:
            run.wait("home: 5 came")
            assert repair(sled)[0] == 0
            assert run.stop() == 0


def whole_again_from_far(tmp, seal):
    """What no place here holds any more, a far one still has."""
    with serve(tmp, noise(12)) as server, Far(tmp, "webdav") as far:
        sled = sled_of(tmp, server, far)
        assert sled.fetch().status == 0
        if seal:
            assert sled.run("seal", "--now").status == 0
        assert sled.run("sync").status == 0
        good = volume(sled.path).read_bytes()
        write_at(volume(sled.path), len(good) // 2, b"\0" * 300)
        status, rows = repair(sled)
        assert status == 0 and rows[0]["far"] > 0, rows
        assert volume(sled.path).read_bytes() == good
        assert sled.run("verify", "--deep").status == 0


def test_a_far_place_has_the_sealed_archive(tmp):
    whole_again_from_far(tmp, True)


def test_a_far_place_has_ranges_of_the_open_one(tmp):
    whole_again_from_far(tmp, False)


def damage_sectors(path, count, seed):
    chance = random.Random(seed)
    sectors = path.stat().st_size // SECTOR
    for sector in chance.sample(range(sectors), count):
        write_at(path, sector * SECTOR, b"\0" * SECTOR)


def large(tmp, name, par2):
    """One sealed volume of 100 MB or more in three places, each with 50
    zeroed sectors; its repair, and what it says."""
    folder = tmp / name
    folder.mkdir()
    with serve(folder, noise(1800, octets=80_000)) as server:
        sled = sealed(folder, server, copies=2)
    if not par2:
        for place in sled.places:
            for path in (place / "home").glob("*par2*"):
                path.unlink()
    else:
        assert sled.run("tend", "--seconds", "0", timeout=300).status == 0
    good = volume(sled.path).read_bytes()
    assert len(good) >= 100e6, len(good)
    for seed, place in enumerate(sled.places):
        damage_sectors(volume(place), 50, seed)
    began = time.monotonic()
    status, rows = repair(sled)
    seconds = time.monotonic() - began
    print(f"{name}: {len(good) / 1e6:.0f} MB, {rows[0]['members']} members, "
          f"{rows[0]['damaged']} damaged; {rows[0]['mixed']} mixed, "
          f"{rows[0]['parity']} by parity, {rows[0]['rebuilt']} not had; "
          f"{rows[0]['messages_lost']} messages lost; {seconds:.1f} s")
    return sled, good, status, rows[0]


def test_three_copies_with_fifty_lost_sectors_each(tmp):
    only_slow()
    sled, good, status, row = large(tmp, "with parity", True)
    assert status == 0 and row["rebuilt"] == 0, row
    assert all(volume(place).read_bytes() == good for place in sled.places)
    sled, good, status, row = large(tmp, "without parity", False)
    assert row["rebuilt"] <= 2, row
    if row["rebuilt"] == 0:
        assert volume(sled.path).read_bytes() == good


test_three_copies_with_fifty_lost_sectors_each.timeout = 2400


def scatter(paths, octets, chance):
    """Other octets in each file."""
    data = paths[0].read_bytes()
    spots = chance.sample(range(len(data)), octets * len(paths))
    for i, at in enumerate(spots):
        write_at(paths[i % len(paths)], at,
                 bytes([data[at] ^ chance.randrange(1, 256)]))


def letters(count, chance):
    """Some kB each: a damaged octet is proved by the message that it is in."""
    words = ["".join(chance.choices("aeiourstlnm", k=chance.randrange(2, 10)))
             for _ in range(2000)]
    return [message(i, "".join(" ".join(chance.choices(words, k=10)) + "\n"
                               for _ in range(chance.randrange(10, 70))))
            for i in range(count)]


def test_two_copies_with_scattered_damage_lose_nothing(tmp):
    """64 octets in each, no parity: the volume is open, or par2 is not there."""
    chance = random.Random(64)
    with Pop3d(tmp, folder=fill_folder(tmp / "in", letters(300, chance))) \
            as server:
        sled = Sled(tmp, {"home": server})
        assert sled.fetch().status == 0
        for seal in (False, True):
            if seal:
                sled.run("seal", "--now")
            good = volume(sled.path).read_bytes()
            scatter([volume(p) for p in sled.places], 64, chance)
            status, rows = repair(sled)
            assert status == 0 and rows[-1]["messages_lost"] == 0, rows
            for place in sled.places:
                assert volume(place).read_bytes() == good
        assert sled.run("verify", "--deep").status == 0


def be_folder(path):
    path.unlink()
    path.mkdir()


def be_file(path):
    shutil.rmtree(path)
    path.touch()


def test_what_is_not_as_it_was_made_is_said_with_what_mends_it(tmp):
    with Pop3d(tmp, "--generate", "3") as server:
        sled = Sled(tmp, {"home": server})
        done = sled.run("list")
        assert done.status == 66 and "mailsled fetch`" in done.err, done
        assert sled.fetch().status == 0
        listed = sled.list()
        state = sled.path / ".mailsled"
        # A folder that is gone, or one in place of the ledger: readers say
        # what to do, a visit does it.
        for spoil in (lambda: shutil.rmtree(state),
                      lambda: be_folder(state / "ledger.db")):
            for mend in (("rebuild",), ("fetch",)):
                spoil()
                for reader in ("list", "status", "verify"):
                    done = sled.run(reader)
                    assert done.status in (65, 66), done
                    assert "mailsled rebuild`" in done.err, done
                    assert str(state) in done.err, done
                done = sled.run(*mend)
                assert done.status == 0, done
                assert [(m["number"], m["sha256"]) for m in sled.list()] == [
                    (m["number"], m["sha256"]) for m in listed]
        # What only the user can move.
        journal = next((sled.path / "journal").iterdir())
        lines = journal.read_bytes()
        for path, spoil in ((journal, be_folder), (journal.parent, be_file),
                            (state, be_file), (state / "spool", be_file)):
            spoil(path)
            done = sled.run("fetch")
            assert done.status == 74 and str(sled.path) in done.err, done
            assert "try: move what is there out of the way, then `mailsled " \
                "rebuild`" in done.err, done
            path.rename(tmp / f"was-{path.name}-{len(list(tmp.iterdir()))}")
            done = sled.run("rebuild")
            assert done.status == 0, (path, done)
            assert len(sled.list()) == 3
        assert journal.read_bytes().startswith(lines)
        # In a copy it stops no visit, and is said with its place.
        be_folder(sled.copies[0] / "journal" / journal.name)
        done = sled.run("fetch")
        assert done.status == 0, done
        assert f"{sled.copies[0]}: read journal/" in done.err, done
        assert sled.run("verify", "--deep").status == 0
