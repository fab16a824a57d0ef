"""How the NumPy backend runs plans: memory, concurrency, errors, aliasing, hand-written plans."""

from __future__ import annotations

import gc
import threading
import tracemalloc
import weakref

import numpy as np
import pytest

from pyflame_rt import kernels
from pyflame_rt.backends.numpy_backend import NumpyBackend, frame
from pyflame_rt.errors import BackendError, MissingWeightsError

NETWORK = """
func.func @main(%x: tensor<2x3x32x32xf32>) -> (tensor<2x10xf32>) {
  %w1 = pfrt.constant dense<0.1> : tensor<8x3x3x3xf32>
  %b1 = pfrt.constant dense<0.1> : tensor<8xf32>
  %s = pfrt.constant dense<1.5> : tensor<8xf32>
  %c1 = pfrt.conv %x, %w1, %b1 {pads = array<i64: 1, 1, 1, 1>} : (tensor<2x3x32x32xf32>, tensor<8x3x3x3xf32>, tensor<8xf32>) -> tensor<2x8x32x32xf32>
  %n1 = pfrt.batch_normalization %c1, %s, %s, %s, %s : (tensor<2x8x32x32xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<2x8x32x32xf32>
  %r1 = pfrt.relu %n1 : tensor<2x8x32x32xf32> -> tensor<2x8x32x32xf32>
  %w2 = pfrt.constant dense<0.01> : tensor<8x8x3x3xf32>
  %w3 = pfrt.constant dense<0.01> : tensor<8x8x1x1xf32>
  %c2 = pfrt.conv %r1, %w2 {pads = array<i64: 1, 1, 1, 1>} : (tensor<2x8x32x32xf32>, tensor<8x8x3x3xf32>) -> tensor<2x8x32x32xf32>
  %c3 = pfrt.conv %r1, %w3 : (tensor<2x8x32x32xf32>, tensor<8x8x1x1xf32>) -> tensor<2x8x32x32xf32>
  %a = pfrt.add %c2, %c3 : (tensor<2x8x32x32xf32>, tensor<2x8x32x32xf32>) -> tensor<2x8x32x32xf32>
  %r2 = pfrt.relu %a : tensor<2x8x32x32xf32> -> tensor<2x8x32x32xf32>
  %p = pfrt.max_pool %r2 {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>} : tensor<2x8x32x32xf32> -> tensor<2x8x16x16xf32>
  %v = pfrt.average_pool %p {kernel_shape = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>} : tensor<2x8x16x16xf32> -> tensor<2x8x16x16xf32>
  %g = pfrt.global_average_pool %v : tensor<2x8x16x16xf32> -> tensor<2x8x1x1xf32>
  %f = pfrt.flatten %g : tensor<2x8x1x1xf32> -> tensor<2x8xf32>
  %wg = pfrt.constant dense<0.1> : tensor<10x8xf32>
  %bg = pfrt.constant dense<0.1> : tensor<10xf32>
  %y = pfrt.gemm %f, %wg, %bg {trans_b = true} : (tensor<2x8xf32>, tensor<10x8xf32>, tensor<10xf32>) -> tensor<2x10xf32>
  %z = pfrt.softmax %y : tensor<2x10xf32> -> tensor<2x10xf32>
  func.return %z : tensor<2x10xf32>
}
"""

DYNAMIC = """
func.func @main(%x: tensor<?x?xf32>) -> (tensor<?x?xf32>, tensor<?x?xf32>) {
  %t = pfrt.transpose %x {perm = array<i64: 1, 0>} : tensor<?x?xf32> -> tensor<?x?xf32>
  %e = pfrt.exp %t : tensor<?x?xf32> -> tensor<?x?xf32>
  %m = pfrt.matmul %e, %x : tensor<?x?xf32>, tensor<?x?xf32> -> tensor<?x?xf32>
  func.return %t, %m : tensor<?x?xf32>, tensor<?x?xf32>
}
"""

