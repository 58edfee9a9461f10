"""Debian's Chromium, driven by WebDriver (W3C), with the standard library alone.

    with Listener() as outside, Browser(tmp, outside) as browser:
        browser.go(room.url)
        browser.click("a[href='/mail']")
        assert outside.heard == []

Whatever it asks for that is not on 127.0.0.1 goes to the listener as to a proxy,
so that nothing leaves the machine, and all that would have is known.
"""
import base64
import contextlib
import json
import re
import shutil
import socket
import subprocess
import threading
import urllib.error
import urllib.request

from harness import DEADLINE, Process, Skip, wait_for

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic",
         "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync",
         "--disable-default-apps", "--disable-dev-shm-usage",
         "--disable-extensions", "--hide-scrollbars", "--lang=en",
         "--no-pings"]
# What Chromium itself asks its makers for, whatever it shows.
OWN = re.compile(r"[a-z0-9.-]*\.(google|googleapis|gvt1|duckduckgo)\.com")
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c",
        "Down": "\ue015"}
PHONE = (390, 844)


class Listener:
    """Takes what a browser asks of others."""

    def __enter__(self):
        self.lines = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()
        return self

    def listen(self):
        while True:
            try:
                conn, _ = self.socket.accept()
            except OSError:
                return
            with conn:
                conn.settimeout(5)
                line = "nothing"
                with contextlib.suppress(OSError):
                    line = conn.recv(4096).split(b"\r\n")[0].decode("latin-1")
                self.lines.append(line)
                with contextlib.suppress(OSError):
                    conn.sendall(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n"
                                 b"Connection: close\r\n\r\n")

    @property
    def heard(self):
        """First lines of what came, but for the browser's own affairs."""
        return [line for line in self.lines if not re.match(
            rf"\S+ (https?://)?{OWN.pattern}[:/]", line)]

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(DEADLINE)


def needs_chromium():
    if not shutil.which("chromedriver") or not shutil.which("chromium"):
        raise Skip("chromium and chromium-driver are not installed")


class Browser(Process):
    def __init__(self, tmp, outside, size=(1280, 900)):
        self.dir = tmp / "chromium"
        self.saved = self.dir / "saved"
        self.saved.mkdir(parents=True)
        self.outside, self.session = outside, None
        self.process = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, cwd=self.dir,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.dir),
                 "TMPDIR": str(self.dir), "LANG": "C.UTF-8"})
        try:
            self.base = f"http://127.0.0.1:{self.await_port()}"
            self.begin(size)
        except BaseException:
            self.stop()
            raise

    def await_port(self):
        for line in self.process.stdout:
            if found := re.search(r"started successfully on port (\d+)", line):
                threading.Thread(target=self.process.stdout.read,
                                 daemon=True).start()
                return int(found[1])
        raise AssertionError("chromedriver did not start")

    def begin(self, size):
        proxy = f"http://127.0.0.1:{self.outside.port}"
        options = {
            "args": [*FLAGS, f"--user-data-dir={self.dir / 'profile'}",
                     f"--window-size={size[0]},{size[1]}",
                     f"--proxy-server={proxy}",
                     "--proxy-bypass-list=127.0.0.1"],
            "prefs": {"download.default_directory": str(self.saved),
                      "download.prompt_for_download": False}}
        got = self.call("POST", "", {"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }}}, session=False)
        self.session = got["sessionId"]
        self.devtools("Page.setDownloadBehavior", behavior="allow",
                      downloadPath=str(self.saved))

    def stop(self):
        if self.session is not None:
            with contextlib.suppress(Exception):
                self.call("DELETE", "")
        self.session = None
        if self.process is not None:
            self.process.terminate()
            self.process.wait(DEADLINE)
            self.process = None
        return 0

    # ---- the protocol ----

    def call(self, method, path, body=None, session=True):
        url = self.base + "/session" + (f"/{self.session}{path}"
                                        if session else path)
        data = json.dumps(body or {}).encode() if method == "POST" else None
        ask = urllib.request.Request(url, data, method=method, headers={
            "Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(ask, timeout=90) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as why:
            said = json.load(why)["value"]
            raise AssertionError(f"{path}: {said['error']}: "
                                 f"{said['message'][:400]}") from None

    def devtools(self, command, **params):
        return self.call("POST", "/goog/cdp/execute",
                         {"cmd": command, "params": params})

    def script(self, text, *args):
        return self.call("POST", "/execute/sync",
                         {"script": text, "args": list(args)})

    def log(self, kind):
        return self.call("POST", "/se/log", {"type": kind})

    # ---- as a person ----

    def go(self, url):
        self.call("POST", "/url", {"url": url})

    @property
    def url(self):
        return self.call("GET", "/url")

    def all(self, css):
        got = self.call("POST", "/elements",
                        {"using": "css selector", "value": css})
        return [one[ELEMENT] for one in got]

    def find(self, css):
        return wait_for(lambda: self.all(css), css)[0]

    def text(self, css):
        return self.call("GET", f"/element/{self.find(css)}/text")

    def wait(self, script, what):
        """Until SCRIPT, an expression, is true; its value."""
        def look():
            with contextlib.suppress(AssertionError):  # between two pages
                return self.script(f"return {script}")
        return wait_for(look, what)

    def click(self, css):
        self.call("POST", f"/element/{self.find(css)}/click")

    def write(self, css, text):
        self.call("POST", f"/element/{self.find(css)}/value", {"text": text})

    def press(self, *keys):
        """Keys by name or sign, on whatever has the focus."""
        acts = []
        for key in keys:
            value = KEYS.get(key, key)
            acts += [{"type": "keyDown", "value": value},
                     {"type": "keyUp", "value": value}]
        self.call("POST", "/actions", {"actions": [
            {"type": "key", "id": "keys", "actions": acts}]})

    def saved_file(self, pattern):
        """What was downloaded: its name stands there empty before it is."""
        def look():
            if not list(self.saved.glob("*.crdownload")):
                return [path for path in self.saved.glob(pattern)
                        if path.stat().st_size > 0]
        return wait_for(look, pattern)[0].read_bytes()

    def enter_frame(self, css):
        self.call("POST", "/frame", {"id": {ELEMENT: self.find(css)}})

    def leave_frame(self):
        self.call("POST", "/frame", {"id": None})

    # ---- how it looks ----

    def resize(self, width, height, phone=False):
        self.devtools("Emulation.setDeviceMetricsOverride", width=width,
                      height=height, deviceScaleFactor=1, mobile=phone)

    def scheme(self, name):
        self.devtools("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": name}])

    def shot(self, path, whole=False):
        got = self.devtools("Page.captureScreenshot",
                            captureBeyondViewport=whole)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(got["data"]))

    def requests(self):
        """URLs of all that it asked for since the last time."""
        events = (json.loads(entry["message"])["message"]
                  for entry in self.log("performance"))
        return [event["params"]["request"]["url"] for event in events
                if event["method"] == "Network.requestWillBeSent"]
