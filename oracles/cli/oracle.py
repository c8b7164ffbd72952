"""`qmia oracle`: run, check and look after the scoring daemon of a bonded operator."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from oracles.cli.output import JsonOption, print_json, stderr, stdout
from oracles.errors import ConfigError

if TYPE_CHECKING:
    from oracles.chain.client import Sender
    from oracles.operator.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="TOML file; QMIA_… variables go before it.")
]
RpcOption = Annotated[
    list[str] | None, typer.Option("--rpc", help="JSON-RPC address; several for fallback.")
]


@app.callback()
def _logs() -> None:
    # To standard error, also of commands that say little: standard output is for data.
    from oracles.operator.logs import configure

    configure("console")


def _load(config: Path | None, **flags: Any) -> Settings:
    from oracles.operator.settings import load

    return load(config, **flags)


def _sender(settings: Settings) -> Sender:
    from oracles.chain.client import Sender
    from oracles.chain.deployment import Deployment
    from oracles.chain.rpc import connect
    from oracles.operator.keys import load_signer

    signer = load_signer(settings)
    if signer is None:
        raise ConfigError("this needs a signing key: set keystore, private_key or remote_signer")
    web3 = connect(settings.rpc, Deployment.load(settings.deployment).chain_id)
    pending = settings.state / "sent.json"
    return Sender(web3, signer, max_fee_gwei=settings.max_fee_gwei, pending=pending)


@app.command()
def run(
    config: ConfigOption = None,
    rpc: RpcOption = None,
    listen: Annotated[
        str | None, typer.Option(help="host:port to serve on instead of the configured one.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Watch and score, but sign and send nothing.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log every cycle.")] = False,
) -> None:
    """Follow the chain, score, commit, reveal, post, attest; until SIGTERM."""
    from oracles.operator.daemon import Daemon
    from oracles.operator.keys import load_encryption_keys, load_signer
    from oracles.operator.logs import configure

    settings = _load(config, rpc=rpc)
    if listen is not None:
        settings.exchange.listen = listen
    configure(settings.log, verbose=verbose)
    signer = load_signer(settings)
    if dry_run and signer is not None:
        settings.address, signer = signer.address, None
    Daemon(settings, signer, load_encryption_keys(settings)).run()


@app.command()
def check(config: ConfigOption = None, rpc: RpcOption = None, json: JsonOption = False) -> None:
    """Say whether this machine and configuration will do: exit code 1 if something is wrong."""
    from oracles.operator.check import preflight

    settings = _load(config, rpc=rpc)
    findings = preflight(settings)
    if json:
        print_json([finding._asdict() for finding in findings])
    else:
        table = Table("check", "result", "detail")
        colours = {"ok": "green", "warning": "yellow", "failed": "bold red"}
        for finding in findings:
            colour = colours[finding.result]
            table.add_row(finding.name, f"[{colour}]{finding.result}[/]", finding.detail)
        stdout.print(table)
    if any(finding.result == "failed" for finding in findings):
        raise typer.Exit(1)


@app.command()
def keygen(
    folder: Annotated[Path, typer.Argument(help="Folder for the two keystores.")],
    passphrase_file: Annotated[
        Path,
        typer.Option(envvar="QMIA_PASSPHRASE_FILE", help="File whose content encrypts them."),
    ],
    encryption_only: Annotated[
        bool, typer.Option("--encryption-only", help="Only a new encryption key, for `rotate`.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Make a signing key and an encryption key, as encrypted keystores."""
    from eth_account import Account

    from oracles.dataset import EncryptionKey
    from oracles.operator.keys import write_keystore

    try:
        passphrase = passphrase_file.read_text().strip()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(f"cannot make the keys: {error}") from error
    if not passphrase:
        raise ConfigError(f"{passphrase_file} is empty; put a passphrase into it")
    encryption = EncryptionKey.generate()
    result: dict[str, str] = {}
    name = f"encryption-{encryption.address[2:10].lower()}" if encryption_only else "encryption"
    if not encryption_only:
        account = Account.create(os.urandom(32))
        path = folder / "signing.json"
        write_keystore(path, bytes(account.key), passphrase)
        result |= {"address": str(account.address), "keystore": str(path)}
    path = folder / f"{name}.json"
    write_keystore(path, encryption.secret, passphrase)
    result |= {
        "encryption_keystore": str(path),
        "encryption_public_key": "0x" + encryption.public.hex(),
    }
    _show(result, json=json)


