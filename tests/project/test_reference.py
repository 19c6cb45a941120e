"""Facts in the documents held against the product: what they say is what there is."""

from __future__ import annotations

import json
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
from pipeline.plan import Plan, as_time
from pipeline.preflight import remaining
from pipeline.progress import events
from pipeline.report.summary_csv import COLUMNS as SUMMARY_COLUMNS
from pipeline.settings import KeyType
from pipeline.verify.verdict_rows import COLUMNS as VERDICT_COLUMNS
from tests.e2e.command import DEVICE_POLICY, KEYS, Workplace
from tests.project.documents import DOCUMENTS, block, code, section, table
from tests.project.sources import ROOT
from tests.support.awsiot import DoubleThread

if TYPE_CHECKING:
    from pathlib import Path

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
    """What docs/tuning.md shows of plan is worked out so on two cores and more, with keys that take no time."""
    shown = block(TUNING, "$ thingmill plan line-7.csv --offline --key ec-p256 --policy line-7-device")
    devices = 10_000
    keys = Keys({KeyType.EC_P256: devices}, {KeyType.EC_P256: 1e-4})
    totals = Totals(devices, with_csr=0, with_policy=devices, memberships=0)
    for cores in (2, 16):
        plan = Plan.of_several({"": (totals, granted("", {}))}, keys, workers=cores, cores=cores)
        rows = re.findall(r"^(\S+) +([\d,]+) at +([\d.]+)/s  table +(\S.*)$", shown, re.MULTILINE)
        assert len(rows) > 3
        assert rows == [
            (stage.name, f"{stage.count:,}", f"{stage.per_second:.1f}", as_time(stage.seconds))
            for stage in plan.stages[: len(rows)]
        ]
        assert f"about {as_time(plan.seconds)}; {plan.stages[0].name} decides" in shown
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


def test_what_a_run_leaves_is_told(tmp_path: Path) -> None:
    """Each file of a run, and of a bundle, has its line with its mode in docs/output.md, and no other file has."""
    told: dict[str, int] = {}
    place = ""
    for line in block(OUTPUT, "output/demo/").splitlines():
        name, mode = line.split()[:2]
        inner = line.startswith("    ")
        place = place if inner else name
        told[f"{place}{name}" if inner else name.rstrip("/")] = int(mode, 8)
    assert told.pop("failed.csv") == stat.S_IMODE(0o644)  # only where something failed

    with DoubleThread() as double:
        workplace = Workplace(tmp_path / "output", KEYS | {"AWS_ENDPOINT_URL": double.url})
        manifest = workplace.manifest("demo.txt", "TestThing001\n")
        workplace.run("run", manifest, "--key", "ec-p256", "--policy", DEVICE_POLICY)
    folder = workplace.output / "demo"
    found = {*folder.iterdir(), *(folder / "devices").iterdir(), *(folder / "devices" / "TestThing001").iterdir()}
    modes = {path.relative_to(folder).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in found}
    assert modes.pop("devices") == stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert modes == told


def test_the_events_of_json_are_told() -> None:
    """docs/json.md has each event of run with the keys that the module which prints it gives, and no other."""
    listed = re.findall(r"^(\w+) {2,}(.+)$", events.__doc__ or "", re.MULTILINE)
    expected = {name: set(re.findall(r"[a-z]+", keys)) for name, keys in listed if name != "event"}
    told = {row[0].strip("`"): code(row[1]) for row in table(DOCUMENTS["docs/json.md"], "`event`")}
    assert told.pop("summary") == {"summary.json", "folder"}
    assert told == {name: keys for name, keys in expected.items() if name != "summary"}


def test_every_command_that_prints_json_is_told() -> None:
    """docs/json.md has a row for each command whose lines the schema describes, beside run, and no other."""
    schema = json.loads((ROOT / "docs" / "events.schema.json").read_text(encoding="utf-8"))
    commands = {name.removesuffix("_lines") for name in schema["$defs"] if name.endswith("_lines")}
    rows = table(DOCUMENTS["docs/json.md"], "command")
    assert {row[0].strip("`") for row in rows} == commands - {"run"}
