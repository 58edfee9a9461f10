"""Mail comes out of any copy, or part of one, with nothing else at hand."""
import collections
import contextlib
import gzip
import hashlib
import mailbox
import os
import random
import re
import shutil
import stat
import subprocess
from pathlib import Path

from harness import (BUILD, Pop3d, Result, Skip, Sled, fill_folder, message,
                     odd_messages, same_mail, untar, volumes, wire)

ROTATE = {"rotate": "64KiB"}


def bare(*args, env=None):
    """The program on a machine with no configuration."""
    argv = [str(BUILD / "mailsled"), *(str(a) for a in args)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120,
                          env={"PATH": os.environ["PATH"], **(env or {})},
                          errors="surrogateescape")
    return Result(argv, done.returncode, done.stdout, done.stderr)


def restore(source, to, *args, form="eml"):
    return bare("--json", "restore", source, "--to", to, "--format", form,
                *args)


def emls(folder):
    return {str(p.relative_to(folder)): p.read_bytes()
            for p in Path(folder).rglob("*.eml")}


def fetched(tmp, mails, store=None, name="sled"):
    with Pop3d(tmp, folder=fill_folder(tmp / f"mail-{name}", mails),
               name=f"pop3d-{name}") as server:
        sled = Sled(tmp, {"home": server}, store=store, name=name)
        assert sled.fetch().status == 0
    return sled


def numbered(count, size=3000):
    chance = random.Random(count)
    return [message(i, chance.randbytes(size // 2).hex() + "\n")
            for i in range(count)]


def copy_of(sled, tmp):
    """The copy as it lies on a stick: read-only, without its state."""
    there = tmp / "stick"
    shutil.copytree(sled.copies[0], there)
    shutil.rmtree(there / ".mailsled", ignore_errors=True)
    return there


def snapshot(folder):
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_size, p.is_dir())
            for p in [Path(folder), *Path(folder).rglob("*")]}


def test_all_three_forms_are_those_of_export(tmp):
    sled = fetched(tmp, odd_messages() | {
        f"n{i}": m for i, m in enumerate(numbered(80))}, ROTATE)
    there = copy_of(sled, tmp)
    before = snapshot(there)
    for form in ("eml", "maildir", "mbox"):
        assert sled.run("export", "--to", tmp / f"e-{form}", "--format",
                        form).status == 0
        done = restore(there, tmp / f"r-{form}", form=form)
        assert done.status == 0 and not done.err, done
        assert done.json[-1]["restored"] == 90, done
        again = restore(there, tmp / f"r-{form}", form=form).json[-1]
        assert again["restored"] == (90 if form == "mbox" else 0), again
        diff = subprocess.run(["diff", "-r", tmp / f"e-{form}",
                               tmp / f"r-{form}"], capture_output=True)
        assert diff.returncode == 0, diff.stdout
    assert snapshot(there) == before
    same_mail(emls(tmp / "r-eml"), untar(there, tmp / "tar"))


def test_a_single_file_will_do_whatever_it_is_called(tmp):
    sled = fetched(tmp, numbered(80), ROTATE)
    sealed = [v for v in volumes(sled.path) if ".open." not in v.name]
    still_open = [v for v in volumes(sled.path) if ".open." in v.name]
    assert sealed and len(still_open) <= 1
    total = 0
    for i, volume in enumerate([*sealed, *still_open]):
        odd = tmp / f"x {i}.bin"
        shutil.copy(volume, odd)
        done = restore(odd, tmp / "out")
        assert done.status == 0, done
        total += done.json[-1]["restored"]
    assert total == 80
    same_mail(emls(tmp / "out"), [wire(m) for m in numbered(80)])


def split(volume, folder, parts=3):
    """As ranges of a far place: whole members, each readable alone."""
    data, at, cuts = volume.read_bytes(), 0, [0]
    while at < len(data):
        at += int.from_bytes(data[at + 16:at + 24], "little")
        cuts.append(at)
    assert at == len(data) and len(cuts) > parts, cuts
    step = len(cuts) // parts
    cuts = [*cuts[:-1:step], len(data)]
    name = volume.name.split(".")[0]
    for begin, end in zip(cuts, cuts[1:]):
        (folder / f"{name}.{begin}-{end}.tar.gz").write_bytes(
            data[begin:end])
    return len(cuts) - 1


