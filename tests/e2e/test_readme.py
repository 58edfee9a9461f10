"""What README and the manual say is so: their commands run, nothing that
exists goes unnamed, and nothing that is named is missing."""
import os
import re
import shutil
import subprocess

from harness import BUILD, ROOT, Pop3d, Skip, untar

README = (ROOT / "README.md").read_text()
MAN = ROOT / "packaging" / "man"
PAGE = (MAN / "mailsled.1").read_text()
CONF_PAGE = (MAN / "mailsled.conf.5").read_text()
SECTIONS = {"STORE": "THE STORE", "ACCOUNT": "ACCOUNTS",
            "SCHEDULE": "SCHEDULE", "LINK": "LINKS"}


def fences(language):
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", README)


def chapter(page, title):
    """A .Sh of a page, to the next one."""
    return re.search(rf"(?ms)^\.Sh {title}$(.*?)(?=^\.Sh |\Z)", page)[1]


def mailsled(*args, home=None):
    env = {**os.environ, "HOME": str(home or "/nonexistent")}
    env.pop("XDG_CONFIG_HOME", None)
    return subprocess.run([str(BUILD / "mailsled"), *map(str, args)], env=env,
                          capture_output=True, text=True, timeout=60)


def commands():
    """{command: [its own --options]}, as the program itself tells."""
    names = re.findall(r"(?m)^  ([a-z]+) ", mailsled("help").stdout)
    assert len(names) >= 10, names
    return {name: re.findall(r"(?m)^  --([a-z-]+)",
                             mailsled("help", name).stdout.split("-c FILE")[0])
            for name in names}


def shell(script, cwd, home=None):
    return subprocess.run(["sh", "-eu", "-c", script], cwd=cwd, text=True,
                          env={**os.environ, "HOME": str(home or cwd)},
                          capture_output=True, timeout=60)


def account_as_in_the_readme(tmp, server):
    """The README's own lines, with this server and places for those of the
    example; the configuration is where it says."""
    text, = fences("ini")
    for old, new in (("pop.example.org", server.host), ("= ada", "= demo"),
                     ("secret-tool lookup mail home", "echo demo"),
                     ("/media/usb/mail", str(tmp / "usb"))):
        assert old in text, old
        text = text.replace(old, new)
    text += f"port = {server.port}\nca-file = {server.ca}\n"
    config = tmp / ".config" / "mailsled" / "config.ini"
    config.parent.mkdir(parents=True)
    config.write_text(text)
    config.chmod(0o600)
    return config


def fetched(tmp):
    """A store made by the README's account; (config, how many messages)."""
    with Pop3d(tmp, "--sample") as server:
        config = account_as_in_the_readme(tmp, server)
        done = mailsled("-c", config, "fetch", home=tmp)
        assert done.returncode == 0, done.stderr
        assert server.retrs() > 5 and server.deles() == 0, "a trial at first"
        return config, server.retrs()


def test_five_lines_are_an_account(tmp):
    text, = fences("ini")
    keys = re.findall(r"(?m)^[a-z-]+ *=", text)
    assert len(keys) == 5 and text.count("[") == 2, text
    config, count = fetched(tmp)
    for command in ("list", "status", "verify"):
        done = mailsled("-c", config, command, home=tmp)
        assert done.returncode == 0 and done.stdout, done
    assert len(mailsled("-c", config, "--json", "list",
                        home=tmp).stdout.splitlines()) == count


def test_archives_are_read_as_the_readme_says(tmp):
    extract, check = [f for f in fences("sh") if "tar xzf" in f or "awk" in f]
    _, count = fetched(tmp)
    done = shell(extract, tmp)
    assert done.returncode == 0 and not done.stderr, done.stderr
    mail = sorted((tmp / "out").rglob("*.eml"))
    assert len(mail) == count
    done = shell(check, tmp)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    mail[0].write_bytes(mail[0].read_bytes() + b"!")
    assert shell(check, tmp).returncode != 0, "a changed message passed"


def test_archives_are_read_as_store_txt_says(tmp):
    _, count = fetched(tmp)
    for place in (tmp / "mail", tmp / "usb"):
        text = (place / "STORE.txt").read_text()
        lines = re.findall(r"(?m)^    (\S.*|    \S.*)$", text)
        extract, check = lines[0], "\n".join(lines[1:])
        done = shell(f"{extract}\ncd out\n{check}\nls -R .", place)
        assert done.returncode == 0 and not done.stderr, done.stderr
        assert done.stdout.count(".eml") == count
        assert set(re.sub(r"\\\n\s*", "", check).split()) <= set(
            re.sub(r"\\\n\s*", "", README).split()), "README has another line"
    assert len(untar(tmp / "usb", tmp / "again")) == count


def test_readme_names_commands_that_are_there(tmp):
    known = commands()
    named = re.findall(r"(?m)^mailsled (\w+)(.*)$", "\n".join(fences("sh")))
    assert len(named) > 4
    for command, rest in named:
        assert command in known, command
        for option in re.findall(r"--([a-z-]+)", rest.split("#")[0]):
            assert option in known[command], (command, option)


