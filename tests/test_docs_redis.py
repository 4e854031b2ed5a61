"""The pages about Redis agree with the code and with a real Redis.

These are docs/redis.md, redis_keys.md and redis_operations.md.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fws_gevent import RedisStorageObject, signals
from fws_gevent.cluster import cleanup, gaps, nodes
from fws_gevent.cluster.member_keys import KEPT
from fws_gevent.filters.base import FilterBase, WebSocketMessageFilter
from fws_gevent.filters.broadcast_pubsub import BroadcastPubSubFilter
from fws_gevent.filters.notify_gap import NotifyGapFilter
from fws_gevent.loop.inbox import INBOX_LENGTH, INBOX_SIZE
from fws_gevent.node.consumer import QUEUE_SIZE
from fws_gevent.publisher import PUBLISH_SCRIPT, Publisher
from fws_gevent.redis_io import entries
from fws_gevent.redis_io.keys import Keys
from fws_gevent.redis_io.servers import MAX_CONNECTIONS
from fws_gevent.redis_io.urls import servers_from_url
from fws_gevent.server import FilteredWebSocketServer
from fws_gevent.settings import Settings, table
from fws_gevent.web.groups import LISTED
from tests import programs
from tests.clients import PATIENCE, ROOT, Client
from tests.conftest import Connect, Serve, Start, StartRedis
from tests.redis_processes import RedisProcess
from tests.test_readme import blocks
from tests.waiting import until

PAGE = "".join(
    (ROOT / "docs" / name).read_text("utf-8")
    for name in ("redis.md", "redis_keys.md", "redis_operations.md")
)
Shell = Callable[[str], str]


def block(language: str, part: str) -> str:
    """Return the only code block in a language that contains `part`."""
    [found] = [each for each in blocks(language, PAGE) if part in each]
    return found


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table under a heading, without its head."""
    section = re.split(rf"^#+ {re.escape(heading)}$", PAGE, flags=re.MULTILINE)[1]
    found = re.search(r"^\|.*\n\|[-|]+\n((?:\|.*\n)+)", section, re.MULTILINE)
    assert found, heading
    return [re.split(r"\s*\|\s*", line)[1:-1] for line in found[1].splitlines()]


def quoted(text: str) -> list[str]:
    """Return the texts between backquotes."""
    return re.findall(r"`([^`]*)`", text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the page's files."""
    (tmp_path / "publish.lua").write_text(block("lua", "publish"))
    (tmp_path / "push.js").write_text(block("js", "createClient"))
    return tmp_path


@pytest.fixture
def shell(folder: Path, redis_server: RedisProcess) -> Shell:
    """Return a function that runs shell commands in the folder, with the Redis of the test."""
    return lambda text: run(text, folder, redis_server.port)


def run(text: str, folder: Path, port: int, **environ: str) -> str:
    programs.require_those_in(text)
    text = re.sub(r"\bredis-cli\b", f"redis-cli -p {port}", text)
    text = text.replace("127.0.0.1:6379", f"127.0.0.1:{port}")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text], cwd=folder, check=False, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE,
        env={**os.environ, "PATH": path, **environ},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "ERR" not in done.stdout
    return done.stdout


@pytest.fixture
def storage(redis_server: RedisProcess) -> Iterator[RedisStorageObject]:
    made = RedisStorageObject(port=redis_server.port)
    yield made
    made.close()


