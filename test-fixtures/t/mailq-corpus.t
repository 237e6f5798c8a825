#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""Every packed queue as mailq prints it, against what sendmail printed when it was packed, and
against what sendmail prints of the same unpacked copy.

Entries of equal priority come in the order of the directory, which an unpacked copy need not have:
against the recorded text entries are compared without their order, against sendmail with it.
"""
import os
import re
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import harness
import lab as laboratory
from tap import Tap

LISTINGS = (("mailq.txt", [], False, []), ("mailq-v.txt", ["-v"], True, []),
            ("mailq-qQ.txt", ["-qQ"], False, ["is:held"]),
            ("mailq-qL.txt", ["-qL"], False, ["is:lost"]))
OPTIONS = {"msp": {"QueueFileMode": "0660"}, "ages-minqueueage": {"MinQueueAge": "30m"}}


def unchanced(text):
    """Without the error text that chance puts behind this complaint."""
    return re.sub(rb"(?m)^(gatherq: .* is not a regular file): .*$", rb"\1", text)


def entries(text, top):
    """A listing as its headings with their entries, sorted."""
    ids = sorted({name[2:] for _, _, names in os.walk(top) for name in names
                  if name[:2] in ("qf", "hf", "Qf")}, key=len, reverse=True)
    starts = [id.rjust(13).encode("utf-8", "surrogateescape") for id in ids]
    found = []
    for line in text.split(b"\n"):
        if any(line.startswith(start) for start in starts):
            found.append([line])
        elif found and (line.startswith((b"\t\t\t", b"\t\t (", b"    ", b"?", b"-", b"*"))
                        or re.match(rb" +(-1|\d+) ", line)):
            found[-1].append(line)
        else:
            found.append([line])
    return sorted(found)


def is_in_order(text):
    """Does every list of this verbose text have its priorities ascending?"""
    for section in re.split(rb"(?m)^\t\t/", text):
        found = [int(p) for p in re.findall(rb"(?m)^.{13,}? +-?\d+ +(-?\d+)[ +][A-Z][a-z][a-z] +\d",
                                            section)]
        if found != sorted(found):
            return False
    return True


def write_config(directory, queue, groups, options):
    path = os.path.join(directory, "qf.cf")
    with open(path, "w") as f:
        f.write("O QueueDirectory=%s\n%s" % (queue, groups))
        f.writelines("O %s=%s\n" % option for option in options.items())
    return path


def check(tap, scenario, listing, have_sendmail):
    name, args, verbose, which = listing
    with open(os.path.join(harness.CORPUS, scenario, name), "rb") as f:
        recorded = unchanced(f.read())
    with tempfile.TemporaryDirectory() as directory:
        top = harness.unpack(scenario, directory)
        queue, groups = harness.patterns(scenario, top)
        options = OPTIONS.get(scenario, {})
        config = write_config(directory, queue, groups, options)
        form = "--format=mailq-verbose" if verbose else "--format=mailq"
        got = harness.qf("ls", "-C", config, form, *which).stdout
        label = "%s %s" % (scenario, name)
        # Each of these was recorded of what the one before had left.
        if scenario != "listing-mutates" or name == "mailq.txt":
            moved = got.replace(directory.encode() + b"/" + scenario.encode() + b"/",
                                b"/srv/spool/").replace(b"mqueue-stale/", b"")
            moved = entries(moved, top)
            wanted = entries(recorded.replace(b"mqueue-stale/", b""), top)
            tap.ok(moved == wanted, label + ": the entries that were recorded",
                   "\n".join(map(repr, [e for e in moved if e not in wanted][:10])),
                   "wanted: " + "\n".join(map(repr, [e for e in wanted if e not in moved][:10])))
        if verbose:
            tap.ok(is_in_order(got), label + ": in order of priority")
        if have_sendmail:
            with laboratory.Lab(queue=queue, options=options, extra=groups) as lab:
                real = unchanced(lab.mailq(*args, env={"TZ": "UTC"}))
            tap.same(got, real, label + ": byte for byte what sendmail prints of this copy")
        else:
            tap.skip(label + ": what sendmail prints of this copy", "no sendmail")


def main():
    tap = Tap()
    have_sendmail = True
    try:
        laboratory.find_sendmail(), laboratory.find_cf()
    except laboratory.Missing:
        have_sendmail = False
    for scenario in harness.scenarios():
        for listing in LISTINGS:
            if os.path.exists(os.path.join(harness.CORPUS, scenario, listing[0])):
                check(tap, scenario, listing, have_sendmail)
    tap.ok(tap.results > 100, "there were packed queues")
    tap.done()


main()
