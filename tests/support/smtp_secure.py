"""A mail server with TLS and AUTH (aiosmtpd). See smtp_secure.h.

usage: smtp_secure.py DIRECTORY OPTION...

  cert=FILE key=FILE   the certificate; without them there is no TLS
  implicit             TLS from the first byte, else STARTTLS
  user=USER:PASSWORD   AUTH is offered and required
  mechanisms=A,B       those that are offered
  utf8                 SMTPUTF8 is offered
  echo                 every AUTH is refused, with the credentials in the reply
  lie                  SMTPUTF8 is offered in clear text only, as somebody in between could

DIRECTORY gets:
  said     one line for each thing that the client did: "EHLO tls|clear", "AUTH <mechanism> <user>
           <password> tls|clear", "MAIL <from> <options>", "RCPT <to>", "DATA tls|clear <size>"
  <n>.eml  the messages, n from 1
"""

import asyncio
import base64
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

ALL = {"PLAIN", "LOGIN"}


class Keeper:
    def __init__(self, directory):
        self.directory = directory
        self.lies = False
        self.n = 0

    def say(self, *words):
        with open(os.path.join(self.directory, "said"), "a", encoding="utf-8") as f:
            f.write(" ".join(words) + "\n")

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        self.say("EHLO", layer(session))
        session.host_name = hostname
        if self.lies and session.ssl is None:
            responses.insert(1, "250-SMTPUTF8")
        return responses

    async def handle_MAIL(self, server, session, envelope, address, options):
        self.say("MAIL", address, *options)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.say("RCPT", address)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.n += 1
        with open(os.path.join(self.directory, f"{self.n}.eml"), "wb") as f:
            f.write(envelope.original_content)
        self.say("DATA", layer(session), str(len(envelope.original_content)))
        return f"250 2.0.0 Ok: queued as S{self.n}"


def layer(session):
    return "tls" if session.ssl is not None else "clear"


async def main(directory, options):
    given = dict(o.partition("=")[::2] for o in options)
    keeper = Keeper(directory)
    keeper.lies = "lie" in given
    context = None
    if "cert" in given:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(given["cert"], given["key"])
    implicit = "implicit" in given
    user, _, password = given.get("user", "").partition(":")

    def authenticate(server, session, envelope, mechanism, data):
        ok = isinstance(data, LoginPassword)
        got = (data.login.decode(), data.password.decode()) if ok else ("?", "?")
        keeper.say("AUTH", mechanism, *got, layer(session) if not implicit else "tls")
        if "echo" in given:  # it quotes what it refuses, plain and as it came
            coded = [base64.b64encode(s.encode()).decode() for s in (got[1], "\0%s\0%s" % got)]
            return AuthResult(success=False, handled=False, message=f"535 5.7.8 no {got[1]} {' '.join(coded)}")
        return AuthResult(success=got == (user, password), handled=False)

    def make():
        return SMTP(
            keeper,
            hostname="secure.test",
            enable_SMTPUTF8="utf8" in given,
            tls_context=None if implicit else context,
            require_starttls=context is not None and not implicit,
            auth_required=bool(user),
            auth_require_tls=not implicit and context is not None,
            authenticator=authenticate if user else None,
            auth_exclude_mechanism=ALL - set(given["mechanisms"].split(","))
            if "mechanisms" in given
            else None,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        make, "127.0.0.1", 0, ssl=context if implicit else None
    )
    print("ready", server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(main(sys.argv[1], sys.argv[2:]))
