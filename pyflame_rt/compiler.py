"""From a model to something that runs: a frontend, a pipeline string and a backend, composed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.context import Context
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseIntOrFPElementsAttr,
    DictionaryAttr,
    MemRefType,
    ModuleOp,
    StringAttr,
    TensorType,
)
from xdsl.ir import Attribute

from pyflame_rt import collecting, dtypes, linking, module_files, pipelines
from pyflame_rt.backends.base import (
    ANY_THREADS,
    Backend,
    Executable,
    Threads,
    find_function,
    get_backend,
)
from pyflame_rt.dialects.pfrt.attributes import StringsAttr, WeightAttr
from pyflame_rt.dialects.pfrt.containers import CONTAINERS, MapType, OptionalType, SequenceType
from pyflame_rt.dialects.pfrt.lattice import compatible
from pyflame_rt.dialects.pfrt.types import (
    DYNAMIC,
    STRING,
    AnyTensor,
    ConstantValue,
    constant_array,
    is_element_type,
    is_value_type,
    numpy_dtype,
    tensor_of,
)
from pyflame_rt.errors import BackendError, ValidationError
from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.universe import make_context

Array: TypeAlias = npt.NDArray[Any]
Dim: TypeAlias = int | str | None


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of a function.

    `shape` has an int for a known dimension, its symbol for a named one, None for an unnamed one;
    it is None as a whole when the rank is unknown. `default` is what an input is when nobody feeds
    it; None for one that must be fed. A sequence, optional or map has its type as `container`, and
    neither shape nor dtype of its own.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[Dim, ...] | None
    default: Array | None = field(default=None, compare=False, repr=False)
    container: Attribute | None = None

    @property
    def type(self) -> str:
        """ONNX's spelling of the type: `tensor(float)`, `seq(tensor(float))`."""
        if self.container is not None:
            return _onnx_type(self.container)
        return f"tensor({_onnx_name(self.dtype)})"

    @property
    def is_static(self) -> bool:
        """Whether there is nothing about its shape that a run could tell."""
        if self.container is not None:
            return True
        return self.shape is not None and all(isinstance(dim, int) for dim in self.shape)


def _onnx_type(kind: Attribute) -> str:
    match kind:
        case SequenceType(item=item):
            return f"seq({_onnx_type(item)})"
        case OptionalType(item=item):
            return f"optional({_onnx_type(item)})"
        case MapType(key=key, value=value):
            names = [_onnx_name(numpy_dtype(element)) for element in (key, value)]
            return f"map({names[0]},tensor({names[1]}))"
        case _:
            return f"tensor({_onnx_name(numpy_dtype(cast(AnyTensor, kind).element_type))})"


def _onnx_name(dtype: np.dtype[Any]) -> str:
    return "string" if dtype == STRING else dtypes.by_numpy()[dtype].onnx_name


@dataclass(frozen=True)
class Program:
    """A module in the Context that its attributes belong to, and the name to report for it."""

    ctx: Context
    module: ModuleOp
    name: str


@dataclass(frozen=True)
class CompiledModel:
    """An executable with the specs of what goes in and out, in order, and how it came to be."""

    executable: Executable
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    pipeline: str
    backend: Backend | None = None
    """The backend that it was compiled by."""

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """Run on inputs in order: C-contiguous, of the declared dtypes. Fresh outputs in order."""
        return self.executable.run(arrays)


def load(
    source: str | os.PathLike[str] | bytes,
    *,
    weights: str | None = None,
    initializers_as_inputs: bool | Collection[str] = False,
) -> Program:
    """Read a model file by its extension, or an ONNX or `.pfm` model's bytes, and verify it once.

    `initializers_as_inputs` is `import_onnx`'s, for ONNX models only.
    Raises InvalidModelError, UnsupportedOperatorError, UnsupportedFormatError.
    """
    ctx = make_context()
    name = "<bytes>" if isinstance(source, bytes) else os.fspath(source)
    with collecting.paused():
        if initializers_as_inputs:
            module = import_onnx(source, initializers_as_inputs=initializers_as_inputs)
        elif isinstance(source, bytes):
            module = module_files.load_bytes(source, None, ctx)
        else:
            module = module_files.load(source, ctx, weights=weights)
        pipelines.run(ctx, module, (), verify=True)
    return Program(ctx, module, name)


