"""What is wrong with a CSL source, beyond its grammar: names, builtins, fields, and what files share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pyflame_rt.backends.wse.csl import syntax as s
from pyflame_rt.backends.wse.csl.builtins import (
    ARITY,
    COMPTIME_ONLY,
    CONFIG_FIELDS,
    DSD_FIELDS,
    LAYOUT_ONLY,
    SETTINGS,
    VECTOR,
)
from pyflame_rt.backends.wse.csl.grammar import parse
from pyflame_rt.backends.wse.csl.names import CONSTANTS, TYPES
from pyflame_rt.backends.wse.csl.tokens import CslError

_FIXED = ("const", "param", "fn", "task", "loop", "parameter")


def check_file(text: str, file: str = "source.csl") -> list[CslError]:
    """The errors of one source, in order; of a source that is no CSL, the first."""
    try:
        tree = parse(text, file)
    except CslError as error:
        return [error]
    return _Checker().file(tree)


def check_project(texts: Mapping[str, str]) -> list[CslError]:
    """The errors of the sources of a project, by file name, and of what they say of each other."""
    sources = {name: text for name, text in texts.items() if name.endswith(".csl")}
    errors = [error for name, text in sources.items() for error in check_file(text, name)]
    if errors:
        return errors
    trees = {name: parse(text, name) for name, text in sources.items()}
    if "layout.csl" not in trees:
        return [CslError("there is no layout.csl", where="project")]
    return [*_check_tiles(trees), *_check_exports(trees)]


@dataclass
class _Scope:
    names: dict[str, str] = field(default_factory=dict[str, str])
    parent: _Scope | None = None

    def find(self, name: str) -> str | None:
        scope: _Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        return None


@dataclass
class _Checker:
    errors: list[CslError] = field(default_factory=list[CslError])
    functions: dict[str, s.Function] = field(default_factory=dict[str, s.Function])
    bound: dict[str, str] = field(default_factory=dict[str, str])
    # Where the code is that is looked at: top, layout, comptime or code; in how many loops; in what.
    place: str = "top"
    loops: int = 0
    function: s.Function | None = None

    def say(self, node: s.Node, text: str) -> None:
        self.errors.append(CslError(text, where=node.where))

    def file(self, tree: s.File) -> list[CslError]:
        """The errors of a file; names of a file may be used before they are declared."""
        scope = _Scope()
        for item in tree.items:
            if isinstance(item, s.Declaration):
                self.declare(item, scope, item.name, item.keyword)
            elif isinstance(item, s.Function):
                self.declare(item, scope, item.name, item.keyword)
                self.functions[item.name] = item
        for item in tree.items:
            if isinstance(item, s.Top):
                self.place = item.keyword
                self.node(item.body, scope)
                self.place = "top"
            elif isinstance(item, s.Function):
                self.body(item, scope)
            elif isinstance(item, s.Declaration):
                self.parts(item, scope)
            else:
                self.node(item, scope)
        return self.errors

    def declare(self, node: s.Node, scope: _Scope, name: str, kind: str) -> None:
        if name in TYPES or name in CONSTANTS:
            self.say(node, f"{name} is a name of the language")
        elif name in scope.names:
            self.say(node, f"{name} is declared twice")
        scope.names[name] = kind

    def parts(self, item: s.Declaration, scope: _Scope) -> None:
        for part in item.children():
            self.node(part, scope)
        if item.keyword == "const" and item.value is None:
            self.say(item, f"const {item.name} has no value")

    def body(self, item: s.Function, scope: _Scope) -> None:
        inner = _Scope(parent=scope)
        for parameter in item.parameters:
            self.declare(parameter, inner, parameter.name, "parameter")
            self.node(parameter.kind, inner)
        if item.result is not None:
            self.node(item.result, inner)
        if item.body is not None:
            self.place, self.function = "code", item
            self.node(item.body, inner)
            self.place, self.function = "top", None

    def node(self, node: s.Node, scope: _Scope) -> None:
        """Check a node and what is inside."""
        match node:
            case s.Name():
                if not self.known(node.name, scope):
                    self.say(node, f"there is no {node.name}")
            case s.Block():
                inner = _Scope(parent=scope)
                for statement in node.statements:
                    self.node(statement, inner)
            case s.Declaration():
                self.parts(node, scope)
                self.declare(node, scope, node.name, node.keyword)
            case s.For():
                self.node(node.range, scope)
                inner = _Scope(parent=scope)
                for name in node.names:
                    self.declare(node, inner, name, "loop")
                self.loop(node.body, inner)
            case s.While():
                self.node(node.condition, scope)
                if node.step is not None:
                    self.node(node.step, scope)
                self.loop(node.body, scope)
            case s.Access():
                for size in node.sizes:
                    self.node(size, scope)
                inner = _Scope(parent=scope)
                for name in node.names:
                    self.declare(node, inner, name, "loop")
                self.node(node.element, inner)
            case _:
                for child in node.children():
                    self.node(child, scope)
                self.rules(node, scope)

    def loop(self, body: s.Node, scope: _Scope) -> None:
        self.loops += 1
        self.node(body, scope)
        self.loops -= 1

    def known(self, name: str, scope: _Scope) -> bool:
        return name in TYPES or name in CONSTANTS or scope.find(name) is not None

    def rules(self, node: s.Node, scope: _Scope) -> None:
        """What a single node has to obey."""
        match node:
            case s.Builtin():
                self.builtin(node, scope)
            case s.Assign():
                target = node.target
                if isinstance(target, s.Name) and scope.find(target.name) in _FIXED:
                    self.say(node, f"{target.name} is a {scope.find(target.name)}, which is fixed")
                elif not isinstance(target, s.Name | s.Index | s.Member):
                    self.say(node, "nothing can be given to this")
            case s.Call(callee=s.Name(name=name)) if name in self.functions:
                wanted, given = len(self.functions[name].parameters), len(node.arguments)
                if wanted != given:
                    self.say(node, f"{name} takes {wanted} arguments, not {given}")
            case s.Leave() if node.keyword != "return":
                if not self.loops:
                    self.say(node, f"{node.keyword} is outside of a loop")
            case s.Leave():
                self.leave(node)
            case s.Struct():
                names = [entry.name for entry in node.entries if entry.name is not None]
                for name in dict.fromkeys(n for n in names if names.count(n) > 1):
                    self.say(node, f".{name} is given twice")
            case _:
                return

    def leave(self, node: s.Leave) -> None:
        if self.function is None:
            self.say(node, "return is outside of a function")
            return
        result = self.function.result
        void = result is None or (isinstance(result, s.Name) and result.name == "void")
        if void and node.value is not None:
            self.say(node, f"{self.function.name} returns nothing")
        elif not void and node.value is None:
            self.say(node, f"{self.function.name} returns a value")

    def builtin(self, node: s.Builtin, scope: _Scope) -> None:
        if node.name not in ARITY:
            self.say(node, f"there is no builtin {node.name}")
            return
        least, most = ARITY[node.name]
        given = len(node.arguments)
        if not least <= given <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            wanted = f"at least {least}" if most > 100 else wanted
            self.say(node, f"{node.name} takes {wanted} arguments, not {given}")
            return
        if node.name in LAYOUT_ONLY and self.place not in ("layout", "code"):
            self.say(node, f"{node.name} is outside of the layout")
        elif node.name in COMPTIME_ONLY and self.place in ("layout", "top"):
            self.say(node, f"{node.name} is outside of a comptime block")
        if node.name in VECTOR and given > least:
            self.fields(node.arguments[-1], SETTINGS, f"setting of {node.name}")
        match node.name:
            case "@get_dsd":
                kind = node.arguments[0]
                if not isinstance(kind, s.Name) or kind.name not in DSD_FIELDS:
                    self.say(node, "@get_dsd takes a kind of DSD")
                else:
                    self.fields(node.arguments[1], DSD_FIELDS[kind.name], f"field of a {kind.name}")
            case "@load_to_dsr" if given == 3:
                self.fields(node.arguments[2], SETTINGS, "setting of @load_to_dsr")
            case "@set_color_config" | "@set_local_color_config":
                self.config(node.arguments[-1], "")
            case "@initialize_queue":
                self.once(node, node.arguments[0], "initialized")
                known = frozenset(("color", "priority", "block", "simprint"))
                self.fields(node.arguments[1], known, "setting of a queue")
            case "@bind_local_task" | "@bind_data_task" | "@bind_control_task":
                self.binding(node)
            case "@map":
                self.mapped(node)
            case _:
                return

    def fields(self, node: s.Node, known: Iterable[str], what: str) -> None:
        """That a struct has known fields only; another expression may be anything."""
        if isinstance(node, s.Struct):
            for entry in node.entries:
                if entry.name is None or entry.name not in known:
                    self.say(entry, f".{entry.name} is no {what}" if entry.name else f"no {what}")

    def config(self, node: s.Node, part: str) -> None:
        """The configuration of a colour."""
        if not isinstance(node, s.Struct):
            return
        for entry in node.entries:
            if part in ("rx", "tx"):
                direction = entry.value
                if isinstance(direction, s.Name) and direction.name in TYPES:
                    self.say(entry, f"{direction.name} is no direction")
            elif part in CONFIG_FIELDS and entry.name not in CONFIG_FIELDS[part]:
                where = f".{part}" if part else "a colour's configuration"
                self.say(entry, f".{entry.name} is no field of {where}")
            elif entry.name is not None:
                self.config(entry.value, entry.name)

    def once(self, node: s.Node, subject: s.Node, what: str) -> None:
        if not isinstance(subject, s.Name):
            return
        if self.bound.setdefault(f"{what} {subject.name}", node.where) != node.where:
            self.say(node, f"{subject.name} is {what} twice")

    def binding(self, node: s.Builtin) -> None:
        task, handle = node.arguments
        if not isinstance(task, s.Name):
            self.say(node, f"{node.name} takes the name of a task")
            return
        function = self.functions.get(task.name)
        if function is None or function.keyword != "task":
            self.say(node, f"{task.name} is no task")
            return
        if node.name == "@bind_local_task" and function.parameters:
            self.say(node, f"{task.name} is local and takes a word")
        if node.name == "@bind_data_task" and not function.parameters:
            self.say(node, f"{task.name} takes no word")
        # An architecture's branch may bind what another one binds too.
        if self.place == "comptime":
            self.once(node, handle, "bound")

    def mapped(self, node: s.Builtin) -> None:
        callee = node.arguments[0]
        function = self.functions.get(callee.name) if isinstance(callee, s.Name) else None
        if function is None:
            return
        void = isinstance(function.result, s.Name) and function.result.name == "void"
        wanted = len(function.parameters) + (0 if void else 1)
        if len(node.arguments) - 1 != wanted:
            given = len(node.arguments) - 1
            self.say(node, f"@map of {function.name} takes {wanted} operands, not {given}")


def _calls(tree: s.File, *names: str) -> list[s.Builtin]:
    return [node for node in s.walk(tree) if isinstance(node, s.Builtin) and node.name in names]


def _text(node: s.Node) -> str | None:
    return node.text.strip('"') if isinstance(node, s.Literal) and node.kind == "string" else None


def _check_tiles(trees: Mapping[str, s.File]) -> list[CslError]:
    """That the layout's tiles are files of the project and get their parameters."""
    errors: list[CslError] = []
    for call in _calls(trees["layout.csl"], "@set_tile_code"):
        file = _text(call.arguments[2])
        if file is None:
            continue
        if file not in trees:
            errors.append(CslError(f"there is no file {file}", where=call.where))
            continue
        params = {
            item.name: item
            for item in trees[file].items
            if isinstance(item, s.Declaration) and item.keyword == "param"
        }
        struct = call.arguments[3] if len(call.arguments) > 3 else s.Struct(call.where, None, ())
        if not isinstance(struct, s.Struct):
            continue
        given = {entry.name for entry in struct.entries}
        for name in sorted(name for name in given if name is not None and name not in params):
            errors.append(CslError(f"{file} has no parameter {name}", where=call.where))
        for name, item in params.items():
            if name not in given and item.value is None:
                errors.append(CslError(f"{file} gets no {name}", where=call.where))
    return errors


def _check_exports(trees: Mapping[str, s.File]) -> list[CslError]:
    """That what tiles export is what the layout names."""
    named: dict[str, s.Builtin] = {}
    errors: list[CslError] = []
    for call in _calls(trees["layout.csl"], "@export_name"):
        name = _text(call.arguments[0]) or ""
        if name in named:
            errors.append(CslError(f'"{name}" is exported twice', where=call.where))
        named[name] = call
    found: set[str] = set()
    for file, tree in trees.items():
        for call in _calls(tree, "@export_symbol") if file != "layout.csl" else ():
            name = _exported(call.arguments)
            if name is None:
                continue
            found.add(name)
            if name not in named:
                errors.append(CslError(f'the layout has no "{name}"', where=call.where))
    errors += [
        CslError(f'no tile exports "{name}"', where=call.where)
        for name, call in named.items()
        if name not in found
    ]
    return errors


def _exported(arguments: Sequence[s.Node]) -> str | None:
    if len(arguments) > 1:
        return _text(arguments[1])
    return arguments[0].name if isinstance(arguments[0], s.Name) else None
