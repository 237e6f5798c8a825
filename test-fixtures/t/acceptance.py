"""What the acceptance tests of qf share: running it as users do, terminals, and queues made to
measure.

A test that says `q = MadeQueue(tmp + "/q"); q.add("id1", ...)` knows what every answer of qf about
that queue has to be without asking the library.
"""
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unicodedata

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import harness
from tap import Tap

QF = os.path.realpath(harness.QF)
# The same with sanitizers, where that was built.
QF_SAN = os.path.join(os.environ.get("QF_BUILD_SAN") or "/nonexistent", "qf")
NOW = 1795400000
SANITIZER_OPTIONS = "exitcode=99:abort_on_error=0:allocator_may_return_null=1:detect_leaks=0"

tap = Tap()


def environment(env=None):
    """The environment of a user who has set nothing, and env; None there takes a variable out."""
    base = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": "/", "TZ": "UTC",
            "LC_ALL": "C.UTF-8", "TERM": "xterm", "QF_CONF": "/dev/null",
            "TMPDIR": tempfile.gettempdir(), "ASAN_OPTIONS": SANITIZER_OPTIONS,
            "UBSAN_OPTIONS": "print_stacktrace=1:exitcode=99"}
    base.update(env or {})
    return {name: value for name, value in base.items() if value is not None}


class Result:
    """What a run of qf came to."""

    def __init__(self, args, status, out, err, seconds):
        self.args, self.status, self.out, self.err = args, status, out, err
        self.seconds = seconds

    def lines(self):
        return self.out.decode("utf-8", "surrogateescape").splitlines()

    def __str__(self):
        return "%s\nstatus %d, %d bytes on standard output: %r\nstandard error: %s" % (
            " ".join(map(str, self.args)), self.status, len(self.out), self.out[:400],
            self.err.decode("utf-8", "backslashreplace")[:2000])


def run(*args, env=None, program=None, timeout=60, **options):
    """Run qf with these arguments. Statuses of signals are negative, as subprocess has them."""
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    begun = time.monotonic()
    done = subprocess.run([program or QF, *args], env=environment(env), timeout=timeout, **options)
    return Result(args, done.returncode, done.stdout or b"", done.stderr or b"",
                  time.monotonic() - begun)


def ls(queue, *args, **options):
    """qf ls of one queue, no configuration, at NOW."""
    return run("ls", "-C", "none", "-Q", queue, "--now=@%d" % NOW, *args, **options)


def show(queue, *args, **options):
    return run("show", "-C", "none", "-Q", queue, "--now=@%d" % NOW, *args, **options)


def ids_of(queue, *args, **options):
    """What qf ls --format=ids lists, in its order."""
    return ls(queue, "--format=ids", *args, **options).lines()


def fails(result, status, pattern, name):
    """Did it fail as it should: the status, nothing on standard output, and one line of the form
    "qf: COMMAND: what: why" that the pattern is found in?"""
    lines = result.err.decode("utf-8", "backslashreplace").splitlines()
    form = r"qf: %s: .+: .+" % result.args[0]
    good = (result.status == status and result.out == b"" and len(lines) == 1 and
            re.match(form, lines[0]) and re.search(pattern, lines[0]))
    return tap.ok(good, name, "wanted status %d and a line with %s" % (status, pattern), result)


# ---------------------------------------------------------------- terminals

def on_terminal(*args, columns=80, lines=24, env=None, until=None, then=None, timeout=60,
                command="ls"):
    """Run qf with standard output on a terminal of that size. Returns a Result whose out is what
    the terminal received, byte for byte. until: a pattern; when it has been received, then(pid) is
    called, once."""
    master, slave = pty.openpty()
    mode = termios.tcgetattr(slave)
    mode[1] &= ~termios.OPOST # as written, no CR before LF
    termios.tcsetattr(slave, termios.TCSANOW, mode)
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    begun = time.monotonic()
    child = subprocess.Popen([QF, *args], stdin=subprocess.DEVNULL, stdout=slave,
                             stderr=subprocess.PIPE, env=environment(env),
                             start_new_session=True)
    os.close(slave)
    out = b""
    while time.monotonic() < begun + timeout:
        ready = select.select([master], [], [], 0.2)[0]
        try:
            out += os.read(master, 65536) if ready else b""
        except OSError: # EIO: the other end is closed
            break
        if until and re.search(until, out):
            until = None
            then(child.pid)
    else:
        os.kill(child.pid, signal.SIGKILL)
    err = child.stderr.read()
    child.stderr.close()
    status = child.wait()
    os.close(master)
    return Result(args, status, out, err, time.monotonic() - begun)


def ls_on_terminal(queue, *args, **options):
    return on_terminal("ls", "-C", "none", "-Q", queue, "--now=@%d" % NOW, *args, **options)


