"""A visit that speaks before the greeting. Whatever a server makes of that, the
mail is home after the same run, and a try that failed is not made again.

The first visit is strict and proves that the server can do it; from the second
on AUTH, STAT, UIDL and LIST leave with the TLS Finished. What was sent when is
taken from the log of pop3d; of the program's own words only "eager",
"resumed" and "offered" in the report of a visit are assumed."""
import base64
import itertools
import re
import shutil
import signal

from harness import (DEADLINE, Pop3d, Sled, fill_folder, message, same_mail,
                     untar, wire)
from liar import Liar
from lying import fetch
from test_fetch_mail import report

FLIGHT = ["AUTH", "STAT", "UIDL", "LIST"]


class Course:
    """Visit after visit to one pop3d, each with new mail."""

    def __init__(self, tmp, *args):
        self.tmp = tmp
        tmp.mkdir(exist_ok=True)
        self.folder = fill_folder(tmp / "mail", {})
        self.server = Pop3d(tmp, *args, folder=self.folder)
        self.sled = Sled(tmp, {"home": self.server},
                         account={"timeout": "3s"})
        self.number = itertools.count(1)
        self.sent, self.seen = [], 0

    def __enter__(self):
        return self

    def __exit__(self, *why):
        return self.server.__exit__(*why)

    def fill(self, count):
        mail = {f"m{n:04d}": message(n)
                for n in itertools.islice(self.number, count)}
        fill_folder(self.folder, mail)
        self.sent += [wire(m) for m in mail.values()]

    def fetch(self, status=0):
        """The report of a visit and the connections that it took."""
        row = report(fetch(self.sled), status)
        self.server.wait_closed()
        conns = [n for n in self.server.events("open") if n > self.seen]
        self.seen = conns[-1]
        return row, conns

    def visit(self, count=5):
        """New mail comes home, and leaves the server."""
        self.fill(count)
        row, conns = self.fetch()
        assert row["fetched"] == row["deleted"] == count, row
        assert self.server.left() == []
        for place in self.sled.places:
            shutil.rmtree(self.tmp / "out", ignore_errors=True)
            same_mail(untar(place, self.tmp / "out"), self.sent)
        return row, conns

    def tried(self, conns):
        """Those of CONNS that spoke before the greeting."""
        early = self.server.early_bytes()
        return [n for n in conns if early.get(n, 0) > 0]

    def restart(self, *args):
        """Connections count from 1 again, in a log of their own."""
        port = self.server.port
        self.server.stop()
        self.server.log.unlink()
        self.server.args, self.seen = list(args), 0
        self.server.start(port)

    def story(self):
        """What was said on each connection, for a failed test."""
        return "; ".join(
            line for line in self.server.lines()
            if re.match(r"CONN|\d+[<>]", line) and
            not re.search(r"RETR|DELE|octets|marked|close$", line))


def falls_back(tmp, *args):
    with Course(tmp, *args) as course:
        _, conns = course.visit()
        assert len(conns) == 1 and not course.tried(conns), conns
        row, conns = course.visit()
        assert course.tried(conns) == conns[:1], course.story()
        assert not row["eager"], row
        for _ in range(2):
            row, conns = course.visit()
            assert len(conns) == 1 and not course.tried(conns), conns
            assert not row["eager"], row


def test_the_second_visit_comes_with_the_finished(tmp):
    with Course(tmp) as course:
        course.visit()
        for count in (5, 0, 5):
            row, conns = course.visit(count)
            (conn,) = conns
            came = course.server.with_finished(conn)
            assert came[:4] == FLIGHT, course.story()
            assert row["eager"], row
        assert course.server.count("CAPA") == 1, "asked only once"


def test_user_and_pass_go_early_where_they_were_proved(tmp):
    with Course(tmp, "--no-sasl") as course:
        course.visit()
        row, (conn,) = course.visit()
        came = course.server.with_finished(conn)
        assert came[:5] == ["USER", "PASS", *FLIGHT[1:]], course.story()
        assert row["eager"], row


def test_what_was_not_proved_is_never_tried(tmp):
    """[L3]"""
    for option in ("--no-pipelining", "--auth-challenge", "--no-capa",
                   "--starttls"):
        with Course(tmp / option, option) as course:
            for _ in range(3):
                _, conns = course.visit()
                assert len(conns) == 1 and not course.tried(conns), option


def test_pipelining_vanishes(tmp):
    falls_back(tmp, "--pipelining-until", "1")


def test_auth_vanishes(tmp):
    """What takes its place may go early as soon as it is proved."""
    with Course(tmp, "--sasl-until", "1") as course:
        course.visit()
        row, conns = course.visit()
        assert course.tried(conns) == conns[:1], course.story()
        assert not row["eager"], row
        tries = course.server.count("AUTH")
        for _ in range(2):
            _, conns = course.visit()
            assert len(conns) == 1, conns
        assert course.server.count("AUTH") == tries, "AUTH was tried again"


