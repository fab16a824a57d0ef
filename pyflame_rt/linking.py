"""Modules of several targets: each part compiled by its backend, called by what NumPy runs."""

from __future__ import annotations

from collections.abc import Mapping

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Region

from pyflame_rt import pipelines
from pyflame_rt.backends.base import ANY_THREADS, Backend, Executable, Threads
from pyflame_rt.backends.registry import get_backend
from pyflame_rt.dialects.targets import TARGET
from pyflame_rt.errors import BackendError, PyFlameRTError

HOST = "numpy"
"""The backend that runs what is no part."""


def is_split(module: ModuleOp) -> bool:
    """Whether some functions of a module are parts for a target of their own."""
    return any(TARGET in function.attributes for function in _functions(module))


def link(
    module: ModuleOp,
    ctx: Context,
    function: str = "main",
    *,
    backends: Mapping[str, Backend] | None = None,
    level: int = 2,
    verify_each: bool = False,
    threads: Threads = ANY_THREADS,
) -> Executable:
    """Compile a function of a split module of pfrt, which is consumed, and the parts it calls.

    `backends` are those of which there is one already; each lowers as an optimization `level` asks.
    `threads` are those of what NumPy runs.

    Raises BackendError that names the part, and what lowering the host's functions raises.
    """
    parts: dict[str, Executable] = {}
    for part in tuple(_functions(module)):
        tag = part.attributes.get(TARGET)
        if not isinstance(tag, StringAttr):
            continue
        name = part.sym_name.data
        if name == function:
            raise BackendError(f"function @{name} is a part, which others call")
        # A device is tagged as its backend and number.
        backend = tag.data.partition(":")[0]
        target = (backends or {}).get(backend) or get_backend(backend)
        parts[name] = _compiled(part, target, ctx, level, verify_each)
        part.regions[0].detach_block(part.body.blocks[0])
    host = get_backend(HOST).with_threads(threads)
    lowering = pipelines.parse(host.lowering(level))
    pipelines.run(ctx, module, lowering, verify_each=verify_each)
    return host.compile_host(module, function, parts)


def _compiled(
    part: func.FuncOp, backend: Backend, ctx: Context, level: int, verify_each: bool
) -> Executable:
    """The executable of a part by a backend."""
    kind = part.function_type
    alone = func.FuncOp("main", (kind.inputs.data, kind.outputs.data), Region())
    part.body.clone_into(alone.body)
    module = ModuleOp([alone])
    lowering = pipelines.parse(backend.lowering(level))
    pipelines.run(ctx, module, lowering, verify_each=verify_each)
    return compiled_by(backend, module, "main", part.sym_name.data)


def compiled_by(backend: Backend, module: ModuleOp, function: str, label: str) -> Executable:
    """What a backend makes of a function, called `label` in errors.

    Raises BackendError, whatever a backend of a plugin raises.
    """
    try:
        return backend.compile(module, function)
    except PyFlameRTError:
        raise
    except Exception as error:
        why = f"cannot compile @{label}: {error or type(error).__name__}"
        raise BackendError(why, where=f'backend "{backend.name}"') from error


def _functions(module: ModuleOp) -> list[func.FuncOp]:
    found = (op for op in module.ops if isinstance(op, func.FuncOp))
    return [function for function in found if function.body.blocks]
