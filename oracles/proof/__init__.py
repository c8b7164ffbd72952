"""Proofs that all pages of a data set meet thresholds, which show nothing else of them."""

from oracles.proof.facts import Facts, depth, root
from oracles.proof.prover import check_proof, forget, holds, prove
from oracles.proof.thresholds import Claim, Part, Proof, Thresholds
from oracles.proof.tree import Tree, check_facts

__all__ = [
    "Claim",
    "Facts",
    "Part",
    "Proof",
    "Thresholds",
    "Tree",
    "check_facts",
    "check_proof",
    "depth",
    "forget",
    "holds",
    "prove",
    "root",
]
