"""Writing a training set, taking a winner out of it again, and proving where a row comes from."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import rfc8785

from oracles.dataset import MerkleRoot, decode_document, encode_document, leaf_hash
from oracles.dataset.merkle import DOCUMENT_NODE, branch_places, branch_root, next_level
from oracles.errors import InputError, IntegrityError
from oracles.files import sha256_file, whole_folder, write_file
from oracles.progress import Progress, silent
from oracles.training.card import OTHERS, croissant, dataset_card

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from oracles.dataset import Document

SCHEMA: Final = "qmia/training-set/1"
#: Bytes of text after which a new shard begins.
SHARD_BYTES: Final = 256 << 20
_BATCH: Final = 1000
_DATA: Final = "data"
_FORGET: Final = "forget"
_IDENTITY: Final = "qmia.json"
#: Characters of a licence's or a language's name, and how many different ones a card has.
_LONGEST_LABEL: Final = 64
_MOST_LABELS: Final = 200
_ROLES: Final = frozenset({"system", "user", "assistant", "tool"})


@dataclass(frozen=True, slots=True)
class Bought:
    """One winner's data set as the buyer received it.

    Attributes:
        path: its canonical documents, one a line.
        chain_id: EIP-155.
        contract: address of the auction contract.
        auction: id.
        index: of the bid.
        provider: address of the bid's owner.
        content_digest: Merkle root over the documents that was committed on chain, 32 bytes.
        mut: address of the auction's MUT; None where nothing was paid in MUT.
        quality: verified q between 0 and 1.
        impact: verified φ̂.
    """

    path: Path
    chain_id: int
    contract: str
    auction: int
    index: int
    provider: str
    content_digest: bytes
    mut: str | None
    quality: float
    impact: float

    @property
    def weight(self) -> float:
        """q·φ̂, in proportion to which revenue is shared (paper, section 5)."""
        return self.quality * self.impact


@dataclass(frozen=True, slots=True)
class Conversation:
    """How metadata becomes the columns of chat or preference training.

    Attributes:
        messages: metadata field with a list of {role, content}; becomes `messages`.
        preference: metadata fields of the prompt, the chosen and the rejected answer.
    """

    messages: str | None = None
    preference: tuple[str, str, str] | None = None

    def __post_init__(self) -> None:
        if (self.messages is None) == (self.preference is None):
            raise InputError("a conversation is either a field of messages or three of preference")

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that stand in the place of `text`."""
        return ("messages",) if self.messages is not None else ("prompt", "chosen", "rejected")

    def row(self, document: Document) -> dict[str, Any] | None:
        """The columns' values; None if the document does not fit."""
        if self.messages is not None:
            found = _messages(document.metadata.get(self.messages))
            return None if found is None else {"messages": found}
        fields = self.preference or ()
        values = [document.metadata.get(name) for name in fields]
        if not all(isinstance(value, str) and value.strip() for value in values):
            return None
        return dict(zip(self.columns, values, strict=True)) if values[1] != values[2] else None


@dataclass(slots=True)
class Built:
    """What became of building a set.

    Attributes:
        rows: written.
        documents: read.
        unfit: documents that are no conversation, by winner's `auction-index`.
        repeated: texts that come more than once, over all winners.
        licenses, languages: documents by what their metadata states; `` where it states none, or
            what is no name.
        shards: names of data files, with sha256 and rows.
        retained: rows with a text of a winner that was taken out.
    """

    rows: int = 0
    documents: int = 0
    unfit: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    licenses: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    shards: list[dict[str, Any]] = field(default_factory=list)
    retained: int = 0


@dataclass(frozen=True, slots=True)
class RowProof:
    """That one row is a document of what a winner committed to.

    Attributes:
        auction, index: the winner.
        document: its place in the winner's data set, from 0.
        count: documents in that data set.
        leaf: keccak256 of the canonical document, 32 bytes.
        branch: siblings from the leaf up, 32 bytes each.
        content_digest: the root, as committed on chain.
    """

    auction: int
    index: int
    document: int
    count: int
    leaf: bytes
    branch: tuple[bytes, ...]
    content_digest: bytes

    def holds(self) -> bool:
        """Whether the branch leads from the leaf to the digest."""
        root = branch_root(self.leaf, self.document, self.count, self.branch, DOCUMENT_NODE)
        return root == self.content_digest


