"""The provider's role with an Ape account: the commands of `qmia provider`.

    ape run provider commit 1 data/ --cost 120USDC --account alice --network ethereum:sepolia:node
    ape run provider reveal 1 --account alice --network ethereum:sepolia:node

Ape gives the account and the network; commands and options are those of `qmia provider --help`.
"""

from __future__ import annotations

from oracles.cli.provider import app
from scripts._ape import role

cli = role(app, "provider")
