"""`python -m tests.bench`: measures the release build, prints one table, writes it as JSON too."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from demo.console import Console
from localcloud.deploy import DeployError

from .answering import Answers, answer_all, answer_first
from .deployed import EMPTY, ROOT, Unexpected, Used, deployed
from .figures import Figure, table, verdict
from .guarded import CALENDAR, Guarded, ask_everything
from .healing import Repairs, Steps, repair_all, step_through
from .process import Cores
from .reconciling import reconcile_idly
from .sizes import binary_size, package_size
from .start_up import DidNotStart, Starts, start_all
from .storm import play

ANSWERING, CONCLUDING = "config-compliance", "automation-outcome"
FUNCTIONS = (ANSWERING, CONCLUDING, "ops-item-update", "circuit-breaker", "reconcile")
NOTHING = "an empty function"
OFTEN = 100
"""Runs of what is quick."""

START_MS = 10
MEMORY_MIB = 14
PACKAGE_MIB = 4
PROCESSOR_MS = 2
CALLS_UNROUTED, CALLS_DUPLICATE, CALLS_OBSERVED, CALLS_ENFORCED, CALLS_OUTCOME = 0, 1, 8, 12, 7
HEALED_SECONDS = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; return 1 if a budget is not met, 2 if nothing could be measured."""
    options = _options(arguments)
    binaries: Path = options.binaries
    missing = [str(path) for name in (EMPTY, *FUNCTIONS) if not (path := binaries / name).is_file()]
    if missing:
        return _fail(f"There is no {' and no '.join(missing)}. Build them with `make bench`.")
    try:
        with Cores().parted() as cores:
            figures = _measure(Console(sys.stderr), binaries, options.runs, cores)
        if options.storm:
            figures += play(binaries, options.storm).figures()
    except (DeployError, DidNotStart, Unexpected) as problem:
        return _fail(str(problem))
    print(f"\n{table(figures)}\n\n{verdict(figures)}")
    report = {
        "machine": {"system": platform.platform(), "cores": str(cores)},
        "binaries": str(binaries),
        "figures": [figure.as_json() for figure in figures],
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report, indent=2) + "\n")
    print(f"The same as JSON: {options.json}")
    return 0 if all(figure.met for figure in figures) else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument(
        "--binaries",
        type=Path,
        default=ROOT / "target" / "release",
        help="folder of the release build, the example in it too (default: target/release)",
    )
    parser.add_argument("--runs", type=int, default=30, help="of everything, at least (default: 30)")
    parser.add_argument(
        "--storm",
        type=int,
        default=1_000,
        metavar="PROBLEMS",
        help="of the storm, each reported ten times; 100 is the quick form, 0 leaves it out (default: 1000)",
    )
    parser.add_argument(
        "--json", type=Path, default=ROOT / "target" / "bench.json", help="(default: target/bench.json)"
    )
    return parser.parse_args(arguments)


def _measure(console: Console, binaries: Path, runs: int, cores: Cores) -> list[Figure]:
    console.say(f"Release build; {cores}. The functions reach a local cloud over TLS.")
    with ExitStack() as stack:
        with console.doing("Deploying in mode observe"):
            mend = stack.enter_context(deployed("observe", binaries, cores))
        often = max(runs, OFTEN)
        with console.doing(f"Starting each function and an empty one, in turns, {often} times"):
            starts = start_all([mend.start(name) for name in (EMPTY, *FUNCTIONS)], often, cores)
        with console.doing(f"Events of each kind, in turns, {often} times each"):
            answers = answer_all(mend, often)
        with console.doing(f"The first event of {runs} processes"):
            answer_first(mend, runs, answers.first)
    with ExitStack() as stack:
        with console.doing("Deploying anew, without incidents"):
            mend = stack.enter_context(deployed("observe", binaries, cores))
        with console.doing(f"{runs} runs of reconcile that find nothing"):
            idle = reconcile_idly(mend, runs)
    with ExitStack() as stack:
        with console.doing("Deploying in mode enforce, with a change calendar"):
            mend = stack.enter_context(deployed("enforce", binaries, cores, ChangeCalendars=CALENDAR))
        with console.doing(f"{runs} buckets, whose tags count, warm and by new processes"):
            guarded = ask_everything(mend, runs)
    with ExitStack() as stack:
        with console.doing("Deploying in mode enforce"):
            mend = stack.enter_context(deployed("enforce", binaries, cores))
        with console.doing(f"{runs} repairs, step by step"):
            steps = step_through(mend, runs)
        with console.doing(f"{runs} repairs, from the event to the end"):
            repairs = repair_all(mend, runs)
    return _figures(binaries, starts, idle, answers, guarded, steps, repairs)


