#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""salvage resubmit: to a server that speaks SMTP alone; who was accepted is struck, and nobody else; what
the server lacks; TLS and passwords; interrupted."""
import base64
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import acting
import harness
import lab as laboratory
import salvaging
from salvaging import IDS
from tap import Tap

tap = Tap()
RULES = ["-C", "none", "--now=@%d" % acting.NOW, "--queue-return=never", "--format=json"]
A, B = IDS[0], IDS[1]
CONTROL = ("V8\nT%d\nK0\nN0\nP30119\n%s$r SMTP\nS<ann@src.example>\n%sH??Subject: x\nH??DKIM-Signature: "
           "a=b;\n\tc=d\n.\n")


def control(rcpts="bob eve", flags="PFD", extra=""):
    return (CONTROL % (acting.NOW - 3600, extra, "".join("R%s:<%s@dst.example>\n" % (flags, r)
                                                          for r in rcpts.split()))).encode()


class Queue(acting.Queue):
    def put(self, id, text, body=b"hello\n.dot\nno end", kind="qf"):
        owner = (os.geteuid(), os.getegid())
        self.write(kind + id, text, 0o600, owner)
        self.write("df" + id, body, 0o600, owner)

    def left(self):
        """{id: recipients}"""
        return {n[2:]: re.findall(rb"(?m)^R\w*:<(\w+)@", c[0]) for n, c in self.files().items()
                if n[:2] in ("qf", "hf")}


def begin(top):
    path = os.path.join(top, "queue")
    shutil.rmtree(path, ignore_errors=True)
    os.mkdir(path, 0o700)
    return Queue(path)


def resubmit(queue, server, *args, env=None):
    done = harness.qf("salvage", "resubmit", *RULES, "--from=" + queue.path, "--smtp=" + server, *args,
                      env={"QF_CONF": "/dev/null", **(env or {})})
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done, {r["id"]: (r["outcome"], r["why"], r["detail"] or "") for r in lines[:-1]}


def got(sink):
    return sorted(r for m in sink.messages for r in m["recipients"])


def plain(top):
    queue = begin(top)
    with laboratory.Sink() as sink:
        server = "127.0.0.1:%d" % sink.port
        queue.put(A, control())
        queue.put(B, control("joe"), b"x\n" * 40000)
        done, found = resubmit(queue, server)
        tap.ok(done.returncode == 0 and found == {A: ("moved", None, ""), B: ("moved", None, "")} and
               not queue.files() and got(sink) == ["bob@dst.example", "eve@dst.example", "joe@dst.example"],
               "all are accepted, and gone", done, queue.files())
        first = [m for m in sink.messages if len(m["recipients"]) == 2][0]
        lines = first["headers"].split(b"\r\n")
        tap.ok(lines[0].startswith(b"Received: by ") and b"(qf salvage resubmit) id " + A.encode() in lines[0]
               and lines[2:] == [b"Subject: x", b"DKIM-Signature: a=b;", b"\tc=d"] and
               first["body"] == laboratory.hashlib.sha256(b"hello\r\n.dot\r\nno end\r\n").hexdigest(),
               "one Received line more, and nothing else", first)


def refused(top):
    queue = begin(top)
    with laboratory.Sink() as sink:
        server = "127.0.0.1:%d" % sink.port
        queue.put(A, control("bob eve joe"))
        sink.answer("rcpt", "450 4.2.0 eve is not there now", only="eve@")
        done, found = resubmit(queue, server)
        tap.ok(done.returncode == 2 and found[A][:2] == ("failed", "refused") and
               "eve is not there now" in found[A][2] and "2 of 3" in found[A][2] and
               queue.left() == {A: [b"eve"]} and got(sink) == ["bob@dst.example", "joe@dst.example"],
               "who was accepted is struck, and nobody else", done, queue.left())
        sink.clear()
        done, found = resubmit(queue, server)
        tap.ok(done.returncode == 0 and not queue.files() and got(sink)[-1] == "joe@dst.example" and
               len(got(sink)) == 3, "then the others get it, and nobody twice", got(sink))
        for stage, reply in (("mail", "550 no"), ("data", "451 not now"), ("end", "554 spam")):
            sink.clear()
            sink.messages.clear()
            queue.put(A, control())
            queue.put(B, control("joe"))
            sink.answer(stage, reply, times=1)
            done, found = resubmit(queue, server)
            left = queue.left()
            tap.ok(done.returncode == 2 and len(left) + len({tuple(m["recipients"]) for m in sink.messages})
                   == 2 and reply[4:] in str(found), "refused at %s: it stays, whole; the next one goes on"
                   % stage, found, left, got(sink))
            sink.clear()
            resubmit(queue, server)
            tap.ok(not queue.files() and sorted(got(sink)) == ["bob@dst.example", "eve@dst.example",
                                                               "joe@dst.example"], "each once",
                   got(sink), queue.files())
        # The connection goes in the middle: what cannot have been accepted is said once more.
        for stage in ("mail", "rcpt", "data"):
            for how in (laboratory.CLOSE, "421 4.3.2 going down"):
                sink.messages.clear()
                queue.put(A, control())
                queue.put(B, control("joe"))
                sink.answer(stage, how, times=1)
                done, found = resubmit(queue, server)
                tap.ok(done.returncode == 0 and not queue.files() and sorted(got(sink)) == [
                    "bob@dst.example", "eve@dst.example", "joe@dst.example"],
                    "gone at %s (%s): said again, each once" % (stage, how), found, got(sink))
                sink.clear()
        for stage in ("mail", "rcpt", "data"):
            sink.messages.clear()
            queue.put(A, control())
            queue.put(B, control("joe"))
            sink.answer(stage, laboratory.CLOSE)
            done, found = resubmit(queue, server)
            tap.ok(done.returncode == 2 and {f[:2] for f in found.values()} == {("skipped", "stopped")} and
                   len(queue.files()) == 4 and not sink.messages,
                   "gone at %s again and again: all stay, and nobody is said to have refused" % stage, found)
            sink.clear()
        sink.messages.clear()
        sink.one_each = True
        many = ["75RAAA%06d" % i for i in range(100, 107)]
        left = queue.left()
        for id in many:
            queue.put(id, control())
        done, found = resubmit(queue, server)
        tap.ok(done.returncode == 0 and not queue.files() and len(sink.messages) == len(many) + len(left),
               "a server that closes after each message gets them all", found, queue.files())


def unreadable(top):
    """A data file whose medium fails in the middle."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        tap.skip("a data file that cannot be read", "no C compiler")
        return
    library = os.path.join(top, "badread.so")
    lab = os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab")
    subprocess.run([compiler, "-std=c17", "-shared", "-fPIC", "-o", library, os.path.join(lab, "badread.c"), "-ldl"],
                   check=True)
    queue = begin(top)
    with laboratory.Sink() as sink:
        for id in (A, B):
            queue.put(id, control())
        done, found = resubmit(queue, "127.0.0.1:%d" % sink.port,
                               env={"LD_PRELOAD": library, "BADREAD": "df" + A})
        tap.ok(done.returncode == 2 and found[A][:2] == ("failed", "error") and "Input/output" in found[A][2] and
               found[B][0] == "moved" and len(sink.messages) == 1 and queue.left() == {A: [b"bob", b"eve"]},
               "a data file that cannot be read: it stays, the others go", found, queue.left())


