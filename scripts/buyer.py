"""The buyer's and the settler's role with an Ape account: the commands of `qmia buyer`.

    ape run buyer create terms.toml --account bob --network ethereum:sepolia:node
    ape run buyer settle 1 --account bob --network ethereum:sepolia:node

Ape gives the account and the network; commands and options are those of `qmia buyer --help`.
"""

from __future__ import annotations

from oracles.cli.buyer import app
from scripts._ape import role

cli = role(app, "buyer")
