"""Mutation score of the contracts: change one thing at a time and see whether a test notices.

    python -m scripts.mutate [--sample 1000] [--seed 1] [--only 'UsageLog|Bid'] [--again] [--json]

Mutants are made by the usual operators (conditions negated, guards removed, comparisons, arithmetic,
assignments and constants changed, statements deleted, locks removed) at places chosen by a fixed
seed, the same number per line of every contract, and by a list of weakenings thought out by hand.
All of them are compiled together and told apart by an account each (scripts/instrument.py). A mutant is
tried on those tests that reach it, the fastest first, until one fails. Results are kept in
`.build/mutants.json`, so that a broken run goes on where it stopped. Exit code 1 if less than 80 %
die.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import resource
import signal
import sys
import time
import traceback
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
from rich.console import Console

from scripts.build import ROOT, BuildError, compile_errors, compile_input
from scripts.instrument import (
    BASE,
    Instrumented,
    Node,
    Source,
    Wrap,
    account,
    in_process,
    in_revm,
    marker,
    reached,
    save,
    sources,
    span,
    statement_span,
    walk,
)
from tests.support.chain import artifact
from tests.support.revm import Revm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

TESTS: Final = ("tests/contracts", "tests/attacks")
RESULTS: Final = ROOT / ".build" / "mutants.json"
REACH: Final = ROOT / ".build" / "mutants-reach.json"
LEAST: Final = 80
#: A mutant that runs for so long has lost its way: it counts as killed.
PATIENCE: Final = 120

_SWAPS: Final = {
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==",
    "+": "-", "-": "+", "*": "/", "/": "*", "%": "/",
    "&": "|", "|": "&", "^": "&", "<<": ">>", ">>": "<<", "&&": "||", "||": "&&",
    "+=": "-=", "-=": "+=", "|=": "&=", "*=": "/=", "&=": "|=",
    "++": "--", "--": "++",
}  # fmt: skip
_YUL_SWAPS: Final = {
    "lt": "gt", "gt": "lt", "add": "sub", "sub": "add", "mul": "add", "and": "or", "or": "and",
    "xor": "or", "shl": "shr", "shr": "shl",
}  # fmt: skip


class Mutant(NamedTuple):
    """One change of a file: at `place`, from byte to byte, `text` stands instead."""

    file: str
    operator: str
    line: int
    column: int
    old: str
    new: str
    text: str
    place: tuple[int, int]
    kind: str

    @property
    def name(self) -> str:
        """A name that is the same in every run."""
        where = f"{self.file.removeprefix('contracts/')}:{self.line}:{self.column}"
        return f"{where} {self.operator}: {self.old}" + (f" → {self.new}" if self.new else "")


class Weakening(NamedTuple):
    """A mutant thought out by hand: in `file`, `old`, which is there once, becomes `new`."""

    name: str
    file: str
    old: str
    new: str


AUCTION = "DataAuction.sol"
ORACLE = "ScoreOracle.sol"
REQUESTS = "ScoreRequests.sol"
SETS = "OperatorSets.sol"
SCORES = "libraries/Scores.sol"
BIDS = "types/Bid.sol"
STORAGE = "AuctionStorage.sol"
SETTLEMENT = "Settlement.sol"
CLEARING = "libraries/Clearing.sol"
USAGE = "UsageLog.sol"
EXCHANGE = "Exchange.sol"
CLOCK = "libraries/Clock.sol"

WEAKENINGS: Final = (
    # Money
    Weakening("claim without its lock", AUCTION, "Place calldata place, uint256 parts) external nonReentrant {", "Place calldata place, uint256 parts) external {"),
    Weakening("claims not marked", AUCTION, "        _setBid(auctionId, place.index, bid.with(paid));\n", ""),
    Weakening("refund not cleared", AUCTION, "        (auction.refund, auction.buyerMut) = (0, 0);\n", ""),
    Weakening("fee returned twice", AUCTION, "            auction.feeGwei = 0;\n", ""),
    Weakening("bond reclaimed twice", AUCTION, "Bid.wrap(0) : plain.with(BidLibrary.OUT | BidLibrary.BOND_PAID)", "Bid.wrap(0) : plain.with(BidLibrary.OUT)"),
    Weakening("bond back while bids are committed", AUCTION, "_inPhase(auction.commitEnd, type(uint256).max);\n        bool over", "bool over"),
    Weakening("entry fee back where scores stood", AUCTION, "if (over && _scores[auctionId][0] == address(0)) amount", "if (over) amount"),
    Weakening("stranger withdraws", AUCTION, "if (msg.sender != auction.buyer) revert NotTheBuyer(msg.sender);", ""),
    Weakening("failed transfer ignored", STORAGE, "if (!ok) revert IDataAuction.TransferFailed(to, amount);", ""),
    Weakening("amount received ignored", AUCTION, "if (received != terms.budget) revert", "if (false) revert"),
    Weakening("forfeited bonds stay", SETTLEMENT, "_sendNative(BURN, outcome.unrevealed * auction.bondGwei * 1 gwei);", ""),
    Weakening("payment of who is struck out stays", AUCTION, "        auction.refund += uint80(cash);\n", ""),
    Weakening("abort at any time", AUCTION, "if (block.timestamp < auction.settleEnd && !ORACLE.failed(address(this), auctionId)) revert ScoresStanding();", ""),
    Weakening("entry fee not asked for", AUCTION, "uint48(terms.bondGwei) + terms.scoring.entryFeeGwei", "uint48(terms.bondGwei)"),
    # Bids
    Weakening("payer not signed", AUCTION, "                msg.sender,\n                _useNonce", "                owner,\n                _useNonce"),
    Weakening("nonce reused", AUCTION, "_useNonce(owner)", "nonces(owner)"),
    Weakening("deadline ignored", AUCTION, "if (block.timestamp > deadline) revert SignatureExpired(deadline);", ""),
    Weakening("agreement ignored", AUCTION, "if (_tagOf(agreement) != auction.agreementTag) revert AgreementDiffers(agreement);", ""),
    Weakening("rogue key", AUCTION, "if (signer != keyAddress) revert", "if (false) revert"),
    Weakening("any owner", AUCTION, "if (bid.tag() != BidLibrary.tagOf(address(this), auctionId, place)) revert NotTheOwner(auctionId, place.index);", ""),
    Weakening("reveal at the deadline", STORAGE, "block.timestamp >= to) revert IDataAuction.OutOfPhase", "block.timestamp > to) revert IDataAuction.OutOfPhase"),
    Weakening("reveal off the roll", AUCTION, "if (Scores.flags(score) & Scores.PRESENT == 0) revert NotOnTheRoll(auctionId, index);", ""),
    Weakening("quality below the least", AUCTION, "Scores.q(score) >= qMin && ", ""),
    Weakening("seal without owner", AUCTION, "abi.encode(block.chainid, address(this), auctionId, owner, cost, salt)", "abi.encode(block.chainid, address(this), auctionId, cost, salt)"),
    Weakening("seal without auction", AUCTION, "abi.encode(block.chainid, address(this), auctionId, owner, cost, salt)", "abi.encode(block.chainid, address(this), owner, cost, salt)"),
    Weakening("commitment keeps its low byte", BIDS, "(hash & ~uint256(0xff))", "hash"),
    Weakening("tag without data set", BIDS, "place.index, place.owner, place.payer, place.dataSet)\n", "place.index, place.owner, place.payer)\n"),
    # Settlement
    Weakening("flagged bids paid as others", AUCTION, "if (bid.has(BidLibrary.FLAGGED)) price = auction.flaggedPrice;", ""),
    Weakening("flagged bids win as others", AUCTION, "auction.split && bid.has(BidLibrary.FLAGGED)", "false"),
    Weakening("settlement without scores", SETTLEMENT, "if (progress.revealed == 0 && progress.unrevealed != 0", "if (false && progress.unrevealed != 0"),
    Weakening("marginals that do not stand", SETTLEMENT, "|| !bid.stands() || foreign) revert IDataAuction.MarginalInvalid(index);", "|| foreign) revert IDataAuction.MarginalInvalid(index);"),
    Weakening("unused marginal", CLEARING, "if (!o.split && unflagged.next != 0) revert IDataAuction.MarginalInvalid(unflagged.next - 1);", ""),
    Weakening("one cursor for all proposals", SETTLEMENT, "keccak256(abi.encode(auctionId, marginals));", "keccak256(abi.encode(auctionId));"),
    Weakening("tie to the later bid", CLOCK, "lt(index, mload(add(walk, 0x40)))", "gt(index, mload(add(walk, 0x40)))"),
    Weakening("too few winners pass", CLOCK, "if (walk.loserCost * (total + walk.loserWeight) <= budget * walk.loserWeight) {", "if (false) {"),
    Weakening("too many winners pass", CLOCK, "walk.cost * total > budget * walk.weight", "false"),
    Weakening("price above the loser's", CLOCK, "budget * walk.loserWeight < walk.loserCost * total", "true"),
    Weakening("reserve rounded down", CLEARING, "(reserved.num * flagged.sum() + reserved.den - 1)", "(reserved.num * flagged.sum())"),
    # Exchange
    Weakening("delivery under anybody's point", EXCHANGE, "signer != point", "signer == address(0)"),
    Weakening("ephemeral x from n on", EXCHANGE, "uint256(delivery.x) >= ChaumPedersen.N ||", ""),
    Weakening("delivery by anybody", EXCHANGE, "msg.sender != place.owner &&", "false &&"),
    Weakening("delivery for another", AUCTION, "if (bytes13(uint104(bid.tag())) != tag) revert NotTheOwner(auctionId, index);", ""),
    Weakening("delivery twice", AUCTION, "        if (bid.has(BidLibrary.DELIVERED)) revert AlreadyDelivered(auctionId, index);\n", ""),
    Weakening("refutation of another delivery", EXCHANGE, "bid.cost() != uint256(deliveryDigest(auctionId, place.index, delivery)) >> 176", "false"),
    Weakening("refutation of a right key", EXCHANGE, "if (keccak256(abi.encode(dataKey)) == dataSet.keyCommitment) revert KeyIsRight(auctionId, place.index);", ""),
    Weakening("refutation by another key", EXCHANGE, "if (ChaumPedersen.addressOf(key) != buyerKey) revert NotTheKey(ChaumPedersen.addressOf(key));", ""),
    Weakening("verdict that nobody asked for", EXCHANGE, "if (!_named[auctionId][ground][index]) revert NotNamed(auctionId, index);", ""),
    Weakening("strike-out by anybody", AUCTION, "if (msg.sender != address(EXCHANGE)) revert NotTheExchange(msg.sender);\n        (uint256 cash", "(uint256 cash"),
    Weakening("proof not bound to S", "libraries/ChaumPedersen.sol", "abi.encode(context, b, e, s, r1, r2)", "abi.encode(context, b, e, r1, r2)"),
    Weakening("proof not bound to its place", "libraries/ChaumPedersen.sol", "abi.encode(context, b, e, s, r1, r2)", "abi.encode(b, e, s, r1, r2)"),
    Weakening("S off the curve", "libraries/ChaumPedersen.sol", "!onCurve(s) || ", ""),
    Weakening("named at any time", EXCHANGE, "_inPhase(from, (from + to) / 2);\n        address buyer = _checkBuyer(auctionId, indices.length);", "address buyer = _checkBuyer(auctionId, indices.length);"),
    Weakening("verdict before the buyer's time is over", EXCHANGE, "_inPhase((from + to) / 2, to);", "_inPhase(from, to);"),
    Weakening("named for nothing", EXCHANGE, "if (msg.value != fee * count) revert FeeMismatch(msg.value, fee * count);", ""),
    Weakening("named by anybody", EXCHANGE, "if (msg.sender != buyer) revert NotTheBuyer(msg.sender);", ""),
    Weakening("who delivered is named as unavailable", EXCHANGE, "ground == IScoreOracle.Ground.Unavailable ? (settleEnd, fetchEnd)", "ground == IScoreOracle.Ground.Unavailable ? (settleEnd, disputeEnd)"),
    # Usage
    Weakening("MUT of anybody's", USAGE, "if (AUCTION.mutToken(auctionId) != mut) revert NotAMut(mut);", ""),
    Weakening("log shrinks", USAGE, "if (period.size < previous.size) revert LogShrank(previous.size, period.size);", ""),
    Weakening("log changes", USAGE, "period.root != previous.root", "false"),
    Weakening("period in the future", USAGE, " || period.end > block.timestamp", ""),
    Weakening("period back-dated", USAGE, "period.end <= previous.end", "period.end < previous.end"),
    Weakening("period counted twice", USAGE, "uint64(number + 1)", "uint64(number)"),
    Weakening("usage not paid", USAGE, "            IERC20(token).safeTransferFrom(msg.sender, mut, period.revenue);\n", ""),
    Weakening("usage not accrued", USAGE, "            accrued = IMutToken(mut).accrue();\n", ""),
    # Operators
    Weakening("set without consent", REQUESTS, "if (!_standing(_sets[set])) revert SetNotStanding(set);", ""),
    Weakening("consent for another", SETS, "if (place >= members.length || members[place] != msg.sender) revert NotAMember(msg.sender, position);", ""),
    Weakening("even threshold", SETS, "k % 2 == 0 || ", ""),
    Weakening("threshold of less than half", SETS, " || 2 * k <= n)", ")"),
    Weakening("panels that overlap", SETS, "if (first.members[i] == appeal.members[j]) revert PanelsOverlap(first.members[i]);", ""),
    Weakening("stake not taken", ORACLE, "        _takeCredit(msg.sender, feed.request.stake);\n", ""),
    Weakening("roll of another bitmap", REQUESTS, "if (keccak256(abi.encodePacked(bitmaps[i])) != hash) revert NotTheBitmap(position);", ""),
    Weakening("called twice", REQUESTS, "if (_bitmaps[key] != 0) revert AlreadyCalled(msg.sender);", ""),
    Weakening("caller not counted", REQUESTS, "callers |= 1 << member;", "callers |= member;"),
    Weakening("roll by too few callers", REQUESTS, "if (LibBit.popCount(callers) < threshold) revert RollFailed(LibBit.popCount(callers), threshold);", ""),
    Weakening("bits of no bid on the roll", REQUESTS, "if (count < (word + 1) * 256) roll[word] &= (1 << (count % 256)) - 1;", ""),
    Weakening("roll by one fewer", REQUESTS, "(threshold + 1) / 2", "threshold / 2"),
    Weakening("vector before the roll", ORACLE, "if (feed.roll == address(0)) revert RollNotTallied();\n        if (_member", "if (false) revert RollNotTallied();\n        if (_member"),
    Weakening("presence by the vectors", ORACLE, "        Scores.setPresence(medians, feed.roll, chunk);\n", ""),
    Weakening("vector commitment without operator", ORACLE, "commitment != keccak256(abi.encode(digest, operator, submission.salt))", "false"),
    Weakening("report of any signer", ORACLE, "if (signer != operator) revert SignerMismatch(submission.member, signer);", ""),
    Weakening("chosen subset", ORACLE, "if (mask != due) revert WrongMembers(mask, due);", ""),
    Weakening("no threshold", ORACLE, "if (submissions.length < threshold) revert NoQuorum(submissions.length, threshold);", ""),
    Weakening("doubled signers", ORACLE, "if (i != 0 && members[i] <= members[i - 1]) revert NotAscending(i);\n            address signer", "address signer"),
    Weakening("verdict by half", ORACLE, "panel.members.length / 2 + 1", "(panel.members.length + 1) / 2"),
    Weakening("challenge for less", ORACLE, "if (msg.value != feed.request.appealFee) revert ChallengeBondMismatch(msg.value, feed.request.appealFee);", ""),
    Weakening("challenge twice", ORACLE, "if (feed.challenger != address(0)) revert AlreadyChallenged(feed.challenger);", ""),
    Weakening("challenged scores stand", ORACLE, "        feed.standing = 0;\n", ""),
    Weakening("resolved before the appeal is over", ORACLE, "if (!quorum) _inWindow(_windows(feed.request, 2)[3], type(uint256).max);", ""),
    Weakening("challenger is right at any rate", ORACLE, "if (moved || !quorum)", "if (true)"),
    Weakening("challenger loses without a quorum", ORACLE, "if (moved || !quorum)", "if (moved)"),
    Weakening("resolved twice", ORACLE, "feed.challenger == address(0) || feed.standing != 0", "feed.challenger == address(0)"),
    Weakening("stakes not locked", ORACLE, "_inWindow(_end(feed) + LOCK, type(uint256).max);", ""),
    Weakening("contradiction with itself", ORACLE, "            digestA == digestB ||\n", ""),
    Weakening("contradiction of two rounds", ORACLE, "            a.round != b.round ||\n", ""),
    Weakening("deviation where nothing moved", ORACLE, "            !feed.moved ||\n", ""),
    Weakening("deviation by the flag", SCORES, "(flags(a) ^ flags(b)) & PRESENT != 0 ||", "flags(a) != flags(b) ||"),
    Weakening("missing although published", ORACLE, "(record.complete | record.published) & bit == 0", "record.complete & bit == 0"),
    Weakening("missing where too few committed", ORACLE, "if (LibBit.popCount(record.committed) < _panel(feed, round).threshold) return false;", ""),
    Weakening("stake taken twice", ORACLE, "        record.settled |= bit;\n", ""),
    Weakening("stake released to the missing", ORACLE, "if (_missing(feed, round, 1 << member)) revert NoStake(_member(_panel(feed, round), member));", ""),
    Weakening("credit kept", SETS, "        credit[account] -= amount;\n", ""),
    Weakening("fee claimed twice", ORACLE, "        _paid[key] += amount;\n        emit FeeClaimed", "        emit FeeClaimed"),
    Weakening("fee of the absent", ORACLE, "amount == 0 || feed.rounds[round - 1].complete & (1 << member) == 0", "amount == 0"),
    Weakening("dues paid twice", ORACLE, "        _paid[key] += amount;\n        emit DueClaimed", "        emit DueClaimed"),
    Weakening("dues take the whole fee", ORACLE, "FixedPointMathLib.min(feed.owed - feed.covered, msg.value / 2)", "FixedPointMathLib.min(feed.owed - feed.covered, msg.value)"),
    Weakening("dues covered twice", ORACLE, "        feed.covered += uint128(dues);\n        _share", "        _share"),
    Weakening("withholder repays nothing", ORACLE, "            feed.covered += uint128(dues);\n        }", "        }"),
    Weakening("published after the round is complete", ORACLE, "if (feed.rounds[round - 1].complete != 0) revert RoundComplete(round);", ""),
    Weakening("others' vectors repaid like one's own", ORACLE, "bool own = msg.sender == operator;", "bool own = true;"),
    Weakening("a signature of nobody", "libraries/Signatures.sol", "signer != address(0) && signer == owner", "signer != address(0)"),
    Weakening("a key that lent itself code", "libraries/Signatures.sol", "signer != address(0) && signer == owner", "false"),
    Weakening("usage paid to nobody", USAGE, "if (accrued == 0) revert NothingAccrued(mut);", ""),
    Weakening("publishing again is paid again", ORACLE, "if (feed.rounds[round - 1].published & bit == 0) {", "if (true) {"),
    Weakening("parts of the absent stay", ORACLE, "        _addCredit(refundTo, refund);\n", ""),
    Weakening("mean instead of median", "libraries/Medians.sol", "shr(1, sub(n, 1))", "sub(n, 1)"),
    # Tokens
    Weakening("revenue claimed twice", "MutToken.sol", "account.checkpoint = _revenue;\n        _settled", "\n        _settled"),
    Weakening("revenue recounted", "MutToken.sol", "_paid += uint112(amount);", ""),
)  # fmt: skip


# WHERE A CHANGE CAN BE PUT IN


class Place(NamedTuple):
    """A piece of source that can be chosen as a whole when the contract runs."""

    start: int
    end: int
    kind: str
    node: Node


def places(source: Source) -> Iterator[Place]:
    """All places of a file; none inside another."""
    for node, path in walk(source.tree):
        kind = node["nodeType"]
        header = path and path[-1][1] in {"initializationExpression", "loopExpression"}
        if kind in {"ExpressionStatement", "EmitStatement", "RevertStatement", "Return"}:
            if not header:
                yield Place(*statement_span(source, node), "statement", node)
        elif kind == "VariableDeclarationStatement":
            if node.get("initialValue") and len(node["declarations"]) == 1:
                yield Place(*span(node["initialValue"]), "value", node["initialValue"])
        elif kind in {"IfStatement", "ForStatement", "WhileStatement"}:
            yield Place(*span(node["condition"]), "value", node["condition"])
        elif kind in {"YulAssignment", "YulExpressionStatement"}:
            yield Place(*span(node), "yul statement", node)
        elif kind in {"YulVariableDeclaration", "YulSwitch", "YulIf", "YulForLoop"}:
            value = node.get("value") or node.get("expression") or node.get("condition")
            if value and value["nodeType"] != "YulLiteral":
                yield Place(*span(value), "yul value", value)
        elif kind == "ModifierInvocation" and node["modifierName"]["name"] == "nonReentrant":
            yield Place(*span(node), "lock", node)


def put_in(
    source: Source, place: tuple[int, int], kind: str, texts: Sequence[tuple[int, str]]
) -> Wrap:
    """The choice between a place's own text and its mutants', by number."""
    own = source.text[place[0] : place[1]].decode()
    if kind == "statement":
        branches = "".join(f"if ({marker(n)}) {{ {text} }} else " for n, text in texts)
        return Wrap(*place, f"{{ {branches} {{ ", " } }")
    if kind == "value":
        branches = "".join(f"{marker(n)} ? ({text}) : " for n, text in texts)
        return Wrap(*place, f"({branches}(", "))")
    if kind == "yul statement":
        before = "".join(
            f"switch iszero(balance({BASE + n:#x})) case 0 {{ {text} }} default {{ "
            for n, text in texts
        )
        return Wrap(*place, before, " }" * len(texts))
    if kind == "yul value":
        before, after = "", ""
        for n, text in texts:
            before += "xor("
            after += f", mul(xor({own}, {text}), iszero(iszero(balance({BASE + n:#x})))))"
        return Wrap(*place, before, after)
    return Wrap(*place, f"lockedUnless(address({BASE + texts[0][0]:#x})) /* ", " */")


_LOCKED: Final = "ReentrancyGuardTransient {"
#: OpenZeppelin's lock, but for one mutant.
LOCK: Final = """
    modifier lockedUnless(address mutant) {
        bytes32 slot = 0x9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f00;
        if (mutant.balance == 0) {
            if (_reentrancyGuardEntered()) revert ReentrancyGuardReentrantCall();
            assembly ("memory-safe") { tstore(slot, 1) }
        }
        _;
        if (mutant.balance == 0) { assembly ("memory-safe") { tstore(slot, 0) } }
    }
