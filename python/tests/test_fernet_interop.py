"""`strongroom.fernet` in programs that use `cryptography.fernet` as well: mixed rings, `except` clauses of either."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import re
import subprocess
import sys
import weakref
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from cryptography import fernet as theirs

from strongroom import fernet as ours

MODULES = [ours, theirs]
NAMES = ["ours", "theirs"]
AT = 1_600_000_000


@pytest.mark.parametrize("several", MODULES, ids=NAMES)
@pytest.mark.parametrize("second", MODULES, ids=NAMES)
@pytest.mark.parametrize("first", MODULES, ids=NAMES)
def test_a_ring_of_both_modules_fernets_does_all_that_a_ring_does(first: Any, second: Any, several: Any) -> None:
    new, old = first.Fernet.generate_key(), second.Fernet.generate_key()
    ring = several.MultiFernet([first.Fernet(new), second.Fernet(old)])
    for key in (new, old):
        for made_by in MODULES:
            token = made_by.Fernet(key).encrypt_at_time(b"value", AT)
            assert ring.decrypt(token) == ring.decrypt(token.decode()) == b"value"
            assert ring.decrypt(token, ttl=10**10) == ring.decrypt_at_time(token, 5, AT + 5) == b"value"
            assert ring.extract_timestamp(token) == AT
            with pytest.raises(several.InvalidToken):
                ring.decrypt(token, ttl=5)
            with pytest.raises(several.InvalidToken):
                ring.decrypt_at_time(token, 5, AT + 6)
            rotated = ring.rotate(token)
            for read_by in MODULES:
                assert read_by.Fernet(new).decrypt(rotated) == b"value"
                assert read_by.Fernet(new).extract_timestamp(rotated) == AT
    assert theirs.Fernet(new).decrypt(ring.encrypt(b"x")) == ours.Fernet(new).decrypt(ring.encrypt(b"x")) == b"x"
    stranger = ours.Fernet(ours.Fernet.generate_key()).encrypt(b"x")
    for refused in (ring.decrypt, ring.rotate, ring.extract_timestamp):
        with pytest.raises(several.InvalidToken):
            refused(stranger)


PROGRAM = """
import sys
{imports}
from strongroom.fernet import Fernet, MultiFernet

token = Fernet(Fernet.generate_key()).encrypt(b"x")
stranger = Fernet(Fernet.generate_key())
ring = MultiFernet([stranger])
for call in (
    lambda: stranger.decrypt(token), lambda: stranger.decrypt(token, 5), lambda: stranger.decrypt_at_time(token, 5, 5),
    lambda: stranger.extract_timestamp(token), lambda: stranger.decrypt("nonsense"),
    lambda: ring.decrypt(token), lambda: ring.decrypt(token, 5), lambda: ring.decrypt_at_time(token, 5, 5),
    lambda: ring.extract_timestamp(token), lambda: ring.rotate(token),
):
    {late}
    try:
        call()
    except {caught} as error:
        assert type(error).__name__ == "InvalidToken" and str(error) == "", repr(error)
    else:
        raise SystemExit("nothing was raised")
print(sorted(name for name in sys.modules if name.partition(".")[0] == "cryptography"))
"""
THEIR_IMPORT = "from cryptography.fernet import InvalidToken as Theirs"
OUR_IMPORT = "from strongroom.fernet import InvalidToken as Ours"


def run(imports: str, caught: str, late: str = "pass") -> str:
    program = PROGRAM.format(imports=imports, caught=caught, late=late)
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("caught", ["Ours", "Theirs", "(ValueError, Theirs)"])
@pytest.mark.parametrize(
    ("imports", "late"),
    [
        (f"{THEIR_IMPORT}\n{OUR_IMPORT}", "pass"),
        (f"{OUR_IMPORT}\n{THEIR_IMPORT}", "pass"),
        # As in a function of the program that is run late.
        (OUR_IMPORT, THEIR_IMPORT),
    ],
    ids=["theirs first", "ours first", "theirs late"],
)
def test_an_except_clause_of_either_module_catches(imports: str, late: str, caught: str) -> None:
    assert "cryptography.fernet" in run(imports, caught, late)


def test_cryptography_is_not_imported_where_it_was_not() -> None:
    assert run(OUR_IMPORT, "Ours") == "[]"


def test_it_works_where_cryptography_cannot_be_imported_or_is_ours_by_another_name() -> None:
    assert run(f"sys.modules['cryptography.fernet'] = None\n{OUR_IMPORT}", "Ours") == "['cryptography.fernet']"
    renamed = "import strongroom.fernet; sys.modules['cryptography.fernet'] = strongroom.fernet"
    assert run(f"{renamed}\n{OUR_IMPORT}\n{THEIR_IMPORT}", "Theirs") == "['cryptography.fernet']"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])  # noqa: S301
def test_an_invalid_token_is_copied_and_pickled(copied: Callable[[Exception], Exception]) -> None:
    with pytest.raises(ours.InvalidToken) as raised:
        ours.Fernet(ours.Fernet.generate_key()).decrypt("nonsense")
    for error in (raised.value, ours.InvalidToken("words", 5)):
        error.note = "kept"  # type: ignore[attr-defined]
        other = copied(error)
        assert isinstance(other, ours.InvalidToken)
        assert isinstance(other, theirs.InvalidToken)
        assert (other.args, vars(other)) == (error.args, {"note": "kept"})


class OfAProgram(ours.InvalidToken):
    pass


def test_a_programs_own_subclass_stays_what_it_is() -> None:
    assert type(pickle.loads(pickle.dumps(OfAProgram("words")))) is OfAProgram  # noqa: S301
    assert copy.copy(OfAProgram("words")).args == ("words",)


def test_a_pickle_of_one_process_is_caught_in_another() -> None:
    make = "import pickle; from strongroom.fernet import InvalidToken; print(pickle.dumps(InvalidToken()).hex())"
    made = subprocess.run([sys.executable, "-c", make], capture_output=True, text=True, check=True).stdout
    error = pickle.loads(bytes.fromhex(made))  # noqa: S301
    assert isinstance(error, theirs.InvalidToken)
    read = (
        f"import pickle, sys; error = pickle.loads(bytes.fromhex('{pickle.dumps(error).hex()}'));"
        "print(type(error), [*sys.modules].count('cryptography'))"
    )
    told = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True, check=True).stdout
    assert told == "<class 'strongroom.fernet.InvalidToken'> 0\n"


def public_methods(of: type) -> dict[str, inspect.Signature]:
    public = [name for name in dir(of) if name[:1] != "_" or name == "__init__"]
    return {name: inspect.signature(getattr(of, name)) for name in public}


@pytest.mark.parametrize("name", ["Fernet", "MultiFernet"])
def test_public_methods_have_the_same_signatures(name: str) -> None:
    mine, other = (public_methods(getattr(module, name)) for module in MODULES)
    assert len(other) >= 6
    assert mine.keys() == other.keys()
    for method in other:
        assert [*mine[method].parameters] == [*other[method].parameters], method
        for mine_parameter, other_parameter in zip(
            mine[method].parameters.values(), other[method].parameters.values(), strict=True
        ):
            assert str(mine_parameter).replace("typing.", "") == str(other_parameter).replace("typing.", ""), method
        # `MultiFernet.__init__` of theirs says nothing of what it returns.
        if other[method].return_annotation is not inspect.Signature.empty:
            assert mine[method].return_annotation == other[method].return_annotation, method


TYPED = """
from collections.abc import Iterable

