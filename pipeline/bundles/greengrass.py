"""What the installer of AWS IoT Greengrass v2 takes: ``config.yaml`` for ``--init-config``, and its three files.

The keys are those of "Install AWS IoT Greengrass Core software with manual resource provisioning" (AWS IoT
Greengrass Developer Guide, Version 2). Role alias and credentials endpoint belong to an account's IAM, which
thingmill does not look at: their lines stand there as comments, to be filled in.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipeline.bundles.root_files import one_file

if TYPE_CHECKING:
    from pipeline.bundles.parts import Contents, Parts
    from pipeline.secret import Secret

__all__ = ["CERTIFICATE", "KEY", "ROOT", "contents"]

ROOT = "/greengrass/v2"
"""Where Greengrass is installed by its guide."""

CERTIFICATE = "device.pem.crt"
KEY = "private.pem.key"


def contents(parts: Parts) -> Contents:
    """Return the files by name; all of them go to ``/greengrass/v2`` on the device, as ``config.yaml`` says.

    The file of roots holds all that the endpoint may chain to, whatever its name.
    """
    roots = one_file(parts.endpoint.roots)
    files: dict[str, bytes | Secret] = {
        CERTIFICATE: parts.certificate.pem.encode("ascii"),
        roots: parts.endpoint.roots.encode("ascii"),
        "config.yaml": _config(parts, roots).encode("ascii"),
    }
    if parts.key is not None:
        files[KEY + parts.key.suffix] = parts.key.data
    return files


def _config(parts: Parts, roots: str) -> str:
    # A JSON string is a double-quoted scalar of YAML (YAML 1.2, section 7.3.1).
    return f"""\
# For the installer of AWS IoT Greengrass v2: --init-config config.yaml
# Copy the files beside this one to {ROOT} on the device first.
---
system:
  certificateFilePath: "{ROOT}/{CERTIFICATE}"
{_key_line(parts)}
  rootCaPath: "{ROOT}/{roots}"
  rootpath: "{ROOT}"
  thingName: {json.dumps(parts.device.thing_name)}
services:
  aws.greengrass.Nucleus:
    componentType: "NUCLEUS"
    # version: the one of the installer that you use
    configuration:
      awsRegion: {json.dumps(_region(parts.certificate.arn))}
      iotDataEndpoint: {json.dumps(parts.endpoint.host)}
      # Not known to thingmill. Fill in both, and take the # away, before you install:
      #iotRoleAlias: the role alias that your core devices get their AWS credentials by
      #iotCredEndpoint: what aws iot describe-endpoint --endpoint-type iot:CredentialProvider says
      mqtt:
        port: {parts.endpoint.port}
"""


def _region(arn: str) -> str:
    """Return the Region in a certificate's ARN; none where it has no ARN, as a sample that is only weighed."""
    fields = arn.split(":")
    return fields[3] if len(fields) > 3 else ""


def _key_line(parts: Parts) -> str:
    path = f'  privateKeyPath: "{ROOT}/{KEY}"'
    if parts.key is None:
        return (
            "  # The device keeps its own key. Say where: a path, or a PKCS #11 URI such as\n"
            '  #privateKeyPath: "pkcs11:object=NAME;type=private"'
        )
    if parts.key.encrypted:
        return f"  # Encrypted as {KEY}{parts.key.suffix}: Greengrass needs it decrypted at this path.\n{path}"
    return path
