"""The cleanup passes leave every bit as it was: NaN, infinities, -0.0, integers that wrap."""

from __future__ import annotations

import itertools
import time
import warnings

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt import module_files, pipelines
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.passes.cleanup.pfrt_fold_constants import PfrtFoldConstantsPass
from pyflame_rt.universe import make_context

ALL = (
    "pfrt-simplify-shapes,pfrt-fold-constants,pfrt-canonicalize,pfrt-simplify-movement,"
    "pfrt-simplify-algebra,pfrt-sink-transposes,pfrt-canonicalize,pfrt-dce"
)
SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, 0.1, -3.5, np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-45, -1e-45, 2e-38],
    np.float32,
)
CONSTANTS = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, -4.0, 3.0, 2.0**-149, 2.0**127, 2.0**-127)


def optimized(text: str, pipeline: str = ALL) -> tuple[ModuleOp, ModuleOp]:
    """A module as it is and after a pipeline."""
    ctx = make_context()
    before, after = (module_files.parse(text, ctx, "test") for _ in range(2))
    pipelines.run(ctx, after, pipelines.parse(pipeline), verify=True)
    return before, after


def run(module: ModuleOp, *arrays: np.ndarray) -> list[np.ndarray]:
    return ReferenceBackend().compile(module, "main").run(list(arrays))


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal down to the sign of zero; NaNs are NaNs."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind != "f":
        return bool((a == b).all())
    nan = np.isnan(a) & np.isnan(b)
    return bool((nan | ((a == b) & (np.signbit(a) == np.signbit(b)))).all())


@pytest.mark.parametrize(
    ("op", "constant"), tuple(itertools.product(("add", "sub", "mul", "div"), CONSTANTS))
)
@pytest.mark.parametrize("side", (0, 1))
@pytest.mark.parametrize("inner", ("neg", "abs", "relu", "exp"))
def test_arithmetic_with_constants(op: str, constant: float, side: int, inner: str) -> None:
    """What is left of x ∘ c and c ∘ x computes the same on every special value."""
    operands = ("%x, %c", "%c, %x")[side]
    types = ("tensor<14xf32>, tensor<f32>", "tensor<f32>, tensor<14xf32>")[side]
    before, after = optimized(f"""
    func.func @main(%a: tensor<14xf32>) -> (tensor<14xf32>, tensor<14xf32>) {{
      %c = pfrt.constant dense<{np.float32(constant):.17e}> : tensor<f32>
      %x = pfrt.{inner} %a : tensor<14xf32> -> tensor<14xf32>
      %y = pfrt.{op} {operands} : ({types}) -> tensor<14xf32>
      %z = pfrt.{inner} %y : tensor<14xf32> -> tensor<14xf32>
      func.return %y, %z : tensor<14xf32>, tensor<14xf32>
    }}""")
    for a, b in zip(run(before, SPECIAL), run(after, SPECIAL), strict=True):
        assert same_bits(a, b)


@pytest.mark.parametrize("dtype", ("i8", "ui8", "i64"))
@pytest.mark.parametrize(
    ("op", "inner"), tuple(itertools.product(("add", "sub", "mul", "div"), repeat=2))
)
def test_integers_wrap(dtype: str, op: str, inner: str) -> None:
    """Merged constants of integers overflow as they did one after the other."""
    kind = np.dtype({"i8": "int8", "ui8": "uint8", "i64": "int64"}[dtype])
    least, most = np.iinfo(kind).min, np.iinfo(kind).max
    x = np.array([least, least + 1, 0, 1, 7, most - 1, most], kind)
    for c, d in itertools.product((0, 1, 2, 100, most), repeat=2):
        before, after = optimized(f"""
        func.func @main(%x: tensor<7x{dtype}>) -> tensor<7x{dtype}> {{
          %c = pfrt.constant dense<{c}> : tensor<{dtype}>
          %d = pfrt.constant dense<{d}> : tensor<{dtype}>
          %y = pfrt.{inner} %x, %c : (tensor<7x{dtype}>, tensor<{dtype}>) -> tensor<7x{dtype}>
          %z = pfrt.{op} %y, %d : (tensor<7x{dtype}>, tensor<{dtype}>) -> tensor<7x{dtype}>
          func.return %z : tensor<7x{dtype}>
        }}""")
        assert same_bits(run(before, x)[0], run(after, x)[0])


