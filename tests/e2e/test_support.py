"""The tests' own ground: pop3d misbehaves as told and only then, and the
harness's Dovecot serves. What they prove about mailsled hangs on this."""
import base64
import os
import poplib
import re
import shutil
import socket
import ssl
import subprocess
import time

import harness
from harness import (Dovecot, Pop3d, Skip, fill_folder, message, odd_messages,
                     talk, wire)

poplib._MAXLINE = 100000  # its own bound is below what mail may hold


def connect(server, login=True, timeout=20):
    if server.tls == "implicit":
        pop = poplib.POP3_SSL("localhost", server.port, timeout=timeout,
                              context=server.context())
    else:
        pop = poplib.POP3("localhost", server.port, timeout=timeout)
        if server.tls == "starttls":
            pop.stls(context=server.context())
    if login:
        pop.user(server.user)
        pop.pass_(server.password)
    return pop


def fetch(pop, number):
    return b"".join(line + b"\r\n" for line in pop.retr(number)[1])


def raw(server):
    """A TLS socket with a file to read lines from, greeting read."""
    plain = socket.create_connection(("127.0.0.1", server.port), 20)
    tls = server.context().wrap_socket(plain, server_hostname="localhost")
    file = tls.makefile("rb")
    file.readline()
    return tls, file


def refused(call, *args):
    try:
        call(*args)
    except poplib.error_proto as why:
        said = why.args[0]
        return said if isinstance(said, bytes) else said.encode()
    raise AssertionError("was not refused")


def broken(call, *args):
    """What was cut off shows as an error of the line, not of the protocol."""
    try:
        call(*args)
    except (OSError, EOFError, ssl.SSLError, poplib.error_proto) as why:
        assert not str(why).startswith("b'-ERR"), why
        return
    raise AssertionError("was not cut off")


def three(tmp):
    return fill_folder(tmp / "mail", [message(i) for i in (1, 2, 3)])


def test_folder_is_served_byte_by_byte(tmp):
    mail = odd_messages()
    mail["crlf"] = wire(message(20))
    with Pop3d(tmp, folder=fill_folder(tmp / "mail", mail)) as server:
        pop = connect(server)
        names = [line.split()[1].decode() for line in pop.uidl()[1]]
        assert names == sorted(mail), names
        sizes = [int(line.split()[1]) for line in pop.list()[1]]
        for number, name in enumerate(names, 1):
            got = fetch(pop, number)
            assert got == wire(mail[name]), name
            assert sizes[number - 1] == len(got), name
        assert pop.stat() == (len(mail), sum(sizes))
        pop.quit()
        assert server.left() == sorted(f"{n}.eml" for n in mail)
        assert server.retrs() == len(mail) == len(server.mails("RETR"))
        assert server.stop() == 0


def test_deletion_waits_for_quit(tmp):
    with Pop3d(tmp, folder=three(tmp)) as server:
        pop = connect(server)
        pop.dele(2)
        pop.close()
        server.wait_closed()
        assert len(server.left()) == 3
        pop = connect(server)
        pop.dele(1)
        pop.rset()
        pop.dele(3)
        assert "-ERR" in refused(pop.retr, 3).decode()
        pop.quit()
        assert server.left() == ["m00001.eml", "m00002.eml"]
        assert server.mails("gone") == ["m00003.eml"]


def test_a_read_only_folder_loses_nothing_even_to_root(tmp):
    folder = three(tmp)
    folder.chmod(0o555)
    with Pop3d(tmp, folder=folder) as server:
        pop = connect(server)
        pop.dele(1)
        pop.quit()
        server.wait_closed()
        assert len(server.left()) == 3
        assert server.mails("stuck") == ["m00001.eml"]
    folder.chmod(0o755)


def test_top_stops_at_its_lines(tmp):
    body = "".join(f"line {i}\n" for i in range(9))
    with Pop3d(tmp, folder=fill_folder(tmp / "m", [message(1, body)])) as s:
        pop = connect(s)
        assert pop.top(1, 0)[1][-1] == b""
        assert pop.top(1, 2)[1][-3:] == [b"", b"line 0", b"line 1"]
        assert pop.top(1, 99)[1][-1] == b"line 8"


