"""Whatever is written comes back as it was, and no bytes whatsoever end in anything but devices or faults."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.device import Device
from pipeline.errors import ManifestError
from pipeline.manifest import load, run_settings
from pipeline.manifest.names import common_name_fault
from pipeline.settings import Defaults
from pipeline.text import printable
from tests.manifest.manifest_reading import devices_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.manifest import Fault

_names = st.from_regex(r"[a-zA-Z0-9:_-]{1,64}", fullmatch=True)
_attribute_names = st.sampled_from(["site", "hw.rev", "A/b", "#1", "lot@x", "Z,9"])
_values = st.from_regex(r"[a-zA-Z0-9_.,@/:#=\[\]-]{1,30}", fullmatch=True)
_common_names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=64).filter(
    lambda text: (
        all(printable(char) == char for char in text)
        and text.strip(" ;") != ""
        and common_name_fault(text) is None
    )
)


@st.composite
def _devices(draw: st.DrawFn) -> list[Device]:
    names = draw(st.lists(_names, min_size=1, max_size=8, unique_by=str.lower))
    devices = []
    for line, name in enumerate(names, start=2):
        thing_type = draw(st.none() | _names)
        devices.append(
            Device(
                name,
                line=line,
                common_name=draw(st.just(name) | _common_names),
                thing_type=thing_type,
                groups=tuple(draw(st.lists(_names, max_size=4, unique=True))),
                billing_group=draw(st.none() | _names),
                policy=draw(st.none() | st.from_regex(r"[a-zA-Z0-9_+=,.@-]{1,128}", fullmatch=True)),
                attributes=draw(
                    st.dictionaries(_attribute_names, _values, max_size=3 if thing_type is None else 6)
                ),
            )
        )
    return devices


def _as_csv(devices: list[Device], delimiter: str, end: str) -> str:
    attributes = sorted({name for device in devices for name in device.attributes})
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end)
    writer.writerow(["ThingName", "cn", "thing-type", "groups", "Billing Group", "POLICY", *attributes])
    for device in devices:
        fields = [device.thing_name, device.common_name, device.thing_type, ";".join(device.groups)]
        writer.writerow([*fields, device.billing_group, device.policy, *map(device.attributes.get, attributes)])
    return out.getvalue()


@given(_devices(), st.sampled_from([(".csv", ","), (".tsv", "\t")]), st.sampled_from(["\n", "\r\n"]))
def test_delimited_round_trip(devices: list[Device], kind: tuple[str, str], end: str) -> None:
    """Any devices written by a CSV writer are read back equal, each with its line."""
    suffix, delimiter = kind
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"m{suffix}"
        path.write_text(_as_csv(devices, delimiter, end), encoding="utf-8", newline="")
        assert devices_in(path) == devices


@given(_devices(), st.booleans())
def test_json_round_trip(devices: list[Device], ascii_only: bool) -> None:
    """Any devices written as the tool's own JSON are read back equal, each with its line."""
    lines = [json.dumps(json.loads(device.to_json()), ensure_ascii=ascii_only) for device in devices]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.jsonl"
        path.write_text("\n" + "\n".join(lines), encoding="utf-8")
        assert devices_in(path) == devices


@given(_devices())
def test_canonical_json(devices: list[Device]) -> None:
    """The roster's description of any device is its canonical JSON."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.csv"
        path.write_text(_as_csv(devices, ",", "\n"), encoding="utf-8")
        with load(str(path), Defaults()) as roster:
            rows = roster._connection.execute("SELECT description FROM roster ORDER BY seq").fetchall()
    assert [text for (text,) in rows] == [device.to_json() for device in devices]


# What means something to one of the formats, so that short random texts get far into each.
_pieces = st.sampled_from(
    [
        *(bytes([byte]) for byte in b'\n\r\t ,"#:={}[]a\0\xff'),
        *(b"'''", b'"""', b"id", b"cn", b"csr", b"nan", b"1e999", b"\xef\xbb\xbf", b"\xe2\x80\xae", b"\x1b]"),
        *(b"[run]\n", b"[[thing]]\n", b"things = ", b'{"id":"a"', b'"attributes":{"x":1}', b"\\ud800"),
        b"-----BEGIN CERTIFICATE REQUEST-----",
    ]
)


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".tsv", ".jsonl", ".toml", "-"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200) | st.lists(_pieces, max_size=30).map(b"".join))
def test_any_bytes(tmp_path: Path, suffix: str, content: bytes) -> None:
    """Any bytes are read to devices or to faults that can be printed, never to a crash."""
    path = tmp_path / f"m{suffix}"
    path.write_bytes(content)
    manifest = "-" if suffix == "-" else str(path)
    faults: Sequence[Fault] = ()
    try:
        run_settings(manifest)
        with load(manifest, Defaults(), stdin=io.BytesIO(content)) as roster:
            read = len(list(roster.devices()))
    except ManifestError as error:
        read, faults = 0, error.faults
    assert bool(read) != bool(faults)
    for fault in faults:
        assert str(fault).isprintable()
        assert 1 <= fault.line <= content.count(b"\n") + 1
        assert 1 <= fault.column <= len(content) + 1
