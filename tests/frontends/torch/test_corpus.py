"""The corpus of files that torch wrote: what torch recorded of each is what it gives here.

The corpus lies beside the project on some machines only. Of programs it has recorded values itself;
scripts/record_torch_corpus.py records those of the rest, and digests of all tensors.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch_runs import TOLERANCE, assert_agree, feeds, recorded, run_without_torch, torch_is_absent

from pyflame_rt import InferenceSession
from pyflame_rt.compiler import Program
from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.frontends.torch.checkpoint import is_tensor, open_checkpoint, read_state_dict
from pyflame_rt.frontends.torch.pickle_globals import MetaRecord
from pyflame_rt.frontends.torch.script import import_torchscript
from pyflame_rt.frontends.torch.storage import SparseRecord
from pyflame_rt.graph import Graph
from pyflame_rt.universe import make_context

__all__ = ["torch_is_absent"]

HERE = Path(__file__).parent
CORPUS = HERE.resolve().parents[3] / "shared" / "torchscript_corpus"
MORE = recorded(HERE / "corpus_io.npz")
DIGESTS: dict[str, dict[str, list[Any]]] = json.loads((HERE / "corpus_digests.json").read_text())
RECORDS = {"expected_io.npz", "ctl_io.npz"}

OPTIONS: dict[str, dict[str, Any]] = {
    # The mask is an optional parameter, which without a type is taken as None.
    "transformer_script.pt": {"input_types": {"mask": "int64"}},
    "transformer_freeze.pt": {"input_types": {"mask": "int64"}},
}


def _exceptions() -> dict[str, str]:
    lines = (HERE / "corpus_exceptions.txt").read_text().splitlines()
    rows = (line.partition(": ") for line in lines if not line.startswith("#"))
    return {name: why for name, _, why in rows}


def _runs() -> dict[str, tuple[str, list[Any], list[Any]]]:
    """File, inputs and outputs by run; exported programs are of the modules that were scripted."""
    runs: dict[str, tuple[str, list[Any], list[Any]]] = {}
    for name, (inputs, outputs) in recorded(CORPUS / "expected_io.npz").items():
        runs[name] = (f"{name}.pt", inputs, outputs)
        network, _, how = name.partition("_")
        if how == "script":
            runs[f"{network}.pt2"] = (f"{network}.pt2", inputs, outputs)
    for name, (inputs, outputs) in MORE.items():
        stem = name.partition("@")[0]
        runs[name] = (f"{stem}.pt2" if stem == "dyn" else f"{stem}.pt", inputs, outputs)
    return runs


EXCEPTIONS = _exceptions()
RUNS = _runs()
ALIKE = {"misc_legacy.pt": "misc.pt"}
"""A file that torch 2.13 does not read any more, made of the values of another."""

pytestmark = pytest.mark.skipif(
    not CORPUS.is_dir(), reason="../shared/torchscript_corpus is not there"
)


def session_of(name: str, **options: Any) -> InferenceSession:
    """The session of a program, as people make it where the file alone says enough."""
    path = CORPUS / name
    if not options:
        return InferenceSession(path)
    module = import_torchscript(path, **options)
    return InferenceSession(Graph.of_program(Program(make_context(), module, path.name)))


def tensors_of(value: Any, way: str = "") -> Iterator[tuple[str, Any]]:
    """The tensors of a checkpoint by the keys that lead to them."""
    if is_tensor(value):
        yield way, value
    elif isinstance(value, dict | list | tuple):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from tensors_of(item, f"{way}.{key}" if way else str(key))


def digest_of(tensor: Any) -> list[Any]:
    """What is recorded of a tensor."""
    if isinstance(tensor, MetaRecord):
        return [tensor.dtype.name, list(tensor.sizes), ""]
    array = tensor.values() if isinstance(tensor, SparseRecord) else tensor.array()
    data = np.ascontiguousarray(array).tobytes()
    return [tensor.dtype.name, list(tensor.shape), hashlib.sha256(data).hexdigest()[:16]]


def test_no_file_is_left_out() -> None:
    """Every file of the corpus is run, compared by digests, or an exception."""
    tested = (
        {file for file, _, _ in RUNS.values()} | DIGESTS.keys() | ALIKE.keys() | EXCEPTIONS.keys()
    )
    tested |= {"ctl_script.pt", "expected_io.pt"} | RECORDS
    assert tested == {path.name for path in CORPUS.iterdir()}


@pytest.mark.parametrize("run", [run for run, (file, *_) in RUNS.items() if file not in EXCEPTIONS])
def test_programs_give_what_torch_gave(run: str) -> None:
    """Archives and exported programs in a session, on recorded inputs."""
    file, inputs, outputs = RUNS[run]
    session = session_of(file, **OPTIONS.get(file, {}))
    assert_agree(session.run(None, feeds(session, inputs)), outputs)


@pytest.mark.parametrize(
    "options",
    [{"values": {"n": 4, "flag": True}}, {"values": {"flag": True}}, {"input_types": {"flag": "bool"}}],
    ids=["known", "loops of the run", "all inputs"],
)  # fmt: skip
def test_control_flow(options: dict[str, Any]) -> None:
    """The number of passes is known at import, or an input: the list of tensors is a sequence."""
    with np.load(CORPUS / "ctl_io.npz") as arrays:
        x, y, means = (arrays[key] for key in "xym")
    session = session_of("ctl_script.pt", **options)
    given = {"x.1": x, "n.1": np.array(4), "flag.1": np.array(True)}
    names = [spec.name for spec in session.get_inputs()]
    first, *rest = session.run(None, {name: given[name] for name in names})
    np.testing.assert_allclose(first, y, rtol=TOLERANCE)
    found = rest[0] if isinstance(rest[0], list) else rest
    np.testing.assert_allclose(np.array(found, np.float64), means, rtol=TOLERANCE)


@pytest.mark.parametrize("file", [*DIGESTS, *ALIKE])
def test_tensors_have_the_bits_that_torch_reads(file: str) -> None:
    """Checkpoints of both forms: every tensor in them, wherever it is."""
    value = open_checkpoint(CORPUS / file).value
    wanted = dict(DIGESTS[ALIKE.get(file, file)])
    if file in ALIKE:
        # The older form knows no tensors without values.
        wanted = {name: row for name, row in wanted.items() if row[2]}
    found = {
        name: digest_of(tensor)
        for name, tensor in tensors_of(value)
    }  # fmt: skip
    assert found == wanted


def test_views_of_one_storage_stay_views() -> None:
    """Tensors that share memory in torch share it here."""
    shared = read_state_dict(CORPUS / "shared.pt")
    assert np.shares_memory(shared["a"], shared["b"])


def test_a_checkpoint_of_runs_is_the_record_of_them() -> None:
    """Tuples and lists in a checkpoint, compared with the arrays that NumPy wrote."""
    value = open_checkpoint(CORPUS / "expected_io.pt").value
    assert isinstance(value, dict)
    names = {
        name
        for name, (file, *_) in RUNS.items()
        if name == file.removesuffix(".pt") and "_" in name
    }
    for name in names - MORE.keys():
        found = [tensor.array() for _, tensor in tensors_of(value[name])]
        wanted = [*RUNS[name][1], *RUNS[name][2]]
        assert len(found) == len(wanted)
        for got, want in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(got, want, strict=True)


def test_exceptions_are_few() -> None:
    """Each has its reason, and they stay exceptions."""
    assert len(EXCEPTIONS) <= 3
    assert all(EXCEPTIONS.values())


@pytest.mark.parametrize("file", EXCEPTIONS)
def test_exceptions_are_refused(file: str) -> None:
    """A file that is read by now leaves the list."""
    with pytest.raises(PyFlameRTError):
        InferenceSession(CORPUS / file)
    with pytest.raises(PyFlameRTError):
        open_checkpoint(CORPUS / file)


def test_nothing_needs_torch() -> None:
    """A program of each kind runs where torch cannot be imported."""
    run_without_torch(
        CORPUS / "expected_io.npz", [CORPUS / "cnn_script.pt", CORPUS / "rnn_trace.pt"]
    )
    run_without_torch(HERE / "corpus_io.npz", [CORPUS / "dyn.pt2", CORPUS / "more_quant.pt"])
