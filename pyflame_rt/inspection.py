"""What a model takes, gives, contains and costs; also of models that cannot be compiled."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from onnx import TensorProto
from xdsl.dialects.builtin import DictionaryAttr, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation
from xdsl.traits import ConstantLike

from pyflame_rt import compiler, dtypes, module_files, pfm_inspection, pipelines
from pyflame_rt.compiler import Program, TensorSpec
from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.fused import FusedOp
from pyflame_rt.dialects.pfrt.names import op_type_of
from pyflame_rt.dialects.pfrt.types import is_string, numpy_dtype, static_shape_of, type_of
from pyflame_rt.dialects.plan.ops import CallOp
from pyflame_rt.errors import PyFlameRTError, UnsupportedFormatError, UnsupportedOperatorError
from pyflame_rt.frontends.onnx import Inspection, inspect_onnx
from pyflame_rt.frontends.torch.checkpoint import (
    CheckpointSummary,
    Form,
    identify,
    inspect_checkpoint,
)
from pyflame_rt.pfm_inspection import FileReport
from pyflame_rt.random_inputs import resolve_shapes

_TORCH = (".pt", ".pth", ".th", ".ckpt", ".bin", ".safetensors")
"""Extensions under which checkpoints go about; ".pt" and ".pth" may be programs as well."""


@dataclass(frozen=True)
class Report:
    """A model's summary.

    `parameters` counts elements of constants, `parameter_bytes` their bytes. `flops` (a
    multiply-add is two) and `bytes` (read and written by all ops) are those of one run at
    `shapes`, None when they are not known. `unsupported` has a sentence for each node that cannot
    be imported, `tensors` one for each tensor of a TorchScript archive,
    `file` is about a `.pfm` file itself.
    """

    name: str
    graph_name: str
    opsets: Mapping[str, int]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    operators: Mapping[str, int]
    parameters: int
    parameter_bytes: int | None = None
    flops: int | None = None
    bytes: int | None = None
    shapes: Mapping[str, Sequence[int]] | None = None
    unsupported: tuple[str, ...] = ()
    tensors: tuple[str, ...] = ()
    file: FileReport | None = None

    def as_json(self) -> dict[str, object]:
        """The fields, for a report."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**fields, "file": None if self.file is None else self.file.as_json()}

    def lines(self) -> Iterable[str]:
        """The report for people."""
        yield f"model       {self.name}"
        if self.graph_name:
            yield f"graph       {self.graph_name}"
        if self.opsets:
            yield f"opsets      {', '.join(f'{d} {v}' for d, v in self.opsets.items())}"
        yield from _block("inputs", self.inputs)
        yield from _block("outputs", self.outputs)
        total = sum(self.operators.values())
        listed = ", ".join(f"{name} {count}" for name, count in self.operators.items())
        yield f"operators   {total}: {listed}" if total else "operators   0"
        size = "" if self.parameter_bytes is None else f" ({_bytes_text(self.parameter_bytes)})"
        yield f"parameters  {self.parameters:,}{size}"
        if self.flops is not None:
            at = ", ".join(f"{n} {list(s)}" for n, s in (self.shapes or {}).items())
            yield f"flops       {self.flops:,} at {at}"
        if self.flops is not None and self.bytes is not None:
            yield f"bytes       {self.bytes:,} ({_bytes_text(self.bytes)}) read and written by ops"
        if self.flops is None and self.shapes is not None:
            at = ", ".join(f"{n} {list(s)}" for n, s in self.shapes.items())
            yield f"flops       unknown at {at}; give other sizes with --dim NAME=SIZE"
        if self.tensors:
            yield from _block("tensors", self.tensors)
        if self.unsupported:
            yield from _block("unsupported", self.unsupported)
        if self.file is not None:
            yield from self.file.lines()


