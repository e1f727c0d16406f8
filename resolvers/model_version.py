"""The versions of set-up models: adding one, putting one in use, going back to the one before, and reading them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.actor import Actor, Person
from domain.audit_entry import AuditAction
from domain.errors import IllegalTransition, NotFound
from domain.model_source import read_source
from domain.model_version import ModelActivation, ModelVersion, ModelVersionState, VersionKey, reason_of
from domain.permission_kind import PermissionAction
from domain.query import HistoryQuery, Page
from domain.set_up_model import SetUpModel
from domain.storage import UnitOfWork
from resolvers.authorisation import reach_of, require_person, require_right
from resolvers.model_source import content_of
from resolvers.rights import with_present_rights
from resolvers.services import Services
from resolvers.set_up_model import KIND, add_version, change_model, earlier, model_entry, read_model
from resolvers.versioned import Command


async def create_version(
    services: Services, actor: Actor, number: int, source: Mapping[str, Any], job_id: UUID | None, key: str | None = None
) -> SetUpModel:
    """Add what the source has trained to the model, as its next version, a candidate; the one in use stays that.

    The file is in the artifact store before the database names it.
    """
    command = Command("modelVersionAdd", KIND, number, None, key, {"source": source})
    async with services.database.snapshot() as work:
        model = await read_model(work, actor, number)
    require_right(services, actor, model.product_line, PermissionAction.SET_UP)
    chosen = read_source(source, job_id)
    if (known := await earlier(services, actor, command.idempotency(require_person(actor).subject))) is not None:
        return known
    command.check(model)
    content = await content_of(services, actor, model.product_line, chosen)

    async def add(work: UnitOfWork, model: SetUpModel, person: Person) -> SetUpModel | None:
        # The file took its time, and the permission may have ended meanwhile.
        require_right(services, await with_present_rights(work, person), model.product_line, PermissionAction.SET_UP)
        changed = await work.set_up_models.change(model, person.subject)
        if changed is not None:
            added = await add_version(work, changed, person, content)
            entry = model_entry(AuditAction.MODEL_VERSION_ADDED, changed, person, version=added.number)
            await work.audit.add([entry], changed.updated_at)
        return changed

    return await change_model(services, actor, command, add)


async def promote_version(
    services: Services,
    actor: Actor,
    key: VersionKey,
    reason: str | None,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> SetUpModel:
    """Put a version in use, with a reason; the one before is retired."""
    given = {"version": key.number, "reason": reason}

    async def promote(work: UnitOfWork, model: SetUpModel, person: Person) -> SetUpModel | None:
        why = reason_of(given)
        version = (await work.model_versions.get_many([key])).get(key)
        if version is None:
            raise NotFound("version", f"{key.number} of set-up model {key.model_id}")
        version.check_transition(ModelVersionState.ACTIVE)
        last = await _last_activation(work, model)
        wanted = replace(last, version=key.number, before=last.number, is_roll_back=False, reason=why)
        return await _activate(work, model, person, last, wanted)

    command = Command("modelVersionPromote", KIND, key.model_id, expected_version, idempotency_key, given)
    return await change_model(services, actor, command, promote)


async def roll_back(
    services: Services,
    actor: Actor,
    number: int,
    reason: str | None,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> SetUpModel:
    """Return to the version that was in use before the one in use was promoted; rolling back again leads on to the one before."""
    given = {"reason": reason}

    async def back(work: UnitOfWork, model: SetUpModel, person: Person) -> SetUpModel | None:
        why = reason_of(given)
        last = await _last_activation(work, model)
        before = None if last.before is None else await work.model_versions.activation(model.id, last.before)
        if before is None:
            message = (
                f"Version {last.version} of set-up model {model.id} is the first that was in use; there is none to return to."
            )
            raise IllegalTransition(f"Set-up model {model.id}", f"VERSION {last.version}", "ROLLED_BACK", message)
        return await _activate(work, model, person, last, replace(before, reason=why, is_roll_back=True))

    command = Command("setUpModelRollBack", KIND, number, expected_version, idempotency_key, given)
    return await change_model(services, actor, command, back)


async def _last_activation(work: UnitOfWork, model: SetUpModel) -> ModelActivation:
    place = (model.id, model.updated_at)
    return (await work.model_versions.active_at([place]))[place]


async def _activate(
    work: UnitOfWork, model: SetUpModel, person: Person, last: ModelActivation, wanted: ModelActivation
) -> SetUpModel | None:
    """Put the wanted activation's version in use after the last one; its number, time and person are given here."""
    changed = await work.set_up_models.change(model, person.subject, active_version=wanted.version)
    if changed is None:
        return None
    at = changed.updated_at
    await work.model_versions.activate(
        replace(wanted, number=last.number + 1, actor=person.subject, actor_name=person.name, recorded_at=at)
    )
    action = AuditAction.MODEL_ROLLED_BACK if wanted.is_roll_back else AuditAction.MODEL_PROMOTED
    details = {"version": wanted.version, "before": last.version}
    await work.audit.add([model_entry(action, changed, person, wanted.reason, **details)], at)
    return changed


async def find_versions(services: Services, actor: Actor, keys: list[VersionKey]) -> dict[VersionKey, ModelVersion]:
    """The versions of these keys whose models exist for the caller."""
    async with services.database.snapshot() as work:
        models = await work.set_up_models.get_many(sorted({key.model_id for key in keys}), reach_of(actor))
        return await work.model_versions.get_many([key for key in keys if key.model_id in models])


async def versions_of_models(services: Services, queries: Sequence[HistoryQuery]) -> list[Page[ModelVersion]]:
    """Pages of the versions of models that the caller was shown, oldest first."""
    async with services.database.snapshot() as work:
        return await work.model_versions.pages(queries)


async def activations_of_models(services: Services, queries: Sequence[HistoryQuery]) -> list[Page[ModelActivation]]:
    """Pages of what was in use when, of models that the caller was shown, oldest first."""
    async with services.database.snapshot() as work:
        return await work.model_versions.activations(queries)


async def active_at(services: Services, places: list[tuple[int, datetime]]) -> dict[tuple[int, datetime], ModelActivation]:
    """What was in use at a time, of models that the caller was shown."""
    async with services.database.snapshot() as work:
        return await work.model_versions.active_at(places)
