"""Facts in the documents held against the product: what they say is what there is."""

from __future__ import annotations

import math
import re
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pipeline import errors
from pipeline.aws.quotas import DEFAULTS, granted
from pipeline.bundles.formats import FORMATS, PEM
from pipeline.bundles.listings import LISTINGS
from pipeline.cores import Keys
from pipeline.manifest import Totals, names
from pipeline.manifest.columns import ALIASES, Remark
from pipeline.manifest.run_table import RUN_KEYS
from pipeline.plan import KEYS, Plan, as_time
from pipeline.preflight import remaining
from pipeline.report.summary_csv import COLUMNS as SUMMARY_COLUMNS
from pipeline.settings import KeyType
from pipeline.verify.verdict_rows import COLUMNS as VERDICT_COLUMNS
from tests.e2e.command import DEVICE_POLICY, MANIFESTS, Workplace
from tests.project.documents import DOCUMENTS, block, code, section, table
from tests.project.sources import ROOT

if TYPE_CHECKING:
    from pathlib import Path

README = DOCUMENTS["README.md"]
MANIFEST = DOCUMENTS["docs/manifest.md"]
OUTPUT = DOCUMENTS["docs/output.md"]
TUNING = DOCUMENTS["docs/tuning.md"]


def thingmill(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def columns_of(heading: str) -> list[str]:
    """Return the columns that a section of docs/output.md names, in the order of its table."""
    rows = table(section(OUTPUT, heading), "column")
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row[0])]


def test_every_format_has_a_row() -> None:
    """docs/formats.md names each format and each listing that there is, and no other."""
    formats = DOCUMENTS["docs/formats.md"]
    assert [row[0].strip("`") for row in table(formats, "format")] == [PEM, *FORMATS]
    rows = table(formats, "listing")
    assert [row[0].strip("`") for row in rows] == list(LISTINGS)
    for name, files, _ in rows:
        listing = LISTINGS[name.strip("`")]
        assert code(files) == {listing.name, *listing.static}


def test_formats_that_open_keys_are_those_of_the_code() -> None:
    """docs/keys.md names each format that a run whose keys are encrypted refuses."""
    [told] = re.findall(r"write the key in another form \(([^)]*)\)", " ".join(DOCUMENTS["docs/keys.md"].split()))
    assert code(told) == {name for name, made in FORMATS.items() if made.opens_key}


def test_the_columns_of_a_manifest_are_told() -> None:
    """Each field has a row with all its other names."""
    rows = [row for row in table(MANIFEST, "field") if code(row[0])]
    told = {row[0].strip("`"): code(row[0]) | code(row[1]) for row in rows}
    assert told == {field.value: set(aliases) for field, aliases in ALIASES.items()}


def test_the_limits_of_names_are_told() -> None:
    """Each rule for a name or a value has a row with its length and its alphabet, and there is no other."""
    rules = [rule for rule in vars(names).values() if isinstance(rule, names.Rule)]
    expected = {
        rule.what: [f"{rule.least} to {rule.limit}" if rule.least else f"up to {rule.limit}", f"`{rule.shown}`"]
        for rule in rules
    }
    assert {row[0]: row[1:] for row in table(MANIFEST, "what")} == expected


def test_what_may_stand_under_run_is_told() -> None:
    """The sentence on [run] names each setting that it takes, and no other."""
    [told] = re.findall(r"The settings are (.*?)\. What they mean", " ".join(MANIFEST.split()))
    assert code(told) == {key.replace("_", "-") for key in RUN_KEYS}


def test_every_key_type_has_a_row() -> None:
    """docs/keys.md has each key type, which one is the default, and the time that a run reckons with."""
    rows = table(DOCUMENTS["docs/keys.md"], "type")
    assert [row[0].strip("`") for row in rows] == list(KeyType)
    assert [row[0].strip("`") for row in rows if "the default" in row[1]] == [KeyType.RSA_4096]
    for name, _, told in rows:
        seconds = remaining._KEY_SECONDS[KeyType(name.strip("`"))]
        shown = 1e-3 if told == "under 1 ms" else float(told.removesuffix(" s"))
        assert 0.05 * shown < seconds <= shown


def test_the_permissions_shown_are_the_real_ones() -> None:
    """What docs/operations.md shows of iam is what iam prints, to the letter."""
    assert block(DOCUMENTS["docs/operations.md"], "$ thingmill iam") == thingmill("iam").stdout


def test_the_quotas_are_those_of_the_table() -> None:
    """The calls per second in docs/tuning.md are the defaults, and so is the time that 10,000 devices take."""
    for operation, large, small, _ in table(TUNING, "operation"):
        assert DEFAULTS[operation.strip("`")] == (float(large), float(small))
    assert f"at least {math.ceil(10_000 / DEFAULTS['CreateCertificateFromCsr'][0])} s" in " ".join(TUNING.split())


