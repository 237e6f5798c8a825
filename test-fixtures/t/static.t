#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""make static: the executable in a directory that holds nothing else: no libc, terminfo, locale, /etc, /proc."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import harness
from screen import Pty
from tap import Tap

tap = Tap()
STATIC = os.path.join(os.environ.get("QF_BUILD", os.path.dirname(harness.QF)), "qf-static")
NOW = "--now=@1795340000"
LIMIT = 12 << 20


def inside(root, *args, user=0):
    """Run qf with root as its whole file system, with nothing of the environment."""
    def enter():
        os.chroot(root)
        os.chdir("/")
        if user:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
    return subprocess.run(["/qf", *args], stdin=subprocess.DEVNULL, capture_output=True, env={},
                          preexec_fn=enter, timeout=60, check=False)


def outside(queue, *args):
    return harness.qf(args[0], *args[1:], "-C", "none", "-Q", queue, NOW)


def reading(root, queue):
    """Byte for byte what the usual executable says of the same queue, but for where it lies."""
    ids = outside(queue, "ls", "--format=ids").stdout.split()
    for args in (["ls"], ["ls", "--format=json"], ["ls", "--format=mailq"], ["ls", "from:/@/", "--format=ids"],
                 ["show", ids[0].decode(), "--no-body"], ["shape"], ["orphans", "--deep", "--format=json"]):
        got = inside(root, *args, "-C", "none", "-Q", "/q", NOW)
        usual = outside(queue, *args)
        # Without /proc/locks nobody can tell what is in delivery, and it says so.
        same = got.stdout.replace(b"/q/", b"/").replace(b'"/q"', b'""').replace(
            b"\t/q (", b"\t (").replace(
            b"  Whether it is in delivery cannot be told from here.\n", b"")
        want = usual.stdout.replace(queue.encode(), b"").replace(b'"busy":false', b'"busy":null')
        if args[0] == "orphans":
            last = [json.loads(run.stdout.splitlines()[-1]) for run in (got, usual)]
            for total in last:
                total.pop("seconds")
                total.pop("waited")
            tap.ok(got.returncode == usual.returncode and last[0] == last[1], " ".join(args), got, usual)
        elif args == ["ls"]:
            # The table is as wide as the longest text: it is compared by its words.
            tap.ok(got.returncode == 0 and same.split()[:6] == want.split()[:6], "ls", same,
                   want)
        else:
            tap.ok(got.returncode == usual.returncode and same and same == want, " ".join(args), got,
                   same[:2000], want[:2000])
    got = inside(root, "metrics", "--no-orphans", "-Q", "/q")
    tap.ok(got.returncode == 0 and b"qf_up{" in got.stdout, "metrics", got)
    got = inside(root, "doctor", "-Q", "/q", "--format=json")
    tap.ok(got.returncode in (1, 2) and b'"check":"cf-queue","result":"unknown"' in got.stdout,
           "doctor: what it cannot see is unknown", got)
    tap.ok(sorted(os.listdir(root)) == ["q", "qf"] and not os.path.exists(queue + "/.qf"),
           "nothing was left behind")


def terminal(root):
    for term in ("", "xterm-256color"):
        with Pty(["-Q", "/q"], root=root, program="/qf", env={"TERM": term, "LC_ALL": None, "QF_CONF": None}) as pty:
            try:
                pty.wait("messages")
                pty.send(b"q")
                tap.ok(pty.end() == 0, "tui on a screen, TERM=%r" % term, pty.screen())
            except AssertionError as why:
                tap.ok(False, "tui on a screen, TERM=%r" % term, why)
    got = inside(root, "tui", "--plain", "-Q", "/q")
    tap.ok(got.returncode == 0 and b"messages" in got.stdout, "tui --plain", got)


def changing(root, queue):
    """hold, and its undoing; then the same as the queue's owner, who has no capability at all."""
    for user in (0, 54321):
        who = "as root" if not user else "as the owner, without capabilities"
        if user:
            for directory, _, names in os.walk(queue):
                for path in [directory] + [os.path.join(directory, n) for n in names]:
                    os.chown(path, user, user, follow_symlinks=False)
        one = inside(root, "ls", "-C", "none", "-Q", "/q", "is:queued", "--format=ids", user=user)
        one = one.stdout.decode().split()[0]
        got = inside(root, "hold", one, "--reason=static", "-C", "none", "-Q", "/q", "--format=json", user=user)
        tap.ok(got.returncode == 0 and b'"result":"done"' in got.stdout and
               os.path.exists(queue + "/hf" + one), "hold " + who, got)
        got = inside(root, "undo", "-C", "none", "-Q", "/q", "--format=json", user=user)
        tap.ok(got.returncode == 0 and os.path.exists(queue + "/qf" + one), "undo " + who, got)


def main():
    if not os.path.exists(STATIC):
        tap.skip("the static executable", "make static was not run, or there is no static C library")
        tap.done()
        return
    size = os.path.getsize(STATIC)
    tap.ok(size < LIMIT, "under 12 MB", size)
    said = subprocess.run(["ldd", STATIC], capture_output=True, check=False)
    tap.ok(b"statically linked" in said.stdout or b"not a dynamic" in said.stderr, "needs no library", said)
    if os.geteuid() != 0:
        tap.skip("in an empty directory", "only root can change its root")
        tap.done()
        return
    root = tempfile.mkdtemp()
    os.chmod(root, 0o755)
    shutil.copy2(STATIC, root + "/qf")
    packed = harness.unpack("mixed-rcpts-1", root)
    queue = root + "/q"
    os.rename(packed, queue)
    shutil.rmtree(root + "/mixed-rcpts-1")
    got = inside(root, "--version")
    tap.ok(got.returncode == 0 and b"(static)" in got.stdout and b"with: pcre2" in got.stdout and
           b"sqlite3" in got.stdout and b"without: mime" in got.stdout and b"libcurl" in got.stdout,
           "--version lists what is in, and what is not", got)
    reading(root, queue)
    terminal(root)
    changing(root, queue)
    shutil.rmtree(root)
    tap.done()


main()
