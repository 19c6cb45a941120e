"""What a store of objects may answer, or not: nothing is written over, lost or said that must not be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.export.storing import KMS_ARN, KMS_ID, Answer, lost, refused
from tests.verify.inspecting import NAMES, OWN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.export.conftest import Exporting
    from tests.export.storing import Store

TO = ("--to", "s3://bundles/p")
PEM = ("--format", "pem", "--in-clear", *TO)
OBJECTS = 6 * len(NAMES) + 5


@pytest.mark.parametrize(
    "code", ["ConditionalRequestConflict", "SlowDown", "InternalError", "RequestTimeout", "BadDigest", ""]
)
def test_what_was_not_done_is_tried_again(exporting: Exporting, store: Store, code: str) -> None:
    """A conflict, a throttle, a fault of the server or of the way costs no device."""
    store.times(3, Answer(refused(code) if code else lost()))
    assert "4 of 4 devices exported" in exporting(*PEM)
    assert len(store.objects) == OBJECTS
    assert len(store.puts) == 4 * OBJECTS


def test_an_answer_that_was_lost_costs_nothing(exporting: Exporting, store: Store) -> None:
    """The object that was put is found to be the same, also of a format whose bytes are others each time."""
    store.times(1, Answer(lost(), carried_out=True))
    exporting("--format", "salted", *PEM)
    assert len(store.objects) == OBJECTS + 2 * len(NAMES)
    assert "there     7:" in exporting("--format", "salted", *PEM)


def test_an_object_that_is_gone_again_is_put_again(exporting: Exporting, store: Store) -> None:
    """It was in the way and then it was not, so what is there in the end is ours."""
    store.objects["p/pem/one/one.pem"] = b"mine"
    store.gone = {"p/pem/one/one.pem"}
    exporting(*PEM)
    assert store.objects["p/pem/one/one.pem"] != b"mine"


def test_a_conflict_without_end_fails_one_device(exporting: Exporting, store: Store) -> None:
    """It is given up after some attempts, named, and the others are exported."""
    store.times(1000, Answer(refused("ConditionalRequestConflict")), suffix="/one.pem")
    said = exporting(*PEM, expect=1)
    assert "one: s3://bundles/p/pem/one/one.pem is written or removed by somebody else" in said
    assert "3 of 4 devices exported" in said
    assert store.puts.count("p/pem/one/one.pem") < 20


def test_what_is_refused_of_one_object_is_that_devices_trouble(exporting: Exporting, store: Store) -> None:
    """The message and the code are S3's, and the other devices are exported."""
    store.times(1000, Answer(refused("KeyTooLongError")), suffix="/one.pem")
    said = exporting(*PEM, expect=1)
    assert "one: s3://bundles/p/pem/one/one.pem: PutObject was refused: said for KeyTooLongError" in said
    assert "3 of 4 devices exported" in said


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("AccessDenied", "allow s3:PutObject and s3:GetObject below s3://bundles/p"),
        ("AccessDenied", "see that the bucket is of the account 123456789012 (--bucket-owner"),
        ("KMS.DisabledException", "see that the KMS key is enabled"),
        ("ExpiredToken", "get new credentials"),
        ("PermanentRedirect", "name the bucket's Region with --region"),
        ("NotImplemented", "that knows If-None-Match"),
        ("RequestTimeTooSkewed", "set the clock"),
        ("", "look at the network"),
    ],
)
def test_what_is_so_for_all_objects_ends_it(exporting: Exporting, store: Store, code: str, advice: str) -> None:
    """The exit code is 3 and the sentence says what to do; run again once that is done, the export goes on."""
    store.times(1000, Answer(refused(code) if code else lost()), suffix="/two.csr")
    said = exporting(*PEM, expect=3)
    assert advice in said
    assert said.count("thingmill: s3://bundles/p: PutObject") == 1
    store.answers = lambda _: None
    assert "4 of 4 devices exported" in exporting(*PEM)


def test_a_device_comes_in_an_order_that_a_reader_can_rely_on(exporting: Exporting, store: Store) -> None:
    """Its key comes after all public files, and what says that it is whole after that."""
    exporting(*PEM)
    for name in NAMES:
        order = [key.rpartition("/")[2] for key in store.puts if f"/{name}/" in key]
        assert order[-2:] == [f"{name}.key", "complete.json"]
    assert store.puts.count(f"p/pem/{OWN}/complete.json") == 1


