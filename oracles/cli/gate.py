"""Have proofs of thresholds checked on chain, and ask for them there."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oracles.cli.dataset import (
    MaxDuplicatesOption,
    MinCleanOption,
    MinMetadataOption,
    MinTokensOption,
    read_manifest,
    read_proof,
    thresholds_of,
)
from oracles.cli.options import AuctionId, Session, open_session
from oracles.cli.output import JsonOption, bars, print_json, show, show_rows
from oracles.errors import InputError

if TYPE_CHECKING:
    from oracles.chain.terms import DataSet

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, callback=open_session)

GateOption = Annotated[
    str | None,
    typer.Option(
        "--gate",
        envvar="QMIA_GATE",
        help="Address of the ThresholdGate; that of the deployment file by default.",
    ),
]
ManifestOption = Annotated[
    Path | None, typer.Option("--manifest", metavar="FILE", help="Manifest of the data set.")
]
AuctionOption = Annotated[
    AuctionId | None,
    typer.Option(
        "--auction",
        metavar="AUCTION",
        help="Auction in which it was committed, instead of a manifest.",
    ),
]
IndexOption = Annotated[int, typer.Option("--index", help="Index of the commitment there.")]


@app.command()
def post(
    context: typer.Context,
    path: Annotated[
        Path | None,
        typer.Argument(metavar="[PROOF]", help="File of `qmia dataset prove`; with --manifest."),
    ] = None,
    manifest: ManifestOption = None,
    auction: AuctionOption = None,
    index: IndexOption = 0,
    gate: GateOption = None,
    json: JsonOption = False,
) -> None:
    """Send a proof to a gate, which checks it and remembers it. Anybody may.

    Proof and manifest are files, or those of a commitment, from the store. It costs about 0.9
    million gas, and above 1,024 pages as much again for each part of 1,024, in transactions of
    their own; the same command goes on where it was interrupted. What the gate would refuse is not
    sent. No auction asks for it: operators go by
    the proof in the store.
    """
    from oracles.chain.packing import data_set_hash
    from oracles.market.gate import data_set_of, gate_of, post_proof, published

    session: Session = context.obj
    sender = session.sender()
    contract = gate_of(sender.web3, session.deployment(), gate)
    if auction is not None and path is None and manifest is None:
        described, proof = published(session.store(), _committed(session, auction, index))
    elif auction is None and path is not None and manifest is not None:
        described, proof = read_manifest(manifest), read_proof(path)
    else:
        raise InputError("give PROOF and --manifest, or --auction and --index")
    with bars() as progress:
        receipts = post_proof(sender, contract, described, proof, progress)
    values = {
        "gate": contract.address,
        "data_set": "0x" + data_set_hash(data_set_of(described)).hex(),
        **asdict(proof.claim.thresholds),
        "gas": sum(receipt["gasUsed"] for receipt in receipts),
        "transactions": len(receipts),
        "transaction": "0x" + bytes(receipts[-1]["transactionHash"]).hex(),
    }
    show(values, json=json)


@app.command()
def check(
    context: typer.Context,
    manifest: ManifestOption = None,
    auction: AuctionOption = None,
    index: IndexOption = 0,
    min_tokens: MinTokensOption = 0,
    min_clean: MinCleanOption = "0",
    min_metadata: MinMetadataOption = "0",
    max_duplicates: MaxDuplicatesOption = "1",
    gate: GateOption = None,
    json: JsonOption = False,
) -> None:
    """Ask a gate what was proved of a data set (exit code 1: not what is asked for)."""
    from oracles.chain.packing import data_set_hash
    from oracles.market.gate import data_set_of, gate_of, proved

    session: Session = context.obj
    asked = thresholds_of(min_tokens, min_clean, min_metadata, max_duplicates)
    deployment, web3 = session.deployment(), session.connect()
    contract = gate_of(web3, deployment, gate)
    if auction is not None and manifest is None:
        data_set = _committed(session, auction, index)
    elif auction is None and manifest is not None:
        data_set = data_set_of(read_manifest(manifest))
    else:
        raise InputError("give --manifest, or --auction and --index")
    found = proved(web3, deployment, contract, data_set)
    holds = any(each.implies(asked) for each in found)
    if json:
        name = "0x" + data_set_hash(data_set).hex()
        rows = [asdict(each) for each in found]
        print_json({"gate": contract.address, "data_set": name, "proved": rows, "holds": holds})
    else:
        show_rows([asdict(each) for each in found], json=False, empty="Nothing was proved of it.")
    if not holds:
        raise typer.Exit(1)


def _committed(session: Session, auction: AuctionId, index: int) -> DataSet:
    commitments = session.auction(auction).commitments
    if not 0 <= index < len(commitments):
        raise InputError(f"auction {auction} has no commitment {index}, but {len(commitments)}")
    return commitments[index].data_set
