"""What AWS bulk registration reports of what it registered, for tools that go on from its results file.

A line for each device, as in the file that ListThingRegistrationTaskReports links to for the report type
``RESULTS``. ``ResourceArns`` has the names that resources have in AWS's own provisioning templates: ``thing``,
``certificate``, ``policy`` (IoT API reference, RegisterThing: "ARNs of resources created by the template"; what
AWS samples read is ``response.CertificatePem`` and ``response.ResourceArns.thing``).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipeline.arns import Place
from pipeline.bundles.listing import Listing

if TYPE_CHECKING:
    from pipeline.bundles.listing import Listed

__all__ = ["BULK_RESULTS", "line"]


def line(listed: Listed) -> bytes:
    """Return a device's line: a JSON object in ASCII, and the end of the line.

    ``lineNumber`` is the line of the manifest, from 1. A device without a policy has no ``policy``.
    """
    device, certificate = listed.device, listed.certificate
    # The account and the Region are in the certificate's ARN, which was held against its pattern (``inspection``).
    region, account = certificate.arn.split(":")[3:5]
    place = Place(region, account)
    arns = {"thing": place.iot(f"thing/{device.thing_name}"), "certificate": certificate.arn}
    if device.policy is not None:
        arns["policy"] = place.iot(f"policy/{device.policy}")
    response = {"CertificatePem": certificate.pem, "ResourceArns": arns}
    return (json.dumps({"lineNumber": device.line, "response": response}) + "\n").encode("ascii")


BULK_RESULTS = Listing(
    static={},
    name="results.json",
    header=b"",
    line=line,
    about="what goes on from the results of AWS bulk registration",
)