"""


# MUTANTS


def mutants(source: Source, constants: set[int]) -> Iterator[Mutant]:
    """Every mutant of a file by the usual operators."""
    for place in places(source):
        for operator, start, end, text in _changes(source, place, constants):
            yield _mutant(source, place, operator, start, end, text)


def _mutant(source: Source, place: Place, operator: str, start: int, end: int, text: str) -> Mutant:
    whole = source.text[place.start : start] + text.encode() + source.text[end : place.end]
    column = start - source.text.rfind(b"\n", 0, start)
    old = " ".join(source.text[start:end].decode().split())
    new = " ".join(text.split()) or "nothing"
    return Mutant(
        source.name, operator, source.line(start), column, old, new,
        whole.decode(), (place.start, place.end), place.kind,
    )  # fmt: skip


def _changes(
    source: Source, place: Place, constants: set[int]
) -> Iterator[tuple[str, int, int, str]]:
    """Operator, bytes, and what they become."""
    text = source.text
    if place.kind == "lock":
        yield "lock removed", place.start, place.end, ""
        return
    deletable = {"ExpressionStatement", "EmitStatement", "YulAssignment", "YulExpressionStatement"}
    if place.node["nodeType"] in deletable:
        yield "statement deleted", place.start, place.end, ""
    if place.node["nodeType"] in {"EmitStatement", "RevertStatement"}:
        return
    if place.kind == "value" and place.node["typeDescriptions"]["typeString"] == "bool":
        own = text[place.start : place.end].decode()
        yield "condition negated", place.start, place.end, f"!({own})"
        if text[place.end :].lstrip(b") {\n").startswith(b"revert"):
            yield "guard removed", place.start, place.end, "false"
    for node, _ in walk(place.node):
        start, end = span(node)
        kind = node["nodeType"]
        if kind in {"BinaryOperation", "Assignment"}:
            left, right = ("leftExpression", "rightExpression")
            if kind == "Assignment":
                left, right = ("leftHandSide", "rightHandSide")
            at = text.index(node["operator"].encode(), span(node[left])[1], span(node[right])[0])
            if new := _SWAPS.get(node["operator"]):
                yield "operator", at, at + len(node["operator"]), new
        elif kind == "UnaryOperation" and node["operator"] in {"++", "--", "!"}:
            at = text.index(node["operator"].encode(), start, end)
            new = _SWAPS.get(node["operator"], "")
            yield "operator", at, at + len(node["operator"]), new
        elif kind == "Conditional":
            inner = span(node["condition"])
            own = text[slice(*inner)].decode()
            yield "condition negated", *inner, f"!({own})"
        elif kind == "Literal" and node["kind"] in {"number", "bool"}:
            own = text[start:end].decode()
            if node["kind"] == "bool":
                yield "constant", start, end, "false" if own == "true" else "true"
            elif match := re.match(r"0x[0-9a-fA-F]+|[0-9_]+(e[0-9]+)?", own):
                digits = match[0].replace("_", "")
                value = int(digits, 16) if digits.startswith("0x") else int(float(digits))
                yield "constant", start, start + match.end(), str(value + 1)
        elif kind in {"Identifier", "MemberAccess"}:
            if node.get("referencedDeclaration") in constants:
                yield "constant", start, end, f"({text[start:end].decode()} + 1)"
        elif kind == "YulFunctionCall":
            if new := _YUL_SWAPS.get(node["functionName"]["name"]):
                inner = span(node["functionName"])
                yield "operator", *inner, new
        elif kind == "YulLiteral" and node["kind"] == "number":
            yield "constant", start, end, str(int(text[start:end], 0) + 1)


def by_hand(files: dict[str, Source], weakening: Weakening) -> Mutant:
    """The mutant of a weakening.

    Raises:
        SystemExit: its line is not there any more, or is no piece that can be chosen.
    """
    source = files[f"contracts/{weakening.file}"]
    old, new = weakening.old.encode(), weakening.new.encode()
    if source.text.count(old) != 1:
        sys.exit(f"{weakening.name}: {source.name} has its line {source.text.count(old)} times")
    start = source.text.index(old)
    before = _common(old, new)
    old, new, start = old[before:], new[before:], start + before
    after = _common(old[::-1], new[::-1])
    old, new = old[: len(old) - after], new[: len(new) - after]
    start += len(old) - len(old.lstrip())
    end = start + len(old.strip())
    for place in places(source):
        guard = place.kind == "value" and source.text[start : place.start] == b"if ("
        if guard and place.end < end and not new:
            mutant = _mutant(source, place, "by hand", place.start, place.end, "false")
            return mutant._replace(old=weakening.name, new="")
        if place.start <= start and end <= place.end:
            mutant = _mutant(source, place, "by hand", start, end, new.decode())
            return mutant._replace(old=weakening.name, new="")
    sys.exit(f"{weakening.name}: no single statement or condition of {source.name}")


def _common(a: bytes, b: bytes) -> int:
    """Length of the common beginning."""
    return next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )


def choose(sample: int, seed: int, only: str) -> tuple[dict[str, Source], list[Mutant]]:
    """The hand list and a random sample, of all mutants with this pattern in their name that compile."""
    files = sources()
    constants = {
        node["id"]
        for source in files.values()
        for node, _ in walk(source.tree)
        if node["nodeType"] == "VariableDeclaration"
        and node.get("constant")
        and node["typeDescriptions"]["typeString"].startswith("uint")
    }
    pool = [
        mutant
        for source in files.values()
        if "/local/" not in source.name
        for mutant in mutants(source, constants)
    ]
    random.Random(seed).shuffle(pool)  # noqa: S311 - a sample, no secret
    hand = [by_hand(files, weakening) for weakening in WEAKENINGS]
    taken = {(m.file, m.text, m.place) for m in hand}
    pool = [m for m in pool if (m.file, m.text, m.place) not in taken and re.search(only, m.name)]
    hand = [m for m in hand if re.search(only, m.name)]
    chosen = compiling(files, hand + pool[:sample])
    return files, chosen


def texts(files: dict[str, Source], chosen: Sequence[Mutant | None]) -> dict[str, str]:
    """The sources with all chosen mutants in them, numbered by position; None is left out."""
    groups: defaultdict[tuple[str, tuple[int, int], str], list[tuple[int, str]]] = defaultdict(list)
    for number, mutant in enumerate(chosen):
        if mutant:
            groups[mutant.file, mutant.place, mutant.kind].append((number, mutant.text))
    for source in files.values():
        source.wraps = []
    for (name, place, kind), found in groups.items():
        files[name].wraps.append(put_in(files[name], place, kind, found))
    out = {}
    for name, source in files.items():
        # The lock stands where OpenZeppelin's is inherited; contracts above have it from there.
        out[name] = source.wrapped().replace(_LOCKED, _LOCKED + LOCK)
    return out


def compiling(files: dict[str, Source], chosen: Sequence[Mutant]) -> list[Mutant]:
    """Those that the compiler accepts; a change may well not type-check."""
    left: list[Mutant | None] = list(chosen)
    others = {
        file.relative_to(ROOT).as_posix(): in_revm(file.read_text())
        for file in (ROOT / "contracts" / "interfaces").glob("*.sol")
    }
    while True:
        request = compile_input(others | texts(files, left), {"*": {"*": ["abi"]}})
        errors = compile_errors(request)
        wrong = {n for n in (_blamed(request, error) for error in errors) if n >= 0 and left[n]}
        if not errors:
            return [mutant for mutant in left if mutant]
        if not wrong:
            raise BuildError(errors[0]["formattedMessage"])
        for number in wrong:
            left[number] = None


def _blamed(request: Node, error: Node) -> int:
    """The mutant that an error is about: the first one marked within it, or the last before it."""
    where = error.get("sourceLocation")
    if not where or where["file"] not in request["sources"]:
        return -1
    text = request["sources"][where["file"]]["content"].encode()
    mark = rb"0xc0ffee([0-9a-f]{6})"
    found = re.search(mark, text[where["start"] : where["end"]])
    if not found:
        *_, found = [None, *re.finditer(mark, text[: where["start"]])]
    return int(found[1], 16) if found else -1


# TRYING THEM


@dataclass(eq=False)  # pytest wants its plugins hashable
class Runner:
    """A pytest plugin that runs the collected tests once for coverage, then for each mutant."""

    chosen: list[Mutant]
    results: dict[str, Any]
    limit: float
    machine: bool
    jobs: int
    log: Console
    failed: list[str] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the failures."""
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In place of pytest's own loop."""
        items = in_process(session.items)
        slow = [item for item in items if "test_machine" in item.nodeid]
        vectors = [item for item in items if "test_vectors" in item.nodeid]
        # One in ten of the many vectors must do.
        left_out = {*slow, *vectors} - set(vectors[::10])
        items = [item for item in items if item not in left_out]
        artifact("DataAuction")  # Compiles everything, once for all processes.
        tests = self._tests(items)

        keeping = Lock()

        def attempt(number: int) -> None:
            mutant = self.chosen[number]
            if mutant.name in self.results or time.monotonic() > self.limit:
                return
            killer, spent = _in_child(lambda: self._try(number, tests[number]), PATIENCE)
            if killer is None and self.machine:
                killer, more = _in_child(lambda: self._try(number, slow), PATIENCE)
                spent += more
            with keeping:
                self.results[mutant.name] = {
                    "file": mutant.file,
                    "killer": killer,
                    "tests": len(tests[number]),
                    "seconds": round(spent, 1),
                }
                _keep(self.results)
            self.log.print(f"{'killed  ' if killer else 'SURVIVES'} {mutant.name}", highlight=False)

        with ThreadPoolExecutor(self.jobs) as pool:
            list(pool.map(attempt, range(len(self.chosen))))
        return True

    def _tests(self, items: Sequence[pytest.Item]) -> dict[int, list[pytest.Item]]:
        """By mutant, the tests that come by it, the fastest first."""
        key = hashlib.sha256(
            json.dumps([[m.text for m in self.chosen], [i.nodeid for i in items]]).encode()
            + b"".join(file.read_bytes() for file in sorted((ROOT / "tests").rglob("*.py")))
        ).hexdigest()
        known = json.loads(REACH.read_text()) if REACH.is_file() else {}
        if known.get("key") != key:
            self.log.print(f"{len(items)} tests: which mutants does each of them come by?")
            parts = [items[part :: self.jobs] for part in range(self.jobs)]
            with ThreadPoolExecutor(self.jobs) as pool:
                found = list(pool.map(lambda part: _in_child(lambda: self._reach(part)), parts))
            numbers = {name: each for part, _ in found for name, each in part.items()}
            seconds = {name: spent for _, part in found for name, spent in part.items()}
            known = {"key": key, "reached": numbers, "seconds": seconds}
            save(REACH, known)
        tests: dict[int, list[pytest.Item]] = {n: [] for n in range(len(self.chosen))}
        for item in sorted(items, key=lambda item: float(known["seconds"][item.nodeid])):
            for number in known["reached"][item.nodeid]:
                tests[number].append(item)
        return tests

    def _reach(self, items: Sequence[pytest.Item]) -> tuple[dict[str, list[int]], dict[str, float]]:
        """By test, the mutants it comes by, and its seconds.

        Raises:
            RuntimeError: a test fails although no mutant is chosen.
        """
        numbers: dict[str, list[int]] = {}
        seconds: dict[str, float] = {}
        for item in items:
            # In a process of its own, whose chains know of no other test.
            found, spent, failed = _in_child(lambda item=item: self._one(item))  # type: ignore[misc]
            if failed:
                raise RuntimeError(f"fails without a mutant: {failed}")
            numbers[item.nodeid], seconds[item.nodeid] = found, spent
        return numbers, seconds

    def _one(self, item: pytest.Item) -> tuple[list[int], float, list[str]]:
        Revm.made = []
        began = time.process_time()
        item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
        return sorted(reached(Revm.made)), time.process_time() - began, self.failed

    def _try(self, number: int, items: Sequence[pytest.Item]) -> tuple[str | None, float]:
        Revm.endowed = account(number)
        began = time.process_time()
        for position, item in enumerate(items):
            item.ihook.pytest_runtest_protocol(item=item, nextitem=_after(items, position))
            if self.failed:
                return self.failed[0], time.process_time() - began
        return None, time.process_time() - began


