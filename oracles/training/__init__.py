"""From bought data to a training set with an identity: every row says from which winner it came.

The set is a folder that `datasets` loads as it is:

    data/train-00000.parquet …   text, metadata, where each row comes from, its weight
    README.md                    dataset card: what was bought, licences, languages, repeats
    croissant.json               the same for machines, with check sums
    qmia.json                    auctions, winners, digests: input of proofs and of the meter
    SHA256SUMS
"""

from oracles.training.card import model_card
from oracles.training.sets import (
    Bought,
    Built,
    Conversation,
    RowProof,
    TrainingSet,
    build,
    forget,
    prove,
)

__all__ = [
    "Bought",
    "Built",
    "Conversation",
    "RowProof",
    "TrainingSet",
    "build",
    "forget",
    "model_card",
    "prove",
]
