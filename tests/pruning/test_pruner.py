"""Pruning as the documentation describes it, on the network of the digits."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from pyflame_rt import Graph, InferenceSession, module_files, pruning
from pyflame_rt.errors import PassFailed, ValidationError
from pyflame_rt.pruning import (
    PruningConfig,
    PruningCriterion,
    PruningGranularity,
    PruningSchedule,
    WeightPruner,
)
from pyflame_rt.universe import make_context

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"
TEST = np.load(DIGITS / "test.npz")
UNLABELLED, JUDGED = np.arange(225), np.arange(225, 450)
"""Images that models are recorded on here, for there is nothing else in the repository, and others
that right answers are counted on."""
FEED = {"images": TEST["images"][UNLABELLED]}


@pytest.fixture(scope="module")
def graph() -> Graph:
    """The dense network: 445 of 450 right."""
    return InferenceSession(DIGITS / "cnn.onnx").graph()


def right(graph: Graph) -> int:
    """How many digits a model gets right, of those that nothing was recorded on."""
    (logits,) = InferenceSession(graph).run(None, {"images": TEST["images"][JUDGED]})
    return int((np.argmax(logits, axis=1) == TEST["labels"][JUDGED]).sum())


CASES = {
    "half of the weights": PruningConfig.magnitude_pruning(0.5),
    "2:4": PruningConfig.nm_sparsity(2, 4),
    "blocks": PruningConfig(granularity=PruningGranularity.BLOCK, criterion=PruningCriterion.LAMP),
    "channels": PruningConfig.structured_pruning(0.3),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_reconstruction_loses_at_most_a_point(name, graph):
    """By a criterion that is not chosen by its results; without it half of the blocks leave next to
    nothing."""
    config = CASES[name]
    pruner = WeightPruner(config)
    pruned = pruner.prune(graph, inputs=FEED)
    assert right(pruned) >= right(graph) - len(JUDGED) / 100
    wanted = 0.5 if name == "channels" else config.target_sparsity
    assert pruner.get_stats().actual_sparsity() == pytest.approx(wanted, abs=0.02)


def test_the_graph_that_is_given_stays(graph):
    """`prune` returns another one."""
    before = {name: array.copy() for name, array in graph.initializers.items()}
    WeightPruner(PruningConfig.magnitude_pruning(0.9)).prune(graph)
    assert all(np.array_equal(before[n], a) for n, a in graph.initializers.items())


def test_masks_can_be_computed_first_and_applied_later(graph):
    """The two steps are `prune`; the masks stand in the graph afterwards."""
    pruner = WeightPruner(PruningConfig.nm_sparsity(2, 4))
    masks = pruner.compute_masks(graph)
    applied, pruned = pruner.apply_masks(graph, masks), pruner.prune(graph)
    assert masks.keys() == pruning.masks_of(applied).keys() == pruning.masks_of(pruned).keys()
    for name, mask in masks.items():
        assert np.array_equal(applied.initializers[name], pruned.initializers[name])
        assert np.array_equal(pruning.masks_of(pruned)[name].mask, mask.mask)
        assert mask.sparsity() == 0.5


@pytest.mark.parametrize("suffix", [".pfm", ".mlir"])
def test_masks_are_saved_with_the_model(suffix, graph, tmp_path):
    """Kept weights that happen to be 0 stay kept, which zeros alone would not say."""
    mask = np.zeros((10, 24), bool)
    mask[:, :12] = True
    masks = {"classifier.weight": pruning.PruningMask("classifier.weight", mask)}
    pruned = WeightPruner().apply_masks(graph, masks)
    path = tmp_path / f"m{suffix}"
    module_files.save(pruned.program().module, path)
    found = pruning.masks_of(InferenceSession(path).graph())
    assert np.array_equal(found["classifier.weight"].mask, mask)
    again = tmp_path / f"again{suffix}"
    module_files.save(module_files.load(path, make_context()), again)
    assert again.read_bytes() == path.read_bytes() or suffix == ".mlir"


def test_layers_can_have_their_own_sparsity_and_be_excluded(graph):
    """By the names of weights, of nodes, and wildcards."""
    config = PruningConfig.magnitude_pruning(0.5)
    config.per_layer_sparsity = {"block1.*": 0.25}
    config.add_exclude_layer("classifier")
    config.add_exclude_layer("/stem/*")
    found = {n: m.sparsity() for n, m in WeightPruner(config).compute_masks(graph).items()}
    assert found.keys() == {
        "block1.first.0.weight", "block1.second.0.weight", "widen.0.weight",
        "block2.first.0.weight", "block2.second.0.weight",
    }  # fmt: skip
    assert found["block1.first.0.weight"] == 0.25
    assert found["widen.0.weight"] == 0.5


def test_gradients_are_what_movement_and_taylor_ask_for(graph):
    """By the names of weights; other shapes and missing ones are said."""
    weights = graph.initializers["classifier.weight"]
    config = PruningConfig(criterion=PruningCriterion.MOVEMENT, exclude_layers=["*0.weight"])
    with pytest.raises(PassFailed, match=r'has no gradients of "classifier.weight"'):
        WeightPruner(config).compute_masks(graph)
    gradients = {"classifier.weight": np.where(weights > 0, 1.0, -0.001) * np.sign(weights)}
    evidence = pruning.Evidence(gradients)
    mask = WeightPruner(config, evidence).compute_masks(graph)["classifier.weight"].mask
    lowest = np.sort((-weights * gradients["classifier.weight"]).reshape(-1))[:120]
    assert np.array_equal(np.sort((-weights * gradients["classifier.weight"])[~mask]), lowest)
    wrong = pruning.Evidence({"classifier.weight": weights.T})
    with pytest.raises(PassFailed, match=r"have the shape \[24, 10\], the weights \[10, 24\]"):
        WeightPruner(config, wrong).compute_masks(graph)


def test_a_record_is_the_same_by_file_and_in_memory(graph, tmp_path):
    """`pfrt-prune{data=…}` does what the Python module does."""
    evidence = pruning.record(graph, {"images": TEST["images"][:8]}, exclude=["block*", "widen*"])
    evidence.save(tmp_path / "e.npz")
    assert evidence.grams.keys() == {"stem.0.weight", "classifier.weight"}
    again = pruning.Evidence.load(tmp_path / "e.npz")
    config = PruningConfig(
        criterion=PruningCriterion.SPARSEGPT, exclude_layers=["block*", "widen*"]
    )
    one, two = (WeightPruner(config, e).prune(graph) for e in (evidence, again))
    for name in evidence.grams:
        assert np.array_equal(one.initializers[name], two.initializers[name])


def test_iterative_pruning_never_brings_a_weight_back(graph):
    """More sparsity, step by step, on what is already pruned."""
    config = PruningConfig(target_sparsity=0.9, criterion=PruningCriterion.RANDOM)
    config.schedule, config.end_step = PruningSchedule.CUBIC, 10
    pruner, pruned = WeightPruner(config), graph
    gone = np.zeros((16, 16, 3, 3), bool)
    for step in (2, 5, 10):
        pruned = pruner.prune(pruned, step)
        zeros = pruned.initializers["block1.first.0.weight"] == 0
        assert zeros.mean() == pytest.approx(pruner.get_sparsity_at_step(step), abs=0.001)
        assert (zeros | ~gone).all()
        gone = zeros


def test_schedules():
    """Zhu and Gupta's cubic, and where each begins and ends."""
    config = PruningConfig(target_sparsity=0.9, start_step=100, end_step=200, initial_sparsity=0.1)
    for schedule in PruningSchedule:
        config.schedule = schedule
        found = [config.sparsity_at(step) for step in range(0, 301, 10)]
        assert found == sorted(found)
        assert found[0] == 0.1
        assert found[-1] == pytest.approx(0.9)
    config.schedule = PruningSchedule.CUBIC
    assert config.sparsity_at(150) == pytest.approx(0.9 + (0.1 - 0.9) * (1 - 0.5) ** 3)
    config.schedule = PruningSchedule.ITERATIVE
    assert config.sparsity_at(109) == pytest.approx(0.1)
    assert config.sparsity_at(110) == pytest.approx(0.18)
    config.schedule = PruningSchedule.ONE_SHOT
    assert config.sparsity_at(100) == 0.9


