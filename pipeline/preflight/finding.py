"""What a check found, in words."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check that did not refuse the run.

    Attributes:
        about: What was looked at: ``permissions``, ``disk``.
        text: What was found, in one sentence, safe to print.
        worrying: Whether a person should hear of it also when the run goes on.
    """

    about: str
    text: str
    worrying: bool = False

    def __str__(self) -> str:
        return f"{self.about}: {self.text}"
