from __future__ import annotations

import pytest

from n1v1_common.bus.partition import fnv1a_32, partition_of


@pytest.mark.parametrize(("text", "digest"), [("", 0x811C9DC5), ("a", 0xE40C292C), ("foobar", 0xBF9CF968)])
def test_fnv1a_gives_the_published_test_vectors(text: str, digest: int) -> None:
    assert fnv1a_32(text.encode()) == digest


def test_every_key_has_one_partition_of_those_there_are() -> None:
    assert {partition_of(f"SYMBOL{i}", 4) for i in range(100)} == {0, 1, 2, 3}
    assert partition_of("BTC-USD", 1) == 0
    with pytest.raises(ValueError, match="at least 1"):
        partition_of("BTC-USD", 0)
