"""What a revoke is asked for, and which devices of a ledger are meant by that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.device import State
from pipeline.errors import UsageError
from pipeline.text import printable

if TYPE_CHECKING:
    from pipeline.ledger import Reader

__all__ = ["Scope", "Selection"]

_UNTOUCHED = f"(outcome IS 'skipped' AND state = {State.LISTED:d} AND thing_created = 0)"


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked for.

    Attributes:
        devices: The names of the only things that are meant; none means all.
        failed_only: Only devices that failed.
        begun_only: Only devices that a revoke has begun to take back.
        things: Delete the things too that the run made.
        purge: Remove the folders of keys and bundles.
    """

    devices: tuple[str, ...] = ()
    failed_only: bool = False
    begun_only: bool = False
    things: bool = False
    purge: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether it is about the run and not about some of its devices."""
        return not (self.devices or self.failed_only or self.begun_only)


@dataclass(frozen=True, slots=True)
class Selection:
    """A scope in terms of a ledger: conditions for ``Reader.entries`` and ``Reader.count``.

    Attributes:
        meant: All that it is about, whatever came of them.
        standing: Devices that are not revoked yet.
        doubtful: Those of them whose last request has no answer.
        entries: All that there may be something to do for: revoked ones too, whose thing or folders are left.
        things: Those of them whose thing the run made.
    """

    meant: str
    standing: str
    doubtful: str
    entries: str
    things: str

    @classmethod
    def of(cls, scope: Scope, reader: Reader) -> Selection:
        """Return the conditions for a scope.

        Raises:
            UsageError: The run has no such device.
        """
        meant = "1"
        if scope.devices:
            meant = f"seq IN ({', '.join(str(_seq(reader, name)) for name in scope.devices)})"
        if scope.failed_only:
            meant += " AND outcome IS 'failed'"
        if scope.begun_only:
            meant += " AND revoking = 1"
        standing = f"({meant} AND outcome IS NOT 'revoked' AND NOT {_UNTOUCHED})"
        left = [f"({meant} AND outcome IS 'revoked' AND thing_created = 1)"] if scope.things else []
        left += [f"({meant} AND outcome IS 'revoked')"] if scope.purge else []
        entries = " OR ".join([standing, *left])
        return cls(
            meant=f"({meant})",
            standing=standing,
            doubtful=f"{standing} AND state = {State.REQUESTED:d}",
            entries=entries,
            things=f"({entries}) AND thing_created = 1",
        )


def _seq(reader: Reader, thing_name: str) -> int:
    seq = reader.seq_of(thing_name)
    if seq is None:
        raise UsageError(
            f"--device {printable(thing_name, 128)}: the run has no such device",
            advice="give a thing name as it stands in summary.csv",
        )
    return seq
