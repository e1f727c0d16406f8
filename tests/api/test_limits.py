"""The limits of an operation: what each counts, that fragments cost no time, and that nothing slips past."""

from typing import Any

import pytest
from graphql import DocumentNode, GraphQLError, get_introspection_query, parse
from hypothesis import given, settings
from hypothesis import strategies as st

from gql.limits import Limits, Measure, limiting, measure
from tests.api.toy_schema import World, toy_schema
from tests.api.toy_server import toy_server

SCHEMA = toy_schema()._schema
GENEROUS = Limits(depth=10**6, fields=10**6, aliases=10**6, directives=10**6, tokens=10**6, cost=10**9)


def measured(document: str | DocumentNode, limits: Limits = GENEROUS, **variables: Any) -> Measure:
    parsed = parse(document) if isinstance(document, str) else document
    return measure(SCHEMA, parsed, None, variables, limits)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("{ viewer }", Measure(depth=1, fields=1)),
        ("{ a: viewer b: number @skip(if: true) }", Measure(depth=1, fields=2, aliases=2, directives=1)),
        ("{ node { node { id } } }", Measure(depth=3, fields=3, cost=2)),
        ("query ($a: Int @x) @y { node @z { id } }", Measure(depth=2, fields=2, directives=3, cost=1)),
        ("{ ... on Query @include(if: true) { node { id } } }", Measure(depth=2, fields=2, directives=1, cost=1)),
        ("{ node { ...f } } fragment f on Node { node { id } }", Measure(depth=3, fields=3, cost=2)),
        ("{ nope { node { id } } }", Measure(depth=3, fields=3, cost=2)),
    ],
)
def test_what_is_counted(document: str, expected: Measure) -> None:
    assert measured(document) == expected


@pytest.mark.parametrize(
    ("document", "variables", "cost"),
    [
        ("{ node { nodes { nodes { id } } } }", {}, 1 + 1 + 5 * 1),
        ("{ things { edges { node { id } } } }", {}, 1 + 50 * 2),
        ("{ things(first: 7) { edges { cursor } } }", {}, 1 + 7 * 1),
        ("{ things(first: 0) { edges { cursor } } }", {}, 1 + 1),
        ("{ things(first: -9) { edges { cursor } } }", {}, 1 + 1),
        ("query ($n: Int) { things(first: $n) { edges { cursor } } }", {"n": 9}, 1 + 9),
        ("query ($n: Int = 8) { things(first: $n) { edges { cursor } } }", {}, 1 + 8),
        ("query ($n: Int = 8) { things(first: $n) { edges { cursor } } }", {"n": 3}, 1 + 3),
        ("query ($n: Int) { things(first: $n) { edges { cursor } } }", {"n": None}, 1 + 50),
        ("{ things(first: 10) { edges { node { things(first: 20) { edges { node { id } } } } } } }", {}, 1 + 10 * (3 + 20 * 2)),
        ('{ nodes(ids: ["a", "b", "c"]) { node { id } } }', {}, 1 + 3),
        ('{ nodes(ids: "a") { node { id } } }', {}, 1 + 1),
        ("{ nodes(ids: []) { node { id } } }", {}, 1 + 1),
        ("query ($ids: [ID!]!) { nodes(ids: $ids) { things { edges { cursor } } } }", {"ids": ["a"] * 30}, 1 + 30 * 51),
        ('query ($ids: [ID!]! = ["a", "b"]) { nodes(ids: $ids) { node { id } } }', {}, 1 + 2),
        ('query ($id: ID!) { nodes(ids: [$id, $id, "c"]) { node { id } } }', {"id": "a"}, 1 + 3),
        ("query ($ids: [ID!]!) { nodes(ids: $ids) { node { id } } }", {"ids": "a"}, 1 + 1),
        ("{ node { series { id } } }", {}, 1 + 1 + 5 * 10),
        ("{ node { series(first: 11) { node { id } } } }", {}, 1 + 1 + 5 * (1 + 2)),
        ("query ($n: Int) { node { series(first: $n) { id } } }", {"n": 1000}, 1 + 1 + 5 * 100),
        ("{ node { series(first: -1) { id } } }", {}, 1 + 1 + 5),
        ("{ things(first: 3) { ...c } } fragment c on NodeConnection { edges { node { nodes { id } } } }", {}, 1 + 3 * 3),
    ],
)
def test_what_it_costs(document: str, variables: dict[str, Any], cost: int) -> None:
    assert measured(document, **variables).cost == cost


@pytest.mark.parametrize(
    ("limits", "document"),
    [
        (Limits(depth=2), "{ node { node { id } } }"),
        (Limits(depth=2), "{ node { ...f } } fragment f on Node { node { id } }"),
        (Limits(fields=2), "{ viewer node { id } }"),
        (Limits(fields=2), "{ viewer } fragment unused on Node { id a: id b: id }"),
        (Limits(aliases=1), "{ a: viewer b: viewer }"),
        (Limits(directives=1), "{ viewer @skip(if: false) @include(if: true) }"),
        (Limits(cost=100), "{ things(first: 100) { edges { cursor } } }"),
    ],
)
def test_each_limit_is_named_when_it_is_passed(limits: Limits, document: str) -> None:
    with pytest.raises(GraphQLError) as refused:
        measured(document, limits)
    [name] = [
        name for name in ("depth", "fields", "aliases", "directives", "cost") if getattr(limits, name) != getattr(Limits(), name)
    ]
    extensions = refused.value.extensions
    assert extensions is not None
    assert (extensions["code"], extensions["limit"], extensions["allowed"]) == ("LIMIT_EXCEEDED", name, getattr(limits, name))
    assert extensions["actual"] > getattr(limits, name)


