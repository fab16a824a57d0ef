"""Importers: model files in, graphs out, with what there is to say about them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, TypeAlias

from pyflame_rt import compiler, pipelines
from pyflame_rt.errors import PyFlameRTError, UnsupportedFormatError, ValidationError
from pyflame_rt.frontends.onnx.ops import LATEST_OPSET
from pyflame_rt.frontends.torch.checkpoint import read_state_dict
from pyflame_rt.frontends.torch.script import Shape, import_torchscript
from pyflame_rt.graph import Graph
from pyflame_rt.session import InferenceSession
from pyflame_rt.tensor import Tensor
from pyflame_rt.universe import make_context

StrPath: TypeAlias = str | os.PathLike[str]
ModelDefiner: TypeAlias = Callable[[Graph, dict[str, Tensor]], Graph | None]

_LEAST_OPSET = 7


@dataclass
class ImportOptions:
    """What happens to a model once it is read.

    `infer_shapes`: refine the shape of every value by those it is computed from; readers know most
    of them anyway. `optimize`: apply the passes of optimization level 1, which a session does as
    well. `validate`: verify the result again; reading verifies every model. `strict`: warnings are
    errors.
    """

    validate: bool = True
    infer_shapes: bool = True
    optimize: bool = False
    strict: bool = False


@dataclass(frozen=True)
class ImportStats:
    """Counts of an import; `parameter_count` counts elements of initializers."""

    node_count: int = 0
    initializer_count: int = 0
    parameter_count: int = 0
    import_time_ms: float = 0.0
    warnings: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class ImportResult:
    """A graph, or the message of the error that kept it from being made."""

    success: bool
    graph: Graph | None = None
    error: str = ""
    stats: ImportStats = field(default_factory=ImportStats)


class Importer:
    """Reads models of one kind."""

    EXTENSIONS: ClassVar[tuple[str, ...]] = ()

    def name(self) -> str:
        """What it is called."""
        return type(self).__name__

    def supported_extensions(self) -> list[str]:
        """The extensions of its files, with the dot."""
        return list(self.EXTENSIONS)

    def supports(self, path: StrPath) -> bool:
        """Whether a file is one of its own, by its extension."""
        return Path(path).suffix.lower() in self.EXTENSIONS

    def require(self, path: StrPath) -> None:
        """Raise UnsupportedFormatError unless a file is one of its own."""
        if not self.supports(path):
            raise UnsupportedFormatError(
                f"is no file for {self.name()}",
                where=os.fspath(path),
                hint=f"its files end in {' or '.join(self.EXTENSIONS)}",
            )


class _ProgramImporter(Importer):
    """Reads files that hold a whole model."""

    def import_model(
        self, model_path: StrPath, options: ImportOptions | None = None
    ) -> ImportResult:
        """Read a model. A `PyFlameRTError` becomes the result's `error`."""
        return _result(lambda: self.read(model_path), options)

    def read(self, path: StrPath) -> Graph:
        """The graph of a model as it is in the file. Raises PyFlameRTErrors."""
        self.require(path)
        return Graph.of_program(compiler.load(path))


class ONNXImporter(_ProgramImporter):
    """Reads ONNX models, binary or in ONNX's textual syntax."""

    EXTENSIONS = (".onnx", ".onnxtxt")

    def supported_opsets(self) -> list[int]:
        """The versions of ONNX's operator set that models may be written for."""
        return list(range(_LEAST_OPSET, LATEST_OPSET + 1))


class TorchScriptImporter(_ProgramImporter):
    """Reads what `torch.jit.save` wrote, traced or scripted.

    A file does not say what its inputs are, beyond what it was traced with and what its operators
    take: `input_shapes` (by name, or in order; None or a text for a dimension that varies) and
    `input_types` (name -> name of a NumPy dtype) say it. Else an input is f32, of any shape.
    """

    EXTENSIONS = (".pt", ".pth")

    def __init__(
        self,
        input_shapes: Mapping[str, Shape] | Sequence[Shape] | None = None,
        input_types: Mapping[str, str] | None = None,
    ):
        self._shapes = input_shapes
        self._types = input_types

    def read(self, path: StrPath) -> Graph:
        """The graph of a model as it is in the file. Raises PyFlameRTErrors."""
        if self._shapes is None and self._types is None:
            return super().read(path)
        self.require(path)
        module = import_torchscript(path, input_shapes=self._shapes, input_types=self._types)
        program = compiler.Program(make_context(), module, os.fspath(path))
        pipelines.run(program.ctx, module, (), verify=True)
        return Graph.of_program(program)