def test_documented_defaults_and_numbers():
    """As the reference lists them: programs compare and store them."""
    config = PruningConfig()
    assert (config.target_sparsity, config.n_value, config.m_value) == (0.5, 2, 4)
    assert (config.start_step, config.end_step, config.block_size) == (0, 1000, [4, 4])
    assert [g.value for g in PruningGranularity] == [0, 1, 2, 3]
    names = ["MAGNITUDE", "MOVEMENT", "RANDOM", "TAYLOR", "LAMP"]
    assert [PruningCriterion[name].value for name in names] == list(range(5))
    assert [s.value for s in PruningSchedule] == list(range(4))


def test_settings_that_make_no_sense(graph):
    """One line, an error of ours."""
    with pytest.raises(ValidationError, match="sparsity is a part"):
        WeightPruner(PruningConfig.magnitude_pruning(1.5)).prune(graph)
    with pytest.raises(ValidationError, match="block takes two sizes"):
        WeightPruner(PruningConfig(block_size=[4])).prune(graph)
    with pytest.raises(ValidationError, match="nothing has been pruned"):
        WeightPruner().get_stats()
    with pytest.raises(ValidationError, match='there is no layer "x"'):
        WeightPruner().apply_masks(graph, {"x": pruning.PruningMask("x", np.ones(3, bool))})
    with pytest.raises(ValidationError, match="is not for weights of"):
        mask = pruning.PruningMask("m", np.ones(3, bool))
        WeightPruner().apply_masks(graph, {"classifier.weight": mask})
    with pytest.raises(ValidationError, match="no inputs to run on"):
        WeightPruner().prune(graph, inputs=[])


