# SPDX-License-Identifier: MIT
"""What happens to relays: killed, frozen, stopped, reloaded, paused by people, without a place for
their log, with a clock that jumps."""

import time

from .nemesis import nemesis

CLEAN = (0, 75)  # drained, or the stop deadline passed
JUMPS_S = (5, -5, 90, -90, 3600, -3600, 30 * 86400, -30 * 86400)


@nemesis("relays")
def relay_killed(scene, chance):
    relay = chance.choice(scene.relays)
    relay.kill()
    gap = chance.choice((0, chance.uniform(0, 6)))
    time.sleep(gap)
    relay.start()
    return f"{scene.name_of(relay)}, back after {gap:.1f} s"


@nemesis("relays")
def relay_frozen(scene, chance):
    """Often for longer than its lease (3 s): another one takes over, and this one wakes up late."""
    relay = chance.choice(scene.relays)
    seconds = chance.uniform(0.5, 9)
    relay.pause()
    time.sleep(seconds)
    relay.resume()
    return f"{scene.name_of(relay)} for {seconds:.1f} s"


@nemesis("relays")
def relay_stopped(scene, chance):
    relay = chance.choice(scene.relays)
    code = relay.stop(expect=None)
    if code not in CLEAN:
        scene.find(f"{scene.name_of(relay)} ended with {code} after SIGTERM")
    time.sleep(chance.uniform(0, 2))
    relay.start()
    return f"{scene.name_of(relay)}, exit {code}"


@nemesis("relays")
def relays_all_killed(scene, chance):
    for relay in scene.relays:
        relay.kill()
    time.sleep(chance.uniform(0, 4))
    for relay in chance.sample(scene.relays, len(scene.relays)):
        relay.start()
    return "all at once"


@nemesis("relays")
def relay_reloaded(scene, chance):
    relay = chance.choice(scene.relays)
    times = chance.randint(1, 5)
    for _ in range(times):
        relay.reload()
        time.sleep(chance.uniform(0, 0.5))
    return f"{scene.name_of(relay)}, {times} times"


@nemesis("operator", "relays")
def outbox_paused(scene, chance):
    outbox = chance.choice(scene.outboxes)
    verb = chance.choice(("pause", "drain"))
    scene.operate(verb, outbox.name, insist=False)
    time.sleep(chance.uniform(0.5, 4))
    scene.operate("resume", outbox.name)
    return f"{verb} and resume {outbox.name}"


@nemesis("relays")
def log_blocked(scene, chance):
    """Nobody reads standard error any more: the pipe fills up."""
    pipe = scene.talker.log_pipe
    seconds = chance.uniform(2, 7)
    pipe.hold()
    time.sleep(seconds)
    pipe.release()
    return f"for {seconds:.1f} s"


@nemesis("relays")
def log_closed(scene, chance):
    """The reader of standard error goes away; later the relay is started again with another one."""
    scene.talker.log_pipe.hang_up()
    time.sleep(chance.uniform(2, 6))
    code = scene.talker.stop(expect=None)
    if code not in CLEAN:
        scene.find(f"{scene.name_of(scene.talker)} ended with {code} without a log")
    scene.talker.start()
    return f"exit {code}"


@nemesis("clock")
def clock_jumps(scene, chance):
    """The wall clock of one relay. Its lease is counted on the monotonic one, as deadlines are."""
    jumps = [chance.choice(JUMPS_S) for _ in range(chance.randint(2, 4))]
    for jump in jumps:
        scene.clock.jump(jump)
        time.sleep(chance.uniform(1, 2.5))
    scene.clock.jump(0)
    return ", ".join(f"{jump:+d} s" for jump in jumps)