class TrainingSet:
    """A set on disk.

    Args:
        folder: where `build` wrote it.

    Raises:
        InputError: it is no training set.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.identity: dict[str, Any] = json.loads((folder / _IDENTITY).read_text("utf-8"))
            if self.identity["schema"] != SCHEMA:
                raise ValueError(f"its schema is {self.identity['schema']!r}")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(f"{folder} is no training set: {error}") from error

    @property
    def winners(self) -> list[dict[str, Any]]:
        """What was bought of whom."""
        found: list[dict[str, Any]] = self.identity["winners"]
        return found

    def winner(self, auction: int, index: int) -> dict[str, Any]:
        """One winner.

        Raises:
            InputError: the set has nothing of it.
        """
        for each in self.winners:
            if (each["auction"], each["index"]) == (auction, index):
                return each
        have = ", ".join(f"{each['auction']}-{each['index']}" for each in self.winners)
        raise InputError(f"{self.folder} has nothing of winner {auction}-{index}: it has {have}")

    def tables(self, file: str) -> Iterator[Any]:
        """Rows of one data file, a pyarrow table at a time.

        Raises:
            IntegrityError: the file is not the one that was written.
        """
        pa: Any = importlib.import_module("pyarrow")
        pq: Any = importlib.import_module("pyarrow.parquet")
        path = self.folder / _DATA / file
        expected = next(each["sha256"] for each in self.identity["shards"] if each["file"] == file)
        if not path.is_file() or sha256_file(path) != expected:
            raise IntegrityError(f"{path} is missing or was changed: build the set again")
        for batch in pq.ParquetFile(path).iter_batches(batch_size=_BATCH):
            yield pa.Table.from_batches([batch])


def build(
    bought: Sequence[Bought],
    out: Path,
    *,
    conversation: Conversation | None = None,
    weights: bool = False,
    shard_bytes: int = SHARD_BYTES,
    progress: Progress = silent,
) -> Built:
    """Write a training set; it appears whole or not at all.

    Rows are in the order of auction, index and document. Texts that several winners sold are
    counted and left in: what to do about them is the trainer's to decide.

    Args:
        bought: at least one.
        out: a folder that does not exist yet.
        conversation: how metadata becomes chat or preference columns; by default rows are texts.
        weights: add a column with the winner's q·φ̂, scaled so that the mean over all rows is 1.
        shard_bytes: size of text after which a new data file begins.
        progress: called with the stage, winners done and their number.

    Raises:
        InputError: nothing was bought, `out` exists, or no document fits the conversation.
        IntegrityError: a file is not what its winner committed to.
    """
    if not bought:
        raise InputError("nothing was received of any winner: run `qmia buyer receive` first")
    ordered = sorted(bought, key=lambda each: (each.auction, each.index))
    told = Built()
    winners: list[dict[str, Any]] = []

    def write(folder: Path) -> None:
        counts = [_verified(each) for each in ordered]
        scale = _scale(ordered, counts) if weights else None
        seen: Counter[bytes] = Counter()
        rows = _rows(ordered, conversation, scale, told, seen, winners, progress)
        told.shards = _write_shards(
            folder / _DATA, rows, _schema(conversation, weights), shard_bytes
        )
        told.rows = sum(shard["rows"] for shard in told.shards)
        told.repeated = sum(count - 1 for count in seen.values())
        if not told.rows:
            raise InputError(f"no document fits: none has {_wanted(conversation)}")
        identity = {
            "schema": SCHEMA,
            "winners": winners,
            "shards": told.shards,
            "columns": list(_schema(conversation, weights).names),
        }
        write_file(folder / _IDENTITY, json.dumps(identity, indent=1) + "\n")
        write_file(folder / "README.md", dataset_card(identity, told))
        write_file(folder / "croissant.json", croissant(identity, told))
        _write_sums(folder)

    whole_folder(out, write, private=True)
    return told


def forget(source: TrainingSet, auction: int, index: int, out: Path) -> dict[str, int]:
    """The same set without one winner's rows, and these apart, for takedown and unlearning.

    Args:
        source: the set.
        auction: of the winner.
        index: of the winner's bid.
        out: a folder that does not exist yet; what is to be forgotten goes to its folder `forget`.

    Returns:
        Rows that are kept, rows that are to be forgotten, and of those that are kept, how many have
        a text that is to be forgotten: other winners sold it, too.

    Raises:
        InputError: the set has nothing of the winner, or of nobody else, or `out` exists.
        IntegrityError: a file is not the one that was written.
    """
    gone = source.winner(auction, index)
    kept = [each for each in source.winners if each != gone]
    if not kept:
        raise InputError("the set has this winner's rows alone: delete it instead")
    counted = {"kept": 0, "forgotten": 0, "repeated": 0}

    def write(folder: Path) -> None:
        pc: Any = importlib.import_module("pyarrow.compute")
        pq: Any = importlib.import_module("pyarrow.parquet")
        shards: list[dict[str, Any]] = []
        gone_texts = _texts_of(source, auction, index)
        (folder / _DATA).mkdir()
        (folder / _FORGET).mkdir()
        lost = folder / _FORGET / f"{auction}-{index}.parquet"
        writer: Any = None
        for number, shard in enumerate(source.identity["shards"]):
            path = folder / _DATA / f"train-{number:05}.parquet"
            rows, keep = 0, None
            for table in source.tables(shard["file"]):
                place = table.column("qmia").combine_chunks()
                theirs = pc.and_(
                    pc.equal(place.field("auction"), auction), pc.equal(place.field("index"), index)
                )
                writer = writer or pq.ParquetWriter(lost, table.schema, compression="zstd")
                away = table.filter(theirs)
                writer.write_table(away)
                stay = table.filter(pc.invert(theirs))
                keep = keep or pq.ParquetWriter(path, table.schema, compression="zstd")
                keep.write_table(stay)
                rows += stay.num_rows
                counted["forgotten"] += away.num_rows
                counted["repeated"] += sum(text in gone_texts for text in _digests(stay))
            if keep is not None:
                keep.close()
            if rows:
                shards.append({"file": path.name, "sha256": sha256_file(path), "rows": rows})
            else:
                path.unlink(missing_ok=True)
            counted["kept"] += rows
        if writer is not None:
            writer.close()
        identity = {
            **source.identity,
            "winners": kept,
            "shards": shards,
            "forgotten": [*source.identity.get("forgotten", []), gone],
        }
        told = Built(rows=counted["kept"], documents=counted["kept"], shards=shards)
        told.retained = counted["repeated"]
        write_file(folder / _IDENTITY, json.dumps(identity, indent=1) + "\n")
        write_file(folder / "README.md", dataset_card(identity, told))
        write_file(folder / "croissant.json", croissant(identity, told))
        _write_sums(folder)

    whole_folder(out, write, private=True)
    return counted


def _digests(table: Any) -> Iterator[bytes]:
    """Digest of what is trained on in each row."""
    columns = [n for n in table.column_names if n not in ("metadata", "qmia", "weight")]
    for row in table.select(columns).to_pylist():
        yield hashlib.blake2b(json.dumps(row).encode(), digest_size=16).digest()


def _texts_of(source: TrainingSet, auction: int, index: int) -> set[bytes]:
    """Digests of a winner's rows."""
    pc: Any = importlib.import_module("pyarrow.compute")
    found: set[bytes] = set()
    for shard in source.identity["shards"]:
        for table in source.tables(shard["file"]):
            place = table.column("qmia").combine_chunks()
            found.update(
                _digests(
                    table.filter(
                        pc.and_(
                            pc.equal(place.field("auction"), auction),
                            pc.equal(place.field("index"), index),
                        )
                    )
                )
            )
    return found


