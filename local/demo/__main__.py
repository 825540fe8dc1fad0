"""`python -m demo`: plays a scene, and exits with 0 only if everything that it shows was true."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from botocore.exceptions import BotoCoreError, ClientError

from demo import scenes
from demo.account import ROOT
from demo.checks import Checks, SceneFailed
from demo.console import Console


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the scenes asked for; return the exit code."""
    options = _options(arguments)
    console = Console(sys.stdout)
    try:
        chosen = {name: scenes.scene(name) for name in _chosen(options.scene)}
    except scenes.NoSuchScene as error:
        print(error, file=sys.stderr)
        return 2
    failures = []
    try:
        with _interruptible():
            for name, scene in chosen.items():
                if failure := _play(console, name, scene, options.binaries):
                    failures.append(failure)
    except _Interrupted as interruption:
        print(f"\nInterrupted by {interruption.signal.name}; everything was stopped.", file=sys.stderr)
        return 128 + interruption.signal
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def _play(console: Console, name: str, scene: scenes.ModuleType, binaries: Path) -> str | None:
    """Play a scene; return how it failed, or None."""
    started = time.monotonic()
    checks = Checks(console)
    console.title(f"Mend: {name}", (scene.__doc__ or "").split("\n", 1)[0])
    try:
        scene.play(scenes.Stage(console, checks, binaries))
        checks.conclude()
    except (SceneFailed, BotoCoreError, ClientError) as failure:
        console.chapter(f"{name} failed after {time.monotonic() - started:.1f} s")
        return f"The scene {name} failed: {failure}"
    console.chapter(f"{name}: all {checks.made} checks hold, after {time.monotonic() - started:.1f} s")
    console.blank()
    return None


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="demo", description="Plays what Mend does, in a local cloud of its own."
    )
    parser.add_argument(
        "--scene",
        default=scenes.DEFAULT,
        help=f"one of {', '.join(scenes.names())}, or all (default: {scenes.DEFAULT})",
    )
    parser.add_argument(
        "--binaries",
        type=Path,
        default=ROOT / "target" / "debug",
        help="folder of the functions' built binaries (default: target/debug)",
    )
    return parser.parse_args(arguments)


def _chosen(name: str) -> list[str]:
    return scenes.names() if name == "all" else [name]


class _Interrupted(BaseException):
    def __init__(self, number: signal.Signals):
        self.signal = number


@contextmanager
def _interruptible() -> Iterator[None]:
    """Turn the first signal into an exception, and let no second one disturb the cleaning up."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(number: int, _: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise _Interrupted(signal.Signals(number))

    before = {number: signal.signal(number, interrupt) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