def test_second_session_is_told_in_use(tmp):
    with Pop3d(tmp, "--sample") as server:
        first = connect(server)
        why = refused(connect, server)
        assert why.startswith(b"-ERR [IN-USE]"), why
        first.quit()
        connect(server).quit()


def test_each_way_to_log_in(tmp):
    plain = base64.b64encode(b"\0demo\0demo")
    word = base64.b64encode(b"demo")
    ways = [[b"AUTH PLAIN " + plain], [b"AUTH PLAIN", plain],
            [b"AUTH LOGIN", word, word], [b"AUTH LOGIN " + word, word],
            [b"USER demo", b"PASS demo"]]
    with Pop3d(tmp, "--sample") as server:
        for way in ways:
            tls, file = raw(server)
            for line in way:
                tls.sendall(line + b"\r\n")
                answer = file.readline()
            assert answer.startswith(b"+OK"), (way, answer)
            tls.sendall(b"QUIT\r\n")
            assert file.readline().startswith(b"+OK")
            tls.close()
        bad = connect(server, login=False)
        bad.user("demo")
        assert refused(bad.pass_, "wrong").startswith(b"-ERR [AUTH]")
        log = "\n".join(server.lines())
        assert plain.decode() not in log and "PASS demo" not in log
        assert word.decode() not in log and "PASS ***" in log


def test_pipelined_commands_are_answered_in_order(tmp):
    with Pop3d(tmp, "--generate", "2000") as server:
        tls, file = raw(server)
        tls.sendall(b"USER demo\r\nPASS demo\r\nSTAT\r\n")
        stat = [file.readline() for _ in range(3)][2].split()
        assert stat == [b"+OK", b"2000", b"3000000"], stat
        sent = taken = 0
        began = time.monotonic()
        while taken < 2000:
            batch = min(200, 2000 - sent)
            tls.sendall(b"".join(b"RETR %d\r\n" % (sent + i + 1)
                                 for i in range(batch)))
            sent += batch
            while taken < sent:
                assert file.readline() == b"+OK 1500 octets\r\n"
                size, line = 0, file.readline()
                while line != b".\r\n":
                    size += len(line) - line.startswith(b".")
                    line = file.readline()
                assert size == 1500
                taken += 1
        print(f"2000 messages: {time.monotonic() - began:.2f} s")


def test_generated_mail_stays_deleted_in_the_next_session(tmp):
    with Pop3d(tmp, "--generate", "5,400") as server:
        pop = connect(server)
        names = [line.split()[1] for line in pop.uidl()[1]]
        pop.dele(2)
        pop.quit()
        pop = connect(server)
        assert [line.split()[1] for line in pop.uidl()[1]] == \
            names[:1] + names[2:]
        assert pop.stat() == (4, 1600)
        assert len({fetch(pop, n) for n in (1, 2, 3, 4)}) == 4


def test_sample_mail_is_varied(tmp):
    with Pop3d(tmp, "--sample", "--once") as server:
        pop = connect(server)
        count = pop.stat()[0]
        mail = [fetch(pop, n) for n in range(1, count + 1)]
        assert count == 12 and len(set(mail)) == 12
        sizes = [int(line.split()[1]) for line in pop.list()[1]]
        assert sizes == [len(m) for m in mail]
        assert any(b"\r\n.\r\n" in m for m in mail)
        assert max(len(line) for m in mail for line in m.split(b"\r\n")) > 998
        pop.quit()
        assert server.process.wait(20) == 0


def test_starttls_refuses_login_in_the_clear(tmp):
    with Pop3d(tmp, "--sample", "--starttls") as server:
        pop = connect(server, login=False)
        assert "STLS" not in pop.capa()
        pop.quit()
        clear = poplib.POP3("localhost", server.port, timeout=20)
        capa = clear.capa()
        assert "STLS" in capa and "SASL" not in capa and "USER" not in capa
        assert b"TLS first" in refused(clear.user, "demo")
        clear.quit()
        connect(server).quit()
        early = socket.create_connection(("127.0.0.1", server.port), 20)
        early.sendall(b"STLS\r\nUSER demo\r\n")
        assert early.makefile("rb").read().count(b"\r\n") == 2
        server.wait_line("early")


