"""Faults of a manifest, each with its place, and the log that keeps the first of them and counts the rest."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.text import printable

__all__ = ["Fault", "FaultLog", "Place"]


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong with a manifest.

    Attributes:
        line: From 1, the line on which the faulty cell begins.
        column: From 1, the character at which it begins.
        file: The manifest as the user named it.
        reason: What is wrong and, where it helps, what would be right; safe to print, and short.
    """

    line: int
    column: int
    file: str
    reason: str

    def __post_init__(self) -> None:
        """Make the reason safe to print, and let go of what it quotes: many faults are kept for a while."""
        object.__setattr__(self, "reason", printable(self.reason))

    def __str__(self) -> str:
        """Return ``FILE:LINE:COLUMN: reason``, safe to print."""
        return f"{printable(self.file)}:{self.line}:{self.column}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cell of a manifest begins; line and column count from 1, columns in characters."""

    file: str
    line: int
    column: int

    def fault(self, reason: str) -> Fault:
        """Return the fault that something is wrong here."""
        return Fault(self.line, self.column, self.file, reason)


class FaultLog:
    """Keeps the first faults in order of their place and counts all, in memory that does not grow.

    Faults may arrive in any order: a duplicate is found a batch of rows after its line was read.

    Attributes:
        total: How many faults were added, those that are no longer kept included.
    """

    KEPT = 100

    def __init__(self) -> None:
        self.total = 0
        self._kept: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Count a fault, and keep it while it is among the first."""
        self.total += 1
        self._kept.append(fault)
        if len(self._kept) >= 10 * self.KEPT:
            self._kept = self.first()

    def first(self) -> list[Fault]:
        """Return the first ``KEPT`` faults in order of their place."""
        return sorted(self._kept)[: self.KEPT]
