// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Bids} from "../../contracts/libraries/Bids.sol";
import {Medians} from "../../contracts/libraries/Medians.sol";
import {Scores} from "../../contracts/libraries/Scores.sol";

/// @notice What is packed comes out again, for every value of full width.
contract Packing {
    using Bids for uint256;

    function check_bid_unpacksToWhatWasPacked(uint80 cost, uint64 weight, bool flagged, uint104 tag) external pure {
        uint256 bid = Bids.pack(cost, weight, flagged, tag);
        assert(bid.cost() == cost && bid.weight() == weight && bid >> 152 == tag);
        assert(bid.is_(Bids.REVEALED) && bid.is_(Bids.FLAGGED) == flagged);
        assert(bid & 0xff & ~(Bids.REVEALED | Bids.FLAGGED) == 0);
        assert(bid.stands() == (weight != 0));
    }

    /// @dev The later marks of a bid touch neither its values nor one another.
    function check_marks_changeNoValue(uint80 cost, uint64 weight, uint104 tag, uint8 marks) external pure {
        uint256 bid = Bids.pack(cost, weight, false, tag);
        uint256 marked = bid | (marks & ~uint8(Bids.REVEALED | Bids.FLAGGED));
        assert(marked.cost() == cost && marked.weight() == weight && marked >> 152 == tag);
    }

    function check_commitment_isNeverRevealed(bytes32 seal, uint256 index, address owner, address payer) external pure {
        uint256 bid = Bids.commitment(seal, index, owner, payer);
        assert(bid & 0xff == Bids.COMMITTED);
        assert(!bid.stands());
    }

    function check_score_itsFieldsAreAllOfIt(uint64[2] calldata scores) external pure {
        bytes memory vector = abi.encodePacked(bytes8(scores[0]), bytes8(scores[1]));
        for (uint256 i = 0; i < 2; ++i) {
            uint256 score = Scores.item(vector, i);
            assert(score == scores[i]);
            uint256 upper = (Scores.flags(score) << 28) | (Scores.q(score) << 14) | Scores.phi(score);
            assert(score == (upper << 32) | Scores.volume(score));
        }
    }

    // Medians of three words of four scores, full width; each field apart, as their orders are independent.

    function check_median_ofVolumes(uint256[3] calldata words, uint8 lane) external pure {
        (uint256 out, uint256 a, uint256 b, uint256 c) = _median(words, lane);
        assert(Scores.volume(out) == _middle(Scores.volume(a), Scores.volume(b), Scores.volume(c)));
    }

    function check_median_ofMarginalUtilities(uint256[3] calldata words, uint8 lane) external pure {
        (uint256 out, uint256 a, uint256 b, uint256 c) = _median(words, lane);
        assert(Scores.phi(out) == _middle(Scores.phi(a), Scores.phi(b), Scores.phi(c)));
    }

    function check_median_ofQualities(uint256[3] calldata words, uint8 lane) external pure {
        (uint256 out, uint256 a, uint256 b, uint256 c) = _median(words, lane);
        assert(Scores.q(out) == _middle(Scores.q(a), Scores.q(b), Scores.q(c)));
    }

    function check_median_ofFlags(uint256[3] calldata words, uint8 lane) external pure {
        (uint256 out, uint256 a, uint256 b, uint256 c) = _median(words, lane);
        uint256 majority = (a & b) | (a & c) | (b & c);
        assert(Scores.flags(out) == Scores.flags(majority) & (Scores.ELIGIBLE | Scores.UNDERSERVED));
    }

    function _median(
        uint256[3] calldata vectors,
        uint256 lane
    ) internal pure returns (uint256 out, uint256 a, uint256 b, uint256 c) {
        uint256[] memory words = new uint256[](3);
        uint256[] memory starts = new uint256[](3);
        for (uint256 i = 0; i < 3; ++i) {
            words[i] = vectors[i];
            uint256 start;
            assembly ("memory-safe") {
                start := add(words, mul(32, add(i, 1)))
            }
            starts[i] = start;
        }
        Medians.lower(starts, 1);
        uint256 shift = (lane % 4) * 64;
        out = uint64(words[0] >> shift);
        (a, b, c) = (uint64(vectors[0] >> shift), uint64(vectors[1] >> shift), uint64(vectors[2] >> shift));
    }

    function _middle(uint256 a, uint256 b, uint256 c) internal pure returns (uint256) {
        if (a > b) (a, b) = (b, a);
        if (b > c) (b, c) = (c, b);
        return a > b ? a : b;
    }
}
