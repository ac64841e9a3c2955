"""Values from outside: whatever is sent, each function returns a plain value within its limits or one short message."""

import decimal
import fractions
import json
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganji import validate
from ganji.errors import InputError
from ganji.validate import Range

DEEP: list = []
for _ in range(5000):
    DEEP = [DEEP]


class Rude:
    """An object that answers nothing."""

    def __repr__(self):
        raise RuntimeError("no repr")

    __str__ = __float__ = __index__ = __len__ = __repr__  # type: ignore[assignment]


# what is a number to no function here
HOSTILE = {
    "nan": float("nan"), "infinity": float("inf"), "minus infinity": -float("inf"), "1e400": json.loads("1e400"), "json nan": json.loads("NaN"),
    "null": None, "true": True, "false": False, "text": "7", "empty text": "", "text nan": "nan", "path": "/etc/passwd", "windows path": "C:\\Users\\me",
    "address": "http://127.0.0.1/", "script": "<script>alert(1)</script>", "markdown": "![x](http://x)", "null byte": "\0", "lone surrogate": "\ud800",
    "right to left": "\u202egnp.exe", "line ends": "a\r\nb", "long text": "a" * 10_000_000, "huge unicode": "한" * 1_000_000, "stacked marks": "e" + "\u0301" * 10_000,
    "emoji": "🙂" * 1000, "5000 digits": 10**5000, "minus 5000 digits": -(10**5000), "million digits": 1 << 3_000_000, "list": [1], "empty list": [],
    "nested": DEEP, "long list": [0] * 1_000_000, "dict": {"value": 1}, "bytes": b"1", "big bytes": bytes(1_000_000), "complex": 1j, "object": object(), "rude": Rude(),
    "function": print, "type": int, "decimal": decimal.Decimal("1"), "numpy nan": np.float32("nan"), "numpy inf": np.float64("inf"), "numpy bool": np.True_,
    "numpy array": np.zeros(3), "numpy 0-d": np.array(1.0), "numpy text": np.str_("1"), "huge fraction": fractions.Fraction(10**5000, 3), "1e308": 1e308,
    "minus 1e308": -1e308, "2^63": 2**63, "2^64": 2**64,
}  # fmt: skip


def message_of(call, *arguments):
    """The message of a refusal; fails if it is none that may be shown."""
    with pytest.raises(InputError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert 10 < len(message) <= validate.MAX_SENTENCE, len(message)
    assert message.endswith("."), message
    assert message.isprintable(), ascii(message)
    assert not re.search(
        r"Traceback|Error|object at|0x|[\\/<>\[\]!(]", re.sub(r"(strengths|points)\[\d+\]", "", message)
    ), message
    return message


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_values(name):
    value = HOSTILE[name]
    assert "a number from 0 to 1" in message_of(validate.number, "psi", value, validate.TRUNCATION_PSI)
    assert "a whole number from 0 to 4294967295" in message_of(validate.integer, "seed", value, validate.SEED)
    assert "a, b" in message_of(validate.choice, "kind", value, ("a", "b"))
    message_of(validate.strengths, [value], 5)
    message_of(validate.points, [(1, 2), (3, value), (5, 6)])
    message_of(validate.points, value)
    if not isinstance(value, bool):
        message_of(validate.flag, "tied", value)
    if name not in ("null", "list", "empty list"):
        message_of(validate.strengths, value, 5)
    if not isinstance(value, str) or len(value) > 2000:
        message_of(validate.text, "style", value)


@pytest.mark.parametrize("name", ["null byte", "lone surrogate"])
def test_control_characters_are_no_text(name):
    assert "plain text" in message_of(validate.text, "style", HOSTILE[name])


def test_plausible_numbers_of_other_libraries():
    for value in (np.float32(0.5), np.float64(0.5), np.float16(0.5), fractions.Fraction(1, 2), 0.5):
        got = validate.number("psi", value, validate.TRUNCATION_PSI)
        assert type(got) is float
        assert got == 0.5
    for value in (7, 7.0, np.int64(7), np.uint8(7), np.float32(7), fractions.Fraction(7)):
        got = validate.integer("seed", value, validate.SEED)
        assert type(got) is int
        assert got == 7


def test_bounds_belong_to_the_range():
    assert validate.integer("seed", 2**32 - 1, validate.SEED) == 2**32 - 1
    assert validate.number("psi", 1, validate.TRUNCATION_PSI) == 1.0
    for value in (2**32, -1, 0.5, np.nextafter(2.0**32 - 1, np.inf)):
        message_of(validate.integer, "seed", value, validate.SEED)
    for value in (np.nextafter(1.0, 2.0), -np.nextafter(0.0, 1.0)):
        message_of(validate.number, "psi", value, validate.TRUNCATION_PSI)


def test_minus_zero_is_zero():
    assert math.copysign(1, validate.number("strength", -0.0, validate.STRENGTH)) == 1
    assert validate.strengths([-0.0, 0, -0.0], 5) == ()
    assert str(validate.strengths([-0.0, 1], 5)) == "(0.0, 1.0)"


numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.text(),
    st.lists(st.integers()),
    st.dictionaries(st.text(), st.none()),
)


