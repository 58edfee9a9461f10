"""A POP3 server that lies as it is told: what build/pop3d has no fault for.

    with Liar(tmp, mail, UIDL=lambda s, arg: b"+OK\\r\\n1 \\0\\r\\n.\\r\\n") as liar:
        sled = Sled(tmp, {"home": liar})

A lie stands for a verb, or for "greeting": a function of the session and the
argument that gives the octets of the reply, an iterator of them, or None for
the honest one. One for "connect" stands for TLS itself, and has the socket
instead of an argument. liar.lies may be changed between two visits. What was
sent is counted (liar.sent, octets of each connection that has ended), so that a
test can tell where an endless reply was cut off."""
import collections
import select
import socket
import ssl
import threading
from pathlib import Path

from harness import DEADLINE, Account, make_ca, wait_for, wire

CAPA = ["USER", "SASL PLAIN", "TOP", "UIDL", "PIPELINING", "RESP-CODES"]


def stuffed(message):
    return b"".join(b"." + line if line.startswith(b".") else line
                    for line in message.splitlines(True)) + b".\r\n"


def lines(*rows):
    return b"+OK\r\n" + b"".join(r + b"\r\n" for r in rows) + b".\r\n"


class Session:
    """One connection; numbers count from 1."""

    def __init__(self, liar, number):
        self.liar, self.number = liar, number
        self.mail = list(liar.mail.items())
        self.deleted, self.sent, self.done = set(), 0, False
        self.early = False  # something came along with the TLS Finished
        self.behind = False  # the command came along with one before it

    def listed(self, what):
        return lines(*(b"%d %s" % (n, what(n)) for n in self.live()))

    def live(self):
        return [n for n in range(1, len(self.mail) + 1)
                if n not in self.deleted]

    def size(self, n):
        return b"%d" % len(self.mail[n - 1][1])

    def uid(self, n):
        return self.mail[n - 1][0].encode()

    def one(self, arg, what):
        n = int(arg.split()[0])
        return b"+OK %d %s\r\n" % (n, what(n))

    def honest(self, verb, arg):
        return getattr(self, "do_" + verb, self.do_other)(arg)

    def do_greeting(self, _):
        return b"+OK ready\r\n"

    def do_CAPA(self, _):
        return lines(*(c.encode() for c in self.liar.capa))

    def do_AUTH(self, _):
        return b"+OK\r\n"

    do_USER = do_PASS = do_NOOP = do_AUTH

    def do_STAT(self, _):
        live = self.live()
        return b"+OK %d %d\r\n" % (len(live), sum(int(self.size(n))
                                                  for n in live))

    def do_UIDL(self, arg):
        return self.one(arg, self.uid) if arg else self.listed(self.uid)

    def do_LIST(self, arg):
        return self.one(arg, self.size) if arg else self.listed(self.size)

    def do_RETR(self, arg):
        return b"+OK\r\n" + stuffed(self.mail[int(arg) - 1][1])

    def do_TOP(self, arg):
        head = self.mail[int(arg.split()[0]) - 1][1].partition(b"\r\n\r\n")[0]
        return b"+OK\r\n" + stuffed(head + b"\r\n\r\n")

    def do_DELE(self, arg):
        self.deleted.add(int(arg))
        return b"+OK\r\n"

    def do_QUIT(self, _):
        self.commit()
        self.done = True
        return b"+OK\r\n"

    def do_other(self, _):
        return b"-ERR unknown\r\n"

    def commit(self):
        for n in self.deleted:
            self.liar.mail.pop(self.mail[n - 1][0], None)


MADE = []


def certificates(folder):
    """Made once a test: the folder of its first liar lives as long."""
    if not MADE:
        make_ca(folder)
        MADE.append(folder)
    return MADE[0]


class Liar:
    host, user, password = "localhost", "demo", "demo"

    def __init__(self, tmp, mail, capa=CAPA, **lies):
        folder = certificates(Path(tmp) / "liar")
        self.ca = folder / "ca.pem"
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.tls.load_cert_chain(folder / "leaf.pem", folder / "leaf.key")
        if not isinstance(mail, dict):
            mail = {f"id{i}": m for i, m in enumerate(mail, 1)}
        self.mail = {name: wire(m) for name, m in mail.items()}
        self.capa, self.lies = list(capa), lies
        self.commands, self.sent, self.opened = [], [], 0
        self.wanted = []  # ids of what was asked for by RETR, in order
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def account(self):
        return Account(self.host, self.port, self.user, self.password,
                       self.ca, "implicit")

    def count(self, verb, arg=None):
        return sum(v == verb and arg in (None, a)
                   for _, v, a in self.commands)

    def rest(self, since=0):
        """Until each connection has ended; the most that one was sent, of those
        behind the first SINCE."""
        wait_for(lambda: len(self.sent) == self.opened, "connections to end")
        return max(self.sent[since:], default=0)

    def accept(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            self.opened += 1
            threading.Thread(target=self.serve, daemon=True,
                             args=(plain, Session(self, self.opened))).start()

    def serve(self, plain, session):
        plain.settimeout(DEADLINE)
        try:
            if "connect" in self.lies:
                with plain:
                    self.send(plain, session, self.lies["connect"](session,
                                                                   plain))
                return
            with self.tls.wrap_socket(plain, server_side=True) as conn:
                self.talk(conn, session)
        except (OSError, ValueError):
            pass  # the client has had enough
        finally:
            self.sent.append(session.sent)

    def talk(self, conn, session):
        session.early = bool(select.select([conn], [], [], 0)[0])
        self.say(conn, session, "greeting", "")
        waiting = b""
        while not session.done:
            data = conn.recv(65536)
            if not data:
                return
            *ready, waiting = (waiting + data).split(b"\r\n")
            for at, line in enumerate(ready):
                session.behind = at > 0
                verb, _, arg = line.decode().partition(" ")
                self.commands.append((session.number, verb, arg))
                if verb == "RETR":
                    self.wanted.append(session.mail[int(arg) - 1][0])
                self.say(conn, session, verb, arg)
                if session.done:
                    return

    def say(self, conn, session, verb, arg):
        lie = self.lies.get(verb)
        reply = lie(session, arg) if lie else None
        if reply is None:
            reply = session.honest(verb, arg)
        self.send(conn, session, reply)

    @staticmethod
    def send(conn, session, reply):
        for part in [reply] if isinstance(reply, bytes) else reply:
            session.sent += len(part)
            conn.sendall(part)


def asked(liar):
    """How often each message was asked for, by its number."""
    return collections.Counter(arg for _, verb, arg in liar.commands
                               if verb == "RETR")
