"""The reading room in a real browser: what a person sees and does there, and
that nobody else hears of it. Chromium is Debian's; run.py --slow."""
import base64
import contextlib
import re

from browser import PHONE, Browser, Listener, needs_chromium
from harness import (BUILD, Pop3d, Sled, fill_folder, message, only_slow,
                     volumes, wait_for, wire)
from room import Room, needs_reader
from test_held import large

PIXEL = base64.b64encode(base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGA"
    "WjR9awAAAABJRU5ErkJggg==")).decode()
DATA = bytes(range(256)) * 300


def parts(*sections):
    """multipart/mixed of (headers, text) each."""
    return "".join(f"--=b\n{head}\n\n{text}\n"
                   for head, text in sections) + "--=b--\n"


def letter(number, subject, kind, body):
    return (f"From: Ada Lovelace <ada@example.org>\nTo: base@example.net\n"
            f"Subject: {subject}\nDate: Sun, 29 Nov 2026 07:{number:02d}:00 "
            f"+0000\nMessage-ID: <browser-{number}@example.org>\n"
            f"MIME-Version: 1.0\nContent-Type: {kind}\n\n{body}").encode()


def hostile(outside):
    """HTML that runs and asks where it can."""
    here = f"http://127.0.0.1:{outside.port}"
    return f"""<html><head><title>mail</title>
<link rel=stylesheet href="{here}/link.css">
<link rel=prefetch href="{here}/prefetch"><link rel=dns-prefetch href=//pre.example>
<meta http-equiv=refresh content="0;url={here}/refresh">
<base href="{here}/base/">
<style>@import url({here}/import.css); @font-face {{font-family:x;src:url({here}/font)}}
.a {{ background: url({here}/sheet.png); font-family: x; color: #123 }}
#only {{ letter-spacing: 1px }}</style></head>
<body onload="document.title='ran'" background="{here}/body.png">
<p class=a id=only>Hello from the field. <b>Bold</b>, and the pump works.</p>
<script>document.title = 'ran'; top.document.title = 'ran';
fetch('{here}/fetch'); window.name = 'ran';</script>
<img src="{here}/a.png" alt="Our logo" width=120 height=40 onerror="top.name='ran'">
<img src="http://pictures.example.com/b.png" srcset="{here}/c.png 2x">
<img src="//pictures.example.com/tracker.gif" width=1 height=1>
<img src="cid:own@example.org" alt="own picture" id=own>
<img src=x onerror="document.title='ran'"><svg onload="document.title='ran'">
<style><img src="{here}/svg.png" onerror="document.title='ran'"></style></svg>
<iframe src="{here}/frame"></iframe><object data="{here}/object"></object>
<video src="{here}/video" poster="{here}/poster"></video><embed src="{here}/embed">
<div style="background:url({here}/style.png);position:fixed;top:0">fixed</div>
<a href="javascript:top.document.title='ran'" id=js>script</a>
<a href="{here}/link" ping="{here}/ping" id=link>link</a>
<form action="{here}/form"><input name=q value=1 autofocus
 onfocus="document.title='ran'"><button id=go>Send</button></form></body></html>"""


def mail(outside):
    html = hostile(outside)
    page = parts(("Content-Type: text/html; charset=utf-8", html),
                 ("Content-Type: image/png\nContent-ID: <own@example.org>\n"
                  "Content-Disposition: inline\n"
                  "Content-Transfer-Encoding: base64", PIXEL))
    files = parts(("Content-Type: text/plain; charset=utf-8",
                   "The pump's log is attached.\nAda"),
                  ("Content-Type: application/octet-stream\n"
                   "Content-Disposition: attachment; filename=\"pump log.bin\""
                   "\nContent-Transfer-Encoding: base64",
                   base64.encodebytes(DATA).decode()))
    return {
        **{f"m{i:03d}": message(i) for i in range(1, 61)},
        "p1": letter(1, "HTML from the field",
                     'multipart/related; boundary="=b"', page),
        "p2": letter(2, "Pump log", 'multipart/mixed; boundary="=b"', files),
        "p3": letter(3, "Plain words", "text/plain", "Only words.\n"),
        "p4": letter(4, "A quiet letter", "text/html; charset=utf-8", """\
<p>Dear base,</p><p>the <a href="https://example.org/well">well</a> is dry, and the
pump runs. We need:</p><ul><li>two seals</li><li>one filter</li></ul>
<blockquote><p>What do you need?</p></blockquote><p>Ada</p>"""),
        "z1": large(70, "Photos of the well", 300000),
        "z2": large(71, "A film", 9000000),
    }