def optimization_pipeline(level: int, skip: Collection[str] = ()) -> str:
    """The passes of an optimization level (0-3) on pfrt; "" for level 0."""
    from pyflame_rt.passes import optimization_levels

    return pipelines.to_text(optimization_levels.passes(level, skip))


def specialization_pipeline(
    inputs: Sequence[TensorSpec],
    shapes: Sequence[Sequence[int]],
    level: int = 1,
    skip: Collection[str] = (),
) -> str:
    """The pass that fixes the inputs' shapes, and the level's passes, for which that opens ways.

    Level 0 cleans up here as level 1 does: fixed shapes are of no use until they are folded.
    """
    from pyflame_rt.passes.cleanup.pfrt_specialize_shapes import PfrtSpecializeShapesPass

    fixed = tuple(
        f"{spec.name}={'x'.join(map(str, shape))}"
        for spec, shape in zip(inputs, shapes, strict=True)
        if spec.container is None
    )
    return join(
        pipelines.to_text((PfrtSpecializeShapesPass(shapes=fixed),)),
        optimization_pipeline(max(level, 1), skip),
    )


def join(*parts: str) -> str:
    """Pipelines one after the other; empty ones vanish."""
    return ",".join(part for part in parts if part)


def compile_module(
    module: ModuleOp,
    ctx: Context,
    backend: str = "numpy",
    pipeline: str | None = None,
    *,
    function: str = "main",
    options: Mapping[str, str] | None = None,
    level: int = 2,
    verify_each: bool = False,
    threads: Threads = ANY_THREADS,
) -> CompiledModel:
    """Compile a function of a module, which is left as it is.

    `pipeline` runs before the backend's own lowering, which is that of an optimization `level`, and
    defaults to level 2; a module that has been lowered to `plan` goes to the backend as it is. What
    a backend for parts does not support runs on NumPy, and so does what calls the parts of a module
    that is split already.
    `options` are the backend's. With `verify_each` the module is verified after each pass.
    Raises PipelineError, PassFailed, BackendError.
    """
    target = get_backend(backend, options).with_threads(threads)
    text = pipeline or ""
    if pipeline is None and not (is_lowered(module) or linking.is_split(module)):
        text = optimization_pipeline(most_optimized(target, 2))
    is_done = is_lowered(module)
    if target.device_type != "wse" and any(op.name == "wse.program" for op in module.ops):
        raise BackendError("the module is lowered for a wafer", hint="run it on one: wse2, wse3")
    if target.is_partial and not is_done and not linking.is_split(module):
        text = join(text, target.preparing(), _outlining(backend))
    inputs, outputs = signature(module, function)
    lowered = module.clone()
    pipelines.run(ctx, lowered, pipelines.parse(text), verify_each=verify_each)
    if (target.is_partial and not is_done) or linking.is_split(lowered):
        backends = {backend: target}
        executable = linking.link(
            lowered, ctx, function, backends=backends, level=level, verify_each=verify_each,
            threads=threads,
        )  # fmt: skip
        return CompiledModel(executable, inputs, outputs, text, target)
    if not is_done:
        lowering = target.lowering(level)
        pipelines.run(ctx, lowered, pipelines.parse(lowering), verify_each=verify_each)
        text = join(text, lowering)
    executable = linking.compiled_by(target, lowered, function, function)
    return CompiledModel(executable, inputs, outputs, text, target)


def most_optimized(target: Backend, level: int) -> int:
    """The optimisation level, or the highest one whose ops a backend for parts knows."""
    return min(level, target.optimization_level) if target.is_partial else level


def _outlining(backend: str) -> str:
    from pyflame_rt.passes.partitioning.pfrt_outline import PfrtOutlinePass

    return pipelines.to_text((PfrtOutlinePass(target=backend),))


def is_lowered(module: ModuleOp) -> bool:
    """Whether a module is in plan form, with ops of the plan dialect and none of pfrt, or is what a
    wafer and its host do."""
    if any(op.name == "wse.program" for op in module.ops):
        return True
    names = {op.name.partition(".")[0] for op in module.walk()}
    return "plan" in names and "pfrt" not in names


