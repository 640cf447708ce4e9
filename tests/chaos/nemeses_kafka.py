# SPDX-License-Identifier: MIT
"""What happens to Kafka: brokers killed, frozen, stopped, all away; leaders that move; too few
replicas in sync; a topic that is deleted and made again."""

import time

from confluent_kafka import KafkaException

from harness.timing import wait_for

from .nemesis import nemesis
from .servers import IN_SYNC, SESSION_S


def insist(action, what, errors=(KafkaException,), timeout=60):
    """Repeats an administrator's request until it gets through."""
    def attempt():
        try:
            return (action(),)
        except errors:
            return None
    return wait_for(attempt, timeout, what, interval=0.3)[0]


@nemesis("brokers")
def broker_killed(scene, chance):
    number = chance.randrange(3)
    scene.kafka.kill(number)
    time.sleep(chance.uniform(0, 6))
    scene.kafka.start(number)
    return f"broker {number}"


@nemesis("brokers")
def broker_frozen(scene, chance):
    """Beyond its session it loses its partitions while connections to it stay open."""
    number = chance.randrange(3)
    seconds = chance.uniform(0.5, 2 * SESSION_S)
    scene.kafka.pause(number)
    time.sleep(seconds)
    scene.kafka.resume(number)
    return f"broker {number} for {seconds:.1f} s"


@nemesis("brokers")
def broker_stopped(scene, chance):
    number = chance.randrange(3)
    scene.kafka.stop(number)
    time.sleep(chance.uniform(0, 3))
    scene.kafka.start(number)
    return f"broker {number}"


@nemesis("brokers")
def brokers_all_killed(scene, chance):
    scene.kafka.kill()
    time.sleep(chance.uniform(0, 3))
    scene.kafka.start()
    return "all at once"


@nemesis("brokers")
def leaders_moved(scene, chance):
    return f"of {scene.kafka.move_leaders(scene.topics, by=chance.randint(1, 2))} partitions"


@nemesis("brokers")
def replicas_lost(scene, chance):
    """min.insync.replicas is out of reach: every request is refused."""
    number = chance.randrange(3)
    seconds = chance.uniform(1, 6)
    scene.kafka.kill(number)
    try:
        require_in_sync(scene, 3)
        time.sleep(seconds)
    finally:
        require_in_sync(scene, IN_SYNC)
        scene.kafka.start(number)
    return f"without broker {number} for {seconds:.1f} s"


def require_in_sync(scene, count):
    for topic in scene.topics:
        insist(lambda: scene.kafka.configure_topic(topic, min_insync_replicas=count),
               f"min.insync.replicas of {topic} is {count}")


@nemesis("brokers", "topic")
def topic_recreated(scene, chance):
    """What the topic held is gone with it. It is read to its end before; only what was not settled
    before that, and was committed before the topic had disappeared, may be missing."""
    topic = scene.volatile
    settled = scene.settled_of(topic)
    scene.keep_life(topic)
    insist(lambda: scene.kafka.delete_topic(topic) if scene.kafka.partitions(topic) else None,
           f"{topic} is deleted", errors=(KafkaException, AssertionError))
    committed = scene.committed_of(topic)
    scene.gone |= committed - settled
    time.sleep(chance.uniform(0.2, 4))
    insist(lambda: scene.kafka.partitions(topic) or scene.servers.create_topic(topic),
           f"{topic} is made again", errors=(KafkaException, AssertionError))
    return f"{len(settled)} were settled, {len(committed - settled)} on their way"