def test_removed_channels_are_reconstructed_where_they_are_zero():
    """A network of products: what is left after removal computes what was solved for."""
    rng = np.random.default_rng(1)
    graph = Graph("net")
    graph.add_input("x", ["N", 6])
    graph.add_initializer("a", rng.standard_normal((6, 8)).astype(np.float32))
    graph.add_initializer("b", rng.standard_normal((8, 3)).astype(np.float32))
    graph.add_initializer("c", rng.standard_normal(3).astype(np.float32))
    graph.add_node("first", "MatMul", ["x", "a"], ["h"])
    graph.add_node("act", "Relu", ["h"], ["r"])
    graph.add_node("second", "Gemm", ["r", "b", "c"], ["y"])
    graph.add_output("y", ["N", 3])
    x = rng.standard_normal((300, 6)).astype(np.float32)
    wanted = InferenceSession(graph).run(None, {"x": x})[0]
    config = PruningConfig.structured_pruning(0.25)
    errors = []
    for inputs in (None, {"x": x}):
        pruned = WeightPruner(config).prune(graph, inputs=inputs)
        assert pruned.initializers["a"].shape == (6, 6)
        found = InferenceSession(pruned).run(None, {"x": x})[0]
        errors.append(float(np.square(found - wanted).mean()))
    assert errors[1] < errors[0] / 2


def test_batch_normalizations_are_estimated_anew():
    """Mean and variance are those of what comes in; scale and bias stay."""
    graph = Graph("net")
    graph.add_input("x", ["N", 2, 3])
    for name, value in (("s", 2.0), ("b", 1.0), ("m", 5.0), ("v", 9.0)):
        graph.add_initializer(name, np.full(2, value, np.float32))
    graph.add_node("bn", "BatchNormalization", ["x", "s", "b", "m", "v"], ["y"], epsilon=0.0)
    graph.add_output("y", ["N", 2, 3])
    x = np.random.default_rng(0).standard_normal((50, 2, 3)).astype(np.float32) * 3 + 1
    fixed = pruning.reestimate_batch_norm(graph, [{"x": x[:20]}, {"x": x[20:]}])
    np.testing.assert_allclose(fixed.initializers["m"], x.mean((0, 2)), rtol=1e-5)
    np.testing.assert_allclose(fixed.initializers["v"], x.var((0, 2)), rtol=1e-5)
    assert fixed.initializers["s"].tolist() == [2, 2]


def small(w: np.ndarray) -> Graph:
    """relu(x w) v."""
    graph = Graph("small")
    graph.add_input("x", ["N", w.shape[0]], w.dtype)
    graph.add_initializer("w", w)
    graph.add_initializer("v", np.linspace(1, 2, w.shape[1] * 4).reshape(-1, 4).astype(w.dtype))
    graph.add_node("first", "MatMul", ["x", "w"], ["h"])
    graph.add_node("act", "Relu", ["h"], ["r"])
    graph.add_node("second", "MatMul", ["r", "v"], ["y"])
    graph.add_output("y", ["N", 4], w.dtype)
    return graph


SINGLE = [g for g in PruningGranularity if g is not PruningGranularity.STRUCTURED]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("criterion", PruningCriterion)
@pytest.mark.parametrize("granularity", SINGLE)
def test_weights_that_are_not_finite_stay(granularity, criterion, value):
    """Nobody knows what they do: they have the highest score, and spoil no other one's."""
    rng = np.random.default_rng(0)
    w = rng.standard_normal((16, 8)).astype(np.float32)
    w[3, 2] = w[5, 5] = value
    x = {"x": rng.standard_normal((32, 16)).astype(np.float32)}
    graph = small(w)
    ones = {"w": np.ones_like(w), "v": np.ones((8, 4))}
    evidence = pruning.record(graph, x, gradients=ones)
    config = PruningConfig(granularity=granularity, criterion=criterion)
    pruner = WeightPruner(config, evidence)
    masks, pruned = pruner.compute_masks(graph), pruner.prune(graph, inputs=x)
    if criterion is PruningCriterion.SPARSEGPT:
        assert np.array_equal(pruned.initializers["w"], w, equal_nan=True)
        return
    assert masks["w"].mask[3, 2] and masks["w"].mask[5, 5]
    if criterion is not PruningCriterion.LAMP:
        assert masks["w"].sparsity() == 0.5


