"""Defining custom operators, and running them by themselves."""

from __future__ import annotations

import numpy as np
import pytest

import pyflame_rt
from pyflame_rt import BackendError, DType, InputError, ValidationError, custom
from pyflame_rt.custom import (
    BackendType,
    CustomOpBuilder,
    CustomOpRegistry,
    OpSchema,
    OutputSpec,
    custom_op,
    gradcheck,
    register_custom_op,
)


def identity(inputs, attrs):
    """The first input."""
    return [inputs[0]]


def builder(name: str = "Probe") -> CustomOpBuilder:
    return CustomOpBuilder(name).input("X").output("Y").kernel(identity)


def test_the_documented_quick_registration_runs():
    """developer_guide.md: kernels take to_numpy's arrays, and doubles come back."""

    def my_gelu(inputs, attrs):
        x = pyflame_rt.to_numpy(inputs[0])
        result = x * 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
        return [pyflame_rt.from_numpy(result)]

    op = register_custom_op(
        name="MyGELU", domain="custom", input_names=["X"], output_names=["Y"], kernel_fn=my_gelu
    )
    x = np.linspace(-2, 2, 5, dtype=np.float32)
    (y,) = op.execute([x], {})
    assert y.dtype == np.float32, "np.sqrt makes doubles of it"
    wide = pyflame_rt.to_numpy(my_gelu([x.astype(np.float64)], {})[0])
    assert np.allclose(y, wide, atol=1e-6)
    assert op.full_name() == "custom::MyGELU"
    registry = CustomOpRegistry.instance()
    assert registry.has("MyGELU")
    assert registry.get("custom::MyGELU").name() == "MyGELU"
    assert "MyGELU" in registry.list()
    assert registry.unregister("MyGELU")
    assert not registry.has("MyGELU")


def test_the_documented_builder_runs():
    """developer_guide.md: every method under its documented name, chained."""
    op = (
        CustomOpBuilder("FusedBiasRelu")
        .domain("custom")
        .version(1)
        .doc("Fused bias addition and ReLU activation")
        .input("X", DType.Float32)
        .input("bias", DType.Float32)
        .output("Y", DType.Float32)
        .attr_float("alpha", required=False)
        .kernel(lambda inputs, attrs: [np.maximum(0, inputs[0] + inputs[1])], BackendType.CPU)
        .shape_inference(lambda input_shapes: [input_shapes[0]])
        .build()
    )
    x = np.array([-1, 2], np.float32)
    assert op(x, x).tolist() == [0, 4]
    assert op.supports_backend(BackendType.CPU)
    assert not op.supports_backend(BackendType.WSE)
    assert not op.has_gradient()
    assert (op.num_inputs(), op.num_outputs(), op.version()) == (2, 1, 1)
    assert op.doc().startswith("Fused")


def test_the_examples_of_custom_operations_md():
    """swish, gelu, power, layer_norm: right, and with right gradients."""
    custom.register_example_custom_ops()
    assert {"swish", "gelu", "power", "layer_norm"} <= set(custom.list_custom_ops_py())
    assert custom.is_custom_op_registered_py("swish")
    x = np.array([[1.0, 2.0, -1.0, 0.5]])
    swish = custom.execute_custom_op_py("swish", [x])
    assert np.allclose(swish, x / (1 + np.exp(-x)))
    power = custom.execute_custom_op_py("power", [np.array([2.0, 3.0]), np.array([3.0, 2.0])])
    assert power.tolist() == [8, 9]
    normed = custom.execute_custom_op_py("layer_norm", [x, np.ones(4), np.zeros(4)])
    assert np.allclose(normed.mean(), 0)
    assert np.allclose(normed.std(), 1, atol=1e-4)
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(3, 4)), rng.normal(size=4)
    for name, inputs in {
        "swish": [x],
        "gelu": [x],
        "power": [np.abs(x) + 0.5, x],
        "layer_norm": [x, w, w],
    }.items():
        check = gradcheck(custom.get_custom_op(name), inputs)
        assert check, f"{name}: {check}"
    with pytest.raises(BackendError, match=r"shapes \[2\] and \[3\] differ"):
        custom.execute_custom_op_py("power", [np.ones(2), np.ones(3)])
    with pytest.raises(ValidationError, match='no custom operator "nope"'):
        custom.execute_custom_op_py("nope", [])


