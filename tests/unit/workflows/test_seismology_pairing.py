from __future__ import annotations

import itertools

import numpy as np
import pytest

from d4py_adaptive.errors import InputError
from d4py_adaptive.workflows.seismology.pairing import PairStations


def record(name, rate_hz=25.0, start="2020-01-01"):
    samples = np.full(4, float(ord(name[-1])))
    return {"id": f"XX.{name}..HHZ", "start": start, "sampling_rate_hz": rate_hz, "samples": samples}


def described(pair):
    return pair["a_id"], pair["b_id"], pair["a"].tobytes(), pair["b"].tobytes()


@pytest.mark.parametrize("arrival", list(itertools.permutations("ABCD")))
@pytest.mark.parametrize("autocorrelations", [False, True])
def test_the_same_pairs_whatever_the_order_of_arrival(arrival, autocorrelations, drive):
    pairs = drive(PairStations(autocorrelations), [{"input": record(name)} for name in arrival]).items
    combine = itertools.combinations_with_replacement if autocorrelations else itertools.combinations
    expected = [
        (f"XX.{a}..HHZ", f"XX.{b}..HHZ", record(a)["samples"].tobytes(), record(b)["samples"].tobytes())
        for a, b in combine("ABCD", 2)
    ]
    assert sorted(map(described, pairs)) == expected


@pytest.mark.parametrize("swap", [False, True])
def test_unequal_sampling_rates_name_both(swap, drive):
    records = [{"input": record("A", 25.0)}, {"input": record("B", 20.0)}]
    with pytest.raises(InputError, match=r"XX\.A\.\.HHZ with 25 Hz and XX\.B\.\.HHZ with 20 Hz.*sampling_rate_hz"):
        drive(PairStations(), records[::-1] if swap else records)


def test_unequal_starts_name_both(drive):
    with pytest.raises(InputError, match=r"XX\.A\.\.HHZ at 2020-01-01 and XX\.B\.\.HHZ at 2021"):
        drive(PairStations(), [{"input": record("B", start="2021")}, {"input": record("A")}])


def test_a_channel_that_comes_twice_is_refused(drive):
    with pytest.raises(InputError, match=r"XX\.A\.\.HHZ twice"):
        drive(PairStations(), [{"input": record("A")}, {"input": record("A")}])


def test_one_channel_makes_no_pair(drive):
    with pytest.raises(InputError, match=r"needs two channels, got XX\.A\.\.HHZ"):
        drive(PairStations(), [{"input": record("A")}])
    assert len(drive(PairStations(autocorrelations=True), [{"input": record("A")}]).items) == 1


def test_it_may_not_be_replicated():
    assert PairStations.stateless is False