def _figures(
    binaries: Path,
    starts: list[Starts],
    idle: Used,
    answers: Answers,
    guarded: Guarded,
    steps: Steps,
    repairs: Repairs,
) -> list[Figure]:
    empty, *started = starts

    topic = "From exec to the first request for work"
    figures = [Figure(topic, NOTHING, tuple(empty.milliseconds), "ms")]
    for name, start in zip(FUNCTIONS, started, strict=True):
        baseline = median(empty.milliseconds)
        above = tuple(taken - baseline for taken in start.milliseconds)
        figures += [
            Figure(topic, name, tuple(start.milliseconds), "ms", baseline=baseline),
            Figure(topic, f"{name}, above {NOTHING}", above, "ms", START_MS),
        ]

    topic = "Peak resident memory"
    baseline = median(empty.memory)
    figures.append(Figure(topic, f"{NOTHING}, at start", tuple(empty.memory), "MiB"))
    figures += [
        Figure(topic, f"{name}, at start", tuple(start.memory), "MiB", MEMORY_MIB, baseline)
        for name, start in zip(FUNCTIONS, started, strict=True)
    ]
    figures.append(
        Figure(
            topic, f"{NOTHING}, after {len(answers.empty.calls)} events", (answers.empty_peak_memory,), "MiB"
        )
    )
    baseline = answers.empty_peak_memory
    figures += [
        Figure(topic, f"{name}, after {events}", (memory,), "MiB", MEMORY_MIB, baseline)
        for name, events, memory in (
            (ANSWERING, f"{3 * len(answers.observed.calls)} events", answers.peak_memory),
            (CONCLUDING, f"{len(steps.concluding.calls)} outcomes", steps.peak_memory),
        )
    ]

    topic = "Size"
    baseline = binary_size(binaries / EMPTY)
    for name in FUNCTIONS:
        binary = binaries / name
        figures += [
            Figure(topic, f"{name}, binary", (binary_size(binary),), "MiB", baseline=baseline),
            Figure(topic, f"{name}, zip", (package_size(binary),), "MiB", PACKAGE_MIB),
        ]

    cases = (
        ("an event that no route takes", answers.unrouted, CALLS_UNROUTED),
        ("a duplicate", answers.duplicate, CALLS_DUPLICATE),
        ("a new incident, observe", answers.observed, CALLS_OBSERVED),
        ("a new incident, enforce", steps.answering, CALLS_ENFORCED),
        ("an outcome", steps.concluding, CALLS_OUTCOME),
    )
    first = "the first event of a process, a new incident, observe"
    topic = "Processor time for a warm event"
    baseline = median(answers.empty.processor)
    figures.append(Figure(topic, f"any event, by {NOTHING}", tuple(answers.empty.processor), "ms"))
    figures += [
        Figure(topic, name, tuple(used.processor), "ms", PROCESSOR_MS, baseline) for name, used, _ in cases
    ]
    figures.append(Figure(topic, first, tuple(answers.first.processor), "ms", baseline=baseline))
    nothing = "a run of reconcile that finds nothing"
    figures.append(Figure(topic, nothing, tuple(idle.processor), "ms", baseline=baseline))
    topic = "AWS calls"
    figures += [Figure(topic, name, tuple(used.calls), "", calls) for name, used, calls in cases]
    everything = "with calendar and tags"
    figures += [
        Figure(topic, first, tuple(answers.first.calls), "", CALLS_OBSERVED),
        Figure(
            topic, f"a new incident, enforce, {everything}", tuple(guarded.warm.calls), "", CALLS_ENFORCED
        ),
        Figure(
            topic, f"the first of a process, {everything}", tuple(guarded.first.calls), "", CALLS_ENFORCED
        ),
    ]
    figures.append(Figure(topic, nothing, tuple(idle.calls)))

    topic = "From the event to the repair, in the local cloud"
    figures += [
        Figure(topic, "the ports are closed", tuple(repairs.closed), "s"),
        Figure(topic, "the incident is resolved", tuple(repairs.healed), "s", HEALED_SECONDS),
    ]
    return figures


def _fail(problem: str) -> int:
    print(problem, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
