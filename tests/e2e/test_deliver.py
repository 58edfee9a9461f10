"""Delivery: each message once to what people read mail with, opened by it; what
fails waits, is said, and comes later."""
import json
import mailbox
import os
import pty
import re
import shlex
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path

from harness import (Dovecot, Pop3d, Skip, Sled, fill_folder, message,
                     odd_messages, only_slow, wait_for, wire)
from test_restore import fetched

LARGE = message(50, b"0123456789abcdef" * 4 * 160000 + b"\n")
FROM = message(51, "From the start\n>From quoted\nfrom here\n\nFrom x y z\n")


def letters():
    return [*odd_messages().values(), FROM, LARGE]


def unix(data):
    """As it must be delivered: what POP3 brings, with LF lines."""
    return wire(data).replace(b"\r\n", b"\n")


def same(got, expected):
    """GOT: bytes each; names what differs and not megabytes of it."""
    got, expected = sorted(got), sorted(unix(m) for m in expected)
    assert len(got) == len(expected), (len(got), len(expected))
    for one, other in zip(got, expected):
        assert one == other, (len(one), one[:200], other[:200])


def in_maildir(path):
    return [f.read_bytes() for part in ("new", "cur")
            for f in (path / part).iterdir()]


def started(tmp, messages, deliver, **keys):
    """A server with MESSAGES, and a Sled that delivers; use as a context."""
    server = Pop3d(tmp, folder=fill_folder(tmp / "in", messages))
    return server, Sled(tmp, {"home": server},
                        account={"deliver": deliver, **keys})


def mutt(box, out, tmp):
    """All of BOX, as mutt reads it, written to the Maildir OUT."""
    if shutil.which("mutt") is None:
        raise Skip("mutt is not installed")
    rc = tmp / "muttrc"
    rc.write_text(
        "set quit=yes copy=no confirmcreate=no confirmappend=no\n"
        "set mbox_type=Maildir move=no delete=no wait_key=no sleep_time=0\n"
        f"set folder={tmp} header_cache='' tmpdir={tmp}\n"
        f'push "<tag-pattern>~A<enter><tag-prefix><copy-message>'
        f'<kill-line>{out}<enter><exit>"\n')
    pid, screen = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm", HOME=str(tmp), LC_ALL="C")
        os.execvp("mutt", ["mutt", "-n", "-F", str(rc), "-f", str(box)])
    try:
        while os.read(screen, 65536):
            pass
    except OSError:
        pass  # its end
    os.waitpid(pid, 0)
    os.close(screen)
    return mailbox.Maildir(out, create=False)


def subjects(box):
    return sorted(str(m["subject"]) for m in box)


def test_a_maildir_is_what_notmuch_and_mutt_read(tmp):
    server, sled = started(tmp, letters(), f"maildir:{tmp}/M")
    with server:
        done = sled.run("fetch")
        assert done.status == 0, done
        assert f"home: {len(letters())} messages delivered to maildir:" in \
            done.out, done
        same(in_maildir(tmp / "M"), letters())
        assert not any((tmp / "M/tmp").iterdir())
        again = sled.run("--json", "deliver")
        assert again.status == 0 and again.json == [{
            "account": "home", "target": f"maildir:{tmp}/M", "delivered": 0,
            "waiting": 0, "error": None, "exit": 0}], again
    shown = sled.run("--json", "status").json[0]["deliver"]
    assert shown[0]["delivered"] == len(letters()), shown
    ours = subjects(mailbox.Maildir(tmp / "M", create=False))
    theirs = subjects(mutt(tmp / "M", tmp / "seen", tmp))
    assert theirs == ours, (theirs, ours)
    if shutil.which("notmuch") is None:
        raise Skip("notmuch is not installed")
    config = tmp / "notmuch"
    config.write_text(f"[database]\npath={tmp}/M\n[new]\ntags=new\n")
    env = {**os.environ, "NOTMUCH_CONFIG": str(config), "HOME": str(tmp)}
    new = subprocess.run(["notmuch", "new"], env=env, capture_output=True,
                         text=True, timeout=60)
    assert new.returncode == 0, new
    found = subprocess.run(["notmuch", "search", "--output=files", "*"],
                           env=env, capture_output=True, text=True, timeout=60)
    # What has no header is no mail for it, as it says.
    files = set(found.stdout.splitlines())
    assert len(files) == len(letters()) - 1, (new, found)