class World:
    """A store with mail, its server gone; the room; a browser that is in."""

    def __init__(self, sled, outside, room, browser):
        self.sled, self.outside = sled, outside
        self.room, self.browser = room, browser
        self.base = f"http://{room.host}"

    def go(self, path):
        self.browser.go(self.base + path)

    def quiet(self):
        """Nothing went wrong in the pages, and nobody else was asked."""
        bad = [entry for entry in self.browser.log("browser")
               if entry["level"] in ("SEVERE", "WARNING")]
        assert not bad, bad
        own = re.compile(rf"{re.escape(self.base)}/|data:|blob:|about:|chrome")
        asked = [url for url in self.browser.requests() if not own.match(url)]
        assert not asked, asked
        assert self.outside.heard == [], self.outside.heard


def number(sled, subject):
    return next(row["number"] for row in sled.list()
                if row["subject"] == subject)


@contextlib.contextmanager
def opened(tmp, size=(1280, 900)):
    only_slow()
    needs_reader()
    needs_chromium()
    with Listener() as outside:
        folder = fill_folder(tmp / "in", mail(outside))
        with Pop3d(tmp, folder=folder) as server:
            sled = Sled(tmp, {"home": server}, copies=1,
                        account={"delete": "never", "hold-larger": "150KiB"})
            assert sled.fetch().status == 0
        with (Room(sled, enter=False) as room,
              Browser(tmp, outside, size) as browser):
            browser.log("performance")
            browser.go(room.url)
            world = World(sled, outside, room, browser)
            browser.wait(f"location.href === '{world.base}/'", "the overview")
            yield world


# ---- mail's HTML ----

def test_a_script_in_mail_never_runs_and_a_picture_is_never_asked_for(tmp):
    with opened(tmp) as world:
        browser = world.browser
        page = f"/mail/home/{number(world.sled, 'HTML from the field')}"
        world.go(page + "?view=html")
        title = browser.script("return document.title")
        assert "ran" not in title
        blocked = browser.text("#blocked")
        assert "7 remote pictures (1 too small" in blocked, blocked
        assert "scripts" in blocked and "1 form" in blocked, blocked
        browser.enter_frame("#html")
        assert browser.text("#m-only").startswith("Hello from the field.")
        assert browser.script("return document.images.length") == 1
        assert browser.script(
            "return document.querySelector('#m-own').naturalWidth") == 1
        boxes = browser.script("return [...document.querySelectorAll("
                               "'.sled-picture')].map((e) => e.innerText)")
        assert "Our logo (picture at 127.0.0.1:" in boxes[0], boxes
        assert "(picture at pictures.example.com)" in boxes, boxes
        state = browser.script("""return {
            scripts: document.scripts.length, forms: document.forms.length,
            frames: frames.length, title: document.title, name: window.name,
            links: document.querySelectorAll("link, meta[http-equiv=refresh], "
                + "base, svg, object, embed, video, iframe, input").length,
            on: [...document.querySelectorAll("*")].filter((e) =>
                [...e.attributes].some((a) => a.name.startsWith("on"))).length,
            fixed: [...document.querySelectorAll("*")].filter((e) =>
                getComputedStyle(e).position !== "static").length,
            origin: window.origin }""")
        assert state == {"scripts": 0, "forms": 0, "frames": 0, "title": "",
                         "name": "", "links": 0, "on": 0, "fixed": 0,
                         "origin": "null"}, state
        assert browser.script("return getComputedStyle(document.querySelector"
                              "('#m-only')).letterSpacing") == "1px"
        assert not browser.script(
            "return document.querySelector('#m-js').hasAttribute('href')")
        link = browser.script("const a = document.querySelector('#m-link');"
                              "return [a.target, a.rel, a.ping]")
        assert link == ["_blank", "noreferrer noopener", ""], link
        browser.leave_frame()
        assert browser.script("return [document.title, window.name]") == [
            title, ""]
        # The frame's page by itself, with no frame around it.
        world.go(page + "/html")
        assert browser.text("#m-only").startswith("Hello")
        assert browser.script("return window.origin") == "null"
        world.quiet()
        # This test sees what it says is not there: the same HTML as it came.
        asis = tmp / "asis.html"
        asis.write_text(hostile(world.outside).replace("refresh", "later"))
        browser.go(f"file://{asis}")
        browser.wait("document.title === 'ran'", "the script to run")
        for word in ("/fetch", "/a.png", "/base/", "pictures.example.com",
                     "/import.css", "/frame", "/body.png"):
            wait_for(lambda: any(word in line for line
                                 in world.outside.heard), word)


