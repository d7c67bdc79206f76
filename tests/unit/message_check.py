"""An independent reader of composed messages: Python's own email package.

    message_check.py generate COUNT FILE   writes jobs, hostile but valid, each as "<bytes>\n<JSON>"
    message_check.py check FILE            reads "<bytes> <bytes>\n<JSON><message>", prints what differs

The same jobs every time. Only the standard library.
"""

import base64
import email
import email.policy
import json
import random
import re
import sys
from email.header import decode_header, make_header

WORDS = ["plain", "words", "café", "naïve", "日本語", "件名", "😀", "👩‍👩‍👧", "Здравствуйте", "=", "=?", "?=",
         "=?utf-8?q?x?=", ".", "..", "From ", "--", "a" * 76, "b" * 120, "\u2028", "\u00a0", "%s", "{}", "<b>", '"',
         "\\", ",", ";", ":", "(x)", "@", "_", "é" * 40, "&amp;"]
LINE_ENDS = ["\n", "\r\n", "\r", "\n\n", "\n.\r\n", "\r.\r", "\n.\n", "\r\n.\r\n", "\n\r", "\r\r\n", " \n", "\t\r\n"]

DATE = "Tue, 24 Nov 2026 10:00:00 +0000"


def words(rnd, most, extra=()):
    return " ".join(rnd.choice(WORDS + list(extra)) for _ in range(rnd.randint(1, most)))


def header_text(rnd):
    """What a subject may be: blanks anywhere, tabs, no other control characters."""
    text = words(rnd, 12, ["", "tab\there"])
    while len(text.encode()) >= 998 or text == "":
        text = words(rnd, 4)
    return text


def body(rnd):
    kind = rnd.randrange(8)
    if kind == 0:
        return ""
    if kind == 1:
        return rnd.choice(["x", "é", "=", " ", "\n", "\r", "."]) * rnd.choice([1, 76, 77, 78, 79, 998, 999, 5000])
    if kind == 2:
        return "".join(rnd.choice(LINE_ENDS) for _ in range(20))
    if kind == 3:  # plain ASCII in short lines
        return "".join(rnd.choice(["Hello,", "a line", "", "."]) + rnd.choice(LINE_ENDS) for _ in range(20))
    parts = []
    for _ in range(rnd.randint(1, 40)):
        parts.append(words(rnd, 10, ["\x01", "\x0c", "\x1b[31m", "x" * 1200]))
        parts.append(rnd.choice(LINE_ENDS + [""]))
    return "".join(parts)


def name(rnd):
    text = words(rnd, 4).replace("\u2028", "").strip(" \t\u00a0")
    text = text.encode()[:250].decode(errors="ignore").strip()
    return text or "N"


def address(rnd, n, utf8):
    local = rnd.choice(["a.b+c%d", "person%d", '"quoted local %d"', '"a@b, %d"', "o'neil%d"])
    if utf8:
        local = rnd.choice(["jörg%d", "用户%d"])
    spec = (local % n) + "@" + rnd.choice(["x.org", "bücher.example", "sub.domain.example", "[192.0.2.1]"])
    kind = rnd.randrange(3)
    if kind == 0:
        return spec
    if kind == 1:
        return {"email": spec, "name": name(rnd)}
    return "Simple Name <%s>" % spec


def attachment(rnd, n):
    filename = rnd.choice(["a.pdf", "é%d.txt" % n, 'with "quotes" and; semi=colon.doc', "日本語" * 15 + ".pdf",
                           "long " * 30 + ".bin", "it's 100% (sure).txt", "plain file.txt"])
    a = {"filename": filename,
         "content": base64.b64encode(rnd.randbytes(rnd.choice([0, 1, 2, 3, 56, 57, 58, 5000]))).decode(),
         "contentType": rnd.choice(["application/pdf", "text/csv; charset=utf-8", "image/png",
                                    'application/x-odd; what="a \\"b\\" c"'])}
    if rnd.random() < 0.4:
        a["contentId"] = "part%d@x.org" % n
    elif rnd.random() < 0.3:
        a["disposition"] = rnd.choice(["inline", "attachment"])
    if rnd.random() < 0.2:
        del a["contentType"]
    return a


