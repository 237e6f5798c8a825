#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""JSON of every queue of the corpus: it keeps to docs/schema, and it says what the files say.

The second half is an independent reading: control files are read here by the rules of sendmail's
readqf(), with no code of the library, and compared with what `qf ls` printed, byte for byte.
"""
import base64
import copy
import datetime
import glob
import json
import os
import re
import subprocess
import tempfile

try:
    from jsonschema import Draft202012Validator
    NO_SCHEMA = None
except ImportError:
    NO_SCHEMA = "python3-jsonschema 4 or later is not installed"

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.environ.get("QF_FIXTURES", os.path.dirname(HERE))
SCHEMAS = os.path.join(os.path.dirname(FIXTURES), "docs", "schema")
QF = os.environ.get("QF", "build/qf")
NOW = 1795400000
# Beginning and name of what lies in a queue: longer control files are nothing to sendmail.
CONTROL = re.compile(rb"[qhQ]f", re.S)
NAME_MAX = 20

results = 0


def report(good, name, why=()):
    global results
    results += 1
    print("%sok %d - %s" % ("" if good else "not ", results, name), flush=True)
    for line in why[:20]:
        print("# " + line.encode("unicode_escape").decode(), flush=True)


def skip(name, why):
    global results
    results += 1
    print("ok %d - %s # SKIP %s" % (results, name, why), flush=True)


# ---------------------------------------------------------------- an independent reading

def logical_lines(data):
    """Lines joined with those that continue them (blank or tab first), CR LF read as LF."""
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    else:
        # The last line lacks its LF; a CR at its end is no part of a line end.
        lines[-1] += b"\0"
    out = []
    for line in lines:
        line = line[:-1] if line[-1:] in (b"\r", b"\0") else line
        if out and line[:1] in (b" ", b"\t"):
            out[-1] += b"\n" + line
        else:
            out.append(line)
    # A value is a C string.
    return [line.split(b"\0", 1)[0] if line[:1] != b"\0" else b"\0" for line in out]


def number(text):
    """atol()"""
    match = re.match(rb"[ \t-\r]*([+-]?[0-9]+)", text)
    if not match:
        return 0
    return max(-2**63 + 1, min(2**63 - 1, int(match.group(1))))


FLAGS = [(b"w", "warned"), (b"r", "dsn"), (b"8", "8bit"), (b"b", "delete-bcc"), (b"d", "ret"),
         (b"n", "no-body"), (b"s", "split"), (b"e", "smtputf8")]
NOTIFY = [(b"S", "success"), (b"F", "failure"), (b"D", "delay")]


def header_of(line):
    """Field name in lower case and value of an H line, or None."""
    value = line[1:]
    if value[:1] == b"?":
        end = value.find(b"?", 1)
        if end < 0:
            return None
        value = value[end + 1:]
    match = re.match(rb"([!-9;-~]+)[ \t]*:", value)
    if not match:
        return None
    text = value[match.end():].lstrip(b" \t")
    # 0xFF quotes the byte behind it.
    text = re.sub(rb"\xff(.)", lambda m: m.group(1), text, flags=re.S)
    return match.group(1).lower(), text


def read_control(data):
    """What a control file says, as the fields of its JSON object; texts as bytes."""
    m = dict(created=None, tries=0, priority=None, sender=None, recipients=[], flags=[],
             subject=None, message_id=None, quarantine=None, envid=None, status=None, body=None,
             last_try=None)
    version = 0
    letters = b""
    headers = {}
    pending = dict(original=None, final=None, status=None)
    for line in logical_lines(data):
        code, value = line[:1], line[1:]
        if code == b".":
            break
        if code == b"V":
            version = number(value)
        elif code == b"T":
            m["created"] = number(value)
        elif code == b"K":
            m["last_try"] = number(value) or None
        elif code == b"N":
            m["tries"] = number(value)
        elif code == b"P":
            m["priority"] = number(value)
        elif code == b"S":
            m["sender"] = value
        elif code == b"Z":
            m["envid"] = value
        elif code == b"B":
            m["body"] = value
        elif code == b"q":
            m["quarantine"] = value
        elif code == b"F" and not value.startswith(b"rom "):
            letters += value
        elif code == b"M" and m["sender"] is None:
            m["status"] = value
        elif code in (b"M", b"Q", b"r"):
            pending[{b"M": "status", b"Q": "original", b"r": "final"}[code]] = value
        elif code == b"R":
            notify, colon, address = value.partition(b":") if version else (b"FD", b":", value)
            if colon and address:
                said = [word for letter, word in NOTIFY if letter in notify]
                m["recipients"].append(dict(pending, address=address, notify=said or ["never"]))
            pending = dict(original=None, final=None, status=None)
        elif code == b"H":
            header = header_of(line)
            if header:
                headers.setdefault(*header)
    m["flags"] = [word for letter, word in FLAGS if letter in letters]
    m["subject"] = headers.get(b"subject")
    m["message_id"] = headers.get(b"message-id")
    return m


def seconds_of(text):
    if text is None:
        return None
    year, rest = re.fullmatch(r"(-?[0-9]{4,})(-.*)", text).groups()
    # The calendar repeats every 400 years; 2000 to 2399 are years that Python knows.
    cycles, year = divmod(int(year), 400)
    when = datetime.datetime.strptime("%d%s+0000" % (2000 + year, rest), "%Y-%m-%dT%H:%M:%SZ%z")
    return int(when.timestamp()) + (cycles - 5) * 146097 * 86400


def bytes_of(row, field, path, wrong):
    """The exact bytes of a text of a row: from raw, or from the text itself."""
    text = row[field] if isinstance(row, dict) else row
    raw = wrong.raw.get(path)
    if text is None:
        return None
    if raw is None:
        return text.encode("utf-8", "surrogatepass")
    exact = base64.b64decode(raw, validate=True)
    if exact.decode("utf-8", "replace") != text:
        wrong.append("%s: raw %r is not the bytes of %r" % (path, exact, text))
    if text == exact.decode("utf-8", "ignore"):
        wrong.append("%s: raw without need" % path)
    return exact


class Wrong(list):
    """What differs in one row."""

    def __init__(self, row):
        super().__init__()
        self.raw = row.get("raw", {})

    def compare(self, field, is_, wanted):
        if is_ != wanted:
            self.append("%s is %r, the file says %r" % (field, is_, wanted))


def differences(row, path):
    """Where a JSON object and the independent reading of its file differ."""
    wrong = Wrong(row)
    with open(path, "rb") as file:
        wanted = read_control(file.read())
    name = os.path.basename(path)
    wrong.compare("file", bytes_of(row, "file", "file", wrong), name)
    wrong.compare("id", bytes_of(row, "id", "id", wrong), name[2:])
    for field in ("created", "last_try"):
        wrong.compare(field, seconds_of(row[field]), wanted[field])
    if wanted["created"] is not None:
        wrong.compare("age", row["age"], NOW - wanted["created"])
    for field in ("tries", "priority", "flags"):
        wrong.compare(field, row[field], wanted[field])
    for field in ("sender", "subject", "message_id", "quarantine", "envid", "status", "body"):
        wrong.compare(field, bytes_of(row, field, field, wrong), wanted[field])
    if len(row["recipients"]) != len(wanted["recipients"]):
        wrong.append("%d recipients, the file says %d" % (len(row["recipients"]),
                                                          len(wanted["recipients"])))
    for i, (is_, should) in enumerate(zip(row["recipients"], wanted["recipients"])):
        for field in ("address", "original", "final", "status"):
            where = "recipients.%d.%s" % (i, field)
            wrong.compare(where, bytes_of(is_, field, where, wrong), should[field])
        wrong.compare("recipients.%d.notify" % i, is_["notify"], should["notify"])
    return wrong


# Control files that sendmail did not write, or not the one of the corpus: each reads in its own way.
ODD = {
    # 8.6: no flags at recipients; their failures and delays are reported all the same.
    b"AA00001": b"T1795332063\nP30000\nSa@b.example\nRc@d.example\nRPFD:e@f.example\nHSubject: s\n.\n",
    # The version holds from its line on; the last of several lines counts, flags are united.
    b"AA00002": b"RP:a@b.example\nV8\nT5\nT1795332063\nN1\nN2\nP1\nP-2\nFw\nF8\nFww\nB7bit\nSx\nSy\n"
                b"RP:c@d.example\nRPN:e@f.example\nRPNSFD:g@h.example\nRPSx:i@j.example\n.\n",
    # Without times, priority and body.
    b"AA00003": b"V8\nSa@b.example\nRPFD:c@d.example\n.\n",
    # Numbers as atol() reads them.
    b"AA00004": b"V8\nT 1795332063x\nKnever\nN+3 4\nP-\nSa@b.example\nRPFD:c@d.example\n.\n",
    # Instants that are far away.
    b"AA00005": b"V8\nT-9000000000000000000\nK9000000000000000000\nN1\nP1\nS<>\nRPFD:c@d.example\n.\n",
    # NUL ends a value; two Subject lines; a name in capitals, blanks before the colon.
    b"AA00006": b"V8\nT1795332063\nP1\nSa@b\0x.example\nRPFD:c@d.example\0x\n"
                b"H??SUBJECT  : first\0x\nH??Subject: second\nH?x?MESSAGE-ID:\t <i@d>\n.\n",
    # CR LF, and folded lines of any letter.
    b"AA00007": b"V8\r\nT1795332063\r\nP1\r\nqreason\r\n\tgoes on\r\nSa@b\r\n .example\r\nZid\r\r\n"
                b"RPFD:c@d.example\r\nH??Subject: a\r\n\tb\r\n c\n.\r\n",
    # No line end at the end; a CR there is none either.
    b"AA00008": b"V8\nT1795332063\nP1\nSa@b.example\nRPFD:c@d.example\nH??Subject: s\r",
    b"AA00009": b"V8\nT1795332063\nP1\nSa@b.example\nRPFD:c@d.example\n.",
    # Lines behind the end, recipients that are none, texts of the one before and of the next.
    b"AA00010": b"V8\nT1795332063\nP1\nMwhole\nSa@b.example\nMone\nQrfc822;o\nRPFD:\nRP no colon\n"
                b"Mtwo\nrRFC822; f\nRPFD:c@d.example\nRPFD:e@f.example\n.\nRPFD:late@f.example\n",
    # Bytes: no UTF-8, quoted by 0xff, of every control character, of what ends lines elsewhere.
    b"AA00011": b"V8\nT1795332063\nP1\nq" + bytes(range(1, 10)) + bytes(range(11, 32)) + b"\x7f\n"
                b"S<j\xfcrgen@b.example>\nRPFD:\xe2\x82@d.example\nRPFD:\xff\xfe@d.example\n"
                b"H??Subject: gr\xc3\xbc\xc3\x9fe\xe2\x80\xa8\xff\x81\xff\xff\xe2\x82\nZ\xc2\x85\xc2\x9b\n.\n",
    # A name that is no UTF-8, unknown lines, nothing at all.
    b"AA\xfc\xe2\x82": b"V8\nT1795332063\nP1\nXwhat\n\nSa@b.example\nRPFD:c@d.example\n.\n",
    b"AA00013": b"",
    b"AA00014": b"\n\n\0\n \n",
}


def make_odd(top):
    queue = os.path.join(os.fsencode(top), b"mqueue")
    os.mkdir(queue, 0o700)
    for i, (name, data) in enumerate(ODD.items()):
        prefix = (b"qf", b"hf", b"Qf")[i % 3]
        with open(os.path.join(queue, prefix + name), "wb") as file:
            file.write(data)


# ---------------------------------------------------------------- queues

def control_files(top):
    """Control files below a directory that sendmail would look at: path in bytes."""
    for directory, _, names in os.walk(os.fsencode(top)):
        for name in names:
            path = os.path.join(directory, name)
            if CONTROL.match(name) and len(name) <= NAME_MAX and os.path.isfile(path):
                yield path


def queue_of(top):
    """The -Q argument for an unpacked queue: the directory, or the pattern of its directories."""
    (base,) = glob.glob(os.path.join(top, "*mqueue"))
    for pattern, members in (("", ""), ("q*", "q*"), ("links/q*", "links/q*"), ("*", "*")):
        for members_of in (os.path.join(base, members), os.path.join(base, members, "qf")):
            for directory in glob.glob(members_of):
                if glob.glob(os.path.join(glob.escape(directory), "[qhQ]f?*")):
                    return os.path.join(base, pattern) if pattern else base
    return base


def qf(*arguments):
    """Rows a command printed. Its status must be 0 (or 1: damaged ones, or none)."""
    done = subprocess.run([QF, *arguments, "--format=json", "-C", "none", "--now=@%d" % NOW],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=dict(os.environ, QF_CONF="/dev/null"))
    if done.returncode not in (0, 1, 2):
        raise RuntimeError("qf %s: status %d: %s" % (" ".join(arguments), done.returncode,
                                                    done.stderr.decode("utf-8", "replace")))
    text = done.stdout.decode("utf-8")
    # One object a line, for readers that know more line ends than LF as well.
    lines = text.splitlines()
    if len(lines) != done.stdout.count(b"\n") or (text and not text.endswith("\n")):
        raise RuntimeError("qf %s: not one object a line" % " ".join(arguments))
    return [json.loads(line) for line in lines]


def load(name):
    with open(os.path.join(SCHEMAS, name + ".json"), encoding="utf-8") as file:
        return json.load(file)


def violations(validator, rows):
    out = []
    for row in rows:
        for error in validator.iter_errors(row):
            out.append("%s: %s: %s" % (row.get("file", row.get("key")),
                                       "/".join(map(str, error.absolute_path)), error.message))
    return out


def has(row, *codes):
    return any(d["code"] in codes for d in row["diagnostics"])


def wrong_shape(rows, wanted):
    """A shape whose first line counts what is wanted, and whose others add up to it."""
    why = ["shape: does not add up: %r" % row for row in rows
           if len(row["counts"]) != len(row["limits"]) + 1 or sum(row["counts"]) != row["total"] or
           sorted(set(row["limits"])) != row["limits"]]
    if [row["key"] for row in rows[:1]] != ["TOTAL"] or rows[0]["total"] != wanted:
        if rows or wanted:
            why.append("shape: %d wanted, first is %r" % (wanted, rows[:1]))
    elif [sum(column) for column in zip(*(row["counts"] for row in rows[1:]))] != \
            rows[0]["counts"] and wanted:
        why.append("shape: the lines do not add up to TOTAL")
    return why


def check_queue(scenario, top, validators, seen):
    queue = queue_of(top)
    try:
        rows = qf("ls", "-Q", queue)
        redacted = qf("ls", "--redact", "-Q", queue)
        groups = [row for by in ("rcpt-domain", "from", "status") for row in
                  qf("ls", "--by=" + by, "-Q", queue)]
        shapes = {by: qf("shape", "--by=" + by, "-Q", queue) for by in ("domain", "from")}
    except (RuntimeError, ValueError) as error:
        report(False, scenario + ": qf prints JSON", [str(error)])
        return
    seen.extend(rows)

    by_path = {bytes_of(row["path"], None, "path", Wrong(row)): row for row in rows}
    files = {os.path.realpath(path): path for path in control_files(top)}
    why = []
    for path, row in by_path.items():
        if not has(row, "not-regular", "unreadable"):
            why += ["%s: %s" % (os.fsdecode(path), text) for text in differences(row, path)]
    listed = {os.path.realpath(path) for path, row in by_path.items()}
    why += ["%s: not listed" % os.fsdecode(path) for real, path in files.items()
            if real not in listed]
    if len(by_path) != len(rows):
        why.append("%d rows, %d paths" % (len(rows), len(by_path)))
    readable = [row for row in rows if not has(row, "unreadable")]
    why += wrong_shape(shapes["domain"], sum(len(row["recipients"]) for row in readable))
    why += wrong_shape(shapes["from"], len(readable))
    report(not why, "%s: %d objects say what the files say" % (scenario, len(rows)), why)

    name = "%s: all objects keep to their schema" % scenario
    if NO_SCHEMA:
        skip(name, NO_SCHEMA)
        return
    why = violations(validators["message"], rows + redacted)
    why += violations(validators["group"], groups) + violations(validators["shape"], sum(shapes.values(), []))
    report(not why, name, why)


def check_schema_refuses(validators, rows):
    """A schema that takes anything proves nothing: each named field, when it is left out or of
    another type, must be noticed."""
    why = []
    sample = next(row for row in rows if row["recipients"])
    sample = dict(copy.deepcopy(sample), diagnostics=[
        {"code": "a-code", "line": 1, "column": None, "text": "t", "sendmail": "lost"}])
    objects = [(sample, load("message")["required"]),
               (sample["recipients"][0], ["address", "original", "final", "notify", "status"]),
               (sample["diagnostics"][0], ["code", "line", "column", "text", "sendmail"])]
    for part, fields in objects:
        for field in fields:
            value = part.pop(field)
            if validators["message"].is_valid(sample):
                why.append("%s may be missing" % field)
            part[field] = {}
            if validators["message"].is_valid(sample):
                why.append("%s may be an object" % field)
            part[field] = value
    for field, value in (("created", "2026-11-22 07:21:03"), ("state", "gone"), ("id", ""),
                         ("flags", ["w"]), ("size", -1), ("raw", {"subject": "not base64"})):
        if field != "id" and validators["message"].is_valid(dict(sample, **{field: value})):
            why.append("%s may be %r" % (field, value))
    if not validators["message"].is_valid(dict(sample, more=1)):
        why.append("fields may not be added")
    if not validators["message"].is_valid(sample):
        why.append("the sample itself is refused")
    report(not why, "the schema of a message refuses what is no message", why)


def main():
    corpus = os.environ.get("QF_CORPUS", "")
    if not glob.glob(os.path.join(corpus, "*", "queue.tar.gz")):
        corpus = os.path.join(FIXTURES, "queues")
    archives = sorted(glob.glob(os.path.join(corpus, "*", "queue.tar.gz")))
    validators = {}
    if not NO_SCHEMA:
        why = []
        for name in ("message", "group", "shape"):
            try:
                Draft202012Validator.check_schema(load(name))
            except Exception as error:  # whatever is wrong with it is the result
                why.append("%s: %s" % (name, error))
            validators[name] = Draft202012Validator(load(name))
        report(not why, "the schemas are schemas", why)
    report(bool(archives), "there are queues in " + corpus)
    rows = []
    for archive in archives:
        scenario = os.path.basename(os.path.dirname(archive))
        with tempfile.TemporaryDirectory() as top:
            subprocess.run(["tar", "-C", top, "-xpzf", archive], check=True)
            check_queue(scenario, top, validators, rows)
    with tempfile.TemporaryDirectory() as top:
        make_odd(top)
        check_queue("odd control files", top, validators, rows)
    if not NO_SCHEMA and any(row["recipients"] for row in rows):
        check_schema_refuses(validators, rows)
    print("1..%d" % results)


main()
