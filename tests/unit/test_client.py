"""What the client's commands know about the API, and how they read what people write."""

import inspect
import json
import re

import pytest
from graphql import parse, validate
from hypothesis import given
from hypothesis import strategies as st

from duetime.client import choices, digits, documents, durations, filters, output
from duetime.client.apply import reading, writing
from duetime.client.errors import UsageError
from duetime.client.profiles import checked_url
from tests.support.clients_schema import SCHEMA

BOMB = "\n".join([f"a0: &a0 [{'x, ' * 9}x]", *(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 10}]" for n in range(1, 30))])
"""A YAML file that stands for 10^30 values."""
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


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("TaskStatus", choices.TASK_STATUSES),
        ("RunState", choices.RUN_STATES),
        ("RunCause", choices.RUN_CAUSES),
        ("TaskOrder", choices.TASK_ORDERS),
        ("OverlapPolicy", choices.OVERLAP_POLICIES),
        ("MisfirePolicy", choices.MISFIRE_POLICIES),
        ("HttpMethod", choices.METHODS),
        ("StatisticsBucket", choices.BUCKETS),
    ],
)
def test_options_know_every_value_of_the_enumerations(name: str, known: tuple[str, ...]) -> None:
    """A new value has to be added."""
    assert set(SCHEMA.type_map[name].values) == set(known)  # type: ignore[attr-defined]


def test_export_knows_every_member_of_a_task() -> None:
    """A new member that has its default is left out, and any other value would be lost."""
    written = {"externalId", "name", "trigger", "action", "retry", *writing.DEFAULTS}
    members = SCHEMA.type_map["CreateTaskInput"].fields  # type: ignore[attr-defined]
    assert set(members) - {"idempotencyKey"} == written
    assert set(SCHEMA.type_map["RetryPolicyInput"].fields) == set(writing.RETRY_DEFAULTS)  # type: ignore[attr-defined]


def test_json_for_people_has_no_character_that_a_terminal_obeys() -> None:
    """Letters of all languages stay as they are."""
    text = 'ü日本"\\ \x1b[31m \x7f \x9b \u202e \ud800'
    printed = digits.indented({"text": text})
    assert json.loads(printed) == {"text": text}
    assert printed.replace("\n", "").isprintable()
    assert "ü日本" in printed


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


def test_a_duration_has_an_end() -> None:
    """No date is further away."""
    with pytest.raises(ValueError, match="longer than 100 years"):
        durations.milliseconds("99999999999999d")


def test_json_is_not_nested_too_deeply() -> None:
    """A file that is, is refused like any other that cannot be read."""
    with pytest.raises(UsageError, match=re.escape("x.json is not JSON: it is nested too deeply")):
        reading.documents("[" * 100_000 + "]" * 100_000, name="x.json")


def test_yaml_means_what_it_looks_like() -> None:
    """By YAML 1.2, `on`, `yes`, times and dates are texts. A quoted value is always a text."""
    text = """
    base: &base {a: 1, b: 2}
    words: [yes, on, 12:30, 2030-01-01T00:00:00Z, 0o7, "1", '~', true, null, 7]
    merged: {<<: *base, b: 3}
    quoted: {"<<": 1}
    """
    [document] = reading.documents(text, name="x.yaml")
    assert document["words"] == ["yes", "on", "12:30", "2030-01-01T00:00:00Z", "0o7", "1", "~", True, None, 7]
    assert document["merged"] == {"a": 1, "b": 3}
    assert document["quoted"] == {"<<": 1}


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
        (f"a: {'7' * 5_000}", "x.yaml:1: a number has too many digits"),
        (BOMB, "x.yaml has more than 5,000,000 values, because its aliases repeat each other"),
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
