#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""`qf show --part=eml` against what real sendmail sends: control files made by hand, one rule each,
and messages of the corpus are shown by qf, then delivered by a queue run to a server that keeps
what it gets. Header block and body must be the same, byte for byte, but for the line ends.

What docs/mail.md says to differ on purpose is checked to differ in that way and no other.
"""
import glob
import hashlib
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.environ.get("QF_FIXTURES", os.path.dirname(HERE))
sys.path.insert(0, os.path.join(FIXTURES, "lab"))
import lab as laboratory

QF = os.environ.get("QF", "build/qf")
HOST = b"@lab.example"

ENVELOPE = (b"V8\nT1795332063\nK0\nN0\nP30119\nFs\n$_localhost [127.0.0.1]\n$rESMTP\n$s\n"
            b"${daemon_flags}\nS<ann@src.example>\n")
FROM = b"H??From: ann@src.example\n"

# Name, envelope lines, header lines, body; what is in the envelope lines replaces ENVELOPE.
CASES = [
    ("as sendmail writes it", ENVELOPE,
     b"H?P?Return-Path: <\x81g>\nH??Received: from a by b; Sun, 22 Nov 2026 07:21:03 GMT\n"
     b"H?D?Date: Sun, 22 Nov 2026 07:21:03 GMT\nH?M?Message-Id: <x@y.example>\n"
     b"H?F?From: Ann <ann@src.example>\nH?x?Full-Name: Ann\nH??To: bob.with.a.long.name@dst.example,\n"
     b"        carl.with.a.long.name@somewhere.dst.example\n", b"hello\n"),
    ("mailer flags", ENVELOPE,
     FROM + b"H?D?X-1: D\nH?d?X-2: d\nH?zX?X-3: zX\nH?P?X-4: P\nHX-5: none\nH?D\xe9?X-6: bad\n"
     b"H?D\nH?m?X-7: m\n", b"hello\n"),
    ("macro conditions", ENVELOPE,
     FROM + b"".join(b"H?$%c?X-%c: x\n" % (c, c) for c in b"abcdefgijklmnopqrstuvwxyzZ_")
     + b"H?\x81r?X-in: r\nH?\x81s?X-in: s\nH?$?X: bad\nH?$rs?X: bad\nH?\x81?X: bad\n"
     b"H?\x81rr?X: bad\nH?${r}?X: bad\nH?${daemon_flags}?X: empty\nH?${client_name}?X: none\n"
     b"H?${msg_size}?X: size\nH?${ntries}?X: tries\nH?${dsn_envid}?X: Z\nH?${dsn_ret}?X: F\n"
     b"H?${bodytype}?X: B\nH?${envid}?X: Z\nH?${msg_id}?X: id\n", b"hello\n"),
    ("macros made from records",
     ENVELOPE.replace(b"Fs\n", b"B8BITMIME\nFsd\n${client_name}c.example\n") + b"ZQQ\n",
     FROM + b"H?${client_name}?X: $\nH?${dsn_envid}?X: Z\nH?${dsn_ret}?X: F\nH?${bodytype}?X: B\n"
     b"H?${envid}?X: Z\nH?${msg_id}?X: id\nH?$x?X: x\nH??Message-Id: <a@b.example>\n"
     b"H?D?Full-Name: Ann\n", b"hello\n"),
    ("null sender", ENVELOPE.replace(b"<ann@src.example>", b"<>"),
     FROM + b"H?D?Return-Path: <\x81g>\nH?$f?X: f\nH?$g?X: g\n", b"hello\n"),
    ("macro references", ENVELOPE,
     FROM + b"H?D?Return-Path: <\x81g> \x81f \x81r \x81i \x81a \x81\n c\xff\n d\x81_\n"
     b"H??Return-Path: <\x81g>\nH?$r?Return-Path: <\x81g>\nH??X: <\x81g>\n"
     b"H??Date: Sun, 22 Nov 2026 07:21:03 GMT\n", b"hello\n"),
    ("meta bytes and 8-bit", ENVELOPE,
     FROM + b"H??Subject: gr\xc3\xbc\xc3\xff\x9fe \xff\x81g \xff\xff \x80\xa0 end\xff\nH??X: b\xff\n c\n",
     b"gr\xc3\xbcn \xff\x80\xff\n"),
    ("fields with rules of their own", ENVELOPE,
     FROM + b"H??Full-Name: A\nH?D?Full-Name: B\nH??Content-Length: 5\nH?D?Content-Length: 6\n"
     b"H??Text: a\nH??Message: b\nH??" + b"L" * 100 + b": long\nH??" + b"M" * 101 + b": longer\n"
     b"H??Return-Receipt-To: a@b.example\nH?D?Resent-Date: x\n", b"hello\n"),
    ("Bcc emptied", ENVELOPE, FROM + b"H??Bcc: x@y.example\nH??Resent-Bcc: x@y.example\n", b"x\n"),
    ("Bcc removed", ENVELOPE.replace(b"Fs", b"Fbs"),
     FROM + b"H??Bcc: x@y.example\nH??Resent-Bcc: x@y.example\n", b"x\n"),
    ("blanks and folds", ENVELOPE,
     FROM + b"H??A: one\n\ttwo\n  \n three \t\nH??B:\n x\nH??C: a\r\n b\r\nH??D: a\rb\n c\rd\n"
     b"H??E: ab\0cd\n e\nH??F:\t\tx\nH??G :x\nH??H\t : x\nH??I:\nH??J: \nH??K:x\n", b"hello\n"),
    ("body of odd lines", ENVELOPE, FROM, b"a\rb\n\n.\n..x\nFrom x\n>From y\nnul \0 end\n"),
    ("empty body", ENVELOPE, FROM, b""),
    ("body that begins with empty lines", ENVELOPE, FROM, b"\n\nx\n"),
]

# Scenarios of the corpus and how many messages of each at most.
SCENARIOS = {"headers": 40, "bodytypes": 20, "dsn": 20, "auth": 10, "eai": 9, "aliases-lists": 15,
             "bounces": 15}

results = 0


def report(good, name, why=()):
    global results
    results += 1
    print("%sok %d - %s" % ("" if good else "not ", results, name), flush=True)
    for line in why[:20]:
        print("# " + line[:300].encode("unicode_escape").decode(), flush=True)


def skip(name, why):
    global results
    results += 1
    print("ok %d - %s # SKIP %s" % (results, name, why), flush=True)


class Message:
    """A message to be put into the queue, shown and delivered. recipient is its alone, and by it
    the delivery is known."""

    def __init__(self, name, control, body, number):
        self.name = name
        self.id = "6AM7L3QS%06d" % (100000 + number)
        self.recipient = "n%d@dst.example" % number
        at = control.find(b"\nH") + 1 or len(control)
        self.control = (control[:at] + b"RPFD:<%s>\n" % self.recipient.encode() + control[at:])
        self.body = body
        self.eml = None

    def put(self, queue):
        for prefix, data in (("df", self.body), ("qf", self.control)):
            path = os.path.join(queue, prefix + self.id)
            with open(path, "wb") as f:
                f.write(data)
            os.chmod(path, 0o600)

    def show(self, queue):
        done = subprocess.run([QF, "show", "-Q", queue, "-C", "none", self.id, "--part=eml"],
                              capture_output=True)
        self.eml = done.stdout
        return done.stderr.decode("utf-8", "replace") or None


def parts(eml):
    """Header block and SHA-256 of the body as the sink has them: line ends CR LF, and the last
    line of the body ended. sendmail ends it too."""
    headers, _, body = eml.partition(b"\n\n")
    if body and not body.endswith(b"\n"):
        body += b"\n"
    return (headers.replace(b"\n", b"\r\n"),
            hashlib.sha256(body.replace(b"\n", b"\r\n")).hexdigest())


def deliver(lab, sink, messages):
    """Show them all, run the queue, and return what came of each: {recipient: message}."""
    failures = []
    for message in messages:
        message.put(lab.queue)
    for message in messages:
        error = message.show(lab.queue)
        if error:
            failures.append("%s: %s" % (message.name, error))
    sink.messages.clear()
    lab.run_queue()
    return {r: m for m in sink.messages for r in m["recipients"]}, failures


def differences(message, got):
    """Lines of what is not the same, or nothing. An address without a domain is given this
    host's, in headers; nothing else of theirs is changed by sendmail in what is compared here."""
    if got is None:
        return [message.name + ": was not delivered"]
    headers, body = parts(message.eml)
    ours, theirs = (h.replace(HOST, b"").split(b"\r\n") for h in (headers, got["headers"]))
    why = []
    if ours != theirs:
        only = [line for line in ours if line not in theirs][:3]
        why += ["%s: only in qf: %s" % (message.name, line.decode("latin-1")) for line in only]
        only = [line for line in theirs if line not in ours][:3]
        why += ["%s: only in sendmail: %s" % (message.name, line.decode("latin-1"))
                for line in only]
        why = why or [message.name + ": order of lines"]
    if body != got["body"]:
        why.append(message.name + ": the body differs")
    return why


