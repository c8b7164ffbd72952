"""A contract's refusal as a sentence: what happened, by when, and what to do.

The contracts answer with the name of an error and its arguments (`contracts/interfaces`). A person
needs the moment in local time, the amount in ether, and the command that helps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from oracles.money import ETHER
from oracles.when import local, moment, span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Arguments = Mapping[str, Any]

#: Times from here on mean "no end" in the contracts.
_NEVER: Final = 1 << 64


def _window(values: Arguments) -> str:
    now, start, end = (int(value) for value in values.values())
    if now < start:
        return f"too early: this opens {moment(start, now)}"
    if start >= end:
        return "this is not open: what it waits for has not happened"
    return f"too late: this ended {moment(end, now)}"


def _length(name: str) -> Callable[[Arguments], str]:
    def sentence(values: Arguments) -> str:
        given, least, most = (int(values[key]) for key in (name, "least", "most"))
        return (
            f"a length of {span(given)} in [durations] cannot be: here each is at least"
            f" {span(least)} and at most {span(most)}"
        )

    return sentence


_SENTENCES: Final[dict[str, Callable[[Arguments], str]]] = {
    "OutOfPhase": _window,
    "OutOfWindow": _window,
    "WrongState": lambda v: {
        0: "the auction is still open: neither settled nor aborted",
        1: "the auction is settled already",
        2: "the auction was aborted",
    }.get(int(v["state"]), "the auction is in another state"),
    "UnknownAuction": lambda v: f"there is no auction {v['auctionId']}",
    "NothingToClaim": lambda _: (
        "nothing is left to claim: it was paid already, or nothing is due, as where a winner has"
        " not delivered"
    ),
    "NotTheCommitment": lambda v: (
        f"bid {v['index']} is not what the bid book says: it was withdrawn, replaced or paid"
        if "index" in v
        else "the commitment on chain is another one"
    ),
    "NotTheOwner": lambda v: f"bid {v['index']} belongs to another account",
    "NotTheBuyer": lambda v: f"{v['caller']} is not this auction's buyer",
    "NotAWinner": lambda v: f"bid {v['index']} did not win",
    "NotRevealed": lambda v: f"bid {v['index']} was never revealed",
    "NotOnTheRoll": lambda v: (
        f"bid {v['index']} is not on the roll: too few operators held its sample, so it takes no"
        " part and its bond is lost"
    ),
    "AlreadyDelivered": lambda v: f"bid {v['index']} has delivered",
    "AlreadyStruckOut": lambda v: f"bid {v['index']} was struck out",
    "AlreadyNamed": lambda v: f"bid {v['index']} was named before",
    "AuctionFull": lambda v: f"the auction is full: all of its {v['maxBids']} places are taken",
    "AgreementDiffers": lambda _: "the auction is under another contract text than that",
    "DepositMismatch": lambda v: f"bond and entry fee are {_ether(v, 'due')}, {_sent(v)}",
    "FeeMissing": lambda v: f"the operators' fee is {_ether(v, 'due')}, {_sent(v)}",
    "FeeMismatch": lambda v: f"the fee is {_ether(v, 'due')}, {_sent(v)}",
    "ChallengeBondMismatch": lambda v: f"a challenge costs {_ether(v, 'due')}, {_sent(v)}",
    "BondWrong": lambda v: f"the bond is {_ether(v, 'bond')}, {_sent(v)}",
    "CreditTooSmall": lambda v: (
        f"the operator has a credit of {_ether(v, 'credit')}, and needs {_ether(v, 'needed')}:"
        " qmia operator deposit"
    ),
    "StakeTooSmall": lambda v: (
        f"a stake of {_ether(v, 'stake')} is too small: {_ether(v, 'least')} at least"
    ),
    "PhaseOutOfBounds": _length("phase"),
    "WindowOutOfBounds": _length("window"),
    "AuctionTooLong": lambda v: (
        f"all lengths in [durations] together are {span(int(v['length']))}, and may be"
        f" {span(int(v['most']))} at most"
    ),
    "RequestTooLong": lambda v: (
        f"the scores would be final {_until(int(v['end']))}, after the latest that is allowed,"
        f" {_until(int(v['latest']))}: shorten [durations]"
    ),
    "RhoTooLarge": lambda _: "rho is more than 1",
    "TrancheTooLarge": lambda _: "the tranche is more than 1",
    "MaxBidsInvalid": lambda v: f"max_bids cannot be {v['maxBids']}: it is 0, or too large",
    "TooManySamples": lambda v: f"{v['samples']} samples are more than the contract allows",
    "BountyTooLarge": lambda v: f"a bounty of {_ether(v, 'bounty')} is too large",
    "BudgetOutOfRange": lambda _: (
        "what the auction could spend, the lesser of budget / rho and pool / (1 - rho), is nothing"
        " or too large"
    ),
    "WeightsTooLarge": lambda _: (
        "these [weights] give the best possible score a weight above 2^63: lower eta, kappa or"
        " gamma"
    ),
    "DstTermsInvalid": lambda _: (
        "the numbers in [dst] contradict each other: the cap is not 0 and not below the floor, and"
        " the three weights sum to 1"
    ),
    "TermsDiffer": lambda v: f"these are not the terms that auction {v['auction']} was made with",
    "KeyNotOwned": lambda v: f"the encryption key {v['key']} did not sign for this account",
    "NotAnEnrolment": lambda _: "an enrolment takes no cost: leave --cost out",
    "NotNamed": lambda v: f"the buyer has not named bid {v['index']} for this",
    "NotTheDelivery": lambda v: f"bid {v['index']} was delivered in another way than that",
    "NotTheKey": lambda _: "that is not the buyer's encryption key: is --key-file the right one?",
    "KeyIsRight": lambda v: f"the key that bid {v['index']} handed over is the one committed to",
    "EphemeralKeyInvalid": lambda _: "the delivery is not signed by the key that wrapped it",
    "NothingLocked": lambda _: "nothing that is not counted already is locked for this",
    "NotAParticipationToken": lambda v: f"{v['token']} is no participation token of an auction",
    "NotAMut": lambda v: f"{v['mut']} is no MUT of these contracts",
    "LogShrank": lambda v: (
        f"the usage log has {v['size']} entries, fewer than the {v['before']} that were posted"
    ),
    "LogChanged": lambda _: (
        "the usage log is not the one that was posted: it has as many entries, but other ones"
    ),
    "EndInvalid": lambda v: (
        f"the period would end {_until(int(v['end']))}: before the one that ended"
        f" {_until(int(v['before']))}, or in the future"
    ),
    "RulesInvalid": lambda _: "window and floor must not be 0, and the share is from 1 to 10,000",
    "DocumentInvalid": lambda v: (
        f"a metric's document of {v['size']} bytes is empty or longer than the registry takes"
    ),
    "AlreadyProposed": lambda _: "this metric version was proposed before: qmia metric status",
    "NotProposed": lambda _: "nobody has proposed this metric version",
    "BondGone": lambda _: "the bond was returned already, or the proposer does not take ether",
    "InvalidReceiver": lambda _: "tokens cannot be sent to the address 0",
    "PagesInvalid": lambda v: f"a data set of {v['pages']} pages cannot be proved",
    "ManifestDiffers": lambda _: "the proof belongs to another manifest than that",
    "ProofInvalid": lambda _: "the proof does not hold",
    "PartsInvalid": lambda v: f"a data set of this size has not {v['count']} parts",
    "PartNotProved": lambda v: f"part {v['index']} of the data set is not proved yet",
    "NotFinal": lambda _: "it is not decided yet which scores stand",
    "NoStake": lambda v: (
        f"member {v['member']} has no stake there: it staked nothing, or it was released or burned"
    ),
    "NotSlashable": lambda v: f"that proves no offence of member {v['member']}",
    "NothingToResolve": lambda _: "no challenge is open",
    "NoRandomness": lambda _: (
        "this chain gives no randomness (prevrandao), so samples cannot be drawn"
    ),
    "RollFailed": lambda v: (
        f"{v['callers']} operators called the roll, and {v['threshold']} are needed: the auction"
        " can only be aborted"
    ),
    "RollNotTallied": lambda _: "the roll is not counted yet",
    "NotTheAuction": lambda v: f"only the auction may do this, not {v['caller']}",
    "NothingDue": lambda v: f"nothing is due to {v['account']}",
    "SignatureExpired": lambda v: f"the signature expired: {_until(int(v['deadline']))}",
    "SignatureInvalid": lambda v: f"the signature is not {v['owner']}'s",
    "ScoresMissing": lambda _: "the scores of this auction are not complete",
    "ScoresStanding": lambda _: "the scores stand or may still come, so it cannot be aborted yet",
    "DeliveriesPending": lambda _: "deliveries are not resolved yet: wait until claims begin",
    "NothingDeposited": lambda _: "no revenue was deposited",
    "NothingAccrued": lambda v: (
        f"the revenue would be nobody's: {v['mut']} has no holder, now or later"
    ),
    "NothingToWalk": lambda _: "somebody else settled this part already; look at the status",
    "NotSettled": lambda v: f"auction {v['auctionId']} is not settled",
    "UnknownSet": lambda v: f"there is no operator set {v['operatorSet']}",
    "SetNotStanding": lambda v: (
        f"not every member of operator set {v['operatorSet']} has accepted it, or one has left it:"
        f" qmia operator set show {v['operatorSet']}"
    ),
    "ThresholdInvalid": lambda v: (
        f"a threshold of {v['threshold']} among {v['size']} cannot be: it must be odd and more than"
        " half of the members"
    ),
    "PanelSizeInvalid": lambda v: f"a panel of {v['size']} cannot be",
    "PanelsOverlap": lambda v: f"{v['member']} is in both panels, which must share no member",
    "NotAscending": lambda _: "an operator is named twice",
    "NotAnOperator": lambda v: f"{v['account']} is not a registered operator",
    "AlreadyAccepted": lambda v: f"{v['member']} has accepted this set already",
    "NotAccepted": lambda v: f"{v['member']} has not accepted this set",
    "NotAMember": lambda v: f"{v['account']} is no member of it",
    "AlreadyChallenged": lambda v: f"{v['challenger']} has challenged these scores already",
    "ChallengeWithoutPanel": lambda _: "this set has no appeal panel, so nobody can challenge",
    "NothingToChallenge": lambda _: "there are no scores to challenge",
    "BalanceMismatch": lambda _: (
        "the token moved another amount than was asked for: tokens that take a fee on transfer or"
        " change balances cannot be used"
    ),
    "SafeERC20FailedOperation": lambda v: f"the token {v['token']} refused to be moved",
    "TokenWithoutCode": lambda v: f"there is no token at {v['token']}",
    "TransferFailed": lambda v: f"{v['to']} does not take ether",
    "InsufficientBalance": lambda _: "the account holds less of the token than this needs",
    "InsufficientAllowance": lambda _: "the token was not allowed to be moved: try again",
    "ERC20InsufficientBalance": lambda v: f"{v['sender']} holds less of the token than this needs",
    "ERC20InsufficientAllowance": lambda _: "the token was not allowed to be moved: try again",
    "TooEarly": lambda v: f"too early: this can be done from {_until(int(v['until']))} on",
    "Closed": lambda v: f"too late: this closed {_until(int(v['closes']))}",
    "AlreadyVerified": lambda _: "the participation tokens are issued already",
    "NotVerified": lambda _: "the participation tokens are not issued yet: qmia buyer dst",
}


def _ether(values: Arguments, name: str) -> str:
    return ETHER.format(int(values[name]))


def _sent(values: Arguments) -> str:
    return f"but {_ether(values, 'sent')} was sent"


def _until(timestamp: int) -> str:
    return "never" if timestamp >= _NEVER else local(timestamp)


def explain(error: str, arguments: Arguments) -> str | None:
    """The sentence for a contract's error; None for one that speaks for itself.

    Args:
        error: its name.
        arguments: its arguments by name.
    """
    sentence = _SENTENCES.get(error)
    return None if sentence is None else sentence(arguments)
