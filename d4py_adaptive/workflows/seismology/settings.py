"""How waveforms are prepared before they are correlated."""

from __future__ import annotations

from dataclasses import dataclass

from d4py_adaptive.errors import InputError, UnknownName

NORMALISATIONS = ("one-bit", "running-mean", "none")
USABLE_BAND = 0.4
"""Highest usable frequency, as a part of the sampling rate: above it the anti-alias filter falls off."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """The steps of `Preprocess` and their numbers.

    Attributes:
        sampling_rate_hz: rate that every channel is brought down to; 0 keeps each channel's own.
        freq_min_hz: lower corner of the band-pass and of the whitened band.
        freq_max_hz: upper corner.
        normalisation: in time: `'one-bit'` (signs only), `'running-mean'` (divide by the running absolute
            mean) or `'none'`.
        running_mean_s: length of the running mean's window.
        whitening: give every frequency of the band the same amplitude.
        taper_fraction: part of the record that is tapered at each end.
        units: of the ground motion once the response is removed: `'DISP'`, `'VEL'` or `'ACC'`.
    """

    sampling_rate_hz: float = 25.0
    freq_min_hz: float = 2.0
    freq_max_hz: float = 8.0
    normalisation: str = "none"
    running_mean_s: float = 2.0
    whitening: bool = True
    taper_fraction: float = 0.05
    units: str = "VEL"

    def __post_init__(self) -> None:
        if self.normalisation not in NORMALISATIONS:
            raise UnknownName("normalisation", self.normalisation, NORMALISATIONS)
        if not 0 < self.freq_min_hz < self.freq_max_hz:
            raise InputError(
                f"the band needs 0 < freq_min_hz < freq_max_hz, got {self.freq_min_hz:g} and {self.freq_max_hz:g}"
            )
        if self.normalisation == "running-mean" and not self.running_mean_s > 0:
            raise InputError(f"running_mean_s must be a time above 0, got {self.running_mean_s:g}")
        if not 0 <= self.taper_fraction <= 0.5:
            raise InputError(f"taper_fraction must lie between 0 and 0.5, got {self.taper_fraction:g}")
        if self.sampling_rate_hz:
            self.require_rate(self.sampling_rate_hz, "sampling_rate_hz")

    def require_rate(self, rate_hz: float, whose: str) -> None:
        """Refuse a sampling rate that cannot hold the band.

        Raises:
            InputError: it is too low, or not a rate.
        """
        if not rate_hz * USABLE_BAND >= self.freq_max_hz:
            raise InputError(
                f"freq_max_hz={self.freq_max_hz:g} needs a sampling rate of at least "
                f"{self.freq_max_hz / USABLE_BAND:g} Hz, got {rate_hz:g} Hz ({whose}); "
                f"lower freq_max_hz to {max(rate_hz, 0) * USABLE_BAND:g} or less"
            )