def corpus_messages():
    """Messages of the corpus, each with one recipient of its own, without a time to be delivered
    by: what was promised is over by now."""
    corpus = os.environ.get("QF_CORPUS", os.path.join(FIXTURES, "queues"))
    number = 1000
    for scenario, most in SCENARIOS.items():
        archive = os.path.join(corpus, scenario, "queue.tar.gz")
        if not os.path.exists(archive):
            continue
        with tempfile.TemporaryDirectory() as top:
            subprocess.run(["tar", "-C", top, "-xpzf", archive], check=True)
            for path in sorted(glob.glob(os.path.join(top, "mqueue", "qf*")))[:most]:
                with open(path, "rb") as f:
                    control = re.sub(rb"(?m)^[RQrC!].*\n", b"", f.read())
                with open(os.path.join(os.path.dirname(path), "df" + os.path.basename(path)[2:]), "rb") as f:
                    body = f.read()
                # Source routes are taken out of headers by the rules of sendmail.cf.
                if b"<@" in control:
                    continue
                # Lines that SMTP does not take are broken by sendmail.
                if max(map(len, (control + b"\n" + body).split(b"\n"))) > 990:
                    continue
                number += 1
                yield Message("%s/%s" % (scenario, os.path.basename(path)), control, body, number)


def check_cases(lab, sink):
    messages = [Message(name, envelope + headers + b".\n", body, i)
                for i, (name, envelope, headers, body) in enumerate(CASES)]
    got, failures = deliver(lab, sink, messages)
    report(not failures, "qf shows every message as mail", failures)
    for message in messages:
        why = differences(message, got.get(message.recipient))
        report(not why, message.name, why)


