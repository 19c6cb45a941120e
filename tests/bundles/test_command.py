"""Formats and their password on the command line of ``run``, against a double of AWS IoT."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12
from typer.testing import CliRunner

from pipeline import passwords
from pipeline.aws.quotas import DEFAULTS
from pipeline.cli.app import app
from pipeline.cli.options import resolve
from pipeline.errors import UsageError
from pipeline.manifest import run_settings
from tests.bundles.test_formats import ANY_DEVICE
from tests.hygiene.keymaterial import KeyMaterial
from tests.support.awsiot import DoubleThread
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POLICY = "device"
PASSWORD = "correct horse battery"


@pytest.fixture
def double() -> Iterator[DoubleThread]:
    with DoubleThread() as running:
        document = '{"Version": "2012-10-17", "Statement": []}'
        running.run(lambda double: double.account.create_policy(POLICY, document))
        yield running


class Line:
    """The command line, in this process.

    Attributes:
        home: Where manifests and runs are.
        url: Where the double listens.
    """

    def __init__(self, home: Path, url: str) -> None:
        self.home, self.url = home, url
        self.manifest = home / "line.jsonl"
        csr = make_csr("own").pem.replace("\n", "\\n")
        self.manifest.write_text(
            f'{{"thing_name": "one"}}\n{{"thing_name": "a:b"}}\n{{"thing_name": "own", "csr": "{csr}"}}\n',
            encoding="ascii",
        )

    @property
    def devices(self) -> Path:
        return self.home / "output" / "line" / "devices"

    def run(self, *options: str, manifest: Path | None = None, expect: int = 0) -> str:
        importlib.import_module("pipeline.cli.run")
        importlib.import_module("pipeline.cli.check")  # with two commands each has its name
        fixed = ["--endpoint-url", self.url, "--region", "eu-west-1", "--policy", POLICY, "--output"]
        fixed += [str(self.home / "output"), "--key", "ec-p256", "--workers", "1", "--yes"]
        quotas = [f"--quota={api}=50000" for api in DEFAULTS]
        words = ["run", str(manifest or self.manifest), *fixed, *quotas, *options]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == expect, f"exit code {result.exit_code}\n{result.output}"
        return result.output


@pytest.fixture
def line(tmp_path: Path, double: DoubleThread, aws_keys: None) -> Line:  # noqa: ARG001  a client wants keys
    return Line(tmp_path, double.url)


@pytest.fixture
def password(tmp_path: Path) -> str:
    """Where the password is, as an option says it."""
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n", encoding="ascii")
    path.chmod(0o600)
    return f"file:{path}"


def every_byte(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def asking(*formats: str) -> list[str]:
    return [word for name in formats for word in ("--format", name)]


def test_a_run_writes_every_format_that_is_asked_for(line: Line, password: str, double: DoubleThread) -> None:
    """Keys made here and on the device stand side by side, and the run again changes not one byte."""
    said = line.run(*asking(*ANY_DEVICE), "--pkcs12-password", password)
    for name, formats in (
        ("one", set(ANY_DEVICE)),
        ("a:b", set(ANY_DEVICE)),
        ("own", set(ANY_DEVICE) - {"pkcs12"}),
    ):
        assert {path.name for path in (line.devices / name).iterdir() if path.is_dir()} == formats
    for name in ("one", "a:b"):
        inside = load_pkcs12((line.devices / name / "pkcs12" / f"{name}.p12").read_bytes(), PASSWORD.encode())
        assert inside.cert is not None
        assert inside.cert.friendly_name == name.encode()
    before = every_byte(line.devices)
    requests = double.run(lambda double: len(double.journal.calls))
    said += line.run(*asking(*ANY_DEVICE), "--pkcs12-password", password)
    assert every_byte(line.devices) == before
    assert double.run(lambda double: len(double.journal.calls)) == requests
    assert PASSWORD not in said


def test_the_password_is_nowhere_in_the_runs_folder(line: Line, password: str) -> None:
    """Neither ledger nor audit trail nor report has it, and no other format's file."""
    line.run(*asking("pkcs12", "tar"), "--pkcs12-password", password)
    assert not [
        path
        for path in line.devices.parent.rglob("*")
        if path.is_file() and PASSWORD.encode() in path.read_bytes()
    ]
    material = KeyMaterial([path.read_bytes() for path in line.devices.rglob("*.key")])
    assert not [path for path in line.devices.rglob("*.p12") if material.inside(path.read_bytes())]


