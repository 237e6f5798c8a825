"""Results of a test in the Test Anything Protocol.

    tap = Tap()
    tap.ok(a == b, "they are equal", "what to show where they are not")
    tap.done()
"""
import difflib
import sys


class Tap:
    def __init__(self):
        self.results = 0
        self.failures = 0

    def ok(self, good, name, *why):
        """One result. why is text, or anything that says something as text."""
        self.results += 1
        self.failures += not good
        print("%sok %d - %s" % ("" if good else "not ", self.results, name), flush=True)
        if not good:
            for line in "\n".join(str(w) for w in why).splitlines()[:40]:
                print("# " + line)
        return bool(good)

    def same(self, got, wanted, name):
        """Are these bytes the same? Shows the first differences where not."""
        if got == wanted:
            return self.ok(True, name)
        lines = difflib.unified_diff([repr(x)[1:] for x in wanted.split(b"\n")],
                                     [repr(x)[1:] for x in got.split(b"\n")], "wanted", "got",
                                     lineterm="", n=1)
        return self.ok(False, name, "\n".join(line[:200] for line in lines))

    def skip(self, name, why):
        self.results += 1
        print("ok %d - %s # SKIP %s" % (self.results, name, why), flush=True)

    def done(self):
        """The plan, and the end of the program."""
        print("1..%d" % self.results)
        sys.exit(self.failures > 0)


def skip_all(why):
    """None of this can be tested: the end of the program."""
    print("1..0 # SKIP %s" % why)
    sys.exit(0)
