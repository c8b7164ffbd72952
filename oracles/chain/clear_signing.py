"""What wallets show of a call or a message before it is signed (ERC-7730), for one deployment.

A wallet that has these descriptors says "Reveal a bid: auction 5, price …" instead of hexadecimal
digits. They are made from the contracts' ABIs, so a function without words here is an error. The
tokens of an auction (MUT, DST) are contracts of that auction alone, so theirs name the auction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from oracles.chain import artifacts
from oracles.chain.typed_data import TYPES, Domain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from oracles.chain.deployment import Deployment

#: What each function does, in a few words; None where only another contract may call it.
INTENTS: Final[dict[str, dict[str, str | None]]] = {
    "DataAuction": {
        "abort": "Call an auction off",
        "acceptScores": "Take over the scores",
        "claim": "Claim for a bid",
        "claimBounty": "Take a settler's bounty",
        "commit": "Commit to a bid",
        "commitFor": "Commit for an owner",
        "create": "Create an auction",
        "forfeit": "Strike out a winner",
        "open": "Open a sample",
        "openFor": "Open an owner's sample",
        "reclaimBond": "Take back a bond",
        "recordDelivery": None,
        "reveal": "Reveal a bid",
        "settle": "Settle an auction",
        "strikeOut": None,
        "withdrawBid": "Withdraw a bid",
        "withdrawRefund": "Take back a budget",
    },
    "Exchange": {
        "complain": "Complain of pages",
        "deliver": "Deliver a data key",
        "nameMissing": "Report missing files",
        "refute": "Prove a key wrong",
        "submitVerdict": "Submit a verdict",
    },
    "ScoreOracle": {
        "acceptSet": "Join an operator set",
        "announceVector": "Say where scores are",
        "callRoll": "Call the roll",
        "challenge": "Appeal scores",
        "claimDue": "Take money due",
        "claimFee": "Take a scoring fee",
        "commitVector": "Commit to scores",
        "deposit": "Deposit a stake",
        "leaveSet": "Leave an operator set",
        "open": None,
        "payFees": None,
        "postScores": "Post scores",
        "proposeSet": "Propose operators",
        "publishVector": "Publish scores",
        "register": "Register an operator",
        "releaseStake": "Release a stake",
        "resolve": "Resolve an appeal",
        "slashContradiction": "Show two reports",
        "slashDeviator": "Show a deviation",
        "slashMissing": "Show a missing report",
        "tallyRoll": "Count the roll",
        "withdrawCredit": "Withdraw ether",
    },
    "MutToken": {
        "accrue": "Count revenue sent here",
        "approve": "Let another move MUT",
        "claimFor": "Pay out a holder's revenue",
        "deposit": "Pay revenue",
        "initialize": None,
        "mint": None,
        "reduce": None,
        "transfer": "Transfer MUT",
        "transferFrom": "Transfer another's MUT",
    },
    "DstToken": {
        "approve": "Let another move DST",
        "claim": "Take a bid's DST",
        "initialize": None,
        "transfer": "Transfer DST",
        "transferFrom": "Transfer another's DST",
        "verify": "Prove the shares of DST",
    },
    "DstFactory": {"create": "Create an auction's DST"},
    "ThresholdGate": {
        "prove": "Prove thresholds of data",
        "provePart": "Prove sums of a part",
    },
    "UsageLog": {"close": "Close a usage period"},
    "MetricRegistry": {
        "lock": "Lock tokens to object",
        "object": "Object to a metric",
        "propose": "Propose a metric",
        "release": "Take back locked tokens",
        "returnBond": "Return a proposal's bond",
    },
}
#: Contracts of single auctions: their amounts are of the token itself, but for revenue.
TOKENS: Final = ("MutToken", "DstToken")
#: What each message is for; the contract under whose domain it is signed.
MESSAGES: Final = {
    "Commit": ("DataAuction", "Let another pay for a bid"),
    "Opening": ("DataAuction", "Let another open a sample"),
    "EncryptionKey": ("DataAuction", "Prove an encryption key"),
    "Delivery": ("Exchange", "Let another deliver a key"),
    "Report": ("ScoreOracle", "Sign a score report"),
    "NonDelivery": ("ScoreOracle", "Sign a verdict"),
}
#: Names that people read for what the contracts call otherwise.
_LABELS: Final = {
    "account": "Account",
    "agreement": "Agreement's digest",
    "auction": "Auction contract",
    "auctionId": "Auction",
    "bondGwei": "Bond of a bid",
    "budget": "Budget",
    "consumer": "Auction contract",
    "contentDigest": "Data set",
    "cost": "Price (token units)",
    "deadline": "Valid until",
    "entryFeeGwei": "Entry fee of a bid",
    "feeGwei": "Operators' fee",
    "from": "From",
    "fetchFeeGwei": "Fee of a complaint",
    "appealFeeGwei": "Bond of an appeal",
    "id": "Auction",
    "index": "Bid",
    "manifest": "Manifest",
    "maxBids": "Most bids",
    "metricVersion": "Metric",
    "operatorSet": "Operator set",
    "owner": "Owner of the bid",
    "payer": "Who pays",
    "pool": "Revenue shares",
    "qMin": "Least quality",
    "rho": "Share of cash",
    "round": "Round",
    "samples": "Sample pages",
    "sealedBid": "Sealed bid",
    "size": "Size of the data",
    "spender": "Who may move them",
    "stakeGwei": "An operator's stake",
    "to": "To",
    "token": "Token",
    "tranche": "Reserved part",
}
#: Leaves that say nothing to a person: hashes to check against, points, signatures, counters.
_SILENT: Final = frozenset(
    {
        *("a", "b", "before", "bitmap", "bitmaps", "c", "chunk"),
        *(
            "chunkHashes",
            "count",
            "dataSet",
            "digest80",
            "entries",
            "ephemeralSignature",
            "evidence",
        ),
        *("facts", "keyCommitment", "keyX", "keyY", "levelDen", "levelNum", "nonce"),
        *("ownerSignature", "proof", "rest", "root", "salt", "signature", "signatures"),
        *("slope", "submission", "submissions", "t", "tag", "tieIndex", "tieRemainder"),
        *("u", "vector", "wrapped", "x", "y", "z"),
    }
)


def leaves(inputs: list[dict[str, Any]], path: str = "") -> Iterator[tuple[str, str, str]]:
    """Path, name and type of everything that a function takes, structs taken apart."""
    for each in inputs:
        own = f"{path}.{each['name']}" if path else str(each["name"])
        array = each["type"].count("[")
        inner = own + ".[]" * array
        if "components" in each:
            yield from leaves(each["components"], inner)
        else:
            yield inner, str(each["name"]), str(each["type"]).split("[")[0]


def _label(name: str) -> str:
    """Words for a name: `openWindow` becomes "Open window"."""
    words = "".join(f" {c.lower()}" if c.isupper() else c for c in name)
    return _LABELS.get(name, words[:1].upper() + words[1:])


def _unit(base: str, decimals: int = 0) -> dict[str, Any]:
    return {"format": "unit", "params": {"base": base, "decimals": decimals}}


def _format(path: str, name: str, kind: str) -> dict[str, Any]:
    if kind == "address":
        types = ["token"] if name == "token" else ["eoa", "wallet", "contract"]
        return {"format": "addressName", "params": {"types": types}}
    if name.endswith("Gwei"):
        return _unit("ETH", 9)
    if path.startswith("terms.durations.") or name.endswith("Window"):
        return {"format": "duration"}
    if path in ("terms.budget", "terms.pool"):
        return {"format": "tokenAmount", "params": {"tokenPath": "terms.token"}}
    if path in ("terms.rho", "terms.tranche"):
        return _unit("%", 7)
    if name in ("deadline", "start", "end"):
        return {"format": "date", "params": {"encoding": "timestamp"}}
    if name == "size" and path.startswith("dataSet"):
        return _unit("B")
    return {"format": "raw"}


def _is_silent(parts: list[str], name: str, kind: str) -> bool:
    if kind == "bytes":
        return True
    if parts[0] in ("key", "proof", "place"):
        return name not in ("index", "owner")
    if parts[0] == "dataSet":
        return name not in ("contentDigest", "manifest", "size")
    return any(part in _SILENT for part in parts)


def _shown(taken: list[tuple[str, str, str]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Fields to show, and paths that are left out; arrays of structs as such, too."""
    fields, silent = [], []
    for path, name, kind in taken:
        parts = path.replace(".[]", "").split(".")
        if _is_silent(parts, name, kind):
            silent.append(path)
        else:
            fields.append({"path": path, "label": _label(name), **_format(path, name, kind)})
    whole = {path.partition("[]")[0] + "[]" for path in silent if ".[]." in path}
    return fields, silent + sorted(whole)


