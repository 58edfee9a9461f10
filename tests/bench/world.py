"""What the bench runs in: namespaces of its own, the link, the server.

    sys.exit(apart(folder, run))       # run() in namespaces of its own
    with Server(folder, users) as server, Link("geo", folder) as link:
        account = server.account_at("u1", link.host)
        run = link.run(argv, env, 600)

Nothing outside of FOLDER and these namespaces changes. Whoever is in them
ends with them, and they end with the bench."""
import collections
import ctypes
import grp
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

from harness import BUILD, Account, Dovecot, Process

HOST = "mail.bench.test"
Profile = collections.namedtuple("Profile",
                                 "down up delay_ms loss queue")  # bit/s, bytes
PROFILES = {
    "lan": Profile(1e9, 1e9, 0, 0, 4 << 20),
    "geo": Profile(512e3, 128e3, 300, 0, 128 << 10),
    "bgan": Profile(384e3, 240e3, 450, 0.1, 128 << 10),
    "certus": Profile(88e3, 22e3, 350, 0.5, 64 << 10),
    "dialup": Profile(46e3, 31e3, 100, 0, 32 << 10),
    "iridium": Profile(2400, 2400, 900, 0, 16 << 10),
    "edge": Profile(120e3, 60e3, 200, 1, 64 << 10),
}


class Fault(Exception):
    """The bench itself cannot go on; said in one line, with an exit status."""

    def __init__(self, why, status=70):
        super().__init__(why)
        self.status = status


# ---- namespaces ------------------------------------------------------------

CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x20000000, 0x40000000
MS_REC, MS_PRIVATE, MS_BIND = 0x4000, 0x40000, 0x1000
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def call(name, *args):
    if getattr(LIBC, name)(*args) != 0:
        code = ctypes.get_errno()
        status = 77 if code in (1, 13) else 69
        raise Fault(f"{name}: {os.strerror(code)}: a private network of "
                    "one's own is not allowed here", status)


def mount(source, target, kind, flags=0):
    call("mount", source.encode(), str(target).encode(),
         kind.encode() if kind else None, flags, None)


def settle_in(folder):
    """Private /proc, /run and /etc/hosts; the loopback device up."""
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    mount("proc", "/proc", "proc")
    mount("tmpfs", "/run", "tmpfs")
    hosts = folder / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    mount(str(hosts), "/etc/hosts", None, MS_BIND)
    ip("link set lo up")


