"""A gate in front of a server that loses replies: what a network does at the worst moment, after the request has arrived."""
import socket
import struct
import threading


class Gate:
    """Passes connections on to `url`. The first `losses` replies are cut off when they begin."""

    def __init__(self, url, losses=1):
        host, port = url.removeprefix("http://").split(":")
        self.target, self.losses, self.lost = (host, int(port)), losses, 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.target)
            threading.Thread(target=self._pass, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _pass(self, source, sink, is_reply):
        try:
            while data := source.recv(65536):
                if is_reply and self._loses():
                    # A reset, so that nobody takes it for the end of a reply.
                    sink.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    break
                sink.sendall(data)
        except OSError:
            pass
        for side in (source, sink):
            try:
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            side.close()

    def _loses(self):
        with self.lock:
            if self.lost >= self.losses:
                return False
            self.lost += 1
            return True
