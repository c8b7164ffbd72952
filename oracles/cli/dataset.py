"""`qmia dataset`: look at a data set, seal it for one auction, verify, open and export it."""

from __future__ import annotations

import os
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from oracles.cli.output import JsonOption, bars, print_json, stderr, stdout, write_output
from oracles.dataset import (
    Binding,
    Document,
    Finding,
    Manifest,
    MerkleRoot,
    encode_document,
    export,
    exposure,
    fragments,
    is_archive,
    leaf_hash,
    open_archive,
    pack,
    page_count,
    page_key,
    read_documents,
    refuse_losses,
    unpack,
    verify,
)
from oracles.dataset.manifest import MAX_BYTES
from oracles.errors import InputError, IntegrityError
from oracles.evidence import bytes_cid, file_cid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from oracles.proof import Facts, Proof, Thresholds, Tree

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)

SourceArgument = Annotated[Path, typer.Argument(metavar="PATH", help="File or folder.")]
ArchiveArgument = Annotated[Path, typer.Argument(metavar="ARCHIVE", help="Sealed data set.")]
ManifestOption = Annotated[
    Path | None, typer.Option("--manifest", help="Its manifest; default ARCHIVE.json.")
]
ChainOption = Annotated[int, typer.Option("--chain-id", help="EIP-155 chain id.")]
ContractOption = Annotated[str, typer.Option("--contract", help="Address of the auction contract.")]
AuctionOption = Annotated[int, typer.Option("--auction", help="Auction id.")]
ProviderOption = Annotated[str, typer.Option("--provider", help="Address that commits the data.")]
KeyFileOption = Annotated[
    Path, typer.Option("--key-file", help="File with the data key, 64 hexadecimal digits.")
]
TextFieldOption = Annotated[
    str | None, typer.Option("--text-field", help="Field or column that is the text.")
]


def _progress(documents: Iterable[Document], title: str) -> Iterator[Document]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=stderr, transient=True) as progress:
        task = progress.add_task(title)
        for number, document in enumerate(documents, 1):
            if number % 100 == 0:
                progress.update(task, description=f"{title}: {number} documents")
            yield document


def _hex(text: str, what: str) -> bytes:
    try:
        value = bytes.fromhex(text.strip().removeprefix("0x"))
    except ValueError:
        value = b""
    if len(value) != 32:
        raise InputError(f"{what} must be 32 bytes, as 64 hexadecimal digits")
    return value


def _read_key(path: Path) -> bytes:
    try:
        return _hex(path.read_text(encoding="ascii"), f"the key in {path}")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the key file {path}: {error}") from error


