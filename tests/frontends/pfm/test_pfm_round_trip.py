"""What is written as `.pfm` reads back as it was, and writes again as the same bytes."""

from __future__ import annotations

import io
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from random_graphs import Graph, graphs
from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, FloatAttr, ModuleOp, StringAttr, f64

from pyflame_rt import dtypes, module_files
from pyflame_rt.dialects.pfrt.attributes import WeightAttr
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.errors import MissingWeightsError, PyFlameRTError
from pyflame_rt.frontends.pfm import PfmFile, dump_pfm, read_pfm
from pyflame_rt.frontends.pfm.layout import Feature, Section
from pyflame_rt.universe import make_context
from pyflame_rt.weights import Weight

ROOT = Path(__file__).resolve().parents[3]
LIT_FILES = sorted(
    path for path in (ROOT / "lit_tests").rglob("*.mlir") if "Output" not in path.parts
)


def dumped(module: ModuleOp, **options: bool) -> bytes:
    """The bytes of a module's file."""
    stream = io.BytesIO()
    dump_pfm(module, stream, **options)
    return stream.getvalue()


def round_trip(module: ModuleOp, ctx: Context | None = None) -> ModuleOp:
    """The module that is read back, which is the same in its text and its bytes."""
    data = dumped(module)
    again = read_pfm(data, ctx or make_context(), verify=True)
    assert module_files.to_text(again) == module_files.to_text(module)
    assert dumped(again) == data
    return again


def parsed(text: str) -> ModuleOp:
    return module_files.parse(text, make_context(), "m.mlir")


@pytest.mark.parametrize("part", range(4))
def test_every_module_of_the_lit_tests(part: int):
    """Every op in every form, subgraphs, containers, plans, lowered modules."""
    count = 0
    for path in LIT_FILES[part::4]:
        for chunk in path.read_text(encoding="utf-8").split("// -----"):
            try:
                module = parsed(chunk)
            except PyFlameRTError:
                continue
            try:
                round_trip(module)
                count += 1
            except MissingWeightsError:
                continue
            except PyFlameRTError as error:
                assert "a .pfm file cannot hold" in str(error)
    assert count > 150


