"""The mechanism, exact and pure: integers and fractions, no chain, no network, no model."""

from oracles.mechanism.bulk import BidTable, clear_table
from oracles.mechanism.clock import Bid, Clock, run_clock
from oracles.mechanism.codec import (
    ClearingCase,
    DstCase,
    dump_clearing,
    load_case,
    parse_clearing,
    parse_dst,
)
from oracles.mechanism.dst import Allocation, allocate, dst_scores, verify_allocation
from oracles.mechanism.mixed import Clearing, Totals, clear, settlement_totals, spendable
from oracles.mechanism.settlement import Proposal, Settlement, Verification, propose
from oracles.mechanism.weights import Family, WeightRule

__all__ = [
    "Allocation",
    "Bid",
    "BidTable",
    "Clearing",
    "ClearingCase",
    "Clock",
    "DstCase",
    "Family",
    "Proposal",
    "Settlement",
    "Totals",
    "Verification",
    "WeightRule",
    "allocate",
    "clear",
    "clear_table",
    "dst_scores",
    "dump_clearing",
    "load_case",
    "parse_clearing",
    "parse_dst",
    "propose",
    "run_clock",
    "settlement_totals",
    "spendable",
    "verify_allocation",
]
