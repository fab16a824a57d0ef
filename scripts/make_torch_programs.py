"""Writes the programs of tests/frontends/torch/programs, with what torch makes of their inputs.

    python scripts/make_torch_programs.py [FOLDER]

Small modules of our own as `torch.export` and `torch.jit` save them, and expected.npz: arrays by
"program|i0", "program|o0", … ("program@again|…" for a program's second run); buffers that a run
changes are inputs and outputs too, behind the others. Needs torch 2.13, whose version is written into
the programs. Weights are drawn from fixed seeds, so that one version of torch gives the same programs
and values every time, while archives may differ in the order of their code and in their
serialization ids. Folders of the machine are taken out of the paths that programs name, and TorchScript's records of
source positions are left out: nothing reads them and they are most of an archive.

No annotations from the future: torch compiles these sources and reads their types.
"""

import argparse
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "frontends" / "torch" / "programs"
SITE = Path(torch.__file__).parent.parent
SEED = 7


class Mlp(nn.Module):
    """Two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(6, 8)
        self.drop = nn.Dropout(0.1)
        self.fc2 = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return functional.log_softmax(self.fc2(self.drop(functional.relu(self.fc1(x)))), dim=-1)


class Cnn(nn.Module):
    """Convolutions with norms and a residual; classes, and a map that is upsampled."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(4), nn.SiLU()
        )
        self.depthwise = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.norm = nn.BatchNorm2d(4)
        self.pool = nn.MaxPool2d(2)
        self.up = nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=False)
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.stem(x)
        y = functional.relu(self.norm(self.depthwise(y)) + y)
        small = self.pool(y)
        return self.head(small.mean([2, 3])), self.up(small) + y


class Rnn(nn.Module):
    """An LSTM in both directions, and a GRU on top."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(5, 4, 2, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(8, 3, batch_first=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, (h, _) = self.lstm(x)
        z, last = self.gru(y)
        return z, h, last


class Transformer(nn.Module):
    """An embedding and one block with masked attention."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(80, 16)
        self.norm1 = nn.LayerNorm(16)
        self.attention = nn.Linear(16, 48)
        self.norm2 = nn.LayerNorm(16)
        self.feed = nn.Sequential(nn.Linear(16, 24), nn.GELU(), nn.Linear(24, 16))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        x = self.embedding(ids)
        batch, length = ids.shape
        qkv = self.attention(self.norm1(x)).view(batch, length, 3, 4, 4).permute(2, 0, 3, 1, 4)
        allowed = mask[:, None, None, :] > 0
        mixed = functional.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], attn_mask=allowed)
        x = x + mixed.transpose(1, 2).reshape(batch, length, 16)
        return functional.linear(x + self.feed(self.norm2(x)), self.embedding.weight)


class Dyn(nn.Module):
    """A batch of any size, arithmetic on it, and a condition on values."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 4)
        self.register_buffer("shift", torch.randn(4))
        self.register_buffer("scratch", torch.ones(1), persistent=False)

    def forward(self, x: Tensor, flag: Tensor) -> Tensor:
        y = self.linear(x) + self.shift * self.scratch
        y = y.view(x.shape[0] * 2, -1)
        return torch.cond(flag.sum() > 0, lambda t: t + 1, lambda t: t - 1, (y,))


class Control(nn.Module):
    """Loops, conditions, a dict, slices, and values that change in place."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        named = {"x": x, "half": x[:, ::2]}
        y = x.clone()
        for i in range(x.size(0)):
            if i % 2 == 0:
                y[i] = 2.0 * y[i]
            else:
                y[i, 1:3] += float(i)
        for step in range(steps):
            y = torch.tanh(self.linear(y))
            if bool(y.sum() > 0):
                y = y - 0.5
            else:
                y.add_(step)
        rows: list[Tensor] = []
        for name, value in named.items():
            if name != "x":
                rows.append(value.sum(0))
        return y, torch.stack(rows)


class Counter(nn.Module):
    """A buffer that each run changes."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        self.total += x.sum(0)
        return x + self.total


@dataclass(frozen=True)
class Program:
    """A file to write: its module, how it is saved, and the arguments of its runs."""

    name: str
    build: Callable[[], nn.Module]
    save: Callable[[nn.Module, Sequence[Any]], bytes]
    runs: tuple[tuple[Any, ...], ...]


def settled(module: nn.Module) -> nn.Module:
    """The module as after training: no parameter and no statistic is a round number."""
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm2d | nn.LayerNorm):
                layer.weight.uniform_(0.5, 1.5, generator=generator)
                layer.bias.uniform_(-0.2, 0.2, generator=generator)
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.uniform_(-0.2, 0.2, generator=generator)
                layer.running_var.uniform_(0.5, 1.5, generator=generator)
    return module.eval()


def exported(module: nn.Module, example: Sequence[Any], shapes: Any = None) -> bytes:
    """Saved by torch.export."""
    stream = io.BytesIO()
    program = torch.export.export(module, tuple(example), dynamic_shapes=shapes)
    torch.export.save(program, stream)
    return rewritten(stream.getvalue())


def exported_by_batch(module: nn.Module, example: Sequence[Any]) -> bytes:
    """Saved by torch.export, the first input's rows being any number of a range."""
    return exported(module, example, ({0: torch.export.Dim("rows", min=2, max=64)}, None))


