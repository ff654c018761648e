"""Search is exact up to a size and approximate above, and always depends on the pool alone."""

import numpy as np
import pytest

from nc_latent_tod.retrieval.nearest import VectorPool


def vectors(n, seed=0, dimension=32):
    """Unit vectors around some centres, as sentences are."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(40, dimension))
    rows = centres[random.integers(0, 40, n)] + 0.5 * random.normal(size=(n, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def pool(rows, *, parts=1, **options):
    made = VectorPool(rows.shape[1], **options)
    for part in np.array_split(rows, parts):
        made.add(part)
    return made


def best(found, k):
    numbers, scores = found
    return numbers[np.lexsort((numbers, -scores))][:k].tolist()


def test_exact_search_finds_what_comparing_one_by_one_finds():
    rows, queries = vectors(3_000), vectors(40, seed=1)
    found = pool(rows, parts=7).nearest(queries, 10)
    for query, of_query in zip(queries, found, strict=True):
        scores = np.array([float(np.dot(row.astype(float), query.astype(float))) for row in rows])
        assert best(of_query, 10) == np.lexsort((np.arange(3_000), -scores))[:10].tolist()


def test_all_that_tie_with_the_last_are_candidates():
    rows = np.concatenate([vectors(50), np.repeat(vectors(1, seed=3), 30, axis=0)])
    ((numbers, scores),) = pool(rows).nearest(vectors(1, seed=3), 2)
    assert set(range(50, 80)) <= set(numbers.tolist()) and scores.max() == pytest.approx(1.0)


@pytest.mark.parametrize("exact_up_to", [100_000, 500])
def test_a_score_depends_on_its_two_vectors_alone(exact_up_to):
    rows, queries = vectors(2_000), vectors(9, seed=1)
    whole = pool(rows, exact_up_to=exact_up_to).nearest(queries, 5)
    for i, (numbers, scores) in enumerate(whole):
        for number, score in zip(numbers, scores, strict=True):
            ((_, alone),) = pool(rows[number][None]).nearest(queries[i][None], 1)
            assert alone[0] == score


def test_above_the_threshold_nearly_all_of_the_nearest_are_found():
    rows, queries = vectors(4_000), vectors(50, seed=1)
    exact, cells = pool(rows, parts=5), pool(rows, parts=5, exact_up_to=3_000)
    shares = [len(set(best(a, 10)) & set(best(b, 10))) / 10
              for a, b in zip(exact.nearest(queries, 10), cells.nearest(queries, 10), strict=True)]
    assert cells._inverted is not None and np.mean(shares) >= 0.9


def test_the_approximate_answer_depends_on_the_pool_and_not_on_when_it_was_asked():
    rows, queries = vectors(4_000), vectors(20, seed=1)
    asked_late = pool(rows, parts=8, exact_up_to=1_000)
    asked_often = VectorPool(32, exact_up_to=1_000)
    for part in np.array_split(rows, 8):
        asked_often.add(part)
        asked_often.nearest(queries, 10)
    for a, b in zip(asked_late.nearest(queries, 10), asked_often.nearest(queries, 10), strict=True):
        assert best(a, 10) == best(b, 10)


def test_what_came_after_the_index_was_made_is_found():
    rows = vectors(1_200)
    made = pool(rows[:1_100], exact_up_to=1_000)
    made.nearest(rows[:1], 1)
    made.add(rows[1_100:])
    assert [best(found, 1) for found in made.nearest(rows[1_100:], 1)] == [[number] for number in range(1_100, 1_200)]