PLAN = """
func.func @main(%x: memref<2x3xf32>) -> memref<6xf32> {
  %arena = plan.arena : memref<192xi8>
  %a = plan.view %arena[64] : memref<192xi8> -> memref<2x3xf32>
  %k = plan.constant {value = dense<2.0> : tensor<f32>} : memref<f32>
  plan.call @mul(%x, %k) into(%a) : (memref<2x3xf32>, memref<f32>) into(memref<2x3xf32>)
  %f = plan.reshape %a : memref<2x3xf32> -> memref<6xf32>
  %y = plan.new : memref<6xf32>
  plan.call @neg(%f) into(%y) : (memref<6xf32>) into(memref<6xf32>)
  func.return %y : memref<6xf32>
}
"""


def test_hand_written_plan(parse):
    """Views of the arena, a constant, a reshaped view, a fresh result."""
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    (y,) = NumpyBackend().compile(parse(PLAN)).run([x])
    assert y.tolist() == [0, -2, -4, -6, -8, -10]


def test_buffers_are_aligned(parse):
    """Vector instructions want 64 bytes, whatever the allocator gives."""
    executable = NumpyBackend().compile(parse(PLAN))
    for storage in frame.Frame(executable._program)._storages:
        assert storage.ctypes.data % 64 == 0


@pytest.mark.parametrize(
    ("buffer", "why"),
    [
        ("%y = plan.new : memref<300000x300000xf32>", "^expand.*: the result would be too large"),
        (
            "%y = plan.alloc : memref<300000x300000xf32>",
            "the result would be too large|MemoryError",
        ),
        (
            "%a = plan.arena : memref<92233720368547758xi8>\n"
            "  %y = plan.new : memref<300000x300000xf32>",
            "a buffer of 92233720368547758 bytes: .*MemoryError",
        ),
    ],
)
def test_buffers_of_giant_size_are_refused_before_a_run(parse, buffer: str, why: str):
    """Some systems grant 360 GB that they do not have, and end who writes to them."""
    plan = f"""
func.func @main(%x: memref<1xf32>) {{
  {buffer}
  plan.call @expand(%x) into(%y) {{params = {{shape = array<i64: 300000, 300000>}}}} : (memref<1xf32>) into(memref<300000x300000xf32>)
  func.return
}}
"""
    with pytest.raises(BackendError, match=why):
        NumpyBackend().compile(parse(plan))


def test_nothing_is_allocated_but_outputs(compile_both):
    """One intermediate value has 64 kB; what a run allocates is iterators and one small buffer."""
    _, executable, _ = compile_both(NETWORK)
    x = np.random.default_rng(0).random((2, 3, 32, 32), np.float32)
    for _ in range(3):
        executable.run([x])
    gc.collect()
    tracemalloc.start()
    try:
        executable.run([x])
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        outputs = executable.run([x])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before - sum(y.nbytes for y in outputs) < 5_000


def test_outputs_are_fresh_in_every_run(compile_both):
    """What a run returned stays as it is when the next one overwrites the arena."""
    for executable in compile_both(NETWORK):
        x = np.random.default_rng(0).random((2, 3, 32, 32), np.float32)
        (first,) = executable.run([x])
        kept = first.copy()
        (second,) = executable.run([x * 2])
        assert not np.shares_memory(first, second)
        np.testing.assert_array_equal(first, kept)
        assert first.flags.writeable and first.flags.c_contiguous


def test_dynamic_outputs_do_not_show_inputs(compile_both):
    """A transpose returns a view of the argument: it leaves as a contiguous copy."""
    x = np.arange(4, dtype=np.float32).reshape(2, 2)
    for executable in compile_both(DYNAMIC):
        t, m = executable.run([x])
        assert not np.shares_memory(t, x) and not np.shares_memory(t, m)
        assert t.flags.c_contiguous and t.tolist() == [[0, 2], [1, 3]]


