"""The mechanism, exact and pure: integers and fractions, no chain, no network, no model."""

from oracles.mechanism.bulk import BidTable, clear_table
from oracles.mechanism.certificate import (
    Certificate,
    certify,
    fractional_optimum,
    withholding_bound,
)
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
from oracles.mechanism.mut import RevenueLedger, enrolment_shares
from oracles.mechanism.prune import Pruned, prune_and_split
from oracles.mechanism.risk import Advice, Outlook, advise, discounted_rate, risk_averse_rate
from oracles.mechanism.settlement import Proposal, Settlement, Verification, propose
from oracles.mechanism.weights import Family, WeightRule

__all__ = [
    "Advice",
    "Allocation",
    "Bid",
    "BidTable",
    "Certificate",
    "Clearing",
    "ClearingCase",
    "Clock",
    "DstCase",
    "Family",
    "Outlook",
    "Proposal",
    "Pruned",
    "RevenueLedger",
    "Settlement",
    "Totals",
    "Verification",
    "WeightRule",
    "advise",
    "allocate",
    "certify",
    "clear",
    "clear_table",
    "discounted_rate",
    "dst_scores",
    "dump_clearing",
    "enrolment_shares",
    "fractional_optimum",
    "load_case",
    "parse_clearing",
    "parse_dst",
    "propose",
    "prune_and_split",
    "risk_averse_rate",
    "run_clock",
    "settlement_totals",
    "spendable",
    "verify_allocation",
    "withholding_bound",
]
