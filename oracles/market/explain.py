"""What an auction's terms mean, in words, before anybody is bound by them. Pure."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from oracles.chain.terms import GWEI, PPB, WAD
from oracles.errors import InputError
from oracles.mechanism import spendable
from oracles.money import DST, ETHER

if TYPE_CHECKING:
    from oracles.chain.oracle import OperatorSet
    from oracles.chain.terms import Durations, Terms
    from oracles.chain.typed_events import Panel
    from oracles.money import Currency


def explain_terms(
    terms: Terms, currency: Currency, operators: OperatorSet, bounty: int
) -> dict[str, str]:
    """One sentence for each thing that the terms fix.

    Args:
        terms: of the auction.
        currency: of its settlement token.
        operators: the set that would score.
        bounty: for the settlers, wei.

    Raises:
        InputError: terms and set do not fit together.
    """
    number, appeals = terms.scoring.operator_set, bool(operators.appeal.members)
    if not operators.first.members:
        raise InputError(f"there is no operator set {number}")
    if terms.durations.challenge and not appeals:
        raise InputError(f"set {number} has no appeal panel: leave `challenge` out")
    if appeals and not terms.durations.challenge:
        raise InputError(f"set {number} has an appeal panel: name a length of `challenge`")
    rho = Fraction(terms.rho, PPB)
    beta = spendable(terms.budget, terms.pool, rho)
    scoring = terms.scoring
    weights = terms.weights
    exponents = f"q^{_plain(weights.eta)} (φ + {_plain(weights.kappa)})^{_plain(weights.gamma)}"
    said = {
        "escrowed": f"{currency.format(terms.budget)} leave your account and wait in the contract",
        "spendable": f"at most {currency.format(beta)} in rewards (β); the rest comes back",
        "rewards": f"{_percent(rho)} of each in cash, {_percent(1 - rho)} as a share of revenue",
        "reserved": f"{_percent(Fraction(terms.tranche, PPB))} of it for under-served providers",
        "worth": f"{exponents}" if weights.family == 0 else "a concave rule of quality × impact",
        "least quality": f"q of {scoring.q_min / 10_000:g}",
        "bond": f"{ETHER.format(terms.bond_gwei * GWEI)} from every provider; lost by who does not"
        " open a right sample, does not reveal, or wins and does not deliver",
        "entry fee": f"{ETHER.format(scoring.entry_fee_gwei * GWEI)} from every provider, for the"
        " scores",
        "agreement": f"0x{terms.agreement.hex()}, to which every provider commits"
        if any(terms.agreement)
        else "none",
        "places": f"at most {terms.max_bids:,} commitments",
        "samples": f"{scoring.samples} pages of each data set are opened to the operators"
        if scoring.samples
        else "none: every data set is opened whole to the operators",
        "metric version": f"0x{scoring.metric_version.hex()}, which the operators must have",
        "operators": f"set {scoring.operator_set}: {_panel(operators.first)}",
        "appeal": _panel(operators.appeal) if operators.appeal.members else "none",
        "stake": f"{ETHER.format(scoring.stake_gwei * GWEI)} from each operator that scores",
        "fee": f"{ETHER.format(terms.fee)} for the operators, paid by you",
        "bounty": f"{ETHER.format(bounty)} for whoever settles",
        "participation": f"{DST.format(terms.dst.supply)} for those who deliver"
        if terms.dst.supply
        else "no participation tokens",
    }
    if terms.enrolment:
        said["bids"] = "none: the pool of revenue shares is divided by worth"
    elif 0 < rho < 1:
        balanced = Fraction(terms.budget) * (1 - rho) / rho
        if balanced != terms.pool:
            said["balance"] = (
                f"budget and pool do not fit: with this budget {currency.format(int(balanced))} of"
                " pool would be used up, and what does not fit comes back"
            )
    return said


def phase_ends(durations: Durations, created: int, draw: int) -> dict[str, int]:
    """When each phase of an auction would end, unix seconds, by name and in order."""
    return durations.phases(created, draw)._asdict()


def _panel(panel: Panel) -> str:
    members, threshold = len(panel.members), panel.threshold
    return (
        f"{members} member{'s' if members != 1 else ''}, of which {threshold} must answer; the"
        f" scores are right while at most {(threshold - 1) // 2} of them lie and"
        f" {members - threshold} are silent"
    )


def _percent(share: Fraction) -> str:
    return f"{float(100 * share):g} %"


def _plain(wad: int) -> str:
    return f"{float(Fraction(wad, WAD)):g}"
