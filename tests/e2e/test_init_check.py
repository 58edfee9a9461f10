"""init writes what fetch can use and keeps the password to itself; check
says of each step whether it works, and changes nothing."""
import os
import pty
import re
import select
import signal
import stat
import subprocess
import termios
import time
from pathlib import Path

from harness import (DEADLINE, ROOT, Account, Dovecot, Pop3d, Skip, Sled,
                     make_ca, message, reserve)
from test_fetch_reach import MS_BIND, call
from test_fetch_tickets import own_mounts

LOGIN = ("AUTH", "USER", "PASS")


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def tree(folder):
    """Every file below, with what would show that it was touched. The shared
    memory of the ledger's readers is none of the store's."""
    return {str(p.relative_to(folder)): (p.lstat().st_mtime_ns,
                                         p.lstat().st_size)
            for p in sorted(Path(folder).rglob("*"))
            if p.is_file() and p.name != "ledger.db-shm"}


def checked(sled, *args, want, **more):
    """check, by people and by programs: both end with WANT."""
    said = sled.run("check", *args, **more)
    assert said.status == want, said
    machine = sled.run("--json", "check", *args, **more)
    assert machine.status == want, machine
    for line in machine.json:
        assert line["ok"] == (line["exit"] == 0) == (line["error"] is None)
    worst = {line["exit"] for line in machine.json}
    assert want in worst, machine
    said.objects = machine.json
    return said


def account_line(result, name="home"):
    line, = [o for o in result.objects if o.get("account") == name]
    return line


def no_login(server):
    """Not a byte of one, whatever the server made of it."""
    assert not [c for c in server.commands() if c[1] in LOGIN], server.lines()
    log = server.log.read_text()
    assert server.password not in log and "ZGVtb" not in log, log


# ---- init ----


def flags(sled, server, /, **more):
    secret = sled.dir / "secret"
    sled.secret(secret, server.password + "\n")
    given = {"server": server.host, "port": server.port, "user": server.user,
             "password-file": secret, "ca-file": server.ca,
             "path": sled.path, "copies": sled.copies[0], **more}
    return [f"--{k}={v}" for k, v in given.items() if v is not None]


def fresh(tmp, **more):
    """A Sled without a configuration."""
    sled = Sled(tmp, {}, **more)
    sled.config.unlink()
    return sled


def test_init_by_flags_then_fetch(tmp):
    with Pop3d(tmp, "--generate", "5") as server:
        sled = fresh(tmp)
        done = sled.run("init", *flags(sled, server, delete="verified"))
        assert done.status == 0, done
        assert "5 messages" in done.out, done
        assert f"next: mailsled -c {sled.config} fetch" in done.out, done
        assert mode(sled.config) == 0o600
        assert not list(sled.dir.glob("*.tmp")) and not sled.path.exists()
        report, = sled.fetch().reports
        assert (report["fetched"], report["deleted"]) == (5, 5), report


def test_init_makes_its_folder_private(tmp):
    with Pop3d(tmp, "--sample") as server:
        sled = fresh(tmp)
        sled.config = tmp / "a" / "mailsled" / "config.ini"
        done = sled.run("init", *flags(sled, server), env={"LANG": "C"})
        assert done.status == 0, done
        assert mode(sled.config.parent) == mode(tmp / "a") == 0o700


def test_init_says_by_json_what_it_did(tmp):
    with Pop3d(tmp, "--sample") as server:
        sled = fresh(tmp)
        done = sled.run("--json", "init", *flags(sled, server))
        assert done.status == 0, done
        first, *rest = done.json
        assert first["event"] == "written"
        assert first["config"] == str(sled.config)
        account, = [o for o in rest if "account" in o]
        assert account["ok"] and account["server"] == "localhost"