def test_a_function_says_its_inputs_and_attributes():
    """The decorator reads names, optional inputs, variadic ones, kinds and defaults."""

    @custom_op("Mix", output_names=("A", "B"))
    def mix(x, bias=None, *, scale: float, axes: tuple = (0,), mode="sum"):
        """Mixes."""
        y = x * scale
        return (y if bias is None else y + bias), np.asarray(len(axes))

    schema = mix.schema
    assert [(i.name, i.optional) for i in schema.inputs] == [("x", False), ("bias", True)]
    kinds = {a.name: (a.kind.name, a.required, a.default) for a in schema.attributes}
    assert kinds == {
        "scale": ("FLOAT", True, None),
        "axes": ("INTS", False, (0,)),
        "mode": ("STRING", False, "sum"),
    }
    assert mix.doc() == "Mixes."

    @custom_op("SumAll")
    def sum_all(*parts):
        return sum(parts)

    assert sum_all(np.ones(2), np.ones(2), np.ones(2)).tolist() == [3, 3]
    with pytest.raises(InputError, match='attribute "scale" is missing'):
        mix(np.ones(2))
    with pytest.raises(ValidationError, match='kind of attribute "n" is not known'):
        register_custom_op("Odd", lambda x, *, n: x)


def test_backward_fn_takes_gradients_and_inputs():
    """ecosystem_plan.md's form of a gradient."""
    op = register_custom_op("Cube", lambda x: x**3, lambda grad, x: grad * 3 * x**2)
    assert gradcheck(op, [np.array([1.0, -2.0])])


def test_a_wrong_gradient_is_found():
    """gradcheck says where, and both values."""
    op = builder("Wrong").gradient(lambda inputs, grads: [2 * grads[0]]).build()
    check = gradcheck(op, [np.array([1.0, 2.0])])
    assert not check
    assert "DIFFERS: input 0 at" in str(check)
    with pytest.raises(ValidationError, match="has no gradient"):
        gradcheck(builder("None").build(), [np.ones(1)])
    with pytest.raises(ValidationError, match="none of the inputs holds floats"):
        gradcheck(op, [np.ones(1, np.int64)])


@pytest.mark.parametrize(
    ("kernel", "why"),
    [
        (lambda inputs: inputs * 2, "returned 2 values, not 1"),
        (lambda inputs: [inputs[0].astype(np.int32)], 'returned int32 for output "Y", declared'),
        (lambda inputs: [inputs[0][1:]], r"returned shape \[1\] for output .* says \[2\]"),
        (lambda inputs: {}["key"], r"its kernel failed: KeyError: 'key' \(test_custom_op"),
        (lambda inputs: inputs[0].fill(0), "read-only"),
        (lambda inputs: 1 / 0, "ZeroDivisionError: division by zero"),
    ],
)
def test_a_faulty_kernel_is_told_in_one_line(kernel, why):
    """What it returns is checked; what it raises has the line of its file."""
    op = builder().kernel(kernel).same_shape().build()
    with pytest.raises(BackendError, match=why) as caught:
        op(np.ones(2, np.float32))
    assert str(caught.value).startswith('custom operator "custom::Probe": ')
    assert "\n" not in str(caught.value)


def test_inputs_are_checked():
    """Number, dtype, absence, validation, attributes."""
    op = builder().attr_int("axis", default=0).input("B", np.float32, optional=True).build()
    x = np.ones(2, np.float32)
    for inputs, attrs, why in [
        ([], {}, "takes 1 to 2 inputs, got 0"),
        ([x, x, x], {}, "takes 1 to 2 inputs, got 3"),
        ([None], {}, 'input "X" is missing'),
        ([x, np.ones(2)], {}, 'input "B" must be float32, not float64'),
        ([x], {"axes": 1}, 'no attribute "axes"; the attributes are: axis'),
        ([x], {"axis": 1.5}, 'attribute "axis" is an integer, not 1.5'),
    ]:
        with pytest.raises(InputError, match=why):
            op.execute(inputs, attrs)
    refusing = builder("R").validate(lambda inputs: "too small" if inputs[0].size < 3 else None)
    with pytest.raises(BackendError, match="too small"):
        refusing.build()(x)
    with pytest.raises(InputError, match="too small"):
        refusing.build().validate_inputs([x])


