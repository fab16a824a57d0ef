"""Pipelines as text and as runs: round trips, and errors of one line."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from xdsl.context import Context
from xdsl.dialects import test as upstream_test
from xdsl.dialects.arith import AddiOp
from xdsl.dialects.builtin import FileLineColLoc, IntAttr, ModuleOp, NameLoc, StringAttr, f32, i32
from xdsl.passes import ModulePass, PassPipeline
from xdsl.pattern_rewriter import PatternRewriter, PatternRewriteWalker, RewritePattern
from xdsl.rewriter import Rewriter
from xdsl.utils.exceptions import PassFailedException

from pyflame_rt import module_files, pipelines
from pyflame_rt.errors import MissingWeightsError, PassFailed, PipelineError, ValidationError
from pyflame_rt.pipeline_syntax import quote
from pyflame_rt.universe import make_context


@dataclass(frozen=True)
class OptionsPass(ModulePass):
    name = "options"

    integer: int = 0
    real: float = 0.5
    number: int | float = 1
    flag: bool = False
    text: str = ""
    maybe: str | None = "set"
    word_or_number: int | str = 0
    mode: Literal["fast", "small"] = "fast"
    integers: tuple[int, ...] = (7,)
    words: tuple[str, ...] = ()
    pair: tuple[int, str] = (0, "")
    scalar_or_list: str | tuple[str, ...] = ""
    maybe_list: tuple[int, ...] | None = None

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Nothing."""