def test_an_mbox_is_what_mutt_and_python_read(tmp):
    server, sled = started(tmp, letters(), f"mbox:{tmp}/box")
    before = (b"From a@example.org Mon Nov  2 08:00:00 2026\n"
              b"Subject: there before\n\nno end")
    (tmp / "box").write_bytes(before)
    with server:
        done = sled.run("fetch")
        assert done.status == 0, done
    data = (tmp / "box").read_bytes()
    assert data.startswith(before)
    parts = re.split(rb"(?m)^From .*\n", data)[2:]
    got = [re.sub(rb"(?m)^>(>*From )", rb"\1", p[:-1]) for p in parts]
    expected = [m if unix(m).endswith(b"\n") else unix(m) + b"\n"
                for m in letters()]
    same(got, expected)
    theirs = subjects(mailbox.mbox(tmp / "box"))
    assert len(theirs) == len(letters()) + 1
    assert subjects(mutt(tmp / "box", tmp / "seen", tmp)) == theirs


def test_what_was_there_before_waits_for_all(tmp):
    server, sled = started(tmp, [message(i) for i in range(3)], None)
    with server:
        assert sled.run("fetch").status == 0
        none = sled.run("deliver")
        assert none.status == 78 and "deliver" in none.err, none
        sled.account_keys["deliver"] = f"maildir:{tmp}/M"
        sled.write()
        fill_folder(tmp / "in", {"later": message(9)})
        assert sled.run("fetch").status == 0
        same(in_maildir(tmp / "M"), [message(9)])
        assert sled.run("deliver", "nobody").status == 66
        done = sled.run("deliver", "--all", "home")
        assert done.status == 0, done
        same(in_maildir(tmp / "M"), [message(9),
                                     *(message(i) for i in range(3))])


def test_imported_mail_is_not_delivered(tmp):
    old = mailbox.Maildir(tmp / "old")
    for i in range(4):
        old.add(message(20 + i))
    server, sled = started(tmp, [message(1)], f"maildir:{tmp}/M")
    with server:
        assert sled.run("fetch").status == 0
        assert sled.run("import", tmp / "old", "--account", "home").status == 0
        fill_folder(tmp / "in", {"later": message(2)})
        done = sled.run("fetch")
        assert done.status == 0, done
        same(in_maildir(tmp / "M"), [message(1), message(2)])


def test_restored_mail_is_not_delivered(tmp):
    server, sled = started(tmp, [message(1)], f"maildir:{tmp}/M")
    with server:
        assert sled.run("fetch").status == 0
        # A machine that is set up anew, with the mail of the old one.
        new = Sled(tmp, {"home": server}, name="new",
                   account={"deliver": f"maildir:{tmp}/N"})
        fill_folder(tmp / "in", {"two": message(2)})
        assert new.run("fetch").status == 0
        assert new.run("restore", sled.copies[0],
                       "--into-store").status == 0
        fill_folder(tmp / "in", {"three": message(3)})
        done = new.run("fetch")
        assert done.status == 0, done
        same(in_maildir(tmp / "N"), [message(2), message(3)])
        # Nor is it when the journal alone tells what was delivered.
        more = fetched(tmp, [message(40), message(41)], name="more")
        assert new.run("restore", more.path, "--into-store").status == 0
        for name in (new.path / ".mailsled").glob("ledger.db*"):
            name.unlink()
        assert new.run("fetch").status == 0
        assert len(new.list()) == 5
        same(in_maildir(tmp / "N"), [message(2), message(3)])


# ---- commands ----