# ---- found, and taken out ----

def rows(browser):
    return browser.script("return [...document.querySelectorAll('.row')].map("
                          "(row) => row.querySelector('.subject').innerText)")


def test_mail_is_found_as_one_types(tmp):
    with opened(tmp) as world:
        browser = world.browser
        world.go("/mail")
        assert len(rows(browser)) > 20
        # What is typed is the beginning of a word, until it ends.
        for piece in ("pum", "p"):
            browser.write("#q", piece)
            browser.wait("document.querySelectorAll('.row').length === 3",
                         "three results")
        browser.wait("location.search === '?q=pump'", "the whole word")
        assert set(rows(browser)) == {"HTML from the field", "Pump log",
                                      "A quiet letter"}
        assert "3 found" in browser.text("#told")
        assert browser.url == f"{world.base}/mail?q=pump"
        browser.write("#q", " from:nobody")
        browser.wait("document.querySelectorAll('.row').length === 0",
                     "no result")
        # A mistake is shown, and mended.
        world.go("/mail?q=%22pump")
        assert rows(browser) == [] or browser.all("[role=alert], .bad, .warn")
        # The list goes on where it is scrolled to.
        world.go("/mail")
        for _ in range(5):
            browser.script("scrollTo(0, document.body.scrollHeight)")
        browser.wait("document.querySelectorAll('.row').length === 64",
                     "the whole list")
        world.quiet()


def test_an_attachment_is_saved_byte_for_byte(tmp):
    with opened(tmp) as world:
        browser = world.browser
        world.go("/mail?q=subject:log")
        browser.click(".row")
        assert "The pump's log is attached." in browser.text("#text")
        browser.click("a.file")
        assert browser.saved_file("pump log.bin") == DATA
        # And the message itself.
        browser.click("#raw")
        assert browser.saved_file("*.eml") == wire(mail(world.outside)["p2"])
        world.quiet()


# ---- decided, and watched ----

def test_held_mail_is_wanted_by_a_click(tmp):
    with opened(tmp) as world:
        browser, sled = world.browser, world.sled
        world.go("/held")
        assert len(browser.all("li.card")) == 2
        waiting = {row["subject"]: row for row in
                   sled.run("--json", "held").json}
        card = f"#{waiting['Photos of the well']['id']}"
        assert "304 kB" in browser.text(card), browser.text(card)
        browser.click(f"{card} form[action='/held/want'] button")
        browser.wait("document.querySelectorAll('.state.good').length === 1",
                     "the decision")
        assert "Wanted" in browser.text(card), browser.text(card)

        def decisions():
            return {row["subject"]: row["decision"]
                    for row in sled.run("--json", "held").json}
        assert decisions() == {"Photos of the well": "want", "A film": None}
        browser.click(f"{card} form[action='/held/keep'] button")
        browser.wait("!document.querySelector('.state.good')", "the undoing")
        assert decisions()["Photos of the well"] is None
        # To delete takes two steps, and the second says what it does.
        film = waiting["A film"]["id"]
        browser.click(f"#{film} a.button")
        assert "for good" in browser.text("#sure")
        assert decisions()["A film"] is None
        browser.click("#sure")
        browser.wait("document.querySelector('.state.bad')", "the decision")
        assert decisions()["A film"] == "drop"
        world.quiet()