def needs(top):
    queue = begin(top)
    with laboratory.Sink() as sink:
        server = "127.0.0.1:%d" % sink.port
        queue.put(A, control("bob", "PNS"))
        queue.put(B, control("joe", "PN", "Z:x\n"))
        done, found = resubmit(queue, server)
        tap.ok(done.returncode == 0 and len(sink.messages) == 2, "a server with DSN", done)
        sink.answer("helo", "250-sink.example\n250 HELP")
        for label, text, body in (("8BITMIME", control("bob"), "caf\u00e9\n".encode()),
                                  ("SMTPUTF8", control("bob").replace(b"H??Subject: x",
                                                                      "H??Subject: \u00e9".encode()), b"x\n"),
                                  ("DSN", control("bob", "PN"), b"x\n")):
            queue.put(A, text, body)
            before = queue.files()
            done, found = resubmit(queue, server)
            tap.ok(done.returncode == 1 and found[A][:2] == ("skipped", "lacks") and label in found[A][2] and
                   queue.files() == before, "a server without %s: it stays as it is" % label, done)
        sink.answer("helo", "250-sink.example\n250 SIZE 1000")
        queue.put(A, control("bob"), b"x" * 5000 + b"\n")
        done, found = resubmit(queue, server)
        tap.ok(found[A][:2] == ("skipped", "lacks") and "larger" in found[A][2], "too large: it stays", found)
        queue = begin(top)
        queue.put(A, control("bob").replace(b"$r SMTP", b"qfor a reason\n$r SMTP"), kind="hf")
        queue.put(B, b"V8\n")
        done, found = resubmit(queue, server)
        tap.ok(found[A][:2] == ("skipped", "held") and found[B][:2] == ("skipped", "damaged") and
               done.returncode == 1, "held and damaged ones stay", found)


