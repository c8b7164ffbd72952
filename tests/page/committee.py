"""A wallet that is a contract: two of three owners sign, and somebody else pays for the gas."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from eth_account.messages import encode_typed_data

from tests.support.chain import artifact
from tests.support.market import ETHER, signer

if TYPE_CHECKING:
    from pathlib import Path

    from oracles.chain.signers import LocalSigner
    from tests.support.market import Market


class Committee:
    """`tests/contracts/solidity/Committee.sol` on the market's node, with its owners' keys."""

    def __init__(self, market: Market, *owners: str) -> None:
        self._market = market
        self.owners: list[LocalSigner] = [signer(name) for name in owners]
        built = artifact("Committee")
        factory = market.web3.eth.contract(abi=built.abi, bytecode=built.bytecode)
        made = factory.constructor([each.address for each in self.owners])
        self._payer = market.sender("payer of gas")
        self.address = str(self._payer.send(made)["contractAddress"])
        self._contract = market.web3.eth.contract(
            address=market.web3.to_checksum_address(self.address), abi=built.abi
        )
        market.anvil.set_balance(self.address, ETHER)

    def _sign(self, kind: str, fields: dict[str, str], message: dict[str, Any]) -> bytes:
        data = {
            "domain": {
                "chainId": self._market.deployment.chain_id,
                "verifyingContract": self.address,
            },
            "primaryType": kind,
            "types": {
                "EIP712Domain": [
                    {"name": "chainId", "type": "uint256"},
                    {"name": "verifyingContract", "type": "address"},
                ],
                kind: [{"name": name, "type": type_} for name, type_ in fields.items()],
            },
            "message": message,
        }
        return b"".join(each.sign_typed(data) for each in self.owners[:2])

    def sign_typed(self, message: dict[str, Any]) -> bytes:
        """Its ERC-1271 signature of a typed message."""
        signable = encode_typed_data(full_message=message)
        digest = self._market.web3.keccak(b"\x19\x01" + signable.header + signable.body)
        return self._sign("Message", {"digest": "bytes32"}, {"digest": digest})

    def execute(self, target: str, value: int, data: str) -> str:
        """Send a transaction of the wallet that its owners signed; its hash."""
        call = {"target": target, "value": value, "data": bytes.fromhex(data[2:])}
        fields = {"target": "address", "value": "uint256", "data": "bytes", "nonce": "uint256"}
        nonce = self._contract.functions.nonce().call()
        signatures = self._sign("Transaction", fields, {**call, "nonce": nonce})
        sent = self._payer.send(self._contract.functions.execute(*call.values(), signatures))
        return sent["transactionHash"].to_0x_hex()

    def wallet(self, account: str, given: list[Any]) -> dict[str, Any]:
        """What a connected wallet answers to `eth_sendTransaction`."""
        assert account == self.address
        (call,) = given
        return {"result": self.execute(call["to"], int(call.get("value", "0x0"), 16), call["data"])}

    def file(self, path: Path) -> None:
        """Send what a file for Safe's Transaction Builder asks for."""
        content = json.loads(path.read_text())
        assert content["chainId"] == str(self._market.deployment.chain_id)
        assert content["meta"]["checksum"].startswith("0x")
        assert content["meta"]["createdFromSafeAddress"] == self.address
        for each in content["transactions"]:
            self.execute(each["to"], int(each["value"]), each["data"])
