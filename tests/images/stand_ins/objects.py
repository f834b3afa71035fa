"""moto's S3 server, with the buckets that S3Mock's variable names."""

import os

import boto3
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="0.0.0.0", port=9090)  # noqa: S104 - for the other containers
server.start()
client = boto3.client(
    "s3",
    endpoint_url="http://127.0.0.1:9090",
    region_name="us-east-1",
    aws_access_key_id="local",
    aws_secret_access_key="local",
)
for bucket in os.environ["COM_ADOBE_TESTING_S3MOCK_STORE_INITIAL_BUCKETS"].split(","):
    client.create_bucket(Bucket=bucket)
server._thread.join()  # noqa: SLF001 - it has no other way to be waited for