def test_runs_release_inputs_and_outputs(compile_both):
    """A frame at rest holds neither feeds nor what it returned."""
    for executable in compile_both(DYNAMIC):
        x = np.ones((2, 2), np.float32)
        outputs = executable.run([x])
        alive = [weakref.ref(array) for array in (x, *outputs)]
        del x, outputs
        gc.collect()
        assert [reference() for reference in alive] == [None] * 3


def test_intermediate_results_are_released(parse, compile_both):
    """A dynamic chain holds two values at a time, not all of them."""
    body = "\n".join(
        f"%v{i + 1} = pfrt.exp %v{i} : tensor<?xf32> -> tensor<?xf32>" for i in range(20)
    )
    text = f"func.func @main(%v0: tensor<?xf32>) -> (tensor<?xf32>) {{\n{body}\nfunc.return %v20 : tensor<?xf32>\n}}"
    x = np.zeros(100_000, np.float32)
    for executable in compile_both(text):
        tracemalloc.start()
        try:
            executable.run([x])
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 3.5 * x.nbytes


@pytest.mark.parametrize("text", [NETWORK, DYNAMIC])
def test_concurrent_runs(text, compile_both):
    """Eight threads share one executable and get what they would get alone."""
    _, executable, _ = compile_both(text)
    shape = (2, 3, 32, 32) if text is NETWORK else (24, 24)
    feeds = [np.random.default_rng(i).random(shape, np.float32) for i in range(8)]
    expected = [executable.run([feed]) for feed in feeds]
    barrier, failures = threading.Barrier(8), []

    def work(index: int) -> None:
        barrier.wait()
        for _ in range(25):
            outputs = executable.run([feeds[index]])
            if not all(map(np.array_equal, outputs, expected[index])):
                failures.append(index)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(executable._free) <= 8


def test_one_frame_serves_runs_one_after_the_other(compile_both):
    """Memory grows with concurrency, not with the number of runs."""
    _, executable, _ = compile_both(DYNAMIC)
    for _ in range(5):
        executable.run([np.ones((2, 2), np.float32)])
    assert len(executable._free) == 1


GATHER = """
func.func @main(%x: tensor<?xf32>, %i: tensor<?xi64>) -> (tensor<?xf32>) {
  %y = pfrt.gather %x, %i : (tensor<?xf32>, tensor<?xi64>) -> tensor<?xf32> loc("lookup"("model.onnx":12:0))
  func.return %y : tensor<?xf32>
}
"""


def test_kernel_errors_name_node_and_place(compile_both):
    """One line: which op, which node, which place of the file, and the kernel's reason."""
    for executable in compile_both(GATHER):
        with pytest.raises(BackendError) as caught:
            executable.run([np.zeros(3, np.float32), np.array([7])])
        text = str(caught.value)
        assert "gather" in text and "\n" not in text
        assert 'node "lookup", model.onnx:12' in text
        assert "index 7 is outside a dimension of 3 elements" in text
        (y,) = executable.run([np.arange(3, dtype=np.float32), np.array([2])])
        assert y.tolist() == [2]


def test_a_result_too_large_to_allocate_names_its_node(parse):
    """The buffer of a result that leaves the function is allocated by a step of its own."""
    kind = "memref<1048576x1048576x1048576xf32>"
    text = (
        f"func.func @main() -> {kind} {{\n"
        f'%y = plan.new : {kind} loc("Big"("model.onnx":1:0))\nfunc.return %y : {kind}\n}}'
    )
    plan = NumpyBackend().compile(parse(text), "main")
    with pytest.raises(BackendError, match=r'^plan.new \(node "Big", model.onnx:1\): MemoryError'):
        plan.run([])


def test_static_gather_checks_indices(compile_both):
    """The short form clips indices, so it must check them first."""
    text = GATHER.replace("?x", "3x")
    for executable in compile_both(text):
        with pytest.raises(BackendError, match="index -4 is outside a dimension of 3 elements"):
            executable.run([np.zeros(3, np.float32), np.array([0, -4, 1])])