@app.command()
def register(
    bond: Annotated[str, typer.Option(help="Bond in ether, a decimal.")],
    config: ConfigOption = None,
    rpc: RpcOption = None,
    json: JsonOption = False,
) -> None:
    """Register as an operator: send the bond and publish the encryption key."""
    from web3 import Web3

    from oracles.chain.rpc import balance as balance_of

    settings = _load(config, rpc=rpc)
    sender = _sender(settings)
    oracle, public = _oracle(settings, sender), _public_key(settings)
    value = int(Web3.to_wei(bond, "ether"))
    balance = balance_of(sender.web3, sender.address)
    if balance <= value:
        raise ConfigError(
            f"{sender.address} has {Web3.from_wei(balance, 'ether')} ether; send it the bond of"
            f" {bond} and some for gas first"
        )
    receipt = sender.send(oracle.register(public), value=value)
    _show(
        {
            "operator": sender.address,
            "bond_wei": str(oracle.bond_of(sender.address)[0]),
            "encryption_public_key": "0x" + public.hex(),
            "transaction": "0x" + bytes(receipt["transactionHash"]).hex(),
        },
        json=json,
    )


@app.command()
def rotate(config: ConfigOption = None, rpc: RpcOption = None, json: JsonOption = False) -> None:
    """Publish a new encryption key: exit, and register again with the same bond.

    Make it first (`keygen --encryption-only`), name it in the settings, and move the earlier one to
    `old_encryption_keystores`: auctions already open are still wrapped for that. Stop the daemon
    meanwhile. The bond must not be locked, as it is from a commitment until disputes are over.
    """
    import datetime

    from oracles.chain.rpc import block

    settings = _load(config, rpc=rpc)
    sender = _sender(settings)
    oracle, public = _oracle(settings, sender), _public_key(settings)
    bond, locked_until = oracle.bond_of(sender.address)
    now = block(sender.web3, "latest")["timestamp"]
    if now < locked_until:
        date = datetime.datetime.fromtimestamp(locked_until, datetime.UTC)
        raise ConfigError(
            f"the bond is locked until {date:%Y-%m-%d %H:%M} UTC; rotate then, and serve with the"
            " present key until then"
        )
    # A crash in between leaves credit, not a bond: the next run goes on from there.
    if bond:
        sender.send(oracle.exit())
    credit = oracle.credit_of(sender.address)
    if not bond and not credit:
        raise ConfigError("there is no bond to rotate: use `qmia oracle register --bond`")
    if credit:
        sender.send(oracle.withdraw_credit(sender.address))
    receipt = sender.send(oracle.register(public), value=bond or credit)
    _show(
        {
            "operator": sender.address,
            "bond_wei": str(bond or credit),
            "encryption_public_key": "0x" + public.hex(),
            "transaction": "0x" + bytes(receipt["transactionHash"]).hex(),
        },
        json=json,
    )


@app.command()
def status(config: ConfigOption = None, rpc: RpcOption = None, json: JsonOption = False) -> None:
    """Show what the chain says of this operator and its auctions (needs no key)."""
    from oracles.operator.status import status as look

    settings = _load(config, rpc=rpc)
    result = look(settings)
    if json:
        print_json(result)
        return
    auctions = result.pop("auctions")
    _show(result, json=False)
    table = Table("auction", "state", "round", "committed", "published", "complete", "next")
    for each in auctions:
        table.add_row(
            *(str(each[name]) for name in ("auction", "state", "round", "committed")),
            *(str(each[name]) for name in ("published", "complete", "next")),
        )
    stdout.print(table)


@app.command()
def metric(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Print the metric version that this program and these settings compute."""
    from oracles.scoring import load_scorer

    settings = _load(config).scoring
    with stderr.status("reading the seed corpus"):
        version = load_scorer(settings).metric_version(settings)
    _show({"metric": settings.metric, "metric_version": "0x" + version.hex()}, json=json)


@app.command()
def evaluation(
    file: Annotated[Path, typer.Argument(help="Held-out documents, any readable form.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Print a held-out set's digest, which buyers put into the terms; with --config, install it."""
    from oracles.scoring import evaluation_digest, install_evaluation

    if config is None:
        _show({"evaluation": "0x" + evaluation_digest(file).hex()}, json=json)
        return
    digest, path = install_evaluation(file, _load(config).scoring)
    _show({"evaluation": "0x" + digest.hex(), "installed": str(path)}, json=json)


def _oracle(settings: Settings, sender: Sender) -> Any:
    from oracles.chain.deployment import Deployment

    return Deployment.load(settings.deployment).oracle(sender.web3)


def _public_key(settings: Settings) -> bytes:
    from oracles.operator.keys import load_encryption_keys

    keys = load_encryption_keys(settings)
    if not keys:
        raise ConfigError("this needs an encryption key: set encryption_keystore")
    return keys[0].public


def _show(result: dict[str, str], *, json: bool) -> None:
    if json:
        print_json(result)
        return
    for name, value in result.items():
        stdout.print(f"{name}: {value}", highlight=False, soft_wrap=True)
