// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// A token for tests that misbehaves on demand. mode 0: as ERC-20 says; 1: takes a fee of one in a hundred; 2: returns false and moves
/// nothing; 3: reverts; 4: returns true and moves nothing.
contract Token {
    event Transfer(address indexed from, address indexed to, uint256 value);
    uint8 public decimals;
    uint8 public mode;
    mapping(address => uint256) public balanceOf;

    constructor(uint8 places, uint256 supply) {
        decimals = places;
        balanceOf[msg.sender] = supply;
        emit Transfer(address(0), msg.sender, supply);
    }

    function setMode(uint8 given) external {
        mode = given;
    }

    function transfer(address to, uint256 value) external returns (bool) {
        require(mode != 3, "paused");
        if (mode == 2) return false;
        if (mode == 4) return true;
        require(balanceOf[msg.sender] >= value, "too little");
        uint256 fee = mode == 1 ? value / 100 : 0;
        balanceOf[msg.sender] -= value;
        balanceOf[to] += value - fee;
        emit Transfer(msg.sender, to, value - fee);
        if (fee > 0) {
            balanceOf[address(this)] += fee;
            emit Transfer(msg.sender, address(this), fee);
        }
        return true;
    }
}
