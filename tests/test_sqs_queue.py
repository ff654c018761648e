"""The SQS queue where SQS differs from a folder. Messages in a strict stand-in, records on a real server."""

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from aws_server import LocalAws
from strict_sqs import StrictSqs, refuse

from nc_latent_tod.errors import ConfigError, LeaseLostError, RetryableError
from nc_latent_tod.queues.job_name import job_name
from nc_latent_tod.queues.sqs import ledger as ledger_module
from nc_latent_tod.queues.sqs.delivery import SqsDelivery
from nc_latent_tod.queues.sqs.ledger import JobLedger, JobRecord
from nc_latent_tod.queues.sqs.queue import SqsQueue

JOB = {"run_id": "train_0_50"}
HOUR, DAY = 3600.0, 24 * 3600.0


@pytest.fixture
def table(aws: LocalAws) -> str:
    return aws.table()


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> StrictSqs:
    """The stand-in; its clock is also the one on which the 12 hours are counted, and the one on the wall."""
    sqs = StrictSqs()
    monkeypatch.setattr(time, "monotonic", lambda: 1e6 + sqs.now)
    monkeypatch.setattr(time, "time", lambda: 1e9 + sqs.now)
    return sqs


@pytest.fixture
def connect(sqs: StrictSqs, table: str) -> Callable[..., SqsQueue]:
    def connect(**options: Any) -> SqsQueue:
        return SqsQueue("jobs.fifo", table=table, client=sqs, **{"max_attempts": 3, "backoff_s": (8.0, 8.0), **options})

    return connect


@pytest.fixture
def queue(connect: Callable[..., SqsQueue]) -> SqsQueue:
    return connect()


def received(queue: SqsQueue) -> SqsDelivery:
    delivery = queue.receive(0)
    assert delivery is not None, "no job was delivered"
    return delivery


def waiting(sqs: StrictSqs) -> tuple[int, int]:
    """Messages in the queue and in the dead-letter queue."""
    return len(sqs.messages["jobs.fifo"]), len(sqs.messages["dead.fifo"])


def test_a_folder_enqueued_twice_runs_once(queue: SqsQueue, sqs: StrictSqs) -> None:
    for after_s in (0, 10, 10 * HOUR):  # within and after the five minutes of SQS's own deduplication
        sqs.now += after_s
        assert queue.put(JOB) == (after_s == 0)

    received(queue).ack()

    assert waiting(sqs) == (0, 0)
    assert not queue.put(JOB) and queue.receive(0) is None


def test_a_put_that_was_killed_is_finished_by_the_next(queue: SqsQueue, sqs: StrictSqs) -> None:
    sqs.failures = [refuse("InternalError", "SendMessage", status=500)]
    with pytest.raises(RetryableError):
        queue.put(JOB)
    assert waiting(sqs) == (0, 0) and not queue.drained()

    queue.put(JOB)

    assert received(queue).job == JOB


def test_any_text_is_sent_as_legal_characters(queue: SqsQueue) -> None:
    job = {"run_id": "r", "data": {"text": "\x00\x1b\ud800 \uffff é 🎉"}}
    queue.put(job)
    delivery = received(queue)
    assert delivery.job == job

    delivery.nack("CUDA error \x00\x1b[31m \ud800 " + "é" * 5000, dead=True)

    [dead] = queue.status().dead
    assert dead.reason.startswith("CUDA error") and len(dead.reason) > 5000


