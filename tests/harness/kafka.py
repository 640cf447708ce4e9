# SPDX-License-Identifier: MIT
"""Real Apache Kafka (KRaft) from its jars, or the embedded broker where Java cannot be had."""

import glob
import json
import os
import shutil
import signal
import subprocess
import threading

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

from . import artifacts
from .processes import Process, command, free_port, listening, remove, scratch
from .proxy import Proxy
from .timing import scaled, wait_for

CLUSTER_ID = "ZXZlbnRmZXJyeS10ZXN0cw"
JAVA_OPTIONS = ["-Xms256m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-Xshare:auto", "-Dlog4j2.level=WARN"]
LOGINS = {
    "sasl.enabled.mechanisms": "PLAIN",
    "listener.name.sasl_plaintext.plain.sasl.jaas.config":
        'org.apache.kafka.common.security.plain.PlainLoginModule required user_relay="relay";',
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS"}


def java():
    """The Java program, or Missing."""
    found = shutil.which("java")
    if found is None:
        raise artifacts.Missing("Java is not installed")
    return found


def rotated(items, by):
    by %= max(len(items), 1)
    return items[by:] + items[:by]


class Topics:
    """What both kinds of broker offer a test: names of its own, and the admin requests."""

    real = True
    bootstrap = None

    def __init__(self):
        self._admin = None
        self._names = 0
        self._made = set()
        self._lock = threading.Lock()

    @property
    def admin(self):
        if self._admin is None:
            self._admin = AdminClient({"bootstrap.servers": self.bootstrap,
                                       "socket.timeout.ms": 10000, "log_level": 0})
        return self._admin

    def new_name(self, stem="t"):
        with self._lock:
            self._names += 1
            return f"{stem}-{self._names}"

    def create_topic(self, name=None, partitions=3, config=None, replication=1):
        name = name or self.new_name()
        try:
            self._finish(self.admin.create_topics(
                [NewTopic(name, partitions, replication, config=config or {})]))
        except KafkaException as error:
            # the library repeats a request whose answer was lost
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS or name in self._made:
                raise
        self._made.add(name)
        wait_for(lambda: len(self.partitions(name)) == partitions, 20, f"topic {name} is there")
        return name

    def delete_topic(self, name):
        self._finish(self.admin.delete_topics([name]))
        self._made.discard(name)
        wait_for(lambda: not self.partitions(name), 20, f"topic {name} is gone")

    def grow_topic(self, name, partitions):
        self._finish(self.admin.create_partitions([NewPartitions(name, partitions)]))
        wait_for(lambda: len(self.partitions(name)) == partitions, 20,
                 f"topic {name} has {partitions} partitions")

    def configure_topic(self, name, **settings):
        """Sets the topic's whole list of settings (underscores for dots)."""
        values = {key.replace("_", "."): str(value) for key, value in settings.items()}
        self._finish(self.admin.alter_configs(
            [ConfigResource(ConfigResource.Type.TOPIC, name, set_config=values)]))

    def _finish(self, futures):
        """After a failure the next request has a new client: the old one goes on asking a broker
        that is gone until its picture of the cluster is minutes old."""
        try:
            for future in futures.values():
                future.result(scaled(30))
        except KafkaException:
            self._admin = None
            raise

    def partitions(self, name):
        """The partition numbers of a topic; empty when there is no such topic."""
        try:
            known = self.admin.list_topics(name, timeout=scaled(10)).topics[name]
        except (KafkaException, KeyError):
            return []
        return [] if known.error else sorted(known.partitions)

    def topic_names(self):
        return set(self.admin.list_topics(timeout=scaled(10)).topics)

    def produce(self, topic, value, **more):
        """One message from the test itself."""
        producer = Producer({"bootstrap.servers": self.bootstrap})
        producer.produce(topic, value, **more)
        assert producer.flush(scaled(10)) == 0


class Kafka(Topics):
    """A cluster of n combined broker-controllers on loopback. Topics are never made by themselves:
    a missing topic is a case of its own here.

    With sasl=True there is a second listener (sasl_bootstrap) where user "relay" logs in with the
    password "relay" and may do only what allow() grants; the first one stays open for the test.
    With proxied=True there is one behind a proxy before each broker (proxied_bootstrap), whose
    advertised address is the proxy's: the brokers among themselves and the test do not use it."""

    def __init__(self, brokers=1, sasl=False, proxied=False, **settings):
        super().__init__()
        self.proxies = [Proxy(free_port()) for _ in range(brokers)] if proxied else []
        self.proxied_bootstrap = ",".join(f"127.0.0.1:{proxy.port}" for proxy in self.proxies)
        self.sasl_ports = [free_port() for _ in range(brokers)] if sasl else []
        self.sasl_bootstrap = ",".join(f"127.0.0.1:{port}" for port in self.sasl_ports)
        self.jars = artifacts.kafka_jars()
        self.java = java()
        self.directory = scratch("ef-kafka-")
        self.settings = {key.replace("_", "."): value for key, value in settings.items()}
        self.ports = [free_port() for _ in range(brokers)]
        self.controllers = [free_port() for _ in range(brokers)]
        self.bootstrap = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        self.processes = [None] * brokers
        try:
            self._format()
            self.start()
        except BaseException:
            self.discard()
            raise

    def _file(self, number, name):
        return os.path.join(self.directory, str(number), name)

    def _configuration(self, number):
        count = len(self.ports)
        copies = min(count, 3)
        listener = advertised = f"PLAINTEXT://127.0.0.1:{self.ports[number]}"
        if self.sasl_ports:
            listener += f",SASL_PLAINTEXT://127.0.0.1:{self.sasl_ports[number]}"
            advertised = listener
        if self.proxies:
            proxy = self.proxies[number]
            listener += f",PROXIED://127.0.0.1:{proxy.target_port}"
            advertised += f",PROXIED://127.0.0.1:{proxy.port}"
        voters = ",".join(f"{n}@127.0.0.1:{port}" for n, port in enumerate(self.controllers))
        return {
            "process.roles": "broker,controller", "node.id": number,
            "controller.quorum.voters": voters, "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,"
                                              "SASL_PLAINTEXT:SASL_PLAINTEXT,PROXIED:PLAINTEXT",
            "listeners": f"{listener},CONTROLLER://127.0.0.1:{self.controllers[number]}",
            "advertised.listeners": advertised, "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": self._file(number, "data"), "auto.create.topics.enable": "false",
            "default.replication.factor": copies, "min.insync.replicas": 1 if copies < 2 else 2,
            "offsets.topic.replication.factor": copies, "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": 1, "transaction.state.log.num.partitions": 1,
            "group.initial.rebalance.delay.ms": 0,
            "broker.session.timeout.ms": 3000, "initial.broker.registration.timeout.ms": 300000,
            "broker.heartbeat.interval.ms": 500,
            "controller.quorum.election.timeout.ms": 500, "log.segment.bytes": 64 * 1024 * 1024,
            "log.cleaner.dedupe.buffer.size": 4 * 1024 * 1024,
            **(LOGINS if self.sasl_ports else {}), **self.settings}

    def log_bytes(self, topic):
        """What the topic takes on the disks of all brokers."""
        pattern = os.path.join(self.directory, "*", "data", glob.escape(topic) + "-*", "*.log")
        return sum(os.path.getsize(path) for path in glob.glob(pattern))

    def _format(self):
        """Writes each broker's settings and its empty log directory; the JVMs run side by side."""
        runs = []
        for number in range(len(self.ports)):
            os.makedirs(self._file(number, "data"))
            properties = self._file(number, "server.properties")
            with open(properties, "w", encoding="ascii") as out:
                for key, value in self._configuration(number).items():
                    out.write(f"{key}={value}\n")
            runs.append(subprocess.Popen(
                command([self.java, *JAVA_OPTIONS, "-cp", f"{self.jars}/*",
                         "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", properties]),
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        for run in runs:
            output = run.communicate(timeout=scaled(60))[0]
            if run.returncode != 0:
                raise RuntimeError("could not format Kafka's storage:\n" + output)

    def launch(self, number):
        """Starts one broker and waits for nothing."""
        self.processes[number] = Process(
            [self.java, *JAVA_OPTIONS, "-cp", f"{self.jars}/*", "kafka.Kafka",
             self._file(number, "server.properties")],
            self._file(number, "kafka.log"), death_signal="KILL")

    def start(self, number=None):
        """Starts one broker or all, and waits until each answers and knows of all that run. One that
        gives up while it starts is started again, as a supervisor would."""
        numbers = range(len(self.ports)) if number is None else [number]
        for attempt in range(3):
            for each in numbers:
                if self.processes[each] is None or not self.processes[each].running:
                    self.launch(each)
            try:
                for each in numbers:
                    self._wait_up(each)
                return
            except RuntimeError:
                if attempt == 2:
                    raise

    def _wait_up(self, number):
        process = self.processes[number]
        expected = sum(1 for p in self.processes if p is not None and p.running)

        def answers():
            if not process.running:
                raise RuntimeError("Kafka ended while starting:\n" + process.log_tail())
            if not listening(self.ports[number]):
                return False
            asking = AdminClient({"bootstrap.servers": f"127.0.0.1:{self.ports[number]}",
                                  "log_level": 0})
            try:
                return len(asking.list_topics(timeout=5).brokers) >= expected
            except KafkaException:
                return False

        try:
            wait_for(answers, 90, f"Kafka broker {number} answers", interval=0.1)
        except AssertionError as error:
            raise RuntimeError(f"{error}\n{process.log_tail()}") from None

    def _each(self, number):
        chosen = self.processes if number is None else [self.processes[number]]
        return [p for p in chosen if p is not None and p.running]

    def pause(self, number=None):
        for process in self._each(number):
            process.pause()

    def resume(self, number=None):
        for process in self._each(number):
            process.resume()

    def stop(self, number=None):
        for process in self._each(number):
            process.send(signal.SIGTERM)
        for process in self._each(number):
            process.stop(timeout=40)

    def kill(self, number=None):
        for process in self._each(number):
            process.kill()

    def discard(self):
        self.kill()
        for proxy in self.proxies:
            proxy.discard()
        remove(self.directory)

    def log_tail(self):
        return "\n".join(p.log_tail(20) for p in self.processes if p is not None)

    def _tool(self, name, *arguments):
        """One of Kafka's own command-line tools, to its end."""
        return subprocess.run(
            command([self.java, "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", f"{self.jars}/*",
                     f"org.apache.kafka.tools.{name}", "--bootstrap-server", self.bootstrap,
                     *arguments]),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=scaled(60),
            check=False)

    def allow(self, user, topic, *operations):
        """Grants operations on a topic; without any what a relay needs, Write and Describe."""
        wanted = [word for each in operations or ("Write", "Describe")
                  for word in ("--operation", each)]
        self.acls("--add", "--allow-principal", f"User:{user}", *wanted, "--topic", topic)

    def acls(self, *arguments):
        """kafka-acls.sh, by somebody who may."""
        self._tool("AclCommand", *arguments).check_returncode()

    def move_leaders(self, topics, by=1):
        """Makes another replica of each partition the leader, all brokers running: the replicas
        change places, then the first of each list is elected. Returns how many have moved."""
        before = {topic: self.replicas(topic) for topic in topics}
        wanted = {"version": 1, "partitions": [
            {"topic": topic, "partition": number, "replicas": rotated(copies, by)}
            for topic, partitions in before.items()
            for number, (_, copies) in partitions.items()]}
        path = os.path.join(self.directory, "reassignment.json")
        with open(path, "w", encoding="ascii") as out:
            json.dump(wanted, out)
        self._tool("reassign.ReassignPartitionsCommand", "--reassignment-json-file", path,
                   "--execute")
        self._tool("LeaderElectionCommand", "--election-type", "preferred",
                   "--all-topic-partitions")
        after = {topic: self.replicas(topic) for topic in topics}
        return sum(before[topic][number][0] != leader for topic, partitions in after.items()
                   for number, (leader, _) in partitions.items() if number in before[topic])

    def replicas(self, topic):
        """partition -> (leader, replicas with the preferred one first)"""
        known = self.admin.list_topics(topic, timeout=scaled(10)).topics[topic]
        return {number: (each.leader, list(each.replicas))
                for number, each in known.partitions.items()}

    def leader(self, topic, partition=0):
        return self.admin.list_topics(topic, timeout=scaled(10)).topics[topic] \
            .partitions[partition].leader


def have_real_kafka():
    """(True, None), or (False, why): asked before a session decides what to run on."""
    try:
        java()
        jars = artifacts.kafka_jars()
    except artifacts.Missing as reason:
        return False, str(reason)
    return bool(glob.glob(os.path.join(jars, "kafka_2*.jar"))), None