def check_corpus(lab, sink):
    messages = list(corpus_messages())
    if not messages:
        skip("messages of the corpus", "no such queues")
        return
    got, why = deliver(lab, sink, messages)
    for message in messages:
        why += differences(message, got.get(message.recipient))
    report(not why, "%d messages of the corpus" % len(messages), why)


def check_fresh(lab, sink):
    """Messages this sendmail takes in now: by SMTP and from the command line."""
    daemon = lab.daemon()
    sent = {
        "by SMTP": b"From: ann@src.example\nTo: bob@dst.example\nSubject: gr\xc3\xbc\xff\x9f\n\nx\n",
        "with what is missing": b"Bcc: x@y.example\n\nx\n",
        "resent": b"Resent-From: a@b.example\nFrom: c@d.example\nTo: " + b", ".join(
            b"recipient%d@somewhere.example" % i for i in range(20)) + b"\n\nx",
    }
    ids = {}
    for i, (name, text) in enumerate(sent.items()):
        reply = laboratory.submit(daemon.port, "ann@src.example", ["f%d@dst.example" % i], text)
        ids[name] = (laboratory.queue_id(reply), "f%d@dst.example" % i)
    daemon.stop()
    messages = {}
    for name, (queue_id, recipient) in ids.items():
        message = Message(name, b"", b"", 0)
        message.id, message.recipient = queue_id, recipient
        message.show(lab.queue)
        messages[recipient] = message
    before = set(os.listdir(lab.queue))
    lab.inject(["line@dst.example"], "Subject: from the command line\n\nx\n", "-f",
               "ann@src.example")
    name = next(n for n in set(os.listdir(lab.queue)) - before if n.startswith("qf"))
    message = Message("command line", b"", b"", 0)
    message.id, message.recipient = name[2:], "line@dst.example"
    message.show(lab.queue)
    messages[message.recipient] = message
    sink.messages.clear()
    lab.run_queue()
    got = {r: m for m in sink.messages for r in m["recipients"]}
    for recipient, message in messages.items():
        why = differences(message, got.get(recipient))
        report(not why, "a fresh message " + message.name, why)


def check_deliberate(lab, sink):
    """docs/mail.md: lines longer than SMTP takes. sendmail breaks them anywhere and puts "!"
    there; qf folds them at blanks and leaves words whole."""
    words = b" ".join(b"word%d" % i for i in range(400))
    message = Message("long lines", ENVELOPE + FROM + b"H??Subject: " + words + b"\nH??X: "
                      + b"y" * 3000 + b"\n.\n", b"z" * 2000 + b"\n", 99)
    got, why = deliver(lab, sink, [message])
    headers = message.eml.partition(b"\n\n")[0]
    if b"\nSubject: " + words + b"\n" not in headers.replace(b"\n word", b" word") + b"\n":
        why.append("unfolding does not give the value back")
    longest = max(len(line) for line in headers.split(b"\n") if not line.startswith(b"X: "))
    if not 900 < longest <= 998:
        why.append("longest line: %d" % longest)
    if b"\nX: " + b"y" * 3000 not in headers:
        why.append("a word was broken")
    if not message.eml.endswith(b"\n\n" + b"z" * 2000 + b"\n"):
        why.append("the body was changed")
    if b"!\r\n " not in got[message.recipient]["headers"]:
        why.append("sendmail no longer breaks lines with an exclamation mark")
    report(not why, "long lines are folded, not broken", why)


def main():
    try:
        with laboratory.Lab(options={"Timeout.queuereturn": "4000d"}) as lab, \
                laboratory.Sink() as sink:
            lab.relay_to(sink)
            check_cases(lab, sink)
            check_corpus(lab, sink)
            check_fresh(lab, sink)
            check_deliberate(lab, sink)
    except laboratory.Missing as missing:
        skip("eml against what sendmail sends", str(missing))
    print("1..%d" % results)


main()
