"""The second half of an audit: are the files behind the logs right, and the scores themselves?

Every commitment names a manifest, every opening and every report another file, all by digest. Here
they are compared with the logs, field by field, and chosen data sets are scored again from their
plain documents.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from oracles.audit import recompute
from oracles.chain.packing import CHUNK, SCORE_BYTES, Score, unpack_score
from oracles.dataset import (
    Binding,
    Manifest,
    content_digest,
    draw,
    open_archive,
    opening_size,
    pack,
    read_documents,
)
from oracles.dataset.archive import sketch_key
from oracles.dataset.manifest import MAX_BYTES
from oracles.errors import ConfigError, InputError, IntegrityError
from oracles.evidence import Cid, MissingError, StoreError, find_bundle, read
from oracles.evidence.cid import RAW
from oracles.progress import silent
from oracles.proof import Proof, check_proof
from oracles.proof.thresholds import MAX_BYTES as PROOF_BYTES
from oracles.scoring import EVIDENCE_SCHEMA, NOTHING, Scoring, Submission, Task, load_scorer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from oracles.audit.auction import Auction, AuditedBid
    from oracles.audit.feed import Feed, Round
    from oracles.audit.replay import Replay
    from oracles.evidence import Store
    from oracles.progress import Progress
    from oracles.proof import Thresholds

#: Honest machines may differ by this many grid steps.
GRID_STEP: Final = 1


class Drawn(NamedTuple):
    """The sample of one data set, as the draw gives it.

    Attributes:
        pages: of the whole data set.
        numbers: of the pages that were drawn, ascending.
        opening: whether the opening is in a store, with the size that these pages give.
    """

    pages: int
    numbers: tuple[int, ...]
    opening: bool


def _feed(state: Replay, auction: Auction) -> Feed:
    feed = state.oracle.feeds.get((state.auctions.address, auction.id))
    if feed is None or not feed.standing:
        raise ConfigError(f"auction {auction.id} has no standing scores yet")
    return feed


def _sample_key(state: Replay, auction: Auction) -> bytes | None:
    """What the samples are drawn from; None where the records do not have it."""
    found = state.header.draws.get(auction.id)
    return None if found is None else found.key


# SAMPLES


def check_samples(
    state: Replay,
    auction: Auction,
    stores: Sequence[Store],
    *,
    entry: Thresholds | None = None,
    progress: Progress = silent,
) -> dict[int, Drawn]:
    """Draw the sample of every data set on the roll again, and hold it against what was opened.

    Who opens an opening, and what is in its pages, only members of the panels can see; that it has
    the size that the drawn pages give, everybody can. Files that no store has any more are no
    finding: providers serve them until claims begin.

    Args:
        state: the replay; findings go to its checks.
        auction: which.
        stores: where manifests and openings are.
        entry: thresholds that the metric asks every data set on the roll to have proved.
        progress: called after each data set.

    Returns:
        The samples of the data sets whose manifest was found, by index.

    Raises:
        ConfigError: the auction has no scores yet, or the records say nothing of its draw.
    """
    feed, samples = _feed(state, auction), auction.terms.scoring.samples
    key = _sample_key(state, auction)
    if samples and key is None:
        raise ConfigError(
            f"the records do not say what the samples of auction {auction.id} are drawn from:"
            " write the archive again from a node"
        )
    found: dict[int, Drawn] = {}
    chosen = [bid for bid in auction.bids if feed.on_roll(bid.index)]
    for done, bid in enumerate(chosen, 1):
        with state.checks.at(auction.id, f"sample of bid {bid.index}"):
            drawn = _sample(state, auction, feed, bid, stores, key or bytes(32), entry)
        if drawn is not None:
            found[bid.index] = drawn
        progress("samples", done, len(chosen))
    return found


def _sample(
    state: Replay,
    auction: Auction,
    feed: Feed,
    bid: AuditedBid,
    stores: Sequence[Store],
    key: bytes,
    entry: Thresholds | None,
) -> Drawn | None:
    checks, data_set = state.checks, bid.data_set
    if data_set is None:
        return None
    binding = Binding(state.header.chain_id, state.auctions.address, auction.id, bid.owner)
    try:
        content = _file(stores, Cid(RAW, data_set.manifest), MAX_BYTES)
        if content is None:
            return None
        manifest = Manifest.decode(content)
        manifest.expect(
            binding,
            content_digest=data_set.content_digest,
            size=data_set.size,
            key_commitment=data_set.key_commitment,
        )
    except IntegrityError as error:
        checks.true("sample.manifest", False, "a manifest of what was committed", error)
        return None
    checks.true("sample.manifest", True, "a manifest of what was committed")
    if entry is not None:
        _check_entry(state, manifest, stores, entry)
    pages, samples = manifest.contents.pages, auction.terms.scoring.samples
    numbers = draw(key, auction.id, bid.index, data_set.manifest, pages, samples)
    members = len(feed.keys)
    if not samples:
        checks.equal("sample.wraps", members, len(manifest.wraps))
        return Drawn(pages, tuple(numbers), True)
    if bid.opening is None:
        return Drawn(pages, tuple(numbers), False)
    size = opening_size(manifest.contents, numbers, members)
    try:
        opening = _file(stores, Cid.from_digest(bid.opening, size), size)
    except (IntegrityError, StoreError) as error:
        checks.true("sample.opening", False, f"{size} bytes, for the pages drawn", error)
        return None
    if opening is not None:
        checks.equal("sample.opening", size, len(opening))
    return Drawn(pages, tuple(numbers), opening is not None)


def _check_entry(
    state: Replay, manifest: Manifest, stores: Sequence[Store], entry: Thresholds
) -> None:
    """Check again that a data set on the roll had proved what the metric asks for."""
    problem = "" if manifest.proof else "no proof"
    try:
        if manifest.proof:
            content = _file(stores, Cid.parse(manifest.proof), PROOF_BYTES)
            if content is None:
                return
            contents = manifest.contents
            check_proof(Proof.decode(content), contents.facts, contents.pages, entry)
    except (InputError, IntegrityError) as error:
        problem = str(error)
    state.checks.true("sample.entry", not problem, "a proof of what the metric asks for", problem)


def _file(stores: Sequence[Store], cid: Cid, limit: int) -> bytes | None:
    """A file, checked against its CID; None where no store has it."""
    for store in stores:
        try:
            return read(store, cid, limit=limit)
        except MissingError:
            continue
    return None


# EVIDENCE


def check_bundles(state: Replay, auction: Auction, stores: Sequence[Store]) -> dict[str, Any]:
    """Compare the evidence of the round that stands with the logs; findings go to `state.checks`.

    Returns:
        Content of the first sound bundle, for `check_scores`.

    Raises:
        ConfigError: the auction has no scores, or no bundle is in any store.
    """
    feed = _feed(state, auction)
    panel, round_ = feed.panel(feed.standing), feed.rounds[feed.standing - 1]
    checks = state.checks
    sound: dict[str, Any] = {}
    found = 0
    for position, digest in sorted(round_.evidence.items()):
        with checks.at(auction.id, f"evidence of {panel.members[position]}"):
            try:
                content = find_bundle(stores, digest)
            except IntegrityError as error:
                checks.true("evidence.digest", False, "an evidence bundle", error)
                continue
            there = content is not None
            checks.true("evidence.present", there, "the bundle in a store", "nothing")
            if content is None:
                continue
            found += 1
            before = len(checks.findings)
            _compare(state, auction, feed, position, content)
            if len(checks.findings) == before and not sound:
                sound = content
    if not found:
        raise ConfigError("no evidence bundle is in any store; name another with --evidence")
    return sound


def _today(auction: Auction) -> str:
    """The day on which commitments ended, by which dates are judged."""
    return datetime.datetime.fromtimestamp(auction.ends.commit, datetime.UTC).date().isoformat()


def _compare(
    state: Replay, auction: Auction, feed: Feed, position: int, content: Mapping[str, Any]
) -> None:
    checks, round_ = state.checks, feed.rounds[feed.standing - 1]
    member, scoring = feed.panel(feed.standing).members[position], auction.terms.scoring
    expected = {
        "schema": EVIDENCE_SCHEMA,
        "chain_id": str(state.header.chain_id),
        "contract": state.auctions.address.lower(),
        "auction": str(auction.id),
        "round": feed.standing,
        "operator": member.lower(),
        "metric_version": scoring.metric_version.hex(),
        "evaluation": scoring.evaluation.hex(),
        "samples": scoring.samples,
        "today": _today(auction),
    }
    key = _sample_key(state, auction)
    if key is not None:
        expected["sample_key"] = key.hex()
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
        if bid.data_set is None or not isinstance(each, dict):
            continue
        with checks.at(auction.id, f"evidence of {member}, bid {bid.index}"):
            committed = _committed(bid, on_roll=feed.on_roll(bid.index))
            checks.equal("evidence.committed", committed, {n: each.get(n) for n in committed})
            scored = each.get("score")
            claimed = Score(**scored) if isinstance(scored, dict) else NOTHING
            claimed = claimed._replace(present=feed.on_roll(bid.index))
            checks.equal("evidence.score", _signed(round_, position, bid.index), claimed)


def _committed(bid: AuditedBid, *, on_roll: bool) -> dict[str, Any]:
    """What a bundle must say of one commitment."""
    if bid.data_set is None:
        return {}
    return {
        "index": bid.index,
        "manifest": bid.data_set.manifest.hex(),
        "content_digest": bid.data_set.content_digest.hex(),
        "size": str(bid.data_set.size),
        "opening": (bid.opening or b"").hex(),
        "on_roll": on_roll,
    }


def _signed(round_: Round, position: int, index: int) -> Score:
    """The score in the vector that an operator signed."""
    part = round_.vectors[position][index // CHUNK]
    at = index % CHUNK
    return unpack_score(recompute.packed(part, at).to_bytes(SCORE_BYTES, "big"))


# SCORES


def check_scores(
    state: Replay,
    auction: Auction,
    content: Mapping[str, Any],
    data: Mapping[int, Path],
    settings: Scoring,
    workspace: Path,
    *,
    chosen: Collection[int] = (),
    progress: Progress = silent,
) -> dict[int, tuple[Score, Score]]:
    """Score plain data again, page by page as it was drawn, and compare with what was accepted.

    A score depends on earlier data sets (duplicates) and on all others (marginal utility), so the
    data of every bid on the roll are needed, even to check one.

    Args:
        state: the replay; findings go to its checks.
        auction: which.
        content: of a sound bundle: the draw's key of the original run.
        data: plain data by index, as `read_documents` takes it; their digests are compared with the
            commitments.
        settings: of scoring; the metric version must be the auction's.
        workspace: folder for intermediate results.
        chosen: indices to report on; all by default.
        progress: called after each unit of work.

    Returns:
        Accepted and recomputed score by index.

    Raises:
        ConfigError: another metric version, or data is missing.
        IntegrityError: a data set is not the one that was committed to.
    """
    scorer, wanted = load_scorer(settings), auction.terms.scoring.metric_version
    version = scorer.metric_version(settings)
    if version != wanted:
        raise ConfigError(
            f"auction {auction.id} is scored by metric version {wanted.hex()}; these settings are"
            f" {version.hex()}"
        )
    feed = _feed(state, auction)
    on_roll = [bid for bid in auction.bids if feed.on_roll(bid.index)]
    missing = [bid.index for bid in on_roll if bid.index not in data]
    if missing:
        raise ConfigError(f"plain data is missing for bids {missing}")
    key = bytes.fromhex(content["sample_key"])
    submissions = [_submission(auction, bid, data[bid.index], key, workspace) for bid in on_roll]
    today = datetime.date.fromisoformat(_today(auction))
    task = Task(settings, auction.terms.scoring.evaluation, today, key, workspace)
    scores = scorer.assess(submissions, task, progress).scores
    checks, out = state.checks, {}
    for index in sorted(chosen) or [bid.index for bid in auction.bids]:
        present = feed.on_roll(index)
        accepted = auction.score(index)
        again = scores.get(index, NOTHING)._replace(present=present) if present else NOTHING
        near = (
            abs(accepted.q - again.q) <= GRID_STEP
            and abs(accepted.phi - again.phi) <= GRID_STEP
            and accepted[2:] == again[2:]
        )
        with checks.at(auction.id, f"score of bid {index}"):
            checks.true("score.again", near, again, accepted)
        out[index] = (accepted, again)
    return out


def _submission(
    auction: Auction, bid: AuditedBid, source: Path, key: bytes, workspace: Path
) -> Submission:
    """The sample of a data set, cut out of its plain documents."""
    wanted = bid.data_set
    if wanted is None or content_digest(read_documents(source)) != wanted.content_digest:
        raise IntegrityError(f"the data given for bid {bid.index} is not what it sold")
    samples = auction.terms.scoring.samples
    archive = workspace / f"{bid.index}.archive"
    packed = pack(source, archive)
    total = packed.contents.pages
    numbers = draw(key, auction.id, bid.index, wanted.manifest, total, samples)
    with open_archive(archive, packed.contents) as opened:
        pages = tuple((number, opened.page(number, packed.key)) for number in numbers)
        sketch = opened.sketch(sketch_key(packed.key))
    archive.unlink()
    return Submission(bid.index, bid.owner, pages, total, sketch)


def plain_files(folder: Path, count: int) -> dict[int, Path]:
    """Plain data sets in a folder, each `INDEX.jsonl` or a folder `INDEX`, by index."""
    return dict(_plain_files(folder, count))


def _plain_files(folder: Path, count: int) -> Iterator[tuple[int, Path]]:
    for index in range(count):
        for path in (folder / f"{index}.jsonl", folder / str(index)):
            if path.exists():
                yield index, path
                break