def _after(items: Sequence[pytest.Item], number: int) -> pytest.Item | None:
    return items[number + 1] if number + 1 < len(items) else None


def _in_child(work: Callable[[], Any], patience: int = 0) -> Any:
    """What the work returns, done in a forked process, so that it leaves nothing behind.

    A process that takes more seconds of CPU than `patience` dies: `("time", patience)`.

    Raises:
        RuntimeError: it ended otherwise.
    """
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        if patience:
            resource.setrlimit(resource.RLIMIT_CPU, (patience, patience))
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        status = 1
        try:
            with os.fdopen(write, "w") as pipe:
                json.dump(work(), pipe)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read) as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in {signal.SIGXCPU, signal.SIGKILL}:
        return "time", patience
    if status:
        raise RuntimeError("a test process ended by itself")
    return json.loads(answer)


# RESULTS


def _sources_digest() -> str:
    files = sorted((ROOT / "contracts").rglob("*.sol"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _kept() -> dict[str, Any]:
    """Earlier results, if the contracts are still the same."""
    if RESULTS.is_file():
        record: dict[str, Any] = json.loads(RESULTS.read_text())
        if record["contracts"] == _sources_digest():
            kept: dict[str, Any] = record["mutants"]
            return kept
    return {}


def _keep(results: dict[str, Any]) -> None:
    save(RESULTS, {"contracts": _sources_digest(), "mutants": results})


def main() -> None:
    """Try the mutants and print the score."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sample", type=int, default=1000, help="mutants made by operators (1000)")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (1)")
    parser.add_argument("--only", default="", help="mutants with this pattern in their name")
    parser.add_argument(
        "--tests", nargs="+", default=TESTS, help="files or folders (all that run contracts)"
    )
    parser.add_argument("--again", action="store_true", help="try the survivors once more")
    parser.add_argument("--machine", action="store_true", help="survivors meet the state machine")
    parser.add_argument("--minutes", type=float, default=600, help="stop after so long (600)")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (2)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    limit = time.monotonic() + 60 * args.minutes
    log = Console(stderr=True, width=160)
    results = _kept()
    if args.again:
        results = {name: result for name, result in results.items() if result["killer"]}
    files, chosen = choose(args.sample, args.seed, args.only)
    log.print(f"{len(chosen)} mutants")
    if any(mutant.name not in results for mutant in chosen):
        Instrumented(texts(files, chosen), optimize=True)
        runner = Runner(chosen, results, limit, args.machine, args.jobs, log)
        out = os.dup(1)
        os.dup2(2, 1)
        ended = pytest.main(["-s", "-p", "no:cacheprovider", *args.tests], [runner])
        os.dup2(out, 1)
        if ended == pytest.ExitCode.INTERNAL_ERROR:
            sys.exit("the run broke off, see above; the same command goes on where it stopped")
    tried = {mutant.name: results[mutant.name] for mutant in chosen if mutant.name in results}
    _report(tried, as_json=args.json)
    if len(tried) < len(chosen):
        log.print(f"{len(chosen) - len(tried)} mutants are left: the same command goes on")
    killed = sum(1 for result in tried.values() if result["killer"])
    sys.exit(0 if 100 * killed >= LEAST * len(tried) else 1)


def _report(tried: dict[str, Any], *, as_json: bool) -> None:
    by_file: defaultdict[str, list[bool]] = defaultdict(list)
    for result in tried.values():
        by_file[result["file"]].append(result["killer"] is not None)
        by_file["all"].append(result["killer"] is not None)
    survivors = [name for name, result in tried.items() if result["killer"] is None]
    score = {file: [sum(dead), len(dead)] for file, dead in sorted(by_file.items())}
    if as_json:
        print(json.dumps({"killed": score, "survivors": survivors}))
        return
    for file, (dead, count) in score.items():
        print(f"{file:36} {dead:4} of {count:4} killed  {dead / count:.1%}")
    for name in survivors:
        print(f"SURVIVES {name}")


if __name__ == "__main__":
    main()
