"""The wall clock of a process, moved by the seconds in a file: what Python imports first where this folder is in PYTHONPATH.

`time.time`, `time.time_ns` and `datetime.now` move, and so do the dates of signed requests; the monotonic clock does not, as
on a machine whose clock is set. The file is read at every look.
"""

import datetime
import os
import time

OFFSET_FILE = os.environ["CHAOS_CLOCK_FILE"]
_time, _time_ns, _datetime = time.time, time.time_ns, datetime.datetime


def offset_s() -> float:
    try:
        with open(OFFSET_FILE, encoding="ascii") as file:
            return float(file.read() or 0)
    except (OSError, ValueError):  # not there yet, or being written
        return 0.0


class JumpingDatetime(_datetime):
    @classmethod
    def now(cls, tz=None):
        return _datetime.now(tz) + datetime.timedelta(seconds=offset_s())

    @classmethod
    def utcnow(cls):
        return cls.now(datetime.UTC).replace(tzinfo=None)


time.time = lambda: _time() + offset_s()
time.time_ns = lambda: _time_ns() + int(offset_s() * 1e9)
datetime.datetime = JumpingDatetime
