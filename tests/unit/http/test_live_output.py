import asyncio

from application.ports.output_feed import OutputChunk, Stream, UsageSample
from entrypoints.http.streaming.live_output import LiveOutput


class LateReader:
    def __init__(self):
        self.items = []

    def put(self, item, _size):
        self.items.append(item)


def usage(cpu_time_ms):
    return UsageSample(execution_time_ms=1, cpu_time_ms=cpu_time_ms, memory_mb=None, processes=None)


def test_a_late_reader_gets_the_output_and_the_latest_usage():
    async def join_late():
        output, reader = LiveOutput(asyncio.get_running_loop()), LateReader()
        output.put(OutputChunk(Stream.STDOUT, 0, b"first"))
        for second in range(5_000):
            output.put(usage(second))
        output.add(reader)
        return reader.items

    chunk, sample = asyncio.run(join_late())

    assert chunk.chunk.data == b"first"
    assert b'"cpu_time_ms":4999' in sample
