"""Far copies by rclone: what is there counts once it was checked there, each
file opens alone, and a store of which nothing else is left comes back."""
import shutil
import subprocess

from far_peer import Far, ranges, sealed
from harness import (Pop3d, Sled, fill_folder, message, only_slow, same_mail,
                     untar, wire)
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
        assert sled.run("verify", "--deep").status == 0
        assert sled.fetch().status == 0 and server.retrs() == 30
