#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""qf tui in tmux: text of any width and direction, nothing of anybody with --redact, no right to write, a
delivery as it goes on."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unicodedata

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import harness
import lab as laboratory
import terminal
from tap import Tap, skip_all

tap = Tap()
NOW = int(time.time())
SUBJECTS = ["plain", "\u4f60\u597d\uff0c\u4e16\u754c", "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
            "\u0645\u0631\u062d\u0628\u0627 \u202eevil\u202c", "e\u0301a\u0308o\u0302\u0323 combining",
            "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 faces", "tab\there \x07\x1b[31mred",
            "\u3042" * 60, "\u200bzero\ufeff\u00adwidth", "\u0301\u0301at the front"]


def check(name):
    """A part of the test: what it raises is a failure of its own, not the end of all."""
    def decorate(run):
        def wrapped(*args):
            try:
                run(*args)
            except AssertionError as why:
                tap.ok(False, name, why)
        return wrapped
    return decorate


def make_queue(path, subjects):
    os.mkdir(path, 0o700)
    for i, subject in enumerate(subjects):
        id = "6AQAAA%06d" % (100000 + i)
        with open("%s/qf%s" % (path, id), "wb") as f:
            f.write(("V8\nT%d\nK%d\nN3\nP1\nMDeferred: later\nS<ann@src.example>\nRPFD:<bob%d@dst.example>\n"
                     "H??Subject: %s\n.\n" % (NOW - 3600 * (len(subjects) - i), NOW - 600, i,
                                              subject)).encode())
        with open("%s/df%s" % (path, id), "w") as f:
            f.write("this is the body of %d\n" % i)
    return path


