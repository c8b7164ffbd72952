"""Buy data: create an auction, settle it, receive data, pay revenue.

Options of the chain (--rpc, --keystore, …) stand before the command.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracles.cli.options import AuctionArgument, AuctionId, RegistryOption, Session, open_session
from oracles.cli.output import JsonOption, bars, print_json, show, show_rows, stdout, table
from oracles.errors import ChainError, InputError
from oracles.files import write_new
from oracles.market.standing import highest_cost
from oracles.money import DST, ETHER
from oracles.when import moment

if TYPE_CHECKING:
    from oracles.market.buyer import Buyer
    from oracles.market.settler import Settler
    from oracles.training import Bought

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, callback=open_session)

KeyOption = Annotated[
    Path,
    typer.Option("--key-file", envvar="QMIA_BUYER_KEY_FILE", help="Your secret encryption key."),
]
DEFAULT_KEY = Path("buyer.key")


@app.command()
def keygen(key_file: KeyOption = DEFAULT_KEY, json: JsonOption = False) -> None:
    """Make the encryption key that winners wrap their data keys for."""
    from oracles.dataset import EncryptionKey

    key = EncryptionKey.generate()
    try:
        write_new(key_file, key.secret.hex() + "\n")
    except FileExistsError as error:
        raise InputError(f"{key_file} exists, and a key is never overwritten") from error
    except OSError as error:
        raise InputError(f"cannot write {key_file}: {error.strerror or error}") from error
    show({"key_file": str(key_file), "public": "0x" + key.public.hex()}, json=json)


@app.command()
def create(
    context: typer.Context,
    terms_file: Annotated[Path, typer.Argument(metavar="TERMS", help="TOML file.")],
    key_file: KeyOption = DEFAULT_KEY,
    bounty: Annotated[str, typer.Option(help="For whoever settles: `0.01 ether`.")] = "0 ether",
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Explain the terms, ask the contract whether it takes them, and send nothing.",
        ),
    ] = False,
    registry: RegistryOption = None,
    json: JsonOption = False,
) -> None:
    """Escrow the budget and create an auction; its terms can never be changed."""
    from oracles.market.explain import explain_terms, phase_ends
    from oracles.market.terms import load_terms
    from oracles.market.view import chain_time
    from oracles.registry import check_version

    session: Session = context.obj
    web3 = session.connect()
    terms = load_terms(terms_file, session.currency)
    if dry_run:
        deployment = session.deployment()
        operators = deployment.oracle(web3).set_of(terms.scoring.operator_set)
        currency, now = session.currency(terms.token), chain_time(web3)
        draw = deployment.auction(web3).draw()
        explained = explain_terms(terms, currency, operators, ETHER.parse(bounty))
        # Who reads the terms of somebody else has no key, and the contract answers to buyers only.
        keyed = session.address() is not None
        explained["contract"] = "takes these terms from this key" if keyed else "not asked: no key"
        if not json:
            show({k: v for k, v in explained.items() if k != "contract"}, json=False)
        if keyed:
            _buyer(context).check(terms, bounty=ETHER.parse(bounty))
        if json:
            print_json(explained)
            return
        show({"contract": explained["contract"]}, json=False)
        rows = [
            {"phase": name, "ends": moment(end, now)}
            for name, end in phase_ends(terms.durations, now, draw).items()
        ]
        stdout.print(table(rows, title="If it were created now"))
        return
    version, now = terms.scoring.metric_version, chain_time(web3)
    check_version(web3, session.deployment(), registry, version, now)
    auction = _buyer(context).create(terms, _key(key_file), bounty=ETHER.parse(bounty))
    _show_phases(session, {"auction": auction}, auction, json=json)


@app.command()
def settle(context: typer.Context, auction: AuctionArgument, json: JsonOption = False) -> None:
    """Clear an auction: propose the marginal winners and walk the bids. Anyone may."""
    from oracles.market.schedule import buyer_step
    from oracles.market.view import chain_time, wins

    session: Session = context.obj
    with bars() as progress:
        _settler(context).settle(auction, progress=progress)
    view = session.auction(auction)
    if view.settled is None:
        raise ChainError(f"auction {auction} was aborted meanwhile: there is nothing to settle")
    outcome = view.settled.outcome
    winners = [index for index in sorted(view.revealed) if wins(view, index)]
    if json:
        raw = {name: str(value) for name, value in asdict(outcome).items()}
        print_json({"auction": auction, "winners": winners, **raw})
        return
    currency = session.currency(view.terms.token)
    paid = [(index, currency.format(highest_cost(view, index) or 0)) for index in winners]
    show(
        {
            "auction": auction,
            "winners": [f"bid {index}" for index in winners],
            "rewards": [f"bid {index}: {amount}" for index, amount in paid],
            "returns_to_the_buyer": currency.format(outcome.refund),
            "next": buyer_step(view, chain_time(session.connect())),
        },
        json=False,
    )


@app.command()
def receive(
    context: typer.Context,
    auction: AuctionArgument,
    key_file: KeyOption = DEFAULT_KEY,
    out: Annotated[Path, typer.Option(help="Where to put the data.")] = Path("received"),
    dispute: Annotated[
        bool,
        typer.Option(
            "--dispute/--no-dispute",
            help="Refute wrong keys and complain about wrong pages, while the phase for it lasts.",
        ),
    ] = True,
    json: JsonOption = False,
) -> None:
    """Decrypt what was delivered, verified against what was committed, and dispute the rest.

    It can be repeated: files that are there already are kept. Before keys are delivered it fetches
    the encrypted data of the winners and names on chain what cannot be fetched. Exit code 1:
    something could not be received.
    """
    session: Session = context.obj
    buyer, key = _buyer(context), _key(key_file)
    with bars() as progress:
        results = list(
            buyer.receive(auction, key, session.store(), out, dispute=dispute, progress=progress)
        )
    show_rows([each.plain() for each in results], json=json, empty="Nobody won.")
    if results and not json and not any(each.path or each.problem for each in results):
        _say_when_keys_come(session, auction)
    if any(each.problem for each in results):
        raise typer.Exit(1)


@app.command()
def forfeit(context: typer.Context, auction: AuctionArgument, json: JsonOption = False) -> None:
    """After the delivery deadline, strike out winners who delivered no key. Anyone may."""
    show({"auction": auction, "indices": _settler(context).forfeit_missing(auction)}, json=json)


@app.command()
def bounty(context: typer.Context, auction: AuctionArgument, json: JsonOption = False) -> None:
    """Collect your part of the bounty, if you were one of several who walked the bids."""
    amount = _settler(context).bounty(auction)
    show({"auction": auction, "native": str(amount) if json else ETHER.format(amount)}, json=json)


@app.command()
def withdraw(context: typer.Context, auction: AuctionArgument, json: JsonOption = False) -> None:
    """Take back unspent cash, your MUT, and bounty and fee where nobody earned them."""
    buyer = _buyer(context)
    amounts = buyer.withdraw(auction)
    if json:
        print_json({"auction": auction, **{name: str(v) for name, v in amounts.items()}})
        return
    currency = context.obj.currency(buyer.view(auction).terms.token)
    show(
        {
            "auction": auction,
            "cash": currency.format(amounts["cash"]),
            "mut": f"{currency.format(amounts['mut'])} at face value",
            "bounty and fee": ETHER.format(amounts["native"]),
        },
        json=False,
    )


@app.command()
def abort(context: typer.Context, auction: AuctionArgument, json: JsonOption = False) -> None:
    """End an auction whose scores failed or that nobody settled in time. Anyone may."""
    _settler(context).abort(auction)
    _show_phases(context.obj, {"auction": auction}, auction, json=json)


@app.command()
def deposit(
    context: typer.Context,
    auction: AuctionArgument,
    amount: Annotated[
        str, typer.Argument(help="Revenue: `240 USDC`, or a whole number of smallest units.")
    ],
    json: JsonOption = False,
) -> None:
    """Pay revenue to the holders of an auction's MUT. Anyone may."""
    buyer = _buyer(context)
    currency = context.obj.currency(buyer.view(auction).terms.token)
    units = currency.parse(amount)
    buyer.deposit_revenue(auction, units)
    shown = str(units) if json else currency.format(units)
    show({"auction": auction, "deposited": shown}, json=json)


