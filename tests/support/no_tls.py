"""TLS for clients that need none."""

import ssl

# An empty context, because creating the usual one takes 20 ms per client.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
