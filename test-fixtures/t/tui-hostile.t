#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""qf tui on terminals that do harm: what it sends taken in pieces of 1,024 bytes with pauses, keys and
UTF-8 taken apart, the terminal gone or the program killed in the middle of a job, no terminfo at
all, random keys; and how much it sends."""
# A person at a terminal, with time to draw in: beside others it is late.
# run: alone
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import harness
import keystorm
import screen
from tap import Tap

tap = Tap()


def pieces(top):
    queue = os.path.join(top, "pieces")
    keystorm.make(queue, 200)
    with screen.Pty(["-Q", queue, "-R"], 200, 60, piece=1024, pause=0.001) as p:
        p.wait("200 messages, oldest")
        p.settle()
        whole = p.screen()
        # An arrow key a byte at a time, with pauses: shorter than the one that tells Escape, longer.
        for pause in (0.1, 0.7):
            for byte in (b"\x1b", b"[", b"B"):
                p.send(byte)
                p.settle(pause)
        p.settle()
        tap.ok("6AQAA" in p.screen() and not p.screen_.strange, "pieces of 1,024 bytes, and keys apart: "
               "the screen is whole", p.screen_.strange, p.screen())
        # A filter in UTF-8, each byte on its own.
        p.send(b"/")
        for byte in "subject:café".encode():
            p.send(bytes([byte]))
            p.settle(0.05)
        p.wait("(200) /subject:café")
        p.send(b"\x1b")
        p.wait(lambda text: "/subject" not in text)
        p.send(b"\x0c")
        p.settle(1)
        tap.ok(p.screen().splitlines()[3:40] == whole.splitlines()[3:40],
               "escape gives back the screen that was", whole, p.screen())
        p.send(b"q")
        tap.ok(p.end() == 0 and not p.screen_.alternate, "q leaves, and gives the screen back")


def no_terminfo(top):
    queue = os.path.join(top, "terminfo")
    keystorm.make(queue, 3)
    # TERMINFO alone is not enough: the compiled-in folders would be looked at next.
    hide = "".join("[ -d %s ] && mount -t tmpfs none %s; " % (d, d) for d in
                   ("/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo", "/usr/lib/terminfo"))
    inside = subprocess.run(["unshare", "-m", "sh", "-c", hide + "! infocmp xterm-256color"],
                            capture_output=True)
    if inside.returncode:
        tap.skip("no terminfo files", "they cannot be hidden here")
        return
    wrapper = os.path.join(top, "wrapped")
    with open(wrapper, "w") as f:
        f.write("#!/bin/sh\nshift\nexec unshare -m sh -c '%sexec \"$0\" tui \"$@\"' '%s' \"$@\"\n"
                % (hide, harness.QF))
    os.chmod(wrapper, 0o755)
    real, harness.QF = harness.QF, wrapper
    try:
        for term in ("xterm-256color", "screen"):
            with screen.Pty(["-Q", queue, "-R"], env={"TERM": term, "TERMINFO": "/nowhere"}) as p:
                p.wait("3 messages")
                p.wait("6AQAAA100000")
                p.settle(1)
                p.send(b"j\r")
                p.wait("Last answer")
                p.send(b"qq")
                tap.ok(p.end() == 0 and not p.screen_.strange,
                       "TERM=%s without any terminfo file" % term, p.screen_.strange)
    finally:
        harness.QF = real


def bytes_sent(top):
    queue = os.path.join(top, "bytes")
    keystorm.make(queue, 200)
    for columns, lines in ((80, 24), (200, 60)):
        with screen.Pty(["-Q", queue, "-R", "--refresh=1s"], columns, lines) as p:
            p.wait("200 messages, oldest")
            p.settle(1)
            most = 0
            for key in b"jjjkkjjj":
                before = p.bytes
                p.send(bytes([key]))
                p.settle(0.2)
                most = max(most, p.bytes - before)
            tap.ok(0 < most < 400, "%dx%d: %d bytes for a move of the cursor" % (columns, lines, most))
            before = p.bytes
            end = time.monotonic() + 4
            while time.monotonic() < end:
                p.pump(0.2)
            tap.ok(p.bytes == before, "%dx%d: an idle screen sends nothing" % (columns, lines),
                   repr(p.log[before:]))
            p.send(b"q")
            p.end()


def start_job(p, count):
    p.wait("%d messages, oldest" % count)
    p.settle(2) # the count may be there a moment before the rows
    p.send(b"*")
    p.wait("%d marked" % count)
    p.send(b"Hfor a look\r")
    p.wait("Hold %d messages" % count)
    p.send(b"y")


def held(queue):
    return len([n for n in os.listdir(queue) if n.startswith("hf")])


def killed(top, how):
    """The terminal is cut off in the middle of a job."""
    queue = os.path.join(top, how)
    count = 400
    wanted = keystorm.make(queue, count)
    with screen.Pty(["-Q", queue, "--max-ops=4000"]) as p:
        start_job(p, count)
        jobs = os.path.join(queue, ".qf/jobs")
        end = time.monotonic() + 30
        while not held(queue) and time.monotonic() < end:
            p.pump(0.01)
        if how == "SIGKILL":
            os.kill(p.pid, signal.SIGKILL)
        elif how == "SIGHUP":
            os.kill(p.pid, signal.SIGHUP)
        else:
            p.hang_up()
        p.end()
        at_cut = held(queue)
    # The next one finds it, at work or ended.
    with screen.Pty(["-Q", queue]) as p:
        p.wait("%d messages, oldest" % count)
        p.send(b"J")
        p.wait("hold of %d messages" % count)
        found = p.screen()
        keystorm.wait_for_jobs(queue)
        p.send(b"J")
        p.wait("%d of %d, ended" % (count, count))
        p.send(b"qq")
        p.end()
    wrong = keystorm.audit(queue, wanted)
    tap.ok(held(queue) == count and not wrong,
           "%s after %d of %d: the job goes on to its end, and is found again" % (how, at_cut, count),
           found, "\n".join(wrong))
    for name in os.listdir(jobs):
        with open(os.path.join(jobs, name)) as f:
            lines = f.read().splitlines()
        tap.ok(json.loads(lines[0])["schema"] == "qf.job/1" and
               json.loads(lines[-1])["done"] == count, "%s: its file says so" % how, lines[-1])


def children(pid):
    out = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout
    return [int(child) for child in out.split()]


def job_killed(top):
    """The job itself is killed: what it did is done, what it did not do is not, and both are told."""
    queue = os.path.join(top, "job")
    count = 300
    wanted = keystorm.make(queue, count)
    with screen.Pty(["-Q", queue, "--max-ops=1000"]) as p:
        start_job(p, count)
        end = time.monotonic() + 30
        while held(queue) < 3 and time.monotonic() < end:
            p.pump(0.01)
        # It was started by the helper that is forked before anything is read.
        helper, = children(p.pid)
        for pid in children(helper):
            os.kill(pid, signal.SIGKILL)
        p.wait("ended early")
        p.send(b"J")
        p.wait("INTERRUPTED")
        p.send(b"q")
        stopped = held(queue)
        p.send(b"u")
        p.wait("Take back: hold of %d messages (" % count)
        p.send(b"n")
        os.kill(helper, signal.SIGKILL)
        p.send(b":ls\r")
        p.wait("the helper that starts it has ended")
        p.send(b"qq")
        p.end()
    wrong = keystorm.audit(queue, wanted)
    tap.ok(0 < held(queue) < count and not [w for w in wrong if "journal" not in w],
           "a job that is killed: %d of %d held, it says INTERRUPTED" % (held(queue), count), wrong)


def keys(top):
    count = int(os.environ.get("QF_KEYS") or 2000)
    seed = int(os.environ.get("QF_SEED") or time.time()) % 10**6
    san = os.environ.get("QF_BUILD_SAN")
    real = harness.QF
    if san:
        harness.QF = os.path.join(san, "qf")
    try:
        wrong, made = keystorm.storm(top, count, seed)
    finally:
        harness.QF = real
    tap.ok(not wrong and made, "%d random keys%s: %d changes, and the queue is as the journal says" % (
        count, " under the sanitizers" if san else "", made), "\n".join(wrong), "seed %d" % seed)


def main():
    with tempfile.TemporaryDirectory(prefix="qf-tui-hostile.") as top:
        for part in (pieces, no_terminfo, bytes_sent, job_killed, keys):
            try:
                part(top)
            except AssertionError as why:
                tap.ok(False, part.__name__, why)
        for how in ("SIGKILL", "SIGHUP", "hang-up"):
            try:
                killed(top, how)
            except AssertionError as why:
                tap.ok(False, how, why)
    tap.done()


main()
