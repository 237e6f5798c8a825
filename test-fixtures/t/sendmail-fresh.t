#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""Real sendmail takes fresh mail over SMTP, tries it, holds some of it; at every step qf lists the
queue as sendmail does, and says of it what was done."""
import json
import os
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import harness
import lab as laboratory
from tap import Tap, skip_all

tap = Tap()
MESSAGES = [
    ("ann@src.example", ["bob@dst.example"], b"Subject: one\n\nhello\n", ()),
    ("", ["bob@dst.example"], b"Subject: no sender\n\nhello\n", ()),
    ("ann@src.example", ["r%d@dst%d.example" % (i, i % 3) for i in range(12)],
     b"Subject: many\n\n" + b"x" * 70000 + b"\n", ()),
    ("ann@src.example", ['"a b\\\\c"@dst.example', "a-very-long-local-part-of-an-address"
                         "-that-takes-more-than-one-line@a-long-domain-name.dst.example"],
     b"Subject: odd\n\n", ()),
    ("ann@src.example", ["bob@dst.example"], "Subject: gr\u00fcn\n\n\u00fc\n".encode(),
     ("BODY=8BITMIME", "RET=HDRS", "ENVID=abc+2B1")),
    ("ann@src.example", ["carl@dst.example"],
     b"Subject: long\nReferences: " + b" <%040d@x.example>" * 60 % tuple(range(60)) + b"\n\nx\n",
     ()),
]


def listed(lab, *args):
    """qf's objects of the queue."""
    lines = harness.qf("ls", "-C", lab.cf, "--format=json", *args).stdout.splitlines()
    return [json.loads(line) for line in lines]


def compare(lab, when):
    for name, args, which in (("", [], []), ("held ", ["-qQ"], ["is:held"]),
                              ("lost ", ["-qL"], ["is:lost"])):
        for verbose in (False, True):
            got = harness.mailq(lab.queue, lab.cf, verbose, which)
            real = lab.mailq(*(["-v"] if verbose else []), *args, env={"TZ": "UTC"})
            tap.same(got, real, "%s: the %slist%s" % (when, name, ", verbose" * verbose))


def accept(lab):
    daemon = lab.daemon()
    ids = []
    for sender, recipients, message, options in MESSAGES:
        reply = laboratory.submit(daemon.port, sender, recipients, message, options)
        ids.append(laboratory.queue_id(reply))
    return daemon, ids


def check_delivery_now(lab, sink):
    """A delivery that hangs: the message is busy."""
    sink.clear()
    sink.answer("data", laboratory.HANG)
    runner = lab.daemon("-q1s", "-ODeliveryMode=queueonly", "-OMinQueueAge=0",
                        "-OTimeout.datainit=2m")

    def busy():
        told = listed(lab, "is:busy")
        return told if told else None
    try:
        found = laboratory.wait_until(busy, timeout=15)
    except TimeoutError:
        if any(entry["busy"] is None for entry in listed(lab)):
            tap.skip("a message in delivery is busy", "locks of others cannot be seen here")
        else:
            tap.ok(False, "a message in delivery is busy")
        runner.kill()
        return
    tap.ok(True, "a message in delivery is busy")
    for verbose in (False, True):
        # Deliveries begin and end meanwhile: both have to be asked at a quiet moment.
        for _ in range(20):
            got = harness.mailq(lab.queue, lab.cf, verbose)
            real = lab.mailq(*(["-v"] if verbose else []), env={"TZ": "UTC"})
            if got == real and b"*" in got:
                break
            time.sleep(.2)
        tap.same(got, real, "in delivery: the list" + ", verbose" * verbose)
        tap.ok(found[0]["id"].encode() + b"*" in got, "in delivery: marked")
    runner.kill()
    tap.ok(not listed(lab, "is:busy"), "busy no longer when the deliveries are killed")


def main():
    try:
        lab = laboratory.Lab()
    except laboratory.Missing as why:
        skip_all(why)
    with lab, laboratory.Sink() as sink:
        lab.relay_to(sink)
        compare(lab, "empty")
        daemon, ids = accept(lab)
        compare(lab, "accepted")
        found = {entry["id"]: entry for entry in listed(lab)}
        tap.ok(sorted(found) == sorted(ids), "every message that was accepted is there",
               sorted(found), sorted(ids))
        tap.ok([len(found[i]["recipients"]) for i in ids] == [len(m[1]) for m in MESSAGES],
               "with every recipient")
        tap.ok([found[i]["subject"] for i in ids] == ["one", "no sender", "many", "odd",
                                                      "gr\u00fcn", "long"], "and its subject")
        tap.ok(all(entry["tries"] == 0 and not entry["diagnostics"] for entry in found.values()),
               "untried and sound")

        sink.answer("rcpt", "450 4.2.0 not \xfc yet")
        sink.answer("rcpt", "421 4.3.2 go away", only="r1@")
        lab.run_queue()
        compare(lab, "deferred")
        again = {entry["id"]: entry for entry in listed(lab)}
        tap.ok(again.keys() == found.keys(), "deferred: nothing is gone")
        tap.ok(all(entry["tries"] == 1 and entry["last_try"] for entry in again.values()),
               "deferred: tried once")

        lab.call("-Qneeds review", "-qI" + ids[0])
        compare(lab, "one held")
        tap.ok([(e["id"], e["quarantine"]) for e in listed(lab, "is:held")]
               == [(ids[0], "needs review")], "one held: with its reason")
        # As a queue of another configuration: young ones are marked.
        lab.set(MinQueueAge="30m")
        compare(lab, "young")
        tap.ok({e["id"] for e in listed(lab, "is:young")} >= set(ids[1:]), "young: told so")
        lab.set(MinQueueAge="0")
        daemon.stop()

        check_delivery_now(lab, sink)
        sink.stop()
    tap.done()


main()
