"""Auctions of other projects on a local node: pinned commits, and one life of each.

Every function takes a market and returns the gas of each call by the names of `peers.CALLS`.
Figures are medians, so that the first call, which finds empty counters, does not count; the cost
of settling a bid is the difference of an auction of `MANY` and one of `FEW`.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from eth_abi.abi import decode, encode
from eth_abi.grammar import parse
from eth_abi.packed import encode_packed
from eth_utils.crypto import keccak

from benchmarks.gas.foreign import Project, build
from benchmarks.gas.life import PHASE, address_of
from benchmarks.gas.node import ETHER, ROOT, Node, Sent, Tx
from oracles.errors import ChainError
from scripts.build import compile_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FEW: Final = 100
MANY: Final = 1000
SELLER: Final = address_of("seller")
NOBODY: Final = "0x" + "00" * 20
#: Tokens or wei of one bid.
PAID: Final = 10**9
#: Each bid's price differs from the last one's by this.
STEP: Final = 10**4
#: Bids that Axis decrypts in one transaction.
CHUNK: Final = 100
#: Length of the continuous auction.
BLOCKS: Final = 200
Q96: Final = 1 << 96

EASY: Final = Project(
    "gnosis/ido-contracts",
    "e5ec2e696c2e1b68fe79a7ddc792b231d60fdf8c",
    ("contracts/EasyAuction.sol",),
    compiler="0.6.12",
    evm="istanbul",
    runs=10_000,
    libraries={"@openzeppelin/contracts/": "openzeppelin-3.3.0/"},
)
#: hardhat.config.ts asks for the optimizer where Hardhat does not look: what is deployed has none.
EASY_DEPLOYED: Final = replace(EASY, runs=None)
ZOO: Final = Project(
    "a16z/auction-zoo",
    "d1a8af52519307f88fbe812a2571afb30db80914",
    (
        "src/sealed-bid/over-collateralized-auction/OverCollateralizedAuction.sol",
        "test/utils/TestERC721.sol",
    ),
    # Its foundry.toml sets nothing: what forge did by itself in the week of the commit.
    compiler="0.8.19",
    evm="london",
    runs=200,
    libraries={"solmate/": "solmate-6.7.0/src/"},
)
CCA: Final = Project(
    "Uniswap/continuous-clearing-auction",
    "154fd189022858707837112943c09346869c964f",
    ("src/ContinuousClearingAuction.sol",),
    compiler="0.8.26",
    evm="cancun",
    runs=88_888_888,
    libraries={"solady/": "solady-0.1.23/src/"},
)
AXIS: Final = Project(
    "Axis-Fi/axis-core",
    "2f54d054eaa366546e9a19a4b5d11868c79f2df3",
    ("src/BatchAuctionHouse.sol", "src/modules/auctions/batch/EMP.sol"),
    compiler="0.8.19",
    evm="paris",
    runs=200,
    libraries={
        "@solady-0.0.124/": "solady-0.0.124/src/",
        "@solmate-6.8.0/": "solmate-6.8.0/src/",
    },
)


class OrderedNode(Node):
    """Takes requests one by one, so that a block keeps the order of its transactions."""

    def rpc_batch(self, requests: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """Results of JSON-RPC requests, in order."""
        return [super(OrderedNode, self).rpc_batch([request])[0] for request in requests]


class Market:
    """A node, a seller and two tokens: the one that is sold, and money."""

    def __init__(self, node: Node) -> None:
        self.node = node
        node.fund([SELLER])
        node.time += 1
        code = compile_files([ROOT / "tests" / "contracts" / "solidity" / "Token.sol"])[0]["Token"][
            "bytecode"
        ]
        self.sold, self.money = (node.deploy(SELLER, code) for _ in range(2))
        # Proceeds go to an account that has some already.
        self.send(self.money, "mint(address,uint256)", [(SELLER, 0, SELLER, 1)])

    def send(self, to: str, signature: str, calls: Iterable[Sequence[Any]]) -> list[Sent]:
        """Send calls `(sender, value, *arguments)` in order, many to a block."""
        types = signature[signature.index("(") :]
        kinds = [] if types == "()" else [kind.to_type_str() for kind in parse(types).components]
        selector = keccak(text=signature)[:4]
        return self.node.send(
            [
                Tx(sender, to, selector + encode(kinds, args), value)
                for sender, value, *args in calls
            ]
        )

    def paid(self, claims: Sequence[Sent]) -> int:
        """Median gas of claims.

        Raises:
            ChainError: one of them moved none of the token that is sold.
        """
        for claim in claims:
            if self.sold.lower() not in {log["address"].lower() for log in claim.logs}:
                raise ChainError("A bid that should have won was paid nothing.")
        return _median(claims)

    def bidders(self, label: str, n: int, spender: str = "") -> list[str]:
        """Return new accounts with ether; a spender may take their money, of which some is left."""
        accounts = [address_of(f"{label} {i}") for i in range(n)]
        self.node.fund(accounts)
        if spender:
            self.stock(self.money, accounts, spender)
        return accounts

    def stock(self, token: str, accounts: Sequence[str], spender: str) -> None:
        """Give accounts more than they need of a token and let a contract take it."""
        mint = [(account, 0, account, 10**30) for account in accounts]
        self.send(token, "mint(address,uint256)", mint)
        approve = [(account, 0, spender, 2**256 - 1) for account in accounts]
        self.send(token, "approve(address,uint256)", approve)


def easy_auction(market: Market, project: Project = EASY) -> dict[str, int]:
    """Gnosis EasyAuction: orders in the best place of the list, all of them filled."""
    node = market.node
    to = node.deploy(SELLER, build(project)["EasyAuction"])
    market.stock(market.sold, [SELLER], to)
    label = f"easy {project.runs}"
    users = market.bidders(label, MANY, to)
    place, settle = {}, {}
    for auction, n in enumerate((FEW, MANY), 1):
        end = node.time + PHASE
        terms = (market.sold, market.money, end, end, n * PAID, 1, 1, 0, False, NOBODY, b"")
        market.send(
            to,
            "initiateAuction(address,address,uint256,uint256,uint96,uint96,uint256,uint256,bool,"
            "address,bytes)",
            [(SELLER, 0, *terms)],
        )
        # The seller is user 1. Ever lower prices: an order's neighbour is the one before it.
        buy = [PAID // 10 + STEP * i for i in range(n)]
        orders = [encode_order(i + 2, amount) for i, amount in enumerate(buy)]
        place[n] = market.send(
            to,
            "placeSellOrders(uint256,uint96[],uint96[],bytes32[],bytes)",
            [
                (users[i], 0, auction, [buy[i]], [PAID], [before], b"")
                for i, before in enumerate([(1).to_bytes(32, "big"), *orders[:-1]])
            ],
        )
        node.time = end
        settle[n] = market.send(to, "settleAuction(uint256)", [(SELLER, 0, auction)])[0].gas
    claims = [(user, 0, 2, [order]) for user, order in zip(users, orders, strict=True)]
    # Those of the first auction did not claim there, so nobody holds the token yet.
    claim = market.send(to, "claimFromParticipantOrder(uint256,bytes32[])", claims)
    # The second auction is that of the many; the few had been in the first one.
    gas = {
        "place": _median(place[MANY][FEW:]),
        "place, known user": _median(place[MANY][:FEW]),
        "settle, an order": round((settle[MANY] - settle[FEW]) / (MANY - FEW)),
        "settle, few": round(settle[FEW] / FEW),
        "claim": market.paid(claim),
    }
    rest = gas["settle, an order"] + gas["claim"]
    lives = {"life": gas["place"] + rest, "life, known user": gas["place, known user"] + rest}
    return gas | lives


def encode_order(first: int, second: int, third: int = PAID) -> bytes:
    """Key of a list entry: 64, 96 and 96 bits."""
    return encode_packed(["uint64", "uint96", "uint96"], [first, second, third])


def over_collateralized(market: Market) -> dict[str, int]:
    """a16z's commit and reveal auction of one item."""
    node, code = market.node, build(ZOO)
    to = node.deploy(SELLER, code["OverCollateralizedAuction"])
    item = node.deploy(SELLER, code["TestERC721"])
    market.send(item, "mint(address,uint256)", [(SELLER, 0, SELLER, 1)])
    market.send(item, "approve(address,uint256)", [(SELLER, 0, to, 1)])
    market.send(
        to,
        "createAuction(address,uint256,uint32,uint32,uint32,uint96)",
        [(SELLER, 0, item, 1, 0, PHASE, PHASE, 1)],
    )
    accounts = market.bidders("zoo", MANY)
    # In the order of a hash, so that few bids are the highest when they are revealed.
    bids = [(account, int(account, 16) % PAID + 2, keccak(text=account)) for account in accounts]
    commit = []
    for account, bid, nonce in bids:
        opening = encode(
            ["bytes32", "uint96", "address", "uint256", "uint64"], [nonce, bid, item, 1, 1]
        )
        commit.append((account, ETHER, item, 1, keccak(opening)[:20]))
    committed = market.send(to, "commitBid(address,uint256,bytes20)", commit)
    node.time += PHASE + 1
    reveal = [(account, 0, item, 1, bid, nonce) for account, bid, nonce in bids]
    revealed = market.send(to, "revealBid(address,uint256,uint96,bytes32)", reveal)
    return {"commit": _median(committed), "reveal": _median(revealed)}


