import pytest

from tests.support.in_memory_service import InMemoryService


@pytest.fixture
def service():
    return InMemoryService()
