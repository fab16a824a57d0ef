"""Classes and functions of an archive by their qualified names; files are parsed when needed."""

from __future__ import annotations

import os

from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.quoting import quoted
from pyflame_rt.frontends.torch.archive import Archive
from pyflame_rt.frontends.torch.script.parser import parse
from pyflame_rt.frontends.torch.script.syntax import File, Function
from pyflame_rt.frontends.torch.script.values import ClassInfo, FunctionInfo
from pyflame_rt.limits import Limits

ROOT = "__torch__"
"""What every qualified name of an archive begins with."""


class Symbols:
    """What the code of an archive defines; nothing else can be named.

    `a.b.C` is class or function C of `code/a/b.py`.
    """

    def __init__(self, archive: Archive, limits: Limits):
        self._archive = archive
        self._limits = limits
        self._files: dict[str, File | None] = {}
        self._classes: dict[str, ClassInfo | None] = {}
        self._functions: dict[str, FunctionInfo | None] = {}
        self._bytes = 0
        self._label = os.path.basename(archive.where)

    def find_class(self, name: str) -> ClassInfo | None:
        """The class of that qualified name; None when there is none."""
        if name not in self._classes:
            self._classes[name] = self._look_up_class(name)
        return self._classes[name]

    def require_class(self, name: str, where: str) -> ClassInfo:
        """The class of that qualified name, which must be there."""
        if (found := self.find_class(name)) is None:
            raise InvalidModelError(f"class {quoted(name)} is not in the archive", where=where)
        return found

    def find_function(self, name: str) -> FunctionInfo | None:
        """The function of that qualified name; None when there is none."""
        if name not in self._functions:
            self._functions[name] = self._look_up_function(name)
        return self._functions[name]

    def has_file(self, name: str) -> bool:
        """Whether qualified names begin with that one: it is a file, or a folder of files."""
        return _path(name) in self._archive

    def _look_up_class(self, name: str) -> ClassInfo | None:
        module, _, last = name.rpartition(".")
        file = self._file(module)
        for found in () if file is None else file.classes:
            if found.name == last:
                methods: dict[str, Function] = {row.name: row for row in found.methods}
                return ClassInfo(name, _path(module), found, methods)
        return None

    def _look_up_function(self, name: str) -> FunctionInfo | None:
        module, _, last = name.rpartition(".")
        file = self._file(module)
        for found in () if file is None else file.functions:
            if found.name == last:
                return FunctionInfo(name, _path(module), found)
        return None

    def _file(self, module: str) -> File | None:
        if module not in self._files:
            self._files[module] = self._parse(module)
        return self._files[module]

    def _parse(self, module: str) -> File | None:
        path = _path(module)
        if module.partition(".")[0] != ROOT or path not in self._archive:
            return None
        self._bytes += self._archive.size(path)
        if self._bytes > self._limits.script_source_bytes:
            raise InvalidModelError(
                f"the code has more than {self._limits.script_source_bytes} bytes",
                where=self._archive.where,
                hint="raise Limits.script_source_bytes if the file can be trusted",
            )
        data = bytes(self._archive.read(path))
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise InvalidModelError(
                "the code is not UTF-8 text", where=f"{self._label}: {path}"
            ) from error
        return parse(text, f"{self._label}: {path}", self._limits)


def _path(module: str) -> str:
    return f"code/{module.replace('.', '/')}.py"