def _new_key_file(path: Path) -> int:
    """Open a file that only its owner can read, and never overwrite a key."""
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise InputError(f"{path} exists; a key is never overwritten, move it away") from error
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file.

    Raises:
        InputError: it cannot be read, or is too large for one.
        IntegrityError: it is none.
    """
    return Manifest.decode(_content(path, MAX_BYTES, "manifest"))


def read_proof(path: Path) -> Proof:
    """The proof of thresholds in a file; whether it holds is another question.

    Raises:
        InputError: it cannot be read, or is too large for one.
        IntegrityError: it is none.
    """
    from oracles.proof import Proof
    from oracles.proof.thresholds import MAX_BYTES as PROOF_BYTES

    return Proof.decode(_content(path, PROOF_BYTES, "proof"))


def _content(path: Path, limit: int, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise InputError(f"cannot read the {what} {path}: {error.strerror or error}") from error
    if len(data) > limit:
        raise InputError(f"{path} is no {what}: it is larger than {limit} bytes")
    return data


def _read_manifest(archive: Path, manifest: Path | None) -> Manifest:
    return read_manifest(manifest or _beside(archive, ".json"))


def _beside(archive: Path, suffix: str) -> Path:
    return archive.with_name(archive.name + suffix)


def _dump_manifest(manifest: Manifest) -> dict[str, Any]:
    contents, binding = manifest.contents, manifest.binding
    return {
        **asdict(binding),
        "cid": manifest.archive,
        "manifest": "0x" + manifest.digest.hex(),
        "manifest_cid": str(bytes_cid(manifest.encode())),
        "content_digest": "0x" + contents.content_digest.hex(),
        "size": contents.size,
        "key_commitment": "0x" + contents.key_commitment.hex(),
        "root": "0x" + contents.root.hex(),
        "pages": contents.pages,
        "archive_bytes": contents.archive_size,
    }


def _dump_findings(findings: list[Finding]) -> list[dict[str, Any]]:
    return [asdict(finding) | {"loses_data": finding.loses_data} for finding in findings]


def _print(value: dict[str, Any], *, json: bool, findings: list[Finding] | None = None) -> None:
    """Print a record and, where a data set was read, what is wrong with it."""
    if json:
        print_json(value if findings is None else value | {"findings": _dump_findings(findings)})
        return
    table = Table(show_header=False, box=None)
    table.add_column()
    table.add_column(overflow="fold")
    for name, item in value.items():
        table.add_row(name.replace("_", " "), escape(str(item)))
    stdout.print(table)
    print_findings(findings or [])


def print_findings(findings: list[Finding]) -> None:
    """Print a table of what is wrong with a data set to standard error."""
    if findings:
        table = Table("kind", "data lost", "where", "times", "what to do", title="Findings")
        for f in findings:
            lost = "yes" if f.loses_data else "no"
            table.add_row(*map(escape, (f.kind, lost, f.where, str(f.count), f.detail)))
        stderr.print(table)


@app.command("pack")
def pack_(
    source: SourceArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="Archive to write.")],
    chain_id: ChainOption,
    contract: ContractOption,
    auction: AuctionOption,
    provider: ProviderOption,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", help="Where the new key goes; default OUT.key.")
    ] = None,
    text_field: TextFieldOption = None,
    facts: Annotated[
        bool,
        typer.Option("--facts", help="Count every page, so that thresholds can be proved of it."),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse findings that lose data.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Seal a data set for one auction, and open every page of it again to be sure.

    Writes the archive, its manifest (OUT.json) and the key, in a file that only its owner can read.
    """
    binding = Binding(chain_id, contract, auction, provider)
    key_path = key_file or _beside(out, ".key")
    manifest_path = _beside(out, ".json")
    findings: list[Finding] = []
    handle = _new_key_file(key_path)
    try:
        documents = read_documents(source, findings=findings, text_field=text_field)
        if strict:
            documents = refuse_losses(documents, findings)
        packed = pack(
            _progress(documents, "packing"),
            out,
            findings=findings,
            facts=_tree() if facts else None,
        )
        os.write(handle, packed.key.hex().encode() + b"\n")
        os.fsync(handle)
    except BaseException:
        key_path.unlink(missing_ok=True)
        print_findings(findings)
        raise
    finally:
        os.close(handle)
    manifest = Manifest(binding, str(file_cid(out)), packed.contents)
    write_output(manifest_path, manifest.encode())
    result = {
        "archive": str(out),
        "documents": packed.documents,
        **_dump_manifest(manifest),
        "manifest_file": str(manifest_path),
        "key_file": str(key_path),
    }
    _print(result, json=json, findings=findings)


def _tree() -> Tree:
    """Counts pages; needs what scoring needs."""
    from oracles.proof import Tree
    from oracles.quality import page_facts

    return Tree(page_facts)


def share(text: str) -> int:
    """A share on the grid of 1e-4, as a decimal or a fraction.

    Raises:
        InputError: it is no such share.
    """
    try:
        scaled = Fraction(text) * 10_000
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(f"{text!r} is no share: write it as 0.95 or 19/20") from error
    if scaled.denominator != 1 or not 0 <= scaled <= 10_000:
        raise InputError(f"{text} is no share between 0 and 1 in steps of 0.0001")
    return int(scaled)


MinTokensOption = Annotated[
    int, typer.Option("--min-tokens", help="Least usable tokens of the whole data set.")
]
MinCleanOption = Annotated[
    str, typer.Option("--min-clean", help="Least share of letters not lost to errors.")
]
MinMetadataOption = Annotated[
    str, typer.Option("--min-metadata", help="Least share of required metadata that is valid.")
]
MaxDuplicatesOption = Annotated[
    str, typer.Option("--max-duplicates", help="Greatest share of text repeated within a page.")
]


def thresholds_of(tokens: int, clean: str, metadata: str, duplicates: str) -> Thresholds:
    """Thresholds as the options give them.

    Raises:
        InputError: one of them is out of range, or there are shares without tokens.
    """
    from oracles.proof import Thresholds

    thresholds = Thresholds(tokens, share(clean), share(metadata), share(duplicates))
    if not tokens and not thresholds.nothing:
        raise InputError("a share of nothing counts as met: give --min-tokens, too")
    return thresholds


