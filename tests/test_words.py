"""The check of the wording finds sentences that begin with who, what, whether or the like."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.words import (
    ROOT,
    Text,
    files,
    of_comments,
    of_markdown,
    of_python,
    wrong_sentences,
)

PYTHON = '''
"""What a module is.

Return the second. Who reads it?
"""

# How a comment that takes
# two lines ends. Nobody reads it.
PORT = setting(1, int, "who may connect")  # whoever comes
"""Whether a constant has a docstring."""
parser.add_argument("-f", help="What a flag means")


def f():
    """Return 1."""
    log.warning("who knows %s", "what")
    raise ConfigurationError(f"whatever {PORT} is")
'''

MARKDOWN = """
# What a heading says

Tokens are optional. What they hold
is signed. What is signed? A claim: Whether it holds.

| What | how |
|---|---|
| `port` | who may connect |

- Nobody waits.
1. **Who** waits is told.

```
What code says
```
"""


def wrong(texts: Iterator[Text]) -> set[tuple[int, str]]:
    return {(each.line, found) for each in texts for found in wrong_sentences(each.words)}


@pytest.mark.parametrize(
    "text",
    [
        "What is kept of a secret.",
        "Close it. Who waits is told.",
        "Close it: Whoever waits is told.",
        "whether it is open",
        "Close `it`. *Nobody* waits.",
        "How it ends.",
        "Close it; whoever waits is told.",
    ],
)
def test_such_an_opening_is_found(text: str) -> None:
    assert len(wrong_sentences(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Return what is kept of a secret.",
        "Is it open? What does it hold?",
        "Whatsoever is another word.",
        "`nobody reads` is a line of the log.",
        "The caller decides who waits, what is kept and how it ends.",
        "",
    ],
)
def test_other_sentences_and_questions_are_left_alone(text: str) -> None:
    assert wrong_sentences(text) == []


def test_docstrings_comments_and_texts_for_users_of_a_python_file_are_read() -> None:
    assert wrong(of_python(PYTHON)) == {
        (2, "What a module is."),
        (7, "How a comment that takes two lines ends."),
        (7, "Nobody reads it."),
        (9, "who may connect"),
        (9, "whoever comes"),
        (10, "Whether a constant has a docstring."),
        (11, "What a flag means"),
        (16, "who knows %s"),
        (17, "whatever"),
    }


def test_paragraphs_items_and_cells_of_a_page_are_read_without_headings_and_code() -> None:
    assert wrong(of_markdown(MARKDOWN)) == {
        (4, "What they hold is signed."),
        (4, "Whether it holds."),
        (9, "who may connect"),
        (11, "- Nobody waits."),
        (12, "**Who** waits is told."),
    }


def test_comments_that_take_whole_lines_are_read_in_other_languages() -> None:
    assert wrong(of_comments("-- Who waits\n-- is told.\nlocal x = 1\n")) == {
        (1, "Who waits is told.")
    }


def test_the_files_of_the_root_and_of_all_folders_are_read() -> None:
    read = {path.relative_to(ROOT).as_posix() for path in files()}
    assert {"README.md", "Makefile", "pyproject.toml", ".ci/run"} <= read
    assert {"fws_gevent/server.py", "tests/words.py", "docs/architecture.md"} <= read


@pytest.mark.parametrize(("text", "status"), [("Close it.\n", 0), ("What to close.\n", 1)])
def test_a_finding_is_printed_with_its_place_and_ends_with_1(
    text: str, status: int, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"Title\n\n{text}")
    done = subprocess.run(
        [sys.executable, "-m", "tests.words", str(page)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert done.stdout == (f"{page}:3: What to close.\n" if status else "")
