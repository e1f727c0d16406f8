"""Who may run which kind of operation: asked once for each operation, before anything of it is executed."""

from collections.abc import AsyncIterator

from strawberry.extensions import SchemaExtension


class AdmissionExtension(SchemaExtension):
    """Lets the operation's context refuse it by its kind, with a `UserError`."""

    async def on_execute(self) -> AsyncIterator[None]:
        """Ask the context."""
        await self.execution_context.context.admit(self.execution_context.operation_type)
        yield
