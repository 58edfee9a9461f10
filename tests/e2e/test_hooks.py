"""Hooks of link managers, and `event` and `stop`, against a scheduler's socket."""
import contextlib
import os
import shutil
import socket
import subprocess
import threading
import urllib.parse

from harness import BUILD, ROOT, Skip, wait_for

HOOKS = ROOT / "packaging/hooks"


class Stand:
    """Listens where the scheduler of the store would; keeps the requests."""

    def __init__(self, tmp, answer=b"exit 0\n"):
        self.config, self.got = tmp / "config.ini", []
        state = tmp / "s"
        state.mkdir(mode=0o700)
        (tmp / "pw").write_text("x\n")
        (tmp / "pw").chmod(0o600)
        self.config.write_text(
            f"[store]\npath = {tmp}/mail\nmin-copies = 1\nstate = {state}\n"
            f"[account home]\nserver = localhost\nuser = ada\n"
            f"password-file = {tmp}/pw\n")
        self.config.chmod(0o600)
        self.answer, self.listener = answer, socket.socket(socket.AF_UNIX)
        self.listener.bind(str(state / "control"))
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), peer, \
                    peer.makefile("rb") as lines:
                words = lines.readline().decode().split()
                self.got.append([urllib.parse.unquote(w) for w in words])
                peer.sendall(self.answer)

    def run(self, *args, env=None):
        return subprocess.run([str(BUILD / "mailsled"), "-c", str(self.config),
                               *args], text=True, capture_output=True,
                              env={**os.environ, **(env or {})}, timeout=20)


def hook(tmp, name, *args, **env):
    """What the hook called mailsled with, and its environment."""
    if shutil.which("timeout") is None:
        raise Skip("no timeout(1)")
    tools, log = tmp / "bin", tmp / "log"
    tools.mkdir(exist_ok=True)
    (tools / "mailsled").write_text(
        f"#!/bin/sh\n{{ echo \"$@\"; env; }} >{log}.new\n"
        f"mv {log}.new {log}\n")
    (tools / "mailsled").chmod(0o755)
    done = subprocess.run([str(HOOKS / name), *args], timeout=20, text=True,
                          capture_output=True,
                          env={"PATH": f"{tools}:/usr/bin:/bin", **env})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
    wait_for(log.exists, "the hook's call")
    words, *rest = log.read_text().splitlines()
    log.unlink()
    return words, dict(line.split("=", 1) for line in rest if "=" in line)


def test_pppd_tells_its_line(tmp):
    words, env = hook(tmp, "ppp-ip-up", PPP_IFACE="ppp0")
    assert words == "event up" and env["PPP_IFACE"] == "ppp0"
    words, env = hook(tmp, "ppp-ip-down", PPP_IFACE="ppp0", CONNECT_TIME="61",
                      BYTES_SENT="5", BYTES_RCVD="7")
    assert words == "event down"
    assert [env[k] for k in ("CONNECT_TIME", "BYTES_SENT", "BYTES_RCVD")] == \
        ["61", "5", "7"]


def nmcli(tmp, says):
    """The dispatcher's environment has no word of it: nmcli is asked."""
    (tmp / "bin").mkdir(exist_ok=True)
    tool = tmp / "bin/nmcli"
    tool.write_text("#!/bin/sh\n[ \"$LC_ALL $*\" = 'C -g GENERAL.METERED "
                    f"device show wlan0' ] && echo '{says}'\n")
    tool.chmod(0o755)


def test_networkmanager_tells_name_and_meter(tmp):
    for says, meant in (("yes", " metered=yes"), ("no", " metered=no"),
                        ("yes (guessed)", " metered=yes"),
                        ("no (guessed)", " metered=no"),
                        ("unknown", " metered=unknown")):
        nmcli(tmp, says)
        words, _ = hook(tmp, "networkmanager", "wlan0", "up",
                        CONNECTION_ID="Ship; $(id) \"x\"")
        assert words == ("event up if=wlan0 connection=Ship; $(id) \"x\"" +
                         meant), words
    words, _ = hook(tmp, "networkmanager", "wlan0", "down",
                    CONNECTION_ID="Ship")
    assert words == "event down if=wlan0 connection=Ship"


