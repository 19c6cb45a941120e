"""Bundles go into a bucket whole and once, over HTTP as S3 has it, and keys in clear only where that is meant."""

from __future__ import annotations

import hashlib
import json
import signal
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from pipeline.aws.storage import open_storage
from pipeline.bucket import Address
from pipeline.bucket.place import BucketPlace, Target
from pipeline.places import Made
from pipeline.secret import Secret
from pipeline.settings import Access
from tests.e2e.command import KEYS, Workplace
from tests.export.storing import ACCOUNT, KMS_ARN, KMS_ID
from tests.verify.inspecting import NAMES, OWN
from tests.verify.test_offline import spread_out

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.export.conftest import Exporting

EVERYBODY = sorted((*NAMES, OWN))
NUMBERS = count(1)


@dataclass(frozen=True)
class Bucket:
    """A bucket of its own on the server, and what people do in it."""

    url: str
    name: str

    @property
    def words(self) -> tuple[str, ...]:
        """The options that export into it."""
        return ("--to", f"s3://{self.name}/line/7", "--endpoint-url", self.url)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Any]:
        async with open_storage(Access(None, "eu-central-1", self.url), 1) as client:
            yield client

    def objects(self) -> dict[str, tuple[bytes, str | None, str | None]]:
        """Return what each object holds, and what it is encrypted with, by key below the prefix."""

        async def look() -> dict[str, tuple[bytes, str | None, str | None]]:
            found = {}
            async with self.client() as client:
                for listed in (await client.list_objects_v2(Bucket=self.name)).get("Contents", ()):
                    answer = await client.get_object(Bucket=self.name, Key=listed["Key"])
                    how = (answer.get("ServerSideEncryption"), answer.get("SSEKMSKeyId"))
                    found[listed["Key"].removeprefix("line/7/")] = (await answer["Body"].read(), *how)
            return found

        return anyio.run(look)

    def put(self, key: str, data: bytes) -> None:
        """Put an object in the place of whatever is there."""

        async def do() -> None:
            async with self.client() as client:
                await client.put_object(Bucket=self.name, Key=f"line/7/{key}", Body=data)

        anyio.run(do)


@pytest.fixture
def bucket(moto: str, aws_keys: None) -> Bucket:  # noqa: ARG001  a client wants keys
    made = Bucket(moto, f"line-7-bundles-{next(NUMBERS)}")

    async def make() -> None:
        async with made.client() as client:
            where = {"LocationConstraint": "eu-central-1"}
            await client.create_bucket(Bucket=made.name, CreateBucketConfiguration=where)

    anyio.run(make)
    return made


def bundle(root: Path, name: str) -> dict[str, bytes]:
    """Return the files of a device's bundle by name."""
    return {path.name: path.read_bytes() for path in (root / "devices" / name).iterdir()}


def test_a_bundle_in_a_bucket_is_the_bundle(root: Path, exporting: Exporting, bucket: Bucket) -> None:
    """Each device's objects are the files of its bundle to the bit, and one besides that lists them all."""
    said = exporting("--format", "pem", "--in-clear", *bucket.words)
    found = {key: data for key, (data, _, _) in bucket.objects().items()}
    for name in EVERYBODY:
        files = bundle(root, name)
        complete = json.loads(found.pop(f"pem/{name}/complete.json"))
        assert {file: found.pop(f"pem/{name}/{file}") for file in files} == files
        sums = {file: hashlib.sha256(data).hexdigest() for file, data in files.items()}
        assert complete == {"thing": name, "format": "pem", "sha256": sums}
    assert found == {}
    assert f"4 of 4 devices exported to s3://{bucket.name}/line/7" in said
    assert not (root / "export").exists()


def test_every_object_is_encrypted_with_the_key_that_is_named(exporting: Exporting, bucket: Bucket) -> None:
    """S3 is told the KMS key with each object, those without a key among them, and what it says of it is said."""
    said = exporting("--format", "roll", "--in-clear", "--kms-key", KMS_ARN, *bucket.words)
    found = bucket.objects()
    assert len(found) == 3 * 3 + 2
    assert {(how, key) for _, how, key in found.values()} == {("aws:kms", KMS_ARN)}
    assert f"at rest   11 objects encrypted with aws:kms {KMS_ARN}" in said.splitlines()
    assert "there     4:" in exporting("--format", "roll", "--in-clear", "--kms-key", KMS_ID, *bucket.words)


def test_an_export_that_is_done_changes_nothing(exporting: Exporting, bucket: Bucket) -> None:
    """Run again, what is there and the same stays, also where making it again gives other bytes."""
    words = ("--format", "pem", "--format", "salted", "--in-clear", *bucket.words)
    exporting(*words)
    before = bucket.objects()
    assert "there     7:" in exporting(*words)
    assert bucket.objects() == before


def test_what_differs_is_named_and_not_written_over(exporting: Exporting, bucket: Bucket) -> None:
    """Somebody else's object stays, the device's key is not put beside it, and the other devices are exported."""
    bucket.put("pem/one/one.pem", b"mine")
    said = exporting("--format", "pem", "--in-clear", *bucket.words, expect=1)
    assert f"one: s3://{bucket.name}/line/7/pem/one/one.pem is there already and differs" in said
    assert "3 of 4 devices exported" in said
    found = bucket.objects()
    assert found["pem/one/one.pem"][0] == b"mine"
    assert {"pem/one/one.key", "pem/one/complete.json"}.isdisjoint(found)
    assert "pem/two/complete.json" in found


