"""What the admin panel is served: ciphertext that opens with the key alone, and a store for a vault elsewhere."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from service import Service
from strongroom import Actor, Keyring, Vault
from strongroom.errors import NotAuthenticError
from strongroom.stores import CommitAnswer

from leakscan import make_canary

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
        assert set(row) == {
            "id", "owner", "provider", "encrypted_key", "associated_data", "created_at", "last_used",
        }  # fmt: skip
        assert row["associated_data"] == f"api_keys:{row['id']}:alice:stripe"
        opened = keyring.decrypt(row["encrypted_key"], associated_data=row["associated_data"], formats=["sealed"])
        assert opened.decode() == keys[row["id"]]
    with pytest.raises(NotAuthenticError):
        keyring.decrypt(rows[0]["encrypted_key"], associated_data=rows[1]["associated_data"])


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
        ("commit", {"change_set": {}}),
        ("commit", {"change_set": {}, "more": 1}),
    ],
)
def test_what_is_no_request_of_a_vault_is_refused(panel: httpx.Client, callback: str, body: Any) -> None:
    headers = {"Content-Type": "application/json"}
    answer = panel.post(f"/panel/api/store/{callback}", content=json.dumps(body), headers=headers)
    assert answer.status_code == 422
    assert answer.json()["code"] in ("REQUEST_INVALID", "INVALID_ARGUMENT")


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