def test_init_refuses_to_overwrite(tmp):
    with Pop3d(tmp, "--sample") as server:
        sled = Sled(tmp, {"home": server})
        before = sled.config.read_text()
        done = sled.run("init", *flags(sled, server, account="other"))
        assert done.status == 78 and "--force" in done.err, done
        assert sled.config.read_text() == before and not done.out
        done = sled.run("init", "--force", *flags(sled, server,
                                                  account="other"))
        assert done.status == 0 and "[account other]" in \
            sled.config.read_text(), done


def test_init_without_a_terminal_names_what_is_missing(tmp):
    sled = fresh(tmp)
    done = sled.run("init", "--server", "pop.example.org")
    assert done.status == 64, done
    for flag in ("--user", "--path", "--password-file"):
        assert flag in done.err, done
    assert "--server" not in done.err and not sled.config.exists()


def test_init_refuses_values_that_no_configuration_can_hold(tmp):
    with Pop3d(tmp, "--sample") as server:
        sled = fresh(tmp)
        for status, bad in ((78, {"server": "pop3://localhost"}),
                            (78, {"server": "localhost:995"}),
                            (78, {"user": "a\nb"}),
                            (78, {"account": "no spaces"}),
                            (78, {"delete": "soon"}),
                            (78, {"path": "/a ;b"}),
                            (64, {"port": "0"}), (64, {"port": "x"}),
                            (64, {"tls": "none"})):
            done = sled.run("init", *flags(sled, server, **bad))
            assert done.status == status, (bad, done)
            assert not sled.config.exists() and not done.out, (bad, done)


def test_init_keeps_what_it_wrote_when_the_login_fails(tmp):
    with Pop3d(tmp, "--sample") as server:
        sled = fresh(tmp)
        wrong = sled.dir / "wrong"
        sled.secret(wrong, "not-it\n")
        done = sled.run("init", *flags(sled, server,
                                       **{"password-file": wrong}))
        assert done.status == 77 and sled.config.exists(), done
        assert f"-c {sled.config} check" in done.out, done


def test_init_port_110_means_starttls(tmp):
    sled = fresh(tmp)
    with reserve() as held:
        dead = Account("127.0.0.1", held.getsockname()[1], "ada", "x", None,
                       "implicit")
        sled.run("init", *flags(sled, dead, **{"port": 110, "ca-file": None}))
    assert "tls        = starttls" in sled.config.read_text()


def test_init_new_makes_the_store_without_an_absent_copy(tmp):
    with Pop3d(tmp, "--generate", "3") as server:
        sled = Sled(tmp, {"home": server}, store={
            "copies": f"{tmp}/no/such/place, {tmp}/sled/copy1"})
        done = checked(sled, want=73)
        assert "init --new" in done.out, done
        assert sled.run("fetch").status == 73
        assert not sled.path.exists()
        done = sled.run("init", "--new")
        assert done.status == 0 and sled.path.exists(), done
        assert sled.fetch().status == 0
        assert server.deles() == 3