def test_certificate_is_what_was_asked_for(tmp):
    for kind, why in (("good", ""), ("expired", "expired"),
                      ("name", "ostname")):
        with Pop3d(tmp, "--sample", "--cert", kind, name=kind) as server:
            try:
                connect(server).quit()
                said = ""
            except ssl.SSLCertVerificationError as error:
                said = error.verify_message
            assert why in said and bool(why) == bool(said), said
    with Pop3d(tmp, "--sample") as a, Pop3d(tmp, "--sample", name="b") as b:
        a.ca = b.ca
        try:
            connect(a)
            raise AssertionError("another CA was believed")
        except ssl.SSLCertVerificationError:
            pass
    with Pop3d(tmp, "--sample", "--tls-version", "1.1", name="old") as server:
        broken(connect, server)
        server.wait_line("tls-failed")


def test_openssl_verifies_names_and_addresses(tmp):
    with Pop3d(tmp, "--sample") as server:
        for check in (["-verify_hostname", "localhost"],
                      ["-verify_ip", "127.0.0.1"], ["-verify_ip", "::1"]):
            done = subprocess.run(
                ["openssl", "s_client", "-connect",
                 f"127.0.0.1:{server.port}", "-CAfile", str(server.ca),
                 "-verify_return_error", "-quiet", *check],
                input=b"QUIT\r\n", capture_output=True, timeout=20)
            assert b"+OK pop3d ready" in done.stdout, done.stderr


def test_capabilities_can_be_taken_and_given(tmp):
    with Pop3d(tmp, "--sample", "--capa-off", "TOP", "--capa-add",
               "EXPIRE0", "--no-pipelining") as server:
        capa = connect(server, login=False).capa()
        assert "TOP" not in capa and "PIPELINING" not in capa
        assert "EXPIRE0" in capa and capa["SASL"] == ["PLAIN", "LOGIN"]
    with Pop3d(tmp, "--sample", "--no-capa", "--no-uidl", "--no-top",
               "--no-sasl", name="bare") as server:
        pop = connect(server)
        for call, args in ((pop.capa, ()), (pop.uidl, ()), (pop.top, (1, 0)),
                           (pop._shortcmd, ("AUTH PLAIN",))):
            assert refused(call, *args).startswith(b"-ERR")


def uids(server):
    pop = connect(server)
    listed = [line.split(b" ", 1)[1] for line in pop.uidl()[1]]
    one = pop.uidl(1).split(b" ", 2)[2]
    assert one == listed[0] or server.args[1] == "spaces", (one, listed[0])
    return pop, listed


def test_unique_ids_go_wrong_as_told(tmp):
    def modes():
        for mode in ("name", "hash", "reuse", "renumber", "double", "long",
                     "control", "spaces"):
            folder = three(tmp / mode)
            with Pop3d(tmp / mode, "--uid-mode", mode, folder=folder) as s:
                pop, first = uids(s)
                pop.dele(1)
                pop.quit()
                yield mode, first, uids(s)[1]
    got = {mode: (first, again) for mode, first, again in modes()}
    for mode in ("name", "hash", "long", "control", "spaces"):
        first, again = got[mode]
        assert len(set(first)) == 3 and again == first[1:], got[mode]
    assert got["reuse"] == ([b"id-1", b"id-2", b"id-3"], [b"id-1", b"id-2"])
    assert not set(got["renumber"][0]) & set(got["renumber"][1])
    assert got["double"][0][0] == got["double"][0][1] != got["double"][0][2]
    assert len(got["long"][0][0]) > 200
    assert b"\x1b" in got["control"][0][0] and got["spaces"][0][0][:1] == b" "
    with Pop3d(tmp, "--sample", "--uid-mode", "empty") as server:
        assert {line.split(b" ", 1)[1]
                for line in connect(server).uidl()[1]} == {b""}


