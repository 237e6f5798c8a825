#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""qf tui, driven in tmux: every view, every action on a queue of real sendmail with its daemon at
work, sizes, terminals without a description, text that is hostile."""
# A person at a terminal, with time to draw in: beside others it is late.
# run: alone
import os
import signal
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import harness
import lab as laboratory
import terminal
from tap import Tap, skip_all

tap = Tap()
NOW = int(time.time())


def make_queue(path, n, status="Deferred: 421 4.2.1 mx.%s.example later"):
    """n messages, the oldest first by number; every tenth held."""
    os.mkdir(path, 0o700)
    for i in range(n):
        id = "6AQAA%c%06d" % (65 + i % 26, 100000 + i)
        domain = "abc"[i % 3]
        text = "V8\nT%d\nK%d\nN3\nP1\n%sM%s\nS<ann%d@src.example>\nRPFD:<bob%d@%s.example>\n" \
            "H??Subject: number %d\n.\n" % (
                NOW - 3600 * (n - i), NOW - 600, "qlooked at\n" if i % 10 == 9 else "",
                status % domain if "%s" in status else status, i, i, domain, i)
        with open("%s/%s%s" % (path, "hf" if i % 10 == 9 else "qf", id), "wb") as f:
            f.write(text.encode("latin-1"))
        with open("%s/df%s" % (path, id), "w") as f:
            f.write("this is the body of %d\n" % i)
    return path


def files(path, prefix):
    return sorted(name for name in os.listdir(path) if name.startswith(prefix))


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


@check("views")
def views(top):
    queue = make_queue(top + "/views", 30)
    before = harness.snapshot(queue)
    with terminal.Terminal(queue, 100, 24, ["-R"]) as t:
        t.wait("30 messages, oldest 1d6h")
        shown = t.wait("6AQAAF100005")
        tap.ok("read-only" in shown.splitlines()[0], "the status line: how many, how old, read-only", shown)
        ids = [line[3:15] for line in shown.splitlines()[3:9]]
        tap.ok(all(("qf" + i in os.listdir(queue)) or ("hf" + i in os.listdir(queue)) for i in ids),
               "messages: ids whole, the oldest first", shown)
        t.keys("2")
        shown = t.wait("DOMAIN")
        tap.ok("a.example" in t.wait("a.example") and "older" in shown, "groups, with ages", shown)
        t.keys("j", "Enter")
        tap.ok("b.example (" not in t.wait("(10) domain = b.example"), "Enter: into a group")
        t.keys("Escape")
        t.wait("MESSAGES  OLDEST")
        t.keys("3")
        tap.ok("looked at" in t.wait("REASON"), "held: with the reason")
        t.keys("4")
        tap.ok("every file belongs" in t.wait("every file belongs"), "orphans: none")
        t.keys("5")
        t.wait("nothing is in delivery")
        make_queue(top + "/more", 1)
        os.rename(top + "/more/df6AQAAA100000", queue + "/df6AQZZZ900000")
        os.rename(top + "/more/qf6AQAAA100000", queue + "/qf6AQZZZ900000")
        shown = t.wait("1 came, 0 went")
        tap.ok("6AQZZZ900000" in shown and "31 messages" in shown, "activity: what came, within the interval",
               shown)
        os.unlink(queue + "/qf6AQZZZ900000")
        os.unlink(queue + "/df6AQZZZ900000")
        tap.ok("30 messages" in t.wait("1 came, 1 went"), "and what went")
        t.keys("6")
        t.wait("no changes were made")
        t.keys("?")
        tap.ok("back to where you came from" in t.wait("one page down"), "? shows the keys")
        t.keys("q", "1", "g", "Enter")
        shown = t.wait("Last answer")
        tap.ok("bob0@a.example" in shown and "this is the body" not in shown, "a message: no body", shown)
        t.keys("b")
        t.wait("bodies are shown from now on")
        t.keys("G")
        tap.ok("this is the body of 0" in t.wait("this is the body"), "b: the body")
        t.keys("Tab")
        tap.ok("RPFD:<bob0@a.example>" in t.wait("RPFD:"), "the control file")
        t.keys("Tab", "Tab")
        tap.ok("accepted" in t.wait("next try, at the earliest"), "the timeline")
        t.keys("Escape")
        t.wait("STATUS")
        t.type(":ls --format=ids domain:c.example\n")
        tap.ok(t.wait("6AQAAC100002").count("6AQ") == 10, ": runs any command")
        t.keys("q", "D")
        t.wait("read-only: nothing is changed")
        t.type(":rm ALL --yes\n")
        t.wait("read-only: nothing is changed")
        t.keys("q")
        tap.ok(t.status() == 0, "q leaves, with status 0")
        tap.ok("messages, oldest" not in t.screen(), "the screen is given back", t.screen())
    tap.ok(not harness.differences(before, harness.snapshot(queue)) or
           set(harness.snapshot(queue)) == set(before), "nothing was changed or left at the queue")


@check("filter")
def filters(top):
    queue = make_queue(top + "/filters", 30)
    with terminal.Terminal(queue, 80, 24, ["-R"]) as t:
        t.wait("30 messages")
        t.type("/domain:a.example")
        shown = t.wait("(10) /domain:a.exam")
        tap.ok("bob0@" in shown and "bob1@" not in shown, "the list follows as one types", shown)
        t.type(" age>")
        shown = t.screen()
        tap.ok(len([line for line in shown.splitlines()[-4:] if line.strip()]) >= 3,
               "an error is told while one types", shown)
        t.type("20h")
        t.wait("(4) /domain:a.exam")
        t.keys("Enter", "Enter")
        t.wait("Last answer")
        t.keys("Escape")
        t.wait("(4) /domain")
        t.keys("Escape")
        t.wait("/domain", gone=True)
        t.type("fbob7@\n")
        t.keys("Enter")
        tap.ok("<ann7@src.example>" in t.wait("Last answer"), "find goes to the place")


def control_files(queue):
    found = {}
    for name in files(queue, "qf") + files(queue, "hf"):
        with open(os.path.join(queue, name), "rb") as f:
            found[name] = f.read()
    return found


def lab_with_messages(n):
    """A laboratory whose queue holds n messages that the sink defers."""
    lab, sink = laboratory.Lab(), laboratory.Sink()
    lab.__enter__()
    sink.__enter__()
    lab.relay_to(sink)
    sink.answer("rcpt", "450 4.2.0 \x1b[2J\x1b]0;owned\x07 later")
    for i in range(n):
        lab.inject(["bob%d@dst.example" % i], "Subject: number %d\n\nhello %d\n" % (i, i))
    lab.run_queue()
    return lab, sink


@check("actions beside a daemon")
def actions():
    lab, sink = lab_with_messages(6)
    try:
        daemon = lab.daemon()
        # The laboratory's sendmail wants its library and its log.
        wrapper, conf = os.path.join(lab.dir, "run-sendmail"), os.path.join(lab.dir, "qf.conf")
        with open(wrapper, "w") as f:
            f.write("#!/bin/sh\n")
            for name, value in lab.environment().items():
                if name.startswith("LAB_") or name == "LD_PRELOAD":
                    f.write("export %s='%s'\n" % (name, value))
            f.write("exec %s \"$@\"\n" % lab.sendmail)
        os.chmod(wrapper, 0o755)
        with open(conf, "w") as f:
            f.write("[deliver]\nsendmail = %s\n[bounce]\nsendmail = %s\n" % (wrapper, wrapper))
        with terminal.Terminal(lab.queue, 100, 30, config=lab.cf, env={"QF_CONF": conf}) as t:
            t.wait("6 messages")
            shown = t.wait("owned")
            tap.ok("\\x1b[2J" in shown and "owned" in shown,
                   "M12: what the remote server said is shown, and does nothing", shown)
            tap.ok(t.tmux("display", "-p", "#{pane_title}").strip() != "owned", "nor is the title set")
            # hold two
            t.keys("g", "Space", "Space", "H")
            t.wait("reason to hold")
            t.type("asked by ann\n")
            shown = t.wait("y yes")
            tap.ok("Hold 2 messages" in shown and "Reason: asked by ann" in shown,
                   "hold: the question says how many and what", shown)
            t.keys("n")
            t.wait("nothing was done")
            tap.ok(not files(lab.queue, "hf"), "no: nothing is done")
            t.keys("H")
            t.type("asked by ann\n")
            t.wait("y yes")
            t.keys("y")
            t.wait("hold of 2 messages: done")
            held = files(lab.queue, "hf")
            tap.ok(len(held) == 2, "yes: two are held", os.listdir(lab.queue))
            listed = lab.mailq("-qQ")
            tap.ok(b"asked by ann" in listed, "and sendmail says so", listed)
            # release one of them
            t.keys("3")
            t.wait("REASON")
            t.keys("g", "R")
            shown = t.wait("Release the message")
            t.keys("y")
            t.wait("release of 1 message: done")
            tap.ok(len(files(lab.queue, "hf")) == 1, "release", os.listdir(lab.queue))
            # undo the release
            t.keys("u")
            t.wait("Take back: release of 1 message")
            t.keys("y")
            t.wait("undo of 1 change: done")
            tap.ok(files(lab.queue, "hf") == held, "u takes it back", os.listdir(lab.queue))
            # edit: a recipient replaced, and back; then struck, which leaves nobody
            t.keys("1", "g", "E")
            t.wait("which recipients: rcpt:")
            t.keys("C-u", "Enter")
            shown = t.screen()
            tap.ok("which recipients:" in shown, "edit: no filter at all is not everybody", shown)
            t.type("rcpt:dst.example\n")
            t.wait("replace by")
            t.type("no address\n")
            t.wait("not an address")
            t.keys("C-u")
            t.type("new@dst.example\n")
            shown = t.wait("y yes")
            tap.ok("1 message. Replace 1 recipient?" in shown and "replace 1 of 1: bob" in shown,
                   "edit: the question says how many, and above it stands who", shown)
            before = control_files(lab.queue)
            t.keys("n")
            t.wait("nothing was done")
            tap.ok(before == control_files(lab.queue),
                   "no: nothing is done")
            t.keys("E")
            t.type("dst.example\n")
            t.wait("replace by")
            t.type("new@dst.example\n")
            t.wait("y yes")
            t.keys("y")
            t.wait("edit of 1 message: done")
            after = control_files(lab.queue)
            changed = [n for n in after if after[n] != before[n]]
            tap.ok(len(changed) == 1 and b"new@dst.example" in lab.mailq("-qQ"),
                   "edit: one recipient is another one, says sendmail too", after)
            t.keys("u")
            t.wait("Take back: edit of 1 message")
            t.keys("y")
            t.wait("undo of 1 change: done")
            tap.ok(before == control_files(lab.queue),
                   "u takes an edit back")
            t.keys("*", "E")
            t.type("nobody\n")
            t.wait("replace by")
            t.keys("Enter")
            t.wait("no message has such a recipient")
            t.keys("q", "U", "g", "E")
            t.type("/./\n")
            t.wait("replace by")
            t.keys("Enter")
            shown = t.wait("y yes")
            tap.ok("Strike 1 recipient? 1 of them has nobody left and goes into the trash" in " ".join(shown.split()),
                   "edit: it says who is left without any", shown)
            t.keys("y")
            t.wait("edit of 1 message: done")
            tap.ok(len(control_files(lab.queue)) == len(before) - 1, "and that one is removed")
            t.keys("u")
            t.wait("Take back: edit of 1 message")
            t.keys("y")
            t.wait("undo of 1 change: done")
            tap.ok(before == control_files(lab.queue),
                   "and u brings it back")
            # due
            t.keys("1")
            t.type("/is:queued\n")
            t.wait("(4) /is:queued")
            t.keys("*", "A")
            t.wait("Make 4 messages due")
            t.keys("y")
            t.wait("due of 4 messages: done")
            t.keys("Escape")
            t.wait("/is:queued", gone=True)
            texts = [open(os.path.join(lab.queue, n), "rb").read() for n in files(lab.queue, "qf")]
            tap.ok(len(texts) == 4 and all(b"\nK0\n" in x for x in texts), "due: as if never tried")
            # remove one, and undo by the journal
            t.keys("g", "D")
            shown = t.wait("Remove the message")
            gone = shown.split("Remove the message ")[1].split(":")[0]
            t.keys("y")
            t.wait("rm of 1 message: done")
            tap.ok(not [n for n in os.listdir(lab.queue) if n[2:] == gone], "remove: out of the queue")
            t.keys("6")
            t.wait("rm ")
            t.keys("g", "u")
            t.wait("Take back: rm of " + gone)
            t.keys("y")
            t.wait("undo of 1 change: done")
            tap.ok(len([n for n in os.listdir(lab.queue) if n[2:] == gone]) == 2,
                   "and back, from the journal", os.listdir(lab.queue))
            # a command line that changes: first what it would do, then the question
            t.keys("1")
            t.type(":release is:held\n")
            shown = t.wait("Run it? Above is what it will do.")
            tap.ok("planned" in shown and len(files(lab.queue, "hf")) >= 1, ": shows the plan first", shown)
            t.keys("y")
            t.wait("release of")
            laboratory.wait_until(lambda: not files(lab.queue, "hf"))
            t.keys("q", "J")
            tap.ok("rm of 1 message: 1 of 1, ended" in t.wait("rm of 1 message"), "J lists the jobs")
            t.keys("q")
            # one goes to another queue, and comes back; one is exported
            other, box = os.path.join(lab.dir, "other"), os.path.join(lab.dir, "x.mbox")
            os.mkdir(other, 0o700)
            before = control_files(lab.queue)
            t.keys("g", "M")
            t.wait("move to queue:")
            t.type(other + "\n")
            t.wait("y yes", timeout=60)
            t.keys("y")
            t.wait("move of 1 message: done", timeout=60)
            tap.ok(len(files(other, "qf")) == 1 and len(files(lab.queue, "qf")) == 5, "move", os.listdir(other))
            t.wait("5 messages")
            t.keys("u")
            t.wait("Bring back: move of 1 message")
            t.keys("y")
            t.wait("undo of 1 message: done", timeout=60)
            tap.ok(before == control_files(lab.queue) and not files(other, "qf"), "and back", os.listdir(lab.queue))
            t.wait("6 messages")
            t.keys("g", "O")
            t.wait("export to")
            t.type(box + "\n")
            t.wait("y yes", timeout=60)
            t.keys("y")
            t.wait("export of 1 message: done", timeout=60)
            tap.ok(os.path.getsize(box) > 100 and before == control_files(lab.queue), "export: a copy", box)
            # one is delivered now, one is returned
            sink.clear()
            t.keys("g", "X")
            t.wait("sendmail tries it now")
            t.keys("y")
            t.wait("deliver of 1 message: done")
            tap.ok(len(files(lab.queue, "qf")) == 5 and len(sink.messages) == 1, "deliver: sendmail has done it",
                   os.listdir(lab.queue))
            t.wait("5 messages")
            t.keys("g", "B")
            shown = t.wait("sendmail returns it to the sender now")
            tap.ok("There is no way back from it" in shown, "bounce: the question says so", shown)
            t.keys("y")
            t.wait("bounce of 1 message: done")
            tap.ok(len(files(lab.queue, "qf")) == 4 and [m["sender"] for m in sink.messages].count("") == 1,
                   "and sendmail has returned it", os.listdir(lab.queue))
            # everything else is delivered by the daemon's runs, and the screen follows
            lab.run_queue()
            tap.ok("0 messages" in t.wait("the queue is empty", timeout=30), "the screen follows a queue run")
            t.keys("q")
            t.status()
        daemon.stop()
        got = sorted(r for m in sink.messages if m["sender"] for r in m["recipients"])
        tap.ok(len(got) == 5 and len(set(got)) == 5, "each other message was delivered once", got)
        with open(lab.log) as f:
            log = f.read()
        tap.ok("SYSERR" not in log, "sendmail had nothing to complain of", log)
    finally:
        sink.__exit__(None, None, None)
        lab.__exit__(None, None, None)


@check("sizes")
def sizes(top):
    queue = make_queue(top + "/sizes", 50)
    with terminal.Terminal(queue, 80, 24, ["-R"]) as t:
        t.wait("50 messages")
        for columns, lines in [(40, 10), (39, 10), (200, 60), (10, 3), (2, 2), (120, 30), (40, 9), (80, 24)]:
            t.resize(columns, lines)
            if columns >= 40 and lines >= 10:
                shown = t.wait("50 messages")
                tap.ok("6AQAAA100000" in t.wait("6AQAAA100000"), "%dx%d" % (columns, lines), shown)
        t.resize(39, 10)
        tap.ok("40x10" in t.wait("too small"), "39x10: it says what it needs")
        t.resize(80, 24)
        t.wait("50 messages")
        # A storm, with keys.
        for i in range(40):
            t.resize(40 + i * 7 % 90, 10 + i * 5 % 30)
            t.keys("jkG2g1"[i % 6])
        t.resize(80, 24)
        t.keys("1", "g", "C-l")
        t.wait("2 groups")
        tap.ok("6AQAAA100000" in t.wait("6AQAAA100000"), "a storm of sizes leaves it well")
        os.kill(t.pid(), signal.SIGTERM)
        tap.ok(t.status() == 128 + 15, "SIGTERM ends it, with status 143")


@check("terminals")
def terminals(top):
    queue = make_queue(top + "/terminals", 5)
    for name, env in [("TERM unset", {"TERM": None}), ("TERM empty", {"TERM": ""}),
                      ("TERM unknown", {"TERM": "no-such-terminal"}),
                      ("TERM=vt100", {"TERM": "vt100"}),
                      ("LANG=C", {"LANG": "C", "LC_ALL": "C", "TERM": "xterm-256color"})]:
        with terminal.Terminal(queue, 80, 24, ["-R"], env=env) as t:
            t.wait("5 messages")
            shown = t.wait("6AQAAE100004")
            t.keys("j", "Down", "Enter")
            message = t.wait("<ann2@src.example>")
            tap.ok(shown.count("6AQAA") == 5, name, shown, message)
            if name == "LANG=C":
                tap.ok(shown.isascii() and message.isascii(), "LANG=C: ASCII alone", shown)
            t.keys("q", "q")
            tap.ok(t.status() == 0, name + ": leaves well")
    with terminal.Terminal(queue, 80, 40, ["-R"], env={"TERM": "dumb"}) as t:
        t.wait("keys (? tells them, q leaves):")
        t.type("j\n")
        shown = t.wait("> ")
        tap.ok("\x1b" not in t.screen(styles=True), "TERM=dumb: lines, and no escape sequences")
        t.type("q\n")
        tap.ok(t.status() == 0, "TERM=dumb: leaves")


@check("plain")
def plain(top):
    """Lines in, lines out: also to hold a message and to take that back."""
    queue = make_queue(top + "/plain", 5)
    with terminal.Terminal(queue, 120, 60, ["--plain"]) as t:
        t.wait("keys (? tells them, q leaves):")
        t.type("jH\n")
        t.wait("text:")
        t.type("for a look\n")
        t.wait("y or n?")
        t.type("y\n")
        laboratory.wait_until(lambda: len(files(queue, "hf")) == 1)
        tap.ok(True, "plain: a message is held by lines")
        t.wait("hold of 1 message: done")
        t.type("u\n")
        t.wait("Take back")
        t.type("y\n")
        laboratory.wait_until(lambda: not files(queue, "hf"))
        tap.ok(True, "plain: and taken back")
        os.kill(t.pid(), signal.SIGTERM)
        tap.ok(t.status() == 143, "plain: SIGTERM ends it")


@check("elsewhere")
def elsewhere(top):
    """Marked messages moved to another queue; one exported for people to read, one to be carried."""
    queue, other = make_queue(top + "/elsewhere", 5), top + "/other"
    os.mkdir(other, 0o700)
    with terminal.Terminal(queue, 100, 30) as t:
        t.wait("5 messages")
        t.keys("g", "Space", "Space", "M")
        t.wait("move to queue:")
        t.type(other + "\n")
        shown = t.wait("y yes", timeout=60)
        tap.ok("Move 2 messages to the queue " + other in " ".join(shown.split()) and not os.listdir(other) and
               len(files(queue, "qf")) == 5, "move: the plan, and how many", shown)
        t.keys("y")
        t.wait("move of 2 messages: done", timeout=60)
        tap.ok(len(files(other, "qf")) == 2 == len(files(other, "df")) and len(files(queue, "qf")) == 3,
               "move: two are there, and not here any more", os.listdir(other), os.listdir(queue))
        t.wait("3 messages")
        t.keys("u")
        shown = t.wait("y yes", timeout=60)
        tap.ok("Bring back: move of 2 messages (2 were done)?" in shown and "From " + other in shown,
               "move: u asks to bring them back", shown)
        t.keys("y")
        t.wait("undo of 2 messages: done", timeout=60)
        tap.ok(not files(other, "qf") and not files(other, "df") and len(files(queue, "qf")) == 5 ==
               len(files(queue, "df")), "and they are back", os.listdir(other), os.listdir(queue))
        t.wait("5 messages")
        t.keys("g", "Space", "Space", "M")
        t.wait("move to queue:")
        t.type(other + "\n")
        t.wait("y yes", timeout=60)
        t.keys("y")
        t.wait("move of 2 messages: done", timeout=60)
        gone, stays = sorted(files(other, "qf"))
        for name in (gone, "df" + gone[2:]):
            os.unlink(os.path.join(other, name))       # delivered there
        t.wait("3 messages")
        t.keys("u")
        t.wait("y yes", timeout=60)
        t.keys("y")
        t.wait("undo of 2 messages: 1 done", timeout=60)
        tap.ok(not files(other, "qf") and stays in files(queue, "qf") and gone not in files(queue, "qf"),
               "one that was delivered there stays so", os.listdir(other), os.listdir(queue))
        t.wait("4 messages")
        t.keys("g", "O")
        t.wait("export to")
        t.type(top + "/x.mbox\n")
        shown = t.wait("y yes", timeout=60)
        tap.ok("Export 1 message into" in shown and "this queue stays as it is" in " ".join(shown.split()),
               "export to an .mbox", shown)
        t.keys("y")
        t.wait("export of 1 message: done", timeout=60)
        with open(top + "/x.mbox", "rb") as f:
            text = f.read()
        tap.ok(text.startswith(b"From ") and text.count(b"this is the body of") == 1 and
               len(files(queue, "qf")) == 4, "it is in the mailbox, and still in the queue", text)
        t.keys("O")
        t.wait("export to")
        t.type(top + "/x.tar\n")
        tap.ok("They stay claimed here" in t.wait("y yes", timeout=60), "export to a bundle: it says what that means")
        t.keys("y")
        t.wait("export of 1 message: done", timeout=60)
        tap.ok(os.path.getsize(top + "/x.tar") > 1024 and len(files(queue, "qf")) == 3,
               "it is in the bundle, and claimed", os.listdir(queue))
        t.keys("u")
        shown = t.wait("y yes", timeout=60)
        tap.ok("Put back: export of 1 message (1 was done)?" in shown and
               "x.tar stays; it must not be imported any more" in " ".join(shown.split()),
               "export: u asks to put it back", shown)
        t.keys("y")
        t.wait("undo of 1 message: done", timeout=60)
        tap.ok(len(files(queue, "qf")) == 4, "and it is back", os.listdir(queue))
        # One after the other, the newest first; what was taken back is not taken back again.
        for key, said in (("g", None), ("A", "due of 1 message"), ("M", "move of 1 message")):
            t.keys(key)
            if key == "M":
                t.wait("move to queue:")
                t.type(other + "\n")
            if said:
                t.wait("y yes", timeout=60)
                t.keys("y")
                t.wait(said + ": done", timeout=60)
        t.wait("3 messages")
    # The session was cut: the next one knows what the last one moved.
    with terminal.Terminal(queue, 100, 30) as t:
        t.wait("3 messages")
        t.keys("u")
        tap.ok("Bring back: move of 1 message (1 was done)?" in t.wait("y yes", timeout=60),
               "u in the next session: the move of the last one")
        t.keys("y")
        t.wait("undo of 1 message: done", timeout=60)
        tap.ok(len(files(queue, "qf")) == 4 and not files(other, "qf"), "and it is back", os.listdir(queue))
        t.wait("4 messages")
        t.keys("u")
        shown = t.wait("y yes", timeout=60)
        tap.ok("Take back: due of" in shown, "then what was done before that", shown)
        t.keys("n")
        t.keys("*", "H")
        t.wait("reason")
        t.type("all of them\n")
        t.wait("y yes", timeout=60)
        t.keys("y")
        t.wait("hold of 4 messages: done", timeout=60)
    with terminal.Terminal(queue, 100, 30) as t:
        t.wait("4 messages")
        t.keys("u")
        shown = t.wait("y yes", timeout=60)
        tap.ok("Take back: hold of 4 messages (4 were done)?" in shown and "It was begun" in shown,
               "what a job of the last session did is taken back as one", shown)
        t.keys("y")
        t.wait("undo of 4", timeout=60)
        t.wait("done", timeout=60)
        tap.ok(len(files(queue, "qf")) == 4 and not files(queue, "hf"), "and so it is", os.listdir(queue))
        t.keys("O")
        t.type("-\n")
        t.wait("nothing was done")
        t.keys("M")
        t.type("/no/such/queue\n")
        t.wait("it was not run", timeout=60)
        t.keys("q", "q")
        t.status()


@check("orphans")
def orphans(top):
    """A lone body: shown, planned, rescued, and gone from the view."""
    queue = make_queue(top + "/orphans", 3)
    lone = os.path.join(queue, "df6AQZZZ100009")
    with open(lone, "w") as f:
        f.write("a lone body\n")
    os.chmod(lone, 0o600)
    old = os.stat(lone).st_mtime - 2 * 86400
    os.utime(lone, (old, old))
    other = os.path.join(queue, "df6AQZZZ100010")
    with open(other, "w") as f:
        f.write("another one\n")
    os.chmod(other, 0o600)
    os.utime(other, (old - 60, old - 60))
    # Its change time is now: the grace is the view's own, which asks for ten minutes.
    with terminal.Terminal(queue, 100, 30, ["--now=@%d" % (int(old) + 3 * 86400)]) as t:
        t.wait("3 messages")
        t.keys("F")
        t.wait("orphans are fixed in their view")
        t.keys("4")
        shown = t.wait("df-alone")
        tap.ok("df6AQZZZ100009" in shown and "df6AQZZZ100010" in shown, "orphans: two lone bodies", shown)
        # The list tells which is the first.
        first, second = sorted((lone, other), key=lambda path: shown.index(os.path.basename(path)))
        t.keys("j", "F")
        tap.ok("rescue" in t.wait("fix this one (recover,rescue,guard,clean or all): "), "F asks which fixes")
        t.keys("Enter")
        shown = t.wait("Run it? Above is what it will do.", timeout=60)
        tap.ok("1 finding." in shown and "lost+found" in shown and os.path.exists(second),
               "the plan first, and how many", shown)
        t.keys("y")
        t.wait("fix of 1 finding: done", timeout=60)
        tap.ok(not os.path.exists(second) and os.path.exists(first) and
               os.listdir(queue + "/.qf/lost+found"), "the one under the cursor is rescued, no other",
               os.listdir(queue))
        t.keys("q")
        t.wait(os.path.basename(second), timeout=60, gone=True)
        t.wait(os.path.basename(first))
        t.keys("F", "Enter")
        t.wait("Run it? Above is what it will do.", timeout=60)
        t.keys("y")
        t.wait("fix of 1 finding: done", timeout=60)
        t.keys("q")
        tap.ok("every file belongs" in t.wait("every file belongs", timeout=60), "and gone from the view")
        t.keys("q")
        t.status()


@check("settings")
def settings(top):
    """Keys from qf.conf; to the shell and back."""
    queue = make_queue(top + "/settings", 5)
    conf = top + "/qf.conf"
    with open(conf, "w") as f:
        f.write("[tui]\nread-only = yes\nkey = down=e\nkey = last=Z F12\ncolumns = id,nrcpt,due,subject\n")
    with terminal.Terminal(queue, 80, 24, env={"QF_CONF": conf}) as t:
        t.wait("read-only")
        tap.ok("NRCPT DUE" in t.wait("6AQAAE100004"), "qf.conf: other columns", t.screen())
        t.keys("e", "Enter")
        tap.ok("<ann1@src.example>" in t.wait("<ann"), "qf.conf: another key")
        t.keys("q", "?")
        tap.ok(" e " in t.wait("one line down"), "? shows the keys as they are")
        t.keys("q")
        t.wait("SUBJECT")
        pid = t.pid()
        t.keys("C-z")
        laboratory.wait_until(lambda: open("/proc/%d/stat" % pid).read().split()[2] == "T")
        tap.ok("SUBJECT" not in t.screen(), "^Z: the screen is given back while it is stopped")
        os.kill(pid, signal.SIGCONT)
        tap.ok("5 messages" in t.wait("SUBJECT"), "and taken again when it goes on")
        t.keys("q")
        t.status()
    with open(conf, "w") as f:
        f.write("[tui]\nkey = nothing=e\n")
    done = harness.qf("tui", "-C", "none", "-Q", queue, env={"QF_CONF": conf})
    tap.ok(done.returncode == 64 and b"no such action" in done.stderr, "a setting that is none is refused",
           done.stderr)
    done = harness.qf("tui", "-C", "none", "-Q", queue, "--columns=id,body", env={"QF_CONF": "/dev/null"})
    tap.ok(done.returncode == 64 and b"columns: body" in done.stderr, "no column: refused", done.stderr)
    done = harness.qf("tui", "-C", "none", "-Q", queue, env={"QF_CONF": "/dev/null"})
    tap.ok(done.returncode == 69 and b"terminal" in done.stderr and not done.stdout,
           "without a terminal: status 69", done.stderr)


def main():
    try:
        with tempfile.TemporaryDirectory(prefix="qf-tui-test.") as top:
            for part in (views, filters, sizes, terminals, plain, elsewhere, orphans, settings):
                part(top)
        actions()
    except (laboratory.Missing, terminal.Missing) as why:
        if not tap.results:
            skip_all(why)
        tap.skip("actions on a queue of sendmail", why)
    tap.done()


main()
