"""What runs: processing elements, the graph, groupings, counts of instances, the plan.

Start with `pe.GenericPE` (what a scientist writes), `builder.WorkflowGraph` (how PEs are joined) and
`workflow.Workflow` (the immutable graph that everything else works on).
"""
