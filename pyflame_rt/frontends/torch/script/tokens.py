"""Tokens of the code in TorchScript archives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.quoting import quoted

_TOKEN = re.compile(
    r"(?P<line>(?:[ ]*(?:\#[^\n]*)?\n)+[ ]*)"
    r"|[ ]*(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?j?)"
    r"|(?P<string>\"[^\"\\\n]*(?:\\.[^\"\\\n]*)*\"|'[^'\\\n]*(?:\\.[^'\\\n]*)*')"
    r"|(?P<op>->|[()\[\]{},:.=+\-])"
    r"|(?P<end>\Z))"
)
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_ESCAPED = {
    b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v",
    b"\\": b"\\", b'"': b'"', b"'": b"'", b"?": b"?",
}  # fmt: skip


class Token(NamedTuple):
    """A token; `kind` is name, number, string, op, line, indent, dedent or end."""

    kind: str
    text: str
    line: int


def tokens(text: str, file: str, nesting: int) -> Iterator[Token]:
    """The tokens of a file, `line` at the end of each statement, blocks in `indent` and `dedent`.

    Raises InvalidModelError for what is no token, and for blocks nested deeper than allowed.
    """
    line, brackets, position = 1, 0, 0
    indents = [0]
    ends_line = False
    match = _TOKEN.match
    while True:
        found = match(text, position)
        if found is None:
            shown = quoted(text[position : position + 1])
            raise InvalidModelError(f"unexpected character {shown}", where=f"{file}:{line}")
        kind = found.lastgroup or "end"
        position = found.end()
        if kind == "line":
            width = _count_lines(found.group())
            if brackets:
                line += width
                continue
            if ends_line:
                yield Token("line", "", line)
            line += width
            ends_line = False
            if position < len(text):
                yield from _indentation(found.group(), indents, file, line, nesting)
            continue
        if kind == "end":
            break
        token = found.group(kind)
        if kind == "op":
            brackets += (token in "([{") - (token in ")]}")
        ends_line = True
        yield Token(kind, token, line)
    if ends_line:
        yield Token("line", "", line)
    for _ in indents[1:]:
        yield Token("dedent", "", line)
    yield Token("end", "", line)


def _count_lines(text: str) -> int:
    return text.count("\n")


def _indentation(
    spaces: str, indents: list[int], file: str, line: int, nesting: int
) -> Iterator[Token]:
    width = len(spaces) - spaces.rfind("\n") - 1
    if width > indents[-1]:
        if len(indents) > nesting:
            raise InvalidModelError("blocks are nested too deeply", where=f"{file}:{line}")
        indents.append(width)
        yield Token("indent", "", line)
    while width < indents[-1]:
        indents.pop()
        yield Token("dedent", "", line)
    if width != indents[-1]:
        raise InvalidModelError("the indentation fits no block", where=f"{file}:{line}")


def unescaped(literal: str, where: str) -> str:
    """The text of a string literal. Raises InvalidModelError for unknown escapes."""

    def replaced(match: re.Match[bytes]) -> bytes:
        octal, hexadecimal, other = match.groups()
        if octal is not None:
            return bytes([int(octal, 8) & 0xFF])
        if hexadecimal is not None:
            return bytes([int(hexadecimal, 16)])
        if other not in _ESCAPED:
            raise InvalidModelError("a text has an unknown escape", where=where)
        return _ESCAPED[other]

    body = literal[1:-1]
    if "\\" not in body:
        return body
    try:
        return _ESCAPE.sub(replaced, body.encode()).decode()
    except UnicodeDecodeError as error:
        raise InvalidModelError("a text is not UTF-8", where=where) from error
