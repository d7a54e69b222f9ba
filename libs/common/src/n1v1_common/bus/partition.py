"""Which partition a key belongs to, computed as the server does in `{{partition(n,1)}}` (checked in the
tests).
"""

from __future__ import annotations

FNV_OFFSET_BASIS_32 = 0x811C9DC5
FNV_PRIME_32 = 0x01000193


def fnv1a_32(data: bytes) -> int:
    """FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/"""
    digest = FNV_OFFSET_BASIS_32
    for byte in data:
        digest = ((digest ^ byte) * FNV_PRIME_32) & 0xFFFFFFFF
    return digest


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key, 0 to partitions - 1: the symbol for bars, the account for everything else."""
    if partitions < 1:
        raise ValueError(f"partitions must be at least 1, not {partitions}")
    return fnv1a_32(key.encode()) % partitions