def job(rnd, n):
    utf8 = rnd.random() < 0.15
    j = {"subject": header_text(rnd), "idempotencyKey": "key-%d" % n}
    for field, many in (("to", 0.9), ("cc", 0.4), ("bcc", 0.4)):
        if rnd.random() < many:
            j[field] = [address(rnd, rnd.randrange(10**6), utf8) for _ in range(rnd.choice([1, 1, 2, 30]))]
    if not any(k in j for k in ("to", "cc", "bcc")):
        j["bcc"] = "hidden%d@x.org" % n
    if rnd.random() < 0.5:
        j["from"] = address(rnd, n, utf8)
    if rnd.random() < 0.3:
        j["replyTo"] = address(rnd, n, utf8)
    bodies = rnd.randrange(3)
    if bodies != 1:
        j["text"] = body(rnd)
    if bodies != 0:
        j["html"] = "<p>" + body(rnd)
    if rnd.random() < 0.4:
        j["attachments"] = [attachment(rnd, i) for i in range(rnd.randint(1, 4))]
    if rnd.random() < 0.5:
        j["headers"] = {"X-Plain": "some words", "X-" + "Long" * 15: " ".join(["word"] * 60)}
        j["headers"]["X-Other"] = rnd.choice(["café", "a <b@c.org> é", "", "z" * 2000, "naïve " * 50 + "end"])
    return j


def canonical(text):
    return re.sub("\r\n|\r|\n", "\r\n", text).encode()


class Checker:
    def __init__(self):
        self.wrong = []

    def equal(self, what, is_now, expected):
        if is_now != expected:
            self.wrong.append("%s: %r instead of %r" % (what, is_now, expected))


def split_address(value):
    """(name, addr-spec) as the job has it; domains as A-labels."""
    if isinstance(value, dict):
        shown, spec = value.get("name", ""), value["email"]
    elif value.endswith(">") and not value.startswith("<"):
        shown, spec = value[:-1].rsplit(" <", 1)
    else:
        shown, spec = "", value
    local, domain = spec.rsplit("@", 1)
    if not domain.isascii():
        domain = domain.encode("idna").decode()
    return shown, local + "@" + domain


def listed(value):
    return value if isinstance(value, list) else [] if value is None else [value]


def encoded_names(raw):
    """What the runs of encoded words in a raw header say, by the older of Python's decoders."""
    runs = re.findall(r"=\?UTF-8\?[QB]\?[^? ]*\?=(?:\s+=\?UTF-8\?[QB]\?[^? ]*\?=)*", raw)
    return [str(make_header(decode_header(run))) for run in runs]


def check_addresses(c, message, header, values):
    """Python's newer parser keeps the blanks between encoded words (before 3.13), so that for names in
    those only the older decoder is asked."""
    found = message[header].addresses if header in message else ()
    expected = [split_address(v) for v in values]
    encoded = [n for n, _ in expected if not n.isascii() or len(n) > 60 or "=?" in n]
    c.equal(header, [(None if n in encoded else a.display_name, a.addr_spec) for a, (n, _) in zip(found, expected)],
            [(None if n in encoded else n, spec) for n, spec in expected])
    c.equal(header + " encoded", encoded_names(dict(message.raw_items()).get(header, "")), encoded)


def check_headers(c, j, message, date):
    for header, field in (("To", "to"), ("Cc", "cc"), ("Reply-To", "replyTo")):
        check_addresses(c, message, header, listed(j.get(field)))
    check_addresses(c, message, "From", [j.get("from", "Default Sender <sender@x.org>")])
    if "to" not in j and "cc" not in j:
        c.equal("To", str(message["To"]), "undisclosed-recipients:;")
    c.equal("Bcc", message["Bcc"], None)
    c.equal("Subject", str(message["Subject"]), j["subject"])
    if date:
        c.equal("Date", str(message["Date"]), date)
    if not re.fullmatch(r"<[a-z2-7]{27}@[^<>@ ]+>", str(message["Message-ID"])):
        c.wrong.append("Message-ID: %s" % message["Message-ID"])
    for header, value in j.get("headers", {}).items():
        c.equal(header, str(message[header]), value)


def check_text(c, j, part, field, alone):
    expected = canonical(j[field])
    if alone and expected and not expected.endswith(b"\r\n") and part["Content-Transfer-Encoding"] != "base64":
        expected += b"\r\n"
    c.equal(field, part.get_payload(decode=True), expected)
    c.equal(field + " charset", part.get_content_charset(), "utf-8")


