"""Small whole labellers and jobs for tests: a scripted model whose answers depend on every letter of the prompt."""

import functools
import hashlib
from collections.abc import Sequence

import numpy as np
from toy_schema import SCHEMA

from nc_latent_tod.dialogue import Dialogue, Turn
from nc_latent_tod.labelling.examples import ExamplePool
from nc_latent_tod.labelling.labeller import Labeller
from nc_latent_tod.labelling.model import ModelLabeller
from nc_latent_tod.labelling.scoring import Scorer
from nc_latent_tod.lm import Sampling
from nc_latent_tod.lm.scripted import ScriptedLM
from nc_latent_tod.retrieval.dense import DenseRetriever
from nc_latent_tod.tasks.acts import ActTagging
from nc_latent_tod.tasks.dst import StateTracking

ANSWERS = {
    "user_intent=[": ["agent.no_change()],", 'agent.find_stay(area="east")],', "agent.find_stay(stars=4, area='north')]",
                      'agent.book_stay(name="Lindsay\'s")],', "agent.find_stay(area=None)],", 'agent.find_stays(area="east")],',
                      "agent._class(_from=agent.state.stay.name)],", "I am sorry", 'agent.find_stay(stars="four")],'],
    "system_acts=[": ["Goodbye()],", 'Offer(entity=Stay(name="The Mill"))],', 'Request(service=Stay, slots=["area"])],',
                      "Inform(entity=Stay(area='east', stars=3))],", "],", "Inform(entity='hotel')],",
                      "Greeting(), ThankYou()]"],
}
"""Possible completions of the direct prompts; some of them do not parse."""


class WordEncoder:
    """A deterministic encoder: the mean of one random vector a word, at norm 1."""

    dimension = 16
    fingerprint = ""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        rows = [sum((_vector(word) for word in text.split()), np.full(self.dimension, 1e-3)) for text in texts]
        return np.array([row / np.linalg.norm(row) for row in rows], dtype=np.float32).reshape(-1, self.dimension)


@functools.cache
def _vector(word: str) -> np.ndarray:
    digest = hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest()
    return np.frombuffer(digest[:16], dtype=np.uint8).astype(np.float64) - 127.5


def turns(dialogue_id: str, *exchanges: tuple[str, str]) -> Dialogue:
    """A dialogue of (user utterance, system response) pairs."""
    said = ["", *(response for _, response in exchanges)]
    return Dialogue(dialogue_id, tuple(Turn(dialogue_id, i, said[i], user, response)
                                       for i, (user, response) in enumerate(exchanges)))


def corpus(n: int = 6) -> list[Dialogue]:
    """Dialogues of one to five turns that share words."""
    words = ["a", "room", "in", "the", "east", "for", "four", "people", "near", "a", "mill", "with", "garage", "please"]
    return [turns(f"d{i}", *((" ".join(words[(i * 3 + t) % 9:][: 4 + t]), f"{words[(i + t) % 9]} mill {t}")
                             for t in range(1 + i % 5))) for i in range(n)]


def inference(task, lm=None, *, ranking="noisy_channel_joint", n=4, k=2, keep=None, minimum_distinct=None, example_warmup=0,
              add_predictions=True, proposal_weight=0.0, length_normalization="none", counts_tokens=True, retriever=None,
              sampling=None, propose=None, grammar=None, prefer_human=False) -> ModelLabeller:
    """One task with the scripted model."""
    greedy = ranking == "greedy"
    sampling = sampling or Sampling(n=1 if greedy else n, temperature=0.0 if greedy else 1.0, max_new_tokens=40)
    retriever = retriever or DenseRetriever(WordEncoder(), lambda e: task.retrieval_text(e.turn, e.prior_state))
    lm = lm or ScriptedLM(ANSWERS)
    pool = ExamplePool(task, retriever, k, example_warmup, min(k, 1) if minimum_distinct is None else minimum_distinct,
                       add_predictions, prefer_human)
    scorer = Scorer(task, lm, ranking, proposal_weight, length_normalization, counts_tokens)
    return ModelLabeller(task, lm, pool, scorer, sampling, sampling.n if keep is None else keep, propose, grammar)


def labeller(lm=None, *, run_id="run", batch_size=16, seed=0, ranking="noisy_channel_joint", provenance=None,
             **fields) -> Labeller:
    """Both tasks on the toy schema; `fields` go to both inferences."""
    return Labeller(dst=inference(StateTracking(SCHEMA, "signatures"), lm, ranking=ranking, **fields),
                    act_tag=inference(ActTagging(SCHEMA, "signatures"), lm, ranking=ranking, **fields),
                    run_id=run_id, seed=seed, batch_size=batch_size, provenance=provenance or {})


def label(labeller: Labeller, *groups: Sequence[Dialogue], **options) -> dict:
    """All labels by (dialogue id, turn id)."""
    return {e.turn.key: e for batch in labeller.label(groups, **options) for e in batch}


def seed_pool(labeller, examples):
    """Add labels to the pools of both tasks."""
    for pool in labeller.pools:
        pool.learn(examples)
