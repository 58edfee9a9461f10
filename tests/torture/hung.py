"""What a process that does not end waits for, told to who waits for it."""
import shutil
import subprocess
from pathlib import Path


def read(path):
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError as why:
        return why.strerror


def backtrace(pid):
    """Of all threads; a process that is traced already has none."""
    if shutil.which("gdb") is None:
        return "no gdb here"
    try:
        done = subprocess.run(
            ["gdb", "-p", str(pid), "-batch", "-ex", "thread apply all bt"],
            capture_output=True, text=True, timeout=60, check=False,
            stdin=subprocess.DEVNULL, errors="replace")
    except subprocess.TimeoutExpired:
        return "gdb does not end either"
    return "\n".join(line for line in done.stdout.splitlines()
                     if line.startswith(("Thread", "#")))


def tree(pid):
    """PID, and those that it and its threads started."""
    out = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*"):
        for child in read(task / "children").split():
            if child.isdigit():
                out += tree(int(child))
    return out


def tell(pid):
    """A paragraph for PID and each process below it."""
    said = []
    for one in tree(pid):
        said.append(f"{one} {read(f'/proc/{one}/comm')}")
        for task in sorted(Path(f"/proc/{one}/task").glob("*")):
            said.append(f"  {task.name} waits in {read(task / 'wchan')}, "
                        f"call {read(task / 'syscall')}")
        said.append(backtrace(one))
    return "\n".join(said)
