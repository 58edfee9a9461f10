"""pop3d as servers are that a client talks to before their greeting, and that
know TLS sessions or forget them. What a visit may send early hangs on this."""
import base64
import socket
import ssl

from harness import Pop3d

AUTH = b"AUTH PLAIN " + base64.b64encode(b"\0demo\0demo")
FLIGHT = [AUTH, b"STAT", b"UIDL", b"LIST"]


class Eager:
    """A client whose first lines leave in one segment with its Finished."""

    def __init__(self, server, *lines, after=None, slim=False):
        """AFTER: the client whose TLS session this one goes on with."""
        self.context = after.context if after else server.context()
        if slim:
            self.context.options &= ~ssl.OP_ENABLE_MIDDLEBOX_COMPAT
        self.came, self.due = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = self.context.wrap_bio(
            self.came, self.due, server_hostname="localhost",
            session=after.tls.session if after else None)
        self.sock = socket.create_connection(("127.0.0.1", server.port), 20)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.text = b""
        self.do(self.tls.do_handshake)
        self.write(*lines)

    def do(self, call, *args):
        while True:
            try:
                return call(*args)
            except ssl.SSLWantReadError:
                self.flush()
                data = self.sock.recv(65536)
                self.came.write(data) if data else self.came.write_eof()

    def flush(self):
        if data := self.due.read():
            self.sock.sendall(data)

    def write(self, *lines):
        if lines:
            self.tls.write(b"".join(line + b"\r\n" for line in lines))
        self.flush()

    def lines(self, count):
        """The next COUNT lines; fewer at the end of the connection."""
        while self.text.count(b"\r\n") < count:
            try:
                data = self.do(self.tls.read, 65536)
            except ssl.SSLEOFError:
                data = b""
            if not data:
                break
            self.text += data
        got = self.text.split(b"\r\n")
        self.text = b"\r\n".join(got[count:])
        return [line.decode() for line in got[:count]]


def refused_tls(server, **more):
    try:
        Eager(server, **more)
    except ssl.SSLError as why:
        return why.reason
    raise AssertionError("the handshake was not refused")


def serve(tmp, *args, name="pop3d"):
    return Pop3d(tmp, "--generate", "2,400", *args, name=name)


def test_what_came_with_the_finished_is_told(tmp):
    with serve(tmp) as server:
        answers = Eager(server, *FLIGHT, b"QUIT").lines(12)
        assert [line[:3] for line in answers] == [
            "+OK", "+OK", "+OK", "+OK", "1 s", "2 s", ".", "+OK", "1 4",
            "2 4", ".", "+OK"], answers
        assert "pop3d ready" in answers[0] and answers[2] == "+OK 2 800"
        strict = Eager(server)
        strict.lines(1)
        strict.write(*FLIGHT, b"QUIT")
        strict.lines(11)
        server.wait_closed()
        verbs = ["AUTH", "STAT", "UIDL", "LIST", "QUIT"]
        assert server.early() == {1: verbs}, server.lines()
        assert server.with_finished(1) == verbs, server.lines()
        assert server.with_finished(2) == []
        log = "\n".join(server.lines())
        assert AUTH.split()[2].decode() not in log


def test_two_segments_are_told_from_one(tmp):
    with serve(tmp, "--early-first") as server:
        client = Eager(server)
        client.write(AUTH)
        assert client.lines(2)[1] == "+OK pop3d ready"
        assert server.early() == {1: ["AUTH"]}
        assert server.with_finished(1) == []


def test_early_commands_are_dropped(tmp):
    with serve(tmp, "--drop-early") as server:
        client = Eager(server, *FLIGHT)
        assert client.lines(1) == ["+OK pop3d ready"]
        client.write(b"STAT")
        assert client.lines(1) == ["-ERR not in this state"]
        client.write(AUTH, b"STAT")
        assert client.lines(2)[1] == "+OK 2 800"
        assert server.commands("UIDL") == [] and server.early() == {}
        sent = sum(len(line) + 2 for line in FLIGHT)
        assert server.early_bytes() == {1: sent}
        assert server.events("dropped") == [1]


