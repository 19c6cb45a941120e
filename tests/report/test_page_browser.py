"""report.html in a real browser: it asks nobody, nothing foreign acts, and people can work with it."""

from __future__ import annotations

import re
import shutil
from contextlib import closing
from typing import TYPE_CHECKING

import anyio
import pytest
from playwright.sync_api import sync_playwright

from pipeline.report import REPORT_HTML
from tests.report.pages import table_after
from tests.report.tabs import DESK, EVIL, evil_page, large_page, opened, provision
from tests.support.tools import needs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.report.tabs import Tab

pytestmark = pytest.mark.xdist_group("browser")

PHONE = {"width": 390, "height": 844}
PAPER = {"width": 718, "height": 1000}
"""A4 between margins of 10 mm, in pixels of CSS."""


@pytest.fixture(scope="module")
def chromium() -> str:
    needs("chromium")
    return shutil.which("chromium") or ""


@pytest.fixture(scope="module")
def browser(chromium: str, folder: Path, real: Path, large: Path, evil: Path) -> Iterator[Browser]:
    """One browser; the pages come first, since Playwright keeps this thread's event loop for itself."""
    assert all(path.exists() for path in (folder, real, large, evil))
    with (
        sync_playwright() as playwright,
        # The sandbox refuses root, which CI is; the pages are ours and load nothing.
        closing(playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])) as launched,
    ):
        yield launched


@pytest.fixture(scope="module")
def desk(browser: Browser, folder: Path) -> Iterator[Tab]:
    """The page of a run with failures, a device left alone, throttles, and a process that went on."""
    with opened(browser, folder / REPORT_HTML) as tab:
        yield tab


@pytest.fixture
def tab(desk: Tab) -> Tab:
    """The same page, loaded anew."""
    desk.page.reload()
    desk.noises.clear()
    return desk


