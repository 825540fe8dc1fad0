"""Mend, deployed from its template into a local cloud that it reaches over TLS."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from localcloud.binaries import binary_of, pack
from localcloud.deploy import Stack, deploy
from localcloud.functions.environment import process_environment
from localcloud.server import LocalCloud
from localcloud.settings import ACCOUNT_ID, REGION, settings
from moto.awslambda.models import lambda_backends

from tests.end_to_end.account import Account, client

from .process import Cores, children_running, peak_memory, processor_time
from .start_up import Start
from .tls import Gateways

ROOT = Path(__file__).parents[2]
EMPTY = "examples/empty-function"
"""Where cargo puts the function that does nothing, beside the others; here also its name."""
SERVICES = ("dynamodb", "eventbridge", "resource_groups_tagging_api", "sns", "ssm")


class Unexpected(Exception):
    """An event was not answered as its case says, so that its figures would say nothing."""


@dataclass
class Used:
    """What a function has used for the events of one kind, one by one."""

    processor: list[float] = field(default_factory=list)
    """Milliseconds."""
    calls: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Mend:
    """A stack that runs."""

    account: Account
    binaries: Path
    gateways: Gateways
    cores: Cores

    def start(self, function: str) -> Start:
        """Return how Lambda starts a function."""
        deployed = lambda_backends[ACCOUNT_ID][REGION].get_function(self.account.stack.functions[function])
        return Start(binary_of(deployed), process_environment(deployed, runtime_api=""))

    def process(self, function: str) -> int:
        """Return the one process of a function, which has the measured core from here on."""
        (pid,) = children_running(self.binaries / function)
        self.cores.give(pid)
        return pid

    @contextmanager
    def measured(self, function: str, used: Used) -> Iterator[None]:
        """Note what the function's warm process uses."""
        pid = self.process(function)
        account, before = Account(self.account.stack), processor_time(pid)
        yield
        used.processor.append(processor_time(pid) - before)
        used.calls.append(len(account.operations(function)))

    def peak_memory(self, function: str) -> float:
        """Return the most memory that the function's process has had resident, in MiB."""
        return peak_memory(self.process(function))


@contextmanager
def deployed(mode: str, binaries: Path, cores: Cores, **parameters: str) -> Iterator[Mend]:
    """Deploy the stack in this mode, with further parameters; everything stops with the context."""
    with tempfile.TemporaryDirectory() as folder, LocalCloud(binaries=binaries) as cloud:
        stack = deploy(ROOT / "template.yaml", "mend-dev", {"Environment": "dev", "Mode": mode, **parameters})
        stack = _with_empty(stack)
        gateways = Gateways(SERVICES, cloud.port, Path(folder))
        with gateways.open():
            for name in stack.functions.values():
                _lead_through(gateways, name)
            yield Mend(Account(stack), binaries, gateways, cores)


def _with_empty(stack: Stack) -> Stack:
    """Add the empty function, configured as another one is."""
    name = EMPTY.rpartition("/")[2]
    functions = client("lambda")
    like = functions.get_function_configuration(FunctionName=next(iter(stack.functions.values())))
    functions.create_function(
        FunctionName=name,
        Code={"ZipFile": pack(settings.binaries / EMPTY)},
        **{key: like[key] for key in ("Runtime", "Handler", "Role", "Timeout", "MemorySize", "Environment")},
    )
    return replace(stack, functions=stack.functions | {EMPTY: name})


def _lead_through(gateways: Gateways, function_name: str) -> None:
    functions = client("lambda")
    configuration = functions.get_function_configuration(FunctionName=function_name)
    variables = configuration["Environment"]["Variables"] | gateways.environment
    functions.update_function_configuration(FunctionName=function_name, Environment={"Variables": variables})
