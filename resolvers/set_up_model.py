"""What people do with set-up models: make one of what a job has trained, copy one, say more of it, archive it."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from domain.actor import Actor, Person
from domain.artifact import ModelArtifact, model_artifact_id
from domain.audit_entry import AuditAction, AuditEntry
from domain.errors import IllegalTransition, UserError
from domain.kit import ProductLine
from domain.model_source import read_source
from domain.model_version import ModelActivation, ModelContent, VersionKey
from domain.permission_kind import PermissionAction
from domain.permission_request import optional_reason
from domain.query import HistoryQuery, Page, SetUpModelQuery
from domain.set_up_model import ModelDefinition, SetUpModel, changed_definition, new_definition, product_line_of
from domain.storage import UnitOfWork
from domain.version import Version
from resolvers.authorisation import reach_of, refusal_of, require_person, require_right
from resolvers.idempotency import Idempotency
from resolvers.model_source import content_of
from resolvers.rights import with_present_rights
from resolvers.services import Services
from resolvers.versioned import Command, Overtaken, known

log = logging.getLogger(__name__)
KIND = "set_up_model"
MEDIA_TYPE = "application/vnd.skops"
Write = Callable[[UnitOfWork, SetUpModel, Person], Awaitable[SetUpModel | None]]


async def create_model(
    services: Services, actor: Actor, document: Mapping[str, Any], job_id: UUID | None, idempotency_key: str | None = None
) -> SetUpModel:
    """Set up a model of its own from what the source has trained (`job_id` is that of the document's job), as its first version.

    The file is in the artifact store before the database names it; model, version and audit are stored together or not at all.
    """
    product_line = product_line_of(document)
    person = require_right(services, actor, product_line, PermissionAction.SET_UP)
    idempotency = Idempotency.of(person.subject, "setUpModelCreate", idempotency_key, document)
    definition, source = new_definition(document), read_source(document.get("source") or {}, job_id)
    if (model := await earlier(services, actor, idempotency)) is not None:
        return model
    content = await content_of(services, actor, product_line, source)
    async with services.database.transaction() as work:
        if idempotency is not None and (outcome := await idempotency.replayed(work)) is not None:
            return await read_model(work, actor, outcome["setUpModel"])
        # The file took its time, and the permission may have ended meanwhile.
        require_right(services, await with_present_rights(work, person), product_line, PermissionAction.SET_UP)
        model = await _add(work, person, definition, product_line, content)
        await work.audit.add([model_entry(AuditAction.MODEL_CREATED, model, person)], model.created_at)
        if idempotency is not None:
            await idempotency.complete(work, {"setUpModel": model.id})
    log.info("setUpModelCreate", extra={"set_up_model": model.id, "subject": person.subject})
    return model


async def copy_model(
    services: Services, actor: Actor, source_id: int, document: Mapping[str, Any], idempotency_key: str | None = None
) -> SetUpModel:
    """Copy a model of the same product line, with the attributes of the source but for those that the document gives.

    The version in use becomes the first one of the copy, in one transaction; the source is left as it is.
    """
    person = require_person(actor)
    idempotency = Idempotency.of(person.subject, "setUpModelCopy", idempotency_key, {"source": source_id, "input": document})
    async with services.database.transaction() as work:
        outcome = None if idempotency is None else await idempotency.replayed(work)
        source = await read_model(work, actor, source_id)
        require_right(services, actor, source.product_line, PermissionAction.SET_UP)
        if outcome is not None:
            return await read_model(work, actor, outcome["setUpModel"])
        check_in_use(source)
        definition = new_definition(document, source.definition)
        key = VersionKey(source.id, source.active_version)
        content = (await work.model_versions.get_many([key]))[key].content.copied_from(key)
        model = await _add(work, person, definition, source.product_line, content, source.id)
        entry = model_entry(AuditAction.MODEL_COPIED, model, person, sourceId=source.id, version=source.active_version)
        await work.audit.add([entry], model.created_at)
        if idempotency is not None:
            await idempotency.complete(work, {"setUpModel": model.id})
    log.info("setUpModelCopy", extra={"set_up_model": model.id, "source": source.id, "subject": person.subject})
    return model


async def earlier(services: Services, actor: Actor, idempotency: Idempotency | None) -> SetUpModel | None:
    """The model of a command that was given before with that key; None where it was not: it does much before it writes."""
    if idempotency is None:
        return None
    async with services.database.snapshot() as work:
        outcome = await idempotency.earlier(work)
        return None if outcome is None else await read_model(work, actor, outcome["setUpModel"])


async def _add(
    work: UnitOfWork,
    person: Person,
    definition: ModelDefinition,
    product_line: ProductLine,
    content: ModelContent,
    source_id: int | None = None,
) -> SetUpModel:
    """Store a model with its first version, in use from then on."""
    model = await work.set_up_models.add(definition, product_line, person.subject, person.name, source_id)
    key = await add_version(work, model, person, content)
    await work.model_versions.activate(
        ModelActivation(
            model_id=model.id,
            number=1,
            version=key.number,
            actor=person.subject,
            actor_name=person.name,
            recorded_at=model.created_at,
        )
    )
    return model


async def add_version(work: UnitOfWork, model: SetUpModel, person: Person, content: ModelContent) -> VersionKey:
    """Store the next version of a model that was just stored itself, and the record of its file."""
    key = await work.model_versions.add(model.id, content, person.subject, person.name, model.updated_at)
    await work.artifacts.add_once(
        ModelArtifact(
            id=model_artifact_id(model.id, content.sha256),
            name=f"model-{model.id}-{content.sha256[:12]}.skops",
            media_type=MEDIA_TYPE,
            sha256=content.sha256,
            size=content.size,
            created_at=model.updated_at,
            model_id=model.id,
            actor=person.subject,
        )
    )
    return key


async def change_model(services: Services, actor: Actor, command: Command, write: Write) -> SetUpModel:
    """Let `write` store the model's next revision, as a set-up user, again on a fresh read where another writer was faster.

    A repeat of a command with its key returns the model as it is now.
    """
    person = require_person(actor)
    idempotency = command.idempotency(person.subject)
    while True:
        try:
            async with services.database.transaction() as work:
                is_replay = idempotency is not None and await idempotency.replayed(work) is not None
                model = await read_model(work, actor, command.number)
                require_right(services, actor, model.product_line, PermissionAction.SET_UP)
                if is_replay:
                    return model
                command.check(model)
                changed = await write(work, model, person)
                if changed is None:
                    raise Overtaken
                if idempotency is not None:
                    await idempotency.complete(work, {"setUpModel": model.id})
        except Overtaken:
            continue
        log.info("%s", command.mutation, extra={"set_up_model": changed.id, "version": changed.version})
        return changed


async def update_model(
    services: Services,
    actor: Actor,
    number: int,
    document: Mapping[str, Any],
    reason: str | None = None,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> SetUpModel:
    """Give the model other attributes or another description, as its next revision; what is not given stays.

    The audit has the reason, where one is given.
    """
    given = {"input": document, "reason": reason}

    async def update(work: UnitOfWork, model: SetUpModel, person: Person) -> SetUpModel | None:
        why = optional_reason(given) or None
        definition = changed_definition(document, model.definition)
        changed = await work.set_up_models.change(model, person.subject, definition=definition)
        if changed is not None:
            await work.audit.add([model_entry(AuditAction.MODEL_UPDATED, changed, person, why)], changed.updated_at)
        return changed

    command = Command("setUpModelUpdate", KIND, number, expected_version, idempotency_key, given)
    return await change_model(services, actor, command, update)


async def archive_model(
    services: Services,
    actor: Actor,
    number: int,
    reason: str | None = None,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> SetUpModel:
    """Take the model out of the lists, with a reason or none; its history and its copies stay, and its name is free again."""
    given = {"reason": reason}

    async def archive(work: UnitOfWork, model: SetUpModel, person: Person) -> SetUpModel | None:
        why = optional_reason(given) or None
        changed = await work.set_up_models.change(model, person.subject, is_archived=True)
        if changed is not None:
            await work.audit.add([model_entry(AuditAction.MODEL_ARCHIVED, changed, person, why)], changed.updated_at)
        return changed

    command = Command("setUpModelArchive", KIND, number, expected_version, idempotency_key, given)
    return await change_model(services, actor, command, archive)


def model_entry(action: AuditAction, model: SetUpModel, person: Person, reason: str | None = None, **details: Any) -> AuditEntry:
    """The entry for what a person did to a model; it concerns the owner."""
    return AuditEntry(
        action=action,
        person=model.owner,
        person_name=model.owner_name,
        actor=person.subject,
        actor_name=person.name,
        reason=reason,
        model_id=model.id,
        details=details,
    )


async def read_model(work: UnitOfWork, actor: Actor, number: int) -> SetUpModel:
    """The model of that number; `NotFound` where there is none for the caller."""
    return known(await work.set_up_models.get_many([number], reach_of(actor)), "set-up model", number)


def why_not_set_up(services: Services, actor: Actor, model: SetUpModel) -> UserError | None:
    """What setting up the model now, or copying it, would be refused with; None where it would not."""

    def decide() -> None:
        require_right(services, actor, model.product_line, PermissionAction.SET_UP)
        check_in_use(model)

    return refusal_of(decide)


def check_in_use(model: SetUpModel) -> None:
    """Refuse what is archived."""
    if model.archived_at is not None:
        message = f"Set-up model {model.id} is archived; nothing can be done with it."
        raise IllegalTransition(f"Set-up model {model.id}", "ARCHIVED", "used", message)


async def find_models(services: Services, actor: Actor, ids: list[int]) -> dict[int, SetUpModel]:
    """The models of these ids that exist for the caller."""
    async with services.database.snapshot() as work:
        return await work.set_up_models.get_many(ids, reach_of(actor))


async def list_models(services: Services, actor: Actor, query: SetUpModelQuery) -> Page[SetUpModel]:
    """A page of the models that exist for the caller."""
    async with services.database.snapshot() as work:
        return await work.set_up_models.page(query, reach_of(actor))


async def copies_of_models(services: Services, actor: Actor, queries: Sequence[SetUpModelQuery]) -> list[Page[SetUpModel]]:
    """Pages of the copies of models that exist for the caller; each query names its source."""
    async with services.database.snapshot() as work:
        return await work.set_up_models.copies(queries, reach_of(actor))


async def count_models(services: Services, actor: Actor, query: SetUpModelQuery) -> int:
    """How many models the query has in all."""
    async with services.database.snapshot() as work:
        return await work.set_up_models.count(query, reach_of(actor))


async def revisions_of_models(services: Services, queries: Sequence[HistoryQuery]) -> list[Page[Version[ModelDefinition]]]:
    """Pages of what models that the caller was shown were, oldest first."""
    async with services.database.snapshot() as work:
        return await work.set_up_models.revisions(queries)
