"""Old archives out of one place, by hand: shown first, and only what enough
others hold."""
from harness import Pop3d, Sled, days_ahead


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
