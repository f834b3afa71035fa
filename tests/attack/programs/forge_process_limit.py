import sys

sys.exit("BlockingIOError: [Errno 11] Resource temporarily unavailable")
