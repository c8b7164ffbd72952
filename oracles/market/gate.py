"""Proofs of thresholds on chain: sent to a ThresholdGate, and found there again."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING

from eth_utils.address import to_checksum_address

from oracles.chain import rpc
from oracles.chain.client import receipt_event
from oracles.chain.events import read_events
from oracles.chain.gate import ThresholdGateContract
from oracles.chain.packing import data_set_hash
from oracles.chain.terms import DataSet
from oracles.chain.typed_events import PartProved, ThresholdsProved
from oracles.chain.typed_events import Thresholds as Limits
from oracles.dataset import Manifest
from oracles.dataset.manifest import MAX_BYTES
from oracles.errors import ChainError, ConfigError, InputError, IntegrityError, Reverted
from oracles.evidence import Cid, read
from oracles.progress import silent
from oracles.proof import Proof, Thresholds
from oracles.proof.facts import circuits
from oracles.proof.thresholds import MAX_BYTES as PROOF_BYTES

if TYPE_CHECKING:
    from web3 import Web3
    from web3.contract.contract import ContractFunction
    from web3.types import TxReceipt

    from oracles.chain.client import Sender
    from oracles.chain.deployment import Deployment
    from oracles.evidence import Store
    from oracles.progress import Progress


def gate_of(web3: Web3, deployment: Deployment, named: str | None) -> ThresholdGateContract:
    """The gate that is named, else the deployment's.

    Raises:
        ConfigError: there is none.
        ChainError: the node does not answer.
    """
    known = deployment.contracts.get("ThresholdGate")
    if (address := named or (known.address if known else None)) is None:
        raise ConfigError(
            "the deployment file names no ThresholdGate: name one with --gate, or deploy one with"
            " `ape run gate`"
        )
    if not rpc.code(web3, to_checksum_address(address)):
        raise ConfigError(f"there is no ThresholdGate at {address} on this chain: name another")
    return ThresholdGateContract(web3, address)


def data_set_of(manifest: Manifest) -> DataSet:
    """What a commitment to a manifest says on chain."""
    contents = manifest.contents
    return DataSet(manifest.digest, contents.content_digest, contents.size, contents.key_commitment)


def published(store: Store, data_set: DataSet) -> tuple[Manifest, Proof]:
    """Manifest and proof of a commitment, from a store.

    Raises:
        InputError: there is no proof of this data set.
        StoreError: the store does not have them.
        IntegrityError: one of them is not what it should be.
    """
    cid = Cid.from_digest(data_set.manifest, MAX_BYTES)
    manifest = Manifest.decode(read(store, cid, limit=MAX_BYTES))
    if not manifest.proof:
        raise InputError("this data set was committed without a proof: pass the file of one")
    return manifest, Proof.decode(read(store, Cid.parse(manifest.proof), limit=PROOF_BYTES))


def post_proof(
    sender: Sender,
    gate: ThresholdGateContract,
    manifest: Manifest,
    proof: Proof,
    progress: Progress = silent,
) -> list[TxReceipt]:
    """Send a proof to a gate, which checks it and remembers what is proved. Anybody may.

    Of a large set each part is sent by itself, unless the gate knows it already.

    Args:
        sender: pays.
        gate: checks. What it would refuse costs nothing, since each call is simulated first.
        manifest: of the data set; it is public from here on.
        proof: over its facts.
        progress: told how many transactions are done.

    Returns:
        Of each transaction, the last one that of the claim.

    Raises:
        IntegrityError: the proof is about another data set, or has not as many parts as it must.
        ConfigError: the gate has no verifier for so many pages.
        ChainError: the gate refuses.
    """
    contents, claim = manifest.contents, proof.claim
    if not contents.facts:
        raise IntegrityError("the manifest has no facts that a proof could be about")
    if (claim.facts, claim.pages) != (contents.facts, contents.pages):
        raise IntegrityError("the proof is about another data set")
    for circuit in circuits(contents.pages):
        verifier = gate.verifier(circuit)
        if not verifier or not rpc.code(sender.web3, to_checksum_address(verifier)):
            raise ConfigError(
                f"the gate {gate.address} has no verifier for data sets of {contents.pages} pages:"
                " name another gate with --gate"
            )
    member = b'"facts":"0x' + contents.facts.hex().encode() + b'"'
    before, rest = manifest.encode().split(member)
    limits = Limits(*astuple(claim.thresholds))
    shown = [(part.root, part.sums) for part in proof.parts]
    place = before, contents.facts, rest
    receipts = []
    for done, (part, statement) in enumerate(zip(shown, proof.statements[1:], strict=True)):
        progress("sending parts", done, len(shown))
        pages = statement.inputs[1]
        if not gate.is_part_proved(pages, part):
            receipts.append(_send(sender, gate, gate.prove_part(pages, part, statement.proof)))
            receipt_event(receipts[-1], PartProved)
    call = gate.prove(data_set_of(manifest), place, limits, shown, proof.proof)
    receipts.append(_send(sender, gate, call))
    receipt_event(receipts[-1], ThresholdsProved)
    return receipts


def _send(sender: Sender, gate: ThresholdGateContract, call: ContractFunction) -> TxReceipt:
    try:
        return sender.send(call)
    except Reverted as error:
        # Verifiers are generated, and refuse with errors of their own.
        if error.error not in ("", "UnknownError", "ProofInvalid"):
            raise
        raise ChainError(
            f"the gate {gate.address} refuses this proof; if `qmia dataset check-proof` accepts it,"
            " the gate is of another circuit or set-up"
        ) from error


def proved(
    web3: Web3, deployment: Deployment, gate: ThresholdGateContract, data_set: DataSet
) -> list[Thresholds]:
    """What was proved of a data set at a gate, in the order in which it was sent.

    Raises:
        ChainError: the node does not answer, or names what the gate does not know.
    """
    found: list[Thresholds] = []
    topics = [data_set_hash(data_set)]
    last, kinds = rpc.newest(web3), [ThresholdsProved]
    addresses = [gate.address]
    for event in read_events(web3, addresses, deployment.block, last, kinds=kinds, topics=topics):
        if not isinstance(event.body, ThresholdsProved):
            continue
        if not gate.is_proved(data_set, event.body.thresholds):
            raise ChainError(f"the node names a proof that the gate {gate.address} does not know")
        limits = Thresholds(*astuple(event.body.thresholds))
        if limits not in found:
            found.append(limits)
    return found