def test_wrong_number_of_inputs(compile_both):
    """The only thing about feeds that is checked here."""
    for executable in compile_both(DYNAMIC):
        with pytest.raises(BackendError, match="takes 1 inputs, got 2"):
            executable.run([np.zeros((1, 1), np.float32)] * 2)


def test_keyboard_interrupt_passes_through(parse, monkeypatch):
    """Ctrl-C is no error of the model, and the frame works again afterwards."""

    def interrupted(x: np.ndarray) -> np.ndarray:
        if answers:
            raise answers.pop()
        return -x

    answers = [KeyboardInterrupt()]
    table = dict(kernels.table(), interrupted=interrupted)
    monkeypatch.setattr(kernels, "table", lambda: table)
    executable = NumpyBackend().compile(parse(PLAN.replace("@neg", "@interrupted")))
    x = np.ones((2, 3), np.float32)
    with pytest.raises(KeyboardInterrupt):
        executable.run([x])
    assert executable.run([x])[0].tolist() == [-2] * 6


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (np.zeros(6, np.float64), "the kernel's result is float64, declared float32"),
        (np.zeros(5, np.float32), r"the kernel's result has shape \[5\], declared \[6\]"),
        ((np.zeros(6, np.float32),) * 2, "longer"),
    ],
)
def test_kernels_that_break_their_promise(result, why, parse, monkeypatch):
    """A result that would be broadcast or converted silently is an error."""
    table = dict(kernels.table(), broken=lambda x: result)
    monkeypatch.setattr(kernels, "table", lambda: table)
    executable = NumpyBackend().compile(parse(PLAN.replace("@neg", "@broken")))
    with pytest.raises(BackendError, match=f"broken: .*{why}"):
        executable.run([np.ones((2, 3), np.float32)])


def test_unknown_callee(parse):
    """Found when the plan is compiled, not when it runs."""
    with pytest.raises(BackendError, match="nothing: there is no algorithm or kernel @nothing"):
        NumpyBackend().compile(parse(PLAN.replace("@neg", "@nothing")))


def test_what_is_no_plan(parse):
    """Unlowered IR is refused with what to do."""
    with pytest.raises(
        BackendError, match=r"pfrt.transpose: is not part .*lower with convert-pfrt"
    ):
        NumpyBackend().compile(parse(DYNAMIC))


def test_missing_weights(parse):
    """A weight whose side file is absent fails with its digest, when the plan is compiled."""
    text = PLAN.replace("dense<2.0> : tensor<f32>", '#pfrt.weight<"0123">')
    with pytest.raises(MissingWeightsError, match='"0123" are missing'):
        NumpyBackend().compile(parse(text))


def test_a_view_of_the_arena_does_not_leave(parse):
    """An owned result that shows the arena is copied, so that the next call cannot change it."""
    text = """
func.func @main(%x: memref<4xf32>) -> (memref<?xf32>, memref<4xf32>) {
  %arena = plan.arena : memref<64xi8>
  %a = plan.view %arena[0] : memref<64xi8> -> memref<4xf32>
  plan.call @neg(%x) into(%a) : (memref<4xf32>) into(memref<4xf32>)
  %v = plan.call @identity(%a) : (memref<4xf32>) -> memref<?xf32>
  plan.call @exp(%a) into(%a) : (memref<4xf32>) into(memref<4xf32>)
  %y = plan.call @copy(%a) : (memref<4xf32>) -> memref<4xf32>
  func.return %v, %y : memref<?xf32>, memref<4xf32>
}
"""
    v, y = NumpyBackend().compile(parse(text)).run([np.ones(4, np.float32)])
    assert v.tolist() == [-1] * 4
    np.testing.assert_allclose(y, np.exp(-np.ones(4)), rtol=1e-6)


