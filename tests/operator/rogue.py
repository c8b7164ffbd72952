"""An operator that does as it likes: it has a key, a bond, a place in the set, but no daemon."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from eth_utils.crypto import keccak

from oracles.chain import packing, typed_data
from oracles.chain.client import Sender
from oracles.chain.oracle import Submission
from oracles.operator.exchange import DirectoryExchange, Topic
from oracles.operator.journal import SignedReport
from oracles.operator.messages import encode_report

if TYPE_CHECKING:
    from oracles.operator.messages import Message
    from tests.operator.network import Network


class Rogue:
    def __init__(self, network: Network, member: int) -> None:
        self.network = network
        self.member = member
        self.signer = network.signers[member]
        self.sender = Sender(network.web3, self.signer)
        self.contract = network.auctions.address
        self.oracle = network.oracle

    def report(self, auction: int, vector: bytes, round_: int = 1, word: str = "") -> Submission:
        """A signed report of any vector at all."""
        evidence, salt = keccak(text=f"evidence {word}"), keccak(text="salt")
        version = self.oracle.request(self.contract, auction).metric_version
        root = packing.report_root(packing.chunk_hashes(vector))
        message = typed_data.report_message(
            self.oracle.domain, self.contract, auction, round_, version, root, evidence
        )
        self.digest = typed_data.typed_digest(message)
        signature = self.signer.sign_typed(message)
        return Submission(self.member, salt, evidence, signature, vector)

    def commit(self, auction: int, report: Submission) -> None:
        """To the report that was made last."""
        commitment = packing.vector_commitment(self.digest, self.signer.address, report.salt)
        call = self.oracle.commit_vector(self.contract, auction, self.member, commitment)
        self.sender.send(call)

    def say(self, auction: int, report: Submission, round_: int = 1) -> None:
        signed = SignedReport(
            auction,
            round_,
            self.member,
            b"",
            True,
            report.salt,
            report.evidence,
            report.signature,
            report.vector,
        )
        folder = DirectoryExchange(self.network.folder / "exchange", self.contract)
        topic = Topic(auction, "report", round_)
        folder.publish(self.signer.address, topic, encode_report(signed))

    def shout(self, auction: int, garbage: bytes, round_: int = 1) -> None:
        """Put any bytes where a report is expected."""
        folder = self.network.folder / "exchange" / self.signer.address.lower()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / Topic(auction, "report", round_).file(self.contract)).write_bytes(garbage)

    def overhear(self, auction: int, member: int, round_: int = 1) -> bytes:
        """Wait for another member's vector."""
        operator, topic = self.network.signers[member].address, Topic(auction, "report", round_)
        folder = DirectoryExchange(self.network.folder / "exchange", self.contract)

        def said() -> list[Message]:
            return folder.read(operator, topic, 1 << 20)

        (message,) = self.network.until(said, "a report", step=False)
        return base64.b64decode(message["vector"])