@dataclass(frozen=True)
class RequiredPass(ModulePass):
    name = "required"

    size: int

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Nothing."""

    def __post_init__(self):
        if self.size < 0:
            raise ValueError("size must not be negative")


PASSES = {"options": lambda: OptionsPass, "required": lambda: RequiredPass}

integers = st.integers(-(2**70), 2**70)
reals = st.floats(allow_nan=False)
texts = st.text() | st.sampled_from(
    [
        "2:4",
        "a/b c.onnx",
        '"',
        "\\",
        "\\n",
        "a,b",
        "{}",
        "true",
        "1e-3",
        "inf",
        "-",
        "é\u2028\x7f",
        "()",
    ]
)
options = st.builds(
    OptionsPass,
    integer=integers,
    real=reals,
    number=integers | reals,
    flag=st.booleans(),
    text=texts,
    maybe=texts | st.none(),
    word_or_number=integers | texts,
    mode=st.sampled_from(["fast", "small"]),
    integers=st.lists(integers).map(tuple),
    words=st.lists(texts).map(tuple),
    pair=st.tuples(integers, texts),
    scalar_or_list=texts | st.lists(texts).map(tuple),
    maybe_list=st.lists(integers).map(tuple) | st.none(),
)


def parse_one(text: str) -> OptionsPass:
    (instance,) = pipelines.parse(text, PASSES)
    assert isinstance(instance, OptionsPass)
    return instance


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(options | st.builds(RequiredPass, size=st.integers(0, 9)), max_size=3))
def test_printed_pipelines_read_back_exactly(passes: list[ModulePass]):
    text = pipelines.to_text(passes)
    assert "\n" not in text
    again = pipelines.parse(text, PASSES)
    assert again == tuple(passes)
    assert [repr(p) for p in again] == [repr(p) for p in passes], "1 became 1.0, or 0.0 -0.0"
    assert pipelines.to_text(again) == text


UPSTREAM_TEXT = st.text(st.characters(categories=["L", "N", "P", "S"], include_characters=" \n\t"))


@given(UPSTREAM_TEXT, integers, st.floats(allow_nan=False, allow_infinity=False), st.booleans())
def test_plain_xdsl_reads_what_we_print(text: str, integer: int, real: float, flag: bool):
    """A pipeline of a session also runs under `xdsl-opt`."""
    instance = OptionsPass(
        text=text, integer=integer, real=real, flag=flag, words=("a b", "2:4"), integers=()
    )
    printed = pipelines.to_text([instance, RequiredPass(3)])
    assert PassPipeline.parse_spec(PASSES, printed).passes == (instance, RequiredPass(3))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("options", OptionsPass()),
        (" options { } ", OptionsPass()),
        ("options{real=1}", OptionsPass(real=1.0)),
        ("options{real=1e-3}", OptionsPass(real=1e-3)),
        ("options{real=.5 number=-2}", OptionsPass(number=-2)),
        ("options{number=2.}", OptionsPass(number=2.0)),
        ("options{real=-inf}", OptionsPass(real=float("-inf"))),
        ("options{text=2:4}", OptionsPass(text="2:4")),
        ("options{text=/a/b-c.pt}", OptionsPass(text="/a/b-c.pt")),
        ("options{text=5 flag}", OptionsPass(text="5", flag=True)),
        ('options{text="a b, {c}\\n\\c3\\a9"}', OptionsPass(text="a b, {c}\né")),
        ("options{word-or-number=5}", OptionsPass(word_or_number=5)),
        ('options{word_or_number="5"}', OptionsPass(word_or_number="5")),
        ("options{maybe}", OptionsPass(maybe=None)),
        ("options{words=a,b}", OptionsPass(words=("a", "b"))),
        ("options{scalar-or-list=(a)}", OptionsPass(scalar_or_list=("a",))),
        ("options{maybe-list=()}", OptionsPass(maybe_list=())),
        ("options{pair=1,x}", OptionsPass(pair=(1, "x"))),
    ],
)
def test_forms_that_parse(text: str, expected: OptionsPass):
    assert repr(parse_one(text)) == repr(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optoins", 'unknown pass "optoins"; did you mean "options"?'),
        ("zzz", 'unknown pass "zzz"; pfrt-opt --help lists the passes'),
        ("options{reel=1}", 'options: unknown option "reel"; did you mean "real"? its options are'),
        ("required{size=1 x=2}", 'required: unknown option "x"; its options are size (int)'),
        ("required", 'required: needs option "size"; its options are size (int)'),
        ("required{size=-1}", "required: size must not be negative"),
        ("options{integer=1.5}", 'options: option "integer" takes int, got 1.5'),
        ('options{integer="1"}', 'options: option "integer" takes int, got "1"'),
        ("options{integer}", 'options: option "integer" takes int, got no value'),
        ("options{integer=1,2}", 'options: option "integer" takes int, got 1,2'),
        ("options{flag=yes}", 'options: option "flag" takes bool, got yes'),
        ("options{mode=big}", 'option "mode" takes "fast" or "small", got big'),
        ("options{integers=1,x}", 'option "integers" takes list of int, got 1,x'),
        ("options{flag flag}", 'options: option "flag" is given twice'),
        ("options{integer=" + "9" * 5000 + "}", 'option "integer" takes int'),
        ('options{text="a}', "a string that starts at column 14 does not end"),
        ('options{text="\\q"}', "unknown escape \\q"),
        ('options{text="\\ff"}', "are not UTF-8"),
        ("options{integer=}", "expected a value at column 17 of the pipeline, found `}`"),
        ("options{", "expected an option's name or `}` at column 9 of the pipeline, found the end"),
        ("options,", "expected a pass's name at column 9"),
        ("options required", "expected a comma between passes at column 9"),
        ("options{text=(a}", "expected `)` at column 16"),
        ('options{text="a"flag}', "expected a space or `}` after the option at column 17"),
        ("=", "expected a pass's name at column 1"),
    ],
)
def test_errors_say_what_and_where(text: str, message: str):
    with pytest.raises(PipelineError) as caught:
        pipelines.parse(text, PASSES)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text())
def test_any_text_parses_or_fails_cleanly(text: str):
    try:
        pipelines.parse(text, PASSES)
    except PipelineError as error:
        assert "\n" not in str(error)


def test_a_word_is_bare_only_where_it_reads_back():
    assert [quote(t) for t in ("relu", "a-b_1", "true", "nan", "1", "a b", "")] == [
        *("relu", "a-b_1"),
        *('"true"', '"nan"', '"1"', '"a b"', '""'),
    ]


LOCATION = NameLoc(
    StringAttr("sum"), FileLineColLoc(StringAttr("model.onnx"), IntAttr(3), IntAttr(0))
)


def module_with_add() -> ModuleOp:
    source = upstream_test.TestOp(result_types=[i32])
    add = AddiOp(source.results[0], source.results[0])
    add.location = LOCATION
    return ModuleOp([source, add])


class FailingPattern(RewritePattern):
    def match_and_rewrite(self, op, rewriter: PatternRewriter, /) -> None:
        if isinstance(op, AddiOp):
            raise ValueError("no way\nsecond line")


@dataclass(frozen=True)
class FailingPass(ModulePass):
    name = "failing"

    how: str = "pattern"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        match self.how:
            case "pattern":
                PatternRewriteWalker(FailingPattern()).rewrite_module(op)
            case "diagnostic":
                op.emit_error("bad", PassFailedException("cannot lower"))
            case "assertion":
                raise AssertionError
            case "ours":
                raise MissingWeightsError("values are missing", where="w", hint="give them")
            case "invalid":
                Rewriter.replace_value_with_new_type(op.body.block.last_op.results[0], f32)
            case _:
                raise KeyError("key")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("pattern", 'failing: arith.addi (node "sum", model.onnx:3): no way second line'),
        ("diagnostic", "failing: cannot lower"),
        ("assertion", "failing: AssertionError"),
        ("other", "failing: KeyError: 'key'"),
    ],
)
def test_what_a_pass_raises_becomes_one_line(how: str, message: str):
    with pytest.raises(PassFailed) as caught:
        pipelines.run(Context(), module_with_add(), [FailingPass(how)])
    assert str(caught.value) == message
    assert not getattr(caught.value.__cause__, "__notes__", None), "the module is in the notes"


def test_our_own_errors_keep_their_class_and_name_the_pass():
    with pytest.raises(MissingWeightsError, match="failing: w: values are missing; give them"):
        pipelines.run(Context(), module_with_add(), [FailingPass("ours")])


def test_values_must_be_defined_before_they_are_used():
    """xDSL's own verifier does not check that."""
    text = """
    func.func @main(%x: f32) -> f32 {
      %a = arith.negf %b : f32
      %b = arith.negf %x : f32
      func.return %a : f32
    }"""
    module = module_files.parse(text, make_context(), "m.mlir")
    with pytest.raises(ValidationError, match=r"arith.negf: uses a value that is not defined"):
        pipelines.verify_module(module)