def test_networkmanager_names_the_tunnel_and_not_what_carries_it(tmp):
    nmcli(tmp, "unknown")
    words, _ = hook(tmp, "networkmanager", "tun0", "vpn-up",
                    DEVICE_IP_IFACE="eth0", VPN_IP_IFACE="tun0",
                    CONNECTION_ID="Office")
    assert words == ("event up if=tun0 connection=Office "
                     "metered=unknown"), words
    words, _ = hook(tmp, "networkmanager", "", "connectivity-change")
    assert words == "event up if= metered=unknown", words


def test_networkd_dispatcher_tells_both_ways(tmp):
    words, _ = hook(tmp, "networkd-dispatcher", IFACE="eth0", STATE="routable")
    assert words == "event up if=eth0"
    words, _ = hook(tmp, "networkd-dispatcher", IFACE="eth0", STATE="off")
    assert words == "event down if=eth0"


def test_event_says_what_a_hook_was_told(tmp):
    stand = Stand(tmp)
    env = {"PPP_IFACE": "ppp0", "CONNECT_TIME": "61", "BYTES_SENT": "5",
           "BYTES_RCVD": "7"}
    assert stand.run("event", "down", env=env).returncode == 0
    assert stand.run("event", "up", "if=a b", "metered=yes").returncode == 0
    assert stand.got == [
        ["event", "down", "if=ppp0", "connect-time=61", "sent=5",
         "received=7"],
        ["event", "up", "if=a b", "metered=yes"]]


def test_event_takes_each_word_for_metered_as_it_is_meant(tmp):
    stand = Stand(tmp)
    for word, meant in (("yes", ["metered=yes"]), ("no", ["metered=no"]),
                        ("guess-yes", ["metered=yes"]),
                        ("guess-no", ["metered=no"]), ("unknown", [])):
        done = stand.run("event", "up", f"metered={word}")
        assert done.returncode == 0, done
        assert stand.got[-1] == ["event", "up", *meant], (word, stand.got)
    for bad in ("metered=perhaps", "no\x1b[31mpe=1"):
        done = stand.run("event", "up", bad)
        assert done.returncode == 64 and "\x1b" not in done.stderr, done


def test_what_a_scheduler_says_cannot_act_on_the_terminal(tmp):
    stand = Stand(tmp, b"out %1b%5b31mGr%C3%BC%C3%9Fe\nerr %1b%5b31m\nexit 0\n")
    done = stand.run("stop")
    assert "Gr\u00fc\u00dfe" in done.stdout, done
    assert "\x1b" not in done.stdout + done.stderr, done


def test_event_without_a_scheduler_is_no_fault(tmp):
    stand = Stand(tmp)
    stand.listener.close()
    (tmp / "s/control").unlink()
    done = stand.run("event", "up", "if=ppp0")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert stand.run("event", "sideways").returncode == 64
    assert stand.run("event", "up", "colour=red").returncode == 64


def test_stop_tells_when_there_is_nothing_to_stop(tmp):
    stand = Stand(tmp, b"err no%20visit%20runs\nexit 75\n")
    done = stand.run("stop", "--hang-up")
    assert (done.returncode, stand.got) == (75, [["stop", "hang-up"]])
    assert "no visit runs" in done.stderr
    (tmp / "s/control").unlink()
    done = stand.run("stop")
    assert done.returncode == 75 and "mailsled run" in done.stderr


def test_fetch_is_the_schedulers_work_when_one_runs(tmp):
    stand = Stand(tmp, b"out home%3A%201%20came\nexit 73\n")
    done = stand.run("--json", "fetch", "home")
    assert (done.returncode, done.stdout) == (73, "home: 1 came\n"), done
    assert stand.got == [["visit", "json", "home"]]
