"""The fuzz targets hold for all inputs that the fuzzer has found."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz import targets
from fuzz.targets import TARGETS

from .clients import ROOT, frame

CORPUS = ROOT / "fuzz" / "corpus"
INPUTS = sorted(path for path in CORPUS.glob("*/*"))


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_target_holds_for_every_input_of_its_corpus(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_every_target_has_a_corpus() -> None:
    assert {path.parent.name for path in INPUTS} == set(TARGETS)
    for name in TARGETS:
        assert sum(path.parent.name == name for path in INPUTS) >= 20


def test_a_receiver_that_depends_on_the_cuts_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The target detects the fault that it exists for."""

    class Forgetful(targets.Receiver):
        def feed(self, data: bytes | bytearray, size: int) -> list[targets.Event]:
            return super().feed(data, size) if size > 2 else []

    monkeypatch.setattr(targets, "Receiver", Forgetful)
    with pytest.raises(AssertionError):
        targets.receiver(b"\x00\x05" + frame(1, b"hello"))


def test_an_answer_of_two_lines_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_line: str) -> tuple[str, str, str]:
        raise targets.HandshakeRefused("400 Bad Request", "two\r\nlines")

    monkeypatch.setattr(targets, "parse_request_line", refuse)
    with pytest.raises(AssertionError):
        targets.handshake(b"GET / HTTP/1.1\r\n\r\n")
