"""The `d4py` command as a fixture, and the check that nothing of it is left after each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("real_processes")

from real_processes import PROMISE_S, D4py, eventually, shared_memory  # noqa: E402


@pytest.fixture
def d4py(tmp_path: Path) -> Iterator[D4py]:
    """The command; the test fails if a process or shared memory is left when it is over."""
    before = shared_memory()
    command = D4py(tmp_path)
    try:
        yield command
        command.is_gone()
        eventually(lambda: not shared_memory() - before, PROMISE_S, "nothing of the run left in shared memory")
    finally:
        command.clean_up()


@pytest.fixture(scope="session")
def known_machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What this machine can do, probed once for all tests, since that takes seconds."""
    from d4py_adaptive.runtime.host import known_host

    home = tmp_path_factory.mktemp("probed")
    known_host(home)
    return home / "hosts"


@pytest.fixture
def on_known_machine(d4py: D4py, known_machine: Path) -> None:
    """The command's home knows the machine already."""
    shutil.copytree(known_machine, d4py.home / "hosts")
