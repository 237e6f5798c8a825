#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""Every packed queue through qf orphans: each file is accounted for, and each damaged one gets the
cause that the notes beside the queue tell.

files = whole + live + ignored + orphans, and the files are those that lie there, counted by another
program. A queue that sendmail left in order has no orphans.
"""
import base64
import concurrent.futures
import glob
import json
import os
import re
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import harness
from tap import Tap

try:
    from jsonschema import Draft202012Validator
    with open(os.path.join(os.path.dirname(harness.FIXTURES), "docs/schema/orphan.json")) as schema:
        VALIDATOR = Draft202012Validator(json.load(schema))
except ImportError:
    VALIDATOR = None

# What the read-me says of single queues: names by cause, without --deep.
NOTES = {
    "orphan-qf": {"qf-alone": 2},
    "stale-tf": {"tf-beside": 1},
    "stale-tf-run": {"tf-aside": 1},
    "enospc": {"qf-empty": 2, "tf-beside": 1},
    "foreign-files": {"qf-name": 5, "not-regular": 4},
    "listing-mutates": {"qf-alone": 2, "qf-empty": 3},
    "crash-smtp-syscall": {"df-alone": 25, "qf-alone": 1, "qf-empty": 9, "tf-beside": 4},
    "crash-delivery-syscall": {"qf-alone": 3, "qf-empty": 6, "tf-beside": 3},
    "crash-smtp-random": {"df-alone": 6},
    "crash-queuerun-random": {"df-alone": 6},
    "crash-recovered": {"df-alone": 6},
    "crash-subdirs": {"df-alone": 5},
    "crash-partial-qf": {"tf-beside": 12, "xf-left": 22, "qf-empty": 2},
    "damaged": {"df-alone": 1, "qf-alone": 1, "qf-unsafe": 2, "qf-linked": 3, "qf-empty": 2},
    "poison": {"df-alone": 1, "qf-lost": 14, "qf-empty": 2},
    "lost": {"df-alone": 2, "qf-lost": 18, "qf-empty": 2},
}
# And with it: what else comes to light.
DEEP = {
    "orphan-qf-run": {"df-placeholder": 2},
    "crash-partial-qf": {"tf-beside": 12, "xf-left": 22, "qf-empty": 2, "qf-cut": 18},
    "damaged": {"df-alone": 1, "qf-alone": 1, "qf-unsafe": 2, "qf-linked": 3, "qf-empty": 2,
                "qf-bogus": 16, "qf-cut": 6, "qf-no-sender": 2, "qf-no-rcpt": 2},
    "poison": {"df-alone": 1, "qf-lost": 14, "qf-empty": 2, "qf-name": 2, "qf-bogus": 4,
               "qf-cut": 6, "qf-no-sender": 2, "qf-no-rcpt": 2, "df-placeholder": 2},
    "lost": {"df-alone": 2, "qf-lost": 18, "qf-empty": 2, "qf-cut": 6},
}
# damage.txt, to the letter. Two of its entries are sound messages to whoever reads them: CRLF line
# ends, and a body that became empty; an owner that is not root is none of sendmail's concern.
DAMAGE = {
    "unknown line type X before the end": "qf-bogus",
    "line after the terminating dot": "qf-bogus",
    "version 99": "qf-bogus",
    "group/world writable mode 0666": "qf-unsafe",
    "owned by another uid (2003)": None,
    "no terminating dot": "qf-cut",
    "cut at half": "qf-cut",
    "d line naming an unknown directory": "qf-bogus",
    '"From " line': "qf-bogus",
    "bad body type": "qf-bogus",
    "emptied qf (young, so kept by sendmail)": "qf-empty",
    "no S line": "qf-no-sender",
    "no R line": "qf-no-rcpt",
    "all NULs (as after a power cut)": "qf-bogus",
    "second half NULs": "qf-cut",
    "CRLF line ends": None,
    "df removed": "qf-alone",
    "df truncated to 0": None,
    "qf removed": "df-alone",
    "bad xtext in A line": "qf-bogus",
    "second hard link named qfHARDLINK00000001": "qf-linked",
}


def count_files(queue):
    """Directory entries of a queue directory or pattern, as the interface counts them."""
    n = 0
    for top in glob.glob(queue.rstrip("/")) if "*" in queue else [queue.rstrip("/")]:
        split = [s for s in ("qf", "df", "xf") if os.path.isdir(os.path.join(top, s))]
        for where in [top] + [os.path.join(top, s) for s in split]:
            n += sum(1 for name in os.listdir(os.fsencode(where))
                     if name != b".qf" and not (where == top and os.fsdecode(name) in split))
    return n


def look(directory, scenario, *options):
    top = harness.unpack(scenario, directory)
    queue, groups = harness.patterns(scenario, top)
    queues = [queue] + re.findall(r"P=(.*)", groups)
    args = [arg for q in queues for arg in ("-Q", q)]
    if scenario == "msp":
        config = os.path.join(directory, "msp.cf")
        with open(config, "w") as f:
            f.write("O QueueFileMode=0660\n")
        args += ["-C", config]
    else:
        args += ["-C", "none"]
    result = harness.qf("orphans", "--format=json", "--grace=0", *args, *options)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return result, lines[:-1], lines[-1] if lines else {}, sum(map(count_files, queues))


def names_of(record):
    """Names of the files of a record, as they are on disk."""
    raw = record.get("raw", {})
    return [base64.b64decode(raw["files.%d" % i]) if "files.%d" % i in raw else os.fsencode(name)
            for i, name in enumerate(record["files"])]


def check_one(job):
    """What is wrong with one queue: (label, text) for each check."""
    scenario, deep = job
    label = scenario + (" --deep" if deep else "")
    with tempfile.TemporaryDirectory() as directory:
        result, found, total, files = look(directory, scenario, *(["--deep"] if deep else []))
        names = [name for record in found for name in names_of(record)]
        wanted = (DEEP if deep and scenario in DEEP else NOTES).get(scenario, {})
        bad = [error.message for record in found + [total] for error in
               (VALIDATOR.iter_errors(record) if VALIDATOR else [])]
        return [
            (not bad, label + ": to the schema", *bad[:5]),
            (total and total["files"] == files == total["whole"] + total["live"]
             + total["ignored"] + total["orphans"], label + ": every file is accounted for",
             "%d files" % files, result.stdout[-2000:], result.stderr),
            (len(names) == len(set(names)) == total["orphans"] == sum(total["causes"].values())
             == sum(total["verdicts"].values()) and all(map(os.path.lexists, names)),
             label + ": each in one place, and there", result.stdout[-2000:]),
            (total["causes"] == wanted and total["live"] == 0,
             label + ": the causes of the notes", total["causes"], "wanted: %s" % wanted),
            (result.returncode == (1 if wanted else 0) and not result.stderr,
             label + ": status", result.returncode, result.stderr)]


def check_damage(tap):
    with open(os.path.join(harness.CORPUS, "damaged", "damage.txt")) as f:
        notes = dict(line.rstrip("\n").split(None, 1) for line in f if line.strip())
    with tempfile.TemporaryDirectory() as directory:
        _, found, _, _ = look(directory, "damaged", "--deep")
    causes = {}
    for record in found:
        causes.setdefault(record["id"], []).append(record["cause"])
    for id, note in notes.items():
        wanted = [DAMAGE[note]] if DAMAGE[note] else []
        got = causes.pop(id, [])
        tap.ok(got == wanted, "damaged: %s" % note, got, wanted)
    tap.ok(not causes, "damaged: nothing else", causes)


def main():
    tap = Tap()
    jobs = [(scenario, deep) for scenario in harness.scenarios() for deep in (False, True)]
    # Most of the time each waits between its two looks.
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        for results in pool.map(check_one, jobs):
            for result in results:
                tap.ok(*result)
    check_damage(tap)
    tap.ok(tap.results > 100, "there were packed queues")
    tap.done()


main()
