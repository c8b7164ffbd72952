// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Medians} from "../../contracts/libraries/Medians.sol";
import {Roll} from "../../contracts/libraries/Roll.sol";
import {Scores} from "../../contracts/libraries/Scores.sol";
import {Bid, BidLibrary, Place} from "../../contracts/types/Bid.sol";

/// @notice What is packed comes out again, for every value of full width.
contract Packing {
    function check_bid_unpacksToWhatWasPacked(uint80 cost, uint64 weight, bool flagged, uint104 tag) external pure {
        Bid bid = BidLibrary.pack(cost, weight, flagged, tag);
        assert(bid.cost() == cost && bid.weight() == weight && bid.tag() == tag);
        assert(bid.has(BidLibrary.REVEALED) && bid.has(BidLibrary.FLAGGED) == flagged);
        assert(Bid.unwrap(bid) & 0xff & ~(BidLibrary.REVEALED | BidLibrary.FLAGGED) == 0);
        assert(bid.stands() == (weight != 0));
    }

    /// @dev The later marks of a bid touch neither its values nor one another.
    function check_marks_changeNoValue(uint80 cost, uint64 weight, uint104 tag, uint8 marks) external pure {
        Bid bid = BidLibrary.pack(cost, weight, false, tag);
        uint256 later = marks & ~uint8(BidLibrary.REVEALED | BidLibrary.FLAGGED);
        Bid marked = bid.with(later);
        assert(marked.cost() == cost && marked.weight() == weight && marked.tag() == tag);
        assert(marked.without(later).same(bid));
    }

    /// @dev A delivery takes the place of the cost and of nothing else.
    function check_delivery_takesThePlaceOfTheCost(uint256 word, uint80 digest) external pure {
        Bid bid = Bid.wrap(word);
        Bid delivered = bid.delivered(digest);
        assert(delivered.cost() == digest && delivered.has(BidLibrary.DELIVERED));
        assert(delivered.weight() == bid.weight() && delivered.tag() == bid.tag());
        assert((Bid.unwrap(delivered) ^ word) & 0xff & ~BidLibrary.DELIVERED == 0);
    }

    function check_commitment_isNeverRevealed(bytes32 seal, Place calldata place, bool out) external pure {
        uint256 status = out ? BidLibrary.OUT : BidLibrary.COMMITTED;
        Bid bid = BidLibrary.commitment(seal, place, status);
        assert(Bid.unwrap(bid) & 0xff == status);
        assert(!bid.stands());
    }

    /// @dev Which bid comes first is one order: two different places are never both before each other.
    function check_order_isOfOneDirection(uint80[2] calldata cost, uint64[2] calldata weight) external pure {
        // One weight is told apart by path, so that each product has a constant.
        for (uint64 w = 1; w <= 3; ++w) {
            if (weight[0] == w && weight[1] <= 3) {
                Bid a = BidLibrary.pack(cost[0], w, false, 0);
                Bid b = BidLibrary.pack(cost[1], weight[1], false, 0);
                assert(a.comesAfter(0, b, 1) != b.comesAfter(1, a, 0));
            }
        }
    }

    /// @dev A bit is on the roll if and only if at least so many of three bitmaps have it; full width.
    function check_roll_countsEveryBit(uint256[3] calldata words, uint8 least, uint8 bit) external view {
        uint256[][] memory bitmaps = new uint256[][](3);
        for (uint256 i = 0; i < 3; ++i) {
            bitmaps[i] = new uint256[](1);
            bitmaps[i][0] = words[i];
        }
        for (uint256 l = 1; l <= 3; ++l) {
            if (least != l) continue;
            uint256 count = ((words[0] >> bit) & 1) + ((words[1] >> bit) & 1) + ((words[2] >> bit) & 1);
            assert((this.reached(bitmaps, l) >> bit) & 1 == (count >= l ? 1 : 0));
        }
    }

    function reached(uint256[][] calldata bitmaps, uint256 least) external pure returns (uint256) {
        return Roll.atLeast(bitmaps, 0, least);
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
        assert(Scores.flags(out) == Scores.flags(majority) & (Scores.PRESENT | Scores.UNDERSERVED));
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
