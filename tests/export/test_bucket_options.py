"""What names a bucket is held against S3's rules, and what cannot be meant is refused before anything is sent."""

from __future__ import annotations

import contextlib
import importlib
import json
import re
from typing import TYPE_CHECKING

import pytest
from botocore.handlers import VALID_BUCKET
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline.bucket import Address, Key, is_address
from pipeline.cli.app import app
from pipeline.errors import UsageError
from pipeline.text import printable
from tests.export.storing import KMS_ARN, KMS_ID

if TYPE_CHECKING:
    from pathlib import Path

    from tests.export.conftest import Exporting
    from tests.export.storing import Store

PEM = ("--format", "pem", "--in-clear")
BUCKETS = st.text("abz09.-", min_size=1, max_size=66) | st.text(max_size=10)
PREFIXES = st.text("aZ0!_.*'()=-/", max_size=40) | st.text(max_size=20)


@given(BUCKETS, PREFIXES)
def test_any_text_is_an_address_or_is_refused(bucket: str, prefix: str) -> None:
    """What is taken keeps S3's rules and leads to no other key than it says; nothing else than a refusal comes."""
    text = f"s3://{bucket}/{prefix}"
    assert is_address(text)
    address = None
    with contextlib.suppress(UsageError):
        address = Address.of(text)
    if address is None:
        return
    assert Address.of(str(address)) == address
    assert VALID_BUCKET.match(address.bucket)
    assert re.fullmatch(r"[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]", address.bucket)
    assert ".." not in address.bucket
    key = address.key("pem", "one", "config.json")
    assert (address.prefix, address.bucket) == (prefix.removesuffix("/"), bucket)
    assert key.isascii()
    assert {"", ".", ".."}.isdisjoint(key.split("/"))
    assert address.shown("pem", "one") == f"{str(address).removesuffix('/')}/pem/one"


@pytest.mark.parametrize(
    "text",
    [
        "s3:/bundles/p",
        "S3://bundles/p",
        "s3://",
        "s3:///p",
        "s3://ab/p",
        "s3://" + "a" * 64,
        "s3://Bundles",
        "s3://bundles_7",
        "s3://-bundles",
        "s3://bundles-",
        "s3://bun..dles",
        "s3://bun.-dles",
        "s3://192.168.5.4/p",
        "s3://xn--bundles",
        "s3://bundles--x-s3",
        "s3://bundles.mrap",
        "s3://user@bundles/p",
        "s3://bundles:443/p",
        "s3://bundles//p",
        "s3://bundles/../p",
        "s3://bundles/p/./q",
        "s3://bundles/p//",
        "s3://bundles/p?versionId=1",
        "s3://bundles/p#q",
        "s3://bundles/p%2e",
        "s3://bundles/p q",
        "s3://bundles/p\n",
        "s3://bundles/\u202ep",
        "s3://bundles/" + "p" * 513,
    ],
)
def test_what_is_no_bucket_is_refused(text: str) -> None:
    """It is taken for the address of one all the same, so no folder of that name is made."""
    assert is_address(text)
    with pytest.raises(UsageError, match=re.escape(printable(f"--to {text}", 40).rstrip("…"))):
        Address.of(text)


@pytest.mark.parametrize("text", ["S3:/bundles", "gs://bundles/p", "https://bundles.s3.amazonaws.com/p"])
def test_other_addresses_are_no_folders(root: Path, exporting: Exporting, store: Store, text: str) -> None:
    """The exit code is 2, and nothing is made here or sent."""
    assert "s3://BUCKET/PREFIX" in exporting(*PEM, "--to", text, expect=2)
    assert store.puts == []
    assert not (root / "export").exists()


@pytest.mark.parametrize("prefix", ["", "/", "/p", "/p/", "/line=7/a!b_c.d*e'(f)-g"])
def test_a_prefix_may_be_left_out(exporting: Exporting, store: Store, prefix: str) -> None:
    """One slash at its end does not matter."""
    lines = exporting(*PEM, "--json", "--to", f"s3://bundles.of.line-7{prefix}").splitlines()
    whole = f"s3://bundles.of.line-7{prefix.removesuffix('/')}"
    assert json.loads(lines[-1])["folder"] == whole
    below = prefix.strip("/")
    assert (f"{below}/pem/one/one.key" if below else "pem/one/one.key") in store.objects


