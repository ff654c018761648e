"""Sentences of a system response, and what each does: ask, offer, confirm, report success or failure, be polite."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SENTENCE = re.compile(r"[^.?!]+(?:[.:]\d+[^.?!]*|\.(?=\w)[^.?!]*)*[.?!]*")
_DONE = (r"(?:successful\w*|booked|reserved|made|set|complete\w*|confirmed|scheduled|purchased|started|transferred"
         r"|planned|rented|placed|ordered|processed|sent|added|initiated|arranged|playing|on its way)")
_KINDS: dict[str, tuple[str, ...]] = {
    "more": (
        r"\b(?:any ?(?:thing|one|other|more)|something|what) (?:else|further|more)\b",
        r"\bany other (?:questions|help|information)",
        r"\b(?:be of|any|further|more) (?:other |further |more )?(?:assistance|help)\b", r"help you with (?:today|anything)"),
    "confirm": (
        r"\b(?:please |to |just to )?(?:confirm|verify)\b(?!ed)", r"^\W*(?:so,? )?you(?:'d| would)? (?:want|like|wish) ",
        r"\b(?:is|are) (?:that|this|these|it|everything) (?:all )?(?:correct|right|okay with you)", r", (?:correct|right)\?",
        r"^\W*just to be clear", r"^\W*confirming\b", r"let's review|check and review"),
    "failure": (
        r"\b(?:unfortunately|unable|couldn't|could not|wasn't able|was not able|unsuccessful|not successful|no luck|failed)\b",
        r"\b(?:there (?:are|is|were|was)|i have|we have|i found|found|finding|do not have|don't have|find|see)"
        r" (?:no|not|nothing|any)\b",
        r"\b(?:not|n't) (?:available|have any|find|see any)", r"\bno (?:matching|results?|such)\b", r"\bnone (?:of|that)",
        r"^\W*(?:i'm |i am |i'm very )?sorry,? (?:but )?(?:there|i|we|no)"),
    "success": (
        rf"\b(?:is|was|are|were|been|it's) (?:now |all |just |successfully |already )*{_DONE}\b",
        rf"\b(?:i|we)(?:'ve| have| was able to| were able to)?(?: just| successfully| got| now)* {_DONE}\b",
        r"\b(?:was|were) able to (?:\w+ ){0,3}(?:book|reserve|schedule|do)", r"\breference (?:number|#|code)|\breference:",
        r"\ball set\b", r"\bsuccessfully\b", r"\bsuccessful\b", r"\bbooked for you\b", r"^\W*(?:it is |it's |all )?done\b",
        r"\bmade (?:that|the|your) (?:change|booking|reservation)"),
    "goodbye": (
        r"\b(?:good ?bye|bye|farewell|take care)\b",
        r"\b(?<!you )(?<!i )(?<!we )(?:have|enjoy) (?:a|an|your|the|yourself an?|yourselves an?) (?:\w+ ){0,2}(?:day|night"
        r"|evening|afternoon|morning|time"
        r"|trip|stay|meal|visit|one|weekend|week|ride|journey|flight|movie|song)\b", r"^\W*(?:and )?enjoy\b",
        r"\bthank(?:s| you) for (?:using|contacting|calling|choosing)", r"\bglad (?:i|we|to)\b.{0,20}(?:help|assist|service)"),
    "thanks": (r"\b(?:you(?:'re| are)|your) (?:very |quite |most |so )?welcome\b", r"\bmy pleasure\b", r"\bthank(?:s| you)\b"),
    "greeting": (r"^\W*(?:hello|hi|hey|good (?:morning|afternoon|evening)|welcome to)\b",),
    "booking": (
        r"\b(?:would|do|did|will) (?:you|either|any) (?:like|want|care|need|wish)(?: for)?(?: me| us)?"
        r" (?:to|a|it|that|this|any|one|me|us)\b",
        r"\b(?:shall|should|can|may) (?:i|we) (?:book|reserve|make|go ahead|get|buy|schedule|order|play)\b",
        r"\b(?:would you like|want|like for) (?:me|us) to\b", r"\bsounds? (?:good|ok\w*|interesting|fine)\?",
        r"\b(?:would|does|do|will) (?:that|this|it|any|either|these|those)(?: \w+){0,3}"
        r" (?:work|sound|interest|suit|be (?:ok|fine))",
        r"\bis (?:that|this|it) (?:ok|okay|fine|good|acceptable)\b", r"^\W*(?:so )?(?:want|book|buy) (?:this|it|that)",
        r"\bi(?:'d| can| could| would) (?:be (?:happy|pleased|glad) to )?(?:help you )?(?:book|reserve)",
        r"would you prefer\?"),
    "offer": (
        r"\b(?:how|what) about\b", r"\b(?:recommend|suggest)", r"\bfavou?rite\b", r"\b(?:may|might) (?:like|consider|enjoy)",
        r"\byou can try|have you (?:seen|tried|heard)",
        r"\bwould you like (?:to (?:try|watch|listen|see|hear)|watching|listening)",
        r"\b(?:i|we)(?:'ve| have)? found (?:a|an|one|you|the)\b", r"\bone of which\b",
        r"\bperfect for you\b", r"\bhow does\b"),
    "alternative": (r"\b(?:try|consider|prefer|like) (?:something|another|a different|anything|some other|other)",),
    "count": (
        r"^\W*\d+ \w+ (?:are|match|were)\b",
        r"\b(?:there (?:are|is|were)|(?:i|we) (?:have|see|found)|i've (?:found|got)|found|have)"
        r" (?:about |over |a total of |only )?(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|several|many"
        r"|a (?:number|lot|few|couple|variety)|lots|multiple|quite a)\b",),
}
_PATTERNS = {name: re.compile("|".join(patterns), re.IGNORECASE) for name, patterns in _KINDS.items()}


def split(text: str) -> Iterator[tuple[int, int, str]]:
    """Sentences as (first character, end, text); a point inside of a number ends none."""
    for match in _SENTENCE.finditer(text):
        yield match.start(), match.end(), match[0]


def kinds_of(sentence: str) -> frozenset[str]:
    """What a sentence does; often several things at once."""
    return frozenset(name for name, pattern in _PATTERNS.items() if pattern.search(sentence))