def test_a_challenge_answers_the_initial_response(tmp):
    falls_back(tmp, "--initial-until", "1")


def test_early_commands_are_dropped(tmp):
    falls_back(tmp, "--drop-early")


def test_a_window_that_ends_in_the_wait_for_them_is_the_last_one_so(tmp):
    """Where the line is up for less than a visit waits, each one would end in
    that wait, and no mail ever come home."""
    with Course(tmp, "--drop-early") as course:
        course.sled.account_keys["timeout"] = "30s"
        course.sled.write()
        course.visit()
        process = course.sled.popen("fetch")
        course.server.wait_line(r"CONN 2 greet")
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 75
        course.server.wait_closed()
        course.seen = 2
        _, conns = course.visit()
        assert len(conns) == 1 and not course.tried(conns), course.story()


def test_early_commands_are_answered_before_the_greeting(tmp):
    falls_back(tmp, "--early-first")


def test_early_commands_close_the_connection(tmp):
    falls_back(tmp, "--close-early")


def test_early_commands_reset_the_connection(tmp):
    falls_back(tmp, "--reset-early")


def test_a_greeting_that_refuses_is_69(tmp):
    for name, text in (("busy", "[IN-USE] busy"), ("bare", "go away"),
                       ("auth", "[AUTH] not you")):
        with Course(tmp / name, "--fault", f"GREETING:2:err={text}") as course:
            course.visit()
            course.fill(3)
            row, conns = course.fetch(69)
            assert course.tried(conns) == conns[:1], course.story()
            assert row["fetched"] == 0, row
            row, _ = course.fetch()
            assert row["deleted"] == 3, row


def test_a_wrong_password_is_77_and_asked_twice_at_most(tmp):
    with Course(tmp) as course:
        course.visit()
        secret = course.sled.dir / "password-home"
        right = secret.read_text()
        before = course.server.count("AUTH")
        secret.write_text("wrong\n")
        _, conns = course.fetch(77)
        assert course.tried(conns)[:1] == conns[:1], course.story()
        assert course.server.count("AUTH") - before <= 2
        secret.write_text(right)
        course.visit()


def test_a_reply_that_repeats_the_secret_is_not_told(tmp):
    """Not in the error, nor in what is written of the visit; whole, cut off,
    or in capitals."""
    line = base64.b64encode(b"\0demo\0a-long-secret").decode()
    for args, verb, echo in (
            ([], "AUTH", f"unknown command AUTH PLAIN {line}"),
            ([], "AUTH", f"unknown command auth plain {line[:-8]}"),
            (["--no-sasl"], "PASS", "unknown command PASS A-LONG-SECRET")):
        for nth in (1, 2):
            with Course(tmp / f"{verb}{len(echo)}-{nth}", "--pass",
                        "a-long-secret", *args, "--fault",
                        f"{verb}:{nth}:err={echo}") as course:
                (course.sled.dir / "password-home").write_text(
                    "a-long-secret\n")
                for _ in range(nth - 1):
                    course.visit()
                done = fetch(course.sled)
                assert done.status == 77, done
                assert "not shown" in report(done, 77)["error"], done
                told = [done.out, done.err, *(
                    p.read_bytes().decode("latin-1")
                    for p in course.sled.path.rglob("*")
                    if p.is_file() and "ticket" not in str(p))]
                for word in ("a-long-secret", line[:12]):
                    assert not any(word in text or word.upper() in text
                                   for text in told), (word, done)


def test_a_server_that_takes_its_time_is_waited_for(tmp):
    """Each try costs a login, and servers hold back the answer to one that
    follows a failed one by up to 17 s; once they answer, the line is slow."""
    for fault in ("AUTH:2:delay=6000", "LIST:2:delay=6000"):
        with Course(tmp / fault[:4], "--fault", fault) as course:
            course.sled.account_keys["timeout"] = "30s"
            course.sled.write()
            course.visit()
            row, conns = course.visit()
            assert len(conns) == 1 and row["eager"], course.story()


def test_a_cut_within_the_flight_loses_nothing(tmp):
    """The line breaks, which says nothing of the server's habits: 75, and the
    next visit brings all."""
    for fault in ("UIDL:2:close-after=9", "LIST:2:reset", "STAT:2:close"):
        with Course(tmp / fault.replace(":", "-"), "--fault",
                    fault) as course:
            course.visit()
            course.fill(5)
            done = fetch(course.sled)
            assert done.status in (0, 75), done
            course.server.wait_closed()
            assert course.tried([2]) == [2], course.story()
            if done.status == 75:
                assert report(fetch(course.sled))["deleted"] == 5
            assert course.server.left() == []


