"""The long torture: hundreds of kills at failpoints and calls, among faults, and one table at the end.

``python -m tests.torture.long --kills 500 --seed 1`` prints the seed that plays the same kills again. It ends
with 0 if every device of every run has exactly one certificate, and with 1 and the sentences of the judge if not.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import secrets
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import failpoints
from tests.support.awsiot import Drop, Faults, Hang, ListingLag
from tests.torture.checker import Tally, check
from tests.torture.scene import Scene

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tests.torture.scene import Ended

ISSUE = "CreateCertificateFromCsr"
AT_A_CALL = "(at a call)"
AT_A_COMMIT = "(commit, no answer)"
WEAPONS = (*failpoints.NAMES, AT_A_CALL, AT_A_COMMIT)
_OFTEN = {
    "certificate.before",
    "certificate.after",
    "ledger.commit",
    "ledger.committed",
    "reconcile.adopt",
    AT_A_COMMIT,
}
_MOST_ATTEMPTS = 4
_MOST_CLEAN_RUNS = 8


@dataclass(slots=True)
class Trial:
    """What one run was put through, and what became of it.

    Attributes:
        weapon: Where its processes were killed.
        kills: How many coordinators died; a worker that died is counted in ``workers``.
        workers: Runs in which the failpoint killed workers, and the coordinator lived.
        tally: What the judge found.
    """

    weapon: str
    kills: int = 0
    workers: int = 0
    tally: Tally = field(default_factory=Tally)


def play(seed: int, number: int) -> Trial:
    """Kill one run several times at one kind of place, among faults, let it finish, and judge it."""
    dice = random.Random(f"torture/{seed}/{number}")  # noqa: S311  to be played again
    weapon = dice.choice([*WEAPONS, *sorted(_OFTEN)])
    made = [f"Made{each:03}" for each in range(dice.randint(0, 16))]
    own = [f"Own{each:03}" for each in range(dice.randint(2, 12))]
    trial = Trial(weapon)
    with tempfile.TemporaryDirectory(prefix="thingmill-torture-") as folder:
        scene = Scene(Path(folder), made, own, _faults(dice))
        with scene:
            scene.aws.run(lambda double: setattr(double.account.store, "lag", ListingLag(dice.randint(0, 1))))
            try:
                for _ in range(dice.randint(2, _MOST_ATTEMPTS)):
                    ended = _strike(scene, weapon, dice)
                    trial.workers += ended.code in {0, 1} and weapon.startswith(("key.", "file.", "bundle."))
                    if ended.code == 0:
                        break
                scene.aws.run(lambda double: setattr(double, "faults", Faults()))
                scene.finish(_MOST_CLEAN_RUNS)
                trial.tally = check(scene)
            except AssertionError as error:
                trial.tally.problems.append(str(error))
            trial.kills = scene.kills
    trial.tally.problems = [f"trial {number} ({weapon}): {each}" for each in trial.tally.problems]
    return trial


def _faults(dice: random.Random) -> Faults:
    """Return nothing in half of the trials, and otherwise throttles, lost answers and errors."""
    faults = Faults(seed=dice.randrange(1 << 30))
    if dice.random() < 0.5:
        faults.throttle, faults.drop, faults.error_500, faults.error_500_after = 0.1, 0.03, 0.03, 0.03
        faults.lost = {ISSUE: 0.2, "CreateThing": 0.05, "AttachThingPrincipal": 0.05, "AttachPolicy": 0.05}
    return faults


def _strike(scene: Scene, weapon: str, dice: random.Random) -> Ended:
    """Run once with a kill in store: anywhere in the first run, soon in a resume, which has less left to do."""
    most = len(scene.names) if not scene.kills else 3
    nth = dice.randint(1, most)
    if weapon == AT_A_CALL:
        scene.at(nth * 5, scene.signal)
        return scene.run()
    if weapon == AT_A_COMMIT:
        scene.aws.run(lambda double: double.faults.script(ISSUE, Hang(after=True), times=None))
        scene.at(1 if scene.kills else nth, scene.signal, ISSUE)
        ended = scene.run()
        scene.aws.run(lambda double: double.faults.clear())
        return ended
    if weapon == "reconcile.adopt":
        scene.aws.run(lambda double: double.faults.script(ISSUE, Drop(after=True), times=3))
    return scene.run(
        f"{weapon}:{1 if weapon == 'report.before' else min(nth, 3) if weapon == 'reconcile.adopt' else nth}"
    )


def torture(kills: int, seed: int, jobs: int) -> list[Trial]:
    """Play trials, several at a time, until so many processes were killed."""
    trials: list[Trial] = []
    number = 0
    with ProcessPoolExecutor(jobs) as pool:
        under_way: set[Future[Trial]] = set()
        while sum(trial.kills for trial in trials) < kills or under_way:
            while len(under_way) < jobs and sum(trial.kills for trial in trials) < kills:
                under_way.add(pool.submit(play, seed, number))
                number += 1
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            trials += [future.result() for future in done]
            killed = sum(trial.kills for trial in trials)
            with contextlib.suppress(BrokenPipeError):
                print(f"\r{killed} kills in {len(trials)} runs", end="", file=sys.stderr, flush=True)  # noqa: T201
    return trials


def table(trials: list[Trial]) -> str:
    """Return what became of all trials: a line for each place of a kill, and one for all."""
    kills: Counter[str] = Counter()
    workers: Counter[str] = Counter()
    tallies = {weapon: Tally() for weapon in WEAPONS}
    for trial in trials:
        kills[trial.weapon] += trial.kills
        workers[trial.weapon] += trial.workers
        tallies[trial.weapon] += trial.tally
    head = (
        "failpoint",
        "kills",
        "workers killed",
        "devices",
        "duplicates",
        "orphans",
        "keys w/o cert",
        "certs w/o key",
    )
    rows = [(weapon, kills[weapon], workers[weapon], *_figures(tallies[weapon])) for weapon in WEAPONS]
    rows.append(("all", kills.total(), workers.total(), *_figures(sum(tallies.values(), Tally()))))
    lines = [f"{head[0]:<20}" + "".join(f"{name:>16}" for name in head[1:])]
    lines += [f"{row[0]:<20}" + "".join(f"{figure:>16}" for figure in row[1:]) for row in rows]
    return "\n".join(lines)


def _figures(tally: Tally) -> tuple[int, ...]:
    return (
        tally.devices,
        tally.duplicates,
        tally.orphans,
        tally.keys_without_certificate,
        tally.certificates_without_key,
    )


def main() -> int:
    """Play, print the table, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.long", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=500, help="how many processes are killed at least")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(1_000_000), help="plays the same kills again"
    )
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)  # noqa: T201
    began = time.monotonic()
    trials = torture(options.kills, options.seed, options.jobs)
    problems = [problem for trial in trials for problem in trial.tally.problems]
    print(f"\n{table(trials)}\nseed {options.seed}, {time.monotonic() - began:.0f} s")  # noqa: T201
    for problem in problems:
        print(problem)  # noqa: T201
    print("every device has exactly one certificate" if not problems else f"{len(problems)} problems")  # noqa: T201
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
