"""Who answers and is not the server is left alone until the link changes."""
import socket
import threading

from harness import Pop3d, Sled, account_of, wait_for
from test_run import Run, schedule

PORTAL = "captive portal or wrong network"


class Web:
    """A sign-in page: HTTP on whatever port was asked."""

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.seen = self.listener.getsockname()[1], b""
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(0.3)
                try:
                    self.seen += peer.recv(4096)
                except OSError:
                    pass
                try:
                    peer.sendall(b"HTTP/1.1 302 Found\r\nLocation: "
                                 b"http://portal/\r\n\r\n")
                except OSError:
                    pass


def left_alone(sled, said):
    with Run(sled, config=schedule("1s")) as run:
        run.wait(said)
        wait_for(lambda: PORTAL in sled.run("status").out, "the reason")
        assert run.count("visiting") == 1, run.text
        assert sled.run("fetch").status == 76  # a person may ask
        assert run.stop() == 0


def test_a_sign_in_page_is_left_alone(tmp):
    with Web() as web, Pop3d(tmp, "--generate", "1") as server:
        for tls in ("implicit", "starttls"):
            account = account_of(server)._replace(port=web.port, tls=tls)
            left_alone(Sled(tmp, {"home": account}, name=tls), "HTTP")
        assert b"demo" not in web.seen


def test_a_certificate_for_another_name_is_left_alone(tmp):
    with Pop3d(tmp, "--generate", "1", "--cert", "name") as server:
        left_alone(Sled(tmp, {"home": server}), "certificate is for other")


def test_an_unknown_issuer_is_left_alone(tmp):
    with Pop3d(tmp, "--generate", "1") as server, \
            Pop3d(tmp, "--generate", "1", name="other") as other:
        account = account_of(server)._replace(ca=other.ca)
        left_alone(Sled(tmp, {"home": account}), "failed: ")


def test_an_expired_certificate_is_the_server_s_and_is_tried_again(tmp):
    with Pop3d(tmp, "--generate", "1", "--cert", "expired") as server:
        sled = Sled(tmp, {"home": server})
        with Run(sled, config=schedule("1s")) as run:
            run.wait("failed: ")
            wait_for(lambda: "tried again in" in sled.run("status").out,
                     "the reason")
            assert PORTAL not in sled.run("status").out
            assert run.stop() == 0


def test_a_stranger_beside_a_server_that_proves_itself_is_one_s_own(tmp):
    with Pop3d(tmp, "--generate", "1", "--cert", "name") as odd, \
            Pop3d(tmp, "--generate", "1", name="good") as good:
        odd.user = "other"
        sled = Sled(tmp, {"odd": odd, "good": good})
        with Run(sled, config=schedule("1s")) as run:
            run.wait("good: 0 came", 2)
            assert PORTAL not in sled.run("status").out
            assert run.stop() == 0
