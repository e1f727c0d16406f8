"""Who may do what. Every use case asks here first; what a permission opens is in `domain/permission_kind.py`."""

from collections.abc import Callable, Sequence

from domain.actor import Actor, Generator, Person, Worker
from domain.attempt import AttemptKey
from domain.errors import NotFound, PermissionDenied, UserError
from domain.kit import ProductLine
from domain.opaque_id import encode
from domain.permission_kind import PERMISSION_KINDS, PermissionAction, Right, kinds_that_open
from domain.project import ProjectRole
from domain.storage import UnitOfWork
from domain.visibility import Involvement, Membership, ModelReach, Visibility
from resolvers.services import Services

EVERY_LINE = tuple(ProductLine)
DOING = {PermissionAction.GENERAL: "work", PermissionAction.SET_UP: "copy, set up and promote models"}


def visibility_of(actor: Actor) -> Visibility:
    """What exists for the person: what lies in the product lines that a permission opens; a worker is refused."""
    return Visibility.of(require_person(actor).rights)


def require_right(services: Services, actor: Actor, product_line: ProductLine, action: PermissionAction) -> Person:
    """The signed-in person, who may do that in that product line; the denial says what to apply for."""
    person = require_person(actor)
    if Right(product_line, action) not in person.rights:
        raise denial(services, action, [product_line])
    return person


def require_any_right(services: Services, actor: Actor, wanted: Sequence[ProductLine] = EVERY_LINE) -> Person:
    """The signed-in person, whom some permission opens some product line; the denial says what opens one of those wanted."""
    person = require_person(actor)
    if not person.rights:
        raise denial(services, PermissionAction.GENERAL, wanted)
    return person


def reach_of(actor: Actor) -> ModelReach:
    """What of set-up models is open to the person."""
    person = require_person(actor)
    return ModelReach.of(person.subject, person.rights)


def membership_of(actor: Actor) -> Membership:
    """The projects of load tests that exist for the person: those that they are a member of."""
    return Membership(require_person(actor).subject)


async def require_role(work: UnitOfWork, person: Person, project_id: int, role: ProjectRole) -> None:
    """Refuse who is less than that in the project, which exists for them."""
    found = await work.projects.role_of(person.subject, project_id)
    if found is None:
        raise NotFound("project", project_id)
    if not found.includes(role):
        raise role_denial(project_id, found, role)


def role_denial(project_id: int, found: ProjectRole, wanted: ProjectRole) -> PermissionDenied:
    """Says who can help."""
    needed = "an OWNER" if wanted is ProjectRole.OWNER else f"an {wanted} or OWNER"
    return PermissionDenied(f"You are a {found} of project {project_id}; this needs {needed}. Its owners can make you one.")


def involvement_of(services: Services, actor: Actor) -> Involvement:
    """Whose applications, permissions and audit exist for the person."""
    person = require_person(actor)
    return Involvement(person.subject, services.approvers.kinds_of(person))


def refusal_of(check: Callable[[], object]) -> UserError | None:
    """What a check refuses with; None where it lets pass."""
    try:
        check()
    except UserError as refusal:
        return refusal
    return None


def denial(services: Services, action: PermissionAction, product_lines: Sequence[ProductLine] = EVERY_LINE) -> PermissionDenied:
    """Says which permissions would open that in one of these product lines, and where to apply.

    The page has the smallest of them chosen where it is about one product line: which of several is wanted nobody knows.
    """
    kinds = kinds_that_open(*(Right(each, action) for each in product_lines))
    wanted = f"You may not {DOING[action]} in {' or '.join(product_lines)}"
    if not kinds:
        return PermissionDenied(f"{wanted}; no permission opens that.")
    titles = " or ".join(f"“{PERMISSION_KINDS[kind].title}”" for kind in kinds)
    page = apply_page(services, kinds[0] if len(product_lines) == 1 else None)
    return PermissionDenied(f"{wanted}; apply for {titles}.", kinds, page)


def apply_page(services: Services, kind: str | None) -> str:
    """Where a person applies for that permission (None: chooses one)."""
    return f"{services.public_url}/apply" + ("" if kind is None else f"?kind={kind}")


def apply_page_of_model(services: Services, model_id: int) -> str:
    """Where a person applies for access to that set-up model."""
    return f"{services.public_url}/apply?model={encode('SetUpModel', model_id)}"


def require_person(actor: Actor) -> Person:
    """The signed-in person; a worker or load generator is refused."""
    if not isinstance(actor, Person):
        raise PermissionDenied("A worker's token can only report on its own attempt.")
    return actor


def require_worker(actor: Actor, attempt: AttemptKey | None = None) -> Worker:
    """The worker of that attempt; anybody else is refused."""
    if not isinstance(actor, Worker):
        raise PermissionDenied("Only the worker of an attempt can do this, with the attempt's own token.")
    if attempt is not None and actor.attempt != attempt:
        raise PermissionDenied(f"This token belongs to attempt {actor.attempt}; it reaches no other.")
    return actor


def require_generator(actor: Actor) -> Generator:
    """The load generator of a run; anybody else is refused."""
    if not isinstance(actor, Generator):
        raise PermissionDenied("Only the load generator of a run can do this, with the run's own token.")
    return actor
