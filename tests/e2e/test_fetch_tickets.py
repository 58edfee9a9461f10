"""TLS tickets on the disk: kept from others, never offered to whom they are not
for, and never the reason why a visit fails."""
import ctypes
import os
import shutil
import signal
import ssl
import subprocess
from pathlib import Path

from harness import (Dovecot, Pop3d, Skip, Sled, days_ahead, fill_folder,
                     message, wait_for)
from test_fetch_mail import report
from test_fetch_reach import MS_BIND, MS_PRIVATE, MS_REC, CLONE_NEWNS, call

MS_RDONLY, MS_REMOUNT = 1, 32

NEW_LEAF = """set -e
openssl ecparam -name prime256v1 -genkey -noout -out leaf.key
openssl req -new -key leaf.key -out leaf.csr -subj /CN=localhost
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
  -days 20 -extfile leaf.ext -out leaf.pem
"""


def course(tmp, *args):
    server = Pop3d(tmp, *args, folder=fill_folder(tmp / "mail", {}))
    return server, Sled(tmp, {"home": server}, account={"timeout": "5s"})


def shelf(sled):
    return sled.path / ".mailsled/tickets"


def tickets(sled, label="home"):
    return sorted(shelf(sled).glob(f"{label}-*"))


def contents(sled):
    return {path.read_bytes() for path in tickets(sled)}


def visit(sled, env=None):
    """One that went well; (was a ticket offered, taken)."""
    row = report(sled.run("--json", "fetch", env=env))
    return row["offered"], row["resumed"]


def remade(server):
    """The same address and port; certificates and their CA are new."""
    server.stop()
    server.start(server.port)


def test_tickets_are_for_their_owner_only(tmp):
    umask = os.umask(0)
    server, sled = course(tmp)
    with server:
        for _ in range(3):
            visit(sled)
            assert shelf(sled).stat().st_mode & 0o777 == 0o700
            assert tickets(sled)
            for path in tickets(sled):
                assert path.stat().st_mode & 0o777 == 0o600, path
    os.umask(umask)


def test_two_runs_never_offer_one_ticket(tmp):
    server, sled = course(tmp)
    with server:
        visit(sled)
        for _ in range(4):
            before = contents(sled)
            assert visit(sled) == (True, True)
            assert before - contents(sled), "the ticket is there still"


def test_an_account_of_another_name_has_tickets_of_its_own(tmp):
    server, sled = course(tmp)
    with server:
        visit(sled)
        sled.accounts = {"house": server}
        sled.write()
        assert visit(sled) == (False, False)
        assert visit(sled) == (True, True)
        sled.accounts = {"home": server}
        sled.write()
        assert visit(sled) == (True, True)


def test_a_ca_file_that_changed_voids_the_tickets(tmp):
    server, sled = course(tmp)
    with server:
        visit(sled)
        remade(server)  # and with it what ca-file = says
        assert visit(sled) == (False, False)
        assert visit(sled) == (True, True)
        sled.account_keys["ca-file"] = other_root(tmp, server.ca)
        sled.write()
        assert visit(sled) == (False, False)
        assert visit(sled) == (True, True)


def other_root(tmp, known):
    """A file that believes one root more."""
    with Pop3d(tmp, "--sample", name="elsewhere") as other:
        both = known.read_bytes() + other.ca.read_bytes()
    path = tmp / "both.pem"
    path.write_bytes(both)
    return path


def leaf_of(server):
    return ssl.get_server_certificate(("127.0.0.1", server.port),
                                      ca_certs=server.ca)


def test_a_new_certificate_under_a_ticket_is_verified_anew(tmp):
    with Dovecot(service_count=0) as server:
        sled = Sled(tmp, {"home": server})
        server.fill("u1", [message(1)])
        visit(sled)
        assert tickets(sled)
        old = leaf_of(server)
        subprocess.run(["sh", "-c", NEW_LEAF], cwd=server.dir / "tls",
                       check=True, capture_output=True)
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: leaf_of(server) != old, "the new certificate")
        server.fill("u1", [message(2)])
        assert visit(sled) == (True, False)


