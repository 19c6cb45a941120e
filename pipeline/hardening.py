"""What a process does before it holds a private key: see that its memory stays its own."""

from __future__ import annotations

import ctypes
import resource
import sys

__all__ = ["harden"]

_PR_SET_DUMPABLE = 4


def harden() -> None:
    """Write no core file from now on, and let no other process of the user read this one's memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # A core limit of zero does not stop a core_pattern that is a pipe; being undumpable does (core(5)).
        # It also keeps other processes of the same user from attaching (ptrace(2)).
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
