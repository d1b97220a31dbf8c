"""The public test kit: what a mapping must do, random workflows to try it on, and a reference to compare with.

    mapping_suite    the conformance suite; subclass it with the name of a mapping
    random_graphs    random workflows; random_plans: random plans for any workflow
    reference        an interpreter that shares no code with the mappings
    comparing        runs a workflow on a mapping and says how its results differ from the reference's

`python -m d4py_adaptive.testing --graphs 2000` compares the mappings with the reference on random workflows.
The suite needs pytest, the strategies need hypothesis; nothing else here does.
"""
