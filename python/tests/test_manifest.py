"""Manifests: read, written as `.env.example`, held up to a vault; hostile ones end in an error, and soon."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any

import pytest

from strongroom import Keyring, Manifest, ManifestFormat, Vault
from strongroom.errors import InvalidArgumentError, LimitExceededError, ManifestInvalidError, PermissionDeniedError
from strongroom.stores import MemoryStore
from test_vault import VAULTS

CANARY = "canary-7f3a9c51e2"

WHOLE = """
version: 1
environments: [development, production]
entries:
  - {name: POSTGRES_PORT, kind: plain, type: int, default: 5432}
  - {name: POSTGRES_SSL_MODE, kind: plain}
  - name: POSTGRES_PASSWORD
    environments: [production]
    minimum_length: 16
    classes: [lower, upper, digit, symbol]
    sensitivity: critical
    generator: {kind: password, length: 24}
    notify: [dba@corp.test]
    note: Sundays
  - {name: API_KEY, pattern: sk_*}
"""


@pytest.fixture(params=["sync", "asyncio through"])
def vault(request: pytest.FixtureRequest, keyring: Keyring) -> Vault:
    return VAULTS[request.param](keyring, MemoryStore())


def states(report: Any) -> list[tuple[str, str, list[str]]]:
    return [(entry.name, entry.state, entry.weaknesses) for entry in report.entries]


def test_a_manifest_is_read_alike_from_every_format() -> None:
    manifest = Manifest.parse(WHOLE)
    assert manifest.environments == ["development", "production"]
    port, _, password, key = manifest.entries
    assert (port.kind, port.type, port.default, port.required) == ("plain", "int", "5432", True)
    assert password.generator == {
        "kind": "password",
        "length": 24,
        "classes": ["lower", "upper", "digit", "symbol"],
        "symbols": password.generator["symbols"] if password.generator else None,
    }
    assert (password.environments, password.notify, key.pattern) == (["production"], ["dba@corp.test"], "sk_*")
    json_text = '{"version": 1, "entries": [{"name": "A", "minimum_length": 16}]}'
    toml_text = 'version = 1\n[[entries]]\nname = "A"\nminimum_length = 16\n'
    assert Manifest.parse(json_text, format="json") == Manifest.parse(toml_text, format="toml")
    assert Manifest.parse(json_text, format="json") == Manifest.parse(json_text.encode())


def test_a_manifest_is_read_from_a_file_by_how_its_name_ends(tmp_path: Path) -> None:
    for name, text in [("m.yml", WHOLE), ("m.json", '{"version": 1, "entries": []}'), (".env.example", "A_KEY=\n")]:
        (tmp_path / name).write_text(text)
        Manifest.read(tmp_path / name)
    (tmp_path / "m.txt").write_text(WHOLE)
    with pytest.raises(InvalidArgumentError, match="does not tell its format"):
        Manifest.read(tmp_path / "m.txt")
    with pytest.raises(OSError, match="no"):
        Manifest.read(tmp_path / "none" / "no.yml")
    (tmp_path / "long.yml").write_bytes(b"#" * (11 << 20))
    with pytest.raises(LimitExceededError):
        Manifest.read(str(tmp_path / "long.yml"))


def test_an_example_file_is_written_and_read() -> None:
    text = Manifest.parse(WHOLE).to_dotenv_example("production")
    assert "\nPOSTGRES_PORT=5432\n" in text
    assert "# Sundays\nPOSTGRES_PASSWORD=\n" in text
    again = Manifest.parse(text, format="dotenv").entries
    assert [(entry.name, entry.kind, entry.type, entry.default) for entry in again] == [
        ("POSTGRES_PORT", "plain", "int", "5432"),
        ("POSTGRES_SSL_MODE", "plain", "text", None),
        ("POSTGRES_PASSWORD", "secret", "text", None),
        ("API_KEY", "secret", "text", None),
    ]
    with pytest.raises(InvalidArgumentError):
        Manifest.parse(WHOLE).to_dotenv_example("staging")


def test_provision_makes_what_is_missing_and_check_tells_how_all_stands(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = Manifest.parse(WHOLE)
    monkeypatch.delenv("POSTGRES_PORT", raising=False)
    monkeypatch.setenv("POSTGRES_SSL_MODE", "prefer")
    vault.set("API_KEY", "your_api_key_here", actor="alice")
    before = vault.check(manifest, environment="production", actor="alice")
    assert states(before) == [
        ("POSTGRES_PORT", "ok", []),
        ("POSTGRES_SSL_MODE", "weak", ["weak_ssl_mode"]),
        ("POSTGRES_PASSWORD", "missing", []),
        ("API_KEY", "placeholder", ["pattern_not_met", "placeholder"]),
    ]
    assert not before.ok
    made = vault.provision(manifest, environment="production", actor="alice")
    assert [entry.name for entry in made.entries if entry.created] == ["POSTGRES_PASSWORD"]
    assert len(vault.get("POSTGRES_PASSWORD", actor="alice").reveal()) == 24
    monkeypatch.setenv("POSTGRES_SSL_MODE", "verify-full")
    vault.rotate("API_KEY", "sk_live_51H", actor="alice")
    assert vault.check(manifest, environment="production", actor="alice").ok
    assert vault.check(manifest, environment="development", actor="alice").environment == "development"


def test_expired_and_disabled_secrets_are_told_apart(vault: Vault) -> None:
    vault.set("OFF", "x", actor="alice")
    vault.disable("OFF", actor="alice")
    manifest = Manifest.parse("version: 1\nentries: [{name: OFF}, {name: MAYBE, required: false}]")
    report = vault.check(manifest, actor="alice")
    assert states(report) == [("OFF", "disabled", []), ("MAYBE", "missing", [])]


def test_an_environment_that_the_manifest_does_not_have_is_refused(vault: Vault) -> None:
    for environment in ("staging", None):
        with pytest.raises(InvalidArgumentError):
            vault.check(Manifest.parse(WHOLE), environment=environment, actor="alice")
    with pytest.raises(InvalidArgumentError, match="is a `Manifest`"):
        vault.check(WHOLE, actor="alice")  # type: ignore[arg-type]


def test_a_check_needs_the_permission_to_read_and_a_provision_that_to_write(keyring: Keyring) -> None:
    rules = [{"id": "r", "users": ["alice"], "actions": ["read"]}, {"id": "w", "users": ["bob"], "actions": ["write"]}]
    vault = Vault(keyring, MemoryStore(), policy={"rules": rules})
    manifest = Manifest.parse("version: 1\nentries: [{name: A, generator: hex}]")
    with pytest.raises(PermissionDeniedError):
        vault.provision(manifest, actor="alice")
    assert vault.provision(manifest, actor="bob").entries[0].created
    with pytest.raises(PermissionDeniedError):
        vault.check(manifest, actor="bob")
    assert vault.check(manifest, actor="alice").ok


# Hostile texts.

MISTAKES: list[tuple[ManifestFormat, str, str]] = [
    ("yaml", f"version: 1\nentries: [{{name: A, default: {CANARY}}}]", "a secret has none"),
    ("yaml", f"version: 1\nentries: [{{name: A, generator: {CANARY}}}]", "`generator`: the generator is not known"),
    ("yaml", "version: 1\nentries: [{name: A, generator: {kind: hex, bytes: 4}}]", "`generator`: 4 bytes have 32 bits"),
    ("yaml", f"version: 1\nentries:\n- name: A\n  name: {CANARY}\n", "line 3: .* a key twice"),
    ("yaml", f"a: &a {CANARY}\nb: *a\n", "anchors are not read"),
    ("yaml", "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", "anchors are not read"),
    ("yaml", f"!!python/object/apply:os.system [{CANARY}]", "tags are not read"),
    ("yaml", f"%YAML 1.2\n---\n{CANARY}", "directives are not read"),
    ("yaml", f"version: 1\n\t{CANARY}: 1", "the YAML cannot be read, line 1"),
    ("yaml", f"a: '{CANARY}", "a quote is not closed"),
    ("yaml", "version: 1\n---\nversion: 1\n", "a second document"),
    ("json", f'{{"version": 1, "version": "{CANARY}"}}', "a key twice"),
    ("json", f'{{"{CANARY}": ', "line 1"),
    ("toml", f"version = 1\nversion = '{CANARY}'", "a key is there twice"),
    ("dotenv", f"A=1\nA={CANARY}", "line 2: the name is there already"),
    ("dotenv", f"A='{CANARY}", "the quote is not closed"),
]


@pytest.mark.parametrize(("written", "text", "said"), MISTAKES)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_what_is_wrong_is_told_and_nothing_of_it_repeated(
    written: ManifestFormat, text: str, said: str, ends: str
) -> None:
    for start in ("", "\ufeff"):
        with pytest.raises(ManifestInvalidError, match=said) as refused:
            Manifest.parse(start + text.replace("\n", ends), format=written)
        assert CANARY not in str(refused.value)


HOSTILE: list[tuple[ManifestFormat, str]] = [
    ("yaml", "[" * (1 << 20)),
    ("yaml", "- " * (1 << 20)),
    ("yaml", "- x\n" * (1 << 20)),
    ("yaml", "a: &a [" + "x," * 1000 + "]\n" + "".join(f"b{index}: &b{index} [*a,*a,*a]\n" for index in range(1000))),
    ("json", "[" * (1 << 20)),
    ("json", "[" + "1," * (1 << 20)),
    ("json", '{"version": 1, "entries": [' + '{"name": "A"},' * 10_000 + '{"name": "A"}]}'),
    ("toml", "[" * (1 << 20)),
    ("toml", "a." * (1 << 20) + "b = 1"),
    ("toml", "a = 1\n" * (1 << 20)),
    ("dotenv", "A=1\n" * (1 << 20)),
    ("dotenv", "A='" + "x" * (11 << 20)),
    *[(written, "x" * (10 << 20)) for written in ("yaml", "json", "toml", "dotenv")],
    *[(written, "#" * (11 << 20)) for written in ("yaml", "json", "toml", "dotenv")],
]


@pytest.mark.parametrize(("written", "text"), HOSTILE)
def test_hostile_texts_end_in_an_error_in_bounded_time_and_memory(written: ManifestFormat, text: str) -> None:
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises((ManifestInvalidError, LimitExceededError)):
        Manifest.parse(text, format=written)
    assert time.monotonic() - began < 20
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 512 * 1024, f"{grown} KiB"


def test_a_format_that_is_not_known_is_refused() -> None:
    with pytest.raises(InvalidArgumentError):
        Manifest.parse("", format="ini")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Manifest()
