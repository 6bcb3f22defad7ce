"""What the admin panel is served: ciphertext that opens with the key alone, and a store for a vault elsewhere."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from service import Service
from strongroom import Actor, Keyring, Vault
from strongroom.errors import NotAuthenticError
from strongroom.stores import CommitAnswer

from leakscan import Scanner, make_canary

ADMIN = Actor("admin", platform="panel")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("backend")) as service:
        yield service


@pytest.fixture
def alice(service: Service) -> Iterator[httpx.Client]:
    with service.client("alice") as client:
        yield client


@pytest.fixture
def panel(service: Service) -> Iterator[httpx.Client]:
    with service.client("panel") as client:
        yield client


class PanelStore:
    """A store as the panel has it, over HTTP."""

    def __init__(self, panel: httpx.Client) -> None:
        self._panel = panel

    def load(self, keys: list[dict[str, Any]], /) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = self._ask("load", {"keys": keys})
        return records

    def list(self, query: dict[str, Any], cursor: str | None, /) -> dict[str, Any]:
        page: dict[str, Any] = self._ask("list", {"query": query, "cursor": cursor})
        return page

    def commit(self, change_set: dict[str, Any], /) -> CommitAnswer:
        answer: CommitAnswer = self._ask("commit", {"change_set": change_set})
        return answer

    def events(self, query: dict[str, Any], cursor: str | None, /) -> dict[str, Any]:
        page: dict[str, Any] = self._ask("events", {"query": query, "cursor": cursor})
        return page

    def _ask(self, callback: str, body: dict[str, Any]) -> Any:
        answer = self._panel.post(f"/panel/api/store/{callback}", json=body)
        answer.raise_for_status()
        return answer.json()


def place_of(row: dict[str, str]) -> str:
    """What a row's value is bound to, as the panel makes it of what it shows."""
    return f"api_keys:{row['id']}:{row['owner']}:{row['provider']}"


def change_set(**changes: Any) -> dict[str, Any]:
    """What a holder of the panel's token may commit, with no key at all."""
    nothing: dict[str, Any] = {name: [] for name in ("puts", "deletes", "checks", "counters", "events")}
    return {"operation_id": secrets.token_hex(16), **nothing, **changes}


def test_the_panel_gets_rows_that_open_with_the_key_and_in_their_place_alone(
    service: Service, alice: httpx.Client, panel: httpx.Client
) -> None:
    keys = {
        alice.post("/keys", json={"provider": "stripe", "key": key}).json()["id"]: key for key in (make_canary(),) * 2
    }
    rows = panel.get("/panel/api/secrets").json()
    assert [row["id"] for row in rows] == list(keys)
    keyring = Keyring.parse(service.key)
    for row in rows:
        assert set(row) == {"id", "owner", "provider", "encrypted_key", "created_at", "last_used"}
        assert (row["owner"], row["provider"]) == ("alice", "stripe")
        opened = keyring.decrypt(row["encrypted_key"], associated_data=place_of(row), formats=["sealed"])
        assert opened.decode() == keys[row["id"]]
    with pytest.raises(NotAuthenticError):
        keyring.decrypt(rows[0]["encrypted_key"], associated_data=place_of(rows[1]))


def test_a_vault_of_the_panel_and_the_service_s_are_one(
    service: Service, alice: httpx.Client, panel: httpx.Client
) -> None:
    vault = Vault(Keyring.parse(service.key), PanelStore(panel))
    of_alice, of_admin = make_canary(), make_canary()
    alice.post("/shared/OF_ALICE", json={"value": of_alice})
    assert vault.get("OF_ALICE", actor=ADMIN).reveal() == of_alice
    vault.set("OF_ADMIN", of_admin, actor=ADMIN)
    signed = alice.post("/shared/OF_ADMIN/sign", json={"payload": "x"}).json()
    assert signed == {"signature": hmac.new(of_admin.encode(), b"x", hashlib.sha256).hexdigest()}
    assert {secret.name for secret in vault.list(actor=ADMIN)} == {"OF_ALICE", "OF_ADMIN"}
    vault.delete("OF_ALICE", actor=ADMIN)
    assert [each["name"] for each in alice.get("/shared").json()] == ["OF_ADMIN"]
    told = [(event["action"], event["actor"], event["platform"]) for event in alice.get("/audit").json()]
    assert ("delete", "admin", "panel") in told
    assert vault.verify_audit(actor=ADMIN).vault_id == alice.get("/audit/verified").json()["vault_id"]


