"""The reading room answers its own address, to one person, and to nobody else;
whatever is sent to it, mail is read, decisions are made, and visits go on."""
import base64
import fcntl
import html
import os
import re
import signal
import socket
import threading
import time

from harness import DEADLINE, Pop3d, Sled, fill_folder, message, wait_for, wire
from room import Room, needs_reader
from test_reader import spoil_words
from test_run import Run, schedule

PAGES = ["/", "/mail", "/mail?q=note", "/mail/home/1", "/held", "/history",
         "/health", "/verify.json", "/mail/home/1/raw", "/mail/home/1/html",
         "/nothing"]
LINES = "a line of its body, and then another one\n"
KEEP = {"delete": "never", "hold-larger": "10KiB"}


def fetched(tmp, mail, copies=1, **account):
    needs_reader()
    folder = fill_folder(tmp / "in", mail)
    with Pop3d(tmp, folder=folder) as server:
        sled = Sled(tmp, {"home": server}, copies=copies,
                    account={**KEEP, **account})
        assert sled.fetch().status == 0
    return sled


def notes(count=3):
    return {f"m{i:04d}": message(i) for i in range(1, count + 1)}


def wait_scheduler(sled):
    wait_for(lambda: any(row.get("scheduler") for row in
                         sled.run("--json", "status").json), "the scheduler")


def letter(body, kind="text/plain; charset=utf-8", head=""):
    return (f"From: Ada <ada@example.org>\nSubject: letter\n{head}"
            f"MIME-Version: 1.0\nContent-Type: {kind}\n\n{body}").encode()


# ---- the way in ----

def test_the_first_address_opens_one_browser_once(tmp):
    with Room(fetched(tmp, notes()), enter=False) as room:
        for path in PAGES + ["/?ticket=" + "0" * 64, "/?ticket="]:
            answer = room.send("GET", path)
            assert answer.status == 403, (path, answer)
            assert "Set-Cookie" not in answer.headers
        answer = room.enter()
        assert answer.headers["Location"] == "/"
        flags = answer.headers["Set-Cookie"].split("; ")[1:]
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(flags), flags
        assert room.send("GET", room.first).status == 403
        for path in PAGES[:-1]:
            assert room.get(path).status == 200, path
        assert room.get("/nothing").status == 404
        for cookie in (room.cookie[:-1], room.cookie.replace("mailsled", "x"),
                       room.cookie.split("=")[0] + "=", "", None):
            assert room.send("GET", "/", {"Cookie": cookie}).status == 403


def test_a_ticket_leads_to_the_overview_and_is_used_up_in_any_case(tmp):
    with Room(fetched(tmp, notes())) as room:
        def another():
            page = room.post("/another").text
            return re.search(r"\?ticket=[0-9a-f]{64}", page)[0]

        for path in ("//evil.example/", "/\\evil.example", "/mail%2f..%2fx",
                     "/%0d%0aSet-Cookie:%20a=b", "/%C3%A9", "/login"):
            answer = room.send("GET", path + another())
            assert answer.status == 303, (path, answer)
            assert answer.headers["Location"] == "/", (path, answer)
            assert len(answer.headers.get_all("Set-Cookie")) == 1
        # One who is in already does not leave it in the address.
        ticket = another()
        answer = room.get("/" + ticket)
        assert answer.status == 303 and answer.headers["Location"] == "/"
        assert room.send("GET", "/" + ticket).status == 403
        assert room.get("/?ticket=0").headers["Location"] == "/"


def test_another_browser_gets_an_address_of_its_own(tmp):
    with Room(fetched(tmp, notes())) as room:
        page = room.post("/another").text
        first = re.search(r"http://[^/]+(/\?ticket=[0-9a-f]{64})", page)[1]
        before, room.first = room.cookie, first
        room.enter()
        assert room.cookie != before and room.get("/mail").status == 200
        room.cookie = before
        assert room.get("/mail").status == 200
        assert room.send("GET", first).status == 403


