"""What was seen: counters, the run directory, the run record."""
