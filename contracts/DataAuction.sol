// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {AuctionStorage} from "./AuctionStorage.sol";
import {Exchange} from "./Exchange.sol";
import {MutToken} from "./MutToken.sol";
import {Settlement} from "./Settlement.sol";
import {TermsRules} from "./TermsRules.sol";
import {IDataAuction} from "./interfaces/IDataAuction.sol";
import {IScoreOracle} from "./interfaces/IScoreOracle.sol";
import {Scores} from "./libraries/Scores.sol";
import {Signatures} from "./libraries/Signatures.sol";
import {Weights} from "./libraries/Weights.sol";
import {Bid, BidLibrary, Place} from "./types/Bid.sol";

/// @title DataAuction
/// @notice See IDataAuction for the protocol and every function.
contract DataAuction is AuctionStorage, IDataAuction, EIP712, Nonces, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /*//////////////////////////////////////////////////////////////
                                CONSTANTS
    //////////////////////////////////////////////////////////////*/

    /// @notice Version of the events' meaning; an auditor refuses versions that it does not know.
    uint256 public constant SCHEMA = 2;

    uint256 internal constant PPB = 1e9;
    uint256 internal constant CASH = 1;
    uint256 internal constant MUT = 2;
    uint256 internal constant BOND = 4;

    bytes32 internal constant COMMIT_TYPEHASH = keccak256(
        "Commit(uint256 auctionId,bytes32 sealedBid,bytes32 manifest,bytes32 contentDigest,uint64 size,bytes32 keyCommitment,bytes32 agreement,address payer,uint256 nonce,uint256 deadline)"
    );
    bytes32 internal constant OPENING_TYPEHASH = keccak256("Opening(uint256 auctionId,uint256 index,bytes32 opening)");
    bytes32 internal constant KEY_TYPEHASH = keccak256("EncryptionKey(address owner,bytes32 x,bytes32 y)");

    IScoreOracle public immutable ORACLE;
    TermsRules public immutable RULES;
    Settlement public immutable SETTLEMENT;
    Exchange public immutable EXCHANGE;
    address public immutable MUT_IMPLEMENTATION;
    /// @notice Seconds from the end of the commitments to the draw of the samples.
    uint256 public immutable DRAW;

    /*//////////////////////////////////////////////////////////////
                                 STORAGE
    //////////////////////////////////////////////////////////////*/

    uint256 public auctionCount;
    /// @inheritdoc IDataAuction
    mapping(uint256 auctionId => bytes32) public dstTermsHash;

    constructor(
        IScoreOracle oracle,
        uint256 draw,
        uint256 leastProviderWindow,
        uint256 leastOperatorWindow
    ) EIP712("Q-MIA DataAuction", "1") {
        // Arbitrum answers 1, others a small constant; a drawn one is this small once in 2^128 blocks.
        if (block.prevrandao < 1 << 128) revert NoRandomness(block.prevrandao);
        ORACLE = oracle;
        DRAW = draw;
        RULES = new TermsRules(draw, leastProviderWindow, leastOperatorWindow);
        EXCHANGE = new Exchange(oracle);
        MUT_IMPLEMENTATION = address(new MutToken());
        SETTLEMENT = new Settlement(MUT_IMPLEMENTATION);
    }

    /*//////////////////////////////////////////////////////////////
                                 CREATE
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    function create(
        Terms calldata terms,
        EncryptionKey calldata key
    ) external payable nonReentrant returns (uint256 auctionId) {
        address keyAddress = _checkKey(key);
        (uint256 beta, uint256 reserve, uint256 bounty) = RULES.check(terms, msg.value);

        auctionId = ++auctionCount;
        Auction storage auction = _auctions[auctionId];
        // slither-disable-next-line reentrancy-benign (the oracle calls nobody)
        _setPhases(auction, auctionId, terms);
        // In the order of their slots, so that each is written once.
        auction.maxBids = uint16(terms.maxBids);
        auction.depositGwei = uint48(terms.bondGwei) + terms.scoring.entryFeeGwei;
        auction.enrolment = terms.enrolment;
        auction.agreementTag = _tagOf(terms.agreement);
        auction.beta = uint80(beta);
        auction.qMin = terms.scoring.qMin;
        auction.weights = terms.weights;
        auction.token = terms.token;
        auction.bondGwei = terms.bondGwei;
        auction.price.rho = terms.rho;
        auction.budget = terms.budget;
        auction.tranche = terms.tranche;
        auction.entryFeeGwei = terms.scoring.entryFeeGwei;
        auction.pool = terms.pool;
        auction.buyer = msg.sender;
        auction.bounty = uint96(bounty);
        auction.keyAddress = keyAddress;
        auction.feeGwei = terms.scoring.feeGwei;
        auction.fetchFeeGwei = terms.scoring.fetchFeeGwei;
        if (terms.dst.supply != 0) dstTermsHash[auctionId] = keccak256(abi.encode(terms.dst));

        // Before the token is called: a hostile one could commit from within, and its log would come before this one.
        emit AuctionCreated(auctionId, msg.sender, SCHEMA, terms, key.x, key.y, bounty, beta, reserve);
        if (terms.budget != 0) {
            IERC20 token = IERC20(terms.token);
            uint256 before = token.balanceOf(address(this));
            token.safeTransferFrom(msg.sender, address(this), terms.budget);
            uint256 received = token.balanceOf(address(this)) - before;
            if (received != terms.budget) revert BalanceMismatch(terms.budget, received);
        }
    }

    /// @dev The key's own signature proves that somebody can open what is wrapped for it (no rogue or mistyped key).
    function _checkKey(EncryptionKey calldata key) internal view returns (address keyAddress) {
        keyAddress = address(uint160(uint256(keccak256(abi.encode(key.x, key.y)))));
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(KEY_TYPEHASH, msg.sender, key.x, key.y)));
        // slither-disable-next-line unused-return (of a malformed signature the signer is 0)
        (address signer, , ) = ECDSA.tryRecoverCalldata(digest, key.signature);
        if (signer != keyAddress) revert KeyNotOwned(signer, keyAddress);
    }

    /// @dev The oracle checks the score windows, and knows whether there is an appeal.
    function _setPhases(Auction storage auction, uint256 auctionId, Terms calldata terms) internal {
        Durations calldata durations = terms.durations;
        uint256 time = block.timestamp + durations.commit;
        auction.commitEnd = uint40(time);
        auction.openStart = uint40(time += DRAW);
        auction.openEnd = uint40(time += durations.open);
        time = ORACLE.open(
            auctionId,
            IScoreOracle.Request({
                operatorSet: terms.scoring.operatorSet,
                start: uint40(time),
                rollWindow: durations.roll,
                commitWindow: durations.scoreCommit,
                openWindow: durations.scoreOpen,
                postWindow: durations.scorePost,
                challengeWindow: durations.challenge,
                metricVersion: terms.scoring.metricVersion,
                stake: uint96(uint256(terms.scoring.stakeGwei) * 1 gwei),
                appealFee: uint96(uint256(terms.scoring.appealFeeGwei) * 1 gwei)
            })
        );
        auction.revealStart = uint40(time);
        auction.revealEnd = uint40(time += durations.reveal);
        auction.settleEnd = uint40(time += durations.settle);
        auction.fetchEnd = uint40(time += durations.fetch);
        auction.deliverWindow = uint24(durations.deliver);
        auction.disputeEnd = uint40(time + durations.deliver + durations.dispute);
    }

    /*//////////////////////////////////////////////////////////////
                                 COMMIT
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    function commit(
        uint256 auctionId,
        bytes32 sealedBid,
        DataSet calldata dataSet,
        bytes32 agreement
    ) external payable returns (uint256 index) {
        return _commit(auctionId, sealedBid, dataSet, agreement, msg.sender);
    }

    /// @inheritdoc IDataAuction
    function commitFor(
        uint256 auctionId,
        bytes32 sealedBid,
        DataSet calldata dataSet,
        bytes32 agreement,
        address owner,
        uint256 deadline,
        bytes calldata signature
    ) external payable returns (uint256 index) {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        bytes32 structHash = keccak256(
            abi.encode(
                COMMIT_TYPEHASH,
                auctionId,
                sealedBid,
                dataSet,
                agreement,
                // Free to choose the payer, a relayer could look for two owners' tags that collide (2^52 work).
                msg.sender,
                _useNonce(owner),
                deadline
            )
        );
        _checkSignature(owner, structHash, signature);
        return _commit(auctionId, sealedBid, dataSet, agreement, owner);
    }

    function _checkSignature(address owner, bytes32 structHash, bytes calldata signature) internal view {
        if (!Signatures.signedBy(owner, _hashTypedDataV4(structHash), signature)) revert SignatureInvalid(owner);
    }

    // slither-disable-next-line msg-value-in-nonpayable (both of its callers are payable)
    function _commit(
        uint256 auctionId,
        bytes32 sealedBid,
        DataSet calldata dataSet,
        bytes32 agreement,
        address owner
    ) internal returns (uint256 index) {
        Auction storage auction = _auctions[auctionId];
        // An unknown auctionId has commitEnd 0 and fails here too.
        _inPhase(0, auction.commitEnd);
        uint256 due = uint256(auction.depositGwei) * 1 gwei;
        if (msg.value != due) revert DepositMismatch(msg.value, due);
        if (_tagOf(agreement) != auction.agreementTag) revert AgreementDiffers(agreement);
        index = auction.count;
        if (index == auction.maxBids) revert AuctionFull(index);
        if (auction.enrolment && sealedBid != sealBid(auctionId, owner, 0, 0)) revert NotAnEnrolment(sealedBid);
        unchecked {
            auction.count = uint16(index + 1);
        }
        Place memory place = Place(uint32(index), owner, msg.sender, keccak256(abi.encode(dataSet)));
        _setBid(auctionId, place.index, BidLibrary.commitment(sealedBid, place, BidLibrary.COMMITTED));
        emit Committed(auctionId, index, owner, msg.sender, sealedBid, dataSet);
    }

    /// @dev Half a digest, so that a commitment reads one slot. A hash of it and not its beginning: another digest with
    /// this tag would be a second preimage, so who commits has named this very text.
    function _tagOf(bytes32 agreement) internal pure returns (bytes16) {
        return bytes16(keccak256(abi.encode(agreement)));
    }

    /// @inheritdoc IDataAuction
    function withdrawBid(uint256 auctionId, bytes32 sealedBid, Place calldata place) external {
        _inPhase(0, _auctions[auctionId].commitEnd);
        if (msg.sender != place.owner) revert NotTheOwner(auctionId, place.index);
        _checkCommitted(auctionId, sealedBid, place);
        _setBid(auctionId, place.index, BidLibrary.commitment(sealedBid, place, BidLibrary.OUT));
        emit Withdrawn(auctionId, place.index);
    }

    /*//////////////////////////////////////////////////////////////
                                  OPEN
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    function open(uint256 auctionId, bytes32 sealedBid, Place calldata place, bytes32 opening) external {
        if (msg.sender != place.owner) revert NotTheOwner(auctionId, place.index);
        _open(auctionId, sealedBid, place, opening);
    }

    /// @inheritdoc IDataAuction
    function openFor(
        uint256 auctionId,
        bytes32 sealedBid,
        Place calldata place,
        bytes32 opening,
        bytes calldata signature
    ) external {
        bytes32 structHash = keccak256(abi.encode(OPENING_TYPEHASH, auctionId, uint256(place.index), opening));
        _checkSignature(place.owner, structHash, signature);
        _open(auctionId, sealedBid, place, opening);
    }

    /// @dev The first one in the logs counts. Nothing on chain reads it, so no flag is stored: that saves 2,900 gas.
    function _open(uint256 auctionId, bytes32 sealedBid, Place calldata place, bytes32 opening) internal {
        Auction storage auction = _auctions[auctionId];
        _inPhase(auction.openStart, auction.openEnd);
        _checkCommitted(auctionId, sealedBid, place);
        emit Opened(auctionId, place.index, opening);
    }

    function _checkCommitted(uint256 auctionId, bytes32 sealedBid, Place memory place) internal view {
        if (!_bid(auctionId, place.index).same(BidLibrary.commitment(sealedBid, place, BidLibrary.COMMITTED))) {
            revert NotTheCommitment(auctionId, place.index);
        }
    }

    /*//////////////////////////////////////////////////////////////
                                 REVEAL
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    // slither-disable-next-line reentrancy-eth,reentrancy-events (the oracle credits and calls nobody)
    function reveal(uint256 auctionId, Place calldata place, uint256 cost, bytes32 salt) external {
        Auction storage auction = _auctions[auctionId];
        // Read with the deadlines, from the same slot.
        (uint256 beta, uint256 qMin) = (auction.beta, auction.qMin);
        _inPhase(auction.revealStart, auction.revealEnd);
        uint256 index = place.index;
        // Once for both of its hashes.
        Place memory copied = place;
        _checkCommitted(auctionId, sealBid(auctionId, place.owner, cost, salt), copied);
        address chunk = _scores[auctionId][index / Scores.CHUNK];
        if (chunk == address(0)) {
            acceptScores(auctionId);
            chunk = _scores[auctionId][index / Scores.CHUNK];
        }
        uint256 score = Scores.read(chunk, index % Scores.CHUNK);
        if (Scores.flags(score) & Scores.PRESENT == 0) revert NotOnTheRoll(auctionId, index);
        bool flagged = Scores.flags(score) & Scores.UNDERSERVED != 0;
        uint256 weight;
        uint256 stored;
        // Weight 0 takes part in no clock. A bid above β could never win and would still set a price.
        if (cost <= beta && Scores.q(score) >= qMin && Scores.phi(score) != 0) {
            weight = Weights.weight(auction.weights, Scores.q(score), Scores.phi(score));
            stored = cost;
        }
        uint256 tag = BidLibrary.tagOf(address(this), auctionId, copied);
        _setBid(auctionId, place.index, BidLibrary.pack(stored, weight, flagged, tag));
        emit Revealed(auctionId, index, cost, salt, weight, flagged);
    }

    /// @inheritdoc IDataAuction
    function acceptScores(uint256 auctionId) public {
        Auction storage auction = _auctions[auctionId];
        _inPhase(auction.revealStart, auction.revealEnd);
        (uint256 round, address[] memory chunks) = ORACLE.finalScores(address(this), auctionId);
        if (_scores[auctionId][0] != address(0)) return;
        for (uint256 i = 0; i < chunks.length; ++i) {
            _scores[auctionId][i] = chunks[i];
        }
        uint256 fees = (auction.feeGwei + uint256(auction.entryFeeGwei) * auction.count) * 1 gwei;
        emit ScoresAccepted(auctionId, round, chunks, fees);
        if (fees != 0) ORACLE.payFees{value: fees}(address(this), auctionId, auction.buyer);
    }

    /*//////////////////////////////////////////////////////////////
                                 SETTLE
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    function settle(
        uint256 auctionId,
        Marginals calldata marginals,
        uint256 count
    ) external nonReentrant returns (bool done) {
        bytes memory call = abi.encodeCall(SETTLEMENT.settle, (auctionId, marginals, count));
        return abi.decode(Address.functionDelegateCall(address(SETTLEMENT), call), (bool));
    }

    /*//////////////////////////////////////////////////////////////
                                 DELIVER
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    function recordDelivery(uint256 auctionId, uint32 index, bytes13 tag, uint256 digest80) external {
        if (msg.sender != address(EXCHANGE)) revert NotTheExchange(msg.sender);
        Auction storage auction = _auctions[auctionId];
        if (auction.state != State.Settled) revert WrongState(auction.state);
        _inPhase(auction.fetchEnd, uint256(auction.fetchEnd) + auction.deliverWindow);
        Bid bid = _bid(auctionId, index);
        if (!bid.has(BidLibrary.REVEALED)) revert NotRevealed(auctionId, index);
        if (bytes13(uint104(bid.tag())) != tag) revert NotTheOwner(auctionId, index);
        if (bid.has(BidLibrary.DELIVERED)) revert AlreadyDelivered(auctionId, index);
        if (bid.has(BidLibrary.OUT)) revert AlreadyStruckOut(auctionId, index);
        if (!_wins(auction, bid, index)) revert NotAWinner(auctionId, index);
        unchecked {
            ++auction.delivered;
        }
        _setBid(auctionId, index, bid.delivered(digest80));
    }

    /// @inheritdoc IDataAuction
    function strikeOut(uint256 auctionId, uint256 index, IScoreOracle.Ground ground) external nonReentrant {
        if (msg.sender != address(EXCHANGE)) revert NotTheExchange(msg.sender);
        (uint256 cash, uint256 mut) = _strikeOut(auctionId, index);
        emit StruckOut(auctionId, index, cash, mut, ground);
    }

    /// @inheritdoc IDataAuction
    function forfeit(uint256 auctionId, uint256 index) external nonReentrant {
        Auction storage auction = _auctions[auctionId];
        if (auction.state != State.Settled) revert WrongState(auction.state);
        _inPhase(uint256(auction.fetchEnd) + auction.deliverWindow, type(uint256).max);
        if (_bids[auctionId][index].has(BidLibrary.DELIVERED)) revert AlreadyDelivered(auctionId, index);
        (uint256 cash, uint256 mut) = _strikeOut(auctionId, index);
        emit StruckOut(auctionId, index, cash, mut, IScoreOracle.Ground.Silent);
    }

    /// @dev Payment back to the buyer, MUT struck out, bond burned: it pays neither the buyer nor who decides.
    function _strikeOut(uint256 auctionId, uint256 index) internal returns (uint256 cash, uint256 mut) {
        Auction storage auction = _auctions[auctionId];
        Bid bid = _bids[auctionId][index];
        if (bid.has(BidLibrary.OUT)) revert AlreadyStruckOut(auctionId, index);
        if (!_wins(auction, bid, index)) revert NotAWinner(auctionId, index);
        (cash, mut) = _reward(auction, bid);
        _bids[auctionId][index] = bid.without(BidLibrary.DELIVERED).with(
            BidLibrary.OUT | BidLibrary.CASH_PAID | BidLibrary.MUT_PAID | BidLibrary.BOND_PAID
        );
        if (bid.has(BidLibrary.DELIVERED)) --auction.delivered;
        ++auction.forfeited;
        auction.refund += uint80(cash);
        // slither-disable-next-line reentrancy-events (the auction's own token)
        if (mut != 0) MutToken(mutToken(auctionId)).reduce(mut);
        _sendNative(BURN, uint256(auction.bondGwei) * 1 gwei);
    }

    /*//////////////////////////////////////////////////////////////
                                  CLAIM
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    function claim(uint256 auctionId, Place calldata place, uint256 parts) external nonReentrant {
        Auction storage auction = _auctions[auctionId];
        Bid bid = _bid(auctionId, place.index);
        if (!bid.has(BidLibrary.REVEALED)) revert NotRevealed(auctionId, place.index);
        if (bid.tag() != BidLibrary.tagOf(address(this), auctionId, place)) revert NotTheOwner(auctionId, place.index);

        uint256 cash;
        uint256 mut;
        uint256 bond;
        uint256 paid;
        // Nothing is delivered before the settlement, so this branch need not read the state.
        if (bid.has(BidLibrary.DELIVERED)) {
            _inPhase(auction.disputeEnd, type(uint256).max);
            (cash, mut) = _reward(auction, bid);
            if (parts & CASH == 0 || bid.has(BidLibrary.CASH_PAID)) cash = 0;
            else paid = BidLibrary.CASH_PAID;
            if (parts & MUT == 0 || bid.has(BidLibrary.MUT_PAID)) mut = 0;
            else paid |= BidLibrary.MUT_PAID;
        } else {
            if (auction.state == State.Open) revert WrongState(State.Open);
            if (auction.state == State.Settled && _wins(auction, bid, place.index))
                revert NothingToClaim(auctionId, place.index);
        }
        if (parts & BOND != 0 && !bid.has(BidLibrary.BOND_PAID)) {
            paid |= BidLibrary.BOND_PAID;
            bond = uint256(auction.bondGwei) * 1 gwei;
        }
        if (paid == 0) revert NothingToClaim(auctionId, place.index);

        IERC20 token = IERC20(auction.token);
        _setBid(auctionId, place.index, bid.with(paid));
        emit Claimed(auctionId, place.index, place.owner, place.payer, cash, mut, bond);
        if (mut != 0) MutToken(mutToken(auctionId)).mint(place.owner, mut);
        if (cash != 0) token.safeTransfer(place.owner, cash);
        _sendNative(place.payer, bond);
    }

    /// @inheritdoc IDataAuction
    function reclaimBond(uint256 auctionId, bytes32 sealedBid, Place calldata place) external nonReentrant {
        Auction storage auction = _auctions[auctionId];
        _inPhase(auction.commitEnd, type(uint256).max);
        bool over = auction.state != State.Open;
        Bid bid = _bid(auctionId, place.index);
        // Committed, withdrawn, or withdrawn with the bond back; the hash is the same.
        Bid plain = BidLibrary.commitment(sealedBid, place, 0);
        uint256 amount;
        if (
            bid.same(plain.with(BidLibrary.OUT)) ||
            (auction.state == State.Aborted && bid.same(plain.with(BidLibrary.COMMITTED)))
        ) {
            amount = auction.bondGwei;
        } else if (!over || !bid.same(plain.with(BidLibrary.OUT | BidLibrary.BOND_PAID))) {
            revert NotTheCommitment(auctionId, place.index);
        }
        // Scores that stood have been paid for, whatever became of the auction.
        if (over && _scores[auctionId][0] == address(0)) amount += auction.entryFeeGwei;
        if (amount == 0) revert NothingToClaim(auctionId, place.index);
        Bid left = over ? Bid.wrap(0) : plain.with(BidLibrary.OUT | BidLibrary.BOND_PAID);
        _setBid(auctionId, place.index, left);
        emit BondReclaimed(auctionId, place.index, place.payer, amount * 1 gwei);
        _sendNative(place.payer, amount * 1 gwei);
    }

    /// @inheritdoc IDataAuction
    function claimBounty(uint256 auctionId) external nonReentrant {
        Auction storage auction = _auctions[auctionId];
        if (auction.state != State.Settled) revert WrongState(auction.state);
        uint256 walked = _walked[auction.proposal][msg.sender];
        if (walked == 0) revert NothingToClaim(auctionId, 0);
        _walked[auction.proposal][msg.sender] = 0;
        _payBounty(auctionId, (uint256(auction.bounty) * walked) / auction.count);
    }

    /// @inheritdoc IDataAuction
    function withdrawRefund(uint256 auctionId, address to) external nonReentrant {
        Auction storage auction = _auctions[auctionId];
        if (msg.sender != auction.buyer) revert NotTheBuyer(msg.sender);
        if (auction.state == State.Open) revert WrongState(State.Open);
        (uint256 amount, uint256 mut, uint256 native) = (auction.refund, auction.buyerMut, 0);
        // Without bids nobody walked, and the bounty has no other taker.
        if (auction.state == State.Aborted || auction.count == 0) (native, auction.bounty) = (auction.bounty, 0);
        if (_scores[auctionId][0] == address(0)) {
            native += uint256(auction.feeGwei) * 1 gwei;
            auction.feeGwei = 0;
        }
        (auction.refund, auction.buyerMut) = (0, 0);
        emit RefundWithdrawn(auctionId, to, amount, mut, native);
        if (mut != 0) MutToken(mutToken(auctionId)).mint(to, mut);
        if (amount != 0) IERC20(auction.token).safeTransfer(to, amount);
        _sendNative(to, native);
    }

    /*//////////////////////////////////////////////////////////////
                                  ABORT
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    function abort(uint256 auctionId) external {
        Auction storage auction = _auctions[auctionId];
        if (auction.buyer == address(0)) revert UnknownAuction(auctionId);
        if (auction.state != State.Open) revert WrongState(auction.state);
        if (block.timestamp < auction.settleEnd && !ORACLE.failed(address(this), auctionId)) revert ScoresStanding();
        auction.state = State.Aborted;
        auction.refund = auction.budget;
        emit Aborted(auctionId);
    }

    /*//////////////////////////////////////////////////////////////
                                  VIEWS
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    function sealBid(uint256 auctionId, address owner, uint256 cost, bytes32 salt) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), auctionId, owner, cost, salt));
    }

    /// @inheritdoc IDataAuction
    function bidCount(uint256 auctionId) external view returns (uint256) {
        return _auctions[auctionId].count;
    }

    /// @inheritdoc IDataAuction
    function bids(uint256 auctionId, uint256 from, uint256 to) external view returns (Bid[] memory out) {
        out = new Bid[](to - from);
        for (uint256 i = from; i < to; ++i) {
            out[i - from] = _bids[auctionId][i];
        }
    }

    /// @inheritdoc IDataAuction
    function isWinner(uint256 auctionId, uint256 index) external view returns (bool) {
        Auction storage auction = _auctions[auctionId];
        return auction.state == State.Settled && _wins(auction, _bids[auctionId][index], index);
    }

    /// @inheritdoc IDataAuction
    function deliveriesResolved(uint256 auctionId) external view returns (bool) {
        Auction storage auction = _auctions[auctionId];
        return
            auction.state == State.Settled &&
            block.timestamp >= auction.disputeEnd &&
            uint256(auction.delivered) + auction.forfeited == auction.winners;
    }

    /// @inheritdoc IDataAuction
    function hasHolders(uint256 auctionId) external view returns (bool) {
        Auction storage auction = _auctions[auctionId];
        return auction.buyerHolds || auction.forfeited < auction.winners;
    }

    /// @inheritdoc IDataAuction
    function scoreChunks(uint256 auctionId) external view returns (address[] memory chunks) {
        uint256 count = (_auctions[auctionId].count + Scores.CHUNK - 1) / Scores.CHUNK;
        chunks = new address[](count);
        for (uint256 i = 0; i < count; ++i) {
            chunks[i] = _scores[auctionId][i];
        }
    }

    /// @inheritdoc IDataAuction
    function phases(uint256 auctionId) external view returns (State state, uint256[9] memory ends) {
        Auction storage auction = _auctions[auctionId];
        state = auction.state;
        (ends[0], ends[1], ends[2], ends[3]) = (
            auction.commitEnd,
            auction.openStart,
            auction.openEnd,
            auction.revealStart
        );
        (ends[4], ends[5], ends[6]) = (auction.revealEnd, auction.settleEnd, auction.fetchEnd);
        (ends[7], ends[8]) = (uint256(auction.fetchEnd) + auction.deliverWindow, auction.disputeEnd);
    }

    /// @inheritdoc IDataAuction
    function saleEnds(
        uint256 auctionId
    ) external view returns (State state, uint256 settleEnd, uint256 fetchEnd, uint256 deliverEnd, uint256 disputeEnd) {
        Auction storage auction = _auctions[auctionId];
        return (
            auction.state,
            auction.settleEnd,
            auction.fetchEnd,
            uint256(auction.fetchEnd) + auction.deliverWindow,
            auction.disputeEnd
        );
    }

    /// @inheritdoc IDataAuction
    function buyerOf(uint256 auctionId) external view returns (address buyer, address key, uint256 fetchFee) {
        Auction storage auction = _auctions[auctionId];
        return (auction.buyer, auction.keyAddress, uint256(auction.fetchFeeGwei) * 1 gwei);
    }

    /// @inheritdoc IDataAuction
    function mutToken(uint256 auctionId) public view returns (address) {
        return Clones.predictDeterministicAddress(MUT_IMPLEMENTATION, bytes32(auctionId));
    }

    /*//////////////////////////////////////////////////////////////
                                INTERNAL
    //////////////////////////////////////////////////////////////*/

    /// @dev Whether a bid won and was not struck out. Of who delivered the cost is gone, but it has won.
    function _wins(Auction storage auction, Bid bid, uint256 index) internal view returns (bool) {
        if (!bid.stands() || bid.has(BidLibrary.OUT)) return false;
        if (bid.has(BidLibrary.DELIVERED)) return true;
        (uint256 last, uint256 cost, uint256 weight) = (auction.lastIndex, auction.lastCost, auction.lastWeight);
        if (auction.split && bid.has(BidLibrary.FLAGGED)) {
            Marginal storage marginal = auction.lastFlagged;
            (last, cost, weight) = (marginal.index, marginal.cost, marginal.weight);
        }
        if (weight == 0) return false;
        return !bid.comesAfter(index, BidLibrary.pack(cost, weight, false, 0), last);
    }

    /// @dev `floor(t w)`, split: cash `floor(ρ p)`, MUT the rest.
    function _reward(Auction storage auction, Bid bid) internal view returns (uint256 cash, uint256 mut) {
        PaidPrice memory price;
        if (bid.has(BidLibrary.FLAGGED)) price = auction.flaggedPrice;
        if (price.den == 0) price = auction.price;
        uint256 reward = (uint256(price.num) * bid.weight()) / price.den;
        // slither-disable-next-line divide-before-multiply (the rule rounds the reward, then splits it)
        cash = (reward * price.rho) / PPB;
        mut = reward - cash;
    }
}
