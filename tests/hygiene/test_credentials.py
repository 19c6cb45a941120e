"""Credentials of the account: used for calls, and kept and shown nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.command import DEVICE_POLICY, Workplace
from tests.support.awsiot import DoubleThread, Fail

if TYPE_CHECKING:
    from pathlib import Path

ACCESS_KEY, SECRET_KEY, SESSION_TOKEN = "AKIDOFTHISTEST", "a-secret-of-this-test", "a-token-of-this-test"


@pytest.mark.parametrize("code", ["", "InvalidSignatureException"], ids=["accepted", "refused"])
def test_credentials_are_in_nothing_that_a_run_leaves_or_says(tmp_path: Path, code: str) -> None:
    """Neither a run that succeeds nor one whose calls are refused has them in a file or a word."""
    environment = {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_SESSION_TOKEN": SESSION_TOKEN,
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    with DoubleThread() as double:
        workplace = Workplace(tmp_path / "output", environment | {"AWS_ENDPOINT_URL": double.url})
        if code:
            # AWS goes on with the request as it was signed, and the session's token is in that.
            signed = f"The request does not match. The canonical string was x-amz-security-token:{SESSION_TOKEN}"
            double.run(lambda d: d.faults.script("CreateThing", Fail(code, message=signed)))
        manifest = workplace.manifest("line.txt", "one\ntwo\n")
        options = ("--key", "ec-p256", "--policy", DEVICE_POLICY)
        result = workplace.run("run", manifest, *options, expect=3 if code else 0)
    assert result.stdout
    left = [path.read_bytes() for path in workplace.output.rglob("*") if path.is_file()]
    assert len(left) > 5
    said = result.stdout + result.stderr
    for secret in (SECRET_KEY, SESSION_TOKEN):
        assert secret not in said
        assert [data for data in left if secret.encode() in data] == []
