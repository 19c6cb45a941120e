"""``python -m benchmarks [NAME …] [--quick]``: measure, print a table each, keep it in ``results.md``."""

from __future__ import annotations

import argparse
import importlib
import sys
import time

from benchmarks import harness
from benchmarks.children import FailedError

NAMES = ("startup", "keys", "quota", "simulation", "stations", "targets", "plan", "calls", "jobs", "memory")


def main() -> None:
    """Run the benchmarks that are named, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"any of {', '.join(NAMES)}; all if none is given"
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run: small numbers, and results.md stays")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(NAMES))
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    failed: list[str] = []
    for name in options.names or NAMES:
        begin, load = time.monotonic(), harness.load()
        try:
            table: harness.Table = importlib.import_module(f"benchmarks.{name}").measure(quick=options.quick)
        except FailedError as error:
            print(f"{name}: {error}", file=sys.stderr, flush=True)
            failed.append(name)
            continue
        table.note(harness.conditions(load, time.monotonic() - begin))
        print(table.text(), flush=True)
        if not options.quick:
            harness.record(name, table)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
