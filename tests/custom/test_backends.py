"""Backends that are registered, and the linking of split modules."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from pyflame_rt import (
    BackendError,
    Graph,
    InferenceSession,
    ValidationError,
    compiler,
    pipelines,
    plugins,
)
from pyflame_rt.backends.base import Backend, get_backend
from pyflame_rt.backends.operator_backend import OperatorBackend
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.backends.registry import BackendRegistry
from pyflame_rt.custom import BackendType, CustomOpBuilder
from pyflame_rt.tools import pfrt_run

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = str(ROOT / "examples" / "extending" / "backend.py")
DIGITS = ROOT / "examples" / "digits"


class Recording(OperatorBackend):
    """Runs some operators, and notes what it ran."""

    name = "RecordingExecutionProvider"
    device_type = "cuda"

    def __init__(self):
        self.ran = []
        self.options = None
        self.stopped = False

    def initialize(self, options):
        self.options = options
        return options.get("device", "here") != "gone"

    def shutdown(self):
        self.stopped = True

    def operators(self):
        def noting(name, function):
            def run(inputs, attributes):
                self.ran.append(name)
                return function(inputs, attributes)

            return run

        return {
            "Exp": noting("Exp", lambda i, a: np.exp(i[0])),
            "Split": noting("Split", lambda i, a: np.split(i[0], 2, a["axis"])),
            "LeakyRelu": noting("LeakyRelu", lambda i, a: i[0] * np.float32(a["alpha"])),
            "Sqrt": noting("Sqrt", lambda i, a: np.sqrt(i[0]).astype(np.float64)),
        }


NAME = Recording.name


def register() -> None:
    BackendRegistry.instance().register_backend(NAME, Recording)


def running(**options: str) -> Recording:
    backend = get_backend(NAME, options)
    assert isinstance(backend, Recording)
    return backend


def graph(*nodes: tuple, outputs=("y",)) -> Graph:
    made = Graph("g")
    made.add_input("x", ["N", 4], np.float32)
    for op_type, inputs, results, attributes in nodes:
        made.add_node("", op_type, inputs, results, **attributes)
    for name in outputs:
        made.add_output(name, None, np.float32)
    return made


def compiled(made: Graph, **options: str) -> compiler.CompiledModel:
    program = made.program()
    return compiler.compile_module(program.module, program.ctx, NAME, options=options)


X = np.arange(8, dtype=np.float32).reshape(2, 4) / 8


def test_what_it_supports_runs_there_and_the_rest_on_numpy():
    """Two results, attributes, one call a part, concurrent sessions."""
    register()
    model = compiled(
        graph(
            ("Exp", ["x"], ["e"], {}),
            ("LeakyRelu", ["e"], ["l"], {"alpha": 0.5}),
            ("Neg", ["l"], ["n"], {}),
            ("Split", ["n"], ["y", "z"], {"axis": 1}),
            outputs=("y", "z"),
        )
    )
    y, z = model.run([X])
    expected = -np.exp(X) * np.float32(0.5)
    assert (np.hstack([y, z]) == expected).all()
    assert running().ran == ["Exp", "LeakyRelu", "Split"]
    failures = []

    def run_often():
        for _ in range(50):
            if not (np.hstack(model.run([X])) == expected).all():
                failures.append(1)

    threads = [threading.Thread(target=run_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_outputs_never_alias(monkeypatch):
    """A device function may return its input; a part's output may be the model's."""
    register()
    monkeypatch.setattr(
        Recording, "operators", lambda self: {"Exp": lambda inputs, attributes: inputs[0]}
    )
    model = compiled(
        graph(("Exp", ["x"], ["y"], {}), ("Exp", ["x"], ["z"], {}), outputs=("y", "z"))
    )
    y, z = model.run([X])
    assert not np.shares_memory(y, X)
    assert not np.shares_memory(y, z)


def test_sessions_take_it_as_a_provider():
    """By name, with options; dynamic and specialised runs give the same."""
    register()
    session = InferenceSession(
        graph(("Exp", ["x"], ["e"], {}), ("Neg", ["e"], ["y"], {})),
        providers=[(NAME, {"device": "here"}), "CPUExecutionProvider"],
    )
    assert session.get_providers() == [NAME, "CPUExecutionProvider"]
    for _ in range(5):
        assert (session.run(None, {"x": X})[0] == -np.exp(X)).all()
    assert set(running(device="here").ran) == {"Exp"}
    assert f"pfrt-outline{{target={NAME}}}" in session.pipeline


def test_custom_operators_run_by_their_kernel_for_the_device():
    register()
    CustomOpBuilder("Dual").input("X").output("Y").same_shape() \
        .kernel(lambda i: [i[0] + 1]).kernel(lambda i: [i[0] + 2], BackendType.CUDA).build()  # fmt: skip
    made = graph(("Dual", ["x"], ["y"], {}))
    assert (compiled(made).run([X])[0] == X + 2).all()
    program = made.program()
    assert (compiler.compile_module(program.module, program.ctx).run([X])[0] == X + 1).all()


def test_faults_of_a_device_are_told_with_the_op():
    register()
    model = compiled(graph(("Sqrt", ["x"], ["y"], {})))
    with pytest.raises(BackendError, match=r'pfrt.sqrt "y" \(node "Sqrt_1", .*float64, declared'):
        model.run([X])


def test_life_of_a_backend():
    """Started once for the same options, refused when it does not start, shut down in the end."""
    registry = BackendRegistry.instance()
    register()
    assert running() is running()
    other = running(device="there")
    assert other is not running()
    assert other.options == {"device": "there"}
    with pytest.raises(BackendError, match="its device did not initialise"):
        running(device="gone")
    assert registry.registered_backends() == [NAME]
    with pytest.raises(ValidationError, match="is registered already"):
        register()
    with pytest.raises(BackendError, match="is a backend of PyFlameRT"):
        registry.register_backend("numpy", Recording)
    assert registry.unregister_backend(NAME)
    assert other.stopped
    assert not registry.unregister_backend(NAME)
    assert registry.create(NAME) is None
    with pytest.raises(BackendError, match="there is no backend"):
        get_backend(NAME)


def test_a_factory_that_fails_is_told():
    def failing() -> Backend:
        raise OSError("no driver")

    BackendRegistry.instance().register_backend("broken", failing)
    with pytest.raises(BackendError, match='backend "broken": cannot be started: no driver'):
        get_backend("broken")


def test_a_backend_without_supports_gets_whole_modules():
    class Whole(Backend):
        name = "whole"

        def compile(self, module, function="main"):
            assert len(list(module.ops)) == 1
            return ReferenceBackend().compile(module, function)

    BackendRegistry.instance().register_backend("whole", Whole)
    program = graph(("Exp", ["x"], ["y"], {})).program()
    model = compiler.compile_module(program.module, program.ctx, "whole")
    assert "pfrt-outline" not in model.pipeline
    assert np.allclose(model.run([X])[0], np.exp(X))


def test_whatever_compiling_raises_is_told_of_the_backend():
    class Faulty(Backend):
        name = "faulty"

        def compile(self, module, function="main"):
            raise RuntimeError("out of\nregisters")

    BackendRegistry.instance().register_backend("faulty", Faulty)
    program = graph(("Exp", ["x"], ["y"], {})).program()
    with pytest.raises(BackendError, match='"faulty": cannot compile @main: out of registers'):
        compiler.compile_module(program.module, program.ctx, "faulty")


def test_parts_are_lowered_for_the_level():
    """A backend for parts is asked for its lowering, as one for whole modules is."""
    levels: list[int] = []

    class Leveled(Recording):
        def lowering(self, level):
            levels.append(level)
            return ""

    BackendRegistry.instance().register_backend("leveled", Leveled)
    program = graph(("Exp", ["x"], ["y"], {})).program()
    compiler.compile_module(program.module, program.ctx, "leveled", level=3)
    assert levels == [3]


def test_split_modules_are_linked_for_whatever_backends_they_name():
    program = graph(
        ("Exp", ["x"], ["e"], {}), ("Neg", ["e"], ["n"], {}), ("Abs", ["n"], ["y"], {})
    ).program()
    module = program.module.clone()
    text = "pfrt-outline{target=reference ops=Exp},pfrt-outline{target=numpy ops=Neg}"
    pipelines.run(program.ctx, module, pipelines.parse(text), verify=True)
    model = compiler.compile_module(module, program.ctx)
    assert np.allclose(model.run([X])[0], np.exp(X))
    pipelines.run(program.ctx, module, pipelines.parse("pfrt-outline{target=nobody ops=Abs}"))
    with pytest.raises(BackendError, match='there is no backend "nobody"'):
        compiler.compile_module(module, program.ctx)


def test_the_tools_take_it(capfd: pytest.CaptureFixture[str]):
    """The digits, partly on the example's device."""
    arguments = [str(DIGITS / "mlp.onnx"), "--load-plugin", PLUGIN, "--dim", "N=2"]
    backend = ["--backend", "MyExecutionProvider", "--compare", "reference"]
    assert pfrt_run.main([*arguments, *backend]) == 0
    assert "reference: agrees" in capfd.readouterr().out
    plugins.unload_plugin(PLUGIN)
    assert pfrt_run.main([str(DIGITS / "mlp.onnx"), *backend]) == 2
    assert "'MyExecutionProvider' is not one of" in capfd.readouterr().err
