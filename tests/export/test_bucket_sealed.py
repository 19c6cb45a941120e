"""Keys that are encrypted go into a bucket as they are; none goes there in clear because a ledger says nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.export.test_encrypted import encrypted, identity, made, mixed
from tests.verify.inspecting import NAMES
from tests.verify.test_offline import change_ledger

if TYPE_CHECKING:
    from pathlib import Path

    from tests.export.conftest import Exporting
    from tests.export.storing import Store

__all__ = ["encrypted", "identity", "made", "mixed"]

TO = ("--to", "s3://bundles/p")


def test_encrypted_keys_need_nothing_said(encrypted: Exporting, store: Store) -> None:
    """Formats that copy the key's file put it as it is, and nothing in the bucket has a key in clear."""
    encrypted("--format", "pem", "--format", "tar", *TO)
    assert store.objects["p/pem/one/one.key.age"].startswith(b"age-encryption.org/v1\n")
    assert not any(b"PRIVATE KEY" in data for data in store.objects.values())


@pytest.mark.parametrize("given", ["", "--identity FILE", "--in-clear"])
def test_a_key_that_would_be_opened_wants_both_to_be_said(
    encrypted: Exporting, identity: str, store: Store, given: str
) -> None:
    """It is as with a folder: refused before anything is sent."""
    assert "encrypted" in encrypted("--format", "der", *given.replace("FILE", identity).split(), *TO, expect=2)
    assert store.puts == []


def test_rows_without_a_recipient_are_in_clear(mixed: Exporting, store: Store) -> None:
    """A run with one such device is refused; the other one alone needs nothing said, and stays encrypted."""
    assert "in clear" in mixed("--format", "pem", *TO, expect=2)
    mixed("--format", "pem", "--device", "sealed", *TO)
    assert "p/pem/sealed/sealed.key.age" in store.objects
    mixed("--format", "pem", "--in-clear", *TO)
    assert "p/pem/clear/clear.key" in store.objects
    assert not any(b"PRIVATE KEY" in data for key, data in store.objects.items() if "/sealed/" in key)


def test_where_all_rows_that_are_done_name_recipients_nothing_is_in_clear(mixed: Exporting, store: Store) -> None:
    """A device that is not done does not count, and neither does that the run itself encrypts nothing."""
    change_ledger(mixed.root, "clear", state=7)
    mixed("--format", "pem", *TO)
    assert "p/pem/sealed/complete.json" in store.objects


def test_a_ledger_that_calls_keys_encrypted_is_not_believed(
    root: Path, exporting: Exporting, store: Store
) -> None:
    """What counts for each device is its key's own file."""
    with closing(sqlite3.connect(root / "ledger.db", isolation_level=None)) as connection:
        connection.execute("UPDATE meta SET value = 'passphrase' WHERE key = 'key encryption'")
    said = exporting("--format", "pem", *TO, expect=1)
    assert said.count("its key would be in the bucket in clear (see --in-clear)") == len(NAMES)
    assert not any(key.endswith(".key") for key in store.puts)
