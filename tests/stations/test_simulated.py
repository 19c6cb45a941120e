"""Stations that share one account's quota and know nothing of each other, in virtual time."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import pytest

from benchmarks.simulation.account import Account
from benchmarks.simulation.kernel import Kernel, Places
from benchmarks.simulation.reference import StraightLine
from benchmarks.simulation.scenes import Scene, newcomer, the_one_left
from benchmarks.simulation.server import Latency
from benchmarks.simulation.station import call, work
from tests.support.thorough import sampled

if TYPE_CHECKING:
    from benchmarks.simulation.kernel import Process

SHARED = [
    (stations, quota, burst)
    for stations in (2, 3, 4, 6, 8)
    for quota in (5, 15, 60, 350)
    for burst in (0.1, 0.3, 1.0)
    # A bucket of fewer calls than stations throttles calls that come at the same instant, at any rate. Eight at 15
    # calls a second are at the edge, and have a test of their own.
    if quota * burst >= stations and (quota >= 5 * stations or (stations, quota) in {(2, 5), (4, 15)})
]
USUAL = {(4, 60, 0.1), (4, 60, 1.0), (2, 15, 1.0)}


@pytest.mark.parametrize(("stations", "quota", "burst"), sampled(SHARED, lambda case: case in USUAL))
def test_stations_share_a_quota(stations: int, quota: float, burst: float) -> None:
    """They use 0.95 of it, under 2 % are throttled, and each has half its share, or 0.4 with one seed of four."""
    scene = Scene(stations, quota, burst)
    found = [scene.settled(scene.account(seed)) for seed in range(4)]
    assert min(each.used for each in found) >= 0.95
    assert max(each.throttled for each in found) < 0.02
    # Who was throttled last is chance: of some hundred such minutes there is one with a share that is less.
    least, *others = sorted(each.least for each in found)
    assert least >= 0.4
    assert min(others) >= 0.5


@pytest.mark.parametrize("seed", sampled(range(12), lambda seed: seed == 0))
def test_eight_stations_at_the_default_quota_are_all_served(seed: int) -> None:
    """With fewer than two calls a second each they use 0.95 together, and each has a quarter of its share."""
    scene = Scene(8, 15, 1.0)
    settled = scene.settled(scene.account(seed))
    assert settled.used >= 0.95
    assert settled.least >= 0.25
    assert settled.throttled < 0.03


@pytest.mark.parametrize("burst", [0.1, 1.0])
def test_four_stations_share_from_the_first_minute_on(burst: float) -> None:
    """The minute in which they meet counts too: 0.95 of the quota, half a fair share, under 2.5 % throttled."""
    account = Account(60, 60 * burst, seed=3)
    for _ in range(4):
        account.station()
    account.run(60.0)
    figures = account.figures(0.0, 60.0)
    assert figures.used >= 0.95
    assert figures.least >= 0.5
    assert figures.throttled < 0.025


@pytest.mark.parametrize("quota", [5, 15, 60, 350])
def test_one_station_alone_has_all_of_its_grant(quota: float) -> None:
    """Nobody shares: no call is throttled, and none of the grant is left."""
    scene = Scene(1, quota, 0.4)
    account = scene.account(0)
    figures = account.figures(0.0, scene.seconds)
    assert figures.throttled == 0.0
    assert figures.used >= 0.999


@pytest.mark.parametrize(("believed", "quota"), [(60, 5), (350, 15), (60, 30)])
def test_a_quota_that_is_lower_than_believed_is_found(believed: float, quota: float) -> None:
    """A station that takes its grant to be much higher uses what there is, with 3 % throttled at the most."""
    scene = Scene(1, quota, 1.0, believed)
    settled = scene.settled(scene.account(0))
    assert settled.used >= 0.95
    assert settled.throttled < 0.03


@pytest.mark.parametrize("seed", sampled(range(20), lambda seed: seed < 2))
def test_a_newcomer_gets_its_share(seed: int) -> None:
    """Within ten seconds after a fifth station came each of the five has half of its fair share."""
    after = newcomer(4, 60, 0.1, seed)
    assert after is not None
    assert after <= 10.0


def test_the_one_that_is_left_gets_all() -> None:
    """When the other three have ended, the last has the whole quota after fifteen seconds, twenty at the most."""
    left = [the_one_left(4, 60, 1.0, seed) for seed in range(6)]
    assert all(after is not None and after <= 20.0 for after in left)
    assert statistics.median(after or 0.0 for after in left) <= 15.0


def test_stations_that_begin_in_step_do_not_stay_so() -> None:
    """Where no chance at all tells four stations apart, they share all the same, and are throttled one by one."""
    scene = Scene(4, 60, 0.1)
    account = scene.account(0, Latency(0.08, 0.0))
    settled = scene.settled(account)
    assert settled.least >= 0.5
    assert settled.used >= 0.95


def test_shares_are_worth_their_curve() -> None:
    """The textbook's straight line, in the same account, has ten times the throttles."""
    scene = Scene(4, 60, 0.1)
    ours, line = (scene.settled(scene.account(0, pace=pace)) for pace in (None, StraightLine))
    assert line.throttled > 10 * ours.throttled


def test_the_same_seed_gives_the_same_run() -> None:
    """What a simulation shows can be seen again."""
    scene = Scene(2, 60, 0.1)
    first, again, other = (scene.account(seed).server.answers for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_stages_overlap_and_take_the_time_of_the_slowest() -> None:
    """Two cores that make a key in a second hold up a run whose quota would let ten devices through."""
    account = Account(10, 10)
    station = account.station(devices=0)
    cores = Places(account.kernel, 2)
    station.begin(20, (work(cores, lambda: 1.0), call("CreateCertificateFromCsr")))
    account.run(1000.0)
    assert len(station.done) == 20
    assert station.done[-1] == pytest.approx(10.0, abs=0.5)


def test_places_are_given_in_the_order_they_were_asked_for() -> None:
    """Of three processes and one place each has it in its turn, and nobody twice."""
    kernel, served = Kernel(), []
    place = Places(kernel, 1)

    def one(name: str) -> Process[None]:
        yield from place.take()
        yield 1.0
        served.append((name, kernel.now))
        place.give()

    for name in "abc":
        kernel.start(one(name))
    kernel.run()
    assert served == [("a", 1.0), ("b", 2.0), ("c", 3.0)]
    assert place.free
