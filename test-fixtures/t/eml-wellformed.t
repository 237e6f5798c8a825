#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""`qf show --part=eml` of every message in the corpus is a well-formed message (RFC 5322): fields,
a blank line, the data file as it is. No sendmail is needed; eml-oracle.t has one.
"""
import email
import email.policy
import glob
import os
import re
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.environ.get("QF_FIXTURES", os.path.dirname(HERE))
QF = os.environ.get("QF", "build/qf")
FIELD = re.compile(rb"[!-9;-~]+:")

results = 0


def report(good, name, why=()):
    global results
    results += 1
    print("%sok %d - %s" % ("" if good else "not ", results, name), flush=True)
    for line in why[:20]:
        print("# " + line[:300].encode("unicode_escape").decode(), flush=True)


def faults(eml, body):
    """What is wrong with it, in words."""
    if not eml.endswith(b"\n" + body):
        return ["does not end with a blank line and the data file"]
    headers = eml[:len(eml) - len(body) - 1]
    why = []
    if headers and not headers.endswith(b"\n"):
        why.append("no blank line before the body")
    lines = headers.split(b"\n")[:-1]
    for i, line in enumerate(lines):
        if not FIELD.match(line) and not (i and line[:1] in b" \t"):
            why.append("no field: %r" % line)
        # What could be folded: a blank with a word before and after it.
        value = line.partition(b":")[2] if FIELD.match(line) else line
        if len(line) > 998 and re.search(rb"[^ \t][ \t]+[^ \t]", value):
            why.append("%d bytes in a line" % len(line))
    names = [line.partition(b":")[0].lower() for line in lines if FIELD.match(line)]
    for name in (b"return-path", b"full-name"):
        if name in names:
            why.append("%s is not for SMTP" % name.decode())
    message = email.message_from_bytes(eml, policy=email.policy.compat32)
    got = [name.lower().encode() for name in message.keys()]
    # Its parser takes a CR for a line end, which RFC 5322 does not know.
    if b"\r" not in headers and got != names:
        why.append("read as %r" % got)
    return why


def main():
    corpus = os.environ.get("QF_CORPUS", os.path.join(FIXTURES, "queues"))
    archives = sorted(glob.glob(os.path.join(corpus, "*", "queue.tar.gz")))
    report(bool(archives), "there are queues in " + corpus)
    for archive in archives:
        scenario = os.path.basename(os.path.dirname(archive))
        # Hundreds of the same few messages; those cut short are in crash-partial-qf.
        if scenario.startswith("crash-") and scenario != "crash-partial-qf":
            continue
        why, count = [], 0
        with tempfile.TemporaryDirectory() as top:
            subprocess.run(["tar", "-C", top, "-xpzf", archive], check=True)
            for data in sorted(glob.glob(os.path.join(top, "*", "df*"))):
                queue, name = os.path.split(data)
                # One control file of a name that sendmail takes: no other is asked for.
                control = [p for p in ("qf", "hf", "Qf")
                           if os.path.isfile(os.path.join(queue, p + name[2:]))]
                if len(control) != 1 or len(name) > 20:
                    continue
                # A damaged one whose body is said to lie in a directory that is not there.
                with open(os.path.join(queue, control[0] + name[2:]), "rb") as f:
                    if b"\nd" in f.read():
                        continue
                done = subprocess.run([QF, "show", "-Q", queue, "-C", "none", "--part=eml", "--",
                                       name[2:]], capture_output=True)
                with open(data, "rb") as f:
                    found = faults(done.stdout, f.read())
                if done.returncode or done.stderr:
                    found.append("status %d: %s" % (done.returncode, done.stderr.decode()))
                why += ["%s: %s" % (name, fault) for fault in found]
                count += 1
        if count:
            report(not why, "%s: %d messages" % (scenario, count), why)
    print("1..%d" % results)


main()
