"""Stops a run whose devices all fail for one reason, before certificates are issued for nothing.

One device that fails is its own affair. When one after another fails alike from CreateCertificateFromCsr on, the
cause is not theirs: a group that was deleted, a limit that is reached, a certificate provider that signs the
wrong key. Each further device would leave one more certificate that nobody uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import RefusedError

if TYPE_CHECKING:
    from pipeline.errors import DeviceError

__all__ = ["Breaker"]

MOST_ALIKE = 20
"""Failures in a row, for one reason, that stop a run."""

_FIRST_STEP = 4
"""Failures before a certificate is asked for cost nothing, and are told with their rows."""


class Breaker:
    """Counts failures in a row that are alike."""

    def __init__(self) -> None:
        self._alike = 0
        self._reason = (0, "")

    def succeeded(self) -> None:
        """A device is done: the cause is not everybody's."""
        self._alike = 0

    def failed(self, error: DeviceError) -> RefusedError | None:
        """Count a failure, and return what stops the run when there were too many alike."""
        if error.step < _FIRST_STEP:
            return None
        reason = (error.step, error.code)
        self._alike = self._alike + 1 if reason == self._reason else 1
        self._reason = reason
        if self._alike < MOST_ALIKE:
            return None
        return RefusedError(
            f"{self._alike} devices in a row failed at step {error.step} for one reason: {error.message} "
            f"({error.code})",
            advice=error.advice or "mend the cause, then run the same command again",
        )
