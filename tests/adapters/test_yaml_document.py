"""Documents in YAML: what JSON would say, and no more work than they are long."""

import pytest

from adapters.documents.reading import Unreadable, document_of
from domain.schema_value import SchemaValues
from tests.adapters.test_documents import YAML


def test_yaml_is_what_json_would_be() -> None:
    document = document_of(YAML.decode())
    assert document["info"]["version"] == "2024-01-05"
    assert document["paths"]["/größe"]["get"]["responses"] == {"200": {"description": "yes"}, "404": {"description": "yes"}}


def test_aliases_are_not_written_out_without_end() -> None:
    laughs = "a0: &a0 [ha,ha,ha,ha,ha,ha,ha,ha,ha,ha]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
    )
    with pytest.raises(Unreadable, match="aliases"):
        document_of(laughs + "openapi: 3.0.0")


@pytest.mark.parametrize("text", ["yes", "on", "1:30", "010", "089", "2024-01-05", "0o7", ".inf", "1_000"])
def test_what_yaml_1_2_takes_for_text_is_text(text: str) -> None:
    assert document_of(f"a: {text}") == {"a": text}


@pytest.mark.parametrize("text", ["1e400", "-1e400", "!!float .nan", "!!float .inf"])
def test_what_is_no_number_of_json_is_text(text: str) -> None:
    document = document_of(f"a: {{type: number, minimum: 1, example: {text}}}")
    assert SchemaValues(document).value(document["a"], "a") >= 1


@pytest.mark.parametrize(
    ("text", "value"), [("~", None), ("", None), ("true", True), ("-7", -7), ("0x1f", 31), ("1e3", 1000.0), (".5", 0.5)]
)
def test_what_yaml_1_2_takes_for_something_else_is_that(text: str, value: object) -> None:
    assert document_of(f"a: {text}") == {"a": value}


@pytest.mark.parametrize("value", ["!!bool x", "!!timestamp x", "!!int ''", "!!float ''", "!!python/object:os.x {}"])
def test_tags_that_do_not_fit_are_refused(value: str) -> None:
    with pytest.raises(Unreadable):
        document_of(f"a: {value}")


def test_merges_and_aliases_are_not_written_out_without_end() -> None:
    lines = ["a0: &a0 {x: 1}"] + [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 40)]
    with pytest.raises(Unreadable):
        document_of("\n".join(lines))
    with pytest.raises(Unreadable, match="characters"):
        document_of(f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 1000)}]")
