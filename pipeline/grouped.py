"""The errors of a task group, which come together, as the one that a person has to know about."""

from __future__ import annotations

from pipeline.errors import ThingmillError

__all__ = ["most_telling"]


def most_telling(error: BaseException) -> BaseException:
    """Return the one error of a group that says most, ours before any other; what is no group, as it is."""
    while isinstance(error, BaseExceptionGroup):
        ours: BaseExceptionGroup[BaseException] | None = error.subgroup(ThingmillError)
        error = (ours or error).exceptions[0]
    return error
