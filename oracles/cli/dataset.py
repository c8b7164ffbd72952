"""`qmia dataset`: look at a data set, pack it for one auction, verify, decrypt and export it."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from oracles.cli.output import JsonOption, print_json, stderr, stdout
from oracles.dataset import (
    Binding,
    Document,
    Finding,
    Header,
    MerkleRoot,
    encode_document,
    export,
    is_archive,
    leaf_hash,
    pack,
    read_documents,
    read_header,
    refuse_losses,
    unpack,
    verify,
)
from oracles.errors import InputError, IntegrityError
from oracles.evidence import file_cid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)

SourceArgument = Annotated[Path, typer.Argument(metavar="PATH", help="File, folder or archive.")]
ArchiveArgument = Annotated[Path, typer.Argument(metavar="ARCHIVE", help="Packed data set.")]
ChainOption = Annotated[int, typer.Option("--chain-id", help="EIP-155 chain id.")]
ContractOption = Annotated[str, typer.Option("--contract", help="Address of the auction contract.")]
AuctionOption = Annotated[int, typer.Option("--auction", help="Auction id.")]
ProviderOption = Annotated[str, typer.Option("--provider", help="Address that commits the data.")]
KeyFileOption = Annotated[
    Path, typer.Option("--key-file", help="File with the data key, 64 hexadecimal digits.")
]
DigestOption = Annotated[
    str | None, typer.Option("--content-digest", help="The committed digest, 0x and 64 digits.")
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


def _dump_header(header: Header) -> dict[str, Any]:
    return {
        **header.binding.encode(),
        "content_digest": "0x" + header.content_digest.hex(),
        "documents": header.documents,
        "plain_bytes": header.plain_bytes,
        "body_bytes": header.body_bytes,
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
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse findings that lose data.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Encrypt a data set for one auction; the key goes to a file that only its owner can read."""
    binding = Binding(chain_id, contract, auction, provider)
    key_path = key_file or out.with_name(out.name + ".key")
    findings: list[Finding] = []
    handle = _new_key_file(key_path)
    try:
        documents = read_documents(source, findings=findings, text_field=text_field)
        if strict:
            documents = refuse_losses(documents, findings)
        packed = pack(_progress(documents, "packing"), out, binding, findings=findings)
        os.write(handle, packed.key.hex().encode() + b"\n")
        os.fsync(handle)
    except BaseException:
        key_path.unlink(missing_ok=True)
        print_findings(findings)
        raise
    finally:
        os.close(handle)
    result = {
        "archive": str(out),
        "size": packed.size,
        "cid": str(file_cid(out)),
        **_dump_header(packed.header),
        "key_file": str(key_path),
    }
    _print(result, json=json, findings=findings)


@app.command()
def inspect(
    source: SourceArgument, text_field: TextFieldOption = None, json: JsonOption = False
) -> None:
    """Say what is in a data set, and what is wrong with it (then exit code 1).

    Of an archive this shows the header, which only `verify` can vouch for.
    """
    if is_archive(source):
        header = _dump_header(read_header(source))
        cid = str(file_cid(source))
        _print(
            {"archive": str(source), "size": source.stat().st_size, "cid": cid, **header}, json=json
        )
        return
    findings: list[Finding] = []
    root = MerkleRoot()
    characters = plain_bytes = 0
    fields: dict[str, int] = {}
    documents = read_documents(source, findings=findings, text_field=text_field)
    for document in _progress(documents, "reading"):
        line = encode_document(document)
        root.add(leaf_hash(line))
        plain_bytes += len(line) + 1
        characters += len(document.text)
        for name in document.metadata:
            if name in fields or len(fields) < 100:
                fields[name] = fields.get(name, 0) + 1
    result = {
        "source": str(source),
        "documents": root.count,
        "characters": characters,
        "plain_bytes": plain_bytes,
        "content_digest": "0x" + root.digest().hex() if root.count else None,
        "metadata_fields": fields,
    }
    _print(result, json=json, findings=findings)
    if findings:
        raise typer.Exit(1)


@app.command("verify")
def verify_(
    archive: ArchiveArgument,
    key_file: KeyFileOption,
    chain_id: ChainOption,
    contract: ContractOption,
    auction: AuctionOption,
    provider: ProviderOption,
    content_digest: DigestOption = None,
    json: JsonOption = False,
) -> None:
    """Check an archive to its last byte: exit code 0 if it is what was committed, else 1."""
    binding = Binding(chain_id, contract, auction, provider)
    digest = _hex(content_digest, "the content digest") if content_digest else None
    try:
        header = verify(archive, _read_key(key_file), binding, content_digest=digest)
    except IntegrityError as error:
        _print({"archive": str(archive), "valid": False, "reason": str(error)}, json=json)
        raise typer.Exit(1) from error
    result = {"archive": str(archive), "valid": True, "cid": str(file_cid(archive))}
    _print({**result, **_dump_header(header)}, json=json)


@app.command("unpack")
def unpack_(
    archive: ArchiveArgument,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File to write: .jsonl, .csv, .parquet, .tfrecord.")
    ],
    key_file: KeyFileOption,
    chain_id: ChainOption,
    contract: ContractOption,
    auction: AuctionOption,
    provider: ProviderOption,
    content_digest: DigestOption = None,
    json: JsonOption = False,
) -> None:
    """Decrypt an archive; nothing is written unless all of it is what was committed."""
    binding = Binding(chain_id, contract, auction, provider)
    digest = _hex(content_digest, "the content digest") if content_digest else None
    documents = unpack(archive, _read_key(key_file), binding, content_digest=digest)
    count = export(_progress(documents, "unpacking"), out)
    _print({"out": str(out), "documents": count}, json=json)


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
    """Write any readable data set in a form that training frameworks take."""
    findings: list[Finding] = []
    documents = read_documents(source, findings=findings, text_field=text_field)
    count = export(_progress(documents, "exporting"), out, form)
    result = {"out": str(out), "documents": count}
    _print(result, json=json, findings=findings)
