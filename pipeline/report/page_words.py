"""What ``report.html`` says in sentences and short tables, worked out of a summary."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, NamedTuple

from pipeline.counting import counted, verb
from pipeline.durations import clock_time
from pipeline.report.chart import shown_rate
from pipeline.report.rows import MOST_ROWS

if TYPE_CHECKING:
    from datetime import datetime

    from pipeline.history import About
    from pipeline.report.summary import Summary
    from pipeline.report.usage import Usage

__all__ = ["Quota", "Ruled", "end", "facts", "hand", "left_out", "moment", "pace", "quotas", "ruled", "standing"]

NOTHING = "\N{EN DASH}"

OF_DEVICES = (
    "DescribeThing",
    "CreateThing",
    "CreateCertificateFromCsr",
    "AttachThingPrincipal",
    "AddThingToThingGroup",
    "AttachPolicy",
)
"""What is called for each device, in the order of the steps; the other operations are called now and then."""

_MOST_LIMITS = 12
_MOST_ORIGINS = 100

_ENDS = {
    0: "nothing was left to do",
    1: "something was left to do",
    2: "an option or the manifest was wrong",
    3: "AWS refused",
    4: "the run folder was refused",
    130: "interrupted",
}


class Quota(NamedTuple):
    """A row of the table of quotas: calls per second, where that is from, and how often more was asked for."""

    api: str
    rate: str
    source: str
    throttles: int
    called: bool


class Ruled(NamedTuple):
    """A row of the table of what decided the pace."""

    name: str
    share: float
    rate: str


def moment(at: datetime | None) -> str:
    """Return an instant to the second, in UTC, or a dash."""
    return NOTHING if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def end(usage: Usage) -> str:
    """Say how a process ended. Nobody is at work on a run while its reports are written."""
    if usage.finished is None:
        return "killed"
    return _ENDS.get(usage.exit_code or 0, f"exit code {usage.exit_code}")


def standing(summary: Summary) -> str:
    """Say where the run is, how its last process ended, and when devices were last taken back."""
    words = f"Account {summary.account} in {summary.region}. " if summary.account else ""
    last = summary.usage
    if summary.origins:
        return f"{words}These are the reports of {counted(len(summary.origins), 'run')} together."
    if not summary.processes:
        words += "No process has worked on this run yet. "
    elif last.finished is None:
        words += f"The last process, which began at {moment(last.started)} UTC, was killed. "
    else:
        words += f"The last process ended at {moment(last.finished)} UTC: {end(last)}. "
    if summary.revoked_at is not None:
        words += f"A device was last taken back at {moment(summary.revoked_at)} UTC. "
    return words.strip()


def pace(summary: Summary) -> str:
    """Say what the chart shows, and that it lacks what no reading has, where it lacks something."""
    found, in_all = summary.pace, summary.outcomes["done"]
    done = sum(bar.done for bar in found.bars)
    average = shown_rate(done / found.seconds) if found.seconds else "0"
    lost = done < in_all and any(usage.finished is None for usage in summary.processes)
    many = f"By the readings {done:,} of {counted(in_all, 'device')}" if lost else counted(done, "device")
    words = f"{many} done in {clock_time(found.seconds)}, {average} a second on average. "
    if lost:
        words += "A process that was killed left no reading of its last moments. "
    shares = [f"{name} for {share:.0%} of the time" for name, share in list(found.ruled.items())[:3]]
    if not shares:
        return words + "No device waited for a quota, a key or --rate."
    return words + f"What decided the pace: {', '.join(shares)}."


def ruled(summary: Summary) -> list[Ruled]:
    """Return what decided the pace, with what the account grants of it, the longest first."""
    found = list(summary.pace.ruled.items())[:_MOST_LIMITS]
    rows = [Ruled(name, share, _granted(summary, name)) for name, share in found]
    rest = 1 - sum(summary.pace.ruled.values())
    if rows and rest >= 0.005:
        rows.append(Ruled("nothing: no device waited", rest, NOTHING))
    return rows


def left_out(summary: Summary, shown: int) -> str:
    """Say which devices are not in the page, or nothing where all are."""
    if shown == summary.total:
        return ""
    many = f"The run has {counted(summary.total, 'device')}, and a page takes {MOST_ROWS:,} at most. "
    waiting = summary.total - summary.outcomes["done"]
    if not waiting:
        return many + "All of them are done, and none is listed here."
    if shown == waiting:
        return many + f"Here {verb('are', shown)} the {shown:,} that {verb('are', shown)} not done."
    return many + f"Here are the first {shown:,} of {waiting:,} that are not done."


def facts(summary: Summary) -> list[tuple[str, str]]:
    """Return what the run is bound to."""
    here = summary.total - summary.with_csr
    bound = {
        "devices": f"{summary.total:,}",
        "merged from": ", ".join(f"{each.run} ({each.devices:,})" for each in summary.origins[:_MOST_ORIGINS])
        + (f" and {more:,} more" if (more := len(summary.origins) - _MOST_ORIGINS) > 0 else ""),
        "account": summary.account,
        "Region": summary.region,
        "devices connect to": summary.endpoint,
        "keys made here": f"{here:,}"
        + (f", {summary.key_type} unless a row says otherwise" if here and summary.key_type else ""),
        "keys that devices keep": f"{summary.with_csr:,}" if summary.with_csr else "",
    }
    return [(label, value) for label, value in bound.items() if value]


def hand(about: About) -> str:
    """Say who ran a process, where, and with which thingmill."""
    parts = [
        f"as {about.identity}" if about.identity else "",
        f"on {about.station}" if about.station else "",
        f"with thingmill {about.thingmill}" if about.thingmill else "",
    ]
    return ", ".join(part for part in parts if part) or NOTHING


def quotas(summary: Summary) -> list[Quota]:
    """Return the quotas, those first that the devices need in the order of their steps, then the others by name.

    An operation that was throttled counts among the first: it was called.
    """
    throttles = summary.pace.throttles
    called = [api for api in OF_DEVICES if api in summary.quotas or api in throttles]
    called += sorted(throttles.keys() - set(called))
    rows = [Quota(api, *_grant(summary, api), throttles.get(api, 0), called=True) for api in called]
    others = sorted(summary.quotas.keys() - set(called))
    return rows + [Quota(api, *_grant(summary, api), 0, called=False) for api in others]


def _grant(summary: Summary, api: str) -> tuple[str, str]:
    grant = summary.quotas.get(api)
    return (NOTHING, NOTHING) if grant is None else (f"{grant.rate:g}", grant.source)


def _granted(summary: Summary, name: str) -> str:
    return _grant(summary, name)[0]
