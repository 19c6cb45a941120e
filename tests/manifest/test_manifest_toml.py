"""A TOML manifest carries settings and things, each fault at its line though tomllib tells none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.errors import ManifestError, UsageError
from pipeline.manifest import run_settings
from pipeline.manifest.run_table import RUN_KEYS
from tests.manifest.manifest_reading import devices_in, faults_in, write

if TYPE_CHECKING:
    from pathlib import Path

_ALL = """
[run]
output = "out"
name = "lot-7"
profile = "factory"
region = "eu-central-1"
endpoint-url = "http://localhost:4566"
local = true
key = "ec-p256"
workers = 4
rate = 10
quota = { AttachPolicy = 30, CreateThing = 2.5 }
policy = "device"
thing-type = "Pump"
group = "hall-a"
billing-group = "north"
inactive = false
existing = "skip"
create-missing = true
shard = true
format = "der"
csr-dir = "csrs"
encrypt-to = ["recipients.txt"]
passphrase = "prompt"
pkcs12-password = "fd:3"
"""


def test_every_setting(tmp_path: Path) -> None:
    """Every setting of a run can stand under [run], and comes back as the command line would have it."""
    settings = run_settings(str(write(tmp_path, "m.toml", _ALL)))
    assert settings == {
        "output": "out",
        "name": "lot-7",
        "profile": "factory",
        "region": "eu-central-1",
        "endpoint_url": "http://localhost:4566",
        "local": True,
        "key": "ec-p256",
        "workers": "4",
        "rate": 10.0,
        "quota": {"AttachPolicy": 30.0, "CreateThing": 2.5},
        "policy": "device",
        "thing_type": "Pump",
        "group": ["hall-a"],
        "billing_group": "north",
        "inactive": False,
        "existing": "skip",
        "create_missing": True,
        "shard": True,
        "format": ["der"],
        "csr_dir": "csrs",
        "encrypt_to": ["recipients.txt"],
        "passphrase": "prompt",
        "pkcs12_password": "fd:3",
    }
    assert list(settings) == list(RUN_KEYS)


def test_quota_as_on_the_command_line(tmp_path: Path) -> None:
    """A quota may be written as the command line has it."""
    path = write(tmp_path, "m.toml", '[run]\nquota = ["AttachPolicy=30"]\n')
    assert run_settings(str(path)) == {"quota": {"AttachPolicy": 30.0}}


@pytest.mark.parametrize("name", ["m.csv", "-"])
def test_other_manifests_have_no_settings(name: str) -> None:
    """Only a TOML manifest has settings."""
    assert run_settings(name) == {}


def test_missing_file() -> None:
    """Settings of a file that is not there are wrong usage."""
    with pytest.raises(UsageError, match="No such file"):
        run_settings("nowhere.toml")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("colour = 1", "4:10: 'colour' is no setting of a run; there are output, name,"),
        ("local = 1", "4:9: 'local' takes true or false"),
        ('name = ""', "4:8: 'name' takes text"),
        ("workers = 0", "4:11: 'workers' takes a whole number above 0, or a scheduler's URL"),
        ("rate = nan", "4:8: 'rate' takes a number above 0, in devices per second"),
        ("quota = { AttachPolicy = 0 }", "4:9: 'quota' takes calls per second by API: quota = { AttachPolicy"),
        ('quota = "AttachPolicy"', "4:9: 'quota' takes calls per second by API: quota = { AttachPolicy"),
        ('key = "rsa-1024"', "4:7: 'key' takes one of rsa-4096, rsa-3072, rsa-2048, ec-p256, ec-p384, ec-p521"),
        ('existing = "x"', "4:12: 'existing' takes one of fail, skip, add"),
        ("group = [1]", "4:9: 'group' takes text or a list of texts"),
        ("thing-type = 'a'\nthing_type = 'b'", "5:14: 'thing_type' is there twice"),
    ],
)
def test_faulty_settings(tmp_path: Path, line: str, fault: str) -> None:
    """A setting that is unknown or of the wrong kind is a fault at its value, also when the things are read."""
    path = write(tmp_path, "m.toml", f"# name = 1\n[run]\nshard = true\n{line}\n")
    with pytest.raises(ManifestError) as caught:
        run_settings(str(path))
    assert str(caught.value.faults[0]).startswith(f"{path}:{fault}")
    path = write(tmp_path, "m.toml", path.read_text() + '[[thing]]\nid = "a"\n')
    (found,) = faults_in(path)
    assert found.startswith(f"m.toml:{fault}")


def test_settings_and_things_at_once(tmp_path: Path) -> None:
    """Faulty settings do not hide the faults of the things: all can be mended in one go."""
    things = "".join(f'[[thing]]\nid = "{name}"\na1 = 1\na2 = 2\na3 = 3\na4 = 4\n' for name in ("a", "b c"))
    path = write(tmp_path, "m.toml", f'[run]\nthing_type = "t"\nlocal = 1\n{things}')
    with pytest.raises(ManifestError) as caught:
        run_settings(str(path))
    assert [(fault.line, fault.column) for fault in caught.value.faults] == [(3, 9), (11, 6)]


def test_things_in_another_file(tmp_path: Path) -> None:
    """The key things names a file relative to the TOML manifest, and its faults are named with that file."""
    (tmp_path / "lots").mkdir()
    write(tmp_path / "lots", "7.csv", "id\na\nb\n")
    path = write(tmp_path, "m.toml", 'things = "lots/7.csv"\n[run]\nname = "x"\n')
    assert [device.thing_name for device in devices_in(path)] == ["a", "b"]
    write(tmp_path / "lots", "7.csv", "id\na b\n")
    (fault,) = faults_in(path)
    assert fault.startswith("lots/7.csv:2:1: thing name 'a b'")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('things = "x.csv"', "1:10: the things in 'x.csv' cannot be read: No such file or directory"),
        ('things = "m.toml"', "1:10: the things in 'm.toml' are of no known format; it takes .txt, .csv, .tsv"),
        ("things = 1", "1:10: things takes the path of a file"),
        ('things = "t.csv"\n[[thing]]\nid = "a"', "2:1: there is both things = … and [[thing]]; use one of them"),
        ('[thing]\nid = "a"', "1:1: a thing is a table in double brackets: [[thing]]"),
        ('colour = "red"', "1:10: 'colour' is unknown here; there are [run], things, [[thing]] and [[target]]"),
        ("run = 1", "1:7: run is a table: [run]"),
        ('id = "a', "1:8: this is not TOML: "),
        ("x = 2024-13-45", "1:9: this is not TOML: "),
        ("\n\n[[thing]]\nid = 'a'\n[[thing]]\nid == 'b'", "6:5: this is not TOML: "),
        ('[[thing]]\nname = "a"\nid = "b"', "3:6: columns 'name' and 'id' both mean thing_name"),
        ("[[thing]]\n[[thing]]\nid = 'a'", "1:1: no column is the thing name"),
        ('[[thing]]\nid = "a"\nx = 2024-01-01', "3:5: 'x' is a date; it takes text"),
        (
            '[[thing]]\nid = "a"\n[thing.attributes]\n"x" = "b c"',
            "4:7: attribute 'x': attribute value 'b c' holds",
        ),
        ('[[thing]]\nid = "a"\nattributes.x = "b c"', "3:16: attribute 'x': attribute value 'b c' holds"),
        ('[[thing]]\nid = "a"\nattributes = {y = 1, x = "b c"}', "3:26: attribute 'x': attribute value 'b c'"),
        ('[[thing]]\nid = "a"\n[run]\n[[thing]]\nid = "b"\n[run]', "4:1: [run] is there twice"),
    ],
)
def test_faulty_tables(tmp_path: Path, content: str, fault: str) -> None:
    """Whatever is wrong with the file is a fault at its line."""
    write(tmp_path, "t.csv", "id\na\n")
    (found,) = faults_in(write(tmp_path, "m.toml", content))
    assert found.startswith(f"m.toml:{fault}")


def test_reading_goes_on(tmp_path: Path) -> None:
    """A table that is not TOML, or not UTF-8, does not keep the tables around it from being read."""
    content = b"[[thing]]\nid = 'a b'\n[[thing]]\nid = \n[[thing]]\nid = '\xff'\n[[thing]]\nid = 'c d'\n"
    places = [fault.split(": ")[0] for fault in faults_in(write(tmp_path, "m.toml", content))]
    assert places == ["m.toml:2:6", "m.toml:4:6", "m.toml:6:7", "m.toml:8:6"]


def test_headers_in_strings(tmp_path: Path) -> None:
    """What looks like a table within a string of several lines begins none."""
    content = "[[thing]]\ncn = '''\n[[thing]]''' # '''\nid = \"a\"\n[['thing']]\nid = \"b\"\n"
    (fault,) = faults_in(write(tmp_path, "m.toml", content.replace("'''\n[[", "'''x\n[[")))
    assert fault.startswith(r"m.toml:2:6: common name 'x\x0a[[thing]]' holds '\x0a' at character 2")
    first, second = devices_in(write(tmp_path, "m.toml", content))
    assert (first.common_name, second.thing_name, second.line) == ("[[thing]]", "b", 5)


def test_inline_csr(tmp_path: Path) -> None:
    """A faulty CSR over several lines is a fault where the string begins."""
    path = write(tmp_path, "m.toml", '[[thing]]\nid = "a"\ncsr = """\n-----BEGIN X-----\n"""\n')
    (fault,) = faults_in(path)
    assert fault.startswith("m.toml:3:7: the CSR is not one PEM block")
