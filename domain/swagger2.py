"""Swagger 2.0 documents written as OpenAPI 3.0, so that everything after this knows one format.

Source: the OpenAPI specification 2.0. What is malformed stays as it is, for the reader to name. Schemas stay where they
are, so that references to them still lead there.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from domain.json_pointer import Unresolvable, resolve

METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
NO_SCHEMA = frozenset({"name", "in", "description", "required", "collectionFormat", "allowEmptyValue", "x-example"})
STYLES = {"ssv": "spaceDelimited", "tsv": "tabDelimited", "pipes": "pipeDelimited"}
FLOWS = {"application": "clientCredentials", "accessCode": "authorizationCode"}

Json = Mapping[str, Any]


def as_openapi3(raw: Json, url: str) -> Json:
    """The document, found at `url`, as one of OpenAPI 3.0."""
    definitions = raw.get("securityDefinitions")
    paths = raw.get("paths")
    return {
        **raw,
        "servers": _servers(raw, raw, url),
        "paths": {path: _path(raw, item, url) for path, item in paths.items()} if isinstance(paths, Mapping) else paths,
        "components": {
            "securitySchemes": {name: _security_scheme(each) for name, each in definitions.items()}
            if isinstance(definitions, Mapping)
            else definitions
        },
    }


def _servers(raw: Json, holder: Json, url: str) -> list[Json]:
    """The servers of the document, or of one of its operations, which may have schemes of its own."""
    own = urlsplit(url)
    schemes = [each for each in _listed(holder.get("schemes")) if each in ("http", "https")] or [own.scheme]
    rest = f"{raw.get('host') or own.netloc}/{str(raw.get('basePath') or '').lstrip('/')}"
    return [{"url": f"{scheme}://{rest}"} for scheme in schemes]


def _path(raw: Json, item: Any, url: str) -> Any:
    item = _followed(raw, item)
    if not isinstance(item, Mapping):
        return item
    shared = _listed(item.get("parameters"))
    found = {key: value for key, value in item.items() if key != "parameters"}
    for method in METHODS:
        if isinstance(item.get(method), Mapping):
            found[method] = _operation(raw, item[method], shared, url)
    return found


def _operation(raw: Json, operation: Json, shared: list[Any], url: str) -> Json:
    """The operation with all its parameters, its own in the place of the path's that have the same name and location."""
    given: dict[Any, Any] = {}
    for number, each in enumerate([*shared, *_listed(operation.get("parameters"))]):
        parameter = _followed(raw, each)
        is_read = isinstance(parameter, Mapping) and isinstance(parameter.get("name"), str)
        # One body replaces the other, whatever their names.
        key = (parameter.get("in") == "body" or parameter["name"], str(parameter.get("in"))) if is_read else number
        given[key] = parameter
    parameters = [_parameter(each) for each in given.values() if _place(each) not in ("body", "formData")]
    found = {**operation, "parameters": parameters, "responses": _responses(raw, operation)}
    if operation.get("schemes"):
        found["servers"] = _servers(raw, operation, url)
    consumes = [each for each in _listed(operation.get("consumes", raw.get("consumes"))) if isinstance(each, str)]
    body = next((each for each in given.values() if _place(each) == "body"), None)
    form = [each for each in given.values() if _place(each) == "formData"]
    if body is not None:
        content = {media_type: {"schema": body.get("schema", {})} for media_type in consumes or ["application/json"]}
        found["requestBody"] = {"required": body.get("required") is True, "content": content}
    elif form:
        found["requestBody"] = _form(form, consumes)
    return found


def _place(parameter: Any) -> Any:
    return parameter.get("in") if isinstance(parameter, Mapping) else None


def _parameter(given: Any) -> Any:
    if not isinstance(given, Mapping):
        return given
    found = {key: given[key] for key in ("name", "in", "description", "required") if key in given}
    found["schema"] = {key: value for key, value in given.items() if key not in NO_SCHEMA}
    found |= _styled(given.get("collectionFormat"))
    if "x-example" in given:
        found["example"] = given["x-example"]
    return found


def _styled(collection: object) -> Json:
    """How a list is written; separated by commas where nothing is said."""
    is_special = isinstance(collection, str) and collection not in ("csv", "multi")
    return {"explode": collection == "multi", **({"style": STYLES.get(str(collection), collection)} if is_special else {})}


def _form(given: list[Json], consumes: list[str]) -> Json:
    fields = {str(each.get("name")): _form_field(each) for each in given}
    required = [str(each.get("name")) for each in given if each.get("required") is True]
    schema = {"type": "object", "properties": fields, **({"required": required} if required else {})}
    has_file = any(each.get("type") == "file" for each in given)
    forms = [MULTIPART] if has_file else [each for each in consumes if each in (FORM, MULTIPART)] or [FORM]
    encoding = {str(each.get("name")): _styled(each.get("collectionFormat")) for each in given if each.get("type") == "array"}
    content = {"schema": schema, **({"encoding": encoding} if encoding else {})}
    return {"required": bool(required), "content": dict.fromkeys(forms, content)}


def _form_field(given: Json) -> Json:
    schema = {key: value for key, value in given.items() if key not in NO_SCHEMA}
    return {**schema, "type": "string", "format": "binary"} if given.get("type") == "file" else schema


def _responses(raw: Json, operation: Json) -> Any:
    responses = operation.get("responses")
    if not isinstance(responses, Mapping):
        return responses
    produces = [each for each in _listed(operation.get("produces", raw.get("produces"))) if isinstance(each, str)]
    found = {}
    for status, each in responses.items():
        response = _followed(raw, each)
        if isinstance(response, Mapping) and "schema" in response:
            content = {media_type: {"schema": response["schema"]} for media_type in produces or ["application/json"]}
            response = {**response, "content": content}
        found[status] = response
    return found


def _security_scheme(given: Any) -> Any:
    if not isinstance(given, Mapping):
        return given
    match given.get("type"):
        case "basic":
            return {**given, "type": "http", "scheme": "basic"}
        case "oauth2":
            flow = str(given.get("flow"))
            return {**given, "flows": {FLOWS.get(flow, flow): given}}
    return given


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _followed(raw: Json, value: Any) -> Any:
    """What a reference leads to; the reference itself where it leads nowhere."""
    try:
        return resolve(raw, value)
    except Unresolvable:
        return value
