"""The text of pass pipelines: reading it into words, and spelling values so that they read back.

    pipeline ::= pass (`,` pass)*
    pass     ::= name (`{` option* `}`)?
    option   ::= name (`=` values)?
    values   ::= value (`,` value)* | `(` (value (`,` value)*)? `)`
    value    ::= word | string

A word is any run of characters other than spaces and `{}()=,"`. Strings know the escapes `\\"`,
`\\\\`, `\\n`, `\\t` and `\\xx` (a byte of UTF-8 in hex). Parentheses are for tuples that have no other
spelling. Everything xDSL's own pipelines can say reads the same here; we print what it can read
wherever there is such a form.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from pyflame_rt.errors import PipelineError

_TOKEN = re.compile(
    r'(?P<space>\s+)|(?P<string>"(?:[^"\\]|\\.)*")|(?P<punct>[{}()=,])|(?P<word>[^\s{}()=,"]+)',
    re.DOTALL,
)
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?|[-+]?(inf|infinity|nan)", re.I)
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_ESCAPE = re.compile(rb'\\(["\\nt]|[0-9a-fA-F]{2})|\\(.?)', re.DOTALL)
_NAMED_ESCAPES = {b'"': b'"', b"\\": b"\\", b"n": b"\n", b"t": b"\t"}


@dataclass(frozen=True)
class Word:
    """One value as written: quoted strings are strings, bare words become what the option takes."""

    text: str
    quoted: bool = False


@dataclass(frozen=True)
class OptionText:
    """The words after an option's `=`; `is_tuple` when they stood in parentheses."""

    words: tuple[Word, ...] = ()
    is_tuple: bool = False


@dataclass(frozen=True)
class PassText:
    """A pass's name and its options by name (`-` and `_` are the same in those)."""

    name: str
    options: dict[str, OptionText] = field(default_factory=dict[str, OptionText])


def read(text: str) -> tuple[PassText, ...]:
    """The passes of a pipeline's text. Raises PipelineError with the column of what is wrong."""
    return _Reader(text).pipeline()


def quote(text: str) -> str:
    """A string's spelling: bare where it can be, else quoted and escaped."""
    is_bare = _BARE.fullmatch(text) is not None and not _means_something_else(text)
    return text if is_bare else f'"{"".join(map(_escaped, text))}"'


def spell(value: bool | int | float | str) -> str:
    """The spelling of one value."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _float_text(value)
        case str():
            return quote(value)


def is_number(text: str) -> bool:
    """Whether a bare word is a number."""
    return _NUMBER.fullmatch(text) is not None


def _means_something_else(text: str) -> bool:
    return text in ("true", "false") or is_number(text)


def _float_text(value: float) -> str:
    text = repr(value)
    if math.isfinite(value) and "." not in text:
        # xDSL takes an exponent only after a point: 1e-07 is spelled 1.0e-07.
        mantissa, e, exponent = text.partition("e")
        text = f"{mantissa}.0{e}{exponent}"
    return text


def _escaped(char: str) -> str:
    match char:
        case '"' | "\\":
            return "\\" + char
        case "\n":
            return "\\n"
        case "\t":
            return "\\t"
        case _ if char.isprintable():
            return char
        case _:
            return "".join(f"\\{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))


class _Reader:
    def __init__(self, text: str):
        self.text = text
        self.at = 0

    def pipeline(self) -> tuple[PassText, ...]:
        passes: list[PassText] = []
        self.skip_space()
        while self.at < len(self.text):
            passes.append(self.one_pass())
            self.skip_space()
            if self.at == len(self.text):
                break
            self.expect(",", "a comma between passes")
            self.skip_space()
            if self.at == len(self.text):
                raise self.error("a pass's name")
        return tuple(passes)

    def one_pass(self) -> PassText:
        name = self.word("a pass's name")
        self.skip_space()
        if not self.accept("{"):
            return PassText(name)
        options: dict[str, OptionText] = {}
        self.skip_space()
        while not self.accept("}"):
            if options and not self.text[self.at - 1].isspace():
                raise self.error("a space or `}` after the option")
            option = self.word("an option's name or `}`").replace("-", "_")
            if option in options:
                raise PipelineError(f'option "{option}" is given twice', where=name)
            options[option] = self.values()
            self.skip_space()
        return PassText(name, options)

    def values(self) -> OptionText:
        if not self.accept("="):
            return OptionText()
        if self.accept("("):
            if self.accept(")"):
                return OptionText(is_tuple=True)
            words = self.value_list()
            self.expect(")", "`)`")
            return OptionText(words, is_tuple=True)
        return OptionText(self.value_list())

    def value_list(self) -> tuple[Word, ...]:
        words = [self.value()]
        while self.accept(","):
            words.append(self.value())
        return tuple(words)

    def value(self) -> Word:
        kind, text = self.peek()
        if kind not in ("word", "string"):
            raise self.error("a value")
        self.at += len(text)
        return Word(_unescaped(text), quoted=True) if kind == "string" else Word(text)

    def word(self, wanted: str) -> str:
        kind, text = self.peek()
        if kind != "word":
            raise self.error(wanted)
        self.at += len(text)
        return text

    def peek(self) -> tuple[str, str]:
        match = _TOKEN.match(self.text, self.at)
        if match is not None:
            return match.lastgroup or "", match.group()
        if self.at < len(self.text):
            raise PipelineError(f"a string that starts at column {self.at + 1} does not end")
        return "end", ""

    def skip_space(self) -> None:
        kind, text = self.peek()
        if kind == "space":
            self.at += len(text)

    def accept(self, char: str) -> bool:
        found = self.text.startswith(char, self.at)
        self.at += found
        return found

    def expect(self, char: str, wanted: str) -> None:
        if not self.accept(char):
            raise self.error(wanted)

    def error(self, wanted: str) -> PipelineError:
        kind, text = self.peek()
        found = "the end" if kind == "end" else "a space" if kind == "space" else f"`{text}`"
        return PipelineError(
            f"expected {wanted} at column {self.at + 1} of the pipeline, found {found}",
            hint="the form is 'pass-a,pass-b{option=value list=1,2 text=\"a b\"}'",
        )


def _unescaped(literal: str) -> str:
    def replace(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            raise PipelineError(
                f"unknown escape \\{match[2].decode(errors='replace')} in {literal}"
            )
        return _NAMED_ESCAPES.get(match[1]) or bytes.fromhex(match[1].decode())

    data = literal[1:-1].encode("utf-8", "surrogatepass")
    try:
        return _ESCAPE.sub(replace, data).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise PipelineError(f"the bytes of {literal} are not UTF-8") from error