def test_listed_sizes_go_wrong_as_told(tmp):
    def sizes(server):
        pop = connect(server)
        got = int(pop.list(1).split()[2])
        length = len(fetch(pop, 1))
        pop.quit()
        return got, length
    small = wire(message(1))
    wants = {"exact": [len(small)] * 3, "zero": [0] * 3,
             "lf": [len(message(1))] * 3, "huge": [9 * 10 ** 18] * 3,
             "grow": [len(small) + more for more in (0, 22, 66)]}
    for mode, want in wants.items():
        with Pop3d(tmp, "--size-mode", mode, folder=three(tmp),
                   name=mode) as server:
            got = [sizes(server) for _ in range(3)]
        assert [size for size, _ in got] == want, (mode, got)
        if mode == "grow":
            assert [length for _, length in got] == want
        else:
            assert {length for _, length in got} == {len(small)}


def test_expire_0_deletes_what_was_retrieved(tmp):
    for option in ("--expire0", "--expire0-silent"):
        folder = three(tmp / option)
        with Pop3d(tmp / option, option, folder=folder) as server:
            pop = connect(server)
            assert ("EXPIRE" in pop.capa()) == (option == "--expire0")
            pop.retr(2)
            pop.close()
            server.wait_closed()
            assert len(server.left()) == 3
            pop = connect(server)
            pop.retr(1)
            pop.top(3, 1)
            pop.quit()
            assert server.left() == ["m00002.eml", "m00003.eml"]


def test_read_mail_hides_after_quit(tmp):
    with Pop3d(tmp, "--hide-read", folder=three(tmp)) as server:
        pop = connect(server)
        pop.retr(1)
        pop.quit()
        assert connect(server).stat()[0] == 2
        server.wait_line("CONN 2 close")
        server.user = "recent:demo"
        assert connect(server).stat()[0] == 3
        assert len(server.left()) == 3


def test_quit_is_lost_on_either_side_of_the_commit(tmp):
    for option, left in (("--drop-quit", 2), ("--lose-quit", 3)):
        folder = three(tmp / option)
        with Pop3d(tmp / option, option, folder=folder) as server:
            pop = connect(server)
            pop.dele(1)
            broken(pop.quit)
            server.wait_closed()
            assert len(server.left()) == left, option


def scripted(tmp, *faults, name="f"):
    shutil.rmtree(tmp / name, ignore_errors=True)
    args = [word for fault in faults for word in ("--fault", fault)]
    return Pop3d(tmp, *args, folder=fill_folder(
        tmp / name / "mail", [message(i) for i in range(1, 8)]), name=name)


def test_errors_come_when_scripted(tmp):
    faults = ["UIDL:1:err", "RETR:3:err=[SYS/TEMP] disk", "DELE:2:err",
              "QUIT:1:err", "TOP:1:err", "LOGIN:1:err=[LOGIN-DELAY] wait",
              "STAT:1:say=+OK 9 99", "GREETING:3:err=[IN-USE] busy",
              "LIST:2+:err"]
    with scripted(tmp, *faults) as server:
        assert b"LOGIN-DELAY" in refused(connect, server)
        pop = connect(server)
        assert pop.stat() == (9, 99) and pop.stat()[0] == 7
        refused(pop.uidl)
        assert len(pop.uidl()[1]) == 7
        pop.retr(1), pop.retr(2)
        assert refused(pop.retr, 3) == b"-ERR [SYS/TEMP] disk"
        pop.retr(3), pop.dele(1)
        refused(pop.dele, 2)
        pop.dele(3)
        refused(pop.top, 1, 0)
        pop.list()
        refused(pop.list), refused(pop.list)
        refused(pop.quit)
        assert len(server.left()) == 7
        assert b"[IN-USE]" in refused(connect, server)


def test_connections_end_where_scripted(tmp):
    for fault in ("RETR:2:close", "RETR:2:reset", "RETR:2:close-after=50",
                  "UIDL:1:close-after=9", "GREETING:1:close", "CONN:1:close",
                  "CONN:1:close-after-bytes=400", "CONN:1:say=HTTP/1.1 400",
                  "RETR:2:drop", "LOGIN:1:close"):
        with scripted(tmp, fault) as server:
            def visit():
                pop = connect(server)
                pop.uidl()
                return [fetch(pop, n) for n in (1, 2, 3)]
            broken(visit)
            server.wait_line(f"CONN 1 fault {re.escape(fault)}")
            server.wait_closed()
            assert visit() == [wire(message(n)) for n in (1, 2, 3)], fault


