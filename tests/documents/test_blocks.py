"""Which lines of a document are commands, and what it shows for them."""

from __future__ import annotations

import pytest

from tests.documents.blocks import Block, Command, blocks_of, first_of, spans_of

PROMPTED = """\
Look:

```
$ thingmill check line-7.csv      # is every row right?
3 things, no fault

$ thingmill run line-7.csv \\
>     --policy device
$ echo $?
0
```
"""


def test_what_follows_a_prompt_is_its_output() -> None:
    """Comments are cut off, continued lines are joined, and a command with nothing below it shows nothing."""
    [block] = blocks_of(PROMPTED)
    assert block.commands == (
        Command("thingmill check line-7.csv", 4, ("3 things, no fault",)),
        Command("thingmill run line-7.csv --policy device", 7),
        Command("echo $?", 9, ("0",)),
    )


def test_without_prompts_every_line_is_a_command() -> None:
    """In a block of nothing but commands, comments and empty lines are none."""
    document = "```sh\n# first\numask 077; age -d x.age\n\nopenssl x509 \\\n    -noout  # a look\n```\n"
    assert blocks_of(document) == [
        Block((Command("umask 077; age -d x.age", 3), Command("openssl x509 -noout", 5)))
    ]


@pytest.mark.parametrize(
    ("info", "line"),
    [
        ("", "output/demo/"),
        ("json", "cat"),
        ("text", "thingmill run MANIFEST [OPTION]..."),
        ("python", "make = 1"),
        ("", "done  25"),
    ],
)
def test_other_blocks_hold_no_command(info: str, line: str) -> None:
    """Nor does a block with one line that no known program begins, or an info string that says what it is."""
    assert blocks_of(f"```{info}\n{line}\n```\n") == []


def test_a_prompt_counts_whatever_the_block_is_called() -> None:
    """A command does not get out of being run by calling its block text."""
    assert blocks_of("```text\n$ make demo\n```\n") == [Block((Command("make demo", 2),))]


def test_a_fence_ends_with_its_own_mark() -> None:
    """A longer fence may hold a shorter one, one may be indented, and one that is never closed is an error."""
    assert blocks_of("````\n```\n$ ls\n```\n````\n")[0].commands[0].text == "ls"
    assert blocks_of("- so:\n\n  ```\n  ls -l\n  ```\n") == [Block((Command("ls -l", 4),))]
    with pytest.raises(AssertionError, match="line 1 is not closed"):
        blocks_of("```\nls\n")


def test_commands_between_backticks_are_found_in_prose_alone() -> None:
    """A span may go over the end of a line; what stands in a block, or names the program alone, is none."""
    document = "Use `thingmill iam\nrun` or `thingmill`.\n\n```\n`thingmill x`\n```\n`make`, `thingmill plan A`"
    assert spans_of(document, "thingmill") == [Command("thingmill iam run", 1), Command("thingmill plan A", 7)]


def test_the_first_block_of_a_kind_is_returned() -> None:
    """The tutorial's manifest is taken from the page."""
    assert first_of("```\na\n```\n```csv\nb\nc\n```\n```csv\nd\n```\n", "csv") == "b\nc\n"