def test_readme_names_every_module_and_library(tmp):
    layers = (ROOT / "tests/lint/layers.txt").read_text()
    for module in re.findall(r"(?m)^(\w+):", layers):
        if (ROOT / "src" / module).is_dir():
            assert f"| `{module}` |" in README, module
    for module in re.findall(r"(?m)^\| `(\w+)` \|", README):
        assert (ROOT / "src" / module).is_dir(), module
    packages = re.findall(r":([a-z0-9-]+-dev)",
                          (ROOT / "Makefile").read_text())
    listed = (ROOT / "packaging/packages.txt").read_text().split("\n")
    assert packages and set(packages) <= set(listed)


def test_links_of_the_readme_lead_somewhere(tmp):
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target


def test_manual_names_every_command_and_option(tmp):
    part = chapter(PAGE, "COMMANDS")
    for command, options in commands().items():
        told = re.search(rf"(?ms)^\.It Cm {command}\b(.*?)(?=^\.It Cm |\Z)",
                         part)
        assert told, command
        for option in options:
            assert f"Fl -{option}" in told[1], f"{command} --{option}"
        named = re.findall(r"\bFl -([a-z-]+)", told[1])
        assert set(named) <= set(options), (command, named, options)


def test_manual_names_every_exit_status(tmp):
    errors = (ROOT / "include/mailsled/err.h").read_text()
    table = set(re.findall(r"SLED_ERR_\w+, +/\* (\d\d)\b", errors))
    assert len(table) > 10
    assert table == set(re.findall(r"(?m)^\.It (6[4-9]|7[0-8])$",
                                   chapter(PAGE, "EXIT STATUS")))


def test_manual_names_every_configuration_key(tmp):
    rows = re.findall(r'\{ SLED_CONF_(\w+), "([a-z-]+)"',
                      (ROOT / "src/conf/key.c").read_text())
    assert len(rows) > 20
    for section, title in SECTIONS.items():
        told = re.findall(r"(?m)^\.It Cm ([a-z-]+)$",
                          chapter(CONF_PAGE, title))
        keys = [key for at, key in rows if at == section]
        words = ("verified", "never", "yes", "no", "ask")
        assert [key for key in told if key not in words] == keys, section


def test_manual_has_examples_that_are_accepted(tmp):
    blocks = re.findall(r"(?ms)^\.Bd -literal[^\n]*\n(.*?)^\.Ed$",
                        chapter(CONF_PAGE, "EXAMPLES"))
    assert len(blocks) == 5
    config = tmp / "config.ini"
    for block in blocks:
        config.write_text(block)
        done = mailsled("-c", config, "list", home=tmp)
        assert done.returncode != 78, done.stderr
    config.write_text(blocks[0].replace("path ", "paht "))
    done = mailsled("-c", config, "list", home=tmp)
    assert done.returncode == 78 and "did you mean path" in done.stderr


def test_manual_is_clean_mdoc(tmp):
    if shutil.which("mandoc") is None:
        raise Skip("mandoc is not installed")
    for page in sorted(MAN.iterdir()):
        done = subprocess.run(["mandoc", "-T", "lint", str(page)], text=True,
                              capture_output=True)
        # Which other pages this machine has is not the page's fault.
        faults = [line for line in (done.stdout + done.stderr).splitlines()
                  if "referenced manual not found" not in line and
                  "mandoc.db" not in line]
        assert not faults, faults


def test_top_level_holds_what_it_may(tmp):
    names = {p.name for p in ROOT.iterdir()
             if not p.name.startswith((".", "build"))}
    assert names == {"src", "include", "tests", "packaging", "Makefile",
                     "README.md", "CHANGELOG"}, names


def test_install_and_uninstall_are_each_others_undoing(tmp):
    env = {k: v for k, v in os.environ.items()
           if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}

    def make(target):
        subprocess.run(["make", target, f"BUILD={BUILD}", f"DESTDIR={tmp}",
                        "PREFIX=/usr"], cwd=ROOT, env=env, check=True,
                       capture_output=True, timeout=100)
        return {str(p.relative_to(tmp)) for p in tmp.rglob("*")
                if p.is_file()}
    there = make("install")
    assert {"usr/bin/mailsled", "usr/share/man/man1/mailsled.1",
            "usr/share/man/man5/mailsled.conf.5",
            "usr/share/man/man7/mailsled-protocol.7"} < there, there
    assert os.access(tmp / "usr/bin/mailsled", os.X_OK)
    assert make("uninstall") == set()


def test_completion_offers_commands_and_options(tmp):
    if shutil.which("bash") is None:
        raise Skip("bash is not installed")

    def complete(*words):
        script = (f"complete() {{ :; }}\n"
                  f". {ROOT}/packaging/completion/mailsled.bash\n"
                  'COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))\n'
                  "_mailsled\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n")
        return subprocess.run(
            ["bash", "-c", script, "bash", str(BUILD / "mailsled"), *words],
            text=True, capture_output=True, check=True).stdout.split()
    known = commands()
    assert set(complete("")) == {*known, "help"}
    assert complete("ver") == ["verify"]
    assert complete("verify", "--d") == ["--deep"]
    assert "--json" in complete("-q", "list", "--")
