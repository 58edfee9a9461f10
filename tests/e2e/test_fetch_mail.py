"""Mail comes down whole, is in every place, and only then leaves the server.
The happy way, against a real Dovecot."""
import collections
import os
import subprocess
from pathlib import Path

from harness import (ROOT, Dovecot, Pop3d, Sled, check_receipts, fill_folder,
                     message, odd_messages, only_slow, same_mail, untar,
                     volumes, wire)

SUMS = ("deleted", "kept", "held", "left", "failed")


def corpus():
    """Real mail where there is some (MAIL_CORPUS), made-up mail elsewhere."""
    named = os.environ.get("MAIL_CORPUS")
    folder = Path(named) if named else ROOT.parent / "shared/mail"
    mail = [p.read_bytes() for p in sorted(folder.glob("*.eml"))]
    assert mail or not named, f"MAIL_CORPUS={named} holds no *.eml"
    if mail:
        print(f"# {len(mail)} real messages", flush=True)
        return mail
    print("# no real mail here: made-up messages instead", flush=True)
    made = [message(i, f"{'word ' * (i % 40)}\n" * i) for i in range(100, 150)]
    return made + list(odd_messages().values())


def report(result, status=0):
    """The one report of a visit to one account, its sums checked."""
    assert result.status == status, result
    (row,) = result.reports
    assert row["exit"] == status, row
    assert row["listed"] == sum(row[k] for k in SUMS), row
    return row


def stored_whole(sled, mail, tmp):
    """In each place: exactly MAIL, each message by its receipt too."""
    wanted = [wire(m) for m in mail]
    for number, place in enumerate(sled.places):
        folder = tmp / f"out{number}"
        same_mail(untar(place, folder), wanted)
        assert check_receipts(place, folder) == len(wanted)


def test_real_mail_through_dovecot(tmp):
    mail = corpus()
    with Dovecot() as server:
        server.fill("u1", mail)
        sled = Sled(tmp, {"home": server})
        row = report(sled.fetch())
        assert row["listed"] == row["fetched"] == row["deleted"] == len(mail)
        assert row["mail_bytes"] == sum(len(wire(m)) for m in mail)
        assert server.left("u1") == 0
        stored_whole(sled, mail, tmp)
        assert len(sled.list()) == len(mail)
        again = report(sled.fetch())
        assert again["listed"] == again["fetched"] == 0, again


def test_messages_that_break_others(tmp):
    mail = odd_messages()
    mail["large"] = message(20, b"a line of some length, again\n" * 160000)
    assert 4_600_000 < len(mail["large"]) < 4_700_000
    for kind in ("dovecot", "pop3d"):
        here = tmp / kind
        here.mkdir(mode=0o755)
        server = (Dovecot() if kind == "dovecot" else
                  Pop3d(here, folder=fill_folder(here / "mail", mail)))
        with server:
            if kind == "dovecot":
                server.fill("u1", mail.values())
            sled = Sled(here, {"home": server})
            row = report(sled.fetch())
            assert row["fetched"] == row["deleted"] == len(mail), row
            stored_whole(sled, mail.values(), here)
            rows = sled.list()
            assert len(rows) == len(mail)
            shas = collections.Counter(r["sha256"] for r in rows)
            assert sorted(shas.values())[-2:] == [1, 2], "twins have one row"
            assert len({r["number"] for r in rows}) == len(mail)
            assert not any(r["on_server"] for r in rows), rows


def test_a_missing_final_newline_is_no_damage(tmp):
    """Dovecot lists such a message two octets smaller than it sends it; by
    then it is known for exact sizes."""
    mail = [message(i) for i in range(30)] + [message(40, "no end")] * 2
    with Dovecot() as server:
        server.fill("u1", mail)
        sled = Sled(tmp, {"home": server})
        assert report(sled.fetch())["deleted"] == 32
        assert server.left("u1") == 0
        stored_whole(sled, mail, tmp)


