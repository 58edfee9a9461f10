"""`mailsled run`: visits happen when they should, by the link that is there;
a line that was dialled is always hung up; nothing stops the others."""
import calendar
import collections
import ctypes
import json
import os
import re
import signal
import subprocess
import time

from harness import BUILD, DEADLINE, Pop3d, Skip, Sled, slow, wait_for

CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000


class Run:
    """`mailsled run` in the background; its stderr is a file."""

    program = "mailsled"

    def __init__(self, sled, *args, config="", env=None):
        self.sled, self.log = sled, sled.dir / "run.log"
        self.base = sled.config.read_text()
        self.configure(config)
        self.env = {**os.environ, "TZ": "UTC", **(env or {})}
        self.args = args
        self.start()

    def configure(self, config):
        self.sled.config.write_text(self.base + config)

    def start(self):
        with open(self.log, "a") as log:
            argv = self.sled.argv("-v", "run", *self.args)
            argv[0] = str(BUILD / self.program)
            self.process = subprocess.Popen(
                argv, stderr=log,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                env=self.env)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    @property
    def text(self):
        return self.log.read_text()

    def count(self, pattern):
        return len(re.findall(pattern, self.text))

    def wait(self, pattern, count=1, deadline=DEADLINE):
        try:
            wait_for(lambda: self.count(pattern) >= count, pattern, deadline)
        except AssertionError as why:
            raise AssertionError(f"{why}\n{self.text}") from None

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, deadline=DEADLINE):
        self.signal(signal.SIGTERM)
        return self.process.wait(deadline)


def schedule(every="1h", more=""):
    return f"\n[schedule]\nevery = {every}\njitter = 0s\n{more}"


def test_visits_by_every_and_on_a_signal(tmp):
    with Pop3d(tmp, "--generate", "5") as server:
        sled = Sled(tmp, {"home": server})
        with Run(sled, config=schedule("1s")) as run:
            run.wait(r"home: 5 came")
            run.wait(r"home: 0 came", 2)
            run.configure(schedule())
            run.signal(signal.SIGHUP)
            run.wait("configuration was read again")
            seen = run.count("home: 0 came")
            run.signal(signal.SIGUSR1)
            run.wait("home: 0 came", seen + 1)
            assert run.stop() == 0, run.text
        assert server.retrs() == 5


def test_a_bad_configuration_is_told_and_the_old_one_stays(tmp):
    with Pop3d(tmp, "--generate", "1") as server:
        sled = Sled(tmp, {"home": server})
        with Run(sled, config=schedule("1s")) as run:
            run.wait("home: 1 came")
            run.configure("\n[schedule]\nevery = soon\n")
            run.signal(signal.SIGHUP)
            run.wait("the old configuration stays")
            run.wait("home: 0 came", run.count("home: 0 came") + 2)
            run.configure(schedule())
            assert run.stop() == 0


def test_sigterm_in_the_middle_keeps_what_is_whole(tmp):
    with Pop3d(tmp, "--generate", "50,20000", "--fault",
               "RETR:20:stall") as server:
        sled = Sled(tmp, {"home": server})
        with Run(sled, config=schedule()) as run:
            wait_for(lambda: server.retrs() >= 20, "the 20th RETR")
            begin = time.monotonic()
            assert run.stop(25) == 0, run.text
            assert time.monotonic() - begin < 20
        done = sled.run("--json", "list")
        assert len(done.json) >= 19, done


def test_a_second_sigterm_hangs_up_at_once(tmp):
    with Pop3d(tmp, "--generate", "50,20000", "--fault",
               "RETR:20:stall") as server:
        sled = Sled(tmp, {"home": server})
        with Run(sled, config=schedule()) as run:
            wait_for(lambda: server.retrs() >= 20, "the 20th RETR")
            run.signal(signal.SIGTERM)
            run.wait("stopping")
            run.signal(signal.SIGTERM)
            assert run.process.wait(5) == 0, run.text


def test_once_ends_with_the_status_of_the_visit(tmp):
    with Pop3d(tmp, "--generate", "3") as server:
        sled = Sled(tmp, {"home": server})
        done = sled.run("run", "--once")
        assert done.status == 0 and "home: 3 came" in done.err, done
        sled.secret(sled.dir / "password-home", "wrong\n")
        sled.config.write_text(sled.config.read_text() +
                               "\n[schedule]\nevery = 1s\n")
        done = sled.run("run", "--once")
        assert done.status == 77, done


