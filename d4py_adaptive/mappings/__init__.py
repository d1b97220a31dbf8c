"""How a workflow runs: simple, multi, toy; one worker loop (`worker.py`) for all of them.

A mapping is a transport and a launch. Start with `worker.Worker`, then `simple.SimpleMapping`.
"""
