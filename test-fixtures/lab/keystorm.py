"""Random keys into qf tui, and whether the queue is afterwards what the journal says: every message
once, its bytes as they were but for what hold, release and due change.

The same keys for the same seed. Used by t/tui-hostile.t and stress/tui-keys.t.
"""
import json
import os
import random
import re
import shutil
import time

import harness
import screen

ID = "6AQAA%c%06d"


def make(path, n):
    """n messages; returns {id: (control file, body)}."""
    os.mkdir(path, 0o700)
    wanted = {}
    for i in range(n):
        id = ID % (65 + i % 26, 100000 + i)
        control = (b"V8\nT%d\nK%d\nN3\nP1\nMDeferred: 421 4.2.1 \x1b[2J\xff mx\nS<ann%d@src.example>\n"
                   b"RPFD:<bob%d@dst.example>\nH??Subject: caf\xc3\xa9 \xe4\xbd\xa0 %d\n.\n"
                   % (time.time() - 3600 * i, time.time() - 60, i, i, i))
        body = b"body of %d\n" % i
        for prefix, text in ((b"qf", control), (b"df", body)):
            name = os.path.join(path, prefix.decode() + id)
            with open(name, "wb") as f:
                f.write(text)
            os.chmod(name, 0o600)
        wanted[id] = (control, body)
    return wanted


