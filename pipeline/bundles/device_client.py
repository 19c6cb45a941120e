"""What aws-iot-device-client takes: its own configuration file, and the three files that this names.

The keys are those of ``config-template.json`` in that project, the four mandatory ones of its ``docs/CONFIG.md``
and ``root-ca``. By its ``docs/PERMISSIONS.md`` it wants the key with mode 0600, certificate and roots with 0644,
and each folder that they are in with 0700; so 0400 is to be changed on the device, as ``docs/formats.md`` says.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipeline.bundles.root_files import one_file

if TYPE_CHECKING:
    from pipeline.bundles.parts import Contents, Parts
    from pipeline.secret import Secret

__all__ = ["CONFIG", "contents"]

CONFIG = "aws-iot-device-client.conf"
"""The file's name where the client looks for it: in ``~/.aws-iot-device-client``."""

_CERTIFICATE = "device.pem.crt"
_KEY = "private.pem.key"


def contents(parts: Parts) -> Contents:
    """Return the files by name.

    Files are named without a folder, so the client is to be started in theirs, or the paths are to be completed.
    There is no key for a port. A device that keeps its own key gets no ``key``: its ``secure-element`` is
    configured on the device.
    """
    roots = one_file(parts.endpoint.roots)
    config = {"endpoint": parts.endpoint.host, "cert": _CERTIFICATE}
    files: dict[str, bytes | Secret] = {
        _CERTIFICATE: parts.certificate.pem.encode("ascii"),
        roots: parts.endpoint.roots.encode("ascii"),
    }
    if parts.key is not None:
        # Also where it is encrypted: that is where the client looks for it once it was decrypted.
        config["key"] = _KEY
        files[_KEY + parts.key.suffix] = parts.key.data
    config |= {"root-ca": roots, "thing-name": parts.device.thing_name}
    return files | {CONFIG: (json.dumps(config, indent=2) + "\n").encode("ascii")}
