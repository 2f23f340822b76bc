"""What the client's commands know about the API, and how they read what people write."""

import inspect
import json
import re

import pytest
from graphql import parse, validate
from hypothesis import given
from hypothesis import strategies as st

from duetime.client import digits, documents, durations, filters, output
from duetime.client.apply import reading, writing
from duetime.client.errors import UsageError
from duetime.client.profiles import checked_url
from tests.support.clients_schema import SCHEMA

DOCUMENTS = {
    name: value
    for name, value in inspect.getmembers(documents)
    if isinstance(value, str) and re.match(r"\s*(query|mutation|subscription|\{ run)", value)
}


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_every_document_is_one_of_the_schema(name: str) -> None:
    """A field that is renamed or removed would break a command."""
    assert validate(SCHEMA, parse(DOCUMENTS[name])) == []


@pytest.mark.parametrize(
    ("name", "kinds"),
    [("TaskFilter", filters.TASKS), ("RunFilter", filters.RUNS), ("StatisticsFilter", filters.STATISTICS)],
)
def test_where_knows_every_member_of_the_filters(name: str, kinds: filters.Kinds) -> None:
    """A new member of a filter has to be added."""
    assert set(SCHEMA.type_map[name].fields) <= set(kinds)  # type: ignore[attr-defined]


def test_export_knows_every_member_of_a_task() -> None:
    """A new member that has its default is left out, and any other value would be lost."""
    written = {"externalId", "name", "trigger", "action", "retry", *writing.DEFAULTS}
    members = SCHEMA.type_map["CreateTaskInput"].fields  # type: ignore[attr-defined]
    assert set(members) - {"idempotencyKey"} == written
    assert set(SCHEMA.type_map["RetryPolicyInput"].fields) == set(writing.RETRY_DEFAULTS)  # type: ignore[attr-defined]


@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=10,
    )
)
def test_json_is_written_as_it_is_read(value: object) -> None:
    """Both forms, for programs and for people, have the same value, and read by Python as well."""
    assert digits.read(digits.written(value)) == json.loads(digits.indented(value)) == value


@pytest.mark.parametrize("text", ["1.10", "1e5", "-0", "1E400", "12345678901234567.5", "100000000000000000000", "0.1"])
def test_numbers_keep_every_digit(text: str) -> None:
    """In JSON and in YAML, in objects and lists."""
    assert digits.written(digits.read(f'{{"n":[{text}]}}')) == f'{{"n":[{text}]}}'
    [document] = reading.documents(f"n: [{text}]", name="x.yaml")
    assert digits.written(document) == f'{{"n":[{text}]}}'


@pytest.mark.parametrize(
    ("text", "milliseconds"), [("90s", 90_000), ("5m", 300_000), ("1h30m", 5_400_000), ("250ms", 250), ("1.5s", 1_500)]
)
def test_durations_are_read_and_shown(text: str, milliseconds: int) -> None:
    """People write and read the same units."""
    assert durations.milliseconds(text) == milliseconds
    shown = output.duration(milliseconds)
    assert shown is not None
    assert durations.milliseconds(shown.replace(" ", "")) == milliseconds


def test_yaml_means_what_it_looks_like() -> None:
    """By YAML 1.2, `on`, `yes`, times and dates are texts. A quoted value is always a text."""
    text = """
    base: &base {a: 1, b: 2}
    words: [yes, on, 12:30, 2030-01-01T00:00:00Z, 0o7, "1", '~', true, null, 7]
    merged: {<<: *base, b: 3}
    """
    [document] = reading.documents(text, name="x.yaml")
    assert document["words"] == ["yes", "on", "12:30", "2030-01-01T00:00:00Z", "0o7", "1", "~", True, None, 7]
    assert document["merged"] == {"a": 1, "b": 3}


def test_variables_stand_for_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value without quotes may become a number; $${…} is the text itself."""
    monkeypatch.setenv("DUE", "7")
    monkeypatch.delenv("UNSET", raising=False)
    text = 'a: ${DUE}\nb: "${DUE}"\nc: ${UNSET:-none}\nd: $${DUE}\ne: ${not a name}'
    [document] = reading.documents(text, name="x.yaml")
    assert document == {"a": 7, "b": "7", "c": "none", "d": "${DUE}", "e": "${not a name}"}
    assert reading.documents(f'{{"a": "{reading.escaped("${DUE} $${DUE}")}"}}', name="x.json") == [
        {"a": "${DUE} $${DUE}"}
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "x.yaml:2: a occurs twice"),
        ("a: {b: [1, }", "x.yaml:1: is not YAML"),
        ("a: !!python/name:os.system x", "x.yaml:1: the tag"),
        ("a:\n  b: ${UNSET_HERE}", "x.yaml:2: the environment variable UNSET_HERE is not set"),
        ("a: &a [*a]", "nested too deeply, or contains itself"),
        ("? [1]\n: 2", "x.yaml:1: the name of a member must be a text"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_line(text: str, message: str) -> None:
    """Nothing in a file is code."""
    with pytest.raises(UsageError, match=re.escape(message)):
        reading.documents(text, name="x.yaml")


@pytest.mark.parametrize("url", ["", "localhost", "ftp://h", "http://", "http://u:p@h", "http://h?x=1", "http://h:x"])
def test_an_address_is_one_of_http(url: str) -> None:
    """A key in a URL would be sent in the clear, and printed in errors."""
    with pytest.raises(UsageError):
        checked_url(url, "URL")
    assert checked_url("https://due.example.com/base/graphql/", "URL") == "https://due.example.com/base"