def test_only_its_own_host_is_answered(tmp):
    with Room(fetched(tmp, notes())) as room:
        port = room.port
        for host in (f"evil.example:{port}", f"127.0.0.1.evil.example:{port}",
                     "127.0.0.1", f"127.0.0.1:{port + 1}", "127.0.0.1:",
                     f"[::1]:{port}", f"0.0.0.0:{port}", "", " ",
                     f"127.0.0.1:{port}@evil.example", f"2130706433:{port}",
                     f"127.1:{port}", f"127.0.0.1:{port}, evil.example"):
            for path in PAGES[:3] + ["/page.css"]:
                answer = room.send("GET", path, room.own(Host=host))
                assert answer.status in (400, 403), (host, answer)
                assert "Note" not in answer.text
        assert room.get("/", Host=f"localhost:{port}").status == 200
        got = room.raw(b"GET / HTTP/1.0\r\nCookie: " + room.cookie.encode() +
                       b"\r\n\r\n")
        assert got.split()[1] in (b"400", b"403"), got
        got = room.raw(b"GET / HTTP/1.1\r\nHost: %s\r\nHost: evil.example\r\n"
                       b"Connection: close\r\n\r\n" % room.host.encode())
        assert got.split()[1] in (b"400", b"403"), got


def test_no_other_site_gets_an_answer_or_changes_anything(tmp):
    needs_reader()
    sled = fetched(tmp, {**notes(), "z": message(9, "x" * 20000)})
    row = sled.run("--json", "held").json[0]
    with Room(sled) as room:
        token, port = room.token(), room.port
        for site in ("cross-site", "same-site", "nonsense", ""):
            assert room.get("/mail", **{"Sec-Fetch-Site": site}).status == 403
        for origin in ("null", "http://evil.example", f"http://localhost:{port}",
                       f"http://127.0.0.1:{port + 1}", "http://127.0.0.1",
                       f"https://127.0.0.1:{port}", "",
                       f"http://127.0.0.1:{port}.evil.example"):
            answer = room.post("/held/want", token, {"Origin": origin},
                               id=row["id"])
            assert answer.status == 403, (origin, answer)
            assert room.get("/mail", Origin=origin).status == 403, origin
        for headers in ({"Origin": None, "Sec-Fetch-Site": None},
                        {"Sec-Fetch-Site": "none"},
                        {"Sec-Fetch-Site": "cross-site"}, {"Cookie": None}):
            answer = room.post("/held/want", token, headers, id=row["id"])
            assert answer.status == 403, (headers, answer)
        for bad in ("0" * 64, token[:-1], token + "0", "x"):
            assert room.post("/held/want", bad,
                             id=row["id"]).status == 403, bad
        answer = room.send("POST", f"/held/want?token={token}&id={row['id']}",
                           room.own(Origin=f"http://{room.host}"), b"")
        assert answer.status == 403, answer
        assert room.get(f"/held/want?token={token}&id={row['id']}"
                        ).status == 400
        assert sled.run("--json", "held").json[0]["decision"] is None


def test_a_form_token_is_of_one_session(tmp):
    with Room(fetched(tmp, notes())) as room:
        theirs = room.token()
        page = room.post("/another").text
        room.first = re.search(r"/\?ticket=[0-9a-f]{64}", page)[0]
        room.enter()
        assert room.token() != theirs
        assert room.post("/another", theirs).status == 403


# ---- what leaves ----

