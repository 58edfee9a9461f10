"""Is the mail there for who has tar alone? The program asks that itself."""
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

from harness import BUILD, Pop3d, Sled, message, volumes
from test_import import bring, maildir, numbered

ROTATE = {"rotate": "64KiB"}


def filled(tmp, count=60, **store):
    sled = Sled(tmp, {}, store={**ROTATE, **store})
    for i in range(0, count, 30):
        some = numbered(count, 6000)[i:i + 30]
        assert bring(sled, maildir(tmp / f"M{i}", some)).status == 0
    return sled


def drill(sled, *args, env=None):
    done = sled.run("--json", "drill", *args, env=env)
    return done, done.json[-1]


def scratch(sled):
    return sled.path / ".mailsled" / "drill"


def test_every_volume_of_every_place_has_its_turn(tmp):
    sled = filled(tmp)
    sealed = [v for v in volumes(sled.path) if ".open." not in v.name]
    assert len(sealed) >= 2
    seen = []
    for _ in range(2 * len(sealed)):
        done, row = drill(sled)
        assert done.status == 0 and row["messages"] > 0, done
        assert not scratch(sled).exists()
        assert "tar" in row["tar"].lower(), row
        seen.append((row["place"], row["volume"]))
    assert sorted(seen) == sorted(
        (str(p), f"past/{v.name.split('.')[0]}")
        for p in sled.places for v in sealed), seen
    text = sled.run("status").out
    assert re.search(r"(?m)^drill\n  \d{4}-.*came out of tar as they were "
                     r"stored$", text), text
    rows = [o for o in sled.run("--json", "status").json if "drill_at" in o]
    assert rows[0]["drill_fine"] is True, rows


def test_an_open_volume_where_there_is_no_other(tmp):
    sled = filled(tmp, 5, rotate="64MiB")
    done, row = drill(sled, "--place", sled.copies[0])
    assert done.status == 0 and row["messages"] == 5, done
    assert row["place"] == str(sled.copies[0])
    assert drill(sled, "--volume", "past/1999-01-001")[0].status == 66
    empty = Sled(tmp, {}, name="empty")
    assert drill(empty)[0].status == 66


def test_damage_is_told_and_the_place_is_not_believed(tmp):
    sled = filled(tmp)
    for victim in volumes(sled.copies[0]):
        victim.chmod(0o644)
        with open(victim, "r+b") as f:
            f.seek(victim.stat().st_size // 2)
            f.write(b"\0" * 64)
    done, row = drill(sled, "--place", sled.copies[0])
    assert done.status == 65 and "tar says" in row["error"], done
    assert "FAILED" in sled.run("status").out
    assert not scratch(sled).exists()
    assert list((sled.path / ".mailsled").glob("doubt-*"))


def fake_tar(tmp, script):
    path = tmp / "bin" / "tar"
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)
    return {"PATH": f"{path.parent}:{os.environ['PATH']}"}


def test_a_tar_that_lies_or_is_not_there(tmp):
    sled = filled(tmp)
    real = shutil.which("tar")
    lies = {
        "echo oops >&2\n": "tar says: oops",
        "exit 3\n": "tar says: =3",
        f'{real} "$@"; for f in $(find "$4" -name "*.eml"); do '
        'echo x >>$f; break; done\n': "came out with other bytes",
        f'{real} "$@"; find "$4" -name "*.eml" | head -n 1 | '
        'xargs rm\n': "did not come out",
        f'{real} "$@"; find "$4" -name "receipts*" | head -n 1 | '
        'xargs rm\n': "receipts",
    }
    for script, said in lies.items():
        env = fake_tar(tmp, '[ "$1" = xzf ] || exec '
                       f'{real} "$@"\n{script}')
        done, row = drill(sled, env=env)
        assert done.status == 65 and said in row["error"], (script, done)
        assert not scratch(sled).exists()
    done, row = drill(sled, env={"PATH": str(tmp / "nowhere")})
    assert done.status == 78 and "no tar" in row["error"], done
    assert "no tar here" in sled.run("status").out
    assert drill(sled)[0].status == 0


def test_what_a_kill_left_is_removed_by_the_next(tmp):
    sled = filled(tmp)
    (scratch(sled) / "past/2026").mkdir(parents=True)
    (scratch(sled) / "past/2026/x.eml").write_text("old\n")
    done, row = drill(sled)
    assert done.status == 0 and not scratch(sled).exists(), done


def age(sled, kind, days):
    """As if the ledger's row were so old."""
    import sqlite3
    ledger = sqlite3.connect(sled.path / ".mailsled" / "ledger.db")
    with ledger:
        done = ledger.execute("UPDATE health SET at = at - ? WHERE kind = ?",
                              (days * 86400, kind))
    count = done.rowcount
    ledger.close()
    return count


def test_once_a_month_of_itself(tmp):
    sled = filled(tmp)

    def last():
        return [o for o in sled.run("--json", "status").json
                if "drill_at" in o][0]["drill_at"]

    assert sled.run("tend").status == 0 and last() is None
    assert age(sled, "drill since", 31) == 1
    assert sled.run("tend").status == 0
    first = last()
    assert first is not None
    assert age(sled, "drill", 20) == 1
    aged = last()
    assert sled.run("tend").status == 0 and last() == aged
    assert age(sled, "drill", 11) == 1
    assert sled.run("tend").status == 0 and last() > aged
    # Behind a visit too; a failure there is said, and is its exit status.
    age(sled, "drill", 40)
    env = fake_tar(tmp, "echo oops >&2\n")
    done = sled.run("tend", env=env)
    assert done.status == 65 and "oops" in done.err, done
    assert sled.run("tend", env=env).status == 0
