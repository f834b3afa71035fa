from entrypoints.cli.server_sent_events import ServerSentEvent, read_events


def test_events_end_at_empty_lines_and_comments_are_skipped():
    lines = [": alive", "", "id: 7", "event: output", 'data: {"a": 1}', "", "data: one", "data:two", ""]
    assert list(read_events(lines)) == [
        ServerSentEvent("output", '{"a": 1}', "7"),
        ServerSentEvent("message", "one\ntwo", "7"),
    ]


def test_an_event_that_broke_off_is_none():
    assert list(read_events(["event: end", "data: {}"])) == []
