"""Seismology: waveforms in, measurements out. Needs the extra `seismology` (obspy, scipy, matplotlib)."""
