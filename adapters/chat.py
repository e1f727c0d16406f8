"""A chat model behind an OpenAI-compatible endpoint (OpenAI, vLLM, Ollama, llama.cpp), chosen by whoever runs the server."""

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

import httpx

from domain.wording import ChatFailed, ChatMessage, WordingStatus

log = logging.getLogger(__name__)
MOST_BYTES = 2**20
OPTIONS: dict[str, Any] = {"temperature": 0, "max_tokens": 4000, "response_format": {"type": "json_object"}}
OPTIONS_REFUSED = frozenset({400, 415, 422, 501})  # what servers answer to an option that they do not know


class OpenAiChat:
    """Implements `domain.ports.ChatModel`; open it as a context.

    Args:
        url: to which `/chat/completions` is added.
        model: its name there.
        api_key: sent as a bearer token; empty for none.
        seconds: how long an answer may take in all.
    """

    def __init__(self, url: str, model: str, api_key: str, *, seconds: float) -> None:
        self._url = f"{url.rstrip('/')}/chat/completions"
        self._model = model
        self._seconds = seconds
        self._takes_options = True
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        # Connections of its own: a model that does not answer must not use up those of others.
        self._client = httpx.AsyncClient(headers=headers, timeout=None, follow_redirects=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._client.aclose()

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model

    async def answer(self, messages: Sequence[ChatMessage]) -> str:
        """The text of its answer; `ChatFailed` where there is none in time, or what comes is none."""
        try:
            async with asyncio.timeout(self._seconds):  # of everything, as a server may send a byte now and then for days
                return _text(await self._answered(messages))
        except TimeoutError:
            raise self._failed(WordingStatus.TIMED_OUT, f"no answer within {self._seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            # Of errors and refusals only the kind is told: their texts may repeat what was sent, the key among it.
            raise self._failed(WordingStatus.UNREACHABLE, type(error).__name__) from None
        except (ValueError, RecursionError):
            raise self._failed(WordingStatus.NONSENSE, "what it answers is no chat completion") from None

    async def _answered(self, messages: Sequence[ChatMessage]) -> bytes:
        """The body of an answer with status 200; without the options where those are refused, from then on."""
        given: dict[str, Any] = {"model": self._model, "messages": [asdict(each) for each in messages], "stream": False}
        status, body = await self._post(given | OPTIONS if self._takes_options else given)
        if self._takes_options and status in OPTIONS_REFUSED:
            status, body = await self._post(given)
            self._takes_options = status != 200
        if status != 200:
            kind = WordingStatus.FAILED if status >= 500 else WordingStatus.REFUSED
            raise self._failed(kind, f"it answers with status {status}")
        return body

    async def _post(self, given: dict[str, Any]) -> tuple[int, bytes]:
        async with self._client.stream("POST", self._url, json=given) as response:
            if response.status_code != 200:
                return response.status_code, b""
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise self._failed(WordingStatus.TOO_LARGE, f"its answer is larger than {MOST_BYTES} bytes")
            return response.status_code, bytes(body)

    def _failed(self, status: WordingStatus, reason: str) -> ChatFailed:
        log.warning("the chat model words no findings: %s", reason)
        return ChatFailed(status)


def _text(body: bytes) -> str:
    """The text of a chat completion; `ValueError` where it is none."""
    match json.loads(body):
        case {"choices": [{"message": {"content": str(text)}}, *_]}:
            return text
    raise ValueError("no chat completion")
