"""Sessions on models whose inputs and outputs are sequences, optionals, maps and strings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pyflame_rt as rt
from pyflame_rt import compiler, module_files
from pyflame_rt.graph import Graph
from pyflame_rt.universe import make_context

X = np.array([1, 2], np.float32)
SEQUENCE = "!pfrt.sequence<tensor<?xf32>>"


def session(arguments: str, results: str, body: str) -> rt.InferenceSession:
    """A session on `@main`, written in IR."""
    ctx = make_context()
    text = f"func.func @main({arguments}) -> ({results}) {{\n{body}\n}}"
    program = compiler.Program(ctx, module_files.parse(text.encode(), ctx, "test.mlir"), "test")
    options = rt.SessionOptions()
    # Nothing is dead code.
    options.optimization_level = 0
    return rt.InferenceSession(Graph.of_program(program), options)


def handed_on(kind: str) -> rt.InferenceSession:
    """A session that returns what it is fed."""
    return session(f'%x: {kind} {{pfrt.name = "x"}}', kind, f"func.return %x : {kind}")


@pytest.mark.parametrize(
    ("kind", "onnx", "value"),
    [
        (SEQUENCE, "seq(tensor(float))", [X, X[:1]]),
        (SEQUENCE, "seq(tensor(float))", []),
        ("!pfrt.optional<tensor<?xf32>>", "optional(tensor(float))", X),
        ("!pfrt.optional<tensor<?xf32>>", "optional(tensor(float))", None),
        (f"!pfrt.optional<{SEQUENCE}>", "optional(seq(tensor(float)))", [X]),
        ("!pfrt.map<!pfrt.string, f32>", "map(string,tensor(float))", {"a": 1.5, "b": 2.0}),
        ("!pfrt.sequence<!pfrt.map<i64, f32>>", "seq(map(int64,tensor(float)))", [{1: 1.5}]),
        ("tensor<?x!pfrt.string>", "tensor(string)", np.array(["a", "é", ""], object)),
    ],
)
def test_values_of_every_kind_go_in_and_out(kind: str, onnx: str, value: Any) -> None:
    """Typed as ONNX Runtime types them; what comes out is not the caller's own memory."""
    made = handed_on(kind)
    (argument,) = made.get_inputs()
    assert (argument.name, argument.type) == ("x", onnx)
    assert made.get_outputs()[0].type == onnx
    (found,) = made.run(None, {"x": value})
    assert repr(found) == repr(value)
    for array, given in zip(arrays(found), arrays(value), strict=True):
        assert not np.shares_memory(array, given)


def arrays(value: Any) -> list[np.ndarray]:
    if isinstance(value, np.ndarray):
        return [value]
    return [a for item in value for a in arrays(item)] if isinstance(value, list) else []


def test_an_output_that_is_asked_for_twice_is_two_lists() -> None:
    made = handed_on(SEQUENCE)
    name = made.get_outputs()[0].name
    first, second = made.run([name, name], {"x": [X]})
    first[0][0] = 7
    assert second[0][0] == 1


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        (SEQUENCE, X, "expected to be of type: 3 but received a tensor"),
        (SEQUENCE, [X.astype(np.float64)], "tensor to be added has a different data type"),
        (SEQUENCE, [X, X[None]], "Invalid rank for input: x Got: 2 Expected: 1"),
        (SEQUENCE, [None], "Input 'x' is None"),
        ("!pfrt.map<i64, f32>", [1], r"is a map.*, which cannot be fed from list"),
        ("!pfrt.map<i64, f32>", {"1": 1.0}, r"\(tensor\(string\)\) , expected: \(tensor\(int64"),
        ("!pfrt.map<i64, f32>", {1.5: 1.0}, r"\(tensor\(double\)\) , expected: \(tensor\(int64"),
        ("!pfrt.map<i64, f32>", {1 << 70: 1.0}, "Could not create tensor"),
        ("!pfrt.map<i64, f32>", {1: "1"}, r"\(tensor\(string\)\) , expected: \(tensor\(float"),
        ("!pfrt.map<i64, f32>", {1: None}, "Input 'x' is None"),
        ("!pfrt.map<i64, f32>", {1: [1.0]}, "Invalid rank for input: x Got: 1 Expected: 0"),
        ("!pfrt.map<!pfrt.string, i64>", {1: 1}, r"expected: \(tensor\(string"),
        ("!pfrt.optional<tensor<2xf32>>", X[:1], "Got invalid dimensions for input: x"),
        ("tensor<?x!pfrt.string>", np.array(["a", None], object), "element 1 is a None"),
        ("tensor<?x!pfrt.string>", np.array([b"\xff"]), "element 0 is not UTF-8 text"),
        ("tensor<?x!pfrt.string>", X, r"expected: \(tensor\(string\)\)"),
        ("tensor<?xf32>", np.array(["a"]), r"expected: \(tensor\(float\)\)"),
    ],
)
def test_what_does_not_fit_is_named(kind: str, value: Any, why: str) -> None:
    with pytest.raises(rt.PyFlameRTError, match=why):
        handed_on(kind).run(None, {"x": value})


