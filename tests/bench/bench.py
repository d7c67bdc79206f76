"""What Postrider costs, measured in one run on one machine; see README.md beside this file.

usage: bench.py POSTRIDER OUTPUT.json [--mails N] [--rounds N] [--peers FOLDER] [--only NAME,NAME…]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import archive
import lab
import peers

IN_FLIGHT = 1000
RECORD = "mock://?success=1&latency=0"


class Bench:
    def __init__(self, options):
        self.options = options
        self.binary = options.postrider
        self.redis = lab.Redis()
        self.table = []  # (what, figure, unit)

    def say(self, what, figure, unit, target=""):
        self.table.append({"what": what, "figure": figure, "unit": unit, "target": target})
        print("  %-52s %12s %-14s %s" % (what, "%.4g" % figure if figure < 1000 else "%.0f" % figure, unit, target),
              flush=True)

    def push(self, n, size, prefix="k"):
        self.redis.connection.pipeline(
            ("LPUSH", "mail:queue", lab.job("%s%d" % (prefix, i), size)) for i in range(n))

    def worker(self, provider, drain=True, **options):
        env = dict(os.environ, REDIS_URL=self.redis.url, PROVIDERS="bench", PROVIDER_BENCH=provider,
                   LOG_LEVEL="error", CONCURRENCY=str(IN_FLIGHT))
        env.update({name: str(value) for name, value in options.items()})
        return lab.Process([self.binary, "worker"] + (["--drain"] if drain else []), env)

    def deliver(self, provider, n, workers=1, **options):
        """From the start of the workers to the end of the last: what it took."""
        cpu, reads, calls = self.redis.cpu(), self.redis.reads(), self.redis.calls()
        started = time.monotonic()
        crew = [self.worker(provider, **options) for _ in range(workers)]
        crew = [process.wait() for process in crew]
        seconds = time.monotonic() - started
        after = self.redis.calls()
        return {
            "rate": n / seconds,
            "redis": (self.redis.cpu() - cpu) / n * 1e6,
            "trips": (self.redis.reads() - reads) / n,
            "scripts": (after.get("evalsha", 0) - calls.get("evalsha", 0)) / n,
            "commands": (sum(after.values()) - sum(calls.values())) / n,
            "cpu": sum(p.cpu for p in crew) / n * 1e6,
        }

    # --- the measurements -----------------------------------------------------------------------

    def mock(self):
        n = self.options.mails
        rounds = {workers: [] for workers in (1, 2, 4)}
        floors = []
        for _ in range(self.options.rounds):
            floors.append(self.floor(n))
            for workers, results in rounds.items():
                self.redis.empty()
                self.push(n, 600)
                results.append(self.deliver(RECORD, n, workers))

        def mid(workers, name):
            return lab.median(r[name] for r in rounds[workers])

        floor = lab.median(floors)
        for workers in rounds:
            self.say("mock, %d worker%s" % (workers, "s" if workers > 1 else ""), mid(workers, "rate"), "mails/s")
        self.say("Redis, claim to settled", mid(1, "redis"), "µs/mail")
        self.say("  floor: pipelined LPUSH, RPOP, HSET of these bytes", floor, "µs/mail")
        self.say("  ours to the floor", mid(1, "redis") / floor, "times")
        self.say("script calls", mid(1, "scripts"), "per mail")
        self.say("commands, those inside scripts too", mid(1, "commands"), "per mail")
        self.say("round trips (reads of the server)", mid(1, "trips"), "per mail")
        self.say("worker", mid(1, "cpu"), "µs CPU/mail")

    def floor(self, n):
        """µs of Redis for the least that a queue with a status could do, by redis-benchmark."""
        payload = lab.job("k%d" % n, 600)
        total = 0.
        for words in (["LPUSH", "floor", payload], ["RPOP", "floor"],
                      ["HSET", "status:__rand_int__", "status", "sent", "provider", "bench", "at", "1700000000000"]):
            cpu = self.redis.cpu()
            subprocess.run(["redis-benchmark", "-s", self.redis.path, "-q", "-P", "100", "-c", "4", "-n", str(n),
                            "-r", str(n)] + words, check=True, stdout=subprocess.DEVNULL)
            total += (self.redis.cpu() - cpu) / n * 1e6
        return total

    def traces(self):
        """The same mails without events and with them, and then with every one traced, too, in turn; and where the collector
        is away."""
        n = self.options.mails
        collector = lab.Collector()
        room = {"OTEL_BSP_MAX_QUEUE_SIZE": 16384, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": 2048, "no_proxy": "127.0.0.1"}
        ways = {"bare": {"EVENTS_MAX": 0}, "off": {},
                "on": dict(room, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url),
                "away": dict(room, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:%d" % lab.free_port())}
        results = {way: [] for way in ways}

        def deliver(way, n):
            self.redis.empty()
            self.push(n, 600)
            cpu, taken = collector.cpu, collector.bytes
            result = self.deliver(RECORD, n, **ways[way])
            result.update(collector=(collector.cpu - cpu) / n * 1e6, bytes=(collector.bytes - taken) / n)
            return result

        whole = deliver("on", 500)["bytes"]  # so few are never dropped
        for _ in range(self.options.rounds):
            for way, list_ in results.items():
                list_.append(deliver(way, n))
        collector.stop()

        def ratio(way, of, name):
            return lab.median(a[name] / b[name] for a, b in zip(results[way], results[of]))

        def mid(way, name):
            return lab.median(r[name] for r in results[way])

        self.say("events, to none: mails/s", ratio("off", "bare", "rate"), "times", "≥ 0.95")
        self.say("events, to none: Redis' CPU", ratio("off", "bare", "redis"), "times")
        for way, what in (("on", "all mails traced"), ("away", "the same, no collector")):
            self.say("%s, to none: mails/s" % what, ratio(way, "off", "rate"), "times", "≥ 0.95")
            self.say("%s, to none: the worker's CPU" % what, ratio(way, "off", "cpu"), "times")
        self.say("all mails traced: spans", whole, "bytes/mail")
        self.say("all mails traced: of these the collector got", mid("on", "bytes") / whole, "times")
        self.say("all mails traced: CPU of the collector", mid("on", "collector"), "µs/mail")
        self.say("the worker, no traces", mid("off", "cpu"), "µs CPU/mail")

    def memory(self):
        n = self.options.mails
        self.redis.empty()
        payload = len(lab.job("k%d" % n, 600))
        base = self.redis.memory()
        self.push(n, 600)
        self.say("Redis, a queued mail, beside its payload", (self.redis.memory() - base) / n - payload, "bytes",
                 "≤ 80")
        self.deliver(RECORD, n, EVENTS_MAX=0)
        self.say("Redis, a settled mail's status", (self.redis.memory() - base) / n, "bytes", "≤ 450")
        self.redis.empty()
        base = self.redis.memory()
        self.push(n, 600)
        self.deliver(RECORD, n, EVENTS_MAX=2 * n)
        self.say("  with its event, while the stream keeps it", (self.redis.memory() - base) / n, "bytes")

    def flight(self):
        for in_flight, target in ((1000, 24), (10000, 96)):
            self.redis.empty()
            self.push(2 * in_flight, 600)
            worker = self.worker("mock://?success=1&latency=1500&concurrency=%d" % in_flight, drain=False,
                                 CONCURRENCY=in_flight)
            lab.until(lambda: self.redis("XLEN", "{mail:queue}:events") == 2 * in_flight, "all to be settled")
            self.say("worker's peak memory, %d in flight" % in_flight, worker.peak() / 1e6, "MB", "≤ %d" % target)
            worker.stop()

    def growth(self):
        """Redis's cost of a mail with many queued behind it, and with many statuses beside it."""
        few, many, sample = 10000, self.options.many, 10000
        costs = []
        for queued in (few, many):
            self.redis.empty()
            self.push(queued, 100)
            cpu = self.redis.cpu()
            worker = self.worker(RECORD, drain=False)
            lab.until(lambda: int(self.redis("LLEN", "mail:queue")) <= queued - min(sample, queued * 9 // 10),
                      "the first %d of %d mails" % (sample, queued))
            done = queued - int(self.redis("LLEN", "mail:queue"))
            costs.append((self.redis.cpu() - cpu) / done * 1e6)
            worker.stop()
        self.say("Redis's cost at %d queued, to that at %d" % (many, few), costs[1] / costs[0], "times", "≤ 1.2")
        costs = []
        for statuses in (few, many):
            self.redis.empty()
            self.redis.connection.pipeline(
                ("HSET", "mail:status:old%d" % i, "status", "sent", "provider", "bench", "attempts", "1")
                for i in range(statuses))
            self.push(sample, 100)
            costs.append(self.deliver(RECORD, sample)["redis"])
        self.say("Redis's cost beside %d statuses, to that of %d" % (many, few), costs[1] / costs[0], "times", "≤ 1.2")

    def latency(self):
        """From LPUSH to the provider having been called, one mail at a time, with all idle before."""
        rounds = [self.ping_ours() for _ in range(self.options.rounds)]
        for p in (50, 99):
            self.say("idle: LPUSH to the provider's call, p%d" % p,
                     lab.median(lab.percentile(times, p) for times in rounds) * 1e3, "ms")

    def ping_ours(self):
        return self.ping(lambda fifo: self.worker("%s&record=%s" % (RECORD, fifo), drain=False),
                         lambda i: self.redis("LPUSH", "mail:queue", lab.job("idle%d" % i, 600)))

    def ping(self, start, push, n=500):
        self.redis.empty()
        folder = tempfile.mkdtemp(prefix="postrider-bench-")
        fifo = os.path.join(folder, "calls")
        os.mkfifo(fifo)
        reader = os.open(fifo, os.O_RDWR)
        worker = start(fifo)
        try:
            times = []
            for i in range(n + 20):
                started = time.monotonic()
                push(i)
                os.read(reader, 65536)
                if i >= 20:  # the first ones find cold caches
                    times.append(time.monotonic() - started)
                time.sleep(0.002)
            return times
        finally:
            worker.stop()
            os.close(reader)
            shutil.rmtree(folder)

    def smtp(self):
        n = self.options.mails // 3
        port = lab.free_port()
        user = [] if os.getuid() else ["-u", "root"]
        sink = lab.Process(["smtp-sink", *user, "-c", "127.0.0.1:%d" % port, "1000"], stdout=subprocess.DEVNULL)
        try:
            lab.until(lambda: lab.accepts(port), "smtp-sink")
            straight, ours = [], []
            for _ in range(self.options.rounds):
                started = time.monotonic()
                subprocess.run(["smtp-source", "-d", "-s", "20", "-l", "1024", "-m", str(n), "-f", "a@example.com",
                                "-t", "b@example.com", "inet:127.0.0.1:%d" % port], check=True)
                straight.append(n / (time.monotonic() - started))
                self.redis.empty()
                self.push(n, 1024)
                ours.append(self.deliver("smtp://127.0.0.1:%d?tls=none" % port, n)["rate"])
            self.say("SMTP into smtp-sink, one worker, 1 KB", lab.median(ours), "mails/s")
            self.say("  smtp-source -d -s 20 straight into it", lab.median(straight), "mails/s")
            self.say("  ours to smtp-source", lab.median(a / b for a, b in zip(ours, straight)), "times", "≥ 0.6")
            if self.options.peers:
                self.peer_smtp(port, n, lab.median(ours))
        finally:
            sink.stop()

    def wrk(self, port, name):
        """What 50 connections get out of the API by a script of wrk's: a second, and the slowest hundredth in ms."""
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
        out = subprocess.run(["wrk", "-t1", "-c50", "-d%ds" % self.options.seconds, "--latency", "-s", script,
                              "http://127.0.0.1:%d" % port], check=True, stdout=subprocess.PIPE, text=True).stdout
        figures = dict(line.split()[1:3] for line in out.splitlines() if line.startswith("figure "))
        if float(figures["refused"]):
            raise RuntimeError("the API refused %s requests of %s\n%s" % (figures["refused"], name, out))
        return float(figures["rate"]), float(figures["p99_us"]) / 1e3

    def http(self):
        """One process of the API, 50 connections: mails posted, keys all different, and then looked up."""
        if not shutil.which("wrk"):
            print("  HTTP: skipped, wrk is not installed")
            return
        port = lab.free_port()
        self.redis.empty()
        env = dict(os.environ, REDIS_URL=self.redis.url, PORT=str(port), RATE_LIMIT_MAX_REQUESTS="0", LOG_LEVEL="error")
        api = lab.Process([self.binary, "api"], env)
        try:
            lab.until(lambda: lab.accepts(port), "the API")
            posted, post_p99 = self.wrk(port, "post.lua")
            found, find_p99 = self.wrk(port, "lookup.lua")
        finally:
            api.stop()
        self.say("HTTP: posts accepted, one process, 50 connections", posted, "/s", "≥ 15000")
        self.say("  p99", post_p99, "ms", "< 20")
        self.say("HTTP: statuses looked up", found, "/s", "≥ 20000")
        self.say("  p99", find_p99, "ms")

    def archive(self):
        archive.measure(self)

    # --- beside what one would pick instead -------------------------------------------------------

    def beside(self):
        """BullMQ with a processor that does nothing, and this with the mock, in turn."""
        n = self.options.mails // 2
        ours, theirs = [], []
        best = self.best_concurrency(n)
        for _ in range(self.options.rounds):
            self.redis.empty()
            self.push(n, 600)
            ours.append(self.deliver(RECORD, n))
            theirs.append(self.peer("none", n, best))
        rate, cost = (lab.median(t[k] for t in theirs) for k in ("rate", "redis"))
        faster, dearer = (lab.median(o[k] / t[k] for o, t in zip(ours, theirs)) for k in ("rate", "redis"))
        self.say("BullMQ, a processor that does nothing (concurrency %d)" % best, rate, "jobs/s")
        self.say("  ours to it: mails/s", faster, "times", "≥ 3")
        self.say("BullMQ, Redis", cost, "µs/job")
        self.say("  ours to it: Redis", dearer, "times", "≤ 0.4")
        self.say("BullMQ, bytes of a done job in Redis", lab.median(t["bytes"] for t in theirs), "bytes")
        waits = []
        for _ in range(self.options.rounds):
            theirs = self.ping(lambda fifo: peers.start(self.options.peers, self.redis, "ping", fifo),
                               self.redis_peer_push)
            waits.append((self.ping_ours(), theirs))
        for p in (50, 99):
            pairs = [(lab.percentile(ours, p), lab.percentile(theirs, p)) for ours, theirs in waits]
            self.say("BullMQ, idle: add to processor, p%d" % p, lab.median(t for _, t in pairs) * 1e3, "ms")
            self.say("  ours to it", lab.median(o / t for o, t in pairs), "times", "≤ 0.5")

    def redis_peer_push(self, i):
        self.pusher = getattr(self, "pusher", None) or peers.Pusher(self.options.peers, self.redis)
        self.pusher.push("idle%d" % i, lab.job("idle%d" % i, 600))

    def peer(self, mode, n, concurrency, port=0):
        self.redis.empty()
        base = self.redis.memory()
        peers.fill(self.options.peers, self.redis, n)
        cpu = self.redis.cpu()
        seconds = peers.drain(self.options.peers, self.redis, mode, n, concurrency, port)
        return {"rate": n / seconds, "redis": (self.redis.cpu() - cpu) / n * 1e6,
                "bytes": (self.redis.memory() - base) / n}

    def best_concurrency(self, n, mode="none", port=0):
        return max(peers.CONCURRENCIES[mode], key=lambda c: self.peer(mode, n // 4, c, port)["rate"])

    def peer_smtp(self, port, n, ours):
        n //= 5
        best = self.best_concurrency(n, "smtp", port)
        rate = lab.median(self.peer("smtp", n, best, port)["rate"] for _ in range(self.options.rounds))
        self.say("BullMQ and nodemailer's pool into it (concurrency %d)" % best, rate, "mails/s")
        self.say("  ours to it", ours / rate, "times", "≥ 5")

    def run(self):
        parts = ["mock", "traces", "memory", "flight", "latency", "growth", "smtp", "http", "archive"]
        if self.options.peers:
            parts.append("beside")
        for part in parts:
            if not self.options.only or part in self.options.only.split(","):
                getattr(self, part)()


def versions(options):
    def first(*argv):
        return subprocess.run(argv, stdout=subprocess.PIPE, text=True).stdout.splitlines()[0]

    found = {"postrider": first(options.postrider, "version"), "redis": first("redis-server", "--version")}
    if options.peers:
        found.update(peers.versions(options.peers))
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("postrider")
    parser.add_argument("output")
    parser.add_argument("--mails", type=int, default=50000)
    parser.add_argument("--many", type=int, default=1000000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--peers", help="where bullmq and nodemailer are installed")
    parser.add_argument("--only", help="of mock,traces,memory,flight,latency,growth,smtp,http,archive,beside")
    options = parser.parse_args()
    options.postrider = os.path.abspath(options.postrider)
    print("%d mails, medians of %d rounds; %s" % (options.mails, options.rounds, json.dumps(versions(options))))
    bench = Bench(options)
    try:
        bench.run()
    finally:
        if getattr(bench, "pusher", None):
            bench.pusher.stop()
        bench.redis.stop()
    with open(options.output, "w", encoding="utf-8") as f:
        json.dump({"versions": versions(options), "mails": options.mails, "figures": bench.table}, f, indent=1,
                  ensure_ascii=False)
    print("written to " + options.output)


if __name__ == "__main__":
    sys.exit(main())