def check_attachment(c, a, part):
    given = a.get("contentType", "application/octet-stream")
    inline = "contentId" in a or a.get("disposition") == "inline"
    c.equal("content type", part.get_content_type(), given.split(";")[0])
    if "what=" in given:
        c.equal("parameter", part.get_param("what"), 'a "b" c')
    c.equal("filename", part.get_filename(), a["filename"])
    c.equal("disposition", part.get_content_disposition(), "inline" if inline else "attachment")
    c.equal("content", part.get_payload(decode=True), base64.b64decode(a["content"]))
    c.equal("content id", part["Content-ID"], "<%s>" % a["contentId"] if "contentId" in a else None)


def check_multipart(c, part, subtype, n):
    c.equal("multipart", part.get_content_type(), "multipart/" + subtype)
    parts = part.get_payload()
    c.equal(subtype + " parts", len(parts), n)
    return parts


def check_html(c, j, part, related, alone):
    if related:
        parts = check_multipart(c, part, "related", 1 + len(related))
        part, alone = parts[0], False
        for a, p in zip(related, parts[1:]):
            check_attachment(c, a, p)
    c.equal("html type", part.get_content_type(), "text/html")
    check_text(c, j, part, "html", alone)


def check_readable(c, j, part, related, alone):
    if "html" not in j:
        c.equal("text type", part.get_content_type(), "text/plain")
        check_text(c, j, part, "text", alone)
    elif "text" not in j:
        check_html(c, j, part, related, alone)
    else:
        text, html = check_multipart(c, part, "alternative", 2)
        c.equal("text type", text.get_content_type(), "text/plain")
        check_text(c, j, text, "text", False)
        check_html(c, j, html, related, False)


def check_parts(c, j, message):
    inline = lambda a: "html" in j and ("contentId" in a or a.get("disposition") == "inline")
    related = [a for a in j.get("attachments", []) if inline(a)]
    others = [a for a in j.get("attachments", []) if not inline(a)]
    if not others:
        check_readable(c, j, message, related, True)
        return
    parts = check_multipart(c, message, "mixed", 1 + len(others))
    check_readable(c, j, parts[0], related, False)
    for a, part in zip(others, parts[1:]):
        check_attachment(c, a, part)


def check_bytes(c, j, raw):
    """What must hold for every byte, whoever reads it."""
    if re.search(rb"\r(?!\n)|(?<!\r)\n|\0", raw) or not raw.endswith(b"\r\n"):
        c.wrong.append("a bare CR, LF or NUL, or no line end at the end")
    head, _, rest = raw.partition(b"\r\n\r\n")
    if not rest.isascii():
        c.wrong.append("the body is not 7 bit")
    c.equal("7 bit header", head.isascii(), all(
        split_address(v)[1].isascii() for f in ("to", "cc", "from", "replyTo") for v in listed(j.get(f))))
    for line in raw.split(b"\r\n"):
        if len(line) > 998 or (len(line) > 78 and b" " in line[1:] and b"=" not in line):
            c.wrong.append("a line of %d bytes: %r" % (len(line), line[:100]))
    for value in listed(j.get("bcc")):
        if split_address(value)[1].encode() in raw:
            c.wrong.append("Bcc %r shows" % value)


def check(j, raw, date=DATE):
    c = Checker()
    check_bytes(c, j, raw)
    # RFC 6532 headers are UTF-8; from bytes Python would take them for an unknown 8-bit charset.
    message = email.message_from_string(raw.decode(), policy=email.policy.default)
    for part in message.walk():
        c.equal("defects", [str(d) for d in part.defects], [])
        for key, value in part.items():
            # Python does not know RFC 6532 addresses, though it reads them right.
            c.equal("defects of " + key,
                    [repr(d) for d in value.defects if "non-ASCII" not in str(d)], [])
    check_headers(c, j, message, date)
    check_parts(c, j, message)
    return c.wrong


def generate(count, path):
    rnd = random.Random(5322)
    with open(path, "wb") as out:
        for n in range(count):
            payload = json.dumps(job(rnd, n), ensure_ascii=rnd.random() < 0.5).encode()
            out.write(b"%d\n" % len(payload) + payload)


def check_file(path):
    n = bad = 0
    with open(path, "rb") as records:
        while line := records.readline():
            sizes = [int(s) for s in line.split()]
            j, raw = json.loads(records.read(sizes[0])), records.read(sizes[1])
            n += 1
            for sentence in check(j, raw):
                bad += 1
                if bad <= 20:
                    print("%s: %s" % (j["idempotencyKey"], sentence))
    print("%d messages read, %d differences" % (n, bad))
    return bad > 0


if __name__ == "__main__":
    if sys.argv[1] == "generate":
        generate(int(sys.argv[2]), sys.argv[3])
    else:
        sys.exit(check_file(sys.argv[2]))
