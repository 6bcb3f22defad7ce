"""What users do with their own keys and with shared ones, and what they are told when they can't."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from service import TIMEOUT, TOKENS, Service

from leakscan import Scanner, make_canary

AT_ONCE = 50


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("backend"), SHARED_USERS="alice") as service:
        yield service


@pytest.fixture
def alice(service: Service) -> Iterator[httpx.Client]:
    with service.client("alice") as client:
        yield client


@pytest.fixture
def bob(service: Service) -> Iterator[httpx.Client]:
    with service.client("bob") as client:
        yield client


def signature(key: str, payload: str) -> str:
    return hmac.new(key.encode(), payload.encode(), hashlib.sha256).hexdigest()


def add(client: httpx.Client, key: str, provider: str = "stripe") -> Any:
    answer = client.post("/keys", json={"provider": provider, "key": key})
    assert answer.status_code == 201, answer.text
    return answer.json()


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_user_s_key_is_kept_masked_used_and_deleted(alice: httpx.Client) -> None:
    key = make_canary()
    added = add(alice, key)
    assert set(added) == {"id", "provider", "created_at", "last_used", "masked"}
    assert (added["provider"], added["last_used"], added["masked"]) == ("stripe", None, f"{key[:4]}****")
    assert alice.get(f"/keys/{added['id']}").json() == added
    used = alice.post(f"/keys/{added['id']}/sign", json={"payload": "order 7"})
    assert used.json() == {"signature": signature(key, "order 7")}
    [listed] = [each for each in alice.get("/keys").json() if each["id"] == added["id"]]
    assert listed.pop("last_used") > added["created_at"]
    assert listed == {name: added[name] for name in ("id", "provider", "created_at")}
    assert alice.delete(f"/keys/{added['id']}").status_code == 204
    assert code_of(alice.get(f"/keys/{added['id']}")) == (404, "NOT_FOUND")


def test_another_user_s_key_is_not_there(alice: httpx.Client, bob: httpx.Client) -> None:
    key_id = add(alice, make_canary())["id"]
    assert key_id not in bob.get("/keys").text
    assert code_of(bob.get(f"/keys/{key_id}")) == (404, "NOT_FOUND")
    assert code_of(bob.post(f"/keys/{key_id}/sign", json={"payload": "x"})) == (404, "NOT_FOUND")
    assert code_of(bob.delete(f"/keys/{key_id}")) == (404, "NOT_FOUND")
    assert alice.get(f"/keys/{key_id}").status_code == 200


def test_a_shared_secret_is_set_listed_used_and_deleted_and_has_a_history(alice: httpx.Client) -> None:
    value = make_canary()
    written = alice.post("/shared/SMTP_PASSWORD", json={"value": value}).json()
    assert (written["name"], written["version"], written["created"]) == ("SMTP_PASSWORD", 1, True)
    assert alice.post("/shared/SMTP_PASSWORD/sign", json={"payload": "x"}).json() == {
        "signature": signature(value, "x")
    }
    [listed] = [each for each in alice.get("/shared").json() if each["name"] == "SMTP_PASSWORD"]
    assert (listed["version"], listed["accessed_count"], listed["created_by"]) == (1, 1, "alice")
    assert alice.post("/shared/SMTP_PASSWORD", json={"value": make_canary()}).json()["version"] == 2
    assert alice.delete("/shared/SMTP_PASSWORD").json()["version"] is None
    assert code_of(alice.post("/shared/SMTP_PASSWORD/sign", json={"payload": "x"})) == (404, "SECRET_NOT_FOUND")
    events = alice.get("/audit", params={"name": "SMTP_PASSWORD", "limit": 100}).json()
    told = [(event["action"], event["actor"], event["platform"], event["code"]) for event in reversed(events)]
    assert told[:4] == [(action, "alice", "http", None) for action in ("set", "get", "set", "delete")]
    assert alice.get("/audit/verified").json()["events"] >= len(events)


def test_who_may_not_use_shared_secrets_is_refused_and_the_refusal_is_in_the_history(
    alice: httpx.Client, bob: httpx.Client
) -> None:
    alice.post("/shared/MINE", json={"value": make_canary()})
    assert code_of(bob.get("/shared")) == (403, "PERMISSION_DENIED")
    assert code_of(bob.post("/shared/MINE/sign", json={"payload": "x"})) == (403, "PERMISSION_DENIED")
    assert code_of(bob.post("/shared/MINE", json={"value": "x"})) == (403, "PERMISSION_DENIED")
    assert code_of(bob.get("/audit")) == (403, "PERMISSION_DENIED")
    events = alice.get("/audit", params={"limit": 100}).json()
    assert ("bob", "denied", "PERMISSION_DENIED") in [(e["actor"], e["outcome"], e["code"]) for e in events]


@pytest.mark.parametrize("path", ["/keys", "/shared", "/audit", "/panel/api/secrets", "/panel/api/store/load"])
@pytest.mark.parametrize("token", [None, "alice", TOKENS["alice"][:-1], TOKENS["alice"] + "x", "é" * 24])
def test_nobody_comes_in_without_a_token(service: Service, path: str, token: str | None) -> None:
    headers = {} if token is None else {b"Authorization": f"Bearer {token}".encode("latin-1")}
    with service.client(None) as client:
        method = "POST" if "store" in path else "GET"
        answer = client.request(method, path, headers=headers, json={"keys": []} if "store" in path else None)
    assert code_of(answer) == (401, "UNAUTHORIZED")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_token_is_good_for_its_own_door_only(service: Service, alice: httpx.Client) -> None:
    assert code_of(alice.get("/panel/api/secrets")) == (401, "UNAUTHORIZED")
    with service.client("panel") as panel:
        assert code_of(panel.get("/keys")) == (401, "UNAUTHORIZED")
        assert code_of(panel.get("/shared")) == (401, "UNAUTHORIZED")


def test_other_origins_are_told_nothing(alice: httpx.Client) -> None:
    asked = alice.options("/keys", headers={"Origin": "https://evil.test", "Access-Control-Request-Method": "POST"})
    read = alice.get("/keys", headers={"Origin": "https://evil.test"})
    assert asked.status_code == 405
    assert not [name for answer in (asked, read) for name in answer.headers if name.startswith("access-control")]


WRONG: dict[str, tuple[int, str]] = {
    "the address of nothing": (404, "NOT_FOUND"),
    "a method that is none": (405, "METHOD_NOT_ALLOWED"),
    "a name with a blank": (422, "NAME_INVALID"),
    "an empty value": (422, "VALUE_INVALID"),
    "a limit out of range": (422, "INVALID_ARGUMENT"),
    "a secret that is not there": (404, "SECRET_NOT_FOUND"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_told_by_its_code(alice: httpx.Client, what: str) -> None:
    answer = {
        "the address of nothing": lambda: alice.get("/nothing"),
        "a method that is none": lambda: alice.put("/keys"),
        "a name with a blank": lambda: alice.post("/shared/a b", json={"value": "x"}),
        "an empty value": lambda: alice.post("/shared/A", json={"value": ""}),
        "a limit out of range": lambda: alice.get("/audit", params={"limit": 1001}),
        "a secret that is not there": lambda: alice.delete("/shared/NOT_THERE"),
    }[what]()
    assert code_of(answer) == WRONG[what]
    assert answer.json()["message"]


MALFORMED = {
    "as the name of a field": '{{"provider": "stripe", "key": "a key", "{canary}": 1}}',
    "where a number is": '{{"provider": 1, "key": ["{canary}"]}}',
    "as the provider": '{{"provider": "{canary}", "key": "a key"}}',
    "beside a wrong provider": '{{"provider": "", "key": "{canary}"}}',
    "too long": '{{"provider": "stripe", "key": "{canary}{long}"}}',
    "with a lone surrogate": '{{"provider": "stripe", "key": "{canary}\\ud800"}}',
    "in JSON that breaks off": '{{"provider": "stripe", "key": "{canary}',
    "in what is no JSON": "provider=stripe&key={canary}",
    "in what is no object": '["{canary}"]',
    "as a text": '"{canary}"',
    "too deep": '{{"provider": "stripe", "key": {deep}"{canary}"',
}


@pytest.mark.parametrize("where", MALFORMED)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_a_key_in_a_request_that_is_refused_is_not_repeated(service: Service, where: str, content_type: str) -> None:
    canary = make_canary()
    fillings = {"canary": canary, "long": "x" * 4096, "deep": "[" * 100_000}
    body = MALFORMED[where].format(**fillings)
    with service.client("alice") as alice:
        for path in ("/keys", "/shared/A", "/keys/none/sign"):
            answer = alice.post(path, content=body, headers={"Content-Type": content_type})
            assert answer.status_code in (400, 422), answer.text
            assert answer.json()["message"]
        assert alice.get("/audit", params={"limit": canary}).status_code == 422
    scanner = Scanner(canary)
    assert scanner.find("what was sent", body)
    assert scanner.find("the answers", service.received) == []
    # The log has the address, where nobody should put a key; all other lines are searched.
    log = [line for line in service.log.splitlines() if "/audit?limit=" not in line]
    assert scanner.find("the log", "\n".join(log)) == []


def test_a_body_that_is_too_long_is_refused(alice: httpx.Client) -> None:
    answer = alice.post("/keys", json={"provider": "stripe", "key": "x" * 4 * 1024 * 1024})
    assert (answer.status_code, answer.text) == (413, "Content Too Large")


def test_fifty_requests_at_once_are_all_answered_right(service: Service, alice: httpx.Client) -> None:
    keys = [make_canary() for _ in range(AT_ONCE)]
    alice.post("/shared/BUSY", json={"value": "the shared value"})

    async def all_at_once() -> None:
        limits = httpx.Limits(max_connections=AT_ONCE)
        headers = {"Authorization": f"Bearer {TOKENS['alice']}"}
        async with httpx.AsyncClient(base_url=service.url, headers=headers, timeout=TIMEOUT, limits=limits) as client:

            async def one(number: int, key: str) -> None:
                added = await client.post("/keys", json={"provider": "busy", "key": key})
                assert added.status_code == 201, added.text
                signed = await client.post(f"/keys/{added.json()['id']}/sign", json={"payload": key})
                assert signed.json() == {"signature": signature(key, key)}
                shared = await client.post("/shared/BUSY/sign", json={"payload": key})
                assert shared.json() == {"signature": signature("the shared value", key)}
                written = await client.post(f"/shared/BUSY_{number}", json={"value": key})
                assert written.json()["version"] == 1, written.text

            await asyncio.gather(*(one(number, key) for number, key in enumerate(keys)))

    asyncio.run(all_at_once())
    assert sum(each["provider"] == "busy" for each in alice.get("/keys").json()) == AT_ONCE
    listed = {each["name"]: each["accessed_count"] for each in alice.get("/shared").json()}
    assert listed["BUSY"] == AT_ONCE
    assert {f"BUSY_{number}" for number in range(AT_ONCE)} <= listed.keys()
    assert alice.get("/audit/verified").status_code == 200
