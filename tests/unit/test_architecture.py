"""The rules of the house: who may import whom, how long things may be, what they may be called."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from inspect import isabstract
from pathlib import Path

import pytest

import d4py_adaptive
from d4py_adaptive.mappings.base import MAPPINGS, Mapping

ROOT = "d4py_adaptive"
PACKAGE = Path(d4py_adaptive.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# From the top down; a package imports only from lines below its own, never from a neighbour on its line.
LINES = (
    ("__init__", "__main__"),
    ("cli",),
    ("testing", "workflows", "dispel4py"),
    ("runtime",),
    ("dashboard", "provenance"),
    ("mappings", "profiler", "partitioner", "compression"),
    ("telemetry",),
    ("wire",),
    ("dataflow",),
    ("registry", "clock"),
    ("errors",),
)
LINE_OF = {name: number for number, line in enumerate(LINES) for name in line}
NARROWER = {"workflows": {"dataflow", "errors"}}
GROUND = {"errors", "registry", "clock"}

MOST_MODULE_LINES = 450
MOST_FUNCTION_LINES = 80
EMPTY_NAMES = {"utils", "common", "helpers", "core", "misc", "new", "v2"}
MAY_PRINT = {"cli", "dashboard"}
HEAVY = ("numpy", "rich", "obspy", "matplotlib", "scipy", "psutil", "sklearn", "jinja2")


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def member_of(path: Path) -> str:
    """What holds a module, directly below the root: a package, or the module itself."""
    return Path(relative(path)).parts[0].removesuffix(".py")


def imported(tree: ast.AST, package: list[str]) -> Iterator[tuple[int, str]]:
    """Everything of the package that is imported anywhere in a module, in functions and under TYPE_CHECKING too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{start}.{alias.name}"
        elif isinstance(node, ast.Call) and _is_import_call(node.func):
            text = _leading_text(node.args[0]) if node.args else ""
            if text:
                yield node.lineno, text


def _is_import_call(func: ast.expr) -> bool:
    name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
    return name in ("import_module", "__import__")


def _leading_text(argument: ast.expr) -> str:
    if isinstance(argument, ast.JoinedStr) and argument.values:
        argument = argument.values[0]
    return argument.value if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else ""


def violations(path: str, text: str) -> list[str]:
    """What a module at `path` (below the root) imports that it must not."""
    parts = path.removesuffix(".py").split("/")
    owner = parts[0]
    found = []
    for line, name in imported(ast.parse(text), [ROOT, *parts[:-1]]):
        steps = name.split(".")
        if steps[0] != ROOT:
            continue
        member = steps[1] if len(steps) > 1 and steps[1] in LINE_OF else "__init__"
        if member == owner and owner not in GROUND:
            continue
        lower = LINE_OF[member] > LINE_OF[owner]
        if not lower or member not in NARROWER.get(owner, LINE_OF):
            found.append(f"{path}:{line} imports {name}: {owner} must not import from {member}")
    return found


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_module_imports_only_from_lines_below_its_own(path: Path) -> None:
    assert violations(relative(path), path.read_text()) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("wire/frame.py", "from d4py_adaptive.mappings.worker import Worker"),
        ("wire/frame.py", "import d4py_adaptive.telemetry.board"),
        ("mappings/multi.py", "from d4py_adaptive.partitioner.unmeasured import plan_without_profile"),
        ("mappings/multi.py", "def run():\n    from d4py_adaptive.runtime import session"),
        ("dataflow/pe.py", "if TYPE_CHECKING:\n    from d4py_adaptive.wire.encoding import Wire"),
        ("dataflow/pe.py", "from ..wire import encoding"),
        ("dataflow/pe.py", "from .. import wire"),
        ("dataflow/pe.py", "from d4py_adaptive import wire"),
        ("dataflow/pe.py", "from d4py_adaptive import run"),
        ("dataflow/pe.py", "import d4py_adaptive"),
        ("errors.py", "from d4py_adaptive.registry import Registry"),
        ("registry.py", "from d4py_adaptive.clock import monotonic_ns"),
        ("workflows/seismology/table.py", "from d4py_adaptive.wire.sizes import payload_bytes"),
        ("testing/reference.py", "from d4py_adaptive.workflows.seismology import table"),
        ("dashboard/text.py", "from d4py_adaptive.runtime.session import enact"),
        ("runtime/session.py", "import_module('d4py_adaptive.cli.run')"),
        ("runtime/session.py", "import_module(f'd4py_adaptive.cli.{verb}')"),
    ],
)
def test_a_planted_violation_is_found(path: str, text: str) -> None:
    assert len(violations(path, text)) == 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("mappings/multi.py", "from d4py_adaptive.mappings.job import Job"),
        ("mappings/multi.py", "from .job import Job"),
        ("mappings/multi.py", "from d4py_adaptive.wire import frame\nimport os\nfrom d4py_adaptive import errors"),
        ("workflows/seismology/table.py", "from d4py_adaptive.dataflow.pe import GenericPE"),
        ("cli/main.py", "import_module(f'd4py_adaptive.cli.{verb}')\nfrom d4py_adaptive.runtime import session"),
        ("__main__.py", "from d4py_adaptive.cli.main import main"),
    ],
)
def test_what_is_allowed_is_not_found(path: str, text: str) -> None:
    assert violations(path, text) == []


