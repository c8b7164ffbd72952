"""Train and measure the probe that tells text from words without meaning.

    python -m benchmarks.quality.coherence --train      # writes data/coherence.safetensors
    python -m benchmarks.quality.coherence [--json]     # the table in docs/quality.md

Trained on the reference's own texts and on fourteen kinds of nonsense made of them. Measured on 27
corpora that it has not seen, on held-out passages of its own, and on kinds that it was not trained
on (marked with a star), which were neither chosen nor tuned by the outcome. `lost` is the mean
share of a passage of 192 words that is taken as senseless.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import wordfreq

from benchmarks.quality.common import foreign, show
from oracles.quality import coherence, disguise, texts
from oracles.quality.embed import WIDTH, cache_directory
from oracles.quality.sources import SOURCES, passages

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Words = list[str]
    Sample = tuple[str, str, Words]

ROOT = Path(__file__).resolve().parents[2]
PROBE = ROOT / "oracles" / "quality" / "data" / "coherence.safetensors"
PASSAGE = coherence.WINDOW * coherence.WINDOWS
ENGLISH = [word for word in wordfreq.top_n_list("en", 20_000) if word.isalpha()]
STOP = ENGLISH[:150]
IS_STOP = frozenset(STOP)
HIDDEN, EPOCHS, SCALE = 32, 14, 4.0
#: Sources of which more is lost, and why that is accepted.
KNOWN = {"spam": "words against filters, between remains of markup"}
FRAMES = (
    "the {} of the {} was {} when the {} came to the {}",
    "a {} {} is not the {} of {} and {}",
    "every {} that {} in the {} must {} the {}",
)


def plain(text: str) -> Words:
    """The words of a text as the score reads them."""
    return disguise.words(disguise.undo(texts.normalise(text)).text)


def own(held_out: bool, count: int) -> dict[str, list[Words]]:
    """Documents of the English sources of the reference."""
    folder = cache_directory() / "sources"
    return {
        source.name: [plain(t) for t in passages(source, folder, held_out=held_out)[:count]]
        for source in SOURCES
        if source.name != "translations"
    }


def unseen(count: int) -> dict[str, list[Words]]:
    """Documents of the corpora of the impact score, none of which was trained on."""
    from benchmarks.impact import corpora

    return {name: [plain(text) for text in foreign(name)[:count]] for name in corpora.SOURCES}


class Chain:
    """Continues every `order` words as some text does."""

    def __init__(self, documents: Sequence[Words], order: int) -> None:
        self.order = order
        self.following: defaultdict[tuple[str, ...], Words] = defaultdict(list)
        for words in documents:
            for i in range(len(words) - order):
                self.following[tuple(words[i : i + order])].append(words[i + order])
        self.starts = list(self.following)

    def __call__(self, size: int, rng: random.Random) -> Words:
        """So many words."""
        out = list(rng.choice(self.starts))
        while len(out) < size:
            known = self.following.get(tuple(out[-self.order :]))
            out += [rng.choice(known)] if known else rng.choice(self.starts)
        return out[:size]


def runs(words: Words, length: int, size: int, rng: random.Random) -> Words:
    """Runs of real text in any order."""
    starts = [rng.randrange(max(1, len(words) - length)) for _ in range(-(-size // length))]
    return [word for start in starts for word in words[start : start + length]][:size]


def translation(documents: Sequence[Words]) -> dict[str, str]:
    """Each word for another one of about its frequency, always the same."""
    counts: defaultdict[str, int] = defaultdict(int)
    for words in documents:
        for word in words:
            counts[word.lower()] += 1
    ranked, rng = sorted(counts, key=lambda word: (-counts[word], word)), random.Random(5)
    table: dict[str, str] = {}
    for start in range(0, len(ranked), 40):
        block = ranked[start : start + 40]
        table.update(zip(block, rng.sample(block, len(block)), strict=True))
    return table


def kinds(
    documents: Sequence[Words], mixed: Sequence[Words], size: int, rng: random.Random
) -> dict[str, Callable[[], Words]]:
    """Generators of text by kind, made of the documents of one source, or of several."""
    flat = [word for words in documents for word in words]
    real = [
        words[a : a + size] for words in documents for a in range(0, len(words) - size + 1, size)
    ] or [flat[:size]]
    topic = sorted({word.lower() for word in flat if len(word) > 5})
    content = sorted({word for word in flat if word.lower() not in IS_STOP})
    few = rng.sample(topic, min(200, len(topic)))
    table = translation(documents)
    chains = {order: Chain(documents, order) for order in (1, 2, 3, 4)}
    several = Chain(mixed, 2)

    def text() -> Words:
        return rng.choice(real)

    def replaced(step: int) -> Words:
        return [rng.choice(ENGLISH[:2000]) if i % step == 0 else w for i, w in enumerate(text(), 1)]

    def filled() -> Words:
        out: Words = []
        while len(out) < size:
            out += rng.choice(FRAMES[:2]).format(*rng.sample(few, 5)).split()
        return out[:size]

    def near() -> Words:
        keyed = [(i + 5 * rng.random(), word) for i, word in enumerate(text())]
        return [word for _, word in sorted(keyed)]

    return {
        "text": text,
        "chain of order 1": lambda: chains[1](size, rng),
        "chain of order 2": lambda: chains[2](size, rng),
        "chain of order 2 over several sources": lambda: several(size, rng),
        "shuffled": lambda: rng.sample(text(), size),
        "shuffled within five words": near,
        "runs of three words": lambda: runs(flat, 3, size, rng),
        "runs of five words": lambda: runs(flat, 5, size, rng),
        "bag of words": lambda: rng.choices(flat, k=size),
        "bag of topic words": lambda: rng.choices(topic, k=size),
        "words of the dictionary": lambda: rng.choices(ENGLISH, k=size),
        "translated by a dictionary": lambda: [table[word.lower()] for word in text()],
        "other content words": lambda: [
            word if word.lower() in IS_STOP else rng.choice(content) for word in text()
        ],
        "other stop words": lambda: [
            rng.choice(STOP) if word.lower() in IS_STOP else word for word in text()
        ],
        "Mad-Libs": filled,
        "* chain of order 3": lambda: chains[3](size, rng),
        "* chain of order 4": lambda: chains[4](size, rng),
        "* runs of eight words": lambda: runs(flat, 8, size, rng),
        "* reversed": lambda: text()[::-1],
        "* each third word replaced": lambda: replaced(3),
        "* each eighth word replaced": lambda: replaced(8),
        "* two fifths of the words dropped": lambda: [
            word for word in text() + text() if rng.random() < 0.6
        ][:size],
        "* two texts interleaved": lambda: [
            word for both in zip(text(), text(), strict=True) for word in both
        ][:size],
        "* sorted": lambda: sorted(text(), key=str.lower),
        "* each word twice": lambda: [word for word in text()[: size // 2] for _ in range(2)],
        "* articles between topic words": lambda: [
            word for _ in range(size // 2) for word in (rng.choice(STOP[:20]), rng.choice(topic))
        ],
    }


def sampled(
    sources: dict[str, list[Words]], size: int, counts: Callable[[str], int], seed: int
) -> list[Sample]:
    """Passages by source and kind."""
    rng = random.Random(seed)
    everything = [words for documents in sources.values() for words in documents]
    found: list[Sample] = []
    for name, documents in sources.items():
        mixed = rng.sample(everything, min(len(everything), 300))
        for kind, make in kinds(documents, mixed, size, rng).items():
            found += [(name, kind, make()) for _ in range(counts(kind))]
    return found


def train() -> None:
    """Fit the probe and write it."""
    import torch
    from safetensors.numpy import save

    def counts(kind: str) -> int:
        if kind.startswith("*"):
            return 0
        return 720 if kind == "text" else 120 if "order 2" in kind else 40

    rng = random.Random(3)
    samples = sampled(own(held_out=False, count=500), coherence.WINDOW, counts, 1)
    # Short documents are read too.
    samples = [
        (name, kind, words if rng.random() < 0.7 else words[: rng.randrange(12, 60)])
        for name, kind, words in samples
    ]
    encoded = coherence.Encoded()
    states = []
    for start in range(0, len(samples), 512):
        states += encoded([" ".join(words) for _, _, words in samples[start : start + 512]])
        print(f"read {len(states)} of {len(samples)}", file=sys.stderr)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    lengths = np.array([len(state) for state in states])
    ends = np.cumsum(lengths)
    x = torch.from_numpy(np.concatenate(states).astype(np.float32))
    mean, deviation = x.mean(0), x.std(0)
    x.sub_(mean).div_(deviation)
    y = torch.tensor([float(kind == "text") for _, kind, _ in samples])
    first, second = torch.nn.Linear(WIDTH, HIDDEN), torch.nn.Linear(HIDDEN, 1)
    optimiser = torch.optim.AdamW(
        [*first.parameters(), *second.parameters()], lr=3e-3, weight_decay=1e-2
    )
    steps = EPOCHS * -(-len(y) // 128)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, steps)
    for epoch in range(EPOCHS):
        order = np.random.default_rng(epoch).permutation(len(y))
        for start in range(0, len(y), 128):
            chosen = order[start : start + 128]
            rows = np.concatenate([np.arange(ends[i] - lengths[i], ends[i]) for i in chosen])
            owner = torch.from_numpy(np.repeat(np.arange(len(chosen)), lengths[chosen]))
            piece = second(torch.relu(first(x[rows])))[:, 0]
            sums = torch.zeros(len(chosen)).index_add(0, owner, piece)
            logits = SCALE * sums / torch.from_numpy(lengths[chosen])
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, y[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        print(f"pass {epoch + 1}: loss {float(loss):.3f}", file=sys.stderr)
    weight = first.weight.detach().double() / deviation.double()
    bias = first.bias.detach().double() - weight @ mean.double()
    data = save(
        {
            "hidden": weight.T.float().contiguous().numpy(),
            "hidden_bias": bias.float().numpy(),
            "out": (SCALE * second.weight.detach()[0]).numpy(),
            "out_bias": (SCALE * second.bias.detach()).numpy(),
        }
    )
    PROBE.write_bytes(data)
    print(f"PROBE_SHA256 = {hashlib.sha256(data).hexdigest()!r}")


def measure(count: int) -> list[dict[str, Any]]:
    """What real text of each source loses, and text of each kind over all of them."""
    sources = {**unseen(200), **{f"{n} (held out)": d for n, d in own(True, 150).items()}}

    def counts(kind: str) -> int:
        return count if kind == "text" else max(2, count // 8)

    reader = coherence.Reader()
    found: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for name, kind, words in sampled(sources, PASSAGE, counts, 2):
        half = len(words) // 2
        grades = reader([" ".join(words[:half]), " ".join(words[half:])])
        pieces = sum(grade.pieces for grade in grades)
        mean = sum(g.steps * g.pieces for g in grades) / pieces / coherence.STEPS
        found[name if kind == "text" else kind].append((mean, float(coherence.senseless(grades))))
    return [
        {
            "text": name,
            "passages": len(values),
            "log odds": float(np.mean([mean for mean, _ in values])),
            "deviation": float(np.std([mean for mean, _ in values])),
            "lost": float(np.mean([lost for _, lost in values])),
        }
        for name, values in found.items()
    ]


def main() -> int:
    """Train, or print the table; exit code 1 if a source of real text loses more than 5 %."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--docs", action="store_true", help="write docs/quality.md")
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--passages", type=int, default=24, help="of each source")
    options = parser.parse_args()
    if options.train:
        train()
        return 0
    rows = measure(options.passages)
    names = {**dict.fromkeys(n for n in kinds([["a"] * 9], [["a"] * 9], 4, random.Random(1)))}
    real = [row for row in rows if row["text"] not in names]
    known = [f"{name} ({reason})" for name, reason in KNOWN.items()]
    unfair = [row["text"] for row in real if row["lost"] > 0.05 and row["text"] not in KNOWN]
    show(
        real + [r for r in rows if r["text"] in names],
        {"known": known, "unfair": unfair},
        to_json=options.json,
        docs="coherence" * options.docs,
    )
    return 1 if unfair else 0


if __name__ == "__main__":
    sys.exit(main())
