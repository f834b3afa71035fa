import socket, threading, http.server, urllib.request

server = http.server.HTTPServer(
    ("localhost", 0),
    type(
        "Hello",
        (http.server.BaseHTTPRequestHandler,),
        {
            "do_GET": lambda self: (self.send_response(200), self.end_headers(), self.wfile.write(b"hello")),
            "log_message": lambda *_: None,
        },
    ),
)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(urllib.request.urlopen(f"http://localhost:{server.server_port}/").read())
a, b = socket.socketpair()
a.sendall(b"pair")
print(b.recv(9))
