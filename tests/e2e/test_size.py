"""What the archives cost beside one stream of the same, in bytes: no clock."""
import sys

from harness import ROOT, only_slow

sys.path.insert(0, str(ROOT / "tests/bench"))


def test_one_visit_is_within_a_percent_of_one_stream(tmp):
    only_slow()
    import shelf
    mail, kind = shelf.real(50 << 20, 1)
    ours, messages, whole = shelf.size_in_one(tmp, mail)
    print("# " + shelf.told(f"{len(mail):,} {kind}", ours, messages, whole),
          flush=True)
    assert ours <= whole * 1.01, (ours, whole)
    # A receipt is a SHA-256, which nothing shortens, and a few numbers.
    assert ours - messages <= messages * 0.01 + len(mail) * 80


test_one_visit_is_within_a_percent_of_one_stream.timeout = 900
