"""Volumes that are full are sealed by the visit itself, when it is over."""
import subprocess

from harness import Pop3d, Sled, untar, wait_for
from test_run import Run

ROTATE = {"rotate": "64KiB"}


def sealed_in(folder):
    return sorted(folder.glob("*.tar.gz.sha256"))


def check_sealed(folder):
    assert sealed_in(folder), list(folder.iterdir())
    for sidecar in sealed_in(folder):
        subprocess.run(["sha256sum", "-c", "--quiet", "--strict",
                        sidecar.name], cwd=folder, check=True)
        volume = sidecar.with_suffix("")
        assert volume.stat().st_mode & 0o777 == 0o444, volume


def test_fetch_seals_what_it_filled_in_every_place(tmp):
    with Pop3d(tmp, "--generate", "60,20000") as server:
        sled = Sled(tmp, {"home": server}, store=ROTATE)
        assert sled.fetch().status == 0
        for place in sled.places:
            check_sealed(place / "home")
        rows = sled.list()
        assert len(rows) == 60
        assert ".open." not in rows[0]["archive"], rows[0]
        assert sled.run("verify", "--deep").status == 0


def test_the_scheduler_seals_behind_its_visit(tmp):
    with Pop3d(tmp, "--generate", "60,20000") as server:
        sled = Sled(tmp, {"home": server}, store=ROTATE)
        with Run(sled, config="\n[schedule]\nevery = 1h\n") as run:
            run.wait("home: 60 came")
            wait_for(lambda: sealed_in(sled.copies[0] / "home"),
                     "a sealed volume")
            assert run.stop() == 0
        check_sealed(sled.path / "home")


def test_a_rebuild_knows_sealed_volumes_again(tmp):
    with Pop3d(tmp, "--generate", "60,20000") as server:
        sled = Sled(tmp, {"home": server}, store=ROTATE)
        assert sled.fetch().status == 0
        before = sled.list()
        assert sled.run("rebuild").status == 0
        assert [m["archive"] for m in sled.list()] == [
            m["archive"] for m in before]
        assert sled.run("verify", "--deep").status == 0
        assert sled.fetch().status == 0


def cut(volume):
    volume.chmod(0o644)
    with volume.open("r+b") as file:
        file.truncate(volume.stat().st_size // 2)


def test_tend_of_a_cut_sealed_volume_is_not_fine(tmp):
    with Pop3d(tmp, "--generate", "60,20000") as server:
        sled = Sled(tmp, {"home": server}, store=ROTATE)
        assert sled.fetch().status == 0
    name = sealed_in(sled.path / "home")[0].with_suffix("").name
    for place in reversed(sled.places):
        cut(place / "home" / name)
        for again in range(2):
            done = sled.run("tend")
            assert done.status == 65 and "mailsled repair" in done.err, done
        assert sled.run("repair").status == 0
        assert sled.run("tend").status == 0


def test_an_emptied_sealed_volume_is_put_aside_where_nothing_holds(tmp):
    """Each *.tar.gz opens, and its name can be given again."""
    with Pop3d(tmp, "--generate", "60,20000") as server:
        sled = Sled(tmp, {"home": server}, store=ROTATE,
                    account={"delete": "never"})
        assert sled.fetch().status == 0
        names = [s.with_suffix("").name
                 for s in sealed_in(sled.path / "home")]
        for place in sled.places:
            for name in names:
                volume = place / "home" / name
                volume.chmod(0o644)
                volume.write_bytes(b"")
        done = sled.run("rebuild")
        assert done.status == 65, done
        for place in sled.places:
            assert f"{place}/home/{names[0]} is empty" in done.err, done
            assert not (place / "home" / names[0]).exists()
            assert list((place / ".mailsled/quarantine").glob("*" + names[0]))
        assert sled.run("sync").status == 0
        assert sled.fetch().status == 0
        assert len(sled.list()) == 60
        assert sled.run("verify", "--deep").status == 0
        for place in sled.places:
            assert len(untar(place, tmp / f"out-{place.name}")) == 60
            check_sealed(place / "home")
