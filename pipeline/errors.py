"""Every error a user can meet, each with a sentence that helps and the exit code it ends in.

::

    ThingmillError
    ├── UsageError            2    the command line asks for something that cannot be
    ├── ManifestError         2    the manifest has faults; nothing was submitted
    ├── RefusedError          3    AWS, or its credentials, refused for the run as a whole
    ├── RunFolderError        4    the run folder is in use, or belongs to something else
    ├── DiskError             1    the disk refused a write; the run stopped and can be resumed
    ├── InterruptedRunError 130    a signal came; the run stopped and can be resumed
    └── DeviceError           1    one device failed; the others go on

Errors of single AWS calls (``pipeline.aws.failures.CallError``) become one of these before they reach a user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pipeline.counting import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.manifest.faults import Fault

__all__ = [
    "DeviceError",
    "DiskError",
    "InterruptedRunError",
    "ManifestError",
    "RefusedError",
    "RunFolderError",
    "ThingmillError",
    "UsageError",
]


class ThingmillError(Exception):
    """Something a person has to know about.

    Args:
        message: What happened, in one sentence.
        advice: What to do about it, in one sentence, where there is something.
        details: Lines that name each case, where there are several.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, advice: str = "", details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.details = tuple(details)

    def __reduce__(self) -> tuple[object, ...]:
        """Cross a process boundary whole: workers raise these too."""
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(kind: type[ThingmillError], args: tuple[object, ...], state: dict[str, object]) -> ThingmillError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class UsageError(ThingmillError):
    """The command line asks for something that cannot be."""

    exit_code = 2


class ManifestError(ThingmillError):
    """The manifest has faults, so nothing was submitted and no key was made.

    Args:
        faults: The first faults in order of their place.
        total: How many there are in all, those that are not in ``faults`` included.
    """

    exit_code = 2

    def __init__(self, faults: Sequence[Fault], total: int) -> None:
        super().__init__(
            f"the manifest has {counted(total, 'fault')}; nothing was submitted and no key was made",
            advice="mend the lines named above and run the same command again",
            details=[str(fault) for fault in faults],
        )
        self.faults = tuple(faults)
        self.total = total


class RefusedError(ThingmillError):
    """AWS, or the credentials for it, refused something that the whole run needs."""

    exit_code = 3


class RunFolderError(ThingmillError):
    """The run folder is in use by another process, or belongs to something else."""

    exit_code = 4


class DiskError(ThingmillError):
    """The disk refused a write. What was durable stays so; the run can be resumed."""


class InterruptedRunError(ThingmillError):
    """A signal asked the run to stop. It can be resumed."""

    exit_code = 130


class DeviceError(ThingmillError):
    """One device failed at one step; the others go on.

    Args:
        step: The number of the step in ``pipeline.issuance`` that failed.
        code: A short, stable name of the cause: a ``codes.DeviceCode``, or what a call failed with.
        message: What happened, in one sentence.
        advice: What to do about it.
    """

    def __init__(self, step: int, code: str, message: str, *, advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.step = step
        self.code = code
