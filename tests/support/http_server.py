"""A server of HTTP APIs for mail that checks, keeps and misbehaves. See http_server.h.

usage: http_server.py DIRECTORY PORT [CERTIFICATE KEY]
(PORT 0: any; prints "ready <port>" when it listens; with a certificate it speaks TLS)

Paths begin with whose API it is: /sendgrid, /mailgun, /ses, /postmark, /resend, or /plain, where any
body is a good one, or /hook, where it is kept, too: in `hooks`, and <behaviour>-<n> is for the first n
times. What follows is the API's own path. /do/<behaviour>/ before all that says how to
behave; else the first recipient's address does: <behaviour>.<rest>@<domain>, or
<behaviour>-<n>.<rest>@<domain> for the first n times that it meets that address.

DIRECTORY gets:
  connections   one line for each connection
  heads         one line for each head of a request: "<method> <path> <its headers as JSON>"
  held          one line for each body of which everything but the last byte has come
  wholes        one line for each whole request: "<method> <path>"
  wrong         one line for each request that is not as documented, and why
  taken         one line for each mail kept: "<key> <Message-ID> <recipients> <sender>"
  hooks         one line for each request to /hook: {"path", "headers", "body", "at"} as JSON
  fates         one line for each mail that was read: "<key> <behaviour>", "ok" for none
  <n>.json      that mail in the same form for all APIs (http_shapes.py), in the order of `taken`
"""

import asyncio
import json
import os
import random
import socket
import ssl
import struct
import sys
import time

import http_shapes

random.seed(7)

# /do/chaos/: half of all requests fare well, the others in these ways, by their shares.
CHAOS = {
    "ok": 500, "refuse": 30, "busy": 80, "unwell": 60, "gateway": 20, "keep-gateway": 20, "timeout": 20,
    "keep-timeout": 10, "reset": 30, "keep-reset": 30, "close": 20, "keep-close": 20, "partial": 10,
    "keep-partial": 10, "partial-head": 10, "garbage": 10, "silent": 2, "keep-silent": 2, "sender": 8, "large": 8,
    "account": 8, "redirect": 4, "throttle": 2, "away": 2, "huge": 4, "hangup-held": 20, "half-close-held": 4,
    "reset-held": 20, "held-401": 4, "held-502": 10,
}

AT_HELD = {"hangup-held", "half-close-held", "reset-held", "held-202", "held-401", "held-502"}

LIMIT = 64 << 20
HUGE = 10_000_000
WORDS = {200: "OK", 202: "Accepted", 302: "Found", 400: "Bad Request", 503: "Service Unavailable"}


class Hangup(Exception):
    """The connection is over."""


class Request:
    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = lines[0].split(" ")
        self.headers = []
        for line in lines[1:]:
            if line:
                name, _, value = line.partition(":")
                self.headers.append((name.lower(), value.strip()))
        self.path = self.target
        self.behaviour = None
        if self.path.startswith("/do/"):
            self.behaviour, _, rest = self.path[4:].partition("/")
            self.path = "/" + rest
        self.api, _, rest = self.path[1:].partition("/")
        self.api_path = "/" + rest
        self.body = b""

    def get(self, name):
        values = [v for n, v in self.headers if n == name]
        return values[0] if values else None