def prove(bought: Bought, document: int) -> RowProof:
    """Prove that one row comes from what a winner committed to.

    Args:
        bought: the winner's data set as received.
        document: place in it, from 0; a row's `qmia.document`.

    Raises:
        InputError: there is no such document.
        IntegrityError: the file is not what was committed.
    """
    leaves = [leaf_hash(line) for line in _lines(bought.path)]
    places = list(branch_places(document, len(leaves)))
    levels = [leaves]
    while len(levels[-1]) > 1:
        levels.append(next_level(levels[-1], DOCUMENT_NODE))
    branch = tuple(levels[level][place] for level, place in places)
    proof = RowProof(
        bought.auction,
        bought.index,
        document,
        len(leaves),
        leaves[document],
        branch,
        bought.content_digest,
    )
    if not proof.holds():
        raise IntegrityError(f"{bought.path} is not what its winner committed to")
    return proof


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        for line in file:
            yield line.removesuffix(b"\n")


def _verified(bought: Bought) -> int:
    """Number of documents, after the whole file was checked against the commitment."""
    root = MerkleRoot()
    try:
        for line in _lines(bought.path):
            root.add(leaf_hash(line))
    except OSError as error:
        raise InputError(f"cannot read {bought.path}: {error.strerror}") from error
    if not root.count or root.digest() != bought.content_digest:
        raise IntegrityError(
            f"{bought.path} is not what winner {bought.auction}-{bought.index} committed to:"
            " delete it and run `qmia buyer receive` again"
        )
    return root.count


def _scale(bought: Sequence[Bought], counts: Sequence[int]) -> float:
    total = sum(each.weight * count for each, count in zip(bought, counts, strict=True))
    if total <= 0:
        raise InputError("no winner has a weight above 0: leave --weights out")
    return sum(counts) / total


