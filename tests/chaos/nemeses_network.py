# SPDX-License-Identifier: MIT
"""What happens between the relays and their servers, on the database's side and on Kafka's."""

import time

from harness.proxy import CLIENT, SERVER

from .nemesis import nemesis


def on_both_sides(function):
    """One nemesis for each side; the function gets the side's proxies."""
    for side in ("database", "kafka"):
        def act(scene, chance, side=side):
            return function(scene.proxies(side), chance)
        act.__name__ = f"{function.__name__}_{side}"
        nemesis(f"network-{side}")(act)
    return function


def chosen(proxies, chance):
    """All of them, or one: then others get through, and relays see different worlds."""
    return list(proxies) if chance.random() < 0.5 else [chance.choice(proxies)]


def undo(proxies):
    for proxy in proxies:
        proxy.mend()


@on_both_sides
def slow(proxies, chance):
    latency, seconds = chance.uniform(0.02, 0.5), chance.uniform(2, 7)
    several = chosen(proxies, chance)
    for proxy in several:
        proxy.latency = latency
    time.sleep(seconds)
    undo(several)
    return f"{latency * 1000:.0f} ms each way through {len(several)}, {seconds:.1f} s"


@on_both_sides
def sliced(proxies, chance):
    size, seconds = chance.choice((1, 7, 61, 500)), chance.uniform(2, 6)
    several = chosen(proxies, chance)
    for proxy in several:
        proxy.slice_bytes = size
    time.sleep(seconds)
    undo(several)
    return f"{size} bytes at a time through {len(several)}, {seconds:.1f} s"


@on_both_sides
def silent(proxies, chance):
    """Nothing passes in one direction, or in both, and nobody is told."""
    direction, seconds = chance.choice((None, CLIENT, SERVER)), chance.uniform(0.5, 8)
    several = chosen(proxies, chance)
    for proxy in several:
        proxy.blackhole(side=direction)
    time.sleep(seconds)
    undo(several)
    return f"towards {direction or 'both'} through {len(several)}, {seconds:.1f} s"


@on_both_sides
def half_open(proxies, chance):
    """One side's connections are reset while the other side hears nothing of it."""
    side, seconds = chance.choice((CLIENT, SERVER)), chance.uniform(0.5, 8)
    several = chosen(proxies, chance)
    for proxy in several:
        proxy.forsake(side)
    time.sleep(seconds)
    undo(several)
    return f"the {side}'s half is gone through {len(several)}, {seconds:.1f} s"


@on_both_sides
def reset(proxies, chance):
    times = chance.randint(1, 6)
    for _ in range(times):
        for proxy in chosen(proxies, chance):
            proxy.cut()
        time.sleep(chance.uniform(0, 0.8))
    return f"{times} times"


@on_both_sides
def refused(proxies, chance):
    seconds = chance.uniform(0.5, 5)
    several = chosen(proxies, chance)
    for proxy in several:
        proxy.refuse()
    time.sleep(seconds)
    undo(several)
    return f"{len(several)} for {seconds:.1f} s"