def test_each_put_says_whose_bucket_it_may_be(exporting: Exporting, store: Store) -> None:
    """It is the run's account, or the one that is named."""
    exporting(*PEM)
    assert store.words["ExpectedBucketOwner"] == "123456789012"
    assert "ServerSideEncryption" not in store.words
    exporting(*PEM, "--bucket-owner", "210987654321")
    assert store.words["ExpectedBucketOwner"] == "210987654321"


def test_a_server_that_does_not_encrypt_as_asked_gets_no_more(exporting: Exporting, store: Store) -> None:
    """What it says of the first public object ends the export, before any key is sent."""
    said = exporting(*PEM, "--kms-key", KMS_ID, expect=3)
    assert "was taken and not encrypted with --kms-key" in said
    assert not any(key.endswith(".key") for key in store.objects)


def test_what_is_there_under_another_key_differs(exporting: Exporting, store: Store) -> None:
    """The same bytes, encrypted with something else than is asked for now, are not called the same."""
    exporting(*PEM)
    said = exporting(*PEM, "--kms-key", KMS_ARN, expect=1)
    assert said.count("is there already and is not encrypted with --kms-key") == 4
    store.encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KMS_ARN}
    assert "there     4:" in exporting(*PEM, "--kms-key", KMS_ID)


def test_how_objects_lie_there_is_said(exporting: Exporting, store: Store) -> None:
    """Where a server does not say that it encrypts, that is said, too."""
    said = exporting(*PEM)
    assert f"at rest   {OBJECTS} objects encrypted with AES256" in said
    store.objects.clear()
    store.encryption = {}
    assert f"at rest   {OBJECTS} objects, of which the server does not say that it encrypts them" in exporting(
        *PEM
    )


def test_what_says_that_all_is_there_is_held_against_it_too(exporting: Exporting, store: Store) -> None:
    """A list that is another differs as any object does, so nobody goes by one that is not of these files."""
    store.objects["p/pem/one/complete.json"] = b"{}"
    said = exporting(*PEM, expect=1)
    assert "one: s3://bundles/p/pem/one/complete.json is there already and differs" in said
    assert store.objects["p/pem/one/complete.json"] == b"{}"


def test_what_is_far_too_long_is_not_read(exporting: Exporting, store: Store) -> None:
    """An object that somebody put there to fill the memory is only named."""
    store.objects["p/pem/one/one.pem"] = bytes(2 << 20)
    assert "one.pem is there already and differs" in exporting(*PEM, expect=1)


@pytest.mark.parametrize(
    "fault",
    ["none", "conflict", "refused", "denied", "lost", "differs", "said back", "denied and said back", "bug"],
)
def test_no_byte_of_a_key_is_said(root: Path, exporting: Exporting, store: Store, fault: str) -> None:
    """Whatever the store answers to a key, what is printed has no line of it, nor its hash."""
    errors: dict[str, Exception | Callable[[bytes], Exception]] = {
        "conflict": refused("ConditionalRequestConflict"),
        "refused": refused("InvalidRequest"),
        "denied": refused("AccessDenied"),
        "lost": lost(),
        "said back": lambda data: refused("InvalidRequest", says=data.decode()),
        "denied and said back": lambda data: refused("AccessDenied", says=data.decode()),
        "bug": LookupError,
    }
    if fault in errors:
        store.times(1000, Answer(errors[fault]), suffix=".key")
    if fault == "differs":
        store.objects |= {f"p/pem/{name}/{name}.key": b"mine" for name in NAMES}
    expect = {"none": 0, "denied": 3, "denied and said back": 3, "lost": 3}.get(fault, 1)
    said = exporting(*PEM, expect=expect) + exporting(*PEM, "--json", expect=expect)
    assert ("in a way that nobody foresaw: LookupError at " in said) == (fault == "bug")
    assert "PRIVATE KEY" not in said
    for name in NAMES:
        lines = (root / "devices" / name / f"{name}.key").read_text(encoding="ascii").splitlines()[1:-1]
        assert lines
        assert not any(line in said for line in lines)
    assert re.search(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])", said) is None
