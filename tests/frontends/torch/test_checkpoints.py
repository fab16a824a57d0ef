"""State dicts out of checkpoints of every form, and what is said when there is none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from torch_bytes import (
    Entry,
    call,
    checkpoint,
    dense,
    flag,
    integer,
    integers,
    legacy,
    listed,
    mapping,
    name,
    real,
    storage,
    tensor,
    text,
    write_zip,
)

from pyflame_rt.errors import InvalidModelError, ModelNotFoundError, PyFlameRTError
from pyflame_rt.frontends.torch.checkpoint import (
    Form,
    identify,
    inspect_checkpoint,
    open_checkpoint,
    read_state_dict,
)
from pyflame_rt.tools.pfrt_run import main

W = np.arange(6, dtype=np.float32).reshape(2, 3)
B = np.array([1, 2], np.int64)
STORAGES = {"0": W.tobytes(), "1": B.tobytes()}
ENTRIES = {"module.w": dense(W, "0"), "module.b": dense(B, "1")}
META = call(
    name("torch._utils", "_rebuild_meta_tensor_no_storage"),
    name("torch", "float32"), integers((3,)), integers((1,)), flag(False),
)  # fmt: skip


def training(**more: bytes) -> bytes:
    """A checkpoint as training loops write it."""
    state = {"state_dict": mapping(ENTRIES), "epoch": integer(3), "lr": real(0.1), **more}
    return checkpoint(mapping(state), STORAGES)


def safetensors(**changes: object) -> bytes:
    """A safetensors file of W and B."""
    header = {
        "__metadata__": {"format": "pt"},
        "w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "b": {"dtype": "I64", "shape": [2], "data_offsets": [24, 40]},
    } | changes
    raw = json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + W.tobytes() + B.tobytes()


@pytest.mark.parametrize(
    ("data", "form", "prefix"),
    [
        (checkpoint(mapping(ENTRIES), STORAGES), Form.Archive, "module."),
        (checkpoint(mapping(ENTRIES), STORAGES, order=None), Form.Archive, "module."),
        (
            legacy(mapping(ENTRIES), {"0": (6, W.tobytes()), "1": (2, B.tobytes())}),
            Form.Legacy,
            "module.",
        ),
        (
            legacy(mapping(ENTRIES), {"0": (6, W.tobytes()), "1": (2, B.tobytes())}, little=False),
            Form.Legacy,
            "module.",
        ),
        (safetensors(), Form.Safetensors, ""),
    ],
)
def test_every_form_is_read(tmp_path: Path, data: bytes, form: Form, prefix: str):
    """By content, whatever the file's name says; as read-only views of the map."""
    path = tmp_path / "weights.any"
    path.write_bytes(data)
    assert identify(path) is form
    for source in (data, path):
        found = read_state_dict(source)
        assert list(found) == [f"{prefix}w", f"{prefix}b"]
        np.testing.assert_array_equal(found[f"{prefix}w"], W, strict=True)
        np.testing.assert_array_equal(found[f"{prefix}b"], B, strict=True)
        assert not any(array.flags.writeable or array.flags.owndata for array in found.values())


def test_the_state_dict_is_under_a_key_of_the_callers():
    """Wrapped ones are never guessed at: the error says which keys hold tensors."""
    with pytest.raises(InvalidModelError, match=r"holds 'state_dict'; give the .* \"state_dict\""):
        read_state_dict(training())
    assert list(read_state_dict(training(), key="state_dict")) == ["module.w", "module.b"]
    both = training(ema=mapping({"inner.model": mapping({"v": dense(W, "0")})}))
    with pytest.raises(InvalidModelError, match="'state_dict', 'ema'"):
        read_state_dict(both)
    assert list(read_state_dict(both, key="ema.inner.model")) == ["v"]
    with pytest.raises(InvalidModelError, match=r"holds 'inner\.model'"):
        read_state_dict(both, key="ema")


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("model", r"has nothing under 'model', but 'state_dict', 'epoch', 'lr'"),
        ("state_dict.module", r"has nothing under 'module', but 'module\.w', 'module\.b'"),
        ("epoch", "3 is where a state dict belongs"),
        ("state_dict.module.w", "TensorRecord is where a state dict belongs"),
        ("epoch.x", "has nothing under 'x', but no names"),
        ("", "holds 'state_dict'"),
    ],
)
def test_a_key_that_leads_nowhere_is_explained(key: str, why: str):
    with pytest.raises(InvalidModelError, match=why):
        read_state_dict(training(), key=key)


def test_values_beside_the_tensors_are_left_out():
    """Versions, extra states with tensors in them, keys that are no names."""
    entries = {**ENTRIES, "step": integer(1), "q._extra_state": mapping({"s": dense(W, "0")})}
    data = checkpoint(mapping(entries) + b"K\7Ns", STORAGES)
    assert list(read_state_dict(data)) == ["module.w", "module.b"]