def damage(place):
    """One byte of a volume is another, in the middle."""
    volume = volumes(place)[0]
    data = bytearray(volume.read_bytes())
    data[len(data) // 2] ^= 0x10
    volume.write_bytes(data)
    return re.search(r"\d{4}-\d\d-\d{3}", volume.name)[0]


REDNESS = """(() => {
    const mark = document.querySelector(arguments[0]);
    const [r, g, b] = getComputedStyle(mark).color.match(/[0-9.]+/g);
    return [mark.innerText, r - Math.max(g, b)];
})()"""


def test_a_damaged_copy_turns_red(tmp):
    with opened(tmp) as world:
        browser = world.browser
        world.go("/health")
        assert browser.text("#place-2 .state") == "Whole"
        name = damage(world.sled.places[1])
        browser.click("#deep")
        browser.wait("document.querySelector('#outcome')", "the verify")
        assert "Damaged" in browser.text("#outcome")
        assert name in browser.text("#found"), browser.text("#found")
        said, red = browser.script(f"return {REDNESS}", "#place-2 .state")
        assert said == "Damaged" and red > 60, (said, red)
        assert browser.text("#place-1 .state") == "Whole"
        world.go("/")
        assert "Damaged" in browser.text("main")
        # Mail is read from the copy that is whole.
        assert world.sled.run("repair").status == 0
        world.go("/health")
        browser.click("#deep")
        browser.wait("document.querySelector('#outcome .good')", "the verify")
        assert browser.text("#place-2 .state") == "Whole"
        world.quiet()


# ---- without a mouse ----

def focused(browser):
    return browser.script("return document.activeElement.getAttribute('href')"
                          " || document.activeElement.id")


def test_the_keyboard_is_enough(tmp):
    with opened(tmp) as world:
        browser = world.browser
        browser.press("m")
        browser.wait("location.pathname === '/mail'", "the mailbox")
        browser.press("/")
        assert focused(browser) == "q"
        browser.press(*"subject:field")
        browser.wait("document.querySelectorAll('.row').length === 1", "it")
        browser.press("Escape", "j")
        page = focused(browser)
        assert page.startswith("/mail/home/")
        browser.press("Enter")
        browser.wait(f"location.pathname === '{page}'", "the message")
        browser.press("h")
        browser.wait("document.querySelector('#html')", "its HTML")
        browser.press("h")
        browser.wait("document.querySelector('#text')", "its text")
        browser.press("u")
        browser.wait("location.pathname === '/mail'", "the list")
        assert "field" in browser.url
        browser.press("?")
        browser.wait("document.querySelector('dialog[open]')", "the help")
        browser.press("Escape")
        browser.wait("!document.querySelector('dialog[open]')", "its end")
        browser.press("g")
        browser.wait("location.pathname === '/'", "the overview")
        # Each stop of Tab is seen, and the first one leads past the head.
        browser.press("Tab")
        assert focused(browser) == "#main"
        seen = set()
        for _ in range(12):
            browser.press("Tab")
            seen.add(focused(browser))
            outline = browser.script(
                "const s = getComputedStyle(document.activeElement);"
                "return s.outlineStyle + s.outlineWidth + s.boxShadow")
            assert not outline.startswith("none0pxnone"), focused(browser)
        assert {"/mail", "/held", "/health"} <= seen, seen
        world.quiet()


# ---- how it looks ----

# Text whose contrast with what is behind it is below WCAG's 4.5.
FAINT = """(() => {
    const parse = (c) => (c.match(/[0-9.]+/g) || []).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) =>
        v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce(
        (sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (e) => {
        for (; e; e = e.parentElement) {
            const c = parse(getComputedStyle(e).backgroundColor);
            if (c.length === 3 || c[3] > 0.9)
                return c;
        }
        return matchMedia("(prefers-color-scheme: dark)").matches
            ? [18, 18, 18] : [255, 255, 255];
    };
    const bad = [];
    for (const e of document.querySelectorAll("body *")) {
        if (![...e.childNodes].some((n) => n.nodeType === 3 &&
            n.data.trim()) || !e.checkVisibility() || e.closest("svg"))
            continue;
        const a = light(parse(getComputedStyle(e).color));
        const b = light(behind(e));
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5)
            bad.push(e.tagName + "." + e.className + " " + ratio.toFixed(1) +
                     " " + e.textContent.trim().slice(0, 40));
    }
    return bad;
})()"""
# What is pressed or filled in, and has no name for who does not see it.
UNNAMED = """[...document.querySelectorAll("a[href], button, input:not(" +
    "[type=hidden]), select, iframe, svg, table, img, progress, meter")].filter(
    (e) => e.checkVisibility() && !e.closest("[aria-hidden=true], svg svg") &&
    !(e.innerText || "").trim() && !e.title && !e.alt &&
    !e.getAttribute("aria-label") && !e.getAttribute("aria-labelledby") &&
    !(e.labels || []).length && !e.querySelector("title")).map(
    (e) => e.outerHTML.slice(0, 120))"""
WIDE = """[...document.querySelectorAll("body *")].filter((e) =>
    e.getBoundingClientRect().right > innerWidth + 1 && e.checkVisibility() &&
    !e.closest(".scroll")).map((e) => e.tagName + "." + e.className)"""


def look(world, name, path, shots):
    browser = world.browser
    world.go(path)
    browser.wait("document.readyState === 'complete'", "the page")
    if "view=html" in path:
        browser.enter_frame("#html")
        browser.wait("document.readyState === 'complete'", "the frame")
        faint = browser.script(f"return {FAINT}")
        assert faint == [], (name, faint)
        browser.leave_frame()
    browser.shot(shots / f"{name}.png", whole=True)
    over = browser.script("return document.documentElement.scrollWidth - "
                          "document.documentElement.clientWidth")
    assert over <= 0, (name, over, browser.script(f"return {WIDE}"))
    faint = browser.script(f"return {FAINT}")
    assert faint == [], (name, faint)
    unnamed = browser.script(f"return {UNNAMED}")
    assert unnamed == [], (name, unnamed)


def test_pages_are_fit_for_a_phone_and_for_the_dark(tmp):
    """Each page, as pictures too: in BUILD/check/screens."""
    shots = BUILD / "check" / "screens"
    with opened(tmp) as world:
        browser = world.browser
        damage(world.sled.places[1])
        world.go("/health")
        browser.click("#deep")
        browser.wait("document.querySelector('#outcome')", "the verify")
        html = number(world.sled, "HTML from the field")
        pump = number(world.sled, "Pump log")
        quiet = number(world.sled, "A quiet letter")
        pages = {"overview": "/", "mailbox": "/mail", "found": "/mail?q=pump",
                 "text": f"/mail/home/{pump}", "held": "/held",
                 "html": f"/mail/home/{html}?view=html",
                 "letter": f"/mail/home/{quiet}?view=html",
                 "health": "/health", "history": "/history"}
        for width, height in ((1280, 900), PHONE):
            browser.resize(width, height, phone=(width, height) == PHONE)
            for scheme in ("light", "dark"):
                browser.scheme(scheme)
                for name, path in pages.items():
                    look(world, f"{name}-{width}-{scheme}", path, shots)
                dark = browser.script(
                    "return getComputedStyle(document.body).color")
                bright = sum(int(v) for v in re.findall(r"\d+", dark)[:3])
                assert (bright > 384) == (scheme == "dark"), dark
        world.quiet()


test_pages_are_fit_for_a_phone_and_for_the_dark.timeout = 300
