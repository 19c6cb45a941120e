"""Faults of a manifest, each with its place."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.text import printable

__all__ = ["Fault"]


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong with a manifest.

    Attributes:
        line: From 1, the line on which the faulty cell begins.
        column: From 1, the character at which it begins.
        file: The manifest as the user named it.
        reason: What is wrong and, where it helps, what would be right.
    """

    line: int
    column: int
    file: str
    reason: str

    def __str__(self) -> str:
        """Return ``FILE:LINE:COLUMN: reason``, safe to print."""
        return f"{printable(self.file)}:{self.line}:{self.column}: {printable(self.reason)}"