def test_a_cut_body_has_exactly_the_octets_asked_for(tmp):
    with scripted(tmp, "RETR:1:close-after=77") as server:
        tls, file = raw(server)
        tls.sendall(b"USER demo\r\nPASS demo\r\nRETR 4\r\n")
        lines = [file.readline() for _ in range(3)]
        assert lines[2].startswith(b"+OK"), lines
        got = b""
        try:
            while chunk := tls.recv(1):
                got += chunk
        except ssl.SSLError:
            pass  # cut off: there is no close_notify
        # What makefile() had read ahead comes first.
        rest = file.peek() if hasattr(file, "peek") else b""
        assert len(rest + got) == 77, (rest, got)


def test_bodies_go_wrong_as_scripted(tmp):
    with scripted(tmp, "RETR:1:short=100", "RETR:2:other=7") as server:
        pop = connect(server)
        assert fetch(pop, 1) == wire(message(1)[:100])
        assert fetch(pop, 2) == wire(message(7))
        assert fetch(pop, 2) == wire(message(2))


def test_silence_and_endless_talk_as_scripted(tmp):
    for fault in ("RETR:1:stall", "RETR:1:stall-after=60", "CONN:1:stall"):
        with scripted(tmp, fault) as server:
            try:
                pop = connect(server, timeout=0.3)
                pop.retr(1)
                raise AssertionError(f"{fault}: an answer")
            except TimeoutError:
                pass
    for verb, call in (("RETR", "RETR 1"), ("LIST", "LIST"),
                       ("UIDL", "UIDL"), ("STAT", "STAT")):
        with scripted(tmp, f"{verb}:1:endless") as server:
            tls, file = raw(server)
            tls.sendall(f"USER demo\r\nPASS demo\r\n{call}\r\n".encode())
            assert len(file.read(1 << 20)) == 1 << 20
            file.close(), tls.close()
            server.wait_closed()
            assert connect(server).stat()[0] == 7


def test_injected_bytes_ride_behind_stls(tmp):
    with Pop3d(tmp, "--sample", "--starttls", "--fault",
               "STLS:1:inject=+OK welcome") as server:
        plain = socket.create_connection(("127.0.0.1", server.port), 20)
        file = plain.makefile("rb")
        file.readline()
        plain.sendall(b"STLS\r\n")
        assert file.readline() == b"+OK begin TLS\r\n"
        assert file.readline() == b"+OK welcome\r\n"


def test_odd_pipelining_and_sasl(tmp):
    with Pop3d(tmp, "--sample", "--false-pipelining") as server:
        tls, file = raw(server)
        tls.sendall(b"USER demo\r\nPASS demo\r\n")
        assert file.readline() == b"+OK\r\n"
        tls.sendall(b"NOOP\r\n")
        assert file.readline() == b"-ERR not in this state\r\n"
    with Pop3d(tmp, "--sample", "--auth-challenge", name="c") as server:
        tls, file = raw(server)
        line = base64.b64encode(b"\0demo\0demo") + b"\r\n"
        tls.sendall(b"AUTH PLAIN " + line)
        assert file.readline() == b"+ \r\n"
        tls.sendall(line)
        assert file.readline().startswith(b"+OK")


def test_rubbish_does_no_harm(tmp):
    with Pop3d(tmp, "--sample", "--plain") as server:
        for rubbish in (b"\0\xff\r\n" * 50, b"x" * 20000 + b"\r\n",
                        b"AUTH PLAIN " + b"A" * 8000 + b"\r\n",
                        b"AUTH PLAIN ====\r\nAUTH PLAIN AAA=\r\nAUTH\r\n",
                        b"USER\r\nPASS\r\nUSER demo\r\nPASS demo\r\n"
                        b"RETR\r\nRETR 0\r\nRETR 99\r\nTOP 1\r\nTOP 1 x\r\n"
                        b"DELE -1\r\nLIST 99999999999999999999\r\n"):
            answers = talk(("127.0.0.1", server.port), rubbish).splitlines()
            # USER and PASS alone are well formed.
            assert sum(a.startswith(b"+OK") for a in answers) <= 3, answers
        server.wait_closed()
        connect(server).quit()
        assert server.stop() == 0


