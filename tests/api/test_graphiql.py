"""GraphiQL as it is served: the page, what it may load, the token it is given, and what stands there before it is built."""

import re
from pathlib import Path

import httpx
import pytest
from graphql import OperationDefinitionNode, build_schema, parse, validate
from starlette.applications import Starlette

from app.graphiql import Example, GraphiQL, GraphiQLConfig
from app.kit_examples import kit_examples
from app.load_test_examples import load_test_examples
from app.permission_examples import permission_examples
from app.web_part import assets
from gql.transport import create_graphql_app
from scripts.build_web import ROOT, fingerprint, is_recent
from tests.api.toy_schema import World, toy_schema

CONFIG = GraphiQLConfig(tabs=[Example("query A { viewer }", {"a": 1})], headers={"Authorization": "Bearer ann"}, notice="a demo")
EXAMPLES = (*kit_examples(None), *load_test_examples(None), *permission_examples())
BROWSER = {"accept": "text/html,*/*;q=0.8"}


async def config(is_here: bool) -> GraphiQLConfig:
    return CONFIG if is_here else GraphiQLConfig(tabs=CONFIG.tabs)


def visitor(dist: Path, host: str = "127.0.0.1:8000") -> httpx.AsyncClient:
    """A browser at PLOG, whose web part lies in `dist`."""
    world, graphiql = World(), GraphiQL(config, dist)
    endpoint = create_graphql_app(
        toy_schema(),
        authenticate=world.authenticate,
        make_context=world.context,
        open_streams=world.streams,
        graphiql=graphiql,
    )
    app = Starlette(routes=[*graphiql.routes, assets(dist)])
    app.mount("/graphql", endpoint)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url=f"http://{host}", headers=BROWSER, follow_redirects=True
    )


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "graphiql.html").write_text("<p>the page</p>")
    (folder / "assets" / "index-1.js").write_text("let a;")
    (tmp_path / "secret.txt").write_text("secret")
    return folder


async def test_the_page_comes_with_a_policy_that_keeps_it_at_home(dist: Path) -> None:
    async with visitor(dist) as client:
        page = await client.get("/graphql")
        script = await client.get("/web/assets/index-1.js")
    assert (page.status_code, page.text) == (200, "<p>the page</p>")
    for response in (page, script):
        policy = dict(directive.split(" ", 1) for directive in response.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["connect-src"] == policy["worker-src"] == "'self'"
        assert not re.search(r"https?:|\*", response.headers["content-security-policy"])
    assert "immutable" in script.headers["cache-control"]
    assert "immutable" not in page.headers["cache-control"]


async def test_before_it_is_built_the_page_says_how_and_a_later_build_shows_without_a_restart(tmp_path: Path) -> None:
    async with visitor(tmp_path / "dist") as client:
        missing = await client.get("/graphql")
        assert (missing.status_code, "make web" in missing.text) == (503, True)
        assert (await client.get("/web/assets/index-1.js")).status_code == 404
        (tmp_path / "dist").mkdir()
        (tmp_path / "dist" / "graphiql.html").write_text("built")
        assert (await client.get("/graphql")).text == "built"


async def test_no_path_leads_out_of_the_assets(dist: Path) -> None:
    async with visitor(dist) as client:
        for path in ("../graphiql.html", "../../secret.txt", "..%2f..%2fsecret.txt", "%2e%2e/%2e%2e/secret.txt", "a%00b", ""):
            assert (await client.get(f"/web/assets/{path}")).status_code in (404, 400), path


async def test_the_demo_token_goes_to_this_machines_own_page_alone(dist: Path) -> None:
    async with visitor(dist) as client:
        config = (await client.get("/graphiql/config.json", headers={"sec-fetch-site": "same-origin"})).json()
        assert config == {
            "endpoint": "/graphql",
            "subscriptions": "/graphql",
            "headers": {"Authorization": "Bearer ann"},
            "notice": "a demo",
            "tabs": [{"query": "query A { viewer }", "variables": {"a": 1}}],
        }
        other = await client.get("/graphiql/config.json", headers={"sec-fetch-site": "cross-site"})
        assert other.json()["headers"] == {}
        for header in ("forwarded", "via", "x-forwarded-for", "x-forwarded-proto", "x-real-ip"):
            proxied = await client.get("/graphiql/config.json", headers={header: "for=203.0.113.9"})
            assert proxied.json()["headers"] == {}, header
    async with visitor(dist, host="rebound.example") as client:
        assert (await client.get("/graphiql/config.json")).json()["headers"] == {}


def operation_of(example: Example) -> OperationDefinitionNode:
    (operation,) = parse(example.query).definitions
    assert isinstance(operation, OperationDefinitionNode)
    return operation


def name_of(example: Example) -> str:
    operation = operation_of(example)
    return operation.name.value if operation.name else ""


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_each_tab_shows_an_operation_of_the_schema_with_its_variables(example: Example) -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text("utf-8"))
    assert validate(schema, parse(example.query)) == []
    assert {each.variable.name.value for each in operation_of(example).variable_definitions or ()} == set(example.variables)


def test_tabs_have_names_of_their_own() -> None:
    names = [name_of(each) for each in EXAMPLES]
    assert all(names) and len(set(names)) == len(names)


def test_lock_files_name_no_registry() -> None:
    for lock in (ROOT / "web" / "package-lock.json", ROOT / "tests" / "api" / "node" / "package-lock.json"):
        assert '"resolved"' not in lock.read_text(encoding="utf-8")


def test_a_build_is_known_by_its_sources_alone(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    for name in ("package-lock.json", "src/a.js"):
        (tmp_path / name).write_text(name)
    before = fingerprint(tmp_path)
    for generated in ("dist", "node_modules"):
        (tmp_path / generated).mkdir()
        (tmp_path / generated / "x.js").write_text("x")
    assert fingerprint(tmp_path) == before
    (tmp_path / "src" / "a.js").write_text("changed")
    assert fingerprint(tmp_path) != before


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("v20.18.9", False),
        ("v20.19.0", True),
        ("v21.9.0", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v24.1.0", True),
        ("", False),
    ],
)
def test_which_node_is_recent_enough(version: str, expected: bool) -> None:
    assert is_recent(version) is expected