@pytest.fixture(scope="module")
def real(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001  nothing to look at
    """A real run against a double: throttled, stopped half-way, gone on with, and one device fails."""
    home = tmp_path_factory.mktemp("real")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
        anyio.run(provision, home)
    return home / "run" / REPORT_HTML


@pytest.fixture(scope="module")
def large(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001  nothing to look at
    """The page of ten thousand devices, three of them not done."""
    return large_page(tmp_path_factory.mktemp("large"))


@pytest.fixture(scope="module")
def evil(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001  nothing to look at
    """The page of a ledger with markup in every place."""
    return evil_page(tmp_path_factory.mktemp("evil"))


@pytest.mark.parametrize(
    ("viewport", "scheme"), [(DESK, "light"), (DESK, "dark"), (PHONE, "light")], ids=["light", "dark", "phone"]
)
def test_a_real_run_is_shown_without_a_word_to_anybody(
    browser: Browser, real: Path, tmp_path: Path, viewport: dict[str, int], scheme: str
) -> None:
    """The page of a run with failures, throttles and a resume asks for nothing, is silent, and fits its window."""
    with opened(browser, real, viewport=viewport, color_scheme=scheme) as tab:
        assert tab.page.get_by_role("heading", level=1).inner_text() == "59 of 60 devices are done, 1 failed"
        assert "<b>no</b> \\u202esuch principal" in tab.page.locator(".cause").inner_text()
        for mark in (".bar", ".throttle", ".restart"):
            assert tab.page.locator(f".chart {mark}").count() >= 1
        assert tab.page.locator("#devices tbody tr").count() == 60
        assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        light = tab.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert light == (scheme == "light")
        assert len(tab.page.screenshot(path=tmp_path / "page.png")) > 10_000
    assert tab.requests == [real.as_uri()]
    assert tab.noises == []
    processes = table_after(real.read_text(encoding="utf-8"), 'id="processes"')
    assert [row[-1] for row in processes] == ["interrupted", "something was left to do"]


def test_a_search_leaves_what_has_the_words(tab: Tab) -> None:
    """Names, errors and certificates are found, in any case, and it is said how many were."""
    search = tab.page.get_by_role("searchbox", name="Search")
    assert tab.shown == "153 devices, 1 to 100 shown"
    search.fill("FLEET-13")
    assert tab.names() == ["fleet-130"]
    search.fill("for another key")
    assert (tab.names(), tab.shown) == (["wrong"], "1 of 153 devices")
    tab.page.get_by_label("Outcome").select_option("done")
    assert (tab.names(), tab.shown) == ([], "0 of 153 devices")
    search.fill("")
    assert tab.shown == "130 of 153 devices, 1 to 100 shown"
    tab.page.get_by_label("Outcome").select_option("failed")
    assert set(tab.cells(3)) == {"failed"}
    assert tab.noises == []


def test_columns_are_sorted_up_and_down(tab: Tab) -> None:
    """Numbers by their size and text by its letters, twice for the other way, and what is empty comes last."""
    line = tab.page.get_by_role("button", name="line")
    line.click()
    assert tab.cells(1)[:3] == ["1", "2", "3"]
    line.click()
    assert tab.cells(1)[:4] == ["302", "301", "300", "220"]
    head = tab.page.get_by_role("columnheader", name="line")
    assert head.get_attribute("aria-sort") == "descending"
    step = tab.page.get_by_role("button", name="step")
    step.click()
    assert tab.cells(4)[0] == "1"
    assert tab.cells(4)[-1] == ""
    step.click()
    assert tab.cells(4)[0] == "5"
    assert tab.cells(4)[-1] == ""
    assert head.get_attribute("aria-sort") is None
    tab.page.get_by_role("button", name="thing").click()
    assert tab.names() == sorted(tab.names())
    assert tab.names()[0] == "alone"


def test_pages_are_turned(tab: Tab) -> None:
    """A hundred devices are in view at once, and the rest are a page away; ends of the way say so."""
    assert len(tab.names()) == 100
    assert tab.page.get_by_role("button", name="Back").is_disabled()
    tab.page.get_by_role("button", name="Next").click()
    assert (len(tab.names()), tab.shown) == (53, "153 devices, 101 to 153 shown")
    assert tab.page.get_by_role("button", name="Next").is_disabled()
    assert tab.page.get_by_text("Page 2 of 2").is_visible()
    tab.page.get_by_role("button", name="First").click()
    assert tab.names()[0] == "fleet-001"
    tab.page.get_by_role("searchbox").fill("old-")
    assert tab.page.get_by_role("button", name="Next").is_hidden()


def test_a_cause_shows_its_devices_in_the_table(tab: Tab) -> None:
    """The button of a cause leaves its devices in the table, and takes the reader there."""
    tab.page.get_by_role("button", name="Show in the table").first.click()
    assert tab.names() == [f"old-{number:02}" for number in range(1, 21)]
    assert tab.page.evaluate("document.activeElement.id") == "search"
    assert tab.page.locator("#devices").is_visible()


FOCUSED = "(({id, ariaLabel, textContent}) => id || ariaLabel || textContent)(document.activeElement)"


def test_everything_can_be_done_with_the_keyboard(tab: Tab) -> None:
    """Tab reaches search, choice, heads and pager in their order with a frame to be seen, and Enter acts."""
    page = tab.page
    page.locator("#search").focus()
    reached: list[str] = []
    while len(reached) < 20 and "on" not in reached:
        page.keyboard.press("Tab")
        reached.append(page.evaluate(FOCUSED))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", reached
        if reached[-1] == "error":
            page.keyboard.press("Enter")
            assert tab.cells(5)[0] == "HasCertificate"
    heads = ["line", "thing", "outcome", "step", "error", "message", "state", "asked for (UTC)", "certificate"]
    assert reached == ["outcome", "Table of the devices", *heads, "on"]
    page.keyboard.press("Enter")
    assert tab.shown == "153 devices, 101 to 153 shown"
    # What was just pressed is of no more use, and the keyboard is not lost with it.
    assert page.evaluate("document.activeElement.id") == "back"
    page.keyboard.press("Enter")
    assert tab.shown == "153 devices, 1 to 100 shown"
    page.locator("#search").focus()
    page.keyboard.type("old-07")
    assert tab.names() == ["old-07"]
    page.keyboard.press("Tab")
    page.keyboard.type("done")
    assert tab.names() == []


def test_ten_thousand_devices_can_be_worked_with(browser: Browser, large: Path) -> None:
    """With ten thousand rows a search and a sort answer, and never more than a hundred rows are drawn."""
    with opened(browser, large) as tab:
        assert tab.shown == "10,000 devices, 1 to 100 shown"
        tab.page.get_by_role("button", name="thing").dblclick()
        assert tab.names()[:2] == ["thing-09999", "thing-09998"]
        tab.page.get_by_role("searchbox").press_sequentially("thing-0777")
        assert tab.names() == [f"thing-0777{number}" for number in range(9, -1, -1)]
        tab.page.get_by_role("searchbox").fill("")
        tab.page.get_by_role("button", name="Last").click()
        assert (len(tab.names()), tab.names()[-1]) == (100, "thing-00000")
        tab.page.get_by_label("Outcome").select_option("open")
        assert len(tab.names()) == 3
        assert tab.page.locator("tr").count() < 250
    assert tab.noises == []
    assert len(tab.requests) == 1


def test_a_printed_page_is_black_on_white_without_controls(browser: Browser, folder: Path) -> None:
    """On paper there are no controls, nothing is wider than the sheet, and no device of a cause is folded away."""
    with opened(browser, folder / REPORT_HTML, viewport=PAPER, color_scheme="dark") as tab:
        tab.page.emulate_media(media="print")
        for name in ("#tools", "#pager", "nav", ".act"):
            assert all(not found.is_visible() for found in tab.page.locator(name).all()), name
        style = "(() => { const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]; })()"
        assert tab.page.evaluate(style) == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
        assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert tab.page.locator(".cause li", has_text="old-20").evaluate("found => found.checkVisibility()")
        assert tab.page.locator("#shown").inner_text() == "153 devices, 1 to 100 shown"
        assert tab.page.pdf(format="A4").startswith(b"%PDF-")


def test_a_browser_without_scripts_shows_all_but_the_search(browser: Browser, folder: Path) -> None:
    """Without scripts there are causes, picture, a hundred devices and where the rest is, and no dead control."""
    with opened(browser, folder / REPORT_HTML, java_script_enabled=False) as tab:
        assert tab.page.locator(".cause").count() == 3
        assert tab.page.locator(".chart .bar").first.bounding_box()
        assert len(tab.names()) == 100
        assert tab.page.get_by_text("Without scripts the first 100 of them are shown").is_visible()
        assert tab.page.locator("input, select, button").locator("visible=true").count() == 0
        assert tab.page.get_by_text("arn:aws:iam::123456789012:user/line-7").is_visible()


def test_nothing_that_a_ledger_says_acts(browser: Browser, evil: Path) -> None:
    """Markup in codes, messages, options, quotas and limits of a ledger that was handed over is shown as text."""
    with opened(browser, evil) as tab:
        assert tab.page.evaluate("window.hit") is None
        shown = EVIL.replace("\u202e", "\\u202e")
        assert tab.page.locator("#devices td").all_inner_texts()[4] == shown
        assert tab.page.get_by_text(shown).count() >= 8
        assert tab.page.locator("img").count() == 0
        tab.page.get_by_role("button", name="Show in the table").click()
        assert tab.page.locator("#search").input_value() == shown
        assert tab.names() == ["one"]
        assert tab.page.evaluate("window.hit") is None
    assert (tab.noises, len(tab.requests)) == ([], 1)


INJECTED = (
    "<script>window.hit=['script']</script>"
    '<b id="handler" onclick="window.hit=[\'handler\']">b</b>'
    '<a id="address" href="javascript:void(window.hit=[\'address\'])">a</a>'
    '<i id="styled" style="color: rgb(1, 2, 3)">i</i>'
    '<img src="http://127.0.0.1:9/picture"><link rel="stylesheet" href="http://127.0.0.1:9/sheet">'
    "<iframe srcdoc=\"<script>parent.hit=['frame']</script>\"></iframe>"
)


@pytest.mark.parametrize("guarded", [True, False], ids=["with the policy", "without it"])
def test_the_policy_of_the_page_holds(browser: Browser, folder: Path, tmp_path: Path, guarded: bool) -> None:
    """Were markup to get in, its scripts, handlers, styles and loads would be refused, and only by the policy."""
    text = (folder / REPORT_HTML).read_text(encoding="utf-8").replace("<main>", f"<main>{INJECTED}", 1)
    if not guarded:
        text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    copy = tmp_path / REPORT_HTML
    copy.write_text(text, encoding="utf-8")
    with opened(browser, copy) as tab:
        hits = [tab.page.evaluate("window.hit")]
        # The page's own script and style sheet are let in all the same.
        assert tab.shown == "153 devices, 1 to 100 shown"
        for name in ("handler", "address"):
            tab.page.evaluate("window.hit = undefined")
            tab.page.locator(f"#{name}").click()
            # What a click sets off comes before what is put off from now on.
            tab.page.evaluate("new Promise(done => setTimeout(done, 50))")
            if not guarded:
                tab.page.wait_for_function("window.hit")
            hits.append(tab.page.evaluate("window.hit"))
        styled = tab.page.evaluate("getComputedStyle(document.getElementById('styled')).color") == "rgb(1, 2, 3)"
    loads = [address for address in tab.requests if address.startswith("http")]
    assert len(loads) == len(tab.refused) == 2
    if guarded:
        assert (hits, styled, set(tab.refused)) == ([None, None, None], False, {"csp"})
    else:
        assert (hits[1:], styled) == ([["handler"], ["address"]], True)
        assert "csp" not in tab.refused
