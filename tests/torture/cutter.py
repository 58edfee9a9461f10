"""A line between client and server that ends where it is told to.

    with Cutter(server.port) as line:
        line.arm(Cut("down", "close", 1234))
        ...                        # a client connects to line.port
        line.rest()                # until both ends have let go
        line.passed["down"]        # octets that arrived, of the armed one

Only the first connection behind arm() is cut; those behind it pass. What a cut
does: "close" says that no more will come (a FIN), "reset" ends both ways at
once (a RST), "silent" says nothing: what comes that way is lost; "held" is the
same, and the server does not learn either that its client has gone, until
release(). Where one way alone ends, the other one goes on: a line that is half
open. A subclass may choose for each connection, and slow it down: see take().
"""
import collections
import os
import select
import socket
import struct
import threading
import time

Cut = collections.namedtuple("Cut", "way mode at")
HARD = struct.pack("ii", 1, 0)
DEADLINE = 60


class Pair:
    """One connection: what came from the client goes up, the other down."""

    def __init__(self, client, server, cut, rate=None):
        self.client, self.server, self.cut = client, server, cut
        self.rate = rate  # octets a second, each way; None: at once
        self.passed = {"up": 0, "down": 0}
        self.done = not cut
        self.released = threading.Event()
        self.deaf = None  # the way whose octets are lost from here on

    def carry(self):
        open_ends = {self.client: "up", self.server: "down"}
        self.look()
        while open_ends:
            for end in select.select(list(open_ends), [], [], DEADLINE)[0]:
                way = open_ends[end]
                try:
                    data = end.recv(65536)
                except OSError:
                    data = b""
                if data:
                    self.give(way, data)
                    continue
                del open_ends[end]
                self.hang_up(way)

    def other(self, way):
        return self.server if way == "up" else self.client

    def give(self, way, data):
        if self.deaf in (way, "both"):
            return
        if not self.done and way == self.cut.way:
            data = data[:self.cut.at - self.passed[way]]
        try:
            if self.rate:
                time.sleep(len(data) / self.rate)
            self.other(way).sendall(data)
            self.passed[way] += len(data)
        except OSError:
            pass
        self.look()

    def hang_up(self, way):
        """The one end is gone: the other is told, but for one in silence,
        which has to find out by itself."""
        mode = self.cut.mode if self.cut and self.done else None
        if mode in ("silent", "held") and way == "down":
            return
        if mode == "held":
            self.released.wait(DEADLINE)
        try:
            self.other(way).shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def look(self):
        """Is it time?"""
        if self.done or self.passed[self.cut.way] < self.cut.at:
            return
        self.done = True
        self.deaf = self.cut.way
        if self.cut.mode == "close":
            try:
                self.other(self.cut.way).shutdown(socket.SHUT_WR)
            except OSError:
                pass
        elif self.cut.mode == "reset":
            self.deaf = "both"
            for end in (self.client, self.server):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HARD)
                # Shut for the loop as well, then gone by a RST.
                os.close(end.detach())


class Cutter:
    def __init__(self, server_port, host="127.0.0.1"):
        self.server_port = server_port
        self.listener = socket.create_server((host, 0), backlog=16)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.cut, self.armed, self.threads = None, None, []
        self.pairs = set()  # that carry now
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def arm(self, cut):
        with self.lock:
            self.cut, self.armed = cut, None

    def take(self):
        """(server's port, Cut or None, rate) of a connection that begins."""
        with self.lock:
            cut, self.cut = self.cut, None
            return self.server_port, cut, None

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            port, cut, rate = self.take()
            try:
                server = socket.create_connection(("127.0.0.1", port))
            except OSError:
                client.close()
                continue
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = Pair(client, server, cut, rate)
            with self.lock:
                if cut:
                    self.armed = pair
                thread = threading.Thread(target=self.run, args=(pair,),
                                          daemon=True)
                self.threads.append(thread)
                thread.start()

    def run(self, pair):
        with self.lock:
            self.pairs.add(pair)
        try:
            pair.carry()
        except (OSError, ValueError):
            pass  # reset: there is no end left to wait for
        finally:
            with self.lock:
                self.pairs.discard(pair)
                pair.client.close()
                pair.server.close()

    def hang_up(self):
        """All that is connected, as a server does that has waited enough."""
        with self.lock:
            for end in (end for p in self.pairs for end in (p.client, p.server)
                        if end.fileno() != -1):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def release(self):
        self.armed.released.set()

    def rest(self):
        with self.lock:
            threads, self.threads = self.threads, []
        for thread in threads:
            thread.join(DEADLINE)
            assert not thread.is_alive(), "a connection that does not end"

    @property
    def passed(self):
        return self.armed.passed if self.armed else None

    @property
    def was_cut(self):
        return bool(self.armed and self.armed.done)