def cells(text):
    """How many columns a terminal gives it."""
    return sum(0 if unicodedata.combining(c) or unicodedata.category(c) in ("Cf", "Mn", "Me") else
               2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


@check("widths")
def widths(top):
    queue = make_queue(top + "/widths", SUBJECTS)
    with terminal.Terminal(queue, 100, 40, ["-R", "--columns=id,subject,rcpt"]) as t:
        t.wait("%d messages" % len(SUBJECTS))
        shown = t.wait("bob9@dst.example")
        lines = [line for line in shown.splitlines() if "@dst.example" in line]
        at = {cells(line[:line.index("bob")]) for line in lines}
        tap.ok(len(lines) == len(SUBJECTS) and len(at) == 1,
               "wide, combining and joined characters: the next column is where it is in each line", shown)
        tap.ok("\u4f60\u597d" in shown and "\u05e9\u05dc\u05d5\u05dd" in shown and "\u202e" not in shown,
               "they are shown; what turns the direction is not", shown)
        t.keys("j", "j", "j")
        moved = t.screen()
        tap.ok([cells(line[:line.index("bob")]) for line in moved.splitlines() if "@dst.example" in line]
               == [at.copy().pop()] * len(SUBJECTS), "and so it stays as the cursor moves", moved)
        for i in range(1, 7):
            t.keys("g", *["j"] * i, "Enter")
            shown = t.wait("bob%d@" % i)
            tap.ok("Subject" in shown and "\x1b" not in shown and "\u202e" not in shown,
                   "the message with subject %d" % i, shown)
            t.keys("Escape")
            t.wait("SUBJECT")
        t.keys("q")
        t.status()
    with terminal.Terminal(queue, 100, 24, ["-R", "--columns=id,subject,rcpt"],
                           env={"LANG": "C", "LC_ALL": "C"}) as t:
        t.wait("%d messages" % len(SUBJECTS))
        shown = t.wait("bob9@dst.example")
        tap.ok(shown.isascii() and len({line.index("bob") for line in shown.splitlines() if "bob" in line}) == 1,
               "without UTF-8: nothing but ASCII, in its columns", shown)


@check("redacted")
def redacted(top):
    queue = make_queue(top + "/redacted", ["a secret deed"] * 3)
    seen = []
    with terminal.Terminal(queue, 120, 30, ["-R", "--redact", "--columns=id,from,rcpt,subject,status"]) as t:
        t.wait("3 messages")
        seen.append(t.wait("redacted"))
        for keys, what in ((["2"], "MESSAGES"), (["s"], "MESSAGES"), (["5"], "since"), (["1", "g", "Enter"], "Last"),
                           (["Tab"], "cannot be redacted"), (["Tab"], "message"), (["Tab"], "accepted"), (["Escape"], "6AQAAA")):
            t.keys(*keys)
            seen.append(t.wait(what))
        t.type(":ls\n")
        seen.append(t.wait("q"))
        t.keys("q", "1", "g", "Enter", "b", "G")
        seen.append(t.wait("6AQAAA"))
        t.keys("q", "q")
        t.status()
    # The list, the parts of the message and the command each have it from a process of their own.
    names = [set(re.findall(r"\b[0-9a-f]{12}\b", screen)) for screen in seen]
    tap.ok(len(names[0]) == 4 and set().union(*names) == names[0] and names[4] and names[8],
           "--redact: an address is called alike on all of them", names)
    told = [screen for screen in seen
            if re.search(r"bob\d|\bann\b|secret|deed|this is the body", screen)]
    tap.ok(len(seen) == 11 and not told, "--redact: nobody, nothing, on any screen", *told[:1])


@check("no right to write")
def no_right(top):
    """By an ordinary user the folder is closed; root is one without its capabilities."""
    queue = make_queue(top + "/closed", ["x"] * 3)
    before = harness.snapshot(queue)
    wrapper = top + "/qf-without"
    caps = "-dac_override,-dac_read_search,-fowner,-chown"
    root = os.geteuid() == 0
    with open(wrapper, "w") as f:
        f.write("#!/bin/sh\nexec %s %s \"$@\"\n" % (
            "setpriv --bounding-set=%s --inh-caps=-all" % caps if root else "", harness.QF))
    os.chmod(wrapper, 0o755)
    os.chmod(queue, 0o555)
    if root:
        for name in os.listdir(queue):
            os.chmod(os.path.join(queue, name), 0o644)
        os.chown(queue, 65534, 65534)
    own, harness.QF = harness.QF, wrapper
    before = harness.snapshot(queue)
    try:
        with terminal.Terminal(queue, 100, 24) as t:
            shown = t.wait("3 messages")
            tap.ok("read-only" in shown.splitlines()[0], "no right to write: read-only by itself", shown)
            t.keys("D")
            shown = t.wait("read-only: nothing is changed")
            t.keys("q")
            tap.ok(t.status() == 0, "and it ends well")
    finally:
        harness.QF = own
    tap.ok(not harness.differences(before, harness.snapshot(queue)), "nothing was changed")
    os.chmod(queue, 0o700)


@check("a delivery")
def delivery():
    with laboratory.Lab() as lab, laboratory.Sink() as sink:
        lab.relay_to(sink)
        sink.answer("rcpt", "450 4.2.0 later")
        for i in range(3):
            lab.inject(["bob%d@dst.example" % i], "Subject: number %d\n\nhello %d\n" % (i, i))
        lab.run_queue()
        sink.clear()
        sink.answer("end", laboratory.HANG)
        with terminal.Terminal(lab.queue, 110, 30, config=lab.cf) as t:
            t.wait("3 messages")
            t.keys("5")
            t.wait("nothing is in delivery")
            runner = subprocess.Popen(lab.command("-q"), stdin=subprocess.DEVNULL, env=lab.environment(),
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            try:
                shown = t.wait("sendmail", timeout=30)
                ids = [name[2:] for name in os.listdir(lab.queue) if name.startswith("qf")]
                busy = [line for line in shown.splitlines() if any(id in line for id in ids)]
                tap.ok(busy and re.search(r"\b\d+ .*sendmail", busy[0]),
                       "activity: what is in delivery, and by which process", shown)
                name = next(id for id in ids if id in busy[0])
                t.keys("g", "D")
                shown = t.wait("y yes", timeout=20)
                tap.ok("in delivery" in shown, "to remove it asks, and says that it is in delivery", shown)
                t.keys("y")
                shown = t.wait("1 not", timeout=60)
                tap.ok(os.path.exists(os.path.join(lab.queue, "qf" + name)), "it is left alone", shown)
            finally:
                sink.stop()
                runner.wait(60)
            t.wait("nothing is in delivery", timeout=60)
            t.keys("q")
            t.status()


def main():
    if not shutil.which("tmux"):
        skip_all("no tmux")
    with tempfile.TemporaryDirectory(prefix="qf-tui-sights.") as top:
        widths(top)
        redacted(top)
        no_right(top)
        try:
            delivery()
        except laboratory.Missing as why:
            tap.skip("a delivery", why)
    tap.done()


main()
