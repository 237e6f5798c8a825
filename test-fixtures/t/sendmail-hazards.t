#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""What real sendmail does to its own queue and to who looks at it, and what qf does instead.

    M9   a control file of mode 0660 is renamed to Qf by the next queue run
    M10  a list made by mailq renames a control file with a bad line, where the data file is missing
    M12  a server that defers with escape sequences in its reply has mailq send them to the terminal
"""
import json
import os
import pty
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import harness
import lab as laboratory
from tap import Tap, skip_all

tap = Tap()
REPLY = "450 4.2.0 \x1b[2J\x1b]0;owned\x07 \x9b6n"
MESSAGE = "Subject: x \x1b[31mred\n\nhello\n"
FORMS = ([], ["--format=mailq"], ["--format=mailq-verbose"], ["--format=json"], ["--format=csv"],
         ["--format=ids"], ["--by=status"])


def on_terminal(command, env=None):
    """What a command writes to a terminal, both outputs."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs,
                               env={**os.environ, "TERM": "xterm", "TZ": "UTC", **(env or {})})
    os.close(theirs)
    written = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    process.wait(timeout=60)
    return written


def listed(lab):
    done = harness.qf("ls", "-C", lab.cf, "--format=json")
    return [json.loads(line) for line in done.stdout.splitlines()]


def all_forms(lab):
    """qf looks at the queue in every way; nothing may change."""
    before = harness.snapshot(lab.queue)
    for form in FORMS:
        done = harness.qf("ls", "-C", lab.cf, *form)
        if done.returncode not in (0, 1):
            tap.ok(False, "qf ls " + " ".join(form), done.stderr.decode())
    for entry in listed(lab):
        harness.qf("show", "-C", lab.cf, entry["id"])
    return harness.differences(before, harness.snapshot(lab.queue))


def one_message(lab):
    """Put one message into the queue; its id."""
    daemon = lab.daemon()
    found = laboratory.queue_id(laboratory.submit(daemon.port, "ann@src.example",
                                                  ["bob@dst.example"], MESSAGE))
    daemon.stop()
    return found


def codes(entry):
    return [finding["code"] for finding in entry["diagnostics"]]


def unsafe_mode():
    with laboratory.Lab() as lab, laboratory.Sink() as sink:
        lab.relay_to(sink)
        found = one_message(lab)
        os.chmod(os.path.join(lab.queue, "qf" + found), 0o660)
        entry = listed(lab)[0]
        tap.ok("unsafe-mode" in codes(entry), "M9: qf says unsafe-mode", entry)
        tap.ok([f["sendmail"] for f in entry["diagnostics"] if f["code"] == "unsafe-mode"]
               == ["lost"], "M9: and what comes of it")
        tap.ok(harness.mailq(lab.queue, lab.cf) == lab.mailq(env={"TZ": "UTC"}),
               "M9: while it is there, both list it alike")
        difference = all_forms(lab)
        tap.ok(not difference, "M9: qf changes nothing", difference)
        lab.run_queue()
        names = os.listdir(lab.queue)
        tap.ok("Qf" + found in names and "qf" + found not in names,
               "M9: sendmail has renamed it to Qf", names)
        tap.ok(b"is empty" in lab.mailq(), "M9: and its list does not show it any more")
        tap.ok([(e["id"], e["state"]) for e in listed(lab)] == [(found, "lost")],
               "M9: that of qf does, as lost")
        tap.ok(not sink.messages, "M9: it was not delivered")


def listing_renames():
    with laboratory.Lab() as lab:
        found = one_message(lab)
        path = os.path.join(lab.queue, "qf" + found)
        with open(path, "r+b") as f:
            content = f.read().replace(b"\nH?", b"\nXbad\nH?", 1)
            f.seek(0)
            f.write(content)
        os.unlink(os.path.join(lab.queue, "df" + found))
        tap.ok({"unknown-line", "no-data"} <= set(codes(listed(lab)[0])),
               "M10: qf says what is wrong", listed(lab)[0]["diagnostics"])
        difference = all_forms(lab)
        tap.ok(not difference, "M10: qf changes nothing", difference)
        text = harness.mailq(lab.queue, lab.cf)
        real = lab.mailq(env={"TZ": "UTC"})
        tap.same(text, real, "M10: both print the same list")
        tap.ok(os.listdir(lab.queue) == ["Qf" + found],
               "M10: sendmail's has renamed the control file", os.listdir(lab.queue))


def escape_sequences():
    with laboratory.Lab() as lab, laboratory.Sink() as sink:
        lab.relay_to(sink)
        sink.answer("rcpt", REPLY)
        found = one_message(lab)
        lab.run_queue()
        with open(os.path.join(lab.queue, "qf" + found), "rb") as f:
            tap.ok(REPLY[4:].encode("latin-1") in f.read(), "M12: the reply is in the queue")
        real = on_terminal(lab.command("-bp"), lab.environment({"TZ": "UTC"}))
        tap.ok(b"\x1b]0;owned\x07" in real, "M12: sendmail sends it to the terminal", repr(real))
        commands = [["ls", "--color=never", *form] for form in FORMS]
        commands += [["show", "--color=never", found], ["shape", "--color=never"],
                     ["shape", "--color=never", "--by=status"],
                     ["ls", "--color=never", "--explain", "owned"]]
        for command in commands:
            written = on_terminal([harness.QF, command[0], "-C", lab.cf, *command[1:]])
            raw = {c for c in written if c < 32 and c not in b"\t\r\n" or 127 <= c < 160}
            text = written.decode("utf-8", "replace")
            raw |= {ord(c) for c in text if 0x7f <= ord(c) < 0xa0}
            # Letters beyond ASCII in UTF-8 have bytes from 0x80 on.
            if not any(0x7f <= ord(c) < 0xa0 or c == "\ufffd" for c in text):
                raw = {c for c in raw if c < 32}
            tap.ok(written and not raw, "M12: qf %s does not" % " ".join(command),
                   "bytes %s in %r" % (sorted(map(hex, raw)), written))
        piped = harness.mailq(lab.queue, lab.cf)
        tap.same(piped, lab.mailq(env={"TZ": "UTC"}), "M12: into a pipe qf writes the same bytes")


def main():
    try:
        laboratory.Lab().__exit__()
    except laboratory.Missing as why:
        skip_all(why)
    unsafe_mode()
    listing_renames()
    escape_sequences()
    tap.done()


main()
