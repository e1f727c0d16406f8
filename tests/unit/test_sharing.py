"""Results that several subscribers share: made once, kept while they are right, and never taken from somebody who waits."""

import asyncio

import pytest
from graphql import ExecutionResult, FragmentDefinitionNode, GraphQLError, OperationDefinitionNode, parse

from gql.limits import Limits
from gql.schema import build_schema
from gql.sharing import SharedResults, shape_of

SCHEMA = build_schema(Limits())._schema


class Executing:
    """An execution that ends when it is told to."""

    def __init__(self, result: ExecutionResult | None = None) -> None:
        self.count = 0
        self.may_end = asyncio.Event()
        self.result = result or ExecutionResult(data={"number": 1})

    async def __call__(self) -> ExecutionResult:
        self.count += 1
        await self.may_end.wait()
        return self.result


async def test_all_who_ask_get_the_one_result() -> None:
    results, executing = SharedResults(), Executing()
    asking = [asyncio.create_task(results.once("a", executing)) for _ in range(5)]
    await asyncio.sleep(0)
    executing.may_end.set()
    found = [*await asyncio.gather(*asking), await results.once("a", executing)]
    assert executing.count == 1 and all(each is executing.result for each in found)
    await results.once("b", executing)
    assert executing.count == 2


async def test_who_leaves_takes_the_result_from_nobody() -> None:
    results, executing = SharedResults(), Executing()
    first, second = (asyncio.create_task(results.once("a", executing)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    executing.may_end.set()
    assert await second is executing.result and first.cancelled()


async def test_what_failed_is_asked_for_again() -> None:
    results, executing = SharedResults(), Executing(ExecutionResult(data=None, errors=[GraphQLError("busy")]))
    executing.may_end.set()
    for count in (1, 2):
        assert (await results.once("a", executing)).errors
        assert executing.count == count

    def broken() -> None:
        raise RuntimeError("broken")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="broken"):
            await results.once("b", broken)


async def test_the_oldest_results_are_forgotten() -> None:
    results, executing = SharedResults(kept=2), Executing()
    executing.may_end.set()
    for key in ("a", "b", "c", "b", "c"):
        await results.once(key, executing)
    assert executing.count == 3
    await results.once("a", executing)
    assert executing.count == 4


def shape(text: str, **variables: object) -> object:
    definitions = parse(text).definitions
    (operation,) = (each for each in definitions if isinstance(each, OperationDefinitionNode))
    fragments = {each.name.value: each for each in definitions if isinstance(each, FragmentDefinitionNode)}
    return shape_of(SCHEMA, operation, fragments, variables)


WATCH = "subscription ($id: ID!) { kitState(id: $id) { toVersion kit { %s } } }"


def test_the_same_words_have_the_same_shape_however_they_are_set() -> None:
    plain = shape(WATCH % "name status", id="k")
    assert plain is not None and plain == shape(WATCH.replace(" ", "\n  ") % "name,,, status # both", id="k")
    others = [shape(WATCH % "status name", id="k"), shape(WATCH % "name status", id="l"), shape(WATCH % "n: name status", id="k")]
    assert len({plain, *others}) == 4
    spread = WATCH % "...F" + " fragment F on Kit { %s }"
    assert shape(spread % "name", id="k") != shape(spread % "status", id="k")


@pytest.mark.parametrize(
    "selection", ["jobs { log { text } }", "jobs { artifacts { link: downloadUrl } }", "...F", "... on Kit { jobs { ...G } }"]
)
def test_what_depends_on_the_viewer_or_the_moment_is_not_shared(selection: str) -> None:
    fragments = (
        (" fragment F on Kit { jobs { ...G } }" if "F" in selection else "")
        + (" fragment G on Job { artifacts { downloadUrl } }" if "F" in selection or "G" in selection else "")
    )  # fmt: skip
    assert shape(WATCH % selection + fragments, id="k") is None
