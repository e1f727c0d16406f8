"""Content over HTTP: uploads that go on where they broke off, downloads by signed links, parts of both."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.signed_urls import UrlCheck
from app.container import Container
from app.sign_in import actor_of
from domain.actor import Actor, Person
from domain.errors import NotFound, ValidationFailed
from gql.gateway import Gateway
from gql.peer import Peer
from resolvers import artifact as artifacts
from resolvers import attempt as attempts
from resolvers import upload as uploads
from resolvers.open_streams import OpenStreams

log = logging.getLogger(__name__)
MAX_SIZE = 100 * 10**9
CLIENT_GONE = 499
RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")


class Files:
    """The routes of artifacts and uploads."""

    def __init__(self, container: Container, gateway: Gateway) -> None:
        self._container = container
        self._gateway = gateway

    @property
    def routes(self) -> list[BaseRoute]:
        """All of them."""
        return [
            Route("/attempt/artifacts/{sha256}", self._upload, methods=["HEAD", "PUT"]),
            Route("/uploads/{sha256}", self._upload, methods=["HEAD", "PUT"]),
            Route("/uploads/{owner}/{sha256}", self._download_upload),
            Route("/artifacts/{id:uuid}", self._download),
            Route("/artifacts/{id:uuid}/{viewer}", self._download),
        ]

    async def _upload(self, request: Request) -> Response:
        """HEAD answers how many bytes are here, PUT goes on from there (`Upload-Offset`); `size` is that of the whole."""
        services, is_worker = self._container.services, request.url.path.startswith("/attempt/")
        actor = await actor_of(request, services, self._gateway, takes_cookie=not is_worker)
        sha256 = request.path_params["sha256"]
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ValidationFailed.of("sha256", "must be 64 lower-case hexadecimal digits")
        use_cases = attempts if is_worker else uploads
        if request.method == "HEAD":
            offset = await use_cases.upload_offset(services, actor, sha256)
            return Response(headers={"Upload-Offset": str(offset)})
        size = _whole(request.query_params.get("size", ""), "size")
        offset = _whole(request.headers.get("upload-offset", "0"), "Upload-Offset")
        try:
            await use_cases.upload(services, actor, sha256, size, offset, request.stream())
        except ClientDisconnect:
            return Response(status_code=CLIENT_GONE)  # read by the log alone; what came is kept for the next try
        return Response(status_code=204)

    async def _download(self, request: Request) -> ASGIApp:
        artifact_id: UUID = request.path_params["id"]
        if (refusal := self._check_link(request)) is not None:
            return refusal
        viewer = None
        if (name := request.path_params.get("viewer")) is not None:
            viewer = await artifacts.viewer_behind_link(self._container.services, name)
        artifact, opening = await artifacts.artifact_behind_link(self._container.services, artifact_id, viewer)
        if await self._container.services.artifacts.size(artifact.location) != artifact.size:
            log.error("the content of artifact %s is not in the artifact store: %s", artifact.id, artifact.location)
            raise NotFound("content of artifact", artifact.id)
        headers = {
            "Content-Type": artifact.media_type,
            "Content-Disposition": _disposition(artifact.name),
            "ETag": f'"{artifact.sha256}"',
        }
        response = self._content(request, artifact.location, artifact.size, headers)
        return response if viewer is None else Revocable(response, viewer, opening, self._container.open_streams)

    async def _download_upload(self, request: Request) -> Response:
        if (refusal := self._check_link(request)) is not None:
            return refusal
        location = request.url.path.removeprefix("/")
        size = await self._container.services.artifacts.size(location)
        if size is None:
            raise NotFound("upload", location)
        return self._content(request, location, size, {"Content-Type": "application/zip"})

    def _check_link(self, request: Request) -> Response | None:
        check = self._container.signed_urls.verify("GET", request.url.path, request.url.query, datetime.now(UTC))
        if check is UrlCheck.VALID:
            return None
        message = "This link has expired; ask for a new one." if check is UrlCheck.EXPIRED else "This link is not valid."
        return JSONResponse({"code": f"LINK_{check}", "message": message}, status_code=403)

    def _content(self, request: Request, location: str, size: int, headers: dict[str, str]) -> Response:
        start, end = _range(request.headers.get("range"), size)
        if start == end and size > 0:
            body = {"code": "RANGE_NOT_SATISFIABLE", "message": f"The content ends at byte {size}."}
            return JSONResponse(body, status_code=416, headers={"Content-Range": f"bytes */{size}"})
        headers |= {
            "Content-Length": str(end - start),
            "Accept-Ranges": "bytes",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox; default-src 'none'",
        }
        is_part = (start, end) != (0, size)
        if is_part:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        status = 206 if is_part else 200
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers)
        content: AsyncIterator[bytes] = self._container.services.artifacts.read(location, start, end)
        return StreamingResponse(content, status_code=status, headers=headers)


class Revocable:
    """A response that is cut off in the middle when its viewer loses a permission, or what else has opened it."""

    def __init__(self, response: Response, viewer: Actor, opening: artifacts.Opening, open_streams: OpenStreams) -> None:
        self._response = response
        self._viewer = viewer
        self._opening = opening
        self._open_streams = open_streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; a peer that does not read is cut off too."""
        with self._open_streams.holding(self._viewer) as stream:
            if isinstance(self._viewer, Person):
                stream.hold(self._viewer.rights, self._opening.access, self._opening.members)
            sending = asyncio.create_task(self._response(scope, receive, send))
            try:
                events: set[asyncio.Future[Any]] = {sending, stream.ended}
                await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)
                if not sending.done():
                    Peer(scope, send, 0).abort()
                    return
                sending.result()
            finally:
                sending.cancel()
                with suppress(asyncio.CancelledError, OSError):
                    await sending


def _whole(text: str, field: str) -> int:
    if not text.isdecimal() or len(text) > 15 or int(text) > MAX_SIZE:
        raise ValidationFailed.of(field, f"must be a whole number from 0 to {MAX_SIZE}")
    return int(text)


def _range(header: str | None, size: int) -> tuple[int, int]:
    """The part that a `Range` header asks for (RFC 9110, section 14); everything where it asks for none or for several.

    An empty part stands for one that lies beyond the end.
    """
    found = RANGE.fullmatch(header or "")
    if found is None or found.group() == "bytes=-":
        return 0, size
    first, last = found.groups()
    if not first:
        return max(0, size - int(last)), size
    if last and int(last) < int(first):
        return 0, size
    return min(int(first), size), min(int(last) + 1, size) if last else size


def _disposition(name: str) -> str:
    quoted = json.dumps(name)[1:-1] if name.isascii() else "artifact"
    return f"attachment; filename=\"{quoted}\"; filename*=UTF-8''{quote(name, safe='')}"