def ip(words):
    done = subprocess.run(["ip", *words.split()], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise Fault(f"ip {words}: {done.stdout.strip()}", 69)


class Ended(BaseException):
    """A signal asked for the end."""


def end(number, _):
    raise Ended(number)


def apart(folder, run):
    """The exit status of RUN(), called in new namespaces by a child that is
    their first process: when it ends, the kernel ends all others."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), end)
    child = None
    try:
        call("unshare", CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET)
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            os._exit(inside(folder, run))
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except Ended as why:
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        print("bench: stopped", file=sys.stderr)
        return 128 + why.args[0]


def inside(folder, run):
    """A session of its own: ^C reaches the parent alone, which then ends this
    process and so all."""
    os.setsid()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        settle_in(folder)
        status = run()
    except Fault as why:
        print(f"bench: {why}", file=sys.stderr)
        status = why.status
    except BaseException as why:  # nothing else may leave this process
        traceback.print_exc()
        print(f"bench: {why}", file=sys.stderr)
        status = 70
    sys.stdout.flush()
    sys.stderr.flush()
    return status


# ---- one run of a program --------------------------------------------------

# A child's peak is at least what its parent held when it was made: so a small
# Python of its own starts the program, and takes the time as well.
MEASURE = """
import json, os, signal, sys, time
limit, out, argv = float(sys.argv[1]), sys.argv[2], sys.argv[3:]
flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
began = time.monotonic()
pid = os.posix_spawnp(argv[0], argv, os.environ, setpgroup=0, file_actions=[
    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
    (os.POSIX_SPAWN_OPEN, 1, out, flags, 0o600),
    (os.POSIX_SPAWN_OPEN, 2, out + ".err", flags, 0o600)])
signal.signal(signal.SIGALRM, lambda *_: os.killpg(pid, signal.SIGKILL))
signal.setitimer(signal.ITIMER_REAL, limit)
_, status, used = os.wait4(pid, 0)
print(json.dumps([time.monotonic() - began, os.waitstatus_to_exitcode(status),
                  used.ru_maxrss]))
"""
Run = collections.namedtuple("Run", "seconds status peak_kib out err")


def measure(argv, env, limit, folder, inside_of=()):
    """One run of ARGV; INSIDE_OF goes before it, and is not timed."""
    out = Path(folder) / "out"
    done = subprocess.run([*inside_of, sys.executable, "-I", "-S", "-c",
                           MEASURE, str(limit), str(out), *argv], env=env,
                          text=True, stdout=subprocess.PIPE)
    if done.returncode != 0:
        raise Fault(f"{argv[0]}: it could not be started")
    seconds, status, peak = json.loads(done.stdout)
    return Run(seconds, status, peak, out.read_text(errors="replace"),
               Path(f"{out}.err").read_text(errors="replace"))


# ---- the link --------------------------------------------------------------

class Link(Process):
    """The client's namespace at the far end of an emulated link; the server's
    is our own. Each link has addresses of its own, so that nothing that an
    earlier one left behind is counted here."""

    made = 0

    def __init__(self, name, folder, ipv6=False):
        Link.made += 1
        self.profile, self.folder = PROFILES[name], folder
        self.space = f"client{Link.made}"
        net = (f"fd00:be:{Link.made:x}::%d" if ipv6 else
               f"10.{64 + Link.made // 250}.{Link.made % 250}.%d")
        self.client, self.server = net % 1, net % 2
        self.mask = 64 if ipv6 else 30
        self.process = subprocess.Popen(
            [str(BUILD / "bench/link"), "bench-cli", "bench-srv"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.process.stdout.readline() != "ready\n":
            self.process.wait()
            raise Fault("the link did not start: /dev/net/tun is needed", 69)
        self.set(self.profile)
        self.join()

    def join(self):
        ip(f"netns add {self.space}")
        ip(f"link set bench-cli netns {self.space}")
        there = f"-n {self.space} "
        ip(there + "link set lo up")
        for where, device, address in ((there, "bench-cli", self.client),
                                       ("", "bench-srv", self.server)):
            ip(f"{where}link set {device} addrgenmode none")
            ip(f"{where}addr add {address}/{self.mask} dev {device} "
               + ("nodad" if self.mask == 64 else ""))
            ip(f"{where}link set {device} mtu 1500 up")
        (self.folder / "hosts").write_text(
            f"127.0.0.1 localhost\n{self.server} {HOST}\n")

    def ask(self, command):
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
            said = self.process.stdout.readline()
        except OSError:
            said = ""
        if not said or said == "what?\n":
            raise Fault(f"the link ended or did not know: {command}")
        return said

    def set(self, profile, seed=1):
        self.ask("set %g %g %g %g %g %d" % (*profile, seed))

    def cycle(self, up_s, down_s):
        self.ask(f"cycle {up_s} {down_s}")

    def stats(self):
        return json.loads(self.ask("stats"))

    def quiet(self, deadline=60):
        """Counters when nothing moves any more: what a program left behind
        still goes over the link, and is its cost."""
        calm = 0.3 + 3 * self.profile.delay_ms / 1000
        end_at = time.monotonic() + deadline
        was, since = None, 0
        while True:
            got = self.stats()
            moved = (got["down_packets"], got["up_packets"], got["waiting"])
            at = time.monotonic()
            if moved != was or got["waiting"]:
                was, since = moved, at
            if at - since > calm or at > end_at:
                return got
            time.sleep(0.05)

    def inside(self):
        return ["nsenter", f"--net=/run/netns/{self.space}"]

    def run(self, argv, env, limit, folder):
        """(Run, {counter: what it grew by})."""
        before = self.quiet()
        run = measure(argv, env, limit, folder, self.inside())
        after = self.quiet()
        return run, {k: after[k] - before[k] for k in before}

    def stop(self):
        if self.process is None:
            return 0
        self.process.stdin.close()
        status = self.process.wait()
        self.release()
        subprocess.run(["ip", "netns", "del", self.space], check=False,
                       stderr=subprocess.DEVNULL)
        return status


# ---- the server ------------------------------------------------------------

CHAIN = """set -e
openssl req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem \
  -days 30 -subj '/C=XX/O=Bench Certificates/CN=Bench Root' \
  -addext basicConstraints=critical,CA:TRUE
openssl req -newkey rsa:2048 -nodes -keyout middle.key -out middle.csr \
  -subj '/C=XX/O=Bench Certificates/CN=Bench Issuing Authority 3'
printf '%s\\n' basicConstraints=critical,CA:TRUE,pathlen:0 \
  keyUsage=critical,keyCertSign,cRLSign extendedKeyUsage=serverAuth \
  crlDistributionPoints=URI:http://crl.bench.test/root.crl >middle.ext
openssl x509 -req -in middle.csr -CA root.pem -CAkey root.key \
  -CAcreateserial -days 30 -extfile middle.ext -out middle.pem
openssl req -newkey rsa:2048 -nodes -keyout leaf.key -out leaf.csr \
  -subj /CN=mail.bench.test
printf '%s\\n' subjectAltName=DNS:mail.bench.test,DNS:localhost \
  extendedKeyUsage=serverAuth keyUsage=digitalSignature,keyEncipherment \
  authorityInfoAccess=OCSP\\;URI:http://ocsp.bench.test >leaf.ext
openssl x509 -req -in leaf.csr -CA middle.pem -CAkey middle.key \
  -CAcreateserial -days 30 -extfile leaf.ext -out leaf.pem
cat leaf.pem middle.pem >chain.pem
"""


def make_chain(folder):
    """Root, issuer and leaf, RSA-2048 all: what handshakes weigh outside."""
    if (folder / "chain.pem").exists():
        return folder
    folder.mkdir()
    done = subprocess.run(["sh", "-c", CHAIN], cwd=folder, text=True,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done.returncode != 0:
        raise Fault(f"openssl: {done.stderr.strip().splitlines()[-1]}")
    return folder


def congestion(wanted):
    """The server's congestion control: WANTED, else reno; which it is."""
    path = Path("/proc/sys/net/ipv4/tcp_congestion_control")
    for name in (wanted, "reno"):
        try:
            path.write_text(name)
            break
        except OSError:
            continue
    # Each visit meets a server that does not remember the last one's path.
    Path("/proc/sys/net/ipv4/tcp_no_metrics_save").write_text("1")
    return path.read_text().strip()


class Server(Dovecot):
    """The harness's Dovecot, reachable over the link, with a chain of three
    and, if asked for, sessions that can be resumed."""

    def __init__(self, folder, users, resume=False):
        tls = make_chain(folder / "tls")
        self.dir = folder / ("resume" if resume else "dove")
        self.dir.mkdir()
        self.dir.chmod(0o755)
        (self.dir / "tls").symlink_to(tls)
        self.users, self.mbox, self.host = list(users), False, "localhost"
        self.options = {
            "service_count": 0 if resume else 1, "lock": "no",
            "extra": f"listen = *, ::\nssl_cert = <{tls}/chain.pem\n"
                     f"ssl_key = <{tls}/leaf.key\n"}
        self.made, self.pool = 0, {}
        self.ca = tls / "root.pem"
        self.make_users()
        self.start()

    def account_at(self, user, host=HOST):
        return Account(host, self.port, user, f"secret-{user}", self.ca,
                       "implicit")

    def stock(self, letters):
        """Files of LETTERS, written once: each delivery is but a link."""
        if id(letters) not in self.pool:
            folder = self.dir / f"pool{len(self.pool)}"
            folder.mkdir()
            self.own(folder)
            for number, letter in enumerate(letters):
                (folder / str(number)).write_bytes(letter)
                self.own(folder / str(number))
            # The list stays referenced, so that its id stays its own.
            self.pool[id(letters)] = (folder, letters)
        return self.pool[id(letters)][0]

    def deliver(self, user, letters):
        folder, box = self.stock(letters), self.inbox(user) / "new"
        for number in range(len(letters)):
            self.made += 1
            os.link(folder / str(number),
                    box / f"{1790000000 + self.made}.M{self.made}P1.bench")

    def wait_left(self, user, count, deadline=10):
        """How many the maildrop holds; COUNT as soon as that is so."""
        end_at = time.monotonic() + deadline
        while self.left(user) != count and time.monotonic() < end_at:
            time.sleep(0.05)
        return self.left(user)


def needs():
    """What a link needs and this machine lacks: (exit status, [lines])."""
    lacks = []
    status = 0
    if os.geteuid() != 0:
        lacks.append("root, for a network of its own (as with sudo)")
        status = 77
    if not Path("/dev/net/tun").exists():
        lacks.append("/dev/net/tun (modprobe tun)")
        status = status or 69
    for program, package in (("ip", "iproute2"), ("nsenter", "util-linux")):
        if not shutil.which(program):
            lacks.append(f"{program} (apt-get install {package})")
            status = status or 69
    return status, lacks


def server_needs():
    lacks = [f"{program} (apt-get install {package})"
             for program, package in (("dovecot", "dovecot-pop3d"),
                                      ("openssl", "openssl"))
             if not shutil.which(program)]
    try:
        pwd.getpwnam("mail"), grp.getgrnam("mail")
    except KeyError:
        lacks.append("the user and the group mail")
    return (69 if lacks else 0), lacks
