"""The nearest vectors by inner product: all of them compared up to a size, cells of an inverted file above.

Whatever finds the candidates, their scores are computed again one by one in float64. So a score depends on its two vectors
alone: not on the size of the pool, on what else is asked at the same time, or on the order in which a library adds.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import faiss
import numpy as np

EXACT_UP_TO = 100_000  # vectors; above, comparing all takes longer than embedding what is asked

_MARGIN = 2e-4  # more than rounding to 4 decimals and adding in float32 can change the order by
_QUERIES = 16  # compared at a time: 6 MB of scores for 100,000 vectors
_PROBED_SHARE = 8  # one of so many cells is looked into
_TRAINED_ON = 64  # vectors a cell


class VectorPool:
    """A growing list of unit vectors, numbered from 0. Blocks are kept as they come, not copied."""

    def __init__(self, dimension: int, *, exact_up_to: int = EXACT_UP_TO) -> None:
        self._dimension, self._exact_up_to = dimension, exact_up_to
        self._blocks: list[np.ndarray] = []
        self._starts: list[int] = []
        self._size = 0
        self._to_index = 0  # vectors that an inverted file is to hold; decided while adding, so it depends on the pool alone
        self._inverted: faiss.Index | None = None

    def __len__(self) -> int:
        return self._size

    def add(self, vectors: np.ndarray) -> None:
        """Add vectors: (rows, dimension), float32."""
        if not len(vectors):
            return
        self._blocks.append(vectors)
        self._starts.append(self._size)
        self._size += len(vectors)
        if self._size > max(self._exact_up_to, 2 * self._to_index):
            self._to_index, self._inverted = self._size, None

    def nearest(self, queries: np.ndarray, k: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """(numbers, scores) of candidates for each query, in no order: the `k` nearest and all that tie with the last of them.

        Queries: (queries, dimension), float32. Exact up to `exact_up_to` vectors; above, some of the nearest may be missed.
        """
        found = []
        for at in range(0, len(queries), _QUERIES):
            asked = queries[at : at + _QUERIES]
            indexed = self._in_cells(asked, 2 * k) if self._to_index else [np.zeros(0, np.int64)] * len(asked)
            compared = self._among_all(asked, k)
            for query, *rows in zip(asked, indexed, compared, strict=True):
                numbers = np.concatenate(rows)
                found.append((numbers, _scores(self._vectors(numbers), query)))
        return found

    def _among_all(self, queries: np.ndarray, k: int) -> list[np.ndarray]:
        """Candidates among the vectors that are in no inverted file."""
        blocks = self._blocks[self._first_compared():]
        if not blocks:
            return [np.zeros(0, np.int64)] * len(queries)
        scores = np.concatenate([queries @ block.T for block in blocks], axis=1)  # (queries, vectors)
        if k < scores.shape[1]:
            least = np.partition(scores, -k, axis=1)[:, -k] - _MARGIN  # (queries,)
            return [np.flatnonzero(row >= bound) + self._to_index for row, bound in zip(scores, least, strict=True)]
        return [np.arange(scores.shape[1]) + self._to_index] * len(queries)

    def _in_cells(self, queries: np.ndarray, k: int) -> list[np.ndarray]:
        """Candidates among the vectors in the inverted file."""
        if self._inverted is None:
            held = self._blocks[: self._first_compared()]
            self._inverted = _inverted_file(np.concatenate(held), self._dimension)
        return [rows[rows >= 0] for query in queries for rows in self._inverted.search(query[None], k)[1]]

    def _first_compared(self) -> int:
        """The first block that is in no inverted file."""
        return bisect_left(self._starts, self._to_index)

    def _vectors(self, numbers: np.ndarray) -> np.ndarray:
        """Vectors by their numbers: (numbers, dimension)."""
        places = [(bisect_right(self._starts, number) - 1, number) for number in numbers.tolist()]
        return np.stack([self._blocks[block][number - self._starts[block]] for block, number in places])


def _scores(vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    return (vectors.astype(np.float64) * query.astype(np.float64)).sum(axis=1)


def _inverted_file(vectors: np.ndarray, dimension: int) -> faiss.Index:
    """Cells around the means of a part of the vectors, and the vectors in half precision. One thread, so that all workers that
    hold the same vectors hold the same cells.
    """
    cells = max(1, int(len(vectors) ** 0.5))
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        index = faiss.IndexIVFScalarQuantizer(faiss.IndexFlatIP(dimension), dimension, cells,
                                              faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        index.train(vectors[:: max(1, len(vectors) // (_TRAINED_ON * cells))])
        index.add(vectors)
    finally:
        faiss.omp_set_num_threads(threads)
    index.nprobe = max(1, cells // _PROBED_SHARE)
    return index