@pytest.mark.parametrize("granularity", PruningGranularity)
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_other_floats(granularity, dtype):
    """Narrow floats and wide ones are pruned, reconstructed, and stay what they are."""
    rng = np.random.default_rng(0)
    w = rng.standard_normal((16, 8)).astype(dtype)
    config = PruningConfig(granularity=granularity)
    pruner = WeightPruner(config)
    pruned = pruner.prune(small(w), inputs={"x": rng.standard_normal((32, 16)).astype(w.dtype)})
    assert pruned.initializers["w"].dtype == w.dtype
    assert pruner.get_stats().actual_sparsity() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("criterion", PruningCriterion)
@pytest.mark.parametrize("granularity", PruningGranularity)
def test_layers_without_elements_stay(granularity, criterion):
    """16 x 0 and 0 x 4: nothing to score, to compare or to record."""
    graph, x = small(np.zeros((16, 0), np.float32)), {"x": np.ones((2, 16), np.float32)}
    channels = granularity is PruningGranularity.STRUCTURED
    if channels and criterion is not PruningCriterion.MAGNITUDE:
        return
    pruner = WeightPruner(PruningConfig(granularity=granularity, criterion=criterion))
    pruned = pruner.prune(graph, inputs=x)
    assert pruned.initializers["w"].shape == (16, 0)
    assert pruner.get_stats().lines() is not None


def test_a_record_that_is_none_is_one_line(graph):
    """Whoever writes the file may write anything: no matrix of any inputs is this one."""
    config = PruningConfig(criterion=PruningCriterion.SPARSEGPT, exclude_layers=["*0.weight"])
    odd = np.eye(24)[None] - 0.5
    for gram in (-np.ones((1, 24, 24)), np.full((1, 24, 24), np.nan), odd):
        pruner = WeightPruner(config, pruning.Evidence({}, {"classifier.weight": gram}))
        with pytest.raises(PassFailed, match=r'"classifier.weight" is no sum of x x\^T'):
            pruner.prune(graph)


@pytest.mark.parametrize("granularity", [PruningGranularity.NM, PruningGranularity.STRUCTURED])
def test_excluding_what_there_is_not_is_an_error(granularity, graph):
    """A layer that somebody wanted to keep would be pruned."""
    config = PruningConfig(granularity=granularity, exclude_layers=["clasifier"])
    with pytest.raises(PassFailed, match='nothing is called "clasifier", which is excluded'):
        WeightPruner(config).prune(graph)


@pytest.mark.parametrize("of", ["flops", "parameters"])
def test_channels_go_until_a_budget_of_the_whole_model_holds(of, graph):
    """As the pass does: counted, not asked for of each layer."""
    pruner = WeightPruner(PruningConfig.structured_pruning(0.3, of))
    pruner.prune(graph)
    stats = pruner.get_stats()
    left = getattr(stats.after, of) / getattr(stats.before, of)
    assert 0.6 <= left <= 0.7
    with pytest.raises(ValidationError, match="of is channels, flops or parameters"):
        WeightPruner(PruningConfig.structured_pruning(0.3, "time")).prune(graph)


def test_channels_are_judged_by_more_than_their_size():
    """A channel of large weights for inputs that are next to nothing goes by what it does."""
    w = np.ones((4, 4), np.float32)
    w[:, 1] = [8, 0, 0, 0]
    graph = small(w)
    x = np.random.default_rng(0).standard_normal((64, 4)).astype(np.float32)
    x[:, 0] *= 1e-3
    evidence = pruning.record(graph, {"x": x})

    config = PruningConfig.structured_pruning(0.25)
    assert WeightPruner(config).compute_masks(graph)["w"].mask[:, 1].all()
    for criterion in (PruningCriterion.TAYLOR, PruningCriterion.WANDA):
        config.criterion = criterion
        mask = WeightPruner(config, evidence).compute_masks(graph)["w"].mask
        assert np.flatnonzero(~mask.any(axis=0)).tolist() == [1]


def test_weights_that_two_layers_share_are_pruned_once_and_not_reconstructed():
    """The best weights for one of them need not be those for the other."""
    rng = np.random.default_rng(0)
    graph = Graph("shared")
    graph.add_input("x", ["N", 8])
    w = rng.standard_normal((8, 8)).astype(np.float32)
    graph.add_initializer("w", w)
    graph.add_node("first", "MatMul", ["x", "w"], ["h"])
    graph.add_node("second", "MatMul", ["h", "w"], ["y"])
    graph.add_output("y", ["N", 8])
    x = {"x": rng.standard_normal((64, 8)).astype(np.float32)}
    pruned = WeightPruner(PruningConfig.nm_sparsity()).prune(graph, inputs=x)
    mask = pruning.masks_of(pruned)["w"].mask
    assert np.array_equal(pruned.initializers["w"], np.where(mask, w, 0))
    assert not mask.all()
