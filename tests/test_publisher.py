"""Publishing from programs without gevent, with Redis servers that stop and restart."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from fws_gevent import (
    BinaryMessage,
    ConfigurationError,
    GroupNameInvalid,
    Message,
    Publisher,
    PublishFailed,
)
from fws_gevent.protocol.payload import Data
from fws_gevent.redis_io.publishing import LARGEST, StreamTerms

from .conftest import Start, StartRedis
from .redis_processes import RedisProcess
from .waiting import until

STREAM, EVERYBODY = b"fws:{kitchen}:stream", b"fws:{*}:stream"

Publish = Callable[..., Publisher]


@pytest.fixture
def publisher_for() -> Iterator[Publish]:
    """Return a function that makes a publisher: publisher_for(process, timeout=1.0)."""
    made: list[Publisher] = []

    def make(process: RedisProcess, **options: Any) -> Publisher:
        publisher = Publisher(process.url, **options)
        made.append(publisher)
        return publisher

    yield make
    for publisher in made:
        publisher.close()


@pytest.fixture
def publisher(publisher_for: Publish, redis_server: RedisProcess) -> Publisher:
    return publisher_for(redis_server)


def kept(process: RedisProcess, stream: bytes = STREAM) -> list[tuple[str, dict[str, bytes]]]:
    """Return the ids and fields in a stream."""
    client: Any = process.client()
    try:
        found = client.xrange(stream)
    finally:
        client.close()
    return [
        (entry_id.decode(), {name.decode(): value for name, value in fields.items()})
        for entry_id, fields in found
    ]


def data_in(process: RedisProcess) -> list[bytes]:
    return [fields["data"] for _, fields in kept(process)]


@pytest.mark.parametrize(
    ("data", "kind", "payload"),
    [
        ("süß", b"text", "süß".encode()),
        ("", b"text", b""),
        (b"\x00\xff", b"binary", b"\x00\xff"),
        (bytearray(b"abc"), b"binary", b"abc"),
        (memoryview(b"abc"), b"binary", b"abc"),
        (Message(b"abc"), b"text", b"abc"),
        (BinaryMessage(b"abc"), b"binary", b"abc"),
    ],
)
def test_text_is_sent_as_text_and_bytes_as_binary(
    publisher: Publisher, redis_server: RedisProcess, data: Data, kind: bytes, payload: bytes
) -> None:
    entry_id = publisher.publish(data, group="kitchen")
    [(kept_id, fields)] = kept(redis_server)
    assert kept_id == entry_id
    assert (fields["kind"], fields["data"], fields["except"]) == (kind, payload, b"")


def test_without_a_group_a_message_is_for_all_connections(
    publisher: Publisher, redis_server: RedisProcess
) -> None:
    publisher.publish("soup")
    publisher.publish("salad", group="*")
    assert [fields["data"] for _, fields in kept(redis_server, EVERYBODY)] == [b"soup"]
    assert [fields["data"] for _, fields in kept(redis_server, b"fws:{%2A}:stream")] == [b"salad"]


def test_messages_of_one_caller_keep_their_order(
    publisher: Publisher, redis_server: RedisProcess
) -> None:
    ids = [publisher.publish(str(number), group="kitchen") for number in range(50)]
    assert [entry_id for entry_id, _ in kept(redis_server)] == ids
    assert data_in(redis_server) == [b"%d" % number for number in range(50)]


def test_a_message_that_has_a_name_is_published_once(
    publisher_for: Publish, redis_server: RedisProcess
) -> None:
    one, other = publisher_for(redis_server), publisher_for(redis_server)
    ids = {each.publish("soup", group="kitchen", message_id="order-7") for each in (one, other)}
    assert len(ids) == 1
    assert data_in(redis_server) == [b"soup"]


def test_the_same_name_in_another_group_is_another_message(
    publisher: Publisher, redis_server: RedisProcess
) -> None:
    publisher.publish("soup", message_id="order-7")
    publisher.publish("soup", group="kitchen", message_id="order-7")
    assert len(kept(redis_server)) == len(kept(redis_server, EVERYBODY)) == 1


def test_an_empty_name_is_refused(publisher: Publisher, redis_server: RedisProcess) -> None:
    with pytest.raises(ValueError, match="message_id is empty"):
        publisher.publish("soup", group="kitchen", message_id="")
    assert data_in(redis_server) == []


def test_a_message_that_no_node_could_read_in_time_is_refused_at_once(
    publisher: Publisher, redis_server: RedisProcess
) -> None:
    with pytest.raises(PublishFailed, match="33554432 bytes at most, not 33554433"):
        publisher.publish(bytes(LARGEST + 1), group="kitchen")
    assert data_in(redis_server) == []


def test_equal_messages_without_a_name_are_all_published(
    publisher: Publisher, redis_server: RedisProcess
) -> None:
    for _ in range(3):
        publisher.publish("soup", group="kitchen")
    assert data_in(redis_server) == [b"soup"] * 3


def test_the_prefix_of_the_keys_can_be_chosen(
    publisher_for: Publish, redis_server: RedisProcess
) -> None:
    publisher_for(redis_server, key="shop").publish("soup", group="kitchen")
    assert len(kept(redis_server, b"shop:{kitchen}:stream")) == 1
    assert kept(redis_server) == []


def test_a_stream_has_the_given_length_and_lifetime(
    publisher_for: Publish, redis_server: RedisProcess
) -> None:
    terms = StreamTerms(length=10, life=30.0)
    publisher = publisher_for(redis_server, timeout=3.0, terms=terms)
    for number in range(250):
        publisher.publish(str(number), group="kitchen")
    publisher.publish("last", group="kitchen", message_id="last")
    assert len(kept(redis_server)) <= 110
    client: Any = redis_server.client()
    assert 0 < client.pttl(STREAM) <= 30_000
    assert 4_000 < client.pttl(STREAM[:-6] + b"sent:last") <= 6_000
    client.close()


@pytest.mark.parametrize("data", [None, 5, ["soup"], {"soup": 1}])
def test_values_that_cannot_be_sent_are_refused(
    publisher: Publisher, redis_server: RedisProcess, data: Any
) -> None:
    with pytest.raises(TypeError):
        publisher.publish(data, group="kitchen")
    assert kept(redis_server) == []


def test_a_wrong_url_is_reported_without_its_password() -> None:
    with pytest.raises(ConfigurationError) as told:
        Publisher("http://:hunter2@127.0.0.1/")
    assert "hunter2" not in str(told.value)


def test_a_subject_is_disconnected_over_its_own_group(
    publisher: Publisher, redis_server: RedisProcess
) -> None:
    publisher.disconnect(subject="ann", code=4403, reason="gone")
    [(_, fields)] = kept(redis_server, b"fws:{subject:ann}:stream")
    assert fields["kind"] == b"disconnect"
    assert json.loads(fields["data"]) == {"id": None, "code": 4403, "reason": "gone"}


def test_a_connection_is_disconnected_over_the_stream_of_all(
    publisher: Publisher, redis_server: RedisProcess
) -> None:
    publisher.disconnect(id="c1")
    [(_, fields)] = kept(redis_server, EVERYBODY)
    assert fields["kind"] == b"disconnect"
    assert json.loads(fields["data"])["id"] == "c1"


@pytest.mark.parametrize("who", [{}, {"subject": "ann", "id": "c1"}])
def test_a_disconnection_names_one_subject_or_one_connection(
    publisher: Publisher, who: dict[str, str]
) -> None:
    with pytest.raises(TypeError):
        publisher.disconnect(**who)  # type: ignore[arg-type]


def test_while_redis_is_down_publishing_fails_and_works_when_it_is_back(
    publisher_for: Publish, start_redis: StartRedis
) -> None:
    process = start_redis(persistent=True)
    publisher = publisher_for(process, timeout=2.0)
    publisher.publish("before", group="kitchen")
    process.kill()
    with pytest.raises(PublishFailed):
        publisher.publish("meanwhile", group="kitchen")
    process.start()
    publisher.publish("after", group="kitchen")
    assert data_in(process) == [b"before", b"after"]


def test_a_restart_within_the_publish_timeout_is_not_noticed(
    publisher_for: Publish, start_redis: StartRedis
) -> None:
    process = start_redis(persistent=True)
    publisher = publisher_for(process, timeout=30.0)
    publisher.publish("before", group="kitchen")
    process.kill()
    publishing = gevent.spawn(publisher.publish, "meanwhile", group="kitchen")
    gevent.sleep(0)
    process.start()
    entry_id = publishing.get(timeout=20)
    assert [each for each, _ in kept(process)][1:] == [entry_id]
    assert data_in(process) == [b"before", b"meanwhile"]


def test_a_message_that_failed_while_redis_was_frozen_does_not_appear_later(
    publisher_for: Publish, start_redis: StartRedis
) -> None:
    """Redis reads the waiting attempts when it continues: their deadline has passed by then."""
    process = start_redis()
    publisher = publisher_for(process, timeout=2.0)
    publisher.publish("before", group="kitchen")
    process.freeze()
    try:
        with pytest.raises(PublishFailed):
            publisher.publish("meanwhile", group="kitchen")
    finally:
        process.thaw()
    client: Any = process.client()
    # Everything sent before has been read when its connections have ended.
    until(lambda: len(client.client_list()) == 1)
    client.close()
    publisher.publish("after", group="kitchen")
    assert data_in(process) == [b"before", b"after"]


def test_a_redis_frozen_for_less_than_the_publish_timeout_publishes_once(
    publisher_for: Publish, start_redis: StartRedis
) -> None:
    process = start_redis()
    publisher = publisher_for(process, timeout=30.0)
    publisher.publish("before", group="kitchen")
    process.freeze()
    publishing = gevent.spawn(publisher.publish, "meanwhile", group="kitchen")
    # Longer than the first attempt, so that the message is in the socket twice.
    gevent.sleep(1.3)
    process.thaw()
    entry_id = publishing.get(timeout=20)
    assert [each for each, _ in kept(process)][1:] == [entry_id]


def test_a_refusal_of_redis_is_raised_immediately(
    publisher_for: Publish, redis_server: RedisProcess
) -> None:
    """Refusals are the same for a script by name and by text."""
    client: Any = redis_server.client()
    client.set(STREAM, "no stream")
    publisher = publisher_for(redis_server, timeout=600.0)
    for _ in range(2):
        with gevent.Timeout(20), pytest.raises(PublishFailed, match="WRONGTYPE"):
            publisher.publish("soup", group="kitchen")
    client.close()


def test_a_redis_without_the_script_gets_it_again(
    publisher: Publisher, redis_server: RedisProcess
) -> None:
    publisher.publish("1", group="kitchen")
    client: Any = redis_server.client()
    client.script_flush()
    client.close()
    publisher.publish("2", group="kitchen")
    assert data_in(redis_server) == [b"1", b"2"]


def test_a_clock_that_was_set_delays_messages_only_once(
    publisher: Publisher, redis_server: RedisProcess
) -> None:
    """The known time of Redis is an hour behind."""
    publisher.publish("before", group="kitchen")
    ((place, (offset, until)),) = publisher._redis_clock._offsets.items()
    publisher._redis_clock._offsets[place] = (offset - 3600, until)
    publisher.publish("after", group="kitchen")
    assert data_in(redis_server) == [b"before", b"after"]


def test_many_greenlets_share_a_publisher(publisher: Publisher, redis_server: RedisProcess) -> None:
    work = [gevent.spawn(publisher.publish, str(number), "kitchen") for number in range(100)]
    ids = {each.get(timeout=20) for each in work}
    assert len(ids) == 100
    assert sorted(data_in(redis_server)) == sorted(b"%d" % number for number in range(100))


def test_gevents_threads_publish_too(publisher: Publisher, redis_server: RedisProcess) -> None:
    """Offloaded filters run in gevent's pool; sockets belong to the thread that made them."""
    publisher.publish("1", "kitchen")
    pool = gevent.get_hub().threadpool
    work: list[Any] = [
        pool.spawn(publisher.publish, str(number), "kitchen") for number in range(2, 20)
    ]
    work.append(gevent.spawn(publisher.publish, "20", "kitchen"))
    assert len({each.get(timeout=20) for each in work}) == 19
    assert len(data_in(redis_server)) == 20


