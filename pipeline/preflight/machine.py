"""This machine: a place on disk that keeps a key to its owner, room for the whole run, and the time."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import secrets
import shutil
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline import files, privacy
from pipeline.counting import counted, verb
from pipeline.errors import DiskError
from pipeline.plan import as_time
from pipeline.preflight.finding import Finding
from pipeline.preflight.samples import NOTHING, Weight
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Need", "by_disk", "clock", "least", "room", "trustworthy"]

TRIAL = ".thingmill-trial-"
"""How the name of a folder begins that is there for an instant, to try things out; chance ends it, since
process ids are no names: containers, and machines that share a disk, have the same ones."""

LEFT_SECONDS = 3600.0
"""So old a trial is nobody's any more: its process was killed over it."""

KEY_BYTES, CSR_BYTES, CERTIFICATE_BYTES, CONFIG_BYTES = 241, 359, 566, 208
"""The smallest files of a bundle: those of an EC P-256 key (measured on a run of 2,000 devices on ext4; with
RSA-4096 they are 3,272, 1,590, 1,188 and 208 bytes, which take as many blocks). Its roots come on top."""

LINES_BYTES = 1_495 + 1_423 + 312
"""What a device adds to the ledger, to the audit trail (5 lines) and to ``summary.csv`` (from the same runs)."""

LARGEST_BLOCK = 4096
"""Files end in a block that is not full. Network file systems tell the size of their transfers as that of a block;
4 KiB is that of ext4, xfs and APFS."""

BUNDLE_INODES = 5 + 1
"""Files of a bundle (key, CSR, certificate, roots, ``config.json``), and its folder."""

TIGHT = 1.5
"""Less room than so many times what is needed at the least is told: folders and the ledger's log come on top."""

UNABLE = frozenset({errno.EPERM, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK})
"""How a file system answers that it cannot do what is asked (link(2), chmod(2), fsync(2))."""

NOTED_SKEW, REFUSED_SKEW = 60.0, 300.0
"""Seconds by which clocks may differ before it is told, and from which on AWS refuses: "a request must reach AWS
within five minutes of the time stamp in the request" (IAM User Guide, Signature Version 4 for API requests)."""


def trustworthy(run_folder: Path) -> Finding:
    """Try out whether the file system does what keys rely on: modes, hard links, fsync of a folder.

    exFAT, FAT, and many mounts of network shares and of Windows disks in WSL give every file the same mode. The
    trial is made where the run folder is or will be, and leaves nothing.

    Raises:
        DiskError: It does not, nothing can be written there, or others decide what stands there.
    """
    privacy.check_above(run_folder)
    with contextlib.suppress(FileNotFoundError):
        privacy.check_folder(run_folder)
    above = _nearest(run_folder)
    try:
        _try_out(above, above / f"{TRIAL}{secrets.token_hex(8)}")
    except (FileExistsError, FileNotFoundError) as error:
        raise DiskError(
            f"cannot try out the file system of {printable(str(above))}: {error.strerror}",
            advice="something else makes or removes files there; run the same command again",
        ) from error
    return Finding("file system", "it keeps modes and makes hard links")


def _try_out(above: Path, trial: Path) -> None:
    with files.named(trial, "make the folder"):
        trial.mkdir(mode=0o700)
    try:
        _sweep(above, trial)
        _expect(trial, 0o700)
        key = trial / "key"
        # The very way in which a key is written, so whatever that needs is tried.
        files.create_once(key, b"", files.SECRET)
        _expect(key, files.SECRET)
    except DiskError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno not in UNABLE:
            raise
        raise _unfit(above, error) from error
    finally:
        shutil.rmtree(trial, ignore_errors=True)


def least(
    devices: int, with_csr: int, roots: int, block: int, further: tuple[Weight, Weight] = (NOTHING, NOTHING)
) -> int:
    """Return the bytes that devices certainly take on a disk.

    Args:
        devices: How many.
        with_csr: Those among them that keep their own key.
        roots: The size of the roots that each bundle gets, bytes.
        block: What the size of a file is rounded up to on the disk, bytes.
        further: What formats add to a device whose key is made here, and to one that keeps its own.
    """
    with_key, own_key = further
    public = Weight((CSR_BYTES, CERTIFICATE_BYTES, CONFIG_BYTES, roots)).on_disk(block) + LINES_BYTES
    key = Weight((KEY_BYTES,)).on_disk(block)
    made_here = devices - with_csr
    return devices * public + made_here * (key + with_key.on_disk(block)) + with_csr * own_key.on_disk(block)