def test_a_job_beyond_the_queue_s_own_size_is_left_at_its_storage(table: str, aws: LocalAws) -> None:
    aws.client("s3").create_bucket(Bucket="claims", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    sqs = StrictSqs(max_bytes=10_000)
    queue = SqsQueue("jobs.fifo", table=table, client=sqs)
    job = {"run_id": "r", "notes": "é" * 5_000, "output": {"labels_url": "s3://claims/labels"}}

    queue.put(job)

    assert len(sqs.messages["jobs.fifo"][0]["body"]) < 300
    assert received(queue).job == job
    with pytest.raises(ConfigError, match=r"4880.*output\.labels_url"):
        queue.put({**job, "output": {"labels_url": "outputs"}})


def test_a_stored_job_that_is_gone_or_changed_is_a_dead_letter(table: str, aws: LocalAws) -> None:
    aws.client("s3").create_bucket(Bucket="lost-claims", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    queue = SqsQueue("jobs.fifo", table=table, client=StrictSqs(max_bytes=10_000))
    for number in range(2):
        queue.put({"run_id": f"r{number}", "notes": "x" * 9_000, "output": {"labels_url": "s3://lost-claims"}})
    first, second = (item["Key"] for item in aws.client("s3").list_objects_v2(Bucket="lost-claims")["Contents"])
    aws.client("s3").delete_object(Bucket="lost-claims", Key=first)
    aws.client("s3").put_object(Bucket="lost-claims", Key=second, Body=b'{"run_id": "other"}')

    assert queue.receive(0) is None and queue.receive(0) is None

    first, second = queue.status().dead
    assert "missing" in first.reason + second.reason and "sha256 differs" in first.reason + second.reason
    assert queue.drained(), "nobody waits for them"
    job = {"run_id": "r0", "notes": "x" * 9_000, "output": {"labels_url": "s3://lost-claims"}}
    assert not queue.put(job) and queue.redrive([job_name(job)]) == [job_name(job)]
    assert received(queue).job == job


@pytest.mark.parametrize(("body", "attributes", "reason"), [
    ("hello", {}, "another program"),
    ('{"run_id": "r"}', {"format": "someone/else"}, "another program"),
    ("{not json", {"format": "nc-latent-tod/job/1"}, "not a job as JSON"),
    ("[" * 100_000, {"format": "nc-latent-tod/job/1"}, "not a job as JSON"),
    ("[1, 2]", {"format": "nc-latent-tod/job/1"}, "not a JSON object but list"),
    ('{"run_id": "changed"}', {"format": "nc-latent-tod/job/1"}, "changed after the job was put"),
    ('{"seed": NaN}', {"format": "nc-latent-tod/job/1"}, "not a job that can be read"),
    ('{"url": "s3://no-such-bucket/r", "sha256": ""}', {"format": "nc-latent-tod/job-at-url/1"}, "bucket does not exist"),
    ('{"url": "nowhere://r", "sha256": ""}', {"format": "nc-latent-tod/job-at-url/1"}, "from s3:// and file:// alone"),
    ('{"url": "http://169.254.169.254/r", "sha256": ""}', {"format": "nc-latent-tod/job-at-url/1"}, "s3:// and file:// alone"),
    ("x" * 262_144, {}, "another program"),
])
def test_a_message_that_is_no_job_is_a_dead_letter_at_once(queue: SqsQueue, sqs: StrictSqs, body, attributes, reason) -> None:
    sent = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    sqs.send_message("jobs.fifo", body, "group", "1", sent)

    assert queue.receive(0) is None

    [dead] = queue.letters()
    letter = queue.letter(dead.name)
    assert letter is not None and reason in letter.reasons[-1] and letter.job == body
    assert waiting(sqs) == (0, 1)
    with pytest.raises(ConfigError, match=dead.name):
        queue.redrive([dead.name])


def test_a_dead_letter_of_another_program_may_have_any_attributes(queue: SqsQueue, sqs: StrictSqs) -> None:
    text = {name: {"DataType": "String", "StringValue": "some"} for name in ("run", "attempts", "reason")}
    sqs.send_message("dead.fifo", "hello", "group", "1", text)

    assert [(letter.name, letter.attempts) for letter in queue.letters()] == [("group", 0)]


def test_a_job_that_ends_after_its_time_is_done_and_its_message_is_dropped(queue: SqsQueue, sqs: StrictSqs) -> None:
    queue.put(JOB)
    late = received(queue)
    sqs.now += 61  # nobody else asked meanwhile

    late.ack()

    assert (queue.status().done, waiting(sqs)) == (1, (1, 0)), "a delete with an expired handle fails"
    assert queue.receive(0) is None
    assert waiting(sqs) == (0, 0)


def test_a_message_is_never_held_beyond_twelve_hours(queue: SqsQueue, sqs: StrictSqs) -> None:
    queue.put(JOB)
    delivery = received(queue)
    beats = 0
    with pytest.raises(LeaseLostError, match="12 hours"):
        while True:
            delivery.extend(HOUR)
            sqs.now += HOUR / 3
            beats += 1
    assert 35 <= beats <= 36

    sqs.now = 12 * HOUR + 1
    assert received(queue).attempt == 2


def test_a_failed_job_waits_longer_each_time_and_is_not_sent_again(queue: SqsQueue, sqs: StrictSqs) -> None:
    queue.put(JOB)
    pauses = []
    for _ in range(2):
        received(SqsQueue("jobs.fifo", table=queue._ledger.table, client=sqs, backoff_s=(8.0, 100.0))).nack("out of memory")
        pauses.append(sqs.messages["jobs.fifo"][0]["visible_at"] - sqs.now)
        assert queue.receive(0) is None
        sqs.now += pauses[-1]

    assert 4 <= pauses[0] <= 8 <= pauses[1] <= 16
    assert sqs.messages["jobs.fifo"][0]["receives"] == 2, "the same message, so SQS goes on counting"


def test_a_second_message_of_a_job_in_flight_waits_and_is_dropped_when_it_is_done(queue, sqs: StrictSqs) -> None:
    queue.put(JOB)
    copy = dict(sqs.messages["jobs.fifo"][0], id="m-copy", group="train_0_50-copy")
    held = received(queue)
    sqs.messages["jobs.fifo"].append({**copy, "group": sqs.messages["jobs.fifo"][0]["group"]})
    sqs.messages["jobs.fifo"][0]["group"] = "released"  # so that SQS itself does not hold the copy back

    assert queue.receive(0) is None
    held.ack()
    sqs.now += 61
    assert queue.receive(0) is None

    assert (queue.status().done, waiting(sqs)) == (1, (0, 0))


def test_a_second_message_takes_the_job_from_a_holder_that_is_silent(queue: SqsQueue, sqs: StrictSqs) -> None:
    queue.put(JOB)
    lost = received(queue)
    original = sqs.messages["jobs.fifo"].pop()  # SQS lost it, or kept it only for 14 days
    sqs.now += 200
    sqs.messages["jobs.fifo"].append({**original, "id": "m-copy", "visible_at": 0})

    assert received(queue).attempt == 2
    with pytest.raises(LeaseLostError):
        lost.extend(60)


def test_of_two_workers_that_take_over_at_once_one_gets_the_job(connect, sqs: StrictSqs, monkeypatch) -> None:
    queue, slow = connect(), connect()
    queue.put(JOB)
    name = received(queue).fence.key[1]
    seen_by_slow = queue._ledger.get(name)
    sqs.now += 61
    holder = received(queue)
    sqs.messages["jobs.fifo"][0]["visible_at"] = 0.0  # the clock of SQS jumped, say

    monkeypatch.setattr(slow._ledger, "get", lambda name: seen_by_slow)

    assert slow.receive(0) is None
    monkeypatch.undo()
    assert queue._ledger.get(name).token == holder.fence.token


def test_what_sqs_itself_gives_up_is_found_and_can_be_put_back(table: str) -> None:
    sqs = StrictSqs(max_receives=2)
    queue = SqsQueue("jobs.fifo", table=table, client=sqs)
    queue.put(JOB)
    for _ in range(3):  # workers that end before they can say anything
        sqs.receive_message("jobs.fifo", 1, 0, 0, [], [], "")
    assert waiting(sqs) == (0, 1)

    assert not queue.drained(), "first it looks"
    assert queue.drained()
    [dead] = queue.status().dead
    assert "SQS gave it up" in dead.reason
    assert queue.redrive([dead.name]) == [dead.name]
    assert (received(queue).attempt, waiting(sqs)) == (1, (1, 0))


def test_a_dead_letter_is_put_back_at_once_although_sqs_knows_it(queue: SqsQueue, sqs: StrictSqs) -> None:
    queue.put(JOB)
    for _ in range(3):  # all within the five minutes of deduplication
        received(queue).nack("no such split", dead=True)
        [dead] = queue.letters()
        assert waiting(sqs) == (0, 1)
        assert queue.redrive([dead.name]) == [dead.name]

    assert (received(queue).attempt, queue.status().dead) == (1, ())
    assert queue.redrive(["absent"]) == []


def test_a_redrive_that_was_killed_is_finished_by_the_next(queue: SqsQueue, sqs: StrictSqs) -> None:
    queue.put(JOB)
    received(queue).nack("no such split", dead=True)
    [dead] = queue.letters()
    sqs.failures = [refuse("InternalError", "SendMessage", status=500)]
    with pytest.raises(RetryableError):
        queue.redrive([dead.name])
    assert waiting(sqs) == (0, 1), "the letter stays until the job is sent"

    sqs.now += 61
    assert queue.redrive([dead.name]) == [dead.name]

    assert received(queue).job == JOB and waiting(sqs) == (1, 0)


def test_a_burial_that_was_killed_is_finished_with_the_same_reason(queue: SqsQueue, sqs: StrictSqs) -> None:
    queue.put(JOB)
    sqs.failures = [refuse("InternalError", "SendMessage", status=500)]
    with pytest.raises(RetryableError):
        received(queue).nack("no such split", dead=True)
    assert waiting(sqs) == (1, 0)

    sqs.now += 61
    assert queue.receive(0) is None

    assert waiting(sqs) == (0, 1)
    letter = queue.letter(queue.letters()[0].name)
    assert letter is not None and (letter.reasons, letter.job) == (("no such split",), JOB)


def test_a_dead_letter_that_is_sent_back_in_the_console_is_run(queue: SqsQueue, sqs: StrictSqs) -> None:
    queue.put(JOB)
    received(queue).nack("no such split", dead=True)

    sqs.start_message_move_task()

    delivery = received(queue)
    assert delivery.attempt == 1
    delivery.nack("no such split", dead=True)
    assert (len(queue.letters()), waiting(sqs)) == (1, (0, 1))


def test_what_sqs_gave_up_and_is_sent_back_in_the_console_is_run(table: str) -> None:
    sqs = StrictSqs(max_receives=1)
    queue = SqsQueue("jobs.fifo", table=table, client=sqs)
    queue.put(JOB)
    received(queue)
    sqs.now += 61
    assert queue.receive(0) is None
    assert len(queue.letters()) == 1

    sqs.start_message_move_task()

    assert (received(queue).job, queue.status().dead) == (JOB, ())


def test_more_dead_letters_than_a_batch_holds_are_all_looked_at_and_let_go(queue: SqsQueue, sqs: StrictSqs) -> None:
    for number in range(23):
        queue.put({"run_id": f"run_{number}"})
        received(queue).nack("no such split", dead=True)

    names = [letter.name for letter in queue.letters()]

    assert len(names) == 23
    assert all(message["visible_at"] <= sqs.now for message in sqs.messages["dead.fifo"])
    assert sorted(queue.redrive(names[:12])) == sorted(names[:12])
    assert waiting(sqs) == (12, 11)


def test_more_dead_letters_than_are_read_in_a_minute_come_to_an_end(queue: SqsQueue, sqs: StrictSqs, monkeypatch) -> None:
    for number in range(80):
        sqs.send_message("dead.fifo", "hello", f"group_{number}", f"{number}")
    receive, receipts = sqs.receive_message, iter(range(50))

    def receive_slowly(**request: Any) -> dict[str, Any]:
        assert next(receipts, None) is not None, "there is no end to it"
        sqs.now += 10  # they are held for 60 s
        return receive(**request)

    monkeypatch.setattr(sqs, "receive_message", receive_slowly)

    assert len(queue.letters()) == 80
    assert all(message["visible_at"] <= sqs.now for message in sqs.messages["dead.fifo"])


def test_a_job_whose_message_was_thrown_away_is_named_and_put_again(queue: SqsQueue, sqs: StrictSqs) -> None:
    queue.put(JOB)
    sqs.now += 14 * DAY
    assert not queue.put(JOB) and queue.status().ready == 1, "it may still be there"

    sqs.now += 2 * HOUR
    assert queue.receive(0) is None
    status = queue.status()
    assert (status.ready, len(status.expired)) == (0, 1) and status.expired[0].startswith("train_0_50-")
    assert queue.drained(), "nobody has to wait for it"

    assert [queue.put(JOB), queue.put(JOB)] == [True, False]

    assert (queue.status().expired, queue.drained()) == ((), False)
    assert received(queue).attempt == 1


def test_a_job_whose_worker_died_while_its_message_was_thrown_away_is_put_again(queue: SqsQueue, sqs: StrictSqs) -> None:
    queue.put(JOB)
    sqs.now += 12 * DAY
    lost = received(queue)
    sqs.now += 3 * DAY
    assert (queue.status().in_flight, len(queue.status().expired)) == ((), 1)

    assert queue.put(JOB)

    assert received(queue).job == JOB
    with pytest.raises(LeaseLostError):
        lost.ack()


def test_a_holder_that_is_alive_keeps_its_job_however_old_the_message_is(queue: SqsQueue, sqs: StrictSqs) -> None:
    queue.put(JOB)
    received(queue)
    sqs.now += 15 * DAY
    name = queue.status().expired[0]
    queue._ledger.change(name, {"state": "in_flight"}, beat_at=time.time())  # a heartbeat

    assert queue.status().expired == () and not queue.put(JOB)


def test_a_message_in_its_last_hours_is_replaced_before_a_worker_holds_it(queue: SqsQueue, sqs: StrictSqs) -> None:
    queue.put(JOB)
    sqs.now += 13.8 * DAY

    assert queue.receive(0) is None, "first it is copied"
    delivery = received(queue)
    for _ in range(30):
        delivery.extend(HOUR)
        sqs.now += HOUR / 3
    delivery.nack("out of memory")

    sqs.now += 60
    assert received(queue).attempt == 2


def test_a_dead_letter_that_was_thrown_away_says_so_and_its_job_is_put_again(queue: SqsQueue, sqs: StrictSqs) -> None:
    queue.put(JOB)
    received(queue).nack("no such split", dead=True)
    sqs.now += 15 * DAY

    [dead] = queue.letters()
    assert dead.reason.startswith("no such split (") and "after 14 days: enqueue the job file again" in dead.reason
    letter = queue.letter(dead.name)
    assert letter is not None and "thrown away" in str(letter.job)
    with pytest.raises(ConfigError, match=f"{dead.name}: its dead letter was thrown away"):
        queue.redrive([dead.name])

    assert queue.put(JOB)
    assert (received(queue).attempt, queue.status().dead) == (1, ())


def test_a_look_for_what_is_pending_reads_one_record_while_a_job_is_and_all_before_the_end(queue: SqsQueue, sqs) -> None:
    for number in range(40):
        queue.put({"run_id": f"run_{number:02}"})
    held = [received(queue) for _ in range(40)]
    for delivery in held[:20]:
        delivery.ack()
    requests: list[str] = []
    queue._ledger._client.meta.events.register("before-call.dynamodb", lambda model, **_: requests.append(model.name))

    assert not queue.drained()
    assert requests == ["Query", "Query"], "16 records, then up to 64"
    requests.clear()
    assert not queue.drained() and requests == ["GetItem"]
    for delivery in held[20:]:
        delivery.ack()
    queue.put({"run_id": "run_00", "seed": 1})  # sorts before the job that was seen last
    assert not queue.drained()
    received(queue).ack()
    requests.clear()
    assert queue.drained() and set(requests) == {"GetItem", "Query"}


def test_records_that_were_lost_are_made_anew_from_the_messages(queue: SqsQueue, sqs: StrictSqs, aws: LocalAws) -> None:
    queue.put(JOB)

    other = SqsQueue("jobs.fifo", table=aws.table(), client=sqs)

    assert received(other).job == JOB
    assert len(other.status().in_flight) == 1


def test_records_of_done_jobs_are_counted_and_not_sent(table: str, aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "_LONGEST_PAGE", 2)  # so that pages are empty after the filter, or half full
    ledger = JobLedger(table, "jobs.fifo")
    for number, state in enumerate(("done", "done", "ready", "done", "dead", "done", "done")):
        ledger.create(JobRecord(name=f"r{number}", state=state))
    sent: list[Any] = []
    ledger._client.meta.events.register("after-call.dynamodb.Query", lambda parsed, **_: sent.extend(parsed["Items"]))

    found, done = ledger.not_done()

    assert ([record.name for record in found], done) == (["r2", "r4"], 5)
    assert len(sent) == 2


def test_a_change_that_arrives_twice_is_one_change(table: str, aws: LocalAws) -> None:
    ledger = JobLedger(table, "jobs.fifo")
    real = ledger._client.update_item

    def twice(**request: Any) -> Any:  # the first answer is lost, and boto3 sends the request again
        real(**request)
        return real(**request)

    ledger._client.update_item = twice
    assert ledger.create(JobRecord(name="r")).token == 0
    assert ledger.change("r", {"token": 0}, token=1, state="in_flight").token == 1


def test_a_progress_that_never_ends_writes_seldom(queue: SqsQueue, sqs: StrictSqs) -> None:
    queue.put(JOB)
    delivery = received(queue)
    writes = []
    real = queue._ledger._client.update_item
    queue._ledger._client.update_item = lambda **request: writes.append(1) or real(**request)

    for second in range(60):
        sqs.now += 1
        delivery.progress(f"{second} of 60")

    assert len(writes) == 6
    assert queue.status().in_flight[0].progress in {f"{second} of 60" for second in range(50, 60)}


def test_the_fence_of_a_delivery_is_that_of_the_newest_holder(queue: SqsQueue, sqs: StrictSqs, table: str) -> None:
    queue.put(JOB)
    first = received(queue)
    sqs.now += 61
    second = received(queue)

    digest = hashlib.sha256(json.dumps(JOB, separators=(",", ":")).encode()).hexdigest()[:16]
    assert second.fence.key == first.fence.key == ("queue:jobs.fifo", f"train_0_50-{digest}")
    assert (second.fence.table, second.fence.token) == (table, first.fence.token + 1)


def test_a_queue_that_is_not_as_it_has_to_be_is_refused(aws: LocalAws) -> None:
    aws.client("sqs").create_queue(QueueName="alone.fifo", Attributes={"FifoQueue": "true"})
    no_fifo = f"{aws.url}/123456789012/plain"
    for path, message in (("absent.fifo", "create_aws"), ("alone.fifo", "dead-letter"), (no_fifo, "FIFO")):
        with pytest.raises(ConfigError, match=message):
            SqsQueue(path)
    with pytest.raises(ConfigError, match="lease_s"):
        SqsQueue("alone.fifo", lease_s=13 * HOUR)


def test_a_queue_is_opened_by_its_url_too(aws: LocalAws) -> None:
    url = aws.client("sqs").get_queue_url(QueueName=aws.queue())["QueueUrl"]
    table = aws.table()

    SqsQueue(url, table=table).put(JOB)

    assert received(SqsQueue(url.rpartition("/")[2], table=table)).job == JOB
