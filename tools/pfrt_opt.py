"""`pfrt-opt`: read a model or IR, run a pass pipeline, print or write the result."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn, cast

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import ShrinkException
from xdsl.utils.target import Target
from xdsl.xdsl_opt_main import xDSLOptMain

from pyflame_rt import (
    __version__,
    module_files,
    pass_options,
    pipeline_syntax,
    pipelines,
    reproducer,
)
from pyflame_rt.binary_targets import BinaryTarget, target_for
from pyflame_rt.errors import InvalidModelError, ModelNotFoundError, PyFlameRTError, ValidationError
from pyflame_rt.ir_text import IRTarget
from pyflame_rt.tools.command import (
    FAILURE,
    PLUGIN_HELP,
    PLUGIN_OPTION,
    UsageError,
    guarded,
    load_plugins,
)
from pyflame_rt.universe import all_dialects, multiverse

if TYPE_CHECKING:
    from pyflame_rt.dialects.pfrt.attributes import WeightAttr
    from pyflame_rt.pass_statistics import CostTable

PROGRAM = "pfrt-opt"
SPLIT = "// -----"

_WRITE_IR = "write to a .mlir file"
_BY_EXTENSION = f"{IRTarget.name}{{}}"
"""The target when there is no -t: IR text, unless the output file's extension says more. It is
spelled as nobody would, to be told apart from `-t mlir`."""


@dataclass(frozen=True)
class Chunk:
    """A piece of the input; `data` is None for a file that is read as a whole."""

    name: str
    data: bytes | None
    line_offset: int = 0


class PfrtOptMain(xDSLOptMain):
    """xDSL's optimizer driver with models as input, weights, dumps, and one-line errors."""

    version_format = f"{PROGRAM} {__version__} (xdsl {{xdsl_version}})"
    table: CostTable | None = None
    """What `--stats` prints."""

    def register_all_dialects(self) -> None:
        for name, factory in all_dialects().items():
            self.ctx.register_dialect(name, factory)

    def register_all_passes(self) -> None:
        self.available_passes.update(multiverse().all_passes)

    def register_all_targets(self) -> None:
        self.available_targets.update(multiverse().all_targets)
        self.available_targets[IRTarget.name] = lambda: IRTarget

    def register_all_frontends(self) -> None:
        for suffix in module_files.loaders():
            self.available_frontends[suffix.removeprefix(".")] = _unused_frontend

    def register_all_arguments(self, arg_parser: argparse.ArgumentParser) -> None:
        super().register_all_arguments(arg_parser)
        arg_parser.prog = PROGRAM
        setattr(arg_parser, "error", _usage_error)  # noqa: B010
        arg_parser.set_defaults(target=_BY_EXTENSION)
        arg_parser.add_argument(
            PLUGIN_OPTION, metavar="FILE.py|NAME", action="append", help=PLUGIN_HELP
        )
        arg_parser.add_argument(
            "--weights", metavar="FILE", help="weights side file for IR that names weights"
        )
        arg_parser.add_argument(
            "--dump-ir", metavar="DIR", help="write the IR before and after each pass to a folder"
        )
        arg_parser.add_argument(
            "--stats",
            action="store_true",
            help="print ops, flops, bytes and parameters before and after each pass, to stderr",
        )
        arg_parser.add_argument(
            "--explain", action="store_true", help="say on stderr what passes turned down, and why"
        )
        arg_parser.add_argument(
            "--print-ir-diff", action="store_true", help="print what each pass changes, as a diff"
        )
        arg_parser.add_argument(
            "--reproducer",
            metavar="FILE.mlir",
            help="write the input with its weights and the pipeline, before running it",
        )
        arg_parser.add_argument(
            "--partition",
            metavar="PLAN.json",
            help="spread the model over devices as a plan says, before the pipeline runs",
        )
        arg_parser.add_argument(
            "--ranges",
            metavar="FILE.json",
            help="record the ranges that `pfrt-run --calibrate` wrote, before pfrt-quantize runs",
        )
        arg_parser.add_argument(
            "--run-reproducer",
            action="store_true",
            help="run the pipeline that the input's first line holds",
        )

    def setup_pipeline(self) -> None:
        args = self.args
        if args.run_reproducer:
            if args.passes or args.input_file is None:
                raise UsageError("--run-reproducer takes a file and no pipeline")
            args.passes = reproducer.pipeline_of(args.input_file)
        if args.reproducer and args.split_input_file:
            raise UsageError("--reproducer and --split-input-file do not go together")
        if args.output_file == "-":
            args.output_file = None
        if args.reproducer and not module_files.is_for_text(args.reproducer):
            raise UsageError("not a name for text", where=args.reproducer, hint=_WRITE_IR)
        if args.partition:
            from pyflame_rt.partition.replay import pipeline_of

            args.passes = ",".join(filter(None, (pipeline_of(args.partition), args.passes)))
        self.passes = pipelines.parse(args.passes, self.available_passes)
        if args.ranges:
            self.passes = _with_ranges(self.passes, args.ranges)
        self.target = self._make_target()
        self._check_output()

    def run(self) -> None:
        """Process the input chunk by chunk. Raises PyFlameRTError."""
        if self.args.weights is not None:
            module_files.load_weights(self.args.weights, self.ctx)
        if isinstance(self.target, BinaryTarget):
            (chunk,) = self.chunks()
            self.write_model(self.processed(chunk, 0), self.target)
            return
        texts: list[str] = []
        weights: list[WeightAttr] = []
        for index, chunk in enumerate(self.chunks()):
            text = f"{SPLIT}\n" if index else ""
            try:
                module = self.processed(chunk, index)
                text += self.printed(module)
                if self.writes_ir:
                    weights.extend(module_files.used_weights(module))
            except PyFlameRTError as error:
                if not self.is_expected(error):
                    raise
                print(f"{text}{error}")
                continue
            if self.args.output_file is None:
                sys.stdout.write(text)
                sys.stdout.flush()
            texts.append(text)
        if self.args.output_file is not None:
            module_files.write(self.args.output_file, "".join(texts), weights)

    def write_model(self, module: ModuleOp, target: BinaryTarget) -> None:
        """Write a module as a model file, or to standard output. Raises PyFlameRTError."""
        if self.args.output_file is None:
            target.emit(self.ctx, module, sys.stdout)
        else:
            target.save(module, Path(self.args.output_file))

    @property
    def writes_ir(self) -> bool:
        """Whether the output is a file of IR, which carries locations and has a side file."""
        return self.args.output_file is not None and isinstance(self.target, IRTarget)

    def is_expected(self, error: PyFlameRTError) -> bool:
        """Whether the user asked for errors of this kind to be printed as results."""
        if isinstance(error, InvalidModelError) and self.args.parsing_diagnostics:
            return True
        return self.args.verify_diagnostics

    @property
    def format(self) -> str:
        """The input's format: `--frontend`, else its extension; IR on stdin."""
        if self.args.frontend is not None:
            return self.args.frontend
        return "mlir" if self.is_stdin else Path(self.args.input_file).suffix[1:].lower()

    @property
    def is_stdin(self) -> bool:
        """Whether the input is standard input."""
        return self.args.input_file in (None, "-")

    def chunks(self) -> Iterator[Chunk]:
        """The pieces of the input: one, or those that `// -----` lines separate."""
        name = "stdin" if self.is_stdin else str(self.args.input_file)
        data = sys.stdin.buffer.read() if self.is_stdin else None
        if not self.args.split_input_file:
            yield Chunk(name, data)
            return
        if self.format != "mlir":
            raise UsageError("--split-input-file is for .mlir files")
        line = 0
        for piece in (_read(name) if data is None else data).split(SPLIT.encode()):
            yield Chunk(name, piece, line)
            line += piece.count(b"\n")

    def processed(self, chunk: Chunk, index: int) -> ModuleOp:
        """The module of a chunk after all passes."""
        args = self.args
        module = self.parsed(chunk)
        if not args.disable_verify:
            try:
                pipelines.verify_module(module)
            except ValidationError as error:
                where = chunk.name if error.where is None else f"{chunk.name}: {error.where}"
                raise ValidationError(error.message, where=where) from error
        if args.reproducer is not None:
            reproducer.save(module, args.reproducer, pipelines.to_text(self.passes))
        with _explaining(args.explain) as observers:
            pipelines.run(
                self.ctx,
                module,
                self.passes,
                self.observer(module, index, observers),
                verify_each=not args.disable_verify,
            )
        if self.table is not None:
            print(self.table, file=sys.stderr)
        return module

    def parsed(self, chunk: Chunk) -> ModuleOp:
        """The module of a chunk, by the input's extension or `--frontend`."""
        if self.format != "mlir":
            if chunk.data is None:
                return module_files.load(chunk.name, self.ctx, format=self.format)
            return module_files.load_bytes(chunk.data, chunk.name, self.ctx)
        if not self.is_stdin:
            module_files.load_weights_beside(chunk.name, self.ctx)
        return module_files.parse(
            _read(chunk.name) if chunk.data is None else chunk.data,
            self.ctx,
            chunk.name,
            line_offset=chunk.line_offset,
            implicit_module=not self.args.no_implicit_module,
        )

    def observer(
        self, module: ModuleOp, index: int, observers: list[pipelines.AfterPass]
    ) -> pipelines.AfterPass:
        """What happens after each pass, besides what is in `observers`: dumps, timing, printing."""
        args = self.args
        if args.stats:
            from pyflame_rt.pass_statistics import CostTable

            self.table = CostTable(module)
            observers.append(self.table)
        if args.print_ir_diff:
            observers.append(_diff_printer(module))
        if args.time_passes:
            observers.append(_Timer())
        if args.dump_ir is not None:
            from pyflame_rt.ir_dump import IRDump

            folder = Path(args.dump_ir)
            dump = IRDump(folder / f"split_{index}" if args.split_input_file else folder)
            dump.input(module)
            observers.append(dump.after)
        if args.print_between_passes:
            observers.append(_print_after)

        def after(instance: ModulePass, module: ModuleOp) -> None:
            for observer in observers:
                observer(instance, module)

        return after

    def printed(self, module: ModuleOp) -> str:
        """The module in the form of the chosen target."""
        if self.target is None:
            return self.output_resulting_program(module)
        target = self.target
        if isinstance(target, IRTarget):
            locations = self.writes_ir and module_files.has_locations(module)
            target = replace(target, print_debuginfo=target.print_debuginfo or locations)
        output = StringIO()
        try:
            target.emit(self.ctx, module, output)
        except PyFlameRTError:
            raise
        except Exception as error:
            raise PyFlameRTError(
                f"cannot print the module: {pipelines.one_line(error)}",
                where=f"target {target.name}",
            ) from None
        return output.getvalue().rstrip("\n") + "\n"

    def _check_output(self) -> None:
        """Refuse a file whose name is that of another format than the target's."""
        path, target = self.args.output_file, self.target
        if isinstance(target, BinaryTarget):
            if self.args.split_input_file:
                raise UsageError(f"--split-input-file and -t {target.name} do not go together")
            suffix = "" if path is None else Path(path).suffix.lower()
            if suffix != target.extension and suffix in (*module_files.loaders(), ".weights"):
                hint = f"write to a {target.extension} file"
                raise UsageError(f"not a name for {target.name}", where=path, hint=hint)
        elif path is not None and not module_files.is_for_text(path):
            raise UsageError("not a name for text", where=path, hint=_WRITE_IR)

    def _make_target(self) -> Target | None:
        args = self.args
        if args.target == _BY_EXTENSION and args.output_file is not None:
            target = target_for(args.output_file)
            if target is not None:
                return target
        spec, *more = pipeline_syntax.read(args.target)
        if more:
            raise UsageError(f'-t takes one target, got "{args.target}"')
        factory = self.available_targets[spec.name]
        if factory.__code__.co_argcount:
            return None
        try:
            kind = cast(Callable[[], type[Target]], factory)()
        except ImportError as error:
            raise UsageError(
                f"cannot be loaded: {error}", where=f"target {spec.name}", hint="install it"
            ) from error
        target = pass_options.build(kind, spec.options)
        if not isinstance(target, IRTarget):
            return target
        return replace(
            target,
            print_generic_format=target.print_generic_format or args.print_op_generic,
            print_properties_as_attributes=(
                target.print_properties_as_attributes or args.print_no_properties
            ),
            print_debuginfo=target.print_debuginfo or args.print_debuginfo,
            syntax_highlight=target.syntax_highlight or args.syntax_highlight,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; the exit code: 0 fine, 1 bad input or a failed pass, 2 a wrong command line."""
    return guarded(PROGRAM, lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    load_plugins(arguments)
    tool = PfrtOptMain(f"{PROGRAM}: run passes on models and IR", arguments)
    try:
        tool.run()
    except PyFlameRTError as error:
        if not tool.args.shrink or not isinstance(error.__cause__, ShrinkException):
            raise
        print("Success, can shrink")
        return 0
    if tool.args.shrink:
        print("Failure, can't shrink")
        return FAILURE
    return 0


def _with_ranges(passes: tuple[ModulePass, ...], path: str) -> tuple[ModulePass, ...]:
    """Passes with the one that records ranges before the one that asks for them, else as the first."""
    from pyflame_rt.passes.quantization.pfrt_record_ranges import PfrtRecordRangesPass

    names = [instance.name for instance in passes]
    index = names.index("pfrt-quantize") if "pfrt-quantize" in names else 0
    return (*passes[:index], PfrtRecordRangesPass(path), *passes[index:])


class _Timer:
    def __init__(self) -> None:
        self.start = time.perf_counter()

    def __call__(self, instance: ModulePass, module: ModuleOp) -> None:
        elapsed = time.perf_counter() - self.start
        print(f"{PROGRAM}: {instance.name}: {elapsed * 1e3:.1f} ms", file=sys.stderr)
        self.start = time.perf_counter()


def _print_after(instance: ModulePass, module: ModuleOp) -> None:
    print(f"IR after {instance.name}:\n{module_files.to_text(module, locations=False)}\n")


@contextmanager
def _explaining(wanted: bool) -> Generator[list[pipelines.AfterPass]]:
    if not wanted:
        yield []
        return
    from pyflame_rt.dialects.rewriting import explaining
    from pyflame_rt.pass_statistics import refusals

    with explaining() as explanation:

        def after(instance: ModulePass, module: ModuleOp) -> None:
            for line in refusals(instance.name, explanation):
                print(f"{PROGRAM}: {line}", file=sys.stderr)

        yield [after]


def _diff_printer(module: ModuleOp) -> pipelines.AfterPass:
    from pyflame_rt.ir_diff import IRDiff

    diff = IRDiff(module)
    return lambda instance, module: print(diff.after(instance, module), end="")


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        why = "no such file" if isinstance(error, FileNotFoundError) else error.strerror
        raise ModelNotFoundError(f"{why}".lower(), where=path, hint="check the path") from error


def _usage_error(message: str) -> NoReturn:
    raise UsageError(message, hint=f"{PROGRAM} --help explains the options")


def _unused_frontend(stream: IO[bytes]) -> ModuleOp:
    raise NotImplementedError("inputs are read by module_files")


if __name__ == "__main__":
    sys.exit(main())