class Server:
    def __init__(self, directory):
        self.directory = directory
        self.seen = {}  # address → how often it was met
        self.n = 0
        self.answered = {}  # Resend's idempotency key → the body, and the answer to it

    def path(self, name):
        return os.path.join(self.directory, name)

    def note(self, name, line):
        with open(self.path(name), "a", encoding="utf-8") as f:
            f.write(line.replace("\n", "\\n") + "\n")

    def behaves(self, address):
        word, dot, _ = address.partition("@")[0].partition(".")
        if not dot:
            return None
        name, _, times = word.rpartition("-")
        if not times.isdigit():
            return word
        met = self.seen[address] = self.seen.get(address, 0) + 1
        return name if met <= int(times) else None

    def forget(self):
        """When the test has cleared the directory."""
        if not os.path.exists(self.path("taken")):
            self.n = 0
            self.answered = {}

    def repeated(self, r):
        """The answer to a request that was answered before, by its idempotency key."""
        self.forget()
        body, answer = self.answered.get(r.get("idempotency-key"), (None, None))
        if body is None or body == r.body:
            return answer
        message = "This idempotency key has been used with another body"
        return 409, {"statusCode": 409, "name": "invalid_idempotent_request", "message": message}

    def keep(self, mail, shown):
        self.forget()
        self.n += 1
        with open(self.path(f"{self.n}.json"), "w", encoding="utf-8") as f:
            f.write(shown)
        recipients = ",".join(a["email"] for kind in ("to", "cc", "bcc") for a in mail[kind])
        key = mail["headers"].get("X-Key", "-")
        self.note("taken", f"{key} {mail['message_id'] or '<->'} {recipients} {mail['from']['email']}")

    async def serve(self, reader, writer):
        self.note("connections", "one")
        connection = Connection(self, reader, writer)
        try:
            while await connection.exchange():
                pass
        except (Hangup, ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()


class Connection:
    def __init__(self, server, reader, writer):
        self.server, self.reader, self.writer = server, reader, writer
        self.close_next = False

    def reset(self):
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        raise Hangup

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self, status, body=b"", headers=()):
        if isinstance(body, (dict, list)):
            headers = [("Content-Type", "application/json"), *headers]
            body = json.dumps(body).encode()
        elif isinstance(body, str):
            body = body.encode()
        head = f"HTTP/1.1 {status} {WORDS.get(status, 'Whatever')}\r\nContent-Length: {len(body)}\r\n"
        head += "".join(f"{n}: {v}\r\n" for n, v in headers)
        await self.send(head.encode() + b"\r\n" + body)

    async def forever(self):
        await self.reader.read()
        raise Hangup

    # --- before the whole request is there

    async def at_head(self, r):
        if r.behaviour == "reset-head":
            self.reset()
        elif r.behaviour == "early-400":
            await self.reply(400, {"message": "too early", "errors": [{"message": "too early"}]})
            await self.forever()

    async def at_held(self, r):
        if r.behaviour == "hangup-held":
            raise Hangup
        if r.behaviour == "half-close-held":
            self.writer.write_eof()
            await self.forever()
        if r.behaviour == "reset-held":
            self.reset()
        early = {"held-401": (401, {"message": "not you", "errors": [{"message": "not you"}]}),
                 "held-202": (202,), "held-502": (502, "<html>bad gateway</html>")}.get(r.behaviour)
        if early:
            await self.reply(*early, headers=[("Connection", "close")])
            await self.reader.read(1)  # the last byte may be on its way all the same
            raise Hangup

    def note_fate_of_half(self, r, body):
        """Of a mail that will never be whole here: JSON lacks just its last bracket."""
        r.body = body + b"}"
        try:
            self.server.note("fates", f"{http_shapes.read(r)['headers'].get('X-Key', '-')} {r.behaviour}")
        except Exception:
            pass  # no JSON, or nobody's API

    async def body(self, r):
        length = r.get("content-length")
        if r.method == "GET" and length is None:
            return
        if r.get("transfer-encoding") is not None or length is None or r.get("expect") is not None:
            self.server.note("wrong", "framing: " + json.dumps(r.headers))
            raise Hangup
        parts, left = [], int(length) - 1
        while left > 0:
            part = await self.reader.read(min(left, 1024 if r.behaviour == "slow-read" else 65536))
            if not part:
                raise Hangup
            parts.append(part)
            left -= len(part)
            if r.behaviour == "slow-read":
                await asyncio.sleep(0.0005)
        self.server.note("held", r.target)
        if r.behaviour in AT_HELD:
            self.note_fate_of_half(r, b"".join(parts))
        await self.at_held(r)
        parts.append(await self.reader.readexactly(1))
        r.body = b"".join(parts)

    # --- once it is

    async def misbehave(self, r, name):
        """Faults that are the same for all APIs; False: it is none of them."""
        if name == "reset":
            self.reset()
        elif name == "close":
            raise Hangup
        elif name == "silent":
            await self.forever()
        elif name == "partial":
            await self.send(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"id":"')
            self.reset()
        elif name == "partial-head":
            await self.send(b"HTTP/1.1 20")
            self.reset()
        elif name == "drip":
            for byte in b"HTTP/1.1 202 Accepted\r\nX-Drip: " + b"x" * LIMIT:
                await self.send(bytes([byte]))
                await asyncio.sleep(0.02)
        elif name == "huge":
            await self.reply(400, "x" * HUGE)
        elif name == "huge-head":
            await self.send(b"HTTP/1.1 202 Accepted\r\n")
            while True:
                await self.send(b"X-More: " + b"y" * 4000 + b"\r\n")
        elif name == "huge-line":
            await self.send(b"HTTP/1.1 202 Accepted\r\nX-More: " + b"y" * HUGE)
        elif name == "garbage":
            await self.send(b"220 mail.example ESMTP\r\n")
            raise Hangup
        elif name == "gateway":
            await self.reply(502, "<html>bad gateway</html>")
        elif name == "timeout":
            await self.reply(504, "<html>timeout</html>")
        elif name == "busy":
            await self.reply(500, {"message": "out of order"})
        elif name == "away":
            await self.reply(503, "<html>back soon</html>", [("Retry-After", "2")])
        elif name == "away-date":
            await self.reply(503, "", [("Date", "Tue, 24 Nov 2026 10:00:00 GMT"),
                                       ("Retry-After", "Tue, 24 Nov 2026 10:00:07 GMT")])
        elif name == "unwell":
            await self.reply(503, "<html>back soon</html>")
        elif name == "slow-down":
            await self.reply(429, "", [("Retry-After", "1")])
        elif name == "refuse-one":
            await self.reply(200, {"partialSuccess": {"rejectedSpans": "1", "errorMessage": "one is odd"}})
        elif name == "gone":
            await self.reply(410)
        elif name == "redirect":
            await self.reply(302, "", [("Location", "/plain/elsewhere")])
        elif name == "echo":
            said = " ".join(v for n, v in r.headers if "auth" in n or "token" in n)
            await self.reply(400, {"message": said, "Message": said, "errors": [{"message": said}]})
        elif name == "magnificent":
            await self.reply(200, "Mailgun Magnificent API")
        else:
            return False
        return True

    async def exchange(self):
        """One request; False: no more on this connection."""
        try:
            head = await self.reader.readexactly(1)
            if head == b"\x16":  # TLS, which is not spoken here
                await self.reply(400, "this is a plain HTTP port")
                return False
            head += await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return False
        r = Request(head)
        self.server.note("heads", f"{r.method} {r.target} {json.dumps(dict(r.headers))}")
        if self.close_next:
            return False
        if r.behaviour == "chaos":
            r.behaviour = random.choices(list(CHAOS), CHAOS.values())[0]
        await self.at_head(r)
        await self.body(r)
        self.server.note("wholes", f"{r.method} {r.target}")
        if r.behaviour == "continue":
            await self.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX-A: b\r\n\r\n")
        if r.behaviour == "dead-next":
            self.close_next = True
        if r.api == "hook":
            await self.hook(r)
            return True
        if r.api == "plain" or r.method == "GET":
            if not (r.behaviour and await self.misbehave(r, r.behaviour)):
                await self.reply(*http_shapes.question(r))
            return True
        try:
            mail = http_shapes.read(r)
        except Exception as e:  # what is wrong is for the test to see
            self.server.note("wrong", f"{r.method} {r.target}: {type(e).__name__} {e}")
            await self.reply(400, {"message": "not as documented"})
            return True
        refusal = http_shapes.refuse_credentials(r)
        if refusal:
            await self.reply(*refusal)
            return True
        await self.mail(r, mail)
        return True

    async def hook(self, r):
        kept = {"path": r.path, "headers": dict(r.headers), "body": r.body.decode(), "at": time.time()}
        self.server.note("hooks", json.dumps(kept))
        name = self.server.behaves((r.behaviour or "") + "." + r.path)
        if not (name and await self.misbehave(r, name)):
            await self.reply(204)

    async def mail(self, r, mail):
        """A mail that is as documented, from somebody who may send."""
        name = r.behaviour or self.server.behaves(http_shapes.first_address(mail)) or "ok"
        answer = self.server.repeated(r)
        if answer and http_shapes.refuses(name):
            name = "ok"  # what was answered once is answered again
        self.server.note("fates", f"{mail['headers'].get('X-Key', '-')} {name}")
        kept = name.startswith("keep-")
        name = name.removeprefix("keep-")
        if not answer:
            answer = http_shapes.answer(r, name)
            if kept or not (http_shapes.refuses(name) or name in http_shapes.LOSES):
                self.server.keep(mail, http_shapes.show(mail))
                if r.get("idempotency-key"):
                    self.server.answered[r.get("idempotency-key")] = (r.body, http_shapes.answer(r, "ok"))
                    answer = self.server.answered[r.get("idempotency-key")][1]
        if not await self.misbehave(r, name):
            await self.reply(*answer)


async def main():
    directory, port = sys.argv[1], int(sys.argv[2])
    context = None
    if len(sys.argv) > 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[3], sys.argv[4])
    server = Server(directory)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", port, ssl=context,
                                          backlog=1024)
    # What the kernel takes in beforehand must not be a whole request, however much it would take.
    listener.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    print("ready", listener.sockets[0].getsockname()[1], flush=True)
    await listener.serve_forever()


asyncio.run(main())
