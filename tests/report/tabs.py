"""Pages that are open in a browser, and the real run that one of them is about."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.device import State
from pipeline.errors import InterruptedRunError
from pipeline.report import REPORT_HTML
from tests.core.mill import Mill
from tests.report.ledgers import Fate, device
from tests.report.pages import WRONG, fill, page_alone, poison, process, reading, written
from tests.support.awsiot import AwsIotDouble, Fail, Faults

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from playwright.sync_api import Browser, ConsoleMessage, Error, Page

DESK = {"width": 1280, "height": 900}
EVIL = (
    "</script><script>window.hit=1</script><img src=x onerror=window.hit=1><svg onload=window.hit=1>\u202e{{7*7}}"
)


@dataclass
class Tab:
    """A page that is open.

    Attributes:
        page: What Playwright drives.
        requests: What it asked for, itself included.
        refused: Why what it asked for did not come.
        noises: What it said on its console, and what its scripts failed with.
    """

    page: Page
    requests: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    noises: list[str] = field(default_factory=list)

    def names(self) -> list[str]:
        """The things that are in view, in order."""
        return self.page.locator("#devices tbody tr td:nth-child(2)").all_inner_texts()

    def cells(self, number: int) -> list[str]:
        """The texts of a column, by its number from 1."""
        return self.page.locator(f"#devices tbody tr td:nth-child({number})").all_inner_texts()

    @property
    def shown(self) -> str:
        return self.page.locator("#shown").inner_text()


@contextmanager
def opened(browser: Browser, file: Path, **options: Any) -> Iterator[Tab]:  # noqa: ANN401  as Playwright has them
    """Open a file in a tab of its own, and hear what it asks for and complains of."""
    with closing(browser.new_context(**({"viewport": DESK} | options))) as context:
        tab = Tab(context.new_page())

        def hear(message: ConsoleMessage) -> None:
            tab.noises.append(f"{message.type}: {message.text}")

        def fail(error: Error) -> None:
            tab.noises.append(f"error: {error}")

        tab.page.on("request", lambda request: tab.requests.append(request.url))
        tab.page.on("requestfailed", lambda request: tab.refused.append(request.failure or ""))
        tab.page.on("console", hear)
        tab.page.on("pageerror", fail)
        tab.page.goto(file.as_uri())
        yield tab


async def provision(home: Path) -> None:
    """Run sixty devices against a double: throttled, stopped half-way, gone on with, and one of them fails."""
    manifest = "".join(f"thing-{number:03}\n" for number in range(1, 61))
    faults = Faults(throttle={"AttachPolicy": 0.2})
    refused = Fail("InvalidRequestException", message="<b>no</b> \u202esuch principal")
    faults.script("AttachThingPrincipal", refused, subject="thing-007", times=None)
    calls = 0

    def arrived(operation: str, _: Mapping[str, object]) -> None:
        nonlocal calls
        calls += operation == "AttachPolicy"
        if calls == 20:
            first.request_stop()

    async with AwsIotDouble(faults, on_request=arrived) as double:
        mill = Mill(double, home)
        first = mill.prepare(manifest)
        with pytest.raises(InterruptedRunError):
            await mill.finish(first)
        await mill.run(manifest)


def large_page(root: Path) -> Path:
    """Write the page of ten thousand devices, three of them not done."""
    fill(root, 10_000, waiting=3)
    return _written(root)


def evil_page(root: Path) -> Path:
    """Write the page of a ledger that has markup in every place."""
    written(root, [Fate(device("one"), State.KEYED, failed=WRONG)], [process((1.0, reading(1)))])
    poison(root, EVIL)
    return _written(root)


def _written(root: Path) -> Path:
    page = root / REPORT_HTML
    page.write_text(page_alone(root), encoding="utf-8")
    return page
