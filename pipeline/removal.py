"""Certificates that must not stay: taken off the account, but only where it is certain that they are ours.

A certificate that failed inspection, or a second one of a device's key, is set inactive and deleted. Nothing that
an answer claims is enough for that: the registry has to describe the certificate itself, and nothing may be
attached to it, since ours are never attached to anything before they are known to be good.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pipeline.arns import CERTIFICATE_ID
from pipeline.aws.failures import CallError, Failure
from pipeline.inspection import public_key_hash

if TYPE_CHECKING:
    from pipeline.aws.registry import Registry
    from pipeline.device import Issued
    from pipeline.errors import DeviceError
    from pipeline.ledger import Ledger
    from pipeline.meter import Meter

__all__ = ["Removal"]

GONE_SECONDS = 60.0
"""After this time a certificate that cannot be described is gone, and not merely new."""


class Removal:
    """Takes certificates away for a run.

    Args:
        registry: AWS IoT.
        ledger: The run's ledger, which says what certificates are in use.
        meter: Is told what could not be taken away.
    """

    def __init__(self, registry: Registry, ledger: Ledger, meter: Meter) -> None:
        # A certificate that must not stay is not left half removed when the run is asked to stop.
        self._registry = registry.patient()
        self._ledger = ledger
        self._meter = meter

    async def reject(self, seq: int, spki_sha256: str, issued: Issued, error: DeviceError) -> bool:
        """Take a certificate that failed inspection off the account.

        Args:
            seq: The device that it was issued for.
            spki_sha256: That device's public key's hash.
            issued: What AWS IoT answered.
            error: What does not hold.

        Returns:
            Whether nothing is left of it that could be used. If not, the device's request stays in doubt.
        """
        await self._ledger.rejected(seq, issued, error)
        return await self._take_away(spki_sha256, issued, rejected_at=time.time())

    async def finish(self) -> None:
        """Finish what ``reject`` was stopped in, before anything else is done in a resumed run."""
        for rejection in self._ledger.read.rejections():
            try:
                await self._take_away(rejection.spki_sha256, rejection.issued, rejection.rejected_at)
            except CallError as error:
                if error.failure is not Failure.REFUSED:
                    raise
                identity = rejection.issued.certificate_id
                self._meter.note(f"certificate {identity} failed inspection and stays: {error.reason}")

    async def is_unused(self, described: Issued) -> bool:
        """Whether a certificate has neither a thing nor a policy.

        One of the same key that is in use was made by somebody else, over a device that keeps its own key, and is
        neither adopted nor touched.
        """
        arn = described.certificate_arn
        return not await self._registry.list_principal_things(
            arn
        ) and not await self._registry.list_attached_policies(arn)

    async def delete(self, certificate_id: str) -> bool:
        """Set a certificate inactive and delete it; return whether it is gone and not merely inactive."""
        await self._registry.deactivate_certificate(certificate_id)
        try:
            await self._registry.delete_certificate(certificate_id)
        except CallError as error:
            if error.failure is not Failure.REFUSED:
                raise
            # It is inactive and can do nothing; something was attached to it meanwhile.
            self._meter.note(f"certificate {certificate_id} was set inactive but not deleted: {error.reason}")
            return False
        return True

    async def _take_away(self, spki_sha256: str, issued: Issued, rejected_at: float) -> bool:
        identity = issued.certificate_id
        if not CERTIFICATE_ID.fullmatch(identity) or self._ledger.read.holder_of(identity) is not None:
            return False
        described = await self._registry.describe_certificate(identity)
        if described is None:
            # Deleted by a process that was killed then, or the id was wrong: a look by key finds what there is.
            if time.time() - rejected_at > GONE_SECONDS:
                await self._ledger.removed(identity)
            return False
        same = described.certificate_pem.strip() == issued.certificate_pem.strip()
        ours = same or public_key_hash(described.certificate_pem) == spki_sha256
        if not ours or not await self.is_unused(described):
            return False
        if await self.delete(identity):
            await self._ledger.removed(identity)
        return True
