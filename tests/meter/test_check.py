"""The audit of a usage log: an honest one passes, and every planted change is found."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785

from oracles.chain.signers import LocalSigner
from oracles.meter.check import Posted, UsageReport, check_usage
from oracles.meter.events import MICRO, Prices
from oracles.meter.log import Receipt, UsageLog, receipt_message

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIGNER = LocalSigner.from_secret(b"\x22" * 32)
OTHER = LocalSigner.from_secret(b"\x23" * 32)
ORIGIN = "qmia:31337/0x11/0x22"
OLD, NEW = Prices({"tiny": (200_000, 800_000)}), Prices({"tiny": (300_000, 900_000)})


def usage(prices: Prices, tokens_in: int, tokens_out: int, customer: int = 1) -> tuple[Any, Any]:
    """A usage event."""
    return "usage", {
        "model": "tiny",
        "customer": f"{customer:032x}",
        "tokens_in": tokens_in,
        "tokens_out": tokens_out,
        "basis": "usage",
        "complete": True,
        "prices": prices.digest.hex(),
        "amount": str(prices.amount("tiny", tokens_in, tokens_out)),
    }


class Story:
    """An honest log of three periods, as its publisher posted them, and two receipts."""

    def __init__(self, folder: Path) -> None:
        now = [1_700_000_000.0]
        log = UsageLog(folder, ORIGIN, clock=lambda: now[0])
        self.posted: list[Posted] = []
        self.receipts: list[Receipt] = []

        def period(*entries: tuple[Any, Any]) -> None:
            for entry in entries:
                now[0] += 10
                event = log.append([entry])[0]
                if event.kind == "usage" and len(self.receipts) < 2:
                    self.receipts.append(log.receipt(event, SIGNER))
            now[0] += 10
            closed = log.close_period()
            self.posted.append(
                Posted(
                    closed.number,
                    closed.size,
                    closed.end,
                    closed.revenue,
                    bytes.fromhex(closed.root),
                    bytes.fromhex(closed.prices),
                    bytes.fromhex(closed.entries),
                    closed.revenue,
                    closed.revenue,
                )
            )

        licence = {"customer": "f" * 32, "what": "weights", "amount": str(7 * MICRO), "ref": "a"}
        period(("prices", OLD.plain()), usage(OLD, 3, 5), usage(OLD, 100, 40, 2), usage(OLD, 9, 9))
        period()
        period(
            ("prices", NEW.plain()),
            usage(NEW, 30, 5),
            ("licence", licence),
            ("correction", {"of": 2, "why": "never arrived", "amount": "-1000", "ref": "b"}),
        )
        log.close()
        self.lines = (folder / "events.jsonl").read_bytes().splitlines()
        self.accrued = sum(each.accrued for each in self.posted)

    def check(self) -> UsageReport:
        """What the audit finds."""
        return check_usage(
            self.lines,
            ORIGIN,
            SIGNER.address,
            self.posted,
            accrued=self.accrued,
            receipts=self.receipts,
        )

    def change(self, place: int, **changes: Any) -> None:
        """Change an entry's fields; those of its data by name."""
        value = json.loads(self.lines[place])
        for name, new in changes.items():
            (value if name in value else value["data"])[name] = new
        self.lines[place] = rfc8785.dumps(value)

    def post(self, number: int, **changes: Any) -> None:
        """Change a posted period."""
        self.posted[number] = replace(self.posted[number], **changes)

    def forge(self) -> None:
        """Post periods again that fit the changed entries: what a dishonest publisher would do."""
        from oracles.dataset.merkle import MerkleRoot
        from oracles.meter.tree import entry_hash

        start = 0
        for number, each in enumerate(self.posted):
            tree = MerkleRoot(b"\5")
            for line in self.lines[: each.size]:
                tree.add(entry_hash(line))
            own = b"".join(line + b"\n" for line in self.lines[start : each.size])
            self.post(number, root=tree.digest(), entries=hashlib.sha256(own).digest())
            start = each.size


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """An honest log."""
    return Story(tmp_path / "log")


