"""The requests of scenarios as people define them: an endpoint, values, and what is looked for in the answer."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from domain.answer import Check, Extraction, read_checks, read_extractions
from domain.endpoint import ParameterLocation
from domain.template import ReferenceKind, WrongReference, read_text, references, texts_of
from domain.validation import Problems

MAX_NAME = 200
MAX_PARAMETERS = 200
MAX_HEADERS = 100
MAX_HEADER = 8_000
MAX_KEY = 4_000
MAX_BODY = 1_000_000
MAX_PARTS = 2_000_000
REQUEST = (
    "endpoint",
    "demands",
    "parts",
    "parameters",
    "headers",
    "body",
    "mediaType",
    "expectedStatuses",
    "checks",
    "extract",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenParameter:
    """A value that takes the place of the one made from the document; None leaves an optional parameter out."""

    location: ParameterLocation
    name: str
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioRequest:
    """One request of a scenario.

    `endpoint` is the key of an endpoint of the target (`GET /pets/{id}`), `demands` the endpoint's fingerprint and `parts` those
    of its parts when the definition was made. `headers` are added or take the place of others. `body` is text that is sent as it
    is, or else JSON; None stands for one made from the document. `expected_statuses` are those of a good answer; none stand for
    200 to 399. `checks` have to hold besides. `extractions` are taken from the answer for the texts of later requests of the
    scenario: values of parameters and headers, and the body (`domain.template`).
    """

    endpoint: str
    demands: str = ""
    parts: str = ""
    parameters: tuple[GivenParameter, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: Any = None
    media_type: str | None = None
    expected_statuses: tuple[int, ...] = ()
    checks: tuple[Check, ...] = ()
    extractions: tuple[Extraction, ...] = ()

    def texts(self) -> Iterator[tuple[str, str]]:
        """The texts of the user that are sent and may refer to something, each with its path."""
        for place, parameter in enumerate(self.parameters):
            yield from texts_of(parameter.value, f"parameters.{place}.value")
        for place, (_, value) in enumerate(self.headers):
            yield f"headers.{place}.value", value
        yield from texts_of(self.body, "body")

    @property
    def places(self) -> tuple[tuple[ParameterLocation, str], ...]:
        """Place and name of all parameters and headers that the user gives."""
        given = tuple((each.location, each.name) for each in self.parameters)
        return given + tuple((ParameterLocation.HEADER, name) for name, _ in self.headers)

    def secret_places(self) -> Iterator[tuple[str, str]]:
        """The path and the name of each reference to a secret; texts with wrong references have none."""
        for field, text in self.texts():
            with suppress(WrongReference):
                yield from ((field, each.name) for each in references(read_text(text)) if each.kind is ReferenceKind.SECRET)

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that it sends."""
        return frozenset(name for _, name in self.secret_places())

    def as_json(self) -> dict[str, Any]:
        """The document from which the same request is read."""
        return {
            "endpoint": self.endpoint,
            "demands": self.demands,
            "parts": self.parts,
            "parameters": [{"location": str(each.location), "name": each.name, "value": each.value} for each in self.parameters],
            "headers": [{"name": name, "value": value} for name, value in self.headers],
            "body": self.body,
            "mediaType": self.media_type,
            "expectedStatuses": list(self.expected_statuses),
            "checks": [each.as_json() for each in self.checks],
            "extract": [each.as_json() for each in self.extractions],
        }


def read_request(raw: Mapping[str, Any], problems: Problems) -> ScenarioRequest:
    """The request that a document says; what is wrong is recorded."""
    problems.no_others(raw, REQUEST)
    parameters = problems.items(raw, "parameters", most=MAX_PARAMETERS)
    headers = problems.items(raw, "headers", most=MAX_HEADERS)
    statuses = problems.items(raw, "expectedStatuses", most=MAX_PARAMETERS)
    at_parameters, at_headers, at_statuses = (problems.at(each) for each in ("parameters", "headers", "expectedStatuses"))
    body = raw.get("body")
    if body is not None and len(body if isinstance(body, str) else json.dumps(body)) > MAX_BODY:
        problems.add("body", f"is longer than {MAX_BODY} characters")
        body = None
    return ScenarioRequest(
        endpoint=problems.text(raw, "endpoint", most=MAX_KEY),
        demands=problems.text(raw, "demands", "", most=MAX_NAME),
        parts=problems.text(raw, "parts", "", most=MAX_PARTS),
        parameters=tuple(_parameter(each, at_parameters, place) for place, each in enumerate(parameters)),
        headers=tuple(_header(each, at_headers, place) for place, each in enumerate(headers)),
        body=body,
        media_type=problems.text(raw, "mediaType", "", most=MAX_NAME) or None,
        expected_statuses=tuple(
            at_statuses.integer({str(at): each}, str(at), None, 100, 599) for at, each in enumerate(statuses)
        ),
        checks=read_checks(raw, problems),
        extractions=read_extractions(raw, problems),
    )


def _parameter(given: Any, problems: Problems, place: int) -> GivenParameter:
    raw, inner = problems.mapping({str(place): given}, str(place)), problems.at(place)
    inner.no_others(raw, ("location", "name", "value"))
    return GivenParameter(
        location=inner.choice(raw, "location", ParameterLocation),
        name=inner.text(raw, "name", most=MAX_KEY),
        value=raw.get("value"),
    )


def _header(given: Any, problems: Problems, place: int) -> tuple[str, str]:
    raw, inner = problems.mapping({str(place): given}, str(place)), problems.at(place)
    inner.no_others(raw, ("name", "value"))
    return inner.text(raw, "name", most=MAX_NAME), inner.text(raw, "value", "", most=MAX_HEADER)
