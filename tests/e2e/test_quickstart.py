"""packaging/quickstart keeps its promises, and believes nobody."""
import os
import re
import shutil
import socket
import subprocess

from harness import BUILD, ROOT, Pop3d, Skip


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


def test_its_next_step_is_a_first_configuration(tmp):
    out, _, _ = quickstart()
    steps = re.search(r"(?ms)Your own account:\n(.*?)\n\n", out)[1]
    with Pop3d(tmp, "--sample") as server:
        for old, new in (
                ("pop.example.org", f"localhost --port {server.port} "
                                    f"--ca-file {server.ca}"),
                ("--user ada", "--user demo"),
                ("secret-tool lookup mail home", "echo demo"),
                ("/media/usb/mail", f"{tmp}/usb")):
            assert old in steps, old
            steps = steps.replace(old, new)
        env = {**os.environ, "HOME": str(tmp),
               "XDG_CONFIG_HOME": str(tmp / "config")}
        steps = steps.replace("/mailsled ", f"/mailsled -c {tmp}/config.ini ")
        done = subprocess.run(["sh", "-eu", "-c", steps], env=env, text=True,
                              capture_output=True, timeout=60, cwd=ROOT)
        assert done.returncode == 0, done.stdout + done.stderr
        assert server.retrs() > 5 and server.deles() == 0
    assert list((tmp / "mail").glob("home/*.tar.gz"))
    assert list((tmp / "usb").glob("home/*.tar.gz"))


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


for test in [f for name, f in globals().copy().items()
             if name.startswith("test_")]:
    test.alone = True  # each starts anew in build/demo
