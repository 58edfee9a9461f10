"""Nobody needs mailsled to read the mail: every volume, open and sealed, by
every tar there is, in silence, to the last byte."""
import shutil
import subprocess
import sys

from harness import (Pop3d, Skip, Sled, fill_folder, message, odd_messages,
                     same_mail, slow, volumes, wire)

PYTHON = "import sys, tarfile; tarfile.open(sys.argv[1]).extractall('.')"
READERS = {
    "tar": ["tar", "xzf", "{}"],
    "bsdtar": ["bsdtar", "-xf", "{}"],
    "busybox": ["busybox", "tar", "-xzf", "{}"],
    "python3": [sys.executable, "-I", "-c", PYTHON, "{}"],
    "7z": ["sh", "-c", "7z x -so \"$0\" | 7z x -si -ttar -bso0 -bsp0", "{}"],
}


def extract(reader, volume, folder):
    folder.mkdir(exist_ok=True)
    argv = [word.replace("{}", str(volume)) for word in READERS[reader]]
    done = subprocess.run(argv, cwd=folder, text=True, capture_output=True,
                          stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (0, ""), (argv, done)


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes()
            for p in sorted(folder.rglob("*")) if p.is_file()}


def fetch_half(sled, server, mail):
    fill_folder(server.folder, mail)
    server.stop()
    server.start()
    sled.write()
    done = sled.fetch()
    assert done.status == 0 and done.reports[0]["fetched"] == len(mail), done


def check(tmp, mail):
    """Half of MAIL in a sealed volume, half in an open one."""
    names = list(mail)
    box = fill_folder(tmp / "mail", {})
    with Pop3d(tmp, folder=box) as server:
        sled = Sled(tmp, {"home": server}, copies=1)
        fetch_half(sled, server, {n: mail[n] for n in names[::2]})
        assert sled.run("seal", "--now").status == 0
        fetch_half(sled, server, {n: mail[n] for n in names[1::2]})
    for place in sled.places:
        sealed, still_open = volumes(place)
        assert sealed.name.endswith("-001.tar.gz"), sealed
        assert still_open.name.endswith("-002.open.tar.gz"), still_open
    trees = {}
    for reader in READERS:
        for volume in volumes(sled.path):
            extract(reader, volume, tmp / reader)
        trees[reader] = tree(tmp / reader)
        shutil.rmtree(tmp / reader)
    first = trees.pop("tar")
    same_mail([data for name, data in first.items() if name.endswith(".eml")],
              [wire(m) for m in mail.values()])
    for reader, other in trees.items():
        assert other == first, f"{reader} has not what tar has"
    for a, b in zip(*map(volumes, sled.places)):
        assert a.read_bytes() == b.read_bytes(), a


def test_every_volume_is_read_by_every_tar(tmp):
    lacking = [tool for tool in ("bsdtar", "busybox", "7z")
               if shutil.which(tool) is None]
    if lacking:
        raise Skip(f"not installed: {', '.join(lacking)}")
    mail = {f"m{i:05d}": message(i, "word " * (i % 97) + "\n" * (i % 5))
            for i in range(10_000 if slow() else 300)}
    # Alone in its member, and longer than a buffer of any reader.
    mail["large"] = message(10_001, "0123456789abcdef" * 150_000 + "\n")
    check(tmp, {**mail, **odd_messages()})


test_every_volume_is_read_by_every_tar.timeout = 900