def test_a_command_gets_the_message_and_is_tried_again(tmp):
    tool = tmp / "take"
    tool.write_text("#!/bin/sh\necho 'no \033[31mroom' >&2\nexit 75\n")
    tool.chmod(0o755)
    paths = [b"Return-Path: <ada@example.org>\n" + message(1), message(2)]
    server, sled = started(tmp, paths, f"command:{tool} a,b --password 'x y'")
    with server:
        done = sled.run("fetch")
        assert done.status == 75, done
        assert "2 messages wait for command: exit status 75: " \
            "no \\x1b[31mroom" in done.err, done
        assert server.left() == []  # the mail is safe all the same
        shown = sled.run("status")
        assert "waits     2 messages for it: exit status 75" in shown.out
        tool.write_text(f"""#!/bin/sh
printf '%s %s %s %s\\n' "$MAILSLED_ACCOUNT" "$MAILSLED_NUMBER" \
  "$MAILSLED_ID" "$MAILSLED_SENDER" >>{tmp}/log
cat >{tmp}/got.$MAILSLED_NUMBER; echo "$1 $3" >>{tmp}/words
""")
        done = sled.run("deliver")
        assert done.status == 0 and "2 messages delivered" in done.out, done
    same([f.read_bytes() for f in tmp.glob("got.*")], paths)
    assert (tmp / "words").read_text() == "a,b x y\n" * 2
    hashes = {str(m["number"]): m["sha256"] for m in sled.list()}
    logged = [line.split(" ") for line in
              (tmp / "log").read_text().splitlines()]
    assert {n: h for _, n, h, _ in logged} == hashes
    assert sorted(s for *_, s in logged) == ["", "ada@example.org"]
    for place in sled.places:  # what may be a secret stays out of the places
        for file in [place / "config.ini", *(place / "journal").iterdir()]:
            assert "password '" not in file.read_text(), file


def test_a_command_that_is_missing_or_hangs_is_said(tmp):
    server, sled = started(tmp, [message(1), message(2)],
                           "command:/nonexistent/command")
    with server:
        done = sled.run("fetch")
        assert done.status == 75 and "127" in done.err, done
        sled.account_keys["deliver"] = \
            f"command:echo $$ >{tmp}/pid; exec sleep 1000"
        sled.write()
        process = subprocess.Popen(sled.argv("deliver"),
                                   stderr=subprocess.PIPE, text=True)
        pid = int(wait_for(lambda: (tmp / "pid").exists() and
                           (tmp / "pid").read_text().strip(), "the command"))
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=30)[1]
        assert process.returncode == 75, said
        assert not Path(f"/proc/{pid}").exists()
        assert "2 messages wait" in said, said
        # One that leaves something in the background is not waited for.
        sled.account_keys["deliver"] = \
            f"command:sleep 1000 & echo $! >>{tmp}/left"
        sled.write()
        done = sled.run("deliver")
        assert done.status == 0 and "2 messages delivered" in done.out, done
        assert "may come twice" in done.err, done
        for left in (tmp / "left").read_text().split():
            os.kill(int(left), signal.SIGKILL)


def test_what_a_stop_leaves_is_told_of_each_account(tmp):
    """Though the message at hand was taken."""
    with Pop3d(tmp, folder=fill_folder(tmp / "a", [message(1)]),
               name="one") as one, \
            Pop3d(tmp, folder=fill_folder(tmp / "b", [message(2)]),
                  name="two", user="other") as two:
        sled = Sled(tmp, {"one": one, "two": two},
                    account={"deliver": f"maildir:{tmp}/no/such/M"})
        assert sled.run("fetch").status == 75
        sled.account_keys["deliver"] = \
            f"command:cat >{tmp}/got; kill -TERM $(cat {tmp}/pid)"
        sled.write()
        script = f"echo $$ >{tmp}/pid; exec " + shlex.join(
            sled.argv("--json", "deliver", "--all"))
        done = subprocess.run(["sh", "-c", script], capture_output=True,
                              text=True, timeout=60)
        told = {o["account"]: o for o in map(json.loads,
                                             done.stdout.splitlines())}
        assert done.returncode == 75, done
        assert told["one"]["delivered"] == 1, done
        assert told["two"]["waiting"] == 1, done
        assert told["two"]["error"] == "stopped", done


