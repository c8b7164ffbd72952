"""The second half of an audit: are the scores themselves right?

Every report on chain carries the digest of an evidence bundle. Here the bundles are compared with
the logs, field by field, and chosen providers are scored again from their plain data.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, Final

from oracles.audit import recompute
from oracles.chain.codec import CHUNK, SCORE_BYTES, Score, unpack_score
from oracles.dataset import content_digest
from oracles.errors import ConfigError, IntegrityError
from oracles.evidence import Cid, MissingError, Store, read_bundle
from oracles.evidence.cid import DAG_PB, RAW
from oracles.progress import silent
from oracles.scoring import EVIDENCE_SCHEMA, NOTHING, Scoring, Submission, Task, load_scorer

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from oracles.audit.auction import Auction
    from oracles.audit.oracle import Feed, Round
    from oracles.audit.replay import Replay
    from oracles.progress import Progress

#: Honest machines may differ by this many grid steps.
GRID_STEP: Final = 1


def check_bundles(state: Replay, auction: Auction, stores: list[Store]) -> dict[str, Any]:
    """Compare the evidence of the round that counts with the logs; findings go to `state.checks`.

    Returns:
        Content of the first sound bundle, for `check_scores`.

    Raises:
        ConfigError: the auction has no scores, or no bundle is in any store.
    """
    feed = state.oracle.feeds.get((state.auctions.address, auction.id))
    if feed is None or not feed.final_round:
        raise ConfigError(f"auction {auction.id} has no final scores yet")
    round_ = feed.rounds[feed.final_round - 1]
    checks = state.checks
    sound: dict[str, Any] = {}
    read = 0
    for member, digest in sorted(round_.evidence.items()):
        with checks.at(auction.id, f"evidence of {feed.members[member]}"):
            try:
                content = _read(stores, digest)
            except IntegrityError as error:
                checks.true("evidence.digest", False, "an evidence bundle", error)
                continue
            there = content is not None
            checks.true("evidence.present", there, "the bundle in a store", "nothing")
            if content is None:
                continue
            read += 1
            before = len(checks.findings)
            _compare(state, auction, feed, member, content)
            if len(checks.findings) == before and not sound:
                sound = content
    if not read:
        raise ConfigError("no evidence bundle is in any store; name another with --evidence")
    return sound


def _read(stores: list[Store], digest: bytes) -> dict[str, Any] | None:
    for store in stores:
        # The digest does not say how large the file is, and with it the codec.
        for codec in (RAW, DAG_PB):
            try:
                return dict(read_bundle(store, Cid(codec, digest)).content)
            except MissingError:
                continue
    return None


def _compare(
    state: Replay, auction: Auction, feed: Feed, member: int, content: Mapping[str, Any]
) -> None:
    checks, round_ = state.checks, feed.rounds[feed.final_round - 1]
    expected = {
        "schema": EVIDENCE_SCHEMA,
        "chain_id": str(state.header.chain_id),
        "contract": state.auctions.address.lower(),
        "auction": str(auction.id),
        "round": feed.final_round,
        "operator": feed.members[member].lower(),
        "metric_version": auction.terms.metric_version.hex(),
        "evaluation": auction.terms.evaluation.hex(),
    }
    for name, value in expected.items():
        found = content.get(name)
        found = found.lower() if isinstance(found, str) else found
        checks.equal(f"evidence.{name}", value, found)
    data_sets = content.get("data_sets")
    listed = isinstance(data_sets, list) and len(data_sets) == len(auction.bids)
    checks.true("evidence.data_sets", listed, f"{len(auction.bids)} data sets")
    if not isinstance(data_sets, list):
        return
    for bid, each in zip(auction.bids, data_sets, strict=False):
        if bid.data_set is None:
            continue
        data = bid.data_set
        committed = (bid.index, data.cid.hex(), data.content_digest.hex(), str(data.size))
        named = tuple(each.get(name) for name in ("index", "cid", "content_digest", "size"))
        scored = each.get("score")
        claimed = Score(**scored) if isinstance(scored, dict) else None
        with checks.at(auction.id, f"evidence of {feed.members[member]}, bid {bid.index}"):
            checks.equal("evidence.committed", committed, named)
            checks.equal("evidence.score", _signed(round_, member, bid.index), claimed)


def _signed(round_: Round, member: int, index: int) -> Score:
    """The score in the vector that an operator signed."""
    part = round_.vectors[member][index // CHUNK]
    at = index % CHUNK
    return unpack_score(recompute.packed(part, at).to_bytes(SCORE_BYTES, "big"))


def check_scores(
    state: Replay,
    auction: Auction,
    content: Mapping[str, Any],
    submissions: list[Submission],
    settings: Scoring,
    workspace: Path,
    *,
    chosen: Collection[int],
    progress: Progress = silent,
) -> dict[int, tuple[Score, Score]]:
    """Score plain data again and compare with what was accepted.

    A score depends on earlier data sets (duplicates) and on all others (marginal utility), so the
    data of every bid that was scored is needed, even to check one.

    Args:
        state: the replay; findings go to its checks.
        auction: which.
        content: of a sound bundle: the day and the draw's key of the original run.
        submissions: plain data, whose digests are compared with the commitments.
        settings: of scoring; the metric version must be the auction's.
        workspace: folder for intermediate results.
        chosen: indices to report on.
        progress: called after each unit of work.

    Returns:
        Accepted and recomputed score by index.

    Raises:
        ConfigError: another metric version, or data is missing.
        IntegrityError: a data set is not the one that was committed to.
    """
    scorer = load_scorer(settings)
    version = scorer.metric_version(settings)
    if version != auction.terms.metric_version:
        raise ConfigError(
            f"auction {auction.id} is scored by metric version"
            f" {auction.terms.metric_version.hex()}; these settings are {version.hex()}"
        )
    needed = {each["index"] for each in content["data_sets"] if each["problem"] is None}
    missing = needed - {submission.index for submission in submissions}
    if missing:
        raise ConfigError(f"plain data is missing for bids {sorted(missing)}")
    used = [submission for submission in submissions if submission.index in needed]
    for submission in used:
        data = auction.bids[submission.index].data_set
        if data is None or content_digest(submission.documents()) != data.content_digest:
            raise IntegrityError(f"the data given for bid {submission.index} is not what it sold")
    task = Task(
        settings,
        auction.terms.evaluation,
        datetime.date.fromisoformat(content["today"]),
        bytes.fromhex(content["sample_key"]),
        workspace,
    )
    scores = scorer.assess(sorted(used, key=lambda each: each.index), task, progress).scores
    checks, out = state.checks, {}
    for index in sorted(chosen):
        accepted, again = auction.score(index), scores.get(index, NOTHING)
        near = (
            abs(accepted.q - again.q) <= GRID_STEP
            and abs(accepted.phi - again.phi) <= GRID_STEP
            and accepted[2:] == again[2:]
        )
        with checks.at(auction.id, f"score of bid {index}"):
            checks.true("score.again", near, again, accepted)
        out[index] = (accepted, again)
    return out
