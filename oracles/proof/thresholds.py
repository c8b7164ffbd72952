"""A claim about all pages of a data set, the proof of it, and how both are written down."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import rfc8785

from oracles.dataset.plain import reading
from oracles.errors import InputError

if TYPE_CHECKING:
    from oracles.proof.facts import Facts

SCHEMA: Final = "qmia/proof/1"
#: Most bytes of a proof's file.
MAX_BYTES: Final = 64 * 1024
#: Shares are in 1e-4.
GRID: Final = 10_000
_MOST_TOKENS: Final = (1 << 40) - 1
_ROOT_BYTES: Final = 32


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

    def missed(self, sums: Facts) -> list[str]:
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
    """What a proof is of: its public inputs.

    Attributes:
        facts: root of the facts, 32 bytes.
        pages: of the data set.
        thresholds: that all its pages together meet.
    """

    facts: bytes
    pages: int
    thresholds: Thresholds

    @property
    def inputs(self) -> tuple[int, ...]:
        """Public inputs of the circuit, in their order."""
        limits = self.thresholds
        return (
            int.from_bytes(self.facts, "big"),
            self.pages,
            limits.min_tokens,
            limits.min_clean,
            limits.min_metadata,
            limits.max_duplicates,
        )


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof and its claim, as a file: canonical JSON.

    Attributes:
        claim: what is proved.
        proof: bytes for the verifier.
    """

    claim: Claim
    proof: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Canonical JSON."""
        return rfc8785.dumps(
            {
                "schema": SCHEMA,
                "facts": "0x" + self.claim.facts.hex(),
                "pages": str(self.claim.pages),
                **{name: str(value) for name, value in asdict(self.claim.thresholds).items()},
                "proof": "0x" + self.proof.hex(),
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
            facts = bytes.fromhex(value["facts"][2:])
            claim = Claim(facts, int(value["pages"]), thresholds)
            found = cls(claim, bytes.fromhex(value["proof"][2:]))
            if len(facts) != _ROOT_BYTES or found.encode() != data:
                raise ValueError("not in canonical form")
        return found
