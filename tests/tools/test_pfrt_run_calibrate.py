"""`pfrt-run --calibrate DATA -o ranges.json`, and `pfrt-opt --ranges` on what it wrote."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pyflame_rt import InferenceSession
from pyflame_rt.quantization import Calibrator, QuantConfig, QuantGranularity, Quantizer
from pyflame_rt.tools import pfrt_opt, pfrt_run

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"
CNN = str(DIGITS / "cnn.onnx")
IMAGES = np.load(DIGITS / "test.npz")["images"].astype(np.float32)[:20]


def data_of(kind: str, folder: Path) -> str:
    """The same 20 images: in one file, with labels beside them, in several files, as test data."""
    match kind:
        case "array":
            np.save(folder / "images.npy", IMAGES)
            return str(folder / "images.npy")
        case "archive":
            np.savez(folder / "set.npz", images=IMAGES, labels=np.arange(20))
            return str(folder / "set.npz")
        case "files":
            for index, part in enumerate(np.split(IMAGES, 4)):
                np.savez(folder / f"{index}.npz", images=part)
        case _:
            for index, part in enumerate(np.split(IMAGES, 2)):
                (folder / f"test_data_set_{index}").mkdir()
                np.save(folder / f"test_data_set_{index}" / "input_0.npy", part)
    return str(folder)


@pytest.mark.parametrize(
    ("kind", "batches"), [("array", 1), ("archive", 1), ("files", 4), ("sets", 2)]
)
def test_ranges_are_those_of_the_calibrator_however_data_are_stored(
    kind: str, batches: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    data, out = data_of(kind, tmp_path / "data"), str(tmp_path / "ranges.json")
    assert pfrt_run.main([CNN, "--calibrate", data, "-o", out, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["calibration"]
    assert said == {"batches": batches, "ranges": 7, "file": out}
    calibrator = Calibrator(InferenceSession(CNN).graph())
    calibrator.observe({"images": IMAGES})
    found = json.loads(Path(out).read_text())["ranges"]
    wanted = calibrator.ranges()
    assert found.keys() == wanted.keys()
    for name, (low, high) in wanted.items():
        np.testing.assert_allclose([found[name]["min"], found[name]["max"]], [low, high], rtol=1e-5)


@pytest.mark.parametrize("method", ["entropy", "percentile", "mse"])
def test_methods_choose_a_part_of_what_was_seen(method: str, tmp_path: Path) -> None:
    data, paths = data_of("array", tmp_path), [tmp_path / "all.json", tmp_path / "part.json"]
    assert pfrt_run.main([CNN, "--calibrate", data, "-o", str(paths[0])]) == 0
    command = [CNN, "--calibrate", data, "--calibration-method", method, "-o", str(paths[1])]
    assert pfrt_run.main(command) == 0
    every, part = (json.loads(path.read_text())["ranges"] for path in paths)
    assert all(part[name]["max"] <= row["max"] for name, row in every.items())
    # One number of 20,000 is the least that percentiles leave out.
    assert (part == every) == (method == "percentile")


def test_ranges_from_the_tool_quantize_as_the_python_module_does(tmp_path: Path) -> None:
    data, ranges = data_of("array", tmp_path), str(tmp_path / "ranges.json")
    out = str(tmp_path / "quantized.onnx")
    assert pfrt_run.main([CNN, "--calibrate", data, "-o", ranges]) == 0
    steps = "pfrt-optimize{level=1},pfrt-fuse-conv-bn,pfrt-fuse-bias"
    steps += ",pfrt-quantize{mode=static-int8 granularity=channel}"
    assert pfrt_opt.main([CNN, "-p", steps, "--ranges", ranges, "-o", out]) == 0
    config = QuantConfig.static_int8()
    config.granularity = QuantGranularity.PerChannel
    made = Quantizer(config).quantize_with_calibration(
        InferenceSession(CNN).graph(), lambda: {"images": IMAGES}, 1
    )
    assert made.quantized_graph is not None
    (wanted,) = InferenceSession(made.quantized_graph).run(None, {"images": IMAGES})
    (found,) = InferenceSession(out).run(None, {"images": IMAGES})
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--calibrate", "x.npz"], "-o FILE.json"),
        (["--calibrate", "x.npz", "-o", "r.npz"], "-o FILE.json"),
        (["--calibration-method", "mse"], "goes with --calibrate"),
        (["--calibrate", "x.npz", "-o", "r.json", "--bench", "3"], "exclude each other"),
        (["--calibrate", "nowhere.npz", "-o", "r.json"], "nowhere.npz"),
        (["--calibrate", "empty", "-o", "r.json"], "holds no inputs"),
        (["--calibrate", "labels.npz", "-o", "r.json"], "holds no input of the model, but labels"),
        (["--calibrate", "wrong.npz", "-o", "r.json"], "images"),
        (["--calibrate", "broken.npy", "-o", "r.json"], "broken.npy"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    arguments: list[str],
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    np.savez(tmp_path / "labels.npz", labels=np.arange(3))
    np.savez(tmp_path / "wrong.npz", images=np.zeros((2, 3), np.float32))
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY")
    assert pfrt_run.main([CNN, *arguments]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len([line for line in said if "error" in line]) == 1
    assert why in said[-1]
    assert not (tmp_path / "r.json").exists()
