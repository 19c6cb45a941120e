"""Makes the pictures of the documents from one real run on the embedded AWS IoT.

::

    .venv/bin/python docs/make_pictures.py

What is run: 400 things with ECDSA P-256 keys, at the quotas of the table, in a folder of its own that goes away.
Five of the things are there beforehand, from a run of another name: four have a certificate already, and of one an
attribute is not as the manifest has it. The run is stopped as with Ctrl-C when three in five have a certificate,
and begun again. Nothing else is set up, and nothing is touched up: the figures are those of the machine that the
pictures were made on, and of what else that was doing.

- ``run.svg``: the display, drawn from the run's meter at the first look with more than half of the certificates
  issued. The title leaves options out.
- ``report.png``: the top of the run's ``report.html`` down to the chart of its pace, in the light scheme. It needs
  chromium on PATH, and Playwright, which the extra ``dev`` brings.
"""

from __future__ import annotations

import importlib
import re
import shutil
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from pipeline.cli.options import resolve
from pipeline.errors import InterruptedRunError
from pipeline.local import embedded
from pipeline.manifest import load
from pipeline.meter import Meter
from pipeline.progress import Gauge, record_svg
from pipeline.report import REPORT_HTML
from pipeline.run import Run

if TYPE_CHECKING:
    from pipeline.local import Embedded
    from pipeline.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
RUN_SVG = "run.svg"
REPORT_PNG = "report.png"
TITLE = "thingmill run line-7.csv --local --key ec-p256"
WIDTH = 84
THINGS = 400
BEFORE = range(118, 123)
"""The numbers of the things that are there beforehand; the last of them is another revision."""


def _manifests(folder: Path) -> tuple[Path, Path]:
    """Write the manifest of what is there beforehand, and that of the run."""
    rows = [f"pump-{number:03},b" for number in range(1, THINGS + 1)]
    old = [f"pump-{number:03},{'a' if number == BEFORE[-1] else 'b'}" for number in BEFORE]
    paths = folder / "line-6.csv", folder / "line-7.csv"
    for path, lines in zip(paths, (old, rows), strict=True):
        path.write_text("\n".join(["thing_name,hw_rev", *lines]) + "\n", encoding="utf-8")
    return paths


def _settings(manifest: Path) -> Settings:
    told = {
        "output": str(manifest.parent),
        "local": True,
        "key": "ec-p256",
        "policy": str(ROOT / "manifests" / "device-policy.json"),
        "create_missing": True,
    }
    return resolve(str(manifest), told, {})


async def _catch(run: Run, gauge: Gauge, picture: Path) -> None:
    """Write the picture once the run is half-way and its pace is known, and stop the run a little later."""
    caught = False
    while not run.stop.requested:
        figures = gauge.read()
        issued = figures.stages["certificates"]
        if not caught and figures.pace and figures.limit and 2 * issued > figures.total > 0:
            record_svg(figures, picture, title=TITLE, width=WIDTH)
            caught = True
        if 5 * issued > 3 * figures.total > 0:
            run.request_stop()
        await anyio.sleep(0.1)


async def _execute(settings: Settings, aws: Embedded, picture: Path | None = None) -> None:
    meter = Meter()
    with load(settings.manifest, settings.defaults) as roster:
        run = Run(settings, roster, meter, aws)
        try:
            async with anyio.create_task_group() as group:
                if picture is not None:
                    group.start_soon(_catch, run, Gauge(meter), picture)
                await run.execute()
                group.cancel_scope.cancel()
        except* InterruptedRunError:
            pass  # as it was asked to


async def _provision(folder: Path) -> Path:
    """Carry out the run, write the picture of its display, and return its report."""
    before, manifest = map(_settings, _manifests(folder))
    async with embedded(folder / ".local") as aws:
        await _execute(before, aws)
        await _execute(manifest, aws, folder / RUN_SVG)
        await _execute(manifest, aws)
    return manifest.run_folder / REPORT_HTML


def _photograph(report: Path, picture: Path, chromium: str, playwright: Any) -> None:  # noqa: ANN401  a module
    """Take a picture of a report from its top to the end of its chart."""
    with (
        playwright.sync_playwright() as driver,
        closing(driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])) as browser,
    ):
        page = browser.new_page(viewport={"width": 1200, "height": 800}, color_scheme="light")
        page.goto(report.as_uri())
        box = page.locator("figure").bounding_box()
        clip = {"x": 0, "y": 0, "width": 1200, "height": box["y"] + box["height"]}
        page.screenshot(path=picture, full_page=True, clip=clip)


def main() -> None:
    """Make the pictures, or say what is missing."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit(f"{REPORT_PNG} is taken with chromium, which is not on PATH (Debian: apt-get install chromium)")
    try:
        playwright = importlib.import_module("playwright.sync_api")
    except ImportError:
        sys.exit(f"{REPORT_PNG} is taken with Playwright, which is not installed (pip install '.[dev]')")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        report = anyio.run(_provision, folder)
        if not (folder / RUN_SVG).exists():
            sys.exit("the run was over before a picture could be taken; try again")
        _photograph(report, folder / REPORT_PNG, chromium, playwright)
        # Without rich's remark that it drew this: the picture names no host at all.
        svg = re.sub(r"\s*<!--.*?-->", "", (folder / RUN_SVG).read_text(encoding="utf-8"), flags=re.DOTALL)
        (DOCS / RUN_SVG).write_text(svg, encoding="utf-8")
        (DOCS / REPORT_PNG).write_bytes((folder / REPORT_PNG).read_bytes())


if __name__ == "__main__":
    main()