def continuous_clearing(market: Market) -> dict[str, int]:
    """Uniswap's continuous clearing auction: money is ether, all bids at one price, all filled."""
    node = market.node
    start = int(node.rpc("eth_blockNumber"), 16) + 10
    steps = encode_packed(["uint24", "uint40"], [50_000, BLOCKS])
    supply, end = MANY * PAID, start + BLOCKS
    parameters = (NOBODY, SELLER, SELLER, start, end, end, Q96, NOBODY, Q96, 0, steps)
    kinds = "(address,address,address,uint64,uint64,uint64,uint256,address,uint256,uint128,bytes)"
    to = node.deploy(
        SELLER,
        build(CCA)["ContinuousClearingAuction"],
        ["address", "uint128", kinds],
        market.sold,
        supply,
        parameters,
    )
    market.send(market.sold, "mint(address,uint256)", [(SELLER, 0, to, supply)])
    market.send(to, "onTokensReceived()", [(SELLER, 0)])
    node.rpc("anvil_mine", hex(10))
    node.time += 20
    accounts = market.bidders("cca", FEW + MANY)
    bids = [(account, PAID, 10 * Q96, PAID, account, Q96, b"") for account in accounts]
    submit = "submitBid(uint256,uint128,address,uint256,bytes)"
    apart = [market.send(to, submit, [bid])[0] for bid in bids[:FEW]]
    together = market.send(to, submit, bids[FEW:])
    node.rpc("anvil_mine", hex(BLOCKS))
    node.time += 2 * BLOCKS
    numbers = [(account, 0, i) for i, account in enumerate(accounts)]
    exits = market.send(to, "exitBid(uint256)", numbers)
    claims = market.send(to, "claimTokens(uint256)", numbers)
    gas = {"bid": _median(together), "exit": _median(exits), "claim": market.paid(claims)}
    return gas | {"bid, first of its block": _median(apart), "life": sum(gas.values())}


