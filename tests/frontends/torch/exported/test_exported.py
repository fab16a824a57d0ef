"""Exported programs run as torch ran them, and their modules say where everything is from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, FileLineColLoc, ModuleOp, NameLoc

from pyflame_rt import module_files
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.errors import UnsupportedFormatError
from pyflame_rt.frontends import frontend_for
from pyflame_rt.frontends.torch.exported import import_exported
from pyflame_rt.universe import make_context

PROGRAMS = Path(__file__).resolve().parents[1] / "programs"
NAMES = ("cnn", "dyn", "mlp", "rnn", "transformer")


def load(name: str) -> ModuleOp:
    module = import_exported(PROGRAMS / f"{name}.pt2")
    module.verify()
    return module


def run(module: ModuleOp, arrays: list[np.ndarray]) -> list[np.ndarray]:
    return ReferenceBackend().compile(module, "main").run(arrays)


def recorded(name: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Inputs of a program and what torch made of them."""
    with np.load(PROGRAMS / "expected.npz") as values:
        return tuple(
            [values[f"{name}|{kind}{i}"] for i in range(9) if f"{name}|{kind}{i}" in values]
            for kind in "io"
        )  # type: ignore[return-value]


def agree(ours: list[np.ndarray], theirs: list[np.ndarray]) -> None:
    assert len(ours) == len(theirs)
    for mine, wanted in zip(ours, theirs, strict=True):
        assert mine.shape == wanted.shape
        assert mine.dtype == wanted.dtype
        assert np.abs(mine - wanted).max() <= 1e-5 * np.abs(wanted).max()


@pytest.mark.parametrize("name", NAMES)
def test_programs_give_what_torch_gave(name: str) -> None:
    """Every program, on recorded inputs."""
    inputs, outputs = recorded(name)
    agree(run(load(name), inputs), outputs)


def test_conditions_choose_at_run_time() -> None:
    """torch.cond is an if with both branches, and the batch is any number."""
    module = load("dyn")
    inputs, outputs = recorded("dyn@again")
    assert [op.name for op in module.walk()].count("pfrt.if") == 1
    agree(run(module, inputs), outputs)


def test_inputs_have_the_names_of_forward_and_of_their_symbols() -> None:
    """Arguments are called as forward calls them; weights are none of them."""
    (function,) = (op for op in load("dyn").walk() if isinstance(op, func.FuncOp))
    assert isinstance(function.arg_attrs, ArrayAttr)
    names = [row.data["pfrt.name"].data for row in function.arg_attrs]
    assert names == ["x", "flag"]
    dims = [dim.data for dim in function.arg_attrs.data[0].data["pfrt.dims"]]
    assert dims == ["s77", ""]
    assert str(function.body.block.args[0].type) == "tensor<?x8xf32>"


def test_the_module_says_what_torch_said() -> None:
    """The producer, the ranges of symbols, and the version of the operators."""
    about = load("dyn").attributes["pfrt.model"].data
    assert about["producer_name"].data == "pytorch"
    assert about["producer_version"].data.startswith("2.13")
    assert about["custom_metadata"].data["range of s77"].data == "2..64"
    assert about["opset_import"].data["aten"].value.data == 10


def test_ops_have_the_place_of_their_module() -> None:
    """A location is a module's path, and a line of the model's own source."""
    ops = [op for op in load("cnn").walk() if op.name == "pfrt.conv"]
    location = ops[0].location
    assert isinstance(location, NameLoc)
    assert location.desc.data == "stem.0"
    assert isinstance(location.location, FileLineColLoc)
    assert location.location.filename.data == "make_torch_programs.py"
    assert location.location.line.data > 0
    assert isinstance(ops[0], PfrtOp)
    assert ops[0].names is not None and ops[0].names.data == ("conv2d",)


def test_weights_are_views_of_the_file() -> None:
    """No weight is copied at import."""
    weights = list(module_files.used_weights(load("transformer")))
    assert weights
    for weight in weights:
        if weight.data.array.nbytes > 4096:
            assert not weight.data.array.flags.owndata
            assert not weight.data.array.flags.writeable


@pytest.mark.parametrize("name", NAMES)
def test_text_round_trips(name: str, tmp_path: Path) -> None:
    """A module written as text and weights gives the same results."""
    inputs, outputs = recorded(name)
    module_files.save(load(name), tmp_path / "m.mlir")
    agree(run(module_files.load(tmp_path / "m.mlir", make_context()), inputs), outputs)


def test_content_says_what_a_file_is(tmp_path: Path) -> None:
    """An exported program under another of torch's names is read all the same."""
    path = tmp_path / "m.pth"
    path.write_bytes((PROGRAMS / "mlp.pt2").read_bytes())
    assert isinstance(frontend_for(path)(path), ModuleOp)


def test_a_checkpoint_is_no_model(tmp_path: Path) -> None:
    """A file of tensors is refused with what to do instead."""
    path = tmp_path / "m.safetensors"
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}  '
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(UnsupportedFormatError, match=r"tensors, and no graph.*PyTorchImporter"):
        frontend_for(path)(path)
