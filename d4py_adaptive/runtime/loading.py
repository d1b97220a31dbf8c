"""Finds the workflow that a command names: a Python file or a module, and the graph in it."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, UnionType
from typing import Any

from d4py_adaptive.dataflow.builder import CompositePE, WorkflowGraph
from d4py_adaptive.errors import D4pyError, InputError, did_you_mean

BUILDERS = ("build_graph", "create_graph")


@dataclass(frozen=True)
class Loaded:
    """A workflow as found.

    Attributes:
        graph: the graph.
        name: what to call it.
        by_value: the user's own modules, which workers must not run again.
    """

    graph: WorkflowGraph
    name: str
    by_value: tuple[str, ...]


def load(target: str, attribute: str | None, parameters: Mapping[str, str]) -> Loaded:
    """The workflow in a file or module.

    Args:
        target: path of a Python file, or a module's dotted name.
        attribute: name of the graph, or of a function that builds it; None looks for the only one.
        parameters: given to that function, converted by its annotations.

    Raises:
        InputError: there is no such file, module, graph or parameter, or the file fails.
    """
    if not target.strip():
        raise InputError("the workflow's name is empty; give a path ending in .py, or a module")
    is_file = target.endswith(".py") or "/" in target or _is_no_package(Path(target))
    module = _load_file(Path(target)) if is_file else _load_module(target)
    graph = find_graph(module, target, attribute, parameters)
    return Loaded(graph, target, (module.__name__,) if is_file else ())


def _is_no_package(path: Path) -> bool:
    return path.is_file() or (path.is_dir() and not (path / "__init__.py").is_file())


def _load_file(path: Path) -> ModuleType:
    if path.is_dir():
        inside = sorted(found.name for found in path.glob("*.py"))
        raise InputError(f"{path} is a folder; give a Python file in it: {', '.join(inside[:9]) or 'there is none'}")
    if not path.is_file():
        near = [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise InputError(f"there is no file {path}{did_you_mean(path.name, near)}")
    name = path.stem if path.stem.isidentifier() and path.stem not in sys.modules else f"d4py_workflow_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is no Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent.resolve()))
    _execute(lambda: spec.loader.exec_module(module), str(path))  # type: ignore[union-attr]
    return module


def _load_module(name: str) -> ModuleType:
    if str(Path.cwd()) not in sys.path and "" not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = importlib.util.find_spec(name)
        why = ""
    except (ImportError, ValueError) as error:
        found, why = None, f" ({error})"
    if found is None:
        raise InputError(
            f"there is no module {name!r}, nor a file of this name{why}{did_you_mean(name, _modules_beside(name))}; "
            "give a path ending in .py, or a module"
        )
    module: list[ModuleType] = []
    _execute(lambda: module.append(importlib.import_module(name)), name)
    return module[0]


def _modules_beside(name: str) -> list[str]:
    """The modules that a module of this name would stand beside; for a name without dots, the files here too."""
    package, dot, _ = name.rpartition(".")
    if not dot:
        return [path.stem for path in Path.cwd().glob("*.py")] + [path.name for path in Path.cwd().glob("*.py")]
    try:
        found = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return []
    folders = found.submodule_search_locations if found is not None else None
    return [f"{package}.{module.name}" for module in pkgutil.iter_modules(folders or [])]


def _execute(action: Callable[[], object], name: str) -> None:
    """Run the user's file; what it raises is its own fault, said in one line."""
    try:
        action()
    except D4pyError:
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a file may raise anything
        line = _last_line_in(name, error)
        raise InputError(f"{name} could not be loaded{line}: {type(error).__name__}: {error}") from error


def _last_line_in(name: str, error: BaseException) -> str:
    frames = [frame for frame, _ in _walk(error) if Path(name).name in frame.f_code.co_filename]
    lines = [number for frame, number in _walk(error) if frame in frames]
    return f" (line {lines[-1]})" if lines else ""


def _walk(error: BaseException) -> list[tuple[Any, int]]:
    found, step = [], error.__traceback__
    while step is not None:
        found.append((step.tb_frame, step.tb_lineno))
        step = step.tb_next
    return found


