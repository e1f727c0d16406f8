"""A chat model behind a real HTTP server that does what it should, and everything else."""

import asyncio
import gzip
import json
import logging
from time import perf_counter

import pytest

from adapters.chat import MOST_BYTES, OpenAiChat
from domain.wording import ChatFailed, ChatMessage, WordingStatus
from tests.chat import (
    Behaviour,
    ChatServer,
    answering,
    break_off,
    chat_server,
    completion,
    endless,
    hang,
    hang_in_answer,
    saying,
    without_options,
)
from tests.services import free_port
from tests.waiting import eventually

KEY = "sk-very-secret-0123456789"
QUESTION = [ChatMessage(role="system", content="Say größe."), ChatMessage(role="user", content="{}")]


async def asked(server: ChatServer, *, seconds: float = 10.0, key: str = KEY) -> str:
    async with OpenAiChat(server.url, "the-model", key, seconds=seconds) as chat:
        return await chat.answer(QUESTION)


async def test_it_is_asked_as_clients_of_openai_ask() -> None:
    async with chat_server(saying("größe")) as server:
        assert await asked(server) == "größe"
        (seen,) = server.asked
        assert (seen.method, seen.path, seen.headers["authorization"]) == ("POST", "/v1/chat/completions", f"Bearer {KEY}")
        assert seen.headers["content-type"] == "application/json"
        body = json.loads(seen.body)
        assert (body["model"], body["stream"], body["response_format"]) == ("the-model", False, {"type": "json_object"})
        assert body["messages"] == [{"role": "system", "content": "Say größe."}, {"role": "user", "content": "{}"}]
        assert await asked(server, key="") == "größe" and "authorization" not in server.asked[1].headers


async def test_options_that_are_refused_are_left_out_from_then_on() -> None:
    async with (
        chat_server(without_options("yes")) as server,
        OpenAiChat(server.url + "/", "m", "", seconds=10) as chat,
    ):
        assert await chat.answer(QUESTION) == "yes" == await chat.answer(QUESTION)
        assert [len(json.loads(each.body)) > 3 for each in server.asked] == [True, False, False]
        server.behaviour = answering(400, b"{}")
        with pytest.raises(ChatFailed, match="REFUSED"):
            await chat.answer(QUESTION)
        assert len(server.asked) == 4


async def test_a_refusal_for_another_reason_does_not_cost_the_options() -> None:
    async with chat_server(answering(400, b"{}")) as server, OpenAiChat(server.url, "m", "", seconds=10) as chat:
        with pytest.raises(ChatFailed, match="REFUSED"):
            await chat.answer(QUESTION)
        server.behaviour = saying("yes")
        assert await chat.answer(QUESTION) == "yes" and "temperature" in server.asked[-1].body


DEEP = b'{"choices": ' + b"[" * 100_000
BAD: list[tuple[Behaviour, WordingStatus]] = [
    (answering(500, b"Internal"), WordingStatus.FAILED),
    (answering(503, b"{}"), WordingStatus.FAILED),
    (answering(401, f"Incorrect API key provided: {KEY}".encode()), WordingStatus.REFUSED),
    (answering(404, b"no such model"), WordingStatus.REFUSED),
    (answering(429, b"slow down"), WordingStatus.REFUSED),
    (answering(200, b"<!DOCTYPE html><html>Welcome</html>", {"Content-Type": "text/html"}), WordingStatus.NONSENSE),
    (answering(200, b""), WordingStatus.NONSENSE),
    (answering(200, b"\xff\xfe{"), WordingStatus.NONSENSE),
    (answering(200, b'{"choices": []}'), WordingStatus.NONSENSE),
    (answering(200, b'{"error": {"message": "no"}}'), WordingStatus.NONSENSE),
    (answering(200, DEEP), WordingStatus.NONSENSE),
    (answering(200, completion(None)), WordingStatus.NONSENSE),
    (answering(200, completion([{"type": "text"}])), WordingStatus.NONSENSE),
    (answering(200, gzip.compress(completion("yes")), {"Content-Encoding": "gzip"}), WordingStatus.NONSENSE),
    (break_off, WordingStatus.UNREACHABLE),
    (answering(200, b"", {"Content-Length": "x"}), WordingStatus.UNREACHABLE),
    (hang, WordingStatus.TIMED_OUT),
    (hang_in_answer, WordingStatus.TIMED_OUT),
]


@pytest.mark.parametrize(("behaviour", "status"), BAD)
async def test_whatever_it_does_is_told_in_one_word(
    behaviour: Behaviour, status: WordingStatus, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with chat_server(behaviour) as server:
        before = perf_counter()
        with pytest.raises(ChatFailed) as caught:
            await asked(server, seconds=0.5)
        assert caught.value.status is status and perf_counter() - before < 3
        await eventually(lambda: server.waiting == 0)
    error = caught.value
    assert error.__suppress_context__ or error.__cause__ is None
    assert "the chat model words no findings" in caplog.text and KEY not in caplog.text and KEY not in repr(error)


async def test_a_huge_answer_is_cut_off() -> None:
    async with chat_server(hang) as server:
        server.behaviour = endless(50_000_000, lambda: server)
        with pytest.raises(ChatFailed, match="TOO_LARGE"):
            await asked(server)
        await eventually(lambda: server.waiting == 0)
        assert MOST_BYTES < server.sent < 30_000_000  # what the sockets hold


async def test_a_redirect_is_not_followed_and_gets_no_key() -> None:
    async with chat_server(saying("no")) as elsewhere, chat_server(hang) as server:
        for status in (301, 302, 307, 308):
            server.behaviour = answering(status, b"", {"Location": elsewhere.url})
            with pytest.raises(ChatFailed, match="REFUSED"):
                await asked(server)
        assert elsewhere.asked == []


async def test_nobody_there_is_told(caplog: pytest.LogCaptureFixture) -> None:
    for url in (f"http://127.0.0.1:{free_port()}/v1", "http://name.invalid/v1", "http://[::ffff:1.2.3.4.5]/v1"):
        async with OpenAiChat(url, "m", KEY, seconds=10) as chat:
            with pytest.raises(ChatFailed, match="UNREACHABLE"):
                await chat.answer(QUESTION)
    assert KEY not in caplog.text


async def test_many_wait_at_once_and_none_waits_longer_than_its_time() -> None:
    async with chat_server(hang) as server, OpenAiChat(server.url, "m", "", seconds=1) as chat:
        before = perf_counter()
        found = await asyncio.gather(*(chat.answer(QUESTION) for _ in range(150)), return_exceptions=True)
        assert {str(each) for each in found} == {"TIMED_OUT"} and perf_counter() - before < 4
        server.behaviour = saying("yes")
        assert await chat.answer(QUESTION) == "yes"


async def test_an_error_that_repeats_the_key_is_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    """As the HTTP client's own do where a header can't be sent."""
    async with chat_server(saying("no")) as server:
        with pytest.raises(ChatFailed, match="UNREACHABLE"):
            await asked(server, key=f"{KEY}\n")
        assert server.asked == [] and "LocalProtocolError" in caplog.text and KEY not in caplog.text