@pytest.mark.parametrize(
    ("callback", "body"),
    [
        ("load", {}),
        ("load", {"keys": "A"}),
        ("load", {"keys": [{"kind": "secret", "namespace": "default", "name": "\ud800"}]}),
        ("load", {"keys": [{"kind": "table", "namespace": "default", "name": "A"}]}),
        ("list", {"query": {"kind": "secret", "namespace": None, "limit": 1e300}, "cursor": None}),
        ("list", {"query": {"kind": "secret", "namespace": None}, "cursor": None}),
        ("events", {"query": {"scope": "latest"}, "cursor": None}),
        ("events", {"query": {"scope": "everything", "limit": 10}, "cursor": None}),
        *[
            ("list", {"query": {"kind": "secret", "namespace": None, "limit": n}, "cursor": None})
            for n in (0, -1, 1001)
        ],
        *[("events", {"query": {"scope": "latest", "limit": n}, "cursor": None}) for n in (0, -1, 1001)],
        *[
            ("list", {"query": {"kind": "secret", "namespace": None, "by": by, "limit": 1}, "cursor": None})
            for by in ("due", {}, {"due": "x"}, {"due": 1e300}, {"due": 1, "expired": 1}, {"name": "A"})
        ],
        *[
            ("list", {"query": {"kind": kind, "namespace": None, "limit": 10}, "cursor": cursor})
            for kind in ("secret", "stream")
            for cursor in ("", "garbage", "[", '["a"]', '{"a": 1}', '["a", ["b"]]', "[" * 100_000, "1.5", "true")
        ],
        *[
            ("events", {"query": {"scope": scope, "limit": 10}, "cursor": cursor})
            for scope in ("latest", "chained", "unchained")
            for cursor in ("garbage", "[", "1; DROP TABLE secrets_audit")
        ],
        ("commit", {"change_set": {}}),
        ("commit", {"change_set": {}, "more": 1}),
    ],
)
def test_what_is_no_request_of_a_vault_is_refused(panel: httpx.Client, callback: str, body: Any) -> None:
    headers = {"Content-Type": "application/json"}
    answer = panel.post(f"/panel/api/store/{callback}", content=json.dumps(body), headers=headers)
    assert answer.status_code == 422
    assert answer.json()["code"] in ("REQUEST_INVALID", "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("callback", "body"),
    [
        ("load", {"keys": [{"kind": "secret", "namespace": "default", "name": "A", "CANARY": 1}]}),
        ("load", {"keys": [{"kind": "CANARY", "namespace": "default", "name": "A"}]}),
        ("load", {"keys": [{"kind": "secret", "namespace": "default", "name": "A", "CANARY\ud800": 1}]}),
        ("load", {"keys": [], "CANARY": 1}),
        ("list", {"query": {"kind": "CANARY", "namespace": None, "limit": 10}, "cursor": None}),
        ("list", {"query": {"kind": "secret", "namespace": None, "limit": 10, "CANARY": 1}, "cursor": None}),
        ("list", {"query": {"kind": "secret", "namespace": None, "limit": 10}, "cursor": "CANARY"}),
        ("list", {"query": {"kind": "secret", "namespace": None, "by": {"CANARY": 1}, "limit": 10}, "cursor": None}),
        ("events", {"query": {"scope": "CANARY", "limit": 10}, "cursor": None}),
        ("events", {"query": {"scope": {"CANARY": {}}, "limit": 10}, "cursor": None}),
        ("events", {"query": {"scope": {"CANARY\ud800": {}}, "limit": 10}, "cursor": None}),
        ("commit", {"change_set": change_set(CANARY=[])}),
        ("commit", {"change_set": change_set(events=[{"CANARY": 1}])}),
        ("commit", {"change_set": {"CANARY\ud800": 1}}),
    ],
)
def test_what_the_panel_sent_is_not_repeated_when_it_is_refused(
    service: Service, panel: httpx.Client, callback: str, body: Any
) -> None:
    # Small letters alone, as the names of fields are: those the vault's own messages repeat.
    canary = secrets.token_hex(16).translate(str.maketrans("0123456789", "ghijklmnop"))
    text = json.dumps(body).replace("CANARY", canary)
    headers = {"Content-Type": "application/json"}
    answer = panel.post(f"/panel/api/store/{callback}", content=text, headers=headers)
    assert answer.status_code == 422
    scanner = Scanner(canary)
    assert scanner.find("what was sent", text)
    assert scanner.find("the answer", answer.text) == []
    assert scanner.find("the log", service.log) == []