def test_prefixes_are_taken_off_on_request():
    data = training()
    assert list(read_state_dict(data, key="state_dict", strip_prefix=True)) == ["w", "b"]
    assert list(read_state_dict(data, key="state_dict", strip_prefix="mod")) == ["ule.w", "ule.b"]
    clash = checkpoint(mapping({"module.w": dense(W, "0"), "w": dense(B, "1")}), STORAGES)
    assert len(read_state_dict(clash)) == 2
    with pytest.raises(InvalidModelError, match=r"two names are one without 'module\.'"):
        read_state_dict(clash, strip_prefix=True)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (checkpoint(mapping({"a": integer(1)}), {}), "holds no tensors, but 'a'"),
        (checkpoint(b"}", {}), "holds no tensors, but nothing"),
        (checkpoint(dense(W, "0"), STORAGES), "TensorRecord is where a state dict belongs"),
        (checkpoint(mapping({"a": META}), {}), "'a' was saved on the meta device"),
        (
            checkpoint(mapping({f"n{i}": integer(i) for i in range(20)}), {}),
            "'n7' and 12 more",
        ),
        (checkpoint(name("__main__", "Net") + b")\x81}b", {}), r"run no code; save the weights"),
        (checkpoint(name("__torch__", "Net") + b")\x81}b", {}), "class of a TorchScript archive"),
        (
            write_zip([Entry("m/data.pkl", b"\x80\2N."), Entry("m/code/a.py")]),
            "TorchScript program",
        ),
        (
            write_zip([Entry("m/archive_format", b"pt2")]),
            "torch.export program.*load it as a model",
        ),
        (write_zip([Entry("m/other")]), "not one of torch's"),
        (b"", "neither a file of torch.save nor of safetensors"),
        (b"\x80\2N.", "neither a file of torch.save nor of safetensors"),
        (b"\x89PNG\r\n", "neither a file of torch.save nor of safetensors"),
    ],
)
def test_what_is_no_state_dict_is_explained(data: bytes, why: str):
    with pytest.raises(InvalidModelError, match=why):
        read_state_dict(data)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(ModelNotFoundError, match=r"nope\.pt: no such file"):
        read_state_dict(tmp_path / "nope.pt")


def test_inspection_lists_tensors_wherever_they_are():
    shared = tensor(storage("Float", "0", 6), 1, (2,), (1,))
    data = training(rng=shared, list=listed(dense(B, "1"), integer(1)), meta=META, note=text("x"))
    summary = inspect_checkpoint(data)
    assert summary.form is Form.Archive
    assert [str(found) for found in summary.tensors] == [
        "state_dict.module.w: float32 [2, 3], 24 bytes",
        "state_dict.module.b: int64 [2], 16 bytes",
        "rng: float32 [2], 8 bytes, shares storage with state_dict.module.w",
        "list[0]: int64 [2], 16 bytes, shares storage with state_dict.module.b",
        "meta: float32 [3], 0 bytes, no values",
    ]
    assert summary.others == {"epoch": "3", "lr": "0.1", "list[1]": "1", "note": "str"}


def test_inspection_of_torchscript_follows_modules_once():
    net = name("__torch__", "Net") + b")\x81q\0"
    state = mapping({"w": dense(W, "0"), "me": b"h\0", "training": flag(False)}) + b"b"
    members = {"data.pkl": net + state, "constants.pkl": listed(dense(B, "0"))}
    entries = [Entry(f"m/{n}", b"\x80\2" + value + b".") for n, value in members.items()]
    entries += [Entry("m/data/0", W.tobytes()), Entry("m/constants/0", B.tobytes())]
    summary = inspect_checkpoint(write_zip(entries))
    assert summary.form is Form.TorchScript
    assert [found.name for found in summary.tensors] == ["w", "constants[0]"]


def test_inspection_reads_no_tensor():
    """A damaged storage is found by reading it, not by looking at what the file holds."""
    data = bytearray(training())
    data[data.index(W.tobytes())] ^= 1
    assert len(inspect_checkpoint(bytes(data)).tensors) == 2
    assert len(read_state_dict(bytes(data), key="state_dict", verify=False)) == 2
    with pytest.raises(InvalidModelError, match="the file is damaged"):
        open_checkpoint(bytes(data))


def test_pfrt_run_inspects_checkpoints(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "c.pth"
    path.write_bytes(training(args=name("argparse", "Namespace") + b")\x81}b"))
    assert main([str(path), "--inspect"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "format      checkpoint",
        "tensors     state_dict.module.w: float32 [2, 3], 24 bytes",
        "            state_dict.module.b: int64 [2], 16 bytes",
        "values      epoch: 3",
        "            lr: 0.1",
        "            args: Namespace",
        "parameters  8 (40 B)",
    ]
    assert main([str(path), "--inspect", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["inspection"]
    assert (found["form"], found["parameters"], len(found["tensors"])) == ("checkpoint", 8, 2)
    path.write_bytes(b"nothing")
    assert main([str(path), "--inspect"]) == 2
    assert "neither a file of torch.save nor of safetensors" in capsys.readouterr().err


def test_names_cannot_disturb_what_is_printed():
    """Line breaks and marks that turn text around are shown, not obeyed."""
    data = checkpoint(mapping({"a\nb\u202e": dense(W, "0"), "c\x1b[2J": integer(1)}), STORAGES)
    summary = inspect_checkpoint(data)
    assert str(summary.tensors[0]).isprintable()
    assert all(key.isprintable() for key in summary.others)


def test_errors_are_of_one_line_and_short():
    """Nothing of a file is quoted at length."""
    data = checkpoint(mapping({"n" * 5000: integer(1), "\n": integer(2)}), {})
    with pytest.raises(PyFlameRTError) as caught:
        read_state_dict(data)
    assert len(str(caught.value)) < 2000 and "\n" not in str(caught.value)
