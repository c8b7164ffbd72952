"""What an auditor finds in a usage log, held against what its publisher posted and paid.

Everything is computed again from the entries: their order, their prices, each period's root and
revenue. What cannot be found here is usage that was never written down; for that there are the
receipts, each of which names the entry that must be in the log.

Memory grows with customers, periods, receipts and corrections, and not with entries.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from oracles.dataset.merkle import HASH_BYTES, MerkleRoot
from oracles.errors import InputError, IntegrityError
from oracles.meter.events import Event, Prices, period_revenue
from oracles.meter.tree import ENTRY_NODE, entry_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from oracles.meter.log import Receipt
    from oracles.meter.witness import Cosigned

_BASES: Final = frozenset({"usage", "counted"})
_USAGE: Final = frozenset(
    {"model", "customer", "tokens_in", "tokens_out", "basis", "complete", "prices", "amount"}
)
_CUSTOMER_DIGITS: Final = 32
#: Every correction's line has it, since entries are canonical.
_CORRECTION: Final = b'"type":"org.qmia.correction"'
#: Differences that are listed; a log of rubbish would have one for each entry.
_MOST: Final = 1000
#: Stands for a model where a licence or another flat fee was paid.
LICENCES: Final = "(licences)"


@dataclass(frozen=True, slots=True)
class Posted:
    """A period as the chain has it.

    Attributes:
        number: from 0.
        size: entries of the log up to its end.
        end: unix seconds.
        revenue: smallest units that it says it pays.
        root: over the entries, 32 bytes.
        prices: digest of the price list, 32 bytes.
        entries: sha2-256 of its own lines, 32 bytes.
        accrued: smallest units that the MUT counted in the same call, by PeriodClosed.
        counted: the same by RevenueAccrued, the MUT's own word; 0 where there is none.
    """

    number: int
    size: int
    end: int
    revenue: int
    root: bytes
    prices: bytes
    entries: bytes
    accrued: int
    counted: int


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it must be.

    Attributes:
        where: `entry 7`, `period 2`, `receipt 7`, or `log`.
        detail: one sentence.
    """

    where: str
    detail: str


@dataclass(slots=True)
class PeriodSums:
    """What one period earned.

    Attributes:
        number: from 0.
        end: unix seconds.
        entries: of it alone.
        revenue: smallest units.
        by_model, by_customer: amounts in millionths of the smallest unit, corrections taken off.
    """

    number: int = 0
    end: int = 0
    entries: int = 0
    revenue: int = 0
    by_model: Counter[str] = field(default_factory=Counter)
    by_customer: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class UsageReport:
    """What was found.

    Attributes:
        differences: what is not as it must be.
        entries: in the log.
        open_entries: behind the last period that is on chain.
        metered: smallest units that periods pay.
        other: smallest units that came into the MUT by other ways.
        by_model, by_customer, by_kind: amounts in millionths of the smallest unit.
        by_period: of each posted period.
        rejected: what was handed in as a receipt or cosignature and proves nothing; no fault of
            the publisher.
        witnesses: who cosigned, and up to how many entries.
    """

    differences: list[Difference] = field(default_factory=list)
    entries: int = 0
    open_entries: int = 0
    metered: int = 0
    other: int = 0
    by_model: Counter[str] = field(default_factory=Counter)
    by_customer: Counter[str] = field(default_factory=Counter)
    by_kind: Counter[str] = field(default_factory=Counter)
    by_period: list[PeriodSums] = field(default_factory=list)
    rejected: list[Difference] = field(default_factory=list)
    witnesses: dict[str, int] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """For JSON: amounts are decimal text, those by model and customer in millionths."""
        return {
            "passed": not self.differences,
            "differences": [asdict(each) for each in self.differences],
            "rejected": [asdict(each) for each in self.rejected],
            "witnesses": dict(sorted(self.witnesses.items())),
            "entries": self.entries,
            "open_entries": self.open_entries,
            "metered": str(self.metered),
            "other": str(self.other),
            "by_model": _texts(self.by_model),
            "by_customer": _texts(self.by_customer),
            "by_kind": _texts(self.by_kind),
            "by_period": [
                {
                    "period": each.number,
                    "end": each.end,
                    "entries": each.entries,
                    "revenue": str(each.revenue),
                    "by_model": _texts(each.by_model),
                    "by_customer": _texts(each.by_customer),
                }
                for each in self.by_period
            ],
        }