def test_pages_go_on_where_the_last_one_ended(alice: httpx.Client, panel: httpx.Client) -> None:
    names = [f"PAGED_{number}" for number in range(3)]
    for name in names:
        assert alice.post(f"/shared/{name}", json={"value": "x"}).status_code == 200
    store = PanelStore(panel)

    def ends(ask: Callable[[str | None], dict[str, Any]]) -> int:
        pages, cursor = 0, None
        while (cursor := ask(cursor)["cursor"]) is not None:
            pages += 1
        return pages

    for kind in ("secret", "stream"):
        query = {"kind": kind, "namespace": None, "limit": 1}
        assert ends(lambda cursor, query=query: store.list(query, cursor)) >= len(names)  # type: ignore[misc]
    due = {"kind": "secret", "namespace": None, "by": {"due": 10**14}, "limit": 1}
    assert ends(lambda cursor: store.list(due, cursor)) >= len(names)
    slot = {"slot": {"namespace": "default", "name": names[0]}}
    for scope, at_least in (("latest", 3), ("chained", 3), ("unchained", 0), (slot, 1)):
        asked = {"scope": scope, "limit": 1}
        assert ends(lambda cursor, asked=asked: store.events(asked, cursor)) >= at_least  # type: ignore[misc]


def test_an_event_that_the_panel_s_token_forged_is_told_as_outside_the_chain_and_found(tmp_path: Path) -> None:
    with Service(tmp_path) as service, service.client("alice") as alice, service.client("panel") as panel:
        alice.post("/shared/A", json={"value": make_canary()})
        before = alice.get("/audit/verified").json()
        assert before["unchained"] == 0
        forged = {"namespace": "default", "name": "A", "action": "get", "actor": "mallory", "outcome": "success"}
        assert PanelStore(panel).commit(change_set(events=[{**forged, "success": True}])) == "committed"
        told = {(event["actor"], event["action"]): event["chained"] for event in alice.get("/audit?name=A").json()}
        assert told == {("mallory", "get"): False, ("alice", "set"): True}
        found = alice.get("/audit/verified")
        assert (found.status_code, found.json()) == (500, {"code": "AUDIT_TAMPERED"})


def test_an_event_of_the_panel_s_token_that_claims_a_place_in_the_chain_is_refused(tmp_path: Path) -> None:
    with Service(tmp_path) as service, service.client("alice") as alice, service.client("panel") as panel:
        alice.post("/shared/A", json={"value": make_canary()})
        forged = {"stream": "vault", "seq": 1000, "namespace": "default", "name": "A", "action": "get", "mac": "0" * 64}
        assert PanelStore(panel).commit(change_set(events=[forged])) == "committed"
        refused = alice.get("/audit?name=A")
        assert (refused.status_code, refused.json()) == (500, {"code": "AUDIT_TAMPERED"})


def test_a_secret_that_the_panel_s_token_deleted_is_missed(tmp_path: Path) -> None:
    with Service(tmp_path) as service, service.client("alice") as alice, service.client("panel") as panel:
        alice.post("/shared/A", json={"value": make_canary()})
        store = PanelStore(panel)
        items = [
            item
            for kind in ("secret", "stream")
            for item in store.list({"kind": kind, "namespace": None, "limit": 10}, None)["items"]
            if item["key"]["name"] != "vault"
        ]
        assert len(items) == 2
        gone = [{"key": item["key"], "expected": {"revision": item["revision"]}} for item in items]
        assert store.commit(change_set(deletes=gone)) == "committed"
        assert alice.get("/shared").json() == []
        found = alice.get("/audit/verified")
        assert (found.status_code, found.json()) == (500, {"code": "AUDIT_TAMPERED"})


def test_the_panel_s_files_are_served_under_a_strict_policy(tmp_path: Path) -> None:
    files = tmp_path / "public"
    files.mkdir()
    (files / "index.html").write_text("<!doctype html><title>panel</title>")
    (files / "module.wasm").write_bytes(b"\0asm")
    (tmp_path / "outside").write_text("not for the panel")
    with Service(tmp_path, PANEL_DIR=str(files)) as service, service.client(None) as anybody:
        page = anybody.get("/panel/")
        assert page.text == "<!doctype html><title>panel</title>"
        assert "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'" in page.headers["Content-Security-Policy"]
        assert page.headers["Cache-Control"] == "no-store"
        assert anybody.get("/panel/module.wasm").headers["Content-Type"] == "application/wasm"
        assert anybody.get("/panel").headers["Location"] == f"{service.url}/panel/"
        assert anybody.get("/panel/../outside").status_code == 404
        assert anybody.get("/panel/%2e%2e/outside").status_code == 404
        assert anybody.get("/panel/api/secrets").status_code == 401


def test_without_its_token_there_is_no_panel(tmp_path: Path) -> None:
    with Service(tmp_path, PANEL_TOKEN=None, PANEL_DIR=str(tmp_path)) as service, service.client("panel") as panel:
        for path in ("/panel/", "/panel/api/secrets"):
            assert panel.get(path).status_code == 404
