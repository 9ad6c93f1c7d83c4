"""Button and Leds."""

import itertools

from hdl.board.button import Button
from hdl.board.leds import Leds
from verif.bench.common.simulation import simulate

SETTLE = 10
CLOCK_HZ = 160  # a sixteenth of a second is ten cycles


def test_button_bounces():
    dut, seen = Button(SETTLE), []

    async def push(ctx):
        for level, cycles in ((1, 3), (0, 2), (1, 9), (0, 1), (1, 50), (0, 9), (1, 9), (0, 50)):
            ctx.set(dut.i_button, level)
            await ctx.tick().repeat(cycles)

    async def watch(ctx):
        for cycle in range(140):
            _, _, pressed, pushed = await ctx.tick().sample(dut.pressed, dut.pushed)
            seen.append((pressed, pushed))
            assert not pushed or pressed, cycle

    simulate(dut, push, watch)
    # 15 cycles of bouncing, then the synchroniser and the time to settle; released 68 cycles later
    pressed = [cycle for cycle, (level, _) in enumerate(seen) if level]
    assert pressed == list(range(15 + 2 + SETTLE, 83 + 2 + SETTLE))
    assert [cycle for cycle, (_, pushed) in enumerate(seen) if pushed] == pressed[:1]


def test_leds():
    dut = Leds(CLOCK_HZ)

    async def watch(ctx):
        def lit(bit: int) -> int:
            return ctx.get(dut.o_led) >> bit & 1

        async def pulse(signal):
            ctx.set(signal, 1)
            await ctx.tick()
            ctx.set(signal, 0)
            await ctx.tick()

        alive = []
        for _ in range(2 * CLOCK_HZ):
            await ctx.tick()
            alive.append(lit(0))
        assert sum(alive) == CLOCK_HZ and sum(a != b for a, b in itertools.pairwise(alive)) == 3
        for bit, signal in ((1, dut.session), (5, dut.testing), (6, dut.passed), (7, dut.failed)):
            assert not lit(bit)
            ctx.set(signal, 1)
            await ctx.tick().repeat(2)
            assert lit(bit)
            ctx.set(signal, 0)
            await ctx.tick().repeat(2)
            assert not lit(bit)
        for bit, signal in ((2, dut.encoding), (3, dut.frame)):
            await pulse(signal)
            held = 0
            while lit(bit):
                await ctx.tick()
                held += 1
            assert CLOCK_HZ // 16 <= held <= 2 * CLOCK_HZ // 16
        await pulse(dut.bad_frame)
        await ctx.tick().repeat(CLOCK_HZ)
        assert lit(4)
        await pulse(dut.opened)
        assert not lit(4)

    simulate(dut, watch)
