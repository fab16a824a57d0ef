"""Networks compute the same in every layout: drawn ones, and sizes that a model can have."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pytest
from xdsl.dialects import func
from xdsl.dialects.builtin import FunctionType, ModuleOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.utils.exceptions import VerifyException

from pyflame_rt import pipelines
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.layouts import LayoutOp
from pyflame_rt.dialects.pfrt.types import shape_of, tensor_of
from pyflame_rt.universe import make_context

Array = npt.NDArray[np.float64]
Value = SSAValue


class Network:
    """A function under construction: some values, each made of one of the last ones."""

    def __init__(self, seed: int) -> None:
        self.draw = np.random.default_rng(seed)
        self.rank = int(self.draw.choice([3, 4, 4, 5]))
        self.spatial = self.rank - 2
        sizes = [int(self.draw.integers(3, 7)) for _ in range(self.spatial)]
        self.x = self.floats(self.int(1, 3), self.int(1, 7), *sizes)
        self.block = Block(arg_types=[tensor_of(self.x)])
        self.values: list[Value] = [self.block.args[0]]

    def int(self, low: int, high: int) -> int:
        """low <= n < high"""
        return int(self.draw.integers(low, high))

    def floats(self, *shape: int) -> Array:
        """Small normal numbers."""
        return self.draw.standard_normal(shape) * 0.5

    def add(self, name: str, operands: Sequence, properties: dict, parts: int = 0) -> list[Value]:
        """Append an op; a list of its results, among the values from now on."""
        made = [self.constant(v) if isinstance(v, np.ndarray) else v for v in operands]
        names = [""] * parts if parts else None
        op = operations()[f"pfrt.{name}"].create_op(made, properties, names=names)
        self.block.add_op(op)
        self.values += op.results
        return list(op.results)

    def constant(self, array: npt.NDArray) -> Value:
        """A constant of the function."""
        op = ConstantOp.get(array)
        self.block.add_op(op)
        return op.result

    def pick(self) -> tuple[Value, int]:
        """One of the last values of full rank, and its channels."""
        full = [v for v in self.values if len(shape_of(v) or ()) == self.rank]
        value = full[self.int(max(0, len(full) - 4), len(full))]
        return value, (shape_of(value) or ())[1]

    def module(self) -> ModuleOp:
        """The function of the last value and some others."""
        outputs = [v for v in self.values[1:-1] if self.draw.random() < 0.15]
        return finished(self.block, [self.values[-1], *outputs])


def finished(block: Block, outputs: Sequence[Value]) -> ModuleOp:
    """A module whose function @main is the block."""
    block.add_op(func.ReturnOp(*outputs))
    kind = FunctionType.from_lists(block.arg_types, [value.type for value in outputs])
    module = ModuleOp([func.FuncOp("main", kind, Region(block))])
    module.verify()
    return module


def conv(n: Network, v: Value, c: int) -> None:
    """Grouped or not, with strides and pads."""
    group, taps = int(n.draw.choice([1, c])), n.int(1, 4)
    features = group * n.int(1, 4)
    weights = n.floats(features, c // group, *(taps,) * n.spatial)
    properties = {
        "pads": (n.int(0, 2),) * 2 * n.spatial, "strides": (n.int(1, 3),) * n.spatial,
        "group": group,
    }  # fmt: skip
    bias = n.floats(features) if n.draw.random() < 0.5 else None
    n.add("conv", [v, weights, bias, None], properties)


def conv_with_residual(n: Network, v: Value, c: int) -> None:
    """Of its own operand."""
    pads = (1,) * 2 * n.spatial
    n.add("conv", [v, n.floats(c, c, *(3,) * n.spatial), n.floats(c), v], {"pads": pads})


def normalization(n: Network, v: Value, c: int) -> None:
    """By given or by own statistics."""
    a = [n.floats(c) for _ in range(3)]
    if n.draw.random() < 0.5:
        n.add("batch_normalization", [v, *a, abs(n.floats(c))], {})
    else:
        n.add("instance_normalization", [v, *a[:2]], {})


def pool(n: Network, v: Value, c: int) -> None:
    """Of windows or of everything."""
    kind = str(
        n.draw.choice(["max_pool", "average_pool", "global_average_pool", "global_max_pool"])
    )
    window = {"kernel_shape": (2,) * n.spatial, "strides": (n.int(1, 3),) * n.spatial}
    n.add(kind, [v], {} if kind.startswith("global") else window)


def indices(n: Network, v: Value, c: int) -> None:
    """They count as if nothing had been transposed."""
    _, places = n.add("max_pool_with_indices", [v], {"kernel_shape": (2,) * n.spatial})
    n.add("cast", [places], {"to": np.dtype("float64")})


def elementwise(n: Network, v: Value, c: int) -> None:
    """Of values and of constants of all kinds of shapes."""
    shape = shape_of(v) or ()
    others = [
        n.values[n.int(0, len(n.values))], v, n.floats(1, c, *(1,) * n.spatial),
        n.floats(c, *(1,) * n.spatial), n.floats(1), n.floats(shape[-1]), n.floats(*shape),
    ]  # fmt: skip
    n.add(str(n.draw.choice(["add", "mul"])), [v, others[n.int(0, len(others))]], {})


def pieces(n: Network, v: Value, c: int) -> None:
    """Along any axis."""
    axis = n.int(-n.rank, n.rank)
    match n.int(0, 4):
        case 0:
            n.add("concat", [[v, v]], {"axis": axis})
        case 1:
            n.add("split", [v, None], {"axis": axis, "num_outputs": 2}, parts=2)
        case 2:
            bounds = {"starts": (0, 1), "ends": (100, 100)}
            n.add("slice", [v, *(None,) * 4], {**bounds, "axes": (1, 2)} if axis > 0 else bounds)
        case _:
            pads = tuple(n.int(0, 2) for _ in range(2 * n.rank))
            n.add("pad", [v, None, None, None], {"pads": pads})


def along_axes(n: Network, v: Value, c: int) -> None:
    """Softmax, and reductions that keep their axes or not."""
    axis, keepdims = n.int(-n.rank, n.rank), bool(n.int(0, 2))
    match n.int(0, 3):
        case 0:
            n.add("softmax", [v], {"axis": axis})
        case 1:
            several = n.draw.choice(n.rank, n.int(1, n.rank), replace=False)
            properties = {"axes": tuple(map(int, several)), "keepdims": keepdims}
            n.add("reduce_max", [v, None], properties)
        case _:
            (found,) = n.add("arg_max", [v], {"axis": axis, "keepdims": keepdims})
            n.add("cast", [found], {"to": np.dtype("float64")})


def moved(n: Network, v: Value, c: int) -> None:
    """Resized, transposed as the pass does it, or flattened."""
    match n.int(0, 4):
        case 0:
            scales = np.array([1, 1] + [2] * n.spatial, np.float32)
            n.add("resize", [v, None, None, None], {"scales": scales, "mode": "linear"})
        case 1:
            n.add("transpose", [v], {"perm": (0, *range(2, n.rank), 1)})
        case 2:
            n.add("transpose", [v], {"perm": (0, n.rank - 1, *range(1, n.rank - 1))})
        case _:
            n.add("flatten", [v], {})


def transposed(n: Network, v: Value, c: int) -> None:
    """Twice as large."""
    strides = (2,) * n.spatial
    n.add("conv_transpose", [v, n.floats(c, 2, *strides), None], {"strides": strides})


KINDS: tuple[Callable[[Network, Value, int], None], ...] = (
    conv, conv, conv_with_residual, normalization, pool, indices, elementwise, elementwise, pieces,
    along_axes, moved, transposed,
)  # fmt: skip


def network(seed: int) -> Network:
    """Some ops; those that do not suit a value's shape are left out."""
    n = Network(seed)
    for _ in range(n.int(3, 12)):
        value, channels = n.pick()
        try:
            KINDS[n.int(0, len(KINDS))](n, value, channels)
        except VerifyException:
            continue
    return n