def test_unknown_dimensions_reach_shape_inference_as_none():
    """What fails because of them is unknown; what fails without them is an error."""
    op = builder().shape_inference(lambda shapes: [(shapes[0][0] * 2, shapes[0][1])]).build()
    assert op.output_shape([(3, None)]) == [(6, None)]
    assert op.output_shape([(None, 4)]) == [None], "None * 2"
    assert op.output_shape([None]) == [None]
    with pytest.raises(ValidationError, match="shape inference failed: IndexError"):
        op.output_shape([(3,)])


def test_types_are_declared_inferred_or_the_first_inputs():
    op = builder().output("I", DType.Int64).output("B").build()
    assert [d.name for d in op.output_dtype([np.float16])] == ["float16", "int64", "float16"]
    inferring = builder("T").type_inference(lambda dtypes: [np.bool_]).build()
    assert inferring.output_dtype([DType.Float32]) == [np.dtype(bool)]


def test_kernels_by_device():
    """A kernel for all serves every device; one for another device does not serve the CPU."""
    both = CustomOpBuilder("Both").input("X").forward(identity).build()
    assert both.supports_backend(BackendType.WSE)
    wafer = CustomOpBuilder("Wafer").input("X").kernel(identity, BackendType.WSE).build()
    with pytest.raises(BackendError, match="no kernel for CPU"):
        wafer(np.ones(1))
    assert wafer.execute([np.ones(1)], backend=BackendType.WSE)[0].tolist() == [1]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: CustomOpBuilder("A").output("Y").build(), "has no kernel"),
        (lambda: builder("a b").build(), "letters, digits and underscores"),
        (lambda: builder().domain("a b").build(), '"a b" is no domain'),
        (lambda: builder().input("X").build(), "two inputs have one name"),
        (lambda: builder().version(0).build(), "its version is 0"),
        (lambda: builder().input("Z", "no-such-dtype"), 'dtype of "Z"'),
        (lambda: builder().attr_int("n", default="x").build(), 'attribute "n" is an integer'),
        (lambda: OpSchema("A", kernels={BackendType.CPU: identity}), "it has no output"),
        (
            lambda: (
                CustomOpBuilder("A").input("X", variadic=True).input("Y").kernel(identity).build()
            ),
            "only the last input may be variadic",
        ),
        (lambda: register_custom_op("A"), "either a kernel_fn or a forward_fn"),
        (lambda: register_custom_op("A", identity, csl_template="x"), "csl_template"),
    ],
)
def test_a_definition_that_is_none_is_refused(make, why):
    with pytest.raises(ValidationError, match=why):
        make()


def test_two_operators_of_one_op_are_refused():
    """Names that IR cannot tell apart, and domains that it cannot."""
    builder("MyOp").build()
    with pytest.raises(ValidationError, match=r'"custom::MyOp" is the op custom.my_op in IR'):
        builder("My_Op").build()
    builder("A").domain("a.b").build()
    with pytest.raises(ValidationError, match="has the dialect a_b in IR already"):
        builder("B").domain("a_b").build()


def test_registering_again_replaces():
    """As notebooks do; names in two domains are told apart by the domain."""
    builder().build()
    builder().doc("newer").build()
    registry = CustomOpRegistry.instance()
    assert registry.get("Probe").doc() == "newer"
    registry.register_op(
        OpSchema("Probe", "other", outputs=(OutputSpec("Y"),), kernels={BackendType.ALL: identity})
    )
    assert registry.get("Probe") is None
    assert {"custom::Probe", "other::Probe"} <= set(registry.list())
    count = registry.size()
    registry.unregister("other::Probe")
    assert registry.size() == count - 1


def test_tensors_in_tensors_out():
    """Where the API's Tensor is given, it is returned; arrays give arrays."""
    given = pyflame_rt.from_numpy(np.ones(2, np.float32))
    op = builder().gradient(lambda inputs, grads: [grads[0]]).build()
    (y,) = op.execute([given], {})
    assert isinstance(y, pyflame_rt.Tensor)
    assert pyflame_rt.to_numpy(y).tolist() == [1, 1]
    (grad,) = op.gradient([given], [given])
    assert isinstance(grad, pyflame_rt.Tensor)
    assert isinstance(op(np.ones(2)), np.ndarray)


@pytest.mark.parametrize("domain", ["", "ai.onnx"])
def test_operators_of_onnx_are_not_replaced(domain: str):
    """A model's Relu would stay ONNX's, so registering another is refused."""
    with pytest.raises(ValidationError, match="cannot be replaced"):
        register_custom_op("Relu", domain=domain, kernel_fn=identity)