@app.command()
def dst(context: typer.Context, auction: AuctionArgument, json: JsonOption = False) -> None:
    """Issue the participation tokens of an auction. Anyone may."""
    from oracles.market.shares import issue_dst

    session: Session = context.obj
    shares = issue_dst(session.sender(), session.deployment(), auction)
    rows = [
        {"index": index, "dst": str(share) if json else DST.format(share)}
        for index, share in shares.items()
    ]
    show_rows(rows, json=json, empty="Nobody has a share.")


@app.command()
def status(context: typer.Context, auction: AuctionArgument, json: JsonOption = False) -> None:
    """Show an auction's state, its deadlines, and how far it has come."""
    session: Session = context.obj
    view = session.auction(auction)
    beta = str(view.beta) if json else session.currency(view.terms.token).format(view.beta)
    values: dict[str, Any] = {
        "auction": auction,
        "buyer": view.buyer,
        "beta": beta,
        "committed": len(view.remaining()),
        "opened": len(view.opened),
        "on_the_roll": None if view.roll is None else len(view.roll),
        "revealed": len(view.revealed),
        "delivered": len(view.deliveries),
        "struck_out": len(view.struck_out),
    }
    _show_phases(session, values, auction, json=json)


@app.command("train-set")
def train_set(
    context: typer.Context,
    auctions: Annotated[
        list[AuctionId],
        typer.Argument(metavar="AUCTION…", help="Auctions, settled."),
    ],
    received: Annotated[Path, typer.Option(help="Where `receive` put the data.")] = Path(
        "received"
    ),
    out: Annotated[Path, typer.Option(help="New folder for the set.")] = Path("train-set"),
    chat: Annotated[
        str | None,
        typer.Option(help="Metadata field with a conversation; it becomes the column `messages`."),
    ] = None,
    preference: Annotated[
        str | None,
        typer.Option(
            metavar="PROMPT,CHOSEN,REJECTED",
            help="Metadata fields of the prompt, the better and the worse answer.",
        ),
    ] = None,
    weights: Annotated[
        bool, typer.Option("--weights", help="Add a column with the winner's q·φ̂, mean 1.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Make a training set of received data: Parquet, cards, checksums, and the origin of each row.

    `datasets.load_dataset("parquet", data_files="train-set/data/*.parquet")` loads it. Every file
    is held against what its winner committed to. Exit code 1: documents that do not fit were left
    out.
    """
    from oracles.training import Conversation, build

    conversation = None
    if chat is not None or preference is not None:
        conversation = Conversation(chat, _three(preference))
    bought = [each for auction in auctions for each in _bought(context, auction, received)]
    with bars() as progress:
        told = build(bought, out, conversation=conversation, weights=weights, progress=progress)
    show(
        {
            "folder": str(out),
            "winners": len(bought),
            "documents": told.documents,
            "rows": told.rows,
            "repeated": told.repeated,
            "unfit": sum(told.unfit.values()),
            "files": len(told.shards),
        },
        json=json,
    )
    if told.unfit:
        raise typer.Exit(1)


@app.command()
def forget(
    auction: AuctionArgument,
    index: Annotated[int, typer.Argument(help="Index of the winner's bid.")],
    train_set: Annotated[Path, typer.Option("--set", help="The set.")] = Path("train-set"),
    out: Annotated[Path, typer.Option(help="New folder for the set without it.")] = Path(
        "retained"
    ),
    json: JsonOption = False,
) -> None:
    """Take one winner's rows out of a training set, and keep them apart for unlearning."""
    from oracles.training import TrainingSet
    from oracles.training import forget as forget_rows

    show(
        {"folder": str(out), **forget_rows(TrainingSet(train_set), auction, index, out)}, json=json
    )


@app.command()
def prove(
    context: typer.Context,
    auction: AuctionArgument,
    index: Annotated[int, typer.Argument(help="Index of the winner's bid.")],
    document: Annotated[
        int, typer.Argument(help="Place of the document in its data set: column `qmia.document`.")
    ],
    received: Annotated[Path, typer.Option(help="Where `receive` put the data.")] = Path(
        "received"
    ),
    json: JsonOption = False,
) -> None:
    """Prove that a row of a training set is a document of what a winner committed to."""
    from oracles.training import prove as prove_row

    found = [each for each in _bought(context, auction, received) if each.index == index]
    if not found:
        raise InputError(f"{received} has nothing of winner {auction}-{index}")
    proof = prove_row(found[0], document)
    show(
        {
            "auction": auction,
            "index": index,
            "document": document,
            "documents": proof.count,
            "leaf": "0x" + proof.leaf.hex(),
            "branch": ["0x" + each.hex() for each in proof.branch],
            "content_digest": "0x" + proof.content_digest.hex(),
        },
        json=json,
    )


@app.command("model-card")
def model_card(
    name: Annotated[str, typer.Argument(help="Name of the model.")],
    train_set: Annotated[Path, typer.Option("--set", help="What it was trained on.")] = Path(
        "train-set"
    ),
    base: Annotated[str | None, typer.Option(help="Name of the model it began with.")] = None,
) -> None:
    """Print a model's card: what it was trained on, and which MUT its revenue goes to."""
    from oracles.training import TrainingSet
    from oracles.training import model_card as card

    stdout.print(card(TrainingSet(train_set), name=name, base=base), markup=False, soft_wrap=True)


def _three(fields: str | None) -> tuple[str, str, str] | None:
    if fields is None:
        return None
    match [each.strip() for each in fields.split(",")]:
        case [prompt, chosen, rejected]:
            return prompt, chosen, rejected
        case _:
            raise InputError(f"--preference takes three fields, as q,good,bad; not {fields!r}")


def _bought(context: typer.Context, auction: AuctionId, received: Path) -> list[Bought]:
    """Winners whose data are here, with what was verified of them."""
    from oracles.chain.auction import AuctionContract
    from oracles.mechanism.weights import GRID
    from oracles.training import Bought

    session: Session = context.obj
    deployment, web3 = session.deployment(), session.connect()
    view = session.auction(auction)
    paths = {index: received / f"{auction}-{index}.jsonl" for index in view.revealed}
    here = [index for index in sorted(paths) if paths[index].exists()]
    if not here:
        return []
    scores = view.scores(web3, view.accepted_round)
    mut = None
    if view.terms.rho:
        address = deployment.address("DataAuction")
        mut = AuctionContract(web3, address).mut_token(auction)
    return [
        Bought(
            paths[index],
            deployment.chain_id,
            deployment.address("DataAuction"),
            auction,
            index,
            view.commitments[index].owner,
            view.commitments[index].data_set.content_digest,
            mut,
            scores[index].q / GRID,
            scores[index].phi / GRID,
        )
        for index in here
        if index not in view.struck_out
    ]


def _say_when_keys_come(session: Session, auction: AuctionId) -> None:
    """Say that what won is here, still sealed, and when it can be opened."""
    from oracles.market.view import chain_time

    phases, now = session.auction(auction).phases, chain_time(session.connect())
    if now < phases.deliver_end:
        stdout.print(
            "What won is here, still sealed. Its keys are handed over between"
            f" {moment(phases.fetch_end, now)} and {moment(phases.deliver_end, now)}: run this"
            " again after that.",
            highlight=False,
            soft_wrap=True,
        )
    else:
        stdout.print("No winner handed over a key.", highlight=False)


def _show_phases(
    session: Session, values: dict[str, Any], auction: AuctionId, *, json: bool
) -> None:
    """Show values, state and deadlines of an auction, and what its buyer has to do next."""
    from oracles.market.schedule import buyer_step
    from oracles.market.view import chain_time

    view = session.auction(auction)
    state, times = {"state": view.state.name.lower()}, view.phases._asdict()
    now = chain_time(session.connect())
    step = {"next": buyer_step(view, now)}
    if json:
        print_json({**values, **state, **times, **step})
        return
    shown = {name: moment(end, now) for name, end in times.items()}
    show({**values, **state, **shown, **step}, json=False)


def _settler(context: typer.Context) -> Settler:
    from oracles.market.settler import Settler

    session: Session = context.obj
    return Settler(session.sender(), session.deployment())


def _buyer(context: typer.Context) -> Buyer:
    from oracles.market.buyer import Buyer

    session: Session = context.obj
    return Buyer(session.sender(), session.deployment())


def _key(path: Path) -> Any:
    from oracles.chain.keystore import read_secret
    from oracles.dataset import EncryptionKey
    from oracles.errors import ConfigError

    try:
        return EncryptionKey(bytes.fromhex(read_secret(path)))
    except ValueError as error:
        raise ConfigError(f"{path} holds no key: 64 hexadecimal digits are needed") from error
