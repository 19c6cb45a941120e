"""``summary.json``: a run in numbers, for programs. The same keys are in the last event of ``run --json``.

``docs/summary.schema.json`` describes each of them; a test holds that it leaves none out.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC
from typing import TYPE_CHECKING, Any

import pipeline
from pipeline.published import VERSION

if TYPE_CHECKING:
    from datetime import datetime

    from pipeline.report.summary import Group, Summary
    from pipeline.report.usage import Usage

__all__ = ["document", "summary_json"]

_EXAMPLES = 5


def summary_json(summary: Summary) -> bytes:
    """Return the file's content: the document, indented, in UTF-8."""
    return (json.dumps(document(summary), ensure_ascii=False, indent=2) + "\n").encode()


def document(summary: Summary) -> dict[str, Any]:
    """Return a summary as JSON values: times ISO 8601 in UTC, durations in seconds, rates per second.

    What is not known is null.
    """
    return {
        "version": VERSION,
        "run": summary.run,
        "thingmill": pipeline.__version__,
        "account": summary.account or None,
        "region": summary.region or None,
        "key_type": summary.key_type or None,
        "key_types": dict(summary.key_types),
        "endpoint": summary.endpoint or None,
        "merged_from": [
            {"run": origin.run, "folder": origin.folder, "devices": origin.devices} for origin in summary.origins
        ],
        "lacks": list(summary.lacks),
        "devices": summary.total,
        "keys_held_by": {"station": summary.total - summary.with_csr, "device": summary.with_csr},
        "states": dict(summary.states),
        "outcomes": dict(summary.outcomes),
        "failures": [_group(group) for group in summary.failures],
        "skips": [_group(group) for group in summary.skips],
        "quotas": {api: asdict(quota) for api, quota in summary.quotas.items()},
        "pace": {
            "working_seconds": round(summary.pace.seconds, 3),
            "ruled_by": {name: round(share, 3) for name, share in summary.pace.ruled.items()},
            "stages": {
                stage.state: {"devices": stage.devices, "mean_seconds": round(stage.seconds, 3)}
                for stage in summary.pace.stages
            },
        },
        "processes": [_process(usage) for usage in summary.processes],
    }


def _group(group: Group) -> dict[str, Any]:
    return asdict(group) | {"things": group.things[:_EXAMPLES]}


def _process(usage: Usage) -> dict[str, Any]:
    return {
        "started": _iso(usage.started),
        "finished": _iso(usage.finished),
        "duration_seconds": None if usage.seconds is None else round(usage.seconds, 3),
        "certificates_issued": usage.issued,
        "devices_done": usage.done,
        "throttles": None if usage.throttles is None else dict(sorted(usage.throttles.items())),
        "exit_code": usage.exit_code,
        "thingmill": usage.about.thingmill or None,
        "identity": usage.about.identity or None,
        "station": usage.about.station or None,
        "options": dict(usage.about.options),
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
