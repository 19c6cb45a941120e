"""One run makes keys of several types, as its rows ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pipeline.errors import RunFolderError

if TYPE_CHECKING:
    from tests.core.mill import Mill

pytestmark = pytest.mark.anyio

MANIFEST = "id,key_type\none,rsa-2048\ntwo,\nthree,ec-p384\n"


async def test_each_device_has_the_key_that_its_row_asks_for(mill: Mill) -> None:
    """Rows that name a key type get it, and the others the run's."""
    await mill.run(MANIFEST, suffix=".csv")
    sizes = {}
    for name in ("one", "two", "three"):
        pem = (mill.folder.bundle(name) / f"{name}.key").read_bytes()
        key = load_pem_private_key(pem, password=None)
        assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
        sizes[name] = key.key_size
    assert sizes == {"one": 2048, "two": 256, "three": 384}


async def test_a_row_keeps_its_key_type_once_it_has_a_key(mill: Mill) -> None:
    """A row that asks for another key than the one that was made is refused, and nothing is made anew."""
    await mill.run(MANIFEST, suffix=".csv")
    with pytest.raises(RunFolderError, match="key_type was rsa-2048 and is now ec-p521"):
        await mill.run(MANIFEST.replace("rsa-2048", "ec-p521"), suffix=".csv")
    assert mill.issues() == 3
