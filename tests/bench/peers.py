"""The programs that are measured: their configuration in a folder of their
own, their command, and what they have delivered there.

    peer = make("mpop", folder, account, keep=False)
    subprocess.run(peer.argv, env=peer.env)
    peer.delivered()

ACCOUNT is the harness's; KEEP leaves the mail on the server."""
import json
import os
import shutil
import subprocess

from harness import BUILD, Account

TIMEOUT = 120  # seconds without a byte, for all of them alike
NAMES = ("floor", "floor-strict", "mailsled", "mpop", "fetchmail", "getmail")

__all__ = ["NAMES", "Account", "absent", "make", "versions"]


class Peer:
    """One that delivers to a Maildir, and ends with 0."""

    fine = (0,)
    warm = True  # keeps something between visits that is worth having

    def __init__(self, folder, account, keep):
        self.folder, self.account, self.keep = folder, account, keep
        self.maildir = folder / "Maildir"
        for part in ("cur", "new", "tmp"):
            (self.maildir / part).mkdir(parents=True, exist_ok=True)
        self.env = {k: v for k, v in os.environ.items()
                    if k not in ("SSL_CERT_FILE", "SSL_CERT_DIR")}
        self.env.update(HOME=str(folder), LC_ALL="C")
        self.argv = self.configure()

    def secret(self, name, content):
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(content)
        return path

    def marks(self):
        """One for each message that was delivered, the same for the same."""
        return [next((line for line in path.read_bytes().splitlines()
                      if line.startswith(b"Message-ID:")), path)
                for part in ("new", "cur")
                for path in (self.maildir / part).iterdir()]

    def delivered(self):
        return sum(1 for part in ("new", "cur")
                   for _ in (self.maildir / part).iterdir())

    def twice(self):
        marks = self.marks()
        return len(marks) - len(set(marks))


class Mailsled(Peer):
    program = str(BUILD / "mailsled")

    def configure(self):
        a = self.account
        word = self.secret("password", a.password + "\n")
        config = self.secret("config.ini", f"""[store]
path = {self.folder}/store
copies = {self.folder}/copy
min-copies = 2

[account bench]
server = {a.host}
port = {a.port}
user = {a.user}
password-file = {word}
ca-file = {a.ca}
delete = {'never' if self.keep else 'verified'}
timeout = {TIMEOUT}s
""")
        self.base = [self.program, "-c", str(config)]
        return [*self.base, "--json", "fetch"]

    def marks(self):
        done = subprocess.run([*self.base, "--json", "list"], text=True,
                              env=self.env, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)
        rows = map(json.loads, done.stdout.splitlines())
        return [row["sha256"] for row in rows if "id" in row]

    def delivered(self):
        return len(self.marks())


class Mpop(Peer):
    program = "mpop"

    def configure(self):
        a = self.account
        config = self.secret("mpoprc", f"""account default
host {a.host}
port {a.port}
tls on
tls_starttls off
tls_trust_file {a.ca}
auth user
user {a.user}
password {a.password}
pipelining on
timeout {TIMEOUT}
keep {'on' if self.keep else 'off'}
uidls_file {self.folder}/uidls
delivery maildir {self.maildir}
""")
        return ["mpop", "-q", "-C", str(config)]


DELIVER = """#!/bin/sh
# fetchmail hands on one message at a time; a name that is taken is a fault.
set -C
cat >"$1/tmp/$$.$PPID" && mv -n "$1/tmp/$$.$PPID" "$1/new/"
"""


class Fetchmail(Peer):
    program = "fetchmail"
    fine = (0, 1)  # 1: there was no mail

    def configure(self):
        a = self.account
        agent = self.secret("deliver", DELIVER)
        agent.chmod(0o700)
        config = self.secret("fetchmailrc", f"""set no syslog
set idfile {self.folder}/ids
poll {a.host} protocol pop3 port {a.port} uidl timeout {TIMEOUT}
    user "{a.user}" password "{a.password}"
    ssl sslcertck sslcertfile "{a.ca}" {'keep' if self.keep else 'no keep'}
    mda "{agent} {self.maildir}"
""")
        self.env["FETCHMAILHOME"] = str(self.folder)
        return ["fetchmail", "-s", "-f", str(config), "--pidfile",
                str(self.folder / "pid")]


class Getmail(Peer):
    program = "getmail"

    def configure(self):
        a = self.account
        config = self.secret("getmailrc", f"""[retriever]
type = SimplePOP3SSLRetriever
server = {a.host}
port = {a.port}
username = {a.user}
password = {a.password}
ca_certs = {a.ca}
timeout = {TIMEOUT}
[destination]
type = Maildir
path = {self.maildir}/
[options]
read_all = {'false' if self.keep else 'true'}
delete = {'false' if self.keep else 'true'}
verbose = 0
""")
        argv = ["getmail", "--getmaildir", str(self.folder), "--rcfile",
                str(config)]
        if os.geteuid() != 0:
            return argv
        # As root it delivers nothing but by another process a message.
        for path in [self.folder, *self.folder.rglob("*")]:
            shutil.chown(path, "mail", "mail")
        return ["setpriv", "--reuid=mail", "--regid=mail", "--clear-groups",
                *argv]


class Floor(Peer):
    """No mail program: see floor.c. KEEP is the number of known messages."""

    program = str(BUILD / "bench" / "floor")
    options = ("-e",)
    warm = False
    said = ""

    def configure(self):
        a = self.account
        keep = ["-k", str(self.keep)] if self.keep else []
        return [self.program, *self.options, *keep, a.host, str(a.port),
                a.user, a.password, str(a.ca)]

    def resume(self):
        self.warm = True
        self.argv[1:1] = ["-s", str(self.folder / "session")]

    def delivered(self):
        return json.loads(self.said)["messages"]


class FloorStrict(Floor):
    options = ()


KINDS = dict(zip(NAMES, (Floor, FloorStrict, Mailsled, Mpop, Fetchmail,
                         Getmail)))


def make(name, folder, account, keep=0):
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    return KINDS[name](folder, account, keep)


def absent(names):
    """Those of NAMES that this machine has not."""
    return [n for n in names if shutil.which(KINDS[n].program) is None]


def versions(names):
    """The first line that each says of itself."""
    told = {}
    for name in names:
        if issubclass(KINDS[name], Floor):
            continue
        done = subprocess.run([KINDS[name].program, "--version"], text=True,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)
        words = done.stdout.replace(",", " ").split()
        number = next((w for w in words if w[:1].isdigit()), "?")
        told[name] = number.split("+")[0].rstrip(".")
    return told