def _texts(amounts: Mapping[str, int]) -> dict[str, str]:
    return {name: str(amount) for name, amount in sorted(amounts.items())}


def check_usage(
    lines: Iterable[bytes],
    origin: str,
    publisher: str,
    posted: Sequence[Posted],
    *,
    accrued: int = 0,
    receipts: Sequence[Receipt] = (),
    cosigned: Sequence[Cosigned] = (),
) -> UsageReport:
    """Compute a log again, against the chain and against customers' receipts.

    Args:
        lines: entries without line ends, in order; gone through twice.
        origin: that every entry must name: chain, MUT and publisher.
        publisher: address whose receipts count.
        posted: periods on chain, in order.
        accrued: all revenue that the MUT ever counted, smallest units.
        receipts: of customers.
        cosigned: checkpoints with what witnesses signed.
    """
    report = UsageReport()
    wanted = {receipt.sequence for receipt in receipts}
    seen = _witnessed(cosigned, publisher, report)
    walk = _Walk(report, origin, posted, wanted, _corrected(lines), seen)
    for line in lines:
        walk.entry(line)
    walk.end()
    for receipt in receipts:
        _check_receipt(receipt, publisher, walk.leaves, report)
    report.metered = sum(min(each.revenue, each.accrued) for each in posted)
    report.other = accrued - report.metered
    if report.other < 0:
        report.differences.append(
            Difference("log", f"periods pay {report.metered}, but the MUT counted only {accrued}")
        )
    return report


def _check_receipt(
    receipt: Receipt, publisher: str, leaves: Mapping[int, bytes], report: UsageReport
) -> None:
    where = f"receipt {receipt.sequence}"
    try:
        signer: str | None = receipt.signer()
    except InputError:
        signer = None
    if signer != publisher:
        detail = "not signed by the publisher for this log: it proves nothing"
        report.rejected.append(Difference(where, detail))
    elif receipt.sequence not in leaves:
        report.differences.append(Difference(where, "the log ends before it: the entry is omitted"))
    elif leaves[receipt.sequence] != receipt.leaf:
        detail = "the log has another entry in its place: omitted or changed"
        report.differences.append(Difference(where, detail))


def _witnessed(
    cosigned: Sequence[Cosigned], publisher: str, report: UsageReport
) -> dict[int, set[bytes]]:
    """Roots that the publisher signed before witnesses, by size."""
    seen: dict[int, set[bytes]] = {}
    for each in cosigned:
        size = each.checkpoint.size
        try:
            signer, witness = each.checkpoint.publisher(), str(each.witness())
        except InputError:
            signer, witness = None, ""
        if signer != publisher or not witness:
            detail = "not signed by the publisher, or by no witness: it proves nothing"
            report.rejected.append(Difference(f"checkpoint {size}", detail))
            continue
        seen.setdefault(size, set()).add(each.checkpoint.root)
        report.witnesses[witness] = max(size, report.witnesses.get(witness, 0))
    return seen


def _corrected(lines: Iterable[bytes]) -> set[int]:
    """Places of the entries that corrections are of: of these alone the amounts are kept."""
    found = set()
    for line in lines:
        if _CORRECTION in line:
            try:
                of = json.loads(line)["data"]["of"]
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
            if type(of) is int:
                found.add(of)
    return found