@pytest.mark.parametrize(
    "words",
    [
        "--profile factory",
        "--region eu-central-1",
        "--endpoint-url https://s3.example",
        f"--kms-key {KMS_ID}",
        "--bucket-owner 123456789012",
    ],
)
def test_what_is_about_a_bucket_is_refused_with_a_folder(root: Path, exporting: Exporting, words: str) -> None:
    """Whoever gives it believes that bundles leave this machine, and they would not."""
    option, value = words.split()
    said = exporting("--format", "pem", option, value, expect=2)
    assert f"{option} is about a bucket" in said
    assert not (root / "export").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--kms-key alias/bundles", "names no KMS key"),
        (f"--kms-key {KMS_ARN}/x", "names no KMS key"),
        ("--bucket-owner me", "me is no account's number"),
        ("--region Frankfurt", "is no Region"),
        ("--format bulk-results", "the listing bulk-results changes as its run goes on"),
        ("--device nobody", "the run has no device nobody"),
    ],
)
def test_what_cannot_be_is_refused_up_front(exporting: Exporting, store: Store, words: str, says: str) -> None:
    """The exit code is 2, and nothing was sent."""
    assert says in exporting(*PEM, "--to", "s3://bundles", *words.split(), expect=2)
    assert store.puts == []


@pytest.mark.parametrize("url", ["http://s3.example", "ftp://s3.example", "https://user:word@s3.example"])
@pytest.mark.parametrize("by", ["option", "environment"])
@pytest.mark.usefixtures("aws_keys")
def test_keys_never_go_to_another_machine_in_clear(
    exporting: Exporting, monkeypatch: pytest.MonkeyPatch, url: str, by: str
) -> None:
    """An endpoint has to be https, or on this machine, wherever it is named, and a password in it is not said."""
    words = ("--endpoint-url", url) if by == "option" else ()
    if by == "environment":
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
    said = exporting(*PEM, "--to", "s3://bundles", *words, expect=2)
    assert "not encrypted" in said or "has a user or a password in it" in said
    assert "word@" not in said


@pytest.mark.parametrize(
    ("given", "answered", "meant"),
    [
        (KMS_ID, KMS_ARN, True),
        (KMS_ARN, KMS_ARN, True),
        (KMS_ARN, KMS_ARN.replace("1234567890", "0987654321", 1), False),
        (KMS_ID, KMS_ARN.replace("ab34", "cd34").replace("56ef", "56ff"), False),
        (KMS_ID, None, False),
    ],
)
def test_a_key_is_known_by_what_s3_says_of_it(given: str, answered: str | None, meant: bool) -> None:
    """S3 answers with an ARN: of a key that was named by its id, the id counts, else all of it."""
    assert Key.of(given).is_meant_by(answered) is meant


@pytest.mark.parametrize("command", ["run", "status", "verify", "export", "local", "merge"])
@pytest.mark.parametrize("output", ["s3://bundles/p", "S3:/bundles"])
def test_a_run_is_kept_in_no_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, output: str
) -> None:
    """``--output`` with one is refused by every command with what to do instead, and no folder s3: is made."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "line-7.txt").write_text("one\n", encoding="ascii")
    importlib.import_module(f"pipeline.cli.{command}")
    importlib.import_module("pipeline.cli.check")  # with two commands each has its name
    words = {"run": ("line-7.txt",), "local": (), "export": ("line-7", "--format", "pem")}.get(
        command, ("line-7",)
    )
    result = CliRunner().invoke(app, [command, *words, "--output", output])
    assert result.exit_code == 2
    assert "--output names a bucket" in result.output
    assert "thingmill export RUN --format pem --to s3://BUCKET/PREFIX" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["line-7.txt"]
