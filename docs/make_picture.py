"""Makes the README's picture: a real run on the embedded AWS IoT, caught on its way.

::

    .venv/bin/python docs/make_picture.py

The run has the settings of ``make demo``, in a folder of its own that goes away. The picture is drawn from its
meter as the display draws it, at the first look with more than half of the certificates issued; so the figures in
it are those of the machine that it was made on, and of what else that was doing. The title leaves two options out.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from pipeline.cli.options import resolve
from pipeline.local import embedded
from pipeline.manifest import load
from pipeline.meter import Meter
from pipeline.progress import Gauge, record_svg
from pipeline.run import Run

if TYPE_CHECKING:
    from pipeline.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "run.svg"
TITLE = "thingmill run manifests/demo.csv --local"
WIDTH = 84


async def _catch(gauge: Gauge, picture: Path) -> None:
    """Write the picture once the run is half-way and its pace is known."""
    while True:
        figures = gauge.read()
        if figures.pace and figures.limit and 2 * figures.stages["certificates"] > figures.total > 0:
            record_svg(figures, picture, title=TITLE, width=WIDTH)
            return
        await anyio.sleep(0.1)


async def _picture_of_a_run(settings: Settings, picture: Path) -> None:
    meter = Meter()
    with load(settings.manifest, settings.defaults) as roster:
        async with embedded(settings.run_folder.parent / ".local") as aws, anyio.create_task_group() as group:
            group.start_soon(_catch, Gauge(meter), picture)
            await Run(settings, roster, meter, aws).execute()
            group.cancel_scope.cancel()


def main() -> None:
    """Make the picture, or say that the run was over before it could be taken."""
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / PICTURE.name
        told = {
            "output": folder,
            "local": True,
            "policy": str(ROOT / "manifests" / "device-policy.json"),
            "create_missing": True,
        }
        settings = resolve(str(ROOT / "manifests" / "demo.csv"), told, {})
        anyio.run(_picture_of_a_run, settings, picture)
        if not picture.exists():
            sys.exit("the run was over before a picture could be taken; try again")
        # Without rich's remark that it drew this: the picture names no host at all.
        svg = re.sub(r"\s*<!--.*?-->", "", picture.read_text(encoding="utf-8"), flags=re.DOTALL)
        PICTURE.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