def _counted(archive: Path, manifest: Manifest, key_file: Path) -> tuple[list[Facts], list[bytes]]:
    """Facts and keys of all pages, held against the leaves and the root.

    Raises:
        IntegrityError: the archive's facts are not those of its pages.
    """
    from oracles.proof import check_facts
    from oracles.quality import page_facts

    contents, data_key = manifest.contents, _read_key(key_file)
    if not contents.facts:
        raise InputError(f"{archive} was packed without facts: pack it again with --facts")
    facts: list[Facts] = []
    keys = [page_key(data_key, index) for index in range(contents.pages)]

    def count(page: bytes) -> Facts:
        facts.append(page_facts(page))
        return facts[-1]

    with open_archive(archive, contents) as opened, Progress(console=stderr) as progress:
        numbers = progress.track(range(contents.pages), description="counting pages")
        pages = ((index, opened.page(index, data_key), keys[index]) for index in numbers)
        check_facts(contents.facts, opened.facts_leaves(), pages, count)
    return facts, keys


@app.command("prove")
def prove_(
    archive: ArchiveArgument,
    key_file: KeyFileOption,
    min_tokens: MinTokensOption = 0,
    min_clean: MinCleanOption = "0",
    min_metadata: MinMetadataOption = "0",
    max_duplicates: MaxDuplicatesOption = "1",
    manifest: ManifestOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where the proof goes; ARCHIVE.proof.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Prove that a data set meets thresholds, and show nothing else of it.

    What is proved is that the committed numbers add up. That these numbers are those of the text
    is checked by operators on the pages that are drawn. A set of more than 1,024 pages is proved in
    parts, which are kept beside the proof until all are made: the same command goes on after an
    interruption.
    """
    from oracles.proof import Facts, forget, prove

    limits = thresholds_of(min_tokens, min_clean, min_metadata, max_duplicates)
    if limits.nothing:
        raise InputError("say what to prove: --min-tokens, --min-clean, --min-metadata or others")
    path = out or _beside(archive, ".proof")
    keep = _beside(path, ".parts")
    inputs = (archive, key_file, manifest or _beside(archive, ".json"))
    if path.resolve() in [each.resolve() for each in inputs]:
        raise InputError(f"the proof would replace {path}, which it is made of: name another file")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {path.parent}")
    facts, keys = _counted(archive, _read_manifest(archive, manifest), key_file)
    try:
        with bars() as progress:
            proof = prove(facts, keys, limits, keep=keep, progress=progress)
        write_output(path, proof.encode())
    except KeyboardInterrupt:
        if keep.exists():
            stderr.print(f"Interrupted. What is proved is in {keep}; the same command goes on.")
        raise
    forget(keep)
    result = {
        "proof": str(path),
        "bytes": len(proof.encode()),
        "parts": len(proof.parts),
        "cid": str(bytes_cid(proof.encode())),
        "facts": "0x" + proof.claim.facts.hex(),
        "pages": proof.claim.pages,
        **asdict(limits),
        "counted": asdict(Facts.total(facts)),
    }
    _print(result, json=json)


@app.command("check-proof")
def check_proof_(
    path: Annotated[Path, typer.Argument(metavar="PROOF", help="File of `prove`.")],
    manifest: Annotated[Path, typer.Option("--manifest", help="Manifest of the data set.")],
    min_tokens: MinTokensOption = 0,
    min_clean: MinCleanOption = "0",
    min_metadata: MinMetadataOption = "0",
    max_duplicates: MaxDuplicatesOption = "1",
    json: JsonOption = False,
) -> None:
    """Check a proof, without any key of the data (exit code 1: it does not hold)."""
    from oracles.proof import check_proof

    asked = thresholds_of(min_tokens, min_clean, min_metadata, max_duplicates)
    found = read_manifest(manifest)
    problem, claimed = "", {}
    try:
        proof = read_proof(path)
        claimed = asdict(proof.claim.thresholds)
        check_proof(proof, found.contents.facts, found.contents.pages, asked)
    except IntegrityError as error:
        problem = str(error)
    _print({"holds": not problem, "problem": problem or None, **claimed}, json=json)
    if problem:
        raise typer.Exit(1)


@app.command("check-facts")
def check_facts_(
    archive: ArchiveArgument,
    key_file: KeyFileOption,
    manifest: ManifestOption = None,
    json: JsonOption = False,
) -> None:
    """Count all pages again and hold them against the facts (exit code 1: one is false)."""
    from oracles.proof import Facts

    problem, counted = "", {}
    try:
        facts, _ = _counted(archive, _read_manifest(archive, manifest), key_file)
        counted = asdict(Facts.total(facts))
    except IntegrityError as error:
        problem = str(error)
    _print({"true": not problem, "problem": problem or None, **counted}, json=json)
    if problem:
        raise typer.Exit(1)


@app.command()
def inspect(
    source: SourceArgument, text_field: TextFieldOption = None, json: JsonOption = False
) -> None:
    """Say what is in a data set, and what is wrong with it (then exit code 1)."""
    if is_archive(source):
        raise InputError(f"{source} is sealed: use `qmia dataset show {source}`")
    findings: list[Finding] = []
    root = MerkleRoot()
    characters = size = 0
    fields: dict[str, int] = {}
    documents = read_documents(source, findings=findings, text_field=text_field)
    for document in _progress(documents, "reading"):
        line = encode_document(document)
        root.add(leaf_hash(line))
        size += len(line) + 1
        characters += len(document.text)
        for name in document.metadata:
            if name in fields or len(fields) < 100:
                fields[name] = fields.get(name, 0) + 1
    result = {
        "source": str(source),
        "documents": root.count,
        "characters": characters,
        "size": size,
        "pages": page_count(size),
        "content_digest": "0x" + root.digest().hex() if root.count else None,
        "metadata_fields": fields,
    }
    _print(result, json=json, findings=findings)
    if findings:
        raise typer.Exit(1)


@app.command()
def show(
    archive: ArchiveArgument,
    manifest: ManifestOption = None,
    samples: Annotated[
        int | None,
        typer.Option("--samples", help="Pages that the auction samples, to see what they expose."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show what the manifest says of a sealed data set; `verify` checks the archive against it."""
    found = _read_manifest(archive, manifest)
    result: dict[str, Any] = {"archive": str(archive), **_dump_manifest(found)}
    if samples is not None:
        result["exposed"] = exposure(found.contents.size, samples)
    _print(result, json=json)


@app.command("verify")
def verify_(
    archive: ArchiveArgument,
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key-file",
            help="File with the data key; without it only the sealed bytes are checked.",
        ),
    ] = None,
    manifest: ManifestOption = None,
    json: JsonOption = False,
) -> None:
    """Check an archive to its last byte: exit code 0 if it is what its manifest says, else 1."""
    try:
        found = _read_manifest(archive, manifest)
        if (cid := str(file_cid(archive))) != found.archive:
            raise IntegrityError(f"the archive is {cid}, the manifest names {found.archive}")
        if key_file:
            documents = verify(archive, _read_key(key_file), found.contents)
        else:
            documents = None
            with open_archive(archive, found.contents) as opened:
                opened.check_ciphertext()
    except IntegrityError as error:
        _print({"archive": str(archive), "valid": False, "reason": str(error)}, json=json)
        raise typer.Exit(1) from error
    result = {"archive": str(archive), "valid": True, "documents": documents}
    _print({**result, **_dump_manifest(found)}, json=json)


