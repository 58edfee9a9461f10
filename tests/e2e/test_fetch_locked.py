"""Servers that let nobody in for a while, and the scheduler that comes back: in
the time of build/mailsled-fast, which leaps (harness.Time)."""
import re
import signal

from harness import Sled, Time, message, wait_for, wire
from liar import CAPA, Liar
from lying import MAIL, MEMORY, MIB, fetch, is_sanitized, whole
from test_run import Run, schedule

MINUTE = 60


class Patient(Run):
    """`mailsled run`, while the clock leaps from what it waits for to the next.
    Its visits are to LIAR, at .seconds each."""

    program = "mailsled-fast"

    def __init__(self, sled, liar, clock, **more):
        self.liar, self.clock, self.seconds = liar, clock, []
        self.lie = liar.lies.get("AUTH")
        liar.lies["AUTH"] = self.note
        super().__init__(sled, env=clock.env, **more)

    def note(self, session, arg):
        self.seconds.append(self.now())
        return self.lie and self.lie(session, arg)

    def now(self):
        return self.clock.now() / 1000

    def leap(self, seconds):
        """All but ten seconds of it first: then it is asked what it does, and
        so what would come too soon, comes there."""
        end = self.now() + seconds
        for at in (end - 10, end):
            self.clock.leap_to(at * 1000)
            self.signal(signal.SIGURG)
            wait_for(lambda: "a visit is under way" not in
                     self.sled.run("status").out, "an end of it")

    def visits(self, count):
        wait_for(lambda: len(self.seconds) >= count, f"visit {count}")
        self.wait(r"(?m)^.*home: (?:\d+ came|.*refuses)", count)

    def check(self):
        peak = re.search(r"VmHWM:\s+(\d+)", open(
            f"/proc/{self.process.pid}/status").read())
        assert is_sanitized() or int(peak[1]) * 1024 <= MEMORY, peak[0]
        assert self.stop() == 0, self.text


def later(count, number=50):
    """Mail that comes meanwhile."""
    return {f"late{n}": wire(message(n, "late\n"))
            for n in range(number, number + count)}


def test_the_maildrop_is_locked_for_ten_minutes(tmp):
    """It comes back after one minute, two, four, eight; each time it is told
    and costs one short connection, none is a wrong password; behind the lock
    all comes, once."""
    clock = Time(tmp / "time")

    def busy(*_):
        if clock.now() < 10 * MINUTE * 1000:
            return b"-ERR [IN-USE] do not disturb\r\n"
        return None
    with Liar(tmp, MAIL, AUTH=busy) as liar:
        sled = Sled(tmp, {"home": liar})
        with Patient(sled, liar, clock, config=schedule("1h")) as run:
            for fails, wait in enumerate((1, 2, 4, 8), 1):
                run.visits(fails)
                assert run.count("do not disturb") == fails, run.text
                said = sled.run("status").out
                assert "do not disturb" in said, said
                run.leap(wait * MINUTE)
            run.visits(5)
            run.wait("home: 5 came")
            assert not liar.mail and liar.rest() <= MIB
            run.check()
        check_gaps(run, 1 * MINUTE, 2 * MINUTE, 4 * MINUTE, 8 * MINUTE)
        assert fetch(sled).reports[-1]["listed"] == 0
        whole(sled, future=True)


def check_gaps(run, *least):
    """None came sooner; nor was any visit made in vain."""
    gaps = [b - a for a, b in zip(run.seconds, run.seconds[1:])]
    assert len(gaps) == len(least), (gaps, run.text)
    # What is waited for is counted in whole seconds.
    assert all(least[i] - 1 <= gap < least[i] + MINUTE
               for i, gap in enumerate(gaps)), (gaps, run.text)


class Gate:
    """A server that lets nobody in for 10 minutes behind a login, counted from
    the last one that was tried."""

    delay = 10 * MINUTE

    def __init__(self, clock, last=None):
        self.clock, self.last, self.refused = clock, last, 0

    def __call__(self, *_):
        now = self.clock.now() / 1000
        last, self.last = self.last, now
        if last is None or now - last >= self.delay:
            return None
        self.refused += 1
        return b"-ERR [LOGIN-DELAY] wait\r\n"


def with_delay(seconds):
    return [*CAPA, f"LOGIN-DELAY {seconds}"]


def test_a_login_delay_is_kept(tmp):
    """Though `every` is shorter, and the first visit was so slow that its login
    came half a minute behind its beginning."""
    clock = Time(tmp / "time")
    gate = Gate(clock)
    with Liar(tmp, MAIL, capa=with_delay(Gate.delay), AUTH=gate) as liar:
        sled = Sled(tmp, {"home": liar})

        def slow(*_):
            if not run.seconds:
                clock.leap_to(clock.now() + 30_000)
        liar.lies["greeting"] = slow
        with Patient(sled, liar, clock, config=schedule("2m")) as run:
            for visit in range(1, 4):
                run.visits(visit)
                run.wait(r"home: \d+ came", visit)
                assert not liar.mail, run.text
                wait_for(lambda: "wants time between visits (LOGIN-DELAY)" in
                         sled.run("status").out, "what it waits for")
                liar.mail = later(2, 50 + visit * 10)
                run.leap(Gate.delay)
            run.visits(4)
            run.wait("home: 2 came", 3)
            run.check()
        assert not gate.refused and not liar.mail, run.text
        check_gaps(run, *[Gate.delay] * 3)
        whole(sled, [*MAIL, *(m for n in (60, 70, 80)
                              for m in later(2, n).values())], future=True)


def test_a_login_that_came_too_soon_waits_for_the_delay(tmp):
    """Another client was there just before: what the server says of itself is
    known though it let nobody in, so that the next try is the last one."""
    clock = Time(tmp / "time")
    gate = Gate(clock, last=0)
    with Liar(tmp, MAIL, capa=with_delay(Gate.delay), AUTH=gate) as liar:
        sled = Sled(tmp, {"home": liar})
        with Patient(sled, liar, clock, config=schedule("5m")) as run:
            run.visits(1)
            assert run.count(r"\[LOGIN-DELAY\] wait") == 1, run.text
            run.leap(Gate.delay)
            run.wait("home: 5 came")
            run.check()
        assert gate.refused == 1 and not liar.mail, run.text
        check_gaps(run, Gate.delay)
        whole(sled, future=True)


def test_a_login_delay_of_a_century(tmp):
    """No server puts mail off for longer than a day by that."""
    clock = Time(tmp / "time")
    with Liar(tmp, MAIL, capa=with_delay(3_999_999_999)) as liar:
        sled = Sled(tmp, {"home": liar})
        with Patient(sled, liar, clock, config=schedule("1h")) as run:
            run.visits(1)
            run.wait("home: 5 came")
            liar.mail = later(2)
            run.leap(24 * 60 * MINUTE)
            run.wait("home: 2 came")
            run.check()
        check_gaps(run, 24 * 60 * MINUTE)
        whole(sled, [*MAIL, *later(2).values()], future=True)
