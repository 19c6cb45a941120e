"""Starts a command from a process that is small, and says what it used: ``launcher.py REPORT COMMAND …``.

The kernel carries the largest memory of a process over ``exec``, so whatever is started by a large process seems
to be large itself (getrusage(2)). This one holds next to nothing. It passes SIGINT on, ends with the command's
exit code, and leaves a JSON object in REPORT: ``pid`` at once; ``seconds``, ``peak_mib`` and ``cpu`` at the end.
"""

import json
import os
import signal
import sys
import time

report, command = sys.argv[1], sys.argv[2:]


def write(**fields: float) -> None:
    """Replace the report whole."""
    with open(f"{report}.new", "w", encoding="ascii") as file:  # noqa: PTH123  pathlib is larger than this program
        json.dump(fields, file)
    os.replace(f"{report}.new", report)  # noqa: PTH105


begin = time.monotonic()
child = os.posix_spawn(command[0], command, os.environ)
signal.signal(signal.SIGINT, lambda *_: os.kill(child, signal.SIGINT))
signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
write(pid=child)
_, status, used = os.wait4(child, 0)
seconds = time.monotonic() - begin
unit = 2**20 if sys.platform == "darwin" else 2**10
write(pid=child, seconds=seconds, peak_mib=used.ru_maxrss / unit, cpu=used.ru_utime + used.ru_stime)
sys.exit(os.waitstatus_to_exitcode(status) % 256)
