"""From a model file to another one, optimised on the way."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from pyflame_rt import __version__, compiler, files, model_files, module_files, pipelines
from pyflame_rt.compiler import TensorSpec
from pyflame_rt.errors import PyFlameRTError, ValidationError

_COPIED = (".onnx", ".pfm")
"""Formats of a single file, which can be kept and copied."""


@dataclass
class CompileOptions:
    """How a model is converted.

    `optimization_level`: the passes applied, 0 to 3. `dynamic_batch`: refuse a model whose inputs
    or outputs have a first dimension of fixed size. `cache_dir`: where results are kept, for the
    next time that the same file is converted in the same way.
    """

    cache_dir: str | None = None
    dynamic_batch: bool = False
    optimization_level: int = 2

    def validate(self) -> list[str]:
        """What is wrong with the values, one sentence each; empty when they are fine."""
        if self.optimization_level in range(4):
            return []
        return [f"optimization_level {self.optimization_level} is not in 0..3"]


def convert_model(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    options: CompileOptions | None = None,
) -> None:
    """Read a model of any format, optimise it, and write it in the format of `path`.

    Raises what `load_model` and `save_model` do, PassFailed, and ValidationError for the options.
    """
    options = options or CompileOptions()
    if problems := options.validate():
        raise ValidationError("; ".join(problems), where="CompileOptions")
    module_files.require_savable(path)
    target = Path(path)
    if options.cache_dir is None or target.suffix.lower() not in _COPIED:
        _convert(source, target, options)
        return
    kept = Path(options.cache_dir) / f"{_key(Path(source), options)}{target.suffix.lower()}"
    if not kept.is_file():
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = f"cannot be made: {error.strerror or error}"
            raise PyFlameRTError(why, where=f"cache_dir {options.cache_dir}") from error
        _convert(source, kept, options)
    with kept.open("rb") as result, files.atomic_writer(target) as copy:
        shutil.copyfileobj(result, copy)


def _convert(source: str | os.PathLike[str], target: Path, options: CompileOptions) -> None:
    program = compiler.load(source)
    if options.dynamic_batch:
        inputs, outputs = compiler.signature(program.module)
        _require_dynamic(os.fspath(source), (*inputs, *outputs))
    text = compiler.optimization_pipeline(options.optimization_level)
    pipelines.run(program.ctx, program.module, pipelines.parse(text), verify=True)
    model_files.save_model(program.module, target)


def _require_dynamic(where: str, specs: tuple[TensorSpec, ...]) -> None:
    for spec in specs:
        if spec.shape and isinstance(spec.shape[0], int):
            raise ValidationError(
                f'"{spec.name}" has a first dimension of {spec.shape[0]}, not a dynamic one',
                where=where,
                hint="export the model with a dynamic batch",
            )


def _key(source: Path, options: CompileOptions) -> str:
    """What tells a conversion from others: the file as it is now, and the options."""
    state = source.stat() if source.is_file() else None
    known = (
        __version__,
        str(source.resolve()),
        None if state is None else (state.st_size, state.st_mtime_ns),
        options.optimization_level,
        options.dynamic_batch,
    )
    return blake2b(repr(known).encode(), digest_size=16).hexdigest()
