"""Machine profiles: every constant that a generation decides, and where each number comes from.

Sources: [csl] Cerebras/csl-examples (SDK 1.4); [doc] the SDK's documentation pages; [spcl]
spcl/spatial-collectives (HPDC'24); [spmm] pr0f3ss/SpMM_Cerebras; [hw4] da-luce/cs5220_hw4; [mesh]
junesookang/WaferLLM; [fab] luozoupi/FABRICA (WSE-3, SDK simulator and CS-3 silicon); *derived* means
computed from such data. All times are cycles; published clocks disagree.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pyflame_rt.errors import ValidationError


@dataclass(frozen=True)
class Machine:
    """One generation of the wafer, as numbers; nothing else in the simulator knows generations."""

    name: str
    # Cycles from one router to the next; derived from [spmm]; [fab].
    hop: int
    # A link takes a word every `link_eighths` / 8 cycles; 9 on silicon [fab].
    link_eighths: int
    # Execution to link, and router to execution [spcl] (`tr = 2`), [fab].
    ramp_down: int
    ramp_up: int
    # From the dispatch of an op with a fabric operand to its first execution; derived from [fab].
    fabric_dispatch: int
    # Cycles that the execution of a word off the fabric takes; derived from [spcl], [fab].
    execute: int
    # From the dispatch of an op on memory to its first execution [fab].
    memory_dispatch: int
    # Issue cycles of a synchronous vector op beside its groups [spmm].
    vector_issue: int
    # Elements a group: f16 and i16 ops; f32 and i32 ops; multiply-adds and products of f32 [doc], [fab].
    lanes_16: int
    lanes_32: int
    lanes_multiply_32: int
    # Cycles a group of several elements with two sources in memory [fab].
    two_source_interval: int
    # Percent of the nominal time: f32 multiply-add, f16 multiply-add, copy [fab].
    percent_multiply_32: int
    percent_multiply_16: int
    percent_copy: int
    # Factor on an op whose two sources in memory are in one class of banks [spmm], [fab].
    bank_conflict: int
    # Bytes of a bank class's turn and number of classes: addresses mod 8, two classes; derived [spmm].
    bank_bytes: int
    bank_classes: int
    # Start of a data or control task beside its code; derived from [hw4]; [fab].
    data_task: int
    # Start of a local task after its activation [fab].
    local_task: int
    # A scalar instruction; result of a float one after; branches [fab].
    scalar: int
    float_latency: int
    branch_not_taken: int
    branch_taken: int
    # Scalar load or store: as a scalar instruction; derived.
    memory_access: int
    # Issue of a DSD load, and an op after the last one [spmm]; [fab].
    dsr_load: int
    dsr_ready: int
    # @map: set-up and an iteration; derived from [mesh], [fab].
    map_begin: int
    map_next: int
    # Reading the timestamp, from its sample to the next instruction [spmm], [fab].
    timestamp: int
    # Router queue of a (colour, direction) in words: not published, at least 2 * hop.
    router_depth: int
    # Depths of the queues of a PE in words, by number; -1: there is none [doc].
    input_depths: tuple[int, ...]
    output_depths: tuple[int, ...]
    # Largest kernel rectangle [doc].
    max_width: int
    max_height: int
    # Memory of a PE in bytes [doc].
    sram_bytes: int = 49_152
    # Whether a switch position may have several receive directions: a clash shows at run time [doc].
    several_receive: bool = True
    # A run that takes longer than this is ended with an error.
    cycle_limit: int = 100_000_000

    def override(self, settings: Iterable[str]) -> Machine:
        """The machine with constants replaced by `name=value` texts (lists: `a:b:c`).

        Raises ValidationError for a name that is no constant or a value that is no such number.
        """
        values: dict[str, object] = {}
        for setting in settings:
            name, equals, text = setting.partition("=")
            if not equals or name not in CONSTANTS:
                raise ValidationError(
                    f"{setting!r} does not set a constant of the machine",
                    hint=f"write NAME=VALUE; names: {', '.join(CONSTANTS)}",
                )
            values[name] = _parsed(name, text, getattr(self, name))
        return dataclasses.replace(self, **values)  # pyright: ignore[reportArgumentType]

    def with_constants(self, values: Mapping[str, int | Sequence[int]]) -> Machine:
        """The machine with constants replaced: `with_constants({"hop": 2, "input_depths": [8] * 8})`.

        Raises ValidationError for a name that is no constant or a value that it cannot have.
        """
        texts: list[str] = []
        for name, value in values.items():
            if name not in CONSTANTS:
                raise ValidationError(
                    f"the machine has no constant {name!r}", hint=f"names: {', '.join(CONSTANTS)}"
                )
            # A flag is a number, too: True is 1.
            numbers = value if isinstance(value, Sequence) else [value]
            texts.append(f"{name}={':'.join(str(+number) for number in numbers)}")
        return self.override(texts)


# What `override` and `with_constants` may set.
CONSTANTS: Final = tuple(
    sorted(field.name for field in dataclasses.fields(Machine) if field.name != "name")
)
# Constants that may be zero.
_MAY_BE_ZERO: Final = frozenset(
    ("fabric_dispatch", "execute", "memory_dispatch", "vector_issue", "data_task", "local_task")
)


def _parsed(name: str, text: str, old: object) -> object:
    try:
        if isinstance(old, tuple):
            numbers = tuple(int(part) for part in text.split(":"))
        elif isinstance(old, bool):
            return bool(int(text))
        else:
            numbers = (int(text),)
    except ValueError:
        raise ValidationError(f"{text!r} is not a value of the machine's {name}") from None
    least = -1 if isinstance(old, tuple) else 0 if name in _MAY_BE_ZERO else 1
    most = 500_000_000 if name == "cycle_limit" else 100_000
    wrong_count = isinstance(old, tuple) and len(numbers) != 8
    if wrong_count or min(numbers) < least or max(numbers) > most:
        raise ValidationError(
            f"{text!r} is out of range for the machine's {name}",
            hint="queue depths are eight numbers"
            if wrong_count
            else f"at least {least}, at most {most}",
        )
    return numbers if isinstance(old, tuple) else numbers[0]


WSE2: Final = Machine(
    name="wse2",
    hop=1,
    link_eighths=8,
    ramp_down=2,
    ramp_up=2,
    fabric_dispatch=0,
    execute=1,
    memory_dispatch=0,
    vector_issue=1,
    lanes_16=4,
    lanes_32=2,
    lanes_multiply_32=1,
    two_source_interval=1,
    percent_multiply_32=100,
    percent_multiply_16=100,
    percent_copy=100,
    bank_conflict=2,
    bank_bytes=4,
    bank_classes=2,
    data_task=9,
    local_task=0,
    scalar=1,
    float_latency=2,
    branch_not_taken=3,
    branch_taken=6,
    memory_access=1,
    dsr_load=9,
    dsr_ready=10,
    map_begin=10,
    map_next=2,
    timestamp=5,
    router_depth=2,
    input_depths=(6, 6, 4, 4, 2, 2, 2, 2),
    output_depths=(2, 2, 6, 6, 2, 2, -1, -1),
    max_width=750,
    max_height=994,
)

WSE3: Final = dataclasses.replace(
    WSE2,
    name="wse3",
    hop=2,
    ramp_down=4,
    ramp_up=3,
    fabric_dispatch=3,
    execute=0,
    memory_dispatch=4,
    vector_issue=0,
    lanes_16=8,
    lanes_32=4,
    two_source_interval=2,
    data_task=20,
    dsr_load=1,
    dsr_ready=4,
    map_next=1,
    timestamp=18,
    router_depth=4,
    input_depths=(8, 8, 4, 4, 4, 4, 4, 4),
    output_depths=(8, 8, 8, 8, 8, 8, 8, 8),
    max_width=755,
    max_height=1170,
    several_receive=False,
)

WSE3_SI: Final = dataclasses.replace(
    WSE3,
    name="wse3-si",
    link_eighths=9,
    percent_multiply_16=137,
    percent_copy=166,
    data_task=32,
)

MACHINES: Final = {machine.name: machine for machine in (WSE2, WSE3, WSE3_SI)}


def machine(name: str, settings: Iterable[str] = ()) -> Machine:
    """The profile of that name with constants overridden by `NAME=VALUE` texts.

    Raises ValidationError for an unknown profile or constant.
    """
    if name not in MACHINES:
        raise ValidationError(
            f"there is no machine {name!r}", hint=f"machines: {', '.join(MACHINES)}"
        )
    return MACHINES[name].override(settings)
