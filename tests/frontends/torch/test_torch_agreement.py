"""torch is the oracle: what it saves is read bit for bit, from both of its forms."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import pytest

from pyflame_rt.frontends.torch.checkpoint import open_checkpoint
from pyflame_rt.frontends.torch.storage import SparseRecord, TensorRecord, torch_dtypes

pytestmark = pytest.mark.torch

ZIP, LEGACY = {}, {"_use_new_zipfile_serialization": False}


@pytest.fixture
def torch() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("torch", reason="needs torch")


def saved(torch: Any, value: object, form: dict[str, bool]) -> Any:
    """What is read of what torch wrote."""
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(value, stream, **form)
    return open_checkpoint(stream.getvalue()).value


def raw(torch: Any, value: Any) -> bytes:
    value = value.detach().resolve_conj().resolve_neg().contiguous().flatten()
    return value.view(torch.uint8).numpy().tobytes() if value.numel() else b""


@pytest.mark.parametrize("form", [ZIP, LEGACY], ids=["zip", "legacy"])
@pytest.mark.parametrize(
    "dtype", [n for n, dtype in torch_dtypes().items() if not dtype.is_quantized]
)
def test_every_dtype(torch: Any, dtype: str, form: dict[str, bool]):
    generator = torch.Generator().manual_seed(0)
    kind = getattr(torch, dtype)
    bits = torch.randint(0, 2, (4, 6 * kind.itemsize), generator=generator, dtype=torch.uint8)
    bits *= 1 if dtype == "bool" else 113
    value = bits.view(kind)
    found = saved(torch, value, form)
    assert found.dtype.name == dtype
    assert found.array().shape == (4, 6)
    assert np.ascontiguousarray(found.array()).tobytes() == raw(torch, value)


@pytest.mark.parametrize("form", [ZIP, LEGACY], ids=["zip", "legacy"])
def test_views_parameters_and_flags(torch: Any, form: dict[str, bool]):
    base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    weight = torch.complex(base, base + 1)
    values = {
        "base": base,
        "permuted": base.permute(2, 0, 1),
        "sliced": base[1, ::2, 1:],
        "expanded": base[:, :1].expand(2, 5, 4),
        "empty": base[:0],
        "scalar": base[1, 2, 3],
        "channels_last": torch.arange(24.0).reshape(1, 2, 3, 4).to(
            memory_format=torch.channels_last
        ),
        "parameter": torch.nn.Parameter(base + 1),
        "grad": (base + 2).requires_grad_(),
        "conj": weight.conj(),
        "imag": torch.complex(base, base + 2).conj().imag,
    }  # fmt: skip
    found = saved(torch, values, form)
    for key, value in values.items():
        record = found[key]
        assert isinstance(record, TensorRecord)
        assert record.array().shape == tuple(value.shape)
        assert np.ascontiguousarray(record.array()).tobytes() == raw(torch, value), key
        assert record.requires_grad == value.requires_grad, key
        assert record.strides == value.stride(), key
    assert found["permuted"].storage is found["base"].storage


@pytest.mark.parametrize("form", [ZIP, LEGACY], ids=["zip", "legacy"])
def test_quantized_and_sparse(torch: Any, form: dict[str, bool]):
    values = torch.linspace(-2, 2, 12).reshape(3, 4)
    scales, zeros = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0, 3, -4])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantized = {
            "i8": torch.quantize_per_tensor(values, 0.013, 3, torch.qint8),
            "u8": torch.quantize_per_tensor(values, 0.02, 100, torch.quint8),
            "i32": torch.quantize_per_tensor(values, 1e-5, 3, torch.qint32),
            "rows": torch.quantize_per_channel(values, scales, zeros, 0, torch.qint8),
        }
        sparse = torch.sparse_coo_tensor([[0, 2, 0], [1, 1, 1]], [1.5, 2.0, -4.0], (3, 2))
        found = saved(torch, {**quantized, "sparse": sparse}, form)
        for key, value in quantized.items():
            record = found[key]
            assert record.array().tobytes() == value.int_repr().numpy().tobytes(), key
            assert record.values().tobytes() == value.dequantize().numpy().tobytes(), key
    assert isinstance(found["sparse"], SparseRecord)
    np.testing.assert_array_equal(found["sparse"].values(), sparse.to_dense().numpy(), strict=True)


@pytest.mark.parametrize("form", [ZIP, LEGACY], ids=["zip", "legacy"])
def test_a_module_and_its_optimizer(torch: Any, form: dict[str, bool]):
    """A training checkpoint: everything in it is read, and every tensor the same."""
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.LSTM(4, 3, 2)
    )
    optimizer = torch.optim.Adam(module.parameters())
    sum(p.sum() for p in module.parameters()).backward()
    optimizer.step()
    state = {"model": module.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    found = saved(torch, state, form)
    assert found["epoch"] == 3
    assert list(found["model"]) == list(state["model"])
    moments = found["optimizer"]["state"], state["optimizer"]["state"]
    pairs = [(found["model"][key], value) for key, value in state["model"].items()]
    for index, entry in moments[1].items():
        pairs += [(moments[0][index][key], value) for key, value in entry.items()]
    for record, value in pairs:
        assert np.ascontiguousarray(record.array()).tobytes() == raw(torch, value)
    assert found["optimizer"]["param_groups"][0]["betas"] == (0.9, 0.999)