def test_random_graphs():
    """Symbolic dimensions, regions in each other, weights, names, in all combinations."""

    @seed(7)
    @settings(
        max_examples=100,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(graphs())
    def run(graph: Graph) -> None:
        round_trip(graph.module)

    run()


ATTRIBUTES = """\
builtin.module attributes {
  arrays = [array<i1: true>, array<i8: 1, -1>, array<f32: 1.0, -0.0>, array<i64>, array<ui64: 18446744073709551615>],
  dense = [dense<[1, 2]> : tensor<2xi64>, dense<-0.0> : tensor<3xf16>, dense<true> : tensor<2xi1>],
  dictionary = {z = 1 : i64, a = {}, "with space" = unit},
  floats = [0.0 : f32, -0.0 : f32, 0x7FC00001 : f32, 0xFF800000 : f32, 1.5 : bf16, 1.0e-300 : f64],
  integers = [-128 : i8, 255 : ui8, 9223372036854775807 : i64, 18446744073709551615 : ui64, true, 3 : index],
  maps = [affine_map<(d0, d1)[s0] -> (d1 + s0, d0 floordiv 2)>, affine_set<(d0) : (d0 - 1 >= 0)>],
  none = none,
  strings = ["", "\\00", "\\22quoted\\22", "日本"],
  symbols = [@a, @a::@b],
  types = [i32, ui4, f8E4M3FN, index, none, complex<f32>, tuple<i1, f64>, (i32) -> (), vector<2x3xf32>,
           tensor<?x2xf32>, tensor<*xf32>, tensor<f64>, memref<2x?xf32>,
           memref<4xf32, strided<[2], offset: ?>>, !pfrt.string,
           !pfrt.sequence<tensor<?xf32>>, !pfrt.optional<tensor<2xi64>>, !pfrt.map<i64, f32>]
} {
  func.func private @declared(f32) -> f32
  func.func @main() -> tensor<2x!pfrt.string> {
    %texts = pfrt.constant #pfrt.strings<[2], ["yes", "né\\00"]> as "texts" : tensor<2x!pfrt.string> loc("a"("m.onnx":3:0))
    func.return %texts : tensor<2x!pfrt.string> loc(fused["a", "b"])
  } loc(callsite("f" at "m.py":1:2))
}
"""


def test_every_kind_of_attribute():
    """Bits of floats, order of dictionaries, types of every dialect, locations of every kind."""
    file = PfmFile.open(dumped(round_trip(parsed(ATTRIBUTES))))
    assert file.features == Feature.TEXT


def test_equal_attributes_that_differ_stay_apart():
    """0.0 equals -0.0 for Python, and any two lists of value names are equal for us."""
    module = ModuleOp([])
    module.attributes["a"] = FloatAttr(0.0, f64)
    module.attributes["b"] = FloatAttr(-0.0, f64)
    module.attributes["c"] = FloatAttr(float("nan"), f64)
    again = round_trip(module)
    assert str(again.attributes["a"]) != str(again.attributes["b"])


@pytest.mark.parametrize("row", dtypes.table(), ids=lambda row: row.mlir)
def test_weights_of_every_type(row: dtypes.DTypeRow):
    """Every bit of every element, packed ones in odd numbers too, empty ones and scalars."""
    generator = np.random.default_rng(3)
    module = ModuleOp([])
    for shape in ((1500,), (3, 0, 2), (), (7, 5)):
        array = generator.integers(-9, 9, shape).astype(np.float32).astype(row.numpy)
        module.body.block.add_op(
            ConstantOp.of(WeightAttr(Weight(array)), ConstantOp.get(array).result.type)
        )
    data = dumped(round_trip(module))
    file = PfmFile.open(data)
    assert bool(file.features & Feature.PACKED) == (
        row.mlir in ("i4", "ui4", "i2", "ui2", "f4E2M1FN")
    )
    for entry, op in zip(file.tensors, module.body.block.ops, strict=True):
        found = entry.array(file.file, file.header.data_offset)
        expected = op.properties["value"].data.array
        assert found.dtype == expected.dtype and found.shape == expected.shape
        assert found.tobytes() == expected.tobytes()
        assert not found.flags.writeable


def test_packed_elements_lie_lowest_first():
    """As in ONNX files."""
    array = np.array([1, -2, 7], ml_dtypes.int4)
    module = ModuleOp([ConstantOp.of(WeightAttr(Weight(array)), ConstantOp.get(array).result.type)])
    assert dumped(module)[-2:] == bytes([0xE1, 0x07])


def test_equal_weights_are_held_once():
    """By their content, so that the bytes do not depend on who shares objects with whom."""
    values = np.arange(2000, dtype=np.float32)
    one, other = Weight(values), Weight(values.copy())
    kind = ConstantOp.get(values).result.type
    apart = ModuleOp([ConstantOp.of(WeightAttr(w), kind) for w in (one, other)])
    shared = ModuleOp([ConstantOp.of(WeightAttr(one), kind) for _ in range(2)])
    assert dumped(apart) == dumped(shared)
    file = PfmFile.open(dumped(apart))
    assert len(file.tensors) == 1
    first, second = file.module(make_context()).body.block.ops
    assert first.properties["value"].data is second.properties["value"].data


def test_weights_without_values_cannot_be_written(tmp_path: Path):
    text = """func.func @main() -> tensor<2000xf32> {
      %w = pfrt.constant #pfrt.weight<"8c0d2b"> as "w" : tensor<2000xf32>
      func.return %w : tensor<2000xf32>
    }"""
    path = tmp_path / "m.pfm"
    path.write_bytes(b"before")
    with pytest.raises(MissingWeightsError, match="give the side file with --weights"):
        module_files.save(parsed(text), path)
    assert path.read_bytes() == b"before" and len(list(tmp_path.iterdir())) == 1


def test_locations_and_value_names_are_sections():
    """A file without them is the same model."""
    text = """func.func @main(%image: tensor<2xf32>) -> tensor<2xf32> {
      %out = pfrt.relu %image : tensor<2xf32> -> tensor<2xf32> loc("n"("m.onnx":1:0))
      func.return %out : tensor<2xf32>
    }"""
    module = parsed(text)
    assert set(PfmFile.open(dumped(module)).sections) == set(Section)
    plain = PfmFile.open(dumped(module, locations=False))
    assert set(plain.sections) == {Section.VALUE_NAMES}
    again = module_files.to_text(plain.module(make_context()))
    assert again == module_files.to_text(module, locations=False)
    assert b"m.onnx" not in dumped(module, locations=False)


def test_unregistered_operations():
    """They are held under their own names, and need a context that takes them."""
    ctx = make_context(allow_unregistered=True)
    module = module_files.parse(
        """func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
          %y = "acme.scale"(%x) {factor = 2.0 : f32, kind = #acme.kind<fast>} : (tensor<2xf32>) -> tensor<2xf32>
          func.return %y : tensor<2xf32>
        }""",
        ctx,
        "m.mlir",
    )
    round_trip(module, make_context(allow_unregistered=True))
    with pytest.raises(PyFlameRTError, match="acme"):
        read_pfm(dumped(module), make_context())


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (
            """func.func @f(%c: i1) {
              cf.cond_br %c, ^a, ^b
            ^a:
              func.return
            ^b:
              func.return
            }""",
            "func.func: a .pfm file cannot hold several blocks",
        ),
        (
            """func.func @f() -> tensor<2xf32> {
              %1 = pfrt.relu %0 : tensor<2xf32> -> tensor<2xf32>
              %0 = pfrt.relu %1 : tensor<2xf32> -> tensor<2xf32>
              func.return %1 : tensor<2xf32>
            }""",
            "pfrt.relu: a .pfm file cannot hold a value that is not defined before it",
        ),
    ],
)
def test_what_a_file_cannot_hold(text: str, what: str):
    with pytest.raises(PyFlameRTError, match=what):
        dumped(parsed(text))


def test_texts_that_are_not_unicode_cannot_be_written():
    module = ModuleOp([])
    module.attributes["a"] = StringAttr("\ud800")
    with pytest.raises(PyFlameRTError, match="is not Unicode"):
        dumped(module)


def test_names_have_a_limit():
    """Inputs and symbols have names that somebody must be able to type."""
    text = f"""func.func @main(%x: tensor<2xf32> {{pfrt.name = "{"x" * 5000}"}}) -> tensor<2xf32> {{
      func.return %x : tensor<2xf32>
    }}"""
    with pytest.raises(PyFlameRTError, match="of 5000 bytes is over the limit of 4096"):
        dumped(parsed(text))


def test_nesting_has_a_limit():
    attribute = StringAttr("a")
    module = ModuleOp([])
    for _ in range(100):
        attribute = ArrayAttr([attribute])
    module.attributes["a"] = attribute
    with pytest.raises(PyFlameRTError, match="attributes are nested more than 64 deep"):
        dumped(module)
