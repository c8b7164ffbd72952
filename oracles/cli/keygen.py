"""`qmia keygen`: a wallet's key for any role, as an encrypted file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oracles.cli.output import JsonOption, show

app = typer.Typer(add_completion=False)


@app.command()
def keygen(
    file: Annotated[Path, typer.Argument(help="The new key file, such as me.json.")],
    passphrase_file: Annotated[
        Path,
        typer.Option(
            envvar="QMIA_PASSPHRASE_FILE",
            help="File with the passphrase, one line, that encrypts the key.",
        ),
    ],
    json: JsonOption = False,
) -> None:
    """Make a key that signs, encrypted with a passphrase (Web3 Secret Storage, version 3).

    Keep a copy of the file and of the passphrase elsewhere: nobody can restore them.
    """
    from eth_account import Account

    from oracles.chain.keystore import read_secret, write_keystore

    account = Account.create()
    write_keystore(file, bytes(account.key), read_secret(passphrase_file))
    show({"address": account.address, "keystore": str(file)}, json=json)
