"""A run's folder that somebody else made: whatever its ledger says, looking at it is safe."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.foreign.hostile import CORPUS, HUGE, acting_in, cells_of, formulas_in, objects_of
from tests.foreign.stage import FAST, Stage
from tests.support.awsiot import DoubleThread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ALL = list(CORPUS.values())
# Several in each text, so that a look around tries them together; what begins a cell stands alone.
TEXTS = ["".join(_ALL[first : first + 5]) for first in range(0, len(_ALL), 5)] + [CORPUS["calls a program"], HUGE]
META = (
    "account",
    "Region",
    "key type",
    "certificates",
    "endpoint",
    "formats",
    "sharded",
    "quotas",
    "usage",
    "made",
)
LOOKS = (["status"], ["status", "--json"], ["verify"], ["verify", "--json"], ["verify", "--csv", "found.csv"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage with a run of three devices."""
    with DoubleThread() as double, pytest.MonkeyPatch.context() as patch:
        stage = Stage(tmp_path_factory.mktemp("whole"), double, patch)
        stage.write("lot.txt", "one\ntwo\nthree\n")
        assert stage.provision().code == 0
        yield stage


@pytest.fixture
def given_run(whole: Stage) -> Iterator[Stage]:
    """The same, whose ledger and trail are put back afterwards."""
    kept = {name: (whole.run_folder / name).read_bytes() for name in ("ledger.db", "audit.jsonl")}
    yield whole
    for name, content in kept.items():
        (whole.run_folder / name).write_bytes(content)
    for suffix in ("-wal", "-shm"):
        (whole.run_folder / f"ledger.db{suffix}").unlink(missing_ok=True)


@pytest.mark.parametrize("note", ["\x1b[2J", "[]", '{"policy": [1]}', '{"policy": 1}', "[" * 100_000])
def test_notes_that_no_thingmill_wrote_delete_nothing(given_run: Stage, note: str) -> None:
    """``revoke --things`` goes by what a ledger says was made, and ends with code 4 where that is no list."""
    given_run.alter("INSERT OR REPLACE INTO meta VALUES ('made', ?)", note)
    ended = given_run.call("revoke", "lot", "--things", "--dry-run", *FAST)
    assert ended.code == 4
    assert "Traceback" not in ended.err
    assert acting_in(ended.err + ended.out) == []


def look_around(stage: Stage) -> None:
    """See that all that reads a run ends as it should, and shows nothing that acts."""
    for command, *options in LOOKS:
        ended = stage.call(command, "lot", *options)
        assert ended.code in {0, 1, 4}, ended.err
        assert "Traceback" not in ended.err
        assert acting_in(ended.out + ended.err) == []
        assert len(ended.out + ended.err) < 200_000
        if "--json" in options:
            objects_of(ended.out)
    for row in cells_of((stage.home / "found.csv").read_bytes()):
        assert formulas_in(row) == []


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_texts_of_a_ledger_act_on_nothing(given_run: Stage, text: str) -> None:
    """Errors, certificates and notes of a ledger are foreign text, as lines, as JSON and as a table."""
    text = text.encode("utf-8", "replace").decode("utf-8")  # as SQLite stores it
    given_run.alter(
        "UPDATE devices SET outcome = 'failed', failed_step = 4, error_code = ?1, error_message = ?1, "
        "error_advice = ?1, updated_at = ?1, state = 2, certificate_id = NULL WHERE thing_name = 'one'",
        text,
    )
    given_run.alter(
        "UPDATE devices SET certificate_arn = ?1, not_after = ?1, spki_sha256 = ?1, "
        "files = ?2 WHERE thing_name = 'two'",
        text,
        json.dumps({"two.csr": text, text.replace("/", "").replace("\0", "") or "x": text}),
    )
    for name in META:
        given_run.alter("INSERT OR REPLACE INTO meta VALUES (?, ?)", name, text)
    look_around(given_run)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("description", '{"thing_name":"../../etc","common_name":"x"}'),
        ("description", '{"thing_name":"\\u001b[2J","common_name":"x"}'),
        ("description", '{"thing_name":"one","common_name":["x"]}'),
        ("description", '{"thing_name":"one","common_name":"x","surprise":1}'),
        ("description", "[" * 100_000),
        ("description", "\x1b[2J"),
        ("state", 99),
        ("files", '{"../../../etc/passwd":"0"}'),
        ("files", '{"/etc/passwd":"0"}'),
        ("certificate_id", "../../elsewhere"),
        ("files", "[]x"),
        ("old_certificates", '{"a":1}'),
    ],
)
def test_a_row_that_no_thingmill_wrote_is_refused(given_run: Stage, column: str, value: str | int) -> None:
    """A name that leads out of the folder, or a row of another shape, ends verify with code 4 and no traceback."""
    given_run.alter(f"UPDATE devices SET {column} = ? WHERE thing_name = 'one'", value)  # noqa: S608  columns above
    ended = given_run.call("verify", "lot")
    assert ended.code == 4
    assert "thingmill" in ended.err
    assert acting_in(ended.err + ended.out) == []
    assert "Traceback" not in ended.err


