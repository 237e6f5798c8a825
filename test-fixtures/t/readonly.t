#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""Commands that look at a queue leave it alone: over every packed queue names, bytes, owners,
modes, links and times stay what they were, and no lock is taken, which the system calls show."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import harness
from tap import Tap

tap = Tap()

# @IDS stands for the ids of the queue, @OUT for a folder elsewhere. Of commands that are not built
# in nothing is asked.
COMMANDS = [
    ["ls"], ["ls", "is:held or is:lost or is:queued"], ["ls", "--sort=-age", "is:damaged"],
    ["ls", "body:a", "--limit=3"], ["ls", "--format=mailq"], ["ls", "--format=mailq-verbose"],
    ["ls", "--format=mailq", "is:held"], ["ls", "--format=mailq", "is:lost"],
    ["ls", "--format=json"], ["ls", "--format=csv"], ["ls", "--format=ids0", "is:busy"],
    ["ls", "--by=rcpt-domain"], ["ls", "--by=status", "--format=json"], ["ls", "--explain", "a"],
    ["show", "@IDS"], ["show", "--format=json", "@IDS"], ["show", "--part=qf", "@IDS"],
    ["show", "--part=df", "@IDS"], ["show", "--part=xf", "@IDS"], ["show", "--part=eml", "@IDS"],
    ["show", "--part=headers", "@IDS"], ["show", "--part=body", "@IDS"],
    ["shape"], ["shape", "--by=from", "--format=json"], ["shape", "--format=csv"],
    ["orphans"], ["orphans", "--deep", "--format=json"], ["metrics"], ["doctor"],
    ["wait", "--for=idle", "--timeout=1s"],
    ["audit", "index", "--db=@OUT/audit.db", "--bodies"],
    ["salvage", "plan", "--from=@QUEUE", "--to=@OUT/to", "--plan=@OUT/plan"],
]
TRACED = ("damaged", "multi-dir-subdirs", "quarantine-cmd", "foreign-files")


def built_in():
    rows = harness.qf("--rows").stdout.decode().splitlines()
    return {row.split("\t")[0] for row in rows}


def command_lines(commands, queue, out):
    """The command lines for one queue."""
    ids = harness.qf("ls", "-C", "none", "-Q", queue, "--format=ids").stdout.decode(
        "utf-8", "surrogateescape").splitlines()
    # A file called just "qf" has an empty id, which no command line takes for one.
    ids = [id for id in ids if id]
    for command in COMMANDS:
        if command[0] not in commands or ("@IDS" in command and not ids):
            continue
        line = [command[0], "-C", "none"]
        if not any("@QUEUE" in word for word in command):
            line += ["-Q", queue]
        for word in command[1:]:
            line += ids if word == "@IDS" else [word.replace("@OUT", out).replace("@QUEUE", queue)]
        yield line


def check(commands, scenario, directory):
    top = harness.unpack(scenario, directory)
    # Groups are given by their directories here: no configuration is wanted.
    queue = harness.patterns(scenario, top)[0]
    out = os.path.join(directory, "out")
    os.makedirs(out + "/to", exist_ok=True)
    # An access time that would be moved is older than what has changed.
    for where, _, names in os.walk(top):
        for name in names:
            path = os.path.join(where, name)
            st = os.lstat(path)
            os.utime(path, ns=(st.st_mtime_ns - 10**12, st.st_mtime_ns), follow_symlinks=False)
    before = harness.snapshot(top)
    failed = []
    for line in command_lines(commands, queue, out):
        done = harness.qf(*line)
        # A part of a message may be missing (66), and some are no files (65). Of commands that
        # are built in later nothing is said here.
        right = (0, 1, 2, 65, 66) if line[0] == "show" else (0, 1, 2)
        if done.returncode < 0 or (line[0] in ("ls", "show", "shape")
                                   and done.returncode not in right):
            failed.append("%s: status %d: %s" % (" ".join(line)[:200], done.returncode,
                                                 done.stderr[:300].decode("utf-8", "replace")))
    difference = harness.differences(before, harness.snapshot(top))
    tap.ok(not difference, scenario + ": nothing is changed", difference)
    tap.ok(not failed, scenario + ": every command came to its end", "\n".join(failed))
    shutil.rmtree(os.path.join(directory, scenario))


def trace_works(directory):
    if not shutil.which("strace"):
        return "no strace"
    done = subprocess.run(["strace", "-o", os.path.join(directory, "trace"), "true"],
                          capture_output=True)
    return "" if done.returncode == 0 else "strace is not permitted here"


def suspicious(trace, top):
    """Lines of a trace that lock anything, or change anything of the queue."""
    found = []
    for line in trace.splitlines():
        if re.search(r"\bflock\(|\bfcntl\(.*F_(OFD_)?SETLKW?\b|\blockf\(", line):
            found.append(line)
        elif re.search(r"\bopen(at)?\(", line) and re.search(
                r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND", line):
            # What a command writes lies elsewhere; names without a slash are in the queue.
            if top in line or not re.search(r'"/', line):
                found.append(line)
        elif re.search(r"\b(rename|unlink|link|symlink|mkdir|rmdir|chmod|fchmod|chown|fchown|utime"
                       r"|utimensat|futimesat|truncate|ftruncate|setxattr|mknod)[a-z0-9]*\(", line):
            if top in line or not re.search(r'"/', line):
                found.append(line)
    return found


def check_calls(commands, scenario, directory):
    top = harness.unpack(scenario, directory)
    queue = harness.patterns(scenario, top)[0]
    out = os.path.join(directory, "out")
    log = os.path.join(directory, "trace")
    found, seen = [], 0
    for line in command_lines(commands, queue, out):
        if line[0] not in ("ls", "show", "shape"):
            continue
        subprocess.run(["strace", "-f", "-o", log, "-e", "trace=%file,%desc", harness.QF, *line],
                       stdin=subprocess.DEVNULL, capture_output=True)
        with open(log, errors="replace") as f:
            trace = f.read()
        seen += trace.count('"qf')
        found += ["%s: %s" % (line[0], call) for call in suspicious(trace, top)]
    tap.ok(not found, scenario + ": no lock, nothing opened for writing", "\n".join(found))
    tap.ok(seen > 0, scenario + ": the trace shows control files", "none seen")
    shutil.rmtree(os.path.join(directory, scenario))


def main():
    commands = built_in()
    tap.ok({"ls", "show", "shape"} <= commands, "qf tells its commands", commands)
    with tempfile.TemporaryDirectory() as directory:
        scenarios = harness.scenarios()
        tap.ok(len(scenarios) > 40, "there are packed queues")
        for scenario in scenarios:
            check(commands, scenario, directory)
        why = trace_works(directory)
        for scenario in TRACED:
            if why:
                tap.skip(scenario + ": system calls", why)
            else:
                check_calls(commands, scenario, directory)
    tap.done()


main()
