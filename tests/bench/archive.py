"""How fast `postrider archive` keeps events: those of mails that workers have really delivered, out of one queue, into a
PostgreSQL of its own with its settings as they come (fsync and synchronous_commit are on)."""

import glob
import os
import pwd
import shutil
import subprocess
import tempfile

import lab

EVENTS, ARCHIVE = "{mail:queue}:events", "{mail:queue}:archive"


def program(name):
    """Debian keeps them out of PATH, one directory a version."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/" + name))
    return found[-1] if found else shutil.which(name)


class Postgres:
    """On a unix socket in a folder of its own. It refuses to be root's: then it is `postgres`' or `nobody`'s."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="postrider-bench-")
        self.prefix = []
        if os.getuid() == 0:
            names = [u.pw_name for u in pwd.getpwall()]
            user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self.prefix = ["setpriv", "--reuid=%d" % user.pw_uid, "--regid=%d" % user.pw_gid, "--clear-groups"]
        data = os.path.join(self.folder, "data")
        self.run("initdb", "-D", data, "-U", "postrider", "-A", "trust", "-E", "UTF8", "--locale=C")
        self.process = subprocess.Popen(
            self.prefix + [program("postgres"), "-D", data, "-k", self.folder, "-c", "listen_addresses="],
            cwd=self.folder, stderr=subprocess.DEVNULL)
        lab.until(self.ready, "PostgreSQL")

    def run(self, name, *arguments):
        subprocess.run(self.prefix + [program(name), *arguments], check=True, cwd=self.folder, stdout=subprocess.DEVNULL)

    def ready(self):
        return not subprocess.run([program("pg_isready"), "-q", "-h", self.folder]).returncode

    def database(self, name):
        """A new one; its URL."""
        self.run("createdb", "-h", self.folder, "-U", "postrider", name)
        return "postgresql://postrider@/%s?host=%s" % (name, self.folder)

    def cpu(self):
        """Seconds of the server and its children, also of those that have ended."""
        ticks, parent = 0, self.process.pid
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(path, encoding="latin-1") as f:
                    fields = f.read().rpartition(")")[2].split()
            except OSError:
                continue  # it has just ended
            if int(path.split("/")[2]) == parent:
                ticks += sum(map(int, fields[11:15]))
            elif int(fields[1]) == parent:
                ticks += sum(map(int, fields[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def version(self):
        return subprocess.run([program("postgres"), "--version"], stdout=subprocess.PIPE, text=True).stdout.strip()

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)


def one_round(bench, postgres, n, name):
    redis = bench.redis
    redis.empty()
    bench.push(n, 600)
    bench.deliver("mock://?success=1&latency=0", n, EVENTS_MAX=2 * n)
    env = dict(os.environ, REDIS_URL=redis.url, LOG_LEVEL="error", DATABASE_URL=postgres.database(name))
    cpu, redis_cpu = postgres.cpu(), redis.cpu()
    archiver = lab.Process([bench.binary, "archive"], env)
    lab.until(lambda: int(redis("HGET", ARCHIVE, "archived") or 0) >= n, "all events to be archived")
    seconds = lab.time.monotonic() - archiver.started
    cpu, redis_cpu = postgres.cpu() - cpu, redis.cpu() - redis_cpu
    archiver.stop()
    return {"rate": n / seconds, "archiver": archiver.cpu / n * 1e6, "postgres": cpu / n * 1e6,
            "redis": redis_cpu / n * 1e6}


def measure(bench):
    if not program("initdb"):
        print("  archive: skipped, PostgreSQL is not installed")
        return
    postgres = Postgres()
    try:
        rounds = [one_round(bench, postgres, bench.options.mails, "round%d" % i) for i in range(bench.options.rounds)]
    finally:
        postgres.stop()

    def mid(name):
        return lab.median(r[name] for r in rounds)

    bench.say("archive, one archiver, one queue", mid("rate"), "events/s", "≥ 5000")
    bench.say("  the archiver", mid("archiver"), "µs CPU/event")
    bench.say("  PostgreSQL", mid("postgres"), "µs CPU/event")
    bench.say("  Redis", mid("redis"), "µs/event")
