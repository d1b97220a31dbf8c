"""What a source and a sink note, in every runtime and plain program alike: when, how many, and which items.

Plain mix-ins without a PE's base class, so that programs without dispel4py's names count in the same way.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from array import array
from pathlib import Path
from time import monotonic_ns


def report(folder: str, **found: object) -> None:
    """Leave what was found in a file of its own: an instance may be one of several, in any process."""
    with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".json", delete=False) as file:
        json.dump(found, file)


class Tally:
    """Notes a value of each item, and the moments of the first and of the last."""

    def begin(self, folder: str, code: str) -> None:
        """Start at nothing; `code` is the type of the values, as `array` names it."""
        self.folder = folder
        self.seen = array(code)
        self.items = 0
        self.first_ns = 0
        self.last_ns = 0

    def take_number(self, data):
        """Note a number."""
        if not self.first_ns:
            self.first_ns = monotonic_ns()
        self.seen.append(data)
        self.last_ns = monotonic_ns()

    def take_array(self, data):
        """Note the first, the middle and the last element of an array."""
        if not self.first_ns:
            self.first_ns = monotonic_ns()
        self.items += 1
        self.seen.extend((data[0], data[len(data) // 2], data[-1]))
        self.last_ns = monotonic_ns()

    def take_whole_array(self, data):
        """Note a sum over every bit of an array; slow, for runs that are not timed."""
        self.take_array(data)
        self.seen.append(float(data.view("<u4").sum(dtype="<u8")))

    def take_stamp(self, data):
        """Note the moment that an item carries, and how long ago that was."""
        now_ns = monotonic_ns()
        self.first_ns = self.first_ns or now_ns
        self.seen.append(data)
        self.late_ns.append(now_ns - data)
        self.last_ns = now_ns

    def end(self, role: str = "sink", **more: object) -> None:
        """Report: the moments, the count, the sum, and a hash of the multiset."""
        values = sorted(self.seen)
        report(
            self.folder,
            role=role,
            first_ns=self.first_ns,
            last_ns=self.last_ns,
            items=self.items or len(values),
            count=len(values),
            sum=sum(values),
            hash=hashlib.sha256(array(self.seen.typecode, values)).hexdigest(),
            **more,
        )


def reports(folder: str) -> list[dict]:
    """What was reported into a folder."""
    return [json.loads(path.read_text()) for path in Path(folder).glob("*.json")]
