"""Faults of a server, of the line and of the machine touch what they must, and
nothing else; each has its exit status and its words."""
import json
import signal
import subprocess

from harness import (DEADLINE, Account, Dovecot, Pop3d, Sled, fill_folder,
                     message, reserve, volumes, wait_for)
from lying import measured
from test_fetch_mail import SUMS, report, stored_whole
from test_fetch_places import small_disk


def serve(tmp, mail, *args, **more):
    return Pop3d(tmp, *args, folder=fill_folder(tmp / "mail", mail), **more)


def some(count, lines=3):
    return [message(i, f"line {i}\n" * lines) for i in range(count)]


def again(server, *args):
    server.stop()
    server.args = list(args)
    server.start(server.port)


def failed(sled, status, *words):
    """A visit that came to nothing still ends with its line."""
    done = sled.fetch()
    row = report(done, status)
    assert row["fetched"] == row["deleted"] == 0, row
    for word in words:
        assert word in row["error"] + done.err, (word, done)
    return row


def no_login(server):
    """Not a byte of user or password has come [L1]."""
    verbs = {verb for _, verb, _ in server.commands()}
    assert not verbs & {"USER", "PASS", "AUTH"}, verbs
    log = "\n".join(server.lines())
    assert server.user not in log.replace("pop3d", ""), log


# ---- what a visit does not begin ----

def test_a_wrong_password_is_77(tmp):
    with Dovecot(extra="auth_failure_delay = 0") as server:
        account = server.account()._replace(password="wrong")
        failed(Sled(tmp, {"home": account}), 77, "password")
    with serve(tmp, some(3)) as server:
        sled = Sled(tmp, {"home": server}, name="other")
        (sled.dir / "password-home").write_text("nonsense-word\n")
        done = sled.run("fetch")
        assert done.status == 77 and "nonsense" not in done.out + done.err
        assert len(server.left()) == 3


def test_nobody_listens_is_69(tmp):
    with reserve() as held:
        port = held.getsockname()[1]
        account = Account("localhost", port, "u", "p", None, "implicit")
        failed(Sled(tmp, {"home": account}), 69, str(port))


def test_an_unknown_host_is_68(tmp):
    account = Account("no-such-host.invalid", 995, "u", "p", None, "implicit")
    done = Sled(tmp, {"home": account}).fetch()
    # A machine without any resolver cannot tell: 75.
    assert done.status in (68, 75), done
    assert "no-such-host.invalid" in done.err, done


def test_a_server_that_turns_away_is_69(tmp):
    for fault in ("GREETING:1:err=[IN-USE] busy", "GREETING:1:err=go away",
                  "LOGIN:1:err=[IN-USE] maildrop is locked"):
        with serve(tmp, some(2), "--fault", fault) as server:
            sled = Sled(tmp, {"home": server})
            failed(sled, 69)
            assert report(sled.fetch())["listed"] == 2
            fill_folder(server.folder, some(2))


def test_no_tls_at_all_is_76_without_a_login(tmp):
    with serve(tmp, some(2), "--plain") as server:
        for tls in ("implicit", "starttls"):
            account = Account("localhost", server.port, "demo", "demo",
                              None, tls)
            sled = Sled(tmp, {"home": account}, name=tls,
                        account={"timeout": "3s"})
            failed(sled, 76, "TLS")
        no_login(server)


def test_a_bad_certificate_is_76_without_a_login(tmp):
    for options, word in ((["--cert", "expired"], "expired"),
                          (["--cert", "name"], "name"),
                          (["--tls-version", "1.1"], "TLS"),
                          ([], "issuer")):
        for tls in ([], ["--starttls"]):
            name = f"s{word}{len(tls)}"
            with serve(tmp, some(2), *options, *tls, name=name) as server:
                sled = Sled(tmp, {"home": server}, name="c" + name)
                if not options:  # trusted by nobody here
                    sled.accounts = {"home": Account(
                        "localhost", server.port, "demo", "demo", None,
                        server.tls)}
                    sled.write()
                failed(sled, 76, word)
                no_login(server)


def test_bytes_behind_stls_are_76_without_a_login(tmp):
    """[L2]"""
    with serve(tmp, some(2), "--starttls", "--fault",
               "STLS:1:inject=+OK welcome") as server:
        failed(Sled(tmp, {"home": server}), 76)
        no_login(server)


