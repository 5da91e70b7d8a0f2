"""Faults that pass by themselves, and faults that stay however often one tries.

A database that is away, locked or full comes back: a shim waits for it. A value that no column
takes stays refused: that one event is left out, and the log says so. What neither explains (a
column that is gone, since the platform was upgraded under a shim) ends the shim, though not the
training: its node starts another one, with the code of now.
"""

import errno
import re

from django.db import DataError, IntegrityError, InterfaceError, InternalError, OperationalError

from training.models import Reason

UNSTORABLE = (DataError, IntegrityError, UnicodeError)
# SQLite and MySQL call these operational.
SCHEMA = re.compile(r"no such (?:table|column)|has no column|unknown column", re.IGNORECASE)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_passing(fault: Exception) -> bool:
    """Of a database."""
    if isinstance(fault, OperationalError | InternalError):
        return not SCHEMA.search(str(fault))
    return isinstance(fault, InterfaceError)


def reason_of(fault: OSError) -> str:
    return Reason.DISK_FULL if fault.errno in FULL else Reason.START
