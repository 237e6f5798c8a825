"""Delivers a queue directory as a sendmail does whose locks are fcntl's (or flock's), in the plain
way of a program that suspects nobody: what it locked is its own.

    locker.py DIR LOG fcntl|flock SEED [--hold=SECONDS]

It locks a control file without waiting, compares stat and fstat, keeps the lock for a moment, delivers
to some of the recipients, and writes the rest through tf and rename, or removes data and control file.
LOG gets, by single appending writes, a line for each delivery ("got RECIPIENT SHA-256" of the body
with CRLF) and for all that must not be ("wrong TEXT"). It ends by SIGTERM, after the message in hand.

The order of its calls and what it checks are those of sendmail, as the reference has them: a qf with a
reason becomes an hf undelivered; a missing data file is delivered as an empty body; whether the lock
is still good is never asked.
"""
import fcntl
import hashlib
import os
import random
import re
import signal
import sys
import time

directory, log_path, flavour, seed = sys.argv[1:5]
hold = float(([a[7:] for a in sys.argv[5:] if a.startswith("--hold=")] or ["0.02"])[0])
dice = random.Random(seed)
log_fd = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(True))


def say(text):
    os.write(log_fd, (text + "\n").encode())


def lock(fd):
    """Is it ours now?"""
    try:
        if flavour == "fcntl":
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB) # F_SETLK, of the whole file
        else:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def sync_directory():
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(fd)
    os.close(fd)


def rewrite(id, old, name, new_name, content):
    """tf, locked, renamed; then the old one is let go."""
    draft = os.path.join(directory, "tf" + id)
    try:
        fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        say("wrong tf%s is there" % id)
        return old
    if not lock(fd):
        say("wrong tf%s is locked" % id)
    os.write(fd, content)
    os.fsync(fd)
    os.rename(draft, os.path.join(directory, new_name))
    if name != new_name:
        os.unlink(os.path.join(directory, name))
    sync_directory()
    os.close(old)
    return fd


def still_ours(name, fd):
    """Nobody has any business with a file that is locked; sendmail takes that for granted."""
    try:
        named, mine = os.stat(os.path.join(directory, name)), os.fstat(fd)
    except FileNotFoundError:
        say("wrong %s was taken away under its lock" % name)
        return
    if named.st_ino != mine.st_ino or named.st_size != mine.st_size:
        say("wrong %s was exchanged under its lock" % name)


def body_of(id):
    try:
        with open(os.path.join(directory, "df" + id), "rb") as f:
            return f.read()
    except FileNotFoundError:
        say("wrong %s is delivered as an empty message" % id)
        return b""


def work_on(name, fd):
    """Returns the descriptor whose lock is held at the end."""
    id = name[2:]
    # By this descriptor and no other: closing any other one of the file drops an fcntl lock.
    content = os.pread(fd, 1 << 20, 0)
    if re.search(rb"^q", content, re.M):
        return rewrite(id, fd, name, "hf" + id, content)
    recipients = re.findall(rb"^R[A-Z]*:<?[^>\n]*>?$", content, re.M)
    time.sleep(dice.random() * hold)
    digest = hashlib.sha256(body_of(id).replace(b"\n", b"\r\n")).hexdigest()
    for line in list(recipients):
        if dice.random() < 0.15:
            say("got %s %s" % (re.search(rb":<?([^>]*)", line).group(1).decode(), digest))
            recipients.remove(line)
            content = content.replace(line + b"\n", b"", 1)
            time.sleep(dice.random() * hold)
    still_ours(name, fd)
    if not recipients:
        os.unlink(os.path.join(directory, "df" + id))
        sync_directory()
        os.unlink(os.path.join(directory, name))
        sync_directory()
        return fd
    content = re.sub(rb"^K\d+$", b"K%d" % time.time(), content, count=1, flags=re.M)
    return rewrite(id, fd, name, name, content)


def take(name):
    path = os.path.join(directory, name)
    try:
        fd = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        if not lock(fd):
            return
        try:
            named, mine = os.stat(path), os.fstat(fd)
        except FileNotFoundError:
            return
        same = ("st_nlink", "st_dev", "st_ino", "st_uid", "st_gid", "st_size")
        if [getattr(named, key) for key in same] == [getattr(mine, key) for key in same]:
            fd = work_on(name, fd)
    finally:
        os.close(fd)


while not ended:
    names = [name for name in os.listdir(directory) if name[:2] == "qf"]
    dice.shuffle(names)
    for name in names:
        if ended:
            break
        take(name)
    time.sleep(0.02)
