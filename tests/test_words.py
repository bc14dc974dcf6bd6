"""The words that the glossary replaces are in no identifier, comment, message or page.

The glossary is `docs/glossary.md`; CONTRIBUTING.md describes the style.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: Words and phrases that are not used, as regular expressions, and what is used instead.
NOT_USED = {
    "hear|hears|heard|hearing|deaf|ears": "embed, embedding model",
    "tell|tells|told|telling": "show, describe, score",
    "judge|judges|judged|judging|judgement": "score, evaluate, validity",
    "crews?": "process group",
    "settle|settles|settled|settling": "fit, resolve",
    "sharpness": "logit_scale",
    "glimpse|glimpses": "thumbnail",
    "hindsights?": "manifest, journal",
    "sureness|surest": "membership probability",
    "impose|imposes|imposed": "apply_constraints",
    "announce|announces|announced": "estimate, log",
    "cast": "synthetic birds",
    "take up|takes up|taken up|took up": "start, use",
    "look over|looks over|looked over|lookover": "check",
    "lay out|lays out|laid out": "embed, transform",
    "in force": "current",
    "our fault|own fault": "internal error, external cause",
    "goes on|go on|went on": "continue, resume",
}
#: Such words as names in the APIs of Python, NumPy and Arrow.
OTHER_MEANING = re.compile(r"\btyping import .*\bcast\b|\bcast\(|\.tell\(")
WORDS = re.compile(rf"\b(?:{'|'.join(NOT_USED)})\b", re.IGNORECASE)
SUFFIXES = {".py", ".pyi", ".md", ".js", ".j2", ".css"}
CAPITAL_IN_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def as_words(line: str) -> str:
    """Return a line with identifiers split at underscores and capitals."""
    return CAPITAL_IN_WORD.sub(" ", line).replace("_", " ")


def hits_in(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number of each line with a word that is not used, and the word."""
    for number, line in enumerate(text.splitlines(), start=1):
        for match in WORDS.finditer(as_words(OTHER_MEANING.sub("", line))):
            yield number, match[0]


def files() -> list[Path]:
    folders = [ROOT / name for name in ("src", "docs", "tests", "benchmarks")]
    below = [p for folder in folders for p in sorted(folder.rglob("*")) if p.suffix in SUFFIXES]
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    return [p for p in (*pages, *below) if p != Path(__file__)]


def test_words_are_found_in_identifiers_comments_and_messages():
    text = "as_told = lookOver  # Hears\ncast(str, file.tell())  # the cast\n"
    assert [word for _, word in hits_in(text)] == ["told", "look Over", "Hears", "cast"]
    assert not list(hits_in("from typing import Any, cast\nforecast, years, retold, inforce"))


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_uses_the_words_of_the_glossary(path):
    hits = [f"line {number}: {word}" for number, word in hits_in(path.read_text("utf-8"))]
    assert not hits, f"{path.relative_to(ROOT)}: " + "; ".join(hits)
