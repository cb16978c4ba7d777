"""A ciphertext of AES-256-GCM that two keys open: what GCM does not promise to prevent.

The tag is linear in the ciphertext's blocks over GF(2^128). One block is left free, and chosen so
that both keys give the same tag. Source: NIST SP 800-38D, 6.3, 6.4 and 7.1.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

BLOCK_BYTES = 16
_REDUCTION = 0xE1 << 120
_ONE = 1 << 127  # the element 1: GCM's bits run from the left


def multiply(left: int, right: int) -> int:
    """The product in GF(2^128)."""
    product = 0
    for bit in range(128):
        if right >> (127 - bit) & 1:
            product ^= left
        left = left >> 1 ^ (_REDUCTION if left & 1 else 0)
    return product


def invert(element: int) -> int:
    """The inverse: the element to the power 2^128 - 2."""
    found, power = _ONE, element
    for _ in range(127):
        power = multiply(power, power)
        found = multiply(found, power)
    return found


def _block(key: bytes, content: bytes) -> int:
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return int.from_bytes(encryptor.update(content), "big")


def _blocks(content: bytes) -> list[int]:
    content += bytes(-len(content) % BLOCK_BYTES)
    return [
        int.from_bytes(content[at : at + BLOCK_BYTES], "big")
        for at in range(0, len(content), BLOCK_BYTES)
    ]


def opening_under_both(
    first: bytes, second: bytes, nonce: bytes, associated: bytes, clear: bytes
) -> bytes:
    """A ciphertext, its tag at the end, that opens under both keys.

    Under the first it opens to `clear`, whole blocks, but for the last one; under the second to
    whatever comes.
    """
    content = AESGCM(first).encrypt(nonce, clear, associated)[: len(clear)]
    lengths = (8 * len(associated)).to_bytes(8, "big") + (8 * len(content)).to_bytes(8, "big")
    row = [*_blocks(associated), *_blocks(content)[:-1], 0, *_blocks(lengths)]
    tags, weights = [], []
    for key in (first, second):
        hash_key = _block(key, bytes(BLOCK_BYTES))
        tag = 0
        for one in row:
            tag = multiply(tag ^ one, hash_key)
        tags.append(tag ^ _block(key, nonce + b"\x00\x00\x00\x01"))
        weights.append(multiply(hash_key, hash_key))  # the free block is the last but one
    free = multiply(tags[0] ^ tags[1], invert(weights[0] ^ weights[1]))
    tag = tags[0] ^ multiply(free, weights[0])
    head = content[:-BLOCK_BYTES]
    return head + free.to_bytes(BLOCK_BYTES, "big") + tag.to_bytes(BLOCK_BYTES, "big")
