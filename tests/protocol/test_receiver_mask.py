"""Unmasking without the compiled function."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from fws_gevent.protocol import receiver
from fws_gevent.protocol.receiver import Limits

from ..clients import frame


def test_without_the_compiled_function_another_one_unmasks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "websockets.speedups", None)
    name = "fws_gevent.protocol.receiver_without_speedups"
    spec = importlib.util.spec_from_file_location(name, receiver.__file__)
    assert spec is not None
    assert spec.loader is not None
    other = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, other)  # where dataclasses looks for it
    spec.loader.exec_module(other)
    assert other.apply_mask.__module__ == "websockets.utils"
    data = frame(1, "grüße".encode()) + frame(2, bytes(range(256)))
    first, second = other.Receiver(Limits()).feed(data, len(data))
    assert (first.text, bytes(second)) == ("grüße", bytes(range(256)))
