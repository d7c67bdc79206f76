"""What the measurements are made of: a private Redis, processes whose cost is known, medians."""

import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEADLINE_S = 300


class Connection:
    """RESP over a unix socket: just enough to push, look and wait."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    @staticmethod
    def encode(words):
        out = [b"*%d\r\n" % len(words)]
        for word in words:
            word = word if isinstance(word, bytes) else str(word).encode()
            out += [b"$%d\r\n" % len(word), word, b"\r\n"]
        return b"".join(out)

    def read(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind in b"+:":
            return int(rest) if kind == b":" else rest.decode()
        if kind == b"$":
            n = int(rest)
            return None if n < 0 else self.file.read(n + 2)[:-2].decode()
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        raise RuntimeError("redis: " + line.decode())

    def __call__(self, *words):
        self.socket.sendall(self.encode(words))
        return self.read()

    def pipeline(self, commands, at_once=500):
        """Sends all, reads and forgets the answers."""
        commands = list(commands)
        for i in range(0, len(commands), at_once):
            part = commands[i : i + at_once]
            self.socket.sendall(b"".join(self.encode(c) for c in part))
            for _ in part:
                self.read()

    def close(self):
        self.file.close()
        self.socket.close()


class Redis:
    """A redis-server of its own, on a unix socket in a folder of its own, keeping nothing on disk."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="postrider-bench-")
        self.path = os.path.join(self.folder, "redis.sock")
        self.url = "unix://" + self.path
        self.process = subprocess.Popen(
            [os.environ.get("REDIS_SERVER", "redis-server"), "--port", "0", "--unixsocket", self.path,
             "--save", "", "--appendonly", "no", "--dir", self.folder],
            stdout=subprocess.DEVNULL)
        until(lambda: os.path.exists(self.path), "redis-server's socket")
        self.connection = Connection(self.path)

    def __call__(self, *words):
        return self.connection(*words)

    def info(self, section):
        lines = self("INFO", section).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def cpu(self):
        """Seconds of the main thread, in which all commands run."""
        cpu = self.info("cpu")
        return float(cpu["used_cpu_user_main_thread"]) + float(cpu["used_cpu_sys_main_thread"])

    def calls(self):
        """How often each command ran, inside scripts too."""
        stats = self.info("commandstats")
        return {name[len("cmdstat_"):]: int(value.split(",")[0][len("calls="):])
                for name, value in stats.items()}

    def reads(self):
        """How often the server read from clients: the round trips, batched as they came."""
        return int(self.info("stats")["total_reads_processed"])

    def memory(self):
        """Bytes in use for keys: without the buffers of clients, the slow log (long on a slow machine), and the
        histograms of latency, one for each command that ever ran. (Lua's own memory is not counted in there.)"""
        self("SLOWLOG", "RESET")
        self("CONFIG", "RESETSTAT")
        info = self.info("memory")
        return int(info["used_memory"]) - int(info["mem_clients_normal"])

    def empty(self):
        self("FLUSHALL")
        self("CONFIG", "RESETSTAT")

    def stop(self):
        self.connection.close()
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)


class Process:
    """A child whose CPU seconds are known after wait()."""

    def __init__(self, argv, env=None, **more):
        self.argv = argv
        self.started = time.monotonic()
        self.child = subprocess.Popen(argv, env=env, **more)
        self.seconds = self.cpu = None

    def wait(self):
        _, status, usage = os.wait4(self.child.pid, 0)
        self.child.returncode = os.waitstatus_to_exitcode(status)
        self.seconds = time.monotonic() - self.started
        self.cpu = usage.ru_utime + usage.ru_stime
        if self.child.returncode not in (0, -15):
            raise RuntimeError("%s ended with %d" % (self.argv, self.child.returncode))
        return self

    def peak(self):
        """Bytes of memory that it had at most until now. (What wait4 tells is at least our own.)"""
        with open("/proc/%d/status" % self.child.pid, encoding="utf-8") as f:
            return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM:"))

    def stop(self):
        self.child.terminate()
        return self.wait()


class Collector:
    """Takes traces and answers well without a look at them: a thread, for we only wait meanwhile. What it costs is the
    kernel's part, as MSG_TRUNC throws bodies away there."""

    ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

    def __init__(self):
        self.bytes = 0
        self.cpu = 0.  # seconds, of the connections that have ended
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        began = time.thread_time()
        room = bytearray(1 << 20)
        head = b""
        with connection:
            while True:
                n = connection.recv_into(room, 4096)
                if n == 0:
                    break
                head += room[:n]
                end = head.find(b"\r\n\r\n")
                if end < 0:
                    continue
                length = int(head[:end].lower().split(b"content-length:")[1].split(b"\r\n")[0])
                left = length - (len(head) - end - 4)
                while left > 0:
                    n = connection.recv_into(room, min(left, len(room)), socket.MSG_TRUNC)
                    if n == 0:
                        break
                    left -= n
                connection.sendall(self.ANSWER)
                self.bytes += length
                head = b""
        self.cpu += time.thread_time() - began

    def stop(self):
        self.listener.close()


def until(condition, what):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("waited %d s for %s" % (DEADLINE_S, what))
        time.sleep(0.005)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def accepts(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def job(key, size, to="bench@example.com"):
    """A job with a text of `size` bytes, in lines as mail has them."""
    text = ("\n".join(["x" * 70] * (size // 71 + 1)))[:size]
    return json.dumps({"to": to, "from": "shop@example.com", "subject": "A measurement", "text": text,
                       "idempotencyKey": key})


median = statistics.median


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p / 100))]
