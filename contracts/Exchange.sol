// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {IDataAuction} from "./interfaces/IDataAuction.sol";
import {IExchange} from "./interfaces/IExchange.sol";
import {IScoreOracle} from "./interfaces/IScoreOracle.sol";
import {ChaumPedersen} from "./libraries/ChaumPedersen.sol";
import {Signatures} from "./libraries/Signatures.sol";
import {Bid, BidLibrary, Place} from "./types/Bid.sol";

/// @title Exchange
/// @notice See IExchange for the protocol and every function.
contract Exchange is IExchange, EIP712 {
    bytes32 internal constant DELIVERY_TYPEHASH = keccak256(
        "Delivery(uint256 auctionId,uint256 index,bytes32 wrapped,bytes32 x,bytes32 y)"
    );

    IDataAuction public immutable AUCTION;
    IScoreOracle public immutable ORACLE;

    /// @dev Indices that the buyer named, by ground.
    mapping(uint256 auctionId => mapping(IScoreOracle.Ground => mapping(uint256 index => bool))) internal _named;

    constructor(IScoreOracle oracle) EIP712("Q-MIA Exchange", "1") {
        AUCTION = IDataAuction(msg.sender);
        ORACLE = oracle;
    }

    /*//////////////////////////////////////////////////////////////
                                  FETCH
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IExchange
    function nameMissing(uint256 auctionId, uint32[] calldata indices) external payable {
        (uint256 from, uint256 to) = _phase(auctionId, IScoreOracle.Ground.Unavailable);
        _inPhase(from, (from + to) / 2);
        address buyer = _checkBuyer(auctionId, indices.length);
        for (uint256 i = 0; i < indices.length; ++i) {
            _name(auctionId, indices[i], IScoreOracle.Ground.Unavailable);
            emit Missed(auctionId, indices[i]);
        }
        if (msg.value != 0) ORACLE.payFees{value: msg.value}(address(AUCTION), auctionId, buyer);
    }

    /*//////////////////////////////////////////////////////////////
                                 DELIVER
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IExchange
    function deliver(
        uint256 auctionId,
        Place calldata place,
        Delivery calldata delivery,
        bytes calldata ephemeralSignature,
        bytes calldata ownerSignature
    ) external {
        bytes32 digest = deliveryDigest(auctionId, place.index, delivery);
        // The signature shows that the point is on the curve and somebody's own. With x >= n no proof could name it.
        address signer = ECDSA.recoverCalldata(digest, ephemeralSignature);
        address point = address(uint160(uint256(keccak256(abi.encode(delivery.x, delivery.y)))));
        if (uint256(delivery.x) >= ChaumPedersen.N || signer != point) revert EphemeralKeyInvalid(signer);
        if (msg.sender != place.owner && !Signatures.signedBy(place.owner, digest, ownerSignature)) {
            revert SignatureInvalid(place.owner);
        }
        bytes13 tag = bytes13(uint104(BidLibrary.tagOf(address(AUCTION), auctionId, place)));
        AUCTION.recordDelivery(auctionId, place.index, tag, uint256(digest) >> 176);
        // slither-disable-next-line reentrancy-events (the auction calls nobody here)
        emit Delivered(auctionId, place.index, delivery);
    }

    /*//////////////////////////////////////////////////////////////
                                 DISPUTE
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IExchange
    function refute(
        uint256 auctionId,
        Place calldata place,
        IDataAuction.DataSet calldata dataSet,
        Delivery calldata delivery,
        ChaumPedersen.Point calldata key,
        ChaumPedersen.Proof calldata proof
    ) external {
        (uint256 from, uint256 to) = _phase(auctionId, IScoreOracle.Ground.Refuted);
        _inPhase(from, to);
        Bid bid = AUCTION.bids(auctionId, place.index, place.index + 1)[0];
        if (
            !bid.has(BidLibrary.DELIVERED) ||
            bid.tag() != BidLibrary.tagOf(address(AUCTION), auctionId, place) ||
            place.dataSet != keccak256(abi.encode(dataSet)) ||
            bid.cost() != uint256(deliveryDigest(auctionId, place.index, delivery)) >> 176
        ) revert NotTheDelivery(auctionId, place.index);
        // slither-disable-next-line unused-return (buyer and fee are not needed)
        (, address buyerKey, ) = AUCTION.buyerOf(auctionId);
        if (ChaumPedersen.addressOf(key) != buyerKey) revert NotTheKey(ChaumPedersen.addressOf(key));

        bytes32 context = keccak256(abi.encode(block.chainid, AUCTION, auctionId, uint256(place.index)));
        ChaumPedersen.Point memory ephemeral = ChaumPedersen.Point(uint256(delivery.x), uint256(delivery.y));
        if (!ChaumPedersen.verify(context, key, ephemeral, proof)) revert ProofInvalid();
        bytes32 dataKey = delivery.wrapped ^ keccak256(abi.encode(proof.shared.x, proof.shared.y, context));
        if (keccak256(abi.encode(dataKey)) == dataSet.keyCommitment) revert KeyIsRight(auctionId, place.index);
        emit Refuted(auctionId, place.index, dataKey, proof);
        AUCTION.strikeOut(auctionId, place.index, IScoreOracle.Ground.Refuted);
    }

    /// @inheritdoc IExchange
    function complain(uint256 auctionId, uint32 index, bytes32 complaint) external payable {
        (uint256 from, uint256 to) = _phase(auctionId, IScoreOracle.Ground.Unreadable);
        _inPhase(from, (from + to) / 2);
        address buyer = _checkBuyer(auctionId, 1);
        _name(auctionId, index, IScoreOracle.Ground.Unreadable);
        emit Complained(auctionId, index, complaint);
        if (msg.value != 0) ORACLE.payFees{value: msg.value}(address(AUCTION), auctionId, buyer);
    }

    /// @inheritdoc IExchange
    function submitVerdict(
        uint256 auctionId,
        uint32 index,
        IScoreOracle.Ground ground,
        uint8[] calldata members,
        bytes[] calldata signatures
    ) external {
        if (ground != IScoreOracle.Ground.Unavailable && ground != IScoreOracle.Ground.Unreadable) {
            revert NotAGroundForVerdicts(ground);
        }
        (uint256 from, uint256 to) = _phase(auctionId, ground);
        _inPhase((from + to) / 2, to);
        if (!_named[auctionId][ground][index]) revert NotNamed(auctionId, index);
        ORACLE.checkVerdict(address(AUCTION), auctionId, index, ground, members, signatures);
        emit VerdictSubmitted(auctionId, index, ground, members, signatures);
        AUCTION.strikeOut(auctionId, index, ground);
    }

    /*//////////////////////////////////////////////////////////////
                                  VIEWS
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IExchange
    function deliveryDigest(
        uint256 auctionId,
        uint256 index,
        Delivery calldata delivery
    ) public view returns (bytes32) {
        return
            _hashTypedDataV4(
                keccak256(abi.encode(DELIVERY_TYPEHASH, auctionId, index, delivery.wrapped, delivery.x, delivery.y))
            );
    }

    /*//////////////////////////////////////////////////////////////
                                INTERNAL
    //////////////////////////////////////////////////////////////*/

    /// @dev The fetch phase for availability, the dispute phase for the rest.
    function _phase(uint256 auctionId, IScoreOracle.Ground ground) internal view returns (uint256 from, uint256 to) {
        (
            IDataAuction.State state,
            uint256 settleEnd,
            uint256 fetchEnd,
            uint256 deliverEnd,
            uint256 disputeEnd
        ) = AUCTION.saleEnds(auctionId);
        if (state != IDataAuction.State.Settled) revert NotSettled(auctionId);
        return ground == IScoreOracle.Ground.Unavailable ? (settleEnd, fetchEnd) : (deliverEnd, disputeEnd);
    }

    function _checkBuyer(uint256 auctionId, uint256 count) internal view returns (address buyer) {
        uint256 fee;
        // slither-disable-next-line unused-return (the key is not needed)
        (buyer, , fee) = AUCTION.buyerOf(auctionId);
        if (msg.sender != buyer) revert NotTheBuyer(msg.sender);
        if (msg.value != fee * count) revert FeeMismatch(msg.value, fee * count);
    }

    /// @dev A complaint concerns who has delivered; then every standing winner has, or is to be forfeited.
    function _name(uint256 auctionId, uint256 index, IScoreOracle.Ground ground) internal {
        // slither-disable-next-line calls-loop (the auction's own view; the buyer pays for its list)
        if (!AUCTION.isWinner(auctionId, index)) revert NotAWinner(auctionId, index);
        if (_named[auctionId][ground][index]) revert AlreadyNamed(auctionId, index);
        _named[auctionId][ground][index] = true;
    }

    function _inPhase(uint256 from, uint256 to) internal view {
        if (block.timestamp < from || block.timestamp >= to) revert OutOfPhase(block.timestamp, from, to);
    }
}
