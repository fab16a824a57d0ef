"""Plugins: loading, what they need, unloading, files."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest
from xdsl.passes import ModulePass
from xdsl.universe import Universe

from pyflame_rt import ModelNotFoundError, PyFlameRTError, pipelines, plugins, requirements
from pyflame_rt.backends.base import Backend
from pyflame_rt.backends.registry import BackendRegistry
from pyflame_rt.custom import CustomOpRegistry, register_custom_op
from pyflame_rt.formats import FormatRegistry, ModelLoader
from pyflame_rt.plugins import Plugin, PluginError, load_plugin, register_plugin, unload_plugin


class Loader(ModelLoader):
    def extensions(self):
        return [".probe"]

    def load(self, path):
        raise NotImplementedError


class Idle(Backend):
    name = "idle"
    stopped = 0

    def compile(self, module, function="main"):
        raise NotImplementedError

    def shutdown(self):
        type(self).stopped += 1


class PluginPass(ModulePass):
    name = "plugin-probe"

    def apply(self, ctx, op):
        """Nothing."""


class Everything(Plugin):
    """Registers one of each."""

    name = "everything"
    version = "1.2"

    def setup(self):
        register_custom_op("Everything", lambda x: x)
        BackendRegistry.instance().register_backend("idle", Idle)
        FormatRegistry.instance().register_loader(Loader())
        plugins.register_universe(Universe(all_passes={"plugin-probe": lambda: PluginPass}))

    def get_custom_ops(self):
        return {"FromDict": lambda x, *, n=1: x * n}


def brought() -> list[bool]:
    """Which of the things that Everything brings are there."""
    return [
        CustomOpRegistry.instance().has("Everything"),
        CustomOpRegistry.instance().has("FromDict"),
        "idle" in BackendRegistry.instance().available_backends(),
        bool(FormatRegistry.instance().loaders()),
        "plugin-probe" in pipelines.multiverse().all_passes,
    ]


def test_unloading_takes_back_what_was_registered():
    register_plugin(Everything)
    assert brought() == [False] * 5
    plugin = load_plugin("everything")
    assert load_plugin("everything") is plugin, "once is enough"
    assert brought() == [True] * 5
    assert [p.name for p in pipelines.parse("plugin-probe")] == ["plugin-probe"]
    assert {"name": "everything", "version": "1.2", "description": ""} in plugins.list_plugins()
    stopped = Idle.stopped
    BackendRegistry.instance().create("idle")
    assert unload_plugin("everything")
    assert Idle.stopped == stopped + 1, "a running backend is shut down"
    assert brought() == [False] * 5
    assert not unload_plugin("everything")


def test_what_fails_leaves_nothing_behind():
    @register_plugin
    class Failing(Everything):
        name = "failing"

        def setup(self):
            super().setup()
            raise RuntimeError("no device")

    with pytest.raises(PluginError, match="its setup failed: RuntimeError: no device"):
        load_plugin("failing")
    assert brought() == [False] * 5
    assert "failing" not in [p["name"] for p in plugins.list_plugins()]


def test_a_plugin_cannot_end_the_program():
    @register_plugin
    class Leaving(Everything):
        name = "leaving"

        def setup(self):
            sys.exit(3)

    with pytest.raises(PluginError, match="its setup failed: SystemExit: 3"):
        load_plugin("leaving")


def test_dependencies_are_loaded_first_and_kept():
    order = []

    def define(name, dependencies):
        class Ordered(Plugin):
            def setup(self):
                order.append(self.name)

        Ordered.name, Ordered.dependencies = name, dependencies
        register_plugin(Ordered)

    define("base", [])
    define("top", ["base"])
    define("left", ["right"])
    define("right", ["left"])
    define("lonely", ["nobody"])
    load_plugin("top")
    assert order == ["base", "top"]
    with pytest.raises(PluginError, match='plugin "base": is needed by top'):
        unload_plugin("base")
    unload_plugin("top")
    unload_plugin("base")
    with pytest.raises(PluginError, match="need each other: left needs right needs left"):
        load_plugin("left")
    with pytest.raises(PluginError, match='needs the plugin "nobody", which there is not'):
        load_plugin("lonely")


@pytest.mark.parametrize(
    ("requirement", "why"),
    [
        ("numpy", ""),
        ("numpy>=1.20,<99", ""),
        ("pyflame_rt>=0.1", ""),
        ("pyflame-rt >= 99", "version 0.1.0 is installed"),
        ("xdsl != 0.1", ""),
        ("xdsl==0.1", "is installed"),
        ("no-such-package-at-all", "it is not installed"),
        ("numpy~=1", "no requirement such as"),
        (">=1", "no requirement such as"),
    ],
)
def test_requirements(requirement, why):
    problem = requirements.problem(requirement)
    assert (why in problem) if why else problem == ""


def test_a_missing_package_is_named():
    @register_plugin
    class Demanding(Everything):
        name = "demanding"
        requires = ["no-such-package-at-all>=2"]

    with pytest.raises(PluginError, match="needs no-such-package-at-all>=2, but it is not inst"):
        load_plugin("demanding")
    assert brought() == [False] * 5


def test_entry_points_are_found_by_name(monkeypatch):
    """And looked up only when somebody asks."""
    module = ModuleType("probe_package")
    module.Everything = Everything
    module.Odd = 3
    monkeypatch.setitem(sys.modules, "probe_package", module)
    points = [
        EntryPoint("everything", "probe_package:Everything", plugins.GROUP),
        EntryPoint("odd", "probe_package:Odd", plugins.GROUP),
        EntryPoint("gone", "no_such_package:X", plugins.GROUP),
    ]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points)
    assert {"everything", "odd", "gone"} <= set(plugins.available_plugins())
    load_plugin("everything")
    assert all(brought())
    unload_plugin("everything")
    load_plugin("probe_package:Everything")
    unload_plugin("everything")
    with pytest.raises(PluginError, match='"odd": is no subclass'):
        load_plugin("odd")
    with pytest.raises(PluginError, match='"gone": cannot be imported: ModuleNotFoundError'):
        load_plugin("gone")
    with pytest.raises(PluginError, match="there is no such plugin; there are: everything"):
        load_plugin("nope")


def test_a_file_is_run_and_taken_back(tmp_path: Path):
    file = tmp_path / "ops.py"
    file.write_text(
        "from pyflame_rt.custom import custom_op\n"
        "from pyflame_rt.plugins import Plugin, register_plugin\n"
        "assert __name__ == 'ops'\n"
        "@custom_op('InFile')\n"
        "def op(x):\n    return x\n"
        "@register_plugin\n"
        "class P(Plugin):\n"
        "    name = 'in-file'\n"
        "    def setup(self):\n        custom_op('ByPlugin')(lambda x: x)\n"
    )
    load_plugin(str(file))
    load_plugin(str(file))
    registry = CustomOpRegistry.instance()
    assert registry.has("InFile")
    assert registry.has("ByPlugin")
    assert str(file) in plugins.loaded_files()
    assert unload_plugin(str(file))
    assert not registry.has("InFile")
    assert not registry.has("ByPlugin")
    assert "in-file" not in plugins.available_plugins()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x = 1\nx +\n", ":2: SyntaxError: invalid syntax"),
        ("\n\nraise KeyError('a')", ":3: KeyError: 'a'"),
        ("import no_such_module_at_all", ":1: ModuleNotFoundError"),
        ("def f():\n    return 1 / 0\nf()", ":2: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(3)", ":2: SystemExit: 3"),
        ("from pyflame_rt.custom import CustomOpBuilder\nCustomOpBuilder('A').build()",
         ':2: custom operator "custom::A": it has no kernel'),
    ],
)  # fmt: skip
def test_a_file_that_fails_is_told_with_its_line(tmp_path: Path, text: str, why: str):
    file = tmp_path / "bad.py"
    file.write_text(
        "from pyflame_rt.custom import custom_op; custom_op('Half')(lambda x: x)\n" + text
    )
    number = int(why[1]) + 1
    with pytest.raises(PluginError) as caught:
        load_plugin(str(file))
    assert str(caught.value).startswith(f"{file}:{number}{why[2:]}")
    assert "\n" not in str(caught.value)
    assert not CustomOpRegistry.instance().has("Half"), "what it did before is taken back"


def test_no_such_file():
    with pytest.raises(ModelNotFoundError, match="no such file"):
        load_plugin("nope.py")


def test_a_pass_of_another_is_refused_and_forgotten():
    clash = Universe(all_passes={"pfrt-dce": lambda: PluginPass})
    with pytest.raises(PyFlameRTError, match='"pfrt-dce" is defined twice'):
        plugins.register_universe(clash)
    assert "pfrt-dce" in pipelines.multiverse().all_passes


def test_importing_costs_nothing():
    """Tools import it at every start."""
    code = (
        "import sys, pyflame_rt.plugins, pyflame_rt.formats, pyflame_rt.dialects.custom.registry;"
        "print([m for m in ('numpy', 'onnx', 'ml_dtypes') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
