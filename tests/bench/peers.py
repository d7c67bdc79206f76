"""What one would pick instead: BullMQ, and nodemailer's pool for SMTP. Driven by peers.js."""

import json
import os
import subprocess

import lab

HERE = os.path.dirname(os.path.abspath(__file__))
CONCURRENCIES = {"none": (50, 100, 300), "smtp": (20, 50, 100)}  # of which the best is taken


def start(folder, redis, mode, *arguments, **more):
    env = dict(os.environ, NODE_PATH=os.path.join(folder, "node_modules"), NODE_ENV="production")
    return lab.Process(["node", os.path.join(HERE, "peers.js"), redis.path, mode] + [str(a) for a in arguments], env, **more)


def fill(folder, redis, n):
    with open(os.path.join(redis.folder, "jobs"), "w", encoding="utf-8") as f:
        f.writelines(lab.job("k%d" % i, 600) + "\n" for i in range(n))
    start(folder, redis, "fill", f.name).wait()


def drain(folder, redis, mode, n, concurrency, port):
    """Seconds from the start of the process that works them off to its end, as for our workers."""
    return start(folder, redis, "drain", mode, n, concurrency, port).wait().seconds


class Pusher:
    """Adds single jobs from a process that runs already, when told so."""

    def __init__(self, folder, redis):
        self.process = start(folder, redis, "push", stdin=subprocess.PIPE)

    def push(self, key, job):
        self.process.child.stdin.write(json.dumps([key, job]).encode() + b"\n")
        self.process.child.stdin.flush()

    def stop(self):
        self.process.child.stdin.close()
        self.process.wait()


def versions(folder):
    found = {"node": subprocess.run(["node", "--version"], stdout=subprocess.PIPE, text=True).stdout.strip()}
    for package in ("bullmq", "nodemailer"):
        with open(os.path.join(folder, "node_modules", package, "package.json"), encoding="utf-8") as f:
            found[package] = json.load(f)["version"]
    return found