def test_every_answer_forbids_what_it_does_not_need(tmp):
    with Room(fetched(tmp, notes())) as room:
        answers = {path: room.get(path) for path in PAGES + ["/page.js"]}
        answers["refused"] = room.send("GET", "/")
        answers["login"] = room.send("GET", "/?ticket=1")
        for path, answer in answers.items():
            head = answer.headers
            policy = head["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'"), (path, policy)
            assert "unsafe-eval" not in policy and "http" not in policy
            assert "*" not in policy
            assert ("unsafe-inline" in policy) == path.endswith("/html")
            assert head["X-Content-Type-Options"] == "nosniff", path
            assert head["Referrer-Policy"] == "same-origin", path
            assert head["Cross-Origin-Resource-Policy"] == "same-origin"
            assert head["X-Frame-Options"] == (
                "SAMEORIGIN" if path.endswith("/html") else "DENY"), path
            if not path.startswith("/page."):
                assert head["Cache-Control"] == "no-store", path
                text = answer.body.decode(errors="replace")
                assert not re.search(r"(?i)<script(?! src)|\son\w+=|\sstyle=",
                                     text), path
                assert not re.search(r'(src|href|action)="(?!/|#)', text), path
        assert "sandbox" in answers["/mail/home/1/html"].headers[
            "Content-Security-Policy"]
        assert answers["/mail/home/1/raw"].headers["Content-Type"] == (
            "application/octet-stream")


def test_what_senders_write_is_text_and_nothing_else(tmp):
    bad = ("<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
           "\u202egpj.exe\u2066 &lt;b&gt;")
    word = "=?utf-8?b?%s?=" % base64.b64encode(
        bad.encode()).decode()
    mail = {"a": (f"From: {word} <a@example.org>\nTo: {word} <b@example.net>\n"
                  f"Subject: {word}\nDate: <b>now</b>\n"
                  f"Content-Type: text/plain; charset=utf-8\n\n{bad}\n"
                  ).encode(),
            "z": f"From: {word} <a@example.org>\nSubject: {word}\n\n".encode()
            + bad.encode() + b"\n" + b"x" * 20000 + b"\n"}
    sled = fetched(tmp, mail)
    with Room(sled) as room:
        for path in ("/mail", "/mail/home/1", "/held", "/mail?q=gpj",
                     "/mail?q=" + "%3Cscript%3E%22%27%3E",
                     "/%3Cscript%3E", "/mail/%22%3E%3Cscript%3E",
                     "/held/drop?id=%22%3E%3Cscript%3E",
                     "/mail?account=%3Cscript%3E", "/?ticket=%3Cscript%3E"):
            text = room.get(path).text
            assert "<script>" not in text and "<img" not in text, path
            assert not re.search("[\u202a-\u202e\u2066-\u2069]", text), path
        text = room.get("/mail/home/1").text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
        assert r"\u{202e}" in text


def test_no_path_leads_out_of_the_store(tmp):
    sled = fetched(tmp, notes())
    with Room(sled) as room:
        for path in (b"/../../../../etc/passwd", b"/mail/../../etc/passwd",
                     b"/%2e%2e/%2e%2e/etc/passwd", b"/mail/..%2f..%2fconfig.ini",
                     b"/mail/home/..", b"/mail/home/1/part/../raw",
                     b"//etc/passwd", b"/page.css/../../config.ini",
                     b"/mail/home/1%00.html", b"/\\..\\config.ini",
                     b"/mail/home/99999999999999999999999", b"/mail/",
                     b"/mail/home/-1", b"/mail/home/1/part/0",
                     b"/mail/home/1/part/99", b"/mail/home/1/part/-1",
                     b"/mail/" + b"a" * 5000, b"http://evil.example/",
                     b"/mail?before=1", b"/mail?before=9e9.1", b"/mail?skip=-1",
                     b"/mail?below=x", b"/history?days=0", b"*"):
            got = room.raw(b"GET %s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\n"
                           b"Connection: close\r\n\r\n" % (
                               path, room.host.encode(), room.cookie.encode()))
            status = int(got.split()[1])
            assert 400 <= status < 500 or (status == 200 and
                                           b"%00" in path), (path, got[:300])
            assert b"root:" not in got and b"[store]" not in got
        for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT"):
            answer = room.send(method, "/", room.own())
            assert answer.status in (400, 405), (method, answer)


# ---- what is sent to hurt ----

