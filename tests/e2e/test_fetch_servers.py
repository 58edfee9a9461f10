"""The same three visits to each server that is to be had: with mail, to an
empty maildrop, with mail again. What each server can do shows in how a visit
goes, never in what comes of it."""
import collections
import socket
import ssl

from harness import (Courier, Cyrus, Dovecot, Mailutils, Pop3d, Popa3d, Sdbox, Skip, Sled,
                     account_of, fill_folder, message, odd_messages,
                     same_mail, untar, wire)
from liar import Liar
from test_fetch_mail import report

FIRST = [message(i, f"line of text {i}\n" * i) for i in range(1, 26)]
AGAIN = [message(i, f"one more line {i}\n" * 3) for i in range(40, 52)]
# Those that an mbox keeps as they are.
FIRST += [m if m.endswith(b"\n") else m + b"\n"
          for name, m in odd_messages().items()
          if name in ("dots", "high-bytes", "long-line", "twin-a", "twin-b")]


def tell_way(name, visit, row):
    """How it was done, where the program tells."""
    ways = [f"{key}={row[key]}" for key in ("eager", "resumed", "offered")
            if key in row]
    if ways:
        print(f"# {name}, visit {visit}: {' '.join(ways)}", flush=True)


def three_visits(tmp, name, server, fill, left, plain=lambda data: data):
    sled = Sled(tmp, {"home": server})
    wanted = []
    for visit, mail in enumerate((FIRST, [], AGAIN), 1):
        if mail:
            fill(mail)
        row = report(sled.fetch())
        tell_way(name, visit, row)
        assert row["listed"] == row["fetched"] == row["deleted"] == len(mail)
        assert left() == 0, (visit, left())
        wanted += [wire(m) for m in mail]
        for number, place in enumerate(sled.places):
            home = untar(place, tmp / f"out{visit}-{number}") if wanted else {}
            same_mail([plain(data) for data in home.values()], wanted)
    assert sled.run("verify", "--deep").status == 0
    return sled


def with_dovecot(tmp, service_count):
    with Dovecot(service_count=service_count) as server:
        three_visits(tmp, f"Dovecot, service_count {service_count}", server,
                     lambda mail: server.fill("u1", mail),
                     lambda: server.left("u1"))


def test_dovecot_with_a_process_for_each_login(tmp):
    with_dovecot(tmp, 1)


def test_dovecot_with_processes_that_stay(tmp):
    with_dovecot(tmp, 0)


def test_dovecot_over_mbox(tmp):
    """What an mbox cannot keep as it is, is left out of FIRST."""
    with Dovecot(mbox=True) as server:
        three_visits(tmp, "Dovecot, mbox", server,
                     lambda mail: server.fill("u1", mail),
                     lambda: server.left("u1"))


def test_dovecot_over_sdbox(tmp):
    with Sdbox() as server:
        three_visits(tmp, "Dovecot, sdbox", server,
                     lambda mail: server.fill("u1", mail),
                     lambda: server.left("u1"))


def test_sizes_that_count_bare_lf(tmp):
    """The first one, of two lines, would fit either way of counting."""
    def size(s):
        return lambda n: b"%d" % len(s.mail[n - 1][1].replace(b"\r\n", b"\n"))

    first = [b"Subject: one\n\n", *(message(i, f"{i}\n" * i)
                                   for i in range(1, 6))]
    with Liar(tmp, first, LIST=lambda s, arg: s.one(arg, size(s)) if arg
              else s.listed(size(s))) as server:
        sled = Sled(tmp, {"home": server})
        assert report(sled.fetch())["deleted"] == len(first)
        server.mail["more"] = wire(message(6))
        assert report(sled.fetch())["deleted"] == 1
        assert len(server.wanted) == len(first) + 1


def capabilities(server):
    """Before and behind the login, by a client of its own; empty without."""
    account = account_of(server)
    context = ssl.create_default_context(cafile=account.ca)
    with socket.create_connection(("127.0.0.1", account.port), 10) as plain, \
            context.wrap_socket(plain, server_hostname="localhost") as conn:
        told = [conn.version()]
        lines = conn.makefile("rwb", 0)

        def say(command):
            lines.write(command.encode() + b"\r\n")
            return lines.readline()

        def capa():
            if not say("CAPA").startswith(b"+OK"):
                return []
            return sorted(line.strip().decode() for line in
                          iter(lines.readline, b".\r\n"))
        lines.readline()
        told.append(capa())
        say(f"USER {account.user}")
        assert say(f"PASS {account.password}").startswith(b"+OK")
        told.append(capa())
        say("QUIT")
        return told


def test_what_each_offers(tmp):
    """A table to look at: the README has it."""
    for make in (Dovecot, Mailutils, Popa3d, Courier, Cyrus):
        try:
            with make() as server:
                print(f"# {make.__name__}: {capabilities(server)}",
                      flush=True)
        except Skip as why:
            print(f"# {make.__name__}: {why}", flush=True)


def test_mailutils(tmp):
    with Mailutils() as server:
        three_visits(tmp, "mailutils", server, server.fill, server.left,
                     server.plain)


def test_popa3d(tmp):
    with Popa3d() as server:
        three_visits(tmp, "popa3d", server, server.fill, server.left)


def test_courier(tmp):
    with Courier() as server:
        three_visits(tmp, "courier", server, server.fill, server.left)


def test_cyrus(tmp):
    with Cyrus() as server:
        three_visits(tmp, "cyrus", server, server.fill, server.left,
                     server.plain)


# They let nobody in more often than each ten seconds, and begin slowly.
test_courier.timeout = test_cyrus.timeout = 300


def with_pop3d(tmp, *args):
    made = collections.Counter()

    def fill(mail):
        made["visits"] += 1
        fill_folder(tmp / "mail", {f"v{made['visits']}-{i:03d}": m
                                   for i, m in enumerate(mail)})

    fill([])
    with Pop3d(tmp, *args, folder=tmp / "mail") as server:
        def left():
            server.wait_closed()
            return len(server.left())
        three_visits(tmp, " ".join(("pop3d", *args)), server, fill, left)
        assert server.deles() == len(FIRST + AGAIN), server.lines()


def test_pop3d(tmp):
    with_pop3d(tmp)


def test_pop3d_that_can_do_little(tmp):
    with_pop3d(tmp, "--no-capa", "--no-sasl", "--no-top", "--no-tickets")
