"""The line ends after any octet of a visit: no mail is lost, doubled, or paid
for twice. Every cut there is: make torture; here, some of them."""
import shutil
import sys
from pathlib import Path

from harness import slow

sys.path.append(str(Path(__file__).resolve().parents[1] / "torture"))

from cutter import Cut  # noqa: E402
from wire import Case, Slot, sampled  # noqa: E402


def test_cuts_lose_nothing_and_fetch_nothing_twice(tmp):
    assert sampled(20261129, 300 if slow() else 40) == 0


def test_a_message_that_is_asked_for_again_is_seen(tmp):
    """The judge of all those cuts: with the whole store gone between the two
    visits, it has to say so."""
    slot = Slot(tmp, "first")
    try:
        visits = []
        visit = slot.visit

        def forgetful():
            if visits:
                for place in slot.sled.places:
                    shutil.rmtree(place)
            visits.append(visit())
            return visits[-1]
        slot.visit = forgetful
        slot.check_tar = lambda: None
        try:
            slot.run_once(Case("first", "up", "silent", 710), 1)
        except AssertionError as why:
            assert "fetched" in str(why) or "again" in str(why), why
        else:
            raise AssertionError("nobody noticed")
    finally:
        slot.end()


def test_a_server_that_does_not_see_the_line_end_keeps_the_maildrop(tmp):
    """It holds the lock for a client that is gone: 69 until it lets go, and
    what was whole is not asked for again."""
    slot = Slot(tmp, "known")
    try:
        slot.renew()
        slot.set_timeout(1)
        slot.line.arm(Cut("down", "held", 5000))
        first = slot.sled.fetch()
        assert first.status == 75, first
        slot.set_timeout(60)
        refused = slot.sled.fetch()
        assert refused.status == 69 and "locked" in refused.err, refused
        slot.line.release()
        slot.settle()
        conn = slot.server.events("open")[0]
        whole = slot.whole(conn, 5000)
        assert whole, "no message came whole"
        assert slot.visit().status == 0
        slot.check_twice(conn, whole)
        slot.check_end()
    finally:
        slot.end()


test_cuts_lose_nothing_and_fetch_nothing_twice.timeout = 300
