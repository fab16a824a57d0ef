"""The rule for Gradient: reverse-mode differentiation of ops that were built before.

For y = f(x), the gradient dx of the sum of y's elements is found from the end. dy is 1; an op
y = g(u, v) whose dy is known gives du and dv by its derivative; what a value gets from several of
its users is added. Values named in `xs` and `zs` are independent of each other, whatever they are
computed from: there the search stops.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from xdsl.ir import Operation, SSAValue

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.constraints import is_float
from pyflame_rt.dialects.pfrt.types import is_tensor
from pyflame_rt.frontends.onnx.builder import NodeBuilder
from pyflame_rt.frontends.onnx.derivatives import DERIVATIVES, Emitter
from pyflame_rt.frontends.onnx.rules import Rule, onnx_op

DOMAIN = "ai.onnx.preview.training"


@onnx_op("Gradient", since=1, domain=DOMAIN)
def gradient(b: NodeBuilder) -> Sequence[SSAValue]:
    """The inputs are the values of `xs`, then of `zs`, at which y and its gradient are taken."""
    names, others, target = b.texts("xs"), b.texts("zs") or (), b.text("y")
    if names is None or target is None:
        raise b.missing("xs" if names is None else "y")
    if len(b.node.inputs) != len(names) + len(others):
        raise b.error(f"has {len(b.node.inputs)} inputs for {len(names) + len(others)} names")
    variables = [b.named(name) for name in (*names, *others)]
    given = [b.operand(index) for index in range(len(variables))]
    y = b.named(target)
    if given != variables:
        # Two variables may have been given one value, and are two nevertheless.
        given = [b.emit("identity", [value])[0] for value in given]
        y = _evaluated(b, y, variables, dict(zip(variables, given, strict=True)))
        variables = given
    for value in (y, *variables[: len(names)]):
        if not (is_tensor(value.type) and is_float(value)):
            raise b.error(f"there is no gradient of {value.type}")
    steps = list(_steps(y, variables, _is_smooth))
    return _differentiated(Emitter(b), y, steps, variables[: len(names)])


def _is_smooth(value: SSAValue) -> bool:
    """Whether a small change of a variable can be one of this value."""
    return not is_tensor(value.type) or is_float(value)


def _steps(
    y: SSAValue, variables: Collection[SSAValue], follows: Callable[[SSAValue], bool]
) -> Iterator[Operation]:
    """The ops between the variables and y, each after those that it uses.

    What reaches an op by values that `follows` turns down only, does not reach it.
    """
    stops = set(variables)
    depends: dict[Operation, bool] = {}
    waiting = [y]
    while waiting:
        op = waiting[-1].owner
        if waiting[-1] in stops or not isinstance(op, Operation) or op in depends:
            waiting.pop()
            continue
        used = _used(op)
        before = [v for v in used if v not in stops and isinstance(v.owner, Operation)]
        if missing := [v for v in before if v.owner not in depends]:
            waiting += missing
            continue
        waiting.pop()
        depends[op] = any(
            follows(v) and (v in stops or (isinstance(v.owner, Operation) and depends[v.owner]))
            for v in used
        )
        if depends[op]:
            yield op


def _used(op: Operation) -> Sequence[SSAValue]:
    """The values that an op needs, those that its regions see around them included."""
    inner = [v for step in op.walk() for v in step.operands] if op.regions else op.operands
    return [v for v in inner if not _is_inside(v, op)]


def _is_inside(value: SSAValue, op: Operation) -> bool:
    return value.owner is not op and op.is_ancestor(value.owner)


def _evaluated(
    b: NodeBuilder,
    y: SSAValue,
    variables: Collection[SSAValue],
    given: Mapping[SSAValue, SSAValue],
) -> SSAValue:
    """y, computed again with other values of the variables."""
    values = dict(given)
    for step in list(_steps(y, variables, lambda value: True)):
        copy = step.clone(values)
        copy.location = b.location
        b.append(copy)
        if isinstance(copy, PfrtOp):
            copy.names = None
            with b.verifying():
                copy.set_inferred_types()
    return values.get(y, y)


def _differentiated(
    e: Emitter, y: SSAValue, steps: Sequence[Operation], variables: Sequence[SSAValue]
) -> Sequence[SSAValue]:
    """The gradients of the sum of y with respect to the variables."""
    found: dict[SSAValue, SSAValue] = {y: e.filled(1, y)}
    needed = {*variables, *(result for op in steps for result in op.results)}
    for op in reversed(steps):
        dys = [(result, found[result]) for result in op.results if result in found]
        if not dys:
            continue
        derivative = DERIVATIVES.get(op.name.removeprefix("pfrt."))
        if derivative is None or not isinstance(op, PfrtOp):
            raise e.b.unsupported(f"the gradient of {op.name} is not supported")
        ((_, dy),) = dys
        for operand, dx in zip(op.operands, derivative(e, op, dy), strict=False):
            if dx is None or operand not in needed or not is_float(operand):
                continue
            dx = e.sum_to(dx, operand)
            before = found.get(operand)
            found[operand] = dx if before is None else e.emit("add", before, dx)
    return [found[x] if x in found else e.filled(0, x) for x in variables]


RULES: tuple[Rule, ...] = (gradient,)
"""The rules of this family."""
