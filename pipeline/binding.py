"""What a run folder is bound to by its settings: what it was begun with, it goes on with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.settings import Settings

__all__ = ["binding"]


def binding(settings: Settings) -> dict[str, str]:
    """Return what a run folder is bound to by its settings, by name; the account and Region come on top."""
    bound = {
        "key type": settings.key_type.value,
        "certificates": "inactive" if settings.inactive else "active",
        "sharded": str(settings.shard),
        "formats": " ".join(("pem", *settings.formats)),
        "key encryption": settings.encryption.binding,
    }
    if not settings.resumes_failed:
        # Forgotten, it would have keys made here for devices that have theirs. failed.csv has the CSRs inline.
        bound["CSR folder"] = "given" if settings.csr_dir is not None else "not given"
    if "pkcs12" in settings.formats:
        # A resumed run that is not told the password again must not leave keys in files that are not encrypted.
        bound["PKCS #12 password"] = "given" if settings.pkcs12_password is not None else "not given"
    return bound