def test_early_commands_are_answered_before_the_greeting(tmp):
    with serve(tmp, "--early-first") as server:
        client = Eager(server, AUTH, b"STAT")
        assert client.lines(3) == ["+OK 2 messages", "+OK 2 800",
                                   "+OK pop3d ready"]
        client.write(b"QUIT")
        assert client.lines(1) == ["+OK bye"]
        strict = Eager(server)
        assert strict.lines(1) == ["+OK pop3d ready"]
        strict.write(AUTH)
        assert strict.lines(1) == ["+OK 2 messages"]


def test_early_commands_end_the_connection(tmp):
    for option, reset in (("--close-early", False), ("--reset-early", True)):
        with serve(tmp, option, name=option[2:]) as server:
            client = Eager(server, *FLIGHT)
            try:
                said = client.lines(1)
                assert not reset and said == [""], said
            except ConnectionResetError:
                assert reset, option
            assert Eager(server).lines(1) == ["+OK pop3d ready"]
            assert server.events("cut") == [1]
            assert server.commands() == []


def test_abilities_vanish(tmp):
    wants = {
        "--pipelining-until": ["+OK pop3d ready", "+OK 2 messages"],
        "--sasl-until": ["+OK pop3d ready", "-ERR no such mechanism",
                         "-ERR not in this state"],
        "--initial-until": ["+OK pop3d ready", "+ ",
                            "-ERR [AUTH] no SASL PLAIN"],
    }
    for option, want in wants.items():
        with serve(tmp, option, "1", name=option[2:]) as server:
            capas = []
            for _ in range(2):
                client = Eager(server, b"CAPA")
                lines = client.lines(2)
                while lines[-1] != ".":
                    lines += client.lines(1)
                capas.append("\n".join(lines))
                if len(capas) == 1:
                    client.write(AUTH, b"STAT", b"QUIT")
                    assert client.lines(3)[1] == "+OK 2 800", option
            assert ("PIPELINING" in capas[1]) == ("pipe" not in option)
            assert ("SASL PLAIN" in capas[1]) == ("sasl" not in option)
            assert "PIPELINING" in capas[0] and "SASL PLAIN" in capas[0]
            client = Eager(server, *FLIGHT)
            assert client.lines(len(want)) == want, option
            if option == "--pipelining-until":
                client.write(b"STAT")
                assert client.lines(1) == ["+OK 2 800"]
                assert server.count("UIDL") == 0


def test_tickets_are_kept_forgotten_or_not_given(tmp):
    for option, given, kept in ((None, True, True),
                                ("--forget-tickets", True, False),
                                ("--no-tickets", False, False)):
        args = [option] if option else []
        for version in ("1.2", "1.3"):
            name = f"{option}{version}"
            with serve(tmp, *args, "--tls-version", version,
                       name=name) as server:
                first = Eager(server)
                first.lines(1)
                if version == "1.3":
                    assert first.tls.session.has_ticket == given, name
                second = Eager(server, after=first)
                second.lines(1)
                assert second.tls.session_reused == kept, name
                offered = [hello.offered for hello in server.hellos()]
                assert offered == [False, given], server.lines()
                assert server.resumed() == ([2] if kept else []), name
                assert all(200 < hello.bytes < 2000
                           for hello in server.hellos())


def test_a_hello_without_session_id_is_refused(tmp):
    with serve(tmp, "--slim-refused") as server:
        why = refused_tls(server, slim=True)
        assert "HANDSHAKE_FAILURE" in why, why
        server.wait_line("CONN 1 tls-failed")
        assert Eager(server).lines(1) == ["+OK pop3d ready"]
        assert [hello.session_id for hello in server.hellos()] == [0, 32]
    with serve(tmp, name="any") as server:
        assert Eager(server, slim=True).lines(1) == ["+OK pop3d ready"]