class Secure(threading.Thread):
    """A server that wants TLS, and a password behind it."""

    def __init__(self, certificate, key, implicit=False):
        super().__init__(daemon=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.implicit = implicit
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.seen, self.taken, self.clear = [], 0, b""
        self.start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            try:
                self.talk(connection)
            except (OSError, ValueError):
                pass

    def talk(self, c):
        secure = self.implicit
        if secure:
            c = self.context.wrap_socket(c, server_side=True)
        f = c.makefile("rb")
        c.sendall(b"220 x\r\n")
        known = False
        for line in f:
            word = line.strip().upper()
            if not secure:
                self.clear += line
            if word.startswith(b"EHLO"):
                c.sendall(b"250-x\r\n250-8BITMIME\r\n" + (b"250 AUTH PLAIN\r\n" if secure
                                                          else b"250-AUTH PLAIN\r\n250 STARTTLS\r\n"))
            elif word == b"STARTTLS":
                c.sendall(b"220 go\r\n")
                c = self.context.wrap_socket(c, server_side=True)
                f.close()
                f = c.makefile("rb")
                secure = True
                self.rest(c, f)
                return
            else:
                if self.answer(c, f, line, secure):
                    return

    def rest(self, c, f):
        for line in f:
            if line.strip().upper().startswith(b"EHLO"):
                c.sendall(b"250-x\r\n250-8BITMIME\r\n250 AUTH PLAIN\r\n")
            elif self.answer(c, f, line, True):
                return

    def answer(self, c, f, line, secure):
        word = line.strip().upper()
        if word.startswith(b"AUTH PLAIN"):
            parts = line.split()
            if len(parts) < 3:
                c.sendall(b"334 \r\n")
                token = f.readline().strip()
            else:
                token = parts[2]
            self.seen.append((secure, base64.b64decode(token)))
            good = base64.b64decode(token).endswith(b"\0ann\0secret")
            c.sendall(b"235 ok\r\n" if good else b"535 no\r\n")
        elif word == b"DATA":
            c.sendall(b"354 go\r\n")
            while f.readline() != b".\r\n":
                pass
            self.taken += 1
            c.sendall(b"250 ok\r\n")
        elif word == b"QUIT":
            c.sendall(b"221 bye\r\n")
            return True
        else:
            c.sendall(b"250 ok\r\n")
        return False


def secure(top):
    key, certificate = os.path.join(top, "key"), os.path.join(top, "certificate")
    made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                           "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out",
                           certificate], capture_output=True)
    if made.returncode:
        tap.skip("TLS", "no openssl")
        return
    password = os.path.join(top, "password")
    with open(password, "w") as f:
        f.write("secret\n")
    trusted = {"SSL_CERT_FILE": certificate}
    for implicit in (False, True):
        queue = begin(top)
        server = Secure(certificate, key, implicit)
        name = ("smtps://" if implicit else "") + "127.0.0.1:%d" % server.port
        queue.put(A, control())
        done, found = resubmit(queue, name, "--user=ann", "--password-file=" + password, env=trusted)
        tap.ok(done.returncode == 0 and server.taken == 1 and [s for s, _ in server.seen] == [True] and
               not queue.files(), "%s: authenticated behind TLS" % ("TLS" if implicit else "STARTTLS"), done,
               server.seen)
        queue.put(A, control())
        before = queue.files()
        done, found = resubmit(queue, name, "--user=ann", "--password-file=" + password)
        tap.ok(done.returncode == 69 and len(server.seen) == 1 and queue.files() == before,
               "a certificate of nobody: no password is sent", done, server.seen)
        with open(password, "w") as f:
            f.write("wrong\n")
        done, found = resubmit(queue, name, "--user=ann", "--password-file=" + password, env=trusted)
        tap.ok(done.returncode == 69 and queue.files() == before and b"secret" not in done.stderr and
               b"wrong" not in done.stderr, "a wrong password: refused, and not told", done)
        with open(password, "w") as f:
            f.write("secret\n")
        tap.ok(b"AUTH" not in server.clear and b"MAIL" not in server.clear, "nothing of it went in clear",
               server.clear)
    with laboratory.Sink() as sink:
        queue = begin(top)
        queue.put(A, control())
        before = queue.files()
        done, found = resubmit(queue, "127.0.0.1:%d" % sink.port, "--user=ann", "--password-file=" + password)
        tap.ok(done.returncode == 69 and not sink.messages and queue.files() == before,
               "a server without TLS: no password is sent", done)


