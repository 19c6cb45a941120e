"""report.html can be read by everybody: headings, labels, tables with heads, contrast."""

from __future__ import annotations

import itertools
import re
from importlib import resources
from typing import TYPE_CHECKING

import pytest

from pipeline.device import State
from pipeline.errors import DeviceError
from tests.report.ledgers import Fate, device
from tests.report.pages import page_of, plain

if TYPE_CHECKING:
    from pathlib import Path


def test_headings_leave_no_order_out(page: str) -> None:
    """Whoever goes from heading to heading finds no gap, and all parts of the run."""
    orders = [int(order) for order in re.findall(r"<h([1-6])", page)]
    assert orders[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(orders))
    headings = [plain(re.sub("<[^>]+>", "", text)) for text in re.findall(r"<h[23][^>]*>(.*?)</h[23]>", page)]
    assert headings == [
        "Why devices failed",
        "ThingHasCertificate · 20 devices",
        "WrongKey · 1 device",
        "Why devices were left alone",
        "HasCertificate · 1 device",
        "Pace",
        "What decided the pace",
        "Where the time of a device went",
        "Devices",
        "The run",
        "Who ran it",
        "What the last process was told",
        "Quotas",
        "Files",
    ]


def test_each_link_leads_somewhere(folder: Path, page: str) -> None:
    """Links go to a heading of the page, or to a file that a run leaves beside it."""
    targets = re.findall(r'<a href="([^"]+)"', page)
    ids = set(re.findall(r' id="([^"]+)"', page))
    assert {target[1:] for target in targets if target.startswith("#")} <= ids
    files = {target for target in targets if not target.startswith("#")}
    assert files - {"audit.jsonl"} <= {path.name for path in folder.iterdir()}
    assert len(re.findall(r' id="', page)) == len(ids)


def test_what_can_be_scrolled_can_be_reached_and_has_a_name(page: str) -> None:
    """Each box that scrolls takes the keyboard and says what it is; what labels something is there."""
    boxes = re.findall(r'<div class="wide"([^>]*)>', page)
    assert boxes
    assert all(
        'tabindex="0"' in box and 'role="region"' in box and re.search(r"aria-label(ledby)?=", box)
        for box in boxes
    )
    labels = {name for group in re.findall(r'aria-labelledby="([^"]+)"', page) for name in group.split()}
    assert labels <= set(re.findall(r' id="([^"]+)"', page))


def test_every_table_has_heads_for_its_columns(page: str) -> None:
    """Each table has a row of heads with a scope, and in each of them some text."""
    tables = re.findall(r"<table.*?</table>", page, re.DOTALL)
    assert len(tables) == 8
    for table in tables:
        heads = re.findall(r"<th scope=\"col\"[^>]*>(.*?)</th>", table)
        assert heads
        assert all(re.sub("<[^>]+>", "", head).strip() for head in heads)


def test_no_line_ends_within_an_option(tmp_path: Path) -> None:
    """Options in a message or an advice stay whole, and what is around them stays text."""
    error = DeviceError(1, "Held", "<i> has --one", advice="give --existing add, not a--b")
    page = page_of(tmp_path, [Fate(device("one"), State.LISTED, failed=error)])
    assert 'one: &lt;i&gt; has <code class="option">--one</code></p>' in page
    assert 'give <code class="option">--existing add</code>, not a--b</p>' in page
    assert re.search(r"\.option \{[^}]*white-space: nowrap", CSS)


CSS = (resources.files("pipeline.report") / "template" / "report.css").read_text("utf-8")
LIGHT, DARK, PRINTED = (
    dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
)


def luminance(colour: str) -> float:
    """WCAG 2.2, "relative luminance"."""
    channels = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, "contrast ratio"."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK, PRINTED], ids=["light", "dark", "print"])
@pytest.mark.parametrize("ground", ["ground", "raised"])
def test_text_stands_out(scheme: dict[str, str], ground: str) -> None:
    """Each colour of text has the contrast that WCAG 2.2 AA asks for (1.4.3), and shapes theirs (1.4.11)."""
    used = set(re.findall(r"(?<![-\w])color: var\(--(\w+)\)", CSS))
    assert used == {"ink", "quiet", "accent", "good", "bad", "warn"}
    assert {
        name: contrast(scheme[name], scheme[ground])
        for name in used
        if contrast(scheme[name], scheme[ground]) < 4.5
    } == {}
    for name in ("bar", "throttle", "accent", "quiet"):
        assert contrast(scheme[name], scheme[ground]) >= 3


def test_the_schemes_have_the_same_colours() -> None:
    """Dark and print leave no colour to be that of the light scheme."""
    assert LIGHT.keys() == DARK.keys() == PRINTED.keys()
    assert set(re.findall(r"var\(--(\w+)\)", CSS)) <= LIGHT.keys()
