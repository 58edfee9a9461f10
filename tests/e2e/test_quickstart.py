"""packaging/quickstart keeps its promises, and believes nobody."""
import os
import re
import shutil
import socket
import subprocess

from harness import BUILD, ROOT, Skip


def quickstart(path=""):
    """One run; what it printed, its complaint, its status."""
    if shutil.which("apt-get") is None:
        raise Skip("quickstart needs apt-get")
    env = {k: v for k, v in os.environ.items()
           if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    env |= {"BUILD": str(BUILD), "PATH": path + env["PATH"]}
    done = subprocess.run(["sh", str(ROOT / "packaging/quickstart")], env=env,
                          text=True, capture_output=True, timeout=110)
    return done.stdout, done.stderr, done.returncode


def test_it_ends_with_what_was_fetched_and_the_next_step(tmp):
    for _ in range(2):
        out, err, status = quickstart()
        assert (err, status) == ("", 0), err
        count = int(re.search(r"Done: (\d+) messages came by POP3S", out)[1])
        assert count > 5
        stored, = re.findall(r"stored +(\S+\.tar\.gz)", out)
        listed = subprocess.run(["tar", "tzf", stored], cwd=ROOT, text=True,
                                capture_output=True, check=True).stdout
        assert listed.count(".eml\n") == count
        assert "mailsled init --account" in out and "\033" not in out


def test_it_fails_when_tar_does_not_agree(tmp):
    fake = tmp / "tar"
    fake.write_text('#!/bin/sh\n/bin/tar "$@" | sed 1,3d\n')
    fake.chmod(0o755)
    out, err, status = quickstart(f"{tmp}:")
    assert status == 1 and "Done" not in out
    assert re.search(r"messages in the first place: \d+ instead of", err), err


def test_it_leaves_no_server_behind(tmp):
    out, _, _ = quickstart()
    port = int(re.search(r"port (\d+)", out)[1])
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        raise AssertionError("the demo server still listens")
    except ConnectionRefusedError:
        pass
