"""What the mail APIs document: the shape of a request, its credentials, the replies.

Each reader checks a request against the documentation, field by field, and refuses what is not in
it; what it reads is the same for all of them:

  {"from": {"email", "name"}, "to": [...], "cc": [...], "bcc": [...], "reply_to": {...} or null,
   "subject", "text", "html", "headers": {}, "attachments": [{"name", "type", "id", "inline",
   "content"}], "tags": [], "metadata": {}, "message_id", "options": {}}
"""

import base64
import email
import email.policy
import email.utils
import hashlib
import hmac
import json
import re
import time
import uuid

KEY = "test-key-123"
SES_ACCESS, SES_SECRET, SES_REGION = "AKIDEXAMPLE", "secret/+123", "eu-west-1"
MAILGUN_DOMAIN = "mg.example.org"

# Behaviours that keep nothing although the whole request came.
LOSES = {"reset", "close", "silent", "partial", "partial-head", "drip", "huge", "huge-head", "huge-line",
         "garbage", "gateway", "timeout", "busy", "away", "away-date", "unwell", "redirect", "magnificent", "echo"}


class Wrong(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Wrong(what)


def only(obj, required, optional=()):
    check(isinstance(obj, dict), f"not an object: {obj!r}")
    for name in required:
        check(name in obj, f"{name} is missing")
    for name in obj:
        check(name in required or name in optional, f"{name} is not documented")


def text(value, least=0):
    check(isinstance(value, str) and len(value) >= least, f"not such a string: {value!r}")
    return value


def base64_bytes(value):
    check(not re.search(r"\s", value), "line breaks in base64")
    return base64.b64decode(value, validate=True)


def json_body(r):
    check(r.get("content-type") == "application/json", f"Content-Type: {r.get('content-type')}")
    return json.loads(r.body.decode("utf-8"), object_pairs_hook=unique)


def unique(pairs):
    check(len({name for name, _ in pairs}) == len(pairs), f"a member twice: {pairs!r}")
    return dict(pairs)


def address(value):
    """One mailbox as in a header. Display names may hold UTF-8."""
    found = email.utils.getaddresses([text(value, 3)])
    check(len(found) == 1 and "@" in found[0][1], f"not one mailbox: {value!r}")
    return {"email": found[0][1], "name": decoded(found[0][0])}


def addresses(value):
    found = email.utils.getaddresses([value]) if value else []
    return [{"email": a, "name": decoded(n)} for n, a in found]


def decoded(value):
    return str(email.header.make_header(email.header.decode_header(value)))


def printable(content):
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(content).decode()


def mail(**given):
    m = {"from": None, "to": [], "cc": [], "bcc": [], "reply_to": None, "subject": None, "text": None,
         "html": None, "headers": {}, "attachments": [], "tags": [], "metadata": {}, "message_id": None,
         "options": {}}
    m.update(given)
    everybody = [a["email"].lower() for kind in ("to", "cc", "bcc") for a in m[kind]]
    check(everybody, "no recipients")
    check(len(set(everybody)) == len(everybody), f"a recipient twice: {everybody}")
    return m


def headers_of(given):
    return {text(n, 1): decoded(text(v)) for n, v in given.items()}


# --- SendGrid

SENDGRID_RESERVED = {"x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type",
                     "content-transfer-encoding", "to", "from", "subject", "reply-to", "cc", "bcc"}


def sendgrid_address(a):
    only(a, ["email"], ["name"])
    name = text(a.get("name", ""))
    if re.search("[,;]", name):
        check(name[0] == name[-1] == '"', f"a name that needs quotes: {name!r}")
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return {"email": text(a["email"], 3), "name": name}


def sendgrid(r):
    check((r.method, r.api_path) == ("POST", "/v3/mail/send"), f"{r.method} {r.api_path}")
    b = json_body(r)
    only(b, ["personalizations", "from", "subject", "content"],
         ["reply_to", "attachments", "headers", "categories", "mail_settings"])
    m = mail_of_personalizations(b["personalizations"])
    m["from"] = sendgrid_address(b["from"])
    if "reply_to" in b:
        m["reply_to"] = sendgrid_address(b["reply_to"])
    m["subject"] = text(b["subject"], 1)
    types = [c["type"] for c in b["content"]]
    check(types in (["text/plain"], ["text/html"], ["text/plain", "text/html"]), f"content: {types}")
    for c in b["content"]:
        only(c, ["type", "value"])
        m["text" if c["type"] == "text/plain" else "html"] = text(c["value"], 1)
    for a in b.get("attachments", []):
        only(a, ["content", "filename", "type", "disposition"], ["content_id"])
        check(a["disposition"] in ("inline", "attachment"), a["disposition"])
        m["attachments"].append({"name": text(a["filename"], 1), "type": text(a["type"], 1),
                                 "id": a.get("content_id"), "inline": a["disposition"] == "inline",
                                 "content": printable(base64_bytes(text(a["content"], 1)))})
    given = b.get("headers", {})
    for name, value in given.items():
        check(name.lower() not in SENDGRID_RESERVED and value.isascii(), f"header {name}: {value}")
    m["headers"] = headers_of(given)
    m["message_id"] = m["headers"].pop("Message-ID", None)
    m["tags"] = b.get("categories", [])
    check(len(m["tags"]) <= 10, "categories")
    if "mail_settings" in b:
        check(b["mail_settings"] == {"sandbox_mode": {"enable": True}}, "mail_settings")
        m["options"]["sandbox"] = True
    return m


def mail_of_personalizations(list_):
    check(isinstance(list_, list) and 1 <= len(list_) <= 1000, "personalizations")
    m = {"to": [], "cc": [], "bcc": []}
    for p in list_:
        only(p, ["to"], ["cc", "bcc", "custom_args"])
        for kind in m:
            check(kind not in p or p[kind], f"{kind} is empty")
            m[kind] += [sendgrid_address(a) for a in p.get(kind, [])]
    return mail(metadata=headers_of(list_[0].get("custom_args", {})), options={"copies": len(list_)}, **m)


# --- Mailgun

def mailgun(r):
    check((r.method, r.api_path) == ("POST", f"/v3/{MAILGUN_DOMAIN}/messages.mime"), f"{r.method} {r.api_path}")
    content_type = r.get("content-type")
    check(content_type.startswith("multipart/form-data; boundary="), content_type)
    form = email.message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + r.body,
                                    policy=email.policy.HTTP)
    check(not form.defects and form.is_multipart(), f"form: {form.defects}")
    to, tags, variables, message, options = [], [], {}, None, {}
    for part in form.get_payload():
        check(part.get_content_disposition() == "form-data", "a part that is no form-data")
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if name == "to":
            to += [a["email"] for a in addresses(content.decode())]
        elif name == "message":
            check(part.get_filename(), "message is no file")
            message = content
        elif name == "o:tag":
            tags.append(content.decode("ascii"))
        elif name == "o:testmode":
            check(content == b"yes", "o:testmode")
            options["testmode"] = True
        elif name.startswith("v:"):
            variables[name[2:]] = content.decode()
        else:
            raise Wrong(f"{name} is not documented")
    check(len(tags) <= 10, "tags")
    return mime(message, to, tags=tags, metadata=variables, options=options)