def run(start: Start, process: RedisProcess, program: str) -> str:
    """Return the output of a program, in which `url` is that of a Redis."""
    begin = "import sys, threading, os\nfrom fws_gevent import Publisher, PublishFailed\n"
    command = start("-W", "error", "-c", f"{begin}url = {process.url!r}\n{program}")
    assert command.wait() == 0, command.output
    return command.output


def test_a_program_that_publishes_has_no_gevent(start: Start, redis_server: RedisProcess) -> None:
    output = run(start, redis_server, """
publisher = Publisher(url)
publisher.publish("soup", group="kitchen")
publisher.close()
print(sorted(name for name in sys.modules if name.split(".")[0] in ("gevent", "flask")))
""")  # fmt: skip
    assert output == "[]\n"
    assert data_in(redis_server) == [b"soup"]


def test_threads_share_a_publisher(start: Start, redis_server: RedisProcess) -> None:
    run(start, redis_server, """
publisher = Publisher(url)
def publish(thread):
    for number in range(25):
        publisher.publish(f"{thread} {number}", group="kitchen")
threads = [threading.Thread(target=publish, args=(thread,)) for thread in range(8)]
for each in threads: each.start()
for each in threads: each.join()
publisher.close()
""")  # fmt: skip
    found = [each.split() for each in data_in(redis_server)]
    for thread in range(8):
        numbers = [int(number) for name, number in found if int(name) == thread]
        assert numbers == list(range(25))


