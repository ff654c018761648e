"""English words as the proposals see them: tokens, stems, roots, number words, function words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

NUMBER_WORDS = {word: i for i, word in enumerate(
    ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
     "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"))}
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
          "december", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sept", "sep", "oct", "nov", "dec")
NEGATIONS = frozenset({"no", "not", "don't", "doesn't", "without", "dont", "isn't", "needn't", "didn't", "never", "nor",
                       "won't", "non"})
FUNCTION_WORDS = frozenset("""
    a an the and or but if so as of in on at to from by for with about into over after before until till than then
    that this these those there here it its it's is are was were be been being am i i'm i'd i'll i've me my mine we
    we're we'd us our you your you're he she they them their do does did doing done can could will would shall should
    may might must have has had having not no yes yeah please thanks thank ok okay sure also just any some what which
    who whom whose when where why how all both each more most other another such only same too very well let let's get
    got go going want wants wanted need needs needed like looking look find help book booking reserve make give tell
    know see think try use prefer really actually something anything somewhere anywhere one ones out up off back
    that's what's there's won't don't doesn't can't great good perfect nice right kind sort type lot bit little thing
    things way hi hello hey bye goodbye um oh yep yup nope maybe around near since
    """.split())  # noqa: SIM905
"""Words that are never a value of their own and say little about what is wanted."""

_TOKEN = re.compile(r"\d{1,2}:\d{2}|\d+(?:[.,]\d+)*(?:st|nd|rd|th)?|[^\W\d_]+(?:'[^\W\d_]+)*|[^\W_]+")
_ENDS = re.compile(r"[.?!;,:()]|\s-\s")
_SUFFIXES = ("ations", "ation", "ings", "ing", "ions", "ion", "ern", "est", "als", "al", "ers", "er", "ors", "or", "ed", "es",
             "ly", "e", "s")
_MIN_ROOT = 4  # letters


@dataclass(frozen=True, slots=True)
class Token:
    """A word or number of an utterance."""

    text: str  # lower case
    start: int  # characters from the utterance's begin
    end: int
    is_capitalised: bool
    clause: int  # counts the punctuation marks before it
    meant: str = ""  # the root of a synonym, if any

    @property
    def stem(self) -> str:
        return stem(self.text)

    @property
    def root(self) -> str:
        return self.meant or root(self.text)


def tokens_of(text: str) -> list[Token]:
    """The words and numbers of a text, in order."""
    plain = text.replace("’", "'")
    found: list[Token] = []
    clause = position = 0
    for match in _TOKEN.finditer(plain):
        clause += len(_ENDS.findall(plain, position, match.start()))
        found.append(Token(match[0].casefold(), match.start(), match.end(), match[0][:1].isupper(), clause))
        position = match.end()
    return found


def words_of(name: str) -> list[str]:
    """The lower-case words of a name or a description: `pickupTime` -> pickup, time."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ")
    return [token.text for token in tokens_of(spaced)]


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """A word without its plural or possessive ending, in one spelling: `theatres` and `theater` are one."""
    word = word.removesuffix("'s").replace("'", "")
    if len(word) > 4 and word.endswith("ies"):
        word = f"{word[:-3]}y"
    elif len(word) > 4 and (word.endswith(("sses", "shes", "ches", "xes")) or word.endswith("uses") and word[-5] != "o"):
        word = word[:-2]
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    if len(word) > 4 and word.endswith(("tre", "bre")):
        word = f"{word[:-2]}er"
    return word


@lru_cache(maxsize=50_000)
def root(word: str) -> str:
    """A word without the endings that make verbs, adjectives and comparatives: `leaving` and `leaves` give `leav`."""
    word = stem(word)
    shortened = True
    while shortened:
        shortened = False
        for suffix in _SUFFIXES:
            if word.endswith(suffix) and len(word) - len(suffix) >= _MIN_ROOT:
                word, shortened = word[: -len(suffix)], True
                break
    return word


def number(word: str) -> int | None:
    """The whole number that a word or digits say."""
    return int(word) if word.isdigit() and len(word) < 9 else NUMBER_WORDS.get(word)


def joined(words: list[str]) -> str:
    """The key under which spellings of one phrase meet: stems without spaces, articles or `and`."""
    return "".join(stem(word) for word in words if word not in ("the", "and"))
