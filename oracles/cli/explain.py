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
    "NothingToClaim": lambda _: "nothing is left to claim: it was paid already, or nothing is due",
    "NotTheCommitment": lambda v: (
        f"bid {v['index']} is not what the bid book says: it was withdrawn, replaced or paid"
        if "index" in v
        else "the commitment on chain is another one"
    ),
    "NotTheOwner": lambda v: f"bid {v['index']} belongs to another account",
    "NotTheBuyer": lambda v: f"{v['caller']} is not this auction's buyer",
    "NotAWinner": lambda v: f"bid {v['index']} did not win",
    "NotRevealed": lambda v: f"bid {v['index']} was never revealed",
    "AuctionFull": lambda v: f"the auction is full: all of its {v['maxBids']} places are taken",
    "DepositMismatch": lambda v: (
        f"bond and entry fee are {ETHER.format(int(v['due']))},"
        f" but {ETHER.format(int(v['sent']))} was sent"
    ),
    "SignatureExpired": lambda v: f"the signature expired: {_until(int(v['deadline']))}",
    "SignatureInvalid": lambda v: f"the signature is not {v['owner']}'s",
    "ScoresMissing": lambda _: "the scores of this auction are not complete",
    "ScoresStanding": lambda _: "the scores stand or may still come, so it cannot be aborted yet",
    "DeliveriesPending": lambda _: "deliveries are not resolved yet: wait until claims begin",
    "NothingDeposited": lambda _: "no revenue was deposited",
    "NothingAccrued": lambda v: (
        f"the revenue would be nobody's: {v['mut']} has no holder, now or later"
    ),
    "NotOnTheRoll": lambda v: (
        f"bid {v['index']} is not on the roll: too few operators attested its sample"
    ),
    "AgreementDiffers": lambda _: "the auction is under another agreement than this one",
    "NothingToWalk": lambda _: "somebody else settled this part already; look at the status",
    "ThresholdInvalid": lambda v: (
        f"of {v['size']} members k cannot be {v['threshold']}: it is odd, and more than half"
    ),
    "UnknownSet": lambda v: f"there is no operator set {v['operatorSet']}",
    "NotAnOperator": lambda v: f"{v['account']} is not a registered operator",
    "BalanceMismatch": lambda _: (
        "the token moved another amount than was asked for: tokens that take a fee on transfer or"
        " change balances cannot be used"
    ),
    "InsufficientBalance": lambda v: f"{v.get('from', 'the account')} holds less than this needs",
    "ERC20InsufficientBalance": lambda v: f"{v['sender']} holds less of the token than this needs",
}


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