def test_threads_that_end_leave_no_connections_behind(
    start: Start, start_redis: StartRedis
) -> None:
    """A server with a thread per request would exhaust the connections of Redis."""
    process = start_redis()
    output = run(start, process, """
import redis
publisher = Publisher(url)
for _ in range(30):
    thread = threading.Thread(target=publisher.publish, args=("soup", "kitchen"))
    thread.start()
    thread.join()
other = redis.Redis.from_url(url)
print(sum(each["name"] == "fws" for each in other.client_list()))
other.close()
publisher.close()
""")  # fmt: skip
    assert 1 <= int(output) < 20
    assert len(kept(process)) == 30


def test_a_forked_child_can_publish(start: Start, redis_server: RedisProcess) -> None:
    """Parent and child use separate connections, and don't read each other's answers."""
    run(start, redis_server, """
publisher = Publisher(url)
publisher.publish("before", group="kitchen")
child = os.fork()
for number in range(100):
    publisher.publish(f"{'child' if child == 0 else 'parent'} {number}", group="kitchen")
publisher.close()
if child == 0:
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
""")  # fmt: skip
    found = data_in(redis_server)
    assert len(found) == 201
    for name in (b"child", b"parent"):
        assert [each for each in found if each.startswith(name)] == [
            name + b" %d" % number for number in range(100)
        ]


