"""A mail server that keeps what it gets and behaves as a recipient's address says. See sink.h.

usage: sink.py DIRECTORY PORT ADDRESS [OFFER]      (PORT 0: any; prints "ready <port>" when it listens)

DIRECTORY gets:
  taken          one line a message: "<X-Key> <Message-ID> <recipients> <envelope sender>"
  <n>.eml        the message itself, as it came (dots unstuffed), n from 1 in the order of `taken`
  asked          one line for each RCPT: the address
  connections    one line for each connection
"""

import asyncio
import os
import sys

from aiosmtpd.smtp import SMTP

POLL_S = 0.005
REFUSALS = {
    "refuse": "550 5.1.1 <{0}>: no such user here",
    "defer": "450 4.2.1 <{0}>: mailbox is busy",
    "grey": "451 4.7.1 <{0}>: greylisted, try again later",
}
ANSWERS = {
    "bounce": "554 5.6.0 this message will never be taken",
    "busy": "451 4.3.0 out of order for now",
    "throttle": "450 4.7.28 too many mails from you, slow down",
}


class Sink:
    def __init__(self, directory, offers):
        self.directory = directory
        self.offers = offers  # what EHLO is answered beyond aiosmtpd's own
        self.seen = {}  # (address, behaviour) → how often it was met
        self.n = 0

    def path(self, name):
        return os.path.join(self.directory, name)

    def append(self, name, line):
        with open(self.path(name), "a", encoding="utf-8") as f:
            f.write(line + "\n")

    def behaves(self, address):
        """The behaviour in an address: "defer-2.ada@x.org" defers twice; None: it is an ordinary one."""
        word, dot, _ = address.partition("@")[0].partition(".")
        if not dot:
            return None
        name, _, times = word.rpartition("-")
        if not times.isdigit():
            return word
        met = self.seen[address] = self.seen.get(address, 0) + 1
        return name if met <= int(times) else None

    async def gate(self):
        while not os.path.exists(self.path("go")):
            await asyncio.sleep(POLL_S)

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        return responses[:-1] + ["250-" + offer for offer in self.offers] + responses[-1:]

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.append("asked", address)
        behaviour = self.behaves(address)
        if behaviour in REFUSALS:
            return REFUSALS[behaviour].format(address)
        if behaviour == "hold-rcpt":
            await self.gate()
        elif behaviour == "drop-rcpt":
            server.transport.abort()
            return "421 gone"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        if not hasattr(envelope, "behaviours"):
            envelope.behaviours = set()
        envelope.behaviours.add(behaviour)
        return "250 2.1.5 recipient ok"

    def keep(self, envelope):
        key = message_id = "-"
        for line in envelope.content.split(b"\r\n\r\n", 1)[0].split(b"\r\n"):
            name, _, value = line.decode("utf-8", "replace").partition(":")
            if name.lower() == "x-key":
                key = value.strip()
            elif name.lower() == "message-id":
                message_id = value.strip()
        self.n += 1
        with open(self.path("%d.eml" % self.n), "wb") as f:
            f.write(envelope.content)
        self.append(
            "taken",
            "%s %s %s %s" % (key, message_id, ",".join(envelope.rcpt_tos), envelope.mail_from),
        )

    async def handle_DATA(self, server, session, envelope):
        behaviours = envelope.behaviours
        for behaviour in behaviours:
            if behaviour in ANSWERS:
                return ANSWERS[behaviour]
        if "lose-dot" not in behaviours:
            self.keep(envelope)
        if "hold-dot" in behaviours:
            await self.gate()
        if "silent-dot" in behaviours:
            await asyncio.sleep(3600)
        if "drop-dot" in behaviours or "lose-dot" in behaviours:
            server.transport.abort()
        return "250 2.0.0 kept as %d" % self.n


class Server(SMTP):
    def connection_made(self, transport):
        self.event_handler.append("connections", "connected")
        super().connection_made(transport)


async def main():
    sink = Sink(sys.argv[1], sys.argv[4:])
    server = await asyncio.get_running_loop().create_server(
        lambda: Server(sink, enable_SMTPUTF8=True, hostname="sink.example", ident="sink"),
        sys.argv[3],
        int(sys.argv[2]),
        backlog=1000,
    )
    print("ready %d" % server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
