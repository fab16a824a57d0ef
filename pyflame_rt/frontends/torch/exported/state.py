"""Which inputs of a program it changes in place."""

from __future__ import annotations

from collections.abc import Iterator

from pyflame_rt.frontends.torch.exported.json_text import Json
from pyflame_rt.frontends.torch.exported.nodes import is_in_place, is_view
from pyflame_rt.frontends.torch.exported.program import Program


def written_inputs(program: Program) -> frozenset[str]:
    """The names of inputs that hold weights and that operators write to, or whose new values are
    among the results."""
    held = {
        spec.fields(("arg", key), ("persistent",))["arg"].fields(("name",))["name"].name: (
            spec.object[key]
        )
        for kind, spec in program.inputs
        for key in [f"{kind}_name"]
        if kind in ("parameter", "buffer", "tensor_constant")
    }
    by_name = {name: argument for argument, name in held.items() if isinstance(name, str)}
    written: set[str] = set()
    for kind, spec in program.outputs:
        if kind == "buffer_mutation":
            name = spec.fields(("arg", "buffer_name"))["buffer_name"].name
            if name in by_name:
                written.add(by_name[name])
    # What is a view of which input, as far as operators that give views tell.
    base: dict[str, str] = {}
    for node in program.graph.nodes:
        first = next((name for _, arg, _ in node.inputs for name in _names(arg)), None)
        if first is None:
            continue
        root = base.get(first, first)
        if is_in_place(node.target) and root in held:
            written.add(root)
        if is_in_place(node.target) or is_view(node.target):
            for output in node.outputs:
                for name in _names(output):
                    base[name] = root
    return frozenset(written)


def _names(arg: Json) -> Iterator[str]:
    """The names of the tensors in an argument."""
    if arg.tag == "as_tensor":
        yield arg.union()[1].fields(("name",))["name"].name
    elif arg.tag == "as_tensors":
        for item in arg.union()[1].items:
            yield item.fields(("name",))["name"].name
