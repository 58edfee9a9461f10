"""Old archives out of one place, by hand: shown first, and only what enough
others hold."""
import contextlib
import shutil
import subprocess

from harness import Pop3d, Sled, days_ahead, volumes
from test_fetch_places import small_disk


def test_prune_shows_first_and_leaves_what_others_lack(tmp):
    later = days_ahead(1100, tmp)

    def prune(sled, *args):
        return sled.run("prune", "--older-than", "2y", *args, env=later)
    with Pop3d(tmp, "--generate", "9,4000") as server:
        sled = Sled(tmp, {"home": server}, copies=2)
        assert sled.fetch().status == 0
        assert f"{sled.path} has no sealed volume older" in prune(sled).out
        assert sled.run("seal", "--now").status == 0
        volume, = (sled.path / "home").glob("*.tar.gz")
        done = prune(sled)
        assert done.status == 0 and "add --yes" in done.out, done
        assert "would be removed" in done.out and volume.exists(), done
        sled.copies[1].rename(tmp / "away")
        done = prune(sled, "--yes")
        assert done.status == 73 and volume.exists(), done
        assert "1 volume stays" in done.err, done
        (tmp / "away").rename(sled.copies[1])
        done = prune(sled, "--yes")
        assert done.status == 0 and not volume.exists(), done
        assert sled.run("verify", "--deep").status == 0
        assert sled.run("prune", "--undo").status == 0
        assert sled.run("sync").status == 0
        assert sled.run("tend").status == 0
        assert volume.exists() and len(sled.list()) == 9


@contextlib.contextmanager
def unplugged(place):
    """A disk that was mounted on PLACE."""
    kept = place.with_name("kept")
    kept.mkdir()
    subprocess.run(["mount", "--bind", place, kept], check=True)
    subprocess.run(["umount", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "--bind", kept, place], check=True)
        subprocess.run(["umount", "-l", kept], check=True)


def test_a_new_disk_gets_what_was_pruned_from_the_first_place(tmp):
    """The other copy is all that has it. While that is away too, new mail is
    written to the new disk all the same."""
    with Pop3d(tmp, "--generate", "9,4000") as server:
        sled = Sled(tmp, {"home": server}, copies=2)
        new, old = sled.copies
        with small_disk(old, "32m"):
            assert sled.fetch().status == 0
            assert sled.run("seal", "--now").status == 0
            done = sled.run("prune", "--older-than", "2y", "--yes",
                            env=days_ahead(1100, tmp))
            assert done.status == 0 and volumes(sled.path) == [], done
            shutil.rmtree(new)
            with unplugged(old):
                done = sled.run("sync")
                assert done.status == 73 and f"{new}: lacks" in done.out, done
                done = sled.run("tend")
                assert done.status == 73 and "plug them in" in done.err, done
                with Pop3d(tmp, "--generate", "3", user="b", name="b") as b:
                    sled.accounts["b"] = b
                    sled.write()
                    done = sled.fetch("b")
                    assert done.status == 0 and b.deles() == 3, done
            done = sled.run("sync")
            assert done.status == 0 and f"{new}: whole" in done.out, done
            assert [v.read_bytes() for v in volumes(new, "home")] == \
                [v.read_bytes() for v in volumes(old, "home")] != []
            assert sled.run("verify", "--deep").status == 0
            assert "lacks" not in sled.run("status").out