def test_sigterm_ends_what_is_open(tmp):
    with scripted(tmp, "NOOP:1:stall") as server:
        pop = connect(server)
        other = connect(server, login=False)
        pop.sock.sendall(b"NOOP\r\n")
        server.wait_line("fault NOOP")
        assert server.stop() == 0
        other.close(), pop.close()


def test_mpop_takes_all_from_pop3d(tmp):
    if shutil.which("mpop") is None:
        raise Skip("mpop is not installed")
    for part in ("cur", "new", "tmp"):
        (tmp / "Maildir" / part).mkdir(parents=True)
    mail = {f"m{i}": message(i, f".dot\n..\nbody {i}\n") for i in range(50)}
    folder = fill_folder(tmp / "mail", mail)
    with Pop3d(tmp, folder=folder) as server:
        conf = tmp / "mpoprc"
        conf.write_text(
            f"account default\nhost localhost\nport {server.port}\ntls on\n"
            f"tls_starttls off\ntls_trust_file {server.ca}\nuser demo\n"
            f"password demo\nauth plain\ndelivery maildir {tmp}/Maildir\n"
            f"uidls_file {tmp}/uidls\nkeep off\npipelining on\n"
            "received_header off\n")
        conf.chmod(0o600)
        subprocess.run(["mpop", "-q", "-C", str(conf)], check=True,
                       timeout=60)
        assert server.left() == [] and server.retrs() == 50
    got = [p.read_bytes() for p in (tmp / "Maildir/new").iterdir()]
    harness.same_mail(got, mail)


def test_dovecot_serves_both_ways(tmp):
    with Dovecot(users=("u1", "u2")) as dovecot:
        dovecot.fill("u1", [message(i) for i in range(3)])
        assert (dovecot.left("u1"), dovecot.left("u2")) == (3, 0)
        pop = poplib.POP3_SSL("localhost", dovecot.port, timeout=20,
                              context=dovecot.context())
        pop.user("u1"), pop.pass_("secret-u1")
        assert fetch(pop, 2) == wire(message(1))
        pop.dele(2)
        pop.quit()
        assert dovecot.left("u1") == 2
        pop = poplib.POP3("localhost", dovecot.starttls_port, timeout=20)
        pop.stls(context=dovecot.context())
        pop.user("u1"), pop.pass_("secret-u1")
        assert pop.stat()[0] == 2
        pop.quit()
        folder = dovecot.dir
    assert not folder.exists()


def test_dovecot_keeps_mail_over_a_restart_and_in_mbox(tmp):
    with Dovecot(mbox=True, service_count=0) as dovecot:
        dovecot.fill("u1", [message(i) for i in range(4)])
        dovecot.halt()
        dovecot.start()
        pop = poplib.POP3_SSL("localhost", dovecot.port, timeout=20,
                              context=dovecot.context())
        pop.user("u1"), pop.pass_("secret-u1")
        assert pop.stat()[0] == dovecot.left("u1") == 4
        pop.dele(1)
        pop.quit()
        assert dovecot.left("u1") == 3


def test_sled_writes_a_private_config(tmp):
    with Pop3d(tmp, "--sample", "--starttls") as server:
        sled = harness.Sled(tmp, {"home": server}, copies=2,
                            account={"timeout": "5s"})
        text = sled.config.read_text()
        assert os.stat(sled.config).st_mode & 0o777 == 0o600
        for line in (f"port = {server.port}", "tls = starttls", "user = demo",
                     "timeout = 5s", f"ca-file = {server.ca}",
                     f"copies = {sled.copies[0]}, {sled.copies[1]}",
                     "min-copies = 2", "delete = verified"):
            assert line in text.splitlines(), line
        secret = sled.dir / "password-home"
        assert secret.read_text() == "demo\n"
        assert os.stat(secret).st_mode & 0o777 == 0o600


def test_sled_speaks_tls_to_what_is_not(tmp):
    with Pop3d(tmp, "--sample", "--plain") as server:
        text = harness.Sled(tmp, {"home": server}).config.read_text()
        assert "ca-file" not in text and "tls =" not in text
