#!/usr/bin/env python3
"""What qf tui promises, measured on a pty: a line "NAME VALUE" for each number.

    tui.py QF QUEUE MESSAGES        on a queue in memory:
        first_ms complete_ms        first rows shown; all of them, sorted
        ls_ms                       qf ls of the same, run in turn; the medians of five
        key_idle_p99_ms key_p99_ms  from a key to what it does; while the whole queue is read again
        bytes_move                  sent for one move of the cursor, the most of 80x24 and 200x60
        memory                      bytes a message beyond the text it has to keep
    tui.py --slow QF QUEUE MESSAGES under slowfs: first_ms alone

The text it has to keep: id, sender, recipients, status texts, reason, subject, Message-ID.
"""
import os
import select
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lab"))
slow = sys.argv[1] == "--slow"
qf, queue, messages = sys.argv[2 if slow else 1:]
messages = int(messages)
os.environ["QF"] = qf
import screen

NOW = "--now=@1795331700"


def rows(text):
    """Lines that show a message: an id of 14 letters and digits behind the marks."""
    return sum(1 for line in text.splitlines()[3:-2] if line[3:15].isalnum())


def start(directory, columns=80, lines=24):
    return screen.Pty(["-Q", directory, "-R", NOW], columns, lines)


def times():
    with start(queue) as p:
        first = p.wait(lambda text: rows(text) > 3, 60)
        done = p.wait(lambda text: "{:,} messages".format(messages) in text and "reading" not in text, 120)
        p.send(b"q")
        p.end()
    return first * 1000, done * 1000


def ls():
    begin = time.monotonic()
    subprocess.run([qf, "ls", "-C", "none", "-Q", queue, NOW], stdout=subprocess.DEVNULL, check=True)
    return (time.monotonic() - begin) * 1000


def resident(pid):
    with open("/proc/%d/status" % pid) as f:
        return sum(int(line.split()[1]) * 1024 for line in f if line.startswith(("RssAnon", "RssShmem")))


def text_to_keep():
    total = 0
    for name in os.listdir(queue):
        if name[:2] not in ("qf", "hf", "Qf"):
            continue
        total += len(name) - 2
        with open(os.path.join(queue, name), "rb") as f:
            inside = False
            for line in f:
                if line[:1] in b" \t":
                    total += len(line) if inside else 0
                    continue
                inside = False
                if line[:1] in b"SMqR":
                    total += len(line) - 2
                elif line[:1] == b"H":
                    name, _, value = line.partition(b"?")[2].partition(b"?")[2].partition(b":")
                    inside = name.lower() in (b"subject", b"message-id")
                    total += len(value) if inside else 0
    return total


def key_times(reading):
    found = []
    with start(queue) as p:
        p.wait(lambda text: "{:,} messages".format(messages) in text and "reading" not in text, 120)
        p.send(b"G")
        p.settle(0.5)
        for _ in range(8):
            if reading:
                p.send(b"r")
                p.settle(0.05)
            for i in range(26):
                begin = time.monotonic()
                p.send(b"j" if i % 2 else b"k")
                if select.select([p.master], [], [], 1)[0]:
                    found.append((time.monotonic() - begin) * 1000)
                while p.pump(0.015):
                    pass
        p.send(b"q")
        p.end()
    return sorted(found)[int(len(found) * 0.99)]


def bytes_of_a_move():
    most = 0
    for columns, lines in ((80, 24), (200, 60)):
        with start(queue, columns, lines) as p:
            p.wait(lambda text: "{:,} messages".format(messages) in text and "reading" not in text, 120)
            p.settle(0.5)
            for _ in range(12):
                before = p.bytes
                p.send(b"j")
                p.settle(0.1)
                most = max(most, p.bytes - before)
            p.send(b"q")
            p.end()
    return most


def memory():
    empty = queue + ".empty"
    os.makedirs(empty, exist_ok=True)
    sizes = []
    for directory, wanted in ((empty, "0 messages"), (queue, "{:,} messages".format(messages))):
        with start(directory) as p:
            p.wait(lambda text: wanted in text and "reading" not in text, 120)
            p.settle(3)
            sizes.append(resident(p.pid))
            p.send(b"q")
            p.end()
    os.rmdir(empty)
    return (sizes[1] - sizes[0] - text_to_keep()) / messages


if slow:
    with start(queue) as p:
        print("first_ms %.0f" % (p.wait(lambda text: rows(text) > 3, 60) * 1000))
        p.send(b"q")
        p.end(60)
else:
    pairs = [(times(), ls()) for _ in range(5)]
    print("first_ms %.0f" % statistics.median(a[0] for a, _ in pairs))
    print("complete_ms %.0f" % statistics.median(a[1] for a, _ in pairs))
    print("ls_ms %.0f" % statistics.median(b for _, b in pairs))
    print("complete_ratio %.2f" % statistics.median(a[1] / b for a, b in pairs))
    print("key_idle_p99_ms %.1f" % key_times(False))
    print("key_p99_ms %.1f" % key_times(True))
    print("bytes_move %d" % bytes_of_a_move())
    print("memory %.0f" % memory())
