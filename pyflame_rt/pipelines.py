"""Pass pipelines: parse, print, run.

Text that `to_text` prints, `parse` reads back to equal passes. `run` raises PyFlameRTErrors only:
one line that names the pass, the op and where it came from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import is_
from types import TracebackType
from typing import Protocol, TypeAlias, runtime_checkable
from weakref import ReferenceType, ref

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, Operation
from xdsl.passes import ModulePass
from xdsl.traits import ConstantLike
from xdsl.utils.exceptions import DiagnosticException, ParseError

from pyflame_rt import collecting, pass_options, pipeline_syntax
from pyflame_rt.errors import PassFailed, PipelineError, PyFlameRTError, ValidationError
from pyflame_rt.universe import multiverse

PassTable: TypeAlias = Mapping[str, Callable[[], type[ModulePass]]]
AfterPass: TypeAlias = Callable[[ModulePass, ModuleOp], None]


@runtime_checkable
class Composite(Protocol):
    """A pass that stands for others, such as `pfrt-optimize`."""

    def steps(self) -> Sequence[ModulePass]:
        """The passes it stands for, in order."""
        ...


def parse(text: str, passes: PassTable | None = None) -> tuple[ModulePass, ...]:
    """The passes of a pipeline such as `pfrt-canonicalize,pfrt-specialize-shapes{dims=N=4}`.

    `passes` are the known ones, all registered passes by default. Raises PipelineError for a
    syntax error, an unknown pass or option, and an option's value of the wrong type.
    """
    table = multiverse().all_passes if passes is None else passes
    return tuple(_build(spec, table) for spec in pipeline_syntax.read(text))


def to_text(passes: Iterable[ModulePass]) -> str:
    """The text that `parse` reads back: options that differ from their defaults, escaped."""
    return ",".join(pass_options.to_text(instance) for instance in passes)


def expanded(passes: Iterable[ModulePass]) -> tuple[ModulePass, ...]:
    """The passes, with those that a pass stands for in its place."""
    found: list[ModulePass] = []
    for instance in passes:
        found += expanded(instance.steps()) if isinstance(instance, Composite) else (instance,)
    return tuple(found)


def run(
    ctx: Context,
    module: ModuleOp,
    passes: Sequence[ModulePass],
    after: AfterPass | None = None,
    *,
    verify: bool = False,
    verify_each: bool = False,
) -> None:
    """Apply passes to a module in place; `after` is called after each, the passes that one stands
    for being passes of their own.

    A pass that comes again has nothing to do on a module that is as it left it.
    With `verify` the result is verified, with `verify_each` what each pass leaves. Raises
    PassFailed naming pass, op and location for whatever a pass raises, ValidationError for a
    module that is invalid without any pass, and other PyFlameRTErrors as passes raise them.
    """
    steps = expanded(passes)
    left = _Left(module, steps)
    with collecting.paused():
        for instance in steps:
            if not left.is_unchanged_since(instance):
                try:
                    instance.apply(ctx, module)
                except Exception as error:
                    raise _pass_failed(instance, error) from _without_notes(error)
                left.by(instance)
            if verify_each or (verify and instance is steps[-1]):
                try:
                    verify_module(module)
                except ValidationError as error:
                    raise PassFailed(
                        f"left invalid IR: {error.message}", where=_join(instance.name, error.where)
                    ) from error
            if after is not None:
                after(instance, module)
    if verify and not steps:
        verify_module(module)


_IDEMPOTENT = frozenset(("pfrt-canonicalize", "pfrt-fold-constants", "cse"))
"""Passes of nothing but the module that do nothing more to what they have left."""

_Trace: TypeAlias = tuple["ReferenceType[Operation]", list[int], tuple[Attribute, ...]]
"""An op and its operands, none of which is held, and the attributes that it is made of."""


class _Left:
    """What the idempotent passes that come more than once have left a module like."""

    def __init__(self, module: ModuleOp, steps: Sequence[ModulePass]):
        self._module = module
        known = Counter(step for step in steps if step.name in _IDEMPOTENT)
        self._again = {step for step, count in known.items() if count > 1}
        self._after: dict[ModulePass, list[_Trace]] = {}

    def by(self, instance: ModulePass) -> None:
        """Note what a pass has left."""
        if instance in self._again:
            self._after[instance] = [_trace(op) for op in self._module.walk()]

    def is_unchanged_since(self, instance: ModulePass) -> bool:
        """Whether nothing has changed since the pass ran last."""
        before = self._after.get(instance)
        if before is None:
            return False
        now = list(self._module.walk())
        if len(now) != len(before):
            return False
        for (reference, used, old), op in zip(before, now, strict=True):
            if reference() is not op:
                return False
            _, using, new = _trace(op)
            if used != using or len(old) != len(new) or not all(map(is_, old, new)):
                return False
        return True


def _trace(op: Operation) -> _Trace:
    kinds = [value.type for value in (*op.operands, *op.results)]
    kinds += [kind for region in op.regions for block in region.blocks for kind in block.arg_types]
    if not op.has_trait(ConstantLike):
        # A constant stays what it is, and its value may be large.
        kinds += (*op.properties.values(), *op.attributes.values())
    return ref(op), [id(value) for value in op.operands], tuple(kinds)


def verify_module(module: ModuleOp) -> None:
    """Check every op of a module, and that values are defined before they are used.

    Raises ValidationError naming the first op that is wrong.
    """
    try:
        module.verify()
    except Exception as error:
        op, first = _first_invalid(module, error)
        why = one_line(first) if op is None else one_line(first).removeprefix(f"{op.name}: ")
        raise ValidationError(why, where=_where(op)) from _without_notes(error)
    for function in module.ops:
        if isinstance(function, FuncOp):
            _verify_order(function)


def one_line(error: BaseException) -> str:
    """What an exception of xDSL's or Python's says, in one line and without its notes."""
    if isinstance(error, ParseError):
        return error.msg
    text = " ".join(str(error).split())
    if isinstance(error, (DiagnosticException, PyFlameRTError, ValueError, NotImplementedError)):
        return text or type(error).__name__
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _build(spec: pipeline_syntax.PassText, table: PassTable) -> ModulePass:
    factory = table.get(spec.name)
    if factory is None:
        close = pass_options.suggestion(spec.name, list(table)).strip()
        raise PipelineError(
            f'unknown pass "{spec.name}"', hint=close or "pfrt-opt --help lists the passes"
        )
    try:
        kind = factory()
    except ImportError as error:
        raise PipelineError(f"cannot be loaded: {error}", where=spec.name) from error
    return pass_options.build(kind, spec.options)


def _pass_failed(instance: ModulePass, error: Exception) -> PyFlameRTError:
    if isinstance(error, PyFlameRTError):
        kind = type(error)
        where = _join(instance.name, error.where)
        if kind.__init__ is not PyFlameRTError.__init__:
            return PassFailed(error.message, where=where, hint=error.hint)
        return kind(error.message, where=where, hint=error.hint)
    op = _op_in_hand(error.__traceback__)
    return PassFailed(one_line(error), where=_join(instance.name, _where(op)))


def _op_in_hand(traceback: TracebackType | None) -> Operation | None:
    # xDSL's exceptions do not say which op they are about; the pattern or pass that raised has it
    # as its argument `op`.
    found: Operation | None = None
    while traceback is not None:
        op: object = traceback.tb_frame.f_locals.get("op")
        if isinstance(op, Operation) and not isinstance(op, ModuleOp):
            found = op
        traceback = traceback.tb_next
    return found


def _first_invalid(module: ModuleOp, error: Exception) -> tuple[Operation | None, Exception]:
    # xDSL's verifier does not say which op is wrong.
    for op in module.walk():
        try:
            op.verify(verify_nested_ops=False)
        except Exception as first:
            return op, first
    return None, error


def _verify_order(function: FuncOp) -> None:
    # xDSL's verifier takes uses before definitions. Only straight-line code has an order to check.
    seen: set[Operation] = set()
    for op in function.walk():
        for operand in op.operands:
            owner = operand.owner
            if not isinstance(owner, Operation) or owner in seen:
                continue
            region = owner.parent_region()
            if region is not None and len(region.blocks) == 1:
                raise ValidationError(
                    "uses a value that is not defined before it", where=_where(op)
                )
        seen.add(op)


def _where(op: Operation | None) -> str | None:
    if op is None:
        return None
    from pyflame_rt.dialects.rewriting import describe

    return describe(op)


def _join(name: str, where: str | None) -> str:
    return name if where is None else f"{name}: {where}"


def _without_notes(error: Exception) -> Exception:
    # xDSL attaches the whole printed module as a note.
    error.__dict__.pop("__notes__", None)
    return error