def test_config_errors_are_78_with_line_and_nearest_key(tmp):
    with serve(tmp, some(1)) as server:
        sled = Sled(tmp, {"home": server}, account={"timeuot": "5s"})
        done = sled.fetch()
        assert done.status == 78, done
        lines = sled.config.read_text().splitlines()
        number = lines.index("timeuot = 5s") + 1
        assert f":{number}" in done.err and "timeout" in done.err, done
        assert not sled.path.exists()
        assert server.commands() == []


def test_a_password_file_that_others_read_is_refused(tmp):
    with serve(tmp, some(1)) as server:
        sled = Sled(tmp, {"home": server})
        (sled.dir / "password-home").chmod(0o644)
        done = sled.fetch()
        assert done.status == 78 and "600" in done.err, done
        assert server.commands() == []


def test_a_store_that_cannot_be_written_is_73(tmp):
    with serve(tmp, some(3)) as server:
        sled = Sled(tmp, {"home": server}, copies=1)
        sled.path.touch()  # a file: not even root can write below it
        done = sled.fetch()
        assert done.status == 73, done
        assert {r["exit"] for r in done.reports} == {73}
        assert server.retrs() == 0 and len(server.left()) == 3


def test_damage_in_both_places_is_65(tmp):
    mail = some(30, lines=100)
    with serve(tmp, mail) as server:
        sled = Sled(tmp, {"home": server})
        report(sled.fetch())
        assert sled.run("verify", "--deep").status == 0
        for place in sled.places:
            (volume,) = volumes(place)
            data = bytearray(volume.read_bytes())
            data[len(data) // 2] ^= 1
            volume.write_bytes(data)
        done = sled.run("verify", "--deep")
        assert done.status == 65, done
        done = sled.run("export", "--to", tmp / "out", "--format", "eml")
        assert done.status == 65, done


# ---- what a visit goes on from ----

def test_one_message_refused(tmp):
    """[W4]"""
    mail = some(9)
    with serve(tmp, mail, "--fault", "RETR:5:err=[SYS/TEMP] disk") as server:
        sled = Sled(tmp, {"home": server})
        row = report(sled.fetch(), 69)
        assert (row["deleted"], row["failed"]) == (8, 1), row
        assert server.left() == ["m00005.eml"]
        assert report(sled.fetch())["deleted"] == 1
        stored_whole(sled, mail, tmp)


def test_a_dele_refused(tmp):
    mail = some(5)
    with serve(tmp, mail, "--fault", "DELE:2:err=no") as server:
        sled = Sled(tmp, {"home": server})
        row = report(sled.fetch(), 69)
        assert row["deleted"] == 4, row
        row = report(sled.fetch())
        assert (row["fetched"], row["deleted"]) == (0, 1), row
        assert server.left() == []


def test_a_line_cut_inside_a_message(tmp):
    mail = some(20, lines=200)
    for cut in (1, 7, 20):
        here = tmp / f"cut{cut}"
        here.mkdir()
        with serve(here, mail, "--fault",
                   f"RETR:{cut}:close-after=900") as server:
            sled = Sled(here, {"home": server})
            row = report(sled.fetch(), 75)
            assert (row["fetched"], row["deleted"]) == (cut - 1, 0), row
            assert row["kept"] == cut - 1 and row["left"] == 21 - cut, row
            row = report(sled.fetch())
            assert (row["fetched"], row["deleted"]) == (21 - cut, 20), row
            # Those in flight behind the cut count for nothing.
            counts = server.retrs_by_name()
            assert all(counts[f"m{i:05d}.eml"] == 1 for i in range(1, cut))
            stored_whole(sled, mail, here)


def test_a_line_that_is_reset(tmp):
    mail = some(12, lines=50)
    for fault in ("RETR:6:reset", "RETR:6:close", "UIDL:1:close-after=9",
                  "CONN:1:close-after-bytes=2500", "DELE:3:reset"):
        here = tmp / fault.replace(":", "-")
        here.mkdir()
        with serve(here, mail, "--fault", fault) as server:
            sled = Sled(here, {"home": server})
            row = report(sled.fetch(), 75)
            first = row["fetched"]
            assert row["deleted"] == 0, row
            row = report(sled.fetch())
            assert first + row["fetched"] == 12, (first, row)
            assert row["deleted"] == 12 and server.left() == []
            stored_whole(sled, mail, here)


def test_a_stall_ends_by_the_timeout(tmp):
    """[W3]"""
    mail = some(6, lines=50)
    for fault, came in (("CONN:1:stall", 0), ("UIDL:1:stall", 0),
                        ("RETR:4:stall-after=100", 3)):
        here = tmp / fault.replace(":", "-")
        here.mkdir()
        with serve(here, mail, "--fault", fault) as server:
            sled = Sled(here, {"home": server}, account={"timeout": "1s"})
            row = report(sled.fetch(), 75)
            assert (row["fetched"], row["kept"]) == (came, came), row
            assert "1 s" in row["error"], row
            sled.be_patient()
            row = report(sled.fetch())
            assert (row["fetched"], row["deleted"]) == (6 - came, 6), row


def test_endless_and_senseless_answers_end(tmp):
    for fault in ("UIDL:1:endless", "LIST:1:endless", "STAT:1:endless",
                  "STAT:1:say=+OK many", "GREETING:1:say=HTTP/1.1 400 no",
                  "STAT:1:say=+OK 99999999999 1"):
        here = tmp / fault.replace(":", "-").replace("/", "-")
        here.mkdir()
        with serve(here, some(3), "--fault", fault) as server:
            sled = Sled(here, {"home": server}, account={"timeout": "5s"})
            failed(sled, 76)
            assert report(sled.fetch())["deleted"] == 3


def test_a_server_that_reads_no_answer_fills_no_memory(tmp):
    """Each new key of TLS that it asks for is answered: once it reads none of
    that, it is left [W2]."""
    with serve(tmp, some(3), "--fault", "STAT:1:keys=400000") as server:
        sled = Sled(tmp, {"home": server}, account={"timeout": "20s"})
        done = measured(sled, "--json", "fetch")
        assert done.status == 76 and "does not read" in done.err, done
        assert report(sled.fetch())["deleted"] == 3


def test_an_endless_message_fills_no_disk(tmp):
    mail = some(3)
    with serve(tmp, mail, "--fault", "RETR:1:endless") as server:
        sled = Sled(tmp, {"home": server})
        with small_disk(sled.path, "40m"):
            row = report(sled.fetch(), 73)
            assert row["fetched"] == 0 and "no room" in row["error"], row
            row = report(sled.fetch())
            assert (row["deleted"], row["held"]) == (2, 1), row
            (held,) = sled.run("--json", "held").json
            assert sled.run("want", held["id"]).status == 0
            row = report(sled.fetch())
            assert row["deleted"] == 1 and server.left() == [], row
            stored_whole(sled, mail, tmp)


def test_servers_that_offer_little(tmp):
    """Each by itself, and all at once."""
    mail = some(12)
    little = ["--no-capa", "--no-top", "--no-sasl", "--no-pipelining"]
    for options in [[o] for o in little] + [little, ["--auth-challenge"],
                                            ["--sasl", "LOGIN"]]:
        here = tmp / "".join(options)
        here.mkdir()
        with serve(here, mail, *options) as server:
            sled = Sled(here, {"home": server})
            assert report(sled.fetch())["deleted"] == 12, options
            stored_whole(sled, mail, here)


def test_pipelining_that_was_only_claimed(tmp):
    """What comes along is dropped: after two visits it is known."""
    mail = some(12)
    with serve(tmp, mail, "--false-pipelining") as server:
        sled = Sled(tmp, {"home": server}, account={"timeout": "1s"})
        for _ in range(2):
            assert report(sled.fetch(), 75)["listed"] == 0
        sled.be_patient()
        assert report(sled.fetch())["deleted"] == 12
        stored_whole(sled, mail, tmp)


# ---- signals, and two at once ----

def stopped(sled, signals, when):
    """Run, signal (again, once the first was understood): its report."""
    process = subprocess.Popen(sled.argv("--json", "fetch"), text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        when()
        process.send_signal(signals[0])
        assert "stopping" in process.stderr.readline()
        for more in signals[1:]:
            process.send_signal(more)
        out, err = process.communicate(timeout=DEADLINE)
    finally:
        process.kill()
        process.wait()
    row = json.loads(out.splitlines()[-1])
    assert row["listed"] == sum(row[k] for k in SUMS), row
    assert process.returncode == row["exit"] == 75, (out, err)
    return row


def test_two_signals_keep_what_is_whole(tmp):
    """The server is silent inside the 30th message: nobody waits for it."""
    mail = some(60, lines=400)
    with serve(tmp, mail, "--fault", "RETR:30:stall-after=10") as server:
        sled = Sled(tmp, {"home": server})
        row = stopped(sled, (signal.SIGTERM, signal.SIGINT),
                      lambda: server.wait_line("fault RETR:30"))
        assert (row["fetched"], row["deleted"]) == (29, 0), row
        assert len(sled.list()) == 29, "whole, and not kept"
        row = report(sled.fetch())
        assert (row["fetched"], row["deleted"]) == (31, 60), row
        stored_whole(sled, mail, tmp)


def test_one_signal_deletes_what_is_safe_at_quit(tmp):
    """The visit ends in order, with less than it wanted."""
    with Pop3d(tmp, "--generate", "20000,3000") as server:
        sled = Sled(tmp, {"home": server})
        row = stopped(sled, (signal.SIGTERM,),
                      lambda: server.wait_line("RETR 300$"))
        assert row["fetched"] == row["deleted"] >= 300, row
        assert row["left"] > 0 and server.count("QUIT") == 1
        assert len(server.mails("gone")) == row["deleted"]


def test_two_fetches_at_once(tmp):
    """[R4]"""
    with serve(tmp, some(5), "--fault", "RETR:3:stall") as server:
        sled = Sled(tmp, {"home": server})
        first = sled.popen("fetch")
        try:
            server.wait_line("fault RETR:3:stall")
            second = sled.fetch()
            assert second.status == 75, second
            assert str(first.pid) in second.err + second.out, second
            assert sled.run("list").status in (0, 66), "readers never wait"
        finally:
            first.kill()
            first.wait()
        assert report(sled.fetch())["deleted"] == 5


# ---- policies ----

def test_a_trial_deletes_nothing_and_says_so(tmp):
    with serve(tmp, some(4)) as server:
        sled = Sled(tmp, {"home": server}, account={"delete": None})
        assert "delete" not in sled.config.read_text()
        done = sled.run("fetch")
        assert done.status == 0 and "trial" in done.out, done
        row = report(sled.fetch())
        assert (row["fetched"], row["kept"]) == (0, 4), row
        assert server.deles() == 0 and len(server.left()) == 4


def test_delete_after_days(tmp):
    with serve(tmp, some(4)) as server:
        sled = Sled(tmp, {"home": server}, account={"delete": "after 14d"})
        for fetched in (4, 0):
            row = report(sled.fetch())
            assert (row["fetched"], row["kept"]) == (fetched, 4), row
        assert server.deles() == 0
        sled.account_keys["delete"] = "after 1s"
        sled.write()
        wait_for(lambda: report(sled.fetch())["deleted"] == 4, "the second")
        assert server.left() == [] and server.retrs() == 4


def test_a_renamed_account_fetches_nothing_again(tmp):
    mail = some(8)
    with serve(tmp, mail) as server:
        sled = Sled(tmp, {"home": server}, account={"delete": "never"})
        report(sled.fetch())
        sled.accounts = {"office": server}
        sled.write()
        row = report(sled.fetch())
        assert row["account"] == "office", row
        assert (row["fetched"], row["kept"]) == (0, 8), row
        (sled.path / ".mailsled/ledger.db").unlink()
        assert report(sled.fetch())["fetched"] == 0
        fill_folder(server.folder, {"new": message(50)})
        again(server)
        assert report(sled.fetch())["fetched"] == 1
        sled.account_keys["delete"] = "verified"
        sled.write()
        assert report(sled.fetch())["deleted"] == 9
        stored_whole(sled, mail + [message(50)], tmp)


def test_large_mail_is_held(tmp):
    mail = {"large": message(1, "x" * 70 + "\n"), "small": message(2)}
    mail["large"] += b"more of it\n" * 20000
    with serve(tmp, mail) as server:
        sled = Sled(tmp, {"home": server}, account={"hold-larger": "100KiB"})
        row = report(sled.fetch())
        assert (row["held"], row["deleted"]) == (1, 1), row
        assert server.left() == ["large.eml"] and server.retrs() == 1
        del sled.account_keys["hold-larger"]
        sled.write()
        row = report(sled.fetch())
        assert (row["held"], row["deleted"]) == (0, 1), row
        stored_whole(sled, mail.values(), tmp)


def test_one_account_fails_the_other_does_not(tmp):
    with serve(tmp, some(4), user="ada") as server, reserve() as held:
        port = held.getsockname()[1]
        nobody = Account("localhost", port, "u", "p", None, "implicit")
        sled = Sled(tmp, {"good": server, "bad": nobody})
        done = sled.fetch()
        assert done.status == 69, done
        rows = {r["account"]: r for r in done.reports}
        assert rows["good"]["deleted"] == 4 and rows["good"]["exit"] == 0
        assert rows["bad"]["exit"] == 69 and rows["bad"]["error"]
