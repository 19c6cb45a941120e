"""Some devices of a run without the others: its own list of failures may name them, and no other manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.cli.options import resolve
from pipeline.errors import RunFolderError
from pipeline.ledger import Ledger
from tests.core.rosters import roster_of
from tests.core.test_ledger import devices

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    """The ledger of a run of two devices."""
    folder = tmp_path / "output" / "lot"
    folder.mkdir(parents=True)
    async with Ledger(folder / "ledger.db") as opened:
        with roster_of(devices("one", "two")) as roster:
            await opened.enrol(roster.path)
        yield opened


async def refusal(ledger: Ledger, *names: str, partial: bool = False) -> RunFolderError:
    """Return why a manifest is refused; the run's devices have to be what they were."""
    with roster_of(devices(*names)) as roster, pytest.raises(RunFolderError) as caught:
        await ledger.enrol(roster.path, partial=partial)
    assert [entry.device.thing_name for entry in ledger.read.entries()] == ["one", "two"]
    return caught.value


async def test_a_part_is_told_where_it_is_taken(ledger: Ledger, tmp_path: Path) -> None:
    """A manifest that only leaves devices out may be meant as a part: the advice says how to give one."""
    error = await refusal(ledger, "one")
    assert "it holds two" in error.message
    assert f"save them as {tmp_path / 'output' / 'lot' / 'failed.csv'} and run that file" in error.advice


async def test_another_manifest_is_not_told_to_become_a_part(ledger: Ledger) -> None:
    """A manifest that names devices which the run does not have is another one, whatever else it names."""
    error = await refusal(ledger, "one", "three")
    assert "belongs to another manifest" in error.message
    assert error.advice == "put the row back, or choose another folder with --name"


async def test_a_list_of_failures_brings_no_devices(ledger: Ledger) -> None:
    """A name that was mistyped in failed.csv makes no device that the run's manifest does not have."""
    error = await refusal(ledger, "one", "tow", partial=True)
    assert "tow is no device of this run" in error.message


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("given", [{}, {"name": "lot"}, {"name": "lot", "output": "output"}])
@pytest.mark.parametrize("name", ["failed.csv", "failed.jsonl"])
async def test_a_run_knows_its_own_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, given: dict[str, str]
) -> None:
    """The run's own failures go on with the run, also where its name is given besides."""
    monkeypatch.chdir(tmp_path)
    settings = resolve(f"output/lot/{name}", given, {})
    assert settings.resumes_failed
    assert settings.run_folder.resolve() == tmp_path / "output" / "lot"


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("manifest", "given"),
    [
        ("output/lot/failed.csv", {"name": "second"}),
        ("output/lot/failed.csv", {"name": "lot", "output": "elsewhere"}),
        ("output/lot/mended.csv", {}),
        ("output/lot/failed.csv.csv", {"name": "lot"}),
        ("failed.csv", {"name": "lot"}),
    ],
)
async def test_any_other_list_is_a_manifest_like_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manifest: str, given: dict[str, str]
) -> None:
    """Under another name, or from another place, the same rows are the whole of what is asked for."""
    monkeypatch.chdir(tmp_path)
    assert not resolve(manifest, given, {}).resumes_failed