def test_honest__log__passes_and_is_summed(story: Story) -> None:
    report = story.check()
    assert report.differences == []
    assert report.entries == 8
    assert [each.revenue for each in report.by_period] == [each.revenue for each in story.posted]
    assert sum(sum(each.by_model.values()) for each in report.by_period) // MICRO == report.metered
    assert report.metered == story.accrued
    assert report.other == 0
    assert sum(report.by_kind.values()) // MICRO == report.metered
    assert report.by_kind["correction"] == -1000
    story.accrued += 55
    assert story.check().other == 55


def test_honest__entries_after_the_last_period__are_counted_as_open(story: Story) -> None:
    story.posted.pop()
    story.accrued = sum(each.accrued for each in story.posted)
    assert story.check().open_entries == 4


#: Kind of change → (change, words of the finding). Those with `forge` fit their own roots.
PLANTED: dict[str, tuple[Callable[[Story], object], str]] = {
    "an entry is left out": (lambda s: s.lines.pop(2), "left out, doubled or reordered"),
    "the last entry is left out": (lambda s: s.lines.pop(), "the log ends after"),
    "an entry is doubled": (lambda s: s.lines.insert(2, s.lines[2]), "doubled"),
    "two entries change places": (
        lambda s: s.lines.insert(2, s.lines.pop(3)),
        "reordered",
    ),
    "an entry is repriced": (
        lambda s: (s.change(1, amount="1"), s.forge()),
        "is priced 1, but is worth",
    ),
    "tokens are fewer": (lambda s: (s.change(1, tokens_out=1), s.forge()), "but is worth"),
    "tokens are negative": (lambda s: (s.change(1, tokens_in=-3), s.forge()), "token counts"),
    "tokens are no integer": (lambda s: (s.change(1, tokens_in="3"), s.forge()), "token counts"),
    "another price list is named": (
        lambda s: (s.change(1, prices=NEW.digest.hex()), s.forge()),
        "another price list than the one in force",
    ),
    "the price list is back-dated": (
        lambda s: (s.lines.__setitem__(0, s.lines[0].replace(b'"800000"', b'"900000"')), s.forge()),
        "another price list than the one in force",
    ),
    "the model has no price": (lambda s: (s.change(1, model="big"), s.forge()), "no price"),
    "a customer's name is in it": (
        lambda s: (s.change(1, customer="ACME Ltd."), s.forge()),
        "otherwise than by its hash",
    ),
    "a prompt is in it": (
        lambda s: (s.change(1, data=json.loads(s.lines[1])["data"] | {"prompt": "x"}), s.forge()),
        "has the fields",
    ),
    "it is of another log": (lambda s: (s.change(1, source="qmia:1/0x/0x"), s.forge()), "not of"),
    "it goes back in time": (
        lambda s: (s.change(2, time="2023-11-14T00:00:00.000Z"), s.forge()),
        "earlier than the entry before",
    ),
    "it is back-dated into a closed period": (
        lambda s: (s.change(4, time="2023-11-14T22:13:41.000Z"), s.forge()),
        "back-dated before the end of period 1",
    ),
    "it is later than its period": (
        lambda s: (s.change(3, time="2023-11-14T22:20:00.000Z"), s.forge()),
        "later than its end",
    ),
    "it is of another kind": (
        lambda s: (s.change(1, type="org.qmia.gift"), s.forge()),
        "no event",
    ),
    "it is not canonical": (
        lambda s: (s.lines.__setitem__(1, s.lines[1] + b" "), s.forge()),
        "no event",
    ),
    "a licence pays back": (
        lambda s: (s.change(6, amount="-5"), s.forge()),
        "negative amount",
    ),
    "a correction takes more than there was": (
        lambda s: (s.change(7, amount=str(-(10**12))), s.forge()),
        "which leaves",
    ),
    "a correction adds": (lambda s: (s.change(7, amount="5"), s.forge()), "which leaves"),
    "a correction is of no entry": (
        lambda s: (s.change(7, of=0), s.forge()),
        "no usage or licence",
    ),
    "a correction is of a later entry": (
        lambda s: (s.change(7, of=9), s.forge()),
        "no usage or licence",
    ),
    "a reference comes twice": (lambda s: (s.change(7, ref="a"), s.forge()), "of an earlier entry"),
    "a changed entry under the old root": (
        lambda s: s.change(1, complete=False),
        "changed, or forked",
    ),
    "a forked log under new roots": (
        lambda s: (s.change(1, complete=False), s.forge()),
        "omitted or changed",
    ),
    "a period pays less": (lambda s: s.post(0, revenue=1, accrued=1, counted=1), "are worth"),
    "a period pays nothing": (lambda s: s.post(0, revenue=0, accrued=0, counted=0), "are worth"),
    "a payment does not arrive": (
        lambda s: s.post(2, accrued=3, counted=3),
        "of which 3 arrived",
    ),
    "a payment without the MUT's word": (lambda s: s.post(0, counted=0), "did not count"),
    "a payment without events": (
        lambda s: s.post(1, revenue=5, accrued=5, counted=5),
        "are worth 0",
    ),
    "a period is left out": (lambda s: s.posted.pop(1), "is the 1th on chain"),
    "a period names other prices": (lambda s: s.post(0, prices=NEW.digest), "at its end"),
    "a period names another file": (lambda s: s.post(0, entries=bytes(32)), "another sha2-256"),
    "a period is longer than the log": (lambda s: s.post(2, size=99), "it has 99 entries"),
    "the MUT counted less": (lambda s: setattr(s, "accrued", 1), "the MUT counted only 1"),
    "a receipt's entry is another": (
        lambda s: s.receipts.append(
            Receipt(
                ORIGIN, 2, b"\1" * 32, SIGNER.sign_typed(receipt_message(ORIGIN, 2, b"\1" * 32))
            )
        ),
        "omitted or changed",
    ),
    "two receipts of one entry": (
        lambda s: s.receipts.append(
            Receipt(
                ORIGIN, 1, b"\2" * 32, SIGNER.sign_typed(receipt_message(ORIGIN, 1, b"\2" * 32))
            )
        ),
        "omitted or changed",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted__change__is_found(story: Story, name: str) -> None:
    change, words = PLANTED[name]
    change(story)
    found = [each.detail for each in story.check().differences]
    assert any(words in detail for detail in found), found


def test_rubbish__of_any_length__is_counted_and_not_kept(story: Story) -> None:
    story.lines += [b"{}"] * 5_000
    found = story.check().differences
    assert len(found) == 1_001
    assert found[-1].detail.startswith("there are 4000 more")


@pytest.mark.parametrize(
    "receipt",
    [
        # Of another place, of another log, by somebody else, by nobody, and twice the same.
        lambda r: [replace(r, sequence=2)],
        lambda r: [replace(r, origin="qmia:1/0x11/0x22")],
        lambda r: [
            replace(r, signature=OTHER.sign_typed(receipt_message(ORIGIN, r.sequence, r.leaf)))
        ],
        lambda r: [replace(r, signature=b"\xff" * 65)],
        lambda r: [r, r],
    ],
)
def test_receipts__that_prove_nothing__are_told_apart_and_accuse_nobody(
    story: Story, receipt: Callable[[Receipt], list[Receipt]]
) -> None:
    honest = story.receipts[0]
    story.receipts = receipt(honest)
    report = story.check()
    assert report.differences == []
    assert len(report.rejected) == (0 if honest in story.receipts else 1)


def test_omitted__entry__is_proved_by_its_receipt_though_all_roots_fit(story: Story) -> None:
    """The publisher leaves an entry out, renumbers, and posts roots and money that fit."""
    del story.lines[1]
    for place in range(1, len(story.lines)):
        story.change(place, id=str(place))
    story.change(6, of=1)
    worth = 0
    for number, each in enumerate(story.posted):
        story.post(number, size=each.size - 1)
    start = carried = 0
    story.accrued = 0
    for number, each in enumerate(story.posted):
        own = [
            json.loads(line)["data"].get("amount", "0") for line in story.lines[start : each.size]
        ]
        worth = carried + sum(map(int, own))
        revenue, carried = worth // MICRO, worth % MICRO
        story.post(number, revenue=revenue, accrued=revenue, counted=revenue)
        story.accrued += revenue
        start = each.size
    story.forge()
    receipts, story.receipts = story.receipts, []
    assert story.check().differences == []
    story.receipts = receipts[:1]
    assert [each.where for each in story.check().differences] == ["receipt 1"]
