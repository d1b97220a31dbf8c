"""The `d4py` command: one file per verb."""
