"""Reads what other systems measured of their runs into profiles; `reading.read_trace` is the way in."""