def encrypted_marginal(market: Market) -> dict[str, int]:
    """Axis' encrypted bids, decrypted on chain with the seller's key; all of them filled."""
    node, code = market.node, build(AXIS)
    owner = ["address"] * 3
    house = node.deploy(SELLER, code["BatchAuctionHouse"], owner, SELLER, SELLER, NOBODY)
    module = node.deploy(SELLER, code["EncryptedMarginalPrice"], ["address"], house)
    market.send(house, "installModule(address)", [(SELLER, 0, module)])
    market.stock(market.sold, [SELLER], house)
    accounts = market.bidders("axis", MANY, house)
    secret, once = (int.from_bytes(keccak(text=text), "big") >> 4 for text in ("seller", "bid"))
    public, sent_key = multiply(node, (1, 2), secret), multiply(node, (1, 2), once)
    shared = multiply(node, public, once)[0]
    settle = {}
    for lot, n in enumerate((FEW, MANY)):
        price = (10**6, 0, 1, public)
        terms = encode(["(uint256,uint24,uint256,(uint256,uint256))"], [price])
        routing = (b"EMPA", market.sold, market.money, NOBODY, 0, NOBODY, b"", b"", b"", False)
        market.send(
            house,
            "auction((bytes5,address,address,address,uint48,address,bytes,bytes5,bytes,bool),"
            "(uint48,uint48,bool,uint256,bytes),string)",
            [(SELLER, 0, routing, (0, PHASE, False, n * PAID, terms), "")],
        )
        # Ever lower prices, as above.
        wanted = [PAID // 10 + STEP * i for i in range(n)]
        bids = []
        for account, amount in zip(accounts, wanted, strict=False):
            salt = keccak(encode_packed(["uint96", "address", "uint96"], [lot, account, PAID]))
            mask = int.from_bytes(keccak(shared.to_bytes(32, "big") + salt), "big")
            seed = int.from_bytes(keccak(text=account)[:16], "big")
            message = seed << 128 | (amount - seed) % 2**128
            data = encode(["uint256", "(uint256,uint256)"], [message ^ mask, sent_key])
            bids.append((account, 0, (lot, NOBODY, NOBODY, PAID, data, b""), b""))
        bid = market.send(house, "bid((uint96,address,address,uint256,bytes,bytes),bytes)", bids)
        node.time += PHASE
        submit = "submitPrivateKey(uint96,uint256,uint64,bytes32[])"
        market.send(module, submit, [(SELLER, 0, lot, secret, 0, [])])
        keys = [encode_order(i + 1, PAID, amount) for i, amount in enumerate(wanted)]
        hints = [encode_order(0, 2**96 - 1, 1), *keys[:-1]]
        decrypted = market.send(
            module,
            "decryptAndSortBids(uint96,uint64,bytes32[])",
            [
                (SELLER, 0, lot, len(part), part)
                for part in (hints[i : i + CHUNK] for i in range(0, n, CHUNK))
            ],
        )
        finish = "settle(uint96,uint256,bytes)"
        settle[n] = market.send(house, finish, [(SELLER, 0, lot, n, b"")])[0].gas
    numbers = [(account, 0, 1, [i + 1]) for i, account in enumerate(accounts)]
    claim = market.send(house, "claimBids(uint96,uint64[])", numbers)
    gas = {
        "bid": _median(bid),
        "decrypt, a bid": round(sum(item.gas for item in decrypted) / MANY),
        "settle, a bid": round((settle[MANY] - settle[FEW]) / (MANY - FEW)),
        "claim": market.paid(claim),
    }
    return gas | {"life": sum(gas.values())}


def multiply(node: Node, point: tuple[int, int], factor: int) -> tuple[int, int]:
    """A point of alt_bn128 times a factor, by the node's own contract for it (EIP-196)."""
    data = encode(["uint256"] * 3, [*point, factor])
    request = {"to": f"0x{7:040x}", "data": "0x" + data.hex()}
    answer = bytes.fromhex(node.rpc("eth_call", request, "latest")[2:])
    x, y = decode(["uint256", "uint256"], answer)
    return x, y


def _median(sent: Sequence[Sent]) -> int:
    return round(median(item.gas for item in sent))
