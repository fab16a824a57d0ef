"""The table of dialects, passes and targets, as plugins of xDSL and as one Context."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest
from xdsl.universe import Universe

from pyflame_rt import universe
from pyflame_rt.errors import PyFlameRTError


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch):
    """Replaces the environment's plugins, for the duration of a test."""

    def install(*points: EntryPoint) -> None:
        monkeypatch.setattr(universe, "entry_points", lambda group: points)
        universe.multiverse.cache_clear()

    yield install
    universe.multiverse.cache_clear()


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, "xdsl.universe")


def test_every_pass_is_found_under_its_own_name():
    for name, factory in universe.PFRT_UNIVERSE.all_passes.items():
        assert factory().name == name


def test_every_target_is_found_under_its_own_name():
    for name, factory in universe.PFRT_UNIVERSE.all_targets.items():
        assert factory().name == name


def test_every_dialect_is_found_under_its_own_name_and_is_fresh():
    for name, factory in universe.PFRT_UNIVERSE.all_dialects.items():
        assert factory().name == name
        assert factory() is not factory(), "contexts would share dialect state"


def test_contexts_have_upstream_dialects_and_ours():
    ctx = universe.make_context()
    assert {"arith", "func", "pfrt", "plan", "check"} <= set(ctx.registered_dialect_names)


def test_import_needs_neither_numpy_nor_onnx():
    """`xdsl-opt` imports the universe at every start."""
    code = (
        "import sys, pyflame_rt.universe as u; u.make_context(); u.multiverse();"
        "print([m for m in ('numpy', 'onnx', 'ml_dtypes') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_our_universe_counts_once_whether_or_not_the_package_is_installed(plugins):
    plugins()
    alone = set(universe.multiverse().all_passes)
    plugins(
        point("pyflame_rt", "pyflame_rt.universe:PFRT_UNIVERSE"),
        point("xdsl", "xdsl.universe:XDSL_UNIVERSE"),
    )
    assert set(universe.multiverse().all_passes) == alone


def test_a_plugin_that_cannot_be_loaded_is_named(plugins):
    plugins(point("broken", "no_such_module:UNIVERSE"))
    with pytest.raises(PyFlameRTError, match="plugin broken: cannot be loaded"):
        universe.make_context()


def test_a_plugin_that_is_no_universe_is_named(plugins):
    plugins(point("odd", "os:path"))
    with pytest.raises(PyFlameRTError, match="plugin odd: its entry point is not"):
        universe.make_context()


def test_two_plugins_with_one_name_are_both_named(plugins, monkeypatch):
    monkeypatch.setattr(
        universe, "CLASH", Universe(all_passes={"cse": lambda: None}), raising=False
    )
    plugins(point("clash", "pyflame_rt.universe:CLASH"))
    with pytest.raises(PyFlameRTError, match='plugins clash, xdsl: "cse" is defined twice'):
        universe.multiverse()