def mime(message, envelope, **more):
    """A message as we compose it, and to whom it goes."""
    check(message.endswith(b"\r\n") and b"\n" not in message.replace(b"\r\n", b""), "line ends")
    check(all(len(line) <= 998 for line in message.split(b"\r\n")), "a line over 998")
    m = email.message_from_bytes(message, policy=email.policy.SMTP)
    check(m["Bcc"] is None, "Bcc is in the message")
    to, cc = addresses(m["To"] or ""), addresses(m["Cc"] or "")
    shown = [a["email"] for a in to + cc]
    # A header may repeat itself; the envelope may not.
    to = [a for i, a in enumerate(to) if a["email"].lower() not in [b["email"].lower() for b in to[:i]]]
    cc = [a for a in cc if a["email"].lower() not in [b["email"].lower() for b in to]]
    check(len(envelope) == len({e.lower() for e in envelope}), f"envelope: {envelope}")
    body, parts = {"text/plain": None, "text/html": None}, []
    for part in m.walk():
        if part.is_multipart():
            continue
        content = part.get_payload(decode=True)
        if part.get_filename() is None and part["Content-ID"] is None and body.get(part.get_content_type(), 0) is None:
            content = content.decode(part.get_content_charset("ascii"))
            body[part.get_content_type()] = content if m.is_multipart() else content.removesuffix("\r\n")
        else:
            content_id = part["Content-ID"]
            parts.append({"name": part.get_filename(), "type": part.get_content_type(),
                          "id": content_id[1:-1] if content_id else None,
                          "inline": part.get_content_disposition() == "inline", "content": printable(content)})
    structural = {"from", "to", "cc", "subject", "date", "message-id", "reply-to", "mime-version"}
    headers = {n: str(v) for n, v in m.items()
               if n.lower() not in structural and not n.lower().startswith("content-")}
    check(m["Date"] is not None and m["MIME-Version"] == "1.0", "Date, MIME-Version")
    return mail(**{"from": address(m["From"])}, to=[a for a in to if a["email"] in envelope],
                cc=[a for a in cc if a["email"] in envelope],
                bcc=[{"email": e, "name": ""} for e in envelope if e not in shown],
                reply_to=address(m["Reply-To"]) if m["Reply-To"] else None, subject=str(m["Subject"]),
                text=body["text/plain"], html=body["text/html"], headers=headers, attachments=parts,
                message_id=m["Message-ID"], **more)


