"""A chat endpoint that breaks off: passes requests on to another server and closes the connection after some pieces of text.

The model name says where: "gemma:12" asks the upstream for "gemma" and cuts after the twelfth frame that brings text.
"""
import json

from processes import PassThrough


class Cutter(PassThrough):
    def __init__(self, upstream):
        self.held = {}  # model name -> text that was let through, of its first request since the last look
        super().__init__(upstream)

    def asked(self, body):
        name = body["model"]
        body["model"], _, after = name.partition(":")
        return name, int(after)

    def answered(self, asked, lines):
        name, frames_max = asked
        text, frames = "", 0
        for line in lines:
            if line.startswith(b"data: {"):
                delta = (json.loads(line[6:])["choices"] or [{}])[0].get("delta", {})
                if delta.get("content"):
                    if frames == frames_max:
                        break
                    frames += 1
                    text += delta["content"]
            yield line
        self.held.setdefault(name, text)