def run(module: ModuleOp, pipeline: str) -> ModuleOp:
    """The verified result of a pipeline on a copy."""
    copy = module.clone()
    pipelines.run(make_context(), copy, pipelines.parse(pipeline))
    copy.verify()
    return copy


def layouts(module: ModuleOp) -> set[str]:
    """The layouts of all ops that have one."""
    return {op.data_layout for op in module.walk() if isinstance(op, LayoutOp)}


@pytest.mark.parametrize("seed", range(25))
def test_drawn_networks(seed: int):
    """There and back again, in the interpreter and in a plan."""
    n = network(seed)
    module = n.module()
    expected = ReferenceBackend().compile(module.clone(), "main").run([n.x])

    def check(found: list) -> None:
        for a, b in zip(expected, found, strict=True):
            largest = np.abs(a).max(initial=1)
            np.testing.assert_allclose(b, a, rtol=0, atol=1e-12 * largest)

    for target in ("nhwc", "nc4hw4", "auto"):
        changed = run(module, f"pfrt-layout{{target={target}}}")
        check(ReferenceBackend().compile(changed.clone(), "main").run([n.x]))
        plan = run(changed, "convert-pfrt-to-plan")
        check(NumpyBackend().compile(plan, "main").run([n.x]))
        if target == "nhwc":
            assert layouts(changed) <= {"nhwc"}
            back = run(changed, "pfrt-layout{target=nchw}")
            assert layouts(back) <= {"nchw"}
            check(ReferenceBackend().compile(back, "main").run([n.x]))


def chain(length: int) -> ModuleOp:
    """Residual blocks: two ops each."""
    weights, x = np.ones((16, 16, 3, 3), np.float32), np.ones((1, 16, 32, 32), np.float32)
    block = Block(arg_types=[tensor_of(x), tensor_of(weights)])
    value, (_, w) = block.args[0], block.args
    for _ in range(length // 2):
        pads = {"pads": (1, 1, 1, 1)}
        made = operations()["pfrt.conv"].create_op([value, w, None, None], pads)
        added: Operation = operations()["pfrt.add"].create_op([made.results[0], value])
        block.add_ops([made, added])
        value = added.results[0]
    return finished(block, [value])


def test_work_is_linear():
    """Choosing and rewriting call as much for each op of a long network as of a short one."""
    taken = []
    for length in (100, 800):
        module = chain(length)
        calls = _calls(
            lambda m=module: pipelines.run(
                make_context(), m, pipelines.parse("pfrt-layout{target=nhwc}")
            )
        )
        taken.append(calls / length)
        assert sum(op.name == "pfrt.transpose" for op in module.walk()) == 2
    assert taken[1] < 3 * taken[0]


def _calls(work: Callable[[], object]) -> int:
    """How many functions are called in Python."""
    count = 0

    def seen(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count
