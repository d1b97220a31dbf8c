"""Measures: what PEs, streams and machines cost, in constant memory."""
