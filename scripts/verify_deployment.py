"""Compare the code of a deployment with a fresh build of the sources.

    python -m scripts.verify_deployment DEPLOYMENT.json --rpc URL [--json]

Immutable values are masked in the comparison: the compiler leaves a push of 32 zero bytes where the
constructor puts them. Those that name another contract of the deployment are read back and compared
with the deployment file; of `Settlement`, which has no getter, they are read from its code. What
constructors made is checked too: no code that a contract calls or runs as its own is left out.
Where addresses follow from a salt, they are computed anew from the fresh build, the recorded
constructor arguments and the salt: the arguments then cannot be wrong either.
Exit code 1 if anything differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from oracles.chain.deployment import Deployment, address_of, creation_code, made
from oracles.chain.rpc import connect
from oracles.errors import QmiaError
from scripts.build import BuildError, build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from web3 import Web3

_PLACEHOLDER: Final = b"\x7f" + bytes(32)
#: Immutables that must name another contract: artifact, getter, name in the deployment.
_LINKS: Final = (
    ("DataAuction", "ORACLE", "ScoreOracle"),
    ("DataAuction", "EXCHANGE", "Exchange"),
    ("Exchange", "AUCTION", "DataAuction"),
    ("Exchange", "ORACLE", "ScoreOracle"),
    ("UsageLog", "AUCTION", "DataAuction"),
    ("DstFactory", "AUCTION", "DataAuction"),
    ("MutToken", "AUCTION", "DataAuction"),
    ("DstToken", "AUCTION", "DataAuction"),
    ("DstToken", "FACTORY", "DstFactory"),
)


def differences(built: bytes, deployed: bytes) -> str:
    """Where deployed code departs from built code, immutables masked; empty if nowhere."""
    if len(built) != len(deployed):
        return f"{len(deployed):,} bytes of code, {len(built):,} were built"
    at = 0
    while at < len(built):
        if built[at : at + 33] == _PLACEHOLDER and deployed[at] == _PLACEHOLDER[0]:
            at += 33
        elif built[at] != deployed[at]:
            return f"differs from byte {at:,} on"
        else:
            at += 1
    return ""


def immutables(built: bytes, deployed: bytes) -> set[bytes]:
    """The words that a constructor put into code that is otherwise as it was built."""
    found, at = set(), 0
    while (at := built.find(_PLACEHOLDER, at)) >= 0:
        found.add(deployed[at + 1 : at + 33])
        at += 33
    return found


def verify(web3: Web3, deployment: Deployment) -> Iterator[tuple[str, str, str]]:
    """Yield name, address and difference (empty for none) of each check."""
    artifacts: dict[str, Any] = {
        path.stem: json.loads(text) for path, text in build().items() if path.suffix == ".json"
    }

    def read(name: str, address: str, getter: str) -> str:
        contract = web3.eth.contract(web3.to_checksum_address(address), abi=artifacts[name]["abi"])
        return str(contract.functions[getter]().call())

    contracts = deployment.contracts | made(web3, deployment)
    addresses: dict[str, str] = {name: each.address for name, each in contracts.items()}
    for name, address in addresses.items():
        built = bytes.fromhex(artifacts[name]["deployedBytecode"].removeprefix("0x"))
        code = bytes(web3.eth.get_code(web3.to_checksum_address(address)))
        wrong = differences(built, code)
        if name == "Settlement" and not wrong:
            mut = bytes.fromhex(addresses["MutToken"][2:]).rjust(32, b"\0")
            wrong = "" if immutables(built, code) == {mut} else "clones another MutToken"
        yield name, address, wrong
    for name, each in deployment.contracts.items() if deployment.salt else ():
        if name == "Exchange":  # The auction made it: it is where that says, see below.
            continue
        code = creation_code(artifacts[name], each.arguments)
        wanted = address_of(code, bytes.fromhex(deployment.salt.removeprefix("0x")))
        wrong = "" if wanted == each.address else f"would be {wanted} with this code and arguments"
        yield f"{name} address", each.address, wrong
    for name, getter, other in _LINKS:
        value = read(name, addresses[name], getter)
        wrong = "" if value == addresses[other] else f"is {value}, not the {other}"
        yield f"{name}.{getter}", addresses[name], wrong


def main() -> None:
    """Check and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("deployment", type=Path, help="file written by the deployment")
    parser.add_argument("--rpc", required=True, help="JSON-RPC address of a node")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    try:
        deployment = Deployment.load(args.deployment)
        web3 = connect([args.rpc], chain_id=deployment.chain_id)
        results = list(verify(web3, deployment))
    except (QmiaError, BuildError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    if args.json:
        keys = ("name", "address", "difference")
        print(json.dumps([dict(zip(keys, result, strict=True)) for result in results]))
    else:
        for name, address, difference in results:
            print(f"{name:22} {address}  {difference or 'as built'}")
    sys.exit(any(difference for _, _, difference in results))


if __name__ == "__main__":
    main()
