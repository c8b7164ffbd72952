// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {DstFactory} from "./DstFactory.sol";
import {IDstToken} from "./interfaces/IDstToken.sol";
import {IMetricRegistry} from "./interfaces/IMetricRegistry.sol";

/// @title MetricRegistry
/// @notice See IMetricRegistry.
contract MetricRegistry is IMetricRegistry {
    using SafeERC20 for IERC20;

    struct Proposal {
        address proposer;
        uint40 closes;
        uint40 latest;
        bool bondGone;
    }

    struct Held {
        uint128 amount;
        uint40 until;
    }

    /// @notice Longest document, bytes.
    uint256 public constant MAX_DOCUMENT = 24_576;
    /// @notice An objection within this time of the end moves the end to this time after it.
    uint256 public constant EXTENSION = 1 days;

    DstFactory public immutable FACTORY;
    address public immutable PAYOUT_TOKEN;
    uint256 public immutable FLOOR;
    uint256 public immutable SHARE;
    uint256 public immutable WINDOW;
    uint256 public immutable BOND;
    bytes32 public immutable GENESIS;

    mapping(bytes32 version => Proposal) internal _proposals;
    mapping(address holder => mapping(address token => Held)) internal _held;
    mapping(bytes32 version => mapping(address token => mapping(address holder => uint256))) public objectionOf;

    constructor(
        DstFactory factory,
        address payoutToken,
        uint256 floor,
        uint256 share,
        uint256 window,
        uint256 bond,
        bytes32 genesis
    ) {
        if (window == 0 || window > 365 days || floor == 0 || share == 0 || share > 10_000)
            revert RulesInvalid(window, floor, share);
        FACTORY = factory;
        // slither-disable-next-line missing-zero-check (compared only; auctions in it do not exist)
        PAYOUT_TOKEN = payoutToken;
        FLOOR = floor;
        SHARE = share;
        WINDOW = window;
        BOND = bond;
        GENESIS = genesis;
    }

    /// @inheritdoc IMetricRegistry
    function propose(bytes calldata document) external payable returns (bytes32 version) {
        if (document.length == 0 || document.length > MAX_DOCUMENT) revert DocumentInvalid(document.length);
        if (msg.value != BOND) revert BondWrong(msg.value, BOND);
        version = sha256(document);
        if (version == GENESIS || _proposals[version].closes != 0) revert AlreadyProposed(version);
        uint256 closes = block.timestamp + WINDOW;
        uint256 latest = closes + WINDOW;
        _proposals[version] = Proposal(msg.sender, uint40(closes), uint40(latest), false);
        emit Proposed(version, msg.sender, closes, latest, document);
    }

    /// @inheritdoc IMetricRegistry
    function lock(address token, uint256 amount) external {
        if (FACTORY.tokenOf(_auctionOf(token)) != token) revert NotAParticipationToken(token);
        Held storage held = _held[msg.sender][token];
        // A supply is below 2^96, so no sum of locks is cut.
        held.amount += uint128(amount);
        emit Locked(token, msg.sender, amount);
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IMetricRegistry
    function object(bytes32 version, address token) external {
        Proposal storage proposal = _proposals[version];
        (uint256 closes, uint256 latest) = (proposal.closes, proposal.latest);
        if (closes == 0) revert NotProposed(version);
        if (block.timestamp >= closes) revert Closed(version, closes);
        Held storage held = _held[msg.sender][token];
        uint256 amount = held.amount;
        if (amount == objectionOf[version][token][msg.sender]) revert NothingLocked(token);
        objectionOf[version][token][msg.sender] = amount;
        if (held.until < latest) held.until = uint40(latest);
        emit Objected(version, token, msg.sender, amount);

        uint256 extended = block.timestamp + EXTENSION;
        if (extended > latest) extended = latest;
        if (extended > closes) {
            proposal.closes = uint40(extended);
            emit Extended(version, extended);
        }
    }

    /// @inheritdoc IMetricRegistry
    function release(address token) external {
        Held memory held = _held[msg.sender][token];
        if (held.amount == 0) revert NothingLocked(token);
        if (block.timestamp < held.until) revert TooEarly(held.until);
        delete _held[msg.sender][token];
        emit Released(token, msg.sender, held.amount);
        IERC20(token).safeTransfer(msg.sender, held.amount);
    }

    /// @inheritdoc IMetricRegistry
    function returnBond(bytes32 version) external {
        Proposal storage proposal = _proposals[version];
        if (proposal.closes == 0) revert NotProposed(version);
        if (block.timestamp < proposal.closes) revert TooEarly(proposal.closes);
        if (proposal.bondGone) revert BondGone(version);
        proposal.bondGone = true;
        emit BondReturned(version, proposal.proposer, BOND);
        // slither-disable-next-line low-level-calls (a transfer; its failure undoes everything)
        (bool sent, ) = proposal.proposer.call{value: BOND}("");
        if (!sent) revert BondGone(version);
    }

    /// @inheritdoc IMetricRegistry
    function closesAt(bytes32 version) external view returns (uint256) {
        return _proposals[version].closes;
    }

    /// @inheritdoc IMetricRegistry
    function lockOf(address holder, address token) external view returns (uint256 amount, uint256 until) {
        Held memory held = _held[holder][token];
        return (held.amount, held.until);
    }

    /// @dev The auction that a token says it belongs to; what is no contract, or answers nothing, belongs to none.
    function _auctionOf(address token) internal view returns (uint256) {
        if (token.code.length == 0) revert NotAParticipationToken(token);
        try IDstToken(token).auctionId() returns (uint256 id) {
            return id;
        } catch {
            revert NotAParticipationToken(token);
        }
    }
}
