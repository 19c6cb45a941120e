"""``c-header``: a C compiler accepts the headers, and a program built with them has the very PEM."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.bundles import c_header
from pipeline.bundles.parts import Endpoint
from tests.bundles.devices import AMAZON, KEY_TYPES, clear_key, keeping_its_key, lay, local_root, parts_of, tool
from tests.support.tools import needs

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.bundles.parts import Parts
    from pipeline.settings import KeyType

PROGRAM = r"""
#include <stdio.h>
#include "aws_clientcredential.h"
#include "aws_clientcredential_keys.h"

static void show(const char *text) { fputs(text == NULL ? "(none)" : text, stdout); putchar(0); }

int main(void) {
    show(keyCLIENT_CERTIFICATE_PEM);
    show(keyCLIENT_PRIVATE_KEY_PEM);
    show(keyJITR_DEVICE_CERTIFICATE_AUTHORITY_PEM);
    show(clientcredentialMQTT_BROKER_ENDPOINT);
    show(clientcredentialIOT_THING_NAME);
    printf("%d %d", clientcredentialMQTT_BROKER_PORT, clientcredentialGREENGRASS_DISCOVERY_PORT);
    return 0;
}
"""


def compiled(tmp_path: Path, parts: Parts) -> list[bytes]:
    """Build a program with the headers, trigraphs and all warnings on, and return what it prints."""
    needs("gcc")
    folder = lay(tmp_path / "files", c_header.contents(parts))
    for header in (c_header.KEYS, c_header.SETTINGS):
        tool("gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", header, folder=folder)
    (folder / "main.c").write_text(PROGRAM, encoding="ascii")
    tool("gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "main.c", "-o", "main", folder=folder)
    return tool("./main", folder=folder).split(b"\0")


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_a_program_has_the_very_pem(tmp_path: Path, key_type: KeyType) -> None:
    """Certificate, key, endpoint, thing and ports arrive as they are."""
    parts = parts_of(key_type=key_type)
    certificate = parts.certificate.pem.encode()
    expected = [certificate, clear_key(parts), b"(none)", AMAZON.host.encode(), b"pump-001", b"8883 8443"]
    assert compiled(tmp_path, parts) == expected


def test_a_key_on_the_device_is_null(tmp_path: Path) -> None:
    """The macro is there for code that asks for it, and the header says why it is NULL."""
    parts = keeping_its_key()
    assert compiled(tmp_path, parts)[:2] == [parts.certificate.pem.encode(), b"(none)"]
    keys = c_header.contents(parts)[c_header.KEYS]
    assert isinstance(keys, bytes)
    assert keys.startswith(b"/* The certificate of one device, which keeps its key itself")


@pytest.mark.parametrize("name", ["a:b", "-x", "_", "n" * 128])
def test_any_name_is_a_string(tmp_path: Path, name: str) -> None:
    """What a thing may be called, C takes."""
    assert compiled(tmp_path, parts_of(name))[4] == name.encode()


def test_no_text_ends_its_string_early(tmp_path: Path) -> None:
    """Quotes, escapes, trigraphs, line ends and bytes before digits come out as they went in."""
    hostile = '"; x \\ \\" ??/ ??= \r\n\x017 %s */ #endif \x7f é'
    parts = parts_of(endpoint=Endpoint(hostile, 1, local_root()))
    assert compiled(tmp_path, parts)[3] == hostile.encode()
