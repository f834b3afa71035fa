"""How this adapter speaks to Redis (6.2 or later, or Valkey)."""

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

# Redis answers in under a millisecond; one that takes this long is as good as gone.
ANSWER_WITHIN_S = 1.0
MIN_BACKOFF_S = 0.05
MAX_BACKOFF_S = 1.0


def connect(url: str, block_s: float = 0.0) -> redis.Redis:
    """Build a client that connects when it is first used, for commands that block for up to `block_s`.

    A connection that turns out to be closed is opened anew once, which is all that a restart of Redis needs.
    """
    timeout_s = block_s + ANSWER_WITHIN_S
    retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    return redis.Redis.from_url(
        url, protocol=2, socket_connect_timeout=ANSWER_WITHIN_S, socket_timeout=timeout_s, retry=retry
    )