def test_a_salted_format_of_another_certificate_differs(exporting: Exporting, bucket: Bucket) -> None:
    """Other bytes each time do not mean that anything will do."""
    bucket.put("salted/one/salted", b"of somebody else")
    assert "is there already and differs" in exporting(
        "--format", "salted", "--device", "one", "--in-clear", *bucket.words, expect=1
    )
    assert list(bucket.objects()) == ["salted/one/salted"]


def test_an_export_that_is_killed_goes_on(root: Path, exporting: Exporting, bucket: Bucket) -> None:
    """Killed between two objects it leaves no device that looks whole and is not; the next one completes all."""
    environment = KEYS | {"AWS_ENDPOINT_URL": bucket.url, "THINGMILL_FAILPOINTS": "call.after:9"}
    words = ("--format", "pem", "--in-clear")
    killed = Workplace(root.parent, environment)
    killed.run("export", "run", *words, *bucket.words[:2], expect=-signal.SIGKILL)
    before = bucket.objects()
    assert before
    whole = [name for name in EVERYBODY if f"pem/{name}/complete.json" in before]
    assert all(f"pem/{name}/{file}" in before for name in whole for file in bundle(root, name))
    assert "4 of 4 devices exported" in exporting(*words, *bucket.words)
    after = bucket.objects()
    assert before.items() <= after.items()
    for name in EVERYBODY:
        files = bundle(root, name)
        assert {file: after[f"pem/{name}/{file}"][0] for file in files} == files


def test_a_sharded_run_is_not_spread_in_a_bucket(root: Path, exporting: Exporting, bucket: Bucket) -> None:
    """A reader finds a device by its name alone."""
    spread_out(root)
    exporting("--format", "pem", "--in-clear", *bucket.words)
    assert {key.split("/")[1] for key in bucket.objects()} == set(EVERYBODY)


def test_any_name_of_a_thing_is_a_part_of_a_key(bucket: Bucket) -> None:
    """What a thing may be called reaches the bucket as it is, to the longest name, and goes nowhere else."""
    prefix = f"it's-!(a)*=_/{'b' * 255}/{'c' * 240}"
    target = Target(Address.of(f"s3://{bucket.name}/{prefix}"), Access(), ACCOUNT)
    names = ("-a:b_C", "__proto__", "a" * 128, "complete", "config")

    async def have() -> set[str]:
        async with bucket.client() as client:
            place = BucketPlace(target, client)
            for name in names:
                made = Made(name, "pem", {f"{name}.key": Secret(b"key"), "config.json": b"{}"})
                assert await place.have(made)
                assert not await place.have(made)
            return {listed["Key"] for listed in (await client.list_objects_v2(Bucket=bucket.name))["Contents"]}

    assert anyio.run(have) == {
        f"{prefix}/pem/{name}/{file}" for name in names for file in (f"{name}.key", "config.json", "complete.json")
    }


@pytest.mark.parametrize("formats", ["pem", "tar", "roll", "pkcs12"])
def test_keys_in_clear_have_to_be_meant(exporting: Exporting, bucket: Bucket, formats: str) -> None:
    """Without --in-clear nothing is sent, not even for the device that keeps its own key."""
    said = exporting("--format", formats, *bucket.words, expect=2)
    assert "this run has keys in clear" in said
    assert "--in-clear" in said
    assert bucket.objects() == {}


def test_a_password_is_encryption_enough(exporting: Exporting, bucket: Bucket, tmp_path: Path) -> None:
    """PKCS #12 files with one are not in clear, so nothing has to be said, unless another format is asked for."""
    (tmp_path / "password").touch(0o600)
    (tmp_path / "password").write_text("correct horse\n", encoding="ascii")
    words = ("--format", "pkcs12", "--pkcs12-password", f"file:{tmp_path / 'password'}", *bucket.words)
    assert "in clear" in exporting("--format", "der", *words, expect=2)
    exporting(*words)
    assert "there     3:" in exporting(*words)


def test_a_device_that_keeps_its_own_key_needs_nothing_said(exporting: Exporting, bucket: Bucket) -> None:
    """None of its files holds a key."""
    exporting("--format", "pem", "--device", OWN, *bucket.words)
    assert f"pem/{OWN}/complete.json" in bucket.objects()
    assert "in clear" in exporting("--format", "pem", "--device", OWN, "--device", "one", *bucket.words, expect=2)


def test_a_bucket_that_there_is_not_ends_it(exporting: Exporting, bucket: Bucket) -> None:
    """The exit code is 3, with S3's code and what to do, and it says no word of devices."""
    words = ("--to", "s3://no-such-bundles", "--endpoint-url", bucket.url)
    said = exporting("--format", "pem", "--in-clear", *words, expect=3)
    assert "s3://no-such-bundles: PutObject was refused" in said
    assert "(NoSuchBucket)" in said
    assert "make the bucket" in said
    assert "devices exported" not in said
