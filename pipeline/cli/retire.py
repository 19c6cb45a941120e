"""``thingmill retire``: the old certificates of a rotated run, taken away from devices that have the new one."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipeline.cli.app import command, find_run, run_async
from pipeline.cli.parameters import (
    DEVICE,
    ENDPOINT_URL,
    LOCAL,
    OUTPUT,
    PROFILE,
    QUOTA,
    REGION_OF_RUN,
    RUN,
    RUN_PANEL,
    SAYS_PANEL,
    YES,
)
from pipeline.cli.saying import ask_to_go_on, say, say_object
from pipeline.counting import counted, verb
from pipeline.errors import InterruptedRunError, UsageError
from pipeline.published import VERSION

if TYPE_CHECKING:
    from pipeline.retire import Retired
    from pipeline.rotation import Rotation
    from pipeline.settings import Access

SEEN = typer.Option(
    None,
    "--seen",
    metavar="FILE",
    help="Devices that were seen with their new certificate: names, presence events, or what verify --json says; "
    "- is standard input; repeatable.",
    rich_help_panel=RUN_PANEL,
)
EVERYBODY = typer.Option(False, "--all", help="All devices, also those not seen.", rich_help_panel=RUN_PANEL)


@command(
    "retire",
    examples="""
        # begin with new certificates beside the old ones
        thingmill run line-7.csv --name line-7-2026 --existing rotate
        # then take the old ones from devices that were seen with the new
        thingmill retire line-7-2026 --seen connected.jsonl --dry-run
        thingmill retire line-7-2026 --seen connected.jsonl
    """,
)
def retire(
    run: str = RUN,
    seen: list[str] | None = SEEN,
    everybody: bool = EVERYBODY,
    device: list[str] | None = DEVICE,
    output: Path = OUTPUT,
    profile: str | None = PROFILE,
    region: str | None = REGION_OF_RUN,
    endpoint_url: str | None = ENDPOINT_URL,
    local: bool = LOCAL,
    quota: list[str] | None = QUOTA,
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Tell what would be taken; change nothing.", rich_help_panel=SAYS_PANEL
    ),
    yes: bool = YES,
    as_json: bool = typer.Option(
        False, "--json", help="A JSON line for each device on standard output.", rich_help_panel=SAYS_PANEL
    ),
) -> None:
    """Take away old certificates after a run --existing rotate.

    It says how many there are, asks, and deletes those that the devices had before. Run it again to resume. What
    stays is named with its reason, and the exit code is 1.
    """
    from pipeline import privacy
    from pipeline.aws import quotas
    from pipeline.binding import refuse_merged
    from pipeline.ledger import live_ledger
    from pipeline.rotation import Rotation
    from pipeline.settings import Access
    from pipeline.text import printable

    if bool(seen) == everybody:
        raise UsageError(
            "say who has the new certificate",
            advice="give --seen FILE for those that were seen to connect with it, or --all for every device",
        )
    asked = not (yes or dry_run)
    if asked and ("-" in (seen or ()) or not (sys.stdin.isatty() and sys.stderr.isatty())):
        raise UsageError(
            "nobody can be asked here", advice="add --yes to take certificates away, or --dry-run to see which"
        )
    if local and endpoint_url:
        raise UsageError("--local and --endpoint-url exclude each other", advice="give one of them")
    access = Access(profile, region, endpoint_url, dict(quotas.parse(option) for option in quota or ()))
    root = find_run(run, output)
    privacy.check_run(root)
    with ExitStack() as stack:
        with closing(live_ledger(root / "ledger.db")) as reader:
            refuse_merged(reader.meta(), root)
            rotation = stack.enter_context(Rotation(reader))
        _watch(rotation, seen or ())
        devices, certificates = rotation.choose(everybody=everybody, names=frozenset(device or ()))
        shown, waiting = printable(root.name, 128), rotation.count()
        if as_json:
            counts = {"with_old_certificates": waiting, "devices": devices, "certificates": certificates}
            say_object({"event": "plan", "version": VERSION, "run": shown} | counts)
        _say(f"{counted(waiting, 'device')} of {shown} {verb('have', waiting)} old certificates")
        would = "would be taken" if dry_run else "will be taken"
        _say(f"{counted(certificates, 'old certificate')} of {counted(devices, 'device')} {would} away")
        if dry_run or not devices:
            return
        if asked:
            ask_to_go_on()
        tally = _Tally(devices, as_json)
        try:
            run_async(lambda: _work(root, access, rotation, tally, local=local))
        finally:
            tally.conclude(rotation.count())
    if tally.fates["left"] or tally.fates["failed"]:
        raise typer.Exit(1)


async def _work(root: Path, access: Access, rotation: Rotation, tally: _Tally, *, local: bool) -> None:
    from pipeline.cli.owning import owned_run
    from pipeline.retire import LANES, retire
    from pipeline.signals import draining
    from pipeline.stop import Stop, StoppedError

    stop = Stop()
    with draining(stop.request):
        try:
            async with owned_run(root, access, stop, local=local, connections=LANES) as owned:
                await retire(owned.registry, owned.ledger, rotation, stop, tally.add)
        except StoppedError:
            raise InterruptedRunError(
                "it was stopped before the first device", advice="run the same command again"
            ) from None
        if stop.requested:
            raise InterruptedRunError(
                "it was stopped; what was in flight is done and recorded", advice="run the same command again"
            )


@dataclass(slots=True)
class _Tally:
    """Says what becomes of each device, and counts."""

    devices: int
    as_json: bool
    fates: Counter[str] = field(default_factory=Counter)
    certificates: int = 0

    def add(self, found: Retired) -> None:
        self.fates[found.fate] += 1
        self.certificates += len(found.gone)
        if self.as_json:
            line = {
                "event": found.fate,
                "thing_name": found.thing_name,
                "reason": found.reason,
                "certificates": found.gone,
                "kept": found.kept,
            }
            say_object(line)
            return
        if found.reason:
            say(f"{found.thing_name}: {found.fate}: {found.reason}")
        for certificate, reason in found.kept.items():
            say(f"{found.thing_name}: certificate {certificate} stays: {reason}")
        done = sum(self.fates.values())
        if done % 500 == 0:
            _say(f"{done:,} of {counted(self.devices, 'device')}")

    def conclude(self, waiting: int) -> None:
        retired, left, failed = (self.fates[fate] for fate in ("retired", "left", "failed"))
        still = waiting - retired
        if self.as_json:
            counts = {"retired": retired, "left": left, "failed": failed, "with_old_certificates": still}
            say_object({"event": "summary", "certificates": self.certificates} | counts)
            return
        say(
            f"{counted(retired, 'device')} retired, {counted(self.certificates, 'certificate')} taken away; "
            f"{left:,} left, {failed:,} failed; {counted(still, 'device')} {verb('have', still)} old certificates "
            "still"
        )


def _watch(rotation: Rotation, files: list[str] | tuple[str, ...]) -> None:
    """Read who was seen, and say what was not understood or does not count."""
    from pipeline.rotation import Seen
    from pipeline.sightings import read
    from pipeline.text import printable

    for name in files:
        try:
            with ExitStack() as stack:
                stream = sys.stdin.buffer if name == "-" else stack.enter_context(Path(name).open("rb"))
                kinds = rotation.watch(read(stream))
        except OSError as error:
            raise UsageError(
                f"{printable(name)} cannot be read: {error.strerror}",
                advice="give a file that is there and that you may read, or - for standard input",
            ) from error
        told = [
            f"{number:,} {_of(kind.value, number)}" for kind, number in kinds.items() if kind is not Seen.COUNTS
        ]
        total = kinds.total()
        lines = f"{kinds[Seen.COUNTS]:,} of {counted(total, 'line')} {verb('count', total)}"
        _say(f"{printable(name)}: {lines}{': ' if told else ''}{'; '.join(told)}")


def _of(kind: str, number: int) -> str:
    """Return what a line does, said of several where there are several."""
    does, _, rest = kind.partition(" ")
    return kind if number == 1 or does == "cannot" else f"{does.removesuffix('s')} {rest}"


def _say(line: str) -> None:
    say(line, err=True)