def test_ranges_of_a_far_place_are_put_together(tmp):
    sled = fetched(tmp, numbered(600), {"rotate": "64MiB"})
    (volume,) = volumes(sled.path)
    far = tmp / "far"
    (far / "home").mkdir(parents=True)
    ranges = split(volume, far / "home")
    assert ranges >= 3
    done = restore(far, tmp / "out")
    assert done.status == 0 and done.json[-1]["restored"] == 600, done
    # Beside the open volume itself nothing comes twice.
    shutil.copy(volume, far / "home")
    done = restore(far, tmp / "both", form="mbox")
    assert done.json[-1]["restored"] == 600, done
    assert len(mailbox.mbox(tmp / "both/home.mbox")) == 600
    # A range in the middle alone tells whose it is.
    middle = sorted((far / "home").glob("*-*-*.*-*.tar.gz"))[1]
    some = restore(middle, tmp / "some")
    assert some.status == 0 and 0 < some.json[-1]["restored"] < 600, some


def hurt(path, at, data=b"\0" * 64):
    path.chmod(0o644)
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(data)


def members(path):
    data, at, out = path.read_bytes(), 0, []
    while at < len(data):
        size = int.from_bytes(data[at + 16:at + 24], "little")
        out.append((at, size))
        at += size
    return out


def receipts_of(path, at, size):
    """(sha256, entry) as gzip and tar tell, without the program."""
    import io
    import tarfile
    raw = gzip.decompress(path.read_bytes()[at:at + size])
    with tarfile.open(fileobj=io.BytesIO(raw + b"\0" * 1024)) as tar:
        names = [n for n in tar.getnames() if "/receipts-" in n]
        lines = [line.split("\t") for n in names for line in
                 tar.extractfile(n).read().decode().splitlines()[1:]]
    return {line[7]: line[0] for line in lines if "gone" not in line[8]}


