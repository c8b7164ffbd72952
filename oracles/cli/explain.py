"""A contract's refusal as a sentence: what happened, by when, and what to do.

The contracts answer with the name of an error and its arguments (`contracts/interfaces`). A person
needs the moment in local time, the amount in ether, and the command that helps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from oracles.money import ETHER
from oracles.when import local, moment

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
