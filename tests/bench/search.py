#!/usr/bin/env python3
"""Search beside notmuch: make bench W=search.

A store of made mail (build/bench/fill: the words of real messages, in
MAIL_CORPUS, where there are some) is indexed, searched, listed and shown; the
same messages as a Maildir by notmuch. BENCH_COUNT is how many (100000). Times
are of whole processes, and with them the time on the CPU, which a busy machine
does not change. BENCH_KEEP=FOLDER keeps what was made, for the next run.
"""
import http.client
import json
import os
import random
import re
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
COUNT = int(os.environ.get("BENCH_COUNT", "100000"))
STEP = 150  # seconds from a message to the next
QUERIES = 60
PAGES = {"overview": "/", "mailbox": "/mail", "an account": "/mail?account=home",
         "far down": f"/mail?account=home&below={COUNT // 2}",
         "a message": "/mail/home/40", "search": "/mail?q=pump",
         "health": "/health"}


def timed(argv, env=None, first_line=False):
    """(wall ms, CPU ms) of a process, or wall ms up to its first line."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    with subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL,
                          env={**os.environ, **(env or {})}) as process:
        head = process.stdout.read(1) if first_line else b""
        wall = (time.monotonic() - began) * 1000
        if first_line:
            assert head
            process.kill()
        process.stdout.read()
    if not first_line:
        assert process.returncode == 0, argv
        wall = (time.monotonic() - began) * 1000
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, 1000 * (after.ru_utime + after.ru_stime - before.ru_utime -
                         before.ru_stime)


def percentile(values, part=0.95):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def pick_queries(corpus):
    """One word, two words of a line, and one with a date."""
    dice = random.Random(5)
    lines = []
    for path in sorted(Path(corpus).glob("*.eml"))[:200]:
        lines += [re.findall("[a-z]{4,14}", line) for line in
                  path.read_text("latin-1").split("\n\n", 1)[-1].splitlines()
                  if len(line) >= 40 and line.count(" ") * 9 > len(line)]
    lines = [words for words in lines if len(words) > 2] or [
        ["bace", "dofa", "gihu"]]
    one = [[dice.choice(dice.choice(lines))] for _ in range(QUERIES)]
    two = [dice.sample(dice.choice(lines), 2) for _ in range(QUERIES)]
    dated = [[dice.choice(dice.choice(lines)), "before:" + time.strftime(
        "%Y-%m-%d", time.gmtime(time.time() - dice.random() * COUNT * STEP))]
        for _ in range(QUERIES)]
    common, rare = ["the"], ["reference", "7919"]
    odd = [common, ["the", "of"], common + rare, ["the", "-of"], ["-the"],
           ['"of the"'], ["from:person9"], ["the", "OR", "of"],
           ["the", "before:2022-06"], ["before:2023"], ["has:attachment"],
           ["sys*"]]
    return {"one word": one, "two words": two, "with a date": dated,
            "common, rare, OR, not": odd * 5}


def notmuch_of(words):
    """The same query in its language."""
    text = " ".join("and not " * (w[0] == "-") + w.lstrip("-") for w in words)
    text = re.sub(r"^and ", "", text).replace("has:attachment",
                                              "tag:attachment")
    return re.sub(r"before:(\S+)", r"date:..\1", text)


def show(name, rows):
    walls, cpus = [r[0] for r in rows], [r[1] for r in rows]
    print(f"  {name:24} p50 {percentile(walls, 0.5):7.1f} ms   "
          f"p95 {percentile(walls):7.1f} ms   CPU p95 "
          f"{percentile(cpus):6.1f} ms")


def page_times(sled):
    """Pages of `serve`, asked for as a browser does: the answer, whole. Every
    second one finds the store closed, as after a pause."""
    room = subprocess.Popen([*map(str, sled), "--json", "serve"],
                            stdout=subprocess.PIPE, text=True)
    try:
        url = json.loads(room.stdout.readline())["url"]
        host, first = re.fullmatch("http://([^/]+)(/.*)", url).groups()
        conn = http.client.HTTPConnection(host)
        conn.request("GET", first)
        answer = conn.getresponse()
        answer.read()
        cookie = answer.headers["Set-Cookie"].split(";")[0]
        for name, path in PAGES.items():
            rows = []
            for turn in range(10):
                time.sleep(1.5 if turn % 2 else 0)
                began, cpu = time.monotonic(), cpu_of(room.pid)
                conn.request("GET", path, headers={"Cookie": cookie})
                answer = conn.getresponse()
                assert answer.status == 200 and answer.read(), path
                rows.append(((time.monotonic() - began) * 1000,
                             cpu_of(room.pid) - cpu))
            show(f"page {name}", rows)
    finally:
        room.terminate()
        room.wait()


def cpu_of(pid):
    """ms; the kernel counts in its own steps."""
    with open(f"/proc/{pid}/schedstat") as stat:
        return int(stat.read().split()[0]) / 1e6


def measure(tmp, corpus):
    store, config = tmp / "mail", tmp / "config.ini"
    config.write_text(f"[store]\npath = {store}\nmin-copies = 1\n")
    sled = [BUILD / "mailsled", "-q", "-c", config]
    if not store.exists():
        timed([BUILD / "bench/fill", store, COUNT, STEP, corpus])
    index = store / ".mailsled/index.db"
    if not index.exists():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([*sled, "--json", "index"], check=True,
                              capture_output=True, text=True).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        added, octets, ms = (int(re.search(f'"{key}": ?(\\d+)', done)[1])
                             for key in ("added", "text_bytes", "ms"))
        cpu = (after.ru_utime + after.ru_stime - before.ru_utime -
               before.ru_stime)
        size = index.stat().st_size
        print(f"mailsled: {added} messages, {octets / 1e6:.0f} MB of text; "
              f"indexed in {ms / 1000:.1f} s ({1000 * added / ms:.0f}/s; "
              f"{added / cpu:.0f} a CPU second), index {size / 1e6:.0f} MB, "
              f"{100 * size / octets:.0f} % of the text")
    for name, queries in pick_queries(corpus).items():
        show(name, [timed([*sled, "search", *q]) for q in queries])
    show("list, first line", [timed([*sled, "list"], first_line=True)
                              for _ in range(20)])
    show("show", [timed([*sled, "show", f"home/{n * COUNT // 40 + 1}"])
                  for n in range(40)])
    page_times(sled)
    return sled


def beside(tmp, sled, corpus):
    if shutil.which("notmuch") is None:
        print("notmuch is not installed")
        return
    folder = tmp / "maildir"
    env = {"NOTMUCH_CONFIG": str(tmp / "notmuch"), "HOME": str(tmp)}
    subprocess.run([*map(str, sled), "export", "--to", str(folder),
                    "--format", "maildir"], check=True)
    (tmp / "notmuch").write_text(f"[database]\npath={folder}\n[new]\ntags=\n")
    wall, cpu = timed(["notmuch", "new", "--quiet"], env)
    size = sum(p.stat().st_size for p in (folder / ".notmuch").rglob("*")
               if p.is_file())
    print(f"notmuch: indexed in {wall / 1000:.1f} s "
          f"({1000 * COUNT / wall:.0f}/s; {1000 * COUNT / cpu:.0f} a CPU "
          f"second), index {size / 1e6:.0f} MB")
    for name, queries in pick_queries(corpus).items():
        show(name, [timed(["notmuch", "search", "--limit=50",
                           notmuch_of(words)], env) for words in queries])


def main():
    corpus = os.environ.get("MAIL_CORPUS", str(ROOT.parent / "shared/mail"))
    kept = os.environ.get("BENCH_KEEP")
    tmp = Path(kept or tempfile.mkdtemp(prefix="bench-search."))
    tmp.mkdir(exist_ok=True)
    try:
        sled = measure(tmp, corpus)
        if COUNT <= 200000:
            beside(tmp, sled, corpus)
    finally:
        if kept is None:
            shutil.rmtree(tmp)


if __name__ == "__main__":
    main()