def chain(length: int) -> str:
    """A query whose fields double with every fragment."""
    links = "".join(f"fragment f{i} on Node{{node{{...f{i + 1}}}a:node{{...f{i + 1}}}}}" for i in range(length))
    return f"{{node{{...f0}}}}{links}fragment f{length} on Node{{id}}"


async def test_a_chain_of_fragments_takes_no_exponential_time() -> None:
    assert measured(chain(17)).fields == 3 * 2**17 - 1
    # Far past what could be written out: it ends at all, and the message is short.
    with pytest.raises(GraphQLError, match=r"depth|more than 10\^12") as refused:
        measured(chain(90), Limits(depth=1000))
    assert len(refused.value.message) < 100
    async with toy_server() as server:
        for length, limit in ((17, "fields"), (60, "depth")):
            response = await server.post(chain(length))
            assert (response.status_code, response.json()["errors"][0]["extensions"]["limit"]) == (400, limit)


@pytest.mark.parametrize(
    "document",
    [
        "{ node { ...a } } fragment a on Node { ...b } fragment b on Node { ...a }",
        "{ node { ...a } } fragment a on Node { node { ...a } }",
        "{ ...nowhere }",
        "fragment a on Node { id }",
        "{ ...a } fragment a on Nothing { id }",
        "subscription { count(to: 1) }",
        "mutation { change }",
        "type T { a: Int }",
    ],
)
def test_documents_that_validation_refuses_are_measured_too(document: str) -> None:
    assert measured(document).fields < 10


@pytest.mark.parametrize("count", [500, 3_000])
async def test_tokens_bound_the_parser_and_nesting_ends_cleanly(count: int) -> None:
    async with toy_server(limits=Limits(tokens=400)) as server:
        for document in ("{" + "viewer " * count + "}", "{node" * count, "{echo(text:" + "[" * count):
            response = await server.post(document)
            assert response.status_code == 400
            assert response.json()["errors"][0]["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"


async def test_the_standard_introspection_query_passes_unless_a_setting_closes_it() -> None:
    async with toy_server() as server:
        opened = (await server.post(get_introspection_query(input_value_deprecation=True))).json()
        assert opened["data"]["__schema"]["queryType"]["name"] == "Query"
    async with toy_server(limits=Limits(introspection=False)) as server:
        closed = await server.post("{ __schema { queryType { name } } }")
        assert closed.status_code == 400
        suggestion = await server.post("{ viewr }")
        assert "Did you mean" not in suggestion.text
        assert (await server.post("{ __typename viewer }")).json()["data"] == {"__typename": "Query", "viewer": "Ann"}


async def test_figures_of_one_request_do_not_leak_into_another() -> None:
    schema, world = toy_schema(), World()
    context = world.context(await world.authenticate("ann"), None)
    for document, cost in (("{ node { id } }", 1), ("{ viewer }", 0), ("{ node { id } }", 1)):
        result = await schema.execute(document, context_value=context)
        assert result.extensions == {"cost": {"requested": cost, "maximum": 20_000}}


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="depth"):
        limiting(Limits(depth=0))


# --- the memoised pass against writing every fragment out ------------------------------------------------------------

LEAVES = st.sampled_from(["id", "b: id", "id @include(if: true)", "...f0", "...f1", "...f2"])


def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Selections one level above `inner`."""
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(" ".join),
        inner.map(lambda below: f"node {{ {below} }}"),
        inner.map(lambda below: f"x: nodes {{ {below} }}"),
        inner.map(lambda below: f"... on Node @skip(if: false) {{ {below} }}"),
        st.builds("things(first: {}) {{ edges {{ node {{ {} }} }} }}".format, st.integers(0, 9), inner),
    )


SELECTIONS = st.recursive(LEAVES, nested, max_leaves=8)


def written_out(selections: str, fragments: list[str]) -> str:
    """The selections with every spread replaced by an inline fragment; later fragments may not name earlier ones."""
    for index, body in enumerate(fragments):
        selections = selections.replace(f"...f{index}", f"... on Node {{ {body} }}")
    return selections


@settings(max_examples=60)
@given(SELECTIONS, st.lists(SELECTIONS, min_size=3, max_size=3))
def test_measuring_equals_measuring_with_fragments_written_out(selections: str, bodies: list[str]) -> None:
    fragments = []
    for index, body in enumerate(bodies):
        # No cycles: a fragment keeps only the spreads of those after it.
        for earlier in range(index + 1):
            body = body.replace(f"...f{earlier}", "id")
        fragments.append(body)
    definitions = "".join(f" fragment f{index} on Node {{ {body} }}" for index, body in enumerate(fragments))
    whole = parse(f"{{ node {{ {selections} }} }}{definitions}")
    flat = parse(f"{{ node {{ {written_out(selections, fragments)} }} }}")
    assert measured(whole) == measured(flat)
