"""Tokens of CSL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from pyflame_rt.backends.wse.csl.names import KEYWORDS, words
from pyflame_rt.errors import PyFlameRTError


class CslError(PyFlameRTError):
    """A CSL source that is wrong: what, and where (`file:line:column`)."""


@dataclass(frozen=True)
class Token:
    """A word of a source: `kind` is name, keyword, builtin, number, string, sign or end."""

    kind: str
    text: str
    where: str


_SIGNS: Final = sorted(
    words(
        "<<= >>= ... << >> <= >= == != += -= *= /= %= &= |= ^= -> => .{ .* ++ "
        "+ - * / % & | ^ ~ ! < > = ( ) [ ] { } , ; : . ?"
    ),
    key=lambda sign: (-len(sign), sign),
)

_TOKEN: Final = re.compile(
    "|".join(
        (
            r"(?P<space>[ \t\r\n]+|//[^\n]*)",
            r"(?P<builtin>@[A-Za-z_]\w*)",
            r"(?P<name>[A-Za-z_]\w*)",
            r"(?P<number>0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+"
            r"|\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?)",
            r'(?P<string>"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)\')',
            f"(?P<sign>{'|'.join(re.escape(sign) for sign in _SIGNS)})",
        )
    ),
    re.ASCII,
)


def tokens(text: str, file: str) -> list[Token]:
    """The tokens of a source, and one for its end. Raises CslError."""
    found: list[Token] = []
    place, line, start = 0, 1, 0
    while place < len(text):
        where = f"{file}:{line}:{place - start + 1}"
        match = _TOKEN.match(text, place)
        if match is None:
            raise CslError(f"no token begins with {text[place]!r}", where=where)
        kind, word = str(match.lastgroup), match.group()
        if kind == "number" and match.end() < len(text) and re.match(r"\w", text[match.end()]):
            raise CslError(f"{word}{text[match.end()]} is no number", where=where)
        if kind != "space":
            kind = "keyword" if kind == "name" and word in KEYWORDS else kind
            found.append(Token(kind, word, where))
        if lines := word.count("\n"):
            line += lines
            start = place + word.rindex("\n") + 1
        place = match.end()
    return [*found, Token("end", "the end", f"{file}:{line}:{len(text) - start + 1}")]