@pytest.mark.parametrize("exponent", (0.5, 1.0, 2.0))
def test_powers(exponent: float) -> None:
    """Roots of what may be negative stay powers."""
    before, after = optimized(f"""
    func.func @main(%a: tensor<14xf32>) -> (tensor<14xf32>, tensor<14xf32>) {{
      %c = pfrt.constant dense<{exponent}> : tensor<f32>
      %b = pfrt.abs %a : tensor<14xf32> -> tensor<14xf32>
      %x = pfrt.pow %a, %c : (tensor<14xf32>, tensor<f32>) -> tensor<14xf32>
      %y = pfrt.pow %b, %c : (tensor<14xf32>, tensor<f32>) -> tensor<14xf32>
      func.return %x, %y : tensor<14xf32>, tensor<14xf32>
    }}""")
    for a, b in zip(run(before, SPECIAL), run(after, SPECIAL), strict=True):
        assert same_bits(a, b)


@pytest.mark.parametrize("sizes", ((2, 3), (1, 1), (0, 3), (2, 0)))
def test_sizes_of_zero(sizes: tuple[int, int]) -> None:
    """Vectors of sizes that become properties reshape empty tensors as before."""
    before, after = optimized("""
    func.func @main(%x: tensor<?x?x24xf32>) -> (tensor<?x?x?x?xf32>, tensor<?x?xf32>) {
      %s = pfrt.shape %x : tensor<?x?x24xf32> -> tensor<3xi64>
      %b = pfrt.slice %s {starts = array<i64: 0>, ends = array<i64: 2>} : tensor<3xi64> -> tensor<2xi64>
      %n = pfrt.slice %s {starts = array<i64: 0>, ends = array<i64: 1>} : tensor<3xi64> -> tensor<1xi64>
      %t = pfrt.slice %s {starts = array<i64: 1>, ends = array<i64: 2>} : tensor<3xi64> -> tensor<1xi64>
      %h = pfrt.constant dense<[3, 8]> : tensor<2xi64>
      %c = pfrt.constant dense<24> : tensor<1xi64>
      %v = pfrt.concat %b, %h {axis = 0 : i64} : (tensor<2xi64>, tensor<2xi64>) -> tensor<4xi64>
      %m = pfrt.mul %n, %t : (tensor<1xi64>, tensor<1xi64>) -> tensor<1xi64>
      %w = pfrt.concat %m, %c {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>) -> tensor<2xi64>
      %y = pfrt.reshape %x, %v {allowzero = true} : (tensor<?x?x24xf32>, tensor<4xi64>) -> tensor<?x?x?x?xf32>
      %z = pfrt.reshape %x, %w {allowzero = true} : (tensor<?x?x24xf32>, tensor<2xi64>) -> tensor<?x?xf32>
      func.return %y, %z : tensor<?x?x?x?xf32>, tensor<?x?xf32>
    }""")
    assert not [op for op in after.walk() if op.name in ("pfrt.shape", "pfrt.concat")]
    x = np.arange(sizes[0] * sizes[1] * 24, dtype=np.float32).reshape(*sizes, 24)
    for a, b in zip(run(before, x), run(after, x), strict=True):
        assert same_bits(a, b)