def test_a_header_without_end_is_refused_in_flat_memory(tmp):
    with Room(fetched(tmp, notes())) as room:
        before = room.rss()
        begin = b"GET / HTTP/1.1\r\nHost: %s\r\n" % room.host.encode()
        for data in (begin + b"X: " + b"a" * (10 << 20) + b"\r\n\r\n",
                     begin + b"X: y\r\n" * 1700000 + b"\r\n",
                     b"GET /" + b"a" * (10 << 20) + b" HTTP/1.1\r\n\r\n",
                     b"a" * (10 << 20), b"\r\n" * (1 << 20)):
            got = room.raw(data)
            assert not got or got.split()[1][:1] == b"4", got[:200]
        form = {"Content-Length": str(10 << 20)}
        assert room.post("/another", headers=form).status == 413
        chunk = b"10000\r\n" + b"a" * 65536 + b"\r\n"
        got = room.raw(b"POST /another HTTP/1.1\r\nHost: %s\r\nOrigin: "
                       b"http://%s\r\nCookie: %s\r\nTransfer-Encoding: chunked"
                       b"\r\n\r\n" % (room.host.encode(), room.host.encode(),
                                      room.cookie.encode()) + chunk * 160)
        assert not got or got.split()[1] == b"413", got[:200]
        assert room.get("/").status == 200
        assert room.rss() - before < 4096, (before, room.rss())


def test_a_form_of_no_browser_is_refused_and_hurts_nobody(tmp):
    """Known to libmicrohttpd, and none of ours: parts without a name."""
    head = b"--bound\r\nContent-Disposition: form-data"
    bodies = [
        ("multipart/form-data; boundary=bound", body) for body in (
            head + b"\r\n\r\nx\r\n--bound--\r\n",
            head + b"; filename=a\r\n\r\nx\r\n--bound--\r\n",
            head + b"; name=token\r\n\r\nx\r\n--bound--\r\n",
            b"--bound\r\n\r\nx\r\n--bound--\r\n",
            b"--bound\r\nContent-Type: multipart/mixed; boundary=inner\r\n\r\n"
            b"--inner\r\n\r\nx\r\n--inner--\r\n--bound--\r\n")]
    bodies += [("application/x-www-form-urlencoded", body) for body in (
        b"=x", b"&&=&", b"=", b"token", b"%=1", b"a=%zz", b"\0=\0", b"a=%00",
        b"token=1&token=2", b"x=1&" * 40, b"n" * 40 + b"=1", b"")]
    bodies += [("text/plain", b"token=x"), (None, b"token=x")]
    with Room(fetched(tmp, notes())) as room:
        for kind, body in bodies:
            for cookie in (None, room.cookie):
                answer = room.send("POST", "/another", {
                    "Cookie": cookie, "Content-Type": kind,
                    "Origin": f"http://{room.host}"}, body)
                assert answer.status in (403, 413), (kind, body, answer)
        assert room.get("/").status == 200


def trickle(conns, until):
    """An octet to each now and then; how many are still open at the end."""
    while time.monotonic() < until and conns:
        for conn in list(conns):
            try:
                conn.send(b"a")
                if conn.recv(1, socket.MSG_DONTWAIT) == b"":
                    raise ConnectionResetError
            except BlockingIOError:
                pass
            except OSError:
                conn.close()
                conns.remove(conn)
        time.sleep(0.2)
    return len(conns)


def test_who_comes_slowly_or_a_thousand_times_is_shut_out_alone(tmp):
    needs_reader()
    folder = fill_folder(tmp / "in", notes())
    with Pop3d(tmp, folder=folder) as server:
        sled = Sled(tmp, {"home": server}, account=KEEP)
        assert sled.fetch().status == 0
        with Run(sled, config=schedule("1h")) as run, Room(sled) as room:
            wait_scheduler(sled)
            conns, begin = [], b"GET / HTTP/1.1\r\nHost: "
            for _ in range(1000):
                conn = room.connect()
                conn.setblocking(False)
                conn.send(begin)
                conns.append(conn)
            for i in range(10, 13):
                (folder / f"n{i}.eml").write_bytes(message(i))
            assert sled.fetch().status == 0 and len(sled.list()) == 6
            for path in PAGES[:4]:
                assert room.get(path).status == 200
            assert len(os.listdir(f"/proc/{room.process.pid}/fd")) < 250
            # Header deadlines pass, though something comes all the time.
            assert trickle(conns, time.monotonic() + DEADLINE) == 0
            assert room.get("/mail/home/6").status == 200
            assert run.stop() == 0