KEYS = ([bytes([c]) for c in range(0x20, 0x7f)] +
        [b"\r", b"\t", b"\x7f", b"\x1b", b"\x01", b"\x04", b"\x0c", b"\x15", b"\x17", b"\x10", b"\x0e"] +
        [b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D", b"\x1b[5~", b"\x1b[6~", b"\x1b[H", b"\x1b[F",
         b"\x1b[3~", b"\x1bOP", b"\x1b[18~", b"\x1b[19~", b"\x1b[<0;5;7M", b"\x1b[<64;1;1M",
         b"\x1b[M !!", b"\xc3\xa9", b"\xe4\xbd\xa0", b"\xff", b"\xc3", b"\x1b[999;9", b"\x1bO"] +
        # What matters is done more often than chance would have it.
        [b" ", b"y", b"y", b"*", b"1", b"3", b"6", b"\r", b"j"] * 2 +
        # Out of a prompt, to a view, an action and its answers.
        [b"\x071Hx\ry", b"\x073Ry", b"\x071Dy", b"\x071Ay", b"\x071uy", b"\x071*Hall\ry",
         b"\x071E\x15rcpt:dst\r<new@n.example>\r", b"\x071E\x15rcpt:bob\r\r", b"\x076uy"] * 3)


def unwanted(key):
    # It is to stay: q at the top, F10, suspending, the end of input by a hang-up.
    return key in (b"q", b"\x1a")


def moved_away(queue, cwd):
    """{id: how often} of messages that were moved to a queue below cwd, or are claimed by an export."""
    found = {}
    for top in (os.path.join(queue, ".qf/claims"), cwd):
        for directory, folders, names in os.walk(top or "/nowhere"):
            # A bundle holds copies; so does a trash.
            if "manifest.jsonl" in names or os.path.basename(directory) == "trash":
                folders[:] = []
                continue
            for name in names:
                if name[:2] in ("qf", "hf"):
                    found[name[2:]] = found.get(name[2:], 0) + 1
    return found


def audit(queue, wanted, cwd=None):
    """What is wrong with the queue, in words. cwd: where qf tui was started."""
    away = moved_away(queue, cwd)
    wrong = []
    names = os.listdir(queue)
    trash = os.path.join(queue, ".qf/trash")
    in_trash = {}
    for entry in os.listdir(trash) if os.path.isdir(trash) else []:
        for name in os.listdir(os.path.join(trash, entry)):
            in_trash.setdefault(name[2:], []).append(os.path.join(trash, entry, name))
    state, edited = {}, set()
    done = harness.qf("journal", "-C", "none", "-Q", queue, "--format=json",
                      env={"QF_CONF": "/dev/null", "QF_STATE": ""})
    undone = {}
    for line in done.stdout.splitlines():
        e = json.loads(line)
        if e["result"] != "done":
            continue
        undone[e["entry"]] = e
        command = e["command"]
        if command in ("hold", "release", "rm"):
            state[e["id"]] = {"hold": "hf", "release": "qf", "rm": "trash"}[command]
        elif command in ("undo", "edit"):
            state.pop(e["id"], None)  # told by what is there
        if command == "edit" and e["undo"] != "done":
            edited.add(e["id"])
    for id, (control, body) in wanted.items():
        there = [n for n in names if n[2:] == id and n[:2] in ("qf", "hf", "Qf")]
        gone = in_trash.get(id, [])
        gone = [p for p in gone if os.path.basename(p)[:2] in ("qf", "hf")]
        if len(there) + len(gone) + away.get(id, 0) != 1:
            wrong.append("%s: %d in the queue, %d in the trash, %d elsewhere" % (
                id, len(there), len(gone), away.get(id, 0)))
            continue
        if id in away:
            continue
        path = os.path.join(queue, there[0]) if there else gone[0]
        data = os.path.join(os.path.dirname(path), "df" + id)
        with open(path, "rb") as f:
            text = f.read()
        plain = re.sub(rb"(?m)^q.*\n", b"", text)
        plain = re.sub(rb"(?m)^K.*$", b"K", plain)
        if id in edited:
            plain = re.sub(rb"(?m)^RPFD:<new@n\.example>$", b"R", plain)
            control = re.sub(rb"(?m)^R.*$", b"R", control) if b"\nR\n" in plain else control
        if plain != re.sub(rb"(?m)^K.*$", b"K", control):
            wrong.append("%s: altered: %r" % (id, text))
        if not os.path.exists(data):
            wrong.append("%s: without its body" % id)
        else:
            with open(data, "rb") as f:
                if f.read() != body:
                    wrong.append("%s: another body" % id)
        if id in state:
            is_now = there[0][:2] if there else "trash"
            if is_now != state[id]:
                wrong.append("%s: %s, while the journal says %s" % (id, is_now, state[id]))
    strange = [n for n in names if n != ".qf" and n[2:] not in wanted]
    return wrong + ["%s has come up" % n for n in strange]


def storm(top, keys, seed, messages=12, columns=100, lines=30, env=None, piece=65536, pause=0.0):
    """Press keys at random. Returns what is wrong, in words, and the number of changes made."""
    dice = random.Random(seed)
    queue = os.path.join(top, "q%d" % seed)
    wanted = make(queue, messages)
    # Where what is typed as a path ends up; "other" is a queue that messages may be moved to.
    cwd = os.path.join(top, "cwd%d" % seed)
    os.makedirs(os.path.join(cwd, "other"), 0o700)
    wrong = []
    errors = os.path.join(top, "san.%d" % seed)
    # Deliver and bounce are among the keys: nothing is to leave the queue by them.
    conf = os.path.join(top, "conf%d" % seed)
    with open(conf, "w") as f:
        f.write("[deliver]\nsendmail = /bin/false\n[bounce]\nsendmail = /bin/false\n")
    env = {"QF_CONF": conf, "ASAN_OPTIONS": "log_path=%s:detect_leaks=1" % errors,
           "UBSAN_OPTIONS": "log_path=%s:print_stacktrace=1" % errors, **(env or {})}
    sent = 0
    runs = 0
    while sent < keys:
        with screen.Pty(["-Q", queue, "--refresh=1s"], columns, lines, env=env, piece=piece,
                        pause=pause, cwd=cwd) as p:
            p.wait("messages", timeout=60)
            runs += 1
            part = min(keys - sent, 4000)
            for i in range(part):
                key = dice.choice(KEYS)
                if unwanted(key):
                    key = b"k"
                p.send(key)
                sent += 1
                if dice.random() < 0.001:
                    p.send(dice.choice((b"\x071Mother\ry", b"\x071Ox.mbox\ry", b"\x071Ox.tar\ry")))
                if dice.random() < 0.003:
                    columns, lines = dice.randrange(1, 160), dice.randrange(1, 60)
                    p.resize(columns, lines)
                while p.pump(0):
                    pass
                if sent % 16 == 0:
                    p.pump(0.01)
                if sent % 256 == 0 and os.waitpid(p.pid, os.WNOHANG)[0]:
                    p.status = -1
                    wrong.append("it ended after %d keys (seed %d):\n%s" % (sent, seed, p.screen()))
                    return wrong + sanitizer(errors), 0
            columns, lines = 100, 30
            p.resize(columns, lines)
            # Leave, from wherever it is.
            for _ in range(5):
                p.send(b"\x1b")
                end = time.monotonic() + 0.6
                while time.monotonic() < end:
                    p.pump(0.05)
            p.send(b"n1")
            end = time.monotonic() + 20
            presses = 0
            while p.status is None and time.monotonic() < end:
                if presses < 5:
                    p.send(b"q")
                    presses += 1
                p.pump(0.2)
                time.sleep(0.1)
                pid, status = os.waitpid(p.pid, os.WNOHANG)
                if pid:
                    p.status = os.waitstatus_to_exitcode(status)
            if p.status is None:
                wrong.append("it does not leave (seed %d):\n%s" % (seed, p.screen()))
                return wrong, 0
            if p.status != 0:
                wrong.append("it left with status %s (seed %d)" % (p.status, seed))
            if p.screen_.strange:
                wrong.append("strange sequences: %r" % p.screen_.strange[:5])
    wait_for_jobs(queue)
    made = harness.qf("journal", "-C", "none", "-Q", queue, "--format=json").stdout.count(b'"done"')
    wrong += audit(queue, wanted, cwd) + sanitizer(errors)
    shutil.rmtree(queue)
    shutil.rmtree(cwd)
    return wrong, made


def sanitizer(errors):
    found = []
    for name in os.listdir(os.path.dirname(errors)):
        if name.startswith(os.path.basename(errors) + "."):
            with open(os.path.join(os.path.dirname(errors), name), errors="replace") as f:
                text = f.read()
            if "was not suspended" not in text and "fatal error" not in text:
                found.append(text[:3000])
    return found


def wait_for_jobs(queue, timeout=60):
    """Until no job is at work: none holds the lock on its file."""
    import fcntl
    jobs = os.path.join(queue, ".qf/jobs")
    end = time.monotonic() + timeout
    while os.path.isdir(jobs) and time.monotonic() < end:
        busy = False
        for name in os.listdir(jobs):
            with open(os.path.join(jobs, name)) as f:
                try:
                    fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except OSError:
                    busy = True
        if not busy:
            return
        time.sleep(0.05)
