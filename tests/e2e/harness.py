"""What end-to-end tests stand on: servers, a store, and the program itself.

    with Pop3d(tmp, "--generate", "20") as server:
        sled = Sled(tmp, {"home": server}, copies=1)
        assert sled.fetch().status == 0
        assert server.retrs() == 20

Standard library only. Nothing here has a fixed port or sleeps for luck: each
wait is for an event, with a deadline. TMP is the test's own folder.
"""
import collections
import errno
import fcntl
import grp
import json
import os
import poplib
import pwd
import re
import shutil
import signal
import smtplib
import socket
import ssl
import struct
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
DEADLINE = 30  # seconds for anything that has to happen
FAKETIME = "usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


class Skip(Exception):
    """This machine lacks what the test needs."""


def slow():
    """Whether run.py was told that there is time."""
    return os.environ.get("E2E_SLOW", "") not in ("", "0")


def only_slow():
    if not slow():
        raise Skip("takes long: run.py --slow")


def wait_for(check, what, deadline=DEADLINE):
    """The first true value of check()."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        got = check()
        if got:
            return got
        time.sleep(0.005)
    raise AssertionError(f"waited {deadline} s for {what}")


def wire(message):
    """A message as POP3 carries it: CRLF lines, the last one ended."""
    out = re.sub(rb"(?<!\r)\n", b"\r\n", message)
    return out if out.endswith(b"\r\n") or not out else out + b"\r\n"


def message(number, body=None, subject=None):
    """A small message with LF lines, unlike any other NUMBER."""
    body = body if body is not None else f"This is message {number}.\n"
    if isinstance(body, str):
        body = body.encode()
    head = (f"From: Sender {number % 7} <s{number % 7}@example.org>\n"
            f"To: base@example.net\nSubject: {subject or f'Note {number}'}\n"
            f"Date: Mon, 02 Nov 2026 08:{number % 60:02d}:00 +0000\n"
            f"Message-ID: <note-{number}@example.org>\n\n")
    return head.encode() + body


def odd_messages():
    """Messages that break others, by name (LF lines but where CR is meant)."""
    return {
        "dots": message(1, ".\n..\n.a\n...\n.\n\n."),
        "no-final-newline": message(2, "no end"),
        "empty-body": message(3, ""),
        "no-header": b"\njust text\n",
        "long-line": message(5, "x" * 70000 + "\n"),
        "high-bytes": message(6, bytes(range(128, 256)) + b"\n"),
        "bare-cr": message(7, b"one\rtwo\r\rthree\n\r\rfour\n"),
        "blank-lines": message(8, "\n" * 5000),
        "twin-a": message(9), "twin-b": message(9),
    }


def fill_folder(folder, messages):
    """MESSAGES is {name: bytes} or a list: files for Pop3d, by name."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if not isinstance(messages, dict):
        messages = {f"m{i:05d}": m for i, m in enumerate(messages, 1)}
    for name, data in messages.items():
        (folder / f"{name}.eml").write_bytes(data)
    return folder


def talk(address, data):
    """All that comes back to DATA until the peer closes. One that refuses
    may be gone with a reset at any step of ours."""
    got = b""
    with socket.create_connection(address, DEADLINE) as conn:
        try:
            conn.sendall(data)
            conn.shutdown(socket.SHUT_WR)
            while piece := conn.recv(65536):
                got += piece
        except OSError as gone:
            if gone.errno not in (errno.ECONNRESET, errno.EPIPE,
                                  errno.ENOTCONN):
                raise
    return got


class Process:
    """A child that is always ended, and told from one that fails."""

    process = None

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        status = self.stop()
        if kind is None:
            assert status == 0, f"server ended with status {status}"

    def stop(self):
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.terminate()
        try:
            status = self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("server did not end upon SIGTERM") from None
        finally:
            self.release()
        return status

    def release(self):
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.process = None


