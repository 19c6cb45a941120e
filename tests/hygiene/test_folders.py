"""Where runs may stand: nobody but us and root decides what is at their names, and nobody else can enter them."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from pipeline import privacy
from pipeline.errors import DiskError
from tests.e2e.command import snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hygiene.workshop import Workshop

NOBODY = 65_534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")


def given_away(path: Path) -> None:
    os.chown(path, NOBODY, NOBODY)


@pytest.mark.parametrize(
    ("mode", "fine"),
    [(0o755, True), (0o700, True), (0o775, True), (0o2775, True), (0o1777, True), (0o777, False), (0o757, False)],
)
def test_a_folder_where_everybody_may_rename_is_refused(tmp_path: Path, mode: int, fine: bool) -> None:
    """Writable by all is fine with the sticky bit alone, at any height; a group that shares one is trusted."""
    above = tmp_path / "shared"
    run = above / "output" / "demo"
    run.parent.mkdir(parents=True)
    above.chmod(mode)
    if fine:
        privacy.check_above(run)
        return
    with pytest.raises(DiskError, match=r"everybody may rename what is in .*shared") as caught:
        privacy.check_above(run)
    assert "chmod" in caught.value.advice
    (tmp_path / "way").symlink_to(above / "output")
    with pytest.raises(DiskError, match="shared"):
        privacy.check_above(tmp_path / "way" / "demo")


def test_folders_that_are_not_there_yet_are_no_objection(tmp_path: Path) -> None:
    """Those above them decide."""
    privacy.check_above(tmp_path / "a" / "b" / "demo")


@needs_root
def test_the_folder_right_above_is_ours_or_roots(tmp_path: Path) -> None:
    """Somebody else's could have its owner put another folder there; theirs farther up are the system's affair."""
    theirs = tmp_path / "theirs"
    (theirs / "ours").mkdir(parents=True)
    given_away(theirs)
    privacy.check_above(theirs / "ours" / "demo")
    with pytest.raises(DiskError, match=r"theirs belongs to another user"):
        privacy.check_above(theirs / "demo")


COMMANDS = (
    ("verify", "line"),
    ("reconcile", "line"),
    ("revoke", "line", "--yes"),
    ("retire", "line", "--all", "--yes"),
    ("export", "line", "--format=pem"),
)


def test_every_command_on_a_run_refuses_one_that_is_open(workshop: Workshop) -> None:
    """Run, verify, reconcile, revoke, retire and export leave a run alone that others may enter, and say why."""
    workshop.run(workshop.command(*workshop.run_words()))
    workshop.root.chmod(0o755)
    before = snapshot(workshop.root)
    for words in COMMANDS:
        said = workshop.run(workshop.command(*words), expect=1)
        assert b"can be entered by other users" in said, words
    workshop.root.chmod(0o700)
    workshop.output.chmod(0o777)
    said = workshop.run(workshop.command("revoke", "line", "--yes"), expect=1)
    assert b"everybody may rename what is in" in said
    assert snapshot(workshop.root) == before


@pytest.mark.parametrize("name", ["devices", "staging", "export"])
def test_every_command_on_a_run_refuses_a_link_in_it(tmp_path: Path, name: str) -> None:
    """In a run that somebody handed over it would have another folder read, and emptied, as this run's."""
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o700)
    root = tmp_path / "output" / "line"
    root.mkdir(mode=0o700, parents=True)
    privacy.check_run(root)
    (root / name).symlink_to(outside)
    with pytest.raises(DiskError, match=f"{name} is a symbolic link, which is not followed"):
        privacy.check_run(root)


@pytest.mark.parametrize("dry", [["--dry-run"], []])
def test_a_run_is_refused_before_it_makes_anything(workshop: Workshop, dry: list[str]) -> None:
    """Where everybody may write without the sticky bit there is no run, no key and no thing."""
    workshop.output.mkdir()
    workshop.output.chmod(0o777)
    said = workshop.run(workshop.command(*workshop.run_words(*dry)), expect=1)
    assert b"everybody may rename what is in" in said
    assert list(workshop.output.iterdir()) == []


def test_with_umask_0_a_run_makes_its_output_folder_for_itself(workshop: Workshop) -> None:
    """The folders that it makes on the way are nobody else's to write to."""
    workshop.run(workshop.command(*workshop.run_words()))
    assert workshop.output.stat().st_mode & 0o777 == 0o755
    shutil.rmtree(workshop.output)


@needs_root
def test_a_run_that_belongs_to_somebody_else_is_refused(workshop: Workshop) -> None:
    """Its folder may be closed to all others: keys go into our own only."""
    workshop.run(workshop.command(*workshop.run_words()))
    given_away(workshop.root)
    with pytest.raises(DiskError, match="belongs to another user"):
        privacy.check_run(workshop.root)
    workshop.manifest("one\ntwo\nthree\n")
    for words in (workshop.run_words("--dry-run"), workshop.run_words(), ("revoke", "line", "--yes")):
        assert b"belongs to another user" in workshop.run(workshop.command(*words), expect=1)
