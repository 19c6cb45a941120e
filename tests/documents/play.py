"""One document's commands carried out on a stage, and what is wrong with what it says of them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.errors import InterruptedRunError
from tests.documents.blocks import blocks_of
from tests.documents.scenes import NOT_RUN, PLACEHOLDERS
from tests.documents.shapes import matches
from tests.documents.stage import ANSWERED, INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.documents.blocks import Command
    from tests.documents.scenery import Scene
    from tests.documents.stage import Done, Stage

__all__ = ["play"]

_NEVER = frozenset({"apt-get", "aws", "docker", "esptool.py", "git", "kubectl", "pip", "sudo"})
"""Programs that no document may have a test run."""

_ASKS_FOR_CODE = "echo $?"


def play(text: str, stage: Stage, scene: Scene) -> list[str]:
    """Run a document's commands in order, and return what is not as the document says.

    Args:
        text: The document.
        stage: Where to run them.
        scene: What the document takes for granted.
    """
    complaints, met = [], Counter[str]()
    scene.prepare(stage)
    for block in blocks_of(text):
        stage.begin_block()
        for command, following in zip(block.commands, [*block.commands[1:], None], strict=True):
            met[command.text] += 1
            if command.text not in NOT_RUN and command.text.split()[0] in _NEVER:
                complaints.append(f"line {command.line}: {command.text}: neither run nor in NOT_RUN")
                continue
            if command.text in NOT_RUN or _is_spared(command, stage, scene) or _comes_again(command, text):
                continue
            if command.text in scene.before:
                scene.before[command.text](stage)
            done = stage.do(_filled_in(command))
            code = scene.codes.get(command.text, 0)
            if command.shown and INTERRUPTED in command.shown:
                code = InterruptedRunError.exit_code
            shows_code = following is not None and following.text == _ASKS_FOR_CODE
            if not shows_code and done.code != code:
                complaints.append(_report(command, done, f"exit code {done.code} and not {code}"))
            elif command.shown and not _is_shown(command.shown, done, {} if stage.whole else scene.figures):
                complaints.append(_report(command, done, "shown otherwise", *command.shown))
    known = {*scene.before, *scene.codes, *(scene.usual or ())}
    complaints += [f"{name}: no command is so any more" for name in sorted(known) if not met[name]]
    return complaints


def _comes_again(command: Command, text: str) -> bool:
    """Return whether a document names a command first and shows it with its output later."""
    later = (other for block in blocks_of(text) for other in block.commands if other.line > command.line)
    return command.shown is None and any(other.text == command.text and other.shown for other in later)


def _is_spared(command: Command, stage: Stage, scene: Scene) -> bool:
    return not stage.whole and scene.usual is not None and command.text not in scene.usual


def _filled_in(command: Command) -> Command:
    for placeholder, value in PLACEHOLDERS.items():
        command = replace(command, text=command.text.replace(placeholder, value))
    return command


def _is_shown(shown: tuple[str, ...], done: Done, figures: Mapping[str, str]) -> bool:
    """Return whether a block shows what was printed: to standard output alone, or to both."""
    questions = [line for line in shown if ANSWERED.fullmatch(line)]
    if any(question[:-1].rstrip() not in done.stderr for question in questions):
        return False
    kept = tuple(line for line in shown if line not in questions and line != INTERRUPTED)
    out, err = (_enlarged(text, figures).splitlines() for text in (done.stdout, done.stderr))
    return any(matches(kept, real) for real in (out, out + err, err + out))


def _enlarged(text: str, figures: Mapping[str, str]) -> str:
    """Return text with the figures of a sample as those of the whole."""
    if not figures:
        return text
    pattern = rf"(?<![\w.,-])(?:{'|'.join(map(re.escape, figures))})(?![\w.,-])"
    return re.sub(pattern, lambda found: figures[found.group()], text)


def _report(command: Command, done: Done, what: str, *shown: str) -> str:
    said = "\n".join(f"    {line}" for line in (done.stdout + done.stderr).splitlines())
    claimed = "".join(f"\n  | {line}" for line in shown)
    return f"line {command.line}: {command.text}: {what}{claimed}\n  really:\n{said}"