def signature(
    module: ModuleOp, function: str = "main"
) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """The inputs and outputs of a function, in pfrt or plan form, by the model's own names.

    Unnamed ones are called arg0, arg1, … and result0, result1, …
    Raises ValidationError for a type that cannot be fed, dimension names that do not fit it, and
    two inputs or two outputs of one name.
    """
    op = find_function(module, function)
    kinds = op.function_type
    return (
        _specs(kinds.inputs.data, op.arg_attrs, f"input of @{function}", "arg"),
        _specs(kinds.outputs.data, op.res_attrs, f"output of @{function}", "result"),
    )


def overridable_initializers(module: ModuleOp) -> tuple[TensorSpec, ...]:
    """The constants of a module that were inputs with defaults in the file it comes from."""
    about = module.attributes.get("pfrt.model")
    rows = about.data.get("overridable_initializers") if isinstance(about, DictionaryAttr) else None
    if not isinstance(rows, ArrayAttr):
        return ()
    entries = [
        row.data for row in cast("ArrayAttr[Attribute]", rows) if isinstance(row, DictionaryAttr)
    ]
    return tuple(
        _spec(row["type"], row, "overridable initializer", "") for row in entries if "type" in row
    )


def _specs(
    kinds: Sequence[Attribute], attrs: ArrayAttr[DictionaryAttr] | None, what: str, prefix: str
) -> tuple[TensorSpec, ...]:
    rows: list[Mapping[str, Attribute]] = (
        [row.data for row in attrs] if attrs is not None else [{} for _ in kinds]
    )
    specs = tuple(
        _spec(kind, row, what, f"{prefix}{index}")
        for index, (kind, row) in enumerate(zip(kinds, rows, strict=True))
    )
    for name, count in Counter(spec.name for spec in specs).items():
        if count > 1:
            raise ValidationError(f"{count} of them have this name", where=f'{what} "{name}"')
    return specs


def _spec(kind: Attribute, attrs: Mapping[str, Attribute], what: str, default: str) -> TensorSpec:
    attr = attrs.get("pfrt.name")
    name = attr.data if isinstance(attr, StringAttr) else default
    where = f'{what} "{name}"'
    if isinstance(kind, CONTAINERS) and is_value_type(kind):
        return TensorSpec(name, STRING, None, container=kind)
    element: Attribute | None = getattr(kind, "element_type", None)
    if element is None or not is_element_type(element):
        raise ValidationError(f"{kind} cannot cross a function's boundary", where=where)
    shape = _named_shape(kind, attrs.get("pfrt.dims"), where)
    return TensorSpec(name, numpy_dtype(element), shape, _default(attrs, kind, where))


def spec_of(name: str, kind: Attribute) -> TensorSpec:
    """What a type says of a value that has no other description: an item of a sequence."""
    return _spec(kind, {}, "value", name)


def _default(attrs: Mapping[str, Attribute], kind: Attribute, where: str) -> Array | None:
    value = attrs.get("pfrt.default")
    if value is None:
        return None
    if not isinstance(value, DenseIntOrFPElementsAttr | WeightAttr | StringsAttr):
        raise ValidationError("pfrt.default is not a constant", where=where)
    array = constant_array(cast(ConstantValue, value))
    if array is not None and not compatible(cast(AnyTensor, kind), tensor_of(array)):
        raise ValidationError(f"pfrt.default is no {kind}", where=where)
    return array


def _named_shape(kind: Attribute, dims: Attribute | None, where: str) -> tuple[Dim, ...] | None:
    if not isinstance(kind, TensorType | MemRefType):
        return None
    shape = cast("TensorType[Any] | MemRefType[Any]", kind).get_shape()
    symbols = [""] * len(shape) if dims is None else _symbols(dims)
    if len(symbols) != len(shape):
        raise ValidationError("pfrt.dims is not a string for each dimension", where=where)
    return tuple(
        (symbol or None) if size == DYNAMIC else size
        for size, symbol in zip(shape, symbols, strict=True)
    )


def _symbols(dims: Attribute) -> list[str]:
    items = cast("ArrayAttr[Attribute]", dims).data if isinstance(dims, ArrayAttr) else ()
    return [symbol.data for symbol in items if isinstance(symbol, StringAttr)]