class Terminal:
    """The program on a terminal of its own."""

    def __init__(self, argv, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, {**os.environ, "TERM": "xterm", **env})
        self.seen = ""

    def until(self, text, count=1):
        """Until TEXT was seen COUNT times; None: until the end."""
        end = time.monotonic() + DEADLINE
        while text is None or self.seen.count(text) < count:
            ready, _, _ = select.select([self.fd], [], [],
                                        end - time.monotonic())
            assert ready, f"no {text!r} in {self.seen!r}"
            try:
                got = os.read(self.fd, 4096)
            except OSError:
                got = b""
            if not got:
                assert text is None, f"no {text!r} in {self.seen!r}"
                break
            self.seen += got.decode(errors="replace")
        return self

    def type(self, question, answer, count=1):
        self.until(question, count)
        if "not shown" in question:
            self.until("not shown; empty: a command is to print it): ", count)
            self.wait_unseen()
        os.write(self.fd, (answer + "\n").encode())
        return self

    def wait_unseen(self):
        end = time.monotonic() + DEADLINE
        while termios.tcgetattr(self.fd)[3] & termios.ECHO:
            assert time.monotonic() < end, "the echo stays"
            time.sleep(0.002)

    def end(self):
        self.until(None)
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def test_init_asks_on_a_terminal_and_hides_the_password(tmp):
    secret = "open-sesame-7"
    with Pop3d(tmp, "--generate", "4", password=secret) as server:
        sled = fresh(tmp)
        sled.config = tmp / "conf" / "config.ini"
        terminal = Terminal(sled.argv("init"),
                            {"SSL_CERT_FILE": str(server.ca)})
        terminal.type("account [home]: ", "")
        terminal.type("POP3 server: ", "demo@localhost")  # asked again
        terminal.type("POP3 server: ", "localhost", 2)
        terminal.type("[995]: ", str(server.port))
        terminal.type("User name there: ", "demo")
        terminal.type("Password (not shown", secret)
        terminal.type("[~/mail]: ", str(sled.path))
        terminal.type("(empty: none): ", str(sled.copies[0]))
        assert terminal.end() == 0, terminal.seen
        assert secret not in terminal.seen
        assert "4 messages" in terminal.seen, terminal.seen
        kept = sled.config.parent / "home.password"
        assert kept.read_text() == secret + "\n" and mode(kept) == 0o600
        text = sled.config.read_text()
        assert secret not in text and mode(sled.config) == 0o600
        assert f"password-file = {kept}" in text
        done = sled.run("--json", "fetch",
                        env={"SSL_CERT_FILE": str(server.ca)})
        assert done.status == 0 and done.reports[0]["fetched"] == 4, done


def test_init_ends_a_question_without_a_trace(tmp):
    for ending in ("\x03", "\x04"):
        sled = fresh(tmp)
        sled.config = tmp / "conf" / "config.ini"
        terminal = Terminal(sled.argv("init", "--server", "localhost",
                                      "--path", "/x", "--user", "a"), {})
        terminal.until("Password (not shown")
        terminal.wait_unseen()
        os.write(terminal.fd, ending.encode())
        assert terminal.end() == 64, terminal.seen
        assert "nothing was written" in terminal.seen
        assert not sled.config.parent.exists()


# ---- check ----


def test_check_of_a_good_server_changes_nothing(tmp):
    with Pop3d(tmp, "--generate", "6") as server:
        sled = Sled(tmp, {"home": server})
        before = tree(tmp / "sled")
        done = checked(sled, want=0)
        assert "error" not in done.out and "6 messages" in done.out, done
        assert tree(tmp / "sled") == before
        line = account_line(done)
        assert line["listed"] == 6 and line["mail_bytes"] > 0, line
        assert line["tls"] == "TLSv1.3" and line["login"], line
        assert line["uidl"] and line["top"] and line["pipelining"], line
        places = [o for o in done.objects if "place" in o]
        assert [o["place"] for o in places] == [str(p) for p in sled.places]
        assert all(o["usable"] and not o["present"] and o["free_bytes"] > 0
                   for o in places), places
        assert not server.retrs() and not server.deles()
        assert server.count("TOP") == 0


def test_check_of_a_store_with_mail_changes_nothing(tmp):
    with Pop3d(tmp, "--generate", "6") as server:
        sled = Sled(tmp, {"home": server}, account={"delete": "never"})
        assert sled.fetch().status == 0
        before = tree(tmp / "sled")
        done = checked(sled, want=0)
        after = tree(tmp / "sled")
        assert after == before, set(after) ^ set(before)
        assert all(o["present"] for o in done.objects if "place" in o)


def test_check_of_dovecot_both_ways(tmp):
    with Dovecot() as dovecot:
        dovecot.fill("u1", [message(i) for i in range(3)])
        sled = Sled(tmp, {"tls": dovecot, "stls": dovecot.account(
            starttls=True)._replace(host="127.0.0.1")})
        done = checked(sled, want=0)
        assert all(account_line(done, name)["listed"] == 3
                   for name in ("tls", "stls")), done.objects
        assert dovecot.left("u1") == 3
        done = checked(sled, "stls", want=0)
        assert [o["account"] for o in done.objects if "account" in o] == [
            "stls"]