def _rows(
    bought: Sequence[Bought],
    conversation: Conversation | None,
    scale: float | None,
    told: Built,
    seen: Counter[bytes],
    winners: list[dict[str, Any]],
    progress: Progress,
) -> Iterator[dict[str, Any]]:
    for done, each in enumerate(bought):
        progress("winners", done, len(bought))
        rows = 0
        for number, line in enumerate(_lines(each.path)):
            document = decode_document(line)
            told.documents += 1
            _count(document.metadata, told)
            columns = (
                {"text": document.text} if conversation is None else conversation.row(document)
            )
            if columns is None:
                told.unfit[f"{each.auction}-{each.index}"] += 1
                continue
            seen[hashlib.blake2b(document.text.encode(), digest_size=16).digest()] += 1
            rows += 1
            yield {
                **columns,
                "metadata": rfc8785.dumps(dict(document.metadata)).decode(),
                "qmia": {
                    "chain": each.chain_id,
                    "contract": each.contract,
                    "auction": each.auction,
                    "index": each.index,
                    "document": number,
                    "leaf": "0x" + leaf_hash(encode_document(document)).hex(),
                },
                **({} if scale is None else {"weight": each.weight * scale}),
            }
        kept = {name: value for name, value in asdict(each).items() if name != "path"}
        kept["content_digest"] = "0x" + each.content_digest.hex()
        winners.append({**kept, "rows": rows})
    progress("winners", len(bought), len(bought))


def _count(metadata: Mapping[str, Any], told: Built) -> None:
    for names, counter in (
        (("license", "licence"), told.licenses),
        (("language", "lang"), told.languages),
    ):
        values = (metadata.get(name) for name in names)
        label = next((v.strip() for v in values if isinstance(v, str)), "")
        # A card is read by people and programs: no provider may fill it with what is no name.
        if len(label) > _LONGEST_LABEL or not label.isprintable():
            label = ""
        elif label not in counter and len(counter) >= _MOST_LABELS:
            label = OTHERS
        counter[label] += 1


def _schema(conversation: Conversation | None, weights: bool) -> Any:
    pa: Any = importlib.import_module("pyarrow")
    message = pa.struct([("role", pa.string()), ("content", pa.string())])
    kinds = {"messages": pa.list_(message)}
    columns = ("text",) if conversation is None else conversation.columns
    place = pa.struct(
        [
            ("chain", pa.int64()),
            ("contract", pa.string()),
            ("auction", pa.int64()),
            ("index", pa.int32()),
            ("document", pa.int64()),
            ("leaf", pa.string()),
        ]
    )
    fields = [(name, kinds.get(name, pa.string())) for name in columns]
    fields += [("metadata", pa.string()), ("qmia", place)]
    return pa.schema(fields + ([("weight", pa.float64())] if weights else []))


def _write_shards(
    folder: Path, rows: Iterable[dict[str, Any]], schema: Any, shard_bytes: int
) -> list[dict[str, Any]]:
    pa: Any = importlib.import_module("pyarrow")
    pq: Any = importlib.import_module("pyarrow.parquet")
    folder.mkdir()
    shards: list[dict[str, Any]] = []
    writer: Any = None
    batch: list[dict[str, Any]] = []
    size = in_shard = held = 0

    def path() -> Path:
        return folder / f"train-{len(shards):05}.parquet"

    def flush() -> None:
        nonlocal writer, held
        if batch:
            writer = writer or pq.ParquetWriter(path(), schema, compression="zstd")
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            batch.clear()
        held = 0

    def close() -> None:
        nonlocal writer, size, in_shard
        flush()
        if writer is not None:
            writer.close()
            file = path()
            shards.append({"file": file.name, "sha256": sha256_file(file), "rows": in_shard})
        writer, size, in_shard = None, 0, 0

    for row in rows:
        batch.append(row)
        length = len(row["metadata"]) + sum(
            len(row[name]) for name in ("text", "prompt", "chosen", "rejected") if name in row
        )
        size += length
        held += length
        in_shard += 1
        if size >= shard_bytes:
            close()
        elif len(batch) == _BATCH or held >= 1 << 24:
            flush()
    close()
    return shards


def _messages(value: Any) -> list[dict[str, str]] | None:
    """A conversation that trainers take: known roles, texts, and an answer of the assistant."""
    if not isinstance(value, list) or not value:
        return None
    found = []
    for each in value:
        if not isinstance(each, dict):
            return None
        if not (isinstance(each.get("role"), str) and isinstance(each.get("content"), str)):
            return None
        if each["role"] not in _ROLES:
            return None
        found.append({"role": each["role"], "content": each["content"]})
    return found if any(each["role"] == "assistant" for each in found) else None


def _wanted(conversation: Conversation | None) -> str:
    if conversation is None:
        return "a text"
    if conversation.messages is not None:
        return f"a conversation in its field {conversation.messages!r}"
    return f"texts in all of its fields {', '.join(conversation.preference or ())}"


def _write_sums(folder: Path) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = (f"{sha256_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in files)
    write_file(folder / "SHA256SUMS", "".join(lines))
