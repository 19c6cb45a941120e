"""Dask's client: made with the TLS that its own configuration names, and silent."""

from __future__ import annotations

import logging
import os
import warnings
from typing import TYPE_CHECKING, Any

from pipeline.errors import ThingmillError, UsageError
from pipeline.text import printable

if TYPE_CHECKING:
    from pipeline.settings import Cluster

__all__ = ["check_usable", "connect"]

_CONNECT_SECONDS = 5
"""How long one attempt to reach the scheduler may take."""

_HOW = "docs/cluster.md says how"


def check_usable(cluster: Cluster) -> None:
    """See that this machine could connect to a cluster, without connecting.

    Raises:
        UsageError: The extra is not installed, or Dask's configuration has no TLS that can be used.
    """
    _security(cluster)


def connect(cluster: Cluster) -> Any:  # noqa: ANN401  of an extra
    """Return a client that is connected to the scheduler.

    Raises:
        UsageError: The extra is not installed, or Dask's configuration has no TLS that can be used.
        ThingmillError: One of the two does not accept the other's certificate, or speaks no TLS.
        OSError: The scheduler does not answer.
    """
    security = _security(cluster)
    from distributed.comm.core import FatalCommClosedError  # noqa: PLC0415
    from distributed.versions import VersionMismatchWarning  # noqa: PLC0415

    from pipeline.cluster.client import DeafClient  # noqa: PLC0415

    # What it is about is looked at by ``versions``, and said once.
    warnings.filterwarnings("ignore", category=VersionMismatchWarning)
    try:
        return DeafClient(
            cluster.scheduler,
            security=security,
            timeout=_CONNECT_SECONDS,
            set_as_default=False,
            direct_to_workers=False,
            name="thingmill",
        )
    except (FatalCommClosedError, ValueError) as error:
        # It does not get better by being tried again. The second is tornado's word for a scheduler that talks
        # before the handshake.
        raise ThingmillError(
            f"the scheduler at {printable(cluster.scheduler)} and this machine do not accept each other's "
            "certificates, or it speaks no TLS",
            advice="both certificates have to be from the authority in ca-file, and valid now, and the scheduler "
            f"started with --protocol tls; {_HOW}",
        ) from error


def _security(cluster: Cluster) -> Any:  # noqa: ANN401  as above
    try:
        import distributed  # noqa: PLC0415
        from cryptography.hazmat.primitives import hpke  # noqa: F401, PLC0415
    except ImportError as error:
        raise UsageError(
            "keys on a cluster need the extra `dask`", advice="pip install 'thingmill[dask]'"
        ) from error
    _silence()
    try:
        security = distributed.Security(require_encryption=not cluster.insecure)
    except ValueError as error:
        raise UsageError(
            f"Dask's configuration of TLS cannot be used: {printable(str(error))}", advice=_HOW
        ) from None
    if cluster.insecure and cluster.scheduler.startswith("tcp://"):
        return security
    needed = {"ca-file": security.tls_ca_file, "client.cert": security.tls_client_cert}
    missing = [f"distributed.comm.tls.{name}" for name, value in needed.items() if not value]
    if missing:
        raise UsageError(
            f"a scheduler is reached with a client certificate, and Dask's configuration names none: "
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set",
            advice=f"name the files in Dask's own configuration: {_HOW}",
        )
    try:
        security.get_connection_args("client")
    except OSError as error:
        # Without the values: Dask takes a key itself in the place of its file.
        files = needed | {"client.key": security.tls_client_key}
        absent = [name for name, value in files.items() if value and not _is_there(value)]
        why = f"{' and '.join(absent)}: no such file" if absent else printable(error.strerror or str(error))
        raise UsageError(
            "the certificates that Dask's configuration names (distributed.comm.tls: ca-file, client.cert, "
            f"client.key) cannot be used: {why}",
            advice=f"see that the three files are there, belong together, and may be read; {_HOW}",
        ) from None
    return security


def _is_there(value: str) -> bool:
    """Whether a setting is a file that is there, or the text of one itself."""
    return "\n" in value or os.path.exists(value)  # noqa: PTH110  a path of any length


def _silence() -> None:
    """Keep Dask from writing to the terminal: it has loggers of its own, and what matters is said by the run."""
    for name in ("distributed", "tornado", *logging.root.manager.loggerDict):
        if name.partition(".")[0] in {"distributed", "tornado"}:
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.addHandler(logging.NullHandler())
            logger.propagate = False