def test_check_is_quiet_when_all_is_well(tmp):
    with Pop3d(tmp, "--sample") as server:
        sled = Sled(tmp, {"home": server})
        done = sled.run("-q", "check")
        assert done.status == 0 and " ok " not in done.out, done
        assert not done.err, done


def test_check_of_an_unknown_account_names_the_nearest(tmp):
    with Pop3d(tmp, "--sample") as server:
        done = Sled(tmp, {"home": server}).run("check", "hom")
        assert done.status == 66 and "did you mean home?" in done.err, done


def test_check_of_a_wrong_password(tmp):
    with Pop3d(tmp, "--sample") as server:
        wrong = Account(server.host, server.port, "demo", "nope", server.ca,
                        "implicit")
        done = checked(Sled(tmp, {"home": wrong}), want=77)
        assert "refuses the login" in done.out and "->" in done.out, done
        assert account_line(done)["login"] is False
        assert "nope" not in done.out + done.err


def test_check_of_a_host_that_is_not_there(tmp):
    away = Account("pop.nowhere.invalid", 995, "u", "p", None, "implicit")
    done = Sled(tmp, {"home": away}).run("check")
    assert done.status in (68, 75), done
    assert "pop.nowhere.invalid" in done.out and "->" in done.out, done


def test_check_of_a_closed_port(tmp):
    with reserve() as held:
        dead = Account("127.0.0.1", held.getsockname()[1], "u", "p", None,
                       "implicit")
        done = checked(Sled(tmp, {"home": dead}), want=69)
    assert account_line(done)["peer"] is None


def refused(tmp, server, account=None, what=""):
    done = checked(Sled(tmp, {"home": account or server}), want=76)
    assert what in done.out and "->" in done.out, done
    assert account_line(done)["tls"] is None
    no_login(server)


def test_check_of_a_server_without_tls(tmp):
    with Pop3d(tmp, "--sample", "--plain") as server:
        refused(tmp, server, what="plain POP3")
        refused(tmp, server, Account("localhost", server.port, "demo", "demo",
                                     None, "starttls"), "no STLS")


def test_check_of_an_expired_certificate(tmp):
    with Pop3d(tmp, "--sample", "--cert", "expired") as server:
        refused(tmp, server, what="expired")


def test_check_of_a_certificate_for_another_name(tmp):
    with Pop3d(tmp, "--sample", "--cert", "name") as server:
        refused(tmp, server, what="other names")


def test_check_of_an_unknown_issuer(tmp):
    other = make_ca(tmp / "other")
    with Pop3d(tmp, "--sample") as server:
        refused(tmp, server, Account("localhost", server.port, "demo", "demo",
                                     other, "implicit"), "not")


def test_check_of_a_password_file_that_others_may_read(tmp):
    with Pop3d(tmp, "--sample") as server:
        sled = Sled(tmp, {"home": server})
        (sled.dir / "password-home").chmod(0o644)
        done = checked(sled, want=78)
        assert "0644" in done.out and "chmod 600" in done.out, done
        assert not server.events("open")


def test_check_of_a_password_command_that_fails(tmp):
    with Pop3d(tmp, "--sample") as server:
        sled = Sled(tmp, {"home": server}, account={
            "password-file": None, "password-command": "exit 3"})
        done = checked(sled, want=78)
        assert "password-command" in done.out, done


def test_check_of_a_server_without_unique_ids(tmp):
    for top, want in ((["--no-top"], 78), ([], 0)):
        with Pop3d(tmp, "--sample", "--no-uidl", *top) as server:
            for delete, status in (("never", want), ("after 14d", want),
                                   ("verified", 0)):
                sled = Sled(tmp, {"home": server}, account={"delete": delete})
                done = checked(sled, want=status)
                assert "unique-ids (UIDL)" in done.out, done
                assert account_line(done)["uidl"] is False


