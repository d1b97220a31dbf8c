"""The HTML report in a real Chromium: quiet, alone, narrow enough, with and without JavaScript, and on paper."""

from __future__ import annotations

import runpy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from d4py_adaptive.dashboard.report.html import html_report

UNIT_TESTS = Path(__file__).parents[1] / "unit" / "dashboard"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def samples() -> dict[str, Any]:
    return runpy.run_path(str(UNIT_TESTS / "sample_diagnosis.py"))


@pytest.fixture(scope="module")
def reports(samples: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Reports as files, by name."""
    import msgspec

    sample, hostile = samples["sample_diagnosis"](), "</script><img src=x onerror=\"document.title='hacked'\">"
    advice = tuple(msgspec.structs.replace(one, text=hostile + one.text, command=hostile) for one in sample.advice)
    pes = tuple(msgspec.structs.replace(pe, pe=hostile + pe.pe) for pe in sample.profile.pes)
    finding = msgspec.structs.replace(sample.verdict, sentence=hostile, pe="y" * 5000)
    made = {
        "sample": sample,
        "healthy": samples["healthy_diagnosis"](),
        "large": samples["large_diagnosis"](pes=50, instances=8),
        "hostile": msgspec.structs.replace(
            sample, target=hostile, verdict=finding, findings=(finding,), advice=advice, warnings=(hostile,),
            environment={hostile: hostile}, command=hostile * 20,
            profile=msgspec.structs.replace(sample.profile, pes=pes, notes=(hostile,)),
        ),
    }  # fmt: skip
    folder = tmp_path_factory.mktemp("reports")
    for name, diagnosis in made.items():
        (folder / f"{name}.html").write_text(html_report(diagnosis), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in made}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with playwright.sync_playwright() as started:
        # Its own sandbox does not work for root, whom containers often run tests as.
        launched = started.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield launched
        launched.close()


@pytest.fixture
def opened(browser: Any, reports: dict[str, Path]) -> Iterator[Open]:
    """Opens a report by name; at the end nothing may have been said on the console, or asked of a network."""
    contexts, said, asked = [], [], []

    def open_report(name: str, width: int = 1280, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(reports[name].as_uri())
        return page

    yield open_report
    for context in contexts:
        context.close()
    assert said == []
    assert [url for url in asked if url not in {path.as_uri() for path in reports.values()} | {"data:,"}] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["sample", "healthy", "large", "hostile"])
def test_nothing_scrolls_sideways(opened: Open, name: str, scheme: str) -> None:
    for width in (360, 700, 840, 1280):  # tables become lists below 832
        page = opened(name, width, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [360, 1280])
def test_one_picture_of_the_graph_is_shown(opened: Open, width: int) -> None:
    page = opened("sample", width)
    assert page.locator("div.graph:visible").count() == 1
    box = page.locator("div.graph:visible svg").bounding_box()
    assert 0 < box["width"] <= width


def test_the_dark_is_dark_and_paper_is_not(opened: Open) -> None:
    page = opened("sample", color_scheme="dark")
    background = "getComputedStyle(document.documentElement).backgroundColor"
    assert page.evaluate(background) == "rgb(18, 24, 31)"
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(background) == "rgb(255, 255, 255)"


def test_copying_a_command(opened: Open, samples: dict[str, Any]) -> None:
    page = opened("sample", permissions=["clipboard-read", "clipboard-write"])
    buttons = page.locator("button.copy:visible")
    commands = [one.command for one in samples["sample_diagnosis"]().advice if one.command]
    assert buttons.count() == len(commands) + 1
    for number, command in enumerate(commands):
        buttons.nth(number).click()
        page.get_by_text("Copied").nth(number).wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == command


def test_sorting_a_table(opened: Open) -> None:
    page = opened("sample")
    table = page.locator("#service table")
    names = table.locator("tbody th")
    assert names.first.inner_text() == "ReadWaveforms"
    table.get_by_role("button", name="p50").click()
    assert names.first.inner_text() == "CrossCorrelate"
    assert table.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    table.get_by_role("button", name="p50").click()
    assert names.first.inner_text() == "StackPairs"
    table.locator("thead button").first.click(click_count=2)
    assert names.all_inner_texts() == sorted(names.all_inner_texts())
    assert table.locator("th[aria-sort]").count() == 1


def test_hostile_text_runs_nothing(opened: Open) -> None:
    page = opened("hostile")
    assert page.locator("img").count() == 0
    assert page.title().startswith("Diagnosis of </script><img")


def test_it_is_complete_without_javascript(opened: Open) -> None:
    with_it, without = opened("sample"), opened("sample", java_script_enabled=False)
    assert without.locator("button:visible").count() == 0
    for page in (with_it, without):
        page.locator("summary").last.click()
        assert page.locator("#machine details table").is_visible()
    for part in ("section", "table", "svg.lane", "svg.bar", "svg.histogram", "pre"):
        assert without.locator(f"{part}:visible").count() == with_it.locator(f"{part}:visible").count() > 0


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])
def test_paper_shows_what_is_folded(opened: Open, javascript: bool) -> None:
    page = opened("large", java_script_enabled=javascript)
    figures = page.locator("#time details table")
    assert not figures.is_visible()
    printed = page.pdf(format="A4")
    assert printed.startswith(b"%PDF-")
    page.emulate_media(media="print")
    assert figures.bounding_box()["height"] > 500
    assert not page.locator("button.copy").first.is_visible()