def test_what_a_stopped_visit_brought_is_said_to_wait(tmp):
    mails = fill_folder(tmp / "in", [message(i) for i in range(1, 11)])
    with Pop3d(tmp, "--fault", "RETR:5:stall-after=10",
               folder=mails) as server:
        sled = Sled(tmp, {"home": server},
                    account={"deliver": f"maildir:{tmp}/M"})
        process = subprocess.Popen(sled.argv("fetch"), text=True,
                                   stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        server.wait_line("fault RETR:5")
        process.send_signal(signal.SIGTERM)
        said = process.stderr.readline()
        assert "stopping" in said, said
        process.send_signal(signal.SIGTERM)
        err = process.communicate(timeout=30)[1]
        assert process.returncode == 75, err
        assert "4 messages wait for maildir:" in err, err
        assert not (tmp / "M").exists()
        assert sled.run("fetch").status == 0
        same(in_maildir(tmp / "M"), [message(i) for i in range(1, 11)])


# ---- LMTP ----

class Lmtp(threading.Thread):
    """A server that answers as it is told; keeps the messages."""

    def __init__(self, path, replies=None):
        super().__init__(daemon=True)
        self.path, self.replies = str(path), replies or {}
        self.got, self.said, self.hang_up = [], [], False
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.start()

    def run(self):
        while True:
            peer, _ = self.listener.accept()
            try:
                with peer, peer.makefile("rwb") as file:
                    self.talk(file)
            except OSError:
                pass  # the peer is gone

    def answer(self, file, word, usual):
        replies = self.replies.get(word, [])
        file.write((replies.pop(0) if replies else usual) + b"\r\n")
        file.flush()

    def talk(self, file):
        self.answer(file, "greeting", b"220 hello")
        for line in file:
            self.said.append(line)
            word = line.split()[0].upper().decode()
            usual = {"LHLO": b"250-here\r\n250-8BITMIME\r\n250 SIZE 9999999",
                     "DATA": b"354 go on"}.get(word, b"250 ok")
            self.answer(file, word, usual)
            if word == "QUIT":
                return
            if word == "DATA":
                self.take(file)
                if self.hang_up:
                    self.hang_up = False
                    file.flush()
                    return
                self.answer(file, "dot", b"250 taken")

    def take(self, file):
        lines = []
        for line in file:
            assert line.endswith(b"\r\n") and b"\n" not in line[:-2], line
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        self.got.append(b"".join(lines))


def test_lmtp_is_spoken_and_dots_are_doubled(tmp):
    bodies = [m for m in letters() if m is not LARGE]
    bodies.append(b"Return-Path: <ada@example.org>\n" + message(7))
    server, sled = started(tmp, bodies, f"lmtp:{tmp}/lmtp",
                           **{"deliver-to": "bob@example.org"})
    lmtp = Lmtp(tmp / "lmtp")
    with server:
        done = sled.run("fetch")
        assert done.status == 0, done
    same([m.replace(b"\r\n", b"\n") for m in lmtp.got],
         [m if unix(m).endswith(b"\n") else m + b"\n" for m in bodies])
    said = b"".join(lmtp.said)
    assert said.count(b"LHLO") == 1 and said.count(b"QUIT") == 1
    assert said.count(b"RCPT TO:<bob@example.org>\r\n") == len(bodies)
    assert re.search(rb"MAIL FROM:<ada@example.org> SIZE=\d+ BODY=8BITMIME\r\n",
                     said) and b"MAIL FROM:<> SIZE" in said


def test_what_lmtp_refuses_waits_and_holds_up_nobody(tmp):
    server, sled = started(tmp, [message(i) for i in range(3)],
                           f"lmtp:{tmp}/lmtp")
    with server:
        done = sled.run("fetch")  # nobody listens
        assert done.status == 75 and "connect: No such file" in done.err, done
        lmtp = Lmtp(tmp / "lmtp", {
            "RCPT": [b"550 who?"], "dot": [b"250 ok", b"452 \x1b]full"]})
        done = sled.run("deliver")
        assert done.status == 75 and "RCPT: 550 who?" in done.err, done
        assert lmtp.got == []
        done = sled.run("deliver")
        assert done.status == 75 and len(lmtp.got) == 3, done
        assert "1 message waits" in done.err, done
        assert "452 \\x1b]full" in done.err, done
        lmtp.got.clear()
        done = sled.run("fetch")
        assert done.status == 75 and lmtp.got == [], done  # not due yet
        done = sled.run("deliver")
        assert done.status == 0 and len(lmtp.got) == 1, done


def test_what_may_come_twice_is_said(tmp):
    server, sled = started(tmp, [message(i) for i in range(3)],
                           f"lmtp:{tmp}/lmtp")
    lmtp = Lmtp(tmp / "lmtp")
    lmtp.hang_up = True
    with server:
        done = sled.run("fetch")
        assert done.status == 75 and "hung up" in done.err, done
    done = sled.run("deliver")
    assert done.status == 0, done
    assert "message 1 may come twice" in done.err, done
    assert len(lmtp.got) == 4 and len(set(lmtp.got)) == 3


def test_dovecot_takes_it_by_lmtp(tmp):
    if not Path("/usr/lib/dovecot/lmtp").exists():
        raise Skip("dovecot-lmtpd is not installed")
    bodies = letters()
    with Dovecot(("u1", "u2"), extra="protocols = pop3 lmtp\n"
                 "service lmtp {\n  unix_listener lmtp {\n    mode = 0666\n"
                 "  }\n}\n") as dovecot:
        dovecot.fill("u1", bodies)
        socket_path = dovecot.dir / "run/lmtp"
        sled = Sled(tmp, {"home": dovecot}, account={
            "deliver": f"lmtp:{socket_path}", "deliver-to": "u2"})
        done = sled.run("fetch")
        assert done.status == 0, (done, dovecot.log())
        got = in_maildir(dovecot.inbox("u2"))
        assert len(got) == len(bodies)
        for body in bodies:
            text = unix(body).rstrip(b"\n")
            assert any(text in m for m in got), text[:100]


# ---- disks, schedulers ----

def test_a_full_disk_takes_it_later(tmp):
    disk = tmp / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk],
                      stderr=subprocess.DEVNULL).returncode != 0:
        raise Skip("no right to mount")
    bodies = [message(1), message(2, "y" * 100000 + "\n"), message(3)]
    try:
        server, sled = started(tmp, bodies,
                               f"maildir:{disk}/M, mbox:{disk}/box")
        with server:
            done = sled.run("fetch")
            assert done.status == 75 and server.left() == [], done
            assert done.err.count("No space left on device") == 2, done
        assert not any((disk / "M/tmp").iterdir())
        box = (disk / "box").read_bytes()
        assert box == b"" or box.endswith(b"\n\n"), box[-100:]
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        assert sled.run("deliver").status == 0
        same(in_maildir(disk / "M"), bodies)
        assert len(mailbox.mbox(disk / "box")) == 3
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_the_scheduler_delivers_behind_a_visit_and_nobody_gets_it_twice(tmp):
    bodies = [message(i) for i in range(3)]
    server, sled = started(
        tmp, bodies, f"maildir:{tmp}/M, command:cat >/dev/null; "
        f": >{tmp}/begun; sleep 0.4; echo $MAILSLED_NUMBER >>{tmp}/log")
    with server:
        with open(sled.config, "a") as config:
            config.write("[schedule]\nevery = 1h\n")
        process = subprocess.Popen(sled.argv("run", "-v"), text=True,
                                   stderr=subprocess.PIPE)
        try:
            wait_for(lambda: (tmp / "begun").exists() or
                     process.poll() is not None, "a delivery", 60)
            process.send_signal(signal.SIGUSR1)  # a visit, in the middle
            wait_for(lambda: len((tmp / "log").read_text().split()) >= 3
                     if (tmp / "log").exists() else None, "the rest", 60)
        finally:
            process.terminate()
            said = process.communicate(timeout=30)[1]
        assert (tmp / "log").read_text().split() == ["1", "2", "3"], said
        same(in_maildir(tmp / "M"), bodies)


