"""Every channel with every other."""

from __future__ import annotations

from d4py_adaptive.dataflow.patterns import IterativePE
from d4py_adaptive.errors import InputError
from d4py_adaptive.workflows.seismology.items import Pair, Waveform


class PairStations(IterativePE):
    """Keeps the records seen so far, and writes each new one paired with each of them.

    The pair's first record is the one whose id sorts first, so that the pairs are the same in whatever order
    the records arrive.

    Args:
        autocorrelations: pair each record with itself too.
    """

    stateless = False

    def __init__(self, autocorrelations: bool = False) -> None:
        super().__init__()
        self.autocorrelations = autocorrelations
        self.seen: dict[str, Waveform] = {}

    def _process(self, data: Waveform) -> None:
        if data["id"] in self.seen:
            raise InputError(f"each channel must come once, got {data['id']} twice; merge its pieces first")
        for earlier in self.seen.values():
            self.write(self.OUTPUT_NAME, make_pair(earlier, data))
        if self.autocorrelations:
            self.write(self.OUTPUT_NAME, make_pair(data, data))
        self.seen[data["id"]] = data

    def _postprocess(self) -> None:
        if len(self.seen) + self.autocorrelations < 2:
            raise InputError(
                f"a correlation needs two channels, got {', '.join(self.seen) or 'none'}; give more data, "
                "widen channels, or ask for autocorrelations"
            )


def make_pair(one: Waveform, other: Waveform) -> Pair:
    """The pair of two records, in the order of their ids.

    Raises:
        InputError: their sampling rates or their starts differ.
    """
    first, second = sorted((one, other), key=lambda record: record["id"])
    if first["sampling_rate_hz"] != second["sampling_rate_hz"]:
        raise InputError(
            "two records must have one sampling rate, "
            f"got {first['id']} with {first['sampling_rate_hz']:g} Hz "
            f"and {second['id']} with {second['sampling_rate_hz']:g} Hz; "
            "bring them to one rate with sampling_rate_hz"
        )
    if first["start"] != second["start"]:
        raise InputError(
            f"two records must start together, got {first['id']} at {first['start']} and {second['id']} at "
            f"{second['start']}; cut them to a common window"
        )
    return {
        "a_id": first["id"],
        "b_id": second["id"],
        "start": first["start"],
        "sampling_rate_hz": first["sampling_rate_hz"],
        "a": first["samples"],
        "b": second["samples"],
    }