@pytest.mark.parametrize(
    "texts", [np.array(["a", "é"]), np.array([b"a", "é".encode()]), ["a", "é"], ("a", "é")]
)
def test_strings_may_be_unicode_bytes_or_lists(texts: Any) -> None:
    (found,) = handed_on("tensor<?x!pfrt.string>").run(None, {"x": texts})
    assert found.dtype == object
    assert found.tolist() == ["a", "é"]


def test_keys_and_values_of_maps_become_pythons_own() -> None:
    """Of NumPy's scalars, whole numbers for floats, and with the precision of the map's values."""
    (found,) = handed_on("!pfrt.map<i64, f32>").run(
        None, {"x": {np.int64(1): np.float32(0.5), 2: 3, 4: 0.1}}
    )
    assert repr(found) == repr({1: 0.5, 2: 3.0, 4: float(np.float32(0.1))})


def test_sequences_of_what_a_plan_computed_survive_the_next_run() -> None:
    """Items may be buffers of the arena, which the next run writes to again."""
    body = f"""
    %a = pfrt.exp %x : tensor<2xf32> -> tensor<2xf32>
    %b = pfrt.neg %a : tensor<2xf32> -> tensor<2xf32>
    %s = pfrt.sequence_construct %a, %b, %x : tensor<2xf32>, tensor<2xf32>, tensor<2xf32> -> {SEQUENCE}
    func.return %s : {SEQUENCE}
    """
    made = session('%x: tensor<2xf32> {pfrt.name = "x"}', SEQUENCE, body)
    (first,) = made.run(None, {"x": X})
    kept = [item.copy() for item in first]
    made.run(None, {"x": X + 1})
    for item, before in zip(first, kept, strict=True):
        np.testing.assert_array_equal(item, before)
    np.testing.assert_allclose(first[1], -np.exp(X), rtol=1e-6)


@pytest.mark.parametrize(
    ("op", "why"),
    [
        ("%y = pfrt.sequence_at %s, %i : T, tensor<i64> -> tensor<?xf32>", "position 5 is outside"),
        ("%t = pfrt.sequence_erase %s at %i : T at tensor<i64> -> T", "position 5 is outside"),
        ("%y = pfrt.concat_from_sequence %s {axis = 0 : i64} : T -> tensor<?xf32>", "nothing to"),
        (
            "%o = pfrt.optional {type = tensor<?xf32>} : -> !pfrt.optional<tensor<?xf32>>\n"
            "%y = pfrt.optional_get_element %o : !pfrt.optional<tensor<?xf32>> -> tensor<?xf32>",
            "the optional is empty",
        ),
        (
            "%r = pfrt.sequence_map over(%s, %u) -> () {\n^bb0(%a: tensor<?xf32>, %b: tensor<?xf32>):"
            "\npfrt.yield\n} : over(T, T)",
            r"different lengths: \[0, 1\]",
        ),
    ],
)
def test_a_failing_run_names_op_and_reason(op: str, why: str) -> None:
    text = op.replace("T", SEQUENCE).replace("%r = ", "")
    body = f"%i = pfrt.constant dense<5> : tensor<i64>\n{text}\nfunc.return"
    made = session(
        f'%s: {SEQUENCE} {{pfrt.name = "s"}}, %u: {SEQUENCE} {{pfrt.name = "u"}}', "", body
    )
    with pytest.raises(rt.PyFlameRTError, match=why):
        made.run(None, {"s": [], "u": [X]})