def test_check_tells_of_expire_0(tmp):
    with Pop3d(tmp, "--sample", "--expire0") as server:
        sled = Sled(tmp, {"home": server}, account={"delete": "never"})
        done = checked(sled, want=0)
        assert "cannot be promised" in re.sub(r"\s+", " ", done.out), done
        assert account_line(done)["expire_0"] is True


def test_check_of_a_store_that_cannot_be(tmp):
    (tmp / "file").write_text("")
    with Pop3d(tmp, "--sample") as server:
        for path in (tmp / "file" / "mail", tmp / "no" / "such" / "mail"):
            sled = Sled(tmp, {"home": server}, store={"path": path})
            done = checked(sled, want=73)
            assert str(path) in done.out, done
            assert account_line(done)["ok"] is True


def test_check_of_a_folder_that_this_user_may_not_write(tmp):
    """As nobody, when this is root: root may write anywhere."""
    (tmp / "shut").mkdir(mode=0o755)
    if os.geteuid() != 0:
        (tmp / "shut").chmod(0o555)
    with Pop3d(tmp, "--sample") as server:
        sled = Sled(tmp, {"home": server}, store={"path": tmp / "shut/mail"})
        server.ca.chmod(0o644)
        if os.geteuid() == 0:
            for name in (".", "config.ini", "password-home"):
                os.chown(sled.dir / name, 65534, 65534)
        done = subprocess.run(
            sled.argv("check"), text=True, capture_output=True, timeout=60,
            **({"user": 65534} if os.geteuid() == 0 else {}))
        assert done.returncode == 73, done
        assert "no mail can be written" in done.stdout, done
        assert "Permission denied" in done.stdout, done


def test_check_of_an_absent_copy(tmp):
    """Not needed: a warning. Needed: 73."""
    with Pop3d(tmp, "--sample") as server:
        copies = [tmp / "sled/copy1", tmp / "sled/copy2"]
        sled = Sled(tmp, {"home": server}, account={"delete": "never"},
                    copies=2)
        assert sled.fetch().status == 0
        (copies[1] / "COPY.txt").unlink()
        done = checked(sled, want=0)
        assert "warning" in done.out and "--adopt" in done.out, done
        (copies[0] / "COPY.txt").unlink()
        done = checked(sled, want=73)
        assert "min-copies = 2" in done.out, done


def test_check_of_a_damaged_ledger(tmp):
    with Pop3d(tmp, "--sample") as server:
        sled = Sled(tmp, {"home": server}, account={"delete": "never"})
        assert sled.fetch().status == 0
        ledger = sled.path / ".mailsled/ledger.db"
        ledger.write_bytes(b"\0" * 8192)
        checked(sled, want=65)
        ledger.unlink()
        done = checked(sled, want=0)
        assert "warning" in done.out, done


def test_check_tells_where_the_configuration_is_wrong(tmp):
    with Pop3d(tmp, "--sample") as server:
        sled = Sled(tmp, {"home": server})
        good = sled.config.read_text()
        for text, line, near in (
                (good + "tiemout = 5s\n", good.count("\n") + 1, "timeout"),
                (good.replace("[store]", "[stroe]"), 1, "store")):
            sled.config.write_text(text)
            done = sled.run("check")
            assert done.status == 78, done
            assert f"config.ini:{line}:" in done.err, done
            assert near in done.err, done
            done = sled.run("--json", "check")
            assert done.status == done.json[0]["exit"] == 78, done
        sled.config.unlink()
        done = sled.run("check")
        assert done.status == 78 and "mailsled init" in done.err, done


