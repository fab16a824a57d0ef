"""IR files: what is written reads back, weights come along, bad files fail in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from xdsl.dialects.func import FuncOp

import pyflame_rt as rt
from pyflame_rt import module_files, pipelines, reproducer
from pyflame_rt.compiler import compile_module
from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.errors import (
    InvalidModelError,
    ModelNotFoundError,
    PyFlameRTError,
    UnsupportedFormatError,
)
from pyflame_rt.tools import pfrt_opt
from pyflame_rt.universe import make_context
from pyflame_rt.weights import Weight, read_side_file, write_side_file

MODEL = """\
builtin.module attributes {pfrt.model = {graph_name = "gé \\0A", version = 7 : i64}} {
  func.func @main(%x: tensor<?x4xf32> {pfrt.name = "images", pfrt.dims = ["N", ""]} loc(unknown)) \
-> (tensor<?x4xf32> {pfrt.name = "y", pfrt.dims = ["N", ""]}) {
    %0 = pfrt.relu %x as "layer/1:0 \\22é\\22" : tensor<?x4xf32> -> tensor<?x4xf32> \
loc("conv \\22a\\22"("model.onnx":12:0))
    func.return %0 : tensor<?x4xf32> loc(unknown)
  } loc(unknown)
} loc(unknown)
"""

VALUES = np.arange(2000, dtype=np.float32)
DIGEST = Weight(VALUES).digest
WITH_WEIGHT = f"""\
builtin.module {{
  func.func @main() -> tensor<2000xf32> {{
    %w = pfrt.constant #pfrt.weight<"{DIGEST}"> as "w" : tensor<2000xf32>
    func.return %w : tensor<2000xf32>
  }}
}}
"""


def load_text(text: str):
    return module_files.parse(text, make_context(), "m.mlir")


def test_text_reads_back_to_the_same_text():
    """Names, dimension names, module attributes and locations survive."""
    once = module_files.to_text(load_text(MODEL))
    assert module_files.to_text(load_text(once)) == once
    for part in ('"images"', '["N", ""]', "version = 7", '"model.onnx":12:0', "layer/1:0"):
        assert part in once


def test_locations_are_printed_only_where_there_are_some():
    module = load_text(MODEL)
    assert "loc(" not in module_files.to_text(module, locations=False)
    plain = load_text(module_files.to_text(module, locations=False))
    assert "loc(" not in module_files.to_text(plain)


def test_saving_and_loading_gives_the_same_module(tmp_path: Path):
    write_side_file(tmp_path / "m.weights", [Weight(VALUES)])
    (tmp_path / "m.mlir").write_text(WITH_WEIGHT)
    ctx = make_context()
    module = module_files.load(tmp_path / "m.mlir", ctx)
    pipelines.verify_module(module)
    module_files.save(module, tmp_path / "again.mlir")
    again = module_files.load(tmp_path / "again.mlir", make_context())
    assert module_files.to_text(again) == module_files.to_text(module) == WITH_WEIGHT
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        *("again.mlir", "again.weights", "m.mlir", "m.weights"),
    ]
    function = next(op for op in again.ops if isinstance(op, FuncOp))
    constant = function.body.block.first_op
    assert constant is not None
    np.testing.assert_array_equal(constant_of(constant.results[0]), VALUES)


def test_a_module_saved_over_itself_keeps_its_weights(tmp_path: Path):
    path = tmp_path / "m.mlir"
    write_side_file(path.with_suffix(".weights"), [Weight(VALUES), Weight(VALUES[:7])])
    path.write_text(WITH_WEIGHT)
    module_files.save(module_files.load(path, make_context()), path)
    assert path.read_text() == WITH_WEIGHT
    assert list(read_side_file(path.with_suffix(".weights"))) == [DIGEST]


def test_weights_can_be_named(tmp_path: Path):
    write_side_file(tmp_path / "elsewhere", [Weight(VALUES)])
    (tmp_path / "m.mlir").write_text(WITH_WEIGHT)
    module = module_files.load(tmp_path / "m.mlir", make_context(), tmp_path / "elsewhere")
    assert next(module_files.used_weights(module)).data.is_present


def test_ir_without_its_weights_still_loads_and_saves(tmp_path: Path):
    (tmp_path / "m.mlir").write_text(WITH_WEIGHT)
    module = module_files.load(tmp_path / "m.mlir", make_context())
    pipelines.verify_module(module)
    module_files.save(module, tmp_path / "again.mlir")
    assert not (tmp_path / "again.weights").exists()


def test_a_failed_save_changes_neither_file(tmp_path: Path):
    """The old IR must not lose the weights it names."""
    path = tmp_path / "m.mlir"
    path.write_text("old")
    path.with_suffix(".weights").mkdir()
    module = load_text(WITH_WEIGHT)
    attr = next(module_files.used_weights(module))
    attr.data.__init__(VALUES)
    with pytest.raises(PyFlameRTError, match=r"m\.weights: cannot write"):
        module_files.save(module, path)
    assert path.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.mlir", "m.weights"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "m.mlir: is empty"),
        (b"\xff\xfe", "m.mlir: is not UTF-8 text"),
        ("func.func @main( {", "m.mlir:1:"),
        ("\n  nope.op", "m.mlir:2:3: there is no operation nope.op"),
        ("func.func @f() {\n  pfrt.nope\n}", "m.mlir:2:3: there is no operation pfrt.nope"),
        (
            "func.func @f(%x: tensor<2xf32>) {\n"
            "  %y = pfrt.relu %z : tensor<2xf32> -> tensor<2xf32>\n  func.return\n}",
            "values used but not defined: [%z]",
        ),
        ("func.func @f() {\n  pfrt.rel\n}", "no operation pfrt.rel; did you mean pfrt.relu?"),
        ("[" * 100_000, "m.mlir:1:"),
        ('func.func @f() attributes {a = "' + "a" * 100_000, "m.mlir:1:"),
        ("func.func @f() { func.return } loc(" + '"a"(' * 5000, "m.mlir:1:"),
        ("func.func @f(%x: tensor<2xf32, #pfrt.weight<3>>)", "m.mlir:1:"),
    ],
)
def test_text_that_is_no_ir_fails_with_file_line_and_column(text: str | bytes, message: str):
    with pytest.raises(InvalidModelError) as caught:
        module_files.parse(text, make_context(), "m.mlir")
    assert message in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "text",
    [
        '"' + "n" * 100_000 + '"()',
        'func.func @f(%x: tensor<2xf32>) {\n  %y = pfrt.pad %x {pads = array<i64: 0, 0>, mode = "'
        + "n" * 100_000
        + '"} '
        ": tensor<2xf32> -> tensor<2xf32>\n  func.return\n}",
    ],
)
def test_messages_leave_out_the_middle_of_what_nobody_reads(text: str):
    with pytest.raises(PyFlameRTError) as caught:
        pipelines.verify_module(module_files.parse(text, make_context(), "m.mlir"))
    assert "nnn … nnn" in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_lines_count_from_the_start_of_a_split_file():
    with pytest.raises(InvalidModelError, match=r"m\.mlir:12:1: "):
        module_files.parse("\nnope", make_context(), "m.mlir", line_offset=10)


def test_unknown_extensions_name_the_known_ones(tmp_path: Path):
    with pytest.raises(UnsupportedFormatError, match=r'no frontend reads "\.h5".*\.mlir, \.onnx'):
        module_files.load(tmp_path / "m.h5", make_context())


@pytest.mark.parametrize("name", ["m.mlir", "m.onnx", "m.onnxtxt"])
def test_a_missing_file_is_not_found(tmp_path: Path, name: str):
    with pytest.raises(ModelNotFoundError, match=f"{name}: no such file"):
        module_files.load(tmp_path / name, make_context())


def test_a_folder_is_no_model(tmp_path: Path):
    (tmp_path / "m.mlir").mkdir()
    with pytest.raises(ModelNotFoundError, match="is a directory"):
        module_files.load(tmp_path / "m.mlir", make_context())


def test_a_bad_side_file_is_named(tmp_path: Path):
    (tmp_path / "m.mlir").write_text(WITH_WEIGHT)
    (tmp_path / "m.weights").write_bytes(b"\xff" * 20)
    with pytest.raises(InvalidModelError, match=r"m\.weights: "):
        module_files.load(tmp_path / "m.mlir", make_context())


def test_a_reproducer_holds_module_and_pipeline(tmp_path: Path):
    path = tmp_path / "r.mlir"
    pipeline = 'pfrt-specialize-shapes{dims="it\'s",N=4}'
    module = load_text(MODEL)
    reproducer.save(module, path, pipeline)
    assert path.read_text().startswith("// RUN: pfrt-opt %s -p ")
    assert reproducer.pipeline_of(path) == pipeline
    again = module_files.load(path, make_context())
    assert module_files.to_text(again) == module_files.to_text(module)


@pytest.mark.parametrize("text", ["", "func.func @f()", "// RUN: pfrt-opt %s -p 'a", "\0"])
def test_what_is_no_reproducer_is_said_to_be_none(tmp_path: Path, text: str):
    (tmp_path / "r.mlir").write_text(text)
    with pytest.raises(InvalidModelError, match="not a reproducer"):
        reproducer.pipeline_of(tmp_path / "r.mlir")


@pytest.mark.parametrize("generic", [False, True])
def test_constants_of_every_op_keep_their_bits(tmp_path: Path, generic: bool) -> None:
    """Floats that xDSL prints as the digits of their bits, and sub-byte integers, read back."""
    source = tmp_path / "source.mlir"
    source.write_text(
        """func.func @main() -> (tensor<2xf32>, tensor<3xf32>, tensor<2xi4>, tensor<2xi1>) {
          %a = pfrt.constant dense<"0x000080FF0000807F"> : tensor<2xf32>
          %b = pfrt.constant_of_shape {shape = array<i64: 3>, value = dense<1.23456792e+08> : tensor<1xf32>} : () -> tensor<3xf32>
          %c = pfrt.constant dense<[-8, 7]> : tensor<2xi4>
          %d = pfrt.constant dense<[true, false]> : tensor<2xi1>
          func.return %a, %b, %c, %d : tensor<2xf32>, tensor<3xf32>, tensor<2xi4>, tensor<2xi1>
        }"""
    )
    ctx = make_context()
    module = module_files.load(source, ctx)
    expected = compile_module(module, ctx, "reference", "").run([])
    flags = ["--print-op-generic"] if generic else []
    for pipeline in ("", "convert-pfrt-to-plan"):
        text = tmp_path / f"text{len(pipeline)}.mlir"
        pfrt_opt.main([str(source), *flags, "-p", pipeline, "-o", str(text)])
        printed = module_files.load(text, ctx)
        backend = "numpy" if pipeline else "reference"
        actual = compile_module(printed, ctx, backend, "").run([])
        for ours, theirs in zip(actual, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        again = tmp_path / "again.mlir"
        pfrt_opt.main([str(text), *flags, "-o", str(again)])
        assert again.read_text() == text.read_text()


@pytest.mark.parametrize("load", [rt.load_model, rt.InferenceSession])
def test_a_main_function_that_is_only_declared(load, tmp_path: Path):
    """There is no body to look into, and no place or remedy to tell of."""
    path = tmp_path / "m.mlir"
    path.write_text("func.func private @main(tensor<4xf32>) -> tensor<4xf32>\n")
    with pytest.raises(PyFlameRTError, match="function @main has no body"):
        load(path)


def test_a_main_function_with_branches_is_no_graph(tmp_path: Path):
    """Blocks in any order are no list of nodes; that is said, not stumbled upon."""
    path = tmp_path / "m.mlir"
    path.write_text("""\
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  "cf.br"() [^end] : () -> ()
^end:
  func.return %x : tensor<4xf32>
}
""")
    with pytest.raises(PyFlameRTError, match="function @main has branches between blocks"):
        rt.load_model(path)