# --- SES

def ses_tags(given):
    tags = {}
    for t in given:
        only(t, ["Name", "Value"])
        check(re.fullmatch(r"[A-Za-z0-9_-]{1,256}", t["Name"]), t["Name"])
        check(re.fullmatch(r"[A-Za-z0-9_-]{1,256}", t["Value"]) and t["Name"] not in tags, t["Value"])
        tags[t["Name"]] = t["Value"]
    named = [n for n in tags if re.fullmatch(r"tag\d*", n)]
    return {"tags": [tags[n] for n in named], "metadata": {n: v for n, v in tags.items() if n not in named}}


def ses(r):
    check((r.method, r.api_path) == ("POST", "/v2/email/outbound-emails"), f"{r.method} {r.api_path}")
    b = json_body(r)
    only(b, ["Destination", "Content"], ["FromEmailAddress", "ReplyToAddresses", "EmailTags", "ConfigurationSetName"])
    destination, content = b["Destination"], b["Content"]
    only(destination, [], ["ToAddresses", "CcAddresses", "BccAddresses"])
    kinds = {"to": "ToAddresses", "cc": "CcAddresses", "bcc": "BccAddresses"}
    lists = {kind: [address(a) for a in destination.get(name, [])] for kind, name in kinds.items()}
    check(all(a.isascii() for name in destination.values() for a in name), "addresses beyond ASCII")
    check(sum(map(len, lists.values())) <= 50, "recipients")
    more = ses_tags(b.get("EmailTags", []))
    more["options"] = {"configuration_set": b["ConfigurationSetName"]} if "ConfigurationSetName" in b else {}
    only(content, [], ["Raw", "Simple"])
    check(len(content) == 1, "one of Raw and Simple")
    if "Raw" in content:
        only(content["Raw"], ["Data"])
        m = mime(base64_bytes(content["Raw"]["Data"]), [a["email"] for k in kinds for a in lists[k]], **more)
        for kind in kinds:
            check([a["email"] for a in m[kind]] == [a["email"] for a in lists[kind]], f"envelope: {kind}")
        return m
    m = mail(**lists, **more)
    m["from"] = address(b["FromEmailAddress"])
    m["reply_to"] = address(b["ReplyToAddresses"][0]) if "ReplyToAddresses" in b else None
    ses_simple(m, content["Simple"])
    return m


def ses_text(t):
    only(t, ["Data", "Charset"])
    check(t["Charset"] == "UTF-8", "Charset")
    return text(t["Data"])


def ses_simple(m, s):
    only(s, ["Subject", "Body"], ["Headers", "Attachments"])
    m["subject"] = ses_text(s["Subject"])
    only(s["Body"], [], ["Text", "Html"])
    check(s["Body"], "no body")
    m["text"] = ses_text(s["Body"]["Text"]) if "Text" in s["Body"] else None
    m["html"] = ses_text(s["Body"]["Html"]) if "Html" in s["Body"] else None
    check(len(s.get("Headers", [])) <= 15, "headers")
    for h in s.get("Headers", []):
        only(h, ["Name", "Value"])
        check(h["Value"].isascii() and len(h["Value"]) <= 995, "header")
        m["headers"][h["Name"]] = decoded(h["Value"])
    for a in s.get("Attachments", []):
        only(a, ["RawContent", "FileName", "ContentType", "ContentDisposition", "ContentTransferEncoding"], ["ContentId"])
        check(a["ContentDisposition"] in ("INLINE", "ATTACHMENT"), a["ContentDisposition"])
        check(a["ContentTransferEncoding"] == "BASE64", a["ContentTransferEncoding"])
        m["attachments"].append({"name": text(a["FileName"], 1), "type": a["ContentType"], "id": a.get("ContentId"),
                                 "inline": a["ContentDisposition"] == "INLINE",
                                 "content": printable(base64_bytes(a["RawContent"]))})


