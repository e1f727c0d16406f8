"""The secrets of targets, as they were encrypted."""

from collections.abc import Collection, Sequence

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.load_test_storage import SecretStore
from domain.secret import Sealed, Secret
from persistence.dialect import among, insert_into
from persistence.load_test_tables import target_secret

SECRET = target_secret
SHOWN = [column for column in SECRET.c if column.name != "ciphertext"]


class SecretRepository(SecretStore):
    """The secrets of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def put(self, secret: Secret, ciphertext: bytes) -> None:
        values = {column.name: getattr(secret, column.name) for column in SHOWN} | {"ciphertext": ciphertext}
        statement = insert_into(self._connection, SECRET).values(values)
        changed = {name: value for name, value in values.items() if name not in ("target_id", "name")}
        keys = [SECRET.c.target_id, SECRET.c.name]
        await self._connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed))

    async def delete(self, target_id: int, name: str) -> bool:
        is_it = and_(SECRET.c.target_id == target_id, SECRET.c.name == name)
        return (await self._connection.execute(SECRET.delete().where(is_it))).rowcount > 0

    async def of_targets(self, target_ids: Sequence[int]) -> list[Secret]:
        of_them = among(SECRET.c.target_id, target_ids, self._connection.dialect.name)
        query = select(*SHOWN).where(of_them).order_by(SECRET.c.target_id, SECRET.c.name)
        return [Secret(**row) for row in (await self._connection.execute(query)).mappings()]

    async def sealed(self, target_id: int, names: Collection[str]) -> dict[str, Sealed]:
        query = select(SECRET.c.name, SECRET.c.key_id, SECRET.c.ciphertext).where(SECRET.c.target_id == target_id)
        rows = await self._connection.execute(query)
        return {row.name: Sealed(row.key_id, row.ciphertext) for row in rows if row.name in names}
