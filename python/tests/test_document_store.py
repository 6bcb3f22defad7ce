"""A vault in a bucket with conditional puts, over HTTP, whatever the bucket does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Literal

import pytest

from behaviour import StoreBehaviour, change_set, event
from bucket import Bucket, Client, Fault, serving
from strongroom import Keyring, Vault, aio
from strongroom.errors import LimitExceededError, StorageFailedError, StrongroomError
from strongroom.stores import AsyncDocumentStore, DocumentStore, NothingAppliedError
from strongroom.testing import check_store, check_store_async

KEYRING = Keyring.generate()


class Memory:
    """A place for one text, in memory."""

    def __init__(self) -> None:
        self.content: bytes | None = None
        self.version = 0

    def read(self) -> tuple[bytes, int] | None:
        return None if self.content is None else (self.content, self.version)

    def write(self, content: bytes, tag: int | None) -> Literal["written", "conflict"]:
        if tag != (None if self.content is None else self.version):
            return "conflict"
        self.content = content
        self.version += 1
        return "written"


class TestDocumentStore(StoreBehaviour):
    @pytest.fixture
    def store(self) -> DocumentStore[int]:
        place = Memory()
        return DocumentStore(place.read, place.write)


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def client(bucket: Bucket) -> Iterator[Client]:
    with serving(bucket) as client:
        yield client


@pytest.fixture
def vault(client: Client) -> Vault:
    vault = Vault(KEYRING, DocumentStore(client.read, client.write))
    vault.set("A", "sk_test_abc123", actor="alice")
    return vault


def asynchronous(client: Client) -> AsyncDocumentStore[str]:
    async def read() -> tuple[bytes, str] | None:
        return await asyncio.to_thread(client.read)

    async def write(content: bytes, tag: str | None) -> Literal["written", "conflict"]:
        return await asyncio.to_thread(client.write, content, tag)

    return AsyncDocumentStore(read, write)


def test_the_kit_passes_a_bucket(client: Client) -> None:
    assert len(check_store(DocumentStore(client.read, client.write))) == 15


def test_the_kit_passes_a_bucket_that_is_awaited(client: Client) -> None:
    assert len(asyncio.run(check_store_async(asynchronous(client)))) == 15


def test_a_vault_of_asyncio_works_on_it_in_several_tasks_and_loops(client: Client, bucket: Bucket) -> None:
    vault = aio.Vault(KEYRING, asynchronous(client))

    async def main(turn: int) -> str:
        await vault.set(f"A{turn}", "sk_test_abc123", actor="alice")
        await asyncio.gather(*(vault.set(f"B{turn}{each}", "sk_test_abc123", actor="alice") for each in range(5)))
        return (await vault.get(f"A{turn}", actor="alice")).reveal()

    assert [asyncio.run(main(turn)) for turn in range(2)] == ["sk_test_abc123"] * 2
    assert 412 not in bucket.puts


@pytest.mark.parametrize("fault", ["failed after", "lost after", "late", "lost before", "refused before"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_put_whose_end_is_not_known_is_found_out_and_done_once(
    vault: Vault, client: Client, bucket: Bucket, fault: Fault, times: int
) -> None:
    if fault == "late":
        client.timeout = 0.3
    puts = bucket.puts.count(200)
    bucket.faults["PUT"] = [fault] * times
    assert vault.set("A", "sk_test_abc124", actor="alice").version == 2
    assert bucket.puts.count(200) == puts + 1
    assert vault.get("A", actor="alice").reveal() == "sk_test_abc124"
    assert [event.action for event in vault.audit("A", actor="alice")] == ["get", "set", "set"]
    assert vault.verify_audit(actor="alice").events > 0


def test_a_put_that_always_fails_is_an_error_that_says_what_is_not_known(vault: Vault, bucket: Bucket) -> None:
    bucket.faults["PUT"] = ["refused before"] * 3
    with pytest.raises(StorageFailedError, match="not known whether the change was applied") as caught:
        vault.set("A", "sk_test_abc124", actor="alice")
    assert str(caught.value.__cause__) == "the bucket answered 503"
    assert vault.get("A", actor="alice").reveal() == "sk_test_abc123"


def test_a_put_that_others_came_before_is_made_again(vault: Vault, bucket: Bucket) -> None:
    bucket.faults["PUT"] = ["conflict"] * 7
    assert vault.set("A", "sk_test_abc124", actor="alice").version == 2


class Failing(Memory):
    """A place whose writes are conflicts, and whose reads are broken from the one of this number on."""

    def __init__(self, broken_from: int, *, is_cut: bool) -> None:
        super().__init__()
        self.left = broken_from
        self.is_cut = is_cut

    def read(self) -> tuple[bytes, int] | None:
        self.left -= 1
        if self.left >= 0:
            return super().read()
        if self.is_cut:
            return b"{", 1
        raise OSError("the bucket is away")

    def write(self, content: bytes, tag: int | None) -> Literal["written", "conflict"]:
        return "conflict"


@pytest.mark.parametrize("is_cut", [False, True])
@pytest.mark.parametrize("broken_from", [0, 1])
def test_what_was_applied_is_known_only_to_a_document_that_is_refused_before_a_write(
    broken_from: int, is_cut: bool
) -> None:
    place = Failing(broken_from, is_cut=is_cut)

    async def read() -> tuple[bytes, int] | None:
        return place.read()

    async def write(content: bytes, tag: int | None) -> Literal["written", "conflict"]:
        return place.write(content, tag)

    change = change_set(events=[event()])
    commits: list[Callable[[], object]] = [
        lambda: DocumentStore(place.read, place.write).commit(change),
        lambda: asyncio.run(AsyncDocumentStore(read, write).commit(change)),
    ]
    for commit in commits:
        place.left = broken_from
        with pytest.raises((OSError, StrongroomError, NothingAppliedError)) as caught:
            commit()
        assert isinstance(caught.value, NothingAppliedError) == (is_cut and broken_from == 0)


def test_a_read_that_fails_before_a_write_is_tried_is_made_again(vault: Vault, bucket: Bucket, client: Client) -> None:
    reads = 0

    def read() -> tuple[bytes, str] | None:
        nonlocal reads
        reads += 1
        # The first is the vault's look at the secret, the second that of its commit.
        if reads == 2:
            raise OSError("the bucket is away")
        return client.read()

    again = Vault(KEYRING, DocumentStore(read, client.write))
    assert again.set("A", "sk_test_abc124", actor="alice").version == 2


def test_what_is_read_late_is_not_written_over(vault: Vault, bucket: Bucket) -> None:
    vault.set("A", "sk_test_abc124", actor="alice")
    bucket.faults["GET"] = ["stale", "stale"]
    assert vault.set("B", "sk_test_abc125", actor="alice").version == 1
    assert vault.get("A", actor="alice").reveal() == "sk_test_abc124"
    assert vault.get("B", actor="alice").reveal() == "sk_test_abc125"
    assert 412 in bucket.puts
    assert vault.verify_audit(actor="alice").events > 0


def test_a_tag_that_is_not_the_content_s_lets_nothing_be_overwritten(vault: Vault, bucket: Bucket) -> None:
    bucket.faults["GET"] = ["other tag"] * 2
    assert vault.set("A", "sk_test_abc124", actor="alice").version == 2
    assert vault.get("A", actor="alice").reveal() == "sk_test_abc124"
    assert 412 in bucket.puts


def test_half_an_answer_is_no_vault(vault: Vault, bucket: Bucket) -> None:
    bucket.faults["GET"] = ["cut"]
    with pytest.raises(StorageFailedError, match=r"^Failed to load secrets") as caught:
        vault.get("A", actor="alice")
    assert isinstance(caught.value.__cause__, StrongroomError)
    assert "cut short" in str(caught.value.__cause__)
    assert vault.get("A", actor="alice").reveal() == "sk_test_abc123"


def test_two_writers_lose_nothing(client: Client, bucket: Bucket) -> None:
    Vault(KEYRING, DocumentStore(client.read, client.write)).set("A", "sk_test_abc123", actor="alice")

    def work(number: int) -> None:
        vault = Vault(KEYRING, DocumentStore(client.read, client.write))
        for turn in range(10):
            vault.set(f"N{number}_{turn}", "sk_test_abc123", actor="alice")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    vault = Vault(KEYRING, DocumentStore(client.read, client.write))
    assert len(vault.list(actor="alice")) == 31
    assert vault.verify_audit(actor="alice").events > 0


def test_a_document_that_grows_too_long_is_refused_before_it_is_written(vault: Vault, bucket: Bucket) -> None:
    content = bucket.content
    assert content is not None
    with serving(bucket) as client:
        bounded = Vault(KEYRING, DocumentStore(client.read, client.write, limit=len(content) + 100))
        with pytest.raises(StorageFailedError, match="applied nothing") as caught:
            bounded.set("B", "sk_test_abc124", actor="alice")
    assert isinstance(caught.value.__cause__, LimitExceededError)
    assert bucket.content == content


def test_callbacks_that_answer_otherwise_are_an_error() -> None:
    with pytest.raises(TypeError, match="'written' or 'conflict'"):
        DocumentStore(lambda: None, lambda _content, _tag: True).commit(  # type: ignore[arg-type, return-value]
            {"operation_id": "ab" * 16, "puts": [], "deletes": [], "checks": [], "counters": [], "events": []}
        )
