// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Place} from "../types/Bid.sol";
import {ChaumPedersen} from "../libraries/ChaumPedersen.sol";
import {IDataAuction} from "./IDataAuction.sol";
import {IScoreOracle} from "./IScoreOracle.sol";

/// @title Exchange: data keys for money
/// @notice Between settlement and claims. In the fetch phase the buyer names the winners whose ciphertext it cannot get;
/// the standing panel fetches them, serves them, or strikes them out, before any key is due. In the deliver phase each
/// winner hands its data key to the buyer, once. In the dispute phase a wrong key is refuted by the contract alone, and a
/// right key that does not open every page by a majority of the standing panel. Silence counts as delivered.
///
/// With the buyer's key B = bG and an ephemeral key E = eG of the winner, the shared point is S = eB = bE and
/// `wrapped = dataKey ^ keccak256(abi.encode(S.x, S.y, context))`.
///
/// A proof (libraries/ChaumPedersen.sol) shows log_G(B) = log_E(S). With a random r: R1 = rG, R2 = rE,
/// context = keccak256(abi.encode(chainid, auction contract, auctionId, index)),
/// c = keccak256(abi.encode(context, B, E, S, address of R1, address of R2)) mod n, z = r + c b mod n, T = zE, U = cS.
interface IExchange {
    /*//////////////////////////////////////////////////////////////
                                 TYPES
    //////////////////////////////////////////////////////////////*/

    /// @notice A data key for the buyer.
    /// @param wrapped The data key under the mask above.
    /// @param x Ephemeral point, with `y`; its own key signs the delivery, so nobody can reuse another's point.
    struct Delivery {
        bytes32 wrapped;
        bytes32 x;
        bytes32 y;
    }

    /*//////////////////////////////////////////////////////////////
                                 EVENTS
    //////////////////////////////////////////////////////////////*/

    /// @notice Emitted when the buyer names a winner whose ciphertext it cannot get.
    event Missed(uint256 indexed auctionId, uint256 indexed index);
    /// @notice Emitted when a winner hands over its key.
    event Delivered(uint256 indexed auctionId, uint256 indexed index, Delivery delivery);
    /// @notice Emitted when a key is proved wrong; it becomes public with the proof.
    event Refuted(uint256 indexed auctionId, uint256 indexed index, bytes32 dataKey, ChaumPedersen.Proof proof);
    /// @notice Emitted when the buyer complains that a page does not open to what was committed.
    /// @param complaint sha2-256 digest in the CIDv1 of the complaint: the data key wrapped for each member, and pages.
    event Complained(uint256 indexed auctionId, uint256 indexed index, bytes32 complaint);
    /// @notice Emitted when a majority of the standing panel strikes a winner out, before StruckOut of the auction.
    event VerdictSubmitted(
        uint256 indexed auctionId,
        uint256 indexed index,
        IScoreOracle.Ground ground,
        uint8[] members,
        bytes[] signatures
    );

    /*//////////////////////////////////////////////////////////////
                                 ERRORS
    //////////////////////////////////////////////////////////////*/

    /// @notice Thrown when a call comes before or after its phase.
    error OutOfPhase(uint256 timestamp, uint256 from, uint256 to);
    /// @notice Thrown when the auction is not settled.
    error NotSettled(uint256 auctionId);
    /// @notice Thrown when the caller is not the buyer.
    error NotTheBuyer(address caller);
    /// @notice Thrown when the value sent is not the fee for these indices.
    error FeeMismatch(uint256 sent, uint256 due);
    /// @notice Thrown when an index did not win or is struck out.
    error NotAWinner(uint256 auctionId, uint256 index);
    /// @notice Thrown when an index is named twice.
    error AlreadyNamed(uint256 auctionId, uint256 index);
    /// @notice Thrown when a verdict concerns an index that the buyer has not named on this ground.
    error NotNamed(uint256 auctionId, uint256 index);
    /// @notice Thrown when a verdict has a ground that a panel does not judge.
    error NotAGroundForVerdicts(IScoreOracle.Ground ground);
    /// @notice Thrown when the ephemeral key did not sign the delivery, or its x is not below the group's order.
    error EphemeralKeyInvalid(address signer);
    /// @notice Thrown when the owner neither sent nor signed the delivery.
    error SignatureInvalid(address owner);
    /// @notice Thrown when a delivery is not the one on record, or owner, payer or data set are not those of the bid.
    error NotTheDelivery(uint256 auctionId, uint256 index);
    /// @notice Thrown when the key in a proof is not the buyer's.
    error NotTheKey(address key);
    /// @notice Thrown when a point is not on the curve, a number not below its modulus, or the proof does not verify.
    error ProofInvalid();
    /// @notice Thrown when the delivered key is the one committed to.
    error KeyIsRight(uint256 auctionId, uint256 index);

    /*//////////////////////////////////////////////////////////////
                                FUNCTIONS
    //////////////////////////////////////////////////////////////*/

    /// @notice In the first half of the fetch phase: name winners whose ciphertext the buyer cannot get. The value sent
    /// must be the fetch fee for each; it goes to the standing panel, whatever the panel finds.
    function nameMissing(uint256 auctionId, uint32[] calldata indices) external payable;

    /// @notice Deliver a data key, once; it is final. By the owner, or by anybody with its signature.
    /// @param ephemeralSignature EIP-712 signature of the delivery by the ephemeral key, 65 bytes.
    /// @param ownerSignature The same digest signed by the owner (EOA or ERC-1271); empty where the owner calls.
    function deliver(
        uint256 auctionId,
        Place calldata place,
        Delivery calldata delivery,
        bytes calldata ephemeralSignature,
        bytes calldata ownerSignature
    ) external;

    /// @notice In the dispute phase: strike out a winner whose key does not match its commitment. Anybody may who has the
    /// proof; only the buyer can make one.
    /// @param key B, the buyer's encryption key.
    function refute(
        uint256 auctionId,
        Place calldata place,
        IDataAuction.DataSet calldata dataSet,
        Delivery calldata delivery,
        ChaumPedersen.Point calldata key,
        ChaumPedersen.Proof calldata proof
    ) external;

    /// @notice In the first half of the dispute phase: complain that the right key opens some page wrongly. The value
    /// sent must be the fetch fee.
    function complain(uint256 auctionId, uint32 index, bytes32 complaint) external payable;

    /// @notice In the second half of the fetch phase (Unavailable) or of the dispute phase (Unreadable): strike out a
    /// winner that the buyer named, by the signatures of a majority of the standing panel.
    function submitVerdict(
        uint256 auctionId,
        uint32 index,
        IScoreOracle.Ground ground,
        uint8[] calldata members,
        bytes[] calldata signatures
    ) external;

    /// @notice EIP-712 digest of a delivery, signed by the ephemeral key, and by the owner where another sends it.
    function deliveryDigest(
        uint256 auctionId,
        uint256 index,
        Delivery calldata delivery
    ) external view returns (bytes32);
}
