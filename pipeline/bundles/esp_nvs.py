"""An NVS partition for ESP devices, as esp-idf-nvs-partition-gen makes it, and the CSV that it is made from.

Namespace, key names and types are those that ESP RainMaker's factory partition has (``rmaker_creds`` with
``node_id``, ``mqtt_host``, ``client_cert`` and ``client_key``, all of them blobs): the one convention for the
credentials of an AWS IoT device in NVS that Espressif's own firmware reads. ``mqtt_port`` and ``ca_cert`` come on
top. A blob has no NUL at its end: firmware reads it into a buffer that is one byte longer, and zeroed.

Blobs, since an NVS string holds no more than 4,000 bytes (ESP-IDF, "NVS Library"), and the four Amazon roots are
4,464. In the CSV, PEM stands in base64, so that each entry is one line which no editor, spreadsheet or change of
line ends can bend; what goes into the partition are its bytes.
"""

from __future__ import annotations

import base64
import csv
import io
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipeline.bundles.opened import opened_key
from pipeline.codes import DeviceCode
from pipeline.errors import DeviceError, UsageError
from pipeline.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.bundles.parts import Contents, Parts

__all__ = ["LARGEST", "NAMESPACE", "PAGE", "SMALLEST", "contents"]

NAMESPACE = "rmaker_creds"
"""Where the entries stand. Its name, like those of entries, has 15 characters at most."""

PAGE = 0x1000
"""Bytes of a page of NVS, and of a sector of flash: a partition is a multiple of it."""

SMALLEST = 0x6000
"""Bytes of a partition: the size of ESP-IDF's own, whose five pages hold an RSA-4096 key and four roots twice."""

LARGEST = 0x10000
"""Bytes of the largest partition that is made, for roots or certificates that are out of the ordinary."""

_HEADER = ("key", "type", "encoding", "value")


def contents(parts: Parts) -> Contents:
    """Return the CSV and the partition by name; both are secrets, unless the device keeps its key itself.

    The partition has ``SMALLEST`` bytes, or the next multiple of a page that holds everything; the last page is
    left free, as NVS needs it. A device that keeps its own key gets no ``client_key``.

    Raises:
        UsageError: The extra ``esp`` is not installed.
        DeviceError: The key is encrypted, or is none; or no partition up to ``LARGEST`` holds everything.
    """
    name, rows = parts.device.thing_name, _rows(parts)
    made = {f"{name}.nvs.csv": _table(rows), f"{name}.nvs.bin": _partition(name, rows)}
    return made if parts.key is None else {file: Secret(data) for file, data in made.items()}


def _rows(parts: Parts) -> list[Sequence[str]]:
    """Return key, type, encoding and value of each entry, in the generator's terms."""
    rows = [
        (NAMESPACE, "namespace", "", ""),
        ("node_id", "data", "binary", parts.device.thing_name),
        ("mqtt_host", "data", "binary", parts.endpoint.host),
        ("mqtt_port", "data", "u16", str(parts.endpoint.port)),
        ("ca_cert", "data", "base64", _base64(parts.endpoint.roots.encode("ascii"))),
        ("client_cert", "data", "base64", _base64(parts.certificate.pem.encode("ascii"))),
    ]
    if parts.key is not None:
        key = opened_key(parts).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        rows.append(("client_key", "data", "base64", _base64(key)))
    return list(rows)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _table(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_HEADER, *rows])
    return text.getvalue().encode("ascii")


def _partition(thing_name: str, rows: Iterable[Sequence[str]]) -> bytes:
    """Return the partition, made in memory alone: the generator's command would write it to a file 0644."""
    try:
        # An extra, and a fifth of a second, since it brings a command line of its own.
        from esp_idf_nvs_partition_gen import nvs_partition_gen as generator  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            "the format esp-nvs needs the extra `esp`", advice="pip install 'thingmill[esp]'"
        ) from error
    for size in range(SMALLEST, LARGEST + 1, PAGE):
        image = io.BytesIO()
        try:
            # The generator adds the free page to the size that it is told; its command takes it off, too.
            with generator.nvs_open(image, size - PAGE, generator.Page.VERSION2) as partition:
                for row in rows:
                    generator.write_entry(partition, *row)
        except generator.InsufficientSizeError:
            continue
        return image.getvalue()
    raise DeviceError(
        6,
        DeviceCode.TOO_LARGE,
        f"what {thing_name} is given does not go into an NVS partition of {LARGEST:,} bytes",
        advice="leave the format esp-nvs out for this run",
    )
