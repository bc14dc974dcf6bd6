"""The texts of the page: complete in every language, and all in one file."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

from darksound.report.page.scripts import page_texts
from darksound.segmentation.quality_flags import QUALITY_FLAGS

ASSETS = Path(str(files("darksound.report.page") / "assets"))
LANGUAGES = {"en", "es", "pt", "fr"}
SCRIPTS = sorted(ASSETS.glob("*.js"))
USED = re.compile(
    r'\bt\(\s*"([\w.]+)"|"([a-z]+\.[a-z_0-9]+)"|data-(?:text|title|label|placeholder|role)="([\w.]+)"'
)
COMMENT = re.compile(r"^\s*//[^\n]*$|(?<=[;,{}]) // [^\n]*$", re.MULTILINE)
LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`')
# A font, and a directive of the language.
ALLOWED = {"600 12.5px system-ui, sans-serif", "use strict"}


def values_of(text):
    return sorted(re.findall(r"\{(\w+)\}", text))


def test_every_text_is_in_every_language_with_the_same_values():
    for key, texts in page_texts().items():
        assert set(texts) == LANGUAGES, key
        assert all(text.strip() for text in texts.values()), key
        forms = {language: text.split("|") for language, text in texts.items()}
        assert len({len(form) for form in forms.values()}) == 1, key
        for form in forms.values():
            values = [values_of(part) for part in form]
            assert values == [values_of(part) for part in forms["en"]], key


def test_every_quality_flag_has_a_name_on_the_page():
    assert {key.removeprefix("flag.") for key in page_texts() if key.startswith("flag.")} == set(
        QUALITY_FLAGS
    )


def test_every_key_that_is_used_exists_and_the_other_way_round():
    known, used, starts = set(page_texts()), set(), set()
    for path in [*SCRIPTS, ASSETS / "page.html.j2"]:
        source = path.read_text(encoding="utf-8")
        for match in USED.finditer(source):
            key = next(filter(None, match.groups()))
            if match[1] or match[3]:
                assert key in known, f"{path.name}: {key}"
            used.add(key)
        starts |= set(re.findall(r"`([a-z]+\.(?:[a-z_]+_)?)\$\{", source))
    made_of_parts = {key for key in known if any(key.startswith(start) for start in starts)}
    assert known - used - made_of_parts == {"page.no_script"}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_have_no_sentences_of_their_own(path):
    source = COMMENT.sub("", path.read_text(encoding="utf-8"))
    for match in LITERAL.finditer(source):
        text = re.sub(r"\$\{[^}]*\}", "", match[1] or match[2] or "")
        if text in ALLOWED or re.search(r"[#.\[\]>=;:/]|^[\w-]+( [\w-]+)?$", text):
            continue
        assert not re.search(r"[A-Za-z]{2,} [A-Za-z]{2,}", text), text


def test_the_template_has_no_text_of_its_own():
    source = (ASSETS / "page.html.j2").read_text(encoding="utf-8")
    source = re.sub(r"<title>.*?</title>|\{\{.*?\}\}|\{%.*?%\}|<!doctype html>", "", source)
    between = [text.strip() for text in re.findall(r">([^<]*)<", source)]
    assert {text for text in between if text} <= {"\N{MINUS SIGN}", "+", "\u2039", "\u203a"}
    assert not re.search(
        r'(?<![\w-])(?:aria-label|title|placeholder|aria-roledescription)="', source
    )
