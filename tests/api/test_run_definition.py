"""What a run shows of the definition that was frozen at its start, which is all that a load test and its versions show."""

from typing import Any

from graphql import GraphQLInterfaceType, GraphQLObjectType

from gql.limits import Limits
from gql.schema import build_schema
from tests.api.in_process import BOTH_DATABASES, Plog
from tests.api.test_load_test import ARRIVAL, SCENARIO, UPDATE, analysed, created, load_test, scenario
from tests.api.test_load_test_report import START
from tests.api.test_login import LOGIN, SECURED
from tests.api.test_secret import VALUE, put

DEFINITION = f"""fragment Definition on LoadTestDefinition {{ title description server targetTps percentile responseTime errorRate
  seed fillOptional {LOGIN} scenarios {{ {SCENARIO} }} }}"""
RUN = f"""query ($run: ID!) {{ loadTestRun(id: $run) {{ ...Definition loadTestVersion
  loadTest {{ ...Definition versions {{ nodes {{ ...Definition }} }} }} }} }} {DEFINITION}"""


@BOTH_DATABASES
async def test_a_run_shows_the_whole_definition_that_it_was_started_with(plog: Plog) -> None:
    target = await analysed(plog, SECURED)
    await put(plog, target)
    said: dict[str, Any] = {
        "description": "All of it",
        "targetTps": 40,
        "percentile": 99,
        "responseTime": 250,
        "errorRate": 0.01,
        "seed": 5,
        "fillOptional": True,
        "login": {"kind": "BASIC", "scheme": "basic", "username": "ada", "secret": "api_key"},
    }
    test = await created(plog, target, load_test(scenario(executor=ARRIVAL), **said))
    run = (await plog.answer(START, id=test["id"]))["run"]
    await plog.answer(UPDATE, id=test["id"], input=load_test(title="another"))
    found = await plog.answer(RUN, run=run["id"])
    now = found.pop("loadTest")
    first, second = now.pop("versions")["nodes"]
    assert found.pop("loadTestVersion") == 1 and found == first and now == second != first
    login = found.pop("login")
    assert {name: login[name] for name in said["login"]} == said.pop("login") and VALUE not in str(login)
    assert {name: found[name] for name in said} == said
    assert (found["title"], found["scenarios"][0]["executor"]["kind"]) == ("nightly", "CONSTANT_ARRIVAL_RATE")
    assert (now["title"], now["login"], now["targetTps"], now["fillOptional"]) == ("another", None, None, False)


def test_all_that_a_version_says_of_a_definition_a_run_says_too() -> None:
    schema = build_schema(Limits())._schema
    shared, versions = (schema.type_map[name] for name in ("LoadTestDefinition", "Version"))
    version = schema.type_map["LoadTestVersion"]
    assert isinstance(shared, GraphQLInterfaceType) and isinstance(versions, GraphQLInterfaceType)
    assert isinstance(version, GraphQLObjectType) and set(version.fields) == {*shared.fields, *versions.fields}
    implementations = {each.name for each in schema.get_implementations(shared).objects}
    assert implementations == {"LoadTest", "LoadTestVersion", "LoadTestRun"}
