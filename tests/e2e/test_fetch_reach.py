"""The way to the server: what a visit remembers of it is tried first, costs no
look-up, and never keeps the mail from coming home in the same run.

Each test has a network and a name server of its own (it needs root): the
addresses of "localhost" are what Net.names says, and each question to the name
server is in Net.asked. A server moves by listening elsewhere."""
import contextlib
import ctypes
import os
import socket
import sqlite3
import struct
import subprocess
import threading
import time

from harness import (Dovecot, Pop3d, Skip, Sled, fill_folder, message,
                     wait_for)
from test_fetch_mail import report

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
OLD, NEW, THIRD = "127.0.0.2", "127.0.0.3", "127.0.0.4"
FAMILIES = {socket.AF_INET: 1, socket.AF_INET6: 28}
A_WHILE = 8  # seconds; what must not be waited for takes longer


def call(done):
    if done != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


class Net:
    """Of this process from now on: loopback alone, and a name server."""

    def __init__(self, tmp, **names):
        if os.geteuid() != 0:
            raise Skip("a network of its own needs root")
        self.names = names or {"localhost": [OLD]}
        self.asked, self.silent, self.watch = [], False, lambda: None
        self.enter()
        self.place(tmp / "hosts", "127.0.0.1 nobody\n", "/etc/hosts")
        self.place(tmp / "resolv", "nameserver 127.0.0.53\n",
                   "/etc/resolv.conf")
        self.place(tmp / "nsswitch", "hosts: files dns\n",
                   "/etc/nsswitch.conf")
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.53", 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def enter(self):
        self.libc = ctypes.CDLL(None, use_errno=True)
        try:
            call(self.libc.unshare(CLONE_NEWNS | CLONE_NEWNET))
            call(self.libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE,
                                 None))
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        except (OSError, subprocess.CalledProcessError) as why:
            raise Skip(f"no namespaces here: {why}") from None

    def place(self, path, text, over):
        path.write_text(text)
        call(self.libc.mount(bytes(path), over.encode(), None, MS_BIND, None))

    def serve(self):
        while True:
            query, peer = self.socket.recvfrom(512)
            name, kind, end = self.question(query)
            self.asked.append((name, kind, self.watch()))
            if not self.silent:
                self.socket.sendto(self.answer(query, name, kind, end), peer)

    @staticmethod
    def question(query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        return (".".join(labels), struct.unpack_from("!H", query, at + 1)[0],
                at + 5)

    def answer(self, query, name, kind, end):
        found = [socket.inet_pton(family, text)
                 for text in self.names.get(name, ())
                 for family in [family_of(text)] if FAMILIES[family] == kind]
        flags = 0x8180 if name in self.names else 0x8183
        head = query[:2] + struct.pack("!5H", flags, 1, len(found), 0, 0)
        return head + query[12:end] + b"".join(
            struct.pack("!3HIH", 0xc00c, kind, 1, 0, len(raw)) + raw
            for raw in found)

    @staticmethod
    def needs_six():
        path = "/proc/sys/net/ipv6/conf/all/disable_ipv6"
        try:
            with open(path, "w", encoding="ascii") as switch:
                switch.write("0")
            subprocess.run(["ip", "addr", "replace", "fd00::1/128", "dev",
                            "lo", "nodad"], check=True)
        except (OSError, subprocess.CalledProcessError) as why:
            raise Skip(f"no IPv6 here: {why}") from None

    @staticmethod
    def octets():
        """Of IP packets, since the network is there."""
        with open("/proc/net/dev", encoding="ascii") as lines:
            (lo,) = [line for line in lines if line.strip().startswith("lo:")]
        octets, packets = map(int, lo.split()[1:3])
        return octets - 14 * packets


def family_of(text):
    return socket.AF_INET6 if ":" in text else socket.AF_INET


class Silence:
    """At ADDRESS nothing answers, as if packets were lost: nobody takes what
    waits to be accepted, so that the kernel drops each further SYN."""

    def __init__(self, address, port):
        family = family_of(address)
        self.listener = socket.socket(family)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(0)
        self.waiting = []
        while True:
            conn = socket.socket(family)
            self.waiting.append(conn)
            conn.settimeout(0.3)
            try:
                conn.connect((address, port))
            except TimeoutError:
                return


class Deaf:
    """At ADDRESS a machine takes connections and never says a word."""

    def __init__(self, address, port):
        self.listener = socket.create_server((address, port))


class Course:
    """Visit after visit to one server that may move."""

    def __init__(self, tmp, net, *args, at=OLD, timeout="20s"):
        self.net = net
        self.folder = fill_folder(tmp / "mail", {})
        self.args = args
        self.server = Pop3d(tmp, *args, "--listen", at, folder=self.folder)
        self.sled = Sled(tmp, {"home": self.server},
                         account={"timeout": timeout})
        self.count = 0

    def __enter__(self):
        return self

    def __exit__(self, *why):
        return self.server.__exit__(*why)

    def move(self, to):
        self.server.stop()
        self.server.args = [*self.args, "--listen", to]
        self.server.start(self.server.port)

    def fetch(self, status=0):
        """One visit; its report."""
        del self.net.asked[:]
        row = report(self.sled.fetch(), status)
        return row

    def visit(self):
        """New mail comes home."""
        self.count += 1
        fill_folder(self.folder, {f"m{self.count:04}": message(self.count)})
        row = self.fetch()
        assert row["fetched"] == row["deleted"] == 1, row
        return row

    def names_asked(self):
        return {name for name, _, _ in self.net.asked}

    @contextlib.contextmanager
    def ledger(self):
        path = self.sled.path / ".mailsled/ledger.db"
        with contextlib.closing(sqlite3.connect(path)) as db:
            yield db
            db.commit()

    def peer(self, column):
        with self.ledger() as db:
            ((value,),) = db.execute(f"SELECT {column} FROM peer")
        return value

    def addresses(self):
        return self.peer("addresses").split()

    def age(self, column, seconds):
        with self.ledger() as db:
            db.execute(f"UPDATE peer SET {column} = {column} - ?", (seconds,))


def stranger(tmp, address, port, *args):
    """Another's POP3 server, whose certificate is not believed here."""
    return Pop3d(tmp, "--listen", address, "--port", port, *args,
                 name=f"stranger-{address}", folder=fill_folder(
                     tmp / "theirs", {}))


def test_a_known_name_is_not_looked_up(tmp):
    net = Net(tmp)
    with Course(tmp, net) as course:
        course.visit()
        assert course.names_asked() == {"localhost"}
        assert course.addresses() == [OLD]
        for _ in range(2):
            course.visit()
            assert net.asked == []


def test_a_known_name_needs_no_name_server(tmp):
    net = Net(tmp)
    with Course(tmp, net) as course:
        course.visit()
        net.names.clear()
        course.visit()
        net.silent = True
        course.visit()
        assert net.asked == []


def test_old_addresses_are_refreshed_beside_the_visit(tmp):
    """Not before the server is known to be there: what is asked for sooner
    is on the line with the hello."""
    net = Net(tmp)
    with Course(tmp, net) as course:
        course.visit()
        course.age("looked_up", 4000)
        before = course.peer("looked_up")
        net.watch = lambda: len(course.server.events("open"))
        net.names["localhost"] = [OLD, NEW]
        course.visit()
        assert net.asked and all(seen == 2 for _, _, seen in net.asked)
        assert sorted(course.addresses()) == [OLD, NEW]
        assert course.peer("looked_up") > before
        course.visit()
        assert net.asked == []


def test_a_dead_name_server_holds_up_no_visit(tmp):
    net = Net(tmp)
    with Course(tmp, net) as course:
        course.visit()
        course.age("looked_up", 4000)
        net.silent = True
        began = time.monotonic()
        course.visit()
        assert time.monotonic() - began < A_WHILE, "it waited"
        assert net.asked and course.addresses() == [OLD]


def test_a_server_that_moved_is_found_in_the_same_run(tmp):
    net = Net(tmp)
    with Course(tmp, net) as course:
        course.visit()
        for at in (NEW, THIRD):
            net.names["localhost"] = [at]
            course.move(at)
            course.visit()
            assert course.names_asked() == {"localhost"}
            assert course.addresses() == [at]
        course.visit()
        assert net.asked == []


def test_an_old_address_that_is_silent_is_left_soon(tmp):
    net = Net(tmp)
    with Course(tmp, net) as course:
        course.visit()
        net.names["localhost"] = [NEW]
        course.move(NEW)
        silence = Silence(OLD, course.server.port)
        began = time.monotonic()
        course.visit()
        assert time.monotonic() - began < A_WHILE, "it waited"
        assert course.addresses() == [NEW]
        course.visit()
        assert net.asked == []
        silence.listener.close()


def moved_and_another_is_there(tmp, *args, theirs=()):
    net = Net(tmp)
    with Course(tmp, net, *args) as course:
        course.visit()
        course.visit()
        net.names["localhost"] = [NEW]
        course.move(NEW)
        with stranger(tmp, OLD, course.server.port, *args, *theirs) as other:
            course.visit()
            assert course.names_asked() == {"localhost"}
            assert course.addresses() == [NEW]
            tried = other.events("open")
            assert 1 <= len(tried) <= 2, other.lines()
            said = {verb for _, verb, _ in other.commands()}
            assert said <= {"CAPA", "STLS"}, "a secret to a stranger"
            course.visit()
            assert other.events("open") == tried and net.asked == []


def test_another_server_at_the_old_address_is_no_lasting_failure(tmp):
    moved_and_another_is_there(tmp)


def test_another_server_by_starttls_is_no_lasting_failure(tmp):
    moved_and_another_is_there(tmp, "--starttls")


def test_a_stranger_that_hangs_up_is_no_lasting_failure(tmp):
    moved_and_another_is_there(tmp, theirs=("--fault", "CONN:close"))


def test_a_stranger_that_refuses_in_the_clear_is_no_lasting_failure(tmp):
    moved_and_another_is_there(tmp, "--starttls", theirs=(
        "--fault", "GREETING:err=who are you"))


def test_a_bad_certificate_at_the_right_address_is_76(tmp):
    """Looked up again, and told; one connection a visit is enough."""
    net = Net(tmp)
    with Course(tmp, net) as course:
        course.visit()
        course.server.stop()
        with stranger(tmp, OLD, course.server.port) as other:
            for visits in (1, 2):
                course.fetch(76)
                assert course.names_asked() == {"localhost"}
                assert len(other.events("open")) == visits
            net.silent = True
            course.fetch(76)
            assert len(other.events("open")) == 3
        net.silent = False
        course.move(OLD)
        course.visit()


def test_strangers_everywhere_are_76_and_are_not_remembered(tmp):
    """As the sign-in page of a network is, which answers for every name."""
    net = Net(tmp)
    with Course(tmp, net) as course:
        course.visit()
        course.server.stop()
        net.names["localhost"] = [NEW]
        port = course.server.port
        with stranger(tmp, OLD, port) as one, stranger(tmp, NEW, port) as two:
            course.fetch(76)
            assert len(one.events("open")) == len(two.events("open")) == 1
            assert one.commands() == two.commands() == []
        assert course.addresses() == [OLD]
        net.silent = True
        course.move(OLD)
        course.visit()


def test_a_deaf_machine_at_the_old_address_is_no_lasting_failure(tmp):
    """It looks like a line that went dead: 75, and no second wait for it.
    The name is looked up beside the next try, then."""
    net = Net(tmp)
    with Course(tmp, net, timeout="2s") as course:
        course.visit()
        net.names["localhost"] = [NEW]
        course.move(NEW)
        deaf = Deaf(OLD, course.server.port)
        course.fetch(75)
        course.fetch(75)
        assert course.addresses() == [NEW]
        course.visit()
        deaf.listener.close()


def test_a_look_up_for_a_stranger_can_be_interrupted(tmp):
    net = Net(tmp)
    with Course(tmp, net) as course:
        course.visit()
        course.server.stop()
        net.silent = True
        del net.asked[:]
        with stranger(tmp, OLD, course.server.port):
            run = course.sled.popen("fetch")
            wait_for(lambda: net.asked, "the look-up")
            began = time.monotonic()
            run.terminate()
            assert run.wait() in (75, 76)
            assert time.monotonic() - began < A_WHILE, "it waited"
        net.silent = False
        course.move(OLD)
        course.visit()


def test_more_addresses_than_are_remembered_are_not_cut_in_two(tmp):
    net = Net(tmp, localhost=[
        OLD, *(f"fd12:3456:789a:bcde:f012:3456:789a:{n:04x}"
               for n in range(0x1234, 0x1243))])
    with Course(tmp, net) as course:
        course.visit()
        known = course.addresses()
        assert known[0] == OLD and len(known) > 4
        assert set(known) <= set(net.names["localhost"]), known


def test_accounts_on_one_interface_share_what_it_carries(tmp):
    net = Net(tmp)
    with Pop3d(tmp, "--generate", "40,20000", "--listen", OLD,
               name="one") as one, \
            Pop3d(tmp, "--generate", "40,20000", "--listen", OLD,
                  name="two", user="eve", password="eve") as two:
        sled = Sled(tmp, {"one": one, "two": two})
        for _ in range(2):
            assert sled.fetch().status == 0
        path = sled.path / ".mailsled/ledger.db"
        with contextlib.closing(sqlite3.connect(path)) as db:
            rows = list(db.execute("SELECT name, rate, visits FROM path"))
        assert [name for name, _, _ in rows] == ["lo"], rows
        assert rows[0][1] > 0, rows


# ---- both families ----

BOTH = ["::1", "127.0.0.1"]


def two_families(tmp):
    net = Net(tmp, localhost=list(BOTH))
    net.needs_six()
    return net


def test_one_family_alone_serves_and_both_are_remembered(tmp):
    net = two_families(tmp)
    for at in BOTH:
        with Course(tmp / family_of(at).name, net, at=at) as course:
            course.visit()
            assert sorted(course.addresses()) == sorted(BOTH)
            assert course.addresses()[0] == at
            course.visit()
            assert net.asked == []


def test_a_silent_family_is_left_for_the_other(tmp):
    net = two_families(tmp)
    for at, dead in (BOTH, BOTH[::-1]):
        with Course(tmp / family_of(at).name, net, at=at) as course:
            silence = Silence(dead, course.server.port)
            course.visit()
            assert course.addresses() == [at, dead]
            course.visit()
            assert net.asked == []
            silence.listener.close()


def test_a_family_that_goes_silent_costs_no_visit(tmp):
    net = two_families(tmp)
    with Course(tmp, net, at=BOTH[0]) as course:
        course.visit()
        course.move(BOTH[1])
        silence = Silence(BOTH[0], course.server.port)
        course.visit()
        course.visit()
        assert sorted(course.addresses()) == sorted(BOTH)
        silence.listener.close()


def test_what_a_visit_costs_is_told_for_both_families(tmp):
    """Against what the network carried, the end of the connection included;
    loopback merges some of that. 18 packets or so, 20 octets more in each."""
    net = two_families(tmp)
    told, real = {}, {}
    for at in BOTH:
        with Course(tmp / family_of(at).name, net, at=at) as course:
            course.visit()
            before = net.octets()
            row = course.visit()
            course.server.wait_closed()
            assert net.asked == []
            real[at] = net.octets() - before
            told[at] = row["wire_down"] + row["wire_up"]
            assert abs(told[at] - real[at]) < real[at] * 0.2, row
    more = real[BOTH[0]] - real[BOTH[1]]
    assert abs(told[BOTH[0]] - told[BOTH[1]] - more) < 200, (told, real)


# ---- who else asks ----

def test_check_and_init_neither_use_nor_write_what_is_known(tmp):
    net = Net(tmp)
    with Course(tmp, net) as course:
        course.visit()
        course.visit()
        with course.ledger() as db:
            known = [list(db.execute(f"SELECT * FROM {table}"))
                     for table in ("peer", "path", "seen")]
        tickets = sorted((course.sled.path / ".mailsled/tickets").iterdir())
        assert tickets
        new = Sled(tmp, {"home": course.server}, name="new")
        new.config.unlink()
        for sled, args in ((course.sled, ["check"]),
                           (new, init_args(course))):
            del net.asked[:]
            hellos = len(course.server.hellos())
            done = sled.run(*args)
            assert done.status == 0, done
            assert course.names_asked() == {"localhost"}, done
            assert not any(hello.offered for hello in
                           course.server.hellos()[hellos:])
            assert len(course.server.hellos()) > hellos
        with course.ledger() as db:
            assert known == [list(db.execute(f"SELECT * FROM {table}"))
                             for table in ("peer", "path", "seen")]
        assert tickets == sorted(
            (course.sled.path / ".mailsled/tickets").iterdir())


def init_args(course):
    server = course.server
    return ["init", "--server", server.host, "--port", server.port, "--user",
            server.user, "--password-file", course.sled.dir / "password-home",
            "--ca-file", server.ca, "--path", course.sled.dir / "another"]


# ---- what the server can is asked for again ----

MONTH = 31 * 86400


def test_capabilities_are_asked_for_again_after_a_month(tmp):
    net = Net(tmp)
    with Course(tmp, net) as course:
        course.visit()
        course.visit()
        assert course.server.count("CAPA") == 1
        trips = course.visit()["round_trips"]
        course.age("caps_seen", MONTH)
        row = course.visit()
        assert row["eager"] and row["round_trips"] == trips, row
        assert course.server.count("CAPA") == 2
        course.visit()
        assert course.server.count("CAPA") == 2


def test_a_maildrop_that_is_left_there_asks_again_too(tmp):
    net = Net(tmp)
    with Course(tmp, net) as course:
        course.sled.account_keys["delete"] = "never"
        course.sled.write()
        fill_folder(course.folder, [message(n) for n in range(200)])
        course.fetch()
        course.fetch()
        course.age("caps_seen", MONTH)
        row = course.fetch()
        assert row["eager"] and row["kept"] == 200, row
        assert course.server.count("CAPA") == 2


def test_what_a_server_learned_to_do_to_mail_is_known_at_once(tmp):
    """EXPIRE 0: mail that was fetched goes with QUIT, which waits then."""
    net = Net(tmp)
    with Course(tmp, net) as course:
        course.visit()
        course.visit()
        course.args = ("--expire0",)
        course.move(OLD)
        course.age("caps_seen", MONTH)
        course.visit()
        with course.ledger() as db:
            ((expire,),) = db.execute("SELECT expire_0 FROM maildrop")
        assert expire == 1


def test_pipelining_that_is_gone_is_not_counted_on(tmp):
    net = Net(tmp)
    with Course(tmp, net) as course:
        course.visit()
        course.visit()
        course.args = ("--no-pipelining",)
        course.move(OLD)
        course.age("caps_seen", MONTH)
        assert course.visit()["eager"]
        for _ in range(2):
            assert not course.visit()["eager"]


def test_a_capa_that_is_refused_changes_nothing(tmp):
    net = Net(tmp)
    with Course(tmp, net) as course:
        course.visit()
        course.visit()
        course.args = ("--no-capa",)
        course.move(OLD)
        course.age("caps_seen", MONTH)
        asked = course.server.count("CAPA")
        for _ in range(2):
            assert course.visit()["eager"]
            assert course.server.count("CAPA") == asked + 1


def test_a_login_that_fails_along_with_capa_is_77(tmp):
    net = Net(tmp)
    with Course(tmp, net) as course:
        course.visit()
        course.visit()
        course.age("caps_seen", MONTH)
        secret = course.sled.dir / "password-home"
        right = secret.read_text()
        secret.write_text("wrong\n")
        tries = course.server.count("AUTH")
        course.fetch(77)
        assert course.server.count("AUTH") - tries <= 2
        secret.write_text(right)
        course.visit()


def test_real_servers_are_asked_along_with_the_login(tmp):
    """What Dovecot says behind a login is less, and stays good enough."""
    with Dovecot() as server:
        sled = Sled(tmp, {"home": server})
        path = sled.path / ".mailsled/ledger.db"
        told = []
        for number in range(4):
            server.fill("u1", [message(number)])
            told.append(report(sled.fetch())["eager"])
            with contextlib.closing(sqlite3.connect(path)) as db:
                (known,) = db.execute("SELECT caps, caps_seen FROM peer")
                assert known[1] > MONTH, "it was not asked for"
                db.execute("UPDATE peer SET caps_seen = 1")
                db.commit()
        assert told == [False, True, True, True], told
