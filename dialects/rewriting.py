"""Rewriting that keeps what people read: locations, and the model's names of values."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from xdsl.dialects.builtin import UnknownLoc
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter, PatternRewriterListener
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt.attributes import NamesAttr
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.errors import PassFailed


def replace(
    rewriter: PatternRewriter,
    op: Operation,
    new_ops: Operation | Sequence[Operation],
    new_results: Sequence[SSAValue | None] | None = None,
) -> None:
    """`rewriter.replace`, with the op's location on every new op and its names on the results."""
    created = [new_ops] if isinstance(new_ops, Operation) else list(new_ops)
    for new in created:
        if isinstance(new.location, UnknownLoc):
            new.location = op.location
    results = new_results if new_results is not None else created[-1].results
    carry(op, results)
    rewriter.replace(op, created, new_results)


def carry(op: Operation, new_results: Sequence[SSAValue | None]) -> None:
    """Give location and names of `op` to the ops that define its replacements, unless they have
    their own."""
    for value in new_results:
        owner = None if value is None else value.owner
        if isinstance(owner, Operation) and isinstance(owner.location, UnknownLoc):
            owner.location = op.location
    if not isinstance(op, PfrtOp) or op.names is None:
        return
    owners = {value.owner for value in new_results if value is not None}
    if len(owners) != 1:
        return
    (owner,) = owners
    if isinstance(owner, PfrtOp) and owner.names is None and len(owner.results) == len(op.results):
        owner.names = op.names


def carrying_listener() -> PatternRewriterListener:
    """A listener under which upstream patterns carry locations and names through replacements."""
    return PatternRewriterListener(operation_replacement_handler=[carry])


def describe(op: Operation) -> str:
    """An op for an error message: `pfrt.conv "conv1_out" (node "conv1", model.onnx:12)`."""
    text = op.name
    # Looked up, as the op may be one whose names are invalid.
    names = op.properties.get("names")
    if isinstance(op, PfrtOp) and isinstance(names, NamesAttr):
        text += " " + ", ".join(f'"{name}"' for name in names.data if name)
    place = location_text(op)
    return f"{text} ({place})" if place else text


def location_text(op: Operation) -> str:
    """The location of an op in words, "" when unknown."""
    from xdsl.dialects.builtin import FileLineColLoc, NameLoc

    location = op.location
    parts: list[str] = []
    if isinstance(location, NameLoc):
        parts.append(f'node "{location.desc.data}"')
        location = location.location
    if isinstance(location, FileLineColLoc):
        parts.append(f"{location.filename.data}:{location.line.data}")
    return ", ".join(parts)


def failed(op: Operation, why: str, *, hint: str | None = None) -> PassFailed:
    """The error a pass raises when it cannot handle an op."""
    return PassFailed(why, where=describe(op), hint=hint)


def verify_failed(op: Operation, error: VerifyException) -> PassFailed:
    """A verifier's complaint as our error: one line, without xDSL's notes."""
    return failed(op, str(error).splitlines()[0].removeprefix(f"{op.name}: "))


@dataclass(frozen=True)
class Declined:
    """A candidate that a pass turned down: the op, described, and the reason."""

    op: str
    why: str

    def __str__(self) -> str:
        return f"{self.op}: {self.why}"


class Explanation:
    """What passes turned down while it was asked for, by `explaining`."""

    def __init__(self) -> None:
        self._declined: dict[Declined, None] = {}

    def add(self, declined: Declined) -> None:
        """Note a candidate, once."""
        self._declined[declined] = None

    def take(self) -> tuple[Declined, ...]:
        """What was noted since the last call, in order."""
        taken = tuple(self._declined)
        self._declined.clear()
        return taken


_EXPLANATION: ContextVar[Explanation | None] = ContextVar("explanation", default=None)


@contextmanager
def explaining() -> Generator[Explanation]:
    """Note what passes decline while the context lasts, in this thread; ask after each pass.

    ```python
    with explaining() as explanation:
        pipelines.run(ctx, module, passes, after=lambda p, m: show(p.name, explanation.take()))
    ```
    """
    explanation = Explanation()
    token = _EXPLANATION.set(explanation)
    try:
        yield explanation
    finally:
        _EXPLANATION.reset(token)


def declined(op: Operation, why: str) -> None:
    """Say why a pass turns down a candidate, if anybody asks (see `explaining`).

    `why` completes "not rewritten, because …": `pfrt.exp "e" is also used by pfrt.add`.
    """
    if (explanation := _EXPLANATION.get()) is not None:
        explanation.add(Declined(describe(op), why))