from {module} import Fernet, InvalidToken, MultiFernet


def rotated(keys: Iterable[str | bytes], token: str | bytes, ttl: int | None = None) -> tuple[bytes, int] | None:
    ring = MultiFernet(Fernet(key, backend=None) for key in keys)
    try:
        value: bytes = ring.decrypt(msg=token, ttl=ttl)
        at: int = ring.extract_timestamp(token)
        again: bytes = ring.encrypt_at_time(msg=value, current_time=at)
        assert ring.decrypt_at_time(msg=again, ttl=5, current_time=at) == value
        return ring.rotate(msg=ring.encrypt(msg=value)), at
    except InvalidToken as error:
        problem: Exception = error
        print(problem)
        return None


def one(data: bytes) -> bytes:
    key: bytes = Fernet.generate_key()
    fernet = Fernet(key=key)
    token: bytes = fernet.encrypt(data=data)
    fernet.encrypt_at_time(data=data, current_time=5)
    fernet.decrypt_at_time(token=token, ttl=5, current_time=fernet.extract_timestamp(token=token.decode()))
    return fernet.decrypt(token=token, ttl=None)


print(one(b"x"), rotated([Fernet.generate_key()], "nonsense"))
"""
ILL_TYPED = """
from {module} import Fernet, MultiFernet

Fernet(5)
Fernet(b"").encrypt("text")
Fernet(b"").decrypt(b"", ttl="5")
Fernet(b"").decrypt_at_time(b"", None, 5)
MultiFernet(5)
MultiFernet([Fernet(b"")]).rotate(None)
"""


def test_a_type_checker_says_the_same_of_both_modules(tmp_path: Any) -> None:
    api = importlib.import_module("mypy.api")
    told = []
    for module in ("strongroom.fernet", "cryptography.fernet"):
        for name, program in (("typed", TYPED), ("ill_typed", ILL_TYPED)):
            file = tmp_path / f"{name}.py"
            file.write_text(program.format(module=module))
            report = api.run(["--strict", "--no-error-summary", "--cache-dir", str(tmp_path), str(file)])[0]
            told.append(re.findall(r"(?m):(\d+): error: .*\[([a-z-]+)\]$", report))
            assert len(told[-1]) == report.count("error:"), report
    typed, ill_typed, their_typed, their_ill_typed = told
    assert typed == their_typed == []
    assert ill_typed == their_ill_typed
    assert len(ill_typed) == 6, ill_typed
    for module in ("strongroom.fernet", "cryptography.fernet"):
        (tmp_path / "typed.py").write_text(TYPED.format(module=module))
        done = subprocess.run([sys.executable, tmp_path / "typed.py"], capture_output=True, text=True, check=True)
        assert done.stdout == "\nb'x' None\n"


def test_a_fernet_can_be_copied_patched_and_inherited_from() -> None:
    class Fixed(ours.Fernet):
        def encrypt(self, data: bytes) -> bytes:
            return self.encrypt_at_time(data, AT)

    fixed = Fixed(Fixed.generate_key())
    fixed.name = "primary"  # type: ignore[attr-defined]
    for copied in (copy.copy(fixed), copy.deepcopy(fixed), copy.deepcopy(ours.MultiFernet([fixed]))):
        assert copied.extract_timestamp(fixed.encrypt(b"x")) == AT
        assert copied.decrypt(fixed.encrypt(b"x")) == fixed.decrypt(copied.encrypt(b"x")) == b"x"
    assert vars(copy.deepcopy(fixed))["name"] == "primary"
    ring = ours.MultiFernet([fixed])
    assert ring.extract_timestamp(ring.rotate(fixed.encrypt(b"x"))) == AT
    with mock.patch.object(fixed, "decrypt", side_effect=ours.InvalidToken), pytest.raises(ours.InvalidToken):
        fixed.decrypt(fixed.encrypt(b"x"))
    assert weakref.ref(fixed)() is fixed
    assert weakref.ref(ring)() is ring
