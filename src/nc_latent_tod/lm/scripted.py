"""A language model without a model: for tests, demos and dry runs. Needs no torch and answers at once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence

from nc_latent_tod.errors import ConfigError, TurnError
from nc_latent_tod.lm import Completion, Sampling, TokenCount

Script = Callable[[str], Sequence[str]]

_NATS_A_CHARACTER = (0.05, 0.15)  # least and most that a scored character costs
_EARLIER_ANSWERS = 3
_DEFAULT_ANSWERS = {"user_intent=[": "agent.no_change()],\n", "system_acts=[": "Acknowledge()],\n",
                    "system_response=[": '"Okay."],\n'}


class ScriptedLM:
    """A `LanguageModel` whose answers are written down. Completions are a function of prompt and seed alone.

    `script` gives the possible completions of a prompt: a callable, or a mapping from the end of a prompt to them (the
    longest that fits is taken); a sample is one of them, drawn by the prompt's seed; at temperature 0 it is the first.
    Without a script, a direct prompt is answered with the plainest label or with one of the last answers in the prompt itself.
    Scores are made up: between -0.05 and -0.15 nats a character, by a hash. A token is a word.
    """

    def __init__(self, script: Script | Mapping[str, Sequence[str]] | None = None, *, max_length: int = 1_000_000) -> None:
        if isinstance(script, Mapping):
            self._script: Script = _by_ending(script)
            told = json.dumps({ending: list(answers) for ending, answers in script.items()}, sort_keys=True)
        else:
            self._script = script or plain_answers
            told = f"{self._script.__module__}.{getattr(self._script, '__qualname__', type(self._script).__qualname__)}"
        self.tokens = TokenCount()
        self.max_length = max_length
        self.fingerprint = hashlib.sha256(f"scripted {told}".encode()).hexdigest()
        self._read: set[str] = set()

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Words in each text."""
        return [len(text.split()) for text in texts]

    def sample(self, prompts: Sequence[str], sampling: Sampling, seeds: Sequence[int],
               shared_prefix: str = "") -> list[list[Completion]]:
        """Draw completions: see `LanguageModel.sample`. Raises `ConfigError` for a prompt that the script does not know."""
        self._count(prompts, shared_prefix)
        return [self._completions(prompt, sampling, seed) for prompt, seed in zip(prompts, seeds, strict=True)]

    def loglikelihood(self, requests: Sequence[tuple[str, Sequence[Sequence[str]]]],
                      shared_prefix: str = "") -> list[list[tuple[float, ...]]]:
        """Made-up scores of continuations: see `LanguageModel.loglikelihood`."""
        self._count([context for context, _ in requests], shared_prefix)
        answer = []
        for context, continuations in requests:
            for segments in continuations:
                self._check_room(context, sum(self.count_tokens(segments)))
                self.tokens.computed += sum(self.count_tokens(segments))
            answer.append([_scores(context, segments) for segments in continuations])
        return answer

    def _completions(self, prompt: str, sampling: Sampling, seed: int) -> list[Completion]:
        self._check_room(prompt, sampling.max_new_tokens)
        answers = self._script(prompt)
        if not answers:
            raise ConfigError(f"the script has no completion for a prompt that ends with {prompt[-60:]!r}. Add one.")
        chosen = [0 if sampling.temperature == 0 else _number(seed, index, prompt) % len(answers)
                  for index in range(sampling.n)]
        drawn = [_completion(prompt, answers[at], sampling) for at in chosen]
        self.tokens.computed += sum(self.count_tokens([completion.text for completion in drawn]))
        return drawn

    def _count(self, prompts: Sequence[str], shared_prefix: str) -> None:
        for prompt in prompts:
            common = len(shared_prefix.split()) if shared_prefix in self._read else 0
            self._read.add(shared_prefix)
            self.tokens.shared += common
            self.tokens.computed += len(prompt.split()) - common

    def _check_room(self, prompt: str, more: int) -> None:
        length = len(prompt.split())
        if length + more > self.max_length:
            raise TurnError("prompt_too_long", f"the prompt has {length} words and {more} are to follow, but this model "
                                               f"holds {self.max_length}. Give fewer examples or shorten the turn.")


def plain_answers(prompt: str) -> list[str]:
    """The default script: the plainest label, then the last three answers that the prompt shows for the same key."""
    for ending, plainest in _DEFAULT_ANSWERS.items():
        if prompt.endswith(ending):
            earlier = re.findall(re.escape(ending) + r"([^\n]*\],\n)", prompt)
            return list(dict.fromkeys([plainest, *reversed(earlier[-_EARLIER_ANSWERS:])]))
    raise ConfigError(f"the scripted model has no rule for a prompt that ends with {prompt[-60:]!r}. Give ScriptedLM a "
                      f"script; without one it knows {', '.join(map(repr, _DEFAULT_ANSWERS))}.")


def _by_ending(script: Mapping[str, Sequence[str]]) -> Script:
    def answers(prompt: str) -> Sequence[str]:
        fitting = [ending for ending in script if prompt.endswith(ending)]
        return script[max(fitting, key=len)] if fitting else ()

    return answers


def _completion(prompt: str, answer: str, sampling: Sampling) -> Completion:
    """`answer`, cut before the first stop string, or after as many words as are allowed; an answer ends by itself."""
    places = [place for stop in sampling.stop if (place := answer.find(stop)) >= 0]
    text = answer[:min(places)] if places else answer
    words = list(re.finditer(r"\S+", text))
    finished = len(words) <= sampling.max_new_tokens
    if not finished:
        text = text[:words[sampling.max_new_tokens].start()].rstrip()
    return Completion(text, _scores(prompt, [text])[0], finished, len(text.split()))


def _scores(context: str, segments: Sequence[str]) -> tuple[float, ...]:
    low, high = _NATS_A_CHARACTER
    scores, before = [], context
    for segment in segments:
        share = _number(before, segment) / 2**64
        scores.append(-len(segment) * (low + (high - low) * share))
        before += segment
    return tuple(scores)


def _number(*parts: object) -> int:
    """64 bits of a hash."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big")
