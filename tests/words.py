"""The wording of docstrings, comments, help texts, errors, log messages and documentation.

`python -m tests.words [FILE…]` prints each sentence that begins with who, what, whether or the
like, and ends with status 1 if there is one. CONTRIBUTING.md has the rules.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent

FOLDERS = ("fws_gevent", "example_app", "benchmarks", "fuzz", "tests", "docs")
"""Folders that are read; beside them the files of the root."""

OPENINGS = "who|whose|whom|whoever|what|whatever|whichever|whether|how|nobody"
_OPENING = re.compile(rf"({OPENINGS})\b", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.!?:])\s+(?=[A-Z`\"“*\[])|(?<=;)\s+")
_MARKS = re.compile(r"""^[\s>*_"“(\[-]*(?:\d+\.\s+)?""")
_COMMENT = re.compile(r"^\s*(?:#+!?|//|--|/?\*+)(?: |$)(.*)$")
_HEADING = re.compile(r"^#+ .*$", re.MULTILINE)
_FENCE = re.compile(r"^( *)(```|~~~).*?^\1\2\s*$", re.MULTILINE | re.DOTALL)
_TABLE_HEAD = re.compile(r"^\|.*\|\s*\n(?=\|[ :|-]+\|\s*$)", re.MULTILINE)
_ITEM = re.compile(r"^\s*(?:[-*]|\d+\.)\s")
LOGGING = {"debug", "info", "warning", "error", "exception", "critical"}
COMMENTED = {".js", ".lua", ".css", ".sh", ".toml", ".conf", ".service", ".txt", ".yaml"}
"""Kinds of files whose comments take whole lines."""


class Text(NamedTuple):
    """A paragraph, list item, cell of a table or comment, on one line."""

    line: int
    words: str


def wrong_sentences(text: str) -> list[str]:
    """Return the sentences of a paragraph that open with one of the OPENINGS.

    Questions are left alone. A paragraph in lower case, such as a help text, is read like others.
    """
    return [
        sentence
        for sentence in _SENTENCE.split(" ".join(text.split()))
        if _OPENING.match(_MARKS.sub("", sentence)) and not sentence.rstrip('"”*_)').endswith("?")
    ]


def paragraphs(text: str, line: int = 1) -> Iterator[Text]:
    """Yield the paragraphs and list items of a text that begins in a line."""
    block: list[str] = []
    for number, each in enumerate([*text.splitlines(), ""], line):
        if block and (not each.strip() or _ITEM.match(each)):
            yield Text(number - len(block), " ".join(block))
            block = []
        if each.strip():
            block.append(each)


def of_python(source: str) -> Iterator[Text]:
    """Yield the docstrings, texts for users and comments of a Python file."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr):
            for text in _strings([node.value]):
                yield from paragraphs(text, node.lineno)
        elif isinstance(node, ast.Call):
            yield from (Text(node.lineno, text) for text in _strings(_shown(node)))
    yield from _comments(source)


def _strings(nodes: Iterable[ast.expr]) -> Iterator[str]:
    for node in nodes:
        first = node.values[0] if isinstance(node, ast.JoinedStr) and node.values else node
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value


def _shown(call: ast.Call) -> Iterator[ast.expr]:
    """Yield the arguments of a call that users read: help, the texts of errors and log messages."""
    yield from (each.value for each in call.keywords if each.arg in {"help", "description"})
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name.lstrip("_") == "setting":
        yield from call.args[2:3]
    elif name.endswith(("Error", "Refused", "Invalid", "Away")) or name in LOGGING:
        yield from call.args[:1]


def _comments(source: str) -> Iterator[Text]:
    """Yield the comments of a Python file; adjacent lines of nothing but comments are one."""
    alone: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        if token.line[: token.start[1]].strip():
            yield Text(token.start[0], token.string.lstrip("# "))
            continue
        if alone and alone[-1].start[0] != token.start[0] - 1:
            yield _joined(alone)
            alone = []
        alone.append(token)
    if alone:
        yield _joined(alone)


def _joined(comments: list[tokenize.TokenInfo]) -> Text:
    return Text(comments[0].start[0], " ".join(each.string.lstrip("#!: ") for each in comments))


def of_markdown(source: str) -> Iterator[Text]:
    """Yield the paragraphs, list items and cells of a page, without its code and headings."""
    for pattern in (_FENCE, _HEADING, _TABLE_HEAD):
        source = pattern.sub(lambda found: "\n" * found[0].count("\n"), source)
    rows = {}
    lines = source.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("|"):
            rows[number + 1], lines[number] = line, ""
    for number, row in rows.items():
        yield from (Text(number, cell) for cell in row.strip("| \n").split("|"))
    yield from paragraphs("\n".join(lines))


def of_comments(source: str) -> Iterator[Text]:
    """Yield the comments that take whole lines of a file in another language."""
    found = [_COMMENT.match(line) for line in source.splitlines()]
    yield from paragraphs("\n".join(each[1] if each else "" for each in found))


def of_file(path: Path) -> Iterator[Text]:
    """Yield the texts of a file for readers."""
    if path.suffix in {".py", ".md"}:
        source = path.read_text("utf-8")
        yield from of_python(source) if path.suffix == ".py" else of_markdown(source)
    elif path.suffix in COMMENTED or path.name in {"Makefile", "run"}:
        yield from of_comments(path.read_text("utf-8"))


def files() -> Iterator[Path]:
    """Yield the files that have texts for readers."""
    for path in sorted([*ROOT.glob("*"), *ROOT.glob(".ci/*")]):
        if path.is_file():
            yield path
    for folder in FOLDERS:
        yield from (path for path in sorted((ROOT / folder).rglob("*")) if path.is_file())


def findings(paths: Iterable[Path]) -> Iterator[str]:
    """Yield a line for each wrong sentence of these files: where it is, and how it goes."""
    for path in paths:
        for text in of_file(path):
            for sentence in wrong_sentences(text.words):
                place = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
                yield f"{place}:{text.line}: {sentence[:90]}"


def main() -> None:
    """Print what is wrong in the named files, or in all, and end with 1 if there is something."""
    named = [Path(each).resolve() for each in sys.argv[1:]]
    found = list(findings(named or files()))
    print(*found, sep="\n", end="\n" if found else "")
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()
