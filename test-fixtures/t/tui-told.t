#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""qf tui in tmux: what it says was done was done, u takes back what was done last and leaves all as it was
before, and what cannot be seen is not called well."""
import os
import shutil
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import harness
import terminal
from tap import Tap, skip_all

tap = Tap()
NOW = int(time.time())


def make_queue(path, n, age=3600):
    os.mkdir(path, 0o700)
    for i in range(n):
        id = "6AQAAA%06d" % (100000 + i)
        with open("%s/qf%s" % (path, id), "w") as f:
            f.write("V8\nT%d\nK%d\nN3\nP1\nMDeferred: later\nS<ann@src.example>\nRPFD:<bob%d@dst.example>\n"
                    "H??Subject: x\n.\n" % (NOW - age - 60 * (n - i), NOW - 600, i))
        with open("%s/df%s" % (path, id), "w") as f:
            f.write("this is the body of %d\n" % i)
        for prefix in ("qf", "df"):
            os.chmod("%s/%s%s" % (path, prefix, id), 0o600)
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


def act(t, *keys, text=None, done, most=60):
    """Keys, a line typed, yes; the note at the end."""
    t.keys(*keys)
    if text:
        t.wait(":")
        t.type(text + "\n")
    shown = t.wait("y yes", timeout=most)
    t.keys("y")
    t.wait(done, timeout=most)
    return " ".join(shown.split())


@check("gone meanwhile")
def gone(top):
    queue = make_queue(top + "/gone", 5)
    with terminal.Terminal(queue, 120, 24) as t:
        t.wait("5 messages")
        act(t, "g", "H", text="for a look", done="hold of 1 message: done; u takes it back")
        # Marked and asked about; then they go.
        t.keys("j", "Space", "Space", "H")
        t.wait("reason")
        t.type("for a look\n")
        t.wait("y yes")
        for name in files(queue, "qf")[:2]:
            os.unlink(os.path.join(queue, name))
            os.unlink(os.path.join(queue, "df" + name[2:]))
        t.keys("y")
        shown = t.wait("hold of 2 messages: 0 done, 2 not", timeout=60)
        tap.ok("takes it back" not in shown, "of messages that are gone it says that nothing was done", shown)
        t.keys("J")
        tap.ok("2 not done" in t.wait("hold of 2 messages: 0 of 2, ended"), "and so in the list of jobs")
        t.keys("q", "g")
        t.wait("3 messages")
        # Nothing can be due that is held: u passes over what did nothing.
        act(t, "A", done="due of 1 message: 0 done, 1 not")
        t.keys("u")
        shown = t.wait("y yes")
        tap.ok("Take back: hold of 1 message (1 was done)?" in shown, "u passes over what did nothing", shown)
        t.keys("y")
        t.wait("undo of 1 change: done", timeout=60)
        tap.ok(not files(queue, "hf") and len(files(queue, "qf")) == 3, "and takes back what was before",
               os.listdir(queue))
        t.keys("q")
        t.status()


@check("a change by somebody else")
def elsewhere(top):
    queue = make_queue(top + "/others", 4)
    with terminal.Terminal(queue, 120, 24) as t:
        t.wait("4 messages")
        act(t, "g", "H", text="mine", done="hold of 1 message: done")
        t.keys("6")
        t.wait("possible")
        t.keys("1")
        time.sleep(1)
        harness.qf("rm", "-C", "none", "-Q", queue, "6AQAAA100003", env={"QF_CONF": "/dev/null", "QF_STATE": ""})
        t.wait("3 messages")
        t.keys("u")
        shown = t.wait("y yes")
        tap.ok("Take back: rm of 6AQAAA100003?" in shown, "u asks for the last change, made elsewhere meanwhile", shown)
        t.keys("y")
        t.wait("undo of 1 change: done", timeout=60)
        t.wait("4 messages")
        t.keys("u")
        shown = t.wait("y yes")
        tap.ok("Take back: hold of 1 message (1 was done)?" in shown, "then for what was done here before", shown)
        t.keys("n", "q")
        t.status()


@check("a move and back")
def move(top):
    """All are past their return time, and one was held by somebody."""
    queue, other = make_queue(top + "/from", 4, age=6 * 86400), top + "/to"
    os.mkdir(other, 0o700)
    with terminal.Terminal(queue, 120, 24) as t:
        t.wait("4 messages")
        act(t, "G", "H", text="mine", done="hold of 1 message: done")
        before = {name: open(os.path.join(queue, name)).read() for name in os.listdir(queue) if name[:2] in ("qf", "hf")}
        asked = act(t, "*", "M", text=other, done="move of 4 messages: done")
        tap.ok("3 of them are past their return time: held there" in asked, "a move says what it holds there", asked)
        tap.ok(len(files(other, "hf")) == 4, "and holds it", os.listdir(other))
        t.wait("the queue is empty")
        t.keys("u")
        t.wait("y yes", timeout=60)
        t.keys("y")
        t.wait("undo of 4 messages: done", timeout=60)
        after = {name: open(os.path.join(queue, name)).read() for name in os.listdir(queue) if name[:2] in ("qf", "hf")}
        tap.ok(after == before, "undone: each is as it was before, the one that was held too",
               sorted(before), sorted(after))
        t.keys("q")
        t.status()


@check("another directory")
def replaced(top):
    """The queue is put aside and another one is in its place; then there is none."""
    queue = make_queue(top + "/queue", 4)
    with terminal.Terminal(queue, 120, 24, ["--refresh=1"]) as t:
        t.wait("4 messages")
        t.keys("g", "D")
        t.wait("y yes")
        os.rename(queue, queue + ".old")
        shutil.copytree(queue + ".old", queue)
        t.keys("y")
        shown = t.wait("another directory is there now", timeout=30)
        t.keys("j")
        t.wait("begin again", timeout=30)
        before = harness.snapshot(queue + ".old"), harness.snapshot(queue)
        t.keys("D")
        t.wait("nothing is changed", timeout=30)
        tap.ok(not os.path.exists(queue + "/.qf") and not os.path.exists(queue + ".old/.qf/jobs") and
               not harness.differences(before[0], harness.snapshot(queue + ".old")) and
               not harness.differences(before[1], harness.snapshot(queue)) and len(files(queue, "qf")) == 4,
               "another directory in its place: it is said, and nothing is changed", shown)
        shutil.rmtree(queue)
        tap.ok("4 messages" in t.wait("as of ", timeout=40).splitlines()[0],
               "and what is shown is told to be old", t.screen())
        t.keys("j")
        t.wait("is not there any more", timeout=40)
        os.rename(queue + ".old", queue)
        t.wait("as of ", timeout=40, gone=True)
        act(t, "g", "D", done="rm of 1 message: done")
        tap.ok(len(files(queue, "qf")) == 3, "back in its place it is changed again", os.listdir(queue))
        t.keys("q")
        t.status()


@check("what cannot be read")
def unreadable(top):
    """By another user: names can be listed, most files cannot be read, nor the folder of the journal."""
    if os.geteuid() or not shutil.which("setpriv"):
        tap.skip("what another user cannot read", "no other user to be")
        return
    # Where others come to.
    with tempfile.TemporaryDirectory(prefix="qf-tui-told.", dir="/tmp") as top:
        os.chmod(top, 0o755)
        look_as_nobody(top)


def look_as_nobody(top):
    queue = make_queue(top + "/private", 5)
    os.chmod(queue, 0o755)
    os.mkdir(queue + "/.qf", 0o700)
    for name in files(queue, "qf")[:2]:
        os.chmod(os.path.join(queue, name), 0o644)
    wrapper = top + "/qf-as-nobody"
    with open(wrapper, "w") as f:
        f.write("#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups %s \"$@\"\n" % harness.QF)
    os.chmod(wrapper, 0o755)
    own, harness.QF = harness.QF, wrapper
    try:
        with terminal.Terminal(queue, 120, 24) as t:
            shown = t.wait("5 messages")
            tap.ok("5 messages, 3 unreadable" in shown, "the status line tells how many cannot be read", shown)
            t.keys("4")
            shown = t.wait("3 control files cannot be read", timeout=60)
            tap.ok("every file belongs" not in shown, "orphans: not all is well then", shown)
            t.keys("J")
            shown = t.wait("which jobs there are is not known")
            tap.ok("no jobs" not in shown, "jobs: not none", shown)
            t.keys("q", "q")
            t.status()
    finally:
        harness.QF = own


def main():
    if not shutil.which("tmux"):
        skip_all("no tmux")
    with tempfile.TemporaryDirectory(prefix="qf-tui-told.") as top:
        for part in (gone, elsewhere, move, unreadable, replaced):
            part(top)
    tap.done()


main()