def reserve(address="127.0.0.1", reuse=False):
    """A socket whose port is nobody else's as long as it is there, and where
    nobody listens; REUSE: but a server that we start."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    held = socket.socket(family)
    if reuse:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((address, 0))
    return held


Hello = collections.namedtuple("Hello", "conn bytes session_id offered")


class Pop3d(Process):
    """build/pop3d. ARGS are its options; FOLDER may be left out for --sample
    and --generate. Its log is read afresh by each question."""

    def __init__(self, tmp, *args, folder=None, user="demo", password="demo",
                 name="pop3d"):
        self.dir = Path(tmp) / name
        self.dir.mkdir(parents=True, exist_ok=True)
        self.folder = Path(folder) if folder is not None else None
        self.user, self.password, self.host = user, password, "localhost"
        self.ca, self.log = self.dir / "ca.pem", self.dir / "log"
        self.tls = ("starttls" if "--starttls" in args else
                    "plain" if "--plain" in args else "implicit")
        self.args = [str(a) for a in args]
        # Kept between stop() and start(), when any other test would get it.
        self.held = reserve(self.args[self.args.index("--listen") + 1]
                            if "--listen" in self.args else "127.0.0.1", True)
        self.start()

    def start(self, port=None):
        """Again, after stop(): the log goes on, certificates are new."""
        if port is None:
            port = self.held.getsockname()[1]
        argv = [str(BUILD / "pop3d"), "--ca-out", str(self.ca), "--log",
                str(self.log), "--user", self.user, "--pass", self.password,
                "--port", str(port), *self.args]
        if self.folder is not None:
            argv.append(str(self.folder))
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE,
                                        text=True)
        line = self.process.stdout.readline()
        if not re.fullmatch(r"listening \d+\n", line):
            self.process.wait()
            self.release()
            raise AssertionError(f"pop3d did not start: {line!r}")
        self.port = int(line.split()[1])

    def lines(self):
        return self.log.read_text().splitlines() if self.log.exists() else []

    def commands(self, verb=None):
        """[(connection, verb, arguments)] as they came, in all sessions."""
        got = (re.match(r"(\d+)> (\S+) ?(.*)", line) for line in self.lines())
        return [(int(m[1]), m[2], m[3]) for m in got
                if m and verb in (None, m[2])]

    def count(self, verb):
        return len(self.commands(verb))

    def retrs(self):
        return self.count("RETR")

    def deles(self):
        return self.count("DELE")

    def events(self, word):
        """Connections with the event: open, tls, tls-failed, close, fault."""
        got = (re.match(r"CONN (\d+) (\S+)", line) for line in self.lines())
        return [int(m[1]) for m in got if m and m[2] == word]

    def hellos(self):
        """Each ClientHello, as long as nothing is refused one a connection."""
        got = (re.match(r"CONN (\d+) hello bytes=(\d+) session-id=(\d+) "
                        r"offered=(\d)", line) for line in self.lines())
        return [Hello(int(m[1]), int(m[2]), int(m[3]), m[4] == "1")
                for m in got if m]

    def resumed(self):
        """Connections that went on with an earlier TLS session."""
        got = (re.match(r"CONN (\d+) tls resumed", line)
               for line in self.lines())
        return [int(m[1]) for m in got if m]

    def early(self):
        """{connection: [verb]} of what came before its greeting was sent."""
        out = collections.defaultdict(list)
        for line in self.lines():
            if m := re.match(r"CONN (\d+) early (\S+) read=", line):
                out[int(m[1])].append(m[2])
        return dict(out)

    def early_bytes(self):
        """{connection: octets} that came early, also where they were lost or
        ended it; connections that got as far as a greeting."""
        got = (re.match(r"CONN (\d+) greet segments=\d+ early=(\d+)", line)
               for line in self.lines())
        return {int(m[1]): int(m[2]) for m in got if m}

    def with_finished(self, conn):
        """Of what came early, what came in the segment that ended the TLS
        handshake: the ClientHello had the one before for itself."""
        log = "\n".join(self.lines())
        end = re.search(rf"(?m)^CONN {conn} tls.* read=(\d+)$", log)
        segments = re.search(rf"(?m)^CONN {conn} greet segments=(\d+)", log)
        assert end and segments, f"connection {conn} was not greeted"
        if int(segments[1]) != 2:
            return []
        return re.findall(
            rf"(?m)^CONN {conn} early (\S+) read={end[1]}$", log)

    def mails(self, word):
        """Names in order of the event: RETR (sent), TOP, DELE, gone."""
        got = (re.match(r"MAIL \d+ (\S+) (.*)", line)
               for line in self.lines())
        return [m[2] for m in got if m and m[1] == word]

    def retrs_by_name(self):
        return collections.Counter(self.mails("RETR"))

    def wait_line(self, pattern, deadline=DEADLINE):
        """Until a line of the log matches."""
        return wait_for(lambda: next((line for line in self.lines()
                                      if re.search(pattern, line)), None),
                        f"{pattern} in the log of pop3d", deadline)

    def wait_closed(self):
        """Until each connection that was opened has been closed."""
        wait_for(lambda: sorted(self.events("open")) ==
                 sorted(self.events("close")), "open connections to end")

    def left(self):
        """Names of the messages that are still in the folder."""
        return sorted(p.name for p in self.folder.glob("*.eml"))

    def context(self):
        return ssl.create_default_context(cafile=self.ca)


def free_ports(count):
    """Free now; who binds them must be ready to try again."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def make_ca(folder):
    """A CA and a certificate for localhost and 127.0.0.1, by openssl."""
    script = """set -e
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
  -keyout ca.key -out ca.pem -days 30 -subj '/O=mailsled tests/CN=root' \
  -addext basicConstraints=critical,CA:TRUE \
  -addext keyUsage=critical,keyCertSign,cRLSign
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
  -keyout leaf.key -out leaf.csr -subj /CN=localhost
printf '%s\\n' subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1 \
  extendedKeyUsage=serverAuth keyUsage=digitalSignature >leaf.ext
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
  -days 20 -extfile leaf.ext -out leaf.pem
"""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["sh", "-c", script], cwd=folder, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return folder / "ca.pem"