@pytest.mark.parametrize("fault", ["kill", "freeze"])
def test_a_program_without_gevent_gets_the_outcome_of_each_message(
    start: Start, start_redis: StartRedis, fault: str
) -> None:
    process = start_redis(persistent=True)
    program = start("-W", "error", "-c", f"""
import time
from fws_gevent import Publisher, PublishFailed
publisher = Publisher({process.url!r}, timeout=0.5)
for number in range(10_000):
    try:
        publisher.publish(str(number), group="kitchen")
        print(f"kept {{number}}")
    except PublishFailed:
        print(f"failed {{number}}")
    time.sleep(0.02)
""")  # fmt: skip
    program.wait_for("kept 5\n")
    if fault == "kill":
        process.kill()
        program.wait_for("failed")
        process.start()
    else:
        process.freeze()
        program.wait_for("failed")
        process.thaw()
    program.wait_for(r"failed \d+\nkept \d+\nkept")
    program.end()
    promised = {int(number) for number in re.findall(r"kept (\d+)\n", program.output)}
    in_stream = [int(data) for data in data_in(process)]
    assert in_stream == sorted(set(in_stream))
    assert promised <= set(in_stream)


@pytest.mark.parametrize("group", ["", 5, b"kitchen", "a" * 256, "\ud800", "a\nb"], ids=repr)
def test_an_invalid_group_name_is_refused_and_not_published(
    publisher: Publisher, redis_server: RedisProcess, group: Any
) -> None:
    with pytest.raises(GroupNameInvalid):
        publisher.publish("x", group=group)
    with pytest.raises(GroupNameInvalid):
        publisher.disconnect(subject=group if isinstance(group, str) else 5)  # type: ignore[arg-type]
    client: Any = redis_server.client()
    assert client.dbsize() == 0
    client.close()


@pytest.mark.parametrize("order", [{"id": 5}, {"id": b"c1"}, {"id": "c1", "reason": None}])
def test_an_invalid_disconnect_is_a_type_error(publisher: Publisher, order: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        publisher.disconnect(**order)