def test_every_member_of_the_package_stands_on_a_line() -> None:
    members = {member_of(path) for path in MODULES}
    assert members <= LINE_OF.keys()
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert folders <= LINE_OF.keys() - GROUND


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_module_reads_in_one_sitting(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MOST_MODULE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MOST_FUNCTION_LINES, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", [path for path in MODULES if member_of(path) not in MAY_PRINT], ids=relative)
def test_only_the_command_line_and_the_dashboard_print(path: Path) -> None:
    lines = path.read_text().splitlines()
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    prints = [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]
    # PEs of the conformance suite print because that is what is tried.
    meant = member_of(path) == "testing"
    assert [line for line in prints if not (meant and "# noqa: T201" in lines[line - 1])] == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    names = {part.removesuffix(".py") for path in MODULES for part in Path(relative(path)).parts}
    assert names & EMPTY_NAMES == set()


def _descendants(kind: type) -> Iterator[type]:
    for child in kind.__subclasses__():
        yield child
        yield from _descendants(child)


def test_every_mapping_is_registered_under_its_name() -> None:
    for path in (PACKAGE / "mappings").glob("*.py"):
        import_module(f"{ROOT}.mappings.{path.stem}".removesuffix(".__init__"))
    found = {
        kind.name: kind
        for kind in _descendants(Mapping)
        if not isabstract(kind) and kind.__module__.startswith(f"{ROOT}.mappings")
    }
    assert found.keys() == set(MAPPINGS)
    assert {name: MAPPINGS.get(name) for name in MAPPINGS} == found


def test_public_names_are_the_ones_declared_in_order_and_can_be_imported() -> None:
    declared = d4py_adaptive.__all__
    assert declared == sorted(declared)
    assert all(hasattr(d4py_adaptive, name) for name in declared)
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in imports if (node.module or "").startswith(ROOT + ".")]
    public = {alias.asname or alias.name for node in ours for alias in node.names}
    assert {name for name in public if name[0] != "_" and name not in LINE_OF and name != "api"} == set(declared)


def test_the_package_says_which_name_it_has_not() -> None:
    with pytest.raises(AttributeError) as caught:
        d4py_adaptive.runn  # noqa: B018
    assert str(caught.value) == "module 'd4py_adaptive' has no attribute 'runn'"


def loaded_after(statement: str) -> set[str]:
    script = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


@pytest.mark.parametrize("statement", ["import d4py_adaptive", "import d4py_adaptive.cli.main"])
def test_importing_the_package_loads_nothing_heavy(statement: str) -> None:
    assert loaded_after(statement).isdisjoint(HEAVY)