class _Walk:
    """One pass over the entries; holds what the next entry must follow from."""

    def __init__(
        self,
        report: UsageReport,
        origin: str,
        posted: Sequence[Posted],
        wanted: set[int],
        corrected: set[int],
        seen: Mapping[int, set[bytes]],
    ) -> None:
        self._report, self._origin = report, origin
        self._posted, self._wanted, self._corrected = list(posted), wanted, corrected
        self._refs: set[str] = set()
        self.leaves: dict[int, bytes] = {}
        self._tree = MerkleRoot(ENTRY_NODE)
        self._place = self._time = self._amounts = self._carried = self._next = 0
        self._prices: Prices | None = None
        self._more = 0
        #: What is left of entries that are corrected, of which model, and of whose.
        self._paid: dict[int, tuple[int, str, str]] = {}
        self._sums = PeriodSums()
        self._digest = hashlib.sha256()
        self._seen = dict(seen)
        self._witnessed()
        self._close_periods()  # those that were closed before there was any entry

    def entry(self, line: bytes) -> None:
        """One more entry."""
        place, where = self._place, f"entry {self._place}"
        leaf = entry_hash(line)
        if place in self._wanted:
            self.leaves[place] = leaf
        self._tree.add(leaf)
        self._digest.update(line + b"\n")
        self._place += 1
        self._report.entries += 1
        self._sums.entries += 1
        try:
            event = Event.decode(line)
        except IntegrityError as error:
            self._differs(where, str(error))
        else:
            self._check(event, place, where)
        self._witnessed()
        self._close_periods()

    def end(self) -> None:
        """No more entries."""
        for size in sorted(self._seen):
            detail = f"witnesses saw {size} entries, but the log ends after {self._place}"
            self._differs(f"checkpoint {size}", detail)
        for each in self._posted[self._next :]:
            detail = f"it has {each.size} entries, but the log ends after {self._place}"
            self._differs(f"period {each.number}", detail)
        closed = self._posted[self._next - 1].size if self._next else 0
        self._report.open_entries = self._place - closed
        if self._more:
            detail = f"there are {self._more} more differences than are listed here"
            self._report.differences.append(Difference("log", detail))

    def _witnessed(self) -> None:
        for root in self._seen.pop(self._place, ()):
            if root != self._root():
                detail = "the publisher signed another root for witnesses: the log was forked"
                self._differs(f"checkpoint {self._place}", detail)

    def _differs(self, where: str, detail: str) -> None:
        if len(self._report.differences) < _MOST:
            self._report.differences.append(Difference(where, detail))
        else:
            self._more += 1

    def _check(self, event: Event, place: int, where: str) -> None:
        if event.sequence != place:
            self._differs(
                where, f"says that it is {event.sequence}: left out, doubled or reordered"
            )
        if event.source != self._origin:
            self._differs(where, f"is of {event.source}, not of {self._origin}")
        if event.time < self._time:
            self._differs(where, "is earlier than the entry before it")
        self._time = max(self._time, event.time)
        if self._next and event.time < self._posted[self._next - 1].end * 1000:
            self._differs(where, f"is back-dated before the end of period {self._next - 1}")
        match event.kind:
            case "prices":
                problem = self._price_list(event)
            case "usage":
                problem = self._usage(event, place)
            case "licence":
                problem = self._licence(event, place)
            case "correction":
                problem = self._correction(event, place)
        if problem:
            self._differs(where, problem)
        if (ref := event.data.get("ref")) is not None:
            if ref in self._refs:
                self._differs(where, f"has the reference {ref!r} of an earlier entry")
            self._refs.add(str(ref))
        self._amounts += event.amount
        self._report.by_kind[event.kind] += event.amount

    def _price_list(self, event: Event) -> str:
        try:
            self._prices = Prices.of(event.data)
        except IntegrityError as error:
            return str(error)
        return (
            "" if event.data == self._prices.plain() else "a price list holds something else, too"
        )

    def _usage(self, event: Event, place: int) -> str:
        data = event.data
        if data.keys() != _USAGE:
            return f"has the fields {', '.join(sorted(data))}"
        tokens = (data["tokens_in"], data["tokens_out"])
        if not all(type(each) is int and each >= 0 for each in tokens):
            return "has token counts that are none"
        if data["basis"] not in _BASES or type(data["complete"]) is not bool:
            return "does not say how it was counted"
        if not isinstance(data["customer"], str) or len(data["customer"]) != _CUSTOMER_DIGITS:
            return "names a customer otherwise than by its hash"
        if self._prices is None or data["model"] not in self._prices.models:
            return f"is of the model {data['model']!r}, for which no price was listed before"
        self._earned(place, event.amount, data["model"], data["customer"])
        if data["prices"] != self._prices.digest.hex():
            return "names another price list than the one in force"
        right = self._prices.amount(data["model"], *tokens)
        return "" if event.amount == right else f"is priced {event.amount}, but is worth {right}"

    def _licence(self, event: Event, place: int) -> str:
        data = event.data
        texts = (data.get("customer"), data.get("what"))
        if data.keys() != {"customer", "what", "amount", "ref"} or not all(
            isinstance(text, str) for text in texts
        ):
            return f"has the fields {', '.join(sorted(data))}"
        if event.amount < 0:
            return "is a licence with a negative amount"
        self._earned(place, event.amount, LICENCES, data["customer"])
        return ""

    def _earned(self, place: int, amount: int, model: str, customer: str) -> None:
        if place in self._corrected:
            self._paid[place] = (amount, model, customer)
        for sums in (self._report, self._sums):
            sums.by_model[model] += amount
            sums.by_customer[customer] += amount

    def _correction(self, event: Event, place: int) -> str:
        data = event.data
        if data.keys() != {"of", "why", "amount", "ref"} or type(data["of"]) is not int:
            return f"has the fields {', '.join(sorted(data))}"
        if data["of"] not in self._paid or data["of"] >= place:
            return f"corrects entry {data['of']!r}, which is no usage or licence before it"
        before, model, customer = self._paid[data["of"]]
        left = before + event.amount
        if event.amount > 0 or left < 0:
            return f"corrects entry {data['of']} by {event.amount}, which leaves {left} of it"
        self._earned(place, event.amount, model, customer)
        self._paid[data["of"]] = (left, model, customer)
        return ""

    def _close_periods(self) -> None:
        while self._next < len(self._posted) and self._posted[self._next].size == self._place:
            self._close(self._posted[self._next])
            self._next += 1

    def _close(self, period: Posted) -> None:
        where = f"period {period.number}"
        if period.number != self._next:
            self._differs(where, f"is the {self._next}th on chain")
        if period.root != self._root():
            self._differs(where, "its root is not that of the log: entries were changed, or forked")
        if period.entries != self._digest.digest():
            self._differs(where, "its entries have another sha2-256")
        if self._time >= (period.end + 1) * 1000:
            self._differs(where, "it has entries that are later than its end")
        prices = self._prices.digest if self._prices else bytes(32)
        if period.prices != prices:
            self._differs(where, "it names another price list than the one in force at its end")
        revenue, self._carried = period_revenue(self._carried, self._amounts)
        if period.revenue != revenue:
            self._differs(where, f"it pays {period.revenue}, but its entries are worth {revenue}")
        if period.accrued != period.counted:
            self._differs(where, "the MUT did not count what the log says that it counted")
        if period.accrued < period.revenue:
            self._differs(where, f"it pays {period.revenue}, of which {period.accrued} arrived")
        self._sums.number, self._sums.end = period.number, period.end
        self._sums.revenue = period.revenue
        self._report.by_period.append(self._sums)
        self._sums = PeriodSums()
        self._amounts = 0
        self._digest = hashlib.sha256()

    def _root(self) -> bytes:
        return self._tree.digest() if self._place else bytes(HASH_BYTES)