def _signature(function: dict[str, Any]) -> str:
    """Name and types, as a selector is made of."""

    def kind(given: dict[str, Any]) -> str:
        if "components" not in given:
            return str(given["type"])
        inner = ",".join(map(kind, given["components"]))
        return f"({inner}){given['type'][5:]}"

    return f"{function['name']}({','.join(map(kind, function['inputs']))})"


def _calls(contract: str) -> dict[str, Any]:
    formats = {}
    own = {"format": "tokenAmount", "params": {"tokenPath": "@.to"}}
    for function in artifacts.abi(contract):
        if function["type"] != "function" or function["stateMutability"] in ("view", "pure"):
            continue
        intent = INTENTS[contract][function["name"]]
        if intent is None:
            continue
        fields, silent = _shown([*leaves(function["inputs"])])
        if contract in TOKENS and function["name"] != "deposit":
            for each in fields:
                if each["path"] in ("amount", "value"):
                    each |= own
        if function["stateMutability"] == "payable":
            fields.insert(0, {"path": "@.value", "label": "You pay", "format": "amount"})
        required = [each["path"] for each in fields if not each["path"].startswith("@")][:4]
        formats[_signature(function)] = {
            "intent": intent,
            "fields": fields,
            "required": required,
            "excluded": silent,
        }
    return formats


