"""One run, one owner; and a run folder that belongs to one manifest, account, Region and kind of key."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.awsiot import Hang
from tests.support.thorough import sampled
from tests.torture.checker import judge
from tests.torture.scene import Scene

if TYPE_CHECKING:
    from pathlib import Path

ISSUE = "CreateCertificateFromCsr"


def test_a_second_process_leaves_at_once_and_names_the_first(scene: Scene) -> None:
    """While a run is under way another one on its folder ends with 4, and a killed first needs no cleaning."""
    scene.aws.run(lambda double: double.faults.script(ISSUE, Hang(after=True)))
    first = scene.start()
    scene.aws.until(lambda double: double.journal.count(ISSUE) > 0)
    second = scene.run()
    assert second.code == 4, (second.code, second.err)
    assert f"in use by process {first.pid}" in second.err
    assert scene.reconcile().code == 4
    first.kill()
    assert scene.end(first).killed
    scene.finish()
    judge(scene)


@pytest.mark.parametrize(
    ("change", "difference"),
    sampled(
        [
            ("manifest", "it holds Made00, which this manifest does not name"),
            ("account", "account was 123456789012 and is now 210987654321"),
            ("region", "Region was eu-west-1 and is now eu-west-2"),
            ("key", "key type was ec-p256 and is now ec-p384"),
        ],
        lambda case: case[0] == "account",
    ),
)
def test_a_run_of_another_kind_is_refused_with_the_difference(scene: Scene, change: str, difference: str) -> None:
    """A run folder that belongs to something else ends a run with 4, names what differs, and stays as it is."""
    assert scene.run("certificate.after:3").killed
    arguments: list[str] = []
    manifest = scene.manifest.read_text(encoding="ascii")
    match change:
        case "manifest":
            scene.manifest.write_text(manifest.replace("Made00", "Else00"), encoding="ascii")
        case "account":
            scene.aws.run(
                lambda double: setattr(
                    double.account, "arns", type(double.account.arns)("eu-west-1", "210987654321")
                )
            )
        case "region":
            arguments = ["--region", "eu-west-2"]
        case _:
            arguments = ["--key", "ec-p384"]
    issued = scene.certificates()
    ended = scene.run(None, *arguments)
    assert ended.code == 4, (ended.code, ended.err)
    assert difference in ended.err
    assert scene.certificates() == issued
    scene.manifest.write_text(manifest, encoding="ascii")
    scene.aws.run(
        lambda double: setattr(double.account, "arns", type(double.account.arns)("eu-west-1", "123456789012"))
    )
    scene.finish()
    judge(scene)


def test_a_finished_run_that_is_run_again_changes_nothing(tmp_path: Path) -> None:
    """Done means done: no call that changes anything, and not one byte on disk."""
    with Scene(tmp_path, ["Made00", "Made01"]) as scene:
        scene.finish()
        shutil.copytree(scene.root, tmp_path / "before")
        calls = scene.aws.run(lambda double: double.journal.mutating_calls)
        assert scene.run().code == 0
        assert scene.aws.run(lambda double: double.journal.mutating_calls) == calls
        assert _content(scene.root) == _content(tmp_path / "before")
        judge(scene)


def _content(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
