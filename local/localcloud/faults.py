"""Faults on demand: the next calls of some operation are throttled, fail, lose their answer, or take long."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any

from localcloud.errors import server_error, throttled

KINDS = ("throttle", "server-error", "lost-response", "latency")

_lock = threading.Lock()
_faults: list[Fault] = []
_numbers = itertools.count(1)


@dataclass
class Fault:
    """Which calls go wrong, and how. As a context manager, it is over at the end.

    The patterns take `*`. Of several faults that take a call, the oldest one hits it. Chance depends on
    nothing but the seed and how often this caller has called this operation, so that a run replays,
    whatever the threads do.
    """

    kind: str
    """`throttle` and `server-error` are answered before the call has an effect; `lost-response` closes the
    connection without an answer after it; `latency` holds the call up before it."""
    service: str = "*"
    """As boto3 names it."""
    operation: str = "*"
    """As the service's model names it."""
    caller: str = "*"
    """The name of a function, of a role session, or an ARN as in the journal's `principal`."""
    nth: int = 1
    """The first call that is hit, of those that the fault takes."""
    times: int | None = None
    """How many calls are hit; None: all from the nth on, until the fault is removed."""
    probability: float = 1.0
    seed: int = 0
    milliseconds: int = 0
    """How long `latency` lasts."""
    id: str = field(default_factory=lambda: f"fault-{next(_numbers)}")
    seen: int = 0
    """How many calls it took."""
    hits: int = 0
    """How many of them went wrong."""
    _calls: Counter[str] = field(default_factory=Counter, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"There is no fault {self.kind!r}: choose from {', '.join(KINDS)}")
        if (self.kind == "latency") != (self.milliseconds > 0):
            raise ValueError("`milliseconds` belongs to `latency`, which needs it")

    def __enter__(self) -> Fault:
        return self

    def __exit__(self, *_: object) -> None:
        remove(self.id)

    def begin(self, service: str) -> None:
        """Do what comes before the effect of a call: hold it up, or raise the service's error."""
        match self.kind:
            case "throttle":
                raise throttled(service)
            case "server-error":
                raise server_error(service)
            case "latency":
                time.sleep(self.milliseconds / 1_000)

    def described(self) -> dict[str, Any]:
        """Return the fault as the control API shows it."""
        return {name: getattr(self, name) for name in DESCRIBED}

    def _hits(self, service: str, operation: str, principal: str) -> bool:
        if not (
            fnmatchcase(service, self.service)
            and fnmatchcase(operation, self.operation)
            and (fnmatchcase(principal, self.caller) or self.caller == principal.rsplit("/", 1)[-1])
        ):
            return False
        self.seen += 1
        if self.seen < self.nth or (self.times is not None and self.hits >= self.times):
            return False
        call = f"{service}:{operation} by {principal}"
        self._calls[call] += 1
        chance = random.Random(f"{self.seed}: {self._calls[call]} of {call}").random()
        if chance >= self.probability:
            return False
        self.hits += 1
        return True


DESCRIBED = [field.name for field in fields(Fault) if not field.name.startswith("_")]
OPTIONS = [name for name in DESCRIBED if name not in ("id", "seen", "hits")]


def inject(kind: str, service: str = "*", operation: str = "*", **options: Any) -> Fault:
    """Add a fault, with the fields of `Fault`; it holds from the next call on."""
    if unknown := options.keys() - set(OPTIONS):
        raise ValueError(f"A fault has no {', '.join(sorted(unknown))}, only {', '.join(OPTIONS)}")
    fault = Fault(kind, service, operation, **options)
    with _lock:
        _faults.append(fault)
    return fault


def active() -> list[Fault]:
    """Return the faults that were injected and not removed, oldest first."""
    with _lock:
        return list(_faults)


def remove(identifier: str) -> None:
    """Remove a fault; one that is gone already is no error."""
    with _lock:
        _faults[:] = [fault for fault in _faults if fault.id != identifier]


def clear() -> None:
    """Remove all faults."""
    with _lock:
        _faults.clear()


def hitting(service: str, operation: str, principal: str) -> Fault | None:
    """Return the fault that this call meets, if any."""
    if not _faults:
        return None
    with _lock:
        return next((fault for fault in _faults if fault._hits(service, operation, principal)), None)
