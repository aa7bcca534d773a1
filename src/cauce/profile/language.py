"""In which language a text is: English, Spanish, another, or not to be told. Small, and ours: no model, no library.

Each language's frequent words vote; letters that one language alone has, and frequent endings, decide where few
words are known. French, Portuguese, Catalan, Italian, German and Dutch are here so that they are not taken for
English or Spanish; all count as ``other``. Measured on real texts: see tests/profile/test_languages.py.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Literal

Language = Literal["en", "es", "other", "unknown"]

MOST = 600
"""Characters that are looked at."""
LEAST_SCORE = 0.6
"""Votes that a language needs."""
LEAST_LEAD = 0.25
"""Votes by which it must lead."""

_LISTS: Mapping[str, str] = {
    "en": "the of and to in is that it for was on with as his they at be this have from or had by but what some we can "
    "out other were all there when up use your how said each she which do their time if will way about many then "
    "them would like so these her long make him two has more could go did number no most people my over than "
    "first who its now been called only may any into i you not an are he our just me because very don't it's i'm "
    "get how learn using beginner beginners course complete your introduction guide create build where why does "
    "should",
    "es": "de la que el en y a los se del las un por con no una su para es al lo como más mas o pero sus le ha me si "
    "sin sobre este ya entre cuando todo esta ser son dos también fue había era muy años hasta desde está mi "
    "porque qué sólo solo han yo hay vez puede todos así nos ni parte tiene él uno donde bien tiempo mismo ese "
    "ahora cada e otro después te otros aunque esa eso hace otra durante sí cuál cuándo cómo dónde quién cuánto "
    "cuántos muchos estos estas les fueron eran sido tan nada señor merced dijo respondió curso aprende",
    "pt": "de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele das tem à seu "
    "sua ou ser quando muito há nos já está eu também só pelo pela até isso ela entre era depois sem mesmo aos "
    "são você têm foram uns pelos nas num esse essa isto aquele quem curso",
    "fr": "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont avec ou je "
    "son sa ses mais comme nous vous elle aux cette tout être été ont d'un c'est l'on ils leur même aussi très où "
    "bien sans ces était fait deux après dont quand y on n'est qu'il cours",
    "ca": "de la i el que a en un per les una amb del es dels no se al és són com més va ha o però als aquest aquesta "
    "seva seu ser molt també fins entre quan després ja hi ho nosaltres tot sense on pel què era van estat pot li "
    "des",
    "it": "di e il la che in un a per è una sono con non del della si da al i le dei come più ma anche gli alla nel "
    "delle lo o ha se ci questo dal essere mi era suo sua loro nella cui stato molto perché ai degli dalla dopo "
    "quando io tutto due così ed corso",
    "de": "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er "
    "hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor zur "
    "bis mehr durch man sein wurde ich wir kann wenn doch sehr kurs",
    "nl": "de het een van en in is dat op te zijn met voor niet aan er om ook als maar door bij uit naar over nog dan "
    "ze hij was worden wordt heeft hebben deze dit die geen kan meer wel tot je ik wij zo waren had kunnen moet",
}
_SHARED = 0.5
"""A vote that several languages share, times this for each further one."""
# Letters and endings beside the words: (pattern, language, weight), weighted by how often they occur, up to thrice.
_SIGNS: tuple[tuple[str, str, float], ...] = (
    (r"[ñ¿¡]", "es", 1.5),
    (r"[áíóú]", "es", 0.3),
    (r"(os|as|es|illas?|illos?|rr[aeo]s?|ura|encia)\b", "es", 0.15),
    (r"(ción|ciones|idad|mente|iento|ería|ando|iendo|ados?|idas?|ales|eños?)\b", "es", 0.4),
    (r"(ing|tion|tions|ness|ed|ly|ght|ous|ment|ship|ers|th|ck)\b", "en", 0.4),
    (r"\b(wh|th|sh)|[a-z]'(s|t|re|ll|ve)\b", "en", 0.4),
    (r"(ção|ções|ões|ão|agem|inho)\b|[ãõ]", "pt", 1.0),
    (r"\b[ldjcnsm]'[aeiouhéè]|[èêâîûœç]|(eux|tion|ment|eau)\b", "fr", 0.4),
    (r"·|\b(l'|d'|s')[aeiouh]|(ció|tat|ment)\b|ny\b", "ca", 0.4),
    (r"(zione|zioni|mente|gli|tà|ello|etti?)\b|\b(dell|all|nell)'", "it", 0.6),
    (r"[äöüß]|(ung|lich|keit|isch|chen)\b|sch", "de", 0.6),
    (r"(ij|aa|oe|uu)[a-z]|(heid|lijk)\b", "nl", 0.5),
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_NOT_LATIN = re.compile(
    r"[\u0370-\u03ff\u0400-\u052f\u0590-\u08ff\u0900-\u0dff\u0e00-\u0e7f\u3040-\u9fff\uac00-\ud7af]"
)
_PATTERNS = tuple((re.compile(pattern), language, weight) for pattern, language, weight in _SIGNS)


def _votes() -> dict[str, dict[str, float]]:
    """Return word → language → vote; a word that several languages have counts less for each."""
    lists = {language: set(words.split()) for language, words in _LISTS.items()}
    owners = Counter(word for words in lists.values() for word in words)
    votes: dict[str, dict[str, float]] = {}
    for language, words in lists.items():
        for word in words:
            votes.setdefault(word, {})[language] = _SHARED ** (owners[word] - 1)
    return votes


_VOTES = _votes()


def language_of(text: str) -> Language:
    """Return the language of a text, by its first 600 characters.

    Examples
    --------
    >>> language_of("How to play the piano"), language_of("Cómo tocar el piano")
    ('en', 'es')
    >>> language_of("Comment jouer du piano avec les deux mains"), language_of("AB-1234 XK")
    ('other', 'unknown')
    """
    beginning = text[:MOST].lower()
    words = _WORD.findall(beginning.replace("’", "'"))
    if len(_NOT_LATIN.findall(beginning)) > 0.5 * sum(map(len, words)) and words:
        return "other"
    scores: dict[str, float] = dict.fromkeys(_LISTS, 0.0)
    for word in words:
        for language, vote in _VOTES.get(word, {}).items():
            scores[language] += vote
    for pattern, language, weight in _PATTERNS:
        scores[language] += weight * min(len(pattern.findall(beginning)), 3 + len(words) // 20)
    first, second = sorted(scores.values(), reverse=True)[:2]
    if first < LEAST_SCORE or first - second < LEAST_LEAD:
        return "unknown"
    best = max(scores, key=lambda language: scores[language])
    return "en" if best == "en" else "es" if best == "es" else "other"
