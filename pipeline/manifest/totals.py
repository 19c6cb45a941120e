"""What a manifest asks for, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.counting import counted, verb

__all__ = ["Totals"]


@dataclass(frozen=True, slots=True)
class Totals:
    """What a manifest asks for, in numbers.

    Attributes:
        devices: Things.
        with_csr: Those that keep their own key.
        with_policy: Those whose certificate gets a policy.
        memberships: Groups of all things together.
    """

    devices: int
    with_csr: int
    with_policy: int
    memberships: int

    @property
    def keys_to_make(self) -> int:
        """Keys that are made here: one for each device that brings no CSR."""
        return self.devices - self.with_csr

    def about_keys(self) -> str:
        """Return in words how many devices bring a CSR, and how many keys are made here."""
        made = self.keys_to_make
        here = f"{made:,} keys are made here" if made > 1 else f"{'one' if made else 'no'} key is made here"
        if not self.with_csr:
            return here
        bring = f"{self.with_csr:,} devices bring" if self.with_csr > 1 else "one device brings"
        return f"{bring} a CSR; {here}"

    def about_no_policy(self) -> str:
        """Return in words how many devices get no policy, or "" where each gets one."""
        bare = self.devices - self.with_policy
        if not bare:
            return ""
        return (
            f"{bare:,} of {counted(self.devices, 'device')} {verb('get', bare)} no policy: a certificate "
            "without one may do nothing by itself (see --policy)"
        )
