"""Whom a call is about: the thing or the common name, which stay the same when a run is played again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509

from tests.support.awsiot.signing import common_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.awsiot.account import Account

__all__ = ["subject_of"]

_NAMES = ("thingTypeName", "thingGroupName", "billingGroupName", "policyName", "target")


def subject_of(account: Account, params: Mapping[str, object]) -> str:
    """Return the thing's name, or the CN of the CSR or certificate; else another name; else ``""``."""
    if isinstance(thing := params.get("thingName"), str):
        return thing
    if isinstance(pem := params.get("certificateSigningRequest"), str):
        return _csr_name(pem)
    for member in ("certificateId", "principal", "target"):
        certificate_id = str(params.get(member, "")).rpartition("/")[2]
        if (certificate := account.store.certificates.get(certificate_id)) is not None:
            return certificate.common_name
    return next((str(params[member]) for member in _NAMES if member in params), "")


def _csr_name(pem: str) -> str:
    try:
        return common_name(x509.load_pem_x509_csr(pem.encode()).subject)
    except ValueError:
        return ""
