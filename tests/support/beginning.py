"""What several tests begin with: made once, and put back as it was before each of them."""

from __future__ import annotations

import copy
import shutil
from typing import TYPE_CHECKING

from tests.support.awsiot import Faults, Journal
from tests.support.awsiot.credentials import Credentials
from tests.support.awsiot.journal import PENDING
from tests.support.awsiot.throttle import Throttle

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.awsiot import Account, AwsIotDouble, DoubleThread

__all__ = ["Beginning"]


class Beginning:
    """A folder and the account of a double, as they are when this is made.

    Args:
        folder: Whose files count; what is beside them in it is left alone.
        aws: The double. It goes on under the same address, which is in the files.
    """

    def __init__(self, folder: Path, aws: DoubleThread) -> None:
        self._folder = folder
        self._kept = folder.with_name(f"{folder.name}.kept")
        self._aws = aws
        shutil.copytree(folder, self._kept)
        self._account = aws.run(lambda double: _copy_of(double.account))

    def restore(self) -> None:
        """Put folder and account back, with a journal, faults, limits and credentials as of a new double."""
        # What a killed client left under way could still take effect, on the next test's account.
        self._aws.until(lambda double: all(call.outcome != PENDING for call in double.journal.calls))
        shutil.rmtree(self._folder)
        shutil.copytree(self._kept, self._folder)
        self._aws.run(self._put_back)

    def _put_back(self, double: AwsIotDouble) -> None:
        double.account = _copy_of(self._account)
        double.journal, double.faults = Journal(), Faults()
        double.throttle, double.credentials = Throttle(), Credentials()


def _copy_of(account: Account) -> Account:
    """Return an account of its own with the same things in it; a CA's keys cannot be copied, and never change."""
    return copy.deepcopy(account, {id(account.store.authority): account.store.authority})
