"""``failed.jsonl``: what ``failed.csv`` is, for the rare manifest whose attributes one header cannot name.

Only JSON and TOML manifests can lead here (see ``failed_csv.Columns.clash``).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pipeline.manifest.columns import Field, Remark
from pipeline.manifest.objects import ATTRIBUTES
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipeline.device import Device
    from pipeline.errors import DeviceError

__all__ = ["failed_jsonl"]


def failed_jsonl(failed: Iterable[tuple[Device, DeviceError | None]]) -> Iterator[bytes]:
    """Yield a JSON object for each device, a line each, pure ASCII; ``failed`` is as in ``failed_csv``."""
    for device, error in failed:
        fields: dict[str, Any] = {
            Field.THING_NAME: device.thing_name,
            Field.THING_TYPE: device.thing_type,
            Field.THING_GROUPS: device.groups,
            Field.BILLING_GROUP: device.billing_group,
            Field.POLICY: device.policy,
            Field.COMMON_NAME: device.common_name,
            Field.CSR: device.csr,
            Field.KEY_TYPE: device.key_type,
            Field.ENCRYPT_TO: device.encrypt_to,
            ATTRIBUTES: device.attributes,
        }
        present = {name: value for name, value in fields.items() if value}
        yield (json.dumps(present | _remarks(error)) + "\n").encode()


def _remarks(error: DeviceError | None) -> dict[str, str | int]:
    """Return why a device failed, by ``Remark``."""
    if error is None:
        return {}
    return {
        Remark.STEP: error.step,
        Remark.CODE: printable(error.code),
        Remark.MESSAGE: printable(error.message),
        Remark.ADVICE: printable(error.advice),
    }