# ---- reading ----

def rows(page):
    return re.findall(r'<a class="row" href="([^"]+)"', page)


def walk(room, path):
    seen = []
    while path:
        page = room.get(path).text
        seen += rows(page)
        more = re.search(r'id="older"[^>]*href="([^"]+)"', page)
        path = html.unescape(more[1]) if more else None
    return seen


def test_pages_hold_each_message_once_newest_first(tmp):
    sled = fetched(tmp, notes(123))
    want = [f"/mail/home/{n}" for n in range(123, 0, -1)]
    with Room(sled) as room:
        assert walk(room, "/mail") == want
        assert walk(room, "/mail?account=home") == want
        assert walk(room, "/mail?account=other") == []
        assert sorted(walk(room, "/mail?q=note")) == sorted(want)
        assert walk(room, "/mail?q=%22note+77%22") == ["/mail/home/77"]
        assert "something is missing" in room.get("/mail?q=from%3A").text
        part = room.get("/mail?q=note&only=list").text
        assert part.startswith("<ol") and len(rows(part)) == 50
        first = sled.list()[-1]
        answer = room.get("/mail/" + first["id"])
        assert answer.headers["Location"] == "/mail/home/1"


def test_a_page_that_is_cut_says_so(tmp):
    line = "<p>a line of it</p>\n"
    sled = fetched(tmp, {
        "a": letter("<b>whole</b>\n", "text/html"),
        "b": letter(line * 260000,
                    "text/html"),
        "c": letter("<b>x</b>\n" * 210000, "text/html")},
        **{"hold-larger": "none"})
    with Room(sled) as room:
        for number, cut in ((1, False), (2, True), (3, True)):
            page = room.get(f"/mail/home/{number}?view=html").text
            assert ("it is longer than a page shows" in page) == cut, number
            assert "<dt>Received</dt>" in page and "Stored" not in page


def test_a_picture_that_is_named_for_ever_holds_up_nobody(tmp):
    def with_picture(html, octets):
        data = base64.encodebytes(bytes(octets)).decode()
        return letter(
            f"--bound\nContent-Type: text/html\n\n{html}\n--bound\n"
            "Content-Type: image/png\nContent-ID: <a>\n"
            f"Content-Transfer-Encoding: base64\n\n{data}--bound--\n",
            "multipart/related; boundary=bound")

    image = "<img src=cid:a>\n"
    sled = fetched(tmp, {"a": with_picture(image * 20, 50),
                         "b": with_picture(image * 20000, 5 << 20)},
                   **{"hold-larger": "none"})
    with Room(sled) as room:
        page = room.get("/mail/home/1/html").text
        assert page.count("data:image/png;base64,") == 20
        # Ten minutes, if it were decoded each time.
        page = room.get("/mail/home/2/html").text
        assert page.count("no picture") == 20000


def test_an_index_that_is_lost_or_damaged_meanwhile_is_made_anew(tmp):
    sled = fetched(tmp, notes(60))
    index = sled.path / ".mailsled/index.db"

    def is_whole():
        assert room.get("/mail/home/1").status == 200
        answer = room.get("/mail?q=note")
        return answer.status == 200 and index.exists() and (
            index.read_bytes()[:6] == b"SQLite") and (
                len(rows(answer.text)) == 50)

    with Room(sled) as room:
        for damage in (index.unlink, lambda: index.write_bytes(b"x" * 99999),
                       lambda: spoil_words(index)):
            assert is_whole()
            damage()
            wait_for(is_whole, "a new index")


