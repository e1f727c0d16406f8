"""What people do with the secrets of targets: set them, delete them, see which there are. Nobody is shown a value."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from domain.actor import Actor
from domain.errors import NotFound, SecretUnavailable, ValidationFailed
from domain.load_test import LoadTestDefinition
from domain.secret import MAX_SECRETS, Secret, given_secret, refusal, sealing_context
from domain.target import Target, origin
from resolvers.authorisation import membership_of, require_person, require_role
from resolvers.services import Services
from resolvers.target import read_target, refuse_archived
from resolvers.versioned import Command

log = logging.getLogger(__name__)


async def set_secret(
    services: Services, actor: Actor, target_id: int, document: Mapping[str, Any], idempotency_key: str | None = None
) -> Target:
    """Give the target a secret, in the place of one of that name. What is kept of the command tells nothing of the value."""
    person = require_person(actor)
    server = document.get("server")
    if isinstance(server, str) and origin(server) and (problem := await services.address_guard.problem(server)):
        raise ValidationFailed.of("input.server", problem)
    digest = services.secrets.digest(str(document.get("value")))
    command = Command("targetSecretSet", "target", target_id, None, idempotency_key, {**document, "value": digest})
    idempotency = command.idempotency(person.subject)
    async with services.database.transaction() as work:
        is_replay = idempotency is not None and await idempotency.replayed(work) is not None
        target = await read_target(work, target_id, membership_of(person))
        await require_role(work, person, target.project_id, command.role)
        if is_replay:
            return target
        command.check(target)
        await refuse_archived(work, target.project_id, command.mutation)
        given = given_secret(document, target)
        names = {each.name for each in await work.secrets.of_targets([target_id])}
        if len(names | {given.name}) > MAX_SECRETS:
            raise ValidationFailed.of("input.name", f"would be one more than the {MAX_SECRETS} secrets that a target may have")
        sealed = services.secrets.seal(given.value, sealing_context(target_id, given.name))
        secret = Secret(
            target_id=target_id,
            name=given.name,
            origin=given.origin,
            key_id=sealed.key_id,
            actor=person.subject,
            updated_at=await work.kits.now(),
        )
        await work.secrets.put(secret, sealed.ciphertext)
        if idempotency is not None:
            await idempotency.complete(work, {"target": target_id})
    log.info("targetSecretSet", extra={"target": target_id, "secret": given.name, "subject": person.subject})
    return target


async def delete_secret(
    services: Services, actor: Actor, target_id: int, name: str, idempotency_key: str | None = None
) -> Target:
    """Remove a secret of a target, archived or not; load tests that use it can't be started any more."""
    person = require_person(actor)
    command = Command("targetSecretDelete", "target", target_id, None, idempotency_key, {"name": name})
    idempotency = command.idempotency(person.subject)
    async with services.database.transaction() as work:
        is_replay = idempotency is not None and await idempotency.replayed(work) is not None
        target = await read_target(work, target_id, membership_of(person))
        await require_role(work, person, target.project_id, command.role)
        if is_replay:
            return target
        if not await work.secrets.delete(target_id, name):
            raise NotFound("secret", f"{name[:64]!r}")
        if idempotency is not None:
            await idempotency.complete(work, {"target": target_id})
    log.info("targetSecretDelete", extra={"target": target_id, "secret": name, "subject": person.subject})
    return target


async def secrets_of_targets(services: Services, ids: Sequence[int]) -> list[Secret]:
    """What is known of the secrets of targets that the caller was shown."""
    async with services.database.snapshot() as work:
        return await work.secrets.of_targets(ids)


async def values_of_secrets(services: Services, target_id: int, definition: LoadTestDefinition) -> dict[str, str]:
    """The values of the secrets that a definition sends, by name; `SecretUnavailable` names those that can't be had."""
    wanted = definition.secrets
    if not wanted:
        return {}
    async with services.database.snapshot() as work:
        known = {each.name: each for each in await work.secrets.of_targets([target_id])}
        sealed = await work.secrets.sealed(target_id, wanted)
    problems, values = {}, {}
    for name, origins in wanted.items():
        problem = refusal(known.get(name), origins)
        value = None if problem else services.secrets.unseal(sealed[name], sealing_context(target_id, name))
        if value is not None:
            values[name] = value
        else:
            key = "" if problem else f" `{sealed[name].key_id}`"
            problems[name] = problem or f"can't be read, as the server's key{key} for it is gone; set it again"
    if problems:
        raise SecretUnavailable(problems)
    return values
