// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice Exercises what the test chains must carry faithfully.
contract Probe {
    struct Point {
        uint256 x;
        address owner;
    }

    struct Path {
        string name;
        Point[] points;
    }

    error TooLarge(uint256 value, uint256 limit);

    event Stored(address indexed by, uint256 value, bytes data, string indexed label);

    uint256 public immutable LIMIT;
    uint256 public value;
    bool private transient _entered;

    constructor(uint256 limit) payable {
        LIMIT = limit;
    }

    receive() external payable {
        revert("no gifts");
    }

    function store(uint256 next, bytes calldata data) external payable {
        require(!_entered, "entered");
        if (next > LIMIT) revert TooLarge(next, LIMIT);
        _entered = true;
        value = next;
        emit Stored(msg.sender, next, data, "label");
    }

    function echo(Path calldata path) external pure returns (Path memory, uint256 count) {
        return (path, path.points.length);
    }

    function twice(uint256 x) external pure returns (uint256) {
        return 2 * x;
    }

    function twice(uint256 x, uint256 y) external pure returns (uint256) {
        return 2 * (x + y);
    }

    function burn() external pure {
        assert(false);
    }

    function spin() external pure {
        while (true) {}
    }

    function stamp() external {
        value = block.timestamp;
    }

    function nested(address[2][] calldata pairs) external pure returns (address[2][] memory) {
        return pairs;
    }

    function clock() external view returns (uint256 timestamp, uint256 chain) {
        return (block.timestamp, block.chainid);
    }
}