def chain(count: int) -> str:
    """A network of that many ops, of which every pass has something to do."""
    lines, value = [], "%x"
    for k in range(0, count, 10):
        lines += [
            f"%t{k} = pfrt.transpose {value} {{perm = array<i64: 0, 2, 1>}} : tensor<?x4x6xf32> -> tensor<?x6x4xf32>",
            f"%p{k} = pfrt.pow %t{k}, %c : (tensor<?x6x4xf32>, tensor<f32>) -> tensor<?x6x4xf32>",
            f"%q{k} = pfrt.div %p{k}, %c : (tensor<?x6x4xf32>, tensor<f32>) -> tensor<?x6x4xf32>",
            f"%u{k} = pfrt.transpose %q{k} {{perm = array<i64: 0, 2, 1>}} : tensor<?x6x4xf32> -> tensor<?x4x6xf32>",
            f"%s{k} = pfrt.shape %u{k} : tensor<?x4x6xf32> -> tensor<3xi64>",
            f"%g{k} = pfrt.gather %s{k}, %i : (tensor<3xi64>, tensor<i64>) -> tensor<i64>",
            f"%w{k} = pfrt.unsqueeze %g{k} {{axes = array<i64: 0>}} : (tensor<i64>) -> tensor<1xi64>",
            f"%v{k} = pfrt.concat %w{k}, %r {{axis = 0 : i64}} : (tensor<1xi64>, tensor<2xi64>) -> tensor<3xi64>",
            f"%y{k} = pfrt.reshape %u{k}, %v{k} : (tensor<?x4x6xf32>, tensor<3xi64>) -> tensor<?x4x6xf32>",
            f"%z{k} = pfrt.relu %y{k} : tensor<?x4x6xf32> -> tensor<?x4x6xf32>",
        ]
        value = f"%z{k}"
    body = "\n".join(lines)
    return f"""func.func @main(%x: tensor<?x4x6xf32>) -> tensor<?x4x6xf32> {{
      %c = pfrt.constant dense<2.0> : tensor<f32>
      %i = pfrt.constant dense<0> : tensor<i64>
      %r = pfrt.constant dense<[4, -1]> : tensor<2xi64>
      {body}
      func.return {value} : tensor<?x4x6xf32>
    }}"""


def test_time_is_linear() -> None:
    """Eight times the ops take at most some twelve times as long, not sixty-four."""

    def seconds(count: int) -> float:
        ctx = make_context()
        module = module_files.parse(chain(count), ctx, "test")
        start = time.process_time()
        pipelines.run(ctx, module, pipelines.parse(ALL))
        return time.process_time() - start

    seconds(100)
    assert seconds(3200) < 20 * seconds(400)


def test_chain_comes_to_products() -> None:
    """Transposes cancel, shape arithmetic goes, powers and divisions are products."""
    before, after = optimized(chain(20))
    names = [op.name for op in after.walk() if op.name.startswith("pfrt.")]
    # A square is +0 or more, and so is half of it: the relu goes too.
    assert set(names) == {"pfrt.constant", "pfrt.mul"}
    assert names.count("pfrt.mul") == 4
    x = np.random.default_rng(0).standard_normal((2, 4, 6)).astype(np.float32)
    assert same_bits(run(before, x)[0], run(after, x)[0])


def test_unknown_exclusion_is_a_warning() -> None:
    """A name that nothing has may be a slip, or of a value that an earlier pass removed."""
    ctx = make_context()
    module = module_files.parse(chain(10), ctx, "test")
    with pytest.warns(UserWarning, match='nothing is called "Reluu" in exclude'):
        PfrtFoldConstantsPass(exclude=("Reluu", "Relu", "pfrt.pow")).apply(ctx, module)


def test_expensive_constants_wait() -> None:
    """A large product of constants is computed at compile time only if asked for; a small one is."""

    def folded(size: int, *, expensive: bool) -> bool:
        # Splats: the operands hold one element each, whatever their size.
        ctx = make_context()
        module = module_files.parse(
            f"""func.func @main() -> tensor<{size}x{size}xf32> {{
              %a = pfrt.constant dense<1.0> : tensor<{size}x{size}xf32>
              %y = pfrt.matmul %a, %a : tensor<{size}x{size}xf32>, tensor<{size}x{size}xf32> -> tensor<{size}x{size}xf32>
              func.return %y : tensor<{size}x{size}xf32>
            }}""",
            ctx,
            "test",
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            PfrtFoldConstantsPass(fold_expensive_ops=expensive).apply(ctx, module)
        return "pfrt.matmul" not in [op.name for op in module.walk()]

    assert folded(16, expensive=False)
    assert not folded(400, expensive=False)
    assert folded(400, expensive=True)