def test_damage_is_named_exactly_and_all_else_comes(tmp):
    sled = fetched(tmp, numbered(600), {"rotate": "64MiB"})
    there = copy_of(sled, tmp)
    (volume,) = volumes(there)
    parts = members(volume)
    assert len(parts) > 5
    whole = untar(there, tmp / "tar")
    victims = [parts[2], parts[4]]
    named = {}
    for at, size in victims:
        named |= receipts_of(volume, at, size)
    hurt(volume, victims[0][0] + victims[0][1] // 2)
    hurt(volume, victims[1][0] + 4)  # its header: the next one is looked for
    done = restore(there, tmp / "out")
    assert done.status == 65, done
    out, sums = emls(tmp / "out"), done.json[-1]
    damaged = [o for o in done.json if o.get("event") == "damaged"]
    assert [d["at"] for d in damaged] == [at for at, _ in victims], damaged
    assert sum(d["octets"] for d in damaged) == sum(s for _, s in victims)
    lost = set(whole) - set(out)
    assert lost and lost <= set(named)
    # What stands before the damage in its member is not lost with it.
    first = receipts_of(Path(sled.path / "home" / volume.name), *parts[2])
    assert set(first) - lost, "nothing of the damaged member was restored"
    assert {x["entry"] for d in damaged for x in d["lost"]} == lost & set(
        first)
    assert not damaged[1]["messages_known"], damaged[1]
    assert sums["lost"] == len(lost & set(first)), sums
    assert sums["unknown_octets"] == victims[1][1], sums
    text = sled.run("restore", there, "--to", tmp / "text", "--format", "eml")
    assert f"{victims[1][1]} bytes that do not hold may have had MORE" in (
        text.out), text
    assert all(out[name] == whole[name] for name in out)
    # Another copy has the rest: the same folder, only what is missing.
    more = restore(sled.path, tmp / "out").json[-1]
    assert more["restored"] == len(lost), more
    assert emls(tmp / "out") == whole


def test_an_mbox_is_not_replaced_by_one_that_lacks_mail(tmp):
    sled = fetched(tmp, numbered(600), {"rotate": "64MiB"})
    (volume,) = volumes(sled.path)
    at, size = members(volume)[2]
    ways = {"e": ("export",), "r": ("restore", sled.copies[0])}
    for to, way in ways.items():
        assert sled.run(*way, "--to", tmp / to, "--format",
                        "mbox").status == 0
    for place in sled.places:
        hurt(next(iter(volumes(place))), at + size // 2)
    for to, way in ways.items():
        box = tmp / to / "home.mbox"
        before = box.read_bytes()
        for _ in range(2):
            done = sled.run(*way, "--to", tmp / to, "--format", "mbox")
            assert done.status == 65, done
            assert "home.mbox is left as it was" in done.err, done
            assert box.read_bytes() == before
        part = tmp / to / "home.mbox.partial"
        assert 0 < len(mailbox.mbox(part)) < len(mailbox.mbox(box)) == 600
        # Where there is none yet, it is better than nothing.
        done = sled.run(*way, "--to", tmp / f"{to}2", "--format", "mbox")
        assert done.status == 65, done
        assert [p.name for p in (tmp / f"{to}2").iterdir()] == ["home.mbox"]


def test_an_mbox_that_has_more_is_kept_under_another_name(tmp):
    """Another program's, or one that a query wrote less of this time."""
    sled = fetched(tmp, [message(i) for i in range(5)])
    (tmp / "out").mkdir()
    box = tmp / "out/home.mbox"
    theirs = b"From a@b Sat Jan  3 01:05:34 1998\nSubject: mine\n\nall\n\n"
    box.write_bytes(theirs)

    def write(*words):
        done = sled.run(*words, "--to", tmp / "out", "--format", "mbox")
        assert done.status == 0, done
        return done.err

    assert "home.mbox.before from now on" in write("export")
    assert (tmp / "out/home.mbox.before").read_bytes() == theirs
    whole = box.read_bytes()
    assert write("export") == write("restore", sled.copies[0]) == ""
    first = sled.list()[0]["id"]
    for words in (("restore", sled.copies[0], first), ("export",)):
        before = box.read_bytes()
        if words == ("export",):
            # All of it is there again, with a letter that was moved there.
            before += theirs
            box.write_bytes(before)
        said = write(*words)
        n = "-2" if words[0] == "restore" else "-3"
        assert f"home.mbox.before{n} from now on" in said, said
        kept = tmp / f"out/home.mbox.before{n}"
        assert kept.read_bytes() == before
    assert box.read_bytes() == whole
    with Pop3d(tmp, folder=fill_folder(tmp / "more", [message(9)])) as server:
        sled.accounts = {"home": server}
        sled.write()
        assert sled.fetch().status == 0
        assert write("export") == ""  # it only grew
        assert box.read_bytes().startswith(whole)
    assert len(list((tmp / "out").iterdir())) == 4


def test_two_damaged_files_of_one_volume_make_a_whole(tmp):
    sled = fetched(tmp, numbered(600), {"rotate": "64MiB"})
    (volume,) = volumes(sled.path)
    both = tmp / "both"
    both.mkdir()
    parts = members(volume)
    for i, name in enumerate(("a.tar.gz", "b.tar.gz")):
        shutil.copy(volume, both / name)
        hurt(both / name, parts[1 + 3 * i][0] + parts[1 + 3 * i][1] // 2)
    done = restore(both, tmp / "out")
    assert done.status == 65 and done.json[-1]["lost"] == 0, done
    same_mail(emls(tmp / "out"), untar(sled.path, tmp / "tar"))


def test_a_volume_cut_short_gives_what_it_has(tmp):
    sled = fetched(tmp, numbered(600), {"rotate": "64MiB"})
    (volume,) = volumes(sled.path)
    short = tmp / "2026-01-001.tar.gz"
    at, size = members(volume)[3]
    short.write_bytes(volume.read_bytes()[:at + size // 2])
    done = restore(short, tmp / "out")
    assert done.status == 65 and done.json[-1]["restored"] > 100, done
    whole = untar(sled.path, tmp / "tar")
    assert all(whole[n] == m for n, m in emls(tmp / "out").items())


def test_what_is_no_volume_is_said(tmp):
    (tmp / "empty").mkdir()
    (tmp / "text.tar.gz").write_text("no archive\n" * 100)
    (tmp / "empty" / "other.tar.gz").write_bytes(gzip.compress(b"x" * 5000))
    for source, status in ((tmp / "empty", 66), (tmp / "none", 66),
                           (tmp / "text.tar.gz", 65), ("/dev/null", 66)):
        done = restore(source, tmp / "out")
        assert done.status == status, (source, done)
        assert done.err.startswith("mailsled: "), done
        assert not emls(tmp / "out") if (tmp / "out").exists() else True


def test_only_what_is_asked_for(tmp):
    mails = [message(i, subject=f"Invoice {i}" if i % 5 == 0 else None)
             for i in range(40)]
    sled = fetched(tmp, mails)
    rows = sled.list()
    year = rows[0]["received"][:4]

    def count(*args):
        to = tmp / f"o{len(list(tmp.glob('o*')))}"
        done = restore(sled.path, to, *args)
        assert done.status == 0, done
        assert done.json[-1]["restored"] == len(emls(to))
        return len(emls(to))

    assert count("invoice") == 8
    assert count("INVOICE", "10") == 1
    assert count("--from", "s3@EXAMPLE") == sum(i % 7 == 3 for i in range(40))
    assert count("--from", "nobody") == 0
    assert count("--since", year) == 40
    assert count("--until", str(int(year) - 1)) == 0
    day = rows[0]["received"][:10]
    assert count("--since", day, "--until", day) + count(
        "--until", "1999") == sum(r["received"][:10] == day for r in rows)
    assert count(rows[0]["id"], rows[1]["id"]) == 2
    assert count(f"home/{rows[7]['number']}") == 1
    assert count("--account", "home") == 40
    assert restore(sled.path, tmp / "x", "--account", "work").status == 66
    for wrong in ("yesterday", "2026-13", "2026-02-30", "26", "2026-03-05T1"):
        assert restore(sled.path, tmp / "x", "--since", wrong).status == 64


def test_it_never_writes_where_it_reads(tmp):
    sled = fetched(tmp, numbered(3))
    before = snapshot(sled.copies[0])
    os.symlink(sled.copies[0], tmp / "link")
    for to in (sled.copies[0], sled.copies[0] / "out", tmp / "link" / "out"):
        assert restore(sled.copies[0], to).status == 64
    assert snapshot(sled.copies[0]) == before


def into(sled, source, *args):
    return sled.run("--json", "restore", source, "--into-store", *args)


def test_an_export_never_lands_in_a_place(tmp):
    with Pop3d(tmp, "--generate", "3") as server:
        sled = Sled(tmp, {"home": server})
        assert sled.fetch().status == 0
        sled.list()
        for to in (sled.path, sled.path / "new", sled.copies[0] / "home"):
            for form in ("eml", "mbox", "maildir"):
                before = [sorted(p.rglob("[!.]*")) for p in sled.places]
                out = sled.run("export", "--to", to, "--format", form)
                assert out.status == 64, out
                assert "a place of the store" in out.err, out
                assert before == [sorted(p.rglob("[!.]*"))
                                  for p in sled.places]
        assert sled.run("export", "--to", tmp / "x", "--format",
                        "eml").status == 0


def test_into_another_store_once(tmp):
    mails = [*numbered(60), *[message(900)] * 3]
    old = fetched(tmp, mails, ROTATE, name="old")
    new = Sled(tmp, {"home": old.accounts["home"]}, store=ROTATE, name="new")
    done = into(new, old.copies[0])
    assert done.status == 0, done
    assert done.json[-1] == {"restored": 63, "present": 0, "not_asked_for": 0,
                             "damaged": 0, "lost": 0, "unknown_octets": 0,
                             "error": None, "exit": 0}, done
    again = into(new, old.path)
    assert again.json[-1]["restored"] == 0, again
    assert again.json[-1]["present"] == 63, again

    def key(rows):
        return sorted((r["sha256"], r["uidl"], r["received"]) for r in rows)

    assert key(new.list()) == key(old.list())
    assert {r["on_server"] for r in new.list()} == {None}
    same_mail(untar(new.copies[0], tmp / "tar"), [wire(m) for m in mails])
    assert new.run("verify", "--deep").status == 0
    before = new.list()
    assert new.run("rebuild").status == 0
    assert new.list() == before


def test_damage_of_the_store_itself_is_told_with_the_sums(tmp):
    old = fetched(tmp, numbered(20), name="old")
    new = fetched(tmp, [message(700)], name="new")
    for place in new.places:
        (volume,) = volumes(place)
        os.truncate(volume, volume.stat().st_size - 50)
    done = into(new, old.copies[0])
    assert done.status == 65 == done.json[-1]["exit"], done
    assert done.json[-1]["restored"] == 20, done
    assert "in no place that is there" in done.json[-1]["error"], done


def test_what_is_still_on_the_server_is_not_fetched_again(tmp):
    mails = fill_folder(tmp / "mail", numbered(40))
    with Pop3d(tmp, folder=mails) as server:
        old = Sled(tmp, {"home": server}, account={"delete": "never"},
                   name="old")
        assert old.fetch().status == 0
        new = Sled(tmp, {"home": server}, name="new")
        assert into(new, old.copies[0]).status == 0
        before = server.retrs()
        done = new.fetch()
        assert done.status == 0 and server.retrs() == before, done
        # Proved by TOP first, then deleted: it is in two places.
        assert done.reports[-1]["deleted"] == 40, done
        assert server.count("TOP") >= 40


def test_another_account_by_name(tmp):
    old = fetched(tmp, numbered(5), name="old")
    new = Sled(tmp, {"home": old.accounts["home"]}, name="new")
    assert into(new, old.path, "--account", "past").status == 0
    assert {r["account"] for r in new.list()} == {"past"}
    assert new.run("list", "past").status == 0
    assert new.run("status").status == 0


def test_a_terminal_sees_what_it_should(tmp):
    old = fetched(tmp, numbered(5), name="old")
    done = bare("restore", old.path, "--to", tmp / "out", "--format", "eml")
    assert re.fullmatch(r"restored 5 messages; 0 were there already\n",
                        done.out), done


@contextlib.contextmanager
def small_disk(tmp, size):
    """A tmpfs; yields its folder, and what gives it another size."""
    disk = tmp / "disk"
    disk.mkdir(exist_ok=True)

    def mount(options, *words):
        return subprocess.run(["mount", "-o", options, *words, disk],
                              stderr=subprocess.DEVNULL).returncode == 0

    if not mount(f"size={size}", "-t", "tmpfs", "none"):
        raise Skip("no right to mount")
    try:
        yield disk, lambda size: mount(f"remount,size={size}")
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def files_in(folder):
    return [p for p in folder.rglob("*") if p.is_file()]


def check_full_disk(sled, words, form, disk, grow):
    out = disk / "out"
    argv = (*words, "--to", out, "--format", form)
    done = sled.run("--json", *argv)
    sums = done.json[-1]
    came = sums["exported" if words[0] == "export" else "restored"]
    assert done.status == 73 == sums["exit"], done
    assert f"in {out}" in sums["error"] and "No space" in sums["error"], done
    assert sums["error"] in done.err and "try: make room" in done.err, done
    assert sums.get("missing", 40 - came) == 40 - came > 0, done
    # What came is whole, and nothing else is there.
    assert came == len(files_in(out)) and (form == "mbox") == (came == 0), done
    assert {p.stat().st_size for p in files_in(out)} <= (
        {len(wire(m)) for m in numbered(40)} if form == "eml" else
        {len(m) for m in numbered(40)}), files_in(out)
    again = sled.run(*argv)
    assert again.status == 73, again
    assert re.search(rf" 0 messages; {came} were there already.* "
                     "(MISSING|NOT FINISHED)\n", again.out), again
    assert grow("8m")
    done = sled.run("--json", *argv)
    assert done.status == 0 and not done.err, done
    assert done.json[-1]["present"] == came, done


def test_a_full_disk_is_told_with_what_came(tmp):
    sled = fetched(tmp, {f"n{i}": m for i, m in enumerate(numbered(40))})
    there = copy_of(sled, tmp)
    before = snapshot(there)
    for form in ("maildir", "eml", "mbox"):
        for words in (("export",), ("restore", there)):
            with small_disk(tmp, "100k") as (disk, grow):
                check_full_disk(sled, words, form, disk, grow)
                whole = tmp / f"whole-{form}"
                if words[0] == "export":
                    shutil.copytree(disk / "out", whole)
                assert subprocess.run(["diff", "-r", disk / "out",
                                       whole]).returncode == 0
    assert snapshot(there) == before


def test_a_full_store_takes_the_rest_later(tmp):
    source = fetched(tmp, {f"n{i}": m for i, m in enumerate(
        numbered(300, 12000))})
    with small_disk(tmp, "18m") as (disk, grow):
        sled = Sled(tmp, {}, copies=0, name="other",
                    store={"path": disk / "store", "min-copies": 1})
        done = into(sled, source.copies[0])
        sums = done.json[-1]
        assert done.status == 73 == sums["exit"], done
        assert "no room" in sums["error"] and "try: make room" in done.err, done
        assert sums["restored"] < 300, done
        assert grow("64m")
        done = into(sled, source.copies[0])
        assert done.status == 0, done
        sums = done.json[-1]
        assert sums["restored"] + sums["present"] == 300, done
        same_mail(untar(disk / "store", tmp / "tar"),
                  [wire(m) for m in numbered(300, 12000)])


def test_what_an_export_cannot_write_is_told_with_its_place(tmp):
    sled = fetched(tmp, {f"n{i}": m for i, m in enumerate(numbered(3))})
    (tmp / "file").touch()
    for to, why, hint in ((tmp / "no/out", "No such file", "folder above"),
                          (tmp / "file", "Not a directory", "another folder")):
        done = sled.run("export", "--to", to, "--format", "eml")
        assert done.status == 74, done
        assert f"export: in {to}: " in done.err and why in done.err, done
        assert hint in done.err and "try: " in done.err, done
    # Another program's file where the folder of a day should be.
    (tmp / "out/home").mkdir(parents=True)
    (tmp / "out/home" / "2026").touch()
    done = sled.run("--json", "export", "--to", tmp / "out", "--format", "eml")
    assert done.status == 74 and done.json[-1]["missing"] == 3, done
    assert f"in {tmp}/out/home: " in done.err and "2026" in done.err, done
    assert "try: move what is there out of the way" in done.err, done
