"""Reports and files are sent through every kind of trouble, in order, once."""

import json
from collections.abc import Iterator, Sequence

import pytest

from steps.shim.http_exchange import Backoff, Rejected, Unreachable, connect
from steps.shim.report_client import ReportClient
from steps.shim.server_client import Access, ServerClient, Superseded
from steps.shim.shim_folder import ShimFolder
from tests.adapters.shim_server import TOKEN, ShimServer
from tests.services import free_port
from tests.waiting import eventually_sync


@pytest.fixture
def server() -> Iterator[ShimServer]:
    running = ShimServer()
    running.start()
    yield running
    running.stop()


def client_of(folder: ShimFolder, server: ShimServer, token: str = TOKEN) -> ReportClient:
    return ReportClient(folder, ServerClient(lambda: Access(server.url, token), 1.0), 10_000)


def send(folder: ShimFolder, server: ShimServer, lines: Sequence[str], deadline: float = 15.0) -> ReportClient:
    """Send the lines to the end."""
    folder.reports.write_text("".join(f"{line}\n" for line in lines))
    client = client_of(folder, server)
    client.start()
    client.finish(len(lines))
    client.join(deadline)
    assert not client.is_alive()
    return client


def progress(value: float, task: str = "a") -> str:
    return json.dumps({"task": task, "progress": value})


def test_everything_is_sent_once_in_order_and_in_batches(folder: ShimFolder, server: ShimServer) -> None:
    send(folder, server, [progress(value / 1000) for value in range(1000)])
    assert server.state.sequences == list(range(1, 1001))
    assert server.state.calls < 30
    assert folder.cursor()["accepted"] == 1000


@pytest.mark.parametrize("accepted", [0, 2])
def test_an_old_cursor_repeats_and_gets_the_first_answers(folder: ShimFolder, server: ShimServer, accepted: int) -> None:
    lines = [progress(value / 10) for value in range(4)]
    send(folder, server, lines)
    offset = sum(len(line) + 1 for line in lines[:accepted])
    folder.write_cursor({"accepted": accepted, "offset": offset, "closed": False})
    send(folder, server, lines)
    assert server.state.sequences == [1, 2, 3, 4]
    assert server.state.repeats == 4 - accepted


def test_a_server_that_forgot_gets_everything_again(folder: ShimFolder, server: ShimServer) -> None:
    lines = [progress(value / 10) for value in range(6)]
    send(folder, server, lines[:4])
    server.state.last_sequence = 1
    server.state.reports = server.state.reports[:1]
    send(folder, server, lines)
    assert server.state.sequences == [1, 2, 3, 4, 5, 6]
    assert server.state.gaps > 0


def test_answers_that_use_nothing_up_are_tried_again(folder: ShimFolder, server: ShimServer) -> None:
    server.faults.not_consumed = 3
    send(folder, server, [progress(value / 10) for value in range(4)])
    assert server.state.sequences == [1, 2, 3, 4]


def test_a_refused_report_is_told_in_the_log(folder: ShimFolder, server: ShimServer) -> None:
    server.faults.refused = frozenset({"b"})
    send(folder, server, [progress(0.1), progress(0.2, "b"), progress(0.3)])
    assert folder.log.read_text() == "[plog] report 2 was refused: ILLEGAL_TRANSITION: not now\n"


def test_a_report_that_spoils_its_whole_request_is_replaced_alone(folder: ShimFolder, server: ShimServer) -> None:
    server.faults.poison = "bad"
    lines = [progress(value / 100) for value in range(20)]
    lines[7] = progress(0.5, "bad")
    send(folder, server, lines)
    assert server.state.sequences == list(range(1, 21))
    assert [report["sequence"] for report in server.state.reports if report["kind"] == "NOTE"] == [8]
    assert server.state.reports[7]["metadata"]["rejectedReport"] == lines[7]


def test_superseded_ends_the_sending_for_good(folder: ShimFolder, server: ShimServer) -> None:
    server.faults.is_superseded = True
    assert send(folder, server, [progress(0.1)]).superseded.is_set()
    assert folder.cursor()["closed"]
    server.faults.is_superseded = False
    assert send(folder, server, [progress(0.1)]).superseded.is_set()
    assert server.state.reports == []


def test_a_token_that_is_not_taken_is_asked_for_again(folder: ShimFolder, server: ShimServer) -> None:
    tokens = iter(["old", "old"])
    folder.reports.write_text(progress(0.1) + "\n")
    client = ReportClient(folder, ServerClient(lambda: Access(server.url, next(tokens, TOKEN)), 1.0), 10_000)
    client.start()
    client.finish(1)
    client.join(10)
    assert server.state.sequences == [1]


def test_a_hanging_server_costs_a_timeout_and_nothing_else(folder: ShimFolder, server: ShimServer) -> None:
    server.faults.is_hanging = True
    folder.reports.write_text(progress(0.1) + "\n")
    client = client_of(folder, server)
    client.start()
    client.finish(1)
    eventually_sync(lambda: client.failing_seconds > 0)
    assert client.silent_seconds > 0.5
    server.stop()
    server.faults.is_hanging = False
    server.start()
    client.join(15)
    assert server.state.sequences == [1]
    assert client.failing_seconds == 0


