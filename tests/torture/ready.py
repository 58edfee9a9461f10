"""mailsled by build/torture/ready: loaded once, forked for each run. A Sled as
in harness.py; .end() ends the one that waits."""
import os
import struct
import subprocess

from harness import BUILD, Result, Sled


class ReadySled(Sled):
    process = None
    haste = 1  # how many times too early timers end

    def begin(self):
        self.process = subprocess.Popen([BUILD / "torture/ready"], bufsize=0,
                                        stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def run(self, *args, timeout=120, stdin="", env=None):
        """TIMEOUT is the caller's care; no STDIN and no ENV of its own."""
        assert not stdin and not env
        if self.process is None:
            self.begin()
        said = [self.dir / "said.out", self.dir / "said.err"]
        argv = self.argv(*args)
        request = b"".join(os.fsencode(word) + b"\0"
                           for word in (*said, str(self.haste), *argv))
        self.process.stdin.write(struct.pack("I", len(request)) + request)
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
