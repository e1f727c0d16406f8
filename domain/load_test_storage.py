"""What the use cases of load testing expect of the database: the stores of projects, targets and load tests."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from domain.endpoint import Endpoint
from domain.load_test import LoadTest, LoadTestDefinition
from domain.project import Project, ProjectDefinition
from domain.query import EndpointQuery, LoadTestQuery, Page, ProjectQuery, TargetQuery
from domain.target import Target, TargetAnalysis, TargetDefinition


class ProjectStore(Protocol):
    """The projects of one unit of work. Each change is a new version; the earlier ones stay on record with their actors."""

    async def get_many(self, ids: Sequence[int]) -> dict[int, Project]:
        """The projects of these ids, by id."""
        ...

    async def page(self, query: ProjectQuery) -> Page[Project]:
        """A page of projects."""
        ...

    async def count(self, query: ProjectQuery) -> int:
        """How many projects the query has, wherever its page begins."""
        ...

    async def add(self, definition: ProjectDefinition, owner: str) -> Project:
        """Store a new project; `ValidationFailed` of `input.name` where another that is not archived has that name."""
        ...

    async def change(
        self, project: Project, definition: ProjectDefinition, actor: str, *, is_archived: bool = False
    ) -> Project | None:
        """Store the project's next version; None where it has changed since it was read. Names as in `add`."""
        ...


class TargetStore(Protocol):
    """The targets of one unit of work, with their analyses and endpoints; changes as of projects."""

    async def get_many(self, ids: Sequence[int]) -> dict[int, Target]:
        """The targets of these ids, by id."""
        ...

    async def page(self, query: TargetQuery) -> Page[Target]:
        """A page of targets."""
        ...

    async def count(self, query: TargetQuery) -> int:
        """How many targets the query has, wherever its page begins."""
        ...

    async def add(self, project_id: int, definition: TargetDefinition, actor: str) -> Target:
        """Store a new target; `ValidationFailed` of `input.name` where another of the project has that name."""
        ...

    async def change(
        self, target: Target, definition: TargetDefinition, actor: str, *, is_archived: bool = False
    ) -> Target | None:
        """Store the target's next version; None where it has changed since it was read."""
        ...

    async def add_analysis(self, target: Target, analysis: TargetAnalysis, endpoints: Sequence[Endpoint]) -> Target | None:
        """Store an analysis with its endpoints as the target's next version; None where it has changed since it was read.

        The database's clock takes the place of the analysis's time.
        """
        ...

    async def endpoints(self, query: EndpointQuery) -> Page[tuple[int, Endpoint]]:
        """A page of an analysis's endpoints, each with its place from 1 in the document."""
        ...

    async def endpoints_named(self, analyses: Mapping[int, int], keys: Collection[str]) -> dict[tuple[int, str], Endpoint]:
        """The endpoints with these keys (`GET /pets`) in one analysis of each of some targets, by target and key.

        One statement for all; `analyses` has the numbers by target.
        """
        ...

    async def all_endpoints(self, target_id: int, analysis: int) -> list[Endpoint]:
        """All endpoints of an analysis, in the document's order."""
        ...


class LoadTestStore(Protocol):
    """The load tests of one unit of work; changes as of projects."""

    async def get_many(self, ids: Sequence[int]) -> dict[int, LoadTest]:
        """The load tests of these ids, by id."""
        ...

    async def page(self, query: LoadTestQuery) -> Page[LoadTest]:
        """A page of load tests."""
        ...

    async def count(self, query: LoadTestQuery) -> int:
        """How many load tests the query has, wherever its page begins."""
        ...

    async def add(self, target: Target, definition: LoadTestDefinition, owner: str) -> LoadTest:
        """Store a new load test; `ValidationFailed` of `input.title` where another of the project has that title."""
        ...

    async def change(
        self, load_test: LoadTest, definition: LoadTestDefinition, actor: str, *, is_archived: bool = False
    ) -> LoadTest | None:
        """Store the load test's next version; None where it has changed since it was read."""
        ...
