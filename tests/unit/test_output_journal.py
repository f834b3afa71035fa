from uuid import uuid4

from adapters.in_process.output_feed import InProcessOutputFeed
from adapters.in_process.output_journal import OutputJournal
from application.ports.output_feed import OutputChunk, Stream
from domain.values import ExecutionId
from tests.support.processes import eventually
from tests.support.small_disk import fill, small_disk

KEPT = 8 << 10


def chunk(offset, data, stream=Stream.STDOUT):
    return OutputChunk(stream, offset, data)


def test_what_was_written_is_read_by_another_process_up_to_where_it_was_cut(tmp_path):
    execution_id = ExecutionId(uuid4())
    OutputJournal(tmp_path / "output", KEPT).append(
        execution_id, [chunk(0, b"one"), chunk(1 << 40, b"two", Stream.STDERR)], ()
    )
    other = OutputJournal(tmp_path / "output", KEPT)
    assert other.read(execution_id) == [chunk(0, b"one"), chunk(1 << 40, b"two", Stream.STDERR)]

    path = tmp_path / "output" / str(execution_id)
    path.write_bytes(path.read_bytes()[:-1])
    assert other.read(execution_id) == [chunk(0, b"one"), chunk(1 << 40, b"tw", Stream.STDERR)]
    other.forget(execution_id)
    assert other.read(execution_id) == ()
    other.forget(execution_id)


def test_a_file_stays_small_and_has_the_latest(tmp_path):
    execution_id = ExecutionId(uuid4())
    journal = OutputJournal(tmp_path, KEPT)
    for number in range(100):
        latest = chunk(number * 1_000, bytes(1_000))
        journal.append(execution_id, [latest], [latest])

    assert (tmp_path / str(execution_id)).stat().st_size <= 2 * KEPT
    assert journal.read(execution_id)[-1].offset == 99_000


def test_output_is_in_the_journal_soon_however_much_it_is_and_gone_when_its_execution_ends(tmp_path):
    feed = InProcessOutputFeed(KEPT, OutputJournal(tmp_path, KEPT))
    feed.start()
    one, other = ExecutionId(uuid4()), ExecutionId(uuid4())
    feed.append(one, chunk(0, b"hello"))
    for number in range(100):
        feed.append(other, chunk(number * 1_000, bytes(1_000)))
    killed = InProcessOutputFeed(KEPT, OutputJournal(tmp_path, KEPT))  # what another process sees

    assert eventually(lambda: killed.recall(one) and killed.recall(other))
    assert killed.recall(one) == [chunk(0, b"hello")]
    assert killed.recall(other)[-1].offset == 99_000
    feed.close(one)
    killed.close(other)
    assert list(tmp_path.iterdir()) == []
    feed.stop()


def test_a_disk_that_takes_nothing_costs_the_journal_alone(tmp_path, caplog):
    (tmp_path / "output").write_text("a file")
    journal = OutputJournal(tmp_path / "output", KEPT)

    journal.append(ExecutionId(uuid4()), [chunk(0, b"x")], ())
    journal.forget_abandoned()

    assert "was not saved and would be lost in a crash" in caplog.text


def test_output_is_read_without_a_chunk_for_which_the_disk_had_no_room(tmp_path, caplog):
    execution_id = ExecutionId(uuid4())
    with small_disk(tmp_path / "disk", "size=64k") as disk:
        journal = OutputJournal(disk, KEPT)
        journal.append(execution_id, [chunk(0, b"first")], ())
        filler = fill(disk)
        journal.append(execution_id, [chunk(5, bytes(KEPT))], ())
        filler.unlink()
        journal.append(execution_id, [chunk(5 + KEPT, b"last")], ())

        assert journal.read(execution_id) == [chunk(0, b"first"), chunk(5 + KEPT, b"last")]
    assert "was not saved and would be lost in a crash" in caplog.text


def test_a_rewrite_for_which_the_disk_has_no_room_leaves_no_draft(tmp_path):
    execution_id = ExecutionId(uuid4())
    with small_disk(tmp_path / "disk", "size=64k") as disk:
        journal = OutputJournal(disk, KEPT)
        journal.append(execution_id, [chunk(0, b"first")], ())
        filler = fill(disk)

        journal.append(execution_id, (), [chunk(0, bytes(KEPT))])

        assert {path.name for path in disk.iterdir()} == {str(execution_id), filler.name}
        assert journal.read(execution_id) == [chunk(0, b"first")]
