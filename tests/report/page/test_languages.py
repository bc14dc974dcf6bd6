"""The page in other languages, in a real browser."""

import json
import re

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")
from tests.report.page.opened import Opened

from darksound.report.page.scripts import page_texts

# Every text of the page with letters that is not inside of brackets, with its element.
_BARE = """
const found = [];
const bare = (text) => {
  const less = text.replace(/⟦[^⟦⟧]*⟧/g, "");
  return less === text ? text : bare(less);
};
const note = (text, where) => { if (/[A-Za-z]{3,}/.test(bare(text))) found.push([where, text]); };
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const parent = walker.currentNode.parentElement;
  if (!parent.closest("script, noscript, pre, #language, h1, bdi, [translate=no]"))
    note(walker.currentNode.data, parent.tagName + "." + parent.className);
}
for (const name of ["title", "aria-label", "placeholder"])
  for (const element of document.querySelectorAll(`[${name}]`))
    if (!element.closest("[translate=no]"))
      note(element.getAttribute(name), `${element.tagName}@${name}`);
return found;
"""


def choose(opened, language):
    opened.run(
        "const s = document.getElementById('language'); s.value = arguments[0];"
        "s.dispatchEvent(new Event('change'))",
        language,
    )
    lang = "return document.documentElement.lang"
    opened.until(lambda: opened.run(lang) == language, f"{language} is not shown")


def test_the_menu_changes_the_language_which_is_stored(browser, page, tmp_path):
    opened = Opened(browser, page, tmp_path)
    assert opened.one("#tab-noise").text == "Noise (6)"
    choose(opened, "es")
    opened.until(lambda: opened.one("#tab-noise").text == "Ruido (6)", "not Spanish")
    assert "la marca de calidad «lluvia»" in opened.run("return document.body.textContent")
    opened.load()
    assert opened.one("#save").text == "Guardar review.csv"
    assert opened.run("return document.getElementById('language').value") == "es"
    choose(opened, "fr")
    assert opened.one("#tab-clusters").text == "Clusters (3)"
    assert "couverture 83 %" in opened.one("#summary").text


def bracketed(text):
    """Return a text in brackets, and its words with a definition in brackets of their own."""
    return "⟦" + re.sub(r"\[\[([^:]+):(\w+)\]\]", r"⟧[[⟦\1⟧:\2]]⟦", text) + "⟧"


@pytest.fixture
def marked(page, tmp_path):
    """Return a copy of the page whose English texts are in brackets."""
    start = '<script type="application/json" id="texts">'
    before, _, rest = page.read_text(encoding="utf-8").partition(start)
    _, _, after = rest.partition("</script>")
    texts = {
        key: {"en": "|".join(bracketed(form) for form in forms["en"].split("|"))}
        for key, forms in page_texts().items()
    }
    path = tmp_path / "marked.html"
    path.write_text(f"{before}{start}{json.dumps(texts)}</script>{after}", encoding="utf-8")
    return path


# Data of the run, which are the same in every language: names, paths and the command.
DATA = (
    "recording",
    "wav",
    "wren",
    "darksound",
    "note",
    "prototypical",
    "hash",
    "T00:00",
    "x@",
    "20 min",
    "run <b>&",
)


def test_all_texts_are_of_the_language_file(browser, marked, tmp_path):
    opened = Opened(browser, marked, tmp_path)
    opened.run("document.querySelectorAll('.clip')[0].click()")
    opened.run("document.getElementById('audio').pause()")
    opened.keys("v", "m")
    bare = opened.run(_BARE)
    outside = [(where, text) for where, text in bare if not any(part in text for part in DATA)]
    assert not outside, outside


@pytest.mark.parametrize("language", ["en", "es", "pt", "fr"])
def test_the_buttons_fit_a_phone_in_every_language(browser, page, tmp_path, language):
    opened = Opened(browser, page, tmp_path, width=400, height=860)
    choose(opened, language)
    cut = opened.run(
        "return [...document.querySelectorAll('.controls button, .actions button')]"
        ".filter((e) => e.scrollWidth > e.clientWidth"
        " || e.getBoundingClientRect().right > document.documentElement.clientWidth)"
        ".map((e) => e.textContent)"
    )
    assert cut == []
