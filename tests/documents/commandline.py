"""A command line held against the options and arguments that the real one takes, without running it."""

from __future__ import annotations

import re
import shlex
from functools import cache

import typer
from typer.main import get_command

from pipeline.cli.app import app, load_commands

__all__ = ["complaint", "thingmill_lines"]

_SEPARATORS = frozenset({"|", "||", "&&", ";", "&"})
_REDIRECTION = re.compile(r"\d*(?:[<>]|>>)&?\d*")


@cache
def _application() -> typer.core.TyperGroup:
    load_commands()
    group = get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    return group


def thingmill_lines(text: str) -> list[list[str]]:
    """Return the words behind ``thingmill`` of each call of it in a shell's command."""
    if "thingmill " not in text:
        return []
    # What a shell reads from <(…) is a redirection, and what it puts in place of $(…) is one word.
    plain = re.sub(r"[<$]\([^)]*\)", "WORD", re.sub(r"\d*<\s*<\([^)]*\)", "", text))
    lexer = shlex.shlex(plain, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    lexer.commenters = ""
    found: list[list[str]] = []
    words: list[str] | None = None
    begins = True
    for token in lexer:
        if token in _SEPARATORS:
            words, begins = None, True
            continue
        if words is not None:
            words.append(token)
        elif token == "thingmill" and begins:
            words = []
            found.append(words)
        begins = False
    return [_without_redirections(words) for words in found]


def _without_redirections(words: list[str]) -> list[str]:
    for index, word in enumerate(words):
        if _REDIRECTION.fullmatch(word):
            before = words[:index]
            return before[:-1] if before and before[-1].isdigit() else before
    return words


def complaint(words: list[str]) -> str:
    """Return what the real command line says against these words, or "": values are not looked at.

    Args:
        words: What stands behind ``thingmill``.
    """
    group = _application()
    if words[0].isupper():
        # A word that stands for any command.
        return ""
    if words[0].startswith("-"):
        context, command, rest = typer.Context(group), None, words
        parser = group.make_parser(context)
    else:
        command = group.commands.get(words[0])
        if command is None:
            return f"there is no command {words[0]}"
        context, rest = typer.Context(command), words[1:]
        parser = command.make_parser(context)
    try:
        _, left, _ = parser.parse_args(list(rest))
    except Exception as error:  # noqa: BLE001  click's own or typer's, which the version decides
        return str(getattr(error, "message", error))
    return f"nothing takes {' '.join(left)}" if left else ""
