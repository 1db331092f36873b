"""A webhook gets each item, signed, whatever the server does; what it refuses is buried."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.errors import ConfigError
from stages.annotator.sinks.webhook import WebhookSink, _seconds
from tests.peers.http import Receiver, Request, receiving
from tests.stages.annotator.couriers.parcels import event_parcel, frame_parcel
from tests.stages.annotator.sinks.sending import sending


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def seqs(server: Receiver) -> list[int]:
    return [json.loads(request.body)["seq"] for request in server.got]


def is_signed(request: Request, key: bytes) -> bool:
    """Return whether a request is signed as Standard Webhooks has it."""
    head = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode()
    mac = base64.b64encode(hmac.new(key, head + request.body, hashlib.sha256).digest()).decode()
    return request.headers["webhook-signature"] == f"v1,{mac}"


@pytest.mark.parametrize(
    ("secret", "key"), [("any text", b"any text"), (f"whsec_{base64.b64encode(b'bytes').decode()}", b"bytes")]
)
def test_each_item_is_a_signed_post(server: Receiver, monkeypatch: pytest.MonkeyPatch, secret: str, key: bytes) -> None:
    monkeypatch.setenv("HOOK_SECRET", secret)
    with sending(WebhookSink(url=server.url, secret="${HOOK_SECRET}", headers={"X-Site": "yard"})) as sender:
        sender.send(frame_parcel(0), event_parcel(1))
    frame, event = server.got
    assert frame.headers["idempotency-key"] == "run1/gate/0" and event.headers["idempotency-key"] == "gate/1-0"
    assert is_signed(frame, key) and is_signed(event, key) and not is_signed(event, b"another")
    assert frame.headers["content-type"] == "application/json" and frame.headers["x-site"] == "yard"
    body = json.loads(event.body)
    assert (body["type"], body["kind"], body["zone"], body["run"]) == ("event", "crossed", "yard", "run1")
    assert [item["class_name"] for item in json.loads(frame.body)["detections"]] == ["car", "person"]


def test_what_went_wrong_at_the_server_is_tried_again_in_order(server: Receiver) -> None:
    server.answers = [(503, {}), (500, {}), (401, {}), (404, {}), (429, {}), (301, {"location": "/"}), (204, {})]
    with sending(WebhookSink(url=server.url)) as sender:
        sender.send(event_parcel(0), event_parcel(1))
        assert sender.buried == []
    assert seqs(server) == [0] * 7 + [1]


def test_a_server_that_asks_for_time_gets_it(server: Receiver) -> None:
    server.answers = [(429, {"Retry-After": "1"})]
    with sending(WebhookSink(url=server.url)) as sender:
        sender.send(event_parcel(0))
    first, second = server.got
    assert second.at_s - first.at_s >= 1.0


def test_retry_after_may_be_a_date() -> None:
    then = datetime.now(UTC) + timedelta(seconds=90)
    assert 80 < (_seconds(format_datetime(then)) or 0) <= 90
    assert (_seconds("7"), _seconds("-3"), _seconds("soon"), _seconds(None)) == (7, 0, None, None)
    assert _seconds(format_datetime(then - timedelta(days=1))) == 0


def test_an_answer_that_is_lost_makes_a_second_copy_with_the_same_key(server: Receiver) -> None:
    server.hang_up = 1
    with sending(WebhookSink(url=server.url)) as sender:
        sender.send(event_parcel(0), event_parcel(1))
    assert [request.headers["idempotency-key"] for request in server.got] == ["gate/0-0", "gate/0-0", "gate/1-0"]


def test_what_is_refused_is_buried_with_the_servers_reason(server: Receiver) -> None:
    server.refuses = b'"seq":1,'
    with sending(WebhookSink(url=server.url)) as sender:
        sender.send(event_parcel(0), event_parcel(1), event_parcel(2))
        ((parcel, reason),) = sender.buried
    assert parcel.seq == 1 and "422: this box is not welcome" in reason and "secret-path" not in reason
    assert seqs(server) == [0, 1, 2]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"url": "ftp://host/"}, "begins with http"),
        ({"url": "https://joe:hunter2@host/"}, "a password is written as"),
        ({"url": "https://host/", "secret": "hunter2"}, "a secret is written as"),
    ],
)
def test_secrets_are_named_not_written(settings: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        WebhookSink(**settings)


def test_what_is_named_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOK_SECRET", raising=False)
    with pytest.raises(ConfigError, match=r"HOOK_SECRET.* in the sink webhook is not set"):
        WebhookSink(url="https://host/", secret="${HOOK_SECRET}").connector(Path())
    monkeypatch.setenv("HOOK_SECRET", "whsec_!!")
    with pytest.raises(ConfigError, match="no base64"):
        WebhookSink(url="https://host/", secret="${HOOK_SECRET}").connector(Path())
