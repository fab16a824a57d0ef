"""Shrinking a program that fails to a small one that fails in the same way."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from xdsl.ir import Block, Operation, SSAValue
from xdsl.traits import ConstantLike

from pyflame_rt import compiler, model_runs, module_files, pipelines
from pyflame_rt.array_files import write_arrays
from pyflame_rt.backends.base import find_function
from pyflame_rt.compiler import Program, TensorSpec
from pyflame_rt.dialects.pfrt.attributes import NamesAttr
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.errors import InputError, PyFlameRTError
from pyflame_rt.failures import Check, Failure
from pyflame_rt.passes.cleanup.pfrt_extract import PfrtExtractPass

T = TypeVar("T")
PipelineOf: TypeAlias = Callable[[Sequence[TensorSpec], Sequence[Any]], str]
"""The pipeline to check a program with, by its inputs and what is fed to them."""


@dataclass(frozen=True)
class Reduction:
    """A smaller program that fails as the larger one did, and what to feed it.

    `before` and `after` are numbers of ops, constants left out; `pipeline` is the one it fails with.
    """

    program: Program
    inputs: Mapping[str, Any]
    failure: Failure
    pipeline: str
    before: int
    after: int

    def as_json(self) -> dict[str, object]:
        """What was found, for a report."""
        counts = {"ops_before": self.before, "ops_after": self.after}
        return {**counts, "failure": self.failure.text, "inputs": list(self.inputs)}

    def lines(self) -> list[str]:
        """The report for people."""
        return [f"reduced from {self.before} ops to {self.after}", f"  {self.failure.text}"]

    def save(self, path: str) -> str:
        """Write the program, its weights and its inputs (`.npz`) beside each other; the arguments
        of `pfrt-run` that show the failure. Raises PyFlameRTError when a file cannot be written."""
        module_files.save(self.program.module, path)
        archive = str(Path(path).with_suffix(".npz"))
        write_arrays(archive, self.inputs)
        feed = f" --inputs {shlex.quote(archive)}" if self.inputs else ""
        pipeline = (
            f" --pipeline {shlex.quote(self.pipeline)}" if self.pipeline else " --opt-level 0"
        )
        return f"{shlex.quote(path)}{feed}{pipeline} --compare reference"


def reduce(
    program: Program, inputs: Mapping[str, Any], pipeline_of: PipelineOf, check: Check
) -> Reduction:
    """Leave out ops of `@main` as long as the rest fails as the whole did.

    What the ops that are left out computed is fed as an input instead, with the value that the
    reference backend computes; what nothing uses any more is an output. Such a part is judged by
    the reference backend's values for its outputs.
    Raises InputError when the program does not fail, and what the reference backend raises.
    """
    named = _with_names(program)
    values = model_runs.reference_values(named, "", inputs, layers=True)
    task = _Task(named, {**values, **inputs}, pipeline_of, check)
    ops = task.ops
    whole = task.attempt(ops)
    if whole is None or whole.failure is None:
        raise InputError(
            "outputs agree with the reference backend's, there is nothing to reduce",
            where=program.name,
        )
    kind = whole.failure.kind
    best = whole

    def fails(part: Sequence[Operation]) -> bool:
        nonlocal best
        attempt = task.attempt(part)
        if attempt is None or attempt.failure is None or attempt.failure.kind != kind:
            return False
        best = attempt
        return True

    kept = minimal(ops, fails)
    assert best.failure is not None
    return Reduction(best.program, best.inputs, best.failure, best.pipeline, len(ops), len(kept))


def minimal(items: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> Sequence[T]:
    """A subsequence that fails, from which no single item can be left out.

    `fails` holds for all items; the last subsequence that it said so of is the result.
    Source: Zeller, Hildebrandt: Simplifying and Isolating Failure-Inducing Input (ddmin).
    """
    parts = 2
    while len(items) > 1:
        size = -(-len(items) // parts)
        chunks = [items[start : start + size] for start in range(0, len(items), size)]
        rests = [[x for chunk in chunks if chunk is not out for x in chunk] for out in chunks]
        if (chunk := next(filter(fails, chunks), None)) is not None:
            items, parts = chunk, 2
        elif (rest := next(filter(fails, rests if len(chunks) > 2 else ()), None)) is not None:
            items, parts = rest, max(parts - 1, 2)
        elif parts >= len(items):
            break
        else:
            parts = min(2 * parts, len(items))
    return items


@dataclass(frozen=True)
class _Attempt:
    program: Program
    inputs: Mapping[str, Any]
    pipeline: str
    failure: Failure | None


@dataclass(frozen=True)
class _Task:
    program: Program
    values: Mapping[str, Any]
    pipeline_of: PipelineOf
    check: Check

    @property
    def ops(self) -> list[Operation]:
        """What can be left out: the ops of the main block but constants and the return."""
        block = find_function(self.program.module, "main").body.block
        return [op for op in block.ops if _counts(op)]

    def attempt(self, part: Sequence[Operation]) -> _Attempt | None:
        """Check the part of the program that some ops are; None when it is no program."""
        borders = _borders(self.program, part)
        if borders is None or any(name not in self.values for names in borders for name in names):
            return None
        inputs, outputs = borders
        cut = PfrtExtractPass(inputs=inputs, outputs=outputs)
        module = self.program.module.clone()
        try:
            pipelines.run(self.program.ctx, module, (cut,))
            specs, _ = compiler.signature(module)
            feed = {spec.name: self.values[spec.name] for spec in specs}
            text = self.pipeline_of(specs, list(feed.values()))
            passes = pipelines.parse(text)
        except PyFlameRTError:
            return None
        program = Program(self.program.ctx, module, self.program.name)
        expected = {name: self.values[name] for name in outputs}
        return _Attempt(program, feed, text, self.check.failure(program, passes, feed, expected))


def _counts(op: Operation) -> bool:
    return isinstance(op, PfrtOp) and not op.has_trait(ConstantLike)


def _borders(
    program: Program, part: Sequence[Operation]
) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Names of what a part of the main block reads from elsewhere, and of what it is there for."""
    inside = set(part)
    names = _names(program)
    inputs = dict.fromkeys(
        value for op in part for value in _reads(op) if value in names and value.owner not in inside
    )
    outputs = [
        result
        for op in part
        for result in op.results
        if result.uses and not any(_outermost(use.operation) in inside for use in result.uses)
    ]
    if not outputs or any(value not in names for value in outputs):
        return None
    return tuple(names[v] for v in inputs), tuple(names[v] for v in outputs)


