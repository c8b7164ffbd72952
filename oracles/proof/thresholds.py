"""A claim about all pages of a data set, the proof of it, and how both are written down.

A proof over a small set is one statement to the verifier. Over a larger one it is a statement for
each part, of its root and of what hides its sums, and one of the total: that the roots lead to the
root of the facts, and that the numbers hidden in the sums meet the thresholds together. Since
nobody can open the sums to other numbers than the part's proof was made with, all of them together
say of the whole set what one would.
"""

from __future__ import annotations

import json
from dataclasses import asdict, astuple, dataclass, field
from typing import Any, Final

import rfc8785

from oracles.dataset.plain import reading
from oracles.errors import InputError, IntegrityError
from oracles.proof import facts as rules
from oracles.proof.poseidon import FIELD

SCHEMA: Final = "qmia/proof/2"
#: Most bytes of a proof's file: 64 parts of 20 kB as text, and the total.
MAX_BYTES: Final = 2 << 20
#: Shares are in 1e-4.
GRID: Final = 10_000
_MOST_TOKENS: Final = (1 << 40) - 1
_WORD_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What is claimed, or asked for; shares in 1e-4. The defaults say nothing.

    Attributes:
        min_tokens: least usable tokens.
        min_clean: least share of the letters that is not lost to errors.
        min_metadata: least share of the required metadata fields that is valid.
        max_duplicates: greatest share of the runs of letters that repeat one of the same page.
    """

    min_tokens: int = 0
    min_clean: int = 0
    min_metadata: int = 0
    max_duplicates: int = GRID

    def __post_init__(self) -> None:
        """Refuse what no circuit takes."""
        if not 0 <= self.min_tokens <= _MOST_TOKENS:
            raise InputError(f"tokens are between 0 and {_MOST_TOKENS}, not {self.min_tokens}")
        for name in ("min_clean", "min_metadata", "max_duplicates"):
            if not 0 <= (share := getattr(self, name)) <= GRID:
                raise InputError(f"{name} is a share between 0 and 1, not {share / GRID}")

    @property
    def nothing(self) -> bool:
        """Whether this holds of every data set."""
        return self == Thresholds()

    def missed(self, sums: rules.Facts) -> list[str]:
        """Sentences about what the sums over all pages do not reach."""
        found = []
        if sums.tokens < self.min_tokens:
            found.append(f"{sums.tokens} usable tokens, {self.min_tokens} are claimed")
        for name, least, part, whole in (
            ("clean letters", self.min_clean, sums.letters - sums.lost, sums.letters),
            ("valid metadata", self.min_metadata, sums.filled, sums.expected),
        ):
            if part * GRID < least * whole:
                found.append(f"{name}: {part} of {whole}, less than {least / GRID}")
        if sums.repeated * GRID > self.max_duplicates * sums.runs:
            share = self.max_duplicates / GRID
            found.append(f"duplicates: {sums.repeated} of {sums.runs}, more than {share}")
        return found

    def implies(self, other: Thresholds) -> bool:
        """Whether whoever meets these meets the others too."""
        return (
            self.min_tokens >= other.min_tokens
            and self.min_clean >= other.min_clean
            and self.min_metadata >= other.min_metadata
            and self.max_duplicates <= other.max_duplicates
        )


@dataclass(frozen=True, slots=True)
class Claim:
    """What a proof is of.

    Attributes:
        facts: root of the facts, 32 bytes.
        pages: of the data set.
        thresholds: that all its pages together meet.
    """

    facts: bytes
    pages: int
    thresholds: Thresholds


@dataclass(frozen=True, slots=True)
class Statement:
    """What one run of the verifier is about.

    Attributes:
        circuit: name, such as `part-10`.
        inputs: public inputs in the order of the circuit.
        proof: bytes for the verifier.
    """

    circuit: str
    inputs: tuple[int, ...]
    proof: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Part:
    """What is shown of a part of a large data set.

    Attributes:
        root: over the leaves of its pages, 32 bytes.
        sums: what hides the sums over its pages, 32 bytes.
        proof: bytes for the verifier.
    """

    root: bytes
    sums: bytes
    proof: bytes = field(repr=False)

    def statement(self, pages: int) -> Statement:
        """What must hold of a part with so many pages.

        Raises:
            IntegrityError: root or sums are no elements of the field.
        """
        inputs = (_element(self.root), pages, _element(self.sums))
        return Statement(f"part-{rules.PART_DEPTH}", inputs, self.proof)


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof and its claim, as a file: canonical JSON.

    Attributes:
        claim: what is proved.
        parts: of a set that is larger than one; else empty.
        proof: bytes for the verifier: of the total, where there are parts.
    """

    claim: Claim
    parts: tuple[Part, ...]
    proof: bytes = field(repr=False)

    @property
    def statements(self) -> list[Statement]:
        """All that must hold: the claim itself, then the parts that it rests on.

        Raises:
            InputError: there are too many pages for a proof.
            IntegrityError: there are not as many parts as there must be, or what should be an
                element of the field is none.
        """
        claim = self.claim
        sizes, circuit = rules.parts(claim.pages), rules.circuits(claim.pages)[0]
        if len(self.parts) != len(sizes):
            wrong = f"{len(sizes)} parts, and not {len(self.parts)}"
            raise IntegrityError(f"a proof over {claim.pages} pages has {wrong}")
        facts, limits = _element(claim.facts), astuple(claim.thresholds)
        if not sizes:
            return [Statement(circuit, (facts, claim.pages, *limits), self.proof)]
        roots, sums = self.padded
        inputs = (facts, *limits, *map(_element, roots), *map(_element, sums))
        parts = [part.statement(size) for part, size in zip(self.parts, sizes, strict=True)]
        return [Statement(circuit, inputs, self.proof), *parts]

    @property
    def padded(self) -> tuple[list[bytes], list[bytes]]:
        """Roots and sums of all parts that the tree has room for; empty ones need no proof."""
        rest = rules.room(self.claim.pages) - len(self.parts)
        roots = [each.root for each in self.parts] + [rules.subroot([], rules.PART_DEPTH)] * rest
        sums = [each.sums for each in self.parts] + [rules.seal(rules.EMPTY, 0)] * rest
        return roots, sums

    def encode(self) -> bytes:
        """Canonical JSON."""
        return rfc8785.dumps(
            {
                "schema": SCHEMA,
                "facts": _text(self.claim.facts),
                "pages": str(self.claim.pages),
                **{name: str(value) for name, value in asdict(self.claim.thresholds).items()},
                "parts": [
                    {name: _text(value) for name, value in asdict(part).items()}
                    for part in self.parts
                ],
                "proof": _text(self.proof),
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Proof:
        """Read a proof; whether it holds is another question.

        Raises:
            IntegrityError: it is none, or not in its canonical form.
        """
        with reading("proof of a threshold"):
            if len(data) > MAX_BYTES:
                raise ValueError(f"{len(data)} bytes")
            value: dict[str, Any] = json.loads(data)
            thresholds = Thresholds(**{name: int(value[name]) for name in asdict(Thresholds())})
            claim = Claim(_bytes(value["facts"]), int(value["pages"]), thresholds)
            parts = tuple(
                Part(*(_bytes(part[name]) for name in ("root", "sums", "proof")))
                for part in value["parts"]
            )
            found = cls(claim, parts, _bytes(value["proof"]))
            words = [claim.facts, *(word for part in parts for word in (part.root, part.sums))]
            if any(len(word) != _WORD_BYTES for word in words) or found.encode() != data:
                raise ValueError("not in canonical form")
        return found


def _text(data: bytes) -> str:
    return "0x" + data.hex()


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def _element(word: bytes) -> int:
    if (value := int.from_bytes(word, "big")) >= FIELD:
        raise IntegrityError(f"{_text(word)} is no element of the field")
    return value
