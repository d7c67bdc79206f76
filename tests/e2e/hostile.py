"""Jobs from somebody who means harm, and what must have become of them: test_hostile.c.

    hostile.py generate SEED COUNT FILE   writes jobs, each as "<bytes> <1: valid, 0: to be refused>\n<job>"
    hostile.py check FILE DEAD SINK       DEAD: the dead letters, each as "<bytes> <reason>\n<job>";
                                          SINK: what sink.py has kept. Prints what differs

A valid one is as tests/unit/message_check.py makes them, and is read by its checker, Python's email package. One to be refused
is such a job with something in a place where it must not be.
"""

import collections
import json
import os
import random
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "unit"))
import message_check

BREAKS = ["\r", "\n", "\r\n", "\0", "\r\nBcc: eve@x.org", "\n\nThis is the body now", "\r\n.\r\nMAIL FROM:<eve@x.org>\r\n",
          "\r\n\r\n--b\r\n", "\x7f", "\x1b[2J"]
BIDI = ["\u202eexe.fdp\u202c", "\u2066abc\u2069", "\u200f", "=?utf-8?b?DQpCY2M6IGV2ZUB4Lm9yZw==?=", "=?x?q?=0D=0A?="]


def insert(rnd, text, piece):
    at = rnd.randint(0, len(text))
    return text[:at] + piece + text[at:]


def spoil_name(rnd, j, piece):
    j["to"] = [{"email": "a@x.org", "name": insert(rnd, "Ada", piece)}]


def spoil_address(rnd, j, piece):
    j["to"] = "ada@x.org" + piece if rnd.random() < 0.5 else insert(rnd, "ada@x.org", piece)


def spoil_sender(rnd, j, piece):
    j[rnd.choice(["from", "replyTo"])] = {"email": "a@x.org", "name": insert(rnd, "Shop", piece)}


def spoil_subject(rnd, j, piece):
    j["subject"] = insert(rnd, j["subject"][:100], piece)


def spoil_value(rnd, j, piece):
    j["headers"]["X-Note"] = insert(rnd, "a note", piece)


def spoil_header(rnd, j, piece):
    j["headers"]["X-Note" + piece + "x"] = "a note"


def spoil_file(rnd, j, piece):
    a = {"filename": "a.pdf", "contentType": "application/pdf", "content": "YQ=="}
    field = rnd.choice(list(a)[:2] + ["contentId"])
    a[field] = insert(rnd, a.get(field, "id@x.org"), piece)
    j["attachments"] = [a]


def spoil_reserved(rnd, j, piece):
    j["headers"][rnd.choice(["Bcc", "bcc", "From", "Content-Type", "MIME-Version", "Received", "Message-ID"])] = "x@x.org"


SPOILS = [spoil_name, spoil_address, spoil_sender, spoil_subject, spoil_value, spoil_header, spoil_file, spoil_reserved]


def make(rnd, n):
    """(payload, valid)"""
    j = message_check.job(rnd, n)
    j.setdefault("headers", {})["X-Key"] = j["idempotencyKey"]
    if rnd.random() < 0.3:
        j["subject"] = rnd.choice(BIDI) + j["subject"][:200]
    valid = rnd.random() < 0.6
    if not valid and rnd.random() < 0.9:
        rnd.choice(SPOILS)(rnd, j, rnd.choice(BREAKS))
        return json.dumps(j, ensure_ascii=rnd.random() < 0.5).encode(), False
    payload = json.dumps(j, ensure_ascii=False).encode()
    if not valid:  # nothing that anybody could read
        at = rnd.randint(1, len(payload) - 1)
        payload = rnd.choice([payload[:at], b"\0" + payload, payload.replace(b'"subject": "', b'"subject": "\xc0\xae', 1),
                              payload + b"\r\n{}", payload.replace(b'"subject": "', b'"subject": "\xed\xa0\x80', 1)])
    return payload, valid


def generate(seed, count, path):
    rnd = random.Random(seed)
    with open(path, "wb") as out:
        for n in range(count):
            payload, valid = make(rnd, n)
            out.write(b"%d %d\n" % (len(payload), valid) + payload)


def records(path):
    with open(path, "rb") as f:
        while line := f.readline():
            size, _, rest = line.rstrip(b"\n").partition(b" ")
            yield rest, f.read(int(size))


def kept(sink):
    """key → the messages that came with it"""
    found = collections.defaultdict(list)
    n = 1
    while os.path.exists(os.path.join(sink, "%d.eml" % n)):
        with open(os.path.join(sink, "%d.eml" % n), "rb") as f:
            raw = f.read()
        message = message_check.email.message_from_bytes(raw)
        found[str(message["X-Key"])].append(raw)
        n += 1
    return found


def check_all(path, dead_path, sink):
    wrong, messages = [], kept(sink)
    jobs = list(records(path))
    valid = [json.loads(job) for flag, job in jobs if flag == b"1"]
    refused = collections.Counter(job for flag, job in jobs if flag == b"0")
    dead = list(records(dead_path))
    for j in valid:
        key = j["idempotencyKey"]
        found = messages.pop(key, [])
        if len(found) != 1:
            wrong.append("%s: %d messages" % (key, len(found)))
        for raw in found:
            wrong += ["%s: %s" % (key, sentence) for sentence in message_check.check(j, raw, date=None)]
    wrong += ["a message of nobody, as %s: %r" % (key, found[0][:300]) for key, found in messages.items()]
    for job, _ in (refused - collections.Counter(job for _, job in dead)).items():
        wrong.append("to be refused, and no dead letter: %r" % job[:300])
    for job, _ in (collections.Counter(job for _, job in dead) - refused).items():
        wrong.append("refused: %r" % job[:300])
    wrong += ["no reason: %r" % job[:300] for reason, job in dead if not reason.startswith(b"invalid_job: ")]
    for sentence in wrong[:20]:
        print(sentence)
    print("%d mails read, %d dead letters, %d differences" % (len(valid), len(dead), len(wrong)))
    return bool(wrong)


if __name__ == "__main__":
    if sys.argv[1] == "generate":
        generate(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    else:
        sys.exit(check_all(*sys.argv[2:5]))
