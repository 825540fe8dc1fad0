"""What a process has used, as Linux counts it, and the core that it runs on."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MIB = 2**20


def peak_memory(pid: int) -> float:
    """Return the most memory that the process has had resident, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / MIB
    raise ProcessLookupError(f"process {pid} has ended")


def processor_time(pid: int) -> float:
    """Return the processor time that all threads of the process have used, in milliseconds."""
    clock = (~pid << 3) | 2  # as clock_getcpuclockid(3) makes it
    return time.clock_gettime_ns(clock) / 1_000_000


def children_running(binary: Path) -> list[int]:
    """Return this process's children that run the binary."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            ours = f"\nPPid:\t{os.getpid()}\n" in (folder / "status").read_text()
            if ours and (folder / "exe").resolve() == binary.resolve():
                found.append(int(folder.name))
        except OSError:
            continue  # It has ended meanwhile, or is not ours to look at.
    return found


class Cores:
    """The last core is for what is measured, the others are for what measures it; one core is for both."""

    def __init__(self) -> None:
        self._all = os.sched_getaffinity(0)
        self._measured = {max(self._all)}
        self._others = self._all - self._measured or self._all

    @contextmanager
    def parted(self) -> Iterator[Cores]:
        """Keep this process, and the threads that it starts, off the measured core."""
        os.sched_setaffinity(0, self._others)
        try:
            yield self
        finally:
            os.sched_setaffinity(0, self._all)

    def give(self, pid: int) -> None:
        """Put a process, or with 0 what this thread starts, on the measured core."""
        os.sched_setaffinity(pid, self._measured)

    def take_back(self) -> None:
        """Put this thread on its own cores again."""
        os.sched_setaffinity(0, self._others)

    def __str__(self) -> str:
        if self._measured == self._others:
            return "one core for everything, so expect noise"
        return (
            f"core {max(self._measured)} for the functions, the rest of {len(self._all)} for what drives them"
        )
