"""Bundles in a bucket of Amazon S3: each object is put once, and none is ever written over.

What is imported here costs nothing; what puts objects is in ``place``.
"""

from __future__ import annotations

from pipeline.bucket.address import Address, is_address
from pipeline.bucket.key import Key

__all__ = ["Address", "Key", "is_address"]
