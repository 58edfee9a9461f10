"""mailsled by build/torture/ready: loaded once, forked for each run. A Sled as
in harness.py; .end() ends the one that waits."""
import os
import select
import signal
import struct
import subprocess

import hung
from harness import BUILD, Result, Sled


class ReadySled(Sled):
    process = None
    haste = 1  # how many times too early timers end

    def begin(self):
        self.process = subprocess.Popen([BUILD / "torture/ready"], bufsize=0,
                                        stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def run(self, *args, timeout=120, stdin="", env=None):
        """No STDIN and no ENV of its own. What takes longer than TIMEOUT is told,
        and ended: the next run has another process that waits."""
        assert not stdin and not env
        if self.process is None:
            self.begin()
        said = [self.dir / "said.out", self.dir / "said.err"]
        argv = self.argv(*args)
        request = b"".join(os.fsencode(word) + b"\0"
                           for word in (*said, str(self.haste), *argv))
        self.process.stdin.write(struct.pack("I", len(request)) + request)
        if not select.select([self.process.stdout], [], [], timeout)[0]:
            where = hung.tell(self.process.pid)
            for pid in reversed(hung.tree(self.process.pid)):
                os.kill(pid, signal.SIGKILL)
            self.end()
            raise AssertionError(f"{argv}: still there after {timeout} s\n"
                                 f"{where}")
        answer = self.process.stdout.read(4)
        assert len(answer) == 4, "the process that waits is gone"
        status = os.waitstatus_to_exitcode(struct.unpack("i", answer)[0])
        return Result(argv, status, *(path.read_text(errors="surrogateescape")
                                      for path in said))

    def end(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()
            self.process.stdout.close()
            self.process = None
