"""Why a bid has its scores: what operators published beside them, held against the chain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from oracles.chain.packing import Score
from oracles.errors import ChainError, IntegrityError
from oracles.evidence import StoreError, find_bundle
from oracles.when import moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from oracles.chain.state import AuctionState
    from oracles.evidence import Store


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one operator says of one bid.

    Attributes:
        operator: its address.
        digest: of its evidence bundle, as signed with its report; 32 bytes.
        score: its own score; the median of all counts. None where there is a problem.
        quality: metrics, findings and counts behind q and volume.
        impact: what is behind φ̂; empty where none was estimated.
        problem: why nothing is known; empty where all is well.
    """

    operator: str
    digest: bytes
    score: Score | None = None
    quality: Mapping[str, Any] = field(default_factory=dict)
    impact: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""


def judgements(
    view: AuctionState, indices: Sequence[int], stores: Sequence[Store], contract: str, now: int
) -> dict[int, list[Judgement]]:
    """By bid, what each operator whose vector counts published about it.

    Args:
        view: the auction.
        indices: of bids that the chain has.
        stores: where bundles may be; what comes from there is checked against the chain.
        contract: address of the auction's contract.
        now: the chain's time, unix seconds.

    Raises:
        ChainError: no scores stand yet.
    """
    number = view.accepted_round or view.standing
    if not number:
        later = view.scores_end
        raise ChainError(
            f"no scores of auction {view.id} stand"
            + (f" yet: look again after {moment(later, now)}" if now < later else "")
        )
    found: dict[int, list[Judgement]] = {index: [] for index in indices}
    for position, digest in sorted(view.rounds[number - 1].evidence.items()):
        if not view.rounds[number - 1].complete >> position & 1:
            continue
        operator, problem, content = view.panel(number).members[position], "", None
        try:
            content = find_bundle(stores, digest, tensors=False)
        except (StoreError, IntegrityError) as error:
            problem = str(error)
        for index in indices:
            if content is None:
                said = problem or "its evidence is in none of these stores"
                found[index].append(Judgement(operator, digest, problem=said))
                continue
            try:
                _expect(content, view, contract, number, operator)
                found[index].append(_of(content, view, index, operator, digest))
            except IntegrityError as error:
                found[index].append(Judgement(operator, digest, problem=str(error)))
    return found


def _expect(
    content: Mapping[str, Any], view: AuctionState, contract: str, number: int, operator: str
) -> None:
    """Refuse a bundle that was made for something else.

    Raises:
        IntegrityError: it was.
    """
    expected = {
        "contract": contract.lower(),
        "auction": str(view.id),
        "round": number,
        "operator": operator.lower(),
    }
    for name, value in expected.items():
        said = content.get(name)
        if (said.lower() if isinstance(said, str) else said) != value:
            raise IntegrityError(f"its evidence is of another {name}: {said!r}, not {value!r}")


def _of(
    content: Mapping[str, Any], view: AuctionState, index: int, operator: str, digest: bytes
) -> Judgement:
    """What a bundle says of one bid.

    Raises:
        IntegrityError: it says nothing of it, or speaks of other data.
    """
    try:
        (row,) = [each for each in content["data_sets"] if each["index"] == index]
        score = Score(**row["score"])
        manifest, assessment = row["manifest"], content["assessment"]
        quality = assessment["quality"].get(str(index), {})
        providers = (assessment["impact"] or {}).get("providers", [])
        impact: Any = next((each for each in providers if each["name"] == str(index)), {})
        if not isinstance(quality, dict) or not isinstance(impact, dict):
            raise TypeError("no objects")
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise IntegrityError(f"its evidence says nothing of bid {index}") from error
    if manifest != view.commitments[index].data_set.manifest.hex():
        raise IntegrityError(f"its evidence of bid {index} is about other data: {manifest!r}")
    return Judgement(operator, digest, score, quality, impact)
