"""Whether a program is valid, and one for a machine, before it is loaded."""

from __future__ import annotations

from typing import NoReturn

from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Operation
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.backends.wse.machine import Machine
from pyflame_rt.dialects.rewriting import location_text
from pyflame_rt.dialects.wse import limits
from pyflame_rt.dialects.wse.program import ProgramOp
from pyflame_rt.errors import ValidationError


def verify(module: ModuleOp, program: ProgramOp, machine: Machine) -> None:
    """Raise ValidationError when the program is invalid, or not one for the machine."""
    for op in module.walk():
        try:
            op.verify(verify_nested_ops=False)
        except Exception as error:
            # Verifiers of other dialects fail in their own ways too.
            _fail(op, error)
    try:
        limits.check(program, limits_of(machine))
    except VerifyException as error:
        _fail(program, error)


def limits_of(machine: Machine) -> limits.Limits:
    """What a machine can hold, with the constants that were overridden."""
    known = limits.LIMITS.get(machine.name)
    return limits.Limits(
        machine.name,
        machine.max_width,
        machine.max_height,
        machine.sram_bytes,
        tuple(n for n, depth in enumerate(machine.input_depths) if depth >= 0),
        tuple(n for n, depth in enumerate(machine.output_depths) if depth >= 0),
        machine.several_receive,
        machine.several_receive if known is None else known.two_fabric_inputs,
    )


def _fail(op: Operation, error: Exception) -> NoReturn:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    parts: list[str] = []
    inner: Operation | None = op
    while inner is not None:
        name = inner.properties.get("sym_name")
        if isinstance(name, StringAttr):
            parts.append(f"{inner.name.removeprefix('wse.')} @{name.data}")
        inner = inner.parent_op()
    place = location_text(op)
    where = " of ".join(parts) or op.name
    where += f" ({place})" if place else ""
    raise ValidationError(lines[0] if lines else "is invalid", where=where) from None