def test_branches_may_use_values_of_other_blocks():
    text = """
    func.func @main(%c: i1) -> i32 {
      %a = arith.constant 1 : i32
      cf.br ^two
    ^one:
      func.return %b : i32
    ^two:
      %b = arith.addi %a, %a : i32
      cf.br ^one
    }"""
    pipelines.verify_module(module_files.parse(text, make_context(), "m.mlir"))


@pytest.mark.parametrize("flag", ["verify", "verify_each"])
def test_verification_names_the_pass_that_left_invalid_ir(flag: str):
    with pytest.raises(PassFailed, match=r"failing: .*left invalid IR"):
        pipelines.run(Context(), module_with_add(), [FailingPass("invalid")], **{flag: True})


def test_without_passes_the_module_itself_is_blamed():
    module = module_with_add()
    FailingPass("invalid").apply(Context(), module)
    with pytest.raises(ValidationError):
        pipelines.run(Context(), module, [], verify=True)


def test_the_callback_sees_each_pass_in_order():
    seen: list[str] = []
    pipelines.run(
        Context(),
        module_with_add(),
        [OptionsPass(), RequiredPass(1)],
        lambda instance, module: seen.append(instance.name),
    )
    assert seen == ["options", "required"]


def test_every_registered_pass_has_options_that_pipelines_can_spell():
    from pyflame_rt.pass_options import option_types, type_text
    from pyflame_rt.universe import PFRT_UNIVERSE

    for factory in PFRT_UNIVERSE.all_passes.values():
        kind = factory()
        assert len(option_types(kind)) == len(fields(kind))
        assert all(type_text(hint) for hint in option_types(kind).values())


class CountingPass(ModulePass):
    """Counts its runs under the name of a pass that has nothing to do twice."""

    name = "pfrt-fold-constants"
    runs = 0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        CountingPass.runs += 1


@dataclass(frozen=True)
class ChangingPass(ModulePass):
    """Gives the ops of a module another name for their value."""

    name = "change"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for inner in op.walk():
            if inner.name == "test.op":
                inner.attributes["changed"] = StringAttr("yes")


def test_a_pass_that_comes_again_runs_if_something_has_changed():
    """What only folds and cleans runs once in a row, and again after a change in between."""
    ctx, counting = make_context(), CountingPass()
    seen: list[str] = []
    for between, runs in (((), 1), ((ChangingPass(),), 2)):
        CountingPass.runs = 0
        module = module_files.parse('%x = "test.op"() : () -> i32', ctx, "example")
        steps = (counting, *between, counting)
        pipelines.run(ctx, module, steps, lambda p, _m: seen.append(p.name))
        assert CountingPass.runs == runs
    assert seen.count(counting.name) == 4
