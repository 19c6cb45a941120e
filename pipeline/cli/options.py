"""What ``thingmill run`` is told: the command line before a manifest's ``[run]`` table before the defaults."""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.binding import PART, refuse_merged
from pipeline.cli.formats import known, refuse_opening
from pipeline.cli.runs import RUN_NAME, refuse_bucket
from pipeline.errors import RunFolderError, UsageError
from pipeline.part import BATCH, Part
from pipeline.settings import Access, Cluster, Defaults, Encryption, Existing, KeyType, Settings, usable_cores
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.secret import Secret

__all__ = ["resolve"]

_POLICY_NAME = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)
_SLOWEST = 0.001
_POLICY_CHARACTERS = 2048
"""The longest policy document, white space not counted (AWS General Reference, AWS IoT Core limits)."""


def resolve(manifest: str, given: Mapping[str, Any], table: Mapping[str, Any]) -> Settings:
    """Return the settings of a run.

    Args:
        manifest: The manifest's path, or ``-``.
        given: Options of the command line; None and empty ones were not given.
        table: The manifest's ``[run]`` table, checked.

    Raises:
        UsageError: The options do not go together, or a policy file cannot be used.
    """
    # By identity: nought is no False, and is refused where it is no value.
    left_out = {name for name, value in given.items() if value is None or value is False or value == []}
    asked = dict(table) | {name: value for name, value in given.items() if name not in left_out}
    fed_back = _is_fed_back(manifest, asked)
    # A run's failures name its devices, not its settings: those are in the ledger beside them.
    told = (_bound(Path(manifest).parent) if fed_back else {}) | asked
    policy, document = _policy(told.get("policy"))
    if told.get("local") and told.get("endpoint_url"):
        raise UsageError("--local and --endpoint-url exclude each other", advice="give one of them")
    quotas = told.get("quota", {})
    run_folder = Path(manifest).parent if fed_back else _run_folder(manifest, told)
    # Every bundle is PEM files, whatever else is asked for.
    formats = tuple(name for name in known(told.get("format", ())) if name != "pem")
    encryption = _encryption(given, table, run_folder, fed_back=fed_back)
    if manifest == "-" and encryption.source == "fd:0":
        raise UsageError(
            "the manifest and the passphrase cannot both be standard input",
            advice="give one of them as a file: a manifest by its name, a passphrase by file:PATH",
        )
    if encryption.wanted:
        refuse_opening(formats)
    return Settings(
        manifest=manifest,
        run_folder=run_folder,
        resumes_failed=fed_back,
        access=Access(
            profile=told.get("profile"),
            region=told.get("region"),
            endpoint_url=told.get("endpoint_url"),
            quotas=_named_quotas(quotas if isinstance(quotas, dict) else _quota_options(quotas)),
        ),
        local=bool(told.get("local", False)),
        key_type=KeyType(told.get("key", KeyType.RSA_4096)),
        workers=_processes(told.get("workers")),
        cluster=_cluster(told.get("workers"), insecure=bool(given.get("insecure_workers"))),
        rate=_rate(told.get("rate")),
        defaults=Defaults(
            thing_type=told.get("thing_type"),
            groups=tuple(dict.fromkeys(told.get("group", ()))),
            billing_group=told.get("billing_group"),
            policy=policy,
            profile=told.get("profile"),
            region=told.get("region"),
        ),
        policy_document=document,
        create_missing=bool(told.get("create_missing", False)),
        inactive=bool(told.get("inactive", False)),
        existing=Existing(told.get("existing", Existing.FAIL)),
        shard=bool(told.get("shard", False)),
        formats=formats,
        encryption=encryption,
        pkcs12_password=_pkcs12_password(manifest, told, formats) if "pkcs12_password" in given else None,
        part=_part(told),
        csr_dir=_csr_dir(manifest, given.get("csr_dir"), table.get("csr_dir")),
    )


def _is_fed_back(manifest: str, told: Mapping[str, Any]) -> bool:
    """Whether a manifest is the list of a run's own failures: that run goes on, so nothing is issued twice."""
    path = Path(manifest)
    if path.name not in ("failed.csv", "failed.jsonl") or not (path.parent / "ledger.db").is_file():
        return False
    return not told.get("name") or _run_folder(manifest, told).resolve() == path.parent.resolve()


def _bound(run_folder: Path) -> dict[str, Any]:
    """Return the options that a run was begun with and must go on with."""
    from pipeline.ledger import finished_ledger

    reader = finished_ledger(run_folder / "ledger.db")
    if reader is None:
        return {}
    meta = reader.meta()
    reader.close()
    refuse_merged(meta, run_folder)
    part = meta.get(PART, "")
    key_type = meta.get("key type", KeyType.RSA_4096)
    if key_type not in list(KeyType):
        raise RunFolderError(
            f"the run's keys are {printable(key_type, 40)}, which this version does not make",
            advice="go on with the version of thingmill that began the run (summary.json says which)",
        )
    return {
        "key": key_type,
        "region": meta.get("Region"),
        "inactive": meta.get("certificates") == "inactive",
        "shard": meta.get("sharded") == str(True),
        "format": meta.get("formats", "").split(),
        "part": part if "/" in part else None,
    }


def _run_folder(manifest: str, told: Mapping[str, Any]) -> Path:
    name = told.get("name") or ("stdin" if manifest == "-" else Path(manifest).stem)
    if not RUN_NAME.fullmatch(name):
        raise UsageError(
            f"{printable(name)} cannot name a run",
            advice="give --name 1 to 128 of a-z A-Z 0-9 . _ - that begin with a letter or digit",
        )
    refuse_bucket(told.get("output") or "")
    part = _part(told)
    return Path(told.get("output") or "output") / (name if part is None else f"{name}-{part.suffix}")