def test_attachments_and_exact_bytes_are_saved_under_safe_names(tmp):
    body = bytes(range(256)) * 5000
    name = "../../etc/\u202egpj.exe\r\nSet-Cookie: a=b\";x=é"
    word = "=?utf-8?b?%s?=" % base64.b64encode(name.encode()).decode()
    mail = letter(
        "--b\nContent-Type: text/html; charset=utf-8\n"
        "Content-Disposition: attachment; filename=\"page.html\"\n\n"
        "<script>alert(1)</script>\n"
        f"--b\nContent-Type: text/html; name=\"{word}\"\n"
        "Content-Disposition: attachment\nContent-Transfer-Encoding: base64"
        "\n\n" + base64.encodebytes(body).decode() + "--b--\n",
        'multipart/mixed; boundary="b"')
    sled = fetched(tmp, {"a": mail}, **{"hold-larger": "none"})
    with Room(sled) as room:
        page = room.get("/mail/home/1").text
        for part in re.findall(r'href="(/mail/home/1/part/\d+)"', page):
            answer = room.get(part)
            head = answer.headers
            assert head["Content-Type"] == "application/octet-stream"
            assert head["X-Content-Type-Options"] == "nosniff"
            assert "Set-Cookie" not in head
            disposition = head["Content-Disposition"]
            assert disposition.startswith('attachment; filename="')
            assert not re.search(r"[\\/\r\n]|%2F|%E2%80%AE", disposition)
        assert answer.body == body
        assert "filename*=UTF-8''" in disposition
        assert room.get("/mail/home/1/raw").body == wire(mail)


# ---- deciding ----

def test_held_mail_is_wanted_kept_and_dropped_from_the_page(tmp):
    needs_reader()
    folder = fill_folder(tmp / "in", {
        "a": message(1), "b": message(2, LINES * 900, "photos"),
        "c": message(3, LINES * 1200, "video")})
    with Pop3d(tmp, folder=folder) as server:
        sled = Sled(tmp, {"home": server}, account={**KEEP,
                                                    "delete": "verified"})
        assert sled.fetch().status == 0
        ids = {row["subject"]: row["id"] for row in
               sled.run("--json", "held").json}
        with Run(sled, config=schedule("1h")) as run, Room(sled) as room:
            wait_scheduler(sled)
            page = room.get("/held").text
            assert "photos" in page and "video" in page

            def decision(name):
                return {row["subject"]: row["decision"] for row in
                        sled.run("--json", "held").json}.get(name)

            answer = room.post("/held/want", id=ids["photos"])
            assert answer.headers["Location"] == "/held", answer
            assert decision("photos") == "want"
            assert "the next visit fetches it" in room.get("/held").text
            room.post("/held/keep", id=ids["photos"])
            assert decision("photos") is None
            room.post("/held/want", id=ids["photos"])
            # It is asked once more, and nothing happens by a link alone.
            page = room.get(f"/held/drop?id={ids['video']}").text
            assert "video" in page and "for good" in page
            assert "photos" not in page and decision("video") is None
            room.post("/held/drop", id=ids["video"])
            assert decision("video") == "drop"
            for bad in ("h0000000000", "--undo", "--yes", "", "x", "1;ls"):
                for act in ("want", "keep", "drop"):
                    answer = room.post(f"/held/{act}", id=bad)
                    assert answer.status in (400, 503), (act, bad)
                    assert r"\x0a" not in answer.text, answer.text
            assert sled.fetch().status == 0
            assert "Nothing is held" in room.get("/held").text
            assert len(sled.list()) == 2 and run.stop() == 0
        assert server.left() == []


# ---- health ----

def verified(room):
    assert room.post("/health/verify", how="deep").status == 303
    wait_for(lambda: '"running":false' in room.get("/verify.json").text,
             "verify to end")
    return room.get("/health").text


def state_of(page, place):
    card = re.search(rf'<li class="card place"[^>]*>\s*<h3><bdi>{place}</bdi>'
                     r'.*?</li>\n(?=<li class="card|</ul></section>)', page,
                     re.S)
    return re.search(r'class="state (\w+)">([^<]+)', card[0]).groups()


