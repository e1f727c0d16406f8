"""Who may do what. Every use case asks here first; permissions by kind and product line get their rules in this module."""

from domain.actor import Actor, Generator, Person, Worker
from domain.attempt import AttemptKey
from domain.errors import PermissionDenied
from domain.visibility import EVERYTHING, Visibility


def visibility_of(actor: Actor) -> Visibility:
    """What exists for the actor: everything for a person; a worker is refused."""
    require_person(actor)
    return EVERYTHING


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
