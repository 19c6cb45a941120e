"""``thingmill export``: the bundles of a run that is there already, in other formats."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipeline.cli import completion
from pipeline.cli.app import command, find_run, run_async
from pipeline.cli.parameters import (
    BUNDLES_PANEL,
    DEVICE,
    FORMATS,
    IDENTITY,
    KEYS_PANEL,
    OPENING_PASSPHRASE,
    OUTPUT,
    PKCS12_PASSWORD,
    RUN,
    SAYS_PANEL,
)
from pipeline.cli.saying import say, say_object
from pipeline.counting import counted
from pipeline.errors import UsageError
from pipeline.published import VERSION
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.export import Exported, Order
    from pipeline.layout import RunFolder
    from pipeline.ledger import Reader

_TOLD_SECONDS = 5.0
"""How often it is said how far an export is."""

FORMAT = typer.Option(
    ...,
    "--format",
    metavar="FORMAT",
    help=f"A format, or a listing of the run; repeatable: {FORMATS}",
    autocompletion=completion.formats,
    rich_help_panel=BUNDLES_PANEL,
)
TO = typer.Option(
    None,
    "--to",
    metavar="DIR",
    show_default="RUN/export",
    help="Where each format gets its folder.",
    rich_help_panel=BUNDLES_PANEL,
)


@command(
    "export",
    examples="""
        thingmill export line-7 --format tar --format greengrass
        # a listing of the whole run, elsewhere
        thingmill export line-7 --format bulk-results --to handover
        # from keys that are encrypted
        thingmill export line-7 --format der --in-clear --identity key.txt
    """,
)
def export(
    run: str = RUN,
    device: list[str] | None = DEVICE,
    output: Path = OUTPUT,
    format: list[str] = FORMAT,  # noqa: A002  arguments are named like their options
    to: Path | None = TO,
    pkcs12_password: str | None = PKCS12_PASSWORD,
    identity: list[str] | None = IDENTITY,
    passphrase: str | None = OPENING_PASSPHRASE,
    in_clear: bool = typer.Option(
        False,
        "--in-clear",
        help="Write keys that are encrypted in clear: whoever reads the files has them.",
        rich_help_panel=KEYS_PANEL,
    ),
    as_json: bool = typer.Option(
        False, "--json", help="A JSON line for each device on standard output.", rich_help_panel=SAYS_PANEL
    ),
) -> None:
    """Write the bundles of finished devices in other formats.

    It asks nobody but the folder of the run. Run it again to go on, or for devices that were done since: what is
    there and the same stays as it is, and what differs is named and not written over. The exit code is then 1.
    """
    from pipeline import privacy
    from pipeline.binding import refuse_merged
    from pipeline.bundles.listings import LISTINGS
    from pipeline.cli.formats import known, refuse_opening
    from pipeline.cli.unsealing import opener
    from pipeline.export import Order
    from pipeline.layout import RunFolder
    from pipeline.ledger import live_ledger
    from pipeline.lock import RunLock
    from pipeline.passwords import read_password

    chosen = known(format)
    formats = [name for name in chosen if name not in LISTINGS]
    listings = [name for name in chosen if name in LISTINGS]
    if listings and device:
        raise UsageError("a listing is of all devices", advice="give --device with formats of devices only")
    root = find_run(run, output)
    privacy.check_run(root)
    # Nobody provisions or revokes meanwhile, and no other export fills the same folders.
    with RunLock(root / ".lock"), closing(live_ledger(root / "ledger.db")) as reader:
        meta = reader.meta()
        refuse_merged(meta, root)
        folder = RunFolder(root, meta.get("sharded") == str(True))
        place = _place(folder, to)
        sealed = meta.get("key encryption", "none") != "none"
        if sealed or reader.names_recipients():
            refuse_opening(listings)
        if sealed:
            can_open = bool(identity) or passphrase is not None
            _check_clear(formats, can_open=can_open, in_clear=in_clear, password=pkcs12_password is not None)
        password = None
        if pkcs12_password is not None:
            password = read_password(pkcs12_password, "the PKCS #12 password", confirm=True)
        opens = opener(identity or (), passphrase)
        order = Order(formats, place, tuple(device or ()), password, opens, in_clear)
        told = _Told(folder, reader, order, as_json)
        told.carry_out(listings)
    if told.failed or not told.devices:
        raise typer.Exit(1)


def _check_clear(formats: Sequence[str], *, can_open: bool, in_clear: bool, password: bool) -> None:
    """See, for a run all of whose keys are encrypted, that what opens them is there and may be used.

    It is said once and before anything is written; ``export`` sees to it for each device.

    Args:
        formats: What is asked for.
        can_open: Whether an identity or a passphrase was given.
        in_clear: Whether it was said that keys are to be written in clear.
        password: Whether PKCS #12 files get a password, and so are not in clear.

    Raises:
        UsageError: Something is not said that has to be.
    """
    from pipeline.bundles.formats import FORMATS, PKCS12

    opening = [name for name in formats if name in FORMATS and FORMATS[name].opens_key]
    clear = [name for name in opening if not (name == PKCS12 and password)]
    for name in clear if not in_clear else ():
        raise UsageError(
            f"{name} has keys in clear, and those of this run are encrypted",
            advice="add --in-clear, and --identity FILE or --passphrase SOURCE to open them",
        )
    if (in_clear or opening) and not can_open:
        raise UsageError(
            "the keys of this run are encrypted", advice="give --identity FILE or --passphrase SOURCE to open them"
        )


def _place(folder: RunFolder, to: Path | None) -> Path:
    """Return where to export to.

    Raises:
        UsageError: It is among what the run itself has in its folder.
    """
    if to is None:
        return folder.exports
    root, chosen = folder.root.resolve(), to.resolve()
    if chosen.is_relative_to(root) and not chosen.is_relative_to(root / folder.exports.name):
        raise UsageError(
            f"--to {printable(str(to))} is inside the run's own folder", advice="choose another, or leave --to out"
        )
    return to


@dataclass(slots=True)
class _Told:
    """One invocation: says what becomes of each device, and counts."""

    folder: RunFolder
    reader: Reader
    order: Order
    as_json: bool
    devices: int = 0
    failed: int = 0
    unsound: int = 0
    differing: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    _due: float = field(default_factory=lambda: time.monotonic() + _TOLD_SECONDS)

    def carry_out(self, listings: Sequence[str]) -> None:
        """Export, and say what came of it however it ends; a refusal before the first device says enough."""
        from pipeline.export import export, prepare
        from pipeline.report import write_listings

        try:
            if self.order.formats:
                run_async(lambda: export(self.reader, self.folder, self.order, self._add))
            if listings:
                prepare(self.order.to)
                for note in write_listings(self.reader, self.folder, listings, self.order.to):
                    self.failed += 1
                    say(f"thingmill: {note}", err=True)
                self.devices = self.devices or self._done()
                self._name(listings)
        except BaseException:
            if self.devices:
                self._conclude()
            raise
        self._conclude()

    def _add(self, exported: Exported) -> None:
        self.devices += 1
        self.failed += bool(exported.problems)
        self.unsound += exported.unsound
        self.differing += exported.differs
        self.fates.update(exported.fates.values())
        if self.as_json:
            event = {
                "event": "failed" if exported.problems else "exported",
                "thing": exported.thing_name,
                "formats": dict(exported.fates),
                "problems": list(exported.problems),
            }
            say_object(event)
        else:
            for problem in exported.problems:
                say(f"{exported.thing_name}: {problem}")
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _TOLD_SECONDS
            total = len(self.order.names) or self._done()
            say(f"exported {self.devices:,} of {counted(total, 'device')}", err=True)

    def _name(self, listings: Sequence[str]) -> None:
        """Say which files the listings are."""
        from pipeline.bundles.listings import LISTINGS

        for name in listings if not self.as_json else ():
            say(f"listing   {self.order.to / name / LISTINGS[name].name}")

    def _done(self) -> int:
        from pipeline.report import FINISHED

        return self.reader.count(FINISHED)

    def _conclude(self) -> None:
        if self.as_json:
            summary = {
                "event": "summary",
                "version": VERSION,
                "devices": self.devices,
                "failed": self.failed,
                "folder": printable(str(self.order.to), 4096),
                **{fate.replace(" ", "_"): self.fates[fate] for fate in ("written", "there", "left out")},
            }
            say_object(summary)
            return
        for fate, meaning in (
            ("written", "bundles written"),
            ("there", "were there already, and the same"),
            ("left out", "need a key, and the device keeps its own"),
        ):
            if self.fates[fate]:
                say(f"{fate:<9} {self.fates[fate]:,}: {meaning}")
        say(f"{self.devices - self.failed:,} of {counted(self.devices, 'device')} exported to {self.order.to}")
        if self.differing:
            say("what differs is never written over: move it away, or give another --to", err=True)
        if self.unsound:
            say(
                "a bundle that is not in order is not exported; docs/troubleshooting.md has what to do by the "
                "codes in brackets",
                err=True,
            )
