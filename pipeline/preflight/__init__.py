"""What must be true before the first device: of the account, the credentials, the permissions and this machine.

Everything is found out by asking and looking, before a key is made; nothing is changed by it. What cannot work
is refused, what may not last is told.
"""

from __future__ import annotations

from pipeline.preflight.account import Account, make_missing
from pipeline.preflight.checking import check
from pipeline.preflight.company import Company
from pipeline.preflight.finding import Finding

__all__ = ["Account", "Company", "Finding", "check", "make_missing"]
