"""A copy on the file system of sticks: exFAT has no modes, no case and few
names. FUSE mounts it where the kernel cannot. There is no such thing to be
trusted for FAT32 (fusefat's ftruncate() does nothing); what it has beside these
is in test_store_seal.c, by faults."""
import contextlib
import os
import re
import shutil
import subprocess

from harness import (DEADLINE, Pop3d, Skip, Sled, fill_folder, message,
                     only_slow, untar, wait_for, wire)

ROTATE = {"rotate": "month, 64KiB"}
COUNT = 60
# What exFAT refuses in a name, and what FAT does beside it.
REFUSED = re.compile(r'[\x00-\x1f"*/:<>?\\|]|[. ]$')


def need(*programs):
    only_slow()
    if os.geteuid() != 0:
        raise Skip("mounting needs root")
    for program in programs:
        if shutil.which(program, path=os.environ["PATH"] + ":/sbin:/usr/sbin"
                        ) is None:
            raise Skip(f"no {program} (Debian: exfat-fuse, exfatprogs)")


def call(*argv):
    return subprocess.run([str(a) for a in argv], capture_output=True,
                          text=True, timeout=DEADLINE)


@contextlib.contextmanager
def loop(image):
    done = call("losetup", "-f", "--show", image)
    if done.returncode != 0:
        raise Skip(f"no loop device: {done.stderr.strip()}")
    try:
        yield done.stdout.strip()
    finally:
        call("losetup", "-d", done.stdout.strip())


class Stick:
    """An image that is plugged in and pulled."""

    def __init__(self, place, *mount):
        self.place, self.mount = place, mount

    def __enter__(self):
        done = call(*self.mount, self.place)
        if done.returncode != 0 or not os.path.ismount(self.place):
            raise Skip(f"no mount here: {done.stdout}{done.stderr}")
        return self

    def __exit__(self, *_):
        assert call("umount", self.place).returncode == 0
        wait_for(lambda: not os.path.ismount(self.place), "the umount")


@contextlib.contextmanager
def exfat(tmp, place):
    need("mkfs.exfat", "mount.exfat-fuse", "losetup")
    image = tmp / "stick.img"
    with open(image, "wb") as out:
        out.truncate(64 << 20)
    with loop(image) as device:
        assert call("mkfs.exfat", device).returncode == 0
        yield Stick(place, "mount.exfat-fuse", device)


def check_names(place):
    """Each name can be written there, and no two differ by case alone."""
    for folder, folders, files in os.walk(place):
        names = folders + files
        assert not [n for n in names if REFUSED.search(n)], (folder, names)
        assert len({n.lower() for n in names}) == len(names), names


def killed_fetch(sled, server):
    """One that is killed in the middle of what it stores."""
    sent = server.retrs()
    process = sled.popen("fetch")
    wait_for(lambda: server.retrs() > sent + 12 or
             process.poll() is not None, "some mail")
    process.kill()
    process.wait(DEADLINE)


def check_readable(place, expected, out):
    """By tar and sha256sum alone."""
    assert sorted(untar(place, out).values()) == sorted(expected)
    for sidecar in sorted((place / "home").glob("*.sha256")):
        done = subprocess.run(["sha256sum", "--status", "-c", sidecar.name],
                              cwd=place / "home")
        assert done.returncode == 0, sidecar


def tear(place):
    """As a stick that was pulled in the middle of an append."""
    volume = next((place / "home").glob("*.open.tar.gz"))
    os.truncate(volume, volume.stat().st_size - 7)


def live_on(tmp, disk):
    mail = [message(i, os.urandom(5000).hex() + "\n") for i in range(COUNT)]
    folder = fill_folder(tmp / "mail", mail[:-5])
    with Pop3d(tmp, folder=folder) as server:
        sled = Sled(tmp, {"home": server}, store=ROTATE)
        place = sled.copies[0]
        place.mkdir()
        with disk(tmp, place) as stick:
            with stick:
                killed_fetch(sled, server)
                killed_fetch(sled, server)
                done = sled.fetch()
                assert done.status == 0 and not server.left(), done
                assert list((place / "home").glob("*[0-9].tar.gz"))
                check_names(place)
            fill_folder(tmp / "mail", {f"z{i}": m for i, m in
                                       enumerate(mail[-5:])})
            assert sled.fetch().status == 73
            assert list(place.iterdir()) == []
            with stick:
                done = sled.fetch()
                assert done.status == 0 and not server.left(), done
                tear(place)
                done = sled.run("sync")
                assert done.status == 0, done
                assert sled.run("seal", "--now").status == 0
                assert not list((place / "home").glob("*.open.tar.gz"))
                check_names(place)
            with stick:
                done = sled.run("verify", "--deep")
                assert done.status == 0, done
                check_readable(place, [wire(m) for m in mail], tmp / "held")


def test_a_copy_lives_on_exfat(tmp):
    live_on(tmp, exfat)


test_a_copy_lives_on_exfat.timeout = 300