def test_verify_from_the_page_shows_which_copy_is_damaged(tmp):
    sled = fetched(tmp, notes(30))
    with Room(sled) as room:
        page = verified(room)
        assert "0 faults" in page and "Whole" in page
        assert state_of(page, sled.copies[0]) == ("good", "Whole")
        volume = next(sled.copies[0].glob("home/*.tar.gz"))
        data = bytearray(volume.read_bytes())
        data[len(data) // 2] ^= 1
        volume.chmod(0o644)
        volume.write_bytes(data)
        page = verified(room)
        assert state_of(page, sled.copies[0]) == ("bad", "Damaged")
        assert state_of(page, sled.path) == ("good", "Whole")
        assert re.search(r"1 fault\b", page) and "mailsled repair" in page
        home = room.get("/").text
        assert 'class="state bad">Damaged' in home
        assert "All is well" not in home


def test_an_absent_copy_is_said(tmp):
    sled = fetched(tmp, notes())
    with Room(sled) as room:
        sled.copies[0].rename(tmp / "away")
        page = wait_for(lambda: (lambda t: t if "Absent" in t else None)(
            room.get("/").text), "the copy to be missed")
        assert str(sled.copies[0]) in page
        (tmp / "away").rename(sled.copies[0])
        wait_for(lambda: "Absent" not in room.get("/").text, "its return")


# ---- who it stands in the way of, and what stands in its way ----

def test_pages_never_take_or_wait_for_the_lock(tmp):
    sled = fetched(tmp, notes())
    with Room(sled) as room, open(sled.path / ".mailsled/lock", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for path in PAGES[:-1]:
            took = []
            for _ in range(3):  # a busy machine waits too, but not each time
                began = time.monotonic()
                assert room.get(path).status == 200, path
                took.append(time.monotonic() - began)
            assert min(took) < 5, took  # the lock is waited for so long
        verified(room)
        fcntl.flock(lock, fcntl.LOCK_UN)
        room.get("/mail")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_store_that_is_absent_or_damaged_is_told_not_died_of(tmp):
    needs_reader()
    with Pop3d(tmp, "--generate", "3") as server:
        sled = Sled(tmp, {"home": server})
        none = sled.run("serve")
        assert none.status == 66 and "no store" in none.err, none
        assert sled.fetch().status == 0
        with Room(sled) as room:
            assert room.get("/mail").status == 200
            sled.path.rename(tmp / "away")
            gone = wait_for(lambda: (lambda a: a if a.status != 200 else None)(
                room.get("/mail")), "the store to be missed")
            assert gone.status in (404, 500) and "store" in gone.text
            (tmp / "away").rename(sled.path)
            wait_for(lambda: room.get("/mail").status == 200, "its return")
            ledger = sled.path / ".mailsled/ledger.db"
            data = ledger.read_bytes()
            ledger.write_bytes(b"not a database" * 1000)
            bad = wait_for(lambda: (lambda a: a if a.status != 200 else None)(
                room.get("/mail")), "the damage to be met")
            assert bad.status == 500 and "ledger" in bad.text, bad
            ledger.write_bytes(data)
            for volume in sled.places[0].glob("home/*.tar.gz"):
                volume.chmod(0o644)
                volume.write_bytes(b"\0" * 100)
            for volume in sled.places[1].glob("home/*.tar.gz"):
                volume.chmod(0o644)
                volume.write_bytes(b"\0" * 100)
            assert room.get("/mail/home/1").status == 500
            assert room.get("/health").status == 200


def test_a_signal_ends_it_well_whatever_it_does(tmp):
    sled = fetched(tmp, notes())
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        room = Room(sled)
        open_one = room.connect()
        open_one.send(b"GET / HTTP")
        assert room.post("/health/verify", how="deep").status == 303
        room.process.send_signal(number)
        assert room.process.wait(DEADLINE) == 0, room.heard()
        open_one.close()
        room.release()


# ---- where it listens ----

def test_it_listens_on_127_0_0_1_alone(tmp):
    with Room(fetched(tmp, notes())) as room:
        assert room.address == "127.0.0.1"
        for address in ("127.0.0.2", "::1"):
            try:
                socket.create_connection((address, room.port), 2).close()
                raise AssertionError(f"{address} answers")
            except OSError:
                pass
        with open(f"/proc/{room.process.pid}/net/tcp") as table:
            mine = [line.split()[1] for line in table
                    if line.split()[1].endswith(f":{room.port:04X}")
                    and line.split()[3] == "0A"]
        assert mine == [f"0100007F:{room.port:04X}"]


def test_another_address_needs_a_password(tmp):
    sled = fetched(tmp, notes())
    secret = tmp / "secret"
    refused = sled.run("serve", "--address", "0.0.0.0")
    assert refused.status == 64 and "password" in refused.err, refused
    secret.write_text("pump station\n")
    secret.chmod(0o644)
    refused = sled.run("serve", "--address", "0.0.0.0", "--password-file",
                       secret)
    assert refused.status == 78 and "others may read it" in refused.err
    secret.chmod(0o600)
    with Room(sled, "--address", "0.0.0.0", "--password-file", secret,
              "--name", "base.example", enter=False) as room:
        assert "?" not in room.url and "pump" not in room.url
        room.address = "127.0.0.1"
        assert room.get("/mail").status == 403  # 0.0.0.0 is nobody's name
        room.host = f"127.0.0.1:{room.port}"
        page = room.send("GET", "/mail")
        assert page.status == 401 and 'type="password"' in page.text
        assert "Note" not in page.text

        def enter(word, **headers):
            return room.send("POST", "/login", {
                "Origin": f"http://{room.host}",
                "Content-Type": "application/x-www-form-urlencoded",
                **headers}, b"password=" + word)

        assert enter(b"pump+station", Origin="http://evil.example"
                     ).status == 403
        assert enter(b"wrong").status == 403
        assert enter(b"pump+station").status == 429
        good = wait_for(lambda: (lambda a: a if a.status == 303 else None)(
            enter(b"pump+station")), "the wait after a wrong one")
        room.cookie = good.headers["Set-Cookie"].split(";")[0]
        assert room.get("/mail").status == 200
        assert "Secure" not in good.headers["Set-Cookie"]
        room.host = "base.example"
        assert room.get("/mail").status == 200
        # Through what speaks TLS for it, the cookie comes by TLS alone.
        assert enter(b"pump+station", Origin="https://base.example").headers[
            "Set-Cookie"].endswith("; Secure")
        room.host = f"evil.example:{room.port}"
        assert room.get("/mail").status == 403


def test_a_port_that_is_taken_is_told(tmp):
    sled = fetched(tmp, notes())
    with Room(sled) as room:
        taken = sled.run("serve", "--port", room.port)
        assert taken.status == 69 and "in use" in taken.err, taken
    for bad in ("0x", "70000", "-1"):
        assert sled.run("serve", f"--port={bad}").status == 64
    assert sled.run("serve", "--address", "localhost").status == 64


def test_answers_come_while_others_load(tmp):
    """One who takes an attachment slowly holds up nobody."""
    mail = {"a": message(1, "z" * 79 + "\n" + ("y" * 70 + "\n") * 200000)}
    sled = fetched(tmp, mail, **{"hold-larger": "none"})
    with Room(sled) as room, room.connect() as slow_one:
        slow_one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow_one.send(b"GET /mail/home/1/raw HTTP/1.1\r\nHost: %s\r\nCookie: "
                      b"%s\r\n\r\n" % (room.host.encode(),
                                       room.cookie.encode()))
        assert slow_one.recv(100).startswith(b"HTTP/1.1 200")
        done = []
        threads = [threading.Thread(
            target=lambda: done.append(room.get("/mail").status))
            for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE)
        assert done == [200] * 20
        assert room.rss() < 60000