def test_a_run_that_had_a_password_does_not_go_on_without_it(line: Line, password: str) -> None:
    """Resumed without it, it would leave keys in files that anybody opens; resumed with it, it goes on."""
    line.run(*asking("pkcs12"), "--pkcs12-password", password)
    with line.manifest.open("a", encoding="ascii") as more:
        more.write('{"thing_name": "two"}\n')
    said = line.run(*asking("pkcs12"), expect=4)
    assert "PKCS #12 password was given and is now not given" in said
    line.run(*asking("pkcs12"), "--pkcs12-password", password)
    assert load_pkcs12((line.devices / "two" / "pkcs12" / "two.p12").read_bytes(), PASSWORD.encode()).key


def test_a_run_has_one_password(line: Line, password: str, tmp_path: Path) -> None:
    """Rows that are appended with another password are refused; with the first they are provisioned."""
    line.run(*asking("pkcs12"), "--pkcs12-password", password)
    with line.manifest.open("a", encoding="ascii") as file:
        file.write('{"thing_name": "later"}\n')
    other = tmp_path / "other"
    other.touch(0o600)
    other.write_text("another password\n", encoding="ascii")
    said = line.run(*asking("pkcs12"), "--pkcs12-password", f"file:{other}", expect=2)
    assert "do not open with this password" in said
    assert not (line.devices / "later").exists()
    line.run(*asking("pkcs12"), "--pkcs12-password", password)
    data = (line.devices / "later" / "pkcs12" / "later.p12").read_bytes()
    assert load_pkcs12(data, PASSWORD.encode()).key is not None


def test_pkcs12_without_a_password_is_a_choice(line: Line) -> None:
    """The file then opens without one, and its mode alone keeps it."""
    line.run(*asking("pkcs12"))
    path = line.devices / "one" / "pkcs12" / "one.p12"
    assert load_pkcs12(path.read_bytes(), None).key is not None
    assert path.stat().st_mode & 0o777 == 0o400


def test_a_table_may_say_where_the_password_is(line: Line, password: str) -> None:
    """[run] takes the source, and the run reads it from there."""
    manifest = line.home / "line.toml"
    manifest.write_text(
        f'things = "line.jsonl"\n[run]\nformat = "pkcs12"\npkcs12-password = "{password}"\n', encoding="utf-8"
    )
    line.run(manifest=manifest)
    assert load_pkcs12((line.devices / "one" / "pkcs12" / "one.p12").read_bytes(), PASSWORD.encode()).key


def test_a_table_takes_no_password(line: Line) -> None:
    """A password that stands in a manifest is refused before anything is made, and not repeated."""
    manifest = line.home / "line.toml"
    manifest.write_text(
        'things = "line.jsonl"\n[run]\nformat = "pkcs12"\npkcs12-password = "hunter2"\n', encoding="utf-8"
    )
    said = line.run(manifest=manifest, expect=2)
    assert "pkcs12-password' says where it is, never itself: prompt, file:PATH or fd:N" in said
    assert "hunter2" not in said
    assert not line.devices.exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"format": ["pkcs12"], "pkcs12_password": "hunter2"}, "the PKCS #12 password is not given itself"),
        ({"format": ["der"], "pkcs12_password": "fd:0"}, "--pkcs12-password is for --format pkcs12"),
    ],
)
def test_a_password_that_cannot_be_used_is_refused(options: dict[str, object], sentence: str) -> None:
    """It is refused with the other options, before any account is asked."""
    with pytest.raises(UsageError, match=sentence) as refused:
        resolve("line.csv", options, {})
    assert "hunter2" not in str(refused.value)


def test_manifest_and_password_are_not_both_standard_input() -> None:
    """Whichever was read first would take the other's bytes."""
    with pytest.raises(UsageError, match="cannot both be standard input"):
        resolve("-", {"format": ["pkcs12"], "pkcs12_password": "fd:0"}, {})


def test_other_commands_do_not_ask_for_the_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest whose run has one is checked and planned without it."""
    monkeypatch.setattr(passwords, "read_password", None)
    manifest = tmp_path / "line.toml"
    manifest.write_text(
        '[run]\nformat = "pkcs12"\npkcs12-password = "prompt"\n[[thing]]\nthing_name = "a"\n', "utf-8"
    )
    table = run_settings(str(manifest))
    assert resolve(str(manifest), {"policy": None}, table).pkcs12_password is None