def interrupted(top):
    queue = begin(top)
    with laboratory.Sink() as sink:
        server = "127.0.0.1:%d" % sink.port
        args = [harness.QF, "salvage", "resubmit", *RULES, "--from=" + queue.path, "--smtp=" + server]
        queue.put(A, control())
        sink.answer("answered", laboratory.HANG, times=1)
        run = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env={**os.environ, "QF_CONF": "/dev/null"})
        laboratory.wait_until(lambda: sink.messages)
        busy = harness.qf("hold", "-C", "none", "-Q", queue.path, "--reason=x", A)
        confined = harness.confinement(run.pid)
        tap.ok(confined in (None, {("1", "2")}), "who talks to the server is confined", confined)
        run.send_signal(signal.SIGKILL)
        run.wait()
        tap.ok(busy.returncode == 2 and b"busy" in busy.stderr,
               "while the server has it in hand, it is locked", busy)
        tap.ok(queue.left() == {A: [b"bob", b"eve"]}, "killed before the answer was written: still queued",
               queue.left())
        done, found = resubmit(queue, server)
        tap.ok(done.returncode == 0 and A.encode() in done.stderr and b"second copy" in done.stderr and
               len(sink.messages) == 2, "the window that nothing closes is named after", done)
        done, found = resubmit(queue, server)
        tap.ok(done.returncode == 0 and len(sink.messages) == 2, "and then it is over", done)
        entries = [json.loads(line) for line in harness.qf("journal", "-C", "none", "-Q", queue.path,
                                                           "--format=json").stdout.splitlines()]
        tap.ok([(e["command"], e["result"], e["undo"]) for e in entries] ==
               [("resubmit", None, "impossible"), ("resubmit", "done", "impossible")], "the journal has it",
               entries)


def asked_to_end(top):
    """SIGTERM: what the server has in hand is finished if it answers soon, and else given up."""
    queue = begin(top)
    for hangs in (False, True):
        with laboratory.Sink() as sink:
            queue.put(A, control())
            queue.put(B, control())
            sink.delay = 0 if hangs else .3
            if hangs:
                sink.answer("answered", laboratory.HANG)
            run = subprocess.Popen([harness.QF, "salvage", "resubmit", *RULES, "--from=" + queue.path,
                                    "--smtp=127.0.0.1:%d" % sink.port], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, env={**os.environ, "QF_CONF": "/dev/null"})
            laboratory.wait_until(lambda: sink.messages)
            run.send_signal(signal.SIGTERM)
            asked = time.monotonic()
            words = run.communicate()[1]
            took = time.monotonic() - asked
            tap.ok(run.returncode == 143 and took < 5 and len(sink.messages) == 1 and
                   len(queue.left()) == 1 + hangs and (b"a second time" in words) == hangs,
                   "SIGTERM, and the server %s" % ("says nothing: named" if hangs else "answers: struck"),
                   took, words, queue.left())


def bad(top):
    queue = begin(top)
    queue.put(A, control())
    before = queue.files()
    for args, status in ((["--from=" + queue.path], 64), (["--smtp=127.0.0.1:1"], 64),
                         (["--from=" + queue.path, "--smtp=127.0.0.1:1"], 69),
                         (["--from=" + queue.path, "--smtp=127.0.0.1:1", "--user=ann"], 64),
                         (["--from=" + queue.path, "--smtp=127.0.0.1:1", "--user=ann",
                           "--password-file=/nowhere"], 66),
                         (["--from=" + queue.path, "--smtp=127.0.0.1:1", "--to=/nowhere"], 64),
                         (["--from=/nowhere", "--smtp=127.0.0.1:1"], 66)):
        done = harness.qf("salvage", "resubmit", *RULES, *args, env={"QF_CONF": "/dev/null"})
        tap.ok(done.returncode == status and len(done.stderr.splitlines()) == 1 and queue.files() == before,
               "resubmit %s: %d" % (" ".join(args).replace(top, ""), status), done)


def main():
    version = harness.qf("--version").stdout
    with acting.fast_folder() as top:
        if not re.search(rb"(?m)libcurl", version) or b"without libcurl" in version:
            tap.skip("resubmit", "built without libcurl")
        else:
            plain(top)
            refused(top)
            unreadable(top)
            needs(top)
            secure(top)
            interrupted(top)
            asked_to_end(top)
            bad(top)
    tap.done()


main()