def test_a_message_of_100_mb(tmp):
    only_slow()
    line = b"0123456789abcdefghijklmnopqrstuvwxyz+/" * 2 + b"\n"
    mail = [message(1), message(2, line * (100_000_000 // len(line))),
            message(3)]
    with Dovecot() as server:
        server.fill("u1", mail)
        sled = Sled(tmp, {"home": server})
        row = report(sled.fetch(timeout=300))
        assert row["fetched"] == row["deleted"] == 3, row
        assert server.left("u1") == 0
        stored_whole(sled, mail, tmp)


test_a_message_of_100_mb.timeout = 400


def test_two_accounts_in_one_folder(tmp):
    """The same mail in both: no entry of one hides one of the other."""
    mail = list(odd_messages().values()) + [message(i) for i in range(30, 70)]
    with Dovecot(users=("u1", "u2")) as server:
        for user in server.users:
            server.fill(user, mail)
        sled = Sled(tmp, {"home": server.account("u1"),
                          "work": server.account("u2")})
        done = sled.fetch()
        assert done.status == 0, done
        assert {r["account"]: r["deleted"] for r in done.reports} == {
            "home": len(mail), "work": len(mail)}
        for place in sled.places:
            names = [name for volume in volumes(place) for name in
                     subprocess.run(["tar", "tzf", str(volume)], text=True,
                                    check=True, capture_output=True
                                    ).stdout.splitlines()]
            assert len(names) == len(set(names)), "an entry has two owners"
        stored_whole(sled, mail + mail, tmp)


def test_stls_and_a_password_command(tmp):
    mail = [message(i) for i in range(5)]
    with Dovecot() as server:
        server.fill("u1", mail)
        sled = Sled(tmp, {"home": server.account("u1", starttls=True)},
                    account={"password-file": None,
                             "password-command": "echo secret-u1"})
        assert "password-file" not in sled.config.read_text()
        assert report(sled.fetch())["deleted"] == 5
        stored_whole(sled, mail, tmp)


def test_an_mbox_behind_the_server(tmp):
    mail = [message(i, "From here\n>From there\n" * i) for i in range(20)]
    with Dovecot(mbox=True) as server:
        server.fill("u1", mail)
        sled = Sled(tmp, {"home": server}, account={"delete": "never"})
        row = report(sled.fetch())
        assert (row["fetched"], row["kept"]) == (20, 20), row
        assert report(sled.fetch())["fetched"] == 0
        sled.account_keys["delete"] = "verified"
        sled.write()
        row = report(sled.fetch())
        assert (row["fetched"], row["deleted"]) == (0, 20), row
        assert server.left("u1") == 0


def test_what_came_is_said(tmp):
    with Pop3d(tmp, folder=fill_folder(tmp / "mail", [
            message(3, subject="The harbour at noon")])) as server:
        done = Sled(tmp, {"home": server}).run("fetch")
        assert done.status == 0, done
        head, came = done.lines
        assert head.startswith("home: 1 came") and "1 deleted" in head, head
        assert "Sender 3" in came and "The harbour at noon" in came, came


def test_unique_ids_refused_once_cost_no_second_download(tmp):
    for name, extra in (("told", ()), ("known", ("--no-capa",))):
        with Pop3d(tmp, "--generate", "20", "--fault",
                   "UIDL:2:err=try later", *extra, name=name) as server:
            sled = Sled(tmp, {"home": server}, account={"delete": "never"},
                        name=f"sled-{name}")
            assert sled.fetch().status == 0
            refused = sled.fetch()
            assert refused.status == 69, refused
            assert "refuses UIDL" in refused.reports[-1]["error"], refused
            assert sled.fetch().status == 0
            assert server.retrs() == 20, name


def test_what_a_server_does_not_list_or_delete_is_no_success(tmp):
    for name, fault, status, error in (
            ("list", "LIST:1:say=+OK\r\n1 x\r\n.", 76, "than it lists"),
            ("dele", "DELE:2:err=no", 69, "refused to delete")):
        with Pop3d(tmp, "--generate", "5", "--fault", fault,
                   name=name) as server:
            sled = Sled(tmp, {"home": server}, name=f"sled-{name}")
            done = sled.fetch()
            assert done.status == status, done
            assert error in done.reports[-1]["error"], done
            assert sled.fetch().status == 0
            assert report(sled.fetch())["listed"] == 0
            assert server.retrs() == 5, name


def test_a_body_without_an_end_is_ended(tmp):
    with Pop3d(tmp, "--generate", "5", "--fault", "RETR:2:endless") as server:
        sled = Sled(tmp, {"home": server})
        done = sled.fetch()
        assert done.status == 76, done
        assert "message 2 has no end" in done.reports[-1]["error"], done
        assert done.reports[-1]["fetched"] == 1, done
        row = report(sled.fetch())
        assert (row["fetched"], row["deleted"], row["held"]) == (3, 4, 1), row


def test_leave_mode_fetches_each_once(tmp):
    folder = fill_folder(tmp / "mail", [message(i) for i in range(30)])
    with Pop3d(tmp, folder=folder) as server:
        sled = Sled(tmp, {"home": server}, account={"delete": "never"})
        row = report(sled.fetch())
        assert (row["fetched"], row["kept"]) == (30, 30), row
        fill_folder(folder, {"n1": message(31), "a0": message(32)})
        server.stop()
        server.start(server.port)
        row = report(sled.fetch())
        assert (row["fetched"], row["kept"]) == (2, 32), row
        assert all(r["on_server"] for r in sled.list())
        assert set(server.retrs_by_name().values()) == {1}
        assert server.deles() == 0 and len(server.left()) == 32