def test_artifacts_that_are_missing_or_escape_become_notes(folder: ShimFolder, server: ShimServer) -> None:
    (folder.root / "secret").write_text("x")
    (folder.output / "good.txt").write_text("good")
    names = ["../secret", "missing", "good.txt"]
    send(folder, server, [progress(0.1), *(json.dumps({"artifact": {"name": name}}) for name in names), progress(0.2)])
    assert [report["kind"] for report in server.state.reports] == ["PROGRESS", "NOTE", "NOTE", "ARTIFACT", "PROGRESS"]
    assert [report["metadata"] for report in server.state.reports[1:3]] == [
        {"artifactMissing": {"name": name, "reason": "there is no such file in PLOG_OUTPUT"}} for name in names[:2]
    ]
    assert server.state.reports[3]["artifact"]["size"] == 4


def test_upload_that_the_server_refuses_becomes_a_note(folder: ShimFolder, server: ShimServer) -> None:
    (folder.output / "a").write_text("content")
    sha256 = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
    server.state.uploads[sha256] = bytearray(b"CONTENT")
    send(folder, server, [json.dumps({"artifact": {"name": "a"}})])
    assert server.state.reports[0]["metadata"]["artifactMissing"]["name"] == "a"


def test_whatever_refuses_an_upload_and_says_the_note_can_be_stored(folder: ShimFolder, server: ShimServer) -> None:
    (folder.output / "a").write_text("content")
    server.faults.upload_refusal = b"<h1>\x00too\xff" + b"x" * 5_000
    send(folder, server, [json.dumps({"artifact": {"name": "a"}})])
    noted = server.state.reports[0]["metadata"]["artifactMissing"]
    assert noted["name"] == "a" and noted["reason"].startswith("status 413: <h1>\ufffdtoo\ufffdx")
    assert len(noted["reason"]) == 200


def test_names_that_are_too_long_become_notes(folder: ShimFolder, server: ShimServer) -> None:
    (folder.output / ("a" * 250)).write_text("content")
    send(folder, server, [json.dumps({"artifact": {"name": name}}) for name in ("a" * 250, "b" * 300)])
    long, missing = [report["metadata"]["artifactMissing"] for report in server.state.reports]
    assert long["name"] == "a" * 200 and "250 characters" in long["reason"]
    assert missing["name"] == "b" * 200 and "no such file" in missing["reason"]


def test_many_reports_that_the_server_can_not_read_cost_a_few_calls_each(folder: ShimFolder, server: ShimServer) -> None:
    server.faults.poison = "bad"
    send(folder, server, ['{"task": "bad", "progress": 0.5}'] * 20)
    assert [report["kind"] for report in server.state.reports] == ["NOTE"] * 20
    assert server.state.calls < 100


def test_empty_artifact_and_one_that_is_there_already(folder: ShimFolder, server: ShimServer) -> None:
    (folder.output / "empty").touch()
    for _ in range(2):
        send(folder, server, [json.dumps({"artifact": {"name": "empty"}})] * 2)
    assert [report["artifact"]["size"] for report in server.state.reports] == [0, 0]


def test_download_is_checked(folder: ShimFolder, server: ShimServer) -> None:
    server.add_input("x", b"content")
    (entry,) = server.document["inputs"]
    client = ServerClient(lambda: Access(server.url, TOKEN), 1.0)
    file = folder.downloads / "x"
    with pytest.raises(Rejected):
        client.download(entry["url"], file, "0" * 64)
    assert not file.exists()
    file.write_bytes(b"cont")
    client.download(entry["url"], file, entry["sha256"])
    assert file.read_bytes() == b"content"
    with pytest.raises(Rejected):
        client.download(server.url + "/blobs/other", file, entry["sha256"])
    with pytest.raises(Rejected):
        client.download("file:///etc/passwd", file, entry["sha256"])


def test_input_document_of_a_superseded_attempt(server: ShimServer) -> None:
    server.faults.is_superseded = True
    with pytest.raises(Superseded):
        ServerClient(lambda: Access(server.url, TOKEN), 1.0).input_document()


def test_a_connection_that_the_server_closed_is_opened_again_at_once(server: ShimServer) -> None:
    client = ServerClient(lambda: Access(server.url, TOKEN), 1.0)
    client.input_document()
    server.stop()
    server.start()
    assert client.input_document() == server.document
    server.faults.drop_before = 2
    with pytest.raises(Unreachable):
        client.input_document()


def test_a_server_that_moved_is_found_at_its_new_address(server: ShimServer) -> None:
    moved = ShimServer()
    moved.state = server.state
    address = [server.url]
    client = ServerClient(lambda: Access(address[0], TOKEN), 1.0)
    client.send_reports([{"sequence": 1, "kind": "NOTE"}])
    server.stop()
    moved.start()
    address[0] = moved.url
    client.send_reports([{"sequence": 2, "kind": "NOTE"}])
    moved.stop()
    assert moved.state.sequences == [1, 2]


def test_nothing_listens() -> None:
    with pytest.raises(Unreachable):
        connect(f"http://127.0.0.1:{free_port()}", 1.0)


def test_backoff_grows_to_two_seconds_and_is_jittered() -> None:
    backoff = Backoff()
    pauses = [backoff.pause() for _ in range(12)]
    assert pauses[0] <= 0.05
    assert all(1.0 <= pause <= 2.0 for pause in pauses[7:])
    assert len(set(pauses[7:])) > 1
    backoff.reset()
    assert backoff.pause() <= 0.05
