"""Two accounts, each a double of AWS IoT with a profile of its own that leads to it, and the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.core.mill import DOCUMENT, POLICY
from tests.foreign.stage import FAST, Desk

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import pytest

    from tests.foreign.stage import Ended
    from tests.support.awsiot import DoubleThread

__all__ = ["BERLIN", "DUBLIN", "Plant"]

BERLIN, DUBLIN = "berlin", "dublin"
REGIONS = {BERLIN: "eu-central-1", DUBLIN: "eu-west-1"}


class Plant(Desk):
    """A desk, and accounts with the policy ``device``, to which the profiles ``berlin`` and ``dublin`` lead."""

    def __init__(self, home: Path, doubles: Mapping[str, DoubleThread], patch: pytest.MonkeyPatch) -> None:
        super().__init__(home, patch)
        self.doubles = doubles
        keys = "aws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = not-a-secret\n"
        profiles = ""
        for name, double in doubles.items():
            double.run(lambda running: running.account.create_policy(POLICY, DOCUMENT))
            profiles += f"[profile {name}]\nregion = {REGIONS[name]}\nendpoint_url = {double.url}\n{keys}"
        (home / "aws-config").write_text(profiles)
        patch.setenv("AWS_CONFIG_FILE", str(home / "aws-config"))
        patch.setenv("THINGMILL_SETTLING_SECONDS", "0.1")

    def run(self, manifest: str = "lot.csv", *words: str) -> Ended:
        return self.call("run", manifest, "--key", "ec-p256", "--policy", POLICY, *FAST, *words)

    def lot(self, rows: Mapping[str, Iterable[str]]) -> list[str]:
        """Write the manifest of some devices, by their profile; those of all profiles take turns."""
        columns = [[(name, profile) for name in names] for profile, names in rows.items()]
        turns = [row for turn in zip(*columns, strict=True) for row in turn]
        self.write("lot.csv", "thing_name,profile\n" + "".join(f"{name},{profile}\n" for name, profile in turns))
        return [name for name, _ in turns]

    def certified(self, profile: str) -> dict[str, int]:
        """Return how many certificates an account has, by their common names."""
        found = self.doubles[profile].run(lambda double: double.account.certificates_by_common_name())
        return {name: len(certificates) for name, certificates in found.items()}

    def calls(self, profile: str, operation: str | None = None) -> int:
        """Return how many calls an account had, of an operation or in all."""

        def count(double: Any) -> int:  # noqa: ANN401  the double of the thread
            return len(double.journal.calls) if operation is None else int(double.journal.count(operation))

        return self.doubles[profile].run(count)

    def folder(self, run: str) -> Path:
        return self.home / "output" / run

    def summary(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder(run) / "summary.json").read_text(encoding="utf-8"))
        return found
