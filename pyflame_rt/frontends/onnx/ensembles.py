"""The tree ensembles of ONNX, old and new, in the one form that pfrt computes with.

See `kernels/ensembles.py` for that form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.frontends.onnx.builder import NodeBuilder, Properties
from pyflame_rt.kernels.ensembles import MEMBER, MODES

Array = npt.NDArray[Any]

_LEAF = len(MODES)
_OLD_MODES = (*MODES[:MEMBER], "BRANCH_MEMBER", "LEAF")


@dataclass(frozen=True)
class Nodes:
    """Nodes that are no leaves: a branch is a node, or `-1 - k` for leaf k."""

    roots: Array
    modes: Array
    features: Array
    splits: Array
    true: Array
    false: Array
    tracks: Array | None = None
    sets: tuple[Array, ...] = ()
    """The members that the nodes of mode BRANCH_MEMBER compare with, one after the other."""


@dataclass(frozen=True)
class Votes:
    """The votes of leaves: those of leaf k are the ones from `offsets[k]` on; one each without."""

    weights: Array
    targets: Array
    offsets: Array | None = None


def properties(b: NodeBuilder, nodes: Nodes, votes: Votes, targets: int) -> Properties:
    """The properties of an op of trees. Raises InvalidModelError when nodes form a cycle."""
    nodes = _ordered(b, nodes)
    found: dict[str, Any] = {
        "tree_roots": nodes.roots,
        "nodes_modes": nodes.modes.astype(np.uint8),
        "nodes_featureids": nodes.features,
        "nodes_splits": nodes.splits,
        "nodes_true": nodes.true,
        "nodes_false": nodes.false,
        "leaf_weights": votes.weights,
        "leaf_targetids": votes.targets,
        "leaf_offsets": votes.offsets,
        "n_targets": targets,
    }
    if nodes.tracks is not None and nodes.tracks.any():
        found["nodes_missing_value_tracks_true"] = nodes.tracks != 0
    if nodes.sets:
        found["membership_values"] = np.concatenate(nodes.sets)
        found["member_offsets"] = np.cumsum([0, *map(len, nodes.sets)], dtype=np.int64)
    return found


def _ordered(b: NodeBuilder, nodes: Nodes) -> Nodes:
    """The nodes in an order in which branches lead further on; as they are if they do."""
    count = nodes.modes.size
    here = np.arange(count)
    inside = (nodes.true < count) & (nodes.false < count)
    if not inside.all() or (
        ((nodes.true > here) | (nodes.true < 0)).all()
        and ((nodes.false > here) | (nodes.false < 0)).all()
    ):
        # References out of the ensemble are for the op to refuse.
        return nodes
    branches = np.concatenate([nodes.true, nodes.false])
    waiting = np.bincount(branches[branches >= 0], minlength=count)
    ready = np.flatnonzero(waiting == 0)
    levels: list[Array] = []
    while ready.size:
        levels.append(ready)
        after = np.concatenate([nodes.true[ready], nodes.false[ready]])
        after = after[after >= 0]
        np.subtract.at(waiting, after, 1)
        after = np.unique(after)
        ready = after[waiting[after] == 0]
    if np.any(waiting > 0):
        raise b.error("the nodes of a tree form a cycle")
    return _permuted(nodes, np.concatenate(levels))


def _permuted(nodes: Nodes, order: Array) -> Nodes:
    """The nodes in another order: of each place, which it is."""
    place = np.empty(order.size, np.int64)
    place[order] = np.arange(order.size)

    def moved(references: Array) -> Array:
        known = (references >= 0) & (references < order.size)
        return np.where(known, place[np.where(known, references, 0)], references)

    members = np.flatnonzero(nodes.modes[order] == MEMBER)
    sets = nodes.sets
    if len(sets) == members.size:
        was = np.cumsum(nodes.modes == MEMBER) - 1
        sets = tuple(sets[was[at]] for at in order[members])
    return replace(
        nodes,
        roots=moved(nodes.roots),
        modes=nodes.modes[order],
        features=nodes.features[order],
        splits=nodes.splits[order],
        true=moved(nodes.true[order]),
        false=moved(nodes.false[order]),
        tracks=None if nodes.tracks is None else nodes.tracks[order],
        sets=sets,
    )


def read(b: NodeBuilder) -> tuple[Nodes, Votes]:
    """Nodes and votes of a TreeEnsemble."""

    def integers(name: str) -> Array:
        if (array := b.integer_array(name)) is None:
            raise b.missing(name)
        return array

    def numbers(name: str) -> Array:
        if (array := b.tensor(name)) is None:
            raise b.missing(name)
        if array.ndim != 1:
            raise b.error(f"attribute {name} must be a vector, got the shape {list(array.shape)}")
        return array

    weights, modes = numbers("leaf_weights"), numbers("nodes_modes")
    if modes.dtype.kind not in "iu":
        raise b.error(f"attribute nodes_modes holds {modes.dtype.name}, not integers")
    branches: list[Array] = []
    for side in ("true", "false"):
        ids, leads = integers(f"nodes_{side}nodeids"), integers(f"nodes_{side}leafs")
        _same_length(b, modes.size, {f"nodes_{side}nodeids": ids, f"nodes_{side}leafs": leads})
        if ids.min(initial=0) < 0:
            raise b.error(f"nodes_{side}nodeids holds {int(ids.min())}")
        branches.append(np.where(leads != 0, -1 - ids, ids))
    nodes = Nodes(
        roots=integers("tree_roots"),
        modes=modes,
        features=integers("nodes_featureids"),
        splits=numbers("nodes_splits"),
        true=branches[0],
        false=branches[1],
        tracks=b.integer_array("nodes_missing_value_tracks_true"),
        sets=_sets(b.tensor("membership_values")),
    )
    # How often a node is visited is for those who can make use of it.
    b.tensor("nodes_hitrates")
    if nodes.roots.min(initial=0) < 0:
        raise b.error(f"tree_roots holds {int(nodes.roots.min())}")
    _same_length(
        b, modes.size,
        {"nodes_featureids": nodes.features, "nodes_splits": nodes.splits,
         "nodes_missing_value_tracks_true": nodes.tracks},
    )  # fmt: skip
    return nodes, Votes(weights, integers("leaf_targetids"))


def _sets(values: Array | None) -> tuple[Array, ...]:
    """The members of each node that asks for some: NaN ends those of one."""
    if values is None:
        return ()
    ends = np.flatnonzero(np.isnan(values))
    sets = [part[~np.isnan(part)] for part in np.split(values, ends)]
    # What splits off before the first NaN is the first set; after the last one nothing may follow.
    return tuple(sets if sets[-1].size else sets[:-1])


def _same_length(b: NodeBuilder, count: int, arrays: Mapping[str, Array | None]) -> None:
    for name, array in arrays.items():
        if array is not None and array.size != count:
            raise b.error(f"attribute {name} has {array.size} elements for {count} nodes")


def number_list(b: NodeBuilder, name: str) -> Array | None:
    """An attribute of floats, or of the doubles that `<name>_as_tensor` has in their place."""
    floats, tensor = b.number_array(name), b.tensor(f"{name}_as_tensor")
    if floats is not None and floats.size and tensor is not None and tensor.size:
        raise b.error(f"both {name} and {name}_as_tensor are given")
    found = floats if tensor is None or tensor.size == 0 else tensor.reshape(-1)
    return None if found is None or found.size == 0 else found


def read_old(b: NodeBuilder, votes: str) -> tuple[Nodes, Votes]:
    """Nodes and votes of the operators before TreeEnsemble.

    Nodes and leaves go by a tree's and their own number there; `votes` begins the names of what is
    said of votes, "class" or "target".
    """
    found = {
        name: b.integer_array(f"nodes_{name}")
        for name in (
            "treeids", "nodeids", "featureids", "truenodeids", "falsenodeids",
            "missing_value_tracks_true",
        )
    }  # fmt: skip
    number_list(b, "nodes_hitrates")
    modes = b.codes("nodes_modes", _OLD_MODES)
    if modes is None:
        raise b.missing("nodes_modes")
    if np.any(modes == MEMBER):
        raise b.error("BRANCH_MEMBER is no mode of this operator")
    nothing = np.zeros(0, np.float32)
    splits = number_list(b, "nodes_values")
    arrays = {name: array for name, array in found.items() if array is not None}
    for name in found:
        if name not in arrays and name != "missing_value_tracks_true":
            raise b.missing(f"nodes_{name}")
    splits = nothing if splits is None else splits
    tracks = arrays.get("missing_value_tracks_true")
    tracks = None if tracks is None or tracks.size == 0 else tracks
    _same_length(
        b, modes.size,
        {f"nodes_{name}": arrays[name] for name in arrays if name != "missing_value_tracks_true"}
        | {"nodes_values": splits, "nodes_missing_value_tracks_true": tracks},
    )  # fmt: skip
    places = _Places(b, arrays["treeids"], arrays["nodeids"])
    is_leaf = modes == _LEAF
    inner = np.flatnonzero(~is_leaf)
    reference = np.where(is_leaf, -np.cumsum(is_leaf), np.cumsum(~is_leaf) - 1)
    trees = arrays["treeids"][inner]
    _, first = np.unique(arrays["treeids"], return_index=True)
    nodes = Nodes(
        roots=reference[np.sort(first)],
        modes=modes[inner],
        features=arrays["featureids"][inner],
        splits=splits[inner],
        true=reference[places.find(trees, arrays["truenodeids"][inner])],
        false=reference[places.find(trees, arrays["falsenodeids"][inner])],
        tracks=None if tracks is None else tracks[inner],
    )
    return nodes, _old_votes(b, votes, places, reference)


def _old_votes(b: NodeBuilder, name: str, places: _Places, reference: Array) -> Votes:
    ids = [b.integer_array(f"{name}_{part}") for part in ("treeids", "nodeids", "ids")]
    weights = number_list(b, f"{name}_weights")
    weights = np.zeros(0, np.float32) if weights is None else weights
    trees, nodes, targets = (np.zeros(0, np.int64) if part is None else part for part in ids)
    if not trees.size == nodes.size == targets.size == weights.size:
        raise b.error(f"the attributes {name}_* have different lengths")
    # A vote at a node that is no leaf counts nothing.
    leaf = -1 - reference[places.find(trees, nodes)]
    order = np.argsort(leaf, kind="stable")
    order = order[leaf[order] >= 0]
    leaves = int(np.count_nonzero(reference < 0))
    counts = np.bincount(leaf[order], minlength=leaves)
    offsets = None if (counts == 1).all() else np.concatenate([[0], np.cumsum(counts)])
    return Votes(weights[order], targets[order], offsets)


class _Places:
    """Where in the lists a node stands, by the numbers of its tree and its own."""

    def __init__(self, b: NodeBuilder, trees: Array, nodes: Array):
        self._b = b
        self._trees, tree = np.unique(trees, return_inverse=True)
        self._nodes, node = np.unique(nodes, return_inverse=True)
        keys = tree * self._nodes.size + node
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]
        again = np.flatnonzero(self._keys[1:] == self._keys[:-1])
        if again.size:
            at = self._order[again[0]]
            raise b.error(f"tree {int(trees[at])} has two nodes {int(nodes[at])}")

    def find(self, trees: Array, nodes: Array) -> Array:
        """The positions of nodes. Raises InvalidModelError for one that there is not."""
        if self._keys.size == 0:
            if trees.size:
                raise self._b.error(f"tree {int(trees[0])} has no node {int(nodes[0])}")
            return np.zeros(0, np.int64)
        tree = np.searchsorted(self._trees, trees).clip(max=self._trees.size - 1)
        node = np.searchsorted(self._nodes, nodes).clip(max=self._nodes.size - 1)
        keys = tree * self._nodes.size + node
        at = np.searchsorted(self._keys, keys).clip(max=self._keys.size - 1)
        lost = (self._trees[tree] != trees) | (self._nodes[node] != nodes)
        lost |= self._keys[at] != keys
        if lost.any():
            k = int(np.flatnonzero(lost)[0])
            raise self._b.error(f"tree {int(trees[k])} has no node {int(nodes[k])}")
        return self._order[at]
