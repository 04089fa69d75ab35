"""A chat endpoint that breaks off: passes requests on to another server and closes the connection after some pieces of text.

The model name says where: "gemma:12" asks the upstream for "gemma" and cuts after the twelfth frame that brings text.
"""
import http.client
import http.server
import json
import threading
import urllib.parse


class Cutter:
    def __init__(self, upstream):
        address = urllib.parse.urlsplit(upstream)
        self.held = {}  # model name -> text that was let through, of its first request since the last look

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(handler):
                body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
                name = body["model"]
                body["model"], _, after = name.partition(":")
                frames_max = int(after)
                upstream = http.client.HTTPConnection(address.hostname, address.port, timeout=600)
                upstream.request("POST", handler.path, json.dumps(body), {"Content-Type": "application/json"})
                reply = upstream.getresponse()
                handler.send_response(reply.status)
                handler.send_header("Content-Type", reply.headers.get("Content-Type", ""))
                handler.send_header("Connection", "close")
                handler.end_headers()
                text, frames = "", 0
                for line in reply:
                    if line.startswith(b"data: {"):
                        delta = (json.loads(line[6:])["choices"] or [{}])[0].get("delta", {})
                        if delta.get("content"):
                            if frames == frames_max:
                                break
                            frames += 1
                            text += delta["content"]
                    handler.wfile.write(line)
                    handler.wfile.flush()
                self.held.setdefault(name, text)
                upstream.close()
                handler.close_connection = True

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