def ses_signature(r):
    """The signature that the documentation asks for, from the request as it came."""
    given = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})",
                         r.get("authorization") or "")
    if not given:
        return "MissingAuthenticationToken"
    scope, signed = given[1].split("/"), given[2].split(";")
    if scope[0] != SES_ACCESS:
        return "UnrecognizedClientException"
    now = r.get("x-amz-date")
    when = time.mktime(time.strptime(now, "%Y%m%dT%H%M%SZ")) - time.timezone
    if abs(when - time.time()) > 300:
        return "RequestExpired"
    if scope[1:] != [now[:8], SES_REGION, "ses", "aws4_request"]:
        return "SignatureDoesNotMatch"
    if signed != sorted(signed) or "host" not in signed or "x-amz-date" not in signed:
        return "IncompleteSignature"
    canonical = "\n".join([r.method, r.target, "", *(f"{n}:{r.get(n)}" for n in signed), "", ";".join(signed),
                           hashlib.sha256(r.body).hexdigest()])
    to_sign = "\n".join(["AWS4-HMAC-SHA256", now, "/".join(scope[1:]), hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + SES_SECRET).encode()
    for word in (now[:8], SES_REGION, "ses", "aws4_request", to_sign):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    return None if key.hex() == given[3] else "SignatureDoesNotMatch"


# --- Postmark

def postmark(r):
    check((r.method, r.api_path) == ("POST", "/email"), f"{r.method} {r.api_path}")
    check(r.get("accept") == "application/json", "Accept")
    b = json_body(r)
    only(b, ["From", "To", "Subject", "Headers"],
         ["Cc", "Bcc", "ReplyTo", "TextBody", "HtmlBody", "Tag", "Metadata", "Attachments", "MessageStream"])
    check(b.get("TextBody") or b.get("HtmlBody"), "no body")
    m = mail(to=addresses(text(b["To"], 3)), cc=addresses(b.get("Cc", "")), bcc=addresses(b.get("Bcc", "")))
    check(len(m["to"] + m["cc"] + m["bcc"]) <= 50, "recipients")
    m["from"], m["subject"] = address(b["From"]), text(b["Subject"], 1)
    m["reply_to"] = address(b["ReplyTo"]) if "ReplyTo" in b else None
    m["text"], m["html"] = b.get("TextBody"), b.get("HtmlBody")
    m["tags"] = [text(b["Tag"], 1)] if "Tag" in b else []
    m["metadata"] = {text(n): text(v) for n, v in b.get("Metadata", {}).items()}
    for h in b["Headers"]:
        only(h, ["Name", "Value"])
        m["headers"][h["Name"]] = decoded(text(h["Value"]))
    check(m["headers"].pop("X-PM-KeepID") == "true", "X-PM-KeepID")
    m["message_id"] = m["headers"].pop("Message-ID")
    for a in b.get("Attachments", []):
        only(a, ["Name", "Content", "ContentType"], ["ContentID"])
        check(a.get("ContentID", "cid:").startswith("cid:"), "ContentID")
        content_id = a["ContentID"][4:] if "ContentID" in a else None
        m["attachments"].append({"name": text(a["Name"], 1), "type": text(a["ContentType"], 3), "id": content_id,
                                 "inline": content_id is not None, "content": printable(base64_bytes(a["Content"]))})
    if "MessageStream" in b:
        m["options"]["stream"] = text(b["MessageStream"], 1)
    return m


# --- Resend

def resend(r):
    check((r.method, r.api_path) == ("POST", "/emails"), f"{r.method} {r.api_path}")
    check(r.get("user-agent"), "User-Agent")
    key = r.get("idempotency-key")
    check(key and 1 <= len(key) <= 256, f"Idempotency-Key: {key}")
    b = json_body(r)
    only(b, ["from", "to", "subject"], ["cc", "bcc", "reply_to", "text", "html", "headers", "attachments", "tags"])
    check(b.get("text") or b.get("html"), "no body")
    check(1 <= len(b["to"]) <= 50, "to")
    m = mail(**{kind: [address(a) for a in b.get(kind, [])] for kind in ("to", "cc", "bcc")})
    m["from"], m["subject"] = address(b["from"]), text(b["subject"], 1)
    m["reply_to"] = address(b["reply_to"][0]) if "reply_to" in b else None
    m["text"], m["html"] = b.get("text"), b.get("html")
    m["headers"] = headers_of(b.get("headers", {}))
    more = ses_tags([{"Name": t["name"], "Value": t["value"]} for t in b.get("tags", [])])
    m["tags"], m["metadata"] = more["tags"], more["metadata"]
    for a in b.get("attachments", []):
        only(a, ["filename", "content"], ["content_type", "content_id"])
        m["attachments"].append({"name": text(a["filename"], 1), "type": a.get("content_type"), "id": a.get("content_id"),
                                 "inline": "content_id" in a, "content": printable(base64_bytes(a["content"]))})
    m["options"]["idempotency_key"] = key
    return m


READERS = {"sendgrid": sendgrid, "mailgun": mailgun, "ses": ses, "postmark": postmark, "resend": resend}


def read(r):
    check(r.api in READERS, f"whose API is {r.path}?")
    return READERS[r.api](r)


def first_address(m):
    return (m["to"] or m["cc"] or m["bcc"])[0]["email"]


def show(m):
    return json.dumps(m, ensure_ascii=False, indent=1, sort_keys=True)


# --- replies, as documented

def refuse_credentials(r):
    if r.api == "sendgrid" and r.get("authorization") != "Bearer " + KEY:
        message = "The provided authorization grant is invalid, expired, or revoked"
        return 401, {"errors": [{"message": message, "field": None, "help": None}]}
    if r.api == "mailgun" and r.get("authorization") != "Basic " + base64.b64encode(("api:" + KEY).encode()).decode():
        return 401, "Forbidden"
    if r.api == "postmark" and r.get("x-postmark-server-token") != KEY:
        return 401, {"ErrorCode": 10, "Message": "No Account or Server API tokens were supplied in the HTTP headers."}
    if r.api == "resend" and r.get("authorization") != "Bearer " + KEY:
        return 403, {"statusCode": 403, "name": "invalid_api_key", "message": "API key is invalid"}
    if r.api == "ses":
        code = ses_signature(r)
        if code:
            date = email.utils.formatdate(usegmt=True)
            return 403, {"message": "The request signature is not as it should be"}, [("x-amzn-ErrorType", code), ("Date", date)]
    return None


def refusals(api):
    """behaviour → reply that refuses the mail"""
    soon = str(int(time.time()) + 2)
    gmt = email.utils.formatdate(time.time() + 2, usegmt=True).replace("GMT", "UTC")
    error = "x-amzn-ErrorType"
    return {
        "sendgrid": {
            "refuse": (400, {"errors": [{"message": "Does not contain a valid address.", "field": "personalizations.0.to.0.email", "help": None}]}),
            "sender": (403, {"errors": [{"message": "The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved.", "field": "from", "help": None}]}),
            "quota": (401, {"errors": [{"message": "Maximum credits exceeded", "field": None, "help": None}]}),
            "account": (403, {"errors": [{"message": "access forbidden", "field": None, "help": None}]}),
            "throttle": (429, {"errors": [{"message": "too many requests", "field": None}]}, [("X-RateLimit-Limit", "1"), ("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", soon)]),
            "large": (413, {"errors": [{"message": "payload too large", "field": None}]}),
        },
        "mailgun": {
            "refuse": (400, {"message": "to parameter is not a valid address. please check documentation"}),
            "sender": (400, {"message": "Domain mg.example.org is not allowed to send: The domain is unverified and requires DNS configuration."}),
            "account": (403, {"message": "Rejected: IP 192.0.2.1 can't be used to send the message"}),
            "throttle": (429, {"message": f"Domain mg.example.org: request limit exceeded, try again after {gmt}"}),
            "large": (413, {"message": "request size exceeds 52.4MiB limit"}),
        },
        "ses": {
            "refuse": (400, {"message": "Local address contains control or whitespace"}, [(error, "BadRequestException:http://internal.amazon.com/")]),
            "sender": (400, {"message": "Email address is not verified. The following identities failed the check in region EU-WEST-1: a@example.com"}, [(error, "MessageRejected")]),
            "quota": (429, {"message": "Daily message quota exceeded."}, [(error, "LimitExceededException")]),
            "account": (400, {"message": "Sending paused for this account."}, [(error, "SendingPausedException")]),
            "throttle": (429, {"message": "Maximum sending rate exceeded."}, [(error, "TooManyRequestsException")]),
            "large": (400, {"message": "Message length is more than 41943040 bytes long"}, [(error, "BadRequestException")]),
        },
        "postmark": {
            "refuse": (422, {"ErrorCode": 300, "Message": "Invalid 'To' address: 'x'."}),
            "inactive": (422, {"ErrorCode": 406, "Message": "You tried to send to recipient(s) that have been marked as inactive. Found inactive addresses: a@x.org."}),
            "sender": (422, {"ErrorCode": 400, "Message": "The 'From' address you supplied (a@x.org) is not a Sender Signature on your account."}),
            "quota": (422, {"ErrorCode": 405, "Message": "You ran out of credits."}),
            "account": (422, {"ErrorCode": 412, "Message": "While your account is pending approval, all recipient addresses must share the same domain as the 'From' address."}),
            "throttle": (429, {"ErrorCode": 429, "Message": "slow down"}),
            "large": (413, {"ErrorCode": 0, "Message": "Payload too large"}),
        },
        "resend": {
            "refuse": (422, {"statusCode": 422, "name": "invalid_parameter", "message": "Invalid `to` field."}),
            "sender": (403, {"statusCode": 403, "name": "validation_error", "message": "The example.org domain is not verified."}),
            "quota": (429, {"statusCode": 429, "name": "daily_quota_exceeded", "message": "You have reached your daily email sending quota"}),
            "account": (403, {"statusCode": 403, "name": "suspended_api_key", "message": "API key is suspended"}),
            "throttle": (429, {"statusCode": 429, "name": "rate_limit_exceeded", "message": "Too many requests"}, [("retry-after", "2"), ("ratelimit-reset", "2")]),
            "large": (413, {"statusCode": 413, "name": "too_large", "message": "too large"}),
            "concurrent": (409, {"statusCode": 409, "name": "concurrent_idempotent_requests", "message": "in progress"}),
        },
    }[api]


def refuses(name):
    return name in ("refuse", "inactive", "sender", "quota", "account", "throttle", "large", "concurrent")


def answer(r, name):
    own = refusals(r.api)
    if name in own:
        return own[name]
    id_ = uuid.uuid4().hex
    return {
        "sendgrid": (202, "", [("X-Message-Id", id_)]),
        "mailgun": (200, {"id": f"<{id_}@{MAILGUN_DOMAIN}>", "message": "Queued. Thank you."}),
        "ses": (200, {"MessageId": id_}),
        "postmark": (200, {"To": "x", "SubmittedAt": "2026-11-24T10:00:00Z", "MessageID": id_, "ErrorCode": 0,
                           "Message": "OK" if name != "partly" else "Message OK, but will not deliver to these inactive addresses: "
                                      "gone@example.com. Inactive recipients are ones that have generated a hard bounce."}),
        "resend": (200, {"id": id_}),
    }[r.api]


def question(r):
    """GET: the harmless questions; and whatever /plain is asked."""
    if r.api == "plain":
        return 200, {"id": "plain"}
    known = {"sendgrid": "/v3/scopes", "mailgun": f"/v3/domains/{MAILGUN_DOMAIN}", "ses": "/v2/email/account",
             "postmark": "/server", "resend": "/domains"}
    if known.get(r.api) != r.api_path:
        return 404, {"message": "not found"}
    refusal = refuse_credentials(r)
    if refusal:
        return refusal
    return {
        "sendgrid": (200, {"scopes": ["mail.send"]}),
        "mailgun": (200, {"domain": {"name": MAILGUN_DOMAIN, "state": "active"}}),
        "ses": (200, {"SendingEnabled": True, "ProductionAccessEnabled": True, "EnforcementStatus": "HEALTHY"}),
        "postmark": (200, {"ID": 1, "Name": "Production"}),
        "resend": (200, {"data": []}),
    }[r.api]