def find_graph(module: ModuleType, target: str, attribute: str | None, parameters: Mapping[str, str]) -> WorkflowGraph:
    """The graph in a module that is called `target`; arguments and errors as for `load`."""
    if attribute is None:
        attribute = _only_graph(module, target)
    if not hasattr(module, attribute):
        known = [name for name, value in vars(module).items() if _is_whole(value) or name in BUILDERS]
        graphs = f"; it has: {', '.join(known)}" if known else ""
        raise InputError(f"{target} has no {attribute!r}{did_you_mean(attribute, vars(module))}{graphs}")
    found = getattr(module, attribute)
    if isinstance(found, WorkflowGraph):
        if parameters:
            raise InputError(f"{target} has a ready graph {attribute!r}, which takes no parameters (-p)")
        return found
    if not callable(found):
        raise InputError(f"{attribute!r} in {target} is neither a WorkflowGraph nor a function that builds one")
    arguments = _convert(found, parameters, target)
    missing = [name for name in _required(found) if name not in arguments]
    if missing:
        raise InputError(
            f"{attribute}() in {target} needs {', '.join(missing)}; "
            f"give it with {' '.join(f'-p {name}=…' for name in missing)}"
        )
    graph: list[Any] = []
    _execute(lambda: graph.append(found(**arguments)), target)
    if not isinstance(graph[0], WorkflowGraph):
        raise InputError(f"{attribute}() in {target} must return a WorkflowGraph; got {type(graph[0]).__name__}")
    return graph[0]


def _only_graph(module: ModuleType, target: str) -> str:
    graphs = list({id(graph): name for name, graph in reversed(vars(module).items()) if _is_whole(graph)}.values())
    graphs.reverse()
    if "graph" in graphs or len(graphs) == 1:
        return "graph" if "graph" in graphs else graphs[0]
    if graphs:
        raise InputError(f"{target} holds several graphs: {', '.join(graphs)}; choose one with -a NAME")
    for name in BUILDERS:
        if callable(getattr(module, name, None)):
            return name
    raise InputError(f"{target} holds no WorkflowGraph, nor a function build_graph() that returns one")


def _is_whole(value: object) -> bool:
    """Whether it is a graph to run, not one made to be part of another."""
    mapped = isinstance(value, WorkflowGraph) and (value.inputmappings or value.outputmappings)
    return isinstance(value, WorkflowGraph) and not mapped and not isinstance(value, CompositePE)


def _convert(function: Callable[..., Any], parameters: Mapping[str, str], target: str) -> dict[str, Any]:
    parameters_of = _signature(function).parameters.values()
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    known = {parameter.name: parameter for parameter in parameters_of if parameter.kind in by_name}
    any_name = next((p for p in parameters_of if p.kind is inspect.Parameter.VAR_KEYWORD), None)
    arguments: dict[str, Any] = {}
    for name, text in parameters.items():
        parameter = known.get(name, any_name)
        if parameter is None:
            raise InputError(
                f"{target} has no parameter {name!r}{did_you_mean(name, known)}; it has: {', '.join(known) or 'none'}"
            )
        annotation = parameter.annotation
        arguments[name] = _value(name, text, str if annotation is inspect.Parameter.empty else annotation)
    return arguments


def _required(function: Callable[..., Any]) -> list[str]:
    """The parameters that a function cannot be called without."""
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = _signature(function).parameters.values()
    return [p.name for p in parameters if p.default is inspect.Parameter.empty and p.kind not in variable]


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """The signature with its annotations resolved, or as they stand where they cannot be."""
    try:
        return inspect.signature(function, eval_str=True)
    except NameError:
        return inspect.signature(function)


def _value(name: str, text: str, annotation: Any) -> Any:
    is_union = typing.get_origin(annotation) in (UnionType, typing.Union)
    options = typing.get_args(annotation) if is_union else (annotation,)
    if type(None) in options and text.lower() == "none":
        return None
    wanted = next((option for option in options if option is not type(None)), str)
    if wanted is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.lower() in words:
            return words[text.lower()]
    elif wanted in (int, float):
        try:
            return wanted(text)
        except ValueError:
            pass
    else:
        return text
    kind = {bool: "yes or no", int: "a whole number", float: "a number"}[wanted]
    raise InputError(f"parameter {name} is {kind}; got {text!r}")