def test_a_ticket_of_a_server_that_is_not_believed_any_more(tmp):
    """No ticket spares it the proof: 76, with tickets at hand or not."""
    server, sled = course(tmp)
    with server:
        known = tmp / "known.pem"
        shutil.copy(server.ca, known)
        sled.account_keys["ca-file"] = known
        sled.write()
        visit(sled)
        assert tickets(sled)
        remade(server)
        for _ in range(3):
            report(sled.fetch(), 76)
        assert server.commands() and {conn for conn, _, _ in
                                      server.commands()} == {1}
        shutil.copy(server.ca, known)
        visit(sled)


def test_damaged_tickets_cost_a_full_handshake(tmp):
    server, sled = course(tmp)
    with server:
        for spoil in (lambda data: b"", lambda data: data[:-1],
                      lambda data: data[:40], lambda data: data + b"x",
                      lambda data: b"\0" * len(data),
                      lambda data: data[:-9] + bytes(9)):
            visit(sled)
            assert tickets(sled)
            for path in tickets(sled):
                path.write_bytes(spoil(path.read_bytes()))
            assert visit(sled) == (False, False)
        assert visit(sled) == (True, True)


def test_a_clock_that_was_set_back_fails_no_visit(tmp):
    ahead = days_ahead(2, tmp)
    server, sled = course(tmp)
    with server:
        visit(sled, ahead)
        visit(sled, ahead)
        for number, env in enumerate((None, None, ahead, None)):
            fill_folder(server.folder, [message(number)])
            assert report(sled.run("--json", "fetch", env=env))["fetched"]
        assert visit(sled) == (True, True)


# ---- a shelf that takes nothing ----

def own_mounts():
    if os.geteuid() != 0:
        raise Skip("a mount of its own needs root")
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        call(libc.unshare(CLONE_NEWNS))
        call(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    except OSError as why:
        raise Skip(f"no namespaces here: {why}") from None
    return libc


def mail_comes(server, sled):
    """And the words of the visit."""
    fill_folder(server.folder, [message(1), message(2)])
    done = sled.run("fetch")
    assert done.status == 0, done
    assert server.left() == []
    return done.out + done.err


def test_a_shelf_that_is_read_only_is_said_and_harmless(tmp):
    libc = own_mounts()
    server, sled = course(tmp)
    with server:
        visit(sled)
        path = bytes(shelf(sled))
        call(libc.mount(path, path, None, MS_BIND, None))
        call(libc.mount(None, path, None, MS_REMOUNT | MS_BIND | MS_RDONLY,
                        None))
        before = tickets(sled)
        for _ in range(2):
            assert "tickets" in mail_comes(server, sled)
        assert tickets(sled) == before
        assert not server.resumed(), "what cannot be unlinked is not used"


def test_a_shelf_that_is_full_is_said_and_harmless(tmp):
    libc = own_mounts()
    server, sled = course(tmp)
    with server:
        visit(sled)
        call(libc.mount(b"none", bytes(shelf(sled)), b"tmpfs", 0,
                        b"size=4k,mode=700"))
        (shelf(sled) / "filler").write_bytes(b"x" * 4096)
        assert "tickets" in mail_comes(server, sled)
        (shelf(sled) / "filler").unlink()
        visit(sled)
        assert visit(sled)[1], "it does not mend itself"


def test_a_shelf_that_is_no_folder_is_said_and_harmless(tmp):
    server, sled = course(tmp)
    with server:
        visit(sled)
        shutil.rmtree(shelf(sled))
        for make in (Path.touch, lambda p: p.symlink_to("/nowhere"),
                     lambda p: p.symlink_to(tmp)):
            make(shelf(sled))
            assert "tickets" in mail_comes(server, sled)
            shelf(sled).unlink()
        visit(sled)
        assert visit(sled) == (True, True)