def test_a_returned_view_is_a_copy(parse):
    """What a run returns stays as it is when the next one reuses the arena."""
    view = "plan.view %arena[128] : memref<192xi8> -> memref<6xf32>"
    text = PLAN.replace("plan.new : memref<6xf32>", view)
    assert text != PLAN
    executable = NumpyBackend().compile(parse(text))
    first = executable.run([np.ones((2, 3), np.float32)])[0]
    second = executable.run([np.zeros((2, 3), np.float32)])[0]
    np.testing.assert_array_equal(first, np.full(6, -2, np.float32))
    assert not np.shares_memory(first, second)


@pytest.mark.parametrize("buffer", ["%x", "%r"])
def test_a_plan_that_writes_to_its_argument_is_refused(buffer: str, parse):
    text = f"""
    func.func @main(%x: memref<2x3xf32>) -> memref<2x3xf32> {{
      %r = plan.reshape %x : memref<2x3xf32> -> memref<2x3xf32>
      plan.call @neg(%x) into({buffer}) : (memref<2x3xf32>) into(memref<2x3xf32>)
      func.return %x : memref<2x3xf32>
    }}"""
    with pytest.raises(BackendError, match=r"plan.call.*: writes to an argument"):
        NumpyBackend().compile(parse(text))


def test_several_images_share_a_column_buffer(parse):
    """Blocks of images that do not divide the batch, by the size of the plan's scratch."""
    rng = np.random.default_rng(0)
    x, w = rng.random((5, 2, 4, 4), np.float32), rng.random((3, 2, 2, 2), np.float32)
    expected = kernels.table()["conv"](x, w)
    for images in (1, 2, 5, 9):
        text = f"""
func.func @main(%x: memref<5x2x4x4xf32>, %w: memref<3x2x2x2xf32>) -> memref<5x3x3x3xf32> {{
  %a = plan.alloc : memref<5x2x4x4xf32>
  %b = plan.alloc : memref<3x2x2x2xf32>
  %c = plan.alloc : memref<5x3x3x3xf32>
  %s = plan.alloc : memref<{images}x2x2x2x3x3xf32>
  plan.call @copy(%x) into(%a) : (memref<5x2x4x4xf32>) into(memref<5x2x4x4xf32>)
  plan.call @copy(%w) into(%b) : (memref<3x2x2x2xf32>) into(memref<3x2x2x2xf32>)
  plan.call @conv_im2col(%a, %b) into(%c) scratch(%s) : (memref<5x2x4x4xf32>, memref<3x2x2x2xf32>) into(memref<5x3x3x3xf32>) scratch(memref<{images}x2x2x2x3x3xf32>)
  %y = plan.new : memref<5x3x3x3xf32>
  plan.call @copy(%c) into(%y) : (memref<5x3x3x3xf32>) into(memref<5x3x3x3xf32>)
  func.return %y : memref<5x3x3x3xf32>
}}
"""
        (y,) = NumpyBackend().compile(parse(text)).run([x, w])
        np.testing.assert_allclose(y, expected, rtol=1e-5)


def test_several_results(compile_both):
    """A kernel of two results, into buffers and owned, one of which is not used."""
    text = """
func.func @main(%x: tensor<5x2xf32>) -> (tensor<2x2xf32>) {
  %a, %b = pfrt.split %x {axis = 0 : i64, split = array<i64: 3, 2>} : (tensor<5x2xf32>) -> (tensor<3x2xf32>, tensor<2x2xf32>)
  %y = pfrt.neg %b : tensor<2x2xf32> -> tensor<2x2xf32>
  func.return %y : tensor<2x2xf32>
}
"""
    x = np.arange(10, dtype=np.float32).reshape(5, 2)
    dynamic = text.replace("5x2", "?x2").replace("3x2", "3x?").replace("2x2", "2x?")
    for executable in (*compile_both(text), *compile_both(dynamic)):
        assert executable.run([x])[0].tolist() == [[-6, -7], [-8, -9]]