DOVECOT_CONF = """
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
protocols = pop3
listen = 127.0.0.1
ssl = required
ssl_cert = <{dir}/tls/leaf.pem
ssl_key = <{dir}/tls/leaf.key
ssl_min_protocol = TLSv1.2
auth_mechanisms = plain login
mail_location = {location}
mail_uid = {mail_user}
mail_gid = {mail_group}
first_valid_uid = 1
default_login_user = {login_user}
default_internal_user = {internal_user}
default_internal_group = {internal_group}
mail_max_userip_connections = 50
mail_fsync = never
pop3_lock_session = {lock}
passdb {{
  driver = passwd-file
  args = {dir}/users
}}
userdb {{
  driver = static
  args = uid={mail_user} gid={mail_group} home={dir}/mail/%u
}}
service pop3-login {{
  service_count = {service_count}
  {chroot}
  inet_listener pop3 {{
    port = {plain_port}
  }}
  inet_listener pop3s {{
    port = {port}
    ssl = yes
  }}
}}
service anvil {{
  {chroot}
  client_limit = 1000
}}
{extra}
"""


class Dovecot(Process):
    """A real Dovecot 2.3 in a folder of its own: implicit TLS at .port, STLS
    at .starttls_port. Passwords are "secret-USER". Works as root, and for
    anybody else with that user's own rights."""

    def __init__(self, users=("u1",), service_count=1, mbox=False, lock=True,
                 extra=""):
        if shutil.which("dovecot") is None:
            raise Skip("dovecot is not installed")
        # Short: the paths of its sockets have to stay below 108 bytes.
        self.dir = Path(tempfile.mkdtemp(prefix="dove.", dir="/tmp"))
        self.dir.chmod(0o755)
        self.users, self.mbox, self.host = list(users), mbox, "localhost"
        self.options = {"service_count": service_count, "extra": extra,
                        "lock": "yes" if lock else "no"}
        self.made = 0
        try:
            self.ca = make_ca(self.dir / "tls")
            self.make_users()
            self.start()
        except BaseException:
            self.stop()
            raise

    def make_users(self):
        root = os.geteuid() == 0
        me = pwd.getpwuid(os.geteuid()).pw_name
        own = grp.getgrgid(os.getegid()).gr_name
        self.mail_user = "mail" if root else me
        self.names = {
            "mail_user": self.mail_user, "mail_group": "mail" if root else own,
            "login_user": "dovenull" if root else me,
            "internal_user": "dovecot" if root else me,
            "internal_group": "dovecot" if root else own,
            "chroot": "" if root else "chroot =",
        }
        (self.dir / "users").write_text("".join(
            f"{u}:{{PLAIN}}secret-{u}::::::\n" for u in self.users))
        for user in self.users:
            self.empty(user)

    def start(self):
        for _ in range(5):
            self.port, self.starttls_port = free_ports(2)
            self.write_conf()
            self.process = subprocess.Popen(
                ["dovecot", "-F", "-c", str(self.dir / "dovecot.conf")],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            if wait_for(self.answers, "Dovecot") == "yes":
                return
            said = self.process.stderr.read().decode(errors="replace")
            self.halt()
        raise AssertionError(f"Dovecot did not start: {said}{self.log()}")

    def write_conf(self):
        box = "mbox" if self.mbox else "maildir"
        where = "mail:INBOX=%s/mail/%%u/inbox" if self.mbox else "Maildir"
        location = f"{box}:{self.dir}/mail/%u/" + (
            where % self.dir if self.mbox else where)
        (self.dir / "dovecot.conf").write_text(DOVECOT_CONF.format(
            dir=self.dir, location=location, port=self.port,
            plain_port=self.starttls_port, **self.names, **self.options))

    def answers(self):
        """yes: both ports; no: it has ended; None: not yet."""
        if self.process.poll() is not None:
            return "no"
        for port in (self.port, self.starttls_port):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                return None
        return "yes"

    def children(self):
        pid = self.process.pid
        try:
            got = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        except OSError:
            return []
        return [int(child) for child in got.split()]

    def kill(self):
        """At once, its children too: it would take seconds to say goodbye.
        Stopped first, so that it makes no more of them."""
        self.process.send_signal(signal.SIGSTOP)
        for pid in [*self.children(), self.process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def halt(self):
        """End it in order, keep the mail; start() may follow."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(1.5)
        except subprocess.TimeoutExpired:
            self.kill()
        self.release()

    def release(self):
        self.process.stderr.close()
        self.process = None

    def stop(self):
        if self.process is not None:
            self.kill()
            self.release()

        def gone():
            shutil.rmtree(self.dir, ignore_errors=True)
            return not self.dir.exists()
        wait_for(gone, f"{self.dir} to go")
        return 0

    def log(self):
        path = self.dir / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def account(self, user=None, starttls=False):
        """What Sled needs to know to fetch USER's mail."""
        user = user or self.users[0]
        return Account(self.host,
                       self.starttls_port if starttls else self.port, user,
                       f"secret-{user}", self.ca,
                       "starttls" if starttls else "implicit")

    def inbox(self, user):
        return self.dir / "mail" / user / ("inbox" if self.mbox else "Maildir")

    def own(self, path):
        if os.geteuid() == 0:
            shutil.chown(path, self.mail_user, "mail")

    def empty(self, user):
        """A maildrop without mail, its unique-ids forgotten."""
        home = self.dir / "mail" / user
        shutil.rmtree(home, ignore_errors=True)
        boxes = [] if self.mbox else [home / "Maildir" / part
                                      for part in ("cur", "new", "tmp")]
        for folder in [self.dir / "mail", home, home / "mail",
                       home / "Maildir", *boxes]:
            folder.mkdir(exist_ok=True)
            self.own(folder)
        if self.mbox:
            (home / "inbox").touch()
            self.own(home / "inbox")

    def fill(self, user, messages):
        """Deliver MESSAGES (bytes each, LF lines); returns how many."""
        count = 0
        for data in messages:
            self.made += 1
            count += 1
            if self.mbox:
                self.append(user, data)
                continue
            name = f"{1790000000 + self.made}.M{self.made}P1.test"
            path = self.inbox(user) / "tmp" / name
            path.write_bytes(data)
            self.own(path)
            path.rename(self.inbox(user) / "new" / name)
        return count

    def append(self, user, data):
        data = re.sub(rb"(?m)^(>*From )", rb">\1", data)
        if not data.endswith(b"\n"):
            data += b"\n"
        with open(self.inbox(user), "ab") as box:
            box.write(b"From test@example.org Mon Nov  2 08:00:00 2026\n" +
                      data + b"\n")

    def left(self, user):
        """How many messages the maildrop holds."""
        box = self.inbox(user)
        if self.mbox:
            # Dovecot's own note is no mail.
            return len(re.findall(rb"(?m)^From (?!MAILER_DAEMON)",
                                  box.read_bytes()))
        return sum(1 for part in ("new", "cur")
                   for _ in (box / part).iterdir())

    def context(self):
        return ssl.create_default_context(cafile=self.ca)


class Sdbox(Dovecot):
    """Dovecot over sdbox, its own format: mail goes in and is counted by
    doveadm."""

    def write_conf(self):
        super().write_conf()
        conf = self.dir / "dovecot.conf"
        conf.write_text(re.sub(r"(?m)^mail_location = .*",
                               f"mail_location = sdbox:{self.dir}/mail/%u/box",
                               conf.read_text()))

    def doveadm(self, *args, **more):
        return subprocess.run(["doveadm", "-c", str(self.dir /
                                                    "dovecot.conf"), *args],
                              check=True, capture_output=True, **more).stdout

    def fill(self, user, messages):
        for data in messages:
            self.doveadm("save", "-u", user, "-m", "INBOX", input=data)
        return len(messages)

    def left(self, user):
        said = self.doveadm("mailbox", "status", "-u", user, "messages",
                            "INBOX")
        return int(re.search(rb"messages=(\d+)", said)[1])


MAILUTILS_CONF = """
virtdomain {{ passwd-dir "{dir}/users"; }}
auth {{ authentication "generic"; authorization "virtdomain"; }}
logging {{ syslog no; }}
{extra}
"""


def mbox(messages):
    """As a mail server appends them to an mbox."""
    return b"".join(
        b"From test@example.org Mon Nov  2 08:00:00 2026\n" +
        re.sub(rb"(?m)^(>*From )", rb">\1", m) +
        (b"\n" if m.endswith(b"\n") else b"\n\n") for m in messages)


class Inetd(Process):
    """A POP3 server that speaks on its standard input and output, behind
    socat's TLS, over one mbox. It needs root. Of a subclass: INBOX, OWNER (who
    has the mbox), COMMAND, WRAP and .account()."""

    wrap = ()  # what socat itself is started by

    def __init__(self, prefix):
        if shutil.which("socat") is None:
            raise Skip("socat is not installed")
        if os.geteuid() != 0:
            raise Skip(f"{type(self).__name__} needs root")
        self.dir = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
        self.dir.chmod(0o755)

    def begin(self, messages):
        """All of the subclass is set up in .dir by then, or by its prepare().
        """
        try:
            self.ca = make_ca(self.dir / "tls")
            self.prepare()
            self.fill(messages)
            self.start()
        except BaseException:
            self.stop()
            raise

    def start(self):
        tls = f"cert={self.dir}/tls/leaf.pem,key={self.dir}/tls/leaf.key"
        for _ in range(5):
            (self.port,) = free_ports(1)
            self.process = subprocess.Popen(
                [*self.wrap, "socat",
                 f"OPENSSL-LISTEN:{self.port},bind=127.0.0.1,{tls},"
                 "verify=0,reuseaddr,fork", self.address()],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if wait_for(self.answers, "socat") == "yes":
                return
            self.process.wait()
        raise AssertionError("socat did not start")

    def address(self):
        """Where socat has the server."""
        return f"EXEC:{self.command}"

    def answers(self):
        if self.process.poll() is not None:
            return "no"
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return None
        return "yes"

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        shutil.rmtree(self.dir, ignore_errors=True)
        return 0

    def fill(self, messages):
        """Deliver MESSAGES (bytes each, LF lines) behind what is there."""
        with open(self.inbox, "ab") as box:
            fcntl.lockf(box, fcntl.LOCK_EX)
            box.write(mbox(messages))
        os.chown(self.inbox, *self.owner)
        self.inbox.chmod(0o600)

    def left(self):
        return len(re.findall(rb"(?m)^From ", self.inbox.read_bytes()))


class Mailutils(Inetd):
    """GNU mailutils' pop3d, which adds to the header of messages."""

    added = rb"(?m)^X-(?:UIDL?|IMAPbase): .*\r\n"

    def __init__(self, messages=(), extra=""):
        daemon = shutil.which("pop3d", path="/usr/sbin:/usr/local/sbin")
        if daemon is None:
            raise Skip("mailutils-pop3d is not installed")
        super().__init__("mu.")
        self.command = f"{daemon} -i --config-file={self.dir}/conf"
        self.extra = extra
        self.begin(messages)

    def prepare(self):
        mail = pwd.getpwnam("mail")
        self.owner = mail.pw_uid, mail.pw_gid
        secret = subprocess.run(["openssl", "passwd", "-6", "secret"],
                                capture_output=True, text=True, check=True)
        (self.dir / "users").mkdir()
        (self.dir / "users/example.org").write_text(
            f"u1:{secret.stdout.strip()}:{mail.pw_uid}:{mail.pw_gid}:u:"
            f"{self.dir}/home:/bin/sh\n")
        (self.dir / "conf").write_text(MAILUTILS_CONF.format(
            dir=self.dir, extra=self.extra))
        self.inbox = self.dir / "home/INBOX"
        self.inbox.parent.mkdir()
        os.chown(self.inbox.parent, *self.owner)

    def account(self):
        return Account("localhost", self.port, "u1@example.org", "secret",
                       self.ca, "implicit")

    def plain(self, data):
        """What came home, without what this server added to it."""
        return re.sub(self.added, b"", data)


def unpacked(package, program, folder):
    """PROGRAM of a Debian package that is not installed, unpacked in FOLDER.
    The package is taken from E2E_DEBS (BUILD/debs by default), else from apt,
    and kept there."""
    debs = Path(os.environ.get("E2E_DEBS", BUILD / "debs"))
    if not list(debs.glob(f"{package}_*.deb")):
        fetch_deb(package, debs)
    deb = max(debs.glob(f"{package}_*.deb"), key=lambda p: p.stat().st_mtime)
    subprocess.run(["dpkg", "-x", str(deb), str(folder)], check=True)
    return folder / program


class Time:
    """The clock that all processes of build/mailsled-fast share, SPEED times as
    fast as the true one; it can leap: see tests/support/fast_clock.c."""

    def __init__(self, path, speed=1):
        self.path, self.speed = path, speed
        self.began, self.leapt, self.wrong = self.true_ms(), 0, 0
        self.since = time.time()
        self.write()
        self.env = {**os.environ, "TZ": "UTC", "FAST_CLOCK": str(speed),
                    "FAST_CLOCK_FILE": str(path)}

    @staticmethod
    def true_ms():
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000

    def write(self):
        """In place: it is mapped."""
        with open(self.path, "r+b" if self.path.exists() else "wb") as file:
            file.write(struct.pack("=qqq", self.began, self.leapt,
                                   self.wrong))

    def now(self):
        """Simulated ms since the beginning."""
        return (self.true_ms() - self.began) * self.speed + self.leapt

    def leap_to(self, ms):
        """Who sleeps is told by SIGURG."""
        self.leapt += max(0, int(ms) - self.now())
        self.write()

    def set_wrong(self, seconds):
        """The wall clock is set, by so much off the truth; and SIGURG."""
        self.wrong = int(seconds)
        self.write()

    def date(self):
        """Days since 1970 by the right clock."""
        return int((self.since + self.now() / 1000) // 86400)


def days_ahead(days, tmp):
    """The environment of a program whose clock is DAYS ahead."""
    library = unpacked("libfaketime", FAKETIME, tmp / "deb")
    env = {"LD_PRELOAD": str(library), "DONT_FAKE_MONOTONIC": "1",
           "FAKETIME": f"+{days}d",
           "ASAN_OPTIONS": "verify_asan_link_order=0"}

    def now(more):
        return int(subprocess.run(["date", "+%s"], capture_output=True,
                                  text=True, check=True,
                                  env={**os.environ, **more}).stdout)
    if now(env) < now({}) + (days - 1) * 86400:
        raise Skip("libfaketime does not work here")
    return env


def fetch_deb(package, debs):
    """Beside its place first, so that no other test takes a part of it."""
    if shutil.which("apt-get") is None:
        raise Skip(f"{package} cannot be fetched: there is no apt-get")
    debs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=debs) as there:
        try:
            subprocess.run(["apt-get", "-q", "download", package], cwd=there,
                           check=True, capture_output=True, timeout=60)
        except (subprocess.CalledProcessError,
                subprocess.TimeoutExpired) as why:
            said = (why.stderr or b"").decode(errors="replace").split("\n")
            raise Skip(f"apt-get cannot fetch {package}: "
                       f"{said[0] or why}") from None
        for deb in Path(there).glob("*.deb"):
            deb.rename(debs / deb.name)


# Binds last in this mount namespace only: nothing of the machine is changed.
POPA3D_SCRIPT = """set -e
cd "$1"
shift
for name in passwd shadow group pam.d; do
  mount --bind "$name" "/etc/$name"
done
mount --bind lib /var/lib
mount --bind mail /var/mail
exec "$@"
"""


class Popa3d(Inetd):
    """Solar Designer's popa3d: no CAPA, no AUTH. It knows system users only
    and has a chroot, so it sees a password file and a /var of its own."""

    user, password, uid, gid = "sledtest", "secret", 64002, 64002

    def __init__(self, messages=()):
        super().__init__("popa.")
        try:
            self.command = self.find()
        except BaseException:
            self.stop()
            raise
        self.wrap = ("unshare", "-m", "sh", "-c", POPA3D_SCRIPT, "sh",
                     str(self.dir))
        self.begin(messages)

    def find(self):
        done = subprocess.run(["unshare", "-m", "true"], capture_output=True)
        if done.returncode != 0:
            raise Skip("popa3d needs a mount namespace of its own")
        return shutil.which("popa3d", path="/usr/sbin") or unpacked(
            "popa3d", "usr/sbin/popa3d", self.dir / "deb")

    def prepare(self):
        self.owner = self.uid, self.gid
        secret = subprocess.run(["openssl", "passwd", "-6", self.password],
                                capture_output=True, text=True, check=True)
        users = {"root": (0, "*"), "popa3d": (64001, "*"),
                 self.user: (self.uid, secret.stdout.strip())}
        files = {
            "passwd": "".join(f"{name}:x:{uid}:{uid}::/nonexistent:/bin/sh\n"
                              for name, (uid, _) in users.items()),
            "group": "".join(f"{name}:x:{uid}:\n"
                             for name, (uid, _) in users.items()),
            "shadow": "".join(f"{name}:{hashed}:20000:0:99999:7:::\n"
                              for name, (_, hashed) in users.items()),
            "pam.d/popa3d": "auth required pam_unix.so\n"
                            "account required pam_unix.so\n",
        }
        for folder in ("pam.d", "lib/popa3d", "mail"):
            (self.dir / folder).mkdir(parents=True)
        for name, text in files.items():
            (self.dir / name).write_text(text)
        (self.dir / "mail").chmod(0o1777)
        self.inbox = self.dir / "mail" / self.user

    def account(self):
        return Account("localhost", self.port, self.user, self.password,
                       self.ca, "implicit")


# The unpacked packages and a few files of our own lie over /usr and /etc, for
# this mount namespace only; all that was started ends with the first process.
OVERLAY = ("unshare", "-m", "-p", "-f", "--kill-child", "sh", "-c", """set -e
cd "$1"
shift
mount -t overlay overlay -o "lowerdir=$PWD/own:/etc" /etc
mount -t overlay overlay -o "lowerdir=$PWD/deb/usr:/usr" /usr
mount -t tmpfs none /run
. ./begin
exec "$@"
""", "sh")


class Installed(Inetd):
    """A server that runs as if its PACKAGES were installed. Of a subclass:
    .FILES, of /etc and BEGIN, the shell lines that start what it needs."""

    user, password, uid, gid = "sledtest", "secret", 64002, 64002
    packages, begin_script = (), ""

    def __init__(self, prefix, messages):
        super().__init__(prefix)
        try:
            if subprocess.run([*OVERLAY[:5], "true"],
                              capture_output=True).returncode != 0:
                raise Skip("no namespaces here")
            for package in self.packages:
                unpacked(package, "", self.dir / "deb")
        except BaseException:
            self.stop()
            raise
        self.wrap = (*OVERLAY, str(self.dir))
        self.begin(messages)

    def prepare(self):
        secret = subprocess.run(["openssl", "passwd", "-6", self.password],
                                capture_output=True, text=True, check=True)
        users = {"root": (0, "*"), self.user: (self.uid, secret.stdout.strip()),
                 "cyrus": (64010, "*")}
        files = {
            "passwd": "".join(f"{name}:x:{uid}:{uid}::{self.dir}/home:/bin/sh"
                              "\n" for name, (uid, _) in users.items()),
            "group": "".join(f"{name}:x:{uid}:\n" for name, (uid, _) in
                             {**users, "mail": (8, "")}.items()),
            "shadow": "".join(f"{name}:{hashed}:20000:0:99999:7:::\n"
                              for name, (_, hashed) in users.items()),
            **self.files(),
        }
        for name, text in files.items():
            path = self.dir / "own" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (self.dir / "begin").write_text(self.begin_script)

    def account(self):
        return Account("localhost", self.port, self.user, self.password,
                       self.ca, "implicit")


class Courier(Installed):
    """courier-pop, over a Maildir, with PAM behind its authdaemond."""

    packages = ("courier-pop", "courier-authlib", "libcourier-unicode4",
                "libidn12")
    command = ("/usr/lib/courier/courier/courierpop3login "
               "/usr/lib/courier/courier/courierpop3d Maildir")
    begin_script = """mkdir -p /run/courier/authdaemon
export POP3AUTH="PLAIN LOGIN" POP3AUTH_TLS="PLAIN LOGIN" POP3_TLS=1
export AUTHMODULES=authdaemon MAILDIRPATH=Maildir
export TCPREMOTEIP=127.0.0.1 TCPREMOTEPORT=1 TCPLOCALPORT=995
/usr/lib/courier/courier-authlib/authdaemond 2>auth.log &
while [ ! -S /run/courier/authdaemon/socket ]; do sleep 0.05; done
"""

    def __init__(self, messages=()):
        self.made = 0
        super().__init__("cour.", messages)

    @staticmethod
    def files():
        return {"courier/authdaemonrc":
                'authmodulelist="authpam"\nauthmodulelistorig="authpam"\n'
                "daemons=2\nauthdaemonvar=/run/courier/authdaemon\n",
                "pam.d/pop3": "auth required pam_unix.so\n"
                              "account required pam_unix.so\n"}

    def prepare(self):
        super().prepare()
        self.inbox = self.dir / "home/Maildir"
        for part in ("tmp", "new", "cur"):
            (self.inbox / part).mkdir(parents=True)
        subprocess.run(["chown", "-R", f"{self.uid}:{self.gid}",
                        str(self.dir / "home")], check=True)

    def fill(self, messages):
        for data in messages:
            self.made += 1
            name = f"{1790000000 + self.made}.M{self.made}P1.test"
            (self.inbox / "tmp" / name).write_bytes(data)
            os.chown(self.inbox / "tmp" / name, self.uid, self.gid)
            (self.inbox / "tmp" / name).rename(self.inbox / "new" / name)

    def left(self):
        return sum(1 for part in ("new", "cur")
                   for _ in (self.inbox / part).iterdir())


CYRUS_CONF = """configdirectory: {dir}/var/lib
defaultpartition: default
partition-default: {dir}/var/spool
admins: cyrus
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {dir}/var/sasldb2
sasl_mech_list: PLAIN
allowplaintext: yes
autocreate_quota: 0
autocreate_post: yes
duplicatesuppression: 0
lmtpsocket: {dir}/var/lmtp
"""
CYRUS_SERVICES = """START {{
  recover cmd="/usr/lib/cyrus/bin/ctl_cyrusdb -r"
}}
SERVICES {{
  pop3 cmd="pop3d -U 30" listen="127.0.0.1:{port}" prefork=0
  lmtpunix cmd="lmtpd -a" listen="{dir}/var/lmtp" prefork=0
}}
EVENTS {{
}}
"""


class Cyrus(Installed):
    """cyrus-pop3d below Cyrus' master; mail is delivered by LMTP, and gets
    header fields on its way."""

    packages = ("cyrus-common", "cyrus-pop3d", "libical3", "sasl2-bin",
                "libsasl2-modules-db")
    added = (rb"\AReturn-Path: .*\r\nReceived: .*\r\n(?:[ \t].*\r\n)*"
             rb"X-Cyrus-Session-Id: .*\r\nX-Sieve: .*\r\n")
    begin_script = """echo secret |
saslpasswd2 -p -c -f var/sasldb2 -u "$(hostname)" sledtest
chown -R cyrus var own
/usr/lib/cyrus/bin/master -D -L var/master.log >/dev/null 2>&1 &
while [ ! -S var/lmtp ]; do sleep 0.05; done
"""

    def __init__(self, messages=()):
        (self.inside,) = free_ports(1)
        super().__init__("cyr.", ())
        self.fill(messages)

    def files(self):
        return {"imapd.conf": CYRUS_CONF.format(dir=self.dir),
                "cyrus.conf": CYRUS_SERVICES.format(dir=self.dir,
                                                    port=self.inside)}

    def prepare(self):
        super().prepare()
        for name in ("lib/socket", "lib/proc", "spool"):
            (self.dir / "var" / name).mkdir(parents=True)

    def address(self):
        return f"TCP:127.0.0.1:{self.inside}"

    def fill(self, messages):
        if not messages:
            return
        with smtplib.LMTP(str(self.dir / "var/lmtp")) as lmtp:
            for data in messages:
                lmtp.sendmail("a@example.org", [self.user], wire(data))

    def left(self):
        context = ssl.create_default_context(cafile=self.ca)
        pop = poplib.POP3_SSL("localhost", self.port, context=context)
        try:
            pop.user(self.user)
            pop.pass_(self.password)
            return pop.stat()[0]
        finally:
            pop.quit()

    def plain(self, data):
        return re.sub(self.added, b"", data)


Account = collections.namedtuple("Account",
                                 "host port user password ca tls")


def account_of(server):
    """A Pop3d, a Dovecot (its first user) or an Account itself."""
    if isinstance(server, Pop3d):
        ca = server.ca if server.tls != "plain" else None
        return Account(server.host, server.port, server.user, server.password,
                       ca, server.tls)
    return server if isinstance(server, Account) else server.account()


class Result:
    """One run of the program: .status, .out, .err, .lines, .json."""

    def __init__(self, argv, status, out, err):
        self.argv, self.status, self.out, self.err = argv, status, out, err
        self.lines = out.splitlines()

    @property
    def json(self):
        """Each line as an object; progress ("event") included."""
        return [json.loads(line) for line in self.lines]

    @property
    def reports(self):
        return [o for o in self.json if "event" not in o]

    def __repr__(self):
        return (f"{' '.join(self.argv)}: status {self.status}\n"
                f"{self.out}{self.err}")


class Sled:
    """A config with a store of COPIES further places, and the program.

    ACCOUNTS is {label: Pop3d | Dovecot | Account}. ACCOUNT and STORE hold
    further keys, as config text wants them: account={"delete": "never"}."""

    def __init__(self, tmp, accounts, copies=1, account=None, store=None,
                 name="sled"):
        self.dir = Path(tmp) / name
        self.dir.mkdir(parents=True, exist_ok=True)
        self.path = self.dir / "store"
        self.copies = [self.dir / f"copy{i + 1}" for i in range(copies)]
        self.config = self.dir / "config.ini"
        self.accounts = dict(accounts)
        self.account_keys = {"delete": "verified", **(account or {})}
        self.store_keys = {"path": self.path,
                           "min-copies": min(2, copies + 1),
                           **(store or {})}
        if copies:
            self.store_keys.setdefault(
                "copies", ", ".join(str(c) for c in self.copies))
        self.write()

    @property
    def places(self):
        return [self.path, *self.copies]

    @property
    def memo(self):
        """What remembers the places where none of them is there."""
        return self.config.with_name(self.config.name + ".places")

    def write(self):
        """The config anew, as when a server has another port."""
        lines = ["[store]"]
        lines += [f"{k} = {v}" for k, v in self.store_keys.items()]
        for label, server in self.accounts.items():
            account = account_of(server)
            secret = self.dir / f"password-{label}"
            keys = {"server": account.host, "port": account.port,
                    "user": account.user, "password-file": secret}
            if account.tls == "starttls":
                keys["tls"] = "starttls"
            if account.ca is not None:
                keys["ca-file"] = account.ca
            keys.update(self.account_keys)
            lines += ["", f"[account {label}]"]
            lines += [f"{k} = {v}" for k, v in keys.items() if v is not None]
            self.secret(secret, account.password + "\n")
        self.secret(self.config, "\n".join(lines) + "\n")

    def be_patient(self):
        """From now on all goes well, be the machine as busy as it may."""
        self.account_keys["timeout"] = "20s"
        self.write()

    @staticmethod
    def secret(path, text):
        path.touch(mode=0o600)
        path.write_text(text)

    def argv(self, *args):
        return [str(BUILD / "mailsled"), "-c", str(self.config),
                *(str(a) for a in args)]

    def run(self, *args, timeout=120, stdin="", env=None):
        argv = self.argv(*args)
        done = subprocess.run(argv, input=stdin, text=True, timeout=timeout,
                              capture_output=True, errors="surrogateescape",
                              env={**os.environ, **(env or {})})
        return Result(argv, done.returncode, done.stdout, done.stderr)

    def fetch(self, *args, timeout=120):
        return self.run("--json", "fetch", *args, timeout=timeout)

    def list(self, *args):
        return self.run("--json", "list", *args).json

    def popen(self, *args):
        """For tests that stop it half-way; they wait() for it themselves."""
        return subprocess.Popen(self.argv(*args), stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)

    def killed(self, *args, when, deadline=DEADLINE):
        """Run, SIGKILL as soon as when() is true; the status (-9: killed)."""
        process = self.popen(*args)
        try:
            wait_for(lambda: process.poll() is not None or when(),
                     "the moment of the kill", deadline)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
        return process.wait()


def volumes(place, account="*"):
    """The archives of a place, oldest first."""
    return sorted(Path(place).glob(f"{account}/*.tar.gz"))


def untar(place, folder, account="*", future=False):
    """Each archive by GNU tar alone; {entry name: bytes} of the messages.
    FUTURE: the clock of who wrote it may have been ahead of tar's."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    more = ["--warning=no-timestamp"] if future else []
    for volume in volumes(place, account):
        done = subprocess.run(["tar", *more, "-xzf", str(volume), "-C",
                               str(folder)], capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, done.stderr
    return {str(p.relative_to(folder)): p.read_bytes()
            for p in sorted(folder.rglob("*.eml"))}


def same_mail(got, expected):
    """Fail unless both hold the same messages, each as often."""
    got, expected = (collections.Counter(x.values() if isinstance(x, dict)
                                         else x) for x in (got, expected))
    missing, extra = expected - got, got - expected
    assert not missing and not extra, (
        f"{missing.total()} missing, {extra.total()} too many; first: "
        f"{next(iter(missing or extra))[:200]!r}")


def check_receipts(place, folder):
    """STORE.txt's own way to check what untar() left in FOLDER; how many
    messages had a receipt that holds."""
    text = (Path(place) / "STORE.txt").read_text()
    line = re.search(r"(?m)^ +(awk (?:.*\\\n)*.*sha256sum -c --quiet)$", text)
    assert line, text
    script = line[1].replace("--quiet", "")
    done = subprocess.run(["sh", "-c", script], cwd=folder, text=True,
                          capture_output=True)
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
    assert all(said.endswith(": OK") for said in done.stdout.splitlines())
    return len(done.stdout.splitlines())