# ---- Thunderbird ----

class Thunderbird:
    """Without a screen, its local folders in PROFILE, asked by Marionette."""

    def __init__(self, tmp, profile):
        if shutil.which("thunderbird") is None:
            raise Skip("thunderbird is not installed")
        prefs = {"mail.accountmanager.accounts": "account1",
                 "mail.accountmanager.localfoldersserver": "server1",
                 "mail.account.account1.server": "server1",
                 "mail.server.server1.type": "none",
                 "mail.server.server1.hostname": "Local Folders",
                 "mail.server.server1.userName": "nobody",
                 "mail.server.server1.directory-rel":
                     "[ProfD]Mail/Local Folders",
                 "mail.provider.suppress_dialog_on_startup": True,
                 "datareporting.policy.dataSubmissionEnabled": False,
                 "network.proxy.type": 1, "network.proxy.http": "127.0.0.1",
                 "network.proxy.http_port": 9,
                 "network.proxy.ssl": "127.0.0.1",
                 "network.proxy.ssl_port": 9, "marionette.port": 0}
        (profile / "user.js").write_text("".join(
            f"user_pref({json.dumps(k)}, {json.dumps(v)});\n"
            for k, v in prefs.items()))
        self.process = subprocess.Popen(
            ["thunderbird", "--headless", "--no-remote", "--marionette",
             "-remote-allow-system-access", "--profile", str(profile)],
            env={**os.environ, "HOME": str(tmp)}, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        port = profile / "MarionetteActivePort"
        wait_for(lambda: port.exists() and port.read_text().strip(),
                 "Thunderbird", 100)
        self.peer = socket.create_connection(
            ("127.0.0.1", int(port.read_text())))
        self.file, self.asked = self.peer.makefile("rb"), 0
        self.hear()
        self.ask("WebDriver:NewSession")
        self.ask("Marionette:SetContext", value="chrome")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.peer.close()
        self.process.kill()
        self.process.wait()

    def hear(self):
        size = b""
        while not size.endswith(b":"):
            size += self.file.read(1)
        return json.loads(self.file.read(int(size[:-1])))

    def ask(self, name, **words):
        self.asked += 1
        data = json.dumps([0, self.asked, name, words]).encode()
        self.peer.sendall(b"%d:" % len(data) + data)
        _, _, error, value = self.hear()
        assert error is None, error
        return value

    def subjects(self, folder):
        """Of all messages; None while it still reads the file."""
        return self.ask("WebDriver:ExecuteScript", args=[folder], script="""
            const {MailServices} = ChromeUtils.importESModule(
                "resource:///modules/MailServices.sys.mjs");
            let box = MailServices.accounts.localFoldersServer.rootFolder
                .getChildNamed(arguments[0])
                .QueryInterface(Ci.nsIMsgLocalMailFolder);
            try { box.getDatabaseWithReparse(null, null); }
            catch (e) { return null; }
            return [...box.messages].map(m => m.mime2DecodedSubject);
            """)["value"]


def test_thunderbird_opens_an_mbox(tmp):
    only_slow()
    profile = tmp / "profile"
    folders = profile / "Mail/Local Folders"
    folders.mkdir(parents=True)
    server, sled = started(tmp, letters(), f"mbox:{folders}/Box")
    with server:
        assert sled.run("fetch").status == 0
    with Thunderbird(tmp, profile) as thunderbird:
        seen = wait_for(lambda: thunderbird.subjects("Box"), "the mbox", 60)
    ours = [m["subject"] or "" for m in mailbox.mbox(folders / "Box")]
    assert sorted(seen) == sorted(ours), (seen, ours)


test_thunderbird_opens_an_mbox.timeout = 240