@pytest.fixture
def filters() -> list[type[FilterBase]]:
    """Return the filters of the page's nodes, and one that joins any group."""

    class Join(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            web_socket_instance.join(data.text)
            web_socket_instance.send("joined")

    return [Join, BroadcastPubSubFilter, NotifyGapFilter]


@pytest.fixture
def node(
    serve: Serve, storage: RedisStorageObject, filters: list[type[FilterBase]]
) -> FilteredWebSocketServer:
    """Return a node of the test's Redis with these filters."""
    return serve(filters, {"storage_object": storage})


def member(connect: Connect, node: FilteredWebSocketServer, group: str = "kitchen") -> Client:
    """Return a client that has joined a group."""
    client = connect(node)
    client.send(group)
    assert client.receive() == "joined"
    return client


# Publishing.


def test_the_command_starts_a_node(
    redis_server: RedisProcess, start: Start, connect: Connect, shell: Shell
) -> None:
    line = block("sh", "fws_server").splitlines()[0].replace("fws_server", "-m fws_gevent")
    line = line.replace("6379", str(redis_server.port))
    command = start(*line.split(), "-p", "0")
    client = connect(command.port())
    assert shell(block("sh", "PUBLISH global")) == "1\n"
    assert client.receive() == "lunch is ready"


def test_a_publish_from_redis_cli_runs_the_consumer_chain(
    node: FilteredWebSocketServer, connect: Connect, shell: Shell
) -> None:
    client = connect(node)
    shell(block("sh", "PUBLISH global"))
    assert client.receive() == "lunch is ready"


def test_the_script_from_redis_cli_reaches_a_group_or_everybody(
    node: FilteredWebSocketServer, connect: Connect, shell: Shell
) -> None:
    inside, outside = member(connect, node), connect(node)
    pasted = block("sh", "redis-cli EVAL")
    assert re.fullmatch(r"\d+-\d+\n", shell(pasted))
    assert inside.receive() == "lunch is ready"
    shell(pasted.replace("kitchen", "*").replace("lunch", "tea"))
    assert inside.receive() == outside.receive() == "tea is ready"


def test_the_script_on_the_page_is_the_real_one(shell: Shell, folder: Path) -> None:
    assert block("lua", "publish") == PUBLISH_SCRIPT
    (folder / "publish.lua").unlink()
    shell(block("sh", "> publish.lua"))
    assert (folder / "publish.lua").read_text() == PUBLISH_SCRIPT


REDIS_OF_NPM = """
// The outermost edge: what the page uses of the package `redis`, over a bare socket.
const net = require("net");
exports.createClient = ({ url }) => {
  const { hostname, port } = new URL(url);
  let socket, answered, buffer = "";
  return {
    connect: () => new Promise((done) => {
      socket = net.connect(port, hostname, done);
      socket.on("data", (data) => {
        buffer += data;
        const parts = buffer.split("\\r\\n");
        const bulk = parts[0][0] === "$";
        if (parts.length <= (bulk ? 2 : 1)) return;
        buffer = "";
        answered(bulk ? parts[1] : parts[0]);
      });
    }),
    sendCommand: (words) => new Promise((done) => {
      answered = done;
      if (!words.every((word) => typeof word === "string")) throw new TypeError("not a text");
      const parts = words.map((word) => `$${Buffer.byteLength(word)}\\r\\n${word}\\r\\n`);
      socket.write(`*${words.length}\\r\\n${parts.join("")}`);
    }),
    quit: async () => socket.end(),
  };
};
"""


@pytest.mark.parametrize("group", ["kitchen", "100% {of} *"])
def test_the_script_from_nodejs_reaches_a_group(
    node: FilteredWebSocketServer, connect: Connect, shell: Shell, folder: Path, group: str
) -> None:
    package = folder / "node_modules" / "redis"
    package.mkdir(parents=True)
    (package / "index.js").write_text(REDIS_OF_NPM)
    client = member(connect, node, group)
    pasted = block("sh", "node push.js").replace("kitchen", f"'{group}'")
    assert re.fullmatch(r"\d+-\d+\n", shell(pasted))
    assert client.receive() == "lunch is ready"


def test_a_program_without_gevent_publishes(
    node: FilteredWebSocketServer, connect: Connect, shell: Shell, folder: Path,
    redis_server: RedisProcess,
) -> None:  # fmt: skip
    client = member(connect, node)
    pasted = block("python", "Publisher(").replace("6379", str(redis_server.port))
    pasted += 'import sys; assert "gevent" not in sys.modules\n'
    (folder / "program.py").write_text(pasted)
    shell("python program.py")
    assert {client.receive(), client.receive()} == {"lunch is ready", b"\x00\x01"}
    redis: Any = redis_server.client()
    [(_, fields)] = redis.xrange("fws:{subject:ada}:stream")
    redis.close()
    assert fields[b"kind"] == b"disconnect"


SITE = """
from flask import Flask

from fws_gevent import FilteredWebSocket
from fws_gevent.filters.base import WebSocketMessageFilter

app = Flask(__name__)
fws = FilteredWebSocket(app)


class Join(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        web_socket_instance.join(data.text)
        web_socket_instance.send("joined")
"""


def test_over_http_and_on_the_command_line(
    redis_server: RedisProcess, folder: Path, start: Start, connect: Connect
) -> None:
    (folder / "wsgi.py").write_text(SITE)
    environ = {"FWS_REDIS_URL": redis_server.url, "FWS_SIGNING_KEY": "k" * 32}
    line = block("sh", "fws run").splitlines()[1].partition("flask ")[2]
    command = start("-m", "flask", *line.split(), "-p", "0", cwd=folder, environ=environ)
    port = command.port()
    client = connect(port, "/ws")
    client.send("kitchen")
    assert client.receive() == "joined"
    pasted = block("sh", "/fws/publish").replace("127.0.0.1:9000", f"127.0.0.1:{port}")
    run(pasted, folder, redis_server.port, **environ)
    assert [client.receive(), client.receive()] == ["lunch is ready"] * 2


# Sets, presence, the consumer chain.


def test_a_set_is_shared_with_redis_cli(
    serve: Serve, connect: Connect, storage: RedisStorageObject, shell: Shell
) -> None:
    made: dict[str, Any] = {"__name__": "page"}
    exec(compile(block("python", "class Online"), "redis.md", "exec"), made)
    client = connect(serve([made["Online"]], {"storage_object": storage}))
    client.send("bob")
    assert client.receive() == "bob"
    added, *values = shell(block("sh", "SADD")).split()
    assert (added, sorted(values)) == ("1", ["alice", "bob"])
    client.send("bob")
    assert client.receive() == "alice bob"


def test_the_subscriber_is_called_for_joins(
    node: FilteredWebSocketServer, connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    made: dict[str, Any] = {}
    exec(compile(block("python", "member_joined"), "redis.md", "exec"), made)
    try:
        member(connect, node)
        until(lambda: "None joined kitchen on" in capsys.readouterr().out)
    finally:
        signals.member_joined.disconnect(made["joined"])


def test_the_consumer_chain_gets_what_the_page_shows(
    node: FilteredWebSocketServer, shell: Shell
) -> None:
    heard: list[Any] = []

    def hear(server: Any, web_socket_instance: Any, data: Any) -> None:
        heard.append(data)

    with signals.consumer_received.connected_to(hear, node):
        shell(block("sh", "PUBLISH global"))
        until(lambda: heard)
    assert heard == [ast.literal_eval(block("python", '"channel": "global"'))]


# Notices to clients.


def test_a_client_sees_the_gap_before_the_next_message(
    node: FilteredWebSocketServer, connect: Connect, shell: Shell
) -> None:
    client = member(connect, node)
    shell("redis-cli FLUSHALL")
    shell(block("sh", "redis-cli EVAL"))
    assert json.loads(client.receive()) == json.loads(block("json", '"gap"'))
    assert client.receive() == "lunch is ready"


def test_a_client_is_told_that_a_message_was_local(
    serve: Serve, connect: Connect, start_redis: StartRedis, filters: list[type[FilterBase]]
) -> None:
    redis = start_redis()
    storage = RedisStorageObject(port=redis.port)
    settings = {"redis_away": "local", "publish_timeout": 0.2}
    node = serve(filters, {"storage_object": storage}, **settings)
    client = member(connect, node)
    redis.kill()
    node.broadcast("lunch is ready", "kitchen")
    assert json.loads(client.receive()) == json.loads(block("json", '"local"'))
    assert client.receive() == "lunch is ready"
    redis.start()
    gaps = [json.loads(client.receive()) for _ in range(2)]
    assert {(each["fws"], each["group"]) for each in gaps} == {("gap", "kitchen"), ("gap", None)}
    storage.close()


def test_the_reasons_of_gaps_are_all_there() -> None:
    named = [quoted(first)[0] for first, _ in rows("Gaps")]
    assert sorted(named) == sorted({*gaps.GAPS.values(), gaps.LATE, gaps.LOCAL, gaps.OVERRUN})


# The tables.


def key_names() -> Iterator[str]:
    """Yield every name that `Keys` can make, with words in capitals for its parts."""
    keys = Keys("fws")
    words = {"group": ("GROUP", None), "node": ("NODE",), "message_id": ("ID",),
             "digest": ("SHA256",), "owner": ("SHA256",), "category": ("CATEGORY",),
             "key": (b"KEY",)}  # fmt: skip
    for name, maker in vars(Keys).items():
        if name.startswith("_"):
            continue
        if isinstance(maker, property):
            yield getattr(keys, name).decode()
            continue
        parameters = list(inspect.signature(maker).parameters)[1:]
        yield getattr(keys, name)(*(words[each][0] for each in parameters)).decode()
    yield keys.stream(None).decode()


def test_every_key_is_in_the_table() -> None:
    assert sorted(quoted(row[0])[0] for row in rows("Keys")) == sorted(key_names())


PARTS = {"GROUP": r"[^{}*]+", "NODE": r"[^{}*]+", "SHA256": r"[0-9a-f]{64}", "ID": r".+",
         "KEY": r"[^{].*", "CATEGORY": r"[a-z]+"}  # fmt: skip


def row_of(key: str) -> list[str]:
    """Return the row of the table of keys that describes a key."""
    found = []
    for row in rows("Keys"):
        words = re.split(rf"\b({'|'.join(PARTS)})\b", quoted(row[0])[0])
        if re.fullmatch("".join(PARTS.get(each) or re.escape(each) for each in words), key):
            found.append(row)
    assert len(found) == 1, (key, found)
    return found[0]


def test_keys_are_of_the_type_and_expire_as_the_table_says(
    node: FilteredWebSocketServer, connect: Connect, redis_server: RedisProcess,
    storage: RedisStorageObject,
) -> None:  # fmt: skip
    member(connect, node)
    node.broadcast("hello", "kitchen")
    storage.add("online", "alice")
    store = node.tokens.store
    store.put_ticket("a" * 64, {}, 30.0, 0.0)
    redis: Any = redis_server.client()
    until(lambda: redis.exists("fws:{kitchen}:nodes"))
    seen = set()
    for raw in redis.scan_iter():
        key = raw.decode()
        name, kind, lives = row_of(key)[:3]
        assert redis.type(key).decode() == kind.replace("sorted set", "zset"), key
        assert (redis.pttl(key) < 0) == (lives == "until you remove it"), key
        seen.add(quoted(name)[0])
    redis.close()
    assert seen >= {"fws:KEY", "fws:{GROUP}:stream", "fws:{*}:stream", "fws:{GROUP}:sent:ID",
                    "fws:{GROUP}:members:NODE", "fws:{GROUP}:nodes", "fws:{*}:nodes",
                    "fws:{*}:node:NODE", "fws:{*}:groups:NODE", "fws:{SHA256}:ticket"}  # fmt: skip


def test_the_fields_and_kinds_of_entries_are_all_there(redis_server: RedisProcess) -> None:
    publisher = Publisher(redis_server.url)
    redis: Any = redis_server.client()
    publisher.publish("hello", "kitchen")
    [(_, fields)] = redis.xrange("fws:{kitchen}:stream")
    publisher.close()
    redis.close()
    assert [quoted(row[0])[0] for row in rows("Entries")] == [name.decode() for name in fields]
    section = PAGE.partition("### Entries")[2].partition("\n## ")[0]
    table_of_kinds = section.partition("| kind | data |")[2]
    kinds = [name for line in re.findall(r"^\| (`.*?) \|", table_of_kinds, re.MULTILINE)
             for name in quoted(line)]  # fmt: skip
    known = [value for name, value in vars(entries).items()
             if name.isupper() and isinstance(value, bytes)]  # fmt: skip
    assert sorted(kinds) == sorted(each.decode() for each in known)


def test_every_setting_of_redis_is_in_the_table_with_its_default() -> None:
    wanted = {}
    for setting in table():
        if setting.name.startswith("redis_") or setting.name == "publish_timeout":
            default: Any = setting.default
            default = default[0] if isinstance(default, tuple) else default
            wanted[f"FWS_{setting.name.upper()}"] = (
                "none" if default is None else f"{default:g}" if isinstance(default, float)
                else str(default)
            )  # fmt: skip
    found: dict[str, str] = {}
    for names, defaults, _ in rows("Settings"):
        each = [default.strip("`") for default in defaults.split(", ")]
        found.update(zip(quoted(names), each, strict=True))
    assert found == wanted


def test_the_numbers_are_those_of_the_code() -> None:
    for figure in (
        f"renews its lease every {nodes.HEARTBEAT:g} s", f"lease lasts {nodes.LEASE:g} s",
        f"{INBOX_LENGTH:,} entries or {INBOX_SIZE >> 20} MiB", f"{LISTED} members at most",
        f"If {QUEUE_SIZE:,} events wait", f"up to {MAX_CONNECTIONS} for commands",
        f"| {KEPT / 3600:g} hour, renewed |", f"| {cleanup.RESERVED:g} s at most |",
        f"({2 * Settings().publish_timeout:g} s), which is how long",
    ):  # fmt: skip
        assert figure in " ".join(PAGE.split()), figure


def log_lines() -> Iterator[str]:
    """Yield the lines that nodes log, except for debugging, with … for their values."""
    for path in sorted((ROOT / "fws_gevent" / "cluster").glob("*.py")):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and isinstance(call.func.value, ast.Name)
                and call.func.value.id == "_log"
                and call.func.attr != "debug"
            ):
                yield re.sub(r"%[sd]", "…", ast.literal_eval(call.args[0]))


def test_every_log_line_says_what_to_do() -> None:
    told = [quoted(row[0])[0] for row in rows("Log lines")]
    assert sorted(told) == sorted(set(log_lines()))


# For the operator.


def test_the_urls_are_understood() -> None:
    urls = block("text", "redis+sentinel://").split()
    assert len(urls) == 7
    names = [servers_from_url(url).name for url in urls]
    assert not any("password" in name or "secret" in name for name in names)


@pytest.mark.parametrize("url", block("text", "redis+sentinel://").split()[:5:4])
def test_a_subscription_may_connect_for_as_long_as_it_takes(url: str) -> None:
    servers = servers_from_url(url)
    for _ in range(2 * MAX_CONNECTIONS):
        servers.connection("")
    servers.close()


def test_the_user_of_the_acl_may_do_all_that_a_node_does(
    start_redis: StartRedis, serve: Serve, connect: Connect, tmp_path: Path,
    filters: list[type[FilterBase]],
) -> None:  # fmt: skip
    redis = start_redis()
    run(block("sh", "ACL SETUSER"), tmp_path, redis.port)
    storage = RedisStorageObject.from_url(f"redis://fws:secret@127.0.0.1:{redis.port}/0")
    node = serve(filters, {"storage_object": storage})
    client = member(connect, node)
    node.broadcast("hello", "kitchen")
    assert client.receive() == "hello"
    run(block("sh", "PUBLISH global"), tmp_path, redis.port)
    assert client.receive() == "lunch is ready"
    storage.add("online", "alice")
    assert storage["online"] == {"alice"}
    store = node.tokens.store
    store.put_ticket("d", {"sub": "ada"}, 30.0, 0.0)
    assert store.take_ticket("d", 0.0) == {"sub": "ada"}
    storage.close()
    admin = redis.client()
    log = admin.acl_log()
    admin.close()
    assert log == []


def test_the_commands_for_the_operator_show_nodes_and_messages(
    node: FilteredWebSocketServer, connect: Connect, shell: Shell
) -> None:
    member(connect, node)
    node.broadcast("hello", "kitchen")
    pasted = block("sh", "PUBSUB NUMSUB")
    until(lambda: shell(pasted).splitlines()[1])
    names, holders, *rest = shell(pasted).splitlines()
    assert names == holders == node.members("kitchen")[0].node
    assert "hello" in rest
    assert rest[-2:] == ["fws:{kitchen}:stream", "1"]
