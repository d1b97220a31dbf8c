from pathlib import Path

import pytest

pytest.register_assert_rewrite(
    "d4py_adaptive.testing.mapping_suite",
    *(
        f"d4py_adaptive.testing.suite_{part}"
        for part in ("base", "failure", "items", "lifecycle", "machine", "results")
    ),
)


@pytest.fixture(autouse=True)
def d4py_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test's runs in a folder of its own."""
    home = tmp_path / "d4py-home"
    monkeypatch.setenv("D4PY_HOME", str(home))
    return home
