from adapters.http_engine.retries import Retries


def test_waits_double_up_to_the_longest_and_are_jittered_by_half():
    delays = [list(Retries(tries=5, first_delay_s=1, max_delay_s=3).delays()) for _ in range(50)]

    for waits in delays:
        for wait, longest in zip(waits, (1, 2, 3, 3), strict=True):
            assert longest / 2 <= wait <= longest
    assert len({waits[0] for waits in delays}) > 1


def test_one_try_waits_for_nothing():
    assert list(Retries(tries=1).delays()) == []
