// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice A token that misbehaves as told; the ways are those of tokens in use.
contract ZooToken {
    enum Kind {
        Plain,
        Silent,
        False,
        RevertZero
    }

    Kind public immutable KIND;
    uint8 public immutable decimals;
    mapping(address account => uint256) internal _shares;
    mapping(address owner => mapping(address spender => uint256)) public allowance;
    mapping(address account => bool) public blocked;
    bool public paused;
    /// @dev In 1e18: what a share is worth.
    uint256 public index = 1e18;
    address public twin;
    address public hook;

    error Zero();
    error Blocked();
    error Paused();
    error NotTheTwin();

    constructor(Kind kind, uint8 decimals_) {
        (KIND, decimals) = (kind, decimals_);
    }

    function mint(address to, uint256 amount) external {
        _shares[to] += (amount * 1e18) / index;
    }

    function set(bool paused_, uint256 index_, address twin_, address hook_) external {
        (paused, index, twin, hook) = (paused_, index_, twin_, hook_);
    }

    function block_(address account, bool yes) external {
        blocked[account] = yes;
    }

    function balanceOf(address account) external view returns (uint256) {
        return (_shares[account] * index) / 1e18;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transfer(address to, uint256 amount) external {
        _move(msg.sender, to, amount);
        _answer();
    }

    function transferFrom(address from, address to, uint256 amount) external {
        _spend(from, msg.sender, amount);
        _move(from, to, amount);
        _answer();
    }

    function transferAs(address by, address from, address to, uint256 amount) external {
        if (msg.sender != twin) revert NotTheTwin();
        if (by != from) _spend(from, by, amount);
        _move(from, to, amount);
    }

    function _spend(address from, address by, uint256 amount) internal {
        allowance[from][by] -= amount;
    }

    function _move(address from, address to, uint256 amount) internal {
        if (KIND == Kind.RevertZero && amount == 0) revert Zero();
        if (blocked[from] || blocked[to]) revert Blocked();
        if (KIND == Kind.False && paused) return;
        if (paused) revert Paused();
        uint256 shares = (amount * 1e18) / index;
        _shares[from] -= shares;
        _shares[to] += shares;
        if (hook != address(0)) ZooHook(hook).onTransfer(from, to, amount);
    }

    /// @dev Where others revert while they are paused, a token of kind False moves nothing and says so.
    function _answer() internal view {
        if (KIND == Kind.Silent) {
            assembly ("memory-safe") {
                return(0, 0)
            }
        }
        bool answer = KIND != Kind.False || !paused;
        assembly ("memory-safe") {
            mstore(0, answer)
            return(0, 32)
        }
    }
}

interface ZooHook {
    function onTransfer(address from, address to, uint256 amount) external;
}
