"""docs/operators.md: ONNX's operators, which of their versions are there, and who computes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx.defs
from onnx.defs import OpSchema

from pyflame_rt import dtypes, kernels
from pyflame_rt.dialects.pfrt.names import op_name_of
from pyflame_rt.dialects.plan.algorithms import for_op
from pyflame_rt.frontends.onnx.ops import LATEST_OPSET, rules
from pyflame_rt.frontends.onnx.rules import Rule

OLDEST = 7
"""The first opset of which every version is meant to be there."""
HEADER = ("operator", "versions", "not there", "types", "reference", "NumPy backend")
GROUPS = {
    "floats": ("float", "double", "float16", "bfloat16"),
    "integers": tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    "int2/4": ("int2", "int4", "uint2", "uint4"),
    "float8": ("float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz"),
    "complex": ("complex64", "complex128"),
}
"""Types that mostly come together."""
ABOUT = f"""
The operators of ONNX up to opset {LATEST_OPSET}, by domain. *Versions* are the opsets in which an
operator changed and that are implemented, older ones than {OLDEST} where they are; *not there* are
those of opset {OLDEST} on that are not.

*Types* are the elements that the newest version allows, one set for each of its type variables:
floats are float, double, float16 and bfloat16; integers are of 8 to 64 bits, signed and unsigned;
float8 are the four formats with a sign.

*Reference* says what gives the meaning: a kernel, the interpreter itself (control flow), or other
ops, which the import writes in the operator's place. The *NumPy backend* runs an algorithm that is
prepared once for a plan where one applies, the kernel for the rest.
"""


def sections() -> Iterator[tuple[str, list[tuple[str, ...]], list[str]]]:
    """Each domain: its name, a row for each operator with a rule, the operators without."""
    history: dict[tuple[str, str], list[OpSchema]] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain or schema.since_version <= LATEST_OPSET:
            history.setdefault((schema.domain, schema.name), []).append(schema)
    known = rules()
    for domain in sorted({domain for domain, _ in history}):
        names = sorted(name for where, name in history if where == domain)
        rows = [
            _row(history[domain, name], known[domain, name])
            for name in names
            if (domain, name) in known
        ]
        missing = [name for name in names if (domain, name) not in known]
        yield domain or "ai.onnx", rows, missing


def _row(history: Sequence[OpSchema], known: Sequence[Rule]) -> tuple[str, ...]:
    schemas = sorted(history, key=lambda schema: schema.since_version)
    # A version lasts until the next; what ended before the oldest opset need not be there.
    ends = [*(schema.since_version for schema in schemas[1:]), LATEST_OPSET + 1]
    there: list[str] = []
    lacking: list[str] = []
    for schema, end in zip(schemas, ends, strict=True):
        if schema.deprecated:
            continue
        if any(_rule_at(opset, known) for opset in range(schema.since_version, max(end, 2))):
            there.append(str(schema.since_version))
        elif end > OLDEST or schema.domain:
            lacking.append(str(schema.since_version))
    newest = next(schema for schema in reversed(schemas) if not schema.deprecated)
    name = newest.name
    return (name, ", ".join(there), ", ".join(lacking), _types(newest), *_computed(name, known))


def _rule_at(opset: int, known: Sequence[Rule]) -> bool:
    """Whether a model of an opset has the operator; rules are sorted, the newest first."""
    rule = next((rule for rule in known if rule.since <= opset), None)
    return rule is not None and (rule.build is not None or rule.constant is not None)


def _types(schema: OpSchema) -> str:
    """Each type variable of the inputs and outputs that is not the same as one before."""
    used = dict.fromkeys(formal.type_str for formal in (*schema.inputs, *schema.outputs))
    allowed = {c.type_param_str: c.allowed_type_strs for c in schema.type_constraints}
    texts = (_set(allowed.get(variable, (variable,))) for variable in used)
    return "; ".join(dict.fromkeys(text for text in texts if text))


def _set(allowed: Sequence[str]) -> str:
    """A set of types in a few words: those that tensors have here, and that there are others."""
    names = [row.onnx_name for row in dtypes.table()] + ["string"]
    left = [name for name in names if f"tensor({name})" in allowed]
    parts: list[str] = []
    for group, members in GROUPS.items():
        if set(members) <= set(left):
            parts.append(group)
            left = [name for name in left if name not in members]
    kinds = {"seq": "sequences", "optional": "optionals", "map": "maps"}
    parts += left
    parts += [k for start, k in kinds.items() if any(t.startswith(start + "(") for t in allowed)]
    return ", ".join(parts)


def _computed(name: str, known: Sequence[Rule]) -> tuple[str, str]:
    """What computes an operator in the reference and in the NumPy backend."""
    if known[0].constant is not None:
        return "constant", "constant"
    op = op_name_of(name)
    if op.removeprefix("pfrt.") in kernels.table():
        algorithms = ", ".join(f"`{algorithm.name}`" for algorithm in for_op(op))
        return "kernel", algorithms or "kernel"
    if op in ("pfrt.if", "pfrt.loop", "pfrt.scan"):
        return "interpreter", "plan regions"
    return "other ops", "other ops"
