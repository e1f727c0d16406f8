"""The schema: every operation there is, gathered from one module a noun."""

from strawberry.schema.config import StrawberryConfig
from strawberry.tools import merge_types

from gql.execution import Schema
from gql.limits import Limits
from gql.mutations.job import JobMutation
from gql.mutations.kit import KitMutation
from gql.mutations.task import TaskMutation
from gql.queries.job import JobQueries
from gql.queries.kit import KitQueries
from gql.queries.node import NodeQueries
from gql.subscriptions.kit import KitSubscription


def build_schema(limits: Limits) -> Schema:
    """The schema with these limits for each operation."""
    query = merge_types("Query", (NodeQueries, KitQueries, JobQueries))
    mutation = merge_types("Mutation", (KitMutation, JobMutation, TaskMutation))
    subscription = merge_types("Subscription", (KitSubscription,))
    return Schema(query, mutation, subscription, limits=limits, config=StrawberryConfig())