@app.command("unpack")
def unpack_(
    archive: ArchiveArgument,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File to write: .jsonl, .csv, .parquet, .tfrecord.")
    ],
    key_file: KeyFileOption,
    manifest: ManifestOption = None,
    json: JsonOption = False,
) -> None:
    """Open a whole archive; nothing is written unless all of it is what its manifest says."""
    found = _read_manifest(archive, manifest)
    documents = unpack(archive, _read_key(key_file), found.contents)
    count = export(_progress(documents, "unpacking"), out)
    _print({"out": str(out), "documents": count}, json=json)


@app.command()
def page(
    archive: ArchiveArgument,
    index: Annotated[int, typer.Argument(help="Number of the page, from 0.")],
    key_file: KeyFileOption,
    manifest: ManifestOption = None,
    json: JsonOption = False,
) -> None:
    """Open one page and show what the panels would see if it were drawn."""
    found = _read_manifest(archive, manifest)
    with open_archive(archive, found.contents) as opened:
        documents = fragments(opened.page(index, _read_key(key_file)))
    if json:
        print_json({"page": index, "documents": [asdict(document) for document in documents]})
        return
    for document in documents:
        stdout.print(document.text, markup=False, highlight=False)
        stdout.rule()


@app.command("export")
def export_(
    source: SourceArgument,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File to write: .jsonl, .csv, .parquet, .tfrecord.")
    ],
    form: Annotated[
        str | None, typer.Option("--format", help="jsonl, csv, parquet or tfrecord.")
    ] = None,
    text_field: TextFieldOption = None,
    json: JsonOption = False,
) -> None:
    """Write any readable data set in a form that training frameworks read."""
    findings: list[Finding] = []
    documents = read_documents(source, findings=findings, text_field=text_field)
    count = export(_progress(documents, "exporting"), out, form)
    result = {"out": str(out), "documents": count}
    _print(result, json=json, findings=findings)