def test_a_second_scheduler_names_the_first(tmp):
    with Pop3d(tmp, "--generate", "1") as server:
        sled = Sled(tmp, {"home": server})
        with Run(sled, config=schedule()) as run:
            run.wait("home: 1 came")
            done = sled.run("run")
            assert done.status == 75, done
            assert f"pid {run.process.pid}" in done.err, done
            assert run.stop() == 0


def test_status_names_the_next_visit_and_why(tmp):
    with Pop3d(tmp, "--generate", "1") as server:
        sled = Sled(tmp, {"home": server})
        assert sled.fetch().status == 0
        assert "no scheduler runs" in sled.run("status").out
        with Run(sled, config=schedule()) as run:
            # A link that is up when it starts is news: a visit may be under way.
            said = wait_for(lambda: re.search(
                r"\(in 5\d min .*: by `every`(?s:.*)scheduler runs, pid",
                sled.run("status").out), "the next visit").group()
            assert "a visit is under way" not in said, said
            rows = sled.run("--json", "status").json
            row = next(o for o in rows if "scheduler" in o)
            assert row["scheduler"] and row["next_visit"], row
            assert run.stop() == 0


def test_a_fetch_is_made_by_the_scheduler(tmp):
    with Pop3d(tmp, "--generate", "4") as server, \
            Pop3d(tmp, "--generate", "3", name="other") as other:
        sled = Sled(tmp, {"home": server, "work": other})
        with Run(sled, config=schedule()) as run:
            run.wait("home: 4 came")
            run.wait("work: 3 came")
            done = sled.fetch("home")
            assert done.status == 0, done
            assert [o["account"] for o in done.reports] == ["home"], done
            run.wait("asked")
            said = sled.run("fetch")
            assert said.status == 0 and "work: 0 came" in said.out, said
            assert sled.run("stop").status == 75
            assert run.stop() == 0


def test_stop_ends_the_visit_and_not_the_scheduler(tmp):
    with Pop3d(tmp, "--generate", "50,20000", "--fault",
               "RETR:20:stall") as server:
        sled = Sled(tmp, {"home": server})
        with Run(sled, config=schedule()) as run:
            wait_for(lambda: server.retrs() >= 20, "the 20th RETR")
            assert sled.run("stop", "--hang-up").status == 0
            run.wait("home: .*failed")
            assert run.process.poll() is None
            assert run.count("visiting") == 1, run.text
            assert run.stop() == 0


def test_others_have_the_store_between_visits(tmp):
    with Pop3d(tmp, "--generate", "2") as server:
        sled = Sled(tmp, {"home": server})
        with Run(sled, config=schedule("1s")) as run:
            run.wait("home: 2 came")
            for _ in range(3):
                done = sled.run("sync")
                assert done.status == 0, done
            run.wait("home: 0 came", run.count("home: 0 came") + 1)
            assert run.stop() == 0
        assert not re.search("lock|held by", run.text), run.text


def test_a_scheduler_that_does_not_answer_holds_up_no_hook(tmp):
    with Pop3d(tmp, "--generate", "1") as server:
        sled = Sled(tmp, {"home": server})
        with Run(sled, config=schedule()) as run:
            run.wait("home: 1 came")
            run.signal(signal.SIGSTOP)
            asked = {words: subprocess.Popen(
                sled.argv(*words.split()), text=True, stderr=subprocess.PIPE,
                stdout=subprocess.PIPE)
                for words in ("event up if=ppp0", "stop", "status",
                              "--json status")}
            for words, process in asked.items():
                out, err = process.communicate(timeout=15)
                assert "the scheduler does not answer" in err, (words, err)
                assert process.returncode == (
                    0 if "status" in words else 75), words
                assert "?" not in out, out
            run.signal(signal.SIGCONT)
            assert run.stop() == 0


def test_a_link_is_named_once_and_its_section_if_it_has_another_name(tmp):
    with Pop3d(tmp, "--generate", "1") as server:
        sled = Sled(tmp, {"home": server})
        with Run(sled, config=schedule() + "\n[link lo]\n") as run:
            run.wait("home: 1 came")
            assert "  link up   lo\n" in sled.run("status").out
            assert "  stored    1 message, " in sled.run("status").out
            run.configure(schedule() + "\n[link l?]\n")
            run.signal(signal.SIGHUP)
            run.wait("configuration was read again")
            assert "  link up   lo, [link l?]\n" in sled.run("status").out
            assert run.stop() == 0


