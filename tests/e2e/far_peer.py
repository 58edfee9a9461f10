"""The far side of far copies: real rclone, serving a folder by WebDAV or SFTP
on a port that the kernel picked, and remotes that lead there.

    with Far(tmp, "sftp") as far:
        sled = Sled(tmp, {"home": server}, copies=0,
                    store={"copies": far.place, "min-copies": 2})
"""
import os
import re
import shutil
import subprocess
from pathlib import Path

from harness import Process, Skip, wait_for


def obscure(text):
    return subprocess.run(["rclone", "obscure", text], check=True, text=True,
                          capture_output=True).stdout.strip()


class Far(Process):
    """KIND: webdav, sftp, crypt (on WebDAV) or local. .place is for `copies`,
    .folder what the server has below it (nothing readable for crypt)."""

    def __init__(self, tmp, kind, path="mail"):
        if shutil.which("rclone") is None:
            raise Skip("rclone is not installed")
        self.kind, self.dir = kind, Path(tmp) / f"far-{kind}"
        self.root = self.dir / "root"
        self.root.mkdir(parents=True)
        self.config, self.log = self.dir / "rclone.conf", self.dir / "log"
        self.folder = self.root / path
        self.place = f"rclone:{kind}:{path}"
        self.remote = f"{kind}:{path}"
        self.password, self.port = "far-secret", 0
        os.environ["RCLONE_CONFIG"] = str(self.config)
        self.write()
        if kind != "local":
            self.start()

    def start(self):
        """The server; after stop() on the port that it had."""
        proto = "sftp" if self.kind == "sftp" else "webdav"
        argv = ["rclone", "serve", proto, str(self.root),
                "--addr", f"127.0.0.1:{self.port}", "--user", "far",
                "--pass", self.password, "--log-level", "NOTICE"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log,
                                            env={**os.environ,
                                                 "HOME": str(self.dir)})
        found = wait_for(lambda: re.search(r"127\.0\.0\.1:(\d+)",
                                           self.log.read_text()), "rclone")
        self.port = int(found[1])
        self.write()

    def stop(self):
        """It ends by the signal: that is no failure of the test."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        return 0

    def write(self, password=None):
        """The remotes; PASSWORD may be a wrong one."""
        word = obscure(password or self.password)
        text = (f"[local]\ntype = alias\nremote = {self.root}\n"
                f"[crypt]\ntype = crypt\nremote = webdav:enc\n"
                f"password = {obscure('of the crypt')}\n"
                f"[webdav]\ntype = webdav\nvendor = other\nuser = far\n"
                f"url = http://127.0.0.1:{self.port}/\npass = {word}\n"
                f"[sftp]\ntype = sftp\nhost = 127.0.0.1\nuser = far\n"
                f"port = {self.port}\npass = {word}\n")
        self.config.write_text(text)

    def files(self):
        """Paths below the far place, as rclone tells them."""
        done = subprocess.run(["rclone", "lsf", "-R", "--files-only",
                               self.remote], text=True, capture_output=True)
        return sorted(done.stdout.split())

    def mirror(self, folder):
        """All of it, as one who has only rclone brings it down."""
        subprocess.run(["rclone", "copy", self.remote, str(folder)],
                       check=True, capture_output=True)
        return Path(folder)


def ranges(files):
    """Of the open volumes: (from, to) in order."""
    got = (re.search(r"\.(\d+)-(\d+)\.tar\.gz$", f) for f in files)
    return sorted((int(m[1]), int(m[2])) for m in got if m)


def sealed(files):
    return [f for f in files if re.search(r"-\d{3}\.tar\.gz$", f)]
