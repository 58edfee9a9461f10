"""`mailsled serve` as tests see it: requests byte by byte, or as a browser's.

    with Room(sled) as room:
        assert room.get("/mail").status == 200
        room.post("/held/want", id="h0123456789")
"""
import http.client
import json
import re
import socket
import subprocess
import tempfile
from urllib.parse import urlencode

from harness import BUILD, DEADLINE, Process, Skip, talk


def needs_reader():
    if not (BUILD / "mailsled-reader").exists():
        raise Skip("built without the reading side")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode()

    def __repr__(self):
        return f"{self.status} {self.headers}\n{self.body[:600]!r}"


class Room(Process):
    def __init__(self, sled, *args, json_=True, enter=True):
        needs_reader()
        self.said = tempfile.TemporaryFile("w+")
        argv = sled.argv(*(["--json"] if json_ else []), "serve", *args)
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE,
                                        stderr=self.said, text=True)
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait(DEADLINE)
            self.release()
            raise AssertionError(f"serve ended with {status}: {self.heard()}")
        self.url = json.loads(line)["url"] if json_ else line.strip()
        found = re.fullmatch(r"http://([^/]+):(\d+)(/.*)", self.url)
        self.address, self.port = found[1].strip("[]"), int(found[2])
        self.first = found[3]
        self.host = f"{found[1]}:{found[2]}"
        self.cookie = None
        if enter:
            self.enter()

    def heard(self):
        self.said.seek(0)
        return self.said.read()

    def enter(self):
        answer = self.send("GET", self.first)
        assert answer.status == 303, answer
        self.cookie = answer.headers["Set-Cookie"].split(";")[0]
        return answer

    # ---- as a browser ----

    def send(self, method, path, headers=None, body=None):
        """One request, with nothing but HEADERS; None ones are left out."""
        conn = http.client.HTTPConnection(self.address, self.port,
                                          timeout=DEADLINE)
        try:
            conn.putrequest(method, path, skip_host=True,
                            skip_accept_encoding=True)
            sent = {"Host": self.host, **(headers or {})}
            if body is not None:
                sent.setdefault("Content-Length", str(len(body)))
            for name, value in sent.items():
                if value is not None:
                    conn.putheader(name, value)
            conn.endheaders(body)
            answer = conn.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            conn.close()

    def own(self, **more):
        return {"Cookie": self.cookie, "Sec-Fetch-Site": "same-origin",
                **more}

    def get(self, path, **headers):
        return self.send("GET", path, self.own(**headers))

    def token(self, path="/"):
        page = self.get(path).text
        return re.search(r'name="token" value="([0-9a-f]{64})"', page)[1]

    def post(self, path, token=None, headers=None, **fields):
        """A form that this page sent, unless HEADERS say otherwise."""
        body = urlencode({"token": token or self.token(), **fields}).encode()
        form = "application/x-www-form-urlencoded"
        return self.send("POST", path, {
            **self.own(**{"Origin": f"http://{self.host}",
                          "Content-Type": form}), **(headers or {})}, body)

    # ---- byte by byte ----

    def connect(self):
        return socket.create_connection((self.address, self.port), DEADLINE)

    def raw(self, data):
        """All that comes back until the server closes."""
        return talk((self.address, self.port), data)

    def rss(self):
        """KiB of memory that it holds."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])