def test_the_plan_shown_is_a_real_one() -> None:
    """What docs/tuning.md shows of plan is worked out so on two cores, with keys that take next to nothing."""
    shown = block(TUNING, "$ thingmill plan line-7.csv --offline --key ec-p256 --policy line-7-device")
    devices = 10_000
    keys = Keys({KeyType.EC_P256: devices}, {KeyType.EC_P256: 1e-4})
    totals = Totals(devices, with_csr=0, with_policy=devices, memberships=0)
    plan = Plan.of(totals, granted("", {}), keys, workers=2, cores=2)
    rows = re.findall(r"^(\S.*?) +([\d,]+) at +([\d.]+)/s  (?:\S+ ?\S+) +(\S.*)$", shown, re.MULTILINE)
    assert [row[:2] + row[3:] for row in rows if row[0] != KEYS] == [
        (stage.name, f"{stage.count:,}", as_time(stage.seconds)) for stage in plan.stages if stage.name != KEYS
    ]
    assert [row[2] for row in rows if row[0] != KEYS] == [
        f"{stage.per_second:.1f}" for stage in plan.stages if stage.name != KEYS
    ]
    assert [line.strip() for line in shown.splitlines() if line.startswith("  ")] == plan.advice()


def test_the_faults_shown_are_the_real_ones() -> None:
    """What docs/manifest.md quotes of check is what it says: these lines, in order, around what is left out."""
    command = "thingmill check manifests/faulty.csv"
    done = thingmill(*command.split()[1:])
    real = done.stdout.splitlines() + done.stderr.splitlines()
    pieces = [piece.strip("\n").splitlines() for piece in block(MANIFEST, f"$ {command}").split("…\n")]
    position = 0
    for piece in pieces:
        begin = real.index(piece[0], position)
        assert real[begin : begin + len(piece)] == piece
        position = begin + len(piece)
    assert real[: len(pieces[0])] == pieces[0]
    assert position == len(real)
    assert done.returncode == errors.ManifestError.exit_code


@pytest.mark.parametrize(
    ("heading", "columns"),
    [
        ("summary.csv", list(SUMMARY_COLUMNS)),
        ("failed.csv", [remark.value for remark in Remark]),
        ("verify --csv", list(VERDICT_COLUMNS)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_columns_of_tables_are_told(heading: str, columns: list[str]) -> None:
    """docs/output.md names each column of a table that a command writes, in its order."""
    assert columns_of(heading) == columns


def test_figures_that_were_measured_are_in_the_results() -> None:
    """Each figure that docs/tuning.md quotes of the benchmarks stands in their results."""
    figures = [figure for figure in code(section(TUNING, "What was measured")) if re.fullmatch(r"[\d.,]+", figure)]
    assert len(figures) > 5
    results = DOCUMENTS["benchmarks/results.md"]
    assert [
        figure for figure in figures if not re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d])", results)
    ] == []


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """What ``make demo`` does, with keys that take less time: where the run is, and what was printed."""
    pytest.importorskip("ministack", reason="needs the extra `local`")
    workplace = Workplace(tmp_path_factory.mktemp("demo") / "output")
    options = ("--local", "--key", "ec-p256", "--policy", DEVICE_POLICY, "--create-missing")
    run = workplace.run("run", str(MANIFESTS / "demo.csv"), *options)
    verified = workplace.run("verify", "demo", "--local", "--connect")
    return workplace.output / "demo", run.stdout + verified.stdout


_DIFFER = ((r"\d+:\d\d", "0:00"), (r"[\d.]+ devices/s", "1 devices/s"), (r"TestThing\d+", "TestThing001"))
"""What differs from run to run."""


def shape(text: str) -> list[str]:
    """Return lines without what differs from run to run, and without blanks at their ends."""
    for pattern, same in _DIFFER:
        text = re.sub(pattern, same, text)
    return [re.sub(r"^(held by +).*", r"\1it", line).rstrip() for line in text.splitlines()]


@pytest.mark.xdist_group("embedded")
def test_the_end_of_a_run_is_shown_as_it_is(demo: tuple[Path, str]) -> None:
    """What the README shows of the demo is what is printed, but for its times and the pace."""
    folder, printed = demo
    shown = block(README, "$ make demo").partition("…\n")[2]
    assert shape(shown) == shape(printed.replace(str(folder.parent), "output"))


@pytest.mark.xdist_group("embedded")
def test_what_a_run_leaves_is_told(demo: tuple[Path, str]) -> None:
    """Each file of a run, and of a bundle, has its line with its mode in docs/output.md, and no other file has."""
    folder, _ = demo
    told: dict[str, int] = {}
    place = ""
    for line in block(OUTPUT, "output/demo/").splitlines():
        name, mode = line.split()[:2]
        place = f"{name.rstrip('/')}/" if line.startswith("  d") else place if line.startswith("    ") else ""
        told[name.rstrip("/") if not line.startswith("    ") else f"{place}{name}"] = int(mode, 8)
    # Only where something failed; and what the kernel's lock needs.
    assert told.pop("failed.csv") == 0o644
    found = {*folder.iterdir(), *(folder / "devices" / "TestThing001").iterdir()} - {folder / "devices"}
    found.add(folder / "devices" / "TestThing001")
    assert told == {path.relative_to(folder).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in found}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