def test_no_command_leaves_the_folder_for_a_row_that_says_so(given_run: Stage) -> None:
    """``revoke --purge`` of a ledger whose device is called ``../..`` removes nothing."""
    precious = given_run.home / "precious"
    precious.mkdir(mode=0o700)
    given_run.alter(
        "UPDATE devices SET description = ?, thing_name = ? WHERE thing_name = 'one'",
        '{"thing_name":"../../../precious","common_name":"x"}',
        "../../../precious",
    )
    ended = given_run.call("revoke", "lot", "--purge", "--yes", *FAST)
    assert ended.code == 4
    assert "Traceback" not in ended.err
    assert precious.is_dir()


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0\x1b[2J", b"\x1b]52;c;ZXZpbA==\x07" * 500])
def test_a_ledger_that_is_none_is_said_to_be_none(given_run: Stage, content: bytes) -> None:
    """A file that is no ledger ends each look with a sentence."""
    (given_run.run_folder / "ledger.db").write_bytes(content)
    for command in ("status", "verify"):
        ended = given_run.call(command, "lot")
        assert ended.code in {1, 4}
        assert "Traceback" not in ended.err
        assert acting_in(ended.err + ended.out) == []


def test_lines_of_a_trail_act_on_nothing(given_run: Stage) -> None:
    """Whatever stands in audit.jsonl, verify says of it harmlessly what is wrong."""
    with (given_run.run_folder / "audit.jsonl").open("a", encoding="utf-8", errors="surrogatepass") as trail:
        for text in TEXTS:
            line = {
                "time": "now",
                "call": "CreateCertificateFromCsr",
                "result": "ok",
                "thing": text,
                "certificate": text,
            }
            trail.write(json.dumps(line) + "\n" + text + "\n")
    look_around(given_run)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_files_of_a_bundle_act_on_nothing(given_run: Stage, text: str) -> None:
    """Names of stray files and what a changed config.json says are shown with what they do made visible."""
    bundle = given_run.run_folder / "devices" / "three"
    config = bundle / "config.json"
    kept, mode = config.read_bytes(), config.stat().st_mode
    stray = stray_of(bundle, text)
    try:
        config.chmod(0o600)
        config.write_text(json.dumps({"endpoint": text, "port": text, "cert": text, text: text}), encoding="ascii")
        config.chmod(mode)
        look_around(given_run)
        ended = given_run.call("verify", "lot", "--connect", "--device", "three")
        assert acting_in(ended.out + ended.err) == []
    finally:
        stray.unlink()
        config.chmod(0o600)
        config.write_bytes(kept)
        config.chmod(mode)


def stray_of(folder: Path, text: str) -> Path:
    """Make a file whose name is as much of a text as a file system takes."""
    name = text.encode("utf-8", "surrogateescape" if "\ud800" not in text else "replace")
    path = folder / name.replace(b"/", b"").replace(b"\0", b"")[:200].decode("utf-8", "ignore")
    path.touch(mode=0o600)
    return path


def test_who_was_seen_is_told_harmlessly(given_run: Stage) -> None:
    """Lines of a log that ``retire --seen`` reads, and its name, are counted and not repeated."""
    given_run.write("seen\x1b[2J.log", "\n".join(TEXTS).encode("utf-8", "replace") + b"\n\xff\xfe\n")
    ended = given_run.call("retire", "lot", "--seen", "seen\x1b[2J.log", "--dry-run")
    assert ended.code == 0
    assert acting_in(ended.err + ended.out) == []
