"""A longer run over the manifest reader: ``python -m tests.fuzz --seconds 60 --seed 7``.

Prints how many inputs ended in what, the slowest of them, and the memory that the process took; ends with code 1
at the first input that breaks what must hold, which it writes to a file and names by its seed and number. With
``--engine atheris``, where that is installed, inputs come from its coverage-guided engine instead.
"""

from __future__ import annotations

import argparse
import importlib
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.manifest_target import examine
from tests.fuzz.mutations import SUFFIXES, Input, Mutator

EXAMPLES = Path(__file__).parents[2] / "manifests"
_MOST_SECONDS = 3600


def main() -> int:
    """Run the engine that was asked for and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the manifest reader.")
    parser.add_argument("--seconds", type=float, default=60.0, help=f"how long, {_MOST_SECONDS} at most")
    parser.add_argument("--seed", type=int, default=0, help="decides the inputs")
    parser.add_argument("--first", type=int, default=0, help="the number of the first input")
    parser.add_argument("--engine", choices=("own", "atheris"), default="own")
    asked = parser.parse_args()
    seconds = min(asked.seconds, _MOST_SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        if asked.engine == "atheris":
            return _atheris(Path(folder), seconds, asked.seed)
        return _own(Path(folder), seconds, asked.seed, asked.first)


def _own(folder: Path, seconds: float, seed: int, first: int) -> int:
    mutator, ended = Mutator(EXAMPLES, seed), Counter[str]()
    begun, number, slowest = time.monotonic(), first, (0.0, 0)
    while time.monotonic() - begun < seconds:
        made = mutator.make(number)
        before = time.monotonic()
        try:
            outcome = examine(made, folder, twice=number % 8 == 0)
        except Exception as error:  # noqa: BLE001  whatever it is, it is what this looks for
            found = Path(f"fuzz-{seed}-{number}{made.suffix}")
            found.write_bytes(made.content)
            print(f"seed {seed}, input {number}: {type(error).__name__}: {error!s:.500}\nkept in {found}")  # noqa: T201
            return 1
        slowest = max(slowest, (time.monotonic() - before, number))
        ended["faults" if outcome.total else "refused" if outcome.refused else "devices"] += 1
        number += 1
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform != "darwin" else 1 << 20)
    counts = ", ".join(f"{count:,} in {what}" for what, count in ended.most_common())
    print(f"seed {seed}: {number - first:,} inputs ended: {counts}")  # noqa: T201
    print(f"the slowest, {slowest[1]}, took {slowest[0]:.2f} s; {memory:,} MiB of memory at most")  # noqa: T201
    return 0


def _atheris(folder: Path, seconds: float, seed: int) -> int:
    try:
        atheris = importlib.import_module("atheris")
    except ImportError:
        print("atheris is not installed; leave --engine out")  # noqa: T201
        return 2

    def one(data: bytes) -> None:
        if data:
            examine(Input(SUFFIXES[data[0] % len(SUFFIXES)], data[1:]), folder, twice=False)

    atheris.instrument_all()
    atheris.Setup(["tests.fuzz", f"-max_total_time={seconds:.0f}", f"-seed={seed + 1}", "-max_len=400000"], one)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