def traced(module: nn.Module, example: Sequence[Any]) -> bytes:
    """Saved by torch.jit.trace."""
    return archived(torch.jit.trace(module, tuple(example)))


def scripted(module: nn.Module, example: Sequence[Any]) -> bytes:
    """Saved by torch.jit.script."""
    return archived(torch.jit.script(module))


def frozen(module: nn.Module, example: Sequence[Any]) -> bytes:
    """Saved by torch.jit.script, weights being constants."""
    return archived(torch.jit.freeze(torch.jit.script(module)))


def archived(module: torch.jit.ScriptModule) -> bytes:
    """The archive of a compiled module."""
    stream = io.BytesIO()
    torch.jit.save(module, stream)
    return rewritten(stream.getvalue())


def quantized() -> nn.Module:
    """Two linear layers whose weights are integers, and inputs while it runs."""
    return torch.ao.quantization.quantize_dynamic(Mlp().eval(), {nn.Linear}, dtype=torch.qint8)


def rewritten(data: bytes) -> bytes:
    """An archive without the machine's folders."""
    reader = torch._C.PyTorchFileReader(io.BytesIO(data))
    stream = io.BytesIO()
    writer = torch._C.PyTorchFileWriter(stream)
    for name in reader.get_all_records():
        # The writer has its own of the last two.
        if (
            name.endswith((".debug_pkl", "version", "serialization_id"))
            and name != "archive_version"
        ):
            continue
        record = reader.get_record(name)
        if name.endswith(".json"):
            # Lines of torch itself are told by its folder.
            text = record.decode().replace(f"{SITE}/", f"{SITE.name}/").replace(f"{ROOT}/", "")
            record = json.dumps(json.loads(text), separators=(",", ":")).encode()
        writer.write_record(name, record, len(record))
    writer.write_end_of_file()
    return stream.getvalue()


def programs() -> list[Program]:
    """Everything that is written."""
    draw = torch.Generator().manual_seed(SEED)

    def values(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw)

    image = (values(2, 3, 8, 8),)
    rows, more = values(4, 8), values(7, 8)
    ids = torch.randint(0, 80, (2, 6), generator=draw)
    mask = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]])
    control = values(4, 6)
    count = values(2, 3)
    features = (values(4, 6),)
    return [
        Program("mlp.pt2", Mlp, exported, (features,)),
        Program("cnn.pt2", Cnn, exported, (image,)),
        Program("rnn.pt2", Rnn, exported, ((values(3, 4, 5),),)),
        Program("transformer.pt2", Transformer, exported, ((ids, mask),)),
        Program("dyn.pt2", Dyn, exported_by_batch, ((rows, torch.ones(3)), (more, -torch.ones(3)))),
        Program("cnn_trace.pt", Cnn, traced, (image,)),
        Program("cnn_script.pt", Cnn, scripted, (image,)),
        Program("cnn_freeze.pt", Cnn, frozen, (image,)),
        Program("rnn_trace.pt", Rnn, traced, ((values(3, 4, 5),),)),
        Program("control_script.pt", Control, scripted, ((control, 3), (-control, 1))),
        Program("counter_script.pt", Counter, scripted, ((count,), (count,))),
        Program("quantized_script.pt", quantized, scripted, (features,)),
    ]


def flat(value: Any) -> list[np.ndarray]:
    """The arrays of a value, numbers being arrays of no dimension."""
    if isinstance(value, tuple | list):
        return [array for item in value for array in flat(item)]
    return [np.asarray(value.detach().numpy().copy() if isinstance(value, Tensor) else value)]


def copies(named: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Tensors by name as they are now."""
    return {name: tensor.clone() for name, tensor in named}


def main() -> None:
    """Write them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    expected: dict[str, np.ndarray] = {}
    for program in programs():
        torch.manual_seed(SEED)
        module = settled(program.build())
        data = program.save(module, program.runs[0])
        (folder / program.name).write_bytes(data)
        print(f"{program.name}: {len(data):,} bytes")
        for index, arguments in enumerate(program.runs):
            key = program.name.partition(".")[0] + ("@again" if index else "")
            before = copies(module.named_buffers())
            with torch.no_grad():
                results = flat(module(*arguments))
            after = copies(module.named_buffers())
            changed = [name for name, old in before.items() if not torch.equal(old, after[name])]
            given = flat(arguments) + flat([before[name] for name in changed])
            results += flat([after[name] for name in changed])
            expected |= {f"{key}|i{i}": array for i, array in enumerate(given)}
            expected |= {f"{key}|o{i}": array for i, array in enumerate(results)}
    np.savez_compressed(folder / "expected.npz", **expected)


if __name__ == "__main__":
    main()
