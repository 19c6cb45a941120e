"""How long the command line takes to answer, against a program of typer that has nothing to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import children, product
from benchmarks.children import PYTHON, THINGMILL
from benchmarks.harness import Table, median, spread, verdict

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["measure"]

TARGET = 1.5

_EMPTY = '''"""Does nothing."""

import typer

app = typer.Typer()


@app.command()
def main() -> None:
    """Do nothing."""


app()
'''


def measure(*, quick: bool) -> Table:
    """Measure four commands by turns; a first round, in which files are read for the first time, is left out."""
    table = Table("Start-up", ("command", "ms", "against empty typer", "target"))
    rounds = 3 if quick else 25
    with children.workplace() as folder:
        commands = _commands(folder)
        times: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(rounds + 1):
            for name, command in commands.items():
                seconds = children.run_to_end(command)
                if turn:
                    times[name].append(1000 * seconds)
    empty = median(times["empty typer program, --help"])
    for name, taken in times.items():
        factor = median(taken) / empty
        held = verdict(factor <= TARGET, f"≤ {TARGET}x") if name.startswith("thingmill") else ""
        table.rows.append((name, spread(taken, 0), f"{factor:.2f}x", held))
    table.note(f"{rounds} rounds; median (least to most); from the start of the process to its end")
    return table


def _commands(folder: Path) -> dict[str, list[str]]:
    empty = folder / "empty.py"
    empty.write_text(_EMPTY, encoding="utf-8")
    return {
        "python -c pass": [PYTHON, "-c", "pass"],
        "empty typer program, --help": [PYTHON, str(empty), "--help"],
        "thingmill --help": [THINGMILL, "--help"],
        "thingmill check, one row": product.check_command(product.manifest(folder, 1)),
    }