def _file(context: dict[str, Any], name: str, formats: dict[str, Any]) -> dict[str, Any]:
    return {
        "$schema": "https://eips.ethereum.org/assets/eip-7730/erc7730-v1.schema.json",
        "context": {"$id": name, **context},
        "metadata": {"owner": "Q-MIA"},
        "display": {"formats": formats},
    }


def descriptors(
    deployment: Deployment, tokens: Mapping[str, Sequence[str]] | None = None
) -> dict[str, dict[str, Any]]:
    """All descriptor files of a deployment, by their names.

    Args:
        deployment: its contracts.
        tokens: addresses of the tokens of single auctions, by `MutToken` or `DstToken`.
    """
    found = {}
    where = {name: [deployment.address(name)] for name in deployment.contracts}
    for contract, addresses in {**where, **(tokens or {})}.items():
        if contract not in INTENTS or not addresses:
            continue
        places = [{"chainId": deployment.chain_id, "address": each} for each in addresses]
        abi = [each for each in artifacts.abi(contract) if each["type"] == "function"]
        context = {"contract": {"deployments": places, "abi": abi}}
        found[f"calldata-{contract}.json"] = _file(context, f"Q-MIA {contract}", _calls(contract))
        messages = {name: text for name, (own, text) in MESSAGES.items() if own == contract}
        # Operators prove their keys under another domain than buyers.
        if contract == "ScoreOracle":
            messages["EncryptionKey"] = MESSAGES["EncryptionKey"][1]
        if messages:
            domain = Domain(f"Q-MIA {contract}", deployment.chain_id, deployment.address(contract))
            found[f"eip712-{contract}.json"] = _messages(domain, messages, places)
    return found


def _messages(
    domain: Domain, messages: dict[str, str], places: list[dict[str, Any]]
) -> dict[str, Any]:
    schemas, formats = [], {}
    for primary, intent in messages.items():
        whole = domain.message(primary, TYPES[primary], {})
        schemas.append({"primaryType": primary, "types": whole["types"]})
        fields, silent = _shown([(name, name, kind) for kind, name in TYPES[primary]])
        formats[primary] = {"intent": intent, "fields": fields, "excluded": silent}
    signed = {
        "deployments": places,
        "domain": {"name": domain.name, "version": "1"},
        "schemas": schemas,
    }
    return _file({"eip712": signed}, domain.name, formats)