@dataclass(frozen=True, slots=True)
class Need:
    """What the rest of a run puts on a disk.

    Attributes:
        run_folder: Where the run is or will be.
        devices: Devices of which nothing is on disk yet.
        with_csr: Those among them that keep their own key.
        roots: The size of the roots that each bundle gets, bytes.
        further: What formats add to a device whose key is made here, and to one that keeps its own.
    """

    run_folder: Path
    devices: int
    with_csr: int
    roots: int
    further: tuple[Weight, Weight] = (NOTHING, NOTHING)

    def size(self, block: int) -> int:
        """Return the bytes that it certainly is; a file's size is rounded up to so many on the disk."""
        return least(self.devices, self.with_csr, self.roots, block, self.further)

    @property
    def inodes(self) -> int:
        """Files and folders."""
        with_key, own_key = self.further
        count = self.devices * BUNDLE_INODES - self.with_csr
        return count + (self.devices - self.with_csr) * with_key.inodes + self.with_csr * own_key.inodes


def by_disk(needs: Iterable[Need]) -> list[list[Need]]:
    """Return needs in groups, each of one disk."""
    groups: dict[int, list[Need]] = {}
    for need in needs:
        above = _nearest(need.run_folder)
        with files.named(above, "look at"):
            groups.setdefault(above.stat().st_dev, []).append(need)
    return list(groups.values())


def room(*needs: Need) -> Finding:
    """Say whether the rest of a run, or of several on one disk, fits on it.

    Args:
        needs: At least one.

    Raises:
        DiskError: It certainly does not fit.
    """
    above = _nearest(needs[0].run_folder)
    with files.named(above, "look at"):
        found = os.statvfs(above)
    # Without a number of inodes (btrfs) small files lie beside their names and take no block of their own.
    block = min(found.f_frsize, LARGEST_BLOCK) if found.f_files else 1
    needed = sum(need.size(block) for need in needs)
    inodes = sum(need.inodes for need in needs)
    devices = sum(need.devices for need in needs)
    # As df has it: what is reserved for root is not counted, also when it is root who runs.
    free = found.f_bavail * found.f_frsize
    free_inodes = found.f_favail if found.f_files else math.inf
    where = printable(str(above))
    who = f"{counted(devices, 'device')} {verb('need', devices)}"
    if needed > free:
        raise DiskError(
            f"{who} {_size(needed)} at the least, and {where} has {_size(free)} free",
            advice="make room, or choose another --output; nothing was done",
        )
    if inodes > free_inodes:
        raise DiskError(
            f"{who} {inodes:,} inodes, and the file system of {where} has {free_inodes:,} free",
            advice="remove files that are small and many, or choose another --output; nothing was done",
        )
    tight = needed * TIGHT > free or inodes * TIGHT > free_inodes
    inodes_free = "" if free_inodes == math.inf else f", and of {free_inodes:,} free inodes {inodes:,}"
    text = f"of {_size(free)} free {_size(needed)} are needed at the least{inodes_free}"
    return Finding("disk", f"little room in {where}: {text}" if tight else text, worrying=tight)


def clock(ahead: float) -> Finding:
    """Say how this machine's clock stands to AWS's.

    Args:
        ahead: Seconds by which it is ahead; negative where it is behind.
    """
    seconds = abs(ahead)
    if seconds <= NOTED_SKEW:
        return Finding("clock", "within a minute of AWS's")
    text = f"{as_time(seconds)} {'ahead of' if ahead > 0 else 'behind'} AWS's; "
    text += f"from {REFUSED_SKEW / 60:.0f} minutes on AWS refuses what is signed by it: set it, and keep it by NTP"
    return Finding("clock", text, worrying=True)


def _nearest(folder: Path) -> Path:
    """Return a folder, or where there is none yet the one above it that is there."""
    absolute = folder.absolute()
    with files.named(absolute, "look at"):
        return next(path for path in (absolute, *absolute.parents) if path.exists())


def _sweep(above: Path, trial: Path) -> None:
    """Remove our user's trials whose processes were killed over them; that of any other may be going on.

    Their age is told by ``trial``, which was made just now: a file server's clock need not be this machine's.
    """
    with files.named(above, "look at"):
        ours = trial.lstat()
        for left in above.glob(f"{TRIAL}*"):
            with contextlib.suppress(FileNotFoundError):  # another process swept it
                found = left.lstat()
                is_left = ours.st_mtime - found.st_mtime > LEFT_SECONDS and found.st_uid == os.geteuid()
                if is_left and stat.S_ISDIR(found.st_mode):
                    shutil.rmtree(left, ignore_errors=True)


def _expect(path: Path, mode: int) -> None:
    with files.named(path, "look at"):
        found = stat.S_IMODE(path.lstat().st_mode) & 0o777
    if found != mode:
        raise DiskError(f"what is made with mode {mode:04o} has mode {found:04o}")


def _unfit(above: Path, error: DiskError) -> DiskError:
    return DiskError(
        f"the file system of {printable(str(above))} cannot hold private keys: {error.message}",
        advice="choose an --output on a file system of this machine with modes and hard links (ext4, xfs, btrfs, "
        "APFS); exFAT, FAT and many network shares have none, nor have Windows disks inside WSL",
    )


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:,.0f} {unit}" if count >= 10 or unit == "bytes" else f"{count:.1f} {unit}"
