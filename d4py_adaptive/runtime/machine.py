"""Which machine this is; what it can do is probed elsewhere, and takes longer to import."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

from d4py_adaptive.dataflow.resources import usable_cores, usable_memory_bytes
from d4py_adaptive.profiler.host import Machine


def this_machine() -> Machine:
    """What this machine is, and what this process may use of it."""
    return Machine(
        name=platform.node(),
        processor=processor(),
        cores=usable_cores(),
        memory_bytes=usable_memory_bytes(),
        system=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        package=version("d4py_adaptive"),
    )


@cache
def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The model of the processor, or at least its kind."""
    try:
        with cpuinfo.open() as lines:  # no further than needed: it has a page for every core
            for line in lines:
                name, _, value = line.partition(":")
                if name.strip() == "model name":
                    return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