def test_one_broken_account_does_not_cost_the_other_its_turn(tmp):
    with Pop3d(tmp, "--generate", "1") as server, \
            Pop3d(tmp, "--generate", "1", "--fault", "LOGIN:err=no",
                  name="broken") as broken:
        sled = Sled(tmp, {"bad": broken, "home": server})
        with Run(sled, config=schedule("1s")) as run:
            run.wait("home: 0 came", 3)
            assert run.count("bad: ") < 3, run.text
            assert "failed 1 time" in sled.run("status").out
            assert run.stop() == 0


def test_a_server_that_is_not_there_backs_off_alone(tmp):
    with Pop3d(tmp, "--generate", "1") as server:
        gone = Pop3d(tmp, "--generate", "1", name="gone")
        gone.stop()
        sled = Sled(tmp, {"home": server, "gone": gone})
        with Run(sled, config=schedule("1s")) as run:
            run.wait("home: 0 came", 3)
            assert run.count("gone: .*failed") == 1, run.text
            assert run.stop() == 0


def test_windows_that_are_closed_keep_it_waiting(tmp):
    closed = (time.gmtime().tm_hour + 12) % 24
    windows = f"windows = {closed:02}:00-{closed:02}:30\n"
    with Pop3d(tmp, "--generate", "1") as server:
        sled = Sled(tmp, {"home": server})
        with Run(sled, config=schedule("1s", windows)) as run:
            wait_for(lambda: "when the window opens" in
                     sled.run("status").out, "the reason")
            assert not server.hellos(), run.text
            said = sled.fetch()
            assert said.status == 0 and said.reports[0]["fetched"] == 1, said
            assert run.stop() == 0


def test_it_tells_the_service_manager(tmp):
    import socket
    path = str(tmp / "notify")
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(path)
    manager.settimeout(DEADLINE)
    with Pop3d(tmp, "--generate", "1") as server:
        sled = Sled(tmp, {"home": server})
        env = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "200000",
               "JOURNAL_STREAM": "1:2"}
        with Run(sled, config=schedule(), env=env) as run:
            seen = ""
            while not ("READY=1" in seen and "WATCHDOG=1" in seen and
                       "STATUS=next visit in" in seen):
                seen += manager.recv(4096).decode() + "\n"
            run.wait(r"(?m)^<6>home: 1 came")
            assert run.stop() == 0
            while "STOPPING=1" not in seen:
                seen += manager.recv(4096).decode() + "\n"
    manager.close()


# ---- real interfaces -------------------------------------------------------


def sh(text, check=True):
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True)
    assert not check or done.returncode == 0, (text, done.stderr)
    return done


def unshare(flags):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        raise Skip(f"unshare: {os.strerror(ctypes.get_errno())}")


class Away:
    """A server behind dial0, which is in our network namespace and down, and
    ALSO(address), another one there. The process is in namespaces of its own
    from here on."""

    def __init__(self, tmp, *args, also=None):
        self.tmp = tmp
        unshare(CLONE_NEWNS | CLONE_NEWNET)
        hosts = tmp / "hosts"
        hosts.write_text("10.77.0.1 localhost\n")
        sh("mount --make-rprivate /", check=False)
        if sh(f"mount --bind {hosts} /etc/hosts && "
              "ip link add far0 type veth peer name dial0 && "
              "ip addr add 10.77.0.1/24 dev far0 && ip link set far0 up",
              check=False).returncode != 0:
            raise Skip("no veth here")
        self.server = Pop3d(tmp, "--listen", "10.77.0.1", *args)
        self.also = also and also("10.77.0.1")
        unshare(CLONE_NEWNET)
        self.enter = f"nsenter -t {self.server.process.pid} -n"
        sh(f"{self.enter} ip link set dial0 netns {os.getpid()}")
        sh("ip addr add 10.77.0.2/24 dev dial0")
        self.up = tmp / "up.sh"
        self.down = tmp / "down.sh"
        self.script(self.up, "ip link set dial0 up && "
                    "ip route add default via 10.77.0.1\n")
        self.script(self.down, "ip link set dial0 down\n")

    def script(self, path, text):
        """Each call leaves a line."""
        path.write_text(f"echo {path.stem} >>{self.tmp}/calls\n{text}")

    def calls(self):
        path = self.tmp / "calls"
        return path.read_text().split() if path.exists() else []

    def is_up(self):
        return "state UP" in sh("ip link show dial0").stdout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()

    def line(self, more=""):
        return (f"\n[link dial0]\nup-command = sh {self.up}\n"
                f"down-command = sh {self.down}\n"
                f"up-timeout = 10s\ndown-timeout = 3s\n{more}")