def _reads(op: Operation) -> Iterator[SSAValue]:
    """Operands of an op and of the ops in its regions."""
    for inner in op.walk():
        yield from inner.operands


def _outermost(op: Operation) -> Operation:
    """The op of the function's own block that an op is, or is inside of."""
    while (parent := op.parent_op()) is not None and parent.name != "func.func":
        op = parent
    return op


def _names(program: Program) -> dict[SSAValue, str]:
    """Arguments and computed values of the main block by their names."""
    block = find_function(program.module, "main").body.block
    inputs, _ = compiler.signature(program.module)
    names: dict[SSAValue, str] = {
        value: spec.name for value, spec in zip(block.args, inputs, strict=True)
    }
    for op in block.ops:
        if isinstance(op, PfrtOp) and _counts(op) and op.names is not None:
            names.update(zip(op.results, op.names.data, strict=True))
    return names


def _with_names(program: Program) -> Program:
    """A copy of a program in which every computed value has a name of its own."""
    module = program.module.clone()
    copy = Program(program.ctx, module, program.name)
    block: Block = find_function(module, "main").body.block
    taken = {spec.name for specs in compiler.signature(module) for spec in specs}
    taken |= {name for op in block.ops for name in _own_names(op)}
    seen = {spec.name for spec in compiler.signature(module)[0]}
    for op in block.ops:
        if isinstance(op, PfrtOp) and _counts(op):
            names = [
                name if name and name not in seen else _fresh(taken)
                for name in _own_names(op) or [""] * len(op.results)
            ]
            op.names = NamesAttr.of(names)
            seen.update(names)
    return copy


def _own_names(op: Operation) -> Sequence[str]:
    return op.names.data if isinstance(op, PfrtOp) and op.names is not None else ()


def _fresh(taken: set[str]) -> str:
    number = len(taken)
    while f"value_{number}" in taken:
        number += 1
    taken.add(f"value_{number}")
    return f"value_{number}"
