"""The two headers that FreeRTOS's AWS demos are configured by, to be compiled into an image.

Macro names are those of ``demos/include/aws_clientcredential_keys.h`` and ``aws_clientcredential.h`` in
``amazon-freertos``. What is not of the device is left out: Wi-Fi settings, and the roots, which FreeRTOS brings
itself.
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipeline.bundles.opened import opened_key
from pipeline.secret import Secret

if TYPE_CHECKING:
    from pipeline.bundles.parts import Contents, Parts

__all__ = ["KEYS", "SETTINGS", "contents"]

KEYS = "aws_clientcredential_keys.h"
SETTINGS = "aws_clientcredential.h"

_PLAIN = frozenset(f"{string.ascii_letters}{string.digits} +/=-_.:,".encode())
"""Bytes that mean themselves in a string literal; those of PEM and of names are among them."""


def contents(parts: Parts) -> Contents:
    """Return the headers by name; the one with the key is a secret, unless the device keeps its key itself.

    Raises:
        DeviceError: The key is encrypted, or is none.
    """
    keys = _keys(parts).encode("ascii")
    return {
        KEYS: keys if parts.key is None else Secret(keys),
        SETTINGS: _settings(parts).encode("ascii"),
    }


def _keys(parts: Parts) -> str:
    certificate = _lines(parts.certificate.pem)
    if parts.key is None:
        about, key = (
            "The certificate of one device, which keeps its key itself: in a secure element or the like.",
            " NULL",
        )
    else:
        about = "Certificate and private key of one device: who has this, or an image with it, can be the device."
        clear = opened_key(parts).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        key = _lines(clear.decode("ascii"))
    return f"""\
/* {about} */
#ifndef AWS_CLIENT_CREDENTIAL_KEYS_H
#define AWS_CLIENT_CREDENTIAL_KEYS_H

#include <stddef.h>

#define keyCLIENT_CERTIFICATE_PEM{certificate}

/* Only for just-in-time registration, with a CA of your own. */
#define keyJITR_DEVICE_CERTIFICATE_AUTHORITY_PEM NULL

#define keyCLIENT_PRIVATE_KEY_PEM{key}

#endif /* AWS_CLIENT_CREDENTIAL_KEYS_H */
"""


def _settings(parts: Parts) -> str:
    return f"""\
/* Where one device connects, and as which thing. Wi-Fi settings are yours to add. */
#ifndef AWS_CLIENTCREDENTIAL_H
#define AWS_CLIENTCREDENTIAL_H

#define clientcredentialMQTT_BROKER_ENDPOINT {_literal(parts.endpoint.host)}
#define clientcredentialMQTT_BROKER_PORT {parts.endpoint.port:d}
#define clientcredentialIOT_THING_NAME {_literal(parts.device.thing_name)}
#define clientcredentialGREENGRASS_DISCOVERY_PORT 8443

#endif /* AWS_CLIENTCREDENTIAL_H */
"""


def _lines(pem: str) -> str:
    """Return PEM as string literals, one a line, which a compiler joins to one."""
    return "".join(f" \\\n    {_literal(line)}" for line in pem.splitlines(keepends=True))


def _literal(text: str) -> str:
    """Return a text as a string literal of its UTF-8.

    An octal escape ends after three digits (C17, section 6.4.4.4), so whatever may follow it, as a hexadecimal one
    does not. A question mark is escaped too: two of them begin a trigraph.
    """
    plain = (chr(byte) if byte in _PLAIN else "\\n" if byte == 10 else f"\\{byte:03o}" for byte in text.encode())
    return f'"{"".join(plain)}"'