@settings(max_examples=250, deadline=None)
@given(numbers, st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_number_is_what_it_says(value, a, b):
    limits = Range(min(a, b), max(a, b), a)
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and limits.low <= value <= limits.high
    if fits:
        assert validate.number("value", value, limits) == value
    else:
        message_of(validate.number, "value", value, limits)


@settings(max_examples=250, deadline=None)
@given(numbers, st.integers(-(2**40), 2**40), st.integers(0, 2**40))
def test_integer_is_what_it_says(value, low, width):
    limits = Range(low, low + width, low)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and low <= value <= low + width and value == math.floor(value):
        got = validate.integer("value", value, limits)
        assert got == value
        assert type(got) is int
    else:
        message_of(validate.integer, "value", value, limits)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=250, deadline=None)
@given(json_values)
def test_any_json_gives_a_value_or_a_message(value):
    calls = (
        lambda: validate.number("value", value, validate.STRENGTH),
        lambda: validate.integer("value", value, validate.SEED),
        lambda: validate.choice("value", value, ("emoji", "face")),
        lambda: validate.text("value", value, 20),
        lambda: validate.strengths(value, 5),
        lambda: validate.points(value),
        lambda: validate.flag("value", value),
    )
    for call in calls:
        try:
            call()
        except InputError:
            message_of(call)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(-10, 10), max_size=8))
def test_strengths(values):
    if len(values) > 6:
        message_of(validate.strengths, values, 6)
        return
    got = validate.strengths(values, 6)
    assert list(got) == values[: len(got)]
    assert not any(values[len(got) :])
    assert not got or got[-1]
    assert validate.strengths(got, 6) == got


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_shown_is_harmless(text):
    for value in (text, [text], {text: text}):
        seen = validate.shown(value)
        assert len(seen) <= validate.MAX_SHOWN + 3
        assert seen.isprintable()
        assert not re.search(r"[\\/<>\[\]!(@#&\"`*]", seen)


def test_strengths_refuse_more_sliders_than_there_are():
    assert validate.strengths(None, 3) == ()
    message_of(validate.strengths, [1, 2, 3, 4], 3)
    message_of(validate.strengths, [1.0] * 65, 1000)


def test_points():
    assert validate.points([[1, 2], (3.5, 4), [5, 6]]) == ((1.0, 2.0), (3.5, 4.0), (5.0, 6.0))
    for value in (
        [],
        [[1, 2]] * 2,
        [[1, 2]] * 4,
        [[1, 2, 3]] * 3,
        [1, 2, 3],
        [[1, -1]] * 3,
        [[1, 1e6]] * 3,
        ["12"] * 3,
    ):
        message_of(validate.points, value)


def test_many_options_are_not_all_listed():
    message = message_of(validate.choice, "style", "x", [f"a rather long name {k}" for k in range(500)])
    assert "…" in message


def test_defaults_are_within_their_limits():
    for name, limits in validate.LIMITS.items():
        assert limits.low <= limits.default <= limits.high, name


def test_refusing_is_quick():
    """No value costs time: neither the digits of huge numbers nor long texts are written out."""
    import time

    start = time.perf_counter()
    for name in ("million digits", "long text", "long list", "nested", "big bytes"):
        for call in (validate.number, validate.integer):
            message_of(call, "value", HOSTILE[name], validate.STRENGTH)
    assert time.perf_counter() - start < 0.5