# ---- what TLS has to do with it ----

def test_no_secret_before_the_certificate_is_verified(tmp):
    for name, options in (("name", ["--cert", "name"]),
                          ("expired", ["--cert", "expired"]), ("ca", [])):
        with Course(tmp / name) as course:
            course.visit()
            course.visit()
            known = course.tmp / "known.pem"
            shutil.copy(course.server.ca, known)
            course.restart(*options)
            if not options:  # a good certificate of somebody else
                course.sled.account_keys["ca-file"] = known
                course.sled.write()
            course.fill(2)
            course.fetch(76)
            assert course.server.commands() == [], course.story()
            assert course.server.early_bytes() == {}
            assert course.server.events("tls-failed")
            course.restart()
            shutil.copy(course.server.ca, known)
            row, _ = course.fetch()
            assert row["deleted"] == 2, row


def test_a_refused_slim_hello_is_sent_again_in_full(tmp):
    with Course(tmp, "--slim-refused") as course:
        _, conns = course.visit()
        ids = [hello.session_id for hello in course.server.hellos()]
        assert ids == [0, 32] and len(conns) == 2, course.story()
        for _ in range(2):
            _, conns = course.visit()
            assert len(conns) == 1, "the refusal was forgotten"
        ids = [hello.session_id for hello in course.server.hellos()]
        assert ids == [0, 32, 32, 32]


def test_a_slim_hello_is_small(tmp):
    with Course(tmp) as course:
        course.visit()
        (hello,) = course.server.hellos()
        assert hello.session_id == 0 and hello.bytes < 260, hello


def test_a_ticket_is_offered_and_resumed(tmp):
    with Course(tmp) as course:
        rows = [course.visit()[0] for _ in range(3)]
        offered = [hello.offered for hello in course.server.hellos()]
        assert offered == [False, True, True], course.story()
        assert course.server.resumed() == [2, 3]
        assert [row["resumed"] for row in rows] == offered
        assert [row["offered"] for row in rows] == offered


def test_tickets_refused_twice_are_offered_no_more(tmp):
    with Course(tmp, "--forget-tickets") as course:
        rows = [course.visit()[0] for _ in range(5)]
        offered = [hello.offered for hello in course.server.hellos()]
        assert offered == [False, True, True, False, False], course.story()
        assert course.server.resumed() == []
        assert [row["offered"] for row in rows] == offered
        assert not any(row["resumed"] for row in rows)


def test_where_no_tickets_are_given_none_is_offered(tmp):
    with Course(tmp, "--no-tickets") as course:
        for _ in range(3):
            course.visit()
        assert not any(hello.offered for hello in course.server.hellos())


# ---- a server that drops the first early line only ----

def first_dropped(s, verb):
    """What such a server says to a line of the flight."""
    if not s.early:
        return None
    return b"" if verb == "AUTH" else b"-ERR not in this state\r\n"


def logins(liar):
    """How many each session was asked for."""
    return [sum(n == number and verb == "AUTH" for n, verb, _ in liar.commands)
            for number in range(1, liar.opened + 1)]


def test_only_the_first_early_line_is_dropped(tmp):
    """Its -ERR to STAT is not the answer to the login [L3]: the visit begins
    anew, once, and the next ones are not eager."""
    lies = {verb: lambda s, _, verb=verb: first_dropped(s, verb)
            for verb in FLIGHT}
    with Liar(tmp, [message(1)], **lies) as liar:
        sled = Sled(tmp, {"home": liar}, account={"timeout": "2s"})
        assert report(fetch(sled))["deleted"] == 1
        for number, sessions in ((2, 3), (3, 4)):
            liar.mail[f"more{number}"] = wire(message(number))
            row = report(fetch(sled))
            assert row["deleted"] == 1 and not row["eager"], row
            assert liar.opened == sessions, liar.commands


def test_a_server_that_hangs_up_on_a_wrong_password(tmp):
    """It may have dropped the login, so that is tried once more; but not twice
    again in the next visit."""
    def refuse(s, _):
        if not s.liar.wrong:
            return None
        s.done = True
        return b"-ERR [AUTH]\r\n" if s.liar.wrong == 2 else b"-ERR no\r\n"
    for wrong in (1, 2):
        here = tmp / str(wrong)
        here.mkdir()
        with Liar(here, [message(1)], AUTH=refuse) as liar:
            liar.wrong = 0
            sled = Sled(here, {"home": liar}, account={"timeout": "2s"})
            assert report(fetch(sled))["deleted"] == 1
            liar.wrong = wrong
            for tries in (4 - wrong, 1):
                before = len(logins(liar))
                assert fetch(sled).status == 77
                assert sum(logins(liar)[before:]) <= tries, logins(liar)
            liar.wrong = 0
            assert fetch(sled).status == 0
