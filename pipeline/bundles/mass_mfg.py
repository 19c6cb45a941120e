"""What ESP-IDF's manufacturing utility (``tools/mass_mfg/mfg_gen.py``) makes the NVS partitions of a run from.

Its configuration names entries, and its table has their values, a line a device. Values are names and paths, never
a key. A path is relative to where the utility is run, which is the run's folder. Entries are those of ``esp_nvs``
but for ``mqtt_host`` and ``mqtt_port``, which are the same for all devices.

The utility takes no empty value, and one configuration is for a whole table, so devices that keep their own key
have a listing of their own, without a key in its configuration.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from pipeline.bundles.esp_nvs import NAMESPACE
from pipeline.bundles.listing import Listing
from pipeline.bundles.pem import roots_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.bundles.listing import Listed

__all__ = ["MASS_MFG", "MASS_MFG_CSR"]

_PUBLIC = (("node_id", "data", "binary"), ("ca_cert", "file", "binary"), ("client_cert", "file", "binary"))
_KEY = ("client_key", "file", "binary")
"""Entries by key, type and encoding, in the order that the table has them in: the utility insists on it."""


def _values(listed: Listed) -> list[str]:
    """Return the values of all entries but the key."""
    name, folder = listed.device.thing_name, listed.folder
    return [name, f"{folder}/{roots_name(name)}", f"{folder}/{name}.pem"]


def _with_key(listed: Listed) -> bytes:
    """Return the line of a device whose key is in its bundle."""
    if not listed.has_key:
        return b""
    name = listed.device.thing_name
    return _table([[*_values(listed), f"{listed.folder}/{name}.key"]])


def _without_key(listed: Listed) -> bytes:
    """Return the line of a device that keeps its own key."""
    return b"" if listed.has_key else _table([_values(listed)])


def _configuration(entries: Iterable[Sequence[str]]) -> bytes:
    # The third cell of a namespace is empty; the utility counts cells.
    return _table([(NAMESPACE, "namespace", ""), *entries])


def _table(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("ascii")


MASS_MFG = Listing(
    static={"config.csv": _configuration([*_PUBLIC, _KEY])},
    name="values.csv",
    header=_table([[key for key, _, _ in (*_PUBLIC, _KEY)]]),
    line=_with_key,
    about="ESP-IDF's manufacturing utility",
    opens_key=True,
)
MASS_MFG_CSR = Listing(
    static={"config.csv": _configuration(_PUBLIC)},
    name="values.csv",
    header=_table([[key for key, _, _ in _PUBLIC]]),
    line=_without_key,
    about="the same, for devices that keep their own key",
)