@dataclass(frozen=True)
class CheckpointReport:
    """What a file without a program holds: tensors, and the kinds of its other values by name."""

    name: str
    form: str
    parameters: int
    parameter_bytes: int
    tensors: tuple[str, ...]
    values: Mapping[str, str]

    def as_json(self) -> dict[str, object]:
        """The fields, for a report."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def lines(self) -> Iterable[str]:
        """The report for people."""
        yield f"model       {self.name}"
        yield f"format      {self.form}"
        yield from _block("tensors", self.tensors)
        if self.values:
            yield from _block("values", [f"{name}: {kind}" for name, kind in self.values.items()])
        yield f"parameters  {self.parameters:,} ({_bytes_text(self.parameter_bytes)})"


def inspect(
    path: str | os.PathLike[str], dims: Mapping[str, int], weights: str | None
) -> Report | CheckpointReport:
    """Inspect a model file; `dims` are sizes of symbolic dimensions, for flops and bytes.

    Raises as loading does, but for unsupported operators, which are reported.
    """
    suffix = Path(path).suffix.lower()
    if suffix in _TORCH and (form := identify(path)) is not Form.Exported:
        return _of_torch(path, form, dims)
    summary = inspect_onnx(path) if suffix in (".onnx", ".onnxtxt") else None
    if summary is not None and summary.unsupported:
        return _of_summary(os.fspath(path), summary)
    report = inspect_program(compiler.load(path, weights=weights), dims)
    if summary is None:
        if module_files.is_pfm_file(path):
            return replace(report, file=pfm_inspection.describe(path))
        return report
    # The file's own operators, rather than what the importer made of them.
    return replace(report, operators=summary.operators, opsets=summary.opset_import)


def inspect_program(program: Program, dims: Mapping[str, int]) -> Report:
    """Inspect a loaded module."""
    module = program.module
    names = {op.sym_name.data for op in module.ops if isinstance(op, FuncOp)}
    inputs, outputs = compiler.signature(module) if "main" in names else ((), ())
    parameters, parameter_bytes = _parameters(module)
    report = Report(
        name=program.name,
        graph_name=_graph_name(module),
        opsets={},
        inputs=tuple(map(spec_text, inputs)),
        outputs=tuple(map(spec_text, outputs)),
        operators=_histogram(module),
        parameters=parameters,
        parameter_bytes=parameter_bytes,
    )
    if not inputs or compiler.is_lowered(module):
        return report
    return _with_costs(report, program, inputs, dims)


def spec_text(spec: TensorSpec) -> str:
    """`images: tensor(float) [N, 1, 8, 8]`."""
    if spec.container is not None:
        return f"{spec.name}: {spec.type}"
    if spec.shape is None:
        return f"{spec.name}: {spec.type} of unknown rank"
    return (
        f"{spec.name}: {spec.type} [{', '.join('?' if d is None else str(d) for d in spec.shape)}]"
    )


def _with_costs(
    report: Report, program: Program, inputs: Sequence[TensorSpec], dims: Mapping[str, int]
) -> Report:
    named: dict[str, Sequence[int]] | None = None
    try:
        shapes = resolve_shapes(inputs, dims)
        named = {spec.name: shape for spec, shape in zip(inputs, shapes, strict=True)}
        module = program.module.clone()
        passes = pipelines.parse(compiler.specialization_pipeline(inputs, shapes))
        pipelines.run(program.ctx, module, passes)
    except PyFlameRTError:
        if dims:
            raise
        # Costs are a bonus: a model that does not take size 1 everywhere has none to show.
        return replace(report, shapes=named)
    ops = [
        op
        for op in module.walk()
        if isinstance(op, PfrtOp) and not op.has_trait(ConstantLike) and not _is_fused(op)
    ]
    flops, sizes = [op.flops() for op in ops], [op.bytes() for op in ops]
    return replace(
        report,
        flops=None if None in flops else sum(f for f in flops if f),
        bytes=None if None in sizes else sum(s for s in sizes if s),
        shapes=named,
    )


def _histogram(module: ModuleOp) -> dict[str, int]:
    counts = Counter(name for op in module.walk() if (name := _operator(op)))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _operator(op: Operation) -> str:
    if isinstance(op, PfrtOp):
        return "" if op.has_trait(ConstantLike) or _is_fused(op) else op_type_of(op.name)
    if isinstance(op, CallOp):
        return f"@{op.callee.string_value()}"
    return op.name if op.name.startswith("plan.") else ""


def _is_fused(op: Operation) -> bool:
    """Whether an op is inside a fused one, which counts for it."""
    return isinstance(op.parent_op(), FusedOp)


def _parameters(module: ModuleOp) -> tuple[int, int]:
    count = size = 0
    for op in module.walk():
        if not isinstance(op, PfrtOp) or not op.has_trait(ConstantLike):
            continue
        elements = 1
        for dim in static_shape_of(op.results[0]) or ():
            elements *= dim
        count += elements
        size += _byte_size(op, elements)
    return count, size


def _byte_size(op: PfrtOp, elements: int) -> int:
    """The bytes of a constant; of strings those of their UTF-8."""
    if is_string(op.results[0].type):
        texts = constant_of(op.results[0])
        return 0 if texts is None else sum(len(text.encode()) for text in texts.flat)
    return elements * numpy_dtype(type_of(op.results[0]).element_type).itemsize


def _graph_name(module: ModuleOp) -> str:
    attr = module.attributes.get("pfrt.model")
    name = attr.data.get("graph_name") if isinstance(attr, DictionaryAttr) else None
    return name.data if isinstance(name, StringAttr) else ""


def _of_torch(
    path: str | os.PathLike[str], form: Form, dims: Mapping[str, int]
) -> Report | CheckpointReport:
    summary = inspect_checkpoint(path)
    name, tensors = os.fspath(path), tuple(map(str, summary.tensors))
    if not form.is_program:
        values = summary.others
        return CheckpointReport(name, form.value, *_sizes(summary), tensors, values)
    try:
        return replace(inspect_program(compiler.load(path), dims), tensors=tensors)
    except (UnsupportedFormatError, UnsupportedOperatorError) as error:
        return Report(
            name, "", {}, (), (), {}, *_sizes(summary), tensors=tensors, unsupported=(str(error),)
        )


def _sizes(summary: CheckpointSummary) -> tuple[int, int]:
    """Elements and bytes of tensors, each storage counted once."""
    owners = [tensor for tensor in summary.tensors if not tensor.shares]
    return sum(math.prod(tensor.shape) for tensor in owners), sum(t.nbytes for t in owners)


def _of_summary(name: str, summary: Inspection) -> Report:
    def text(kind: str, element: int, shape: Sequence[int | str | None] | None) -> str:
        row = dtypes.by_onnx().get(element)
        name = "string" if element == TensorProto.STRING else row.onnx_name if row else None
        if kind != "tensor" or name is None:
            return kind or "no type"
        listed = "?" if shape is None else ", ".join("?" if d is None else str(d) for d in shape)
        return f"tensor({name}) [{listed}]"

    return Report(
        name=name,
        graph_name=summary.graph_name,
        opsets=summary.opset_import,
        inputs=tuple(f"{v.name}: {text(v.kind, v.element, v.shape)}" for v in summary.inputs),
        outputs=tuple(f"{v.name}: {text(v.kind, v.element, v.shape)}" for v in summary.outputs),
        operators=summary.operators,
        parameters=summary.parameters,
        unsupported=tuple(map(str, summary.unsupported)),
    )


def _block(title: str, rows: Sequence[str]) -> Iterable[str]:
    for index, row in enumerate(rows or ("none",)):
        yield f"{title if index == 0 else '':<11} {row}"


def _bytes_text(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.1f} {unit}" if unit != "B" else f"{size:.0f} B"
        size /= 1024
    return f"{size:.1f} GiB"
