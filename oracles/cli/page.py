"""Serve the page on which people with wallets sell data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from oracles.cli.options import AuctionId, Session, open_session
from oracles.cli.output import JsonOption, print_json, stderr, stdout
from oracles.cli.serving import address, listening
from oracles.cli.serving import serve as answer
from oracles.errors import InputError

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, callback=open_session)

#: Where a checkout has the page; an installed package has none.
PAGE: Final = Path(__file__).resolve().parents[2] / "page"


@app.command()
def serve(
    context: typer.Context,
    listen: Annotated[str, typer.Option(help="Address and port to serve at.")] = "127.0.0.1:8600",
    folder: Annotated[Path, typer.Option(help="Folder of the built page.")] = PAGE,
    most: Annotated[int, typer.Option(help="Bytes of one uploaded file at most.")] = 4 << 30,
) -> None:
    """Serve the page, with the node of --rpc to read from and the store of --store for files.

    On this machine alone (the default) it also scores what somebody is about to offer.

    Stop it with Ctrl-C. Put it behind a server with TLS before others use it: browsers keep files
    and encrypt on pages from https or from this machine only.
    """
    from oracles.site import LOOPBACK, site

    session: Session = context.obj
    host, _ = address(listen)
    session.connect()  # A wrong chain or a silent node is said now, and not on the page.
    with listening(listen) as here:
        served = site(
            folder,
            session.deployment(),
            session.rpc[0],
            session.store(),
            most=most,
            score=quality_of if host in LOOPBACK else None,
        )
        stderr.print(f"serving the page at http://{listen} (stop with Ctrl-C)", highlight=False)
        answer(served, here)


def quality_of(path: Path) -> dict[str, Any]:
    """Score a file as `qmia quality score` does."""
    from oracles.dataset import read_documents
    from oracles.quality import score
    from oracles.quality.report import costs

    report = score(read_documents(path))
    metrics = ("q", "cleanliness", "diversity", "novelty", "metadata")
    losses = [f"{e['name']}: costs {e['cost'] / 1e4:.3f}. {e['mend']}" for e in costs(report)]
    return {**{name: getattr(report, name) for name in metrics}, "findings": losses}


@app.command()
def descriptors(
    context: typer.Context,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the files go.")],
    auction: Annotated[
        list[AuctionId] | None,
        typer.Option(metavar="N", help="An auction whose MUT and DST are described, too; repeat."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Write what wallets show of this deployment's calls and messages (ERC-7730).

    The files are for the registry from which hardware wallets take them.
    """
    from json import dumps

    from oracles.chain import clear_signing
    from oracles.files import write_file

    session: Session = context.obj
    deployment = session.deployment()
    tokens: dict[str, list[str]] = {}
    if auction:
        web3 = session.connect()
        contract = deployment.auction(web3)
        tokens["MutToken"] = [contract.mut_token(each) for each in auction]
        if "DstFactory" in deployment.contracts:
            factory = deployment.dst_factory(web3)
            tokens["DstToken"] = [factory.token_of(each) for each in auction]
    made = clear_signing.descriptors(deployment, tokens)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in made.items():
            write_file(out / name, dumps(content, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror or error}") from error
    if json:
        print_json({"files": [str(out / name) for name in sorted(made)]})
    else:
        stdout.print(f"{len(made)} files in {out}")
