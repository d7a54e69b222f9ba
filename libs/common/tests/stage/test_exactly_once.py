"""Whenever a stage dies, and however often a message comes, its effect happens once. The controls double it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from n1v1_common.bus.api import Outgoing
from n1v1_common.bus.testing import MemoryBackend
from n1v1_common.storage.journal import Journal, Step
from n1v1_common.streams import ALL_STREAMS

pytestmark = pytest.mark.servers

# `Any`: the fixtures come from conftest.py, which cannot be imported in importlib mode.
BARS = 30
BEFORE_COMMIT = "before the commit"
AFTER_COMMIT = "after the commit, before the publication"
AFTER_PUBLICATION = "after the publication, before the acknowledgement"


def dying(journal: type[Journal], killed: type[BaseException], moment: str, step_number: int) -> type[Journal]:
    """A journal that is killed at a moment of its n-th step."""

    class Dying(journal):  # type: ignore[misc, valid-type]  # the base is chosen at run time
        steps = 0

        async def commit(self, step: Step) -> list[int]:
            self.steps += 1
            self._die(BEFORE_COMMIT)
            outbox_ids: list[int] = await super().commit(step)
            self._die(AFTER_COMMIT)
            return outbox_ids

        async def publish(self, outbox_ids: Sequence[int], messages: Sequence[Outgoing]) -> None:
            await super().publish(outbox_ids, messages)
            self._die(AFTER_PUBLICATION)

        def _die(self, now: str) -> None:
            if now == moment and self.steps == step_number:
                raise killed

    return Dying


async def lives(bench: Any, journal: type[Journal], moment: str) -> None:
    """Bars in batches; killed twice at `moment`, then left alone until nothing more happens."""
    for number in range(0, BARS, 10):
        await bench.publish(*(bench.message(bench.bar(n)) for n in range(number, number + 10)))
        with pytest.raises(bench.Killed):
            await bench.live(bench.Toy(), bench.has_handled(1000), journal=dying(journal, bench.Killed, moment, 1))
    await bench.live(bench.Toy(), bench.has_handled(BARS), journal=journal)


@pytest.mark.parametrize("moment", [BEFORE_COMMIT, AFTER_COMMIT, AFTER_PUBLICATION])
async def test_killed_at_any_moment_every_effect_happens_once(bench: Any, moment: str) -> None:
    await lives(bench, Journal, moment)

    assert await bench.handled() == [f"bar:{n}" for n in range(BARS)]
    assert await bench.said() == [f"signal:bar:{n}" for n in range(BARS)]
    state = await bench.pool.fetchval(
        "SELECT convert_from(state, 'utf8')::json -> 'handler' ->> 'count' FROM stage_state"
    )
    assert int(state) == BARS, "the state counts each bar once too"


async def test_control_without_inbox_and_cursor_the_same_kills_double_effects(bench: Any) -> None:
    await without_the_second_defence(bench)
    await lives(bench, bench.ForgetfulJournal, AFTER_PUBLICATION)
    handled = await bench.handled()
    assert len(handled) > len(set(handled))


async def test_a_message_published_again_after_the_window_has_its_effect_once(in_memory: Any) -> None:
    bench = in_memory
    await repeat_after_the_window(bench, Journal)
    assert await bench.handled() == [f"bar:{n}" for n in range(6)]


async def test_control_without_inbox_a_message_published_again_doubles_its_effect(in_memory: Any) -> None:
    bench = in_memory
    await without_the_second_defence(bench)
    await repeat_after_the_window(bench, bench.InboxlessJournal)
    handled = await bench.handled()
    assert len(handled) > len(set(handled))


async def without_the_second_defence(bench: Any) -> None:
    """Derived ids are unique in the outbox as well, which would catch what the inbox let pass."""
    await bench.pool.execute("ALTER TABLE outbox DROP CONSTRAINT outbox_msg_id_key")


async def repeat_after_the_window(bench: Any, journal: type[Journal]) -> None:
    await bench.publish(*(bench.message(bench.bar(n)) for n in range(5)))
    await bench.live(bench.Toy(), bench.has_handled(5), journal=journal)
    await bench.backend.pass_time(3600)
    again = await bench.publish(*(bench.message(bench.bar(n)) for n in range(6)))
    assert not any(published.duplicate for published in again), "the stream does not know them any more"

    async def last_bar_is_in() -> bool:
        return "bar:5" in await bench.handled()

    await bench.live(bench.Toy(), last_bar_is_in, journal=journal)


async def test_a_message_whose_acknowledgement_got_lost_has_its_effect_once(in_memory: Any) -> None:
    bench = in_memory
    bus = await bench.backend.connect()
    deaf = LosesAcknowledgements(bus)
    await bench.publish(*(bench.message(bench.bar(n)) for n in range(5)))
    toy = bench.Toy()

    async def twice() -> bool:
        """Let time pass until everything was delivered again, then send one more."""
        await bench.backend.pass_time(10)
        if deaf.acknowledged >= 10:
            await bench.publish(bench.message(bench.bar(5)))
        done: bool = await bench.has_handled(6)()
        return done

    await bench.live(toy, twice, bus=deaf)
    assert await bench.handled() == [f"bar:{n}" for n in range(6)]
    assert toy.count == 6
    cursor = await bench.pool.fetchval("SELECT seq FROM cursors WHERE stream = 'MARKET_DATA'")
    assert cursor == 6


class LosesAcknowledgements:
    """A bus on which the first acknowledgements never arrive. Any: it passes everything on."""

    def __init__(self, bus: Any) -> None:
        self.inner = bus
        self.acknowledged = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def consume(self, spec: Any, *, start_seq: int | None = None) -> Any:
        subscription = await self.inner.consume(spec, start_seq=start_seq)
        arrives = subscription.ack

        async def ack(batch: Sequence[Any]) -> None:
            self.acknowledged += len(batch)
            if self.acknowledged > 5:
                await arrives(batch)

        subscription.ack = ack
        return subscription


async def test_what_a_former_life_did_not_publish_is_published_before_anything_new(bench: Any) -> None:
    await bench.publish(bench.message(bench.bar(0)))
    with pytest.raises(bench.Killed):
        await bench.live(bench.Toy(), bench.has_handled(9), journal=dying(Journal, bench.Killed, AFTER_COMMIT, 1))
    await bench.publish(bench.message(bench.bar(1)))
    await bench.live(bench.Toy(), bench.has_handled(2))
    assert await bench.said() == ["signal:bar:0", "signal:bar:1"]


async def test_a_stream_made_anew_under_its_name_is_read_from_its_beginning(in_memory: Any) -> None:
    bench = in_memory
    await bench.publish(*(bench.message(bench.bar(n)) for n in range(5)))
    await bench.live(bench.Toy(), bench.has_handled(5))
    bench.backend = MemoryBackend()
    bench.backend.clock.advance(3600)
    await (await bench.backend.connect()).declare(ALL_STREAMS)
    await bench.publish(*(bench.message(bench.bar(n)) for n in range(3, 7)))
    await bench.live(bench.Toy(), bench.has_handled(7))
    assert await bench.handled() == [f"bar:{n}" for n in range(7)]
