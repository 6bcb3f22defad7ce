"""The package itself: its documentation runs, its types say what the native part has."""

from __future__ import annotations

import ast
import builtins
import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import strongroom
from strongroom import _native

MODULES = sorted({"strongroom", *(m.name for m in pkgutil.walk_packages(strongroom.__path__, "strongroom."))})
STUB = Path(_native.__file__).with_name("_native.pyi")


@pytest.mark.parametrize("name", [name for name in MODULES if name != "strongroom._native"])
def test_the_examples_in_the_documentation_run(name: str) -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner()
    for test in finder.find(importlib.import_module(name)):
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


def test_there_are_examples_to_run() -> None:
    found = [
        test.name
        for name in MODULES
        for test in doctest.DocTestFinder().find(importlib.import_module(name))
        if test.examples
    ]
    names = {"Keyring", "Secret", "Vault", "mask", "SQLiteStore", "StrongroomError"}
    assert names <= {name.rpartition(".")[2] for name in found}


def test_everything_exported_is_there_and_documented() -> None:
    for name in strongroom.__all__:
        exported = getattr(strongroom, name)
        if inspect.isclass(exported) or inspect.isfunction(exported):
            assert exported.__doc__, name
    for public in (strongroom.Vault, strongroom.Keyring, strongroom.Secret):
        for name, method in inspect.getmembers(public, inspect.isfunction):
            assert name.startswith("_") or method.__doc__, f"{public.__name__}.{name}"


# The stub against the module.


def stub_members() -> dict[str, ast.FunctionDef | ast.ClassDef]:
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def native_members() -> dict[str, object]:
    return {name: member for name, member in vars(_native).items() if not name.startswith("__")}


def parameters_of_stub(function: ast.FunctionDef) -> list[str]:
    return [argument.arg for argument in function.args.posonlyargs + function.args.args if argument.arg != "self"]


def parameters_of_native(function: object) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]  # type: ignore[arg-type]


def methods_of_stub(of: ast.ClassDef) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in of.body if isinstance(node, ast.FunctionDef)}


def methods_of_native(of: object) -> dict[str, object]:
    return {name: member for name, member in vars(of).items() if not name.startswith("__")}


def test_the_stub_names_what_the_module_has() -> None:
    assert sorted(stub_members()) == sorted(native_members())


FUNCTIONS = sorted(name for name, node in stub_members().items() if isinstance(node, ast.FunctionDef))
CLASSES = sorted(name for name, node in stub_members().items() if isinstance(node, ast.ClassDef))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_the_stub_takes_what_the_module_s_takes(name: str) -> None:
    stub = stub_members()[name]
    assert isinstance(stub, ast.FunctionDef)
    assert stub.args.defaults == []
    native = native_members()[name]
    assert parameters_of_stub(stub) == parameters_of_native(native)
    required = inspect.Parameter.empty
    assert all(each.default is required for each in inspect.signature(native).parameters.values())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_of_the_stub_has_what_the_module_s_has(name: str) -> None:
    stub, native = stub_members()[name], native_members()[name]
    assert isinstance(stub, ast.ClassDef)
    assert isinstance(native, type)
    methods, theirs = methods_of_stub(stub), methods_of_native(native)
    if issubclass(native, builtins.Exception):
        assert methods == {}
        return
    assert sorted(name for name in methods if name != "__init__") == sorted(theirs)
    for method, function in methods.items():
        counterpart = native if method == "__init__" else theirs[method]
        assert parameters_of_stub(function) == parameters_of_native(counterpart), f"{name}.{method}"
    if "__init__" not in methods:
        with pytest.raises(TypeError, match="cannot create"):
            native()
    elif not parameters_of_stub(methods["__init__"]):
        native()


@pytest.mark.parametrize("name", [name for name in CLASSES if name != "NativeError"])
def test_a_final_class_of_the_stub_cannot_be_inherited_from(name: str) -> None:
    stub = stub_members()[name]
    assert [ast.unparse(decorator) for decorator in stub.decorator_list] == ["final"]
    with pytest.raises(TypeError):
        type("Heir", (getattr(_native, name),), {})
