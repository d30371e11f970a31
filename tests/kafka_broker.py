"""A real Apache Kafka for tests: one broker that is its own controller, run by Java from Maven Central's jars."""

import base64
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.maven import jars
from tests.tools import need
from tifo.web.listening import free_port

USER, PASSWORD = "tifo", "hush"
MOST_BYTES = 20_000
"""Of a record, as this broker has it."""
_JARS = Path(__file__).with_name("kafka_jars.txt")
"""`group:artifact:version` and SHA-256: kafka_2.13 and all that it needs."""
_STARTS_WITHIN_S = 60.0
_QUICK = ("-Xmx256m", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


class KafkaBroker:
    """`address` is for everybody, `closed_address` for `USER` with `PASSWORD` (SASL, PLAIN)."""

    def __init__(self, folder: Path, classpath: str) -> None:
        self._folder = folder
        self._java = ["java", *_QUICK, "-cp", classpath]
        self._process: subprocess.Popen[bytes] | None = None
        plain, closed, controller = (free_port() for _ in range(3))
        self.address, self.closed_address = f"127.0.0.1:{plain}", f"127.0.0.1:{closed}"
        settings = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"OPEN://{self.address},CLOSED://{self.closed_address},CONTROLLER://127.0.0.1:{controller}",
            "inter.broker.listener.name": "OPEN",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "OPEN:PLAINTEXT,CLOSED:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.closed.plain.sasl.jaas.config": "org.apache.kafka.common.security.plain.PlainLoginModule"
            f' required user_{USER}="{PASSWORD}";',
            "log.dirs": folder / "data",
            "num.partitions": 3,
            "message.max.bytes": MOST_BYTES,
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
        }
        self._settings = folder / "server.properties"
        self._settings.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = [*self._java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._settings)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            command = [*self._java, "kafka.Kafka", str(self._settings)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + _STARTS_WITHIN_S
        host, _, port = self.address.partition(":")
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
                return
            time.sleep(0.1)
        raise RuntimeError(f"Kafka did not start:\n{(self._folder / 'log').read_text()}")

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)
            self._process = None


@contextmanager
def kafka_broker() -> Iterator[KafkaBroker]:
    """Skips the test where there is no Java; in CI there must be one."""
    need("java")  # 17 or newer
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        broker = KafkaBroker(Path(name), f"{jars(_JARS)}/*")
        broker.start()
        try:
            yield broker
        finally:
            broker.kill()