class PyTorchImporter(Importer):
    """Graphs of state dicts: the weights are the file's, the graph is what a function makes of them.

    A checkpoint has no program; one that has (TorchScript, `.pt2`) is loaded without a definer.
    """

    EXTENSIONS = (".pt", ".pth", ".safetensors")

    def import_model(
        self,
        model_path: StrPath,
        model_definer: ModelDefiner,
        state_dict_key: str | None = None,
        options: ImportOptions | None = None,
        *,
        strip_prefix: bool | str = False,
    ) -> ImportResult:
        """Read a checkpoint (.pt, .pth) or safetensors file and define its graph.

        `model_definer(graph, weights)` adds inputs, initializers, nodes and outputs to the empty
        graph it is given, or returns another. The weights are Tensors by name, in the file's own
        memory, which is read-only. `state_dict_key` and `strip_prefix` say where the state dict is
        in the file and what to take from its names, as for `read_state_dict`. A `PyFlameRTError`
        becomes the result's `error`; what else the definer raises is the caller's.
        """

        def defined() -> Graph:
            self.require(model_path)
            arrays = read_state_dict(model_path, key=state_dict_key, strip_prefix=strip_prefix)
            weights = {name: Tensor.viewing(array) for name, array in arrays.items()}
            graph = Graph(Path(model_path).stem)
            graph = model_definer(graph, weights) or graph
            if problems := graph.validate():
                raise ValidationError("; ".join(problems), where=os.fspath(model_path))
            return graph

        return _result(defined, options)


def from_onnx(model_path: StrPath, options: ImportOptions | None = None) -> InferenceSession:
    """A session of an ONNX model.

    Raises what `InferenceSession` does: ModelNotFoundError (a FileNotFoundError),
    InvalidModelError, UnsupportedOperatorError; and UnsupportedFormatError for a file of another
    kind, ValidationError for warnings when the options are strict.
    """
    importer = ONNXImporter()
    importer.require(model_path)
    if options is not None and (options.optimize or options.strict):
        graph, _ = _treated(importer.read(model_path), options)
        return InferenceSession(graph)
    # A session infers and verifies itself, and one of a file can override initializers.
    return InferenceSession(model_path)


def _result(read: Callable[[], Graph], options: ImportOptions | None) -> ImportResult:
    """The result of an import: a graph that was read, treated as the options say."""
    start = time.perf_counter()
    try:
        graph, notes = _treated(read(), options or ImportOptions())
    except PyFlameRTError as error:
        return ImportResult(False, error=str(error))
    arrays = graph.initializers.values()
    stats = ImportStats(
        node_count=len(graph.nodes),
        initializer_count=len(arrays),
        parameter_count=sum(array.size for array in arrays),
        import_time_ms=(time.perf_counter() - start) * 1e3,
        warnings=notes,
    )
    return ImportResult(True, graph, stats=stats)


def _treated(graph: Graph, options: ImportOptions) -> tuple[Graph, list[str]]:
    """A graph as the options want it, with the warnings about it. Raises PyFlameRTError."""
    notes = list(_remarks(graph))
    if options.strict and notes:
        raise ValidationError("; ".join(notes), where=graph.name, hint="strict makes it an error")
    pipeline = compiler.join(
        "pfrt-infer-shapes" if options.infer_shapes else "",
        compiler.optimization_pipeline(1) if options.optimize else "",
    )
    program = graph.program()
    pipelines.run(program.ctx, program.module, pipelines.parse(pipeline), verify=options.validate)
    return Graph.of_program(program), notes


def _remarks(graph: Graph) -> Iterator[str]:
    """What is in a graph and contributes to nothing."""
    used = {name for node in graph.nodes for name in node.inputs}
    used |= {output.name for output in graph.outputs}
    yield from (f'input "{i.name}" is not used' for i in graph.inputs if i.name not in used)
    yield from (f'initializer "{name}" is not used' for name in graph.initializers.keys() - used)
    for node in graph.nodes:
        if used.isdisjoint(node.outputs):
            yield f'node "{node.name}" ({node.op_type}) computes nothing that is used'
