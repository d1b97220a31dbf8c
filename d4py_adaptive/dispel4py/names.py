"""Which of dispel4py's modules stand for what here: by module, the home of each name."""

from __future__ import annotations

_HERE = "d4py_adaptive.dispel4py"
_PE = "d4py_adaptive.dataflow.pe"
_PATTERNS = "d4py_adaptive.dataflow.patterns"
_BUILDER = "d4py_adaptive.dataflow.builder"
_AGGREGATES = "d4py_adaptive.dataflow.aggregates"
_PICTURE = "d4py_adaptive.dashboard.graph_picture"

_PATTERN_PES = "BasePE IterativePE ProducerPE ConsumerPE SimpleFunctionPE"
_COMPOSITES = "CompositePE WorkflowGraph create_iterative_chain"
_KEYS = "NAME TYPE DESCRIPTION META GROUPING WRITER"

NAMES: dict[str, dict[str, str]] = {
    "dispel4py": {},
    "dispel4py.core": {_PE: "GenericPE", f"{_HERE}.keys": _KEYS},
    "dispel4py.base": {_PE: "GenericPE", _PATTERNS: _PATTERN_PES, _BUILDER: _COMPOSITES, f"{_HERE}.keys": "NAME"},
    "dispel4py.workflow_graph": {
        _PE: "GenericPE",
        _BUILDER: "WorkflowGraph WorkflowNode",
        _PICTURE: "draw write_image picture=drawDot",
    },
    "dispel4py.visualisation": {f"{_HERE}.notebook": "display", _PICTURE: "picture=drawDot"},
    "dispel4py.utils": {
        f"{_HERE}.looking_up": "findWorkflowGraph loadGraph loadGraphFromFile load_graph total_size make_hash"
    },
    "dispel4py.new": {},
    "dispel4py.new.aggregate": {
        _AGGREGATES: "AggregatePE ContinuousReducePE CountPE MaxPE MinPE SumPE AverageParallelPE AverageReducePE "
        "StdDevPE StdDevReducePE parallel_aggregate parallel_count parallel_sum parallel_min parallel_max parallel_avg "
        "parallel_std_dev parallelCount parallelSum parallelMin parallelMax parallelAvg parallelStdDev"
    },
    "dispel4py.new.monitoring": {f"{_HERE}.monitoring": "Timer ProcessTimingPE ReadTimingWrapper"},
    "dispel4py.new.processor": {
        _PE: "GenericPE",
        _BUILDER: "WorkflowGraph",
        f"{_HERE}.enactment": "STATUS_ACTIVE STATUS_INACTIVE STATUS_TERMINATED",
    },
    "dispel4py.new.mappings": {f"{_HERE}.enactment": "MODULES=config"},
    "dispel4py.new.simple_process": {f"{_HERE}.enactment": "process_and_return simple_process=process"},
    "dispel4py.new.multi_process": {f"{_HERE}.enactment": "process_and_return multi_process=process"},
    "dispel4py.new.mpi_process": {f"{_HERE}.enactment": "process_and_return mpi_process=process"},
    **{
        f"dispel4py.new.{name}": {f"{_HERE}.enactment": "process_and_return dynamic_process=process"}
        for name in (
            "dynamic_redis",
            "new_dynamic",
            "new_dynamic_auto",
            "new_dynamic_redis",
            "new_dynamic_redis_auto",
            "new_hybrid_redis",
        )
    },
}
"""By module of dispel4py: by module of ours, the names, `ours=theirs` where they differ."""
