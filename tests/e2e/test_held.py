"""Large mail stays on the server until someone decides: shown once, fetched
when wanted, and deleted unread only when it is the message that was dropped."""
import os
import pty
import subprocess

from harness import Dovecot, Pop3d, Sled, message, same_mail, wire
from test_fetch_mail import report
from test_fetch_same import exchange, kept, serve

HOLD = {"hold-larger": "10KiB"}
LINES = "a line of its body\n"


def large(number, text="large", octets=60000):
    """A message over hold-larger, of OCTETS in all."""
    start = message(number, LINES * 20, subject=text)
    return start + b"x" * 70 + b"\n" + (
        b"y" * 70 + b"\n") * ((octets - len(start) - 71) // 71)


def mail():
    return {"a": message(1), "b": large(2, "photos"), "c": large(3, "video")}


def held(sled):
    result = sled.run("--json", "held")
    assert result.status == 0, result
    return {o["uidl"]: o for o in result.json}


def begin(tmp, letters, *args, **keys):
    server = serve(tmp, letters, *args)
    return server, Sled(tmp, {"home": server}, account={**HOLD, **keys})


def decide(sled, *words, status=0):
    result = sled.run(*words)
    assert result.status == status, result
    return result


def left(server):
    return [name.removesuffix(".eml") for name in server.left()]


def names(server):
    """Of what was fetched, in order."""
    return [name.removesuffix(".eml") for name in server.mails("RETR")]


def tops(server):
    return [words for _, _, words in server.commands("TOP")]


def journal(sled, kind):
    """How many lines of KIND each place has."""
    return [sum(line.split("\t")[1] == kind
                for file in (place / "journal").iterdir()
                for line in file.read_text().splitlines())
            for place in sled.places]


def test_held_mail_is_previewed_once(tmp):
    server, sled = begin(tmp, mail())
    with server:
        for visit in range(3):
            row = report(sled.fetch())
            assert row["held"] == 2, row
            assert row["fetched"] == (1 if visit == 0 else 0), row
        assert tops(server) == ["2 12", "3 12"], tops(server)
        rows = held(sled)
        assert rows["b"]["subject"] == "photos" and rows["b"]["previewed"]
        assert rows["b"]["size"] == len(wire(mail()["b"]))
        assert rows["b"]["account"] == "home"
        assert rows["b"]["decision"] is None
        assert set(rows["b"]) == {
            "id", "account", "uidl", "size", "from", "subject", "date",
            "first_seen", "expires", "decision", "decided", "lapsed",
            "seconds", "cost", "currency", "previewed", "aside", "again"}
        assert decide(sled, "held", rows["b"]["id"]).out.count(
            LINES.strip()) == 12
        same_mail(kept(sled), [wire(mail()["a"])])


def test_previews_come_behind_all_mail(tmp):
    letters = {"a": large(1), "b": message(2), "c": message(3)}
    server, sled = begin(tmp, letters)
    with server:
        report(sled.fetch())
        verbs = [verb for _, verb, _ in server.commands()
                 if verb in ("RETR", "TOP")]
        assert verbs == ["RETR", "RETR", "TOP"], verbs


def test_no_preview_where_it_is_not_cheap(tmp):
    server, sled = begin(tmp, {"a": large(1, octets=15000)})
    with server:
        report(sled.fetch())
        assert tops(server) == []
        assert held(sled)["a"]["previewed"] is False


def test_no_preview_without_top(tmp):
    server, sled = begin(tmp, mail(), "--capa-off", "TOP")
    with server:
        report(sled.fetch())
        assert (tops(server), list(held(sled))) == ([], ["c", "b"])


def test_no_preview_where_quit_deletes_what_was_topped(tmp):
    server, sled = begin(tmp, mail(), "--expire0")
    with server:
        for _ in range(2):
            assert report(sled.fetch())["held"] == 2
        assert tops(server) == []
        assert left(server) == ["b", "c"], left(server)
        rows = held(sled)
        assert not rows["b"]["previewed"] and rows["b"]["from"] is None
        decide(sled, "drop", "--yes", rows["b"]["id"])
        assert report(sled.fetch())["deleted"] == 1
        assert left(server) == ["c"]


def test_what_is_wanted_is_fetched_verified_and_deleted(tmp):
    letters = mail()
    server, sled = begin(tmp, letters, delete="verified")
    with server:
        report(sled.fetch())
        word = held(sled)["c"]["id"]
        decide(sled, "want", word[:7])
        assert held(sled)["c"]["decision"] == "want"
        row = report(sled.fetch())
        assert (row["fetched"], row["deleted"], row["held"]) == (1, 1, 1), row
        assert left(server) == ["b"] and list(held(sled)) == ["b"]
        same_mail(kept(sled), [wire(letters["a"]), wire(letters["c"])])
        assert journal(sled, "want") == journal(sled, "undecided") == [1, 1]


def test_what_is_wanted_comes_first(tmp):
    letters = {"a": message(1), "b": message(2), "c": large(3)}
    server, sled = begin(tmp, {"c": letters["c"]}, delete="never")
    with server:
        report(sled.fetch())
        decide(sled, "want", held(sled)["c"]["id"])
        exchange(server, letters)
        report(sled.fetch())
        assert names(server) == ["c", "a", "b"], names(server)


def test_drop_deletes_when_the_header_is_the_one_that_was_shown(tmp):
    server, sled = begin(tmp, mail(), delete="never")
    with server:
        report(sled.fetch())
        word = held(sled)["b"]["id"]
        said = decide(sled, "drop", word, status=64)
        assert "--yes" in said.err and held(sled)["b"]["decision"] is None
        decide(sled, "drop", "--yes", word)
        assert held(sled)["b"]["decision"] == "drop"
        row = report(sled.fetch())
        assert (row["deleted"], row["kept"], row["held"]) == (1, 1, 1), row
        verbs = [(verb, words) for _, verb, words in server.commands()
                 if verb in ("TOP", "DELE")]
        assert verbs[-2:] == [("TOP", "2 0"), ("DELE", "2")], verbs
        assert left(server) == ["a", "c"] and list(held(sled)) == ["c"]
        assert server.retrs() == 1
        assert journal(sled, "drop") == journal(sled, "dropped") == [1, 1]


def test_drop_asks_on_a_terminal(tmp):
    server, sled = begin(tmp, mail())
    with server:
        report(sled.fetch())
        word = held(sled)["b"]["id"]
        for answer, decision in (("no", None), ("", None), ("yes", "drop")):
            ours, theirs = pty.openpty()
            child = subprocess.Popen(sled.argv("drop", word), stdin=theirs,
                                     stdout=subprocess.PIPE, stderr=theirs)
            os.write(ours, answer.encode() + b"\n")
            out = child.communicate(timeout=30)[0].decode()
            os.close(theirs)
            os.close(ours)
            assert word in out and "photos" in out and "unread" in out, out
            assert child.returncode == (0 if decision else 64), out
            assert held(sled)["b"]["decision"] == decision


def test_a_decision_can_be_taken_back(tmp):
    server, sled = begin(tmp, mail())
    with server:
        report(sled.fetch())
        word = held(sled)["b"]["id"]
        decide(sled, "drop", "--yes", word)
        decide(sled, "drop", "--undo", word)
        row = report(sled.fetch())
        assert (row["held"], row["fetched"]) == (2, 0), row
        assert left(server) == ["b", "c"] and server.deles() == 1


def dropped_then(tmp, *args):
    """The message "b" is to be dropped, and a store that knows it."""
    letters = {"b": large(2, "photos"), "c": large(3, "video")}
    server, sled = begin(tmp, letters, *args)
    report(sled.fetch())
    decide(sled, "drop", "--yes", held(sled)["b"]["id"])
    return server, sled, letters


def lapsed(sled, server):
    result = sled.fetch()
    row = report(result)
    assert "drop" in row["warnings"], row
    assert row["deleted"] == 0 and server.deles() == 0
    return row


def test_an_id_that_is_reused_for_the_same_size_is_not_dropped(tmp):
    """[D3]"""
    server, sled, letters = dropped_then(tmp)
    with server:
        other = large(4, "taxes!")
        assert len(other) == len(letters["b"])
        exchange(server, {**letters, "b": other})
        lapsed(sled, server)
        assert left(server) == ["b", "c"]
        row = held(sled)["b"]
        assert row["decision"] is None and "header" in row["lapsed"], row
        assert row["subject"] == "taxes!", row  # seen anew
        assert "lapsed" in decide(sled, "held").out
        assert report(sled.fetch())["held"] == 2


def test_another_size_is_not_dropped(tmp):
    server, sled, letters = dropped_then(tmp)
    with server:
        exchange(server, {**letters, "b": letters["b"] + b"more\n"})
        lapsed(sled, server)
        row = held(sled)["b"]
        assert row["decision"] is None and "bytes" in row["lapsed"], row
        assert len(held(sled)) == 2


def test_a_refused_top_is_no_proof(tmp):
    server, sled, letters = dropped_then(tmp)
    with server:
        exchange(server, letters, "--fault", "TOP:err")
        lapsed(sled, server)
        assert held(sled)["b"]["decision"] is None


def test_drop_with_a_lost_quit_is_done_once_more(tmp):
    server, sled, letters = dropped_then(tmp)
    with server:
        exchange(server, letters, "--lose-quit")
        row = report(sled.fetch(), status=75)
        assert row["deleted"] == 0 and left(server) == ["b", "c"]
        assert held(sled)["b"]["decision"] == "drop"
        exchange(server, letters)
        assert report(sled.fetch())["deleted"] == 1
        assert left(server) == ["c"] and "b" not in held(sled)


def test_drop_whose_quit_was_answered_to_nobody(tmp):
    server, sled, letters = dropped_then(tmp)
    with server:
        exchange(server, letters, "--drop-quit")
        report(sled.fetch(), status=75)
        assert left(server) == ["c"]
        exchange(server, {"c": letters["c"]})
        row = report(sled.fetch())
        assert "not on the server" in row["warnings"], row
        assert list(held(sled)) == ["c"] and server.deles() <= 1


def test_what_another_client_deleted_is_no_fault(tmp):
    server, sled, letters = dropped_then(tmp)
    with server:
        exchange(server, {"c": letters["c"]})
        report(sled.fetch())
        assert server.deles() == 0 and list(held(sled)) == ["c"]


def test_a_rebuild_keeps_the_decision(tmp):
    server, sled, letters = dropped_then(tmp)
    with server:
        assert decide(sled, "rebuild").status == 0
        assert held(sled)["b"]["decision"] == "drop"
        report(sled.fetch())
        assert left(server) == ["c"]


def test_a_hostile_head_is_harmless(tmp):
    evil = "\x1b[2J\x07click \u202eexe.jpg\u2028 \x9b31m"
    server, sled = begin(tmp, {"a": large(1, evil)})
    with server:
        report(sled.fetch())
        word = held(sled)["a"]["id"]
        for words in (["held"], ["held", word], ["status"],
                      ["--json", "held"], ["drop", "--yes", word],
                      ["held"]):
            result = sled.run(*words)
            for bad in ("\x1b", "\x07", "\u202e", "\u2028", "\x9b"):
                assert bad not in result.out + result.err, (words, bad)


def test_status_reminds_before_the_server_deletes(tmp):
    server, sled = begin(tmp, mail(), "--capa-add", "EXPIRE 5 USER")
    with server:
        report(sled.fetch())
        told = decide(sled, "status").out
        assert "2 messages" in told and "deletes the first on" in told, told
        assert held(sled)["b"]["expires"] is not None
        assert all(len(line) <= 80 for line in told.splitlines()
                   if line.startswith("  held") or "expires" in line), told


def test_status_is_silent_where_it_is_far_away(tmp):
    server, sled = begin(tmp, mail(), "--capa-add", "EXPIRE 90")
    with server:
        report(sled.fetch())
        assert "deletes the first" not in decide(sled, "status").out
        assert held(sled)["b"]["expires"] is not None


def test_time_and_cost_on_a_link(tmp):
    server, sled = begin(tmp, mail())
    with server:
        report(sled.fetch())
        with open(sled.dir / "config.ini", "a") as file:
            file.write("\n[link sat]\ncost = 0.02 EUR/10KiB\n")
        rows = {o["uidl"]: o for o in
                decide(sled, "--json", "held", "--link", "sat").json}
        assert rows["b"]["currency"] == "EUR", rows
        assert rows["b"]["cost"] == 0.14, rows  # 7 steps begun
        assert "EUR" in decide(sled, "held", "--link", "sat").out
        assert sled.run("held", "--link", "none").status == 64


def test_ids_that_are_none(tmp):
    server, sled = begin(tmp, mail())
    with server:
        report(sled.fetch())
        assert sled.run("want", "h12").status == 64
        assert sled.run("want", "h0000000000").status == 66
        assert sled.run("drop", "--yes", "1; rm").status == 64


def test_dovecot(tmp):
    letters = [message(1), large(2, "photos"), large(3, "video")]
    with Dovecot() as server:
        server.fill("u1", letters)
        sled = Sled(tmp, {"home": server},
                    account={**HOLD, "delete": "verified"})
        for _ in range(3):
            row = report(sled.fetch())
            assert row["held"] == 2, row
        rows = {o["subject"]: o for o in sled.run("--json", "held").json}
        decide(sled, "want", rows["photos"]["id"])
        decide(sled, "drop", "--yes", rows["video"]["id"])
        row = report(sled.fetch())
        assert (row["fetched"], row["deleted"], row["held"]) == (1, 2, 0), row
        assert server.left("u1") == 0
        same_mail(kept(sled), [wire(m) for m in letters[:2]])