def test_a_line_is_dialled_and_hung_up(tmp):
    with Away(tmp, "--generate", "3") as away:
        sled = Sled(tmp, {"home": away.server})
        with Run(sled, config=schedule("6s") + away.line()) as run:
            run.wait("dialling", 2)
            assert run.text.count("home: 3 came") == 1, run.text
            run.wait("home: 0 came")
            run.wait("hanging up", 2)
            wait_for(lambda: not away.is_up(), "the line to close")
            assert away.calls() == ["up", "down"] * 2, away.calls()
            rows = sled.run("--json", "report").out
            assert '"dialled":true' in rows.replace(" ", ""), rows
            assert run.stop() == 0


def test_sigterm_hangs_the_line_up(tmp):
    with Away(tmp, "--generate", "50,20000", "--fault",
              "RETR:20:stall") as away:
        sled = Sled(tmp, {"home": away.server})
        with Run(sled, config=schedule() + away.line()) as run:
            wait_for(lambda: away.server.retrs() >= 20, "the 20th RETR")
            assert run.stop(30) == 0, run.text
            assert away.calls() == ["up", "down"] and not away.is_up()


def test_a_killed_scheduler_s_line_is_hung_up_at_the_next_start(tmp):
    with Away(tmp, "--generate", "50,20000", "--fault",
              "RETR:20:stall") as away:
        sled = Sled(tmp, {"home": away.server})
        with Run(sled, config=schedule() + away.line()) as run:
            wait_for(lambda: away.server.retrs() >= 20, "the 20th RETR")
            run.process.kill()
            run.process.wait()
            assert away.is_up()
            run.configure("\n[schedule]\non-link = yes\n" + away.line())
            run.start()
            run.wait("left open before this start")
            wait_for(lambda: not away.is_up(), "the line to close")
            assert away.calls() == ["up", "down"], away.calls()
            assert run.stop() == 0


def test_an_up_command_that_hangs_is_ended_and_the_line_closed(tmp):
    with Away(tmp, "--generate", "1") as away:
        away.script(away.up, "trap '' TERM\n(sleep 300; true) &\n"
                    "while true; do sleep 300; done\n")
        sled = Sled(tmp, {"home": away.server})
        config = schedule() + away.line().replace("10s", "1s")
        with Run(sled, config=config) as run:
            begin = time.monotonic()
            run.wait("hanging up")
            wait_for(lambda: "down" in away.calls(), "down-command")
            # Nothing of its 300 s; on a busy machine more than a few.
            assert time.monotonic() - begin < DEADLINE, run.text
            assert run.stop() == 0


def test_a_down_command_that_hangs_is_ended_and_told(tmp):
    with Away(tmp, "--generate", "1") as away:
        away.script(away.down, "trap '' TERM\nwhile true; do sleep 1; done\n")
        sled = Sled(tmp, {"home": away.server})
        config = schedule() + away.line().replace("3s", "1s")
        with Run(sled, config=config) as run:
            run.wait("home: 1 came")
            run.wait("the line may be open still")
            away.script(away.down, "ip link set dial0 down\n")
            run.wait("hanging up: the link is still there")
            wait_for(lambda: not away.is_up(), "the line to close")
            assert run.stop() == 0
            assert not (sled.path / ".mailsled" / "line").exists()


def test_a_line_that_drops_while_it_is_hung_up_is_no_trouble(tmp):
    with Away(tmp, "--generate", "1") as away:
        away.script(away.down, "ip link set dial0 down\nsleep 1\nexit 1\n")
        sled = Sled(tmp, {"home": away.server})
        with Run(sled, config=schedule("8s") + away.line()) as run:
            run.wait("home: 1 came")
            run.wait("the line may be open still")
            run.wait("home: 0 came")
            assert run.stop() == 0


