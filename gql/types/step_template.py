"""Step templates: which programs do the work."""

import strawberry

from domain import step_template as domain
from gql import ids
from gql.types.enums import JobType
from gql.types.node import Node


@strawberry.type(description="The program that does the work of one job type.")
class Step:
    job_type: JobType = strawberry.field(description="The job type.")
    tasks: list[str] = strawberry.field(description="The tasks that it reports on, in order.")
    time_limit_seconds: float | None = strawberry.field(description="How long an attempt may take; null: as long as it likes.")
    memory_limit_mb: float | None = strawberry.field(description="Resident memory it may use in MB (10^6 bytes); null: any.")
    cpu_limit_cores: float | None = strawberry.field(
        description="Processor cores it may use, rounded up to whole ones; null: all."
    )


@strawberry.type(description="A named set of programs, one for each job type. The server's settings say which there are.")
class StepTemplate(Node):
    name: str = strawberry.field(description="The name that a kit's definition chooses it by.")
    description: str = strawberry.field(description="What its steps do.")
    steps: list[Step] = strawberry.field(description="Its programs, in the order of the jobs.")

    @classmethod
    def of(cls, template: domain.StepTemplate) -> "StepTemplate":
        """The type for a template of the domain."""
        steps = [
            Step(
                job_type=job_type,
                tasks=list(step.tasks),
                time_limit_seconds=step.limits.time_seconds,
                memory_limit_mb=None if step.limits.memory_bytes is None else step.limits.memory_bytes / 1e6,
                cpu_limit_cores=step.limits.cpu_cores,
            )
            for job_type, step in template.steps.items()
        ]
        return cls(
            id=strawberry.ID(ids.encode("StepTemplate", template.name)),
            name=template.name,
            description=template.description,
            steps=steps,
        )