def columns_of(text):
    """Columns that text without control characters takes on a terminal."""
    return sum(0 if unicodedata.combining(c) else
               2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


SGR = re.compile(rb"\x1b\[[0-9;]*m")


def unsafe_bytes(out):
    """Control characters, C1, invalid UTF-8 and controls of direction in what a terminal got,
    but for line ends; as text, empty where there are none."""
    found = []
    try:
        text = out.decode("utf-8")
    except UnicodeDecodeError as error:
        return "not UTF-8: %s" % error
    for c in text:
        if c != "\n" and (unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Co", "Cn")):
            found.append("U+%04X" % ord(c))
    return " ".join(sorted(set(found)))


# ---------------------------------------------------------------- queues made to measure

def control_file(sender="<ann@src.example>", rcpts=("<bob@dst.example>",), created=NOW - 3600,
                 last_try=0, tries=0, priority=30000, headers=None, end=True, **lines):
    """The text of a control file. rcpts: addresses, or (flags, address, {letter: value}); further
    lines by their letter."""
    text = ["V%s" % lines.pop("V", 8)]
    for letter, value in (("T", created), ("K", last_try), ("N", tries), ("P", priority)):
        if value is not None:
            text.append("%s%s" % (letter, value))
    for letter in "dIBqMF":
        if lines.get(letter) is not None:
            text.append(letter + lines[letter])
    text += ["$%s" % macro for macro in lines.get("macros", ())]
    if sender is not None:
        text.append("S" + sender)
    for letter in "ZA":
        if lines.get(letter) is not None:
            text.append(letter + lines[letter])
    for rcpt in rcpts:
        flags, address, more = rcpt if isinstance(rcpt, tuple) else ("PFD", rcpt, {})
        text += [letter + more[letter] for letter in "MCQr" if letter in more]
        text.append("R%s:%s" % (flags, address))
    for name, value in ((("Subject", "hello"),) if headers is None else headers):
        text.append("H??%s: %s" % (name, value))
    if end:
        text.append(".")
    return "\n".join(text) + "\n"


def to_bytes(text):
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


class MadeQueue:
    """A queue directory whose every byte the test has chosen."""

    def __init__(self, path, split=False):
        self.path, self.split = path, split
        for directory in [path] + [os.path.join(path, sub) for sub in ("qf", "df", "xf") if split]:
            os.makedirs(directory, mode=0o700)
        self.added = {}

    def place(self, name):
        sub = {"df": "df", "xf": "xf"}.get(name[:2], "qf") if self.split else "."
        return os.path.normpath(os.path.join(os.fsencode(self.path), os.fsencode(sub),
                                             os.fsencode(name)))

    def write(self, name, text, mode=0o600):
        """One file as it is."""
        path = self.place(name)
        with open(path, "wb") as f:
            f.write(to_bytes(text))
        os.chmod(path, mode)
        return path

    def add(self, id, body="body\n", prefix="qf", **fields):
        """A message; body None: without data file. Remembers its fields by id."""
        self.write(prefix + id, control_file(**fields))
        if body is not None:
            self.write("df" + id, body)
        self.added[id] = fields
        return id

    def order(self):
        """Ids of the control files in the order of the directory."""
        directory = os.path.join(self.path, "qf") if self.split else self.path
        return [name[2:] for name in os.listdir(directory) if name[:2] in ("qf", "hf", "Qf")]


def temporary():
    """A directory that is gone at the end, and that another user may look into."""
    holder = tempfile.TemporaryDirectory(prefix="qf-acceptance.")
    os.chmod(holder.name, 0o755)
    return holder


# ---------------------------------------------------------------- other users, other processes

NOBODY = 65534


def program_for_nobody(directory):
    """A copy of qf that any user can start, wherever the build lies."""
    copy = os.path.join(directory, "qf-for-nobody")
    shutil.copyfile(QF, copy)
    os.chmod(copy, 0o755)
    return copy


def as_nobody():
    """For preexec_fn: a user without rights."""
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


LOCKER = """
import fcntl, sys, time
files = []
for how, path in zip(sys.argv[1::2], sys.argv[2::2]):
    f = open(path, "r+b")
    files.append(f)
    if how.startswith("flock"):
        fcntl.flock(f, fcntl.LOCK_SH if how == "flock-shared" else fcntl.LOCK_EX)
    else:
        fcntl.lockf(f, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(600)
"""


class Locked:
    """with Locked("flock", path, "fcntl", path): another process holds these locks. pid is its;
    title stands behind in its command line."""

    def __init__(self, *pairs, title=""):
        self.pairs = pairs + (title,)

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, "-c", LOCKER, *self.pairs],
                                        stdout=subprocess.PIPE)
        self.pid = self.process.pid
        assert self.process.stdout.readline() == b"locked\n"
        return self

    def __exit__(self, *unused):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