def test_a_visit_begins_soon_after_the_route_is_there(tmp):
    with Away(tmp, "--generate", "2") as away:
        sled = Sled(tmp, {"home": away.server})
        with Run(sled, config="\n[schedule]\non-link = yes\n") as run:
            wait_for(lambda: "scheduler runs, pid" in sled.run("status").out,
                     "the scheduler")
            took = []
            for i in range(3):
                sh(f"sh {away.up}")
                begin = time.monotonic()
                run.wait("dial0: visiting", i + 1)
                took.append(time.monotonic() - begin)
                run.wait(r"home: \d came", i + 1)
                sh(f"sh {away.down}")
                wait_for(lambda: "link up   dial0" not in
                         sled.run("status").out, "the link to go")
            print(f"visit after route: {', '.join(f'{t:.2f} s' for t in took)}")
            (tmp / "took").write_text(json.dumps(took))
            assert max(took) < 15, took
            assert run.stop() == 0


def test_the_cheaper_link_is_used_though_the_routes_prefer_another(tmp):
    with Away(tmp, "--generate", "5,3000") as away:
        far = f"{away.enter} ip"
        sh(f"""ip link add dear0 type veth peer name far1
               ip link set far1 netns {away.server.process.pid}
               {far} addr add 10.78.0.1/24 dev far1
               {far} link set far1 up
               {far} link set lo up
               ip addr add 10.78.0.2/24 dev dear0
               ip link set dear0 up
               ip link set dial0 up
               ip route add default via 10.78.0.1 metric 10
               ip route del 10.77.0.0/24 dev dial0
               ip route add 10.77.0.1 dev dial0 metric 900 table 77
               ip route add default dev dial0 metric 100""")
        wait_for(lambda: sh("ip link").stdout.count("state UP") == 2,
                 "both links")
        config = ("\n[schedule]\nevery = 1h\n[link dear0]\n"
                  "cost = 5.00 USD/MiB\n[link dial0]\n")
        sled = Sled(tmp, {"home": away.server})
        with Run(sled, config=config) as run:
            run.wait("home: 5 came")
            assert run.count("dial0: visiting") == 1, run.text
            sent = re.findall(r"TX:.*\n\s*(\d+)",
                              sh(f"{far} -s link show far0").stdout)
            assert int(sent[0]) > 15000, sent
            assert run.stop() == 0


def test_mail_that_the_cut_left_comes_when_the_link_is_back(tmp):
    with Away(tmp, "--generate", "40,20000", "--fault",
              "RETR:20:stall") as away:
        sled = Sled(tmp, {"home": away.server})
        with Run(sled, config="\n[schedule]\non-link = yes\n") as run:
            sh(f"sh {away.up}")
            wait_for(lambda: away.server.retrs() >= 20, "the 20th RETR")
            sh(f"sh {away.down}")
            sled.run("stop", "--hang-up")
            run.wait("home: .*failed")
            sh(f"sh {away.up}")
            run.wait(r"home: \d+ came", 2)
            assert run.stop() == 0
        assert len(sled.run("--json", "list").json) == 40


# ---- days ------------------------------------------------------------------


class FastRun(Run):
    """A simulated second is a millisecond: see tests/support/fast_clock.c."""

    program = "mailsled-fast"
    speed = 1000

    def __init__(self, *args, **more):
        super().__init__(*args, env={"FAST_CLOCK": str(self.speed)}, **more)

    def look(self):
        """(kB of memory, descriptors, the children's pids) now."""
        proc = f"/proc/{self.process.pid}"
        with open(f"{proc}/status") as status:
            rss = int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])
        with open(f"{proc}/task/{self.process.pid}/children") as children:
            return rss, len(os.listdir(f"{proc}/fd")), children.read().split()


WINDOWS = [(0, 6), (8, 12), (13, 23)]  # hours
POLL = 6000  # bytes that a budget must hold for one more visit
HOUR, DAY = 3600, 86400
# A simulated second is a millisecond of work: what was decided in time is
# seen this much later, and later yet by what the machine lets us wait.
LATE = 60


def overslept(seconds):
    began = time.monotonic()
    time.sleep(seconds)
    return time.monotonic() - began - seconds


def flap(away, seconds, run):
    """Up and down about once a simulated minute; what the daemon held at each
    simulated hour, while nothing was under way, and the longest that the
    machine let us wait for our turn."""
    batch = subprocess.Popen(["ip", "-force", "-batch", "-"],
                             stdin=subprocess.PIPE, text=True,
                             stderr=subprocess.DEVNULL)
    end, looks, hour, stall = time.monotonic() + seconds, [], 0, 0
    while time.monotonic() < end:
        for line in ("link set dial0 up", "route add default via 10.77.0.1",
                     "link set dial0 down"):
            batch.stdin.write(line + "\n")
            batch.stdin.flush()
            if line.startswith("route"):
                stall = max(stall, overslept(0.04))
        stall = max(stall, overslept(0.02))
        hour += 0.06
        if hour > 3.6:
            hour = 0
            looks.append(run.look())
        assert run.process.poll() is None, run.text[-2000:]
    batch.stdin.close()
    batch.wait()
    return looks, stall


