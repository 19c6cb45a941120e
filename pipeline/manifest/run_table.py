"""The ``[run]`` table of a TOML manifest: the settings of ``thingmill run`` that may stand in a file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pipeline.manifest.names import quoted
from pipeline.passwords import SOURCES, is_source
from pipeline.settings import Existing, KeyType

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RUN_KEYS", "SettingError", "run_setting"]


class SettingError(ValueError):
    """A setting that is unknown or has a value of the wrong kind; the text says what would be right."""


def _text(value: object) -> str:
    if isinstance(value, str) and value:
        return value
    raise SettingError("takes text")


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise SettingError("takes true or false")


def _texts(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if all(isinstance(item, str) and item for item in values):
        return list(values)
    raise SettingError("takes text or a list of texts")


def _source(value: object) -> str:
    """Accept where a passphrase or password is, never itself."""
    if isinstance(value, str) and is_source(value):
        return value
    raise SettingError(f"says where it is, never itself: {SOURCES}")


def _choice(*choices: str) -> Callable[[object], str]:
    def choice(value: object) -> str:
        if isinstance(value, str) and value in choices:
            return value
        raise SettingError(f"takes one of {', '.join(choices)}")

    return choice


def _positive(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0:
        return float(value)
    return None


def _rate(value: object) -> float:
    rate = _positive(value)
    if rate is None:
        raise SettingError("takes a number above 0, in devices per second")
    return rate


def _workers(value: object) -> str:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return str(value)
    raise SettingError("takes a whole number above 0, or a scheduler's URL")


def _quotas(value: object) -> dict[str, float]:
    """Accept ``{ AttachPolicy = 30 }`` and ``["AttachPolicy=30"]``."""
    pairs = value.items() if isinstance(value, dict) else (_quota(item) for item in _texts(value))
    quotas = {str(name): _positive(rate) for name, rate in pairs}
    found = {name: rate for name, rate in quotas.items() if name and rate is not None}
    if len(found) < len(quotas):
        raise SettingError('takes calls per second by API: quota = { AttachPolicy = 30 }, or "AttachPolicy=30"')
    return found


def _quota(text: str) -> tuple[str, float | None]:
    name, _, rate = text.partition("=")
    try:
        return name.strip(), float(rate)
    except ValueError:
        return name.strip(), None


RUN_KEYS: dict[str, Callable[[object], object]] = {
    "output": _text,
    "name": _text,
    "profile": _text,
    "region": _text,
    "endpoint_url": _text,
    "local": _switch,
    "key": _choice(*KeyType),
    "workers": _workers,
    "rate": _rate,
    "quota": _quotas,
    "policy": _text,
    "thing_type": _text,
    "group": _texts,
    "billing_group": _text,
    "inactive": _switch,
    "existing": _choice(*Existing),
    "create_missing": _switch,
    "shard": _switch,
    "format": _texts,
    "csr_dir": _text,
    "encrypt_to": _texts,
    "passphrase": _source,
    "pkcs12_password": _source,
}
"""Every setting that may stand under ``[run]``, with what turns its TOML value into the command line's."""


def run_setting(key: str, value: object) -> tuple[str, object]:
    """Return a setting's name with ``_`` and its checked value.

    Raises:
        SettingError: The key is unknown, or the value is not of its kind.
    """
    name = key.replace("-", "_")
    check = RUN_KEYS.get(name)
    if check is None:
        raise SettingError(f"{quoted(key)} is no setting of a run; there are {', '.join(RUN_KEYS)}")
    try:
        return name, check(value)
    except SettingError as error:
        raise SettingError(f"{quoted(key)} {error}") from None
