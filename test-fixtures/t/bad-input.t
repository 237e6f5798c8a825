#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""Bad input and bad luck: one line that says what, where and what to do, the right exit status, and
nothing on standard output that could be taken for a result."""
import os
import re
import resource
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from acceptance import (MadeQueue, NOBODY, as_nobody, fails, harness, ids_of, ls,
                        program_for_nobody, run, show, tap, temporary)

ID = "6AM700AA000001"


def made(path):
    q = MadeQueue(path)
    for i in range(1, 6):
        q.add("6AM700A%s00000%d" % ("?ABCDE"[i], i))
    return q


def test_command_line(q):
    for args, pattern in (((), "no command.*qf --help"),
                          (("bogus",), "bogus: no such command; qf --help"),
                          (("help", "bogus"), "bogus: no such command"),
                          (("--bogus",), "--bogus: no such command")):
        done = run(*args)
        tap.ok(done.status == 64 and done.out == b"" and done.err.count(b"\n") == 1 and
               re.match(rb"qf: ", done.err) and re.search(pattern.encode(), done.err),
               "qf %s: status 64" % " ".join(args), done)
    for command in ("ls", "show"):
        def bad(*args):
            return run(command, "-C", "none", "-Q", q.path, *args)

        for option, meant in (("--quue=x", "--queue"), ("--formt=json", "--format"),
                              ("--redat", "--redact"), ("--min-queu-age=1", "--min-queue-age"),
                              ("--colour=never", "--color")):
            fails(bad(option), 64, r"%s: no such option; did you mean %s\?" % (option, meant),
                  "%s %s: did you mean" % (command, option))
        fails(bad("--nothing-like-it"), 64, "--nothing-like-it: no such option; qf %s --help" %
              command, "%s: an option that does not exist" % command)
        fails(bad("-Z"), 64, "-Z: no such option", "%s -Z" % command)
        fails(bad("-vZ"), 64, "-Z: no such option", "%s -vZ" % command)
        for option in ("--format", "--now", "--jobs", "--max-ops", "--color", "--queue", "-Q", "-C",
                       "--config", "--queue-return", "--queue-warn", "--min-queue-age", "-vQ"):
            shown = "-Q" if option == "-vQ" else option
            fails(bad(option), 64, shown + ": needs a value", "%s %s without value" %
                  (command, option))
        for option, pattern in (
                ("--now=yesterday", "yesterday: --now takes a time such as @"),
                ("--now=2026-02-30", "--now takes"), ("--now=@", "--now takes"),
                ("--now=", "--now takes"), ("--jobs=many", "many: --jobs takes a number"),
                ("--jobs=-1", "-1: --jobs takes a number"), ("--max-ops=1.5", "--max-ops takes"),
                ("--max-ops=", "--max-ops takes a number"),
                ("--jobs=99999999999999999999", "--jobs takes"),
                ("--queue-return=soon", "soon: --queue-return takes a time span such.*never"),
                ("--queue-warn=5x", "--queue-warn takes"),
                ("--queue-return=-5d", "--queue-return takes"),
                ("--min-queue-age=never", "never: --min-queue-age takes a time span"),
                ("--min-queue-age=now", "--min-queue-age takes"),
                ("--min-queue-age=99999999999999999d", "--min-queue-age takes"),
                ("--color=maybe", "maybe: not a value of --color; one of: auto, always, never"),
                ("--format=xml", "xml: not a value of --format; one of: table.*json"),
                ("--redact=yes", "--redact=yes: takes no value"),
                ("--verbose=2", "--verbose=2: takes no value")):
            fails(bad(option), 64, pattern, "%s %s" % (command, option))
    for option, pattern in (
            ("--limit=-1", "-1: --limit takes a number"), ("--limit=x", "--limit takes"),
            ("--watch=soon", "soon: --watch takes a number"),
            ("--sort=bogus", "--sort: bogus: no such field; qf ls --help"),
            ("--sort=-bogus", "--sort: bogus: no such field"), ("--sort=", "--sort: .*no such"),
            ("--sort=header.", "--sort: header.: no such field"),
            ("--by=bogus", "--by: bogus: no such field"), ("--by=", "--by: .*no such field"),
            ("--columns=id,bogus", "--columns: bogus: no such field"),
            ("--columns=", "--columns: .*no such field"),
            ("--columns=id,,from", "--columns: .*no such field"),
            ("--columns=" + ",".join(["id"] * 65), "--columns: id: too many columns")):
        fails(ls(q.path, option), 64, pattern, "ls %s" % option[:40])
        if "columns" in option:
            fails(ls(q.path, option, "--format=csv"), 64, pattern, "ls --format=csv " + option[:40])
    fails(show(q.path, "--part=all", ID), 64, "all: not a value of --part; one of: qf, df, xf",
          "show --part=all")
    fails(show(q.path, "--body-limit=big", ID), 64, "big: --body-limit takes a size",
          "show --body-limit=big")
    fails(ls(q.path, "--now=\x1b[2J"), 64, r"\\x1b\[2J", "errors are made safe too")


def test_queues(q, tmp):
    fails(ls("/nonexistent/queue"), 66, "/nonexistent/queue: .*No such file", "no such directory")
    fails(show("/nonexistent", ID), 66, "/nonexistent: .*No such file", "show: no such directory")
    fails(ls(__file__), 66, "not a directory", "a file as queue")
    fails(ls(""), 66, "empty path", "an empty path")
    fails(ls(tmp + "/none*"), 66, "none\\*: no directory has such a name",
          "a pattern without match")
    fails(ls(tmp + "/m*/qf"), 66, r"m\*/qf: ", "a star that is not the last character")
    fails(ls(os.path.join(tmp, "x" * 300)), 66, "name too long", "a path that is too long")
    done = ls(q.path, "--format=ids", "-Q", "/nonexistent")
    tap.ok(done.status == 2 and done.lines() == q.order() and
           re.fullmatch(rb"qf: ls: /nonexistent: .*No such file.*\n", done.err),
           "one of several queues is missing: it is named, the rest is listed, status 2", done)

    # The directory above the one that was meant.
    for scenario, hint in (("multi-dir", r"try -Q '(\S+/mqueue/q\*)'"),
                           ("multi-dir-subdirs", r"try -Q '(\S+/mqueue/q\*)'")):
        top = harness.unpack(scenario, tmp + "/above")
        for args in ((), ("--format=json",), ("--format=mailq",), ("--by=status",), ("is:held",)):
            fails(ls(top, *args), 66, hint, "%s: the directory above: the pattern is named %s" %
                  (scenario, " ".join(args)))
        fails(show(top, ID), 66, hint, "%s: show of the directory above" % scenario)
        pattern = re.search(hint, ls(top).err.decode()).group(1)
        done = ls(pattern)
        tap.ok(done.status == 0 and len(done.lines()) > 10, "%s: the pattern lists the queue" %
               scenario, done)
    one = MadeQueue(tmp + "/spool/mqueue")
    one.add(ID)
    fails(ls(tmp + "/spool"), 66, r"spool: .*try -Q '\S*/spool/mqueue'",
          "a directory above a single queue: that one is named")
    split = MadeQueue(tmp + "/split", split=True)
    split.add(ID)
    tap.ok(ids_of(split.path) == [ID], "a directory with qf/ is the queue itself")
    os.mkdir(tmp + "/spool/empty")
    done = ls(tmp + "/spool/empty")
    tap.ok(done.status == 0 and done.out == b"" and b"no messages" in done.err,
           "an empty directory is an empty queue", done)

    # A loop of links, a link to nothing.
    os.symlink("loop", tmp + "/loop")
    fails(ls(tmp + "/loop"), 66, "loop: .*symbolic links", "a symbolic link to itself")
    os.symlink("/nonexistent", tmp + "/dangling")
    fails(ls(tmp + "/dangling"), 66, "dangling: .*No such file", "a symbolic link to nothing")
    os.symlink(q.path, tmp + "/link")
    tap.ok(ids_of(tmp + "/link") == q.order(), "a symbolic link to a queue is that queue")


def test_configuration(q, tmp):
    def cf(text, *args, queue=True):
        path = os.path.join(tmp, "test.cf")
        with open(path, "w") as f:
            f.write(text)
        return run("ls", "-C", path, *(["-Q", q.path] if queue else []), "--format=ids", *args)

    fails(run("ls", "-C", tmp + "/none.cf"), 66, "none.cf: .*No such file",
          "-C of a file that is not there")
    fails(run("ls", "-C", tmp + "/none.cf", "-Q", q.path), 66, "none.cf: .*No such file",
          "-C of a file that is not there, with -Q")
    fails(run("show", "-C", tmp + "/none.cf", "-Q", q.path, ID), 66, "none.cf: .*No such file",
          "show -C of a file that is not there")
    fails(run("ls", "-C", tmp, "-Q", q.path), 78, "not a", "-C of a directory")
    fails(cf("O MinQueueAge=soon\n"), 78, r"test.cf:1:\d+: ",
          "a value that cannot be understood: file, line and column")
    fails(cf("V10\n\nO Timeout.queuereturn=later\n"), 78, r"test.cf:3:\d+: ",
          "the line that is to blame")
    fails(cf("O QueueDirectory=%s/gone\n" % tmp, queue=False), 66, "gone",
          "a queue of the configuration that is not there")
    done = cf("O QueueDirectory=%s\n" % q.path, queue=False)
    tap.ok(done.status == 0 and done.lines() == q.order(), "the queue of the configuration", done)


def test_permissions(q, tmp):
    if os.getuid() != 0:
        tap.skip("what other users may not see", "this takes root")
        return
    program = program_for_nobody(tmp)

    def nobody(*args, command="ls"):
        return run(command, "-C", "none", *args, program=program, preexec_fn=as_nobody)

    secret = made(tmp + "/secret")
    opened = made(tmp + "/opened")
    for id in opened.order():
        os.chmod(opened.place("qf" + id), 0o644)
        os.chmod(opened.place("df" + id), 0o644)
    os.chmod(opened.path, 0o755)
    for args in ((), ("--format=json",), ("--format=csv",), ("--by=status",), ("--sort=age",),
                 ("is:held",)):
        fails(nobody("-Q", secret.path, *args), 77, "secret: .*Permission denied; .*root",
              "a queue that may not be read: status 77 %s" % " ".join(args))
    fails(nobody("-Q", secret.path, ID, command="show"), 77, "secret: .*Permission denied; .*root",
          "show: a queue that may not be read")
    os.chmod(secret.path, 0o711)
    fails(nobody("-Q", secret.path), 77, "secret: .*Permission denied",
          "a queue that may be entered, but not listed")
    os.chmod(secret.path, 0o700)
    for args, wanted in (
            (("--format=ids",), 5), (("--format=json",), 5), (("--format=csv",), 6), ((), 6),
            (("--sort=-age", "--format=ids"), 5), (("--by=state", "--format=json"), 1),
            (("is:held",), 0)):
        done = nobody("-Q", secret.path, "-Q", opened.path, *args)
        tap.ok(done.status == 2 and len(done.lines()) == wanted and
               re.fullmatch(rb"qf: ls: \S+/secret: .*Permission denied.*\n", done.err),
               "one of several may not be read: named, status 2, the rest is listed %s" %
               " ".join(args), done)
    done = nobody("-Q", secret.path, "-Q", opened.path, "--format=mailq")
    tap.ok(done.status == 2 and b"Total requests: 5" in done.out and b"secret" in done.err,
           "in mailq's form too", done)
    done = nobody("-Q", secret.path, "-Q", opened.path, ID, command="show")
    tap.ok(done.status == 2 and b"secret" in done.err and b"State" in done.out,
           "show: one of several may not be read: it may hold the id too, status 2", done)
    done = nobody("-Q", secret.path, "-Q", opened.path, "nosuch", command="show")
    tap.ok(done.status == 2 and done.out == b"" and b"secret" in done.err and
           b"nosuch: no such message" in done.err, "show: an id that may be there: status 2", done)
    done = nobody("-Q", secret.path, "-Q", secret.path + "2")
    tap.ok(done.status in (66, 77) and done.out == b"" and b"secret" in done.err,
           "none of several can be read: 66 or 77", done)

    # A control file that may not be read.
    os.chmod(opened.place("qf" + ID), 0o600)
    for args, wanted in ((("--format=ids",), 5), (("--format=json",), 5), (("--sort=id",), 6),
                         (("from:nobody",), 0), (("--format=ids", "is:queued"), 4)):
        done = nobody("-Q", opened.path, *args)
        tap.ok(done.status == 2 and len(done.lines()) == wanted and
               re.fullmatch(rb"qf: ls: \S+/opened/qf%s: cannot read: Permission denied\n" %
                            ID.encode(), done.err),
               "a control file that may not be read: named, status 2 %s" % " ".join(args), done)
    done = nobody("-Q", opened.path, "--by=state", "--format=json")
    tap.ok(done.status == 2 and b"qf" + ID.encode() in done.err, "the same with --by", done)
    done = nobody("-Q", opened.path, "--format=mailq")
    tap.ok(done.status == 2 and ID.encode() + b" (Permission denied)" in done.out,
           "mailq's form says it as mailq does", done)
    done = nobody("-Q", opened.path, ID, command="show")
    named = rb"qf: show: \S+/qf%s: cannot read: Permission denied\n" % ID.encode()
    tap.ok(done.status == 2 and re.fullmatch(named, done.err),
           "show of it: named, status 2", done)
    fails(nobody("-Q", opened.path, "--part=qf", ID, command="show"), 77,
          "qf%s: .*Permission denied" % ID, "show --part of it: status 77")
    os.chmod(opened.place("df6AM700AB000002"), 0o600)
    fails(nobody("-Q", opened.path, "--part=df", "6AM700AB000002", command="show"), 77,
          "df6AM700AB000002: .*Permission denied", "show --part=df that may not be read: status 77")
    os.chmod(opened.place("qf" + ID), 0o644)
    done = nobody("-Q", opened.path, "id:AB", "--format=csv")
    tap.ok(done.status == 0 and b",5,<ann@" in done.out,
           "the size of a body that may not be read is known all the same", done)

    # Configurations, and who may look.
    cf = os.path.join(tmp, "secret.cf")
    with open(cf, "w") as f:
        f.write("O PrivacyOptions=authwarnings, restrictmailq\n")
    os.chmod(cf, 0o600)
    fails(run("ls", "-C", cf, "-Q", opened.path, program=program, preexec_fn=as_nobody), 77,
          "secret.cf: .*Permission denied", "-C of a file that may not be read")
    os.chmod(cf, 0o644)
    fails(run("ls", "-C", cf, "-Q", opened.path, program=program, preexec_fn=as_nobody), 77,
          "opened: .*restrictmailq; be root or in the queue's group",
          "who is shut out by restrictmailq gets 77")
    with open(cf, "a") as f:
        f.write("O PrivacyOptions=noexpn\n")
    fails(run("ls", "-C", cf, "-Q", opened.path, program=program, preexec_fn=as_nobody), 77,
          "restrictmailq", "a later line of PrivacyOptions opens nothing: sendmail adds them up")
    away = os.path.join(tmp, "goaway.cf")
    with open(away, "w") as f:
        f.write("O PrivacyOptions=goaway\n")
    done = run("ls", "-C", away, "-Q", opened.path, "--format=ids", program=program,
               preexec_fn=as_nobody)
    tap.ok(done.status != 77 and len(done.lines()) == 5, "goaway shuts nobody out, as in sendmail",
           done)
    fails(run("show", "-C", cf, "-Q", opened.path, "6AM700AB000002", program=program,
              preexec_fn=as_nobody), 77, "restrictmailq", "show too")
    done = run("ls", "-C", cf, "-Q", opened.path, "--format=ids")
    tap.ok(done.status == 0 and len(done.lines()) == 5, "root is not shut out", done)
    os.chown(opened.path, 0, NOBODY)
    done = run("ls", "-C", cf, "-Q", opened.path, "--format=ids", program=program,
               preexec_fn=as_nobody)
    tap.ok(done.status == 0 and len(done.lines()) == 5, "nor is the queue's group", done)


def test_output(q):
    if os.path.exists("/dev/full"):
        with open("/dev/full", "wb") as full:
            for args in (("ls", "-C", "none", "-Q", q.path),
                         ("ls", "-C", "none", "-Q", q.path, "--format=json"),
                         ("ls", "-C", "none", "-Q", q.path, "--format=mailq"),
                         ("ls", "-C", "none", "-Q", q.path, "--by=state"),
                         ("ls", "-C", "none", "-Q", q.path, "--sort=id"),
                         ("show", "-C", "none", "-Q", q.path, ID),
                         ("show", "-C", "none", "-Q", q.path, "--part=df", ID),
                         ("ls", "--help")):
                done = run(*args, stdout=full)
                tap.ok(done.status == 74 and
                       re.fullmatch(rb"qf: (ls: |show: )?standard output: .*No space left.*\n",
                                    done.err),
                       "a full disk: status 74: qf %s" % " ".join(args[:1] + args[5:]), done)
            done = run("--version", stdout=full)
            tap.ok(done.status == 74 and b"No space" in done.err, "a full disk: qf --version", done)
    else:
        tap.skip("a full disk", "no /dev/full")
    for args in (("ls", "-C", "none", "-Q", q.path), ("ls", "-C", "none", "-Q", q.path,
                                                      "--format=mailq"),
                 ("show", "-C", "none", "-Q", q.path, ID), ("--help",)):
        done = run(*args, stdout=None, preexec_fn=lambda: os.close(1))
        tap.ok(done.status == 74 and
               re.search(rb"standard output: .*Bad file descriptor", done.err),
               "standard output is closed: status 74: qf %s" % args[0], done)
    done = run("ls", "-C", "none", "-Q", q.path, "from:nobody", stdout=None,
               preexec_fn=lambda: os.close(1))
    tap.ok(done.status == 1, "nothing to write into a closed standard output is no error", done)
    done = run("ls", "-C", "none", "-Q", q.path, "--format=ids", "--bogus", stderr=None,
               preexec_fn=lambda: os.close(2))
    tap.ok(done.status == 64 and done.out == b"", "standard error is closed", done)
    done = run("ls", "-C", "none", "-Q", q.path, "--format=ids", stdin=None,
               preexec_fn=lambda: os.close(0))
    tap.ok(done.status == 0 and done.lines() == q.order(), "standard input is closed", done)


def test_limits(q, tmp):
    deep = MadeQueue(tmp + "/deep")
    deep.add(ID, M="a" * 5000 + "!")
    fails(ls(deep.path, "status:/^(a+)+$/"), 65, "pattern|match|steps",
          "a pattern that takes too many steps is an error, never \"no match\"")
    done = ls(q.path, "--format=ids", " or ".join(["from:nobody"] * 2000 + ["id:AA"]))
    tap.ok(done.status in (0, 64), "a filter of 2,000 terms", done)
    done = ls(q.path, "--format=ids", "(" * 20000 + "from:ann" + ")" * 20000)
    tap.ok(done.status in (0, 64) and (done.status == 0 or done.err.count(b"\n") == 1),
           "20,000 parentheses", done)
    done = ls(q.path, "--format=ids", "not " * 30000 + "from:ann")
    tap.ok(done.status in (0, 64), "30,000 times not", done)

    def few_files():
        resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12))

    done = ls(q.path, "--format=ids", preexec_fn=few_files)
    tap.ok(done.status in (0, 2, 71, 74) and (done.status == 0 or done.err),
           "few file descriptors: done, or said", done)

    def no_memory():
        resource.setrlimit(resource.RLIMIT_AS, (24 << 20, 24 << 20))

    done = ls(q.path, preexec_fn=no_memory)
    tap.ok(done.status == 0 or (done.status > 0 and done.err), "little memory: done, or said", done)


def main():
    with temporary() as tmp:
        q = made(tmp + "/made")
        test_command_line(q)
        test_queues(q, tmp)
        test_configuration(q, tmp)
        test_permissions(q, tmp)
        test_output(q)
        test_limits(q, tmp)
    tap.done()


main()