def _part(told: Mapping[str, Any]) -> Part | None:
    given = told.get("part")
    if given is None:
        return None
    return Part.of_batch(os.environ) if given == BATCH else Part.of(given)


def _policy(policy: str | None) -> tuple[str | None, str | None]:
    """Return a policy's name and, when a file was given, its document."""
    if policy is None:
        return None, None
    if not policy.endswith(".json"):
        return policy, None
    path = Path(policy)
    if not _POLICY_NAME.fullmatch(path.stem):
        raise UsageError(
            f"the policy file {printable(path.name)} cannot name a policy",
            advice="a policy is named after its file: 1 to 128 of a-z A-Z 0-9 _ + = , . @ -",
        )
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"the policy file {printable(policy)} cannot be read: {error.strerror}",
            advice="give a file that you may read (thingmill policy prints one), or a policy's name",
        ) from error
    except ValueError as error:
        raise UsageError(
            f"the policy file {printable(policy)} is no JSON: {printable(str(error))}",
            advice="mend it; thingmill policy prints one that is",
        ) from error
    text = json.dumps(document, separators=(",", ":"))
    if len(re.sub(r"\s", "", text)) > _POLICY_CHARACTERS:
        raise UsageError(
            f"the policy in {printable(policy)} has more than {_POLICY_CHARACTERS:,} characters",
            advice="AWS IoT takes no longer ones; use policy variables and wildcards",
        )
    return path.stem, text


def _encryption(
    given: Mapping[str, Any], table: Mapping[str, Any], run_folder: Path, *, fed_back: bool
) -> Encryption:
    """Return how keys are to be encrypted; what the command line says takes the place of all that a table says.

    A run whose keys have a passphrase goes on without it as long as no key is to be made (``encryption``).
    """
    chosen = given if given.get("encrypt_to") or given.get("passphrase") else table
    recipients, source = chosen.get("encrypt_to"), chosen.get("passphrase")
    if recipients and source:
        raise UsageError("--encrypt-to and --passphrase exclude each other", advice="give one of them")
    if recipients:
        from pipeline.recipients import read

        return Encryption(recipients=read(recipients))
    if source:
        from pipeline.passwords import SOURCES, is_source

        if not is_source(source):
            # Not quoted: whoever gave the passphrase itself need not see it in a log.
            raise UsageError("--passphrase is not given itself", advice=f"say where it is: {SOURCES}")
        return Encryption(passphrase=True, source=source)
    if "passphrase" not in given or not (run_folder / "ledger.db").is_file():
        return Encryption()  # a command that makes no keys, or a new run
    from contextlib import closing

    from pipeline.ledger import live_ledger

    with closing(live_ledger(run_folder / "ledger.db")) as reader:
        meta = reader.meta()
    if meta.get("key encryption") == "passphrase":
        return Encryption(passphrase=True)
    recalled = meta.get("recipients", "") if fed_back else ""
    return Encryption(recipients=tuple(recalled.splitlines()))


def _pkcs12_password(manifest: str, told: Mapping[str, Any], formats: Sequence[str]) -> Secret | None:
    """Return what PKCS #12 files are encrypted with. It is in no ledger: a resumed run is told it again."""
    source = told.get("pkcs12_password")
    if source is None:
        return None
    if "pkcs12" not in formats:
        raise UsageError("--pkcs12-password is for --format pkcs12", advice="give both or neither")
    if manifest == "-" and source == "fd:0":
        raise UsageError(
            "the manifest and the PKCS #12 password cannot both be standard input",
            advice="give one of them as a file: a manifest by its name, a password by file:PATH",
        )
    from pipeline.passwords import read_password

    return read_password(source, "the PKCS #12 password", confirm=True)


def _csr_dir(manifest: str, given: str | None, setting: str | None) -> Path | None:
    """Return the folder of CSRs: an option's is relative to where the command runs, a setting's to its file."""
    if given:
        return Path(given)
    return Path(manifest).parent / setting if setting else None


def _rate(rate: float | None) -> float | None:
    if rate is not None and not _SLOWEST <= rate < math.inf:
        raise UsageError(f"--rate {rate:g} is no pace", advice=f"give devices per second, {_SLOWEST:g} and more")
    return rate


def _processes(workers: str | None) -> int:
    """Return how many processes make keys; with a cluster, how many take up those that are on disk already."""
    if workers is None or "://" in workers:
        return usable_cores()
    if not workers.isascii() or not workers.isdigit() or not 0 < int(workers) <= 1024:
        raise UsageError(
            f"--workers {printable(workers)} is no number of processes",
            advice="give a whole number from 1 to 1024, or the address of a Dask scheduler (tls://HOST:PORT)",
        )
    return int(workers)


def _cluster(workers: str | None, *, insecure: bool) -> Cluster | None:
    if workers is not None and "://" in workers:
        from pipeline.cluster.address import cluster_at

        return cluster_at(workers, insecure=insecure)
    if insecure:
        raise UsageError(
            "--insecure-workers is for a cluster on this machine", advice="give --workers tcp://127.0.0.1:PORT too"
        )
    return None


def _quota_options(options: list[str]) -> dict[str, float]:
    from pipeline.aws import quotas

    return dict(quotas.parse(option) for option in options)


def _named_quotas(table: Mapping[str, float]) -> dict[str, float]:
    return _quota_options([f"{name}={rate}" for name, rate in table.items()])
