from adapters.common.bounded_buffer import ITEM_OVERHEAD_BYTES, BoundedBuffer

ROOM_FOR_THREE = 3 * (ITEM_OVERHEAD_BYTES + 1)


def filled(number):
    buffer = BoundedBuffer(ROOM_FOR_THREE)
    for item in range(number):
        buffer.append(item, 1)
    return buffer


def test_the_oldest_items_give_way():
    buffer = filled(5)

    assert list(buffer) == [2, 3, 4]
    assert buffer.appended == 5
    assert buffer.weight == ROOM_FOR_THREE


def test_an_item_that_is_larger_than_all_the_room_is_not_kept():
    buffer = filled(1)
    buffer.append("large", 10_000)

    assert not buffer
    assert buffer.weight == 0


def test_the_oldest_are_taken_first_until_it_is_enough():
    buffer = filled(3)

    assert buffer.take(ITEM_OVERHEAD_BYTES) == [0]
    assert buffer.take(ROOM_FOR_THREE) == [1, 2]
    assert buffer.take(ROOM_FOR_THREE) == []
    assert buffer.weight == 0


def test_a_buffer_that_is_cleared_has_all_its_room_again():
    buffer = filled(3)
    buffer.clear()

    assert (len(buffer), buffer.weight) == (0, 0)


def test_there_is_room_as_long_as_nothing_has_to_give_way():
    assert filled(2).has_room(1)
    assert not filled(2).has_room(2)
    assert not filled(3).has_room(0)