def test_check_warns_of_a_configuration_that_others_may_write(tmp):
    with Pop3d(tmp, "--sample") as server:
        sled = Sled(tmp, {"home": server})
        sled.config.chmod(0o666)
        done = checked(sled, want=0)
        assert "others may write it" in done.out, done


def test_check_warns_of_one_place_and_of_one_disk(tmp):
    with Pop3d(tmp, "--sample") as server:
        done = checked(Sled(tmp, {"home": server}, copies=0), want=0)
        assert "min-copies = 1" in done.out, done
        done = checked(Sled(tmp, {"home": server}, copies=1), want=0)
        assert "on one disk" in done.out, done
        done = checked(Sled(tmp, {"home": server}, store={
            "distinct-devices": "yes"}), want=73)
        assert "1 usable disk" in done.out, done


def test_status_and_each_visit_tell_of_one_disk(tmp):
    with Pop3d(tmp, "--generate", "2") as server:
        sled = Sled(tmp, {"home": server})
        assert "(1 disk)" in sled.run("fetch").out
        assert "(1 disk)" in sled.run("fetch").out
        assert "all on one disk" in sled.run("status").out
        rows = sled.run("--json", "status").json
        assert [r["one_disk"] for r in rows if "one_disk" in r] == [True]


def test_check_warns_of_a_stick_that_is_not_encrypted(tmp):
    """As the kernel would say of the disk below: it can be carried off."""
    libc = own_mounts()
    disk = os.stat(tmp).st_dev
    block = Path(f"/sys/dev/block/{os.major(disk)}:"
                 f"{os.minor(disk)}").resolve()
    flag = next((p / "removable" for p in (block, block.parent)
                 if (p / "removable").exists()), None)
    if flag is None:
        raise Skip("no disk is known below the temporary folder")
    with Pop3d(tmp, "--sample") as server:
        sled = Sled(tmp, {"home": server})
        assert "not encrypted" not in checked(sled, want=0).out
        (tmp / "yes").write_text("1\n")
        call(libc.mount(str(tmp / "yes").encode(), str(flag).encode(), None,
                        MS_BIND, None))
        done = checked(sled, want=0)
        for place in sled.places:
            assert (f"{place} is on a disk that can be carried off, and is "
                    "not encrypted") in done.out, done
        assert "cryptsetup luksFormat" in done.out, done


def test_check_warns_of_a_link_that_no_interface_has(tmp):
    with Pop3d(tmp, "--generate", "1") as server:
        sled = Sled(tmp, {"home": server})
        sled.config.write_text(
            sled.config.read_text() + "\n[link lo]\n[link l?]\n"
            "[link metered]\n[link default]\n[link dial7]\n"
            "up-command = true\ndown-command = true\n"
            "[link etx0]\nbudget = 5MiB/day\n[link zz*]\n")
        done = sled.run("check")
        assert done.status == 0, done
        for name in ("etx0", "zz*"):
            assert f"[link {name}]: no interface" in done.out, done
        assert done.out.count("no interface") == 2, done


def test_the_links_that_are_shipped_need_nothing_but_a_price(tmp):
    text = (ROOT / "packaging/links.ini").read_text()
    priced = re.sub(r"#(\w)", r"\1", text).replace("PRICE", "0.50")
    assert priced.count("budget") > 5 and text.count("\ncost") == 0
    with Pop3d(tmp, "--generate", "1") as server:
        sled = Sled(tmp, {"home": server}, copies=1)
        for section in (text, priced):
            sled.write()
            sled.config.write_text(sled.config.read_text() + section)
            done = sled.run("--json", "check")
            assert done.status == 0, done
            said = next(o for o in done.json if "config" in o)["warnings"]
            assert said.count("[link ") == 5 == said.count(
                "no interface has this name"), said


def test_check_ends_at_ctrl_c(tmp):
    with Pop3d(tmp, "--sample", "--fault", "CONN:stall") as server:
        sled = Sled(tmp, {"home": server})
        process = sled.popen("check")
        server.wait_line("fault CONN")
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 75
