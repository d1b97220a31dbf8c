"""From what a run measured to what limits it: a table of rules, a model that predicts gains, no I/O.

figures.py       what the rules look at: a profile, with waits for a core taken out
what_if.py       how long the workflow would take, run in another way
commands.py      the command line of that other way
found.py         what a rule returns, and how gains get their interval
limits.py        rules: one PE limits the run
hand_over.py     rules: what lies between PEs costs too much
processes.py     rules: processes, threads and memory
alternatives.py  other ways to run, quickest first
diagnose.py      the table of rules, and the verdict
"""
