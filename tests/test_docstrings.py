"""Docstrings of public names are in Google style: Args, Returns and Raises where there are any."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from docs.reference import PUBLIC
from fws_gevent import Node

from .test_reference import names_of

PLAIN = (None, "None", "Self", inspect.Signature.empty)
"""Return annotations that need no section."""


class Public(NamedTuple):
    """A public class or function, with its dotted name."""

    name: str
    value: Any


def public_names() -> dict[int, Public]:
    """Return all public classes and functions, each once."""
    found: dict[int, Public] = {}
    for module in PUBLIC:
        for name in names_of(module):
            value = getattr(importlib.import_module(module), name)
            if inspect.isclass(value) or inspect.isfunction(value):
                found.setdefault(id(value), Public(f"{module}.{name}", value))
    return found


INTERNAL = {"admission_at", "allow", "count_loss", "enter", "forget", "gone"}
"""The methods of a node that only its connections (see `Host`) and entry points call."""


def is_described_elsewhere(kind: type, name: str) -> bool:
    """Return whether a library or a Protocol describes a method of the same name."""
    if kind is Node and name in INTERNAL:
        return True
    return any(
        name in vars(base) for base in kind.__mro__ if not base.__module__.startswith("fws_gevent")
    )


def is_of_the_package(constructor: Any) -> bool:
    """Return whether a constructor is written in the package, and not by a library."""
    return getattr(constructor, "__module__", "").startswith("fws_gevent")


def functions() -> Iterator[Public]:
    """Yield all public functions, and the public methods of public classes."""
    for name, value in public_names().values():
        if inspect.isfunction(value):
            yield Public(name, value)
            continue
        for method, raw in vars(value).items():
            function = getattr(raw, "__func__", raw)
            if (
                inspect.isfunction(function)
                and not method.startswith("_")
                and not is_described_elsewhere(value, method)
            ):
                yield Public(f"{name}.{method}", function)


def classes() -> Iterator[Public]:
    """Yield the public classes with a constructor of their own that users call."""
    for name, value in public_names().values():
        if (
            inspect.isclass(value)
            and is_of_the_package(vars(value).get("__init__"))
            and not hasattr(value, "__dataclass_fields__")
            and not issubclass(value, BaseException | type)
        ):
            yield Public(name, value)


def missing(function: Any) -> list[str]:
    """Return the sections that the docstring of a function lacks."""
    text = inspect.getdoc(function) or ""
    signature = inspect.signature(function)
    body = ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function))))
    raises = any(isinstance(node, ast.Raise) and node.exc is not None for node in body)
    text = text.replace("Yields:", "Returns:")
    elsewhere = re.search("[Ss]ee `", text)  # a function that has the same arguments
    needed = {
        "Args": not elsewhere and bool(set(signature.parameters) - {"self", "cls"}),
        "Returns": not elsewhere and signature.return_annotation not in PLAIN,
        "Raises": raises or re.search(r"\bRaises? [A-Z]", text) is not None,
    }
    short = "Returns" if text.startswith(("Return ", "Yield ")) else ""
    return [each for each, is_needed in needed.items()
            if is_needed and f"{each}:\n" not in text and each != short]  # fmt: skip


@pytest.mark.parametrize("public", [*functions()], ids=lambda each: each.name)
def test_a_public_function_names_its_arguments_results_and_errors(public: Public) -> None:
    assert inspect.getdoc(public.value)
    assert missing(public.value) == []


@pytest.mark.parametrize("public", [*classes()], ids=lambda each: each.name)
def test_a_public_class_names_the_arguments_of_its_constructor(public: Public) -> None:
    text = inspect.getdoc(public.value) or ""
    assert re.search("Args:\n|Attributes:\n|see `", text) or not list(
        inspect.signature(public.value).parameters
    )


def test_a_missing_section_is_found() -> None:
    def undocumented(group: str) -> str:
        """Do something. Raises TypeError."""
        raise TypeError(group)

    assert missing(undocumented) == ["Args", "Returns", "Raises"]