def test_days_with_a_link_that_flaps_every_minute(tmp):
    """Seven with --slow; a few hours without."""
    seconds, budget = (610, 2048) if slow() else (12, 200)
    windows = ", ".join(f"{a:02}:00-{b:02}:00" for a, b in WINDOWS)
    with Away(tmp, "--generate", "20") as away:
        (tmp / "sled").mkdir()
        # A disk that stalls for a second would cost a quarter of an hour.
        sh(f"mount -t tmpfs none {tmp}/sled")
        sled = Sled(tmp, {"home": away.server})
        config = (f"\n[schedule]\nevery = 30m\non-link = yes\n"
                  f"windows = {windows}\n[link dial0]\n"
                  f"budget = {budget}KiB/day\n")
        began = time.time()
        with FastRun(sled, config=config) as run:
            looks, stall = flap(away, seconds, run)
            ended = began + (time.time() - began) * run.speed
            assert run.stop(60) == 0, run.text[-2000:]
        rounds = [Round(o) for o in sled.run("--json", "report").json
                  if "began" in o]
        late = LATE + 2 * stall * run.speed
        seen, spent, most = check_days(rounds, began, ended, budget * 1024,
                                       late)
        rss, files, children = zip(*looks)
        print(f"{seconds} s, {(ended - began) / DAY:.2f} days: "
              f"{len(rounds)} rounds, {run.count('visiting')} begun, "
              f"{sum(r.good for r in rounds)} good; windows: {seen} visited, "
              f"{spent} with the budget spent; most of a day: {most} of "
              f"{budget * 1024} bytes; memory {rss[0]} to {rss[-1]} kB, "
              f"descriptors {min(files)} to {max(files)}, "
              f"{len(set(sum(children, [])))} children seen; the machine "
              f"stalled for {stall * 1000:.0f} ms at most")
        check_looks(rss, files, children)


def check_looks(rss, files, children):
    half = len(rss) // 2
    if half > 3:
        assert max(rss[half:]) < max(rss[:half]) * 1.1 + 1024, rss
    assert max(files) < min(files) + 20, files
    # One may tend the store just then; what is there for hours is lost.
    stays = [pid for a, b, c in zip(children, children[1:], children[2:])
             for pid in a if pid in b and pid in c]
    assert not stays, children


def seconds_of(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


class Round:
    def __init__(self, row):
        self.row, self.bytes = row, row["billed_bytes"]
        self.began = seconds_of(row["began"])
        # Without the disk's time behind it.
        self.ended = max([seconds_of(v["began"]) + v["seconds"] -
                          v["ms_save"] / 1000 for v in row["visits"]],
                         default=self.began)
        self.good = row["over"] and row["exit"] == 0


def openings(began, ended):
    """[(from, until)] of all windows between the two."""
    day = began - began % DAY
    while day < ended:
        for a, b in WINDOWS:
            if began < day + b * HOUR and day + a * HOUR < ended:
                yield max(began, day + a * HOUR), min(ended, day + b * HOUR)
        day += DAY


def check_days(rounds, began, ended, budget, late):
    """(windows with a visit, windows whose day had nothing left to spend,
    the most bytes of a day)"""
    assert len(rounds) > 3, rounds
    days = collections.Counter()
    for r in rounds:
        days[r.began // DAY] += r.bytes
        assert any(a <= r.began and r.ended <= b + late for a, b in
                   openings(began - late, ended + late)), r.row
    assert max(days.values()) <= budget, days
    seen = spent = 0
    for a, b in openings(began, ended):
        left = budget - sum(r.bytes for r in rounds if r.began < a and
                            r.began // DAY == a // DAY)
        if any(r.good and a <= r.began < b + late for r in rounds):
            seen += 1
        elif left < POLL or b - a < HOUR / 2:
            spent += 1
        else:
            raise AssertionError(f"nothing between {time.ctime(a)} and "
                                 f"{time.ctime(b)}, {left} bytes left")
    return seen, spent, max(days.values())


test_days_with_a_link_that_flaps_every_minute.timeout = 800
